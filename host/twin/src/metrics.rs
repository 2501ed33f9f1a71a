//! How good a prediction is: hide cells that were observed, predict them, compare.
//!
//! Only observed cells are hidden, so every error is against a measurement. Hiding is seeded; figures are
//! means over several seeds. A method may decline a cell, so a score says how many of the hidden cells it
//! answered, and its errors are over those.

use crate::rng::Rng;
use crate::{Cell, Error, Filled, Series};

/// Errors of a method on hidden cells. Units are those of the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Mean absolute error.
    pub mae: f64,
    /// Root mean square error.
    pub rmse: f64,
    /// Mean absolute percentage error, over hidden values other than 0.
    pub mape_percent: f64,
    /// Share of predicted cells whose measurement lies in the prediction's interval, 0 to 1.
    pub interval_coverage: f64,
    /// Hidden cells the method predicted.
    pub count: usize,
    /// Hidden cells.
    pub hidden: usize,
    /// Of `count`, those whose measurement is not 0.
    nonzero: usize,
}

impl Score {
    /// The hidden `cells` of `truth`, compared with what `filled` says. With nothing to compare the errors
    /// are NaN, not 0: "no answer" must not look like "no error".
    #[must_use]
    pub fn of(truth: &Series, hidden: &[usize], filled: &Filled) -> Self {
        let (mut count, mut nonzero, mut inside) = (0usize, 0usize, 0usize);
        let (mut absolute, mut square, mut relative) = (0.0f64, 0.0f64, 0.0f64);
        for &index in hidden {
            let (Some(measured), Some(p)) = (truth.get(index), filled.prediction(index)) else { continue };
            let error = (f64::from(p.value) - f64::from(measured)).abs();
            count += 1;
            absolute += error;
            square += error * error;
            if measured != 0.0 {
                nonzero += 1;
                relative += error / f64::from(measured).abs();
            }
            inside += usize::from((p.low..=p.high).contains(&measured));
        }
        let n = count as f64;
        Self {
            mae: absolute / n,
            rmse: (square / n).sqrt(),
            mape_percent: 100.0 * relative / nonzero as f64,
            interval_coverage: inside as f64 / n,
            count,
            hidden: hidden.len(),
            nonzero,
        }
    }

    /// Several scores as one over all their cells.
    #[must_use]
    pub fn pool(scores: &[Self]) -> Self {
        let sum = |weight: fn(&Self) -> usize, value: fn(&Self) -> f64| -> f64 {
            scores.iter().filter(|s| weight(s) > 0).map(|s| weight(s) as f64 * value(s)).sum()
        };
        let count: usize = scores.iter().map(|s| s.count).sum();
        let nonzero: usize = scores.iter().map(|s| s.nonzero).sum();
        let n = count as f64;
        Self {
            mae: sum(|s| s.count, |s| s.mae) / n,
            rmse: (sum(|s| s.count, |s| s.rmse * s.rmse) / n).sqrt(),
            mape_percent: sum(|s| s.nonzero, |s| s.mape_percent) / nonzero as f64,
            interval_coverage: sum(|s| s.count, |s| s.interval_coverage) / n,
            count,
            hidden: scores.iter().map(|s| s.hidden).sum(),
            nonzero,
        }
    }
}

/// Hides `percent` of the observed cells at random, fills, and scores.
///
/// # Errors
/// [`Error::NothingToHide`] where the series is too short for a single hidden cell; the filler's own.
pub fn hold_out<E: From<Error>>(
    series: &Series,
    percent: u32,
    seed: u64,
    fill: impl FnOnce(&Series) -> Result<Filled, E>,
) -> Result<Score, E> {
    score(series, random_cells(series, percent, seed), fill)
}

/// Hides gaps of `cells` consecutive observed cells until `percent` of the observed are hidden or no place
/// is left, fills, and scores. An observed cell stays on either side of every gap.
///
/// # Errors
/// As [`hold_out`].
pub fn hold_out_gaps<E: From<Error>>(
    series: &Series,
    cells: usize,
    percent: u32,
    seed: u64,
    fill: impl FnOnce(&Series) -> Result<Filled, E>,
) -> Result<Score, E> {
    score(series, gap_cells(series, cells, percent, seed), fill)
}

fn score<E: From<Error>>(
    series: &Series,
    hidden: Vec<usize>,
    fill: impl FnOnce(&Series) -> Result<Filled, E>,
) -> Result<Score, E> {
    if hidden.is_empty() {
        return Err(Error::NothingToHide.into());
    }
    let filled = fill(&series.with_hidden(&hidden))?;
    Ok(Score::of(series, &hidden, &filled))
}

/// `percent` of the observed cells, in no order.
pub(crate) fn random_cells(series: &Series, percent: u32, seed: u64) -> Vec<usize> {
    let mut cells: Vec<usize> = series.observed().map(|(i, _)| i).collect();
    let keep = share(cells.len(), percent);
    Rng::new(seed).shuffle(&mut cells);
    cells.truncate(keep);
    cells
}

/// Gaps of `length` observed cells with an observed cell on either side, at most `percent` of the observed.
pub(crate) fn gap_cells(series: &Series, length: usize, percent: u32, seed: u64) -> Vec<usize> {
    let cells = series.cells();
    let mut run = 0;
    let mut starts = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        run = if matches!(cell, Cell::Observed(_)) { run + 1 } else { 0 };
        if run >= length + 2 {
            starts.push(i - length);
        }
    }
    Rng::new(seed).shuffle(&mut starts);
    let budget = share(series.observed_count(), percent);
    let mut taken = vec![false; cells.len()];
    let mut hidden = Vec::new();
    for start in starts {
        if hidden.len() + length > budget {
            break;
        }
        if taken[start - 1..=start + length].iter().any(|t| *t) {
            continue;
        }
        taken[start..start + length].fill(true);
        hidden.extend(start..start + length);
    }
    hidden
}

fn share(n: usize, percent: u32) -> usize {
    (n as f64 * f64::from(percent.min(100)) / 100.0).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Prediction, SignalKind};

    fn ramp(n: usize) -> Series {
        let cells = (0..n).map(|i| match i % 50 {
            49 => Cell::Missing,
            48 => Cell::BelowRange,
            _ => Cell::Observed(100.0 + i as f32 / 10.0),
        });
        Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells.collect()).unwrap()
    }

    fn off_by(hidden: &Series, truth: &Series, error: f32, answer: fn(usize) -> bool) -> Filled {
        let predictions = (0..truth.len()).filter(|i| hidden.cells()[*i] == Cell::Missing && answer(*i));
        let predictions = predictions.filter_map(|index| {
            let value = truth.get(index)? + error;
            Some(Prediction { index, value, method: Method::Linear, low: value - 1.0, high: value + 1.0 })
        });
        Filled::new(hidden.clone(), predictions.collect()).unwrap()
    }

    #[test]
    fn scores_are_those_of_the_definition() {
        let truth = ramp(500);
        let fill = |s: &Series| Ok::<_, Error>(off_by(s, &truth, 2.0, |_| true));
        let score = hold_out(&truth, 10, 1, fill).unwrap();
        assert_eq!((score.count, score.hidden), (48, 48));
        assert!((score.mae - 2.0).abs() < 1e-5 && (score.rmse - 2.0).abs() < 1e-5);
        assert!((1.3..2.0).contains(&score.mape_percent), "{score:?}");
        assert_eq!(score.interval_coverage, 0.0);
        let close = hold_out(&truth, 10, 1, |s| Ok::<_, Error>(off_by(s, &truth, 0.5, |_| true))).unwrap();
        assert_eq!(close.interval_coverage, 1.0);

        let pooled = Score::pool(&[score, close]);
        assert!((pooled.mae - 1.25).abs() < 1e-5 && (pooled.rmse - 2.125f64.sqrt()).abs() < 1e-5);
        assert_eq!(pooled.count, 96);
    }

    #[test]
    fn a_declined_cell_is_not_a_zero_error() {
        let truth = ramp(500);
        let half =
            hold_out(&truth, 10, 1, |s| Ok::<_, Error>(off_by(s, &truth, 2.0, |i| i % 2 == 0))).unwrap();
        assert!(half.count < half.hidden && (half.mae - 2.0).abs() < 1e-5);
        let none = hold_out(&truth, 10, 1, |s| Ok::<_, Error>(off_by(s, &truth, 0.0, |_| false))).unwrap();
        assert!(none.mae.is_nan() && none.count == 0);
        assert_eq!(Score::pool(&[half, none]).mae, half.mae);
        assert_eq!(hold_out(&ramp(3), 10, 1, |s| Filled::new(s.clone(), vec![])), Err(Error::NothingToHide));
    }

    #[test]
    fn only_observed_cells_are_hidden() {
        let truth = ramp(2000);
        for seed in 0..5 {
            let random = random_cells(&truth, 10, seed);
            assert_eq!(random.len(), 192);
            let gaps = gap_cells(&truth, 6, 10, seed);
            assert_eq!(gaps.len(), 32 * 6);
            for &i in random.iter().chain(&gaps) {
                assert!(truth.get(i).is_some());
            }
            let holes = truth.with_hidden(&gaps).gaps();
            let made: Vec<_> = holes.iter().filter(|g| truth.get(g.start).is_some()).collect();
            assert!(made.iter().all(|g| g.len() == 6), "gaps do not run together: {made:?}");
        }
        assert_ne!(random_cells(&truth, 10, 1), random_cells(&truth, 10, 2));
        assert!(gap_cells(&truth, 47, 50, 1).is_empty(), "no run is long enough");
    }
}
