//! The Verilog of the engine: free of latches, and clock for clock what rust-hdl simulates, both as written and as
//! the netlist that synthesis makes of it.

mod engine_common;

use engine_common::bench::Bench;
use engine_common::{Random, cavp, rfc_4231};
use rust_hdl_core::prelude::*;
use std::path::Path;
use std::process::Command;
use twinseal_hdl::Error;
use twinseal_hdl::engine::Hasher;
use twinseal_hdl::engine::command::*;
use twinseal_hdl::golden::hmac::hmac;
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;

fn has_yosys() -> bool {
    let found = Command::new("yosys").arg("-V").output().is_ok();
    if !found {
        println!("skipped: no yosys");
    }
    found
}

/// A session with everything in it, its answers checked against the golden models.
fn recorded_session(late_reads: bool) -> Bench<24> {
    let mut random = Random::new(7);
    let mut bench = Bench::recording_of(late_reads);
    for (message, digest) in cavp() {
        assert_eq!(bench.hash(&message)[..], digest);
    }
    for len in [0, 55, 56, 63, 64, 65, 119, 120, 128, 200] {
        let message = random.bytes(len);
        assert_eq!(bench.hash(&message), sha256(&message), "{len} bytes");
    }
    for (key, message, mac) in rfc_4231() {
        let got = bench.mac(&key, &message);
        assert_eq!(got[..mac.len()], mac);
    }
    bench.gaps = Some(Random::new(8));
    assert_eq!(bench.mac(b"key", &[5; 100]), hmac(b"key", &[5; 100]));
    for count in (0..6).chain([13]) {
        let leaves: Vec<Vec<u8>> = (0..count).map(|_| random.bytes_up_to(80)).collect();
        assert_eq!(bench.tree(&leaves), tree_head(&leaves), "{count} leaves");
        for command in [HASH_END, LEAF_BEGIN, LEAF_END, TREE_END, KEY_END] {
            assert_eq!(bench.command(command), (true, false));
        }
        assert_eq!(bench.data(1), (true, false));
        bench.accept(TREE_BEGIN);
        bench.accept(LEAF_BEGIN);
        bench.accept_data(&[1; 70]);
    }
    bench
}

#[test]
fn yosys_infers_no_latch() {
    let mut uut = Hasher::<24>::default();
    uut.connect_all();
    let verilog = generate_verilog(&uut);
    // For measuring by hand, see the engine's README.
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("hasher.v"), &verilog).unwrap();
    if has_yosys() {
        yosys_validate("twinseal_engine", &verilog).unwrap();
    }
}

#[test]
fn verilator_agrees_clock_for_clock() {
    for (name, late_reads) in [("hasher", false), ("hasher with late reads", true)] {
        let bench = recorded_session(late_reads);
        match bench.trace.unwrap().replay(name, &generate_verilog(&bench.uut), "top") {
            Err(error @ Error::ToolMissing { .. }) => println!("skipped: {error}"),
            replay => assert_eq!(replay.unwrap().clocks as u64, bench.clocks),
        }
    }
}

#[test]
fn the_netlist_for_ice40_agrees_clock_for_clock() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let models = std::env::split_paths(&path)
        .map(|dir| dir.join("../share/yosys/ice40/cells_sim.v"))
        .find_map(|file| std::fs::read_to_string(file).ok());
    let (true, Some(models)) = (has_yosys(), models) else {
        println!("skipped: no models of the iCE40 cells beside yosys");
        return;
    };
    let bench = recorded_session(false);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(dir.join("netlist_source.v"), generate_verilog(&bench.uut)).unwrap();
    let script = "read_verilog netlist_source.v; synth_ice40 -top top; write_verilog -noattr netlist.v";
    let yosys = Command::new("yosys").args(["-q", "-p", script]).current_dir(dir).output().unwrap();
    assert!(yosys.status.success(), "{}", String::from_utf8_lossy(&yosys.stderr));
    let netlist = std::fs::read_to_string(dir.join("netlist.v")).unwrap();
    let verilog = format!("`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{models}\n{netlist}");
    match bench.trace.unwrap().replay("hasher netlist", &verilog, "top") {
        Err(error @ Error::ToolMissing { .. }) => println!("skipped: {error}"),
        replay => assert_eq!(replay.unwrap().clocks as u64, bench.clocks),
    }
}
