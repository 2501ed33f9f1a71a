//! Key encapsulation under a policy, and its opening by one reader.
//!
//! Write e = e(g1,g2). `encapsulate` draws R = e^s, shares a random z as (lambda_x) and zero as
//! (omega_x) over the rows of the policy, and gives row x, attribute u of an authority (A, Y), its own t:
//!
//! ```text
//! C0 = R · e^z
//! C1 = e^lambda · A^t      C2 = g2^-t      C3 = Y^t · g2^omega      C4 = F(u)^t
//! ```
//!
//! With K = g1^alpha · H(uid)^y · F(u)^r and L = g2^r a row opens to
//!
//! ```text
//! C1          = e^lambda · e^(alpha t)
//! e(K, C2)    = e^(-alpha t) · e(H(uid),g2)^(-y t) · e(F(u),g2)^(-r t)
//! e(H(uid),C3)=                e(H(uid),g2)^(y t + omega)
//! e(C4, L)    =                                      e(F(u),g2)^(r t)
//! product     = e^lambda · e(H(uid),g2)^omega
//! ```
//!
//! and reconstruction coefficients c give the product of e^(c lambda) = e^z and of
//! e(H(uid),g2)^(c omega) = 1. If two users pool keys, some rows carry H(uid1) and others H(uid2). The
//! omegas of either part alone do not sum to zero, since neither user satisfies the policy, and nobody
//! knows a discrete logarithm between H(uid1) and H(uid2), so the factors e(H(uid1),g2)^omega1 ·
//! e(H(uid2),g2)^omega2 stay and blind e^z. The same holds for a key relabelled to another user.
//!
//! Opening several rows merges all of it: rows of one attribute are summed before pairing, C3 is summed
//! over all rows, and 2n + 1 Miller loops for n distinct attributes share one final exponentiation.
//!
//! HKDF-SHA-256 (RFC 5869) turns R into three independent values:
//!
//! - coins, from which z, the shares and every t are derived, bound to header and policy. So the whole
//!   ciphertext is a function of (R, policy, header, public keys), and [`decapsulate_checked`] can
//!   recompute it;
//! - the commitment, over header and everything else in the ciphertext. It is what makes another R,
//!   another header or any altered bit fail cleanly: neither C0 nor AES-GCM commits to a key by itself;
//! - the shared key, over the same.

use crate::authority::{AttributeKey, PublicKey};
use crate::codec::{GT_BYTES, Kind, Reader, Writer, gt_bytes};
use crate::groups::{
    PowerTable, Secret, hash_attribute, hash_user, pairing_product, product_of_powers, random_scalar,
};
use crate::policy::Policy;
use crate::{Attribute, AuthorityId, Error, UserId};
use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Gt, Scalar};
use ff::Field;
use group::Group;
use group::prime::PrimeCurveAffine;
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a [`SharedKey`].
pub const SHARED_KEY_BYTES: usize = 32;
/// Longest header that can be bound to a ciphertext.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

const COMMITMENT_BYTES: usize = 32;
const ROW_BYTES: usize = GT_BYTES + 96 + 96 + 48;

/// The encapsulated key. Secret; compares in constant time.
#[derive(Clone)]
pub struct SharedKey(Zeroizing<[u8; SHARED_KEY_BYTES]>);

impl SharedKey {
    /// The key, for a symmetric cipher.
    pub fn as_bytes(&self) -> &[u8; SHARED_KEY_BYTES] {
        &self.0
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for SharedKey {}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey([redacted])")
    }
}

/// A key under a policy. The policy is readable by everybody; the header is not in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext {
    body: Body,
    commitment: [u8; COMMITMENT_BYTES],
    /// The canonical encoding of all of the above.
    encoded: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
struct Body {
    policy: Policy,
    c0: Gt,
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, Eq)]
struct Row {
    c1: Gt,
    c2: G2Affine,
    c3: G2Affine,
    c4: G1Affine,
}

/// Encapsulates a fresh key for the readers that `policy` permits, and binds it to `header`.
///
/// `public_keys` must cover every authority the policy names; more do not matter. Fails with
/// [`Error::AuthorityKeyMissing`], [`Error::AuthorityKeyConflict`] or [`Error::HeaderTooLong`].
pub fn encapsulate<'a>(
    policy: &Policy,
    public_keys: impl IntoIterator<Item = &'a PublicKey>,
    header: &[u8],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Ciphertext, SharedKey), Error> {
    let public_keys = by_authority(public_keys)?;
    let generator = PowerTable::new(&Gt::generator());
    let secret = Secret::new(product_of_powers([(&generator, &*random_scalar(rng))]));
    seal(&secret, policy, &public_keys, header)
}

/// Opens `ciphertext` with `user`'s own `keys`, and checks that it was made for this `header`.
///
/// Keys the policy does not need do not matter; of two keys for the same attribute the later counts.
/// Fails with [`Error::KeyOfAnotherUser`], [`Error::PolicyNotSatisfied`], [`Error::HeaderTooLong`], or
/// [`Error::Commitment`] when keys, header and ciphertext do not belong together.
pub fn decapsulate<'a>(
    ciphertext: &Ciphertext,
    header: &[u8],
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
) -> Result<SharedKey, Error> {
    let secret = ciphertext.body.open(user, keys)?;
    ciphertext.derive(&secret, header)
}

/// Like [`decapsulate`], and makes sure that every other permitted reader gets the same key, by making the
/// ciphertext again and comparing. It costs as much as `encapsulate` on top.
///
/// Fails as `decapsulate` and `encapsulate` do, and with [`Error::Dishonest`] when the comparison fails.
pub fn decapsulate_checked<'a, 'p>(
    ciphertext: &Ciphertext,
    header: &[u8],
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
    public_keys: impl IntoIterator<Item = &'p PublicKey>,
) -> Result<SharedKey, Error> {
    let public_keys = by_authority(public_keys)?;
    let secret = ciphertext.body.open(user, keys)?;
    let key = ciphertext.derive(&secret, header)?;
    let (again, _) = seal(&secret, &ciphertext.body.policy, &public_keys, header)?;
    if again.encoded == ciphertext.encoded { Ok(key) } else { Err(Error::Dishonest) }
}

impl Ciphertext {
    /// Who may read.
    pub fn policy(&self) -> &Policy {
        &self.body.policy
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encoded.clone()
    }

    /// Parses [`Self::to_bytes`]. Every element is checked to lie in its group; whether they belong
    /// together, only a reader can tell. Fails with [`Error::Encoding`] or an error of the policy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Ciphertext, bytes)?;
        let policy: Policy = reader.parsed()?;
        let c0 = reader.gt()?;
        let parse_row =
            |_| Ok(Row { c1: reader.gt()?, c2: reader.g2()?, c3: reader.g2()?, c4: reader.g1()? });
        let rows = policy.rows().iter().map(parse_row).collect::<Result<_, Error>>()?;
        let commitment = reader.array()?;
        reader.finish()?;
        Ok(Self { body: Body { policy, c0, rows }, commitment, encoded: bytes.to_vec() })
    }

    /// The shared key, if `secret` is the one committed to.
    fn derive(&self, secret: &Gt, header: &[u8]) -> Result<SharedKey, Error> {
        let body_bytes = &self.encoded[..self.encoded.len() - COMMITMENT_BYTES];
        let schedule = KeySchedule::new(secret, header)?;
        let transcript = Sha256::digest(body_bytes);
        if bool::from(schedule.commitment(&transcript).ct_eq(&self.commitment)) {
            Ok(schedule.shared_key(&transcript))
        } else {
            Err(Error::Commitment)
        }
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({} bytes under {})", self.encoded.len(), self.body.policy)
    }
}

/// The ciphertext and key that follow from the secret R.
fn seal(
    secret: &Gt,
    policy: &Policy,
    public_keys: &BTreeMap<&AuthorityId, &PublicKey>,
    header: &[u8],
) -> Result<(Ciphertext, SharedKey), Error> {
    let schedule = KeySchedule::new(secret, header)?;
    let mut coins = schedule.coins(policy);
    let z = Secret::new(coins.scalar());
    let lambdas = policy.share(*z, &mut || coins.scalar());
    let omegas = policy.share(Scalar::ZERO, &mut || coins.scalar());

    let generator = PowerTable::new(&Gt::generator());
    let mut tables: BTreeMap<&AuthorityId, PowerTable> = BTreeMap::new();
    let mut rows = Vec::with_capacity(policy.rows().len());
    for ((attribute, lambda), omega) in policy.rows().iter().zip(&lambdas).zip(&omegas) {
        let authority = attribute.authority();
        let public_key = public_keys
            .get(authority)
            .ok_or_else(|| Error::AuthorityKeyMissing { authority: authority.clone() })?;
        let table = tables.entry(authority).or_insert_with(|| PowerTable::new(&public_key.blinding));
        let t = Secret::new(coins.scalar());
        rows.push(Row {
            c1: product_of_powers([(&generator, &**lambda), (table, &*t)]),
            c2: (-(G2Affine::generator() * *t)).into(),
            c3: (public_key.binding * *t + G2Affine::generator() * **omega).into(),
            c4: (hash_attribute(attribute) * *t).into(),
        });
    }
    let c0 = secret + product_of_powers([(&generator, &*z)]);

    let body = Body { policy: policy.clone(), c0, rows };
    let mut encoded = body.to_bytes();
    let transcript = Sha256::digest(&encoded);
    let commitment = schedule.commitment(&transcript);
    encoded.extend(commitment);
    Ok((Ciphertext { body, commitment, encoded }, schedule.shared_key(&transcript)))
}

impl Body {
    fn to_bytes(&self) -> Vec<u8> {
        let text = self.policy.as_str();
        let capacity = 4 + text.len() + GT_BYTES + self.rows.len() * ROW_BYTES + COMMITMENT_BYTES;
        let mut writer = Writer::new(Kind::Ciphertext, capacity);
        writer.text(text);
        writer.gt(&self.c0);
        for row in &self.rows {
            writer.gt(&row.c1);
            writer.g2(&row.c2);
            writer.g2(&row.c3);
            writer.g1(&row.c4);
        }
        writer.finish()
    }

    /// The secret R, or something else if keys and ciphertext do not belong together.
    fn open<'a>(
        &self,
        user: &UserId,
        keys: impl IntoIterator<Item = &'a AttributeKey>,
    ) -> Result<Secret<Gt>, Error> {
        let mut held: BTreeMap<&Attribute, &AttributeKey> = BTreeMap::new();
        for key in keys {
            if &key.user != user {
                return Err(Error::KeyOfAnotherUser { attribute: key.attribute.clone() });
            }
            held.insert(&key.attribute, key);
        }
        let selection = self
            .policy
            .select(&|attribute| held.contains_key(attribute))
            .map_err(|missing| Error::PolicyNotSatisfied { missing })?;

        let mut by_attribute: BTreeMap<&Attribute, (G2Projective, G1Projective)> = BTreeMap::new();
        let neutral = (G2Projective::identity(), G1Projective::identity());
        let mut product = Gt::identity();
        let mut c3_sum = G2Projective::identity();
        for (x, coefficient) in selection {
            let row = &self.rows[x];
            let (c2_sum, c4_sum) = by_attribute.entry(&self.policy.rows()[x]).or_insert(neutral);
            // Coefficients are public, so skipping work for 1 tells nothing. Only thresholds have others.
            if coefficient == Scalar::ONE {
                product += row.c1;
                *c2_sum += row.c2;
                c3_sum += row.c3;
                *c4_sum += row.c4;
            } else {
                product += row.c1 * coefficient;
                *c2_sum += row.c2 * coefficient;
                c3_sum += row.c3 * coefficient;
                *c4_sum += row.c4 * coefficient;
            }
        }
        let mut terms = vec![(hash_user(user), G2Affine::from(c3_sum))];
        for (attribute, (c2_sum, c4_sum)) in by_attribute {
            let key = held[attribute];
            terms.push((*key.k, c2_sum.into()));
            terms.push((c4_sum.into(), *key.l));
        }
        let mask = Secret::new(product + pairing_product(&terms));
        Ok(Secret::new(self.c0 - *mask))
    }
}

fn by_authority<'a>(
    public_keys: impl IntoIterator<Item = &'a PublicKey>,
) -> Result<BTreeMap<&'a AuthorityId, &'a PublicKey>, Error> {
    let mut map = BTreeMap::new();
    for key in public_keys {
        if map.insert(&key.authority, key).is_some_and(|previous| previous != key) {
            return Err(Error::AuthorityKeyConflict { authority: key.authority.clone() });
        }
    }
    Ok(map)
}

/// Everything derived from R and the header.
struct KeySchedule {
    hkdf: Hkdf<Sha256>,
    header_hash: [u8; 32],
}

impl KeySchedule {
    fn new(secret: &Gt, header: &[u8]) -> Result<Self, Error> {
        if header.len() > MAX_HEADER_BYTES {
            return Err(Error::HeaderTooLong { bytes: header.len(), limit: MAX_HEADER_BYTES });
        }
        let input = Zeroizing::new(gt_bytes(secret));
        let hkdf = Hkdf::new(Some(b"TWINSEAL-V01-ABE-KEM"), &*input);
        Ok(Self { hkdf, header_hash: Sha256::digest(header).into() })
    }

    fn coins(&self, policy: &Policy) -> Coins {
        Coins { seed: self.expand(b"coins", &Sha256::digest(policy.as_str())), drawn: 0 }
    }

    fn commitment(&self, transcript: &[u8]) -> [u8; COMMITMENT_BYTES] {
        *self.expand(b"commitment", transcript)
    }

    fn shared_key(&self, transcript: &[u8]) -> SharedKey {
        SharedKey(self.expand(b"shared key", transcript))
    }

    /// No label is a prefix of another and what follows has a fixed length, so inputs never collide.
    fn expand(&self, label: &[u8], transcript: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut output = Zeroizing::new([0; 32]);
        let expanded = self.hkdf.expand_multi_info(&[label, &self.header_hash, transcript], &mut *output);
        // RFC 5869 allows up to 255 hashes of output; this is one.
        assert!(expanded.is_ok());
        output
    }
}

/// Scalars derived from a seed: SHA-256 in counter mode, 255 bits at a time, those not below the group
/// order skipped.
struct Coins {
    seed: Zeroizing<[u8; 32]>,
    drawn: u64,
}

impl Coins {
    fn scalar(&mut self) -> Scalar {
        loop {
            let hash = Sha256::new().chain_update(*self.seed).chain_update(self.drawn.to_be_bytes());
            self.drawn += 1;
            let mut bytes: [u8; 32] = hash.finalize().into();
            bytes[0] &= 0x7f;
            let scalar: Option<Scalar> = Scalar::from_bytes_be(&bytes).into();
            bytes.zeroize();
            if let Some(scalar) = scalar {
                return scalar;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use rand_core::OsRng;

    const HEADER: &[u8] = b"header";

    fn setup(policy: &str) -> (Authority, Vec<AttributeKey>, UserId, Ciphertext, SharedKey) {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let user: UserId = "alice".parse().unwrap();
        let held = ["a@x", "b@x"].map(|a| a.parse().unwrap());
        let keys = authority.issue(&user, &held, &mut OsRng).unwrap();
        let (ciphertext, key) =
            encapsulate(&policy.parse().unwrap(), [authority.public_key()], HEADER, &mut OsRng).unwrap();
        (authority, keys, user, ciphertext, key)
    }

    /// What a sender who deviates from `encapsulate` but commits correctly would send.
    fn recommit(mut body: Body, secret: &Gt, change: impl FnOnce(&mut Body)) -> Ciphertext {
        change(&mut body);
        let mut encoded = body.to_bytes();
        let commitment = KeySchedule::new(secret, HEADER).unwrap().commitment(&Sha256::digest(&encoded));
        encoded.extend(commitment);
        Ciphertext { body, commitment, encoded }
    }

    #[test]
    fn a_row_broken_by_the_sender_is_found_by_re_encryption_only() {
        let (authority, keys, user, ciphertext, _) = setup("a@x or z@x");
        let secret = ciphertext.body.open(&user, &keys).unwrap();
        let publics = [authority.public_key()];

        let unchanged = recommit(ciphertext.body.clone(), &secret, |_| ());
        assert_eq!(unchanged.encoded, ciphertext.encoded);
        decapsulate_checked(&unchanged, HEADER, &user, &keys, publics).unwrap();

        let broken = recommit(ciphertext.body.clone(), &secret, |body| body.rows[1].c1 += Gt::generator());
        decapsulate(&broken, HEADER, &user, &keys).unwrap();
        let refused = decapsulate_checked(&broken, HEADER, &user, &keys, publics);
        assert_eq!(refused, Err(Error::Dishonest));
    }

    #[test]
    fn every_component_takes_part() {
        let (_, keys, user, ciphertext, _) = setup("a@x and b@x");
        let opens = |body: Body| *body.open(&user, &keys).unwrap();
        let right = opens(ciphertext.body.clone());
        let changes: [fn(&mut Body); 5] = [
            |body| body.c0 += Gt::generator(),
            |body| body.rows[1].c1 += Gt::generator(),
            |body| body.rows[1].c2 = (body.rows[1].c2 + G2Projective::generator()).into(),
            |body| body.rows[1].c3 = (body.rows[1].c3 + G2Projective::generator()).into(),
            |body| body.rows[1].c4 = (body.rows[1].c4 + G1Projective::generator()).into(),
        ];
        for change in changes {
            let mut body = ciphertext.body.clone();
            change(&mut body);
            assert!(opens(body.clone()) != right);
            // Whole elements of the right groups, yet the commitment notices.
            let mut encoded = body.to_bytes();
            encoded.extend(ciphertext.commitment);
            let altered = Ciphertext::from_bytes(&encoded).unwrap();
            assert_eq!(decapsulate(&altered, HEADER, &user, &keys), Err(Error::Commitment));
        }
    }

    /// Without its users' bond (omega left out) the scheme would let two users pool keys; with it
    /// they cannot. Shows that the test for pooling can fail.
    #[test]
    fn omega_is_what_stops_pooling() {
        let (authority, mut keys, user, ciphertext, _) = setup("a@x and b@x");
        let secret = *ciphertext.body.open(&user, &keys).unwrap();
        let bob = authority.issue(&"bob".parse().unwrap(), [&keys[1].attribute], &mut OsRng).unwrap();
        keys[1] = AttributeKey { user: user.clone(), ..bob[0].clone() };
        assert!(*ciphertext.body.open(&user, &keys).unwrap() != secret);

        // e^z from each row opened with its own holder's H(uid): right but for H(uid)^omega.
        let open_row = |x: usize, holder: &str| {
            let (row, key) = (&ciphertext.body.rows[x], &keys[x]);
            let h = hash_user(&holder.parse().unwrap());
            row.c1 + pairing_product(&[(*key.k, row.c2), (h, row.c3), (row.c4, *key.l)])
        };
        let pooled = ciphertext.body.c0 - (open_row(0, "alice") + open_row(1, "bob"));
        assert!(pooled != secret);
        // Remove omega with the sender's coins: now pooling works.
        let mut coins = KeySchedule::new(&secret, HEADER).unwrap().coins(ciphertext.policy());
        let z = coins.scalar();
        ciphertext.policy().share(z, &mut || coins.scalar());
        let omegas = ciphertext.policy().share(Scalar::ZERO, &mut || coins.scalar());
        let omega = |x: usize, holder: &str| {
            let h = hash_user(&holder.parse().unwrap());
            pairing_product(&[(h, (G2Affine::generator() * *omegas[x]).into())])
        };
        assert!(pooled + omega(0, "alice") + omega(1, "bob") == secret);
    }

    #[test]
    fn a_repeated_attribute_costs_no_further_pairing_and_opens() {
        let (_, keys, user, ciphertext, key) = setup("a@x and (b@x and a@x) and 2 of (a@x, b@x, z@x)");
        assert_eq!(decapsulate(&ciphertext, HEADER, &user, &keys).unwrap(), key);
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        let (authority, keys, _, _, key) = setup("a@x");
        assert_eq!(format!("{key:?}"), "SharedKey([redacted])");
        let shown = format!("{authority:?}");
        assert!(shown.contains("alpha: [redacted], y: [redacted]"), "{shown}");
        let shown = format!("{:?}", keys[0]);
        assert!(shown.contains("k: [redacted], l: [redacted]"), "{shown}");
    }
}
