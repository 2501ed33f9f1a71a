//! The cable: bytes to a board and back, with deadlines, and nothing about frames.

use std::time::Instant;

use crate::Error;

#[cfg(feature = "ftdi")]
mod ftdi;
mod replay;
mod serial;

#[cfg(feature = "ftdi")]
pub use ftdi::{FlowControl, Ftdi};
pub use replay::{Recorder, Replay};
pub use serial::Serial;

/// A byte pipe to one board. Implementations neither interpret nor buffer more than the line itself does.
pub trait Link: Send {
    /// Sends all of `bytes`, waiting for room on the line no longer than `deadline`.
    ///
    /// # Errors
    /// [`Error::Stalled`] if the deadline came first (some bytes may be sent), [`Error::Disconnected`] if the line is gone.
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error>;

    /// Waits for at least one byte and reads what is there, up to `buffer.len()`.
    ///
    /// `Ok(0)` means nothing came before `deadline`; a link that knows that nothing more can come (a simulated board at
    /// rest) may say so earlier. `buffer` must not be empty.
    ///
    /// # Errors
    /// [`Error::Disconnected`] if the line is gone.
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error>;

    /// Throws away every byte that has arrived and was not read.
    ///
    /// # Errors
    /// [`Error::Disconnected`] if the line is gone.
    fn discard_input(&mut self) -> Result<(), Error>;

    /// A short name for messages, e.g. `/dev/ttyUSB1` or `hx8k sim`.
    fn describe(&self) -> String;
}
