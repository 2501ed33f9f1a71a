//! The estimators of SP 800-90B over a file with a bit in the lowest place of every byte, as NIST's own tool takes it:
//! `cargo run --release --locked -p twinseal-puf --example estimate -- truerand_1bit.bin`
#![allow(clippy::unwrap_used)]

use twinseal_puf::evaluate::sp800_90b;

fn main() {
    for path in std::env::args().skip(1) {
        let bits: Vec<bool> = std::fs::read(&path).unwrap().iter().map(|byte| byte & 1 == 1).collect();
        println!("{path}: {} bits", bits.len());
        match sp800_90b::estimate(&bits) {
            None => println!("  fewer than {}", sp800_90b::MIN_BITS),
            Some(estimates) => {
                estimates.all().iter().for_each(|(name, estimate)| println!("  {name:<12} {estimate:.12}"));
            }
        }
    }
}
