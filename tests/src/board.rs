//! What the driver must make of any sound board.

use std::sync::Arc;

use twinseal_driver::{Board, Error, HashSlot, Link, Options, Provider};
use twinseal_wire::{engines, register, status};

use crate::data::Random;
use crate::reference::sha256;
use crate::{Budget, provider};

/// Opens the board, drives every call, then runs the [`provider`] suite on it, results verified by the driver too.
///
/// # Panics
/// If a check fails.
pub fn run(open: impl Fn() -> Box<dyn Link>, budget: &Budget) {
    let board = Board::open(open(), Options { verify: true, ..Options::default() }).unwrap();
    println!("board: {board:?}");
    assert!(board.label().ends_with(&format!(" {:08x}", board.build_id())), "{}", board.label());
    assert_eq!(board.clock_hz(), board.read_register(register::CLOCK_HZ).unwrap());
    let hashing = engines::SHA256 | engines::MERKLE;
    assert_eq!(board.engines() & hashing, hashing);
    registers(&board);
    echoes(&board);
    messages_after_refusals(&board);

    let board = Arc::new(board);
    let provider = Provider { hash: board.clone(), merkle: board.clone(), ..Provider::software() };
    assert_eq!(provider.hash.engine(), board.label());
    provider::run(&provider, budget);
}

fn registers(board: &Board) {
    for value in [0xDEAD_BEEF, 0, u32::MAX] {
        board.write_register(register::SCRATCH, value).unwrap();
        assert_eq!(board.read_register(register::SCRATCH).unwrap(), value);
    }
    for error in
        [board.write_register(register::IDENT, 0).unwrap_err(), board.read_register(0x0FF0).unwrap_err()]
    {
        assert!(matches!(&error, Error::Refused { status: s, .. } if s.0 == status::BAD_ADDRESS), "{error}");
        assert!(error.to_string().contains("BAD_ADDRESS") && error.to_string().contains(board.label()));
    }
}

fn echoes(board: &Board) {
    let mut random = Random::new(31);
    for len in 0..=64 {
        let bytes = random.bytes(len);
        assert_eq!(board.echo(&bytes).unwrap(), bytes);
    }
    let error = board.echo(&[0; 65]).unwrap_err();
    assert!(matches!(error, Error::TooLong { bytes: 65, max: 64, .. }), "{error}");
}

fn messages_after_refusals(board: &Board) {
    board.write_register(register::BUILD_ID, 1).unwrap_err();
    assert_eq!(board.hash(b"abc").unwrap(), sha256(b"abc"));
}
