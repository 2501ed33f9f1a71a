//! Timestamped readings to a regular grid.
//!
//! Grid instants are whole multiples of the step on the local clock, so that five-minute cells start at
//! midnight and fall into the same 288 columns every day. A reading goes to the nearest instant. A sensor
//! whose phase lies halfway between two instants would, with a second of jitter, put two readings into one
//! cell and none into the next; so a reading whose cell is taken may move on by one, as long as it stays
//! within three quarters of a step of its instant. Of readings that then still share a cell the nearest to
//! its instant stays; of equally near ones the later line.

use super::Report;
use crate::{Cell, Error, MAX_CELLS, Result, Series, SignalKind};

#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) at_ms: i64,
    pub(super) cell: Cell,
    pub(super) line: usize,
}

/// Sorts and places `readings`; `report` gains what was dropped or out of order.
pub(super) fn regrid(
    kind: SignalKind,
    step_ms: u32,
    mut readings: Vec<Reading>,
    report: &mut Report,
) -> Result<Series> {
    let step = i64::from(step_ms);
    report.out_of_order += readings.windows(2).filter(|w| w[1].at_ms < w[0].at_ms).count();
    readings.sort_by_key(|r| r.at_ms);
    let (first, last) = match (readings.first(), readings.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => return Err(Error::NoReadings),
    };
    let nearest = |at_ms: i64| (at_ms + step / 2).div_euclid(step);
    let origin = nearest(first.at_ms);
    // One more than the last instant, for a reading that moved on.
    let cells = (nearest(last.at_ms) - origin + 2) as u64;
    if cells > MAX_CELLS as u64 {
        return Err(Error::SpanTooLong { cells, limit: MAX_CELLS, line: last.line });
    }

    let mut grid = vec![Cell::Missing; cells as usize];
    let mut previous: Option<(usize, i64)> = None;
    for reading in readings {
        let off = |index: usize| ((origin + index as i64) * step - reading.at_ms).abs();
        let mut index = (nearest(reading.at_ms) - origin) as usize;
        if let Some((taken, at_ms)) = previous {
            let apart = reading.at_ms - at_ms >= step / 2;
            if index <= taken && apart && off(taken + 1) <= step * 3 / 4 {
                index = taken + 1;
            } else if index <= taken {
                report.dropped += 1;
                let held = ((origin + taken as i64) * step - at_ms).abs();
                if index < taken || off(taken) > held {
                    continue;
                }
            }
        }
        grid[index] = reading.cell;
        previous = Some((index, reading.at_ms));
    }
    let used = previous.map_or(0, |(index, _)| index + 1);
    grid.truncate(used);
    Series::new(kind, origin * step, step_ms, grid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEP: u32 = 300_000;
    const NINE: i64 = 1_582_189_200_000; // 2020-02-20 09:00:00
    const MINUTE: i64 = 60_000;

    fn place(readings: &[(i64, f32)]) -> (Series, Report) {
        let readings = readings.iter().enumerate();
        let readings = readings
            .map(|(line, &(at_ms, v))| Reading { at_ms: NINE + at_ms, cell: Cell::Observed(v), line })
            .collect();
        let mut report = Report::default();
        (regrid(SignalKind::GlucoseMgDl, STEP, readings, &mut report).unwrap(), report)
    }

    fn values(series: &Series) -> Vec<Option<f32>> {
        series.cells().iter().map(|c| c.value()).collect()
    }

    #[test]
    fn readings_fall_on_whole_five_minutes() {
        let (series, report) = place(&[(2 * MINUTE, 100.0), (7 * MINUTE, 101.0), (17 * MINUTE, 103.0)]);
        assert_eq!(series.start_ms(), NINE);
        assert_eq!(values(&series), [Some(100.0), Some(101.0), None, Some(103.0)]);
        assert_eq!(report, Report::default());
    }

    #[test]
    fn jitter_around_the_halfway_phase_loses_nothing() {
        let jitter = [0, 900, -1100, 1200, -800, 0, 1500, -1500, 300];
        let readings: Vec<_> = jitter
            .iter()
            .enumerate()
            .map(|(i, j)| (i as i64 * 300_000 + 150_000 + j, 100.0 + i as f32))
            .collect();
        let (series, report) = place(&readings);
        assert_eq!(values(&series).len(), 9);
        assert!(values(&series).iter().all(Option::is_some));
        assert_eq!(report.dropped, 0);
    }

    #[test]
    fn order_and_duplicates() {
        let (sorted, _) = place(&[(0, 100.0), (5 * MINUTE, 101.0), (10 * MINUTE, 102.0)]);
        let (series, report) = place(&[(10 * MINUTE, 102.0), (0, 100.0), (5 * MINUTE, 101.0)]);
        assert_eq!(series, sorted);
        assert_eq!((report.out_of_order, report.dropped), (1, 0));
        let (series, report) = place(&[(0, 100.0), (0, 104.0), (5 * MINUTE, 101.0)]);
        assert_eq!(values(&series), [Some(104.0), Some(101.0)], "the later line of the same instant");
        assert_eq!(report.dropped, 1);
        let (series, _) = place(&[(-50_000, 90.0), (10_000, 100.0), (60_000, 110.0)]);
        assert_eq!(values(&series), [Some(100.0)], "the nearest to the instant");
    }

    #[test]
    fn a_wrong_clock_does_not_allocate() {
        let far = |at_ms, line| Reading { at_ms, cell: Cell::Observed(100.0), line };
        let readings = vec![far(946_684_800_000, 3), far(4_102_444_799_000, 2)];
        let error = regrid(SignalKind::GlucoseMgDl, STEP, readings, &mut Report::default()).unwrap_err();
        assert!(matches!(error, Error::SpanTooLong { line: 2, .. }), "{error}");
    }

    proptest! {
        #[test]
        fn every_reading_is_placed_near_or_counted(times in prop::collection::vec(0i64..40_000_000, 1..80)) {
            let readings: Vec<_> = times.iter().enumerate().map(|(i, &t)| (t, 40.0 + i as f32)).collect();
            let (series, report) = place(&readings);
            prop_assert_eq!(series.observed_count() + report.dropped, times.len());
            for (index, value) in series.observed() {
                let at = NINE + times[(value - 40.0) as usize];
                prop_assert!((series.time_ms(index) - at).abs() <= i64::from(STEP) * 3 / 4);
            }
        }
    }
}
