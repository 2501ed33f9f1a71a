//! Frames: `version, tag, opcode, status, length (u16 LE), payload, CRC-32 (LE)`, COBS-encoded and
//! closed by one zero byte. Encoding writes into the caller's buffer; decoding is one byte at a time.

use crate::cobs::{self, Step};
use crate::{
    CRC_BYTES, DELIMITER, HEADER_BYTES, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES, RESPONSE_BIT, WIRE_VERSION, crc32,
};

/// One request or response, its payload borrowed from the buffer it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// [`WIRE_VERSION`] of the sender.
    pub version: u8,
    /// Chosen by the host for a request, repeated in its response.
    pub tag: u8,
    /// See [`crate::opcode`]; [`RESPONSE_BIT`] set in a response.
    pub opcode: u8,
    /// See [`crate::status`]; zero in a request.
    pub status: u8,
    /// Up to [`MAX_PAYLOAD_BYTES`].
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A request of this version.
    pub const fn request(tag: u8, opcode: u8, payload: &'a [u8]) -> Self {
        Self { version: WIRE_VERSION, tag, opcode, status: 0, payload }
    }

    /// A response of this version to a request with `tag` and `opcode`.
    pub const fn response(tag: u8, opcode: u8, status: u8, payload: &'a [u8]) -> Self {
        Self { version: WIRE_VERSION, tag, opcode: opcode | RESPONSE_BIT, status, payload }
    }

    /// Parses header, payload and CRC, as they stand between COBS and the line.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let Some(body_len) = bytes.len().checked_sub(CRC_BYTES).filter(|&n| n >= HEADER_BYTES) else {
            return Err(FrameError::Short);
        };
        let (body, crc) = bytes.split_at(body_len);
        if crc32(body).to_le_bytes() != crc {
            return Err(FrameError::Crc);
        }
        let &[version, tag, opcode, status, len_lo, len_hi, ref payload @ ..] = body else {
            return Err(FrameError::Short);
        };
        if usize::from(u16::from_le_bytes([len_lo, len_hi])) != payload.len() {
            return Err(FrameError::Length);
        }
        Ok(Self { version, tag, opcode, status, payload })
    }
}

/// Why a frame could not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The payload is longer than [`MAX_PAYLOAD_BYTES`].
    PayloadTooLong,
    /// The buffer is shorter than the encoded frame; [`crate::MAX_ENCODED_BYTES`] always suffices.
    BufferTooShort,
}

/// Encodes `frame` for the line, delimiter included, and returns the number of bytes written to `out`.
pub fn encode(frame: &Frame<'_>, out: &mut [u8]) -> Result<usize, EncodeError> {
    let len = frame.payload.len();
    if len > MAX_PAYLOAD_BYTES {
        return Err(EncodeError::PayloadTooLong);
    }
    let mut plain = [0u8; MAX_FRAME_BYTES];
    let body = HEADER_BYTES + len;
    plain[..4].copy_from_slice(&[frame.version, frame.tag, frame.opcode, frame.status]);
    plain[4..6].copy_from_slice(&(len as u16).to_le_bytes());
    plain[HEADER_BYTES..body].copy_from_slice(frame.payload);
    let crc = crc32(&plain[..body]);
    plain[body..body + CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    let n = cobs::encode(&plain[..body + CRC_BYTES], out).ok_or(EncodeError::BufferTooShort)?;
    *out.get_mut(n).ok_or(EncodeError::BufferTooShort)? = DELIMITER;
    Ok(n + 1)
}

/// Why a frame from the line was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The delimiter came inside a COBS block.
    Cobs,
    /// Fewer bytes than a header and a CRC.
    Short,
    /// More bytes than [`MAX_FRAME_BYTES`].
    Long,
    /// The checksum does not match.
    Crc,
    /// The length field does not match the bytes that came.
    Length,
}

/// Turns bytes from the line into frames and never stays confused: every delimiter is a fresh start.
#[derive(Clone, Debug)]
pub struct Decoder {
    cobs: cobs::Decoder,
    buffer: [u8; MAX_FRAME_BYTES],
    /// Bytes of the current frame, counted on past the end of the buffer.
    len: usize,
}

impl Decoder {
    /// A decoder at the start of a frame.
    pub const fn new() -> Self {
        Self { cobs: cobs::Decoder::new(), buffer: [0; MAX_FRAME_BYTES], len: 0 }
    }

    /// Takes one byte from the line; `Some` when it ended a frame, good or bad.
    pub fn push(&mut self, byte: u8) -> Option<Result<Frame<'_>, FrameError>> {
        match self.cobs.push(byte) {
            Step::Pending => None,
            Step::Byte(b) => {
                if let Some(slot) = self.buffer.get_mut(self.len) {
                    *slot = b;
                }
                self.len = self.len.saturating_add(1);
                None
            }
            Step::Broken => {
                self.len = 0;
                Some(Err(FrameError::Cobs))
            }
            Step::End => {
                let len = core::mem::take(&mut self.len);
                Some(match self.buffer.get(..len) {
                    Some(bytes) => Frame::parse(bytes),
                    None => Err(FrameError::Long),
                })
            }
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_ENCODED_BYTES, opcode, status};
    use std::vec::Vec;

    /// Tag, opcode, status and payload of a decoded frame.
    type Decoded = Result<(u8, u8, u8, Vec<u8>), FrameError>;

    fn decode_all(line: &[u8]) -> Vec<Decoded> {
        let mut decoder = Decoder::new();
        let mut frames = Vec::new();
        for &byte in line {
            if let Some(result) = decoder.push(byte) {
                frames.push(result.map(|f| (f.tag, f.opcode, f.status, f.payload.to_vec())));
            }
        }
        frames
    }

    #[test]
    fn every_payload_length_round_trips() {
        let payload: Vec<u8> = (0..MAX_PAYLOAD_BYTES).map(|i| (i * 31 % 256) as u8).collect();
        for len in 0..=MAX_PAYLOAD_BYTES {
            let mut line = [0u8; MAX_ENCODED_BYTES];
            let frame = Frame::response(7, opcode::HASH, status::BAD_STATE, &payload[..len]);
            let n = encode(&frame, &mut line).unwrap();
            assert_eq!(
                decode_all(&line[..n]),
                [Ok((7, opcode::HASH | RESPONSE_BIT, status::BAD_STATE, payload[..len].to_vec()))]
            );
        }
    }

    #[test]
    fn limits_are_errors() {
        let long = [1u8; MAX_PAYLOAD_BYTES + 1];
        let mut line = [0u8; 2 * MAX_ENCODED_BYTES];
        let too_long = Frame::request(0, opcode::ECHO, &long);
        assert_eq!(encode(&too_long, &mut line), Err(EncodeError::PayloadTooLong));
        let fits = Frame::request(0, opcode::ECHO, &long[1..]);
        assert_eq!(encode(&fits, &mut line[..100]), Err(EncodeError::BufferTooShort));
    }

    #[test]
    fn every_single_bit_error_is_caught_and_the_next_frame_is_understood() {
        let mut good = [0u8; MAX_ENCODED_BYTES];
        let n = encode(&Frame::request(3, opcode::ECHO, b"twin\0seal"), &mut good).unwrap();
        for bit in 0..(n - 1) * 8 {
            let mut line = good[..n].to_vec();
            line[bit / 8] ^= 1 << (bit % 8);
            line.extend_from_slice(&good[..n]);
            let frames = decode_all(&line);
            assert!(frames.len() >= 2, "bit {bit}: {frames:?}");
            assert!(frames[..frames.len() - 1].iter().all(Result::is_err), "bit {bit}: {frames:?}");
            assert!(frames.last().unwrap().is_ok(), "bit {bit}: {frames:?}");
        }
    }

    #[test]
    fn an_endless_frame_is_long_not_a_panic() {
        let mut line: Vec<u8> = core::iter::repeat_n(0xFF, 3000).collect();
        line.push(0);
        assert!(matches!(decode_all(&line)[..], [Err(FrameError::Long | FrameError::Cobs)]));
    }
}
