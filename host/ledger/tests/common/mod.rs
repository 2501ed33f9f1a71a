//! A small consortium for the tests: an orderer, a patient, a doctor and a cloud.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use twinseal_ledger::*;

pub const START_MS: u64 = 1_700_000_000_000;

/// A clock the test sets.
#[derive(Debug)]
pub struct TestClock(pub AtomicU64);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START_MS)))
    }

    pub fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

pub fn orderer() -> SigningKey {
    key(1)
}
pub fn patient() -> SigningKey {
    key(2)
}
pub fn doctor() -> SigningKey {
    key(3)
}
pub fn cloud() -> SigningKey {
    key(4)
}
pub fn stranger() -> SigningKey {
    key(99)
}

pub fn genesis() -> Genesis {
    let member = |name: &str, key: SigningKey, balance| Member {
        name: name.into(),
        public_key: key.public_key().clone(),
        balance,
    };
    Genesis {
        version: Genesis::VERSION,
        name: "test consortium".into(),
        created_ms: START_MS - 1000,
        orderer: orderer().public_key().clone(),
        members: vec![
            member("patient", patient(), 1000),
            member("doctor", doctor(), 500),
            member("cloud", cloud(), 0),
        ],
        rules: Rules::default(),
    }
}

pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Ledger, Error> {
    open_genesis(path, genesis(), clock)
}

pub fn open_genesis(path: &Path, genesis: Genesis, clock: Arc<dyn Clock>) -> Result<Ledger, Error> {
    Ledger::open(path, genesis, orderer(), Arc::new(SoftwareTree), clock)
}

pub fn register(record: u8, level: Level, fee: u64) -> Kind {
    Kind::RegisterRecord {
        record: [record; 16].into(),
        ciphertext_hashes: vec![[record; 32], [7; 32]],
        blob_hash: [record ^ 0xff; 32],
        timestamp_ms: START_MS - 5,
        level,
        fee,
    }
}

pub fn pay(cloud: AccountId, amount: u64) -> Kind {
    Kind::PayLease { cloud, size_bytes: 1 << 20, duration_ms: 60_000, amount }
}

pub fn grant(record: u8, reader: AccountId) -> Kind {
    Kind::Grant { record: [record; 16].into(), reader, access: Access::WrappedKey([5; 32]) }
}

/// Signs for the test ledger.
pub fn sign(key: &SigningKey, nonce: u64, kind: Kind) -> Transaction {
    Transaction::sign(key, genesis().chain().unwrap(), nonce, kind).unwrap()
}
