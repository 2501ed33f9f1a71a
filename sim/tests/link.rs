//! The board behind the driver: in this process, and through a pseudo-terminal as hardware is.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod common;

use std::time::{Duration, Instant};

use common::{ABC, request, responses};
use twinseal_driver::link::Serial;
use twinseal_driver::{Board, Error, HashSlot, Link, MerkleSlot, Options};
use twinseal_sim::{BAUD, CLOCK_HZ, PtyServer, QUEUE_BYTES, SimBoard, SimLink};
use twinseal_wire::{engines, opcode, status};

fn link() -> SimLink {
    SimLink::new(SimBoard::new().unwrap())
}

fn after(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

/// What every board must do, whatever the cable.
fn exercise(board: &Board) {
    assert_eq!(board.clock_hz(), CLOCK_HZ);
    assert_eq!(board.engines(), engines::ALL.iter().fold(0, |all, (bit, _)| all | bit));
    assert_eq!(board.echo(b"twin\0seal").unwrap(), b"twin\0seal");
    assert_eq!(board.hash(b"abc").unwrap(), ABC);
    let long: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    let software = twinseal_driver::Provider::software();
    assert_eq!(board.hash(&long).unwrap(), software.hash.hash(&long).unwrap());
    let leaves: Vec<&[u8]> = long.chunks(77).collect();
    assert_eq!(board.merkle_root(&leaves).unwrap(), software.merkle.merkle_root(&leaves).unwrap());
}

#[test]
fn the_driver_works_in_process() {
    exercise(&Board::open(Box::new(link()), Options::default()).unwrap());
}

#[test]
fn the_driver_works_through_a_pseudo_terminal_and_comes_back() {
    let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    for _ in 0..3 {
        let serial = Serial::open(server.path().to_str().unwrap(), BAUD).unwrap();
        exercise(&Board::open(Box::new(serial), Options::default()).unwrap());
    }
}

#[test]
fn both_cables_lead_to_the_same_gateware() {
    let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    let serial = Serial::open(server.path().to_str().unwrap(), BAUD).unwrap();
    let over_pty = Board::open(Box::new(serial), Options::default()).unwrap();
    let in_process = Board::open(Box::new(link()), Options::default()).unwrap();
    assert_eq!(over_pty.build_id(), in_process.build_id());
    assert_ne!(in_process.build_id(), 0);
}

#[test]
fn a_pulled_plug_is_an_error_at_once_and_for_good() {
    let link = link();
    let plug = link.plug();
    let board = Board::open(Box::new(link), Options::default()).unwrap();
    plug.pull();
    for _ in 0..2 {
        let start = Instant::now();
        assert!(matches!(board.hash(b"abc"), Err(Error::Disconnected { .. })));
        assert!(start.elapsed() < Duration::from_millis(100));
    }
}

#[test]
fn a_terminal_that_disappears_is_a_disconnection() {
    let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    let serial = Serial::open(server.path().to_str().unwrap(), BAUD).unwrap();
    let board = Board::open(Box::new(serial), Options::default()).unwrap();
    server.stop().unwrap();
    assert!(matches!(board.hash(b"abc"), Err(Error::Disconnected { .. })));
}

#[test]
fn a_board_opens_behind_garbage_and_noise() {
    let mut link = link();
    let garbage: Vec<u8> = (0..900u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect();
    link.write_all(&garbage, after(1000)).unwrap();
    link.board().send_broken(0x55);
    exercise(&Board::open(Box::new(link), Options::default()).unwrap());
}

#[test]
fn a_board_at_rest_does_not_keep_a_reader_waiting() {
    let mut link = link();
    let start = Instant::now();
    assert_eq!(link.read(&mut [0; 64], after(60_000)).unwrap(), 0);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_deadline_ends_a_read_and_loses_nothing() {
    let mut link = link();
    let echo = request(1, opcode::ECHO, &[9; 64]);
    link.write_all(&[&vec![1; 3900][..], &[0], &echo].concat(), after(0)).unwrap();
    let mut buffer = [0; 256];
    // Some 160,000 cycles until the echo comes; a passed deadline allows one slice at a time.
    let mut reads = 0;
    let len = loop {
        reads += 1;
        match link.read(&mut buffer, Instant::now()).unwrap() {
            0 => assert!(!link.board().is_idle(), "the echo was lost"),
            len => break len,
        }
    };
    assert!(reads > 5, "{reads} reads");
    assert_eq!(responses(&buffer[..len]), [(1, opcode::ECHO, status::OK, vec![9; 64])]);
}

#[test]
fn a_line_that_takes_no_more_is_stalled_and_what_was_said_is_kept() {
    let mut link = link();
    let flood = vec![1; 2 * QUEUE_BYTES];
    assert!(matches!(link.write_all(&flood, Instant::now()), Err(Error::Stalled { .. })));
    link.write_all(&flood, after(60_000)).unwrap();
    let echo = [&[0][..], &request(2, opcode::ECHO, b"kept")].concat();
    link.write_all(&echo, after(60_000)).unwrap();
    link.write_all(&flood, after(60_000)).unwrap();
    let mut buffer = [0; 256];
    let len = link.read(&mut buffer, after(0)).unwrap();
    assert_eq!(responses(&buffer[..len]), [(2, opcode::ECHO, status::OK, b"kept".to_vec())]);
}

#[test]
fn discarded_input_is_gone() {
    let mut link = link();
    link.write_all(&request(3, opcode::ECHO, b"gone"), after(1000)).unwrap();
    link.write_all(&vec![1; QUEUE_BYTES], after(60_000)).unwrap();
    link.discard_input().unwrap();
    while !link.board().is_idle() {
        assert_eq!(link.read(&mut [0; 64], after(1000)).unwrap(), 0);
    }
}
