//! The software of a participant: the `twinseal` command and the `twinseald` daemon, and the node both are made of.
//!
//! Start at [`node::Node`] for what a node does, at [`demo`] to see it do it.
#![forbid(unsafe_code)]

pub mod answers;
pub mod api;
pub mod at_rest;
pub mod authority;
pub mod client;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod engines;
pub mod entropy;
mod error;
pub mod file;
pub mod folder;
pub mod home;
pub mod identity;
pub mod known;
pub mod mail;
pub mod node;
pub mod policy;
pub mod reader;
pub mod record;
pub mod recover;
pub mod report;
pub mod root;
pub mod seal;
pub mod statement;
pub mod store;
pub mod transform;
pub mod upload;
pub mod verify;

pub use error::Error;
