//! Long data in authenticated chunks: STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, *Online
//! Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance*, CRYPTO 2015) over AES-256-GCM.
//!
//! ```text
//! body    = head ‖ chunk 0 ‖ chunk 1 ‖ ... ‖ last chunk
//! head    = "TSLB" ‖ version ‖ log2 of the chunk size ‖ commitment (32 bytes)
//! chunk i = AES-256-GCM(key, prefix (7 bytes) ‖ i (4 bytes, big-endian) ‖ whether last (1 byte), plaintext)
//!
//! context    = version ‖ log2 of the chunk size ‖ SHA-256(associated data)
//! PRK        = HKDF-Extract("TWINSEAL-V01-STREAM", secret)
//! key        = HKDF-Expand(PRK, "key" ‖ context, 32)        prefix: 7 bytes, commitment: 32, likewise
//! ```
//!
//! Every chunk is full but the last, which is empty only if the whole body is. The nonce fixes a
//! chunk's place and whether the body ends with it, so what is moved, repeated, cut off or appended is
//! refused, and the last chunk alone authenticates the length. Chunks depend on nothing else, which is
//! what makes random access possible: [`SeekOpener`] authenticates the last chunk, then those it reads.
//!
//! [`Sealer`] draws the secret itself, once per body, so no nonce repeats under a key. Associated data
//! and head enter the derivation instead of GCM's own associated data: that binds them to every chunk,
//! and it commits. AES-GCM by itself does not (one ciphertext can open under two keys); here a reader
//! accepts a body only if the commitment in its head is the one its own secret and associated data give,
//! so two ways to open one body would be a collision of HKDF-SHA-256; and under one key, decryption is a
//! function of the chunks.
//!
//! Plaintext comes out chunk by chunk. Each piece is a genuine piece of the body, but that the body is
//! complete is known only once [`Opener`] reports the end; after an error, discard what was read.

use crate::Error;
use aes_gcm::aead::{AeadInOut, Tag};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Smallest chunk.
pub const MIN_CHUNK_BYTES: usize = 4 * 1024;
/// Largest chunk.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// Longest plaintext of one body: 2^40 AES blocks under one key (GCM's distinguishing advantage stays
/// below 2^-48), and at most 2^32 chunks of the smallest size.
pub const MAX_BODY_BYTES: u64 = 1 << 44;
/// Bytes of a body before its first chunk.
pub const HEAD_BYTES: usize = MAGIC.len() + 2 + COMMITMENT_BYTES;
/// What sealing adds to every chunk.
pub const TAG_BYTES: usize = 16;

const MAGIC: &[u8; 4] = b"TSLB";
const VERSION: u8 = 1;
const SECRET_BYTES: usize = 32;
const COMMITMENT_BYTES: usize = 32;
const PREFIX_BYTES: usize = 7;

/// Plaintext bytes per chunk: a power of two from [`MIN_CHUNK_BYTES`] to [`MAX_CHUNK_BYTES`], by default
/// 64 KiB. Small chunks suit random access, large ones save tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize {
    log2: u8,
}

impl ChunkSize {
    /// Fails with [`Error::ChunkSize`].
    pub fn new(bytes: usize) -> Result<Self, Error> {
        if bytes.is_power_of_two() && (MIN_CHUNK_BYTES..=MAX_CHUNK_BYTES).contains(&bytes) {
            Ok(Self { log2: bytes.trailing_zeros() as u8 })
        } else {
            Err(Error::ChunkSize { bytes })
        }
    }

    /// The size.
    pub fn bytes(self) -> usize {
        1 << self.log2
    }

    pub(crate) fn log2(self) -> u8 {
        self.log2
    }

    pub(crate) fn from_log2(log2: u8) -> Option<Self> {
        1usize.checked_shl(log2.into()).and_then(|bytes| Self::new(bytes).ok())
    }

    fn sealed_bytes(self) -> usize {
        self.bytes() + TAG_BYTES
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self { log2: 16 }
    }
}

/// What opens one body: its secret, the hash of its associated data and its chunk size. Secret.
#[derive(Clone)]
pub struct BodyKey {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    aad_hash: [u8; 32],
    chunk: ChunkSize,
    head: [u8; HEAD_BYTES],
}

impl BodyKey {
    /// Bytes of [`Self::to_bytes`].
    pub const BYTES: usize = SECRET_BYTES + 32 + 1;

    fn random(aad: &[u8], chunk: ChunkSize, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rng.fill_bytes(&mut *secret);
        Self::from_secret(secret, Sha256::digest(aad).into(), chunk)
    }

    pub(crate) fn from_secret(
        secret: Zeroizing<[u8; SECRET_BYTES]>,
        aad_hash: [u8; 32],
        chunk: ChunkSize,
    ) -> Self {
        let mut key = Self { secret, aad_hash, chunk, head: [0; HEAD_BYTES] };
        let commitment = key.expand::<COMMITMENT_BYTES>(b"commitment");
        let (parameters, rest) = key.head.split_at_mut(MAGIC.len() + 2);
        parameters[..MAGIC.len()].copy_from_slice(MAGIC);
        parameters[MAGIC.len()..].copy_from_slice(&[VERSION, chunk.log2]);
        rest.copy_from_slice(&*commitment);
        key
    }

    /// The head of the one body this key opens. Public.
    pub fn head(&self) -> &[u8; HEAD_BYTES] {
        &self.head
    }

    pub(crate) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    pub(crate) fn aad_hash(&self) -> &[u8; 32] {
        &self.aad_hash
    }

    pub(crate) fn chunk(&self) -> ChunkSize {
        self.chunk
    }

    /// For an owner who keeps the key itself.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::BYTES]> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        let (secret, rest) = bytes.split_at_mut(SECRET_BYTES);
        secret.copy_from_slice(&*self.secret);
        rest[..32].copy_from_slice(&self.aad_hash);
        rest[32] = self.chunk.log2;
        bytes
    }

    /// Parses [`Self::to_bytes`]. Fails with [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let error = |problem| Error::Encoding { object: "body key", problem };
        let bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| error("wrong length"))?;
        let (mut secret, mut aad_hash) = (Zeroizing::new([0; SECRET_BYTES]), [0; 32]);
        secret.copy_from_slice(&bytes[..SECRET_BYTES]);
        aad_hash.copy_from_slice(&bytes[SECRET_BYTES..][..32]);
        let chunk = ChunkSize::from_log2(bytes[Self::BYTES - 1]).ok_or_else(|| error("chunk size"))?;
        Ok(Self::from_secret(secret, aad_hash, chunk))
    }

    fn expand<const N: usize>(&self, label: &[u8]) -> Zeroizing<[u8; N]> {
        let hkdf = Hkdf::<Sha256>::new(Some(b"TWINSEAL-V01-STREAM"), &*self.secret);
        let mut output = Zeroizing::new([0; N]);
        let context: [&[u8]; 3] = [label, &[VERSION, self.chunk.log2], &self.aad_hash];
        let expanded = hkdf.expand_multi_info(&context, &mut *output);
        // RFC 5869 allows up to 255 hashes of output; this is one. No label is a prefix of another.
        assert!(expanded.is_ok());
        output
    }
}

impl PartialEq for BodyKey {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes().ct_eq(&*other.to_bytes()).into()
    }
}

impl Eq for BodyKey {}

impl fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyKey([redacted])")
    }
}

/// The chunk cipher under one body's key.
struct Cipher {
    gcm: Aes256Gcm,
    prefix: Zeroizing<[u8; PREFIX_BYTES]>,
}

impl Cipher {
    fn new(key: &BodyKey) -> Self {
        Self { gcm: Aes256Gcm::new((&*key.expand::<32>(b"key")).into()), prefix: key.expand(b"prefix") }
    }

    /// Seals `buffer` in place and appends the tag.
    fn seal(&self, place: Place, buffer: &mut Vec<u8>) -> Result<(), Error> {
        // A chunk is far below GCM's limit of 64 GiB.
        let tag = self
            .gcm
            .encrypt_inout_detached(&self.nonce(place)?.into(), b"", buffer.as_mut_slice().into())
            .map_err(|_| Error::BodyTooLong)?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens `sealed` in place and gives the plaintext's length; changes nothing if it does not authenticate.
    fn open(&self, place: Place, sealed: &mut [u8]) -> Result<Option<usize>, Error> {
        let nonce = self.nonce(place)?;
        let Some((ciphertext, tag)) = sealed.split_last_chunk_mut::<TAG_BYTES>() else { return Ok(None) };
        let tag: &Tag<Aes256Gcm> = (&*tag).into();
        let length = ciphertext.len();
        let opened = self.gcm.decrypt_inout_detached(&nonce.into(), b"", ciphertext.into(), tag);
        Ok(opened.is_ok().then_some(length))
    }

    fn nonce(&self, place: Place) -> Result<[u8; 12], Error> {
        let index = u32::try_from(place.index).map_err(|_| Error::BodyTooLong)?;
        let mut nonce = [0; 12];
        nonce[..PREFIX_BYTES].copy_from_slice(&*self.prefix);
        nonce[PREFIX_BYTES..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = place.last.into();
        Ok(nonce)
    }
}

/// Where a chunk stands.
#[derive(Clone, Copy)]
struct Place {
    index: u64,
    last: bool,
}

/// Seals what is written to it. Holds one chunk in memory.
///
/// Call [`Self::finish`]: without it the body has no end, and every reader refuses it.
pub struct Sealer<W: Write> {
    writer: W,
    cipher: Cipher,
    chunk: ChunkSize,
    buffer: Zeroizing<Vec<u8>>,
    index: u64,
    failed: Option<Error>,
}

impl<W: Write> Sealer<W> {
    /// Begins a body under a fresh key, bound to `aad`. Fails with [`Error::Io`].
    pub fn new(
        writer: W,
        aad: &[u8],
        chunk: ChunkSize,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, BodyKey), Error> {
        let key = BodyKey::random(aad, chunk, rng);
        Ok((Self::under(&key, writer)?, key))
    }

    /// `key` must be fresh: a second body under it would repeat nonces.
    fn under(key: &BodyKey, mut writer: W) -> Result<Self, Error> {
        writer.write_all(key.head())?;
        let buffer = Zeroizing::new(Vec::with_capacity(key.chunk.sealed_bytes()));
        Ok(Self { writer, cipher: Cipher::new(key), chunk: key.chunk, buffer, index: 0, failed: None })
    }

    /// Seals the last chunk and returns the writer, flushed. Fails with [`Error::Io`], or as an earlier
    /// write did.
    pub fn finish(mut self) -> Result<W, Error> {
        self.emit(true)?;
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn emit(&mut self, last: bool) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let sealed = self.cipher.seal(Place { index: self.index, last }, &mut self.buffer);
        let written = sealed.and_then(|()| Ok(self.writer.write_all(&self.buffer)?));
        self.failed = written.clone().err();
        self.buffer.clear();
        self.index += 1;
        written
    }
}

impl<W: Write> Write for Sealer<W> {
    /// A full chunk is written out when more data shows that it is not the last.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if data.is_empty() {
            return Ok(0);
        }
        let written = self.index * self.chunk.bytes() as u64 + self.buffer.len() as u64;
        if written == MAX_BODY_BYTES {
            return Err(Error::BodyTooLong.into());
        }
        if self.buffer.len() == self.chunk.bytes() {
            self.emit(false)?;
        }
        // Whole chunks fit the limit, so a part of one does.
        let count = data.len().min(self.chunk.bytes() - self.buffer.len());
        self.buffer.extend_from_slice(&data[..count]);
        Ok(count)
    }

    /// Flushes the writer; a chunk not yet full stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Opens a body from its beginning to its end. Holds one chunk in memory.
///
/// As a [`Read`] it fails with an [`Error`] inside the [`io::Error`]; `Error::from` takes it out again.
pub struct Opener<R: Read> {
    reader: R,
    cipher: Cipher,
    /// A sealed chunk and the first byte after it; then the plaintext of the chunk, and that byte.
    buffer: Zeroizing<Vec<u8>>,
    sealed_bytes: usize,
    /// What of `buffer` is filled.
    filled: usize,
    /// What of `buffer` is plaintext not yet handed out.
    plain: std::ops::Range<usize>,
    index: u64,
    end: Option<Result<(), Error>>,
}

impl<R: Read> Opener<R> {
    /// Reads the head. Fails with [`Error::WrongBody`], [`Error::BodyTruncated`], [`Error::Encoding`] or
    /// [`Error::Io`].
    pub fn new(mut reader: R, key: &BodyKey) -> Result<Self, Error> {
        check_head(&mut reader, key)?;
        let sealed_bytes = key.chunk.sealed_bytes();
        Ok(Self {
            reader,
            cipher: Cipher::new(key),
            buffer: Zeroizing::new(vec![0; sealed_bytes + 1]),
            sealed_bytes,
            filled: 0,
            plain: 0..0,
            index: 0,
            end: None,
        })
    }

    /// Opens the next chunk into `buffer`.
    fn advance(&mut self) -> Result<(), Error> {
        if self.index > 0 {
            // Carry the byte after the previous chunk over.
            self.buffer[0] = self.buffer[self.sealed_bytes];
            self.filled = 1;
        }
        self.filled += fill(&mut self.reader, &mut self.buffer[self.filled..])?;
        let last = self.filled <= self.sealed_bytes;
        let index = self.index;
        let sealed = &mut self.buffer[..self.filled.min(self.sealed_bytes)];
        let length = match self.cipher.open(Place { index, last }, sealed)? {
            Some(0) if index > 0 => return Err(Error::ChunkAltered { chunk: index }),
            Some(length) => length,
            None if sealed.len() < TAG_BYTES => return Err(Error::BodyTruncated { chunks: index }),
            None if self.cipher.open(Place { index, last: !last }, sealed)?.is_some() => {
                return Err(if last {
                    Error::BodyTruncated { chunks: index + 1 }
                } else {
                    Error::BodyExtended { chunk: index }
                });
            }
            None => return Err(Error::ChunkAltered { chunk: index }),
        };
        self.plain = 0..length;
        self.index += 1;
        if last {
            self.end = Some(Ok(()));
        }
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.plain.is_empty() {
            match &self.end {
                Some(end) => return Ok(end.clone().map(|()| 0)?),
                None => {
                    if let Err(error) = self.advance() {
                        self.end = Some(Err(error));
                    }
                }
            }
        }
        let count = into.len().min(self.plain.len());
        into[..count].copy_from_slice(&self.buffer[self.plain.start..][..count]);
        self.plain.start += count;
        Ok(count)
    }
}

/// Opens any part of a body. Holds one chunk in memory.
///
/// The last chunk, and with it the length, is authenticated at the beginning; every other chunk when it
/// is read. As a [`Read`] it fails as [`Opener`] does.
pub struct SeekOpener<R: Read + Seek> {
    reader: R,
    cipher: Cipher,
    chunk: ChunkSize,
    buffer: Zeroizing<Vec<u8>>,
    /// The chunk whose plaintext is in `buffer`.
    held: Option<u64>,
    last: u64,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> SeekOpener<R> {
    /// Reads the head, which is where `reader` begins, and the last chunk. Fails as [`Opener::new`] does
    /// and with [`Error::ChunkAltered`].
    pub fn new(mut reader: R, key: &BodyKey) -> Result<Self, Error> {
        let end = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        check_head(&mut reader, key)?;
        let sealed = end.checked_sub(HEAD_BYTES as u64 + 1).ok_or(Error::BodyTruncated { chunks: 0 })?;
        let last = sealed / key.chunk.sealed_bytes() as u64;
        let tail_bytes = (sealed % key.chunk.sealed_bytes() as u64) as usize + 1;
        if tail_bytes < TAG_BYTES {
            return Err(Error::BodyTruncated { chunks: last });
        }
        let mut opener = Self {
            reader,
            cipher: Cipher::new(key),
            chunk: key.chunk,
            buffer: Zeroizing::new(Vec::with_capacity(key.chunk.sealed_bytes())),
            held: None,
            last,
            length: last * key.chunk.bytes() as u64 + (tail_bytes - TAG_BYTES) as u64,
            position: 0,
        };
        opener.hold(last)?;
        Ok(opener)
    }

    /// Bytes of the plaintext, authenticated.
    pub fn length_bytes(&self) -> u64 {
        self.length
    }

    /// Fills `into` from byte `offset` on, short only where the body ends; gives the count.
    ///
    /// Fails with [`Error::ChunkAltered`] or [`Error::Io`]; what `into` then holds is of no use.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut count = 0;
        while count < into.len() {
            let part = self.at(offset.saturating_add(count as u64))?;
            if part.is_empty() {
                break;
            }
            let length = part.len().min(into.len() - count);
            into[count..][..length].copy_from_slice(&part[..length]);
            count += length;
        }
        Ok(count)
    }

    /// The rest of the chunk from `offset` on; empty at the end.
    fn at(&mut self, offset: u64) -> Result<&[u8], Error> {
        if offset >= self.length {
            return Ok(&[]);
        }
        let chunk_bytes = self.chunk.bytes() as u64;
        self.hold(offset / chunk_bytes)?;
        Ok(&self.buffer[(offset % chunk_bytes) as usize..])
    }

    /// Makes `buffer` the plaintext of a chunk.
    fn hold(&mut self, index: u64) -> Result<(), Error> {
        if self.held == Some(index) {
            return Ok(());
        }
        self.held = None;
        let last = index == self.last;
        let sealed_bytes = self.chunk.sealed_bytes();
        let start = index * self.chunk.bytes() as u64;
        let here = (self.length - start).min(self.chunk.bytes() as u64) as usize + TAG_BYTES;
        self.reader.seek(SeekFrom::Start(HEAD_BYTES as u64 + index * sealed_bytes as u64))?;
        self.buffer.resize(here, 0);
        let filled = fill(&mut self.reader, &mut self.buffer)?;
        match self.cipher.open(Place { index, last }, &mut self.buffer[..filled])? {
            Some(length) if length > 0 || index == 0 => self.buffer.truncate(length),
            None if last && self.cipher.open(Place { index, last: false }, &mut self.buffer)?.is_some() => {
                return Err(Error::BodyTruncated { chunks: index + 1 });
            }
            _ => return Err(Error::ChunkAltered { chunk: index }),
        }
        self.held = Some(index);
        Ok(())
    }
}

impl<R: Read + Seek> Read for SeekOpener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let part = self.at(self.position)?;
        let count = part.len().min(into.len());
        into[..count].copy_from_slice(&part[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for SeekOpener<R> {
    /// In plaintext bytes; beyond the end there is nothing to read.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(delta) => self.length.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Reads the head of a body and compares it with the one `key` gives.
fn check_head(reader: &mut impl Read, key: &BodyKey) -> Result<(), Error> {
    let mut head = [0; HEAD_BYTES];
    if fill(reader, &mut head)? < HEAD_BYTES {
        return Err(Error::BodyTruncated { chunks: 0 });
    }
    let error = |problem| Err(Error::Encoding { object: "body", problem });
    if !head.starts_with(MAGIC) {
        return error("no body of an envelope");
    }
    if head[MAGIC.len()] != VERSION {
        return error("a version this software does not know");
    }
    if &head == key.head() { Ok(()) } else { Err(Error::WrongBody) }
}

/// Reads until `into` is full or the reader ends; gives the count.
fn fill(reader: &mut impl Read, into: &mut [u8]) -> Result<usize, Error> {
    let mut count = 0;
    while count < into.len() {
        match reader.read(&mut into[count..]) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn key() -> BodyKey {
        let secret = Zeroizing::new(std::array::from_fn(|i| i as u8));
        let aad_hash = Sha256::digest(b"record 7").into();
        BodyKey::from_secret(secret, aad_hash, ChunkSize::new(MIN_CHUNK_BYTES).unwrap())
    }

    fn read(body: &[u8]) -> [Result<Vec<u8>, Error>; 2] {
        let (mut in_order, mut by_seeking) = (Vec::new(), Vec::new());
        let first = Opener::new(body, &key()).and_then(|mut o| Ok(o.read_to_end(&mut in_order)?));
        let second =
            SeekOpener::new(Cursor::new(body), &key()).and_then(|mut o| Ok(o.read_to_end(&mut by_seeking)?));
        [first.map(|_| in_order), second.map(|_| by_seeking)]
    }

    /// Two bodies for one plaintext: a whole last chunk, or an empty one after it.
    #[test]
    fn an_empty_last_chunk_is_the_whole_body_or_refused() {
        let cipher = Cipher::new(&key());
        let mut chunk = vec![7; MIN_CHUNK_BYTES];
        let mut empty = Vec::new();
        cipher.seal(Place { index: 0, last: false }, &mut chunk).unwrap();
        cipher.seal(Place { index: 1, last: true }, &mut empty).unwrap();
        for refused in read(&[key().head(), &chunk[..], &empty].concat()) {
            assert_eq!(refused, Err(Error::ChunkAltered { chunk: 1 }));
        }
        let mut only = Vec::new();
        cipher.seal(Place { index: 0, last: true }, &mut only).unwrap();
        for opened in read(&[key().head(), &only[..]].concat()) {
            assert_eq!(opened, Ok(Vec::new()));
        }
    }

    #[test]
    fn a_body_ends_at_its_limit() {
        let mut sealer = Sealer::under(&key(), Vec::new()).unwrap();
        let last = MAX_BODY_BYTES / MIN_CHUNK_BYTES as u64 - 1;
        assert_eq!(last, u64::from(u32::MAX));
        sealer.index = last;
        sealer.write_all(&[0; MIN_CHUNK_BYTES]).unwrap();
        let refused = sealer.write_all(&[0]).map_err(Error::from);
        assert_eq!(refused, Err(Error::BodyTooLong));
        sealer.finish().unwrap();

        let key = key();
        let mut opener = Opener::new(&key.head()[..], &key).unwrap();
        opener.index = last + 1;
        assert_eq!(opener.advance(), Err(Error::BodyTooLong));
    }

    /// `vectors/stream.txt`, which was computed with another implementation.
    #[test]
    fn bodies_match_the_published_vector() {
        let vector = include_str!("../vectors/stream.txt");
        let field = |name: &str| {
            let line = vector.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            hex::decode(line.unwrap()).unwrap()
        };
        let key = key();
        assert_eq!(key.secret()[..], field("secret"));
        assert_eq!(key.aad_hash()[..], field("aad_hash"));
        for (name, length) in [("short", 5), ("long", MIN_CHUNK_BYTES + 3)] {
            let plain: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut sealer = Sealer::under(&key, Vec::new()).unwrap();
            sealer.write_all(&plain).unwrap();
            let body = sealer.finish().unwrap();
            assert_eq!(Sha256::digest(&body)[..], field(&format!("{name}.body_sha256")));
            if name == "short" {
                assert_eq!(body, field("short.body"));
            }
        }
    }
}
