//! `twinseal demo` on every kind of board and input; its exit status is its verdict.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::text;
use serde_json::Value;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twinseal")).args(["--json", "demo"]).args(arguments).output().unwrap()
}

/// The report of a run in which every check held.
fn passed(arguments: &[&str]) -> Value {
    let output = demo(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["passed"], true);
    let numbers: Vec<_> =
        report["steps"].as_array().unwrap().iter().map(|s| s["number"].as_str().unwrap()).collect();
    assert_eq!(
        numbers,
        ["0", "P", "1", "2", "3", "4", "5", "6", "7", "8", "9", "9b", "10", "A", "T", "H", "B"]
    );
    let checks = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["checks"].as_array().unwrap().len())
        .sum::<usize>();
    assert!(checks >= 56, "only {checks} checks ran");
    report
}

/// Who computed the evidence called `name`.
fn engines(report: &Value, name: &str) -> Vec<String> {
    let found: Vec<String> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|s| s["evidence"].as_array().unwrap())
        .filter(|e| e[0] == name)
        .map(|e| e[1].as_str().unwrap().to_owned())
        .collect();
    assert!(!found.is_empty(), "no evidence called {name}");
    found
}

#[test]
fn on_software() {
    let report = passed(&["--board", "none"]);
    assert!(engines(&report, "hashed by").iter().all(|e| e == "software"));
}

#[test]
fn on_the_verilated_board_in_process() {
    let report = passed(&["--board", "sim"]);
    let hashed = engines(&report, "hashed by");
    assert!(!hashed.is_empty() && hashed.iter().all(|e| e.contains("sim")), "{hashed:?}");
    assert!(engines(&report, "tree head").iter().all(|e| e.contains("sim")));
    in_vault(&report);
}

/// Keys came from the board's vault, and another board was refused.
fn in_vault(report: &Value) {
    assert!(engines(report, "derived by").iter().all(|e| e != "software"));
    let checks: Vec<&Value> =
        report["steps"].as_array().unwrap().iter().flat_map(|s| s["checks"].as_array().unwrap()).collect();
    let seen = |what: &str| checks.iter().find(|c| c["what"] == what).unwrap()["seen"].to_string();
    assert!(seen("the same folder with another board").contains("TSL-NOD-060"));
    assert!(seen("the same folder with no board").contains("TSL-NOD-059"));
    assert!(checks.len() >= 65, "only {} checks ran", checks.len());
}

#[test]
fn on_a_pseudo_terminal_opened_as_a_serial_port() {
    let server = twinseal_sim::PtyServer::start(twinseal_sim::SimBoard::new().unwrap()).unwrap();
    let path = server.path().to_str().unwrap().to_owned();
    let report = passed(&["--board", &path]);
    assert!(engines(&report, "hashed by").iter().all(|e| e != "software"));
    in_vault(&report);
}

#[test]
fn on_real_exports() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let files = [data.join("cgm_bigideas/dexcom/Dexcom_001.csv"), data.join("eda_stresspredict/S01_EDA.csv")];
    for file in files {
        if !file.exists() {
            let _ = writeln!(std::io::stderr(), "skipped: {} is absent", file.display());
            continue;
        }
        passed(&["--board", "none", "--engine", "software", "--cgm", file.to_str().unwrap()]);
    }
}

#[test]
fn bad_input_and_absent_boards_end_with_a_code_and_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.csv");
    std::fs::write(&bad, "Index,Timestamp,Glucose Value (mg/dL)\n1,2020-01-01 00:00:00,12").unwrap();
    for (arguments, code) in [
        (vec!["--board", "/dev/no-such-board"], "TSL-DRV-"),
        (vec!["--board", "none", "--engine", "board"], "TSL-NOD-018"),
        (vec!["--board", "none", "--engine", "software", "--cgm", "/no/such/file.csv"], "TSL-NOD-001"),
        (vec!["--board", "none", "--engine", "software", "--cgm", bad.to_str().unwrap()], "TSL-TWN-"),
    ] {
        let output = demo(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(value["error"]["code"].as_str().unwrap().starts_with(code), "{arguments:?}: {value}");
        assert!(value["error"]["message"].as_str().unwrap().len() > 20);
    }
}
