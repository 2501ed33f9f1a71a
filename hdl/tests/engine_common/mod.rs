//! What the engine's tests share: published vectors and a small seeded generator.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod bench;

use std::path::Path;

/// Message and digest of every case in the CAVP short-message file; `None`, and a word on why, where it is absent.
pub fn cavp() -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vec_sha256/SHA256ShortMsg.rsp");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no CAVP vectors at {}", path.display());
        return None;
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
    Some(cases)
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
