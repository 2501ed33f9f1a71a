//! The receive queue: bytes are written on trust, and become visible to the reader a whole frame at a time.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;

use crate::engine::{BlockRam, Zeros};

/// A queue of [`twinseal_wire::RX_BUFFER_BYTES`] bytes with a speculative write pointer.
///
/// `data` is the byte at the head whenever `available` is high, which it is not in the clock after a `pop`.
#[derive(LogicBlock, Default)]
pub struct PacketQueue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Appends `write_data`, if there is room.
    pub write: Signal<In, Bit>,
    /// The byte to append.
    pub write_data: Signal<In, Bits<8>>,
    /// Shows the reader everything written since the last verdict, or, if some of it found no room, forgets it and raises
    /// `dropped`. Not in the clock of a `write`.
    pub keep: Signal<In, Bit>,
    /// Forgets everything written since the last verdict. Not in the clock of a `write`.
    pub forget: Signal<In, Bit>,
    /// `keep` was refused.
    pub dropped: Signal<Out, Bit>,
    /// Drops the byte at the head; only while `available`.
    pub pop: Signal<In, Bit>,
    /// The byte at the head.
    pub data: Signal<Out, Bits<8>>,
    /// There is a byte at the head.
    pub available: Signal<Out, Bit>,
    ram: BlockRam<11, 8, Zeros>,
    /// One bit wider than an address, to tell full from empty.
    write_at: DFF<Bits<12>>,
    write_up: Signal<Local, Bits<12>>,
    kept: DFF<Bits<12>>,
    read_at: DFF<Bits<12>>,
    read_up: Signal<Local, Bits<12>>,
    /// The block RAM has not read at `read_at` yet.
    popped: DFF<Bit>,
    difference: Signal<Local, Bits<12>>,
    full: Signal<Local, Bit>,
    writing: Signal<Local, Bit>,
    /// A byte found no room since the last verdict.
    lost: DFF<Bit>,
}

const _: () = assert!(twinseal_wire::RX_BUFFER_BYTES == 1 << 11);

impl Logic for PacketQueue {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_at, kept, read_at, popped, lost);
        clock!(self, clock, ram);
        self.write_up.next = self.write_at.q.val() + 1;
        self.read_up.next = self.read_at.q.val() + 1;
        self.difference.next = self.write_at.q.val() ^ self.read_at.q.val();
        self.full.next = self.difference.val().get_bit(11) && !self.difference.val().get_bits::<11>(0).any();
        self.writing.next = self.write.val() && !self.full.val();
        self.ram.write_address.next = self.write_at.q.val().get_bits::<11>(0);
        self.ram.write_data.next = self.write_data.val();
        self.ram.write_enable.next = self.writing.val();
        if self.writing.val() {
            self.write_at.d.next = self.write_up.val();
        }
        if self.write.val() && self.full.val() {
            self.lost.d.next = true;
        }
        self.dropped.next = self.keep.val() && self.lost.q.val();
        if self.keep.val() && !self.lost.q.val() {
            self.kept.d.next = self.write_at.q.val();
        }
        if self.forget.val() || (self.keep.val() && self.lost.q.val()) {
            self.write_at.d.next = self.kept.q.val();
        }
        if self.forget.val() || self.keep.val() {
            self.lost.d.next = false;
        }
        if self.pop.val() {
            self.read_at.d.next = self.read_up.val();
        }
        self.popped.d.next = self.pop.val();
        self.ram.read_enable.next = true;
        self.ram.read_address.next = self.read_at.q.val().get_bits::<11>(0);
        self.data.next = self.ram.read_data.val();
        self.available.next = (self.kept.q.val() != self.read_at.q.val()) && !self.popped.q.val();
    }
}
