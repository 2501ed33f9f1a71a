//! What the vault's tests share: a vault with its hashing engine and simulated rings, in rust-hdl's simulation and under
//! Verilator.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

pub mod left;
pub mod pair;
pub mod verilated;

use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::engine::{Hasher, Rings};
use twinseal_hdl::vault::Vault;
use twinseal_puf::silicon::{Chip, Device};

/// The build id of every vault here.
pub const BUILD_ID: u32 = 0x8765_4321;
/// A clock at which a window has only 20 clocks; the counts are the same.
pub const SLOW_CLOCK_HZ: u32 = 120_000;
/// The clock of the boards.
pub const CLOCK_HZ: u32 = 12_000_000;

/// Vault, engine and rings, as on a board.
#[derive(LogicBlock)]
pub struct Board {
    pub clock: Signal<In, Clock>,
    pub start: Signal<In, Bit>,
    pub request: Signal<In, Bits<3>>,
    pub length: Signal<In, Bits<10>>,
    pub data: Signal<In, Bits<8>>,
    pub data_available: Signal<In, Bit>,
    pub pop: Signal<Out, Bit>,
    pub permit_enrol: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub answered: Signal<Out, Bit>,
    pub status: Signal<Out, Bits<8>>,
    pub reply_length: Signal<Out, Bits<8>>,
    pub reply: Signal<Out, Bits<8>>,
    pub reply_valid: Signal<Out, Bit>,
    pub reply_taken: Signal<In, Bit>,
    /// A window of pair 0 begins: every sample has noise of its own.
    pub sample: Signal<Out, Bit>,
    pub vault: Vault,
    engine: Hasher<24>,
    rings: Rings,
}

impl Board {
    pub fn new(clock_hz: u32, steps: Vec<u32>) -> Self {
        Self::of(Vault::new(BUILD_ID, clock_hz), steps)
    }

    pub fn of(vault: Vault, steps: Vec<u32>) -> Self {
        Self {
            clock: Default::default(),
            start: Default::default(),
            request: Default::default(),
            length: Default::default(),
            data: Default::default(),
            data_available: Default::default(),
            pop: Default::default(),
            permit_enrol: Default::default(),
            busy: Default::default(),
            answered: Default::default(),
            status: Default::default(),
            reply_length: Default::default(),
            reply: Default::default(),
            reply_valid: Default::default(),
            reply_taken: Default::default(),
            sample: Default::default(),
            vault,
            engine: Default::default(),
            rings: Rings::simulated(steps),
        }
    }

    /// Its Verilog; the top module is `top`.
    pub fn verilog(clock_hz: u32) -> String {
        Self::verilog_of(Vault::new(BUILD_ID, clock_hz))
    }

    pub fn verilog_of(vault: Vault) -> String {
        let mut uut = Self::of(vault, vec![0; twinseal_puf::RINGS]);
        uut.connect_all();
        generate_verilog(&uut)
    }
}

impl Logic for Board {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, vault, engine, rings);
        self.vault.start.next = self.start.val();
        self.vault.request.next = self.request.val();
        self.vault.length.next = self.length.val();
        self.vault.data.next = self.data.val();
        self.vault.data_available.next = self.data_available.val();
        self.vault.permit_enrol.next = self.permit_enrol.val();
        self.vault.reply_taken.next = self.reply_taken.val();
        self.pop.next = self.vault.pop.val();
        self.busy.next = self.vault.busy.val();
        self.answered.next = self.vault.answered.val();
        self.status.next = self.vault.status.val();
        self.reply_length.next = self.vault.reply_length.val();
        self.reply.next = self.vault.reply.val();
        self.reply_valid.next = self.vault.reply_valid.val();
        self.engine.command.next = self.vault.engine_command.val();
        self.engine.command_valid.next = self.vault.engine_command_valid.val();
        self.engine.data.next = self.vault.engine_data.val();
        self.engine.data_valid.next = self.vault.engine_data_valid.val();
        self.engine.digest_index.next = self.vault.engine_digest_index.val();
        self.vault.engine_digest_byte.next = self.engine.digest_byte.val();
        self.vault.engine_ready.next = self.engine.ready.val();
        self.rings.pair.next = self.vault.pair.val();
        self.rings.run.next = self.vault.run.val();
        self.rings.clear.next = self.vault.clear.val();
        self.vault.first.next = self.rings.first.val();
        self.vault.second.next = self.rings.second.val();
        self.sample.next = self.vault.clear.val() && (self.vault.pair.val() == 0);
    }
}

/// A request's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u8,
    pub reply: Vec<u8>,
    /// Clocks from `start` to `answered`.
    pub clocks: u64,
    /// Samples of the rings it took.
    pub samples: usize,
}

/// The board in rust-hdl's simulation; its rings have no noise.
pub struct Bench {
    pub uut: Board,
    pub clocks: u64,
    /// The vault's ports in every clock, if asked for.
    pub trace: Option<Trace>,
}

impl Bench {
    pub fn new(steps: Vec<u32>) -> Self {
        let mut uut = Board::new(SLOW_CLOCK_HZ, steps);
        uut.connect_all();
        Self { uut, clocks: 0, trace: None }
    }

    pub fn clock(&mut self) {
        self.settle();
        if let Some(trace) = &mut self.trace {
            trace.sample(&self.uut.vault);
        }
        for level in [true, false] {
            self.uut.clock.next = level.into();
            self.settle();
        }
        self.clocks += 1;
    }

    fn settle(&mut self) {
        assert!(simulate(&mut self.uut, 100), "the logic does not settle");
    }

    /// Carries out a request as the dispatcher would.
    pub fn ask(&mut self, opcode: u8, payload: &[u8], permitted: bool) -> Answer {
        assert!(!self.uut.busy.val());
        self.uut.permit_enrol.next = permitted;
        self.uut.request.next = u64::from(opcode & 7).into();
        self.uut.length.next = (payload.len() as u64).into();
        self.uut.start.next = true;
        self.clock();
        self.uut.start.next = false;
        let start = self.clocks;
        let (mut at, mut reply, mut answer, mut samples) = (0, vec![], None, 0);
        loop {
            let byte = payload.get(at).copied();
            self.uut.data_available.next = byte.is_some();
            self.uut.data.next = u64::from(byte.unwrap_or_default()).into();
            self.uut.reply_taken.next = false;
            self.settle();
            if self.uut.answered.val() && answer.is_none() {
                answer = Some((self.uut.status.val().to_u8(), self.clocks - start));
            }
            if self.uut.reply_valid.val() {
                reply.push(self.uut.reply.val().to_u8());
                self.uut.reply_taken.next = true;
            }
            if !self.uut.busy.val() {
                break;
            }
            at += usize::from(self.uut.pop.val());
            samples += usize::from(self.uut.sample.val());
            self.clock();
            assert!(self.clocks - start < 5_000_000, "no end");
        }
        let (status, clocks) = answer.unwrap();
        Answer { status, reply, clocks, samples }
    }
}

/// The chip of this number.
pub fn chip(number: u8) -> Chip {
    Chip::of_the_project([number; 32], Device::Up5k).unwrap()
}
