//! Multi-authority attribute-based encryption: RW15 (Rouselakis and Waters, *Efficient Statically-Secure
//! Large-Universe Multi-Authority Attribute-Based Encryption*, FC 2015) in the prime-order asymmetric
//! form, on BLS12-381, with decryption and encryption that can be outsourced.
//!
//! Independent [`Authority`]s issue [`AttributeKey`]s to users. Anyone holding the authorities'
//! [`PublicKey`]s can [`encapsulate`] a 32-byte [`SharedKey`] under a [`Policy`]; exactly the users whose
//! own attributes satisfy it can [`decapsulate`]. There is no central authority, any string can be an
//! attribute, and the keys of two users do not combine.
//!
//! ```
//! use twinseal_abe::outsource::{Transformed, tkgen, transform};
//! use twinseal_abe::{Attribute, Authority, Claim, Policy, UserId, decapsulate, encapsulate, rand_core::OsRng};
//!
//! # fn main() -> Result<(), twinseal_abe::Error> {
//! let hospital = Authority::setup("hospital".parse()?, &mut OsRng);
//! let board = Authority::setup("board".parse()?, &mut OsRng);
//! let publics = [hospital.public_key(), board.public_key()];
//!
//! // Each authority vouches for what it knows of Alice: an attribute, and a number with all its comparisons.
//! let alice: UserId = "alice".parse()?;
//! let mut keys = hospital.issue(&alice, [&"doctor@hospital".parse()?], &mut OsRng)?;
//! let licensed: Claim = "licensed=2019-05-01@board".parse()?;
//! keys.extend(board.issue(&alice, &licensed.attributes(), &mut OsRng)?);
//!
//! // Anybody encrypts, bound to a header, knowing public keys only.
//! let policy: Policy = "doctor@hospital and (licensed@board <= 2021-12-31 or chief@hospital)".parse()?;
//! let (ciphertext, key) = encapsulate(&policy, publics, b"record 7", &mut OsRng)?;
//! assert_eq!(decapsulate(&ciphertext, b"record 7", &alice, &keys)?, key);
//!
//! // Alice's phone leaves the pairings to a gateway, which learns nothing of keys or plaintext and is right or
//! // refused.
//! let (transform_key, retrieving_key) = tkgen(&alice, &keys, &mut OsRng)?;
//! let answer = transform(&ciphertext, &transform_key)?.to_bytes(); // at the gateway
//! let finished = retrieving_key.finish(&ciphertext, b"record 7", &Transformed::from_bytes(&answer)?)?;
//! assert_eq!(finished, key);
//! # Ok(())
//! # }
//! ```
//!
//! # Rooms
//!
//! - keys under policies: [`encapsulate`], [`decapsulate`], [`decapsulate_encoded`], [`decapsulate_checked`];
//!   many at once: [`encapsulate_many`], [`decapsulate_many`];
//! - what a policy can say: [`policy`]; deadlines and revocation: [`time`];
//! - files of any size, with random access: [`stream`], and with their policy: [`envelope`];
//! - work done by others: [`outsource`]; an authority without a single issuer: [`threshold`];
//! - the algebra of the papers, over any [`curve`]: [`scheme`].
//!
//! # What it claims
//!
//! - **Secrecy against chosen plaintext** is that of RW15: static corruption of authorities, H and F random
//!   oracles, a q-type assumption, proven there for symmetric groups. That it carries over to asymmetric ones
//!   and that blinding adds nothing to it with several authorities is argued in a sketch, not proven:
//!   `docs/abe_security.md`.
//! - **Against chosen ciphertexts** every opening recomputes z from the secret R and compares, which is the
//!   transformation of Green, Hohenberger and Waters (section 4) for replayable chosen-ciphertext security, and
//!   checks a commitment to R, the header and the whole ciphertext, so nothing that was altered opens.
//!   GHW11 proves this for its own scheme; here it is applied, not proven anew. [`decapsulate_checked`] goes
//!   on to make the whole ciphertext again, after Fujisaki and Okamoto, and so finds a sender who cheats
//!   *other* readers.
//! - **A helper** of [`outsource`] makes the reader accept the right key or nothing, and learns nothing of keys
//!   or plaintexts. It knows attributes and what it opens when, and can confirm a guess who its user is.
//! - **Constant time**: what multiplies by a secret scalar runs in a sequence of operations and memory accesses
//!   that does not depend on it, as far as the compiler keeps it; parsing and policies are public.
//!
//! It is **not post-quantum**. What a reader could open once stays readable to that reader.
//!
//! Compiles no C but blst's, and no unsafe code of its own. The minimum Rust version is 1.90.
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
    Attribute, AuthorityId, Claim, MAX_ATTRIBUTE_BYTES, MAX_NAME_BYTES, MAX_USER_ID_BYTES, NumberClaim,
    UserId,
};
pub use authority::{AttributeKey, Authority, KeyId, PublicKey};
pub use error::Error;
pub use groups::Bls12381;
pub use kem::{
    Ciphertext, MAX_HEADER_BYTES, Mode, SHARED_KEY_BYTES, SharedKey, decapsulate, decapsulate_checked,
    decapsulate_encoded, decapsulate_many, encapsulate, encapsulate_many,
};
pub use number::Number;
pub use policy::Policy;
pub use prefix::{NUMBER_BITS, Prefix};
/// The version of `rand_core` whose traits this crate asks for; its `OsRng` is the generator to use.
pub use rand_core;

/// The example of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
