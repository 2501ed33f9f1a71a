//! The link to the host: a serial line in, checked frames through a queue to the dispatcher, responses out.
//! See `README.md` beside this file.

pub mod crc;
pub mod deframe;
pub mod dispatch;
pub mod frame;
pub mod queue;
pub mod registers;
pub mod uart;

use rust_hdl_core::prelude::*;

use deframe::{CobsDecoder, FrameCheck};
use dispatch::Dispatcher;
use frame::Framer;
use queue::PacketQueue;
use registers::{Identity, REGISTERS, RegisterFile};
use uart::{UartRx, UartTx};

/// Everything between the pins and the engines. `T` as in [`UartRx`].
#[derive(LogicBlock)]
pub struct Link<const T: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// From the host.
    pub uart_rx: Signal<In, Bit>,
    /// To the host.
    pub uart_tx: Signal<Out, Bit>,
    /// Changes with every frame accepted.
    pub activity: Signal<Out, Bit>,
    /// To the hashing engine.
    pub engine_command: Signal<Out, Bits<3>>,
    /// To the hashing engine.
    pub engine_command_valid: Signal<Out, Bit>,
    /// To the hashing engine.
    pub engine_data: Signal<Out, Bits<8>>,
    /// To the hashing engine.
    pub engine_data_valid: Signal<Out, Bit>,
    /// To the hashing engine.
    pub engine_digest_index: Signal<Out, Bits<5>>,
    /// From the hashing engine.
    pub engine_digest_byte: Signal<In, Bits<8>>,
    /// From the hashing engine.
    pub engine_ready: Signal<In, Bit>,
    /// From the hashing engine.
    pub engine_refused: Signal<In, Bit>,
    /// From the hashing engine.
    pub engine_full: Signal<In, Bit>,
    /// To the vault.
    pub vault_start: Signal<Out, Bit>,
    /// To the vault.
    pub vault_request: Signal<Out, Bits<3>>,
    /// To the vault.
    pub vault_length: Signal<Out, Bits<10>>,
    /// To the vault: the byte at the head of the receive queue.
    pub vault_data: Signal<Out, Bits<8>>,
    /// To the vault: there is one.
    pub vault_data_available: Signal<Out, Bit>,
    /// From the vault.
    pub vault_pop: Signal<In, Bit>,
    /// From the vault.
    pub vault_busy: Signal<In, Bit>,
    /// From the vault.
    pub vault_answered: Signal<In, Bit>,
    /// From the vault.
    pub vault_status: Signal<In, Bits<8>>,
    /// From the vault.
    pub vault_reply_length: Signal<In, Bits<8>>,
    /// From the vault.
    pub vault_reply: Signal<In, Bits<8>>,
    /// From the vault.
    pub vault_reply_valid: Signal<In, Bit>,
    /// To the vault.
    pub vault_reply_taken: Signal<Out, Bit>,
    receiver: UartRx<T>,
    cobs: CobsDecoder,
    check: FrameCheck,
    queue: PacketQueue,
    dispatcher: Dispatcher,
    registers: RegisterFile<REGISTERS>,
    framer: Framer,
    transmitter: UartTx<T>,
}

impl<const T: usize> Link<T> {
    /// The link of a board that is `identity`, at `clocks_per_bit` clocks a bit.
    pub fn new(clocks_per_bit: u64, identity: Identity) -> Self {
        Self {
            clock: Default::default(),
            uart_rx: Default::default(),
            uart_tx: Default::default(),
            activity: Default::default(),
            engine_command: Default::default(),
            engine_command_valid: Default::default(),
            engine_data: Default::default(),
            engine_data_valid: Default::default(),
            engine_digest_index: Default::default(),
            engine_digest_byte: Default::default(),
            engine_ready: Default::default(),
            engine_refused: Default::default(),
            engine_full: Default::default(),
            vault_start: Default::default(),
            vault_request: Default::default(),
            vault_length: Default::default(),
            vault_data: Default::default(),
            vault_data_available: Default::default(),
            vault_pop: Default::default(),
            vault_busy: Default::default(),
            vault_answered: Default::default(),
            vault_status: Default::default(),
            vault_reply_length: Default::default(),
            vault_reply: Default::default(),
            vault_reply_valid: Default::default(),
            vault_reply_taken: Default::default(),
            receiver: UartRx::new(clocks_per_bit),
            cobs: Default::default(),
            check: Default::default(),
            queue: Default::default(),
            dispatcher: Dispatcher::new(identity.engines),
            registers: Default::default(),
            framer: Framer::new(&identity.memory()),
            transmitter: UartTx::new(clocks_per_bit),
        }
    }
}

impl<const T: usize> Logic for Link<T> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, receiver, cobs, check, queue, dispatcher, registers, framer, transmitter);
        self.receiver.rx.next = self.uart_rx.val();
        self.cobs.character.next = self.receiver.data.val();
        self.cobs.valid.next = self.receiver.valid.val();
        self.check.data.next = self.cobs.data.val();
        self.check.data_valid.next = self.cobs.data_valid.val();
        self.check.data_bit.next = self.cobs.data_bit.val();
        self.check.bit_valid.next = self.cobs.bit_valid.val();
        self.check.delimiter.next = self.cobs.delimiter.val();
        self.check.was_open.next = self.cobs.was_open.val();
        self.check.was_cut.next = self.cobs.was_cut.val();
        self.check.broken.next = self.receiver.broken.val();
        self.queue.write.next = self.check.write.val();
        self.queue.write_data.next = self.cobs.data.val();
        self.queue.keep.next = self.check.keep.val();
        self.queue.forget.next = self.check.forget.val();
        self.queue.pop.next = self.dispatcher.queue_pop.val();
        self.dispatcher.queue_data.next = self.queue.data.val();
        self.dispatcher.queue_available.next = self.queue.available.val();

        self.registers.data.next = self.queue.data.val();
        self.registers.set_low.next = self.dispatcher.register_set_low.val();
        self.registers.set_high.next = self.dispatcher.register_set_high.val();
        self.registers.advance.next = self.dispatcher.register_advance.val();
        self.registers.write.next = self.dispatcher.register_write.val();
        self.registers.hold.next = self.dispatcher.register_hold.val();
        self.registers.count_ok.next = self.dispatcher.count_ok.val();
        self.registers.count_bad.next = self.check.forget.val() || self.queue.dropped.val();
        self.dispatcher.register_known.next = self.registers.known.val();
        self.dispatcher.register_writable.next = self.registers.writable.val();
        self.dispatcher.register_value.next = self.registers.value.val();
        self.dispatcher.register_counting.next = self.registers.counting.val();
        self.activity.next = self.registers.activity.val();

        self.engine_command.next = self.dispatcher.engine_command.val();
        self.engine_command_valid.next = self.dispatcher.engine_command_valid.val();
        self.engine_data.next = self.dispatcher.engine_data.val();
        self.engine_data_valid.next = self.dispatcher.engine_data_valid.val();
        self.engine_digest_index.next = self.dispatcher.engine_digest_index.val();
        self.dispatcher.engine_digest_byte.next = self.engine_digest_byte.val();
        self.dispatcher.engine_ready.next = self.engine_ready.val();
        self.dispatcher.engine_refused.next = self.engine_refused.val();
        self.dispatcher.engine_full.next = self.engine_full.val();

        self.vault_start.next = self.dispatcher.vault_start.val();
        self.vault_request.next = self.dispatcher.vault_request.val();
        self.vault_length.next = self.dispatcher.vault_length.val();
        self.vault_data.next = self.queue.data.val();
        self.vault_data_available.next = self.queue.available.val();
        self.vault_reply_taken.next = self.dispatcher.vault_reply_taken.val();
        self.dispatcher.vault_pop.next = self.vault_pop.val();
        self.dispatcher.vault_busy.next = self.vault_busy.val();
        self.dispatcher.vault_answered.next = self.vault_answered.val();
        self.dispatcher.vault_status.next = self.vault_status.val();
        self.dispatcher.vault_reply_length.next = self.vault_reply_length.val();
        self.dispatcher.vault_reply.next = self.vault_reply.val();
        self.dispatcher.vault_reply_valid.next = self.vault_reply_valid.val();

        self.framer.lent_address.next = self.registers.memory_address.val();
        self.framer.lent_write.next = self.registers.memory_write.val();
        self.framer.lent_data.next = self.registers.memory_write_data.val();
        self.registers.memory_taken.next = self.framer.taken.val();
        self.registers.memory_data.next = self.framer.memory.val();
        self.framer.data.next = self.dispatcher.reply_data.val();
        self.framer.push.next = self.dispatcher.reply_push.val();
        self.framer.finish.next = self.dispatcher.reply_finish.val();
        self.dispatcher.reply_ready.next = self.framer.ready.val();
        self.transmitter.data.next = self.framer.line_data.val();
        self.transmitter.valid.next = self.framer.line_valid.val();
        self.framer.line_ready.next = self.transmitter.ready.val();
        self.uart_tx.next = self.transmitter.tx.val();
    }
}
