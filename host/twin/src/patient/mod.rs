//! A simulated patient, the built-in input where no export is at hand.
//!
//! Glucose comes from a minimal model with meals, insulin and a dawn effect (`glucose.rs`), seen through a
//! sensor with lag, noise and lost hours; electrodermal activity from a tonic level with skin conductance
//! responses (`eda.rs`). A patient is written as the files its sensors would write, so everything behind it
//! goes through the same parsers as real data. It is physiologically plausible, not a clinical simulator:
//! use it for demonstrations and tests, not to choose a dose or to claim a predictor's accuracy. Its meals
//! are eaten at once and rise faster than most, so it is harder than real data for gaps of hours.

mod eda;
mod glucose;

use crate::ingest::{dexcom, e4, format_local};
use crate::rng::Rng;
use crate::{Error, Result, Series};
use std::fmt::Write;

/// Longest simulation.
pub const MAX_DAYS: u32 = 90;
/// 2024-03-04 00:00:00, a Monday, local.
const START_MS: i64 = 1_709_510_400_000;
/// The sensor's readings fall this long after each whole five minutes.
const SENSOR_PHASE_MS: i64 = 92_000;
const MINUTE_MS: i64 = 60_000;

/// Something eaten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Meal {
    /// Local time of the first bite, ms.
    pub at_ms: i64,
    /// Carbohydrates, g.
    pub carbohydrates_g: f64,
}

/// What the sensors saw of one patient.
#[derive(Clone)]
pub struct Patient {
    seed: u64,
    meals: Vec<Meal>,
    /// Plasma glucose every five minutes, mg/dL.
    plasma_mg_dl: Vec<f64>,
    /// What the glucose sensor reported; `None` while it was lost or warming up.
    sensor_mg_dl: Vec<Option<f64>>,
    eda_microsiemens: Vec<f64>,
}

/// A patient of 14 days; the same seed gives the same patient.
///
/// # Errors
/// None; the signature is that of [`simulate_days`].
pub fn simulate(seed: u64) -> Result<Patient> {
    simulate_days(seed, 14)
}

/// A patient of `days` days with an hour of electrodermal activity on the first afternoon.
///
/// # Errors
/// [`Error::SimulatedDays`] unless 1 to [`MAX_DAYS`].
pub fn simulate_days(seed: u64, days: u32) -> Result<Patient> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Error::SimulatedDays { days, limit: MAX_DAYS });
    }
    let mut rng = Rng::new(seed);
    let meals = glucose::meals(&mut rng, days);
    let plasma_mg_dl = glucose::plasma(&mut rng, days, &meals);
    let sensor_mg_dl = glucose::sensor(&mut rng, &plasma_mg_dl);
    let eda_microsiemens = eda::trace(&mut rng);
    let meals = meals
        .iter()
        .map(|m| Meal { at_ms: START_MS + m.minute as i64 * MINUTE_MS, carbohydrates_g: m.carbohydrates_g })
        .collect();
    let five_minutes = |minutes: &[f64]| minutes.iter().step_by(5).copied().collect();
    Ok(Patient { seed, meals, plasma_mg_dl: five_minutes(&plasma_mg_dl), sensor_mg_dl, eda_microsiemens })
}

impl Patient {
    /// What was eaten, in order.
    #[must_use]
    pub fn meals(&self) -> &[Meal] {
        &self.meals
    }

    /// Plasma glucose every five minutes from the start, mg/dL: the truth behind the sensor.
    #[must_use]
    pub fn plasma_mg_dl(&self) -> &[f64] {
        &self.plasma_mg_dl
    }

    /// The glucose series, through the export and its parser.
    ///
    /// # Errors
    /// None unless the writer and the parser disagree.
    pub fn glucose(&self) -> Result<Series> {
        Ok(dexcom::parse(self.to_dexcom_csv().as_bytes())?.series)
    }

    /// The electrodermal series, through the E4 file and its parser.
    ///
    /// # Errors
    /// None unless the writer and the parser disagree.
    pub fn eda(&self) -> Result<Series> {
        Ok(e4::parse_eda(self.to_e4_csv().as_bytes(), 0)?.series)
    }

    /// The export of a Dexcom G6 as the app writes it, with invented personal fields.
    #[must_use]
    pub fn to_dexcom_csv(&self) -> String {
        let mut rng = Rng::new(self.seed ^ 0xd1e);
        let mut out = String::from(
            "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,\
             Source Device ID,Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),\
             Duration (hh:mm:ss),Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer)\r\n",
        );
        let identifier = format!("SIM-{:04}", self.seed % 10_000);
        let preamble = [
            ("FirstName", "", "Simulated", "", ""),
            ("LastName", "", "Patient", "", ""),
            ("PatientIdentifier", "", &identifier, "", ""),
            ("DateOfBirth", "", "1970-01-01", "", ""),
            ("Device", "", "", "Dexcom G6 Mobile App", ""),
            ("Alert", "High", "", "", "200.0"),
            ("Alert", "Low", "", "", "70.0"),
            ("Alert", "Urgent Low", "", "", "55.0"),
        ];
        let mut index = 0;
        for (event, subtype, person, device, value) in preamble {
            index += 1;
            // Writing to a string cannot fail.
            let _ = write!(out, "{index},,{event},{subtype},{person},{device},Simulator,{value},,,,,\r\n");
        }
        for (i, value) in self.sensor_mg_dl.iter().enumerate() {
            let Some(value) = value.map(f64::round) else { continue };
            index += 1;
            let jitter_ms = (rng.below(3) as i64 - 1) * 1000;
            let since_start_ms = i as i64 * 5 * MINUTE_MS + SENSOR_PHASE_MS + jitter_ms;
            let time = format_local(START_MS + since_start_ms);
            let value = match value {
                v if v < 40.0 => "Low".to_owned(),
                v if v > 400.0 => "High".to_owned(),
                v => format!("{v:.1}"),
            };
            let transmitter = since_start_ms as f64 / 1000.0;
            let _ = write!(out, "{index},{time},EGV,,,,Simulator,{value},,,,,{transmitter:.1}\r\n");
        }
        out
    }

    /// The `EDA.csv` of an Empatica E4, 4 Hz.
    #[must_use]
    pub fn to_e4_csv(&self) -> String {
        let start_s = (START_MS + 14 * 60 * MINUTE_MS) / 1000;
        // The device's first value is an exact 0.
        let mut out = format!("{start_s}.000000\r\n4.000000\r\n0.000000\r\n");
        for value in &self.eda_microsiemens {
            let _ = write!(out, "{value:.6}\r\n");
        }
        out
    }
}

impl std::fmt::Debug for Patient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patient").field("seed", &self.seed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: std::ops::Range<u64> = 0..12;

    #[test]
    fn the_seed_decides() {
        let csv = |seed| simulate(seed).unwrap().to_dexcom_csv();
        assert_eq!(csv(7), csv(7));
        assert_ne!(csv(7), csv(8));
        for days in [0, MAX_DAYS + 1] {
            assert_eq!(simulate_days(1, days).unwrap_err(), Error::SimulatedDays { days, limit: MAX_DAYS });
        }
        assert!(simulate_days(1, 1).unwrap().glucose().unwrap().len() > 200);
    }

    #[test]
    fn glucose_is_that_of_impaired_tolerance() {
        for seed in SEEDS {
            let patient = simulate(seed).unwrap();
            let series = patient.glucose().unwrap();
            let values: Vec<f64> = series.observed().map(|(_, v)| v.into()).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            let in_range = values.iter().filter(|v| (70.0..=180.0).contains(*v)).count() as f64 / n;
            let lost = 1.0 - n / f64::from(14 * 288);
            println!("seed {seed}: mean {mean:.0} sd {sd:.0} in range {in_range:.2} lost {lost:.3}");
            assert!((110.0..=160.0).contains(&mean), "seed {seed}: mean {mean}");
            assert!((0.12..0.36).contains(&(sd / mean)), "seed {seed}: variation {}", sd / mean);
            assert!((0.70..0.995).contains(&in_range), "seed {seed}: in range {in_range}");
            assert!(values.iter().all(|v| (40.0..=400.0).contains(v)));
            assert!((0.05..=0.15).contains(&lost), "seed {seed}: lost {lost}");
        }
    }

    #[test]
    fn glucose_rises_after_meals_and_before_dawn() {
        for seed in SEEDS {
            let patient = simulate(seed).unwrap();
            let at = |ms: i64| patient.plasma_mg_dl.get(((ms - START_MS) / (5 * MINUTE_MS)) as usize);
            let rises: Vec<f64> = patient
                .meals()
                .iter()
                .filter(|m| m.carbohydrates_g > 40.0)
                .filter_map(|m| Some(at(m.at_ms + 60 * MINUTE_MS)? - at(m.at_ms)?))
                .collect();
            assert!(rises.len() > 20);
            let mean = rises.iter().sum::<f64>() / rises.len() as f64;
            println!("seed {seed}: {mean:.0} mg/dL an hour after a meal");
            assert!((20.0..100.0).contains(&mean), "seed {seed}: {mean} mg/dL after an hour");
            assert!(rises.iter().filter(|r| **r > 0.0).count() * 10 > rises.len() * 9);
            let hour = |h: usize| (1..14).map(|d| patient.plasma_mg_dl[d * 288 + h * 12]).sum::<f64>() / 13.0;
            let dawn = hour(6) - hour(3);
            assert!((2.0..30.0).contains(&dawn), "seed {seed}: dawn {dawn}");
        }
    }

    #[test]
    fn neighbours_are_alike() {
        let series = simulate(7).unwrap().glucose().unwrap();
        let mean = series.observed().map(|(_, v)| f64::from(v)).sum::<f64>() / series.observed_count() as f64;
        let lag = |k: usize| {
            let pairs: Vec<_> = series
                .observed()
                .filter_map(|(i, v)| Some((f64::from(v) - mean, f64::from(series.get(i + k)?) - mean)))
                .collect();
            let n: f64 = pairs.iter().map(|(a, b)| a * b).sum();
            n / pairs.iter().map(|(a, b)| (a * a + b * b) / 2.0).sum::<f64>()
        };
        assert!(lag(1) > 0.97 && lag(12) > 0.4 && lag(12) < lag(1), "{} {}", lag(1), lag(12));
    }

    #[test]
    fn the_file_names_nobody_real_and_nobody_in_the_series() {
        let recording = dexcom::parse(simulate(3).unwrap().to_dexcom_csv().as_bytes()).unwrap();
        assert_eq!(recording.personal.last_name, "Patient");
        assert_eq!(recording.personal.patient_identifier, "SIM-0003");
        assert_eq!(recording.report.dropped + recording.report.out_of_order, 0);
        assert_eq!(recording.series.start_ms() % 300_000, 0);
        assert_eq!(recording.series.subject(), None);
    }

    #[test]
    fn eda_is_tonic_with_responses() {
        for seed in SEEDS {
            let series = simulate(seed).unwrap().eda().unwrap();
            let values: Vec<f64> = series.observed().map(|(_, v)| v.into()).collect();
            assert_eq!((series.len(), values.len(), series.step_ms()), (14_401, 14_400, 250));
            assert!(
                values.iter().all(|v| (1.0..25.0).contains(v)),
                "seed {seed}: responses rise from the tonic level"
            );
            // A response: a rise of 0.05 uS within two seconds, after three seconds without one.
            let mut responses = 0;
            let mut quiet = 0;
            for pair in values.windows(9).map(|w| w[8] - w[0]) {
                if pair > 0.05 && quiet >= 12 {
                    responses += 1;
                }
                quiet = if pair > 0.05 { 0 } else { quiet + 1 };
            }
            assert!((60..720).contains(&responses), "seed {seed}: {responses} responses in an hour");
        }
    }
}
