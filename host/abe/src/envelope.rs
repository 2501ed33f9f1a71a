//! Files under a policy: a small header, which says who may read, and a body of any length.
//!
//! ```text
//! body    x.tsl   [`crate::stream`], under a body key of its own
//! header  x.tsh   "TSLH" ‖ version ‖ binding ‖ sealed secret (48 bytes) ‖ ciphertext
//!
//! binding       = SHA-256(associated data) ‖ log2 of the chunk size ‖ commitment of the body
//! ciphertext    = encapsulation of a shared key under the policy, with the binding as its header
//! sealed secret = AES-256-GCM(HKDF(shared key, "wrap"), nonce 0, secret of the body key)
//! ```
//!
//! They are two files because they live differently: the body never changes and may be stored under its
//! hash; the header is replaced ([`Header::rewrap`]) whenever the policy, the epoch or an authority's key
//! does, without a byte of the body being read. A header in front of the body would have to fit the
//! space once reserved for it, one behind it would have to be cut off first.
//!
//! Nothing in a header can be exchanged: the encapsulation commits to policy, rows and binding, the
//! binding to associated data, chunk size and body key, and the body's head repeats the commitment. The
//! sealed secret is no commitment by itself (it is AES-GCM), but [`Header::open`] accepts only a secret
//! that gives the commitment in the binding. The shared key is fresh with every encapsulation, so one
//! nonce serves.
//!
//! What `rewrap` does not do: whoever could open an earlier header may have kept the body key, or that
//! header, and still reads the body. Only a new body under a new key shuts them out of what is stored
//! from then on ([`open`] into [`seal`]), and nothing takes back what they have read. A store that
//! answers with an old header is not noticed here; keep the hash of the current one where it cannot
//! lie (the ledger).

use crate::kem::{Ciphertext, SharedKey, decapsulate, encapsulate};
use crate::stream::{BodyKey, ChunkSize, HEAD_BYTES, Opener, Sealer, TAG_BYTES};
use crate::{AttributeKey, Error, Policy, PublicKey, UserId};
use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Read, Write};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of [`Header::binding`].
pub const BINDING_BYTES: usize = 32 + 1 + 32;

const MAGIC: &[u8; 4] = b"TSLH";
const VERSION: u8 = 1;
const SECRET_BYTES: usize = 32;
const SEALED_SECRET_BYTES: usize = SECRET_BYTES + TAG_BYTES;

/// Who may read a body, and for them the body key. Public; store it beside the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    binding: [u8; BINDING_BYTES],
    sealed_secret: [u8; SEALED_SECRET_BYTES],
    ciphertext: Ciphertext,
}

/// Seals all that `reader` gives into `writer`, for the readers `policy` permits, bound to `aad`.
///
/// `aad` is not stored (only its hash is); readers must know it: say, the record's name. Fails as
/// [`crate::encapsulate`] does, or with [`Error::Io`] or [`Error::BodyTooLong`].
pub fn seal<'a>(
    policy: &Policy,
    public_keys: impl IntoIterator<Item = &'a PublicKey>,
    aad: &[u8],
    chunk: ChunkSize,
    reader: &mut impl Read,
    writer: impl Write,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Header, Error> {
    let (mut sealer, key) = Sealer::new(writer, aad, chunk, rng)?;
    let header = Header::new(&key, policy, public_keys, rng)?;
    copy(reader, &mut sealer, chunk)?;
    sealer.finish()?;
    Ok(header)
}

/// Opens the whole of a body into `writer`; gives the bytes written.
///
/// Fails as [`Header::open`] and [`Opener`] do. After an error, discard what was written.
pub fn open<'k>(
    header: &Header,
    aad: &[u8],
    user: &UserId,
    keys: impl IntoIterator<Item = &'k AttributeKey>,
    body: impl Read,
    writer: &mut impl Write,
) -> Result<u64, Error> {
    let key = header.open(aad, user, keys)?;
    let count = copy(&mut Opener::new(body, &key)?, writer, key.chunk())?;
    writer.flush()?;
    Ok(count)
}

impl Header {
    /// A header that gives `key` to the readers `policy` permits. For whoever drives a
    /// [`Sealer`] alone; [`seal`] does it already. Fails as [`crate::encapsulate`] does.
    pub fn new<'a>(
        key: &BodyKey,
        policy: &Policy,
        public_keys: impl IntoIterator<Item = &'a PublicKey>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, Error> {
        let binding = binding(key);
        let (ciphertext, shared_key) = encapsulate(policy, public_keys, &binding, rng)?;
        Self::wrap(key, ciphertext, &shared_key)
    }

    /// A header from an encapsulation made elsewhere (outsourced, or precomputed) for the [`binding`] of
    /// `key`. Fails with [`Error::Commitment`] if it was made for another one, or if `shared_key` is not
    /// its key.
    pub fn wrap(key: &BodyKey, ciphertext: Ciphertext, shared_key: &SharedKey) -> Result<Self, Error> {
        let binding = binding(key);
        match shared_key.belongs_to(&ciphertext, &binding) {
            true => Ok(Self { binding, sealed_secret: seal_secret(key, shared_key)?, ciphertext }),
            false => Err(Error::Commitment),
        }
    }

    /// The body key, for a permitted reader who knows `aad`.
    ///
    /// Fails with [`Error::AssociatedData`] or as [`crate::decapsulate`] does.
    pub fn open<'k>(
        &self,
        aad: &[u8],
        user: &UserId,
        keys: impl IntoIterator<Item = &'k AttributeKey>,
    ) -> Result<BodyKey, Error> {
        self.check_aad(aad)?;
        self.unwrap(aad, &decapsulate(&self.ciphertext, &self.binding, user, keys)?)
    }

    /// The body key, for whoever opened [`Self::ciphertext`] for [`Self::binding`] by other means (a
    /// transform, or [`crate::decapsulate_checked`]). Fails with [`Error::AssociatedData`] or
    /// [`Error::Commitment`].
    pub fn unwrap(&self, aad: &[u8], shared_key: &SharedKey) -> Result<BodyKey, Error> {
        self.check_aad(aad)?;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let (sealed, tag) = self.sealed_secret.split_at(SECRET_BYTES);
        secret.copy_from_slice(sealed);
        let tag: &Tag<Aes256Gcm> = tag.try_into().map_err(|_| Error::Commitment)?;
        wrapping(shared_key)
            .decrypt_inout_detached(&Nonce::<Aes256Gcm>::default(), b"", (&mut secret[..]).into(), tag)
            .map_err(|_| Error::Commitment)?;
        let (aad_hash, chunk) = self.parameters()?;
        let key = BodyKey::from_secret(secret, aad_hash, chunk);
        if binding(&key).ct_eq(&self.binding).into() { Ok(key) } else { Err(Error::Commitment) }
    }

    /// A header for the same body under another policy, or the same policy under current public keys.
    ///
    /// `key` is the owner's, kept or opened from this header. Read the module's documentation for what
    /// this does not protect against. Fails with [`Error::WrongBody`] if `key` opens another body, or
    /// as [`crate::encapsulate`] does.
    pub fn rewrap<'a>(
        &self,
        key: &BodyKey,
        policy: &Policy,
        public_keys: impl IntoIterator<Item = &'a PublicKey>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, Error> {
        if binding(key) != self.binding {
            return Err(Error::WrongBody);
        }
        Self::new(key, policy, public_keys, rng)
    }

    /// Who may read.
    pub fn policy(&self) -> &Policy {
        self.ciphertext.policy()
    }

    /// The encapsulation. Its own header is [`Self::binding`].
    pub fn ciphertext(&self) -> &Ciphertext {
        &self.ciphertext
    }

    /// What the encapsulation is bound to.
    pub fn binding(&self) -> &[u8; BINDING_BYTES] {
        &self.binding
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = [VERSION];
        [&MAGIC[..], &version, &self.binding, &self.sealed_secret, &self.ciphertext.to_bytes()].concat()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or as [`Ciphertext::from_bytes`] does.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let error = |problem| Error::Encoding { object: "envelope header", problem };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| error("no envelope header"))?;
        let (version, rest) = rest.split_first_chunk().ok_or_else(|| error("truncated"))?;
        if version != &[VERSION] {
            return Err(error("a version this software does not know"));
        }
        let (binding, rest) = rest.split_first_chunk().ok_or_else(|| error("truncated"))?;
        let (sealed_secret, rest) = rest.split_first_chunk().ok_or_else(|| error("truncated"))?;
        let ciphertext = Ciphertext::from_bytes(rest)?;
        let header = Self { binding: *binding, sealed_secret: *sealed_secret, ciphertext };
        header.parameters()?;
        Ok(header)
    }

    fn check_aad(&self, aad: &[u8]) -> Result<(), Error> {
        if self.binding.starts_with(&Sha256::digest(aad)) { Ok(()) } else { Err(Error::AssociatedData) }
    }

    /// The hash of the associated data and the chunk size.
    fn parameters(&self) -> Result<([u8; 32], ChunkSize), Error> {
        let error = Error::Encoding { object: "envelope header", problem: "chunk size" };
        let (aad_hash, rest) = self.binding.split_first_chunk().ok_or_else(|| error.clone())?;
        Ok((*aad_hash, ChunkSize::from_log2(rest[0]).ok_or(error)?))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({:?})", self.ciphertext)
    }
}

/// What an encapsulation for the body of `key` must be bound to.
pub fn binding(key: &BodyKey) -> [u8; BINDING_BYTES] {
    let mut binding = [0; BINDING_BYTES];
    binding[..32].copy_from_slice(key.aad_hash());
    binding[32] = key.chunk().log2();
    binding[33..].copy_from_slice(&key.head()[HEAD_BYTES - 32..]);
    binding
}

fn seal_secret(key: &BodyKey, shared_key: &SharedKey) -> Result<[u8; SEALED_SECRET_BYTES], Error> {
    let mut sealed_secret = Zeroizing::new([0; SEALED_SECRET_BYTES]);
    let (secret, tag) = sealed_secret.split_at_mut(SECRET_BYTES);
    secret.copy_from_slice(key.secret());
    let made = wrapping(shared_key)
        .encrypt_inout_detached(&Nonce::<Aes256Gcm>::default(), b"", secret.into())
        .map_err(|_| Error::Commitment)?;
    tag.copy_from_slice(&made);
    Ok(*sealed_secret)
}

/// The cipher that seals one body's secret under one shared key, which is bound to the binding already.
fn wrapping(shared_key: &SharedKey) -> Aes256Gcm {
    let hkdf = Hkdf::<Sha256>::new(Some(b"TWINSEAL-V01-ENVELOPE"), shared_key.as_bytes());
    let mut key = Zeroizing::new([0; 32]);
    let expanded = hkdf.expand(b"wrap", &mut *key);
    // RFC 5869 allows up to 255 hashes of output; this is one.
    assert!(expanded.is_ok());
    Aes256Gcm::new((&*key).into())
}

/// `std::io::copy` with a buffer of one chunk that is overwritten afterwards.
fn copy(reader: &mut impl Read, writer: &mut impl Write, chunk: ChunkSize) -> Result<u64, Error> {
    let mut buffer = Zeroizing::new(vec![0; chunk.bytes()]);
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                writer.write_all(&buffer[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use rand_core::OsRng;

    /// A sender who seals another secret than the one the binding commits to, so that readers who were
    /// given different headers for one body would see different things.
    #[test]
    fn a_secret_that_is_not_committed_to_is_refused() {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let user: UserId = "alice".parse().unwrap();
        let keys = authority.issue(&user, [&"a@x".parse().unwrap()], &mut OsRng).unwrap();
        let fresh = || Sealer::new(Vec::new(), b"aad", ChunkSize::default(), &mut OsRng).unwrap().1;
        let (committed, sealed) = (fresh(), fresh());
        let policy = "a@x".parse().unwrap();
        let (ciphertext, shared_key) =
            encapsulate(&policy, [authority.public_key()], &binding(&committed), &mut OsRng).unwrap();
        let honest = Header::wrap(&committed, ciphertext, &shared_key).unwrap();
        assert_eq!(honest.open(b"aad", &user, &keys), Ok(committed));
        let sealed_secret = seal_secret(&sealed, &shared_key).unwrap();
        let dishonest = Header { sealed_secret, ..honest.clone() };
        assert_eq!(dishonest.open(b"aad", &user, &keys), Err(Error::Commitment));
    }

    #[test]
    fn only_the_encapsulation_for_a_body_wraps_its_key() {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let policy = "a@x".parse().unwrap();
        let (_, key) = Sealer::new(Vec::new(), b"aad", ChunkSize::default(), &mut OsRng).unwrap();
        let make =
            |header: &[u8]| encapsulate(&policy, [authority.public_key()], header, &mut OsRng).unwrap();
        let ((ciphertext, shared), (other, other_shared)) = (make(&binding(&key)), make(&binding(&key)));
        assert!(Header::wrap(&key, ciphertext.clone(), &shared).is_ok());
        assert!(Header::wrap(&key, other, &other_shared).is_ok());
        let (for_another, its_key) = make(b"another header");
        assert_eq!(Header::wrap(&key, for_another.clone(), &its_key), Err(Error::Commitment));
        assert_eq!(Header::wrap(&key, for_another, &shared), Err(Error::Commitment));
        assert_eq!(Header::wrap(&key, ciphertext.clone(), &other_shared), Err(Error::Commitment));
        let (_, other_body) = Sealer::new(Vec::new(), b"aad", ChunkSize::default(), &mut OsRng).unwrap();
        assert_eq!(Header::wrap(&other_body, ciphertext.clone(), &shared), Err(Error::Commitment));
        // A commitment that the key did not come with.
        let mut altered = ciphertext.to_bytes();
        *altered.last_mut().unwrap() ^= 1;
        let altered = Ciphertext::from_bytes(&altered).unwrap();
        assert_eq!(Header::wrap(&key, altered, &shared), Err(Error::Commitment));
    }

    #[test]
    fn a_chunk_size_out_of_range_is_refused_at_once() {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let (_, key) = Sealer::new(Vec::new(), b"aad", ChunkSize::default(), &mut OsRng).unwrap();
        let header =
            Header::new(&key, &"a@x".parse().unwrap(), [authority.public_key()], &mut OsRng).unwrap();
        let mut bytes = header.to_bytes();
        assert_eq!(Header::from_bytes(&bytes).as_ref(), Ok(&header));
        bytes[MAGIC.len() + 1 + 32] = 31;
        assert_eq!(Header::from_bytes(&bytes).unwrap_err().code(), "TSL-ABE-013");
    }
}
