//! One top per board, and its Verilog.

pub mod boards;
pub mod core;
pub mod hx8k;
pub mod icebreaker;

use rust_hdl_core::prelude::*;

use crate::Error;
use crate::engine::Rings;
use crate::engine::rings::{self, Place};
use crate::golden::sha256::sha256;
use crate::link::registers::Identity;
use boards::Board;
use hx8k::Hx8k;
use icebreaker::IceBreaker;

/// Depth of the tree's stack: trees of up to 2^24 - 1 leaves.
pub const STACK_DEPTH: usize = 24;
/// Width of the bit timer: up to four clocks a bit.
const TIMER_BITS: usize = 2;
/// The types of the tops, by name; every kernel is part of one.
pub const TOPS: [&str; 2] = ["Hx8k", "IceBreaker"];

/// The top of a board.
#[expect(clippy::large_enum_variant, reason = "there is one of them at a time")]
pub enum Top {
    /// With a breakout board's ports, also when it is only simulated.
    Hx8k(Hx8k),
    /// With an iCEBreaker's.
    IceBreaker(IceBreaker),
}

impl Top {
    /// What it is made of.
    pub fn block(&self) -> &dyn Block {
        match self {
            Self::Hx8k(top) => top,
            Self::IceBreaker(top) => top,
        }
    }

    /// Its Verilog.
    pub fn verilog(&self) -> String {
        match self {
            Self::Hx8k(top) => generate_verilog(top),
            Self::IceBreaker(top) => generate_verilog(top),
        }
    }
}

/// The top of the board called `name`. The rings of a board without a device stand still until somebody writes numbers
/// into them.
pub fn board(name: &str, build_id: u32) -> Result<Top, Error> {
    let board = Board::named(name)?;
    let (clocks_per_bit, identity) = (board.clocks_per_bit()?, identity(&board, build_id)?);
    let rings = match place(&board)? {
        Some(place) => Rings::placed(place),
        None => Rings::simulated(vec![0; rings::RINGS]),
    };
    if board.device.as_deref() == Some("up5k") {
        let mut top = IceBreaker::new(clocks_per_bit, identity, rings);
        top.connect_all();
        return Ok(Top::IceBreaker(top));
    }
    let mut top = Hx8k::new(clocks_per_bit, identity, rings);
    top.connect_all();
    Ok(Top::Hx8k(top))
}

/// Where the rings of a board are; none are anywhere if it is only simulated.
pub fn place(board: &Board) -> Result<Option<Place>, Error> {
    match board.device.as_deref() {
        None => Ok(None),
        Some("hx8k") => Ok(Some(rings::HX8K)),
        Some("up5k") => Ok(Some(rings::UP5K)),
        Some(device) => Err(Error::BoardsFile(format!("no top for a {device}"))),
    }
}

/// What the board says of itself.
pub fn identity(board: &Board, build_id: u32) -> Result<Identity, Error> {
    Ok(Identity { build_id, engines: board.engine_bits()?, clock_hz: board.clock_hz })
}

/// The Verilog of the board called `name`, its top module `top`; the same text at every call.
pub fn verilog(name: &str) -> Result<String, Error> {
    Ok(board(name, build_id(name)?)?.verilog())
}

/// The `BUILD_ID` of the board called `name`: first four bytes, big-endian, of the SHA-256 of its Verilog with `BUILD_ID` 0.
pub fn build_id(name: &str) -> Result<u32, Error> {
    let [a, b, c, d, ..] = sha256(board(name, 0)?.verilog().as_bytes());
    Ok(u32::from_be_bytes([a, b, c, d]))
}
