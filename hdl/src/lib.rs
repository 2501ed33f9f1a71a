//! Twinseal gateware in rust-hdl, its golden models and the flow to a bitstream
#![forbid(unsafe_code)]
