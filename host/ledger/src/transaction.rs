//! What members say to the ledger: a versioned body, signed. Encoded canonically with postcard; every size has a limit.

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::digest::hash;
use crate::identity::TRANSACTION_DOMAIN;
use crate::{AccountId, ChainId, Error, PublicKey, Signature, SigningKey, TransactionId};

/// Largest encoded transaction.
pub const MAX_TRANSACTION_BYTES: usize = 8 << 10;
/// Most ciphertext hashes in one registration, one per section.
pub const MAX_CIPHERTEXT_HASHES: usize = 32;
/// Longest lease: ten years.
pub const MAX_LEASE_MS: u64 = 10 * 366 * 24 * 3600 * 1000;

const WHAT: &str = "transaction";

/// Names a record: 128 random bits chosen by its owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordNumber([u8; 16]);

impl RecordNumber {
    /// The raw number.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for RecordNumber {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl core::fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for RecordNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RecordNumber({self})")
    }
}

/// How urgent a record is (Tang 2025, III.A.1), chosen by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Time-sensitive, such as a sensor stream; ordered by fee.
    High,
    /// Not time-sensitive; carries no fee and keeps a guaranteed share of every block.
    Low,
}

/// What a grant rests on. Only its hash is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Access {
    /// SHA-256 of the record key wrapped for the reader.
    WrappedKey([u8; 32]),
    /// SHA-256 of the decryption policy the reader satisfies.
    Policy([u8; 32]),
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Claims ownership of a record (Tang 2025, III.A), or a new version of one the sender owns.
    RegisterRecord {
        /// Chosen by the owner.
        record: RecordNumber,
        /// SHA-256 of each sealed section, in order; 1 to [`MAX_CIPHERTEXT_HASHES`].
        ciphertext_hashes: Vec<[u8; 32]>,
        /// SHA-256 of the whole blob, its name in the object store.
        blob_hash: [u8; 32],
        /// When the owner says the record was made, Unix milliseconds. The block's time is recorded beside it.
        timestamp_ms: u64,
        /// Lane in the orderer.
        level: Level,
        /// Paid to the orderer; zero unless the level is high.
        fee: u64,
    },
    /// Pays a cloud for storage (Tang 2025, III.B). The lease runs from the time of its block.
    PayLease {
        /// Who stores, and is paid.
        cloud: AccountId,
        /// How much may be stored; not zero.
        size_bytes: u64,
        /// For how long; not zero, at most [`MAX_LEASE_MS`].
        duration_ms: u64,
        /// The price; not zero.
        amount: u64,
    },
    /// The owner of a record states that a reader may have it.
    Grant {
        /// Which record; it must be registered and belong to the sender.
        record: RecordNumber,
        /// Who may read.
        reader: AccountId,
        /// By which means.
        access: Access,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    version: u8,
    chain: ChainId,
    sender: AccountId,
    nonce: u64,
    kind: Kind,
}

/// A signed statement of one member.
///
/// The nonce makes it unique: an account uses each value once, in any order, so a transaction that is sent again is
/// recognised by its id, and one that is built again after a lost answer is refused rather than paid twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    body: Body,
    signature: Signature,
}

impl Transaction {
    /// The only format so far.
    pub const VERSION: u8 = 1;

    /// Builds and signs. Fails if a field of `kind` is out of range.
    pub fn sign(key: &SigningKey, chain: ChainId, nonce: u64, kind: Kind) -> Result<Self, Error> {
        let body = Body { version: Self::VERSION, chain, sender: key.account(), nonce, kind };
        body.check()?;
        let signature = key.sign_in(TRANSACTION_DOMAIN, &body.to_bytes()?)?;
        Ok(Self { body, signature })
    }

    /// Parses canonical bytes and checks every range; the signature is checked by [`Transaction::verify`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let transaction: Self = codec::decode(WHAT, bytes, MAX_TRANSACTION_BYTES)?;
        transaction.body.check()?;
        Ok(transaction)
    }

    /// Canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        codec::encode(WHAT, self)
    }

    /// Checks ranges, that `key` is the sender's, and the signature.
    pub fn verify(&self, key: &PublicKey) -> Result<(), Error> {
        self.body.check()?;
        if key.account() != self.body.sender {
            return Err(Error::BadSignature);
        }
        key.verify_in(TRANSACTION_DOMAIN, &self.body.to_bytes()?, &self.signature)
    }

    /// Its name; see [`TransactionId`].
    pub fn id(&self) -> Result<TransactionId, Error> {
        Ok(hash("twinseal/v1/transaction-id", &[&self.body.to_bytes()?]).into())
    }

    /// The ledger it is for.
    pub fn chain(&self) -> ChainId {
        self.body.chain
    }

    /// Who signed it.
    pub fn sender(&self) -> AccountId {
        self.body.sender
    }

    /// The sender's nonce.
    pub fn nonce(&self) -> u64 {
        self.body.nonce
    }

    /// What it does.
    pub fn kind(&self) -> &Kind {
        &self.body.kind
    }

    /// Its lane in the orderer. Everything but a high-level registration rides in the low lane, which is never starved.
    pub fn level(&self) -> Level {
        match self.body.kind {
            Kind::RegisterRecord { level, .. } => level,
            Kind::PayLease { .. } | Kind::Grant { .. } => Level::Low,
        }
    }

    /// What it pays the orderer.
    pub fn fee(&self) -> u64 {
        match self.body.kind {
            Kind::RegisterRecord { fee, .. } => fee,
            Kind::PayLease { .. } | Kind::Grant { .. } => 0,
        }
    }
}

impl Body {
    fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        codec::encode(WHAT, self)
    }

    fn check(&self) -> Result<(), Error> {
        if self.version != Transaction::VERSION {
            return Err(Error::UnknownVersion { what: WHAT, version: self.version });
        }
        let require = |ok, field, rule| if ok { Ok(()) } else { Err(Error::OutOfRange { field, rule }) };
        match &self.kind {
            Kind::RegisterRecord { ciphertext_hashes, level, fee, .. } => {
                let count = ciphertext_hashes.len();
                require(
                    (1..=MAX_CIPHERTEXT_HASHES).contains(&count),
                    "number of ciphertext hashes",
                    "1 to 32",
                )?;
                require(*level == Level::High || *fee == 0, "fee", "only a high-level record may carry one")
            }
            Kind::PayLease { size_bytes, duration_ms, amount, .. } => {
                require(*size_bytes > 0, "lease size", "not zero")?;
                require((1..=MAX_LEASE_MS).contains(duration_ms), "lease duration", "1 ms to ten years")?;
                require(*amount > 0, "lease amount", "not zero")
            }
            Kind::Grant { .. } => Ok(()),
        }
    }
}
