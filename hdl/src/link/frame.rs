//! From a response to the line: CRC and COBS as the bytes come, then out when the frame is whole.
//!
//! A response fits one 254-byte COBS block, so encoding needs one memory write per byte: a byte that is not zero goes
//! to its place, a zero leaves its place to the next code and fills the one before.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{CRC_BYTES, HEADER_BYTES, MAX_RESPONSE_BYTES};

use super::crc::{CRC_INIT, CrcStep};
use crate::engine::{BlockRam, Zeros};

const ADDRESS_BITS: usize = 7;
const _: () = assert!(HEADER_BYTES + MAX_RESPONSE_BYTES + CRC_BYTES + 2 <= 1 << ADDRESS_BITS);

#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum FramerState {
    Open,
    Collect,
    Crc,
    Code,
    Delimiter,
    Fetch,
    Send,
}

/// Collects one frame, then sends it.
#[derive(LogicBlock)]
pub struct Framer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A byte of header or payload.
    pub data: Signal<In, Bits<8>>,
    /// Take `data`; only while `ready`.
    pub push: Signal<In, Bit>,
    /// Header and payload are complete; only while `ready`, and not with `push`.
    pub finish: Signal<In, Bit>,
    /// Collecting.
    pub ready: Signal<Out, Bit>,
    /// A character for the line, taken when `line_valid` and `line_ready` are high.
    pub line_data: Signal<Out, Bits<8>>,
    /// There is a character.
    pub line_valid: Signal<Out, Bit>,
    /// The line takes a character.
    pub line_ready: Signal<In, Bit>,
    state: DFF<FramerState>,
    ram: BlockRam<ADDRESS_BITS, 8, Zeros>,
    /// Where the next byte goes.
    write_at: DFF<Bits<ADDRESS_BITS>>,
    write_up: Signal<Local, Bits<ADDRESS_BITS>>,
    /// Where the code of the open run goes.
    code_at: DFF<Bits<ADDRESS_BITS>>,
    distance: Signal<Local, Bits<ADDRESS_BITS>>,
    code: Signal<Local, Bits<8>>,
    read_at: DFF<Bits<ADDRESS_BITS>>,
    read_up: Signal<Local, Bits<ADDRESS_BITS>>,
    crc: DFF<Bits<32>>,
    crc_step: CrcStep,
    /// CRC bytes so far.
    tail: DFF<Bits<2>>,
    tail_up: Signal<Local, Bits<2>>,
    /// The byte being encoded.
    plain: Signal<Local, Bits<8>>,
    encode: Signal<Local, Bit>,
    crc_init: Constant<Bits<32>>,
}

impl Default for Framer {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            data: Default::default(),
            push: Default::default(),
            finish: Default::default(),
            ready: Default::default(),
            line_data: Default::default(),
            line_valid: Default::default(),
            line_ready: Default::default(),
            state: Default::default(),
            ram: Default::default(),
            write_at: Default::default(),
            write_up: Default::default(),
            code_at: Default::default(),
            distance: Default::default(),
            code: Default::default(),
            read_at: Default::default(),
            read_up: Default::default(),
            crc: Default::default(),
            crc_step: Default::default(),
            tail: Default::default(),
            tail_up: Default::default(),
            plain: Default::default(),
            encode: Default::default(),
            crc_init: Constant::new(CRC_INIT.into()),
        }
    }
}

impl Logic for Framer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, write_at, code_at, read_at, crc, tail);
        clock!(self, clock, ram);
        self.crc_step.state.next = self.crc.q.val();
        self.crc_step.data.next = self.data.val();
        self.write_up.next = self.write_at.q.val() + 1;
        self.read_up.next = self.read_at.q.val() + 1;
        self.tail_up.next = self.tail.q.val() + 1;
        self.distance.next = self.write_at.q.val() - self.code_at.q.val();
        self.code.next = bit_cast::<8, ADDRESS_BITS>(self.distance.val());
        self.ready.next = false;
        self.line_valid.next = false;
        self.line_data.next = self.ram.read_data.val();
        self.ram.read_enable.next = true;
        self.ram.read_address.next = self.read_at.q.val();
        self.ram.write_address.next = self.write_at.q.val();
        self.ram.write_data.next = 0.into();
        self.ram.write_enable.next = false;
        self.plain.next = self.data.val();
        self.encode.next = false;
        match self.state.q.val() {
            FramerState::Open => {
                self.write_at.d.next = 1.into();
                self.code_at.d.next = 0.into();
                self.read_at.d.next = 0.into();
                self.tail.d.next = 0.into();
                self.crc.d.next = self.crc_init.val();
                self.state.d.next = FramerState::Collect;
            }
            FramerState::Collect => {
                self.ready.next = true;
                if self.push.val() {
                    self.encode.next = true;
                    self.crc.d.next = self.crc_step.after.val();
                }
                if self.finish.val() {
                    self.crc.d.next = !self.crc.q.val();
                    self.state.d.next = FramerState::Crc;
                }
            }
            FramerState::Crc => {
                self.plain.next = self.crc.q.val().get_bits::<8>(0);
                self.encode.next = true;
                self.crc.d.next = self.crc.q.val() >> 8;
                self.tail.d.next = self.tail_up.val();
                if self.tail.q.val().all() {
                    self.state.d.next = FramerState::Code;
                }
            }
            FramerState::Code => {
                self.ram.write_address.next = self.code_at.q.val();
                self.ram.write_data.next = self.code.val();
                self.ram.write_enable.next = true;
                self.state.d.next = FramerState::Delimiter;
            }
            FramerState::Delimiter => {
                self.ram.write_enable.next = true;
                self.state.d.next = FramerState::Fetch;
            }
            FramerState::Fetch => {
                self.state.d.next = FramerState::Send;
            }
            FramerState::Send => {
                self.line_valid.next = true;
                if self.line_ready.val() {
                    self.read_at.d.next = self.read_up.val();
                    self.state.d.next = FramerState::Fetch;
                    if self.read_at.q.val() == self.write_at.q.val() {
                        self.state.d.next = FramerState::Open;
                    }
                }
            }
        }
        if self.encode.val() {
            self.ram.write_data.next = self.plain.val();
            self.ram.write_enable.next = true;
            self.write_at.d.next = self.write_up.val();
            if !self.plain.val().any() {
                self.ram.write_address.next = self.code_at.q.val();
                self.ram.write_data.next = self.code.val();
                self.code_at.d.next = self.write_at.q.val();
            }
        }
    }
}
