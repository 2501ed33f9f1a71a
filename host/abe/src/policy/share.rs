//! The linear secret sharing scheme of a policy, gate by gate.
//!
//! `or` hands its secret to every child, and a comparison to each of its rows. `and` splits it into summands, so that reconstruction is a plain
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
    /// coefficient times share is the secret. Else the leaves that would complete the policy, gate by gate
    /// the shortest list.
    pub(crate) fn select(&self, has: &dyn Fn(&Attribute) -> bool) -> Result<Vec<WeightedRow>, Vec<Node>> {
        select(&self.root, has, &mut 0)
    }
}

fn share(node: &Node, secret: Scalar, draw: &mut dyn FnMut() -> Scalar, shares: &mut Vec<Secret<Scalar>>) {
    let (threshold, children) = match node {
        Node::Attribute(_) => return shares.push(Secret::new(secret)),
        Node::Comparison(comparison) => {
            return shares.extend(comparison.attributes().map(|_| Secret::new(secret)));
        }
        Node::Gate { threshold, children } => (threshold, children),
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
) -> Result<Vec<WeightedRow>, Vec<Node>> {
    let (threshold, children) = match node {
        Node::Attribute(attribute) => {
            let row = *next_row;
            *next_row += 1;
            return if has(attribute) { Ok(vec![(row, Scalar::ONE)]) } else { Err(vec![node.clone()]) };
        }
        Node::Comparison(comparison) => {
            let attributes: Vec<Attribute> = comparison.attributes().collect();
            let row = attributes.iter().position(has).map(|offset| *next_row + offset);
            *next_row += attributes.len();
            return row.map(|row| vec![(row, Scalar::ONE)]).ok_or_else(|| vec![node.clone()]);
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
        let mut missing: Vec<Node> = lacking.into_iter().take(threshold - held.len()).flatten().collect();
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
    use crate::policy::{Comparison, Relation};
    use crate::{Number, NumberClaim};
    use proptest::prelude::*;
    use rand_core::OsRng;
    use std::collections::BTreeSet;

    /// What a reader has: some of the attributes a0 to a7, some numbers n.
    #[derive(Debug, Clone)]
    struct Held {
        plain: u8,
        numbers: Vec<u32>,
    }

    impl Held {
        fn has(&self, attribute: &Attribute) -> bool {
            match attribute.prefix() {
                None => self.plain & 1 << (attribute.name().as_bytes()[1] - b'0') != 0,
                Some(prefix) => self.numbers.iter().any(|&n| prefix.contains(n)),
            }
        }

        /// The formula's truth value, written independently of `select` and of prefixes.
        fn satisfies(&self, node: &Node) -> bool {
            match node {
                Node::Attribute(attribute) => self.has(attribute),
                Node::Comparison(comparison) => self.numbers.iter().any(|&n| match comparison.relation() {
                    Relation::AtLeast(bound) => n >= bound.value(),
                    Relation::Above(bound) => n > bound.value(),
                    Relation::AtMost(bound) => n <= bound.value(),
                    Relation::Below(bound) => n < bound.value(),
                    Relation::Equal(number) => n == number.value(),
                    Relation::Within(first, last) => first.value() <= n && n <= last.value(),
                }),
                Node::Gate { threshold, children } => {
                    children.iter().filter(|child| self.satisfies(child)).count() >= *threshold
                }
            }
        }

        /// Fewest rows by trying all subsets of rows.
        fn fewest_rows(&self, policy: &Policy) -> Option<usize> {
            fn holds(node: &Node, rows: u32, next: &mut usize) -> bool {
                let mut take = |count| {
                    *next += count;
                    rows >> (*next - count) & ((1u32 << count) - 1) != 0
                };
                match node {
                    Node::Attribute(_) => take(1),
                    Node::Comparison(comparison) => take(comparison.attributes().count()),
                    Node::Gate { threshold, children } => {
                        let held = children.iter().map(|child| usize::from(holds(child, rows, next)));
                        held.sum::<usize>() >= *threshold
                    }
                }
            }
            let usable: u32 =
                policy.rows().iter().enumerate().filter(|(_, a)| self.has(a)).map(|(i, _)| 1 << i).sum();
            (0u32..1 << policy.rows().len())
                .filter(|rows| rows & !usable == 0 && holds(policy.formula(), *rows, &mut 0))
                .map(|rows| rows.count_ones() as usize)
                .min()
        }
    }

    fn held() -> impl Strategy<Value = Held> {
        let number = prop_oneof![8 => 0u32..10, 1 => any::<u32>()];
        (any::<u8>(), prop::collection::vec(number, 0..3))
            .prop_map(|(plain, numbers)| Held { plain, numbers })
    }

    /// Comparisons of n, most of few rows.
    fn comparison() -> impl Strategy<Value = Node> {
        let number = prop_oneof![12 => 0u32..10, 1 => any::<u32>()];
        (number.clone(), number, 0..12u8).prop_filter_map("empty", |(a, b, kind)| {
            let (a, b) = (Number::integer(a), Number::day(b));
            let relation = match kind {
                0 => Relation::AtLeast(a),
                1 => Relation::Above(a),
                2 => Relation::AtMost(a),
                3 => Relation::Below(a),
                4..8 => Relation::Equal(a),
                _ => Relation::Within(a, b),
            };
            Comparison::new(&"n@x".parse().unwrap(), relation).ok().map(Node::Comparison)
        })
    }

    /// Formulas over eight attributes, so that repetitions are common, and one number.
    fn formula() -> impl Strategy<Value = Node> {
        let attribute = (0..8u8).prop_map(|i| Node::Attribute(format!("a{i}@x").parse().unwrap()));
        prop_oneof![3 => attribute, 1 => comparison()].prop_recursive(4, 24, 5, |inner| {
            (prop::collection::vec(inner, 1..5), any::<prop::sample::Index>())
                .prop_map(|(children, k)| Node::Gate { threshold: k.index(children.len()) + 1, children })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn exactly_the_permitted_reconstruct(formula in formula(), held in held()) {
            let Ok(policy) = Policy::from_formula(formula.clone()) else {
                return Err(TestCaseError::reject("too many rows"));
            };
            prop_assert_eq!(held.satisfies(&formula), held.satisfies(policy.formula()), "normal form");
            let secret = Scalar::random(OsRng);
            let shares = policy.share(secret, &mut || Scalar::random(OsRng));
            prop_assert_eq!(shares.len(), policy.rows().len());
            match policy.select(&|attribute| held.has(attribute)) {
                Ok(rows) => {
                    prop_assert!(held.satisfies(policy.formula()));
                    prop_assert!(rows.iter().all(|(row, _)| held.has(&policy.rows()[*row])));
                    let distinct: BTreeSet<_> = rows.iter().map(|(row, _)| row).collect();
                    prop_assert_eq!(distinct.len(), rows.len());
                    let sum = rows.iter().fold(Scalar::ZERO, |sum, (row, c)| sum + *shares[*row] * c);
                    prop_assert_eq!(sum, secret);
                    if policy.rows().len() <= 14 {
                        prop_assert_eq!(Some(rows.len()), held.fewest_rows(&policy));
                    }
                }
                Err(missing) => {
                    prop_assert!(!held.satisfies(policy.formula()));
                    let mut completed = held.clone();
                    for leaf in &missing {
                        prop_assert!(!held.satisfies(leaf));
                        match leaf {
                            Node::Attribute(a) => completed.plain |= 1 << (a.name().as_bytes()[1] - b'0'),
                            Node::Comparison(comparison) => completed.numbers.push(*comparison.range().end()),
                            Node::Gate { .. } => prop_assert!(false, "not a leaf"),
                        }
                    }
                    prop_assert!(completed.satisfies(policy.formula()));
                }
            }
        }

        /// Exactly the holders of a number in range, for numbers and ranges of any size.
        #[test]
        fn comparisons_compare(a: u32, b: u32, others: [u32; 4], near in 0u32..3) {
            for relation in [
                Relation::AtLeast as fn(Number) -> Relation,
                Relation::Above,
                Relation::AtMost,
                Relation::Below,
                Relation::Equal,
                |number| Relation::Within(Number::integer(number.value() / 2), number),
            ] {
                let Ok(comparison) = Comparison::new(&"n@x".parse().unwrap(), relation(a.into())) else {
                    continue;
                };
                let policy = Policy::from_formula(comparison.into()).unwrap();
                let around = [a.saturating_sub(near), a.saturating_add(near), a / 2, (a / 2).saturating_sub(1)];
                for number in others.into_iter().chain(around).chain([b, 0, u32::MAX]) {
                    let held = Held { plain: 0, numbers: vec![number] };
                    let claim = NumberClaim::new(&"n@x".parse().unwrap(), number);
                    let attributes: Vec<_> = claim.attributes().collect();
                    let permitted = policy.permits(|attribute| attributes.contains(attribute));
                    prop_assert_eq!(permitted, held.satisfies(policy.formula()), "{} {}", number, policy);
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
