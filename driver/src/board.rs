//! One board: identified when it is opened, then asked to hash, by one caller at a time.

use std::fmt;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use twinseal_wire::{self as wire, engines, hash_flags, merkle_flags, opcode, register, status};
use twinseal_wire::{MAX_PAYLOAD_BYTES, MAX_RESPONSE_BYTES};
use zeroize::Zeroizing;

use crate::provider::{Digest, HashSlot, MerkleSlot};
use crate::session::{Broken, Limit, Request, Session, mismatch};
use crate::software::Software;
use crate::vault::{HelperData, Pool};
use crate::{Error, Link, StatusCode};

/// Message bytes in one full `HASH` or `MERKLE` frame; the flags take one byte of the payload.
const DATA_BYTES: usize = MAX_PAYLOAD_BYTES - 1;
/// A digest on the wire.
const DIGEST_BYTES: usize = 32;

/// How a board is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to call the board in messages; the link's own name if `None`.
    pub name: Option<String>,
    /// Limit of one call that moves no more than a few frames.
    pub deadline: Duration,
    /// Added to the limit for every KiB the call sends.
    pub deadline_per_kib: Duration,
    /// An answer that is due and does not begin to come for this long is lost.
    pub silence: Duration,
    /// Limit of one call of the vault, both whole and for silence. A board reads its rings for up to 0.7 s and holds a
    /// refusal back for up to 2.8 s of its time; a simulated one takes many times as long.
    pub vault_time: Duration,
    /// How often a call that lost a frame is repeated from its start. A call that streams from a reader never is.
    pub retries: u32,
    /// Compute every result again in software and compare.
    pub verify: bool,
    /// Start of the nonces that tell this session's echoes from older ones; random if `None`, as it should be unless a
    /// transcript is recorded or replayed.
    pub nonce: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            deadline: Duration::from_secs(5),
            deadline_per_kib: Duration::from_millis(100),
            silence: Duration::from_millis(500),
            vault_time: Duration::from_secs(120),
            retries: 1,
            verify: false,
            nonce: None,
        }
    }
}

/// An open board. Share it in an [`Arc`](std::sync::Arc): calls from several threads take turns.
pub struct Board {
    session: Mutex<Session>,
    options: Options,
    name: String,
    label: String,
    /// What the vault was opened with.
    helper: Mutex<Option<HelperData>>,
    pool: Pool,
    build_id: u32,
    engines: u32,
    clock_hz: u32,
}

impl Board {
    /// Gets in step with the board on `link`, checks that it speaks this driver's interface, and reads what it is.
    ///
    /// # Errors
    /// [`Error::Silent`] if nothing answers, [`Error::NotTwinseal`], [`Error::BoardOld`] or [`Error::DriverOld`] if
    /// something else does, and whatever the link says.
    pub fn open(link: Box<dyn Link>, options: Options) -> Result<Self, Error> {
        let session = Session::open(link, options.silence, options.nonce)?;
        let link = session.describe();
        let name = options.name.clone().unwrap_or_else(|| link.clone());
        let mut board = Self {
            session: session.into(),
            options,
            label: name.clone(),
            name,
            helper: Mutex::default(),
            pool: Pool::default(),
            build_id: 0,
            engines: 0,
            clock_hz: 0,
        };

        let [ident, wire_version] = board.read_registers([register::IDENT, register::WIRE_VERSION])?;
        if ident != wire::IDENT {
            return Err(Error::NotTwinseal { link, ident });
        }
        // A register map of another version need not have the registers that follow.
        let wire_version = u8::try_from(wire_version).unwrap_or(u8::MAX);
        if wire_version != wire::WIRE_VERSION {
            return Err(mismatch(link, wire_version, None));
        }
        let [map_hash] = board.read_registers([register::MAP_HASH])?;
        if map_hash != wire::MAP_HASH {
            return Err(mismatch(link, wire_version, Some(map_hash)));
        }
        [board.build_id, board.engines, board.clock_hz] =
            board.read_registers([register::BUILD_ID, register::ENGINES, register::CLOCK_HZ])?;
        board.label = format!("{} {:08x}", board.label, board.build_id);
        Ok(board)
    }

    /// What [`Options::name`] or the link calls it: helper data are filed under this.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name and build id, e.g. `hx8k sim 1a2b3c4d`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Names the gateware: the first four bytes, big-endian, of the SHA-256 of its Verilog.
    pub fn build_id(&self) -> u32 {
        self.build_id
    }

    /// Bit set of [`twinseal_wire::engines`].
    pub fn engines(&self) -> u32 {
        self.engines
    }

    /// The clock of the engines, in hertz.
    pub fn clock_hz(&self) -> u32 {
        self.clock_hz
    }

    /// Sends up to [`MAX_RESPONSE_BYTES`] bytes there and back.
    ///
    /// # Errors
    /// [`Error::TooLong`], or as every call.
    pub fn echo(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        const CALL: &str = "echo";
        if bytes.len() > MAX_RESPONSE_BYTES {
            return Err(Error::TooLong { call: CALL, bytes: bytes.len(), max: MAX_RESPONSE_BYTES });
        }
        let request = || Request { opcode: opcode::ECHO, payload: bytes.to_vec(), answer_bytes: bytes.len() };
        self.call(CALL, || [request()].into_iter()).map(|mut answer| core::mem::take(&mut *answer))
    }

    /// Reads a register, see [`twinseal_wire::register`].
    ///
    /// # Errors
    /// [`Error::Refused`] if there is none at `address`, or as every call.
    pub fn read_register(&self, address: u16) -> Result<u32, Error> {
        self.read_registers([address]).map(|[value]| value)
    }

    /// Writes a register.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is none at `address` or it is read-only, or as every call.
    pub fn write_register(&self, address: u16, value: u32) -> Result<(), Error> {
        let payload = [&address.to_le_bytes()[..], &value.to_le_bytes()].concat();
        let request =
            || Request { opcode: opcode::WRITE_REGISTER, payload: payload.clone(), answer_bytes: 0 };
        self.call("write register", || [request()].into_iter()).map(drop)
    }

    /// Reads several registers in one round trip.
    fn read_registers<const N: usize>(&self, addresses: [u16; N]) -> Result<[u32; N], Error> {
        let request = |address: u16| Request {
            opcode: opcode::READ_REGISTER,
            payload: address.to_le_bytes().to_vec(),
            answer_bytes: 4,
        };
        let answers = self.call("read register", || addresses.into_iter().map(request))?;
        let mut values = [0; N];
        for (value, answer) in values.iter_mut().zip(answers.chunks_exact(4)) {
            *value = answer.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        }
        Ok(values)
    }

    pub(crate) fn require(&self, bit: u32) -> Result<(), Error> {
        if self.engines & bit != 0 {
            return Ok(());
        }
        let engine = engines::ALL.iter().find(|(b, _)| *b == bit).map_or("unknown", |(_, name)| name);
        Err(Error::NoEngine { board: self.label.clone(), engine })
    }

    fn checked(&self, engine: &'static str, result: Digest, expected: Digest) -> Result<Digest, Error> {
        if result == expected {
            Ok(result)
        } else {
            Err(Error::WrongResult { board: self.label.clone(), engine })
        }
    }

    /// Carries out a call that can be repeated from its start.
    fn call<I>(&self, call: &'static str, requests: impl Fn() -> I) -> Result<Zeroizing<Vec<u8>>, Error>
    where
        I: Iterator<Item = Request>,
    {
        self.call_within(call, self.limit(), requests)
    }

    /// Carries out a request of the vault. Behind it goes an empty echo: whichever of the two is lost, the answer of the
    /// other tells, and nobody waits as long as the vault may take for an answer that cannot come.
    pub(crate) fn call_vault(
        &self,
        call: &'static str,
        request: impl Fn() -> Request,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Options { vault_time, deadline_per_kib, .. } = self.options;
        let guard = || Request { opcode: opcode::ECHO, payload: Vec::new(), answer_bytes: 0 };
        let limit = Limit::new(vault_time, deadline_per_kib, vault_time);
        self.call_within(call, limit, || [request(), guard()].into_iter())
    }

    fn call_within<I>(
        &self,
        call: &'static str,
        mut limit: Limit,
        requests: impl Fn() -> I,
    ) -> Result<Zeroizing<Vec<u8>>, Error>
    where
        I: Iterator<Item = Request>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt(&mut limit, &mut requests().map(Ok)) {
                Err(Broken::Lost) if tries <= self.options.retries => {}
                Err(broken) => return Err(self.explain(call, broken, &limit, tries)),
                Ok(answers) => return Ok(answers),
            }
        }
    }

    fn limit(&self) -> Limit {
        Limit::new(self.options.deadline, self.options.deadline_per_kib, self.options.silence)
    }

    pub(crate) fn verifies(&self) -> bool {
        self.options.verify
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn remembered(&self) -> Option<HelperData> {
        *self.helper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn remember(&self, helper: Option<HelperData>) {
        *self.helper.lock().unwrap_or_else(PoisonError::into_inner) = helper;
    }

    fn attempt(
        &self,
        limit: &mut Limit,
        requests: &mut dyn Iterator<Item = Result<Request, Error>>,
    ) -> Result<Zeroizing<Vec<u8>>, Broken> {
        // A caller that panicked left the session out of step, which the next exchange mends.
        // Waiting for another caller's turn is not the board's time.
        let mut session = limit.paused(|| self.session.lock().unwrap_or_else(PoisonError::into_inner));
        session.exchange(limit, requests)
    }

    fn explain(&self, call: &'static str, broken: Broken, limit: &Limit, tries: u32) -> Error {
        let board = self.label.clone();
        match broken {
            Broken::Lost => Error::FrameLost { board, call, tries },
            Broken::Deadline => Error::Deadline { board, call, limit_ms: limit.ms() },
            Broken::Refused(status::REFUSED) => {
                Error::HelperRefused { board, helper: "the helper data".into() }
            }
            Broken::Refused(status::CLOSED) => Error::VaultClosed { board, call },
            Broken::Refused(status::RING_FAULT) => Error::RingFault { board, call },
            Broken::Refused(status::NOT_PERMITTED) => Error::EnrolNotPermitted { board },
            Broken::Refused(status::ENTROPY_FAULT) => Error::EntropyFault { board },
            Broken::Refused(status) => Error::Refused { board, call, status: StatusCode(status) },
            Broken::Malformed(bytes) => Error::Malformed { board, call, bytes },
            Broken::Other(error) => error,
        }
    }
}

impl HashSlot for Board {
    fn hash(&self, message: &[u8]) -> Result<Digest, Error> {
        self.require(engines::SHA256)?;
        let answers = self.call("hash", || hash_requests(message))?;
        let digest = digest_of(&answers);
        if !self.options.verify {
            return Ok(digest);
        }
        self.checked("sha256", digest, Software.hash(message)?)
    }

    /// Other callers wait until `reader` has ended; it must not call this board itself.
    fn hash_reader(&self, reader: &mut dyn Read) -> Result<Digest, Error> {
        const CALL: &str = "hash of a stream";
        self.require(engines::SHA256)?;
        let mut twin = self.options.verify.then(Sha256::new);
        let mut flags = hash_flags::BEGIN;
        let mut requests = core::iter::from_fn(|| {
            if flags & hash_flags::END != 0 {
                return None;
            }
            let mut payload = vec![0; 1];
            if let Err(e) = Read::take(&mut *reader, DATA_BYTES as u64).read_to_end(&mut payload) {
                return Some(Err(Error::Input(e)));
            }
            if payload.len() <= DATA_BYTES {
                flags |= hash_flags::END;
            }
            if let Some(twin) = &mut twin {
                twin.update(&payload[1..]);
            }
            payload[0] = flags;
            let request = hash_request(payload);
            flags &= !hash_flags::BEGIN;
            Some(Ok(request))
        });
        let mut limit = self.limit();
        let answers = self.attempt(&mut limit, &mut requests);
        let digest = digest_of(&answers.map_err(|broken| self.explain(CALL, broken, &limit, 1))?);
        twin.map_or(Ok(digest), |twin| self.checked("sha256", digest, twin.finalize().into()))
    }

    fn engine(&self) -> &str {
        &self.label
    }
}

impl MerkleSlot for Board {
    fn merkle_root(&self, leaves: &[&[u8]]) -> Result<Digest, Error> {
        self.require(engines::MERKLE)?;
        let answers = self.call("merkle root", || merkle_requests(leaves)).map_err(|error| match error {
            Error::Refused { board, status: StatusCode(status::TREE_FULL), .. } => {
                Error::TreeFull { board, leaves: leaves.len() }
            }
            other => other,
        })?;
        let root = digest_of(&answers);
        if !self.options.verify {
            return Ok(root);
        }
        self.checked("merkle", root, Software.merkle_root(leaves)?)
    }

    fn engine(&self) -> &str {
        &self.label
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("label", &self.label)
            .field("engines", &self.engines)
            .finish_non_exhaustive()
    }
}

/// The one digest among the answers of a call, whose lengths were checked one by one.
fn digest_of(answers: &[u8]) -> Digest {
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(answers);
    digest
}

fn hash_requests(message: &[u8]) -> impl Iterator<Item = Request> {
    frames_of(message).map(|(data, first, last)| {
        let begin = if first { hash_flags::BEGIN } else { 0 };
        let end = if last { hash_flags::END } else { 0 };
        hash_request([&[begin | end], data].concat())
    })
}

fn hash_request(payload: Vec<u8>) -> Request {
    let ends = payload[0] & hash_flags::END != 0;
    Request { opcode: opcode::HASH, payload, answer_bytes: if ends { DIGEST_BYTES } else { 0 } }
}

fn merkle_requests(leaves: &[&[u8]]) -> impl Iterator<Item = Request> {
    use merkle_flags::{LEAF_BEGIN, LEAF_END, TREE_BEGIN, TREE_END};
    let last_leaf = leaves.len().wrapping_sub(1);
    let empty = leaves.is_empty().then(|| merkle_request(vec![TREE_BEGIN | TREE_END]));
    let frames = leaves.iter().enumerate().flat_map(move |(index, leaf)| {
        frames_of(leaf).map(move |(data, first, last)| {
            let mut flags = 0;
            if first {
                flags |= if index == 0 { TREE_BEGIN | LEAF_BEGIN } else { LEAF_BEGIN };
            }
            if last {
                flags |= if index == last_leaf { LEAF_END | TREE_END } else { LEAF_END };
            }
            merkle_request([&[flags], data].concat())
        })
    });
    empty.into_iter().chain(frames)
}

fn merkle_request(payload: Vec<u8>) -> Request {
    let ends = payload[0] & merkle_flags::TREE_END != 0;
    Request { opcode: opcode::MERKLE, payload, answer_bytes: if ends { DIGEST_BYTES } else { 0 } }
}

/// Cuts a message for frames, at least one, and says which is the first and which the last.
fn frames_of(message: &[u8]) -> impl Iterator<Item = (&[u8], bool, bool)> {
    let count = message.len().div_ceil(DATA_BYTES).max(1);
    (0..count).map(move |i| {
        let data = &message[i * DATA_BYTES..message.len().min((i + 1) * DATA_BYTES)];
        (data, i == 0, i + 1 == count)
    })
}
