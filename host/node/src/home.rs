//! The home of a person: a folder with what their identity grows from (helper data of a board, or a file; see
//! [`crate::root`]), and the attribute keys and retrieving keys they were given. Everything in it is mode 0600, and with a
//! board sealed under it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinseal_abe::outsource::{self, RetrievingKey, TransformKey};
use twinseal_abe::threshold::{Group, PartialKey};
use twinseal_abe::{Claim, PublicKey};
use twinseal_driver::{EntropySlot, Provider};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::at_rest::AtRest;
use crate::authority::EPOCH;
use crate::authority::request::{self, Accepted};
use crate::entropy::Rng;
use crate::folder;
use crate::identity::Identity;
use crate::reader::ReaderKeys;
use crate::root::{self, Kind, Root};
use crate::transform;

/// A person's folder, opened.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    identity: Identity,
    rest: AtRest,
}

/// The board an identity grew from, as it was named then.
const BOARD: &str = "board";
/// What attribute keys and the parts of some are called where they are sealed.
pub(crate) const ATTRIBUTES: &str = "attributes";
/// The file of attribute keys.
const KEYS: &str = "attributes.keys";
/// What the files of waiting parts and of retrieving keys begin with.
const PARTS: &str = "parts-";
const RETRIEVING: &str = "retrieving-";

impl Home {
    /// Opens `dir`. With `create`, an identity is made where there is none; without, that is an error. It grows from
    /// `board`, or from the board it was made with; see [`Root::open`].
    pub fn open(dir: &Path, create: bool, board: Option<&str>) -> Result<Self, Error> {
        let is_new = !was_used(dir)?;
        if is_new && !create {
            return Err(Error::NoIdentity { path: dir.display().to_string() });
        }
        root::check_name(board.unwrap_or("none"))?;
        folder::create_private(dir)?;
        let path = dir.join(BOARD);
        let known = if path.exists() {
            String::from_utf8_lossy(&folder::read_secret(&path)?).into_owned()
        } else {
            "none".into()
        };
        let root = Root::open(board.unwrap_or(known.trim()), dir, is_new)?;
        if root.kind == Kind::File && path.exists() {
            // It grew in a board once; a file in place of that is somebody else's identity.
            return Err(Error::StateMissing { path: dir.join(folder::HELPER).display().to_string() });
        }
        if let Some(board) = board.filter(|board| root.kind == Kind::Vault && *board != known) {
            folder::replace(&path, board.as_bytes())?;
        }
        let identity = Identity::new(root.derive.clone(), "person")?;
        let home = Self { dir: dir.to_owned(), identity, rest: root.at_rest() };
        let path = home.keys_path();
        if !root.has_check() && path.exists() && home.keys(&path).is_ok() {
            // For later: a home on a full or read-only disk opens without.
            let _ = root.keep_check();
        }
        Ok(home)
    }

    /// How secrets are kept here.
    pub fn at_rest(&self) -> &AtRest {
        &self.rest
    }

    /// Who lives here.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where attribute keys are kept unless the caller names another file.
    pub fn keys_path(&self) -> PathBuf {
        self.dir.join(KEYS)
    }

    /// The attribute keys in `path`; none yet where there is no file.
    pub fn keys(&self, path: &Path) -> Result<ReaderKeys, Error> {
        let user = self.identity.user()?;
        if !path.exists() {
            return Ok(ReaderKeys { user, keys: Vec::new() });
        }
        let keys = ReaderKeys::from_bytes(&self.rest.read(ATTRIBUTES, path)?)?;
        if keys.user == user { Ok(keys) } else { Err(Error::WrongUser) }
    }

    /// Requests for `claims`, one for each authority.
    pub fn requests(
        &self,
        claims: &[Claim],
        keys: &ReaderKeys,
        now_ms: u64,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut authorities: Vec<&str> = claims.iter().map(|c| c.authority().as_str()).collect();
        authorities.sort_unstable();
        authorities.dedup();
        let sign = |name: &str| {
            let of_it: Vec<Claim> =
                claims.iter().filter(|c| c.authority().as_str() == name).cloned().collect();
            let held = keys.newest_epoch(name);
            let request = request::Request::sign(&self.identity, name, &of_it, held, now_ms, &*entropy())?;
            Ok((name.to_owned(), request))
        };
        authorities.into_iter().map(sign).collect()
    }

    /// Opens and checks an answer, and adds its keys to those in `path`. Parts from a member of a threshold authority wait
    /// here until there are enough to make keys of.
    pub fn accept(&self, answer: &[u8], key_id: Option<&str>, path: &Path) -> Result<Taken, Error> {
        let accepted = request::accept(&self.identity, answer, key_id)?;
        // Commands that run at the same time must not overwrite what another has just added.
        let _lock = self.lock()?;
        let mut keys = self.keys(path)?;
        match accepted {
            Accepted::Keys(public_key, new) => {
                let taken = Taken::new(&public_key, new.keys.len());
                keys.merge(new)?;
                self.rest.replace(ATTRIBUTES, path, &keys.to_bytes()?)?;
                Ok(taken)
            }
            Accepted::Parts(group, parts) => {
                let waiting = self.parts(&group, parts)?;
                let of =
                    |part: &PartialKey| waiting.iter().filter(|p| p.attribute() == part.attribute()).count();
                let have = waiting.iter().map(of).min().unwrap_or_default();
                let (complete, waiting): (Vec<_>, Vec<_>) =
                    waiting.iter().partition(|part| of(part) >= usize::from(group.threshold()));
                let new = group.combine(complete)?;
                let mut taken = Taken::new(group.public_key(), new.len());
                if !waiting.is_empty() {
                    taken.parts = Some(PartsSoFar { have, need: group.threshold().into() });
                }
                keys.merge(ReaderKeys { user: self.identity.user()?, keys: new })?;
                self.rest.replace(ATTRIBUTES, path, &keys.to_bytes()?)?;
                // Last, so that an interruption costs nothing: parts are combined again.
                let waiting = Parts(waiting.iter().map(|part| part.to_bytes().to_vec()).collect());
                let waiting =
                    Zeroizing::new(postcard::to_allocvec(&waiting).map_err(|_| Error::BadReaderKeys)?);
                self.rest.replace(ATTRIBUTES, &self.parts_path(&group), &waiting)?;
                Ok(taken)
            }
        }
    }

    /// `parts` and those of the same group that wait; of two from one member for one attribute the newer.
    fn parts(&self, group: &Group, mut parts: Vec<PartialKey>) -> Result<Vec<PartialKey>, Error> {
        let path = self.parts_path(group);
        if path.exists() {
            let waiting = self.rest.read(ATTRIBUTES, &path)?;
            let waiting: Parts = postcard::from_bytes(&waiting).map_err(|_| Error::BadReaderKeys)?;
            for bytes in &waiting.0 {
                let part = PartialKey::from_bytes(bytes)?;
                let is_newer = |p: &PartialKey| p.from() == part.from() && p.attribute() == part.attribute();
                if !parts.iter().any(is_newer) {
                    parts.push(part);
                }
            }
        }
        Ok(parts)
    }

    fn parts_path(&self, group: &Group) -> PathBuf {
        self.dir.join(format!("{PARTS}{}", hex::encode(&group.fingerprint()[..16])))
    }

    /// Waits until no other process works on the keys of this home; held until dropped.
    fn lock(&self) -> Result<File, Error> {
        let path = self.dir.join(".lock");
        let lock = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        lock.lock().map_err(|e| Error::io("lock", &path, e))?;
        Ok(lock)
    }

    /// The clocks whose epochs are among `keys`, as claims to renew.
    pub fn renewals(&self, keys: &ReaderKeys) -> Result<Vec<Claim>, Error> {
        let mut clocks: Vec<String> = keys
            .keys
            .iter()
            .filter(|key| key.attribute().name() == EPOCH && key.attribute().prefix().is_some())
            .map(|key| format!("{EPOCH}@{}", key.attribute().authority()))
            .collect();
        clocks.sort_unstable();
        clocks.dedup();
        Ok(clocks.iter().map(|claim| claim.parse()).collect::<Result<_, _>>()?)
    }

    /// Blinds all of `keys` for a helper, and keeps what finishes its work; the name of the transform key and the key.
    pub fn outsource(&self, keys: &ReaderKeys) -> Result<(String, TransformKey), Error> {
        let (transform_key, retrieving) = outsource::tkgen(&keys.user, &keys.keys, &mut Rng(&*entropy()))?;
        let name = transform::name_of(&transform_key);
        let kept = self.rest.wrap(&retrieving_name(&name), &retrieving.to_bytes())?;
        folder::write_secret(&self.retrieving_path(&name), &kept)?;
        Ok((name, transform_key))
    }

    /// The name of the transform key, if there is exactly one.
    pub fn only_transform_key(&self) -> Result<String, Error> {
        let entries = std::fs::read_dir(&self.dir).map_err(|e| Error::io("list", &self.dir, e))?;
        let files = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let name = |file: String| Some(file.strip_prefix(RETRIEVING)?.strip_suffix(".key")?.to_owned());
        let mut names: Vec<String> = files.filter_map(name).collect();
        names.sort_unstable();
        match &names[..] {
            [name] => Ok(name.clone()),
            [] => Err(Error::WhichTransformKey { names: "none".into() }),
            _ => Err(Error::WhichTransformKey { names: names.join(", ") }),
        }
    }

    /// What finishes the work done with the transform key called `name`.
    pub fn retrieving(&self, name: &str) -> Result<RetrievingKey, Error> {
        Ok(RetrievingKey::from_bytes(&self.rest.read(&retrieving_name(name), &self.retrieving_path(name))?)?)
    }

    /// Forgets what finishes the work done with the transform key called `name`.
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        folder::remove(&self.retrieving_path(name))
    }

    fn retrieving_path(&self, name: &str) -> PathBuf {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        self.dir.join(format!("{RETRIEVING}{name}.key"))
    }
}

/// Whether an identity was ever made in `dir`: its root, what is written beside that, or something it was given is there.
/// Public keys of authorities that somebody compared are no sign of one.
fn was_used(dir: &Path) -> Result<bool, Error> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(|e| Error::io("list", dir, e))?,
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io("list", dir, e))?.file_name();
        let name = name.to_string_lossy();
        if [folder::ROOT, folder::HELPER, folder::ROOT_CHECK, BOARD, KEYS].contains(&&*name)
            || name.strip_prefix(PARTS).is_some_and(|group| hex::decode(group).is_ok())
            || name.strip_prefix(RETRIEVING).is_some_and(|key| key.ends_with(".key"))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a retrieving key is called where it is sealed: no longer than a board's label may be.
pub(crate) fn retrieving_name(name: &str) -> String {
    format!("retrieving/{}", name.chars().take(64).filter(char::is_ascii_alphanumeric).collect::<String>())
}

/// What an answer brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// From whom.
    pub authority: String,
    /// Id of the public key they are under, in hex.
    pub key_id: String,
    /// How many keys.
    pub keys: usize,
    /// Of a threshold authority, if there are not yet enough parts for every key.
    pub parts: Option<PartsSoFar>,
}

/// Parts of a key, of different members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PartsSoFar {
    /// How many there are.
    pub have: usize,
    /// How many make a key.
    pub need: usize,
}

impl Taken {
    fn new(public_key: &PublicKey, keys: usize) -> Self {
        let (authority, key_id) = (public_key.authority().to_string(), public_key.id().to_string());
        Self { authority, key_id, keys, parts: None }
    }
}

impl core::fmt::Display for Taken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { authority, key_id, keys, parts } = self;
        match parts {
            Some(PartsSoFar { have, need }) => {
                write!(f, "{have} of {need} parts of {authority} under {key_id}; ask another member")?;
                if *keys > 0 { write!(f, " ({keys} keys are complete)") } else { Ok(()) }
            }
            None => write!(f, "{keys} keys of {authority} under {key_id}"),
        }
    }
}

/// Encoded parts of keys.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Parts(Vec<Vec<u8>>);

/// The operating system's randomness, as a person's commands use it.
pub fn entropy() -> std::sync::Arc<dyn EntropySlot> {
    Provider::software().entropy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_lost_its_root_is_not_given_another() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join("home").join(name);
        let home = dir.path().join("home");
        let user = || Home::open(&home, true, None).map(|home| home.identity().user().unwrap());
        let first = user().unwrap();
        for (kept, other) in [
            (folder::ROOT_CHECK, ""),
            (BOARD, "sim"),
            (KEYS, "TSLREST1"),
            ("parts-00", "x"),
            ("retrieving-00.key", "x"),
        ] {
            if !other.is_empty() {
                std::fs::remove_dir_all(&home).unwrap();
                folder::create_private(&home).unwrap();
                folder::write_secret(&at(kept), other.as_bytes()).unwrap();
            } else {
                folder::remove(&at(folder::ROOT)).unwrap();
            }
            let error = user().unwrap_err();
            let root = if kept == BOARD { folder::HELPER } else { folder::ROOT };
            assert!(
                matches!(&error, Error::StateMissing { path } if path.ends_with(root)),
                "{kept}: {error}"
            );
            let left: Vec<_> = std::fs::read_dir(&home).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left, [kept], "nothing was made in its place");
        }
        std::fs::remove_dir_all(&home).unwrap();
        folder::create_private(&home).unwrap();
        folder::write_secret(&at(BOARD), b"sim").unwrap();
        folder::write_secret(&at(folder::ROOT), &[0; 32]).unwrap();
        let error = Home::open(&home, true, Some("none")).unwrap_err();
        assert!(matches!(&error, Error::StateMissing { path } if path.ends_with(folder::HELPER)), "{error}");

        std::fs::remove_dir_all(&home).unwrap();
        folder::create_private(&home.join("known_authorities")).unwrap();
        std::fs::write(at("parts-list.txt"), "of a person's own").unwrap();
        assert_ne!(user().unwrap(), first, "who has only compared keys is new");
    }
}
