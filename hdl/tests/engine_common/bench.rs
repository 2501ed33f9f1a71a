//! A hasher in rust-hdl's simulation, driven the way the dispatcher drives it.

use super::Random;
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::engine::Hasher;
use twinseal_hdl::engine::command::*;
use twinseal_hdl::golden::merkle::Hash;

/// Longest the hasher may stay busy: 31 merges and a leaf.
const PATIENCE_CLOCKS: u64 = 50_000;

pub struct Bench<const D: usize> {
    pub uut: Hasher<D>,
    /// Clocks so far.
    pub clocks: u64,
    /// Idle clocks are put between bytes and commands by this.
    pub gaps: Option<Random>,
    /// Every port in every clock, from the first on, if asked for.
    pub trace: Option<Trace>,
}

impl<const D: usize> Bench<D> {
    pub fn new() -> Self {
        let mut uut = Hasher::default();
        uut.connect_all();
        Self { uut, clocks: 0, gaps: None, trace: None }
    }

    /// A bench for the hasher as it is made for devices with late reads.
    pub fn with_late_reads() -> Self {
        let mut bench = Self::new();
        bench.uut = Hasher::new(true);
        bench.uut.connect_all();
        bench
    }

    /// A bench that records.
    pub fn recording() -> Self {
        Self::recording_of(false)
    }

    /// The same of either hasher.
    pub fn recording_of(late_reads: bool) -> Self {
        let mut bench = if late_reads { Self::with_late_reads() } else { Self::new() };
        bench.trace = Some(Trace::of(&bench.uut));
        bench
    }

    /// One clock with the inputs as they are; outputs are then those before the next clock.
    pub fn clock(&mut self) {
        self.settle();
        if let Some(trace) = &mut self.trace {
            trace.sample(&self.uut);
        }
        for level in [true, false] {
            self.uut.clock.next = level.into();
            assert!(simulate(&mut self.uut, 100), "the logic does not settle");
        }
        self.clocks += 1;
    }

    pub fn wait_ready(&mut self) {
        let start = self.clocks;
        self.settle();
        while !self.uut.ready.val() {
            self.clock();
            assert!(self.clocks - start < PATIENCE_CLOCKS, "never ready again");
        }
    }

    fn settle(&mut self) {
        assert!(simulate(&mut self.uut, 100), "the logic does not settle");
    }

    fn gap(&mut self) {
        let clocks =
            self.gaps.as_mut().map_or(0, |random| if random.below(4) == 0 { random.below(90) } else { 0 });
        for _ in 0..clocks {
            self.clock();
        }
    }

    /// Waits, gives a command, and returns `(refused, full)`.
    pub fn command(&mut self, command: u64) -> (bool, bool) {
        self.gap();
        self.wait_ready();
        self.uut.command.next = command.into();
        self.uut.command_valid.next = true;
        self.clock();
        self.uut.command_valid.next = false;
        self.settle();
        (self.uut.refused.val(), self.uut.full.val())
    }

    /// Waits, gives a byte, and returns `(refused, full)`.
    pub fn data(&mut self, byte: u8) -> (bool, bool) {
        self.gap();
        self.wait_ready();
        self.uut.data.next = u64::from(byte).into();
        self.uut.data_valid.next = true;
        self.clock();
        self.uut.data_valid.next = false;
        self.settle();
        (self.uut.refused.val(), self.uut.full.val())
    }

    pub fn accept(&mut self, command: u64) {
        assert_eq!(self.command(command), (false, false), "command {command}");
    }

    pub fn accept_data(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(self.data(byte), (false, false));
        }
    }

    /// Waits and reads the last result, first to last byte.
    pub fn digest(&mut self) -> Hash {
        // The first byte is there as soon as the hasher is ready.
        let mut hash = Hash::default();
        self.uut.digest_index.next = 31usize.to_bits();
        if self.uut.ready.val() {
            self.clock();
            self.clock();
        }
        self.wait_ready();
        hash[31] = self.uut.digest_byte.val().to_u8();
        // A new index in each clock, in an odd order, so that a byte that is a clock late or early shows.
        let order: Vec<usize> = (0..31).map(|i| i * 7 % 31).collect();
        for clock in 0..order.len() + 1 {
            if let Some(&i) = order.get(clock) {
                self.uut.digest_index.next = i.to_bits();
            }
            self.clock();
            if clock > 0 {
                hash[order[clock - 1]] = self.uut.digest_byte.val().to_u8();
            }
        }
        hash
    }

    pub fn hash(&mut self, message: &[u8]) -> Hash {
        self.accept(HASH_BEGIN);
        self.accept_data(message);
        self.accept(HASH_END);
        self.digest()
    }

    /// HMAC; a key longer than a block is hashed first, as its user has to.
    pub fn mac(&mut self, key: &[u8], message: &[u8]) -> Hash {
        let hashed;
        let key = if key.len() > 64 {
            hashed = self.hash(key);
            &hashed[..]
        } else {
            key
        };
        self.accept(KEY_BEGIN);
        self.accept_data(key);
        self.accept(KEY_END);
        self.accept_data(message);
        self.accept(HASH_END);
        self.digest()
    }

    pub fn leaf(&mut self, leaf: &[u8]) {
        self.accept(LEAF_BEGIN);
        self.accept_data(leaf);
        self.accept(LEAF_END);
    }

    pub fn tree(&mut self, leaves: &[Vec<u8>]) -> Hash {
        self.accept(TREE_BEGIN);
        for leaf in leaves {
            self.leaf(leaf);
        }
        self.accept(TREE_END);
        self.digest()
    }
}
