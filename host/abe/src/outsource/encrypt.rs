//! Outsourced encryption with two helpers who do not talk to each other (the "confused key").
//!
//! All coins of a ciphertext are the sums of two streams ([`crate::kem`]). Each helper gets the seed of
//! one stream ([`RowsJob`]), makes the rows of it ([`encrypt_rows`]), and the owner multiplies the two row
//! sets: what comes out is, to the byte, what [`crate::encapsulate`] makes of the same secret R. A helper
//! knows its own z only, and e^z is a product of both, so R stays secret while **one of the two** keeps its
//! seed to itself; the two together can open the ciphertext. Send a job over a channel that nobody reads.
//!
//! # Why a wrong row is noticed
//!
//! The owner knows all scalars, so the product of all rows, each raised to a random weight W, has a
//! known value, which takes a few powers of fixed bases. In a group of prime order one wrong
//! element passes with a chance of one in the number of weights. But what a helper sends lies in a larger
//! group, where an error of small order l passes with a chance of 1/l, and testing every element for
//! membership would cost more than the rest. Instead:
//!
//! - a weight has independent digits, and the product is computed digit by digit. Each of the products must
//!   lie in the group of prime order. If some element is outside it, then whatever the other digits, at most
//!   one value of each of its own hides that, as long as the values of a digit differ modulo the order of
//!   the component outside;
//! - in Gt and G1 there are 6 digits of 11 bits, so the chance is 2^-66, and no order may have a prime factor
//!   below 2^11. C1 must satisfy f^(p^4) · f = f^(p^2): it lies in the cyclotomic subgroup, where none has.
//!   Of C4 helpers send a root, `C4^(1/33)`, and the owner raises it again. That takes out every component
//!   of order 3 or 11, the only smaller ones on the curve of G1;
//! - in G2 there are 18 digits of 13 values each, a chance of 13^-18 < 2^-66, since 13 is the smallest prime
//!   factor on that curve. More products are tested than in G1, but no element needs raising;
//! - if all elements are inside, an error passes the comparison of the whole with a chance of 2^-66, since the
//!   weights are distinct modulo the group order.
//!
//! None of this depends on which ciphertext an element belongs to, so [`Plan::finish_many`] checks all rows
//! of many ciphertexts by one such product: tests and powers of fixed bases are then paid once. If it fails,
//! every ciphertext is checked alone, and in one that fails every helper, to name the one to blame.
//!
//! # Without the check
//!
//! The check trusts nobody, and costs a single ciphertext as much as several rows of one's own. Whoever has
//! no others to check with it, but four helpers, can give each job to two of them and compare
//! ([`Pending::finish_agreed`]): next to no work, but what comes out is right only if one helper of each pair
//! is honest, and secret only if no helper of the first job plots with one of the second.

use crate::authority::{KeyId, PublicKey};
use crate::codec::{
    Kind, Reader, Writer, g1_to_bytes, g2_to_bytes, gt_to_bytes, number12, on_curve_of_g1, on_curve_of_g2,
};
use crate::curve::{Curve, FixedBase, Group as _};
use crate::groups::{Bls12381, Secret, hash_attribute};
use crate::kem::{
    Ciphertext, Coins, Mode, Preamble, Publics, Row, RowCoins, Schedule, SharedKey, random_secret, seal_rows,
};
use crate::policy::Policy;
use crate::powers::cyclotomic_square;
use crate::{Attribute, Error};
use blst::blst_fp12;
use blstrs::{Fp, Fp2, Fp12, G1Affine, G1Projective, G2Affine, G2Projective, Gt, Scalar};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve as _, Group};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use std::fmt;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

/// What root helpers send of points of G1.
const G1_ROOT: u64 = 3 * 11;
/// How many elements share a table of subset products.
const CHUNK: usize = 5;
/// From how many elements on buckets take fewer operations than tables.
const BUCKETS_FROM: usize = 96;
/// Bits of a signed digit of a secret scalar, how many of them there are, and how many multiples they take.
const WIDTH: usize = 5;
const SIGNED_DIGITS: usize = 52;
const MULTIPLES: usize = 1 << (WIDTH - 1);

/// What one helper is asked to do. **Secret from the other helper**, and from everybody else.
#[derive(Clone, PartialEq, Eq)]
pub struct RowsJob {
    seed: Zeroizing<[u8; 32]>,
    policy: Policy,
    key_ids: Vec<KeyId>,
}

/// What one helper answers. Not to be believed before [`Pending::finish`].
#[derive(Debug, Clone, PartialEq)]
pub struct Rows(Vec<Row>);

impl Eq for Rows {}

/// A policy and the public keys it needs, with everything about them that serves many encryptions.
pub struct Plan<'a> {
    policy: Policy,
    publics: Publics<'a>,
    /// Of every attribute, once, the multiples of F by 1 to 16.
    multiples: Vec<[G1Affine; MULTIPLES]>,
    /// For every row, the index of its attribute in `multiples`.
    attribute_of: Vec<usize>,
}

/// An encryption that waits for its helpers. Secret.
pub struct Pending<'p> {
    plan: &'p Plan<'p>,
    secret: Secret<Gt>,
    preamble: Preamble,
    schedule: Schedule,
}

/// The helper's part: the rows of `job`.
///
/// Fails as [`crate::encapsulate`] does, and with [`Error::AuthorityRotated`] if a public key is not of
/// the generation the job names.
pub fn encrypt_rows<'a>(
    job: &RowsJob,
    public_keys: impl IntoIterator<Item = &'a PublicKey>,
) -> Result<Rows, Error> {
    let publics = Publics::new(&job.policy, public_keys)?;
    for (key, expected) in publics.keys.iter().zip(&job.key_ids) {
        if key.id() != *expected {
            return Err(Error::AuthorityRotated { authority: key.authority().clone() });
        }
    }
    let coins = RowCoins::draw(&mut Coins::of_seed(job.seed.clone()), &job.policy);
    let root = Scalar::from(G1_ROOT).invert().unwrap_or(Scalar::ZERO);
    let make_row = |(x, attribute): (usize, &Attribute)| {
        let public = publics.of_row(x).prepared();
        let (lambda, omega, t) = (&*coins.lambdas[x], &*coins.omegas[x], &*coins.ts[x]);
        Row {
            c1: Bls12381::gt_times(lambda).plus(&public.a.scaled(t)),
            c2: Bls12381::g2_times(t).negated(),
            c3: public.y.scaled(t).plus(&Bls12381::g2_times(omega)),
            c4: hash_attribute(attribute).times(&Secret::new(root * t)),
        }
    };
    Ok(Rows(job.policy.rows().iter().enumerate().map(make_row).collect()))
}

impl<'a> Plan<'a> {
    /// Fails with [`Error::AuthorityKeyMissing`] or [`Error::AuthorityKeyConflict`].
    pub fn new(policy: &Policy, public_keys: impl IntoIterator<Item = &'a PublicKey>) -> Result<Self, Error> {
        let publics = Publics::new(policy, public_keys)?;
        let mut indices = BTreeMap::new();
        let mut multiples = Vec::new();
        let mut attribute_of = Vec::with_capacity(policy.rows().len());
        for attribute in policy.rows() {
            attribute_of.push(*indices.entry(attribute).or_insert_with(|| {
                multiples.push(multiples_of(&hash_attribute(attribute)));
                multiples.len() - 1
            }));
        }
        Ok(Self { policy: policy.clone(), publics, multiples, attribute_of })
    }

    /// Begins an encryption bound to `header`, and gives the two helpers' jobs.
    ///
    /// Fails with [`Error::HeaderTooLong`].
    pub fn begin(
        &self,
        header: &[u8],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Pending<'_>, [RowsJob; 2]), Error> {
        let secret = random_secret(rng);
        let preamble = Preamble::new(Mode::Derived, &self.policy, &self.publics);
        let schedule = Schedule::new(&secret, header, &preamble)?;
        let key_ids: Vec<_> = self.publics.keys.iter().map(|key| key.id()).collect();
        let jobs = schedule.seeds().map(|seed| RowsJob {
            seed,
            policy: self.policy.clone(),
            key_ids: key_ids.clone(),
        });
        Ok((Pending { plan: self, secret, preamble, schedule }, jobs))
    }

    /// [`Self::begin`] for each of many headers. Fails if one is too long.
    pub fn begin_many(
        &self,
        headers: &[&[u8]],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<(Pending<'_>, [RowsJob; 2])>, Error> {
        headers.iter().map(|header| self.begin(header, rng)).collect()
    }

    /// [`Pending::finish`] for each of many encryptions, whose rows are checked together: most of what a check
    /// costs is then paid once.
    ///
    /// The results are in the order of `items`. If anything is wrong with any of them, all are checked one by
    /// one: those without a fault succeed, the others name their helpers.
    pub fn finish_many(
        &self,
        items: Vec<(Pending<'_>, [Rows; 2])>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Result<(Ciphertext, SharedKey), Error>> {
        let combined = |(pending, [a, b]): &(Pending<'_>, [Rows; 2])| {
            pending.combine(a, b).filter(|_| std::ptr::eq(pending.plan, self))
        };
        if let Some(rows) = items.iter().map(combined).collect::<Option<Vec<_>>>() {
            let batch: Vec<_> = items.iter().zip(&rows).map(|((p, _), rows)| (p.coins(), rows)).collect();
            if self.holds(&batch, rng) {
                let seal = |((pending, _), rows): ((Pending<'_>, _), _)| {
                    Ok(seal_rows(&pending.secret, pending.preamble, &pending.schedule, rows))
                };
                return items.into_iter().zip(rows).map(seal).collect();
            }
        }
        items.into_iter().map(|(pending, rows)| pending.finish(&rows, rng)).collect()
    }
}

impl Pending<'_> {
    /// The ciphertext and key from both helpers' rows, in the order of their jobs, once they are found to
    /// be right. `rng` gives the weights, which a helper must not foresee.
    ///
    /// Fails with [`Error::RowsRejected`], which names whose rows are wrong.
    pub fn finish(
        self,
        rows: &[Rows; 2],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Ciphertext, SharedKey), Error> {
        let [a, b] = rows;
        if let Some(sums) = self.combine(a, b)
            && self.plan.holds(&[(self.coins(), &sums)], rng)
        {
            return Ok(seal_rows(&self.secret, self.preamble, &self.schedule, sums));
        }
        let helpers = (0..2).filter(|&i| !self.is_right(i, &rows[i], rng)).collect();
        Err(Error::RowsRejected { helpers })
    }

    /// Like [`Self::finish`], with each job done twice: `answers[k][i]` is the encoded answer of the k-th
    /// helper to the i-th job. Instead of checking, it compares, and believes what two say.
    ///
    /// **Not checked**, since it would cost several times the rest: that the rows are in their groups. If both
    /// helpers of one job lie, a reader's [`Ciphertext::from_bytes`] may refuse what comes out, or it opens to
    /// nobody. Do not open it with keys of your own without sending it through its encoding first.
    ///
    /// Fails with [`Error::RowsRejected`] if two answers differ, which names whose are wrong as k·2 + i, or
    /// as [`Rows::from_bytes`] does.
    pub fn finish_agreed(
        self,
        answers: &[[&[u8]; 2]; 2],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Ciphertext, SharedKey), Error> {
        let [first, second] = answers;
        if first == second {
            let [a, b] = first.map(Rows::from_bytes);
            if let Some(sums) = self.combine(&a?, &b?) {
                return Ok(seal_rows(&self.secret, self.preamble, &self.schedule, sums));
            }
        }
        let mut is_wrong = |k: usize, i: usize| {
            !Rows::from_bytes(answers[k][i]).is_ok_and(|rows| self.is_right(i, &rows, rng))
        };
        let helpers = (0..4).filter(|helper| is_wrong(helper / 2, helper % 2)).collect();
        Err(Error::RowsRejected { helpers })
    }

    fn coins(&self) -> RowCoins {
        RowCoins::draw(&mut self.schedule.coins(), &self.plan.policy)
    }

    /// The rows of both streams together, if there are as many as the policy has.
    fn combine(&self, a: &Rows, b: &Rows) -> Option<Vec<Row>> {
        let rows = self.plan.policy.rows().len();
        let sums = || a.0.iter().zip(&b.0).map(|(a, b)| raise(&a.combine(b))).collect();
        (a.0.len() == rows && b.0.len() == rows).then(sums)
    }

    /// Whether `rows` answer the i-th job.
    fn is_right(&self, i: usize, rows: &Rows, rng: &mut (impl RngCore + CryptoRng)) -> bool {
        let raised: Vec<_> = rows.0.iter().map(raise).collect();
        let coins = RowCoins::draw(&mut Coins::of_seed(self.schedule.seeds()[i].clone()), &self.plan.policy);
        raised.len() == self.plan.policy.rows().len() && self.plan.holds(&[(coins, &raised)], rng)
    }
}

/// The row of what a helper sends.
fn raise(roots: &Row) -> Row {
    Row { c4: small_multiple(&roots.c4, G1_ROOT), ..*roots }
}

fn small_multiple<P: Group>(point: &P, factor: u64) -> P {
    let bits = 63 - factor.leading_zeros();
    (0..bits).rev().fold(*point, |sum, bit| {
        let doubled = sum.double();
        if factor >> bit & 1 == 1 { doubled + point } else { doubled }
    })
}

/// A weight: its digits, each in a field of its group's [`Untrusted::DIGIT_BITS`].
#[derive(Clone, Copy)]
struct Weight(u128);

impl Weight {
    fn draw<P: Untrusted>(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        // A few bits more than taken: digits are uniform but for one part in 2^60.
        let mut random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        let digits = (0..P::DIGITS).fold(0, |digits, j| {
            let digit = random % P::DIGIT_VALUES;
            random /= P::DIGIT_VALUES;
            digits | digit << (P::DIGIT_BITS * j)
        });
        Self(digits)
    }

    /// The bits from `start` on.
    fn bits(self, start: usize, count: usize) -> usize {
        (self.0 >> start) as usize & ((1 << count) - 1)
    }

    fn scalar(self) -> Scalar {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.0.to_le_bytes());
        // Far below the group order.
        Scalar::from_bytes_le(&bytes).unwrap_or(Scalar::ZERO)
    }
}

impl Plan<'_> {
    /// Whether the rows are what their coins make of them, by one weighted sum over all: the module's
    /// documentation says why it is sound.
    fn holds(&self, batch: &[(RowCoins, &Vec<Row>)], rng: &mut (impl RngCore + CryptoRng)) -> bool {
        let rows: Vec<_> = batch.iter().flat_map(|(_, rows)| rows.iter()).collect();
        let weights: Vec<_> = rows.iter().map(|_| Weight::draw::<Gt>(rng)).collect();
        let g2_weights: Vec<_> = (0..2 * rows.len()).map(|_| Weight::draw::<G2Projective>(rng)).collect();
        let (c2_weights, c3_weights) = g2_weights.split_at(rows.len());

        let mut lambda_sum = Secret::new(Scalar::ZERO);
        let mut in_g2_sum = Secret::new(Scalar::ZERO);
        let mut of_attribute = vec![Secret::new(Scalar::ZERO); self.multiples.len()];
        let mut of_authority: BTreeMap<KeyId, (&PublicKey, Secret<Scalar>, Secret<Scalar>)> = BTreeMap::new();
        let of_rows = batch.iter().flat_map(|(coins, rows)| (0..rows.len()).map(move |x| (coins, x)));
        for (i, (coins, x)) in of_rows.enumerate() {
            let [weight, c2_weight, c3_weight] =
                [weights[i], c2_weights[i], c3_weights[i]].map(Weight::scalar);
            let weighted_t = Secret::new(weight * *coins.ts[x]);
            *lambda_sum += weight * *coins.lambdas[x];
            *in_g2_sum += c3_weight * *coins.omegas[x] - c2_weight * *coins.ts[x];
            *of_attribute[self.attribute_of[x]] += *weighted_t;
            let key = self.publics.of_row(x);
            let zero = || (key, Secret::new(Scalar::ZERO), Secret::new(Scalar::ZERO));
            let (_, in_a, in_y) = of_authority.entry(key.id()).or_insert_with(zero);
            **in_a += *weighted_t;
            **in_y += c3_weight * *coins.ts[x];
        }

        let in_gt: Vec<_> = rows.iter().map(|row| row.c1).collect();
        let in_g2: Vec<_> = rows.iter().map(|row| row.c2).chain(rows.iter().map(|row| row.c3)).collect();
        let in_g1: Vec<_> = rows.iter().map(|row| row.c4).collect();
        let terms: Vec<_> = of_attribute.into_iter().zip(&self.multiples).collect();

        in_gt.iter().all(is_cyclotomic)
            && product(&in_gt, &weights, Gt::is_inside).is_some_and(|product| {
                let powers = of_authority.values().map(|(key, in_a, _)| key.prepared().a.scaled(in_a));
                product == powers.fold(Bls12381::gt_times(&lambda_sum), |sum, power| sum + power)
            })
            && product(&in_g2, &g2_weights, G2Projective::is_inside).is_some_and(|product| {
                let powers = of_authority.values().map(|(key, _, in_y)| key.prepared().y.scaled(in_y));
                product == powers.fold(Bls12381::g2_times(&in_g2_sum), |sum, power| sum + power)
            })
            && product(&in_g1, &weights, G1Projective::is_inside)
                .is_some_and(|product| product == sum_of_multiples(&terms))
    }
}

/// What a product over untrusted elements takes of their group.
trait Untrusted: Group {
    /// Digits of a weight, how many values each has, and the bits these take. The values differ modulo the
    /// order of every element that must not hide.
    const DIGITS: usize;
    const DIGIT_VALUES: u128;
    const DIGIT_BITS: usize;
    /// Bits of the part of a digit by which elements are sorted into buckets.
    const WINDOW_BITS: usize;

    /// The product of every bucket, if this is the way to get it fast and no element is an exception.
    fn bucket_products(elements: &[Self], buckets: &[Vec<Term>]) -> Option<Vec<Self>>;
    /// Of an element that is in the cyclotomic subgroup if it is in Gt.
    fn twice(&self) -> Self;
    /// Whether it is in the group of prime order.
    fn is_inside(&self) -> bool;
}

/// The index of an element, and whether it is inverted.
type Term = (u32, bool);

impl Untrusted for Gt {
    const DIGITS: usize = 6;
    const DIGIT_VALUES: u128 = 1 << 11;
    const DIGIT_BITS: usize = 11;
    const WINDOW_BITS: usize = 6;

    fn bucket_products(elements: &[Self], buckets: &[Vec<Term>]) -> Option<Vec<Self>> {
        let product = |bucket: &Vec<Term>| {
            bucket.iter().fold(<Self as Group>::identity(), |product, (i, inverted)| {
                let element = &elements[*i as usize];
                if *inverted { product - element } else { product + element }
            })
        };
        Some(buckets.iter().map(product).collect())
    }

    fn twice(&self) -> Self {
        cyclotomic_square(self)
    }

    fn is_inside(&self) -> bool {
        blst_fp12::from(Fp12::from(*self)).in_group()
    }
}

macro_rules! untrusted_curve {
    ($projective:ty, $affine:ty, $field:ty, $digits:expr, $values:expr, $bits:expr, $window_bits:expr) => {
        impl Untrusted for $projective {
            const DIGITS: usize = $digits;
            const DIGIT_VALUES: u128 = $values;
            const DIGIT_BITS: usize = $bits;
            const WINDOW_BITS: usize = $window_bits;

            fn bucket_products(elements: &[Self], buckets: &[Vec<Term>]) -> Option<Vec<Self>> {
                let mut affine = vec![<$affine>::identity(); elements.len()];
                Self::batch_normalize(elements, &mut affine);
                if affine.iter().any(|point| point.is_identity().into()) {
                    return None;
                }
                let coordinates = |(i, inverted): &Term| {
                    let point = &affine[*i as usize];
                    (point.x(), if *inverted { -point.y() } else { point.y() })
                };
                let mut buckets: Vec<Vec<($field, $field)>> =
                    buckets.iter().map(|bucket| bucket.iter().map(coordinates).collect()).collect();
                add_up(&mut buckets)?;
                let product = |bucket: &Vec<($field, $field)>| match bucket[..] {
                    [] => <Self as Group>::identity(),
                    [(x, y), ..] => Self::from_raw_unchecked(x, y, <$field>::ONE),
                };
                Some(buckets.iter().map(product).collect())
            }

            fn twice(&self) -> Self {
                self.double()
            }

            fn is_inside(&self) -> bool {
                <$affine>::from(self).is_torsion_free().into()
            }
        }
    };
}

untrusted_curve!(G1Projective, G1Affine, Fp, 6, 1 << 11, 11, 4);
untrusted_curve!(G2Projective, G2Affine, Fp2, 18, 13, 4, 4);

/// Adds up the points of every bucket, given by x and y, until each has one left at most: pairwise, with
/// one inversion for a round over all buckets. `None` if two points that meet have the same x, which
/// happens by intent only.
fn add_up<F: Field>(buckets: &mut [Vec<(F, F)>]) -> Option<()> {
    while buckets.iter().any(|bucket| bucket.len() > 1) {
        let pairs = buckets.iter().flat_map(|bucket| bucket.as_chunks::<2>().0);
        let mut product = F::ONE;
        let mut before = Vec::new();
        for [(x1, _), (x2, _)] in pairs {
            before.push(product);
            product *= *x2 - x1;
        }
        let mut inverse: F = Option::from(product.invert())?;
        for bucket in buckets.iter_mut().rev() {
            let pairs = bucket.len() / 2;
            for i in (0..pairs).rev() {
                let ((x1, y1), (x2, y2)) = (bucket[2 * i], bucket[2 * i + 1]);
                let slope = (y2 - y1) * inverse * before.pop()?;
                inverse *= x2 - x1;
                let x = slope.square() - x1 - x2;
                // The second of the pair has been read, and the places of later pairs are free.
                bucket[2 * i] = (x, slope * (x1 - x) - y1);
            }
            let odd = bucket.len() % 2;
            for i in 0..pairs + odd {
                bucket[i] = bucket[2 * i];
            }
            bucket.truncate(pairs + odd);
        }
    }
    Some(())
}

/// The product of all elements raised to their weights, if the product for every single digit `is_inside`.
fn product<P: Untrusted>(elements: &[P], weights: &[Weight], is_inside: impl Fn(&P) -> bool) -> Option<P> {
    let by_buckets = || digit_products_by_buckets(elements, weights);
    let digit_products = (elements.len() >= BUCKETS_FROM).then(by_buckets).flatten();
    let digit_products = digit_products.unwrap_or_else(|| digit_products_by_tables(elements, weights));
    digit_products.iter().rev().try_fold(P::identity(), |product, of_digit| {
        let raised = (0..P::DIGIT_BITS).fold(product, |product, _| product.twice());
        is_inside(of_digit).then(|| raised + of_digit)
    })
}

/// For every digit of the weights, the lowest first, the product of all elements raised to it. Few elements
/// are combined bit by bit, several with one access to a table of subset products.
fn digit_products_by_tables<P: Untrusted>(elements: &[P], weights: &[Weight]) -> Vec<P> {
    let tables: Vec<_> = elements.chunks(CHUNK).map(subset_products).collect();
    let digit_product = |j: usize| {
        let bits = (j * P::DIGIT_BITS..(j + 1) * P::DIGIT_BITS).rev();
        bits.fold(P::identity(), |product, bit| {
            let chosen = tables.iter().zip(weights.chunks(CHUNK)).map(|(table, weights)| {
                table[weights.iter().rev().fold(0, |subset, weight| subset << 1 | weight.bits(bit, 1))]
            });
            chosen.fold(product.twice(), |product, element| product + element)
        })
    };
    (0..P::DIGITS).map(digit_product).collect()
}

/// The same for many elements: each goes to one bucket per window of a digit (Pippenger). `None` if they
/// have to be added in another way.
fn digit_products_by_buckets<P: Untrusted>(elements: &[P], weights: &[Weight]) -> Option<Vec<P>> {
    let size = 1 << P::WINDOW_BITS;
    let windows = P::DIGIT_BITS.div_ceil(P::WINDOW_BITS);
    let mut buckets = vec![Vec::new(); P::DIGITS * windows * size];
    for (i, weight) in weights.iter().enumerate() {
        for j in 0..P::DIGITS {
            let mut digit = weight.bits(j * P::DIGIT_BITS, P::DIGIT_BITS);
            for window in 0..windows {
                let low = digit % size;
                digit /= size;
                let buckets = &mut buckets[(j * windows + window) * size..][..size];
                // All windows but the highest are signed, which leaves half of the buckets empty.
                if window + 1 < windows && low > size / 2 {
                    digit += 1;
                    buckets[size - low].push((i as u32, true));
                } else if low > 0 {
                    buckets[low].push((i as u32, false));
                }
            }
        }
    }
    let products = P::bucket_products(elements, &buckets)?;
    // Bucket by bucket from the top, so that the i-th is added i times.
    let window_product = |products: &[P]| {
        let sums = products[1..].iter().rev().skip_while(|product| product.is_identity().into());
        let (product, _) = sums.fold((P::identity(), P::identity()), |(product, above), bucket| {
            let above = above + bucket;
            (product + above, above)
        });
        product
    };
    let digit_product = |products: &[P]| {
        products.chunks(size).rev().fold(P::identity(), |product, window| {
            (0..P::WINDOW_BITS).fold(product, |product, _| product.twice()) + window_product(window)
        })
    };
    Some(products.chunks(windows * size).map(digit_product).collect())
}

/// The product of every subset of at most [`CHUNK`] elements; bit i of the index is for element i.
fn subset_products<P: Group>(elements: &[P]) -> Vec<P> {
    let mut products = vec![P::identity()];
    for element in elements {
        let with_it: Vec<_> = products.iter().map(|product| *product + element).collect();
        products.extend(with_it);
    }
    products
}

/// Whether f^(p^4 - p^2 + 1) = 1.
fn is_cyclotomic(element: &Gt) -> bool {
    let f = Fp12::from(*element);
    let mut f_p2 = f;
    f_p2.frobenius_map(2);
    let mut f_p4 = f_p2;
    f_p4.frobenius_map(2);
    f_p4 * f == f_p2 && f != Fp12::ZERO
}

/// The sum of secret scalars times public points, given by their multiples, in a fixed sequence of
/// operations and memory accesses: signed digits of 5 bits, doublings shared.
fn sum_of_multiples(terms: &[(Secret<Scalar>, &[G1Affine; MULTIPLES])]) -> G1Projective {
    let terms: Vec<_> = terms.iter().map(|(scalar, multiples)| (signed_digits(scalar), multiples)).collect();
    (0..SIGNED_DIGITS).rev().fold(<G1Projective as Group>::identity(), |mut sum, d| {
        for _ in 0..WIDTH {
            sum = sum.double();
        }
        for (digits, multiples) in &terms {
            let sign = digits[d] >> 7;
            let magnitude = (digits[d] ^ sign) - sign;
            let mut multiple = G1Affine::identity();
            for (i, candidate) in multiples.iter().enumerate() {
                multiple.conditional_assign(candidate, magnitude.ct_eq(&(i as i8 + 1)));
            }
            let raw = multiple.as_mut();
            let y = Fp::from(raw.y);
            raw.y = Fp::conditional_select(&y, &-y, Choice::from((sign & 1) as u8)).into();
            sum += multiple;
        }
        sum
    })
}

/// For `tests/constant_time.rs` alone: Σ scalar · point as [`Pending::finish`] computes it.
#[doc(hidden)]
pub fn timed_sum(points: &[G1Projective]) -> impl Fn(&[Scalar]) -> G1Projective + use<> {
    let multiples: Vec<_> = points.iter().map(multiples_of).collect();
    move |scalars| {
        let scalars = scalars.iter().map(|scalar| Secret::new(*scalar));
        sum_of_multiples(&scalars.zip(&multiples).collect::<Vec<_>>())
    }
}

fn multiples_of(point: &G1Projective) -> [G1Affine; MULTIPLES] {
    let mut multiples = [*point; MULTIPLES];
    for i in 1..multiples.len() {
        multiples[i] = multiples[i - 1] + point;
    }
    let mut affine = [G1Affine::identity(); MULTIPLES];
    G1Projective::batch_normalize(&multiples, &mut affine);
    affine
}

/// A scalar as digits from -15 to 16 in base 32, the lowest first. There is room for a carry beyond its
/// 255 bits.
fn signed_digits(scalar: &Scalar) -> Zeroizing<[i8; SIGNED_DIGITS]> {
    let mut bytes = Zeroizing::new([0; 34]);
    bytes[..32].copy_from_slice(&*Zeroizing::new(scalar.to_bytes_le()));
    let mut digits = Zeroizing::new([0; SIGNED_DIGITS]);
    let mut carry = 0;
    for (d, digit) in digits.iter_mut().enumerate() {
        let bit = WIDTH * d;
        let two_bytes = u16::from_le_bytes([bytes[bit / 8], bytes[bit / 8 + 1]]);
        let value = (two_bytes >> (bit % 8) & 31) as i8 + carry;
        // 1 if the value is above 16.
        carry = (16 - value) >> 7 & 1;
        *digit = value - (carry << WIDTH);
    }
    digits
}

impl RowsJob {
    /// Under which policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The canonical encoding. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let capacity = 2 + 32 + 2 + self.policy.as_str().len() + 2 + self.key_ids.len() * KeyId::BYTES;
        let mut writer = Writer::new(Kind::RowsJob, capacity);
        writer.array(&*self.seed);
        writer.text(self.policy.as_str());
        writer.count(self.key_ids.len() as u16);
        self.key_ids.iter().for_each(|id| writer.array(id.as_bytes()));
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or an error of the policy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::RowsJob, bytes)?;
        let seed = Zeroizing::new(reader.array()?);
        let policy: Policy = reader.parsed()?;
        let count = usize::from(reader.count()?);
        let mut authorities: Vec<_> = policy.rows().iter().map(Attribute::authority).collect();
        authorities.sort();
        authorities.dedup();
        if count != authorities.len() {
            return Err(reader.error("another number of authorities than the policy has"));
        }
        let key_ids = (0..count).map(|_| reader.array().map(KeyId)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { seed, policy, key_ids })
    }
}

impl fmt::Debug for RowsJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowsJob(seed [redacted], {})", self.policy)
    }
}

impl fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({})", self.policy)
    }
}

impl fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending(secret [redacted], {})", self.plan.policy)
    }
}

impl Rows {
    /// Bytes of one row: target group elements with all coefficients, points uncompressed. Larger than
    /// compressed, and no square root to take when reading it.
    pub const ROW_BYTES: usize = 576 + 192 + 192 + 96;

    /// The encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::Rows, 4 + self.0.len() * Self::ROW_BYTES);
        writer.count(self.0.len() as u16);
        for row in &self.0 {
            writer.array(&gt_to_bytes(&row.c1));
            writer.array(&g2_to_bytes(&row.c2));
            writer.array(&g2_to_bytes(&row.c3));
            writer.array(&g1_to_bytes(&row.c4));
        }
        writer.finish()
    }

    /// Parses [`Self::to_bytes`], the one encoding there is: numbers are in range and points on their curves,
    /// **not necessarily in their groups**; all else is for [`Pending::finish`] to find. Fails with
    /// [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Rows, bytes)?;
        let count = usize::from(reader.count()?);
        if count > crate::policy::MAX_ROWS {
            return Err(reader.error("too many rows"));
        }
        let rows = (0..count).map(|_| read_row(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self(rows))
    }
}

fn read_row(reader: &mut Reader<'_>) -> Result<Row, Error> {
    let c1 = reader.array::<576>()?;
    let c1 = number12(&c1).ok_or_else(|| reader.error("a number out of range"))?;
    let mut in_g2 =
        || on_curve_of_g2(&reader.array()?).ok_or_else(|| reader.error("no point of the curve of G2"));
    let (c2, c3) = (in_g2()?, in_g2()?);
    let c4 = on_curve_of_g1(&reader.array()?).ok_or_else(|| reader.error("no point of the curve of G1"))?;
    Ok(Row { c1, c2, c3, c4 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use rand_core::OsRng;

    const HEADER: &[u8] = b"record 7";

    fn policy() -> Policy {
        "a@x and (b@x or a@x) and c@x and d@x and e@x and f@x".parse().unwrap()
    }

    #[test]
    fn one_view_opens_nothing_and_both_open() {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let plan = Plan::new(&policy(), [authority.public_key()]).unwrap();
        let (pending, jobs) = plan.begin(HEADER, &mut OsRng).unwrap();
        let rows = jobs.each_ref().map(|job| encrypt_rows(job, [authority.public_key()]).unwrap());
        let (ciphertext, key) = pending.finish(&rows, &mut OsRng).unwrap();

        // All that a helper knows of the mask e^z is its own part of z.
        let z_of = |job: &RowsJob| Coins::of_seed(job.seed.clone()).scalar();
        let [a, b] = jobs.each_ref().map(z_of);
        for z in [a, b, a - b, Scalar::ZERO] {
            let refused = ciphertext.accept(&Bls12381::gt_times(&z), HEADER);
            assert_eq!(refused.map(|_| ()), Err(Error::Commitment));
        }
        let (_, opened) = ciphertext.accept(&Bls12381::gt_times(&(a + b)), HEADER).unwrap();
        assert!(opened == key);
    }

    /// What the argument in the module's documentation rests on: no group that elements are left in has a
    /// prime factor below 2^11.
    #[test]
    fn no_small_orders_are_left() {
        const X: i128 = -0xd201_0000_0001_0000;
        let is_prime = |n: i128| (2..n).take_while(|d| d * d <= n).all(|d| n % d != 0);
        for prime in (2..1 << 11).filter(|n| is_prime(*n)) {
            // Modulo 9 times the prime, so that the divisions by 3 and by 9 come out.
            let modulus = 9 * prime;
            let x = X.rem_euclid(modulus);
            let power = |n: u32| (0..n).fold(1, |product, _| product * x % modulus);
            let sum = |terms: &[(i128, u32)]| {
                terms.iter().map(|(c, n)| c * power(*n)).sum::<i128>().rem_euclid(modulus)
            };
            let in_g1 = sum(&[(1, 2), (-2, 1), (1, 0)]) / 3 % prime;
            let in_g2 =
                sum(&[(1, 8), (-4, 7), (5, 6), (-4, 4), (6, 3), (-4, 2), (-4, 1), (13, 0)]) / 9 % prime;
            let order = sum(&[(1, 4), (-1, 2), (1, 0)]);
            let p = (sum(&[(1, 2), (-2, 1), (1, 0)]) * order % modulus / 3 + x) % prime;
            let in_gt = (p * p % prime * p % prime * p - p * p + 1).rem_euclid(prime);
            assert_eq!(in_g1 == 0, [3, 11].contains(&prime), "{prime}");
            assert_eq!(in_g2 == 0, [13, 23].contains(&prime), "{prime}");
            assert!(in_gt != 0 && order % prime != 0, "{prime}");
        }
        assert_eq!(G1_ROOT, 3 * 11);
        let most = [G1Projective::DIGIT_VALUES, Gt::DIGIT_VALUES, G2Projective::DIGIT_VALUES];
        assert_eq!(most, [1 << 11, 1 << 11, 13]);
        let soundness = |values: u128, digits: usize| (values as f64).log2() * digits as f64;
        assert!(soundness(G1Projective::DIGIT_VALUES, G1Projective::DIGITS) > 64.0);
        assert!(soundness(G2Projective::DIGIT_VALUES, G2Projective::DIGITS) > 64.0);
        assert!(soundness(Gt::DIGIT_VALUES, Gt::DIGITS) > 64.0);
    }

    /// An error of small order whose weight is a multiple of that order: the comparison of the whole cannot
    /// notice, membership of the single digits does.
    #[test]
    fn every_digit_is_checked_for_membership() {
        let four = [Gt::generator(); 4];
        let (_, error) = small_orders().into_iter().find(|(order, _)| *order == 4513).unwrap();
        assert!(is_cyclotomic(&error) && !error.is_inside());
        let weights = [Weight(4513); 4];
        let mut wrong = four;
        wrong[3] += error;
        let blind = product(&wrong, &weights, |_| true);
        assert!(blind.is_some() && blind == product(&four, &weights, Gt::is_inside));
        assert!(product(&wrong, &weights, Gt::is_inside).is_none());
    }

    /// The elements of small order of Fp12 in `vectors/small_order_gt.txt`.
    fn small_orders() -> Vec<(u32, Gt)> {
        let lines = include_str!("../../vectors/small_order_gt.txt").lines();
        let parse = |line: &str| {
            let mut fields = line.split(' ');
            let order = fields.next().unwrap().parse().unwrap();
            let bytes = hex::decode(fields.next().unwrap()).unwrap();
            (order, number12(bytes[..].try_into().unwrap()).unwrap())
        };
        lines.filter(|line| !line.starts_with('#')).map(parse).collect()
    }

    #[test]
    fn small_orders_outside_the_cyclotomic_subgroup_are_refused() {
        let elements = small_orders();
        assert!(elements.len() > 3);
        for (order, element) in elements {
            assert_eq!(is_cyclotomic(&element), order == 4513, "{order}");
            assert_eq!(is_cyclotomic(&(element + Gt::generator())), order == 4513, "{order}");
        }
        assert!(is_cyclotomic(&Gt::generator()) && !is_cyclotomic(&Gt::from(Fp12::ZERO)));
    }

    /// All weights drawn from it are zero, so that no product tells anything of what is in it.
    struct Zeros;

    impl RngCore for Zeros {
        fn next_u32(&mut self) -> u32 {
            0
        }

        fn next_u64(&mut self) -> u64 {
            0
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }

    impl CryptoRng for Zeros {}

    /// Whatever the weights: the products are computed with squarings that are only right in the cyclotomic
    /// subgroup, and orders below 2^11 only missing there. With weights that find nothing else, what is outside
    /// is found all the same, and what is inside is not.
    #[test]
    fn c1_must_be_cyclotomic_whatever_the_weights() {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let plan = Plan::new(&policy(), [authority.public_key()]).unwrap();
        for (order, error) in small_orders() {
            let (pending, jobs) = plan.begin(HEADER, &mut OsRng).unwrap();
            let mut rows = jobs.each_ref().map(|job| encrypt_rows(job, [authority.public_key()]).unwrap());
            rows[1].0[2].c1 += error;
            let finished = pending.finish(&rows, &mut Zeros).map(|_| ());
            match order {
                4513 => assert_eq!(finished, Ok(())),
                _ => assert_eq!(finished, Err(Error::RowsRejected { helpers: vec![1] }), "{order}"),
            }
        }
    }

    #[test]
    fn products_agree_with_single_powers() {
        for n in [0, 1, 4, 5, 6, 11, 130] {
            products_agree::<G1Projective>(n);
            products_agree::<G2Projective>(n);
            products_agree::<Gt>(n);
            let points: Vec<_> = (0..n).map(|_| G1Projective::random(OsRng)).collect();
            let multiples: Vec<_> = points.iter().map(multiples_of).collect();
            let mut terms: Vec<_> =
                multiples.iter().map(|m| (Secret::new(Scalar::random(OsRng)), m)).collect();
            if n > 2 {
                terms[0].0 = Secret::new(-Scalar::ONE);
                terms[1].0 = Secret::new(Scalar::ZERO);
            }
            let expected: G1Projective = terms.iter().map(|(s, m)| m[0] * **s).sum();
            assert_eq!(sum_of_multiples(&terms), expected);
        }
        let point = G1Projective::generator();
        assert_eq!(small_multiple(&point, G1_ROOT), point * Scalar::from(G1_ROOT));
    }

    fn products_agree<P: Untrusted + std::ops::Mul<Scalar, Output = P>>(n: usize) {
        let mut weights: Vec<_> = (0..n).map(|_| Weight::draw::<P>(&mut OsRng)).collect();
        let highest = (0..P::DIGITS).fold(0, |w, j| w | (P::DIGIT_VALUES - 1) << (P::DIGIT_BITS * j));
        for (weight, extreme) in weights.iter_mut().zip([highest, 0, 1]) {
            *weight = Weight(extreme);
        }
        let mut elements: Vec<_> = weights.iter().map(|_| P::generator() * Scalar::random(OsRng)).collect();
        let agree = |elements: &[P]| {
            let expected: P = elements.iter().zip(&weights).map(|(p, w)| *p * w.scalar()).sum();
            assert_eq!(product(elements, &weights, P::is_inside), Some(expected));
            let by_tables = digit_products_by_tables(elements, &weights);
            let by_buckets = digit_products_by_buckets(elements, &weights);
            assert!(by_buckets.as_ref().is_none_or(|products| *products == by_tables));
            by_buckets.is_some()
        };
        assert!(agree(&elements));
        // Whatever meets itself, its inverse, or the identity.
        if n > 100 {
            elements.iter_mut().skip(50).for_each(|element| *element = P::generator());
            agree(&elements);
            elements.iter_mut().skip(90).for_each(|element| *element = -P::generator());
            agree(&elements);
            elements[0] = P::identity();
            agree(&elements);
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let plan = Plan::new(&"a@x".parse().unwrap(), [authority.public_key()]).unwrap();
        let (pending, jobs) = plan.begin(HEADER, &mut OsRng).unwrap();
        assert_eq!(format!("{:?}", jobs[0]), "RowsJob(seed [redacted], a@x)");
        assert_eq!(format!("{pending:?}"), "Pending(secret [redacted], a@x)");
    }
}
