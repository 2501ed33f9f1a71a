//! Carries out one request after the other: reads it from the queue, does it, and hands the response to the framer.
//! What it must do is written in [`crate::golden::board`].

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{
    HEADER_BYTES, MAX_RESPONSE_BYTES, RESPONSE_BIT, WIRE_VERSION, engines, hash_flags, merkle_flags, opcode,
    status, vault,
};

use crate::engine::command;
use crate::golden::sha256::DIGEST_BYTES;

#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum DispatchState {
    Header,
    Check,
    Address,
    Register,
    Value,
    Flags,
    Permit,
    Step,
    Result,
    Digest,
    VaultStart,
    Vault,
    Drain,
    RespondHeader,
    RespondPayload,
    Finish,
}

/// The steps of a `HASH` or `MERKLE` frame, in order.
#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum StepState {
    Begin,
    LeafBegin,
    Data,
    LeafEnd,
    End,
}

/// Where the payload of the response comes from.
#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum ReplyState {
    Version,
    Word,
    Echo,
    Digest,
    Vault,
}

/// The dispatcher.
#[derive(LogicBlock)]
pub struct Dispatcher {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Head of the receive queue.
    pub queue_data: Signal<In, Bits<8>>,
    /// There is a byte at the head.
    pub queue_available: Signal<In, Bit>,
    /// Drop the byte at the head.
    pub queue_pop: Signal<Out, Bit>,
    /// To the framer.
    pub reply_data: Signal<Out, Bits<8>>,
    /// To the framer.
    pub reply_push: Signal<Out, Bit>,
    /// To the framer.
    pub reply_finish: Signal<Out, Bit>,
    /// From the framer.
    pub reply_ready: Signal<In, Bit>,
    /// To the register file, with the byte at the head of the queue.
    pub register_set_low: Signal<Out, Bit>,
    /// To the register file, with the byte at the head of the queue.
    pub register_set_high: Signal<Out, Bit>,
    /// From the register file.
    pub register_known: Signal<In, Bit>,
    /// From the register file.
    pub register_writable: Signal<In, Bit>,
    /// From the register file.
    pub register_value: Signal<In, Bits<8>>,
    /// To the register file.
    pub register_advance: Signal<Out, Bit>,
    /// To the register file, with the byte at the head of the queue.
    pub register_write: Signal<Out, Bit>,
    /// To the register file.
    pub register_hold: Signal<Out, Bit>,
    /// From the register file.
    pub register_counting: Signal<In, Bit>,
    /// A request is about to be carried out.
    pub count_ok: Signal<Out, Bit>,
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
    /// To the vault: carry out `vault_request`.
    pub vault_start: Signal<Out, Bit>,
    /// To the vault: the opcode's lower bits.
    pub vault_request: Signal<Out, Bits<3>>,
    /// To the vault: payload bytes of the request, until its first pop.
    pub vault_length: Signal<Out, Bits<10>>,
    /// From the vault: drop the byte at the head of the queue.
    pub vault_pop: Signal<In, Bit>,
    /// From the vault: not done with the last request.
    pub vault_busy: Signal<In, Bit>,
    /// From the vault: status and length are valid.
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

    state: DFF<DispatchState>,
    /// Counts bytes within a state; in the payload of a response, clocks since the last one.
    index: DFF<Bits<3>>,
    index_up: Signal<Local, Bits<3>>,
    stranger: DFF<Bit>,
    tag: DFF<Bits<8>>,
    opcode: DFF<Bits<8>>,
    is_read: Signal<Local, Bit>,
    is_write: Signal<Local, Bit>,
    is_echo: Signal<Local, Bit>,
    is_hash: Signal<Local, Bit>,
    is_merkle: Signal<Local, Bit>,
    is_vault: Signal<Local, Bit>,
    /// What the payload length must be, where it must be one thing.
    exact_length: Signal<Local, Bits<10>>,
    fits_echo: Signal<Local, Bit>,
    fits_label: Signal<Local, Bit>,
    length_ok: Signal<Local, Bit>,
    /// Payload bytes still in the queue.
    left: DFF<Bits<10>>,
    left_down: Signal<Local, Bits<10>>,
    length_byte: Signal<Local, Bits<10>>,
    length_high: Signal<Local, Bits<10>>,

    flags: DFF<Bits<4>>,
    undefined: Signal<Local, Bit>,
    wants_begin: Signal<Local, Bit>,
    wants_leaf_begin: Signal<Local, Bit>,
    wants_leaf_end: Signal<Local, Bit>,
    wants_end: Signal<Local, Bit>,
    /// A message is open in the engine.
    message_open: DFF<Bit>,
    /// A tree is open in the engine.
    tree_open: DFF<Bit>,
    open: Signal<Local, Bit>,
    step_at: DFF<StepState>,
    next_step: Signal<Local, StepState>,
    wanted: Signal<Local, Bit>,
    issue: Signal<Local, Bit>,

    status: DFF<Bits<4>>,
    reply: DFF<ReplyState>,
    /// Payload bytes of the response to come.
    to_send: DFF<Bits<7>>,
    to_send_down: Signal<Local, Bits<7>>,
    reply_length: Signal<Local, Bits<8>>,
    status_wide: Signal<Local, Bits<8>>,
    digest_at: DFF<Bits<5>>,
    digest_up: Signal<Local, Bits<5>>,
    can_send: Signal<Local, Bit>,
    sent: Signal<Local, Bit>,

    wire_version: Constant<Bits<8>>,
    last_header: Constant<Bits<3>>,
    response_bit: Constant<Bits<8>>,
    op_read: Constant<Bits<8>>,
    op_write: Constant<Bits<8>>,
    op_echo: Constant<Bits<8>>,
    op_hash: Constant<Bits<8>>,
    op_merkle: Constant<Bits<8>>,
    /// The vault's opcodes without their lower bits.
    vault_group: Constant<Bits<8>>,
    op_open: Constant<Bits<8>>,
    op_derive: Constant<Bits<8>>,
    op_attest: Constant<Bits<8>>,
    has_hash: Constant<Bit>,
    has_merkle: Constant<Bit>,
    has_vault: Constant<Bit>,
    has_entropy: Constant<Bit>,
    helper_bytes: Constant<Bits<10>>,
    challenge_bytes: Constant<Bits<10>>,
    digest_bytes: Constant<Bits<7>>,
    st_ok: Constant<Bits<4>>,
    st_bad_version: Constant<Bits<4>>,
    st_bad_opcode: Constant<Bits<4>>,
    st_bad_length: Constant<Bits<4>>,
    st_bad_address: Constant<Bits<4>>,
    st_bad_flags: Constant<Bits<4>>,
    st_bad_state: Constant<Bits<4>>,
    st_tree_full: Constant<Bits<4>>,
    hash_undefined: Constant<Bits<8>>,
    hash_begin: Constant<Bits<4>>,
    hash_end: Constant<Bits<4>>,
    merkle_undefined: Constant<Bits<8>>,
    merkle_tree_begin: Constant<Bits<4>>,
    merkle_leaf_begin: Constant<Bits<4>>,
    merkle_leaf_end: Constant<Bits<4>>,
    merkle_tree_end: Constant<Bits<4>>,
    do_hash_begin: Constant<Bits<3>>,
    do_hash_end: Constant<Bits<3>>,
    do_tree_begin: Constant<Bits<3>>,
    do_leaf_begin: Constant<Bits<3>>,
    do_leaf_end: Constant<Bits<3>>,
    do_tree_end: Constant<Bits<3>>,
}

fn byte(value: u8) -> Constant<Bits<8>> {
    Constant::new(u64::from(value).into())
}

/// Statuses and flags fit four bits.
fn nibble(value: u8) -> Constant<Bits<4>> {
    assert!(value < 16);
    Constant::new(u64::from(value).into())
}

fn bytes(number: usize) -> Constant<Bits<10>> {
    Constant::new((number as u64).into())
}

const _: () = assert!(MAX_RESPONSE_BYTES == 64 && vault::MAX_LABEL_BYTES == 128);
const _: () = assert!(opcode::VAULT_ENROL.is_multiple_of(8));
const _: () = assert!(opcode::VAULT_ATTEST == opcode::VAULT_ENROL + 4);
const _: () = assert!(opcode::ENTROPY == opcode::VAULT_ENROL + 5);

impl Dispatcher {
    /// A dispatcher for a board with these [`twinseal_wire::engines`].
    pub fn new(engine_bits: u32) -> Self {
        let has = |engine| Constant::new(engine_bits & engine != 0);
        Self {
            clock: Default::default(),
            queue_data: Default::default(),
            queue_available: Default::default(),
            queue_pop: Default::default(),
            reply_data: Default::default(),
            reply_push: Default::default(),
            reply_finish: Default::default(),
            reply_ready: Default::default(),
            register_set_low: Default::default(),
            register_set_high: Default::default(),
            register_known: Default::default(),
            register_writable: Default::default(),
            register_value: Default::default(),
            register_advance: Default::default(),
            register_write: Default::default(),
            register_hold: Default::default(),
            register_counting: Default::default(),
            count_ok: Default::default(),
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
            vault_pop: Default::default(),
            vault_busy: Default::default(),
            vault_answered: Default::default(),
            vault_status: Default::default(),
            vault_reply_length: Default::default(),
            vault_reply: Default::default(),
            vault_reply_valid: Default::default(),
            vault_reply_taken: Default::default(),
            state: Default::default(),
            index: Default::default(),
            index_up: Default::default(),
            stranger: Default::default(),
            tag: Default::default(),
            opcode: Default::default(),
            is_read: Default::default(),
            is_write: Default::default(),
            is_echo: Default::default(),
            is_hash: Default::default(),
            is_merkle: Default::default(),
            is_vault: Default::default(),
            exact_length: Default::default(),
            fits_echo: Default::default(),
            fits_label: Default::default(),
            length_ok: Default::default(),
            left: Default::default(),
            left_down: Default::default(),
            length_byte: Default::default(),
            length_high: Default::default(),
            flags: Default::default(),
            undefined: Default::default(),
            wants_begin: Default::default(),
            wants_leaf_begin: Default::default(),
            wants_leaf_end: Default::default(),
            wants_end: Default::default(),
            message_open: Default::default(),
            tree_open: Default::default(),
            open: Default::default(),
            step_at: Default::default(),
            next_step: Default::default(),
            wanted: Default::default(),
            issue: Default::default(),
            status: Default::default(),
            reply: Default::default(),
            to_send: Default::default(),
            to_send_down: Default::default(),
            reply_length: Default::default(),
            status_wide: Default::default(),
            digest_at: Default::default(),
            digest_up: Default::default(),
            can_send: Default::default(),
            sent: Default::default(),
            wire_version: byte(WIRE_VERSION),
            last_header: Constant::new((HEADER_BYTES as u64 - 1).into()),
            response_bit: byte(RESPONSE_BIT),
            op_read: byte(opcode::READ_REGISTER),
            op_write: byte(opcode::WRITE_REGISTER),
            op_echo: byte(opcode::ECHO),
            op_hash: byte(opcode::HASH),
            op_merkle: byte(opcode::MERKLE),
            vault_group: byte(opcode::VAULT_ENROL >> 3),
            op_open: byte(opcode::VAULT_OPEN),
            op_derive: byte(opcode::VAULT_DERIVE),
            op_attest: byte(opcode::VAULT_ATTEST),
            has_hash: has(engines::SHA256),
            has_merkle: has(engines::MERKLE),
            has_vault: has(engines::VAULT),
            has_entropy: has(engines::ENTROPY),
            helper_bytes: bytes(vault::HELPER_BYTES),
            challenge_bytes: bytes(vault::CHALLENGE_BYTES),
            digest_bytes: Constant::new((DIGEST_BYTES as u64).into()),
            st_ok: nibble(status::OK),
            st_bad_version: nibble(status::BAD_VERSION),
            st_bad_opcode: nibble(status::BAD_OPCODE),
            st_bad_length: nibble(status::BAD_LENGTH),
            st_bad_address: nibble(status::BAD_ADDRESS),
            st_bad_flags: nibble(status::BAD_FLAGS),
            st_bad_state: nibble(status::BAD_STATE),
            st_tree_full: nibble(status::TREE_FULL),
            hash_undefined: byte(!hash_flags::MASK),
            hash_begin: nibble(hash_flags::BEGIN),
            hash_end: nibble(hash_flags::END),
            merkle_undefined: byte(!merkle_flags::MASK),
            merkle_tree_begin: nibble(merkle_flags::TREE_BEGIN),
            merkle_leaf_begin: nibble(merkle_flags::LEAF_BEGIN),
            merkle_leaf_end: nibble(merkle_flags::LEAF_END),
            merkle_tree_end: nibble(merkle_flags::TREE_END),
            do_hash_begin: Constant::new(command::HASH_BEGIN.into()),
            do_hash_end: Constant::new(command::HASH_END.into()),
            do_tree_begin: Constant::new(command::TREE_BEGIN.into()),
            do_leaf_begin: Constant::new(command::LEAF_BEGIN.into()),
            do_leaf_end: Constant::new(command::LEAF_END.into()),
            do_tree_end: Constant::new(command::TREE_END.into()),
        }
    }
}

#[allow(clippy::nonminimal_bool)] // two bounds, each as one would say it
impl Logic for Dispatcher {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            index,
            stranger,
            tag,
            opcode,
            left,
            flags,
            message_open,
            tree_open,
            step_at,
            status,
            reply,
            to_send,
            digest_at
        );
        self.index_up.next = self.index.q.val() + 1;
        self.left_down.next = self.left.q.val() - 1;
        self.to_send_down.next = self.to_send.q.val() - 1;
        self.digest_up.next = self.digest_at.q.val() + 1;
        self.reply_length.next = bit_cast::<8, 7>(self.to_send.q.val());
        self.status_wide.next = bit_cast::<8, 4>(self.status.q.val());
        self.length_byte.next = bit_cast::<10, 8>(self.queue_data.val());
        self.length_high.next = self.length_byte.val() << 8;

        self.is_read.next = self.opcode.q.val() == self.op_read.val();
        self.is_write.next = self.opcode.q.val() == self.op_write.val();
        self.is_echo.next = self.opcode.q.val() == self.op_echo.val();
        self.is_hash.next = (self.opcode.q.val() == self.op_hash.val()) && self.has_hash.val();
        self.is_merkle.next = (self.opcode.q.val() == self.op_merkle.val()) && self.has_merkle.val();
        self.is_vault.next = false;
        if (self.opcode.q.val() >> 3) == self.vault_group.val() {
            match self.opcode.q.val().get_bits::<3>(0).index() {
                5 => {
                    self.is_vault.next = self.has_entropy.val();
                }
                6 => {}
                7 => {}
                _ => {
                    self.is_vault.next = self.has_vault.val();
                }
            }
        }
        // At most 64 and at most 128.
        self.fits_echo.next = !(self.left.q.val() >> 7).any()
            && !(self.left.q.val().get_bit(6) && self.left.q.val().get_bits::<6>(0).any());
        self.fits_label.next = !(self.left.q.val() >> 8).any()
            && !(self.left.q.val().get_bit(7) && self.left.q.val().get_bits::<7>(0).any());
        self.exact_length.next = 0.into();
        if self.is_read.val() {
            self.exact_length.next = 2.into();
        }
        if self.is_write.val() {
            self.exact_length.next = 6.into();
        }
        if self.opcode.q.val() == self.op_open.val() {
            self.exact_length.next = self.helper_bytes.val();
        }
        if self.opcode.q.val() == self.op_attest.val() {
            self.exact_length.next = self.challenge_bytes.val();
        }
        self.length_ok.next = self.left.q.val() == self.exact_length.val();
        if self.is_echo.val() {
            self.length_ok.next = self.fits_echo.val();
        }
        if self.is_hash.val() || self.is_merkle.val() {
            self.length_ok.next = self.left.q.val().any();
        }
        if self.opcode.q.val() == self.op_derive.val() {
            self.length_ok.next = self.fits_label.val();
        }
        if self.is_hash.val() {
            self.undefined.next = (self.queue_data.val() & self.hash_undefined.val()).any();
            self.wants_begin.next = (self.flags.q.val() & self.hash_begin.val()).any();
            self.wants_leaf_begin.next = false;
            self.wants_leaf_end.next = false;
            self.wants_end.next = (self.flags.q.val() & self.hash_end.val()).any();
            self.open.next = self.message_open.q.val();
        } else {
            self.undefined.next = (self.queue_data.val() & self.merkle_undefined.val()).any();
            self.wants_begin.next = (self.flags.q.val() & self.merkle_tree_begin.val()).any();
            self.wants_leaf_begin.next = (self.flags.q.val() & self.merkle_leaf_begin.val()).any();
            self.wants_leaf_end.next = (self.flags.q.val() & self.merkle_leaf_end.val()).any();
            self.wants_end.next = (self.flags.q.val() & self.merkle_tree_end.val()).any();
            self.open.next = self.tree_open.q.val();
        }

        self.queue_pop.next = false;
        self.reply_data.next = self.wire_version.val();
        self.reply_finish.next = false;
        self.count_ok.next = false;
        self.register_set_low.next = false;
        self.register_set_high.next = false;
        self.register_write.next = false;
        self.register_advance.next = false;
        self.register_hold.next = false;
        self.engine_command.next = self.do_leaf_begin.val();
        self.engine_data.next = self.queue_data.val();
        self.engine_digest_index.next = self.digest_at.q.val();
        self.vault_start.next = false;
        self.vault_request.next = self.opcode.q.val().get_bits::<3>(0);
        self.vault_length.next = self.left.q.val();
        self.vault_reply_taken.next = false;
        self.wanted.next = false;
        self.issue.next = false;
        self.can_send.next = false;
        self.next_step.next = StepState::Begin;

        match self.step_at.q.val() {
            StepState::Begin => {
                self.wanted.next = self.wants_begin.val();
                self.engine_command.next = self.do_tree_begin.val();
                if self.is_hash.val() {
                    self.engine_command.next = self.do_hash_begin.val();
                }
                self.next_step.next = StepState::LeafBegin;
            }
            StepState::LeafBegin => {
                self.wanted.next = self.wants_leaf_begin.val();
                self.engine_command.next = self.do_leaf_begin.val();
                self.next_step.next = StepState::Data;
            }
            StepState::Data => {
                self.wanted.next = self.left.q.val().any();
                self.next_step.next = StepState::LeafEnd;
            }
            StepState::LeafEnd => {
                self.wanted.next = self.wants_leaf_end.val();
                self.engine_command.next = self.do_leaf_end.val();
                self.next_step.next = StepState::End;
            }
            StepState::End => {
                self.wanted.next = self.wants_end.val();
                self.engine_command.next = self.do_tree_end.val();
                if self.is_hash.val() {
                    self.engine_command.next = self.do_hash_end.val();
                }
            }
        }

        match self.state.q.val() {
            DispatchState::Header => {
                if self.queue_available.val() {
                    self.queue_pop.next = true;
                    self.index.d.next = self.index_up.val();
                    match self.index.q.val().index() {
                        0 => {
                            self.stranger.d.next = self.queue_data.val() != self.wire_version.val();
                        }
                        1 => {
                            self.tag.d.next = self.queue_data.val();
                        }
                        2 => {
                            self.opcode.d.next = self.queue_data.val();
                        }
                        4 => {
                            self.left.d.next = self.length_byte.val();
                        }
                        5 => {
                            self.left.d.next = self.length_high.val() | self.left.q.val();
                        }
                        _ => {}
                    }
                    if self.index.q.val() == self.last_header.val() {
                        self.index.d.next = 0.into();
                        self.count_ok.next = true;
                        self.state.d.next = DispatchState::Check;
                    }
                }
            }
            DispatchState::Check => {
                self.status.d.next = self.st_ok.val();
                self.to_send.d.next = 0.into();
                self.step_at.d.next = StepState::Begin;
                self.state.d.next = DispatchState::Drain;
                if self.stranger.q.val() {
                    self.status.d.next = self.st_bad_version.val();
                    self.reply.d.next = ReplyState::Version;
                    self.to_send.d.next = 1.into();
                } else if self.is_read.val()
                    || self.is_write.val()
                    || self.is_echo.val()
                    || self.is_hash.val()
                    || self.is_merkle.val()
                    || self.is_vault.val()
                {
                    if self.is_vault.val() {
                        self.message_open.d.next = false;
                        self.tree_open.d.next = false;
                    }
                    if !self.length_ok.val() {
                        self.status.d.next = self.st_bad_length.val();
                    } else if self.is_echo.val() {
                        self.reply.d.next = ReplyState::Echo;
                        self.to_send.d.next = self.left.q.val().get_bits::<7>(0);
                        self.state.d.next = DispatchState::RespondHeader;
                    } else if self.is_hash.val() || self.is_merkle.val() {
                        self.state.d.next = DispatchState::Flags;
                    } else if self.is_vault.val() {
                        self.state.d.next = DispatchState::VaultStart;
                    } else {
                        self.state.d.next = DispatchState::Address;
                    }
                } else {
                    self.status.d.next = self.st_bad_opcode.val();
                }
            }
            DispatchState::Address => {
                if self.queue_available.val() {
                    self.queue_pop.next = true;
                    self.register_set_low.next = !self.index.q.val().any();
                    self.register_set_high.next = self.index.q.val().any();
                    self.index.d.next = self.index_up.val();
                    if self.index.q.val().any() {
                        self.index.d.next = 0.into();
                        self.state.d.next = DispatchState::Register;
                    }
                }
            }
            DispatchState::Register => {
                if self.is_read.val() && self.register_known.val() {
                    self.reply.d.next = ReplyState::Word;
                    self.to_send.d.next = 4.into();
                    self.state.d.next = DispatchState::RespondHeader;
                } else if self.is_write.val() && self.register_writable.val() {
                    self.state.d.next = DispatchState::Value;
                } else {
                    self.status.d.next = self.st_bad_address.val();
                    self.state.d.next = DispatchState::Drain;
                }
            }
            DispatchState::Value => {
                if !self.left.q.val().any() {
                    self.state.d.next = DispatchState::RespondHeader;
                } else if self.queue_available.val() && !self.register_counting.val() {
                    self.queue_pop.next = true;
                    self.register_write.next = true;
                }
            }
            DispatchState::Flags => {
                if self.queue_available.val() {
                    self.queue_pop.next = true;
                    self.flags.d.next = self.queue_data.val().get_bits::<4>(0);
                    self.state.d.next = DispatchState::Permit;
                    if self.undefined.val() {
                        self.status.d.next = self.st_bad_flags.val();
                        self.state.d.next = DispatchState::Drain;
                    }
                }
            }
            DispatchState::Permit => {
                self.state.d.next = DispatchState::Step;
                if !self.wants_begin.val() && !self.open.val() {
                    self.status.d.next = self.st_bad_state.val();
                    self.state.d.next = DispatchState::Drain;
                }
            }
            DispatchState::Step => {
                // The engine looks at this only while it is ready.
                self.issue.next = self.wanted.val();
                if !self.wanted.val() {
                    self.step_at.d.next = self.next_step.val();
                    if self.step_at.q.val() == StepState::End {
                        self.state.d.next = DispatchState::RespondHeader;
                    }
                } else if self.engine_ready.val() {
                    self.state.d.next = DispatchState::Result;
                    if self.step_at.q.val() == StepState::Data {
                        self.queue_pop.next = true;
                    }
                }
            }
            DispatchState::Result => {
                if self.engine_full.val() {
                    self.status.d.next = self.st_tree_full.val();
                    self.state.d.next = DispatchState::Drain;
                } else if self.engine_refused.val() {
                    self.status.d.next = self.st_bad_state.val();
                    self.state.d.next = DispatchState::Drain;
                } else {
                    self.state.d.next = DispatchState::Step;
                    if self.step_at.q.val() != StepState::Data {
                        self.step_at.d.next = self.next_step.val();
                    }
                    if self.step_at.q.val() == StepState::Begin {
                        self.message_open.d.next = self.is_hash.val();
                        self.tree_open.d.next = self.is_merkle.val();
                    }
                    if self.step_at.q.val() == StepState::End {
                        self.message_open.d.next = false;
                        self.tree_open.d.next = false;
                        self.reply.d.next = ReplyState::Digest;
                        self.to_send.d.next = self.digest_bytes.val();
                        self.state.d.next = DispatchState::Digest;
                    }
                }
            }
            DispatchState::Digest => {
                if self.engine_ready.val() {
                    self.state.d.next = DispatchState::RespondHeader;
                }
            }
            DispatchState::VaultStart => {
                self.vault_start.next = true;
                self.state.d.next = DispatchState::Vault;
            }
            DispatchState::Vault => {
                self.queue_pop.next = self.vault_pop.val();
                self.reply.d.next = ReplyState::Vault;
                if self.vault_answered.val() {
                    self.status.d.next = self.vault_status.val().get_bits::<4>(0);
                    self.to_send.d.next = self.vault_reply_length.val().get_bits::<7>(0);
                    self.state.d.next = DispatchState::Drain;
                }
            }
            DispatchState::Drain => {
                if !self.left.q.val().any() {
                    self.state.d.next = DispatchState::RespondHeader;
                } else {
                    self.queue_pop.next = self.queue_available.val();
                }
            }
            DispatchState::RespondHeader => {
                match self.index.q.val().index() {
                    1 => {
                        self.reply_data.next = self.tag.q.val();
                    }
                    2 => {
                        self.reply_data.next = self.opcode.q.val() | self.response_bit.val();
                    }
                    3 => {
                        self.reply_data.next = self.status_wide.val();
                    }
                    4 => {
                        self.reply_data.next = self.reply_length.val();
                    }
                    5 => {
                        self.reply_data.next = 0.into();
                    }
                    _ => {}
                }
                self.can_send.next = true;
                if self.reply_ready.val() {
                    self.index.d.next = self.index_up.val();
                    if self.index.q.val() == self.last_header.val() {
                        self.index.d.next = 0.into();
                        self.state.d.next = DispatchState::RespondPayload;
                    }
                }
            }
            DispatchState::RespondPayload => {
                match self.reply.q.val() {
                    ReplyState::Version => {
                        self.can_send.next = true;
                    }
                    ReplyState::Word => {
                        self.reply_data.next = self.register_value.val();
                        self.register_hold.next = true;
                        if !self.register_counting.val() {
                            self.index.d.next = self.index_up.val();
                        }
                        self.can_send.next = self.index.q.val().any();
                    }
                    ReplyState::Echo => {
                        self.reply_data.next = self.queue_data.val();
                        self.can_send.next = self.queue_available.val();
                    }
                    ReplyState::Digest => {
                        self.reply_data.next = self.engine_digest_byte.val();
                        self.index.d.next = self.index_up.val();
                        self.can_send.next = self.index.q.val().get_bit(1);
                    }
                    ReplyState::Vault => {
                        self.reply_data.next = self.vault_reply.val();
                        self.can_send.next = self.vault_reply_valid.val();
                    }
                }
                if !self.to_send.q.val().any() {
                    self.can_send.next = false;
                    self.index.d.next = 0.into();
                    self.state.d.next = DispatchState::Finish;
                }
            }
            DispatchState::Finish => {
                if self.reply_ready.val() && !self.vault_busy.val() {
                    self.reply_finish.next = true;
                    self.state.d.next = DispatchState::Header;
                }
            }
        }
        self.sent.next = self.can_send.val() && self.reply_ready.val();
        self.reply_push.next = self.sent.val();
        if self.sent.val() && (self.state.q.val() == DispatchState::RespondPayload) {
            self.to_send.d.next = self.to_send_down.val();
            self.index.d.next = 0.into();
            match self.reply.q.val() {
                ReplyState::Version => {}
                ReplyState::Word => {
                    self.register_advance.next = true;
                }
                ReplyState::Echo => {
                    self.queue_pop.next = true;
                }
                ReplyState::Digest => {
                    self.digest_at.d.next = self.digest_up.val();
                }
                ReplyState::Vault => {
                    self.vault_reply_taken.next = true;
                }
            }
        }
        if self.queue_pop.val() && (self.state.q.val() != DispatchState::Header) {
            self.left.d.next = self.left_down.val();
        }
        self.engine_command_valid.next = self.issue.val() && (self.step_at.q.val() != StepState::Data);
        self.engine_data_valid.next = self.issue.val() && (self.step_at.q.val() == StepState::Data);
    }
}
