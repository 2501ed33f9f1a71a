//! The Verilog of the vault: clean, free of latches, small, and clock for clock what rust-hdl simulates, both as written
//! and as the netlist that synthesis makes of it.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod vault_common;

use std::process::Command;

use rust_hdl_core::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::flow::{netlist, tool};
use twinseal_hdl::lint::ast;
use twinseal_hdl::vault::Vault;
use twinseal_puf::reading::{Differences, ENROLMENT_SAMPLES, RECONSTRUCTION_SAMPLES, count, window_clocks};
use twinseal_puf::silicon::ROOM;
use twinseal_puf::vault as golden;
use twinseal_wire::{opcode, status};
use vault_common::{BUILD_ID, Bench, CLOCK_HZ, SLOW_CLOCK_HZ, chip};

/// What the design has room for, root included.
const MOST_CELLS: u32 = 700;
const MOST_RAMS: u32 = 8;

fn verilog(clock_hz: u32) -> String {
    let mut uut = Vault::new(BUILD_ID, clock_hz);
    uut.connect_all();
    generate_verilog(&uut)
}

/// What a tool made; `None`, and a word on why, where it is missing.
fn made<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Err(error @ Error::ToolMissing { .. }) => {
            tool::skipped(error);
            None
        }
        result => Some(result.unwrap()),
    }
}

#[test]
fn the_kernels_are_clean_and_have_no_latch() {
    let mut uut = Vault::new(BUILD_ID, CLOCK_HZ);
    uut.connect_all();
    let linted = ast::lint(&uut);
    assert_eq!(linted.findings, vec![]);
    if made(tool::version("yosys", &["-V"])).is_some() {
        yosys_validate("twinseal_vault", &generate_verilog(&uut)).unwrap();
    }
}

/// Cells and block RAMs of the vault alone, packed for an HX8K.
#[test]
fn it_is_as_small_as_the_design_has_room_for() {
    let dir = tool::temp_dir().unwrap();
    tool::write(&dir.path().join("vault.v"), verilog(CLOCK_HZ)).unwrap();
    let run = |name: &str, arguments: &[&str]| {
        made(tool::run(Command::new(name).args(arguments).current_dir(dir.path())))
    };
    let script = "read_verilog vault.v; synth_ice40 -top top -json vault.json";
    let pack = ["--hx8k", "--package", "ct256", "--pack-only", "--json", "vault.json", "--log", "pack.log"];
    let Some(_) = run("yosys", &["-q", "-p", script]) else { return };
    let Some(_) = run("nextpnr-ice40", &pack) else { return };
    let said = std::fs::read_to_string(dir.path().join("pack.log")).unwrap();
    let used = |name: &str| -> u32 {
        let line = said.lines().find(|line| line.contains(&format!("{name}:"))).unwrap();
        line.split(':').next_back().unwrap().split('/').next().unwrap().trim().parse().unwrap()
    };
    let (cells, rams) = (used("ICESTORM_LC"), used("ICESTORM_RAM"));
    println!("{cells} logic cells, {rams} block RAMs");
    assert!(cells <= MOST_CELLS && rams <= MOST_RAMS);
}

/// A session of a board without noise, its answers checked against the models and the vault's ports written down: some
/// refusals, an opening with helper data of the model, what it is for, and a closing.
fn recorded_session() -> Bench {
    let steps = chip(1).power_up(&ROOM, 0).sample_steps(SLOW_CLOCK_HZ);
    let window = window_clocks(SLOW_CLOCK_HZ);
    let reading = |samples| {
        let mut sums = Differences::zero();
        for _ in 0..samples {
            for (pair, rings) in steps.chunks(2).enumerate() {
                sums.add(pair, count(rings[0], window), count(rings[1], window)).unwrap();
            }
        }
        sums
    };
    let mut vault = golden::Vault::new(BUILD_ID);
    let helper = vault.enrol(&reading(ENROLMENT_SAMPLES)).unwrap();
    vault.open(&helper, &reading(RECONSTRUCTION_SAMPLES)).unwrap();

    let mut bench = Bench::new(steps.clone());
    bench.trace = Some(Trace::of(&bench.uut.vault));
    assert_eq!(bench.ask(opcode::VAULT_DERIVE, b"x", true).status, status::CLOSED);
    assert_eq!(bench.ask(opcode::VAULT_ENROL, b"x", true).status, status::BAD_LENGTH);
    assert_eq!(bench.ask(opcode::VAULT_ENROL, b"", false).status, status::NOT_PERMITTED);
    assert_eq!(bench.uut.vault.root(), [0; 32]);
    let answer = bench.ask(opcode::VAULT_OPEN, &helper.encode(), true);
    assert_eq!((answer.status, answer.samples), (status::OK, RECONSTRUCTION_SAMPLES));
    assert_ne!(bench.uut.vault.root(), [0; 32]);
    // Pairs, levels, x and scratch are wiped: all of it but helper data and what lasts.
    let memory: Vec<u64> = bench.uut.vault.memory().collect();
    assert!(memory[..287].iter().chain(&memory[512..]).all(|word| *word == 0));
    let answer = bench.ask(opcode::VAULT_DERIVE, b"label", true);
    assert_eq!(answer.reply, vault.derive(b"label").unwrap().to_vec());
    let answer = bench.ask(opcode::VAULT_ATTEST, &[3; 32], true);
    assert_eq!(answer.reply, vault.attest(&[3; 32]).unwrap().to_vec());
    let memory: Vec<u64> = bench.uut.vault.memory().collect();
    assert!(memory[288..320].iter().all(|word| *word == 0), "the reply is left");
    assert_eq!(bench.ask(opcode::VAULT_CLOSE, b"", true).status, status::OK);
    assert_eq!(bench.uut.vault.root(), [0; 32]);
    bench
}

#[test]
fn verilator_and_the_netlist_for_ice40_agree_clock_for_clock() {
    let bench = recorded_session();
    let trace = bench.trace.unwrap();
    let replay = |name: &str, verilog: &str| {
        if let Some(replay) = made(trace.replay(name, verilog, "top")) {
            assert_eq!(replay.clocks as u64, bench.clocks);
        }
    };
    let source = verilog(SLOW_CLOCK_HZ);
    replay("vault", &source);
    if let Some(netlist) = made(netlist::for_ice40(&source)) {
        replay("vault netlist", &netlist);
    }
}
