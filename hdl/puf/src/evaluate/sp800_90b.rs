//! The ten estimators of SP 800-90B section 6.3 for binary samples; the predictors among them are in [`super::predictors`].

use serde::Serialize;

use super::predictors::{self, DICTIONARY_DEPTH, LAGS, MARKOV_DEPTH, Score, WINDOWS};

/// Fewer bits than this say nothing: the compression estimate spends 6,000 on its dictionary.
pub const MIN_BITS: usize = 12_000;
/// Longest tuple that the substring estimates look at. Longer repetitions exist only where whole responses repeat, and
/// then shorter tuples have already brought the estimate down.
const MAX_TUPLE: usize = 4_096;
/// The 99 % confidence bound that the standard adds everywhere.
pub(super) const Z: f64 = 2.575_829_303_548_901;

/// Min-entropy a bit by each estimator. The assessment is the least of them.
#[derive(Clone, Debug, Serialize)]
pub struct Estimates {
    /// Bits that were looked at.
    pub bits: usize,
    /// Section 6.3.1.
    pub most_common_value: f64,
    /// Section 6.3.2.
    pub collision: f64,
    /// Section 6.3.3.
    pub markov: f64,
    /// Section 6.3.4.
    pub compression: f64,
    /// Section 6.3.5.
    pub t_tuple: f64,
    /// Section 6.3.6.
    pub longest_repeated_substring: f64,
    /// Section 6.3.7.
    pub multi_mcw: f64,
    /// Section 6.3.8.
    pub lag: f64,
    /// Section 6.3.9.
    pub multi_mmc: f64,
    /// Section 6.3.10.
    pub lz78y: f64,
    /// The least of all.
    pub least: f64,
}

/// All estimates; `None` below [`MIN_BITS`].
pub fn estimate(bits: &[bool]) -> Option<Estimates> {
    if bits.len() < MIN_BITS {
        return None;
    }
    let (t_tuple, longest_repeated_substring) = tuples(bits);
    let samples: Vec<u8> = bits.iter().map(|bit| u8::from(*bit)).collect();
    let of = |score: Score| score.min_entropy(2);
    let mut estimates = Estimates {
        bits: bits.len(),
        most_common_value: most_common_value(bits),
        collision: collision(bits),
        markov: markov(bits),
        compression: compression(bits),
        t_tuple,
        longest_repeated_substring,
        multi_mcw: of(predictors::multi_mcw(&samples, 2, &WINDOWS)),
        lag: of(predictors::lag(&samples, LAGS)),
        multi_mmc: of(predictors::multi_mmc(&samples, 2, MARKOV_DEPTH)),
        lz78y: of(predictors::lz78y(&samples, 2, DICTIONARY_DEPTH)),
        least: 0.0,
    };
    estimates.least = estimates.all().into_iter().map(|(_, estimate)| estimate).fold(1.0, f64::min);
    Some(estimates)
}

impl Estimates {
    /// Every estimate with its name, in the order of the standard.
    pub fn all(&self) -> [(&'static str, f64); 10] {
        [
            ("most common", self.most_common_value),
            ("collision", self.collision),
            ("Markov", self.markov),
            ("compression", self.compression),
            ("t-tuple", self.t_tuple),
            ("LRS", self.longest_repeated_substring),
            ("MultiMCW", self.multi_mcw),
            ("lag", self.lag),
            ("MultiMMC", self.multi_mmc),
            ("LZ78Y", self.lz78y),
        ]
    }
}

/// The upper confidence bound of a probability seen as `p` in `n`, as entropy.
fn entropy_of_bound(p: f64, n: usize) -> f64 {
    let bound = (p + Z * (p * (1.0 - p) / (n as f64 - 1.0)).sqrt()).min(1.0);
    // Not -0.
    (-bound.log2()).max(0.0)
}

fn most_common_value(bits: &[bool]) -> f64 {
    let ones = bits.iter().filter(|b| **b).count();
    let most = ones.max(bits.len() - ones);
    entropy_of_bound(most as f64 / bits.len() as f64, bits.len())
}

fn collision(bits: &[bool]) -> f64 {
    // A collision of binary samples comes after two or three.
    let mut times = Vec::new();
    let mut at = 0;
    while at + 1 < bits.len() {
        let time = if bits[at] == bits[at + 1] { 2 } else { 3 };
        if at + time > bits.len() {
            break;
        }
        times.push(time as f64);
        at += time;
    }
    let (mean, deviation) = mean_and_deviation(&times);
    let bound = mean - Z * deviation / (times.len() as f64).sqrt();
    // The expected time of section 6.3.2, step 7, is 2 + 2 p (1 - p) for binary samples.
    let variance = ((bound - 2.0) / 2.0).clamp(0.0, 0.25);
    let p = 0.5 + (0.25 - variance).sqrt();
    (-p.log2()).max(0.0)
}

fn markov(bits: &[bool]) -> f64 {
    let n = bits.len() as f64;
    let ones = bits.iter().filter(|b| **b).count() as f64;
    let first = [1.0 - ones / n, ones / n];
    let mut counts = [[0.0; 2]; 2];
    for pair in bits.windows(2) {
        counts[usize::from(pair[0])][usize::from(pair[1])] += 1.0;
    }
    let after = counts.map(|row| {
        let sum: f64 = row.iter().sum();
        if sum == 0.0 { [0.0, 0.0] } else { [row[0] / sum, row[1] / sum] }
    });
    // The most likely sequence of 128 bits is one of six; logarithms, because 2^-128 squared is no longer a number.
    let chain = |start: usize, steps: &[(usize, usize, f64)]| {
        first[start].log2() + steps.iter().map(|&(a, b, times)| times * after[a][b].log2()).sum::<f64>()
    };
    let likely = [
        chain(0, &[(0, 0, 127.0)]),
        chain(0, &[(0, 1, 64.0), (1, 0, 63.0)]),
        chain(0, &[(0, 1, 1.0), (1, 1, 126.0)]),
        chain(1, &[(1, 0, 1.0), (0, 0, 126.0)]),
        chain(1, &[(1, 0, 64.0), (0, 1, 63.0)]),
        chain(1, &[(1, 1, 127.0)]),
    ];
    let most = likely.into_iter().fold(f64::NEG_INFINITY, f64::max);
    (-most / 128.0).clamp(0.0, 1.0)
}

fn compression(bits: &[bool]) -> f64 {
    const BLOCK_BITS: usize = 6;
    const BLOCKS: usize = 1 << BLOCK_BITS;
    const DICTIONARY: usize = 1_000;
    let symbols: Vec<usize> = bits
        .chunks_exact(BLOCK_BITS)
        .map(|block| block.iter().fold(0, |value, bit| value << 1 | usize::from(*bit)))
        .collect();
    let mut seen = [0; BLOCKS];
    for (at, symbol) in symbols[..DICTIONARY].iter().enumerate() {
        seen[*symbol] = at + 1;
    }
    let mut logs = Vec::with_capacity(symbols.len() - DICTIONARY);
    for (at, symbol) in symbols.iter().enumerate().skip(DICTIONARY) {
        // Never seen: the distance from the beginning, which is what zero stands for.
        logs.push(((at + 1 - seen[*symbol]) as f64).log2());
        seen[*symbol] = at + 1;
    }
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    // Section 6.3.4 step 6 takes n - 1 for the squares and not for the mean.
    let squares = logs.iter().map(|log| log * log).sum::<f64>() / (logs.len() as f64 - 1.0);
    let deviation = (squares - mean * mean).sqrt();
    let bound = mean - Z * 0.5907 * deviation / (logs.len() as f64).sqrt();

    // Expected mean for a symbol of probability z, section 6.3.4 step 7: the double sum turned into one pass over u.
    let expected = |z: f64| -> f64 {
        let v = logs.len() as f64;
        let mut survive = 1.0; // (1 - z)^(u - 1)
        let mut sum = 0.0;
        for u in 1..=symbols.len() {
            let log = (u as f64).log2();
            // t from max(d, u) + 1 to L: u < t; and u = t once for t above d.
            let later = (symbols.len() - DICTIONARY.max(u)) as f64;
            sum += log * z * z * survive * later;
            if u > DICTIONARY {
                sum += log * z * survive;
            }
            survive *= 1.0 - z;
            if survive < 1e-300 {
                break;
            }
        }
        sum / v
    };
    let total = |p: f64| {
        let q = (1.0 - p) / (BLOCKS as f64 - 1.0);
        expected(p) + (BLOCKS as f64 - 1.0) * expected(q)
    };
    let (mut low, mut high) = (1.0 / BLOCKS as f64, 1.0);
    if bound >= total(low) {
        return 1.0;
    }
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if total(middle) > bound {
            low = middle;
        } else {
            high = middle;
        }
    }
    (-low.log2() / BLOCK_BITS as f64).clamp(0.0, 1.0)
}

/// Sections 6.3.5 and 6.3.6, from the sorted suffixes: equal tuples of length W stand together, as runs whose common
/// prefixes are at least W long.
fn tuples(bits: &[bool]) -> (f64, f64) {
    let n = bits.len();
    let common = common_prefixes(bits);
    let longest = common.iter().copied().max().unwrap_or(0).min(MAX_TUPLE);
    let (mut tuple_most, mut substring_most): (f64, f64) = (0.0, 0.0);
    for w in 1..=longest {
        let places = (n - w + 1) as f64;
        let (mut most, mut collisions, mut run) = (1u64, 0.0, 1u64);
        let mut close = |run: u64| {
            most = most.max(run);
            collisions += run as f64 * (run as f64 - 1.0) / 2.0;
        };
        for prefix in &common {
            if *prefix >= w {
                run += 1;
            } else {
                close(run);
                run = 1;
            }
        }
        close(run);
        let root = 1.0 / w as f64;
        if most >= 35 {
            tuple_most = tuple_most.max((most as f64 / places).powf(root));
        } else {
            substring_most = substring_most.max((collisions / (places * (places - 1.0) / 2.0)).powf(root));
        }
    }
    (entropy_of_bound(tuple_most, n), entropy_of_bound(substring_most.min(1.0), n))
}

/// Bits that each suffix shares with the one sorted before it, up to [`MAX_TUPLE`].
fn common_prefixes(bits: &[bool]) -> Vec<usize> {
    // The 64 bits from every place on, so that most comparisons are of one number; zeros after the end.
    let mut windows = vec![0u64; bits.len() + 1];
    for at in (0..bits.len()).rev() {
        windows[at] = windows[at + 1] >> 1 | u64::from(bits[at]) << 63;
    }
    let words = MAX_TUPLE / 64;
    let word = |suffix: usize, i: usize| windows.get(suffix + 64 * i).copied().unwrap_or(0);
    let mut suffixes: Vec<usize> = (0..bits.len()).collect();
    suffixes.sort_unstable_by(|&a, &b| {
        (0..words).map(|i| word(a, i).cmp(&word(b, i))).find(|o| o.is_ne()).unwrap_or(b.cmp(&a))
    });
    suffixes
        .windows(2)
        .map(|pair| {
            let (a, b) = (pair[0], pair[1]);
            let mut equal = 0;
            for i in 0..words {
                let same = (word(a, i) ^ word(b, i)).leading_zeros() as usize;
                equal += same;
                if same < 64 {
                    break;
                }
            }
            equal.min(bits.len() - a.max(b))
        })
        .collect()
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn random(n: usize, ones: f64) -> Vec<bool> {
        let mut rng = Rng::new(&[3; 32], "sp800_90b", 0);
        (0..n).map(|_| rng.unit() < ones).collect()
    }

    #[test]
    fn fair_bits_are_nearly_full() {
        let e = estimate(&random(200_000, 0.5)).unwrap();
        assert!(e.most_common_value > 0.98 && e.markov > 0.98 && e.collision > 0.8, "{e:?}");
        assert!(e.compression > 0.75 && e.t_tuple > 0.9 && e.longest_repeated_substring > 0.9, "{e:?}");
    }

    /// Independent bits of known bias: most estimates are near the truth. Compression takes blocks of six for one likely
    /// value among 63 equal ones; of that family, 0.197 bits has the same Shannon entropy.
    #[test]
    fn biased_bits_are_found_out() {
        let truth = -(0.8f64).log2();
        let e = estimate(&random(200_000, 0.8)).unwrap();
        for estimate in [e.most_common_value, e.collision, e.markov, e.t_tuple] {
            assert!((0.97 * truth..=1.03 * truth).contains(&estimate), "{e:?}");
        }
        assert!((0.17..0.197).contains(&e.compression), "{e:?}");
        assert_eq!(e.least, e.compression);
    }

    #[test]
    fn constant_and_periodic_bits_have_none() {
        let constant = estimate(&vec![true; 20_000]).unwrap();
        assert!(constant.least == 0.0 && constant.markov == 0.0 && constant.most_common_value == 0.0);
        let alternating: Vec<bool> = (0..20_000).map(|i| i % 2 == 0).collect();
        let e = estimate(&alternating).unwrap();
        assert!(e.most_common_value > 0.9 && e.markov < 0.01 && e.t_tuple < 0.02, "{e:?}");
    }

    #[test]
    fn a_bit_that_repeats_the_one_before_is_seen_by_markov() {
        let mut rng = Rng::new(&[4; 32], "sticky", 0);
        let mut last = false;
        let bits: Vec<bool> = (0..100_000)
            .map(|_| {
                last ^= rng.unit() < 0.25;
                last
            })
            .collect();
        let e = estimate(&bits).unwrap();
        assert!((e.markov - -(0.75f64).log2()).abs() < 0.02 && e.most_common_value > 0.95, "{e:?}");
    }

    /// The worked example of section 6.3.3: 40 bits, 0.761 bits of min-entropy each.
    #[test]
    fn markov_matches_the_example_of_the_standard() {
        let text = "1000111001010101110011000111001010101110";
        let bits: Vec<bool> = text.bytes().map(|b| b == b'1').collect();
        assert!((markov(&bits) - 0.761).abs() < 5e-4, "{}", markov(&bits));
    }

    #[test]
    fn suffixes_agree_with_counting_by_hand() {
        let bits = random(300, 0.5);
        let common = common_prefixes(&bits);
        for w in [1usize, 2, 3, 5, 8] {
            let mut counts = std::collections::BTreeMap::<&[bool], u64>::new();
            bits.windows(w).for_each(|t| *counts.entry(t).or_default() += 1);
            let repeated: u64 = counts.values().map(|c| c - 1).sum();
            assert_eq!(common.iter().filter(|c| **c >= w).count() as u64, repeated, "{w}");
        }
    }

    #[test]
    fn few_bits_say_nothing() {
        assert!(estimate(&random(MIN_BITS - 1, 0.5)).is_none());
    }
}
