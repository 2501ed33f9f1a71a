//! What every board has: the link, the hashing engine, the rings, and the vault that uses both.
//!
//! While the vault is busy the hashing engine is the vault's: the link neither commands it nor sees a digest.

use rust_hdl_core::prelude::*;

use crate::engine::{Hasher, Rings};
use crate::link::Link;
use crate::link::registers::Identity;
use crate::vault::Vault;

/// Link, engines and vault. `T` is the width of the bit timer, `D` the depth of the tree's stack.
#[derive(LogicBlock)]
pub struct Core<const T: usize, const D: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// From the host.
    pub uart_rx: Signal<In, Bit>,
    /// To the host.
    pub uart_tx: Signal<Out, Bit>,
    /// The vault may be enrolled.
    pub permit_enrol: Signal<In, Bit>,
    /// Changes with every frame accepted.
    pub activity: Signal<Out, Bit>,
    /// The vault is at work.
    pub busy: Signal<Out, Bit>,
    link: Link<T>,
    engine: Hasher<D>,
    vault: Vault,
    rings: Rings,
}

impl<const T: usize, const D: usize> Core<T, D> {
    /// The core of a board that is `identity`, at `clocks_per_bit` clocks a bit, with these rings.
    pub fn new(clocks_per_bit: u64, identity: Identity, rings: Rings) -> Self {
        Self {
            clock: Default::default(),
            uart_rx: Default::default(),
            uart_tx: Default::default(),
            permit_enrol: Default::default(),
            activity: Default::default(),
            busy: Default::default(),
            link: Link::new(clocks_per_bit, identity),
            engine: Default::default(),
            vault: Vault::new(identity.build_id, identity.clock_hz),
            rings,
        }
    }
}

impl<const T: usize, const D: usize> Logic for Core<T, D> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, link, engine, vault, rings);
        self.link.uart_rx.next = self.uart_rx.val();
        self.uart_tx.next = self.link.uart_tx.val();
        self.activity.next = self.link.activity.val();
        self.busy.next = self.vault.busy.val();

        self.engine.command.next = self.link.engine_command.val();
        self.engine.command_valid.next = self.link.engine_command_valid.val();
        self.engine.data.next = self.link.engine_data.val();
        self.engine.data_valid.next = self.link.engine_data_valid.val();
        self.engine.digest_index.next = self.link.engine_digest_index.val();
        self.link.engine_digest_byte.next = self.engine.digest_byte.val();
        self.link.engine_ready.next = self.engine.ready.val();
        self.link.engine_refused.next = self.engine.refused.val();
        self.link.engine_full.next = self.engine.full.val();
        self.vault.engine_digest_byte.next = self.engine.digest_byte.val();
        self.vault.engine_ready.next = self.engine.ready.val();
        if self.vault.busy.val() {
            self.engine.command.next = self.vault.engine_command.val();
            self.engine.command_valid.next = self.vault.engine_command_valid.val();
            self.engine.data.next = self.vault.engine_data.val();
            self.engine.data_valid.next = self.vault.engine_data_valid.val();
            self.engine.digest_index.next = self.vault.engine_digest_index.val();
            self.link.engine_digest_byte.next = 0.into();
            self.link.engine_ready.next = false;
        }

        self.vault.start.next = self.link.vault_start.val();
        self.vault.request.next = self.link.vault_request.val();
        self.vault.length.next = self.link.vault_length.val();
        self.vault.data.next = self.link.vault_data.val();
        self.vault.data_available.next = self.link.vault_data_available.val();
        self.vault.permit_enrol.next = self.permit_enrol.val();
        self.vault.reply_taken.next = self.link.vault_reply_taken.val();
        self.link.vault_pop.next = self.vault.pop.val();
        self.link.vault_busy.next = self.vault.busy.val();
        self.link.vault_answered.next = self.vault.answered.val();
        self.link.vault_status.next = self.vault.status.val();
        self.link.vault_reply_length.next = self.vault.reply_length.val();
        self.link.vault_reply.next = self.vault.reply.val();
        self.link.vault_reply_valid.next = self.vault.reply_valid.val();

        self.rings.pair.next = self.vault.pair.val();
        self.rings.run.next = self.vault.run.val();
        self.rings.clear.next = self.vault.clear.val();
        self.vault.first.next = self.rings.first.val();
        self.vault.second.next = self.rings.second.val();
    }
}
