//! The committed images: they are of these sources, they can be made again, and they compute.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod link_bench;

use std::path::PathBuf;

use link_bench::{Rng, encoded, random_request, spoil};
use twinseal_hdl::Error;
use twinseal_hdl::flow::image::{Image, Program};
use twinseal_hdl::flow::{build, checkout, manifest};
use twinseal_hdl::golden::board::{GoldenBoard, Options, Rings};
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;
use twinseal_hdl::top::{
    self,
    boards::{self, Board},
};
use twinseal_wire::{
    self as wire, Decoder, Frame, MAX_PAYLOAD_BYTES, RESPONSE_BIT, hash_flags, merkle_flags, opcode,
    register, status,
};

/// More than any request here needs after its last byte, those that read the rings aside.
const ANSWER_CLOCKS: u32 = 6_000;
/// For those: a sample of 256 windows and what is done with it, before the fault is answered.
const READING_CLOCKS: u32 = 1_500_000;
const RANDOM_REQUESTS: usize = 300;

fn bitstreams() -> PathBuf {
    checkout().join("bitstreams")
}

#[test]
fn the_committed_images_are_of_these_sources() {
    for board in boards::with_device().unwrap() {
        manifest::check(&board, &bitstreams()).unwrap();
    }
}

fn the_same_tools_make_the_committed_image_again(board: &str) {
    let entry = &manifest::read(&bitstreams()).unwrap()[board];
    match build::tools() {
        Ok(tools) if tools == entry.tools => {}
        Ok(tools) => return println!("skipped: the image was made with other tools than {tools:?}"),
        Err(error) => return println!("skipped: {error}"),
    }
    let dir = tempfile::tempdir().unwrap();
    let built =
        build::build(&top::verilog(board).unwrap(), &Board::named(board).unwrap(), dir.path()).unwrap();
    assert_eq!((built.usage, built.rings), (entry.usage, entry.rings));
    assert!(built.image == std::fs::read(bitstreams().join(&entry.image)).unwrap(), "another image");
}

#[test]
fn the_same_tools_make_the_hx8k_again() {
    the_same_tools_make_the_committed_image_again("hx8k");
}

#[test]
fn the_same_tools_make_the_icebreaker_again() {
    the_same_tools_make_the_committed_image_again("icebreaker");
}

/// The image and the golden board behind one line.
struct Pair {
    image: Image,
    golden: GoldenBoard,
}

impl Pair {
    /// Sends `line` to both; what both answer.
    fn exchange(&mut self, line: &[u8], clocks: u32) -> Vec<u8> {
        let answer = self.image.exchange(line, clocks).unwrap();
        line.iter().for_each(|&byte| self.golden.push(byte));
        let expected: Vec<u8> = std::iter::from_fn(|| self.golden.pop()).collect();
        assert!(answer == expected, "{line:02x?} is answered by {answer:02x?}, should be {expected:02x?}");
        answer
    }

    /// A request's response: status and payload.
    fn request(&mut self, opcode: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        self.request_within(opcode, payload, ANSWER_CLOCKS)
    }

    fn request_within(&mut self, opcode: u8, payload: &[u8], clocks: u32) -> (u8, Vec<u8>) {
        let answer = self.exchange(&encoded(&Frame::request(0xA5, opcode, payload)), clocks);
        let mut decoder = Decoder::new();
        let mut frames = vec![];
        for &byte in &answer {
            if let Some(frame) = decoder.push(byte) {
                let frame = frame.unwrap();
                assert_eq!((frame.tag, frame.opcode), (0xA5, opcode | RESPONSE_BIT));
                frames.push((frame.status, frame.payload.to_vec()));
            }
        }
        assert_eq!(frames.len(), 1, "{answer:02x?}");
        frames.remove(0)
    }
}

#[test]
fn the_image_of_the_hx8k_itself_computes() {
    the_image_itself_computes("hx8k");
}

#[test]
fn the_image_of_the_icebreaker_itself_computes() {
    the_image_itself_computes("icebreaker");
}

fn the_image_itself_computes(name: &str) {
    let board = Board::named(name).unwrap();
    let image = match Program::new(&bitstreams().join(format!("{name}.bin")), &board) {
        Err(error @ Error::ToolMissing { .. }) => return println!("skipped: {error}"),
        program => program.unwrap().power_up().unwrap(),
    };
    let golden = GoldenBoard::new(Options {
        build_id: top::build_id(name).unwrap(),
        engines: board.engine_bits().unwrap(),
        clock_hz: board.clock_hz,
        rings: Rings::Still,
        ..Options::default()
    });
    let mut pair = Pair { image, golden };

    let ident = pair.request(opcode::READ_REGISTER, &register::IDENT.to_le_bytes());
    assert_eq!(ident, (status::OK, b"TWSL".to_vec()));
    let abc = pair.request(opcode::HASH, &[&[hash_flags::MASK][..], b"abc"].concat());
    assert_eq!(abc, (status::OK, sha256(b"abc").to_vec()));

    // Nine leaves reach four rows of the stack.
    let leaves: Vec<Vec<u8>> = (0..9).map(|i| vec![i as u8; i * 17]).collect();
    for (i, leaf) in leaves.iter().enumerate() {
        let begin = if i == 0 { merkle_flags::TREE_BEGIN } else { 0 };
        let flags = begin | merkle_flags::LEAF_BEGIN | merkle_flags::LEAF_END;
        let answer = pair.request(opcode::MERKLE, &[&[flags][..], leaf].concat());
        assert_eq!(answer, (status::OK, vec![]));
    }
    let head = pair.request(opcode::MERKLE, &[merkle_flags::TREE_END]);
    assert_eq!(head, (status::OK, tree_head(&leaves).to_vec()));

    // Everything the vault does without a root, and what it says of rings that stand still. What needs rings that run is
    // left out: OK of VAULT_ENROL, VAULT_OPEN and ENTROPY, and so of VAULT_DERIVE and VAULT_ATTEST, and REFUSED.
    for (code, payload, expected) in [
        (opcode::VAULT_DERIVE, &b"label"[..], status::CLOSED),
        (opcode::VAULT_ATTEST, &[3; 32], status::CLOSED),
        (opcode::VAULT_ATTEST, &[3; 33], status::BAD_LENGTH),
        (opcode::VAULT_ENROL, &[], status::RING_FAULT),
        (opcode::VAULT_OPEN, &[1; 49], status::RING_FAULT),
        (opcode::ENTROPY, &[], status::ENTROPY_FAULT),
        (opcode::VAULT_CLOSE, &[], status::OK),
    ] {
        let open = pair.request(opcode::HASH, &[hash_flags::BEGIN, 1]);
        assert_eq!(open, (status::OK, vec![]));
        let clocks = if expected == status::RING_FAULT || code == opcode::ENTROPY {
            READING_CLOCKS
        } else {
            ANSWER_CLOCKS
        };
        let answer = pair.request_within(code, payload, clocks);
        assert_eq!(answer, (expected, vec![]), "{code:#x}");
        assert_eq!(pair.request(opcode::HASH, &[hash_flags::END]), (status::BAD_STATE, vec![]));
    }

    let mut rng = Rng(1);
    for _ in 0..RANDOM_REQUESTS {
        let mut line = random_request(&mut rng, MAX_PAYLOAD_BYTES - 1);
        if rng.one_in(8) {
            spoil(&mut rng, &mut line);
        }
        pair.exchange(&line, ANSWER_CLOCKS);
    }
    // The delimiter ends whatever was left open; then every register, the counters among them.
    pair.exchange(&[wire::DELIMITER], ANSWER_CLOCKS);
    for r in register::ALL {
        assert_eq!(pair.request(opcode::READ_REGISTER, &r.address.to_le_bytes()).0, status::OK);
    }
}
