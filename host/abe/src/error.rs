//! The one error enum of this crate. A code is stable and unique; the text ends with the remedy.

use crate::attribute::{Attribute, AuthorityId};
use crate::policy::{MAX_DEPTH, MAX_ROWS, MAX_TEXT_BYTES, Node};
use crate::stream::{MAX_BODY_BYTES, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES};
use crate::threshold::MAX_PARTICIPANTS;

/// Everything that can go wrong here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy text does not follow the grammar of [`crate::policy`].
    #[error(
        "policy: {problem} at byte {position}; write attributes as name@authority and numbers as \
         name@authority >= 18, joined by `and`, `or`, `k of (..., ...)` and parentheses"
    )]
    PolicySyntax {
        /// Byte offset into the text.
        position: usize,
        /// What was wrong there.
        problem: &'static str,
    },
    /// A policy is longer, deeper or wider than the limits allow.
    #[error(
        "policy exceeds a limit ({what}{}); keep it to {MAX_TEXT_BYTES} bytes, {MAX_ROWS} rows and \
         {MAX_DEPTH} levels of gates, or split the record",
        .position.map(|position| format!(" at byte {position}")).unwrap_or_default()
    )]
    PolicyLimit {
        /// Which limit.
        what: &'static str,
        /// Byte offset into the text, if it was a text.
        position: Option<usize>,
    },
    /// A gate asks for no child, or for more children than it has.
    #[error("policy gate asks for {threshold} of {children}; ask for 1 to {children} of at least one child")]
    PolicyGate {
        /// Children asked for.
        threshold: usize,
        /// Children there are.
        children: usize,
    },
    /// A name of an attribute or an authority is malformed.
    #[error(
        "name {name:?}: {problem}; use 1 to 64 of A-Z a-z 0-9 . _ : - starting with a letter or digit, and \
         exactly one @ between attribute and authority"
    )]
    Name {
        /// The name, cut to 80 characters.
        name: String,
        /// What was wrong with it.
        problem: &'static str,
    },
    /// A user identifier is malformed.
    #[error("user identifier: {problem}; use 1 to 128 printable ASCII characters without spaces")]
    UserId {
        /// What was wrong with it.
        problem: &'static str,
    },
    /// An authority was asked for a key to an attribute of another authority.
    #[error("{attribute} is not an attribute of {authority}; ask {} for it", attribute.authority())]
    ForeignAttribute {
        /// The attribute asked for.
        attribute: Attribute,
        /// The authority asked.
        authority: AuthorityId,
    },
    /// The policy names an authority whose public key was not given.
    #[error("no public key of authority {authority}; fetch it and pass it along with the others")]
    AuthorityKeyMissing {
        /// The authority named by the policy.
        authority: AuthorityId,
    },
    /// Two different public keys were given for one authority.
    #[error(
        "two different public keys of authority {authority}; find out which is genuine and pass only that"
    )]
    AuthorityKeyConflict {
        /// The authority.
        authority: AuthorityId,
    },
    /// A key given for decapsulation was issued to somebody else; keys of several users do not combine.
    #[error("the key for {attribute} was issued to another user; pass only the reader's own keys")]
    KeyOfAnotherUser {
        /// The attribute of that key.
        attribute: Attribute,
    },
    /// The reader's attributes do not satisfy the policy.
    #[error("the policy is not satisfied; obtain a key for {} from its authority", list(.missing))]
    PolicyNotSatisfied {
        /// A shortest list of attributes and comparisons that would complete the policy.
        missing: Vec<Node>,
    },
    /// Keys, header and ciphertext do not belong together, or one of them was altered.
    #[error(
        "the ciphertext does not open under these keys and this header; fetch the record again, and if it \
         still fails ask the authorities for current keys"
    )]
    Commitment,
    /// Re-encryption gives another ciphertext: some rows were not made by `encapsulate`.
    #[error("the ciphertext was not made honestly under these public keys; refuse it and tell its sender")]
    Dishonest,
    /// Bytes are not the canonical encoding of what they should be.
    #[error(
        "encoding of a {object}: {problem}; fetch it again from its source, with the same software version"
    )]
    Encoding {
        /// What was being parsed.
        object: &'static str,
        /// What was wrong.
        problem: &'static str,
    },
    /// The header bound to a ciphertext is too long.
    #[error("header of {bytes} bytes; bind at most {limit} bytes, or the hash of a longer header")]
    HeaderTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An attribute key does not match the public key of its authority.
    #[error(
        "the key for {attribute} does not match its authority's public key; ask the authority to issue it again"
    )]
    KeyInvalid {
        /// The attribute of that key.
        attribute: Attribute,
    },
    /// A chunk size is not offered.
    #[error("chunks of {bytes} bytes; choose a power of two from {MIN_CHUNK_BYTES} to {MAX_CHUNK_BYTES}")]
    ChunkSize {
        /// The size asked for.
        bytes: usize,
    },
    /// A body would exceed what is sealed under one key.
    #[error("a body is longer than {MAX_BODY_BYTES} bytes; split the data over several envelopes")]
    BodyTooLong,
    /// The associated data is not what the envelope was sealed with.
    #[error("the associated data is not that of this envelope; name the record it was sealed for")]
    AssociatedData,
    /// A body (or a body key) belongs to another header.
    #[error("the body does not belong to this header; fetch both again under the same name")]
    WrongBody,
    /// A chunk does not authenticate where it stands.
    #[error("chunk {chunk} of the body was altered, moved or cut; discard what was read and fetch it again")]
    ChunkAltered {
        /// Its index, from 0.
        chunk: u64,
    },
    /// The end of a body is missing.
    #[error("the body ends after {chunks} chunks, before its end; discard what was read and fetch it again")]
    BodyTruncated {
        /// Whole chunks there are.
        chunks: u64,
    },
    /// Bytes follow the end of a body.
    #[error("bytes follow chunk {chunk}, the last of the body; discard what was read and fetch it again")]
    BodyExtended {
        /// Index of the last chunk.
        chunk: u64,
    },
    /// Reading or writing failed.
    #[error("input or output failed ({message}); make the file or connection work and start again")]
    Io {
        /// What kind of failure.
        kind: std::io::ErrorKind,
        /// The system's text.
        message: String,
    },
    /// A threshold authority's shape is not offered.
    #[error(
        "{threshold} of {participants} participants; choose a threshold of at least 2 and at most \
         {MAX_PARTICIPANTS} participants"
    )]
    ThresholdShape {
        /// How many issue together.
        threshold: u8,
        /// How many there are.
        participants: u8,
    },
    /// A message of a threshold authority is missing, foreign, or proves that its sender cheated.
    #[error(
        "participant {participant}: {problem}; settle it with that participant, then start a new ceremony"
    )]
    Ceremony {
        /// Who, from 1.
        participant: u8,
        /// What was wrong.
        problem: &'static str,
    },
    /// Partial keys that do not verify.
    #[error("wrong partial keys for {attribute} from participants {participants:?}; combine without them")]
    PartialKeysWrong {
        /// The attribute.
        attribute: Attribute,
        /// Whose, from 1.
        participants: Vec<u8>,
    },
    /// Fewer partial keys than the threshold.
    #[error("{present} partial keys for {attribute} of the {threshold} needed; ask further participants")]
    PartialKeysMissing {
        /// The attribute.
        attribute: Attribute,
        /// How many there are.
        present: usize,
        /// How many it takes.
        threshold: u8,
    },
    /// A number is malformed.
    #[error(
        "number {text:?}: {problem}; write 0 to 4294967295 without leading zeros, or a date YYYY-MM-DD from \
         1970-01-01 on"
    )]
    Number {
        /// The text, cut to 80 characters.
        text: String,
        /// What was wrong with it.
        problem: &'static str,
    },
    /// A policy in JSON does not follow the form of [`crate::policy`].
    #[error(
        "policy in JSON: {problem} at byte {position}; write {{\"attribute\": ..}}, {{\"compare\": .., \"op\": .., \
         \"value\": ..}}, {{\"all\": [..]}}, {{\"any\": [..]}} or {{\"atLeast\": .., \"of\": [..]}}"
    )]
    PolicyJson {
        /// Byte offset into the text, at the end of what was refused.
        position: usize,
        /// What was wrong there.
        problem: String,
    },
    /// A comparison in a policy asks for a number that cannot be.
    #[error("no number satisfies {comparison}; write a range from 0 to 4294967295 that is not empty")]
    EmptyComparison {
        /// Its text.
        comparison: String,
    },
    /// Keys and ciphertext are of different generations of an authority.
    #[error(
        "authority {authority} has rotated its key since; ask it for current keys, or for a ciphertext made \
         under its current public key"
    )]
    AuthorityRotated {
        /// The authority.
        authority: AuthorityId,
    },
    /// The coins of a ciphertext were drawn beforehand, so it cannot be made again.
    #[error(
        "the ciphertext was made from precomputed coins, so it cannot be checked by re-encryption; use \
         `decapsulate`, or ask its sender for one with derived coins"
    )]
    Precomputed,
    /// What a helper returned does not open the ciphertext.
    #[error(
        "the transformed ciphertext does not open under this retrieving key and header; ask another helper, \
         or open it with your own keys"
    )]
    TransformRejected,
    /// An engine failed, or returned bytes that are no group elements.
    #[error("transform engine: {problem}; transform in software, and have the engine looked at")]
    Engine {
        /// What happened.
        problem: String,
    },
    /// The rows of an outsourced encryption are wrong.
    #[error("wrong rows from {}; ask another helper, or encapsulate yourself", by_index(.helpers))]
    RowsRejected {
        /// Whose: indices of the jobs, 0 and 1.
        helpers: Vec<usize>,
    },
    /// No precomputed row is left for an attribute.
    #[error("no precomputed row is left for {attribute}; fill the pool again, or encapsulate without it")]
    PoolEmpty {
        /// The attribute.
        attribute: Attribute,
    },
}

impl Error {
    /// The stable code, for logs and support.
    pub fn code(&self) -> &'static str {
        match self {
            Error::PolicySyntax { .. } => "TSL-ABE-001",
            Error::PolicyLimit { .. } => "TSL-ABE-002",
            Error::PolicyGate { .. } => "TSL-ABE-003",
            Error::Name { .. } => "TSL-ABE-004",
            Error::UserId { .. } => "TSL-ABE-005",
            Error::ForeignAttribute { .. } => "TSL-ABE-006",
            Error::AuthorityKeyMissing { .. } => "TSL-ABE-007",
            Error::AuthorityKeyConflict { .. } => "TSL-ABE-008",
            Error::KeyOfAnotherUser { .. } => "TSL-ABE-009",
            Error::PolicyNotSatisfied { .. } => "TSL-ABE-010",
            Error::Commitment => "TSL-ABE-011",
            Error::Dishonest => "TSL-ABE-012",
            Error::Encoding { .. } => "TSL-ABE-013",
            Error::HeaderTooLong { .. } => "TSL-ABE-014",
            Error::KeyInvalid { .. } => "TSL-ABE-015",
            Error::ChunkSize { .. } => "TSL-ABE-016",
            Error::BodyTooLong => "TSL-ABE-017",
            Error::AssociatedData => "TSL-ABE-018",
            Error::WrongBody => "TSL-ABE-019",
            Error::ChunkAltered { .. } => "TSL-ABE-020",
            Error::BodyTruncated { .. } => "TSL-ABE-021",
            Error::BodyExtended { .. } => "TSL-ABE-022",
            Error::Io { .. } => "TSL-ABE-023",
            Error::ThresholdShape { .. } => "TSL-ABE-024",
            Error::Ceremony { .. } => "TSL-ABE-025",
            Error::PartialKeysWrong { .. } => "TSL-ABE-026",
            Error::PartialKeysMissing { .. } => "TSL-ABE-027",
            Error::Number { .. } => "TSL-ABE-028",
            Error::PolicyJson { .. } => "TSL-ABE-029",
            Error::EmptyComparison { .. } => "TSL-ABE-030",
            Error::AuthorityRotated { .. } => "TSL-ABE-031",
            Error::Precomputed => "TSL-ABE-032",
            Error::TransformRejected => "TSL-ABE-033",
            Error::Engine { .. } => "TSL-ABE-034",
            Error::RowsRejected { .. } => "TSL-ABE-035",
            Error::PoolEmpty { .. } => "TSL-ABE-036",
        }
    }
}

impl From<std::io::Error> for Error {
    /// An error of this crate that went through [`std::io`] comes out as it was.
    fn from(error: std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => inner.clone(),
            None => Error::Io { kind: error.kind(), message: error.to_string() },
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io { kind, .. } => *kind,
            _ => std::io::ErrorKind::InvalidData,
        };
        std::io::Error::new(kind, error)
    }
}

fn by_index(indices: &[usize]) -> String {
    indices.iter().map(|index| format!("helper {index}")).collect::<Vec<_>>().join(" and ")
}

fn list(leaves: &[Node]) -> String {
    leaves.iter().map(Node::to_string).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_texts_carry_a_remedy() {
        let attribute: Attribute = "a@x".parse().unwrap();
        let authority = attribute.authority().clone();
        let all = [
            Error::PolicySyntax { position: 3, problem: "p" },
            Error::PolicyLimit { what: "w", position: Some(3) },
            Error::PolicyGate { threshold: 3, children: 2 },
            Error::Name { name: "n".into(), problem: "p" },
            Error::UserId { problem: "p" },
            Error::ForeignAttribute { attribute: attribute.clone(), authority: authority.clone() },
            Error::AuthorityKeyMissing { authority: authority.clone() },
            Error::AuthorityKeyConflict { authority: authority.clone() },
            Error::KeyOfAnotherUser { attribute: attribute.clone() },
            Error::PolicyNotSatisfied { missing: vec![attribute.clone().into()] },
            Error::Commitment,
            Error::Dishonest,
            Error::Encoding { object: "o", problem: "p" },
            Error::HeaderTooLong { bytes: 2, limit: 1 },
            Error::KeyInvalid { attribute: attribute.clone() },
            Error::ChunkSize { bytes: 1 },
            Error::BodyTooLong,
            Error::AssociatedData,
            Error::WrongBody,
            Error::ChunkAltered { chunk: 1 },
            Error::BodyTruncated { chunks: 1 },
            Error::BodyExtended { chunk: 1 },
            Error::Io { kind: std::io::ErrorKind::Other, message: "m".into() },
            Error::ThresholdShape { threshold: 1, participants: 1 },
            Error::Ceremony { participant: 1, problem: "p" },
            Error::PartialKeysWrong { attribute: attribute.clone(), participants: vec![1] },
            Error::PartialKeysMissing { attribute: attribute.clone(), present: 1, threshold: 2 },
            Error::Number { text: "n".into(), problem: "p" },
            Error::PolicyJson { position: 3, problem: "p".into() },
            Error::EmptyComparison { comparison: "c".into() },
            Error::AuthorityRotated { authority },
            Error::Precomputed,
            Error::TransformRejected,
            Error::Engine { problem: "p".into() },
            Error::RowsRejected { helpers: vec![0] },
            Error::PoolEmpty { attribute },
        ];
        let codes: BTreeSet<_> = all.iter().map(Error::code).collect();
        assert_eq!(codes.len(), all.len());
        // The last code equals the number of variants listed: a new variant must be added above too.
        assert_eq!(*codes.last().unwrap(), format!("TSL-ABE-{:03}", all.len()));
        for error in &all {
            assert!(error.to_string().contains(';'), "{error} has no remedy");
        }
    }
}
