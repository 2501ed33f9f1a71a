//! The hasher in rust-hdl's simulation against the golden models.

mod engine_common;

use engine_common::bench::Bench;
use engine_common::{Random, cavp};
use twinseal_hdl::engine::command::*;
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;

#[test]
fn messages_agree_with_cavp() {
    let Some(vectors) = cavp() else { return };
    let mut bench = Bench::<24>::new();
    for (message, digest) in vectors {
        assert_eq!(bench.hash(&message)[..], digest, "{} bytes", message.len());
    }
}

#[test]
fn messages_of_every_length_around_the_block_boundaries() {
    let mut random = Random::new(2);
    let mut bench = Bench::<24>::new();
    for len in (0..=130).chain([183, 184, 191, 192, 193, 1000]) {
        let message = random.bytes(len);
        assert_eq!(bench.hash(&message), sha256(&message), "{len} bytes");
    }
}
