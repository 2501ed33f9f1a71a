//! Multi-authority attribute-based encryption (RW15) on BLS12-381
#![forbid(unsafe_code)]
