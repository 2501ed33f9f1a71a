//! Everything that can go wrong on the ledger, with a stable code and what to do about it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::{AccountId, BlockHash, ChainId, Height, RecordNumber, TransactionId};

/// An error of the ledger; its text ends with the remedy.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The cryptographic library refused.
    #[error(
        "the cryptographic library failed; check that the machine has working entropy, then restart the node"
    )]
    Crypto,
    /// A signature does not fit.
    #[error("the signature does not fit the message and key; sign again with the sender's own key")]
    BadSignature,
    /// Not a public key.
    #[error("an ML-DSA-65 public key is 1952 bytes, not {bytes}; export it again from its owner's node")]
    BadKeyLength {
        /// What was given.
        bytes: usize,
    },
    /// Not a 32-byte name in hex.
    #[error("{text:?} is not 64 hex digits; copy it again from where it was printed")]
    BadName {
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// Bytes are not what they should be.
    #[error(
        "the {what} is malformed or not in canonical form; encode it again with this version of twinseal"
    )]
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// Something from outside is over its limit.
    #[error("the {what} has {bytes} bytes, over the limit of {limit}; split it")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// A format this build does not know.
    #[error("the {what} has format {version}, which this build does not know; update twinseal")]
    UnknownVersion {
        /// What.
        what: &'static str,
        /// Its format.
        version: u8,
    },
    /// A field is out of its range.
    #[error("the {field} is out of range: {rule}; correct it and sign again")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// A transaction for another ledger.
    #[error(
        "the transaction is for ledger {named}, this is {ours}; submit it there, or sign it for this one"
    )]
    WrongChain {
        /// What the transaction names.
        named: ChainId,
        /// This ledger.
        ours: ChainId,
    },
    /// The ledger's rules refuse the transaction.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many transactions wait.
    #[error("{pending} transactions wait already; submit again when some are through")]
    PoolFull {
        /// How many.
        pending: usize,
    },
    /// The ordering service returned something it was not given, or nothing.
    #[error(
        "the ordering service did not return transaction {id}; check the ordering service, then submit again"
    )]
    NotOrdered {
        /// Which.
        id: TransactionId,
    },
    /// The genesis breaks a rule.
    #[error("the genesis is invalid: {reason}; correct it before the ledger is created")]
    BadGenesis {
        /// Which rule.
        reason: &'static str,
    },
    /// The file belongs to another ledger.
    #[error(
        "the file holds ledger {stored}, the configured genesis is ledger {configured}; point to the right file or genesis"
    )]
    WrongGenesis {
        /// In the file.
        stored: ChainId,
        /// In the configuration.
        configured: ChainId,
    },
    /// The key is not the orderer's.
    #[error(
        "the signing key is of account {given}, but blocks are signed by {expected}; start with the orderer's key"
    )]
    WrongOrderer {
        /// Whose key was given.
        given: AccountId,
        /// Whose it must be.
        expected: AccountId,
    },
    /// The injected tree hasher failed.
    #[error(
        "the tree hasher failed: {0}; check the board, or switch the node to the software engine, then submit again"
    )]
    TreeHasher(Box<dyn core::error::Error + Send + Sync>),
    /// The injected tree hasher is wrong.
    #[error(
        "the tree hasher returned {got}, software computes {expected}; nothing was committed; take the board out of service"
    )]
    TreeHeadMismatch {
        /// Hex, from the hasher.
        got: String,
        /// Hex, from software.
        expected: String,
    },
    /// A Merkle proof does not verify.
    #[error(
        "the Merkle proof does not fit the tree head; fetch it again, and if it fails again do not trust its source"
    )]
    BadProof,
    /// A block breaks a rule.
    #[error(
        "block {height} is invalid: {reason}; restore the ledger from another member and do not use this copy"
    )]
    BadBlock {
        /// Which.
        height: Height,
        /// Which rule.
        reason: &'static str,
    },
    /// Headers do not chain.
    #[error(
        "header {height} does not follow {previous}; fetch the headers again, from another member if need be"
    )]
    BrokenChain {
        /// Which header.
        height: Height,
        /// What it must follow.
        previous: BlockHash,
    },
    /// No such transaction.
    #[error("transaction {id} is not on the ledger; check the id, or submit it")]
    NoSuchTransaction {
        /// Which.
        id: TransactionId,
    },
    /// Somebody else has the file open.
    #[error("the ledger file is in use by another process; stop the other twinseald")]
    InUse,
    /// The file is damaged.
    #[error(
        "the ledger file is damaged ({reason}); restore it from a backup or another member and do not write to this copy"
    )]
    Corrupted {
        /// What was noticed.
        reason: String,
    },
    /// The disk refused.
    #[error(
        "the ledger file could not be used ({0}); free disk space and check permissions, restart, then submit again: what was acknowledged is safe"
    )]
    Storage(Box<redb::Error>),
    /// A file operation refused.
    #[error("could not {action}: {source}; check the path, its permissions and the free space")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The block this transaction was in failed; several submitters share the cause.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Crypto => "TSL-LED-001",
            Self::BadSignature => "TSL-LED-002",
            Self::BadKeyLength { .. } => "TSL-LED-003",
            Self::BadName { .. } => "TSL-LED-004",
            Self::Malformed { .. } => "TSL-LED-005",
            Self::TooLarge { .. } => "TSL-LED-006",
            Self::UnknownVersion { .. } => "TSL-LED-007",
            Self::OutOfRange { .. } => "TSL-LED-008",
            Self::WrongChain { .. } => "TSL-LED-009",
            Self::PoolFull { .. } => "TSL-LED-010",
            Self::NotOrdered { .. } => "TSL-LED-011",
            Self::BadGenesis { .. } => "TSL-LED-012",
            Self::WrongGenesis { .. } => "TSL-LED-013",
            Self::WrongOrderer { .. } => "TSL-LED-014",
            Self::TreeHasher(_) => "TSL-LED-015",
            Self::TreeHeadMismatch { .. } => "TSL-LED-016",
            Self::BadProof => "TSL-LED-017",
            Self::BadBlock { .. } => "TSL-LED-018",
            Self::BrokenChain { .. } => "TSL-LED-019",
            Self::NoSuchTransaction { .. } => "TSL-LED-020",
            Self::InUse => "TSL-LED-021",
            Self::Corrupted { .. } => "TSL-LED-022",
            Self::Storage(_) => "TSL-LED-023",
            Self::Io { .. } => "TSL-LED-024",
            Self::Refused(refusal) => refusal.code(),
            Self::Shared(cause) => cause.code(),
        }
    }
}

/// Why a transaction had no effect. It is part of its receipt and of its block's Merkle leaf, so variants keep their
/// order for ever; new ones go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ThisError)]
#[non_exhaustive]
pub enum Refusal {
    /// The account is not in the member table.
    #[error("account {account} is not a member of this ledger; have the consortium add it to the genesis")]
    UnknownMember {
        /// Which.
        account: AccountId,
    },
    /// The sender used this nonce in another transaction.
    #[error(
        "nonce {nonce} is used; sign again with a fresh one, unless this is a repetition of the earlier transaction"
    )]
    NonceUsed {
        /// Which.
        nonce: u64,
    },
    /// The sender has not got the money.
    #[error("the payment is {needed}, the account has {available}; pay less or have money transferred")]
    InsufficientFunds {
        /// What must be paid.
        needed: u64,
        /// What is there.
        available: u64,
    },
    /// The record belongs to somebody else.
    #[error("record {record} belongs to {owner}; only its owner may register a new version or grant access")]
    NotOwner {
        /// Which.
        record: RecordNumber,
        /// Whose it is.
        owner: AccountId,
    },
    /// The record is not registered.
    #[error("record {record} is not registered; register it first")]
    UnknownRecord {
        /// Which.
        record: RecordNumber,
    },
}

impl Refusal {
    /// The stable code of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownMember { .. } => "TSL-LED-101",
            Self::NonceUsed { .. } => "TSL-LED-102",
            Self::InsufficientFunds { .. } => "TSL-LED-103",
            Self::NotOwner { .. } => "TSL-LED-104",
            Self::UnknownRecord { .. } => "TSL-LED-105",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Reads the codes from the source, so that a new variant cannot be forgotten here.
    #[test]
    fn codes_are_unique_and_well_formed() {
        let source = include_str!("error.rs").split("#[cfg(test)]").next().unwrap();
        let codes: Vec<_> = source.match_indices("\"TSL-").map(|(at, _)| &source[at + 1..at + 12]).collect();
        assert_eq!(codes.len(), 29);
        assert!(
            codes.iter().all(|c| c.starts_with("TSL-LED-") && c[8..].bytes().all(|b| b.is_ascii_digit()))
        );
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    }

    #[test]
    fn a_shared_or_refused_error_keeps_the_code_of_its_cause() {
        let refusal = Refusal::NonceUsed { nonce: 3 };
        assert_eq!(Error::Shared(Arc::new(Error::from(refusal))).code(), refusal.code());
    }
}
