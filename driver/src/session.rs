//! Requests and responses over a link: tags, the window, deadlines, and getting back in step after anything went wrong.
//!
//! The board answers every sound frame, in order, and drops every broken one. So an answer whose turn it is not means
//! that a frame was lost, and an answer to an `ECHO` of a fresh nonce means that nothing older can still come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use twinseal_wire as wire;
use twinseal_wire::{
    DELIMITER, Decoder, Frame, MAX_ENCODED_BYTES, MAX_IN_FLIGHT, MAX_RESPONSE_BYTES, RESPONSE_BIT,
    RX_BUFFER_BYTES, opcode, rx_cost, status,
};
use zeroize::Zeroizing;

use crate::{Error, Interface, Link};

/// When a call has to be over. Sending moves it on, so that it holds for any amount of data.
pub(crate) struct Limit {
    at: Instant,
    from: Instant,
    per_kib: Duration,
    /// Longest wait for an answer that is due.
    silence: Duration,
}

impl Limit {
    pub(crate) fn new(deadline: Duration, per_kib: Duration, silence: Duration) -> Self {
        let from = Instant::now();
        Self { at: from + deadline, from, per_kib, silence }
    }

    /// What the call was given so far.
    pub(crate) fn ms(&self) -> u64 {
        self.at.duration_since(self.from).as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn extend(&mut self, bytes: usize) {
        self.at += self.per_kib.mul_f64(bytes as f64 / 1024.0);
    }

    /// When the line, or this call, has to have moved, if it may be silent for `silence`.
    fn next_at(&self, silence: Duration) -> Instant {
        self.at.min(Instant::now() + silence)
    }

    /// Runs the caller's part, whose time is not the board's.
    pub(crate) fn paused<T>(&mut self, caller: impl FnOnce() -> T) -> T {
        let from = Instant::now();
        let result = caller();
        self.at += from.elapsed();
        result
    }

    /// Nothing moved for as long as it may: on this line, or in this call.
    fn lost(&self) -> Broken {
        if Instant::now() >= self.at { Broken::Deadline } else { Broken::Lost }
    }
}

/// Echoes sent before a board counts as silent. A board that holds back a refusal of its vault says nothing for 3.1 s.
const SYNC_ATTEMPTS: u32 = 8;

/// A request before it has a tag.
pub(crate) struct Request {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
    /// Payload bytes of its answer.
    pub(crate) answer_bytes: usize,
}

/// Why an exchange ended early.
pub(crate) enum Broken {
    /// A frame was lost, or the board forgot what it was doing: the call may be repeated from its start.
    Lost,
    /// The call's deadline passed.
    Deadline,
    /// A status other than `OK`.
    Refused(u8),
    /// An answer of this length.
    Malformed(usize),
    /// The link or the caller failed.
    Other(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// One request on the line.
struct InFlight {
    tag: u8,
    opcode: u8,
    cost: usize,
    answer_bytes: usize,
}

pub(crate) struct Session {
    link: Box<dyn Link>,
    decoder: Decoder,
    /// Tag of the next request.
    tag: u8,
    /// Counts up from a random start, so that no echo of an earlier session is taken for this one's.
    nonce: u64,
    /// Longest wait for the echo that shows that the line is in step.
    silence: Duration,
    /// The line may still carry something old.
    out_of_step: bool,
}

impl Session {
    /// Takes over `link` and gets in step with the board on it.
    pub(crate) fn open(link: Box<dyn Link>, silence: Duration, nonce: Option<u64>) -> Result<Self, Error> {
        let nonce = match nonce {
            Some(nonce) => nonce,
            None => getrandom::u64().map_err(Error::Entropy)?,
        };
        let [tag, ..] = nonce.to_le_bytes();
        let mut session = Self { link, decoder: Decoder::new(), tag, nonce, silence, out_of_step: true };
        let deadline = Instant::now() + silence * SYNC_ATTEMPTS;
        match session.synchronise(deadline)? {
            true => Ok(session),
            false => Err(session.silent()),
        }
    }

    pub(crate) fn describe(&self) -> String {
        self.link.describe()
    }

    /// Ends whatever frame is half sent, throws away what comes in, and waits for the echo of a fresh nonce.
    /// `false` if the deadline came first.
    fn synchronise(&mut self, deadline: Instant) -> Result<bool, Error> {
        for _ in 0..SYNC_ATTEMPTS {
            let attempt_ends = deadline.min(Instant::now() + self.silence);
            self.nonce = self.nonce.wrapping_add(1);
            let nonce = self.nonce.to_le_bytes();
            let tag = self.next_tag();
            let mut line = vec![DELIMITER];
            push_frame(&mut line, &Frame::request(tag, opcode::ECHO, &nonce));
            self.link.discard_input()?;
            self.decoder = Decoder::new();
            match self.link.write_all(&line, attempt_ends) {
                Err(Error::Stalled { .. }) => {}
                sent => {
                    sent?;
                    if self.await_echo(tag, &nonce, attempt_ends)? {
                        self.out_of_step = false;
                        return Ok(true);
                    }
                }
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
        Err(self.silent())
    }

    fn silent(&self) -> Error {
        Error::Silent { link: self.link.describe() }
    }

    /// Reads past everything old to the echo; `false` if it did not come.
    fn await_echo(&mut self, tag: u8, nonce: &[u8], deadline: Instant) -> Result<bool, Error> {
        let mut buffer = [0; MAX_ENCODED_BYTES];
        loop {
            let count = self.link.read(&mut buffer, deadline)?;
            for &byte in &buffer[..count] {
                let Some(Ok(frame)) = self.decoder.push(byte) else { continue };
                if (frame.tag, frame.opcode) != (tag, opcode::ECHO | RESPONSE_BIT) {
                    continue;
                }
                if frame.version != wire::WIRE_VERSION {
                    return Err(mismatch(self.link.describe(), frame.version, None));
                }
                if frame.status == status::OK && frame.payload == nonce {
                    return Ok(true);
                }
            }
            if count == 0 || Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// Sends `requests`, as many at a time as the board can hold, and returns the payloads of their answers one after
    /// the other. Afterwards the line is in step only if this succeeded; the next exchange sees to it.
    pub(crate) fn exchange(
        &mut self,
        limit: &mut Limit,
        requests: &mut dyn Iterator<Item = Result<Request, Error>>,
    ) -> Result<Zeroizing<Vec<u8>>, Broken> {
        if self.out_of_step && !self.synchronise(limit.at)? {
            return Err(Broken::Deadline);
        }
        // Until it is known to be otherwise; also if the iterator panics.
        self.out_of_step = true;
        let mut waiting = limit.paused(|| requests.next()).transpose()?;
        let mut in_flight: VecDeque<InFlight> = VecDeque::with_capacity(MAX_IN_FLIGHT);
        let mut line = Vec::new();
        // Keys of the vault come this way. There is room for all of them, so that no copy is left behind.
        let mut buffer = Zeroizing::new([0; MAX_ENCODED_BYTES]);
        let mut answers = Zeroizing::new(Vec::with_capacity(2 * MAX_RESPONSE_BYTES));
        loop {
            while let Some(request) = &waiting {
                let cost = rx_cost(request.payload.len());
                let held: usize = in_flight.iter().map(|r| r.cost).sum();
                if in_flight.len() == MAX_IN_FLIGHT || held + cost > RX_BUFFER_BYTES {
                    break;
                }
                let tag = self.next_tag();
                if request.opcode == opcode::ECHO {
                    // Heard whatever becomes of the frame before it.
                    line.push(DELIMITER);
                }
                push_frame(&mut line, &Frame::request(tag, request.opcode, &request.payload));
                let &Request { opcode, answer_bytes, .. } = request;
                in_flight.push_back(InFlight { tag, opcode, cost, answer_bytes });
                waiting = limit.paused(|| requests.next()).transpose()?;
            }
            if in_flight.is_empty() {
                self.out_of_step = false;
                // Its buffer held the last answer.
                self.decoder = Decoder::new();
                return Ok(answers);
            }
            if !line.is_empty() {
                limit.extend(line.len());
                match self.link.write_all(&line, limit.next_at(self.silence)) {
                    Err(Error::Stalled { .. }) => return Err(limit.lost()),
                    sent => sent?,
                }
                line.clear();
            }
            // An echo takes no time, whatever the call it stands guard for may take.
            let silence = match in_flight.front() {
                Some(InFlight { opcode: opcode::ECHO, .. }) => self.silence,
                _ => limit.silence,
            };
            let count = self.link.read(&mut *buffer, limit.next_at(silence))?;
            if count == 0 {
                return Err(limit.lost());
            }
            for &byte in &buffer[..count] {
                match self.decoder.push(byte) {
                    None => {}
                    Some(Err(_)) => return Err(Broken::Lost),
                    Some(Ok(frame)) => {
                        let due = in_flight.pop_front().ok_or(Broken::Lost)?;
                        check(&frame, &due)?;
                        answers.extend_from_slice(frame.payload);
                    }
                }
            }
            if Instant::now() >= limit.at {
                return Err(Broken::Deadline);
            }
        }
    }

    fn next_tag(&mut self) -> u8 {
        self.tag = self.tag.wrapping_add(1);
        self.tag
    }
}

/// Whether `frame` is the answer that is due, and a good one.
fn check(frame: &Frame<'_>, due: &InFlight) -> Result<(), Broken> {
    if (frame.version, frame.tag, frame.opcode) != (wire::WIRE_VERSION, due.tag, due.opcode | RESPONSE_BIT) {
        return Err(Broken::Lost);
    }
    match frame.status {
        status::OK if frame.payload.len() == due.answer_bytes => Ok(()),
        status::OK => Err(Broken::Malformed(frame.payload.len())),
        // A lost frame that began a message, or a board that was reset in between.
        status::BAD_STATE => Err(Broken::Lost),
        refused => Err(Broken::Refused(refused)),
    }
}

fn push_frame(line: &mut Vec<u8>, frame: &Frame<'_>) {
    let mut encoded = [0; MAX_ENCODED_BYTES];
    // Callers keep to MAX_PAYLOAD_BYTES and the buffer holds the longest frame.
    let len = wire::encode(frame, &mut encoded).unwrap_or_default();
    line.extend_from_slice(&encoded[..len]);
}

/// Map hashes of earlier releases with the present wire version, so that such a board can be told to be old.
const PAST_MAP_HASHES: &[u32] = &[0x6556_6b48];

/// Which side is old, given that they differ.
pub(crate) fn mismatch(link: String, version: u8, map_hash: Option<u32>) -> Error {
    let found = Interface { wire_version: version, map_hash };
    let wanted = Interface { wire_version: wire::WIRE_VERSION, map_hash: map_hash.map(|_| wire::MAP_HASH) };
    match is_board_old(found, PAST_MAP_HASHES) {
        true => Error::BoardOld { link, found, wanted },
        false => Error::DriverOld { link, found, wanted },
    }
}

/// A map of this version that no earlier release had is from a later one, or from sources of somebody's own.
fn is_board_old(found: Interface, past_map_hashes: &[u32]) -> bool {
    found.wire_version < wire::WIRE_VERSION
        || found.wire_version == wire::WIRE_VERSION
            && found.map_hash.is_some_and(|hash| past_map_hashes.contains(&hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_side_is_named() {
        let side = |wire_version, map_hash| Interface { wire_version, map_hash };
        assert!(is_board_old(side(wire::WIRE_VERSION - 1, None), &[]));
        assert!(!is_board_old(side(wire::WIRE_VERSION + 1, None), &[]));
        assert!(is_board_old(side(wire::WIRE_VERSION, Some(7)), &[7]));
        assert!(!is_board_old(side(wire::WIRE_VERSION, Some(8)), &[7]));
    }
}
