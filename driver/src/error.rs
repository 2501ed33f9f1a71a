//! What can go wrong between a call and a board.

use std::io;
use std::path::PathBuf;

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The link could not be opened.
    #[error(
        "cannot open {link}: {source}; check the path, the permission (udev rule, group dialout) and that no other program holds it"
    )]
    Open {
        /// Path or USB id.
        link: String,
        /// Why.
        source: io::Error,
    },
    /// The link broke: unplugged, or the other end of the pseudo-terminal closed. It will not come back by itself.
    #[error("lost {link}: {source}; plug the board in again and reopen it")]
    Disconnected {
        /// [`Link::describe`](crate::Link::describe).
        link: String,
        /// Why.
        source: io::Error,
    },
    /// The line took no more bytes before the deadline.
    #[error("{link} took no more bytes in time; check flow control and cable, or raise Options::deadline")]
    Stalled {
        /// [`Link::describe`](crate::Link::describe).
        link: String,
    },
    /// Nothing that speaks frames answers, or no longer.
    #[error(
        "nothing on {link} answers: wrong port, wrong baud rate, or a board that hangs or has no Twinseal gateware; program it as boards.toml says and open it again"
    )]
    Silent {
        /// [`Link::describe`](crate::Link::describe).
        link: String,
    },
    /// It speaks frames but is no Twinseal board.
    #[error("{link} identifies itself as {ident:#010x}, not as a Twinseal board; choose another port")]
    NotTwinseal {
        /// [`Link::describe`](crate::Link::describe).
        link: String,
        /// Its `IDENT` register.
        ident: u32,
    },
    /// The gateware is older than this driver.
    #[error(
        "the board on {link} is old ({found}, this driver has {wanted}); program it with the bitstream of this release"
    )]
    BoardOld {
        /// [`Link::describe`](crate::Link::describe).
        link: String,
        /// What the board has.
        found: Interface,
        /// What this driver has.
        wanted: Interface,
    },
    /// This driver is older than the gateware, or does not know it.
    #[error(
        "this driver is old ({wanted}) for the board on {link} ({found}); update the software, or program the board with the bitstream of this release"
    )]
    DriverOld {
        /// [`Link::describe`](crate::Link::describe).
        link: String,
        /// What the board has.
        found: Interface,
        /// What this driver has.
        wanted: Interface,
    },
    /// The call ran into its deadline; it was cancelled and the board can be used again.
    #[error(
        "{board} did not finish {call} within {limit_ms} ms; the call was cancelled, try again or raise Options::deadline (vault_time for the vault)"
    )]
    Deadline {
        /// The board's label.
        board: String,
        /// The call.
        call: &'static str,
        /// The deadline it had.
        limit_ms: u64,
    },
    /// Frames were lost more often than the call may be retried.
    #[error("{board} lost frames of {call} ({tries} tries); check cable and baud rate, then try again")]
    FrameLost {
        /// The board's label.
        board: String,
        /// The call.
        call: &'static str,
        /// How often it was tried.
        tries: u32,
    },
    /// The board answered with a status other than `OK`.
    #[error(
        "{board} refused {call}: {status}; this driver and the board disagree, update both to one release"
    )]
    Refused {
        /// The board's label.
        board: String,
        /// The call.
        call: &'static str,
        /// See [`twinseal_wire::status`].
        status: StatusCode,
    },
    /// The answer has a length the request cannot have.
    #[error(
        "{board} answered {call} with {bytes} bytes; this driver and the board disagree, update both to one release"
    )]
    Malformed {
        /// The board's label.
        board: String,
        /// The call.
        call: &'static str,
        /// Payload bytes of the answer.
        bytes: usize,
    },
    /// The board was built without the engine.
    #[error("{board} has no {engine} engine; use the software slot for it")]
    NoEngine {
        /// The board's label.
        board: String,
        /// As `boards.toml` spells it.
        engine: &'static str,
    },
    /// More leaves than the board has room for.
    #[error("{board} cannot hold a tree of {leaves} leaves; compute it in software")]
    TreeFull {
        /// The board's label.
        board: String,
        /// Leaves of the tree.
        leaves: usize,
    },
    /// A checked result was wrong. Nothing the board says can be trusted.
    #[error(
        "{board} computed a wrong {engine} result; unplug it, its gateware or its silicon is broken or hostile"
    )]
    WrongResult {
        /// The board's label.
        board: String,
        /// As `boards.toml` spells it.
        engine: &'static str,
    },
    /// More bytes than one request can carry.
    #[error("{bytes} bytes do not fit into one {call}, which carries {max}; split them")]
    TooLong {
        /// The call.
        call: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The caller's reader failed.
    #[error("reading the message failed: {0}; the hash was abandoned")]
    Input(io::Error),
    /// The derive slot has no root secret.
    #[error("no root secret to derive keys from; build the provider with Provider::software_with_root")]
    NoRoot,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}; do not continue on this system")]
    Entropy(getrandom::Error),
    /// `boards.toml`, compiled in, is not what it should be.
    #[error("boards.toml: {0}; correct the file and build again")]
    BoardsFile(String),
    /// The ports of this machine cannot be listed.
    #[error("cannot list the ports: {0}; name the port yourself")]
    Ports(String),
    /// A transcript cannot be written, read, or followed.
    #[error("transcript: {0}; record it again with this release and the same nonce")]
    Transcript(String),
    /// A transform was asked of something that is no group element.
    #[error("{what} {index} of the transform is {problem}; refuse the ciphertext or key it came from")]
    TransformInput {
        /// Point or target group element.
        what: &'static str,
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More work than one transform may carry.
    #[error("{count} {what} are more than the {max} of one transform; split the policy")]
    TransformTooLarge {
        /// Pairs or factors.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The board's answer to helper data it cannot find a root with, whatever the reason.
    #[error(
        "{board} refuses {helper}: made by another board, changed, or this is the ninth try since power-up; use a copy of what this board was enrolled with, after eight refusals switch it off and on first; enrolling again gives another root, so without either records come back only by docs/recovery.md"
    )]
    HelperRefused {
        /// The board's label.
        board: String,
        /// Which helper data: a path, where they came from a file.
        helper: String,
    },
    /// The vault has no root.
    #[error("the vault of {board} is closed, {call} needs it open; call Board::unlock with its helper data")]
    VaultClosed {
        /// The board's label.
        board: String,
        /// The call.
        call: &'static str,
    },
    /// The rings do not behave as rings do.
    #[error(
        "the rings of {board} failed a health test during {call}; switch it off and on and try again, and do not use the board if it stays so"
    )]
    RingFault {
        /// The board's label.
        board: String,
        /// The call.
        call: &'static str,
    },
    /// The board is not allowed to make a new root now.
    #[error(
        "{board} may not be enrolled: its pin that permits it is not held; hold it, as boards.toml says, and try again"
    )]
    EnrolNotPermitted {
        /// The board's label.
        board: String,
    },
    /// The random bits of a board failed a health test.
    #[error(
        "the random bits of {board} failed a health test and stay refused until power-up; switch it off and on, and choose software for randomness if it happens again"
    )]
    EntropyFault {
        /// The board's label.
        board: String,
    },
    /// No board has room for the label.
    #[error("a label of {bytes} bytes is longer than {max}; choose a shorter one, or its hash")]
    LabelTooLong {
        /// Bytes given.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A file of helper data cannot be read or written.
    #[error("helper data in {}: {source}; check folder and permissions; a file that is there is never replaced, because without it its board's keys are lost", path.display())]
    HelperFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of helper data is not what was written.
    #[error(
        "{} {problem}; restore a copy of that file; enrolling again gives another root, so without a copy records come back only by docs/recovery.md",
        path.display()
    )]
    HelperDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file of helper data is another board's.
    #[error(
        "{} holds the helper data of {found:?}, not of {wanted:?}; give it back its name and put this board's in its place",
        path.display()
    )]
    HelperForeign {
        /// The file.
        path: PathBuf,
        /// The board it was written for.
        found: String,
        /// The board it was looked up for.
        wanted: String,
    },
}

/// Wire version and register map of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// [`twinseal_wire::WIRE_VERSION`] of that side.
    pub wire_version: u8,
    /// [`twinseal_wire::MAP_HASH`] of that side, where it was read.
    pub map_hash: Option<u32>,
}

impl core::fmt::Display for Interface {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "wire version {}", self.wire_version)?;
        self.map_hash.map_or(Ok(()), |hash| write!(f, ", map {hash:08x}"))
    }
}

/// A status byte, shown by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCode(pub u8);

impl core::fmt::Display for StatusCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match twinseal_wire::status::ALL.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl Error {
    /// A stable code for scripts and documents.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "TSL-DRV-001",
            Self::Disconnected { .. } => "TSL-DRV-002",
            Self::Stalled { .. } => "TSL-DRV-003",
            Self::Silent { .. } => "TSL-DRV-004",
            Self::NotTwinseal { .. } => "TSL-DRV-005",
            Self::BoardOld { .. } => "TSL-DRV-006",
            Self::DriverOld { .. } => "TSL-DRV-007",
            Self::Deadline { .. } => "TSL-DRV-008",
            Self::FrameLost { .. } => "TSL-DRV-009",
            Self::Refused { .. } => "TSL-DRV-010",
            Self::Malformed { .. } => "TSL-DRV-011",
            Self::NoEngine { .. } => "TSL-DRV-012",
            Self::TreeFull { .. } => "TSL-DRV-013",
            Self::WrongResult { .. } => "TSL-DRV-014",
            Self::TooLong { .. } => "TSL-DRV-015",
            Self::Input(_) => "TSL-DRV-016",
            Self::NoRoot => "TSL-DRV-017",
            Self::Entropy(_) => "TSL-DRV-018",
            Self::BoardsFile(_) => "TSL-DRV-019",
            Self::Ports(_) => "TSL-DRV-020",
            Self::Transcript(_) => "TSL-DRV-021",
            Self::TransformInput { .. } => "TSL-DRV-022",
            Self::TransformTooLarge { .. } => "TSL-DRV-023",
            Self::HelperRefused { .. } => "TSL-DRV-024",
            Self::VaultClosed { .. } => "TSL-DRV-025",
            Self::RingFault { .. } => "TSL-DRV-026",
            Self::EnrolNotPermitted { .. } => "TSL-DRV-027",
            Self::EntropyFault { .. } => "TSL-DRV-028",
            Self::LabelTooLong { .. } => "TSL-DRV-029",
            Self::HelperFile { .. } => "TSL-DRV-030",
            Self::HelperDamaged { .. } => "TSL-DRV-031",
            Self::HelperForeign { .. } => "TSL-DRV-032",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_every_text_has_a_remedy() {
        let s = String::new;
        let io = || io::Error::from(io::ErrorKind::NotFound);
        let side = Interface { wire_version: 1, map_hash: Some(2) };
        let errors = [
            Error::Open { link: s(), source: io() },
            Error::Disconnected { link: s(), source: io() },
            Error::Stalled { link: s() },
            Error::Silent { link: s() },
            Error::NotTwinseal { link: s(), ident: 0 },
            Error::BoardOld { link: s(), found: side, wanted: side },
            Error::DriverOld { link: s(), found: side, wanted: side },
            Error::Deadline { board: s(), call: "", limit_ms: 0 },
            Error::FrameLost { board: s(), call: "", tries: 0 },
            Error::Refused { board: s(), call: "", status: StatusCode(6) },
            Error::Malformed { board: s(), call: "", bytes: 0 },
            Error::NoEngine { board: s(), engine: "" },
            Error::TreeFull { board: s(), leaves: 0 },
            Error::WrongResult { board: s(), engine: "" },
            Error::TooLong { call: "", bytes: 0, max: 0 },
            Error::Input(io()),
            Error::NoRoot,
            Error::Entropy(getrandom::Error::UNSUPPORTED),
            Error::BoardsFile(s()),
            Error::Ports(s()),
            Error::Transcript(s()),
            Error::TransformInput { what: "", index: 0, problem: "" },
            Error::TransformTooLarge { what: "", count: 0, max: 0 },
            Error::HelperRefused { board: s(), helper: s() },
            Error::VaultClosed { board: s(), call: "" },
            Error::RingFault { board: s(), call: "" },
            Error::EnrolNotPermitted { board: s() },
            Error::EntropyFault { board: s() },
            Error::LabelTooLong { bytes: 0, max: 0 },
            Error::HelperFile { path: PathBuf::new(), source: io() },
            Error::HelperDamaged { path: PathBuf::new(), problem: "" },
            Error::HelperForeign { path: PathBuf::new(), found: s(), wanted: s() },
        ];
        let codes: std::collections::BTreeSet<_> = errors.iter().map(Error::code).collect();
        assert_eq!(codes.len(), errors.len());
        assert!(errors.iter().all(|e| e.to_string().contains(';')), "a text lacks its remedy");
        // Nobody is sent to enrol anew, which would give up what the old root opens.
        let lost = ["TSL-DRV-024", "TSL-DRV-031"];
        for text in errors.iter().filter(|e| lost.contains(&e.code())).map(ToString::to_string) {
            assert!(text.contains("gives another root") && text.contains("docs/recovery.md"), "{text}");
            assert!(!text.contains("and enrol again"), "{text}");
        }
        assert_eq!(StatusCode(6).to_string(), "BAD_STATE");
        assert_eq!(StatusCode(99).to_string(), "status 99");
        assert_eq!(side.to_string(), "wire version 1, map 00000002");
    }
}
