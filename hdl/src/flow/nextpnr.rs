//! nextpnr's JSON report, as far as it is of interest here.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::tool;
use crate::Error;

/// In the name of a clock that is a ring: `core.rings.first_tile[64]` or a net made of it.
const RING_CLOCK: &str = "_ring";

#[derive(Deserialize)]
pub(super) struct Report {
    fmax: BTreeMap<String, Fmax>,
    utilization: BTreeMap<String, Utilization>,
}

#[derive(Deserialize)]
struct Fmax {
    achieved: f64,
}

#[derive(Deserialize)]
struct Utilization {
    used: u32,
}

impl Report {
    /// Reads what `program` wrote to `path`. A report without a clock is an error.
    pub(super) fn read(path: &Path, program: &str) -> Result<Self, Error> {
        let unreadable =
            |reason: String| Error::ToolFailed { command: format!("{program} --report"), reason };
        let report: Self =
            serde_json::from_slice(&tool::read(path)?).map_err(|e| unreadable(e.to_string()))?;
        if !report.fmax_mhz().is_finite() {
            return Err(unreadable("no clock in the report".to_owned()));
        }
        Ok(report)
    }

    /// What the slowest clock can run at, those of the rings' counters aside.
    pub(super) fn fmax_mhz(&self) -> f64 {
        self.slowest(|clock| !clock.contains(RING_CLOCK))
    }

    /// What the slower of the rings' counters can run at; infinite if there are none.
    pub(super) fn counter_mhz(&self) -> f64 {
        self.slowest(|clock| clock.contains(RING_CLOCK))
    }

    fn slowest(&self, among: impl Fn(&str) -> bool) -> f64 {
        let clocks = self.fmax.iter().filter(|(name, _)| among(name));
        clocks.map(|(_, f)| f.achieved).fold(f64::INFINITY, f64::min)
    }

    /// What the clock whose name contains `name` can run at; zero if there is none.
    pub(super) fn fmax_of(&self, name: &str) -> f64 {
        self.fmax.iter().find(|(clock, _)| clock.contains(name)).map_or(0.0, |(_, f)| f.achieved)
    }

    /// How many cells of the type `name` are used.
    pub(super) fn used(&self, name: &str) -> u32 {
        self.utilization.get(name).map_or(0, |u| u.used)
    }
}
