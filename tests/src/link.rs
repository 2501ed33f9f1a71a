//! What a board must answer, frame by frame, whatever it is made of.

use std::panic::{AssertUnwindSafe, catch_unwind};

use twinseal_driver::Link;
use twinseal_wire::{
    self as wire, Access, DELIMITER, Frame, MAX_IN_FLIGHT, MAX_PAYLOAD_BYTES, MAX_RESPONSE_BYTES,
    RESPONSE_BIT, RX_BUFFER_BYTES, engines, hash_flags, merkle_flags, opcode, register, rx_cost, status,
};

use crate::Budget;
use crate::data::{Random, cavp_sha256};
use crate::raw::{Raw, encoded, stuffed};
use crate::reference::{sha256, tree_head};

type Check = fn(&mut Raw, &Budget);

/// Every check, in the order in which a new board had best pass them.
const CHECKS: &[(&str, Check)] = &[
    ("identity", identity),
    ("registers", registers),
    ("echo of every length", echo),
    ("refusals", refusals),
    ("versions", versions),
    ("several requests in flight", in_flight),
    ("hashes of every length", hashes),
    ("hashes over many frames", long_hashes),
    ("published hashes", published_hashes),
    ("order of hash requests", hash_order),
    ("tree heads", tree_heads),
    ("leaves over many frames", long_leaves),
    ("order of tree requests", tree_order),
    ("broken frames", broken_frames),
    ("broken frames within a message", broken_frames_within_a_message),
    ("garbage", garbage),
    ("every truncation", truncations),
];

/// Runs every check, each on a link of its own.
///
/// `open` may give the same board each time: nothing here depends on what it did before.
///
/// # Panics
/// If a check fails, after all have run.
pub fn run(open: impl Fn() -> Box<dyn Link>, budget: &Budget) {
    let failures = failures(open, budget);
    assert!(failures.is_empty(), "failed: {failures:?}; the reasons are printed above");
}

/// Runs every check and names those that failed; why, goes to standard error.
pub fn failures(open: impl Fn() -> Box<dyn Link>, budget: &Budget) -> Vec<&'static str> {
    let fails = |check: &Check| {
        let run = AssertUnwindSafe(|| check(&mut Raw::new(open(), budget.patience), budget));
        catch_unwind(run).is_err()
    };
    let failed = CHECKS.iter().filter(|(name, check)| {
        println!("link: {name}");
        fails(check)
    });
    failed.map(|(name, _)| *name).collect()
}

fn identity(board: &mut Raw, _: &Budget) {
    assert_eq!(board.read(register::IDENT), wire::IDENT);
    assert_eq!(board.read(register::WIRE_VERSION), u32::from(wire::WIRE_VERSION));
    assert_eq!(board.read(register::MAP_HASH), wire::MAP_HASH);
    let known = engines::ALL.iter().fold(0, |all, (bit, _)| all | bit);
    assert_eq!(board.read(register::ENGINES) & !known, 0, "engines nobody knows");
    assert!(
        (1_000_000..=1_000_000_000).contains(&board.read(register::CLOCK_HZ)),
        "a clock nobody would build"
    );
    assert_eq!(board.read(register::BUILD_ID), board.read(register::BUILD_ID));
}

fn registers(board: &mut Raw, _: &Budget) {
    let write = |board: &mut Raw, address: u16, value: u32| {
        board.ask(opcode::WRITE_REGISTER, &[&address.to_le_bytes()[..], &value.to_le_bytes()].concat())
    };
    for value in [0, 1, 0x8000_0000, 0x0102_0304, 0xFFFF_FFFF, 0x00FF_00FF, 0] {
        assert_eq!(write(board, register::SCRATCH, value), (status::OK, vec![]));
        assert_eq!(board.read(register::SCRATCH), value);
    }
    for r in register::ALL {
        let before = board.read(r.address);
        if r.access == Access::ReadOnly {
            assert_eq!(write(board, r.address, !before), (status::BAD_ADDRESS, vec![]), "{}", r.name);
            let counts = [register::FRAMES_OK, register::FRAMES_BAD].contains(&r.address);
            assert!(counts || board.read(r.address) == before, "{} was written", r.name);
        }
    }
    for address in [1, 2, 3, 0x0024, 0x0118, 0x1000, 0x8018, 0xFFFC, 0xFFFF_u16] {
        let read = board.ask(opcode::READ_REGISTER, &address.to_le_bytes());
        assert_eq!(read, (status::BAD_ADDRESS, vec![]), "reading {address:#06x}");
        assert_eq!(write(board, address, 7), (status::BAD_ADDRESS, vec![]), "writing {address:#06x}");
    }
    assert_eq!(board.read(register::SCRATCH), 0, "a refused write was carried out");
    let count = board.read(register::FRAMES_OK);
    board.expect(opcode::ECHO, b"one more");
    assert_eq!(board.read(register::FRAMES_OK), count.wrapping_add(2));
}

fn echo(board: &mut Raw, budget: &Budget) {
    let mut random = Random::new(1);
    for len in budget.lengths().filter(|n| *n < MAX_RESPONSE_BYTES).chain([MAX_RESPONSE_BYTES]) {
        for bytes in [random.bytes(len), vec![0; len], vec![0xFF; len]] {
            assert_eq!(board.expect(opcode::ECHO, &bytes), bytes);
        }
    }
    for len in [MAX_RESPONSE_BYTES + 1, 255, 256, 320, MAX_PAYLOAD_BYTES] {
        assert_eq!(board.ask(opcode::ECHO, &vec![1; len]), (status::BAD_LENGTH, vec![]), "{len} bytes");
    }
}

/// The engine a board must have to know this opcode.
fn engine_of(code: u8) -> u32 {
    match code {
        opcode::HASH => engines::SHA256,
        opcode::MERKLE => engines::MERKLE,
        opcode::VAULT_ENROL..=opcode::VAULT_ATTEST => engines::VAULT,
        opcode::ENTROPY => engines::ENTROPY,
        _ => 0,
    }
}

fn refusals(board: &mut Raw, _: &Budget) {
    let present = board.read(register::ENGINES);
    for code in 0..=u8::MAX {
        let is_known = opcode::ALL.iter().any(|(known, _)| *known == code);
        if !is_known || engine_of(code) & !present != 0 {
            let tag = board.send(code, b"?");
            let answer = board.receive().expect("an answer to an unknown opcode");
            assert_eq!(
                (answer.tag, answer.opcode, answer.status, &answer.payload[..]),
                (tag, code | RESPONSE_BIT, status::BAD_OPCODE, &[][..])
            );
        }
    }
    for (code, lengths) in [
        (opcode::READ_REGISTER, &[0, 1, 3, 4, 258, 512][..]),
        (opcode::WRITE_REGISTER, &[0, 2, 5, 7, 262]),
        (opcode::HASH, &[0]),
        (opcode::MERKLE, &[0]),
    ] {
        for &len in lengths {
            let answer = board.ask(code, &vec![0; len]);
            assert_eq!(answer, (status::BAD_LENGTH, vec![]), "opcode {code:#04x} with {len} bytes");
        }
    }
    for (code, mask) in [(opcode::HASH, hash_flags::MASK), (opcode::MERKLE, merkle_flags::MASK)] {
        for bit in (0..8).map(|n| 1 << n).filter(|bit| bit & mask == 0) {
            let answer = board.engine(code, mask | bit, b"x");
            assert_eq!(answer, (status::BAD_FLAGS, vec![]), "opcode {code:#04x} with flag {bit:#04x}");
        }
    }
    // A request's status byte means nothing.
    let odd = Frame { version: wire::WIRE_VERSION, tag: 77, opcode: opcode::ECHO, status: 9, payload: b"hi" };
    board.send_bytes(&encoded(&odd));
    assert_eq!(board.answer(77, opcode::ECHO), (status::OK, b"hi".to_vec()));
}

fn versions(board: &mut Raw, _: &Budget) {
    board.expect(opcode::HASH, &[hash_flags::BEGIN, b'a']);
    for version in (0..=u8::MAX).filter(|v| *v != wire::WIRE_VERSION).step_by(17) {
        let payload = [hash_flags::BEGIN | hash_flags::END];
        let frame = Frame { version, tag: 5, opcode: opcode::HASH, status: 0, payload: &payload };
        board.send_bytes(&encoded(&frame));
        let expected = (status::BAD_VERSION, vec![wire::WIRE_VERSION]);
        assert_eq!(board.answer(5, opcode::HASH), expected, "version {version}");
    }
    let digest = board.expect(opcode::HASH, &[hash_flags::END, b'b', b'c']);
    assert_eq!(digest, sha256(b"abc"), "a request of another version was carried out");
}

fn in_flight(board: &mut Raw, _: &Budget) {
    let mut random = Random::new(2);
    for len in [0, 3, MAX_RESPONSE_BYTES] {
        let sent: Vec<_> = (0..MAX_IN_FLIGHT)
            .map(|_| {
                let bytes = random.bytes(len);
                (board.send(opcode::ECHO, &bytes), bytes)
            })
            .collect();
        for (tag, bytes) in sent {
            assert_eq!(board.answer(tag, opcode::ECHO), (status::OK, bytes));
        }
    }
    // As many long frames as the board must be able to hold, sent before any answer is read.
    let frames = RX_BUFFER_BYTES / rx_cost(MAX_PAYLOAD_BYTES);
    let message = random.bytes(frames * (MAX_PAYLOAD_BYTES - 1));
    let tags: Vec<u8> = message
        .chunks(MAX_PAYLOAD_BYTES - 1)
        .enumerate()
        .map(|(i, data)| {
            let begin = if i == 0 { hash_flags::BEGIN } else { 0 };
            let end = if i + 1 == frames { hash_flags::END } else { 0 };
            board.send(opcode::HASH, &[&[begin | end], data].concat())
        })
        .collect();
    let answers: Vec<_> = tags.into_iter().map(|tag| board.answer(tag, opcode::HASH)).collect();
    let (last, before) = answers.split_last().expect("a frame");
    assert!(before.iter().all(|answer| *answer == (status::OK, vec![])));
    assert_eq!(*last, (status::OK, sha256(&message).to_vec()));
}

/// Sends `message` in pieces of these lengths, the last piece with `END`.
fn hash_in_pieces(board: &mut Raw, message: &[u8], mut piece: impl FnMut() -> usize) -> Vec<u8> {
    let (mut rest, mut flags) = (message, hash_flags::BEGIN);
    loop {
        let (data, after) = rest.split_at(piece().min(rest.len()));
        if after.is_empty() {
            return board.expect(opcode::HASH, &[&[flags | hash_flags::END], data].concat());
        }
        let answer = board.expect(opcode::HASH, &[&[flags], data].concat());
        assert!(answer.is_empty(), "a digest of an unfinished message");
        (rest, flags) = (after, 0);
    }
}

fn hashes(board: &mut Raw, budget: &Budget) {
    let mut random = Random::new(3);
    for len in budget.lengths() {
        let message = random.bytes(len);
        let digest = hash_in_pieces(board, &message, || MAX_PAYLOAD_BYTES - 1);
        assert_eq!(digest, sha256(&message), "{len} bytes");
    }
}

fn long_hashes(board: &mut Raw, budget: &Budget) {
    let mut random = Random::new(4);
    let message = random.bytes(10_000);
    assert_eq!(hash_in_pieces(board, &message, || MAX_PAYLOAD_BYTES - 1), sha256(&message));
    for len in budget.lengths().filter(|n| n % 5 == 0) {
        let message = random.bytes(len);
        let digest = hash_in_pieces(board, &message, || random.below(150));
        assert_eq!(digest, sha256(&message), "{len} bytes in uneven pieces");
    }
}

fn published_hashes(board: &mut Raw, budget: &Budget) {
    for vector in cavp_sha256().iter().step_by(budget.vector_step) {
        let digest = hash_in_pieces(board, &vector.message, || MAX_PAYLOAD_BYTES - 1);
        assert_eq!(digest, vector.digest, "{} bytes", vector.message.len());
    }
}

fn hash_order(board: &mut Raw, _: &Budget) {
    use hash_flags::{BEGIN, END};
    let bad_state = (status::BAD_STATE, vec![]);
    let abc = (status::OK, sha256(b"abc").to_vec());
    board.engine(opcode::HASH, BEGIN | END, b"");
    for (flags, data) in [(0, &b""[..]), (0, b"x"), (END, b""), (END, b"x")] {
        assert_eq!(board.engine(opcode::HASH, flags, data), bad_state, "no message is open");
    }
    // A message begun anew forgets the old one; a refused request and other opcodes leave it open.
    board.engine(opcode::HASH, BEGIN, b"forgotten");
    board.engine(opcode::HASH, BEGIN, b"a");
    board.engine(opcode::HASH, 0x80, b"y");
    board.expect(opcode::ECHO, b"between");
    board.read(register::IDENT);
    assert_eq!(board.engine(opcode::HASH, 0, b""), (status::OK, vec![]));
    assert_eq!(board.engine(opcode::HASH, END, b"bc"), abc);
    assert_eq!(board.engine(opcode::HASH, END, b""), bad_state, "the message was finished");
    // There is one engine.
    board.engine(opcode::HASH, BEGIN, b"a");
    board.engine(opcode::MERKLE, merkle_flags::TREE_BEGIN, b"");
    assert_eq!(board.engine(opcode::HASH, END, b"bc"), bad_state, "a tree was begun");
    board.engine(opcode::HASH, BEGIN, b"");
    assert_eq!(board.engine(opcode::MERKLE, merkle_flags::TREE_END, b""), bad_state, "a message was begun");
    assert_eq!(board.engine(opcode::HASH, END, b"abc"), abc);
}

/// Sends a tree with one request for each leaf, where it fits, and returns the head.
fn head_of(board: &mut Raw, leaves: &[Vec<u8>]) -> Vec<u8> {
    use merkle_flags::{LEAF_BEGIN, LEAF_END, TREE_BEGIN, TREE_END};
    assert!(board.expect(opcode::MERKLE, &[TREE_BEGIN]).is_empty());
    for leaf in leaves {
        let pieces = leaf.len().div_ceil(MAX_PAYLOAD_BYTES - 1).max(1);
        for i in 0..pieces {
            let from = i * (MAX_PAYLOAD_BYTES - 1);
            let data = &leaf[from..leaf.len().min(from + MAX_PAYLOAD_BYTES - 1)];
            let begin = if i == 0 { LEAF_BEGIN } else { 0 };
            let end = if i + 1 == pieces { LEAF_END } else { 0 };
            assert!(board.expect(opcode::MERKLE, &[&[begin | end], data].concat()).is_empty());
        }
    }
    board.expect(opcode::MERKLE, &[TREE_END])
}

fn tree_heads(board: &mut Raw, budget: &Budget) {
    let mut random = Random::new(5);
    for count in 0..=9 {
        let leaves: Vec<_> = (0..count).map(|_| random.bytes(count * 7)).collect();
        assert_eq!(head_of(board, &leaves), tree_head(&leaves), "{count} leaves");
    }
    for len in budget.lengths() {
        let leaves = [random.bytes(len), random.bytes(600 - len), vec![]];
        assert_eq!(head_of(board, &leaves), tree_head(&leaves), "a leaf of {len} bytes");
    }
    let leaves: Vec<_> = (0..64).map(|i| random.bytes(i * 9)).collect();
    assert_eq!(head_of(board, &leaves), tree_head(&leaves), "64 leaves");
    assert_eq!(head_of(board, &leaves[..63]), tree_head(&leaves[..63]), "63 leaves");
}

fn long_leaves(board: &mut Raw, _: &Budget) {
    use merkle_flags::{LEAF_BEGIN, LEAF_END, TREE_BEGIN, TREE_END};
    let mut random = Random::new(6);
    let leaves = [random.bytes(5_000), random.bytes(3)];
    // Flags alone, data alone, and everything at once.
    let mut ask = |flags: u8, data: &[u8]| board.expect(opcode::MERKLE, &[&[flags], data].concat());
    ask(TREE_BEGIN | LEAF_BEGIN, b"");
    leaves[0].chunks(97).for_each(|data| assert!(ask(0, data).is_empty()));
    ask(0, b"");
    ask(LEAF_END, b"");
    ask(LEAF_BEGIN, &leaves[1]);
    assert_eq!(ask(LEAF_END | TREE_END, b""), tree_head(&leaves));
    let alone = TREE_BEGIN | LEAF_BEGIN | LEAF_END | TREE_END;
    assert_eq!(ask(alone, b"only"), tree_head(&[b"only"]));
    assert_eq!(ask(alone, b""), tree_head(&[b""]));
    assert_eq!(ask(TREE_BEGIN | TREE_END, b""), sha256(b""));
}

fn tree_order(board: &mut Raw, _: &Budget) {
    use merkle_flags::{LEAF_BEGIN, LEAF_END, TREE_BEGIN, TREE_END};
    let bad_state = (status::BAD_STATE, vec![]);
    board.engine(opcode::MERKLE, TREE_BEGIN | TREE_END, b"");
    for flags in [0, LEAF_BEGIN, LEAF_END, TREE_END, LEAF_BEGIN | LEAF_END | TREE_END] {
        assert_eq!(board.engine(opcode::MERKLE, flags, b"x"), bad_state, "flags {flags:#04x} without a tree");
    }
    assert_eq!(board.engine(opcode::MERKLE, TREE_BEGIN, b"x"), bad_state, "data without a leaf");
    assert_eq!(board.engine(opcode::MERKLE, LEAF_END, b""), bad_state, "the end of no leaf");
    assert_eq!(board.engine(opcode::MERKLE, LEAF_BEGIN, b"fi").0, status::OK);
    assert_eq!(board.engine(opcode::MERKLE, LEAF_BEGIN, b"!"), bad_state, "a leaf within a leaf");
    assert_eq!(board.engine(opcode::MERKLE, TREE_END, b""), bad_state, "the end of a tree with an open leaf");
    assert_eq!(board.engine(opcode::MERKLE, LEAF_END, b"rst").0, status::OK);
    assert_eq!(board.engine(opcode::MERKLE, 0, b"x"), bad_state, "data after a leaf");
    assert_eq!(board.engine(opcode::MERKLE, LEAF_BEGIN | LEAF_END, b"second").0, status::OK);
    let head = (status::OK, tree_head(&["first", "second"]).to_vec());
    assert_eq!(board.engine(opcode::MERKLE, TREE_END, b""), head, "what was refused changed the tree");
    assert_eq!(board.engine(opcode::MERKLE, TREE_END, b""), bad_state, "the tree was finished");
    // A tree begun anew forgets leaves and open leaf.
    board.engine(opcode::MERKLE, TREE_BEGIN | LEAF_BEGIN | LEAF_END, b"forgotten");
    board.engine(opcode::MERKLE, LEAF_BEGIN, b"forgotten too");
    let head = (status::OK, tree_head(&["new"]).to_vec());
    assert_eq!(board.engine(opcode::MERKLE, TREE_BEGIN | LEAF_BEGIN | LEAF_END | TREE_END, b"new"), head);
}

/// An echo request as bytes before COBS, to be broken.
fn plain_echo() -> Vec<u8> {
    let mut plain = vec![wire::WIRE_VERSION, 9, opcode::ECHO, 0, 4, 0];
    plain.extend_from_slice(b"lost");
    plain.extend_from_slice(&wire::crc32(&plain).to_le_bytes());
    plain
}

/// Sends what is no frame, and expects no answer to it, `count` in `FRAMES_BAD`, and an answer to the next frame.
fn drops(board: &mut Raw, bytes: &[u8], count: u32, what: &str) {
    let before = board.frames_bad();
    board.send_bytes(bytes);
    assert_eq!(board.expect(opcode::ECHO, b"heard"), b"heard", "{what}");
    assert_eq!(board.frames_bad().wrapping_sub(before), count, "FRAMES_BAD after {what}");
}

fn broken_frames(board: &mut Raw, _: &Budget) {
    let sound = plain_echo();
    drops(board, &[], 0, "nothing");
    drops(board, &[DELIMITER; 20], 0, "delimiters");
    for i in 0..sound.len() {
        let mut plain = sound.clone();
        plain[i] ^= 0x10;
        drops(board, &stuffed(&plain), 1, &format!("a flipped bit in byte {i}"));
    }
    // A length that lies, under a CRC that is right.
    for len in [0_u16, 3, 5, 260, 513, 0xFFFF] {
        let mut plain = sound[..sound.len() - 4].to_vec();
        plain[4..6].copy_from_slice(&len.to_le_bytes());
        plain.extend_from_slice(&wire::crc32(&plain).to_le_bytes());
        drops(board, &stuffed(&plain), 1, &format!("a length of {len}"));
    }
    for len in 1..10 {
        drops(board, &stuffed(&sound[..len]), 1, &format!("{len} bytes"));
    }
    // Six bytes of header and no room for the CRC, though the last four bytes are one.
    let crc = wire::crc32(&sound[..4]).to_le_bytes();
    drops(board, &stuffed(&[&sound[..4], &crc].concat()), 1, "a frame shorter than its header");
    // Too long by one payload byte, and too long by far.
    let mut plain = vec![wire::WIRE_VERSION, 9, opcode::HASH, 0, 1, 2];
    plain.resize(6 + 513, 1);
    plain.extend_from_slice(&wire::crc32(&plain).to_le_bytes());
    drops(board, &stuffed(&plain), 1, "513 bytes of payload");
    drops(board, &[&[0x55; 3_000][..], &[DELIMITER]].concat(), 1, "an endless frame");
    // Sound bytes, but the last COBS block says that one more would come.
    let mut line = stuffed(&sound);
    let mut block = 0;
    while block + usize::from(line[block]) < line.len() - 1 {
        block += usize::from(line[block]);
    }
    line[block] += 1;
    drops(board, &line, 1, "a cut COBS block");
    board.expect_silence();
}

fn broken_frames_within_a_message(board: &mut Raw, _: &Budget) {
    board.engine(opcode::HASH, hash_flags::BEGIN, b"a");
    let payload = [hash_flags::BEGIN | hash_flags::END, b'!'];
    let mut line = encoded(&Frame::request(1, opcode::HASH, &payload));
    let last = line.len() - 2;
    line[last] ^= 1;
    drops(board, &line, 1, "a broken BEGIN");
    drops(board, &[3, 3, 3, DELIMITER, 7, DELIMITER], 2, "garbage");
    let digest = board.engine(opcode::HASH, hash_flags::END, b"bc");
    assert_eq!(digest, (status::OK, sha256(b"abc").to_vec()), "a broken frame touched the open message");
}

fn garbage(board: &mut Raw, budget: &Budget) {
    let mut random = Random::new(7);
    for round in 0..budget.garbage {
        let len = random.below(40);
        let mut noise = random.bytes(len);
        noise.retain(|&byte| byte != DELIMITER);
        // Before a frame, closed by its own delimiter; or glued to a frame, which is lost with it.
        let count = u32::from(!noise.is_empty());
        if round % 2 == 0 {
            noise.push(DELIMITER);
            drops(board, &noise, count, "garbage and a delimiter");
        } else {
            let glued = [noise, encoded(&Frame::request(0xAA, opcode::ECHO, b"glued"))].concat();
            if count == 1 {
                drops(board, &glued, 1, "a frame glued to garbage");
            }
        }
        let message = random.bytes(100);
        let digest = hash_in_pieces(board, &message, || 64);
        assert_eq!(digest, sha256(&message), "after garbage");
    }
}

fn truncations(board: &mut Raw, budget: &Budget) {
    let line = encoded(&Frame::request(3, opcode::ECHO, b"truncated"));
    let step = budget.length_step.min(5);
    for len in (1..line.len() - 1).step_by(step) {
        // Cut off, then delimited.
        let cut = [&line[..len], &[DELIMITER]].concat();
        drops(board, &cut, 1, &format!("a frame cut to {len} bytes"));
        // A hole.
        let hole = [&line[..len], &line[len + 1..]].concat();
        drops(board, &hole, 1, &format!("a frame without its byte {len}"));
        // One byte twice.
        let twice = [&line[..=len], &line[len..]].concat();
        drops(board, &twice, 1, &format!("a frame with its byte {len} twice"));
    }
}
