//! SHA-256 with domain separation, and the 32-byte names made with it.

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// SHA-256 over `domain ‖ 0x00 ‖ parts`. Domains contain no zero byte, so no domain is a prefix of another.
pub(crate) fn hash(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(domain.as_bytes());
    context.update(&[0]);
    for part in parts {
        context.update(part);
    }
    finish(context)
}

/// Plain SHA-256 (FIPS 180-4) over the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    finish(context)
}

fn finish(context: Context) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

macro_rules! name32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl core::str::FromStr for $name {
            type Err = crate::Error;

            /// 64 hex digits.
            fn from_str(text: &str) -> Result<Self, crate::Error> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| crate::Error::BadName { text: text.chars().take(80).collect() })?;
                Ok(Self(bytes))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

name32! {
    /// A participant: SHA-256 of `"twinseal/v1/account" ‖ 0x00 ‖ ML-DSA-65 public key`.
    AccountId
}
name32! {
    /// A ledger: SHA-256 of `"twinseal/v1/genesis" ‖ 0x00 ‖ encoded genesis`. Every transaction names it, so none can be
    /// replayed on another ledger.
    ChainId
}
name32! {
    /// A transaction: SHA-256 of `"twinseal/v1/transaction-id" ‖ 0x00 ‖ encoded body`. The signature is left out: ML-DSA
    /// signing is randomised, and a body signed twice is the same transaction.
    TransactionId
}
name32! {
    /// A block: SHA-256 of `"twinseal/v1/block-hash" ‖ 0x00 ‖ encoded header`.
    BlockHash
}
