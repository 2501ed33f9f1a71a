//! From characters to checked frames: COBS is undone a byte at a time, header and payload go on to the queue, and the
//! closing delimiter brings the verdict.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{CRC_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

use super::crc::CrcRegister;

/// Fewest clocks from one character to the next: a byte's bits go to the CRC one by one.
pub const CLOCKS_PER_CHARACTER: usize = 10;

/// Undoes COBS; the gateware twin of [`twinseal_wire::cobs::Decoder`]. All outputs come one clock after `valid`.
#[derive(LogicBlock, Default)]
pub struct CobsDecoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A character from the line.
    pub character: Signal<In, Bits<8>>,
    /// `character` is new; [`CLOCKS_PER_CHARACTER`] clocks or more after the last.
    pub valid: Signal<In, Bit>,
    /// A byte of the frame, while `data_valid`.
    pub data: Signal<Out, Bits<8>>,
    /// `data` is new.
    pub data_valid: Signal<Out, Bit>,
    /// In the clocks after `data_valid`: the byte's bits, least significant first.
    pub data_bit: Signal<Out, Bit>,
    /// `data_bit` is one of the eight.
    pub bit_valid: Signal<Out, Bit>,
    /// A delimiter came.
    pub delimiter: Signal<Out, Bit>,
    /// With `delimiter`: something stood between it and the delimiter before.
    pub was_open: Signal<Out, Bit>,
    /// With `delimiter`: it came inside a block.
    pub was_cut: Signal<Out, Bit>,
    /// Bytes left in the current block.
    left: DFF<Bits<8>>,
    in_block: Signal<Local, Bit>,
    left_before: Signal<Local, Bits<8>>,
    left_after: Signal<Local, Bits<8>>,
    /// The block just ended stands for a zero if another follows.
    zero_due: DFF<Bit>,
    /// A code byte was seen since the delimiter.
    open: DFF<Bit>,
    out: DFF<Bits<8>>,
    out_valid: DFF<Bit>,
    /// Bits of `out` still to come.
    bits: DFF<Bits<4>>,
    bits_down: Signal<Local, Bits<4>>,
    out_delimiter: DFF<Bit>,
    out_open: DFF<Bit>,
    out_cut: DFF<Bit>,
}

impl Logic for CobsDecoder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, zero_due, open, out, out_valid, bits, out_delimiter, out_open, out_cut);
        self.in_block.next = self.left.q.val().any();
        self.left_before.next = self.character.val();
        if self.in_block.val() {
            self.left_before.next = self.left.q.val();
        }
        self.left_after.next = self.left_before.val() - 1;
        self.bits_down.next = self.bits.q.val() - 1;
        self.data_bit.next = self.out.q.val().get_bit(0);
        self.bit_valid.next = self.bits.q.val().any();
        if self.bit_valid.val() {
            self.bits.d.next = self.bits_down.val();
            self.out.d.next = self.out.q.val() >> 1;
        }
        if self.out_valid.q.val() {
            self.bits.d.next = 8.into();
        }
        self.out_valid.d.next = false;
        self.out_delimiter.d.next = false;
        self.out_open.d.next = self.open.q.val();
        self.out_cut.d.next = self.in_block.val();
        if self.valid.val() {
            self.left.d.next = self.left_after.val();
            self.out.d.next = 0.into();
            if !self.character.val().any() {
                self.out_delimiter.d.next = true;
                self.left.d.next = 0.into();
                self.zero_due.d.next = false;
                self.open.d.next = false;
            } else if self.in_block.val() {
                self.out.d.next = self.character.val();
                self.out_valid.d.next = true;
            } else {
                self.out_valid.d.next = self.zero_due.q.val();
                self.zero_due.d.next = !self.character.val().all();
                self.open.d.next = true;
            }
        }
        self.data.next = self.out.q.val();
        self.data_valid.next = self.out_valid.q.val();
        self.delimiter.next = self.out_delimiter.q.val();
        self.was_open.next = self.out_open.q.val();
        self.was_cut.next = self.out_cut.q.val();
    }
}

/// Checks length and CRC and tells the queue to keep or forget what it was given.
///
/// `write`, `keep` and `forget` are combinational and never high together. Only header and payload are written.
#[derive(LogicBlock)]
pub struct FrameCheck {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// From [`CobsDecoder`].
    pub data: Signal<In, Bits<8>>,
    /// From [`CobsDecoder`].
    pub data_valid: Signal<In, Bit>,
    /// From [`CobsDecoder`].
    pub data_bit: Signal<In, Bit>,
    /// From [`CobsDecoder`].
    pub bit_valid: Signal<In, Bit>,
    /// From [`CobsDecoder`].
    pub delimiter: Signal<In, Bit>,
    /// From [`CobsDecoder`].
    pub was_open: Signal<In, Bit>,
    /// From [`CobsDecoder`].
    pub was_cut: Signal<In, Bit>,
    /// A character was lost: the frame it fell into is bad.
    pub broken: Signal<In, Bit>,
    /// `data` is to be queued.
    pub write: Signal<Out, Bit>,
    /// Everything written since the last verdict is a good frame.
    pub keep: Signal<Out, Bit>,
    /// Everything written since the last verdict is to be forgotten, and counted as one bad frame.
    pub forget: Signal<Out, Bit>,
    /// Bytes of header and CRC so far.
    place: DFF<Bits<4>>,
    place_up: Signal<Local, Bits<4>>,
    in_header: Signal<Local, Bit>,
    /// Payload bytes to come.
    payload: DFF<Bits<10>>,
    payload_down: Signal<Local, Bits<10>>,
    in_payload: Signal<Local, Bit>,
    length_low: Signal<Local, Bits<10>>,
    length_high: Signal<Local, Bits<10>>,
    too_long: Signal<Local, Bit>,
    /// The byte whose bits come is one of the CRC.
    in_crc: DFF<Bit>,
    crc: CrcRegister,
    bad: DFF<Bit>,
    good: Signal<Local, Bit>,
    header_bytes: Constant<Bits<4>>,
    length_low_at: Constant<Bits<4>>,
    length_high_at: Constant<Bits<4>>,
    all_bytes: Constant<Bits<4>>,
}

impl Default for FrameCheck {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            data: Default::default(),
            data_valid: Default::default(),
            data_bit: Default::default(),
            bit_valid: Default::default(),
            delimiter: Default::default(),
            was_open: Default::default(),
            was_cut: Default::default(),
            broken: Default::default(),
            write: Default::default(),
            keep: Default::default(),
            forget: Default::default(),
            place: Default::default(),
            place_up: Default::default(),
            in_header: Default::default(),
            payload: Default::default(),
            payload_down: Default::default(),
            in_payload: Default::default(),
            length_low: Default::default(),
            length_high: Default::default(),
            too_long: Default::default(),
            in_crc: Default::default(),
            crc: Default::default(),
            bad: Default::default(),
            good: Default::default(),
            header_bytes: Constant::new((HEADER_BYTES as u64).into()),
            length_low_at: Constant::new((HEADER_BYTES as u64 - 2).into()),
            length_high_at: Constant::new((HEADER_BYTES as u64 - 1).into()),
            all_bytes: Constant::new(((HEADER_BYTES + CRC_BYTES) as u64).into()),
        }
    }
}

/// `too_long` is made for this.
const _: () = assert!(MAX_PAYLOAD_BYTES == 1 << 9);

impl Logic for FrameCheck {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, place, payload, in_crc, bad);
        clock!(self, clock, crc);
        self.place_up.next = self.place.q.val() + 1;
        self.payload_down.next = self.payload.q.val() - 1;
        self.length_low.next = bit_cast::<10, 8>(self.data.val());
        self.length_high.next = self.length_low.val() << 8;
        self.too_long.next = (self.data.val() >> 2).any()
            || (self.data.val().get_bit(1)
                && (self.data.val().get_bit(0) || self.payload.q.val().get_bits::<8>(0).any()));
        self.in_header.next = self.place.q.val() < self.header_bytes.val();
        self.in_payload.next = (self.place.q.val() == self.header_bytes.val()) && self.payload.q.val().any();
        self.good.next =
            (self.place.q.val() == self.all_bytes.val()) && !self.bad.q.val() && !self.was_cut.val();
        self.crc.data_bit.next = self.data_bit.val();
        self.crc.step.next = self.bit_valid.val();
        self.crc.shift_out.next = self.in_crc.q.val();
        self.crc.clear.next = self.delimiter.val();
        self.write.next = false;
        self.keep.next = false;
        self.forget.next = false;
        if self.bit_valid.val() && self.in_crc.q.val() && (self.data_bit.val() != self.crc.crc_bit.val()) {
            self.bad.d.next = true;
        }
        if self.data_valid.val() {
            self.in_crc.d.next = !self.in_header.val() && !self.in_payload.val();
            self.write.next = (self.in_header.val() || self.in_payload.val()) && !self.bad.q.val();
            if self.place.q.val() == self.length_low_at.val() {
                self.payload.d.next = self.length_low.val();
            }
            if self.place.q.val() == self.length_high_at.val() {
                self.payload.d.next = self.length_high.val() | self.payload.q.val();
                if self.too_long.val() {
                    self.bad.d.next = true;
                }
            }
            if self.in_payload.val() {
                self.payload.d.next = self.payload_down.val();
            } else if self.place.q.val() == self.all_bytes.val() {
                self.bad.d.next = true;
            } else {
                self.place.d.next = self.place_up.val();
            }
        }
        if self.delimiter.val() {
            self.keep.next = self.was_open.val() && self.good.val();
            self.forget.next = (self.was_open.val() && !self.good.val()) || self.bad.q.val();
            self.place.d.next = 0.into();
            self.payload.d.next = 0.into();
            self.bad.d.next = false;
        }
        if self.broken.val() {
            self.bad.d.next = true;
        }
    }
}
