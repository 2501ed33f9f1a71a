//! Plain-Rust models that define what the gateware must do: written from the standards and from [`twinseal_wire`],
//! for clarity alone. Every module of gateware is compared with one of them.

pub mod board;
pub mod hmac;
pub mod merkle;
pub mod sha256;
