//! The Verilog of the engine: what yosys makes of it.

use rust_hdl_core::prelude::*;
use std::path::Path;
use twinseal_hdl::engine::Hasher;

#[test]
fn yosys_infers_no_latch() {
    let mut uut = Hasher::<24>::default();
    uut.connect_all();
    let verilog = generate_verilog(&uut);
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("hasher.v"), &verilog).unwrap();
    if std::process::Command::new("yosys").arg("-V").output().is_err() {
        println!("skipped: no yosys");
        return;
    }
    yosys_validate("twinseal_engine", &verilog).unwrap();
}
