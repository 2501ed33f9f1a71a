//! Ciphertexts from rows made beforehand: they open like any other, and no row serves twice.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

mod common;

use common::World;
use proptest::prelude::*;
use std::collections::BTreeSet;
use twinseal_abe::outsource::{Pool, tkgen, transform};
use twinseal_abe::policy::Node;
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    Attribute, Authority, Ciphertext, Error, Mode, Policy, UserId, decapsulate, decapsulate_checked,
};

const HEADER: &[u8] = b"record 7";

#[test]
fn it_opens_like_any_other_and_cannot_be_made_again() {
    let world = World::new();
    let policy: Policy = "a@x and b@y and 2 of (a@x, c@x, d@y)".parse().unwrap();
    let user: UserId = "alice".parse().unwrap();
    let keys = world.issue(&user, &["a@x", "b@y", "d@y"]);
    let mut pool = Pool::new();
    pool.prepare(&policy, world.publics(), 1, &mut OsRng).unwrap();
    let (ciphertext, key) = pool.encapsulate(&policy, world.publics(), HEADER, &mut OsRng).unwrap();
    let ciphertext = Ciphertext::from_bytes(&ciphertext.to_bytes()).unwrap();
    assert_eq!(ciphertext.mode(), Mode::Precomputed);
    assert_eq!(decapsulate(&ciphertext, HEADER, &user, &keys).unwrap(), key);
    let (transform_key, retrieving_key) = tkgen(&user, &keys, &mut OsRng).unwrap();
    let transformed = transform(&ciphertext, &transform_key).unwrap();
    assert_eq!(retrieving_key.finish(&ciphertext, HEADER, &transformed).unwrap(), key);

    assert_eq!(decapsulate(&ciphertext, b"record 8", &user, &keys), Err(Error::Commitment));
    let checked = decapsulate_checked(&ciphertext, HEADER, &user, &keys, world.publics());
    assert_eq!(checked, Err(Error::Precomputed));
    // The mode is bound: calling it derived does not get it past the check.
    let mut bytes = ciphertext.to_bytes();
    assert_eq!(bytes[2], Mode::Precomputed as u8);
    bytes[2] = Mode::Derived as u8;
    let relabelled = Ciphertext::from_bytes(&bytes).unwrap();
    assert_eq!(decapsulate(&relabelled, HEADER, &user, &keys), Err(Error::Commitment));
}

/// C2 = g2^-t of every row of a ciphertext: what would repeat if a row did.
fn c2s(ciphertext: &Ciphertext) -> Vec<Vec<u8>> {
    let bytes = ciphertext.to_bytes();
    let rows = ciphertext.policy().rows().len();
    let row_bytes = 288 + 96 + 96 + 48;
    let first = bytes.len() - 32 - rows * row_bytes;
    (0..rows).map(|x| bytes[first + x * row_bytes + 288..][..96].to_vec()).collect()
}

#[test]
fn no_row_serves_twice() {
    let world = World::new();
    let policy: Policy = "a@x and a@x and b@y".parse().unwrap();
    let [x, y] = world.publics();
    let (a, b): (Attribute, Attribute) = ("a@x".parse().unwrap(), "b@y".parse().unwrap());
    let mut pool = Pool::new();
    pool.prepare_rows(&a, x, 5, &mut OsRng).unwrap();
    pool.prepare_rows(&b, y, 3, &mut OsRng).unwrap();
    assert_eq!(format!("{pool:?}"), r#"{"a@x": 5, "b@y": 3}"#);
    let mut seen = BTreeSet::new();
    for left in [3, 1] {
        let (ciphertext, _) = pool.encapsulate(&policy, [x, y], HEADER, &mut OsRng).unwrap();
        assert_eq!(pool.rows_left(&a, x), left);
        seen.extend(c2s(&ciphertext));
    }
    assert_eq!(seen.len(), 6);
    // Not enough for another one: refused, and nothing is lost.
    let refused = pool.encapsulate(&policy, [x, y], HEADER, &mut OsRng);
    assert_eq!(refused, Err(Error::PoolEmpty { attribute: a.clone() }));
    assert_eq!((pool.rows_left(&a, x), pool.rows_left(&b, y)), (1, 1));
    let (ciphertext, _) =
        pool.encapsulate(&"b@y and a@x".parse().unwrap(), [x, y], HEADER, &mut OsRng).unwrap();
    seen.extend(c2s(&ciphertext));
    assert_eq!(seen.len(), 8);
    assert_eq!((pool.rows_left(&a, x), pool.rows_left(&b, y)), (0, 0));

    assert_eq!(pool.prepare_rows(&a, y, 1, &mut OsRng).unwrap_err().code(), "TSL-ABE-006");
    let refused = pool.encapsulate(&policy, [x], HEADER, &mut OsRng);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-007");
}

#[test]
fn rows_belong_to_a_generation() {
    let world = World::new();
    let rotated = Authority::setup("x".parse().unwrap(), &mut OsRng);
    let policy: Policy = "a@x".parse().unwrap();
    let mut pool = Pool::new();
    pool.prepare(&policy, world.publics(), 2, &mut OsRng).unwrap();
    let refused = pool.encapsulate(&policy, [rotated.public_key()], HEADER, &mut OsRng);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-036");
    assert_eq!(pool.rows_left(&policy.rows()[0], world.x.public_key()), 2);
    pool.discard(world.x.public_key().id());
    assert_eq!(pool.rows_left(&policy.rows()[0], world.x.public_key()), 0);
}

fn formula() -> impl Strategy<Value = Node> {
    let leaf = (0..6u8).prop_map(|i| Node::Attribute(name(i).parse().unwrap()));
    leaf.prop_recursive(3, 12, 4, |inner| {
        (prop::collection::vec(inner, 1..4), any::<prop::sample::Index>())
            .prop_map(|(children, k)| Node::Gate { threshold: k.index(children.len()) + 1, children })
    })
}

fn name(i: u8) -> String {
    format!("a{i}@{}", ["x", "y"][usize::from(i % 2)])
}

fn holds(node: &Node, held: &[String]) -> bool {
    match node {
        Node::Attribute(attribute) => held.contains(&attribute.to_string()),
        Node::Gate { threshold, children } => {
            children.iter().filter(|c| holds(c, held)).count() >= *threshold
        }
        Node::Comparison(_) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn exactly_the_permitted_open(formula in formula(), held in 0u8..64) {
        let world = World::new();
        let policy = Policy::from_formula(formula).unwrap();
        let mut pool = Pool::new();
        pool.prepare(&policy, world.publics(), 1, &mut OsRng).unwrap();
        let (ciphertext, key) = pool.encapsulate(&policy, world.publics(), HEADER, &mut OsRng).unwrap();
        let held: Vec<String> = (0..6).filter(|i| held & 1 << i != 0).map(name).collect();
        let user: UserId = "alice".parse().unwrap();
        let keys = world.issue(&user, &held);
        match decapsulate(&ciphertext, HEADER, &user, &keys) {
            Ok(opened) => {
                prop_assert!(holds(policy.formula(), &held));
                prop_assert_eq!(opened, key);
            }
            Err(error) => {
                prop_assert!(!holds(policy.formula(), &held), "{}", error);
                prop_assert_eq!(error.code(), "TSL-ABE-010");
            }
        }
    }
}
