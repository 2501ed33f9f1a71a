//! Twinseal gateware in rust-hdl: the engines, the link to the host, one top per board, the golden models they are
//! checked against, and the flow that turns a board into a bitstream.
#![forbid(unsafe_code)]
// A rust-hdl kernel has no match guards.
#![allow(clippy::collapsible_match)]

pub mod cosim;
pub mod engine;
mod error;
pub mod flow;
pub mod golden;
pub mod link;
pub mod lint;
pub mod top;
pub mod vault;

pub use error::Error;
