//! `bitstreams/`: one image per board, and `manifest.toml` that says what each was made from, with what, and what came out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twinseal_wire::{MAP_HASH, WIRE_VERSION};

use super::build::{self, Built, Usage};
use super::loops::Loops;
use super::tool;
use crate::top::boards::Board;
use crate::{Error, golden::sha256::sha256, top};

const MANIFEST: &str = "manifest.toml";
const HEADER: &str = "# Written by `twinseal-hdl bitstream`; do not edit.\n\n";

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// File name.
    pub image: String,
    /// Of the image, in hexadecimal.
    pub sha256: String,
    /// How to make it again.
    pub command: String,
    /// What it was made from.
    pub sources: Sources,
    /// What it takes of the device.
    pub usage: Usage,
    /// The rings, if the board has any.
    pub rings: Option<Loops>,
    /// Versions, by name.
    pub tools: BTreeMap<String, String>,
    /// What `command` ran, in order.
    pub steps: Vec<String>,
}

/// What an image depends on besides the tools; the image is current while these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The `BUILD_ID` register in hexadecimal, which stands for the Verilog.
    pub build_id: String,
    /// The `MAP_HASH` register in hexadecimal.
    pub map_hash: String,
    /// The `WIRE_VERSION` register.
    pub wire_version: u8,
    /// As nextpnr names it.
    pub device: String,
    /// As nextpnr names it.
    pub package: String,
    /// In hertz.
    pub clock_hz: u32,
    /// For place and route.
    pub seed: u32,
    /// What the `ENGINES` register names.
    #[serde(default)]
    pub engines: Vec<String>,
    /// By port.
    pub pins: BTreeMap<String, String>,
}

impl Sources {
    /// Those of the board called `name` as they are now.
    pub fn current(name: &str) -> Result<Self, Error> {
        let board = Board::named(name)?;
        let (Some(device), Some(package)) = (board.device, board.package) else {
            return Err(Error::NoBitstream { title: board.title });
        };
        Ok(Self {
            build_id: format!("{:08x}", top::build_id(name)?),
            map_hash: format!("{MAP_HASH:08x}"),
            wire_version: WIRE_VERSION,
            device,
            package,
            clock_hz: board.clock_hz,
            seed: board.seed.unwrap_or(build::DEFAULT_SEED),
            engines: board.engines,
            pins: board.pins,
        })
    }

    /// Field by field, what differs from `now`.
    fn changes(&self, now: &Self) -> Option<String> {
        let mut changes = vec![];
        let mut compare = |field: &str, old: &dyn std::fmt::Debug, new: &dyn std::fmt::Debug| {
            let (old, new) = (format!("{old:?}"), format!("{new:?}"));
            if old != new {
                changes.push(format!("{field} was {old} and is {new}"));
            }
        };
        compare("build_id", &self.build_id, &now.build_id);
        compare("map_hash", &self.map_hash, &now.map_hash);
        compare("wire_version", &self.wire_version, &now.wire_version);
        compare("device", &self.device, &now.device);
        compare("package", &self.package, &now.package);
        compare("clock_hz", &self.clock_hz, &now.clock_hz);
        compare("seed", &self.seed, &now.seed);
        compare("engines", &self.engines, &now.engines);
        compare("pins", &self.pins, &now.pins);
        (!changes.is_empty()).then(|| changes.join(", "))
    }
}

/// Builds the board called `name` in `build_dir` and puts image and entry into `bitstreams`.
pub fn bitstream(name: &str, build_dir: &Path, bitstreams: &Path) -> Result<Entry, Error> {
    let sources = Sources::current(name)?;
    let tools = build::tools()?;
    let Built { image, usage, rings, steps } =
        build::build(&top::verilog(name)?, &Board::named(name)?, build_dir)?;
    let entry = Entry {
        image: format!("{name}.bin"),
        sha256: hex(&sha256(&image)),
        command: format!("twinseal-hdl bitstream --board {name}"),
        sources,
        usage,
        rings,
        tools,
        steps,
    };
    let mut entries = read(bitstreams)?;
    entries.insert(name.to_owned(), entry.clone());
    let text = toml::to_string(&entries).map_err(|e| stale(name, e.to_string()))?;
    tool::write(&bitstreams.join(&entry.image), &image)?;
    tool::write(&bitstreams.join(MANIFEST), format!("{HEADER}{text}"))?;
    Ok(entry)
}

/// The entries of the manifest in `bitstreams`, by board; none if there is no manifest.
pub fn read(bitstreams: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    let path = bitstreams.join(MANIFEST);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = tool::read(&path)?;
    let text = String::from_utf8_lossy(&text);
    toml::from_str(&text).map_err(|e| stale("manifest.toml", e.to_string()))
}

/// The entry of the board called `name`, after making sure that the image is the one it describes and that both are of
/// the sources as they are now.
pub fn check(name: &str, bitstreams: &Path) -> Result<Entry, Error> {
    check_against(name, bitstreams, &Sources::current(name)?)
}

/// [`check`] against other sources than those of this checkout.
pub fn check_against(name: &str, bitstreams: &Path, sources: &Sources) -> Result<Entry, Error> {
    let entry =
        read(bitstreams)?.remove(name).ok_or_else(|| stale(name, "not in the manifest".to_owned()))?;
    let image = tool::read(&bitstreams.join(&entry.image))?;
    let digest = hex(&sha256(&image));
    if digest != entry.sha256 {
        return Err(stale(
            name,
            format!("the image has SHA-256 {digest}, the manifest says {}", entry.sha256),
        ));
    }
    match entry.sources.changes(sources) {
        Some(changes) => Err(stale(name, changes)),
        None => Ok(entry),
    }
}

fn stale(board: &str, reason: String) -> Error {
    Error::StaleImage { board: board.to_owned(), reason }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
