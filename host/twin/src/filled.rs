//! A series with predictions beside it. A prediction never takes a measured value's place.

use crate::{Cell, Error, Result, Series};
use std::fmt;

/// What made a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A straight line between the gap's ends.
    Linear,
    /// Monotone cubic interpolation.
    Pchip,
    /// The mean of the other days at the same time of day.
    TimeOfDayMean,
    /// Prediction_LSH of Tang et al.: the mean of similar days at the same time of day.
    Lsh,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Pchip => "PCHIP",
            Self::TimeOfDayMean => "time-of-day mean",
            Self::Lsh => "Prediction_LSH",
        })
    }
}

/// A value that was not measured, in the unit of the series.
#[derive(Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The cell.
    pub index: usize,
    /// The predicted value.
    pub value: f32,
    /// What made it.
    pub method: Method,
    /// Lower end of the 90 % interval, see [`crate::predict`].
    pub low: f32,
    /// Upper end of the 90 % interval.
    pub high: f32,
}

/// A series, and predictions for some of its missing cells.
#[derive(Clone, PartialEq)]
pub struct Filled {
    series: Series,
    predictions: Vec<Prediction>,
}

impl Filled {
    /// # Errors
    /// [`Error::BadPrediction`] unless the predictions are in ascending order of cell, each for a cell that
    /// is missing (not observed, not censored), each within its interval and the signal's range.
    pub fn new(series: Series, predictions: Vec<Prediction>) -> Result<Self> {
        let mut next = 0;
        for p in &predictions {
            let missing = p.index >= next && series.cells().get(p.index) == Some(&Cell::Missing);
            let range = series.kind().range();
            let inside = [p.low, p.value, p.high].iter().all(|v| range.contains(v));
            if !(missing && inside && p.low <= p.value && p.value <= p.high) {
                return Err(Error::BadPrediction { index: p.index });
            }
            next = p.index + 1;
        }
        Ok(Self { series, predictions })
    }

    /// What was measured, as it was given.
    #[must_use]
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// What was predicted, in order of cell.
    #[must_use]
    pub fn predictions(&self) -> &[Prediction] {
        &self.predictions
    }

    /// The prediction for a cell, if there is one.
    #[must_use]
    pub fn prediction(&self, index: usize) -> Option<&Prediction> {
        let at = self.predictions.binary_search_by_key(&index, |p| p.index).ok()?;
        self.predictions.get(at)
    }
}

/// Health data: a debug print shows no value.
impl fmt::Debug for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prediction({} at cell {})", self.method, self.index)
    }
}

impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filled")
            .field("series", &self.series)
            .field("predictions", &self.predictions.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignalKind;

    #[test]
    fn a_prediction_stands_only_where_nothing_was_measured() {
        let cells = vec![Cell::Observed(100.0), Cell::Missing, Cell::BelowRange, Cell::Missing];
        let series = Series::new(SignalKind::GlucoseMgDl, 1_600_000_000_000, 300_000, cells).unwrap();
        let at = |index| Prediction { index, value: 99.0, method: Method::Linear, low: 90.0, high: 110.0 };
        let refused = |predictions| Filled::new(series.clone(), predictions).is_err();
        let filled = Filled::new(series.clone(), vec![at(1), at(3)]).unwrap();
        assert_eq!(filled.series(), &series);
        assert_eq!(filled.prediction(3), Some(&at(3)));
        assert_eq!(filled.prediction(0), None);
        for index in [0, 2, 4] {
            assert!(refused(vec![at(index)]), "cell {index}");
        }
        assert!(refused(vec![at(3), at(1)]) && refused(vec![at(1), at(1)]), "order");
        assert!(refused(vec![Prediction { value: f32::NAN, ..at(1) }]));
        assert!(refused(vec![Prediction { low: 99.5, ..at(1) }]));
        assert!(refused(vec![Prediction { high: 98.0, ..at(1) }]));
        assert!(refused(vec![Prediction { low: -1.0, ..at(1) }]), "outside what glucose can be");
    }
}
