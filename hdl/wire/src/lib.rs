//! What Twinseal hardware and software agree on, and nothing else: the frame codec, the opcodes,
//! the register map and the limits. The gateware is generated from these constants and the driver
//! speaks with them, so that the two sides cannot drift apart without [`MAP_HASH`] changing.
//!
//! `no_std`, no dependencies, no allocation.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod cobs;
mod crc;
mod frame;
mod map;

pub use crc::{Crc32, crc32};
pub use frame::{Decoder, EncodeError, Frame, FrameError, encode};
pub use map::{Access, MAP_HASH, Register, canonical_map_len};

/// First byte of every frame. Both sides refuse any other value; it stays the first byte for ever.
pub const WIRE_VERSION: u8 = 1;

/// Bytes before the payload: version, tag, opcode, status, length (little-endian `u16`).
pub const HEADER_BYTES: usize = 6;
/// Bytes after the payload: CRC-32 of header and payload, little-endian.
pub const CRC_BYTES: usize = 4;
/// Longest payload of a request.
pub const MAX_PAYLOAD_BYTES: usize = 512;
/// Longest payload of a response: the board encodes COBS from one 254-byte block.
pub const MAX_RESPONSE_BYTES: usize = 64;
/// Longest frame before COBS.
pub const MAX_FRAME_BYTES: usize = HEADER_BYTES + MAX_PAYLOAD_BYTES + CRC_BYTES;
/// Longest frame on the line, including COBS overhead and the closing delimiter.
pub const MAX_ENCODED_BYTES: usize = MAX_FRAME_BYTES + MAX_FRAME_BYTES.div_ceil(254) + 1;
/// The byte that ends a frame; COBS keeps it out of the frame itself.
pub const DELIMITER: u8 = 0x00;

/// Request bytes the board can hold before it answers. A host keeps the sum of [`rx_cost`] of its
/// unanswered requests at or below this; the board drops a frame that does not fit and counts it.
pub const RX_BUFFER_BYTES: usize = 2048;
/// Requests a host may have in flight, whatever their size.
pub const MAX_IN_FLIGHT: usize = 8;

/// What a request with `payload_bytes` of payload occupies in the board's receive buffer.
///
/// The board stores header and payload (the CRC is checked on the fly and not kept).
pub const fn rx_cost(payload_bytes: usize) -> usize {
    HEADER_BYTES + payload_bytes
}

/// Set in the opcode byte of a response.
pub const RESPONSE_BIT: u8 = 0x80;

/// What a request asks for. Responses carry the same value with [`RESPONSE_BIT`] set.
pub mod opcode {
    /// Payload: address `u16`. Response: value `u32`.
    pub const READ_REGISTER: u8 = 0x01;
    /// Payload: address `u16`, value `u32`. Response: empty. Only `RW` registers accept it.
    pub const WRITE_REGISTER: u8 = 0x02;
    /// Payload: up to [`crate::MAX_RESPONSE_BYTES`] bytes. Response: the same bytes.
    pub const ECHO: u8 = 0x03;
    /// Payload: [`crate::hash_flags`] byte, then message bytes. Response: the 32-byte SHA-256 digest
    /// (FIPS 180-4) if the flags had `END`, else empty.
    pub const HASH: u8 = 0x10;
    /// Payload: [`crate::merkle_flags`] byte, then bytes of the open leaf. Response: the 32-byte tree
    /// head (RFC 6962 section 2.1) if the flags had `TREE_END`, else empty.
    pub const MERKLE: u8 = 0x11;
    /// Payload: empty. Response: [`crate::vault::HELPER_BYTES`] of helper data, and the vault is open with a new root.
    /// Takes the time of 16 readings of the rings.
    pub const VAULT_ENROL: u8 = 0x20;
    /// Payload: helper data. Response: empty, and the vault is open with the root they were made for. Takes the time of
    /// 4 readings of the rings; a refusal takes longer, twice as long each time.
    pub const VAULT_OPEN: u8 = 0x21;
    /// Payload: empty. Response: empty, and the root is forgotten.
    pub const VAULT_CLOSE: u8 = 0x22;
    /// Payload: label, up to [`crate::vault::MAX_LABEL_BYTES`]. Response: [`crate::vault::KEY_BYTES`],
    /// HMAC-SHA-256 (FIPS 198-1) under the root of the byte 2 and the label.
    pub const VAULT_DERIVE: u8 = 0x23;
    /// Payload: challenge of [`crate::vault::CHALLENGE_BYTES`]. Response: [`crate::vault::KEY_BYTES`], HMAC-SHA-256
    /// under the root of the byte 3, `BUILD_ID` (little-endian) and the challenge.
    pub const VAULT_ATTEST: u8 = 0x24;
    /// Payload: empty. Response: [`crate::vault::KEY_BYTES`] random bytes from the rings (SP 800-90B).
    pub const ENTROPY: u8 = 0x25;

    /// Every opcode with its name, in the order of the generated register map document.
    pub const ALL: &[(u8, &str)] = &[
        (READ_REGISTER, "READ_REGISTER"),
        (WRITE_REGISTER, "WRITE_REGISTER"),
        (ECHO, "ECHO"),
        (HASH, "HASH"),
        (MERKLE, "MERKLE"),
        (VAULT_ENROL, "VAULT_ENROL"),
        (VAULT_OPEN, "VAULT_OPEN"),
        (VAULT_CLOSE, "VAULT_CLOSE"),
        (VAULT_DERIVE, "VAULT_DERIVE"),
        (VAULT_ATTEST, "VAULT_ATTEST"),
        (ENTROPY, "ENTROPY"),
    ];
}

/// First payload byte of [`opcode::HASH`]. Any other bit set is [`status::BAD_FLAGS`].
pub mod hash_flags {
    /// Forget whatever was hashed and start a message before the data of this frame.
    pub const BEGIN: u8 = 1;
    /// Finish the message after the data of this frame and return the digest.
    pub const END: u8 = 2;
    /// All defined bits.
    pub const MASK: u8 = BEGIN | END;
}

/// First payload byte of [`opcode::MERKLE`]; the board acts in the order listed here, with the data
/// of the frame between `LEAF_BEGIN` and `LEAF_END`. Any other bit set is [`status::BAD_FLAGS`].
pub mod merkle_flags {
    /// Forget whatever was hashed and start an empty tree.
    pub const TREE_BEGIN: u8 = 1;
    /// Open a leaf.
    pub const LEAF_BEGIN: u8 = 2;
    /// Close the open leaf.
    pub const LEAF_END: u8 = 4;
    /// Finish the tree and return its head.
    pub const TREE_END: u8 = 8;
    /// All defined bits.
    pub const MASK: u8 = TREE_BEGIN | LEAF_BEGIN | LEAF_END | TREE_END;
}

/// Sizes of what goes to and comes from the vault.
pub mod vault {
    /// Helper data: version, syndrome, tag.
    pub const HELPER_BYTES: usize = 49;
    /// Longest label of [`crate::opcode::VAULT_DERIVE`].
    pub const MAX_LABEL_BYTES: usize = 128;
    /// A challenge of [`crate::opcode::VAULT_ATTEST`].
    pub const CHALLENGE_BYTES: usize = 32;
    /// A derived key, an attestation, or the answer to [`crate::opcode::ENTROPY`].
    pub const KEY_BYTES: usize = 32;
}

/// The status byte of a response; zero in every request.
pub mod status {
    /// The request was carried out.
    pub const OK: u8 = 0;
    /// The version byte was not [`crate::WIRE_VERSION`]; the payload is the board's own version byte.
    pub const BAD_VERSION: u8 = 1;
    /// The board has no such opcode.
    pub const BAD_OPCODE: u8 = 2;
    /// The payload length does not fit the opcode.
    pub const BAD_LENGTH: u8 = 3;
    /// No register at this address, or it is read-only.
    pub const BAD_ADDRESS: u8 = 4;
    /// An undefined flag bit was set.
    pub const BAD_FLAGS: u8 = 5;
    /// The engine was not in a state where this makes sense, e.g. data with no open leaf.
    pub const BAD_STATE: u8 = 6;
    /// The tree already has the most leaves the board can hold.
    pub const TREE_FULL: u8 = 7;
    /// The helper data are not of this board or are damaged, or the vault refused eight times since power-up and opens
    /// no more.
    pub const REFUSED: u8 = 8;
    /// The vault has no root: enrol or open it first.
    pub const CLOSED: u8 = 9;
    /// A health test of a reading of the rings failed.
    pub const RING_FAULT: u8 = 10;
    /// The board has a pin that permits enrolment, and it is not held.
    pub const NOT_PERMITTED: u8 = 11;
    /// A health test of the random bits failed; stays until power-up.
    pub const ENTROPY_FAULT: u8 = 12;

    /// Every status with its name, in numeric order.
    pub const ALL: &[(u8, &str)] = &[
        (OK, "OK"),
        (BAD_VERSION, "BAD_VERSION"),
        (BAD_OPCODE, "BAD_OPCODE"),
        (BAD_LENGTH, "BAD_LENGTH"),
        (BAD_ADDRESS, "BAD_ADDRESS"),
        (BAD_FLAGS, "BAD_FLAGS"),
        (BAD_STATE, "BAD_STATE"),
        (TREE_FULL, "TREE_FULL"),
        (REFUSED, "REFUSED"),
        (CLOSED, "CLOSED"),
        (RING_FAULT, "RING_FAULT"),
        (NOT_PERMITTED, "NOT_PERMITTED"),
        (ENTROPY_FAULT, "ENTROPY_FAULT"),
    ];
}

/// Value of the `IDENT` register: "TWSL" in little-endian ASCII.
pub const IDENT: u32 = u32::from_le_bytes(*b"TWSL");

/// Bits of the `ENGINES` register.
pub mod engines {
    /// SHA-256 by [`crate::opcode::HASH`].
    pub const SHA256: u32 = 1 << 0;
    /// RFC 6962 tree heads by [`crate::opcode::MERKLE`].
    pub const MERKLE: u32 = 1 << 1;
    /// A root key from the rings, by the opcodes [`crate::opcode::VAULT_ENROL`] to [`crate::opcode::VAULT_ATTEST`].
    pub const VAULT: u32 = 1 << 2;
    /// Random bytes from the rings by [`crate::opcode::ENTROPY`].
    pub const ENTROPY: u32 = 1 << 3;

    /// Every engine with its name as `boards.toml` spells it.
    pub const ALL: &[(u32, &str)] =
        &[(SHA256, "sha256"), (MERKLE, "merkle"), (VAULT, "vault"), (ENTROPY, "entropy")];
}

/// Register addresses for [`opcode::READ_REGISTER`]; all registers are 32 bits wide.
pub mod register {
    use crate::map::{Access, Register};

    /// Fixed value [`crate::IDENT`].
    pub const IDENT: u16 = 0x0000;
    /// [`crate::WIRE_VERSION`], zero-extended.
    pub const WIRE_VERSION: u16 = 0x0004;
    /// [`crate::MAP_HASH`] as compiled into the gateware.
    pub const MAP_HASH: u16 = 0x0008;
    /// First four bytes, big-endian, of the SHA-256 of the board's Verilog generated with `BUILD_ID` = 0.
    pub const BUILD_ID: u16 = 0x000C;
    /// Bit set of [`crate::engines`].
    pub const ENGINES: u16 = 0x0010;
    /// The clock the engines run at, in hertz.
    pub const CLOCK_HZ: u16 = 0x0014;
    /// Keeps what was written; zero after reset. For tests of the link.
    pub const SCRATCH: u16 = 0x0018;
    /// Frames accepted since reset, wrapping.
    pub const FRAMES_OK: u16 = 0x001C;
    /// Frames dropped since reset (COBS, length, CRC, or no room), wrapping.
    pub const FRAMES_BAD: u16 = 0x0020;

    /// The whole map; documentation and [`crate::MAP_HASH`] are derived from it.
    pub const ALL: &[Register] = &[
        Register {
            address: IDENT,
            name: "IDENT",
            access: Access::ReadOnly,
            doc: "\"TWSL\" in little-endian ASCII",
        },
        Register {
            address: WIRE_VERSION,
            name: "WIRE_VERSION",
            access: Access::ReadOnly,
            doc: "frame and map version",
        },
        Register {
            address: MAP_HASH,
            name: "MAP_HASH",
            access: Access::ReadOnly,
            doc: "CRC-32 of the canonical map",
        },
        Register {
            address: BUILD_ID,
            name: "BUILD_ID",
            access: Access::ReadOnly,
            doc: "names the gateware: SHA-256 of its Verilog, first 4 bytes",
        },
        Register {
            address: ENGINES,
            name: "ENGINES",
            access: Access::ReadOnly,
            doc: "bit set of engines present",
        },
        Register {
            address: CLOCK_HZ,
            name: "CLOCK_HZ",
            access: Access::ReadOnly,
            doc: "engine clock in hertz",
        },
        Register {
            address: SCRATCH,
            name: "SCRATCH",
            access: Access::ReadWrite,
            doc: "keeps what was written; zero after reset",
        },
        Register {
            address: FRAMES_OK,
            name: "FRAMES_OK",
            access: Access::ReadOnly,
            doc: "frames accepted since reset, wrapping",
        },
        Register {
            address: FRAMES_BAD,
            name: "FRAMES_BAD",
            access: Access::ReadOnly,
            doc: "frames dropped since reset, wrapping",
        },
    ];
}
