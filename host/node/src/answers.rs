//! What a node answers, as the API sends it and the command prints it.

use serde::{Deserialize, Serialize};
use twinseal_ledger::{Genesis, InclusionProof, SignedHeader, Transaction};
use twinseal_twin::{Filled, Series, predict};
use utoipa::ToSchema;

use crate::Error;
use crate::api::Problem;
use crate::record::{RecordNumber, SectionName};
use crate::root::Kind;

/// How gaps are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Monotone cubic interpolation across the gap.
    #[default]
    Pchip,
    /// Prediction_LSH of Tang et al. (25 hashes, 30 tables), for comparison: see the README's status table.
    Lsh,
}

impl Method {
    /// Fills what the method can fill.
    pub fn fill(self, series: &Series) -> Result<Filled, Error> {
        Ok(match self {
            Self::Pchip => predict::pchip::fill(series)?,
            Self::Lsh => predict::lsh::fill(series)?,
        })
    }
}

impl core::fmt::Display for Method {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Pchip => "pchip",
            Self::Lsh => "lsh",
        })
    }
}

/// What became of a put.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PutReport {
    /// 32 hex digits; names the record from now on.
    pub record: String,
    /// What was sealed.
    pub sections: Vec<String>,
    /// Who may read each of them, recovery included.
    pub policies: Vec<String>,
    /// Size of the blob.
    pub blob_bytes: u64,
    /// SHA-256 of the blob.
    pub blob_hash: String,
    /// Ledger transaction that registered it.
    pub transaction: String,
    /// Its block.
    pub height: u64,
    /// RFC 6962 tree head of that block.
    pub tree_head: String,
    /// Hashes in the inclusion proof.
    pub proof_hashes: usize,
    /// Who hashed.
    pub hash_engine: String,
    /// Who computed the tree head.
    pub merkle_engine: String,
}

impl core::fmt::Display for PutReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "record      {}", self.record)?;
        for (section, policy) in self.sections.iter().zip(&self.policies) {
            writeln!(f, "section     {section}: {policy}")?;
        }
        writeln!(
            f,
            "blob        {} bytes, SHA-256 {} ({})",
            self.blob_bytes, self.blob_hash, self.hash_engine
        )?;
        writeln!(f, "registered  transaction {} in block {}", self.transaction, self.height)?;
        write!(f, "tree head   {} ({})", self.tree_head, self.merkle_engine)
    }
}

/// What became of a record of a lost node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoverReport {
    /// The lost ledger.
    pub from_chain: String,
    /// Its record.
    pub from_record: String,
    /// The record it is now.
    pub record: String,
    /// It was put now, and not before.
    pub is_new: bool,
    /// Its sections; the last says where it came from.
    pub sections: Vec<String>,
    /// Who may read each of them.
    pub policies: Vec<String>,
}

/// What `twinseal recover` did.
#[derive(Debug, Serialize)]
pub struct RecoverySummary {
    /// The lost ledger, verified from its agreement to its newest block.
    pub chain: String,
    /// That block.
    pub height: u64,
    /// Every record that was asked for.
    pub records: Vec<RecordSummary>,
}

/// One record of it.
#[derive(Debug, Serialize)]
pub struct RecordSummary {
    /// Its number on the lost ledger.
    pub record: String,
    /// Sections the keys opened.
    pub opened: Vec<String>,
    /// What was refused: a section, or `*` for the whole record; the code; and what to do.
    pub refused: Vec<(String, String, String)>,
    /// What became of it; nothing in a dry run.
    pub put: Option<RecoverReport>,
}

impl RecordSummary {
    /// Of a record that could be verified.
    pub fn new(record: &RecordNumber, opened: Vec<String>, refused: &[(SectionName, Error)]) -> Self {
        let refused = refused.iter().map(|(name, e)| (name.to_string(), e.code().into(), e.to_string()));
        Self { record: record.to_string(), opened, refused: refused.collect(), put: None }
    }

    /// Of one that could not, or could not be put.
    pub fn failed(record: &RecordNumber, e: &Error) -> Self {
        let refused = vec![("*".into(), e.code().into(), e.to_string())];
        Self { record: record.to_string(), opened: Vec::new(), refused, put: None }
    }
}

impl RecoverySummary {
    /// Every section of every record was opened.
    pub fn is_whole(&self) -> bool {
        self.records.iter().all(|record| record.refused.is_empty())
    }
}

impl core::fmt::Display for RecoverySummary {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(
            f,
            "ledger {} verified to block {}: {} records",
            self.chain,
            self.height,
            self.records.len()
        )?;
        for RecordSummary { record, opened, refused, put } in &self.records {
            match put {
                Some(put) if put.is_new => writeln!(f, "{record}  is now {}", put.record)?,
                Some(put) => writeln!(f, "{record}  was recovered before, as {}", put.record)?,
                None => writeln!(f, "{record}  nothing was put")?,
            }
            if !opened.is_empty() {
                writeln!(f, "    opened   {}", opened.join(", "))?;
            }
            for (what, code, message) in refused {
                writeln!(f, "    refused  {what}: {message} [{code}]")?;
            }
        }
        Ok(())
    }
}

/// What is plugged in, and what keys grow from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BoardStatus {
    /// Name and build of the board, if there is one.
    pub board: Option<String>,
    /// Why the board did not answer when this was asked; none if it did, or if there is no board.
    pub fault: Option<Problem>,
    /// The gateware's build id, 8 hex digits.
    pub build_id: Option<String>,
    /// Engines of the board.
    pub engines: Vec<String>,
    /// What keys grow from.
    pub root: Kind,
    /// Where random bytes come from.
    pub entropy: String,
    /// Who may read every record besides those its own policy names.
    pub recovery_policy: Option<String>,
    /// What should be otherwise, with the remedy.
    pub warnings: Vec<String>,
}

impl core::fmt::Display for BoardStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let root = match self.root {
            Kind::Vault if self.fault.is_some() => "the silicon of this board, which does not answer",
            Kind::Vault => "the silicon of this board; no key is on the disk",
            Kind::File => "a file of 32 random bytes (root.key)",
        };
        writeln!(f, "board     {}", self.board.as_deref().unwrap_or("none"))?;
        if let Some(Problem { code, message }) = &self.fault {
            writeln!(f, "fault     {message} [{code}]; a board that was away needs twinseald started again")?;
        }
        if self.board.is_some() {
            writeln!(f, "engines   {}", self.engines.join(", "))?;
        }
        writeln!(f, "keys      grow from {root}")?;
        writeln!(f, "entropy   {}", self.entropy)?;
        writeln!(f, "recovery  {}", self.recovery_policy.as_deref().unwrap_or("none"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning   {warning}"))
    }
}

/// What a daemon says its vault answers to a challenge. It is symmetric: nobody can check it but by having the same answer
/// from before. So pairs of challenge and answer are collected while the host of the board is trusted, and kept where that
/// host does not see them. An answer that comes again shows that someone who reaches that root answered, provided
/// nothing on that host kept the pair when it was collected: what did can replay it without any board. So each pair is good
/// once. It shows neither that the board is plugged in there, because a challenge can be passed on to where it is, nor that
/// gateware of build `build_id` holds the root: another bitstream on the same board can read the same rings, and whoever did
/// has the root without any board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attestation {
    /// Name and build of the board.
    pub board: String,
    /// The gateware's build id, 8 hex digits.
    pub build_id: String,
    /// What was asked, 64 hex digits.
    pub challenge: String,
    /// HMAC-SHA-256 under the root of 3, build id and challenge; 64 hex digits.
    pub mac: String,
}

impl Attestation {
    /// Every field is what it should look like. Who shows another's answer to a person asks this first: text from outside
    /// could pretend to be the verdict.
    pub fn is_well_formed(&self) -> bool {
        let hex = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex(&self.mac, 64)
            && hex(&self.challenge, 64)
            && hex(&self.build_id, 8)
            && (1..=MAX_BOARD_NAME).contains(&self.board.len())
            && self.board.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    }
}

/// Longest name of a board, in characters.
const MAX_BOARD_NAME: usize = 64;

impl core::fmt::Display for Attestation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "board      {}", self.board)?;
        writeln!(f, "build id   {}", self.build_id)?;
        writeln!(f, "challenge  {}", self.challenge)?;
        write!(f, "mac        {}", self.mac)
    }
}

/// The answer from before that an attestation is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What the board answered.
    pub mac: [u8; 32],
    /// Build id of its gateware.
    pub build_id: u32,
}

/// An attestation, and whether it is the one from before; see [`Attestation`] for what that shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    #[serde(flatten)]
    pub answer: Attestation,
    /// Whether the same answer came as before; none if there was nothing to compare it with.
    pub matches: Option<bool>,
}

impl Verdict {
    /// Compares `answer` with the one from before.
    pub fn new(answer: Attestation, expected: Option<Expected>) -> Self {
        let matches = expected.map(|Expected { mac, build_id }| {
            answer.mac == hex::encode(mac) && answer.build_id == format!("{build_id:08x}")
        });
        Self { answer, matches }
    }
}

impl core::fmt::Display for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // First, so that nothing of the answer comes before it.
        let verdict = match self.matches {
            Some(true) => {
                "as before: someone who reaches the root of --mac answered, unless this host kept the answer; the pair is used up"
            }
            Some(false) => "other than before: another root or build answered, or something without a board",
            None => {
                "not compared: shows nothing yet; if you trust this host now, keep this away from it for one check later"
            }
        };
        write!(f, "{verdict}\n{}", self.answer)
    }
}

/// What became of a lease.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LeaseReport {
    /// Ledger transaction.
    pub transaction: String,
    /// Its block.
    pub height: u64,
    /// Price paid.
    pub amount: u64,
    /// What the owner has left.
    pub balance: u64,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
}

impl core::fmt::Display for LeaseReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "lease {} in block {}: paid {}, balance {}, expires at {} ms",
            self.transaction, self.height, self.amount, self.balance, self.expires_ms
        )
    }
}

/// What shows that a record is on the ledger; each field is the hex of canonical bytes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The ledger's agreement: members, orderer, rules. Its hash is the chain id.
    pub genesis: String,
    /// Signed header of the block.
    pub header: String,
    /// The registration.
    pub transaction: String,
    /// Inclusion of the registration under the header's tree head.
    pub proof: String,
}

impl Evidence {
    /// Encodes what a ledger has of `transaction`.
    pub fn new(
        genesis: &Genesis,
        header: &SignedHeader,
        transaction: &Transaction,
        proof: &InclusionProof,
    ) -> Result<Self, Error> {
        Ok(Self {
            genesis: hex::encode(genesis.to_bytes()?),
            header: hex::encode(header.to_bytes()?),
            transaction: hex::encode(transaction.to_bytes()?),
            proof: hex::encode(postcard::to_allocvec(proof).map_err(|_| Error::Malformed)?),
        })
    }
}

/// One filled sample.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PredictedSample {
    /// Place in the series.
    pub index: usize,
    /// Predicted value in the series' unit.
    pub value: f32,
    /// Lower end of the interval.
    pub low: f32,
    /// Upper end of the interval.
    pub high: f32,
}

/// Predictions beside the data.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PredictReport {
    /// Which record.
    pub record: String,
    /// Which section.
    pub section: String,
    /// How.
    pub method: Method,
    /// Samples the sensor delivered.
    pub observed: usize,
    /// Samples it did not.
    pub missing: usize,
    /// Of those, the ones the method could fill.
    pub predicted: Vec<PredictedSample>,
}

impl PredictReport {
    /// Lists what `filled` predicts beside the data of `section`.
    pub fn new(record: &RecordNumber, section: &SectionName, method: Method, filled: &Filled) -> Self {
        let observed = filled.series().observed_count();
        Self {
            record: record.to_string(),
            section: section.to_string(),
            method,
            observed,
            missing: filled.series().len() - observed,
            predicted: filled
                .predictions()
                .iter()
                .map(|p| PredictedSample { index: p.index, value: p.value, low: p.low, high: p.high })
                .collect(),
        }
    }
}

impl core::fmt::Display for PredictReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(
            f,
            "{} of record {}: {} observed, {} missing, {} predicted by {}",
            self.section,
            self.record,
            self.observed,
            self.missing,
            self.predicted.len(),
            self.method
        )?;
        for p in &self.predicted {
            writeln!(f, "{:>8}  {:>7.1}  [{:.1}, {:.1}]", p.index, p.value, p.low, p.high)?;
        }
        Ok(())
    }
}

/// The daemon's state.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Of the software.
    pub version: String,
    /// Of the ledger.
    pub chain: String,
    /// Newest block.
    pub height: u64,
    /// One line per slot.
    pub engines: Vec<String>,
}
