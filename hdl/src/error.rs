//! What can go wrong between the sources and a bitstream.

use std::path::PathBuf;

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `boards.toml` does not describe the board.
    #[error("no board {name:?} in boards.toml; it has: {known}")]
    UnknownBoard {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// `boards.toml` is not what it should be.
    #[error("boards.toml: {0}; correct the file and build again")]
    BoardsFile(String),
    /// The file system refused.
    #[error("{}: {source}; check that the folder exists and can be written", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// A stable code for scripts and documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownBoard { .. } => "TSL-HDL-001",
            Self::BoardsFile(_) => "TSL-HDL-002",
            Self::File { .. } => "TSL-HDL-003",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let errors = [
            Error::UnknownBoard { name: String::new(), known: String::new() },
            Error::BoardsFile(String::new()),
            Error::File { path: PathBuf::new(), source: std::io::ErrorKind::NotFound.into() },
        ];
        let codes: std::collections::BTreeSet<_> = errors.iter().map(Error::code).collect();
        assert_eq!(codes.len(), errors.len());
    }
}
