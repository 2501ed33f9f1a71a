//! Tests below the facade: a disk that fails or loses power at any moment, and a ledger file somebody altered.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use redb::{Builder, StorageBackend};

use crate::ledger::block0;
use crate::orderer::Solo;
use crate::state::{self, Writes, key};
use crate::store::Store;
use crate::*;

/// A disk in memory that tells synced from merely written and fails from a chosen operation on.
#[derive(Clone, Debug)]
struct Disk {
    written: Arc<Mutex<Vec<u8>>>,
    synced: Arc<Mutex<Vec<u8>>>,
    operations: Arc<AtomicU64>,
    fails_from: u64,
}

impl Disk {
    fn new(content: Vec<u8>, fails_from: u64) -> Self {
        Self {
            written: Arc::new(Mutex::new(content.clone())),
            synced: Arc::new(Mutex::new(content)),
            operations: Arc::default(),
            fails_from,
        }
    }

    fn count(&self) -> io::Result<()> {
        if self.operations.fetch_add(1, Ordering::Relaxed) >= self.fails_from {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written.lock().unwrap().len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        let written = self.written.lock().unwrap();
        out.copy_from_slice(written.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.count()?;
        self.written.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.count()?;
        self.synced.lock().unwrap().clone_from(&self.written.lock().unwrap());
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.count()?;
        let offset = offset as usize;
        self.written.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn key_of(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

fn genesis() -> Genesis {
    let member =
        |n: u8, balance| Member { name: n.to_string(), public_key: key_of(n).public_key().clone(), balance };
    Genesis {
        version: Genesis::VERSION,
        name: "faults".into(),
        created_ms: 0,
        orderer: key_of(1).public_key().clone(),
        members: vec![member(2, 1000), member(3, 10)],
        rules: Rules::default(),
    }
}

fn open(disk: &Disk, new: bool) -> Result<Ledger, Error> {
    let database = Builder::new()
        .set_check_integrity_on_open(true)
        .create_with_backend(disk.clone())
        .map_err(|e| Error::Storage(Box::new(e.into())))?;
    let genesis = genesis();
    let store = if new {
        Store::create(database, &genesis, &block0(&genesis, &key_of(1))?, &state::genesis(&genesis)?)?
    } else {
        Store::load(database, &genesis)?
    };
    let solo = Box::new(Solo::new(genesis.rules));
    Ledger::over(store, genesis, key_of(1), Arc::new(SoftwareTree), Arc::new(SystemClock), solo)
}

fn payment(nonce: u64) -> Transaction {
    let kind =
        Kind::PayLease { cloud: key_of(3).account(), size_bytes: 1, duration_ms: 1, amount: nonce + 1 };
    Transaction::sign(&key_of(2), genesis().chain().unwrap(), nonce, kind).unwrap()
}

/// Fails the disk at every operation in turn, then reopens both what was written and what was synced: every acknowledged
/// transaction is there, nothing is there by half, and the ledger goes on.
#[test]
fn a_full_disk_or_a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let empty = Disk::new(Vec::new(), u64::MAX);
    drop(open(&empty, true).unwrap());
    let start = empty.synced.lock().unwrap().clone();
    let payments: Vec<_> = (0..6).map(payment).collect();

    let (mut refused, mut completed) = (0, false);
    for fails_from in 0.. {
        let disk = Disk::new(start.clone(), fails_from);
        let mut acknowledged = Vec::new();
        if let Ok(ledger) = open(&disk, false) {
            for payment in &payments {
                match ledger.submit(payment.clone()) {
                    Ok(receipt) => acknowledged.push(receipt.applied().unwrap()),
                    Err(e) => {
                        assert_eq!(e.code(), "TSL-LED-023", "{e}");
                        assert!(e.to_string().contains("free disk space"), "{e}");
                        refused += 1;
                        break;
                    }
                }
            }
            completed = acknowledged.len() == payments.len();
            // No orderly end: the process is gone at this point.
            std::mem::forget(ledger);
        }
        for image in [disk.written.lock().unwrap().clone(), disk.synced.lock().unwrap().clone()] {
            let ledger = open(&Disk::new(image, u64::MAX), false)
                .unwrap_or_else(|e| panic!("after operation {fails_from}: {e}"));
            for receipt in &acknowledged {
                assert_eq!(ledger.receipt(&receipt.id).unwrap().as_ref(), Some(receipt), "{fails_from}");
            }
            let head = ledger.verify().unwrap();
            // The one that was refused may have reached the disk all the same: then it is there as a whole.
            assert!(head.height.0 <= acknowledged.len() as u64 + 1);
            for payment in &payments {
                let _ = ledger.submit(payment.clone()).unwrap().applied().unwrap();
            }
            assert_eq!(ledger.balance(&key_of(3).account()).unwrap(), 10 + 21);
        }
        if completed && disk.operations.load(Ordering::Relaxed) <= fails_from {
            break;
        }
    }
    assert!(refused > 10, "only {refused} submissions met the full disk");
}

/// Writes that a checksum does not catch, because the database itself made them.
#[test]
fn verify_notices_an_altered_ledger() {
    let tampered = |alter: &dyn Fn(&Ledger)| {
        let ledger = open(&Disk::new(Vec::new(), u64::MAX), true).unwrap();
        for nonce in 0..3 {
            let _ = ledger.submit(payment(nonce)).unwrap().applied().unwrap();
        }
        assert_eq!(ledger.verify().unwrap().height, Height(3));
        alter(&ledger);
        let error = ledger.verify().unwrap_err();
        (error.code(), error.to_string())
    };
    let block = |ledger: &Ledger, height| ledger.block(Height(height)).unwrap().unwrap();
    let put = |ledger: &Ledger, block: &Block| ledger.store().commit(block, &[], &Writes::new()).unwrap();

    let balance = tampered(&|ledger| {
        let more = HashMap::from([(key::balance(&key_of(2).account()), vec![0x7f])]);
        ledger.store().commit(&block(ledger, 3), &[], &more.into_iter().collect()).unwrap();
    });
    assert!(balance.0 == "TSL-LED-022" && balance.1.contains("state"), "{balance:?}");

    let receipt = tampered(&|ledger| {
        let mut receipt = ledger.receipt(&payment(1).id().unwrap()).unwrap().unwrap();
        receipt.timestamp_ms += 1;
        ledger.store().commit(&block(ledger, 3), &[receipt], &Writes::new()).unwrap();
    });
    assert!(receipt.0 == "TSL-LED-022" && receipt.1.contains("receipt"), "{receipt:?}");

    let outcome = tampered(&|ledger| {
        let mut changed = block(ledger, 2);
        changed.outcomes[0] = Outcome::Failed(Refusal::NonceUsed { nonce: 1 });
        put(ledger, &changed);
    });
    assert!(outcome.0 == "TSL-LED-018" && outcome.1.contains("failed transactions"), "{outcome:?}");

    let transaction = tampered(&|ledger| {
        let mut changed = block(ledger, 2);
        changed.transactions[0] = payment(17);
        put(ledger, &changed);
    });
    assert!(transaction.0 == "TSL-LED-018" && transaction.1.contains("tree head"), "{transaction:?}");

    // Even the orderer cannot move a block in time: what was executed depends on it.
    let rewritten = tampered(&|ledger| {
        let mut changed = block(ledger, 2);
        changed.header.header.timestamp_ms += 1;
        changed.header = SignedHeader::sign(changed.header.header, &key_of(1)).unwrap();
        put(ledger, &changed);
    });
    assert!(rewritten.0 == "TSL-LED-018" && rewritten.1.contains("state digest"), "{rewritten:?}");

    // A wrong outcome under a right tree head and signature is found by executing again.
    let invented = tampered(&|ledger| {
        let mut changed = block(ledger, 3);
        changed.outcomes[0] = Outcome::Failed(Refusal::NonceUsed { nonce: 2 });
        let mut header = changed.header.header.clone();
        header.failed = 1;
        header.tree_head = merkle::tree_head(&changed.leaves().unwrap());
        changed.header = SignedHeader::sign(header, &key_of(1)).unwrap();
        put(ledger, &changed);
    });
    assert!(invented.0 == "TSL-LED-018" && invented.1.contains("outcomes"), "{invented:?}");
}
