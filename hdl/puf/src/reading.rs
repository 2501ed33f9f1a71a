//! From counts to a response: what the gateware does between the rings and the decoder, in its integers.
//!
//! Both rings of a pair count over the same window, several times. The sum of the differences of a pair is its
//! *difference* d. The median of |d| over all pairs, m, is the chip's own yardstick: it scales with window, temperature
//! and spread of the chip, so no threshold needs calibration and none is published. A pair gives two bits: d > 0 and
//! |d| > m. How far d is from 0, or |d| from m, in sixteenths of m, is how reliable the bit is; it stays in the board.

use std::fmt;

use crate::silicon::{EDGE_FRACTION_BITS, PowerUp};
use crate::{PAIRS, RESPONSE_BITS};

/// Length of a counting window in clocks of 12 MHz: 170.7 us.
pub const WINDOW_CLOCKS_AT_12_MHZ: u32 = 2_048;
/// Samples summed at enrolment.
pub const ENROLMENT_SAMPLES: usize = 16;
/// Samples summed at reconstruction.
pub const RECONSTRUCTION_SAMPLES: usize = 4;
/// A count below this is a ring that does not run: 12 MHz.
pub const MIN_COUNT: u32 = WINDOW_CLOCKS_AT_12_MHZ;
/// A count above this is no ring of this design: 360 MHz.
pub const MAX_COUNT: u32 = 30 * WINDOW_CLOCKS_AT_12_MHZ;
/// A median below this means rings that are locked to one another, or a window too short.
pub const MIN_MEDIAN: u16 = 32;
/// The highest reliability of a bit.
pub const MAX_RELIABILITY: u8 = 15;

/// Why the health tests refuse a reading. None of them depends on which ring of a pair is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A ring's count is outside [`MIN_COUNT`] to [`MAX_COUNT`]: stuck, shorted, or not a ring.
    Count,
    /// The median difference is below [`MIN_MEDIAN`].
    Locked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "a ring's count is out of range",
            Self::Locked => "the rings of too many pairs run at the same frequency",
        })
    }
}

/// Counting window of a board, in its own clocks.
pub const fn window_clocks(clock_hz: u32) -> u32 {
    (WINDOW_CLOCKS_AT_12_MHZ as u64 * clock_hz as u64 / 12_000_000) as u32
}

/// What a simulated counter shows after a window, see [`crate::silicon::edges_per_clock`].
pub fn count(step: u32, window_clocks: u32) -> u32 {
    ((u64::from(step) * u64::from(window_clocks)) >> EDGE_FRACTION_BITS) as u32
}

/// The sums of differences of all pairs, saturated to 16 bits. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Differences([i16; PAIRS]);

impl fmt::Debug for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Differences(secret)")
    }
}

impl Differences {
    /// Before the first sample.
    pub const fn zero() -> Self {
        Self([0; PAIRS])
    }

    /// Adds one sample of one pair: first ring minus second.
    pub fn add(&mut self, pair: usize, first: u32, second: u32) -> Result<(), Fault> {
        let range = MIN_COUNT..=MAX_COUNT;
        if !range.contains(&first) || !range.contains(&second) {
            return Err(Fault::Count);
        }
        // Both fit in 16 bits.
        let sum = i32::from(self.0[pair]) + first as i32 - second as i32;
        self.0[pair] = sum.clamp(-32_767, 32_767) as i16;
        Ok(())
    }

    /// Sums `samples` samples of every pair of a chip that is switched on, on a board with `clock_hz`.
    pub fn read(chip: &mut PowerUp, clock_hz: u32, samples: usize) -> Result<Self, Fault> {
        let window = window_clocks(clock_hz);
        let mut sums = Self::zero();
        for _ in 0..samples {
            let steps = chip.sample_steps(clock_hz);
            for (pair, rings) in steps.chunks_exact(2).enumerate() {
                sums.add(pair, count(rings[0], window), count(rings[1], window))?;
            }
        }
        sums.check()?;
        Ok(sums)
    }

    /// The differences themselves, for tests and evaluation.
    pub fn from_raw(differences: [i16; PAIRS]) -> Self {
        Self(differences.map(|d| d.max(-32_767)))
    }

    /// The smallest m such that at most half of the pairs have |d| > m. Found bit by bit from the top, as in gateware.
    pub fn median(&self) -> u16 {
        let above = |m: u16| self.0.iter().filter(|d| d.unsigned_abs() > m).count();
        let mut median = 0;
        for bit in (0..15).rev() {
            let step = 1 << bit;
            if above(median + (step - 1)) > PAIRS / 2 {
                median += step;
            }
        }
        median
    }

    /// The last health test, over all pairs.
    pub fn check(&self) -> Result<(), Fault> {
        if self.median() < MIN_MEDIAN { Err(Fault::Locked) } else { Ok(()) }
    }

    /// The response with the reliability of its bits.
    pub fn soft(&self) -> SoftResponse {
        let median = self.median();
        let step = (median >> 4).max(1);
        let mut soft = [0; RESPONSE_BITS];
        for (pair, d) in self.0.iter().enumerate() {
            let size = d.unsigned_abs();
            soft[sign_index(pair)] = level(*d > 0, size, step);
            soft[size_index(pair)] = level(size > median, size.abs_diff(median), step);
        }
        SoftResponse(soft)
    }
}

/// Where the response has the bit d > 0 of a pair.
pub const fn sign_index(pair: usize) -> usize {
    pair
}

/// Where the response has the bit |d| > m of a pair: the other half, backwards. The two bits of a pair are not
/// independent: where one is unsure, the other is sure. In this order the decoder combines them with each other last of
/// all; combined first, chips fail five times as often.
pub const fn size_index(pair: usize) -> usize {
    RESPONSE_BITS - 1 - pair
}

/// An odd number: negative for a one, the larger the surer.
fn level(bit: bool, distance: u16, step: u16) -> i8 {
    let reliability = (distance / step).min(u16::from(MAX_RELIABILITY)) as i8;
    let level = 2 * reliability + 1;
    if bit { -level } else { level }
}

/// The bits of a response with their reliability: odd numbers from -31 (surely one) to 31 (surely zero). Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SoftResponse(pub(crate) [i8; RESPONSE_BITS]);

impl fmt::Debug for SoftResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftResponse(secret)")
    }
}

impl SoftResponse {
    /// The levels themselves, for comparison with gateware.
    pub fn levels(&self) -> &[i8; RESPONSE_BITS] {
        &self.0
    }

    /// The bits alone.
    pub fn bits(&self) -> [bool; RESPONSE_BITS] {
        self.0.map(|level| level < 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::silicon::{Chip, Device, ROOM};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_median_is_the_smallest_that_halves(raw in proptest::collection::vec(any::<i16>(), PAIRS)) {
            let d = Differences::from_raw(raw.try_into().unwrap());
            let median = d.median();
            let above = |m: u16| d.0.iter().filter(|d| d.unsigned_abs() > m).count();
            prop_assert!(above(median) <= PAIRS / 2);
            prop_assert!(median == 0 || above(median - 1) > PAIRS / 2);
            prop_assert!(d.soft().0.iter().all(|l| l % 2 != 0 && (-31..=31).contains(l)));
        }
    }

    #[test]
    fn every_place_of_the_response_is_used_once() {
        let mut used = [0; RESPONSE_BITS];
        for pair in 0..PAIRS {
            used[sign_index(pair)] += 1;
            used[size_index(pair)] += 1;
        }
        assert_eq!(used, [1; RESPONSE_BITS]);
    }

    #[test]
    fn half_of_the_size_bits_are_set() {
        let chip = Chip::of_the_project([5; 32], Device::Up5k).unwrap();
        let read = Differences::read(&mut chip.power_up(&ROOM, 0), 12_000_000, 4).unwrap();
        let bits = read.soft().bits();
        let ones = bits[PAIRS..].iter().filter(|b| **b).count();
        assert!((PAIRS / 2 - 4..=PAIRS / 2).contains(&ones), "{ones}");
    }

    #[test]
    fn the_window_lasts_as_long_on_a_faster_clock() {
        let chip = Chip::of_the_project([5; 32], Device::Hx8k).unwrap();
        let read = |clock_hz| Differences::read(&mut chip.power_up(&ROOM, 0), clock_hz, 4).unwrap();
        let (slow, fast) = (read(12_000_000), read(48_000_000));
        // Counts round differently: once a sample and ring, by less than one.
        assert!(slow.0.iter().zip(fast.0).all(|(a, b)| (a - b).abs() <= 8));
    }

    #[test]
    fn stuck_and_locked_rings_are_faults() {
        let mut d = Differences::zero();
        assert_eq!(d.add(0, 0, 20_000), Err(Fault::Count));
        assert_eq!(d.add(0, 20_000, MIN_COUNT - 1), Err(Fault::Count));
        assert_eq!(d.add(0, MAX_COUNT + 1, 20_000), Err(Fault::Count));
        for pair in 0..PAIRS {
            d.add(pair, 20_000, if pair < 127 { 21_000 } else { 20_003 }).unwrap();
        }
        assert_eq!(d.check(), Err(Fault::Locked));
        d.add(200, 20_000, 21_000).unwrap();
        d.add(201, 20_000, 21_000).unwrap();
        assert_eq!(d.check(), Ok(()));
    }

    #[test]
    fn sums_saturate() {
        let mut d = Differences::zero();
        for _ in 0..16 {
            d.add(3, MIN_COUNT, MAX_COUNT).unwrap();
            d.add(4, MAX_COUNT, MIN_COUNT).unwrap();
        }
        assert_eq!((d.0[3], d.0[4]), (-32_767, 32_767));
    }
}
