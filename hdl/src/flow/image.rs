//! A bitstream brought back to life: unpacked, decompiled to Verilog, and run under Verilator behind its UART pins.
//!
//! What answers here is the image itself, after synthesis, placement, routing and packing; nothing of the sources but
//! the names of the pins is used, and where the rings are. The rings have no part in it: a loop of LUTs without delays
//! cannot be simulated, so the last LUT of each becomes a constant one, what an idle ring shows. They stand still, and the
//! health tests of whoever reads them say so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::{build, netlist, tool};
use crate::Error;
use crate::engine::rings::Place;
use crate::top::{self, boards::Board};

/// Clocks the line rests before the first character, so that the receiver sees it idle.
const IDLE_CLOCKS: u32 = 64;
/// Most bytes the image may answer in one exchange.
const MAX_ANSWER_BYTES: u32 = 1 << 20;

/// An image compiled to a program.
pub struct Program {
    path: PathBuf,
    _dir: TempDir,
}

/// An image running in a process of its own; it ends when this is dropped.
pub struct Image {
    process: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Program {
    /// Decompiles the image in the file at `path`, which was built for `board`, and compiles what comes out.
    pub fn new(path: &Path, board: &Board) -> Result<Self, Error> {
        let dir = tool::temp_dir()?;
        Ok(Self { path: compile(path, board, dir.path())?, _dir: dir })
    }

    /// The image as it is after power-up. Inputs but clock and line are low: a button that is active low is held.
    pub fn power_up(&self) -> Result<Image, Error> {
        let mut process = Command::new(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::File { path: self.path.clone(), source })?;
        let (Some(to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::Image("no pipes to the process".to_owned()));
        };
        let mut image = Image { process, to, from };
        image.exchange(&[], IDLE_CLOCKS)?;
        Ok(image)
    }
}

impl Image {
    /// Sends `bytes` over the serial line without gaps, lets `then_clocks` more clocks pass, and returns the characters
    /// that came back meanwhile. A character cut off at the end comes with the next call.
    pub fn exchange(&mut self, bytes: &[u8], then_clocks: u32) -> Result<Vec<u8>, Error> {
        self.talk(bytes, then_clocks)
            .map_err(|e| Error::Image(format!("{e} (a broken character ends the process)")))
    }

    fn talk(&mut self, bytes: &[u8], then_clocks: u32) -> std::io::Result<Vec<u8>> {
        let len = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
        self.to.write_all(&len.to_ne_bytes())?;
        self.to.write_all(&then_clocks.to_ne_bytes())?;
        self.to.write_all(bytes)?;
        self.to.flush()?;
        let mut len = [0; 4];
        self.from.read_exact(&mut len)?;
        let len = u32::from_ne_bytes(len);
        if len > MAX_ANSWER_BYTES {
            return Err(std::io::Error::other("the answer is too long"));
        }
        let mut answer = vec![0; len as usize];
        self.from.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a simulator of the image in `dir` and returns its path.
fn compile(image: &Path, board: &Board, dir: &Path) -> Result<PathBuf, Error> {
    tool::write(&dir.join("image.bin"), tool::read(image)?)?;
    tool::write(&dir.join("image.pcf"), build::pin_constraints(board))?;
    tool::write(&dir.join("main.cpp"), main_cpp(board.clocks_per_bit()?))?;
    tool::run(Command::new("iceunpack").args(["image.bin", "image.asc"]).current_dir(dir))?;
    let raw = tool::run(
        Command::new("icebox_vlog")
            .args(["-s", "-p", "image.pcf", "-n", "chip", "image.asc"])
            .current_dir(dir),
    )?;
    let raw = match top::place(board)? {
        Some(place) if board.has_rings() => still(&raw, place)?,
        _ => raw,
    };
    tool::write(&dir.join("raw.v"), raw)?;
    tool::run(Command::new("yosys").args(["-q", "-p", CLEAN_UP]).current_dir(dir))?;
    tool::run(
        Command::new("verilator")
            .args(["--cc", "--exe", "--build", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"])
            .args(tool::COMPILE_FAST)
            .args(["-DNO_ICE40_DEFAULT_ASSIGNMENTS", "--top-module", "chip", "--Mdir", "obj", "-o", "chip"])
            .arg("chip.v")
            .arg(netlist::cell_models()?)
            .arg("main.cpp")
            .current_dir(dir),
    )?;
    Ok(dir.join("obj/chip"))
}

/// Cuts every ring at its last LUT. Each must be there, at its place, and an inverter.
fn still(raw: &str, place: Place) -> Result<String, Error> {
    let mut inverters: BTreeSet<String> =
        place.outputs().map(|(x, y, lut)| format!("{x} {y} {lut}")).collect();
    let mut text = String::with_capacity(raw.len());
    for line in raw.lines() {
        // assign n7711  = /* LUT    9  9  2 */ !n2237;
        let lut = line.split_once("/* LUT ").and_then(|(assign, rest)| {
            let (at, value) = rest.split_once(" */ ")?;
            let at: Vec<&str> = at.split_whitespace().collect();
            inverters.take(&at.join(" ")).map(|at| (assign, at, value))
        });
        match lut {
            Some((assign, at, value)) => {
                let inverted = value.strip_prefix("!n").and_then(|rest| rest.strip_suffix(';'));
                if inverted.is_none_or(|net| net.parse::<u32>().is_err()) {
                    return Err(Error::Image(format!("the LUT at {at} is {value} and not a ring's")));
                }
                let _ = writeln!(text, "{assign}1'b1;");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    match inverters.first() {
        Some(at) => Err(Error::Image(format!("{} rings are missing, one at {at}", inverters.len()))),
        None => Ok(text),
    }
}

/// Block RAMs stay instances of the vendor's cell. A LUT comes out of the image as a tree of choices, which a processor
/// guesses wrong half the time; as plain gates the image runs two and a half times as fast.
const CLEAN_UP: &str = "read_verilog raw.v; read_verilog -lib +/ice40/cells_sim.v; hierarchy -check -top chip; \
                        proc; opt -fast; simplemap; abc -g AND,OR,XOR; opt_clean; write_verilog -noattr chip.v";

/// Reads `(u32 bytes, u32 clocks, bytes)` from stdin and answers `(u32 bytes, bytes)` until stdin ends. A start bit that
/// does not last or a missing stop bit ends the process at once.
fn main_cpp(clocks_per_bit: u64) -> String {
    format!("constexpr unsigned CLOCKS_PER_BIT = {clocks_per_bit};\n{MAIN_CPP}")
}

const MAIN_CPP: &str = r#"#include "Vchip.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <vector>

int main() {
    VerilatedContext context;
    Vchip top(&context);
    top.uart_rx = 1;
    uint32_t head[2];
    std::vector<uint8_t> to, from;
    unsigned listening = 0, character = 0;
    while (std::fread(head, sizeof head, 1, stdin) == 1) {
        to.resize(head[0]);
        if (head[0] && std::fread(to.data(), head[0], 1, stdin) != 1) return 2;
        from.clear();
        const uint64_t sending = uint64_t(head[0]) * 10 * CLOCKS_PER_BIT;
        for (uint64_t clock = 0; clock < sending + head[1]; clock++) {
            if (clock < sending) {
                const unsigned frame = to[clock / CLOCKS_PER_BIT / 10] << 1 | 1 << 9;
                top.uart_rx = frame >> (clock / CLOCKS_PER_BIT % 10) & 1;
            }
            top.clock = 0;
            top.eval();
            top.clock = 1;
            top.eval();
            if (listening == 0) {
                if (!top.uart_tx) {
                    listening = 1;
                    character = 0;
                }
                continue;
            }
            const unsigned bit = listening / CLOCKS_PER_BIT, phase = listening % CLOCKS_PER_BIT;
            listening++;
            if (phase != CLOCKS_PER_BIT / 2) continue;
            if (bit == 0 && top.uart_tx) return 3;
            if (bit >= 1 && bit <= 8) character |= unsigned(top.uart_tx) << (bit - 1);
            if (bit == 9) {
                if (!top.uart_tx) return 4;
                from.push_back(character);
                listening = 0;
            }
        }
        const uint32_t len = from.size();
        std::fwrite(&len, sizeof len, 1, stdout);
        std::fwrite(from.data(), 1, len, stdout);
        std::fflush(stdout);
    }
    return 0;
}
"#;
