//! Prints what encapsulation and decapsulation cost, in milliseconds (median of several runs, one
//! thread): `cargo run --release -p twinseal-abe --example figures`.

use std::time::Instant;
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    Attribute, Authority, Ciphertext, Error, Policy, UserId, decapsulate, decapsulate_checked, encapsulate,
};

const RUNS: usize = 9;

fn main() -> Result<(), Error> {
    let authorities =
        [Authority::setup("x".parse()?, &mut OsRng), Authority::setup("y".parse()?, &mut OsRng)];
    let publics = authorities.each_ref().map(Authority::public_key);
    let user: UserId = "alice".parse()?;
    let header = b"figures";

    println!("two authorities; ms; `all` is n attributes joined by `and`, `half` is n/2 of n");
    println!("   n policy  issue n  encapsulate  parse  decapsulate  checked   bytes");
    for n in [5, 10, 20] {
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
        let (issue_ms, keys) = median_ms(issue)?;
        let all = names.join(" and ");
        let half = format!("{} of ({})", n / 2, names.join(", "));
        for (label, text) in [("all", all), ("half", half)] {
            let policy: Policy = text.parse()?;
            let (encapsulate_ms, (ciphertext, key)) =
                median_ms(|| encapsulate(&policy, publics, header, &mut OsRng))?;
            let bytes = ciphertext.to_bytes();
            let (parse_ms, _) = median_ms(|| Ciphertext::from_bytes(&bytes))?;
            let (open_ms, opened) = median_ms(|| decapsulate(&ciphertext, header, &user, &keys))?;
            let (checked_ms, _) =
                median_ms(|| decapsulate_checked(&ciphertext, header, &user, &keys, publics))?;
            assert_eq!(opened, key);
            println!(
                "{n:4} {label:<6} {issue_ms:8.2} {encapsulate_ms:12.2} {parse_ms:6.2} {open_ms:12.2} \
                 {checked_ms:8.2} {:7}",
                bytes.len()
            );
        }
    }
    Ok(())
}

/// The median time of `RUNS` runs, and the last result.
fn median_ms<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<(f64, T), Error> {
    let mut times_ms = Vec::new();
    loop {
        let start = Instant::now();
        let result = work()?;
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        if times_ms.len() == RUNS {
            times_ms.sort_by(f64::total_cmp);
            return Ok((times_ms[RUNS / 2], result));
        }
    }
}
