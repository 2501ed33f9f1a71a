//! Empatica E4 electrodermal activity, `EDA.csv` as the wristband's archive holds it: line 1 the start in
//! UTC seconds, line 2 the rate in Hz (4), then one value in microsiemens a line.

use super::lines::Lines;
use super::{PersonalInfo, Recording, Report};
use crate::series::START_MS;
use crate::{Cell, Error, MAX_CELLS, Result, Series, SignalKind};

/// The E4 measures 0.01 to 100 microsiemens (E4 user's manual, "Technical specifications"). Less is no skin
/// under the electrodes, and the file starts with an exact 0: such cells are censored, not small values.
pub const RANGE_MICROSIEMENS: std::ops::RangeInclusive<f32> = 0.01..=100.0;

/// Reads `EDA.csv`. The file's clock is UTC; `utc_offset_minutes` (+60 for CET) makes it the wearer's.
///
/// # Errors
/// With line and column: not text, a bad start, a rate that does not divide a second into whole
/// milliseconds, a value that is no number, more than [`MAX_CELLS`] values.
pub fn parse_eda(bytes: &[u8], utc_offset_minutes: i16) -> Result<Recording> {
    if !(-840..=840).contains(&utc_offset_minutes) {
        return Err(Error::UtcOffset { minutes: utc_offset_minutes });
    }
    let mut lines = Lines::new(bytes)?;
    let start = lines.next().ok_or(Error::NoReadings)??;
    let start_ms = decimal(start.text)
        .map(|s| (s * 1000.0).round() as i64 + i64::from(utc_offset_minutes) * 60_000)
        .filter(|ms| START_MS.contains(ms))
        .ok_or(Error::Timestamp { line: start.number, column: 1 })?;
    let rate_hz = lines.next().ok_or(Error::SampleRate)??;
    let rate_hz = decimal(rate_hz.text).filter(|hz| hz.fract() == 0.0 && (1.0..=125.0).contains(hz));
    let rate_hz = rate_hz.map(|hz| hz as u32).filter(|hz| 1000 % hz == 0).ok_or(Error::SampleRate)?;

    let mut cells = Vec::new();
    for line in lines {
        let line = line?;
        if cells.len() == MAX_CELLS {
            return Err(Error::SpanTooLong {
                cells: cells.len() as u64 + 1,
                limit: MAX_CELLS,
                line: line.number,
            });
        }
        let value = decimal(line.text).map(|v| v as f32);
        let value = value.ok_or(Error::Reading { line: line.number, column: 1, unit: "uS" })?;
        cells.push(if value < *RANGE_MICROSIEMENS.start() {
            Cell::BelowRange
        } else if value > *RANGE_MICROSIEMENS.end() {
            Cell::AboveRange
        } else {
            Cell::Observed(value)
        });
    }
    if cells.is_empty() {
        return Err(Error::NoReadings);
    }
    let report = Report {
        readings: cells.len(),
        censored: cells.iter().filter(|c| c.value().is_none()).count(),
        ..Report::default()
    };
    let series = Series::new(SignalKind::EdaMicrosiemens, start_ms, 1000 / rate_hz, cells)?;
    Ok(Recording { series, personal: PersonalInfo::default(), report })
}

/// Digits with an optional sign and decimal point; a detached electrode reads slightly below zero.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=24).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "1644226061.000000\r\n4.000000\r\n0.000000\r\n0.112750\r\n-0.001\r\n101\r\n0.5";

    #[test]
    fn a_file_as_it_comes() {
        let recording = parse_eda(FILE.as_bytes(), 60).unwrap();
        use Cell::{AboveRange, BelowRange, Observed};
        assert_eq!(
            recording.series.cells(),
            [BelowRange, Observed(0.11275), BelowRange, AboveRange, Observed(0.5)]
        );
        assert_eq!(recording.series.start_ms(), 1_644_226_061_000 + 3_600_000);
        assert_eq!(recording.series.step_ms(), 250);
        assert_eq!((recording.report.readings, recording.report.censored), (5, 3));
    }

    #[test]
    fn errors_name_the_line() {
        let error = |from: &str, to: &str| parse_eda(FILE.replace(from, to).as_bytes(), 0).unwrap_err();
        assert_eq!(error("1644226061", "16442260610"), Error::Timestamp { line: 1, column: 1 });
        assert_eq!(error("1644226061", "999999999999999999999"), Error::Timestamp { line: 1, column: 1 });
        for rate in ["0.0", "3.0", "4.5", "126.0", "-4.0", "x"] {
            assert_eq!(error("4.000000", rate), Error::SampleRate, "{rate}");
        }
        for value in ["nan", "1e3", "0.1,0.2", "--1", "0.1 0.2"] {
            let expected = Error::Reading { line: 4, column: 1, unit: "uS" };
            assert_eq!(error("0.112750", value), expected, "{value}");
        }
        assert_eq!(parse_eda(b"1644226061\n4", 0).unwrap_err(), Error::NoReadings);
        assert_eq!(parse_eda(b"1644226061", 0).unwrap_err(), Error::SampleRate);
        assert_eq!(parse_eda(FILE.as_bytes(), 841).unwrap_err(), Error::UtcOffset { minutes: 841 });
        let mut long = b"1644226061\n4\n".to_vec();
        long.extend(b"1\n".repeat(MAX_CELLS + 1));
        assert_eq!(parse_eda(&long, 0).unwrap_err().code(), "TSL-TWN-028");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), offset in any::<i16>()) {
            let _ = parse_eda(&bytes, offset);
            let mut behind_a_header = b"1644226061\n4\n".to_vec();
            behind_a_header.extend(&bytes);
            let _ = parse_eda(&behind_a_header, 0);
            let _ = super::super::parse(&bytes, 0);
        }
    }
}
