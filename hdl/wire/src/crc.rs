//! CRC-32 as in IEEE 802.3 (reflected polynomial 0xEDB88320, initial and final value all ones), bit by
//! bit as the gateware does it a byte at a time. `const`, so that [`crate::MAP_HASH`] costs nothing.

/// A running CRC-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc32(u32);

impl Crc32 {
    /// State before the first byte.
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// State after one more byte.
    #[must_use]
    pub const fn push(self, byte: u8) -> Self {
        let mut crc = self.0 ^ byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        Self(crc)
    }

    /// The checksum of everything pushed.
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC-32 of `bytes`.
pub const fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    let mut i = 0;
    while i < bytes.len() {
        crc = crc.push(bytes[i]);
        i += 1;
    }
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
