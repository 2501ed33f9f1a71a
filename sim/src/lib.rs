//! The Verilated board: the same Verilog that becomes a bitstream, compiled to C++ and driven through its UART pins.
//!
//! [`SimBoard`] is the board on the desk, [`SimLink`] the cable to a driver in the same process, [`PtyServer`] the
//! cable to any other program: a pseudo-terminal, opened by path as a serial port is. The program `twinseal-simboard`
//! serves one. Its rings are those of a virtual chip, [`Silicon`], with new noise in every sample.
//!
//! # Simulated time
//! The board's clock advances only while there is something to compute: from the first byte sent to it until both
//! lines have been quiet for [`QUIET_CYCLES`] and its vault is at rest. A board quiet for that long with nothing left to hear cannot say
//! anything any more, so nobody has to wait for it, and an idle board costs no processor time. Nothing in the gateware
//! may therefore depend on time passing between requests.
#![deny(unsafe_code)]

pub mod bench;
mod board;
mod error;
#[allow(unsafe_code)]
mod ffi;
mod link;
mod pty;
mod silicon;

pub use board::{BAUD, CLOCK_HZ, QUEUE_BYTES, QUIET_CYCLES, SimBoard, Usage};
pub use error::SimError;
pub use link::{BoardClock, Plug, SimLink};
pub use pty::PtyServer;
pub use silicon::Silicon;
