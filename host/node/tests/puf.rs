//! `twinseal puf evaluate`: what it prints and what it refuses. Its figures are tested with the PUF itself.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_command_reports_and_refuses() {
    let command = || Command::new(env!("CARGO_BIN_EXE_twinseal"));
    let out = command()
        .args(["--json", "puf", "evaluate", "--chips", "200", "--reconstructions", "1000"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(out.status.success(), "{json}");
    assert_eq!(json["key_failure"][1]["reconstructions"], 1000);
    assert_eq!(json["key_failure"][1]["failures"], 0);
    assert_eq!(json["conditions"].as_array().unwrap().len(), 36);
    assert!(json["assumed"].as_array().unwrap().iter().any(|a| a == "temperature_ring"));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "1e8,1e8\n1e8,oops\n").unwrap();
    std::fs::write(folder.path().join("b.csv"), "1e8,1e8\n1e8,1e8\n").unwrap();
    let out = command().args(["puf", "evaluate", "--folder"]).arg(folder.path()).output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(!out.status.success());
    assert!(
        text.contains("a.csv, line 2, column 2: not a frequency") && text.contains("TSL-PUF-007"),
        "{text}"
    );
}
