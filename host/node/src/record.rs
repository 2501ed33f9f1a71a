//! A record: sections sealed one by one, each under its own key, each key encapsulated under its own policy, and the
//! doctor's signature over the record number and the ciphertext hashes (Yi 2023, the submit flow; Tang 2025, III.E).
//! The bytes of a [`SignedRecord`] are the blob that the cloud stores under its SHA-256.
//!
//! ```text
//! section key  = Identity::section_key(record number, name)                 regenerated, never stored
//! body         = seal(section key, aad = header ‖ name ‖ policy, plaintext)
//! S, ct        = encapsulate(policy, aad)                                    RW15, twinseal-abe
//! wrapped key  = seal(S, aad, section key)
//! hash_i       = SHA-256(name ‖ policy ‖ ct ‖ wrapped key ‖ body)            canonical postcard
//! signature    = ML-DSA-65("twinseal/v1/record" ‖ header ‖ [name_i, hash_i]) FIPS 204
//! ```

use serde::{Deserialize, Serialize};
use twinseal_abe as abe;
use twinseal_driver::{EntropySlot, HashSlot};
pub use twinseal_ledger::RecordNumber;
use twinseal_ledger::{AccountId, PublicKey, Signature, SigningKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::reader::ReaderKeys;
use crate::seal::{self, SectionKey};

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
    /// The only format so far.
    pub const VERSION: u8 = 1;
    /// The only suite so far (FIPS 204).
    pub const SUITE: &str = "ML-DSA-65";
}

/// One section as the cloud sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSection {
    /// Which section.
    pub name: SectionName,
    /// Who may read it, as text in normal form.
    pub policy: String,
    /// [`abe::Ciphertext`] bytes.
    pub encapsulation: Vec<u8>,
    /// The section key, sealed under the encapsulated one.
    pub wrapped_key: Vec<u8>,
    /// The plaintext, sealed under the section key.
    pub body: Vec<u8>,
}

/// A record ready for the cloud.
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

/// Seals one section under `section_key` and wraps that key for whoever satisfies its policy.
pub fn seal_section(
    header: &Header,
    section: &Section,
    section_key: &SectionKey,
    authorities: &[&abe::PublicKey],
    entropy: &dyn EntropySlot,
) -> Result<SealedSection, Error> {
    if section.plaintext.len() > MAX_SECTION_BYTES {
        return Err(Error::ObjectTooLarge {
            bytes: section.plaintext.len() as u64,
            limit: MAX_SECTION_BYTES as u64,
        });
    }
    let policy = section.policy.to_string();
    let aad = associated_data(header, &section.name, &policy)?;
    let body = seal::seal(section_key, &aad, &section.plaintext, entropy)?;
    let (encapsulation, shared) = abe::encapsulate(
        &section.policy,
        authorities.iter().copied(),
        &aad,
        &mut crate::entropy::Rng(entropy),
    )?;
    let wrapping = SectionKey::from_slice(shared.as_bytes())?;
    let wrapped_key = seal::seal(&wrapping, &aad, section_key.as_bytes(), entropy)?;
    Ok(SealedSection {
        name: section.name.clone(),
        policy,
        encapsulation: encapsulation.to_bytes(),
        wrapped_key,
        body,
    })
}

impl SealedSection {
    /// Opens with attribute keys, as a reader does.
    pub fn open_with_attributes(
        &self,
        header: &Header,
        reader: &ReaderKeys,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let aad = associated_data(header, &self.name, &self.policy)?;
        let encapsulation = abe::Ciphertext::from_bytes(&self.encapsulation)?;
        let shared = abe::decapsulate(&encapsulation, &aad, &reader.user, &reader.keys)?;
        let wrapping = SectionKey::from_slice(shared.as_bytes())?;
        let section_key = SectionKey::from_slice(&seal::open(&wrapping, &aad, &self.wrapped_key)?)?;
        seal::open(&section_key, &aad, &self.body)
    }

    /// Opens with the section key itself, as the owner does.
    pub fn open_with_key(&self, header: &Header, key: &SectionKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        let aad = associated_data(header, &self.name, &self.policy)?;
        seal::open(key, &aad, &self.body)
    }

    /// What the doctor signs and the ledger keeps of this section.
    pub fn ciphertext_hash(&self, hash: &dyn HashSlot) -> Result<[u8; 32], Error> {
        Ok(hash.hash(&encode(self)?)?)
    }
}

impl SignedRecord {
    /// Signs `header` and the hashes of `sections`, each computed by `hash`.
    pub fn sign(
        header: Header,
        sections: Vec<SealedSection>,
        doctor: &SigningKey,
        hash: &dyn HashSlot,
    ) -> Result<Self, Error> {
        check_sections(&sections)?;
        let message = signed_message(&header, &sections, hash)?;
        let signature = doctor.sign(&message)?.to_bytes();
        Ok(Self { header, sections, signer: doctor.public_key().to_bytes(), signature })
    }

    /// Checks format, suite and signature, and that the signer is the doctor the caller expects.
    pub fn verify(&self, doctor: &PublicKey, hash: &dyn HashSlot) -> Result<(), Error> {
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
        let message = signed_message(&self.header, &self.sections, hash)?;
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

fn signed_message(
    header: &Header,
    sections: &[SealedSection],
    hash: &dyn HashSlot,
) -> Result<Vec<u8>, Error> {
    let mut message = b"twinseal/v1/record\0".to_vec();
    let hashes = sections
        .iter()
        .map(|s| Ok((&s.name, s.ciphertext_hash(hash)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    message.extend_from_slice(&encode(&(header, hashes))?);
    Ok(message)
}

/// Binds a ciphertext to its place: no section can be moved to another record, name or policy.
fn associated_data(header: &Header, name: &SectionName, policy: &str) -> Result<Vec<u8>, Error> {
    encode(&("twinseal/v1/section", header, name, policy))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|_| Error::Malformed)
}
