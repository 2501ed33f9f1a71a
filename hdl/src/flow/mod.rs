//! From a board's Verilog to its bitstream, and back again to check it.

pub mod tool;
