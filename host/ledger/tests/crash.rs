//! What was acknowledged survives: a child process submits from several threads and prints each id once it has the
//! receipt; the parent kills it with SIGKILL, again and again, and then looks for every id. Then the same on a disk that
//! is really full: a file size limit. No harness, because the test binary is its own child.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use twinseal_ledger::*;

const KILLS: usize = 6;
const THREADS: u8 = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("child") => child(Path::new(&arguments[2])),
        // `cargo test -- --list` and the like expect a harness; there is nothing to list.
        Some("--list") => {}
        _ => {
            killed_processes_lose_nothing_acknowledged();
            a_full_disk_is_an_error_and_loses_nothing_acknowledged();
        }
    }
}

/// Submits until it is killed or refused.
fn child(path: &Path) {
    let ledger = Arc::new(open(path, Arc::new(SystemClock)).unwrap());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || {
                let key = key(2 + thread);
                for nonce in ledger.next_nonce(&key.account()).unwrap().. {
                    let mut record = [thread; 16];
                    record[8..].copy_from_slice(&nonce.to_be_bytes());
                    let Kind::RegisterRecord {
                        ciphertext_hashes, blob_hash, timestamp_ms, level, fee, ..
                    } = register(0, Level::Low, 0)
                    else {
                        unreachable!()
                    };
                    let record = record.into();
                    let kind = Kind::RegisterRecord {
                        record,
                        ciphertext_hashes,
                        blob_hash,
                        timestamp_ms,
                        level,
                        fee,
                    };
                    match ledger.submit(sign(&key, nonce, kind)).and_then(Receipt::applied) {
                        Ok(receipt) => println!("{}", receipt.id),
                        Err(e) => {
                            println!("refused {} {e}", e.code());
                            return;
                        }
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn killed_processes_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut acknowledged = BTreeSet::new();
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child".as_ref(), path.as_os_str()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        if round == 0 {
            // While the file is being made.
            std::thread::sleep(Duration::from_millis(3));
        } else {
            seen.extend(lines.by_ref().take(20 + 7 * round));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(lines);
        assert!(seen.len() >= 20 * round.min(1), "the child stopped by itself: {seen:?}");
        for line in seen {
            assert!(!line.starts_with("refused"), "{line}");
            // The last line may be cut short by the kill; an id is 64 digits.
            if line.len() == 64 {
                acknowledged.insert(line.parse::<TransactionId>().unwrap());
            }
        }
    }
    let ledger = open(&path, Arc::new(SystemClock)).unwrap();
    for id in &acknowledged {
        let receipt =
            ledger.receipt(id).unwrap().unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
        let (header, proof) = ledger.proof(id).unwrap();
        assert_eq!(header.header.height, receipt.height);
        verify_inclusion(&header.header, id, &proof).unwrap();
    }
    let head = ledger.verify().unwrap();
    assert!(acknowledged.len() > 100, "only {} were acknowledged", acknowledged.len());
    println!("{KILLS} kills: {} acknowledged, all present in {} blocks", acknowledged.len(), head.height);
}

fn a_full_disk_is_an_error_and_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    drop(open(&path, Arc::new(SystemClock)).unwrap());
    // In units of 512 bytes: room for some blocks beyond the megabyte of a new file.
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 4000; exec "$0" child "$1""#])
        .args([std::env::current_exe().unwrap().as_os_str(), path.as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<_> = output.stdout.lines().map_while(Result::ok).collect();
    let (refused, acknowledged): (Vec<_>, Vec<_>) = lines.iter().partition(|l| l.starts_with("refused"));
    assert_eq!(refused.len(), usize::from(THREADS), "{refused:?}");
    assert!(
        refused.iter().all(|l| l.contains("TSL-LED-023") && l.contains("free disk space")),
        "{refused:?}"
    );
    assert!(acknowledged.len() > 20, "only {} were acknowledged", acknowledged.len());

    let ledger = open(&path, Arc::new(SystemClock)).unwrap();
    for id in &acknowledged {
        assert!(ledger.receipt(&id.parse().unwrap()).unwrap().is_some(), "{id} was acknowledged and is gone");
    }
    let _ = ledger.verify().unwrap();
    println!("full disk: {} acknowledged, all present; then: {}", acknowledged.len(), refused[0]);
}
