//! What this node computes with: a board, real or simulated, next to software, and the planner that chooses between them.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use twinseal_driver::{Board, Choice, Link, Options, Planner, Provider, boards, link};
use twinseal_sim::{SimBoard, SimLink};
use zeroize::Zeroizing;

use crate::Error;
use crate::config::EngineChoice;

/// Baud rate where no board of `boards.toml` names another, as for the pseudo-terminal of `twinseal-simboard`.
const DEFAULT_BAUD: u32 = 3_000_000;

/// An opened set of engines.
pub struct Engines {
    provider: Provider,
    planner: Planner,
    board: Option<Arc<Board>>,
}

impl Engines {
    /// `board` is `none`, `sim` or the path of a serial port; keys grow from `root`.
    pub fn open(board: &str, choice: EngineChoice, root: Zeroizing<[u8; 32]>) -> Result<Self, Error> {
        let board = match board {
            "none" if choice == EngineChoice::Board => {
                return Err(Error::Config {
                    reason: "engine is \"board\" but board is \"none\"; choose \"sim\" or a serial port"
                        .into(),
                });
            }
            "none" => None,
            "sim" => Some(Arc::new(open_board(Box::new(SimLink::new(SimBoard::new()?)))?)),
            path => {
                let baud = boards::discover()
                    .unwrap_or_default()
                    .into_iter()
                    .find(|c| Path::new(&c.port) == Path::new(path))
                    .map_or(DEFAULT_BAUD, |c| c.baud);
                Some(Arc::new(open_board(Box::new(link::Serial::open(path, baud)?))?))
            }
        };
        let choice = match choice {
            EngineChoice::Auto => Choice::Measured,
            EngineChoice::Board => Choice::Board,
            EngineChoice::Software => Choice::Software,
        };
        let planner = Planner::new(board.clone(), Provider::software_with_root(root), choice)?;
        Ok(Self { provider: planner.provider(), planner, board })
    }

    /// The slots, already routed by the planner.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// What is plugged in, and one line per slot that says who computes and why.
    pub fn explain(&self) -> Vec<String> {
        let board = match &self.board {
            Some(board) => format!("board: {}, engines at {} Hz", board.label(), board.clock_hz()),
            None => "board: none".into(),
        };
        std::iter::once(board).chain(self.planner.explain()).collect()
    }
}

fn open_board(link: Box<dyn Link>) -> Result<Board, Error> {
    // A result is cheap to check here and decides what goes on the ledger.
    Ok(Board::open(link, Options { verify: true, ..Options::default() })?)
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
