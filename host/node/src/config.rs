//! Settings of the daemon: `twinseald.toml`, then `TWINSEAL_*` environment variables, then flags, each overriding the
//! one before. `packaging/twinseald.toml` is the commented default, and a test keeps the two equal.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Everything `twinseald` can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where helper data or root secret, ledger, objects and API token live.
    pub data_dir: PathBuf,
    /// Where the HTTP API listens. Keep it on loopback: the API is plain HTTP with a bearer token.
    pub listen: SocketAddr,
    /// `none`, `sim`, `sim:PATH` with the silicon of another virtual board, or the path of a serial port.
    pub board: String,
    /// `auto` lets the planner choose between board and CPU; `board` and `software` force a side.
    pub engine: EngineChoice,
    /// Longest request body in bytes.
    pub max_body_bytes: usize,
    /// Who may read every record besides those its own policy names, so that it outlives the board; none if empty.
    pub recovery_policy: String,
    /// Public keys (`generation-N.pub`) of the authorities in `recovery_policy` that this node does not run.
    pub recovery_authorities: Vec<PathBuf>,
}

/// Who computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The planner decides from its measurements.
    #[default]
    Auto,
    /// The board, whatever it costs.
    Board,
    /// The CPU.
    Software,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/twinseal"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7480)),
            board: "none".into(),
            engine: EngineChoice::Auto,
            max_body_bytes: 64 << 20,
            recovery_policy: String::new(),
            recovery_authorities: Vec::new(),
        }
    }
}

impl Config {
    /// Reads `path`; every key is optional, an unknown key is an error that names it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read the configuration", path, e))?;
        Self::parse(&text).map_err(|reason| Error::Config { reason: format!("{}: {reason}", path.display()) })
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_file_is_the_default() {
        let text = include_str!("../../../packaging/twinseald.toml");
        assert_eq!(Config::parse(text).unwrap(), Config::default());
    }

    #[test]
    fn unknown_keys_and_bad_values_are_named() {
        let unknown = Config::parse("datadir = \"/tmp\"").unwrap_err();
        assert!(unknown.contains("datadir") && unknown.contains("data_dir"), "{unknown}");
        let bad = Config::parse("engine = \"fast\"").unwrap_err();
        assert!(bad.contains("fast") && bad.contains("software"), "{bad}");
    }
}
