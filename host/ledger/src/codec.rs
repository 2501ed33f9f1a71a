//! The one encoding of the ledger: postcard, canonical. Bytes that decode but would encode differently (an over-long
//! varint, trailing bytes) are refused, so equal values always have equal hashes.

use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// Encodes `value`; `what` names it in the error.
pub(crate) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|_| Error::Malformed { what })
}

/// Decodes exactly one `what` of at most `limit` bytes.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, Error> {
    if bytes.len() > limit {
        return Err(Error::TooLarge { what, bytes: bytes.len(), limit });
    }
    let value: T = postcard::from_bytes(bytes).map_err(|_| Error::Malformed { what })?;
    if encode(what, &value)? != bytes {
        return Err(Error::Malformed { what });
    }
    Ok(value)
}
