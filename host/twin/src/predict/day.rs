//! A series as a matrix: a row for every calendar day, a column for every window of the day.

use crate::Series;

/// Narrowest window: faster signals are averaged into five minutes, 288 columns.
const MIN_WINDOW_MS: u32 = 300_000;
const DAY_MS: i64 = 86_400_000;

fn window_ms(series: &Series) -> i64 {
    i64::from(series.step_ms().max(MIN_WINDOW_MS))
}

/// Windows of a day.
pub(super) fn columns(series: &Series) -> usize {
    (DAY_MS as u64).div_ceil(window_ms(series) as u64) as usize
}

/// Means of the observed cells of each (day, window); `None` where there is none.
pub(super) struct DayMatrix {
    pub(super) columns: usize,
    /// Rows of `columns` cells each.
    pub(super) rows: Vec<Vec<Option<f64>>>,
    window_ms: i64,
    first_day: i64,
}

impl DayMatrix {
    /// Days are local calendar days: the series' clock is local.
    pub(super) fn new(series: &Series) -> Self {
        let (window_ms, columns) = (window_ms(series), columns(series));
        let first_day = series.start_ms().div_euclid(DAY_MS);
        let mut matrix = Self { columns, rows: Vec::new(), window_ms, first_day };
        // Only days with an observation are rows, but rows are addressed by day.
        let mut sums: Vec<Vec<(f64, u32)>> = Vec::new();
        for (index, value) in series.observed() {
            let (row, column) = matrix.place(series, index);
            if sums.len() <= row {
                sums.resize(row + 1, Vec::new());
            }
            if sums[row].is_empty() {
                sums[row] = vec![(0.0, 0); columns];
            }
            let cell = &mut sums[row][column];
            *cell = (cell.0 + f64::from(value), cell.1 + 1);
        }
        let mean = |(sum, n): (f64, u32)| (n > 0).then(|| sum / f64::from(n));
        matrix.rows = sums.into_iter().map(|row| row.into_iter().map(mean).collect()).collect();
        matrix
    }

    /// Row and column of a cell. The row may be past the last or empty: a day without an observation.
    pub(super) fn place(&self, series: &Series, index: usize) -> (usize, usize) {
        let at_ms = series.time_ms(index);
        let row = (at_ms.div_euclid(DAY_MS) - self.first_day) as usize;
        (row, (at_ms.rem_euclid(DAY_MS) / self.window_ms) as usize)
    }

    pub(super) fn get(&self, row: usize, column: usize) -> Option<f64> {
        *self.rows.get(row)?.get(column)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, SignalKind};

    #[test]
    fn rows_are_local_days() {
        let start = crate::ingest::parse_local("2020-02-13 23:50:00").unwrap();
        let cells = [10.0, 11.0, 12.0, 13.0].map(Cell::Observed).to_vec();
        let series = Series::new(SignalKind::GlucoseMgDl, start, 300_000, cells).unwrap();
        let matrix = DayMatrix::new(&series);
        assert_eq!((matrix.rows.len(), matrix.columns), (2, 288));
        assert_eq!(
            (matrix.get(0, 286), matrix.get(0, 287), matrix.get(0, 0)),
            (Some(10.0), Some(11.0), None)
        );
        assert_eq!((matrix.get(1, 0), matrix.get(1, 1)), (Some(12.0), Some(13.0)));
    }

    #[test]
    fn a_fast_signal_is_averaged() {
        let cells =
            (0..2400).map(|i| if i < 1200 { Cell::Observed(1.0 + (i % 2) as f32) } else { Cell::Missing });
        let start = crate::ingest::parse_local("2020-02-13 00:00:00").unwrap();
        let series = Series::new(SignalKind::EdaMicrosiemens, start, 250, cells.collect()).unwrap();
        let matrix = DayMatrix::new(&series);
        assert_eq!(matrix.columns, 288);
        assert_eq!((matrix.get(0, 0), matrix.get(0, 1)), (Some(1.5), None));
    }
}
