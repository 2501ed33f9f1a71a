//! The ring-oscillator PUF and its vault outside the gateware: the silicon that virtual boards are made of, golden models
//! that the gateware must match bit for bit, and the evaluation of chips, virtual or measured.
//!
//! The design and its budgets are in `docs/decisions/0005-puf-and-vault.md`.
//!
//! | room | what |
//! |---|---|
//! | [`silicon`] | ring frequencies of a virtual chip; parameters in `silicon.toml` |
//! | [`reading`] | counts to differences, differences to response bits and their reliability; health of a reading |
//! | [`polar`] | the code: syndrome of a response, successive cancellation decoder |
//! | [`vault`] | enrolment, reconstruction, keys, attestation, refusal |
//! | [`entropy`] | random bits from the rings, SP 800-90B health tests |
//! | [`evaluate`] | uniqueness, entropy and key failure of a population |
//! | [`cli`] | `puf evaluate` for the command |
#![forbid(unsafe_code)]

pub mod cli;
pub mod entropy;
mod error;
pub mod evaluate;
pub mod polar;
pub mod reading;
mod rng;
pub mod silicon;
pub mod vault;

pub use error::Error;

/// Pairs of rings. Pair `j` is ring `2 j` against ring `2 j + 1`; they are neighbours in a row.
pub const PAIRS: usize = 256;
/// Rings in all.
pub const RINGS: usize = 2 * PAIRS;
/// Rings side by side in the array of the model, whose 32 rows are two to a tile.
pub const RINGS_PER_ROW: usize = 16;
/// Response bits: of every pair, which ring is faster, and whether they differ by more than the median pair.
pub const RESPONSE_BITS: usize = 2 * PAIRS;
/// Bits of the response that the helper data give away.
pub const SYNDROME_BITS: usize = 256;
