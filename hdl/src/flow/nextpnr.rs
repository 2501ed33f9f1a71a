//! What nextpnr writes in JSON, as far as it is of interest here: its report, and the routed design.

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

/// A routed design.
#[derive(Deserialize)]
pub(super) struct Routed {
    modules: BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Module {
    netnames: BTreeMap<String, Net>,
}

#[derive(Deserialize)]
struct Net {
    attributes: BTreeMap<String, serde_json::Value>,
}

impl Routed {
    /// Reads what nextpnr wrote with `--write`.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|e| e.to_string())
    }

    /// Every net by name, with its routing if it has one; that is for [`steps`].
    pub(super) fn nets(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let nets = self.modules.values().flat_map(|module| &module.netnames);
        nets.map(|(name, net)| {
            (name.as_str(), net.attributes.get("ROUTING").and_then(serde_json::Value::as_str))
        })
    }
}

/// A wire of a net, and the pip by which the net came there; the wire at the source has none.
pub(super) struct Step<'a> {
    pub(super) wire: &'a str,
    pub(super) pip: Option<&'a str>,
}

/// The steps of a routing, which is wire, pip and strength of each, strung together by semicolons.
pub(super) fn steps(routing: &str) -> impl Iterator<Item = Step<'_>> {
    let mut fields = routing.split(';');
    std::iter::from_fn(move || {
        let (wire, pip, _strength) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Step { wire, pip: Some(pip).filter(|pip| !pip.is_empty()) })
    })
}
