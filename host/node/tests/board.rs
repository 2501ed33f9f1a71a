//! Keys that grow in a board, from the outside: what is on the disk, what the commands say, what another board can do.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Daemon, text, utf8};
use serde_json::Value;
use twinseal_node::client::Client;
use twinseal_sim::{PtyServer, SimBoard};

fn twinseal(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twinseal")).arg("--json").args(arguments).output().unwrap()
}

fn code(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["error"]["code"].as_str().unwrap().to_owned()
}

fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// The steps of `twinseal doctor` as text.
fn doctor(daemon: &Daemon) -> String {
    text(&daemon.twinseal(&["doctor"]))
}

#[test]
fn a_node_on_a_board_keeps_helper_data_and_no_root() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let enrol = ["board", "enrol", "--data-dir", utf8(&node), "--board", "sim"];
    let enrolled = twinseal(&enrol);
    assert!(enrolled.status.success(), "{}", text(&enrolled));
    let again = twinseal(&enrol);
    assert_eq!(code(&again), "TSL-NOD-064", "a board is enrolled once");
    assert!(text(&again).contains("has its root already"), "{}", text(&again));
    let helper = std::fs::read(node.join("vault.helper")).unwrap();

    let daemon = Daemon::start_with(&node, &["--board", "sim"]);
    assert_eq!(std::fs::read(node.join("vault.helper")).unwrap(), helper, "opened, not enrolled again");
    let expected = [
        "api.token",
        "authorities",
        "genesis.bin",
        "ledger.redb",
        "objects",
        "reader.token",
        "transform-keys",
        "vault.helper",
        "virtual_board",
    ];
    assert_eq!(files(&node), expected, "and no root.key");
    for authority in ["hospital", "institute", "clock"] {
        let master =
            std::fs::read(node.join("authorities").join(authority).join("generation-1.key")).unwrap();
        assert!(master.starts_with(b"TSLREST1"), "{authority}");
    }

    let status = daemon.json(&["board", "status"]);
    assert_eq!(status["root"], "vault");
    assert_eq!(status["fault"], Value::Null);
    assert_eq!(status["engines"], serde_json::json!(["sha256", "merkle", "vault", "entropy"]));
    assert!(status["entropy"].as_str().unwrap().contains("sim"), "{status}");
    assert!(status["warnings"].to_string().contains("recovery_policy"), "{status}");
    let token = std::fs::read_to_string(node.join("api.token")).unwrap();
    let owner = Client::new(&daemon.url, &token);
    let metrics = String::from_utf8(owner.get("/metrics").unwrap()).unwrap();
    assert!(metrics.contains("twinseal_keys_in_vault 1") && metrics.contains("twinseal_recovery_policy 0"));
    assert_eq!(Client::new(&daemon.url, "guess").get("/v1/board").unwrap_err().code(), "TSL-NOD-020");

    let first = daemon.json(&["board", "attest"]);
    let (challenge, mac) = (first["challenge"].as_str().unwrap(), first["mac"].as_str().unwrap());
    assert_eq!((challenge.len(), mac.len()), (64, 64));
    assert_eq!(first["matches"], Value::Null, "nothing to compare it with");
    let compare = ["--json", "board", "attest", "--challenge", challenge, "--mac"];
    for (mac, matches, status) in
        [(mac, true, 0), (&mac.to_uppercase(), true, 0), (&"0".repeat(64), false, 1)]
    {
        let output = daemon.twinseal(&[&compare[..], &[mac]].concat());
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        let mut verdict = first.clone();
        verdict["matches"] = matches.into();
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), verdict);
    }
    for no_mac in ["zz", "", &mac[1..], &format!("{mac}0"), &"g".repeat(64)] {
        let output = daemon.twinseal(&[&compare[..], &[no_mac]].concat());
        assert_eq!(output.status.code(), Some(2), "{no_mac:?} is no answer: {}", text(&output));
        assert!(output.stdout.is_empty() && text(&output).contains("64 hex digits"), "{}", text(&output));
    }
    assert_eq!(daemon.refused(&["board", "attest", "--challenge", "12"]).0, "TSL-NOD-029");
    assert_ne!(daemon.json(&["board", "attest", "--challenge", &"0".repeat(64)])["mac"], mac);

    let said = doctor(&daemon);
    assert!(said.contains("ok    the vault is open and answers"), "{said}");
    assert!(said.contains("warn") && said.contains("no recovery_policy"), "{said}");

    let chain = health(&daemon);
    assert_eq!(daemon.terminate(), Some(0));
    // Its operator works on the sealed master keys with the board, and not without.
    let authorities = node.join("authorities");
    let list = ["authority", "--dir", utf8(&authorities), "list", "hospital"];
    assert_eq!(code(&twinseal(&list)), "TSL-NOD-058");
    let listed = twinseal(&[&list[..], &["--board", "sim"]].concat());
    assert!(listed.status.success(), "{}", text(&listed));

    let daemon = Daemon::start_with(&node, &["--board", "sim", "--engine", "software"]);
    assert_eq!(health(&daemon), chain, "the same identities, whoever hashes");
    assert_eq!(daemon.json(&["board", "attest", "--challenge", challenge])["mac"], mac, "and the same root");
    assert_eq!(daemon.terminate(), Some(0));

    std::fs::rename(node.join("vault.helper"), dir.path().join("away")).unwrap();
    let said = no_start(&node, "sim");
    assert!(
        said.contains("TSL-NOD-027") && said.contains("vault.helper") && said.contains("backup"),
        "{said}"
    );
    assert!(!node.join("vault.helper").exists(), "the board was not enrolled again");
    for damaged in [&b""[..], &helper[1..]] {
        std::fs::write(node.join("vault.helper"), damaged).unwrap();
        let said = no_start(&node, "sim");
        let remedy = said.contains("restore a copy") && said.contains("docs/recovery.md");
        assert!(said.contains("TSL-DRV-031") && remedy, "{said}");
    }
}

/// What `twinseald` on `node` says when it ends by itself.
fn no_start(node: &Path, board: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_twinseald"))
        .args(["--listen", "127.0.0.1:0", "--board", board, "--data-dir", utf8(node)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    text(&output)
}

#[test]
fn a_board_that_goes_away_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let plugged = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    let daemon = Daemon::start_with(&dir.path().join("node"), &["--board", utf8(plugged.path())]);
    let status = daemon.json(&["board", "status"]);
    assert_eq!((&status["root"], &status["fault"]), (&Value::from("vault"), &Value::Null));
    assert!(doctor(&daemon).contains("ok    the vault is open and answers"));

    plugged.stop().unwrap();
    let output = daemon.twinseal(&["--json", "board", "status"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["fault"]["code"], "TSL-DRV-002", "{status}");
    let output = daemon.twinseal(&["board", "status"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("this board, which does not answer") && said.contains("TSL-DRV-002"), "{said}");
    let said = doctor(&daemon);
    assert!(said.contains("FAIL  the board answers"), "{said}");
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn what_cannot_be_enrolled_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let missing = dir.path().join("no-such-port");
    for (board, expected) in [
        ("none", "TSL-NOD-062"),
        ("sim:", "TSL-NOD-018"),
        ("", "TSL-NOD-018"),
        (utf8(&missing), "TSL-DRV-001"),
    ] {
        let enrol = twinseal(&["board", "enrol", "--data-dir", utf8(&node), "--board", board]);
        assert_eq!(code(&enrol), expected, "{board:?}");
        assert!(!node.exists(), "{board:?}");
    }
    for board in ["sim:", ""] {
        assert!(no_start(&node, board).contains("TSL-NOD-018"), "{board:?}");
        let identity = twinseal(&["--home", utf8(&node), "identity", "--board", board]);
        assert_eq!(code(&identity), "TSL-NOD-018", "{board:?}");
        assert!(!node.exists(), "{board:?}");
    }
}

fn health(daemon: &Daemon) -> String {
    let client = Client::new(&daemon.url, "");
    let health: Value = client.json(&client.get("/v1/health").unwrap()).unwrap();
    health["chain"].as_str().unwrap().to_owned()
}

#[test]
fn without_a_board_everything_says_that_keys_grow_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let status = daemon.json(&["board", "status"]);
    assert_eq!((&status["root"], &status["board"]), (&Value::from("file"), &Value::Null));
    assert!(status["warnings"].to_string().contains("root.key"), "{status}");
    assert_eq!(daemon.refused(&["board", "attest"]).0, "TSL-NOD-062");
    let said = doctor(&daemon);
    assert!(said.contains("grow from root.key") && said.contains("no recovery_policy"), "{said}");
    assert_eq!(daemon.terminate(), Some(0));
    let node = dir.path().join("node");
    let enrol = twinseal(&["board", "enrol", "--data-dir", utf8(&node), "--board", "sim"]);
    assert_eq!(code(&enrol), "TSL-NOD-064", "a folder keeps what it began with");
    assert!(!node.join("virtual_board").exists(), "and no chip was made for it");
}

#[test]
fn a_persons_identity_grows_in_a_board_too() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let home = dir.path().join("lin");
    let user = || {
        let output = twinseal(&["--home", utf8(&home), "identity"]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let made = twinseal(&["--home", utf8(&home), "identity", "--board", "sim"]);
    assert!(made.status.success(), "{}", text(&made));
    assert_eq!(user(), serde_json::from_slice::<Value>(&made.stdout).unwrap());
    assert_eq!(files(&home), ["board", "vault.helper", "virtual_board"]);

    let keys = daemon.reader(&home, &["physician@hospital"]);
    assert!(std::fs::read(&keys).unwrap().starts_with(b"TSLREST1"), "sealed under the board");
    let listed = daemon.json(&["--home", utf8(&home), "attributes", "list"]);
    assert_eq!(listed[0]["attribute"], "physician@hospital");
    let named = daemon.json(&["--home", utf8(&home), "attributes", "list", "--keys", utf8(&keys)]);
    assert_eq!(named, listed);
    let name =
        daemon.json(&["--home", utf8(&home), "outsource"])["transform_key"].as_str().unwrap().to_owned();
    let retrieving = std::fs::read(home.join(format!("retrieving-{name}.key"))).unwrap();
    assert!(retrieving.starts_with(b"TSLREST1"));

    // The whole home, copied to somebody with another board.
    let silicon = home.join("virtual_board/silicon");
    std::fs::rename(&silicon, dir.path().join("chip")).unwrap();
    let lost = twinseal(&["--home", utf8(&home), "identity"]);
    assert_eq!(code(&lost), "TSL-NOD-061");
    let section = "A person's home";
    assert!(text(&lost).contains("docs/recovery.md") && text(&lost).contains(section), "{}", text(&lost));
    assert!(include_str!("../../../docs/recovery.md").contains(&format!("## {section}\n")));
    let other = "00".repeat(32);
    std::fs::write(&silicon, other).unwrap();
    assert_eq!(
        code(&twinseal(&["--home", utf8(&home), "identity"])),
        "TSL-NOD-016",
        "a chip others may read"
    );
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&silicon, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(code(&twinseal(&["--home", utf8(&home), "identity"])), "TSL-NOD-060");
    assert_eq!(code(&twinseal(&["--home", utf8(&home), "identity", "--board", "none"])), "TSL-NOD-059");
}
