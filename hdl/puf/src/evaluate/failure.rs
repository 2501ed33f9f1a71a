//! How often a chip does not find its root again: many virtual chips, each enrolled under one condition and read once under
//! another. The same readings give the counted failures and, through [`super::density`], the computed ones.

use std::ops::Range;

use serde::Serialize;

use super::density::{self, Density};
use super::health;
use super::samples::Samples;
use crate::reading::{Differences, ENROLMENT_SAMPLES, Fault, RECONSTRUCTION_SAMPLES, SoftResponse};
use crate::silicon::{CORNERS, Condition, Foundry};
use crate::{Error, PAIRS, RINGS, polar};

/// Clock of the simulated board.
const CLOCK_HZ: u32 = 12_000_000;
/// Groups the chips are divided into by their spread, see [`KeyFailure::computed`].
const GROUPS: usize = 10;
/// Levels that come out of a reading: -31 to 31.
const READ_LEVELS: usize = 63;

/// Reconstructions under one condition.
#[derive(Clone, Debug, Serialize)]
pub struct KeyFailure {
    /// What was done.
    pub what: String,
    /// The design promises a rate here; not where drift is exaggerated to have failures to count.
    pub promised: bool,
    /// Wrong sign bits at reconstruction, as a share.
    pub sign_bit_error: f64,
    /// Wrong size bits at reconstruction, as a share.
    pub size_bit_error: f64,
    /// Most wrong bits of 512 that any one reconstruction had.
    pub most_wrong_bits: u32,
    /// Probability that a reconstruction fails, computed from the distribution of the levels that were read: the mean
    /// over ten equal groups of chips, from those whose rings differ least to those where they differ most, so that chips
    /// that read worse than the average count with their own errors.
    pub computed: f64,
    /// The same for the worst group.
    pub computed_worst_group: f64,
    /// Reconstructions that were carried out.
    pub reconstructions: u64,
    /// Of these, how many gave another response than the enrolled one.
    pub failures: u64,
    /// With 95 % confidence, the rate of failures is below this by the count alone.
    pub counted_bound: f64,
}

/// What one reconstruction shows.
struct Trial {
    /// How far the rings of the chip are apart; only compared with that of other chips.
    spread: f32,
    levels: [[u16; READ_LEVELS]; 2],
    wrong: [u32; 2],
    failed: bool,
}

impl Trial {
    fn new(enrolled: &Differences, read: &Differences) -> Self {
        let bits = enrolled.soft().bits();
        let soft = read.soft();
        let mut levels = [[0; READ_LEVELS]; 2];
        let mut wrong = [0; 2];
        for (i, (bit, level)) in bits.iter().zip(soft.levels()).enumerate() {
            let towards = if *bit { -level } else { *level };
            let kind = i / PAIRS;
            levels[kind][(towards + 31) as usize] += 1;
            wrong[kind] += u32::from(towards < 0);
        }
        let failed = reconstruct(&soft, &bits) != bits;
        Self { spread: f32::from(enrolled.median()), levels, wrong, failed }
    }
}

fn reconstruct(soft: &SoftResponse, enrolled: &[bool; 2 * PAIRS]) -> [bool; 2 * PAIRS] {
    polar::decode(soft, &polar::syndrome(enrolled))
}

/// Enrols the virtual chips of these numbers at `enrolled`, reads each once at `read`.
pub fn of_virtual_chips(
    foundry: &Foundry,
    seed: u64,
    chips: Range<u64>,
    enrolled: &Condition,
    read: &Condition,
    what: String,
) -> Result<KeyFailure, Error> {
    Ok(summary(trials(foundry, seed, chips, enrolled, read)?, what))
}

/// The corner where chips enrolled at `enrolled` read most bits wrong, and how often they fail there.
pub fn at_worst_corner(
    foundry: &Foundry,
    seed: u64,
    chips: Range<u64>,
    enrolled: &Condition,
) -> Result<(Condition, KeyFailure), Error> {
    let mut worst = (CORNERS[0], Vec::new(), 0);
    for corner in CORNERS {
        let trials = trials(foundry, seed, chips.clone(), enrolled, &corner)?;
        let wrong = trials.iter().map(|t| t.wrong[0] + t.wrong[1]).sum::<u32>();
        if wrong >= worst.2 {
            worst = (corner, trials, wrong);
        }
    }
    let (corner, trials, _) = worst;
    Ok((corner, summary(trials, String::new())))
}

/// On all processors.
fn trials(
    foundry: &Foundry,
    seed: u64,
    chips: Range<u64>,
    enrolled: &Condition,
    read: &Condition,
) -> Result<Vec<Trial>, Error> {
    let one = |number: u64| -> Result<Trial, Error> {
        let chip = foundry.numbered(seed, number);
        let sums = |at, power_up, samples| {
            Differences::read(&mut chip.power_up(at, power_up), CLOCK_HZ, samples)
                .map_err(|fault: Fault| Error::Fault { chip: number, fault })
        };
        let enrolment = sums(enrolled, 0, ENROLMENT_SAMPLES)?;
        let mut trial = Trial::new(&enrolment, &sums(read, 1, RECONSTRUCTION_SAMPLES)?);
        trial.spread = chip.ring_spread() as f32;
        Ok(trial)
    };
    in_parallel(chips, one).into_iter().collect()
}

/// `one` of every number, in their order, on all processors.
pub(super) fn in_parallel<T: Send>(numbers: Range<u64>, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = (numbers.end - numbers.start).div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = numbers
            .clone()
            .step_by(share as usize)
            .map(|first| {
                let one = &one;
                scope.spawn(move || (first..numbers.end.min(first + share)).map(one).collect::<Vec<_>>())
            })
            .collect();
        workers
            .into_iter()
            // A worker that panics is a bug here: let it be seen.
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Enrols every measured chip with its first samples and reads it with those after, in groups. The reason
/// when that cannot be done.
pub fn of_samples(samples: &Samples, what: String) -> Result<KeyFailure, String> {
    let least = ENROLMENT_SAMPLES + RECONSTRUCTION_SAMPLES;
    if samples.rings < RINGS {
        return Err(format!("{} rings, a reading is of {RINGS}", samples.rings));
    }
    if samples.samples < least {
        return Err(format!(
            "{} samples, {ENROLMENT_SAMPLES} to enrol and {RECONSTRUCTION_SAMPLES} to read again are needed",
            samples.samples
        ));
    }
    let mut trials = Vec::new();
    for chip in 0..samples.chips.len() {
        let read = |numbers| {
            health::read(samples, chip, numbers).map_err(|fault| format!("{}: {fault}", samples.names[chip]))
        };
        let enrolled = read(0..ENROLMENT_SAMPLES)?;
        let mean = samples.chips[chip].iter().sum::<f64>() / samples.chips[chip].len() as f64;
        for numbers in health::readings(samples.samples).into_iter().skip(1) {
            let mut trial = Trial::new(&enrolled, &read(numbers)?);
            trial.spread /= mean as f32;
            trials.push(trial);
        }
    }
    Ok(summary(trials, what))
}

fn summary(mut trials: Vec<Trial>, what: String) -> KeyFailure {
    trials.sort_by(|a, b| a.spread.total_cmp(&b.spread));
    let n = trials.len();
    let groups: Vec<&[Trial]> = trials.chunks(n.div_ceil(GROUPS).max(1)).collect();
    let groups = in_parallel(0..groups.len() as u64, |group| {
        let mut densities = [Density::default(), Density::default()];
        for (kind, density) in densities.iter_mut().enumerate() {
            for trial in groups[group as usize] {
                for (at, count) in trial.levels[kind].iter().enumerate() {
                    density.add(at as i8 - 31, f64::from(*count));
                }
            }
            density.normalise();
        }
        density::failure(&densities)
    });
    let failures = trials.iter().filter(|t| t.failed).count() as u64;
    let error = |kind: usize| {
        trials.iter().map(|t| f64::from(t.wrong[kind])).sum::<f64>() / (n.max(1) * PAIRS) as f64
    };
    KeyFailure {
        what,
        promised: true,
        sign_bit_error: error(0),
        size_bit_error: error(1),
        most_wrong_bits: trials.iter().map(|t| t.wrong[0] + t.wrong[1]).max().unwrap_or(0),
        computed: groups.iter().sum::<f64>() / groups.len().max(1) as f64,
        computed_worst_group: groups.iter().copied().fold(0.0, f64::max),
        reconstructions: n as u64,
        failures,
        counted_bound: poisson_bound(failures) / n.max(1) as f64,
    }
}

/// The mean of a Poisson variable that shows `seen` or fewer with probability 5 %.
fn poisson_bound(seen: u64) -> f64 {
    let at_most = |mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=seen {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 10.0 + 4.0 * seen as f64);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if at_most(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_rule_of_three_for_none() {
        assert!((poisson_bound(0) - 2.9957).abs() < 1e-3);
        assert!((poisson_bound(10) - 16.962).abs() < 1e-2);
    }
}
