//! Test data: reproducible bytes, and the published SHA-256 vectors where they are at hand.

use std::path::PathBuf;

use twinseal_hdl::flow::tool::skipped;
use twinseal_hdl::golden::sha256::EXAMPLES;

/// Reproducible bytes (xorshift64*), with runs of zeros now and then, which COBS treats specially.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.number() >> 32) as usize) % bound
    }

    /// `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len).map(|_| (self.number() >> 40) as u8).collect();
        if len > 0 && self.below(3) == 0 {
            let from = self.below(len);
            let to = len.min(from + self.below(40));
            bytes[from..to].fill(0);
        }
        bytes
    }
}

/// A message and its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// The message.
    pub message: Vec<u8>,
    /// The digest.
    pub digest: [u8; 32],
}

fn examples() -> Vec<Vector> {
    let vector = |(message, digest): (&str, &str)| Vector {
        message: message.into(),
        digest: unhex(digest).try_into().unwrap(),
    };
    EXAMPLES.map(vector).into()
}

/// NIST's CAVP vectors for short messages of whole bytes; where they are not at hand, a word on that and the examples of
/// FIPS 180-4.
pub fn cavp_sha256() -> Vec<Vector> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vec_sha256/SHA256ShortMsg.rsp");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let vectors = parse_rsp(&text);
            assert_eq!(vectors.len(), 65, "messages of 0 to 64 bytes");
            vectors
        }
        Err(e) => {
            skipped(format!("CAVP vectors but for the examples of FIPS 180-4: {}: {e}", path.display()));
            examples()
        }
    }
}

fn parse_rsp(text: &str) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let (mut bits, mut message) = (0, Vec::new());
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match (key.trim(), value.trim()) {
            ("Len", value) => bits = value.parse().unwrap(),
            ("Msg", value) => {
                message = unhex(value);
                // The empty message is written as one zero byte.
                message.truncate(bits / 8);
            }
            ("MD", value) => {
                let digest = unhex(value).try_into().unwrap();
                vectors.push(Vector { message: std::mem::take(&mut message), digest });
            }
            _ => {}
        }
    }
    vectors
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_file_is_read() {
        let text = "# CAVS 11.0\r\n[L = 32]\r\n\r\nLen = 0\r\nMsg = 00\r\nMD = e3b0c44298fc1c149afbf4c8996fb92427\
                    ae41e4649b934ca495991b7852b855\r\n\r\nLen = 8\r\nMsg = d3\r\nMD = 28969cdfa74a12c82f3bad960b0b\
                    000aca2ac329deea5c2328ebc6f2ba9802c1\r\n";
        let vectors = parse_rsp(text);
        assert_eq!(vectors.len(), 2);
        assert!(vectors[0].message.is_empty());
        assert_eq!((&vectors[1].message[..], vectors[1].digest[0]), (&[0xd3][..], 0x28));
    }
}
