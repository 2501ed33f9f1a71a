//! From a board's Verilog to its bitstream, and back again to check it.

pub mod bench;
pub mod build;
pub mod document;
pub mod formal;
pub mod image;
pub mod loops;
pub mod manifest;
pub mod netlist;
mod nextpnr;
pub mod rings;
pub mod tool;

use std::path::{Path, PathBuf};

/// The checkout this was compiled from.
pub fn checkout() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}
