//! Host driver for Twinseal boards.
//!
//! A [`Link`] carries bytes, a [`Board`] speaks frames over it, a [`Provider`] is what the rest of Twinseal computes
//! with: slots, each filled by a board or by software.
//!
//! ```
//! use twinseal_driver::Provider;
//!
//! let provider = Provider::software();
//! let digest = provider.hash.hash(b"abc")?;
//! assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
//! # Ok::<(), twinseal_driver::Error>(())
//! ```
#![cfg_attr(not(feature = "ftdi"), forbid(unsafe_code))]
#![cfg_attr(feature = "ftdi", deny(unsafe_code))]

mod board;
pub mod boards;
mod error;
pub mod link;
mod planner;
mod provider;
mod session;
mod software;

pub use board::{Board, Options};
pub use error::{Error, Interface, StatusCode};
pub use link::Link;
pub use planner::{Choice, Cost, Planner};
pub use provider::{DeriveSlot, Digest, EntropySlot, HashSlot, MerkleSlot, Provider};

/// Bytes asked of a reader at a time.
const CHUNK_BYTES: usize = 8192;
