//! HMAC-SHA-256 written from FIPS 198-1, for comparison with the gateware.

use super::sha256::{BLOCK_BYTES, DIGEST_BYTES, Sha256, sha256};

/// The MAC of `message` under `key` (section 4); a key longer than a block is hashed first.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut padded = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        padded[..DIGEST_BYTES].copy_from_slice(&sha256(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new();
    inner.update(&padded.map(|byte| byte ^ 0x36));
    inner.update(message);
    let mut outer = Sha256::new();
    outer.update(&padded.map(|byte| byte ^ 0x5C));
    outer.update(&inner.finish());
    outer.finish()
}
