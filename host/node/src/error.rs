//! Everything that can go wrong in a node, with a stable code and what to do about it.

use std::path::Path;

use thiserror::Error as ThisError;

/// An error of the node; its text ends with the remedy. Messages never contain keys or patient data.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be used.
    #[error("could not {action} {path}: {source}; check the path, the permissions and the free space")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Sealed bytes did not open.
    #[error(
        "the sealed data did not open: wrong key, or the data or its header was changed; fetch it again, and if it fails again treat it as tampered"
    )]
    Unsealed,
    /// Bytes that should be a record are not.
    #[error("the record is malformed; fetch it again, and if it fails again treat it as tampered")]
    Malformed,
    /// A record of a format this build does not know.
    #[error(
        "the record has format {version} and signature suite {suite:?}, which this build does not know; update twinseal"
    )]
    UnknownFormat {
        /// Format of the blob.
        version: u8,
        /// Signature suite it names.
        suite: String,
    },
    /// The signature does not verify.
    #[error(
        "the doctor's signature does not fit this record; do not use it, and ask the doctor to submit it again"
    )]
    BadSignature,
    /// The record is signed by somebody else.
    #[error(
        "the record is signed by another key than the ledger names for it; do not use it, and tell its owner"
    )]
    WrongSigner,
    /// The blob is not the one on the ledger.
    #[error(
        "record {record} in the store does not match its hashes on the ledger; do not use it, and tell the store's operator"
    )]
    LedgerMismatch {
        /// Record number.
        record: String,
    },
    /// Not a record number.
    #[error("{text:?} is not a record number; it is 32 hex digits, as `twinseal put` printed them")]
    BadRecordNumber {
        /// What was given, cut to 64 characters.
        text: String,
    },
    /// Not a section name.
    #[error("a section name is 1 to 64 of a-z, 0-9, '-' and '/'; rename the section")]
    BadSectionName,
    /// The record has no such section.
    #[error("the record has no section {name:?}; `twinseal verify` lists its sections")]
    NoSuchSection {
        /// What was asked for.
        name: String,
    },
    /// Nothing under this hash.
    #[error("the store has no object {hash}; check that the node uses the store the record was put in")]
    ObjectMissing {
        /// SHA-256, hex.
        hash: String,
    },
    /// The store gave other bytes than were asked for.
    #[error(
        "the store returned {actual} for object {hash}: it was altered; restore it from a replica and do not use it"
    )]
    ObjectTampered {
        /// SHA-256 asked for, hex.
        hash: String,
        /// SHA-256 of what came, hex.
        actual: String,
    },
    /// Past a size limit.
    #[error("{bytes} bytes are more than the limit of {limit}; split the record")]
    ObjectTooLarge {
        /// Size of what was given.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The object store failed.
    #[error(
        "the object store failed: {0}; nothing was registered, so free space or repair the store and put again"
    )]
    Store(#[from] object_store::Error),
    /// No paid lease.
    #[error(
        "the owner has no paid storage lease with {needed_bytes} bytes free; pay one with `twinseal lease`, then put again"
    )]
    NoLease {
        /// Bytes the upload needs.
        needed_bytes: u64,
    },
    /// A secret file is readable by others.
    #[error(
        "the secret file {path} has mode {mode:o}; it must be readable by its owner only: chmod 600 it, and replace it if others may have read it"
    )]
    SecretExposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret file has been cut or replaced.
    #[error("{path} is damaged, it should hold {expected}; restore it from its backup")]
    SecretMalformed {
        /// The file.
        path: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A used data folder has lost a file.
    #[error(
        "{path} is missing from a data folder that was used before; restore it from its backup; nothing was created in its place"
    )]
    StateMissing {
        /// The file.
        path: String,
    },
    /// A file that must not be replaced.
    #[error("{path} exists and is not replaced; choose another name")]
    Exists {
        /// The file.
        path: String,
    },
    /// A folder that has a root, and is to get one.
    #[error(
        "{path} is there: this folder has its root already, and a second one would open nothing that is kept under the first; start twinseald on it as it is, or enrol into a new folder"
    )]
    Enrolled {
        /// What it has.
        path: String,
    },
    /// A request that is not understood.
    #[error(
        "the request is not understood (HTTP {status}): {reason}; `twinseald --openapi` describes every request"
    )]
    BadRequest {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// A request body past the limit.
    #[error(
        "the request is larger than {limit} bytes; split it, or raise max_body_bytes in the daemon's configuration"
    )]
    BodyTooLarge {
        /// The limit.
        limit: usize,
    },
    /// A configuration file or flag is wrong.
    #[error("configuration: {reason}")]
    Config {
        /// What is wrong, where, and what would be right.
        reason: String,
    },
    /// The daemon could not be reached or did not understand.
    #[error("the daemon at {url} {reason}")]
    Daemon {
        /// Where it should be.
        url: String,
        /// What happened and what to do.
        reason: String,
    },
    /// The request lacks the daemon's token.
    #[error(
        "this request needs the daemon's token; pass --token-file with the api.token in the daemon's data folder"
    )]
    Unauthorized,
    /// The daemon refused, with its own code and remedy.
    #[error("{message}")]
    Refused {
        /// The daemon's error code.
        code: String,
        /// The daemon's error text.
        message: String,
    },
    /// Not on the ledger.
    #[error("the ledger has no record {record}; check the number, or ask the node the record was put in")]
    NoSuchRecord {
        /// Record number.
        record: String,
    },
    /// An upload that cannot be read as what it should be.
    #[error("the upload is not usable: {reason}")]
    BadUpload {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A task was cut off.
    #[error(
        "the operation was interrupted before it was acknowledged; look whether it is on the ledger before you repeat it"
    )]
    Interrupted,
    /// Not a key file.
    #[error("this is not a reader's key file; use one that `twinseal attributes request` wrote")]
    BadReaderKeys,
    /// An authority this node does not run.
    #[error("this node does not run the authority {authority:?}; ask that authority for the key")]
    UnknownAuthority {
        /// Its name.
        authority: String,
    },
    /// Another ledger than the pinned one.
    #[error("the daemon follows the ledger {found}, not the pinned one; check --chain and --url")]
    WrongChain {
        /// Chain id the daemon gave.
        found: String,
    },
    /// A signed request does not hold.
    #[error(
        "the request is malformed or its signature does not fit; sign it again with this version of `twinseal`"
    )]
    BadStatement,
    /// A request that is too old, or from the future.
    #[error("the request was made {seconds} seconds from now; correct the clocks and make a fresh one")]
    NotFresh {
        /// How far away.
        seconds: u64,
    },
    /// A request that was answered before.
    #[error("this request was answered before; make a fresh one")]
    Replayed,
    /// Something an authority does not vouch for.
    #[error(
        "{authority} has not approved {claims} for you; it is on its list now: ask its operator to run `twinseal authority approve`, then ask again"
    )]
    NotApproved {
        /// Which authority.
        authority: String,
        /// What is missing.
        claims: String,
    },
    /// A user that an authority has revoked.
    #[error("{authority} has revoked this user and issues nothing more; talk to its operator")]
    UserRevoked {
        /// Which authority.
        authority: String,
    },
    /// Something in another's name.
    #[error("this is in the name of another user than the identity that goes with it; use each with its own")]
    WrongUser,
    /// Not an X-Wing public key.
    #[error("this is no X-Wing public key; make the request again with this version of `twinseal`")]
    BadMailKey,
    /// Sealed to somebody else, or altered.
    #[error(
        "the answer does not open: it is for another identity, or was altered; ask again with the identity you open it with"
    )]
    MailUnreadable,
    /// Another public key than the pinned one.
    #[error(
        "keys of {authority} come under the public key {found}, not the pinned one; compare it with what the authority publishes"
    )]
    WrongAuthorityKey {
        /// Which authority.
        authority: String,
        /// Its key id, in hex.
        found: String,
    },
    /// Faster than the daemon answers strangers.
    #[error("too many requests; wait a few seconds and ask again")]
    TooManyRequests,
    /// A second authority of one name.
    #[error("there is an authority {authority} already; choose another name, or rotate it")]
    AuthorityExists {
        /// Its name.
        authority: String,
    },
    /// Another process works with the authorities.
    #[error("another process works with {path}; stop it, or leave out --dir to go through the daemon")]
    AuthoritiesBusy {
        /// The folder.
        path: String,
    },
    /// A claim that no authority can vouch for.
    #[error("{claim} cannot be issued: {reason}")]
    BadClaim {
        /// What was asked for.
        claim: String,
        /// Why not, and what can.
        reason: &'static str,
    },
    /// Somebody no authority of this node vouches for.
    #[error("no authority of this node vouches for this user; get attributes approved here first")]
    UnknownUser,
    /// No such transform key.
    #[error("there is no transform key {name}; leave one with `twinseal outsource`")]
    NoTransformKey {
        /// What was asked for, cut to 64 characters.
        name: String,
    },
    /// More transform keys than are kept.
    #[error("the node keeps {limit} transform keys of one user, and is full; delete one first")]
    TooManyTransformKeys {
        /// The limit.
        limit: usize,
    },
    /// A ceremony on other terms.
    #[error(
        "the ceremony in {path} has another name, threshold or number of members; agree, and begin in an empty folder"
    )]
    CeremonyTerms {
        /// The shared folder.
        path: String,
    },
    /// A member did not come.
    #[error("{path} did not come in time; find that member, and begin again in an empty folder")]
    CeremonyStalled {
        /// What was waited for.
        path: String,
    },
    /// Something one member of a threshold authority cannot do.
    #[error(
        "{authority} is a threshold authority, and no member can do this alone; let its members hold `twinseal authority ceremony {authority}` in an empty folder, which starts its next generation"
    )]
    NeedsCeremony {
        /// Which authority.
        authority: String,
    },
    /// A transform key was not named.
    #[error("your transform keys: {names}; name one of them, or leave one with `twinseal outsource`")]
    WhichTransformKey {
        /// Those there are, or "none".
        names: String,
    },
    /// Something a reader's token does not allow.
    #[error(
        "a reader's token fetches what is sealed and nothing else; open it here with `--keys` or `--outsource`, or ask the owner"
    )]
    OwnersOnly,
    /// A request body past a limit that nobody sets.
    #[error(
        "the request is larger than {limit} bytes, the most of its kind; send fewer attributes or keys at once"
    )]
    RequestTooLarge {
        /// The limit.
        limit: usize,
    },
    /// An authority under another public key than before.
    #[error(
        "{url} gives {authority} the public key {found}, but gave it {known} before; ask the authority whether it rotated, and accept the new key with --key-id {found}"
    )]
    AuthorityKeyChanged {
        /// Which authority.
        authority: String,
        /// The daemon that gave it.
        url: String,
        /// Key id it gave, in hex.
        found: String,
        /// Key id it gave before.
        known: String,
    },
    /// A home without an identity.
    #[error("{path} holds no identity; make one with `twinseal identity`, or name your folder with --home")]
    NoIdentity {
        /// The home.
        path: String,
    },
    /// Not a user id.
    #[error("{text:?} is not a user id; it is 64 hex digits, as `twinseal identity` prints them")]
    BadUserId {
        /// What was given, cut to 64 characters.
        text: String,
    },
    /// An approval of somebody who was revoked.
    #[error(
        "{authority} has revoked {user}; approve with --reinstate to take that back, and name everything the user may have: what they had before does not return"
    )]
    NeedsReinstating {
        /// Which authority.
        authority: String,
        /// Whom.
        user: String,
    },
    /// A claim to withdraw that is not on the roll.
    #[error(
        "{authority} has not approved {claim} for this user; `twinseal authority list` shows what it has"
    )]
    NotOnRoll {
        /// Which authority.
        authority: String,
        /// What should be withdrawn.
        claim: String,
    },
    /// A secret that some board sealed, and no board.
    #[error(
        "{path} is sealed under a board; name that board with --board, or go through the daemon that has it"
    )]
    SealedAtRest {
        /// The file.
        path: String,
    },
    /// Keys that grow in a board, and no board with a vault.
    #[error(
        "the keys here grow in the silicon of a board ({path}), and no board with a vault is there; plug in that board and name it with board or --board, or, if it is lost, follow docs/recovery.md in a new folder"
    )]
    BoardNeeded {
        /// The helper data.
        path: String,
    },
    /// Helper data of another board.
    #[error(
        "{board} refuses {path}: the keys here grow in another board, or the helper data were altered; plug in the board they were made with, or restore them from their backup (after eight refusals switch the board off and on); if the board is lost, follow docs/recovery.md in a new folder"
    )]
    WrongBoard {
        /// The board that refused.
        board: String,
        /// The helper data.
        path: String,
    },
    /// The file that stands for a virtual board's chip is gone.
    #[error(
        "{path} is missing, and it was the chip of the virtual board that the keys here grow in; put it back, or, if it is lost, follow docs/recovery.md in a new folder (for a person's home: its part \"A person's home\")"
    )]
    ChipMissing {
        /// Where it was.
        path: String,
    },
    /// Helper data of another enrolment, or another root secret.
    #[error(
        "{path} does not belong to this folder: the keys here grew from another root than the one it leads to; put back this folder's own copy of it; if it is known to be right, it is root.check beside it that is wrong, move that away; if there is no copy, follow docs/recovery.md in a new folder (for a person's home: its part \"A person's home\")"
    )]
    ForeignRoot {
        /// The helper data, or the root secret.
        path: String,
    },
    /// An attestation of something else.
    #[error(
        "the daemon at {url} answered another challenge than it was asked, as one does that repeats an old answer; do not take it for the board's, and look at its host"
    )]
    WrongChallenge {
        /// Where it is.
        url: String,
    },
    /// A plain file where everything of its kind is sealed.
    #[error(
        "{path} is not sealed under the board as what is kept here is: it was put there or cut by something else than twinseal; restore it from its backup, and find out who can write to this disk"
    )]
    NotSealed {
        /// The file.
        path: String,
    },
    /// There is no vault to ask.
    #[error(
        "there is no board with a vault here; name one with board or --board in a new folder, or go on with the root secret in a file"
    )]
    NoVault,
    /// A record put anew that does not fit its origin.
    #[error("the recovered record is not usable: {reason}")]
    BadRecovery {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// From the driver.
    #[error(transparent)]
    Driver(#[from] twinseal_driver::Error),
    /// The virtual board could not be powered on.
    #[error(transparent)]
    Sim(#[from] twinseal_sim::SimError),
    /// From attribute encryption.
    #[error(transparent)]
    Abe(#[from] twinseal_abe::Error),
    /// From the ledger.
    #[error(transparent)]
    Ledger(#[from] twinseal_ledger::Error),
    /// From the streams and predictions.
    #[error(transparent)]
    Twin(#[from] twinseal_twin::Error),
    /// Of the PUF's evaluation.
    #[error(transparent)]
    Puf(#[from] twinseal_puf::Error),
}

impl Error {
    /// An I/O error with what was tried and where.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.display().to_string(), source }
    }

    /// Stable across versions and unique across crates; scripts may match on it. Of a daemon's refusal, the daemon's.
    pub fn code(&self) -> &str {
        match self {
            Self::Io { .. } => "TSL-NOD-001",
            Self::Unsealed => "TSL-NOD-002",
            Self::Malformed => "TSL-NOD-003",
            Self::UnknownFormat { .. } => "TSL-NOD-004",
            Self::BadSignature => "TSL-NOD-005",
            Self::WrongSigner => "TSL-NOD-006",
            Self::LedgerMismatch { .. } => "TSL-NOD-007",
            Self::BadRecordNumber { .. } => "TSL-NOD-008",
            Self::BadSectionName => "TSL-NOD-009",
            Self::NoSuchSection { .. } => "TSL-NOD-010",
            Self::ObjectMissing { .. } => "TSL-NOD-011",
            Self::ObjectTampered { .. } => "TSL-NOD-012",
            Self::ObjectTooLarge { .. } => "TSL-NOD-013",
            Self::Store(_) => "TSL-NOD-014",
            Self::NoLease { .. } => "TSL-NOD-015",
            Self::SecretExposed { .. } => "TSL-NOD-016",
            Self::SecretMalformed { .. } => "TSL-NOD-017",
            Self::Config { .. } => "TSL-NOD-018",
            Self::Daemon { .. } => "TSL-NOD-019",
            Self::Unauthorized => "TSL-NOD-020",
            Self::Refused { code, .. } => code,
            Self::NoSuchRecord { .. } => "TSL-NOD-021",
            Self::BadUpload { .. } => "TSL-NOD-022",
            Self::Interrupted => "TSL-NOD-023",
            Self::BadReaderKeys => "TSL-NOD-024",
            Self::UnknownAuthority { .. } => "TSL-NOD-025",
            Self::WrongChain { .. } => "TSL-NOD-026",
            Self::StateMissing { .. } => "TSL-NOD-027",
            Self::Exists { .. } => "TSL-NOD-028",
            Self::BadRequest { .. } => "TSL-NOD-029",
            Self::BodyTooLarge { .. } => "TSL-NOD-030",
            Self::BadStatement => "TSL-NOD-031",
            Self::NotFresh { .. } => "TSL-NOD-032",
            Self::Replayed => "TSL-NOD-033",
            Self::NotApproved { .. } => "TSL-NOD-034",
            Self::UserRevoked { .. } => "TSL-NOD-035",
            Self::WrongUser => "TSL-NOD-036",
            Self::BadMailKey => "TSL-NOD-037",
            Self::MailUnreadable => "TSL-NOD-038",
            Self::WrongAuthorityKey { .. } => "TSL-NOD-039",
            Self::TooManyRequests => "TSL-NOD-040",
            Self::AuthorityExists { .. } => "TSL-NOD-041",
            Self::AuthoritiesBusy { .. } => "TSL-NOD-042",
            Self::BadClaim { .. } => "TSL-NOD-043",
            Self::UnknownUser => "TSL-NOD-044",
            Self::NoTransformKey { .. } => "TSL-NOD-045",
            Self::TooManyTransformKeys { .. } => "TSL-NOD-046",
            Self::CeremonyTerms { .. } => "TSL-NOD-047",
            Self::CeremonyStalled { .. } => "TSL-NOD-048",
            Self::NeedsCeremony { .. } => "TSL-NOD-049",
            Self::WhichTransformKey { .. } => "TSL-NOD-050",
            Self::OwnersOnly => "TSL-NOD-051",
            Self::RequestTooLarge { .. } => "TSL-NOD-052",
            Self::AuthorityKeyChanged { .. } => "TSL-NOD-053",
            Self::NoIdentity { .. } => "TSL-NOD-054",
            Self::BadUserId { .. } => "TSL-NOD-055",
            Self::NeedsReinstating { .. } => "TSL-NOD-056",
            Self::NotOnRoll { .. } => "TSL-NOD-057",
            Self::SealedAtRest { .. } => "TSL-NOD-058",
            Self::BoardNeeded { .. } => "TSL-NOD-059",
            Self::WrongBoard { .. } => "TSL-NOD-060",
            Self::ChipMissing { .. } => "TSL-NOD-061",
            Self::NoVault => "TSL-NOD-062",
            Self::BadRecovery { .. } => "TSL-NOD-063",
            Self::Enrolled { .. } => "TSL-NOD-064",
            Self::ForeignRoot { .. } => "TSL-NOD-065",
            Self::WrongChallenge { .. } => "TSL-NOD-066",
            Self::NotSealed { .. } => "TSL-NOD-067",
            Self::Driver(e) => e.code(),
            Self::Sim(e) => e.code(),
            Self::Abe(e) => e.code(),
            Self::Ledger(e) => e.code(),
            Self::Twin(e) => e.code(),
            Self::Puf(e) => e.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Read from the source, so that a new variant cannot be forgotten here.
    #[test]
    fn codes_are_unique_and_without_gaps() {
        let source = include_str!("error.rs");
        let codes: Vec<&str> = source
            .split("\"TSL-NOD-")
            .skip(1)
            .map(|rest| &rest[..3])
            .filter(|code| code.bytes().all(|b| b.is_ascii_digit()))
            .collect();
        let unique: BTreeSet<_> = codes.iter().collect();
        assert_eq!(unique.len(), codes.len());
        assert_eq!(codes.last().and_then(|c| c.parse::<usize>().ok()), Some(codes.len()));
    }
}
