//! Whether the pairs of a chip depend on each other. The root's entropy is a sum over pairs, and that is too much where one
//! pair tells of another: bits made from a short number look as fair and as unique as any.
//!
//! Four measures, each with a limit that independent pairs pass all but never, however biased each of them is. Together
//! they find what few bits are mixed linearly into many, with noise or without; what many pairs share a little of; bits
//! that repeat; and chips that come back. They cannot find everything: as many chips as anybody has look independent when
//! their bits are a good hash of a longer number. The two bits of one pair may depend on each other; they are counted
//! together.

use std::fmt;

use serde::Serialize;

use super::failure::in_parallel;
use super::promise::MIN_CHIPS_FOR_ENTROPY;
use super::quality;
use super::samples::Samples;
use crate::PAIRS;
use crate::rng::Rng;

/// Probability that independent pairs break one limit.
const FALSE_ALARM: f64 = 1e-6;
/// Dimensions that may be missing: so many are with probability 2^-64 where places and chips are equally many, else less.
const MISSING_DIMENSIONS: usize = 8;
/// Populations with every pair's values dealt out to the chips anew: what the eigenvalue is without dependence.
const SHUFFLES: u64 = 20;
/// Standard deviations above their mean that the eigenvalue may lie. The upper tail of a largest eigenvalue (Tracy and
/// Widom's) is heavier than a normal one and has 1e-6 left here.
const EIGENVALUE_DEVIATIONS: f64 = 7.0;
/// Steps of the power iteration; the same for shuffled populations, so what it leaves out is left out of both.
const POWER_STEPS: usize = 100;

/// What was measured of a population.
#[derive(Clone, Debug, Serialize)]
pub struct Dependence {
    /// Chips.
    pub chips: usize,
    /// Every measure with its limit.
    pub measures: Vec<Measure>,
}

/// A measure of dependence.
#[derive(Clone, Debug, Serialize)]
pub struct Measure {
    /// Of what.
    pub what: &'static str,
    /// What it is.
    pub found: f64,
    /// What independent pairs keep to.
    pub limit: Limit,
}

/// What a measure of independent pairs keeps to.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// It is no less.
    AtLeast(f64),
    /// It is no more.
    AtMost(f64),
}

impl Measure {
    /// Whether it is as of independent pairs.
    pub fn holds(&self) -> bool {
        const ROUNDING: f64 = 1e-9;
        match self.limit {
            Limit::AtLeast(least) => self.found >= least - ROUNDING,
            Limit::AtMost(most) => self.found <= most + ROUNDING,
        }
    }

    /// What it is and what independent pairs keep to, as text.
    pub(super) fn figures(&self) -> (String, String) {
        let figure = |value: f64| {
            if value.fract() == 0.0 { value.to_string() } else { format!("{value:.4}") }
        };
        let limit = match self.limit {
            Limit::AtLeast(least) => format!("at least {}", figure(least)),
            Limit::AtMost(most) => format!("at most {}", figure(most)),
        };
        (figure(self.found), limit)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, limit) = self.figures();
        write!(f, "{} {found}, of independent pairs {limit}", self.what)
    }
}

impl Dependence {
    /// Of the pairs a board has.
    pub fn of(samples: &Samples) -> Self {
        let pairs = samples.rings / 2;
        let (sign, size) = quality::responses(samples);
        let chips: Vec<Vec<bool>> = sign
            .chunks_exact(pairs)
            .zip(size.chunks_exact(pairs))
            .map(|(sign, size)| {
                let used = pairs.min(PAIRS);
                [&sign[..used], &size[..used]].concat()
            })
            .collect();
        Self::of_bits(&chips)
    }

    /// Of responses: the sign bits of all pairs, then the size bits.
    fn of_bits(chips: &[Vec<bool>]) -> Self {
        Self {
            chips: chips.len(),
            measures: vec![dimensions(chips), eigenvalue(chips), parity(chips), closest(chips)],
        }
    }

    /// Whether nothing was found.
    pub fn none_found(&self) -> bool {
        self.measures.iter().all(Measure::holds)
    }

    /// Whether chips are enough for that to say anything.
    pub fn enough_chips(&self) -> bool {
        self.chips >= MIN_CHIPS_FOR_ENTROPY
    }
}

/// Bits side by side in words.
fn packed(bits: impl Iterator<Item = bool>) -> Vec<u64> {
    let mut words = Vec::new();
    for (at, bit) in bits.enumerate() {
        if at % 64 == 0 {
            words.push(0);
        }
        words[at / 64] |= u64::from(bit) << (at % 64);
    }
    words
}

fn distance(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// Values at one place, over all chips.
fn place(chips: &[Vec<bool>], at: usize) -> impl Iterator<Item = bool> + '_ {
    chips.iter().map(move |chip| chip[at])
}

/// Rank over GF(2) of what the chips differ from the first in. Bits that are parities of a few numbers have no more
/// dimensions than these numbers have bits.
fn dimensions(chips: &[Vec<bool>]) -> Measure {
    let varying = (0..chips[0].len()).filter(|at| place(chips, *at).any(|bit| bit != chips[0][*at])).count();
    // One is spent on the balance of the size bits.
    let full = varying.saturating_sub(1).min(chips.len() - 1);
    let mut rows: Vec<Vec<u64>> = chips[1..]
        .iter()
        .map(|chip| packed(chip.iter().zip(&chips[0]).map(|(bit, first)| bit != first)))
        .collect();
    let mut rank = 0;
    while let Some(pivot) = rows.pop() {
        let Some(word) = pivot.iter().position(|w| *w != 0) else { continue };
        let bit = pivot[word].trailing_zeros();
        rank += 1;
        for row in rows.iter_mut().filter(|row| row[word] >> bit & 1 == 1) {
            row.iter_mut().zip(&pivot).for_each(|(r, p)| *r ^= p);
        }
    }
    let least = full.saturating_sub(MISSING_DIMENSIONS);
    Measure {
        what: "dimensions of the bits over GF(2)",
        found: rank as f64,
        limit: Limit::AtLeast(least as f64),
    }
}

/// The largest eigenvalue of the correlations of all bits, as a share of their variance: what many pairs have in common.
fn eigenvalue(chips: &[Vec<bool>]) -> Measure {
    let n = chips.len();
    let pairs = chips[0].len() / 2;
    let found = largest_eigenvalue(chips);
    let shuffled = in_parallel(0..SHUFFLES, |number| {
        let mut rng = Rng::new(&[0; 32], "shuffle", number);
        let mut dealt = chips.to_vec();
        for pair in 0..pairs {
            for last in (1..n).rev() {
                let other = (rng.u64() % (last as u64 + 1)) as usize;
                // Both bits of a pair go together.
                for at in [pair, pairs + pair] {
                    let (a, b) = (dealt[last][at], dealt[other][at]);
                    (dealt[last][at], dealt[other][at]) = (b, a);
                }
            }
        }
        largest_eigenvalue(&dealt)
    });
    let chance = quality::Spread::of(&shuffled);
    Measure {
        what: "largest eigenvalue of their correlations, share of the variance",
        found,
        limit: Limit::AtMost(chance.mean + EIGENVALUE_DEVIATIONS * chance.deviation),
    }
}

fn largest_eigenvalue(chips: &[Vec<bool>]) -> f64 {
    let n = chips.len();
    // Every place over all chips, with mean zero and length one.
    let places: Vec<Vec<f64>> = (0..chips[0].len())
        .filter_map(|at| {
            let ones = place(chips, at).filter(|bit| *bit).count();
            let mean = ones as f64 / n as f64;
            let length = (n as f64 * mean * (1.0 - mean)).sqrt();
            (length > 0.0)
                .then(|| place(chips, at).map(|bit| (f64::from(u8::from(bit)) - mean) / length).collect())
        })
        .collect();
    let mut rng = Rng::new(&[0; 32], "eigenvector", 0);
    let mut vector: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let mut eigenvalue = 0.0;
    for _ in 0..POWER_STEPS {
        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length == 0.0 {
            return 0.0;
        }
        vector.iter_mut().for_each(|v| *v /= length);
        let mut next = vec![0.0; n];
        eigenvalue = 0.0;
        for place in &places {
            let share: f64 = place.iter().zip(&vector).map(|(p, v)| p * v).sum();
            eigenvalue += share * share;
            next.iter_mut().zip(place).for_each(|(next, p)| *next += share * p);
        }
        vector = next;
    }
    eigenvalue / places.len().max(1) as f64
}

/// How far the parity of two or of three bits of different pairs is from what their own means make it, at most. Sums of
/// independent parities keep to Hoeffding's bound.
fn parity(chips: &[Vec<bool>]) -> Measure {
    let n = chips.len() as f64;
    let bits = chips[0].len();
    let pairs = bits / 2;
    let places: Vec<Vec<u64>> = (0..bits).map(|at| packed(place(chips, at))).collect();
    let mean_of = |ones: u32| 1.0 - 2.0 * f64::from(ones) / n;
    let means: Vec<f64> = places.iter().map(|p| mean_of(p.iter().map(|w| w.count_ones()).sum())).collect();
    let apart = |a: usize, b: usize| a % pairs != b % pairs;
    let of_first = |first: u64| {
        let a = first as usize;
        let (mut most, mut compared) = (0.0f64, 0u64);
        for b in (0..a).filter(|b| apart(a, *b)) {
            let both: Vec<u64> = places[a].iter().zip(&places[b]).map(|(a, b)| a ^ b).collect();
            let expected = means[a] * means[b];
            most = most.max((mean_of(both.iter().map(|w| w.count_ones()).sum()) - expected).abs());
            compared += 1;
            for c in (0..b).filter(|c| apart(a, *c) && apart(b, *c)) {
                most = most.max((mean_of(distance(&both, &places[c])) - expected * means[c]).abs());
                compared += 1;
            }
        }
        (most, compared)
    };
    let all = in_parallel(0..bits as u64, of_first);
    let compared = all.iter().map(|(_, compared)| compared).sum::<u64>().max(1) as f64;
    Measure {
        what: "parity of two or three bits, off by",
        found: all.iter().map(|(most, _)| *most).fold(0.0, f64::max),
        limit: Limit::AtMost((2.0 * (2.0 * compared / FALSE_ALARM).ln() / n).sqrt()),
    }
}

/// The distance of the two chips that are closest, as a share of the bits. From a short number chips come back: of n chips
/// two, if there are fewer than some n^2 different ones.
fn closest(chips: &[Vec<bool>]) -> Measure {
    let bits = chips[0].len() as f64;
    let rows: Vec<Vec<u64>> = chips.iter().map(|chip| packed(chip.iter().copied())).collect();
    let (mut least, mut sum, mut compared) = (u32::MAX, 0u64, 0u64);
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[..i] {
            let distance = distance(a, b);
            least = least.min(distance);
            sum += u64::from(distance);
            compared += 1;
        }
    }
    // Hoeffding's bound again: a distance is a mean over the pairs.
    let below = ((compared as f64 / FALSE_ALARM).ln() / bits).sqrt();
    Measure {
        what: "distance of the closest two chips, share of the bits",
        found: f64::from(least) / bits,
        limit: Limit::AtLeast((sum as f64 / compared as f64 / bits - below).max(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHIPS: usize = 200;

    fn rng(purpose: &str) -> Rng {
        Rng::new(&[9; 32], purpose, 0)
    }

    /// Places as biased as those of the measured chips and worse, but independent.
    fn independent(chips: usize) -> Vec<Vec<bool>> {
        let (mut places, mut rng) = (rng("places"), rng("independent"));
        let ones: Vec<f64> = (0..2 * PAIRS).map(|_| places.unit().powi(2)).collect();
        (0..chips).map(|_| ones.iter().map(|p| rng.unit() < *p).collect()).collect()
    }

    /// Every bit a parity of a number of `bits` bits, different for every chip, and wrong in a share `noise` of the chips.
    fn parities(bits: u32, noise: f64) -> Vec<Vec<bool>> {
        let (mut masks, mut rng) = (rng("masks"), rng("noise"));
        let masks: Vec<u64> = (0..2 * PAIRS).map(|_| 1 + masks.u64() % ((1 << bits) - 1)).collect();
        let number = |chip: u64| chip.wrapping_mul(2_654_435_761) % (1 << bits);
        (0..CHIPS as u64)
            .map(|chip| {
                masks
                    .iter()
                    .map(|m| ((m & number(chip)).count_ones() % 2 == 1) != (rng.unit() < noise))
                    .collect()
            })
            .collect()
    }

    fn broken(chips: &[Vec<bool>]) -> Vec<usize> {
        let found = Dependence::of_bits(chips);
        found.measures.iter().for_each(|m| println!("{m}"));
        (0..found.measures.len()).filter(|at| !found.measures[*at].holds()).collect()
    }

    const DIMENSIONS: usize = 0;
    const EIGENVALUE: usize = 1;
    const PARITY: usize = 2;
    const CLOSEST: usize = 3;

    #[test]
    fn independent_pairs_pass_however_biased_and_however_many() {
        for chips in [2, 20, CHIPS, 600] {
            assert_eq!(broken(&independent(chips)), [0; 0], "{chips}");
        }
        // The bits of a pair may be the same.
        let mut same = independent(CHIPS);
        same.iter_mut().for_each(|chip| chip.copy_within(..PAIRS, PAIRS));
        assert!(!broken(&same).contains(&EIGENVALUE) && !broken(&same).contains(&PARITY));
    }

    #[test]
    fn parities_of_a_short_number_are_found_with_noise_and_without() {
        let found = Dependence::of_bits(&parities(12, 0.0));
        assert_eq!(found.measures[DIMENSIONS].found, 12.0);
        assert_eq!(broken(&parities(12, 0.0)), [DIMENSIONS, PARITY]);
        assert_eq!(broken(&parities(12, 0.02)), [PARITY]);
        // A longer number, without noise, too long for three bits to tell.
        assert_eq!(broken(&parities(60, 0.0)), [DIMENSIONS]);
    }

    #[test]
    fn what_many_pairs_share_a_little_of_is_found() {
        let mut rng = rng("shared");
        let chips: Vec<Vec<bool>> = (0..CHIPS)
            .map(|_| {
                let shared = 0.15 * rng.normal();
                (0..2 * PAIRS).map(|_| rng.normal() + shared > 0.0).collect()
            })
            .collect();
        assert_eq!(broken(&chips), [EIGENVALUE]);
    }

    #[test]
    fn a_chip_that_comes_back_is_found() {
        let mut chips = independent(CHIPS);
        chips[150] = chips[3].clone();
        // Nearly.
        (0..20).for_each(|at| chips[150][11 * at] ^= true);
        assert_eq!(broken(&chips), [CLOSEST]);
    }

    #[test]
    fn chips_without_a_difference_are_measured_too() {
        assert_eq!(broken(&[vec![true; 4], vec![true; 4]]), [0; 0]);
        assert_eq!(broken(&[vec![true, false], vec![false, true]]), [0; 0]);
    }
}
