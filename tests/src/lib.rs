//! The conformance suite: what every backend must do, written once. [`link`] speaks frames to anything behind a
//! [`Link`](twinseal_driver::Link), [`board`] drives it through [`Board`](twinseal_driver::Board), [`provider`] asks any
//! [`Provider`](twinseal_driver::Provider), software included. The files in `tests/` run them on each backend.
//!
//! A check that fails panics, as a test does; what was wrong is in the message.
#![forbid(unsafe_code)]
// This crate is tests, also where it is a library.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

pub mod board;
pub mod data;
pub mod fault;
pub mod golden;
pub mod link;
pub mod provider;
mod raw;
pub mod reference;

/// How much of the suite a backend can afford. The checks are the same; their ranges are not.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Every how manieth message length between 0 and 600 is hashed.
    pub length_step: usize,
    /// Every how manieth published vector is used.
    pub vector_step: usize,
    /// Pieces of random garbage thrown at the board.
    pub garbage: usize,
    /// After this long without a byte the board has nothing to say.
    pub patience: Duration,
}

impl Budget {
    /// Everything.
    pub fn full() -> Self {
        Self { length_step: 1, vector_step: 1, garbage: 300, patience: Duration::from_secs(2) }
    }

    /// For a backend where a message takes tens of milliseconds and silence has to be waited out.
    pub fn slow() -> Self {
        Self { length_step: 37, vector_step: 9, garbage: 12, patience: Duration::from_millis(500) }
    }

    /// Message lengths to try: the range in steps, and always the borders of blocks, frames and COBS groups.
    fn lengths(&self) -> impl Iterator<Item = usize> + Clone {
        const BORDERS: &[usize] =
            &[0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 246, 247, 248, 510, 511, 512, 513, 600];
        let step = self.length_step;
        (0..=600).filter(move |n| n % step == 0 || BORDERS.contains(n))
    }
}
