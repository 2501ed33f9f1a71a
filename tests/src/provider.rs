//! What every provider must compute, whoever fills its slots.

use std::io::{self, Read};

use twinseal_driver::{Error, Provider};

use crate::Budget;
use crate::data::{Random, cavp_sha256};
use crate::reference::{sha256, tree_head};

/// Runs every check.
///
/// # Panics
/// If a check fails.
pub fn run(provider: &Provider, budget: &Budget) {
    for (name, check) in [
        ("hashes", hashes as fn(&Provider, &Budget)),
        ("hashes of streams", streams),
        ("tree heads", tree_heads),
        ("derived keys", derived_keys),
        ("entropy", entropy),
        ("several threads", threads),
    ] {
        println!("provider: {name} of {provider:?}");
        check(provider, budget);
    }
}

fn hashes(provider: &Provider, budget: &Budget) {
    let mut random = Random::new(11);
    for len in budget.lengths().chain([1_021, 1_022, 1_023, 10_000]) {
        let message = random.bytes(len);
        assert_eq!(provider.hash.hash(&message).unwrap(), sha256(&message), "{len} bytes");
    }
    for vector in cavp_sha256().unwrap_or_default().iter().step_by(budget.vector_step) {
        assert_eq!(provider.hash.hash(&vector.message).unwrap(), vector.digest);
    }
    assert!(!provider.hash.engine().is_empty());
}

/// A reader that gives a few bytes at a time, interrupts now and then, and fails at the end if told to.
struct Trickle<'a> {
    rest: &'a [u8],
    random: Random,
    fails: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.random.below(5) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.rest.is_empty() && self.fails {
            return Err(io::Error::other("the disk is gone"));
        }
        let len = (1 + self.random.below(200)).min(buffer.len());
        self.rest.read(&mut buffer[..len])
    }
}

fn streams(provider: &Provider, budget: &Budget) {
    let mut random = Random::new(12);
    let lengths = [0, 1, 510, 511, 512, 1_021, 1_022, 1_023, 20_000];
    for len in lengths.into_iter().step_by(budget.length_step.min(2)) {
        let message = random.bytes(len);
        let mut trickle = Trickle { rest: &message, random: random.clone(), fails: false };
        assert_eq!(provider.hash.hash_reader(&mut trickle).unwrap(), sha256(&message), "{len} bytes");
        let mut failing = Trickle { rest: &message, random: random.clone(), fails: true };
        let error = provider.hash.hash_reader(&mut failing).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    }
    assert_eq!(provider.hash.hash(b"after").unwrap(), sha256(b"after"));
}

fn tree_heads(provider: &Provider, budget: &Budget) {
    let mut random = Random::new(13);
    let check = |leaves: &[Vec<u8>]| {
        let slices: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
        let head = provider.merkle.merkle_root(&slices).unwrap();
        assert_eq!(head, tree_head(leaves), "{} leaves", leaves.len());
    };
    for count in (0..=9).chain([15, 16, 17, 63, 64, 65]) {
        check(&(0..count).map(|_| random.bytes(32)).collect::<Vec<_>>());
    }
    for len in budget.lengths() {
        check(&[random.bytes(len), vec![], random.bytes(600 - len)]);
    }
    check(&[random.bytes(3_000)]);
    assert!(!provider.merkle.engine().is_empty());
}

fn derived_keys(provider: &Provider, _: &Budget) {
    let derive = &provider.derive;
    match derive.derive(b"one") {
        Err(Error::NoRoot) => println!("no root secret in this provider: nothing to derive"),
        one => {
            let one = one.unwrap();
            assert_eq!(derive.derive(b"one").unwrap(), one);
            assert_ne!(derive.derive(b"two").unwrap(), one);
            assert_ne!(derive.derive(b"").unwrap(), one);
        }
    }
}

fn entropy(provider: &Provider, _: &Budget) {
    let (mut first, mut second) = ([0; 64], [0; 64]);
    provider.entropy.fill(&mut first).unwrap();
    provider.entropy.fill(&mut second).unwrap();
    assert_ne!(first, second);
    let zeros = first.iter().chain(&second).filter(|byte| **byte == 0).count();
    assert!(zeros < 16, "{zeros} of 128 bytes are zero");
    provider.entropy.fill(&mut []).unwrap();
}

fn threads(provider: &Provider, _: &Budget) {
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut random = Random::new(20 + seed);
                for _ in 0..8 {
                    let len = random.below(1_500);
                    let message = random.bytes(len);
                    assert_eq!(provider.hash.hash(&message).unwrap(), sha256(&message));
                    let root = provider.merkle.merkle_root(&[&message, b"leaf"]).unwrap();
                    assert_eq!(root, tree_head(&[&message[..], b"leaf"]));
                }
            });
        }
    });
}
