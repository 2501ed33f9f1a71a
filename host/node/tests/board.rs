//! Keys that grow in a board, from the outside: what is on the disk, what the commands say, what another board can do.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
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
        "root.check",
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
    let build_id = first["build_id"].as_str().unwrap();
    let compare = ["--json", "board", "attest", "--challenge", challenge, "--build-id", build_id, "--mac"];
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
    assert_eq!(files(&home), ["board", "root.check", "vault.helper", "virtual_board"]);

    let keys = daemon.reader(&home, &["physician@hospital"]);
    assert!(std::fs::read(&keys).unwrap().starts_with(b"TSLREST1"), "sealed under the board");
    let listed = daemon.json(&["--home", utf8(&home), "attributes", "list"]);
    assert_eq!(listed[0]["attribute"], "physician@hospital");
    let named = daemon.json(&["--home", utf8(&home), "attributes", "list", "--keys", utf8(&keys)]);
    assert_eq!(named, listed);
    // A home from before there was a check value is given one: the keys in it have opened.
    let check = std::fs::read(home.join("root.check")).unwrap();
    std::fs::remove_file(home.join("root.check")).unwrap();
    assert_eq!(daemon.json(&["--home", utf8(&home), "attributes", "list"]), listed);
    assert_eq!(std::fs::read(home.join("root.check")).unwrap(), check);
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

/// A daemon without a board: whatever it is asked, it gives `answer`. Its address.
fn replaying(answer: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = answer.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut asked, mut piece) = (stream.unwrap(), Vec::new(), [0; 1024]);
            while !asked.ends_with(b"}") {
                let len = stream.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..len]);
            }
            let (kind, length) = ("content-type: application/json", body.len());
            let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {length}\r\nconnection: close");
            write!(stream, "{head}\r\n\r\n{body}").unwrap();
        }
    });
    url
}

#[test]
fn an_old_answer_is_not_taken_for_a_board() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "0".repeat(64)).unwrap();
    let (seen, fresh) = ("5a".repeat(32), "5b".repeat(32));
    let (mac, build_id) = ("c3".repeat(32), "6a9185b8");
    let url = replaying(&serde_json::json!({
        "board": "hx8k", "build_id": build_id, "challenge": seen, "mac": mac
    }));
    let attest = |arguments: &[&str]| {
        let to = ["--url", &url, "--token-file", utf8(&token), "board", "attest"];
        twinseal(&[&to[..], arguments].concat())
    };
    // It has seen one pair, and repeats that.
    for asked in
        [&[][..], &["--challenge", &fresh], &["--challenge", &fresh, "--mac", &mac, "--build-id", build_id]]
    {
        let refused = attest(asked);
        assert_eq!(code(&refused), "TSL-NOD-066", "{asked:?}");
        assert!(text(&refused).contains("another challenge"), "{}", text(&refused));
    }
    let other_end = format!("{}4", &mac[..63]);
    for (mac, build_id, matches) in
        [(&other_end, build_id, false), (&mac, "6a9185b9", false), (&mac, build_id, true)]
    {
        let output = attest(&["--challenge", &seen, "--mac", mac, "--build-id", build_id]);
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdict["matches"], matches, "{mac} of {build_id}");
        assert_eq!(output.status.code(), Some(i32::from(!matches)));
    }
    // Text in the place of figures could pretend to be the verdict.
    for (field, forged) in [
        ("mac", format!("{mac}\nas before")),
        ("mac", "\u{1b}[8m".repeat(16)),
        ("build_id", "6a9185b8\n".to_owned()),
        ("board", "hx8k\nas before".to_owned()),
        ("board", "\u{1b}[8m".to_owned()),
    ] {
        let mut answer = serde_json::json!({
            "board": "hx8k", "build_id": build_id, "challenge": seen, "mac": mac
        });
        answer[field] = forged.into();
        let url = replaying(&answer);
        let asked = ["--url", &url, "--token-file", utf8(&token), "board", "attest", "--challenge", &seen];
        let refused = twinseal(&asked);
        assert_eq!(code(&refused), "TSL-NOD-019", "{field}");
        assert!(!text(&refused).contains("as before"), "{}", text(&refused));
    }
    for half in [&["--mac", &*mac][..], &["--mac", &mac, "--challenge", &seen], &["--build-id", build_id]] {
        assert_eq!(attest(half).status.code(), Some(2), "{half:?}");
    }
    let asked = ["--url", &url, "--token-file", utf8(&token), "board", "attest", "--challenge", &seen];
    let said = Command::new(env!("CARGO_BIN_EXE_twinseal")).args(asked).output().unwrap();
    assert!(text(&said).contains("shows nothing yet"), "{}", text(&said));
    let compared = ["--mac", &mac, "--build-id", build_id];
    let said = Command::new(env!("CARGO_BIN_EXE_twinseal")).args(asked).args(compared).output().unwrap();
    assert!(text(&said).contains("unless this host kept the answer"), "a pair is good once: {}", text(&said));
}

#[test]
fn helper_data_of_another_enrolment_are_named_and_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let chip = format!("sim:{}", utf8(&at("chip")));
    let other = at("other");
    assert!(twinseal(&["board", "enrol", "--data-dir", utf8(&other), "--board", &chip]).status.success());
    let swap = |folder: &Path| {
        let aside = at("aside");
        std::fs::rename(folder.join("vault.helper"), &aside).unwrap();
        std::fs::rename(other.join("vault.helper"), folder.join("vault.helper")).unwrap();
        std::fs::rename(&aside, other.join("vault.helper")).unwrap();
    };

    let home = at("lin");
    let identity = |arguments: &[&str]| twinseal(&[&["--home", utf8(&home), "identity"], arguments].concat());
    let made = identity(&["--board", &chip]);
    assert!(made.status.success(), "{}", text(&made));
    swap(&home);
    let refused = identity(&[]);
    assert_eq!(code(&refused), "TSL-NOD-065");
    assert!(text(&refused).contains(utf8(&home.join("vault.helper"))), "{}", text(&refused));
    swap(&home);
    assert_eq!(identity(&[]).stdout, made.stdout);
    std::fs::write(home.join("root.check"), "damaged").unwrap();
    assert_eq!(code(&identity(&[])), "TSL-NOD-017");
    std::fs::write(home.join("root.check"), "00".repeat(16)).unwrap();
    assert!(text(&identity(&[])).contains("root.check beside it that is wrong"));
    // Without it the home opens, but nothing in it says that this is its root.
    std::fs::remove_file(home.join("root.check")).unwrap();
    assert_eq!(identity(&[]).stdout, made.stdout);
    assert!(!home.join("root.check").exists());

    let node = at("node");
    let starts = || {
        let daemon = Daemon::start_with(&node, &["--board", &chip]);
        assert_eq!(daemon.json(&["board", "status"])["root"], "vault");
        daemon.terminate() == Some(0)
    };
    assert!(starts());
    let check = std::fs::read(node.join("root.check")).unwrap();
    swap(&node);
    let said = no_start(&node, &chip);
    let names_it = said.contains(utf8(&node.join("vault.helper"))) && said.contains("docs/recovery.md");
    assert!(said.contains("TSL-NOD-065") && names_it && !said.contains("authorities"), "{said}");
    let authorities = node.join("authorities");
    let list = ["authority", "--dir", utf8(&authorities), "--board", &chip, "list", "hospital"];
    assert_eq!(code(&twinseal(&list)), "TSL-NOD-065");
    // A folder from before is not given the check value of a root under which nothing in it opens.
    std::fs::remove_file(node.join("root.check")).unwrap();
    assert!(no_start(&node, &chip).contains("TSL-NOD-017"));
    assert!(!node.join("root.check").exists());
    swap(&node);
    assert!(starts());
    assert_eq!(std::fs::read(node.join("root.check")).unwrap(), check);
}

#[test]
fn a_home_that_lost_its_helper_data_is_not_enrolled_again() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("lin");
    let identity = |arguments: &[&str]| twinseal(&[&["--home", utf8(&home), "identity"], arguments].concat());
    assert!(identity(&["--board", "sim"]).status.success());
    let aside = dir.path().join("aside");
    std::fs::rename(home.join("vault.helper"), &aside).unwrap();
    let refused = identity(&[]);
    assert_eq!(code(&refused), "TSL-NOD-027");
    assert!(text(&refused).contains(utf8(&home.join("vault.helper"))), "{}", text(&refused));
    assert_eq!(code(&identity(&["--board", "sim"])), "TSL-NOD-027");
    assert_eq!(files(&home), ["board", "root.check", "virtual_board"]);
    // The chip of the virtual board is gone too.
    std::fs::remove_dir_all(home.join("virtual_board")).unwrap();
    assert_eq!(code(&identity(&[])), "TSL-NOD-027");
    std::fs::remove_file(home.join("root.check")).unwrap();
    assert_eq!(code(&identity(&[])), "TSL-NOD-027");
    assert_eq!(files(&home), ["board"], "neither a chip nor a root is made in its place");
    std::fs::rename(&aside, home.join("vault.helper")).unwrap();
    assert_eq!(code(&identity(&[])), "TSL-NOD-061");
}
