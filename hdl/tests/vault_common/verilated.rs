//! The board under Verilator, driven request by request.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use twinseal_hdl::Error;
use twinseal_hdl::flow::tool::{self, skipped};
use twinseal_puf::silicon::PowerUp;

use super::Answer;

/// Clocks within which every request is done: 1.2 million at the slow clock, 9.4 at the boards'.
const PATIENCE: u64 = 12_000_000;

/// A board from power-up on.
pub struct Verilated {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    dir: PathBuf,
}

/// A compiled board; may be switched on any number of times.
pub struct Model {
    dir: tempfile::TempDir,
}

impl Model {
    /// Compiles `verilog`, whose top module is `top` with the ports of [`super::Board`]; `None`, and a word on why, where
    /// there is no Verilator.
    pub fn new(verilog: &str) -> Option<Self> {
        Self::with(verilog, &tool::COMPILE_FAST)
    }

    /// One that takes longer to compile, and runs twice as fast.
    pub fn fast(verilog: &str) -> Option<Self> {
        Self::with(verilog, &["-MAKEFLAGS", "OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O0"])
    }

    fn with(verilog: &str, options: &[&str]) -> Option<Self> {
        match Self::compile(verilog, options) {
            Ok(model) => Some(model),
            Err(error @ Error::ToolMissing { .. }) => {
                skipped(error);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn compile(verilog: &str, options: &[&str]) -> Result<Self, Error> {
        tool::version("verilator", &["--version"])?;
        let temp = tool::temp_dir()?;
        let dir = temp.path();
        tool::write(&dir.join("board.v"), verilog)?;
        tool::write(&dir.join("main.cpp"), include_str!("main.cpp"))?;
        let verilate = |build: &[&str]| {
            tool::run(
                Command::new("verilator")
                    .args(["--cc", "--exe", "-O3", "--savable", "-Wno-fatal", "-Wno-lint", "-Wno-style"])
                    .args(build)
                    .args(["--prefix", "Vboard", "--top-module", "top", "--Mdir", "obj", "-o", "board"])
                    .args(["board.v", "main.cpp"])
                    .current_dir(dir),
            )
        };
        // First to learn what registers and memories the simulation has.
        verilate(&[])?;
        let header = std::fs::read_to_string(dir.join("obj/Vboard___024root.h")).unwrap();
        for part in ["vault", "engine"] {
            let prefix = format!("top__DOT__{part}__DOT__");
            let fields = header.lines().filter_map(|line| {
                let name = line.trim().strip_suffix(';')?.rsplit(' ').next()?;
                name.starts_with(&prefix).then(|| format!("FIELD({name})\n"))
            });
            tool::write(&dir.join(format!("{part}.inc")), fields.collect::<String>())?;
        }
        verilate(&[&["--build", "-CFLAGS", "-I.."], options].concat())?;
        Ok(Self { dir: temp })
    }

    /// Switches the board on.
    pub fn power_up(&self) -> Verilated {
        let mut child = Command::new(self.dir.path().join("obj/board"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Verilated { child, to, from, dir: self.dir.path().to_owned() }
    }
}

impl Drop for Verilated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Verilated {
    fn say(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        self.to.flush().unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// The steps of the next sample; the last one stays for those after it.
    pub fn sample(&mut self, steps: &[u32]) {
        let steps: Vec<String> = steps.iter().map(u32::to_string).collect();
        assert_eq!(self.say(&format!("s {}", steps.join(" "))), "ok");
    }

    /// Queues what the next `samples` samples of `chip` will be, without taking them from it.
    pub fn samples(&mut self, chip: &PowerUp, clock_hz: u32, samples: usize) {
        let mut chip = chip.clone();
        for _ in 0..samples {
            self.sample(&chip.sample_steps(clock_hz));
        }
    }

    /// Carries out a request. The payload's bytes come, and the reply's are taken, every `gap` + 1 clocks at most.
    pub fn ask_slowly(&mut self, opcode: u8, payload: &[u8], permitted: bool, gap: u32) -> Answer {
        let payload: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("r {} {} {gap} {PATIENCE} -{payload}", opcode & 7, u8::from(permitted));
        let answer = self.say(&line);
        let fields: Vec<&str> = answer.split(' ').collect();
        let [status, clocks, samples, reply] = fields[..] else { panic!("{answer:?}") };
        let reply = reply.as_bytes()[1..]
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
        Answer {
            status: status.parse().unwrap(),
            clocks: clocks.parse().unwrap(),
            samples: samples.parse().unwrap(),
            reply: reply.collect(),
        }
    }

    pub fn ask(&mut self, opcode: u8, payload: &[u8]) -> Answer {
        self.ask_slowly(opcode, payload, true, 0)
    }

    /// Every register and memory of the board, in no documented order, values with their lowest byte first.
    pub fn state(&mut self) -> Vec<u8> {
        let path: &Path = &self.dir.join("state");
        assert_eq!(self.say(&format!("d {}", path.display())), "ok");
        std::fs::read(path).unwrap()
    }

    /// Every register and memory of vault and engine by its name in the Verilog, as bytes, lowest first; before them how many
    /// clocks ago the engine was last not ready, a multiple of 40,000.
    pub fn registers(&mut self) -> (u64, BTreeMap<String, Vec<u8>>) {
        let answer = self.say("n");
        let mut fields = answer.split(' ');
        let quiet = fields.next().unwrap().parse().unwrap();
        let bytes = |digits: &str| -> Vec<u8> {
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect()
        };
        let field = |field: &str| {
            let (name, digits) = field.split_once('=').unwrap();
            let name = name.strip_prefix("top__DOT__").unwrap();
            (name.replace("__DOT__", ".").replace("__024", "$"), bytes(digits))
        };
        (quiet, fields.map(field).collect())
    }

    /// Changes an instruction of the processor's program, or a word of its memory.
    pub fn poke(&mut self, program: bool, address: usize, word: u64) {
        let memory = if program { 'i' } else { 'm' };
        assert_eq!(self.say(&format!("p {memory} {address} {word}")), "ok");
    }
}
