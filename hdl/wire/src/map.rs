//! The register map as data, and its hash. The canonical form is, for every register, opcode, status
//! and engine in listed order, the name's bytes, a zero, and the number in little-endian `u32`; then
//! the limits. Documentation strings are not part of it: rewording them does not change the wire.

use crate::{
    Crc32, HEADER_BYTES, MAX_IN_FLIGHT, MAX_PAYLOAD_BYTES, MAX_RESPONSE_BYTES, RX_BUFFER_BYTES, WIRE_VERSION,
    engines, hash_flags, merkle_flags, opcode, register, status, vault,
};

/// Who may write a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Writes are refused with [`status::BAD_ADDRESS`].
    ReadOnly,
    /// Reads give what was last written.
    ReadWrite,
}

/// One 32-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Byte address, a multiple of four.
    pub address: u16,
    /// Upper-case name, unique.
    pub name: &'static str,
    /// Who may write it.
    pub access: Access,
    /// One line for the generated document.
    pub doc: &'static str,
}

/// CRC-32 of the canonical map; gateware and driver each carry the value they were built with.
pub const MAP_HASH: u32 = canonical().0.finish();

/// Bytes in the canonical form, for the generated document.
pub const fn canonical_map_len() -> usize {
    canonical().1
}

const fn canonical() -> (Crc32, usize) {
    let mut out = (Crc32::new(), 0);
    let mut i = 0;
    while i < register::ALL.len() {
        let r = &register::ALL[i];
        let access = match r.access {
            Access::ReadOnly => 0,
            Access::ReadWrite => 1,
        };
        out = entry(out, r.name, r.address as u32 | access << 16);
        i += 1;
    }
    i = 0;
    while i < opcode::ALL.len() {
        out = entry(out, opcode::ALL[i].1, opcode::ALL[i].0 as u32);
        i += 1;
    }
    i = 0;
    while i < status::ALL.len() {
        out = entry(out, status::ALL[i].1, status::ALL[i].0 as u32);
        i += 1;
    }
    i = 0;
    while i < engines::ALL.len() {
        out = entry(out, engines::ALL[i].1, engines::ALL[i].0);
        i += 1;
    }
    out = entry(out, "hash_flags", hash_flags::MASK as u32);
    out = entry(out, "merkle_flags", merkle_flags::MASK as u32);
    out = entry(out, "helper_bytes", vault::HELPER_BYTES as u32);
    out = entry(out, "max_label_bytes", vault::MAX_LABEL_BYTES as u32);
    out = entry(out, "challenge_bytes", vault::CHALLENGE_BYTES as u32);
    out = entry(out, "key_bytes", vault::KEY_BYTES as u32);
    out = entry(out, "wire_version", WIRE_VERSION as u32);
    out = entry(out, "header_bytes", HEADER_BYTES as u32);
    out = entry(out, "max_payload_bytes", MAX_PAYLOAD_BYTES as u32);
    out = entry(out, "max_response_bytes", MAX_RESPONSE_BYTES as u32);
    out = entry(out, "rx_buffer_bytes", RX_BUFFER_BYTES as u32);
    entry(out, "max_in_flight", MAX_IN_FLIGHT as u32)
}

const fn entry((mut crc, mut len): (Crc32, usize), name: &str, value: u32) -> (Crc32, usize) {
    let name = name.as_bytes();
    let mut i = 0;
    while i < name.len() {
        crc = crc.push(name[i]);
        i += 1;
    }
    crc = crc.push(0);
    let value = value.to_le_bytes();
    i = 0;
    while i < value.len() {
        crc = crc.push(value[i]);
        i += 1;
    }
    len += name.len() + 1 + value.len();
    (crc, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn addresses_and_names_are_unique_and_aligned() {
        let addresses: BTreeSet<_> = register::ALL.iter().map(|r| r.address).collect();
        let names: BTreeSet<_> = register::ALL.iter().map(|r| r.name).collect();
        assert_eq!(addresses.len(), register::ALL.len());
        assert_eq!(names.len(), register::ALL.len());
        assert!(addresses.iter().all(|a| a % 4 == 0));
    }

    #[test]
    fn statuses_and_opcodes_are_unique_by_number() {
        for table in [opcode::ALL, status::ALL] {
            let numbers: BTreeSet<_> = table.iter().map(|e| e.0).collect();
            assert_eq!(numbers.len(), table.len());
        }
        assert!(opcode::ALL.iter().all(|(op, _)| op & crate::RESPONSE_BIT == 0));
    }
}
