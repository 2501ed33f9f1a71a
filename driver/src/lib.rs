//! Host driver for Twinseal boards.
//!
//! A [`Link`] carries bytes, a [`Board`] speaks frames over it, a [`Provider`] is what the rest of Twinseal computes
//! with: slots, each filled by a board or by software.
//!
//! ```no_run
//! use std::sync::Arc;
//! use twinseal_driver::{Choice, Error, Options, Planner, Provider, boards};
//!
//! # fn main() -> Result<(), Error> {
//! let found = boards::discover()?;
//! let board = found.first().map(|port| port.open(Options::default())).transpose()?.map(Arc::new);
//! let planner = Planner::new(board, Provider::software(), Choice::Measured)?;
//! planner.explain().iter().for_each(|sentence| println!("{sentence}"));
//!
//! let provider = planner.provider();
//! let digest = provider.hash.hash(b"abc")?;
//! let root = provider.merkle.merkle_root(&[b"first leaf", b"second leaf"])?;
//! # Ok(()) }
//! ```
//!
//! Every call has a deadline, and whatever happens on the cable, it ends with the right result or an [`Error`] that
//! says what to do; unless that is [`Error::Disconnected`], the board can be used again at once.
#![cfg_attr(not(feature = "ftdi"), forbid(unsafe_code))]
#![cfg_attr(feature = "ftdi", deny(unsafe_code))]

mod board;
pub mod boards;
mod error;
pub mod link;
mod pairing;
mod planner;
mod provider;
mod session;
mod software;
mod vault;

pub use board::{Board, Options};
pub use error::{Error, Interface, StatusCode};
pub use link::Link;
pub use planner::{Choice, Cost, Planner};
pub use provider::{
    DeriveSlot, Digest, EntropySlot, GT_BYTES, HashSlot, MAX_FACTORS, MAX_PAIRS, MerkleSlot, Provider,
    TransformJob, TransformOutput, TransformSlot,
};
pub use vault::{HelperData, HelperStore, Mac, Unlocked};

/// Bytes asked of a reader at a time.
const CHUNK_BYTES: usize = 8192;
