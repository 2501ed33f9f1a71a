//! Replays the corpus of the fuzz targets (`fuzz/corpus`) with a stable compiler.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// With `TWINSEAL_FUZZ_SEEDS=write` the seeds are written anew; needed when an encoding changes.
#[test]
fn every_target_holds_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let write = std::env::var("TWINSEAL_FUZZ_SEEDS").is_ok_and(|value| value == "write");
    for (target, seeds) in targets::seeds() {
        let folder = corpus.join(target);
        for (i, seed) in seeds.iter().enumerate() {
            let path = folder.join(format!("seed-{i}"));
            if write {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, seed).unwrap();
            }
            let current = fs::read(&path).is_ok_and(|stored| &stored == seed);
            assert!(current, "{}: run this with TWINSEAL_FUZZ_SEEDS=write", path.display());
        }
        for file in fs::read_dir(folder).unwrap() {
            assert!(targets::run(target, &fs::read(file.unwrap().path()).unwrap()));
        }
    }
    // Every target of cargo-fuzz is one of these.
    let fuzz_targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let files = fs::read_dir(fuzz_targets).unwrap().count();
    assert_eq!(files, targets::seeds().len());
}

/// The assertions of the targets are worth something: bytes next to the seeds are tried, every bit of those
/// that are sampled. Numbers of uncompressed points begin 4 behind multiples of 48, and with them their flags.
#[test]
fn every_target_holds_near_its_seeds() {
    for (target, seeds) in targets::seeds() {
        for seed in seeds {
            for position in (0..seed.len()).filter(|p| *p < 40 || p % 37 == 0 || p % 48 == 4) {
                for bit in 0..8 {
                    let mut altered = seed.clone();
                    altered[position] ^= 1 << bit;
                    assert!(targets::run(target, &altered));
                }
                assert!(targets::run(target, &seed[..position]));
            }
            assert!(targets::run(target, &[&seed[..], &[0]].concat()));
        }
    }
}
