//! Everything that can go wrong in this crate, each with a stable code and the remedy.

use std::path::PathBuf;

/// An error of the evaluation or of the simulated silicon. [`Error::code`] is stable across versions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `silicon.toml` or a file like it does not parse or holds an absurd number.
    #[error("silicon parameters: {0}; compare with hdl/puf/silicon.toml")]
    Silicon(String),
    /// A file or folder cannot be read or written.
    #[error("{}: {kind}; check the path and its permissions", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        kind: std::io::ErrorKind,
    },
    /// The folder has no measurement.
    #[error("{}: no file ending in .csv; give a folder with one file a chip", folder.display())]
    NoChips {
        /// Which.
        folder: PathBuf,
    },
    /// The folder has too few measurements to say anything about a population.
    #[error("{}: {found} chip; at least 2 are needed to compare", folder.display())]
    TooFewChips {
        /// Which.
        folder: PathBuf,
        /// Files found.
        found: usize,
    },
    /// More files than [`crate::evaluate::MAX_CHIPS`].
    #[error("{}: more than {limit} files; evaluate them in parts", folder.display())]
    TooManyChips {
        /// Which.
        folder: PathBuf,
        /// Files allowed.
        limit: usize,
    },
    /// More frequencies than [`crate::evaluate::MAX_FREQUENCIES`].
    #[error("{}: more than {limit} frequencies; evaluate fewer chips or keep fewer samples", folder.display())]
    TooManyFrequencies {
        /// Which.
        folder: PathBuf,
        /// Frequencies allowed.
        limit: usize,
    },
    /// A file is larger than [`crate::evaluate::MAX_FILE_BYTES`].
    #[error("{}: {bytes} bytes, the limit is {limit}; this is not one chip, or keep fewer samples", path.display())]
    FileTooLarge {
        /// Which.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Size allowed.
        limit: u64,
    },
    /// A field of a measurement is not a frequency.
    #[error(
        "{}, line {line}, column {column}: not a frequency in hertz (1e3 to 1e10, decimal point); rows are rings, columns \
         are samples, no header", path.display()
    )]
    Frequency {
        /// Which file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
        /// Field of the line from 1.
        column: usize,
    },
    /// A file has rows of different length, or an odd number of rows, or differs from the first file.
    #[error("{}: {what}; every file holds the same even number of rings and every ring the same number of samples", path.display())]
    Shape {
        /// Which file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// An option is out of its range.
    #[error("{option} is {given}, it can be {least} to {most}")]
    Option {
        /// Which.
        option: &'static str,
        /// What was given.
        given: u64,
        /// The least that makes sense.
        least: u64,
        /// The most that makes sense.
        most: u64,
    },
    /// A simulated chip gave a reading that the health tests refuse.
    #[error("virtual chip {chip}: {fault}; the silicon parameters are outside what the gateware can count")]
    Fault {
        /// Its number.
        chip: u64,
        /// What the health tests said.
        fault: crate::reading::Fault,
    },
}

impl Error {
    /// The stable code, for searching and for the error list.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silicon(_) => "TSL-PUF-001",
            Self::File { .. } => "TSL-PUF-002",
            Self::NoChips { .. } => "TSL-PUF-003",
            Self::TooFewChips { .. } => "TSL-PUF-004",
            Self::TooManyChips { .. } => "TSL-PUF-005",
            Self::FileTooLarge { .. } => "TSL-PUF-006",
            Self::Frequency { .. } => "TSL-PUF-007",
            Self::Shape { .. } => "TSL-PUF-008",
            Self::Option { .. } => "TSL-PUF-009",
            Self::Fault { .. } => "TSL-PUF-010",
            Self::TooManyFrequencies { .. } => "TSL-PUF-011",
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |e| Self::File { path, kind: e.kind() }
    }
}

#[cfg(test)]
mod tests {
    /// Reads this file: a new variant without a code does not compile, one with a used code fails here.
    #[test]
    fn codes_are_unique_and_every_variant_has_one() {
        let source = include_str!("error.rs").split("#[cfg(test)]").next().unwrap();
        let codes: Vec<&str> =
            source.lines().filter_map(|l| l.split("\"TSL-PUF-").nth(1)?.split('"').next()).collect();
        let unique: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!(unique.len(), codes.len(), "a code is used twice: {codes:?}");
        assert_eq!(codes.len(), source.matches("#[error(").count());
    }
}
