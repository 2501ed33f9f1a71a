//! A running `twinseald` and the `twinseal` command, as a person would use them.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// One daemon on a port of its own; killed when dropped.
pub struct Daemon {
    child: Child,
    pub url: String,
    pub data_dir: PathBuf,
    /// Of whoever runs `twinseal` without naming one.
    pub home: tempfile::TempDir,
}

impl Daemon {
    /// Starts on `data_dir` without a board and waits until it serves.
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &["--board", "none"])
    }

    pub fn start_with(data_dir: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twinseald"))
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(flags)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .expect("twinseald starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("address=") {
                    let _ = found.send(rest.split_whitespace().next().unwrap_or_default().to_owned());
                }
                eprintln!("twinseald: {line}");
            }
        });
        let address = address.recv_timeout(Duration::from_secs(60)).expect("twinseald says where it serves");
        let home = tempfile::tempdir().expect("a home");
        Self { child, url: format!("http://{address}"), data_dir: data_dir.to_owned(), home }
    }

    /// Runs `twinseal` against this daemon.
    pub fn twinseal(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_twinseal"))
            .args(["--url", &self.url, "--token-file"])
            .arg(self.data_dir.join("api.token"))
            .args(arguments)
            .env("TWINSEAL_HOME", self.home.path())
            .output()
            .expect("twinseal runs")
    }

    /// The same, must succeed, and prints JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.twinseal(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).expect("JSON on stdout")
    }

    /// The same, must fail with exit status 1; the error's code and text.
    pub fn refused(&self, arguments: &[&str]) -> (String, String) {
        let output = self.twinseal(&[&["--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
        let field = |name: &str| value["error"][name].as_str().expect("an error").to_owned();
        (field("code"), field("message"))
    }

    /// A person with a home of their own, vouched for by the authorities of `claims`, who asked for their keys; the home.
    pub fn reader(&self, home: &Path, claims: &[&str]) -> PathBuf {
        let user = self.user(home);
        for claim in claims {
            let authority = claim.split('@').nth(1).expect("an authority");
            self.json(&["authority", "approve", authority, &user, claim]);
        }
        self.json(&[&["--home", utf8(home), "attributes", "request"], claims].concat());
        home.join("attributes.keys")
    }

    /// The user id of the identity in `home`.
    pub fn user(&self, home: &Path) -> String {
        self.json(&["--home", utf8(home), "identity"])["user"].as_str().expect("a user").to_owned()
    }

    /// SIGTERM; the exit status.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        self.child.wait().expect("twinseald ends").code()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("twinseald can be killed");
        self.child.wait().expect("twinseald ends");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything a command printed.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The simulated patient's export as a file in `dir`.
pub fn export(dir: &Path, seed: u64) -> PathBuf {
    let path = dir.join(format!("export-{seed}.csv"));
    let csv = twinseal_twin::patient::simulate_days(seed, 10).expect("a patient").to_dexcom_csv();
    std::fs::write(&path, csv).expect("the export is written");
    path
}

/// `path` as text.
pub fn utf8(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
