//! The daemon and the command from the outside: put, get, verify, predict, restart, kill, bad input, a full store.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
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

    let keys = daemon.reader(&dir.path().join("mira"), &["researcher@institute", "affiliate@hospital"]);
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
    let (code, _) = daemon.refused(&["put", utf8(&malformed), "--kind", "file", "--policy", "a@b and and"]);
    assert_eq!(code, "TSL-ABE-001");

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
    refused(stranger.post("/v1/authorities/hospital/approvals", "application/json", b"{}"));
    refused(stranger.post("/v1/leases", "application/json", br#"{"size_bytes":1,"duration_ms":1}"#));
    refused(stranger.get("/metrics"));

    let health: Value = stranger.json(&stranger.get("/v1/health").unwrap()).unwrap();
    assert_eq!(health["height"], 0);
    let openapi: Value = stranger.json(&stranger.get("/openapi.json").unwrap()).unwrap();
    for path in
        ["/v1/records", "/v1/records/{record}/predict", "/v1/leases", "/v1/authorities/{name}/requests"]
    {
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
    let objects = dir.path().join("node/objects");
    std::fs::create_dir_all(&objects).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=96k", "tmpfs", utf8(&objects)]).output();
    if !mounted.as_ref().is_ok_and(|o| o.status.success()) {
        let _ = writeln!(std::io::stderr(), "skipped: mounting a small tmpfs as the full store needs root");
        return;
    }
    let _mounted = Mounted(objects.clone());
    let file = export(dir.path(), 4);
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["lease"]);
    let mut acknowledged = Vec::new();
    let message = loop {
        let output = daemon.twinseal(&["--json", "put", utf8(&file)]);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        match value["record"].as_str() {
            Some(record) => acknowledged.push(record.to_owned()),
            None => {
                assert_eq!(value["error"]["code"], "TSL-NOD-014");
                break value["error"]["message"].as_str().unwrap().to_owned();
            }
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
}

/// Unmounts whatever the test ends with.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_lost_file_is_named_and_nothing_is_made_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let daemon = Daemon::start(&node);
    daemon.json(&["lease"]);
    let record = put(&daemon, &export(dir.path(), 5));
    assert_eq!(daemon.terminate(), Some(0));
    for lost in ["root.key", "genesis.bin", "ledger.redb", "authorities", "objects"] {
        let (here, away) = (node.join(lost), dir.path().join("away"));
        std::fs::rename(&here, &away).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_twinseald"))
            .args(["--listen", "127.0.0.1:0", "--board", "none", "--data-dir", utf8(&node)])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{lost}");
        assert!(
            text(&output).contains(lost) && text(&output).contains("backup"),
            "{lost}: {}",
            text(&output)
        );
        assert!(!here.exists(), "{lost} was made anew");
        std::fs::rename(&away, &here).unwrap();
    }
    Daemon::start(&node).json(&["verify", &record]);
}

/// A daemon that answers for record A with everything that belongs to record B.
#[test]
fn a_reader_is_not_given_another_record_by_a_hostile_daemon() {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["lease"]);
    let asked_for = put(&daemon, &export(dir.path(), 6));
    let given = put(&daemon, &export(dir.path(), 7));
    let keys = daemon.reader(&dir.path().join("lin"), &["physician@hospital"]);
    let token = std::fs::read_to_string(daemon.data_dir.join("api.token")).unwrap();
    let honest = twinseal_node::client::Client::new(&daemon.url, &token);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let swap = (asked_for.clone(), given.clone());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0u8; 4096];
            let n = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let path = request.split_whitespace().nth(1).unwrap_or("/").replace(&swap.0, &swap.1);
            let body = honest.get(&path).unwrap_or_default();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    let get = |url: &str, record: &str| {
        Command::new(env!("CARGO_BIN_EXE_twinseal"))
            .args(["--url", url, "--token-file", utf8(&daemon.data_dir.join("api.token"))])
            .args(["get", record, "--section", "personal", "--keys", utf8(&keys)])
            .output()
            .unwrap()
    };
    assert!(get(&daemon.url, &asked_for).status.success());
    assert!(get(&url, &given).status.success(), "the hostile daemon works where it does not lie");
    let lied = get(&url, &asked_for);
    assert_eq!(lied.status.code(), Some(1));
    assert!(lied.stdout.is_empty() && text(&lied).contains("TSL-NOD-007"), "{}", text(&lied));
}

#[test]
fn every_refusal_of_the_api_is_a_problem_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(dir.path(), &["--board", "none", "--max-body-bytes", "1000"]);
    let big = dir.path().join("big.bin");
    std::fs::write(&big, vec![1; 5000]).unwrap();
    let (code, message) = daemon.refused(&["put", utf8(&big), "--kind", "file"]);
    assert_eq!(code, "TSL-NOD-030");
    assert!(message.contains("1000") && message.contains("max_body_bytes"), "{message}");

    let token = std::fs::read_to_string(dir.path().join("api.token")).unwrap();
    let client = twinseal_node::client::Client::new(&daemon.url, &token);
    for result in [
        client.get("/no/such/route"),
        client.get("/v1/leases"),
        client.post("/v1/leases", "application/json", b"{"),
        client.post("/v1/leases", "text/plain", b"{}"),
        client.post("/v1/records?kind=nonsense", "application/octet-stream", b"x"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "TSL-NOD-029", "{error}");
    }
    let (code, _) = daemon.refused(&["lease", "--size-bytes", "9000000000000000", "--days", "3000"]);
    assert_eq!(code, "TSL-LED-103");
    let (code, _) = daemon.refused(&["authority", "list", "nowhere"]);
    assert_eq!(code, "TSL-NOD-025");
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["completions", "bash"][..], &["board", "list"], &["demo", "--board", "none"]] {
        let status =
            Command::new(env!("CARGO_BIN_EXE_twinseal")).args(arguments).stdout(full()).status().unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
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

#[test]
fn a_first_start_that_failed_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let output = Command::new(env!("CARGO_BIN_EXE_twinseald"))
        .args(["--listen", "127.0.0.1:0", "--board", "/dev/no-such-board", "--data-dir", utf8(&node)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("TSL-DRV-001"), "{}", text(&output));
    Daemon::start(&node).json(&["lease"]);
    Daemon::start(&node).json(&["lease"]);
}

#[test]
fn puts_at_the_same_time_share_a_board_and_leave_the_daemon_responsive() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(&dir.path().join("node"), &["--board", "sim", "--engine", "board"]);
    daemon.json(&["lease"]);
    let file = dir.path().join("image.bin");
    std::fs::write(&file, vec![7u8; 200_000]).unwrap();
    let slowest_ms = std::thread::scope(|scope| {
        let puts: Vec<_> =
            (0..3).map(|_| scope.spawn(|| daemon.json(&["put", utf8(&file), "--kind", "file"]))).collect();
        let stranger = twinseal_node::client::Client::new(&daemon.url, "none");
        let mut slowest_ms = 0;
        while !puts.iter().all(|p| p.is_finished()) {
            let asked = std::time::Instant::now();
            stranger.get("/v1/health").unwrap();
            slowest_ms = slowest_ms.max(asked.elapsed().as_millis());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        puts.into_iter().for_each(|p| drop(p.join().unwrap()));
        slowest_ms
    });
    assert!(slowest_ms < 1000, "health took {slowest_ms} ms while the board hashed");
}

#[test]
fn a_refused_registration_leaves_no_blob() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    // 1,000,000,000 to begin with; a lease of one mebibyte and day costs 1, a registration 10.
    daemon.json(&["lease", "--size-bytes", "1048576000000", "--days", "999"]);
    let balance =
        daemon.json(&["lease", "--size-bytes", "1048576", "--days", "1"])["balance"].as_u64().unwrap();
    let spend = (balance / 1000 * 1_048_576).to_string();
    daemon.json(&["lease", "--size-bytes", &spend, "--days", "1000"]);
    loop {
        let left =
            daemon.json(&["lease", "--size-bytes", "1048576", "--days", "1"])["balance"].as_u64().unwrap();
        if left < 10 {
            break;
        }
        let spend = ((left - 5).max(1) * 1_048_576).to_string();
        daemon.json(&["lease", "--size-bytes", &spend, "--days", "1"]);
    }
    let (code, _) = daemon.refused(&["put", utf8(&export(dir.path(), 8))]);
    assert_eq!(code, "TSL-LED-103");
    let left: Vec<_> = walk(&daemon.data_dir.join("objects"));
    assert!(left.is_empty(), "{left:?}");
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}
