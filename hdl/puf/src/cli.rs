//! `puf evaluate` as a subcommand that the project's command can mount.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::Error;
use crate::evaluate::{self, Options, Report, Source};
use crate::silicon::Device;

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

impl Evaluate {
    /// Evaluates and writes the plots, if asked to.
    pub fn run(self) -> Result<(Report, Vec<PathBuf>), Error> {
        let device = match self.device {
            DeviceName::Hx8k => Device::Hx8k,
            DeviceName::Up5k => Device::Up5k,
        };
        let source = match self.folder {
            Some(folder) => Source::Folder(folder),
            None => Source::Virtual { chips: self.chips, seed: self.seed, device, silicon: self.silicon },
        };
        let report = evaluate::run(&Options { source, reconstructions: self.reconstructions })?;
        let plots = self.plots.map(|folder| report.write_plots(&folder)).transpose()?;
        Ok((report, plots.unwrap_or_default()))
    }
}
