//! Frames by hand, for tests below the driver.

use twinseal_wire::{Decoder, Frame, MAX_ENCODED_BYTES, RESPONSE_BIT, encode};

/// `abc`, hashed (FIPS 180-2, appendix B.1).
pub(crate) const ABC: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0,
    0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// A request as it goes over the line.
pub(crate) fn request(tag: u8, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut line = [0; MAX_ENCODED_BYTES];
    let len = encode(&Frame::request(tag, opcode, payload), &mut line).expect("fits");
    line[..len].to_vec()
}

/// Every response in `line`: tag, opcode without the response bit, status, payload.
pub(crate) fn responses(line: &[u8]) -> Vec<(u8, u8, u8, Vec<u8>)> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for &byte in line {
        if let Some(frame) = decoder.push(byte) {
            let frame = frame.expect("the board sends good frames");
            assert_ne!(frame.opcode & RESPONSE_BIT, 0);
            all.push((frame.tag, frame.opcode & !RESPONSE_BIT, frame.status, frame.payload.to_vec()));
        }
    }
    all
}
