//! The software twins of every slot: the `sha2` crate (SHA-NI where the processor has it), HMAC, the operating
//! system's randomness.

use std::io::{ErrorKind, Read};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::provider::{DeriveSlot, Digest, EntropySlot, HashSlot, MerkleSlot};
use crate::vault::check_label;
use crate::{CHUNK_BYTES, Error};

/// What [`HashSlot::engine`] and its sisters say of everything in this file.
pub(crate) const ENGINE: &str = "software";

/// SHA-256, Merkle trees and randomness on this processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Software;

impl HashSlot for Software {
    fn hash(&self, message: &[u8]) -> Result<Digest, Error> {
        Ok(Sha256::digest(message).into())
    }

    fn hash_reader(&self, reader: &mut dyn Read) -> Result<Digest, Error> {
        let mut hash = Sha256::new();
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(hash.finalize().into()),
                Ok(n) => hash.update(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Input(e)),
            }
        }
    }

    fn engine(&self) -> &str {
        ENGINE
    }
}

impl MerkleSlot for Software {
    fn merkle_root(&self, leaves: &[&[u8]]) -> Result<Digest, Error> {
        // Heads of the complete subtrees so far, largest first: one for each set bit of the number of leaves.
        let mut stack: Vec<Digest> = Vec::new();
        for (index, leaf) in leaves.iter().enumerate() {
            let mut head = Sha256::new().chain_update([0]).chain_update(leaf).finalize().into();
            for _ in 0..index.trailing_ones() {
                if let Some(left) = stack.pop() {
                    head = node(&left, &head);
                }
            }
            stack.push(head);
        }
        let head = stack.into_iter().rev().reduce(|right, left| node(&left, &right));
        Ok(head.unwrap_or_else(|| Sha256::digest([]).into()))
    }

    fn engine(&self) -> &str {
        ENGINE
    }
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

impl EntropySlot for Software {
    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(out).map_err(Error::Entropy)
    }

    fn engine(&self) -> &str {
        ENGINE
    }
}

/// Domain byte of a derived key, as in the vaults of boards (docs/decisions/0005-puf-and-vault.md).
const DERIVE: u8 = 2;

/// Keys from a root secret in memory, the same that a board with this root derives.
pub(crate) struct RootDerive {
    root: Zeroizing<[u8; 32]>,
}

impl RootDerive {
    pub(crate) fn new(root: Zeroizing<[u8; 32]>) -> Self {
        Self { root }
    }
}

impl DeriveSlot for RootDerive {
    fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        check_label(label)?;
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(self.root.as_slice());
        let mac = Hmac::<Sha256>::new(&(*block).into()).chain_update([DERIVE]).chain_update(label);
        Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    fn engine(&self) -> &str {
        ENGINE
    }
}

/// The derive slot of a provider that was given no root.
pub(crate) struct NoRoot;

impl DeriveSlot for NoRoot {
    fn derive(&self, _label: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Err(Error::NoRoot)
    }

    fn engine(&self) -> &str {
        "none"
    }
}
