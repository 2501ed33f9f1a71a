//! Deterministic numbers for simulation, addressed by seed and purpose: the same chip is the same chip in every build.
//! Never for keys.

use sha2::{Digest as _, Sha256};

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), started from a hash of the seed and what the numbers are for.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
    /// The second number of the last Box-Muller pair.
    spare: Option<f64>,
}

impl Rng {
    /// The sequence of `seed` for `purpose`, the `index`-th of its kind.
    pub(crate) fn new(seed: &[u8; 32], purpose: &str, index: u64) -> Self {
        let hash = Sha256::new()
            .chain_update(seed)
            .chain_update(purpose.as_bytes())
            .chain_update(index.to_le_bytes())
            .finalize();
        let mut state = [0; 8];
        state.copy_from_slice(&hash[..8]);
        Self { state: u64::from_le_bytes(state), spare: None }
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_indices_are_independent_and_repeatable() {
        let draw = |purpose, index| Rng::new(&[7; 32], purpose, index).u64();
        assert_eq!(draw("a", 0), draw("a", 0));
        assert_ne!(draw("a", 0), draw("a", 1));
        assert_ne!(draw("a", 0), draw("b", 0));
    }

    #[test]
    fn normal_numbers_have_mean_zero_variance_one_and_no_correlation() {
        let mut rng = Rng::new(&[1; 32], "normal", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / n;
        let lag = draws.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
        assert!(
            mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02 && lag.abs() < 0.015,
            "{mean} {variance} {lag}"
        );
    }
}
