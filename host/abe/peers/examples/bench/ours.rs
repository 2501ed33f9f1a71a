//! `twinseal-abe`.

use crate::figures::{Figures, OURS};
use crate::measure::{Effort, measure as time};
use std::thread;
use std::time::Instant;
use twinseal_abe::outsource::{self, Transformed};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    Attribute, AttributeKey, Authority, Ciphertext, Error, Policy, PublicKey, UserId, decapsulate,
    decapsulate_checked, encapsulate,
};

const HEADER: &[u8] = b"record 7";

/// Two authorities that issue every other of n attributes, all of which the policy asks for.
struct World {
    authorities: [Authority; 2],
    attributes: [Vec<Attribute>; 2],
    policy: Policy,
    user: UserId,
}

impl World {
    fn new(n: usize) -> Result<Self, Error> {
        let names = ["x", "y"];
        let texts: Vec<String> = (0..n).map(|i| format!("a{i}@{}", names[i % 2])).collect();
        let of = |parity: usize| -> Result<Vec<Attribute>, Error> {
            texts.iter().skip(parity).step_by(2).map(|text| text.parse()).collect()
        };
        Ok(Self {
            authorities: [
                Authority::setup(names[0].parse()?, &mut OsRng),
                Authority::setup(names[1].parse()?, &mut OsRng),
            ],
            attributes: [of(0)?, of(1)?],
            policy: texts.join(" and ").parse()?,
            user: "alice".parse()?,
        })
    }

    fn publics(&self) -> [&PublicKey; 2] {
        self.authorities.each_ref().map(Authority::public_key)
    }

    fn issue(&self) -> Result<Vec<AttributeKey>, Error> {
        let mut keys = Vec::new();
        for (authority, attributes) in self.authorities.iter().zip(&self.attributes) {
            keys.extend(authority.issue(&self.user, attributes, &mut OsRng)?);
        }
        Ok(keys)
    }
}

pub(crate) fn measure(n: usize, effort: Effort, figures: &mut Figures) -> Result<(), Error> {
    let world = World::new(n)?;
    let publics = world.publics();
    let user = &world.user;

    let (times, keys) = time(effort, || world.issue());
    let keys = keys?;
    figures.add(OURS, "keygen", n, times);

    let (times, sealed) = time(effort, || encapsulate(&world.policy, publics, HEADER, &mut OsRng));
    let (ciphertext, key) = sealed?;
    figures.add(OURS, "encrypt", n, times);

    let bytes = ciphertext.to_bytes();
    let (times, parsed) = time(effort, || Ciphertext::from_bytes(&bytes));
    assert!(parsed? == ciphertext);
    figures.add(OURS, "parse", n, times);

    let (times, opened) = time(effort, || decapsulate(&ciphertext, HEADER, user, &keys));
    assert_eq!(opened?, key);
    figures.add(OURS, "decrypt", n, times);

    let (times, opened) = time(effort, || decapsulate_checked(&ciphertext, HEADER, user, &keys, publics));
    assert_eq!(opened?, key);
    figures.add(OURS, "decrypt_checked", n, times);

    let (times, pair) = time(effort, || outsource::tkgen(user, &keys, &mut OsRng));
    let (transform_key, retrieving_key) = pair?;
    figures.add(OURS, "tkgen", n, times);

    let (times, transformed) = time(effort, || outsource::transform(&ciphertext, &transform_key));
    let answer = transformed?.to_bytes();
    figures.add(OURS, "transform", n, times);

    // With the checks of what the helper sent.
    let finish = || retrieving_key.finish(&ciphertext, HEADER, &Transformed::from_bytes(&answer)?);
    let (times, finished) = time(effort, finish);
    assert_eq!(finished?, key);
    figures.add(OURS, "finish", n, times);
    Ok(())
}

/// Operations a second, by wall clock.
pub(crate) struct Throughput {
    pub(crate) operation: &'static str,
    pub(crate) one_thread: f64,
    pub(crate) two_threads: f64,
}

/// Many operations of `n` attributes, one after the other and on two threads.
pub(crate) fn batch(n: usize, effort: Effort) -> Result<Vec<Throughput>, Error> {
    let world = World::new(n)?;
    let keys = world.issue()?;
    let (ciphertext, _) = encapsulate(&world.policy, world.publics(), HEADER, &mut OsRng)?;
    let (transform_key, _) = outsource::tkgen(&world.user, &keys, &mut OsRng)?;
    let rate = |threads: usize, work: &(dyn Fn() -> bool + Sync)| {
        let started = Instant::now();
        let count = || {
            let mut done = 0u32;
            while started.elapsed() < effort.throughput_budget() {
                assert!(work());
                done += 1;
            }
            done
        };
        let done: u32 = thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).sum()
        });
        f64::from(done) / started.elapsed().as_secs_f64()
    };
    let both = |operation, work: &(dyn Fn() -> bool + Sync)| Throughput {
        operation,
        one_thread: rate(1, work),
        two_threads: rate(2, work),
    };
    Ok(vec![
        both("encrypt", &|| encapsulate(&world.policy, world.publics(), HEADER, &mut OsRng).is_ok()),
        both("decrypt", &|| decapsulate(&ciphertext, HEADER, &world.user, &keys).is_ok()),
        both("transform", &|| outsource::transform(&ciphertext, &transform_key).is_ok()),
    ])
}
