//! Envelopes as their users meet them: random lengths, random access, every kind of tampering, wrong
//! readers, and headers that are replaced while the body stays.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use twinseal_abe::envelope::{self, Header};
use twinseal_abe::rand_core::{OsRng, RngCore};
use twinseal_abe::stream::{
    BodyKey, ChunkSize, HEAD_BYTES, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Opener, Sealer, SeekOpener, TAG_BYTES,
};
use twinseal_abe::{AttributeKey, Authority, Error, Policy, UserId};

const CHUNK: usize = MIN_CHUNK_BYTES;
const SEALED: usize = CHUNK + TAG_BYTES;
const AAD: &[u8] = b"record 7";

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

fn seal(plain: &[u8]) -> (Vec<u8>, BodyKey) {
    let (mut sealer, key) = Sealer::new(Vec::new(), AAD, ChunkSize::new(CHUNK).unwrap(), &mut OsRng).unwrap();
    sealer.write_all(plain).unwrap();
    (sealer.finish().unwrap(), key)
}

fn open(body: &[u8], key: &BodyKey) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    Opener::new(body, key)?.read_to_end(&mut plain)?;
    Ok(plain)
}

/// Reads everything chunk by chunk from the last to the first.
fn open_by_seeking(body: &[u8], key: &BodyKey) -> Result<Vec<u8>, Error> {
    let mut opener = SeekOpener::new(Cursor::new(body), key)?;
    let mut plain = vec![0; opener.length_bytes() as usize];
    for start in (0..plain.len()).step_by(CHUNK).rev() {
        let part = &mut plain[start..];
        let count = CHUNK.min(part.len());
        assert_eq!(opener.read_at(start as u64, &mut part[..count])?, count);
    }
    Ok(plain)
}

/// Lengths around chunk boundaries, and any other.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        (0usize..5, -2i64..=2)
            .prop_map(|(chunks, delta)| (chunks * CHUNK).saturating_add_signed(delta as isize)),
        0..5 * CHUNK,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_length_in_any_pieces_comes_back(length in length(), pieces in prop::collection::vec(0..2 * CHUNK, 1..6)) {
        let plain = random(length);
        let (mut sealer, key) =
            Sealer::new(Vec::new(), AAD, ChunkSize::new(CHUNK).unwrap(), &mut OsRng).unwrap();
        let mut rest = &plain[..];
        for piece in pieces {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            sealer.write_all(now).unwrap();
            sealer.flush().unwrap();
            rest = later;
        }
        sealer.write_all(rest).unwrap();
        let body = sealer.finish().unwrap();
        let chunks = length.div_ceil(CHUNK).max(1);
        prop_assert_eq!(body.len(), HEAD_BYTES + length + chunks * TAG_BYTES);
        prop_assert_eq!(&open(&body, &key).unwrap(), &plain);
        prop_assert_eq!(&open_by_seeking(&body, &key).unwrap(), &plain);
        let kept = BodyKey::from_bytes(&*key.to_bytes()).unwrap();
        prop_assert_eq!(&kept, &key);
        prop_assert_eq!(&open(&body, &kept).unwrap(), &plain);
    }

    #[test]
    fn random_access_equals_the_slice(length in length(), reads in prop::collection::vec((0..6 * CHUNK, 0..3 * CHUNK), 1..8)) {
        let plain = random(length);
        let (body, key) = seal(&plain);
        let mut opener = SeekOpener::new(Cursor::new(&body), &key).unwrap();
        prop_assert_eq!(opener.length_bytes(), length as u64);
        for (offset, count) in reads {
            let expected = plain.get(offset..).unwrap_or_default();
            let expected = &expected[..count.min(expected.len())];
            let mut into = vec![0; count];
            let read = opener.read_at(offset as u64, &mut into).unwrap();
            prop_assert_eq!(&into[..read], expected);
            opener.seek(SeekFrom::Start(offset as u64)).unwrap();
            let mut through_io = Vec::new();
            (&mut opener).take(count as u64).read_to_end(&mut through_io).unwrap();
            prop_assert_eq!(through_io, expected);
        }
        opener.seek(SeekFrom::End(-(length as i64))).unwrap();
        let mut all = Vec::new();
        opener.read_to_end(&mut all).unwrap();
        prop_assert_eq!(all, plain);
        prop_assert!(opener.seek(SeekFrom::Current(-(length as i64) - 1)).is_err());
    }

    #[test]
    fn a_flipped_bit_and_a_cut_are_refused(length in length(), position in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (body, key) = seal(&random(length));
        let position = position.index(body.len());
        let mut altered = body.clone();
        altered[position] ^= 1 << bit;
        let refused = open(&altered, &key).unwrap_err();
        let chunk = position.checked_sub(HEAD_BYTES).map(|p| (p / SEALED) as u64);
        match chunk {
            Some(chunk) => prop_assert_eq!(&refused, &Error::ChunkAltered { chunk }),
            None => prop_assert!(["TSL-ABE-013", "TSL-ABE-019"].contains(&refused.code()), "{}", refused),
        }
        prop_assert_eq!(open_by_seeking(&altered, &key).unwrap_err(), refused);
        let cut = &body[..position];
        for refused in [open(cut, &key).unwrap_err(), open_by_seeking(cut, &key).unwrap_err()] {
            prop_assert!(["TSL-ABE-020", "TSL-ABE-021"].contains(&refused.code()), "{}", refused);
        }
    }

    #[test]
    fn parsers_survive_anything(bytes in prop::collection::vec(any::<u8>(), 0..400), keep in 0..=HEAD_BYTES + TAG_BYTES) {
        let _ = BodyKey::from_bytes(&bytes);
        prop_assert!(Header::from_bytes(&bytes).is_err());
        // A genuine beginning, then anything.
        let (mut body, key) = seal(b"");
        body.truncate(keep);
        body.extend(&bytes);
        prop_assert!(keep == HEAD_BYTES + TAG_BYTES && bytes.is_empty() || open(&body, &key).is_err());
    }
}

/// Splits a body into its head and its chunks.
fn pieces(body: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let (head, chunks) = body.split_at(HEAD_BYTES);
    (head, chunks.chunks(SEALED).collect())
}

#[test]
fn chunks_cannot_be_rearranged() {
    let plain = random(3 * CHUNK);
    let (body, key) = seal(&plain);
    let (head, c) = pieces(&body);
    let (other_body, _) = seal(&plain);
    let (_, other) = pieces(&other_body);
    assert_eq!(c.len(), 3);
    let truncated = |chunks| Error::BodyTruncated { chunks };
    let altered = |chunk| Error::ChunkAltered { chunk };
    for (what, chunks, in_order, by_seeking) in [
        ("cut at a boundary", vec![c[0], c[1]], truncated(2), truncated(2)),
        ("cut within a chunk", vec![c[0], c[1], &c[2][..99]], altered(2), altered(2)),
        ("cut within a tag", vec![c[0], c[1], &c[2][..9]], truncated(2), truncated(2)),
        ("all cut", vec![], truncated(0), truncated(0)),
        ("extended by a byte", vec![c[0], c[1], c[2], b"x"], Error::BodyExtended { chunk: 2 }, truncated(3)),
        ("extended by a chunk", vec![c[0], c[1], c[2], c[2]], Error::BodyExtended { chunk: 2 }, altered(3)),
        ("exchanged", vec![c[1], c[0], c[2]], altered(0), altered(1)),
        ("last moved forward", vec![c[0], c[2], c[1]], altered(1), altered(2)),
        ("repeated", vec![c[0], c[0], c[2]], altered(1), altered(1)),
        ("inserted", vec![c[0], c[0], c[1], c[2]], altered(1), altered(3)),
        ("left out", vec![c[0], c[2]], altered(1), altered(1)),
        ("of another body", vec![c[0], other[1], c[2]], altered(1), altered(1)),
    ] {
        let forged = [&[head], &chunks[..]].concat().concat();
        assert_eq!(open(&forged, &key), Err(in_order), "{what}");
        let refused = open_by_seeking(&forged, &key);
        // By its length a byte too many looks like a new last chunk, cut within its tag.
        assert_eq!(refused, Err(by_seeking), "{what}");
    }
    assert_eq!(open(&[head, &c.concat()].concat(), &key).unwrap(), plain);
}

#[test]
fn random_access_authenticates_what_it_touches_and_the_length() {
    let plain = random(4 * CHUNK + 5);
    let (body, key) = seal(&plain);
    let mut altered = body.clone();
    altered[HEAD_BYTES + SEALED] ^= 1;
    let mut opener = SeekOpener::new(Cursor::new(&altered), &key).unwrap();
    let mut into = [0; 10];
    assert_eq!(opener.read_at(2 * CHUNK as u64, &mut into), Ok(10));
    assert_eq!(into, plain[2 * CHUNK..][..10]);
    for offset in [CHUNK, CHUNK - 5, 2 * CHUNK - 1] {
        assert_eq!(opener.read_at(offset as u64, &mut into), Err(Error::ChunkAltered { chunk: 1 }));
    }
    // A refused chunk is not served on the second attempt, and others still are.
    assert_eq!(opener.read_at(CHUNK as u64, &mut into), Err(Error::ChunkAltered { chunk: 1 }));
    assert_eq!(opener.read_at(0, &mut into), Ok(10));
    assert_eq!(opener.read_at(u64::MAX, &mut into), Ok(0));
    let cut = &body[..HEAD_BYTES + 3 * SEALED];
    let refused = SeekOpener::new(Cursor::new(cut), &key).err();
    assert_eq!(refused, Some(Error::BodyTruncated { chunks: 3 }));
}

#[test]
fn an_error_stays_an_error() {
    let (mut body, key) = seal(&random(2 * CHUNK));
    body[HEAD_BYTES] ^= 1;
    let mut opener = Opener::new(&body[..], &key).unwrap();
    for _ in 0..3 {
        let refused = opener.read(&mut [0; 10]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert_eq!(Error::from(refused), Error::ChunkAltered { chunk: 0 });
    }
}

/// Takes `room` bytes, fails once, and works again.
struct Disk {
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.room = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = data.len().min(self.room);
        self.room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failed_write_is_not_papered_over() {
    for (room, kind) in [(10, None), (HEAD_BYTES + CHUNK, Some(io::ErrorKind::StorageFull))] {
        let sealer = Sealer::new(Disk { room }, AAD, ChunkSize::new(CHUNK).unwrap(), &mut OsRng);
        let Some(kind) = kind else {
            assert_eq!(sealer.err().map(|e| e.code()), Some("TSL-ABE-023"));
            continue;
        };
        let (mut sealer, _) = sealer.unwrap();
        for _ in 0..2 {
            assert_eq!(sealer.write_all(&[0; 2 * CHUNK]).unwrap_err().kind(), kind);
        }
        assert!(matches!(sealer.finish().err(), Some(Error::Io { kind: found, .. }) if found == kind));
    }
}

#[test]
fn chunk_sizes_have_limits() {
    for bytes in [0, 1, CHUNK - 1, CHUNK / 2, 3 * CHUNK, 2 * MAX_CHUNK_BYTES, usize::MAX] {
        assert_eq!(ChunkSize::new(bytes), Err(Error::ChunkSize { bytes }));
    }
    assert_eq!(ChunkSize::new(MAX_CHUNK_BYTES).unwrap().bytes(), MAX_CHUNK_BYTES);
    assert_eq!(ChunkSize::default().bytes(), 64 * 1024);
    let (_, key) = seal(b"");
    let mut bytes = key.to_bytes();
    for log2 in [0, 11, 21, 64, 255] {
        bytes[BodyKey::BYTES - 1] = log2;
        assert_eq!(BodyKey::from_bytes(&*bytes).unwrap_err().code(), "TSL-ABE-013");
    }
    assert_eq!(BodyKey::from_bytes(&bytes[1..]).unwrap_err().code(), "TSL-ABE-013");
}

#[test]
fn key_chunk_size_and_associated_data_are_committed_to() {
    let (body, key) = seal(b"plain");
    assert_eq!(format!("{key:?}"), "BodyKey([redacted])");
    // Another secret, other associated data, another chunk size: each gives another head.
    for position in [0, 31, 32, 63, BodyKey::BYTES - 1] {
        let mut bytes = key.to_bytes();
        bytes[position] ^= 1;
        let other = BodyKey::from_bytes(&*bytes).unwrap();
        assert_ne!(other, key);
        assert_eq!(open(&body, &other), Err(Error::WrongBody), "{position}");
        // Even with the head rewritten to the other commitment, the chunks are under another key.
        let forged = [other.head(), &body[HEAD_BYTES..]].concat();
        assert_eq!(open(&forged, &other), Err(Error::ChunkAltered { chunk: 0 }), "{position}");
    }
}

struct World {
    hospital: Authority,
    clock: Authority,
}

impl World {
    fn new() -> Self {
        let setup = |name: &str| Authority::setup(name.parse().unwrap(), &mut OsRng);
        Self { hospital: setup("hospital"), clock: setup("clock") }
    }

    fn issue(&self, user: &str, attributes: &[&str]) -> (UserId, Vec<AttributeKey>) {
        let user: UserId = user.parse().unwrap();
        let mut keys = Vec::new();
        for authority in [&self.hospital, &self.clock] {
            let all: Vec<twinseal_abe::Attribute> = attributes.iter().map(|a| a.parse().unwrap()).collect();
            let own = all.iter().filter(|a| a.authority() == authority.public_key().authority());
            keys.extend(authority.issue(&user, own, &mut OsRng).unwrap());
        }
        (user, keys)
    }

    fn seal(&self, policy: &str, plain: &[u8]) -> (Header, Vec<u8>) {
        let mut body = Vec::new();
        let chunk = ChunkSize::new(CHUNK).unwrap();
        let publics = [self.hospital.public_key(), self.clock.public_key()];
        let policy = policy.parse().unwrap();
        let header =
            envelope::seal(&policy, publics, AAD, chunk, &mut &plain[..], &mut body, &mut OsRng).unwrap();
        (header, body)
    }

    fn rewrap(&self, header: &Header, key: &BodyKey, policy: &str) -> Result<Header, Error> {
        let publics = [self.hospital.public_key(), self.clock.public_key()];
        header.rewrap(key, &policy.parse()?, publics, &mut OsRng)
    }
}

fn open_all(
    header: &Header,
    aad: &[u8],
    (user, keys): &(UserId, Vec<AttributeKey>),
    body: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    let count = envelope::open(header, aad, user, keys, body, &mut plain)?;
    assert_eq!(count, plain.len() as u64);
    Ok(plain)
}

#[test]
fn the_permitted_read_and_others_learn_why_not() {
    let world = World::new();
    let plain = random(2 * CHUNK + 100);
    let (header, body) = world.seal("doctor@hospital or owner@hospital", &plain);
    let header = Header::from_bytes(&header.to_bytes()).unwrap();
    let doctor = world.issue("alice", &["doctor@hospital"]);
    assert_eq!(open_all(&header, AAD, &doctor, &body).unwrap(), plain);

    let refused = open_all(&header, AAD, &world.issue("eve", &["nurse@hospital"]), &body);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-010");
    assert_eq!(open_all(&header, b"record 8", &doctor, &body), Err(Error::AssociatedData));

    let (_, other_body) = world.seal("doctor@hospital", &plain);
    assert_eq!(open_all(&header, AAD, &doctor, &other_body), Err(Error::WrongBody));
    let key = header.open(AAD, &doctor.0, &doctor.1).unwrap();
    let mut at_end = [0; 100];
    let mut opener = SeekOpener::new(Cursor::new(&body), &key).unwrap();
    assert_eq!(opener.read_at(2 * CHUNK as u64, &mut at_end), Ok(100));
    assert_eq!(at_end, plain[2 * CHUNK..]);
}

#[test]
fn every_part_of_a_header_is_bound() {
    let world = World::new();
    let (header, body) = world.seal("doctor@hospital", b"plain");
    let (other, _) = world.seal("doctor@hospital", b"plain");
    let doctor = world.issue("alice", &["doctor@hospital"]);
    let bytes = header.to_bytes();
    let aad_hash = 5..37;
    let sealed_secret_end = 5 + envelope::BINDING_BYTES + 48;
    for position in (0..sealed_secret_end).chain((sealed_secret_end..bytes.len()).step_by(37)) {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        let refused =
            Header::from_bytes(&altered).and_then(|h| open_all(&h, AAD, &doctor, &body)).unwrap_err();
        if aad_hash.contains(&position) {
            assert_eq!(refused, Error::AssociatedData, "{position}");
        } else if (aad_hash.end + 1..sealed_secret_end).contains(&position) {
            assert_eq!(refused, Error::Commitment, "{position}");
        }
        let cut = Header::from_bytes(&bytes[..position]);
        assert!(cut.is_err());
    }
    // Parts of another envelope for the same reader.
    let (a, b) = (bytes, other.to_bytes());
    for split in [5 + envelope::BINDING_BYTES, sealed_secret_end] {
        let mixed = Header::from_bytes(&[&a[..split], &b[split..]].concat()).unwrap();
        assert_eq!(open_all(&mixed, AAD, &doctor, &body), Err(Error::Commitment));
    }
    let long = [&a[..], b"x"].concat();
    assert_eq!(Header::from_bytes(&long).unwrap_err().code(), "TSL-ABE-013");
}

#[test]
fn a_rewrapped_header_serves_the_same_body_to_others() {
    let world = World::new();
    let plain = random(CHUNK + 1);
    let (old, body) = world.seal("owner@hospital or (doctor@hospital and may@clock)", &plain);
    let owner = world.issue("olga", &["owner@hospital"]);
    let doctor = world.issue("alice", &["doctor@hospital", "may@clock"]);
    let nurse = world.issue("bob", &["nurse@hospital", "june@clock"]);
    assert_eq!(open_all(&old, AAD, &doctor, &body).unwrap(), plain);

    let key = old.open(AAD, &owner.0, &owner.1).unwrap();
    let new = world.rewrap(&old, &key, "owner@hospital or (nurse@hospital and june@clock)").unwrap();
    assert_eq!(new.binding(), old.binding());
    assert_eq!(open_all(&new, AAD, &nurse, &body).unwrap(), plain);
    assert_eq!(open_all(&new, AAD, &owner, &body).unwrap(), plain);
    assert_eq!(open_all(&new, AAD, &doctor, &body).unwrap_err().code(), "TSL-ABE-010");
    assert_eq!(open_all(&new, b"record 8", &nurse, &body), Err(Error::AssociatedData));
    // As documented: the old header, if somebody kept it, still opens.
    assert_eq!(open_all(&old, AAD, &doctor, &body).unwrap(), plain);

    let (other, _) = world.seal("owner@hospital", &plain);
    assert_eq!(world.rewrap(&other, &key, "owner@hospital"), Err(Error::WrongBody));
    let policy: Policy = "a@elsewhere".parse().unwrap();
    let refused = old.rewrap(&key, &policy, [world.hospital.public_key()], &mut OsRng);
    assert_eq!(refused.unwrap_err().code(), "TSL-ABE-007");
}

#[test]
fn a_body_under_a_new_key_shuts_the_old_readers_out() {
    let world = World::new();
    let (old, body) = world.seal("doctor@hospital", b"plain");
    let doctor = world.issue("alice", &["doctor@hospital"]);
    let kept = old.open(AAD, &doctor.0, &doctor.1).unwrap();
    let plain = open_all(&old, AAD, &doctor, &body).unwrap();
    let (_, new_body) = world.seal("nurse@hospital", &plain);
    assert_eq!(open(&body, &kept).unwrap(), b"plain");
    assert_eq!(open(&new_body, &kept), Err(Error::WrongBody));
}
