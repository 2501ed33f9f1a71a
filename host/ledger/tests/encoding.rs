//! Everything that is parsed comes back as it was, and nothing that is parsed can panic.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use twinseal_ledger::*;

fn kinds() -> impl Strategy<Value = Kind> {
    let registration = (
        any::<[u8; 16]>(),
        prop::collection::vec(any::<[u8; 32]>(), 1..=32),
        any::<[u8; 32]>(),
        any::<u64>(),
        prop::option::of(any::<u64>()),
    )
        .prop_map(|(record, ciphertext_hashes, blob_hash, timestamp_ms, fee)| Kind::RegisterRecord {
            record: record.into(),
            ciphertext_hashes,
            blob_hash,
            timestamp_ms,
            level: if fee.is_some() { Level::High } else { Level::Low },
            fee: fee.unwrap_or(0),
        });
    let payment = (any::<[u8; 32]>(), 1..u64::MAX, 1..transaction::MAX_LEASE_MS, 1..u64::MAX).prop_map(
        |(cloud, size_bytes, duration_ms, amount)| Kind::PayLease {
            cloud: cloud.into(),
            size_bytes,
            duration_ms,
            amount,
        },
    );
    let grant = (any::<[u8; 16]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>()).prop_map(
        |(record, reader, hash, wrapped)| Kind::Grant {
            record: record.into(),
            reader: reader.into(),
            access: if wrapped { Access::WrappedKey(hash) } else { Access::Policy(hash) },
        },
    );
    prop_oneof![registration, payment, grant]
}

/// Feeds `bytes` to every parser of the crate.
fn parse_all(bytes: &[u8]) {
    let _ = Transaction::from_bytes(bytes);
    let _ = SignedHeader::from_bytes(bytes);
    let _ = Genesis::from_bytes(bytes);
    let _ = PublicKey::from_bytes(bytes);
    let _ = Signature::from_bytes(bytes);
    let _ = String::from_utf8_lossy(bytes).parse::<AccountId>();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        parse_all(&bytes);
    }

    #[test]
    fn transactions_round_trip_and_keep_their_signature(kind in kinds(), nonce: u64, chain: [u8; 32]) {
        let transaction = Transaction::sign(&patient(), chain.into(), nonce, kind.clone()).unwrap();
        let bytes = transaction.to_bytes().unwrap();
        prop_assert!(bytes.len() <= transaction::MAX_TRANSACTION_BYTES);
        let back = Transaction::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &transaction);
        prop_assert_eq!(back.kind(), &kind);
        back.verify(patient().public_key()).unwrap();
        prop_assert!(back.verify(doctor().public_key()).is_err());
    }

    /// One changed bit is a parse error, another signature, or another body under a signature that does not fit.
    #[test]
    fn a_changed_bit_is_noticed(kind in kinds(), at: prop::sample::Index, bit in 0u32..8) {
        let transaction = Transaction::sign(&patient(), [3; 32].into(), 7, kind).unwrap();
        let mut bytes = transaction.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        parse_all(&bytes);
        if let Ok(changed) = Transaction::from_bytes(&bytes) {
            prop_assert!(changed.verify(patient().public_key()).is_err());
        }
        bytes[at] ^= 1u8 << bit;
        bytes.truncate(at);
        prop_assert!(Transaction::from_bytes(&bytes).is_err());
    }
}

#[test]
fn only_the_canonical_form_is_accepted() {
    let transaction = sign(&patient(), 5, register(1, Level::Low, 0));
    let bytes = transaction.to_bytes().unwrap();
    assert_eq!(Transaction::from_bytes(&[&bytes[..], &[0]].concat()).unwrap_err().code(), "TSL-LED-005");

    // The nonce 5 follows version, chain and sender; as an over-long varint it would decode to the same value.
    let at = 1 + 32 + 32;
    assert_eq!(bytes[at], 5);
    let padded = [&bytes[..at], &[0x85, 0x00], &bytes[at + 1..]].concat();
    assert_eq!(Transaction::from_bytes(&padded).unwrap_err().code(), "TSL-LED-005");

    let mut newer = bytes.clone();
    newer[0] = 2;
    assert_eq!(Transaction::from_bytes(&newer).unwrap_err().code(), "TSL-LED-007");
    assert_eq!(Transaction::from_bytes(&[0; 8193]).unwrap_err().code(), "TSL-LED-006");
}

#[test]
fn ranges_are_checked_before_signing() {
    let refuses = |kind| {
        assert_eq!(Transaction::sign(&patient(), [0; 32].into(), 0, kind).unwrap_err().code(), "TSL-LED-008");
    };
    refuses(register(1, Level::Low, 1));
    refuses(pay(cloud().account(), 0));
    let cloud = cloud().account();
    refuses(Kind::PayLease { cloud, size_bytes: 0, duration_ms: 1, amount: 1 });
    refuses(Kind::PayLease { cloud, size_bytes: 1, duration_ms: 0, amount: 1 });
    refuses(Kind::PayLease { cloud, size_bytes: 1, duration_ms: u64::MAX, amount: 1 });
    for count in [0, 33] {
        refuses(Kind::RegisterRecord {
            record: [0; 16].into(),
            ciphertext_hashes: vec![[0; 32]; count],
            blob_hash: [0; 32],
            timestamp_ms: 0,
            level: Level::High,
            fee: 1,
        });
    }
}

#[test]
fn a_genesis_must_keep_the_rules() {
    genesis().check().unwrap();
    assert_eq!(Genesis::from_bytes(&genesis().to_bytes().unwrap()).unwrap(), genesis());
    let breaks: [fn(&mut Genesis); 8] = [
        |g| g.members.clear(),
        |g| g.members.push(g.members[0].clone()),
        |g| g.members[0].balance = u64::MAX,
        |g| g.name.clear(),
        |g| g.members[1].name = "x".repeat(65),
        |g| g.rules.low_share_percent = 0,
        |g| g.rules.block_transactions = 1025,
        |g| g.rules.block_bytes = 8191,
    ];
    for (n, break_it) in breaks.iter().enumerate() {
        let mut genesis = genesis();
        break_it(&mut genesis);
        assert_eq!(genesis.check().unwrap_err().code(), "TSL-LED-012", "rule {n}");
    }
}
