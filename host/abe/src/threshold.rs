//! A threshold authority: any t of n participants issue keys together, and t - 1 of them cannot.
//!
//! The participants generate the authority's secret (α, y) jointly, so that nobody ever holds it; each ends
//! with a [`Share`], the values of two polynomials of degree t - 1 at its own index. The public key is an
//! ordinary [`PublicKey`], and so are the keys it issues: who encrypts or reads sees no difference.
//!
//! **Generation** (Feldman's verifiable secret sharing, summed over the dealers, after a round of hashes).
//! Each participant deals two random polynomials.
//!
//! 0. It broadcasts a [`Pledge`], a hash of its dealing.
//! 1. With everybody's pledge in hand, it broadcasts its [`Dealing`]: the commitments e^(a_k), g2^(y_k) to
//!    all coefficients, and sends every other participant a [`PrivateShare`].
//! 2. It checks all it got, and adds up.
//!
//! Commitments to α live in the target group: g1^α or g2^α in public would let anybody unmask every row.
//! The pledges take from a participant that waits for the others' dealings the choice of its own, with
//! which it could shape the sum (Gennaro, Jarecki, Krawczyk, Rabin, *Secure Distributed Key Generation for
//! Discrete-Log Based Cryptosystems*, 1999) or cancel the others' (a rogue key). What remains: it can
//! refuse to go on once it knows the sum. It is named then; who starts over without it has given it the
//! choice between two keys, not more.
//!
//! **Misbehaviour** is named ([`Error::Ceremony`]) and ends the ceremony. A dealing announces the hash of
//! every private share, so a share that contradicts the commitments convicts its dealer before
//! third parties ([`Dealing::convicts`]).
//!
//! **Issuing.** Participant i answers with an ordinary key under its own share ([`PartialKey`]), which
//! anybody can check against its verification key. [`Group::combine`] interpolates t of them in the
//! exponent: K = Π K_i^c_i, L = Π L_i^c_i, with fresh r = Σ c_i r_i.
//!
//! **Refresh** re-randomises all shares under the same public key by dealing polynomials with value zero
//! at 0; shares stolen before and after do not combine. The old ones must be erased.
//!
//! The caller provides: channels that authenticate the participants to each other; confidentiality of the
//! private shares; broadcasts that are the same for all, which the participants make sure of by comparing
//! [`Group::fingerprint`] at the end; one fresh nonce per ceremony. All must take part to generate and to
//! refresh; t suffice to issue.
//!
//! ```
//! use twinseal_abe::rand_core::{OsRng, RngCore};
//! use twinseal_abe::threshold::{Ceremony, Dealing, Participant, Pledge, PrivateShare};
//!
//! # fn main() -> Result<(), twinseal_abe::Error> {
//! let mut nonce = [0; 32];
//! OsRng.fill_bytes(&mut nonce);
//! let ceremony = Ceremony::generate("ministry".parse()?, 2, 3, &nonce)?;
//!
//! // Each of these lives on a machine of its own.
//! let joined: Vec<_> =
//!     (1..=3).map(|i| Participant::join(&ceremony, i, &mut OsRng)).collect::<Result<_, _>>()?;
//! let (mut participants, pledges): (Vec<Participant>, Vec<Pledge>) = joined.into_iter().unzip();
//! let revealed: Vec<(Dealing, Vec<PrivateShare>)> =
//!     participants.iter_mut().map(|p| p.reveal(&pledges)).collect::<Result<_, _>>()?;
//! let (dealings, sent): (Vec<Dealing>, Vec<Vec<PrivateShare>>) = revealed.into_iter().unzip();
//! let mut shares = Vec::new();
//! for participant in &participants {
//!     let received = sent.iter().flatten().filter(|share| share.to() == participant.index());
//!     let received: Vec<PrivateShare> = received.cloned().collect();
//!     shares.push(participant.finish(&dealings, &received)?);
//! }
//!
//! // Participants 1 and 3 issue; anybody combines.
//! let (user, doctor) = ("alice".parse()?, "doctor@ministry".parse()?);
//! let ((one, group), (three, same_group)) = (&shares[0], &shares[2]);
//! assert_eq!(group.fingerprint(), same_group.fingerprint());
//! let mut partials = one.issue(&user, [&doctor], &mut OsRng)?;
//! partials.extend(three.issue(&user, [&doctor], &mut OsRng)?);
//! let keys = group.combine(&partials)?;
//! keys[0].verify(group.public_key())?;
//! # Ok(())
//! # }
//! ```

use crate::authority::{AttributeKey, Authority, KeyId, PublicKey};
use crate::codec::{GT_BYTES, Kind, Reader, Writer};
use crate::curve::Curve;
use crate::groups::{Bls12381, Secret, random_scalar};
use crate::scheme::Key;
use crate::{Attribute, AuthorityId, Error, UserId};
use blstrs::{G2Projective, Gt, Scalar};
use ff::Field;
use group::Group as _;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Most participants of a threshold authority.
pub const MAX_PARTICIPANTS: u8 = 64;

type Hash = [u8; 32];

/// What is being done, by whom: every message names it, so that those of two ceremonies do not mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    authority: AuthorityId,
    threshold: u8,
    participants: u8,
    /// The group whose shares are refreshed; none when a key is generated.
    refreshed: Option<Box<Group>>,
    id: Hash,
}

impl Ceremony {
    /// Generates the key of `authority`, of which `threshold` of `participants` issue.
    ///
    /// `nonce` is the same for all and never used before; it need not be secret. Fails with
    /// [`Error::ThresholdShape`] unless 2 <= `threshold` <= `participants` <= [`MAX_PARTICIPANTS`].
    pub fn generate(
        authority: AuthorityId,
        threshold: u8,
        participants: u8,
        nonce: &[u8; 32],
    ) -> Result<Self, Error> {
        if threshold < 2 || threshold > participants || participants > MAX_PARTICIPANTS {
            return Err(Error::ThresholdShape { threshold, participants });
        }
        let name = authority.as_str().as_bytes();
        let id = hash(b"generate", &[nonce, &[threshold, participants], name]);
        Ok(Self { authority, threshold, participants, refreshed: None, id })
    }

    /// Refreshes the shares of `group`; `nonce` as above.
    pub fn refresh(group: &Group, nonce: &[u8; 32]) -> Self {
        Self {
            authority: group.public_key.authority().clone(),
            threshold: group.threshold(),
            participants: group.participants(),
            id: hash(b"refresh", &[nonce, &group.fingerprint]),
            refreshed: Some(Box::new(group.clone())),
        }
    }

    /// Commitments a dealing has: a refresh commits to zero by leaving the constant term out.
    fn coefficients(&self) -> usize {
        usize::from(self.threshold) - usize::from(self.refreshed.is_some())
    }

    /// One message of each participant, in order; their content is the caller's to check.
    fn sorted<'m, M>(&self, messages: &'m [M], origin: fn(&M) -> &Origin) -> Result<Vec<&'m M>, Error> {
        let mut by_index = BTreeMap::new();
        for message in messages {
            let Origin { ceremony, participant } = *origin(message);
            if ceremony != self.id || !(1..=self.participants).contains(&participant) {
                return Err(Error::Ceremony { participant, problem: "a message of another ceremony" });
            }
            if by_index.insert(participant, message).is_some() {
                return Err(Error::Ceremony { participant, problem: "two messages for one round" });
            }
        }
        let missing = (1..=self.participants).find(|index| !by_index.contains_key(index));
        match missing {
            Some(participant) => Err(Error::Ceremony { participant, problem: "its message is missing" }),
            None => Ok(by_index.into_values().collect()),
        }
    }
}

/// One participant in a ceremony. Lives in memory only: one that restarts begins a new ceremony.
#[derive(Debug)]
pub struct Participant {
    ceremony: Ceremony,
    index: u8,
    /// What the sum of the dealings is added to: zero when a key is generated.
    base: Secret<Pair>,
    dealing: Dealing,
    shares: Vec<PrivateShare>,
    /// Everybody's, once the dealing has been revealed.
    pledges: Option<Vec<Pledge>>,
}

impl Participant {
    /// Takes part in the generation of a key as number `index`, from 1; draws the polynomials.
    ///
    /// Broadcast the pledge. Fails with [`Error::Ceremony`] if there is no such participant, or if
    /// `ceremony` is a refresh.
    pub fn join(
        ceremony: &Ceremony,
        index: u8,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Pledge), Error> {
        let fits = ceremony.refreshed.is_none() && (1..=ceremony.participants).contains(&index);
        match fits {
            true => Ok(Self::deal(ceremony, index, Secret::new(Default::default()), rng)),
            false => Err(Error::Ceremony { participant: index, problem: "it has no part in this ceremony" }),
        }
    }

    /// Takes part in a refresh with the `share` to be replaced.
    ///
    /// Broadcast the pledge. Fails with [`Error::Ceremony`] if `share` is not of the group being refreshed, or
    /// not what that group commits to.
    pub fn join_refresh(
        ceremony: &Ceremony,
        share: &Share,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Pledge), Error> {
        let fails = |problem| Err(Error::Ceremony { participant: share.index, problem });
        match &ceremony.refreshed {
            Some(group) if group.fingerprint != share.group => fails("its share is of another group"),
            // The share's own e^alpha and g2^y under the authority's name.
            Some(group) if group.verification_key(share.index) != Some(share.authority.public_key()) => {
                fails("its share is not what the group commits to")
            }
            Some(_) => Ok(Self::deal(ceremony, share.index, share.secrets.clone(), rng)),
            None => fails("it has no part in this ceremony"),
        }
    }

    fn deal(
        ceremony: &Ceremony,
        index: u8,
        base: Secret<Pair>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> (Self, Pledge) {
        let mut coefficients: Vec<Secret<Pair>> = (0..ceremony.coefficients())
            .map(|_| Secret::new(Pair { alpha: *random_scalar(rng), y: *random_scalar(rng) }))
            .collect();
        let commitments: Vec<Commitment> = coefficients.iter().map(|pair| pair.commit()).collect();
        if ceremony.refreshed.is_some() {
            coefficients.insert(0, Secret::new(Default::default()));
        }
        let origin = Origin { ceremony: ceremony.id, participant: index };
        let deal_one = |to: u8| {
            let mut salt = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *salt);
            PrivateShare { origin: origin.clone(), to, values: Pair::at(&coefficients, to), salt }
        };
        let shares: Vec<PrivateShare> = (1..=ceremony.participants).map(deal_one).collect();
        let announced = shares.iter().map(PrivateShare::hash).collect();
        let dealing = Dealing { origin: origin.clone(), commitments, announced };
        let pledge = Pledge { origin, hash: dealing.hash() };
        (Self { ceremony: ceremony.clone(), index, base, dealing, shares, pledges: None }, pledge)
    }

    /// Its number, from 1.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// With the `pledges` of all participants, its own included: the dealing to broadcast, and the
    /// private share for each other participant.
    ///
    /// The first set of pledges counts. Fails with [`Error::Ceremony`].
    pub fn reveal(&mut self, pledges: &[Pledge]) -> Result<(Dealing, Vec<PrivateShare>), Error> {
        let pledges: Vec<Pledge> =
            self.ceremony.sorted(pledges, |p| &p.origin)?.into_iter().cloned().collect();
        if pledges[usize::from(self.index) - 1].hash != self.dealing.hash() {
            return Err(Error::Ceremony { participant: self.index, problem: "its own pledge was altered" });
        }
        if self.pledges.get_or_insert_with(|| pledges.clone()) != &pledges {
            return Err(Error::Ceremony {
                participant: self.index,
                problem: "it revealed its dealing for other pledges",
            });
        }
        let shares = self.shares.iter().filter(|share| share.to != self.index).cloned().collect();
        Ok((self.dealing.clone(), shares))
    }

    /// With the `dealings` of all participants, its own included, and the private `shares` the others sent it:
    /// its share of the secret, and the group.
    ///
    /// Fails with [`Error::Ceremony`], naming who cheated or is missing. Before the first key is
    /// issued the participants compare [`Group::fingerprint`].
    pub fn finish(&self, dealings: &[Dealing], shares: &[PrivateShare]) -> Result<(Share, Group), Error> {
        let fails = |participant: u8, problem| Err(Error::Ceremony { participant, problem });
        let Some(pledges) = &self.pledges else {
            return fails(self.index, "it has not revealed its dealing");
        };
        let dealings = self.ceremony.sorted(dealings, |d| &d.origin)?;
        for (dealing, pledge) in dealings.iter().zip(pledges) {
            let dealer = dealing.origin.participant;
            if dealing.hash() != pledge.hash {
                return fails(dealer, "its dealing is not the one it pledged");
            }
            if dealing.commitments.len() != self.ceremony.coefficients() {
                return fails(dealer, "its polynomials have another degree than agreed");
            }
            if dealing.announced.len() != usize::from(self.ceremony.participants) {
                return fails(dealer, "its dealing is for another number of participants");
            }
        }
        let own = usize::from(self.index) - 1;
        let shares = [shares, &self.shares[own..=own]].concat();
        let shares = self.ceremony.sorted(&shares, |s| &s.origin)?;
        let mut sum = self.base.clone();
        for (share, dealing) in shares.iter().zip(&dealings) {
            let dealer = share.origin.participant;
            if share.to != self.index || dealing.announced[own] != share.hash() {
                return fails(dealer, "the private share is not the one it announced");
            }
            if dealing.contradicts(share, &self.ceremony) {
                return fails(dealer, "its private share contradicts its commitments");
            }
            sum.alpha += share.values.alpha;
            sum.y += share.values.y;
        }

        let mut commitments = match &self.ceremony.refreshed {
            Some(group) => group.commitments.clone(),
            None => vec![Commitment::identity(); self.ceremony.coefficients()],
        };
        let constants = commitments.len() - self.ceremony.coefficients();
        for dealing in dealings {
            for (total, commitment) in commitments[constants..].iter_mut().zip(&dealing.commitments) {
                *total = total.plus(commitment);
            }
        }
        let group = Group::new(self.ceremony.authority.clone(), self.ceremony.participants, commitments);
        let share = Share::new(group.fingerprint, self.index, self.ceremony.authority.clone(), sum);
        Ok((share, group))
    }
}

/// The ceremony and the sender of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    ceremony: Hash,
    participant: u8,
}

impl Origin {
    const BYTES: usize = 33;

    fn write(&self, writer: &mut Writer) {
        writer.array(&self.ceremony);
        writer.array(&[self.participant]);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { ceremony: reader.array()?, participant: index(reader)? })
    }
}

/// Round 0, to all: a hash of the sender's dealing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pledge {
    origin: Origin,
    hash: Hash,
}

impl Pledge {
    /// Who claims to have sent it.
    pub fn from(&self) -> u8 {
        self.origin.participant
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Kind::Pledge, 2 + Origin::BYTES + 32);
        self.origin.write(&mut writer);
        writer.array(&self.hash);
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Pledge, bytes)?;
        let pledge = Self { origin: Origin::read(&mut reader)?, hash: reader.array()? };
        reader.finish()?;
        Ok(pledge)
    }
}

/// Round 1, to all: commitments to the sender's polynomials, and the hash of every private share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealing {
    origin: Origin,
    /// To the coefficients, the constant first (which a refresh leaves out).
    commitments: Vec<Commitment>,
    /// Of the share for each participant.
    announced: Vec<Hash>,
}

impl Dealing {
    /// Who claims to have sent it.
    pub fn from(&self) -> u8 {
        self.origin.participant
    }

    /// Whether `share`, which its receiver makes public to complain, proves to anybody that the dealer
    /// cheated: it is the share this dealing announces, and contradicts the commitments.
    ///
    /// A share that is not the announced one proves nothing; then the dealer has to publish that.
    pub fn convicts(&self, share: &PrivateShare, ceremony: &Ceremony) -> bool {
        let announced = self.announced.get(usize::from(share.to).wrapping_sub(1));
        self.origin.ceremony == ceremony.id
            && announced == Some(&share.hash())
            && self.contradicts(share, ceremony)
    }

    fn contradicts(&self, share: &PrivateShare, ceremony: &Ceremony) -> bool {
        let mut expected = Commitment::at(&self.commitments, share.to);
        if ceremony.refreshed.is_some() {
            expected = expected.small_times(share.to);
        }
        share.values.commit() != expected
    }

    fn hash(&self) -> Hash {
        hash(b"dealing", &[&self.to_bytes()])
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let capacity =
            2 + Origin::BYTES + 4 + self.commitments.len() * (GT_BYTES + 96) + 32 * self.announced.len();
        let mut writer = Writer::new(Kind::Dealing, capacity);
        self.origin.write(&mut writer);
        Commitment::write_all(&self.commitments, &mut writer);
        writer.count(self.announced.len() as u16);
        self.announced.iter().for_each(|hash| writer.array(hash));
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Dealing, bytes)?;
        let origin = Origin::read(&mut reader)?;
        let commitments = Commitment::read_all(&mut reader)?;
        let announced = (0..count(&mut reader)?).map(|_| reader.array()).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { origin, commitments, announced })
    }
}

/// Round 1, to one participant, in confidence: the values of the sender's polynomials at its index.
#[derive(Clone)]
pub struct PrivateShare {
    origin: Origin,
    to: u8,
    values: Secret<Pair>,
    /// Keeps the announced hash from giving the values away.
    salt: Zeroizing<[u8; 32]>,
}

impl PrivateShare {
    /// Who claims to have sent it.
    pub fn from(&self) -> u8 {
        self.origin.participant
    }

    /// Who it is for.
    pub fn to(&self) -> u8 {
        self.to
    }

    fn hash(&self) -> Hash {
        hash(b"private share", &[&self.to_bytes()])
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(Kind::PrivateShare, 2 + Origin::BYTES + 1 + 2 * 32 + 32);
        self.origin.write(&mut writer);
        writer.array(&[self.to]);
        writer.scalar(&self.values.alpha);
        writer.scalar(&self.values.y);
        writer.array(&*self.salt);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::PrivateShare, bytes)?;
        let share = Self {
            origin: Origin::read(&mut reader)?,
            to: index(&mut reader)?,
            // Zero is a value like any other: refused here, a dealer could choose whom its dealing excludes.
            values: Secret::new(Pair { alpha: reader.scalar_or_zero()?, y: reader.scalar_or_zero()? }),
            salt: Zeroizing::new(reader.array()?),
        };
        reader.finish()?;
        Ok(share)
    }
}

impl fmt::Debug for PrivateShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateShare {{ from: {}, to: {}, values: [redacted] }}", self.from(), self.to)
    }
}

/// What everybody may know of a threshold authority: its public key, and each participant's.
#[derive(Clone)]
pub struct Group {
    public_key: PublicKey,
    /// To the sums of the dealt polynomials. All else follows from them.
    commitments: Vec<Commitment>,
    verification_keys: Vec<PublicKey>,
    fingerprint: Hash,
}

impl Group {
    fn new(authority: AuthorityId, participants: u8, commitments: Vec<Commitment>) -> Self {
        let key_at = |x: u8| {
            let Commitment { a, y } = Commitment::at(&commitments, x);
            PublicKey::new(authority.clone(), a, y)
        };
        let mut group = Self {
            public_key: key_at(0),
            verification_keys: (1..=participants).map(key_at).collect(),
            fingerprint: [0; 32],
            commitments,
        };
        group.fingerprint = hash(b"group", &[&group.to_bytes()]);
        group
    }

    /// The authority's public key, under which data is encrypted.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// How many participants issue together.
    pub fn threshold(&self) -> u8 {
        self.commitments.len() as u8
    }

    /// How many participants there are.
    pub fn participants(&self) -> u8 {
        self.verification_keys.len() as u8
    }

    /// What the partial keys of `participant`, from 1, verify under.
    pub fn verification_key(&self, participant: u8) -> Option<&PublicKey> {
        self.verification_keys.get(usize::from(participant).wrapping_sub(1))
    }

    /// A hash of all of it, for the participants to compare.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether the participant that `partial` names made it.
    ///
    /// Fails with [`Error::PartialKeysWrong`].
    pub fn verify(&self, partial: &PartialKey) -> Result<(), Error> {
        match self.verification_key(partial.participant) {
            Some(key) if partial.key.verify(key).is_ok() => Ok(()),
            _ => Err(partial.wrong()),
        }
    }

    /// The keys that `partials` make up: for each attribute they name, the partial keys of at least as
    /// many participants as the threshold.
    ///
    /// Whatever it returns verifies under [`Self::public_key`]. Fails with
    /// [`Error::PartialKeysWrong`] naming who sent a wrong one, another group's or two for one attribute,
    /// with [`Error::PartialKeysMissing`], or with [`Error::KeyOfAnotherUser`].
    pub fn combine<'a>(
        &self,
        partials: impl IntoIterator<Item = &'a PartialKey>,
    ) -> Result<Vec<AttributeKey>, Error> {
        let mut by_attribute: BTreeMap<&Attribute, BTreeMap<u8, &PartialKey>> = BTreeMap::new();
        let mut user: Option<&UserId> = None;
        for partial in partials {
            if *user.get_or_insert(partial.key.user()) != partial.key.user() {
                return Err(Error::KeyOfAnotherUser { attribute: partial.key.attribute().clone() });
            }
            let of_attribute = by_attribute.entry(partial.key.attribute()).or_default();
            if of_attribute.insert(partial.participant, partial).is_some() {
                return Err(partial.wrong());
            }
        }
        by_attribute.iter().map(|(attribute, partials)| self.combine_one(attribute, partials)).collect()
    }

    fn combine_one(
        &self,
        attribute: &Attribute,
        partials: &BTreeMap<u8, &PartialKey>,
    ) -> Result<AttributeKey, Error> {
        let chosen: Vec<(&u8, &&PartialKey)> = partials.iter().take(self.commitments.len()).collect();
        let mut combined: Secret<Key<Bls12381>> = Secret::new(Default::default());
        for (index, partial) in &chosen {
            let weight = lagrange_at_zero(**index, chosen.iter().map(|(other, _)| **other));
            combined.k += partial.key.key.k * weight;
            combined.l += partial.key.key.l * weight;
        }
        let user = chosen.first().map(|(_, partial)| partial.key.user().clone());
        let enough = user.filter(|_| chosen.len() == self.commitments.len());
        let Some(user) = enough else {
            return Err(Error::PartialKeysMissing {
                attribute: attribute.clone(),
                present: partials.len(),
                threshold: self.threshold(),
            });
        };
        let key = AttributeKey::new(user, attribute.clone(), self.public_key.id(), *combined);
        // One check for all. Only if it fails is it worth knowing whose fault that is.
        key.verify(&self.public_key).map(|()| key).map_err(|error| {
            let wrong = partials.iter().filter(|(_, partial)| self.verify(partial).is_err());
            let participants: Vec<u8> = wrong.map(|(index, _)| *index).collect();
            match participants.is_empty() {
                true => error,
                false => Error::PartialKeysWrong { attribute: attribute.clone(), participants },
            }
        })
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let capacity = 2 + 66 + 1 + 2 + self.commitments.len() * (GT_BYTES + 96);
        let mut writer = Writer::new(Kind::Group, capacity);
        writer.text(self.public_key.authority().as_str());
        writer.array(&[self.participants()]);
        Commitment::write_all(&self.commitments, &mut writer);
        writer.finish()
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or [`Error::Name`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::Group, bytes)?;
        let (authority, participants) = (reader.parsed()?, index(&mut reader)?);
        let commitments = Commitment::read_all(&mut reader)?;
        if !(2..=usize::from(participants)).contains(&commitments.len()) {
            return Err(reader.error("a threshold out of range"));
        }
        reader.finish()?;
        Ok(Self::new(authority, participants, commitments))
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Group {}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({}: ", self.public_key.authority())?;
        write!(f, "{} of {}, {:?})", self.threshold(), self.participants(), self.public_key.id())
    }
}

/// One participant's share of the authority's secret. Secret.
#[derive(Debug, Clone)]
pub struct Share {
    group: Hash,
    index: u8,
    secrets: Secret<Pair>,
    /// Issues under this share as if it were an authority's secret.
    authority: Authority,
}

impl Share {
    fn new(group: Hash, index: u8, authority: AuthorityId, secrets: Secret<Pair>) -> Self {
        let authority =
            Authority::from_secrets(authority, Secret::new(secrets.alpha), Secret::new(secrets.y));
        Self { group, index, secrets, authority }
    }

    /// Whose share it is, from 1.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// The [`Group::fingerprint`] of the group it belongs to.
    pub fn group(&self) -> &[u8; 32] {
        &self.group
    }

    /// This participant's part of `user`'s keys for `attributes`. It has established by itself that the
    /// user has them.
    ///
    /// Fails with [`Error::ForeignAttribute`] if one belongs to another authority.
    pub fn issue<'a>(
        &self,
        user: &UserId,
        attributes: impl IntoIterator<Item = &'a Attribute>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<PartialKey>, Error> {
        let keys = self.authority.issue(user, attributes, rng)?;
        Ok(keys.into_iter().map(|key| PartialKey { participant: self.index, key }).collect())
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(Kind::GroupShare, 2 + 32 + 1 + 66 + 2 * 32);
        writer.array(&self.group);
        writer.array(&[self.index]);
        writer.text(self.authority.public_key().authority().as_str());
        writer.scalar(&self.secrets.alpha);
        writer.scalar(&self.secrets.y);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`] or [`Error::Name`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::GroupShare, bytes)?;
        let (group, index, authority) = (reader.array()?, index(&mut reader)?, reader.parsed()?);
        let secrets = Secret::new(Pair { alpha: reader.scalar()?, y: reader.scalar()? });
        reader.finish()?;
        Ok(Self::new(group, index, authority, secrets))
    }
}

/// One participant's part of a user's key for one attribute. Secret, like the key.
#[derive(Debug, Clone)]
pub struct PartialKey {
    participant: u8,
    /// A key like any other, under the participant's verification key.
    key: AttributeKey,
}

impl PartialKey {
    /// Who claims to have made it.
    pub fn from(&self) -> u8 {
        self.participant
    }

    /// Whose key it is a part of.
    pub fn user(&self) -> &UserId {
        self.key.user()
    }

    /// What that key is for.
    pub fn attribute(&self) -> &Attribute {
        self.key.attribute()
    }

    fn wrong(&self) -> Error {
        Error::PartialKeysWrong { attribute: self.attribute().clone(), participants: vec![self.participant] }
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let capacity = 2 + 1 + 130 + 164 + KeyId::BYTES + 48 + 96;
        let mut writer = Writer::new(Kind::PartialKey, capacity);
        writer.array(&[self.participant]);
        writer.text(self.user().as_str());
        writer.text(&self.attribute().to_string());
        writer.array(self.key.key_id().as_bytes());
        writer.key(&self.key.key);
        Zeroizing::new(writer.finish())
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`], [`Error::Name`] or [`Error::UserId`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(Kind::PartialKey, bytes)?;
        let participant = index(&mut reader)?;
        let (user, attribute, key_id) = (reader.parsed()?, reader.parsed()?, KeyId(reader.array()?));
        let key = AttributeKey::new(user, attribute, key_id, reader.key()?);
        reader.finish()?;
        Ok(Self { participant, key })
    }
}

/// Coefficients, or values at one point, of the two polynomials.
#[derive(Clone, Copy)]
struct Pair {
    alpha: Scalar,
    y: Scalar,
}

impl Default for Pair {
    fn default() -> Self {
        Self { alpha: Scalar::ZERO, y: Scalar::ZERO }
    }
}

impl Pair {
    fn commit(&self) -> Commitment {
        Commitment { a: Bls12381::gt_times(&self.alpha), y: Bls12381::g2_times(&self.y) }
    }

    /// The values at `x` of the polynomials with these coefficients.
    fn at(coefficients: &[Secret<Pair>], x: u8) -> Secret<Pair> {
        let x = Scalar::from(u64::from(x));
        let mut value: Secret<Pair> = Secret::new(Default::default());
        for coefficient in coefficients.iter().rev() {
            value.alpha = value.alpha * x + coefficient.alpha;
            value.y = value.y * x + coefficient.y;
        }
        value
    }
}

/// e^alpha and g2^y of a [`Pair`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Commitment {
    a: Gt,
    y: G2Projective,
}

impl Commitment {
    fn identity() -> Self {
        Self { a: Gt::identity(), y: G2Projective::identity() }
    }

    fn plus(&self, other: &Self) -> Self {
        Self { a: self.a + other.a, y: self.y + other.y }
    }

    /// `x` times, by doubling and adding: everything here is public.
    fn small_times(&self, x: u8) -> Self {
        (0..8).rev().fold(Self::identity(), |product, bit| {
            let doubled = Self { a: product.a.double(), y: product.y.double() };
            if x >> bit & 1 == 1 { doubled.plus(self) } else { doubled }
        })
    }

    /// The commitment to the values at `x` of the polynomials with these coefficients.
    fn at(coefficients: &[Commitment], x: u8) -> Self {
        let value = Self::identity();
        coefficients.iter().rev().fold(value, |value, coefficient| value.small_times(x).plus(coefficient))
    }

    fn write_all(commitments: &[Self], writer: &mut Writer) {
        writer.count(commitments.len() as u16);
        for Commitment { a, y } in commitments {
            writer.gt(a);
            writer.g2(y);
        }
    }

    fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, Error> {
        (0..count(reader)?).map(|_| Ok(Self { a: reader.gt()?, y: reader.g2()? })).collect()
    }
}

fn index(reader: &mut Reader<'_>) -> Result<u8, Error> {
    let [index] = reader.array()?;
    match (1..=MAX_PARTICIPANTS).contains(&index) {
        true => Ok(index),
        false => Err(reader.error("a participant out of range")),
    }
}

fn count(reader: &mut Reader<'_>) -> Result<u16, Error> {
    match reader.count()? {
        count if count <= u16::from(MAX_PARTICIPANTS) => Ok(count),
        _ => Err(reader.error("more participants than allowed")),
    }
}

/// The Lagrange coefficient at 0 of point `i` among `points`, which are distinct and not zero.
fn lagrange_at_zero(i: u8, points: impl Iterator<Item = u8>) -> Scalar {
    let scalar = |x: u8| Scalar::from(u64::from(x));
    let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
    for j in points.filter(|&j| j != i) {
        numerator *= scalar(j);
        denominator *= scalar(j) - scalar(i);
    }
    // Never zero: the points are distinct and below the group order.
    numerator * denominator.invert().unwrap_or(Scalar::ZERO)
}

/// SHA-256 under a label; of the parts all but the last have a fixed length for each label.
fn hash(label: &[u8], parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new().chain_update(b"TWINSEAL-V02-ABE-THRESHOLD ").chain_update(label);
    hash.update([0]);
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
