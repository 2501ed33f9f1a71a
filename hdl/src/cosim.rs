//! One stimulus, two simulators: what rust-hdl simulates must be what its Verilog does.
//!
//! A [`Cosim`] drives a block in rust-hdl's own simulation and writes down every port in every clock. The recording is
//! then replayed under Verilator, against the block's own Verilog or any other with the same ports (a netlist after
//! synthesis), and every output is compared in every clock. With assertions against a golden model on the way, a test
//! shows that all three agree.
//!
//! ```
//! use rust_hdl_core::prelude::*;
//! use rust_hdl_widgets::prelude::*;
//! use twinseal_hdl::{Error, cosim::Cosim};
//!
//! #[derive(LogicBlock, Default)]
//! struct Counter {
//!     clock: Signal<In, Clock>,
//!     enable: Signal<In, Bit>,
//!     count: Signal<Out, Bits<8>>,
//!     value: DFF<Bits<8>>,
//!     up: Signal<Local, Bits<8>>,
//! }
//!
//! impl Logic for Counter {
//!     #[hdl_gen]
//!     fn update(&mut self) {
//!         dff_setup!(self, clock, value);
//!         self.up.next = self.value.q.val() + 1;
//!         if self.enable.val() {
//!             self.value.d.next = self.up.val();
//!         }
//!         self.count.next = self.value.q.val();
//!     }
//! }
//!
//! let mut cosim = Cosim::new(Counter::default(), |uut| &mut uut.clock);
//! for i in 0..300u64 {
//!     // Inputs, settle, record, rising edge.
//!     cosim.step(|uut| uut.enable.next = i % 3 != 0)?;
//! }
//! // Outputs after the last edge; two clocks in three were counted.
//! assert_eq!(cosim.uut.count.val(), 200u64.to_bits());
//! match cosim.replay("counter") {
//!     Err(error @ Error::ToolMissing { .. }) => twinseal_hdl::flow::tool::skipped(error),
//!     replay => assert_eq!(replay?.clocks, 300),
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! A test bench that has its own loop keeps a [`Trace`] instead and calls [`Trace::sample`] before every rising edge.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use rust_hdl_core::prelude::*;

use crate::Error;
use crate::flow::tool;

/// Passes in which a block must come to rest.
const SETTLE_PASSES: usize = 1000;
const WORD_BITS: usize = 32;
/// Verilator gives a port of more than 64 bits as an array of words; shorter recordings are padded to that.
const MIN_WORDS: usize = 3;

/// Where a block has its clock.
pub type ClockOf<B> = fn(&mut B) -> &mut Signal<In, Clock>;

/// A block under rust-hdl's simulation whose ports are being recorded.
pub struct Cosim<B: Block> {
    /// The block; between two steps its outputs are those after the last rising edge.
    pub uut: B,
    clock: Option<ClockOf<B>>,
    trace: Trace,
}

impl<B: Block> Cosim<B> {
    /// Connects `uut`, whose one clock is at `clock`.
    pub fn new(uut: B, clock: ClockOf<B>) -> Self {
        Self::connected(uut, Some(clock))
    }

    /// Connects `uut`, which has no clock.
    pub fn combinational(uut: B) -> Self {
        Self::connected(uut, None)
    }

    fn connected(mut uut: B, clock: Option<ClockOf<B>>) -> Self {
        uut.connect_all();
        let trace = Trace::of(&uut);
        Self { uut, clock, trace }
    }

    /// [`Self::drive`], then [`Self::edge`]: one clock.
    pub fn step(&mut self, set_inputs: impl FnOnce(&mut B)) -> Result<(), Error> {
        self.drive(set_inputs)?;
        self.edge()
    }

    /// Sets inputs while the clock is low and lets the block settle; may be repeated within a clock.
    pub fn drive(&mut self, set_inputs: impl FnOnce(&mut B)) -> Result<(), Error> {
        set_inputs(&mut self.uut);
        self.set_clock(false)
    }

    /// Records the ports as they are, then gives the rising edge.
    pub fn edge(&mut self) -> Result<(), Error> {
        self.trace.sample(&self.uut);
        self.set_clock(true)
    }

    fn set_clock(&mut self, level: bool) -> Result<(), Error> {
        if let Some(clock) = self.clock {
            clock(&mut self.uut).next = level.into();
        }
        if simulate(&mut self.uut, SETTLE_PASSES) { Ok(()) } else { Err(Error::Unsettled) }
    }

    /// The block's own Verilog; its top module is `top`.
    pub fn verilog(&self) -> String {
        generate_verilog(&self.uut)
    }

    /// The recording so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Replays the recording against the block's own Verilog.
    pub fn replay(&self, name: &str) -> Result<Replay, Error> {
        self.trace.replay(name, &self.verilog(), "top")
    }

    /// Replays the recording against `verilog`, whose module `module` has the same ports.
    pub fn replay_against(&self, name: &str, verilog: &str, module: &str) -> Result<Replay, Error> {
        self.trace.replay(name, verilog, module)
    }
}

/// What a replay without a difference covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Clocks replayed.
    pub clocks: usize,
    /// Outputs compared in each.
    pub outputs: usize,
}

/// Every port of a block in every clock. The clock itself is not recorded: a row is what stood there before its edge.
#[derive(Clone, Debug)]
pub struct Trace {
    clock: Option<String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Words of all inputs, then of all outputs, a row per clock; every port begins in a word of its own.
    rows: Vec<u32>,
    clocks: usize,
}

#[derive(Clone, Debug)]
struct Port {
    name: String,
    bits: usize,
}

impl Port {
    fn words(&self) -> usize {
        self.bits.div_ceil(WORD_BITS)
    }
}

fn words(ports: &[Port]) -> usize {
    ports.iter().map(Port::words).sum()
}

impl Trace {
    /// An empty recording of the ports of `uut`.
    ///
    /// # Panics
    /// If `uut` has two clocks or a bidirectional port.
    pub fn of<B: Block>(uut: &B) -> Self {
        let mut trace = Self { clock: None, inputs: vec![], outputs: vec![], rows: vec![], clocks: 0 };
        let mut visit = |name: String, atom: &dyn Atom| match atom.kind() {
            AtomKind::InputParameter if atom.descriptor().name == Clock::descriptor().name => {
                let other = trace.clock.replace(name);
                assert!(other.is_none(), "a block with two clocks");
            }
            AtomKind::InputParameter => trace.inputs.push(Port { name, bits: atom.bits() }),
            AtomKind::OutputParameter => trace.outputs.push(Port { name, bits: atom.bits() }),
            kind => panic!("port {name} is {kind:?}"),
        };
        uut.accept("top", &mut PortWalk { visit: &mut visit, depth: 0, namespace: vec![] });
        trace
    }

    /// Records `uut`, which must have settled, before a rising edge.
    pub fn sample<B: Block>(&mut self, uut: &B) {
        let start = self.rows.len();
        let mut outputs = vec![];
        let rows = &mut self.rows;
        let mut visit = |_: String, atom: &dyn Atom| match atom.kind() {
            AtomKind::InputParameter if atom.descriptor().name == Clock::descriptor().name => {}
            AtomKind::InputParameter => push_words(rows, atom),
            _ => push_words(&mut outputs, atom),
        };
        uut.accept("top", &mut PortWalk { visit: &mut visit, depth: 0, namespace: vec![] });
        self.rows.append(&mut outputs);
        assert_eq!(self.rows.len() - start, words(&self.inputs) + words(&self.outputs), "another block");
        self.clocks += 1;
    }

    /// Replays under Verilator against module `module` of `verilog` and compares every output in every clock.
    pub fn replay(&self, name: &str, verilog: &str, module: &str) -> Result<Replay, Error> {
        tool::version("verilator", &["--version"])?;
        let dir = tool::temp_dir()?;
        let dir = dir.path();
        tool::write(&dir.join("uut.v"), verilog)?;
        tool::write(&dir.join("replay.v"), self.bench(module))?;
        tool::write(&dir.join("main.cpp"), self.main())?;
        let bytes: Vec<u8> = self.rows.iter().flat_map(|word| word.to_ne_bytes()).collect();
        tool::write(&dir.join("rows"), bytes)?;
        tool::run(
            Command::new("verilator")
                .args(["--cc", "--exe", "--build", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"])
                .args(tool::COMPILE_FAST)
                .args(["--top-module", "replay", "--Mdir", "obj", "-o", "replay"])
                .args(["replay.v", "uut.v", "main.cpp"])
                .current_dir(dir),
        )?;
        let answer = tool::run(Command::new(dir.join("obj/replay")).arg("rows").current_dir(dir))?;
        self.verdict(name, dir, &answer)
    }

    /// A module with all inputs in one vector and all outputs in another, so that one `main` serves every block.
    fn bench(&self, module: &str) -> String {
        let mut connections: Vec<String> =
            self.clock.iter().map(|name| format!("    .{name}(clock)")).collect();
        for (vector, ports) in [("i", &self.inputs), ("o", &self.outputs)] {
            let mut at = 0;
            for Port { name, bits } in ports {
                connections.push(format!("    .{name}({vector}[{at} +: {bits}])"));
                at += bits.div_ceil(WORD_BITS) * WORD_BITS;
            }
        }
        let last = |ports: &[Port]| words(ports).max(MIN_WORDS) * WORD_BITS - 1;
        format!(
            "module replay(input clock, input [{}:0] i, output [{}:0] o);\n  {module} uut(\n{}\n  );\nendmodule\n",
            last(&self.inputs),
            last(&self.outputs),
            connections.join(",\n")
        )
    }

    /// Says `same`, or the clock and the output words of the first row that differs under the masks.
    fn main(&self) -> String {
        let (inputs, outputs) = (words(&self.inputs), words(&self.outputs));
        format!(
            r#"#include "Vreplay.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>

int main(int, char** argv) {{
    FILE* file = std::fopen(argv[1], "rb");
    if (!file) return 2;
    VerilatedContext context;
    Vreplay top(&context);
    uint32_t row[{inputs} + {outputs}];
    for (unsigned long clock = 0; clock < {clocks}ul; clock++) {{
        if (std::fread(row, sizeof row, 1, file) != 1) return 3;
        top.clock = 0;
        for (int w = 0; w < {inputs}; w++) top.i[w] = row[w];
        top.eval();
        bool same = true;
        for (int w = 0; w < {outputs}; w++) same &= top.o[w] == row[{inputs} + w];
        if (!same) {{
            std::printf("%lu", clock);
            for (int w = 0; w < {outputs}; w++) std::printf(" %08x", top.o[w]);
            std::printf("\n");
            return 0;
        }}
        top.clock = 1;
        top.eval();
    }}
    std::puts("same");
    return 0;
}}
"#,
            clocks = self.clocks,
        )
    }

    fn verdict(&self, name: &str, dir: &Path, answer: &str) -> Result<Replay, Error> {
        if answer.trim() == "same" {
            return Ok(Replay { clocks: self.clocks, outputs: self.outputs.len() });
        }
        let unreadable = || Error::ToolFailed {
            command: dir.join("obj/replay").display().to_string(),
            reason: format!("unreadable answer {answer:?}"),
        };
        let mut fields = answer.split_whitespace();
        let clock: usize = fields.next().and_then(|f| f.parse().ok()).ok_or_else(unreadable)?;
        let got: Vec<u32> = fields.map_while(|f| u32::from_str_radix(f, 16).ok()).collect();
        let row = (words(&self.inputs) + words(&self.outputs)) * clock + words(&self.inputs);
        let expected = self.rows.get(row..row + words(&self.outputs)).ok_or_else(unreadable)?;
        let mut at = 0;
        for port in &self.outputs {
            let range = at..at + port.words();
            let got = got.get(range.clone()).ok_or_else(unreadable)?;
            if got != &expected[range.clone()] {
                return Err(Error::Cosim {
                    name: name.to_owned(),
                    clock,
                    port: port.name.clone(),
                    expected: hex(&expected[range]),
                    got: hex(got),
                });
            }
            at += port.words();
        }
        Err(unreadable())
    }
}

/// Most significant digit first, as Verilog writes it.
fn hex(words: &[u32]) -> String {
    words.iter().rev().fold("0x".to_owned(), |mut text, word| {
        let _ = write!(text, "{word:08x}");
        text
    })
}

/// Appends the value of `atom`, least significant word first. rust-hdl gives it as a Verilog literal only.
fn push_words(to: &mut Vec<u32>, atom: &dyn Atom) {
    let literal = format!("{:x}", atom.verilog());
    let digits = literal.rsplit('h').next().unwrap_or_default();
    let mut left = digits.as_bytes();
    for _ in 0..atom.bits().div_ceil(WORD_BITS) {
        let (rest, word) = left.split_at(left.len().saturating_sub(WORD_BITS / 4));
        let word = word.iter().fold(0, |word, &digit| {
            let Some(digit) = char::from(digit).to_digit(16) else { panic!("literal {literal}") };
            word << 4 | digit
        });
        to.push(word);
        left = rest;
    }
}

/// Calls `visit` with every port of the outermost block, named as in its Verilog.
struct PortWalk<'a> {
    visit: &'a mut dyn FnMut(String, &dyn Atom),
    depth: usize,
    namespace: Vec<String>,
}

impl Probe for PortWalk<'_> {
    fn visit_start_scope(&mut self, _name: &str, _node: &dyn Block) {
        self.depth += 1;
    }

    fn visit_end_scope(&mut self, _name: &str, _node: &dyn Block) {
        self.depth -= 1;
    }

    fn visit_start_namespace(&mut self, name: &str, _node: &dyn Block) {
        self.namespace.push(name.to_owned());
    }

    fn visit_end_namespace(&mut self, _name: &str, _node: &dyn Block) {
        self.namespace.pop();
    }

    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        if self.depth == 1 && atom.kind().is_parameter() {
            let mut path = self.namespace.clone();
            path.push(name.to_owned());
            (self.visit)(path.join("$"), atom);
        }
    }
}
