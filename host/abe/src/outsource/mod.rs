//! Work handed to helpers that need not be trusted with secrets.
//!
//! [`tkgen`], [`transform`] and [`RetrievingKey::finish`] outsource decryption: the helper does all
//! pairings, the reader one power and the checks.
//!
//! The heavy part of a transform is a plain [`TransformJob`] of bytes, which an engine outside this crate
//! (a board, another process) can do: see [`TransformEngine`].

mod decrypt;
mod encrypt;
mod offline;

pub use decrypt::{
    MAX_TRANSFORM_KEYS, RetrievingKey, TransformKey, Transformed, tkgen, transform, transform_with,
};
#[doc(hidden)]
pub use encrypt::timed_sum;
pub use encrypt::{Pending, Plan, Rows, RowsJob, encrypt_rows};
pub use offline::Pool;

use crate::Error;
use crate::codec::{g1_from_bytes, g1_to_bytes, g2_from_bytes, g2_to_bytes, gt_from_bytes, gt_to_bytes};
use crate::groups::Bls12381;
use crate::scheme;

/// A transform for an engine: products in groups of BLS12-381, nothing else to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformJob {
    /// Points of G1 and G2 to be paired: uncompressed and affine, coordinates big-endian, as in the usual
    /// serialization (x.c1, x.c0, y.c1, y.c0 for G2).
    pub pairs: Vec<([u8; 96], [u8; 192])>,
    /// Elements of the target group: the coefficients in Fp2 of w^0 to w^5 (w² = v, v³ = u + 1), each the real
    /// part first, each number 48 bytes big-endian.
    pub factors: Vec<[u8; 576]>,
}

/// The result of a [`TransformJob`], in the encoding of its factors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformOutput {
    /// T, the product of e(P, Q) over the pairs: with the final exponentiation of blst, which is the cube of
    /// the textbook one.
    pub t: [u8; 576],
    /// Q, the product of the factors.
    pub q: [u8; 576],
}

/// Something that carries out transforms.
///
/// A wrong result harms nobody: it is refused by the reader, if not by [`transform_with`] before.
pub trait TransformEngine {
    /// Carries out `job`.
    fn transform(
        &self,
        job: &TransformJob,
    ) -> Result<TransformOutput, Box<dyn std::error::Error + Send + Sync>>;
}

/// The engine that is always there: this crate's own arithmetic. [`transform`] does the same without
/// going through bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Software;

impl TransformEngine for Software {
    fn transform(
        &self,
        job: &TransformJob,
    ) -> Result<TransformOutput, Box<dyn std::error::Error + Send + Sync>> {
        let problem = |problem: &str| Error::Engine { problem: problem.to_owned() };
        let pair = |(p, q): &([u8; 96], [u8; 192])| g1_from_bytes(p).zip(g2_from_bytes(q));
        let pairs = job.pairs.iter().map(pair).collect::<Option<_>>();
        let factors = job.factors.iter().map(gt_from_bytes).collect::<Option<_>>();
        let job = scheme::Job::<Bls12381> {
            pairs: pairs.ok_or_else(|| problem("a pair of the job is no pair of points"))?,
            factors: factors.ok_or_else(|| problem("a factor of the job is not in the target group"))?,
        };
        let scheme::Transformed { t, q } = job.transform();
        Ok(TransformOutput { t: gt_to_bytes(&t), q: gt_to_bytes(&q) })
    }
}

impl From<&scheme::Job<Bls12381>> for TransformJob {
    fn from(job: &scheme::Job<Bls12381>) -> Self {
        Self {
            pairs: job.pairs.iter().map(|(p, q)| (g1_to_bytes(p), g2_to_bytes(q))).collect(),
            factors: job.factors.iter().map(gt_to_bytes).collect(),
        }
    }
}
