//! Signed transactions, blocks, Merkle proofs, state and orderers
#![forbid(unsafe_code)]
