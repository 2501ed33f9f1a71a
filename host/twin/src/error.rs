//! Everything that can go wrong in this crate, each with a stable code and the remedy. No message ever
//! carries a measured value or a personal field: messages end up in logs.

use crate::SignalKind;

/// An error of the twin. [`Error::code`] is stable across versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The series would have no cell.
    #[error("the series is empty; give it at least one cell")]
    EmptySeries,
    /// The series would be longer than [`crate::MAX_CELLS`].
    #[error("the series has {cells} cells, the limit is {limit}; split the recording by day or week")]
    TooManyCells {
        /// Cells asked for.
        cells: u64,
        /// Cells allowed.
        limit: usize,
    },
    /// The step is zero or longer than a day.
    #[error("a step of {step_ms} ms is not usable; choose 1 ms to 86400000 ms (one day)")]
    BadStep {
        /// The step that was refused.
        step_ms: u32,
    },
    /// The first cell lies outside 2000-01-01 .. 2100-01-01.
    #[error("the series starts outside the years 2000 to 2099; check the recording device's clock")]
    BadStart,
    /// A value is not finite or outside what the signal can be.
    #[error("cell {index} is outside the range of {kind}; mark it missing or check the unit")]
    ValueOutOfRange {
        /// Cell number.
        index: usize,
        /// The signal.
        kind: SignalKind,
    },
    /// The pseudonym is empty, too long or not visible ASCII.
    #[error("a subject's pseudonym is 1 to 64 visible ASCII characters; use an identifier, not a name")]
    BadSubject,
    /// Bytes are not the canonical encoding.
    #[error("byte {at}: {what}; the data is damaged or of another kind, fetch it again from its source")]
    Encoding {
        /// Offset of the first byte that does not fit.
        at: usize,
        /// What was wrong with it.
        what: &'static str,
    },
    /// The encoding is of a version this build does not read.
    #[error("encoding version {found} is unknown here (this build reads {known}); update twinseal")]
    UnknownVersion {
        /// The version found.
        found: u8,
        /// The version this build reads.
        known: u8,
    },
    /// A prediction for a cell that is not missing, out of order, or outside its interval.
    #[error("the prediction for cell {index} does not fit; predict each missing cell once, in order")]
    BadPrediction {
        /// Cell number.
        index: usize,
    },
    /// No cell can be hidden to measure a method.
    #[error(
        "the series is too short to hide a cell and predict it; use a longer recording or a larger share"
    )]
    NothingToHide,
    /// The parameters of the LSH index are zero or too large.
    #[error("{hashes} hashes x {tables} tables is outside 1 to 64 x 1 to 1024; the paper uses 25 x 30")]
    LshParameters {
        /// Hash functions of a table.
        hashes: usize,
        /// Tables.
        tables: usize,
    },
    /// The series spans more days than an LSH index holds.
    #[error("the series spans {days} days, the index holds {limit}; predict from a shorter part of it")]
    TooManyDays {
        /// Calendar days.
        days: u64,
        /// Days allowed.
        limit: usize,
    },
    /// The simulated span is not 1 to [`crate::patient::MAX_DAYS`] days.
    #[error("a patient is simulated for 1 to {limit} days, not {days}")]
    SimulatedDays {
        /// Days asked for.
        days: u32,
        /// Days allowed.
        limit: u32,
    },

    /// The file is larger than [`crate::ingest::MAX_INPUT_BYTES`].
    #[error("the file has {bytes} bytes, the limit is {limit}; export a shorter period")]
    InputTooLarge {
        /// Size of the file.
        bytes: u64,
        /// Size allowed.
        limit: usize,
    },
    /// A line is longer than [`crate::ingest::MAX_LINE_BYTES`].
    #[error("line {line} is longer than {limit} bytes; this is not a sensor export, check the file")]
    LineTooLong {
        /// Line number from 1.
        line: usize,
        /// Length allowed.
        limit: usize,
    },
    /// A line is not UTF-8 text, or holds control characters.
    #[error(
        "line {line}, column {column}: not text; export as CSV (UTF-8), spreadsheets and archives are not read"
    )]
    NotText {
        /// Line number from 1.
        line: usize,
        /// Byte in the line from 1.
        column: usize,
    },
    /// The first line is not a header this crate knows.
    #[error("line 1: the column \"{missing}\" is missing; use the export of Dexcom Clarity as it comes")]
    Header {
        /// The column that was looked for.
        missing: &'static str,
    },
    /// A row has fewer or more columns than the header.
    #[error("line {line} has {found} columns where the header has {expected}; the file may be cut short")]
    ColumnCount {
        /// Line number from 1.
        line: usize,
        /// Columns of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// A quoted field has no end on its line.
    #[error("line {line}, column {column}: the quotation mark is never closed; export the file again")]
    Quote {
        /// Line number from 1.
        line: usize,
        /// Field of the line from 1.
        column: usize,
    },
    /// A timestamp cannot be read.
    #[error(
        "line {line}, column {column}: not a local time of the years 2000 to 2099 as YYYY-MM-DD hh:mm:ss; \
         remove zone suffixes, check the device's clock"
    )]
    Timestamp {
        /// Line number from 1.
        line: usize,
        /// Field of the line from 1.
        column: usize,
    },
    /// A reading cannot be read.
    #[error("line {line}, column {column}: not a reading in {unit}; check the unit and the decimal point")]
    Reading {
        /// Line number from 1.
        line: usize,
        /// Field of the line from 1.
        column: usize,
        /// The unit expected.
        unit: &'static str,
    },
    /// The readings span more time than a series may hold.
    #[error(
        "the readings span {cells} cells, the limit is {limit} (line {line} is the far end); one of the \
         timestamps is wrong, or export a shorter period"
    )]
    SpanTooLong {
        /// Cells the grid would need.
        cells: u64,
        /// Cells allowed.
        limit: usize,
        /// Line of the last reading in time, from 1.
        line: usize,
    },
    /// The file is well formed but has no reading.
    #[error("the file holds no reading; export a period in which the sensor was worn")]
    NoReadings,
    /// A personal field is longer than [`crate::ingest::MAX_PERSONAL_BYTES`].
    #[error("line {line}: a personal field is longer than {limit} bytes; shorten it")]
    PersonalTooLong {
        /// Line number from 1.
        line: usize,
        /// Length allowed.
        limit: usize,
    },
    /// An E4 file has no usable sampling rate on line 2.
    #[error("line 2: not a rate in Hz that divides 1000 ms (1 to 125); use EDA.csv of the E4 as it comes")]
    SampleRate,
    /// The offset from UTC is more than 14 hours.
    #[error("a UTC offset of {minutes} minutes does not exist; give -840 to 840")]
    UtcOffset {
        /// The offset that was refused.
        minutes: i16,
    },
    /// A file could not be read from disk.
    #[error("the file could not be read ({kind}); check the path and its permissions")]
    Io {
        /// What the operating system said.
        kind: std::io::ErrorKind,
    },
}

impl Error {
    /// The stable code, for searching and for the error list.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptySeries => "TSL-TWN-001",
            Self::TooManyCells { .. } => "TSL-TWN-002",
            Self::BadStep { .. } => "TSL-TWN-003",
            Self::BadStart => "TSL-TWN-004",
            Self::ValueOutOfRange { .. } => "TSL-TWN-005",
            Self::BadSubject => "TSL-TWN-006",
            Self::Encoding { .. } => "TSL-TWN-007",
            Self::UnknownVersion { .. } => "TSL-TWN-008",
            Self::BadPrediction { .. } => "TSL-TWN-009",
            Self::NothingToHide => "TSL-TWN-010",
            Self::LshParameters { .. } => "TSL-TWN-011",
            Self::SimulatedDays { .. } => "TSL-TWN-012",
            Self::TooManyDays { .. } => "TSL-TWN-013",
            Self::InputTooLarge { .. } => "TSL-TWN-020",
            Self::LineTooLong { .. } => "TSL-TWN-021",
            Self::NotText { .. } => "TSL-TWN-022",
            Self::Header { .. } => "TSL-TWN-023",
            Self::ColumnCount { .. } => "TSL-TWN-024",
            Self::Quote { .. } => "TSL-TWN-025",
            Self::Timestamp { .. } => "TSL-TWN-026",
            Self::Reading { .. } => "TSL-TWN-027",
            Self::SpanTooLong { .. } => "TSL-TWN-028",
            Self::NoReadings => "TSL-TWN-029",
            Self::PersonalTooLong { .. } => "TSL-TWN-030",
            Self::SampleRate => "TSL-TWN-031",
            Self::UtcOffset { .. } => "TSL-TWN-032",
            Self::Io { .. } => "TSL-TWN-033",
        }
    }
}

#[cfg(test)]
mod tests {
    /// Reads this file: a new variant without a code does not compile, one with a used code fails here.
    #[test]
    fn codes_are_unique_and_every_variant_has_one() {
        let source = include_str!("error.rs").split("#[cfg(test)]").next().unwrap();
        let codes: Vec<&str> =
            source.lines().filter_map(|l| l.split("\"TSL-TWN-").nth(1)?.split('"').next()).collect();
        let unique: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!(unique.len(), codes.len(), "a code is used twice: {codes:?}");
        assert_eq!(codes.len(), source.matches("#[error(").count());
        assert!(codes.iter().all(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_digit())));
    }
}
