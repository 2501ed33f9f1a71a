//! A straight line between the two ends of a gap: the baseline everything else has to beat.

use super::interval::{Hiding, with_intervals};
use super::{Estimate, bridgeable};
use crate::{Filled, Method, Result, Series};

/// Fills the gaps between observed cells, up to [`super::max_bridged_ms`].
///
/// # Errors
/// None for a valid series.
pub fn fill(series: &Series) -> Result<Filled> {
    with_intervals(series, Method::Linear, Hiding::Gaps, estimate)
}

fn estimate(series: &Series) -> Vec<Estimate> {
    let mut estimates = Vec::new();
    for gap in bridgeable(series) {
        let (Some(left), Some(right)) = (series.get(gap.start - 1), series.get(gap.end)) else { continue };
        let (left, right) = (f64::from(left), f64::from(right));
        let width = (gap.len() + 1) as f64;
        estimates.extend(gap.clone().map(|i| {
            let t = (i + 1 - gap.start) as f64 / width;
            (i, left + (right - left) * t)
        }));
    }
    estimates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, SignalKind};

    #[test]
    fn a_line_between_the_ends() {
        let mut cells = vec![Cell::Missing; 7];
        cells[1] = Cell::Observed(100.0);
        cells[5] = Cell::Observed(120.0);
        let series = Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells).unwrap();
        assert_eq!(estimate(&series), [(2, 105.0), (3, 110.0), (4, 115.0)], "and nothing beyond the ends");
    }
}
