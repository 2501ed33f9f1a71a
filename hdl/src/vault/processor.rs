//! The vault's processor: one accumulator, one index register, a carry, two clocks an instruction whatever it does.
//!
//! The vault needs a dozen state machines that are never active at once, and time is no object; as a program in block RAM
//! they cost no cells. A skipped instruction takes its two clocks all the same, so what depends on a secret is done by
//! skipping, and only counters decide where the program jumps.
//!
//! # Instructions
//! | 15:14 | 13:10 | 9 | 8:0 | |
//! |---|---|---|---|---|
//! | 0 | `left`, `invert`, `and` | indexed | address | A = `left` + word, or - word, or & word; C = carry |
//! | 1 | the same | indexed | address | the same to X |
//! | 2 | 0 | target | target | jump; A = address of the next instruction |
//! | 2 | 4 | indexed | address | word = A |
//! | 2 | 8 | indexed | address | jump to the target in the word |
//! | 2 | 12 to 15 | | | skip the next one if A >= 0, A < 0, no carry, carry |
//! | 3 | see [`crate::vault::io`] | | | input to A, output |
//!
//! `left` is 0, A, A / 2 or not A; C changes with A and not A only, and not with `and`. The address of an indexed word is
//! exclusive-ored with X. The first word is that of the program's address 0, where it is held while not `running`.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

use crate::engine::{BlockRam, Rom, Zeros};

/// Bits of an address of data and of the program.
pub(super) const ADDRESS_BITS: usize = 10;

/// The processor with its memories.
#[derive(LogicBlock)]
pub struct Processor {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Run from address 0; stop and start over while low.
    pub running: Signal<In, Bit>,
    /// What an input instruction takes.
    pub port: Signal<In, Bits<16>>,
    /// The input or output at hand has to wait.
    pub stall: Signal<In, Bit>,
    /// An input or output is at hand.
    pub transfer: Signal<Out, Bit>,
    /// Which.
    pub instruction: Signal<Out, Bits<16>>,
    /// The accumulator.
    pub a: Signal<Out, Bits<16>>,
    /// The index register.
    pub x: Signal<Out, Bits<ADDRESS_BITS>>,

    instructions: Rom<ADDRESS_BITS, 16>,
    memory: BlockRam<ADDRESS_BITS, 16, Zeros>,
    accumulator: DFF<Bits<16>>,
    index: DFF<Bits<ADDRESS_BITS>>,
    carry: DFF<Bit>,
    /// The word of the instruction has been read, the instruction is carried out.
    acts: DFF<Bit>,
    /// The instruction is skipped.
    skipped: DFF<Bit>,
    counter: DFF<Bits<ADDRESS_BITS>>,
    counter_up: Signal<Local, Bits<ADDRESS_BITS>>,
    next: Signal<Local, Bits<ADDRESS_BITS>>,
    word: Signal<Local, Bits<16>>,
    kind: Signal<Local, Bits<2>>,
    does: Signal<Local, Bit>,
    holds: Signal<Local, Bit>,
    direct: Signal<Local, Bits<ADDRESS_BITS>>,
    address: Signal<Local, Bits<ADDRESS_BITS>>,
    right: Signal<Local, Bits<16>>,
    flipped: Signal<Local, Bits<16>>,
    left: Signal<Local, Bits<16>>,
    /// The operands with the carry that comes in below them.
    left_wide: Signal<Local, Bits<18>>,
    left_up: Signal<Local, Bits<18>>,
    left_carry: Signal<Local, Bits<18>>,
    right_wide: Signal<Local, Bits<18>>,
    right_up: Signal<Local, Bits<18>>,
    right_carry: Signal<Local, Bits<18>>,
    carry_in: Signal<Local, Bit>,
    sum: Signal<Local, Bits<18>>,
    result: Signal<Local, Bits<16>>,
    condition: Signal<Local, Bit>,
}

impl Processor {
    /// A processor with this program and what its memory holds at power-up.
    pub fn new(program: Vec<u64>, memory: Vec<u64>) -> Self {
        Self {
            clock: Default::default(),
            running: Default::default(),
            port: Default::default(),
            stall: Default::default(),
            transfer: Default::default(),
            instruction: Default::default(),
            a: Default::default(),
            x: Default::default(),
            instructions: Rom::new(program),
            memory: BlockRam::loaded(memory),
            accumulator: Default::default(),
            index: Default::default(),
            carry: Default::default(),
            acts: Default::default(),
            skipped: Default::default(),
            counter: Default::default(),
            counter_up: Default::default(),
            next: Default::default(),
            word: Default::default(),
            kind: Default::default(),
            does: Default::default(),
            holds: Default::default(),
            direct: Default::default(),
            address: Default::default(),
            right: Default::default(),
            flipped: Default::default(),
            left: Default::default(),
            left_wide: Default::default(),
            left_up: Default::default(),
            left_carry: Default::default(),
            right_wide: Default::default(),
            right_up: Default::default(),
            right_carry: Default::default(),
            carry_in: Default::default(),
            sum: Default::default(),
            result: Default::default(),
            condition: Default::default(),
        }
    }

    /// What the simulated memory holds, for tests.
    pub fn memory(&self) -> impl Iterator<Item = u64> + '_ {
        self.memory.words()
    }

    /// Address of the instruction at hand, for tests.
    pub fn at(&self) -> usize {
        self.counter.q.val().index()
    }
}

impl Logic for Processor {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, accumulator, index, carry, acts, skipped, counter);
        clock!(self, clock, instructions, memory);

        self.counter_up.next = self.counter.q.val() + 1;
        self.word.next = self.instructions.read_data.val();
        self.instruction.next = self.word.val();
        self.kind.next = self.word.val().get_bits::<2>(14);
        self.does.next = self.acts.q.val() && !self.skipped.q.val();
        self.transfer.next = self.does.val() && (self.kind.val() == 3);
        self.holds.next = self.transfer.val() && self.stall.val();

        // The word is read while the instruction is at hand for the first clock, and written in the second.
        self.direct.next = bit_cast::<ADDRESS_BITS, 9>(self.word.val().get_bits::<9>(0));
        self.address.next = self.direct.val();
        if self.word.val().get_bit(9) {
            self.address.next = self.direct.val() ^ self.index.q.val();
        }
        self.memory.read_address.next = self.address.val();
        self.memory.read_enable.next = !self.acts.q.val();
        self.memory.write_address.next = self.address.val();
        self.memory.write_data.next = self.accumulator.q.val();
        self.memory.write_enable.next =
            self.does.val() && (self.kind.val() == 2) && (self.word.val().get_bits::<2>(12) == 1);

        match self.kind.val().index() {
            2 => self.right.next = bit_cast::<16, ADDRESS_BITS>(self.counter_up.val()),
            3 => self.right.next = self.port.val(),
            _ => self.right.next = self.memory.read_data.val(),
        }
        self.flipped.next = self.right.val() ^ 0xFFFF;
        self.right_wide.next = bit_cast::<18, 16>(self.right.val());
        self.carry_in.next = self.word.val().get_bit(11);
        if self.word.val().get_bit(11) {
            self.right_wide.next = bit_cast::<18, 16>(self.flipped.val());
        }
        match self.word.val().get_bits::<2>(12).index() {
            0 => self.left.next = 0.into(),
            1 => self.left.next = self.accumulator.q.val(),
            2 => self.left.next = self.accumulator.q.val() >> 1,
            _ => {
                self.left.next = self.accumulator.q.val() ^ 0xFFFF;
                self.carry_in.next = true;
            }
        }
        self.left_wide.next = bit_cast::<18, 16>(self.left.val());
        self.left_up.next = self.left_wide.val() << 1;
        self.left_carry.next = self.left_up.val() | 1;
        self.right_up.next = self.right_wide.val() << 1;
        self.right_carry.next = self.right_up.val();
        if self.carry_in.val() {
            self.right_carry.next = self.right_up.val() | 1;
        }
        self.sum.next = self.left_carry.val() + self.right_carry.val();
        self.result.next = self.sum.val().get_bits::<16>(1);
        if self.word.val().get_bit(10) {
            self.result.next = self.left.val() & self.right_wide.val().get_bits::<16>(0);
        }

        if self.does.val() {
            // Of kinds 2 and 3 the jump and the input.
            if (self.kind.val() == 0)
                || (self.kind.val().get_bit(1) && (self.word.val().get_bits::<2>(12) == 0))
            {
                self.accumulator.d.next = self.result.val();
            }
            if self.kind.val() == 1 {
                self.index.d.next = self.result.val().get_bits::<ADDRESS_BITS>(0);
            }
            if (self.kind.val() == 0) && self.word.val().get_bit(12) && !self.word.val().get_bit(10) {
                self.carry.d.next = self.sum.val().get_bit(17);
            }
        }

        self.condition.next = self.accumulator.q.val().get_bit(15);
        if self.word.val().get_bit(11) {
            self.condition.next = self.carry.q.val();
        }
        self.next.next = self.counter_up.val();
        if self.does.val() && (self.kind.val() == 2) {
            match self.word.val().get_bits::<2>(12).index() {
                0 => self.next.next = self.word.val().get_bits::<ADDRESS_BITS>(0),
                2 => self.next.next = self.memory.read_data.val().get_bits::<ADDRESS_BITS>(0),
                _ => self.next.next = self.counter_up.val(),
            }
        }
        if !self.running.val() {
            self.next.next = 0.into();
        }

        if self.acts.q.val() && !self.holds.val() {
            self.skipped.d.next = self.does.val()
                && (self.kind.val() == 2)
                && (self.word.val().get_bits::<2>(12) == 3)
                && (self.condition.val() == self.word.val().get_bit(10));
            self.counter.d.next = self.next.val();
            self.acts.d.next = false;
        } else {
            self.acts.d.next = true;
        }
        if !self.running.val() {
            self.acts.d.next = false;
            self.skipped.d.next = false;
            self.counter.d.next = 0.into();
        }
        self.instructions.read_address.next = self.next.val();
        self.instructions.read_enable.next = !self.running.val() || (self.acts.q.val() && !self.holds.val());

        self.a.next = self.accumulator.q.val();
        self.x.next = self.index.q.val();
    }
}
