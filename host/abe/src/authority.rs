//! Attribute authorities and the keys they issue.
//!
//! An authority holds alpha and y and publishes A = e(g1,g2)^alpha and Y = g2^y. For user uid and
//! attribute u it draws r and issues
//!
//! ```text
//! K = g1^alpha · H(uid)^y · F(u)^r        L = g2^r
//! ```

use crate::codec::{GT_BYTES, Kind, Reader, Writer};
use crate::groups::{
    PowerTable, Secret, hash_attribute, hash_user, pairing_product, product_of_powers, random_scalar,
};
use crate::{Attribute, AuthorityId, Error, UserId};
use blstrs::{G1Affine, G2Affine, Gt, Scalar};
use group::Group;
use group::prime::PrimeCurveAffine;
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// What an authority publishes.
///
/// Whoever encrypts must know it to be genuine: a forged one opens every row of that authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) authority: AuthorityId,
    /// A = e(g1,g2)^alpha
    pub(crate) blinding: Gt,
    /// Y = g2^y
    pub(crate) binding: G2Affine,
}

impl PublicKey {
    /// Whose key this is.
    pub fn authority(&self) -> &AuthorityId {
        &self.authority
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::PublicKey, 4 + 64 + GT_BYTES + 96);
        writer.text(self.authority.as_str());
        writer.gt(&self.blinding);
        writer.g2(&self.binding);
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or [`Error::Name`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::PublicKey, bytes)?;
        let key = Self { authority: reader.parsed()?, blinding: reader.gt()?, binding: reader.g2()? };
        reader.finish()?;
        Ok(key)
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

    fn from_secrets(authority: AuthorityId, alpha: Secret<Scalar>, y: Secret<Scalar>) -> Self {
        let blinding = product_of_powers([(&PowerTable::new(&Gt::generator()), &*alpha)]);
        let binding = (G2Affine::generator() * *y).into();
        Self { alpha, y, public_key: PublicKey { authority, blinding, binding } }
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
        let base: Secret<G1Affine> =
            Secret::new((G1Affine::generator() * *self.alpha + hash_user(user) * *self.y).into());
        let issue_one = |attribute: &Attribute| {
            if attribute.authority() != &self.public_key.authority {
                return Err(Error::ForeignAttribute {
                    attribute: attribute.clone(),
                    authority: self.public_key.authority.clone(),
                });
            }
            let r = random_scalar(rng);
            Ok(AttributeKey {
                user: user.clone(),
                attribute: attribute.clone(),
                k: Secret::new((hash_attribute(attribute) * *r + *base).into()),
                l: Secret::new((G2Affine::generator() * *r).into()),
            })
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
    pub(crate) k: Secret<G1Affine>,
    pub(crate) l: Secret<G2Affine>,
}

impl AttributeKey {
    /// Whose key this is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What it is for.
    pub fn attribute(&self) -> &Attribute {
        &self.attribute
    }

    /// Whether `authority` made this key: e(K, g2) = A · e(H(uid), Y) · e(F(u), L).
    ///
    /// Fails with [`Error::KeyInvalid`]. Worth doing once, on receipt.
    pub fn verify(&self, authority: &PublicKey) -> Result<(), Error> {
        let quotient = pairing_product(&[
            (*self.k, G2Affine::generator()),
            (-hash_user(&self.user), authority.binding),
            (-hash_attribute(&self.attribute), *self.l),
        ]);
        if self.attribute.authority() == &authority.authority && quotient == authority.blinding {
            Ok(())
        } else {
            Err(Error::KeyInvalid { attribute: self.attribute.clone() })
        }
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(Kind::AttributeKey, 6 + 128 + 129 + 48 + 96);
        writer.text(self.user.as_str());
        writer.text(&self.attribute.to_string());
        writer.g1(&self.k);
        writer.g2(&self.l);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`], [`Error::Name`] or [`Error::UserId`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::AttributeKey, bytes)?;
        let key = Self {
            user: reader.parsed()?,
            attribute: reader.parsed()?,
            k: Secret::new(reader.g1()?),
            l: Secret::new(reader.g2()?),
        };
        reader.finish()?;
        Ok(key)
    }
}
