//! What can go wrong around a simulated board.

use std::io;
use std::path::PathBuf;

/// An error of this crate; every variant has a stable [`code`](SimError::code).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The model could not be created.
    #[error("TSL-SIM-001: no memory for a simulated board; close other programs")]
    NoMemory,
    /// The system gave no pseudo-terminal.
    #[error(
        "TSL-SIM-002: cannot open a pseudo-terminal ({0}); check that /dev/pts is mounted and /dev/ptmx is writable"
    )]
    OpenPty(#[source] io::Error),
    /// The pseudo-terminal failed while it was served.
    #[error("TSL-SIM-003: the pseudo-terminal failed ({0}); start the board again")]
    Pty(#[source] io::Error),
    /// The thread that served the board ended in a panic.
    #[error(
        "TSL-SIM-004: the simulated board stopped unexpectedly; start it again and report the message before this one"
    )]
    Stopped,
    /// The symbolic link to the pseudo-terminal could not be made.
    #[error(
        "TSL-SIM-005: cannot make the link {path} ({source}); give --link a path in a writable folder that is not a file"
    )]
    Symlink {
        /// The link asked for.
        path: PathBuf,
        /// Why it could not be made.
        source: io::Error,
    },
    /// The benchmark got a wrong or no answer.
    #[error("TSL-SIM-006: the board answered wrongly in the benchmark ({0}); run cargo test -p twinseal-hdl")]
    Answer(String),
    /// The signals that end the program could not be reserved.
    #[error("TSL-SIM-007: cannot wait for signals ({0}); start the program from an ordinary shell")]
    Signals(#[source] io::Error),
    /// The operating system gives no randomness.
    #[error("TSL-SIM-008: no randomness for a new chip ({0}); do not continue on this system")]
    Random(#[source] getrandom::Error),
    /// The file of a chip cannot be read or written.
    #[error(
        "TSL-SIM-009: cannot read or make the chip {path} ({source}); give --silicon a path in a writable folder"
    )]
    SiliconFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of a chip is none.
    #[error(
        "TSL-SIM-010: {path} is not 64 hex digits; put back a copy of it, or move it away for a new chip with other keys"
    )]
    SiliconDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The silicon parameters, compiled in, are not what they should be.
    #[error("TSL-SIM-011: {0}; run cargo test -p twinseal-puf")]
    Silicon(#[source] twinseal_puf::Error),
}

impl SimError {
    /// The stable code, which is also the start of the text.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoMemory => "TSL-SIM-001",
            Self::OpenPty(_) => "TSL-SIM-002",
            Self::Pty(_) => "TSL-SIM-003",
            Self::Stopped => "TSL-SIM-004",
            Self::Symlink { .. } => "TSL-SIM-005",
            Self::Answer(_) => "TSL-SIM-006",
            Self::Signals(_) => "TSL-SIM-007",
            Self::Random(_) => "TSL-SIM-008",
            Self::SiliconFile { .. } => "TSL-SIM-009",
            Self::SiliconDamaged { .. } => "TSL-SIM-010",
            Self::Silicon(_) => "TSL-SIM-011",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_start_the_text() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let all = [
            SimError::NoMemory,
            SimError::OpenPty(broken()),
            SimError::Pty(broken()),
            SimError::Stopped,
            SimError::Symlink { path: PathBuf::new(), source: broken() },
            SimError::Answer(String::new()),
            SimError::Signals(broken()),
            SimError::Random(getrandom::Error::UNSUPPORTED),
            SimError::SiliconFile { path: PathBuf::new(), source: broken() },
            SimError::SiliconDamaged { path: PathBuf::new() },
            SimError::Silicon(twinseal_puf::Error::Silicon(String::new())),
        ];
        assert_eq!(all.iter().map(SimError::code).collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|e| e.to_string().starts_with(e.code())));
    }
}
