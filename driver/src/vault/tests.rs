//! What the driver does around a vault, with a board of a few lines behind it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use twinseal_wire::{self as wire, Decoder, Frame, MAX_ENCODED_BYTES, engines, opcode, register, status};

use super::HelperStore;
use crate::{Board, DeriveSlot, Error, Link, Options};

/// Enrols and derives, but its `odd`-th derivation is not what it would be: none if 0.
struct FakeBoard {
    odd: u32,
    derivations: Arc<AtomicU32>,
    is_open: bool,
    decoder: Decoder,
    answers: VecDeque<u8>,
}

impl FakeBoard {
    fn answer(&mut self, opcode: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        match opcode {
            opcode::ECHO => (status::OK, payload.to_vec()),
            opcode::READ_REGISTER => (status::OK, register_of(payload).to_le_bytes().to_vec()),
            opcode::VAULT_ENROL => {
                self.is_open = true;
                (status::OK, vec![1; wire::vault::HELPER_BYTES])
            }
            opcode::VAULT_CLOSE => {
                self.is_open = false;
                (status::OK, vec![])
            }
            opcode::VAULT_DERIVE if self.is_open => {
                let nth = self.derivations.fetch_add(1, Ordering::Relaxed) + 1;
                (status::OK, vec![if nth == self.odd { 9 } else { 7 }; wire::vault::KEY_BYTES])
            }
            opcode::VAULT_DERIVE => (status::CLOSED, vec![]),
            _ => (status::BAD_OPCODE, vec![]),
        }
    }
}

fn register_of(address: &[u8]) -> u32 {
    match u16::from_le_bytes(address.try_into().unwrap()) {
        register::IDENT => wire::IDENT,
        register::WIRE_VERSION => wire::WIRE_VERSION.into(),
        register::MAP_HASH => wire::MAP_HASH,
        register::ENGINES => engines::VAULT,
        _ => 1,
    }
}

impl Link for FakeBoard {
    fn write_all(&mut self, bytes: &[u8], _: Instant) -> Result<(), Error> {
        for byte in bytes {
            let Some(Ok(Frame { tag, opcode, payload, .. })) = self.decoder.push(*byte) else { continue };
            let payload = payload.to_vec();
            let (status, payload) = self.answer(opcode, &payload);
            let mut line = [0; MAX_ENCODED_BYTES];
            let len = wire::encode(&Frame::response(tag, opcode, status, &payload), &mut line).unwrap();
            self.answers.extend(&line[..len]);
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], _: Instant) -> Result<usize, Error> {
        let len = buffer.len().min(self.answers.len());
        buffer[..len].iter_mut().zip(self.answers.drain(..len)).for_each(|(to, from)| *to = from);
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.answers.clear();
        Ok(())
    }

    fn describe(&self) -> String {
        "fake".into()
    }
}

/// A board whose `odd`-th derivation differs, and how many it was asked for.
fn board(odd: u32, verify: bool) -> (Board, Arc<AtomicU32>) {
    let derivations = Arc::new(AtomicU32::new(0));
    let (decoder, answers) = (Decoder::new(), VecDeque::new());
    let link = FakeBoard { odd, derivations: derivations.clone(), is_open: false, decoder, answers };
    (Board::open(Box::new(link), Options { verify, ..Options::default() }).unwrap(), derivations)
}

#[cfg(unix)]
#[test]
fn helper_data_that_cannot_be_stored_leave_the_vault_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = HelperStore::new(folder.path());
    let (board, _) = board(0, false);
    // Nothing can be read there, and nothing written.
    std::os::unix::fs::symlink("nowhere", store.path(board.name())).unwrap();
    assert_eq!(board.unlock(&store).unwrap_err().code(), "TSL-DRV-030");
    assert!(!board.is_vault_open());
    let error = board.derive(b"label").unwrap_err();
    assert!(matches!(error, Error::VaultClosed { .. }), "a key of a root that nobody finds again: {error}");
}

#[test]
fn a_board_that_derives_two_keys_for_one_label_is_found_out_where_results_are_verified() {
    for (odd, verify, asked, is_found) in [(0, true, 2, false), (2, true, 2, true), (2, false, 1, false)] {
        let (board, derivations) = board(odd, verify);
        board.enrol().unwrap();
        match board.derive(b"label") {
            Ok(key) => assert!(!is_found && *key == [7; 32]),
            Err(error) => {
                assert!(is_found && matches!(error, Error::WrongResult { engine: "vault", .. }), "{error}");
            }
        }
        assert_eq!(derivations.load(Ordering::Relaxed), asked);
    }
}
