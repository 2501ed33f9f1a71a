//! Verilates the board and compiles it into the crate: gateware → Verilog → C++ → a static library.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use twinseal_hdl::top::boards::Board;

/// The entry of `boards.toml` that is simulated; the driver goes by the same.
const BOARD: &str = "sim";
/// Folder of the generated C++.
const MODEL: &str = "model";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("twinseal-sim: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Failure> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let shim = here.join("cpp/shim.cpp");
    // The gateware and boards.toml are compiled into this script.
    for input in [&shim, &here.join("build.rs")] {
        println!("cargo:rerun-if-changed={}", input.display());
    }
    println!("cargo:rerun-if-env-changed=VERILATOR_ROOT");

    let board = Board::named(BOARD)?;
    println!("cargo:rustc-env=TWINSEAL_CLOCK_HZ={}", board.clock_hz);
    println!("cargo:rustc-env=TWINSEAL_BAUD={}", board.baud);

    fs::write(out.join("top.v"), twinseal_hdl::top::verilog(BOARD)?)?;
    verilate(&out)?;
    let root = verilator(&out, &["--getenv", "VERILATOR_ROOT"])?;
    let library = Path::new(root.trim()).join("include");
    compile(&out.join(MODEL), &library, &shim, board.clocks_per_bit()?)
}

/// Writes the C++ of `top.v` to the folder [`MODEL`], both in `out`.
fn verilate(out: &Path) -> Result<(), Failure> {
    // Files of an earlier model would be compiled along with this one's.
    let model = out.join(MODEL);
    if model.exists() {
        fs::remove_dir_all(model)?;
    }
    let speed = ["-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing"];
    // The gateware has a lint of its own; what Verilator warns of is how rust-hdl writes Verilog.
    let quiet = ["-Wno-fatal", "-Wno-lint", "-Wno-style"];
    // One class holds every signal, so that there is one place to look for those of the rings.
    let shape = ["--flatten"];
    let names = ["--cc", "--top-module", "top", "--prefix", "Vtop", "--Mdir", MODEL, "top.v"];
    verilator(out, &[&speed[..], &quiet, &shape, &names].concat()).map(drop)
}

/// What Verilator calls the signals of the rings that the shim has to see.
const RING_SIGNALS: [(&str, &str); 3] =
    [("TWINSEAL_STEPS", "steps"), ("TWINSEAL_RUNNING", "running"), ("TWINSEAL_PAIR", "running_pair")];

/// The member of the model's class that is the signal `name` of the rings.
fn member<'a>(header: &'a str, name: &str) -> Result<&'a str, Failure> {
    let suffix = format!("__DOT__{name}");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = header.split(|c| !is_word(c)).filter(|word| word.ends_with(&suffix));
    let member = found.next().ok_or_else(|| format!("the model has no signal {name} of rings"))?;
    match found.find(|other| *other != member) {
        Some(other) => Err(format!("the model has two signals {name}: {member}, {other}").into()),
        None => Ok(member),
    }
}

fn compile(model: &Path, library: &Path, shim: &Path, clocks_per_bit: u64) -> Result<(), Failure> {
    let header = fs::read_to_string(model.join("Vtop___024root.h"))?;
    let mut sources: Vec<PathBuf> = fs::read_dir(model)?
        .map(|entry| entry.map(|e| e.path()))
        .filter(|path| path.as_ref().map_or(true, |p| p.extension().is_some_and(|e| e == "cpp")))
        .collect::<Result<_, _>>()?;
    sources.sort();
    let mut build = cc::Build::new();
    for (macro_name, signal) in RING_SIGNALS {
        build.define(macro_name, member(&header, signal)?);
    }
    build
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .warnings(false)
        .define("TWINSEAL_CLOCKS_PER_BIT", clocks_per_bit.to_string().as_str())
        .define("VM_COVERAGE", "0")
        .define("VM_SC", "0")
        .define("VM_TRACE", "0")
        .include(model)
        .include(library)
        .include(library.join("vltstd"))
        .files(sources)
        .file(shim)
        .file(library.join("verilated.cpp"))
        .file(library.join("verilated_threads.cpp"))
        .try_compile("twinseal_board")?;
    Ok(())
}

/// Runs Verilator in `folder` and returns what it printed.
fn verilator(folder: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("verilator")
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("cannot run verilator ({e}); install it: apt-get install verilator"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(
            format!("verilator, which must be 5.006 or later, failed: {}\n{said}", output.status).into()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn variable(name: &str) -> Result<OsString, Failure> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set; build with cargo").into())
}
