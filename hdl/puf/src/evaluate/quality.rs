//! What the literature asks of a PUF (Maiti, Gunreddy, Schaumont, "A Systematic Method to Evaluate and Compare the
//! Performance of Physical Unclonable Functions", 2013): uniqueness, uniformity, bit aliasing, bit error; and min-entropy.

use serde::Serialize;

use super::samples::Samples;
use crate::PAIRS;

/// The bits of one kind of every chip.
pub type Bits = Vec<Vec<bool>>;

/// Mean and standard deviation, least and most.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample.
    pub deviation: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of some values; all zero for none.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// One kind of response bit over the population.
#[derive(Clone, Debug, Serialize)]
pub struct Quality {
    /// Bits of a chip.
    pub bits: usize,
    /// Hamming distance of two chips, as a share of the bits; ideally 0.5.
    pub uniqueness: Spread,
    /// Share of ones in a chip; ideally 0.5.
    pub uniformity: Spread,
    /// Share of chips with a one at a place; ideally 0.5 everywhere.
    pub bit_aliasing: Spread,
    /// Share of bits of a sample that differ from the mean of all samples, per chip.
    pub bit_error: Spread,
    /// Mean over places of -log2 of the share of the most common value in the population.
    pub min_entropy: f64,
    /// What `min_entropy` shows on average for fair bits of as many chips: less than one, because the most common of few
    /// is never a half.
    pub min_entropy_of_fair_bits: f64,
    /// Distances of all pairs of chips.
    #[serde(skip)]
    pub distances: Vec<f64>,
    /// Distances of all samples of a chip from its mean.
    #[serde(skip)]
    pub errors: Vec<f64>,
    /// Share of ones at every place.
    #[serde(skip)]
    pub ones: Vec<f64>,
}

/// Which ring is faster, and whether the difference is above the median difference of the chip.
#[derive(Clone, Debug)]
pub struct Response {
    /// d > 0, of all pairs.
    pub sign: Vec<bool>,
    /// |d| > median, of all pairs.
    pub size: Vec<bool>,
}

impl Response {
    /// Of the differences of all pairs.
    pub fn of(differences: &[f64]) -> Self {
        let mut sizes: Vec<f64> = differences.iter().map(|d| d.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        // As many pairs above as below, or one less.
        let median = sizes.get((sizes.len().max(1) - 1) / 2).copied().unwrap_or(0.0);
        Self {
            sign: differences.iter().map(|d| *d > 0.0).collect(),
            size: differences.iter().map(|d| d.abs() > median).collect(),
        }
    }
}

/// Everything that is counted over a population measured under one condition.
#[derive(Clone, Debug, Serialize)]
pub struct Population {
    /// Chips.
    pub chips: usize,
    /// Rings of a chip.
    pub rings: usize,
    /// Samples of a ring.
    pub samples: usize,
    /// Mean frequency of a chip, hertz.
    pub frequency_hz: Spread,
    /// Standard deviation of the mean frequencies of a chip's rings, relative.
    pub within_chip: Spread,
    /// Standard deviation of the samples of a ring, relative.
    pub noise: Spread,
    /// The bits d > 0.
    pub sign: Quality,
    /// The bits |d| > median.
    pub size: Quality,
    /// Mean over pairs of -log2 of the share of the most common of the four values of both bits.
    pub min_entropy_of_both: f64,
    /// Standard deviation of that mean.
    pub min_entropy_of_both_error: f64,
    /// See [`Entropy`]; of the pairs the gateware has.
    pub entropy: Entropy,
    /// Mean over chips of every ring's relative deviation.
    #[serde(skip)]
    pub map: Vec<f64>,
}

/// What is left for the root, in bits.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entropy {
    /// Pairs of the gateware times the min-entropy of both bits of a pair.
    pub response: f64,
    /// As many size bits are set as not: what this tells.
    pub balance: f64,
    /// Bits of the syndrome.
    pub helper: f64,
    /// The rest.
    pub root: f64,
}

impl Entropy {
    /// With this much min-entropy in a pair.
    pub fn of(pair: f64) -> Self {
        let response = pair * PAIRS as f64;
        // log2 of 2^n over n choose n/2.
        let balance =
            PAIRS as f64 - (1..=PAIRS / 2).map(|k| ((PAIRS / 2 + k) as f64 / k as f64).log2()).sum::<f64>();
        let helper = crate::SYNDROME_BITS as f64;
        Self { response, balance, helper, root: response - balance - helper }
    }
}

/// Counts everything.
pub fn population(samples: &Samples) -> Population {
    let pairs = samples.rings / 2;
    let (mut frequencies, mut within, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let mut map = vec![0.0; samples.rings];
    let (mut enrolled, mut sign_errors, mut size_errors) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sign_distances, mut size_distances) = (Vec::new(), Vec::new());
    for chip in 0..samples.chips.len() {
        let rings: Vec<Spread> = (0..samples.rings).map(|r| Spread::of(samples.ring(chip, r))).collect();
        let means: Vec<f64> = rings.iter().map(|r| r.mean).collect();
        let over = Spread::of(&means);
        frequencies.push(over.mean);
        within.push(over.deviation / over.mean);
        noise.push(rings.iter().map(|r| r.deviation / r.mean).sum::<f64>() / rings.len() as f64);
        map.iter_mut().zip(&means).for_each(|(m, mean)| *m += mean / over.mean - 1.0);

        let differences = |hertz: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..pairs).map(|pair| hertz(2 * pair) - hertz(2 * pair + 1)).collect()
        };
        let response = Response::of(&differences(&|ring| means[ring]));
        let (mut sign, mut size) = (0.0, 0.0);
        for s in 0..samples.samples {
            let again = Response::of(&differences(&|ring| samples.ring(chip, ring)[s]));
            sign_distances.push(distance(&response.sign, &again.sign));
            size_distances.push(distance(&response.size, &again.size));
            sign += sign_distances[sign_distances.len() - 1];
            size += size_distances[size_distances.len() - 1];
        }
        sign_errors.push(sign / samples.samples as f64);
        size_errors.push(size / samples.samples as f64);
        enrolled.push(response);
    }
    let chips = samples.chips.len();
    map.iter_mut().for_each(|m| *m /= chips as f64);
    let values: Vec<Vec<usize>> = enrolled
        .iter()
        .map(|r| r.sign.iter().zip(&r.size).map(|(a, b)| 2 * usize::from(*a) + usize::from(*b)).collect())
        .collect();
    let both = Spread::of(&min_entropies(&values, 4));
    let (sign, size): (Bits, Bits) = enrolled.into_iter().map(|r| (r.sign, r.size)).unzip();
    Population {
        chips,
        rings: samples.rings,
        samples: samples.samples,
        frequency_hz: Spread::of(&frequencies),
        within_chip: Spread::of(&within),
        noise: Spread::of(&noise),
        sign: quality(&sign, &sign_errors, sign_distances),
        size: quality(&size, &size_errors, size_distances),
        min_entropy_of_both: both.mean,
        min_entropy_of_both_error: both.deviation / (pairs.max(1) as f64).sqrt(),
        entropy: Entropy::of(both.mean),
        map,
    }
}

/// The responses of a population, chip by chip, for the estimators of SP 800-90B.
pub fn responses(samples: &Samples) -> (Vec<bool>, Vec<bool>) {
    let (mut sign, mut size) = (Vec::new(), Vec::new());
    for chip in 0..samples.chips.len() {
        let mean = |ring| samples.ring(chip, ring).iter().sum::<f64>();
        let differences: Vec<f64> = (0..samples.rings / 2).map(|p| mean(2 * p) - mean(2 * p + 1)).collect();
        let response = Response::of(&differences);
        sign.extend(response.sign);
        size.extend(response.size);
    }
    (sign, size)
}

fn quality(chips: &Bits, errors: &[f64], error_distances: Vec<f64>) -> Quality {
    let bits = chips[0].len();
    let uniformity: Vec<f64> = chips.iter().map(|c| share(c.iter().copied())).collect();
    let ones: Vec<f64> = (0..bits).map(|at| share(chips.iter().map(|c| c[at]))).collect();
    let mut distances = Vec::with_capacity(chips.len() * (chips.len() - 1) / 2);
    for (i, a) in chips.iter().enumerate() {
        distances.extend(chips[..i].iter().map(|b| distance(a, b)));
    }
    let values: Vec<Vec<usize>> = chips.iter().map(|c| c.iter().map(|b| usize::from(*b)).collect()).collect();
    Quality {
        bits,
        uniqueness: Spread::of(&distances),
        uniformity: Spread::of(&uniformity),
        bit_aliasing: Spread::of(&ones),
        bit_error: Spread::of(errors),
        min_entropy: Spread::of(&min_entropies(&values, 2)).mean,
        min_entropy_of_fair_bits: min_entropy_of_fair_bits(chips.len()),
        distances,
        errors: error_distances,
        ones,
    }
}

fn share(bits: impl ExactSizeIterator<Item = bool>) -> f64 {
    let n = bits.len() as f64;
    bits.filter(|b| *b).count() as f64 / n
}

fn distance(a: &[bool], b: &[bool]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as f64 / a.len() as f64
}

/// Of every place, -log2 of the share of the most common value.
fn min_entropies(chips: &[Vec<usize>], values: usize) -> Vec<f64> {
    let of_place = |at: usize| {
        let mut counts = vec![0usize; values];
        chips.iter().for_each(|c| counts[c[at]] += 1);
        let most = counts.into_iter().max().unwrap_or(0);
        (chips.len() as f64 / most as f64).log2()
    };
    (0..chips[0].len()).map(of_place).collect()
}

/// Expectation of -log2 (max(k, n - k) / n) for k of n fair coins.
fn min_entropy_of_fair_bits(chips: usize) -> f64 {
    let n = chips as f64;
    let mut log_weight = -n;
    let mut sum = 0.0;
    for k in 0..=chips {
        let most = k.max(chips - k) as f64;
        sum -= log_weight.exp2() * (most / n).log2();
        log_weight += ((n - k as f64) / (k as f64 + 1.0)).log2();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_population_by_hand() {
        // Two pairs, three chips, two samples; chip 2's second pair is equal in one sample and reversed in the mean.
        let chip = |rings: [[f64; 2]; 4]| rings.concat();
        let samples = Samples {
            rings: 4,
            samples: 2,
            names: vec![String::new(); 3],
            chips: vec![
                chip([[10.0, 10.0], [8.0, 8.0], [9.0, 9.0], [8.0, 8.0]]),
                chip([[8.0, 8.0], [10.0, 10.0], [9.0, 9.0], [8.0, 8.0]]),
                chip([[10.0, 10.0], [8.0, 8.0], [9.0, 7.0], [8.0, 9.5]]),
            ],
        };
        let p = population(&samples);
        assert_eq!(p.sign.ones, [2.0 / 3.0, 2.0 / 3.0]);
        assert_eq!(p.sign.distances, [0.5, 0.5, 1.0]);
        assert_eq!(p.sign.bit_error.most, 0.25);
        assert_eq!(p.sign.uniformity.mean, (1.0 + 0.5 + 0.5) / 3.0);
        assert!((p.sign.min_entropy - (1.5f64).log2()).abs() < 1e-12);
        assert_eq!(p.size.ones, [1.0, 0.0]);
        assert!((p.min_entropy_of_both - (1.5f64).log2()).abs() < 1e-12);
    }

    #[test]
    fn fair_bits_of_few_chips_look_less_than_fair() {
        // Of two coins: equal (entropy 0) or different (1), each half of the time.
        assert!((min_entropy_of_fair_bits(2) - 0.5).abs() < 1e-12);
        assert!((min_entropy_of_fair_bits(193) - 0.92).abs() < 0.003);
    }

    #[test]
    fn a_balanced_half_costs_what_stirling_says() {
        let e = Entropy::of(2.0);
        let stirling = (std::f64::consts::PI * PAIRS as f64 / 2.0).log2() / 2.0;
        assert!((e.balance - stirling).abs() < 0.01, "{e:?}");
        assert_eq!(e.root, 512.0 - e.balance - 256.0);
    }
}
