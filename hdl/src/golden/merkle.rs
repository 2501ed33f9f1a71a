//! Merkle tree heads written from RFC 6962 section 2.1: once as the recursive definition, once as the
//! streaming stack that the gateware implements, with the same refusals.

use super::sha256::{DIGEST_BYTES, Sha256, sha256};

/// A SHA-256 digest.
pub type Hash = [u8; DIGEST_BYTES];

/// `SHA-256(0x00 || data)`.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&[0]);
    hash.update(data);
    hash.finish()
}

/// `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&[1]);
    hash.update(left);
    hash.update(right);
    hash.finish()
}

/// The Merkle tree hash of `leaves`, by the recursive definition.
pub fn tree_head<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Hash {
    let hashes: Vec<Hash> = leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
    head_of_hashes(&hashes)
}

fn head_of_hashes(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            // The largest power of two smaller than the number of leaves.
            let split = hashes.len().next_power_of_two() / 2;
            let (left, right) = hashes.split_at(split);
            node_hash(&head_of_hashes(left), &head_of_hashes(right))
        }
    }
}

/// Why a step was refused; the step then changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The step makes no sense in this state.
    State,
    /// The tree already has 2^depth - 1 leaves.
    Full,
}

/// A tree head computed leaf by leaf, keeping only the heads of the complete subtrees so far.
#[derive(Clone, Debug)]
pub struct Merkle {
    stack_depth: u32,
    /// `None` while no tree is open.
    tree: Option<Tree>,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    leaves: u64,
    /// Heads of complete subtrees, largest first: one for each set bit of `leaves`.
    stack: Vec<Hash>,
    leaf: Option<Sha256>,
}

impl Merkle {
    /// No tree open; trees may have up to 2^`stack_depth` - 1 leaves.
    pub const fn new(stack_depth: u32) -> Self {
        assert!(stack_depth < 64);
        Self { stack_depth, tree: None }
    }

    /// Forgets any open tree and opens an empty one.
    pub fn tree_begin(&mut self) {
        self.tree = Some(Tree::default());
    }

    /// Opens a leaf.
    pub fn leaf_begin(&mut self) -> Result<(), Refusal> {
        match &mut self.tree {
            Some(tree) if tree.leaf.is_none() => {
                if tree.leaves == (1 << self.stack_depth) - 1 {
                    return Err(Refusal::Full);
                }
                let mut hash = Sha256::new();
                hash.update(&[0]);
                tree.leaf = Some(hash);
                Ok(())
            }
            _ => Err(Refusal::State),
        }
    }

    /// Appends `bytes` to the open leaf.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let leaf = self.tree.as_mut().and_then(|tree| tree.leaf.as_mut()).ok_or(Refusal::State)?;
        leaf.update(bytes);
        Ok(())
    }

    /// Closes the open leaf and merges every pair of complete subtrees of equal size.
    pub fn leaf_end(&mut self) -> Result<(), Refusal> {
        let tree = self.tree.as_mut().ok_or(Refusal::State)?;
        let mut hash = tree.leaf.take().ok_or(Refusal::State)?.finish();
        for _ in 0..tree.leaves.trailing_ones() {
            if let Some(left) = tree.stack.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        tree.stack.push(hash);
        tree.leaves += 1;
        Ok(())
    }

    /// Closes the tree and returns its head.
    pub fn tree_end(&mut self) -> Result<Hash, Refusal> {
        if self.tree.as_ref().is_none_or(|tree| tree.leaf.is_some()) {
            return Err(Refusal::State);
        }
        let stack = self.tree.take().map(|tree| tree.stack).unwrap_or_default();
        let head = stack.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
        Ok(head.unwrap_or_else(|| sha256(&[])))
    }
}
