//! The predictors of SP 800-90B sections 6.3.7 to 6.3.10: each guesses every sample from those before it. How often it was
//! right, and how often in a row, bounds the probability of the most likely sample.
//!
//! Samples are numbers below `symbols`; the project has bits, the standard's worked examples have three symbols.

use super::sp800_90b::Z;

/// How well a predictor did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Samples it had to guess.
    pub guesses: u64,
    /// Of these, right.
    pub right: u64,
    /// Most right ones in a row.
    pub longest_run: u64,
}

impl Score {
    /// A guess, if there was one, against the sample that came; and the run that goes on or ends.
    fn count(&mut self, run: &mut u64, guess: Option<u8>, sample: u8) {
        self.guesses += 1;
        if guess == Some(sample) {
            self.right += 1;
            *run += 1;
            self.longest_run = self.longest_run.max(*run);
        } else {
            *run = 0;
        }
    }

    /// Min-entropy a sample: the last steps of each of the four sections.
    pub fn min_entropy(&self, symbols: u8) -> f64 {
        let n = self.guesses as f64;
        let share = self.right as f64 / n;
        let global = if self.right == 0 {
            1.0 - 0.01f64.powf(1.0 / n)
        } else {
            (share + Z * (share * (1.0 - share) / (n - 1.0)).sqrt()).min(1.0)
        };
        let most = global.max(self.local()).max(1.0 / f64::from(symbols));
        (-most.log2()).max(0.0)
    }

    /// The probability of a right guess with which a run as long as [`Self::longest_run`] is the longest with a chance of
    /// 99 % (Feller's recurrent runs).
    fn local(&self) -> f64 {
        let (n, r) = (self.guesses as f64, self.longest_run as f64 + 1.0);
        // Logarithm of the probability that there is no run of r.
        let no_run = |p: f64| {
            let q = 1.0 - p;
            let mut x = 1.0f64;
            for _ in 0..200 {
                let next = 1.0 + q * p.powf(r) * x.powf(r + 1.0);
                // The root between 1 and 1 / p; beyond there is none, and a run is certain.
                if next.is_nan() || next * p >= 1.0 {
                    return f64::NEG_INFINITY;
                }
                if next == x {
                    break;
                }
                x = next;
            }
            (1.0 - p * x).ln() - (r + 1.0 - r * x).ln() - q.ln() - (n + 1.0) * x.ln()
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if no_run(middle) > 0.99f64.ln() { low = middle } else { high = middle }
        }
        low
    }
}

/// Several guesses a sample; the one that has been right most often counts, the later of two as good.
struct Board {
    scores: Vec<u64>,
    winner: usize,
}

impl Board {
    fn new(predictors: usize) -> Self {
        Self { scores: vec![0; predictors], winner: 0 }
    }

    fn update(&mut self, guesses: impl Iterator<Item = Option<u8>>, sample: u8) {
        for (at, guess) in guesses.enumerate() {
            if guess == Some(sample) {
                self.scores[at] += 1;
                if self.scores[at] >= self.scores[self.winner] {
                    self.winner = at;
                }
            }
        }
    }
}

/// Windows of section 6.3.7.
pub const WINDOWS: [usize; 4] = [63, 255, 1_023, 4_095];

/// Section 6.3.7: the most common value of the last so many samples, the one seen last of several.
pub fn multi_mcw(samples: &[u8], symbols: u8, windows: &[usize]) -> Score {
    let (mut score, mut run) = (Score::default(), 0);
    let mut board = Board::new(windows.len());
    let mut counts = vec![vec![0usize; usize::from(symbols)]; windows.len()];
    let mut last_seen = vec![0; usize::from(symbols)];
    for (at, sample) in samples.iter().enumerate() {
        let guess = |window: usize, counts: &[usize]| {
            let best = (0..symbols).max_by_key(|s| (counts[usize::from(*s)], last_seen[usize::from(*s)]));
            best.filter(|_| at >= window)
        };
        let guesses: Vec<Option<u8>> = windows.iter().zip(&counts).map(|(w, c)| guess(*w, c)).collect();
        if at >= windows[0] {
            score.count(&mut run, guesses[board.winner], *sample);
            board.update(guesses.into_iter(), *sample);
        }
        for (window, counts) in windows.iter().zip(&mut counts) {
            counts[usize::from(*sample)] += 1;
            if at >= *window {
                counts[usize::from(samples[at - window])] -= 1;
            }
        }
        last_seen[usize::from(*sample)] = at;
    }
    score
}

/// Lags of section 6.3.8.
pub const LAGS: usize = 128;

/// Section 6.3.8: what came so many samples before.
pub fn lag(samples: &[u8], lags: usize) -> Score {
    let (mut score, mut run) = (Score::default(), 0);
    let mut board = Board::new(lags);
    for at in 1..samples.len() {
        let before = |lag: usize| (lag < at).then(|| samples[at - 1 - lag]);
        score.count(&mut run, before(board.winner), samples[at]);
        board.update((0..lags.min(at)).map(before), samples[at]);
    }
    score
}

/// How often each symbol followed each sequence of up to so many samples.
struct Followers {
    symbols: usize,
    /// By length less one; by the sequence as a number, its last sample lowest; by what followed.
    counts: Vec<Vec<u32>>,
}

impl Followers {
    fn new(symbols: u8, longest: usize) -> Self {
        let symbols = usize::from(symbols);
        let counts = (0..longest).map(|length| vec![0; symbols.pow(length as u32 + 2)]).collect();
        Self { symbols, counts }
    }

    /// After the `length` samples that end before `at`.
    fn after(&mut self, samples: &[u8], length: usize, at: usize) -> &mut [u32] {
        let sequence = samples[at - length..at].iter().fold(0, |n, s| n * self.symbols + usize::from(*s));
        &mut self.counts[length - 1][sequence * self.symbols..][..self.symbols]
    }
}

/// The most frequent follower with its count, the greater of several; none if nothing ever followed.
fn most_frequent(followers: &[u32]) -> Option<(u8, u32)> {
    let (symbol, count) = followers.iter().enumerate().max_by_key(|(symbol, count)| (**count, *symbol))?;
    (*count > 0).then_some((symbol as u8, *count))
}

/// Longest sequence of section 6.3.9.
pub const MARKOV_DEPTH: usize = 16;
/// Most sequences with their follower that section 6.3.9 keeps, of each length.
const MARKOV_ENTRIES: u32 = 100_000;

/// Section 6.3.9: what most often followed the last 1, 2, ... `depth` samples.
pub fn multi_mmc(samples: &[u8], symbols: u8, depth: usize) -> Score {
    let (mut score, mut run) = (Score::default(), 0);
    let mut board = Board::new(depth);
    let mut followers = Followers::new(symbols, depth);
    let mut entries = vec![0; depth];
    for at in 2..samples.len() {
        for (length, entries) in (1..at).zip(&mut entries) {
            let count = &mut followers.after(samples, length, at - 1)[usize::from(samples[at - 1])];
            if *count > 0 {
                *count += 1;
            } else if *entries < MARKOV_ENTRIES {
                *count = 1;
                *entries += 1;
            }
        }
        let mut guess =
            |length| most_frequent(followers.after(samples, length, at)).map(|(symbol, _)| symbol);
        let guesses: Vec<Option<u8>> = (1..=depth).map(|l| if l < at { guess(l) } else { None }).collect();
        score.count(&mut run, guesses[board.winner], samples[at]);
        board.update(guesses.into_iter(), samples[at]);
    }
    score
}

/// Longest sequence of section 6.3.10.
pub const DICTIONARY_DEPTH: usize = 16;
/// Most sequences that section 6.3.10 keeps, of all lengths together.
const DICTIONARY_ENTRIES: u32 = 65_536;

/// Section 6.3.10: what most often followed whichever of the last sequences in the dictionary has the clearest follower.
pub fn lz78y(samples: &[u8], symbols: u8, depth: usize) -> Score {
    let (mut score, mut run) = (Score::default(), 0);
    let mut followers = Followers::new(symbols, depth);
    let mut entries = 0;
    for at in depth + 1..samples.len() {
        for length in (1..=depth).rev() {
            let after = followers.after(samples, length, at - 1);
            let known = after.iter().any(|count| *count > 0);
            if known || entries < DICTIONARY_ENTRIES {
                entries += u32::from(!known);
                after[usize::from(samples[at - 1])] += 1;
            }
        }
        let mut best: Option<(u8, u32)> = None;
        for length in (1..=depth).rev() {
            let found = most_frequent(followers.after(samples, length, at));
            if found.map_or(0, |(_, count)| count) > best.map_or(0, |(_, count)| count) {
                best = found;
            }
        }
        score.count(&mut run, best.map(|(symbol, _)| symbol), samples[at]);
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked examples of the four sections, three symbols each.
    #[test]
    fn the_examples_of_the_standard() {
        let mcw = multi_mcw(&[1, 2, 1, 0, 2, 1, 1, 2, 2, 0, 0, 0], 3, &[3, 5, 7, 9]);
        let lag = lag(&[1, 0, 2, 1, 0, 2, 0, 2, 0, 1], 3);
        let mmc = multi_mmc(&[1, 0, 2, 1, 0, 2, 0, 2, 0], 3, 3);
        let lz78y = lz78y(&[1, 0, 2, 1, 0, 2, 0, 2, 0, 1, 0, 2, 1], 3, 4);
        let results = [(mcw, 9, 3, 0.3909), (lag, 9, 2, 0.7349), (mmc, 7, 3, 0.0755), (lz78y, 8, 4, 0.0191)];
        for (score, guesses, right, entropy) in results {
            assert_eq!((score.guesses, score.right), (guesses, right), "{score:?}");
            assert!((0.0..1e-4).contains(&(score.min_entropy(3) - entropy)), "{score:?}");
        }
    }

    /// Of 1,000 guesses with 8 right ones in a row at most: what no run of 9 with a chance of 99 % allows, counted over
    /// chains of the number of right guesses that stand at the end.
    #[test]
    fn the_local_bound_is_the_chance_of_a_run() {
        let score = Score { guesses: 1_000, right: 0, longest_run: 8 };
        let p = score.local();
        let mut standing = [0.0; 9];
        standing[0] = 1.0;
        for _ in 0..score.guesses {
            let ended: f64 = standing.iter().sum::<f64>() * (1.0 - p);
            let mut next = [ended; 9];
            (1..9).for_each(|run| next[run] = standing[run - 1] * p);
            standing = next;
        }
        let no_run: f64 = standing.iter().sum();
        assert!((no_run - 0.99).abs() < 1e-6, "{p}: {no_run}");
    }

    #[test]
    fn what_repeats_is_predicted() {
        let samples: Vec<u8> = (0..20_000u32).map(|i| u8::from(i % 7 < 3)).collect();
        assert!(lag(&samples, LAGS).min_entropy(2) < 0.01);
        assert!(multi_mmc(&samples, 2, MARKOV_DEPTH).min_entropy(2) < 0.01);
        // Of sequences of several lengths this one believes the commonest, which here is the shortest.
        let lz = lz78y(&samples, 2, DICTIONARY_DEPTH).min_entropy(2);
        assert!((lz + (5.0f64 / 7.0).log2()).abs() < 0.02, "{lz}");
        let alternating: Vec<u8> = (0..20_000u32).map(|i| (i % 2) as u8).collect();
        assert!(lz78y(&alternating, 2, DICTIONARY_DEPTH).min_entropy(2) < 0.01);
        // Long stretches of one value each: only the window sees them.
        let mut rng = crate::rng::Rng::new(&[5; 32], "drift", 0);
        let samples: Vec<u8> = (0..40_000u32)
            .map(|i| u8::from(rng.unit() < if i / 2_000 % 2 == 0 { 0.2 } else { 0.8 }))
            .collect();
        let found = multi_mcw(&samples, 2, &WINDOWS).min_entropy(2);
        assert!((0.30..0.36).contains(&found), "{found}");
    }

    #[test]
    fn fair_bits_are_not_predicted() {
        let mut rng = crate::rng::Rng::new(&[6; 32], "fair", 0);
        let samples: Vec<u8> = (0..50_000).map(|_| (rng.u64() >> 63) as u8).collect();
        for score in [
            multi_mcw(&samples, 2, &WINDOWS),
            lag(&samples, LAGS),
            multi_mmc(&samples, 2, MARKOV_DEPTH),
            lz78y(&samples, 2, DICTIONARY_DEPTH),
        ] {
            assert!(score.min_entropy(2) > 0.96, "{score:?}");
        }
    }
}
