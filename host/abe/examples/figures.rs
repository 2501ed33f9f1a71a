//! Prints what the operations cost, in milliseconds of one thread's CPU time (fastest of many runs):
//! `cargo run --release -p twinseal-abe --example figures`.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use twinseal_abe::outsource::{Transformed, tkgen, transform};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    Attribute, Authority, Ciphertext, Error, Policy, UserId, decapsulate, decapsulate_checked, encapsulate,
};

const RUNS: usize = 60;

fn main() -> Result<(), Error> {
    let authorities =
        [Authority::setup("x".parse()?, &mut OsRng), Authority::setup("y".parse()?, &mut OsRng)];
    let publics = authorities.each_ref().map(Authority::public_key);
    let user: UserId = "alice".parse()?;
    let header = b"figures";

    println!("two authorities; ms; `all` is n attributes joined by `and`, `half` is n/2 of n");
    println!("   n policy  issue n  encapsulate  parse  decapsulate  checked  transform  finish   bytes");
    for n in [5, 10, 20, 30] {
        let names: Vec<String> = (0..n).map(|i| format!("a{i}@{}", ["x", "y"][i % 2])).collect();
        let attributes: Vec<Attribute> = names.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
        let issue = || {
            let mut keys = Vec::new();
            for authority in &authorities {
                let own = attributes.iter().filter(|a| a.authority() == authority.public_key().authority());
                keys.extend(authority.issue(&user, own, &mut OsRng)?);
            }
            Ok::<_, Error>(keys)
        };
        let (issue_ms, keys) = fastest_ms(issue)?;
        let (tk, rk) = tkgen(&user, &keys, &mut OsRng)?;
        let all = names.join(" and ");
        let half = format!("{} of ({})", n / 2, names.join(", "));
        for (label, text) in [("all", all), ("half", half)] {
            let policy: Policy = text.parse()?;
            let (encapsulate_ms, (ciphertext, key)) =
                fastest_ms(|| encapsulate(&policy, publics, header, &mut OsRng))?;
            let bytes = ciphertext.to_bytes();
            let (parse_ms, _) = fastest_ms(|| Ciphertext::from_bytes(&bytes))?;
            let (open_ms, opened) = fastest_ms(|| decapsulate(&ciphertext, header, &user, &keys))?;
            let (checked_ms, _) =
                fastest_ms(|| decapsulate_checked(&ciphertext, header, &user, &keys, publics))?;
            let (transform_ms, transformed) = fastest_ms(|| transform(&ciphertext, &tk))?;
            let transformed = transformed.to_bytes();
            // What a reader does with the bytes of the ciphertext and those a helper sent.
            let finish = || rk.finish_encoded(&bytes, header, &Transformed::from_bytes(&transformed)?);
            let (finish_ms, finished) = fastest_ms(finish)?;
            assert!(opened == key && finished == key);
            println!(
                "{n:4} {label:<6} {issue_ms:8.2} {encapsulate_ms:12.2} {parse_ms:6.2} {open_ms:12.2} \
                 {checked_ms:8.2} {transform_ms:10.2} {finish_ms:7.2} {:7}",
                bytes.len()
            );
        }
    }
    Ok(())
}

/// The fastest of `RUNS` runs (other load on the machine only ever adds), and the last result.
fn fastest_ms<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<(f64, T), Error> {
    let mut fastest = Duration::MAX;
    let mut run = 0;
    loop {
        run += 1;
        let start = thread_time();
        let result = work()?;
        fastest = fastest.min(thread_time() - start);
        if run == RUNS {
            return Ok((fastest.as_secs_f64() * 1e3, result));
        }
    }
}

/// CPU time this thread has used.
fn thread_time() -> Duration {
    match clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID) {
        Ok(time) => time.into(),
        Err(error) => panic!("no clock for the CPU time of a thread: {error}"),
    }
}
