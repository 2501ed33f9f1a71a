//! What may stand in for a missing value. Every method is a function `fill(&Series) -> Result<Filled>`.
//!
//! A method answers only missing cells: a censored cell was measured, and is not predicted over. A method
//! may decline; a cell without a prediction stays missing.
//!
//! **Intervals.** Each prediction carries a 90 % interval from the series itself: observed cells are hidden
//! the way the missing ones are missing, predicted by the same method, and the 5 % and 95 % quantiles of
//! the errors are added to the prediction. Interpolation hides gaps of about the same length and keeps errors
//! apart by distance to the nearer end; methods across days hide single cells. A series too short for
//! [`MIN_RESIDUALS`] such errors gets the span of its observed values. The interval is as good as the claim
//! that the missing cells are like the observed ones; a sensor that fails at extremes breaks it.
//!
//! **Which one.** On glucose, [`pchip`] is better than [`linear`], and both are far better than
//! [`time_of_day_mean`] and [`lsh`] for gaps up to hours; `examples/compare.rs` prints the figures. [`lsh`] is
//! built as published, for comparison.

mod day;
mod interval;
pub mod linear;
pub mod lsh;
pub mod pchip;
pub mod time_of_day_mean;

pub use interval::MIN_RESIDUALS;

use crate::{Cell, Series, SignalKind};
use std::ops::Range;

/// A prediction before it has an interval.
type Estimate = (usize, f64);

/// Longest gap that is interpolated, ms: the longest at which interpolation was measured to help. Beyond it
/// a line between two far ends says nothing about the signal.
#[must_use]
pub fn max_bridged_ms(kind: SignalKind) -> u64 {
    match kind {
        SignalKind::GlucoseMgDl => 4 * 3_600_000,
        SignalKind::EdaMicrosiemens => 5 * 60_000,
    }
}

/// The runs of missing cells that interpolation may fill: an observed cell at both ends (no extrapolation,
/// and no value is known next to a censored cell), and no longer than [`max_bridged_ms`].
fn bridgeable(series: &Series) -> impl Iterator<Item = Range<usize>> + '_ {
    let longest = max_bridged_ms(series.kind()) / u64::from(series.step_ms());
    let whole = |gap: &Range<usize>| series.cells()[gap.clone()].iter().all(|c| *c == Cell::Missing);
    series.gaps().into_iter().filter(move |gap| {
        gap.start > 0 && gap.end < series.len() && gap.len() as u64 <= longest && whole(gap)
    })
}
