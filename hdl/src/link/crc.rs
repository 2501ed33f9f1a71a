//! CRC-32 (IEEE 802.3, reflected), one byte per clock.

use rust_hdl_core::prelude::*;

/// State before the first byte.
pub const CRC_INIT: u64 = 0xFFFF_FFFF;
/// State after a frame and its own CRC in little-endian order, if the two belong together.
pub const CRC_RESIDUE: u64 = 0xDEBB_20E3;
const POLYNOMIAL: u64 = 0xEDB8_8320;

/// Combinational: the state after one more byte.
#[derive(LogicBlock)]
pub struct CrcStep {
    /// State so far.
    pub state: Signal<In, Bits<32>>,
    /// The byte.
    pub data: Signal<In, Bits<8>>,
    /// State after the byte.
    pub after: Signal<Out, Bits<32>>,
    wide: Signal<Local, Bits<32>>,
    stage: [Signal<Local, Bits<32>>; 9],
    polynomial: Constant<Bits<32>>,
}

impl Default for CrcStep {
    fn default() -> Self {
        Self {
            state: Default::default(),
            data: Default::default(),
            after: Default::default(),
            wide: Default::default(),
            stage: Default::default(),
            polynomial: Constant::new(POLYNOMIAL.into()),
        }
    }
}

impl Logic for CrcStep {
    #[hdl_gen]
    fn update(&mut self) {
        self.wide.next = bit_cast::<32, 8>(self.data.val());
        self.stage[0].next = self.state.val() ^ self.wide.val();
        for i in 0..8 {
            if self.stage[i].val().get_bit(0) {
                self.stage[i + 1].next = (self.stage[i].val() >> 1) ^ self.polynomial.val();
            } else {
                self.stage[i + 1].next = self.stage[i].val() >> 1;
            }
        }
        self.after.next = self.stage[8].val();
    }
}
