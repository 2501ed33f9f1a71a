//! `twinseal doctor`: what a person should know before asking for help. Each finding carries its remedy.

use std::path::Path;
use std::process::Command;

use crate::answers::{BoardStatus, Health};
use crate::client::Client;
use crate::engines;
use crate::report::{Recorder, Report};
use crate::root::{self, Kind};

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
                Ok(health) => {
                    let seen = format!("version {}, height {}", health.version, health.height);
                    step.check("twinseald answers", true, seen);
                    board(step, &client);
                }
                Err(e) => step.check("twinseald answers", false, e.to_string()),
            }
        }
        Err(_) => step.evidence(
            "daemon",
            format!("no token at {}; start `twinseald`, or pass --token-file", token_file.display()),
        ),
    }
}

/// Board, vault, random bits and recovery of the daemon.
fn board(step: &mut Recorder, client: &Client) {
    let status = match client.get("/v1/board").and_then(|body| client.json::<BoardStatus>(&body)) {
        Ok(status) => status,
        Err(e) => return step.check("the daemon says what its keys grow from", false, e.to_string()),
    };
    step.evidence("board", status.board.as_deref().unwrap_or("none"));
    if let Some(fault) = status.fault {
        step.check("the board answers", false, format!("{} [{}]", fault.message, fault.code));
    }
    step.evidence("engines", status.engines.join(", "));
    step.evidence("entropy", status.entropy.as_str());
    step.evidence("recovery policy", status.recovery_policy.as_deref().unwrap_or("none"));
    match status.root {
        Kind::File => step.evidence("keys", "grow from root.key"),
        Kind::Vault => match root::challenge(None).and_then(|challenge| client.attest(&challenge)) {
            Ok(answer) => {
                step.check("the vault is open and answers", true, format!("build {}", answer.build_id))
            }
            Err(e) => step.check("the vault is open and answers", false, e.to_string()),
        },
    }
    for warning in &status.warnings {
        step.warn(warning);
    }
}
