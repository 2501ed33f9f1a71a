//! The board on a pseudo-terminal, opened with the `serialport` crate as hardware is.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{ABC, request, responses};
use serialport::SerialPort;
use twinseal_sim::{BAUD, PtyServer, SimBoard};
use twinseal_wire::{IDENT, hash_flags, opcode, register, status};

fn server() -> PtyServer {
    PtyServer::start(SimBoard::new().unwrap()).unwrap()
}

fn open(path: &str) -> Box<dyn SerialPort> {
    serialport::new(path, BAUD).timeout(Duration::from_secs(5)).open().unwrap()
}

fn path(server: &PtyServer) -> &str {
    server.path().to_str().unwrap()
}

/// Sends `line` and reads until one response is complete.
fn ask(port: &mut dyn SerialPort, line: &[u8]) -> (u8, u8, u8, Vec<u8>) {
    port.write_all(line).unwrap();
    let mut said = Vec::new();
    while said.last() != Some(&0) {
        let mut byte = [0];
        port.read_exact(&mut byte).unwrap();
        said.extend_from_slice(&byte);
    }
    responses(&said).pop().unwrap()
}

fn ident(port: &mut dyn SerialPort) -> u32 {
    let line = request(1, opcode::READ_REGISTER, &register::IDENT.to_le_bytes());
    let (1, opcode::READ_REGISTER, status::OK, value) = ask(port, &line) else { panic!("no IDENT") };
    u32::from_le_bytes(value[..].try_into().unwrap())
}

#[test]
fn it_identifies_itself_echoes_and_hashes() {
    let server = server();
    let mut port = open(path(&server));
    assert_eq!(ident(&mut *port), IDENT);
    let every_byte: Vec<u8> = (0..=255).collect();
    for part in every_byte.chunks(64) {
        assert_eq!(ask(&mut *port, &request(2, opcode::ECHO, part)).3, part);
    }
    let abc = [&[hash_flags::BEGIN | hash_flags::END], &b"abc"[..]].concat();
    assert_eq!(ask(&mut *port, &request(3, opcode::HASH, &abc)).3, ABC);
}

#[test]
fn clients_come_and_go_and_find_a_clean_line() {
    let server = server();
    for _ in 0..5 {
        let mut port = open(path(&server));
        assert_eq!(ident(&mut *port), IDENT);
        port.write_all(&request(9, opcode::ECHO, b"never read")).unwrap();
        within_seconds(|| port.bytes_to_read().unwrap() > 0);
        drop(port);
        let mut port = open(path(&server));
        within_seconds(|| port.bytes_to_read().unwrap() == 0);
        assert_eq!(ident(&mut *port), IDENT);
    }
}

#[test]
fn what_is_said_to_nobody_is_lost() {
    let server = server();
    // The client is gone long before the board has heard all of this.
    let line = [&[1; 1500][..], &[0], &request(9, opcode::ECHO, b"too late")].concat();
    open(path(&server)).write_all(&line).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let mut port = open(path(&server));
    assert_eq!(port.bytes_to_read().unwrap(), 0);
    assert_eq!(ident(&mut *port), IDENT);
}

#[test]
fn a_client_that_sets_nothing_up_finds_a_raw_terminal() {
    let server = server();
    let mut client = File::options().read(true).write(true).open(server.path()).unwrap();
    let controls: Vec<u8> = (0..0x20).chain([0x7F, 0xFF]).collect();
    client.write_all(&request(8, opcode::ECHO, &controls)).unwrap();
    let mut said = Vec::new();
    while said.last() != Some(&0) {
        let mut part = [0; 256];
        let len = client.read(&mut part).unwrap();
        said.extend_from_slice(&part[..len]);
    }
    assert_eq!(responses(&said), [(8, opcode::ECHO, status::OK, controls)]);
}

fn within_seconds(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "still waiting");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_client_that_hurries_gets_its_own_answers() {
    let server = server();
    for round in 0..50 {
        let mut port = open(path(&server));
        assert_eq!(
            ask(&mut *port, &request(round, opcode::ECHO, &[round])),
            (round, opcode::ECHO, 0, vec![round])
        );
    }
}

#[test]
fn garbage_costs_only_itself() {
    let server = server();
    let mut port = open(path(&server));
    // More than any buffer on the way: the terminal makes the client wait.
    let garbage: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 24) as u8 | 1).collect();
    port.write_all(&garbage).unwrap();
    port.write_all(&[0]).unwrap();
    assert_eq!(ident(&mut *port), IDENT);
}

#[test]
fn a_client_that_does_not_read_stops_the_board_and_loses_nothing() {
    let server = server();
    let mut port = open(path(&server));
    let mut reader = port.try_clone().unwrap();
    let sent = Arc::new(AtomicU32::new(0));
    let progress = sent.clone();
    let writer = std::thread::spawn(move || {
        for i in 0..6000u32 {
            port.write_all(&request(i as u8, opcode::HASH, &[hash_flags::BEGIN; 20])).unwrap();
            progress.store(i + 1, Ordering::SeqCst);
        }
        port
    });
    let mut before = u32::MAX;
    while before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(before < 6000, "somebody buffers without end");
    let mut said = Vec::new();
    while said.iter().filter(|&&b| b == 0).count() < 6000 {
        let mut part = [0; 4096];
        let len = reader.read(&mut part).unwrap();
        said.extend_from_slice(&part[..len]);
    }
    writer.join().unwrap();
    let answers = responses(&said);
    assert!(answers.iter().enumerate().all(|(i, a)| *a == (i as u8, opcode::HASH, status::OK, vec![])));
}

#[test]
fn pulling_the_plug_is_an_error_for_the_client_and_hands_the_board_back() {
    let server = server();
    let mut port = open(path(&server));
    assert_eq!(ident(&mut *port), IDENT);
    let board = server.stop().unwrap();
    assert!(board.usage().cycles > 0);
    let start = Instant::now();
    // A terminal without a master reads as broken or as ended.
    assert!(!matches!(port.read(&mut [0; 1]), Ok(1..)));
    assert!(port.write_all(b"x").is_err());
    assert!(start.elapsed() < Duration::from_secs(1));
    let again = PtyServer::start(board).unwrap();
    assert_eq!(ident(&mut *open(path(&again))), IDENT);
}

/// Processor time a process has used, in hundredths of a second.
fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn the_program_serves_links_idles_and_ends_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("board");
    let mut program = Command::new(env!("CARGO_BIN_EXE_twinseal-simboard"))
        .args(["--cycles", "--quiet", "--link"])
        .arg(&link)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = [0; 4096];
    let len = program.stdout.as_mut().unwrap().read(&mut shown).unwrap();
    assert_eq!(std::str::from_utf8(&shown[..len]).unwrap().trim(), link.to_str().unwrap());

    let mut port = open(link.to_str().unwrap());
    assert_eq!(ident(&mut *port), IDENT);
    std::thread::sleep(Duration::from_millis(300));
    let before = processor_ticks(program.id());
    std::thread::sleep(Duration::from_millis(500));
    assert!(processor_ticks(program.id()) - before <= 1, "an idle board uses no processor");

    assert!(Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap().success());
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    assert!(String::from_utf8(output.stderr).unwrap().contains(" cycles ("));
    assert!(link.symlink_metadata().is_err(), "the link is gone");
}

#[test]
fn the_program_refuses_to_replace_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_twinseal-simboard"))
        .arg("--link")
        .arg(file.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("TSL-SIM-005"));
}

/// The program with a chip of its own, and the port of its board. It is ended when dropped.
struct Program {
    child: std::process::Child,
    port: Box<dyn SerialPort>,
}

impl Program {
    fn start(silicon: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twinseal-simboard"))
            .args(["--quiet", "--celsius", "-5", "--volts", "1.21", "--years", "1", "--silicon"])
            .arg(silicon)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shown = [0; 4096];
        let len = child.stdout.as_mut().unwrap().read(&mut shown).unwrap();
        let path = std::str::from_utf8(&shown[..len]).unwrap().trim();
        let mut port = open(path);
        // Reading rings takes a while in simulation.
        port.set_timeout(Duration::from_secs(120)).unwrap();
        Self { child, port }
    }

    fn ask(&mut self, opcode: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        let (_, _, status, answer) = ask(&mut *self.port, &request(1, opcode, payload));
        (status, answer)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_keeps_its_chip_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let chip = folder.path().join("chip");
    let mut board = Program::start(&chip);
    let (_, helper) = board.ask(opcode::VAULT_ENROL, &[]);
    let key = board.ask(opcode::VAULT_DERIVE, b"label");
    assert_eq!((key.0, key.1.len()), (status::OK, 32));
    drop(board);
    let mut board = Program::start(&chip);
    assert_eq!(board.ask(opcode::VAULT_OPEN, &helper), (status::OK, vec![]));
    assert_eq!(board.ask(opcode::VAULT_DERIVE, b"label"), key);
    let mut other = Program::start(&folder.path().join("other chip"));
    assert_eq!(other.ask(opcode::VAULT_OPEN, &helper), (status::REFUSED, vec![]));
}

#[test]
fn the_program_refuses_a_file_that_is_no_chip_and_conditions_that_are_none() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_twinseal-simboard"));
        let output = program.args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["--silicon", file.path().to_str().unwrap()]).starts_with("TSL-SIM-010"));
    for (option, value) in [("--celsius", "500"), ("--volts", "NaN"), ("--years", "-1")] {
        let said = run(&[&format!("{option}={value}")]);
        assert!(said.contains(option) && said.contains("give a number from"), "{said}");
    }
}
