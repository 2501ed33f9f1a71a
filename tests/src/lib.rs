//! Conformance, end-to-end and vector tests over every backend
#![forbid(unsafe_code)]
