//! What the tests of the link share: a clock, the two ends of a serial line, and requests at random.
#![allow(dead_code, unused_macros, unused_imports)] // every test binary uses its own part

use rust_hdl_core::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::flow::tool::skipped;
use twinseal_wire::{
    self as wire, Frame, MAX_ENCODED_BYTES, MAX_RESPONSE_BYTES, hash_flags, merkle_flags, opcode, register,
    vault,
};

/// Passes in which a circuit must settle.
const SETTLE_PASSES: usize = 1000;

/// The falling half of a clock of `$uut`: the inputs that were set reach the outputs.
macro_rules! fall {
    ($uut:expr) => {{
        $uut.clock.next = false.into();
        $crate::link_bench::settle(&mut $uut);
    }};
}
pub(crate) use fall;

/// The rising edge.
macro_rules! rise {
    ($uut:expr) => {{
        $uut.clock.next = true.into();
        $crate::link_bench::settle(&mut $uut);
    }};
}
pub(crate) use rise;

/// A whole clock, recorded in `$trace` if one is given.
macro_rules! tick {
    ($uut:expr) => {{
        $crate::link_bench::fall!($uut);
        $crate::link_bench::rise!($uut);
    }};
    ($uut:expr, $trace:expr) => {{
        $crate::link_bench::fall!($uut);
        $trace.sample(&$uut);
        $crate::link_bench::rise!($uut);
    }};
}
pub(crate) use tick;

/// Lets `uut` come to rest.
pub(crate) fn settle<B: Block>(uut: &mut B) {
    assert!(simulate(uut, SETTLE_PASSES), "the circuit does not settle");
}

/// The third leg: what was recorded of `uut`, replayed against its Verilog.
pub(crate) fn verilated<B: Block>(name: &str, uut: &B, trace: &Trace) {
    match trace.replay(name, &generate_verilog(uut), "top") {
        Err(error @ Error::ToolMissing { .. }) => skipped(error),
        Err(error) => panic!("{error}"),
        Ok(replay) => assert!(replay.clocks > 0 && replay.outputs > 0),
    }
}

/// SplitMix64: a seed gives the same test everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in `0..n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Bytes of which a third are zero or 0xFF.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| match self.below(6) {
                0 => 0,
                1 => 0xFF,
                _ => self.next() as u8,
            })
            .collect()
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// The host's end of the line to the board, sampled once per board clock.
pub(crate) struct LineOut {
    /// Board clocks per bit of this sender; need not be what the board thinks.
    clocks_per_bit: f64,
    /// Levels to come, with the clock at which each begins.
    levels: std::collections::VecDeque<(f64, bool)>,
    now: f64,
    free_at: f64,
    level: bool,
}

impl LineOut {
    pub(crate) fn new(clocks_per_bit: f64) -> Self {
        Self { clocks_per_bit, levels: Default::default(), now: 0.0, free_at: 10.0, level: true }
    }

    pub(crate) fn send(&mut self, byte: u8) {
        self.character(byte, true);
    }

    /// A character whose stop bit is low.
    pub(crate) fn send_broken(&mut self, byte: u8) {
        self.character(byte, false);
        self.idle(2.0);
    }

    /// A low pulse of `clocks` board clocks, with room around it.
    pub(crate) fn glitch(&mut self, clocks: f64) {
        self.idle(1.0);
        self.levels.push_back((self.free_at, false));
        self.levels.push_back((self.free_at + clocks, true));
        self.idle(2.0);
    }

    pub(crate) fn idle(&mut self, bits: f64) {
        self.free_at = self.free_at.max(self.now) + bits * self.clocks_per_bit;
    }

    fn character(&mut self, byte: u8, stop: bool) {
        let start = self.free_at.max(self.now);
        let bits = (0..8).map(|i| byte >> i & 1 == 1);
        for (i, bit) in std::iter::once(false).chain(bits).chain([stop, true]).enumerate() {
            self.levels.push_back((start + i as f64 * self.clocks_per_bit, bit));
        }
        self.free_at = start + 10.0 * self.clocks_per_bit;
    }

    /// The level in this clock.
    pub(crate) fn next_level(&mut self) -> bool {
        while let Some(&(at, level)) = self.levels.front() {
            if at > self.now {
                break;
            }
            self.level = level;
            self.levels.pop_front();
        }
        self.now += 1.0;
        self.level
    }

    pub(crate) fn done(&self) -> bool {
        self.levels.is_empty() && self.now > self.free_at
    }
}

/// The host's end of the line from the board.
pub(crate) struct LineIn {
    clocks_per_bit: usize,
    /// Clocks since the start bit's edge.
    clock: Option<usize>,
    byte: u8,
}

impl LineIn {
    pub(crate) fn new(clocks_per_bit: usize) -> Self {
        Self { clocks_per_bit, clock: None, byte: 0 }
    }

    /// Takes the level of one clock; a whole character when its stop bit was seen.
    pub(crate) fn push(&mut self, level: bool) -> Option<u8> {
        let Some(clock) = &mut self.clock else {
            if !level {
                self.clock = Some(0);
                self.byte = 0;
            }
            return None;
        };
        *clock += 1;
        let (bit, phase) = (*clock / self.clocks_per_bit, *clock % self.clocks_per_bit);
        if phase != self.clocks_per_bit / 2 {
            return None;
        }
        match bit {
            0 => assert!(!level, "start bit"),
            1..=8 => self.byte |= u8::from(level) << (bit - 1),
            _ => {
                assert!(level, "stop bit");
                self.clock = None;
                return Some(self.byte);
            }
        }
        None
    }
}

/// `frame` as it goes over the line.
pub(crate) fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut line = [0; MAX_ENCODED_BYTES];
    let len = wire::encode(frame, &mut line).expect("a frame that fits");
    line[..len].to_vec()
}

/// One request: mostly sound, sometimes with one thing wrong that the board must answer for.
/// `max_data` bounds the data of engine frames.
pub(crate) fn random_request(rng: &mut Rng, max_data: usize) -> Vec<u8> {
    let opcodes = [
        opcode::READ_REGISTER,
        opcode::WRITE_REGISTER,
        opcode::ECHO,
        opcode::HASH,
        opcode::MERKLE,
        opcode::MERKLE,
    ];
    let mut code = rng.pick(&opcodes);
    let mut payload = match code {
        opcode::READ_REGISTER | opcode::WRITE_REGISTER => {
            let address = if rng.one_in(6) { rng.next() as u16 } else { rng.pick(register::ALL).address };
            let mut payload = address.to_le_bytes().to_vec();
            if code == opcode::WRITE_REGISTER {
                payload[0] = if rng.one_in(4) { payload[0] } else { register::SCRATCH as u8 };
                payload.extend(rng.bytes(4));
            }
            payload
        }
        opcode::ECHO => {
            let len = rng.below(MAX_RESPONSE_BYTES + 1);
            rng.bytes(len)
        }
        _ => {
            let mask = if code == opcode::HASH { hash_flags::MASK } else { merkle_flags::MASK };
            let likely = [
                merkle_flags::TREE_BEGIN,
                merkle_flags::LEAF_BEGIN | merkle_flags::LEAF_END,
                merkle_flags::TREE_BEGIN | merkle_flags::LEAF_BEGIN | merkle_flags::LEAF_END,
                merkle_flags::TREE_END,
            ];
            let mut flags = if code == opcode::HASH { rng.next() as u8 } else { rng.pick(&likely) };
            if rng.one_in(4) {
                flags = rng.next() as u8;
            }
            if !rng.one_in(12) {
                flags &= mask;
            }
            let has_leaf = code == opcode::HASH || flags & merkle_flags::LEAF_BEGIN != 0;
            let len = if has_leaf || rng.one_in(4) { rng.below(max_data + 1) } else { 0 };
            let mut payload = vec![flags];
            payload.extend(rng.bytes(len));
            payload
        }
    };
    let mut version = wire::WIRE_VERSION;
    match rng.below(24) {
        0 => version = rng.next() as u8,
        1 => code = rng.next() as u8,
        2 => payload.push(0),
        3 => {
            payload.pop();
        }
        4 => payload = rng.bytes(MAX_RESPONSE_BYTES + 1),
        5 => payload.clear(),
        _ => {}
    }
    let status = if rng.one_in(8) { rng.next() as u8 } else { 0 };
    encoded(&Frame { version, tag: rng.next() as u8, opcode: code, status, payload: &payload })
}

/// One request to the vault, mostly of the right length; helper data among them that no board made.
pub(crate) fn random_vault_request(rng: &mut Rng) -> Vec<u8> {
    let code = rng.pick(&[
        opcode::VAULT_ENROL,
        opcode::VAULT_OPEN,
        opcode::VAULT_CLOSE,
        opcode::VAULT_DERIVE,
        opcode::VAULT_DERIVE,
        opcode::VAULT_ATTEST,
        opcode::ENTROPY,
    ]);
    let mut len = match code {
        opcode::VAULT_OPEN => vault::HELPER_BYTES,
        opcode::VAULT_DERIVE => rng.below(vault::MAX_LABEL_BYTES + 1),
        opcode::VAULT_ATTEST => vault::CHALLENGE_BYTES,
        _ => 0,
    };
    match rng.below(16) {
        0 => len += 1,
        1 => len = len.saturating_sub(1),
        2 => len = vault::MAX_LABEL_BYTES + 1,
        3 => len |= 0x100,
        _ => {}
    }
    encoded(&Frame::request(rng.next() as u8, code, &rng.bytes(len)))
}

/// Spoils a line in one of the ways lines are spoilt: cut, a bit flipped, a byte lost, garbage.
pub(crate) fn spoil(rng: &mut Rng, line: &mut Vec<u8>) {
    match rng.below(5) {
        0 => {
            let keep = rng.below(line.len());
            line.truncate(keep);
            line.push(0);
        }
        1 => {
            let at = rng.below(line.len());
            line[at] ^= 1 << rng.below(8);
        }
        2 => {
            let at = rng.below(line.len());
            line.remove(at);
        }
        3 => {
            let len = rng.below(40);
            *line = rng.bytes(len);
        }
        _ => {
            let at = rng.below(line.len());
            let byte = rng.next() as u8;
            line.insert(at, byte);
        }
    }
}
