//! Host driver for Twinseal boards: Link, Board, Provider, planner
#![forbid(unsafe_code)]
