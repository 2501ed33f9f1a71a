//! What the engine's tests share: published vectors and a small seeded generator.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod bench;

use std::path::Path;

use twinseal_hdl::flow::tool::skipped;
use twinseal_hdl::golden::sha256::EXAMPLES;

/// Message and digest of [`EXAMPLES`].
pub fn fips_180() -> [(Vec<u8>, Vec<u8>); 3] {
    EXAMPLES.map(|(message, digest)| (message.into(), hex(digest)))
}

/// Message and digest of every case in the CAVP short-message file; where it is absent, a word on that and those of
/// [`fips_180`].
pub fn cavp() -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vec_sha256/SHA256ShortMsg.rsp");
    let Ok(text) = std::fs::read_to_string(&path) else {
        skipped(format!("no CAVP vectors at {}, only the examples of FIPS 180-4", path.display()));
        return fips_180().into();
    };
    let mut cases = Vec::new();
    let (mut len_bytes, mut message) = (0, Vec::new());
    for line in text.lines() {
        match line.split_once(" = ") {
            Some(("Len", bits)) => len_bytes = bits.trim().parse::<usize>().unwrap() / 8,
            Some(("Msg", text)) => {
                // Length 0 is written as an empty string or as a single zero byte.
                message = hex(text.trim());
                message.truncate(len_bytes);
            }
            Some(("MD", text)) => cases.push((core::mem::take(&mut message), hex(text.trim()))),
            _ => {}
        }
    }
    assert_eq!(cases.len(), 65);
    cases
}

/// Key, message and MAC of the seven test cases of RFC 4231; the fifth is truncated.
pub fn rfc_4231() -> [(Vec<u8>, Vec<u8>, Vec<u8>); 7] {
    [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ),
        (
            vec![0xaa; 20],
            vec![0xdd; 50],
            hex("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        ),
        (
            (1..=25).collect(),
            vec![0xcd; 50],
            hex("82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        ),
        (vec![0x0c; 20], b"Test With Truncation".to_vec(), hex("a3b6167473100ee06e0c796c2955552b")),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        ),
        (
            vec![0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm."
                .to_vec(),
            hex("9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        ),
    ]
}

/// A case of Wycheproof's HMAC vectors.
pub struct Mac {
    pub key: Vec<u8>,
    pub message: Vec<u8>,
    /// The MAC, perhaps truncated, perhaps not of this key and message.
    pub tag: Vec<u8>,
    /// It is.
    pub valid: bool,
}

/// Wycheproof's HMAC-SHA-256 vectors; where they are absent, a word on that and those of [`rfc_4231`].
pub fn wycheproof_hmac() -> Vec<Mac> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vec_wycheproof/hmac_sha256_test.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        skipped(format!("no Wycheproof vectors at {}, only those of RFC 4231", path.display()));
        return rfc_4231().map(|(key, message, tag)| Mac { key, message, tag, valid: true }).into();
    };
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let groups = file["testGroups"].as_array().unwrap();
    let tests = groups.iter().flat_map(|group| group["tests"].as_array().unwrap());
    let field = |test: &serde_json::Value, name: &str| hex(test[name].as_str().unwrap());
    let cases: Vec<Mac> = tests
        .map(|test| Mac {
            key: field(test, "key"),
            message: field(test, "msg"),
            tag: field(test, "tag"),
            valid: test["result"] == "valid",
        })
        .collect();
    assert_eq!(file["numberOfTests"].as_u64().unwrap(), cases.len() as u64);
    cases
}

/// Bytes of a hexadecimal string.
pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same sequence on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub fn bytes_up_to(&mut self, longest: usize) -> Vec<u8> {
        let len = self.below(longest + 1);
        self.bytes(len)
    }
}
