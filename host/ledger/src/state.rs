//! Accounts, records, leases and grants, and how a transaction changes them: a pure function of state, transactions and
//! block time.
//!
//! State is one ordered map of bytes. A key is a tag byte and the names it is about, a value is postcard.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::digest::hash;
use crate::transaction::{Access, Kind, Level, Transaction};
use crate::{AccountId, Error, Genesis, Height, PublicKey, Refusal, TransactionId, codec};

const WHAT: &str = "state entry";
const MAX_ENTRY_BYTES: usize = 4096;

/// What became of an ordered transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[must_use = "a transaction can be on the ledger and still have failed"]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// It had no effect but its used nonce.
    Failed(Refusal),
}

/// Proof of commitment for the submitter: the block is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a transaction can be on the ledger and still have failed; see Receipt::applied"]
pub struct Receipt {
    /// Which transaction.
    pub id: TransactionId,
    /// Its block.
    pub height: Height,
    /// Its place in the block, and its leaf in the block's tree.
    pub index: u32,
    /// Time of the block, Unix milliseconds.
    pub timestamp_ms: u64,
    /// What became of it.
    pub outcome: Outcome,
}

impl Receipt {
    /// This receipt if the transaction took effect, else why not.
    pub fn applied(self) -> Result<Self, Error> {
        match self.outcome {
            Outcome::Applied => Ok(self),
            Outcome::Failed(refusal) => Err(refusal.into()),
        }
    }
}

/// A registered record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who registered it first; never changes.
    pub owner: AccountId,
    /// 1 for the first registration, counting up.
    pub version: u32,
    /// SHA-256 of each sealed section of this version.
    pub ciphertext_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the blob.
    pub blob_hash: [u8; 32],
    /// When its owner says it was made, Unix milliseconds.
    pub timestamp_ms: u64,
    /// When it was registered, Unix milliseconds: the block's time.
    pub registered_ms: u64,
    /// Its level.
    pub level: Level,
    /// The registration of this version.
    pub transaction: TransactionId,
}

/// A paid lease of cloud storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who paid.
    pub owner: AccountId,
    /// Who stores.
    pub cloud: AccountId,
    /// How much may be stored.
    pub size_bytes: u64,
    /// What was paid.
    pub amount: u64,
    /// When it began, Unix milliseconds: the block's time.
    pub paid_ms: u64,
    /// When it ends, Unix milliseconds; the first moment it is no longer valid.
    pub expires_ms: u64,
    /// The payment.
    pub transaction: TransactionId,
}

/// An owner's statement that a reader may have a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// By which means.
    pub access: Access,
    /// Since when, Unix milliseconds: the block's time.
    pub granted_ms: u64,
    /// The statement.
    pub transaction: TransactionId,
}

/// A member as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberEntry {
    pub(crate) name: String,
    pub(crate) public_key: PublicKey,
}

/// Keys of the state map.
pub(crate) mod key {
    use crate::{AccountId, RecordNumber, TransactionId};

    fn key(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = vec![tag];
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }

    pub(crate) fn member(account: &AccountId) -> Vec<u8> {
        key(b'm', &[account.as_bytes()])
    }
    pub(crate) fn balance(account: &AccountId) -> Vec<u8> {
        key(b'b', &[account.as_bytes()])
    }
    /// Big-endian, so that the last key of an account is its highest nonce.
    pub(crate) fn nonce(account: &AccountId, nonce: u64) -> Vec<u8> {
        key(b'n', &[account.as_bytes(), &nonce.to_be_bytes()])
    }
    pub(crate) fn record(record: &RecordNumber) -> Vec<u8> {
        key(b'r', &[record.as_bytes()])
    }
    /// Begins the keys of all records.
    pub(crate) fn records() -> Vec<u8> {
        key(b'r', &[])
    }
    pub(crate) fn lease(id: &TransactionId) -> Vec<u8> {
        key(b'l', &[id.as_bytes()])
    }
    pub(crate) fn leases(owner: &AccountId, cloud: &AccountId) -> Vec<u8> {
        key(b'o', &[owner.as_bytes(), cloud.as_bytes()])
    }
    pub(crate) fn lease_index(owner: &AccountId, cloud: &AccountId, id: &TransactionId) -> Vec<u8> {
        key(b'o', &[owner.as_bytes(), cloud.as_bytes(), id.as_bytes()])
    }
    pub(crate) fn grant(record: &RecordNumber, reader: &AccountId) -> Vec<u8> {
        key(b'g', &[record.as_bytes(), reader.as_bytes()])
    }
}

/// State entries to write, in key order.
pub(crate) type Writes = BTreeMap<Vec<u8>, Vec<u8>>;

/// Read access to the state.
pub(crate) trait View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
}

impl View for Writes {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(BTreeMap::get(self, key).cloned())
    }
}

/// Reads and decodes one entry.
pub(crate) fn read<T: Serialize + DeserializeOwned>(view: &dyn View, key: &[u8]) -> Result<Option<T>, Error> {
    let Some(bytes) = view.get(key)? else { return Ok(None) };
    codec::decode(WHAT, &bytes, MAX_ENTRY_BYTES)
        .map(Some)
        .map_err(|_| Error::Corrupted { reason: format!("state entry {} is malformed", hex::encode(key)) })
}

/// The writes of block 0.
pub(crate) fn genesis(genesis: &Genesis) -> Result<Writes, Error> {
    let mut writes = Writes::new();
    for member in &genesis.members {
        let account = member.public_key.account();
        let entry = MemberEntry { name: member.name.clone(), public_key: member.public_key.clone() };
        writes.insert(key::member(&account), codec::encode(WHAT, &entry)?);
        writes.insert(key::balance(&account), codec::encode(WHAT, &member.balance)?);
    }
    Ok(writes)
}

/// Commits to all writes of a block and, through `previous`, of every block before it.
pub(crate) fn digest(previous: &[u8; 32], writes: &Writes) -> Result<[u8; 32], Error> {
    Ok(hash("twinseal/v1/state", &[previous, &codec::encode("state writes", writes)?]))
}

/// Executes `transactions` in order. Signatures and ranges have been checked; everything that depends on state is
/// checked here.
pub(crate) fn execute(
    view: &dyn View,
    transactions: &[Transaction],
    block_ms: u64,
    orderer: &AccountId,
) -> Result<(Vec<Outcome>, Writes), Error> {
    let mut block = Overlay { base: view, writes: Writes::new() };
    let mut outcomes = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        let context = Context { id: transaction.id()?, sender: transaction.sender(), block_ms, orderer };
        let outcome = match context.claim_nonce(&mut block, transaction.nonce())? {
            Err(refusal) => Outcome::Failed(refusal),
            Ok(()) => {
                let mut trial = Overlay { base: &block, writes: Writes::new() };
                match context.apply(&mut trial, transaction.kind())? {
                    Err(refusal) => Outcome::Failed(refusal),
                    Ok(()) => {
                        let writes = trial.writes;
                        block.writes.extend(writes);
                        Outcome::Applied
                    }
                }
            }
        };
        outcomes.push(outcome);
    }
    Ok((outcomes, block.writes))
}

/// Writes in memory over a state that stays as it is.
struct Overlay<'a> {
    base: &'a dyn View,
    writes: Writes,
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.writes.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.base.get(key),
        }
    }
}

impl Overlay<'_> {
    fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), Error> {
        self.writes.insert(key, codec::encode(WHAT, value)?);
        Ok(())
    }
}

/// The outer error is a broken ledger, the inner one a refused transaction.
type Executed = Result<Result<(), Refusal>, Error>;

macro_rules! refuse_unless {
    ($ok:expr, $refusal:expr) => {
        if !$ok {
            return Ok(Err($refusal));
        }
    };
}

struct Context<'a> {
    id: TransactionId,
    sender: AccountId,
    block_ms: u64,
    orderer: &'a AccountId,
}

impl Context<'_> {
    fn claim_nonce(&self, state: &mut Overlay<'_>, nonce: u64) -> Executed {
        if let Err(refusal) = known_member(state, &self.sender)? {
            return Ok(Err(refusal));
        }
        let key = key::nonce(&self.sender, nonce);
        refuse_unless!(state.get(&key)?.is_none(), Refusal::NonceUsed { nonce });
        state.put(key, &self.id)?;
        Ok(Ok(()))
    }

    fn apply(&self, state: &mut Overlay<'_>, kind: &Kind) -> Executed {
        match kind {
            Kind::RegisterRecord { record, ciphertext_hashes, blob_hash, timestamp_ms, level, fee } => {
                let before: Option<Record> = read(state, &key::record(record))?;
                let version = match before {
                    None => 1,
                    Some(before) => {
                        let owner = before.owner;
                        refuse_unless!(owner == self.sender, Refusal::NotOwner { record: *record, owner });
                        before.version.saturating_add(1)
                    }
                };
                if let Err(refusal) = self.pay(state, self.orderer, *fee)? {
                    return Ok(Err(refusal));
                }
                let entry = Record {
                    owner: self.sender,
                    version,
                    ciphertext_hashes: ciphertext_hashes.clone(),
                    blob_hash: *blob_hash,
                    timestamp_ms: *timestamp_ms,
                    registered_ms: self.block_ms,
                    level: *level,
                    transaction: self.id,
                };
                state.put(key::record(record), &entry)?;
                Ok(Ok(()))
            }
            Kind::PayLease { cloud, size_bytes, duration_ms, amount } => {
                if let Err(refusal) = known_member(state, cloud)? {
                    return Ok(Err(refusal));
                }
                if let Err(refusal) = self.pay(state, cloud, *amount)? {
                    return Ok(Err(refusal));
                }
                let lease = Lease {
                    owner: self.sender,
                    cloud: *cloud,
                    size_bytes: *size_bytes,
                    amount: *amount,
                    paid_ms: self.block_ms,
                    expires_ms: self.block_ms.saturating_add(*duration_ms),
                    transaction: self.id,
                };
                state.put(key::lease(&self.id), &lease)?;
                state.put(key::lease_index(&self.sender, cloud, &self.id), &())?;
                Ok(Ok(()))
            }
            Kind::Grant { record, reader, access } => {
                let Some(entry): Option<Record> = read(state, &key::record(record))? else {
                    return Ok(Err(Refusal::UnknownRecord { record: *record }));
                };
                let owner = entry.owner;
                refuse_unless!(owner == self.sender, Refusal::NotOwner { record: *record, owner });
                if let Err(refusal) = known_member(state, reader)? {
                    return Ok(Err(refusal));
                }
                let grant = Grant { access: *access, granted_ms: self.block_ms, transaction: self.id };
                state.put(key::grant(record, reader), &grant)?;
                Ok(Ok(()))
            }
        }
    }

    /// Moves money from the sender. The genesis bounds the sum of all balances, so adding cannot overflow.
    fn pay(&self, state: &mut Overlay<'_>, to: &AccountId, amount: u64) -> Executed {
        let available = balance(state, &self.sender)?;
        let Some(left) = available.checked_sub(amount) else {
            return Ok(Err(Refusal::InsufficientFunds { needed: amount, available }));
        };
        if amount > 0 {
            state.put(key::balance(&self.sender), &left)?;
            let theirs = balance(state, to)?
                .checked_add(amount)
                .ok_or_else(|| Error::Corrupted { reason: "balances exceed the genesis".into() })?;
            state.put(key::balance(to), &theirs)?;
        }
        Ok(Ok(()))
    }
}

fn known_member(state: &dyn View, account: &AccountId) -> Executed {
    refuse_unless!(state.get(&key::member(account))?.is_some(), Refusal::UnknownMember { account: *account });
    Ok(Ok(()))
}

/// An account that never had money has none.
pub(crate) fn balance(state: &dyn View, account: &AccountId) -> Result<u64, Error> {
    Ok(read(state, &key::balance(account))?.unwrap_or(0))
}
