//! What the algebra of [`crate::scheme`] asks of a pairing-friendly curve: three groups of one prime order,
//! written additively, and a product of pairings. [`crate::Bls12381`] is the instance this crate
//! encrypts with; others serve comparison.

use std::fmt::Debug;

/// Three groups of prime order r with a pairing e: G1 × G2 → Gt.
///
/// `Self` is only a name for the choice and holds no data.
pub trait Curve: Copy + Eq + Debug + 'static {
    /// Integers modulo r.
    type Scalar: Copy + PartialEq;
    /// The first source group, into which users and attributes are hashed.
    type G1: Group<Scalar = Self::Scalar>;
    /// The second source group.
    type G2: Group<Scalar = Self::Scalar>;
    /// The target group.
    type Gt: Group<Scalar = Self::Scalar>;
    /// An element of G2 that is multiplied often; `Self::G2` where there is nothing to gain.
    type FixedG2: FixedBase<Group = Self::G2>;
    /// An element of Gt that is multiplied often; `Self::Gt` where there is nothing to gain.
    type FixedGt: FixedBase<Group = Self::Gt>;

    /// The scalar 1.
    fn one() -> Self::Scalar;
    /// The inverse of a scalar; `None` of zero.
    fn invert(scalar: &Self::Scalar) -> Option<Self::Scalar>;
    /// `scalar` times the generator g1.
    fn g1_times(scalar: &Self::Scalar) -> Self::G1;
    /// `scalar` times the generator g2.
    fn g2_times(scalar: &Self::Scalar) -> Self::G2;
    /// `scalar` times e(g1, g2).
    fn gt_times(scalar: &Self::Scalar) -> Self::Gt;
    /// The product (here: sum) of the pairings of all pairs; a pair with an identity contributes nothing.
    fn pairing_product(pairs: &[(Self::G1, Self::G2)]) -> Self::Gt;
}

/// An element of a group of prime order, written additively.
pub trait Group: Copy + PartialEq + Debug {
    /// Integers modulo the order.
    type Scalar: Copy;

    /// The neutral element.
    fn identity() -> Self;
    /// `self` + `other`.
    fn plus(&self, other: &Self) -> Self;
    /// −`self`.
    fn negated(&self) -> Self;
    /// `scalar` times `self`. The scalar may be secret.
    fn times(&self, scalar: &Self::Scalar) -> Self;

    /// The sum of scalar times element. The scalars are public.
    fn weighted_sum(terms: &[(Self::Scalar, Self)]) -> Self {
        terms.iter().fold(Self::identity(), |sum, (scalar, element)| sum.plus(&element.times(scalar)))
    }
}

/// A group element prepared for many multiplications by secret scalars.
pub trait FixedBase {
    /// The group it lives in.
    type Group: Group;

    /// Prepares `base`.
    fn new(base: &Self::Group) -> Self;
    /// `scalar` times the base.
    fn scaled(&self, scalar: &<Self::Group as Group>::Scalar) -> Self::Group;
}

/// No preparation.
impl<G: Group> FixedBase for G {
    type Group = G;

    fn new(base: &G) -> Self {
        *base
    }

    fn scaled(&self, scalar: &G::Scalar) -> G {
        self.times(scalar)
    }
}
