//! The engines: SHA-256 (FIPS 180-4), HMAC-SHA-256 (FIPS 198-1) and RFC 6962 Merkle tree heads over one compression
//! core; the rings of the PUF.

mod hasher;
mod ram;
pub mod rings;
pub mod rings_ecp5;
mod sha256;

pub use hasher::{Hasher, MAX_STACK_DEPTH};
pub use ram::{BlockRam, ByteRam, Contents, Rom, Zeros};
pub use rings::Rings;
pub use sha256::{CLOCKS_AFTER, CLOCKS_PER_BLOCK, Sha256Core};

/// Values of [`Hasher::command`].
pub mod command {
    /// Forget whatever is open and open a message.
    pub const HASH_BEGIN: u64 = 0;
    /// Close the message and compute its digest, or its MAC if it has a key.
    pub const HASH_END: u64 = 1;
    /// Forget whatever is open and open an empty tree.
    pub const TREE_BEGIN: u64 = 2;
    /// Open a leaf.
    pub const LEAF_BEGIN: u64 = 3;
    /// Close the leaf.
    pub const LEAF_END: u64 = 4;
    /// Close the tree and compute its head.
    pub const TREE_END: u64 = 5;
    /// Forget whatever is open and open a key of up to 64 bytes; one that is longer is hashed first (FIPS 198-1
    /// section 4, step 2).
    pub const KEY_BEGIN: u64 = 6;
    /// Close the key and open the message it is for.
    pub const KEY_END: u64 = 7;
}
