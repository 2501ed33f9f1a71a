//! From a response to the line: CRC and COBS as the bytes come, then out when the frame is whole.
//!
//! A response fits one 254-byte COBS block, so encoding needs one memory write per byte: a byte that is not zero goes
//! to its place, a zero leaves its place to the next code and fills the one before. Every byte passes through one shift
//! register, whose bits go to the CRC; at the end the bits of the CRC come in at its other end.
//!
//! A frame fills a quarter of a block RAM. The registers live in the rest, and have it whenever the framer does not.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{CRC_BYTES, HEADER_BYTES, MAX_RESPONSE_BYTES};

use super::crc::CrcRegister;
use crate::engine::{BlockRam, Zeros};

const ADDRESS_BITS: usize = 7;
const _: () = assert!(HEADER_BYTES + MAX_RESPONSE_BYTES + CRC_BYTES + 2 <= 1 << ADDRESS_BITS);
/// Of what is lent: the upper half of the memory.
pub const LENT_BITS: usize = 7;

#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum FramerState {
    Open,
    Collect,
    Bits,
    CrcBits,
    CrcByte,
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
    /// A byte is taken in this clock; the next one nine clocks later.
    pub ready: Signal<Out, Bit>,
    /// A character for the line, taken when `line_valid` and `line_ready` are high.
    pub line_data: Signal<Out, Bits<8>>,
    /// There is a character.
    pub line_valid: Signal<Out, Bit>,
    /// The line takes a character.
    pub line_ready: Signal<In, Bit>,
    /// Where in the lent memory to read, or write.
    pub lent_address: Signal<In, Bits<LENT_BITS>>,
    /// Write `lent_data` there; only while not `taken`.
    pub lent_write: Signal<In, Bit>,
    /// What to write.
    pub lent_data: Signal<In, Bits<8>>,
    /// The framer needs the memory in this clock: nothing else is read or written.
    pub taken: Signal<Out, Bit>,
    /// What was read in the clock before.
    pub memory: Signal<Out, Bits<8>>,
    state: DFF<FramerState>,
    ram: BlockRam<8, 8, Zeros>,
    own_address: Signal<Local, Bits<ADDRESS_BITS>>,
    own_data: Signal<Local, Bits<8>>,
    own_write: Signal<Local, Bit>,
    own_read: Signal<Local, Bit>,
    lent_place: Signal<Local, Bits<8>>,
    /// Where the next byte goes.
    write_at: DFF<Bits<ADDRESS_BITS>>,
    write_up: Signal<Local, Bits<ADDRESS_BITS>>,
    /// Where the code of the open run goes.
    code_at: DFF<Bits<ADDRESS_BITS>>,
    distance: Signal<Local, Bits<ADDRESS_BITS>>,
    code: Signal<Local, Bits<8>>,
    read_at: DFF<Bits<ADDRESS_BITS>>,
    read_up: Signal<Local, Bits<ADDRESS_BITS>>,
    crc: CrcRegister,
    /// The byte at hand.
    shift: DFF<Bits<8>>,
    shift_down: Signal<Local, Bits<8>>,
    /// Its bits so far.
    bits: DFF<Bits<3>>,
    bits_up: Signal<Local, Bits<3>>,
    /// CRC bytes so far.
    tail: DFF<Bits<2>>,
    tail_up: Signal<Local, Bits<2>>,
    /// `shift` is to be encoded.
    encode: Signal<Local, Bit>,
}

impl Framer {
    /// A framer whose lent memory starts with `lent`.
    pub fn new(lent: &[u8]) -> Self {
        let mut contents = vec![0; 1 << ADDRESS_BITS];
        contents.extend(lent.iter().map(|&byte| u64::from(byte)));
        Self {
            clock: Default::default(),
            data: Default::default(),
            push: Default::default(),
            finish: Default::default(),
            ready: Default::default(),
            line_data: Default::default(),
            line_valid: Default::default(),
            line_ready: Default::default(),
            lent_address: Default::default(),
            lent_write: Default::default(),
            lent_data: Default::default(),
            taken: Default::default(),
            memory: Default::default(),
            state: Default::default(),
            ram: BlockRam::loaded(contents),
            own_address: Default::default(),
            own_data: Default::default(),
            own_write: Default::default(),
            own_read: Default::default(),
            lent_place: Default::default(),
            write_at: Default::default(),
            write_up: Default::default(),
            code_at: Default::default(),
            distance: Default::default(),
            code: Default::default(),
            read_at: Default::default(),
            read_up: Default::default(),
            crc: Default::default(),
            shift: Default::default(),
            shift_down: Default::default(),
            bits: Default::default(),
            bits_up: Default::default(),
            tail: Default::default(),
            tail_up: Default::default(),
            encode: Default::default(),
        }
    }
}

impl Logic for Framer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, write_at, code_at, read_at, shift, bits, tail);
        clock!(self, clock, ram, crc);
        self.write_up.next = self.write_at.q.val() + 1;
        self.read_up.next = self.read_at.q.val() + 1;
        self.bits_up.next = self.bits.q.val() + 1;
        self.tail_up.next = self.tail.q.val() + 1;
        self.distance.next = self.write_at.q.val() - self.code_at.q.val();
        self.code.next = bit_cast::<8, ADDRESS_BITS>(self.distance.val());
        self.shift_down.next = self.shift.q.val() >> 1;
        self.crc.data_bit.next = self.shift.q.val().get_bit(0);
        self.crc.shift_out.next = self.state.q.val() == FramerState::CrcBits;
        self.crc.step.next = false;
        self.crc.clear.next = false;
        self.ready.next = false;
        self.line_valid.next = false;
        self.line_data.next = self.ram.read_data.val();
        self.own_address.next = self.write_at.q.val();
        self.own_data.next = self.shift.q.val();
        self.own_write.next = false;
        self.own_read.next = false;
        self.encode.next = false;
        match self.state.q.val() {
            FramerState::Open => {
                self.write_at.d.next = 1.into();
                self.code_at.d.next = 0.into();
                self.read_at.d.next = 0.into();
                self.crc.clear.next = true;
                self.state.d.next = FramerState::Collect;
            }
            FramerState::Collect => {
                self.ready.next = true;
                self.shift.d.next = self.data.val();
                if self.push.val() {
                    self.state.d.next = FramerState::Bits;
                }
                if self.finish.val() {
                    self.state.d.next = FramerState::CrcBits;
                }
            }
            FramerState::Bits => {
                self.crc.step.next = true;
                self.bits.d.next = self.bits_up.val();
                self.shift.d.next = self.shift_down.val();
                self.encode.next = !self.bits.q.val().any();
                if self.bits.q.val().all() {
                    self.state.d.next = FramerState::Collect;
                }
            }
            FramerState::CrcBits => {
                self.crc.step.next = true;
                self.bits.d.next = self.bits_up.val();
                self.shift.d.next = self.shift_down.val();
                if self.crc.crc_bit.val() {
                    self.shift.d.next = self.shift_down.val() | 0x80;
                }
                if self.bits.q.val().all() {
                    self.state.d.next = FramerState::CrcByte;
                }
            }
            FramerState::CrcByte => {
                self.encode.next = true;
                self.shift.d.next = 0.into();
                self.tail.d.next = self.tail_up.val();
                self.state.d.next = FramerState::CrcBits;
                if self.tail.q.val().all() {
                    self.state.d.next = FramerState::Code;
                }
            }
            FramerState::Code => {
                self.own_address.next = self.code_at.q.val();
                self.own_data.next = self.code.val();
                self.own_write.next = true;
                self.state.d.next = FramerState::Delimiter;
            }
            FramerState::Delimiter => {
                // `shift` is zero.
                self.own_write.next = true;
                self.state.d.next = FramerState::Fetch;
            }
            FramerState::Fetch => {
                if self.line_ready.val() {
                    self.own_read.next = true;
                    self.state.d.next = FramerState::Send;
                }
            }
            FramerState::Send => {
                self.line_valid.next = true;
                self.state.d.next = FramerState::Fetch;
                if self.line_ready.val() {
                    self.read_at.d.next = self.read_up.val();
                    if self.read_at.q.val() == self.write_at.q.val() {
                        self.state.d.next = FramerState::Open;
                    }
                }
            }
        }
        if self.encode.val() {
            self.own_write.next = true;
            self.write_at.d.next = self.write_up.val();
            if !self.shift.q.val().any() {
                self.own_address.next = self.code_at.q.val();
                self.own_data.next = self.code.val();
                self.code_at.d.next = self.write_at.q.val();
            }
        }
        self.taken.next = self.own_write.val() || self.own_read.val();
        self.memory.next = self.ram.read_data.val();
        self.lent_place.next = bit_cast::<8, LENT_BITS>(self.lent_address.val()) | 0x80;
        self.ram.read_enable.next = true;
        self.ram.read_address.next = self.lent_place.val();
        if self.own_read.val() {
            self.ram.read_address.next = bit_cast::<8, ADDRESS_BITS>(self.read_at.q.val());
        }
        self.ram.write_address.next = self.lent_place.val();
        self.ram.write_data.next = self.lent_data.val();
        self.ram.write_enable.next = self.own_write.val() || self.lent_write.val();
        if self.own_write.val() {
            self.ram.write_address.next = bit_cast::<8, ADDRESS_BITS>(self.own_address.val());
            self.ram.write_data.next = self.own_data.val();
        }
    }
}
