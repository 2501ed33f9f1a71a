//! The suite itself under test: boards with one defect each, and the check that must find it.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use twinseal_driver::{Error, Link};
use twinseal_hdl::golden::board::GoldenBoard;
use twinseal_tests::golden::{self, GoldenLink, Options};
use twinseal_tests::vault::{self, Powered};
use twinseal_tests::{Budget, link};
use twinseal_wire::{
    self as wire, Decoder, Frame, MAX_ENCODED_BYTES, RESPONSE_BIT, cobs, engines, opcode, register, status,
};

/// A frame, owned. The last request stays known, so that a defect can depend on it.
#[derive(Clone, Default)]
struct Message {
    tag: u8,
    opcode: u8,
    status: u8,
    payload: Vec<u8>,
}

impl From<Frame<'_>> for Message {
    fn from(frame: Frame<'_>) -> Self {
        Self { tag: frame.tag, opcode: frame.opcode, status: frame.status, payload: frame.payload.to_vec() }
    }
}

/// What a defective board makes of a request and the right answer to it.
type Defect = fn(&Message, &mut Message);

/// A golden board whose answers pass through a defect.
struct Mutant {
    board: GoldenBoard,
    defect: Defect,
    requests: Decoder,
    answers: Decoder,
    pending: VecDeque<Message>,
    out: VecDeque<u8>,
}

impl Mutant {
    fn boxed(defect: Defect) -> Box<dyn Link> {
        Self::of(Options::default(), defect)
    }

    fn of(options: Options, defect: Defect) -> Box<dyn Link> {
        let board = GoldenBoard::new(options);
        let (requests, answers) = (Decoder::new(), Decoder::new());
        Box::new(Self { board, defect, requests, answers, pending: VecDeque::new(), out: VecDeque::new() })
    }
}

impl Link for Mutant {
    fn write_all(&mut self, bytes: &[u8], _: Instant) -> Result<(), Error> {
        for &byte in bytes {
            if let Some(Ok(request)) = self.requests.push(byte) {
                self.pending.push_back(request.into());
            }
            self.board.push(byte);
            while let Some(byte) = self.board.pop() {
                let Some(answer) = self.answers.push(byte) else { continue };
                let mut answer = Message::from(answer.unwrap());
                (self.defect)(&self.pending.pop_front().unwrap(), &mut answer);
                let Message { tag, opcode, status, payload } = &answer;
                let frame = Frame { version: 1, tag: *tag, opcode: *opcode, status: *status, payload };
                let mut line = [0; MAX_ENCODED_BYTES];
                let len = wire::encode(&frame, &mut line).unwrap();
                self.out.extend(&line[..len]);
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], _: Instant) -> Result<usize, Error> {
        Ok(buffer.iter_mut().map_while(|slot| self.out.pop_front().map(|byte| *slot = byte)).count())
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.out.clear();
        Ok(())
    }

    fn describe(&self) -> String {
        "mutant".into()
    }
}

fn budget() -> Budget {
    Budget { patience: Duration::from_millis(20), garbage: 20, length_step: 50, ..Budget::full() }
}

fn reads(request: &Message, address: u16) -> bool {
    request.opcode == opcode::READ_REGISTER && request.payload == address.to_le_bytes()
}

#[test]
fn every_defect_is_found_by_the_check_for_it() {
    let defects: [(&str, &str, Defect); 18] = [
        ("a tag off by one", "identity", |_, answer| answer.tag = answer.tag.wrapping_add(1)),
        ("no response bit", "identity", |_, answer| answer.opcode &= !RESPONSE_BIT),
        ("the map of another release", "identity", |request, answer| {
            if reads(request, register::MAP_HASH) {
                answer.payload[0] ^= 1;
            }
        }),
        ("a scratch bit that sticks", "registers", |request, answer| {
            if reads(request, register::SCRATCH) {
                answer.payload[3] &= 0x7F;
            }
        }),
        ("registers that may be written", "registers", |request, answer| {
            if request.opcode == opcode::WRITE_REGISTER && answer.status == status::BAD_ADDRESS {
                answer.status = status::OK;
            }
        }),
        ("FRAMES_OK that stands still", "registers", |request, answer| {
            if reads(request, register::FRAMES_OK) {
                answer.payload.fill(0);
            }
        }),
        ("an echo cut at 63 bytes", "echo of every length", |request, answer| {
            if request.opcode == opcode::ECHO {
                answer.payload.truncate(63);
            }
        }),
        ("undefined flags allowed", "refusals", |_, answer| {
            if answer.status == status::BAD_FLAGS {
                answer.status = status::OK;
            }
        }),
        ("lengths unchecked", "refusals", |_, answer| {
            if answer.status == status::BAD_LENGTH {
                answer.status = status::OK;
            }
        }),
        ("one unknown opcode known", "refusals", |request, answer| {
            if request.opcode == 0xC7 {
                answer.status = status::OK;
            }
        }),
        ("a version untold", "versions", |_, answer| {
            if answer.status == status::BAD_VERSION {
                answer.payload.clear();
            }
        }),
        ("a digest wrong in its last bit", "hashes of every length", |request, answer| {
            if request.opcode == opcode::HASH && answer.payload.len() == 32 {
                answer.payload[31] ^= 1;
            }
        }),
        ("a digest after every frame", "hashes over many frames", |request, answer| {
            if request.opcode == opcode::HASH && answer.payload.is_empty() {
                answer.payload = vec![0; 32];
            }
        }),
        ("messages that need no beginning", "order of hash requests", |request, answer| {
            if request.opcode == opcode::HASH && answer.status == status::BAD_STATE {
                answer.status = status::OK;
            }
        }),
        ("a head with its halves swapped", "tree heads", |request, answer| {
            if request.opcode == opcode::MERKLE && answer.payload.len() == 32 {
                answer.payload.rotate_left(16);
            }
        }),
        ("trees that need no beginning", "order of tree requests", |request, answer| {
            if request.opcode == opcode::MERKLE && answer.status == status::BAD_STATE {
                answer.status = status::OK;
            }
        }),
        ("broken frames uncounted", "broken frames", |request, answer| {
            if reads(request, register::FRAMES_BAD) {
                answer.payload.fill(0);
            }
        }),
        ("no defect at all", "", |_, _| {}),
    ];
    for (what, check, defect) in defects {
        let failed = link::failures(|| Mutant::boxed(defect), &budget());
        match check {
            "" => assert_eq!(failed, [""; 0], "{what}"),
            _ => assert!(failed.contains(&check), "{what} was found by {failed:?}, not by {check:?}"),
        }
    }
}

/// What a defective board receives of what it is sent.
type Mangle = fn(&[u8]) -> Vec<u8>;

/// A golden board whose receiver is defective. It gets whole frames, their delimiters included.
struct Deaf {
    board: GoldenLink,
    mangle: Mangle,
    line: Vec<u8>,
    /// Frames since the host last read.
    waiting: usize,
    /// Holds this many; the next are lost.
    holds: usize,
}

impl Link for Deaf {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        for &byte in bytes {
            self.line.push(byte);
            if byte == wire::DELIMITER {
                let frame = std::mem::take(&mut self.line);
                self.waiting += 1;
                if self.waiting <= self.holds {
                    self.board.write_all(&(self.mangle)(&frame), deadline)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        self.waiting = 0;
        self.board.read(buffer, deadline)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.waiting = 0;
        self.board.discard_input()
    }

    fn describe(&self) -> String {
        "deaf".into()
    }
}

/// Undoes COBS without checking anything.
fn unstuffed(line: &[u8]) -> Vec<u8> {
    let mut decoder = cobs::Decoder::new();
    let bytes = line.iter().filter_map(|&byte| match decoder.push(byte) {
        cobs::Step::Byte(byte) => Some(byte),
        _ => None,
    });
    bytes.collect()
}

fn stuffed(plain: &[u8]) -> Vec<u8> {
    let mut line = vec![0; cobs::max_encoded_len(plain.len()) + 1];
    let len = cobs::encode(plain, &mut line).unwrap();
    line.truncate(len + 1);
    line
}

#[test]
fn every_defect_of_a_receiver_is_found() {
    let all = usize::MAX;
    let receivers: [(&str, &str, usize, Mangle); 5] = [
        ("the CRC unchecked", "broken frames", all, |line| {
            let mut plain = unstuffed(line);
            if let Some(body) = plain.len().checked_sub(4).filter(|n| *n >= 6) {
                let crc = wire::crc32(&plain[..body]).to_le_bytes();
                plain[body..].copy_from_slice(&crc);
                return stuffed(&plain);
            }
            line.to_vec()
        }),
        ("a cut COBS block accepted", "broken frames", all, |line| match line {
            [wire::DELIMITER] => line.to_vec(),
            _ => stuffed(&unstuffed(line)),
        }),
        ("frames of more than 512 bytes taken for idle", "broken frames", all, |line| {
            if line.len() > 525 { vec![] } else { line.to_vec() }
        }),
        ("room for three requests", "several requests in flight", 3, |line| line.to_vec()),
        ("no defect at all", "", all, |line| line.to_vec()),
    ];
    for (what, check, holds, mangle) in receivers {
        let open = || {
            let board = GoldenLink::new(Options::default());
            Box::new(Deaf { board, mangle, line: vec![], waiting: 0, holds }) as Box<dyn Link>
        };
        let failed = link::failures(open, &budget());
        match check {
            "" => assert_eq!(failed, [""; 0], "{what}"),
            _ => assert!(failed.contains(&check), "{what} was found by {failed:?}, not by {check:?}"),
        }
    }
}

#[test]
fn every_board_built_wrong_is_found() {
    let default = Options::default();
    for (options, check) in [
        (Options { ident: 1, ..default }, "identity"),
        (Options { clock_hz: 0, ..default }, "identity"),
        (Options { wire_version: 2, ..default }, "identity"),
        (Options { engines: engines::SHA256, ..default }, "tree heads"),
        (Options { tree_depth: 6, ..default }, "tree heads"),
    ] {
        let failed = link::failures(|| Box::new(GoldenLink::new(options)), &budget());
        assert!(failed.contains(&check), "{options:?} was found by {failed:?}, not by {check:?}");
    }
}

/// A golden board of a bench, with a defect in its answers and a twin without.
fn vault_failures(defect: Defect) -> Vec<&'static str> {
    let sound = golden::bench(Options::default());
    let bench = |chip| {
        let powered = sound(chip)?;
        let options = powered.twin?;
        Some(Powered { link: Mutant::of(options, defect), ..powered })
    };
    vault::failures(&bench, &Budget { flip_step: 97, random_draws: 4, ..budget() })
}

/// As [`vault_failures`], where the silicon is not known: no twin helps.
fn vault_failures_without_twin(defect: Defect) -> Vec<&'static str> {
    let sound = golden::bench(Options::default());
    let bench = |chip| {
        let powered = sound(chip)?;
        Some(Powered { link: Mutant::of(powered.twin?, defect), twin: None, ..powered })
    };
    vault::failures(&bench, &Budget { flip_step: 97, random_draws: 4, ..budget() })
}

#[test]
fn every_defect_of_a_vault_is_found_by_the_check_for_it() {
    let defects: [(&str, &str, Defect); 12] = [
        ("keys of a closed vault", "closed before it is opened", |_, answer| {
            if answer.status == status::CLOSED {
                (answer.status, answer.payload) = (status::OK, vec![7; 32]);
            }
        }),
        ("labels of any length", "closed before it is opened", |request, answer| {
            if request.opcode == opcode::VAULT_DERIVE && answer.status == status::BAD_LENGTH {
                answer.status = status::CLOSED;
            }
        }),
        ("helper data a byte short", "enrolment and keys", |request, answer| {
            if request.opcode == opcode::VAULT_ENROL && answer.status == status::OK {
                answer.payload.pop();
            }
        }),
        ("one key for all labels", "enrolment and keys", |request, answer| {
            if request.opcode == opcode::VAULT_DERIVE && answer.status == status::OK {
                answer.payload.fill(9);
            }
        }),
        ("an attestation that does not know the challenge", "enrolment and keys", |request, answer| {
            if request.opcode == opcode::VAULT_ATTEST && answer.status == status::OK {
                answer.payload.fill(9);
            }
        }),
        ("helper data of anybody", "another board", |request, answer| {
            if request.opcode == opcode::VAULT_OPEN && answer.status == status::REFUSED {
                answer.status = status::OK;
            }
        }),
        ("a refusal that says why", "helper data changed in any bit", |request, answer| {
            if request.opcode == opcode::VAULT_OPEN
                && answer.status == status::REFUSED
                && request.payload[0] != 1
            {
                answer.status = status::BAD_VERSION;
            }
        }),
        ("a version bit nobody looks at", "helper data changed in any bit", |request, answer| {
            if request.opcode == opcode::VAULT_OPEN && request.payload[0] == 0x81 {
                answer.status = status::OK;
            }
        }),
        ("a vault that never closes", "closed after eight refusals", |request, answer| {
            if request.opcode == opcode::VAULT_ENROL && answer.status == status::REFUSED {
                (answer.status, answer.payload) = (status::OK, vec![1; 49]);
            }
        }),
        ("always the same random bytes", "random bytes", |request, answer| {
            if request.opcode == opcode::ENTROPY && answer.status == status::OK {
                answer.payload = vec![0x5A; 32];
            }
        }),
        ("mostly ones", "random bytes", |request, answer| {
            if request.opcode == opcode::ENTROPY {
                answer.payload.iter_mut().for_each(|byte| *byte |= 0x11);
            }
        }),
        ("no defect at all", "", |_, _| {}),
    ];
    for (what, check, defect) in defects {
        for failed in [vault_failures(defect), vault_failures_without_twin(defect)] {
            match check {
                "" => assert_eq!(failed, [""; 0], "{what}"),
                _ => assert!(failed.contains(&check), "{what} was found by {failed:?}, not by {check:?}"),
            }
        }
    }
}

/// The twin is the judge of everything that is said; here are boards that say more than it, in ways it does not see.
#[test]
fn whoever_tells_four_bytes_of_a_secret_is_found() {
    const LEAKS: [Defect; 4] = [
        |request, answer| {
            // In place of a digest, when a message of no bytes was hashed.
            if request.opcode == opcode::HASH && request.payload == [3] {
                answer.payload[28..].copy_from_slice(&ROOT.lock().unwrap()[8..12]);
            }
        },
        |request, answer| {
            if request.opcode == opcode::MERKLE && answer.payload.len() == 32 {
                let root = ROOT.lock().unwrap();
                answer.payload[..4].iter_mut().zip(&root[28..]).for_each(|(byte, root)| *byte = !root);
            }
        },
        |request, answer| {
            if request.opcode == 0x26 {
                answer.payload = ROOT.lock().unwrap()[..4].iter().map(|byte| byte ^ 0x5c).collect();
            }
        },
        |request, answer| {
            if request.opcode == opcode::ECHO && request.payload.len() == 32 {
                answer.payload[10..14].copy_from_slice(&RESPONSE.lock().unwrap()[60..]);
            }
        },
    ];
    for (i, leak) in LEAKS.into_iter().enumerate() {
        let sound = golden::bench(Options::default());
        let bench = |chip| {
            let powered = sound(chip)?;
            let options = powered.twin?;
            let (root, response) = vault::secrets(&options)?;
            (*ROOT.lock().unwrap(), *RESPONSE.lock().unwrap()) = (root, response);
            Some(Powered { link: Mutant::of(options, leak), ..powered })
        };
        let failed = vault::failures(&bench, &budget());
        let check = "keys as they are defined, and nothing said of the root";
        assert_eq!(failed, [check], "leak {i}");
    }
}

/// Of the board that was switched on last: a defect is a plain function.
static ROOT: Mutex<[u8; 32]> = Mutex::new([0; 32]);
static RESPONSE: Mutex<[u8; 64]> = Mutex::new([0; 64]);
