//! The mean of all other days at the same time of day: what a method that compares days has to beat.

use super::Estimate;
use super::day::DayMatrix;
use super::interval::{Hiding, with_intervals};
use crate::{Cell, Filled, Method, Result, Series};

/// Fills every missing cell whose time of day was observed on another day.
///
/// # Errors
/// None for a valid series.
pub fn fill(series: &Series) -> Result<Filled> {
    with_intervals(series, Method::TimeOfDayMean, Hiding::Cells, estimate)
}

fn estimate(series: &Series) -> Vec<Estimate> {
    let days = DayMatrix::new(series);
    let mut sums = vec![(0.0, 0u32); days.columns];
    for row in &days.rows {
        for (sum, value) in sums.iter_mut().zip(row) {
            if let Some(value) = value {
                *sum = (sum.0 + value, sum.1 + 1);
            }
        }
    }
    let missing = series.cells().iter().enumerate().filter(|(_, c)| **c == Cell::Missing);
    missing
        .filter_map(|(index, _)| {
            let (row, column) = days.place(series, index);
            // The window of a fast signal may hold other samples of the same day: not evidence of another day.
            let own = days.get(row, column);
            let (sum, n) = sums[column];
            let (sum, n) = (sum - own.unwrap_or(0.0), n - u32::from(own.is_some()));
            (n > 0).then(|| (index, sum / f64::from(n)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignalKind;

    #[test]
    fn other_days_at_the_same_time() {
        let mut cells: Vec<_> =
            (0..3 * 288).map(|i| Cell::Observed(100.0 + (i / 288) as f32 * 10.0)).collect();
        cells[288 + 5] = Cell::Missing;
        cells[7] = Cell::BelowRange;
        for day in 0..3 {
            cells[day * 288 + 9] = Cell::Missing;
        }
        let start = crate::ingest::parse_local("2020-02-13 00:00:00").unwrap();
        let series = Series::new(SignalKind::GlucoseMgDl, start, 300_000, cells).unwrap();
        assert_eq!(estimate(&series), [(288 + 5, 110.0)], "the mean of 100 and 120; column 9 is declined");
    }

    #[test]
    fn the_own_day_is_not_another_day() {
        // One-second steps: the window of cell 1 holds 299 observed cells of the same day.
        let day = 86_400;
        let value = |i: usize| if i < day { 2.0 } else { 8.0 };
        let cells = (0..day + 300).map(|i| if i == 1 { Cell::Missing } else { Cell::Observed(value(i)) });
        let start = crate::ingest::parse_local("2020-02-13 00:00:00").unwrap();
        let series = Series::new(SignalKind::EdaMicrosiemens, start, 1000, cells.collect()).unwrap();
        assert_eq!(estimate(&series), [(1, 8.0)]);
    }
}
