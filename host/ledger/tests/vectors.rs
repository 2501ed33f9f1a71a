//! Published vectors: ML-DSA-65 from NIST ACVP and Wycheproof, Merkle proofs from transparency-dev; and a second
//! implementation of ML-DSA as an oracle.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
use std::path::Path;

use common::key;
use ml_dsa::{EncodedSignature, EncodedVerifyingKey, Keypair, MlDsa65, Signature as Oracle, VerifyingKey};
use serde_json::Value;
use twinseal_ledger::identity::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};
use twinseal_ledger::{PublicKey, Signature, SigningKey, merkle};

/// The file under `../shared/data`, or `None` with a printed reason.
fn vectors(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: {} is not here", path.display());
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn oracle_key(public: &[u8]) -> VerifyingKey<MlDsa65> {
    VerifyingKey::decode(&EncodedVerifyingKey::<MlDsa65>::try_from(public).unwrap())
}

fn oracle_signature(signature: &[u8]) -> Option<Oracle<MlDsa65>> {
    Oracle::decode(&EncodedSignature::<MlDsa65>::try_from(signature).ok()?)
}

#[test]
fn acvp_key_generation_from_seeds() {
    let Some(file) = vectors("vec_acvp_mldsa/key-gen.json") else { return };
    let mut checked = 0;
    for group in list(&file, "testGroups").iter().filter(|g| g["parameterSet"] == "ML-DSA-65") {
        for test in list(group, "tests") {
            let seed = bytes(&test["seed"]).try_into().unwrap();
            assert_eq!(SigningKey::from_seed(&seed).unwrap().public_key().to_bytes(), bytes(&test["pk"]));
            checked += 1;
        }
    }
    assert_eq!(checked, 25);
}

/// ACVP's signature vectors are of the internal interface (FIPS 204, algorithm 8), which AWS-LC's Rust API does not
/// offer. They check the oracle; the next test checks AWS-LC against the oracle.
#[test]
fn acvp_signature_verification_holds_for_the_oracle() {
    let Some(file) = vectors("vec_acvp_mldsa/sig-ver.json") else { return };
    let (mut valid, mut invalid) = (0, 0);
    for group in list(&file, "testGroups").iter().filter(|g| g["parameterSet"] == "ML-DSA-65") {
        let key = oracle_key(&bytes(&group["pk"]));
        for test in list(group, "tests") {
            let expected = test["testPassed"].as_bool().unwrap();
            let got = oracle_signature(&bytes(&test["signature"]))
                .is_some_and(|signature| key.verify_internal(&bytes(&test["message"]), &signature));
            assert_eq!(got, expected, "{}: {}", test["tcId"], test["reason"]);
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    assert!(valid > 0 && invalid > 0 && valid + invalid == 15, "{valid} + {invalid}");
}

#[test]
fn signatures_agree_with_the_oracle_in_both_directions() {
    for n in 0..8u8 {
        let ours = key(n);
        let theirs = ml_dsa::SigningKey::<MlDsa65>::from_seed(&[n; 32].into());
        assert_eq!(ours.public_key().to_bytes(), theirs.verifying_key().encode().to_vec());

        let message = vec![n; 10 * usize::from(n)];
        let signature = ours.sign(&message).unwrap();
        let verifies = |bytes: &[u8], message: &[u8]| {
            oracle_signature(bytes).is_some_and(|s| {
                oracle_key(&ours.public_key().to_bytes()).verify_with_context(message, b"", &s)
            })
        };
        assert!(verifies(&signature.to_bytes(), &message));
        assert!(!verifies(&signature.to_bytes(), b"another message"));

        let theirs = theirs.expanded_key().sign_deterministic(&message, b"").unwrap().encode();
        ours.public_key().verify(&message, &Signature::from_bytes(&theirs).unwrap()).unwrap();
        // Every kind of damage that one refuses, the other refuses: challenge, response, hint.
        for at in [0, 31, 48, 1000, 3200, 3248, 3303, 3308] {
            let mut damaged = theirs.to_vec();
            damaged[at] ^= 1 << n;
            let ours = ours.public_key().verify(&message, &Signature::from_bytes(&damaged).unwrap());
            assert_eq!(ours.is_ok(), verifies(&damaged, &message), "byte {at}");
            assert!(ours.is_err(), "byte {at}");
        }
    }
}

#[test]
fn wycheproof_signature_verification() {
    let Some(file) = vectors("vec_wycheproof/mldsa_65_verify_test.json") else { return };
    let (mut valid, mut invalid, mut with_context) = (0, 0, 0);
    for group in list(&file, "testGroups") {
        let public = bytes(&group["publicKey"]);
        for test in list(group, "tests") {
            let name = format!("test {}: {}", test["tcId"], test["comment"]);
            let accepted = PublicKey::from_bytes(&public)
                .and_then(|key| {
                    key.verify(&bytes(&test["msg"]), &Signature::from_bytes(&bytes(&test["sig"]))?)
                })
                .is_ok();
            let expected = test["result"] == "valid";
            if test.get("ctx").is_some_and(|ctx| ctx != "") {
                // Ours is the empty context; a signature made in another one must not count.
                assert!(!accepted, "{name}");
                with_context += 1;
                continue;
            }
            assert_eq!(accepted, expected, "{name}");
            assert!(!expected || public.len() == PUBLIC_KEY_BYTES);
            assert!(!expected || bytes(&test["sig"]).len() == SIGNATURE_BYTES);
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    println!("{valid} valid, {invalid} invalid, {with_context} in another context");
    assert_eq!(valid + invalid + with_context, 210);
    assert!(valid >= 70 && invalid >= 100);
}

fn base64(value: &Value) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for c in value.as_str().unwrap().bytes().take_while(|c| *c != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|a| *a == c).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    out
}

/// `None` where a corrupted vector has a hash that is not 32 bytes long; our types cannot even express it.
fn proof(test: &Value) -> Option<Vec<merkle::Hash>> {
    let empty = Vec::new();
    test["proof"].as_array().unwrap_or(&empty).iter().map(|p| base64(p).try_into().ok()).collect()
}

/// Some vectors have words for roots; padded with zeros they are as equal or different as before. `None` for no root.
fn hash(value: &Value) -> Option<merkle::Hash> {
    let mut bytes = value.as_str().filter(|text| !text.is_empty()).map(|_| base64(value))?;
    bytes.resize(bytes.len().max(32), 0);
    bytes.try_into().ok()
}

#[test]
fn merkle_inclusion() {
    let Some(Value::Array(tests)) = vectors("vec_merkle/inclusion.json") else { return };
    let (mut good, mut bad) = (0, 0);
    for test in &tests {
        let accepted = (|| {
            let (leaf, root, path) = (hash(&test["leafHash"])?, hash(&test["root"])?, proof(test)?);
            let (index, size) = (test["leafIdx"].as_u64()?, test["treeSize"].as_u64()?);
            merkle::verify_inclusion(&leaf, index, size, &path, &root).ok()
        })()
        .is_some();
        assert_eq!(!accepted, test["wantErr"].as_bool().unwrap(), "{}", test["_path"]);
        if accepted { good += 1 } else { bad += 1 }
    }
    println!("{good} good, {bad} corrupted");
    assert!(good >= 4 && bad >= 50);
}

#[test]
fn merkle_consistency() {
    let Some(Value::Array(tests)) = vectors("vec_merkle/consistency.json") else { return };
    let (mut good, mut bad) = (0, 0);
    for test in &tests {
        let accepted = (|| {
            let (old, new, path) = (hash(&test["root1"])?, hash(&test["root2"])?, proof(test)?);
            let (old_size, new_size) = (test["size1"].as_u64()?, test["size2"].as_u64()?);
            merkle::verify_consistency(old_size, new_size, &old, &new, &path).ok()
        })()
        .is_some();
        assert_eq!(!accepted, test["wantErr"].as_bool().unwrap(), "{}", test["_path"]);
        if accepted { good += 1 } else { bad += 1 }
    }
    println!("{good} good, {bad} corrupted");
    assert!(good >= 4 && bad >= 50);
}

/// Every proof of every tree up to 40 leaves is made and verifies, and fails for every other leaf, size and head.
#[test]
fn merkle_proofs_of_all_small_trees() {
    let leaves: Vec<[u8; 4]> = (0..40u32).map(u32::to_be_bytes).collect();
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let head = merkle::tree_head(tree);
        for index in 0..size {
            let path = merkle::inclusion_path(tree, index).unwrap();
            for (other, leaf) in tree.iter().enumerate() {
                let leaf = merkle::leaf_hash(leaf);
                let accepted =
                    merkle::verify_inclusion(&leaf, index as u64, size as u64, &path, &head).is_ok();
                assert_eq!(accepted, other == index);
            }
        }
        for old_size in 1..=size {
            let path = merkle::consistency_path(tree, old_size).unwrap();
            let old = merkle::tree_head(&leaves[..old_size]);
            let verify = |old: &_, new: &_| {
                merkle::verify_consistency(old_size as u64, size as u64, old, new, &path).is_ok()
            };
            assert!(verify(&old, &head));
            assert!(!verify(&merkle::tree_head(&leaves[1..=old_size.min(39)]), &head) || old_size == 40);
            assert!(!verify(&old, &[0; 32]));
        }
        assert!(merkle::inclusion_path(tree, size).is_none());
        assert!(merkle::consistency_path(tree, size + 1).is_none());
    }
}
