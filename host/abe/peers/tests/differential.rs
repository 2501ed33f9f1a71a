//! `twinseal_abe::scheme` over BN254, with rabe's hash and generators, against `rabe::schemes::aw11`: an
//! implementation by others of the scheme of which ours is the large-universe form.
//!
//! AW11 (Lewko and Waters, Eurocrypt 2011, appendix D) is RW15 with an authority pair (α, y) of its own for
//! every attribute, and F(u) = 1: then K = g1^α · H(uid)^y, L plays no part, C4 = 1, and a row is
//! C1 = e^λ · A^t, C2 = g2^-t (rabe: g2^t), C3 = Y^t · g2^ω. Everything else must agree: rabe's ciphertexts open
//! with [`scheme::Job`], plain and blinded, and rabe opens ours.
#![allow(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use rabe::schemes::aw11::{self, Aw11Ciphertext, Aw11GlobalKey, Aw11PublicKey, Aw11SecretKey};
use rabe::utils::aes::{decrypt_symmetric, encrypt_symmetric};
use rabe::utils::hash::sha3_hash;
use rabe::utils::policy::pest::PolicyLanguage::JsonPolicy;
use rabe_bn::Group as _;
use rabe_bn::{Fr, G1, G2, Gt, pairing};
use twinseal_abe::curve::{Curve, Group};
use twinseal_abe::scheme::{Job, Key, Opening, Public, Row};

/// rabe-bn's curve with its standard generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bn254;

impl Curve for Bn254 {
    type Scalar = Fr;
    type G1 = Element<G1>;
    type G2 = Element<G2>;
    type Gt = Element<Gt>;
    type FixedG2 = Element<G2>;
    type FixedGt = Element<Gt>;

    fn one() -> Fr {
        Fr::one()
    }

    fn invert(scalar: &Fr) -> Option<Fr> {
        scalar.inverse()
    }

    fn g1_times(scalar: &Fr) -> Element<G1> {
        Element(G1::one() * *scalar)
    }

    fn g2_times(scalar: &Fr) -> Element<G2> {
        Element(G2::one() * *scalar)
    }

    fn gt_times(scalar: &Fr) -> Element<Gt> {
        Element(pairing(G1::one(), G2::one()).pow(*scalar))
    }

    fn pairing_product(pairs: &[(Element<G1>, Element<G2>)]) -> Element<Gt> {
        pairs.iter().fold(Element::identity(), |product, (p, q)| product.plus(&Element(pairing(p.0, q.0))))
    }
}

/// rabe-bn's types, wrapped because neither they nor the trait are ours.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Element<T>(T);

impl Group for Element<G1> {
    type Scalar = Fr;

    fn identity() -> Self {
        Self(G1::zero())
    }

    fn plus(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    fn negated(&self) -> Self {
        Self(-self.0)
    }

    fn times(&self, scalar: &Fr) -> Self {
        Self(self.0 * *scalar)
    }
}

impl Group for Element<G2> {
    type Scalar = Fr;

    fn identity() -> Self {
        Self(G2::zero())
    }

    fn plus(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    fn negated(&self) -> Self {
        Self(-self.0)
    }

    fn times(&self, scalar: &Fr) -> Self {
        Self(self.0 * *scalar)
    }
}

impl Group for Element<Gt> {
    type Scalar = Fr;

    fn identity() -> Self {
        Self(Gt::one())
    }

    fn plus(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }

    fn negated(&self) -> Self {
        Self(self.0.inverse())
    }

    fn times(&self, scalar: &Fr) -> Self {
        Self(self.0.pow(*scalar))
    }
}

/// A formula whose leaves are numbered attributes: A0, A1, ...
enum Formula {
    Leaf(usize),
    And(Vec<Formula>),
    Or(Vec<Formula>),
}

use Formula::{And, Leaf, Or};

impl Formula {
    /// rabe's notation.
    fn text(&self) -> String {
        let gate = |name: &str, children: &[Formula]| {
            let children: Vec<_> = children.iter().map(Formula::text).collect();
            format!(r#"{{"name": "{name}", "children": [{}]}}"#, children.join(", "))
        };
        match self {
            Leaf(i) => format!(r#"{{"name": "{}"}}"#, name(*i)),
            And(children) => gate("and", children),
            Or(children) => gate("or", children),
        }
    }

    /// The attributes of the rows.
    fn leaves(&self) -> Vec<usize> {
        match self {
            Leaf(i) => vec![*i],
            And(children) | Or(children) => children.iter().flat_map(Formula::leaves).collect(),
        }
    }

    /// The rows with which the holder of `held` opens, `first` being the first row of this formula, each with its
    /// coefficient times `weight`. An `and` of n shares a polynomial of degree n-1 at 1, ..., n.
    fn open(&self, held: &[usize], first: usize, weight: Fr) -> Option<Vec<(usize, Fr)>> {
        let mut next = first;
        let mut parts = self.children().iter().zip(1..).map(|(child, i)| {
            let at = next;
            next += child.leaves().len();
            (child, i, at)
        });
        match self {
            Leaf(i) => held.contains(i).then(|| vec![(first, weight)]),
            Or(_) => parts.find_map(|(child, _, at)| child.open(held, at, weight)),
            And(children) => parts
                .map(|(child, i, at)| child.open(held, at, weight * lagrange_at_0(i, children.len())))
                .collect::<Option<Vec<_>>>()
                .map(|rows| rows.concat()),
        }
    }

    /// Shares of `secret` for all rows.
    fn share(&self, secret: Fr) -> Vec<Fr> {
        match self {
            Leaf(_) => vec![secret],
            Or(children) => children.iter().flat_map(|child| child.share(secret)).collect(),
            And(children) => {
                let coefficients: Vec<Fr> = (1..children.len()).map(|_| rand::random()).collect();
                let share_at = |x: usize| {
                    coefficients.iter().rev().fold(Fr::zero(), |sum, c| (sum + *c) * scalar(x)) + secret
                };
                children.iter().zip(1..).flat_map(|(child, x)| child.share(share_at(x))).collect()
            }
        }
    }

    fn children(&self) -> &[Formula] {
        match self {
            Leaf(_) => &[],
            And(children) | Or(children) => children,
        }
    }
}

fn name(i: usize) -> String {
    format!("A{i}")
}

fn scalar(i: usize) -> Fr {
    Fr::from_str(&i.to_string()).unwrap()
}

/// The product of j / (j - i) over all j ≠ i from 1 to n.
fn lagrange_at_0(i: usize, n: usize) -> Fr {
    (1..=n)
        .filter(|j| *j != i)
        .fold(Fr::one(), |product, j| product * scalar(j) * (scalar(j) - scalar(i)).inverse().unwrap())
}

/// `and` of all, in the only form rabe takes: two children each.
fn chain(attributes: std::ops::Range<usize>) -> Formula {
    let last = attributes.end - 1;
    if attributes.start == last { Leaf(last) } else { And(vec![chain(attributes.start..last), Leaf(last)]) }
}

/// Sets of attributes.
type Sets = Vec<Vec<usize>>;

/// Formulas, each with sets that open it and sets that do not.
fn cases() -> Vec<(Formula, Sets, Sets)> {
    let one_missing = |n: usize, missing: usize| (0..n).filter(|i| *i != missing).collect::<Vec<_>>();
    vec![
        (Or(vec![Leaf(0), Leaf(1)]), vec![vec![0], vec![1]], vec![vec![2]]),
        (chain(0..2), vec![vec![0, 1]], vec![vec![0], vec![1]]),
        (chain(0..10), vec![(0..10).collect()], vec![one_missing(10, 0), one_missing(10, 9)]),
        (Or((0..7).map(Leaf).collect()), vec![vec![6]], vec![vec![7, 8]]),
        (
            Or(vec![And(vec![Leaf(0), Leaf(1)]), And(vec![Leaf(2), Or(vec![Leaf(3), Leaf(4)])])]),
            vec![vec![0, 1], vec![2, 3], vec![2, 4], vec![0, 2, 4]],
            vec![vec![0, 2], vec![3, 4], vec![1, 3, 4]],
        ),
        (
            // One attribute in two rows.
            And(vec![Leaf(0), Or(vec![And(vec![Leaf(0), Leaf(1)]), Leaf(2)])]),
            vec![vec![0, 1], vec![0, 2]],
            vec![vec![0], vec![1, 2]],
        ),
    ]
}

/// Two authorities over the attributes A0 to A9, and what they issue to `user`.
struct World {
    global: Aw11GlobalKey,
    publics: [Aw11PublicKey; 2],
    masters: [aw11::Aw11MasterKey; 2],
}

impl World {
    fn new(global: Aw11GlobalKey) -> Self {
        let [(p0, m0), (p1, m1)] = [0..5, 5..10].map(|owned| {
            let names: Vec<_> = owned.map(name).collect();
            aw11::authgen(&global, &names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
        });
        Self { global, publics: [p0, p1], masters: [m0, m1] }
    }

    fn key(&self, user: &str, held: &[usize]) -> Aw11SecretKey {
        let mut key = Aw11SecretKey { gid: user.into(), attr: Vec::new() };
        for i in held {
            aw11::add_to_attribute(&self.global, &self.masters[i / 5], &name(*i), &mut key).unwrap();
        }
        key
    }

    /// H(uid), in rabe's way.
    fn h(&self, user: &str) -> Element<G1> {
        Element(sha3_hash(self.global.g1, user).unwrap())
    }

    fn encrypt(&self, formula: &Formula, plaintext: &[u8]) -> Aw11Ciphertext {
        let publics = self.publics.each_ref();
        aw11::encrypt(&self.global, &publics, &formula.text(), JsonPolicy, plaintext).unwrap()
    }
}

/// A key of rabe as one of ours.
fn ours(key: &Aw11SecretKey) -> Vec<Key<Bn254>> {
    key.attr.iter().map(|(_, k)| Key { k: Element(*k), l: Group::identity() }).collect()
}

/// A ciphertext's rows as ours.
fn rows(ciphertext: &Aw11Ciphertext) -> Vec<Row<Bn254>> {
    let row = |(_, c1, c2, c3): &(String, Gt, G2, G2)| Row {
        c1: Element(*c1),
        c2: Element(-*c2),
        c3: Element(*c3),
        c4: Group::identity(),
    };
    ciphertext.c.iter().map(row).collect()
}

/// The job of opening `rows` under `formula` with the `held` attributes' `keys`.
fn job(
    formula: &Formula,
    rows: &[Row<Bn254>],
    h: &Element<G1>,
    held: &[usize],
    keys: &[Key<Bn254>],
) -> Option<Job<Bn254>> {
    let leaves = formula.leaves();
    let selected = formula.open(held, 0, Fr::one())?;
    let openings: Vec<_> = held
        .iter()
        .zip(keys)
        .map(|(i, key)| {
            let own = selected.iter().filter(|(x, _)| leaves[*x] == *i);
            Opening { key, rows: own.map(|(x, c)| (*c, &rows[*x])).collect() }
        })
        .filter(|opening| !opening.rows.is_empty())
        .collect();
    Some(Job::new(h, &openings))
}

fn unmask(ciphertext: &Aw11Ciphertext, mask: Element<Gt>) -> Option<Vec<u8>> {
    decrypt_symmetric(ciphertext.c_0 * mask.0.inverse(), &ciphertext.ct).ok()
}

#[test]
fn our_algebra_opens_rabes_ciphertexts_plain_and_blinded() {
    let world = World::new(aw11::setup());
    let h = world.h("bob");
    for (n, (formula, opening, not_opening)) in cases().iter().enumerate() {
        let plaintext = format!("plaintext {n}").into_bytes();
        let ciphertext = world.encrypt(formula, &plaintext);
        let rows = rows(&ciphertext);
        for held in opening {
            let key = world.key("bob", held);
            assert_eq!(aw11::decrypt(&world.global, &key, &ciphertext).unwrap(), plaintext, "rabe itself");

            let keys = ours(&key);
            let direct = job(formula, &rows, &h, held, &keys).unwrap().transform();
            assert_eq!(unmask(&ciphertext, direct.mask()).unwrap(), plaintext);

            // tkgen, transform, finish.
            let b: Fr = rand::random();
            let inverse = Bn254::invert(&b).unwrap();
            let blinded: Vec<_> = keys.iter().map(|key| key.blind(&inverse)).collect();
            let transformed = job(formula, &rows, &h.times(&inverse), held, &blinded).unwrap().transform();
            assert_eq!(unmask(&ciphertext, transformed.unblind(&b)).unwrap(), plaintext);
            // Without b, or with another, it is of no use.
            assert_eq!(unmask(&ciphertext, transformed.mask()), None);
            assert_eq!(unmask(&ciphertext, transformed.unblind(&(b + Fr::one()))), None);

            // Keys of another user, keys of two users, and the user's own under another name.
            let other = ours(&world.key("eve", held));
            let mut mixed = keys.clone();
            mixed[0] = other[0];
            for (h, keys) in [(h, &other), (h, &mixed), (world.h("eve"), &keys)] {
                // (The large formulas take long.)
                let needed = formula.open(held, 0, Fr::one()).unwrap();
                if held.len() < 5 && needed.iter().any(|(x, _)| formula.leaves()[*x] == held[0]) {
                    let wrong = job(formula, &rows, &h, held, keys).unwrap().transform();
                    assert_eq!(unmask(&ciphertext, wrong.mask()), None);
                }
            }
        }
        for held in not_opening {
            let key = world.key("bob", held);
            assert!(aw11::decrypt(&world.global, &key, &ciphertext).is_err());
            assert!(job(formula, &rows, &h, held, &ours(&key)).is_none());
        }
    }
}

/// The other direction, with rabe's global key at the generators that [`Bn254`] uses.
#[test]
fn rabe_opens_what_our_algebra_encrypts() {
    let world = World::new(Aw11GlobalKey { g1: G1::one(), g2: G2::one() });
    for (formula, opening, _) in cases() {
        let (z, secret): (Fr, Gt) = (rand::random(), rand::random());
        let (lambdas, omegas) = (formula.share(z), formula.share(Fr::zero()));
        let template = world.encrypt(&formula, b"-");
        let leaves = formula.leaves();
        let c = template.c.iter().enumerate().map(|(x, (label, ..))| {
            let (_, a, y) = &world.publics[leaves[x] / 5].attr[leaves[x] % 5];
            let public = Public { a: Element(*a), y: Element(*y) };
            let t: Fr = rand::random();
            let row = Row::<Bn254>::new(&public, &Group::identity(), &lambdas[x], &omegas[x], &t);
            assert!(row.c4.0.is_zero());
            (label.clone(), row.c1.0, -row.c2.0, row.c3.0)
        });
        let ciphertext = Aw11Ciphertext {
            c: c.collect(),
            c_0: secret * Bn254::gt_times(&z).0,
            ct: encrypt_symmetric(secret, &b"from ours".to_vec()).unwrap(),
            ..template
        };
        for held in opening {
            let key = world.key("bob", &held);
            assert_eq!(aw11::decrypt(&world.global, &key, &ciphertext).unwrap(), b"from ours");
        }
    }
}

/// Keys are deterministic without F, so they can be compared whole.
#[test]
fn keys_agree() {
    let world = World::new(Aw11GlobalKey { g1: G1::one(), g2: G2::one() });
    let rabes = world.key("bob", &[0, 7]);
    for (i, (_, k)) in [0, 7].into_iter().zip(&rabes.attr) {
        let (_, alpha, y) = &world.masters[i / 5].attr[i % 5];
        let key = Key::<Bn254>::of_user(alpha, y, &world.h("bob"));
        assert!(key.k.0 == *k);
    }
}
