//! One signal of one person on a regular grid, and its canonical bytes.

use crate::bytes::Cursor;
use crate::{Error, Result};
use std::fmt;

/// Most cells a series may hold: 72 hours at 4 Hz, or ten years at five minutes.
pub const MAX_CELLS: usize = 1 << 20;
/// Longest pseudonym.
pub const MAX_SUBJECT_BYTES: usize = 64;

const MAGIC: [u8; 4] = *b"TSLS";
const VERSION: u8 = 1;
const DAY_MS: u32 = 86_400_000;
/// 2000-01-01 and 2100-01-01: a recording outside them is a wrong clock.
pub(crate) const START_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// What is measured, and in which unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SignalKind {
    /// Interstitial glucose in mg/dL, 1 to 1000.
    GlucoseMgDl = 1,
    /// Electrodermal activity (skin conductance) in microsiemens, 0 to 100.
    EdaMicrosiemens = 2,
}

impl SignalKind {
    /// The values the signal can take. Wider than any sensor's own range, narrow enough to notice a
    /// wrong unit.
    #[must_use]
    pub fn range(self) -> std::ops::RangeInclusive<f32> {
        match self {
            Self::GlucoseMgDl => 1.0..=1000.0,
            Self::EdaMicrosiemens => 0.0..=100.0,
        }
    }

    /// The unit as it is printed.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::GlucoseMgDl => "mg/dL",
            Self::EdaMicrosiemens => "uS",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::GlucoseMgDl, Self::EdaMicrosiemens].into_iter().find(|k| *k as u8 == byte)
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GlucoseMgDl => "glucose (mg/dL)",
            Self::EdaMicrosiemens => "electrodermal activity (uS)",
        })
    }
}

/// One cell of the grid.
///
/// A cell without a number is a variant of its own, so no arithmetic can mistake it for a value. A sensor
/// that says "Low" or "High" did measure: the cell is censored, which a predictor treats as missing and
/// a warning does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// Nothing was measured.
    Missing,
    /// A measured value in the unit of the series.
    Observed(f32),
    /// Measured, and below what the sensor reports (Dexcom "Low": under 40 mg/dL).
    BelowRange,
    /// Measured, and above what the sensor reports (Dexcom "High": over 400 mg/dL).
    AboveRange,
}

impl Cell {
    /// The number, where there is one.
    #[must_use]
    pub fn value(self) -> Option<f32> {
        match self {
            Self::Observed(v) => Some(v),
            _ => None,
        }
    }

    /// The two bits of the mask in the encoding.
    fn state(self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Observed(_) => 1,
            Self::BelowRange => 2,
            Self::AboveRange => 3,
        }
    }
}

/// One signal of one person on a regular grid; always valid, never changed in place.
///
/// `start_ms` counts milliseconds from 1970-01-01T00:00:00 **in the wearer's local time without a zone**
/// (what Dexcom exports, and what a time of day needs). It is not comparable across time zones, and a
/// change to or from summer time shows as a gap or an overlap of one hour.
#[derive(Clone, PartialEq)]
pub struct Series {
    subject: Option<String>,
    kind: SignalKind,
    start_ms: i64,
    step_ms: u32,
    cells: Vec<Cell>,
}

impl Series {
    /// A series whose first cell is at `start_ms` (local, see [`Series`]) and whose next ones follow every
    /// `step_ms`.
    ///
    /// # Errors
    /// An empty or too long grid, a step over a day, a start outside 2000 to 2099, or a value that is not
    /// finite or outside [`SignalKind::range`].
    pub fn new(kind: SignalKind, start_ms: i64, step_ms: u32, mut cells: Vec<Cell>) -> Result<Self> {
        if cells.is_empty() {
            return Err(Error::EmptySeries);
        }
        if cells.len() > MAX_CELLS {
            return Err(Error::TooManyCells { cells: cells.len() as u64, limit: MAX_CELLS });
        }
        if !(1..=DAY_MS).contains(&step_ms) {
            return Err(Error::BadStep { step_ms });
        }
        if !START_MS.contains(&start_ms) {
            return Err(Error::BadStart);
        }
        for (index, cell) in cells.iter_mut().enumerate() {
            if let Cell::Observed(v) = cell {
                // NaN and the infinities are in no range; -0.0 becomes 0.0, so equal series have equal bytes.
                if !kind.range().contains(v) {
                    return Err(Error::ValueOutOfRange { index, kind });
                }
                *v += 0.0;
            }
        }
        Ok(Self { subject: None, kind, start_ms, step_ms, cells })
    }

    /// The same series under a pseudonym. Never a name: the series and the personal fields are sealed in
    /// different sections.
    ///
    /// # Errors
    /// [`Error::BadSubject`] unless 1 to [`MAX_SUBJECT_BYTES`] visible ASCII characters.
    pub fn with_subject(mut self, pseudonym: &str) -> Result<Self> {
        if !is_pseudonym(pseudonym.as_bytes()) {
            return Err(Error::BadSubject);
        }
        self.subject = Some(pseudonym.to_owned());
        Ok(self)
    }

    /// The same grid with some observed cells hidden, as a predictor is measured. Cells that are not
    /// observed stay as they are; indices past the end are ignored.
    #[must_use]
    pub fn with_hidden(&self, indices: &[usize]) -> Self {
        let mut hidden = self.clone();
        for &i in indices {
            if let Some(cell @ Cell::Observed(_)) = hidden.cells.get_mut(i) {
                *cell = Cell::Missing;
            }
        }
        hidden
    }

    /// The pseudonym, if one was given.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// What is measured.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    /// Local time of the first cell, ms.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Time between cells, ms.
    #[must_use]
    pub fn step_ms(&self) -> u32 {
        self.step_ms
    }

    /// Local time of cell `index`, ms.
    #[must_use]
    pub fn time_ms(&self, index: usize) -> i64 {
        self.start_ms.saturating_add((index as i64).saturating_mul(i64::from(self.step_ms)))
    }

    /// The cells, one per step.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Number of cells; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a series is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// The observed value of a cell; `None` where it is missing, censored or past the end.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<f32> {
        self.cells.get(index).and_then(|c| c.value())
    }

    /// The mask: true where a value was observed.
    #[must_use]
    pub fn mask(&self) -> Vec<bool> {
        self.cells.iter().map(|c| c.value().is_some()).collect()
    }

    /// Observed cells as (index, value).
    pub fn observed(&self) -> impl DoubleEndedIterator<Item = (usize, f32)> + '_ {
        self.cells.iter().enumerate().filter_map(|(i, c)| Some((i, c.value()?)))
    }

    /// Number of observed cells.
    #[must_use]
    pub fn observed_count(&self) -> usize {
        self.observed().count()
    }

    /// Runs of cells without a value (missing or censored), as index ranges in order.
    #[must_use]
    pub fn gaps(&self) -> Vec<std::ops::Range<usize>> {
        let mut gaps = Vec::new();
        let mut next = 0;
        for (i, _) in self.observed() {
            if i > next {
                gaps.push(next..i);
            }
            next = i + 1;
        }
        if next < self.len() {
            gaps.push(next..self.len());
        }
        gaps
    }

    /// The canonical bytes: equal series, equal bytes. All integers little-endian.
    ///
    /// ```text
    /// "TSLS" | version u8 = 1 | kind u8 | subject length u8, subject | start_ms i64 | step_ms u32 | cells u32
    /// | mask: two bits a cell, low bits first: 0 missing, 1 observed, 2 below range, 3 above range; padded with 0
    /// | the observed values, f32, in order
    /// ```
    ///
    /// A cell that is not observed has no bytes, so nothing can hide in it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let subject = self.subject.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(24 + subject.len() + self.len() / 4 + 4 * self.len());
        out.extend(MAGIC);
        out.extend([VERSION, self.kind as u8, subject.len() as u8]);
        out.extend(subject.as_bytes());
        out.extend(self.start_ms.to_le_bytes());
        out.extend(self.step_ms.to_le_bytes());
        out.extend((self.len() as u32).to_le_bytes());
        for four in self.cells.chunks(4) {
            out.push(four.iter().rev().fold(0, |byte, cell| byte << 2 | cell.state()));
        }
        for (_, value) in self.observed() {
            out.extend(value.to_le_bytes());
        }
        out
    }

    /// Reads [`Series::to_bytes`], strictly: what it accepts encodes to the same bytes again.
    ///
    /// # Errors
    /// [`Error::Encoding`] with the offset, [`Error::UnknownVersion`], or those of [`Series::new`].
    /// Allocates no more than a small multiple of `bytes.len()`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.array()? != MAGIC {
            return Err(Error::Encoding { at: 0, what: "not a series" });
        }
        let version = cursor.u8()?;
        if version != VERSION {
            return Err(Error::UnknownVersion { found: version, known: VERSION });
        }
        let kind = SignalKind::from_byte(cursor.u8()?)
            .ok_or(Error::Encoding { at: 5, what: "an unknown kind of signal" })?;
        let subject_len = cursor.u8()?;
        let subject = cursor.take(subject_len.into())?;
        let subject = match subject_len {
            0 => None,
            _ if is_pseudonym(subject) => Some(String::from_utf8_lossy(subject).into_owned()),
            _ => return Err(Error::BadSubject),
        };
        let start_ms = i64::from_le_bytes(cursor.array()?);
        let step_ms = cursor.u32()?;
        let len = cursor.u32()? as usize;
        if len > MAX_CELLS {
            return Err(Error::TooManyCells { cells: len as u64, limit: MAX_CELLS });
        }
        let mask_at = cursor.at();
        let mask = cursor.take(len.div_ceil(4))?;
        let mut cells = Vec::with_capacity(len);
        for i in 0..len {
            cells.push(match mask[i / 4] >> (2 * (i % 4)) & 3 {
                0 => Cell::Missing,
                1 => {
                    let at = cursor.at();
                    let value = f32::from_le_bytes(cursor.array()?);
                    if value.to_bits() == (-0.0f32).to_bits() {
                        return Err(Error::Encoding { at, what: "a negative zero" });
                    }
                    Cell::Observed(value)
                }
                2 => Cell::BelowRange,
                _ => Cell::AboveRange,
            });
        }
        if !len.is_multiple_of(4) && mask[len / 4] >> (2 * (len % 4)) != 0 {
            return Err(Error::Encoding { at: mask_at + len / 4, what: "the mask's padding is not zero" });
        }
        cursor.finish()?;
        let mut series = Self::new(kind, start_ms, step_ms, cells)?;
        series.subject = subject;
        Ok(series)
    }
}

/// The values are health data: a debug print says how many there are, not what they are.
impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series")
            .field("kind", &self.kind)
            .field("start_ms", &self.start_ms)
            .field("step_ms", &self.step_ms)
            .field("cells", &self.len())
            .field("observed", &self.observed_count())
            .finish_non_exhaustive()
    }
}

fn is_pseudonym(bytes: &[u8]) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: i64 = 1_600_000_000_000;

    fn glucose(cells: Vec<Cell>) -> Result<Series> {
        Series::new(SignalKind::GlucoseMgDl, START, 300_000, cells)
    }

    #[test]
    fn the_encoding_is_fixed() {
        use Cell::{AboveRange, BelowRange, Missing, Observed};
        let series = glucose(vec![Observed(100.0), Missing, BelowRange, AboveRange, Observed(1.0)])
            .unwrap()
            .with_subject("p-1")
            .unwrap();
        let mut expected = b"TSLS\x01\x01\x03p-1".to_vec();
        expected.extend(1_600_000_000_000i64.to_le_bytes());
        expected.extend([0xe0, 0x93, 0x04, 0]);
        expected.extend([5, 0, 0, 0]);
        expected.extend([0b11_10_00_01, 0b01]);
        expected.extend([0, 0, 0xc8, 0x42, 0, 0, 0x80, 0x3f]);
        assert_eq!(series.to_bytes(), expected);
        assert_eq!(Series::from_bytes(&expected), Ok(series));
    }

    #[test]
    fn nothing_that_is_not_a_number_gets_in() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -5.0, 1000.5] {
            let error = glucose(vec![Cell::Missing, Cell::Observed(bad)]).unwrap_err();
            assert_eq!(error, Error::ValueOutOfRange { index: 1, kind: SignalKind::GlucoseMgDl });
        }
        assert_eq!(glucose(vec![]), Err(Error::EmptySeries));
        let too_many = vec![Cell::Missing; MAX_CELLS + 1];
        assert_eq!(glucose(too_many).unwrap_err().code(), "TSL-TWN-002");
        let one = || vec![Cell::Missing];
        for step in [0, DAY_MS + 1] {
            let error = Series::new(SignalKind::GlucoseMgDl, START, step, one()).unwrap_err();
            assert_eq!(error, Error::BadStep { step_ms: step });
        }
        for start in [i64::MIN, 0, START_MS.end, i64::MAX] {
            let error = Series::new(SignalKind::GlucoseMgDl, start, 1, one()).unwrap_err();
            assert_eq!(error, Error::BadStart);
        }
        for name in ["", "Jane Doe", "é", &"x".repeat(65)] {
            assert_eq!(glucose(one()).unwrap().with_subject(name), Err(Error::BadSubject));
        }
    }

    #[test]
    fn a_second_encoding_of_the_same_series_is_refused() {
        let eda = |v| Series::new(SignalKind::EdaMicrosiemens, START, 250, vec![Cell::Observed(v)]);
        assert_eq!(eda(-0.0).unwrap().to_bytes(), eda(0.0).unwrap().to_bytes());
        let good = eda(0.0).unwrap().to_bytes();
        let refused = |edit: fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            edit(&mut bytes);
            Series::from_bytes(&bytes).unwrap_err().code()
        };
        assert_eq!(refused(|b| b.push(0)), "TSL-TWN-007");
        assert_eq!(refused(|b| b[23] |= 0b100), "TSL-TWN-007", "mask padding");
        assert_eq!(refused(|b| b[27] = 0x80), "TSL-TWN-007", "negative zero");
        assert_eq!(refused(|b| b[4] = 2), "TSL-TWN-008");
        assert_eq!(refused(|b| b[22] = 0xff), "TSL-TWN-002", "a length that would allocate gigabytes");
        for cut in 0..good.len() {
            assert!(Series::from_bytes(&good[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn gaps_are_the_complement_of_the_mask() {
        use Cell::{BelowRange, Missing, Observed};
        let series =
            glucose(vec![Missing, Observed(90.0), BelowRange, Missing, Observed(91.0), Missing]).unwrap();
        assert_eq!(series.gaps(), [0..1, 2..4, 5..6]);
        assert_eq!(series.with_hidden(&[1, 99]).gaps(), [0..4, 5..6]);
        assert_eq!(series.with_hidden(&[2]).cells()[2], BelowRange, "a censored cell is not hidden");
    }

    #[test]
    fn debug_shows_no_value() {
        let printed =
            format!("{:?}", glucose(vec![Cell::Observed(123.0)]).unwrap().with_subject("p-77").unwrap());
        assert!(!printed.contains("123") && !printed.contains("p-77"), "{printed}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_is_written_is_read(
            cells in prop::collection::vec((0u8..4, 0.0f32..=100.0), 1..200),
            start in START_MS, step in 1..=DAY_MS, subject in "([!-~]{1,64})?",
        ) {
            let cells = cells.into_iter().map(|(state, v)| match state {
                0 => Cell::Missing, 1 => Cell::Observed(v), 2 => Cell::BelowRange, _ => Cell::AboveRange,
            }).collect();
            let mut series = Series::new(SignalKind::EdaMicrosiemens, start, step, cells).unwrap();
            if !subject.is_empty() {
                series = series.with_subject(&subject).unwrap();
            }
            prop_assert_eq!(Series::from_bytes(&series.to_bytes()), Ok(series));
        }

        #[test]
        fn what_is_accepted_is_canonical(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
            let cells = (0..40).map(|i| if i % 3 == 0 { Cell::Missing } else { Cell::Observed(i as f32 + 40.0) });
            let mut bytes = glucose(cells.collect()).unwrap().with_subject("p-1").unwrap().to_bytes();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(series) = Series::from_bytes(&bytes) {
                prop_assert_eq!(series.to_bytes(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Series::from_bytes(&bytes);
        }
    }
}
