//! Attribute keys from the outside: signed requests, approvals, revocation, rotation, deadlines, outsourced decryption with
//! a daemon that lies, files without a daemon.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{Daemon, export, text, utf8};
use serde_json::Value;
use twinseal_abe::Claim;
use twinseal_ledger::{Clock, SystemClock};
use twinseal_node::authority::request::Request;
use twinseal_node::client::Client;
use twinseal_node::home::{Home, entropy};
use twinseal_node::record::{SectionName, parse_record_number};
use twinseal_node::transform::{self, TransformedSection};
use twinseal_node::verify;

const STREAM: &str = "stream/glucose";

fn put(daemon: &Daemon, dir: &Path, seed: u64) -> String {
    let report = daemon.json(&["put", utf8(&export(dir, seed))]);
    report["record"].as_str().unwrap().to_owned()
}

fn request(home: &Home, authority: &str, claim: &str) -> Vec<u8> {
    let claims: [Claim; 1] = [claim.parse().unwrap()];
    Request::sign(home.identity(), authority, &claims, None, SystemClock.now_ms(), &*entropy()).unwrap()
}

fn code<T>(result: Result<T, twinseal_node::Error>) -> String {
    result.err().expect("a refusal").code().to_owned()
}

#[test]
fn a_request_is_approved_answered_once_and_read_by_its_sender_alone() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let (home, other) = (dir.path().join("mira"), dir.path().join("eve"));
    let (user, eve) = (daemon.user(&home), daemon.user(&other));
    let ask = ["--home", utf8(&home), "attributes", "request", "doctor@hospital", "born=1989-03-01@hospital"];

    let (refused, message) = daemon.refused(&ask);
    assert_eq!(refused, "TSL-NOD-034");
    assert!(message.contains("twinseal authority approve"), "{message}");
    let waits = daemon.json(&["authority", "list", "hospital"])["pending"].clone();
    assert_eq!((waits[0]["user"].as_str(), waits.as_array().unwrap().len()), (Some(&*user), 1));
    daemon.json(&["authority", "approve", "hospital", &user, "doctor@hospital", "born=1989-03-01@hospital"]);
    assert_eq!(daemon.json(&ask)["answers"][0]["keys"], 1 + 33);
    assert_eq!(daemon.json(&["authority", "list", "hospital"])["issued"][0]["user"], user.as_str());
    let keys = home.join("attributes.keys");
    let theirs = ["--home", utf8(&other), "attributes", "list", "--keys", utf8(&keys)];
    assert_eq!(daemon.refused(&theirs).0, "TSL-NOD-036", "keys are their owner's");
    let pinned = ["--home", utf8(&home), "attributes", "request", "doctor@hospital", "--key-id", "00"];
    assert_eq!(daemon.refused(&pinned).0, "TSL-NOD-039");

    let stranger = Client::new(&daemon.url, "");
    let post =
        |bytes: &[u8]| stranger.post("/v1/authorities/hospital/requests", "application/octet-stream", bytes);
    let mira = Home::open(&home, false, None).unwrap();
    let honest = request(&mira, "hospital", "doctor@hospital");
    post(&honest).unwrap();
    assert_eq!(code(post(&honest)), "TSL-NOD-033", "a replay");
    let mut forged = request(&mira, "hospital", "doctor@hospital");
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(code(post(&forged)), "TSL-NOD-031", "a forged signature");
    let mut named = request(&Home::open(&other, false, None).unwrap(), "hospital", "doctor@hospital");
    let at = named.windows(64).position(|w| w == eve.as_bytes()).unwrap();
    named[at..at + 64].copy_from_slice(user.as_bytes());
    assert_eq!(code(post(&named)), "TSL-NOD-031", "another's name in a signed request");
    assert_eq!(code(post(&request(&mira, "institute", "doctor@hospital"))), "TSL-NOD-025");
    assert_eq!(code(post(&vec![0; 20_000])), "TSL-NOD-052");
    let published: Value = stranger.json(&stranger.get("/v1/authorities").unwrap()).unwrap();
    assert_eq!(published.as_array().unwrap().len(), 3);
    for (method, path) in [
        ("get", "/v1/authorities/hospital"),
        ("post", "/v1/authorities/hospital/rotate"),
        ("post", "/v1/authorities"),
    ] {
        let result =
            if method == "get" { stranger.get(path) } else { stranger.post(path, "application/json", b"{}") };
        assert_eq!(code(result), "TSL-NOD-020", "{path} is the operator's");
    }
}

#[test]
fn a_flood_of_requests_is_slowed_down() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let stranger = Client::new(&daemon.url, "");
    let codes: Vec<String> = (0..200)
        .map(|_| code(stranger.post("/v1/authorities/hospital/requests", "application/octet-stream", b"x")))
        .collect();
    assert_eq!(codes[0], "TSL-NOD-031");
    assert!(codes.iter().any(|c| c == "TSL-NOD-040"), "200 requests at once are all looked at");
}

#[test]
fn a_deadline_a_new_policy_a_rotation_and_a_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["lease"]);
    let record = put(&daemon, dir.path(), 1);
    let (lin, noor) = (dir.path().join("lin"), dir.path().join("noor"));
    let keys = daemon.reader(&lin, &["physician@hospital"]);
    let nurse_keys = daemon.reader(&noor, &["nurse@hospital", "epoch@clock"]);
    let get =
        |keys: &Path| daemon.twinseal(&["--json", "get", &record, "--section", STREAM, "--keys", utf8(keys)]);
    let get_code = |keys: &Path| {
        let value: Value = serde_json::from_slice(&get(keys).stdout).unwrap();
        value["error"]["code"].as_str().unwrap().to_owned()
    };
    let before = get(&keys);
    assert!(before.status.success(), "{}", text(&before));
    let bodies = || walk(&daemon.data_dir.join("objects"));
    let stored = bodies();

    let rewrap = |policy: &[&str]| {
        daemon.json(&[&["rewrap", "--record", &record, "--section", STREAM], policy].concat())
    };
    rewrap(&["--policy", "nurse@hospital and epoch@clock <= 2099-12-31"]);
    let verdict = daemon.json(&["verify", &record]);
    assert!(verdict["sections"].to_string().contains("epoch@clock"), "{verdict}");
    assert_eq!(get_code(&keys), "TSL-ABE-010", "the physician is out");
    assert_eq!(get(&nurse_keys).stdout, before.stdout, "a nurse with an epoch is in");
    let now = bodies();
    assert!(stored.iter().all(|object| now.contains(object)), "nothing was overwritten");
    assert_eq!(now.len(), stored.len() + 1, "one blob more");
    rewrap(&["--policy", "nurse@hospital and epoch@clock <= 2020-01-01"]);
    assert_eq!(get_code(&nurse_keys), "TSL-ABE-010", "after the deadline");

    rewrap(&["--policy", "physician@hospital"]);
    let rotated = daemon.json(&["authority", "rotate", "hospital"]);
    let key_id = rotated["generations"][1]["key_id"].as_str().unwrap();
    assert_eq!(get(&keys).stdout, before.stdout, "old keys still open what was made for them");
    rewrap(&[]);
    assert_eq!(get_code(&keys), "TSL-ABE-031");
    let ask = ["--home", utf8(&lin), "attributes", "request", "physician@hospital"];
    assert_eq!(daemon.refused(&ask).0, "TSL-NOD-053", "the new key must be named");
    daemon.json(&[&ask[..], &["--key-id", key_id]].concat());
    assert_eq!(get(&keys).stdout, before.stdout);

    let user = daemon.user(&lin);
    let name =
        daemon.json(&["--home", utf8(&lin), "outsource"])["transform_key"].as_str().unwrap().to_owned();
    daemon.json(&["authority", "revoke", "hospital", &user]);
    let again = ["--home", utf8(&lin), "attributes", "request", "physician@hospital"];
    assert_eq!(daemon.refused(&again).0, "TSL-NOD-035");
    let outsourced = ["--home", utf8(&lin), "get", &record, "--section", STREAM, "--outsource", &name];
    assert_eq!(daemon.refused(&outsourced).0, "TSL-NOD-045", "the helper has deleted the transform key");
    assert_eq!(daemon.refused(&["--home", utf8(&lin), "outsource"]).0, "TSL-NOD-035");

    let nurse = daemon.user(&noor);
    daemon.json(&["--home", utf8(&noor), "attributes", "renew"]);
    daemon.json(&["authority", "revoke", "clock", &nurse]);
    assert_eq!(daemon.refused(&["--home", utf8(&noor), "attributes", "renew"]).0, "TSL-NOD-035");
}

#[test]
fn a_helper_that_lies_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    daemon.json(&["lease"]);
    let (record, other) = (put(&daemon, dir.path(), 1), put(&daemon, dir.path(), 2));
    let home = dir.path().join("lin");
    let keys = daemon.reader(&home, &["physician@hospital"]);
    let name =
        daemon.json(&["--home", utf8(&home), "outsource"])["transform_key"].as_str().unwrap().to_owned();

    let at_home = ["--home", utf8(&home), "get", &record, "--section", STREAM];
    let alone = daemon.twinseal(&[&at_home[..], &["--keys", utf8(&keys)]].concat());
    let helped = daemon.twinseal(&[&at_home[..], &["--outsource", &name]].concat());
    assert!(helped.status.success(), "{}", text(&helped));
    assert_eq!(alone.stdout, helped.stdout);
    let both = daemon.twinseal(&[&at_home[..], &["--keys", utf8(&keys), "--outsource", &name]].concat());
    assert_eq!(both.status.code(), Some(2), "one way at a time");
    for from_home in ["--keys", "--outsource"] {
        let output = daemon.twinseal(&[&at_home[..], &[from_home]].concat());
        assert_eq!(output.stdout, alone.stdout, "{from_home}: {}", text(&output));
    }

    let token = std::fs::read_to_string(daemon.data_dir.join("api.token")).unwrap();
    let client = Client::new(&daemon.url, &token);
    let fetch = |record: &str, section: &str| {
        let path = format!("/v1/records/{record}/sections/{section}/transformed?key={name}");
        TransformedSection::from_bytes(&client.get(&path).unwrap()).unwrap()
    };
    let honest = fetch(&record, "stream%2Fglucose");
    let number = parse_record_number(&record).unwrap();
    let key = Home::open(&home, false, None).unwrap().retrieving(&name).unwrap();
    let open = |answer: &TransformedSection, section: &str| {
        verify::open_transformed(number, answer, None, &SectionName::new(section).unwrap(), &key)
    };
    assert_eq!(open(&honest, STREAM).unwrap().as_slice(), helped.stdout);
    let transformed = |bytes: Vec<u8>| TransformedSection { transformed: bytes, ..honest.clone() };

    let personal = fetch(&record, "personal");
    assert_eq!(
        code(open(&transformed(personal.transformed.clone()), STREAM)),
        "TSL-ABE-033",
        "another section"
    );
    let middle = 2 + (honest.transformed.len() - 2) / 2;
    let (head, t, q) =
        (&honest.transformed[..2], &honest.transformed[2..middle], &honest.transformed[middle..]);
    assert_eq!(code(open(&transformed([head, q, t].concat()), STREAM)), "TSL-ABE-033", "T and Q swapped");
    let wrong_t = [head, &personal.transformed[2..middle], q].concat();
    assert_eq!(code(open(&transformed(wrong_t), STREAM)), "TSL-ABE-033", "a wrong T");
    let wrong_q = [head, t, &personal.transformed[middle..]].concat();
    assert_eq!(code(open(&transformed(wrong_q), STREAM)), "TSL-ABE-033", "a wrong Q");
    let mut bent = honest.transformed.clone();
    bent[10] ^= 1;
    assert_eq!(code(open(&transformed(bent), STREAM)), "TSL-ABE-013", "no element of the group");
    assert_eq!(code(open(&fetch(&other, "stream%2Fglucose"), STREAM)), "TSL-NOD-007", "another record");
    let body = TransformedSection { body: personal.body.clone(), ..honest.clone() };
    assert_eq!(code(open(&body, STREAM)), "TSL-NOD-012", "another body");
    assert_eq!(code(open(&honest, "personal")), "TSL-ABE-033", "for another section than was asked");

    let eve = dir.path().join("eve");
    daemon.user(&eve);
    let eve = Home::open(&eve, false, None).unwrap();
    let stranger = Client::new(&daemon.url, "");
    let wish = transform::forget(&name, eve.identity(), SystemClock.now_ms(), &*entropy()).unwrap();
    let path = format!("/v1/transform-keys/{name}");
    let deleted = stranger.post(&format!("{path}/forget"), "application/octet-stream", &wish);
    assert_eq!(code(deleted), "TSL-NOD-036");
    assert_eq!(code(stranger.delete(&path)), "TSL-NOD-020", "deleting without a signature is the operator's");
    let (_, transform_key) = {
        let lin = Home::open(&home, false, None).unwrap();
        lin.outsource(&lin.keys(&keys).unwrap()).unwrap()
    };
    let lin = Home::open(&home, false, None).unwrap();
    let upload = transform::keep(&transform_key, lin.identity(), SystemClock.now_ms(), &*entropy()).unwrap();
    let second = format!("/v1/transform-keys/{}", transform::name_of(&transform_key));
    stranger.put(&second, "application/octet-stream", &upload).unwrap();
    client.delete(&second).unwrap();
    let replayed = stranger.put(&second, "application/octet-stream", &upload);
    assert_eq!(code(replayed), "TSL-NOD-033", "what was deleted does not come back");
    daemon.json(&["--home", utf8(&home), "outsource", "--forget", &name]);
    assert_eq!(code(client.delete(&path)), "TSL-NOD-045");
}

#[test]
fn an_authority_without_a_daemon_and_files_without_a_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let (home, registry) = (dir.path().join("mira"), dir.path().join("registry"));
    let user = daemon.user(&home);
    let at = |name: &str| dir.path().join(name);
    let operate =
        |arguments: &[&str]| daemon.json(&[&["authority", "--dir", utf8(&registry)], arguments].concat());
    operate(&["init", "registry"]);
    operate(&["approve", "registry", &user, "licensed@registry", "--days", "30"]);
    let (ask, answer, again) = (at("ask"), at("answer"), at("again"));
    daemon.json(&["--home", utf8(&home), "attributes", "request", "licensed@registry", "--out", utf8(&ask)]);
    operate(&["issue", "registry", utf8(&ask), "--output", utf8(&answer)]);
    daemon.json(&["--home", utf8(&home), "attributes", "accept", utf8(&answer)]);
    let replay = ["authority", "--dir", utf8(&registry), "issue", "registry", utf8(&ask), "-o", utf8(&again)];
    assert_eq!(daemon.refused(&replay).0, "TSL-NOD-033");
    let held = daemon.data_dir.join("authorities");
    let busy = ["authority", "--dir", utf8(&held), "list", "hospital"];
    assert_eq!(daemon.refused(&busy).0, "TSL-NOD-042", "the daemon has it open");

    let (plain, sealed, opened) = (at("scan.bin"), at("scan"), at("opened"));
    std::fs::write(&plain, vec![7; 3_000_000]).unwrap();
    let public = registry.join("registry/generation-1.pub");
    let policy = "licensed@registry";
    daemon.json(&[
        "seal",
        utf8(&plain),
        "--policy",
        policy,
        "--authority",
        utf8(&public),
        "-o",
        utf8(&sealed),
    ]);
    let open = |to: &Path| -> Vec<String> {
        ["--home", utf8(&home), "open", utf8(&sealed), "-o", utf8(to)].map(String::from).to_vec()
    };
    let run =
        |arguments: Vec<String>| daemon.twinseal(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run(open(&opened)).status.success());
    assert_eq!(std::fs::read(&opened).unwrap(), std::fs::read(&plain).unwrap());
    let policy = "chief@registry";
    daemon.json(&["rewrap", utf8(&sealed), "--policy", policy, "--authority", utf8(&public)]);
    let refused = run(open(&at("no")));
    assert!(text(&refused).contains("TSL-ABE-010") && !at("no").exists(), "{}", text(&refused));
}

#[test]
fn two_of_three_members_issue_together_and_one_alone_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let twinseal = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_twinseal"))
            .arg("--json")
            .args(arguments)
            .output()
            .unwrap();
        let value: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        value
    };
    let (shared, home) = (at("shared"), at("mira"));
    let member = |index: usize| at(&format!("member-{index}"));
    let reports: Vec<Value> = std::thread::scope(|scope| {
        let found = |index: usize| {
            let (dir, index) = (member(index), index.to_string());
            let begin = ["authority", "--dir", utf8(&dir), "ceremony", "ministry", "--shared", utf8(&shared)];
            let terms = ["--threshold", "2", "--members", "3", "--index", &index, "--wait-seconds", "60"];
            twinseal(&[&begin[..], &terms[..]].concat())
        };
        let members: Vec<_> = (1..=3).map(|index| scope.spawn(move || found(index))).collect();
        members.into_iter().map(|m| m.join().unwrap()).collect()
    });
    let fingerprints: Vec<&Value> = reports.iter().map(|r| &r["member"]["fingerprint"]).collect();
    assert!(fingerprints[0].is_string() && fingerprints.iter().all(|f| *f == fingerprints[0]), "{reports:?}");

    let user = twinseal(&["--home", utf8(&home), "identity"])["user"].as_str().unwrap().to_owned();
    let claim = "inspector@ministry";
    let ask = at("ask");
    twinseal(&["--home", utf8(&home), "attributes", "request", claim, "--out", utf8(&ask)]);
    let part = |index: usize| {
        let (dir, answer) = (member(index), at(&format!("answer-{index}")));
        twinseal(&["authority", "--dir", utf8(&dir), "approve", "ministry", &user, claim]);
        let issue = ["authority", "--dir", utf8(&dir), "issue", "ministry", utf8(&ask), "-o", utf8(&answer)];
        assert_eq!(twinseal(&issue)["issued"][0]["user"], user.as_str());
        twinseal(&["--home", utf8(&home), "attributes", "accept", utf8(&answer)])["answers"][0]["keys"]
            .clone()
    };
    assert_eq!(part(1), 0, "one part is no key");
    assert_eq!(part(3), 1, "two are");
    let rotate = twinseal(&["authority", "--dir", utf8(&member(2)), "rotate", "ministry"]);
    assert_eq!(rotate["error"]["code"], "TSL-NOD-049");

    let (plain, sealed, opened) = (at("plain"), at("sealed"), at("opened"));
    std::fs::write(&plain, b"for inspectors").unwrap();
    let public = member(2).join("ministry/generation-1.pub");
    twinseal(&["seal", utf8(&plain), "--policy", claim, "--authority", utf8(&public), "-o", utf8(&sealed)]);
    assert_eq!(twinseal(&["--home", utf8(&home), "open", utf8(&sealed), "-o", utf8(&opened)])["bytes"], 14);

    let terms = ["--threshold", "3", "--members", "3", "--index", "1", "--wait-seconds", "1"];
    let other = at("other");
    let begin = ["authority", "--dir", utf8(&other), "ceremony", "ministry", "--shared", utf8(&shared)];
    assert_eq!(twinseal(&[&begin[..], &terms[..]].concat())["error"]["code"], "TSL-NOD-047");
    let alone = at("alone");
    let begin = ["authority", "--dir", utf8(&other), "ceremony", "ministry", "--shared", utf8(&alone)];
    assert_eq!(twinseal(&[&begin[..], &terms[..]].concat())["error"]["code"], "TSL-NOD-048");
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}
