//! A record: sections sealed one by one, each under its own key, each key encapsulated under its own policy, and the
//! doctor's signature over the record number and the ciphertexts (Yi 2023, the submit flow; Tang 2025, III.E).
//!
//! A section is two things. Its *body* never changes and is an object of its own, stored under its SHA-256. Its *access*
//! says who may read and gives them the key; the owner replaces it ([`SealedSection::rewrap`]) without a byte of the body
//! being touched, and registers the new version. The bytes of a [`SignedRecord`] are the blob: all that is said of the
//! sections, without their bodies.
//!
//! ```text
//! section key  = Identity::section_key(record number, name)                  regenerated, never stored
//! body         = seal(section key, header ‖ name, plaintext)
//! S, ct        = encapsulate(policy, header ‖ name ‖ body hash ‖ policy)      RW15, twinseal-abe
//! wrapped key  = seal(S, header ‖ name ‖ body hash ‖ policy, section key)
//! access       = policy ‖ ct ‖ wrapped key
//! signature    = ML-DSA-65("twinseal/v2/record" ‖ header ‖ [name_i, SHA-256(body_i)])   the doctor's (FIPS 204)
//! hash_i       = SHA-256(name ‖ SHA-256(body) ‖ access)                       canonical postcard; on the ledger,
//!                                                                             where the owner signs
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twinseal_abe as abe;
use twinseal_abe::outsource::{RetrievingKey, Transformed};
use twinseal_driver::{EntropySlot, HashSlot};
pub use twinseal_ledger::RecordNumber;
use twinseal_ledger::{AccountId, PublicKey, Signature, SigningKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::reader::ReaderKeys;
use crate::seal::{self, SectionKey};
use crate::store::ObjectHash;

/// Sections a record may have.
pub const MAX_SECTIONS: usize = 32;
/// Longest section name in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest plaintext of one section.
pub const MAX_SECTION_BYTES: usize = 64 << 20;

/// A fresh record number: 128 random bits, shown as 32 hex digits. It says nothing about the patient.
pub fn random_record_number(entropy: &dyn EntropySlot) -> Result<RecordNumber, Error> {
    let mut bytes = [0u8; 16];
    entropy.fill(&mut bytes)?;
    Ok(bytes.into())
}

/// A record number as a person types it.
pub fn parse_record_number(text: &str) -> Result<RecordNumber, Error> {
    let mut bytes = [0u8; 16];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| Error::BadRecordNumber { text: text.chars().take(64).collect() })?;
    Ok(bytes.into())
}

/// `personal`, `symptoms`, `prescriptions`, `stream/glucose`, ...: lower-case letters, digits, `-` and `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SectionName(String);

impl SectionName {
    /// Checks the alphabet and the length.
    pub fn new(name: &str) -> Result<Self, Error> {
        let ok = !name.is_empty()
            && name.len() <= MAX_NAME_BYTES
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/'));
        if ok { Ok(Self(name.to_owned())) } else { Err(Error::BadSectionName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The section holds a sensor stream.
    pub fn is_stream(&self) -> bool {
        self.0.starts_with("stream/")
    }
}

impl TryFrom<String> for SectionName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        Self::new(&name)
    }
}

impl From<SectionName> for String {
    fn from(name: SectionName) -> Self {
        name.0
    }
}

impl core::fmt::Display for SectionName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before the sections, in the clear and under the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format of the blob; [`Header::VERSION`].
    pub version: u8,
    /// Signature suite, by name: `ML-DSA-65`.
    pub suite: String,
    /// Also on the ledger.
    pub record_number: RecordNumber,
    /// Ledger account that owns the record.
    pub owner: AccountId,
    /// When the record was made, Unix milliseconds.
    pub created_ms: u64,
}

impl Header {
    /// The only format this build knows.
    pub const VERSION: u8 = 2;
    /// The only suite so far (FIPS 204).
    pub const SUITE: &str = "ML-DSA-65";
}

/// One section as the blob has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSection {
    /// Which section.
    pub name: SectionName,
    /// SHA-256 of the body, and its name in the store.
    pub body_hash: ObjectHash,
    /// Size of the body.
    pub body_bytes: u64,
    /// Who may read it.
    pub access: Access,
}

/// Who may read a section, and for them its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Who, as text in normal form.
    pub policy: String,
    /// [`abe::Ciphertext`] bytes.
    pub encapsulation: Vec<u8>,
    /// The section key, sealed under the encapsulated one.
    pub wrapped_key: Vec<u8>,
}

/// What is said of a record's sections, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// Record number, owner, time.
    pub header: Header,
    /// At least one, names unique.
    pub sections: Vec<SealedSection>,
    /// The doctor's ML-DSA-65 public key.
    pub signer: Vec<u8>,
    /// The doctor's signature.
    pub signature: Vec<u8>,
}

/// A record ready for the cloud.
#[derive(Clone, Debug)]
pub struct SealedRecord {
    /// Goes into the blob.
    pub record: SignedRecord,
    /// The body of every section, in the same order.
    pub bodies: Vec<Vec<u8>>,
}

/// A section before sealing.
#[derive(Clone)]
pub struct Section {
    /// Which section.
    pub name: SectionName,
    /// Who may read it.
    pub policy: abe::Policy,
    /// What it says.
    pub plaintext: Zeroizing<Vec<u8>>,
}

/// Seals one section under `section_key` and wraps that key for whoever satisfies its policy; the section and its body.
pub fn seal_section(
    header: &Header,
    section: &Section,
    section_key: &SectionKey,
    authorities: &[Arc<abe::PublicKey>],
    hash: &dyn HashSlot,
    entropy: &dyn EntropySlot,
) -> Result<(SealedSection, Vec<u8>), Error> {
    if section.plaintext.len() > MAX_SECTION_BYTES {
        return Err(Error::ObjectTooLarge {
            bytes: section.plaintext.len() as u64,
            limit: MAX_SECTION_BYTES as u64,
        });
    }
    let place = encode(&("twinseal/v2/body", header, &section.name))?;
    let body = seal::seal(section_key, &place, &section.plaintext, entropy)?;
    let body_hash = hash.hash(&body)?;
    let name = &section.name;
    let access = Access::new(header, name, &body_hash, &section.policy, section_key, authorities, entropy)?;
    Ok((SealedSection { name: name.clone(), body_hash, body_bytes: body.len() as u64, access }, body))
}

impl Access {
    fn new(
        header: &Header,
        name: &SectionName,
        body_hash: &ObjectHash,
        policy: &abe::Policy,
        section_key: &SectionKey,
        authorities: &[Arc<abe::PublicKey>],
        entropy: &dyn EntropySlot,
    ) -> Result<Self, Error> {
        let text = policy.to_string();
        let aad = access_data(header, name, body_hash, &text)?;
        let rng = &mut crate::entropy::Rng(entropy);
        let (encapsulation, shared) =
            abe::encapsulate(policy, authorities.iter().map(|key| &**key), &aad, rng)?;
        let wrapping = SectionKey::from_slice(shared.as_bytes())?;
        let wrapped_key = seal::seal(&wrapping, &aad, section_key.as_bytes(), entropy)?;
        Ok(Self { policy: text, encapsulation: encapsulation.to_bytes(), wrapped_key })
    }
}

impl SealedSection {
    /// Opens with attribute keys, as a reader does.
    pub fn open_with_attributes(
        &self,
        header: &Header,
        body: &[u8],
        reader: &ReaderKeys,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let aad = self.access_data(header)?;
        let shared = abe::decapsulate(&self.ciphertext()?, &aad, &reader.user, &reader.keys)?;
        self.open_with_shared(header, body, &shared)
    }

    /// Opens with what a helper made of [`Self::ciphertext`]; the helper is not believed.
    pub fn open_with_transform(
        &self,
        header: &Header,
        body: &[u8],
        key: &RetrievingKey,
        transformed: &Transformed,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let aad = self.access_data(header)?;
        // The rows are the helper's business: not parsing them keeps this flat in the number of attributes.
        let shared = key.finish_encoded(&self.access.encapsulation, &aad, transformed)?;
        self.open_with_shared(header, body, &shared)
    }

    fn open_with_shared(
        &self,
        header: &Header,
        body: &[u8],
        shared: &abe::SharedKey,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let wrapping = SectionKey::from_slice(shared.as_bytes())?;
        let key = seal::open(&wrapping, &self.access_data(header)?, &self.access.wrapped_key)?;
        self.open_with_key(header, body, &SectionKey::from_slice(&key)?)
    }

    /// Opens with the section key itself, as the owner does.
    pub fn open_with_key(
        &self,
        header: &Header,
        body: &[u8],
        key: &SectionKey,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.check_body(body)?;
        seal::open(key, &encode(&("twinseal/v2/body", header, &self.name))?, body)
    }

    /// Is `body` the one the doctor signed?
    pub fn check_body(&self, body: &[u8]) -> Result<(), Error> {
        let actual = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
        if actual.as_ref() == self.body_hash && body.len() as u64 == self.body_bytes {
            return Ok(());
        }
        Err(Error::ObjectTampered { hash: hex::encode(self.body_hash), actual: hex::encode(actual) })
    }

    /// The same section under another policy, or under the same one and current authority keys. Who could read it before
    /// may have kept its key; this decides who gets it from now on.
    pub fn rewrap(
        &self,
        header: &Header,
        policy: &abe::Policy,
        key: &SectionKey,
        authorities: &[Arc<abe::PublicKey>],
        entropy: &dyn EntropySlot,
    ) -> Result<Self, Error> {
        let access = Access::new(header, &self.name, &self.body_hash, policy, key, authorities, entropy)?;
        Ok(Self { access, ..self.clone() })
    }

    /// The encapsulation; its policy must be the one the blob shows.
    pub fn ciphertext(&self) -> Result<abe::Ciphertext, Error> {
        let ciphertext = abe::Ciphertext::from_bytes(&self.access.encapsulation)?;
        if ciphertext.policy().to_string() != self.access.policy {
            return Err(Error::Malformed);
        }
        Ok(ciphertext)
    }

    fn access_data(&self, header: &Header) -> Result<Vec<u8>, Error> {
        access_data(header, &self.name, &self.body_hash, &self.access.policy)
    }

    /// What the ledger keeps of this section.
    pub fn ciphertext_hash(&self, hash: &dyn HashSlot) -> Result<[u8; 32], Error> {
        Ok(hash.hash(&encode(self)?)?)
    }
}

impl SignedRecord {
    /// Signs `header` and the bodies of `sections`.
    pub fn sign(header: Header, sections: Vec<SealedSection>, doctor: &SigningKey) -> Result<Self, Error> {
        check_sections(&sections)?;
        let message = signed_message(&header, &sections)?;
        let signature = doctor.sign(&message)?.to_bytes();
        Ok(Self { header, sections, signer: doctor.public_key().to_bytes(), signature })
    }

    /// Checks format, suite and signature, and that the signer is the doctor the caller expects.
    pub fn verify(&self, doctor: &PublicKey) -> Result<(), Error> {
        if self.header.version != Header::VERSION || self.header.suite != Header::SUITE {
            return Err(Error::UnknownFormat {
                version: self.header.version,
                suite: self.header.suite.chars().take(32).collect(),
            });
        }
        check_sections(&self.sections)?;
        if self.signer != doctor.to_bytes() {
            return Err(Error::WrongSigner);
        }
        let message = signed_message(&self.header, &self.sections)?;
        let signature = Signature::from_bytes(&self.signature)?;
        doctor.verify(&message, &signature).map_err(|_| Error::BadSignature)
    }

    /// The hashes of all sections, in order.
    pub fn ciphertext_hashes(&self, hash: &dyn HashSlot) -> Result<Vec<[u8; 32]>, Error> {
        self.sections.iter().map(|s| s.ciphertext_hash(hash)).collect()
    }

    /// The section called `name`.
    pub fn section(&self, name: &str) -> Result<&SealedSection, Error> {
        self.sections
            .iter()
            .find(|s| s.name.as_str() == name)
            .ok_or_else(|| Error::NoSuchSection { name: name.chars().take(MAX_NAME_BYTES).collect() })
    }

    /// The section called `name`, to be replaced.
    pub fn section_mut(&mut self, name: &str) -> Result<&mut SealedSection, Error> {
        self.section(name)?;
        self.sections.iter_mut().find(|s| s.name.as_str() == name).ok_or(Error::Malformed)
    }

    /// The sensor stream; the first if there are several.
    pub fn stream(&self) -> Result<&SealedSection, Error> {
        let found = self.sections.iter().find(|s| s.name.is_stream());
        found.ok_or_else(|| Error::NoSuchSection { name: "stream/...".into() })
    }

    /// The blob.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        encode(self)
    }

    /// Parses a blob; trailing bytes and anything past the limits are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (record, rest): (Self, _) = postcard::take_from_bytes(bytes).map_err(|_| Error::Malformed)?;
        if !rest.is_empty() {
            return Err(Error::Malformed);
        }
        check_sections(&record.sections)?;
        Ok(record)
    }
}

fn check_sections(sections: &[SealedSection]) -> Result<(), Error> {
    let mut names: Vec<_> = sections.iter().map(|s| &s.name).collect();
    names.sort_unstable();
    names.dedup();
    if sections.is_empty() || sections.len() > MAX_SECTIONS || names.len() != sections.len() {
        return Err(Error::Malformed);
    }
    Ok(())
}

fn signed_message(header: &Header, sections: &[SealedSection]) -> Result<Vec<u8>, Error> {
    let mut message = b"twinseal/v2/record\0".to_vec();
    let bodies: Vec<_> = sections.iter().map(|s| (&s.name, s.body_hash)).collect();
    message.extend_from_slice(&encode(&(header, bodies))?);
    Ok(message)
}

/// Binds an access to its place: none can be moved to another record, name, body or policy.
fn access_data(
    header: &Header,
    name: &SectionName,
    body_hash: &ObjectHash,
    policy: &str,
) -> Result<Vec<u8>, Error> {
    encode(&("twinseal/v2/access", header, name, body_hash, policy))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|_| Error::Malformed)
}
