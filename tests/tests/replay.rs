//! A session on the golden model, written down and played back.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use twinseal_driver::link::{Recorder, Replay};
use twinseal_driver::{Board, DeriveSlot, Error, HashSlot, HelperData, Link, MerkleSlot, Options};
use twinseal_tests::fault::{Direction, Fault, FaultyLink};
use twinseal_tests::golden::{self, GoldenLink};
use twinseal_tests::reference::{sha256, tree_head};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens the board and makes some calls; `last` is the message of the last of them.
fn session(link: Box<dyn Link>, last: &[u8]) -> Result<(), Error> {
    let board = Board::open(link, Options { nonce: Some(7), ..Options::default() })?;
    assert_eq!(board.hash(&[9; 3_000])?, sha256(&[9; 3_000]));
    assert_eq!(board.merkle_root(&[b"a", b"b"])?, tree_head(&["a", "b"]));
    assert_eq!(board.hash(last)?, sha256(last));
    Ok(())
}

#[test]
fn a_recorded_session_replays_with_its_faults() {
    let (link, switch) = FaultyLink::new(GoldenLink::new(golden::Options::default()));
    switch.arm(Direction::ToBoard, 1_500, Fault::Flip(4));
    let transcript = Shared::default();
    session(Box::new(Recorder::new(Box::new(link), transcript.clone())), b"same").unwrap();
    assert!(switch.has_happened());
    let text = String::from_utf8(transcript.0.lock().unwrap().clone()).unwrap();

    session(Box::new(Replay::new(&text).unwrap()), b"same").unwrap();
    let error = session(Box::new(Replay::new(&text).unwrap()), b"other").unwrap_err();
    assert!(matches!(error, Error::Transcript(_)), "{error}");
    let cut = &text[..text.len() / 2].rsplit_once('\n').unwrap().0;
    let error = session(Box::new(Replay::new(cut).unwrap()), b"same").unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }), "{error}");
}

/// Enrols, derives, loses the vault and opens it again; what it derived.
fn vault_session(link: Box<dyn Link>) -> Result<[u8; 32], Error> {
    let board = Board::open(link, Options { nonce: Some(8), verify: true, ..Options::default() })?;
    let helper = board.enrol()?;
    let key = board.derive(b"label")?;
    board.attest(&[4; 32])?;
    board.close_vault()?;
    let mut wrong = *helper.as_bytes();
    wrong[48] ^= 1;
    assert!(matches!(board.open_vault(&HelperData::from_bytes(wrong)), Err(Error::HelperRefused { .. })));
    board.open_vault(&helper)?;
    assert_eq!(board.derive(b"label")?, key);
    board.random()?;
    Ok(*key)
}

#[test]
fn a_recorded_vault_replays_and_no_other_board_takes_its_part() {
    let transcript = Shared::default();
    let golden = || Box::new(GoldenLink::new(golden::Options::default()));
    let key = vault_session(Box::new(Recorder::new(golden(), transcript.clone()))).unwrap();
    let text = String::from_utf8(transcript.0.lock().unwrap().clone()).unwrap();
    assert_eq!(vault_session(Box::new(Replay::new(&text).unwrap())).unwrap(), key);
    // A transcript holds the keys that went over the cable, which is why it must be kept like them.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(text.contains(&hex(&key[..6])));
    // What another host hears of it is of no use on another board.
    let other = golden::Options { rings: golden::Rings::of_chip([9; 32], 0), ..golden::Options::default() };
    assert_ne!(vault_session(Box::new(GoldenLink::new(other))).unwrap(), key);
}
