//! Outsourced decryption, after Green, Hohenberger and Waters (USENIX Security 2011).
//!
//! The reader blinds all keys once with a secret b ([`tkgen`]) and leaves the result with a helper, who
//! turns any ciphertext they open into two group elements T and Q ([`transform`]) of which the reader alone
//! makes something: R = C0 / (T^b · Q) ([`RetrievingKey::finish`]).
//!
//! The helper is not believed. `finish` recomputes z from R and accepts only if T^b · Q = e^z and the
//! commitment holds, so a result is right or refused. T and Q must also lie in the group of prime order, or
//! whether a doctored T is refused could tell b modulo some small order: no [`Transformed`] exists that does
//! not.

use super::{TransformEngine, TransformJob};
use crate::authority::{AttributeKey, KeyId};
use crate::codec::{GT_BYTES, Kind, Reader, Writer, gt_from_bytes};
use crate::curve::{Curve, Group};
use crate::groups::{Bls12381, Secret, hash_attribute, hash_user, normalised, random_scalar};
use crate::kem::{Ciphertext, Face, SharedKey};
use crate::scheme::{self, Job, Key};
use crate::{Attribute, Error, UserId};
use blstrs::{G1Projective, Gt, Scalar};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Most keys in one transform key.
pub const MAX_TRANSFORM_KEYS: usize = 4096;

/// A user's keys, blinded: enough to transform what they open, and of no use for reading it without the
/// [`RetrievingKey`].
///
/// Whoever has it learns nothing of keys or plaintexts, but which attributes and generations it is for, which
/// ciphertexts they open and when that is asked for. It does not name the user; a helper who guesses the
/// name can confirm it by a result that is accepted if and only if the guess is right. Deleting it ends
/// the helper's part.
#[derive(Clone, PartialEq)]
pub struct TransformKey {
    /// H(uid)^(1/b)
    h: G1Projective,
    keys: BTreeMap<(Attribute, KeyId), Key<Bls12381>>,
}

impl Eq for TransformKey {}

/// The secret b that finishes what was transformed under its [`TransformKey`].
#[derive(Debug, Clone)]
pub struct RetrievingKey {
    b: Secret<Scalar>,
}

/// What a helper returns: T and Q. Not secret, and not to be believed before
/// [`RetrievingKey::finish`].
#[derive(Debug, Clone, PartialEq)]
pub struct Transformed(scheme::Transformed<Bls12381>);

impl Eq for Transformed {}

/// A fresh pair of keys to outsource the decryption of what `user`'s `keys` open, which have been
/// [verified](AttributeKey::verify).
///
/// Of two keys for the same attribute and generation the later counts. Fails with
/// [`Error::KeyOfAnotherUser`], or [`Error::Encoding`] for more than [`MAX_TRANSFORM_KEYS`] keys.
pub fn tkgen<'a>(
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(TransformKey, RetrievingKey), Error> {
    let b = random_scalar(rng);
    // `random_scalar` never gives zero.
    let inverse = Secret::new(Bls12381::invert(&b).unwrap_or_default());
    let mut blinded = BTreeMap::new();
    for key in keys {
        if &key.user != user {
            return Err(Error::KeyOfAnotherUser { attribute: key.attribute.clone() });
        }
        // Its authority knows the r in L = g2^r, and the two of them g2^(1/b), unless r is made anew.
        let f = hash_attribute(&key.attribute);
        let fresh = Secret::new(key.key.for_attribute(&f, &random_scalar(rng)));
        let Key { k, l } = fresh.blind(&inverse);
        blinded.insert((key.attribute.clone(), key.key_id), Key { k: normalised(k), l: normalised(l) });
    }
    if blinded.len() > MAX_TRANSFORM_KEYS {
        return Err(Error::Encoding { object: Kind::TransformKey.name(), problem: "too many keys" });
    }
    let h = normalised(hash_user(user).times(&inverse));
    Ok((TransformKey { h, keys: blinded }, RetrievingKey { b }))
}

/// The helper's part, in software.
///
/// Fails with [`Error::PolicyNotSatisfied`] or [`Error::AuthorityRotated`] as [`crate::decapsulate`] does.
pub fn transform(ciphertext: &Ciphertext, key: &TransformKey) -> Result<Transformed, Error> {
    Ok(Transformed(key.job(ciphertext)?.transform()))
}

/// The helper's part, with its heavy half done by `engine`.
///
/// Fails as [`transform`] does, and with [`Error::Engine`] if the engine does, or returns something
/// that is not in the group.
pub fn transform_with(
    ciphertext: &Ciphertext,
    key: &TransformKey,
    engine: &(impl TransformEngine + ?Sized),
) -> Result<Transformed, Error> {
    let job = TransformJob::from(&key.job(ciphertext)?);
    let output = engine.transform(&job).map_err(|error| Error::Engine { problem: error.to_string() })?;
    match (gt_from_bytes(&output.t), gt_from_bytes(&output.q)) {
        (Some(t), Some(q)) => Ok(Transformed(scheme::Transformed { t, q })),
        _ => Err(Error::Engine { problem: "its result is not in the target group".to_owned() }),
    }
}

impl TransformKey {
    /// The attributes it opens ciphertexts with, and of which generation each is.
    pub fn attributes(&self) -> impl Iterator<Item = (&Attribute, KeyId)> {
        self.keys.keys().map(|(attribute, key_id)| (attribute, *key_id))
    }

    /// All that is to be multiplied out to transform `ciphertext`.
    fn job(&self, ciphertext: &Ciphertext) -> Result<Job<Bls12381>, Error> {
        let held = self.keys.iter().map(|((attribute, key_id), key)| (attribute, *key_id, key));
        Ok(Job::new(&self.h, &ciphertext.openings(held)?))
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::TransformKey, 4 + 48 + self.keys.len() * 324);
        writer.g1(&self.h);
        writer.count(self.keys.len() as u16);
        for ((attribute, key_id), key) in &self.keys {
            writer.text(&attribute.to_string());
            writer.array(key_id.as_bytes());
            writer.key(key);
        }
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or [`Error::Name`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::TransformKey, bytes)?;
        let h = reader.g1()?;
        let count = usize::from(reader.count()?);
        if count > MAX_TRANSFORM_KEYS {
            return Err(reader.error("too many keys"));
        }
        let mut keys = BTreeMap::new();
        for _ in 0..count {
            let name = (reader.parsed()?, KeyId(reader.array()?));
            if keys.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(reader.error("keys out of order"));
            }
            keys.insert(name, reader.key()?);
        }
        reader.finish()?;
        Ok(Self { h, keys })
    }
}

impl fmt::Debug for TransformKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.keys().map(|(attribute, _)| attribute.to_string())).finish()
    }
}

impl RetrievingKey {
    /// The shared key of `ciphertext`, from what a helper made of it. Takes the same time for any number
    /// of attributes, except for hashing the ciphertext.
    ///
    /// Fails with [`Error::TransformRejected`] unless `transformed` gives what [`transform`] gives with the
    /// matching key, and the ciphertext was made for this `header`; or with [`Error::HeaderTooLong`].
    pub fn finish(
        &self,
        ciphertext: &Ciphertext,
        header: &[u8],
        transformed: &Transformed,
    ) -> Result<SharedKey, Error> {
        self.finish_with(transformed, |mask| ciphertext.accept(mask, header))
    }

    /// Like [`Self::finish`], from the [`Ciphertext::to_bytes`] of the ciphertext. Its rows are the helper's
    /// business and are not parsed here, which otherwise costs more than finishing itself.
    ///
    /// Fails as `finish` does, or with [`Error::Encoding`] or an error of the policy.
    pub fn finish_encoded(
        &self,
        ciphertext: &[u8],
        header: &[u8],
        transformed: &Transformed,
    ) -> Result<SharedKey, Error> {
        let face = Face::from_bytes(ciphertext)?;
        self.finish_with(transformed, |mask| face.accept(mask, header))
    }

    fn finish_with(
        &self,
        transformed: &Transformed,
        accept: impl FnOnce(&Gt) -> Result<(Secret<Gt>, SharedKey), Error>,
    ) -> Result<SharedKey, Error> {
        let mask = Secret::new(transformed.0.unblind(&self.b));
        match accept(&mask) {
            Ok((_, key)) => Ok(key),
            Err(Error::Commitment) => Err(Error::TransformRejected),
            Err(error) => Err(error),
        }
    }

    /// The canonical encoding. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(Kind::RetrievingKey, 2 + 32);
        writer.scalar(&self.b);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::RetrievingKey, bytes)?;
        let b = Secret::new(reader.scalar()?);
        reader.finish()?;
        Ok(Self { b })
    }
}

impl Transformed {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::Transformed, 2 + 2 * GT_BYTES);
        writer.gt(&self.0.t);
        writer.gt(&self.0.q);
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]; both elements are checked to lie in the group of prime order. Fails with
    /// [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Transformed, bytes)?;
        let transformed = scheme::Transformed { t: reader.gt()?, q: reader.gt()? };
        reader.finish()?;
        Ok(Self(transformed))
    }
}
