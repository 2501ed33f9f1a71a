//! The committed image: it is of these sources, it can be made again, and it computes.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use std::path::PathBuf;

use twinseal_hdl::Error;
use twinseal_hdl::flow::image::Image;
use twinseal_hdl::flow::{build, checkout, manifest};
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;
use twinseal_hdl::top::{self, boards::Board};
use twinseal_wire::{
    self as wire, Decoder, Frame, MAX_ENCODED_BYTES, RESPONSE_BIT, hash_flags, merkle_flags, opcode,
    register, status,
};

const BOARD: &str = "hx8k";
/// More than any request here needs after its last byte.
const ANSWER_CLOCKS: u32 = 6000;

fn bitstreams() -> PathBuf {
    checkout().join("bitstreams")
}

#[test]
fn the_committed_image_is_of_these_sources() {
    manifest::check(BOARD, &bitstreams()).unwrap();
}

#[test]
fn the_same_tools_make_the_committed_image_again() {
    let entry = &manifest::read(&bitstreams()).unwrap()[BOARD];
    match build::tools() {
        Ok(tools) if tools == entry.tools => {}
        Ok(tools) => return println!("skipped: the image was made with other tools than {tools:?}"),
        Err(error) => return println!("skipped: {error}"),
    }
    let dir = tempfile::tempdir().unwrap();
    let built =
        build::build(&top::verilog(BOARD).unwrap(), &Board::named(BOARD).unwrap(), dir.path()).unwrap();
    assert_eq!(built.usage, entry.usage);
    assert!(built.image == std::fs::read(bitstreams().join(&entry.image)).unwrap(), "another image");
}

/// A request's response: status and payload.
fn request(image: &mut Image, opcode: u8, payload: &[u8]) -> (u8, Vec<u8>) {
    let mut line = [0; MAX_ENCODED_BYTES];
    let len = wire::encode(&Frame::request(0xA5, opcode, payload), &mut line).unwrap();
    let answer = image.exchange(&line[..len], ANSWER_CLOCKS).unwrap();
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

fn read(image: &mut Image, address: u16) -> u32 {
    let (status, payload) = request(image, opcode::READ_REGISTER, &address.to_le_bytes());
    assert_eq!(status, status::OK);
    u32::from_le_bytes(payload.try_into().unwrap())
}

#[test]
fn the_image_itself_computes() {
    let board = Board::named(BOARD).unwrap();
    let mut image = match Image::start(&bitstreams().join("hx8k.bin"), &board) {
        Err(error @ Error::ToolMissing { .. }) => return println!("skipped: {error}"),
        image => image.unwrap(),
    };

    assert_eq!(read(&mut image, register::IDENT), wire::IDENT);
    assert_eq!(read(&mut image, register::MAP_HASH), wire::MAP_HASH);
    assert_eq!(read(&mut image, register::BUILD_ID), top::build_id(BOARD).unwrap());
    assert_eq!(read(&mut image, register::CLOCK_HZ), board.clock_hz);
    assert_eq!(read(&mut image, register::ENGINES), board.engine_bits().unwrap());

    // FIPS 180-4 appendix: one block, then two.
    let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for message in [&b""[..], b"abc", two_blocks, &[0x5A; 300]] {
        let payload = [&[hash_flags::MASK][..], message].concat();
        assert_eq!(request(&mut image, opcode::HASH, &payload), (status::OK, sha256(message).to_vec()));
    }

    // Every row of the block RAMs' stack that a tree of nine leaves touches.
    let leaves: Vec<Vec<u8>> = (0..9).map(|i| vec![i as u8; i * 17]).collect();
    for (i, leaf) in leaves.iter().enumerate() {
        let begin = if i == 0 { merkle_flags::TREE_BEGIN } else { 0 };
        let flags = begin | merkle_flags::LEAF_BEGIN | merkle_flags::LEAF_END;
        let payload = [&[flags][..], leaf].concat();
        assert_eq!(request(&mut image, opcode::MERKLE, &payload), (status::OK, vec![]));
    }
    let head = request(&mut image, opcode::MERKLE, &[merkle_flags::TREE_END]);
    assert_eq!(head, (status::OK, tree_head(&leaves).to_vec()));

    // Garbage costs nothing but itself.
    assert_eq!(image.exchange(b"\x07garbage\0", ANSWER_CLOCKS).unwrap(), b"");
    assert_eq!(read(&mut image, register::FRAMES_BAD), 1);
    assert_eq!(request(&mut image, opcode::ECHO, b"still here"), (status::OK, b"still here".to_vec()));
}
