//! What no program of the processor can do: programs that try to read the root, with the gateware in their way; and the same
//! with one gate of it missing, to show that it is the gate that stops them.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod vault_common;

use twinseal_hdl::engine::command::{HASH_BEGIN, HASH_END, KEY_BEGIN, KEY_END};
use twinseal_hdl::golden::hmac::hmac;
use twinseal_hdl::golden::sha256::sha256;
use twinseal_hdl::vault::Vault;
use twinseal_hdl::vault::assembler::{Assembler, Operand, Word};
use twinseal_hdl::vault::io::{COMMAND_SHIFT, action, port, wait};
use vault_common::verilated::{Model, Verilated};
use vault_common::{Board, SLOW_CLOCK_HZ};

/// What the engine has hashed without a key before each attempt, and what the root is.
const SECRET: u8 = 0x5A;
/// Opcodes of the attempts, in their order; the one of random bits is the last.
const READ: u8 = 0;
const REFUSED_END: u8 = 1;
const EARLY: u8 = 2;
const NOT_TAKEN: u8 = 3;
const KEY_CLOSED: u8 = 4;
const RANDOM: u8 = 5;
const KEYED: u8 = 6;
const LATER: u8 = 7;

/// A program with an attempt for every request.
fn hostile() -> (Vec<u64>, Vec<u64>) {
    let mut assembler = Assembler::new(0);
    let a = &mut assembler;
    let names = ["read", "refused end", "early", "not taken", "key closed", "read", "keyed", "later"];
    let routines: Vec<Operand> = names.iter().map(|name| a.named(name).into()).collect();
    let routines = a.table(8, &routines);
    let counter = a.kept(0);
    let now = |a: &mut Assembler, command: u64| {
        a.output(action::COMMAND | (command as u16) << (COMMAND_SHIFT - 5), 0)
    };
    a.input(port::REQUEST, 0);
    a.and(7);
    a.add_to_x(0);
    a.jump_by(Operand::AtIndex(routines.0));

    // The digest of an unkeyed message.
    a.entry("read");
    hash_secret(a);
    a.await_engine();
    a.go("show");

    // It, after an end of a message that the engine refuses because there is none.
    a.entry("refused end");
    hash_secret(a);
    a.command(KEY_BEGIN);
    a.command(HASH_END);
    a.await_engine();
    a.go("show");

    // It, while the hash of a keyed message is not finished.
    a.entry("early");
    hash_secret(a);
    a.command(KEY_BEGIN);
    a.command(KEY_END);
    a.command(HASH_END);
    a.load_x(0);
    a.rest();
    a.input(port::BYTE, 0);
    a.output(action::REPLY, 0);
    a.go("one");

    // It, after commands that come while the engine is at work and are not taken.
    a.entry("not taken");
    hash_secret(a);
    for command in [KEY_BEGIN, KEY_END, HASH_END] {
        now(a, command);
    }
    a.await_engine();
    a.go("show");

    // The root as a keyed message.
    a.entry("key closed");
    hash_secret(a);
    a.await_engine();
    a.count_up(counter, 32, |a| {
        a.load_x(counter);
        a.rest();
        a.output(action::ROOT_LOAD, wait::ENGINE);
    });
    a.command(KEY_BEGIN);
    a.command(KEY_END);
    a.count_up(counter, 32, |a| a.output(action::ROOT, wait::ENGINE));
    a.command(HASH_END);
    a.await_engine();
    a.go("show");

    // What may be seen: a MAC. Leaves a message that has a key open.
    a.entry("keyed");
    a.command(KEY_BEGIN);
    a.command(KEY_END);
    a.load(i32::from(SECRET));
    a.push();
    a.command(HASH_END);
    a.await_engine();
    show(a, counter);
    a.command(KEY_BEGIN);
    a.command(KEY_END);
    a.output(action::DONE, wait::REPLY);

    // A message that was opened in the request before.
    a.entry("later");
    a.load(i32::from(SECRET));
    a.push();
    a.command(HASH_END);
    a.await_engine();
    a.entry("show");
    show(a, counter);
    a.output(action::DONE, wait::REPLY);
    a.entry("one");
    a.load(1 << 4);
    a.output(action::ANSWER, 0);
    a.output(action::DONE, wait::REPLY);
    assembler.finish()
}

fn hash_secret(a: &mut Assembler) {
    a.command(HASH_BEGIN);
    a.load(i32::from(SECRET));
    a.push();
    a.command(HASH_END);
}

/// The digest as the processor sees it, to the host.
fn show(a: &mut Assembler, counter: Word) {
    a.load(32 << 4);
    a.output(action::ANSWER, 0);
    a.count_up(counter, 32, |a| {
        a.load_x(counter);
        a.rest();
        a.input(port::BYTE, 0);
        a.output(action::REPLY, wait::REPLY);
    });
}

fn verilog() -> String {
    Board::verilog_of(Vault::with_program(hostile(), SLOW_CLOCK_HZ))
}

fn ask(board: &mut Verilated, request: u8) -> Vec<u8> {
    let answer = board.ask(request, &[]);
    assert_eq!(answer.status, 0, "attempt {request}");
    answer.reply
}

/// Whether the attempt gets what it should not, on a board just switched on.
fn succeeds(model: &Model, attempt: u8) -> bool {
    let mut board = model.power_up();
    match attempt {
        KEY_CLOSED => ask(&mut board, attempt) != hmac(b"", b""),
        LATER => {
            ask(&mut board, KEYED);
            ask(&mut board, LATER) != [0; 32]
        }
        EARLY => ask(&mut board, attempt) != [0],
        _ => ask(&mut board, attempt) != [0; 32],
    }
}

const ATTEMPTS: [u8; 6] = [READ, REFUSED_END, EARLY, NOT_TAKEN, KEY_CLOSED, LATER];

#[test]
fn no_program_sees_a_digest_without_a_key_or_the_root() {
    let Some(model) = Model::new(&verilog()) else { return };
    for attempt in ATTEMPTS {
        assert!(!succeeds(&model, attempt), "attempt {attempt}");
    }
    // The attempts would work if they were let: what may be seen is.
    let mut board = model.power_up();
    assert_eq!(ask(&mut board, RANDOM), sha256(&[SECRET]));
    assert_eq!(ask(&mut board, KEYED), hmac(b"", &[SECRET]));
}

/// A gate, the text of the Verilog that is it, what stands there instead, and the attempt that then succeeds.
const GATES: [(&str, &str, &str, u8); 7] = [
    ("a digest is seen only if shown", "if (visible$q && engine_ready)", "if (engine_ready)", READ),
    ("it is seen only when finished", "if (visible$q && engine_ready)", "if (visible$q)", EARLY),
    (
        "a message has a key only if the key was open",
        "shown$d = ((command == key_end) && key_open$q)",
        "shown$d = (command == key_begin) || ((command == key_end) && key_open$q)",
        REFUSED_END,
    ),
    (
        "only random bits are seen without a key",
        "((command == hash_begin) && (request_now$q == entropy))",
        "(command == hash_begin)",
        READ,
    ),
    (
        "a command that is not taken changes nothing",
        "if (engine_ready) begin\n",
        "if (1'b1) begin\n",
        NOT_TAKEN,
    ),
    ("the root goes out only while a key is open", "if (key_open$q) begin", "if (1'b1) begin", KEY_CLOSED),
    ("a request begins with nothing shown", "shown$d = 1'b0;", "shown$d = shown$q;", LATER),
];

#[test]
fn every_gate_is_needed() {
    let source = verilog();
    for (gate, text, instead, attempt) in GATES {
        assert!(source.contains(text), "{gate}: the Verilog has changed, nothing to replace");
        let Some(model) = Model::new(&source.replace(text, instead)) else { return };
        assert!(succeeds(&model, attempt), "without \"{gate}\" nothing is seen");
    }
}
