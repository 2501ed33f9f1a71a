//! Formal proofs of the gateware by SymbiYosys: `hdl/formal` holds the properties, the Verilog under proof is what a board
//! is built from.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{checkout, tool};
use crate::{Error, top};

/// A file of `hdl/formal`, NAME.sby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// NAME.
    pub name: &'static str,
    /// The modules it is about: these and all below them.
    pub modules: &'static [&'static str],
    /// Its tasks, or one without a name.
    pub tasks: &'static [&'static str],
}

const CORE: &[&str] = &["top$core"];

/// All of them.
pub const PROOFS: [Proof; 8] = [
    Proof { name: "queue", modules: &["top$core$link$queue"], tasks: &["prove", "cover", "reach"] },
    Proof { name: "framer", modules: &["top$core$link$framer"], tasks: &["prove", "reach"] },
    Proof { name: "cobs", modules: &["top$core$link$cobs"], tasks: &["prove", "cover"] },
    Proof { name: "check", modules: &["top$core$link$check"], tasks: &["prove", "cover", "reach"] },
    Proof { name: "rootkey", modules: &["top$core$vault$root"], tasks: &["prove", "cover"] },
    Proof { name: "guard", modules: CORE, tasks: &["prove", "cover", "reach"] },
    Proof { name: "root", modules: CORE, tasks: &[""] },
    Proof { name: "digest", modules: CORE, tasks: &[""] },
];

/// What sby says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything holds, or can happen.
    Pass,
    /// Names of the properties that do not, or of what cannot happen.
    Fail(Vec<String>),
}

/// A task that ran to its end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Name of the proof and of the task.
    pub task: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub time: Duration,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:14} {:5.1} s  ", self.task, self.time.as_secs_f64())?;
        match &self.verdict {
            Verdict::Pass => f.write_str("holds"),
            Verdict::Fail(properties) => write!(f, "FAILS: {}", properties.join(", ")),
        }
    }
}

impl Proof {
    /// The proof called `name`.
    pub fn named(name: &str) -> Result<Self, Error> {
        PROOFS.into_iter().find(|proof| proof.name == name).ok_or_else(|| Error::UnknownProof {
            name: name.to_owned(),
            known: PROOFS.map(|proof| proof.name).join(", "),
        })
    }

    /// Runs `task` on `verilog`, that of a board or of one with a defect.
    ///
    /// # Errors
    /// [`Error::ToolMissing`] without the tools, [`Error::ToolFailed`] if it came to no verdict.
    pub fn run(&self, task: &str, verilog: &str) -> Result<Outcome, Error> {
        let dir = tool::temp_dir()?;
        let source = checkout().join("hdl/formal");
        let entries = std::fs::read_dir(&source).map_err(|error| Error::File { path: source.clone(), source: error })?;
        for entry in entries {
            let path = entry.map_err(|error| Error::File { path: source.clone(), source: error })?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|e| e == "sv" || e == "sby")) {
                tool::write(&dir.path().join(name), tool::read(&path)?)?;
            }
        }
        tool::write(&dir.path().join("board.v"), modules(verilog, self.modules))?;
        let started = Instant::now();
        let file = format!("{}.sby", self.name);
        let mut command = sby(dir.path())?;
        command.args(["--prefix", "work", "-f", &file]).args((!task.is_empty()).then_some(task));
        let output = command.output().map_err(|_| Error::ToolMissing { tool: "sby".to_owned() })?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let verdict = match output.status.code() {
            Some(0) => Verdict::Pass,
            // Refuted; not proven.
            Some(2 | 4) => Verdict::Fail(failed(&said)),
            _ => {
                let lines: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).take(6).collect();
                return Err(Error::ToolFailed { command: format!("sby {file} {task}"), reason: lines.join("\n") });
            }
        };
        let task = format!("{} {task}", self.name).trim_end().to_owned();
        Ok(Outcome { task, verdict, time: started.elapsed() })
    }
}

/// Runs `jobs`, a proof, a task and Verilog each, two at a time, and hands every outcome to `tell` as it comes.
pub fn run_all<'a>(
    jobs: &[(Proof, &'a str, &'a str)],
    tell: impl Fn(usize, &Outcome) + Sync,
) -> Result<Vec<Outcome>, Error> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(jobs.iter().map(|_| None).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((proof, task, verilog)) = jobs.get(next.load(Ordering::Relaxed)) {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    let _ = (proof, task, verilog, job, &tell, &outcomes);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.into_iter().flatten().collect()
}
