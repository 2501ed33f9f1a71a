//! The conformance suite: what every backend must do, written once. [`link`] speaks frames to anything behind a
//! [`Link`](twinseal_driver::Link), [`board`] drives it through [`Board`](twinseal_driver::Board), [`provider`] asks any
//! [`Provider`](twinseal_driver::Provider), software included. The files in `tests/` run them on each backend.
//!
//! [`vault`] has the frames of the vault, on boards it can switch on.
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
pub mod vault;

/// How much of the suite a backend can afford. The checks are the same; their ranges are not.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Every how manieth message length between 0 and 600 is hashed, and echoed as far as it fits an answer.
    pub length_step: usize,
    /// Every how manieth published vector is used.
    pub vector_step: usize,
    /// Pieces of random garbage thrown at the board.
    pub garbage: usize,
    /// After this long without a byte the board has nothing to say.
    pub patience: Duration,
    /// As `patience`, for requests of the vault.
    pub vault_patience: Duration,
    /// Whether the board has rings that oscillate; not so in an image that was decompiled.
    pub rings_run: bool,
    /// Every how manieth bit of helper data is flipped.
    pub flip_step: usize,
    /// Refusals of a vault between two power-ups: each is held back twice as long as the one before, the eighth for 2.8 s
    /// of the board's time.
    pub refusals: usize,
    /// Times 32 random bytes.
    pub random_draws: usize,
}

impl Budget {
    /// Everything.
    pub fn full() -> Self {
        Self {
            length_step: 1,
            vector_step: 1,
            garbage: 300,
            patience: Duration::from_secs(2),
            vault_patience: Duration::from_secs(120),
            rings_run: true,
            flip_step: 1,
            refusals: 8,
            random_draws: 64,
        }
    }

    /// For a backend where a message takes tens of milliseconds and silence has to be waited out.
    pub fn slow() -> Self {
        Self {
            length_step: 37,
            vector_step: 9,
            garbage: 12,
            patience: Duration::from_millis(500),
            flip_step: 200,
            refusals: 2,
            random_draws: 2,
            ..Self::full()
        }
    }

    /// Message lengths to try: the range in steps, and always the borders of blocks, frames and COBS groups.
    fn lengths(&self) -> impl Iterator<Item = usize> + Clone {
        const BORDERS: &[usize] =
            &[0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 246, 247, 248, 510, 511, 512, 513, 600];
        let step = self.length_step;
        (0..=600).filter(move |n| n % step == 0 || BORDERS.contains(n))
    }
}
