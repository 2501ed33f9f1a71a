//! Outsourced decryption between honest parties. What dishonest ones achieve is in `attacks.rs`.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

use blstrs::{G1Affine, G1Projective, G2Affine, pairing};
use twinseal_abe::outsource::{
    RetrievingKey, Software, TransformEngine, TransformJob, TransformKey, Transformed, tkgen, transform,
    transform_with,
};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{AttributeKey, Authority, Ciphertext, Error, SharedKey, UserId, decapsulate, encapsulate};

const HEADER: &[u8] = b"record 7";

struct World {
    authority: Authority,
    user: UserId,
    keys: Vec<AttributeKey>,
}

impl World {
    fn new() -> Self {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let user: UserId = "alice".parse().unwrap();
        let held = ["a@x", "b@x", "c@x"].map(|a| a.parse().unwrap());
        let keys = authority.issue(&user, &held, &mut OsRng).unwrap();
        Self { authority, user, keys }
    }

    fn encapsulate(&self, policy: &str) -> (Ciphertext, SharedKey) {
        encapsulate(&policy.parse().unwrap(), [self.authority.public_key()], HEADER, &mut OsRng).unwrap()
    }
}

#[test]
fn a_transform_finishes_through_bytes_and_by_engine() {
    let world = World::new();
    let (tk, rk) = tkgen(&world.user, &world.keys, &mut OsRng).unwrap();
    let tk = TransformKey::from_bytes(&tk.to_bytes()).unwrap();
    let rk = RetrievingKey::from_bytes(&rk.to_bytes()).unwrap();
    for policy in ["a@x", "a@x and b@x", "2 of (a@x, z@x, c@x)", "a@x and 2 of (b@x, a@x, z@x)"] {
        let (ciphertext, key) = world.encapsulate(policy);
        let transformed = transform(&ciphertext, &tk).unwrap();
        assert_eq!(transform_with(&ciphertext, &tk, &Software).unwrap(), transformed);
        let transformed = Transformed::from_bytes(&transformed.to_bytes()).unwrap();
        assert_eq!(rk.finish(&ciphertext, HEADER, &transformed).unwrap(), key, "{policy}");
        assert_eq!(rk.finish(&ciphertext, b"other", &transformed), Err(Error::TransformRejected));
        let encoded = ciphertext.to_bytes();
        assert_eq!(rk.finish_encoded(&encoded, HEADER, &transformed).unwrap(), key, "{policy}");
        assert_eq!(rk.finish_encoded(&encoded, b"", &transformed), Err(Error::TransformRejected));
        let too_long = rk.finish(&ciphertext, &[0; 64 * 1024 + 1], &transformed).unwrap_err();
        assert_eq!(too_long.code(), "TSL-ABE-014");
    }
}

/// Rows are not parsed when finishing from bytes; every byte counts all the same.
#[test]
fn finishing_from_bytes_accepts_no_altered_byte() {
    let world = World::new();
    let (tk, rk) = tkgen(&world.user, &world.keys, &mut OsRng).unwrap();
    let (ciphertext, key) = world.encapsulate("a@x or b@x");
    let transformed = transform(&ciphertext, &tk).unwrap();
    let encoded = ciphertext.to_bytes();
    assert_eq!(rk.finish_encoded(&encoded, HEADER, &transformed).unwrap(), key);
    let mut rejected = 0;
    for position in 0..encoded.len() {
        let mut altered = encoded.clone();
        altered[position] ^= 1 << (position % 8);
        let error = rk.finish_encoded(&altered, HEADER, &transformed).unwrap_err();
        rejected += usize::from(error == Error::TransformRejected);
    }
    // Two rows and the commitment, at least.
    assert!(rejected >= 2 * 528 + 32, "{rejected}");
    for altered in [&encoded[1..], &encoded[..encoded.len() - 1], &[&encoded[..], &[0]].concat()] {
        let error = rk.finish_encoded(altered, HEADER, &transformed).unwrap_err();
        assert_eq!(error.code(), "TSL-ABE-013");
    }
}

#[test]
fn a_helper_is_told_what_is_missing() {
    let world = World::new();
    let (tk, _) = tkgen(&world.user, &world.keys[..1], &mut OsRng).unwrap();
    let (ciphertext, _) = world.encapsulate("a@x and b@x");
    let missing = vec!["b@x".parse().unwrap()];
    assert_eq!(transform(&ciphertext, &tk), Err(Error::PolicyNotSatisfied { missing }));
    assert_eq!(tk.attributes().map(|(a, _)| a.to_string()).collect::<Vec<_>>(), ["a@x"]);
}

#[test]
fn a_transform_key_does_not_name_its_user_and_takes_only_their_keys() {
    let world = World::new();
    let bob: UserId = "a-rather-long-user-name".parse().unwrap();
    let of_bob = world.authority.issue(&bob, [&"a@x".parse().unwrap()], &mut OsRng).unwrap();
    let (tk, _) = tkgen(&bob, &of_bob, &mut OsRng).unwrap();
    let bytes = tk.to_bytes();
    assert!(!bytes.windows(bob.as_str().len()).any(|window| window == bob.as_str().as_bytes()));
    let refused = tkgen(&world.user, &of_bob, &mut OsRng).unwrap_err();
    assert_eq!(refused.code(), "TSL-ABE-009");
}

/// After a rotation, keys of both generations can be in one transform key; each opens its ciphertexts.
#[test]
fn generations_stay_apart() {
    let (old, new) = (World::new(), World::new());
    let keys: Vec<_> = old.keys.iter().chain(&new.keys[..1]).cloned().collect();
    let (tk, rk) = tkgen(&old.user, &keys, &mut OsRng).unwrap();
    let tk = TransformKey::from_bytes(&tk.to_bytes()).unwrap();
    assert_eq!(tk.attributes().count(), 4);
    for (world, policy) in [(&old, "a@x and b@x"), (&new, "a@x")] {
        let (ciphertext, key) = world.encapsulate(policy);
        let transformed = transform(&ciphertext, &tk).unwrap();
        assert_eq!(rk.finish(&ciphertext, HEADER, &transformed).unwrap(), key);
        assert_eq!(decapsulate(&ciphertext, HEADER, &old.user, &keys).unwrap(), key);
    }
    let (ciphertext, _) = new.encapsulate("a@x and b@x");
    let rotated = Error::AuthorityRotated { authority: "x".parse().unwrap() };
    assert_eq!(transform(&ciphertext, &tk), Err(rotated.clone()));
    assert_eq!(decapsulate(&ciphertext, HEADER, &old.user, &keys), Err(rotated));
    // Not the generation is in the way here, but an attribute nobody has.
    let (ciphertext, _) = new.encapsulate("a@x and z@x");
    assert_eq!(transform(&ciphertext, &tk).unwrap_err().code(), "TSL-ABE-010");
}

#[test]
fn keys_out_of_order_are_refused() {
    let world = World::new();
    let (tk, _) = tkgen(&world.user, &world.keys[..2], &mut OsRng).unwrap();
    let bytes = tk.to_bytes();
    let (head, keys) = bytes.split_at(2 + 48 + 2);
    let (one, two) = keys.split_at(keys.len() / 2);
    for keys in [[two, one], [one, one]] {
        let altered = [head, keys[0], keys[1]].concat();
        assert_eq!(TransformKey::from_bytes(&altered).unwrap_err().code(), "TSL-ABE-013");
    }
    let (mut none, mut many) = (head.to_vec(), head.to_vec());
    none[50..].copy_from_slice(&[0, 0]);
    many[50..].copy_from_slice(&4097u16.to_be_bytes());
    assert_eq!(TransformKey::from_bytes(&none).unwrap().attributes().count(), 0);
    assert!(TransformKey::from_bytes(&many).unwrap_err().to_string().contains("too many keys"));
}

#[test]
fn an_engine_takes_no_malformed_job() {
    let pair = |p: [u8; 96], q: [u8; 192]| TransformJob { pairs: vec![(p, q)], factors: Vec::new() };
    assert!(Software.transform(&pair([1; 96], [1; 192])).is_err());
    let factor = TransformJob { pairs: Vec::new(), factors: vec![[0; 576]] };
    assert!(Software.transform(&factor).is_err());
    // The empty job has the empty products; points at infinity contribute nothing.
    let mut one = [0; 576];
    one[47] = 1;
    let (mut p, mut q) = ([0; 96], [0; 192]);
    (p[0], q[0]) = (0x40, 0x40);
    for job in [TransformJob { pairs: Vec::new(), factors: vec![one] }, pair(p, q)] {
        let output = Software.transform(&job).unwrap();
        assert_eq!((output.t, output.q), (one, one));
    }
}

/// An authority knows r of L = g2^r. If transform keys had L^(1/b), it and the helper would know g2^(1/b), and
/// with it whose key this is.
#[test]
fn no_authority_recognises_a_transform_key() {
    let world = World::new();
    let (tk, _) = tkgen(&world.user, &world.keys[..1], &mut OsRng).unwrap();
    let (tk, key) = (tk.to_bytes(), world.keys[0].to_bytes());
    let g1 = |bytes: &[u8]| G1Affine::from_compressed(bytes.try_into().unwrap()).unwrap();
    let g2 = |bytes: &[u8]| G2Affine::from_compressed(bytes.try_into().unwrap()).unwrap();
    // Version, kind, H(uid)^(1/b); and L at the end of both.
    let blinded_h = g1(&tk[2..50]);
    let [blinded_l, l] = [&tk, &key[..]].map(|bytes| g2(&bytes[bytes.len() - 96..]));
    let tag = b"TWINSEAL-V02-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_H_";
    let h = G1Affine::from(G1Projective::hash_to_curve(b"alice", tag, &[]));
    assert_ne!(pairing(&h, &blinded_l), pairing(&blinded_h, &l));
}
