//! What the rest of Twinseal computes with: a plain struct of slots, each filled by a board or by its software twin.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::Error;
use crate::software::{NoRoot, RootDerive, Software};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// SHA-256 (FIPS 180-4).
pub trait HashSlot: Send + Sync {
    /// The digest of `message`.
    fn hash(&self, message: &[u8]) -> Result<Digest, Error>;

    /// The digest of everything `reader` yields. Streams: the message is never held as a whole.
    fn hash_reader(&self, reader: &mut dyn Read) -> Result<Digest, Error>;

    /// Who computes: `software`, or the board with its build id.
    fn engine(&self) -> &str;
}

/// Merkle tree heads (RFC 6962 section 2.1).
pub trait MerkleSlot: Send + Sync {
    /// The tree head over `leaves`; of none, the hash of the empty string.
    fn merkle_root(&self, leaves: &[&[u8]]) -> Result<Digest, Error>;

    /// Who computes.
    fn engine(&self) -> &str;
}

/// Keys grown from one root secret that never leaves the slot.
pub trait DeriveSlot: Send + Sync {
    /// HMAC-SHA-256 under the root (FIPS 198-1) of the byte 2 and `label`, which has up to 128 bytes.
    fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error>;

    /// Who computes.
    fn engine(&self) -> &str;
}

/// Unpredictable bytes.
pub trait EntropySlot: Send + Sync {
    /// Fills `out`. On an error nothing in it may be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), Error>;

    /// Who computes.
    fn engine(&self) -> &str;
}

/// Bytes of an element of the target group: the twelve coefficients of its w-polynomial, lowest first, each an element
/// of the quadratic extension with its real part first, big-endian (`blst_bendian_from_fp12`).
pub const GT_BYTES: usize = 576;
/// Most pairs of one [`TransformJob`].
pub const MAX_PAIRS: usize = 2048;
/// Most factors of one [`TransformJob`].
pub const MAX_FACTORS: usize = 1024;

/// The heavy part of an outsourced decryption. Points of BLS12-381 are uncompressed affine, big-endian, as the Zcash
/// serialization has them: 96 bytes in G1, 192 in G2; an identity contributes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransformJob {
    /// To be paired, at most [`MAX_PAIRS`].
    pub pairs: Vec<([u8; 96], [u8; 192])>,
    /// To be multiplied, at most [`MAX_FACTORS`], each [`GT_BYTES`].
    pub factors: Vec<[u8; GT_BYTES]>,
}

/// The result of a [`TransformJob`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformOutput {
    /// The product of all pairings.
    pub t: [u8; GT_BYTES],
    /// The product of all factors.
    pub q: [u8; GT_BYTES],
}

/// Products of BLS12-381 pairings, for outsourced decryption. Public data in, public data out.
pub trait TransformSlot: Send + Sync {
    /// Multiplies out `job`; [`Error::TransformInput`] or [`Error::TransformTooLarge`] if it is not what it should be.
    fn transform(&self, job: &TransformJob) -> Result<TransformOutput, Error>;

    /// Who computes.
    fn engine(&self) -> &str;
}

/// One engine for each task. Take the software provider and replace what a board has:
///
/// ```no_run
/// # use std::sync::Arc;
/// # use twinseal_driver::{Board, Error, Options, Provider, link};
/// # fn main() -> Result<(), Error> {
/// let link = link::Serial::open("/dev/ttyUSB1", 3_000_000)?;
/// let board = Arc::new(Board::open(Box::new(link), Options::default())?);
/// let provider = Provider { hash: board, ..Provider::software() };
/// let digest = provider.hash.hash(b"abc")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Provider {
    /// SHA-256.
    pub hash: Arc<dyn HashSlot>,
    /// Merkle tree heads.
    pub merkle: Arc<dyn MerkleSlot>,
    /// Products of pairings.
    pub transform: Arc<dyn TransformSlot>,
    /// Keys from the root secret.
    pub derive: Arc<dyn DeriveSlot>,
    /// Randomness.
    pub entropy: Arc<dyn EntropySlot>,
}

impl Provider {
    /// Every slot in software. There is no root secret, so `derive` answers [`Error::NoRoot`].
    pub fn software() -> Self {
        let software = Arc::new(Software);
        Self {
            hash: software.clone(),
            merkle: software.clone(),
            transform: software.clone(),
            derive: Arc::new(NoRoot),
            entropy: software,
        }
    }

    /// Every slot in software, keys derived from `root`.
    pub fn software_with_root(root: Zeroizing<[u8; 32]>) -> Self {
        Self { derive: Arc::new(RootDerive::new(root)), ..Self::software() }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("hash", &self.hash.engine())
            .field("merkle", &self.merkle.engine())
            .field("transform", &self.transform.engine())
            .field("derive", &self.derive.engine())
            .field("entropy", &self.entropy.engine())
            .finish()
    }
}
