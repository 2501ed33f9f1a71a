//! Files of the sensors, as they come, to a [`Series`] on a regular grid.
//!
//! Everything here reads hostile bytes: sizes are limited before anything is allocated, an error names line
//! and column, and no error, `Debug` or log line carries a reading or a personal field.

pub mod dexcom;
pub mod e4;
mod grid;
mod lines;
mod personal;
mod time;

use crate::{Error, Result, Series};
pub use lines::MAX_LINE_BYTES;
pub use personal::{MAX_PERSONAL_BYTES, PersonalInfo};
use std::io::Read;
use std::path::Path;
pub use time::{format_local, parse_local};

/// Largest file that is read.
pub const MAX_INPUT_BYTES: usize = 64 << 20;

/// What a file turned into.
#[derive(Debug)]
pub struct Recording {
    /// The signal, regridded and masked.
    pub series: Series,
    /// The wearer's personal fields, apart from the signal because they are sealed apart.
    pub personal: PersonalInfo,
    /// What happened on the way; show it to the person who imported the file.
    pub report: Report,
}

/// What happened to the rows of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Readings found, numeric or censored.
    pub readings: usize,
    /// Readings the sensor gave as below or above its range; their cells are censored.
    pub censored: usize,
    /// Readings earlier than the one before them in the file; they were sorted in.
    pub out_of_order: usize,
    /// Readings dropped because another one holds their cell (a duplicate, or an overlap of two devices).
    pub dropped: usize,
    /// Rows that are neither readings nor personal fields (alerts, insulin, calibration).
    pub other_rows: usize,
}

/// Recognises the file by its first line and reads it: an E4 recording starts with a number, a glucose
/// export with its header. `utc_offset_minutes` places an E4's UTC start in local time; glucose exports are
/// local already.
///
/// # Errors
/// Those of [`dexcom::parse`] and [`e4::parse_eda`].
pub fn parse(bytes: &[u8], utc_offset_minutes: i16) -> Result<Recording> {
    let first = lines::Lines::new(bytes)?.next().ok_or(Error::NoReadings)??;
    if first.text.trim().parse::<f64>().is_ok() {
        e4::parse_eda(bytes, utc_offset_minutes)
    } else {
        dexcom::parse(bytes)
    }
}

/// [`parse`] of a file on disk, of which at most [`MAX_INPUT_BYTES`] are read.
///
/// # Errors
/// [`Error::Io`], and those of [`parse`].
pub fn open(path: &Path, utc_offset_minutes: i16) -> Result<Recording> {
    let io = |e: std::io::Error| Error::Io { kind: e.kind() };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    parse(&bytes, utc_offset_minutes)
}
