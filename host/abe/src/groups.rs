//! The groups of BLS12-381 as this scheme uses them: hashing to G1, products of powers in the target
//! group, random scalars, and secrets that are overwritten when dropped.

use crate::curve::{Curve, FixedBase, Group};
use crate::scheme::Row;
use crate::{Attribute, UserId};
use blstrs::{Bls12, G1Projective, G2Prepared, G2Projective, Gt, Scalar};
use ff::Field;
use group::Curve as _;
use group::Group as _;
use pairing::{MillerLoopResult, MultiMillerLoop};
use rand_core::{CryptoRng, RngCore};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use zeroize::Zeroizing;

// RFC 9380 section 3.1: one tag per use, so that H and F are independent random oracles.
const DST_H: &[u8] = b"TWINSEAL-V01-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_H_";
const DST_F: &[u8] = b"TWINSEAL-V01-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_F_";

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
    type FixedG2 = G2Projective;
    type FixedGt = PowerTable;

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
        G2Projective::generator() * scalar
    }

    fn gt_times(scalar: &Scalar) -> Gt {
        static TABLE: OnceLock<PowerTable> = OnceLock::new();
        TABLE.get_or_init(|| PowerTable::new(&Gt::generator())).scaled(scalar)
    }

    fn pairing_product(pairs: &[(G1Projective, G2Projective)]) -> Gt {
        let prepared: Vec<_> =
            pairs.iter().map(|(p, q)| (p.to_affine(), G2Prepared::from(q.to_affine()))).collect();
        let terms: Vec<_> = prepared.iter().map(|(p, q)| (p, q)).collect();
        Bls12::multi_miller_loop(&terms).final_exponentiation()
    }
}

macro_rules! impl_group {
    ($element:ty) => {
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
                self * scalar
            }
        }
    };
}

impl_group!(G1Projective);
impl_group!(G2Projective);
impl_group!(Gt);

/// The same point with Z = 1, which makes encoding it and adding it cheaper.
pub(crate) fn normalised<P: group::Curve>(point: P) -> P
where
    P::AffineRepr: Into<P>,
{
    point.to_affine().into()
}

pub(crate) fn normalise_rows(rows: &mut [Row<Bls12381>]) {
    for row in rows {
        row.c2 = normalised(row.c2);
        row.c3 = normalised(row.c3);
        row.c4 = normalised(row.c4);
    }
}

impl FixedBase for PowerTable {
    type Group = Gt;

    fn new(base: &Gt) -> Self {
        PowerTable::new(base)
    }

    fn scaled(&self, scalar: &Scalar) -> Gt {
        product_of_powers([(self, scalar)])
    }
}

/// The powers 0 to 15 of a base in the target group.
#[derive(Debug, Clone)]
pub struct PowerTable([Gt; 16]);

impl PowerTable {
    pub(crate) fn new(base: &Gt) -> Self {
        let mut powers = [<Gt as Group>::identity(); 16];
        for i in 1..powers.len() {
            powers[i] = powers[i - 1] + base;
        }
        Self(powers)
    }
}

/// The product of `base ^ scalar`, squarings shared between the bases.
///
/// The sequence of group operations does not depend on the scalars (unlike in `Gt`'s own `Mul`); which
/// of the 16 table entries is read does.
pub(crate) fn product_of_powers<const N: usize>(terms: [(&PowerTable, &Scalar); N]) -> Gt {
    let scalars = terms.map(|(_, scalar)| Zeroizing::new(scalar.to_bytes_be()));
    let mut product = <Gt as Group>::identity();
    for byte in 0..32 {
        for shift in [4, 0] {
            for _ in 0..4 {
                product = product.double();
            }
            for ((table, _), scalar) in terms.iter().zip(&scalars) {
                product += table.0[usize::from(scalar[byte] >> shift & 15)];
            }
        }
    }
    product
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

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
            let point = hash_to_g1(message.as_bytes(), dst).to_affine();
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

    #[test]
    fn powers_agree_with_blstrs() {
        let base = Gt::generator() * Scalar::from(7);
        let (e, table) = (PowerTable::new(&Gt::generator()), PowerTable::new(&base));
        let edge = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(16)];
        for a in edge.into_iter().chain((0..4).map(|_| Scalar::random(OsRng))) {
            let b = Scalar::random(OsRng);
            assert_eq!(product_of_powers([(&e, &a), (&table, &b)]), Gt::generator() * a + base * b);
        }
    }
}
