//! The interval of a prediction, from the method's own errors on the same series.

use super::Estimate;
use crate::metrics::{gap_cells, random_cells};
use crate::{Filled, Method, Prediction, Result, Series};
use std::collections::BTreeMap;

/// Fewest errors a quantile is taken from.
pub const MIN_RESIDUALS: usize = 20;

/// Share of the observed cells hidden per pass.
const HIDDEN_PERCENT: u32 = 10;
/// Passes over the series, until there are this many errors. Errors of one gap are alike, so few gaps would
/// make the tails look thin.
const PASSES: std::ops::Range<u64> = 0x5eed..0x5eed + 10;
const ENOUGH_RESIDUALS: usize = 4000;
/// Gap lengths that errors are collected for, in cells; a gap belongs to the first that is not shorter. The
/// last is the longest that is bridged: five minutes at 4 Hz.
const GAP_LENGTHS: [usize; 11] = [1, 2, 3, 6, 12, 24, 48, 120, 300, 600, 1200];

/// How cells are hidden to measure a method.
#[derive(Clone, Copy)]
pub(super) enum Hiding {
    /// In gaps as long as the missing ones: the error of interpolation grows with both.
    Gaps,
    /// One at a time: the error of a method across days does not depend on the neighbours.
    Cells,
}

/// Errors (measured - predicted) by (gap length class, distance class), ascending once sorted.
type Residuals = BTreeMap<(usize, usize), Vec<f64>>;

/// Runs `estimate`, then adds intervals from hold-out passes of the same `estimate`.
pub(super) fn with_intervals(
    series: &Series,
    method: Method,
    hiding: Hiding,
    estimate: impl Fn(&Series) -> Vec<Estimate>,
) -> Result<Filled> {
    let estimates = estimate(series);
    let classes = classes(series, hiding);
    let mut residuals = Residuals::new();
    let mut needed: Vec<usize> = estimates.iter().map(|e| classes[e.0].0).collect();
    needed.sort_unstable();
    needed.dedup();
    for length_class in needed {
        let mut found = 0;
        for seed in PASSES {
            let hidden_cells = match hiding {
                Hiding::Gaps => gap_cells(series, GAP_LENGTHS[length_class], HIDDEN_PERCENT, seed),
                Hiding::Cells => random_cells(series, HIDDEN_PERCENT, seed),
            };
            let hidden = series.with_hidden(&hidden_cells);
            let distance = self::classes(&hidden, hiding);
            for (index, value) in estimate(&hidden) {
                if let Some(measured) = series.get(index) {
                    let class = (length_class, distance[index].1);
                    residuals.entry(class).or_default().push(f64::from(measured) - value);
                    found += 1;
                }
            }
            if found >= ENOUGH_RESIDUALS || hidden_cells.is_empty() {
                break;
            }
        }
    }
    let quantiles = quantiles(residuals);

    let range = series.kind().range();
    let span = series.observed().fold((f32::MAX, f32::MIN), |(l, h), (_, v)| (l.min(v), h.max(v)));
    let predictions = estimates.into_iter().map(|(index, value)| {
        let clamp = |v: f64| (v as f32).clamp(*range.start(), *range.end());
        let class = classes[index];
        let (low, high) = match quantiles.get(&class).or_else(|| quantiles.get(&(class.0, WHOLE_LENGTH))) {
            Some((below, above)) => (clamp(value + below), clamp(value + above)),
            None => span,
        };
        let value = clamp(value);
        Prediction { index, value, method, low: low.min(value), high: high.max(value) }
    });
    Filled::new(series.clone(), predictions.collect())
}

/// Stands for every distance of a length class.
const WHOLE_LENGTH: usize = usize::MAX;

/// The 5 % and 95 % quantiles of every class with enough errors, and of every length class as a whole.
fn quantiles(mut residuals: Residuals) -> BTreeMap<(usize, usize), (f64, f64)> {
    let mut whole = Residuals::new();
    for (class, errors) in &residuals {
        whole.entry((class.0, WHOLE_LENGTH)).or_default().extend(errors);
    }
    residuals.extend(whole);
    residuals.retain(|_, errors| errors.len() >= MIN_RESIDUALS);
    residuals
        .into_iter()
        .map(|(class, mut errors)| {
            errors.sort_by(f64::total_cmp);
            // Rank (n + 1) q, outwards: the next error lies inside with at least 90 % even for small n.
            let last = errors.len() - 1;
            let rank = (0.05 * (errors.len() + 1) as f64) as usize;
            let outer = rank.saturating_sub(1);
            (class, (errors[outer], errors[last - outer]))
        })
        .collect()
}

/// For every cell of a gap: the gap's length class, and the class of its distance to the nearer end
/// (1, 2, 3-4, 5-8, ...). Zero elsewhere.
fn classes(series: &Series, hiding: Hiding) -> Vec<(usize, usize)> {
    let mut classes = vec![(0, 0); series.len()];
    if let Hiding::Gaps = hiding {
        for gap in series.gaps() {
            let length_class =
                GAP_LENGTHS.iter().position(|l| *l >= gap.len()).unwrap_or(GAP_LENGTHS.len() - 1);
            for i in gap.clone() {
                let distance = (i + 1 - gap.start).min(gap.end - i);
                classes[i] = (length_class, distance.next_power_of_two().trailing_zeros() as usize);
            }
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use crate::predict::{linear, pchip};
    use crate::{Cell, Method, Series, SignalKind, metrics};

    fn wave(n: usize, missing: fn(usize) -> bool) -> Series {
        let mut rng = crate::rng::Rng::new(3);
        let cells = (0..n).map(|i| {
            let v = 140.0 + 40.0 * (i as f64 / 11.0).sin() + 3.0 * rng.normal();
            if missing(i) { Cell::Missing } else { Cell::Observed(v as f32) }
        });
        Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells.collect()).unwrap()
    }

    #[test]
    fn about_nine_of_ten_measurements_lie_inside() {
        let series = wave(4000, |_| false);
        for gap in [1, 6, 12] {
            let score = metrics::hold_out_gaps(&series, gap, 10, 9, pchip::fill).unwrap();
            assert!((0.83..=0.96).contains(&score.interval_coverage), "gap {gap}: {score:?}");
        }
    }

    #[test]
    fn intervals_widen_inside_a_longer_gap() {
        let series = wave(4000, |i| (1000..1024).contains(&i) || i == 2000);
        let filled = linear::fill(&series).unwrap();
        let width = |i| filled.prediction(i).map(|p| p.high - p.low).unwrap();
        assert!(width(1011) > 2.0 * width(2000), "{} and {}", width(1011), width(2000));
        assert_eq!(filled.predictions()[0].method, Method::Linear);
    }

    #[test]
    fn a_short_series_gets_its_own_span() {
        let cells =
            [100.0, 0.0, 110.0, 90.0].map(|v| if v == 0.0 { Cell::Missing } else { Cell::Observed(v) });
        let series =
            Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells.to_vec()).unwrap();
        let filled = pchip::fill(&series).unwrap();
        let p = filled.prediction(1).unwrap();
        assert_eq!((p.low, p.high), (90.0, 110.0));
    }
}
