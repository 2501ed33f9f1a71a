//! The key vault: a root key from the rings, and what it is for (docs/decisions/0005-puf-and-vault.md).
//!
//! A small processor does it all by program, in the integers of the golden models `twinseal_puf::reading`, `polar`, `vault`
//! and `entropy`. What it must not do is not left to the program:
//!
//! - the root is in [`RootKey`], which the processor cannot read. Bytes come in from the engine's digest only, and go
//!   out as the engine's data only while a key is open;
//! - of the engine's digest the processor sees nothing unless the last message had a key, or was begun in this request
//!   and the request is for random bits. The root is the digest of a message without a key;
//! - the host sees one register of a byte, a status and a length.

pub mod assembler;
pub mod io;
mod processor;
mod program;
mod root;

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_puf::reading::window_clocks;
use twinseal_wire::opcode;

pub use processor::Processor;
pub use program::assemble;
pub use root::{ROOT_BITS, RootKey};

use crate::engine::command;

/// The vault. `request` is an opcode from [`opcode::VAULT_ENROL`] on.
#[derive(LogicBlock)]
pub struct Vault {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Carry out `request`; only while not `busy`.
    pub start: Signal<In, Bit>,
    /// The lowest bits of the opcode, from [`opcode::VAULT_ENROL`] to [`opcode::ENTROPY`].
    pub request: Signal<In, Bits<3>>,
    /// Bytes of its payload; steady from `start` until the first `pop`.
    pub length: Signal<In, Bits<10>>,
    /// The next byte of the payload.
    pub data: Signal<In, Bits<8>>,
    /// There is one.
    pub data_available: Signal<In, Bit>,
    /// It is taken.
    pub pop: Signal<Out, Bit>,
    /// Enrolment is permitted.
    pub permit_enrol: Signal<In, Bit>,
    /// From the clock after `start` until the last byte of the reply is taken and two clocks more.
    pub busy: Signal<Out, Bit>,
    /// `status` and `reply_length` are valid; nothing of the payload is popped any more. Until not `busy`.
    pub answered: Signal<Out, Bit>,
    /// One of [`twinseal_wire::status`].
    pub status: Signal<Out, Bits<8>>,
    /// Bytes of the reply.
    pub reply_length: Signal<Out, Bits<8>>,
    /// The next of them.
    pub reply: Signal<Out, Bits<8>>,
    /// It is there.
    pub reply_valid: Signal<Out, Bit>,
    /// It is taken in this clock.
    pub reply_taken: Signal<In, Bit>,
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
    /// From the hashing engine: byte of the digest, at the latest two clocks after its index.
    pub engine_digest_byte: Signal<In, Bits<8>>,
    /// From the hashing engine.
    pub engine_ready: Signal<In, Bit>,
    /// To the rings.
    pub pair: Signal<Out, Bits<8>>,
    /// To the rings.
    pub run: Signal<Out, Bit>,
    /// To the rings.
    pub clear: Signal<Out, Bit>,
    /// From the rings.
    pub first: Signal<In, Bits<16>>,
    /// From the rings.
    pub second: Signal<In, Bits<16>>,

    processor: Processor,
    root: RootKey,
    busy_now: DFF<Bit>,
    request_now: DFF<Bits<3>>,
    answered_now: DFF<Bit>,
    status_now: DFF<Bits<4>>,
    length_now: DFF<Bits<6>>,
    reply_now: DFF<Bits<8>>,
    reply_waits: DFF<Bit>,
    run_now: DFF<Bit>,
    /// For a window of an odd number of clocks.
    run_late: DFF<Bit>,
    odd_window: Constant<Bit>,
    /// The engine's key is open.
    key_open: DFF<Bit>,
    /// The engine's message has a key or is of random bits: its digest may be seen.
    shown: DFF<Bit>,
    /// The engine's digest, once it is ready, may be seen.
    visible: DFF<Bit>,

    instruction: Signal<Local, Bits<16>>,
    a: Signal<Local, Bits<16>>,
    /// The byte of the digest, if it may be seen.
    digest: Signal<Local, Bits<8>>,
    taken: Signal<Local, Bits<8>>,
    length_wide: Signal<Local, Bits<16>>,
    request_wide: Signal<Local, Bits<16>>,
    permit_wide: Signal<Local, Bits<16>>,
    stall: Signal<Local, Bit>,
    acts: Signal<Local, Bit>,
    outputs: Signal<Local, Bit>,
    command: Signal<Local, Bits<3>>,
    entropy: Constant<Bits<3>>,
    hash_begin: Constant<Bits<3>>,
    hash_end: Constant<Bits<3>>,
    key_begin: Constant<Bits<3>>,
    key_end: Constant<Bits<3>>,
}

impl Vault {
    /// The vault of a build for a board with this clock.
    pub fn new(build_id: u32, clock_hz: u32) -> Self {
        Self::with_program(assemble(build_id, clock_hz), clock_hz)
    }

    /// A vault with any program and memory, for tests of what no program can do.
    pub fn with_program((program, memory): (Vec<u64>, Vec<u64>), clock_hz: u32) -> Self {
        Self {
            clock: Default::default(),
            start: Default::default(),
            request: Default::default(),
            length: Default::default(),
            data: Default::default(),
            data_available: Default::default(),
            pop: Default::default(),
            permit_enrol: Default::default(),
            busy: Default::default(),
            answered: Default::default(),
            status: Default::default(),
            reply_length: Default::default(),
            reply: Default::default(),
            reply_valid: Default::default(),
            reply_taken: Default::default(),
            engine_command: Default::default(),
            engine_command_valid: Default::default(),
            engine_data: Default::default(),
            engine_data_valid: Default::default(),
            engine_digest_index: Default::default(),
            engine_digest_byte: Default::default(),
            engine_ready: Default::default(),
            pair: Default::default(),
            run: Default::default(),
            clear: Default::default(),
            first: Default::default(),
            second: Default::default(),
            processor: Processor::new(program, memory),
            root: Default::default(),
            busy_now: Default::default(),
            request_now: Default::default(),
            answered_now: Default::default(),
            status_now: Default::default(),
            length_now: Default::default(),
            reply_now: Default::default(),
            reply_waits: Default::default(),
            run_now: Default::default(),
            run_late: Default::default(),
            odd_window: Constant::new(window_clocks(clock_hz) % 2 == 1),
            key_open: Default::default(),
            shown: Default::default(),
            visible: Default::default(),
            instruction: Default::default(),
            a: Default::default(),
            digest: Default::default(),
            taken: Default::default(),
            length_wide: Default::default(),
            request_wide: Default::default(),
            permit_wide: Default::default(),
            stall: Default::default(),
            acts: Default::default(),
            outputs: Default::default(),
            command: Default::default(),
            entropy: Constant::new((u64::from(opcode::ENTROPY) & 7).into()),
            hash_begin: Constant::new(command::HASH_BEGIN.into()),
            hash_end: Constant::new(command::HASH_END.into()),
            key_begin: Constant::new(command::KEY_BEGIN.into()),
            key_end: Constant::new(command::KEY_END.into()),
        }
    }

    /// The simulated root, for tests.
    pub fn root(&self) -> [u8; ROOT_BITS / 8] {
        self.root.bytes()
    }

    /// What the processor's simulated memory holds, for tests.
    pub fn memory(&self) -> impl Iterator<Item = u64> + '_ {
        self.processor.memory()
    }
}

impl Logic for Vault {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, busy_now, request_now, answered_now, status_now, length_now, reply_now);
        dff_setup!(self, clock, reply_waits, run_now, run_late, key_open, shown, visible);
        clock!(self, clock, processor, root);

        self.instruction.next = self.processor.instruction.val();
        self.a.next = self.processor.a.val();
        self.processor.running.next = self.busy_now.q.val();

        // What the processor may wait for, see `io::wait`.
        self.stall.next = (self.instruction.val().get_bit(2) && !self.data_available.val())
            || (self.instruction.val().get_bit(3) && !self.engine_ready.val())
            || (self.instruction.val().get_bit(4) && self.reply_waits.q.val());
        self.processor.stall.next = self.stall.val();
        self.acts.next = self.processor.transfer.val() && !self.stall.val();
        self.outputs.next = self.acts.val() && self.instruction.val().get_bit(13);

        // What it sees, see `io::port`.
        self.digest.next = 0.into();
        if self.visible.q.val() && self.engine_ready.val() {
            self.digest.next = self.engine_digest_byte.val();
        }
        self.taken.next = self.digest.val();
        if self.instruction.val().get_bit(9) {
            self.taken.next = self.data.val();
        }
        self.length_wide.next = bit_cast::<16, 10>(self.length.val());
        self.request_wide.next = bit_cast::<16, 3>(self.request_now.q.val());
        self.permit_wide.next = 0.into();
        if self.permit_enrol.val() {
            self.permit_wide.next = 32768.into();
        }
        match self.instruction.val().get_bits::<2>(0).index() {
            0 => {
                self.processor.port.next =
                    (self.length_wide.val() << 3) | self.request_wide.val() | self.permit_wide.val();
            }
            1 => self.processor.port.next = bit_cast::<16, 8>(self.taken.val()),
            2 => self.processor.port.next = self.first.val(),
            _ => self.processor.port.next = self.second.val(),
        }
        self.pop.next =
            self.acts.val() && !self.instruction.val().get_bit(13) && self.instruction.val().get_bit(9);

        // What it does, see `io::action`.
        self.command.next = self.instruction.val().get_bits::<3>(10);
        self.engine_command.next = self.command.val();
        self.engine_command_valid.next = false;
        self.engine_data.next = self.a.val().get_bits::<8>(0);
        self.engine_data_valid.next = false;
        self.engine_digest_index.next = self.processor.x.val().get_bits::<5>(0);
        self.root.digest_byte.next = self.engine_digest_byte.val();
        self.root.load.next = false;
        self.root.turn.next = false;
        self.root.forget.next = false;
        self.pair.next = self.processor.x.val().get_bits::<8>(0);
        self.clear.next = false;
        self.run_late.d.next = self.run_now.q.val();
        self.run.next = self.run_now.q.val() || (self.run_late.q.val() && self.odd_window.val());
        if self.reply_taken.val() {
            self.reply_waits.d.next = false;
        }
        if self.outputs.val() {
            match self.instruction.val().get_bits::<4>(5).index() {
                1 => {
                    self.engine_command_valid.next = true;
                    // What the engine does not take changes nothing here either.
                    if self.engine_ready.val() {
                        self.key_open.d.next = self.command.val() == self.key_begin.val();
                        self.shown.d.next = ((self.command.val() == self.key_end.val())
                            && self.key_open.q.val())
                            || ((self.command.val() == self.hash_begin.val())
                                && (self.request_now.q.val() == self.entropy.val()));
                        self.visible.d.next =
                            (self.command.val() == self.hash_end.val()) && self.shown.q.val();
                    }
                }
                2 => self.engine_data_valid.next = true,
                3 => {
                    self.root.turn.next = true;
                    if self.key_open.q.val() {
                        self.engine_data.next = self.root.first.val();
                        self.engine_data_valid.next = true;
                    }
                }
                4 => self.root.load.next = true,
                5 => self.root.forget.next = true,
                6 => {
                    self.clear.next = true;
                    self.run_now.d.next = true;
                }
                7 => self.run_now.d.next = false,
                8 => {
                    self.reply_now.d.next = self.a.val().get_bits::<8>(0);
                    self.reply_waits.d.next = true;
                }
                9 => {
                    self.status_now.d.next = self.a.val().get_bits::<4>(0);
                    self.length_now.d.next = self.a.val().get_bits::<6>(4);
                    self.answered_now.d.next = true;
                }
                10 => {
                    self.answered_now.d.next = false;
                    self.busy_now.d.next = false;
                }
                _ => self.clear.next = false,
            }
        }
        if self.start.val() && !self.busy_now.q.val() {
            self.busy_now.d.next = true;
            self.request_now.d.next = self.request.val();
            self.key_open.d.next = false;
            self.shown.d.next = false;
            self.visible.d.next = false;
        }

        self.busy.next = self.busy_now.q.val();
        self.answered.next = self.answered_now.q.val();
        self.status.next = bit_cast::<8, 4>(self.status_now.q.val());
        self.reply_length.next = bit_cast::<8, 6>(self.length_now.q.val());
        self.reply.next = self.reply_now.q.val();
        self.reply_valid.next = self.reply_waits.q.val();
    }
}
