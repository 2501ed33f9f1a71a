//! Merkle trees as in RFC 6962, section 2.1, with the proof algorithms of RFC 9162, sections 2.1.3 and 2.1.4.
//!
//! A leaf hash is `SHA-256(0x00 ‖ leaf)`, an interior hash `SHA-256(0x01 ‖ left ‖ right)`, the head of the empty tree
//! `SHA-256("")`.

use crate::Error;
use crate::digest::sha256;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Computes tree heads, on a board or in software. The ledger checks every answer.
pub trait TreeHasher: Send + Sync {
    /// The RFC 6962 tree head over `leaves`, given as leaf data and not yet hashed.
    fn tree_head(&self, leaves: &[[u8; 32]]) -> Result<Hash, Box<dyn core::error::Error + Send + Sync>>;
}

/// The tree hasher that needs no board.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareTree;

impl TreeHasher for SoftwareTree {
    fn tree_head(&self, leaves: &[[u8; 32]]) -> Result<Hash, Box<dyn core::error::Error + Send + Sync>> {
        Ok(tree_head(leaves))
    }
}

/// `SHA-256(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// MTH of RFC 6962.
pub fn tree_head<L: AsRef<[u8]>>(leaves: &[L]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => leaf_hash(leaf.as_ref()),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&tree_head(left), &tree_head(right))
        }
    }
}

/// PATH of RFC 6962: the siblings of leaf `index`, leaf side first. `None` if there is no such leaf.
pub fn inclusion_path<L: AsRef<[u8]>>(leaves: &[L], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut leaves, mut index) = (leaves, index);
    while leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len()));
        if index < left.len() {
            path.push(tree_head(right));
            leaves = left;
        } else {
            path.push(tree_head(left));
            index -= left.len();
            leaves = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Checks that the leaf with `leaf_hash` is number `index` of the `size` leaves under `head` (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    head: &Hash,
) -> Result<(), Error> {
    if index >= size {
        return Err(Error::BadProof);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut computed = *leaf_hash;
    for sibling in path {
        if last == 0 {
            return Err(Error::BadProof);
        }
        if node & 1 == 1 || node == last {
            computed = node_hash(sibling, &computed);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            computed = node_hash(&computed, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && computed == *head { Ok(()) } else { Err(Error::BadProof) }
}

/// PROOF of RFC 6962: shows that the first `old_size` leaves are a prefix. `None` unless `1 <= old_size <= leaves.len()`.
pub fn consistency_path<L: AsRef<[u8]>>(leaves: &[L], old_size: usize) -> Option<Vec<Hash>> {
    if old_size == 0 || old_size > leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut leaves, mut old_size, mut old_head_known) = (leaves, old_size, true);
    while old_size < leaves.len() {
        let (left, right) = leaves.split_at(split(leaves.len()));
        if old_size <= left.len() {
            path.push(tree_head(right));
            leaves = left;
        } else {
            path.push(tree_head(left));
            old_size -= left.len();
            leaves = right;
            old_head_known = false;
        }
    }
    if !old_head_known {
        path.push(tree_head(leaves));
    }
    path.reverse();
    Some(path)
}

/// Checks that the tree of `old_size` leaves is a prefix of the tree of `new_size` leaves (RFC 9162, 2.1.4.2).
/// An empty old tree proves nothing and is refused.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_head: &Hash,
    new_head: &Hash,
    path: &[Hash],
) -> Result<(), Error> {
    if old_size == 0 || old_size > new_size {
        return Err(Error::BadProof);
    }
    if old_size == new_size {
        return if path.is_empty() && old_head == new_head { Ok(()) } else { Err(Error::BadProof) };
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // Where the old tree is a whole subtree, the proof leaves its head out.
    let (first, rest) = if old_size.is_power_of_two() && !path.is_empty() {
        (old_head, path)
    } else {
        path.split_first().ok_or(Error::BadProof)?
    };
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(Error::BadProof);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && old == *old_head && new == *new_head { Ok(()) } else { Err(Error::BadProof) }
}

/// The largest power of two smaller than `n`, for `n > 1`.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}
