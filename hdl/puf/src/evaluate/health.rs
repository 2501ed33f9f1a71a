//! Which chips a board would refuse to read: the health tests of a reading, over everything that was measured.

use std::ops::{Range, RangeInclusive};

use serde::Serialize;

use super::samples::Samples;
use crate::reading::{
    Differences, ENROLMENT_SAMPLES, Fault, MAX_COUNT, MIN_COUNT, RECONSTRUCTION_SAMPLES,
    WINDOW_CLOCKS_AT_12_MHZ,
};
use crate::{PAIRS, RINGS};

/// The counting window, seconds.
const WINDOW_SECONDS: f64 = WINDOW_CLOCKS_AT_12_MHZ as f64 / 12e6;
const COUNTS: RangeInclusive<u32> = MIN_COUNT..=MAX_COUNT;

/// What the health tests say of a population.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Chips that were looked at.
    pub chips: usize,
    /// Those that a board would refuse to read.
    pub faulty: Vec<Faulty>,
    /// Why the tests are not complete, if they are not: those that could be made were made.
    pub incomplete: Option<String>,
}

/// A chip that a board would refuse to read.
#[derive(Clone, Debug, Serialize)]
pub struct Faulty {
    /// Its name: that of its file.
    pub chip: String,
    /// What is wrong with it.
    pub fault: String,
    #[serde(skip)]
    pub(super) number: usize,
}

impl Health {
    /// Of some chips: every count, and the median of every reading that the samples make.
    pub fn of(samples: &Samples) -> Self {
        let incomplete = if samples.rings < RINGS {
            Some(format!(
                "a reading is of {RINGS} rings, these chips have {}: only single rings were looked at",
                samples.rings
            ))
        } else if samples.samples < RECONSTRUCTION_SAMPLES {
            Some(format!(
                "a reading is of {RECONSTRUCTION_SAMPLES} samples, these chips have {}: only single rings were looked at",
                samples.samples
            ))
        } else {
            None
        };
        let faulty = (0..samples.chips.len())
            .filter_map(|number| {
                let fault = fault(samples, number, incomplete.is_none())?;
                Some(Faulty { chip: samples.names[number].clone(), fault, number })
            })
            .collect();
        Self { chips: samples.chips.len(), faulty, incomplete }
    }

    /// Leaves the faulty chips out, unless fewer than two would remain.
    pub(super) fn sound_of(&self, samples: Samples) -> Samples {
        if self.sound() < 2 {
            return samples;
        }
        samples.without(&self.faulty.iter().map(|faulty| faulty.number).collect::<Vec<_>>())
    }

    /// Chips without a fault.
    pub fn sound(&self) -> usize {
        self.chips - self.faulty.len()
    }
}

/// What is wrong with a chip.
fn fault(samples: &Samples, chip: usize, readings_too: bool) -> Option<String> {
    for ring in 0..samples.rings {
        for (sample, hertz) in samples.ring(chip, ring).iter().enumerate() {
            if !COUNTS.contains(&count(*hertz)) {
                return Some(format!(
                    "ring {ring}, sample {sample}: {:.3} MHz where a ring runs at {:.0} to {:.0} MHz",
                    hertz / 1e6,
                    f64::from(MIN_COUNT) / WINDOW_SECONDS / 1e6,
                    f64::from(MAX_COUNT) / WINDOW_SECONDS / 1e6
                ));
            }
        }
    }
    if !readings_too {
        return None;
    }
    let faults = readings(samples.samples).into_iter().map(|numbers| read(samples, chip, numbers).err());
    faults.flatten().next().map(|fault| fault.to_string())
}

/// The readings that so many samples make: an enrolment and what can be read after it, or without enough for that as many
/// reconstructions as there are.
pub(super) fn readings(samples: usize) -> Vec<Range<usize>> {
    let enrols = samples >= ENROLMENT_SAMPLES + RECONSTRUCTION_SAMPLES;
    let mut at = if enrols { ENROLMENT_SAMPLES } else { 0 };
    let mut readings: Vec<_> = enrols.then_some(0..ENROLMENT_SAMPLES).into_iter().collect();
    while at + RECONSTRUCTION_SAMPLES <= samples {
        readings.push(at..at + RECONSTRUCTION_SAMPLES);
        at += RECONSTRUCTION_SAMPLES;
    }
    readings
}

/// Reads a measured chip as a board would. It has at least [`RINGS`] rings.
pub(super) fn read(samples: &Samples, chip: usize, numbers: Range<usize>) -> Result<Differences, Fault> {
    let mut sums = Differences::zero();
    for s in numbers {
        for pair in 0..PAIRS {
            let count = |ring| count(samples.ring(chip, ring)[s]);
            sums.add(pair, count(2 * pair), count(2 * pair + 1))?;
        }
    }
    sums.check()?;
    Ok(sums)
}

fn count(hertz: f64) -> u32 {
    (hertz * WINDOW_SECONDS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_make_an_enrolment_and_readings_after_it() {
        assert_eq!(readings(3), []);
        assert_eq!(readings(12), [0..4, 4..8, 8..12]);
        assert_eq!(readings(25), [0..16, 16..20, 20..24]);
    }

    /// A ring that fails only in a sample that no reading takes is still seen; chips without a difference are locked.
    #[test]
    fn faults_are_named() {
        let chip = |hertz: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..RINGS * 21).map(|at| hertz(at / 21, at % 21)).collect()
        };
        let good = |ring: usize, _: usize| 1e8 + 1e5 * (ring % 7) as f64;
        let samples = Samples {
            rings: RINGS,
            samples: 21,
            names: ["a", "b", "c"].map(String::from).into(),
            chips: vec![
                chip(&good),
                chip(&|ring, s| if (ring, s) == (9, 20) { 5e6 } else { good(ring, s) }),
                chip(&|_, _| 1e8),
            ],
        };
        let health = Health::of(&samples);
        assert_eq!((health.sound(), health.faulty.len()), (1, 2));
        assert_eq!((health.faulty[0].chip.as_str(), health.faulty[1].chip.as_str()), ("b", "c"));
        assert!(health.faulty[0].fault.contains("ring 9, sample 20: 5.000 MHz"), "{health:?}");
        assert_eq!(health.faulty[1].fault, Fault::Locked.to_string());
    }
}
