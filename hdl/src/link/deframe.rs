//! From characters to checked frames: COBS is undone a byte at a time, header and payload go on to the queue, and the
//! closing delimiter brings the verdict.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{CRC_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

use super::crc::{CRC_INIT, CRC_RESIDUE, CrcStep};

/// Undoes COBS; the gateware twin of [`twinseal_wire::cobs::Decoder`]. All outputs come one clock after `valid`.
#[derive(LogicBlock, Default)]
pub struct CobsDecoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A character from the line.
    pub character: Signal<In, Bits<8>>,
    /// `character` is new.
    pub valid: Signal<In, Bit>,
    /// A byte of the frame.
    pub data: Signal<Out, Bits<8>>,
    /// `data` is new.
    pub data_valid: Signal<Out, Bit>,
    /// A delimiter came.
    pub delimiter: Signal<Out, Bit>,
    /// With `delimiter`: something stood between it and the delimiter before.
    pub was_open: Signal<Out, Bit>,
    /// With `delimiter`: it came inside a block.
    pub was_cut: Signal<Out, Bit>,
    /// Bytes left in the current block.
    left: DFF<Bits<8>>,
    code_down: Signal<Local, Bits<8>>,
    left_down: Signal<Local, Bits<8>>,
    /// The block just ended stands for a zero if another follows.
    zero_due: DFF<Bit>,
    /// A code byte was seen since the delimiter.
    open: DFF<Bit>,
    out: DFF<Bits<8>>,
    out_valid: DFF<Bit>,
    out_delimiter: DFF<Bit>,
    out_open: DFF<Bit>,
    out_cut: DFF<Bit>,
}

impl Logic for CobsDecoder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, zero_due, open, out, out_valid, out_delimiter, out_open, out_cut);
        self.code_down.next = self.character.val() - 1;
        self.left_down.next = self.left.q.val() - 1;
        self.out_valid.d.next = false;
        self.out_delimiter.d.next = false;
        if self.valid.val() {
            if !self.character.val().any() {
                self.out_delimiter.d.next = true;
                self.out_open.d.next = self.open.q.val();
                self.out_cut.d.next = self.left.q.val().any();
                self.left.d.next = 0.into();
                self.zero_due.d.next = false;
                self.open.d.next = false;
            } else if self.left.q.val().any() {
                self.left.d.next = self.left_down.val();
                self.out.d.next = self.character.val();
                self.out_valid.d.next = true;
            } else {
                self.left.d.next = self.code_down.val();
                self.out.d.next = 0.into();
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
    /// Header bytes so far.
    header: DFF<Bits<3>>,
    header_up: Signal<Local, Bits<3>>,
    in_header: Signal<Local, Bit>,
    length_low: DFF<Bits<8>>,
    low: Signal<Local, Bits<16>>,
    high: Signal<Local, Bits<16>>,
    high_shifted: Signal<Local, Bits<16>>,
    length: Signal<Local, Bits<16>>,
    /// Payload bytes to come.
    payload: DFF<Bits<10>>,
    payload_down: Signal<Local, Bits<10>>,
    in_payload: Signal<Local, Bit>,
    /// CRC bytes so far.
    tail: DFF<Bits<3>>,
    tail_up: Signal<Local, Bits<3>>,
    bad: DFF<Bit>,
    crc: DFFWithInit<Bits<32>>,
    crc_step: CrcStep,
    complete: Signal<Local, Bit>,
    wanted: Signal<Local, Bit>,
    good: Signal<Local, Bit>,
    crc_init: Constant<Bits<32>>,
    crc_residue: Constant<Bits<32>>,
    header_bytes: Constant<Bits<3>>,
    length_low_at: Constant<Bits<3>>,
    length_high_at: Constant<Bits<3>>,
    crc_bytes: Constant<Bits<3>>,
    max_payload: Constant<Bits<16>>,
}

impl Default for FrameCheck {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            data: Default::default(),
            data_valid: Default::default(),
            delimiter: Default::default(),
            was_open: Default::default(),
            was_cut: Default::default(),
            broken: Default::default(),
            write: Default::default(),
            keep: Default::default(),
            forget: Default::default(),
            header: Default::default(),
            header_up: Default::default(),
            in_header: Default::default(),
            length_low: Default::default(),
            low: Default::default(),
            high: Default::default(),
            high_shifted: Default::default(),
            length: Default::default(),
            payload: Default::default(),
            payload_down: Default::default(),
            in_payload: Default::default(),
            tail: Default::default(),
            tail_up: Default::default(),
            bad: Default::default(),
            crc: DFFWithInit::new(CRC_INIT.into()),
            crc_step: Default::default(),
            complete: Default::default(),
            wanted: Default::default(),
            good: Default::default(),
            crc_init: Constant::new(CRC_INIT.into()),
            crc_residue: Constant::new(CRC_RESIDUE.into()),
            header_bytes: Constant::new((HEADER_BYTES as u64).into()),
            length_low_at: Constant::new((HEADER_BYTES as u64 - 2).into()),
            length_high_at: Constant::new((HEADER_BYTES as u64 - 1).into()),
            crc_bytes: Constant::new((CRC_BYTES as u64).into()),
            max_payload: Constant::new((MAX_PAYLOAD_BYTES as u64).into()),
        }
    }
}

impl Logic for FrameCheck {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, header, length_low, payload, tail, bad, crc);
        self.crc_step.state.next = self.crc.q.val();
        self.crc_step.data.next = self.data.val();
        self.header_up.next = self.header.q.val() + 1;
        self.payload_down.next = self.payload.q.val() - 1;
        self.tail_up.next = self.tail.q.val() + 1;
        self.low.next = bit_cast::<16, 8>(self.length_low.q.val());
        self.high.next = bit_cast::<16, 8>(self.data.val());
        self.high_shifted.next = self.high.val() << 8;
        self.length.next = self.high_shifted.val() | self.low.val();
        self.in_header.next = self.header.q.val() != self.header_bytes.val();
        self.in_payload.next = self.payload.q.val().any();
        self.wanted.next = self.in_header.val() || self.in_payload.val();
        self.complete.next = !self.in_header.val() && !self.in_payload.val();
        self.good.next = self.complete.val()
            && (self.tail.q.val() == self.crc_bytes.val())
            && (self.crc.q.val() == self.crc_residue.val())
            && !self.bad.q.val()
            && !self.was_cut.val();
        self.write.next = false;
        self.keep.next = false;
        self.forget.next = false;
        if self.data_valid.val() {
            self.crc.d.next = self.crc_step.after.val();
            if self.wanted.val() {
                self.write.next = !self.bad.q.val();
            }
            if self.in_header.val() {
                self.header.d.next = self.header_up.val();
                if self.header.q.val() == self.length_low_at.val() {
                    self.length_low.d.next = self.data.val();
                }
                if self.header.q.val() == self.length_high_at.val() {
                    self.payload.d.next = self.length.val().get_bits::<10>(0);
                    if self.length.val() > self.max_payload.val() {
                        self.bad.d.next = true;
                    }
                }
            } else if self.in_payload.val() {
                self.payload.d.next = self.payload_down.val();
            } else if self.tail.q.val() == self.crc_bytes.val() {
                self.bad.d.next = true;
            } else {
                self.tail.d.next = self.tail_up.val();
            }
        }
        if self.delimiter.val() {
            self.keep.next = self.was_open.val() && self.good.val();
            self.forget.next = (self.was_open.val() && !self.good.val()) || self.bad.q.val();
            self.header.d.next = 0.into();
            self.payload.d.next = 0.into();
            self.tail.d.next = 0.into();
            self.bad.d.next = false;
            self.crc.d.next = self.crc_init.val();
        }
        if self.broken.val() {
            self.bad.d.next = true;
        }
    }
}
