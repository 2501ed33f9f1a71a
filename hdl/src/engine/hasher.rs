//! Messages, MACs, leaves and trees over the compression core: padding (FIPS 180-4 section 5.1.1), HMAC (FIPS 198-1)
//! and Merkle tree heads (RFC 6962 section 2.1).
//!
//! Bytes go to the core's two message pages in turn, so that one block comes in while the one before is compressed.
//!
//! A tree is hashed as it comes. The stack is the core's hash values: the heads of the complete subtrees so far, largest
//! first, each lower than the one before. A leaf is hashed in the slot above the last, so that nothing is ever moved.
//! Whatever has been hashed is merged with the subtree below it while both are of one height; at the end of the tree
//! everything is merged from the right, whatever its height, which is the split at the largest power of two.
//! Of a node's two blocks the first is written out, of the second only a byte.
//!
//! A key stays in its page, exclusive-or 0x36, until the next one: the inner hash starts from it, and so does the
//! outer one, once the inner digest is in place behind it.
//!
//! The length of a message and the heights of subtrees are counted in block RAM (`tallies`). Blocks are counted while
//! bytes 9 to 15 of the next one come in, a byte of the count with each, from the lowest up: so the eight bytes of a
//! length need one adder of eight bits, and no choice among them but the address.
//!
//! The last result is in slot 0.
//!
//! # Scrub
//!
//! `KEY_BEGIN`, `KEY_END`, 56 or more bytes of zero, `HASH_END`: when `ready` comes again, no register and no memory holds
//! anything of an earlier key, message, schedule or digest, of a keyed hash or a plain one; the result on show is the HMAC
//! of those zeros under an empty key. The empty key fills the key's page, two blocks of message both message pages, the
//! inner digest the outer page, and every block the schedule, the state and slot 0. Slots above 0 are
//! written by trees alone and stay: nothing secret may be a leaf.

use crate::engine::ram::{BlockRam, Zeros};
use crate::engine::sha256::{KEY_PAGE, NODE_PAGE, OUTER_PAGE, Sha256Core};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// Deepest stack: its heights and the eight bytes of a length fill `tallies`.
pub const MAX_STACK_DEPTH: usize = LENGTH_ROWS;

/// Rows of `tallies`: bytes of the length from this one on, heights of subtrees before.
const LENGTH_ROWS: usize = 24;

#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum State {
    /// A command or a byte of the open key, message or leaf may come.
    Ready,
    /// Wait for whatever is still being compressed; the first byte to copy is asked for.
    Begin,
    /// 0x00 for a leaf, 0x01 for a node, nothing for a message.
    Prefix,
    /// The key's page to its end.
    KeyFill,
    /// The key's block, inner or outer.
    KeyBlock,
    /// The two children, 63 bytes of them.
    Children,
    /// The last byte of the children.
    NodeByte,
    /// The inner digest, 32 bytes.
    Inner,
    /// The second block of a node or of an outer hash.
    SecondBlock,
    /// 0x80.
    Pad,
    /// Zeros up to the length.
    Zeros,
    /// Eight bytes of length in bits.
    Length,
    /// Wait for the last block.
    Finish,
    /// The digest is one of the stack: is it to be merged with the one below?
    Compare,
    /// Then merge them, or go on.
    Stack,
}

/// SHA-256 and HMAC-SHA-256 of messages, and RFC 6962 tree heads of up to 2^`STACK_DEPTH` - 1 leaves.
#[derive(LogicBlock)]
pub struct Hasher<const STACK_DEPTH: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// One of [`crate::engine::command`].
    pub command: Signal<In, Bits<3>>,
    /// Carry out `command`; only honoured while `ready`, never with `data_valid`.
    pub command_valid: Signal<In, Bit>,
    /// Next byte of the open key, message or leaf.
    pub data: Signal<In, Bits<8>>,
    /// Take `data`; only honoured while `ready`.
    pub data_valid: Signal<In, Bit>,
    /// A command or a byte is taken in this clock.
    pub ready: Signal<Out, Bit>,
    /// The last command or byte made no sense in the state it met, and changed nothing.
    pub refused: Signal<Out, Bit>,
    /// The last command was a LEAF_BEGIN that found the tree full, and changed nothing.
    pub full: Signal<Out, Bit>,
    /// Which byte of the last result to show.
    pub digest_index: Signal<In, Bits<5>>,
    /// That byte, two clocks after the index, while `ready`; until the next command that is not refused.
    pub digest_byte: Signal<Out, Bits<8>>,

    core: Sha256Core,
    state: DFF<State>,
    message_open: DFF<Bit>,
    tree_open: DFF<Bit>,
    leaf_open: DFF<Bit>,
    key_open: DFF<Bit>,
    /// The key's page is full.
    key_full: DFF<Bit>,
    /// The message has a key.
    keyed: DFF<Bit>,
    refused_last: DFF<Bit>,
    full_last: DFF<Bit>,
    /// The hash in progress is a node of the tree.
    node: DFF<Bit>,
    /// Slots in use; the hash in progress is in the one above.
    used: DFF<Bits<5>>,
    used_step: Signal<Local, Bits<5>>,
    used_next: Signal<Local, Bits<5>>,
    used_down: Signal<Local, Bit>,
    /// Of the hash in progress.
    height: DFF<Bits<5>>,
    height_up: Signal<Local, Bits<5>>,
    height_below: Signal<Local, Bits<5>>,
    same_height: Signal<Local, Bit>,
    merge: DFF<Bit>,
    /// Every height is on the stack once.
    tree_full: Signal<Local, Bit>,
    depth: Constant<Bits<5>>,
    /// Byte of digests being copied, counted from `Begin` on.
    copied: DFF<Bits<6>>,
    copied_up: Signal<Local, Bits<6>>,
    /// Where in its page the next byte goes.
    position: DFF<Bits<6>>,
    position_up: Signal<Local, Bits<6>>,
    /// Which of the two message pages the next byte goes to.
    odd_page: DFF<Bit>,
    /// A message page is full and not taken yet.
    waiting: DFF<Bit>,
    /// The next block is the first of its hash.
    first: DFF<Bit>,
    /// A byte of the length in the lower eight bits, byte i in row `LENGTH_ROWS` + 7 - i, or a height in the upper five,
    /// that of slot i in row i + 1.
    tallies: BlockRam<5, 13, Zeros>,
    tally_read: Signal<Local, Bits<3>>,
    tally_read_row: Signal<Local, Bits<5>>,
    tally_written: Signal<Local, Bits<3>>,
    tally_write_row: Signal<Local, Bits<5>>,
    length_rows: Constant<Bits<5>>,
    old_byte: Signal<Local, Bits<9>>,
    tally_height: Signal<Local, Bits<13>>,
    tally_sum: Signal<Local, Bits<13>>,
    tally_byte: Signal<Local, Bits<8>>,
    /// No block of the message is full yet.
    fresh: DFF<Bit>,
    /// To be added to the next byte of the length.
    carry: DFF<Bit>,
    lowest: Signal<Local, Bit>,
    addend: Signal<Local, Bits<9>>,
    sum: Signal<Local, Bits<9>>,
    sum_low: Signal<Local, Bits<8>>,
    counts: Signal<Local, Bit>,
    pushed: DFF<Bit>,
    /// Bytes of the message in its last block.
    tail: DFF<Bits<6>>,
    tail_low: Signal<Local, Bits<8>>,
    tail_high: Signal<Local, Bits<8>>,
    length_byte: Signal<Local, Bits<8>>,
    from_data: Signal<Local, Bits<8>>,
    from_digest: Signal<Local, Bits<8>>,
    from_length: Signal<Local, Bits<8>>,
    fixed: Signal<Local, Bits<8>>,
    text: Signal<Local, Bits<8>>,
    text_page: Signal<Local, Bits<3>>,
    message_page: Signal<Local, Bits<3>>,
    block_page: Signal<Local, Bits<3>>,
    key_page: Constant<Bits<3>>,
    node_page: Constant<Bits<3>>,
    outer_page: Constant<Bits<3>>,
    push: Signal<Local, Bit>,
    /// `push` to a message page.
    in_message: Signal<Local, Bit>,
    /// `push` of what the length counts.
    in_text: Signal<Local, Bit>,
    /// Bytes of children or of the inner digest are read, not those of the result.
    copies: Signal<Local, Bit>,
    page_full: Signal<Local, Bit>,
    /// Ask for the block of the state at hand, which is in no message page.
    start: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    takes_bytes: Signal<Local, Bit>,
    /// Ready, and the page too.
    open: Signal<Local, Bit>,
    idle: Signal<Local, Bit>,
    last_byte: Signal<Local, Bit>,
}

impl<const STACK_DEPTH: usize> Default for Hasher<STACK_DEPTH> {
    /// See [`Hasher::new`].
    fn default() -> Self {
        Self::new(false)
    }
}

impl<const STACK_DEPTH: usize> Hasher<STACK_DEPTH> {
    /// A hasher for a device with `late_reads` or without, see [`Sha256Core::new`].
    ///
    /// # Panics
    /// Unless `STACK_DEPTH` is 2 to [`MAX_STACK_DEPTH`].
    pub fn new(late_reads: bool) -> Self {
        assert!((2..=MAX_STACK_DEPTH).contains(&STACK_DEPTH), "stack depth {STACK_DEPTH}");
        Self {
            depth: Constant::new((STACK_DEPTH as u64).into()),
            key_page: Constant::new(KEY_PAGE.into()),
            node_page: Constant::new(NODE_PAGE.into()),
            outer_page: Constant::new(OUTER_PAGE.into()),
            clock: Default::default(),
            command: Default::default(),
            command_valid: Default::default(),
            data: Default::default(),
            data_valid: Default::default(),
            ready: Default::default(),
            refused: Default::default(),
            full: Default::default(),
            digest_index: Default::default(),
            digest_byte: Default::default(),
            core: Sha256Core::new(late_reads),
            state: Default::default(),
            message_open: Default::default(),
            tree_open: Default::default(),
            leaf_open: Default::default(),
            key_open: Default::default(),
            key_full: Default::default(),
            keyed: Default::default(),
            refused_last: Default::default(),
            full_last: Default::default(),
            node: Default::default(),
            used: Default::default(),
            used_step: Default::default(),
            used_next: Default::default(),
            used_down: Default::default(),
            height: Default::default(),
            height_up: Default::default(),
            height_below: Default::default(),
            same_height: Default::default(),
            merge: Default::default(),
            tree_full: Default::default(),
            copied: Default::default(),
            copied_up: Default::default(),
            position: Default::default(),
            position_up: Default::default(),
            odd_page: Default::default(),
            waiting: Default::default(),
            first: Default::default(),
            tallies: Default::default(),
            tally_read: Default::default(),
            tally_read_row: Default::default(),
            tally_written: Default::default(),
            tally_write_row: Default::default(),
            old_byte: Default::default(),
            length_rows: Constant::new((LENGTH_ROWS as u64).into()),
            tally_height: Default::default(),
            tally_sum: Default::default(),
            tally_byte: Default::default(),
            fresh: Default::default(),
            carry: Default::default(),
            lowest: Default::default(),
            addend: Default::default(),
            sum: Default::default(),
            sum_low: Default::default(),
            counts: Default::default(),
            pushed: Default::default(),
            tail: Default::default(),
            tail_low: Default::default(),
            tail_high: Default::default(),
            length_byte: Default::default(),
            from_data: Default::default(),
            from_digest: Default::default(),
            from_length: Default::default(),
            fixed: Default::default(),
            text: Default::default(),
            text_page: Default::default(),
            message_page: Default::default(),
            block_page: Default::default(),
            push: Default::default(),
            in_message: Default::default(),
            in_text: Default::default(),
            copies: Default::default(),
            page_full: Default::default(),
            start: Default::default(),
            taken: Default::default(),
            takes_bytes: Default::default(),
            open: Default::default(),
            idle: Default::default(),
            last_byte: Default::default(),
        }
    }
}

impl<const STACK_DEPTH: usize> Logic for Hasher<STACK_DEPTH> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, message_open, tree_open, leaf_open, key_open, key_full, keyed);
        dff_setup!(self, clock, refused_last, full_last, node, used, height, merge, copied, position);
        dff_setup!(self, clock, odd_page, waiting, first, fresh, carry, pushed, tail);
        clock!(self, clock, core, tallies);

        self.taken.next = self.core.taken.val();
        self.idle.next = !self.core.busy.val() && !self.waiting.q.val();
        self.last_byte.next = self.position.q.val() == 63;
        self.open.next = !self.waiting.q.val() && (self.state.q.val() == State::Ready);
        self.ready.next = self.open.val();
        self.refused.next = self.refused_last.q.val();
        self.full.next = self.full_last.q.val();
        self.takes_bytes.next = self.message_open.q.val()
            || self.leaf_open.q.val()
            || (self.key_open.q.val() && !self.key_full.q.val());

        // The stack: one down when merging or at the end of the tree, one up for the next leaf or the right child.
        self.height_below.next = self.tallies.read_data.val().get_bits::<5>(8);
        self.same_height.next = self.height_below.val() == self.height.q.val();
        self.merge.d.next = self.used.q.val().any() && (!self.tree_open.q.val() || self.same_height.val());
        self.used_down.next = (self.state.q.val() == State::Ready)
            || ((self.state.q.val() == State::Stack) && self.merge.q.val());
        self.used_step.next = 1.into();
        if self.used_down.val() {
            self.used_step.next = 31.into();
        }
        self.used_next.next = self.used.q.val() + self.used_step.val();
        self.height_up.next = self.height.q.val() + 1;
        self.tree_full.next = self.used.q.val() == self.depth.val();

        // While a digest is copied, each clock fetches the byte of the one after the next; otherwise the result is on show.
        self.copies.next = (self.state.q.val() == State::Begin)
            || (self.state.q.val() == State::Prefix)
            || (self.state.q.val() == State::Children)
            || (self.state.q.val() == State::NodeByte)
            || (self.state.q.val() == State::Inner);
        self.copied_up.next = self.copied.q.val() + 1;
        self.copied.d.next = 0.into();
        if self.copies.val() {
            self.copied.d.next = self.copied_up.val();
        }
        self.core.digest_slot.next = self.used.q.val();
        if self.copied.q.val().get_bit(5) {
            self.core.digest_slot.next = self.used_next.val();
        }
        self.core.digest_index.next = self.digest_index.val();
        if self.copies.val() {
            self.core.digest_index.next = self.copied.q.val().get_bits::<5>(0);
        }
        self.digest_byte.next = self.core.digest_byte.val();

        // What the length has beside whole blocks: six bits of bytes.
        self.tail_low.next = 0.into();
        self.tail_high.next = 0.into();
        match self.position.q.val().get_bits::<3>(0).index() {
            6 => self.tail_high.next = bit_cast::<8, 1>(self.tail.q.val().get_bits::<1>(5)),
            7 => self.tail_low.next = bit_cast::<8, 5>(self.tail.q.val().get_bits::<5>(0)) << 3,
            _ => self.tail_low.next = 0.into(),
        }
        self.tally_byte.next = self.tallies.read_data.val().get_bits::<8>(0);
        self.length_byte.next = self.tally_byte.val() | self.tail_low.val() | self.tail_high.val();

        self.message_page.next = 0.into();
        if self.odd_page.q.val() {
            self.message_page.next = 1.into();
        }
        self.text_page.next = self.message_page.val();
        self.block_page.next = self.message_page.val();
        self.from_data.next = 0.into();
        self.from_digest.next = 0.into();
        self.from_length.next = 0.into();
        self.fixed.next = 0.into();
        self.push.next = false;
        self.start.next = false;
        self.in_message.next = true;
        self.in_text.next = true;
        self.core.outer.next = false;
        match self.state.q.val() {
            State::Ready => {
                self.from_data.next = self.data.val();
                if self.key_open.q.val() {
                    self.in_message.next = false;
                    self.text_page.next = self.key_page.val();
                    self.fixed.next = 0x36.into();
                }
                if self.open.val() && self.data_valid.val() {
                    self.full_last.d.next = false;
                    self.push.next = self.takes_bytes.val();
                    self.refused_last.d.next = !self.takes_bytes.val();
                }
                if self.open.val() && self.command_valid.val() {
                    self.full_last.d.next = false;
                    self.refused_last.d.next = false;
                    match self.command.val().index() {
                        0 => {
                            self.message_open.d.next = true;
                            self.tree_open.d.next = false;
                            self.leaf_open.d.next = false;
                            self.key_open.d.next = false;
                            self.keyed.d.next = false;
                            self.used.d.next = 0.into();
                            self.state.d.next = State::Begin;
                        }
                        1 => {
                            if self.message_open.q.val() {
                                self.message_open.d.next = false;
                                self.state.d.next = State::Pad;
                            } else {
                                self.refused_last.d.next = true;
                            }
                        }
                        2 => {
                            self.message_open.d.next = false;
                            self.tree_open.d.next = true;
                            self.leaf_open.d.next = false;
                            self.key_open.d.next = false;
                            self.keyed.d.next = false;
                            self.used.d.next = 0.into();
                        }
                        3 => {
                            if self.tree_open.q.val() && !self.leaf_open.q.val() {
                                if self.tree_full.val() {
                                    self.full_last.d.next = true;
                                } else {
                                    self.leaf_open.d.next = true;
                                    self.state.d.next = State::Begin;
                                }
                            } else {
                                self.refused_last.d.next = true;
                            }
                        }
                        4 => {
                            if self.leaf_open.q.val() {
                                self.leaf_open.d.next = false;
                                self.state.d.next = State::Pad;
                            } else {
                                self.refused_last.d.next = true;
                            }
                        }
                        5 => {
                            if self.tree_open.q.val() && !self.leaf_open.q.val() {
                                self.tree_open.d.next = false;
                                if self.used.q.val().any() {
                                    self.used.d.next = self.used_next.val();
                                    self.state.d.next = State::Finish;
                                } else {
                                    // The head of an empty tree is the hash of an empty message.
                                    self.state.d.next = State::Begin;
                                }
                            } else {
                                self.refused_last.d.next = true;
                            }
                        }
                        6 => {
                            self.message_open.d.next = false;
                            self.tree_open.d.next = false;
                            self.leaf_open.d.next = false;
                            self.key_open.d.next = true;
                            self.key_full.d.next = false;
                            self.keyed.d.next = true;
                            self.used.d.next = 0.into();
                            self.state.d.next = State::Begin;
                        }
                        _ => {
                            if self.key_open.q.val() {
                                self.key_open.d.next = false;
                                self.message_open.d.next = true;
                                self.state.d.next = State::KeyFill;
                                if self.key_full.q.val() {
                                    self.state.d.next = State::KeyBlock;
                                }
                            } else {
                                self.refused_last.d.next = true;
                            }
                        }
                    }
                }
            }
            State::Begin => {
                self.position.d.next = 0.into();
                self.first.d.next = true;
                self.fresh.d.next = true;
                self.carry.d.next = false;
                if self.idle.val() {
                    self.state.d.next = State::Prefix;
                }
            }
            State::Prefix => {
                if !self.node.q.val() {
                    self.height.d.next = 0.into();
                }
                if self.node.q.val() {
                    self.fixed.next = 1.into();
                    self.push.next = true;
                    self.state.d.next = State::Children;
                } else if self.leaf_open.q.val() {
                    self.push.next = true;
                    self.state.d.next = State::Ready;
                } else if self.message_open.q.val() || self.key_open.q.val() {
                    self.state.d.next = State::Ready;
                } else if self.keyed.q.val() {
                    self.keyed.d.next = false;
                    self.state.d.next = State::Inner;
                } else {
                    self.state.d.next = State::Pad;
                }
            }
            State::KeyFill => {
                self.in_message.next = false;
                self.text_page.next = self.key_page.val();
                self.fixed.next = 0x36.into();
                self.push.next = true;
                if self.last_byte.val() {
                    self.state.d.next = State::KeyBlock;
                }
            }
            State::KeyBlock => {
                // The core is idle.
                self.block_page.next = self.key_page.val();
                self.core.outer.next = !self.message_open.q.val();
                self.start.next = true;
                self.state.d.next = State::SecondBlock;
                if self.message_open.q.val() {
                    self.state.d.next = State::Ready;
                }
            }
            State::Children => {
                self.from_digest.next = self.core.digest_byte.val();
                self.push.next = true;
                if self.last_byte.val() {
                    self.state.d.next = State::NodeByte;
                }
            }
            State::NodeByte => {
                self.in_message.next = false;
                self.text_page.next = self.node_page.val();
                self.from_digest.next = self.core.digest_byte.val();
                self.push.next = true;
                self.state.d.next = State::SecondBlock;
            }
            State::Inner => {
                self.in_message.next = false;
                self.text_page.next = self.outer_page.val();
                self.from_digest.next = self.core.digest_byte.val();
                self.push.next = true;
                if self.position.q.val() == 31 {
                    self.state.d.next = State::KeyBlock;
                }
            }
            State::SecondBlock => {
                self.block_page.next = self.outer_page.val();
                if self.node.q.val() {
                    self.block_page.next = self.node_page.val();
                }
                self.start.next = true;
                if self.taken.val() {
                    self.state.d.next = State::Finish;
                }
            }
            State::Pad => {
                self.in_text.next = false;
                self.fixed.next = 128.into();
                self.tail.d.next = self.position.q.val();
                if !self.waiting.q.val() {
                    self.push.next = true;
                    self.state.d.next = State::Zeros;
                    if self.position.q.val() == 55 {
                        self.state.d.next = State::Length;
                    }
                }
            }
            State::Zeros => {
                self.in_text.next = false;
                if !self.waiting.q.val() {
                    self.push.next = true;
                    if self.position.q.val() == 55 {
                        self.state.d.next = State::Length;
                    }
                }
            }
            State::Length => {
                self.in_text.next = false;
                self.from_length.next = self.length_byte.val();
                self.push.next = true;
                if self.last_byte.val() {
                    self.state.d.next = State::Finish;
                }
            }
            State::Finish => {
                if self.idle.val() {
                    self.state.d.next = State::Compare;
                    if self.keyed.q.val() {
                        self.state.d.next = State::Begin;
                    }
                }
            }
            State::Compare => {
                self.state.d.next = State::Stack;
            }
            State::Stack => {
                self.node.d.next = self.merge.q.val();
                self.state.d.next = State::Ready;
                if self.merge.q.val() {
                    self.height.d.next = self.height_up.val();
                    self.state.d.next = State::Begin;
                }
                if self.merge.q.val() || self.tree_open.q.val() {
                    self.used.d.next = self.used_next.val();
                }
            }
            _ => {
                self.state.d.next = State::Ready;
            }
        }
        self.text.next =
            (self.from_data.val() ^ self.fixed.val()) | (self.from_digest.val() | self.from_length.val());

        // A block starts with its last byte, or as soon after it as the core takes it.
        self.position_up.next = self.position.q.val() + 1;
        self.page_full.next = self.push.val() && self.last_byte.val() && self.in_message.val();
        self.pushed.d.next = self.push.val();
        if self.push.val() {
            self.position.d.next = self.position_up.val();
            if self.last_byte.val() && self.key_open.q.val() {
                self.key_full.d.next = true;
            }
        }
        if self.page_full.val() {
            self.waiting.d.next = true;
        }
        if self.taken.val() {
            self.waiting.d.next = false;
            self.first.d.next = false;
            if self.page_full.val() || self.waiting.q.val() {
                self.odd_page.d.next = !self.odd_page.q.val();
            }
        }
        self.core.page.next = self.text_page.val();
        self.core.position.next = self.position.q.val();
        self.core.data.next = self.text.val();
        self.core.data_valid.next = self.push.val();
        self.core.start.next = self.start.val() || self.page_full.val() || self.waiting.q.val();
        self.core.block_page.next = self.block_page.val();
        self.core.first.next = self.first.q.val();
        self.core.slot.next = self.used.q.val();

        // Tallies are read for the byte after the one at hand: upwards to count, downwards for the length itself. The
        // height of the last subtree is written when the next leaf begins, and read at the leaf's end.
        self.tally_read.next = self.position_up.val().get_bits::<3>(0);
        if self.position.q.val().get_bit(5) {
            self.tally_read.next = !self.position_up.val().get_bits::<3>(0);
        }
        self.tally_read_row.next = self.length_rows.val() | bit_cast::<5, 3>(self.tally_read.val());
        if self.state.q.val() == State::Finish {
            self.tally_read_row.next = self.used.q.val();
        }
        self.tallies.read_address.next = self.tally_read_row.val();
        self.tallies.read_enable.next = true;

        // 512 bits a block: a two to byte 6, then carries.
        self.lowest.next = self.position.q.val().get_bits::<3>(0) == 1;
        self.addend.next = 0.into();
        if self.carry.q.val() {
            self.addend.next = 1.into();
            if self.lowest.val() {
                self.addend.next = 2.into();
            }
        }
        self.old_byte.next = bit_cast::<9, 8>(self.tally_byte.val());
        self.sum.next = self.old_byte.val() + self.addend.val();
        self.counts.next = self.pushed.q.val()
            && (self.position.q.val().get_bits::<3>(3) == 1)
            && self.position.q.val().get_bits::<3>(0).any();
        self.sum_low.next = 0.into();
        if self.counts.val() && !self.fresh.q.val() {
            self.sum_low.next = self.sum.val().get_bits::<8>(0);
        }
        if self.counts.val() {
            self.carry.d.next = self.sum.val().get_bit(8);
        }
        if self.push.val() && self.last_byte.val() && self.in_text.val() {
            self.fresh.d.next = false;
            self.carry.d.next = true;
        }
        self.tallies.write_enable.next = self.counts.val();
        self.tally_written.next = self.position.q.val().get_bits::<3>(0);
        self.tally_write_row.next = self.length_rows.val() | bit_cast::<5, 3>(self.tally_written.val());
        if self.state.q.val() == State::Begin {
            self.tallies.write_enable.next = !self.node.q.val();
            self.tally_write_row.next = self.used.q.val();
        }
        self.tallies.write_address.next = self.tally_write_row.val();
        self.tally_height.next = bit_cast::<13, 5>(self.height.q.val()) << 8;
        self.tally_sum.next = bit_cast::<13, 8>(self.sum_low.val());
        self.tallies.write_data.next = self.tally_height.val() | self.tally_sum.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::{HASH_BEGIN, HASH_END, KEY_BEGIN, KEY_END};
    use crate::golden::hmac::hmac;
    use crate::golden::sha256::{BLOCK_BYTES, INITIAL, compress};
    use std::collections::BTreeMap;

    fn clock(uut: &mut Hasher<24>) {
        for level in [true, false] {
            uut.clock.next = level.into();
            assert!(simulate(uut, 100));
        }
    }

    fn wait_ready(uut: &mut Hasher<24>) {
        while !uut.ready.val() {
            clock(uut);
        }
    }

    fn command(uut: &mut Hasher<24>, command: u64) {
        wait_ready(uut);
        uut.command.next = command.into();
        uut.command_valid.next = true;
        clock(uut);
        uut.command_valid.next = false;
        clock(uut);
        wait_ready(uut);
    }

    fn data(uut: &mut Hasher<24>, bytes: &[u8]) {
        for &byte in bytes {
            uut.data.next = u64::from(byte).into();
            uut.data_valid.next = true;
            wait_ready(uut);
            clock(uut);
        }
        uut.data.next = 0.into();
        uut.data_valid.next = false;
        clock(uut);
    }

    fn digest(uut: &mut Hasher<24>) -> [u8; 32] {
        wait_ready(uut);
        std::array::from_fn(|i| {
            uut.digest_index.next = i.to_bits();
            clock(uut);
            clock(uut);
            uut.digest_byte.val().to_u8()
        })
    }

    /// No simulation gets through 2^55 blocks, so the count is set instead, to one whose next carries through every byte.
    #[test]
    fn all_eight_bytes_of_the_length_are_in_place() {
        for blocks in [0x51_2345_6789_ABCDu64, 0x3F_FFFF_FFFF_FFFF, 0x7E_FFFF_FFFF_FFFF] {
            let mut uut = Hasher::<24>::default();
            uut.connect_all();
            command(&mut uut, HASH_BEGIN);
            uut.fresh.q.next = false;
            for (i, byte) in (blocks << 9).to_be_bytes().into_iter().enumerate() {
                uut.tallies.words_mut()[LENGTH_ROWS + 7 - i] = u64::from(byte).into();
            }
            clock(&mut uut);
            data(&mut uut, &[7; BLOCK_BYTES + 1]);
            command(&mut uut, HASH_END);

            let mut state = INITIAL;
            compress(&mut state, &[7; BLOCK_BYTES]);
            let mut block = [0; BLOCK_BYTES];
            block[..2].copy_from_slice(&[7, 0x80]);
            block[56..].copy_from_slice(&((blocks + 1) * 512 + 8).to_be_bytes());
            compress(&mut state, &block);
            let expected: Vec<u8> = state.into_iter().flat_map(u32::to_be_bytes).collect();
            assert_eq!(digest(&mut uut)[..], expected[..], "{blocks:x} blocks");
        }
    }

    /// Name and value of every signal, register and word of memory.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Dump {
        scope: Vec<String>,
        values: BTreeMap<String, String>,
    }

    impl Probe for Dump {
        fn visit_start_scope(&mut self, name: &str, _node: &dyn Block) {
            self.scope.push(name.to_owned());
        }
        fn visit_end_scope(&mut self, _name: &str, _node: &dyn Block) {
            self.scope.pop();
        }
        fn visit_start_namespace(&mut self, name: &str, _node: &dyn Block) {
            self.scope.push(name.to_owned());
        }
        fn visit_end_namespace(&mut self, _name: &str, _node: &dyn Block) {
            self.scope.pop();
        }
        fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
            let path = format!("{}.{name}", self.scope.join("."));
            self.values.insert(path, format!("{:?}", signal.verilog()));
        }
    }

    fn dump(uut: &mut Hasher<24>) -> BTreeMap<String, String> {
        uut.digest_index.next = 0.into();
        for _ in 0..4 {
            clock(uut);
        }
        let mut dump = Dump::default();
        uut.accept("hasher", &mut dump);
        let tallies = uut.tallies.words_mut().iter().map(|word| word.to_u64()).collect();
        for (name, words) in uut.core.memories().into_iter().chain([("tallies", tallies)]) {
            for (i, word) in words.into_iter().enumerate() {
                dump.values.insert(format!("{name}[{i}]"), format!("{word:08x}"));
            }
        }
        dump.values
    }

    fn scrub(uut: &mut Hasher<24>, zeros: usize) {
        command(uut, KEY_BEGIN);
        command(uut, KEY_END);
        data(uut, &vec![0; zeros]);
        command(uut, HASH_END);
        wait_ready(uut);
    }

    /// What a vault may have done before: a key and a message, or a message alone, ended or left open.
    fn history(uut: &mut Hasher<24>, key: &[u8], message: &[u8], ended: bool) {
        if key.is_empty() {
            command(uut, HASH_BEGIN);
        } else {
            command(uut, KEY_BEGIN);
            data(uut, key);
            command(uut, KEY_END);
        }
        data(uut, message);
        if ended {
            command(uut, HASH_END);
            wait_ready(uut);
        }
    }

    /// After a scrub an engine's every bit is that of one fresh from power-up and scrubbed as often, but for the parity of
    /// the blocks since then, which says where the next byte goes.
    #[test]
    fn nothing_of_a_key_or_message_is_left_after_a_scrub() {
        const ZEROS: usize = 56;
        let power_up = |late| {
            let mut uut = Hasher::<24>::new(late);
            uut.connect_all();
            uut
        };
        for late in [false, true] {
            // Fresh, and after a block: either parity.
            let clean = [vec![], vec![0; 9]].map(|message| {
                let mut uut = power_up(late);
                history(&mut uut, &[], &message, !message.is_empty());
                scrub(&mut uut, ZEROS);
                // As long after the scrub as below: the rounds never stand still.
                let clean = (uut.odd_page.q.val(), dump(&mut uut));
                assert_eq!(digest(&mut uut), hmac(&[], &[0; ZEROS]));
                clean
            });
            assert_ne!(clean[0].0, clean[1].0);
            let clean = BTreeMap::from(clean);
            let mut traces = 0;
            for (key, message) in [(32, 8), (32, 130), (64, 55), (5, 300), (0, 64), (0, 119), (0, 200)] {
                for ended in [true, false] {
                    let mut uut = power_up(late);
                    let marked =
                        |len: usize, mark: u8| -> Vec<u8> { (0..len).map(|i| mark ^ i as u8).collect() };
                    let (key, message) = (marked(key, 0xA5), marked(message, 0xC9));
                    history(&mut uut, &key, &message, ended);
                    let mark = u32::from_be_bytes([0xC9, 0xC8, 0xCB, 0xCA]);
                    traces += words(&mut uut).into_iter().filter(|&word| word == mark).count();
                    scrub(&mut uut, ZEROS);
                    let after = dump(&mut uut);
                    let expected = &clean[&uut.odd_page.q.val()];
                    let left: Vec<_> =
                        after.iter().filter(|(name, value)| expected[*name] != **value).collect();
                    assert!(left.is_empty(), "{} and {} bytes, {ended}: {left:?}", key.len(), message.len());
                }
            }
            assert!(traces > 0, "the marked messages were nowhere before either");
        }
    }

    fn words(uut: &mut Hasher<24>) -> Vec<u32> {
        uut.core.memories().into_iter().flat_map(|(_, words)| words).map(|word| word as u32).collect()
    }

    /// One zero less and a page of the message stays.
    #[test]
    fn a_shorter_scrub_leaves_traces() {
        let mut uut = Hasher::<24>::default();
        uut.connect_all();
        history(&mut uut, &[0xA5; 32], &[0xC9; 200], true);
        scrub(&mut uut, 55);
        assert!(words(&mut uut).contains(&0xC9C9_C9C9));
        scrub(&mut uut, 56);
        assert!(!words(&mut uut).contains(&0xC9C9_C9C9));
    }
}
