//! Blocks: a signed header that commits to the transactions, to what became of each, and to the state after them.

use serde::{Deserialize, Serialize};

use crate::digest::hash;
use crate::genesis::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
use crate::identity::BLOCK_DOMAIN;
use crate::merkle::{self, Hash};
use crate::transaction::{Level, Transaction};
use crate::{
    BlockHash, ChainId, Error, Outcome, PublicKey, Rules, Signature, SigningKey, TransactionId, codec,
    orderer,
};

const MAX_HEADER_BYTES: usize = 8192;
/// Outcomes are at most 80 bytes each.
const MAX_BODY_BYTES: usize = MAX_BLOCK_BYTES as usize + MAX_BLOCK_TRANSACTIONS as usize * 80 + 64;

/// Number of a block; 0 is the genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Height(pub u64);

impl Height {
    /// The next block's.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl core::fmt::Display for Height {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// All that a light node keeps of a block, together with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format; [`Header::VERSION`].
    pub version: u8,
    /// Which ledger.
    pub chain: ChainId,
    /// Number of the block.
    pub height: Height,
    /// Hash of the header before; zero at height 0.
    pub previous: BlockHash,
    /// Unix milliseconds by the orderer's clock; never before the previous block's.
    pub timestamp_ms: u64,
    /// RFC 6962 tree head over the [`leaf`]s of the transactions.
    pub tree_head: Hash,
    /// SHA-256 of `"twinseal/v1/state" ‖ 0x00 ‖ previous state digest ‖ encoded map of written entries`: equal on two
    /// peers only if every block wrote the same on both.
    pub state_digest: Hash,
    /// Transactions in the block, failed ones included.
    pub transactions: u32,
    /// High-level ones among them; they come first.
    pub high: u32,
    /// Ones that had no effect.
    pub failed: u32,
}

impl Header {
    /// The only format so far.
    pub const VERSION: u8 = 1;

    /// The block's name; see [`BlockHash`].
    pub fn hash(&self) -> Result<BlockHash, Error> {
        Ok(hash("twinseal/v1/block-hash", &[&codec::encode("block header", self)?]).into())
    }

    /// Checks that this header may stand directly after `previous`.
    pub fn check_follows(&self, previous: &Header) -> Result<(), Error> {
        let hash = previous.hash()?;
        let follows = self.version == Self::VERSION
            && self.chain == previous.chain
            && self.height == previous.height.next()
            && self.previous == hash
            && self.timestamp_ms >= previous.timestamp_ms;
        if follows { Ok(()) } else { Err(Error::BrokenChain { height: self.height, previous: hash }) }
    }
}

/// A header and the orderer's signature over `"twinseal/v1/block" ‖ 0x00 ‖ encoded header`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// What is signed.
    pub header: Header,
    /// By the orderer.
    pub signature: Signature,
}

impl SignedHeader {
    pub(crate) fn sign(header: Header, orderer: &SigningKey) -> Result<Self, Error> {
        let signature = orderer.sign_in(BLOCK_DOMAIN, &codec::encode("block header", &header)?)?;
        Ok(Self { header, signature })
    }

    /// Checks the orderer's signature.
    pub fn verify(&self, orderer: &PublicKey) -> Result<(), Error> {
        orderer.verify_in(BLOCK_DOMAIN, &codec::encode("block header", &self.header)?, &self.signature)
    }

    /// Parses canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        codec::decode("block header", bytes, MAX_HEADER_BYTES)
    }

    /// Canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        codec::encode("block header", self)
    }
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Body {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        codec::decode("block", bytes, MAX_BODY_BYTES)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        codec::encode("block", self)
    }
}

/// A whole block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header and its signature.
    pub header: SignedHeader,
    /// In the order they were executed.
    pub transactions: Vec<Transaction>,
    /// What became of each.
    pub outcomes: Vec<Outcome>,
}

impl Block {
    /// Leaf data of the block's tree.
    pub fn leaves(&self) -> Result<Vec<[u8; 32]>, Error> {
        leaves(&self.transactions, &self.outcomes)
    }

    /// Checks everything that needs no state: counts, order, limits, tree head and the orderer's signature.
    pub fn check(&self, orderer: &PublicKey, rules: &Rules) -> Result<(), Error> {
        let header = &self.header.header;
        let require =
            |ok, reason| if ok { Ok(()) } else { Err(Error::BadBlock { height: header.height, reason }) };
        require(self.header.verify(orderer).is_ok(), "its signature is wrong")?;
        let high = self.transactions.iter().filter(|t| t.level() == Level::High).count();
        let failed = self.outcomes.iter().filter(|o| matches!(o, Outcome::Failed(_))).count();
        require(self.transactions.len() == self.outcomes.len(), "every transaction needs an outcome")?;
        require(header.transactions as usize == self.transactions.len(), "the transaction count is wrong")?;
        require(header.high as usize == high, "the count of high-level transactions is wrong")?;
        require(header.failed as usize == failed, "the count of failed transactions is wrong")?;
        require(header.transactions <= rules.block_transactions, "it has too many transactions")?;
        let mut bytes = 0;
        for transaction in &self.transactions {
            bytes += transaction.to_bytes()?.len();
        }
        require(bytes <= rules.block_bytes as usize, "it has too many bytes")?;
        require(orderer::in_order(&self.transactions), "its transactions are not in order of level and fee")?;
        require(merkle::tree_head(&self.leaves()?) == header.tree_head, "its tree head is wrong")
    }
}

/// Leaf data of one transaction: SHA-256 of `"twinseal/v1/leaf" ‖ 0x00 ‖ transaction id ‖ encoded outcome`. The outcome
/// is in it because a transaction can be in a block and still have failed.
pub fn leaf(id: &TransactionId, outcome: &Outcome) -> Result<[u8; 32], Error> {
    Ok(hash("twinseal/v1/leaf", &[id.as_bytes(), &codec::encode("outcome", outcome)?]))
}

pub(crate) fn leaves(transactions: &[Transaction], outcomes: &[Outcome]) -> Result<Vec<[u8; 32]>, Error> {
    transactions.iter().zip(outcomes).map(|(t, outcome)| leaf(&t.id()?, outcome)).collect()
}

/// Shows that a transaction is in a block, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The transaction's place in the block.
    pub index: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Siblings, leaf side first.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Checks that `id` is in the block of `header` and returns what became of it. The header itself must be trusted,
    /// see [`crate::LightClient`].
    pub fn verify(&self, header: &Header, id: &TransactionId) -> Result<Outcome, Error> {
        let leaf_hash = merkle::leaf_hash(&leaf(id, &self.outcome)?);
        let size = u64::from(header.transactions);
        merkle::verify_inclusion(&leaf_hash, self.index.into(), size, &self.path, &header.tree_head)?;
        Ok(self.outcome)
    }
}

/// Checks that `id` is in the block of `header` and took effect; the refusal if it failed there.
pub fn verify_inclusion(header: &Header, id: &TransactionId, proof: &InclusionProof) -> Result<(), Error> {
    match proof.verify(header, id)? {
        Outcome::Applied => Ok(()),
        Outcome::Failed(refusal) => Err(refusal.into()),
    }
}
