//! Vault, engine and simulated rings under Verilator against the golden models, bit for bit.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod vault_common;

use twinseal_puf::reading::{Differences, ENROLMENT_SAMPLES, RECONSTRUCTION_SAMPLES};
use twinseal_puf::silicon::ROOM;
use twinseal_puf::vault::{Helper, MAX_FAILURES, Vault};
use twinseal_wire::{opcode, status};
use vault_common::verilated::{Model, Verilated};
use vault_common::{BUILD_ID, Board, CLOCK_HZ, SLOW_CLOCK_HZ, chip};

/// The compiled board at the slow clock.
fn slow() -> Option<Model> {
    Model::new(&Board::verilog(SLOW_CLOCK_HZ))
}

/// A board and the models of its vault and its chip, from power-up on.
struct Pair {
    board: Verilated,
    vault: Vault,
    chip: twinseal_puf::silicon::PowerUp,
    clock_hz: u32,
}

impl Pair {
    fn new(model: &Model, number: u8, clock_hz: u32) -> Self {
        Self {
            board: model.power_up(),
            vault: Vault::new(BUILD_ID),
            chip: chip(number).power_up(&ROOM, 0),
            clock_hz,
        }
    }

    /// The model's reading; the board gets the same samples.
    fn read(&mut self, samples: usize) -> Differences {
        self.board.samples(&self.chip, self.clock_hz, samples);
        Differences::read(&mut self.chip, self.clock_hz, samples).unwrap()
    }

    fn enrol(&mut self) -> Vec<u8> {
        let reading = self.read(ENROLMENT_SAMPLES);
        let helper = self.vault.enrol(&reading).unwrap().encode();
        let answer = self.board.ask(opcode::VAULT_ENROL, &[]);
        println!("enrol: {} clocks", answer.clocks);
        assert_eq!((answer.status, answer.samples), (status::OK, ENROLMENT_SAMPLES));
        assert_eq!(answer.reply, helper);
        helper.to_vec()
    }

    /// Both open; the clocks it took.
    fn open(&mut self, helper: &[u8]) -> (bool, u64) {
        let reading = self.read(RECONSTRUCTION_SAMPLES);
        let opened = self.vault.open(&Helper::decode(helper.try_into().unwrap()), &reading).is_ok();
        let answer = self.board.ask(opcode::VAULT_OPEN, helper);
        let expected = if opened { status::OK } else { status::REFUSED };
        assert_eq!(
            (answer.status, answer.reply.len(), answer.samples),
            (expected, 0, RECONSTRUCTION_SAMPLES)
        );
        (opened, answer.clocks)
    }

    fn derive(&mut self, label: &[u8]) {
        let answer = self.board.ask(opcode::VAULT_DERIVE, label);
        match self.vault.derive(label) {
            Ok(key) => {
                assert_eq!(answer.status, status::OK);
                assert_eq!(answer.reply, key.to_vec(), "label {label:?}");
            }
            Err(_) => assert_eq!((answer.status, answer.reply.len()), (status::CLOSED, 0)),
        }
    }

    fn attest(&mut self, challenge: &[u8; 32]) {
        let answer = self.board.ask(opcode::VAULT_ATTEST, challenge);
        match self.vault.attest(challenge) {
            Ok(mac) => assert_eq!((answer.status, answer.reply), (status::OK, mac.to_vec())),
            Err(_) => assert_eq!((answer.status, answer.reply.len()), (status::CLOSED, 0)),
        }
    }
}

#[test]
fn a_root_is_enrolled_used_closed_and_opened() {
    let Some(model) = slow() else { return };
    for number in 0..3 {
        let mut pair = Pair::new(&model, number, SLOW_CLOCK_HZ);
        pair.derive(b"nothing yet");
        let helper = pair.enrol();
        for length in [0, 1, 32, 55, 64, 127, 128] {
            pair.derive(&vec![length as u8; length]);
        }
        pair.attest(&[number; 32]);
        pair.vault.close();
        assert_eq!(pair.board.ask(opcode::VAULT_CLOSE, &[]).status, status::OK);
        pair.derive(b"closed");
        pair.attest(&[number; 32]);
        let (opened, clocks) = pair.open(&helper);
        assert!(opened);
        println!("open: {clocks} clocks");
        pair.derive(b"opened");
        pair.attest(&[1; 32]);
        // After power-up.
        pair.board = model.power_up();
        pair.vault = Vault::new(BUILD_ID);
        pair.derive(b"x");
        assert!(pair.open(&helper).0);
        pair.derive(b"x");
        // Another enrolment has another root.
        let second = pair.enrol();
        pair.derive(b"x");
        assert!(pair.open(&second).0);
        pair.derive(b"x");
    }
}
