//! The facade: admission, group commit, queries and proofs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::archive;
use crate::block::{self, Block, Header, Height, InclusionProof, SignedHeader};
use crate::clock::Clock;
use crate::light::genesis_header;
use crate::merkle::{self, TreeHasher};
use crate::orderer::{Orderer, Solo};
use crate::state::{self, Grant, Lease, MemberEntry, Outcome, Receipt, Record, View, key};
use crate::store::Store;
use crate::transaction::{Level, RecordNumber, Transaction};
use crate::{AccountId, ChainId, Error, Genesis, PublicKey, Refusal, SigningKey, TransactionId};

/// Most leases one query returns.
pub const MAX_LEASES: usize = 4096;

/// An open ledger; share it between threads behind an `Arc`.
pub struct Ledger {
    genesis: Genesis,
    chain: ChainId,
    orderer_key: SigningKey,
    tree: Arc<dyn TreeHasher>,
    clock: Arc<dyn Clock>,
    store: Store,
    pool: Mutex<Pool>,
    /// Held while a block is made; guards the chain's tip.
    tip: Mutex<Header>,
}

/// What waits for a block. Submitters of the same transaction share one ticket.
struct Pool {
    orderer: Box<dyn Orderer>,
    tickets: HashMap<TransactionId, Ticket>,
}

type Ticket = Arc<OnceLock<Result<Receipt, Arc<Error>>>>;

impl Ledger {
    /// Opens the ledger at `path` under the embedded [`Solo`] orderer, or creates it from `genesis`, and checks its tip.
    /// `orderer` signs the blocks and must be the key the genesis names.
    pub fn open(
        path: &Path,
        genesis: Genesis,
        orderer: SigningKey,
        tree: Arc<dyn TreeHasher>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let solo = Solo::new(genesis.rules);
        Self::open_with(path, genesis, orderer, tree, clock, Box::new(solo))
    }

    /// The same under another ordering service.
    pub fn open_with(
        path: &Path,
        genesis: Genesis,
        orderer_key: SigningKey,
        tree: Arc<dyn TreeHasher>,
        clock: Arc<dyn Clock>,
        orderer: Box<dyn Orderer>,
    ) -> Result<Self, Error> {
        let block0 = block0(&genesis, &orderer_key)?;
        let store = Store::open(path, &genesis, &block0, &state::genesis(&genesis)?)?;
        Self::over(store, genesis, orderer_key, tree, clock, orderer)
    }

    pub(crate) fn over(
        store: Store,
        genesis: Genesis,
        orderer_key: SigningKey,
        tree: Arc<dyn TreeHasher>,
        clock: Arc<dyn Clock>,
        orderer: Box<dyn Orderer>,
    ) -> Result<Self, Error> {
        let tip = archive::check_tip(&store, &genesis)?;
        Ok(Self {
            chain: genesis.chain()?,
            genesis,
            orderer_key,
            tree,
            clock,
            store,
            pool: Mutex::new(Pool { orderer, tickets: HashMap::new() }),
            tip: Mutex::new(tip),
        })
    }

    /// Submits and waits until the block is on disk. A transaction that is on the ledger already is not executed again:
    /// its first receipt comes back. After an error nothing is promised; submitting the same transaction again is safe.
    ///
    /// Threads that submit at the same time share blocks: whoever holds the tip commits for all who wait.
    pub fn submit(&self, transaction: Transaction) -> Result<Receipt, Error> {
        self.submit_all(vec![transaction]).pop().unwrap_or(Err(Error::Malformed { what: "submission" }))
    }

    /// Submits several, ordered together by level and fee; one answer each, in the order given.
    pub fn submit_all(&self, transactions: Vec<Transaction>) -> Vec<Result<Receipt, Error>> {
        let tickets: Vec<_> = transactions.into_iter().map(|t| self.enqueue(t)).collect();
        tickets
            .into_iter()
            .map(|ticket| {
                let (id, ticket) = ticket?;
                self.settle(&id, &ticket)
            })
            .collect()
    }

    /// Admits a transaction to the pool.
    fn enqueue(&self, transaction: Transaction) -> Result<(TransactionId, Ticket), Error> {
        let id = transaction.id()?;
        if let Some(receipt) = self.store.receipt(&id)? {
            return Ok((id, Arc::new(OnceLock::from(Ok(receipt)))));
        }
        self.admit(&transaction)?;
        let mut pool = lock(&self.pool);
        if let Some(ticket) = pool.tickets.get(&id) {
            return Ok((id, Arc::clone(ticket)));
        }
        pool.orderer.submit(transaction)?;
        let ticket = Ticket::default();
        pool.tickets.insert(id, Arc::clone(&ticket));
        Ok((id, ticket))
    }

    /// Everything that can be refused without a place in the order.
    fn admit(&self, transaction: &Transaction) -> Result<(), Error> {
        let (bytes, limit) = (transaction.to_bytes()?.len(), crate::transaction::MAX_TRANSACTION_BYTES);
        if bytes > limit {
            return Err(Error::TooLarge { what: "transaction", bytes, limit });
        }
        if transaction.chain() != self.chain {
            return Err(Error::WrongChain { named: transaction.chain(), ours: self.chain });
        }
        let sender = transaction.sender();
        let key = self.member_key(&sender)?.ok_or(Refusal::UnknownMember { account: sender })?;
        transaction.verify(&key)?;
        let nonce = transaction.nonce();
        match self.store.get(&key::nonce(&sender, nonce))? {
            Some(_) => Err(Refusal::NonceUsed { nonce }.into()),
            None => Ok(()),
        }
    }

    /// Makes blocks until `ticket` has its answer.
    fn settle(&self, id: &TransactionId, ticket: &Ticket) -> Result<Receipt, Error> {
        while ticket.get().is_none() {
            let mut tip = lock(&self.tip);
            if ticket.get().is_some() {
                break;
            }
            if !self.make_block(&mut tip)? {
                lock(&self.pool).tickets.remove(id);
                return Err(Error::NotOrdered { id: *id });
            }
        }
        match ticket.get() {
            Some(Ok(receipt)) => Ok(*receipt),
            Some(Err(cause)) => Err(Error::Shared(Arc::clone(cause))),
            None => Err(Error::NotOrdered { id: *id }),
        }
    }

    /// Turns the next batch into a block and answers its tickets. `false` when there is no batch.
    fn make_block(&self, tip: &mut Header) -> Result<bool, Error> {
        let Some(batch) = lock(&self.pool).orderer.next_batch()? else { return Ok(false) };
        let mut fresh = Vec::with_capacity(batch.len());
        let mut ids = Vec::with_capacity(batch.len());
        for transaction in batch {
            let id = transaction.id()?;
            if let Some(receipt) = self.store.receipt(&id)? {
                // Committed between its admission and now, or delivered again by the ordering service.
                self.answer(&id, Ok(receipt));
                continue;
            }
            // The ordering service is not trusted: what was not admitted here is checked here, and dropped if it fails.
            let admitted = lock(&self.pool).tickets.contains_key(&id) || self.admit(&transaction).is_ok();
            if admitted && !ids.contains(&id) {
                ids.push(id);
                fresh.push(transaction);
            }
        }
        if fresh.is_empty() {
            return Ok(true);
        }
        match self.commit(tip, fresh) {
            Ok(receipts) => receipts.into_iter().for_each(|r| self.answer(&r.id, Ok(r))),
            Err(e) => {
                let cause = Arc::new(e);
                ids.iter().for_each(|id| self.answer(id, Err(Arc::clone(&cause))));
            }
        }
        Ok(true)
    }

    fn answer(&self, id: &TransactionId, answer: Result<Receipt, Arc<Error>>) {
        if let Some(ticket) = lock(&self.pool).tickets.remove(id) {
            // A ticket leaves the pool with its only answer, so it cannot have one already.
            let _ = ticket.set(answer);
        }
    }

    /// Executes, hashes, signs and writes one block on top of `tip`.
    fn commit(&self, tip: &mut Header, transactions: Vec<Transaction>) -> Result<Vec<Receipt>, Error> {
        let timestamp_ms = self.clock.now_ms().max(tip.timestamp_ms);
        let orderer = self.genesis.orderer.account();
        let (outcomes, writes) = state::execute(&self.store, &transactions, timestamp_ms, &orderer)?;
        let leaves = block::leaves(&transactions, &outcomes)?;
        let tree_head = self.tree.tree_head(&leaves).map_err(Error::TreeHasher)?;
        let expected = merkle::tree_head(&leaves);
        if tree_head != expected {
            return Err(Error::TreeHeadMismatch {
                got: hex::encode(tree_head),
                expected: hex::encode(expected),
            });
        }
        let header = Header {
            version: Header::VERSION,
            chain: self.chain,
            height: tip.height.next(),
            previous: tip.hash()?,
            timestamp_ms,
            tree_head,
            state_digest: state::digest(&tip.state_digest, &writes)?,
            transactions: count(transactions.len())?,
            high: count(transactions.iter().filter(|t| t.level() == Level::High).count())?,
            failed: count(outcomes.iter().filter(|o| **o != Outcome::Applied).count())?,
        };
        let mut receipts = Vec::with_capacity(transactions.len());
        for (index, (transaction, outcome)) in transactions.iter().zip(&outcomes).enumerate() {
            let (id, index) = (transaction.id()?, count(index)?);
            receipts.push(Receipt { id, height: header.height, index, timestamp_ms, outcome: *outcome });
        }
        let header = SignedHeader::sign(header, &self.orderer_key)?;
        let block = Block { header, transactions, outcomes };
        // What this node would refuse from another, it does not write either.
        block.check(&self.genesis.orderer, &self.genesis.rules)?;
        self.store.commit(&block, &receipts, &writes)?;
        *tip = block.header.header;
        Ok(receipts)
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Which ledger this is; transactions name it.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// What it was created from.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The newest block's header.
    pub fn head(&self) -> Result<SignedHeader, Error> {
        self.store.tip()
    }

    /// The header at `height`.
    pub fn header(&self, height: Height) -> Result<Option<SignedHeader>, Error> {
        self.store.header(height)
    }

    /// The block at `height`.
    pub fn block(&self, height: Height) -> Result<Option<Block>, Error> {
        self.store.block(height)
    }

    /// All blocks from `from` on that exist when each is asked for.
    pub fn blocks(&self, from: Height) -> impl Iterator<Item = Result<Block, Error>> + '_ {
        (from.0..).map_while(|height| self.store.block(Height(height)).transpose())
    }

    /// What became of a transaction; `None` if it is not on the ledger.
    pub fn receipt(&self, id: &TransactionId) -> Result<Option<Receipt>, Error> {
        self.store.receipt(id)
    }

    /// Shows a third party that `id` is on the ledger; check with [`crate::verify_inclusion`].
    pub fn proof(&self, id: &TransactionId) -> Result<(SignedHeader, InclusionProof), Error> {
        archive::proof(&self.store, id)
    }

    /// The record as last registered.
    pub fn record(&self, record: &RecordNumber) -> Result<Option<Record>, Error> {
        state::read(&self.store, &key::record(record))
    }

    /// The grant of `record` to `reader`.
    pub fn grant(&self, record: &RecordNumber, reader: &AccountId) -> Result<Option<Grant>, Error> {
        state::read(&self.store, &key::grant(record, reader))
    }

    /// What `account` has; 0 for one that never had money.
    pub fn balance(&self, account: &AccountId) -> Result<u64, Error> {
        state::balance(&self.store, account)
    }

    /// The lease paid by transaction `id`.
    pub fn lease(&self, id: &TransactionId) -> Result<Option<Lease>, Error> {
        state::read(&self.store, &key::lease(id))
    }

    /// Leases, expired ones included, that `owner` has with `cloud`; at most [`MAX_LEASES`].
    pub fn leases(&self, owner: &AccountId, cloud: &AccountId) -> Result<Vec<Lease>, Error> {
        let prefix = key::leases(owner, cloud);
        let mut leases = Vec::new();
        for entry in self.store.keys(&prefix, MAX_LEASES)? {
            let dangling = || Error::Corrupted { reason: "the lease index points nowhere".into() };
            let id: [u8; 32] = entry[prefix.len()..].try_into().map_err(|_| dangling())?;
            leases.push(self.lease(&id.into())?.ok_or_else(dangling)?);
        }
        Ok(leases)
    }

    /// The key of a member; `None` if the account is not one.
    pub fn member_key(&self, account: &AccountId) -> Result<Option<PublicKey>, Error> {
        let entry: Option<MemberEntry> = state::read(&self.store, &key::member(account))?;
        Ok(entry.map(|entry| entry.public_key))
    }

    /// A nonce `account` has not used: one above its highest.
    pub fn next_nonce(&self, account: &AccountId) -> Result<u64, Error> {
        let (first, last) = (key::nonce(account, 0), key::nonce(account, u64::MAX));
        let Some(highest) = self.store.last_key(&first, &last)? else { return Ok(0) };
        let bytes =
            highest.last_chunk().ok_or_else(|| Error::Corrupted { reason: "a nonce is short".into() })?;
        Ok(u64::from_be_bytes(*bytes).wrapping_add(1))
    }

    /// Checks the whole ledger: every header, signature, tree head, receipt and limit, and by executing everything again
    /// that state and digests are what they must be. Linear in the ledger's length.
    pub fn verify(&self) -> Result<Header, Error> {
        // Held throughout, so that no block comes meanwhile.
        let tip = lock(&self.tip);
        archive::verify(&self.store, &self.genesis, &tip)
    }
}

impl core::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ledger").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Block 0, signed.
pub(crate) fn block0(genesis: &Genesis, orderer_key: &SigningKey) -> Result<Block, Error> {
    genesis.check()?;
    if *orderer_key.public_key() != genesis.orderer {
        let (given, expected) = (orderer_key.account(), genesis.orderer.account());
        return Err(Error::WrongOrderer { given, expected });
    }
    let header = SignedHeader::sign(genesis_header(genesis)?, orderer_key)?;
    Ok(Block { header, transactions: Vec::new(), outcomes: Vec::new() })
}

fn count(n: usize) -> Result<u32, Error> {
    u32::try_from(n).map_err(|_| Error::TooLarge { what: "block", bytes: n, limit: u32::MAX as usize })
}

/// What the locks guard is replaced as a whole, so it is sound even after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
