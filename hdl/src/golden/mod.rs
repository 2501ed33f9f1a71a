//! (being written)

pub mod merkle;
pub mod sha256;
