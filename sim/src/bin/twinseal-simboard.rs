//! A Twinseal board without hardware: the gateware under Verilator, on a pseudo-terminal that opens like a serial port.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use twinseal_puf::silicon::{Condition, ROOM};
use twinseal_sim::{BAUD, CLOCK_HZ, PtyServer, Silicon, SimBoard, SimError, Usage, bench};

/// Serves a simulated board on a pseudo-terminal and prints the terminal's path, until SIGINT or SIGTERM.
#[derive(Parser)]
#[command(name = "twinseal-simboard", version)]
struct Arguments {
    /// Make this a symbolic link to the terminal, and remove it at the end.
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
    /// Print the path and errors, nothing else.
    #[arg(long)]
    quiet: bool,
    /// At the end, print what was simulated.
    #[arg(long)]
    cycles: bool,
    /// Instead of serving, measure the simulation and print figures.
    #[arg(long, conflicts_with_all = ["link", "cycles"])]
    bench: bool,
    /// Keep the board's chip here, 32 bytes in hex; made if missing. Without it every start is another chip.
    #[arg(long, value_name = "FILE")]
    silicon: Option<PathBuf>,
    /// Junction temperature of the chip, degrees Celsius.
    #[arg(long, default_value_t = ROOM.celsius, value_parser = celsius, allow_negative_numbers = true)]
    celsius: f64,
    /// Core supply of the chip, volts.
    #[arg(long, default_value_t = ROOM.volts, value_parser = volts)]
    volts: f64,
    /// Age of the chip, years.
    #[arg(long, default_value_t = ROOM.years, value_parser = years)]
    years: f64,
}

fn celsius(text: &str) -> Result<f64, String> {
    within(text, -40.0, 125.0)
}

fn volts(text: &str) -> Result<f64, String> {
    within(text, 1.0, 1.4)
}

fn years(text: &str) -> Result<f64, String> {
    within(text, 0.0, 30.0)
}

/// A number from `least` to `most`.
fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("give a number from {least} to {most}"))
}

/// The chip asked for, under the conditions asked for.
fn silicon(arguments: &Arguments) -> Result<Silicon, SimError> {
    let silicon = match &arguments.silicon {
        Some(path) => Silicon::from_file(path)?,
        None => Silicon::random()?,
    };
    let &Arguments { celsius, volts, years, .. } = arguments;
    Ok(silicon.at(Condition { celsius, volts, years }))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.bench { benchmark(&arguments) } else { serve(&arguments) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> Result<(), SimError> {
    // Blocked before any thread starts, so that only the one that waits for them gets them.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().map_err(|e| SimError::Signals(e.into()))?;

    let server = PtyServer::start(SimBoard::with_silicon(silicon(arguments)?)?)?;
    let link = arguments.link.as_deref().map(|link| Symlink::new(link, server.path())).transpose()?;
    let shown = link.as_ref().map_or(server.path(), |link| &link.path);
    // Whoever closed our standard output does not want the path.
    let _ = writeln!(io::stdout(), "{}", shown.display());
    if !arguments.quiet {
        eprintln!(
            "board ready at {} MHz; open {} at any baud rate; Ctrl-C ends it",
            CLOCK_HZ / 1_000_000,
            shown.display()
        );
    }
    let board = server.serve_until(move || while signals.wait().is_err() {})?;
    if arguments.cycles {
        eprintln!("{}", describe(board.usage()));
    }
    Ok(())
}

/// SHA-256 of a million times `a`: FIPS 180-2, appendix B.3.
const MILLION_A: [u8; 32] = [
    0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81, 0xa1, 0xc7, 0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1,
    0x80, 0x9a, 0x48, 0xa4, 0x97, 0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0,
];

fn benchmark(arguments: &Arguments) -> Result<(), SimError> {
    let hashing = bench::hash(1_000_000)?;
    if hashing.digest != MILLION_A {
        return Err(SimError::Answer(format!("SHA-256 of a million a: {:02x?}", hashing.digest)));
    }
    let line_mb_per_s = f64::from(BAUD) / 10.0 / 1e6;
    println!("simulated board, SHA-256 of 1,000,000 bytes over its UART (digest as in FIPS 180-2)");
    println!("  simulation  {}", describe(hashing.usage));
    println!("  hashing     {:.3} MB/s here", hashing.mb_per_s());
    println!(
        "  real board  {:.3} MB/s, of {line_mb_per_s:.3} MB/s its line carries",
        hashing.board_mb_per_s()
    );
    println!("simulated board, its vault");
    for bench::Step { what, usage } in bench::vault(silicon(arguments)?)? {
        println!(
            "  {what:<22} {:>9.3} ms there, {:>7.3} s here",
            usage.board_s() * 1e3,
            usage.spent.as_secs_f64()
        );
    }
    Ok(())
}

fn describe(usage: Usage) -> String {
    format!(
        "{} cycles ({:.3} s of the board's time) in {:.3} s: {:.2} M cycles/s",
        usage.cycles,
        usage.board_s(),
        usage.spent.as_secs_f64(),
        usage.cycles_per_s() / 1e6
    )
}

/// A link to the terminal, removed when dropped.
struct Symlink {
    path: PathBuf,
    target: PathBuf,
}

impl Symlink {
    /// Replaces a link that an earlier board left, never anything else.
    fn new(path: &Path, target: &Path) -> Result<Self, SimError> {
        let failed = |source| SimError::Symlink { path: path.to_owned(), source };
        if fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) {
            fs::remove_file(path).map_err(failed)?;
        }
        symlink(target, path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), target: target.to_owned() })
    }
}

impl Drop for Symlink {
    fn drop(&mut self) {
        // Another board may have taken the name since.
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
