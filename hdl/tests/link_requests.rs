//! The whole link with a model of the hashing engine behind it, as slow as it pleases, against the golden board.

mod link_bench;

use std::collections::VecDeque;

use link_bench::{LineIn, LineOut, Rng, encoded, fall, random_request, rise, spoil, verilated};
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::engine::command;
use twinseal_hdl::golden::board::{GoldenBoard, Options};
use twinseal_hdl::golden::merkle::{Merkle, Refusal};
use twinseal_hdl::golden::sha256::Sha256;
use twinseal_hdl::link::Link;
use twinseal_hdl::link::registers::Identity;
use twinseal_wire::{
    self as wire, Frame, MAX_IN_FLIGHT, RX_BUFFER_BYTES, engines, hash_flags, opcode, register,
};

const TREE_DEPTH: u32 = 2;
/// Longest delay of the slow engine, in clocks.
const SLOW: usize = 400;

fn options() -> Options {
    let engines = engines::SHA256 | engines::MERKLE;
    Options { build_id: 0xB111_D1D0, engines, tree_depth: TREE_DEPTH, ..Options::default() }
}

/// The hashing engine by its interface, with random delays.
struct Engine {
    message: Option<Sha256>,
    tree: Merkle,
    digest: [u8; 32],
    digest_byte: u8,
    refused: bool,
    full: bool,
    /// Clocks until ready.
    busy: usize,
}

impl Engine {
    fn new() -> Self {
        let tree = Merkle::new(TREE_DEPTH);
        Self { message: None, tree, digest: [0; 32], digest_byte: 0, refused: false, full: false, busy: 0 }
    }

    fn act(&mut self, result: Result<(), Refusal>) {
        self.refused = result == Err(Refusal::State);
        self.full = result == Err(Refusal::Full);
    }

    fn command(&mut self, code: u64) {
        let result = match code {
            command::HASH_BEGIN => {
                *self = Self { message: Some(Sha256::new()), busy: self.busy, ..Self::new() };
                Ok(())
            }
            command::HASH_END => self.message.take().ok_or(Refusal::State).map(|m| self.digest = m.finish()),
            command::TREE_BEGIN => {
                self.message = None;
                self.tree.tree_begin();
                Ok(())
            }
            command::LEAF_BEGIN => self.tree.leaf_begin(),
            command::LEAF_END => self.tree.leaf_end(),
            command::TREE_END => self.tree.tree_end().map(|head| self.digest = head),
            _ => panic!("command {code}"),
        };
        self.act(result);
    }

    fn data(&mut self, byte: u8) {
        let result = match &mut self.message {
            Some(message) => {
                message.update(&[byte]);
                Ok(())
            }
            None => self.tree.data(&[byte]),
        };
        self.act(result);
    }
}

struct Bench<const T: usize> {
    uut: Link<T>,
    trace: Option<Trace>,
    engine: Engine,
    out: LineOut,
    back: LineIn,
    rng: Rng,
    /// Longest delay of the engine.
    slow: usize,
}

impl<const T: usize> Bench<T> {
    fn new(clocks_per_bit: usize, slow: usize) -> Self {
        let o = options();
        let identity = Identity { build_id: o.build_id, engines: o.engines, clock_hz: o.clock_hz };
        let mut uut = Link::new(clocks_per_bit as u64, identity);
        uut.connect_all();
        let out = LineOut::new(clocks_per_bit as f64);
        Self {
            uut,
            trace: None,
            engine: Engine::new(),
            out,
            back: LineIn::new(clocks_per_bit),
            rng: Rng(77),
            slow,
        }
    }

    /// One clock; a byte if one came back.
    fn clock(&mut self) -> Option<u8> {
        let ready = self.engine.busy == 0;
        self.uut.uart_rx.next = self.out.next_level();
        self.uut.engine_ready.next = ready;
        self.uut.engine_refused.next = self.engine.refused;
        self.uut.engine_full.next = self.engine.full;
        // A digest is not promised while the engine is busy.
        let digest_byte = if ready { self.engine.digest_byte } else { 0xDB };
        self.uut.engine_digest_byte.next = u64::from(digest_byte).into();
        fall!(self.uut);
        self.engine.digest_byte = self.engine.digest[self.uut.engine_digest_index.val().index()];
        self.engine.busy = self.engine.busy.saturating_sub(1);
        if ready {
            let (command, data) = (self.uut.engine_command_valid.val(), self.uut.engine_data_valid.val());
            assert!(!(command && data));
            if command || data {
                self.engine.busy = self.rng.below(self.slow);
            }
            if command {
                self.engine.command(self.uut.engine_command.val().index() as u64);
            }
            if data {
                self.engine.data(self.uut.engine_data.val().index() as u8);
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.sample(&self.uut);
        }
        rise!(self.uut);
        self.back.push(self.uut.uart_tx.val())
    }
}

/// Plays the host: sends as fast as the rule of `RX_BUFFER_BYTES` and `MAX_IN_FLIGHT` lets it, compares every byte.
/// Returns the most requests that were in flight.
fn converse<const T: usize>(clocks_per_bit: usize, slow: usize, requests: usize, max_data: usize) -> usize {
    let mut bench = Bench::<T>::new(clocks_per_bit, slow);
    bench.trace = (slow == SLOW).then(|| Trace::of(&bench.uut));
    let mut golden = GoldenBoard::new(options());
    let mut rng = Rng(requests as u64);
    let mut expected = VecDeque::new();
    // What each unanswered request may occupy.
    let mut in_flight: VecDeque<usize> = VecDeque::new();
    let mut most = 0;
    let mut left = requests;
    let mut quiet = 0;
    while left > 0 || !expected.is_empty() || quiet < 100 * clocks_per_bit {
        if left > 0 && bench.out.done() {
            let mut line = random_request(&mut rng, max_data);
            let occupied: usize = in_flight.iter().sum();
            if in_flight.len() < MAX_IN_FLIGHT && occupied + line.len() <= RX_BUFFER_BYTES {
                left -= 1;
                if rng.one_in(8) {
                    spoil(&mut rng, &mut line);
                }
                for &byte in &line {
                    bench.out.send(byte);
                    golden.push(byte);
                }
                while let Some(byte) = golden.pop() {
                    expected.push_back(byte);
                    if byte == wire::DELIMITER {
                        in_flight.push_back(line.len());
                    }
                }
                most = most.max(in_flight.len());
            }
        }
        quiet += 1;
        assert!(quiet < 200 * slow.max(100) * clocks_per_bit, "an answer is missing");
        if let Some(byte) = bench.clock() {
            assert_eq!(Some(byte), expected.pop_front());
            quiet = 0;
            if byte == wire::DELIMITER {
                in_flight.pop_front();
            }
        }
    }
    if let Some(trace) = &bench.trace {
        verilated("link", &bench.uut, trace);
    }
    most
}

#[test]
fn a_fast_engine() {
    converse::<2>(4, 3, 60, 30);
}

#[test]
fn a_slow_engine_with_requests_in_flight() {
    let most = converse::<2>(4, SLOW, 60, 40);
    assert!(most >= 4, "only {most} in flight");
}

#[test]
fn at_115200_baud() {
    converse::<7>(104, 20, 6, 8);
}

/// Answers of `line`: tag, status and payload.
fn answers(line: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut decoder = wire::Decoder::new();
    let mut answers = Vec::new();
    for &byte in line {
        if let Some(frame) = decoder.push(byte) {
            let frame = frame.expect("a sound frame");
            answers.push((frame.tag, frame.status, frame.payload.to_vec()));
        }
    }
    answers
}

#[test]
fn a_host_that_breaks_the_rule_loses_whole_frames_and_nothing_else() {
    const STALL_CLOCKS: usize = 110_000;
    let mut bench = Bench::<2>::new(4, 2);
    let mut golden = GoldenBoard::new(options());
    let mut rng = Rng(6);
    bench.engine.busy = STALL_CLOCKS;
    let requests: Vec<Vec<u8>> = (0..12)
        .map(|tag| {
            let mut payload = vec![hash_flags::BEGIN | hash_flags::END];
            let len = rng.below(400);
            payload.extend(rng.bytes(len));
            encoded(&Frame::request(tag, opcode::HASH, &payload))
        })
        .collect();
    requests.iter().flatten().for_each(|&byte| bench.out.send(byte));
    let mut line = Vec::new();
    for _ in 0..STALL_CLOCKS + 50_000 {
        line.extend(bench.clock());
    }
    let got = answers(&line);
    let lost = requests.len() - got.len();
    assert!(lost > 0 && got.len() >= 4, "{lost} lost");
    for (tag, ..) in &got {
        requests[usize::from(*tag)].iter().for_each(|&byte| golden.push(byte));
    }
    let expected: Vec<u8> = std::iter::from_fn(|| golden.pop()).collect();
    assert_eq!(line, expected);
    let address = register::FRAMES_BAD.to_le_bytes();
    let read = encoded(&Frame::request(99, opcode::READ_REGISTER, &address));
    read.into_iter().for_each(|byte| bench.out.send(byte));
    line.clear();
    for _ in 0..5_000 {
        line.extend(bench.clock());
    }
    assert_eq!(answers(&line), [(99, 0, (lost as u32).to_le_bytes().to_vec())]);
}
