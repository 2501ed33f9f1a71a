//! Verilog to bitstream: yosys, nextpnr, icepack.
//!
//! Everything runs inside one folder and names files relative to it, so the same tools make the same bytes wherever the
//! folder lies. Missed timing, an inferred latch, rings that are not alike or any complaint with an exit code leaves no
//! image.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::loops::{self, Loops};
use super::nextpnr::Report;
use super::tool;
use crate::Error;
use crate::top::boards::Board;

/// For place and route, where `boards.toml` has none.
pub const DEFAULT_SEED: u32 = 1;

/// A latch is always a forgotten assignment.
const SYNTHESIS: &str = "read_verilog top.v; hierarchy -check -top top; proc; select -assert-none t:$dlatch; \
                         synth_ice40 -top top -json top.json";

/// An image and what the tools say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The bitstream.
    pub image: Vec<u8>,
    /// Of the device.
    pub usage: Usage,
    /// The rings, if the board has any.
    pub rings: Option<Loops>,
    /// The commands, in order.
    pub steps: Vec<String>,
}

/// What a design takes of its device, and how fast it could run there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Logic cells: a look-up table and a flip-flop each.
    pub logic_cells: u32,
    /// 4-kbit block RAMs.
    pub block_rams: u32,
    /// Highest clock by static timing after routing, in megahertz.
    pub fmax_mhz: f64,
    /// The clock asked for, in megahertz.
    pub target_mhz: f64,
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { logic_cells, block_rams, fmax_mhz, target_mhz } = self;
        write!(f, "{logic_cells} LC, {block_rams} EBR, {fmax_mhz:.2} MHz of {target_mhz} MHz needed")
    }
}

/// Versions of the tools, by name.
pub fn tools() -> Result<BTreeMap<String, String>, Error> {
    let mut tools = BTreeMap::new();
    tools.insert("yosys".to_owned(), tool::version("yosys", &["-V"])?);
    tools.insert("nextpnr-ice40".to_owned(), tool::version("nextpnr-ice40", &["--version"])?);
    // icepack does not say its version; Debian knows.
    tool::version("icepack", &["-h"])?;
    let package = Command::new("dpkg-query").args(["-W", "-f", "${Version}", "fpga-icestorm"]).output();
    let icepack = package.ok().filter(|o| o.status.success()).and_then(|o| String::from_utf8(o.stdout).ok());
    tools.insert("icepack".to_owned(), icepack.unwrap_or_else(|| "unreported".to_owned()));
    Ok(tools)
}

/// The pin constraints of `board` as nextpnr reads them.
pub fn pin_constraints(board: &Board) -> String {
    board.pins.iter().fold(String::new(), |mut text, (port, pin)| {
        let _ = writeln!(text, "set_io {port} {pin}");
        text
    })
}

/// Builds `verilog`, whose top module is `top`, for `board` in `dir`, which is made if missing.
///
/// # Errors
/// [`Error::NoBitstream`] for a board that is only simulated; [`Error::MissedTiming`] if the design is too slow for the
/// board's clock; [`Error::Rings`] if the board has rings and they are not alike; [`Error::ToolFailed`] and [`Error::ToolMissing`] for everything else a tool may have.
pub fn build(verilog: &str, board: &Board, dir: &Path) -> Result<Built, Error> {
    let (Some(device), Some(package)) = (&board.device, &board.package) else {
        return Err(Error::NoBitstream { title: board.title.clone() });
    };
    if board.family != "ice40" {
        return Err(Error::NoBitstream { title: board.title.clone() });
    }
    std::fs::create_dir_all(dir).map_err(|source| Error::File { path: dir.to_owned(), source })?;
    for stale in ["top.json", "top.asc", "top.bin", "top.sdf", "routed.json", "report.json"] {
        let _ = std::fs::remove_file(dir.join(stale));
    }
    tool::write(&dir.join("top.v"), verilog)?;
    tool::write(&dir.join("top.pcf"), pin_constraints(board))?;
    tool::write(&dir.join("rings.py"), loops::script())?;

    let target_mhz = f64::from(board.clock_hz) / 1e6;
    let seed = board.seed.unwrap_or(DEFAULT_SEED);
    let mut route = format!(
        "--{device} --package {package} --json top.json --pcf top.pcf --asc top.asc --report report.json \
         --freq {target_mhz} --seed {seed} --quiet"
    );
    if board.has_rings() {
        route.push_str(" --ignore-loops --pre-route rings.py --sdf top.sdf --write routed.json");
    }
    let commands = [
        ("yosys", vec!["-q", "-p", SYNTHESIS]),
        ("nextpnr-ice40", route.split_whitespace().collect()),
        ("icepack", vec!["top.asc", "top.bin"]),
    ];
    let mut rings = None;
    for (program, args) in &commands {
        if *program == "icepack" && board.has_rings() {
            rings = Some(loops::check(dir)?);
        }
        tool::run(Command::new(program).args(args).current_dir(dir)).map_err(|error| {
            // nextpnr writes its report even when it fails on timing.
            usage(dir, target_mhz).err().filter(|e| matches!(e, Error::MissedTiming { .. })).unwrap_or(error)
        })?;
    }
    Ok(Built {
        image: tool::read(&dir.join("top.bin"))?,
        usage: usage(dir, target_mhz)?,
        rings,
        steps: commands.iter().map(|(program, args)| tool::shell(program, args)).collect(),
    })
}

/// Reads the report in `dir`; a clock below `target_mhz` is an error.
fn usage(dir: &Path, target_mhz: f64) -> Result<Usage, Error> {
    let report = Report::read(&dir.join("report.json"), "nextpnr-ice40")?;
    let fmax_mhz = report.fmax_mhz();
    if fmax_mhz < target_mhz {
        return Err(Error::MissedTiming { fmax_mhz, target_mhz });
    }
    Ok(Usage {
        logic_cells: report.used("ICESTORM_LC"),
        block_rams: report.used("ICESTORM_RAM"),
        fmax_mhz: (fmax_mhz * 100.0).round() / 100.0,
        target_mhz,
    })
}
