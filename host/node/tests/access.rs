//! Who may do what over the API, from the outside: readers' tokens, strangers, the revoked, and daemons that give other
//! public keys than before.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Daemon, export, text, utf8};
use serde_json::{Value, json};
use twinseal_abe::{Authority, PublicKey};
use twinseal_ledger::{Clock, SystemClock};
use twinseal_node::client::Client;
use twinseal_node::entropy::Rng;
use twinseal_node::home::{Home, entropy};
use twinseal_node::transform;

const OCTETS: &str = "application/octet-stream";
const STREAM: &str = "stream/glucose";

fn code<T>(result: Result<T, twinseal_node::Error>) -> String {
    result.err().expect("a refusal").code().to_owned()
}

#[test]
fn a_readers_token_fetches_what_is_sealed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["lease"]);
    let record = daemon.json(&["put", utf8(&export(dir.path(), 1))])["record"].as_str().unwrap().to_owned();
    let home = dir.path().join("lin");
    let keys = daemon.reader(&home, &["physician@hospital"]);
    daemon.json(&["--home", utf8(&home), "outsource"]);

    let token = daemon.data_dir.join("reader.token");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&token).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let with_token = |arguments: &[&str]| {
        daemon.twinseal(
            &[&["--home", utf8(&home), "--json"], arguments, &["--token-file", utf8(&token)]].concat(),
        )
    };
    let owned = daemon.twinseal(&["get", &record, "--section", STREAM]);
    let get = ["get", &record, "--section", STREAM];
    for way in [&["--keys", utf8(&keys)][..], &["--outsource"]] {
        let opened = with_token(&[&get[..], way].concat());
        assert_eq!(opened.stdout, owned.stdout, "{way:?}: {}", text(&opened));
    }
    let verified = with_token(&["verify", &record]);
    assert!(verified.status.success(), "{}", text(&verified));

    let file = export(dir.path(), 2);
    for refused in [
        &get[..],
        &["put", utf8(&file)],
        &["predict", &record],
        &["lease"],
        &["authority", "list", "hospital"],
        &["authority", "rotate", "hospital"],
        &["rewrap", "--record", &record, "--section", STREAM],
    ] {
        let output = with_token(refused);
        let error: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(error["error"]["code"], "TSL-NOD-051", "{refused:?}");
        assert!(error["error"]["message"].as_str().unwrap().contains("--keys"), "{error}");
    }
    let reader = Client::new(&daemon.url, &std::fs::read_to_string(&token).unwrap());
    assert_eq!(code(reader.get("/metrics")), "TSL-NOD-051");
    assert_eq!(code(Client::new(&daemon.url, "guess").get(&format!("/v1/records/{record}"))), "TSL-NOD-020");
}

#[test]
fn the_revoked_get_no_pairings_though_others_vouch_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let daemon = Daemon::start(&node);
    daemon.json(&["lease"]);
    let record = daemon.json(&["put", utf8(&export(dir.path(), 1))])["record"].as_str().unwrap().to_owned();
    let path = dir.path().join("lin");
    daemon.reader(&path, &["physician@hospital", "member@institute"]);
    let user = daemon.user(&path);
    let name =
        daemon.json(&["--home", utf8(&path), "outsource"])["transform_key"].as_str().unwrap().to_owned();
    let get = ["--home", utf8(&path), "get", &record, "--section", STREAM, "--outsource", &name];
    assert!(daemon.twinseal(&get).status.success());

    assert_eq!(daemon.terminate(), Some(0));
    let stopped = std::process::Command::new(env!("CARGO_BIN_EXE_twinseal"))
        .args(["authority", "--dir", utf8(&node.join("authorities")), "revoke", "hospital", &user])
        .output()
        .unwrap();
    assert!(stopped.status.success(), "{}", text(&stopped));
    let daemon = Daemon::start(&node);
    assert_eq!(daemon.refused(&get).0, "TSL-NOD-045", "deleted at the start");
    assert_eq!(walk(&node.join("transform-keys")), 0);

    let home = Home::open(&path, false, None).unwrap();
    let stranger = Client::new(&daemon.url, "");
    let leave = |keys: &twinseal_node::reader::ReaderKeys| {
        let (name, key) = home.outsource(keys).unwrap();
        let upload = transform::keep(&key, home.identity(), SystemClock.now_ms(), &*entropy()).unwrap();
        stranger.put(&format!("/v1/transform-keys/{name}"), OCTETS, &upload)
    };
    let mut keys = home.keys(&home.keys_path()).unwrap();
    assert_eq!(code(leave(&keys)), "TSL-NOD-035", "the institute vouches, but the hospital revoked");
    keys.keys.retain(|key| key.attribute().authority().as_str() == "institute");
    leave(&keys).unwrap();
}

fn walk(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn strangers_bodies_are_bounded_before_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let stranger = Client::new(&daemon.url, "");
    let key = "/v1/transform-keys/00";
    for (path, bytes) in
        [("/v1/authorities/hospital/requests", 17 << 10), ("/v1/transform-keys/00/forget", 17 << 10)]
    {
        assert_eq!(code(stranger.post(path, OCTETS, &vec![0; bytes])), "TSL-NOD-052", "{path}");
    }
    let refused = stranger.put(key, OCTETS, &vec![0; (2 << 20) + 1]).unwrap_err();
    assert_eq!(refused.code(), "TSL-NOD-052");
    assert!(!refused.to_string().contains("max_body_bytes"), "nobody can raise it: {refused}");
    assert_eq!(code(stranger.put(key, OCTETS, &vec![0; 1 << 20])), "TSL-NOD-031", "looked at");

    // Those that send nothing hold places, and give no more away than there are.
    let address = daemon.url.strip_prefix("http://").unwrap();
    let slow = || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "PUT {key} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n").unwrap();
        stream
    };
    let waiting: Vec<TcpStream> = (0..16).map(|_| slow()).collect();
    let busy = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        code(stranger.put(key, OCTETS, b"x")) == "TSL-NOD-040"
    });
    assert!(busy, "16 strangers are worked on at a time");
    drop(waiting);
}

#[test]
fn unknown_fields_are_refused_and_the_token_is_described() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let token = std::fs::read_to_string(dir.path().join("api.token")).unwrap();
    let owner = Client::new(&daemon.url, &token);
    for (path, body) in [
        ("/v1/leases", json!({ "size_bytes": 1, "duration_ms": 1, "colour": 1 })),
        ("/v1/authorities", json!({ "name": "x", "clocks": true })),
        ("/v1/authorities/hospital/approvals", json!({ "user": "0", "attributes": [], "until": 1 })),
        (&format!("/v1/records/{}/sections/personal/rewrap", "0".repeat(32)), json!({ "polcy": "a@b" })),
    ] {
        let error = owner.post(path, "application/json", body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), "TSL-NOD-029", "{path}");
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
    assert_eq!(code(owner.post("/v1/records?polcy=a@b", OCTETS, b"x")), "TSL-NOD-029");
    let openapi: Value = owner.json(&owner.get("/openapi.json").unwrap()).unwrap();
    assert_eq!(openapi["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    assert_eq!(openapi["security"], json!([{ "token": [] }]));
}

/// Answers every request with the list of public keys it was given last.
struct Liar {
    url: String,
    keys: Arc<Mutex<Vec<PublicKey>>>,
}

impl Liar {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(Vec::<PublicKey>::new()));
        let shown = keys.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                    line.clear();
                }
                let publish = |key: &PublicKey| {
                    json!({ "authority": "hospital", "generation": 1, "key_id": "00".repeat(16), "current": true,
                        "clock": false, "public_key": hex::encode(key.to_bytes()) })
                };
                let body =
                    Value::from(shown.lock().unwrap().iter().map(publish).collect::<Vec<_>>()).to_string();
                let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n{head}\r\n\r\n{body}");
                let _ = reader.read(&mut [0; 1]);
            }
        });
        Self { url, keys }
    }
}

#[test]
fn another_public_key_than_before_is_refused_until_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (liar, entropy) = (Liar::start(), entropy());
    let key = |name: &str| Authority::setup(name.parse().unwrap(), &mut Rng(&*entropy)).public_key().clone();
    let (honest, forged, clock) = (key("hospital"), key("hospital"), key("clock"));
    let (plain, home) = (dir.path().join("plain"), dir.path().join("home"));
    std::fs::write(&plain, b"blood").unwrap();
    let run = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_twinseal"))
            .args(["--json", "--url", &liar.url, "--home", utf8(&home)])
            .args(arguments)
            .output()
            .unwrap()
    };
    let base = |name: &str| dir.path().join(name);
    let seal = |name: &str, more: &[&str]| {
        let base = base(name);
        run(&[&["seal", utf8(&plain), "--policy", "doctor@hospital", "-o", utf8(&base)], more].concat())
    };
    let value = |output: &std::process::Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let refusal = |output: &std::process::Output| value(output)["error"]["code"].as_str().unwrap().to_owned();

    *liar.keys.lock().unwrap() = vec![honest.clone(), clock.clone()];
    let other = forged.id().to_string();
    let wrong = seal("wrong", &["--key-id", &other]);
    assert_eq!(refusal(&wrong), "TSL-NOD-039", "not the key that was named, and it is not pinned");
    let first = seal("first", &[]);
    assert!(first.status.success() && text(&first).contains("first use of hospital"), "{}", text(&first));
    assert_eq!(value(&first)["authorities"], json!({ "hospital": honest.id().to_string() }));
    assert!(value(&first)["key"].as_str().unwrap().ends_with("first.tsk"));
    let second = seal("second", &[]);
    assert!(second.status.success() && second.stderr.is_empty(), "{}", text(&second));

    *liar.keys.lock().unwrap() = vec![forged.clone(), clock.clone()];
    let changed = seal("changed", &[]);
    assert_eq!(refusal(&changed), "TSL-NOD-053");
    assert!(text(&changed).contains(&format!("--key-id {other}")) && !base("changed.tsl").exists());
    let rewrap = run(&["rewrap", utf8(&base("first"))]);
    assert_eq!(refusal(&rewrap), "TSL-NOD-053");
    run(&["identity"]);
    let ask = run(&["attributes", "request", "doctor@hospital"]);
    assert!(text(&ask).contains("TSL-NOD-053"), "{}", text(&ask));
    *liar.keys.lock().unwrap() = vec![honest.clone(), forged.clone()];
    assert_eq!(refusal(&seal("both", &[])), "TSL-NOD-003", "one current key of an authority");

    *liar.keys.lock().unwrap() = vec![forged, clock];
    let accepted = seal("accepted", &["--key-id", &other]);
    assert_eq!(value(&accepted)["authorities"], json!({ "hospital": other }));
    assert!(seal("again", &[]).status.success(), "known now");
    *liar.keys.lock().unwrap() = vec![honest];
    assert_eq!(refusal(&seal("back", &[])), "TSL-NOD-053", "an old key does not come back by itself");

    let opened = base("opened");
    assert!(run(&["open", utf8(&base("first")), "--owner", "-o", utf8(&opened)]).status.success());
    assert_eq!(std::fs::read(&opened).unwrap(), b"blood");
    let bad = run(&["seal", utf8(&plain), "--policy", "doctor@hospital and", "-o", utf8(&base("bad"))]);
    assert!(text(&bad).contains('^') && refusal(&bad).starts_with("TSL-ABE-"), "{}", text(&bad));
    *liar.keys.lock().unwrap() = vec![key("hospital")];
    let id = liar.keys.lock().unwrap()[0].id().to_string();
    let in_json = run(&[
        "seal",
        utf8(&plain),
        "--policy",
        r#"{"attribute":"doctor@hospital"}"#,
        "--key-id",
        &id,
        "-o",
        utf8(&base("json")),
    ]);
    assert_eq!(value(&in_json)["policy"], "doctor@hospital", "{}", text(&in_json));
}
