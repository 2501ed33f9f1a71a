//! The twin's data: sensor streams with masks, the files they come from, and what stands in for the
//! values that are missing.
//!
//! A [`Series`] is one signal of one person on a regular grid. Files of the sensors become a series in
//! [`ingest`]. This crate knows no hardware and no network.
#![forbid(unsafe_code)]

mod bytes;
mod error;
mod filled;
pub mod ingest;
pub mod metrics;
pub mod patient;
pub mod predict;
mod rng;
mod series;

pub use error::Error;
pub use filled::{Filled, Method, Prediction};
pub use series::{Cell, MAX_CELLS, MAX_SUBJECT_BYTES, Series, SignalKind};

/// What every fallible call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;
