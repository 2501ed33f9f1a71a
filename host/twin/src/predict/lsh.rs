//! Prediction_LSH of Tang et al. (2025), section IV: similar days, found by locality-sensitive hashing, say
//! what a missing value was.
//!
//! 1. Rows are days, columns windows of the day (five minutes); the matrix is scaled to 0..1 by its own
//!    minimum and maximum.
//! 2. Each table has 25 random vectors with elements uniform in [-1, 1]; bit k of a row's key is 1 where the
//!    dot product with vector k is positive.
//! 3. There are 30 tables; two days are similar if their keys are equal in any of them. A missing value is
//!    predicted from the similar days at that column.
//!
//! **Where the paper is silent**, this is read as follows. A missing cell hashes as the mean of its column over
//! the days that observed it (of the whole matrix, if none did): leaving it out would hash it as the lowest
//! value of the scale, and days would be alike for missing the same hours. The scale is one minimum and one
//! maximum for the whole matrix of one person. The prediction is the plain mean of the observed values of the
//! similar days in that column. If no day is similar, or none of them observed the column, there is no
//! prediction. The day itself is not its own neighbour. 25 and 30 are the paper's "hash function value of 25
//! and a hash table size of 30"; the paper's hourly windows are how it reports, not what it hashes.
//!
//! **What to expect.** The scaled rows are not centred, so the level common to all days dominates every dot
//! product, nearly every day matches every other, and the result is close to [`super::time_of_day_mean`]. It is
//! built as published because it is the reference to compare with.

use super::Estimate;
use super::day::{self, DayMatrix};
use super::interval::{Hiding, with_intervals};
use crate::rng::Rng;
use crate::{Cell, Error, Filled, Method, Result, Series};
use std::collections::HashMap;

/// Most days an index holds: three years.
pub const MAX_DAYS: usize = 1098;

/// The size of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Hash functions of one table: bits of a key, 1 to 64.
    pub hashes: usize,
    /// Tables, 1 to 1024.
    pub tables: usize,
    /// Seed of the random vectors.
    pub seed: u64,
}

impl Default for Parameters {
    /// 25 x 30, as in section V.B.
    fn default() -> Self {
        Self { hashes: 25, tables: 30, seed: 1 }
    }
}

/// Fills with the paper's parameters.
///
/// # Errors
/// [`Error::TooManyDays`].
pub fn fill(series: &Series) -> Result<Filled> {
    fill_with(series, Parameters::default())
}

/// Fills with other parameters.
///
/// # Errors
/// [`Error::LshParameters`] and [`Error::TooManyDays`].
pub fn fill_with(series: &Series, parameters: Parameters) -> Result<Filled> {
    let Parameters { hashes, tables, .. } = parameters;
    if !((1..=64).contains(&hashes) && (1..=1024).contains(&tables)) {
        return Err(Error::LshParameters { hashes, tables });
    }
    let days = (series.len() as u64 * u64::from(series.step_ms())).div_ceil(86_400_000) + 1;
    if days > MAX_DAYS as u64 {
        return Err(Error::TooManyDays { days, limit: MAX_DAYS });
    }
    let projections = Projections::new(parameters, day::columns(series));
    with_intervals(series, Method::Lsh, Hiding::Cells, |series| estimate(series, &projections))
}

/// The random vectors, by table.
struct Projections(Vec<Vec<Vec<f64>>>);

impl Projections {
    fn new(parameters: Parameters, columns: usize) -> Self {
        let mut rng = Rng::new(parameters.seed);
        let mut vector = || (0..columns).map(|_| rng.uniform(-1.0..1.0)).collect();
        let mut table = || (0..parameters.hashes).map(|_| vector()).collect();
        Self((0..parameters.tables).map(|_| table()).collect())
    }
}

fn estimate(series: &Series, projections: &Projections) -> Vec<Estimate> {
    let days = DayMatrix::new(series);
    let similar = similar_rows(&days, projections);
    let missing = series.cells().iter().enumerate().filter(|(_, c)| **c == Cell::Missing);
    missing
        .filter_map(|(index, _)| {
            let (row, column) = days.place(series, index);
            let similar = similar.get(row)?.iter();
            mean(similar.filter_map(|&other| days.get(other, column))).map(|value| (index, value))
        })
        .collect()
}

/// For every row the other rows with an equal key in any table, ascending. The index is of `days.rows` bits
/// squared, which [`MAX_DAYS`] bounds.
fn similar_rows(days: &DayMatrix, projections: &Projections) -> Vec<Vec<usize>> {
    let entries = entries(days);
    let n = entries.len();
    let mut equal = vec![false; n * n];
    for vectors in &projections.0 {
        let mut table: HashMap<u64, Vec<usize>> = HashMap::new();
        for (row, entry) in entries.iter().enumerate() {
            if let Some(entry) = entry {
                table.entry(key(entry, vectors)).or_default().push(row);
            }
        }
        for bucket in table.values() {
            for &row in bucket {
                bucket.iter().for_each(|&other| equal[row * n + other] = other != row);
            }
        }
    }
    (0..n).map(|row| (0..n).filter(|other| equal[row * n + other]).collect()).collect()
}

/// The rows scaled to 0..1 over the whole matrix, missing cells as their column's mean. `None` for a day
/// without any observation.
fn entries(days: &DayMatrix) -> Vec<Option<Vec<f64>>> {
    let values = || days.rows.iter().flatten().flatten().copied();
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
    let overall = mean(values()).unwrap_or_default();
    let rows = 0..days.rows.len();
    let column_mean = |column| mean(rows.clone().filter_map(|row| days.get(row, column))).unwrap_or(overall);
    let column_means: Vec<f64> = (0..days.columns).map(column_mean).collect();
    let entry = |row: &Vec<Option<f64>>| {
        let observed = row.iter().any(Option::is_some);
        let values = row.iter().zip(&column_means).map(|(v, mean)| (v.unwrap_or(*mean) - low) * scale);
        observed.then(|| values.collect())
    };
    days.rows.iter().map(entry).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// The sub-indices of an entry: bit k is set where the dot product with vector k is positive.
fn key(entry: &[f64], vectors: &[Vec<f64>]) -> u64 {
    vectors.iter().enumerate().fold(0, |key, (k, vector)| {
        let dot: f64 = entry.iter().zip(vector).map(|(v, w)| v * w).sum();
        key | u64::from(dot > 0.0) << k
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignalKind;

    /// Days of 288 cells: `value(day, column)`, `None` for missing.
    fn days(n: usize, value: impl Fn(usize, usize) -> Option<f32>) -> Series {
        let start = crate::ingest::parse_local("2020-02-13 00:00:00").unwrap();
        let cells = (0..n * 288).map(|i| value(i / 288, i % 288).map_or(Cell::Missing, Cell::Observed));
        Series::new(SignalKind::GlucoseMgDl, start, 300_000, cells.collect()).unwrap()
    }

    /// Two kinds of day that hash apart: high mornings, high evenings.
    fn two_kinds(day: usize, column: usize) -> f32 {
        let morning = column < 144;
        let high = morning == (day.is_multiple_of(2));
        (if high { 300.0 } else { 60.0 }) + day as f32
    }

    #[test]
    fn the_mean_of_similar_days_only() {
        let series = days(6, |d, c| (!(d == 2 && c == 100)).then(|| two_kinds(d, c)));
        assert_eq!(
            similar_rows(&DayMatrix::new(&series), &Projections::new(Parameters::default(), 288))[2],
            [0, 4]
        );
        let filled = fill(&series).unwrap();
        assert_eq!(filled.predictions().len(), 1);
        assert_eq!(filled.predictions()[0].value, 302.0, "of 300 and 304, not of the odd days' 61, 63, 65");
        assert_eq!(filled.predictions()[0].method, Method::Lsh);
    }

    #[test]
    fn no_similar_day_no_prediction() {
        let series = days(2, |d, c| (c != 100).then(|| two_kinds(d, c)));
        assert!(fill(&series).unwrap().predictions().is_empty());
        let one_day = days(1, |_, c| (c != 100).then_some(100.0 + c as f32));
        assert!(fill(&one_day).unwrap().predictions().is_empty());
    }

    #[test]
    fn bits_are_the_signs_of_dot_products() {
        let vectors = [vec![1.0, -1.0], vec![-1.0, 0.5], vec![0.0, 0.0]];
        assert_eq!(key(&[1.0, 0.25], &vectors), 0b001);
        assert_eq!(key(&[0.25, 1.0], &vectors), 0b010);
        let Projections(tables) = Projections::new(Parameters::default(), 288);
        assert_eq!((tables.len(), tables[29].len(), tables[29][24].len()), (30, 25, 288));
        let elements = || tables.iter().flatten().flatten().copied();
        assert!(elements().all(|w| (-1.0..=1.0).contains(&w)));
        assert!(elements().any(|w| w < -0.99) && elements().any(|w| w > 0.99));
    }

    #[test]
    fn rows_are_scaled_to_the_span_of_the_matrix_and_missing_cells_are_neutral() {
        let value = |d: usize, c: usize| match (d, c) {
            (_, 0) => None,
            (1, 1) => None,
            (1, 287) => Some(300.0),
            (0, 1) => Some(200.0),
            _ => Some(100.0),
        };
        let matrix = DayMatrix::new(&days(2, value));
        let entries: Vec<_> = entries(&matrix).into_iter().flatten().collect();
        assert_eq!((entries[0][1], entries[0][2], entries[1][287]), (0.5, 0.0, 1.0));
        assert_eq!(entries[1][1], 0.5, "the mean of the column");
        let overall = (200.0 + 300.0 + 571.0 * 100.0) / 573.0;
        assert!(
            (entries[0][0] - (overall - 100.0) / 200.0).abs() < 1e-9,
            "of the matrix, where no day has it"
        );
    }

    #[test]
    fn the_index_has_a_limit() {
        let series = days(2, |_, c| (c > 0).then_some(100.0));
        for (hashes, tables) in [(0, 30), (65, 30), (25, 0), (25, 1025)] {
            let refused = fill_with(&series, Parameters { hashes, tables, seed: 1 });
            assert_eq!(refused.unwrap_err(), Error::LshParameters { hashes, tables });
        }
        let cells = vec![Cell::Missing; 1100];
        let long = Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 86_400_000, cells).unwrap();
        assert_eq!(fill(&long).unwrap_err().code(), "TSL-TWN-013");
    }
}
