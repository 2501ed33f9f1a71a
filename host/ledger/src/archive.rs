//! A ledger that is read and no longer written: its orderer's key is gone, or it is a copy. Opening one checks all of it.
//! What checks and reads without that key is here, for [`Ledger`](crate::Ledger) too.

use std::path::Path;

use crate::block::{Block, Header, Height, InclusionProof, SignedHeader};
use crate::light::genesis_header;
use crate::merkle;
use crate::state::{self, MemberEntry, Receipt, Record, key};
use crate::store::Store;
use crate::transaction::RecordNumber;
use crate::{ChainId, Error, Genesis, TransactionId};

/// A whole and verified ledger, without the key that signs its blocks.
pub struct Archive {
    genesis: Genesis,
    store: Store,
    head: Header,
}

impl Archive {
    /// Opens the ledger at `path`, which must be there, and verifies it against `genesis` as
    /// [`Ledger::verify`](crate::Ledger::verify) does. A file that was not closed is repaired in place, so give it a copy of
    /// what must stay as it is.
    pub fn open(path: &Path, genesis: Genesis) -> Result<Self, Error> {
        genesis.check()?;
        let store = Store::open_existing(path, &genesis)?;
        let head = verify(&store, &genesis, &check_tip(&store, &genesis)?)?;
        Ok(Self { genesis, store, head })
    }

    /// What it was created from.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Which ledger this is.
    pub fn chain(&self) -> ChainId {
        self.head.chain
    }

    /// The newest header.
    pub fn head(&self) -> &Header {
        &self.head
    }

    /// All records as last registered, by number.
    pub fn records(&self) -> Result<Vec<(RecordNumber, Record)>, Error> {
        let prefix = key::records();
        let read = |entry: Vec<u8>| {
            let bad = || Error::Corrupted { reason: "a record's key is malformed".into() };
            let number: [u8; 16] = entry[prefix.len()..].try_into().map_err(|_| bad())?;
            Ok((number.into(), state::read(&self.store, &entry)?.ok_or_else(bad)?))
        };
        self.store.keys(&prefix, usize::MAX)?.into_iter().map(read).collect()
    }

    /// The block at `height`.
    pub fn block(&self, height: Height) -> Result<Option<Block>, Error> {
        self.store.block(height)
    }

    /// What became of a transaction; `None` if it is not on the ledger.
    pub fn receipt(&self, id: &TransactionId) -> Result<Option<Receipt>, Error> {
        self.store.receipt(id)
    }

    /// Shows a third party that `id` is on the ledger; check with [`crate::verify_inclusion`].
    pub fn proof(&self, id: &TransactionId) -> Result<(SignedHeader, InclusionProof), Error> {
        proof(&self.store, id)
    }
}

impl core::fmt::Debug for Archive {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Archive").field("chain", &self.chain()).finish_non_exhaustive()
    }
}

pub(crate) fn proof(store: &Store, id: &TransactionId) -> Result<(SignedHeader, InclusionProof), Error> {
    let receipt = store.receipt(id)?.ok_or(Error::NoSuchTransaction { id: *id })?;
    let missing = || Error::Corrupted { reason: format!("block {} does not hold {id}", receipt.height) };
    let block = store.block(receipt.height)?.ok_or_else(missing)?;
    let path = merkle::inclusion_path(&block.leaves()?, receipt.index as usize).ok_or_else(missing)?;
    Ok((block.header, InclusionProof { index: receipt.index, outcome: receipt.outcome, path }))
}

/// The newest block must be whole, signed, and follow the one before it.
pub(crate) fn check_tip(store: &Store, genesis: &Genesis) -> Result<Header, Error> {
    let tip = store.tip()?.header;
    let missing = || Error::Corrupted { reason: format!("block {} is missing", tip.height) };
    if tip.height == Height(0) {
        let expected = genesis_header(genesis)?;
        return if tip == expected { Ok(tip) } else { Err(missing()) };
    }
    let previous = store.header(Height(tip.height.0 - 1))?.ok_or_else(missing)?;
    tip.check_follows(&previous.header)?;
    store.block(tip.height)?.ok_or_else(missing)?.check(&genesis.orderer, &genesis.rules)?;
    Ok(tip)
}

/// Everything up to `tip`, see [`Ledger::verify`](crate::Ledger::verify); returns `tip`.
pub(crate) fn verify(store: &Store, genesis: &Genesis, tip: &Header) -> Result<Header, Error> {
    let (chain, orderer) = (genesis.chain()?, genesis.orderer.account());
    let mut state = state::genesis(genesis)?;
    let mut previous = genesis_header(genesis)?;
    let bad = |height, reason| Error::BadBlock { height, reason };
    let first = store.header(Height(0))?.ok_or(bad(Height(0), "it is missing"))?;
    first.verify(&genesis.orderer).map_err(|_| bad(Height(0), "its signature is wrong"))?;
    if first.header != previous {
        return Err(bad(Height(0), "it does not follow from the genesis"));
    }
    while let Some(block) = store.block(previous.height.next())? {
        let header = block.header.header.clone();
        header.check_follows(&previous)?;
        block.check(&genesis.orderer, &genesis.rules)?;
        for transaction in &block.transactions {
            let member: Option<MemberEntry> = state::read(&state, &key::member(&transaction.sender()))?;
            let member = member.ok_or(bad(header.height, "a sender is not a member"))?;
            if transaction.chain() != chain {
                return Err(bad(header.height, "a transaction is for another ledger"));
            }
            transaction
                .verify(&member.public_key)
                .map_err(|_| bad(header.height, "a transaction's signature is wrong"))?;
        }
        let (outcomes, writes) = state::execute(&state, &block.transactions, header.timestamp_ms, &orderer)?;
        if outcomes != block.outcomes {
            return Err(bad(header.height, "its outcomes are not what execution gives"));
        }
        if state::digest(&previous.state_digest, &writes)? != header.state_digest {
            return Err(bad(header.height, "its state digest is not what execution gives"));
        }
        verify_receipts(store, &block)?;
        state.extend(writes);
        previous = header;
    }
    if previous != *tip {
        return Err(bad(previous.height.next(), "it is missing"));
    }
    if !store.state_equals(&state)? {
        return Err(Error::Corrupted { reason: "the state is not what the blocks give".into() });
    }
    Ok(previous)
}

fn verify_receipts(store: &Store, block: &Block) -> Result<(), Error> {
    let Header { height, timestamp_ms, .. } = block.header.header;
    for ((index, transaction), outcome) in (0..).zip(&block.transactions).zip(&block.outcomes) {
        let id = transaction.id()?;
        let expected = Receipt { id, height, index, timestamp_ms, outcome: *outcome };
        if store.receipt(&id)? != Some(expected) {
            return Err(Error::Corrupted { reason: format!("the receipt of {id} is wrong") });
        }
    }
    Ok(())
}
