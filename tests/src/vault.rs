//! What a vault must do, frame by frame: enrolment, keys, refusals, random bytes, and what it must never say.
//!
//! A bench switches boards on: refusals are counted until power-up, and noise is new with each. Where the silicon of the
//! board is known, as in simulation, every answer is compared with the golden board's byte for byte, helper data and
//! random bytes included.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use twinseal_driver::Link;
use twinseal_hdl::flow::tool::skipped;
use twinseal_hdl::golden::board::{GoldenBoard, Rings};
use twinseal_puf::polar;
use twinseal_puf::reading::{Differences, ENROLMENT_SAMPLES};
use twinseal_puf::silicon::Chip as Silicon;
use twinseal_wire::vault::{CHALLENGE_BYTES, HELPER_BYTES, KEY_BYTES, MAX_LABEL_BYTES};
use twinseal_wire::{Decoder, Frame, engines, hash_flags, merkle_flags, opcode, register, status};

use crate::Budget;
use crate::golden::Options;
use crate::raw::{Raw, encoded};
use crate::reference::{attested, derived, hmac_sha256, sha256};

/// Which of the boards of a bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// The one under test.
    Own,
    /// Another one of its kind.
    Other,
}

/// A board that was just switched on.
pub struct Powered {
    /// The cable to it.
    pub link: Box<dyn Link>,
    /// The same board as a model, if its silicon is known.
    pub twin: Option<Options>,
    /// The board's own time since some moment, if it can be told.
    pub clock: Option<Box<dyn Fn() -> Duration>>,
}

/// Switches a board on; `None` if the bench has no such board.
pub type Bench<'a> = &'a dyn Fn(Chip) -> Option<Powered>;

/// Wait before the first refusal is answered: 2^18 clocks of 12 MHz.
const FIRST_BACKOFF: Duration = Duration::from_nanos((1 << 18) * 1_000 / 12);
/// What a measured time may be off: the line, and the simulation looking up now and then.
const TOLERANCE: Duration = Duration::from_millis(2);
/// Refusals before a vault closes.
const MAX_REFUSALS: usize = 8;

type Check = fn(&Suite<'_>);

const CHECKS: &[(&str, Check)] = &[
    ("closed before it is opened", closed),
    ("open messages are forgotten", forgetting),
    ("enrolment and keys", keys),
    ("keys come back after power-up", power_up),
    ("another board", another_board),
    ("helper data changed in any bit", flipped),
    ("closed after eight refusals", closing),
    ("random bytes", random_bytes),
    ("keys as they are defined, and nothing said of the root", secrecy),
];

const STILL_CHECKS: &[(&str, Check)] = &[
    ("closed before it is opened", closed),
    ("open messages are forgotten", forgetting),
    ("rings that do not run", still_rings),
];

/// Runs every check that makes sense for the board: it may lack the engines, or rings that run
/// ([`Budget::rings_run`]). What is left out is printed.
///
/// # Panics
/// If a check fails, after all have run.
pub fn run(bench: Bench<'_>, budget: &Budget) {
    let failures = failures(bench, budget);
    assert!(failures.is_empty(), "failed: {failures:?}; the reasons are printed above");
}

/// Runs every check and names those that failed; why, goes to standard error.
pub fn failures(bench: Bench<'_>, budget: &Budget) -> Vec<&'static str> {
    let suite = Suite { bench, budget };
    let mut own = suite.own();
    let present = own.raw.read(register::ENGINES);
    if let Some(twin) = &own.options {
        assert_eq!(present, twin.engines, "engines of the board, and of its twin");
    }
    drop(own);
    let needed = engines::VAULT | engines::ENTROPY;
    if present & needed != needed {
        skipped(format!("vault: left out, for the board has engines {present:#x}"));
        return Vec::new();
    }
    let checks = if budget.rings_run { CHECKS } else { STILL_CHECKS };
    if !budget.rings_run {
        for (name, _) in CHECKS.iter().filter(|(name, _)| !STILL_CHECKS.iter().any(|(n, _)| n == name)) {
            skipped(format!("vault: left out, for the rings of this board do not run: {name}"));
        }
    }
    let fails = |check: &Check| catch_unwind(AssertUnwindSafe(|| check(&suite))).is_err();
    let failed = checks.iter().filter(|(name, check)| {
        println!("vault: {name}");
        fails(check)
    });
    failed.map(|(name, _)| *name).collect()
}

struct Suite<'a> {
    bench: Bench<'a>,
    budget: &'a Budget,
}

impl Suite<'_> {
    fn own(&self) -> Subject {
        let powered = (self.bench)(Chip::Own).expect("a bench has a board");
        Subject::new(powered, self.budget)
    }

    fn other(&self) -> Option<Subject> {
        let powered = (self.bench)(Chip::Other);
        if powered.is_none() {
            skipped("vault: left out, for there is no second board");
        }
        powered.map(|powered| Subject::new(powered, self.budget))
    }
}

/// A board with its twin beside it.
struct Subject {
    raw: Raw,
    twin: Option<GoldenBoard>,
    options: Option<Options>,
    clock: Option<Box<dyn Fn() -> Duration>>,
    /// Payload of every answer.
    said: RefCell<Vec<Vec<u8>>>,
}

impl Subject {
    fn new(powered: Powered, budget: &Budget) -> Self {
        Self {
            raw: Raw::new(powered.link, budget.vault_patience),
            twin: powered.twin.map(GoldenBoard::new),
            options: powered.twin,
            clock: powered.clock,
            said: RefCell::default(),
        }
    }

    /// One request and its answer, which must be the twin's.
    fn ask(&mut self, opcode: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        let answer = self.raw.ask(opcode, payload);
        if let Some(twin) = &mut self.twin {
            encoded(&Frame::request(0, opcode, payload)).iter().for_each(|&byte| twin.push(byte));
            let mut decoder = Decoder::new();
            let expected = std::iter::from_fn(|| twin.pop()).find_map(|byte| {
                let frame = decoder.push(byte)?.expect("the twin is sound");
                Some((frame.status, frame.payload.to_vec()))
            });
            assert_eq!(Some(&answer), expected.as_ref(), "opcode {opcode:#04x}, and what its twin says");
        }
        self.said.borrow_mut().push(answer.1.clone());
        answer
    }

    fn expect(&mut self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let (status, answer) = self.ask(opcode, payload);
        assert_eq!(status, status::OK, "opcode {opcode:#04x}, {} bytes", payload.len());
        answer
    }

    fn refuses(&mut self, status: u8, opcode: u8, payload: &[u8]) {
        let answer = self.ask(opcode, payload);
        assert_eq!(answer, (status, vec![]), "opcode {opcode:#04x}, {} bytes", payload.len());
    }

    fn enrol(&mut self) -> Vec<u8> {
        let helper = self.expect(opcode::VAULT_ENROL, &[]);
        assert_eq!((helper.len(), helper[0]), (HELPER_BYTES, 1), "length and version of helper data");
        helper
    }

    fn open(&mut self, helper: &[u8]) {
        assert!(self.expect(opcode::VAULT_OPEN, helper).is_empty());
    }

    fn derive(&mut self, label: &[u8]) -> Vec<u8> {
        let key = self.expect(opcode::VAULT_DERIVE, label);
        assert_eq!(key.len(), KEY_BYTES);
        key
    }

    /// The answer to `VAULT_OPEN` must be a refusal that leaves the vault closed; the time it took.
    fn refused(&mut self, helper: &[u8]) -> Option<Duration> {
        let from = self.now();
        self.refuses(status::REFUSED, opcode::VAULT_OPEN, helper);
        let took = self.now().zip(from).map(|(to, from)| to - from);
        self.refuses(status::CLOSED, opcode::VAULT_DERIVE, b"label");
        self.refuses(status::CLOSED, opcode::VAULT_ATTEST, &[7; CHALLENGE_BYTES]);
        took
    }

    fn now(&self) -> Option<Duration> {
        self.clock.as_ref().map(|clock| clock())
    }
}

fn closed(suite: &Suite<'_>) {
    let mut board = suite.own();
    // The twin is of the very board: attestation has the build in it, and times go by the clock.
    for address in [register::BUILD_ID, register::ENGINES, register::CLOCK_HZ] {
        board.expect(opcode::READ_REGISTER, &address.to_le_bytes());
    }
    for label in [&b""[..], b"label", &[7; MAX_LABEL_BYTES]] {
        board.refuses(status::CLOSED, opcode::VAULT_DERIVE, label);
    }
    board.refuses(status::CLOSED, opcode::VAULT_ATTEST, &[0; CHALLENGE_BYTES]);
    assert!(board.expect(opcode::VAULT_CLOSE, &[]).is_empty());
    board.refuses(status::CLOSED, opcode::VAULT_DERIVE, b"label");
    for (opcode, lengths) in [
        (opcode::VAULT_ENROL, &[1, 49, 512][..]),
        (opcode::VAULT_OPEN, &[0, 1, 32, 48, 50, 98, 305, 512]),
        (opcode::VAULT_CLOSE, &[1, 256]),
        (opcode::VAULT_DERIVE, &[129, 256, 384, 512]),
        (opcode::VAULT_ATTEST, &[0, 31, 33, 288]),
        (opcode::ENTROPY, &[1, 256, 512]),
    ] {
        for &len in lengths {
            board.refuses(status::BAD_LENGTH, opcode, &vec![1; len]);
        }
    }
}

/// Requests of the vault that are answered without reading a ring, and their answers on a closed one.
const QUICK: &[(u8, &[u8], u8)] = &[
    (opcode::VAULT_ENROL, &[0], status::BAD_LENGTH),
    (opcode::VAULT_OPEN, &[0], status::BAD_LENGTH),
    (opcode::VAULT_CLOSE, &[], status::OK),
    (opcode::VAULT_CLOSE, &[0], status::BAD_LENGTH),
    (opcode::VAULT_DERIVE, b"label", status::CLOSED),
    (opcode::VAULT_ATTEST, &[0; CHALLENGE_BYTES], status::CLOSED),
    (opcode::ENTROPY, &[0], status::BAD_LENGTH),
];

fn forgetting(suite: &Suite<'_>) {
    let mut board = suite.own();
    for &(opcode, payload, expected) in QUICK {
        forgets(&mut board, opcode, payload, expected);
    }
}

/// A message or a tree that was open before a request of the vault is not open afterwards, and the engine is sound.
fn forgets(board: &mut Subject, opcode: u8, payload: &[u8], expected: u8) {
    board.expect(opcode::HASH, &[hash_flags::BEGIN, b'a']);
    assert_eq!(board.ask(opcode, payload).0, expected, "opcode {opcode:#04x}");
    for flags in [0, hash_flags::END] {
        board.refuses(status::BAD_STATE, opcode::HASH, &[flags, b'b', b'c']);
    }
    board.expect(opcode::MERKLE, &[merkle_flags::TREE_BEGIN | merkle_flags::LEAF_BEGIN, b'a']);
    assert_eq!(board.ask(opcode, payload).0, expected, "opcode {opcode:#04x}");
    for flags in [0, merkle_flags::LEAF_END, merkle_flags::LEAF_BEGIN, merkle_flags::TREE_END] {
        board.refuses(status::BAD_STATE, opcode::MERKLE, &[flags]);
    }
    let digest = board.expect(opcode::HASH, &[hash_flags::BEGIN | hash_flags::END, b'a', b'b', b'c']);
    assert_eq!(digest, sha256(b"abc"), "the engine after opcode {opcode:#04x}");
}

fn keys(suite: &Suite<'_>) {
    let mut board = suite.own();
    let helper = board.enrol();
    let long = [7; MAX_LABEL_BYTES];
    let labels: [&[u8]; 10] =
        [b"", b"a", b"a\0", b"b", &long[..54], &long[..55], &long[..62], &long[..63], &long[1..], &long];
    let mut all: Vec<Vec<u8>> = labels.iter().map(|label| board.derive(label)).collect();
    let key = all[1].clone();
    for challenge in [[0; CHALLENGE_BYTES], [1; CHALLENGE_BYTES]] {
        let mac = board.expect(opcode::VAULT_ATTEST, &challenge);
        assert_eq!(mac, board.expect(opcode::VAULT_ATTEST, &challenge), "an attestation that changes");
        all.push(mac);
        all.push(board.derive(&challenge));
    }
    for (i, key) in all.iter().enumerate() {
        assert_eq!(key.len(), KEY_BYTES);
        assert!(!all[..i].contains(key), "key {i} is one of the others");
    }
    assert_eq!(board.derive(b"a"), key, "a key that changes");

    assert!(board.expect(opcode::VAULT_CLOSE, &[]).is_empty());
    board.refuses(status::CLOSED, opcode::VAULT_DERIVE, b"a");
    board.refuses(status::CLOSED, opcode::VAULT_ATTEST, &[0; CHALLENGE_BYTES]);
    board.open(&helper);
    assert_eq!(board.derive(b"a"), key);
    // Of an open vault too, and it stays open.
    forgets(&mut board, opcode::VAULT_DERIVE, b"a", status::OK);
    forgets(&mut board, opcode::VAULT_ATTEST, &[0; CHALLENGE_BYTES], status::OK);
    board.refuses(status::BAD_LENGTH, opcode::VAULT_OPEN, &helper[..48]);
    assert_eq!(board.derive(b"a"), key, "a request of the wrong length closed the vault");
}

fn power_up(suite: &Suite<'_>) {
    let mut board = suite.own();
    let helper = board.enrol();
    let key = board.derive(b"label");
    let mut later = suite.own();
    later.refuses(status::CLOSED, opcode::VAULT_DERIVE, b"label");
    forgets(&mut later, opcode::VAULT_OPEN, &helper, status::OK);
    assert_eq!(later.derive(b"label"), key, "the key of the same chip");
    assert_eq!(later.expect(opcode::VAULT_ATTEST, &[3; 32]), board.expect(opcode::VAULT_ATTEST, &[3; 32]));
}

fn another_board(suite: &Suite<'_>) {
    let Some(mut other) = suite.other() else { return };
    let mut board = suite.own();
    let helper = board.enrol();
    other.refused(&helper);
    let of_other = other.enrol();
    assert_ne!(of_other, helper);
    assert_ne!(other.derive(b"label"), board.derive(b"label"));
    // A wrong one closes an open vault.
    board.refused(&of_other);
    // Halves of both.
    let mixed = [&helper[..33], &of_other[33..]].concat();
    board.refused(&mixed);
    board.open(&helper);
}

fn flipped(suite: &Suite<'_>) {
    let mut board = suite.own();
    let helper = board.enrol();
    let key = board.derive(b"label");
    let bits: Vec<usize> = (0..8 * HELPER_BYTES)
        .filter(|bit| bit % suite.budget.flip_step == 0 || [7, 263, 264, 391].contains(bit))
        .collect();
    // A vault stays open for fewer refusals than close it; shorter ones are enough where the waits are long.
    for some in bits.chunks(suite.budget.refusals.clamp(1, MAX_REFUSALS - 1)) {
        let mut board = suite.own();
        let mut waits = Vec::new();
        for bit in some {
            let mut bad = helper.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            waits.extend(board.refused(&bad));
        }
        board.open(&helper);
        assert_eq!(board.derive(b"label"), key, "after refusals");
        growing(&waits);
    }
}

/// Each refusal is held back twice as long as the one before; all take the same otherwise.
fn growing(waits: &[Duration]) {
    let work: Vec<Duration> = waits
        .iter()
        .enumerate()
        .map(|(i, wait)| {
            let backoff = FIRST_BACKOFF * (1 << i.min(MAX_REFUSALS - 1));
            wait.checked_sub(backoff).unwrap_or_else(|| panic!("refusal {i} after {wait:?}, not {backoff:?}"))
        })
        .collect();
    for (i, time) in work.iter().enumerate() {
        assert!(time.abs_diff(work[0]) < TOLERANCE, "the work of refusal {i}: {work:?}");
    }
}

fn closing(suite: &Suite<'_>) {
    if suite.budget.refusals < MAX_REFUSALS {
        skipped("vault: left out, for its waits are too long here: closed after eight refusals");
        return;
    }
    let mut board = suite.own();
    let helper = board.enrol();
    let mut bad = helper.clone();
    bad[20] ^= 1;
    let mut waits: Vec<Duration> = Vec::new();
    for count in 0..MAX_REFUSALS {
        if count % 3 == 0 {
            // Success in between buys nothing.
            board.open(&helper);
            board.refuses(status::BAD_LENGTH, opcode::VAULT_OPEN, &helper[1..]);
        }
        waits.extend(board.refused(&bad));
    }
    // Even the right ones, and not faster or slower than wrong ones.
    waits.extend(board.refused(&helper));
    growing(&waits);
    board.refuses(status::REFUSED, opcode::VAULT_ENROL, &[]);
    forgets(&mut board, opcode::VAULT_DERIVE, b"label", status::CLOSED);
    let mut later = suite.own();
    later.open(&helper);
}

fn random_bytes(suite: &Suite<'_>) {
    let mut board = suite.own();
    let draws: Vec<Vec<u8>> =
        (0..suite.budget.random_draws).map(|_| board.expect(opcode::ENTROPY, &[])).collect();
    for (i, draw) in draws.iter().enumerate() {
        assert_eq!(draw.len(), KEY_BYTES);
        assert!(!draws[..i].contains(draw), "draw {i} is one of the others");
    }
    let bits = f64::from(8 * KEY_BYTES as u32) * draws.len() as f64;
    let ones: u32 = draws.iter().flatten().map(|byte| byte.count_ones()).sum();
    let deviations = (f64::from(ones) - bits / 2.0) / (bits / 4.0).sqrt();
    assert!(deviations.abs() < 5.0, "{ones} ones of {bits}");
    forgets(&mut board, opcode::ENTROPY, &[], status::OK);
    let mut again = suite.own();
    assert!(!draws.contains(&again.expect(opcode::ENTROPY, &[])), "the same after power-up");
}

/// Root and response of a board with these options whose first act after power-up is to enrol.
pub fn secrets(options: &Options) -> Option<([u8; 32], [u8; 64])> {
    Secrets::of(options).map(|secrets| (secrets.root, secrets.response))
}

/// What the board must never say, computed from its silicon as `hdl/puf` does.
struct Secrets {
    root: [u8; 32],
    response: [u8; 64],
    syndrome: [u8; 32],
    tag: [u8; 32],
    /// Texts of which no four bytes in a row may be said, with their names.
    texts: Vec<(&'static str, Vec<u8>)>,
}

impl Secrets {
    /// Of a board whose first act after power-up was to enrol.
    fn of(options: &Options) -> Option<Self> {
        let Rings::Silicon { seed, device, power_up, condition } = options.rings else { return None };
        let chip = Silicon::of_the_project(seed, device).unwrap();
        let reading =
            Differences::read(&mut chip.power_up(&condition, power_up), options.clock_hz, ENROLMENT_SAMPLES)
                .unwrap();
        let soft = reading.soft();
        let response = polar::pack(&soft.bits());
        let syndrome = polar::syndrome(&soft.bits());
        let root = sha256(&[&b"twinseal/root/v1"[..], &response].concat());
        let tag = hmac_sha256(&root, &[&[1, 1], &syndrome[..]].concat());
        let pad = |with: u8| [&root.map(|byte| byte ^ with)[..], &[with; 32]].concat();
        let levels = soft.levels().map(|level| level as u8);
        let mut texts = vec![
            ("the root", root.to_vec()),
            ("the response", response.to_vec()),
            ("the levels of the response", levels.to_vec()),
            ("the inner key of the HMAC", pad(0x36)),
            ("the outer key of the HMAC", pad(0x5c)),
            ("the half of the tag that is not given", tag[16..].to_vec()),
        ];
        let turned: Vec<_> = texts
            .iter()
            .flat_map(|(name, text)| {
                let inverted = text.iter().map(|byte| !byte).collect();
                let mirrored = text.iter().map(|byte| byte.reverse_bits()).collect();
                let backwards = text.iter().rev().copied().collect();
                [inverted, mirrored, backwards].map(|text: Vec<u8>| (*name, text))
            })
            .collect();
        texts.extend(turned);
        Some(Self { root, response, syndrome, tag, texts })
    }

    /// The name of a secret of which `said` has four bytes in a row.
    fn found_in(&self, said: &[u8]) -> Option<&'static str> {
        // Four equal bytes in a row, as paddings have, tell nothing.
        let (name, _) = self.texts.iter().find(|(_, text)| {
            let telling = |four: &&[u8]| four.iter().any(|byte| *byte != four[0]);
            text.windows(4).filter(telling).any(|four| said.windows(4).any(|heard| heard == four))
        })?;
        Some(name)
    }
}

fn secrecy(suite: &Suite<'_>) {
    let mut board = suite.own();
    let Some(secrets) = board.options.as_ref().and_then(Secrets::of) else {
        println!("vault: left out, for the silicon of this board is not known");
        return;
    };
    let build_id = board.raw.read(register::BUILD_ID);
    let helper = board.enrol();
    assert_eq!(helper[1..33], secrets.syndrome);
    assert_eq!(helper[33..], secrets.tag[..16]);
    // Everything a host can say, on a vault that is open and on one that is closed.
    for close in [false, true] {
        if close {
            board.expect(opcode::VAULT_CLOSE, &[]);
        }
        for len in (0..=MAX_LABEL_BYTES + 1).step_by(suite.budget.length_step.min(13)) {
            let label = vec![len as u8; len];
            let (status, key) = board.ask(opcode::VAULT_DERIVE, &label);
            if status == status::OK {
                assert_eq!(key, derived(&secrets.root, &label), "the key of {len} bytes");
            }
        }
        for challenge in [[0; CHALLENGE_BYTES], [0xA5; CHALLENGE_BYTES]] {
            let (status, mac) = board.ask(opcode::VAULT_ATTEST, &challenge);
            if status == status::OK {
                assert_eq!(mac, attested(&secrets.root, build_id, &challenge));
            }
        }
        for r in register::ALL {
            board.raw.read(r.address);
        }
        for flags in 0..=u8::MAX {
            for opcode in [opcode::HASH, opcode::MERKLE] {
                let answer = board.raw.ask(opcode, &[flags]);
                board.said.borrow_mut().push(answer.1);
            }
        }
        // Every opcode there is or may be, short of reading rings, with what others would take.
        for opcode in 0..=u8::MAX {
            for payload in [&[][..], &[0; 2], &[0; 32], &helper[..48]] {
                let reads = [(opcode::VAULT_ENROL, 0), (opcode::ENTROPY, 0)];
                if !reads.contains(&(opcode, payload.len())) && (close || opcode != opcode::VAULT_CLOSE) {
                    let answer = board.raw.ask(opcode, payload);
                    board.said.borrow_mut().push(answer.1);
                }
            }
        }
    }
    // The twin did not hear all of that; it has nothing open any more either.
    let mut bad = helper.clone();
    bad[30] ^= 4;
    for wrong in [bad, vec![0; HELPER_BYTES], vec![0xFF; HELPER_BYTES]].iter().take(suite.budget.refusals) {
        board.refuses(status::REFUSED, opcode::VAULT_OPEN, wrong);
    }
    board.expect(opcode::ENTROPY, &[]);
    board.open(&helper);
    assert_eq!(board.derive(b"label"), derived(&secrets.root, b"label"));

    let said = board.said.borrow();
    assert!(said.len() > 500 && said.contains(&helper));
    for answer in said.iter() {
        assert_eq!(secrets.found_in(answer), None, "said in {answer:02x?}");
    }
}

fn still_rings(suite: &Suite<'_>) {
    let mut board = suite.own();
    board.refuses(status::RING_FAULT, opcode::VAULT_ENROL, &[]);
    board.refuses(status::CLOSED, opcode::VAULT_DERIVE, b"label");
    // Faults are no refusals: they neither close the vault nor slow it down.
    for _ in 0..=MAX_REFUSALS {
        board.refuses(status::RING_FAULT, opcode::VAULT_OPEN, &[1; HELPER_BYTES]);
        board.refuses(status::CLOSED, opcode::VAULT_DERIVE, b"label");
    }
    for _ in 0..3 {
        board.refuses(status::ENTROPY_FAULT, opcode::ENTROPY, &[]);
    }
    forgets(&mut board, opcode::ENTROPY, &[], status::ENTROPY_FAULT);
    forgets(&mut board, opcode::VAULT_OPEN, &[1; HELPER_BYTES], status::RING_FAULT);
}
