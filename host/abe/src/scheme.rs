//! The algebra of RW15 with blinded keys (GHW11), once, over any [`Curve`]. No encodings, no hashing, no
//! choice of randomness: those are the rest of the crate's. **Hazardous by itself**; use
//! [`crate::encapsulate`] and [`crate::decapsulate`].
//!
//! Multiplicatively, with e = e(g1,g2), an authority (α, y) publishes A = e^α and Y = g2^y. User uid gets
//! for attribute u, with a fresh r,
//!
//! ```text
//! K = g1^α · H(uid)^y · F(u)^r        L = g2^r
//! ```
//!
//! To encrypt R, a random z is shared as (λ) and zero as (ω) over the rows of the policy; C0 = R · e^z, and
//! a row for attribute u, with a fresh t, is
//!
//! ```text
//! C1 = e^λ · A^t      C2 = g2^-t      C3 = Y^t · g2^ω      C4 = F(u)^t
//! ```
//!
//! It opens to
//!
//! ```text
//! C1          = e^λ · e^(α t)
//! e(K, C2)    = e^(-α t) · e(H(uid),g2)^(-y t) · e(F(u),g2)^(-r t)
//! e(H(uid),C3)=            e(H(uid),g2)^(y t + ω)
//! e(C4, L)    =                                  e(F(u),g2)^(r t)
//! product     = e^λ · e(H(uid),g2)^ω
//! ```
//!
//! and reconstruction coefficients c give the product of e^(c λ) = e^z and of e(H(uid),g2)^(c ω) = 1. If
//! two users pool keys, some rows carry H(uid1) and others H(uid2). The omegas of either part alone do
//! not sum to zero, since neither user satisfies the policy, and nobody knows a discrete logarithm between
//! H(uid1) and H(uid2), so the factors e(H(uid1),g2)^ω1 · e(H(uid2),g2)^ω2 stay and blind e^z. The same
//! holds for a key relabelled to another user.
//!
//! Blinding raises K, L and H(uid) to 1/b. The pairings then give T = (their product)^(1/b), and with
//! Q = product of C1^c the holder of b has R = C0 / (T^b · Q).

use crate::curve::{Curve, FixedBase, Group};
use std::fmt;

/// What an authority publishes: A and Y, prepared for many multiplications.
pub struct Public<C: Curve> {
    /// A = e^α
    pub a: C::FixedGt,
    /// Y = g2^y
    pub y: C::FixedG2,
}

/// A user's key for one attribute, K and L; or one blinded by 1/b.
#[derive(Clone, Copy, PartialEq)]
pub struct Key<C: Curve> {
    /// K = g1^α · H(uid)^y · F(u)^r
    pub k: C::G1,
    /// L = g2^r
    pub l: C::G2,
}

/// One row of a ciphertext.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<C: Curve> {
    /// C1 = e^λ · A^t
    pub c1: C::Gt,
    /// C2 = g2^-t
    pub c2: C::G2,
    /// C3 = Y^t · g2^ω
    pub c3: C::G2,
    /// C4 = F(u)^t
    pub c4: C::G1,
}

/// A key, and the rows of its attribute that take part, each with its reconstruction coefficient.
pub struct Opening<'a, C: Curve> {
    /// The key, plain or blinded.
    pub key: &'a Key<C>,
    /// At least one row of the key's attribute.
    pub rows: Vec<(C::Scalar, &'a Row<C>)>,
}

/// The heavy part of an opening: all that is left is to multiply it out. Secret if the keys are plain;
/// overwritten when dropped.
#[derive(Clone, PartialEq)]
pub struct Job<C: Curve> {
    /// To be paired.
    pub pairs: Vec<(C::G1, C::G2)>,
    /// To be multiplied.
    pub factors: Vec<C::Gt>,
}

/// The result of a [`Job`]. Secret if the keys are plain.
#[derive(Clone, Copy, PartialEq)]
pub struct Transformed<C: Curve> {
    /// T: the product of the pairings.
    pub t: C::Gt,
    /// Q: the product of the factors.
    pub q: C::Gt,
}

impl<C: Curve> Key<C> {
    /// What all keys of one user by one authority have in common, with H(uid) = `h`: K = g1^α · H(uid)^y and
    /// L = 1, the key of an attribute with F(u) = 1.
    pub fn of_user(alpha: &C::Scalar, y: &C::Scalar, h: &C::G1) -> Self {
        Self { k: C::g1_times(alpha).plus(&h.times(y)), l: C::G2::identity() }
    }

    /// The same user's key for the attribute with F(u) = `f`, with the fresh scalar `r`.
    pub fn for_attribute(&self, f: &C::G1, r: &C::Scalar) -> Self {
        Self { k: self.k.plus(&f.times(r)), l: self.l.plus(&C::g2_times(r)) }
    }

    /// The same key, raised to `inverse` = 1/b.
    pub fn blind(&self, inverse: &C::Scalar) -> Self {
        Self { k: self.k.times(inverse), l: self.l.times(inverse) }
    }
}

impl<C: Curve> Row<C> {
    /// The row of an attribute with F(u) = `f` under its authority's `public` key.
    pub fn new(public: &Public<C>, f: &C::G1, lambda: &C::Scalar, omega: &C::Scalar, t: &C::Scalar) -> Self {
        Self {
            c1: C::gt_times(lambda).plus(&public.a.scaled(t)),
            c2: C::g2_times(t).negated(),
            c3: public.y.scaled(t).plus(&C::g2_times(omega)),
            c4: f.times(t),
        }
    }

    /// The row for the sums of both rows' λ, ω and t.
    pub fn combine(&self, other: &Self) -> Self {
        Self {
            c1: self.c1.plus(&other.c1),
            c2: self.c2.plus(&other.c2),
            c3: self.c3.plus(&other.c3),
            c4: self.c4.plus(&other.c4),
        }
    }
}

impl<C: Curve> Job<C> {
    /// Opens `openings` for the user with H(uid) = `h`; with blinded keys, `h` is blinded too.
    ///
    /// Rows of one attribute are summed before pairing and C3 is summed over all rows, so n attributes
    /// take 2n + 1 pairs.
    pub fn new(h: &C::G1, openings: &[Opening<'_, C>]) -> Self {
        let mut pairs = Vec::with_capacity(2 * openings.len() + 1);
        for Opening { key, rows } in openings {
            if let [(coefficient, row)] = &rows[..] {
                // The coefficient goes to G1, where multiplying is cheaper.
                let plain = *coefficient == C::one();
                let weigh = |point: C::G1| if plain { point } else { point.times(coefficient) };
                pairs.push((weigh(key.k), row.c2));
                pairs.push((weigh(row.c4), key.l));
            } else {
                let c2: Vec<_> = rows.iter().map(|(c, row)| (*c, row.c2)).collect();
                let c4: Vec<_> = rows.iter().map(|(c, row)| (*c, row.c4)).collect();
                pairs.push((key.k, weighted::<C, _>(&c2)));
                pairs.push((weighted::<C, _>(&c4), key.l));
            }
        }
        let rows = || openings.iter().flat_map(|opening| &opening.rows);
        pairs.push((*h, weighted::<C, _>(&rows().map(|(c, row)| (*c, row.c3)).collect::<Vec<_>>())));
        let (plain, rest): (Vec<_>, Vec<_>) =
            rows().map(|(c, row)| (*c, row.c1)).partition(|(c, _)| *c == C::one());
        let mut factors: Vec<_> = plain.into_iter().map(|(_, c1)| c1).collect();
        if !rest.is_empty() {
            factors.push(C::Gt::weighted_sum(&rest));
        }
        Self { pairs, factors }
    }

    /// Multiplies it out.
    pub fn transform(&self) -> Transformed<C> {
        Transformed {
            t: C::pairing_product(&self.pairs),
            q: self.factors.iter().fold(C::Gt::identity(), |product, factor| product.plus(factor)),
        }
    }
}

impl<C: Curve> Transformed<C> {
    /// e^z, from a transform with plain keys.
    pub fn mask(&self) -> C::Gt {
        self.t.plus(&self.q)
    }

    /// e^z, from a transform with keys that were blinded by 1/b.
    pub fn unblind(&self, b: &C::Scalar) -> C::Gt {
        self.t.times(b).plus(&self.q)
    }
}

/// The weighted sum, with nothing to do for coefficients that are 1: they are public, and only threshold
/// gates have others.
fn weighted<C: Curve, G: Group<Scalar = C::Scalar>>(terms: &[(C::Scalar, G)]) -> G {
    let (plain, rest): (Vec<_>, Vec<_>) = terms.iter().copied().partition(|(c, _)| *c == C::one());
    let sum = plain.iter().fold(G::identity(), |sum, (_, element)| sum.plus(element));
    if rest.is_empty() { sum } else { sum.plus(&G::weighted_sum(&rest)) }
}

impl<C: Curve> Default for Key<C> {
    fn default() -> Self {
        Self { k: C::G1::identity(), l: C::G2::identity() }
    }
}

impl<C: Curve> Drop for Job<C> {
    fn drop(&mut self) {
        self.pairs.fill((C::G1::identity(), C::G2::identity()));
        zeroize::optimization_barrier(&self.pairs[..]);
    }
}

impl<C: Curve> fmt::Debug for Job<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job {{ {} pairs and {} factors: [redacted] }}", self.pairs.len(), self.factors.len())
    }
}

impl<C: Curve> fmt::Debug for Transformed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transformed { t: [redacted], q: [redacted] }")
    }
}

impl<C: Curve> fmt::Debug for Key<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key { k: [redacted], l: [redacted] }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bls12381;

    #[test]
    fn secrets_do_not_show_in_debug() {
        let (h, key) = (Bls12381::g1_times(&Bls12381::one()), Key::<Bls12381>::default());
        let row = Row { c1: Group::identity(), c2: key.l, c3: key.l, c4: key.k };
        let job = Job::new(&h, &[Opening { key: &key, rows: vec![(Bls12381::one(), &row)] }]);
        assert_eq!(format!("{job:?}"), "Job { 3 pairs and 1 factors: [redacted] }");
        assert_eq!(format!("{:?}", job.transform()), "Transformed { t: [redacted], q: [redacted] }");
        assert_eq!(format!("{key:?}"), "Key { k: [redacted], l: [redacted] }");
    }
}
