//! Random bits from the rings, and the health tests of SP 800-90B that run on every raw bit.
//!
//! A raw bit is the exclusive or of the lowest bits of both counts of a window, pairs in turn: what jitter has collected
//! in a window is several counts wide, so the lowest bit is close to fair. The claim is [`CLAIMED_MIN_ENTROPY`] a bit,
//! far below what the model gives, because no iCE40 has been measured. [`SEED_RAW_BITS`] raw bits are conditioned by
//! SHA-256 to 32 bytes: 1,024 times 0.5 is more than the 256 + 64 bits SP 800-90C asks for full entropy.

use sha2::{Digest as _, Sha256};

/// Min-entropy claimed of a raw bit.
pub const CLAIMED_MIN_ENTROPY: f64 = 0.5;
/// The tests fail on a source as good as claimed with at most this probability, as a power of two.
pub const FALSE_ALARM_LOG2: i32 = -30;
/// Window of the adaptive proportion test for binary sources (SP 800-90B section 4.4.2).
pub const PROPORTION_WINDOW: u32 = 1_024;
/// Raw bits for one output of 32 bytes.
pub const SEED_RAW_BITS: usize = 1_024;
/// Raw bits that must pass before the first output (SP 800-90B section 4.3: at least 1,024).
pub const START_UP_BITS: u32 = 1_024;

/// Equal bits in a row at which the repetition count test fails; [`repetition_cutoff`] computes it.
pub const REPETITION_CUTOFF: u32 = 61;
/// Bits equal to the first of a window at which the adaptive proportion test fails; [`proportion_cutoff`] computes it.
pub const PROPORTION_CUTOFF: u32 = 810;

/// C = 1 + ceil(-log2 alpha / H), SP 800-90B section 4.4.1.
pub fn repetition_cutoff(min_entropy: f64, false_alarm_log2: i32) -> u32 {
    1 + (f64::from(-false_alarm_log2) / min_entropy).ceil() as u32
}

/// C = 1 + critbinom(W, 2^-H, 1 - alpha), SP 800-90B section 4.4.2.
pub fn proportion_cutoff(min_entropy: f64, false_alarm_log2: i32, window: u32) -> u32 {
    let p = (-min_entropy).exp2();
    let alpha = f64::from(false_alarm_log2).exp2();
    // From the top: the upper tail is summed where it is small. critbinom is the least c with P(X > c) <= alpha.
    let (mut above, mut log_term) = (0.0, f64::from(window) * p.ln());
    let mut c = window;
    while above + log_term.exp() <= alpha {
        above += log_term.exp();
        log_term += (f64::from(c) / f64::from(window - c + 1)).ln() + ((1.0 - p) / p).ln();
        c -= 1;
    }
    1 + c
}

/// Which test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Too many equal bits in a row.
    Repetition,
    /// Too many equal bits in a window.
    Proportion,
}

/// Both continuous tests, as the gateware keeps them. An alarm stays until power-up.
#[derive(Clone, Debug)]
pub struct HealthTests {
    last: bool,
    run: u32,
    first: bool,
    position: u32,
    equal: u32,
    alarm: Option<Alarm>,
    seen: u32,
}

impl HealthTests {
    /// Before the first bit.
    pub const fn new() -> Self {
        Self { last: false, run: 0, first: false, position: 0, equal: 0, alarm: None, seen: 0 }
    }

    /// Takes a raw bit; the alarm, if there is or was one.
    pub fn push(&mut self, bit: bool) -> Result<(), Alarm> {
        self.run = if self.run > 0 && bit == self.last { self.run + 1 } else { 1 };
        self.last = bit;
        if self.position == 0 {
            self.first = bit;
            self.equal = 0;
        }
        self.equal += u32::from(bit == self.first);
        self.position = (self.position + 1) % PROPORTION_WINDOW;
        self.seen = (self.seen + 1).min(START_UP_BITS);
        if self.run >= REPETITION_CUTOFF {
            self.alarm.get_or_insert(Alarm::Repetition);
        }
        if self.equal >= PROPORTION_CUTOFF {
            self.alarm.get_or_insert(Alarm::Proportion);
        }
        self.alarm.map_or(Ok(()), Err)
    }

    /// Whether output may be given: the start-up bits have passed and nothing failed since.
    pub fn ready(&self) -> bool {
        self.alarm.is_none() && self.seen >= START_UP_BITS
    }
}

impl Default for HealthTests {
    fn default() -> Self {
        Self::new()
    }
}

/// The raw bit of a window.
pub fn raw_bit(first_count: u32, second_count: u32) -> bool {
    (first_count ^ second_count) & 1 == 1
}

/// Conditions raw bits to 32 bytes; bit `i` in bit `i % 8` of byte `i / 8`.
pub fn condition(raw: &[bool; SEED_RAW_BITS]) -> [u8; 32] {
    let mut bytes = [0; SEED_RAW_BITS / 8];
    for (i, bit) in raw.iter().enumerate() {
        bytes[i / 8] |= u8::from(*bit) << (i % 8);
    }
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn cutoffs_follow_from_the_claim() {
        assert_eq!(REPETITION_CUTOFF, repetition_cutoff(CLAIMED_MIN_ENTROPY, FALSE_ALARM_LOG2));
        assert_eq!(
            PROPORTION_CUTOFF,
            proportion_cutoff(CLAIMED_MIN_ENTROPY, FALSE_ALARM_LOG2, PROPORTION_WINDOW)
        );
    }

    /// Cutoffs of the formula that others publish for alpha = 2^-20, W = 1,024: a full-entropy bit gives 589 (SP 800-90B
    /// section 4.4.2, table 2: H = 1, binary), and C = 21 in a row.
    #[test]
    fn cutoffs_match_published_values() {
        assert_eq!(repetition_cutoff(1.0, -20), 21);
        assert_eq!(repetition_cutoff(0.5, -20), 41);
        assert_eq!(proportion_cutoff(1.0, -20, 1_024), 589);
    }

    fn feed(bits: impl Iterator<Item = bool>) -> Option<(usize, Alarm)> {
        let mut tests = HealthTests::new();
        bits.enumerate().find_map(|(i, bit)| tests.push(bit).err().map(|alarm| (i + 1, alarm)))
    }

    #[test]
    fn a_stuck_source_alarms_at_the_cutoff() {
        for stuck in [false, true] {
            let bits = std::iter::repeat_n(stuck, 1_000);
            assert_eq!(feed(bits), Some((REPETITION_CUTOFF as usize, Alarm::Repetition)));
        }
        // A run of one less passes, wherever it starts.
        let bits = (0..10_000).map(|i| i % REPETITION_CUTOFF != 0);
        assert_ne!(feed(bits).unwrap().1, Alarm::Repetition);
    }

    #[test]
    fn a_biased_source_alarms_by_proportion() {
        let mut rng = Rng::new(&[9; 32], "biased", 0);
        let (_, alarm) = feed((0..100_000).map(|_| rng.unit() < 0.85)).unwrap();
        assert_eq!(alarm, Alarm::Proportion);
    }

    #[test]
    fn a_source_as_good_as_claimed_does_not_alarm() {
        let mut rng = Rng::new(&[10; 32], "claimed", 0);
        let p = (-CLAIMED_MIN_ENTROPY).exp2();
        assert_eq!(feed((0..2_000_000).map(|_| rng.unit() < p)), None);
    }

    #[test]
    fn output_waits_for_start_up_and_an_alarm_stays() {
        let mut tests = HealthTests::new();
        for i in 0..START_UP_BITS {
            assert!(!tests.ready());
            tests.push(i % 2 == 0).unwrap();
        }
        assert!(tests.ready());
        let alarm = (0..100).find_map(|_| tests.push(true).err());
        assert_eq!(alarm, Some(Alarm::Repetition));
        assert_eq!(tests.push(false), Err(Alarm::Repetition));
        assert!(!tests.ready());
    }
}
