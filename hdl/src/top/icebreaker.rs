//! The iCEBreaker (UP5K): one clock straight from the oscillator, the UART of the FT2232H, two LEDs, and the button whose
//! holding permits enrolment. LEDs and button are active low.
//!
//! There is no reset: every register has its initial value from the bitstream.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

use super::core::Core;
use super::{STACK_DEPTH, TIMER_BITS};
use crate::engine::Rings;
use crate::link::registers::Identity;

/// The top; its fields are the names of the ports.
#[derive(LogicBlock)]
pub struct IceBreaker {
    /// From the oscillator.
    pub clock: Signal<In, Clock>,
    /// From the host.
    pub uart_rx: Signal<In, Bit>,
    /// To the host.
    pub uart_tx: Signal<Out, Bit>,
    /// Low while the button is held.
    pub button: Signal<In, Bit>,
    /// The green LED: changes with every frame accepted.
    pub led: Signal<Out, Bit>,
    /// The red LED: low, and so lit, while the vault is at work.
    pub busy: Signal<Out, Bit>,
    held: BitSynchronizer,
    core: Core<TIMER_BITS, STACK_DEPTH>,
}

impl IceBreaker {
    /// The top of a board that is `identity`, at `clocks_per_bit` clocks a bit, with these rings.
    pub fn new(clocks_per_bit: u64, identity: Identity, rings: Rings) -> Self {
        Self {
            clock: Default::default(),
            uart_rx: Default::default(),
            uart_tx: Default::default(),
            button: Default::default(),
            led: Default::default(),
            busy: Default::default(),
            held: Default::default(),
            core: Core::new(clocks_per_bit, identity, rings),
        }
    }
}

impl Logic for IceBreaker {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, held, core);
        self.held.sig_in.next = !self.button.val();
        self.core.uart_rx.next = self.uart_rx.val();
        self.core.permit_enrol.next = self.held.sig_out.val();
        self.uart_tx.next = self.core.uart_tx.val();
        self.led.next = !self.core.activity.val();
        self.busy.next = !self.core.busy.val();
    }
}
