//! The SHA-256 compression function (FIPS 180-4 section 6.2), one round per clock, laid out so that an
//! iCE40 logic cell does as much as it can: every adder is its own register, and every choice between a
//! sum and one of its operands fits in the adder's cell.
//!
//! Three streams run in step with the counter `step`:
//!
//! | step | schedule | constants | state |
//! |---|---|---|---|
//! | t | addresses of W(t), W(t-7) | | |
//! | t + 1 | W(t-7) + ... into `partial` | | |
//! | t + 2 | + σ1(W(t-2)) into `w1` | address of K(t) | |
//! | t + 3 | | K(t) + W(t) into `kw` | |
//! | t + 4 | | | kw + h into `x` |
//! | t + 5 | | | round t |
//!
//! The hash value stays in the memory of the round constants. After round 63 the state turns as one ring
//! a → b → … → g → x → a for eight steps, and x picks up one old hash word on the way in each: the ring then
//! holds the new hash value, which is both what is stored and where the next block starts. The first block
//! turns a cleared ring with the initial hash value in place of the old one. The last of the eight turns waits
//! for the next block (step 4), because x takes in that block's first K + W with it.

use crate::engine::ram::{BlockRam, Contents, Zeros};
use crate::golden::sha256::{INITIAL, K};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// Clocks a core is busy with a block.
pub const CLOCKS_PER_BLOCK: u64 = 76;

/// Address of K(0), of H(7) (the others follow downwards) and of the initial hash value, likewise.
const K_AT: usize = 2;
const H_AT: usize = 66;
const INITIAL_AT: usize = 128 + H_AT;

/// The memory of [`Sha256Core`] when the board starts.
#[derive(Clone, Default)]
struct Constants;

impl Contents for Constants {
    fn word(address: usize) -> u64 {
        let word = match address {
            K_AT..H_AT => K[address - K_AT],
            INITIAL_AT..256 => INITIAL.into_iter().rev().nth(address - INITIAL_AT).unwrap_or(0),
            _ => 0,
        };
        word.into()
    }
}

/// Takes a block byte by byte, and compresses it as soon as it is complete.
#[derive(LogicBlock, Default)]
pub struct Sha256Core {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything and load the initial hash value; only while not `busy`.
    pub load: Signal<In, Bit>,
    /// Next byte of the block.
    pub data: Signal<In, Bits<8>>,
    /// Take `data`; only while not `busy` and not with `load`.
    pub data_valid: Signal<In, Bit>,
    /// Compressing or loading: nothing is taken.
    pub busy: Signal<Out, Bit>,
    /// Bytes of the current block taken so far.
    pub position: Signal<Out, Bits<6>>,
    /// Which byte of the hash value to show.
    pub digest_index: Signal<In, Bits<5>>,
    /// That byte, from the clock after on, from the second clock on in which the core is not `busy`.
    pub digest_byte: Signal<Out, Bits<8>>,

    position_count: DFF<Bits<6>>,
    position_up: Signal<Local, Bits<6>>,
    block_full: Signal<Local, Bit>,
    word_full: DFF<Bit>,
    running: DFF<Bit>,
    loading: DFF<Bit>,
    step: DFF<Bits<7>>,
    step_up: Signal<Local, Bits<7>>,
    slot: Signal<Local, Bits<4>>,
    /// The state moves in this clock.
    moves: Signal<Local, Bit>,
    /// The state turns instead of doing a round.
    turns: DFF<Bit>,
    /// The same where it matters, while the state moves. With one signal for both choices in a row yosys would
    /// see through the first and spend a cell on choosing between x and the sum for a.
    passes: DFF<Bit>,
    clears: Signal<Local, Bit>,

    // Schedule.
    ram7: BlockRam<4, 32, Zeros>,
    ram15: BlockRam<4, 32, Zeros>,
    write_slot: Signal<Local, Bits<4>>,
    word_count: Signal<Local, Bits<4>>,
    loaded_slot: Signal<Local, Bits<4>>,
    message_slot: Signal<Local, Bits<4>>,
    slot7: Signal<Local, Bits<4>>,
    slot15: Signal<Local, Bits<4>>,
    /// W(t) of the first 16 rounds is the message itself.
    message0: Signal<Local, Bit>,
    message1: DFF<Bit>,
    message2: DFF<Bit>,
    w15: Signal<Local, Bits<32>>,
    w16: DFF<Bits<32>>,
    sigma0: Signal<Local, Bits<32>>,
    old: DFF<Bits<32>>,
    old_sum: Signal<Local, Bits<32>>,
    w7: Signal<Local, Bits<32>>,
    partial: DFF<Bits<32>>,
    partial_sum: Signal<Local, Bits<32>>,
    sigma1: Signal<Local, Bits<32>>,
    w_sum: Signal<Local, Bits<32>>,
    w1: DFF<Bits<32>>,
    /// W(t-2); collects the bytes of a word while a block comes in.
    w2: DFF<Bits<32>>,
    data_wide: Signal<Local, Bits<32>>,

    // Constants and hash value.
    constants: BlockRam<8, 32, Constants>,
    hash_address: Signal<Local, Bits<7>>,
    /// 7 - i for H(i).
    word_down: Signal<Local, Bits<3>>,
    word_wide: Signal<Local, Bits<7>>,
    constant_address: Signal<Local, Bits<7>>,
    constant_bank: Signal<Local, Bits<8>>,
    bank: Signal<Local, Bits<8>>,
    store_address: Signal<Local, Bits<7>>,
    store_bank: Signal<Local, Bits<8>>,
    constant: Signal<Local, Bits<32>>,
    hash0: Signal<Local, Bit>,
    hash1: DFF<Bit>,
    hash2: DFF<Bit>,
    kw: DFF<Bits<32>>,
    kw_sum: Signal<Local, Bits<32>>,

    // State; h is part of x.
    a: DFF<Bits<32>>,
    b: DFF<Bits<32>>,
    c: DFF<Bits<32>>,
    d: DFF<Bits<32>>,
    e: DFF<Bits<32>>,
    f: DFF<Bits<32>>,
    g: DFF<Bits<32>>,
    /// K(t) + W(t) + h in a round, a word of the new hash value while the state turns.
    x: DFF<Bits<32>>,
    x_sum: Signal<Local, Bits<32>>,
    big_sigma0: Signal<Local, Bits<32>>,
    big_sigma1: Signal<Local, Bits<32>>,
    choose: Signal<Local, Bits<32>>,
    majority: Signal<Local, Bits<32>>,
    choose_sum: Signal<Local, Bits<32>>,
    choose_part: Signal<Local, Bits<32>>,
    t1_sum: Signal<Local, Bits<32>>,
    t1: Signal<Local, Bits<32>>,
    t2_sum: Signal<Local, Bits<32>>,
    t2: Signal<Local, Bits<32>>,
    a_sum: Signal<Local, Bits<32>>,
    e_sum: Signal<Local, Bits<32>>,
}

impl Logic for Sha256Core {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, position_count, word_full, running, loading, step);
        dff_setup!(self, clock, message1, message2, w16, old, partial, w1, w2);
        dff_setup!(self, clock, hash1, hash2, turns, passes, kw, a, b, c, d, e, f, g, x);
        clock!(self, clock, ram7, ram15, constants);

        // Control.
        self.busy.next = self.running.q.val();
        self.position.next = self.position_count.q.val();
        self.position_up.next = self.position_count.q.val() + 1;
        self.block_full.next = false;
        self.word_full.d.next = false;
        if self.data_valid.val() {
            self.position_count.d.next = self.position_up.val();
            self.block_full.next = self.position_count.q.val() == 63;
            self.word_full.d.next = self.position_count.q.val().get_bits::<2>(0) == 3;
        }
        self.step_up.next = self.step.q.val() + 1;
        if self.running.q.val() {
            self.step.d.next = self.step_up.val();
            if self.step.q.val() == 75 {
                self.running.d.next = false;
                self.loading.d.next = false;
            }
        }
        if self.block_full.val() {
            self.running.d.next = true;
            self.step.d.next = 0.into();
        }
        if self.load.val() {
            self.running.d.next = true;
            self.loading.d.next = true;
            self.step.d.next = 66.into();
            self.position_count.d.next = 0.into();
        }
        self.moves.next = self.running.q.val() && (self.step.q.val().get_bits::<5>(2) != 0);
        self.hash0.next = self.running.q.val() && (self.step.q.val() >= 67);
        self.hash1.d.next = self.hash0.val();
        self.hash2.d.next = self.hash1.q.val();
        self.turns.d.next = self.hash1.q.val() || (self.step.q.val() == 3);
        self.passes.d.next = self.hash1.q.val() || (self.step.q.val().get_bits::<5>(2) == 0);
        self.clears.next = self.loading.q.val() && !self.hash2.q.val();

        // Schedule: W(t) lives in slot t + 4 (mod 16).
        self.slot.next = self.step.q.val().get_bits::<4>(0);
        self.word_count.next = self.position_count.q.val().get_bits::<4>(2);
        self.loaded_slot.next = self.word_count.val() + 3;
        self.write_slot.next = self.loaded_slot.val();
        if self.moves.val() {
            self.write_slot.next = self.slot.val();
        }
        self.ram7.write_address.next = self.write_slot.val();
        self.ram7.write_data.next = self.w2.q.val();
        self.ram7.write_enable.next = self.moves.val() || self.word_full.q.val();
        self.ram15.write_address.next = self.write_slot.val();
        self.ram15.write_data.next = self.w2.q.val();
        self.ram15.write_enable.next = self.moves.val() || self.word_full.q.val();
        self.message0.next = self.step.q.val().get_bits::<3>(4) == 0;
        self.message1.d.next = self.message0.val();
        self.message2.d.next = self.message1.q.val();
        self.message_slot.next = self.slot.val() + 4;
        self.slot7.next = self.slot.val() + 13;
        if self.message0.val() {
            self.slot7.next = self.message_slot.val();
        }
        self.slot15.next = self.slot.val() + 6;
        self.ram7.read_address.next = self.slot7.val();
        self.ram7.read_enable.next = true;
        self.ram15.read_address.next = self.slot15.val();
        self.ram15.read_enable.next = true;
        self.w15.next = self.ram15.read_data.val();
        self.w16.d.next = self.w15.val();
        self.sigma0.next = ((self.w15.val() >> 7) | (self.w15.val() << 25))
            ^ ((self.w15.val() >> 18) | (self.w15.val() << 14))
            ^ (self.w15.val() >> 3);
        self.old_sum.next = self.sigma0.val() + self.w16.q.val();
        self.old.d.next = self.old_sum.val();
        self.w7.next = self.ram7.read_data.val();
        self.partial_sum.next = self.old.q.val() + self.w7.val();
        self.partial.d.next = self.partial_sum.val();
        if self.message1.q.val() {
            self.partial.d.next = self.w7.val();
        }
        self.sigma1.next = ((self.w2.q.val() >> 17) | (self.w2.q.val() << 15))
            ^ ((self.w2.q.val() >> 19) | (self.w2.q.val() << 13))
            ^ (self.w2.q.val() >> 10);
        self.w_sum.next = self.sigma1.val() + self.partial.q.val();
        self.w1.d.next = self.w_sum.val();
        if self.message2.q.val() {
            self.w1.d.next = self.partial.q.val();
        }
        self.data_wide.next = bit_cast::<32, 8>(self.data.val());
        if self.data_valid.val() {
            self.w2.d.next = (self.w2.q.val() << 8) | self.data_wide.val();
        }
        if self.running.q.val() {
            self.w2.d.next = self.w1.q.val();
        }

        // Constants and hash value: H(i) at 73 - i.
        self.word_down.next = !self.digest_index.val().get_bits::<3>(2);
        self.word_wide.next = bit_cast::<7, 3>(self.word_down.val());
        self.hash_address.next = self.word_wide.val() + 66;
        self.constant_address.next = self.hash_address.val();
        if self.running.q.val() {
            self.constant_address.next = self.step.q.val();
        }
        self.bank.next = 0.into();
        if self.loading.q.val() {
            self.bank.next = 128.into();
        }
        self.constant_bank.next = bit_cast::<8, 7>(self.constant_address.val());
        self.constants.read_address.next = self.constant_bank.val() | self.bank.val();
        self.constants.read_enable.next = true;
        self.store_address.next = self.step.q.val() - 3;
        self.store_bank.next = bit_cast::<8, 7>(self.store_address.val());
        self.constants.write_address.next = self.store_bank.val();
        self.constants.write_data.next = self.x.q.val();
        self.constants.write_enable.next = self.hash1.q.val() && self.hash2.q.val();
        self.constant.next = self.constants.read_data.val();
        match self.digest_index.val().get_bits::<2>(0).index() {
            0 => self.digest_byte.next = self.constant.val().get_bits::<8>(24),
            1 => self.digest_byte.next = self.constant.val().get_bits::<8>(16),
            2 => self.digest_byte.next = self.constant.val().get_bits::<8>(8),
            _ => self.digest_byte.next = self.constant.val().get_bits::<8>(0),
        }
        self.kw_sum.next = self.constant.val() + self.w1.q.val();
        self.kw.d.next = self.kw_sum.val();
        if self.hash0.val() {
            self.kw.d.next = self.constant.val();
        }

        // State. What `choose_part` and `t2` are while the state turns does not matter; that they are chosen keeps
        // yosys from fusing sums of three into carry-save adders, which take twice the cells.
        self.big_sigma1.next = ((self.e.q.val() >> 6) | (self.e.q.val() << 26))
            ^ ((self.e.q.val() >> 11) | (self.e.q.val() << 21))
            ^ ((self.e.q.val() >> 25) | (self.e.q.val() << 7));
        self.choose.next = self.g.q.val() ^ (self.e.q.val() & (self.f.q.val() ^ self.g.q.val()));
        self.choose_sum.next = self.big_sigma1.val() + self.choose.val();
        self.choose_part.next = self.choose_sum.val();
        if self.turns.q.val() {
            self.choose_part.next = self.choose.val();
        }
        self.t1_sum.next = self.x.q.val() + self.choose_part.val();
        self.t1.next = self.t1_sum.val();
        if self.passes.q.val() {
            self.t1.next = self.x.q.val();
        }
        self.big_sigma0.next = ((self.a.q.val() >> 2) | (self.a.q.val() << 30))
            ^ ((self.a.q.val() >> 13) | (self.a.q.val() << 19))
            ^ ((self.a.q.val() >> 22) | (self.a.q.val() << 10));
        self.majority.next =
            (self.a.q.val() & self.b.q.val()) | (self.c.q.val() & (self.a.q.val() | self.b.q.val()));
        self.t2_sum.next = self.big_sigma0.val() + self.majority.val();
        self.t2.next = self.t2_sum.val();
        if self.turns.q.val() {
            self.t2.next = self.majority.val();
        }
        self.a_sum.next = self.t2.val() + self.t1.val();
        self.e_sum.next = self.d.q.val() + self.t1.val();
        self.x_sum.next = self.kw.q.val() + self.g.q.val();
        if self.moves.val() {
            self.x.d.next = self.x_sum.val();
            self.a.d.next = self.a_sum.val();
            self.e.d.next = self.e_sum.val();
            if self.turns.q.val() {
                self.a.d.next = self.t1.val();
                self.e.d.next = self.d.q.val();
            }
            self.b.d.next = self.a.q.val();
            self.c.d.next = self.b.q.val();
            self.d.d.next = self.c.q.val();
            self.f.d.next = self.e.q.val();
            self.g.d.next = self.f.q.val();
            if self.clears.val() {
                self.a.d.next = 0.into();
                self.b.d.next = 0.into();
                self.c.d.next = 0.into();
                self.d.d.next = 0.into();
                self.e.d.next = 0.into();
                self.f.d.next = 0.into();
                self.g.d.next = 0.into();
            }
        }
    }
}
