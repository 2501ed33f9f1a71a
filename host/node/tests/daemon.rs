//! The daemon and the command from the outside: put, get, verify, predict, restart, kill, bad input, a full store.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Daemon, export, text, utf8};
use serde_json::Value;

fn put(daemon: &Daemon, file: &Path) -> String {
    daemon.json(&["put", utf8(file)])["record"].as_str().unwrap().to_owned()
}

#[test]
fn a_record_goes_in_is_verified_read_and_predicted_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = export(dir.path(), 1);
    let daemon = Daemon::start(&dir.path().join("node"));

    assert_eq!(daemon.refused(&["put", utf8(&file)]).0, "TSL-NOD-015", "refused before a lease is paid");
    daemon.json(&["lease", "--size-bytes", "10000000", "--days", "7"]);
    let record = put(&daemon, &file);

    let verdict = daemon.json(&["verify", &record]);
    assert_eq!(verdict["chain_pinned"], false);
    let chain = verdict["chain"].as_str().unwrap().to_owned();
    assert_eq!(daemon.json(&["verify", &record, "--chain", &chain])["chain_pinned"], true);
    assert_eq!(daemon.refused(&["verify", &record, "--chain", &"ab".repeat(32)]).0, "TSL-NOD-026");

    let personal = daemon.twinseal(&["get", &record, "--section", "personal"]);
    assert!(serde_json::from_slice::<Value>(&personal.stdout).unwrap()["patient_identifier"].is_string());

    let keys = dir.path().join("mira.keys");
    let reader =
        ["reader", "mira", "--attribute", "researcher@institute", "--attribute", "affiliate@hospital"];
    daemon.json(&[&reader[..], &["--output", utf8(&keys)]].concat());
    let opened = daemon.twinseal(&["get", &record, "--section", "stream/glucose", "--keys", utf8(&keys)]);
    assert!(opened.status.success(), "{}", text(&opened));
    let owned = daemon.twinseal(&["get", &record, "--section", "stream/glucose"]);
    assert_eq!(opened.stdout, owned.stdout, "reader and owner see the same bytes");
    let (code, message) = daemon.refused(&["get", &record, "--section", "personal", "--keys", utf8(&keys)]);
    assert_eq!(code, "TSL-ABE-010");
    assert!(message.contains("physician@hospital"), "{message}");

    for method in ["pchip", "lsh"] {
        let predicted = daemon.json(&["predict", &record, "--method", method]);
        assert!(predicted["missing"].as_u64().unwrap() > 0);
        assert!(!predicted["predicted"].as_array().unwrap().is_empty(), "{method}");
    }

    assert_eq!(daemon.terminate(), Some(0), "SIGTERM is a clean end");
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["verify", &record, "--chain", &chain]);
    let again = daemon.twinseal(&["get", &record, "--section", "stream/glucose", "--keys", utf8(&keys)]);
    assert_eq!(again.stdout, owned.stdout);
}

#[test]
fn every_acknowledged_put_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let file = export(dir.path(), 2);
    let node = dir.path().join("node");
    let mut records = Vec::new();
    for round in 0..3 {
        let daemon = Daemon::start(&node);
        if round == 0 {
            daemon.json(&["lease"]);
        }
        records.push(put(&daemon, &file));
        records.push(put(&daemon, &file));
        // One more is in flight when the daemon dies; whether it made it is open, but it must not harm the others.
        let mut in_flight = Command::new(env!("CARGO_BIN_EXE_twinseal"))
            .args(["--url", &daemon.url, "--token-file", utf8(&node.join("api.token")), "put", utf8(&file)])
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5 + 20 * round));
        daemon.kill();
        in_flight.wait().unwrap();
    }
    let daemon = Daemon::start(&node);
    for record in &records {
        daemon.json(&["verify", record]);
    }
}

#[test]
fn bad_input_names_its_remedy_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["lease"]);
    let good = put(&daemon, &export(dir.path(), 3));

    let malformed = dir.path().join("malformed.csv");
    std::fs::write(
        &malformed,
        "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Glucose Value (mg/dL)\n1,yesterday,EGV,high\n",
    )
    .unwrap();
    let (code, message) = daemon.refused(&["put", utf8(&malformed), "--kind", "dexcom"]);
    assert!(code.starts_with("TSL-TWN-"), "{code}");
    assert!(message.contains("line") && message.contains("column"), "{message}");

    let (code, message) = daemon.refused(&["put", utf8(&dir.path().join("absent.csv"))]);
    assert_eq!(code, "TSL-NOD-001");
    assert!(message.contains("absent.csv"), "{message}");

    assert_eq!(daemon.refused(&["verify", &"0".repeat(32)]).0, "TSL-NOD-021");
    assert_eq!(daemon.refused(&["verify", "not-a-number"]).0, "TSL-NOD-008");
    let (_, message) =
        daemon.refused(&["put", utf8(&malformed), "--kind", "file", "--policy", "a@b and and"]);
    assert!(
        message.contains("byte") || message.contains("position") || message.contains("column"),
        "{message}"
    );

    daemon.json(&["verify", &good]);
}

#[test]
fn the_api_wants_its_token_and_describes_itself() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let stranger = twinseal_node::client::Client::new(&daemon.url, "guess");
    let refused = |result: Result<Vec<u8>, twinseal_node::Error>| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains("token"), "{error}");
    };
    refused(stranger.get(&format!("/v1/records/{}", "0".repeat(32))));
    refused(stranger.post(
        "/v1/readers",
        "application/json",
        br#"{"uid":"eve","attributes":["physician@hospital"]}"#,
    ));
    refused(stranger.post("/v1/leases", "application/json", br#"{"size_bytes":1,"duration_ms":1}"#));
    refused(stranger.get("/metrics"));

    let health: Value = stranger.json(&stranger.get("/v1/health").unwrap()).unwrap();
    assert_eq!(health["height"], 0);
    let openapi: Value = stranger.json(&stranger.get("/openapi.json").unwrap()).unwrap();
    for path in ["/v1/records", "/v1/records/{record}/predict", "/v1/leases", "/v1/readers"] {
        assert!(openapi["paths"][path].is_object(), "{path} is described");
    }
    let token = std::fs::read_to_string(dir.path().join("api.token")).unwrap();
    let owner = twinseal_node::client::Client::new(&daemon.url, &token);
    let metrics = String::from_utf8(owner.get("/metrics").unwrap()).unwrap();
    assert!(metrics.contains("twinseal_request_failures_total 4"), "{metrics}");
}

#[test]
fn a_full_object_store_is_a_clear_error_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let objects = dir.path().join("objects");
    std::fs::create_dir(&objects).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=96k", "tmpfs", utf8(&objects)]).output();
    if !mounted.as_ref().is_ok_and(|o| o.status.success()) {
        println!("skipped: mounting a small tmpfs as the full store needs root");
        return;
    }
    let file = export(dir.path(), 4);
    let daemon = Daemon::start(dir.path());
    daemon.json(&["lease"]);
    let mut acknowledged = Vec::new();
    let message = loop {
        let output = daemon.twinseal(&["--json", "put", utf8(&file)]);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        match value["record"].as_str() {
            Some(record) => acknowledged.push(record.to_owned()),
            None => break value["error"]["message"].as_str().unwrap().to_owned(),
        }
        assert!(acknowledged.len() < 100, "the store never fills up");
    };
    assert!(!acknowledged.is_empty());
    assert!(message.contains("free space"), "{message}");
    for record in &acknowledged {
        daemon.json(&["verify", record]);
    }
    let more = Command::new("mount").args(["-o", "remount,size=4m", utf8(&objects)]).status().unwrap();
    assert!(more.success());
    acknowledged.push(put(&daemon, &file));
    for record in &acknowledged {
        daemon.json(&["verify", record]);
    }
    drop(daemon);
    assert!(Command::new("umount").arg(&objects).status().unwrap().success());
}

#[test]
fn a_root_secret_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    drop(Daemon::start(dir.path()));
    let root = dir.path().join("root.key");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_twinseald"))
        .args(["--listen", "127.0.0.1:0", "--board", "none", "--data-dir", utf8(dir.path())])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("chmod 600"), "{}", text(&output));
}
