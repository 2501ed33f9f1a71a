//! The whole link with models of the hashing engine and the vault behind it, as slow as they please, against the golden
//! board.

mod defects;
mod link_bench;

use std::collections::VecDeque;

use defects::Defect;
use link_bench::{
    LineIn, LineOut, Rng, encoded, fall, random_request, random_vault_request, rise, settle, spoil, verilated,
};
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::engine::command;
use twinseal_hdl::golden::board::{GoldenBoard, Options};
use twinseal_hdl::golden::merkle::{Merkle, Refusal};
use twinseal_hdl::golden::sha256::Sha256;
use twinseal_hdl::link::Link;
use twinseal_hdl::link::registers::Identity;
use twinseal_wire::{
    self as wire, Frame, MAX_IN_FLIGHT, RESPONSE_BIT, RX_BUFFER_BYTES, hash_flags, merkle_flags, opcode,
    register, status,
};

const TREE_DEPTH: u32 = 2;
/// Longest delay of the slow engine, in clocks.
const SLOW: usize = 400;

fn options() -> Options {
    Options { build_id: 0xB111_D1D0, tree_depth: TREE_DEPTH, ..Options::default() }
}

/// The hashing engine by its interface, with random delays.
struct Engine {
    message: Option<Sha256>,
    tree: Merkle,
    digest: [u8; 32],
    /// What is shown in this clock, and in the next.
    digest_bytes: [u8; 2],
    refused: bool,
    full: bool,
    /// Clocks until ready.
    busy: usize,
}

impl Engine {
    fn new() -> Self {
        let tree = Merkle::new(TREE_DEPTH);
        Self {
            message: None,
            tree,
            digest: [0; 32],
            digest_bytes: [0; 2],
            refused: false,
            full: false,
            busy: 0,
        }
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

/// A request the vault must get, and what it answers.
struct Script {
    request: u8,
    payload: Vec<u8>,
    status: u8,
    reply: Vec<u8>,
}

/// The vault by its interface, with random delays. It takes as much of the payload as it likes, and answers what it was
/// told to.
#[derive(Default)]
struct Vault {
    scripts: VecDeque<Script>,
    /// Bytes of the payload still to be taken, of which some are left to the dispatcher; the reply.
    open: Option<(VecDeque<u8>, usize, VecDeque<u8>, u8)>,
    answered: bool,
    /// Clocks until it does the next thing.
    waits: usize,
    /// Carried out.
    done: usize,
}

impl Vault {
    fn drive<const T: usize>(&self, uut: &mut Link<T>) {
        uut.vault_busy.next = self.open.is_some();
        uut.vault_answered.next = self.answered;
        uut.vault_pop.next = false;
        // Nothing is promised of what is not valid.
        let (mut status, mut length, mut reply, mut valid) = (0xA5, 0x5A, 0x77, false);
        if let (Some((_, _, bytes, code)), true) = (&self.open, self.answered) {
            (status, length) = (*code, bytes.len() as u8);
            valid = self.waits == 0 && !bytes.is_empty();
            if let (Some(byte), true) = (bytes.front(), valid) {
                reply = *byte;
            }
        }
        uut.vault_status.next = u64::from(status).into();
        uut.vault_reply_length.next = u64::from(length).into();
        uut.vault_reply.next = u64::from(reply).into();
        uut.vault_reply_valid.next = valid;
    }

    /// A byte may be taken only while there is one.
    fn check<const T: usize>(&self, uut: &Link<T>) {
        assert!(!uut.vault_reply_taken.val() || uut.vault_reply_valid.val(), "nothing there to be taken");
    }

    /// What it does at the rising edge, and, if it pops, before.
    fn act<const T: usize>(&mut self, uut: &mut Link<T>, rng: &mut Rng, slow: usize) {
        if uut.vault_start.val() {
            assert!(self.open.is_none(), "started while busy");
            let script = self.scripts.pop_front().expect("a request the golden board carries out");
            assert_eq!(uut.vault_request.val().index(), usize::from(script.request));
            assert_eq!(uut.vault_length.val().index(), script.payload.len());
            let takes =
                if rng.one_in(3) { rng.below(script.payload.len() + 1) } else { script.payload.len() };
            self.open = Some((script.payload.into(), takes, script.reply.into(), script.status));
            self.waits = rng.below(slow);
            return;
        }
        let Some((payload, takes, reply, _)) = &mut self.open else { return };
        if self.waits > 0 {
            self.waits -= 1;
        } else if *takes > 0 {
            if uut.vault_data_available.val() {
                assert_eq!(Some(uut.vault_data.val().index() as u8), payload.pop_front());
                uut.vault_pop.next = true;
                *takes -= 1;
                self.waits = rng.below(3);
            }
        } else if !self.answered {
            self.answered = true;
            self.waits = rng.below(slow);
        } else if uut.vault_reply_taken.val() {
            assert!(reply.pop_front().is_some());
            self.waits = rng.below(20);
        } else if reply.is_empty() {
            self.open = None;
            self.answered = false;
            self.done += 1;
        }
    }
}

struct Bench<const T: usize> {
    uut: Link<T>,
    trace: Option<Trace>,
    engine: Engine,
    vault: Vault,
    out: LineOut,
    back: LineIn,
    rng: Rng,
    clocks_per_bit: usize,
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
            vault: Vault::default(),
            out,
            back: LineIn::new(clocks_per_bit),
            rng: Rng(77),
            clocks_per_bit,
            slow,
        }
    }

    fn recording(clocks_per_bit: usize, slow: usize) -> Self {
        let mut bench = Self::new(clocks_per_bit, slow);
        bench.trace = Some(Trace::of(&bench.uut));
        bench
    }

    /// One clock; a byte if one came back.
    fn clock(&mut self) -> Option<u8> {
        let ready = self.engine.busy == 0;
        self.uut.uart_rx.next = self.out.next_level();
        self.uut.engine_ready.next = ready;
        self.uut.engine_refused.next = self.engine.refused;
        self.uut.engine_full.next = self.engine.full;
        // A digest is not promised while the engine is busy.
        let digest_byte = if ready { self.engine.digest_bytes[0] } else { 0xDB };
        self.uut.engine_digest_byte.next = u64::from(digest_byte).into();
        self.vault.drive(&mut self.uut);
        fall!(self.uut);
        self.vault.check(&self.uut);
        self.vault.act(&mut self.uut, &mut self.rng, self.slow);
        settle(&mut self.uut);
        let next = self.engine.digest[self.uut.engine_digest_index.val().index()];
        self.engine.digest_bytes = [self.engine.digest_bytes[1], next];
        self.engine.busy = self.engine.busy.saturating_sub(1);
        if ready {
            let (command, data) = (self.uut.engine_command_valid.val(), self.uut.engine_data_valid.val());
            assert!(!(command && data));
            assert!(!(command || data) || self.vault.open.is_none(), "the engine is the vault's");
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

/// What the vault has to do with a line that the golden board answers so, if anything.
fn script(line: &[u8], answer: &[u8]) -> Option<Script> {
    const ITS_OWN: [u8; 6] = [
        status::OK,
        status::REFUSED,
        status::CLOSED,
        status::RING_FAULT,
        status::NOT_PERMITTED,
        status::ENTROPY_FAULT,
    ];
    let mut decoder = wire::Decoder::new();
    let (mut response, mut request) = (None, None);
    for &byte in answer {
        if let Some(Ok(frame)) = decoder.push(byte) {
            response = Some((frame.opcode, frame.status, frame.payload.to_vec()));
        }
    }
    let (code, status, reply) = response?;
    let code = code & !RESPONSE_BIT;
    if !(opcode::VAULT_ENROL..=opcode::ENTROPY).contains(&code) || !ITS_OWN.contains(&status) {
        return None;
    }
    for &byte in line {
        // A spoilt line may hold a second delimiter.
        if let (Some(Ok(frame)), None) = (decoder.push(byte), &request) {
            request = Some(frame.payload.to_vec());
        }
    }
    Some(Script { request: code & 7, payload: request?, status, reply })
}

/// Plays the host: sends as fast as the rule of `RX_BUFFER_BYTES` and `MAX_IN_FLIGHT` lets it, compares every byte.
/// Returns the most requests that were in flight.
fn converse<const T: usize>(bench: &mut Bench<T>, requests: usize, max_data: usize) -> usize {
    let (clocks_per_bit, slow) = (bench.clocks_per_bit, bench.slow);
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
            let mut line = if rng.one_in(4) {
                random_vault_request(&mut rng)
            } else {
                random_request(&mut rng, max_data)
            };
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
                let answer: Vec<u8> = std::iter::from_fn(|| golden.pop()).collect();
                bench.vault.scripts.extend(script(&line, &answer));
                for byte in answer {
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
    assert!(
        bench.vault.done > requests / 10 && bench.vault.scripts.is_empty(),
        "{} for the vault",
        bench.vault.done
    );
    most
}

#[test]
fn a_fast_engine() {
    converse(&mut Bench::<2>::new(4, 3), 120, 30);
}

#[test]
fn a_slow_engine_with_requests_in_flight() {
    let mut bench = Bench::<2>::recording(4, SLOW);
    let most = converse(&mut bench, 90, 40);
    assert!(most >= 4, "only {most} in flight");
    verilated("link", &bench.uut, &bench.trace.unwrap());
}

#[test]
fn at_115200_baud() {
    converse(&mut Bench::<7>::new(104, 20), 8, 8);
}

/// Sends one request after the other to `bench`; every answer is the golden board's. Their statuses.
fn agrees(bench: &mut Bench<2>, requests: &[(u8, &[u8])]) -> Vec<u8> {
    let mut golden = GoldenBoard::new(options());
    let mut statuses = vec![];
    for (code, payload) in requests {
        let request = encoded(&Frame::request(statuses.len() as u8, *code, payload));
        request.iter().for_each(|&byte| golden.push(byte));
        let expected: Vec<u8> = std::iter::from_fn(|| golden.pop()).collect();
        bench.vault.scripts.extend(script(&request, &expected));
        request.iter().for_each(|&byte| bench.out.send(byte));
        let mut line = vec![];
        for _ in 0..100_000 {
            line.extend(bench.clock());
            if line.last() == Some(&wire::DELIMITER) {
                break;
            }
        }
        assert_eq!(line, expected, "{code:#04x} {payload:02x?}");
        statuses.push(answers(&line)[0].1);
    }
    assert!(bench.vault.scripts.is_empty());
    statuses
}

const MESSAGE: u8 = hash_flags::BEGIN;
const LEAF: u8 = merkle_flags::TREE_BEGIN | merkle_flags::LEAF_BEGIN;
const HEAD: u8 = merkle_flags::LEAF_END | merkle_flags::TREE_END;

/// Requests that open one thing while another is open, and go on with the other.
const CLOSING: [(u8, &[u8], u8); 15] = [
    (opcode::MERKLE, &[LEAF, b'a'], status::OK),
    (opcode::HASH, &[MESSAGE, b'b'], status::OK),
    (opcode::MERKLE, &[0, b'x'], status::BAD_STATE),
    (opcode::HASH, &[hash_flags::END, b'c'], status::OK),
    (opcode::HASH, &[MESSAGE, b'a'], status::OK),
    (opcode::MERKLE, &[LEAF, b'b'], status::OK),
    (opcode::HASH, &[0, b'x'], status::BAD_STATE),
    (opcode::MERKLE, &[merkle_flags::TREE_END], status::BAD_STATE),
    (opcode::MERKLE, &[HEAD, b'c'], status::OK),
    // The vault needs the engine, and takes it even for what it then refuses.
    (opcode::HASH, &[MESSAGE, b'a'], status::OK),
    (opcode::VAULT_DERIVE, b"label", status::CLOSED),
    (opcode::HASH, &[hash_flags::END], status::BAD_STATE),
    (opcode::MERKLE, &[LEAF, b'a'], status::OK),
    (opcode::VAULT_ATTEST, &[1; 31], status::BAD_LENGTH),
    (opcode::MERKLE, &[HEAD], status::BAD_STATE),
];

#[test]
fn what_one_request_opens_closes_what_another_left_open() {
    let requests = CLOSING.map(|(code, payload, _)| (code, payload));
    assert_eq!(agrees(&mut Bench::new(4, 3), &requests), CLOSING.map(|(.., status)| status));
}

/// Of the dispatcher; those of the register file are in `link_registers.rs`.
const DEFECTS: [Defect; 4] = [
    ("a length without its upper half", "left$d = length_high | left$q;", "left$d = left$q;"),
    ("steps go on after a refusal", "else if (engine_refused) begin", "else if (1'b0) begin"),
    (
        "a tree that stays open beside a message",
        "tree_open$d = is_merkle;",
        "tree_open$d = is_merkle || tree_open$q;",
    ),
    (
        "an answer that ends while the vault is busy",
        "if (reply_ready && ~vault_busy) begin",
        "if (reply_ready) begin",
    ),
];

#[test]
fn every_defect_is_found() {
    let mut bench = Bench::<2>::recording(4, 30);
    let echo = (opcode::ECHO, &[7; 257][..]);
    let requests = CLOSING.map(|(code, payload, _)| (code, payload));
    agrees(&mut bench, &[&requests[..], &[echo], &[(opcode::ENTROPY, &[][..]); 4]].concat());
    defects::all_are_found(&bench.trace.unwrap(), &generate_verilog(&bench.uut), &DEFECTS);
}

#[test]
fn a_lost_character_alone_between_delimiters_counts_as_one_bad_frame() {
    let mut bench = Bench::<2>::new(4, 2);
    let mut golden = GoldenBoard::new(options());
    for round in 1..=3_u8 {
        bench.out.send_broken(0x55);
        golden.push_broken();
        let address = register::FRAMES_BAD.to_le_bytes();
        let read = encoded(&Frame::request(round, opcode::READ_REGISTER, &address));
        for byte in [&[wire::DELIMITER][..], &read].concat() {
            bench.out.send(byte);
            golden.push(byte);
        }
        let line: Vec<u8> = (0..2_500).filter_map(|_| bench.clock()).collect();
        assert_eq!(line, std::iter::from_fn(|| golden.pop()).collect::<Vec<u8>>());
        assert_eq!(answers(&line), [(round, status::OK, u32::from(round).to_le_bytes().to_vec())]);
    }
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
