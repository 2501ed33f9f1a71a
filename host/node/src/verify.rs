//! What a client checks by itself, trusting neither daemon nor store: the ledger's agreement (its hash is the chain id),
//! the block's signature, the inclusion proof, the registration's signature, the blob's hash and the doctor's signature.
//! A [`SignedRecord`] that comes out of here is the registered one; opening a section checks its body against it.

use serde::Serialize;
use twinseal_abe::outsource::{RetrievingKey, Transformed};
use twinseal_driver::Provider;
use twinseal_ledger::{
    Genesis, InclusionProof, Kind, PublicKey, SignedHeader, Transaction, verify_inclusion,
};
use zeroize::Zeroizing;

use crate::Error;
use crate::answers::Evidence;
use crate::node::DOCTOR;
use crate::reader::ReaderKeys;
use crate::record::{RecordNumber, SectionName, SignedRecord};
use crate::transform::TransformedSection;

/// Longest field of an [`Evidence`] in hex digits: a genesis of thousands of members.
const MAX_FIELD_DIGITS: usize = 32 << 20;

/// A record that passed every check.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Which record.
    pub record: String,
    /// Chain id of the ledger; pin it with `--chain`.
    pub chain: String,
    /// Block of the registration.
    pub height: u64,
    /// Time of that block, Unix milliseconds.
    pub registered_ms: u64,
    /// Ledger account of the owner.
    pub owner: String,
    /// Ledger account of the signer.
    pub doctor: String,
    /// Name and policy of every section.
    pub sections: Vec<(String, String)>,
    /// SHA-256 of the blob.
    pub blob_hash: String,
    /// The caller named the chain; otherwise it is the daemon's word.
    pub chain_pinned: bool,
}

impl core::fmt::Display for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "record {} is on the ledger and unaltered", self.record)?;
        let pinned = if self.chain_pinned { "pinned" } else { "as the daemon says; pin it with --chain" };
        writeln!(f, "chain     {} ({pinned})", self.chain)?;
        writeln!(f, "block     {} at {} ms", self.height, self.registered_ms)?;
        writeln!(f, "owner     {}", self.owner)?;
        writeln!(f, "signed by {}", self.doctor)?;
        writeln!(f, "blob      SHA-256 {}", self.blob_hash)?;
        for (name, policy) in &self.sections {
            writeln!(f, "section   {name}: {policy}")?;
        }
        Ok(())
    }
}

/// Checks `blob` and `evidence` for `record`; `chain` in hex pins the ledger.
pub fn verify(
    record: RecordNumber,
    blob: &[u8],
    evidence: &Evidence,
    chain: Option<&str>,
) -> Result<(Verdict, SignedRecord), Error> {
    let mismatch = || Error::LedgerMismatch { record: record.to_string() };
    let genesis = Genesis::from_bytes(&unhex(&evidence.genesis)?)?;
    let header = SignedHeader::from_bytes(&unhex(&evidence.header)?)?;
    let transaction = Transaction::from_bytes(&unhex(&evidence.transaction)?)?;
    let proof: InclusionProof =
        postcard::from_bytes(&unhex(&evidence.proof)?).map_err(|_| Error::Malformed)?;

    let chain_id = genesis.chain()?;
    if chain.is_some_and(|pinned| !pinned.eq_ignore_ascii_case(&chain_id.to_string())) {
        return Err(Error::WrongChain { found: chain_id.to_string() });
    }
    header.verify(&genesis.orderer)?;
    if header.header.chain != chain_id || transaction.chain() != chain_id {
        return Err(mismatch());
    }
    verify_inclusion(&header.header, &transaction.id()?, &proof)?;
    transaction
        .verify(member(&genesis, |key| key.account() == transaction.sender()).ok_or_else(mismatch)?)?;
    let Kind::RegisterRecord { record: registered, ciphertext_hashes, blob_hash, .. } = transaction.kind()
    else {
        return Err(mismatch());
    };

    let hash = &*Provider::software().hash;
    let signed = SignedRecord::from_bytes(blob)?;
    let doctor = genesis.members.iter().find(|m| m.name == DOCTOR).ok_or_else(mismatch)?;
    let actual = hash.hash(blob)?;
    if actual != *blob_hash {
        return Err(Error::ObjectTampered { hash: hex::encode(blob_hash), actual: hex::encode(actual) });
    }
    signed.verify(&doctor.public_key)?;
    if *registered != record
        || signed.header.record_number != record
        || signed.header.owner != transaction.sender()
        || signed.ciphertext_hashes(hash)? != *ciphertext_hashes
    {
        return Err(mismatch());
    }
    let verdict = Verdict {
        record: record.to_string(),
        chain: chain_id.to_string(),
        height: header.header.height.0,
        registered_ms: header.header.timestamp_ms,
        owner: transaction.sender().to_string(),
        doctor: doctor.public_key.account().to_string(),
        sections: signed.sections.iter().map(|s| (s.name.to_string(), s.access.policy.clone())).collect(),
        blob_hash: hex::encode(blob_hash),
        chain_pinned: chain.is_some(),
    };
    Ok((verdict, signed))
}

/// Opens one section with a reader's keys, after everything was verified.
pub fn open(
    record: RecordNumber,
    blob: &[u8],
    body: &[u8],
    evidence: &Evidence,
    chain: Option<&str>,
    section: &SectionName,
    keys: &ReaderKeys,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (_, signed) = verify(record, blob, evidence, chain)?;
    signed.section(section.as_str())?.open_with_attributes(&signed.header, body, keys)
}

/// Opens one section whose pairings a helper did, after everything was verified; the helper's work is verified with it.
pub fn open_transformed(
    record: RecordNumber,
    answer: &TransformedSection,
    chain: Option<&str>,
    section: &SectionName,
    key: &RetrievingKey,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (_, signed) = verify(record, &answer.blob, &answer.evidence, chain)?;
    let transformed = Transformed::from_bytes(&answer.transformed)?;
    let section = signed.section(section.as_str())?;
    section.open_with_transform(&signed.header, &answer.body, key, &transformed)
}

fn member(genesis: &Genesis, wanted: impl Fn(&PublicKey) -> bool) -> Option<&PublicKey> {
    genesis.members.iter().map(|m| &m.public_key).find(|key| wanted(key))
}

fn unhex(text: &str) -> Result<Vec<u8>, Error> {
    if text.len() > MAX_FIELD_DIGITS {
        return Err(Error::Malformed);
    }
    hex::decode(text).map_err(|_| Error::Malformed)
}
