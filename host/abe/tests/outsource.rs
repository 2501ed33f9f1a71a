//! Outsourced decryption: right or refused.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

use twinseal_abe::outsource::{
    RetrievingKey, Software, TransformKey, Transformed, tkgen, transform, transform_with,
};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{AttributeKey, Authority, Ciphertext, Error, SharedKey, UserId, encapsulate};

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
    }
}
