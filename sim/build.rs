//! Verilates the board and compiles it into the crate: gateware → Verilog → C++ → a static library.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use twinseal_hdl::top::boards::Board;

/// The board whose top is simulated, and the entry of `boards.toml` the simulation itself has.
const BOARD: &str = "hx8k";
const SIMULATION: &str = "sim";
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

    let board = board()?;
    println!("cargo:rustc-env=TWINSEAL_CLOCK_HZ={}", board.clock_hz);
    println!("cargo:rustc-env=TWINSEAL_BAUD={}", board.baud);

    fs::write(out.join("top.v"), twinseal_hdl::top::verilog(BOARD)?)?;
    verilate(&out)?;
    let root = verilator(&out, &["--getenv", "VERILATOR_ROOT"])?;
    let library = Path::new(root.trim()).join("include");
    compile(&out.join(MODEL), &library, &shim, board.clocks_per_bit()?)
}

/// The board; its entry and the simulation's must agree, for the driver goes by the latter.
fn board() -> Result<Board, Failure> {
    let (board, simulated) = (Board::named(BOARD)?, Board::named(SIMULATION)?);
    let line = |b: &Board| (b.clock_hz, b.baud, b.engines.clone());
    if line(&board) != line(&simulated) {
        return Err(
            format!("boards.toml: give [{SIMULATION}] the clock_hz, baud and engines of [{BOARD}]").into()
        );
    }
    Ok(board)
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
    let names = ["--cc", "--top-module", "top", "--prefix", "Vtop", "--Mdir", MODEL, "top.v"];
    verilator(out, &[&speed[..], &quiet, &names].concat()).map(drop)
}

fn compile(model: &Path, library: &Path, shim: &Path, clocks_per_bit: u64) -> Result<(), Failure> {
    let mut sources: Vec<PathBuf> = fs::read_dir(model)?
        .map(|entry| entry.map(|e| e.path()))
        .filter(|path| path.as_ref().map_or(true, |p| p.extension().is_some_and(|e| e == "cpp")))
        .collect::<Result<_, _>>()?;
    sources.sort();
    cc::Build::new()
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
