//! Losing a board, from the outside: what was put under a recovery policy comes back on another board, and nothing else
//! does.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Daemon, export, text, utf8};
use serde_json::Value;

const POLICY: &str = "kin@registry and notary@registry";

/// `twinseal` without a daemon.
fn twinseal(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_twinseal")).arg("--json").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    output
}

/// What `twinseald` says when it does not start.
fn no_start(data_dir: &Path, flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_twinseald"))
        .args(["--listen", "127.0.0.1:0", "--data-dir", utf8(data_dir)])
        .args(flags)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{flags:?}");
    text(&output)
}

/// An authority in a folder of its own; its public key.
fn registry(dir: &Path) -> String {
    twinseal(&["authority", "--dir", utf8(dir), "init", "registry"]);
    utf8(&dir.join("registry/generation-1.pub")).to_owned()
}

/// Somebody the registry vouches for, in `home`.
fn heir(registry: &Path, home: &Path, claims: &[&str]) {
    let identity = twinseal(&["--home", utf8(home), "identity"]);
    let user: Value = serde_json::from_slice(&identity.stdout).unwrap();
    let (asked, answer) =
        (home.join(claims.len().to_string()), home.join(format!("{}.answer", claims.len())));
    let ask = ["--home", utf8(home), "attributes", "request", "--out", utf8(&asked)];
    twinseal(&[&ask[..], claims].concat());
    let at = ["authority", "--dir", utf8(registry)];
    let approve = ["approve", "registry", user["user"].as_str().unwrap()];
    twinseal(&[&at[..], &approve, claims].concat());
    twinseal(&[&at[..], &["issue", "registry", utf8(&asked), "-o", utf8(&answer)]].concat());
    twinseal(&["--home", utf8(home), "attributes", "accept", utf8(&answer)]);
}

/// The answer of `twinseal recover`, and whether it ended well.
fn recover(daemon: &Daemon, home: &Path, arguments: &[&str]) -> (Value, bool) {
    let output =
        daemon.twinseal(&[&["--json", "--home", utf8(home), "recover", "--from"], arguments].concat());
    (
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output))),
        output.status.success(),
    )
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            _ = std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn what_was_put_under_a_recovery_policy_outlives_the_board() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new, elsewhere) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("registry"));
    let key = registry(&elsewhere);
    let recovery = ["--recovery-policy", POLICY, "--recovery-authorities", &key];
    let daemon = Daemon::start_with(&old, &[&["--board", "sim"], &recovery[..]].concat());
    daemon.json(&["lease"]);
    let file = export(dir.path(), 1);
    let put = daemon.json(&["put", utf8(&file)]);
    let policies: Vec<_> = put["policies"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert_eq!(policies.len(), 2);
    assert!(policies.iter().all(|policy| policy.ends_with(&format!("or ({POLICY})"))), "{policies:?}");
    let kept = put["record"].as_str().unwrap().to_owned();
    let put = daemon.json(&["put", utf8(&file), "--no-recovery"]);
    assert!(!put["policies"].to_string().contains("registry"), "{put}");
    let given_up = put["record"].as_str().unwrap().to_owned();
    let read = |daemon: &Daemon, record: &str, section: &str| {
        let output = daemon.twinseal(&["get", record, "--section", section]);
        assert!(output.status.success(), "{}", text(&output));
        output.stdout
    };
    let stream = read(&daemon, &kept, "stream/glucose");
    let chain = daemon.json(&["verify", &kept])["chain"].as_str().unwrap().to_owned();
    assert_eq!(daemon.terminate(), Some(0));

    // The board is lost. Nothing opens this folder any more, and everything that tries says what to do.
    std::fs::remove_file(old.join("virtual_board/silicon")).unwrap();
    let other = format!("sim:{}", utf8(&dir.path().join("other-chip")));
    drop(twinseal(&["board", "enrol", "--data-dir", utf8(&dir.path().join("x")), "--board", &other]));
    for (board, code) in [("sim", "TSL-NOD-061"), ("none", "TSL-NOD-059"), (&other, "TSL-NOD-060")] {
        let said = no_start(&old, &["--board", board]);
        assert!(said.contains(code) && said.contains("docs/recovery.md"), "{board}: {said}");
    }
    assert!(!old.join("virtual_board/silicon").exists(), "no chip was made in its place");
    let master = std::fs::read(old.join("authorities/hospital/generation-1.key")).unwrap();
    assert!(master.starts_with(b"TSLREST1"), "the master keys are of no use either");

    let daemon = Daemon::start_with(&new, &[&["--board", "sim"], &recovery[..]].concat());
    daemon.json(&["lease"]);
    let (kin, stranger) = (dir.path().join("kin"), dir.path().join("stranger"));
    heir(&elsewhere, &kin, &["kin@registry", "notary@registry"]);
    heir(&elsewhere, &stranger, &["kin@registry"]);
    let ledger = std::fs::read(old.join("ledger.redb")).unwrap();
    let from = utf8(&old);

    let (report, well) = recover(&daemon, &stranger, &[from, "--chain", &chain, "--record", &kept]);
    assert!(!well && report["records"][0]["opened"].as_array().unwrap().is_empty(), "{report}");
    assert_eq!(report["records"][0]["refused"][0][1], "TSL-ABE-010");
    let (report, well) = recover(&daemon, &kin, &[from, "--chain", &"ab".repeat(32)]);
    assert!(!well && report["error"]["code"] == "TSL-NOD-026", "{report}");

    let (report, well) = recover(&daemon, &kin, &[from, "--chain", &chain, "--dry-run"]);
    assert!(!well, "one record was put without recovery");
    let line = |report: &Value, record: &str| {
        report["records"].as_array().unwrap().iter().find(|l| l["record"] == record).unwrap().clone()
    };
    assert_eq!(line(&report, &kept)["opened"], serde_json::json!(["personal", "stream/glucose"]));
    assert_eq!(line(&report, &given_up)["opened"], serde_json::json!([]));
    assert!(line(&report, &kept)["put"].is_null(), "a dry run puts nothing");

    let (report, well) = recover(&daemon, &kin, &[from, "--chain", &chain, "--record", &kept]);
    assert!(well, "{report}");
    let put = &report["records"][0]["put"];
    assert!(put["is_new"] == true && put["from_record"] == *kept && put["from_chain"] == *chain, "{put}");
    let record = put["record"].as_str().unwrap().to_owned();
    assert_eq!(read(&daemon, &record, "stream/glucose"), stream);
    let origin: Value = serde_json::from_slice(&read(&daemon, &record, "recovered-from/1")).unwrap();
    assert_eq!(
        (&origin["record"], &origin["chain"]),
        (&Value::from(kept.clone()), &Value::from(chain.clone()))
    );
    let number = twinseal_node::record::parse_record_number(&kept).unwrap();
    let evidence = serde_json::from_value(origin["evidence"].clone()).unwrap();
    let blob = decode(origin["blob"].as_str().unwrap());
    twinseal_node::verify::verify(number, &blob, &evidence, Some(&chain)).unwrap();
    let (again, _) = recover(&daemon, &kin, &[from, "--chain", &chain, "--record", &kept]);
    assert_eq!(again["records"][0]["put"]["is_new"], false);
    assert_eq!(again["records"][0]["put"]["record"], *record, "a record is put anew once");
    assert!(ledger == std::fs::read(old.join("ledger.redb")).unwrap(), "the lost folder is as it was");

    // Somebody meddles with the folder, or with a copy of it.
    let copied = dir.path().join("copied");
    copy(&old, &copied);
    let blob_hash = hash_of(&blob);
    let object = copied.join("objects").join(&blob_hash[..2]).join(&blob_hash);
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&object, bytes).unwrap();
    let (report, well) = recover(&daemon, &kin, &[utf8(&copied), "--chain", &chain, "--record", &kept]);
    assert!(!well && report["records"][0]["refused"][0][1] == "TSL-NOD-012", "{report}");
    let mut bytes = ledger.clone();
    bytes.truncate(ledger.len() / 2);
    std::fs::write(copied.join("ledger.redb"), bytes).unwrap();
    let (report, well) = recover(&daemon, &kin, &[utf8(&copied), "--chain", &chain]);
    assert!(!well && report["error"]["code"] == "TSL-LED-022", "{report}");
}

fn decode(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn hash_of(bytes: &[u8]) -> String {
    let hash = twinseal_driver::Provider::software().hash.hash(bytes).unwrap();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_recovery_policy_needs_the_public_keys_of_its_authorities_and_is_added_to_old_records() {
    let dir = tempfile::tempdir().unwrap();
    let (node, elsewhere) = (dir.path().join("node"), dir.path().join("registry"));
    let key = registry(&elsewhere);
    let none = ["--board", "none", "--recovery-policy", POLICY];
    let said = no_start(&node, &none);
    assert!(
        said.contains("TSL-NOD-018") && said.contains("registry") && said.contains("recovery_authorities"),
        "{said}"
    );
    let said = no_start(&node, &["--board", "none", "--recovery-policy", "kin@"]);
    assert!(said.contains("TSL-ABE-001"), "{said}");

    let daemon = Daemon::start(&node);
    daemon.json(&["lease"]);
    let put = daemon.json(&["put", utf8(&export(dir.path(), 2))]);
    assert!(!put["policies"].to_string().contains("registry"));
    let record = put["record"].as_str().unwrap().to_owned();
    assert_eq!(daemon.terminate(), Some(0));

    let keys = format!("{key},{key}");
    let said = no_start(&node, &[&none[..], &["--recovery-authorities", &keys]].concat());
    assert!(said.contains("TSL-NOD-018") && said.contains("twice"), "{said}");
    let daemon = Daemon::start_with(&node, &[&none[..], &["--recovery-authorities", &key]].concat());
    let rewrap = ["rewrap", "--record", &record, "--section", "personal"];
    let without = daemon.json(&[&rewrap[..], &["--no-recovery"]].concat());
    assert_eq!(without["policies"][0], "physician@hospital");
    for _ in 0..2 {
        let with = daemon.json(&rewrap);
        assert_eq!(with["policies"][0], format!("physician@hospital or ({POLICY})"), "once");
    }
}
