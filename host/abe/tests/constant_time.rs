//! Whether operations on secrets take a time that depends on them: Reparaz, Balasch and Verbauwhede, *Dude,
//! is my code constant time?*, 2017. Each operation runs on one fixed secret and on random ones, in random
//! order; Welch's t-test compares the two sets of times, as measured and with the slowest cut off at
//! several percentiles (interruptions sit there).
//!
//! Time is the CPU time of the thread, which is not charged for being preempted. A difference counts only if
//! it shows in each of three rounds: |t| > 4.5 happens once by chance on a machine with other work,
//! a leak grows with the samples. The same verdict is asked about code that leaks on purpose.
//!
//! A pass says that no difference was seen in so many samples between these classes. It says nothing of
//! caches, ports or power as an attacker beside the program would see them, nor of other compilers.
//! `TWINSEAL_CT_SAMPLES=100000` (or `make ct`) looks more closely than a test of a few seconds can.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

use blstrs::{G1Projective, G2Projective, Gt, Scalar};
use ff::Field;
use group::Group as _;
use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Mutex;
use twinseal_abe::curve::{Curve, Group};
use twinseal_abe::outsource::timed_sum;
use twinseal_abe::rand_core::{OsRng, RngCore};
use twinseal_abe::scheme::{Key, Transformed};
use twinseal_abe::{Authority, Bls12381, SharedKey, encapsulate};

/// Beyond this the classes differ, by the convention of the paper.
const THRESHOLD: f64 = 4.5;
const ROUNDS: usize = 3;
const SAMPLES: usize = 1500;

/// One measurement at a time: the tests of this file would disturb each other.
static MACHINE: Mutex<()> = Mutex::new(());

fn samples() -> usize {
    std::env::var("TWINSEAL_CT_SAMPLES").ok().and_then(|text| text.parse().ok()).unwrap_or(SAMPLES)
}

fn thread_nanoseconds() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    now.tv_sec() as f64 * 1e9 + now.tv_nsec() as f64
}

/// Count, mean and sum of squared deviations, updated one by one (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let deviation = value - self.mean;
        self.mean += deviation / self.count;
        self.squares += deviation * (value - self.mean);
    }

    fn variance_of_mean(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// The t of largest size over all croppings, and the difference of the means it stands for.
fn welch(times: &[(bool, f64)]) -> (f64, f64) {
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let cropped = |percent: usize| {
        let limit = sorted[(sorted.len() - 1) * percent / 100];
        let mut classes = [Moments::default(); 2];
        for (random, time) in times.iter().filter(|(_, time)| *time <= limit) {
            classes[usize::from(*random)].add(*time);
        }
        let [fixed, random] = classes;
        let deviation = (fixed.variance_of_mean() + random.variance_of_mean()).sqrt();
        // A class that lies beyond the limit as a whole, or a clock that stands still within it.
        if fixed.count < 10.0 || random.count < 10.0 || deviation == 0.0 {
            return (f64::INFINITY * (random.count - fixed.count), f64::INFINITY);
        }
        let difference = fixed.mean - random.mean;
        (difference / deviation, difference)
    };
    let all = [100, 99, 97, 95, 90, 80, 70, 50].map(cropped);
    all.into_iter().filter(|(t, _)| !t.is_nan()).max_by(|a, b| a.0.abs().total_cmp(&b.0.abs())).unwrap()
}

/// Whether `operation` takes a time that depends on its input. Prints the mean time, the difference
/// between the classes, and the t of each round that was needed.
fn differs<T, R>(
    name: &str,
    repeat: usize,
    fixed: &T,
    mut random: impl FnMut() -> T,
    operation: impl Fn(&T) -> R,
) -> bool
where
    T: Clone,
{
    let mut one_round = || {
        let mut inputs = Vec::with_capacity(samples());
        for _ in 0..samples() {
            // Both classes cost the same to prepare.
            let (is_random, drawn) = (OsRng.next_u32() & 1 == 1, random());
            inputs.push((is_random, if is_random { drawn } else { fixed.clone() }));
        }
        let time = |(is_random, input): &(bool, T)| {
            let start = thread_nanoseconds();
            for _ in 0..repeat {
                black_box(operation(black_box(input)));
            }
            (*is_random, thread_nanoseconds() - start)
        };
        // The first ones fill tables and caches.
        for input in inputs.iter().take(20) {
            time(input);
        }
        let times: Vec<(bool, f64)> = inputs.iter().map(time).collect();
        let mean = times.iter().map(|(_, time)| time).sum::<f64>() / times.len() as f64;
        let (t, difference) = welch(&times);
        (t, difference / repeat as f64, mean / repeat as f64)
    };
    let mut rounds = Vec::new();
    loop {
        let (t, difference, mean) = one_round();
        rounds.push(t);
        let even = t.abs() <= THRESHOLD;
        if even || rounds.len() == ROUNDS {
            let verdict = if even { "even" } else { "differs" };
            println!("{name:<32} {mean:>9.0} ns {difference:>+9.1} ns {verdict:<7} t = {rounds:.1?}");
            return !even;
        }
    }
}

/// A secret scalar of class `fixed`, against random ones.
fn scalar_differs<R>(name: &str, operation: impl Fn(&Scalar) -> R) -> bool {
    // Nearly all digits zero, and nearly all of them not.
    let classes = [("1", Scalar::ONE), ("-1", -Scalar::ONE)];
    let differs_from = |(class, fixed): (&str, Scalar)| {
        differs(&format!("{name}, {class}"), 1, &fixed, || Scalar::random(OsRng), &operation)
    };
    classes.map(differs_from).contains(&true)
}

/// Several scalars at once, all of them fixed.
fn sum_differs(name: &str, points: &[G1Projective]) -> bool {
    let sum = timed_sum(points);
    let differs_from = |(class, fixed): (&str, Scalar)| {
        let random = || points.iter().map(|_| Scalar::random(OsRng)).collect::<Vec<_>>();
        differs(&format!("{name}, {class}"), 1, &vec![fixed; points.len()], random, |scalars| sum(scalars))
    };
    // Digits that are zero, negative, and the largest there are.
    let sixteens = (0..51).fold(Scalar::ZERO, |sum, _| sum * Scalar::from(32) + Scalar::from(16));
    [("1", Scalar::ONE), ("-1", -Scalar::ONE), ("16", sixteens)].map(differs_from).contains(&true)
}

#[test]
fn secrets_do_not_show_in_the_time() {
    let _alone = MACHINE.lock();
    let (p, q, e) = (
        G1Projective::generator() * Scalar::random(OsRng),
        G2Projective::generator() * Scalar::random(OsRng),
        Gt::generator() * Scalar::random(OsRng),
    );
    let key = Key::<Bls12381> { k: p, l: q };
    let transformed = Transformed::<Bls12381> { t: e, q: e };
    let found = [
        scalar_differs("e^s, fixed base", Bls12381::gt_times),
        scalar_differs("g2^s, fixed base", Bls12381::g2_times),
        scalar_differs("g1^s", Bls12381::g1_times),
        scalar_differs("F(u)^t", |t| Group::times(&p, t)),
        scalar_differs("Y^t", |t| Group::times(&q, t)),
        sum_differs("sum of F(u)^t of the owner's check", &[p, p.double()]),
        scalar_differs("T^b of finish", |b| transformed.unblind(b)),
        scalar_differs("1/b of tkgen", Bls12381::invert),
        scalar_differs("K^(1/b), L^(1/b) of tkgen", |inverse| key.blind(inverse)),
        shared_keys_differ("shared keys compared", |one, other| one == other),
    ];
    assert_eq!(found, [false; 10]);
}

/// One shared key compared with its equal, and with others.
fn shared_keys_differ(name: &str, equal: impl Fn(&SharedKey, &SharedKey) -> bool) -> bool {
    let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
    let policy = "a@x".parse().unwrap();
    let seal = || encapsulate(&policy, [authority.public_key()], b"", &mut OsRng).unwrap().1;
    let (own, others) = (seal(), [(); 64].map(|()| seal()));
    let other = || others[OsRng.next_u32() as usize % others.len()].clone();
    differs(name, 500, &own.clone(), other, |key| equal(&own, key))
}

/// The same procedure on code that does leak: the double-and-add of `blstrs`, which multiplies for ones only;
/// one product more in about two hundred, when a bit is set; and a comparison that stops at the
/// first difference.
#[test]
fn leaks_are_found() {
    let _alone = MACHINE.lock();
    let e = Gt::generator() * Scalar::random(OsRng);
    assert!(scalar_differs("control: double and add", |s| e * s));
    let slightly = |s: &Scalar| {
        let product = Bls12381::gt_times(s);
        if s.to_bytes_be()[31] & 7 == 1 { (0..4).fold(product, |product, _| product + e) } else { product }
    };
    assert!(differs("control: a few products", 1, &Scalar::ONE, || Scalar::random(OsRng), slightly));
    let early = |one: &SharedKey, other: &SharedKey| {
        one.as_bytes().iter().zip(other.as_bytes()).all(|(a, b)| black_box(a) == black_box(b))
    };
    assert!(shared_keys_differ("control: early exit", early));
}
