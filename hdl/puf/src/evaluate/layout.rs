//! What entropy is left when the attacker knows the layout: rings that every chip of a design has faster or slower.

use super::ROOT_ENTROPY_BUDGET;
use super::quality::{Entropy, Response};
use crate::rng::Rng;
use crate::silicon::{Device, Foundry, ROOM, Silicon};
use crate::{Error, PAIRS, RINGS};

/// Min-entropy against whoever knows the layout, in bits.
#[derive(Clone, Copy, Debug)]
pub struct RootEntropy {
    /// Of both bits of a pair, mean over the pairs.
    pub pair: f64,
    /// Of the pair that has least.
    pub worst_pair: f64,
    /// Left for the root: all pairs, less balance and syndrome. Below zero there is nothing.
    pub root: f64,
}

impl RootEntropy {
    /// Whether the root is worth what the design promises.
    pub fn suffices(&self) -> bool {
        self.root >= ROOT_ENTROPY_BUDGET
    }
}

/// The silicon model's min-entropy with `bias` added to the layout: of every ring, relative. Chips are drawn without noise;
/// per pair, the most common of the four values both bits can have is what the attacker guesses.
pub fn root_entropy(bias: &[f64], chips: usize) -> Result<RootEntropy, Error> {
    let foundry = Foundry::new(Silicon::of_the_project()?, Device::Up5k).with_bias(bias);
    let mut counts = vec![[0u32; 4]; PAIRS];
    for number in 0..chips as u64 {
        let hertz = foundry.numbered(0, number).frequencies(&ROOM);
        let differences: Vec<f64> = hertz.chunks_exact(2).map(|pair| pair[0] - pair[1]).collect();
        let Response { sign, size } = Response::of(&differences);
        for (count, (sign, size)) in counts.iter_mut().zip(sign.iter().zip(&size)) {
            count[2 * usize::from(*sign) + usize::from(*size)] += 1;
        }
    }
    let pairs: Vec<f64> = counts
        .iter()
        .map(|count| (chips as f64 / f64::from(count.iter().copied().max().unwrap_or(0))).log2())
        .collect();
    let pair = pairs.iter().sum::<f64>() / PAIRS as f64;
    Ok(RootEntropy {
        pair,
        worst_pair: pairs.iter().copied().fold(f64::INFINITY, f64::min),
        root: Entropy::of(pair).root,
    })
}

/// A bias of every ring, normal with standard deviation `spread`.
pub fn normal(spread: f64) -> Vec<f64> {
    let mut rng = Rng::new(&[0; 32], "layout", 0);
    (0..RINGS).map(|_| spread * rng.normal()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_bias_costs_entropy() {
        let of = |spread| root_entropy(&normal(spread), 400).unwrap();
        let (none, some, much) = (of(0.0), of(0.002), of(0.031));
        assert!(none.pair > some.pair && some.pair > much.pair, "{none:?} {some:?} {much:?}");
        // Rings six times as far apart by layout as by silicon: next to nothing is left of the sign.
        assert!(none.suffices() && !much.suffices() && much.pair < 0.7, "{none:?} {much:?}");
    }

    /// Pairs whose rings are equally biased lose nothing.
    #[test]
    fn what_both_rings_of_a_pair_share_costs_nothing() {
        let shared: Vec<f64> = (0..RINGS).map(|ring| if ring / 2 % 2 == 0 { 0.0 } else { 1e-7 }).collect();
        let (none, some) = (root_entropy(&[0.0; RINGS], 200).unwrap(), root_entropy(&shared, 200).unwrap());
        assert!((none.pair - some.pair).abs() < 1e-3, "{none:?} {some:?}");
    }
}
