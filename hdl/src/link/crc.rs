//! CRC-32 (IEEE 802.3, reflected), one bit per clock: a character of the line lasts 40 clocks or more.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// State before the first bit.
const INIT: u64 = 0xFFFF_FFFF;
const POLYNOMIAL: u64 = 0xEDB8_8320;

/// The register of the CRC. Bytes go in with their least significant bit first.
#[derive(LogicBlock)]
pub struct CrcRegister {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Back to the state before the first bit.
    pub clear: Signal<In, Bit>,
    /// Take `data_bit`, or, with `shift_out`, go on to the next bit of the CRC; not with `clear`.
    pub step: Signal<In, Bit>,
    /// A bit of what is checked.
    pub data_bit: Signal<In, Bit>,
    /// With `step`: what is checked has ended, and the CRC goes out.
    pub shift_out: Signal<In, Bit>,
    /// The next bit of the CRC of everything so far, least significant first.
    pub crc_bit: Signal<Out, Bit>,
    state: DFFWithInit<Bits<32>>,
    shifted: Signal<Local, Bits<32>>,
    init: Constant<Bits<32>>,
    polynomial: Constant<Bits<32>>,
}

impl Default for CrcRegister {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            clear: Default::default(),
            step: Default::default(),
            data_bit: Default::default(),
            shift_out: Default::default(),
            crc_bit: Default::default(),
            state: DFFWithInit::new(INIT.into()),
            shifted: Default::default(),
            init: Constant::new(INIT.into()),
            polynomial: Constant::new(POLYNOMIAL.into()),
        }
    }
}

impl Logic for CrcRegister {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state);
        self.shifted.next = self.state.q.val() >> 1;
        // The CRC is the complement of the state.
        self.crc_bit.next = !self.state.q.val().get_bit(0);
        if self.step.val() {
            self.state.d.next = self.shifted.val();
            if (self.state.q.val().get_bit(0) != self.data_bit.val()) && !self.shift_out.val() {
                self.state.d.next = self.shifted.val() ^ self.polynomial.val();
            }
        }
        if self.clear.val() {
            self.state.d.next = self.init.val();
        }
    }
}
