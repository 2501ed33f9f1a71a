//! A damaged file is an error that says so when it is opened: never a panic, never a wrong answer, never a quiet step
//! back to an older block.
#![allow(clippy::unwrap_used)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::*;
use twinseal_ledger::*;

const BLOCKS: u8 = 20;

/// The bytes of a ledger after an orderly close, and as a killed process leaves them.
fn files(folder: &Path) -> [Vec<u8>; 2] {
    let path = folder.join("ledger.redb");
    let ledger = open(&path, TestClock::new()).unwrap();
    for n in 0..BLOCKS {
        let _ = ledger
            .submit(sign(&patient(), n.into(), register(n, Level::High, 1)))
            .and_then(Receipt::applied)
            .unwrap();
    }
    let killed = std::fs::read(&path).unwrap();
    drop(ledger);
    [std::fs::read(&path).unwrap(), killed]
}

/// Opens `bytes` and reads everything: `Ok` with the head's height, or the error's code.
fn examine(folder: &Path, bytes: &[u8]) -> Result<u64, &'static str> {
    let path = folder.join("damaged.redb");
    std::fs::write(&path, bytes).unwrap();
    catch_unwind(AssertUnwindSafe(|| {
        let ledger = open(&path, TestClock::new()).map_err(|e| e.code())?;
        Ok(ledger.verify().map_err(|e| e.code())?.height.0)
    }))
    .expect("damage must not panic")
}

#[test]
fn flipped_bits_are_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    for good in files(folder.path()) {
        assert_eq!(examine(folder.path(), &good), Ok(BLOCKS.into()));
        let (mut refused, mut harmless) = (0, 0);
        // The header and a sample of every page that holds anything.
        let used = |at: &usize| good[at & !4095..].iter().take(4096).any(|b| *b != 0);
        for at in (0..320).step_by(16).chain((320..good.len()).step_by(2311).filter(used)) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            match examine(folder.path(), &bytes) {
                Err(code) => {
                    assert!(matches!(code, "TSL-LED-022" | "TSL-LED-023"), "byte {at}: {code}");
                    refused += 1;
                }
                // In a page that is not in use.
                Ok(height) => {
                    assert_eq!(height, BLOCKS.into(), "byte {at}");
                    harmless += 1;
                }
            }
        }
        println!("{refused} refused, {harmless} in unused pages");
        assert!(refused > 50);
    }
}

#[test]
fn zeroed_pages_are_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    for good in files(folder.path()) {
        let mut refused = 0;
        for page in good.chunks(4096).enumerate().filter(|(_, p)| p.iter().any(|b| *b != 0)).map(|(n, _)| n) {
            let mut bytes = good.clone();
            bytes[page * 4096..][..4096].fill(0);
            match examine(folder.path(), &bytes) {
                Err(code) => {
                    assert!(matches!(code, "TSL-LED-022" | "TSL-LED-023"), "page {page}: {code}");
                    refused += 1;
                }
                Ok(height) => assert_eq!(height, BLOCKS.into(), "page {page}"),
            }
        }
        assert!(refused > 20, "{refused}");
    }
}

#[test]
fn truncated_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [good, _] = files(folder.path());
    for length in [0, 1, 9, 320, 4096, 8192, good.len() / 2, good.len() - 4096, good.len() - 1] {
        assert_eq!(examine(folder.path(), &good[..length]), Err("TSL-LED-022"), "{length} bytes");
    }
    assert_eq!(examine(folder.path(), &[0x5a; 8192]), Err("TSL-LED-022"));
}

/// A redb file that is not a ledger.
#[test]
fn another_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.redb");
    drop(redb::Database::create(&path).unwrap());
    let error = open(&path, TestClock::new()).unwrap_err();
    assert_eq!(error.code(), "TSL-LED-022", "{error}");
}

/// Whoever lost the orderer's key can still read and check everything.
#[test]
fn an_archive_is_verified_and_read_without_the_orderers_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.redb");
    assert!(Archive::open(&path, genesis()).is_err() && !path.exists(), "nothing is made where nothing is");
    for good in files(folder.path()) {
        std::fs::write(&path, &good).unwrap();
        let archive = Archive::open(&path, genesis()).unwrap();
        assert_eq!(archive.head().height.0, BLOCKS.into());
        let records = archive.records().unwrap();
        let numbers: Vec<_> = records.iter().map(|(number, _)| number.as_bytes()[0]).collect();
        assert_eq!(numbers, Vec::from_iter(0..BLOCKS));
        for (_, record) in &records {
            let (header, proof) = archive.proof(&record.transaction).unwrap();
            header.verify(&genesis().orderer).unwrap();
            verify_inclusion(&header.header, &record.transaction, &proof).unwrap();
        }
        drop(archive);
        let other = Genesis { name: "another consortium".into(), ..genesis() };
        assert_eq!(Archive::open(&path, other).unwrap_err().code(), "TSL-LED-013");
        let mut bytes = good.clone();
        bytes.truncate(good.len() / 2);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Archive::open(&path, genesis()).unwrap_err().code(), "TSL-LED-022");
    }
}
