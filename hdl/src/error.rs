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
    /// A program of the gateware tools is not there.
    #[error("{tool} is not installed; packaging/setup.sh installs the gateware tools")]
    ToolMissing {
        /// Its name.
        tool: String,
    },
    /// A program of the gateware tools ended with an error.
    #[error("{command}: {reason}\nrun the command by hand to see everything it says")]
    ToolFailed {
        /// The command line.
        command: String,
        /// Exit code and last lines.
        reason: String,
    },
    /// rust-hdl's simulation did not come to rest.
    #[error("the logic does not settle; look for a combinational loop")]
    Unsettled,
    /// rust-hdl and the Verilog disagree.
    #[error(
        "{name}: clock {clock}, port {port}: rust-hdl has {expected}, the Verilog has {got}; \
         run `twinseal-hdl lint`, then look for a width that grows"
    )]
    Cosim {
        /// Of the replay.
        name: String,
        /// Rising edges before the difference.
        clock: usize,
        /// The first output that differs.
        port: String,
        /// In rust-hdl's simulation.
        expected: String,
        /// Under Verilator.
        got: String,
    },
    /// The board is only simulated.
    #[error("{title}: there is no bitstream for this board; name one with an ice40 device")]
    NoBitstream {
        /// Of the board.
        title: String,
    },
    /// The design is too slow for the board's clock.
    #[error(
        "timing missed: {fmax_mhz:.2} MHz where {target_mhz:.2} MHz are needed, no image written; \
         try another seed in boards.toml or shorten the path that nextpnr's report.json names"
    )]
    MissedTiming {
        /// Highest clock after routing.
        fmax_mhz: f64,
        /// The board's clock.
        target_mhz: f64,
    },
    /// Routing made the rings of the PUF differ, or their counters too slow.
    #[error(
        "rings: {reason}, no image written; try another seed in boards.toml, or move the rings in engine/rings.rs"
    )]
    Rings {
        /// Which differ, and in what.
        reason: String,
    },
    /// `hdl/formal` has no such proof.
    #[error("no proof {name:?} in hdl/formal; there are: {known}")]
    UnknownProof {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A formal proof failed.
    #[error(
        "{task} fails: {properties}; run `packaging/setup.sh formal`, then hdl/formal/NAME.sby by hand for the trace, see \
         hdl/formal/README.md"
    )]
    Unproven {
        /// The proof and its task.
        task: String,
        /// What does not hold.
        properties: String,
    },
    /// An image, its manifest entry and the sources are not of one build.
    #[error("bitstreams: {board}: {reason}; run `twinseal-hdl bitstream --board {board}`")]
    StaleImage {
        /// Name of the board.
        board: String,
        /// What differs.
        reason: String,
    },
    /// The image does not behave.
    #[error("simulated image: {0}; build the image again and see whether the sources agree with it")]
    Image(String),
    /// A generated document is not what the sources give.
    #[error("{}: not what the sources give; run `twinseal-hdl docs`", path.display())]
    StaleDocument {
        /// The document.
        path: PathBuf,
    },
    /// The hash engine is too slow or too large beside its peer.
    #[error("{0}; the table is written, nextpnr's logs in build/bench name the slowest paths")]
    BelowAim(String),
    /// The silicon model cannot be had.
    #[error(transparent)]
    Silicon(#[from] twinseal_puf::Error),
    /// The gateware uses what rust-hdl translates wrongly.
    #[error("{0}")]
    Lint(String),
}

impl Error {
    /// A stable code for scripts and documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownBoard { .. } => "TSL-HDL-001",
            Self::BoardsFile(_) => "TSL-HDL-002",
            Self::File { .. } => "TSL-HDL-003",
            Self::ToolMissing { .. } => "TSL-HDL-004",
            Self::ToolFailed { .. } => "TSL-HDL-005",
            Self::Unsettled => "TSL-HDL-006",
            Self::Cosim { .. } => "TSL-HDL-007",
            Self::NoBitstream { .. } => "TSL-HDL-008",
            Self::MissedTiming { .. } => "TSL-HDL-009",
            Self::StaleImage { .. } => "TSL-HDL-010",
            Self::Image(_) => "TSL-HDL-011",
            Self::StaleDocument { .. } => "TSL-HDL-012",
            Self::Silicon(error) => error.code(),
            Self::Lint(_) => "TSL-HDL-013",
            Self::Rings { .. } => "TSL-HDL-014",
            Self::BelowAim(_) => "TSL-HDL-016",
            Self::UnknownProof { .. } => "TSL-HDL-017",
            Self::Unproven { .. } => "TSL-HDL-018",
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
            Error::ToolMissing { tool: String::new() },
            Error::ToolFailed { command: String::new(), reason: String::new() },
            Error::Unsettled,
            Error::Cosim {
                name: String::new(),
                clock: 0,
                port: String::new(),
                expected: String::new(),
                got: String::new(),
            },
            Error::NoBitstream { title: String::new() },
            Error::MissedTiming { fmax_mhz: 0.0, target_mhz: 0.0 },
            Error::StaleImage { board: String::new(), reason: String::new() },
            Error::Image(String::new()),
            Error::StaleDocument { path: PathBuf::new() },
            Error::Lint(String::new()),
            Error::Rings { reason: String::new() },
            Error::BelowAim(String::new()),
            Error::UnknownProof { name: String::new(), known: String::new() },
            Error::Unproven { task: String::new(), properties: String::new() },
        ];
        let codes: std::collections::BTreeSet<_> = errors.iter().map(Error::code).collect();
        assert_eq!(codes.len(), errors.len());
    }
}
