//! Outside programs: started, watched, and believed only when they say that all went well.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::Error;

/// Tests that lack a tool say so and pass; where this is set, as by `make test`, they fail.
pub const REQUIRED: &str = "TWINSEAL_REQUIRE_TOOLS";

/// Whether [`REQUIRED`] is set.
pub fn required() -> bool {
    std::env::var_os(REQUIRED).is_some()
}

/// A test's word on why it checks less than it could. To standard error itself: what a passing test prints is hidden.
pub fn skipped(reason: impl Display) {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A program of the ECP5 tools, which Debian does not have: from where `packaging/setup.sh bench-gateware` puts them, or
/// else from `PATH`.
pub fn ecp5(program: &str) -> Command {
    let tools = super::checkout().join("build/tools");
    let ours = tools.join("ecp5/bin").join(program);
    let mut command = if ours.is_file() { Command::new(ours) } else { Command::new(program) };
    command.env("YOWASP_CACHE_DIR", tools.join("yowasp"));
    command
}

/// Most lines of a tool's complaint that go into an error.
const REASON_LINES: usize = 12;

/// Arguments for Verilator: the C++ of a test runs for a second, so it should not compile for a minute.
pub const COMPILE_FAST: [&str; 2] = ["-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"];

/// Runs `command` to its end and returns what it printed; any exit code but zero is an error.
pub fn run(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => missing(&program),
        _ => Error::ToolFailed { command: describe(command), reason: source.to_string() },
    })?;
    if !output.status.success() {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.trim_end().lines().collect();
        let reason = lines[lines.len().saturating_sub(REASON_LINES)..].join("\n");
        return Err(Error::ToolFailed {
            command: describe(command),
            reason: format!("{}\n{reason}", output.status),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// First line of what `tool` says of its version, on whichever stream.
pub fn version(tool: &str, args: &[&str]) -> Result<String, Error> {
    let output = Command::new(tool).args(args).output().map_err(|_| missing(tool))?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned())
}

/// [`Error::ToolMissing`], or, where tools are [`REQUIRED`], an error that no test takes for a reason to skip.
pub fn missing(tool: &str) -> Error {
    if required() {
        Error::ToolFailed { command: tool.to_owned(), reason: format!("not found, and {REQUIRED} is set") }
    } else {
        Error::ToolMissing { tool: tool.to_owned() }
    }
}

/// `command` as one would type it.
fn describe(command: &Command) -> String {
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    shell(&command.get_program().to_string_lossy(), &args)
}

/// A command line with quotes where a shell needs them.
pub fn shell(program: &str, args: &[impl AsRef<str>]) -> String {
    args.iter().fold(program.to_owned(), |line, arg| match arg.as_ref() {
        arg if arg.contains([' ', ';', '$']) => format!("{line} '{arg}'"),
        arg => format!("{line} {arg}"),
    })
}

/// A folder that goes away again.
pub fn temp_dir() -> Result<TempDir, Error> {
    TempDir::with_prefix("twinseal-").map_err(|source| Error::File { path: std::env::temp_dir(), source })
}

/// Writes a whole file.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<(), Error> {
    std::fs::write(path, contents).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
