//! Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): a frame without zero bytes, so that a
//! zero always ends a frame and any garbage costs at most the frame it falls into.

/// Longest COBS encoding of `len` bytes, without the delimiter.
pub const fn max_encoded_len(len: usize) -> usize {
    len + len / 254 + 1
}

/// Encodes `frame` into `out` and returns the encoded length, without a delimiter.
///
/// Returns `None` if `out` is shorter than the encoding needs.
pub fn encode(frame: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut code_at = 0;
    let mut code = 1u8;
    let mut len = 1;
    *out.get_mut(code_at)? = 0;
    for (i, &byte) in frame.iter().enumerate() {
        if byte != 0 {
            *out.get_mut(len)? = byte;
            len += 1;
            code += 1;
        }
        let full = code == 0xFF && i + 1 < frame.len();
        if byte == 0 || full {
            out[code_at] = code;
            code_at = len;
            code = 1;
            *out.get_mut(len)? = 0;
            len += 1;
        }
    }
    out[code_at] = code;
    Some(len)
}

/// What a [`Decoder`] makes of one byte from the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to hand on yet.
    Pending,
    /// One byte of the frame.
    Byte(u8),
    /// The delimiter came where a frame may end.
    End,
    /// The delimiter came inside a block: the frame is broken.
    Broken,
}

/// Decodes one byte at a time; any delimiter brings it back to the start of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    /// Bytes left in the current block.
    left: u8,
    /// The block just ended stands for a zero if another block follows.
    zero_due: bool,
    /// At least one code byte was seen since the delimiter.
    open: bool,
}

impl Decoder {
    /// A decoder at the start of a frame.
    pub const fn new() -> Self {
        Self { left: 0, zero_due: false, open: false }
    }

    /// Takes one byte. An empty frame (a delimiter after a delimiter) is `Pending`: it is line idle.
    pub fn push(&mut self, byte: u8) -> Step {
        if byte == crate::DELIMITER {
            let was = core::mem::take(self);
            return match (was.open, was.left) {
                (false, _) => Step::Pending,
                (true, 0) => Step::End,
                (true, _) => Step::Broken,
            };
        }
        if self.left > 0 {
            self.left -= 1;
            return Step::Byte(byte);
        }
        let step = if self.zero_due { Step::Byte(0) } else { Step::Pending };
        self.left = byte - 1;
        self.zero_due = byte != 0xFF;
        self.open = true;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn round_trip(frame: &[u8]) {
        let mut line = [0u8; 1100];
        let n = encode(frame, &mut line).unwrap();
        assert!(n <= max_encoded_len(frame.len()));
        assert!(!line[..n].contains(&0));
        let mut decoder = Decoder::default();
        let mut got = Vec::new();
        for &byte in &line[..n] {
            if let Step::Byte(b) = decoder.push(byte) {
                got.push(b);
            }
        }
        assert_eq!(decoder.push(0), Step::End);
        assert_eq!(got, frame);
    }

    #[test]
    fn vectors_of_the_paper() {
        let mut line = [0u8; 16];
        for (frame, encoded) in [
            (&[0x00][..], &[0x01, 0x01][..]),
            (&[0x11, 0x22, 0x00, 0x33], &[0x03, 0x11, 0x22, 0x02, 0x33]),
            (&[0x11, 0x00, 0x00, 0x00], &[0x02, 0x11, 0x01, 0x01, 0x01]),
        ] {
            let n = encode(frame, &mut line).unwrap();
            assert_eq!(&line[..n], encoded);
        }
    }

    #[test]
    fn every_length_around_the_block_boundary_round_trips() {
        for len in (0..600).chain([1022, 1023]) {
            let plain: Vec<u8> = (0..len).map(|i| (i % 255) as u8 + 1).collect();
            round_trip(&plain);
            let zeros: Vec<u8> = (0..len).map(|i| (i % 7) as u8).collect();
            round_trip(&zeros);
        }
    }

    #[test]
    fn a_cut_block_is_broken_and_the_next_frame_is_understood() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(5), Step::Pending);
        assert_eq!(decoder.push(9), Step::Byte(9));
        assert_eq!(decoder.push(0), Step::Broken);
        assert_eq!(decoder.push(0), Step::Pending);
        assert_eq!(decoder.push(2), Step::Pending);
        assert_eq!(decoder.push(7), Step::Byte(7));
        assert_eq!(decoder.push(0), Step::End);
    }
}
