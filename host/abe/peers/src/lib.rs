//! Other implementations of attribute-based encryption beside `twinseal-abe`: `tests/forgeries.rs` shows why
//! they must not protect data, `tests/differential.rs` uses one as an oracle for the algebra, and
//! `examples/bench.rs` measures them. Nothing depends on this crate.
