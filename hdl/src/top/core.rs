//! What every board has: the link and the hashing engine behind it.

use rust_hdl_core::prelude::*;

use crate::engine::Hasher;
use crate::link::Link;
use crate::link::registers::Identity;

/// Link and engine. `T` is the width of the bit timer, `D` the depth of the tree's stack.
#[derive(LogicBlock)]
pub struct Core<const T: usize, const D: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// From the host.
    pub uart_rx: Signal<In, Bit>,
    /// To the host.
    pub uart_tx: Signal<Out, Bit>,
    /// Changes with every frame accepted.
    pub activity: Signal<Out, Bit>,
    link: Link<T>,
    engine: Hasher<D>,
}

impl<const T: usize, const D: usize> Core<T, D> {
    /// The core of a board that is `identity`, at `clocks_per_bit` clocks a bit.
    pub fn new(clocks_per_bit: u64, identity: Identity) -> Self {
        Self {
            clock: Default::default(),
            uart_rx: Default::default(),
            uart_tx: Default::default(),
            activity: Default::default(),
            link: Link::new(clocks_per_bit, identity),
            engine: Default::default(),
        }
    }
}

impl<const T: usize, const D: usize> Logic for Core<T, D> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, link, engine);
        self.link.uart_rx.next = self.uart_rx.val();
        self.uart_tx.next = self.link.uart_tx.val();
        self.activity.next = self.link.activity.val();
        self.engine.command.next = self.link.engine_command.val();
        self.engine.command_valid.next = self.link.engine_command_valid.val();
        self.engine.data.next = self.link.engine_data.val();
        self.engine.data_valid.next = self.link.engine_data_valid.val();
        self.engine.digest_index.next = self.link.engine_digest_index.val();
        self.link.vault_pop.next = false;
        self.link.vault_busy.next = false;
        self.link.vault_answered.next = false;
        self.link.vault_status.next = 0.into();
        self.link.vault_reply_length.next = 0.into();
        self.link.vault_reply.next = 0.into();
        self.link.vault_reply_valid.next = false;
        self.link.engine_digest_byte.next = self.engine.digest_byte.val();
        self.link.engine_ready.next = self.engine.ready.val();
        self.link.engine_refused.next = self.engine.refused.val();
        self.link.engine_full.next = self.engine.full.val();
    }
}
