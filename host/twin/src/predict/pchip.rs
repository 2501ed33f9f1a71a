//! Piecewise cubic Hermite interpolation that never overshoots: monotone data stay monotone.
//!
//! Slopes are the weighted harmonic mean of F. N. Fritsch and J. Butland, "A method for constructing local
//! monotone piecewise cubic interpolants", SIAM J. Sci. Stat. Comput. 5 (1984), which satisfies the condition
//! of Fritsch and Carlson (1980); the ends use the three-point formula of C. Moler, "Numerical Computing with
//! MATLAB", section 3.4. This is what SciPy's `PchipInterpolator` computes, and the tests hold it to that.

use super::interval::{Hiding, with_intervals};
use super::{Estimate, bridgeable};
use crate::{Filled, Method, Result, Series};

/// Fills the gaps between observed cells, up to [`super::max_bridged_ms`]. The curve is through all
/// observed cells of the series.
///
/// # Errors
/// None for a valid series.
pub fn fill(series: &Series) -> Result<Filled> {
    with_intervals(series, Method::Pchip, Hiding::Gaps, estimate)
}

fn estimate(series: &Series) -> Vec<Estimate> {
    let knots: Vec<(f64, f64)> = series.observed().map(|(i, v)| (i as f64, f64::from(v))).collect();
    if knots.len() < 2 {
        return Vec::new();
    }
    let mut estimates = Vec::new();
    let mut right = 0;
    for gap in bridgeable(series) {
        while knots[right].0 < gap.end as f64 {
            right += 1;
        }
        let (left, slopes) = (right - 1, (slope(&knots, right - 1), slope(&knots, right)));
        let ((x0, y0), (x1, y1)) = (knots[left], knots[right]);
        let h = x1 - x0;
        estimates.extend(gap.map(|i| {
            let t = (i as f64 - x0) / h;
            let s = 1.0 - t;
            let value =
                y0 * (1.0 + 2.0 * t) * s * s + y1 * (3.0 - 2.0 * t) * t * t + slopes.0 * h * t * s * s
                    - slopes.1 * h * t * t * s;
            (i, value)
        }));
    }
    estimates
}

/// The derivative at knot `k`, in value per cell. There are at least two knots.
fn slope(knots: &[(f64, f64)], k: usize) -> f64 {
    let width = |i: usize| knots[i + 1].0 - knots[i].0;
    let secant = |i: usize| (knots[i + 1].1 - knots[i].1) / width(i);
    let last = knots.len() - 1;
    match k {
        _ if last == 1 => secant(0),
        0 => end_slope(width(0), width(1), secant(0), secant(1)),
        _ if k == last => end_slope(width(last - 1), width(last - 2), secant(last - 1), secant(last - 2)),
        _ => {
            let (before, after) = (secant(k - 1), secant(k));
            if before * after <= 0.0 {
                return 0.0;
            }
            let (w1, w2) = (2.0 * width(k) + width(k - 1), width(k) + 2.0 * width(k - 1));
            (w1 + w2) / (w1 / before + w2 / after)
        }
    }
}

/// The derivative at an end, from the two intervals next to it; kept to the sign of the first secant and to
/// three times it.
fn end_slope(h0: f64, h1: f64, s0: f64, s1: f64) -> f64 {
    let d = ((2.0 * h0 + h1) * s0 - h0 * s1) / (h0 + h1);
    if d * s0 <= 0.0 {
        0.0
    } else if s0 * s1 < 0.0 && d.abs() > 3.0 * s0.abs() {
        3.0 * s0
    } else {
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, SignalKind};
    use proptest::prelude::*;

    fn series(knots: &[(usize, f32)], len: usize) -> Series {
        let mut cells = vec![Cell::Missing; len];
        for &(i, v) in knots {
            cells[i] = Cell::Observed(v);
        }
        Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells).unwrap()
    }

    fn values(knots: &[(usize, f32)], len: usize) -> Vec<f64> {
        estimate(&series(knots, len)).into_iter().map(|e| e.1).collect()
    }

    fn close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() < 1e-8, "{got:?} is not {expected:?}");
        }
    }

    /// `PchipInterpolator(x, y)(missing x)` of SciPy 1.17.1.
    #[test]
    fn agrees_with_scipy() {
        let knots = [(0, 100.0), (1, 110.0), (2, 105.0), (5, 180.0), (6, 180.0), (9, 150.0), (10, 90.0)];
        close(&values(&knots, 11), &[124.444444444, 160.555555556, 176.546546547, 166.426426426].map(|v| v));
        close(&values(&[(0, 90.0), (3, 120.0), (4, 100.0)], 5), &[111.111111111, 118.888888889]);
        close(&values(&[(0, 90.0), (4, 120.0)], 5), &[97.5, 105.0, 112.5]);
    }

    #[test]
    fn no_extrapolation_no_bridge_too_long_none_beside_a_censored_cell() {
        assert!(values(&[(3, 100.0)], 9).is_empty());
        assert!(values(&[(3, 100.0), (4, 101.0)], 9).is_empty());
        assert_eq!(values(&[(0, 100.0), (49, 120.0)], 50).len(), 48, "four hours");
        assert!(values(&[(0, 100.0), (50, 120.0)], 51).is_empty());
        let mut cells = series(&[(0, 41.0), (4, 42.0)], 5).cells().to_vec();
        cells[2] = Cell::BelowRange;
        let censored = Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells).unwrap();
        assert!(estimate(&censored).is_empty());
    }

    proptest! {
        #[test]
        fn never_overshoots(steps in prop::collection::vec((1usize..9, 40.0f32..400.0), 2..40)) {
            let mut at = 0;
            let knots: Vec<_> = steps.iter().map(|&(step, v)| { at += step; (at - 1, v) }).collect();
            let series = series(&knots, at);
            for (i, value) in estimate(&series) {
                let right = knots.iter().position(|k| k.0 > i).unwrap();
                let (a, b) = (f64::from(knots[right - 1].1), f64::from(knots[right].1));
                prop_assert!(value >= a.min(b) - 1e-9 && value <= a.max(b) + 1e-9);
            }
            prop_assert!(fill(&series).is_ok());
        }
    }
}
