//! The committed images: they are of these sources, they can be made again, and they answer random requests as the
//! model does. The suites run on them in `tests/tests/image.rs`.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod link_bench;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use link_bench::{Rng, encoded, random_request, spoil};
use twinseal_hdl::Error;
use twinseal_hdl::flow::image::{Image, Program};
use twinseal_hdl::flow::tool::{self, skipped};
use twinseal_hdl::flow::{build, checkout, manifest};
use twinseal_hdl::golden::board::{GoldenBoard, Options, Rings};
use twinseal_hdl::top::{
    self,
    boards::{self, Board},
};
use twinseal_wire::{
    self as wire, Decoder, Frame, MAX_PAYLOAD_BYTES, RESPONSE_BIT, opcode, register, status,
};

/// More than any request here needs after its last byte.
const ANSWER_CLOCKS: u32 = 6_000;
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

/// The tools that are not those of the committed image, with both versions.
fn others(made: &BTreeMap<String, String>, here: &BTreeMap<String, String>) -> Option<String> {
    let names: BTreeSet<_> = made.keys().chain(here.keys()).collect();
    let version = |of: &BTreeMap<_, String>, name| of.get(name).map_or("none", String::as_str).to_owned();
    let differ = names.into_iter().filter(|&name| made.get(name) != here.get(name)).map(|name| {
        format!("the image was made with {name} {:?}, here is {:?}", version(made, name), version(here, name))
    });
    Some(differ.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

fn the_same_tools_make_the_committed_image_again(board: &str) {
    let entry = &manifest::read(&bitstreams()).unwrap()[board];
    let tools = match build::tools() {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
        tools => tools.unwrap(),
    };
    if let Some(others) = others(&entry.tools, &tools) {
        assert!(!tool::required(), "{board}: {others}; run `make bitstream` and commit what it writes");
        return skipped(format!("{board}: {others}"));
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

#[test]
fn another_version_of_a_tool_is_told_with_both() {
    let made = BTreeMap::from([("icepack", "1"), ("yosys", "Yosys 0.23")].map(|(k, v)| (k.into(), v.into())));
    assert_eq!(others(&made, &made), None);
    let mut here = made.clone();
    here.insert("yosys".into(), "Yosys 0.24".into());
    let told = "the image was made with yosys \"Yosys 0.23\", here is \"Yosys 0.24\"";
    assert_eq!(others(&made, &here).unwrap(), told);
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
        let answer = self.exchange(&encoded(&Frame::request(0xA5, opcode, payload)), ANSWER_CLOCKS);
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
fn the_image_of_the_hx8k_answers_random_requests() {
    the_image_answers_random_requests("hx8k");
}

#[test]
fn the_image_of_the_icebreaker_answers_random_requests() {
    the_image_answers_random_requests("icebreaker");
}

fn the_image_answers_random_requests(name: &str) {
    let board = Board::named(name).unwrap();
    let image = match Program::new(&bitstreams().join(format!("{name}.bin")), &board) {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
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
