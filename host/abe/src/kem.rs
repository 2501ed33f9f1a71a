//! Key encapsulation under a policy, and its opening by one reader.
//!
//! The algebra is in [`crate::scheme`]; here are the choice of randomness and what ties everything
//! together. `encapsulate` draws a secret R in the target group. HKDF-SHA-256 (RFC 5869) over R, bound to
//! the header, turns it into independent values:
//!
//! - two seeds, bound to the *preamble* (mode, policy and the generation of every authority). Each seed
//!   expands to a stream of scalars, and every coin of the ciphertext (z, the shares, every t) is the sum
//!   of one scalar of either stream. So each seed makes a row set of its own, whose row-wise product is the
//!   ciphertext's: work that two helpers can do who do not talk to each other, with the same result;
//! - the commitment, over everything else in the ciphertext. It is what makes another R, another header or
//!   any altered bit fail cleanly: neither C0 nor AES-GCM commits to a key by itself;
//! - the shared key, over the same.
//!
//! Whoever opens always recomputes z from R and checks C0 = R · e^z (GHW11, section 4: chosen-ciphertext
//! security up to re-randomisation, at the price of one power), then the commitment.
//! [`decapsulate_checked`] recomputes the ciphertext as a whole, after Fujisaki and Okamoto.

use crate::authority::{AttributeKey, KeyId, PublicKey};
use crate::codec::{GT_BYTES, Kind, ROW_BYTES, Reader, Writer, gt_bytes};
use crate::curve::Curve;
use crate::groups::{Bls12381, Secret, hash_attribute, hash_user, normalise_rows, random_scalar};
use crate::policy::Policy;
use crate::scheme::{self, Job, Key, Opening};
use crate::{Attribute, AuthorityId, Error, UserId};
use blstrs::{Fp12, Gt, Scalar};
use ff::Field;
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a [`SharedKey`].
pub const SHARED_KEY_BYTES: usize = 32;
/// Longest header that can be bound to a ciphertext.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

const COMMITMENT_BYTES: usize = 32;

pub(crate) type Row = scheme::Row<Bls12381>;

/// The encapsulated key. Secret; compares in constant time. It remembers which ciphertext and header it
/// belongs to.
#[derive(Clone)]
pub struct SharedKey {
    key: Zeroizing<[u8; SHARED_KEY_BYTES]>,
    /// [`origin`]; public.
    origin: [u8; 32],
}

impl SharedKey {
    /// The key, for a symmetric cipher.
    pub fn as_bytes(&self) -> &[u8; SHARED_KEY_BYTES] {
        &self.key
    }

    /// Whether it is the key of `ciphertext` made for `header`.
    pub(crate) fn belongs_to(&self, ciphertext: &Ciphertext, header: &[u8]) -> bool {
        let body = &ciphertext.encoded[..ciphertext.encoded.len() - COMMITMENT_BYTES];
        self.origin == origin(&Sha256::digest(header), &Sha256::digest(body), &ciphertext.commitment)
    }
}

/// What a shared key is the key of: hashes of header and ciphertext, and the commitment that ties them to R.
fn origin(header_hash: &[u8], transcript: &[u8], commitment: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(header_hash).chain_update(transcript);
    hash.chain_update(commitment).finalize().into()
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.ct_eq(&*other.key).into()
    }
}

impl Eq for SharedKey {}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey([redacted])")
    }
}

/// Where the coins of a ciphertext's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// All of them from the encapsulated secret, so that a reader can make the ciphertext again.
    Derived = 1,
    /// z from the encapsulated secret, the rest drawn beforehand. [`decapsulate_checked`] refuses it.
    Precomputed = 2,
}

/// A key under a policy. The policy is readable by everybody; the header is not in it.
#[derive(Clone, PartialEq)]
pub struct Ciphertext {
    body: Body,
    commitment: [u8; COMMITMENT_BYTES],
    /// The canonical encoding of all of the above.
    encoded: Vec<u8>,
}

impl Eq for Ciphertext {}

#[derive(Clone, PartialEq)]
struct Body {
    preamble: Preamble,
    c0: Gt,
    rows: Vec<Row>,
}

/// What a ciphertext says about itself: all that is fixed before a coin is drawn.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Preamble {
    mode: Mode,
    policy: Policy,
    /// The generation of every authority of the policy, in order of first appearance.
    key_ids: Vec<KeyId>,
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
    let publics = Publics::new(policy, public_keys)?;
    seal(&random_secret(rng), policy, &publics, header)
}

/// Opens `ciphertext` with `user`'s own `keys`, and checks that it was made for this `header`.
///
/// Keys the policy does not need do not matter; of two keys for the same attribute the later counts.
/// Fails with [`Error::KeyOfAnotherUser`], [`Error::PolicyNotSatisfied`], [`Error::HeaderTooLong`],
/// [`Error::AuthorityRotated`] if keys of another generation would do, or [`Error::Commitment`] when keys,
/// header and ciphertext do not belong together.
pub fn decapsulate<'a>(
    ciphertext: &Ciphertext,
    header: &[u8],
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
) -> Result<SharedKey, Error> {
    let mask = ciphertext.body.open(user, keys)?;
    ciphertext.accept(&mask, header).map(|(_, key)| key)
}

/// [`decapsulate`] from the [`Ciphertext::to_bytes`] of a ciphertext, parsing only the rows it takes. Worth it
/// for policies with many alternatives: a comparison of numbers has up to 62 rows, of which one is opened.
///
/// Fails as `decapsulate` and [`Ciphertext::from_bytes`] do.
pub fn decapsulate_encoded<'a>(
    ciphertext: &[u8],
    header: &[u8],
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
) -> Result<SharedKey, Error> {
    let face = Face::from_bytes(ciphertext)?;
    let chosen = face.preamble.choose(held_by(user, keys)?)?;
    let parse = |chosen: &Chosen<'_>| face.row(chosen.x).map(|row| (chosen.x, row));
    let rows: BTreeMap<_, _> = chosen.iter().map(parse).collect::<Result<_, _>>()?;
    let job = Job::new(&hash_user(user), &openings(&chosen, |x| &rows[&x]));
    let mask = Secret::new(job.transform().mask());
    face.accept(&mask, header).map(|(_, key)| key)
}

/// Like [`decapsulate`], and makes sure that every other permitted reader gets the same key, by making the
/// ciphertext again and comparing. It costs as much as `encapsulate` on top.
///
/// Fails as `decapsulate` and `encapsulate` do; with [`Error::Precomputed`] if the ciphertext was made from
/// precomputed coins; and with [`Error::Dishonest`] when the comparison fails.
pub fn decapsulate_checked<'a, 'p>(
    ciphertext: &Ciphertext,
    header: &[u8],
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
    public_keys: impl IntoIterator<Item = &'p PublicKey>,
) -> Result<SharedKey, Error> {
    let preamble = &ciphertext.body.preamble;
    let publics = Publics::new(&preamble.policy, public_keys)?;
    if preamble.mode == Mode::Precomputed {
        return Err(Error::Precomputed);
    }
    for (public_key, expected) in publics.keys.iter().zip(&preamble.key_ids) {
        if public_key.id() != *expected {
            return Err(Error::AuthorityRotated { authority: public_key.authority().clone() });
        }
    }
    let mask = ciphertext.body.open(user, keys)?;
    let (secret, key) = ciphertext.accept(&mask, header)?;
    let (again, _) = seal(&secret, &preamble.policy, &publics, header)?;
    if again.encoded == ciphertext.encoded { Ok(key) } else { Err(Error::Dishonest) }
}

/// [`encapsulate`] for each of many policies and headers, over all processors.
///
/// The results are in the order of `items`.
pub fn encapsulate_many<'a>(
    items: &[(&Policy, &[u8])],
    public_keys: impl IntoIterator<Item = &'a PublicKey>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<Result<(Ciphertext, SharedKey), Error>> {
    let public_keys: Vec<_> = public_keys.into_iter().collect();
    let items: Vec<_> = items.iter().map(|item| (item, random_scalar(rng))).collect();
    in_parallel(&items, |((policy, header), scalar)| {
        let publics = Publics::new(policy, public_keys.iter().copied())?;
        seal(&Secret::new(Bls12381::gt_times(scalar)), policy, &publics, header)
    })
}

/// [`decapsulate`] for each of many ciphertexts with their headers, over all processors.
///
/// The results are in the order of `items`.
pub fn decapsulate_many<'a>(
    items: &[(&Ciphertext, &[u8])],
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
) -> Vec<Result<SharedKey, Error>> {
    let keys: Vec<_> = keys.into_iter().collect();
    in_parallel(items, |(ciphertext, header)| decapsulate(ciphertext, header, user, keys.iter().copied()))
}

/// Does `work` for every item, on as many threads as there are processors.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = available_parallelism().map_or(1, NonZero::get).min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < items.len());
        std::iter::from_fn(take).map(|index| (index, work(&items[index]))).collect::<Vec<_>>()
    };
    let mut done = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let join =
            |worker: thread::ScopedJoinHandle<'_, _>| worker.join().unwrap_or_else(|p| resume_unwind(p));
        workers.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

impl Ciphertext {
    /// Who may read.
    pub fn policy(&self) -> &Policy {
        &self.body.preamble.policy
    }

    /// Where its coins come from.
    pub fn mode(&self) -> Mode {
        self.body.preamble.mode
    }

    /// The authorities the policy names, in order of first appearance, and the generation of each whose
    /// keys open this ciphertext.
    pub fn key_ids(&self) -> impl Iterator<Item = (&AuthorityId, KeyId)> {
        authorities(self.policy()).into_iter().zip(self.body.preamble.key_ids.iter().copied())
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encoded.clone()
    }

    /// Parses [`Self::to_bytes`]. Every element is checked to lie in its group; whether they belong
    /// together, only a reader can tell. Fails with [`Error::Encoding`] or an error of the policy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Ciphertext, bytes)?;
        let preamble = Preamble::read(&mut reader)?;
        let c0 = reader.gt()?;
        let rows = preamble.policy.rows().iter().map(|_| reader.row()).collect::<Result<_, Error>>()?;
        let commitment = reader.array()?;
        reader.finish()?;
        Ok(Self { body: Body { preamble, c0, rows }, commitment, encoded: bytes.to_vec() })
    }

    /// The parts of an opening with those of the `held` keys that are of the right generation.
    pub(crate) fn openings<'a>(
        &'a self,
        held: impl IntoIterator<Item = Held<'a>>,
    ) -> Result<Vec<Opening<'a, Bls12381>>, Error> {
        Ok(openings(&self.body.preamble.choose(held)?, |x| &self.body.rows[x]))
    }

    fn face(&self) -> Face<'_> {
        let Body { preamble, c0, .. } = &self.body;
        Face { preamble: Cow::Borrowed(preamble), c0: *c0, encoded: &self.encoded }
    }

    /// The secret R and the shared key, if the mask e^z is right.
    pub(crate) fn accept(&self, mask: &Gt, header: &[u8]) -> Result<(Secret<Gt>, SharedKey), Error> {
        self.face().accept(mask, header)
    }
}

/// What it takes of a ciphertext to finish its opening once the mask is known: everything but its rows, of
/// which the bytes are enough.
pub(crate) struct Face<'a> {
    preamble: Cow<'a, Preamble>,
    c0: Gt,
    encoded: &'a [u8],
}

impl Face<'_> {
    /// Parses a row.
    fn row(&self, x: usize) -> Result<Row, Error> {
        let rows = self.preamble.policy.rows().len();
        let from_end = COMMITMENT_BYTES + (rows - x) * ROW_BYTES;
        Reader::part(Kind::Ciphertext, &self.encoded[self.encoded.len() - from_end..]).row()
    }
}

impl<'a> Face<'a> {
    /// Reads what it needs of a ciphertext's encoding.
    pub(crate) fn from_bytes(encoded: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Ciphertext, encoded)?;
        let preamble = Preamble::read(&mut reader)?;
        let c0 = reader.gt()?;
        preamble.policy.rows().iter().try_for_each(|_| reader.array::<ROW_BYTES>().map(|_| ()))?;
        reader.array::<COMMITMENT_BYTES>()?;
        reader.finish()?;
        Ok(Self { preamble: Cow::Owned(preamble), c0, encoded })
    }

    /// The secret R and the shared key, if the mask e^z is right: R = C0 / e^z must give the same z again,
    /// and be the one committed to.
    pub(crate) fn accept(&self, mask: &Gt, header: &[u8]) -> Result<(Secret<Gt>, SharedKey), Error> {
        let secret = Secret::new(self.c0 - mask);
        let schedule = Schedule::new(&secret, header, &self.preamble)?;
        let (body, commitment) = self.encoded.split_at(self.encoded.len() - COMMITMENT_BYTES);
        let transcript = Sha256::digest(body);
        let committed = schedule.commitment(&transcript).ct_eq(commitment);
        let same_mask = Fp12::from(*schedule.mask()).ct_eq(&Fp12::from(*mask));
        if bool::from(committed & same_mask) {
            Ok((secret, schedule.shared_key(&transcript, commitment)))
        } else {
            Err(Error::Commitment)
        }
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({} bytes under {})", self.encoded.len(), self.policy())
    }
}

/// A fresh R.
pub(crate) fn random_secret(rng: &mut (impl RngCore + CryptoRng)) -> Secret<Gt> {
    Secret::new(Bls12381::gt_times(&random_scalar(rng)))
}

/// The ciphertext and key that follow from the secret R alone.
fn seal(
    secret: &Gt,
    policy: &Policy,
    publics: &Publics<'_>,
    header: &[u8],
) -> Result<(Ciphertext, SharedKey), Error> {
    let preamble = Preamble::new(Mode::Derived, policy, publics);
    let schedule = Schedule::new(secret, header, &preamble)?;
    let rows = make_rows(&mut schedule.coins(), policy, publics);
    Ok(seal_rows(secret, preamble, &schedule, rows))
}

/// The coins of a ciphertext's rows.
pub(crate) struct RowCoins {
    pub(crate) lambdas: Vec<Secret<Scalar>>,
    pub(crate) omegas: Vec<Secret<Scalar>>,
    pub(crate) ts: Vec<Secret<Scalar>>,
}

impl RowCoins {
    /// In order: z, the shares of z, the shares of zero, t of every row.
    pub(crate) fn draw(coins: &mut Coins, policy: &Policy) -> Self {
        let z = Secret::new(coins.scalar());
        let lambdas = policy.share(*z, &mut || coins.scalar());
        let omegas = policy.share(Scalar::ZERO, &mut || coins.scalar());
        let ts = policy.rows().iter().map(|_| Secret::new(coins.scalar())).collect();
        Self { lambdas, omegas, ts }
    }
}

/// The rows that follow from `coins`.
///
/// Linear in the coins: the rows of two streams, combined, are those of the streams' sum.
pub(crate) fn make_rows(coins: &mut Coins, policy: &Policy, publics: &Publics<'_>) -> Vec<Row> {
    let RowCoins { lambdas, omegas, ts } = RowCoins::draw(coins, policy);
    let mut hashed: BTreeMap<&Attribute, _> = BTreeMap::new();
    let mut rows = Vec::with_capacity(policy.rows().len());
    for (x, attribute) in policy.rows().iter().enumerate() {
        let f = hashed.entry(attribute).or_insert_with(|| hash_attribute(attribute));
        rows.push(Row::new(publics.of_row(x).prepared(), f, &lambdas[x], &omegas[x], &ts[x]));
    }
    rows
}

/// The ciphertext and key of R, whose `schedule` was made for `preamble`, around `rows` that share
/// [`Schedule::z`].
pub(crate) fn seal_rows(
    secret: &Gt,
    preamble: Preamble,
    schedule: &Schedule,
    mut rows: Vec<Row>,
) -> (Ciphertext, SharedKey) {
    normalise_rows(&mut rows);
    let body = Body { preamble, c0: secret + *schedule.mask(), rows };
    let mut encoded = body.to_bytes();
    let transcript = Sha256::digest(&encoded);
    let commitment = schedule.commitment(&transcript);
    encoded.extend(commitment);
    let key = schedule.shared_key(&transcript, &commitment);
    (Ciphertext { body, commitment, encoded }, key)
}

impl Preamble {
    pub(crate) fn new(mode: Mode, policy: &Policy, publics: &Publics<'_>) -> Self {
        let key_ids = publics.keys.iter().map(|key| key.id()).collect();
        Self { mode, policy: policy.clone(), key_ids }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mode = match reader.array()? {
            [1] => Mode::Derived,
            [2] => Mode::Precomputed,
            _ => return Err(reader.error("an unknown mode")),
        };
        let policy: Policy = reader.parsed()?;
        let key_id = |_| reader.array().map(KeyId);
        let key_ids = authorities(&policy).iter().map(key_id).collect::<Result<_, Error>>()?;
        Ok(Self { mode, policy, key_ids })
    }

    /// The rows to open with the `held` keys that are of the right generation; the fewest there are.
    fn choose<'a>(&self, held: impl IntoIterator<Item = Held<'a>>) -> Result<Vec<Chosen<'a>>, Error> {
        let Self { policy, key_ids, .. } = self;
        let expected: BTreeMap<_, _> = authorities(policy).into_iter().zip(key_ids).collect();
        let (mut current, mut outdated) = (BTreeMap::new(), BTreeMap::new());
        for (attribute, key_id, key) in held {
            match expected.get(attribute.authority()) {
                Some(expected) if **expected == key_id => drop(current.insert(attribute, key)),
                Some(_) => drop(outdated.insert(attribute, key)),
                None => (),
            }
        }
        let selection = policy.select(&|attribute| current.contains_key(attribute)).map_err(|missing| {
            let either = |a: &Attribute| current.contains_key(a) || outdated.contains_key(a);
            let rows = policy.select(&either).unwrap_or_default();
            let mut needed = rows.iter().map(|(x, _)| &policy.rows()[*x]);
            match needed.find(|attribute| !current.contains_key(attribute)) {
                Some(attribute) => Error::AuthorityRotated { authority: attribute.authority().clone() },
                None => Error::PolicyNotSatisfied { missing },
            }
        })?;
        let chosen = |(x, coefficient): (usize, Scalar)| {
            // What was selected is there.
            let (attribute, key) = current.get_key_value(&policy.rows()[x])?;
            Some(Chosen { x, coefficient, attribute, key })
        };
        Ok(selection.into_iter().filter_map(chosen).collect())
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(&[self.mode as u8]);
        writer.text(self.policy.as_str());
        self.key_ids.iter().for_each(|id| writer.array(id.as_bytes()));
    }

    /// The start of the ciphertext's encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::Ciphertext, self.bytes());
        self.write(&mut writer);
        writer.finish()
    }

    fn bytes(&self) -> usize {
        5 + self.policy.as_str().len() + self.key_ids.len() * KeyId::BYTES
    }
}

impl Body {
    fn to_bytes(&self) -> Vec<u8> {
        let capacity = self.preamble.bytes() + GT_BYTES + self.rows.len() * ROW_BYTES + COMMITMENT_BYTES;
        let mut writer = Writer::new(Kind::Ciphertext, capacity);
        self.preamble.write(&mut writer);
        writer.gt(&self.c0);
        self.rows.iter().for_each(|row| writer.row(row));
        writer.finish()
    }

    /// The mask e^z, or something else if keys and ciphertext do not belong together.
    fn open<'a>(
        &self,
        user: &UserId,
        keys: impl IntoIterator<Item = &'a AttributeKey>,
    ) -> Result<Secret<Gt>, Error> {
        let chosen = self.preamble.choose(held_by(user, keys)?)?;
        let job = Job::new(&hash_user(user), &openings(&chosen, |x| &self.rows[x]));
        Ok(Secret::new(job.transform().mask()))
    }
}

/// The keys somebody holds: attribute, generation and key.
type Held<'a> = (&'a Attribute, KeyId, &'a Key<Bls12381>);

/// `user`'s keys, if they are all theirs.
fn held_by<'a>(
    user: &UserId,
    keys: impl IntoIterator<Item = &'a AttributeKey>,
) -> Result<Vec<Held<'a>>, Error> {
    let own = |key: &'a AttributeKey| match &key.user == user {
        true => Ok((&key.attribute, key.key_id, &*key.key)),
        false => Err(Error::KeyOfAnotherUser { attribute: key.attribute.clone() }),
    };
    keys.into_iter().map(own).collect()
}

/// A row that takes part in an opening.
struct Chosen<'a> {
    x: usize,
    coefficient: Scalar,
    attribute: &'a Attribute,
    key: &'a Key<Bls12381>,
}

/// The chosen rows, those of one attribute together.
fn openings<'a>(chosen: &[Chosen<'a>], row: impl Fn(usize) -> &'a Row) -> Vec<Opening<'a, Bls12381>> {
    let mut by_attribute: BTreeMap<&Attribute, Opening<'_, _>> = BTreeMap::new();
    for Chosen { x, coefficient, attribute, key } in chosen {
        let opening = by_attribute.entry(attribute).or_insert(Opening { key, rows: Vec::new() });
        opening.rows.push((*coefficient, row(*x)));
    }
    by_attribute.into_values().collect()
}

/// The authorities a policy names, in order of first appearance.
fn authorities(policy: &Policy) -> Vec<&AuthorityId> {
    let mut authorities = Vec::new();
    for attribute in policy.rows() {
        if !authorities.contains(&attribute.authority()) {
            authorities.push(attribute.authority());
        }
    }
    authorities
}

/// The public keys a policy needs.
pub(crate) struct Publics<'a> {
    /// One per authority, in order of first appearance.
    pub(crate) keys: Vec<&'a PublicKey>,
    /// For every row, the index of its key.
    rows: Vec<usize>,
}

impl<'a> Publics<'a> {
    pub(crate) fn new(
        policy: &Policy,
        public_keys: impl IntoIterator<Item = &'a PublicKey>,
    ) -> Result<Self, Error> {
        let mut given: BTreeMap<&AuthorityId, &PublicKey> = BTreeMap::new();
        for key in public_keys {
            if given.insert(&key.authority, key).is_some_and(|previous| previous != key) {
                return Err(Error::AuthorityKeyConflict { authority: key.authority.clone() });
            }
        }
        let authorities = authorities(policy);
        let missing = |authority: &AuthorityId| Error::AuthorityKeyMissing { authority: authority.clone() };
        let key = |id: &&AuthorityId| given.get(id).copied().ok_or_else(|| missing(id));
        let keys = authorities.iter().map(key).collect::<Result<_, _>>()?;
        let index: BTreeMap<_, _> = authorities.iter().enumerate().map(|(i, id)| (*id, i)).collect();
        Ok(Self { keys, rows: policy.rows().iter().map(|attribute| index[attribute.authority()]).collect() })
    }

    pub(crate) fn of_row(&self, x: usize) -> &'a PublicKey {
        self.keys[self.rows[x]]
    }
}

/// What is derived from the secret R under one header and preamble.
pub(crate) struct Schedule {
    hkdf: Hkdf<Sha256>,
    header_hash: [u8; 32],
    preamble_hash: [u8; 32],
}

impl Schedule {
    pub(crate) fn new(secret: &Gt, header: &[u8], preamble: &Preamble) -> Result<Self, Error> {
        if header.len() > MAX_HEADER_BYTES {
            return Err(Error::HeaderTooLong { bytes: header.len(), limit: MAX_HEADER_BYTES });
        }
        let input = Zeroizing::new(gt_bytes(secret));
        let hkdf = Hkdf::new(Some(b"TWINSEAL-V02-ABE-KEM"), &*input);
        let preamble_hash = Sha256::digest(preamble.to_bytes()).into();
        Ok(Self { hkdf, header_hash: Sha256::digest(header).into(), preamble_hash })
    }

    /// The two seeds whose streams add up to the coins.
    pub(crate) fn seeds(&self) -> [Zeroizing<[u8; 32]>; 2] {
        [b"seed A", b"seed B"].map(|label| self.expand(label, &self.preamble_hash))
    }

    pub(crate) fn coins(&self) -> Coins {
        Coins { streams: self.seeds().map(Stream::new).into() }
    }

    /// What the rows share: the first coin.
    pub(crate) fn z(&self) -> Secret<Scalar> {
        Secret::new(self.coins().scalar())
    }

    /// e^z
    fn mask(&self) -> Secret<Gt> {
        Secret::new(Bls12381::gt_times(&self.z()))
    }

    fn commitment(&self, transcript: &[u8]) -> [u8; COMMITMENT_BYTES] {
        *self.expand(b"commitment", transcript)
    }

    fn shared_key(&self, transcript: &[u8], commitment: &[u8]) -> SharedKey {
        let origin = origin(&self.header_hash, transcript, commitment);
        SharedKey { key: self.expand(b"shared key", transcript), origin }
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

/// Scalars, each the sum of the next scalar of every stream.
pub(crate) struct Coins {
    streams: Vec<Stream>,
}

impl Coins {
    /// The coins of one helper, who knows one seed.
    pub(crate) fn of_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { streams: vec![Stream::new(seed)] }
    }

    pub(crate) fn scalar(&mut self) -> Scalar {
        self.streams.iter_mut().fold(Scalar::ZERO, |sum, stream| sum + stream.scalar())
    }
}

/// Scalars derived from a seed: SHA-256 in counter mode, 255 bits at a time, those not below the group
/// order skipped.
struct Stream {
    seed: Zeroizing<[u8; 32]>,
    drawn: u64,
}

impl Stream {
    fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { seed, drawn: 0 }
    }

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
    use crate::outsource::{tkgen, transform};
    use blstrs::{G1Projective, G2Projective};
    use group::Group;
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
        let schedule = Schedule::new(secret, HEADER, &body.preamble).unwrap();
        let commitment = schedule.commitment(&Sha256::digest(&encoded));
        encoded.extend(commitment);
        Ciphertext { body, commitment, encoded }
    }

    /// R, if the keys are right.
    fn secret_of(ciphertext: &Ciphertext, user: &UserId, keys: &[AttributeKey]) -> Gt {
        ciphertext.body.c0 - *ciphertext.body.open(user, keys).unwrap()
    }

    #[test]
    fn a_row_broken_by_the_sender_is_found_by_re_encryption_only() {
        let (authority, keys, user, ciphertext, _) = setup("a@x or z@x");
        let secret = secret_of(&ciphertext, &user, &keys);
        let publics = [authority.public_key()];

        let unchanged = recommit(ciphertext.body.clone(), &secret, |_| ());
        assert_eq!(unchanged.encoded, ciphertext.encoded);
        decapsulate_checked(&unchanged, HEADER, &user, &keys, publics).unwrap();

        let broken = recommit(ciphertext.body.clone(), &secret, |body| body.rows[1].c1 += Gt::generator());
        decapsulate(&broken, HEADER, &user, &keys).unwrap();
        let refused = decapsulate_checked(&broken, HEADER, &user, &keys, publics);
        assert_eq!(refused, Err(Error::Dishonest));
    }

    /// A ciphertext that opens, with a commitment to what it opens to, but whose z does not follow from R.
    #[test]
    fn z_must_follow_from_the_secret() {
        let (authority, keys, user, ciphertext, _) = setup("a@x and b@x");
        let secret = secret_of(&ciphertext, &user, &keys);
        let other_z = recommit(ciphertext.body.clone(), &secret, |body| {
            body.c0 += Gt::generator();
            body.rows[0].c1 += Gt::generator();
        });
        assert!(secret_of(&other_z, &user, &keys) == secret);
        assert_eq!(decapsulate(&other_z, HEADER, &user, &keys), Err(Error::Commitment));
        let (tk, rk) = tkgen(&user, &keys, &mut OsRng).unwrap();
        let transformed = transform(&other_z, &tk).unwrap();
        assert_eq!(rk.finish(&other_z, HEADER, &transformed), Err(Error::TransformRejected));
        let checked = decapsulate_checked(&other_z, HEADER, &user, &keys, [authority.public_key()]);
        assert_eq!(checked, Err(Error::Commitment));
    }

    #[test]
    fn mode_and_generations_are_bound() {
        let (authority, keys, user, ciphertext, _) = setup("a@x and b@x");
        let mut bytes = ciphertext.to_bytes();
        assert_eq!(bytes[2], Mode::Derived as u8);
        bytes[2] = Mode::Precomputed as u8;
        let other_mode = Ciphertext::from_bytes(&bytes).unwrap();
        assert_eq!(other_mode.mode(), Mode::Precomputed);
        assert_eq!(decapsulate(&other_mode, HEADER, &user, &keys), Err(Error::Commitment));
        let publics = [authority.public_key()];
        let checked = decapsulate_checked(&other_mode, HEADER, &user, &keys, publics);
        assert_eq!(checked, Err(Error::Precomputed));
        for mode in [0, 3] {
            bytes[2] = mode;
            assert_eq!(Ciphertext::from_bytes(&bytes).unwrap_err().code(), "TSL-ABE-013");
        }

        let next = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let rotated = Err(Error::AuthorityRotated { authority: "x".parse().unwrap() });
        let mut renamed = ciphertext.body.clone();
        renamed.preamble.key_ids[0] = next.public_key().id();
        let renamed = recommit(renamed, &secret_of(&ciphertext, &user, &keys), |_| ());
        assert_eq!(decapsulate(&renamed, HEADER, &user, &keys), rotated);
        let checked = decapsulate_checked(&ciphertext, HEADER, &user, &keys, [next.public_key()]);
        assert_eq!(checked, rotated);
        // Keys that claim the other generation get as far as the check of z.
        let claiming: Vec<_> =
            keys.iter().map(|key| AttributeKey { key_id: next.public_key().id(), ..key.clone() }).collect();
        assert_eq!(decapsulate(&renamed, HEADER, &user, &claiming), Err(Error::Commitment));
    }

    #[test]
    fn every_component_takes_part() {
        let (_, keys, user, ciphertext, _) = setup("a@x and b@x");
        let opens = |body: Body| body.c0 - *body.open(&user, &keys).unwrap();
        let right = opens(ciphertext.body.clone());
        let changes: [fn(&mut Body); 5] = [
            |body| body.c0 += Gt::generator(),
            |body| body.rows[1].c1 += Gt::generator(),
            |body| body.rows[1].c2 += G2Projective::generator(),
            |body| body.rows[1].c3 += G2Projective::generator(),
            |body| body.rows[1].c4 += G1Projective::generator(),
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
        let secret = secret_of(&ciphertext, &user, &keys);
        let bob = authority.issue(&"bob".parse().unwrap(), [&keys[1].attribute], &mut OsRng).unwrap();
        keys[1] = AttributeKey { user: user.clone(), ..bob[0].clone() };
        assert!(secret_of(&ciphertext, &user, &keys) != secret);

        // e^z from each row opened with its own holder's H(uid): right but for H(uid)^omega.
        let open_row = |x: usize, holder: &str| {
            let (row, key) = (&ciphertext.body.rows[x], &keys[x]);
            let h = hash_user(&holder.parse().unwrap());
            row.c1 + Bls12381::pairing_product(&[(key.key.k, row.c2), (h, row.c3), (row.c4, key.key.l)])
        };
        let pooled = ciphertext.body.c0 - (open_row(0, "alice") + open_row(1, "bob"));
        assert!(pooled != secret);
        // Remove omega with the sender's coins: now pooling works.
        let mut coins = Schedule::new(&secret, HEADER, &ciphertext.body.preamble).unwrap().coins();
        let z = coins.scalar();
        ciphertext.policy().share(z, &mut || coins.scalar());
        let omegas = ciphertext.policy().share(Scalar::ZERO, &mut || coins.scalar());
        let omega = |x: usize, holder: &str| {
            let h = hash_user(&holder.parse().unwrap());
            Bls12381::pairing_product(&[(h, G2Projective::generator() * *omegas[x])])
        };
        assert!(pooled + omega(0, "alice") + omega(1, "bob") == secret);
    }

    #[test]
    fn a_repeated_attribute_costs_no_further_pairing_and_opens() {
        let (_, keys, user, ciphertext, key) = setup("a@x and (b@x and a@x) and 2 of (a@x, b@x, z@x)");
        assert_eq!(decapsulate(&ciphertext, HEADER, &user, &keys).unwrap(), key);
    }

    /// The rows of the two seeds, made apart and combined, are those of the ciphertext.
    #[test]
    fn rows_of_the_two_seeds_combine_to_the_ciphertext() {
        let policy: Policy = "a@x and 2 of (b@x, c@x, a@x)".parse().unwrap();
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let publics = Publics::new(&policy, [authority.public_key()]).unwrap();
        let secret = random_secret(&mut OsRng);
        let (direct, key) = seal(&secret, &policy, &publics, HEADER).unwrap();

        let preamble = Preamble::new(Mode::Derived, &policy, &publics);
        let schedule = Schedule::new(&secret, HEADER, &preamble).unwrap();
        let [a, b] = schedule.seeds().map(|seed| make_rows(&mut Coins::of_seed(seed), &policy, &publics));
        let rows = a.iter().zip(&b).map(|(a, b)| a.combine(b)).collect();
        assert_eq!(seal_rows(&secret, preamble, &schedule, rows), (direct, key));
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        let (authority, keys, _, _, key) = setup("a@x");
        assert_eq!(format!("{key:?}"), "SharedKey([redacted])");
        let shown = format!("{authority:?}");
        assert!(shown.contains("alpha: [redacted], y: [redacted]"), "{shown}");
        let shown = format!("{:?}", keys[0]);
        assert!(shown.contains("key: [redacted]"), "{shown}");
    }
}
