//! The whole board, byte for byte: what goes out of `uart_tx` for what comes in at `uart_rx`, time left aside.
//!
//! # Behaviour
//! A frame that COBS, the length field or the CRC shows to be broken is dropped: `FRAMES_BAD` counts it, nothing is
//! answered and no state changes. So is a frame around a character with a broken stop bit ([`GoldenBoard::push_broken`]),
//! and in gateware a frame that finds no room in the receive queue.
//!
//! Every other frame is carried out and answered, in order; `FRAMES_OK` counts it when its turn comes, so a read of
//! `FRAMES_OK` includes itself and everything sent before it. `FRAMES_BAD` counts on arrival. The first of these checks
//! that fails decides the status of the response, and the payload of that response is empty:
//!
//! 1. version byte: `BAD_VERSION`, with the board's own version byte as payload;
//! 2. opcode unknown, or its engine not on this board: `BAD_OPCODE`;
//! 3. payload length (register reads 2, writes 6, `ECHO` at most 64, `HASH` and `MERKLE` at least 1, `VAULT_OPEN` 49,
//!    `VAULT_DERIVE` at most 128, `VAULT_ATTEST` 32, the others of the vault and `ENTROPY` 0): `BAD_LENGTH`;
//! 4. register unknown, or written and read-only: `BAD_ADDRESS`; undefined flag bits: `BAD_FLAGS`;
//! 5. the engine: `BAD_STATE` or `TREE_FULL`; the vault, the rings and their random bits: the statuses from 8 on, see
//!    below.
//!
//! The status byte of a request is ignored. The response repeats tag and opcode, the latter with `RESPONSE_BIT` set.
//!
//! # The hashing engine
//! There is one: a message or a tree is open, or neither. `BEGIN` and `TREE_BEGIN` forget what was open. A `HASH` frame
//! without `BEGIN` needs an open message, a `MERKLE` frame without `TREE_BEGIN` an open tree, else it is `BAD_STATE` and
//! does nothing. The steps of a frame are carried out in the order begin, leaf begin, data, leaf end, end. The first
//! step that is refused decides the status; the rest of the frame is skipped, and what the steps before it did stays.
//! A leaf must be open for data and `LEAF_END`, and closed for `LEAF_BEGIN` and `TREE_END`. Finishing closes the message
//! or the tree.
//!
//! # The vault
//! It computes as [`twinseal_puf::vault`] does and shares the hashing engine: any request with one of its opcodes, or
//! with `ENTROPY`, forgets an open message or tree, whatever its status, if the board has the engine for that opcode.
//!
//! `VAULT_ENROL`: after eight refusals `REFUSED`; without the pin `NOT_PERMITTED`; 16 samples of the rings, `RING_FAULT`
//! if they are unhealthy; else helper data and a new root. A root that was there stays unless there is a new one.
//!
//! `VAULT_OPEN`: the root is forgotten; 4 samples; after eight refusals `REFUSED`, whatever was read; `RING_FAULT` if the
//! samples are unhealthy; `REFUSED` if the helper data are not those of this chip. Only the last counts as a refusal. Of
//! whatever kind a `REFUSED` is, it is held back for [`GoldenBoard::backoff_clocks`].
//!
//! `VAULT_CLOSE` forgets the root. `VAULT_DERIVE` and `VAULT_ATTEST` need one, else `CLOSED`.
//!
//! `ENTROPY`: 4 samples when it is asked for the first time, then 4 samples hashed; each is 256 raw bits
//! ([`twinseal_puf::entropy`]). `ENTROPY_FAULT` from the first raw bit at which a health test fails until power-up; then
//! the rings are not read any more. Without the vault `ENTROPY` is the same.
//!
//! A sample reads pairs 0 to 255 in turn. Every sample, for whatever purpose, has noise of its own.

use std::collections::VecDeque;

use twinseal_puf::entropy::{self, HealthTests, SEED_RAW_BITS};
use twinseal_puf::reading::{self, Differences, ENROLMENT_SAMPLES, Fault, RECONSTRUCTION_SAMPLES};
use twinseal_puf::silicon::{Chip, Condition, Device, PowerUp, ROOM};
use twinseal_puf::vault::{self, Helper, MAX_FAILURES, Vault};
use twinseal_puf::{PAIRS, RINGS};
use twinseal_wire::{
    self as wire, Access, Decoder, Frame, MAX_ENCODED_BYTES, MAX_RESPONSE_BYTES, RESPONSE_BIT, hash_flags,
    merkle_flags, opcode, register, status,
};

use super::merkle::{self, Merkle};
use super::sha256::Sha256;

/// What a board is built with; the default is the board the sources describe, at 12 MHz.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Its version byte, also in the register.
    pub wire_version: u8,
    /// `IDENT`.
    pub ident: u32,
    /// `MAP_HASH`.
    pub map_hash: u32,
    /// `BUILD_ID`.
    pub build_id: u32,
    /// `ENGINES`; the opcodes of absent engines are unknown.
    pub engines: u32,
    /// `CLOCK_HZ`.
    pub clock_hz: u32,
    /// A tree may have 2^`tree_depth` - 1 leaves.
    pub tree_depth: u32,
    /// What its rings do.
    pub rings: Rings,
    /// Whether the pin that permits enrolment is held; true for a board without one.
    pub enrol_permitted: bool,
}

/// The rings of a board, from one power-up to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rings {
    /// They stand still: a board made of a decompiled image, which has no analog parts.
    Still,
    /// Those of a virtual chip.
    Silicon {
        /// Which chip.
        seed: [u8; 32],
        /// On which device.
        device: Device,
        /// Which power-up: the noise.
        power_up: u64,
        /// Temperature, supply and age.
        condition: Condition,
    },
}

impl Rings {
    /// The chip of `seed` at room temperature, switched on for the `power_up`-th time.
    pub const fn of_chip(seed: [u8; 32], power_up: u64) -> Self {
        Self::Silicon { seed, device: Device::Hx8k, power_up, condition: ROOM }
    }

    fn switched_on(self) -> Option<PowerUp> {
        let Self::Silicon { seed, device, power_up, condition } = self else { return None };
        // The file of parameters is compiled in, and its crate tests that it parses.
        Chip::of_the_project(seed, device).ok().map(|chip| chip.power_up(&condition, power_up))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wire_version: wire::WIRE_VERSION,
            ident: wire::IDENT,
            map_hash: wire::MAP_HASH,
            build_id: 0,
            engines: wire::engines::ALL.iter().fold(0, |all, (bit, _)| all | bit),
            clock_hz: 12_000_000,
            tree_depth: crate::top::STACK_DEPTH as u32,
            rings: Rings::of_chip([0; 32], 0),
            enrol_permitted: true,
        }
    }
}

/// The model. Requests are carried out the moment their delimiter is pushed.
#[derive(Debug)]
pub struct GoldenBoard {
    options: Options,
    decoder: Decoder,
    /// A broken character came since the last delimiter.
    broken: bool,
    to_host: VecDeque<u8>,
    work: Work,
    scratch: u32,
    frames_ok: u32,
    frames_bad: u32,
    vault: Vault,
    tests: HealthTests,
    /// A health test of the random bits failed.
    faulty: bool,
    /// `None` if they stand still.
    rings: Option<PowerUp>,
}

/// What the engine has open.
#[derive(Clone, Debug)]
enum Work {
    None,
    Message(Sha256),
    Tree(Merkle),
}

/// A status other than `OK`, with the payload that goes with it.
type Refused = (u8, Vec<u8>);

impl GoldenBoard {
    /// A board after power-on.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            decoder: Decoder::new(),
            broken: false,
            to_host: VecDeque::new(),
            work: Work::None,
            scratch: 0,
            frames_ok: 0,
            frames_bad: 0,
            vault: Vault::new(options.build_id),
            tests: HealthTests::new(),
            faulty: false,
            rings: options.rings.switched_on(),
        }
    }

    /// Takes one byte from the line.
    pub fn push(&mut self, byte: u8) {
        let request = match self.decoder.push(byte) {
            Some(Ok(frame)) if !self.broken => {
                Some((frame.version, frame.tag, frame.opcode, frame.payload.to_vec()))
            }
            Some(_) => None,
            None if byte == wire::DELIMITER && self.broken => None,
            None => return,
        };
        self.broken = false;
        match request {
            Some((version, tag, opcode, payload)) => self.execute(version, tag, opcode, &payload),
            None => self.frames_bad = self.frames_bad.wrapping_add(1),
        }
    }

    /// Takes a character whose stop bit was low: whatever it was, the frame it fell into is dropped.
    pub fn push_broken(&mut self) {
        self.broken = true;
    }

    /// The next byte to the line.
    pub fn pop(&mut self) -> Option<u8> {
        self.to_host.pop_front()
    }

    /// Clocks that a `REFUSED` of `VAULT_OPEN` is held back now; the model itself answers at once.
    pub fn backoff_clocks(&self) -> u64 {
        self.vault.backoff_clocks(self.options.clock_hz)
    }

    fn execute(&mut self, version: u8, tag: u8, opcode: u8, payload: &[u8]) {
        self.frames_ok = self.frames_ok.wrapping_add(1);
        let (status, answer) = match self.answer(version, opcode, payload) {
            Ok(answer) => (status::OK, answer),
            Err(refused) => refused,
        };
        let response = Frame {
            version: self.options.wire_version,
            tag,
            opcode: opcode | RESPONSE_BIT,
            status,
            payload: &answer,
        };
        let mut line = [0; MAX_ENCODED_BYTES];
        // No answer is longer than MAX_RESPONSE_BYTES, so encoding cannot fail.
        if let Ok(len) = wire::encode(&response, &mut line) {
            self.to_host.extend(&line[..len]);
        }
    }

    fn answer(&mut self, version: u8, opcode: u8, payload: &[u8]) -> Result<Vec<u8>, Refused> {
        let refuse = |status| Err((status, Vec::new()));
        if version != self.options.wire_version {
            return Err((status::BAD_VERSION, vec![self.options.wire_version]));
        }
        let engines = self.options.engines;
        let has = |engine| engines & engine != 0;
        if matches!(opcode, opcode::VAULT_ENROL..=opcode::VAULT_ATTEST) && has(wire::engines::VAULT)
            || opcode == opcode::ENTROPY && has(wire::engines::ENTROPY)
        {
            self.work = Work::None;
            return self.vault(opcode, payload).or_else(refuse);
        }
        match (opcode, payload) {
            (opcode::READ_REGISTER, &[lo, hi]) => {
                let value = self.read(u16::from_le_bytes([lo, hi]));
                value.map(|v| v.to_le_bytes().to_vec()).map_or_else(|| refuse(status::BAD_ADDRESS), Ok)
            }
            (opcode::WRITE_REGISTER, &[lo, hi, ref value @ ..]) if value.len() == 4 => {
                let address = u16::from_le_bytes([lo, hi]);
                let known = register::ALL.iter().find(|r| r.address == address);
                if known.is_none_or(|r| r.access != Access::ReadWrite) {
                    return refuse(status::BAD_ADDRESS);
                }
                self.scratch = value.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
                Ok(Vec::new())
            }
            (opcode::ECHO, bytes) if bytes.len() <= MAX_RESPONSE_BYTES => Ok(bytes.to_vec()),
            (opcode::HASH, &[flags, ref data @ ..]) if has(wire::engines::SHA256) => {
                if flags & !hash_flags::MASK != 0 {
                    return refuse(status::BAD_FLAGS);
                }
                self.hash(flags, data).or_else(refuse)
            }
            (opcode::MERKLE, &[flags, ref data @ ..]) if has(wire::engines::MERKLE) => {
                if flags & !merkle_flags::MASK != 0 {
                    return refuse(status::BAD_FLAGS);
                }
                self.merkle(flags, data).or_else(refuse)
            }
            (opcode::READ_REGISTER | opcode::WRITE_REGISTER | opcode::ECHO, _) => refuse(status::BAD_LENGTH),
            (opcode::HASH, _) if has(wire::engines::SHA256) => refuse(status::BAD_LENGTH),
            (opcode::MERKLE, _) if has(wire::engines::MERKLE) => refuse(status::BAD_LENGTH),
            _ => refuse(status::BAD_OPCODE),
        }
    }

    fn read(&self, address: u16) -> Option<u32> {
        Some(match address {
            register::IDENT => self.options.ident,
            register::WIRE_VERSION => self.options.wire_version.into(),
            register::MAP_HASH => self.options.map_hash,
            register::BUILD_ID => self.options.build_id,
            register::ENGINES => self.options.engines,
            register::CLOCK_HZ => self.options.clock_hz,
            register::SCRATCH => self.scratch,
            register::FRAMES_OK => self.frames_ok,
            register::FRAMES_BAD => self.frames_bad,
            _ => return None,
        })
    }

    fn hash(&mut self, flags: u8, data: &[u8]) -> Result<Vec<u8>, u8> {
        if flags & hash_flags::BEGIN != 0 {
            self.work = Work::Message(Sha256::new());
        }
        let Work::Message(message) = &mut self.work else { return Err(status::BAD_STATE) };
        message.update(data);
        if flags & hash_flags::END == 0 {
            return Ok(Vec::new());
        }
        let digest = message.clone().finish();
        self.work = Work::None;
        Ok(digest.to_vec())
    }

    fn merkle(&mut self, flags: u8, data: &[u8]) -> Result<Vec<u8>, u8> {
        if flags & merkle_flags::TREE_BEGIN != 0 {
            let mut tree = Merkle::new(self.options.tree_depth);
            tree.tree_begin();
            self.work = Work::Tree(tree);
        }
        let Work::Tree(tree) = &mut self.work else { return Err(status::BAD_STATE) };
        let status_of = |refusal| match refusal {
            merkle::Refusal::State => status::BAD_STATE,
            merkle::Refusal::Full => status::TREE_FULL,
        };
        if flags & merkle_flags::LEAF_BEGIN != 0 {
            tree.leaf_begin().map_err(status_of)?;
        }
        if !data.is_empty() {
            tree.data(data).map_err(status_of)?;
        }
        if flags & merkle_flags::LEAF_END != 0 {
            tree.leaf_end().map_err(status_of)?;
        }
        if flags & merkle_flags::TREE_END == 0 {
            return Ok(Vec::new());
        }
        let head = tree.tree_end().map_err(status_of)?;
        self.work = Work::None;
        Ok(head.to_vec())
    }

    fn vault(&mut self, opcode: u8, payload: &[u8]) -> Result<Vec<u8>, u8> {
        match opcode {
            opcode::VAULT_ENROL if payload.is_empty() => self.enrol(),
            opcode::VAULT_OPEN => {
                let helper = payload.try_into().map_err(|_| status::BAD_LENGTH)?;
                self.open(&Helper::decode(helper)).map(|()| Vec::new())
            }
            opcode::VAULT_CLOSE if payload.is_empty() => {
                self.vault.close();
                Ok(Vec::new())
            }
            opcode::VAULT_DERIVE => self.vault.derive(payload).map(|key| key.to_vec()).map_err(status_of),
            opcode::VAULT_ATTEST => {
                let challenge = payload.try_into().map_err(|_| status::BAD_LENGTH)?;
                self.vault.attest(challenge).map(|mac| mac.to_vec()).map_err(status_of)
            }
            opcode::ENTROPY if payload.is_empty() => self.entropy(),
            _ => Err(status::BAD_LENGTH),
        }
    }

    fn enrol(&mut self) -> Result<Vec<u8>, u8> {
        if self.vault.failures() >= MAX_FAILURES {
            return Err(status::REFUSED);
        }
        if !self.options.enrol_permitted {
            return Err(status::NOT_PERMITTED);
        }
        let reading = self.read_rings(ENROLMENT_SAMPLES).map_err(|_| status::RING_FAULT)?;
        self.vault.enrol(&reading).map(|helper| helper.encode().to_vec()).map_err(status_of)
    }

    fn open(&mut self, helper: &Helper) -> Result<(), u8> {
        self.vault.close();
        let reading = self.read_rings(RECONSTRUCTION_SAMPLES);
        if self.vault.failures() >= MAX_FAILURES {
            return Err(status::REFUSED);
        }
        self.vault.open(helper, &reading.map_err(|_| status::RING_FAULT)?).map_err(status_of)
    }

    fn read_rings(&mut self, samples: usize) -> Result<Differences, Fault> {
        match &mut self.rings {
            Some(rings) => Differences::read(rings, self.options.clock_hz, samples),
            None => Err(Fault::Count),
        }
    }

    fn entropy(&mut self) -> Result<Vec<u8>, u8> {
        if !self.tests.ready() {
            self.raw_bits()?;
        }
        Ok(entropy::condition(&self.raw_bits()?).to_vec())
    }

    /// As many raw bits as the start-up tests take, and as one output takes.
    fn raw_bits(&mut self) -> Result<[bool; SEED_RAW_BITS], u8> {
        let mut raw = [false; SEED_RAW_BITS];
        let window = reading::window_clocks(self.options.clock_hz);
        for sample in raw.chunks_exact_mut(PAIRS) {
            // After a fault nothing is read.
            if self.faulty {
                return Err(status::ENTROPY_FAULT);
            }
            let steps = match &mut self.rings {
                Some(rings) => rings.sample_steps(self.options.clock_hz),
                None => vec![0; RINGS],
            };
            for (bit, pair) in sample.iter_mut().zip(steps.chunks_exact(2)) {
                *bit = entropy::raw_bit(reading::count(pair[0], window), reading::count(pair[1], window));
                self.faulty |= self.tests.push(*bit).is_err();
            }
        }
        if self.faulty { Err(status::ENTROPY_FAULT) } else { Ok(raw) }
    }
}

fn status_of(refusal: vault::Refusal) -> u8 {
    match refusal {
        vault::Refusal::Refused => status::REFUSED,
        vault::Refusal::Closed => status::CLOSED,
        vault::Refusal::Length => status::BAD_LENGTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::merkle::tree_head;
    use crate::golden::sha256::sha256;

    type Answer = (u8, Vec<u8>);

    fn ask(board: &mut GoldenBoard, opcode: u8, payload: &[u8]) -> Answer {
        exchange(board, &Frame::request(9, opcode, payload)).expect("an answer")
    }

    fn exchange(board: &mut GoldenBoard, request: &Frame<'_>) -> Option<Answer> {
        let mut line = [0; MAX_ENCODED_BYTES];
        let len = wire::encode(request, &mut line).unwrap();
        line[..len].iter().for_each(|&byte| board.push(byte));
        let mut decoder = Decoder::new();
        while let Some(byte) = board.pop() {
            if let Some(frame) = decoder.push(byte) {
                let frame = frame.unwrap();
                assert_eq!((frame.tag, frame.opcode), (request.tag, request.opcode | RESPONSE_BIT));
                return Some((frame.status, frame.payload.to_vec()));
            }
        }
        None
    }

    fn read(board: &mut GoldenBoard, address: u16) -> u32 {
        let (status, value) = ask(board, opcode::READ_REGISTER, &address.to_le_bytes());
        assert_eq!(status, status::OK);
        u32::from_le_bytes(value.try_into().unwrap())
    }

    #[test]
    fn every_register_of_the_map_answers() {
        let options = Options { build_id: 7, clock_hz: 25_000_000, ..Options::default() };
        let mut board = GoldenBoard::new(options);
        for r in register::ALL {
            read(&mut board, r.address);
            let mut write = r.address.to_le_bytes().to_vec();
            write.extend_from_slice(&[1, 2, 3, 4]);
            let expected = if r.access == Access::ReadWrite { status::OK } else { status::BAD_ADDRESS };
            assert_eq!(ask(&mut board, opcode::WRITE_REGISTER, &write), (expected, vec![]));
        }
        assert_eq!(read(&mut board, register::IDENT), wire::IDENT);
        assert_eq!(read(&mut board, register::BUILD_ID), 7);
        assert_eq!(read(&mut board, register::CLOCK_HZ), 25_000_000);
        assert_eq!(read(&mut board, register::SCRATCH), 0x0403_0201);
        assert_eq!(read(&mut board, register::FRAMES_OK), 2 * register::ALL.len() as u32 + 5);
    }

    #[test]
    fn checks_come_in_the_documented_order() {
        let mut board = GoldenBoard::new(Options { engines: wire::engines::SHA256, ..Options::default() });
        let stranger = Frame { version: 2, tag: 1, opcode: 0x55, status: 3, payload: &[] };
        assert_eq!(exchange(&mut board, &stranger), Some((status::BAD_VERSION, vec![wire::WIRE_VERSION])));
        for (opcode, payload, expected) in [
            (0x55, &[][..], status::BAD_OPCODE),
            (opcode::MERKLE, &[], status::BAD_OPCODE),
            (opcode::READ_REGISTER, &[1, 2, 3], status::BAD_LENGTH),
            (opcode::READ_REGISTER, &[1, 0], status::BAD_ADDRESS),
            (opcode::WRITE_REGISTER, &[0x18, 0, 1], status::BAD_LENGTH),
            (opcode::ECHO, &[0; 65], status::BAD_LENGTH),
            (opcode::HASH, &[], status::BAD_LENGTH),
            (opcode::HASH, &[4], status::BAD_FLAGS),
            (opcode::HASH, &[0], status::BAD_STATE),
        ] {
            assert_eq!(ask(&mut board, opcode, payload), (expected, vec![]), "{opcode:#x} {payload:?}");
        }
    }

    #[test]
    fn broken_frames_are_counted_and_not_answered() {
        let mut board = GoldenBoard::new(Options::default());
        for byte in [0, 0, 5, 1, 0, 1, 0] {
            board.push(byte);
        }
        board.push_broken();
        assert_eq!(exchange(&mut board, &Frame::request(1, opcode::ECHO, b"lost")), None);
        board.push_broken();
        board.push(0);
        assert_eq!(board.pop(), None);
        assert_eq!(read(&mut board, register::FRAMES_BAD), 4);
        assert_eq!(ask(&mut board, opcode::ECHO, b"heard"), (status::OK, b"heard".to_vec()));
    }

    #[test]
    fn messages_and_trees_span_frames_and_survive_refusals() {
        use hash_flags::{BEGIN, END};
        use merkle_flags::{LEAF_BEGIN, LEAF_END, TREE_BEGIN, TREE_END};
        let mut board = GoldenBoard::new(Options { tree_depth: 1, ..Options::default() });
        let mut hash = |flags: u8, data: &[u8]| ask(&mut board, opcode::HASH, &[&[flags], data].concat());
        assert_eq!(hash(BEGIN, b"a"), (status::OK, vec![]));
        assert_eq!(hash(0x80, b"x"), (status::BAD_FLAGS, vec![]));
        assert_eq!(hash(END, b"bc"), (status::OK, sha256(b"abc").to_vec()));
        assert_eq!(hash(END, b""), (status::BAD_STATE, vec![]));
        let mut merkle = |flags: u8, data: &[u8]| ask(&mut board, opcode::MERKLE, &[&[flags], data].concat());
        assert_eq!(merkle(LEAF_BEGIN, b""), (status::BAD_STATE, vec![]));
        assert_eq!(merkle(TREE_BEGIN, b"x"), (status::BAD_STATE, vec![]));
        assert_eq!(merkle(LEAF_BEGIN, b"le"), (status::OK, vec![]));
        assert_eq!(merkle(TREE_END, b"a"), (status::BAD_STATE, vec![]));
        assert_eq!(merkle(LEAF_END | LEAF_BEGIN, b"!"), (status::BAD_STATE, vec![]));
        assert_eq!(merkle(LEAF_END, b"f"), (status::OK, vec![]));
        assert_eq!(merkle(LEAF_BEGIN, b"second"), (status::TREE_FULL, vec![]));
        assert_eq!(merkle(TREE_END, b""), (status::OK, tree_head([b"leaf"]).to_vec()));
        assert_eq!(merkle(TREE_BEGIN | TREE_END, b""), (status::OK, sha256(b"").to_vec()));
        assert_eq!(merkle(TREE_END, b""), (status::BAD_STATE, vec![]));
    }

    #[test]
    fn sizes_on_the_wire_are_those_of_the_vault() {
        assert_eq!(wire::vault::HELPER_BYTES, vault::HELPER_BYTES);
        assert_eq!(wire::vault::MAX_LABEL_BYTES, vault::MAX_LABEL_BYTES);
        assert_eq!(wire::vault::CHALLENGE_BYTES, vault::CHALLENGE_BYTES);
        const { assert!(vault::HELPER_BYTES <= MAX_RESPONSE_BYTES) };
    }

    #[test]
    fn the_vault_opens_with_its_own_helper_data_after_power_up() {
        let chip = |seed: u8, power_up| {
            GoldenBoard::new(Options { rings: Rings::of_chip([seed; 32], power_up), ..Options::default() })
        };
        let mut board = chip(1, 0);
        assert_eq!(ask(&mut board, opcode::VAULT_DERIVE, b"label"), (status::CLOSED, vec![]));
        assert_eq!(ask(&mut board, opcode::VAULT_ATTEST, &[5; 32]), (status::CLOSED, vec![]));
        let (status, helper) = ask(&mut board, opcode::VAULT_ENROL, b"");
        assert_eq!((status, helper.len()), (status::OK, vault::HELPER_BYTES));
        let (status, key) = ask(&mut board, opcode::VAULT_DERIVE, b"label");
        assert_eq!((status, key.len()), (status::OK, wire::vault::KEY_BYTES));
        assert_eq!(ask(&mut board, opcode::VAULT_CLOSE, b""), (status::OK, vec![]));
        assert_eq!(ask(&mut board, opcode::VAULT_DERIVE, b"label"), (status::CLOSED, vec![]));

        let mut later = chip(1, 1);
        assert_eq!(ask(&mut later, opcode::VAULT_OPEN, &helper), (status::OK, vec![]));
        assert_eq!(ask(&mut later, opcode::VAULT_DERIVE, b"label"), (status::OK, key));
        let mut other = chip(2, 0);
        assert_eq!(ask(&mut other, opcode::VAULT_OPEN, &helper), (status::REFUSED, vec![]));
        assert_eq!(ask(&mut other, opcode::VAULT_DERIVE, b"label"), (status::CLOSED, vec![]));
    }

    #[test]
    fn the_vault_checks_in_the_documented_order() {
        let still = Options { rings: Rings::Still, enrol_permitted: false, ..Options::default() };
        let mut board = GoldenBoard::new(still);
        for (opcode, payload, expected) in [
            (opcode::VAULT_ENROL, &[0][..], status::BAD_LENGTH),
            (opcode::VAULT_ENROL, &[], status::NOT_PERMITTED),
            (opcode::VAULT_OPEN, &[1; 48], status::BAD_LENGTH),
            (opcode::VAULT_OPEN, &[1; 50], status::BAD_LENGTH),
            (opcode::VAULT_OPEN, &[1; 49], status::RING_FAULT),
            (opcode::VAULT_CLOSE, &[0], status::BAD_LENGTH),
            (opcode::VAULT_DERIVE, &[0; 129], status::BAD_LENGTH),
            (opcode::VAULT_ATTEST, &[0; 31], status::BAD_LENGTH),
            (opcode::ENTROPY, &[0], status::BAD_LENGTH),
            (opcode::ENTROPY, &[], status::ENTROPY_FAULT),
        ] {
            assert_eq!(ask(&mut board, opcode::HASH, &[hash_flags::BEGIN]), (status::OK, vec![]));
            assert_eq!(ask(&mut board, opcode, payload), (expected, vec![]), "{opcode:#x} {payload:?}");
            let left_open = ask(&mut board, opcode::HASH, &[hash_flags::END]);
            assert_eq!(left_open, (status::BAD_STATE, vec![]), "{opcode:#x} leaves a message open");
        }
        let mut permitted = GoldenBoard::new(Options { enrol_permitted: true, ..still });
        assert_eq!(ask(&mut permitted, opcode::VAULT_ENROL, b""), (status::RING_FAULT, vec![]));
        let mut without = GoldenBoard::new(Options { engines: wire::engines::SHA256, ..still });
        for opcode in opcode::VAULT_ENROL..=opcode::ENTROPY {
            assert_eq!(ask(&mut without, opcode::HASH, &[hash_flags::BEGIN]), (status::OK, vec![]));
            assert_eq!(ask(&mut without, opcode, b""), (status::BAD_OPCODE, vec![]));
            assert_eq!(ask(&mut without, opcode::HASH, &[hash_flags::END]).0, status::OK);
        }
    }

    #[test]
    fn eight_refusals_close_the_vault_and_faults_are_not_counted() {
        let mut board = GoldenBoard::new(Options::default());
        let (_, helper) = ask(&mut board, opcode::VAULT_ENROL, b"");
        let wrong: Vec<u8> = helper.iter().map(|byte| byte ^ 1).collect();
        assert_eq!(board.backoff_clocks(), 0);
        for refusal in 0..MAX_FAILURES {
            assert_eq!(ask(&mut board, opcode::VAULT_OPEN, &helper), (status::OK, vec![]));
            assert_eq!(ask(&mut board, opcode::VAULT_OPEN, &wrong), (status::REFUSED, vec![]));
            assert_eq!(board.backoff_clocks(), 1 << (18 + refusal));
        }
        assert_eq!(ask(&mut board, opcode::VAULT_OPEN, &helper), (status::REFUSED, vec![]));
        assert_eq!(ask(&mut board, opcode::VAULT_ENROL, b""), (status::REFUSED, vec![]));
        assert_eq!(board.backoff_clocks(), 1 << 25);

        let mut still = GoldenBoard::new(Options { rings: Rings::Still, ..Options::default() });
        for _ in 0..2 * MAX_FAILURES {
            assert_eq!(ask(&mut still, opcode::VAULT_OPEN, &helper), (status::RING_FAULT, vec![]));
        }
    }

    #[test]
    fn random_bytes_differ_and_need_rings_that_run() {
        let mut board = GoldenBoard::new(Options::default());
        let draws: Vec<Answer> = (0..4).map(|_| ask(&mut board, opcode::ENTROPY, b"")).collect();
        for (i, draw) in draws.iter().enumerate() {
            assert_eq!((draw.0, draw.1.len()), (status::OK, wire::vault::KEY_BYTES));
            assert!(!draws[..i].contains(draw));
        }
        let mut still = GoldenBoard::new(Options { rings: Rings::Still, ..Options::default() });
        for _ in 0..3 {
            assert_eq!(ask(&mut still, opcode::ENTROPY, b""), (status::ENTROPY_FAULT, vec![]));
        }
    }
}
