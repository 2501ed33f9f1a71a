//! The facade: what each transaction does, what is refused, restart, proofs, and threads.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::*;
use proptest::prelude::*;
use twinseal_ledger::orderer::{Orderer, Solo, in_order};
use twinseal_ledger::*;

struct Fixture {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    ledger: Ledger,
}

fn fixture() -> Fixture {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let ledger = open(&folder.path().join("ledger.redb"), clock.clone()).unwrap();
    Fixture { folder, clock, ledger }
}

fn fixture_with(tree: Arc<dyn TreeHasher>, orderer_service: Box<dyn Orderer>) -> Fixture {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let path = folder.path().join("ledger.redb");
    let ledger =
        Ledger::open_with(&path, genesis(), orderer(), tree, clock.clone(), orderer_service).unwrap();
    Fixture { folder, clock, ledger }
}

fn solo() -> Box<Solo> {
    Box::new(Solo::new(genesis().rules))
}

fn refusal(result: Result<Receipt, Error>) -> Refusal {
    match result.and_then(Receipt::applied).unwrap_err() {
        Error::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn a_record_is_registered_paid_for_and_granted() {
    let Fixture { ledger, clock, .. } = fixture();
    let transaction = sign(&patient(), 0, register(1, Level::High, 30));
    let receipt = ledger.submit(transaction.clone()).unwrap().applied().unwrap();
    assert_eq!((receipt.height, receipt.index, receipt.timestamp_ms), (Height(1), 0, START_MS));
    assert_eq!(receipt.id, transaction.id().unwrap());
    assert_eq!(ledger.balance(&patient().account()).unwrap(), 970);
    assert_eq!(ledger.balance(&orderer().account()).unwrap(), 30);
    let record = ledger.record(&[1; 16].into()).unwrap().unwrap();
    assert_eq!((record.owner, record.version, record.level), (patient().account(), 1, Level::High));
    assert_eq!((record.timestamp_ms, record.registered_ms), (START_MS - 5, START_MS));
    assert_eq!(record.blob_hash, [0xfe; 32]);
    assert_eq!(record.ciphertext_hashes, [[1; 32], [7; 32]]);
    assert_eq!(record.transaction, receipt.id);

    clock.set(START_MS + 100);
    let receipt = ledger.submit(sign(&patient(), 1, pay(cloud().account(), 70))).unwrap().applied().unwrap();
    let lease = ledger.lease(&receipt.id).unwrap().unwrap();
    assert_eq!((lease.owner, lease.cloud), (patient().account(), cloud().account()));
    assert_eq!((lease.size_bytes, lease.amount), (1 << 20, 70));
    assert_eq!((lease.paid_ms, lease.expires_ms), (START_MS + 100, START_MS + 60_100));
    assert_eq!(ledger.leases(&patient().account(), &cloud().account()).unwrap(), [lease]);
    assert!(ledger.leases(&cloud().account(), &patient().account()).unwrap().is_empty());
    assert_eq!(ledger.balance(&cloud().account()).unwrap(), 70);
    assert_eq!(ledger.balance(&patient().account()).unwrap(), 900);

    let receipt =
        ledger.submit(sign(&patient(), 2, grant(1, doctor().account()))).unwrap().applied().unwrap();
    let granted = ledger.grant(&[1; 16].into(), &doctor().account()).unwrap().unwrap();
    assert_eq!((granted.access, granted.transaction), (Access::WrappedKey([5; 32]), receipt.id));
    assert!(ledger.grant(&[1; 16].into(), &cloud().account()).unwrap().is_none());

    // A new version by the owner.
    let _ = ledger.submit(sign(&patient(), 3, register(1, Level::Low, 0))).unwrap().applied().unwrap();
    assert_eq!(ledger.record(&[1; 16].into()).unwrap().unwrap().version, 2);
    assert_eq!(ledger.next_nonce(&patient().account()).unwrap(), 4);
    assert_eq!(ledger.next_nonce(&doctor().account()).unwrap(), 0);
    assert_eq!(ledger.verify().unwrap().height, Height(4));
}

#[test]
fn what_is_refused_before_it_is_ordered_leaves_no_trace() {
    let Fixture { ledger, .. } = fixture();
    let refused = |transaction: Transaction| ledger.submit(transaction).unwrap_err().code();

    assert_eq!(refused(sign(&stranger(), 0, register(1, Level::Low, 0))), "TSL-LED-101");
    let elsewhere = Transaction::sign(&patient(), [9; 32].into(), 0, register(1, Level::Low, 0)).unwrap();
    assert_eq!(refused(elsewhere), "TSL-LED-009");

    // The doctor's name under the patient's signature, and the patient's under the doctor's.
    let honest = sign(&patient(), 0, register(1, Level::Low, 0)).to_bytes().unwrap();
    let mut forged = honest.clone();
    forged[33..65].copy_from_slice(doctor().account().as_bytes());
    assert_eq!(refused(Transaction::from_bytes(&forged).unwrap()), "TSL-LED-002");
    let mut forged = honest;
    let end = forged.len();
    forged[end - 100] ^= 1;
    assert_eq!(refused(Transaction::from_bytes(&forged).unwrap()), "TSL-LED-002");

    assert_eq!(ledger.head().unwrap().header.height, Height(0));
    assert!(ledger.record(&[1; 16].into()).unwrap().is_none());
}

#[test]
fn what_fails_in_execution_is_on_record_and_changes_nothing() {
    let Fixture { ledger, .. } = fixture();
    let _ = ledger.submit(sign(&patient(), 0, register(1, Level::High, 10))).unwrap().applied().unwrap();
    let before = ledger.record(&[1; 16].into()).unwrap();
    let (patient_id, doctor_id, stranger_id) =
        (patient().account(), doctor().account(), stranger().account());
    let record = [1; 16].into();

    let cases = [
        (sign(&doctor(), 0, register(1, Level::Low, 0)), Refusal::NotOwner { record, owner: patient_id }),
        (sign(&doctor(), 1, grant(1, doctor_id)), Refusal::NotOwner { record, owner: patient_id }),
        (sign(&doctor(), 2, grant(2, patient_id)), Refusal::UnknownRecord { record: [2; 16].into() }),
        (sign(&doctor(), 3, pay(stranger_id, 1)), Refusal::UnknownMember { account: stranger_id }),
        (sign(&patient(), 4, grant(1, stranger_id)), Refusal::UnknownMember { account: stranger_id }),
        (
            sign(&doctor(), 5, pay(cloud().account(), 501)),
            Refusal::InsufficientFunds { needed: 501, available: 500 },
        ),
        (
            sign(&cloud(), 6, register(3, Level::High, 1)),
            Refusal::InsufficientFunds { needed: 1, available: 0 },
        ),
    ];
    for (transaction, expected) in &cases {
        let receipt = ledger.submit(transaction.clone()).unwrap();
        assert_eq!(receipt.outcome, Outcome::Failed(*expected));
        assert_eq!(refusal(Ok(receipt)), *expected);
        // It stays what it is, and its proof says so.
        assert_eq!(ledger.submit(transaction.clone()).unwrap(), receipt);
        let (header, proof) = ledger.proof(&receipt.id).unwrap();
        assert_eq!(proof.verify(&header.header, &receipt.id).unwrap(), receipt.outcome);
        assert_eq!(
            verify_inclusion(&header.header, &receipt.id, &proof).unwrap_err().code(),
            expected.code()
        );
        assert_eq!(header.header.failed, 1);
    }
    assert_eq!(ledger.record(&record).unwrap(), before);
    assert_eq!(ledger.balance(&doctor_id).unwrap(), 500);
    assert_eq!(ledger.balance(&patient_id).unwrap(), 990);
    assert!(ledger.record(&[3; 16].into()).unwrap().is_none());
    assert!(ledger.grant(&record, &stranger_id).unwrap().is_none());
    let _ = ledger.verify().unwrap();
}

#[test]
fn a_repetition_is_recognised_and_a_replay_refused() {
    let Fixture { ledger, .. } = fixture();
    let payment = sign(&patient(), 7, pay(cloud().account(), 100));
    let first = ledger.submit(payment.clone()).unwrap().applied().unwrap();
    // The same bytes, and the same body under a fresh signature.
    assert_eq!(ledger.submit(payment.clone()).unwrap(), first);
    let again = sign(&patient(), 7, pay(cloud().account(), 100));
    assert_ne!(again.to_bytes().unwrap(), payment.to_bytes().unwrap());
    assert_eq!(ledger.submit(again).unwrap(), first);
    // Another body under a used nonce.
    let other = sign(&patient(), 7, pay(cloud().account(), 101));
    assert_eq!(refusal(ledger.submit(other)), Refusal::NonceUsed { nonce: 7 });
    assert_eq!(ledger.balance(&patient().account()).unwrap(), 900);
    assert_eq!(ledger.head().unwrap().header.height, Height(1));

    // Two bodies under one nonce in one block: the second has no effect.
    let answers = ledger.submit_all(vec![
        sign(&patient(), 8, pay(cloud().account(), 1)),
        sign(&patient(), 8, pay(cloud().account(), 2)),
        sign(&patient(), 8, pay(cloud().account(), 1)),
    ]);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers[0].outcome, Outcome::Applied);
    assert_eq!(answers[1].outcome, Outcome::Failed(Refusal::NonceUsed { nonce: 8 }));
    assert_eq!(answers[2], answers[0]);
    assert_eq!(ledger.balance(&patient().account()).unwrap(), 899);
    let _ = ledger.verify().unwrap();
}

#[test]
fn a_block_is_ordered_by_level_and_fee() {
    let Fixture { ledger, .. } = fixture();
    let batch = vec![
        sign(&patient(), 0, register(1, Level::Low, 0)),
        sign(&patient(), 1, register(2, Level::High, 1)),
        sign(&doctor(), 0, register(3, Level::High, 9)),
        sign(&patient(), 2, pay(cloud().account(), 5)),
    ];
    let receipts: Vec<_> =
        ledger.submit_all(batch.clone()).into_iter().map(|r| r.unwrap().applied().unwrap()).collect();
    assert_eq!(receipts.iter().map(|r| r.index).collect::<Vec<_>>(), [2, 1, 0, 3]);
    assert!(receipts.iter().all(|r| r.height == Height(1)));
    let block = ledger.block(Height(1)).unwrap().unwrap();
    assert!(in_order(&block.transactions));
    let header = &block.header.header;
    assert_eq!((header.transactions, header.high, header.failed), (4, 2, 0));
    assert_eq!(header.tree_head, merkle::tree_head(&block.leaves().unwrap()));
    assert_eq!(ledger.blocks(Height(0)).count(), 2);
}

#[test]
fn everything_is_there_after_a_restart() {
    let Fixture { folder, clock, ledger } = fixture();
    let path = folder.path().join("ledger.redb");
    let receipts: Vec<_> = (0..5)
        .map(|n| ledger.submit(sign(&patient(), n, register(n as u8, Level::High, n))).unwrap())
        .collect();
    let (head, record) = (ledger.head().unwrap(), ledger.record(&[3; 16].into()).unwrap());

    assert_eq!(open(&path, clock.clone()).unwrap_err().code(), "TSL-LED-021");
    drop(ledger);
    let mut other = genesis();
    other.name = "another consortium".into();
    assert_eq!(open_genesis(&path, other, clock.clone()).unwrap_err().code(), "TSL-LED-013");
    let wrong_key = Ledger::open(&path, genesis(), doctor(), Arc::new(SoftwareTree), clock.clone());
    assert_eq!(wrong_key.unwrap_err().code(), "TSL-LED-014");

    // The clock went back meanwhile; block time does not.
    clock.set(START_MS - 1_000_000);
    let ledger = open(&path, clock).unwrap();
    assert_eq!(ledger.head().unwrap(), head);
    assert_eq!(ledger.record(&[3; 16].into()).unwrap(), record);
    for receipt in &receipts {
        assert_eq!(ledger.receipt(&receipt.id).unwrap().as_ref(), Some(receipt));
    }
    let next = ledger.submit(sign(&patient(), 5, pay(cloud().account(), 1))).unwrap().applied().unwrap();
    assert_eq!((next.height, next.timestamp_ms), (Height(6), START_MS));
    let _ = ledger.verify().unwrap();
}

#[test]
fn a_light_client_needs_headers_only() {
    let Fixture { ledger, .. } = fixture();
    let batch = (0..7).map(|n| sign(&patient(), n, register(n as u8, Level::Low, 0))).collect();
    let receipts: Vec<_> = ledger.submit_all(batch).into_iter().map(Result::unwrap).collect();
    let _ = ledger.submit(sign(&doctor(), 0, pay(cloud().account(), 3))).unwrap().applied().unwrap();

    let headers: Vec<_> = (1..=2).map(|h| ledger.header(Height(h)).unwrap().unwrap()).collect();
    let mut client = LightClient::new(&genesis()).unwrap();
    assert_eq!(*client.head(), ledger.header(Height(0)).unwrap().unwrap().header);
    assert_eq!(client.push(&headers[1]).unwrap_err().code(), "TSL-LED-019");
    client.push(&headers[0]).unwrap();

    // A header the orderer did not sign, and one that was changed after.
    let mut forged = headers[1].clone();
    forged.header.tree_head[0] ^= 1;
    assert_eq!(client.push(&forged).unwrap_err().code(), "TSL-LED-002");
    forged = headers[1].clone();
    forged.header.timestamp_ms = 0;
    assert_eq!(client.push(&forged).unwrap_err().code(), "TSL-LED-019");
    forged = headers[1].clone();
    forged.header.previous = [1; 32].into();
    assert_eq!(client.push(&forged).unwrap_err().code(), "TSL-LED-019");
    client.push(&SignedHeader::from_bytes(&headers[1].to_bytes().unwrap()).unwrap()).unwrap();
    assert_eq!(*client.head(), ledger.head().unwrap().header);

    for receipt in &receipts {
        let (_, proof) = ledger.proof(&receipt.id).unwrap();
        client.verify_inclusion(receipt.height, &receipt.id, &proof).unwrap();
        // Not in another block, not under another id, not with another outcome, not elsewhere in the block.
        let refused = |height, id: &TransactionId, proof: &InclusionProof| {
            assert_eq!(client.verify_inclusion(height, id, proof).unwrap_err().code(), "TSL-LED-017");
        };
        refused(Height(2), &receipt.id, &proof);
        refused(Height(3), &receipt.id, &proof);
        refused(receipt.height, &[0; 32].into(), &proof);
        let mut changed = proof.clone();
        changed.index ^= 1;
        refused(receipt.height, &receipt.id, &changed);
        changed = proof.clone();
        changed.path.pop();
        refused(receipt.height, &receipt.id, &changed);
        changed = proof.clone();
        changed.outcome = Outcome::Failed(Refusal::NonceUsed { nonce: 0 });
        refused(receipt.height, &receipt.id, &changed);
    }
    assert_eq!(ledger.proof(&[0; 32].into()).unwrap_err().code(), "TSL-LED-020");
}

/// Wrong or broken for its first call, right afterwards.
struct Flaky {
    calls: AtomicU32,
    lies: bool,
}

impl TreeHasher for Flaky {
    fn tree_head(&self, leaves: &[[u8; 32]]) -> Result<[u8; 32], Box<dyn std::error::Error + Send + Sync>> {
        match (self.calls.fetch_add(1, Ordering::Relaxed), self.lies) {
            (0, true) => Ok([0xbd; 32]),
            (0, false) => Err("the board does not answer".into()),
            _ => SoftwareTree.tree_head(leaves),
        }
    }
}

#[test]
fn a_wrong_or_dead_board_commits_nothing_and_the_next_try_does() {
    for (lies, code) in [(true, "TSL-LED-016"), (false, "TSL-LED-015")] {
        let Fixture { ledger, .. } = fixture_with(Arc::new(Flaky { calls: AtomicU32::new(0), lies }), solo());
        let transaction = sign(&patient(), 0, register(1, Level::Low, 0));
        assert_eq!(ledger.submit(transaction.clone()).unwrap_err().code(), code);
        assert_eq!(ledger.head().unwrap().header.height, Height(0));
        assert!(ledger.record(&[1; 16].into()).unwrap().is_none());
        let _ = ledger.submit(transaction).unwrap().applied().unwrap();
        let _ = ledger.verify().unwrap();
    }
}

/// An ordering service that does with each batch what `change` does.
struct Changed<F>(Box<Solo>, F);

impl<F: FnMut(Vec<Transaction>) -> Option<Vec<Transaction>> + Send> Orderer for Changed<F> {
    fn submit(&mut self, transaction: Transaction) -> Result<(), Error> {
        self.0.submit(transaction)
    }
    fn next_batch(&mut self) -> Result<Option<Vec<Transaction>>, Error> {
        Ok(self.0.next_batch()?.and_then(&mut self.1))
    }
}

#[test]
fn the_ordering_service_is_not_trusted() {
    let tree = || Arc::new(SoftwareTree);
    let two = || {
        vec![
            sign(&patient(), 0, register(1, Level::High, 1)),
            sign(&patient(), 1, register(2, Level::High, 2)),
        ]
    };

    let Fixture { ledger, .. } = fixture_with(tree(), Box::new(Changed(solo(), |_| None)));
    assert_eq!(ledger.submit(two().remove(0)).unwrap_err().code(), "TSL-LED-011");

    let twice =
        |batch: Vec<_>| Some(batch.iter().flat_map(|t: &Transaction| [t.clone(), t.clone()]).collect());
    let Fixture { ledger, .. } = fixture_with(tree(), Box::new(Changed(solo(), twice)));
    for answer in ledger.submit_all(two()) {
        let _ = answer.unwrap().applied().unwrap();
    }
    assert_eq!(ledger.head().unwrap().header.transactions, 2);
    assert_eq!(ledger.balance(&patient().account()).unwrap(), 997);

    let backwards = |batch: Vec<_>| Some(batch.into_iter().rev().collect());
    let Fixture { ledger, .. } = fixture_with(tree(), Box::new(Changed(solo(), backwards)));
    assert!(ledger.submit_all(two()).iter().all(|a| a.as_ref().is_err_and(|e| e.code() == "TSL-LED-018")));
    assert_eq!(ledger.head().unwrap().header.height, Height(0));

    // Slips in a forgery, which is dropped, and a stranger's honest transaction from elsewhere, which is taken.
    let slip = |mut batch: Vec<Transaction>| {
        let mut forged = sign(&doctor(), 5, pay(cloud().account(), 400)).to_bytes().unwrap();
        let end = forged.len();
        forged[end - 1000] ^= 1;
        batch.push(Transaction::from_bytes(&forged).unwrap());
        batch.push(sign(&doctor(), 6, pay(cloud().account(), 7)));
        Some(batch)
    };
    let Fixture { ledger, .. } = fixture_with(tree(), Box::new(Changed(solo(), slip)));
    let _ = ledger.submit(two().remove(0)).unwrap().applied().unwrap();
    assert_eq!(ledger.balance(&doctor().account()).unwrap(), 493);
    let _ = ledger.verify().unwrap();
}

#[test]
fn threads_share_blocks() {
    let Fixture { ledger, .. } = fixture();
    let transactions: Vec<Vec<_>> = (0..8u8)
        .map(|t| {
            (0..25u8)
                .map(|n| sign(&patient(), u64::from(t) * 100 + u64::from(n), register(t, Level::Low, 0)))
                .collect()
        })
        .collect();
    let receipts: Vec<Receipt> = std::thread::scope(|scope| {
        let threads: Vec<_> = transactions
            .into_iter()
            .map(|mine| {
                let ledger = &ledger;
                scope.spawn(move || {
                    mine.into_iter().map(|t| ledger.submit(t).unwrap().applied().unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(receipts.iter().map(|r| (r.height, r.index)).collect::<HashSet<_>>().len(), 200);
    let head = ledger.verify().unwrap();
    println!("200 transactions from 8 threads in {} blocks", head.height);
    assert!(head.height.0 < 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is submitted, money is conserved, a record keeps its first owner, and executing again gives the same.
    #[test]
    fn invariants_hold_for_any_submissions(
        batches in prop::collection::vec(
            prop::collection::vec((2u8..=4, 0u64..12, 0u8..3, 0u8..4, 0u64..600), 1..12), 1..4),
    ) {
        let Fixture { ledger, .. } = fixture();
        let everyone = [orderer(), patient(), doctor(), cloud()].map(|k| k.account());
        let mut owners = std::collections::HashMap::new();
        for batch in batches {
            let batch = batch.into_iter().map(|(who, nonce, what, record, amount)| {
                let kind = match what {
                    0 => register(record, Level::High, amount),
                    1 => pay(key(2 + record % 3).account(), amount + 1),
                    _ => grant(record, key(2 + (amount % 4) as u8).account()),
                };
                sign(&key(who), nonce, kind)
            }).collect();
            for answer in ledger.submit_all(batch) {
                let expected = matches!(answer, Ok(_) | Err(Error::Refused(Refusal::NonceUsed { .. })));
                prop_assert!(expected, "{answer:?}");
            }
            let total: u64 = everyone.iter().map(|a| ledger.balance(a).unwrap()).sum();
            prop_assert_eq!(total, 1500);
            for n in 0..4u8 {
                if let Some(record) = ledger.record(&[n; 16].into()).unwrap() {
                    prop_assert_eq!(*owners.entry(n).or_insert(record.owner), record.owner);
                }
            }
        }
        ledger.verify().unwrap();
    }
}
