//! How often reconstruction fails, computed: density evolution of the decoder as it is, over its integers.
//!
//! The level of a bit is a random variable on -127..=127, counted positive when it points to the enrolled bit. From the
//! distributions of the 512 levels, which come from measured or simulated readings, the distribution of every level in
//! the decoder follows exactly, as long as the levels are independent: the check of two levels and their saturated sum
//! are functions of two integers. A decision at an information place, with all before it right, is then wrong with a
//! known probability, and the decoder fails with at most the sum of these. Every pair counts with its own error
//! probability; nothing is averaged before the decoder. The evaluation checks the result against simulated
//! reconstructions where failures are frequent enough to be counted.

use crate::polar::{MAX_LEVEL, is_frozen};
use crate::reading::MAX_RELIABILITY;
use crate::{RESPONSE_BITS, SYNDROME_BITS};

const TOP: usize = MAX_LEVEL as usize;
const LEVELS: usize = 2 * TOP + 1;

/// Share of flipped sign bits the code is designed for.
pub const DESIGN_BIT_ERROR: f64 = 0.04;

/// The distribution of a level; index 127 is level 0, higher points to the enrolled bit.
#[derive(Clone, Debug)]
pub struct Density(Box<[f64; LEVELS]>);

impl Default for Density {
    fn default() -> Self {
        Self(Box::new([0.0; LEVELS]))
    }
}

impl Density {
    /// Adds `weight` to the probability of a level; positive points to the enrolled bit.
    pub fn add(&mut self, level: i8, weight: f64) {
        self.0[(i16::from(level.max(-MAX_LEVEL)) + TOP as i16) as usize] += weight;
    }

    /// Makes the probabilities sum to one.
    pub fn normalise(&mut self) {
        let sum: f64 = self.0.iter().sum();
        if sum > 0.0 {
            self.0.iter_mut().for_each(|p| *p /= sum);
        }
    }

    /// Probability that the bit is read wrong. A level of zero decides for zero, which is wrong for half of the bits.
    pub fn error(&self) -> f64 {
        self.0[..TOP].iter().sum::<f64>() + self.0[TOP] / 2.0
    }

    /// Of [`crate::polar::check`].
    fn check(&self, other: &Self) -> Self {
        let (p, q) = (&self.0, &other.0);
        let mut out = Self::default();
        // What lies beyond a size, on either side.
        let (mut p_up, mut p_down, mut q_up, mut q_down) = (0.0, 0.0, 0.0, 0.0);
        for size in (1..=TOP).rev() {
            let (pu, pd, qu, qd) = (p[TOP + size], p[TOP - size], q[TOP + size], q[TOP - size]);
            out.0[TOP + size] = pu * (qu + q_up) + p_up * qu + pd * (qd + q_down) + p_down * qd;
            out.0[TOP - size] = pu * (qd + q_down) + p_up * qd + pd * (qu + q_up) + p_down * qu;
            p_up += pu;
            p_down += pd;
            q_up += qu;
            q_down += qd;
        }
        out.0[TOP] = p[TOP] + q[TOP] - p[TOP] * q[TOP];
        out
    }

    /// Of [`crate::polar::repeat`].
    fn repeat(&self, other: &Self) -> Self {
        let mut sums = [0.0; 2 * LEVELS - 1];
        for (i, p) in self.0.iter().enumerate().filter(|(_, p)| **p != 0.0) {
            sums[i..i + LEVELS].iter_mut().zip(other.0.iter()).for_each(|(s, q)| *s += p * q);
        }
        let mut out = Self::default();
        out.0.copy_from_slice(&sums[TOP..TOP + LEVELS]);
        out.0[0] += sums[..TOP].iter().sum::<f64>();
        out.0[LEVELS - 1] += sums[TOP + LEVELS..].iter().sum::<f64>();
        out
    }
}

/// For every place of u, the probability that its decision is wrong when those before it are right.
///
/// `levels` has a power of two of entries, each for as many consecutive response bits: two for a population whose sign
/// bits have one density and size bits another, 512 for one chip.
pub fn places(levels: &[Density]) -> Vec<f64> {
    assert!(levels.len().is_power_of_two() && levels.len() <= RESPONSE_BITS, "{} densities", levels.len());
    let mut errors = Vec::with_capacity(RESPONSE_BITS);
    node(levels, RESPONSE_BITS, &mut errors);
    errors
}

fn node(levels: &[Density], bits: usize, errors: &mut Vec<f64>) {
    if bits == 1 {
        errors.push(levels[0].error());
        return;
    }
    let (a, b) = if levels.len() == 1 { (levels, levels) } else { levels.split_at(levels.len() / 2) };
    let combine = |f: fn(&Density, &Density) -> Density| -> Vec<Density> {
        a.iter().zip(b).map(|(a, b)| f(a, b)).collect()
    };
    node(&combine(Density::check), bits / 2, errors);
    node(&combine(Density::repeat), bits / 2, errors);
}

/// Probability that the decoder gives the wrong response: one minus the product over information places of being right.
/// At most the sum of the places' errors, which is what it is for small ones.
pub fn failure(levels: &[Density]) -> f64 {
    let information = places(levels).into_iter().enumerate().filter(|(i, _)| !is_frozen(*i));
    // ln(1 - p) keeps what 1 - p would round away.
    -information.map(|(_, p)| (-p.min(1.0)).ln_1p()).sum::<f64>().exp_m1()
}

/// Densities of sign and size bits when differences are normal and drift by `sign_bit_error`'s worth since enrolment.
pub fn design(sign_bit_error: f64) -> [Density; 2] {
    // In units of the spread of differences; the drift flips atan(drift) / pi of the signs.
    let drift = (std::f64::consts::PI * sign_bit_error).tan();
    let spread = (1.0 + drift * drift).sqrt();
    /// Median of the size of a standard normal.
    const HALF: f64 = 0.674_489_750_196_081_7;
    let (median, step) = (HALF * spread, HALF * spread / 16.0);
    let [mut sign, mut size] = [Density::default(), Density::default()];
    const STEPS: i32 = 60_000;
    for i in 0..STEPS {
        let now = 6.0 * spread * (f64::from(i) + 0.5) / f64::from(STEPS);
        let weight = (-now * now / (2.0 * spread * spread)).exp();
        // What was enrolled, given what is read now.
        let (mean, sigma) = (now / (spread * spread), drift / spread);
        let below = |at: f64| normal_below((at - mean) / sigma);
        let reliability = |distance: f64| (distance / step).min(f64::from(MAX_RELIABILITY)).floor() as i8;
        let put = |density: &mut Density, distance: f64, wrong: f64| {
            let level = 2 * reliability(distance) + 1;
            density.add(level, weight * (1.0 - wrong));
            density.add(-level, weight * wrong);
        };
        put(&mut sign, now, below(0.0));
        let small = below(HALF) - below(-HALF);
        put(&mut size, (now - median).abs(), if now > median { small } else { 1.0 - small });
    }
    sign.normalise();
    size.normalise();
    [sign, size]
}

/// The frozen places a design for this error has: the least reliable half.
pub fn frozen_places(sign_bit_error: f64) -> [u64; RESPONSE_BITS / 64] {
    let errors = places(&design(sign_bit_error));
    let mut order: Vec<usize> = (0..RESPONSE_BITS).collect();
    order.sort_by(|a, b| errors[*b].total_cmp(&errors[*a]).then(a.cmp(b)));
    let mut frozen = [0; RESPONSE_BITS / 64];
    for index in &order[..SYNDROME_BITS] {
        frozen[index / 64] |= 1 << (index % 64);
    }
    frozen
}

/// Probability that a standard normal is below `z`; relative error under 1e-13 (erfc by Cody's rational forms is not in
/// the standard library, so: a continued fraction in the tails, a series in the middle).
pub(crate) fn normal_below(z: f64) -> f64 {
    let tail = |z: f64| {
        // Upper tail for z > 0.
        let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
        if z > 3.0 {
            let mut fraction = z;
            for k in (1..=60).rev() {
                fraction = z + f64::from(k) / fraction;
            }
            density / fraction
        } else {
            let (mut term, mut sum, mut k) = (z, z, 1.0);
            while term > 1e-18 {
                k += 2.0;
                term *= z * z / k;
                sum += term;
            }
            0.5 - density * sum
        }
    };
    if z < 0.0 { tail(-z) } else { 1.0 - tail(z) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polar::{FROZEN, check, repeat};

    #[test]
    fn the_frozen_places_are_those_of_the_design_point() {
        let frozen = frozen_places(DESIGN_BIT_ERROR);
        let text: Vec<String> = frozen.iter().map(|w| format!("{w:#018x}")).collect();
        assert_eq!(FROZEN, frozen, "FROZEN = {text:?}");
    }

    #[test]
    fn densities_combine_as_the_decoder_does() {
        let mut rng = crate::rng::Rng::new(&[0; 32], "test", 0);
        let mut random = || {
            let mut d = Density::default();
            (0..12).for_each(|_| d.add((rng.u64() % 255) as i64 as u8 as i8, rng.unit()));
            d.normalise();
            d
        };
        let (p, q) = (random(), random());
        let (mut checked, mut repeated) = (Density::default(), Density::default());
        for a in -MAX_LEVEL..=MAX_LEVEL {
            for b in -MAX_LEVEL..=MAX_LEVEL {
                let at = |l: i8| (i16::from(l) + TOP as i16) as usize;
                let weight = p.0[at(a)] * q.0[at(b)];
                checked.add(check(a, b), weight);
                repeated.add(repeat(a, b, false), weight);
            }
        }
        let same = |x: &Density, y: &Density| x.0.iter().zip(y.0.iter()).all(|(x, y)| (x - y).abs() < 1e-15);
        assert!(same(&p.check(&q), &checked));
        assert!(same(&p.repeat(&q), &repeated));
    }

    #[test]
    fn one_density_a_half_is_the_same_as_one_a_bit() {
        let [sign, size] = design(0.05);
        let each: Vec<Density> = (0..RESPONSE_BITS)
            .map(|i| if i < RESPONSE_BITS / 2 { sign.clone() } else { size.clone() })
            .collect();
        assert_eq!(failure(&[sign, size]), failure(&each));
    }

    #[test]
    fn the_normal_distribution_is_right_in_the_tables_places() {
        for (z, p) in [
            (0.0, 0.5),
            (-1.0, 0.158_655_253_931_457_05),
            (-2.575_829_303_548_900_4, 0.005),
            (-5.0, 2.866_515_718_791_939e-7),
            (-8.0, 6.220_960_574_271_785e-16),
        ] {
            assert!((normal_below(z) / p - 1.0).abs() < 1e-9, "{z}: {}", normal_below(z));
        }
        assert!((normal_below(2.0) + normal_below(-2.0) - 1.0).abs() < 1e-14);
        assert!((normal_below(3.0 - 1e-9) - normal_below(3.0 + 1e-9)).abs() < 1e-10);
    }

    #[test]
    fn design_densities_have_the_error_they_are_named_for() {
        for error in [0.01, 0.04, 0.08] {
            let [sign, size] = design(error);
            assert!((sign.error() - error).abs() < 1e-4, "{}", sign.error());
            assert!(size.error() > error && size.error() < 1.7 * error, "{}", size.error());
        }
    }
}
