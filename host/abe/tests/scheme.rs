//! The scheme from outside: who can open, who cannot, and the forgeries that broke rabe 0.4.2.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

mod common;

use blstrs::{G1Affine, G2Affine, Scalar};
use common::{World, parts};
use ff::Field;
use group::prime::PrimeCurveAffine;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use twinseal_abe::policy::Node;
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    AttributeKey, Authority, Ciphertext, Error, KeyId, Policy, PublicKey, SharedKey, UserId, decapsulate,
    decapsulate_checked, decapsulate_encoded, decapsulate_many, encapsulate, encapsulate_many,
};

const HEADER: &[u8] = b"record 7, section symptoms";

fn sealed(world: &World, policy: &str) -> (Ciphertext, SharedKey) {
    encapsulate(&policy.parse().unwrap(), world.publics(), HEADER, &mut OsRng).unwrap()
}

fn id(user: &str) -> UserId {
    user.parse().unwrap()
}

#[test]
fn two_authorities_end_to_end_through_bytes() {
    let world = World::new();
    let policy: Policy =
        "doctor@x and (cardiology@x or 2 of (licensed@y, senior@y, trial@y))".parse().unwrap();
    let publics: Vec<PublicKey> =
        world.publics().iter().map(|key| PublicKey::from_bytes(&key.to_bytes()).unwrap()).collect();
    let (ciphertext, key) = encapsulate(&policy, &publics, HEADER, &mut OsRng).unwrap();
    let ciphertext = Ciphertext::from_bytes(&ciphertext.to_bytes()).unwrap();
    assert_eq!(ciphertext.policy(), &policy);

    // The authorities restart from their stored secrets.
    let restarted = |authority: &Authority| Authority::from_bytes(&authority.to_bytes()).unwrap();
    let world = World { x: restarted(&world.x), y: restarted(&world.y) };
    for attributes in [
        &["doctor@x", "cardiology@x"][..],
        &["doctor@x", "licensed@y", "trial@y"],
        &["doctor@x", "senior@y", "trial@y", "unrelated@y"],
    ] {
        let keys: Vec<AttributeKey> = world
            .issue(&id("alice"), attributes)
            .iter()
            .map(|key| AttributeKey::from_bytes(&key.to_bytes()).unwrap())
            .collect();
        for key in &keys {
            let authority = publics.iter().find(|p| p.authority() == key.attribute().authority());
            key.verify(authority.unwrap()).unwrap();
        }
        assert_eq!(decapsulate(&ciphertext, HEADER, &id("alice"), &keys).unwrap(), key);
        assert_eq!(decapsulate_checked(&ciphertext, HEADER, &id("alice"), &keys, &publics).unwrap(), key);
    }
}

#[test]
fn an_unpermitted_reader_learns_what_is_missing() {
    let world = World::new();
    let (ciphertext, _) = sealed(&world, "doctor@x and (cardiology@x or 2 of (a@y, b@y, c@y))");
    for (held, missing) in [
        (&[][..], &["cardiology@x", "doctor@x"][..]),
        (&["doctor@x"], &["cardiology@x"]),
        (&["a@y", "b@y"], &["doctor@x"]),
        (&["Doctor@x", "doctor@y", "cardiology@x"], &["doctor@x"]),
    ] {
        let missing = missing.iter().map(|a| a.parse().unwrap()).collect();
        let result = decapsulate(&ciphertext, HEADER, &id("eve"), &world.issue(&id("eve"), held));
        assert_eq!(result, Err(Error::PolicyNotSatisfied { missing }));
    }
}

#[test]
fn wrong_authority_keys_are_refused_when_encrypting() {
    let (world, other) = (World::new(), World::new());
    let policy: Policy = "a@x and b@y".parse().unwrap();
    let encapsulate = |keys: &[&PublicKey], header: &[u8]| {
        encapsulate(&policy, keys.iter().copied(), header, &mut OsRng).map(|_| ()).map_err(|e| e.code())
    };
    let [x, y] = world.publics();
    assert_eq!(encapsulate(&[x], HEADER), Err("TSL-ABE-007"));
    assert_eq!(encapsulate(&[x, y, other.publics()[0]], HEADER), Err("TSL-ABE-008"));
    assert_eq!(encapsulate(&[x, y], &vec![0; 64 * 1024 + 1]), Err("TSL-ABE-014"));
    assert_eq!(encapsulate(&[x, y, x], &vec![0; 64 * 1024]), Ok(()));
}

#[test]
fn encapsulations_are_fresh() {
    let world = World::new();
    let (one, two) = (sealed(&world, "a@x"), sealed(&world, "a@x"));
    assert_ne!(one.1, two.1);
    assert_ne!(one.0, two.0);
}

#[test]
fn batches_give_what_single_calls_give() {
    let world = World::new();
    let policies: Vec<Policy> =
        ["a@x", "b@y and a@x", "z@x", "a@x or z@y"].iter().map(|p| p.parse().unwrap()).collect();
    let headers: Vec<Vec<u8>> = (0..20u8).map(|i| vec![i]).collect();
    let items: Vec<(&Policy, &[u8])> =
        policies.iter().cycle().zip(headers.iter().map(Vec::as_slice)).collect();
    let sealed: Vec<_> =
        encapsulate_many(&items, world.publics(), &mut OsRng).into_iter().map(Result::unwrap).collect();
    assert_eq!(sealed.len(), 20);
    let keys = world.issue(&id("alice"), &["a@x", "b@y"]);
    let to_open: Vec<(&Ciphertext, &[u8])> =
        sealed.iter().zip(&headers).map(|((ciphertext, _), header)| (ciphertext, &header[..])).collect();
    let opened = decapsulate_many(&to_open, &id("alice"), &keys);
    for (i, ((ciphertext, key), opened)) in sealed.iter().zip(opened).enumerate() {
        assert_eq!(ciphertext.policy(), items[i].0);
        assert_eq!(opened, decapsulate(ciphertext, items[i].1, &id("alice"), &keys), "{i}");
        assert_eq!(opened.ok(), (i % 4 != 2).then(|| key.clone()), "{i}");
    }
    assert!(decapsulate_many(&[], &id("alice"), &keys).is_empty());
    let refused = encapsulate_many(&items[1..2], [world.x.public_key()], &mut OsRng).remove(0);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-007");
}

#[test]
fn header_and_every_sampled_bit_are_bound() {
    let world = World::new();
    let (ciphertext, key) = sealed(&world, "a@x or b@y");
    let keys = world.issue(&id("alice"), &["a@x"]);
    let alice = id("alice");
    assert_eq!(decapsulate(&ciphertext, HEADER, &alice, &keys).unwrap(), key);
    for header in [&b""[..], &HEADER[1..], b"record 7, section symptomS"] {
        assert_eq!(decapsulate(&ciphertext, header, &alice, &keys), Err(Error::Commitment));
    }

    let bytes = ciphertext.to_bytes();
    let mut parsed = 0;
    // The row of b@y is not used by alice; it is bound all the same.
    for position in (0..bytes.len()).filter(|p| *p < 20 || p % 3 == 0 || *p > bytes.len() - 40) {
        // 0x20 flips the sign of a compressed point: a valid point, another one.
        for bit in [0x20, 1 << (position % 8)] {
            let mut altered = bytes.clone();
            altered[position] ^= bit;
            assert!(decapsulate_encoded(&altered, HEADER, &alice, &keys).is_err(), "byte {position}");
            if let Ok(altered) = Ciphertext::from_bytes(&altered) {
                parsed += 1;
                assert!(decapsulate(&altered, HEADER, &alice, &keys).is_err(), "byte {position}");
            }
        }
    }
    assert!(parsed > 40, "{parsed}: the commitment must have been tried, not the parser alone");
}

/// A key's encoding ends with the generation, K and L. Rewrites user, attribute, K and L.
fn forge(generation: KeyId, user: &str, attribute: &str, k: G1Affine, l: G2Affine) -> AttributeKey {
    let mut bytes = vec![2, 3];
    for text in [user, attribute] {
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(generation.as_bytes());
    bytes.extend(k.to_compressed());
    bytes.extend(l.to_compressed());
    AttributeKey::from_bytes(&bytes).unwrap()
}

fn relabel(key: &AttributeKey, user: &str, attribute: &str) -> AttributeKey {
    let (k, l) = parts(&key.to_bytes());
    forge(key.key_id(), user, attribute, k, l)
}

/// The discrete logarithm that `g * hash(name)` would give away.
fn known_logarithm(name: &str) -> Scalar {
    let mut bytes: [u8; 32] = Sha256::digest(name).into();
    bytes[0] = 0;
    Scalar::from_bytes_be(&bytes).unwrap()
}

#[test]
fn forging_by_hand_reproduces_a_genuine_key() {
    let world = World::new();
    let key = world.issue(&id("alice"), &["a@x"]).remove(0);
    let again = relabel(&key, "alice", "a@x");
    assert_eq!(again.to_bytes(), key.to_bytes());
    again.verify(world.x.public_key()).unwrap();
}

#[test]
fn two_users_cannot_pool_their_keys() {
    let world = World::new();
    let (ciphertext, _) = sealed(&world, "a@x and b@y");
    let alice = world.issue(&id("alice"), &["a@x"]);
    let bob = world.issue(&id("bob"), &["b@y"]);
    for (user, own, missing) in [("alice", &alice, "b@y"), ("bob", &bob, "a@x")] {
        let missing = vec![missing.parse().unwrap()];
        let result = decapsulate(&ciphertext, HEADER, &id(user), own);
        assert_eq!(result, Err(Error::PolicyNotSatisfied { missing }));
        let pooled = alice.iter().chain(&bob);
        let result = decapsulate(&ciphertext, HEADER, &id(user), pooled);
        assert_eq!(result.unwrap_err().code(), "TSL-ABE-009");
        let relabelled: Vec<_> =
            alice.iter().chain(&bob).map(|key| relabel(key, user, &key.attribute().to_string())).collect();
        let result = decapsulate(&ciphertext, HEADER, &id(user), &relabelled);
        assert_eq!(result, Err(Error::Commitment));
    }
}

/// rabe BSW, GHW11, AC17: a key for {Z} opens `A and B`, because F(A)/F(Z) has a known logarithm.
#[test]
fn a_key_for_another_attribute_does_not_open() {
    /// From a key for `from`, one for `to`, if F(u) were g1^f(u): F(Z)^r = F(A)^(r f(Z) / f(A)).
    fn attack(l: G2Affine, from: &str, to: &str) -> G2Affine {
        (l * (known_logarithm(from) * known_logarithm(to).invert().unwrap())).into()
    }
    // It works where F is g1^f: F(Z)^r paired with g2 equals F(A) paired with the forged L.
    let r = Scalar::random(OsRng);
    let naive = |u: &str| G1Affine::from(G1Affine::generator() * known_logarithm(u));
    let forged = attack((G2Affine::generator() * r).into(), "z@x", "a@x");
    let f_to_r = G1Affine::from(naive("z@x") * r);
    assert_eq!(blstrs::pairing(&naive("a@x"), &forged), blstrs::pairing(&f_to_r, &G2Affine::generator()));

    let world = World::new();
    let (ciphertext, _) = sealed(&world, "a@x and b@x");
    let key = world.issue(&id("eve"), &["z@x"]).remove(0);
    let result = decapsulate(&ciphertext, HEADER, &id("eve"), [&key]);
    assert_eq!(result.unwrap_err().code(), "TSL-ABE-010");
    let (k, l) = parts(&key.to_bytes());
    for forge_one in [&(|to: &str| relabel(&key, "eve", to)) as &dyn Fn(&str) -> AttributeKey, &|to: &str| {
        forge(key.key_id(), "eve", to, k, attack(l, "z@x", to))
    }] {
        let forged = ["a@x", "b@x"].map(forge_one);
        assert_eq!(forged[0].verify(world.x.public_key()).unwrap_err().code(), "TSL-ABE-015");
        assert_eq!(decapsulate(&ciphertext, HEADER, &id("eve"), &forged), Err(Error::Commitment));
    }
}

/// rabe AW11: colluders forge a key of any user, because the logarithms of H(uid) are known: with
/// c1 + c2 = 1 and c1 h1 + c2 h2 = h3, K1^c1 · K2^c2 is user 3's.
#[test]
fn colluders_cannot_forge_a_third_users_key() {
    let [h1, h2, h3] = ["alice", "bob", "mallory"].map(known_logarithm);
    let c1 = (h3 - h2) * (h1 - h2).invert().unwrap();
    let c2 = Scalar::ONE - c1;
    let combine = |k1: G1Affine, k2: G1Affine| G1Affine::from(k1 * c1 + k2 * c2);
    // It works where H is g1^h.
    let (alpha, y) = (Scalar::random(OsRng), Scalar::random(OsRng));
    let naive = |h: Scalar| G1Affine::from(G1Affine::generator() * (alpha + h * y));
    assert_eq!(combine(naive(h1), naive(h2)), naive(h3));

    let world = World::new();
    let (ciphertext, key) = sealed(&world, "a@x and b@y");
    let (alice, bob) = (world.issue(&id("alice"), &["a@x", "b@y"]), world.issue(&id("bob"), &["a@x", "b@y"]));
    let forged: Vec<_> = alice
        .iter()
        .zip(&bob)
        .map(|(one, two)| {
            let ((k1, l1), (k2, l2)) = (parts(&one.to_bytes()), parts(&two.to_bytes()));
            forge(
                one.key_id(),
                "mallory",
                &one.attribute().to_string(),
                combine(k1, k2),
                (l1 * c1 + l2 * c2).into(),
            )
        })
        .collect();
    assert_eq!(forged[0].verify(world.x.public_key()).unwrap_err().code(), "TSL-ABE-015");
    assert_eq!(decapsulate(&ciphertext, HEADER, &id("mallory"), &forged), Err(Error::Commitment));
    assert_eq!(decapsulate(&ciphertext, HEADER, &id("alice"), &alice).unwrap(), key);
}

/// rabe BDABE: a key for `aa1::A` yields `aa1::B`; here also across authorities.
#[test]
fn one_authority_cannot_stand_in_for_another() {
    let world = World::new();
    let (ciphertext, _) = sealed(&world, "a@y");
    let refused = world.x.issue(&id("eve"), [&"a@y".parse().unwrap()], &mut OsRng);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-006");

    let of_x = world.issue(&id("eve"), &["a@x"]).remove(0);
    let impostor = Authority::setup("y".parse().unwrap(), &mut OsRng);
    let of_impostor = impostor.issue(&id("eve"), [&"a@y".parse().unwrap()], &mut OsRng).unwrap().remove(0);
    of_impostor.verify(impostor.public_key()).unwrap();
    let refused = decapsulate(&ciphertext, HEADER, &id("eve"), [&of_impostor]);
    assert_eq!(refused, Err(Error::AuthorityRotated { authority: "y".parse().unwrap() }));
    for forged in [of_x.clone(), of_impostor] {
        let (k, l) = parts(&forged.to_bytes());
        let forged = forge(world.y.public_key().id(), "eve", "a@y", k, l);
        assert_eq!(forged.verify(world.y.public_key()).unwrap_err().code(), "TSL-ABE-015");
        assert_eq!(decapsulate(&ciphertext, HEADER, &id("eve"), [&forged]), Err(Error::Commitment));
    }
    assert!(of_x.verify(world.y.public_key()).is_err());
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
        Node::Comparison(_) => unreachable!("`formula` makes none"),
        Node::Gate { threshold, children } => {
            children.iter().filter(|c| holds(c, held)).count() >= *threshold
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn exactly_the_permitted_open(formula in formula(), held in 0u8..64) {
        let world = World::new();
        let policy = Policy::from_formula(formula).unwrap();
        let (ciphertext, key) = encapsulate(&policy, world.publics(), HEADER, &mut OsRng).unwrap();
        let parsed = Ciphertext::from_bytes(&ciphertext.to_bytes()).unwrap();
        prop_assert_eq!(&parsed, &ciphertext);
        let held: Vec<String> = (0..6).filter(|i| held & 1 << i != 0).map(name).collect();
        let keys = world.issue(&id("alice"), &held.iter().map(String::as_str).collect::<Vec<_>>());
        match decapsulate_checked(&parsed, HEADER, &id("alice"), &keys, world.publics()) {
            Ok(opened) => {
                let encoded = ciphertext.to_bytes();
                let again = decapsulate_encoded(&encoded, HEADER, &id("alice"), &keys);
                prop_assert_eq!(again.as_ref(), Ok(&opened));
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
