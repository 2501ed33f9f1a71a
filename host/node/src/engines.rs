//! What this node computes with: a board, real or simulated, next to software, and the planner that chooses between them.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twinseal_driver::{Board, Choice, Planner, Provider, boards};
use twinseal_wire::{engines, register};

use crate::Error;
use crate::answers::{Attestation, BoardStatus};
use crate::api::Problem;
use crate::at_rest::AtRest;
use crate::config::EngineChoice;
use crate::root::{self, Kind, Root};

/// An opened set of engines.
pub struct Engines {
    provider: Provider,
    planner: Planner,
    root: Root,
}

impl Engines {
    /// `board` is `none`, `sim`, `sim:PATH` or the path of a serial port; keys grow from the root of `dir`.
    pub fn open(board: &str, choice: EngineChoice, dir: &Path, is_new: bool) -> Result<Self, Error> {
        if board == "none" && choice == EngineChoice::Board {
            let reason = "engine is \"board\" but board is \"none\"; choose \"sim\" or a serial port".into();
            return Err(Error::Config { reason });
        }
        let root = Root::open(board, dir, is_new)?;
        let choice = match choice {
            EngineChoice::Auto => Choice::Measured,
            EngineChoice::Board => Choice::Board,
            EngineChoice::Software => Choice::Software,
        };
        let software = Provider { derive: root.derive.clone(), ..Provider::software() };
        let planner = Planner::new(root.board.clone(), software, choice)?;
        Ok(Self { provider: planner.provider(), planner, root })
    }

    /// The slots, already routed by the planner.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// What is plugged in.
    pub fn board(&self) -> Option<&Arc<Board>> {
        self.root.board.as_ref()
    }

    /// What keys grow from.
    pub fn root(&self) -> Kind {
        self.root.kind
    }

    /// How secrets that do not grow from it are kept.
    pub fn at_rest(&self) -> AtRest {
        self.root.at_rest()
    }

    /// Writes down which root this folder was made with, unless it is written; see [`Root::keep_check`].
    pub fn keep_root_check(&self) -> Result<(), Error> {
        self.root.keep_check()
    }

    /// Why the board does not answer just now, if there is one and it does not: one register is read.
    fn fault(&self) -> Option<Problem> {
        let lost = Error::from(self.board()?.read_register(register::IDENT).err()?);
        Some(Problem { code: lost.code().into(), message: lost.to_string() })
    }

    /// What is plugged in and whether it answers, and what keys grow from, with the recovery policy and those of its authorities whose master keys
    /// would be lost with the board.
    pub fn status(&self, recovery_policy: Option<String>, lost_too: Vec<String>) -> BoardStatus {
        let board = self.board();
        let has = |bit: u32| board.is_some_and(|board| board.engines() & bit != 0);
        let mut warnings = Vec::new();
        match (self.root(), has(engines::VAULT)) {
            (Kind::File, true) => warnings.push(
                "keys grow from root.key though this board has a vault: a folder keeps what it began with; start a new data_dir to use the vault".into(),
            ),
            (Kind::File, false) => warnings.push(
                "keys grow from root.key: whoever reads that file has all of them; name a board with a vault in a new data_dir".into(),
            ),
            (Kind::Vault, _) => {}
        }
        if recovery_policy.is_none() {
            let root = if self.root() == Kind::Vault { "this board" } else { "root.key" };
            warnings.push(format!(
                "no recovery_policy: the owner's records are lost with {root}; set one, and read docs/recovery.md"
            ));
        }
        if self.root() == Kind::Vault && !lost_too.is_empty() {
            warnings.push(format!(
                "recovery_policy names {}, whose master keys are lost with this board; name authorities that are kept elsewhere",
                lost_too.join(", ")
            ));
        }
        BoardStatus {
            board: board.map(|board| board.label().to_owned()),
            fault: self.fault(),
            build_id: board.map(|board| format!("{:08x}", board.build_id())),
            engines: engines::ALL
                .iter()
                .filter(|(bit, _)| has(*bit))
                .map(|(_, name)| (*name).to_owned())
                .collect(),
            root: self.root(),
            entropy: self.entropy(),
            recovery_policy,
            warnings,
        }
    }

    /// Where random bytes come from, and why.
    fn entropy(&self) -> String {
        let planned = self
            .planner
            .explain()
            .into_iter()
            .find_map(|line| line.strip_prefix("entropy: ").map(str::to_owned));
        planned.unwrap_or_else(|| self.provider.entropy.engine().into())
    }

    /// The vault's answer to `challenge`: HMAC-SHA-256 under the root of build id and challenge.
    pub fn attest(&self, challenge: &[u8; 32]) -> Result<Attestation, Error> {
        let board = self.board().filter(|_| self.root() == Kind::Vault).ok_or(Error::NoVault)?;
        root::attest(board, challenge)
    }

    /// What is plugged in, and one line per slot that says who computes and why.
    pub fn explain(&self) -> Vec<String> {
        let board = match &self.root.board {
            Some(board) => format!("board: {}, engines at {} Hz", board.label(), board.clock_hz()),
            None => "board: none".into(),
        };
        std::iter::once(board).chain(self.planner.explain()).collect()
    }
}

/// A port that may lead to a board.
#[derive(Debug, Serialize)]
pub struct FoundBoard {
    /// Serial port.
    pub path: String,
    /// What `boards.toml` calls a board behind this kind of bridge.
    pub title: String,
    /// USB serial number.
    pub serial_number: Option<String>,
}

/// Ports whose USB ids are in `boards.toml`. Nothing is sent to them.
pub fn discover() -> Result<Vec<FoundBoard>, Error> {
    let kinds = boards::kinds()?;
    Ok(boards::discover()?
        .into_iter()
        .map(|c| FoundBoard {
            title: kinds.get(&c.board).map_or(c.board, |kind| kind.title.clone()),
            path: c.port,
            serial_number: c.serial_number,
        })
        .collect())
}

/// The list for a person.
pub fn render(boards: &[FoundBoard]) -> String {
    if boards.is_empty() {
        return "no board is plugged in; `--board sim` is the same gateware under Verilator".into();
    }
    let line = |b: &FoundBoard| {
        format!("{}  {}  serial {}", b.path, b.title, b.serial_number.as_deref().unwrap_or("unknown"))
    };
    boards.iter().map(line).collect::<Vec<_>>().join("\n")
}
