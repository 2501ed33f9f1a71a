//! The engines: SHA-256 (FIPS 180-4) and RFC 6962 Merkle tree heads over the same compression core; the rings of the PUF.

mod hasher;
mod ram;
pub mod rings;
mod sha256;

pub use hasher::{Hasher, MAX_STACK_DEPTH};
pub use ram::{BlockRam, Contents, Zeros};
pub use rings::Rings;
pub use sha256::{CLOCKS_PER_BLOCK, Sha256Core};

/// Values of [`Hasher::command`].
pub mod command {
    /// Forget whatever is open and open a message.
    pub const HASH_BEGIN: u64 = 0;
    /// Close the message and compute its digest.
    pub const HASH_END: u64 = 1;
    /// Forget whatever is open and open an empty tree.
    pub const TREE_BEGIN: u64 = 2;
    /// Open a leaf.
    pub const LEAF_BEGIN: u64 = 3;
    /// Close the leaf.
    pub const LEAF_END: u64 = 4;
    /// Close the tree and compute its head.
    pub const TREE_END: u64 = 5;
}
