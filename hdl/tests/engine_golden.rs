//! The golden models against published vectors: NIST CAVP for SHA-256, the transparency-dev suite for
//! RFC 6962 tree heads.

mod engine_common;

use engine_common::{Mac, Random, cavp, fips_180, hex, rfc_4231, wycheproof_hmac};
use twinseal_hdl::golden::hmac::hmac;
use twinseal_hdl::golden::merkle::{Merkle, Refusal, leaf_hash, node_hash, tree_head};
use twinseal_hdl::golden::sha256::{Sha256, sha256};

#[test]
fn sha256_agrees_with_the_examples_of_fips_180() {
    for (message, digest) in fips_180() {
        assert_eq!(sha256(&message)[..], digest);
    }
    let mut million = Sha256::new();
    for _ in 0..1_000 {
        million.update(&[b'a'; 1_000]);
    }
    assert_eq!(million.finish()[..], hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

#[test]
fn sha256_agrees_with_cavp() {
    for (message, digest) in cavp() {
        assert_eq!(sha256(&message)[..], digest, "{} bytes", message.len());
    }
}

#[test]
fn hmac_agrees_with_rfc_4231() {
    for (key, message, mac) in rfc_4231() {
        assert_eq!(hmac(&key, &message)[..mac.len()], mac);
    }
}

#[test]
fn hmac_agrees_with_wycheproof() {
    for Mac { key, message, tag, valid } in wycheproof_hmac() {
        assert_eq!(hmac(&key, &message)[..tag.len()] == tag[..], valid);
    }
}

/// Leaves and roots of <https://github.com/transparency-dev/merkle> `testonly`, the reference tree that
/// Certificate Transparency implementations share.
#[test]
fn tree_heads_agree_with_certificate_transparency() {
    let leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
            .map(hex);
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (n, root) in roots.into_iter().enumerate() {
        assert_eq!(tree_head(&leaves[..n])[..], hex(root), "{n} leaves");
    }
}

#[test]
fn the_streaming_stack_agrees_with_the_recursive_definition() {
    let mut random = Random::new(1);
    let mut merkle = Merkle::new(24);
    for count in 0..=70 {
        let leaves: Vec<Vec<u8>> = (0..count).map(|_| random.bytes_up_to(100)).collect();
        merkle.tree_begin();
        for leaf in &leaves {
            merkle.leaf_begin().unwrap();
            let (start, end) = leaf.split_at(leaf.len() / 3);
            merkle.data(start).unwrap();
            merkle.data(end).unwrap();
            merkle.leaf_end().unwrap();
        }
        assert_eq!(merkle.tree_end(), Ok(tree_head(&leaves)), "{count} leaves");
    }
}

#[test]
fn the_streaming_stack_refuses_what_makes_no_sense() {
    let mut merkle = Merkle::new(1);
    assert_eq!(merkle.leaf_begin(), Err(Refusal::State));
    assert_eq!(merkle.leaf_end(), Err(Refusal::State));
    assert_eq!(merkle.data(b"x"), Err(Refusal::State));
    assert_eq!(merkle.tree_end(), Err(Refusal::State));
    merkle.tree_begin();
    assert_eq!(merkle.leaf_end(), Err(Refusal::State));
    assert_eq!(merkle.data(b"x"), Err(Refusal::State));
    merkle.leaf_begin().unwrap();
    assert_eq!(merkle.leaf_begin(), Err(Refusal::State));
    assert_eq!(merkle.tree_end(), Err(Refusal::State));
    merkle.leaf_end().unwrap();
    assert_eq!(merkle.leaf_begin(), Err(Refusal::Full));
    assert_eq!(merkle.tree_end(), Ok(leaf_hash(b"")));
    assert_eq!(merkle.tree_end(), Err(Refusal::State));
    assert_ne!(node_hash(&[1; 32], &[2; 32]), node_hash(&[2; 32], &[1; 32]));
}
