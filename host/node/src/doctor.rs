//! `twinseal doctor`: what a person should know before asking for help. Each finding carries its remedy.

use std::path::Path;
use std::process::Command;

use crate::answers::Health;
use crate::client::Client;
use crate::engines;
use crate::report::{Recorder, Report};

/// Tools, boards, permissions, daemon. Only what a user needs is a check; what a builder of gateware needs is evidence.
pub fn run(url: &str, token_file: &Path) -> Report {
    let mut report = Report::default();

    let mut step = report.begin("1", "Tools for gateware and the virtual board");
    for (tool, arg, package) in [
        ("verilator", "--version", "verilator"),
        ("yosys", "-V", "yosys"),
        ("nextpnr-ice40", "--version", "nextpnr-ice40"),
        ("icepack", "-h", "fpga-icestorm"),
        ("iceprog", "--help", "fpga-icestorm"),
    ] {
        let found = Command::new(tool).arg(arg).output().is_ok();
        step.evidence(
            tool,
            if found { "found".into() } else { format!("missing: apt-get install {package}") },
        );
    }
    report.end(step);

    let mut step = report.begin("2", "Boards");
    match engines::discover() {
        Ok(boards) if boards.is_empty() => {
            step.evidence("boards", "none plugged in; the virtual board (`--board sim`) needs none");
        }
        Ok(boards) => {
            for board in boards {
                let usable = std::fs::OpenOptions::new().read(true).write(true).open(&board.path).is_ok();
                let remedy = "install packaging/60-twinseal.rules and join the group plugdev";
                step.check(&board.title, usable, if usable { board.path } else { remedy.into() });
            }
        }
        Err(e) => step.check("serial ports can be listed", false, e.to_string()),
    }
    report.end(step);

    let mut step = report.begin("3", "The daemon");
    daemon(&mut step, url, token_file);
    report.end(step);
    report
}

fn daemon(step: &mut Recorder, url: &str, token_file: &Path) {
    match std::fs::read_to_string(token_file) {
        Ok(token) => {
            let client = Client::new(url, &token);
            match client.get("/v1/health").and_then(|body| client.json::<Health>(&body)) {
                Ok(health) => step.check(
                    "twinseald answers",
                    true,
                    format!("version {}, height {}", health.version, health.height),
                ),
                Err(e) => step.check("twinseald answers", false, e.to_string()),
            }
        }
        Err(_) => step.evidence(
            "daemon",
            format!("no token at {}; start `twinseald`, or pass --token-file", token_file.display()),
        ),
    }
}
