//! Everything that was measured, and its CSV form.

use crate::measure::Times;
use std::collections::BTreeMap;
use std::error::Error;

pub(crate) const OURS: &str = "twinseal-abe";
pub(crate) const NAIVE: &str = "naive RW15";
pub(crate) const AW11: &str = "rabe AW11";
pub(crate) const GHW11: &str = "rabe GHW11";
/// The faster of its curves.
pub(crate) const CHARM: &str = "Charm RW15 SS512";

/// The owner's part of an outsourced encryption, without [`PLAN`].
pub(crate) const OWNER: &str = "encrypt: owner's share";
/// The same for each of 16 or 64 ciphertexts that are checked together.
pub(crate) const OWNER_OF_16: &str = "encrypt: owner's share with two helpers in a batch of 16";
pub(crate) const OWNER_OF_64: &str = "encrypt: owner's share with two helpers in a batch of 64";
/// The same with four helpers of whom two each must agree.
pub(crate) const OWNER_OF_FOUR: &str = "encrypt: owner's share with four helpers";
/// An encryption with rows made beforehand.
pub(crate) const ONLINE: &str = "encrypt: online";
/// What an owner does once for a policy.
pub(crate) const PLAN: &str = "encrypt: owner's plan";

const HEADER: &str = "\
# Times of attribute-based encryption. Written by: make bench-abe
# One run, one thread, release build; milliseconds of thread CPU time (Charm: process CPU time).
# Policy: all n attributes joined by `and`; two authorities where the scheme has authorities.
# twinseal-abe is on BLS12-381; `naive RW15` is the same scheme and curve as the paper writes it: 3n separate
# pairings, no tables, no checks. rabe 0.4.2 is on BN254. Compare ratios, not times, between machines.
implementation,operation,attributes,median_ms,min_ms,repetitions
";

/// Times by implementation, operation and number of attributes.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(String, String, usize), Times>);

impl Figures {
    pub(crate) fn add(&mut self, implementation: &str, operation: &str, attributes: usize, times: Times) {
        self.0.insert((implementation.into(), operation.into(), attributes), times);
    }

    /// The fastest repetition.
    pub(crate) fn ms(&self, implementation: &str, operation: &str, attributes: usize) -> Option<f64> {
        self.0.get(&(implementation.into(), operation.into(), attributes)).map(|times| times.min_ms)
    }

    pub(crate) fn csv(&self) -> String {
        let mut csv = HEADER.to_owned();
        for ((implementation, operation, attributes), Times { median_ms, min_ms, repetitions }) in &self.0 {
            csv += &format!(
                "{implementation},{operation},{attributes},{median_ms:.4},{min_ms:.4},{repetitions}\n"
            );
        }
        csv
    }

    /// Adds lines in the form of [`Self::csv`].
    pub(crate) fn read_csv(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        let lines =
            text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("implementation,"));
        for line in lines {
            let fields: Vec<&str> = line.split(',').collect();
            let [implementation, operation, attributes, median_ms, min_ms, repetitions] = fields[..] else {
                return Err(format!("not six fields: {line}").into());
            };
            let times = Times {
                median_ms: median_ms.parse()?,
                min_ms: min_ms.parse()?,
                repetitions: repetitions.parse()?,
            };
            self.add(implementation, operation, attributes.parse()?, times);
        }
        Ok(())
    }
}
