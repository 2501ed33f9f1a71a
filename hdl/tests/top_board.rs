//! The whole top in rust-hdl's simulation against the golden board, byte for byte.

mod link_bench;

use std::collections::BTreeSet;

use link_bench::{LineIn, LineOut, Rng, encoded, random_request, spoil, tick, verilated};
use rust_hdl_core::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::engine::Rings;
use twinseal_hdl::engine::rings::RINGS;
use twinseal_hdl::flow::tool;
use twinseal_hdl::golden::board::{self as golden, GoldenBoard, Options};
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;
use twinseal_hdl::link::frame::LENT_BITS;
use twinseal_hdl::link::registers::Identity;
use twinseal_hdl::top::core::Core;
use twinseal_hdl::top::hx8k::Hx8k;
use twinseal_hdl::top::icebreaker::IceBreaker;
use twinseal_hdl::top::{self, boards};
use twinseal_wire::{self as wire, Frame, engines, hash_flags, merkle_flags, opcode, register, status};

/// More clocks than any request of these tests takes after its last byte.
const QUIET_CLOCKS: usize = 12_000;

/// What a board of any kind has.
trait Board {
    /// One clock with this level on `uart_rx`; the level of `uart_tx`.
    fn clock(&mut self, rx: bool) -> bool;
}

impl Board for Hx8k {
    fn clock(&mut self, rx: bool) -> bool {
        self.uart_rx.next = rx;
        tick!(*self);
        self.uart_tx.val()
    }
}

/// Engines of the cores compared here.
const HASHING: u32 = engines::SHA256 | engines::MERKLE;

/// Rings that stand still: rust-hdl is too slow for readings.
fn still() -> Rings {
    Rings::simulated(vec![0; RINGS])
}

/// The breakout board's top, and what the golden board must be to answer like it.
fn hx8k(build_id: u32) -> (Hx8k, Options) {
    let board = boards::Board::named("hx8k").expect("the board");
    let identity = top::identity(&board, build_id).expect("its engines");
    let mut top = Hx8k::new(4, identity, still());
    top.connect_all();
    (top, Options { build_id, rings: golden::Rings::Still, ..Options::default() })
}

/// A board whose pins are recorded.
struct Recorded(Hx8k, Trace);

impl Board for Recorded {
    fn clock(&mut self, rx: bool) -> bool {
        self.0.uart_rx.next = rx;
        tick!(self.0, self.1);
        self.0.uart_tx.val()
    }
}

impl<const T: usize, const D: usize> Board for Core<T, D> {
    fn clock(&mut self, rx: bool) -> bool {
        self.uart_rx.next = rx;
        tick!(*self);
        self.uart_tx.val()
    }
}

/// Sends `script` to both boards and compares what comes back; returns it.
fn compare(board: &mut impl Board, clocks_per_bit: usize, script: &[Vec<u8>], options: Options) -> Vec<u8> {
    let mut golden = GoldenBoard::new(options);
    let mut out = LineOut::new(clocks_per_bit as f64);
    let mut back = LineIn::new(clocks_per_bit);
    for &byte in script.iter().flatten() {
        out.send(byte);
        golden.push(byte);
    }
    let mut answers = Vec::new();
    let mut quiet = 0;
    while quiet < QUIET_CLOCKS {
        quiet = if out.done() { quiet + 1 } else { 0 };
        let level = board.clock(out.next_level());
        if let Some(byte) = back.push(level) {
            assert_eq!(Some(byte), golden.pop(), "byte {} of the answers", answers.len());
            answers.push(byte);
            quiet = 0;
        }
    }
    assert_eq!(golden.pop(), None, "an answer is missing after {} bytes", answers.len());
    answers
}

/// Status and payload of each answer.
fn decoded(answers: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut decoder = wire::Decoder::new();
    let mut frames = Vec::new();
    for &byte in answers {
        if let Some(frame) = decoder.push(byte) {
            let frame = frame.expect("a sound frame");
            frames.push((frame.status, frame.payload.to_vec()));
        }
    }
    frames
}

fn request(opcode: u8, payload: &[u8]) -> Vec<u8> {
    encoded(&Frame::request(7, opcode, payload))
}

/// A script that reads every register at its end.
fn random_script(seed: u64, requests: usize, spoilt: bool) -> Vec<Vec<u8>> {
    let mut rng = Rng(seed);
    let mut script: Vec<_> = (0..requests)
        .map(|_| {
            let mut line = random_request(&mut rng, 20);
            if spoilt && rng.one_in(5) {
                spoil(&mut rng, &mut line);
            }
            line
        })
        .collect();
    script.push(vec![wire::DELIMITER]);
    script.extend(register::ALL.iter().map(|r| request(opcode::READ_REGISTER, &r.address.to_le_bytes())));
    script
}

#[test]
fn the_hx8k_answers_ident_and_computes() {
    let (board, options) = hx8k(0x1234_5678);
    let trace = Trace::of(&board);
    let mut board = Recorded(board, trace);
    const LEAF: u8 = merkle_flags::LEAF_BEGIN | merkle_flags::LEAF_END;
    let script = [
        request(opcode::READ_REGISTER, &register::IDENT.to_le_bytes()),
        request(opcode::READ_REGISTER, &register::BUILD_ID.to_le_bytes()),
        request(opcode::HASH, &[&[hash_flags::BEGIN | hash_flags::END], &b"abc"[..]].concat()),
        request(opcode::MERKLE, &[&[merkle_flags::TREE_BEGIN | LEAF], &b"one"[..]].concat()),
        request(opcode::MERKLE, &[&[LEAF], &b"two"[..]].concat()),
        request(opcode::MERKLE, &[&[LEAF | merkle_flags::TREE_END], &b"three"[..]].concat()),
    ];
    let answers = decoded(&compare(&mut board, 4, &script, options));
    let payloads: Vec<_> = answers.into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads[0], b"TWSL");
    assert_eq!(payloads[1], 0x1234_5678u32.to_le_bytes());
    assert_eq!(payloads[2], sha256(b"abc"));
    assert_eq!(payloads[5], tree_head([&b"one"[..], b"two", b"three"]));
    verilated("hx8k", &board.0, &board.1);
}

#[test]
fn the_hx8k_on_random_requests_good_and_spoilt() {
    let (mut board, options) = hx8k(0x8765_4321);
    compare(&mut board, 4, &random_script(1, 60, true), options);
}

/// What a vault without a root answers, whatever its rings do, and that it forgets what is open.
fn script_for_a_closed_vault() -> Vec<Vec<u8>> {
    const LEAF: u8 = merkle_flags::TREE_BEGIN | merkle_flags::LEAF_BEGIN;
    let mut script = vec![];
    for (code, payload) in [
        (opcode::VAULT_CLOSE, &[][..]),
        (opcode::VAULT_DERIVE, &[]),
        (opcode::VAULT_DERIVE, b"label"),
        (opcode::VAULT_DERIVE, &[7; 128]),
        (opcode::VAULT_DERIVE, &[7; 129]),
        (opcode::VAULT_ATTEST, &[9; 32]),
        (opcode::VAULT_ATTEST, &[9; 31]),
        (opcode::VAULT_OPEN, &[1; 48]),
        (opcode::VAULT_ENROL, &[0]),
        (opcode::ENTROPY, &[0]),
        (0x26, &[]),
        (0x1F, &[]),
    ] {
        script.push(request(opcode::HASH, &[&[hash_flags::BEGIN], &b"ab"[..]].concat()));
        script.push(request(code, payload));
        script.push(request(opcode::HASH, &[&[hash_flags::END], &b"c"[..]].concat()));
        script.push(request(opcode::MERKLE, &[LEAF, 1]));
        script.push(request(code, payload));
        script.push(request(opcode::MERKLE, &[merkle_flags::LEAF_END | merkle_flags::TREE_END, 2]));
    }
    script
}

#[test]
fn a_vault_without_a_root() {
    let (mut board, options) = hx8k(0x0BAD_CAFE);
    let answers = decoded(&compare(&mut board, 4, &script_for_a_closed_vault(), options));
    assert!(answers.contains(&(status::CLOSED, vec![])) && answers.contains(&(status::BAD_STATE, vec![])));
    // The two that are no opcodes of the vault forget nothing.
    assert_eq!(answers.iter().filter(|a| **a == (status::OK, sha256(b"abc").to_vec())).count(), 2);
}

impl Board for IceBreaker {
    fn clock(&mut self, rx: bool) -> bool {
        self.uart_rx.next = rx;
        tick!(*self);
        self.uart_tx.val()
    }
}

#[test]
fn the_icebreaker_is_not_enrolled_without_its_button() {
    let board = boards::Board::named("icebreaker").expect("the board");
    let identity = top::identity(&board, 5).expect("its engines");
    let mut uut = IceBreaker::new(4, identity, still());
    uut.connect_all();
    // Released.
    uut.button.next = true;
    let options =
        Options { build_id: 5, rings: golden::Rings::Still, enrol_permitted: false, ..Options::default() };
    let script = [
        request(opcode::READ_REGISTER, &register::ENGINES.to_le_bytes()),
        request(opcode::VAULT_ENROL, &[]),
        request(opcode::HASH, &[&[hash_flags::BEGIN | hash_flags::END], &b"abc"[..]].concat()),
    ];
    let answers = decoded(&compare(&mut uut, 4, &script, options));
    assert_eq!(answers[1], (status::NOT_PERMITTED, vec![]));
    assert_eq!(answers[2], (status::OK, sha256(b"abc").to_vec()));
    // Three frames: the green LED, active low, is lit; the red one is dark.
    assert_eq!((uut.led.val(), uut.busy.val()), (false, true));
    // Held: the vault begins to read its rings, and lights the red LED.
    uut.button.next = false;
    let mut out = LineOut::new(4.0);
    request(opcode::VAULT_ENROL, &[]).into_iter().for_each(|byte| out.send(byte));
    for _ in 0..3_000 {
        let level = out.next_level();
        uut.clock(level);
    }
    assert!(!uut.busy.val());
}

/// A core whose trees hold three leaves.
fn small_core<const T: usize>(clocks_per_bit: u64) -> (Core<T, 2>, Options) {
    let options = Options { tree_depth: 2, engines: HASHING, clock_hz: 25_000_000, ..Options::default() };
    let identity = Identity { build_id: 0, engines: options.engines, clock_hz: options.clock_hz };
    let mut core = Core::new(clocks_per_bit, identity, still());
    core.connect_all();
    (core, options)
}

#[test]
fn every_status_is_answered() {
    let (mut core, options) = small_core::<2>(4);
    let mut script = random_script(2, 80, false);
    script.push(request(opcode::MERKLE, &[merkle_flags::TREE_BEGIN]));
    for leaf in 0..4 {
        script.push(request(opcode::MERKLE, &[merkle_flags::LEAF_BEGIN | merkle_flags::LEAF_END, leaf]));
    }
    // What is closed stays closed, even for a frame that asks for nothing.
    for (opcode, flags) in [
        (opcode::HASH, 0),
        (opcode::MERKLE, merkle_flags::TREE_END),
        (opcode::MERKLE, 0),
        (opcode::HASH, 0),
        (opcode::HASH, hash_flags::BEGIN),
        (opcode::MERKLE, 0),
        (opcode::HASH, hash_flags::END),
        (opcode::HASH, 0),
        (opcode::MERKLE, merkle_flags::TREE_BEGIN | merkle_flags::LEAF_BEGIN),
        (opcode::HASH, 0),
        (opcode::MERKLE, merkle_flags::LEAF_END),
    ] {
        script.push(request(opcode, &[flags]));
    }
    let answers = decoded(&compare(&mut core, 4, &script, options));
    let seen: BTreeSet<u8> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(seen, (status::OK..=status::TREE_FULL).collect());
    assert!(answers.contains(&(status::OK, tree_head([[0], [1], [2]]).to_vec())));
}

#[test]
fn a_core_without_engines_knows_no_engine_opcode() {
    let options = Options { engines: 0, ..Options::default() };
    let identity = Identity { build_id: 0, engines: 0, clock_hz: options.clock_hz };
    let mut core = Core::<2, 2>::new(4, identity, still());
    core.connect_all();
    let script = [
        request(opcode::HASH, &[hash_flags::BEGIN]),
        request(opcode::MERKLE, &[]),
        request(opcode::VAULT_CLOSE, &[]),
        request(opcode::ENTROPY, &[]),
        request(opcode::ECHO, &[0]),
    ];
    compare(&mut core, 4, &script, options);
}

#[test]
fn the_core_at_104_clocks_a_bit() {
    let (mut core, options) = small_core::<7>(104);
    let script = [
        request(opcode::ECHO, &[0, 1, 0xFF, 0]),
        vec![1, 2, 3, 0],
        request(opcode::HASH, &[&[hash_flags::BEGIN | hash_flags::END], &b"abc"[..]].concat()),
    ];
    compare(&mut core, 104, &script, options);
}

#[test]
fn the_verilog_is_always_the_same_and_has_no_latch() {
    for name in ["hx8k", "icebreaker", "sim"] {
        let text = top::verilog(name).unwrap();
        assert_eq!(text, top::verilog(name).unwrap());
        let id = top::build_id(name).unwrap();
        assert_ne!(id, 0);
        for (at, byte) in (register::BUILD_ID..).zip(id.to_le_bytes()) {
            let line = format!("mem[{}] = 8'h{byte:x};", (1 << LENT_BITS) + at);
            assert!(text.contains(&line), "{name} does not carry its BUILD_ID {id:08x}");
        }
    }
    match tool::version("yosys", &["-V"]) {
        Err(error @ Error::ToolMissing { .. }) => return tool::skipped(error),
        found => drop(found.unwrap()),
    }
    for name in ["icebreaker", "sim"] {
        yosys_validate(&format!("twinseal_{name}"), &top::verilog(name).unwrap()).unwrap();
    }
}
