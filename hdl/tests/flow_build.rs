//! The flow on a design small enough to build several times: same bytes anywhere, and no image where one must not be.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use std::collections::BTreeMap;
use std::path::Path;

use rust_hdl_core::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::engine::Rings;
use twinseal_hdl::engine::rings::HX8K;
use twinseal_hdl::flow::build::{self, Built};
use twinseal_hdl::flow::checkout;
use twinseal_hdl::flow::manifest::{self, Sources};
use twinseal_hdl::flow::tool::skipped;
use twinseal_hdl::top::boards::Board;

const COUNTER: &str = "
module top(input clock, output reg led);
reg [23:0] count = 0;
always @(posedge clock) begin
   count <= count + 24'd1;
   led <= count[23];
end
endmodule
";

const LATCH: &str = "
module top(input clock, output reg led);
always @* if (clock) led = 1'b1;
endmodule
";

fn board(clock_hz: u32) -> Board {
    let board = Board::named("hx8k").unwrap();
    let pins: BTreeMap<String, String> =
        board.pins.into_iter().filter(|(port, _)| port == "clock" || port == "led").collect();
    // A counter has no rings.
    Board { clock_hz, pins, engines: vec![], ..board }
}

/// `None`, and the reason printed, where the tools are missing.
fn build(verilog: &str, clock_hz: u32, dir: &Path) -> Option<Result<Built, Error>> {
    let result = build::tools().and_then(|_| build::build(verilog, &board(clock_hz), dir));
    if let Err(error @ Error::ToolMissing { .. }) = &result {
        skipped(error);
        return None;
    }
    Some(result)
}

#[test]
fn the_same_sources_make_the_same_bytes_in_any_folder() {
    let dir = tempfile::tempdir().unwrap();
    let Some(here) = build(COUNTER, 12_000_000, dir.path()) else { return };
    let Some(there) = build(COUNTER, 12_000_000, &dir.path().join("some/where/else")) else { return };
    let here = here.unwrap();
    assert_eq!(here, there.unwrap());
    assert!(here.usage.logic_cells >= 25 && here.usage.fmax_mhz > 12.0, "{}", here.usage);
    let text = here.steps.join(" ");
    assert!(!text.contains(&dir.path().display().to_string()), "{text}");
}

#[test]
fn missed_timing_leaves_no_image() {
    let dir = tempfile::tempdir().unwrap();
    // An image of an earlier build must not survive either.
    std::fs::write(dir.path().join("top.bin"), "old").unwrap();
    let Some(result) = build(COUNTER, 2_000_000_000, dir.path()) else { return };
    let Err(Error::MissedTiming { fmax_mhz, target_mhz }) = result else { panic!("{result:?}") };
    assert!(fmax_mhz > 12.0 && fmax_mhz < target_mhz);
    assert!(!dir.path().join("top.bin").exists());
}

#[test]
fn a_latch_fails_the_build() {
    let dir = tempfile::tempdir().unwrap();
    let Some(result) = build(LATCH, 12_000_000, dir.path()) else { return };
    let Err(Error::ToolFailed { command, .. }) = result else { panic!("{result:?}") };
    assert!(command.starts_with("yosys"), "{command}");
}

#[test]
fn a_ring_unlike_the_others_leaves_no_image() {
    let mut rings = Rings::placed(HX8K);
    rings.connect_all();
    let rings = generate_verilog(&rings).replace("module top(", "module rings(");
    // The last inverter of one ring moves to the free eighth of its tile.
    let moved = rings.replace("BEL = \"X12/Y11/lc2\"", "BEL = \"X12/Y11/lc7\"");
    assert_ne!(rings, moved);
    let text = format!(
        "module top(input clock, output led); reg [9:0] i = 1; wire [15:0] a, b; assign led = ^{{a, b}}; \
         always @(posedge clock) i <= i + 10'd3; \
         rings rings(.clock(clock), .pair(i[7:0]), .run(i[8]), .clear(i[9]), .first(a), .second(b)); endmodule\n{moved}"
    );
    let board = Board { engines: vec!["vault".to_owned()], ..board(12_000_000) };
    let dir = tempfile::tempdir().unwrap();
    match build::tools().and_then(|_| build::build(&text, &board, dir.path())) {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
        // nextpnr itself refuses to lay a wire to where no LUT is.
        Err(Error::ToolFailed { command, .. }) => assert!(command.starts_with("nextpnr-ice40"), "{command}"),
        Err(error) => panic!("{error}"),
        Ok(built) => panic!("built: {}", built.usage),
    }
    assert!(!dir.path().join("top.bin").exists());
}

#[test]
fn simulated_boards_have_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Board::named("sim").unwrap();
    assert!(matches!(build::build(COUNTER, &sim, dir.path()), Err(Error::NoBitstream { .. })));
}

#[test]
fn an_image_of_other_sources_is_stale() {
    let bitstreams = checkout().join("bitstreams");
    let now = Sources::current("hx8k").unwrap();
    let reason = |sources: &Sources| match manifest::check_against("hx8k", &bitstreams, sources) {
        Err(Error::StaleImage { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let changed = Sources { build_id: "00000000".to_owned(), ..now.clone() };
    assert!(reason(&changed).contains("build_id was"));
    let changed = Sources { seed: now.seed + 1, ..now.clone() };
    assert!(reason(&changed).contains("seed was"));
    let mut changed = now.clone();
    changed.pins.insert("led".to_owned(), "B4".to_owned());
    assert!(reason(&changed).contains("pins was"));
}

#[test]
fn an_altered_image_is_stale() {
    let bitstreams = checkout().join("bitstreams");
    let dir = tempfile::tempdir().unwrap();
    let mut image = std::fs::read(bitstreams.join("hx8k.bin")).unwrap();
    std::fs::copy(bitstreams.join("manifest.toml"), dir.path().join("manifest.toml")).unwrap();
    image[5000] ^= 1;
    std::fs::write(dir.path().join("hx8k.bin"), image).unwrap();
    let result = manifest::check("hx8k", dir.path());
    assert!(
        matches!(&result, Err(Error::StaleImage { reason, .. }) if reason.contains("SHA-256")),
        "{result:?}"
    );
    let result = manifest::check("hx8k", &dir.path().join("nowhere"));
    assert!(matches!(result, Err(Error::StaleImage { .. })), "{result:?}");
}
