//! What the keys of a folder grow from. With a board that has a vault: its silicon, and the folder holds nothing but the
//! helper data of the enrolment, which are of no use to anybody without that board. Without one: a file of 32 random
//! bytes. A folder keeps what it began with, so losing it is final: see `docs/recovery.md`.
//!
//! ```text
//! vault.helper             helper data, public; whoever loses them loses the keys, so back them up
//! root.key                 or this, mode 0600, where no board with a vault was named
//! root.check               the first 16 bytes of derive("twinseal/v1/root-check") in hex, public
//! virtual_board/silicon    of `board = "sim"`: this file IS the chip, and stands for what a real board keeps to itself
//! ```
//!
//! A board finds any of its roots again, from the helper data of any of its enrolments. `root.check` says which one the
//! folder was made with. It is written with the root; a folder from before there was one is opened without, and given one
//! as soon as what is kept in it has opened under the root ([`Root::keep_check`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};
use twinseal_driver::{Board, DeriveSlot, HelperStore, Link, Options, Provider, boards, link};
use twinseal_sim::{Silicon, SimBoard, SimLink};
use twinseal_wire::engines;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Error;
use crate::answers::Attestation;
use crate::at_rest::AtRest;
use crate::folder;

/// Baud rate where no board of `boards.toml` names another, as for the pseudo-terminal of `twinseal-simboard`.
const DEFAULT_BAUD: u32 = 3_000_000;
/// A folder has one board, whatever its port is called today; [`folder::HELPER`] is this and the store's ending.
pub(crate) const HELPER_NAME: &str = "vault";
const CHECK_BYTES: usize = 16;

/// What keys grow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The silicon of a board.
    Vault,
    /// A file of 32 random bytes.
    File,
}

/// An opened root.
pub struct Root {
    /// Which.
    pub kind: Kind,
    /// Keys of it.
    pub derive: Arc<dyn DeriveSlot>,
    /// What is plugged in, with or without a vault.
    pub board: Option<Arc<Board>>,
    dir: PathBuf,
}

impl Root {
    /// The root of `dir`, made if `is_new`: enrols `board` if it has a vault, else makes a file. `board` is `none`, `sim`,
    /// `sim:PATH` or the path of a serial port. A root other than the one the folder was made with is refused.
    pub fn open(board: &str, dir: &Path, is_new: bool) -> Result<Self, Error> {
        let (helper, file) = (dir.join(folder::HELPER), dir.join(folder::ROOT));
        let is_new = is_new && !dir.join(folder::ROOT_CHECK).exists();
        if !is_new && !helper.exists() && !file.exists() {
            // Said before a virtual board is given a new chip.
            let path = if board == "none" { file } else { helper };
            return Err(Error::StateMissing { path: path.display().to_string() });
        }
        let board = connect(board, dir)?;
        let vault = board.clone().filter(|board| has_vault(board));
        let (kind, derive): (_, Arc<dyn DeriveSlot>) = match (helper.exists(), file.exists(), vault) {
            (true, _, Some(vault)) => {
                unlock(&vault, dir)?;
                (Kind::Vault, vault)
            }
            (true, _, None) => return Err(Error::BoardNeeded { path: helper.display().to_string() }),
            (false, true, _) => (Kind::File, of_file(&file)?),
            (false, false, Some(vault)) => {
                enrol(&vault, dir)?;
                (Kind::Vault, vault)
            }
            (false, false, None) => {
                make_file(&file)?;
                (Kind::File, of_file(&file)?)
            }
        };
        let root = Self { kind, derive, board, dir: dir.to_owned() };
        if is_new {
            root.keep_check()?;
        }
        root.check()?;
        Ok(root)
    }

    /// Whether the folder says which root it was made with.
    pub fn has_check(&self) -> bool {
        self.check_path().exists()
    }

    /// Writes down that this is the root the folder was made with, unless it is written. Not before that is sure: the root
    /// was just made, or what the folder keeps has opened under it.
    pub fn keep_check(&self) -> Result<(), Error> {
        if self.has_check() {
            return Ok(());
        }
        made_once(folder::write_secret(&self.check_path(), check_value(&*self.derive)?.as_bytes()))
    }

    /// An error if the folder was made with another root.
    fn check(&self) -> Result<(), Error> {
        if !self.has_check() {
            return Ok(());
        }
        let path = self.check_path();
        let kept = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
        let kept = kept.trim_ascii();
        if kept.len() != 2 * CHECK_BYTES {
            let expected = "the check value of this folder's root; without it the folder opens as well";
            return Err(Error::SecretMalformed { path: path.display().to_string(), expected });
        }
        let found = check_value(&*self.derive)?;
        constant_time::verify_slices_are_equal(kept, found.as_bytes()).map_err(|_| {
            let file = if self.kind == Kind::Vault { folder::HELPER } else { folder::ROOT };
            Error::ForeignRoot { path: self.dir.join(file).display().to_string() }
        })
    }

    fn check_path(&self) -> PathBuf {
        self.dir.join(folder::ROOT_CHECK)
    }

    /// How secrets that do not grow from it are kept beside it.
    pub fn at_rest(&self) -> AtRest {
        match self.kind {
            Kind::Vault => AtRest::sealed(self.derive.clone(), Provider::software().entropy),
            Kind::File => AtRest::plain(),
        }
    }
}

impl core::fmt::Debug for Root {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Root").field("kind", &self.kind).field("board", &self.board).finish_non_exhaustive()
    }
}

/// What a person calls a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named<'a> {
    /// `none`.
    Nothing,
    /// `sim`: the virtual board of the folder.
    OfFolder,
    /// `sim:PATH`: the virtual board whose chip is that file.
    Chip(&'a Path),
    /// The path of a serial port.
    Port(&'a str),
}

impl<'a> Named<'a> {
    fn parse(board: &'a str) -> Result<Self, Error> {
        match board.split_once(':') {
            _ if board.is_empty() => {
                let reason =
                    "the board has an empty name; give none, sim, sim:PATH or the path of a serial port";
                Err(Error::Config { reason: reason.into() })
            }
            Some(("sim", "")) => {
                let reason = "\"sim:\" names no file; give sim:PATH with the chip of a virtual board, or sim for the folder's own";
                Err(Error::Config { reason: reason.into() })
            }
            Some(("sim", path)) => Ok(Self::Chip(Path::new(path))),
            None if board == "none" => Ok(Self::Nothing),
            None if board == "sim" => Ok(Self::OfFolder),
            _ => Ok(Self::Port(board)),
        }
    }
}

/// Refuses what cannot be the name of a board, before anything is made for it.
pub fn check_name(board: &str) -> Result<(), Error> {
    Named::parse(board).map(drop)
}

/// Opens the board that `board` names, for a folder whose virtual board it is if it is `sim`.
pub fn connect(board: &str, dir: &Path) -> Result<Option<Arc<Board>>, Error> {
    let link: Box<dyn Link> = match Named::parse(board)? {
        Named::Nothing => return Ok(None),
        Named::OfFolder => virtual_board(&dir.join(folder::SILICON), dir)?,
        Named::Chip(path) => virtual_board(path, dir)?,
        Named::Port(port) => {
            let found = boards::discover().unwrap_or_default();
            let known = found.into_iter().find(|c| Path::new(&c.port) == Path::new(port));
            Box::new(link::Serial::open(port, known.map_or(DEFAULT_BAUD, |c| c.baud))?)
        }
    };
    // A result is cheap to check here and decides what goes on the ledger.
    Ok(Some(Arc::new(Board::open(link, Options { verify: true, ..Options::default() })?)))
}

/// The virtual board whose chip is `silicon`: fabricated on first use, but not once keys have grown from it.
fn virtual_board(silicon: &Path, dir: &Path) -> Result<Box<dyn Link>, Error> {
    if !silicon.exists() {
        if dir.join(folder::HELPER).exists() {
            return Err(Error::ChipMissing { path: silicon.display().to_string() });
        }
        if let Some(parent) = silicon.parent().filter(|p| !p.as_os_str().is_empty()) {
            folder::create_private(parent)?;
        }
        let made = Silicon::from_file(silicon);
        // Somebody else may have made it at the same time.
        if !silicon.exists() {
            made?;
        }
    }
    // Whoever can read the chip has every key that grows in it.
    drop(folder::read_secret(silicon)?);
    Ok(Box::new(SimLink::new(SimBoard::with_silicon(Silicon::from_file(silicon)?)?)))
}

/// Enrols the board, as a first start does, for an operator who must hold its pin meanwhile.
pub fn enrol_new(board: &str, dir: &Path) -> Result<Arc<Board>, Error> {
    let used = [folder::HELPER, folder::ROOT, folder::ROOT_CHECK, folder::GENESIS].map(|file| dir.join(file));
    if let Some(path) = used.into_iter().find(|path| path.exists()) {
        return Err(Error::Enrolled { path: path.display().to_string() });
    }
    let board = connect(board, dir)?.filter(|board| has_vault(board)).ok_or(Error::NoVault)?;
    folder::create_private(dir)?;
    enrol(&board, dir)?;
    let (derive, plugged) = (board.clone(), Some(board.clone()));
    Root { kind: Kind::Vault, derive, board: plugged, dir: dir.to_owned() }.keep_check()?;
    Ok(board)
}

fn has_vault(board: &Board) -> bool {
    board.engines() & engines::VAULT != 0
}

/// Finds the root again that the helper data in `dir` were made for. A refused board is never enrolled instead.
fn unlock(board: &Board, dir: &Path) -> Result<(), Error> {
    let path = dir.join(folder::HELPER).display().to_string();
    let helper = HelperStore::new(dir).load(HELPER_NAME)?;
    let helper = helper.ok_or_else(|| Error::StateMissing { path: path.clone() })?;
    board.open_vault(&helper).map_err(|error| match error {
        twinseal_driver::Error::HelperRefused { board, .. } => Error::WrongBoard { board, path },
        other => other.into(),
    })
}

/// Makes a new root and keeps the helper data before any key of it is used.
fn enrol(board: &Board, dir: &Path) -> Result<(), Error> {
    let helper = board.enrol()?;
    Ok(HelperStore::new(dir).save(HELPER_NAME, &helper)?)
}

/// What tells the root behind `derive` from any other, and nothing else about it.
pub(crate) fn check_value(derive: &dyn DeriveSlot) -> Result<String, Error> {
    Ok(hex::encode(&derive.derive(b"twinseal/v1/root-check")?[..CHECK_BYTES]))
}

/// The answer of `board`'s open vault to `challenge`.
pub fn attest(board: &Board, challenge: &[u8; 32]) -> Result<Attestation, Error> {
    Ok(Attestation {
        board: board.label().into(),
        build_id: format!("{:08x}", board.build_id()),
        challenge: hex::encode(challenge),
        mac: hex::encode(board.attest(challenge)?),
    })
}

/// A challenge as a person types it; random when absent.
pub fn challenge(text: Option<&str>) -> Result<[u8; 32], Error> {
    let mut bytes = [0u8; 32];
    match text {
        Some(text) => hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| Error::BadRequest { status: 422, reason: "a challenge is 64 hex digits".into() })?,
        None => Provider::software().entropy.fill(&mut bytes)?,
    }
    Ok(bytes)
}

fn of_file(path: &Path) -> Result<Arc<dyn DeriveSlot>, Error> {
    let expected = "32 bytes";
    let root = folder::read_secret(path)?.as_slice().try_into().map(Zeroizing::new);
    let root = root.map_err(|_| Error::SecretMalformed { path: path.display().to_string(), expected })?;
    Ok(Provider::software_with_root(root).derive)
}

fn make_file(path: &Path) -> Result<(), Error> {
    let mut root = Zeroizing::new([0u8; 32]);
    Provider::software().entropy.fill(root.as_mut_slice())?;
    made_once(folder::write_secret(path, root.as_slice()))
}

/// Somebody else may have made the same file at the same time; theirs counts.
fn made_once(made: Result<(), Error>) -> Result<(), Error> {
    match made {
        Err(Error::Exists { .. }) => Ok(()),
        other => other,
    }
}
