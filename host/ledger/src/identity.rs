//! Who signs: ML-DSA-65 key pairs (FIPS 204) through AWS-LC, from a 32-byte seed so that a key can grow from a board.
//!
//! The FIPS 204 context string is empty, because the library offers no other; so every message that is signed begins with
//! its own domain, `"twinseal/v1/..." ‖ 0x00`. The ledger signs under [`TRANSACTION_DOMAIN`] and [`BLOCK_DOMAIN`].

use aws_lc_rs::signature::{KeyPair, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::Error;
pub use crate::digest::AccountId;

/// Bytes of an ML-DSA-65 public key (FIPS 204, table 2).
pub const PUBLIC_KEY_BYTES: usize = 1952;
/// Bytes of an ML-DSA-65 signature (FIPS 204, table 2).
pub const SIGNATURE_BYTES: usize = 3309;
/// What a signed transaction body begins with.
pub const TRANSACTION_DOMAIN: &str = "twinseal/v1/transaction";
/// What a signed block header begins with.
pub const BLOCK_DOMAIN: &str = "twinseal/v1/block";

/// A private ML-DSA-65 key, held by AWS-LC, which wipes it when dropped.
pub struct SigningKey {
    pair: PqdsaKeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key pair that FIPS 204 (ML-DSA.KeyGen_internal) derives from `seed`.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, seed).map_err(|_| Error::Crypto)?;
        let public = PublicKey::from_bytes(pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The account of this key.
    pub fn account(&self) -> AccountId {
        self.public.account()
    }

    /// Signs `message`, which must begin with its domain (see the module). Randomised: signing twice gives two signatures.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        let mut bytes = vec![0; SIGNATURE_BYTES];
        let length = self.pair.sign(message, &mut bytes).map_err(|_| Error::Crypto)?;
        Signature::from_bytes(bytes.get(..length).ok_or(Error::Crypto)?)
    }

    pub(crate) fn sign_in(&self, domain: &str, message: &[u8]) -> Result<Signature, Error> {
        self.sign(&in_domain(domain, message))
    }
}

impl core::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SigningKey").field("account", &self.account()).finish_non_exhaustive()
    }
}

/// An ML-DSA-65 public key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct PublicKey(Box<[u8]>);

impl PublicKey {
    /// From the FIPS 204 encoding, [`PUBLIC_KEY_BYTES`] long.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != PUBLIC_KEY_BYTES {
            return Err(Error::BadKeyLength { bytes: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// The FIPS 204 encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The account of this key.
    pub fn account(&self) -> AccountId {
        AccountId::from(crate::digest::hash("twinseal/v1/account", &[&self.0]))
    }

    /// Checks `signature` over `message`, which must begin with its domain (see the module).
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        UnparsedPublicKey::new(&ML_DSA_65, &self.0)
            .verify(message, &signature.0)
            .map_err(|_| Error::BadSignature)
    }

    pub(crate) fn verify_in(&self, domain: &str, message: &[u8], signature: &Signature) -> Result<(), Error> {
        self.verify(&in_domain(domain, message), signature)
    }
}

impl TryFrom<Vec<u8>> for PublicKey {
    type Error = Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::from_bytes(&bytes)
    }
}

impl From<PublicKey> for Vec<u8> {
    fn from(key: PublicKey) -> Self {
        key.0.into_vec()
    }
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PublicKey(of {})", self.account())
    }
}

/// An ML-DSA-65 signature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Signature(Box<[u8]>);

impl Signature {
    /// From the FIPS 204 encoding, [`SIGNATURE_BYTES`] long.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != SIGNATURE_BYTES {
            return Err(Error::BadSignature);
        }
        Ok(Self(bytes.into()))
    }

    /// The FIPS 204 encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl TryFrom<Vec<u8>> for Signature {
    type Error = Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::from_bytes(&bytes)
    }
}

impl From<Signature> for Vec<u8> {
    fn from(signature: Signature) -> Self {
        signature.0.into_vec()
    }
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signature({}..)", hex::encode(self.0.get(..8).unwrap_or_default()))
    }
}

fn in_domain(domain: &str, message: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], message].concat()
}
