//! Authorities and homes when several people or processes are at work: ceremonies between accounts, a threshold authority's
//! next generation, commands at the same time, several authorities of which one refuses.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Daemon, text, utf8};
use serde_json::Value;

const TWINSEAL: &str = env!("CARGO_BIN_EXE_twinseal");

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

fn twinseal(arguments: &[&str]) -> Value {
    parsed(&Command::new(TWINSEAL).arg("--json").args(arguments).output().unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Who a member is: an account of its own, or whoever runs the test.
struct Member {
    program: Command,
    dir: PathBuf,
}

/// All members of a 2-of-2 ceremony at the same time; their reports.
fn ceremony(shared: &Path, member: impl Fn(usize) -> Member) -> Vec<Value> {
    let begun: Vec<_> = (1..=2)
        .map(|index| {
            let Member { mut program, dir } = member(index);
            program
                .args(["--json", "authority", "--dir", utf8(&dir), "ceremony", "ministry", "--shared"])
                .arg(shared)
                .args(["--threshold", "2", "--members", "2", "--index", &index.to_string()])
                .args(["--wait-seconds", "60"])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let reports: Vec<Value> =
        begun.into_iter().map(|child| parsed(&child.wait_with_output().unwrap())).collect();
    assert!(reports[0]["member"]["fingerprint"].is_string(), "{reports:?}");
    assert_eq!(reports[0]["member"]["fingerprint"], reports[1]["member"]["fingerprint"]);
    reports
}

#[test]
fn a_threshold_authority_starts_its_next_generation_and_says_how_many_parts_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let member = |index: usize| at(&format!("member-{index}"));
    let myself = |index: usize| Member { program: Command::new(TWINSEAL), dir: member(index) };
    let home = at("mira");
    let user = twinseal(&["--home", utf8(&home), "identity"])["user"].as_str().unwrap().to_owned();
    let claim = "inspector@ministry";
    let operate = |index: usize, arguments: &[&str]| {
        let value = twinseal(&[&["authority", "--dir", utf8(&member(index))], arguments].concat());
        assert!(value["error"].is_null(), "{value}");
        value
    };
    let key_of = |generation: usize| {
        ceremony(&at(&format!("shared-{generation}")), myself);
        let ask = at(&format!("ask-{generation}"));
        twinseal(&["--home", utf8(&home), "attributes", "request", claim, "--out", utf8(&ask)]);
        [1, 2].map(|index| {
            let answer = at(&format!("answer-{generation}-{index}"));
            if generation == 1 {
                operate(index, &["approve", "ministry", &user, claim]);
            }
            operate(index, &["issue", "ministry", utf8(&ask), "-o", utf8(&answer)]);
            twinseal(&["--home", utf8(&home), "attributes", "accept", utf8(&answer)])["answers"][0].clone()
        })
    };
    let [first, second] = key_of(1);
    assert_eq!(
        (&first["keys"], &first["parts"]["have"], &first["parts"]["need"]),
        (&0.into(), &1.into(), &2.into())
    );
    assert_eq!((&second["keys"], &second["parts"]), (&1.into(), &Value::Null));
    let old = operate(1, &["list", "ministry"])["generations"][0].clone();
    assert_eq!((&second["key_id"], &second["authority"]), (&old["key_id"], &"ministry".into()));

    let rotate = twinseal(&["authority", "--dir", utf8(&member(1)), "rotate", "ministry"]);
    let message = rotate["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("`twinseal authority ceremony ministry`"),
        "the remedy is what works: {message}"
    );
    let [_, second] = key_of(2);
    let report = operate(1, &["list", "ministry"]);
    let generations = report["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 2);
    assert_eq!(generations[0]["public_key"], old["public_key"], "the old public key stays");
    assert_eq!(generations.iter().map(|g| g["current"] == true).collect::<Vec<_>>(), [false, true]);
    assert_eq!(second["key_id"], generations[1]["key_id"], "the roll outlives the generation");
    assert!(!member(1).join("ministry/generation-1.key").exists());

    let (whole, none) = (at("whole"), at("none"));
    twinseal(&["authority", "--dir", utf8(&whole), "init", "ministry"]);
    let begin = ["authority", "--dir", utf8(&whole), "ceremony", "ministry", "--shared", utf8(&none)];
    let terms = ["--threshold", "2", "--members", "2", "--index", "1"];
    assert_eq!(twinseal(&[&begin[..], &terms[..]].concat())["error"]["code"], "TSL-NOD-041");
}

#[test]
fn members_of_a_ceremony_may_be_different_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let shared = dir.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    set_mode(dir.path(), 0o755);
    set_mode(&shared, 0o1777);
    let is_root = std::fs::metadata(dir.path()).unwrap().uid() == 0;
    if !is_root {
        eprintln!("one account alone: only root can start members as others; the modes are tested");
    }
    // Where the other account can reach it.
    let program = dir.path().join("twinseal");
    std::fs::copy(TWINSEAL, &program).unwrap();
    set_mode(&program, 0o755);
    ceremony(&shared, |index| {
        let own = dir.path().join(format!("member-{index}"));
        std::fs::create_dir(&own).unwrap();
        set_mode(&own, 0o700);
        if !is_root {
            let mut command = Command::new("sh");
            command.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(&program);
            return Member { program: command, dir: own };
        }
        let account = 60_000 + u32::try_from(index).unwrap();
        chown(&own, Some(account), Some(account)).unwrap();
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={account}"), format!("--regid={account}"), "--clear-groups".into()]);
        command.args(["sh", "-c", "umask 077; exec \"$0\" \"$@\""]).arg(&program);
        Member { program: command, dir: own }
    });
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&shared), 0o1777, "somebody else's folder stays as it is");
    let files: Vec<PathBuf> = std::fs::read_dir(&shared).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1 + 2 + 2 + 2);
    assert!(files.iter().all(|file| mode(file) == 0o644), "{files:?}");
    for index in 1..=2 {
        let key = dir.path().join(format!("member-{index}/ministry/generation-1.key"));
        assert_eq!(mode(&key), 0o600, "a member's share is its own");
    }
}

#[test]
fn requests_at_the_same_time_lose_no_keys() {
    const AT_ONCE: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let home = dir.path().join("mira");
    let user = daemon.user(&home);
    let claims: Vec<String> = (0..AT_ONCE).map(|n| format!("grade={n}@hospital")).collect();
    for claim in &claims {
        daemon.json(&["authority", "approve", "hospital", &user, claim]);
    }
    std::thread::scope(|scope| {
        for claim in &claims {
            scope.spawn(|| daemon.json(&["--home", utf8(&home), "attributes", "request", claim]));
        }
    });
    let held = daemon.json(&["--home", utf8(&home), "attributes", "list"]);
    let held: Vec<&str> = held.as_array().unwrap().iter().map(|k| k["attribute"].as_str().unwrap()).collect();
    for n in 0..AT_ONCE {
        assert!(held.contains(&&*format!("grade#{n:032b}@hospital")), "grade={n} is lost");
    }

    let other = dir.path().join("new");
    let users: Vec<String> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| daemon.user(&other))).collect();
        made.into_iter().map(|user| user.join().unwrap()).collect()
    });
    assert!(users.iter().all(|user| *user == users[0]), "one home, one identity");
}

#[test]
fn one_authority_that_refuses_does_not_keep_the_others_from_answering() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let home = dir.path().join("mira");
    let nobody = ["--home", utf8(&home), "attributes", "list"];
    let (code, message) = daemon.refused(&nobody);
    assert_eq!(code, "TSL-NOD-054");
    assert!(message.contains("`twinseal identity`") && !home.exists(), "{message}");
    let user = daemon.user(&home);
    daemon.json(&["authority", "approve", "institute", &user, "researcher@institute"]);
    // Hospital, which refuses, comes before institute.
    let ask = ["--home", utf8(&home), "attributes", "request", "doctor@hospital", "researcher@institute"];
    let output = daemon.twinseal(&[&["--json"], &ask[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let value = parsed(&output);
    assert_eq!(
        (&value["answers"][0]["authority"], &value["answers"][0]["keys"]),
        (&"institute".into(), &1.into())
    );
    let refused = &value["refused"][0];
    assert_eq!((&refused["authority"], &refused["code"]), (&"hospital".into(), &"TSL-NOD-034".into()));
    assert_eq!(daemon.json(&nobody).as_array().unwrap().len(), 1, "the key that came is kept");
    let said = text(&daemon.twinseal(&ask));
    assert!(
        said.contains("hospital: ") && said.contains("[TSL-NOD-034]") && said.contains("1 keys of institute"),
        "{said}"
    );

    let (code, _) = daemon.refused(&["authority", "approve", "institute", "mira", "researcher@institute"]);
    assert_eq!(code, "TSL-NOD-055");
    daemon.json(&["authority", "withdraw", "institute", &user, "researcher@institute"]);
    let (code, _) = daemon.refused(&["authority", "withdraw", "institute", &user, "researcher@institute"]);
    assert_eq!(code, "TSL-NOD-057");
    daemon.json(&["authority", "revoke", "institute", &user]);
    let approve = ["authority", "approve", "institute", &user, "nurse@institute"];
    assert_eq!(daemon.refused(&approve).0, "TSL-NOD-056");
    let report = daemon.json(&[&approve[..], &["--reinstate"]].concat());
    let claims = report["approved"][&user]["claims"].as_object().unwrap();
    assert_eq!(claims.keys().collect::<Vec<_>>(), ["nurse@institute"]);
    let zero = daemon.twinseal(&[&approve[..], &["--days", "0"]].concat());
    assert_eq!(zero.status.code(), Some(2), "{}", text(&zero));
    let typo = dir.path().join("typo");
    daemon.refused(&["authority", "--dir", utf8(&typo), "list", "hospital"]);
    assert!(!typo.exists());
}

#[test]
fn no_orphan_of_a_transform_key_is_left_at_home() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("node"));
    let home = dir.path().join("mira");
    daemon.reader(&home, &["physician@hospital"]);
    let orphans = || {
        let files = std::fs::read_dir(&home).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        files.filter(|name| name.starts_with("retrieving-")).count()
    };
    let outsource = |url: &str| twinseal(&["--url", url, "--home", utf8(&home), "outsource"]);
    assert_eq!(outsource("http://127.0.0.1:1")["error"]["code"], "TSL-NOD-019");
    assert_eq!(orphans(), 0, "nothing was left with the daemon");

    let names = [0, 1].map(|_| outsource(&daemon.url)["transform_key"].as_str().unwrap().to_owned());
    let get = ["--home", utf8(&home), "get", &"0".repeat(32), "--section", "personal", "--outsource"];
    let (code, message) = daemon.refused(&get);
    assert_eq!(code, "TSL-NOD-050");
    assert!(names.iter().all(|name| message.contains(name)), "{message}");

    let stranger = twinseal_node::client::Client::new(
        &daemon.url,
        &std::fs::read_to_string(daemon.data_dir.join("api.token")).unwrap(),
    );
    stranger.delete(&format!("/v1/transform-keys/{}", names[0])).unwrap();
    for name in &names {
        daemon.json(&["--home", utf8(&home), "outsource", "--forget", name]);
    }
    assert_eq!(orphans(), 0, "what the daemon has no more is forgotten here too");
}
