//! Messages, MACs, leaves and trees over the compression core: padding (FIPS 180-4 section 5.1.1), HMAC (FIPS 198-1)
//! and Merkle tree heads (RFC 6962 section 2.1).
//!
//! Bytes go to the core's two message pages in turn, so that one block comes in while the one before is compressed.
//!
//! A tree is hashed as it comes. The stack is the core's hash values: the heads of the complete subtrees so far, largest
//! first, one for each set bit of the number of leaves. A leaf is hashed in the slot above the last, so that nothing
//! is ever moved. Adding one to the number of leaves, bit by bit from the lowest, every carry out of a set bit is a pair
//! of equal subtrees to merge. At the end of the tree everything is merged from the right, which is the split at
//! the largest power of two. Of a node's two blocks the first is written out, of the second only a byte.
//!
//! A key stays in its page, exclusive-or 0x36, until the next one: the inner hash starts from it, and so does the
//! outer one, once the inner digest is in place behind it.
//!
//! The last result is in slot 0.

use crate::engine::sha256::{KEY_PAGE, NODE_PAGE, OUTER_PAGE, Sha256Core};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

/// Deepest stack: one slot of the core's for each complete subtree and the leaf at hand.
pub const MAX_STACK_DEPTH: usize = 31;

#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum State {
    /// A command or a byte of the open key, message or leaf may come.
    Ready,
    /// Wait for whatever is still being compressed.
    Begin,
    /// 0x00 for a leaf, 0x01 for a node, nothing for a message.
    Prefix,
    /// The key's page to its end.
    KeyFill,
    /// The key's block.
    KeyBlock,
    /// The two children, 63 bytes of them.
    Children,
    /// The last byte of the children.
    NodeByte,
    /// The node's second block.
    NodeBlock,
    /// 0x80.
    Pad,
    /// Zeros up to the length.
    Zeros,
    /// Eight bytes of length in bits.
    Length,
    /// Wait for the last block.
    Finish,
    /// The inner digest, 32 bytes.
    Inner,
    /// The outer hash's first block.
    OuterKey,
    /// Its second.
    OuterBlock,
    /// The digest counts as on the stack.
    Push,
    /// Count the leaf, one bit a clock, and with it the merges it causes.
    Count,
    /// Start the next merge, if any.
    Merge,
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
    /// That byte, one clock after the index, while `ready`; until the next command that is not refused.
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
    /// Number of leaves; turned by one bit a clock in `Count`.
    leaves: DFF<Bits<STACK_DEPTH>>,
    leaves_down: Signal<Local, Bits<STACK_DEPTH>>,
    leaves_top: Signal<Local, Bits<STACK_DEPTH>>,
    leaf_bit: Signal<Local, Bit>,
    leaf_carry: DFF<Bit>,
    /// Every bit of the number of leaves is set.
    leaves_full: DFF<Bit>,
    top: Constant<Bits<STACK_DEPTH>>,
    depth: Constant<Bits<5>>,
    merges: DFF<Bits<5>>,
    merges_up: Signal<Local, Bits<5>>,
    merges_down: Signal<Local, Bits<5>>,
    /// Slots in use; the hash in progress is in the one above.
    used: DFF<Bits<5>>,
    used_up: Signal<Local, Bits<5>>,
    used_down: Signal<Local, Bits<5>>,
    used_less: Signal<Local, Bits<5>>,
    child_slot: Signal<Local, Bits<5>>,
    count: DFF<Bits<5>>,
    count_up: Signal<Local, Bits<5>>,
    /// Where in its page the next byte goes.
    position: DFF<Bits<6>>,
    position_up: Signal<Local, Bits<6>>,
    /// Which of the two message pages the next byte goes to.
    odd_page: DFF<Bit>,
    /// A message page is full and not taken yet.
    waiting: DFF<Bit>,
    /// The next block is the first of its hash.
    first: DFF<Bit>,
    /// Whole blocks of the message before its padding.
    blocks: DFF<Bits<55>>,
    blocks_up: Signal<Local, Bits<55>>,
    /// Bytes of the message in its last block.
    tail: DFF<Bits<6>>,
    length: Signal<Local, Bits<64>>,
    blocks_wide: Signal<Local, Bits<64>>,
    tail_wide: Signal<Local, Bits<64>>,
    length_byte: Signal<Local, Bits<8>>,
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
    copy_index: Signal<Local, Bits<5>>,
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
    /// A hasher whose core has `late_reads` or not, see [`Sha256Core::new`].
    ///
    /// # Panics
    /// Unless `STACK_DEPTH` is 2 to [`MAX_STACK_DEPTH`].
    pub fn new(late_reads: bool) -> Self {
        assert!((2..=MAX_STACK_DEPTH).contains(&STACK_DEPTH), "stack depth {STACK_DEPTH}");
        Self {
            top: Constant::new((1u64 << (STACK_DEPTH - 1)).into()),
            depth: Constant::new((STACK_DEPTH as u64 - 1).into()),
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
            leaves: Default::default(),
            leaves_down: Default::default(),
            leaves_top: Default::default(),
            leaf_bit: Default::default(),
            leaf_carry: Default::default(),
            leaves_full: Default::default(),
            merges: Default::default(),
            merges_up: Default::default(),
            merges_down: Default::default(),
            used: Default::default(),
            used_up: Default::default(),
            used_down: Default::default(),
            used_less: Default::default(),
            child_slot: Default::default(),
            count: Default::default(),
            count_up: Default::default(),
            position: Default::default(),
            position_up: Default::default(),
            odd_page: Default::default(),
            waiting: Default::default(),
            first: Default::default(),
            blocks: Default::default(),
            blocks_up: Default::default(),
            tail: Default::default(),
            length: Default::default(),
            blocks_wide: Default::default(),
            tail_wide: Default::default(),
            length_byte: Default::default(),
            text: Default::default(),
            text_page: Default::default(),
            message_page: Default::default(),
            block_page: Default::default(),
            push: Default::default(),
            in_message: Default::default(),
            in_text: Default::default(),
            copies: Default::default(),
            copy_index: Default::default(),
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
        dff_setup!(self, clock, refused_last, full_last, node, leaves, leaf_carry, leaves_full, merges, used);
        dff_setup!(self, clock, count, position, odd_page, waiting, first, blocks, tail);
        clock!(self, clock, core);

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

        self.merges_up.next = self.merges.q.val() + 1;
        self.merges_down.next = self.merges.q.val() - 1;
        self.used_up.next = self.used.q.val() + 1;
        self.used_down.next = self.used.q.val() - 1;
        self.used_less.next = self.used.q.val() - 2;
        self.count_up.next = self.count.q.val() + 1;
        self.position_up.next = self.position.q.val() + 1;
        self.blocks_up.next = self.blocks.q.val() + 1;

        // Length in bits; the block position counts its bytes, 56 to 63.
        self.blocks_wide.next = bit_cast::<64, 55>(self.blocks.q.val());
        self.tail_wide.next = bit_cast::<64, 6>(self.tail.q.val());
        self.length.next = (self.blocks_wide.val() << 9) | (self.tail_wide.val() << 3);
        match self.position.q.val().get_bits::<3>(0).index() {
            0 => self.length_byte.next = self.length.val().get_bits::<8>(56),
            1 => self.length_byte.next = self.length.val().get_bits::<8>(48),
            2 => self.length_byte.next = self.length.val().get_bits::<8>(40),
            3 => self.length_byte.next = self.length.val().get_bits::<8>(32),
            4 => self.length_byte.next = self.length.val().get_bits::<8>(24),
            5 => self.length_byte.next = self.length.val().get_bits::<8>(16),
            6 => self.length_byte.next = self.length.val().get_bits::<8>(8),
            _ => self.length_byte.next = self.length.val().get_bits::<8>(0),
        }

        // The bit of the leaf count at hand, plus the carry.
        self.leaf_bit.next = self.leaves.q.val().get_bit(0) ^ self.leaf_carry.q.val();
        self.leaves_down.next = self.leaves.q.val() >> 1;
        self.leaves_top.next = 0.into();
        if self.leaf_bit.val() {
            self.leaves_top.next = self.top.val();
        }

        self.message_page.next = 0.into();
        if self.odd_page.q.val() {
            self.message_page.next = 1.into();
        }
        self.text.next = self.data.val();
        self.text_page.next = self.message_page.val();
        self.block_page.next = self.message_page.val();
        self.push.next = false;
        self.start.next = false;
        self.in_message.next = true;
        self.in_text.next = true;
        self.copies.next = false;
        self.copy_index.next = self.position.q.val().get_bits::<5>(0);
        match self.state.q.val() {
            State::Ready => {
                if self.key_open.q.val() {
                    self.in_message.next = false;
                    self.text_page.next = self.key_page.val();
                    self.text.next = self.data.val() ^ 0x36;
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
                            self.leaves.d.next = 0.into();
                            self.leaves_full.d.next = false;
                        }
                        3 => {
                            if self.tree_open.q.val() && !self.leaf_open.q.val() {
                                if self.leaves_full.q.val() {
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
                                if self.used.q.val() == 0 {
                                    // The head of an empty tree is the hash of an empty message.
                                    self.state.d.next = State::Begin;
                                } else {
                                    self.merges.d.next = self.used_down.val();
                                    self.state.d.next = State::Merge;
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
                self.blocks.d.next = 0.into();
                self.first.d.next = true;
                if self.idle.val() {
                    self.state.d.next = State::Prefix;
                }
            }
            State::Prefix => {
                self.text.next = 0.into();
                self.copies.next = true;
                if self.node.q.val() {
                    self.text.next = 1.into();
                    self.push.next = true;
                    self.state.d.next = State::Children;
                } else if self.leaf_open.q.val() {
                    self.push.next = true;
                    self.state.d.next = State::Ready;
                } else if self.message_open.q.val() || self.key_open.q.val() {
                    self.state.d.next = State::Ready;
                } else {
                    self.state.d.next = State::Pad;
                }
            }
            State::KeyFill => {
                self.in_message.next = false;
                self.text_page.next = self.key_page.val();
                self.text.next = 0x36.into();
                self.push.next = true;
                if self.last_byte.val() {
                    self.state.d.next = State::KeyBlock;
                }
            }
            State::KeyBlock => {
                // The message's length counts this block, and the core is idle.
                self.block_page.next = self.key_page.val();
                self.start.next = true;
                self.blocks.d.next = 1.into();
                self.state.d.next = State::Ready;
            }
            State::Children => {
                self.copies.next = true;
                self.text.next = self.core.digest_byte.val();
                self.push.next = true;
                if self.last_byte.val() {
                    self.state.d.next = State::NodeByte;
                }
            }
            State::NodeByte => {
                self.in_message.next = false;
                self.text_page.next = self.node_page.val();
                self.text.next = self.core.digest_byte.val();
                self.push.next = true;
                self.state.d.next = State::NodeBlock;
            }
            State::NodeBlock => {
                self.block_page.next = self.node_page.val();
                self.start.next = true;
                if self.taken.val() {
                    self.state.d.next = State::Finish;
                }
            }
            State::Pad => {
                self.in_text.next = false;
                self.text.next = 128.into();
                self.tail.d.next = self.position.q.val();
                if !self.waiting.q.val() {
                    self.push.next = true;
                    self.state.d.next = State::Zeros;
                }
            }
            State::Zeros => {
                self.in_text.next = false;
                self.text.next = 0.into();
                if !self.waiting.q.val() {
                    if self.position.q.val() == 56 {
                        self.state.d.next = State::Length;
                    } else {
                        self.push.next = true;
                    }
                }
            }
            State::Length => {
                self.in_text.next = false;
                self.text.next = self.length_byte.val();
                self.push.next = true;
                if self.last_byte.val() {
                    self.state.d.next = State::Finish;
                }
            }
            State::Finish => {
                self.copies.next = true;
                self.copy_index.next = 0.into();
                if self.idle.val() {
                    self.first.d.next = true;
                    self.position.d.next = 0.into();
                    self.state.d.next = State::Push;
                    if self.keyed.q.val() {
                        self.keyed.d.next = false;
                        self.state.d.next = State::Inner;
                    }
                }
            }
            State::Inner => {
                self.in_message.next = false;
                self.copies.next = true;
                self.copy_index.next = self.position_up.val().get_bits::<5>(0);
                self.text_page.next = self.outer_page.val();
                self.text.next = self.core.digest_byte.val();
                self.push.next = true;
                if self.position.q.val() == 31 {
                    self.state.d.next = State::OuterKey;
                }
            }
            State::OuterKey => {
                self.block_page.next = self.key_page.val();
                self.start.next = true;
                self.state.d.next = State::OuterBlock;
            }
            State::OuterBlock => {
                self.block_page.next = self.outer_page.val();
                self.start.next = true;
                if self.taken.val() {
                    self.state.d.next = State::Finish;
                }
            }
            State::Push => {
                self.used.d.next = self.used_up.val();
                self.count.d.next = 0.into();
                self.leaf_carry.d.next = true;
                self.state.d.next = State::Merge;
                if self.tree_open.q.val() && !self.node.q.val() {
                    self.state.d.next = State::Count;
                    self.leaves_full.d.next = true;
                }
            }
            State::Count => {
                self.count.d.next = self.count_up.val();
                self.leaves.d.next = self.leaves_down.val() | self.leaves_top.val();
                if !self.leaf_bit.val() {
                    self.leaves_full.d.next = false;
                }
                if self.leaf_carry.q.val() && self.leaves.q.val().get_bit(0) {
                    self.merges.d.next = self.merges_up.val();
                } else {
                    self.leaf_carry.d.next = false;
                }
                if self.count.q.val() == self.depth.val() {
                    self.state.d.next = State::Merge;
                }
            }
            State::Merge => {
                if self.merges.q.val() == 0 {
                    self.node.d.next = false;
                    self.state.d.next = State::Ready;
                } else {
                    self.node.d.next = true;
                    self.merges.d.next = self.merges_down.val();
                    self.used.d.next = self.used_less.val();
                    self.state.d.next = State::Begin;
                }
            }
            _ => {
                self.state.d.next = State::Ready;
            }
        }

        // A block starts with its last byte, or as soon after it as the core takes it.
        self.page_full.next = self.push.val() && self.last_byte.val() && self.in_message.val();
        if self.push.val() {
            self.position.d.next = self.position_up.val();
            if self.last_byte.val() && self.key_open.q.val() {
                self.key_full.d.next = true;
            }
        }
        if self.page_full.val() {
            self.waiting.d.next = true;
        }
        if self.page_full.val() && self.in_text.val() {
            self.blocks.d.next = self.blocks_up.val();
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
        self.core.outer.next = self.state.q.val() == State::OuterKey;
        self.core.slot.next = self.used.q.val();

        // While a node is hashed, each byte pushed fetches the next; otherwise the result is on show.
        self.child_slot.next = self.used.q.val();
        if self.node.q.val() && self.position.q.val().get_bit(5) {
            self.child_slot.next = self.used_up.val();
        }
        self.core.digest_slot.next = 0.into();
        self.core.digest_index.next = self.digest_index.val();
        if self.copies.val() {
            self.core.digest_slot.next = self.child_slot.val();
            self.core.digest_index.next = self.copy_index.val();
        }
        self.digest_byte.next = self.core.digest_byte.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::{HASH_BEGIN, HASH_END};
    use crate::golden::sha256::{BLOCK_BYTES, INITIAL, compress};

    fn clock(uut: &mut Hasher<24>) {
        for level in [true, false] {
            uut.clock.next = level.into();
            assert!(simulate(uut, 100));
        }
    }

    fn command(uut: &mut Hasher<24>, command: u64) {
        uut.command.next = command.into();
        uut.command_valid.next = true;
        clock(uut);
        uut.command_valid.next = false;
        clock(uut);
        while !uut.ready.val() {
            clock(uut);
        }
    }

    /// No simulation gets through 2^55 blocks, so the counter is set instead.
    #[test]
    fn all_eight_bytes_of_the_length_are_in_place() {
        let blocks = 0x51_2345_6789_ABCDu64;
        let mut uut = Hasher::<24>::default();
        uut.connect_all();
        command(&mut uut, HASH_BEGIN);
        uut.blocks.q.next = blocks.into();
        clock(&mut uut);
        command(&mut uut, HASH_END);

        let mut block = [0; BLOCK_BYTES];
        block[0] = 0x80;
        block[56..].copy_from_slice(&(blocks * 512).to_be_bytes());
        let mut state = INITIAL;
        compress(&mut state, &block);
        for (i, byte) in state.into_iter().flat_map(u32::to_be_bytes).enumerate() {
            uut.digest_index.next = i.to_bits();
            clock(&mut uut);
            assert_eq!(uut.digest_byte.val().to_u8(), byte, "byte {i}");
        }
    }
}
