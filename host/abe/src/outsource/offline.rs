//! Encryption in two parts: rows made beforehand, while a device is idle, and little left to do when there
//! is something to encrypt.
//!
//! A row of the scheme is linear in its shares, and all shares that a policy's gates leave free are uniform.
//! So [`Pool::prepare_rows`] makes rows with random t, λ and ω; [`Pool::encapsulate`] takes one for every
//! row of the policy as it is, wherever the gates leave the shares free, and corrects the others:
//!
//! ```text
//! C1 · e^(λ wanted - λ made)        C3 · g2^(ω wanted - ω made)
//! ```
//!
//! An `and` of any width has one share to correct, since z follows from R; every further child of an `or`,
//! and every child of `k of n` after the k-th, has one more.
//!
//! Such a ciphertext says so ([`Mode::Precomputed`]). Readers check it as any other, except that nobody
//! can make it again from R, so [`crate::decapsulate_checked`] refuses it.
//!
//! **A row serves once.** Two ciphertexts with the same t give away the quotient of their shares, and with
//! it what one policy keeps from the readers of the other. A row leaves the pool when it is used, and a
//! pool is in memory only: written to disk, it could come back after a crash, or in a copy of the disk,
//! and be used again. The same holds for a virtual machine that is resumed twice from one snapshot: make
//! pools anew after that.

use crate::authority::{KeyId, PublicKey};
use crate::curve::{Curve, Group};
use crate::groups::{Bls12381, Secret, hash_attribute, random_scalar};
use crate::kem::{Ciphertext, Mode, Preamble, Publics, Row, Schedule, SharedKey, random_secret, seal_rows};
use crate::policy::{Node, Policy};
use crate::{Attribute, Error};
use blstrs::{Gt, Scalar};
use ff::Field;
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use std::fmt;

/// Rows and secrets made beforehand, each to be used once. Secret.
#[derive(Default)]
pub struct Pool {
    rows: BTreeMap<(Attribute, KeyId), Vec<PreparedRow>>,
    secrets: Vec<Secret<Gt>>,
}

/// A row with shares of its own. Neither copied nor written anywhere: using it takes it.
struct PreparedRow {
    lambda: Secret<Scalar>,
    omega: Secret<Scalar>,
    row: Row,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `count` more rows for `attribute`. Costs as much per row as encapsulating directly.
    ///
    /// Fails with [`Error::ForeignAttribute`].
    pub fn prepare_rows(
        &mut self,
        attribute: &Attribute,
        public_key: &PublicKey,
        count: usize,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), Error> {
        if attribute.authority() != public_key.authority() {
            return Err(Error::ForeignAttribute {
                attribute: attribute.clone(),
                authority: public_key.authority().clone(),
            });
        }
        let f = hash_attribute(attribute);
        let make_row = || {
            let (lambda, omega, t) = (random_scalar(rng), random_scalar(rng), random_scalar(rng));
            let row = Row::new(public_key.prepared(), &f, &lambda, &omega, &t);
            PreparedRow { lambda, omega, row }
        };
        let rows = self.rows.entry((attribute.clone(), public_key.id())).or_default();
        rows.extend(std::iter::repeat_with(make_row).take(count));
        Ok(())
    }

    /// Makes `count` more secrets. One serves per encapsulation; without any, `encapsulate` makes its own.
    pub fn prepare_secrets(&mut self, count: usize, rng: &mut (impl RngCore + CryptoRng)) {
        self.secrets.extend(std::iter::repeat_with(|| random_secret(rng)).take(count));
    }

    /// Makes what `count` encapsulations under `policy` take. Fails as [`crate::encapsulate`] does.
    pub fn prepare<'a>(
        &mut self,
        policy: &Policy,
        public_keys: impl IntoIterator<Item = &'a PublicKey>,
        count: usize,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), Error> {
        let publics = Publics::new(policy, public_keys)?;
        for (x, attribute) in policy.rows().iter().enumerate() {
            self.prepare_rows(attribute, publics.of_row(x), count, rng)?;
        }
        self.prepare_secrets(count, rng);
        Ok(())
    }

    /// How many rows are left for `attribute`, of the generation of `public_key`.
    pub fn rows_left(&self, attribute: &Attribute, public_key: &PublicKey) -> usize {
        self.rows.get(&(attribute.clone(), public_key.id())).map_or(0, Vec::len)
    }

    /// Drops all rows of a generation, after its authority was rotated.
    pub fn discard(&mut self, key_id: KeyId) {
        self.rows.retain(|(_, of), _| *of != key_id);
    }

    /// [`crate::encapsulate`], with rows of the pool, which it uses up.
    ///
    /// Fails as `encapsulate` does, and with [`Error::PoolEmpty`]; the pool then keeps its rows.
    pub fn encapsulate<'a>(
        &mut self,
        policy: &Policy,
        public_keys: impl IntoIterator<Item = &'a PublicKey>,
        header: &[u8],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Ciphertext, SharedKey), Error> {
        let publics = Publics::new(policy, public_keys)?;
        let preamble = Preamble::new(Mode::Precomputed, policy, &publics);
        let secret = self.secrets.pop().unwrap_or_else(|| random_secret(rng));
        let schedule = Schedule::new(&secret, header, &preamble)?;
        let prepared = self.take_rows(policy, &publics)?;

        let (drawn_lambdas, drawn_omegas): (Vec<_>, Vec<_>) =
            prepared.iter().map(|prepared| (prepared.lambda.clone(), prepared.omega.clone())).unzip();
        let lambdas = complete(policy, &schedule.z(), &drawn_lambdas);
        let omegas = complete(policy, &Scalar::ZERO, &drawn_omegas);
        let correct = |(x, PreparedRow { lambda, omega, mut row }): (usize, PreparedRow)| {
            // Which shares are free follows from the policy, so skipping work for them tells nothing.
            if *lambdas[x] != *lambda {
                row.c1 = row.c1.plus(&Bls12381::gt_times(&Secret::new(*lambdas[x] - *lambda)));
            }
            if *omegas[x] != *omega {
                row.c3 = row.c3.plus(&Bls12381::g2_times(&Secret::new(*omegas[x] - *omega)));
            }
            row
        };
        let rows = prepared.into_iter().enumerate().map(correct).collect();
        Ok(seal_rows(&secret, preamble, &schedule, rows))
    }

    /// One row for each of the policy's, or none at all.
    fn take_rows(&mut self, policy: &Policy, publics: &Publics<'_>) -> Result<Vec<PreparedRow>, Error> {
        let mut taken: Vec<PreparedRow> = Vec::with_capacity(policy.rows().len());
        let key = |x: usize, attribute: &Attribute| (attribute.clone(), publics.of_row(x).id());
        for (x, attribute) in policy.rows().iter().enumerate() {
            match self.rows.get_mut(&key(x, attribute)).and_then(Vec::pop) {
                Some(row) => taken.push(row),
                None => {
                    for (x, row) in taken.into_iter().enumerate() {
                        self.rows.entry(key(x, &policy.rows()[x])).or_default().push(row);
                    }
                    return Err(Error::PoolEmpty { attribute: attribute.clone() });
                }
            }
        }
        Ok(taken)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.iter().map(|((attribute, _), rows)| (attribute.to_string(), rows.len()));
        f.debug_map().entries(rows).finish()
    }
}

/// Shares of `secret` over the rows of `policy` that are those `drawn` wherever the gates leave them
/// free. Uniform among all sharings if `drawn` is uniform.
fn complete(policy: &Policy, secret: &Scalar, drawn: &[Secret<Scalar>]) -> Vec<Secret<Scalar>> {
    let mut completion = Completion { drawn, shares: Vec::with_capacity(drawn.len()) };
    completion.visit(policy.formula(), Some(secret));
    completion.shares
}

struct Completion<'d> {
    drawn: &'d [Secret<Scalar>],
    shares: Vec<Secret<Scalar>>,
}

impl Completion<'_> {
    /// Shares the `wanted` secret over the rows of `node`, or, if none is, whatever secret takes the fewest
    /// corrections; returns it.
    fn visit(&mut self, node: &Node, wanted: Option<&Scalar>) -> Secret<Scalar> {
        let (threshold, children) = match node {
            Node::Attribute(_) => return self.leaf(1, wanted),
            Node::Comparison(comparison) => return self.leaf(comparison.attributes().count(), wanted),
            Node::Gate { threshold, children } => (*threshold, children),
        };
        if threshold == children.len() {
            let mut sum = Secret::new(Scalar::ZERO);
            for (i, child) in children.iter().enumerate() {
                let rest = wanted.map(|wanted| Secret::new(*wanted - *sum));
                let rest = rest.as_deref().filter(|_| i + 1 == children.len());
                *sum += *self.visit(child, rest);
            }
            return sum;
        }
        // A polynomial of degree threshold - 1 (an `or`'s is constant) with the secret at 0: its first
        // values are as they come, the others follow.
        let mut known: Vec<(Scalar, Secret<Scalar>)> = Vec::with_capacity(threshold);
        known.extend(wanted.map(|wanted| (Scalar::ZERO, Secret::new(*wanted))));
        for (i, child) in children.iter().enumerate() {
            let x = Scalar::from(i as u64 + 1);
            if known.len() < threshold {
                known.push((x, self.visit(child, None)));
            } else {
                self.visit(child, Some(&interpolate(&known, &x)));
            }
        }
        interpolate(&known, &Scalar::ZERO)
    }

    fn leaf(&mut self, rows: usize, wanted: Option<&Scalar>) -> Secret<Scalar> {
        let secret = Secret::new(*wanted.unwrap_or(&self.drawn[self.shares.len()]));
        self.shares.extend(std::iter::repeat_n(secret.clone(), rows));
        secret
    }
}

/// The value at `x` of the polynomial through all `known` points.
fn interpolate(known: &[(Scalar, Secret<Scalar>)], x: &Scalar) -> Secret<Scalar> {
    let mut sum = Secret::new(Scalar::ZERO);
    for (i, (xi, value)) in known.iter().enumerate() {
        let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
        for (_, (xj, _)) in known.iter().enumerate().filter(|(j, _)| *j != i) {
            numerator *= *x - xj;
            denominator *= *xi - xj;
        }
        // Points are distinct and far below the group order, so the denominator is never zero.
        *sum += **value * numerator * denominator.invert().unwrap_or(Scalar::ZERO);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    /// How many shares of a policy are corrected.
    fn corrections(policy: &str) -> usize {
        let policy: Policy = policy.parse().unwrap();
        let drawn: Vec<_> = policy.rows().iter().map(|_| random_scalar(&mut OsRng)).collect();
        let shares = complete(&policy, &random_scalar(&mut OsRng), &drawn);
        assert_eq!(shares.len(), drawn.len());
        shares.iter().zip(&drawn).filter(|(share, drawn)| ***share != ***drawn).count()
    }

    #[test]
    fn only_constrained_shares_are_corrected() {
        for (policy, expected) in [
            ("a@x", 1),
            ("a@x and b@x and c@x and d@x", 1),
            ("a@x or b@x or c@x", 3),
            ("2 of (a@x, b@x, c@x, d@x)", 3),
            ("4 of (a@x, b@x, c@x, d@x, e@x)", 2),
            ("a@x and (b@x or c@x) and d@x", 2),
            ("(a@x and b@x) or (c@x and d@x)", 2),
            ("(b@x or c@x) and 2 of (d@x, e@x, f@x)", 3),
            ("n@x = 3 and a@x", 1),
        ] {
            assert_eq!(corrections(policy), expected, "{policy}");
        }
    }

    #[test]
    fn completed_shares_reconstruct_the_secret() {
        for policy in [
            "a@x",
            "a@x and b@x and c@x",
            "2 of (a@x, b@x and c@x, 3 of (d@x, e@x, f@x, a@x)) and (b@x or 1 of (c@x, d@x and e@x))",
            "3 of (a@x or b@x, c@x, d@x, n@x >= 5, 2 of (a@x, b@x, c@x))",
        ] {
            let policy: Policy = policy.parse().unwrap();
            let drawn: Vec<_> = policy.rows().iter().map(|_| random_scalar(&mut OsRng)).collect();
            let secret = random_scalar(&mut OsRng);
            let shares = complete(&policy, &secret, &drawn);
            let names: Vec<_> = ["a", "b", "c", "d", "e", "f"].to_vec();
            let mut satisfied = 0;
            for held in 0..64u8 {
                let has = |attribute: &Attribute| {
                    names
                        .iter()
                        .position(|name| *name == attribute.name())
                        .is_some_and(|i| held >> i & 1 == 1)
                };
                if let Ok(rows) = policy.select(&has) {
                    let sum: Scalar = rows.iter().map(|(x, coefficient)| *shares[*x] * coefficient).sum();
                    assert_eq!(sum, *secret);
                    satisfied += 1;
                }
            }
            assert!(satisfied > 0, "{policy}");
        }
    }
}
