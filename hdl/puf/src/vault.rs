//! The key vault, as the gateware computes it: enrolment, reconstruction, derivation, attestation, refusal.
//!
//! # Keys
//! The root is SHA-256 of a domain and the 512 enrolled response bits: a vetted conditioner (SP 800-90B section 3.1.5.1.1)
//! of an input with at least 128 bits of min-entropy left after the helper data. It stays in registers and keys nothing
//! but HMAC-SHA-256 (FIPS 198-1), with one domain byte for each use:
//!
//! | use | message |
//! |---|---|
//! | tag of helper data | 0x01, version, syndrome |
//! | `derive` | 0x02, label |
//! | `attest` | 0x03, build id (4 bytes, little-endian), challenge |
//!
//! # Refusal
//! Helper data of another chip, of another version, with any bit changed, or read under conditions that leave too many
//! errors: one answer, after the same work, and one more on the failure counter. The counter is cleared by nothing but
//! power-up; each failure doubles the wait before the answer, and after [`MAX_FAILURES`] nothing is reconstructed any
//! more. The iCE40 has no memory of its own that survives power-up, so whoever can cut the power can go on, at the pace
//! of configuration and reading.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::polar::{self, SYNDROME_BYTES};
use crate::reading::Differences;

/// First byte of helper data; changes with the code, the order of pairs or the derivation of the root.
pub const HELPER_VERSION: u8 = 1;
/// Bytes of the tag: HMAC-SHA-256, the first half (FIPS 198-1 section 5).
pub const TAG_BYTES: usize = 16;
/// Bytes of encoded helper data: version, syndrome, tag.
pub const HELPER_BYTES: usize = 1 + SYNDROME_BYTES + TAG_BYTES;
/// Longest label of a derived key.
pub const MAX_LABEL_BYTES: usize = 128;
/// Bytes of a challenge.
pub const CHALLENGE_BYTES: usize = 32;
/// Refusals after which the vault stays closed until power-up.
pub const MAX_FAILURES: u8 = 8;
/// Clocks of 12 MHz before the first refusal is answered: 21.8 ms. Doubles with each.
pub const BACKOFF_CLOCKS_AT_12_MHZ: u32 = 1 << 18;

const ROOT_DOMAIN: &[u8; 16] = b"twinseal/root/v1";
const DOMAIN_TAG: u8 = 1;
const DOMAIN_DERIVE: u8 = 2;
const DOMAIN_ATTEST: u8 = 3;

/// A key or a MAC.
pub type Key = Zeroizing<[u8; 32]>;

/// Why the vault does not do what it is asked. Says nothing about the response or the helper data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The helper data are refused, or the vault is closed after too many refusals.
    Refused,
    /// No root: enrol or open first.
    Closed,
    /// The label is longer than [`MAX_LABEL_BYTES`].
    Length,
}

/// What the host stores: public, and of use to the one board that made it. One encoding for one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Helper {
    version: u8,
    syndrome: [u8; SYNDROME_BYTES],
    tag: [u8; TAG_BYTES],
}

impl Helper {
    /// Version, syndrome, tag.
    pub fn encode(&self) -> [u8; HELPER_BYTES] {
        let mut out = [0; HELPER_BYTES];
        out[0] = self.version;
        out[1..=SYNDROME_BYTES].copy_from_slice(&self.syndrome);
        out[1 + SYNDROME_BYTES..].copy_from_slice(&self.tag);
        out
    }

    /// Any bytes of the right number are helper data of some chip and version; the vault tells whether of this one.
    pub fn decode(bytes: &[u8; HELPER_BYTES]) -> Self {
        let (mut syndrome, mut tag) = ([0; SYNDROME_BYTES], [0; TAG_BYTES]);
        syndrome.copy_from_slice(&bytes[1..=SYNDROME_BYTES]);
        tag.copy_from_slice(&bytes[1 + SYNDROME_BYTES..]);
        Self { version: bytes[0], syndrome, tag }
    }
}

/// The model of the vault from power-up.
pub struct Vault {
    build_id: u32,
    root: Option<Key>,
    failures: u8,
}

impl core::fmt::Debug for Vault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Vault")
            .field("build_id", &self.build_id)
            .field("open", &self.root.is_some())
            .field("failures", &self.failures)
            .finish()
    }
}

impl Vault {
    /// A vault after power-up, in gateware that calls itself `build_id`.
    pub fn new(build_id: u32) -> Self {
        Self { build_id, root: None, failures: 0 }
    }

    /// Makes a root and the helper data to find it again. `reading` is the sum of
    /// [`crate::reading::ENROLMENT_SAMPLES`] samples that passed the health tests.
    pub fn enrol(&mut self, reading: &Differences) -> Result<Helper, Refusal> {
        if self.failures >= MAX_FAILURES {
            return Err(Refusal::Refused);
        }
        let response = Zeroizing::new(reading.soft().bits());
        let syndrome = polar::syndrome(&response);
        let root = root(&response);
        let tag = tag(&root, HELPER_VERSION, &syndrome);
        self.root = Some(root);
        Ok(Helper { version: HELPER_VERSION, syndrome, tag })
    }

    /// Finds the root again. `reading` is the sum of [`crate::reading::RECONSTRUCTION_SAMPLES`] samples that passed the
    /// health tests. A refusal closes the vault if it was open.
    pub fn open(&mut self, helper: &Helper, reading: &Differences) -> Result<(), Refusal> {
        self.root = None;
        if self.failures >= MAX_FAILURES {
            return Err(Refusal::Refused);
        }
        let response = Zeroizing::new(polar::decode(&reading.soft(), &helper.syndrome));
        let root = root(&response);
        let expected = tag(&root, helper.version, &helper.syndrome);
        let good = expected.ct_eq(&helper.tag) & helper.version.ct_eq(&HELPER_VERSION);
        if bool::from(good) {
            self.root = Some(root);
            Ok(())
        } else {
            self.failures += 1;
            Err(Refusal::Refused)
        }
    }

    /// Forgets the root.
    pub fn close(&mut self) {
        self.root = None;
    }

    /// The key for a label of up to [`MAX_LABEL_BYTES`].
    pub fn derive(&self, label: &[u8]) -> Result<Key, Refusal> {
        if label.len() > MAX_LABEL_BYTES {
            return Err(Refusal::Length);
        }
        Ok(mac(self.root.as_ref().ok_or(Refusal::Closed)?, DOMAIN_DERIVE, &[label]))
    }

    /// Proves that this root answers, in gateware of this build.
    pub fn attest(&self, challenge: &[u8; CHALLENGE_BYTES]) -> Result<Key, Refusal> {
        let root = self.root.as_ref().ok_or(Refusal::Closed)?;
        Ok(mac(root, DOMAIN_ATTEST, &[&self.build_id.to_le_bytes(), challenge]))
    }

    /// Whether there is a root.
    pub fn is_open(&self) -> bool {
        self.root.is_some()
    }

    /// Refusals since power-up.
    pub fn failures(&self) -> u8 {
        self.failures
    }

    /// Clocks the answer to the last refusal is held back on a board with `clock_hz`.
    pub fn backoff_clocks(&self, clock_hz: u32) -> u64 {
        match self.failures {
            0 => 0,
            n => (u64::from(BACKOFF_CLOCKS_AT_12_MHZ) << (n - 1)) * u64::from(clock_hz) / 12_000_000,
        }
    }
}

fn root(response: &[bool; crate::RESPONSE_BITS]) -> Key {
    let packed = Zeroizing::new(polar::pack(response));
    Zeroizing::new(Sha256::new().chain_update(ROOT_DOMAIN).chain_update(*packed).finalize().into())
}

fn tag(root: &Key, version: u8, syndrome: &[u8; SYNDROME_BYTES]) -> [u8; TAG_BYTES] {
    let full = mac(root, DOMAIN_TAG, &[&[version], syndrome]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&full[..TAG_BYTES]);
    tag
}

/// HMAC-SHA-256 under the root of the domain byte and the parts.
fn mac(root: &Key, domain: u8, parts: &[&[u8]]) -> Key {
    let mut block = [0; 64];
    block[..32].copy_from_slice(root.as_slice());
    let mut mac = Hmac::<Sha256>::new(&block.into()).chain_update([domain]);
    block.zeroize();
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}
