//! Carries out one request after the other: reads it from the queue, does it, and hands the response to the framer.
//! What it must do is written in [`crate::golden::board`].

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_wire::{
    HEADER_BYTES, MAX_RESPONSE_BYTES, RESPONSE_BIT, WIRE_VERSION, engines, hash_flags, merkle_flags, opcode,
    status,
};

use crate::engine::command;
use crate::golden::sha256::DIGEST_BYTES;

#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum DispatchState {
    Header,
    Check,
    Address,
    Value,
    Register,
    Flags,
    Permit,
    Step,
    Result,
    Digest,
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

/// What the payload of the response is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
enum ReplyState {
    Empty,
    Version,
    Word,
    Echo,
    Digest,
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
    /// To the register file.
    pub address: Signal<Out, Bits<16>>,
    /// From the register file.
    pub value: Signal<In, Bits<32>>,
    /// From the register file.
    pub known: Signal<In, Bit>,
    /// From the register file.
    pub writable: Signal<In, Bit>,
    /// To the register file.
    pub write: Signal<Out, Bit>,
    /// To the register file.
    pub write_value: Signal<Out, Bits<32>>,
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

    state: DFF<DispatchState>,
    /// Counts bytes within a state.
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
    length_ok: Signal<Local, Bit>,
    /// Payload bytes still in the queue.
    left: DFF<Bits<10>>,
    left_down: Signal<Local, Bits<10>>,
    length_byte: Signal<Local, Bits<10>>,
    length_high: Signal<Local, Bits<10>>,
    place: DFF<Bits<16>>,
    place_wide: Signal<Local, Bits<16>>,
    place_top: Signal<Local, Bits<16>>,
    place_down: Signal<Local, Bits<16>>,
    word: DFF<Bits<32>>,
    word_wide: Signal<Local, Bits<32>>,
    word_top: Signal<Local, Bits<32>>,
    word_down: Signal<Local, Bits<32>>,

    flags: DFF<Bits<8>>,
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

    status: DFF<Bits<8>>,
    reply: DFF<ReplyState>,
    reply_length: Signal<Local, Bits<8>>,
    /// Payload bytes of the response to come.
    to_send: DFF<Bits<8>>,
    to_send_down: Signal<Local, Bits<8>>,
    digest_at: DFF<Bits<5>>,
    digest_up: Signal<Local, Bits<5>>,
    /// The engine has seen `digest_at` for a clock.
    settled: DFF<Bit>,
    sent: Signal<Local, Bit>,

    wire_version: Constant<Bits<8>>,
    last_header: Constant<Bits<3>>,
    response_bit: Constant<Bits<8>>,
    op_read: Constant<Bits<8>>,
    op_write: Constant<Bits<8>>,
    op_echo: Constant<Bits<8>>,
    op_hash: Constant<Bits<8>>,
    op_merkle: Constant<Bits<8>>,
    has_hash: Constant<Bit>,
    has_merkle: Constant<Bit>,
    max_echo: Constant<Bits<10>>,
    digest_bytes: Constant<Bits<8>>,
    st_ok: Constant<Bits<8>>,
    st_bad_version: Constant<Bits<8>>,
    st_bad_opcode: Constant<Bits<8>>,
    st_bad_length: Constant<Bits<8>>,
    st_bad_address: Constant<Bits<8>>,
    st_bad_flags: Constant<Bits<8>>,
    st_bad_state: Constant<Bits<8>>,
    st_tree_full: Constant<Bits<8>>,
    hash_undefined: Constant<Bits<8>>,
    hash_begin: Constant<Bits<8>>,
    hash_end: Constant<Bits<8>>,
    merkle_undefined: Constant<Bits<8>>,
    merkle_tree_begin: Constant<Bits<8>>,
    merkle_leaf_begin: Constant<Bits<8>>,
    merkle_leaf_end: Constant<Bits<8>>,
    merkle_tree_end: Constant<Bits<8>>,
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

impl Dispatcher {
    /// A dispatcher for a board with these [`twinseal_wire::engines`].
    pub fn new(engine_bits: u32) -> Self {
        Self {
            clock: Default::default(),
            queue_data: Default::default(),
            queue_available: Default::default(),
            queue_pop: Default::default(),
            reply_data: Default::default(),
            reply_push: Default::default(),
            reply_finish: Default::default(),
            reply_ready: Default::default(),
            address: Default::default(),
            value: Default::default(),
            known: Default::default(),
            writable: Default::default(),
            write: Default::default(),
            write_value: Default::default(),
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
            length_ok: Default::default(),
            left: Default::default(),
            left_down: Default::default(),
            length_byte: Default::default(),
            length_high: Default::default(),
            place: Default::default(),
            place_wide: Default::default(),
            place_top: Default::default(),
            place_down: Default::default(),
            word: Default::default(),
            word_wide: Default::default(),
            word_top: Default::default(),
            word_down: Default::default(),
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
            reply_length: Default::default(),
            to_send: Default::default(),
            to_send_down: Default::default(),
            digest_at: Default::default(),
            digest_up: Default::default(),
            settled: Default::default(),
            sent: Default::default(),
            wire_version: byte(WIRE_VERSION),
            last_header: Constant::new((HEADER_BYTES as u64 - 1).into()),
            response_bit: byte(RESPONSE_BIT),
            op_read: byte(opcode::READ_REGISTER),
            op_write: byte(opcode::WRITE_REGISTER),
            op_echo: byte(opcode::ECHO),
            op_hash: byte(opcode::HASH),
            op_merkle: byte(opcode::MERKLE),
            has_hash: Constant::new(engine_bits & engines::SHA256 != 0),
            has_merkle: Constant::new(engine_bits & engines::MERKLE != 0),
            max_echo: Constant::new((MAX_RESPONSE_BYTES as u64).into()),
            digest_bytes: Constant::new((DIGEST_BYTES as u64).into()),
            st_ok: byte(status::OK),
            st_bad_version: byte(status::BAD_VERSION),
            st_bad_opcode: byte(status::BAD_OPCODE),
            st_bad_length: byte(status::BAD_LENGTH),
            st_bad_address: byte(status::BAD_ADDRESS),
            st_bad_flags: byte(status::BAD_FLAGS),
            st_bad_state: byte(status::BAD_STATE),
            st_tree_full: byte(status::TREE_FULL),
            hash_undefined: byte(!hash_flags::MASK),
            hash_begin: byte(hash_flags::BEGIN),
            hash_end: byte(hash_flags::END),
            merkle_undefined: byte(!merkle_flags::MASK),
            merkle_tree_begin: byte(merkle_flags::TREE_BEGIN),
            merkle_leaf_begin: byte(merkle_flags::LEAF_BEGIN),
            merkle_leaf_end: byte(merkle_flags::LEAF_END),
            merkle_tree_end: byte(merkle_flags::TREE_END),
            do_hash_begin: Constant::new(command::HASH_BEGIN.into()),
            do_hash_end: Constant::new(command::HASH_END.into()),
            do_tree_begin: Constant::new(command::TREE_BEGIN.into()),
            do_leaf_begin: Constant::new(command::LEAF_BEGIN.into()),
            do_leaf_end: Constant::new(command::LEAF_END.into()),
            do_tree_end: Constant::new(command::TREE_END.into()),
        }
    }
}

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
            place,
            word,
            flags,
            message_open,
            tree_open,
            step_at,
            status,
            reply,
            to_send,
            digest_at,
            settled
        );
        self.index_up.next = self.index.q.val() + 1;
        self.left_down.next = self.left.q.val() - 1;
        self.to_send_down.next = self.to_send.q.val() - 1;
        self.digest_up.next = self.digest_at.q.val() + 1;
        self.length_byte.next = bit_cast::<10, 8>(self.queue_data.val());
        self.length_high.next = self.length_byte.val() << 8;
        self.place_wide.next = bit_cast::<16, 8>(self.queue_data.val());
        self.place_top.next = self.place_wide.val() << 8;
        self.place_down.next = self.place.q.val() >> 8;
        self.word_wide.next = bit_cast::<32, 8>(self.queue_data.val());
        self.word_top.next = self.word_wide.val() << 24;
        self.word_down.next = self.word.q.val() >> 8;

        self.is_read.next = self.opcode.q.val() == self.op_read.val();
        self.is_write.next = self.opcode.q.val() == self.op_write.val();
        self.is_echo.next = self.opcode.q.val() == self.op_echo.val();
        self.is_hash.next = (self.opcode.q.val() == self.op_hash.val()) && self.has_hash.val();
        self.is_merkle.next = (self.opcode.q.val() == self.op_merkle.val()) && self.has_merkle.val();
        self.length_ok.next = self.left.q.val().any();
        if self.is_read.val() {
            self.length_ok.next = self.left.q.val() == 2;
        }
        if self.is_write.val() {
            self.length_ok.next = self.left.q.val() == 6;
        }
        if self.is_echo.val() {
            self.length_ok.next = self.left.q.val() <= self.max_echo.val();
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
        self.reply_push.next = false;
        self.reply_finish.next = false;
        self.count_ok.next = false;
        self.write.next = false;
        self.write_value.next = self.word.q.val();
        self.address.next = self.place.q.val();
        self.engine_command.next = self.do_leaf_begin.val();
        self.engine_data.next = self.queue_data.val();
        self.engine_digest_index.next = self.digest_at.q.val();
        self.wanted.next = false;
        self.issue.next = false;
        self.sent.next = false;
        self.reply_length.next = 0.into();
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
                self.settled.d.next = false;
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
                self.reply.d.next = ReplyState::Empty;
                self.step_at.d.next = StepState::Begin;
                self.state.d.next = DispatchState::Drain;
                if self.stranger.q.val() {
                    self.status.d.next = self.st_bad_version.val();
                    self.reply.d.next = ReplyState::Version;
                } else if self.is_read.val()
                    || self.is_write.val()
                    || self.is_echo.val()
                    || self.is_hash.val()
                    || self.is_merkle.val()
                {
                    if !self.length_ok.val() {
                        self.status.d.next = self.st_bad_length.val();
                    } else if self.is_echo.val() {
                        self.reply.d.next = ReplyState::Echo;
                        self.state.d.next = DispatchState::RespondHeader;
                    } else if self.is_hash.val() || self.is_merkle.val() {
                        self.state.d.next = DispatchState::Flags;
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
                    self.left.d.next = self.left_down.val();
                    self.place.d.next = self.place_top.val() | self.place_down.val();
                    self.index.d.next = self.index_up.val();
                    if self.index.q.val().any() {
                        self.index.d.next = 0.into();
                        self.state.d.next = DispatchState::Value;
                        if self.is_read.val() {
                            self.state.d.next = DispatchState::Register;
                        }
                    }
                }
            }
            DispatchState::Value => {
                if self.queue_available.val() {
                    self.queue_pop.next = true;
                    self.left.d.next = self.left_down.val();
                    self.word.d.next = self.word_top.val() | self.word_down.val();
                    if !self.left_down.val().any() {
                        self.state.d.next = DispatchState::Register;
                    }
                }
            }
            DispatchState::Register => {
                self.state.d.next = DispatchState::RespondHeader;
                if self.is_read.val() && self.known.val() {
                    self.word.d.next = self.value.val();
                    self.reply.d.next = ReplyState::Word;
                } else if self.is_write.val() && self.writable.val() {
                    self.write.next = true;
                } else {
                    self.status.d.next = self.st_bad_address.val();
                }
            }
            DispatchState::Flags => {
                if self.queue_available.val() {
                    self.queue_pop.next = true;
                    self.left.d.next = self.left_down.val();
                    self.flags.d.next = self.queue_data.val();
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
                        self.left.d.next = self.left_down.val();
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
                        self.state.d.next = DispatchState::Digest;
                    }
                }
            }
            DispatchState::Digest => {
                if self.engine_ready.val() {
                    self.state.d.next = DispatchState::RespondHeader;
                }
            }
            DispatchState::Drain => {
                if !self.left.q.val().any() {
                    self.state.d.next = DispatchState::RespondHeader;
                } else if self.queue_available.val() {
                    self.queue_pop.next = true;
                    self.left.d.next = self.left_down.val();
                }
            }
            DispatchState::RespondHeader => {
                match self.reply.q.val() {
                    ReplyState::Empty => {}
                    ReplyState::Version => {
                        self.reply_length.next = 1.into();
                    }
                    ReplyState::Word => {
                        self.reply_length.next = 4.into();
                    }
                    ReplyState::Echo => {
                        self.reply_length.next = self.left.q.val().get_bits::<8>(0);
                    }
                    ReplyState::Digest => {
                        self.reply_length.next = self.digest_bytes.val();
                    }
                }
                match self.index.q.val().index() {
                    1 => {
                        self.reply_data.next = self.tag.q.val();
                    }
                    2 => {
                        self.reply_data.next = self.opcode.q.val() | self.response_bit.val();
                    }
                    3 => {
                        self.reply_data.next = self.status.q.val();
                    }
                    4 => {
                        self.reply_data.next = self.reply_length.val();
                    }
                    5 => {
                        self.reply_data.next = 0.into();
                    }
                    _ => {}
                }
                self.to_send.d.next = self.reply_length.val();
                if self.reply_ready.val() {
                    self.reply_push.next = true;
                    self.index.d.next = self.index_up.val();
                    if self.index.q.val() == self.last_header.val() {
                        self.index.d.next = 0.into();
                        self.state.d.next = DispatchState::RespondPayload;
                    }
                }
            }
            DispatchState::RespondPayload => {
                if !self.to_send.q.val().any() {
                    self.state.d.next = DispatchState::Finish;
                } else {
                    match self.reply.q.val() {
                        ReplyState::Word => {
                            self.reply_data.next = self.word.q.val().get_bits::<8>(0);
                            self.word.d.next = self.word_down.val();
                            self.sent.next = true;
                        }
                        ReplyState::Echo => {
                            self.reply_data.next = self.queue_data.val();
                            self.sent.next = self.queue_available.val();
                            self.queue_pop.next = self.queue_available.val();
                        }
                        ReplyState::Digest => {
                            self.reply_data.next = self.engine_digest_byte.val();
                            self.sent.next = self.settled.q.val();
                            self.settled.d.next = !self.settled.q.val();
                            if self.settled.q.val() {
                                self.digest_at.d.next = self.digest_up.val();
                            }
                        }
                        _ => {
                            self.sent.next = true;
                        }
                    }
                }
                self.reply_push.next = self.sent.val();
                if self.sent.val() {
                    self.to_send.d.next = self.to_send_down.val();
                }
            }
            DispatchState::Finish => {
                self.reply_finish.next = true;
                self.state.d.next = DispatchState::Header;
            }
        }
        self.engine_command_valid.next = self.issue.val() && (self.step_at.q.val() != StepState::Data);
        self.engine_data_valid.next = self.issue.val() && (self.step_at.q.val() == StepState::Data);
    }
}
