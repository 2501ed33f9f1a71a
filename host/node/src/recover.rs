//! Records that outlive their board. The root of a lost board is gone, and with it the owner's way to the section keys; but
//! a section that was put under a recovery policy opens with attribute keys that satisfy it, and the ledger on the disk is
//! readable and verifiable without any secret. What is opened is put anew on another node, under its board and its owner,
//! with a section that names the record it was and proves that it was registered. The procedure is `docs/recovery.md`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use twinseal_ledger::{Archive, ChainId, Genesis};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::answers::Evidence;
use crate::folder;
use crate::reader::ReaderKeys;
use crate::record::{RecordNumber, SectionName, SignedRecord};
use crate::store;
use crate::upload::{CLINICAL_POLICY, Upload};
use crate::verify;

/// Sections that say where a record came from are called this and a number; a record recovered twice has two.
pub const ORIGIN: &str = "recovered-from/";
/// Largest agreement of a ledger that is read.
const MAX_GENESIS_BYTES: u64 = 16 << 20;

/// The data folder of a lost node, or a copy of it: ledger and objects, verified. Nothing in it is written.
#[derive(Debug)]
pub struct Lost {
    archive: Archive,
    objects: PathBuf,
    /// The ledger's file is opened as a copy, for opening may repair it.
    _copy: tempfile::TempDir,
}

/// One record of it, opened as far as the keys go.
#[derive(Debug)]
pub struct Opened {
    /// What can be put anew.
    pub recovered: Recovered,
    /// Sections the keys do not open, each with why.
    pub refused: Vec<(SectionName, Error)>,
}

impl Lost {
    /// Opens and verifies the whole ledger in `dir`: every block, signature and transaction from its agreement on. `chain`
    /// in hex pins it; without, the agreement in the folder is believed.
    pub fn open(dir: &Path, chain: Option<&str>) -> Result<Self, Error> {
        let path = dir.join(folder::GENESIS);
        let bytes = read(&path, MAX_GENESIS_BYTES)?;
        let expected = "the ledger's agreement";
        let genesis = Genesis::from_bytes(&bytes)
            .map_err(|_| Error::SecretMalformed { path: path.display().to_string(), expected })?;
        let found = genesis.chain()?.to_string();
        if chain.is_some_and(|pinned| !pinned.eq_ignore_ascii_case(&found)) {
            return Err(Error::WrongChain { found });
        }
        let copy =
            tempfile::tempdir().map_err(|e| Error::io("create", Path::new("a temporary folder"), e))?;
        let (ledger, copied) = (dir.join(folder::LEDGER), copy.path().join(folder::LEDGER));
        std::fs::copy(&ledger, &copied).map_err(|e| Error::io("copy", &ledger, e))?;
        let archive = Archive::open(&copied, genesis)?;
        Ok(Self { archive, objects: dir.join(folder::OBJECTS), _copy: copy })
    }

    /// Which ledger it is.
    pub fn chain(&self) -> ChainId {
        self.archive.chain()
    }

    /// Its newest block.
    pub fn height(&self) -> u64 {
        self.archive.head().height.0
    }

    /// Its records, by number.
    pub fn records(&self) -> Result<Vec<RecordNumber>, Error> {
        Ok(self.archive.records()?.into_iter().map(|(number, _)| number).collect())
    }

    /// Verifies the last version of `number` and opens what `keys` open of it.
    pub fn open_record(&self, number: RecordNumber, keys: &ReaderKeys) -> Result<Opened, Error> {
        let missing = || Error::NoSuchRecord { record: number.to_string() };
        let record = self.archive.records()?.into_iter().find(|(n, _)| *n == number).ok_or_else(missing)?.1;
        let receipt = self.archive.receipt(&record.transaction)?.ok_or_else(missing)?;
        let block = self.archive.block(receipt.height)?.ok_or_else(missing)?;
        let transaction = block.transactions.get(receipt.index as usize).ok_or_else(missing)?;
        let (header, proof) = self.archive.proof(&record.transaction)?;
        let evidence = Evidence::new(self.archive.genesis(), &header, transaction, &proof)?;
        let blob = store::read_object(&self.objects, &record.blob_hash)?;
        let chain = self.chain().to_string();
        let (_, signed) = verify::verify(number, &blob, &evidence, Some(&chain))?;
        let (mut sections, mut refused) = (Vec::new(), Vec::new());
        for section in &signed.sections {
            let opened = store::read_object(&self.objects, &section.body_hash)
                .and_then(|body| section.open_with_attributes(&signed.header, &body, keys));
            match opened {
                Ok(plaintext) => {
                    sections.push(Plain { name: section.name.to_string(), plaintext: plaintext.to_vec() })
                }
                Err(e) => refused.push((section.name.clone(), e)),
            }
        }
        let record = *number.as_bytes();
        Ok(Opened { recovered: Recovered { record, evidence, blob, sections }, refused })
    }
}

/// A record of a lost node in the clear, with the proof that it was registered there.
#[derive(Serialize, Deserialize)]
pub struct Recovered {
    record: [u8; 16],
    evidence: Evidence,
    blob: Vec<u8>,
    sections: Vec<Plain>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Plain {
    name: String,
    plaintext: Vec<u8>,
}

/// Where a recovered record came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The lost ledger.
    pub chain: ChainId,
    /// Its record.
    pub record: RecordNumber,
}

impl Recovered {
    /// Names of the sections that were opened.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| section.name.as_str())
    }

    /// The record as the lost node had it.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// For the way to a node; holds plaintext.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(Zeroizing::new(postcard::to_allocvec(self).map_err(|_| Error::Malformed)?))
    }

    /// Parses what [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match postcard::take_from_bytes(bytes) {
            Ok((recovered, [])) => Ok(recovered),
            _ => Err(bad("it does not parse; use the same version on both sides")),
        }
    }

    /// What is to be put: the sections under the policies they had, and one that says and proves where they came from. The
    /// evidence is checked here; that the plaintexts are those of the record is the word of whoever opened it.
    pub fn into_upload(self) -> Result<(Origin, Upload), Error> {
        let record = RecordNumber::from(self.record);
        let (verdict, signed) = verify::verify(record, &self.blob, &self.evidence, None)?;
        if self.sections.is_empty() {
            return Err(bad("no section of it was opened; ask for keys that satisfy its recovery policy"));
        }
        let mut upload = Upload { sections: Vec::new() };
        for section in &self.sections {
            let policy = signed.section(&section.name)?.access.policy.parse()?;
            upload.add(&section.name, policy, section.plaintext.clone())?;
        }
        let mut names: Vec<_> = self.sections().collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(bad("a section is there twice; recover it again"));
        }
        let origin = json!({
            "chain": verdict.chain,
            "record": verdict.record,
            "registered_ms": verdict.registered_ms,
            "owner": verdict.owner,
            "doctor": verdict.doctor,
            "sections": verdict.sections,
            "blob": hex::encode(&self.blob),
            "evidence": self.evidence,
        });
        let name = format!("{ORIGIN}{}", 1 + origins(&signed));
        upload.add(&name, CLINICAL_POLICY.parse()?, origin.to_string().into_bytes())?;
        Ok((Origin { chain: verdict.chain.parse()?, record }, upload))
    }
}

/// How often a record was recovered.
fn origins(signed: &SignedRecord) -> usize {
    signed.sections.iter().filter(|section| section.name.as_str().starts_with(ORIGIN)).count()
}

impl core::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<_> = self.sections().collect();
        f.debug_struct("Recovered").field("sections", &names).finish_non_exhaustive()
    }
}

fn bad(reason: &str) -> Error {
    Error::BadRecovery { reason: reason.into() }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |e| Error::io("read", path, e);
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > limit {
        return Err(Error::ObjectTooLarge { bytes, limit });
    }
    std::fs::read(path).map_err(failed)
}
