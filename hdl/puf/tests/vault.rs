//! The vault against the attacks that are known on PUFs with helper data.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use twinseal_puf::polar::{self, SYNDROME_BYTES};
use twinseal_puf::reading::{Differences, ENROLMENT_SAMPLES, RECONSTRUCTION_SAMPLES};
use twinseal_puf::silicon::{CORNERS, Chip, Condition, Device, ROOM};
use twinseal_puf::vault::{
    CHALLENGE_BYTES, HELPER_BYTES, HELPER_VERSION, Helper, MAX_FAILURES, MAX_LABEL_BYTES, Refusal, Vault,
};
use twinseal_puf::{PAIRS, RESPONSE_BITS, SYNDROME_BITS};

const BUILD_ID: u32 = 0x1234_5678;

fn chip(number: u8) -> Chip {
    Chip::of_the_project([number; 32], Device::Up5k).unwrap()
}

fn read(chip: &Chip, condition: &Condition, power_up: u64, samples: usize) -> Differences {
    Differences::read(&mut chip.power_up(condition, power_up), 12_000_000, samples).unwrap()
}

fn enrolled(chip: &Chip) -> (Vault, Helper) {
    let mut vault = Vault::new(BUILD_ID);
    let helper = vault.enrol(&read(chip, &ROOM, 0, ENROLMENT_SAMPLES)).unwrap();
    (vault, helper)
}

fn again(chip: &Chip, power_up: u64) -> Differences {
    read(chip, &ROOM, power_up, RECONSTRUCTION_SAMPLES)
}

#[test]
fn the_root_comes_back_at_every_corner_and_keys_with_it() {
    for number in 0..20 {
        let chip = chip(number);
        let (vault, helper) = enrolled(&chip);
        let key = vault.derive(b"records").unwrap();
        for (i, corner) in CORNERS.iter().chain([&ROOM]).enumerate() {
            let mut later = Vault::new(BUILD_ID);
            assert_eq!(later.derive(b"records"), Err(Refusal::Closed));
            later.open(&helper, &read(&chip, corner, 1 + i as u64, RECONSTRUCTION_SAMPLES)).unwrap();
            assert_eq!(later.derive(b"records").unwrap(), key, "chip {number}, corner {i}");
        }
    }
}

#[test]
fn labels_challenges_and_uses_are_separated() {
    let (vault, _) = enrolled(&chip(1));
    let long = [7; MAX_LABEL_BYTES];
    let mut keys = vec![
        vault.derive(b"").unwrap(),
        vault.derive(b"a").unwrap(),
        vault.derive(b"a\0").unwrap(),
        vault.derive(&long).unwrap(),
        vault.derive(&long[1..]).unwrap(),
        vault.attest(&[0; CHALLENGE_BYTES]).unwrap(),
        vault.attest(&[1; CHALLENGE_BYTES]).unwrap(),
    ];
    // A label that is what another use would hash.
    let mut as_attest = BUILD_ID.to_le_bytes().to_vec();
    as_attest.extend([0; CHALLENGE_BYTES]);
    keys.push(vault.derive(&as_attest).unwrap());
    for (i, a) in keys.iter().enumerate() {
        assert!(keys[..i].iter().all(|b| a != b), "{i}");
    }
    assert_eq!(vault.derive(&[0; MAX_LABEL_BYTES + 1]), Err(Refusal::Length));
}

#[test]
fn attestation_names_the_gateware() {
    let chip = chip(2);
    let (vault, helper) = enrolled(&chip);
    let mut other = Vault::new(BUILD_ID + 1);
    other.open(&helper, &again(&chip, 1)).unwrap();
    assert_eq!(vault.derive(b"x").unwrap(), other.derive(b"x").unwrap());
    assert_ne!(vault.attest(&[3; CHALLENGE_BYTES]).unwrap(), other.attest(&[3; CHALLENGE_BYTES]).unwrap());
}

#[test]
fn helper_data_with_any_bit_changed_are_refused_like_any_other() {
    let chip = chip(3);
    let (_, helper) = enrolled(&chip);
    let good = helper.encode();
    let reading = again(&chip, 1);
    for bit in 0..8 * HELPER_BYTES {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut vault = Vault::new(BUILD_ID);
        assert_eq!(vault.open(&Helper::decode(&bad), &reading), Err(Refusal::Refused), "bit {bit}");
        assert_eq!((vault.failures(), vault.is_open()), (1, false));
        assert_eq!(vault.derive(b"x"), Err(Refusal::Closed));
    }
    assert_eq!(Vault::new(BUILD_ID).open(&Helper::decode(&good), &reading), Ok(()));
}

/// The attack of Delvaux and Verbauwhede on schemes without a tag over the helper data: shift the syndrome by that of an
/// error the decoder corrects, and learn from success or failure whether the response bit was wrong already. Here the
/// shifted syndrome decodes to the shifted response, and is refused whatever the response is.
#[test]
fn a_syndrome_shifted_by_a_correctable_error_is_refused() {
    let chip = chip(4);
    let (_, helper) = enrolled(&chip);
    let reading = again(&chip, 1);
    let soft = reading.soft();
    let mut decoded = 0;
    for place in (0..RESPONSE_BITS).step_by(7) {
        let mut error = [false; RESPONSE_BITS];
        error[place] = true;
        let shift = polar::syndrome(&error);
        let mut encoded = helper.encode();
        encoded[1..=SYNDROME_BYTES].iter_mut().zip(shift).for_each(|(byte, s)| *byte ^= s);
        let mut shifted = [0; SYNDROME_BYTES];
        shifted.copy_from_slice(&encoded[1..=SYNDROME_BYTES]);
        let mut expected = polar::decode(&soft, &original(&helper));
        expected[place] ^= true;
        decoded += usize::from(polar::decode(&soft, &shifted) == expected);
        let mut vault = Vault::new(BUILD_ID);
        assert_eq!(vault.open(&Helper::decode(&encoded), &reading), Err(Refusal::Refused), "place {place}");
    }
    // The attack does what it wants in the decoder, so it is the tag that stops it.
    assert!(decoded > RESPONSE_BITS / 7 / 2, "{decoded}");
}

fn original(helper: &Helper) -> [u8; SYNDROME_BYTES] {
    let mut syndrome = [0; SYNDROME_BYTES];
    syndrome.copy_from_slice(&helper.encode()[1..=SYNDROME_BYTES]);
    syndrome
}

#[test]
fn helper_data_of_another_chip_and_mixed_ones_are_refused() {
    let (a, b) = (chip(5), chip(6));
    let (_, of_a) = enrolled(&a);
    let (_, of_b) = enrolled(&b);
    assert_eq!(Vault::new(BUILD_ID).open(&of_b, &again(&a, 1)), Err(Refusal::Refused));
    let mut mixed = of_a.encode();
    mixed[1 + SYNDROME_BYTES..].copy_from_slice(&of_b.encode()[1 + SYNDROME_BYTES..]);
    assert_eq!(Vault::new(BUILD_ID).open(&Helper::decode(&mixed), &again(&a, 1)), Err(Refusal::Refused));
}

/// Two enrolments of one chip: a syndrome of one does not go with the tag of the other, and each is complete in itself.
#[test]
fn enrolling_twice_gives_two_sets_that_do_not_mix() {
    let chip = chip(7);
    let mut vault = Vault::new(BUILD_ID);
    let sets: Vec<(Helper, _)> = (0..2)
        .map(|i| {
            let helper = vault.enrol(&read(&chip, &CORNERS[2 * i], i as u64, ENROLMENT_SAMPLES)).unwrap();
            (helper, vault.derive(b"x").unwrap())
        })
        .collect();
    assert_ne!(sets[0].1, sets[1].1, "two corners differ in some bit");
    for (helper, key) in &sets {
        let mut later = Vault::new(BUILD_ID);
        later.open(helper, &again(&chip, 9)).unwrap();
        assert_eq!(later.derive(b"x").unwrap(), *key);
    }
    let mut mixed = sets[0].0.encode();
    mixed[1 + SYNDROME_BYTES..].copy_from_slice(&sets[1].0.encode()[1 + SYNDROME_BYTES..]);
    assert_eq!(Vault::new(BUILD_ID).open(&Helper::decode(&mixed), &again(&chip, 9)), Err(Refusal::Refused));
}

#[test]
fn refusals_are_counted_slowed_down_and_ended() {
    let chip = chip(8);
    let (_, helper) = enrolled(&chip);
    let mut bad = helper.encode();
    bad[20] ^= 1;
    let bad = Helper::decode(&bad);
    let reading = again(&chip, 1);
    let mut vault = Vault::new(BUILD_ID);
    let mut wait = 0;
    for failures in 1..=MAX_FAILURES {
        // Success in between does not buy more attempts.
        vault.open(&helper, &reading).unwrap();
        assert_eq!(vault.open(&bad, &reading), Err(Refusal::Refused));
        assert_eq!(vault.failures(), failures);
        assert!(!vault.is_open(), "a refusal closes");
        assert!(vault.backoff_clocks(12_000_000) > wait);
        wait = vault.backoff_clocks(12_000_000);
    }
    assert_eq!(vault.open(&helper, &reading), Err(Refusal::Refused), "even the right ones");
    assert_eq!(vault.enrol(&reading), Err(Refusal::Refused));
    // 2.8 s for the last one: a host notices, an attacker waits.
    assert_eq!(vault.backoff_clocks(12_000_000), 1 << 25);
}

#[test]
fn a_reading_far_from_enrolment_is_refused_not_answered_wrongly() {
    let chip = chip(9);
    let (vault, helper) = enrolled(&chip);
    let key = vault.derive(b"x").unwrap();
    let mut refused = 0;
    for volts in [0.6, 0.7, 0.8, 0.9, 1.0, 1.1] {
        let mut later = Vault::new(BUILD_ID);
        let reading = read(&chip, &Condition { volts, ..ROOM }, 1, RECONSTRUCTION_SAMPLES);
        match later.open(&helper, &reading) {
            Ok(()) => assert_eq!(later.derive(b"x").unwrap(), key),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Refused);
                refused += 1;
            }
        }
    }
    assert!((1..6).contains(&refused), "{refused}");
}

#[test]
fn an_encoding_is_its_value() {
    let (_, helper) = enrolled(&chip(10));
    let bytes = helper.encode();
    assert_eq!(bytes[0], HELPER_VERSION);
    assert_eq!(Helper::decode(&bytes), helper);
    let ones = Helper::decode(&[0xff; HELPER_BYTES]);
    assert_eq!(ones.encode(), [0xff; HELPER_BYTES]);
}

/// What a biased response gives away: helper data of the most biased response possible, all equal rings, are all zero,
/// and the health tests refuse to enrol it.
#[test]
fn a_constant_response_is_a_fault_before_it_is_a_root() {
    let mut sums = Differences::zero();
    for pair in 0..PAIRS {
        sums.add(pair, 20_000, 20_000).unwrap();
    }
    assert!(sums.check().is_err());
    let bits = sums.soft().bits();
    assert_eq!(polar::syndrome(&bits), [0; SYNDROME_BITS / 8]);
}

/// Helper data alone do not predict the response: the syndromes of many chips are as spread as random ones.
#[test]
fn syndromes_of_different_chips_differ_in_half_of_their_bits() {
    let syndromes: Vec<_> = (20..60).map(|n| original(&enrolled(&chip(n)).1)).collect();
    let mut distances = Vec::new();
    for (i, a) in syndromes.iter().enumerate() {
        for b in &syndromes[..i] {
            distances.push(a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>());
        }
    }
    let mean = f64::from(distances.iter().sum::<u32>()) / distances.len() as f64;
    assert!((mean - 128.0).abs() < 4.0, "{mean}");
    assert!(distances.iter().all(|d| *d > 80));
}
