//! One top per board, and its Verilog.

pub mod boards;
pub mod core;
pub mod hx8k;

use rust_hdl_core::prelude::*;

use crate::Error;
use crate::golden::sha256::sha256;
use crate::link::registers::Identity;
use boards::Board;
use hx8k::Hx8k;

/// Depth of the tree's stack: trees of up to 2^24 - 1 leaves.
pub const STACK_DEPTH: usize = 24;

/// The top of the board called `name`, ready to simulate.
pub fn board(name: &str, build_id: u32) -> Result<Hx8k, Error> {
    let board = Board::named(name)?;
    let identity = Identity { build_id, engines: board.engine_bits()?, clock_hz: board.clock_hz };
    let mut top = Hx8k::new(board.clocks_per_bit()?, identity);
    top.connect_all();
    Ok(top)
}

/// The Verilog of the board called `name`, its top module `top`; the same text at every call.
pub fn verilog(name: &str) -> Result<String, Error> {
    Ok(generate_verilog(&board(name, build_id(name)?)?))
}

/// The `BUILD_ID` of the board called `name`: first four bytes, big-endian, of the SHA-256 of its Verilog with `BUILD_ID` 0.
pub fn build_id(name: &str) -> Result<u32, Error> {
    let text = generate_verilog(&board(name, 0)?);
    let [a, b, c, d, ..] = sha256(text.as_bytes());
    Ok(u32::from_be_bytes([a, b, c, d]))
}
