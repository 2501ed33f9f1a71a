//! Makes the processor's program and the first contents of its memory. Constants are words of memory, each once.

use std::collections::BTreeMap;

use super::io::{self, action};

/// Words of data memory that an instruction can name: all but the upper half.
pub const NAMED_WORDS: u16 = 512;
/// Instructions that the program memory holds.
pub const PROGRAM_WORDS: usize = 1 << super::processor::ADDRESS_BITS;
/// Clocks of an instruction that does not wait.
pub const CLOCKS_PER_INSTRUCTION: u32 = 2;
/// Instructions of a turn of [`Assembler::pause`]'s loop.
const PAUSE_LOOP: u32 = 3;

/// A word of data memory that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(pub u16);

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(usize);

/// What an instruction works with.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// The word itself.
    Named(Word),
    /// The word at X exclusive-or this.
    AtIndex(u16),
    /// A constant.
    Value(u16),
    /// A constant: a place in the program.
    Place(Label),
}

/// The word at X.
pub const AT_X: Operand = Operand::AtIndex(0);

impl From<Word> for Operand {
    fn from(word: Word) -> Self {
        Self::Named(word)
    }
}

impl From<i32> for Operand {
    /// The low 16 bits.
    fn from(value: i32) -> Self {
        Self::Value(value as u16)
    }
}

impl From<u16> for Operand {
    fn from(value: u16) -> Self {
        Self::Value(value)
    }
}

impl From<Label> for Operand {
    fn from(label: Label) -> Self {
        Self::Place(label)
    }
}

/// Whether the next instruction is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum If {
    /// A is not negative.
    NotNegative,
    /// A is negative.
    Negative,
    /// The last sum had no carry: the last difference was below zero.
    Below,
    /// The last sum had a carry: the last difference was not below zero.
    NotBelow,
}

/// A program being written.
#[derive(Debug, Default)]
pub struct Assembler {
    program: Vec<(u16, Option<Label>)>,
    labels: Vec<Option<u16>>,
    names: BTreeMap<&'static str, Label>,
    memory: BTreeMap<u16, Operand>,
    constants: BTreeMap<u16, Word>,
    places: BTreeMap<Label, Word>,
    next_kept: u16,
}

impl Assembler {
    /// An empty program whose constants and lasting words are in memory from `kept` on.
    pub fn new(kept: u16) -> Self {
        Self { next_kept: kept, ..Self::default() }
    }

    /// A word that keeps its value from request to request.
    pub fn kept(&mut self, first: impl Into<Operand>) -> Word {
        self.table(1, &[first.into()])
    }

    /// Words one after the other, the first at a multiple of `align`.
    pub fn table(&mut self, align: u16, contents: &[Operand]) -> Word {
        let at = self.next_kept.next_multiple_of(align);
        for (address, &content) in (at..).zip(contents) {
            self.memory.insert(address, content);
        }
        self.next_kept = at + contents.len() as u16;
        assert!(self.next_kept <= NAMED_WORDS, "the processor's memory is full");
        Word(at)
    }

    /// A place in the program, to be set by [`Self::here`].
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The place in the program that has this name, set by [`Self::routine`].
    pub fn named(&mut self, name: &'static str) -> Label {
        if let Some(&label) = self.names.get(name) {
            return label;
        }
        let label = self.label();
        self.names.insert(name, label);
        label
    }

    /// The next instruction is at `label`.
    pub fn here(&mut self, label: Label) {
        let at = self.program.len() as u16;
        assert!(self.labels[label.0].replace(at).is_none(), "a place is set twice");
    }

    /// The next instruction is the first at this name.
    pub fn entry(&mut self, name: &'static str) {
        let label = self.named(name);
        self.here(label);
    }

    /// The routine of this name, to which one jumps and which returns by [`Self::jump_by`] `link`.
    pub fn routine(&mut self, name: &'static str, link: Word) {
        self.entry(name);
        self.store(link);
    }

    fn emit(&mut self, code: u16, operand: impl Into<Operand>) {
        const INDEXED: u16 = 1 << 9;
        let address = match operand.into() {
            Operand::Named(word) => word.0,
            Operand::AtIndex(flip) => INDEXED | flip,
            Operand::Value(value) => match self.constants.get(&value) {
                Some(word) => word.0,
                None => {
                    let word = self.kept(value);
                    self.constants.insert(value, word);
                    word.0
                }
            },
            Operand::Place(label) => match self.places.get(&label) {
                Some(word) => word.0,
                None => {
                    let word = self.kept(label);
                    self.places.insert(label, word);
                    word.0
                }
            },
        };
        self.program.push((code << 10 | address, None));
    }

    /// A = word.
    pub fn load(&mut self, operand: impl Into<Operand>) {
        self.emit(0b00_0000, operand);
    }

    /// A = 0 - word.
    pub fn load_negative(&mut self, operand: impl Into<Operand>) {
        self.emit(0b00_0010, operand);
    }

    /// A = A + word; carry.
    pub fn add(&mut self, operand: impl Into<Operand>) {
        self.emit(0b00_0100, operand);
    }

    /// A = A - word; carry unless A is below the word.
    pub fn sub(&mut self, operand: impl Into<Operand>) {
        self.emit(0b00_0110, operand);
    }

    /// A = A and word.
    pub fn and(&mut self, operand: impl Into<Operand>) {
        self.emit(0b00_0101, operand);
    }

    /// A = A / 2^`places`.
    pub fn halve(&mut self, places: usize) {
        for _ in 0..places {
            self.emit(0b00_1000, 0);
        }
    }

    /// A = 0 - A; carry.
    pub fn negate(&mut self) {
        self.emit(0b00_1100, 0);
    }

    /// A = |A|.
    pub fn absolute(&mut self) {
        self.skip(If::NotNegative);
        self.negate();
    }

    /// X = word.
    pub fn load_x(&mut self, operand: impl Into<Operand>) {
        self.emit(0b01_0000, operand);
    }

    /// X = A + word.
    pub fn add_to_x(&mut self, operand: impl Into<Operand>) {
        self.emit(0b01_0100, operand);
    }

    /// Word = A.
    pub fn store(&mut self, operand: impl Into<Operand>) {
        self.emit(0b10_0100, operand);
    }

    /// Jumps; A = place of the instruction behind this one.
    pub fn jump(&mut self, to: Label) {
        self.program.push((0b10_0000 << 10, Some(to)));
    }

    /// Jumps to the routine of this name, which may return to the instruction behind this one.
    pub fn go(&mut self, name: &'static str) {
        let label = self.named(name);
        self.jump(label);
    }

    /// Jumps to the place in the word.
    pub fn jump_by(&mut self, operand: impl Into<Operand>) {
        self.emit(0b10_1000, operand);
    }

    /// Skips the next instruction, in its time.
    pub fn skip(&mut self, when: If) {
        let condition = match when {
            If::NotNegative => 0,
            If::Negative => 1,
            If::Below => 2,
            If::NotBelow => 3,
        };
        self.program.push(((0b10_1100 | condition) << 10, None));
    }

    /// A = the port, when `waits` are met.
    pub fn input(&mut self, port: u16, waits: u16) {
        self.program.push((0b11_0000 << 10 | port | waits, None));
    }

    /// Does `action` when `waits` are met.
    pub fn output(&mut self, action: u16, waits: u16) {
        self.program.push((0b11_1000 << 10 | action << io::ACTION_SHIFT | waits, None));
    }

    /// Gives the engine a command when it is ready.
    pub fn command(&mut self, command: u64) {
        let command = (command as u16) << io::COMMAND_SHIFT;
        self.output(action::COMMAND, io::wait::ENGINE);
        if let Some((code, _)) = self.program.last_mut() {
            *code |= command;
        }
    }

    /// Gives the engine A's low byte when it is ready.
    pub fn push(&mut self) {
        self.output(action::DATA, io::wait::ENGINE);
    }

    /// Nothing, when the engine is ready.
    pub fn await_engine(&mut self) {
        self.output(action::NONE, io::wait::ENGINE);
    }

    /// Nothing.
    pub fn rest(&mut self) {
        self.output(action::NONE, 0);
    }

    /// `body` with `counter` from `times` - 1 down to 0.
    pub fn count_down(&mut self, counter: Word, times: u16, body: impl FnOnce(&mut Self)) {
        self.load(times - 1);
        self.store(counter);
        self.while_counting(counter, body);
    }

    /// `body` with `counter` from what it is down to 0.
    pub fn while_counting(&mut self, counter: Word, body: impl FnOnce(&mut Self)) {
        let top = self.label();
        self.here(top);
        body(self);
        self.load(counter);
        self.sub(1);
        self.store(counter);
        self.skip(If::Below);
        self.jump(top);
    }

    /// `body` with `counter` from 0 up to `times` - 1.
    pub fn count_up(&mut self, counter: Word, times: u16, body: impl FnOnce(&mut Self)) {
        let top = self.label();
        self.load(0);
        self.store(counter);
        self.here(top);
        body(self);
        self.load(counter);
        self.add(1);
        self.store(counter);
        self.sub(times);
        self.skip(If::NotBelow);
        self.jump(top);
    }

    /// Lets so many instructions' time go by. Changes A and carry.
    pub fn pause(&mut self, instructions: u32) {
        // The first instruction loads, then a turn for every number down to zero.
        let turns = instructions.saturating_sub(1) / PAUSE_LOOP;
        let rest = instructions - if turns > 0 { 1 + PAUSE_LOOP * turns } else { 0 };
        if turns > 0 {
            assert!(turns <= 1 << 16, "a pause of {instructions} instructions");
            let top = self.label();
            self.load((turns - 1) as u16);
            self.here(top);
            self.sub(1);
            self.skip(If::Below);
            // This one leaves A alone.
            self.jump_by(top);
        }
        for _ in 0..rest {
            self.rest();
        }
    }

    /// Instructions so far.
    pub fn len(&self) -> usize {
        self.program.len()
    }

    /// The program, and the first contents of data memory.
    ///
    /// # Panics
    /// If a place is used and never set, or the program is too long.
    pub fn finish(self) -> (Vec<u64>, Vec<u64>) {
        assert!(self.program.len() <= PROGRAM_WORDS, "a program of {} instructions", self.program.len());
        let place = |label: Label| {
            let Some(at) = self.labels[label.0] else {
                panic!("place {:?} is never set", self.names.iter().find(|(_, l)| **l == label))
            };
            at
        };
        let code = |(code, target): &(u16, Option<Label>)| u64::from(code | target.map_or(0, place));
        let program = self.program.iter().map(code).collect();
        let mut memory = vec![0; usize::from(NAMED_WORDS)];
        for (&address, &content) in &self.memory {
            memory[usize::from(address)] = match content {
                Operand::Value(value) => value.into(),
                Operand::Place(label) => place(label).into(),
                Operand::Named(_) | Operand::AtIndex(_) => 0,
            };
        }
        (program, memory)
    }
}
