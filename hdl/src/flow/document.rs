//! `docs/register_map.md`, generated from the wire crate.

use std::fmt::Write as _;
use std::path::Path;

use twinseal_wire::{
    self as wire, Access, MAP_HASH, WIRE_VERSION, engines, hash_flags, merkle_flags, opcode, register,
    status, vault,
};

use super::tool;
use crate::Error;

/// The document, relative to the checkout.
pub const REGISTER_MAP: &str = "docs/register_map.md";

/// The text of the document.
pub fn register_map() -> String {
    let mut text = format!(
        "<!-- Written by `twinseal-hdl docs` from hdl/wire; do not edit. -->\n\
         # Register map, version {WIRE_VERSION}\n\n\
         Map hash `{MAP_HASH:#010x}`: CRC-32 of the {} bytes of the map's canonical form (`hdl/wire/src/map.rs`).\n\
         A driver and a board with different hashes do not talk.\n",
        wire::canonical_map_len()
    );
    let mut table = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        let _ = write!(text, "\n## {title}\n\n| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
        for row in rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    };

    let access = |access| match access {
        Access::ReadOnly => "read",
        Access::ReadWrite => "read, write",
    };
    let registers = register::ALL.iter();
    table(
        "Registers, 32 bits each",
        &["address", "name", "access", "what it is"],
        registers
            .map(|r| {
                vec![
                    format!("`{:#06x}`", r.address),
                    format!("`{}`", r.name),
                    access(r.access).into(),
                    r.doc.into(),
                ]
            })
            .collect(),
    );
    let numbered = |all: &[(u8, &str)]| {
        all.iter().map(|(number, name)| vec![format!("`{number:#04x}`"), format!("`{name}`")]).collect()
    };
    table("Opcodes", &["opcode", "name"], numbered(opcode::ALL));
    table("Statuses", &["status", "name"], numbered(status::ALL));
    table(
        "Bits of `ENGINES`",
        &["bit", "engine"],
        engines::ALL
            .iter()
            .map(|(bit, name)| vec![bit.trailing_zeros().to_string(), (*name).to_owned()])
            .collect(),
    );
    let flags = [
        ("HASH", "BEGIN", hash_flags::BEGIN),
        ("HASH", "END", hash_flags::END),
        ("MERKLE", "TREE_BEGIN", merkle_flags::TREE_BEGIN),
        ("MERKLE", "LEAF_BEGIN", merkle_flags::LEAF_BEGIN),
        ("MERKLE", "LEAF_END", merkle_flags::LEAF_END),
        ("MERKLE", "TREE_END", merkle_flags::TREE_END),
    ];
    table(
        "Flags, first payload byte",
        &["opcode", "flag", "value"],
        flags
            .iter()
            .map(|(op, flag, value)| vec![format!("`{op}`"), format!("`{flag}`"), value.to_string()])
            .collect(),
    );
    let limits = [
        ("payload of a request, bytes", wire::MAX_PAYLOAD_BYTES),
        ("payload of a response, bytes", wire::MAX_RESPONSE_BYTES),
        ("frame before COBS, bytes", wire::MAX_FRAME_BYTES),
        ("frame on the line, bytes", wire::MAX_ENCODED_BYTES),
        ("receive buffer of the board, bytes", wire::RX_BUFFER_BYTES),
        ("requests in flight", wire::MAX_IN_FLIGHT),
        ("helper data, exactly, bytes", vault::HELPER_BYTES),
        ("label of a derived key, bytes", vault::MAX_LABEL_BYTES),
        ("challenge, exactly, bytes", vault::CHALLENGE_BYTES),
        ("derived key, attestation, random bytes, exactly, bytes", vault::KEY_BYTES),
    ];
    table(
        "Limits",
        &["of", "at most"],
        limits.iter().map(|(of, most)| vec![(*of).to_owned(), most.to_string()]).collect(),
    );
    text.push_str(
        "\n## Frame\n\n`version, tag, opcode, status, length (u16), payload, CRC-32`, numbers in little-endian order, \
         COBS-encoded, closed by one zero byte.\nThe CRC (IEEE 802.3) covers header and payload. A response repeats the \
         tag and has bit 7 of the opcode set.\n",
    );
    text
}

/// Writes the document below `checkout`.
pub fn write(checkout: &Path) -> Result<(), Error> {
    tool::write(&checkout.join(REGISTER_MAP), register_map())
}

/// Makes sure that the document below `checkout` is what the sources give.
pub fn check(checkout: &Path) -> Result<(), Error> {
    let path = checkout.join(REGISTER_MAP);
    if tool::read(&path)? == register_map().into_bytes() {
        Ok(())
    } else {
        Err(Error::StaleDocument { path })
    }
}
