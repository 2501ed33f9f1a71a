//! Dexcom glucose: the G6 export of Clarity and the app as it comes, and the two-column form
//! (`timestamp,glucose_value_mg_dl`) into which collections harmonise several makes.
//!
//! The export mixes rows of several kinds, told apart by "Event Type": the wearer's name and birth date,
//! the device, alert settings, and `EGV`, the readings. Columns are found by name, because exports of
//! different years and countries differ in number and order. mmol/L exports are converted (18.016 mg/dL
//! each, the molar mass of glucose over ten).
//!
//! "Low" and "High" (outside 40 to 400 mg/dL) become censored cells, not 39 or 401: a made-up number would
//! pull every mean towards the limit, and dropping the reading would lose the very event a warning is for.

use super::grid::{Reading, regrid};
use super::lines::{Line, Lines, fields};
use super::{MAX_PERSONAL_BYTES, PersonalInfo, Recording, Report, parse_local};
use crate::{Cell, Error, Result, SignalKind};
use std::borrow::Cow;
use zeroize::Zeroize;

/// The sensor measures every five minutes.
pub const STEP_MS: u32 = 300_000;

const MG_DL_PER_MMOL_L: f32 = 18.016;

/// Where the columns are that matter.
struct Header {
    columns: usize,
    timestamp: usize,
    glucose: usize,
    mmol_l: bool,
    /// Only in the full export.
    event: Option<(usize, usize)>,
}

impl Header {
    fn parse(line: Line<'_>) -> Result<Self> {
        let names = fields(line)?;
        let find = |prefix: &str| names.iter().position(|n| n.to_ascii_lowercase().starts_with(prefix));
        let timestamp = find("timestamp").ok_or(Error::Header { missing: "Timestamp" })?;
        let glucose = find("glucose value").or_else(|| find("glucose_value"));
        let glucose = glucose.ok_or(Error::Header { missing: "Glucose Value" })?;
        let event = match (find("event type"), find("patient info")) {
            (Some(event), Some(info)) => Some((event, info)),
            (Some(_), None) => return Err(Error::Header { missing: "Patient Info" }),
            (None, _) if names.len() == 2 => None,
            (None, _) => return Err(Error::Header { missing: "Event Type" }),
        };
        let mmol_l = names[glucose].to_ascii_lowercase().contains("mmol");
        Ok(Self { columns: names.len(), timestamp, glucose, mmol_l, event })
    }

    /// The fields of a row. Fewer than the header's mean a file cut short; empty ones behind are let pass.
    fn row<'a>(&self, line: Line<'a>) -> Result<Vec<Cow<'a, str>>> {
        let row = fields(line)?;
        if row.len() < self.columns || row[self.columns..].iter().any(|f| !f.is_empty()) {
            return Err(Error::ColumnCount { line: line.number, found: row.len(), expected: self.columns });
        }
        Ok(row)
    }

    fn reading(&self, row: &[Cow<'_, str>], line: usize) -> Result<Reading> {
        let at_ms =
            parse_local(&row[self.timestamp]).ok_or(Error::Timestamp { line, column: self.timestamp + 1 })?;
        let text = row[self.glucose].as_ref();
        let cell = if text.eq_ignore_ascii_case("low") {
            Cell::BelowRange
        } else if text.eq_ignore_ascii_case("high") {
            Cell::AboveRange
        } else {
            let unit = if self.mmol_l { "mmol/L" } else { "mg/dL" };
            let factor = if self.mmol_l { MG_DL_PER_MMOL_L } else { 1.0 };
            let value = decimal(text).map(|v| v * factor);
            let value = value.filter(|v| SignalKind::GlucoseMgDl.range().contains(v));
            Cell::Observed(value.ok_or(Error::Reading { line, column: self.glucose + 1, unit })?)
        };
        Ok(Reading { at_ms, cell, line })
    }
}

/// Reads an export or the two-column form.
///
/// # Errors
/// With line and column: not text, a missing column, a row cut short, a bad time or reading, a span longer
/// than [`crate::MAX_CELLS`] five-minute cells (a wrong clock), no reading at all.
pub fn parse(bytes: &[u8]) -> Result<Recording> {
    let mut lines = Lines::new(bytes)?;
    let header = Header::parse(lines.next().ok_or(Error::NoReadings)??)?;
    let mut report = Report::default();
    let mut personal = PersonalInfo::default();
    let mut readings = Vec::new();
    for line in lines {
        let line = line?;
        let row = header.row(line)?;
        match header.event {
            Some((event, info)) if row[event] != "EGV" => {
                if !take_personal(&mut personal, &row[event], &row[info], line.number)? {
                    report.other_rows += 1;
                }
            }
            _ => readings.push(header.reading(&row, line.number)?),
        }
    }
    report.readings = readings.len();
    report.censored = readings.iter().filter(|r| r.cell.value().is_none()).count();
    let series = regrid(SignalKind::GlucoseMgDl, STEP_MS, readings, &mut report)?;
    Ok(Recording { series, personal, report })
}

/// Keeps `value` if `event` names a personal field; says whether it did.
fn take_personal(info: &mut PersonalInfo, event: &str, value: &str, line: usize) -> Result<bool> {
    let field = match event {
        "FirstName" => &mut info.first_name,
        "LastName" => &mut info.last_name,
        "PatientIdentifier" => &mut info.patient_identifier,
        "DateOfBirth" => &mut info.date_of_birth,
        _ => return Ok(false),
    };
    if value.len() > MAX_PERSONAL_BYTES {
        return Err(Error::PersonalTooLong { line, limit: MAX_PERSONAL_BYTES });
    }
    field.zeroize();
    field.push_str(value);
    Ok(true)
}

/// Digits with an optional decimal point: no sign, exponent, "inf" or "nan", which `f32` would accept.
fn decimal(text: &str) -> Option<f32> {
    let plain = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXPORT: &str = "\u{feff}Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,\
Device Info,Source Device ID,Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams)\r\n\
1,,FirstName,,Jane,,,,,\r\n\
2,,LastName,,\"Doe, MD\",,,,,\r\n\
3,,DateOfBirth,,1990-01-01,,,,,\r\n\
4,,Device,,,Dexcom G6 Mobile App,iPhone G6,,,\r\n\
5,,Alert,High,,,iPhone G6,200.0,,\r\n\
6,2020-02-13T17:23:32,EGV,,,,iPhone G6,61.0,,\r\n\
7,2020-02-13 17:28:32,EGV,,,,iPhone G6,Low,,\r\n\
8,2020-02-13T17:30:00,Insulin,Fast-Acting,,,iPhone G6,,2.5,\r\n\
9,2020-02-13T17:38:31,EGV,,,,iPhone G6,High,,\r\n\
10,2020-02-13T17:43:32,EGV,,,,iPhone G6,143,,\r\n";

    #[test]
    fn an_export_as_it_comes() {
        let recording = parse(EXPORT.as_bytes()).unwrap();
        let series = &recording.series;
        use Cell::{AboveRange, BelowRange, Missing, Observed};
        assert_eq!(series.cells(), [Observed(61.0), BelowRange, Missing, AboveRange, Observed(143.0)]);
        assert_eq!(series.start_ms(), parse_local("2020-02-13 17:25:00").unwrap());
        assert_eq!(recording.personal.first_name, "Jane");
        assert_eq!(recording.personal.last_name, "Doe, MD");
        assert_eq!(recording.personal.date_of_birth, "1990-01-01");
        let expected = Report { readings: 4, censored: 2, other_rows: 3, ..Report::default() };
        assert_eq!(recording.report, expected);
        let printed = format!("{recording:?}");
        assert!(!printed.contains("Jane") && !printed.contains("1990"), "{printed}");
    }

    #[test]
    fn the_two_column_form_and_mmol() {
        let text = "timestamp,glucose_value_mg_dl\n2022-04-02 00:03:05,111\n2022-04-02 00:09:39,Low\n";
        let recording = parse(text.as_bytes()).unwrap();
        assert_eq!(recording.series.cells(), [Cell::Observed(111.0), Cell::BelowRange]);
        assert!(recording.personal.is_empty());
        let mmol = EXPORT.replace("(mg/dL)", "(mmol/L)").replace("61.0", "5.5").replace(",143,", ",7.9,");
        assert_eq!(parse(mmol.as_bytes()).unwrap().series.get(0), Some(5.5 * 18.016));
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = |from: &str, to: &str| parse(EXPORT.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(
            error("2020-02-13T17:38:31", "2020-02-13T17:38:31Z"),
            Error::Timestamp { line: 10, column: 2 }
        );
        for bad in ["nan", "inf", "-61", "1e2", "0", "1001", "", "6x", "1.2.3"] {
            let reading = Error::Reading { line: 7, column: 8, unit: "mg/dL" };
            assert_eq!(error("61.0", bad), reading, "{bad:?}");
        }
        assert_eq!(error(",143,,\r\n", ",143"), Error::ColumnCount { line: 11, found: 8, expected: 10 });
        assert_eq!(error(",143,,", ",143,,,surplus").code(), "TSL-TWN-024");
        assert_eq!(error("Glucose Value", "Glucoze"), Error::Header { missing: "Glucose Value" });
        assert_eq!(error("\"Doe, MD\"", "\"Doe"), Error::Quote { line: 3, column: 5 });
        assert_eq!(error("Jane", &"J".repeat(257)).code(), "TSL-TWN-030");
        assert_eq!(error("2020-02-13T17:43:32", "2090-02-13T17:43:32").code(), "TSL-TWN-028");
        assert_eq!(parse(b"").unwrap_err(), Error::NoReadings);
        assert_eq!(parse(b"timestamp,glucose_value_mg_dl\n").unwrap_err(), Error::NoReadings);
        assert_eq!(parse(b"\x7fELF\x02\x01").unwrap_err(), Error::NotText { line: 1, column: 1 });
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let mut behind_a_header = b"timestamp,glucose_value_mg_dl\n".to_vec();
            behind_a_header.extend(&bytes);
            let _ = parse(&behind_a_header);
        }

        /// Near-misses reach deeper than noise: a real export with bytes replaced, removed or the end cut.
        #[test]
        fn a_damaged_export_does_not_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(any::<u8>())), 1..6),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut bytes = EXPORT.as_bytes().to_vec();
            for (at, edit) in edits {
                let at = at.index(bytes.len());
                match edit {
                    Some(byte) => bytes[at] = byte,
                    None => { bytes.remove(at); }
                }
            }
            let _ = parse(&bytes);
            bytes.truncate(keep.index(bytes.len()));
            let _ = parse(&bytes);
        }

        #[test]
        fn plausible_rows_do_not_panic(rows in prop::collection::vec(
            ("(20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9])?)", "([0-9]{1,4}|Low|High|[0-9]\\.[0-9])"), 0..20,
        )) {
            let mut text = String::from("timestamp,glucose_value_mg_dl\n");
            for (time, value) in rows {
                text.push_str(&format!("{time},{value}\n"));
            }
            let _ = parse(text.as_bytes());
        }
    }
}
