//! The groups of BLS12-381 as this scheme uses them: the instance of [`Curve`], hashing to G1, random
//! scalars, and secrets that are overwritten when dropped.

use crate::curve::{Curve, FixedBase, Group};
use crate::powers::{Table, cyclotomic_square, sum_of_multiples};
use crate::scheme::Row;
use crate::{Attribute, UserId};
use blst::{blst_fp12, blst_p1, blst_p1_affine, blst_p2, blst_p2_affine, p1_affines, p2_affines};
use blstrs::{Fp12, G1Affine, G1Projective, G2Affine, G2Projective, Gt, Scalar};
use ff::Field;
use group::Group as _;
use rand_core::{CryptoRng, RngCore};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

// RFC 9380 section 3.1: one tag per use, so that H and F are independent random oracles.
const DST_H: &[u8] = b"TWINSEAL-V02-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_H_";
const DST_F: &[u8] = b"TWINSEAL-V02-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_F_";

/// H: users to G1. Nobody knows discrete logarithms between its values.
pub(crate) fn hash_user(user: &UserId) -> G1Projective {
    hash_to_g1(user.as_str().as_bytes(), DST_H)
}

/// F: attributes to G1, over the whole `name@authority`.
pub(crate) fn hash_attribute(attribute: &Attribute) -> G1Projective {
    hash_to_g1(attribute.to_string().as_bytes(), DST_F)
}

/// RFC 9380 hash_to_curve, suite BLS12381G1_XMD:SHA-256_SSWU_RO_.
fn hash_to_g1(message: &[u8], dst: &[u8]) -> G1Projective {
    G1Projective::hash_to_curve(message, dst, &[])
}

/// The curve this crate encrypts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bls12381;

impl Curve for Bls12381 {
    type Scalar = Scalar;
    type G1 = G1Projective;
    type G2 = G2Projective;
    type Gt = Gt;
    type FixedG2 = Table<G2Projective>;
    type FixedGt = Table<Gt>;

    fn one() -> Scalar {
        Scalar::ONE
    }

    fn invert(scalar: &Scalar) -> Option<Scalar> {
        scalar.invert().into()
    }

    fn g1_times(scalar: &Scalar) -> G1Projective {
        G1Projective::generator() * scalar
    }

    fn g2_times(scalar: &Scalar) -> G2Projective {
        static G2: OnceLock<Table<G2Projective>> = OnceLock::new();
        G2.get_or_init(|| Table::new(&G2Projective::generator())).scaled(scalar)
    }

    fn gt_times(scalar: &Scalar) -> Gt {
        static E: OnceLock<Table<Gt>> = OnceLock::new();
        E.get_or_init(|| Table::new(&Gt::generator())).scaled(scalar)
    }

    /// Miller loops with shared squarings, one final exponentiation. The points may be keys: no copy of them
    /// stays behind on the heap.
    fn pairing_product(pairs: &[(G1Projective, G2Projective)]) -> Gt {
        let neither_is_identity =
            |(p, q): &&(G1Projective, G2Projective)| !bool::from(p.is_identity() | q.is_identity());
        let pairs = || pairs.iter().filter(neither_is_identity);
        let p = affine(pairs().map(|(p, _)| *p));
        let q = affine(pairs().map(|(_, q)| *q));
        if p.is_empty() {
            return <Gt as Group>::identity();
        }
        let p = Wiped::collect(p.len(), blst_p1_affine::default(), p.iter().map(|point| *point.as_ref()));
        let q = Wiped::collect(q.len(), blst_p2_affine::default(), q.iter().map(|point| *point.as_ref()));
        Gt::from(Fp12::from(blst_fp12::miller_loop_n(&q, &p).final_exp()))
    }
}

/// The points, with one inversion for all.
fn affine<P: group::Curve>(points: impl Iterator<Item = P> + Clone) -> Wiped<P::AffineRepr>
where
    P::AffineRepr: Copy + Default,
{
    let points = Wiped::collect(points.clone().count(), P::identity(), points);
    let blank = P::AffineRepr::default();
    let mut affine = Wiped::collect(points.len(), blank, std::iter::repeat(blank));
    P::batch_normalize(&points, &mut affine.values);
    affine
}

/// The same points with Z = 1, which makes encoding and adding them cheaper.
pub(crate) fn normalise_rows(rows: &mut [Row<Bls12381>]) {
    let identity = |row: &Row<Bls12381>| row.c2.is_identity() | row.c3.is_identity() | row.c4.is_identity();
    if rows.is_empty() || rows.iter().any(|row| identity(row).into()) {
        // Such rows are never made by chance, and whoever parses them will refuse them.
        return;
    }
    let in_g1: Vec<blst_p1> = rows.iter().map(|row| *row.c4.as_ref()).collect();
    let in_g2: Vec<blst_p2> = rows.iter().flat_map(|row| [*row.c2.as_ref(), *row.c3.as_ref()]).collect();
    let (in_g1, in_g2) = (p1_affines::from(&in_g1), p2_affines::from(&in_g2));
    let g1 = |point: &blst_p1_affine| {
        let mut affine = G1Affine::default();
        *affine.as_mut() = *point;
        G1Projective::from(affine)
    };
    let g2 = |point: &blst_p2_affine| {
        let mut affine = G2Affine::default();
        *affine.as_mut() = *point;
        G2Projective::from(affine)
    };
    for (x, row) in rows.iter_mut().enumerate() {
        (row.c2, row.c3, row.c4) = (g2(&in_g2[2 * x]), g2(&in_g2[2 * x + 1]), g1(&in_g1[x]));
    }
}

/// The same point with Z = 1.
pub(crate) fn normalised<P: group::Curve>(point: P) -> P
where
    P::AffineRepr: Into<P>,
{
    point.to_affine().into()
}

macro_rules! impl_group {
    ($element:ty, $times:expr, $weighted_sum:expr) => {
        impl Group for $element {
            type Scalar = Scalar;

            fn identity() -> Self {
                group::Group::identity()
            }

            fn plus(&self, other: &Self) -> Self {
                self + other
            }

            fn negated(&self) -> Self {
                -self
            }

            fn times(&self, scalar: &Scalar) -> Self {
                $times(self, scalar)
            }

            fn weighted_sum(terms: &[(Scalar, Self)]) -> Self {
                $weighted_sum(terms)
            }
        }
    };
}

impl_group!(G1Projective, |point: &G1Projective, scalar| point * scalar, |terms: &[(Scalar, Self)]| {
    match terms {
        [(scalar, point)] => point * scalar,
        _ => {
            let (scalars, points): (Vec<_>, Vec<_>) = terms.iter().copied().unzip();
            G1Projective::multi_exp(&points, &scalars)
        }
    }
});
impl_group!(G2Projective, |point: &G2Projective, scalar| point * scalar, |terms: &[(Scalar, Self)]| {
    match terms {
        [(scalar, point)] => point * scalar,
        _ => {
            let (scalars, points): (Vec<_>, Vec<_>) = terms.iter().copied().unzip();
            G2Projective::multi_exp(&points, &scalars)
        }
    }
});
impl_group!(
    Gt,
    |element: &Gt, scalar: &Scalar| sum_of_multiples(&[(*scalar, *element)], cyclotomic_square),
    |terms: &[(Scalar, Gt)]| sum_of_multiples(terms, cyclotomic_square)
);

/// A uniform scalar that is not zero.
pub(crate) fn random_scalar(rng: &mut (impl RngCore + CryptoRng)) -> Secret<Scalar> {
    loop {
        let scalar = Secret::new(Scalar::random(&mut *rng));
        if !bool::from(scalar.is_zero()) {
            return scalar;
        }
    }
}

/// A secret value, overwritten when dropped. (`blstrs` types know nothing of `zeroize`, and copies the
/// compiler makes in registers and on the stack are beyond its reach.)
pub(crate) struct Secret<T: Copy + Default>(T);

impl<T: Copy + Default> Secret<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T: Copy + Default> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<T: Copy + Default> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0 = T::default();
        zeroize::optimization_barrier(&self.0);
    }
}

impl<T: Copy + Default> Deref for Secret<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Copy + Default> DerefMut for Secret<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Copy + Default> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Several secrets on the heap, overwritten when dropped.
struct Wiped<T: Copy> {
    values: Vec<T>,
    blank: T,
}

impl<T: Copy> Wiped<T> {
    /// `count` is how many there are: a buffer that was outgrown would not be overwritten.
    fn collect(count: usize, blank: T, values: impl Iterator<Item = T>) -> Self {
        let mut wiped = Self { values: Vec::with_capacity(count), blank };
        wiped.values.extend(values.take(count));
        wiped
    }
}

impl<T: Copy> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.values.fill(self.blank);
        zeroize::optimization_barrier(&self.values[..]);
    }
}

impl<T: Copy> Deref for Wiped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9380 appendix J.9.1.
    #[test]
    fn hash_to_curve_is_rfc_9380() {
        let dst = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
        for (message, x, y) in [
            (
                "",
                "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
                "08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265",
            ),
            (
                "abc",
                "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
                "0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d",
            ),
        ] {
            let point = hash_to_g1(message.as_bytes(), dst);
            let point = G1Affine::from(point);
            assert_eq!(hex::encode(point.x().to_bytes_be()), x);
            assert_eq!(hex::encode(point.y().to_bytes_be()), y);
        }
    }

    #[test]
    fn h_and_f_differ_and_f_covers_the_authority() {
        let user: UserId = "a@x".parse().unwrap();
        let attribute: Attribute = "a@x".parse().unwrap();
        assert_ne!(hash_user(&user), hash_attribute(&attribute));
        assert_ne!(hash_attribute(&"a@y".parse().unwrap()), hash_attribute(&attribute));
    }
}
