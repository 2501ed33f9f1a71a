//! Where the ledger lives: one redb file, one transaction with fsync per block. Either a whole block is there, with its
//! receipts and state, or nothing of it.
//!
//! Commits have two phases, so that a damaged newest block is reported and not quietly rolled back, and opening reads
//! every page against its checksum: redb may panic on a damaged page it trusts.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::block::{Block, Body, SignedHeader};
use crate::state::{Receipt, View, Writes};
use crate::{Error, Genesis, Height, TransactionId, codec};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const HEADERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("headers");
const BODIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bodies");
const RECEIPTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("receipts");
const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");

const FORMAT: &str = "format";
const FORMAT_VERSION: &[u8] = b"twinseal-ledger/1";
const GENESIS: &str = "genesis";
const MAX_RECEIPT_BYTES: usize = 256;
const CACHE_BYTES: usize = 64 << 20;

/// The open file.
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Opens the ledger at `path`, or creates it whole: a half-made file never bears the final name.
    pub(crate) fn open(
        path: &Path,
        genesis: &Genesis,
        block0: &Block,
        writes: &Writes,
    ) -> Result<Self, Error> {
        let exists = path.try_exists().map_err(|e| io("look for the ledger file", e))?;
        if !exists {
            let draft = path.with_extension("draft");
            match std::fs::remove_file(&draft) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(io("remove an unfinished ledger file", e));
                }
                _ => {}
            }
            Self::create(builder().create(&draft).map_err(storage)?, genesis, block0, writes)?;
            std::fs::rename(&draft, path).map_err(|e| io("name the new ledger file", e))?;
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io("sync the ledger's folder", e))?;
        }
        Self::open_existing(path, genesis)
    }

    /// Opens the ledger at `path`, which must be there.
    pub(crate) fn open_existing(path: &Path, genesis: &Genesis) -> Result<Self, Error> {
        Self::load(builder().open(path).map_err(storage)?, genesis)
    }

    /// Takes over a database that holds a ledger made from `genesis`.
    pub(crate) fn load(database: Database, genesis: &Genesis) -> Result<Self, Error> {
        let store = Self { database };
        store.check_genesis(genesis)?;
        Ok(store)
    }

    /// Puts block 0 into an empty database.
    pub(crate) fn create(
        database: Database,
        genesis: &Genesis,
        block0: &Block,
        writes: &Writes,
    ) -> Result<Self, Error> {
        let store = Self { database };
        store.write(|transaction| {
            let mut meta = transaction.open_table(META).map_err(storage)?;
            meta.insert(FORMAT, FORMAT_VERSION).map_err(storage)?;
            meta.insert(GENESIS, genesis.to_bytes()?.as_slice()).map_err(storage)?;
            transaction.open_table(RECEIPTS).map_err(storage)?;
            put_block(transaction, block0, &[], writes)
        })?;
        Ok(store)
    }

    fn check_genesis(&self, genesis: &Genesis) -> Result<(), Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let meta = transaction.open_table(META).map_err(storage)?;
        let format = meta.get(FORMAT).map_err(storage)?;
        if format.is_none_or(|format| format.value() != FORMAT_VERSION) {
            return Err(corrupted("it is not a twinseal ledger of format 1"));
        }
        let stored = meta.get(GENESIS).map_err(storage)?.ok_or_else(|| corrupted("it has no genesis"))?;
        let stored =
            Genesis::from_bytes(stored.value()).map_err(|_| corrupted("its genesis is malformed"))?;
        let (stored, configured) = (stored.chain()?, genesis.chain()?);
        if stored == configured { Ok(()) } else { Err(Error::WrongGenesis { stored, configured }) }
    }

    /// Writes a block with everything that follows from it. When this returns, it is on disk.
    pub(crate) fn commit(&self, block: &Block, receipts: &[Receipt], writes: &Writes) -> Result<(), Error> {
        self.write(|transaction| put_block(transaction, block, receipts, writes))
    }

    fn write(&self, fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), Error>) -> Result<(), Error> {
        let mut transaction = self.database.begin_write().map_err(storage)?;
        transaction.set_durability(Durability::Immediate).map_err(storage)?;
        transaction.set_two_phase_commit(true);
        fill(&transaction)?;
        transaction.commit().map_err(storage)
    }

    /// The newest header.
    pub(crate) fn tip(&self) -> Result<SignedHeader, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let headers = transaction.open_table(HEADERS).map_err(storage)?;
        let (_, bytes) = headers.last().map_err(storage)?.ok_or_else(|| corrupted("it has no block"))?;
        SignedHeader::from_bytes(bytes.value()).map_err(|_| corrupted("the newest header is malformed"))
    }

    pub(crate) fn header(&self, height: Height) -> Result<Option<SignedHeader>, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let headers = transaction.open_table(HEADERS).map_err(storage)?;
        let Some(bytes) = headers.get(height.0).map_err(storage)? else { return Ok(None) };
        SignedHeader::from_bytes(bytes.value())
            .map(Some)
            .map_err(|_| corrupted(format!("header {height} is malformed")))
    }

    pub(crate) fn block(&self, height: Height) -> Result<Option<Block>, Error> {
        let Some(header) = self.header(height)? else { return Ok(None) };
        let transaction = self.database.begin_read().map_err(storage)?;
        let bodies = transaction.open_table(BODIES).map_err(storage)?;
        let bytes = bodies
            .get(height.0)
            .map_err(storage)?
            .ok_or_else(|| corrupted(format!("block {height} has no body")))?;
        let Body { transactions, outcomes } =
            Body::from_bytes(bytes.value()).map_err(|_| corrupted(format!("block {height} is malformed")))?;
        Ok(Some(Block { header, transactions, outcomes }))
    }

    pub(crate) fn receipt(&self, id: &TransactionId) -> Result<Option<Receipt>, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let receipts = transaction.open_table(RECEIPTS).map_err(storage)?;
        let Some(bytes) = receipts.get(id.as_bytes()).map_err(storage)? else { return Ok(None) };
        codec::decode("receipt", bytes.value(), MAX_RECEIPT_BYTES)
            .map(Some)
            .map_err(|_| corrupted(format!("the receipt of {id} is malformed")))
    }

    /// Keys in the state that begin with `prefix`, in order, at most `limit`.
    pub(crate) fn keys(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let state = transaction.open_table(STATE).map_err(storage)?;
        let mut keys = Vec::new();
        for entry in state.range(prefix..).map_err(storage)?.take(limit) {
            let (key, _) = entry.map_err(storage)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_vec());
        }
        Ok(keys)
    }

    /// The last key at or before `to` that begins with `prefix`.
    pub(crate) fn last_key(&self, prefix: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let state = transaction.open_table(STATE).map_err(storage)?;
        let Some(entry) = state.range(prefix..=to).map_err(storage)?.next_back() else { return Ok(None) };
        Ok(Some(entry.map_err(storage)?.0.value().to_vec()))
    }

    /// Whether the state holds exactly `expected`.
    pub(crate) fn state_equals(&self, expected: &Writes) -> Result<bool, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let state = transaction.open_table(STATE).map_err(storage)?;
        let mut expected = expected.iter();
        for entry in state.iter().map_err(storage)? {
            let (key, value) = entry.map_err(storage)?;
            if expected.next().is_none_or(|(k, v)| k != key.value() || v != value.value()) {
                return Ok(false);
            }
        }
        Ok(expected.next().is_none())
    }
}

impl View for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let transaction = self.database.begin_read().map_err(storage)?;
        let state = transaction.open_table(STATE).map_err(storage)?;
        Ok(state.get(key).map_err(storage)?.map(|value| value.value().to_vec()))
    }
}

fn put_block(
    transaction: &redb::WriteTransaction,
    block: &Block,
    receipts: &[Receipt],
    writes: &Writes,
) -> Result<(), Error> {
    let height = block.header.header.height.0;
    let mut headers = transaction.open_table(HEADERS).map_err(storage)?;
    headers.insert(height, block.header.to_bytes()?.as_slice()).map_err(storage)?;
    let body = Body { transactions: block.transactions.clone(), outcomes: block.outcomes.clone() };
    let mut bodies = transaction.open_table(BODIES).map_err(storage)?;
    bodies.insert(height, body.to_bytes()?.as_slice()).map_err(storage)?;
    let mut table = transaction.open_table(RECEIPTS).map_err(storage)?;
    for receipt in receipts {
        let bytes = codec::encode("receipt", receipt)?;
        table.insert(receipt.id.as_bytes(), bytes.as_slice()).map_err(storage)?;
    }
    let mut state = transaction.open_table(STATE).map_err(storage)?;
    for (key, value) in writes {
        state.insert(key.as_slice(), value.as_slice()).map_err(storage)?;
    }
    Ok(())
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_check_integrity_on_open(true);
    builder
}

fn corrupted(reason: impl Into<String>) -> Error {
    Error::Corrupted { reason: reason.into() }
}

fn io(action: &'static str, source: std::io::Error) -> Error {
    Error::Io { action, source }
}

/// Sorts redb's errors into the three that differ in their remedy.
fn storage(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => Error::InUse,
        e @ (redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_)) => corrupted(e.to_string()),
        redb::Error::Io(e) if matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            corrupted(e.to_string())
        }
        e => Error::Storage(Box::new(e)),
    }
}
