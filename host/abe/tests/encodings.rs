//! Parsers of outside bytes: no panic on anything, and nothing but the canonical encoding accepted.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

use proptest::prelude::*;
use std::sync::LazyLock;
use twinseal_abe::outsource::{RetrievingKey, TransformKey, Transformed, tkgen, transform};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{AttributeKey, Authority, Ciphertext, Error, Policy, PublicKey, encapsulate};

/// A valid encoding of each kind: public key, authority, attribute key, ciphertext, transform key,
/// retrieving key, transformed ciphertext.
static VALID: LazyLock<[Vec<u8>; 7]> = LazyLock::new(|| {
    let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
    let key = authority.issue(&"alice".parse().unwrap(), [&"a@x".parse().unwrap()], &mut OsRng).unwrap();
    let policy: Policy = "a@x or b@x".parse().unwrap();
    let (ciphertext, _) = encapsulate(&policy, [authority.public_key()], b"", &mut OsRng).unwrap();
    let (tk, rk) = tkgen(&"alice".parse().unwrap(), &key, &mut OsRng).unwrap();
    [
        authority.public_key().to_bytes(),
        authority.to_bytes().to_vec(),
        key[0].to_bytes().to_vec(),
        ciphertext.to_bytes(),
        tk.to_bytes(),
        rk.to_bytes().to_vec(),
        transform(&ciphertext, &tk).unwrap().to_bytes(),
    ]
});

/// Parses with every parser; what is accepted must encode to the same bytes.
fn accepted(bytes: &[u8]) -> usize {
    let again: [Result<Vec<u8>, Error>; 7] = [
        PublicKey::from_bytes(bytes).map(|key| key.to_bytes()),
        Authority::from_bytes(bytes).map(|authority| authority.to_bytes().to_vec()),
        AttributeKey::from_bytes(bytes).map(|key| key.to_bytes().to_vec()),
        Ciphertext::from_bytes(bytes).map(|ciphertext| ciphertext.to_bytes()),
        TransformKey::from_bytes(bytes).map(|key| key.to_bytes()),
        RetrievingKey::from_bytes(bytes).map(|key| key.to_bytes().to_vec()),
        Transformed::from_bytes(bytes).map(|transformed| transformed.to_bytes()),
    ];
    let accepted: Vec<_> = again.into_iter().flatten().collect();
    assert!(accepted.iter().all(|again| again == bytes));
    accepted.len()
}

#[test]
fn each_encoding_has_one_reading() {
    for bytes in VALID.iter() {
        assert_eq!(accepted(bytes), 1);
    }
}

#[test]
fn truncated_and_extended_encodings_are_refused() {
    for bytes in VALID.iter() {
        for length in (0..bytes.len()).filter(|l| *l < 24 || l % 7 == 0 || *l + 1 == bytes.len()) {
            assert_eq!(accepted(&bytes[..length]), 0);
        }
        assert_eq!(accepted(&[&bytes[..], &[0]].concat()), 0);
    }
}

#[test]
fn other_versions_and_kinds_are_refused() {
    for bytes in VALID.iter() {
        for (position, value) in [(0, 0), (0, 1), (0, 3), (0, 255), (1, 0), (1, 64)] {
            let mut altered = bytes.clone();
            altered[position] = value;
            assert_eq!(accepted(&altered), 0);
        }
    }
}

#[test]
fn a_policy_must_be_in_canonical_form() {
    let bytes = &VALID[3];
    let text = b"a@x or b@x";
    assert_eq!(&bytes[3..15], [&[0, 10], &text[..]].concat());
    for other in ["a@x  or b@x", "(a@x or b@x)", "1 of (a@x, b@x)", "a@x\nor b@x"] {
        let altered =
            [&bytes[..3], &(other.len() as u16).to_be_bytes(), other.as_bytes(), &bytes[15..]].concat();
        assert_eq!(Ciphertext::from_bytes(&altered).unwrap_err().code(), "TSL-ABE-013", "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_are_refused(kind in 0u8..9, bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        prop_assert_eq!(accepted(&bytes), 0);
        prop_assert_eq!(accepted(&[&[2, kind], &bytes[..]].concat()), 0);
    }

    #[test]
    fn mutated_encodings_do_not_panic(
        which in 0usize..7,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..4),
    ) {
        let mut bytes = VALID[which].clone();
        for (index, value, edit) in edits {
            let position = index.index(bytes.len());
            match edit {
                0 => bytes[position] = value,
                1 => bytes.insert(position, value),
                _ => drop(bytes.remove(position)),
            }
        }
        accepted(&bytes);
    }

    #[test]
    fn policy_texts_do_not_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a@x", "b@y", "and", "or", "of", "(", ")", ",", "1", "2", "0", " ", "@", "\u{e9}", "a@@b", "-", "\0",
            ]),
            0..30,
        ),
        noise in any::<String>(),
    ) {
        for text in [words.concat(), words.join(" "), noise] {
            if let Ok(policy) = text.parse::<Policy>() {
                prop_assert_eq!(policy.as_str().parse::<Policy>().unwrap(), policy);
            }
        }
    }
}
