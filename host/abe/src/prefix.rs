//! Numbers of 32 bits as attributes: a holder of a value gets keys for all its prefixes, a policy asks
//! for the few prefixes that cover a range.
//!
//! Every range is a disjoint union of at most 62 dyadic intervals, and a value lies in such an interval
//! exactly if the interval's prefix is among the value's 33. So a comparison opens with one row, and
//! keys of several values do not mix: each key opens exactly what its own value may open. Bit by bit
//! (BSW07) they do mix: see `docs/decisions/0004-prefixes-not-bit-gates.md`.

use std::fmt;
use std::ops::RangeInclusive;

/// Bits of a number.
pub const NUMBER_BITS: u32 = u32::BITS;

/// The numbers that begin with certain bits: a dyadic interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The least number of the interval.
    first: u32,
    /// How many leading bits are fixed, 0 to 32.
    length: u32,
}

impl Prefix {
    /// The numbers whose `length` leading bits are those of `value`; `length` is cut to 32.
    pub fn of(value: u32, length: u32) -> Self {
        let length = length.min(NUMBER_BITS);
        Self { first: value & !tail(length), length }
    }

    /// All 33 prefixes of `value`, from the empty one to the value itself.
    pub fn all_of(value: u32) -> impl Iterator<Item = Self> {
        (0..=NUMBER_BITS).map(move |length| Self::of(value, length))
    }

    /// The fewest prefixes that together hold exactly the numbers of `range`, in ascending order. None
    /// if the range is empty, one of length 0 if it is full, never more than 62.
    pub fn cover(range: RangeInclusive<u32>) -> Vec<Self> {
        let mut cover = Vec::new();
        if range.is_empty() {
            return cover;
        }
        let (mut first, last) = range.into_inner();
        loop {
            // The longest interval that starts here, is aligned to its own size and ends in time.
            let fits = |length: &u32| first & tail(*length) == 0 && tail(*length) <= last - first;
            let prefix = Self::of(first, (0..=NUMBER_BITS).find(fits).unwrap_or(NUMBER_BITS));
            cover.push(prefix);
            match prefix.last().checked_add(1) {
                Some(next) if next <= last => first = next,
                _ => return cover,
            }
        }
    }

    /// The inverse of `Display`: 0 to 32 characters `0` or `1`.
    pub fn from_bits(bits: &str) -> Option<Self> {
        let length = u32::try_from(bits.len()).ok().filter(|length| *length <= NUMBER_BITS)?;
        let push = |value: u32, bit| match bit {
            b'0' => Some(value << 1),
            b'1' => Some(value << 1 | 1),
            _ => None,
        };
        let value = bits.bytes().try_fold(0, push)?;
        Some(Self { first: value.checked_shl(NUMBER_BITS - length).unwrap_or(0), length })
    }

    /// Whether `value` begins with these bits.
    pub fn contains(&self, value: u32) -> bool {
        (self.first..=self.last()).contains(&value)
    }

    /// How many leading bits are fixed.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// The least number.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The greatest number.
    pub fn last(&self) -> u32 {
        self.first | tail(self.length)
    }
}

/// The bits that a prefix of this length leaves open.
fn tail(length: u32) -> u32 {
    u32::MAX.checked_shr(length).unwrap_or(0)
}

/// The fixed bits, from the highest; nothing for the prefix of length 0.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.length).try_for_each(|i| f.write_str(if self.first << i >> 31 == 1 { "1" } else { "0" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_covers() {
        let cover = |range| {
            let intervals = Prefix::cover(range).into_iter().map(|p| (p.first(), p.last()));
            intervals.collect::<Vec<_>>()
        };
        assert_eq!(cover(18..=65), [(18, 19), (20, 23), (24, 31), (32, 63), (64, 65)]);
        assert_eq!(cover(7..=7), [(7, 7)]);
        assert_eq!(cover(0..=u32::MAX), [(0, u32::MAX)]);
        assert_eq!(cover(u32::MAX..=u32::MAX), [(u32::MAX, u32::MAX)]);
        assert_eq!(cover(0..=0), [(0, 0)]);
        #[expect(clippy::reversed_empty_ranges, reason = "the empty range is the case under test")]
        let empty = 2..=1;
        assert_eq!(cover(empty), []);
        assert_eq!(cover(1..=u32::MAX - 1).len(), 62);
        assert_eq!((cover(18..=u32::MAX).len(), cover(18..=127).len()), (30, 5));
        assert_eq!(cover(1..=u32::MAX).len(), 32);
    }

    #[test]
    fn texts_are_the_leading_bits() {
        assert_eq!(Prefix::of(u32::MAX, 0).to_string(), "");
        assert_eq!(Prefix::of(0b0101 << 28 | 77, 4).to_string(), "0101");
        assert_eq!(Prefix::of(1, 99).to_string(), format!("{:032b}", 1));
        for bad in ["2", "0 ", "01é", &"0".repeat(33)] {
            assert_eq!(Prefix::from_bits(bad), None);
        }
    }

    proptest! {
        #[test]
        fn a_cover_is_exact_disjoint_and_small(a: u32, b: u32, near in 0u32..4000, values: [u32; 8]) {
            for (first, last) in [(a.min(b), a.max(b)), (a, a.saturating_add(near))] {
                let cover = Prefix::cover(first..=last);
                prop_assert!(cover.len() <= 62);
                prop_assert_eq!((cover[0].first(), cover[cover.len() - 1].last()), (first, last));
                prop_assert!(cover.windows(2).all(|pair| pair[0].last() + 1 == pair[1].first()));
                for value in values.into_iter().chain([first, last]) {
                    let shared = Prefix::all_of(value).filter(|prefix| cover.contains(prefix)).count();
                    prop_assert_eq!(shared, usize::from((first..=last).contains(&value)));
                }
            }
        }

        #[test]
        fn prefixes_round_trip(value: u32, length in 0u32..=32) {
            let prefix = Prefix::of(value, length);
            prop_assert_eq!(Prefix::from_bits(&prefix.to_string()), Some(prefix));
            prop_assert!(prefix.contains(value));
        }
    }
}
