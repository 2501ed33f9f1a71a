//! Frames over a link without the driver, so that a test can say what no driver would.

use std::time::{Duration, Instant};

use twinseal_driver::Link;
use twinseal_wire::{
    self as wire, Decoder, Frame, MAX_ENCODED_BYTES, RESPONSE_BIT, opcode, register, status,
};

/// Longest wait for room on the line.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) version: u8,
    pub(crate) tag: u8,
    pub(crate) opcode: u8,
    pub(crate) status: u8,
    pub(crate) payload: Vec<u8>,
}

/// A link with a decoder and a running tag.
pub(crate) struct Raw {
    link: Box<dyn Link>,
    decoder: Decoder,
    received: std::collections::VecDeque<Answer>,
    tag: u8,
    patience: Duration,
}

impl Raw {
    pub(crate) fn new(link: Box<dyn Link>, patience: Duration) -> Self {
        let mut raw = Self { link, decoder: Decoder::new(), received: Default::default(), tag: 0, patience };
        // Whoever used the line before may have left half a frame on it.
        raw.send_bytes(&[wire::DELIMITER]);
        raw.link.discard_input().unwrap();
        raw
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.link.write_all(bytes, Instant::now() + WRITE_TIME).unwrap();
    }

    /// Sends a sound request and returns its tag.
    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) -> u8 {
        self.tag = self.tag.wrapping_add(1);
        let line = encoded(&Frame::request(self.tag, opcode, payload));
        self.send_bytes(&line);
        self.tag
    }

    /// The next answer, or `None` if none comes. A broken frame from the board is a failure.
    pub(crate) fn receive(&mut self) -> Option<Answer> {
        let mut buffer = [0; 256];
        while self.received.is_empty() {
            let len = self.link.read(&mut buffer, Instant::now() + self.patience).unwrap();
            if len == 0 {
                return None;
            }
            for &byte in &buffer[..len] {
                if let Some(frame) = self.decoder.push(byte) {
                    let Frame { version, tag, opcode, status, payload } =
                        frame.expect("the board sent a broken frame");
                    self.received.push_back(Answer {
                        version,
                        tag,
                        opcode,
                        status,
                        payload: payload.to_vec(),
                    });
                }
            }
        }
        self.received.pop_front()
    }

    /// Receives the answer to the request with `tag` and returns status and payload.
    pub(crate) fn answer(&mut self, tag: u8, opcode: u8) -> (u8, Vec<u8>) {
        let answer = self.receive().unwrap_or_else(|| panic!("no answer to opcode {opcode:#04x}"));
        assert_eq!(
            (answer.version, answer.tag, answer.opcode),
            (wire::WIRE_VERSION, tag, opcode | RESPONSE_BIT),
            "version, tag and opcode of the answer to opcode {opcode:#04x}"
        );
        (answer.status, answer.payload)
    }

    /// One request and its answer.
    pub(crate) fn ask(&mut self, opcode: u8, payload: &[u8]) -> (u8, Vec<u8>) {
        let tag = self.send(opcode, payload);
        self.answer(tag, opcode)
    }

    /// One request that must be carried out.
    pub(crate) fn expect(&mut self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let (status, answer) = self.ask(opcode, payload);
        assert_eq!(status, status::OK, "opcode {opcode:#04x}, {} bytes", payload.len());
        answer
    }

    pub(crate) fn read(&mut self, address: u16) -> u32 {
        let value = self.expect(opcode::READ_REGISTER, &address.to_le_bytes());
        u32::from_le_bytes(value.try_into().expect("a register has four bytes"))
    }

    pub(crate) fn frames_bad(&mut self) -> u32 {
        self.read(register::FRAMES_BAD)
    }

    /// One request with flags and data.
    pub(crate) fn engine(&mut self, opcode: u8, flags: u8, data: &[u8]) -> (u8, Vec<u8>) {
        self.ask(opcode, &[&[flags], data].concat())
    }

    /// Waits until nothing more comes, and fails if anything does.
    pub(crate) fn expect_silence(&mut self) {
        if let Some(answer) = self.receive() {
            panic!("an answer nobody asked for: {answer:?}");
        }
    }
}

/// A frame as it goes over the line, delimiter included.
pub(crate) fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut line = [0; MAX_ENCODED_BYTES];
    let len = wire::encode(frame, &mut line).expect("a payload of legal length");
    line[..len].to_vec()
}

/// Any bytes as a COBS frame with its delimiter, sound or not inside.
pub(crate) fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut line = vec![0; wire::cobs::max_encoded_len(bytes.len()) + 1];
    let len = wire::cobs::encode(bytes, &mut line).expect("room for the encoding");
    line.truncate(len + 1);
    line
}
