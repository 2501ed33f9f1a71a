//! Threshold authorities: who can issue, who cannot, and who is named for cheating.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

mod common;

use blstrs::{Compress, G1Affine, G2Affine, Gt, Scalar};
use common::parts;
use ff::Field;
use group::Group as _;
use group::prime::PrimeCurveAffine;
use sha2::{Digest, Sha256};
use twinseal_abe::rand_core::{CryptoRng, Error as RngError, OsRng, RngCore};
use twinseal_abe::threshold::{
    Ceremony, Dealing, Group, MAX_PARTICIPANTS, PartialKey, Participant, Pledge, PrivateShare, Share,
};
use twinseal_abe::{Attribute, AttributeKey, Error, PublicKey, UserId, decapsulate, encapsulate};

const HEADER: &[u8] = b"record 7";

fn nonce() -> [u8; 32] {
    let mut nonce = [0; 32];
    OsRng.fill_bytes(&mut nonce);
    nonce
}

fn ceremony(threshold: u8, participants: u8) -> Ceremony {
    Ceremony::generate("x".parse().unwrap(), threshold, participants, &nonce()).unwrap()
}

fn alice() -> UserId {
    "alice".parse().unwrap()
}

fn attribute(text: &str) -> Attribute {
    text.parse().unwrap()
}

/// A ceremony up to the messages of round 1, which a test may alter before [`Run::finish`].
struct Run {
    participants: Vec<Participant>,
    pledges: Vec<Pledge>,
    dealings: Vec<Dealing>,
    shares: Vec<PrivateShare>,
}

impl Run {
    fn generate(ceremony: &Ceremony, participants: u8) -> Self {
        Self::of((1..=participants).map(|i| Participant::join(ceremony, i, &mut OsRng).unwrap()))
    }

    fn refresh(ceremony: &Ceremony, shares: &[Share]) -> Self {
        Self::of(shares.iter().map(|s| Participant::join_refresh(ceremony, s, &mut OsRng).unwrap()))
    }

    fn of(joined: impl Iterator<Item = (Participant, Pledge)>) -> Self {
        let (mut participants, pledges): (Vec<_>, Vec<_>) = joined.unzip();
        let (dealings, shares): (Vec<_>, Vec<_>) =
            participants.iter_mut().map(|p| p.reveal(&pledges).unwrap()).unzip();
        Self { participants, pledges, dealings, shares: shares.concat() }
    }

    /// What each participant ends with; all messages travel as bytes.
    fn finish(&self) -> Vec<Result<(Share, Group), Error>> {
        let dealings: Vec<_> =
            self.dealings.iter().map(|d| Dealing::from_bytes(&d.to_bytes()).unwrap()).collect();
        let finish_one = |participant: &Participant| {
            let received = self.shares.iter().filter(|s| s.to() == participant.index());
            let shares: Vec<_> = received.map(|s| PrivateShare::from_bytes(&s.to_bytes()).unwrap()).collect();
            participant.finish(&dealings, &shares)
        };
        self.participants.iter().map(finish_one).collect()
    }

    fn group(&self) -> (Vec<Share>, Group) {
        let (shares, groups): (Vec<_>, Vec<_>) = self.finish().into_iter().map(Result::unwrap).unzip();
        assert!(groups.iter().all(|group| group.to_bytes() == groups[0].to_bytes()));
        (shares, groups[0].clone())
    }
}

fn generated(threshold: u8, participants: u8) -> (Vec<Share>, Group) {
    Run::generate(&ceremony(threshold, participants), participants).group()
}

fn partials(shares: &[Share], indices: &[u8], attributes: &[&str]) -> Vec<PartialKey> {
    let attributes: Vec<_> = attributes.iter().map(|text| attribute(text)).collect();
    let of = |&i: &u8| shares[usize::from(i) - 1].issue(&alice(), &attributes, &mut OsRng).unwrap();
    indices.iter().flat_map(of).collect()
}

fn opens(key: &PublicKey, keys: &[AttributeKey]) -> Result<(), Error> {
    let (ciphertext, sealed) =
        encapsulate(&"a@x and b@x".parse().unwrap(), [key], HEADER, &mut OsRng).unwrap();
    decapsulate(&ciphertext, HEADER, &alice(), keys).map(|opened| assert_eq!(opened, sealed))
}

fn subsets(participants: u8, size: u32) -> impl Iterator<Item = Vec<u8>> {
    let all = (0u32..1 << participants).filter(move |set| set.count_ones() == size);
    all.map(move |set| (1..=participants).filter(|i| set >> (i - 1) & 1 == 1).collect())
}

#[test]
fn every_set_of_enough_participants_issues_keys_that_open() {
    for (threshold, participants) in [(2, 3), (3, 5)] {
        let (shares, group) = generated(threshold, participants);
        let mut sets = 0;
        for set in subsets(participants, threshold.into()).chain([(1..=participants).collect()]) {
            let partials = partials(&shares, &set, &["a@x", "b@x"]);
            partials.iter().for_each(|partial| group.verify(partial).unwrap());
            let keys = group.combine(&partials).unwrap();
            assert_eq!(keys.len(), 2);
            keys.iter().for_each(|key| key.verify(group.public_key()).unwrap());
            opens(group.public_key(), &keys).unwrap();
            sets += 1;
        }
        assert_eq!(sets, if participants == 3 { 4 } else { 11 });
    }
}

#[test]
fn fewer_than_the_threshold_are_told_so() {
    let (shares, group) = generated(3, 5);
    let refused = group.combine(&partials(&shares, &[2, 5], &["a@x"])).unwrap_err();
    let expected = Error::PartialKeysMissing { attribute: attribute("a@x"), present: 2, threshold: 3 };
    assert_eq!(refused, expected);
    // Enough for one attribute is not enough for another.
    let mut uneven = partials(&shares, &[1, 2, 3], &["a@x"]);
    uneven.extend(partials(&shares, &[1, 2], &["b@x"]));
    assert_eq!(group.combine(&uneven).unwrap_err().code(), "TSL-ABE-027");
    assert!(group.combine([]).unwrap().is_empty());
}

/// The secrets in an encoded share: its last 64 bytes.
fn secrets(share: &Share) -> [Scalar; 2] {
    let bytes = share.to_bytes();
    let (rest, y) = bytes.split_last_chunk::<32>().unwrap();
    let alpha = rest.last_chunk::<32>().unwrap();
    [alpha, y].map(|bytes| Scalar::from_bytes_be(bytes).unwrap())
}

fn lagrange(i: u8, points: &[u8]) -> Scalar {
    let scalar = |x: u8| Scalar::from(u64::from(x));
    let others = points.iter().filter(|&&j| j != i);
    others.fold(Scalar::ONE, |c, &j| c * scalar(j) * (scalar(j) - scalar(i)).invert().unwrap())
}

fn forge(key: &PublicKey, attribute: &str, k: G1Affine, l: G2Affine) -> AttributeKey {
    let mut bytes = vec![2, 3];
    for text in ["alice", attribute] {
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(key.id().as_bytes());
    bytes.extend(k.to_compressed());
    bytes.extend(l.to_compressed());
    AttributeKey::from_bytes(&bytes).unwrap()
}

/// Everything t - 1 colluders have, and a guess for one more: two ways to put a key together. With the
/// true share in place of the guess both work, so the attack is carried out right.
#[test]
fn one_participant_short_of_the_threshold_cannot_make_a_key() {
    let (shares, group) = generated(3, 5);
    let set = [1, 4, 5];
    let attack = |last: &Share| {
        // As participants: an honest-looking partial key of participant 5.
        let three = [&shares[0], &shares[3], last];
        let attributes = ["a@x", "b@x"].map(attribute);
        let partials: Vec<PartialKey> =
            three.iter().flat_map(|s| s.issue(&alice(), &attributes, &mut OsRng).unwrap()).collect();
        // By hand: interpolated without anybody's checks, under the group's name.
        let by_hand = [0, 1].map(|which| {
            let weighted = set.iter().enumerate().map(|(i, &x)| {
                let (k, l) = parts(&partials[2 * i + which].to_bytes());
                (k * lagrange(x, &set), l * lagrange(x, &set))
            });
            let (k, l) = weighted.reduce(|a, b| (a.0 + b.0, a.1 + b.1)).unwrap();
            forge(group.public_key(), ["a@x", "b@x"][which], k.into(), l.into())
        });
        // And the secret itself, interpolated.
        let alpha: Scalar = three.iter().zip(set).map(|(s, x)| secrets(s)[0] * lagrange(x, &set)).sum();
        (group.combine(&partials), by_hand, Gt::generator() * alpha)
    };
    let public = group.public_key().to_bytes();
    let carries = |a: Gt| {
        let mut bytes = Vec::new();
        a.write_compressed(&mut bytes).unwrap();
        public.windows(bytes.len()).any(|window| window == bytes)
    };

    let (combined, by_hand, alpha) = attack(&shares[4]);
    assert!(combined.is_ok() && carries(alpha));
    opens(group.public_key(), &by_hand).unwrap();

    let mut guess = shares[4].to_bytes();
    for scalar in [64, 32] {
        let at = guess.len() - scalar;
        guess[at..at + 32].copy_from_slice(&Scalar::random(OsRng).to_bytes_be());
    }
    let (combined, by_hand, alpha) = attack(&Share::from_bytes(&guess).unwrap());
    let wrong = Error::PartialKeysWrong { attribute: attribute("a@x"), participants: vec![5] };
    assert_eq!(combined.unwrap_err(), wrong);
    assert!(!carries(alpha));
    by_hand.iter().for_each(|key| assert!(key.verify(group.public_key()).is_err()));
    assert_eq!(opens(group.public_key(), &by_hand), Err(Error::Commitment));
}

#[test]
fn wrong_partial_keys_are_named() {
    let (shares, group) = generated(2, 3);
    let two = |one: PartialKey, other: PartialKey| group.combine([&one, &other]).map(|keys| keys.len());
    let partial = |i: u8, of: &str| partials(&shares, &[i], &[of]).remove(0);
    let wrong = |participant: u8| {
        Err(Error::PartialKeysWrong { attribute: attribute("a@x"), participants: vec![participant] })
    };
    assert_eq!(two(partial(1, "a@x"), partial(2, "a@x")), Ok(1));

    // K of one attribute under the name of another.
    let mut relabelled = partial(2, "b@x").to_bytes();
    let at = relabelled.windows(3).position(|w| w == b"b@x").unwrap();
    relabelled[at] = b'a';
    assert_eq!(two(partial(1, "a@x"), PartialKey::from_bytes(&relabelled).unwrap()), wrong(2));
    // Another participant's number; nobody's number; a sign turned.
    for value in [3, 4] {
        let mut altered = partial(2, "a@x").to_bytes();
        altered[2] = value;
        assert_eq!(two(partial(1, "a@x"), PartialKey::from_bytes(&altered).unwrap()), wrong(value));
    }
    let mut altered = partial(2, "a@x").to_bytes();
    let at = altered.len() - 96;
    altered[at] ^= 0x20;
    assert_eq!(two(partial(1, "a@x"), PartialKey::from_bytes(&altered).unwrap()), wrong(2));
    // Two of one participant, even if both are right.
    assert_eq!(two(partial(1, "a@x"), partial(1, "a@x")), wrong(1));
    // Another group's.
    let (others, _) = generated(2, 3);
    assert_eq!(two(partial(1, "a@x"), partials(&others, &[2], &["a@x"]).remove(0)), wrong(2));
    // Another user's.
    let bob = shares[1].issue(&"bob".parse().unwrap(), [&attribute("a@x")], &mut OsRng).unwrap().remove(0);
    assert_eq!(two(partial(1, "a@x"), bob).unwrap_err().code(), "TSL-ABE-009");
    assert_eq!(shares[0].issue(&alice(), [&attribute("a@y")], &mut OsRng).unwrap_err().code(), "TSL-ABE-006");
}

#[test]
fn nobody_needs_more_than_the_public_key() {
    // Restarted from stored bytes, the group and its shares work on.
    let (shares, group) = generated(2, 2);
    let group = Group::from_bytes(&group.to_bytes()).unwrap();
    let shares: Vec<_> = shares.iter().map(|s| Share::from_bytes(&s.to_bytes()).unwrap()).collect();
    let keys = group.combine(&partials(&shares, &[1, 2], &["a@x", "b@x"])).unwrap();
    opens(&PublicKey::from_bytes(&group.public_key().to_bytes()).unwrap(), &keys).unwrap();
    assert_eq!((group.threshold(), group.participants(), shares[1].index()), (2, 2, 2));
    assert_ne!(group.verification_key(1), group.verification_key(2));
    assert!(group.verification_key(0).is_none() && group.verification_key(3).is_none());
    assert_eq!(shares[0].group(), group.fingerprint());
    let shown = format!("{:?}", shares[0]);
    assert!(shown.contains("secrets: [redacted]"), "{shown}");
    let secret = hex::encode(&shares[0].to_bytes()[38..]);
    assert!(!shown.contains(&secret[..16]));
}

#[test]
fn a_refresh_keeps_the_key_and_separates_the_generations() {
    let (old, group) = generated(2, 3);
    let ceremony = Ceremony::refresh(&group, &nonce());
    let (new, refreshed) = Run::refresh(&ceremony, &old).group();
    assert_eq!(refreshed.public_key(), group.public_key());
    assert_ne!(refreshed.fingerprint(), group.fingerprint());
    for set in subsets(3, 2) {
        let keys = refreshed.combine(&partials(&new, &set, &["a@x", "b@x"])).unwrap();
        opens(group.public_key(), &keys).unwrap();
    }
    // One share stolen before and another after: refused, and useless when put together by hand.
    let mut mixed = partials(&old, &[1], &["a@x"]);
    mixed.extend(partials(&new, &[2], &["a@x"]));
    assert_eq!(refreshed.combine(&mixed).unwrap_err().code(), "TSL-ABE-026");
    let interpolated = |shares: [&Share; 2]| -> Scalar {
        shares.iter().zip([1, 2]).map(|(s, x)| secrets(s)[0] * lagrange(x, &[1, 2])).sum()
    };
    let alpha = interpolated([&old[0], &old[1]]);
    assert_eq!(interpolated([&new[0], &new[1]]), alpha);
    assert_ne!(interpolated([&old[0], &new[1]]), alpha);

    // The next refresh takes the new shares only.
    let again = Ceremony::refresh(&refreshed, &nonce());
    assert_eq!(Participant::join_refresh(&again, &old[0], &mut OsRng).unwrap_err().code(), "TSL-ABE-025");
    assert_eq!(Participant::join(&again, 1, &mut OsRng).unwrap_err().code(), "TSL-ABE-025");
    Run::refresh(&again, &new).group();
}

#[test]
fn shapes_out_of_range_are_refused() {
    for (threshold, participants) in [(0, 3), (1, 3), (4, 3), (2, MAX_PARTICIPANTS + 1), (255, 255), (2, 1)] {
        let refused = Ceremony::generate("x".parse().unwrap(), threshold, participants, &nonce());
        assert_eq!(refused.unwrap_err(), Error::ThresholdShape { threshold, participants });
    }
    let ceremony = ceremony(2, 3);
    for index in [0, 4, 255] {
        assert_eq!(Participant::join(&ceremony, index, &mut OsRng).unwrap_err().code(), "TSL-ABE-025");
    }
}

/// Participant 2 of 2 of 3 as its own attacker: takes its dealing and shares apart, alters them, and signs
/// for the result with hashes and a pledge that fit.
struct Cheat {
    run: Run,
    ceremony: Ceremony,
    /// Ceremony and sender.
    origin: Vec<u8>,
    /// Of 384 bytes each.
    commitments: Vec<Vec<u8>>,
    /// Announced to 1, 2 and 3.
    shares: Vec<Vec<u8>>,
    /// Whether to give participant 1 the share that names participant 3.
    swapped: bool,
}

/// Version, kind, ceremony, sender.
const HEAD: usize = 2 + 32 + 1;

impl Cheat {
    fn new() -> Self {
        let ceremony = ceremony(2, 3);
        let run = Run::generate(&ceremony, 3);
        let dealing = run.dealings[1].to_bytes();
        let commitments = dealing[HEAD + 2..].chunks(384).take(2).map(<[u8]>::to_vec).collect();
        let to = |i: u8| run.shares.iter().find(|s| s.from() == 2 && s.to() == i);
        // What it sends itself is nobody's business; any bytes do.
        let shares = (1..=3).map(|i| to(i).or(to(1)).unwrap().to_bytes().to_vec()).collect();
        Self { ceremony, origin: dealing[..HEAD].to_vec(), commitments, shares, swapped: false, run }
    }

    /// Adds `terms` to the values of alpha and y in the share to participant `to`.
    fn add(&mut self, to: usize, terms: [Scalar; 2]) {
        for (position, term) in [(HEAD + 1, terms[0]), (HEAD + 33, terms[1])] {
            let bytes: &mut [u8; 32] =
                (&mut self.shares[to - 1][position..position + 32]).try_into().unwrap();
            *bytes = (Scalar::from_bytes_be(bytes).unwrap() + term).to_bytes_be();
        }
    }

    fn dealing(&self) -> Dealing {
        let mut bytes = self.origin.clone();
        bytes.extend((self.commitments.len() as u16).to_be_bytes());
        bytes.extend(self.commitments.concat());
        bytes.extend((self.shares.len() as u16).to_be_bytes());
        self.shares.iter().for_each(|share| bytes.extend(hash("private share", share)));
        Dealing::from_bytes(&bytes).unwrap()
    }

    fn pledge(&self) -> Pledge {
        let mut bytes = self.origin.clone();
        bytes[1] = 32;
        bytes.extend(hash("dealing", &self.dealing().to_bytes()));
        Pledge::from_bytes(&bytes).unwrap()
    }

    /// Runs the ceremony anew for the others, with the altered messages; what participants 1 and 3 say.
    fn finish(&mut self) -> [Result<(Share, Group), Error>; 2] {
        let (mut participants, mut pledges): (Vec<_>, Vec<_>) =
            (1..=3).map(|i| Participant::join(&self.ceremony, i, &mut OsRng).unwrap()).unzip();
        pledges[1] = self.pledge();
        let mut reveal = |i: usize| participants[i].reveal(&pledges).unwrap();
        let ((one, mut to_others), (three, to_one_and_two)) = (reveal(0), reveal(2));
        let dealings = [one, self.dealing(), three];
        to_others.extend(to_one_and_two);
        for share in self.shares.iter().take(1).chain(self.shares.get(2)) {
            to_others.push(PrivateShare::from_bytes(share).unwrap());
        }
        self.run.dealings = dealings.to_vec();
        [1, 3].map(|i| {
            let is_for = |s: &&PrivateShare| s.to() == i || self.swapped && (s.from(), i) == (2, 1);
            let mut received: Vec<_> = to_others.iter().filter(is_for).cloned().collect();
            received.dedup_by_key(|s| s.from());
            participants[usize::from(i) - 1].finish(&dealings, &received)
        })
    }
}

fn hash(label: &str, bytes: &[u8]) -> [u8; 32] {
    let input = [b"TWINSEAL-V02-ABE-THRESHOLD ", label.as_bytes(), &[0], bytes].concat();
    Sha256::digest(input).into()
}

fn named(result: &Result<(Share, Group), Error>) -> (u8, &'static str) {
    match result {
        Err(Error::Ceremony { participant, problem }) => (*participant, problem),
        other => panic!("{other:?}"),
    }
}

fn commitment(a: Gt, y: G2Affine) -> Vec<u8> {
    let mut bytes = Vec::new();
    a.write_compressed(&mut bytes).unwrap();
    bytes.extend(y.to_compressed());
    bytes
}

#[test]
fn the_cheat_that_alters_nothing_passes() {
    let results = Cheat::new().finish();
    let [one, three] = results.map(Result::unwrap);
    assert_eq!(one.1, three.1);
}

#[test]
fn a_bad_private_share_names_its_dealer_and_proves_it() {
    const PROBLEM: &str = "its private share contradicts its commitments";
    for terms in [[Scalar::ONE, Scalar::ZERO], [Scalar::ZERO, Scalar::ONE]] {
        let mut cheat = Cheat::new();
        cheat.add(3, terms);
        let [one, three] = cheat.finish();
        assert!(one.is_ok());
        assert_eq!(named(&three), (2, PROBLEM));
        // Evidence, which participant 3 publishes; the share of participant 1 proves nothing.
        let dealing = &cheat.run.dealings[1];
        let shares = [&cheat.shares[0], &cheat.shares[2]].map(|s| PrivateShare::from_bytes(s).unwrap());
        assert!(!dealing.convicts(&shares[0], &cheat.ceremony));
        assert!(dealing.convicts(&shares[1], &cheat.ceremony));
        // Nobody is convicted by a share he did not announce, nor in another ceremony.
        let mut framed = cheat.shares[0].clone();
        framed[HEAD + 1 + 31] ^= 1;
        assert!(!dealing.convicts(&PrivateShare::from_bytes(&framed).unwrap(), &cheat.ceremony));
        assert!(!dealing.convicts(&shares[1], &ceremony(2, 3)));
        assert!(!cheat.run.dealings[0].convicts(&shares[1], &cheat.ceremony));
    }
}

/// A share that is not the announced one proves nothing against anybody, and is not taken either.
#[test]
fn a_private_share_other_than_announced_is_not_taken() {
    let ceremony = ceremony(2, 3);
    let mut run = Run::generate(&ceremony, 3);
    let damaged = run.shares.iter_mut().find(|s| (s.from(), s.to()) == (2, 3)).unwrap();
    let mut bytes = damaged.to_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    *damaged = PrivateShare::from_bytes(&bytes).unwrap();
    assert!(!run.dealings[1].convicts(damaged, &ceremony));
    let results = run.finish();
    assert!(results[..2].iter().all(Result::is_ok));
    assert_eq!(named(&results[2]), (2, "the private share is not the one it announced"));

    // Participant 3's share, announced to participant 1 as if it were theirs.
    let mut cheat = Cheat::new();
    cheat.shares[0] = cheat.shares[2].clone();
    let [one, three] = cheat.finish();
    assert!(three.is_ok());
    assert_eq!(named(&one), (2, "its message is missing"));
    let mut cheat = Cheat::new();
    cheat.swapped = true;
    cheat.shares[0] = cheat.shares[2].clone();
    let [one, _] = cheat.finish();
    assert_eq!(named(&one), (2, "the private share is not the one it announced"));
}

#[test]
fn a_bad_commitment_names_its_dealer() {
    for which in 0..2 {
        let mut cheat = Cheat::new();
        let (a, y) = (Gt::generator() * Scalar::from(5), G2Affine::generator());
        cheat.commitments[which] = commitment(a, y);
        for result in cheat.finish() {
            assert_eq!(named(&result), (2, "its private share contradicts its commitments"));
        }
    }
}

/// Consistent shares of polynomials of degree t: everybody's check of their own share passes, and
/// without the check of the degree no t participants could issue.
#[test]
fn a_polynomial_of_higher_degree_names_its_dealer() {
    let mut cheat = Cheat::new();
    cheat.commitments.push(commitment(Gt::generator(), G2Affine::generator()));
    for to in 1..=3 {
        let square = Scalar::from((to * to) as u64);
        cheat.add(to, [square, square]);
    }
    for result in cheat.finish() {
        assert_eq!(named(&result), (2, "its polynomials have another degree than agreed"));
    }
    let mut cheat = Cheat::new();
    cheat.commitments.pop();
    for result in cheat.finish() {
        assert_eq!(named(&result), (2, "its polynomials have another degree than agreed"));
    }
    let mut cheat = Cheat::new();
    cheat.shares.pop();
    let [one, _] = cheat.finish();
    assert_eq!(named(&one), (2, "its dealing is for another number of participants"));
}

/// The rushing participant: chooses its dealing when it has seen the others', here so as to cancel
/// participant 1's contribution. The pledge stops it.
#[test]
fn a_dealing_chosen_after_the_pledge_names_its_dealer() {
    let ceremony = ceremony(2, 3);
    let mut run = Run::generate(&ceremony, 3);
    let other = Run::generate(&ceremony, 3);
    run.dealings[1] = other.dealings[1].clone();
    run.shares.retain(|s| s.from() != 2);
    run.shares.extend(other.shares.iter().filter(|s| s.from() == 2).cloned());
    for result in &run.finish() {
        assert_eq!(named(result), (2, "its dealing is not the one it pledged"));
    }
}

/// A copied pledge, and the copied dealing under another number, do not fit each other.
#[test]
fn a_dealing_cannot_be_copied() {
    let ceremony = ceremony(2, 3);
    let run = Run::generate(&ceremony, 3);
    let mut pledge = run.pledges[0].to_bytes();
    pledge[HEAD - 1] = 2;
    let mut dealing = run.dealings[0].to_bytes();
    dealing[HEAD - 1] = 2;
    let (mut third, own) = Participant::join(&ceremony, 3, &mut OsRng).unwrap();
    let pledges = [run.pledges[0].clone(), Pledge::from_bytes(&pledge).unwrap(), own];
    let (of_third, _) = third.reveal(&pledges).unwrap();
    let dealings = [run.dealings[0].clone(), Dealing::from_bytes(&dealing).unwrap(), of_third];
    let refused = third.finish(&dealings, &run.shares);
    assert_eq!(named(&refused), (2, "its dealing is not the one it pledged"));
}

#[test]
fn messages_missing_twice_or_of_another_ceremony_are_refused() {
    let ceremony = ceremony(2, 3);
    let (mut one, own) = Participant::join(&ceremony, 1, &mut OsRng).unwrap();
    let run = Run::generate(&ceremony, 3);
    let foreign = Run::generate(&self::ceremony(2, 3), 3);
    let [_, two, three] = &run.pledges[..] else { panic!() };
    let refused = |pledges: &[&Pledge], one: &mut Participant| {
        let pledges: Vec<_> = pledges.iter().map(|&p| p.clone()).collect();
        named(&one.reveal(&pledges).map(|_| panic!()))
    };
    assert_eq!(named(&one.finish(&run.dealings, &[])), (1, "it has not revealed its dealing"));
    assert_eq!(refused(&[&own, two], &mut one), (3, "its message is missing"));
    assert_eq!(refused(&[&own, two, two, three], &mut one), (2, "two messages for one round"));
    assert_eq!(refused(&[&own, two, &foreign.pledges[2]], &mut one), (3, "a message of another ceremony"));
    assert_eq!(refused(&[&run.pledges[0], two, three], &mut one), (1, "its own pledge was altered"));
    let (mine, _) = one.reveal(&[own.clone(), two.clone(), three.clone()]).unwrap();
    // It reveals for one set of pledges only.
    let other = Run::generate(&ceremony, 3);
    assert_eq!(
        refused(&[&own, two, &other.pledges[2]], &mut one),
        (1, "it revealed its dealing for other pledges")
    );

    let dealings = [mine, run.dealings[1].clone(), run.dealings[2].clone()];
    let shares: Vec<_> = run.shares.iter().filter(|s| s.to() == 1).cloned().collect();
    one.finish(&dealings, &shares).unwrap();
    assert_eq!(named(&one.finish(&dealings[..2], &shares)), (3, "its message is missing"));
    assert_eq!(named(&one.finish(&dealings, &shares[1..])), (2, "its message is missing"));
    let mixed = [dealings[0].clone(), foreign.dealings[1].clone(), dealings[2].clone()];
    assert_eq!(named(&one.finish(&mixed, &shares)), (2, "a message of another ceremony"));
    let strays: Vec<_> = foreign.shares.iter().filter(|s| s.to() == 1).cloned().collect();
    assert_eq!(named(&one.finish(&dealings, &strays)), (2, "a message of another ceremony"));
    // A share meant for another is not taken for one's own.
    let theirs: Vec<_> = run
        .shares
        .iter()
        .filter(|s| (s.from(), s.to()) == (2, 3) || (s.from(), s.to()) == (3, 1))
        .cloned()
        .collect();
    assert_eq!(named(&one.finish(&dealings, &theirs)), (2, "the private share is not the one it announced"));
}

#[test]
fn encodings_are_strict() {
    let run = Run::generate(&ceremony(2, 3), 3);
    let (shares, group) = run.group();
    let partial = partials(&shares, &[3], &["a@x"]).remove(0);
    type Again = fn(&[u8]) -> Result<Vec<u8>, Error>;
    let all: [(Vec<u8>, Again); 6] = [
        (run.pledges[0].to_bytes(), |b| Pledge::from_bytes(b).map(|v| v.to_bytes())),
        (run.dealings[0].to_bytes(), |b| Dealing::from_bytes(b).map(|v| v.to_bytes())),
        (run.shares[0].to_bytes().to_vec(), |b| PrivateShare::from_bytes(b).map(|v| v.to_bytes().to_vec())),
        (group.to_bytes(), |b| Group::from_bytes(b).map(|v| v.to_bytes())),
        (shares[0].to_bytes().to_vec(), |b| Share::from_bytes(b).map(|v| v.to_bytes().to_vec())),
        (partial.to_bytes().to_vec(), |b| PartialKey::from_bytes(b).map(|v| v.to_bytes().to_vec())),
    ];
    for (i, (bytes, _)) in all.iter().enumerate() {
        for (j, (_, again)) in all.iter().enumerate() {
            assert_eq!(again(bytes).ok().as_ref(), (i == j).then_some(bytes));
        }
        let again = all[i].1;
        for length in (0..bytes.len()).filter(|l| *l < 40 || l % 31 == 0 || *l + 1 == bytes.len()) {
            assert!(again(&bytes[..length]).is_err());
        }
        assert!(again(&[&bytes[..], &[0]].concat()).is_err());
        for position in (0..bytes.len()).filter(|p| *p < 60 || p % 13 == 0) {
            for bit in [1, 0x20, 0x80] {
                let mut altered = bytes.clone();
                altered[position] ^= bit;
                assert!(again(&altered).is_ok_and(|a| a == altered) || again(&altered).is_err());
            }
        }
    }
    // A group whose threshold does not fit its size, and counts beyond the limit.
    let mut bytes = group.to_bytes();
    bytes[5] = 1;
    assert_eq!(Group::from_bytes(&bytes).unwrap_err().code(), "TSL-ABE-013");
    bytes[5] = MAX_PARTICIPANTS + 1;
    assert_eq!(Group::from_bytes(&bytes).unwrap_err().code(), "TSL-ABE-013");
    let mut bytes = run.dealings[0].to_bytes();
    bytes[HEAD] = 0xff;
    assert_eq!(Dealing::from_bytes(&bytes).unwrap_err().code(), "TSL-ABE-013");
}

/// The byte of a share's encoding that is its participant.
const SHARE_INDEX: usize = 2 + 32;

#[test]
fn a_refresh_takes_no_share_that_the_group_does_not_commit_to() {
    let (shares, group) = generated(2, 3);
    let refresh = Ceremony::refresh(&group, &nonce());
    let joins = |bytes: &[u8]| {
        let share = Share::from_bytes(bytes).unwrap();
        Participant::join_refresh(&refresh, &share, &mut OsRng).map(|_| ())
    };
    let honest = shares[0].to_bytes();
    assert_eq!(joins(&honest), Ok(()));
    // Nobody, somebody else, and another authority's; then other secrets.
    for (at, value) in [(SHARE_INDEX, 4), (SHARE_INDEX, 9), (SHARE_INDEX, MAX_PARTICIPANTS), (SHARE_INDEX, 2)]
        .into_iter()
        .chain([(SHARE_INDEX + 3, b'y'), (honest.len() - 1, !honest[honest.len() - 1])])
        .chain([(honest.len() - 33, !honest[honest.len() - 33])])
    {
        let mut altered = honest.to_vec();
        altered[at] = value;
        assert!(matches!(joins(&altered), Err(Error::Ceremony { .. })), "byte {at} = {value}");
    }
    let generation = ceremony(2, 3);
    let refused = Participant::join_refresh(&generation, &shares[0], &mut OsRng).map(|_| ());
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-025");
}

/// A dealer can choose polynomials that are zero at somebody's index; that is no ground for refusing.
#[test]
fn a_private_share_may_be_zero() {
    let run = Run::generate(&ceremony(2, 3), 3);
    let mut bytes = run.shares[0].to_bytes().to_vec();
    let values = bytes.len() - 96..bytes.len() - 32;
    bytes[values.clone()].fill(0);
    assert_eq!(*PrivateShare::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    bytes[values].fill(0xff);
    assert_eq!(PrivateShare::from_bytes(&bytes).unwrap_err().code(), "TSL-ABE-013");
}

/// The same coefficients every time (they are drawn as words), and fresh salts (drawn as bytes).
struct SameCoefficients(u64);

impl RngCore for SameCoefficients {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 += 1;
        u64::from_be_bytes(*Sha256::digest(self.0.to_be_bytes()).first_chunk().unwrap())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        OsRng.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for SameCoefficients {}

/// Neither the pledge nor the announced hashes tell whether a guess of the polynomials is right.
#[test]
fn pledges_and_announcements_are_salted() {
    let ceremony = ceremony(2, 2);
    let (_, other) = Participant::join(&ceremony, 2, &mut OsRng).unwrap();
    let deal = || {
        let (mut participant, pledge) = Participant::join(&ceremony, 1, &mut SameCoefficients(0)).unwrap();
        let (dealing, shares) = participant.reveal(&[pledge.clone(), other.clone()]).unwrap();
        (pledge.to_bytes(), dealing.to_bytes(), shares[0].to_bytes())
    };
    let ((one, dealing, share), (two, other_dealing, other_share)) = (deal(), deal());
    let announced = dealing.len() - 2 * 32;
    // The same polynomials and values.
    assert_eq!(dealing[..announced], other_dealing[..announced]);
    assert_eq!(share[..share.len() - 32], other_share[..share.len() - 32]);
    for (a, b) in dealing[announced..].chunks(32).zip(other_dealing[announced..].chunks(32)) {
        assert_ne!(a, b);
    }
    assert_ne!(one, two);
}
