//! `puf evaluate` as a subcommand that the project's command can mount.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::Error;
use crate::evaluate::{self, Options, Report, Source};
use crate::silicon::{Condition, Device, ROOM};

/// `puf ...`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Uniqueness, bit error, entropy and key failure of virtual chips, or of measured ones.
    Evaluate(Evaluate),
}

/// Options of `puf evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// Measured frequencies: one CSV a chip, rows rings, columns samples, in hertz. Virtual chips when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Virtual chips in the population.
    #[arg(long, default_value_t = 400, conflicts_with = "folder")]
    chips: usize,
    /// Seed of the virtual chips.
    #[arg(long, default_value_t = 1, conflicts_with = "folder")]
    seed: u64,
    /// Device of the virtual chips.
    #[arg(long, value_enum, default_value = "up5k", conflicts_with = "folder")]
    device: DeviceName,
    /// A file like hdl/puf/silicon.toml.
    #[arg(long, conflicts_with = "folder")]
    silicon: Option<PathBuf>,
    /// Junction temperature the virtual chips are enrolled at, in degrees Celsius [default: 25 for the tables by corner,
    /// with key failure for every enrolment].
    #[arg(long, value_parser = celsius, conflicts_with = "folder")]
    enrol_celsius: Option<f64>,
    /// Core supply the virtual chips are enrolled at, in volts [default: 1.2, likewise].
    #[arg(long, value_parser = volts, conflicts_with = "folder")]
    enrol_volts: Option<f64>,
    /// Simulated reconstructions at the worst corner.
    #[arg(long, default_value_t = 100_000, conflicts_with = "folder")]
    reconstructions: u64,
    /// Write plots as SVG into this folder.
    #[arg(long)]
    plots: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DeviceName {
    Hx8k,
    Up5k,
}

/// What a board may be enrolled under: what it may be read under.
fn celsius(text: &str) -> Result<f64, String> {
    number(text, 0.0, 70.0)
}

fn volts(text: &str) -> Result<f64, String> {
    number(text, 1.14, 1.26)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let given = text.parse().ok().filter(|given| (least..=most).contains(given));
    given.ok_or_else(|| format!("it can be {least} to {most}"))
}

/// Room, where only one of the two is given; none when neither is.
fn enrolment(celsius: Option<f64>, volts: Option<f64>) -> Option<Condition> {
    (celsius.is_some() || volts.is_some()).then(|| Condition {
        celsius: celsius.unwrap_or(ROOM.celsius),
        volts: volts.unwrap_or(ROOM.volts),
        ..ROOM
    })
}

impl Evaluate {
    /// Evaluates and writes the plots, if asked to.
    pub fn run(self) -> Result<(Report, Vec<PathBuf>), Error> {
        let device = match self.device {
            DeviceName::Hx8k => Device::Hx8k,
            DeviceName::Up5k => Device::Up5k,
        };
        let source = match self.folder {
            Some(folder) => Source::Folder(folder),
            None => Source::Virtual {
                chips: self.chips,
                seed: self.seed,
                device,
                silicon: self.silicon,
                enrolled: enrolment(self.enrol_celsius, self.enrol_volts),
            },
        };
        let report = evaluate::run(&Options { source, reconstructions: self.reconstructions })?;
        let plots = self.plots.map(|folder| report.write_plots(&folder)).transpose()?;
        Ok((report, plots.unwrap_or_default()))
    }
}
