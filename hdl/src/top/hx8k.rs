//! The iCE40-HX8K breakout board: one clock straight from the oscillator, the UART of the FT2232H, two LEDs. It has no
//! button, so enrolment is always permitted. Also the board that is only simulated, whose rings are made of numbers.
//!
//! There is no reset: every register has its initial value from the bitstream.

use rust_hdl_core::prelude::*;

use super::core::Core;
use super::{STACK_DEPTH, TIMER_BITS};
use crate::engine::Rings;
use crate::link::registers::Identity;

/// The top; its fields are the names of the ports.
#[derive(LogicBlock)]
pub struct Hx8k {
    /// From the oscillator.
    pub clock: Signal<In, Clock>,
    /// From the host.
    pub uart_rx: Signal<In, Bit>,
    /// To the host.
    pub uart_tx: Signal<Out, Bit>,
    /// Changes with every frame accepted.
    pub led: Signal<Out, Bit>,
    /// Lit while the vault is at work.
    pub busy: Signal<Out, Bit>,
    permitted: Constant<Bit>,
    core: Core<TIMER_BITS, STACK_DEPTH>,
}

impl Hx8k {
    /// The top of a board that is `identity`, at `clocks_per_bit` clocks a bit, with these rings.
    pub fn new(clocks_per_bit: u64, identity: Identity, rings: Rings) -> Self {
        Self {
            clock: Default::default(),
            uart_rx: Default::default(),
            uart_tx: Default::default(),
            led: Default::default(),
            busy: Default::default(),
            permitted: Constant::new(true),
            core: Core::new(clocks_per_bit, identity, rings),
        }
    }
}

impl Logic for Hx8k {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, core);
        self.core.uart_rx.next = self.uart_rx.val();
        self.core.permit_enrol.next = self.permitted.val();
        self.uart_tx.next = self.core.uart_tx.val();
        self.led.next = self.core.activity.val();
        self.busy.next = self.core.busy.val();
    }
}
