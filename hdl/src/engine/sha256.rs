//! The SHA-256 compression function (FIPS 180-4 section 6.2), one round a clock and no clock between two blocks of
//! a message.
//!
//! # Rounds
//!
//! In round t, e needs K(t) + W(t) + h + d and a needs K(t) + W(t) + h. Of these h and d are e and a of three rounds
//! before, so both sums are made ahead of the round, in `y` and `x`. What remains in a clock is one choice of four
//! bits and two additions for e, and, since nothing needs a before the round after the next, a follows a clock later
//! from T1 in `t1`: again one choice of four bits and two additions. On iCE40 the two additions ripple through one another,
//! so that the second costs its first bit only; on ECP5 a carry-save adder takes the place of the first (the
//! engine's README has the measurements).
//!
//! # Hash value
//!
//! The new hash value is added to the state on its way through the last rounds and not afterwards. Each of its words
//! is added once where it is shifted on anyway (`s`, `f`, `d`, `b`), so that the state after round 63 is the new
//! hash value and the first round of the next block follows at once. Two words cannot be: they belong to e and a
//! themselves, as they come out of the adders. H4 goes into the sum that x and y share, and x is then put
//! right by `delta` = H0 - H4 of the block before.
//!
//! A block that cannot follow at once, or is the first of its message, is led in with a state of zeros, to
//! which the hash value is added the same way. In the bank of the initial hash value H4 is H0 and the word for `d` is
//! H4 - H0, so that no `delta` is needed.
//!
//! # Time
//!
//! Everything runs by the counter `step`, which takes a block's words in at 0 to 15 and does its rounds from 8 on:
//!
//! | step | |
//! |---|---|
//! | t | addresses of W(t) in its page, or of W(t-15) and, from t + 2 on, W(t-7) |
//! | t + 1 … t + 4 | the schedule's additions; a word of the message passes through unchanged |
//! | t + 4 | address of K(t) |
//! | t + 5 | K(t) + W(t) into `kw` |
//! | t + 6 | + h into `x2` |
//! | t + 7 | `x`, and + d into `y` |
//! | t + 8 | round t: e and T1 |
//! | t + 9 | a |
//!
//! So the last rounds of a block fall in steps 0 to 7 of the next, or of nothing; the hash value is stored by step 10.

use crate::engine::ram::{BlockRam, ByteRam, Contents, Zeros};
use crate::golden::sha256::{INITIAL, K};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// Clocks from one block of a message to the next.
pub const CLOCKS_PER_BLOCK: u64 = 64;
/// Clocks a core is busy after the last of its blocks has had its 64.
pub const CLOCKS_AFTER: u64 = 11;

/// Bank of the hash memories that holds the initial hash value.
const INITIAL_BANK: usize = 31;

/// Page with all of the second block of a Merkle node (RFC 6962 section 2.1: 0x01 and two digests, 65 bytes) but
/// the last byte of the right child, its first. Nothing else in that block ever changes, so its schedule
/// starts from W(0) alone.
pub(super) const NODE_PAGE: u64 = 2;
/// Page of the key of an HMAC, exclusive-or 0x36.
pub(super) const KEY_PAGE: u64 = 3;
/// Page with all of the second block of an HMAC's outer hash but the inner digest, its first half.
pub(super) const OUTER_PAGE: u64 = 4;

/// Round constants: K(t) at t + 4.
#[derive(Clone, Default)]
struct RoundConstants;

impl Contents for RoundConstants {
    fn word(address: usize) -> u64 {
        K[(address + 60) % 64].into()
    }
}

/// e's half of the hash value, four words a bank in the order they are added: H7, H6, H5, and H4 last.
#[derive(Clone, Default)]
struct HalfE;

impl Contents for HalfE {
    fn word(address: usize) -> u64 {
        // In place of H4 H0, see the module's documentation.
        const BANK: [u32; 4] = [INITIAL[7], INITIAL[6], INITIAL[5], INITIAL[0]];
        if address / 4 == INITIAL_BANK { BANK[address % 4].into() } else { 0 }
    }
}

/// a's half, eight words a bank: H0, then from 4 on a word for `d` (zero), H3, H2 and H1.
#[derive(Clone, Default)]
struct HalfA;

impl Contents for HalfA {
    fn word(address: usize) -> u64 {
        const BANK: [u32; 8] =
            [0, 0, 0, 0, INITIAL[4].wrapping_sub(INITIAL[0]), INITIAL[3], INITIAL[2], INITIAL[1]];
        if address / 8 == INITIAL_BANK { BANK[address % 8].into() } else { 0 }
    }
}

/// H5 of every bank once more.
#[derive(Clone, Default)]
struct CopyF;

impl Contents for CopyF {
    fn word(address: usize) -> u64 {
        if address == INITIAL_BANK { INITIAL[5].into() } else { 0 }
    }
}

/// H1 of every bank once more.
#[derive(Clone, Default)]
struct CopyB;

impl Contents for CopyB {
    fn word(address: usize) -> u64 {
        if address == INITIAL_BANK { INITIAL[1].into() } else { 0 }
    }
}

/// Pages of sixteen words.
#[derive(Clone, Default)]
struct Pages;

impl Contents for Pages {
    fn word(address: usize) -> u64 {
        const NODE: usize = NODE_PAGE as usize;
        const OUTER: usize = OUTER_PAGE as usize;
        match (address / 16, address % 16) {
            (NODE, 0) => 0x0080_0000,
            (NODE, 15) => 65 * 8,
            (OUTER, 8) => 0x8000_0000,
            (OUTER, 15) => (64 + 32) * 8,
            _ => 0,
        }
    }
}

/// Compresses blocks from its pages into one of 31 hash values.
#[derive(LogicBlock)]
pub struct Sha256Core {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Page that `data` goes to.
    pub page: Signal<In, Bits<3>>,
    /// Where in that page.
    pub position: Signal<In, Bits<6>>,
    /// Byte of a block.
    pub data: Signal<In, Bits<8>>,
    /// Write `data`; not to the page of a block in its first 17 clocks.
    pub data_valid: Signal<In, Bit>,

    /// Compress the block in `block_page` as soon as possible, at the earliest from the next clock on.
    pub start: Signal<In, Bit>,
    /// Which page; its last byte may be written in this very clock.
    pub block_page: Signal<In, Bits<3>>,
    /// It is the first block of its message.
    pub first: Signal<In, Bit>,
    /// Exclusive-or every byte with 0x6A, which makes an HMAC's outer key block of the inner one.
    pub outer: Signal<In, Bit>,
    /// Where the hash value is kept, 0 to 30; must stay while `busy`.
    pub slot: Signal<In, Bits<5>>,
    /// The block is taken; ask for no other before the next clock.
    pub taken: Signal<Out, Bit>,
    /// Compressing.
    pub busy: Signal<Out, Bit>,

    /// Whose hash value to show.
    pub digest_slot: Signal<In, Bits<5>>,
    /// Which byte of it.
    pub digest_index: Signal<In, Bits<5>>,
    /// That byte, two clocks after slot and index, which must have come while not `busy`.
    pub digest_byte: Signal<Out, Bits<8>>,

    /// What is read from block RAM reaches an adder by way of a register.
    late: Constant<Bit>,
    /// So much earlier it is asked for.
    ahead: Constant<Bits<6>>,
    /// Where two additions follow one another a carry-save adder takes the first one's place.
    carry_save: Constant<Bit>,

    // Control.
    running: DFF<Bit>,
    /// No block in the first half of the pipeline: the last rounds of the one before are being done.
    draining: DFF<Bit>,
    step: DFF<Bits<6>>,
    step_up: Signal<Local, Bits<6>>,
    last_step: Signal<Local, Bit>,
    accepts: Signal<Local, Bit>,
    taken_now: Signal<Local, Bit>,
    /// The state is led in with zeros.
    led_in: DFF<Bit>,
    leads_in: Signal<Local, Bit>,
    /// The hash value added is the initial one.
    from_initial: DFF<Bit>,
    outer_block: DFF<Bit>,
    page_now: DFF<Bits<3>>,
    // What is done at a step, decided the clock before.
    clear_kw: DFF<Bit>,
    clear_e: DFF<Bit>,
    clear_a: DFF<Bit>,
    add_s: DFF<Bit>,
    add_f: DFF<Bit>,
    add_d: DFF<Bit>,
    add_b: DFF<Bit>,
    add_delta: DFF<Bit>,
    keep_delta: DFF<Bit>,
    store_e: DFF<Bit>,
    store_a: DFF<Bit>,
    store_b: DFF<Bit>,

    // Blocks and schedule; W(t) is in slot t mod 16.
    pages: ByteRam<7, Pages>,
    page_wide: Signal<Local, Bits<7>>,
    word_wide: Signal<Local, Bits<7>>,
    block_wide: Signal<Local, Bits<7>>,
    read_wide: Signal<Local, Bits<7>>,
    ram7: BlockRam<4, 32, Zeros>,
    ram15: BlockRam<4, 32, Zeros>,
    slot15: Signal<Local, Bits<4>>,
    slot7: Signal<Local, Bits<4>>,
    slot2: Signal<Local, Bits<4>>,
    /// W(t) is a word of the message, for each stage that would otherwise add to it.
    message1: DFF<Bit>,
    message2: DFF<Bit>,
    message3: DFF<Bit>,
    message4: DFF<Bit>,
    word: Signal<Local, Bits<32>>,
    w15: Signal<Local, Bits<32>>,
    w7: Signal<Local, Bits<32>>,
    w16: DFF<Bits<32>>,
    sigma0: Signal<Local, Bits<32>>,
    old: DFF<Bits<32>>,
    old_sum: Signal<Local, Bits<32>>,
    partial: DFF<Bits<32>>,
    partial_sum: Signal<Local, Bits<32>>,
    sigma1: Signal<Local, Bits<32>>,
    w_sum: Signal<Local, Bits<32>>,
    w1: DFF<Bits<32>>,
    w2: DFF<Bits<32>>,
    constants: BlockRam<6, 32, RoundConstants>,
    constants_late: DFF<Bits<32>>,
    constant: Signal<Local, Bits<32>>,
    step_ahead: Signal<Local, Bits<6>>,
    kw: DFF<Bits<32>>,
    kw_sum: Signal<Local, Bits<32>>,

    // Hash values. Two words are kept twice because they are added in the same clock as another of their half.
    half_e: BlockRam<7, 32, HalfE>,
    half_a: BlockRam<8, 32, HalfA>,
    copy_f: BlockRam<5, 32, CopyF>,
    copy_b: BlockRam<5, 32, CopyB>,
    bank: Signal<Local, Bits<5>>,
    /// The same for the copies, which hold no digest that is ever shown.
    copy_bank: Signal<Local, Bits<5>>,
    word_e: Signal<Local, Bits<2>>,
    word_a: Signal<Local, Bits<3>>,
    digest_word: Signal<Local, Bits<2>>,
    digest_word_a: Signal<Local, Bits<3>>,
    bank_e: Signal<Local, Bits<7>>,
    bank_a: Signal<Local, Bits<8>>,
    word_e_wide: Signal<Local, Bits<7>>,
    word_a_wide: Signal<Local, Bits<8>>,
    slot_e: Signal<Local, Bits<7>>,
    slot_a: Signal<Local, Bits<8>>,
    stored_e: Signal<Local, Bits<2>>,
    stored_a: Signal<Local, Bits<3>>,
    stored_e_wide: Signal<Local, Bits<7>>,
    stored_a_wide: Signal<Local, Bits<8>>,
    half_e_late: DFF<Bits<32>>,
    half_a_late: DFF<Bits<32>>,
    hash_e: Signal<Local, Bits<32>>,
    hash_a: Signal<Local, Bits<32>>,
    digest_low: DFF<Bits<2>>,
    digest_in_e: DFF<Bit>,
    digest_low_late: DFF<Bits<2>>,
    digest_in_e_late: DFF<Bit>,
    chosen_low: Signal<Local, Bits<2>>,
    chosen_in_e: Signal<Local, Bit>,
    digest32: Signal<Local, Bits<32>>,
    digest8: Signal<Local, Bits<8>>,
    digest8_last: DFF<Bits<8>>,

    // State.
    e: DFF<Bits<32>>,
    f: DFF<Bits<32>>,
    /// g inverted: `delta` can then be made without inverting it.
    not_g: DFF<Bits<32>>,
    g: Signal<Local, Bits<32>>,
    g_next: Signal<Local, Bits<32>>,
    /// h of the round after the next.
    s: DFF<Bits<32>>,
    s_sum: Signal<Local, Bits<32>>,
    f_sum: Signal<Local, Bits<32>>,
    a: DFF<Bits<32>>,
    b: DFF<Bits<32>>,
    b_sum: Signal<Local, Bits<32>>,
    c: DFF<Bits<32>>,
    /// d of the next round.
    d: DFF<Bits<32>>,
    d_sum: Signal<Local, Bits<32>>,
    delta: DFF<Bits<32>>,
    delta_sum: Signal<Local, Bits<32>>,
    x2: DFF<Bits<32>>,
    x2_sum: Signal<Local, Bits<32>>,
    x: DFF<Bits<32>>,
    x_sum: Signal<Local, Bits<32>>,
    y: DFF<Bits<32>>,
    y_sum: Signal<Local, Bits<32>>,
    t1: DFF<Bits<32>>,
    t1_sum: Signal<Local, Bits<32>>,
    big_sigma0: Signal<Local, Bits<32>>,
    big_sigma1: Signal<Local, Bits<32>>,
    choose: Signal<Local, Bits<32>>,
    majority: Signal<Local, Bits<32>>,
    choose_sum: Signal<Local, Bits<32>>,
    t2_sum: Signal<Local, Bits<32>>,
    t2: Signal<Local, Bits<32>>,
    e_sum: Signal<Local, Bits<32>>,
    a_sum: Signal<Local, Bits<32>>,
    e_saved: Signal<Local, Bits<32>>,
    e_carried: Signal<Local, Bits<32>>,
    t1_saved: Signal<Local, Bits<32>>,
    t1_carried: Signal<Local, Bits<32>>,
    a_saved: Signal<Local, Bits<32>>,
    a_carried: Signal<Local, Bits<32>>,
}

impl Sha256Core {
    /// A core for a device whose block RAM is fast enough to be followed by an adder in the same clock and whose
    /// logic cells are adders of two bits (iCE40), or, with `late_reads`, for one where it is not and they are not
    /// (ECP5): there a register comes between, and carry-save adders are used. Clock for clock both do the same.
    pub fn new(late_reads: bool) -> Self {
        Self::with_adders(late_reads, late_reads)
    }

    /// The same core with the adders of one's choice: `bench-gateware` measures both.
    pub fn with_adders(late_reads: bool, carry_save: bool) -> Self {
        Self {
            late: Constant::new(late_reads),
            ahead: Constant::new(u64::from(late_reads).into()),
            carry_save: Constant::new(carry_save),
            clock: Default::default(),
            page: Default::default(),
            position: Default::default(),
            data: Default::default(),
            data_valid: Default::default(),
            start: Default::default(),
            block_page: Default::default(),
            first: Default::default(),
            outer: Default::default(),
            slot: Default::default(),
            taken: Default::default(),
            busy: Default::default(),
            digest_slot: Default::default(),
            digest_index: Default::default(),
            digest_byte: Default::default(),
            running: Default::default(),
            draining: Default::default(),
            step: Default::default(),
            step_up: Default::default(),
            last_step: Default::default(),
            accepts: Default::default(),
            taken_now: Default::default(),
            led_in: Default::default(),
            leads_in: Default::default(),
            from_initial: Default::default(),
            outer_block: Default::default(),
            page_now: Default::default(),
            clear_kw: Default::default(),
            clear_e: Default::default(),
            clear_a: Default::default(),
            add_s: Default::default(),
            add_f: Default::default(),
            add_d: Default::default(),
            add_b: Default::default(),
            add_delta: Default::default(),
            keep_delta: Default::default(),
            store_e: Default::default(),
            store_a: Default::default(),
            store_b: Default::default(),
            pages: Default::default(),
            page_wide: Default::default(),
            word_wide: Default::default(),
            block_wide: Default::default(),
            read_wide: Default::default(),
            ram7: Default::default(),
            ram15: Default::default(),
            slot15: Default::default(),
            slot7: Default::default(),
            slot2: Default::default(),
            message1: Default::default(),
            message2: Default::default(),
            message3: Default::default(),
            message4: Default::default(),
            word: Default::default(),
            w15: Default::default(),
            w7: Default::default(),
            w16: Default::default(),
            sigma0: Default::default(),
            old: Default::default(),
            old_sum: Default::default(),
            partial: Default::default(),
            partial_sum: Default::default(),
            sigma1: Default::default(),
            w_sum: Default::default(),
            w1: Default::default(),
            w2: Default::default(),
            constants: Default::default(),
            constants_late: Default::default(),
            constant: Default::default(),
            step_ahead: Default::default(),
            kw: Default::default(),
            kw_sum: Default::default(),
            half_e: Default::default(),
            half_a: Default::default(),
            copy_f: Default::default(),
            copy_b: Default::default(),
            bank: Default::default(),
            copy_bank: Default::default(),
            word_e: Default::default(),
            word_a: Default::default(),
            digest_word: Default::default(),
            digest_word_a: Default::default(),
            bank_e: Default::default(),
            bank_a: Default::default(),
            word_e_wide: Default::default(),
            word_a_wide: Default::default(),
            slot_e: Default::default(),
            slot_a: Default::default(),
            stored_e: Default::default(),
            stored_a: Default::default(),
            stored_e_wide: Default::default(),
            stored_a_wide: Default::default(),
            half_e_late: Default::default(),
            half_a_late: Default::default(),
            hash_e: Default::default(),
            hash_a: Default::default(),
            digest_low: Default::default(),
            digest_in_e: Default::default(),
            digest_low_late: Default::default(),
            digest_in_e_late: Default::default(),
            chosen_low: Default::default(),
            chosen_in_e: Default::default(),
            digest32: Default::default(),
            digest8: Default::default(),
            digest8_last: Default::default(),
            e: Default::default(),
            f: Default::default(),
            not_g: Default::default(),
            g: Default::default(),
            g_next: Default::default(),
            s: Default::default(),
            s_sum: Default::default(),
            f_sum: Default::default(),
            a: Default::default(),
            b: Default::default(),
            b_sum: Default::default(),
            c: Default::default(),
            d: Default::default(),
            d_sum: Default::default(),
            delta: Default::default(),
            delta_sum: Default::default(),
            x2: Default::default(),
            x2_sum: Default::default(),
            x: Default::default(),
            x_sum: Default::default(),
            y: Default::default(),
            y_sum: Default::default(),
            t1: Default::default(),
            t1_sum: Default::default(),
            big_sigma0: Default::default(),
            big_sigma1: Default::default(),
            choose: Default::default(),
            majority: Default::default(),
            choose_sum: Default::default(),
            t2_sum: Default::default(),
            t2: Default::default(),
            e_sum: Default::default(),
            a_sum: Default::default(),
            e_saved: Default::default(),
            e_carried: Default::default(),
            t1_saved: Default::default(),
            t1_carried: Default::default(),
            a_saved: Default::default(),
            a_carried: Default::default(),
        }
    }
}

#[cfg(test)]
impl Sha256Core {
    /// Every word of every memory, by name.
    pub(super) fn memories(&mut self) -> Vec<(&'static str, Vec<u64>)> {
        fn words<const W: usize>(words: &[Bits<W>]) -> Vec<u64> {
            words.iter().map(|word| word.to_u64()).collect()
        }
        vec![
            ("pages", self.pages.words_mut().iter().map(|&word| word.into()).collect()),
            ("ram7", words(self.ram7.words_mut())),
            ("ram15", words(self.ram15.words_mut())),
            ("constants", words(self.constants.words_mut())),
            ("half_e", words(self.half_e.words_mut())),
            ("half_a", words(self.half_a.words_mut())),
            ("copy_f", words(self.copy_f.words_mut())),
            ("copy_b", words(self.copy_b.words_mut())),
        ]
    }
}

impl Default for Sha256Core {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Logic for Sha256Core {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, running, draining, step, led_in, from_initial, outer_block, page_now);
        dff_setup!(self, clock, clear_kw, clear_e, clear_a, add_s, add_f, add_d, add_b, add_delta);
        dff_setup!(self, clock, keep_delta, store_e, store_a, store_b);
        dff_setup!(self, clock, message1, message2, message3, message4, w16, old, partial, w1, w2, kw);
        dff_setup!(self, clock, constants_late, half_e_late, half_a_late);
        dff_setup!(self, clock, digest_low, digest_in_e, digest_low_late, digest_in_e_late, digest8_last);
        dff_setup!(self, clock, e, f, not_g, s, a, b, c, d, delta, x2, x, y, t1);
        clock!(self, clock, pages, ram7, ram15, constants, half_e, half_a, copy_f, copy_b);

        // Control. A first block must be led in, and so waits for the one before to drain.
        self.busy.next = self.running.q.val();
        self.step_up.next = self.step.q.val() + 1;
        self.last_step.next = self.running.q.val() && !self.draining.q.val() && (self.step.q.val() == 63);
        self.accepts.next = !self.running.q.val() || (self.last_step.val() && !self.first.val());
        self.taken_now.next = self.start.val() && self.accepts.val();
        self.taken.next = self.taken_now.val();
        self.leads_in.next = self.taken_now.val() && !self.running.q.val();
        if self.running.q.val() {
            self.step.d.next = self.step_up.val();
        }
        if self.last_step.val() {
            self.draining.d.next = true;
            self.led_in.d.next = false;
            self.from_initial.d.next = false;
        }
        if self.draining.q.val() && (self.step.q.val() == 10) {
            self.draining.d.next = false;
            self.running.d.next = false;
            self.step.d.next = 0.into();
        }
        if self.taken_now.val() {
            self.running.d.next = true;
            self.draining.d.next = false;
            self.page_now.d.next = self.block_page.val();
            self.outer_block.d.next = self.outer.val();
        }
        if self.leads_in.val() {
            self.led_in.d.next = true;
            self.from_initial.d.next = self.first.val();
        }
        self.clear_kw.d.next = self.leads_in.val() || (self.led_in.q.val() && (self.step.q.val() < 4));
        self.clear_e.d.next = self.leads_in.val() || (self.led_in.q.val() && (self.step.q.val() < 6));
        self.clear_a.d.next = self.leads_in.val() || (self.led_in.q.val() && (self.step.q.val() < 7));
        // One window of four steps and one step, and the same later.
        self.add_s.d.next = (self.step.q.val() >= 3) && (self.step.q.val() < 7);
        self.add_d.d.next = self.add_s.q.val();
        self.store_e.d.next = self.add_d.q.val();
        self.store_a.d.next = self.store_e.q.val();
        self.add_delta.d.next = (self.step.q.val() == 5) && !self.from_initial.q.val();
        self.add_f.d.next = self.step.q.val() == 6;
        self.add_b.d.next = self.add_f.q.val();
        self.store_b.d.next = self.add_b.q.val();
        self.keep_delta.d.next = self.store_b.q.val();

        // Blocks.
        self.page_wide.next = bit_cast::<7, 3>(self.page.val()) << 4;
        self.word_wide.next = bit_cast::<7, 4>(self.position.val().get_bits::<4>(2));
        self.pages.write_address.next = self.page_wide.val() | self.word_wide.val();
        self.pages.write_lane.next = self.position.val().get_bits::<2>(0);
        self.pages.write_data.next = self.data.val();
        self.pages.write_enable.next = self.data_valid.val();
        self.slot15.next = self.step.q.val().get_bits::<4>(0);
        self.block_wide.next = bit_cast::<7, 3>(self.page_now.q.val()) << 4;
        self.read_wide.next = bit_cast::<7, 4>(self.slot15.val());
        self.pages.read_address.next = self.block_wide.val() | self.read_wide.val();
        self.word.next = self.pages.read_data.val();
        if self.outer_block.q.val() {
            self.word.next = self.pages.read_data.val() ^ 0x6A6A6A6A;
        }

        // Schedule.
        self.slot7.next = self.slot15.val() + 7;
        self.slot2.next = self.slot15.val() + 10;
        self.ram7.write_address.next = self.slot2.val();
        self.ram7.write_data.next = self.w2.q.val();
        self.ram7.write_enable.next = self.running.q.val();
        self.ram7.read_address.next = self.slot7.val();
        self.ram7.read_enable.next = true;
        self.ram15.write_address.next = self.slot2.val();
        self.ram15.write_data.next = self.w2.q.val();
        self.ram15.write_enable.next = self.running.q.val();
        self.ram15.read_address.next = self.slot15.val();
        self.ram15.read_enable.next = true;
        self.message1.d.next = self.step.q.val() < 16;
        self.message2.d.next = self.message1.q.val();
        self.message3.d.next = self.message2.q.val();
        self.message4.d.next = self.message3.q.val();
        self.w15.next = self.ram15.read_data.val();
        self.w16.d.next = self.w15.val();
        if self.message1.q.val() {
            self.w16.d.next = self.word.val();
        }
        self.sigma0.next = ((self.w15.val() >> 7) | (self.w15.val() << 25))
            ^ ((self.w15.val() >> 18) | (self.w15.val() << 14))
            ^ (self.w15.val() >> 3);
        self.old_sum.next = self.sigma0.val() + self.w16.q.val();
        self.old.d.next = self.old_sum.val();
        if self.message2.q.val() {
            self.old.d.next = self.w16.q.val();
        }
        self.w7.next = self.ram7.read_data.val();
        self.partial_sum.next = self.old.q.val() + self.w7.val();
        self.partial.d.next = self.partial_sum.val();
        if self.message3.q.val() {
            self.partial.d.next = self.old.q.val();
        }
        self.sigma1.next = ((self.w2.q.val() >> 17) | (self.w2.q.val() << 15))
            ^ ((self.w2.q.val() >> 19) | (self.w2.q.val() << 13))
            ^ (self.w2.q.val() >> 10);
        self.w_sum.next = self.sigma1.val() + self.partial.q.val();
        self.w1.d.next = self.w_sum.val();
        if self.message4.q.val() {
            self.w1.d.next = self.partial.q.val();
        }
        self.w2.d.next = self.w1.q.val();
        self.constants.write_enable.next = false;
        self.constants.write_address.next = 0.into();
        self.constants.write_data.next = 0.into();
        self.step_ahead.next = self.step.q.val() + self.ahead.val();
        self.constants.read_address.next = self.step_ahead.val();
        self.constants.read_enable.next = true;
        self.constants_late.d.next = self.constants.read_data.val();
        self.constant.next = self.constants.read_data.val();
        if self.late.val() {
            self.constant.next = self.constants_late.q.val();
        }
        self.kw_sum.next = self.constant.val() + self.w1.q.val();
        self.kw.d.next = self.kw_sum.val();
        if self.clear_kw.q.val() {
            self.kw.d.next = 0.into();
        }

        // Hash values: read for the additions at steps 4 to 8, or byte by byte while idle.
        self.digest_word.next = self.digest_index.val().get_bits::<2>(2);
        match self.digest_word.val().index() {
            0 => self.digest_word_a.next = 0.into(),
            1 => self.digest_word_a.next = 7.into(),
            2 => self.digest_word_a.next = 6.into(),
            _ => self.digest_word_a.next = 5.into(),
        }
        self.copy_bank.next = self.slot.val();
        self.word_e.next = self.step_ahead.val().get_bits::<2>(0);
        self.word_a.next = self.step_ahead.val().get_bits::<3>(0);
        if self.from_initial.q.val() {
            self.copy_bank.next = 31.into();
        }
        self.bank.next = self.copy_bank.val();
        if !self.running.q.val() {
            self.bank.next = self.digest_slot.val();
            self.word_e.next = !self.digest_word.val();
            self.word_a.next = self.digest_word_a.val();
        }
        self.bank_e.next = bit_cast::<7, 5>(self.bank.val()) << 2;
        self.bank_a.next = bit_cast::<8, 5>(self.bank.val()) << 3;
        self.word_e_wide.next = bit_cast::<7, 2>(self.word_e.val());
        self.word_a_wide.next = bit_cast::<8, 3>(self.word_a.val());
        self.half_e.read_address.next = self.bank_e.val() | self.word_e_wide.val();
        self.half_e.read_enable.next = true;
        self.half_a.read_address.next = self.bank_a.val() | self.word_a_wide.val();
        self.half_a.read_enable.next = true;
        self.copy_f.read_address.next = self.copy_bank.val();
        self.copy_f.read_enable.next = !self.add_b.q.val();
        self.copy_b.read_address.next = self.copy_bank.val();
        self.copy_b.read_enable.next = !self.store_b.q.val();

        // Each half is stored as it passes, H7 at step 6 and H3 at step 7 first.
        self.slot_e.next = bit_cast::<7, 5>(self.slot.val()) << 2;
        self.slot_a.next = bit_cast::<8, 5>(self.slot.val()) << 3;
        self.stored_e.next = self.step.q.val().get_bits::<2>(0) + 2;
        self.stored_a.next = self.step.q.val().get_bits::<3>(0) - 2;
        self.stored_e_wide.next = bit_cast::<7, 2>(self.stored_e.val());
        self.stored_a_wide.next = bit_cast::<8, 3>(self.stored_a.val());
        self.half_e.write_address.next = self.slot_e.val() | self.stored_e_wide.val();
        self.half_e.write_data.next = self.s.q.val();
        self.half_e.write_enable.next = self.store_e.q.val();
        self.half_a.write_address.next = self.slot_a.val() | self.stored_a_wide.val();
        self.half_a.write_data.next = self.d.q.val();
        self.half_a.write_enable.next = self.store_a.q.val();
        self.copy_f.write_address.next = self.slot.val();
        self.copy_f.write_data.next = self.s.q.val();
        self.copy_f.write_enable.next = self.add_b.q.val();
        self.copy_b.write_address.next = self.slot.val();
        self.copy_b.write_data.next = self.d.q.val();
        self.copy_b.write_enable.next = self.store_b.q.val();
        self.hash_e.next = self.half_e.read_data.val();
        self.hash_a.next = self.half_a.read_data.val();
        self.half_e_late.d.next = self.half_e.read_data.val();
        self.half_a_late.d.next = self.half_a.read_data.val();
        if self.late.val() {
            self.hash_e.next = self.half_e_late.q.val();
            self.hash_a.next = self.half_a_late.q.val();
        }

        // A byte of a digest passes one register, the late reads' or, after the choice, its own.
        self.digest_low.d.next = self.digest_index.val().get_bits::<2>(0);
        self.digest_in_e.d.next = self.digest_index.val().get_bit(4);
        self.digest_low_late.d.next = self.digest_low.q.val();
        self.digest_in_e_late.d.next = self.digest_in_e.q.val();
        self.chosen_low.next = self.digest_low.q.val();
        self.chosen_in_e.next = self.digest_in_e.q.val();
        if self.late.val() {
            self.chosen_low.next = self.digest_low_late.q.val();
            self.chosen_in_e.next = self.digest_in_e_late.q.val();
        }
        self.digest32.next = self.hash_a.val();
        if self.chosen_in_e.val() {
            self.digest32.next = self.hash_e.val();
        }
        match self.chosen_low.val().index() {
            0 => self.digest8.next = self.digest32.val().get_bits::<8>(24),
            1 => self.digest8.next = self.digest32.val().get_bits::<8>(16),
            2 => self.digest8.next = self.digest32.val().get_bits::<8>(8),
            _ => self.digest8.next = self.digest32.val().get_bits::<8>(0),
        }
        self.digest8_last.d.next = self.digest8.val();
        self.digest_byte.next = self.digest8_last.q.val();
        if self.late.val() {
            self.digest_byte.next = self.digest8.val();
        }

        // Ahead of the round.
        self.x2_sum.next = self.kw.q.val() + self.s.q.val();
        self.x2.d.next = self.x2_sum.val();
        self.x_sum.next = self.x2.q.val() + self.delta.q.val();
        self.x.d.next = self.x2.q.val();
        if self.add_delta.q.val() {
            self.x.d.next = self.x_sum.val();
        }
        self.y_sum.next = self.x2.q.val() + self.d.q.val();
        self.y.d.next = self.y_sum.val();

        // e and what follows it.
        self.g.next = !self.not_g.q.val();
        self.big_sigma1.next = ((self.e.q.val() >> 6) | (self.e.q.val() << 26))
            ^ ((self.e.q.val() >> 11) | (self.e.q.val() << 21))
            ^ ((self.e.q.val() >> 25) | (self.e.q.val() << 7));
        self.choose.next = self.g.val() ^ (self.e.q.val() & (self.f.q.val() ^ self.g.val()));
        self.choose_sum.next = self.big_sigma1.val() + self.choose.val();
        self.e_sum.next = self.y.q.val() + self.choose_sum.val();
        self.e_saved.next = self.y.q.val() ^ self.big_sigma1.val() ^ self.choose.val();
        self.e_carried.next = ((self.y.q.val() & self.big_sigma1.val())
            | (self.choose.val() & (self.y.q.val() | self.big_sigma1.val())))
            << 1;
        if self.carry_save.val() {
            self.e_sum.next = self.e_saved.val() + self.e_carried.val();
        }
        self.e.d.next = self.e_sum.val();
        if self.clear_e.q.val() {
            self.e.d.next = 0.into();
        }
        self.s_sum.next = self.e.q.val() + self.hash_e.val();
        self.s.d.next = self.e.q.val();
        if self.add_s.q.val() {
            self.s.d.next = self.s_sum.val();
        }
        self.f_sum.next = self.e.q.val() + self.copy_f.read_data.val();
        self.f.d.next = self.e.q.val();
        self.g_next.next = self.f.q.val();
        if self.add_f.q.val() {
            self.f.d.next = self.f_sum.val();
            self.g_next.next = self.s.q.val();
        }
        self.not_g.d.next = !self.g_next.val();

        // a and what follows it, a clock behind.
        self.t1_sum.next = self.x.q.val() + self.choose_sum.val();
        self.t1_saved.next = self.x.q.val() ^ self.big_sigma1.val() ^ self.choose.val();
        self.t1_carried.next = ((self.x.q.val() & self.big_sigma1.val())
            | (self.choose.val() & (self.x.q.val() | self.big_sigma1.val())))
            << 1;
        if self.carry_save.val() {
            self.t1_sum.next = self.t1_saved.val() + self.t1_carried.val();
        }
        self.t1.d.next = self.t1_sum.val();
        self.big_sigma0.next = ((self.a.q.val() >> 2) | (self.a.q.val() << 30))
            ^ ((self.a.q.val() >> 13) | (self.a.q.val() << 19))
            ^ ((self.a.q.val() >> 22) | (self.a.q.val() << 10));
        self.majority.next =
            (self.a.q.val() & self.b.q.val()) | (self.c.q.val() & (self.a.q.val() | self.b.q.val()));
        // What t2 is while a is cleared does not matter; that it is chosen keeps yosys from making one
        // carry-save adder of the two sums, in twice the cells.
        self.t2_sum.next = self.big_sigma0.val() + self.majority.val();
        self.t2.next = self.t2_sum.val();
        if self.clear_a.q.val() {
            self.t2.next = self.majority.val();
        }
        self.a_sum.next = self.t1.q.val() + self.t2.val();
        self.a_saved.next = self.t1.q.val() ^ self.big_sigma0.val() ^ self.majority.val();
        self.a_carried.next = ((self.t1.q.val() & self.big_sigma0.val())
            | (self.majority.val() & (self.t1.q.val() | self.big_sigma0.val())))
            << 1;
        if self.carry_save.val() {
            self.a_sum.next = self.a_saved.val() + self.a_carried.val();
        }
        self.a.d.next = self.a_sum.val();
        if self.clear_a.q.val() {
            self.a.d.next = 0.into();
        }
        self.d_sum.next = self.a.q.val() + self.hash_a.val();
        self.d.d.next = self.a.q.val();
        if self.add_d.q.val() {
            self.d.d.next = self.d_sum.val();
        }
        self.b_sum.next = self.a.q.val() + self.copy_b.read_data.val();
        self.b.d.next = self.a.q.val();
        self.c.d.next = self.b.q.val();
        if self.add_b.q.val() {
            self.b.d.next = self.b_sum.val();
            self.c.d.next = self.d.q.val();
        }
        self.delta_sum.next = self.b.q.val() - self.g.val();
        if self.keep_delta.q.val() {
            self.delta.d.next = self.delta_sum.val();
        }
    }
}
