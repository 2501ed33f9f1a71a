//! The hasher in rust-hdl's simulation against the golden models.

mod engine_common;

use engine_common::bench::Bench;
use engine_common::{Mac, Random, cavp, rfc_4231, wycheproof_hmac};
use twinseal_hdl::engine::command::*;
use twinseal_hdl::engine::{CLOCKS_AFTER, CLOCKS_PER_BLOCK, MAX_STACK_DEPTH};
use twinseal_hdl::golden::hmac::hmac;
use twinseal_hdl::golden::merkle::{Merkle, Refusal, tree_head};
use twinseal_hdl::golden::sha256::sha256;

/// Clocks of a node, from the end of the leaf before it.
const NODE_CLOCKS: u64 = 207;

/// Clocks of a scrub, from its first command to `ready`.
const SCRUB_CLOCKS: u64 = 462;

#[test]
fn messages_agree_with_cavp() {
    let mut bench = Bench::<24>::new();
    for (message, digest) in cavp() {
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

#[test]
fn trees_of_random_leaves() {
    let mut random = Random::new(3);
    let mut bench = Bench::<24>::new();
    for count in 0..=20 {
        let leaves: Vec<Vec<u8>> = (0..count).map(|_| random.bytes_up_to(130)).collect();
        assert_eq!(bench.tree(&leaves), tree_head(&leaves), "{count} leaves");
    }
}

#[test]
fn trees_with_the_shallowest_and_the_deepest_stack() {
    fn trees<const D: usize>(most: usize) {
        let mut random = Random::new(9);
        let mut bench = Bench::<D>::new();
        for count in 0..=most {
            let leaves: Vec<Vec<u8>> = (0..count).map(|_| random.bytes_up_to(20)).collect();
            assert_eq!(bench.tree(&leaves), tree_head(&leaves), "depth {D}, {count} leaves");
        }
    }
    trees::<2>(3);
    trees::<{ MAX_STACK_DEPTH }>(9);
}

/// Neither the answers nor the clocks depend on where block RAM has its register.
#[test]
fn late_reads_change_nothing() {
    let mut random = Random::new(12);
    let mut benches = [Bench::<24>::new(), Bench::with_late_reads()];
    for count in 0..6 {
        let leaves: Vec<Vec<u8>> = (0..count).map(|_| random.bytes_up_to(200)).collect();
        let (key, message) = (random.bytes_up_to(64), random.bytes_up_to(400));
        for bench in &mut benches {
            assert_eq!(bench.tree(&leaves), tree_head(&leaves), "{count} leaves");
            assert_eq!(bench.hash(&message), sha256(&message));
            assert_eq!(bench.mac(&key, &message), hmac(&key, &message));
        }
        assert_eq!(benches[0].clocks, benches[1].clocks);
    }
}

#[test]
fn a_tree_of_many_leaves() {
    let leaves: Vec<Vec<u8>> = (0..150).map(|i| vec![i; 2]).collect();
    assert_eq!(Bench::<24>::new().tree(&leaves), tree_head(&leaves));
}

#[test]
fn a_message_of_a_thousand_blocks() {
    let message = Random::new(10).bytes(65_536 + 7);
    assert_eq!(Bench::<24>::new().hash(&message), sha256(&message));
}

#[test]
fn a_block_takes_as_long_as_documented() {
    let mut bench = Bench::<24>::new();
    bench.accept(HASH_BEGIN);
    bench.wait_ready();
    // A byte a clock, without a pause: the blocks are compressed as fast as they come.
    let start = bench.clocks;
    bench.accept_data(&[0; 64 * 20]);
    assert_eq!(bench.clocks - start, 20 * CLOCKS_PER_BLOCK);
    // The last one and the padding, which misses its turn by a clock.
    bench.accept(HASH_END);
    bench.wait_ready();
    let end = 2 * CLOCKS_PER_BLOCK + 2 * CLOCKS_AFTER + CLOCKS_PER_BLOCK;
    let took = bench.clocks - start - 20 * CLOCKS_PER_BLOCK;
    assert!((end - 64..end).contains(&took), "{took} clocks for the last block and the padding");
}

/// The blocks of a node follow one another, and nothing of the second is written but a byte.
#[test]
fn a_node_takes_as_long_as_documented() {
    let mut bench = Bench::<24>::new();
    bench.accept(TREE_BEGIN);
    let leaf_clocks = [0, 1].map(|i| {
        let start = bench.clocks;
        bench.leaf(&[i; 20]);
        bench.wait_ready();
        bench.clocks - start
    });
    assert_eq!(leaf_clocks[1] - leaf_clocks[0], NODE_CLOCKS);
}

/// What it leaves is looked for beside the source (`hasher.rs`), where memories can be seen.
#[test]
fn a_scrub_takes_as_long_as_documented() {
    for late_reads in [false, true] {
        let mut bench = if late_reads { Bench::<24>::with_late_reads() } else { Bench::new() };
        bench.mac(b"key", b"message");
        let start = bench.clocks;
        bench.accept(KEY_BEGIN);
        bench.accept(KEY_END);
        bench.accept_data(&[0; 56]);
        bench.accept(HASH_END);
        bench.wait_ready();
        assert_eq!(bench.clocks - start, SCRUB_CLOCKS);
        assert_eq!(bench.digest(), hmac(&[], &[0; 56]));
    }
}

/// What a key costs on top of the message, with the key's bytes, in clocks.
#[test]
fn a_mac_costs_less_than_four_blocks_more_than_a_digest() {
    for len in [0, 20, 55, 64, 119, 200, 1000] {
        let mut bench = Bench::<24>::new();
        let message = vec![7; len];
        let start = bench.clocks;
        bench.hash(&message);
        let digest = bench.clocks - start;
        let start = bench.clocks;
        bench.mac(&[1; 32], &message);
        let mac = bench.clocks - start;
        println!("{len} bytes: {digest} clocks, with a key {mac}");
        assert!(mac - digest <= 4 * CLOCKS_PER_BLOCK, "{len} bytes: {digest} clocks, with a key {mac}");
    }
}

#[test]
fn macs_agree_with_rfc_4231() {
    let mut bench = Bench::<24>::new();
    for (key, message, mac) in rfc_4231() {
        let got = bench.mac(&key, &message);
        assert_eq!(got[..mac.len()], mac);
    }
}

#[test]
fn macs_agree_with_wycheproof() {
    let mut bench = Bench::<24>::new();
    for Mac { key, message, tag, valid } in wycheproof_hmac() {
        let got = bench.mac(&key, &message);
        assert_eq!(got[..tag.len()] == tag[..], valid, "{} bytes, key of {}", message.len(), key.len());
    }
}

#[test]
fn macs_with_keys_of_every_length() {
    let mut random = Random::new(11);
    let mut bench = Bench::<24>::new();
    for len in 0..=64 {
        let (key, message) = (random.bytes(len), random.bytes_up_to(150));
        assert_eq!(bench.mac(&key, &message), hmac(&key, &message), "key of {len} bytes");
    }
    bench.accept(KEY_BEGIN);
    bench.accept_data(&[0; 64]);
    assert_eq!(bench.data(0), (true, false), "a key of 65 bytes");
    bench.accept(KEY_END);
    bench.accept_data(b"abc");
    bench.accept(HASH_END);
    assert_eq!(bench.digest(), hmac(&[0; 64], b"abc"));
}

#[test]
fn gaps_between_bytes_change_nothing() {
    let mut random = Random::new(4);
    let mut bench = Bench::<24>::new();
    bench.gaps = Some(Random::new(5));
    for count in [1, 3, 6] {
        let leaves: Vec<Vec<u8>> = (0..count).map(|_| random.bytes_up_to(200)).collect();
        assert_eq!(bench.tree(&leaves), tree_head(&leaves), "{count} leaves");
        let message = random.bytes_up_to(300);
        assert_eq!(bench.hash(&message), sha256(&message));
    }
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    const REFUSED: (bool, bool) = (true, false);
    let mut bench = Bench::<24>::new();
    let nothing_open = |bench: &mut Bench<24>| {
        for command in [HASH_END, LEAF_BEGIN, LEAF_END, TREE_END, KEY_END] {
            assert_eq!(bench.command(command), REFUSED, "command {command}");
        }
        assert_eq!(bench.data(0), REFUSED);
    };
    nothing_open(&mut bench);

    bench.accept(HASH_BEGIN);
    bench.accept_data(b"a");
    for command in [LEAF_BEGIN, LEAF_END, TREE_END, KEY_END] {
        assert_eq!(bench.command(command), REFUSED, "command {command}");
    }
    bench.accept_data(b"bc");
    bench.accept(HASH_END);
    assert_eq!(bench.digest(), sha256(b"abc"));
    nothing_open(&mut bench);
    assert_eq!(bench.digest(), sha256(b"abc"));

    bench.accept(TREE_BEGIN);
    bench.leaf(b"first");
    for command in [HASH_END, LEAF_END, KEY_END] {
        assert_eq!(bench.command(command), REFUSED, "command {command}");
    }
    assert_eq!(bench.data(0), REFUSED);
    bench.accept(LEAF_BEGIN);
    bench.accept_data(b"sec");
    for command in [HASH_END, LEAF_BEGIN, TREE_END, KEY_END] {
        assert_eq!(bench.command(command), REFUSED, "command {command}");
    }
    bench.accept_data(b"ond");
    bench.accept(LEAF_END);
    bench.accept(TREE_END);
    assert_eq!(bench.digest(), tree_head(["first", "second"]));
    nothing_open(&mut bench);
    assert_eq!(bench.digest(), tree_head(["first", "second"]));
}

#[test]
fn a_begin_forgets_whatever_was_open() {
    let mut bench = Bench::<24>::new();
    let open_message: fn(&mut Bench<24>) = |bench| {
        bench.accept(HASH_BEGIN);
        bench.accept_data(&[7; 100]);
    };
    let open_leaf: fn(&mut Bench<24>) = |bench| {
        bench.accept(TREE_BEGIN);
        bench.leaf(b"kept for a while");
        bench.leaf(b"merged");
        bench.leaf(b"more");
        bench.accept(LEAF_BEGIN);
        bench.accept_data(&[7; 77]);
    };
    let open_tree: fn(&mut Bench<24>) = |bench| {
        bench.accept(TREE_BEGIN);
        bench.leaf(b"only");
    };
    let open_key: fn(&mut Bench<24>) = |bench| {
        bench.accept(KEY_BEGIN);
        bench.accept_data(&[7; 64]);
    };
    let open_keyed_message: fn(&mut Bench<24>) = |bench| {
        bench.accept(KEY_BEGIN);
        bench.accept_data(&[7; 30]);
        bench.accept(KEY_END);
        bench.accept_data(&[8; 100]);
    };
    for open in [open_message, open_leaf, open_tree, open_key, open_keyed_message] {
        open(&mut bench);
        assert_eq!(bench.hash(b"abc"), sha256(b"abc"));
        open(&mut bench);
        let leaves: Vec<Vec<u8>> = (0..5).map(|i| vec![i; 3]).collect();
        assert_eq!(bench.tree(&leaves), tree_head(&leaves));
        open(&mut bench);
        assert_eq!(bench.mac(b"key", b"abc"), hmac(b"key", b"abc"));
    }
    bench.accept(KEY_BEGIN);
    bench.accept_data(b"forgotten");
    assert_eq!(bench.hash(b"abc"), sha256(b"abc"));
    assert_eq!(bench.command(KEY_END), (true, false));
    bench.accept(HASH_BEGIN);
    bench.accept(TREE_BEGIN);
    assert_eq!(bench.command(HASH_END), (true, false));
    bench.accept(HASH_BEGIN);
    assert_eq!(bench.command(TREE_END), (true, false));
}

#[test]
fn a_full_tree_refuses_the_next_leaf_and_still_has_its_head() {
    let mut bench = Bench::<3>::new();
    let leaves: Vec<Vec<u8>> = (0..7).map(|i| vec![i; 10]).collect();
    for _ in 0..2 {
        bench.accept(TREE_BEGIN);
        for leaf in &leaves {
            bench.leaf(leaf);
        }
        assert_eq!(bench.command(LEAF_BEGIN), (false, true));
        assert_eq!(bench.data(1), (true, false));
        assert_eq!(bench.command(LEAF_BEGIN), (false, true));
        bench.accept(TREE_END);
        assert_eq!(bench.digest(), tree_head(&leaves));
    }
    for count in 0..=7 {
        assert_eq!(bench.tree(&leaves[..count]), tree_head(&leaves[..count]), "{count} leaves");
    }
}

/// What is open in the hasher besides a tree.
enum Open {
    Nothing,
    Key(Vec<u8>),
    /// Under a key, perhaps.
    Message(Option<Vec<u8>>, Vec<u8>),
}

impl Open {
    fn message_of(&mut self) -> Result<(), Refusal> {
        let Self::Key(key) = self else { return Err(Refusal::State) };
        *self = Self::Message(Some(std::mem::take(key)), vec![]);
        Ok(())
    }

    /// `None` if a byte is not for this.
    fn data(&mut self, byte: u8) -> Option<Result<(), Refusal>> {
        match self {
            Self::Nothing => return None,
            Self::Key(key) if key.len() == 64 => return Some(Err(Refusal::State)),
            Self::Key(bytes) | Self::Message(_, bytes) => bytes.push(byte),
        }
        Some(Ok(()))
    }

    fn end(&mut self) -> Result<[u8; 32], Refusal> {
        let Self::Message(key, message) = self else { return Err(Refusal::State) };
        let digest = key.as_ref().map_or_else(|| sha256(message), |key| hmac(key, message));
        *self = Self::Nothing;
        Ok(digest)
    }
}

/// Whatever comes, the hasher answers as the golden models do, that of the tree of the same depth.
#[test]
fn a_random_walk_answers_as_the_golden_model() {
    let mut random = Random::new(6);
    let mut bench = Bench::<3>::new();
    let mut tree = Merkle::new(3);
    let mut open = Open::Nothing;
    let answer = |result: Result<(), Refusal>| match result {
        Ok(()) => (false, false),
        Err(Refusal::State) => (true, false),
        Err(Refusal::Full) => (false, true),
    };
    let (mut results, mut macs, mut fulls) = (0, 0, 0);
    for step in 0..8000 {
        let mut result = None;
        // Leaves are opened and closed often enough, and trees ended seldom enough, to fill some.
        let (expected, got) = match random.below(300) {
            0 => {
                open = Open::Message(None, vec![]);
                tree = Merkle::new(3);
                ((false, false), bench.command(HASH_BEGIN))
            }
            1..=9 => {
                macs += u32::from(matches!(open, Open::Message(Some(_), _)));
                let outcome = open.end();
                result = outcome.ok();
                (answer(outcome.map(|_| ())), bench.command(HASH_END))
            }
            10..=13 => {
                open = Open::Nothing;
                tree.tree_begin();
                ((false, false), bench.command(TREE_BEGIN))
            }
            14..=120 => {
                let outcome = tree.leaf_begin();
                fulls += u32::from(outcome == Err(Refusal::Full));
                (answer(outcome), bench.command(LEAF_BEGIN))
            }
            121..=200 => (answer(tree.leaf_end()), bench.command(LEAF_END)),
            201..=202 => {
                let outcome = tree.tree_end();
                result = outcome.ok();
                (answer(outcome.map(|_| ())), bench.command(TREE_END))
            }
            203..=209 => (answer(open.message_of()), bench.command(KEY_END)),
            210..=213 => {
                open = Open::Key(vec![]);
                tree = Merkle::new(3);
                ((false, false), bench.command(KEY_BEGIN))
            }
            _ => {
                let byte = random.next() as u8;
                let outcome = open.data(byte).unwrap_or_else(|| tree.data(&[byte]));
                (answer(outcome), bench.data(byte))
            }
        };
        assert_eq!(got, expected, "step {step}");
        if let Some(digest) = result {
            assert_eq!(bench.digest(), digest, "step {step}");
            results += 1;
        }
    }
    assert!(
        results > 20 && macs > 10 && fulls > 20,
        "{results} results, {macs} of them MACs, and {fulls} full trees: the walk shows too little"
    );
}
