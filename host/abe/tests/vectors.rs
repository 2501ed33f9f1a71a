//! The published test vectors: `vectors/scheme.json`, made again and consumed from its bytes alone.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

use blstrs::G1Projective;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twinseal_abe::outsource::{RetrievingKey, TransformKey, Transformed, tkgen, transform};
use twinseal_abe::rand_core::{CryptoRng, Error as RngError, RngCore};
use twinseal_abe::{
    AttributeKey, Authority, Ciphertext, Claim, PublicKey, UserId, decapsulate, decapsulate_checked,
    encapsulate,
};

const PUBLISHED: &str = include_str!("../vectors/scheme.json");
const USER: &str = "alice";
const CLAIMS: [&str; 4] = ["a@x", "b@x", "c@y", "level=5@y"];
const POLICIES: [&str; 5] =
    ["a@x", "a@x and c@y", "c@y or z@x", "2 of (a@x, b@x, z@x) and (c@y or z@y)", "a@x and level@y >= 4"];

/// SHA-256 in counter mode: reproducible, for these vectors only.
#[derive(Default)]
struct Reproducible {
    block: [u8; 32],
    drawn: usize,
}

impl RngCore for Reproducible {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.drawn.is_multiple_of(32) {
                self.block = Sha256::digest((self.drawn as u64 / 32).to_be_bytes()).into();
            }
            *byte = self.block[self.drawn % 32];
            self.drawn += 1;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Reproducible {}

fn hash(role: char, text: &str) -> String {
    let dst = format!("TWINSEAL-V02-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_{role}_");
    hex::encode(G1Projective::hash_to_curve(text.as_bytes(), dst.as_bytes(), &[]).to_compressed())
}

fn generate() -> Value {
    let rng = &mut Reproducible::default();
    let authorities = ["x", "y"].map(|id| Authority::setup(id.parse().unwrap(), rng));
    let user: UserId = USER.parse().unwrap();
    let mut keys = Vec::new();
    for claim in CLAIMS {
        let claim: Claim = claim.parse().unwrap();
        let authority = authorities.iter().find(|a| a.public_key().authority() == claim.authority()).unwrap();
        keys.extend(authority.issue(&user, &claim.attributes(), rng).unwrap());
    }
    let (tk, rk) = tkgen(&user, &keys, rng).unwrap();
    let publics = authorities.each_ref().map(Authority::public_key);
    let case = |(i, policy): (usize, &&str)| {
        let header = format!("header {i}");
        let (ciphertext, key) =
            encapsulate(&policy.parse().unwrap(), publics, header.as_bytes(), rng).unwrap();
        json!({
            "policy": policy,
            "header": hex::encode(&header),
            "ciphertext": hex::encode(ciphertext.to_bytes()),
            "shared_key": hex::encode(key.as_bytes()),
            "transformed": hex::encode(transform(&ciphertext, &tk).unwrap().to_bytes()),
        })
    };
    let cases: Vec<_> = POLICIES.iter().enumerate().map(case).collect();
    json!({
        "user": USER,
        "user_hash": hash('H', USER),
        "authorities": authorities.each_ref().map(|authority| json!({
            "secret": hex::encode(authority.to_bytes()),
            "public": hex::encode(authority.public_key().to_bytes()),
            "key_id": authority.public_key().id().to_string(),
        })),
        "keys": keys.iter().map(|key| json!({
            "attribute": key.attribute().to_string(),
            "attribute_hash": hash('F', &key.attribute().to_string()),
            "key": hex::encode(key.to_bytes()),
        })).collect::<Vec<_>>(),
        "transform_key": hex::encode(tk.to_bytes()),
        "retrieving_key": hex::encode(rk.to_bytes()),
        "cases": cases,
    })
}

/// Stored keys and ciphertexts must stay readable. If this fails, what is derived or encoded has changed,
/// and the version byte and the domain separation tags must change with it.
#[test]
fn the_published_vectors_are_made_again() {
    let generated = format!("{:#}\n", generate());
    if generated != PUBLISHED {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("scheme.json");
        std::fs::write(&path, generated).unwrap();
        panic!("vectors/scheme.json differs from what was written to {}", path.display());
    }
}

#[test]
fn the_published_vectors_open() {
    let published: Value = serde_json::from_str(PUBLISHED).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let user: UserId = published["user"].as_str().unwrap().parse().unwrap();
    let publics: Vec<_> = list(&published["authorities"])
        .iter()
        .map(|authority| {
            let public = PublicKey::from_bytes(&bytes(&authority["public"])).unwrap();
            let restored = Authority::from_bytes(&bytes(&authority["secret"])).unwrap();
            assert_eq!(restored.public_key(), &public);
            assert_eq!(public.id().to_string(), authority["key_id"].as_str().unwrap());
            public
        })
        .collect();
    let keys: Vec<_> = list(&published["keys"])
        .iter()
        .map(|key| AttributeKey::from_bytes(&bytes(&key["key"])).unwrap())
        .collect();
    assert_eq!(keys.len(), 3 + 33);
    for key in &keys {
        let authority = publics.iter().find(|public| public.authority() == key.attribute().authority());
        key.verify(authority.unwrap()).unwrap();
    }
    let tk = TransformKey::from_bytes(&bytes(&published["transform_key"])).unwrap();
    let rk = RetrievingKey::from_bytes(&bytes(&published["retrieving_key"])).unwrap();
    let cases = list(&published["cases"]);
    assert_eq!(cases.len(), POLICIES.len());
    for case in &cases {
        let (header, shared_key) = (bytes(&case["header"]), bytes(&case["shared_key"]));
        let ciphertext = Ciphertext::from_bytes(&bytes(&case["ciphertext"])).unwrap();
        assert_eq!(ciphertext.policy().as_str(), case["policy"].as_str().unwrap());
        let transformed = Transformed::from_bytes(&bytes(&case["transformed"])).unwrap();
        assert_eq!(transform(&ciphertext, &tk).unwrap(), transformed);
        for key in [
            decapsulate(&ciphertext, &header, &user, &keys),
            decapsulate_checked(&ciphertext, &header, &user, &keys, &publics),
            rk.finish(&ciphertext, &header, &transformed),
        ] {
            assert_eq!(key.unwrap().as_bytes()[..], shared_key);
        }
    }
}
