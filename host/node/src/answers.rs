//! What a node answers, as the API sends it and the command prints it.

use serde::{Deserialize, Serialize};
use twinseal_twin::{Filled, Series, predict};
use utoipa::ToSchema;

use crate::Error;
use crate::record::{RecordNumber, SectionName};

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
        writeln!(f, "sections    {}", self.sections.join(", "))?;
        writeln!(
            f,
            "blob        {} bytes, SHA-256 {} ({})",
            self.blob_bytes, self.blob_hash, self.hash_engine
        )?;
        writeln!(f, "registered  transaction {} in block {}", self.transaction, self.height)?;
        write!(f, "tree head   {} ({})", self.tree_head, self.merkle_engine)
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
