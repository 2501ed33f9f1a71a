//! The orderer's promises (Tang 2025, III.A): high before low by fee, and a share of every block for the low level.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::VecDeque;

use common::*;
use proptest::prelude::*;
use twinseal_ledger::orderer::{Orderer, Solo, in_order};
use twinseal_ledger::*;

/// A low or high transaction of one to 32 hashes, unlike any other of another `nonce`.
fn transaction(key: &SigningKey, nonce: u64, fee: Option<u64>, hashes: usize) -> Transaction {
    let kind = Kind::RegisterRecord {
        record: [9; 16].into(),
        ciphertext_hashes: vec![[1; 32]; hashes],
        blob_hash: [2; 32],
        timestamp_ms: 0,
        level: if fee.is_some() { Level::High } else { Level::Low },
        fee: fee.unwrap_or(0),
    };
    Transaction::sign(key, [0; 32].into(), nonce, kind).unwrap()
}

fn bytes(batch: &[Transaction]) -> usize {
    batch.iter().map(|t| t.to_bytes().unwrap().len()).sum()
}

fn is_low(t: &Transaction) -> bool {
    t.level() == Level::Low
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rounds of arrivals, as many high ones as fit or more: every batch is within the limits and in order, gives the
    /// low level its share, keeps it first in first out, and takes no worse high one while a better one waits.
    #[test]
    fn low_is_never_starved_and_high_goes_by_fee(
        count in 1u32..12,
        kib in 8u32..40,
        share in 1u8..=100,
        rounds in prop::collection::vec(
            prop::collection::vec((prop::option::weighted(0.7, 0u64..50), 1usize..=32), 0..20), 1..6),
    ) {
        let key = patient();
        let rules = Rules { block_transactions: count, block_bytes: kib << 10, low_share_percent: share };
        let mut solo = Solo::new(rules);
        let (mut high, mut low) = (Vec::new(), VecDeque::new());
        let (mut nonce, mut submitted, mut returned) = (0, 0, 0);
        let mut rounds = rounds.into_iter();
        loop {
            let arrivals = rounds.next();
            for (fee, hashes) in arrivals.iter().flatten() {
                let t = transaction(&key, nonce, *fee, *hashes);
                nonce += 1;
                submitted += 1;
                solo.submit(t.clone()).unwrap();
                if is_low(&t) { low.push_back(t) } else { high.push(t) }
            }
            let Some(batch) = solo.next_batch().unwrap() else {
                prop_assert!(high.is_empty() && low.is_empty());
                if arrivals.is_none() { break }
                continue;
            };
            prop_assert!(batch.len() <= count as usize && bytes(&batch) <= (kib << 10) as usize);
            prop_assert!(in_order(&batch));

            let lows: Vec<_> = batch.iter().filter(|t| is_low(t)).collect();
            let reserved_count = (count as usize * share as usize).div_ceil(100);
            let reserved_bytes = ((kib << 10) as usize * share as usize).div_ceil(100);
            let promised = low.iter().take(reserved_count).scan(0, |sum, t: &Transaction| {
                *sum += t.to_bytes().unwrap().len();
                Some(*sum)
            }).enumerate().take_while(|(i, sum)| *i == 0 || *sum <= reserved_bytes).count();
            prop_assert!(lows.len() >= promised, "{} low of {} promised", lows.len(), promised);
            for t in lows {
                prop_assert_eq!(Some(t.clone()), low.pop_front());
            }
            for t in batch.iter().filter(|t| !is_low(t)) {
                let best = high.iter().map(Transaction::fee).max().unwrap();
                prop_assert_eq!(t.fee(), best);
                // Equal fees go by arrival.
                let first = high.iter().position(|h| h.fee() == best).unwrap();
                prop_assert_eq!(&high.remove(first), t);
            }
            returned += batch.len();
        }
        prop_assert_eq!(submitted, returned);
    }
}

/// A flood of paid transactions in every round: a low one at place p is through after p / share rounds.
#[test]
fn a_flood_of_fees_delays_the_low_level_by_its_share_at_most() {
    let key = patient();
    let rules = Rules { block_transactions: 10, block_bytes: 1 << 20, low_share_percent: 20 };
    let mut solo = Solo::new(rules);
    for nonce in 0..30 {
        solo.submit(transaction(&key, nonce, None, 1)).unwrap();
    }
    let mut through = 0;
    for round in 0..15 {
        for nonce in 0..12 {
            solo.submit(transaction(&key, 1000 + 100 * round + nonce, Some(u64::MAX), 1)).unwrap();
        }
        let batch = solo.next_batch().unwrap().unwrap();
        assert_eq!(batch.len(), 10);
        assert_eq!(batch.iter().filter(|t| is_low(t)).count(), 2, "round {round}");
        through += 2;
    }
    assert_eq!(through, 30);
}

#[test]
fn the_order_check_refuses_what_the_rule_forbids() {
    let key = patient();
    let (low, cheap, dear) =
        (transaction(&key, 0, None, 1), transaction(&key, 1, Some(1), 1), transaction(&key, 2, Some(2), 1));
    assert!(in_order(&[]));
    assert!(in_order(&[dear.clone(), cheap.clone(), low.clone()]));
    assert!(!in_order(&[cheap.clone(), dear.clone()]));
    assert!(!in_order(&[low.clone(), cheap.clone()]));
}
