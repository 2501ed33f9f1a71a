//! The linear secret sharing scheme of a policy, gate by gate.
//!
//! `or` hands its secret to every child. `and` splits it into summands, so that reconstruction is a plain
//! sum and costs the reader no exponentiation. `k of n` is Shamir's: a polynomial of degree k - 1 with
//! the secret at 0, child i gets its value at i + 1. Every share is a fixed linear function of the secret
//! and of fresh randomness, hence a monotone span program, and the same coefficients reconstruct any
//! two secrets shared over the same policy: RW15 shares z and 0.

use super::{Node, Policy};
use crate::Attribute;
use crate::groups::Secret;
use blstrs::Scalar;
use ff::Field;

/// A row of the policy and the coefficient of its share in the reconstruction.
pub(crate) type WeightedRow = (usize, Scalar);

impl Policy {
    /// Shares `secret` over the rows; `draw` gives independent uniform scalars.
    pub(crate) fn share(&self, secret: Scalar, draw: &mut dyn FnMut() -> Scalar) -> Vec<Secret<Scalar>> {
        let mut shares = Vec::with_capacity(self.rows.len());
        share(&self.root, secret, draw, &mut shares);
        shares
    }

    /// The fewest rows, among those whose attribute `has`, that reconstruct the secret: the sum of
    /// coefficient times share is the secret. Else the attributes that would complete the policy,
    /// gate by gate the shortest list.
    pub(crate) fn select(
        &self,
        has: &dyn Fn(&Attribute) -> bool,
    ) -> Result<Vec<WeightedRow>, Vec<Attribute>> {
        select(&self.root, has, &mut 0)
    }
}

fn share(node: &Node, secret: Scalar, draw: &mut dyn FnMut() -> Scalar, shares: &mut Vec<Secret<Scalar>>) {
    let Node::Gate { threshold, children } = node else {
        shares.push(Secret::new(secret));
        return;
    };
    if *threshold == 1 {
        for child in children {
            share(child, secret, draw, shares);
        }
    } else if *threshold == children.len() {
        let mut rest = Secret::new(secret);
        for (i, child) in children.iter().enumerate() {
            let last = i + 1 == children.len();
            let part = Secret::new(if last { *rest } else { draw() });
            *rest -= *part;
            share(child, *part, draw, shares);
        }
    } else {
        let mut polynomial = vec![Secret::new(secret)];
        polynomial.extend((1..*threshold).map(|_| Secret::new(draw())));
        for (i, child) in children.iter().enumerate() {
            let x = point(i);
            let value = polynomial.iter().rev().fold(Scalar::ZERO, |sum, c| sum * x + **c);
            share(child, value, draw, shares);
        }
    }
}

fn select(
    node: &Node,
    has: &dyn Fn(&Attribute) -> bool,
    next_row: &mut usize,
) -> Result<Vec<WeightedRow>, Vec<Attribute>> {
    let (threshold, children) = match node {
        Node::Attribute(attribute) => {
            let row = *next_row;
            *next_row += 1;
            return if has(attribute) { Ok(vec![(row, Scalar::ONE)]) } else { Err(vec![attribute.clone()]) };
        }
        Node::Gate { threshold, children } => (*threshold, children),
    };
    let mut held = Vec::new();
    let mut lacking = Vec::new();
    for (i, child) in children.iter().enumerate() {
        match select(child, has, next_row) {
            Ok(rows) => held.push((i, rows)),
            Err(missing) => lacking.push(missing),
        }
    }
    if held.len() < threshold {
        lacking.sort_by_key(Vec::len);
        let mut missing: Vec<Attribute> =
            lacking.into_iter().take(threshold - held.len()).flatten().collect();
        missing.sort();
        missing.dedup();
        return Err(missing);
    }
    held.sort_by_key(|(_, rows)| rows.len());
    held.truncate(threshold);
    let chosen: Vec<usize> = held.iter().map(|(i, _)| *i).collect();
    let mut selection = Vec::new();
    for (i, rows) in held {
        // `or` and `and` reconstruct by taking the one share and by adding all of them.
        let weight = if threshold == children.len() { Scalar::ONE } else { lagrange_at_zero(i, &chosen) };
        selection.extend(rows.into_iter().map(|(row, coefficient)| (row, coefficient * weight)));
    }
    Ok(selection)
}

/// The Lagrange coefficient at 0 of child `i` among `chosen`.
fn lagrange_at_zero(i: usize, chosen: &[usize]) -> Scalar {
    let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
    for &j in chosen.iter().filter(|&&j| j != i) {
        numerator *= point(j);
        denominator *= point(j) - point(i);
    }
    // Points are distinct and far below the group order, so the denominator is never zero.
    numerator * denominator.invert().unwrap_or(Scalar::ZERO)
}

fn point(child: usize) -> Scalar {
    Scalar::from(child as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_core::OsRng;
    use std::collections::BTreeSet;

    /// Formulas over eight attributes, so that repetitions are common.
    fn formula() -> impl Strategy<Value = Node> {
        let leaf = (0..8u8).prop_map(|i| Node::Attribute(format!("a{i}@x").parse().unwrap()));
        leaf.prop_recursive(4, 30, 5, |inner| {
            (prop::collection::vec(inner, 1..5), any::<prop::sample::Index>())
                .prop_map(|(children, k)| Node::Gate { threshold: k.index(children.len()) + 1, children })
        })
    }

    /// The formula's truth value, written independently of `select`.
    fn holds(node: &Node, held: u8) -> bool {
        match node {
            Node::Attribute(a) => held & 1 << (a.name().as_bytes()[1] - b'0') != 0,
            Node::Gate { threshold, children } => {
                children.iter().filter(|c| holds(c, held)).count() >= *threshold
            }
        }
    }

    fn has(held: u8) -> impl Fn(&Attribute) -> bool {
        move |a| held & 1 << (a.name().as_bytes()[1] - b'0') != 0
    }

    /// Fewest rows by trying all subsets of rows.
    fn fewest_rows(policy: &Policy, held: u8) -> Option<usize> {
        fn holds_by_row(node: &Node, rows: u32, next: &mut usize) -> bool {
            match node {
                Node::Attribute(_) => {
                    *next += 1;
                    rows & 1 << (*next - 1) != 0
                }
                Node::Gate { threshold, children } => {
                    let mut count = 0;
                    for child in children {
                        count += usize::from(holds_by_row(child, rows, next));
                    }
                    count >= *threshold
                }
            }
        }
        let usable: u32 =
            policy.rows().iter().enumerate().filter(|(_, a)| has(held)(a)).map(|(i, _)| 1 << i).sum();
        (0u32..1 << policy.rows().len())
            .filter(|rows| rows & !usable == 0 && holds_by_row(policy.formula(), *rows, &mut 0))
            .map(|rows| rows.count_ones() as usize)
            .min()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn text_round_trips(formula in formula()) {
            let policy = Policy::from_formula(formula).unwrap();
            prop_assert_eq!(&policy.as_str().parse::<Policy>().unwrap(), &policy);
        }

        #[test]
        fn exactly_the_permitted_reconstruct(formula in formula(), held: u8) {
            let policy = Policy::from_formula(formula).unwrap();
            let secret = Scalar::random(OsRng);
            let shares = policy.share(secret, &mut || Scalar::random(OsRng));
            prop_assert_eq!(shares.len(), policy.rows().len());
            match policy.select(&has(held)) {
                Ok(rows) => {
                    prop_assert!(holds(policy.formula(), held));
                    prop_assert!(rows.iter().all(|(row, _)| has(held)(&policy.rows()[*row])));
                    let distinct: BTreeSet<_> = rows.iter().map(|(row, _)| row).collect();
                    prop_assert_eq!(distinct.len(), rows.len());
                    let sum = rows.iter().fold(Scalar::ZERO, |sum, (row, c)| sum + *shares[*row] * c);
                    prop_assert_eq!(sum, secret);
                    if policy.rows().len() <= 12 {
                        prop_assert_eq!(Some(rows.len()), fewest_rows(&policy, held));
                    }
                }
                Err(missing) => {
                    prop_assert!(!holds(policy.formula(), held));
                    let mut completed = held;
                    for attribute in &missing {
                        prop_assert!(!has(held)(attribute));
                        completed |= 1 << (attribute.name().as_bytes()[1] - b'0');
                    }
                    prop_assert!(holds(policy.formula(), completed));
                }
            }
        }
    }

    /// The converse of reconstruction: what an unpermitted set holds is independent of the secret.
    /// Checked on the linear map itself: for k - 1 shares of a k-of-n gate, and for all but one of an
    /// `and`, some choice of randomness maps every secret to the same shares.
    #[test]
    fn too_few_shares_say_nothing() {
        let policy: Policy = "3 of (a1@x, a2@x, a3@x, a4@x)".parse().unwrap();
        // Two shares v1, v2 fixed; for any secret s there is a quadratic through (0,s), (1,v1), (2,v2):
        // f = s + c1 x + c2 x^2 with c1 + c2 = v1 - s and 2 c1 + 4 c2 = v2 - s.
        let (v1, v2) = (Scalar::random(OsRng), Scalar::random(OsRng));
        for secret in [Scalar::ZERO, Scalar::ONE, Scalar::random(OsRng)] {
            let (d1, d2) = (v1 - secret, v2 - secret);
            let c2 = (d2 - d1.double()) * Scalar::from(2).invert().unwrap();
            let mut coins = vec![c2, d1 - c2];
            let shares = policy.share(secret, &mut || coins.pop().unwrap());
            assert_eq!((*shares[0], *shares[1]), (v1, v2));
        }
    }
}
