//! Encryption with helpers: what the owner gets is what it would have made alone, and nothing wrong gets
//! past it.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

mod common;

use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective};
use common::World;
use group::Group;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use twinseal_abe::outsource::{Plan, Rows, RowsJob, encrypt_rows};
use twinseal_abe::rand_core::{CryptoRng, Error as RngError, OsRng, RngCore};
use twinseal_abe::{
    Authority, Ciphertext, Error, Policy, SharedKey, UserId, decapsulate, decapsulate_checked, encapsulate,
};

const HEADER: &[u8] = b"record 7";

/// The same stream for the same seed.
#[derive(Clone)]
struct Repeatable {
    seed: u64,
    drawn: u64,
}

impl Repeatable {
    fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl RngCore for Repeatable {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.drawn += 1;
        let hash = Sha256::digest([self.seed.to_be_bytes(), self.drawn.to_be_bytes()].concat());
        u64::from_be_bytes(*hash.first_chunk().unwrap())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.chunks_mut(8).for_each(|chunk| {
            let word = self.next_u64().to_be_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        });
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Repeatable {}

/// What a helper does with a job that came as bytes, as bytes.
fn help(world: &World, job: &RowsJob) -> Vec<u8> {
    let job = RowsJob::from_bytes(&job.to_bytes()).unwrap();
    encrypt_rows(&job, world.publics()).unwrap().to_bytes()
}

fn policy() -> Policy {
    "(a@x and b@y and 2 of (a@x, c@x, d@y, e@y)) or f@y".parse().unwrap()
}

#[test]
fn what_comes_out_is_the_direct_ciphertext() {
    let world = World::new();
    let user: UserId = "alice".parse().unwrap();
    for (i, policy) in ["a@x", "a@x and a@x and b@y", &policy().to_string()].into_iter().enumerate() {
        let policy: Policy = policy.parse().unwrap();
        let direct = encapsulate(&policy, world.publics(), HEADER, &mut Repeatable::new(i as u64)).unwrap();
        let plan = Plan::new(&policy, world.publics()).unwrap();
        let (pending, jobs) = plan.begin(HEADER, &mut Repeatable::new(i as u64)).unwrap();
        let rows = jobs.each_ref().map(|job| Rows::from_bytes(&help(&world, job)).unwrap());
        let outsourced = pending.finish(&rows, &mut OsRng).unwrap();
        assert_eq!(outsourced.0.to_bytes(), direct.0.to_bytes());
        assert_eq!(outsourced.1, direct.1);
        let ciphertext = Ciphertext::from_bytes(&outsourced.0.to_bytes()).unwrap();
        let keys = world.issue(&user, &["a@x", "b@y", "c@x"]);
        assert_eq!(decapsulate(&ciphertext, HEADER, &user, &keys).unwrap(), direct.1);
        let checked = decapsulate_checked(&ciphertext, HEADER, &user, &keys, world.publics());
        assert_eq!(checked.unwrap(), direct.1);
    }
}

/// Two answers to each of two jobs.
type Answers = [[Vec<u8>; 2]; 2];

#[test]
fn answers_that_agree_are_believed_and_others_examined() {
    let world = World::new();
    let policy = policy();
    let direct = encapsulate(&policy, world.publics(), HEADER, &mut Repeatable::new(1)).unwrap();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let finish = |change: &dyn Fn(&mut Answers)| {
        let (pending, jobs) = plan.begin(HEADER, &mut Repeatable::new(1)).unwrap();
        let mut answers = [0, 1].map(|_| jobs.each_ref().map(|job| help(&world, job)));
        change(&mut answers);
        let answers = answers.each_ref().map(|pair| pair.each_ref().map(|answer| &answer[..]));
        pending.finish_agreed(&answers, &mut OsRng)
    };
    assert_eq!(finish(&|_| ()).unwrap().0.to_bytes(), direct.0.to_bytes());
    let lie = |answer: &mut Vec<u8>| add_in_g1(answer, 0, &G1Projective::generator());
    for helper in 0..4 {
        let refused = finish(&|answers| lie(&mut answers[helper / 2][helper % 2]));
        assert_eq!(refused, Err(Error::RowsRejected { helpers: vec![helper] }));
        let refused = finish(&|answers| answers[helper / 2][helper % 2].truncate(9));
        assert_eq!(refused, Err(Error::RowsRejected { helpers: vec![helper] }));
    }
    let short = |answers: &mut Answers| {
        for pair in answers {
            pair[0].truncate(4 + Rows::ROW_BYTES);
            pair[0][3] = 1;
        }
    };
    assert_eq!(finish(&short), Err(Error::RowsRejected { helpers: vec![0, 2] }));
    // As documented: what both helpers of a job say is believed.
    let both = |answers: &mut Answers| answers.iter_mut().for_each(|pair| lie(&mut pair[1]));
    assert_ne!(finish(&both).unwrap().0.to_bytes(), direct.0.to_bytes());
}

/// Where the elements of a row are, in the encoding of rows.
const C1: usize = 0;
const C2: usize = 576;
const C3: usize = C2 + 192;
const C4: usize = C3 + 192;

fn element(bytes: &mut [u8], row: usize, offset: usize) -> &mut [u8] {
    let length = match offset {
        C1 => 576,
        C2 | C3 => 192,
        _ => 96,
    };
    &mut bytes[4 + row * Rows::ROW_BYTES + offset..][..length]
}

fn add_in_g2(bytes: &mut [u8], row: usize, offset: usize, error: &G2Projective) {
    let place = element(bytes, row, offset);
    let point = G2Affine::from_uncompressed_unchecked((&*place).try_into().unwrap()).unwrap();
    place.copy_from_slice(&G2Affine::from(error + point).to_uncompressed());
}

fn add_in_g1(bytes: &mut [u8], row: usize, error: &G1Projective) {
    let place = element(bytes, row, C4);
    let point = G1Affine::from_uncompressed_unchecked((&*place).try_into().unwrap()).unwrap();
    place.copy_from_slice(&G1Affine::from(error + point).to_uncompressed());
}

fn times<P: Group>(point: &P, factor: &[u8]) -> P {
    factor.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).fold(
        P::identity(),
        |sum, bit| {
            if bit == 1 { sum.double() + point } else { sum.double() }
        },
    )
}

/// The group order, and what is left of the curves' cofactors without the primes below.
const ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
const G2_LARGE_FACTOR: &str = "8d9f503deeeb5d5c423572788bea4d6ae0490c5afca1eeb2a9d75bb98b95878afab9c0da5cf222c377d87384d026cd73826d177200c0d3b1";
const G1_PRIMES: [u32; 5] = [3, 11, 10177, 859267, 52437899];
const G2_PRIMES: [u32; 5] = [13, 23, 2713, 11953, 262069];

/// A point of the given order on the curve of G1.
fn small_in_g1(prime: u32) -> G1Projective {
    loop {
        let mut bytes = [0; 48];
        OsRng.fill_bytes(&mut bytes);
        bytes[0] = 0x80 | bytes[0] & 0x0f;
        let Some(point) = Option::<G1Affine>::from(G1Affine::from_compressed_unchecked(&bytes)) else {
            continue;
        };
        let mut point = times(&G1Projective::from(point), &hex::decode(ORDER).unwrap());
        for other in G1_PRIMES.into_iter().filter(|other| *other != prime) {
            point = times(&times(&point, &other.to_be_bytes()), &other.to_be_bytes());
        }
        if !bool::from(point.is_identity()) {
            assert!(bool::from(times(&point, &prime.to_be_bytes()).is_identity()), "exponent of {prime}");
            return point;
        }
    }
}

/// A point of the given order on the curve of G2.
fn small_in_g2(prime: u32) -> G2Projective {
    loop {
        let mut bytes = [0; 96];
        OsRng.fill_bytes(&mut bytes);
        bytes[0] = 0x80 | bytes[0] & 0x0f;
        bytes[48] &= 0x0f;
        let Some(point) = Option::<G2Affine>::from(G2Affine::from_compressed_unchecked(&bytes)) else {
            continue;
        };
        let mut point = times(&G2Projective::from(point), &hex::decode(ORDER).unwrap());
        point = times(&point, &hex::decode(G2_LARGE_FACTOR).unwrap());
        for other in G2_PRIMES.into_iter().filter(|other| *other != prime) {
            point = times(&times(&point, &other.to_be_bytes()), &other.to_be_bytes());
        }
        if !bool::from(point.is_identity()) {
            assert!(bool::from(times(&point, &prime.to_be_bytes()).is_identity()), "exponent of {prime}");
            return point;
        }
    }
}

/// Runs an encryption in which the helpers' answers are `change`d.
fn tampered(world: &World, change: impl Fn(&mut [Vec<u8>; 2])) -> Result<(Ciphertext, Ciphertext), Error> {
    let policy = policy();
    let (direct, _) = encapsulate(&policy, world.publics(), HEADER, &mut Repeatable::new(1)).unwrap();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let (pending, jobs) = plan.begin(HEADER, &mut Repeatable::new(1)).unwrap();
    let mut answers = jobs.each_ref().map(|job| help(world, job));
    change(&mut answers);
    let [a, b] = answers.map(|bytes| Rows::from_bytes(&bytes));
    Ok((pending.finish(&[a?, b?], &mut OsRng)?.0, direct))
}

/// What came out of each of three encryptions, whose answers may have been changed.
type Finished = Vec<Result<(Ciphertext, SharedKey), Error>>;
/// The answers of two helpers to each encryption.
type Batch = Vec<[Vec<u8>; 2]>;

/// Runs encryptions whose rows are enough for the check of many, and gives what each makes directly.
fn tampered_batch(world: &World, change: impl Fn(&mut Batch)) -> (Finished, Finished) {
    let policy = policy();
    let headers: Vec<Vec<u8>> = (0..20).map(|i| format!("record {i}").into_bytes()).collect();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let headers: Vec<&[u8]> = headers.iter().map(|header| &header[..]).collect();
    let mut rng = Repeatable::new(1);
    let direct =
        headers.iter().map(|header| encapsulate(&policy, world.publics(), header, &mut rng)).collect();
    let begun = plan.begin_many(&headers, &mut Repeatable::new(1)).unwrap();
    let mut answers = begun.iter().map(|(_, jobs)| jobs.each_ref().map(|job| help(world, job))).collect();
    change(&mut answers);
    let rows = answers.iter().map(|pair| pair.each_ref().map(|answer| Rows::from_bytes(answer).unwrap()));
    let items = begun.into_iter().map(|(pending, _)| pending).zip(rows).collect();
    (plan.finish_many(items, &mut OsRng), direct)
}

/// All as it is made directly, but for the i-th encryptions, whose helpers are named.
fn expect_batch(world: &World, expected: &[(usize, usize)], change: impl Fn(&mut Batch)) {
    let (finished, mut direct) = tampered_batch(world, change);
    for (i, helper) in expected {
        direct[*i] = Err(Error::RowsRejected { helpers: vec![*helper] });
    }
    assert_eq!(finished.len(), direct.len());
    for (i, (finished, direct)) in finished.iter().zip(&direct).enumerate() {
        assert!(finished == direct, "{i}: {finished:?}");
    }
}

#[test]
fn a_batch_is_what_is_made_directly_and_names_what_is_wrong() {
    let world = World::new();
    let (g1, g2) = (G1Projective::generator(), G2Projective::generator());
    expect_batch(&world, &[], |_| ());
    expect_batch(&world, &[(7, 1)], |answers| add_in_g1(&mut answers[7][1], 3, &g1));
    expect_batch(&world, &[(19, 0)], |answers| add_in_g2(&mut answers[19][0], 0, C2, &g2));
    expect_batch(&world, &[(0, 0)], |answers| add_in_g2(&mut answers[0][0], 5, C3, &g2));
    expect_batch(&world, &[(4, 1)], |answers| {
        let other = element(&mut answers[5][1], 2, C1).to_vec();
        element(&mut answers[4][1], 2, C1).copy_from_slice(&other);
    });
    expect_batch(&world, &[(11, 0)], |answers| element(&mut answers[11][0], 1, C1).fill(0));
    let rows = policy().rows().len();
    expect_batch(&world, &[(2, 1)], |answers| {
        answers[2][1].truncate(4 + (rows - 1) * Rows::ROW_BYTES);
        answers[2][1][3] -= 1;
    });
    // Errors whose sum over the batch, or over a ciphertext, is nothing.
    expect_batch(&world, &[(3, 0), (9, 1)], |answers| {
        add_in_g1(&mut answers[3][0], 1, &g1);
        add_in_g1(&mut answers[9][1], 1, &-g1);
    });
    expect_batch(&world, &[(3, 0), (9, 0)], |answers| {
        add_in_g2(&mut answers[3][0], 1, C2, &g2);
        add_in_g2(&mut answers[9][0], 1, C2, &-g2);
    });
    expect_batch(&world, &[(6, 1)], |answers| {
        add_in_g2(&mut answers[6][1], 0, C3, &g2);
        add_in_g2(&mut answers[6][1], 1, C3, &-g2);
    });
    expect_batch(&world, &[(3, 0), (9, 0)], |answers| {
        let [three, nine] = [3, 9].map(|i| element(&mut answers[i][0], 1, C1).to_vec());
        element(&mut answers[3][0], 1, C1).copy_from_slice(&nine);
        element(&mut answers[9][0], 1, C1).copy_from_slice(&three);
    });
    // The same point everywhere, which meets itself in sums, and the identity.
    expect_batch(&world, &[(8, 0)], |answers| {
        let first = element(&mut answers[8][0], 0, C2).to_vec();
        (1..rows).for_each(|row| element(&mut answers[8][0], row, C2).copy_from_slice(&first));
    });
}

#[test]
fn components_of_small_order_do_not_pass_in_a_batch() {
    let world = World::new();
    let twice = |error: &G2Projective, answers: &mut Batch| {
        add_in_g2(&mut answers[1][0], 2, C2, error);
        add_in_g2(&mut answers[13][1], 2, C3, &-error);
    };
    for prime in G2_PRIMES {
        let error = small_in_g2(prime);
        expect_batch(&world, &[(1, 0), (13, 1)], |answers| twice(&error, answers));
    }
    for prime in G1_PRIMES {
        let error = small_in_g1(prime);
        let named: &[_] = if prime == 3 || prime == 11 { &[] } else { &[(5, 1)] };
        expect_batch(&world, named, |answers| add_in_g1(&mut answers[5][1], 2, &error));
    }
}

fn rejected(helpers: &[usize]) -> Result<(Ciphertext, Ciphertext), Error> {
    Err(Error::RowsRejected { helpers: helpers.to_vec() })
}

#[test]
fn a_wrong_element_names_its_helper() {
    let world = World::new();
    let rows = policy().rows().len();
    let (g1, g2) = (G1Projective::generator(), G2Projective::generator());
    for row in 0..rows {
        let helper = row % 2;
        for offset in [C2, C3] {
            let result = tampered(&world, |answers| add_in_g2(&mut answers[helper], row, offset, &g2));
            assert_eq!(result, rejected(&[helper]), "row {row}, {offset}");
        }
        let result = tampered(&world, |answers| add_in_g1(&mut answers[helper], row, &g1));
        assert_eq!(result, rejected(&[helper]), "row {row}");
        // Another genuine element in its place.
        for offset in [C1, C2, C3, C4] {
            let result = tampered(&world, |answers| {
                let other = element(&mut answers[helper], (row + 1) % rows, offset).to_vec();
                element(&mut answers[helper], row, offset).copy_from_slice(&other);
            });
            assert_eq!(result, rejected(&[helper]), "row {row}, {offset}");
        }
    }
}

#[test]
fn wrong_answers_of_every_shape_are_rejected() {
    let world = World::new();
    assert_eq!(tampered(&world, |_| ()).map(|(a, b)| a == b), Ok(true));
    // Only the sum counts.
    assert_eq!(tampered(&world, |answers| answers.swap(0, 1)).map(|(a, b)| a == b), Ok(true));
    assert_eq!(tampered(&world, |answers| answers[1] = answers[0].clone()), rejected(&[1]));
    let exchange = |answers: &mut [Vec<u8>; 2]| {
        let [first, second] =
            [0, 1].map(|row| answers[0][4 + row * Rows::ROW_BYTES..][..Rows::ROW_BYTES].to_vec());
        answers[0][4..][..Rows::ROW_BYTES].copy_from_slice(&second);
        answers[0][4 + Rows::ROW_BYTES..][..Rows::ROW_BYTES].copy_from_slice(&first);
    };
    assert_eq!(tampered(&world, exchange), rejected(&[0]));
    let drop_one = |answers: &mut [Vec<u8>; 2]| {
        let shorter = answers[1].len() - Rows::ROW_BYTES;
        answers[1].truncate(shorter);
        answers[1][3] -= 1;
    };
    assert_eq!(tampered(&world, drop_one), rejected(&[1]));
    let none = |answers: &mut [Vec<u8>; 2]| {
        answers[0].truncate(4);
        answers[0][3] = 0;
    };
    assert_eq!(tampered(&world, none), rejected(&[0]));
    // Of another encryption, with other coins.
    let stale = |answers: &mut [Vec<u8>; 2]| {
        let policy = policy();
        let plan = Plan::new(&policy, world.publics()).unwrap();
        let (_, jobs) = plan.begin(b"record 8", &mut Repeatable::new(1)).unwrap();
        answers[0] = help(&world, &jobs[0]);
    };
    assert_eq!(tampered(&world, stale), rejected(&[0]));
    let both = |answers: &mut [Vec<u8>; 2]| {
        answers.swap(0, 1);
        stale(answers);
    };
    assert_eq!(tampered(&world, both), rejected(&[0, 1]));
    // Both wrong, by amounts that cancel: the sum is what it should be.
    let g1 = G1Projective::generator();
    let cancelling = |answers: &mut [Vec<u8>; 2]| {
        add_in_g1(&mut answers[0], 0, &g1);
        add_in_g1(&mut answers[1], 0, &-g1);
    };
    assert_eq!(tampered(&world, cancelling).map(|(a, b)| a == b), Ok(true));
}

#[test]
fn components_of_small_order_are_taken_out_or_noticed() {
    let world = World::new();
    for prime in G1_PRIMES {
        let error = small_in_g1(prime);
        for _ in 0..8 {
            let result = tampered(&world, |answers| add_in_g1(&mut answers[1], 2, &error));
            match prime {
                3 | 11 => assert_eq!(result.map(|(a, b)| a == b), Ok(true), "{prime}"),
                _ => assert_eq!(result, rejected(&[1]), "{prime}"),
            }
        }
    }
    for prime in G2_PRIMES {
        let error = small_in_g2(prime);
        for offset in [C2, C3, C2, C3, C2, C3] {
            let result = tampered(&world, |answers| add_in_g2(&mut answers[0], 2, offset, &error));
            assert_eq!(result, rejected(&[0]), "{prime}");
        }
    }
}

#[test]
fn numbers_outside_the_target_group_are_noticed() {
    let world = World::new();
    let numbers =
        |change: &dyn Fn(&mut [u8])| tampered(&world, |answers| change(element(&mut answers[0], 1, C1)));
    // 0, 1, -1, 2 and anything.
    assert_eq!(numbers(&|c1| c1.fill(0)), rejected(&[0]));
    for first in [1, 2] {
        let one = |c1: &mut [u8]| {
            c1.fill(0);
            c1[47] = first;
        };
        assert_eq!(numbers(&one), rejected(&[0]));
    }
    let random = |c1: &mut [u8]| {
        OsRng.fill_bytes(c1);
        c1.iter_mut().step_by(48).for_each(|top| *top &= 0x0f);
    };
    assert_eq!(numbers(&random), rejected(&[0]));
    assert_eq!(numbers(&|c1| c1[500] ^= 1), rejected(&[0]));
    assert_eq!(numbers(&|c1| c1[0] = 0xff).unwrap_err().code(), "TSL-ABE-013");
}

#[test]
fn encodings_are_checked() {
    let world = World::new();
    let policy = policy();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let (_, jobs) = plan.begin(HEADER, &mut OsRng).unwrap();
    let bytes = jobs[0].to_bytes();
    assert_eq!(RowsJob::from_bytes(&bytes).unwrap(), jobs[0]);
    assert!(!format!("{:?}", jobs[0]).contains(&hex::encode(&bytes[2..6])));
    for length in 0..bytes.len() {
        assert_eq!(RowsJob::from_bytes(&bytes[..length]).unwrap_err().code(), "TSL-ABE-013");
    }
    let answer = help(&world, &jobs[0]);
    assert_eq!(Rows::from_bytes(&answer).unwrap().to_bytes(), answer);
    for length in (0..answer.len()).step_by(97) {
        assert_eq!(Rows::from_bytes(&answer[..length]).unwrap_err().code(), "TSL-ABE-013");
    }
    let mut too_many = answer.clone();
    too_many[2] = 0xff;
    assert_eq!(Rows::from_bytes(&too_many).unwrap_err().code(), "TSL-ABE-013");
    for offset in [C2, C3, C4] {
        let mut off_curve = answer.clone();
        element(&mut off_curve, 0, offset)[90] ^= 1;
        assert_eq!(Rows::from_bytes(&off_curve).unwrap_err().code(), "TSL-ABE-013");
    }

    let rotated = Authority::setup("x".parse().unwrap(), &mut OsRng);
    let refused = encrypt_rows(&jobs[0], [rotated.public_key(), world.y.public_key()]);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-031");
    assert_eq!(encrypt_rows(&jobs[0], [world.x.public_key()]).unwrap_err().code(), "TSL-ABE-007");
    assert_eq!(plan.begin(&[0; 65537], &mut OsRng).unwrap_err().code(), "TSL-ABE-014");
}

/// Points have one encoding, the uncompressed one without flags.
#[test]
fn no_other_encoding_of_a_row_is_read() {
    let world = World::new();
    let policy = policy();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let (_, jobs) = plan.begin(HEADER, &mut OsRng).unwrap();
    let answer = help(&world, &jobs[0]);
    for offset in [C2, C3, C4] {
        let mut junk = answer.clone();
        let place = element(&mut junk, 1, offset);
        let half = place.len() / 2;
        let compressed = match offset {
            C4 => {
                G1Affine::from_uncompressed((&*place).try_into().unwrap()).unwrap().to_compressed().to_vec()
            }
            _ => G2Affine::from_uncompressed((&*place).try_into().unwrap()).unwrap().to_compressed().to_vec(),
        };
        place[..half].copy_from_slice(&compressed);
        assert_eq!(Rows::from_bytes(&junk).unwrap_err().code(), "TSL-ABE-013");
        element(&mut junk, 1, offset)[half..].fill(0x77);
        assert_eq!(Rows::from_bytes(&junk).unwrap_err().code(), "TSL-ABE-013");
        for flags in (0x20..=0xe0).step_by(0x20) {
            let mut flagged = answer.clone();
            element(&mut flagged, 1, offset)[0] |= flags;
            assert_eq!(Rows::from_bytes(&flagged).unwrap_err().code(), "TSL-ABE-013");
        }
    }
}

/// Fresh for every encryption and helper, and neither helper's rows are those of the other's seed.
#[test]
fn seeds_are_fresh_and_of_one_helper_each() {
    let world = World::new();
    let policy = policy();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let mut begun = plan.begin_many(&[HEADER; 3], &mut OsRng).unwrap();
    begun.push(plan.begin(HEADER, &mut OsRng).unwrap());
    let jobs: Vec<_> = begun.iter().flat_map(|(_, jobs)| jobs).collect();
    let seed = |job: &RowsJob| job.to_bytes()[2..34].to_vec();
    let seeds: BTreeSet<_> = jobs.iter().map(|job| seed(job)).collect();
    assert_eq!(seeds.len(), 8);

    // A job is its seed, policy and generations: what else differs between two is nothing.
    let mut altered = jobs[1].to_bytes();
    altered[2..34].copy_from_slice(&seed(jobs[0]));
    assert_eq!(altered, jobs[0].to_bytes());
    // No element is in two answers, and what A can make of its own seed is refused for B.
    let answers: Vec<_> = jobs[..2].iter().map(|job| help(&world, job)).collect();
    for row in 0..policy.rows().len() {
        for offset in [C1, C2, C3, C4] {
            let [a, b] = [0, 1].map(|i| element(&mut answers[i].clone(), row, offset).to_vec());
            assert_ne!(a, b);
        }
    }
    let hash_of_a: [u8; 32] = Sha256::digest(seed(jobs[0])).into();
    let own = seed(jobs[0]);
    let complement: Vec<u8> = own.iter().map(|byte| !byte).collect();
    for guess in [own, hash_of_a.to_vec(), complement, vec![0; 32]] {
        assert_ne!(guess, seed(jobs[1]));
        let mut job = jobs[1].to_bytes();
        job[2..34].copy_from_slice(&guess);
        let guessed = help(&world, &RowsJob::from_bytes(&job).unwrap());
        assert_ne!(guessed, answers[1]);
    }
    let (pending, _) = begun.swap_remove(0);
    let rows = [&answers[0], &answers[0]].map(|answer| Rows::from_bytes(answer).unwrap());
    assert_eq!(pending.finish(&rows, &mut OsRng), Err(Error::RowsRejected { helpers: vec![1] }));
}

/// A job and an answer to it, to be mutated.
static MESSAGES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let world = World::new();
    let policy = "a@x and b@y".parse().unwrap();
    let plan = Plan::new(&policy, world.publics()).unwrap();
    let (_, [job, _]) = plan.begin(HEADER, &mut OsRng).unwrap();
    [job.to_bytes().to_vec(), help(&world, &job)]
});

proptest! {
    /// What is accepted is read in one way.
    #[test]
    fn mutated_messages_have_one_reading(
        which in 0..2usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..8u8, 0..6u8), 1..4),
    ) {
        let mut bytes = MESSAGES[which].clone();
        for (index, value, bit, edit) in edits {
            let at = index.index(bytes.len());
            match edit {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                2 => drop(bytes.remove(at)),
                // The flags of a point.
                3 => {
                    let first = (4 + at - at % 48).min(bytes.len() - 1);
                    bytes[first] ^= 1 << bit;
                }
                _ => bytes[at] ^= 1 << bit,
            }
        }
        if let Ok(job) = RowsJob::from_bytes(&bytes) {
            prop_assert_eq!(&*job.to_bytes(), &bytes);
        }
        if let Ok(rows) = Rows::from_bytes(&bytes) {
            prop_assert_eq!(rows.to_bytes(), bytes);
        }
    }
}
