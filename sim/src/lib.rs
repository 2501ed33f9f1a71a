//! The Verilated Twinseal board as a Link and as a pseudo-terminal
#![forbid(unsafe_code)]
