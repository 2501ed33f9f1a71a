//! The code: a polar code of 512 bits, 256 of them frozen (Arikan, IEEE Trans. Inf. Theory 55, 2009), and its successive
//! cancellation decoder in the integers of the gateware.
//!
//! The transform x = u F, with F the ninth Kronecker power of [[1, 0], [1, 1]], is its own inverse. The *syndrome* of a
//! response x is u = x F at the frozen places: half of the information in x, and all that is stored. The decoder finds
//! the x of this syndrome that fits a later reading. This is the code-offset sketch in the form that stores only which
//! coset the response is in (Dodis, Ostrovsky, Reyzin, Smith, SIAM J. Comput. 38, 2008, section 4.1): it gives away the
//! same 256 bits, needs no random codeword and is half as long.
//!
//! Decoding takes the same steps in the same order whatever the reading: 4,608 combinations of two levels.

use crate::reading::SoftResponse;
use crate::{RESPONSE_BITS, SYNDROME_BITS};

/// Bytes of a packed response.
pub const RESPONSE_BYTES: usize = RESPONSE_BITS / 8;
/// Bytes of a syndrome.
pub const SYNDROME_BYTES: usize = SYNDROME_BITS / 8;

/// The frozen places: bit `i % 64` of word `i / 64`. The 256 places that are least reliable at the design point of
/// [`crate::evaluate::density::design`]; a test there computes them again.
#[rustfmt::skip]
pub const FROZEN: [u64; 8] = [
    0xffff_ffff_ffff_ffff, 0x017f_7fff_7fff_ffff, 0x0117_17ff_7fff_ffff, 0x0001_0117_0117_177f,
    0x0117_177f_177f_ffff, 0x0000_0001_0003_177f, 0x0000_0001_0001_017f, 0x0000_0000_0000_0001,
];

/// Levels saturate at plus and minus this.
pub const MAX_LEVEL: i8 = 127;

/// Whether place `index` is frozen.
pub const fn is_frozen(index: usize) -> bool {
    FROZEN[index / 64] >> (index % 64) & 1 == 1
}

/// u = x F in place, or x = u F.
pub fn transform(bits: &mut [bool; RESPONSE_BITS]) {
    let mut half = 1;
    while half < RESPONSE_BITS {
        for block in bits.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(l, h)| *l ^= *h);
        }
        half *= 2;
    }
}

/// The frozen part of the transformed response: frozen places in ascending order, first in bit 0 of byte 0.
pub fn syndrome(response: &[bool; RESPONSE_BITS]) -> [u8; SYNDROME_BYTES] {
    let mut u = *response;
    transform(&mut u);
    let mut out = [0; SYNDROME_BYTES];
    let frozen = (0..RESPONSE_BITS).filter(|i| is_frozen(*i));
    for (at, index) in frozen.enumerate() {
        out[at / 8] |= u8::from(u[index]) << (at % 8);
    }
    out
}

/// A response as bytes: bit `i` in bit `i % 8` of byte `i / 8`.
pub fn pack(response: &[bool; RESPONSE_BITS]) -> [u8; RESPONSE_BYTES] {
    let mut out = [0; RESPONSE_BYTES];
    for (i, bit) in response.iter().enumerate() {
        out[i / 8] |= u8::from(*bit) << (i % 8);
    }
    out
}

/// The response of this syndrome that successive cancellation finds for a reading. Always gives one; only the tag of the
/// helper data tells whether it is the right one.
pub fn decode(reading: &SoftResponse, syndrome: &[u8; SYNDROME_BYTES]) -> [bool; RESPONSE_BITS] {
    let mut decoder = Decoder { syndrome, next: 0, frozen: 0 };
    let mut out = [false; RESPONSE_BITS];
    // Levels of the stages below the first: 256 + 128 + ... + 1.
    let mut scratch = [0; RESPONSE_BITS];
    decoder.node(&reading.0, &mut scratch, &mut out);
    out
}

struct Decoder<'a> {
    syndrome: &'a [u8; SYNDROME_BYTES],
    /// The place of u that is decided next.
    next: usize,
    /// Frozen places before it.
    frozen: usize,
}

impl Decoder<'_> {
    /// Decides the part of x below a node from its levels.
    fn node(&mut self, levels: &[i8], scratch: &mut [i8], x: &mut [bool]) {
        let [level] = levels else {
            let half = levels.len() / 2;
            let (a, b) = levels.split_at(half);
            let (mine, below) = scratch.split_at_mut(half);
            let (low, high) = x.split_at_mut(half);
            for ((out, a), b) in mine.iter_mut().zip(a).zip(b) {
                *out = check(*a, *b);
            }
            self.node(mine, below, low);
            for (((out, a), b), bit) in mine.iter_mut().zip(a).zip(b).zip(&*low) {
                *out = repeat(*a, *b, *bit);
            }
            self.node(mine, below, high);
            low.iter_mut().zip(&*high).for_each(|(l, h)| *l ^= *h);
            return;
        };
        x[0] = if is_frozen(self.next) {
            let bit = self.syndrome[self.frozen / 8] >> (self.frozen % 8) & 1 == 1;
            self.frozen += 1;
            bit
        } else {
            *level < 0
        };
        self.next += 1;
    }
}

/// The level of the exclusive or of two bits: the smaller size, the product of the signs.
pub fn check(a: i8, b: i8) -> i8 {
    let size = a.abs().min(b.abs());
    if (a < 0) != (b < 0) { -size } else { size }
}

/// The level of a bit seen twice, the first time through an exclusive or with `flip`.
pub fn repeat(a: i8, b: i8, flip: bool) -> i8 {
    let a = if flip { -i16::from(a) } else { i16::from(a) };
    (a + i16::from(b)).clamp(-i16::from(MAX_LEVEL), i16::from(MAX_LEVEL)) as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(seed: u64) -> [bool; RESPONSE_BITS] {
        let mut rng = crate::rng::Rng::new(&[1; 32], "polar", seed);
        core::array::from_fn(|_| rng.u64() >> 63 == 1)
    }

    #[test]
    fn half_of_the_places_are_frozen() {
        assert_eq!(FROZEN.iter().map(|w| w.count_ones()).sum::<u32>() as usize, SYNDROME_BITS);
    }

    #[test]
    fn the_transform_is_its_own_inverse_and_the_kronecker_power() {
        let x = bits(0);
        let mut u = x;
        transform(&mut u);
        // u_j = sum of x_i over all i that have every bit of j: the definition, entry by entry.
        for (j, u) in u.iter().enumerate() {
            let sum = (0..RESPONSE_BITS).filter(|i| i & j == j && x[*i]).count();
            assert_eq!(*u, sum % 2 == 1, "{j}");
        }
        transform(&mut u);
        assert_eq!(u, x);
    }

    /// The least weight of the code is that of the lightest row at an information place (Arikan 2009).
    #[test]
    fn the_code_has_distance_sixteen() {
        let least = (0..RESPONSE_BITS).filter(|i| !is_frozen(*i)).map(|i| 1 << i.count_ones()).min();
        assert_eq!(least, Some(16));
    }

    proptest! {
        #[test]
        fn a_perfect_reading_decodes_to_itself(seed: u64) {
            let x = bits(seed);
            let soft = SoftResponse(x.map(|b| if b { -31 } else { 31 }));
            prop_assert_eq!(decode(&soft, &syndrome(&x)), x);
        }

        /// 40 unsure wrong bits, as in a bad reading, and 3 sure ones.
        #[test]
        fn errors_are_corrected(seed: u64) {
            let x = bits(seed);
            let mut rng = crate::rng::Rng::new(&[2; 32], "errors", seed);
            let mut soft = SoftResponse(x.map(|b| if b { -25 } else { 25 }));
            for _ in 0..40 {
                let at = (rng.u64() % RESPONSE_BITS as u64) as usize;
                soft.0[at] = if x[at] { 3 } else { -3 };
            }
            for _ in 0..3 {
                let at = (rng.u64() % RESPONSE_BITS as u64) as usize;
                soft.0[at] = if x[at] { 25 } else { -25 };
            }
            prop_assert_eq!(decode(&soft, &syndrome(&x)), x);
        }

        /// Whatever the reading and the syndrome, the answer has that syndrome.
        #[test]
        fn what_is_decoded_has_the_syndrome(seed: u64, wanted: [u8; SYNDROME_BYTES]) {
            let mut rng = crate::rng::Rng::new(&[3; 32], "noise", seed);
            let soft = SoftResponse(core::array::from_fn(|_| (rng.u64() % 63) as i8 - 31));
            prop_assert_eq!(syndrome(&decode(&soft, &wanted)), wanted);
        }
    }
}
