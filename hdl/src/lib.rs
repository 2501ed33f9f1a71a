//! Twinseal gateware in rust-hdl: the engines, the link to the host, one top per board, the golden models they are
//! checked against, and the flow that turns a board into a bitstream.
#![forbid(unsafe_code)]

pub mod cosim;
pub mod engine;
pub mod flow;
pub mod golden;
pub mod link;
pub mod lint;
pub mod top;
