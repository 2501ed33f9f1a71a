//! What is not the board this driver was built for: the error says so, and which side is old.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use twinseal_driver::{Board, Error, HashSlot, Link, MerkleSlot, Options};
use twinseal_tests::data::Random;
use twinseal_tests::golden::{self, GoldenLink};
use twinseal_tests::reference::sha256;
use twinseal_wire::{Frame, IDENT, MAP_HASH, MAX_ENCODED_BYTES, WIRE_VERSION, engines, opcode, status};

fn open(link: impl Link + 'static) -> Result<Board, Error> {
    let silence = Duration::from_millis(30);
    Board::open(Box::new(link), Options { silence, ..Options::default() })
}

fn refused(options: golden::Options) -> Error {
    match open(GoldenLink::new(options)) {
        Ok(board) => panic!("{board:?} was accepted"),
        Err(error) => error,
    }
}

#[test]
fn a_board_of_another_version_is_refused_and_the_older_side_named() {
    let default = golden::Options::default();
    let error = refused(golden::Options { wire_version: WIRE_VERSION - 1, ..default });
    assert!(matches!(error, Error::BoardOld { .. }), "{error}");
    assert!(error.to_string().starts_with("the board on golden model is old (wire version 0"), "{error}");

    let error = refused(golden::Options { wire_version: WIRE_VERSION + 1, ..default });
    assert!(matches!(error, Error::DriverOld { .. }), "{error}");
    assert!(error.to_string().starts_with("this driver is old (wire version 1) for the board"), "{error}");
}

#[test]
fn a_board_with_another_register_map_is_refused() {
    let error = refused(golden::Options { map_hash: MAP_HASH ^ 1, ..golden::Options::default() });
    assert!(matches!(error, Error::DriverOld { .. }), "{error}");
    for hash in [MAP_HASH, MAP_HASH ^ 1] {
        assert!(error.to_string().contains(&format!("map {hash:08x}")), "{error}");
    }
}

#[test]
fn something_else_with_the_same_frames_is_refused() {
    let error = refused(golden::Options { ident: IDENT + 1, ..golden::Options::default() });
    assert!(matches!(error, Error::NotTwinseal { ident, .. } if ident == IDENT + 1), "{error}");
}

#[test]
fn a_board_with_some_engines_is_a_board() {
    let only =
        |engines| open(GoldenLink::new(golden::Options { engines, ..golden::Options::default() })).unwrap();
    let board = only(engines::SHA256);
    assert_eq!(board.hash(b"abc").unwrap(), sha256(b"abc"));
    let error = board.merkle_root(&[]).unwrap_err();
    assert!(matches!(error, Error::NoEngine { engine: "merkle", .. }), "{error}");
    let error = only(0).hash(b"abc").unwrap_err();
    assert!(matches!(error, Error::NoEngine { engine: "sha256", .. }), "{error}");
}

#[test]
fn a_tree_too_large_for_the_board_is_an_error() {
    let board =
        open(GoldenLink::new(golden::Options { tree_depth: 2, ..golden::Options::default() })).unwrap();
    assert!(board.merkle_root(&[b"1", b"2", b"3"]).is_ok());
    let error = board.merkle_root(&[b"1", b"2", b"3", b"4"]).unwrap_err();
    assert!(matches!(error, Error::TreeFull { leaves: 4, .. }), "{error}");
    assert_eq!(board.hash(b"after").unwrap(), sha256(b"after"));
}

/// Whatever is said to it, this is what comes back.
enum Stranger {
    Nothing,
    Itself(Vec<u8>),
    Noise(Random),
}

impl Link for Stranger {
    fn write_all(&mut self, bytes: &[u8], _: Instant) -> Result<(), Error> {
        if let Self::Itself(line) = self {
            line.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        let bytes = match self {
            Self::Nothing => vec![],
            Self::Itself(line) => std::mem::take(line),
            Self::Noise(random) => random.bytes(buffer.len()),
        };
        if bytes.is_empty() {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        }
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn describe(&self) -> String {
        "a stranger".into()
    }
}

#[test]
fn a_line_without_a_board_is_silent_in_bounded_time() {
    for stranger in [Stranger::Nothing, Stranger::Itself(vec![]), Stranger::Noise(Random::new(3))] {
        let from = Instant::now();
        let error = open(stranger).unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error}");
        assert!(error.to_string().starts_with("nothing on a stranger answers"), "{error}");
        assert!(from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
    }
}

/// A board whose cable still holds what an earlier session asked for: an echo for every tag there is.
struct Haunted(GoldenLink, VecDeque<u8>);

impl Haunted {
    fn new() -> Self {
        let mut line = VecDeque::new();
        for tag in 0..=u8::MAX {
            let mut encoded = [0; MAX_ENCODED_BYTES];
            let frame = Frame::response(tag, opcode::ECHO, status::OK, b"long ago");
            let len = twinseal_wire::encode(&frame, &mut encoded).unwrap();
            line.extend(&encoded[..len]);
        }
        Self(GoldenLink::new(golden::Options::default()), line)
    }
}

impl Link for Haunted {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.0.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        if self.1.is_empty() {
            return self.0.read(buffer, deadline);
        }
        Ok(std::io::Read::read(&mut self.1, buffer).unwrap())
    }

    // What is in the cable cannot be discarded.
    fn discard_input(&mut self) -> Result<(), Error> {
        self.0.discard_input()
    }

    fn describe(&self) -> String {
        "haunted".into()
    }
}

#[test]
fn answers_to_an_earlier_session_are_passed_over() {
    let board = Board::open(Box::new(Haunted::new()), Options { retries: 0, ..Options::default() }).unwrap();
    assert_eq!(board.hash(b"abc").unwrap(), sha256(b"abc"));
}
