//! The root key: the one place where it is kept, and what it can do.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// Bits of the root.
pub const ROOT_BITS: usize = 256;

/// A ring of 32 bytes in flip-flops, turned byte by byte. `first` is the only way out.
#[derive(LogicBlock, Default)]
pub struct RootKey {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Byte that `load` takes.
    pub digest_byte: Signal<In, Bits<8>>,
    /// The first byte goes, `digest_byte` becomes the last. 32 times, first byte first, for a new root.
    pub load: Signal<In, Bit>,
    /// The first byte becomes the last. 32 times to use the root.
    pub turn: Signal<In, Bit>,
    /// The first byte goes, a zero becomes the last. 32 times to forget the root.
    pub forget: Signal<In, Bit>,
    /// The first byte.
    pub first: Signal<Out, Bits<8>>,
    key: DFF<Bits<ROOT_BITS>>,
    last: Signal<Local, Bits<8>>,
    last_wide: Signal<Local, Bits<ROOT_BITS>>,
    last_placed: Signal<Local, Bits<ROOT_BITS>>,
    rest: Signal<Local, Bits<ROOT_BITS>>,
}

impl RootKey {
    /// The simulated root, first byte first, for tests.
    pub fn bytes(&self) -> [u8; ROOT_BITS / 8] {
        let key = self.key.q.val();
        core::array::from_fn(|i| (0..8).fold(0, |byte, bit| byte | u8::from(key.get_bit(8 * i + bit)) << bit))
    }
}

impl Logic for RootKey {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, key);
        self.first.next = self.key.q.val().get_bits::<8>(0);
        self.last.next = 0.into();
        if self.load.val() {
            self.last.next = self.digest_byte.val();
        }
        if self.turn.val() {
            self.last.next = self.key.q.val().get_bits::<8>(0);
        }
        self.last_wide.next = bit_cast::<ROOT_BITS, 8>(self.last.val());
        self.last_placed.next = self.last_wide.val() << 248;
        self.rest.next = self.key.q.val() >> 8;
        if self.load.val() || self.turn.val() || self.forget.val() {
            self.key.d.next = self.rest.val() | self.last_placed.val();
        }
    }
}
