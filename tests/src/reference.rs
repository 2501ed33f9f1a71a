//! What is right: SHA-256 by the `sha2` crate, everything above it from its standard, the plain way.

use sha2::{Digest, Sha256};

/// SHA-256 (FIPS 180-4).
pub fn sha256(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// The Merkle tree hash of RFC 6962 section 2.1, by its recursive definition.
pub fn tree_head<L: AsRef<[u8]>>(leaves: &[L]) -> [u8; 32] {
    match leaves {
        [] => sha256(b""),
        [leaf] => sha256(&[b"\x00", leaf.as_ref()].concat()),
        _ => {
            // The largest power of two smaller than the number of leaves.
            let mut split = 1;
            while 2 * split < leaves.len() {
                split *= 2;
            }
            let (left, right) = leaves.split_at(split);
            sha256(&[b"\x01", &tree_head(left)[..], &tree_head(right)].concat())
        }
    }
}

/// HMAC-SHA-256 (FIPS 198-1) with a key no longer than a block.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).unwrap_or(&0) ^ with).collect() };
    let inner = sha256(&[&pad(0x36), message].concat());
    sha256(&[&pad(0x5c), &inner[..]].concat())
}

/// The key of `label` under `root`, as docs/decisions/0005-puf-and-vault.md has it.
pub fn derived(root: &[u8], label: &[u8]) -> [u8; 32] {
    hmac_sha256(root, &[&[2], label].concat())
}

/// The attestation of `challenge` under `root` by gateware that is `build_id`.
pub fn attested(root: &[u8], build_id: u32, challenge: &[u8]) -> [u8; 32] {
    hmac_sha256(root, &[&[3], &build_id.to_le_bytes()[..], challenge].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 test case 2.
    #[test]
    fn hmac_of_the_rfc() {
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(mac[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }

    /// The tree of eight entries in the tests of Google's certificate-transparency library.
    #[test]
    fn tree_heads_of_the_reference_implementation() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let starts = |n: usize| tree_head(&leaves[..n])[..4].to_vec();
        assert_eq!(starts(1), [0x6e, 0x34, 0x0b, 0x9c]);
        assert_eq!(starts(2), [0xfa, 0xc5, 0x42, 0x03]);
        assert_eq!(starts(3), [0xae, 0xb6, 0xbc, 0xfe]);
        assert_eq!(starts(8), [0x5d, 0xc9, 0xda, 0x79]);
    }
}
