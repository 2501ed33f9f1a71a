//! Multiplication by secret scalars in G2 and Gt, in a fixed sequence of operations and memory accesses.
//!
//! Both groups have a cheap map φ that multiplies by p (in Gt the Frobenius; in G2 the same, carried over
//! from the untwisted curve: Galbraith and Scott, 2008). Modulo the group order p = -u with
//! u = 0xd201000000010000, and the order is below u^4. So a scalar in base u, k0 + k1·u + k2·u² + k3·u³,
//! multiplies P to
//!
//! ```text
//! k0·P - φ(k1·P - φ(k2·P - φ(k3·P)))
//! ```
//!
//! with factors of 64 bits. They are recoded into signed digits of 5 bits; a fixed base has its multiples
//! by 1 to 16 times every power of 32 in a table, another base by 1 to 16 for each power of φ. Reading an
//! entry scans its whole row.

use crate::curve::{FixedBase, Group};
use blst::{blst_fp12, blst_p2_affine, p2_affines};
use blstrs::{Fp2, Fp12, G2Affine, G2Projective, Gt, Scalar};
use ff::Field;
use std::hint::black_box;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// |x|, the parameter of BLS12-381, up to its sign.
const U: u64 = 0xd201_0000_0001_0000;
const WIDTH: usize = 5;
/// Entries of a row of a table: the multiples by 1 to 16.
const ROW: usize = 1 << (WIDTH - 1);
/// Digits that cover 64 bits.
const DIGITS: usize = 13;

/// A group with the map φ, and a representation of its elements as plain limbs.
pub trait Endomorphic: Group<Scalar = Scalar> {
    /// Limbs of an element, affine where that makes a difference.
    type Limbs: Copy + AsRef<[u64]> + AsMut<[u64]>;

    /// p times `self`.
    fn phi(&self) -> Self;
    /// The limbs of `elements`.
    fn pack(elements: &[Self]) -> Vec<Self::Limbs>;
    /// `self` plus what the limbs stand for.
    fn plus_packed(&self, limbs: &Self::Limbs) -> Self;
    /// The negative of what the limbs stand for.
    fn negated_packed(limbs: &Self::Limbs) -> Self::Limbs;
    /// The limbs of the identity.
    fn packed_identity() -> Self::Limbs;
}

/// A base with the multiples that make multiplying it fast.
pub struct Table<G: Endomorphic> {
    /// Row d has the multiples by 1 to 16 times 32^d.
    rows: Vec<G::Limbs>,
}

impl<G: Endomorphic> FixedBase for Table<G> {
    type Group = G;

    fn new(base: &G) -> Self {
        let mut multiples = Vec::with_capacity(DIGITS * ROW);
        let mut base = *base;
        for _ in 0..DIGITS {
            let row = row_of(base);
            base = row[ROW - 1].plus(&row[ROW - 1]);
            multiples.extend(row);
        }
        Self { rows: G::pack(&multiples) }
    }

    fn scaled(&self, scalar: &Scalar) -> G {
        let digits = digits(scalar);
        let mut sum = G::identity();
        for factor in digits.iter().rev() {
            sum = sum.phi().negated();
            for (row, digit) in self.rows.chunks_exact(ROW).zip(factor) {
                sum = sum.plus_packed(&select::<G>(row, *digit));
            }
        }
        sum
    }
}

/// The sum of scalar times element; `double` is 2 times, as fast as the group has it.
pub(crate) fn sum_of_multiples<G: Endomorphic>(terms: &[(Scalar, G)], double: impl Fn(&G) -> G) -> G {
    let prepare = |(scalar, base): &(Scalar, G)| {
        let mut row = row_of(*base);
        let tables = [(); 4].map(|()| {
            let table = G::pack(&row);
            row.iter_mut().for_each(|element| *element = element.phi().negated());
            table
        });
        (digits(scalar), tables)
    };
    let terms: Vec<_> = terms.iter().map(prepare).collect();
    let mut sum = G::identity();
    for d in (0..DIGITS).rev() {
        for _ in 0..WIDTH {
            sum = double(&sum);
        }
        for (digits, tables) in &terms {
            for (factor, table) in digits.iter().zip(tables) {
                sum = sum.plus_packed(&select::<G>(table, factor[d]));
            }
        }
    }
    sum
}

/// The multiples by 1 to 16.
fn row_of<G: Group>(base: G) -> Vec<G> {
    let mut row = vec![base; ROW];
    for i in 1..ROW {
        row[i] = row[i - 1].plus(&base);
    }
    row
}

/// `digit` times the base of `row`.
fn select<G: Endomorphic>(row: &[G::Limbs], digit: i8) -> G::Limbs {
    let sign = digit >> 7;
    let magnitude = ((digit ^ sign) - sign) as u64;
    let mut selected = G::packed_identity();
    // Through `black_box`, or the compiler may make a branch of it.
    keep_if(&mut selected, black_box(is_zero(magnitude)));
    for (i, entry) in row.iter().enumerate() {
        let mask = black_box(is_zero(magnitude ^ (i as u64 + 1)));
        for (to, from) in selected.as_mut().iter_mut().zip(entry.as_ref()) {
            *to |= from & mask;
        }
    }
    let mut negative = G::negated_packed(&selected);
    let mask = black_box(sign as i64 as u64);
    keep_if(&mut negative, mask);
    keep_if(&mut selected, !mask);
    for (to, from) in selected.as_mut().iter_mut().zip(negative.as_ref()) {
        *to |= from;
    }
    selected
}

fn keep_if(limbs: &mut impl AsMut<[u64]>, mask: u64) {
    limbs.as_mut().iter_mut().for_each(|limb| *limb &= mask);
}

/// All ones if `value`, which is below 2^63, is zero; else zero.
fn is_zero(value: u64) -> u64 {
    (((value.wrapping_sub(1)) as i64) >> 63) as u64
}

/// The factors k0 to k3 of a scalar, each as digits from -15 to 16, the lowest first.
fn digits(scalar: &Scalar) -> Zeroizing<[[i8; DIGITS]; 4]> {
    let bytes = Zeroizing::new(scalar.to_bytes_le());
    let mut rest = Zeroizing::new([0u64; 4]);
    for (limb, bytes) in rest.iter_mut().zip(bytes.as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    let mut digits = Zeroizing::new([[0; DIGITS]; 4]);
    for (i, factor) in digits.iter_mut().enumerate() {
        // The quotient by U loses 64 bits each time, up to the last.
        let remainder = if i < 3 { divide(&mut rest) } else { rest[0] };
        let mut carry = 0;
        for (d, digit) in factor.iter_mut().enumerate() {
            let value = ((remainder >> (WIDTH * d)) & 31) as i8 + carry;
            // 1 if the value is above 16.
            carry = ((16 - value) >> 7) & 1;
            *digit = value - (carry << WIDTH);
        }
    }
    digits
}

/// Divides by U bit by bit, which takes the same steps for any number; returns the remainder.
fn divide(number: &mut [u64; 4]) -> u64 {
    let mut remainder = 0u64;
    for limb in number.iter_mut().rev() {
        let mut quotient = 0;
        for bit in (0..64).rev() {
            let carried = remainder >> 63;
            let shifted = (remainder << 1) | ((*limb >> bit) & 1);
            let (reduced, borrow) = shifted.overflowing_sub(U);
            // It went below zero unless a 65th bit makes up for the borrow.
            let fits = black_box(carried | u64::from(!borrow));
            remainder = (reduced & fits.wrapping_neg()) | (shifted & fits.wrapping_sub(1));
            quotient = (quotient << 1) | fits;
        }
        *limb = quotient;
    }
    remainder
}

impl Endomorphic for Gt {
    type Limbs = [u64; 72];

    fn phi(&self) -> Self {
        let mut element = Fp12::from(*self);
        element.frobenius_map(1);
        element.into()
    }

    fn pack(elements: &[Self]) -> Vec<[u64; 72]> {
        elements.iter().map(|element| gt_limbs(&Fp12::from(*element).into())).collect()
    }

    fn plus_packed(&self, limbs: &[u64; 72]) -> Self {
        (Fp12::from(*self) * unpack_gt(limbs)).into()
    }

    fn negated_packed(limbs: &[u64; 72]) -> [u64; 72] {
        let mut element = unpack_gt(limbs);
        element.conjugate();
        gt_limbs(&element.into())
    }

    fn packed_identity() -> [u64; 72] {
        gt_limbs(&Fp12::ONE.into())
    }
}

fn gt_limbs(element: &blst_fp12) -> [u64; 72] {
    let mut limbs = [0; 72];
    let numbers = element.fp6.iter().flat_map(|c| &c.fp2).flat_map(|c| &c.fp);
    limbs.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(to, from)| *to = from.l);
    limbs
}

fn unpack_gt(limbs: &[u64; 72]) -> Fp12 {
    let mut element = blst_fp12::default();
    let numbers = element.fp6.iter_mut().flat_map(|c| &mut c.fp2).flat_map(|c| &mut c.fp);
    numbers.zip(limbs.as_chunks().0).for_each(|(to, from)| to.l = *from);
    element.into()
}

impl Endomorphic for G2Projective {
    type Limbs = [u64; 24];

    fn phi(&self) -> Self {
        // Frobenius of the untwisted point, twisted back: 1/ξ^((p-1)/3) and 1/ξ^((p-1)/2), ξ = u + 1.
        static FACTORS: OnceLock<(Fp2, Fp2)> = OnceLock::new();
        let (x_factor, y_factor) = FACTORS.get_or_init(|| {
            let one = blst_fp12::default().fp6[0].fp2[0];
            // v = w², and v·w = w³, raised to p, are themselves times the inverses of the factors.
            let (mut v, mut vw) =
                (blst_fp12 { fp6: Default::default() }, blst_fp12 { fp6: Default::default() });
            (v.fp6[0].fp2[1], vw.fp6[1].fp2[1]) = (one, one);
            let (mut v, mut vw) = (Fp12::from(v), Fp12::from(vw));
            v.frobenius_map(1);
            vw.frobenius_map(1);
            let inverse = |factor: Fp2| factor.invert().unwrap_or(Fp2::ZERO);
            (inverse(v.c0().c1()), inverse(vw.c1().c1()))
        });
        let conjugate = |mut coordinate: Fp2| {
            coordinate.frobenius_map(1);
            coordinate
        };
        Self::from_raw_unchecked(
            conjugate(self.x()) * x_factor,
            conjugate(self.y()) * y_factor,
            conjugate(self.z()),
        )
    }

    fn pack(elements: &[Self]) -> Vec<[u64; 24]> {
        let points: Vec<_> = elements.iter().map(|point| *point.as_ref()).collect();
        p2_affines::from(&points).as_slice().iter().map(g2_limbs).collect()
    }

    fn plus_packed(&self, limbs: &[u64; 24]) -> Self {
        self + unpack_g2(limbs)
    }

    /// By hand: `-` of an affine point looks whether it is the identity first.
    fn negated_packed(limbs: &[u64; 24]) -> [u64; 24] {
        let mut point = *unpack_g2(limbs).as_ref();
        point.y = (-Fp2::from(point.y)).into();
        g2_limbs(&point)
    }

    /// blst's form of the point at infinity.
    fn packed_identity() -> [u64; 24] {
        [0; 24]
    }
}

fn g2_limbs(point: &blst_p2_affine) -> [u64; 24] {
    let mut limbs = [0; 24];
    let numbers = point.x.fp.iter().chain(&point.y.fp);
    limbs.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(to, from)| *to = from.l);
    limbs
}

fn unpack_g2(limbs: &[u64; 24]) -> G2Affine {
    let mut point = G2Affine::default();
    let blst_p2_affine { x, y } = point.as_mut();
    let numbers = x.fp.iter_mut().chain(&mut y.fp);
    numbers.zip(limbs.as_chunks().0).for_each(|(to, from)| to.l = *from);
    point
}

/// The square of an element of the cyclotomic subgroup, to which all of Gt belongs (Granger and Scott,
/// 2010, section 3.2): 9 squarings in Fp2, where a general one takes 12 multiplications.
pub(crate) fn cyclotomic_square(element: &Gt) -> Gt {
    let blst_fp12 { fp6: [c0, c1] } = Fp12::from(*element).into();
    let [a0, a2, a4] = c0.fp2.map(Fp2::from);
    let [a1, a3, a5] = c1.fp2.map(Fp2::from);
    // In Fp4 = Fp2(s), s² = ξ: (a + b s)² = (a² + ξ b²) + ((a + b)² - a² - b²) s.
    let square = |a: Fp2, b: Fp2| {
        let (aa, bb) = (a.square(), b.square());
        let mut xi_bb = bb;
        xi_bb.mul_by_nonresidue();
        (aa + xi_bb, (a + b).square() - aa - bb)
    };
    let (t0, t1) = square(a0, a3);
    let (t2, t3) = square(a1, a4);
    let (t4, t5) = square(a2, a5);
    let mut xi_t5 = t5;
    xi_t5.mul_by_nonresidue();
    let minus = |t: Fp2, a: Fp2| (t - a).double() + t;
    let plus = |t: Fp2, a: Fp2| (t + a).double() + t;
    let mut square = blst_fp12::default();
    square.fp6[0].fp2 = [minus(t0, a0), minus(t2, a2), minus(t4, a4)].map(Into::into);
    square.fp6[1].fp2 = [plus(xi_t5, a1), plus(t1, a3), plus(t3, a5)].map(Into::into);
    Gt::from(Fp12::from(square))
}

#[cfg(test)]
mod tests {
    use super::*;
    use group::Group as _;
    use rand_core::OsRng;

    fn scalars() -> Vec<Scalar> {
        let u = Scalar::from(U);
        let mut scalars = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(16), Scalar::from(17)];
        scalars.extend([
            u,
            -u,
            u - Scalar::ONE,
            u * u,
            u * u * u,
            u * u * u - Scalar::ONE,
            Scalar::from(u64::MAX),
        ]);
        scalars.extend((0..20).map(|_| Scalar::random(OsRng)));
        scalars
    }

    #[test]
    fn digits_make_up_the_scalar() {
        for scalar in scalars() {
            let sum = digits(&scalar).iter().rev().fold(Scalar::ZERO, |sum, factor| {
                let factor = factor.iter().rev().fold(Scalar::ZERO, |sum, digit| {
                    assert!((-15..=16).contains(digit));
                    let size = Scalar::from(u64::from(digit.unsigned_abs()));
                    sum * Scalar::from(32) + if *digit < 0 { -size } else { size }
                });
                sum * Scalar::from(U) + factor
            });
            assert_eq!(sum, scalar);
        }
    }

    #[test]
    fn phi_multiplies_by_minus_u() {
        let (p, e) = (G2Projective::random(OsRng), Gt::generator() * Scalar::random(OsRng));
        assert_eq!(p.phi(), p * -Scalar::from(U));
        assert_eq!(e.phi(), e * -Scalar::from(U));
    }

    #[test]
    fn multiples_agree_with_blstrs() {
        let (p, e) = (G2Projective::random(OsRng), Gt::generator() * Scalar::random(OsRng));
        let (p_table, e_table) = (Table::new(&p), Table::new(&e));
        for scalar in scalars() {
            assert_eq!(p_table.scaled(&scalar), p * scalar);
            assert_eq!(e_table.scaled(&scalar), e * scalar);
            assert_eq!(sum_of_multiples(&[(scalar, e)], cyclotomic_square), e * scalar);
        }
        let terms: Vec<_> =
            scalars().into_iter().map(|s| (s, Gt::generator() * Scalar::random(OsRng))).collect();
        let expected: Gt = terms.iter().map(|(scalar, element)| element * scalar).sum();
        assert_eq!(sum_of_multiples(&terms, cyclotomic_square), expected);
    }

    #[test]
    fn the_identity_stays() {
        let (p, e) = (<G2Projective as Group>::identity(), <Gt as Group>::identity());
        let scalar = Scalar::random(OsRng);
        assert_eq!(Table::new(&p).scaled(&scalar), p);
        assert_eq!(Table::new(&e).scaled(&scalar), e);
        assert_eq!(sum_of_multiples(&[(scalar, e)], cyclotomic_square), e);
        assert_eq!(cyclotomic_square(&e), e);
    }
}
