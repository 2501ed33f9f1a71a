//! Multi-authority attribute-based encryption: RW15 (Rouselakis and Waters, *Efficient Statically-Secure
//! Large-Universe Multi-Authority Attribute-Based Encryption*, FC 2015) in the prime-order asymmetric
//! form, on BLS12-381.
//!
//! Independent [`Authority`]s issue [`AttributeKey`]s to users. Anyone holding the authorities'
//! [`PublicKey`]s can [`encapsulate`] a 32-byte [`SharedKey`] under a [`Policy`]; exactly the users whose
//! own attributes satisfy it can [`decapsulate`]. There is no central authority, any string can be an
//! attribute, and the keys of two users do not combine.
//!
//! What it claims: secrecy against chosen plaintext (RW15, static corruption of authorities, random
//! oracles, a q-type assumption carried over to asymmetric groups) and a commitment that ties key,
//! header and ciphertext together. [`decapsulate_checked`] re-encrypts and compares, in the manner of
//! Fujisaki and Okamoto; no proof of chosen-ciphertext security is claimed for it here. It is **not
//! post-quantum**. What a reader could open once stays readable to that reader. Operations on secrets
//! run in a sequence that does not depend on them; table reads of the target group powers do, so a
//! program sharing the CPU's cache with the one that encrypts is outside what this protects against.
//!
//! ```
//! use twinseal_abe::{Authority, Policy, UserId, decapsulate, encapsulate, rand_core::OsRng};
//!
//! # fn main() -> Result<(), twinseal_abe::Error> {
//! let hospital = Authority::setup("hospital".parse()?, &mut OsRng);
//! let board = Authority::setup("board".parse()?, &mut OsRng);
//! let publics = [hospital.public_key(), board.public_key()];
//!
//! let alice: UserId = "alice".parse()?;
//! let mut keys = hospital.issue(&alice, [&"doctor@hospital".parse()?], &mut OsRng)?;
//! keys.extend(board.issue(&alice, [&"licensed@board".parse()?], &mut OsRng)?);
//!
//! let policy: Policy = "doctor@hospital and (licensed@board or chief@hospital)".parse()?;
//! let (ciphertext, key) = encapsulate(&policy, publics, b"record 7", &mut OsRng)?;
//! assert_eq!(decapsulate(&ciphertext, b"record 7", &alice, &keys)?, key);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod attribute;
mod authority;
mod codec;
pub mod curve;
pub mod envelope;
mod error;
mod groups;
mod kem;
mod number;
pub mod outsource;
pub mod policy;
mod powers;
mod prefix;
pub mod scheme;
pub mod stream;
pub mod threshold;
pub mod time;

pub use attribute::{
    Attribute, AuthorityId, Claim, MAX_ATTRIBUTE_BYTES, MAX_NAME_BYTES, MAX_USER_ID_BYTES, NumberClaim, UserId,
};
pub use authority::{AttributeKey, Authority, KeyId, PublicKey};
pub use error::Error;
pub use groups::Bls12381;
pub use kem::{
    Ciphertext, MAX_HEADER_BYTES, Mode, SHARED_KEY_BYTES, SharedKey, decapsulate, decapsulate_checked,
    decapsulate_many, encapsulate, encapsulate_many,
};
pub use number::Number;
pub use policy::Policy;
pub use prefix::{NUMBER_BITS, Prefix};
/// The version of `rand_core` whose traits this crate asks for; its `OsRng` is the generator to use.
pub use rand_core;
