//! `boards.toml` as the gateware sees it; the driver reads the same file for its own columns.

use std::collections::BTreeMap;

use serde::Deserialize;
use twinseal_wire::engines;

use crate::Error;
use crate::link::uart::MIN_CLOCKS_PER_BIT;

const BOARDS: &str = include_str!("../../../boards.toml");

/// One board.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Board {
    /// For people.
    pub title: String,
    /// `ice40`, or `verilator` for a board that is only simulated.
    pub family: String,
    /// Device as nextpnr names it; simulated boards have none.
    pub device: Option<String>,
    /// Package as nextpnr names it.
    pub package: Option<String>,
    /// The one clock of the design, in hertz.
    pub clock_hz: u32,
    /// Of the serial line, in bits per second.
    pub baud: u32,
    /// Names of [`twinseal_wire::engines::ALL`].
    pub engines: Vec<String>,
    /// Pin of each port of the top.
    #[serde(default)]
    pub pins: BTreeMap<String, String>,
    /// For place and route.
    pub seed: Option<u32>,
}

impl Board {
    /// The board called `name`.
    pub fn named(name: &str) -> Result<Self, Error> {
        let mut boards = all()?;
        let board = boards.remove(name).ok_or_else(|| Error::UnknownBoard {
            name: name.to_owned(),
            known: boards.into_keys().collect::<Vec<_>>().join(", "),
        })?;
        Ok(board)
    }

    /// Clocks a bit of the serial line lasts; the rate must divide the clock.
    pub fn clocks_per_bit(&self) -> Result<u64, Error> {
        let clocks = u64::from(self.clock_hz.checked_div(self.baud).unwrap_or(0));
        if clocks < MIN_CLOCKS_PER_BIT || !self.clock_hz.is_multiple_of(self.baud) {
            return Err(Error::BoardsFile(format!(
                "{} baud must divide {} Hz, {MIN_CLOCKS_PER_BIT} times or more",
                self.baud, self.clock_hz
            )));
        }
        Ok(clocks)
    }

    /// Whether any of its engines reads rings.
    pub fn has_rings(&self) -> bool {
        self.engines.iter().any(|engine| engine == "vault" || engine == "entropy")
    }

    /// The value of the `ENGINES` register.
    pub fn engine_bits(&self) -> Result<u32, Error> {
        self.engines.iter().try_fold(0, |bits, name| {
            let known = engines::ALL.iter().find(|(_, n)| n == name);
            known.map(|(bit, _)| bits | bit).ok_or_else(|| Error::BoardsFile(format!("no engine {name:?}")))
        })
    }
}

/// Every board by name.
pub fn all() -> Result<BTreeMap<String, Board>, Error> {
    toml::from_str(BOARDS).map_err(|e| Error::BoardsFile(e.to_string()))
}

/// The names of the boards that have a device, and so a bitstream.
pub fn with_device() -> Result<Vec<String>, Error> {
    let boards = all()?.into_iter().filter(|(_, board)| board.device.is_some());
    Ok(boards.map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_of_the_file_can_be_built() {
        for (name, board) in all().unwrap() {
            assert!(board.clocks_per_bit().is_ok(), "{name}");
            assert_ne!(board.engine_bits().unwrap(), 0, "{name}");
            assert!(board.has_rings(), "{name}");
        }
    }

    #[test]
    fn wrong_facts_are_named() {
        let board = Board::named("hx8k").unwrap();
        let odd = Board { baud: 115_200, ..board.clone() };
        assert!(matches!(odd.clocks_per_bit(), Err(Error::BoardsFile(_))));
        let still = Board { baud: 0, ..board.clone() };
        assert!(matches!(still.clocks_per_bit(), Err(Error::BoardsFile(_))));
        let odd = Board { engines: vec!["abacus".into()], ..board };
        assert!(matches!(odd.engine_bits(), Err(Error::BoardsFile(_))));
        assert!(matches!(Board::named("abacus"), Err(Error::UnknownBoard { .. })));
    }
}
