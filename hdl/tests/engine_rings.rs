//! The rings: counts as the golden model has them, in rust-hdl's simulation and in Verilator; and, placed and routed, all
//! loops alike.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rust_hdl_core::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::cosim::Cosim;
use twinseal_hdl::engine::Rings;
use twinseal_hdl::engine::rings::{HX8K, Place, RINGS, UP5K};
use twinseal_puf::reading::count;
use twinseal_puf::silicon::{Chip, Device, ROOM};

#[test]
fn counts_are_those_of_the_golden_model() {
    let chip = Chip::of_the_project([1; 32], Device::Up5k).unwrap();
    let steps = chip.power_up(&ROOM, 0).sample_steps(12_000_000);
    assert_eq!(steps.len(), RINGS);
    let mut cosim = Cosim::new(Rings::simulated(steps.clone()), |uut| &mut uut.clock);
    // Every row, half and column, in no order; windows from none to the one of a board.
    let windows = [2_048, 300, 0, 1, 77];
    for i in 0..64u32 {
        let (pair, window) = ((i * 101 + 3) % 256, windows[i as usize % windows.len()]);
        cosim
            .step(|uut| {
                uut.pair.next = u64::from(pair).into();
                uut.clear.next = true;
            })
            .unwrap();
        cosim.step(|uut| uut.clear.next = false).unwrap();
        for _ in 0..window {
            cosim.step(|uut| uut.run.next = true).unwrap();
        }
        cosim.step(|uut| uut.run.next = false).unwrap();
        cosim.step(|_| ()).unwrap();
        let ring = 2 * pair as usize;
        let expected = [count(steps[ring], window), count(steps[ring + 1], window)];
        let shown = [&cosim.uut.first, &cosim.uut.second].map(|s| s.val().to_u64() as u32);
        assert_eq!(shown, expected, "pair {pair}, {window} clocks");
    }
    match cosim.replay("rings") {
        Err(error @ Error::ToolMissing { .. }) => println!("skipped: {error}"),
        replay => assert!(replay.unwrap().clocks > 20_000),
    }
}

/// Logic cells of the array at most.
const CELLS: u64 = 1_880;
/// Cells of the pins around it: a flip-flop for each of 42 bits, and one for the choice between loading and shifting.
const CELLS_OF_PINS: u64 = 43;

/// Synthesis leaves every ring, and routing gives every loop the same wires: what differs from ring to ring is silicon. A
/// counter has a third of the rings' frequency to spare; `lut_ps` is the delay of a LUT.
fn all_loops_are_alike(device: &str, package: &str, place: Place, lut_ps: f64) {
    let mut uut = Rings::placed(place);
    uut.connect_all();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rings_{device}"));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("top.v"), generate_verilog(&uut)).unwrap();
    let run = |tool: &str, arguments: &[&str]| match Command::new(tool)
        .args(arguments)
        .current_dir(&dir)
        .output()
    {
        Err(_) => {
            println!("skipped: no {tool}");
            false
        }
        Ok(out) => {
            assert!(out.status.success(), "{tool}: {}", String::from_utf8_lossy(&out.stderr));
            true
        }
    };
    // Fewer pins than the array has ports.
    let shift = "module pins(input clock, input in, output out); reg [9:0] i; wire [15:0] a, b; reg [31:0] o; \
                 always @(posedge clock) begin i <= {i[8:0], in}; o <= i[9] & i[8] ? {a, b} : o << 1; end \
                 assign out = o[31]; top t(.clock(clock), .pair(i[7:0]), .run(i[8]), .clear(i[9]), .first(a), .second(b)); endmodule";
    std::fs::write(dir.join("pins.v"), shift).unwrap();
    let script = "read_verilog top.v pins.v; hierarchy -check -top pins; proc; select -assert-none t:$dlatch; \
                  synth_ice40 -top pins -json top.json";
    if !run("yosys", &["-q", "-p", script]) {
        return;
    }
    let (device, package) = (format!("--{device}"), ["--package", package]);
    let arguments =
        [&device, package[0], package[1], "--json", "top.json", "--sdf", "top.sdf", "--seed", "1"];
    let more =
        ["--ignore-loops", "--freq", "12", "--pcf-allow-unconstrained", "--quiet", "--report", "top.rpt"];
    if !run("nextpnr-ice40", &[&arguments[..], &more[..]].concat()) {
        return;
    }
    let mut loops = BTreeMap::<String, (u32, f64)>::new();
    for line in std::fs::read_to_string(dir.join("top.sdf")).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["(INTERCONNECT", from, to, delay, ..] = words[..] else { continue };
        if let (Some(ring), Some(to)) = (ring_of(from), ring_of(to))
            && ring == to
        {
            let entry = loops.entry(ring).or_default();
            entry.0 += 1;
            entry.1 += delay.trim_start_matches('(').split(':').next().unwrap().parse::<f64>().unwrap();
        }
    }
    assert_eq!(loops.len(), RINGS);
    let first = loops.values().next().unwrap();
    println!("{device}: wires of a loop {} ps", first.1);
    assert!(first.0 == 3 && loops.values().all(|l| l == first), "{loops:?}");

    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("top.rpt")).unwrap()).unwrap();
    let cells = report["utilization"]["ICESTORM_LC"]["used"].as_u64().unwrap() - CELLS_OF_PINS;
    let ring_mhz = 1e6 / (2.0 * (first.1 + 3.0 * lut_ps));
    let counters: Vec<f64> = ["first", "second"]
        .map(|side| {
            let mut clocks = report["fmax"].as_object().unwrap().iter();
            clocks.find(|(clock, _)| clock.contains(side)).unwrap().1["achieved"].as_f64().unwrap()
        })
        .into();
    println!("{device}: {cells} cells, rings {ring_mhz:.1} MHz, counters {counters:.1?} MHz");
    assert!(cells <= CELLS);
    assert!(counters.iter().all(|mhz| *mhz > 1.35 * ring_mhz));
}

/// `first_17_1` of the LUT `t.rings.first_17_1_0`, however it is escaped.
fn ring_of(pin: &str) -> Option<String> {
    let name: String = pin.chars().filter(|c| *c != '\\').collect();
    let at = name.find("first_").or_else(|| name.find("second_"))?;
    let parts: Vec<&str> = name[at..].split(['_', '/']).collect();
    match parts[..] {
        [side, tile, half, lut, "LC", ..] if lut.len() == 1 && tile.parse::<u32>().is_ok() => {
            Some(format!("{side}_{tile}_{half}"))
        }
        _ => None,
    }
}

#[test]
fn all_loops_are_alike_on_hx8k() {
    all_loops_are_alike("hx8k", "ct256", HX8K, 448.0);
}

#[test]
fn all_loops_are_alike_on_up5k() {
    all_loops_are_alike("up5k", "sg48", UP5K, 1_284.0);
}
