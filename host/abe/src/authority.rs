//! Attribute authorities and the keys they issue.
//!
//! An authority that replaces its secret starts a new *generation*: same name, other [`KeyId`]. Keys and
//! ciphertexts name the generation they belong to, so after a rotation an old key is told apart from a
//! wrong one.

use crate::codec::{GT_BYTES, Kind, Reader, Writer};
use crate::curve::{Curve, FixedBase};
use crate::groups::{Bls12381, Secret, hash_attribute, hash_user, normalised, random_scalar};
use crate::scheme::{Key, Public};
use crate::{Attribute, AuthorityId, Error, UserId};
use blstrs::{G2Projective, Gt, Scalar};
use group::Group;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// Which generation of an authority's key: the first 16 bytes of a SHA-256 over the public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; KeyId::BYTES]);

impl KeyId {
    pub(crate) const BYTES: usize = 16;

    /// The identifier as bytes.
    pub fn as_bytes(&self) -> &[u8; KeyId::BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What an authority publishes.
///
/// Whoever encrypts must know it to be genuine: a forged one opens every row of that authority.
#[derive(Clone)]
pub struct PublicKey {
    pub(crate) authority: AuthorityId,
    pub(crate) id: KeyId,
    /// A = e(g1,g2)^alpha
    pub(crate) a: Gt,
    /// Y = g2^y
    pub(crate) y: G2Projective,
    /// Made when first needed, and shared between clones.
    prepared: OnceLock<Arc<Public<Bls12381>>>,
}

impl PublicKey {
    /// The public key with the given A and Y.
    pub(crate) fn new(authority: AuthorityId, a: Gt, y: G2Projective) -> Self {
        let id = KeyId([0; KeyId::BYTES]);
        let mut key = Self { authority, id, a, y: normalised(y), prepared: OnceLock::new() };
        let hash = Sha256::new().chain_update(b"TWINSEAL-V02-ABE-KEY-ID").chain_update(key.to_bytes());
        key.id.0.copy_from_slice(&hash.finalize()[..KeyId::BYTES]);
        key
    }

    /// Whose key this is.
    pub fn authority(&self) -> &AuthorityId {
        &self.authority
    }

    /// Which generation this is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A and Y, ready for many multiplications.
    pub(crate) fn prepared(&self) -> &Public<Bls12381> {
        self.prepared
            .get_or_init(|| Arc::new(Public { a: FixedBase::new(&self.a), y: FixedBase::new(&self.y) }))
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::PublicKey, 4 + 64 + GT_BYTES + 96);
        writer.text(self.authority.as_str());
        writer.gt(&self.a);
        writer.g2(&self.y);
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or [`Error::Name`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::PublicKey, bytes)?;
        let (authority, a, y) = (reader.parsed()?, reader.gt()?, reader.g2()?);
        reader.finish()?;
        Ok(Self::new(authority, a, y))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.authority, self.a, self.y) == (&other.authority, other.a, other.y)
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("authority", &self.authority).field("id", &self.id).finish()
    }
}

/// An attribute authority with its secret key.
#[derive(Debug, Clone)]
pub struct Authority {
    alpha: Secret<Scalar>,
    y: Secret<Scalar>,
    public_key: PublicKey,
}

impl Authority {
    /// A new authority. Authorities need no contact with each other.
    pub fn setup(id: AuthorityId, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self::from_secrets(id, random_scalar(rng), random_scalar(rng))
    }

    /// The authority with the given secrets.
    pub(crate) fn from_secrets(authority: AuthorityId, alpha: Secret<Scalar>, y: Secret<Scalar>) -> Self {
        let public_key = PublicKey::new(authority, Bls12381::gt_times(&alpha), Bls12381::g2_times(&y));
        Self { alpha, y, public_key }
    }

    /// The part to publish.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Keys of `user` for `attributes`. The caller has established that the user has them.
    ///
    /// Fails with [`Error::ForeignAttribute`] if one belongs to another authority.
    pub fn issue<'a>(
        &self,
        user: &UserId,
        attributes: impl IntoIterator<Item = &'a Attribute>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<AttributeKey>, Error> {
        let base = Secret::new(Key::<Bls12381>::of_user(&self.alpha, &self.y, &hash_user(user)));
        let issue_one = |attribute: &Attribute| {
            if attribute.authority() != &self.public_key.authority {
                return Err(Error::ForeignAttribute {
                    attribute: attribute.clone(),
                    authority: self.public_key.authority.clone(),
                });
            }
            let key = base.for_attribute(&hash_attribute(attribute), &random_scalar(rng));
            Ok(AttributeKey::new(user.clone(), attribute.clone(), self.public_key.id, key))
        };
        attributes.into_iter().map(issue_one).collect()
    }

    /// The canonical encoding of the secret key.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(Kind::Authority, 4 + 64 + 2 * 32);
        writer.text(self.public_key.authority.as_str());
        writer.scalar(&self.alpha);
        writer.scalar(&self.y);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`] and recomputes the public key. Fails with [`Error::Encoding`] or
    /// [`Error::Name`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Authority, bytes)?;
        let id = reader.parsed()?;
        let (alpha, y) = (Secret::new(reader.scalar()?), Secret::new(reader.scalar()?));
        reader.finish()?;
        Ok(Self::from_secrets(id, alpha, y))
    }
}

/// One user's key for one attribute: the paper's K_uid,u and L_uid,u. Secret.
#[derive(Debug, Clone)]
pub struct AttributeKey {
    pub(crate) user: UserId,
    pub(crate) attribute: Attribute,
    /// The generation of the authority that issued it.
    pub(crate) key_id: KeyId,
    pub(crate) key: Secret<Key<Bls12381>>,
}

impl AttributeKey {
    pub(crate) fn new(user: UserId, attribute: Attribute, key_id: KeyId, key: Key<Bls12381>) -> Self {
        let key = Secret::new(Key { k: normalised(key.k), l: normalised(key.l) });
        Self { user, attribute, key_id, key }
    }

    /// Whose key this is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What it is for.
    pub fn attribute(&self) -> &Attribute {
        &self.attribute
    }

    /// The generation of the authority that issued it: the [`PublicKey::id`] of its public key.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Whether `authority` made this key: e(K, g2) = A · e(H(uid), Y) · e(F(u), L).
    ///
    /// Fails with [`Error::KeyInvalid`]. Worth doing once, on receipt.
    pub fn verify(&self, authority: &PublicKey) -> Result<(), Error> {
        let quotient = Bls12381::pairing_product(&[
            (self.key.k, G2Projective::generator()),
            (-hash_user(&self.user), authority.y),
            (-hash_attribute(&self.attribute), self.key.l),
        ]);
        let named = self.attribute.authority() == &authority.authority && self.key_id == authority.id;
        if named && quotient == authority.a {
            Ok(())
        } else {
            Err(Error::KeyInvalid { attribute: self.attribute.clone() })
        }
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(Kind::AttributeKey, 6 + 128 + 192 + KeyId::BYTES + 48 + 96);
        writer.text(self.user.as_str());
        writer.text(&self.attribute.to_string());
        writer.array(&self.key_id.0);
        writer.key(&self.key);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`], [`Error::Name`] or [`Error::UserId`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::AttributeKey, bytes)?;
        let key = Self {
            user: reader.parsed()?,
            attribute: reader.parsed()?,
            key_id: KeyId(reader.array()?),
            key: Secret::new(reader.key()?),
        };
        reader.finish()?;
        Ok(key)
    }
}
