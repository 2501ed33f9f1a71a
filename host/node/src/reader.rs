//! A reader's attribute keys as one secret file, and how authorities issue them.

use serde::{Deserialize, Serialize};
use twinseal_abe::{Attribute, AttributeKey, Authority, UserId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;

/// Most keys in one file.
pub const MAX_KEYS: usize = 1024;

/// All keys of one reader, from any number of authorities.
#[derive(Debug)]
pub struct ReaderKeys {
    /// Whom they bind to; keys of two readers do not combine.
    pub user: UserId,
    /// One per attribute.
    pub keys: Vec<AttributeKey>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Encoded {
    magic: [u8; 8],
    user: String,
    keys: Vec<Vec<u8>>,
}

const MAGIC: [u8; 8] = *b"TSLKEYS1";

impl ReaderKeys {
    /// Asks each attribute's authority for its key. An authority that is not ours is an error.
    pub fn issue(
        authorities: &[Authority],
        uid: &str,
        attributes: &[String],
        rng: &mut crate::entropy::Rng<'_>,
    ) -> Result<Self, Error> {
        let user: UserId = uid.parse()?;
        let attributes = attributes.iter().map(|a| a.parse::<Attribute>()).collect::<Result<Vec<_>, _>>()?;
        let mut keys = Vec::with_capacity(attributes.len());
        for attribute in &attributes {
            let authority = authorities
                .iter()
                .find(|a| a.public_key().authority() == attribute.authority())
                .ok_or_else(|| Error::UnknownAuthority { authority: attribute.authority().to_string() })?;
            keys.extend(authority.issue(&user, [attribute], rng)?);
        }
        Ok(Self { user, keys })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let encoded = Encoded {
            magic: MAGIC,
            user: self.user.to_string(),
            keys: self.keys.iter().map(|k| k.to_bytes().to_vec()).collect(),
        };
        Ok(Zeroizing::new(postcard::to_allocvec(&encoded).map_err(|_| Error::BadReaderKeys)?))
    }

    /// Parses a file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (encoded, rest): (Encoded, _) =
            postcard::take_from_bytes(bytes).map_err(|_| Error::BadReaderKeys)?;
        if encoded.magic != MAGIC || !rest.is_empty() || encoded.keys.len() > MAX_KEYS {
            return Err(Error::BadReaderKeys);
        }
        let keys = encoded.keys.iter().map(|k| AttributeKey::from_bytes(k)).collect::<Result<_, _>>()?;
        Ok(Self { user: encoded.user.parse()?, keys })
    }
}
