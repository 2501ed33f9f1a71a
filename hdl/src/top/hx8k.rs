//! The iCE40-HX8K breakout board: one clock straight from the oscillator, the UART of the FT2232H, one LED.
//!
//! There is no reset: every register has its initial value from the bitstream.

use rust_hdl_core::prelude::*;

use super::STACK_DEPTH;
use super::core::Core;
use crate::link::registers::Identity;

/// Width of the bit timer: up to four clocks a bit.
const TIMER_BITS: usize = 2;

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
    core: Core<TIMER_BITS, STACK_DEPTH>,
}

impl Hx8k {
    /// The top of a board that is `identity`, at `clocks_per_bit` clocks a bit.
    pub fn new(clocks_per_bit: u64, identity: Identity) -> Self {
        Self {
            clock: Default::default(),
            uart_rx: Default::default(),
            uart_tx: Default::default(),
            led: Default::default(),
            core: Core::new(clocks_per_bit, identity),
        }
    }
}

impl Logic for Hx8k {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, core);
        self.core.uart_rx.next = self.uart_rx.val();
        self.uart_tx.next = self.core.uart_tx.val();
        self.led.next = self.core.activity.val();
    }
}
