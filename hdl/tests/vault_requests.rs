//! Vault, engine and simulated rings under Verilator against the golden models, bit for bit, at a slow clock.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod vault_common;

use std::sync::OnceLock;

use twinseal_puf::RINGS;
use twinseal_puf::entropy::{PROPORTION_CUTOFF, REPETITION_CUTOFF};
use twinseal_puf::reading::{
    Differences, ENROLMENT_SAMPLES, Fault, MAX_COUNT, MIN_COUNT, RECONSTRUCTION_SAMPLES, count, window_clocks,
};
use twinseal_puf::silicon::{Condition, ROOM};
use twinseal_puf::vault::{HELPER_BYTES, Helper, MAX_FAILURES, Vault};
use twinseal_wire::{opcode, status};
use vault_common::pair::Pair;
use vault_common::verilated::{Model, Verilated};
use vault_common::{Answer, BUILD_ID, Board, SLOW_CLOCK_HZ, chip};

/// The compiled board at the slow clock, once for all tests.
fn slow() -> Option<&'static Model> {
    static MODEL: OnceLock<Option<Model>> = OnceLock::new();
    MODEL.get_or_init(|| Model::new(&Board::verilog(SLOW_CLOCK_HZ))).as_ref()
}

#[test]
fn a_root_is_enrolled_used_closed_and_opened() {
    let Some(model) = slow() else { return };
    for number in 0..2 {
        let mut pair = Pair::new(model, number, SLOW_CLOCK_HZ);
        pair.session();
        let (helper, _) = pair.enrol();
        for length in [1, 32, 51, 52, 54, 55, 62, 63, 64, 127] {
            pair.derive(&vec![length as u8; length]);
        }
        let warm = Condition { celsius: 70.0, ..ROOM };
        pair.power_cycle(model, number, &warm, 1);
        pair.derive(b"x");
        pair.attest(&[2; 32]);
        assert!(pair.open(&helper).0);
        let first = pair.derive(b"x").reply;
        // Another enrolment has a root of its own.
        let (second, _) = pair.enrol();
        assert_ne!(pair.derive(b"x").reply, first);
        assert!(pair.open(&helper).0 && pair.open(&second).0);
        pair.derive(b"x");
    }
}

/// An instruction takes two clocks, a window need not be a multiple of them.
#[test]
fn a_window_of_an_odd_number_of_clocks_is_as_long_as_the_models() {
    const ODD_CLOCK_HZ: u32 = 126_000;
    assert_eq!(window_clocks(ODD_CLOCK_HZ), 21);
    let Some(model) = Model::new(&Board::verilog(ODD_CLOCK_HZ)) else { return };
    let mut pair = Pair::new(&model, 3, ODD_CLOCK_HZ);
    let (helper, _) = pair.enrol();
    assert!(pair.open(&helper).0);
    pair.derive(b"x");
    pair.entropy();
}

/// Of every kind of helper data that are refused, after as many clocks, whatever is wrong with them and whatever the chip.
#[test]
fn a_refusal_takes_the_same_time_whatever_is_wrong() {
    let Some(model) = slow() else { return };
    let helper = Pair::new(model, 3, SLOW_CLOCK_HZ).enrol().0;
    let mut clocks = vec![];
    for (number, kind) in (0..9).map(|kind| (3, kind)).chain([(4, 9), (5, 9), (6, 5)]) {
        let mut bad = helper.clone();
        match kind {
            0 => bad[0] = 2,
            1 => bad[0] ^= 0x81,
            2 => bad[1] ^= 1,
            3 => bad[32] ^= 0x80,
            4 => bad[33] ^= 1,
            5 => bad[48] ^= 0x80,
            6 => bad.fill(0),
            7 => bad.fill(0xFF),
            8 => bad[1..33].reverse(),
            // Good ones, of another chip.
            _ => {}
        }
        let mut pair = Pair::new(model, number, SLOW_CLOCK_HZ);
        let (opened, took) = pair.open(&bad);
        assert!(!opened, "kind {kind}");
        pair.derive(b"x");
        clocks.push(took);
    }
    println!("refused after {} clocks, of which {} waiting", clocks[0], {
        let mut vault = Vault::new(BUILD_ID);
        let reading = Differences::read(&mut chip(3).power_up(&ROOM, 0), SLOW_CLOCK_HZ, 4).unwrap();
        vault.open(&Helper::decode(&[0; HELPER_BYTES]), &reading).unwrap_err();
        vault.backoff_clocks(SLOW_CLOCK_HZ)
    });
    assert!(clocks.iter().all(|c| *c == clocks[0]), "{clocks:?}");
}

/// Every request, for different chips, labels and challenges.
#[test]
fn what_succeeds_takes_the_same_time_whatever_the_secret() {
    let Some(model) = slow() else { return };
    let mut times = vec![];
    for number in 10..14 {
        let mut pair = Pair::new(model, number, SLOW_CLOCK_HZ);
        let (helper, answer) = pair.enrol();
        let opened = pair.open(&helper);
        assert!(opened.0);
        times.push([
            answer.clocks,
            opened.1,
            pair.derive(&[number; 40]).clocks,
            pair.attest(&[number; 32]).clocks,
            pair.entropy().clocks,
            pair.entropy().clocks,
        ]);
    }
    println!("enrol, open, derive 40 bytes, attest, first and second random bits: {:?} clocks", times[0]);
    assert!(times.iter().all(|t| *t == times[0]), "{times:?}");
}

#[test]
fn eight_refusals_close_the_vault_until_power_up() {
    let Some(model) = slow() else { return };
    let mut pair = Pair::new(model, 1, SLOW_CLOCK_HZ);
    let (helper, _) = pair.enrol();
    let mut bad = helper.clone();
    bad[20] ^= 1;
    let mut waits = vec![];
    for failures in 1..=MAX_FAILURES {
        // Success in between changes nothing.
        assert!(pair.open(&helper).0);
        let (opened, clocks) = pair.open(&bad);
        assert!(!opened && pair.vault.failures() == failures);
        pair.derive(b"x");
        waits.push(clocks);
    }
    // The wait doubles, to within what two clocks an instruction allow; the rest of the time stays.
    for (at, pair) in waits.windows(2).enumerate() {
        let step = (SLOW_CLOCK_HZ as u64) << 18 << at;
        let step = step / 12_000_000;
        assert!((step..=step + (32 << at)).contains(&(pair[1] - pair[0])), "{waits:?}");
    }
    for helper in [&helper, &bad] {
        let (opened, clocks) = pair.open(helper);
        assert!(!opened);
        assert_eq!(clocks, waits[7]);
    }
    let answer = pair.board.ask(opcode::VAULT_ENROL, &[]);
    assert_eq!((answer.status, answer.samples), (status::REFUSED, 0));
    assert!(answer.clocks > pair.vault.backoff_clocks(SLOW_CLOCK_HZ));
    // Not even a fault of the rings is told.
    pair.board.sample(&[0; RINGS]);
    let answer = pair.board.ask(opcode::VAULT_OPEN, &helper);
    assert_eq!((answer.status, answer.samples), (status::REFUSED, 1));
    pair.derive(b"x");
    pair.power_cycle(model, 1, &ROOM, 1);
    assert!(pair.open(&helper).0);
}

#[test]
fn lengths_and_the_pin_are_checked_before_anything_is_read() {
    let Some(model) = slow() else { return };
    let mut pair = Pair::new(model, 2, SLOW_CLOCK_HZ);
    let (helper, _) = pair.enrol();
    let root = pair.derive(b"x");
    for (opcode, lengths) in [
        (opcode::VAULT_ENROL, &[1, 49, 512][..]),
        (opcode::VAULT_OPEN, &[0, 48, 50, 512]),
        (opcode::VAULT_CLOSE, &[1, 32]),
        (opcode::VAULT_DERIVE, &[129, 130, 256, 511, 512]),
        (opcode::VAULT_ATTEST, &[0, 31, 33, 64]),
        (opcode::ENTROPY, &[1, 2, 3, 128]),
    ] {
        for &length in lengths {
            let answer = pair.board.ask(opcode, &vec![0; length]);
            let expected = Answer { status: status::BAD_LENGTH, reply: vec![], samples: 0, ..answer.clone() };
            assert_eq!(answer, expected, "{opcode:#x} with {length} bytes");
        }
    }
    let answer = pair.board.ask_slowly(opcode::VAULT_ENROL, &[], false, 0);
    assert_eq!((answer.status, answer.samples), (status::NOT_PERMITTED, 0));
    // Nothing of it touched the root, and none of it counts as a refusal.
    assert_eq!(pair.derive(b"x"), root);
    pair.close();
    let answer = pair.board.ask_slowly(opcode::VAULT_OPEN, &[&helper[..48], &[0]].concat(), false, 0);
    assert_eq!(answer.status, status::REFUSED);
    pair.board.samples(&pair.chip, SLOW_CLOCK_HZ, RECONSTRUCTION_SAMPLES);
    assert_eq!(pair.board.ask_slowly(opcode::VAULT_OPEN, &helper, false, 0).status, status::OK);
    assert_eq!(pair.board.ask(opcode::VAULT_DERIVE, b"x"), root);
}

/// The payload may come, and the reply may be taken, at any pace.
#[test]
fn a_slow_host_gets_the_same_answers() {
    let Some(model) = slow() else { return };
    let mut pair = Pair::new(model, 7, SLOW_CLOCK_HZ);
    let (helper, _) = pair.enrol();
    let key = pair.derive(&[5; 100]);
    for gap in [1, 2, 3, 40, 500] {
        assert_eq!(pair.board.ask_slowly(opcode::VAULT_DERIVE, &[5; 100], true, gap).reply, key.reply);
        pair.board.samples(&pair.chip, SLOW_CLOCK_HZ, RECONSTRUCTION_SAMPLES);
        assert_eq!(pair.board.ask_slowly(opcode::VAULT_OPEN, &helper, true, gap).status, status::OK);
    }
}

/// The step of a ring that counts to `wanted` in a window.
fn step_for(wanted: u32) -> u32 {
    let window = window_clocks(SLOW_CLOCK_HZ);
    let step = ((u64::from(wanted) << 16).div_ceil(u64::from(window))) as u32;
    assert_eq!(count(step, window), wanted);
    step
}

/// Counts of a healthy chip, with some rings as one likes.
fn healthy(rings: &[(usize, u32)]) -> Vec<u32> {
    let mut counts: Vec<u32> = (0..RINGS as u32).map(|ring| 20_000 + ring * 7_919 % 1_013).collect();
    rings.iter().for_each(|&(ring, count)| counts[ring] = count);
    counts
}

/// What the model says of an enrolment with these counts in every sample.
fn model_of(counts: &[u32]) -> Result<Vec<u8>, Fault> {
    let mut sums = Differences::zero();
    for _ in 0..ENROLMENT_SAMPLES {
        for (pair, rings) in counts.chunks(2).enumerate() {
            sums.add(pair, rings[0], rings[1])?;
        }
    }
    sums.check()?;
    Ok(Vault::new(BUILD_ID).enrol(&sums).unwrap().encode().to_vec())
}

fn enrol_with(board: &mut Verilated, counts: &[u32]) -> Answer {
    let steps: Vec<u32> = counts.iter().map(|&count| step_for(count)).collect();
    board.sample(&steps);
    board.ask(opcode::VAULT_ENROL, &[])
}

#[test]
fn rings_that_are_stuck_too_slow_or_too_fast_are_faults() {
    let Some(model) = slow() else { return };
    let mut board = model.power_up();
    for (ring, count, faulty) in [
        (0, 0, true),
        (1, 0, true),
        (511, 0, true),
        (256, MIN_COUNT - 1, true),
        (257, MIN_COUNT, false),
        (510, MAX_COUNT, false),
        (3, MAX_COUNT + 1, true),
        (2, 0xFFFF, true),
    ] {
        let counts = healthy(&[(ring, count)]);
        let answer = enrol_with(&mut board, &counts);
        match model_of(&counts) {
            Ok(helper) => {
                assert!(!faulty);
                assert_eq!((answer.status, answer.reply), (status::OK, helper), "ring {ring} counts {count}");
            }
            Err(fault) => {
                assert!(faulty && fault == Fault::Count);
                // Not read on, and nothing told of the rest.
                assert_eq!((answer.status, answer.reply.len(), answer.samples), (status::RING_FAULT, 0, 1));
            }
        }
    }
}

#[test]
fn locked_rings_are_a_fault_and_leave_the_root_that_was_there() {
    let Some(model) = slow() else { return };
    let mut pair = Pair::new(model, 8, SLOW_CLOCK_HZ);
    let (helper, _) = pair.enrol();
    let key = pair.derive(b"x");
    // 127 or 128 pairs far apart; the others as near as a median of 32, or not quite.
    for (far, near, faulty) in
        [(127, 1, true), (128, 1, true), (129, 1, false), (100, 2, false), (0, 0, true)]
    {
        let counts: Vec<u32> = (0..RINGS)
            .map(|ring| 20_000 + u32::from(ring % 2 == 1) * if ring / 2 < far { 500 } else { near })
            .collect();
        let model = model_of(&counts);
        assert_eq!(model.is_err(), faulty, "{far} pairs");
        let answer = enrol_with(&mut pair.board, &counts);
        match model {
            Ok(helper) => assert_eq!((answer.status, answer.reply), (status::OK, helper)),
            Err(_) => {
                assert_eq!((answer.status, answer.samples), (status::RING_FAULT, ENROLMENT_SAMPLES));
            }
        }
        if far < 129 && near == 1 {
            assert_eq!(pair.board.ask(opcode::VAULT_DERIVE, b"x"), key);
        }
    }
    // A fault at opening closes and does not count.
    for _ in 0..=MAX_FAILURES {
        pair.board.sample(&[0; RINGS]);
        assert_eq!(pair.board.ask(opcode::VAULT_OPEN, &helper).status, status::RING_FAULT);
    }
    assert_eq!(pair.board.ask(opcode::VAULT_DERIVE, b"x").status, status::CLOSED);
    assert!(pair.open(&helper).0);
    assert_eq!(pair.derive(b"x"), key);
}

/// Differences beyond 16 bits, equal ones, and rings exactly on the median.
#[test]
fn extreme_differences_are_summed_and_sorted_as_in_the_model() {
    let Some(model) = slow() else { return };
    let mut board = model.power_up();
    let ends = healthy(&[
        (0, MIN_COUNT),
        (1, MAX_COUNT),
        (2, MAX_COUNT),
        (3, MIN_COUNT),
        (4, 20_000),
        (5, 20_000),
        (6, 22_047),
        (7, 20_000),
        (8, 22_048),
        (9, 20_000),
        (10, 20_000),
        (11, 22_048),
    ]);
    let same: Vec<u32> = (0..RINGS as u32).map(|ring| 20_000 + 30 * (ring % 2)).collect();
    let wide: Vec<u32> =
        (0..RINGS as u32).map(|ring| if ring % 3 == 0 { MIN_COUNT } else { MAX_COUNT }).collect();
    for counts in [ends, same, wide] {
        let answer = enrol_with(&mut board, &counts);
        assert_eq!((answer.status, answer.reply), (status::OK, model_of(&counts).unwrap()));
    }
}

/// Samples with these raw bits.
fn samples_of(bits: &[bool]) -> Vec<Vec<u32>> {
    let pair = |bit: &bool| [step_for(20_000), step_for(20_100 + u32::from(*bit))];
    bits.chunks(256).map(|sample| sample.iter().flat_map(pair).collect()).collect()
}

#[test]
fn random_bits_are_those_of_the_model_until_a_health_test_fails() {
    let Some(model) = slow() else { return };
    let mut pair = Pair::new(model, 9, SLOW_CLOCK_HZ);
    for _ in 0..3 {
        assert_eq!(pair.entropy().status, status::OK);
    }
    // Equal bits in a row, one less than fails and as many, across the end of a sample and of a request.
    let cutoff = REPETITION_CUTOFF as usize;
    let changing = |i: usize| i.is_multiple_of(2);
    for (run, from, fails) in
        [(cutoff - 1, 200, false), (cutoff - 1, 1_024 - 30, false), (cutoff, 200, true), (cutoff, 700, true)]
    {
        let mut pair = Pair::new(model, 9, SLOW_CLOCK_HZ);
        let bits: Vec<bool> =
            (0..2_048).map(|i| changing(if (from..from + run).contains(&i) { from } else { i })).collect();
        // The alternation around the run must not lengthen it.
        let bits: Vec<bool> = bits
            .iter()
            .enumerate()
            .map(|(i, bit)| if i == from + run { !changing(from) } else { *bit })
            .collect();
        let status = pair.entropy_of(&samples_of(&bits)).status;
        assert_eq!(status == status::ENTROPY_FAULT, fails, "{run} equal bits from {from} on");
        if fails {
            // The alarm stays, and nothing is read.
            assert_eq!(pair.board.ask(opcode::ENTROPY, &[]).status, status::ENTROPY_FAULT);
            let answer = pair.board.ask(opcode::ENTROPY, &[]);
            assert_eq!((answer.status, answer.samples), (status::ENTROPY_FAULT, 0));
            // The vault is not concerned.
            pair.enrol();
        }
    }
    // Bits equal to the first of a window, one less than fails and as many: runs of at most 50.
    for (equal, fails) in [(PROPORTION_CUTOFF as usize - 1, false), (PROPORTION_CUTOFF as usize, true)] {
        let mut pair = Pair::new(model, 9, SLOW_CLOCK_HZ);
        let start_up: Vec<bool> = (0..1_024).map(changing).collect();
        let mut others = 1_024 - equal;
        let window: Vec<bool> = (0..1_024)
            .map(|i| {
                let other = i % 4 == 3 && others > 0;
                others -= usize::from(other);
                !other
            })
            .collect();
        // The last ones, too, are interrupted, at the cost of earlier interruptions.
        let mut window = window;
        for i in (900..1_024).step_by(40) {
            let at = window.iter().position(|bit| !bit).unwrap();
            window.swap(at, i);
        }
        assert_eq!(window.iter().filter(|bit| **bit).count(), equal);
        let status = pair.entropy_of(&samples_of(&[start_up, window].concat())).status;
        assert_eq!(status == status::ENTROPY_FAULT, fails, "{equal} equal bits");
    }
}

/// A board in which nothing moves, such as one made of a decompiled image.
#[test]
fn rings_that_stand_still_give_faults_and_no_bits() {
    let Some(model) = slow() else { return };
    let mut board = model.power_up();
    assert_eq!(board.ask(opcode::VAULT_ENROL, &[]).status, status::RING_FAULT);
    for samples in [1, 0, 0] {
        let answer = board.ask(opcode::ENTROPY, &[]);
        assert_eq!((answer.status, answer.reply.len(), answer.samples), (status::ENTROPY_FAULT, 0, samples));
    }
    assert_eq!(board.ask(opcode::VAULT_DERIVE, b"x").status, status::CLOSED);
}

/// Four bytes in a row of `secret` at a multiple of four, in either order, plain or as in an HMAC's key block.
fn found(state: &[u8], secret: &[u8]) -> Vec<usize> {
    let mut patterns = vec![];
    for mask in [0, 0x36, 0x5C] {
        for word in secret.chunks_exact(4) {
            let word: Vec<u8> = word.iter().map(|byte| byte ^ mask).collect();
            patterns.push(word.iter().rev().copied().collect::<Vec<u8>>());
            patterns.push(word);
        }
    }
    (0..state.len() - 3).filter(|&at| patterns.iter().any(|p| p[..] == state[at..at + 4])).collect()
}

/// Four bytes in a row of root or packed response are nowhere, but the root in its own register.
#[test]
fn nothing_is_left_of_root_and_response() {
    let Some(model) = slow() else { return };
    let mut pair = Pair::new(model, 11, SLOW_CLOCK_HZ);
    let check = |pair: &mut Pair, root: &[u8; 32], after: &str| {
        let state = pair.board.state();
        assert_eq!(found(&state, &pair.response), [0; 0], "the response {after}");
        // The root's own register, 32 bytes in a row; the simulator may keep what it will be beside what it is.
        let whole: Vec<usize> = (0..state.len() - 32).filter(|&at| state[at..at + 32] == root[..]).collect();
        let expected: Vec<usize> =
            whole.iter().flat_map(|at| (0..8).map(move |word| at + 4 * word)).collect();
        assert_eq!(found(&state, root), expected, "the root {after}");
        assert!(
            if pair.root.is_some() { (1..=2).contains(&whole.len()) } else { whole.is_empty() },
            "{after}: {whole:?}"
        );
    };
    let (helper, _) = pair.enrol();
    let root = pair.root.unwrap();
    check(&mut pair, &root, "after enrolment");
    let key = pair.derive(b"label").reply;
    check(&mut pair, &root, "after derivation");
    let state = pair.board.state();
    assert!(found(&state, &key[..28]).len() <= 1, "the derived key is still there");
    pair.attest(&[1; 32]);
    check(&mut pair, &root, "after attestation");
    pair.close();
    check(&mut pair, &root, "after closing");
    assert!(pair.open(&helper).0);
    assert_eq!(pair.root.unwrap(), root);
    check(&mut pair, &root, "after opening");
    let mut bad = helper.clone();
    bad[40] ^= 1;
    assert!(!pair.open(&bad).0);
    check(&mut pair, &root, "after a refusal");
    assert!(pair.open(&helper).0);
    let seed = pair.entropy().reply;
    check(&mut pair, &root, "after random bits");
    let state = pair.board.state();
    assert!(found(&state, &seed[..28]).len() <= 1, "the random bits are still there");
}

/// Every word and register of vault and engine after every kind of request: wiped, or as after a scrub alone, or documented.
#[test]
fn nothing_is_left_after_any_request() {
    let Some(model) = slow() else { return };
    let start = std::time::Instant::now();
    vault_common::left::nothing_is_left(model, &[]);
    println!("{:.1} s", start.elapsed().as_secs_f64());
}
