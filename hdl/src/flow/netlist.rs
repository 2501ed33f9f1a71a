//! What synthesis for iCE40 makes of Verilog, as Verilog that can be simulated.

use std::path::PathBuf;
use std::process::Command;

use super::tool;
use crate::Error;

/// Reads Verilog whose top module is `top` and writes its netlist.
const SCRIPT: &str = "read_verilog source.v; synth_ice40 -top top; write_verilog -noattr netlist.v";

/// The netlist of `verilog`, whose top module is `top`, with the models of its cells. Ports and their names are the same.
///
/// # Errors
/// [`Error::ToolMissing`] and [`Error::ToolFailed`].
pub fn for_ice40(verilog: &str) -> Result<String, Error> {
    let models = tool::read(&cell_models()?)?;
    let dir = tool::temp_dir()?;
    let dir = dir.path();
    tool::write(&dir.join("source.v"), verilog)?;
    tool::run(Command::new("yosys").args(["-q", "-p", SCRIPT]).current_dir(dir))?;
    let netlist = tool::read(&dir.join("netlist.v"))?;
    let [models, netlist] = [models, netlist].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok(format!("`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{models}\n{netlist}"))
}

/// The simulation models of the iCE40 cells that come with yosys.
///
/// # Errors
/// [`Error::ToolMissing`] if there is no yosys, or none with the models beside it.
pub fn cell_models() -> Result<PathBuf, Error> {
    let missing = || tool::missing("yosys (share/yosys/ice40/cells_sim.v)");
    let path = std::env::var_os("PATH").ok_or_else(missing)?;
    std::env::split_paths(&path)
        .filter(|dir| dir.join("yosys").is_file())
        .map(|dir| dir.join("../share/yosys/ice40/cells_sim.v"))
        .find(|models| models.is_file())
        .ok_or_else(missing)
}
