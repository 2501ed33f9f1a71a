//! What the simulated board achieves, measured at its pins.

use std::collections::VecDeque;

use twinseal_wire::{
    Decoder, Frame, MAX_ENCODED_BYTES, MAX_IN_FLIGHT, MAX_PAYLOAD_BYTES, RX_BUFFER_BYTES, encode, hash_flags,
    opcode, rx_cost, status,
};

use crate::{Silicon, SimBoard, SimError, Usage};

/// SHA-256 of one message by the simulated board.
#[derive(Clone, Copy, Debug)]
pub struct Hashing {
    /// Length of the message.
    pub message_bytes: usize,
    /// What the board answered.
    pub digest: [u8; 32],
    /// What it took.
    pub usage: Usage,
}

impl Hashing {
    /// Megabytes of message per second of this machine's time.
    pub fn mb_per_s(&self) -> f64 {
        self.message_bytes as f64 / 1e6 / self.usage.spent.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Megabytes of message per second of the board's time, which is what a real board would do.
    pub fn board_mb_per_s(&self) -> f64 {
        self.message_bytes as f64 / 1e6 / self.usage.board_s().max(f64::MIN_POSITIVE)
    }
}

/// Hashes `message_bytes` times the letter `a` on a new board, with as many requests in flight as it takes.
pub fn hash(message_bytes: usize) -> Result<Hashing, SimError> {
    let mut board = SimBoard::new()?;
    let mut requests = requests(message_bytes);
    let mut in_flight: VecDeque<usize> = VecDeque::new();
    let mut decoder = Decoder::new();
    let mut digest = None;
    while digest.is_none() {
        while let Some((cost, line)) = requests.front()
            && in_flight.len() < MAX_IN_FLIGHT
            && in_flight.iter().sum::<usize>() + cost <= RX_BUFFER_BYTES
            && line.len() <= board.room()
        {
            board.send(line);
            in_flight.push_back(*cost);
            requests.pop_front();
        }
        let mut out = [0; 256];
        let len = board.run(1 << 20, &mut out);
        if len == 0 && board.is_idle() {
            return Err(SimError::Answer(format!("silence with {} requests unanswered", in_flight.len())));
        }
        for &byte in &out[..len] {
            match decoder.push(byte) {
                None => continue,
                Some(Ok(frame)) if frame.status == status::OK => {
                    in_flight.pop_front();
                    if let Ok(bytes) = <[u8; 32]>::try_from(frame.payload) {
                        digest = Some(bytes);
                    }
                }
                Some(answer) => return Err(SimError::Answer(format!("{answer:?}"))),
            }
        }
    }
    Ok(Hashing { message_bytes, digest: digest.unwrap_or_default(), usage: board.usage() })
}

/// One request of the vault, from its first byte on the line to the last of its answer.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was asked.
    pub what: &'static str,
    /// What it took.
    pub usage: Usage,
}

/// Asks the vault of a new board with this chip for everything it does, refusals last.
pub fn vault(silicon: Silicon) -> Result<Vec<Step>, SimError> {
    let mut board = SimBoard::with_silicon(silicon)?;
    let mut steps = Vec::new();
    let mut ask = |what, opcode, payload: &[u8], expected| {
        let before = board.usage();
        let (status, answer) = exchange(&mut board, opcode, payload)?;
        steps.push(Step { what, usage: board.usage().since(before) });
        match status == expected {
            true => Ok(answer),
            false => Err(SimError::Answer(format!("{what}: status {status}, not {expected}"))),
        }
    };
    let helper = ask("enrol", opcode::VAULT_ENROL, &[], status::OK)?;
    ask("derive, 16-byte label", opcode::VAULT_DERIVE, &[7; 16], status::OK)?;
    ask("derive, 128-byte label", opcode::VAULT_DERIVE, &[7; 128], status::OK)?;
    ask("attest", opcode::VAULT_ATTEST, &[7; 32], status::OK)?;
    ask("close", opcode::VAULT_CLOSE, &[], status::OK)?;
    ask("open", opcode::VAULT_OPEN, &helper, status::OK)?;
    ask("entropy, first", opcode::ENTROPY, &[], status::OK)?;
    ask("entropy, later", opcode::ENTROPY, &[], status::OK)?;
    let mut wrong = helper;
    wrong.iter_mut().for_each(|byte| *byte ^= 1);
    ask("refusal, first", opcode::VAULT_OPEN, &wrong, status::REFUSED)?;
    ask("refusal, second", opcode::VAULT_OPEN, &wrong, status::REFUSED)?;
    ask("refusal, third", opcode::VAULT_OPEN, &wrong, status::REFUSED)?;
    Ok(steps)
}

/// Cycles in which every request of the benchmark is answered: 8 s of the board's time.
const MAX_CYCLES: u64 = 100_000_000;

/// One request and the status and payload of its answer.
fn exchange(board: &mut SimBoard, opcode: u8, payload: &[u8]) -> Result<(u8, Vec<u8>), SimError> {
    let mut line = [0; MAX_ENCODED_BYTES];
    // Every payload of this file fits.
    let len = encode(&Frame::request(1, opcode, payload), &mut line).unwrap_or(0);
    board.send(&line[..len]);
    let (mut decoder, mut out) = (Decoder::new(), [0; 256]);
    let end = board.usage().cycles + MAX_CYCLES;
    loop {
        let len = board.run(1 << 20, &mut out);
        if len == 0 && (board.is_idle() || board.usage().cycles > end) {
            return Err(SimError::Answer(format!("silence after opcode {opcode:#04x}")));
        }
        for &byte in &out[..len] {
            match decoder.push(byte) {
                None => {}
                Some(Ok(frame)) => return Ok((frame.status, frame.payload.to_vec())),
                Some(Err(e)) => return Err(SimError::Answer(format!("{e:?}"))),
            }
        }
    }
}

/// The message as frames for the line, each with what it costs the board's buffer.
fn requests(message_bytes: usize) -> VecDeque<(usize, Vec<u8>)> {
    let message = vec![b'a'; message_bytes];
    let mut parts: Vec<&[u8]> = message.chunks(MAX_PAYLOAD_BYTES - 1).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let last = parts.len() - 1;
    let request = |(i, part): (usize, &[u8])| {
        let begin = if i == 0 { hash_flags::BEGIN } else { 0 };
        let end = if i == last { hash_flags::END } else { 0 };
        let payload = [&[begin | end], part].concat();
        let mut line = vec![0; MAX_ENCODED_BYTES];
        // A payload of this length always fits the buffer.
        let len = encode(&Frame::request(i as u8, opcode::HASH, &payload), &mut line).unwrap_or(0);
        line.truncate(len);
        (rx_cost(payload.len()), line)
    };
    parts.into_iter().enumerate().map(request).collect()
}
