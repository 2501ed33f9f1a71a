//! A verilated board and the models of its vault and its chip, side by side from power-up on.

use twinseal_puf::entropy::{HealthTests, SEED_RAW_BITS, condition, raw_bit};
use twinseal_puf::polar;
use twinseal_puf::reading::{
    Differences, ENROLMENT_SAMPLES, Fault, RECONSTRUCTION_SAMPLES, count, window_clocks,
};
use twinseal_puf::silicon::{Condition, PowerUp, ROOM};
use twinseal_puf::vault::{Helper, Vault};
use twinseal_puf::{PAIRS, SYNDROME_BITS};
use twinseal_wire::{opcode, status};

use super::verilated::{Model, Verilated};
use super::{Answer, BUILD_ID, chip};
use twinseal_hdl::golden::sha256::sha256;

/// Both. Every method asks both, and panics if they differ.
pub struct Pair {
    pub board: Verilated,
    pub vault: Vault,
    pub tests: HealthTests,
    pub chip: PowerUp,
    pub clock_hz: u32,
    /// The root the model has, if any.
    pub root: Option<[u8; 32]>,
    /// The packed response of the last enrolment or opening.
    pub response: Vec<u8>,
}

impl Pair {
    pub fn new(model: &Model, number: u8, clock_hz: u32) -> Self {
        Self {
            board: model.power_up(),
            vault: Vault::new(BUILD_ID),
            tests: HealthTests::new(),
            chip: chip(number).power_up(&ROOM, 0),
            clock_hz,
            root: None,
            response: vec![],
        }
    }

    /// Off and on again, in other conditions.
    pub fn power_cycle(&mut self, model: &Model, number: u8, condition: &Condition, power_up: u64) {
        self.board = model.power_up();
        self.vault = Vault::new(BUILD_ID);
        self.tests = HealthTests::new();
        self.chip = chip(number).power_up(condition, power_up);
        self.root = None;
    }

    /// The model's reading; the board gets the same samples.
    fn read(&mut self, samples: usize) -> Result<Differences, Fault> {
        self.board.samples(&self.chip, self.clock_hz, samples);
        Differences::read(&mut self.chip, self.clock_hz, samples)
    }

    fn keep_root(&mut self, reading: &Differences, syndrome: Option<&[u8]>) {
        let soft = reading.soft();
        let response = match syndrome {
            None => soft.bits(),
            Some(syndrome) => polar::decode(&soft, syndrome.try_into().unwrap()),
        };
        self.response = polar::pack(&response).to_vec();
        self.root = Some(sha256(&[&b"twinseal/root/v1"[..], &self.response].concat()));
    }

    pub fn enrol(&mut self) -> (Vec<u8>, Answer) {
        let reading = self.read(ENROLMENT_SAMPLES).unwrap();
        let helper = self.vault.enrol(&reading).unwrap().encode();
        let answer = self.board.ask(opcode::VAULT_ENROL, &[]);
        assert_eq!((answer.status, answer.samples), (status::OK, ENROLMENT_SAMPLES));
        assert_eq!(answer.reply, helper);
        self.keep_root(&reading, None);
        (helper.to_vec(), answer)
    }

    /// Whether both open; the clocks it took.
    pub fn open(&mut self, helper: &[u8]) -> (bool, u64) {
        let reading = self.read(RECONSTRUCTION_SAMPLES).unwrap();
        let opened = self.vault.open(&Helper::decode(helper.try_into().unwrap()), &reading).is_ok();
        let answer = self.board.ask(opcode::VAULT_OPEN, helper);
        let expected = if opened { status::OK } else { status::REFUSED };
        assert_eq!((answer.status, answer.reply.len()), (expected, 0));
        assert_eq!(answer.samples, RECONSTRUCTION_SAMPLES);
        self.keep_root(&reading, Some(&helper[1..1 + SYNDROME_BITS / 8]));
        if !opened {
            self.root = None;
            assert!(answer.clocks >= self.vault.backoff_clocks(self.clock_hz));
        }
        (opened, answer.clocks)
    }

    pub fn close(&mut self) {
        self.vault.close();
        let answer = self.board.ask(opcode::VAULT_CLOSE, &[]);
        assert_eq!((answer.status, answer.reply.len(), answer.samples), (status::OK, 0, 0));
        self.root = None;
    }

    pub fn derive(&mut self, label: &[u8]) -> Answer {
        let answer = self.board.ask(opcode::VAULT_DERIVE, label);
        match self.vault.derive(label) {
            Ok(key) => {
                assert_eq!(answer.status, status::OK);
                assert_eq!(answer.reply, key.to_vec(), "a label of {} bytes", label.len());
            }
            Err(_) => assert_eq!((answer.status, answer.reply.len()), (status::CLOSED, 0)),
        }
        answer
    }

    pub fn attest(&mut self, challenge: &[u8; 32]) -> Answer {
        let answer = self.board.ask(opcode::VAULT_ATTEST, challenge);
        match self.vault.attest(challenge) {
            Ok(mac) => {
                assert_eq!(answer.status, status::OK);
                assert_eq!(answer.reply, mac.to_vec());
            }
            Err(_) => assert_eq!((answer.status, answer.reply.len()), (status::CLOSED, 0)),
        }
        answer
    }

    /// Random bits of the chip.
    pub fn entropy(&mut self) -> Answer {
        let samples: Vec<Vec<u32>> = {
            let passes = if self.tests.ready() { 1 } else { 2 };
            (0..passes * SEED_RAW_BITS / PAIRS).map(|_| self.chip.sample_steps(self.clock_hz)).collect()
        };
        self.entropy_of(&samples)
    }

    /// Random bits of these samples.
    pub fn entropy_of(&mut self, samples: &[Vec<u32>]) -> Answer {
        let window = window_clocks(self.clock_hz);
        let (mut raw, mut taken, mut sound) = (vec![], 0, true);
        for sample in samples {
            taken += 1;
            for rings in sample.chunks(2) {
                raw.push(raw_bit(count(rings[0], window), count(rings[1], window)));
                sound &= self.tests.push(raw[raw.len() - 1]).is_ok();
            }
            if !sound {
                break;
            }
        }
        samples[..taken].iter().for_each(|sample| self.board.sample(sample));
        let answer = self.board.ask(opcode::ENTROPY, &[]);
        assert_eq!(answer.samples, taken);
        if sound {
            let seed = condition(raw[raw.len() - SEED_RAW_BITS..].try_into().unwrap());
            assert_eq!(answer.status, status::OK);
            assert_eq!(answer.reply, seed);
        } else {
            assert_eq!((answer.status, answer.reply.len()), (status::ENTROPY_FAULT, 0));
        }
        answer
    }

    /// Everything once, for a look at whether the board is right.
    pub fn session(&mut self) {
        self.derive(b"nothing yet");
        let (helper, _) = self.enrol();
        self.derive(b"");
        self.derive(&[7; 128]);
        self.attest(&[9; 32]);
        self.close();
        self.derive(b"closed");
        assert!(self.open(&helper).0);
        self.derive(b"opened");
        let mut other = helper.clone();
        other[48] ^= 128;
        assert!(!self.open(&other).0);
        self.derive(b"refused");
        assert!(self.open(&helper).0);
        self.attest(&[1; 32]);
        self.entropy();
        self.entropy();
    }
}
