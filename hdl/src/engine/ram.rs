//! Block RAM with one write and one read port, by hand: the widget library's RAM emulates write-through in
//! logic and its ROM does not become block RAM.

use core::marker::PhantomData;
use rust_hdl_core::prelude::*;

/// What a memory holds when the board starts.
pub trait Contents: Clone + Default {
    /// The word at `address`.
    fn word(address: usize) -> u64;
}

/// Nothing but zeros.
#[derive(Clone, Debug, Default)]
pub struct Zeros;

impl Contents for Zeros {
    fn word(_address: usize) -> u64 {
        0
    }
}

/// 2^`A` words of `W` bits; read data come one clock after the address and stay while `read_enable` is low.
///
/// Reading an address in the clock it is written gives the old word here and anything at all on silicon:
/// users avoid it.
#[derive(LogicBlock)]
pub struct BlockRam<const A: usize, const W: usize, C: Contents> {
    /// Clock of both ports.
    pub clock: Signal<In, Clock>,
    /// Where to write.
    pub write_address: Signal<In, Bits<A>>,
    /// What to write.
    pub write_data: Signal<In, Bits<W>>,
    /// Write in this clock.
    pub write_enable: Signal<In, Bit>,
    /// What to read.
    pub read_address: Signal<In, Bits<A>>,
    /// Read in this clock.
    pub read_enable: Signal<In, Bit>,
    /// The word at the last address read.
    pub read_data: Signal<Out, Bits<W>>,
    _words: Vec<Bits<W>>,
    /// What it starts with.
    _initial: Vec<u64>,
    _contents: PhantomData<C>,
}

impl<const A: usize, const W: usize, C: Contents> Default for BlockRam<A, W, C> {
    fn default() -> Self {
        Self::starting_with((0..1 << A).map(C::word).collect())
    }
}

impl<const A: usize, const W: usize> BlockRam<A, W, Zeros> {
    /// A memory that starts with `contents`, and zeros behind them.
    ///
    /// # Panics
    /// If there are more than 2^`A`.
    pub fn loaded(contents: Vec<u64>) -> Self {
        Self::starting_with(filled(A, contents))
    }
}

impl<const A: usize, const W: usize, C: Contents> BlockRam<A, W, C> {
    fn starting_with(initial: Vec<u64>) -> Self {
        Self {
            clock: Default::default(),
            write_address: Default::default(),
            write_data: Default::default(),
            write_enable: Default::default(),
            read_address: Default::default(),
            read_enable: Default::default(),
            read_data: Default::default(),
            _words: initial.iter().map(|&word| word.to_bits()).collect(),
            _initial: initial,
            _contents: PhantomData,
        }
    }

    /// What the simulated memory holds, for tests that look for what should not be there.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self._words.iter().map(|word| word.to_u64())
    }
}

#[cfg(test)]
impl<const A: usize, const W: usize, C: Contents> BlockRam<A, W, C> {
    /// What a test wants to see or to change behind the ports' backs.
    pub(super) fn words_mut(&mut self) -> &mut [Bits<W>] {
        &mut self._words
    }
}

impl<const A: usize, const W: usize, C: Contents> Logic for BlockRam<A, W, C> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if self.read_enable.val() {
                self.read_data.next = self._words[self.read_address.val().index()];
            }
            if self.write_enable.val() {
                self._words[self.write_address.val().index()] = self.write_data.val();
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let last = (1 << A) - 1;
        let top = W - 1;
        // Of so few words a device with memory in its logic had better make that.
        let style = if A < 6 { "" } else { "ram_style = \"block\", " };
        let words = initial::<W>(&self._initial);
        Verilog::Custom(format!(
            "\
(* {style}no_rw_check *) reg [{top}:0] mem [0:{last}];

initial begin
{words}
end

always @(posedge clock) begin
   if (write_enable) mem[write_address] <= write_data;
   if (read_enable) read_data <= mem[read_address];
end
"
        ))
    }
}

/// Like [`BlockRam`], with words of four bytes that are written one by one, the most significant in lane 0.
#[derive(LogicBlock)]
pub struct ByteRam<const A: usize, C: Contents> {
    /// Clock of both ports.
    pub clock: Signal<In, Clock>,
    /// Word to write to.
    pub write_address: Signal<In, Bits<A>>,
    /// Byte of that word.
    pub write_lane: Signal<In, Bits<2>>,
    /// What to write.
    pub write_data: Signal<In, Bits<8>>,
    /// Write in this clock.
    pub write_enable: Signal<In, Bit>,
    /// Word to read.
    pub read_address: Signal<In, Bits<A>>,
    /// The word at the address of the clock before.
    pub read_data: Signal<Out, Bits<32>>,
    _words: Vec<u32>,
    _contents: PhantomData<C>,
}

impl<const A: usize, C: Contents> Default for ByteRam<A, C> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            write_address: Default::default(),
            write_lane: Default::default(),
            write_data: Default::default(),
            write_enable: Default::default(),
            read_address: Default::default(),
            read_data: Default::default(),
            _words: (0..1 << A).map(|i| C::word(i) as u32).collect(),
            _contents: PhantomData,
        }
    }
}

#[cfg(test)]
impl<const A: usize, C: Contents> ByteRam<A, C> {
    /// As [`BlockRam::words_mut`].
    pub(super) fn words_mut(&mut self) -> &mut [u32] {
        &mut self._words
    }
}

impl<const A: usize, C: Contents> Logic for ByteRam<A, C> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.read_data.next = self._words[self.read_address.val().index()].to_bits();
            if self.write_enable.val() {
                let word = &mut self._words[self.write_address.val().index()];
                let mut bytes = word.to_be_bytes();
                bytes[self.write_lane.val().index()] = self.write_data.val().to_u8();
                *word = u32::from_be_bytes(bytes);
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let last = (1 << A) - 1;
        let words: String = (0..1 << A).map(|i| format!("   mem[{i}] = 32'h{:08x};\n", C::word(i))).collect();
        let lanes: String = (0..4)
            .map(|lane| {
                let (high, low) = (31 - 8 * lane, 24 - 8 * lane);
                format!(
                    "   if (write_enable && write_lane == {lane}) mem[write_address][{high}:{low}] <= write_data;\n"
                )
            })
            .collect();
        Verilog::Custom(format!(
            "\
(* ram_style = \"block\", no_rw_check *) reg [31:0] mem [0:{last}];

initial begin
{words}
end

always @(posedge clock) begin
{lanes}   read_data <= mem[read_address];
end
"
        ))
    }
}

/// 2^`A` words of `W` bits that never change; read data come one clock after the address and stay while `read_enable`
/// is low.
#[derive(LogicBlock)]
pub struct Rom<const A: usize, const W: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// What to read.
    pub read_address: Signal<In, Bits<A>>,
    /// Read in this clock.
    pub read_enable: Signal<In, Bit>,
    /// The word at the last address read.
    pub read_data: Signal<Out, Bits<W>>,
    _contents: Vec<u64>,
}

impl<const A: usize, const W: usize> Rom<A, W> {
    /// A memory of `contents`, and zeros behind them.
    ///
    /// # Panics
    /// If there are more than 2^`A`.
    pub fn new(contents: Vec<u64>) -> Self {
        Self {
            clock: Default::default(),
            read_address: Default::default(),
            read_enable: Default::default(),
            read_data: Default::default(),
            _contents: filled(A, contents),
        }
    }
}

impl<const A: usize, const W: usize> Logic for Rom<A, W> {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.read_enable.val() {
            self.read_data.next = self._contents[self.read_address.val().index()].to_bits();
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (last, top) = ((1 << A) - 1, W - 1);
        let words = initial::<W>(&self._contents);
        Verilog::Custom(format!(
            "\
(* ram_style = \"block\" *) reg [{top}:0] mem [0:{last}];

initial begin
{words}
end

always @(posedge clock) begin
   if (read_enable) read_data <= mem[read_address];
end
"
        ))
    }
}

/// `contents` and the zeros behind them in a memory of 2^`address_bits` words.
fn filled(address_bits: usize, mut contents: Vec<u64>) -> Vec<u64> {
    let words = 1 << address_bits;
    assert!(contents.len() <= words, "{} words in a memory of {words}", contents.len());
    contents.resize(words, 0);
    contents
}

/// The lines that fill a memory when the board starts.
fn initial<const W: usize>(contents: &[u64]) -> String {
    let line = |(i, word): (usize, &u64)| {
        let word: Bits<W> = word.to_bits();
        format!("   mem[{i}] = {};\n", word.verilog())
    };
    contents.iter().enumerate().map(line).collect()
}
