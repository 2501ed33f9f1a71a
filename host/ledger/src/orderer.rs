//! Who comes when (Tang 2025, III.A): high level before low, high by fee, and low keeps a share of every block.
//!
//! An [`Orderer`] turns submitted transactions into batches; a batch becomes a block as it stands. What a block shows of
//! the rule, any peer can check with [`in_order`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crate::transaction::{Level, Transaction};
use crate::{Error, Rules};

/// Most transactions that wait.
pub const MAX_PENDING: usize = 65_536;

/// An ordering service, embedded or remote.
pub trait Orderer: Send {
    /// Takes an admitted transaction. It is not ordered before it comes back from [`Orderer::next_batch`].
    fn submit(&mut self, transaction: Transaction) -> Result<(), Error>;

    /// The next batch, in order and within the rules. A remote service waits for what was submitted here; `None` means
    /// that nothing of it will come.
    fn next_batch(&mut self) -> Result<Option<Vec<Transaction>>, Error>;
}

/// The embedded orderer: one process, one pool in memory. A transaction that waits here is not acknowledged yet, so
/// losing the pool loses nothing that was promised.
#[derive(Debug)]
pub struct Solo {
    rules: Rules,
    /// By fee, highest first, then by arrival.
    high: BTreeMap<(Reverse<u64>, u64), Waiting>,
    low: VecDeque<Waiting>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiting {
    transaction: Transaction,
    bytes: usize,
}

impl Solo {
    /// An empty pool under `rules`, which the genesis has checked.
    pub fn new(rules: Rules) -> Self {
        Self { rules, high: BTreeMap::new(), low: VecDeque::new(), arrivals: 0 }
    }

    /// How many wait.
    pub fn pending(&self) -> usize {
        self.high.len() + self.low.len()
    }
}

impl Orderer for Solo {
    fn submit(&mut self, transaction: Transaction) -> Result<(), Error> {
        let pending = self.pending();
        if pending >= MAX_PENDING {
            return Err(Error::PoolFull { pending });
        }
        let waiting = Waiting { bytes: transaction.to_bytes()?.len(), transaction };
        match waiting.transaction.level() {
            Level::High => {
                self.high.insert((Reverse(waiting.transaction.fee()), self.arrivals), waiting);
                self.arrivals += 1;
            }
            Level::Low => self.low.push_back(waiting),
        }
        Ok(())
    }

    /// Sets the low level's share aside first, then fills with the high level, then with what is left of the low.
    fn next_batch(&mut self) -> Result<Option<Vec<Transaction>>, Error> {
        let whole =
            Room { count: self.rules.block_transactions as usize, bytes: self.rules.block_bytes as usize };
        let mut reserved = whole.share(self.rules.low_share_percent);
        let mut room = whole;
        let (mut high, mut low) = (Vec::new(), Vec::new());

        while let Some(next) = pop_if(&mut self.low, |next| low.is_empty() || reserved.fits(next.bytes)) {
            reserved.take(next.bytes);
            room.take(next.bytes);
            low.push(next.transaction);
        }
        while let Some(entry) = self.high.first_entry() {
            if !room.fits(entry.get().bytes) {
                break;
            }
            room.take(entry.get().bytes);
            high.push(entry.remove().transaction);
        }
        while let Some(next) = pop_if(&mut self.low, |next| room.fits(next.bytes)) {
            room.take(next.bytes);
            low.push(next.transaction);
        }

        high.append(&mut low);
        Ok(if high.is_empty() { None } else { Some(high) })
    }
}

fn pop_if(queue: &mut VecDeque<Waiting>, fits: impl FnOnce(&Waiting) -> bool) -> Option<Waiting> {
    if fits(queue.front()?) { queue.pop_front() } else { None }
}

/// What still fits a block.
#[derive(Clone, Copy, Debug)]
struct Room {
    count: usize,
    bytes: usize,
}

impl Room {
    /// `percent` of this room, rounded up.
    fn share(self, percent: u8) -> Self {
        let of = |n: usize| (n * usize::from(percent)).div_ceil(100);
        Self { count: of(self.count), bytes: of(self.bytes) }
    }

    fn fits(self, bytes: usize) -> bool {
        self.count > 0 && bytes <= self.bytes
    }

    fn take(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Whether high-level transactions come first, by falling fee.
pub fn in_order(transactions: &[Transaction]) -> bool {
    transactions.is_sorted_by_key(|t| match t.level() {
        Level::High => (false, Reverse(t.fee())),
        Level::Low => (true, Reverse(0)),
    })
}
