//! Sealed bytes: AES-256-GCM with a key commitment. GCM alone lets one ciphertext open under two keys; here every
//! sealing derives its key, nonce and a commitment from the section key with HKDF-SHA-256 (RFC 5869), and opening
//! compares the commitment before anything is decrypted.
//!
//! ```text
//! PRK              = HKDF-Extract(salt, key)                        salt: 32 fresh random bytes
//! aes ‖ iv ‖ com   = HKDF-Expand(PRK, "twinseal/v1/seal" ‖ SHA-256(aad), 32 + 12 + 32)
//! sealed           = 0x01 ‖ salt ‖ com ‖ AES-256-GCM(aes, iv, aad, plaintext)
//! ```
//!
//! The salt makes every key and nonce fresh, so sealing a correction under the same section key is safe. The
//! commitment binds key and associated data because HKDF-Expand is collision resistant in both.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hkdf};
use twinseal_driver::EntropySlot;
use zeroize::Zeroizing;

use crate::Error;

/// A 256-bit key for one section of one record, or for one wrapped key.
#[derive(Clone)]
pub struct SectionKey(Zeroizing<[u8; 32]>);

impl SectionKey {
    /// Takes the key bytes over.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// From a slice that must be exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| Error::Unsealed)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The raw key, for wrapping.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for SectionKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SectionKey(..)")
    }
}

const VERSION: u8 = 1;
const SALT_BYTES: usize = 32;
const COMMITMENT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// What sealing adds to a plaintext.
pub const OVERHEAD_BYTES: usize = 1 + SALT_BYTES + COMMITMENT_BYTES + TAG_BYTES;

/// Seals `plaintext` under `key`, bound to `aad`.
pub fn seal(
    key: &SectionKey,
    aad: &[u8],
    plaintext: &[u8],
    entropy: &dyn EntropySlot,
) -> Result<Vec<u8>, Error> {
    let mut salt = [0u8; SALT_BYTES];
    entropy.fill(&mut salt)?;
    let (aes, nonce, commitment) = schedule(key, &salt, aad)?;
    let mut body = plaintext.to_vec();
    aes.seal_in_place_append_tag(nonce, Aad::from(aad), &mut body).map_err(|_| Error::Unsealed)?;
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(&commitment);
    sealed.extend_from_slice(&body);
    Ok(sealed)
}

/// Opens what [`seal`] made. Any other key, `aad` or a changed byte gives [`Error::Unsealed`], without saying which.
pub fn open(key: &SectionKey, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (&version, rest) = sealed.split_first().ok_or(Error::Unsealed)?;
    let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>().ok_or(Error::Unsealed)?;
    let (commitment, body) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or(Error::Unsealed)?;
    if version != VERSION {
        return Err(Error::Unsealed);
    }
    let (aes, nonce, expected) = schedule(key, salt, aad)?;
    constant_time::verify_slices_are_equal(commitment, &expected).map_err(|_| Error::Unsealed)?;
    let mut body = Zeroizing::new(body.to_vec());
    let len = aes.open_in_place(nonce, Aad::from(aad), &mut body).map_err(|_| Error::Unsealed)?.len();
    body.truncate(len);
    Ok(body)
}

struct OutputBytes(usize);

impl hkdf::KeyType for OutputBytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn schedule(key: &SectionKey, salt: &[u8], aad: &[u8]) -> Result<(LessSafeKey, Nonce, [u8; 32]), Error> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key.as_bytes());
    let aad_hash = digest::digest(&digest::SHA256, aad);
    let mut okm = Zeroizing::new([0u8; 76]);
    prk.expand(&[b"twinseal/v1/seal", aad_hash.as_ref()], OutputBytes(okm.len()))
        .and_then(|okm_source| okm_source.fill(okm.as_mut_slice()))
        .map_err(|_| Error::Unsealed)?;
    let (aes, rest) = okm.split_at(32);
    let (iv, com) = rest.split_at(12);
    let aes = UnboundKey::new(&AES_256_GCM, aes).map_err(|_| Error::Unsealed)?;
    let nonce = Nonce::try_assume_unique_for_key(iv).map_err(|_| Error::Unsealed)?;
    let mut commitment = [0u8; COMMITMENT_BYTES];
    commitment.copy_from_slice(com);
    Ok((LessSafeKey::new(aes), nonce, commitment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinseal_driver::Provider;

    fn key(byte: u8) -> SectionKey {
        SectionKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn opens_only_unchanged_with_the_same_key_and_aad() {
        let entropy = Provider::software().entropy;
        let sealed = seal(&key(1), b"aad", b"glucose", &*entropy).unwrap();
        assert_eq!(sealed.len(), b"glucose".len() + OVERHEAD_BYTES);
        assert_eq!(open(&key(1), b"aad", &sealed).unwrap().as_slice(), b"glucose");
        assert!(open(&key(2), b"aad", &sealed).is_err());
        assert!(open(&key(1), b"aae", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 0x40;
            assert!(open(&key(1), b"aad", &bad).is_err(), "byte {i}");
            assert!(open(&key(1), b"aad", &sealed[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn sealing_twice_gives_unrelated_bytes() {
        let entropy = Provider::software().entropy;
        let a = seal(&key(1), b"", b"x", &*entropy).unwrap();
        let b = seal(&key(1), b"", b"x", &*entropy).unwrap();
        assert_ne!(a[1..33], b[1..33]);
        assert_ne!(a[65..], b[65..]);
    }

    /// GCM by itself opens under two keys if the tag is forged for both; the commitment is what refuses the second.
    #[test]
    fn the_commitment_is_checked_on_its_own() {
        let entropy = Provider::software().entropy;
        let sealed = seal(&key(1), b"", b"x", &*entropy).unwrap();
        let mut forged = sealed.clone();
        forged[33] ^= 1; // first commitment byte; the GCM part still verifies under the right key
        assert!(open(&key(1), b"", &forged).is_err());
    }
}
