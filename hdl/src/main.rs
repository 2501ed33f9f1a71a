//! The gateware's command line: from a board's name to its Verilog and its bitstream, and the checks on both.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use twinseal_hdl::engine::CLOCKS_PER_BLOCK;
use twinseal_hdl::flow::{bench, checkout, document, formal, manifest, rings};
use twinseal_hdl::golden::sha256::BLOCK_BYTES;
use twinseal_hdl::top::boards;
use twinseal_hdl::{Error, lint, top};

#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a board's Verilog, top module `top`, to DIR/BOARD.v
    Verilog {
        /// A name from boards.toml
        #[arg(long)]
        board: String,
        /// Made if missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Build bitstreams/BOARD.bin and its entry in bitstreams/manifest.toml; fails on missed timing and on rings that differ
    Bitstream {
        /// A name from boards.toml; every board with a device if none is given
        #[arg(long)]
        board: Option<String>,
        /// Build nothing: compare image, manifest and gateware
        #[arg(long)]
        check: bool,
    },
    /// Print size and speed of the built image of a board
    Report {
        /// A name from boards.toml; every board with a device if none is given
        #[arg(long)]
        board: Option<String>,
    },
    /// Print size and speed of the hash engine on every device, three seeds each; with a peer, write docs/benchmarks/gateware.md
    BenchGateware {
        /// Folder with the Verilog of secworks/sha256, to be measured beside it
        #[arg(long, value_name = "DIR")]
        peer: Option<PathBuf>,
    },
    /// Prove the properties of hdl/formal of a board's Verilog
    Formal {
        /// A name from boards.toml
        #[arg(long, default_value = "hx8k")]
        board: String,
        /// A proof of hdl/formal; all of them without it
        proof: Option<String>,
    },
    /// Route the rings of the PUF alone and print how alike they are and what entropy that leaves
    Rings {
        /// All of them when absent
        #[arg(long, value_enum)]
        device: Option<RingsOn>,
    },
    /// Reject what rust-hdl simulates one way and translates another
    Lint,
    /// Write docs/register_map.md
    Docs {
        /// Write nothing: compare
        #[arg(long)]
        check: bool,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RingsOn {
    Hx8k,
    Up5k,
    #[value(name = "ecp5-85f")]
    Ecp5_85f,
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Verilog { board, out } => write_verilog(&board, &out),
        Command::Bitstream { board, check } => each(board, |board| bitstream(board, check)),
        Command::Report { board } => each(board, report),
        Command::BenchGateware { peer } => {
            bench::bench(peer.as_deref(), &checkout().join("build/bench"), &checkout().join(bench::TABLE))
        }
        Command::Rings { device } => route_rings(device),
        Command::Formal { board, proof } => prove(&board, proof.as_deref()),
        Command::Lint => lint_all(),
        Command::Docs { check: false } => document::write(&checkout()),
        Command::Docs { check: true } => document::check(&checkout()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            ExitCode::FAILURE
        }
    }
}

/// Does it for the board, or for every board with a device.
fn each(board: Option<String>, act: impl Fn(&str) -> Result<(), Error>) -> Result<(), Error> {
    match board {
        Some(board) => act(&board),
        None => boards::with_device()?.iter().try_for_each(|board| act(board)),
    }
}

fn bitstream(board: &str, check: bool) -> Result<(), Error> {
    let bitstreams = checkout().join("bitstreams");
    let entry = if check {
        manifest::check(board, &bitstreams)?
    } else {
        manifest::bitstream(board, &checkout().join("build").join(board), &bitstreams)?
    };
    println!("bitstreams/{} {} build {}", entry.image, entry.usage, entry.sources.build_id);
    if let Some(rings) = entry.rings {
        println!("  {rings}");
    }
    Ok(())
}

fn report(board: &str) -> Result<(), Error> {
    let entry = manifest::check(board, &checkout().join("bitstreams"))?;
    let mb_per_s = |mhz: f64| mhz * BLOCK_BYTES as f64 / CLOCKS_PER_BLOCK as f64;
    println!("{board}: {}", entry.usage);
    if let Some(rings) = entry.rings {
        println!("  {rings}");
    }
    println!(
        "  SHA-256: {CLOCKS_PER_BLOCK} clocks per block of {BLOCK_BYTES} bytes, {:.1} MB/s at {} MHz, {:.1} MB/s at {:.2} MHz",
        mb_per_s(entry.usage.target_mhz),
        entry.usage.target_mhz,
        mb_per_s(entry.usage.fmax_mhz),
        entry.usage.fmax_mhz,
    );
    for (tool, version) in &entry.tools {
        println!("  {tool}: {version}");
    }
    Ok(())
}

fn prove(board: &str, proof: Option<&str>) -> Result<(), Error> {
    let verilog = top::verilog(board)?;
    let proofs = match proof {
        Some(name) => vec![formal::Proof::named(name)?],
        None => formal::PROOFS.to_vec(),
    };
    let jobs: Vec<_> = proofs
        .iter()
        .flat_map(|proof| proof.tasks.iter().map(|&task| (*proof, task, verilog.as_str())))
        .collect();
    let outcomes = formal::run_all(&jobs, |outcome| println!("{board} {outcome}"))?;
    outcomes.into_iter().try_for_each(formal::Outcome::holds)
}

fn route_rings(device: Option<RingsOn>) -> Result<(), Error> {
    use rings::Device::{Ecp5, Ecp5Exchanged, Hx8k, Up5k};
    let devices: &[rings::Device] = match device {
        None => &[Hx8k, Up5k, Ecp5, Ecp5Exchanged],
        Some(RingsOn::Hx8k) => &[Hx8k],
        Some(RingsOn::Up5k) => &[Up5k],
        Some(RingsOn::Ecp5_85f) => &[Ecp5, Ecp5Exchanged],
    };
    rings::report(devices, &checkout().join("build"))
}

fn lint_all() -> Result<(), Error> {
    let covered = lint::gateware()?;
    println!("{covered}");
    Ok(())
}

fn write_verilog(board: &str, out: &Path) -> Result<(), Error> {
    let text = top::verilog(board)?;
    std::fs::create_dir_all(out).map_err(|source| Error::File { path: out.to_owned(), source })?;
    let path = out.join(format!("{board}.v"));
    std::fs::write(&path, text).map_err(|source| Error::File { path: path.clone(), source })?;
    println!("{}", path.display());
    Ok(())
}
