//! The ledger of a Twinseal consortium: signed transactions, ordered, then executed.
//!
//! ```text
//! Transaction ──admit──▶ Orderer ──batch──▶ execute ──▶ Block ──commit, fsync──▶ Receipt
//!              limits,    level,            state       tree head,
//!              member,    fee, share                    signature
//!              signature
//! ```
//!
//! The orderer fixes the order; execution is a pure function of state and block (no clock, no randomness, no I/O), so
//! every peer arrives at the same state digest. A transaction that cannot be executed stays in its block with a failure
//! receipt and changes nothing but its used nonce: that keeps order and execution apart, and leaves evidence.
//!
//! Only hashes, terms and payments are here; content never is.
//!
//! Start at [`Ledger`]; a participant that holds headers alone uses [`LightClient`].
#![forbid(unsafe_code)]

mod archive;
pub mod block;
pub mod clock;
mod codec;
pub mod digest;
pub mod error;
#[cfg(test)]
mod faults;
pub mod genesis;
pub mod identity;
mod ledger;
mod light;
pub mod merkle;
pub mod orderer;
pub mod state;
mod store;
pub mod transaction;

pub use archive::Archive;
pub use block::{Block, Header, Height, InclusionProof, SignedHeader, verify_inclusion};
pub use clock::{Clock, SystemClock};
pub use digest::{BlockHash, ChainId, TransactionId};
pub use error::{Error, Refusal};
pub use genesis::{Genesis, Member, Rules};
pub use identity::{AccountId, PublicKey, Signature, SigningKey};
pub use ledger::{Ledger, MAX_LEASES};
pub use light::LightClient;
pub use merkle::{SoftwareTree, TreeHasher};
pub use state::{Grant, Lease, Outcome, Receipt, Record};
pub use transaction::{Access, Kind, Level, RecordNumber, Transaction};
