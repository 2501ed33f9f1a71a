//! The vault's kernels against the gateware lint, and its area.
#![allow(clippy::unwrap_used)]
use std::path::Path;
use std::process::Command;

use rust_hdl_core::prelude::*;
use twinseal_hdl::lint::ast;
use twinseal_hdl::vault::Vault;

#[test]
fn the_kernels_are_clean_and_have_no_latch() {
    let mut uut = Vault::new(0x1234_5678, 12_000_000);
    uut.connect_all();
    let linted = ast::lint(&uut);
    assert_eq!(linted.findings, vec![]);
    let verilog = generate_verilog(&uut);
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("vault.v"), &verilog).unwrap();
    if Command::new("yosys").arg("-V").output().is_err() {
        println!("skipped: no yosys");
        return;
    }
    yosys_validate("twinseal_vault", &verilog).unwrap();
}
