//! The Verilog of the engine: free of latches, and clock for clock what rust-hdl simulates, both as written and as
//! the netlist that synthesis makes of it.

mod engine_common;

use engine_common::bench::Bench;
use engine_common::{Random, cavp, rfc_4231};
use rust_hdl_core::prelude::*;
use std::path::Path;
use twinseal_hdl::Error;
use twinseal_hdl::engine::Hasher;
use twinseal_hdl::engine::command::*;
use twinseal_hdl::flow::{netlist, tool};
use twinseal_hdl::golden::hmac::hmac;
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;

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
    match tool::version("yosys", &["-V"]) {
        Err(error @ Error::ToolMissing { .. }) => tool::skipped(error),
        found => {
            found.unwrap();
            yosys_validate("twinseal_engine", &verilog).unwrap();
        }
    }
}

#[test]
fn verilator_agrees_clock_for_clock() {
    for (name, late_reads) in [("hasher", false), ("hasher with late reads", true)] {
        let bench = recorded_session(late_reads);
        match bench.trace.unwrap().replay(name, &generate_verilog(&bench.uut), "top") {
            Err(error @ Error::ToolMissing { .. }) => tool::skipped(error),
            replay => assert_eq!(replay.unwrap().clocks as u64, bench.clocks),
        }
    }
}

#[test]
fn the_netlist_for_ice40_agrees_clock_for_clock() {
    let bench = recorded_session(false);
    let netlist = match netlist::for_ice40(&generate_verilog(&bench.uut)) {
        Err(error @ Error::ToolMissing { .. }) => return tool::skipped(error),
        netlist => netlist.unwrap(),
    };
    match bench.trace.unwrap().replay("hasher netlist", &netlist, "top") {
        Err(error @ Error::ToolMissing { .. }) => tool::skipped(error),
        replay => assert_eq!(replay.unwrap().clocks as u64, bench.clocks),
    }
}
