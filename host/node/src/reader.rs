//! A reader's attribute keys as one secret file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use twinseal_abe::{AttributeKey, NUMBER_BITS, UserId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::authority::EPOCH;
use crate::authority::request::Held;

/// Most keys in one file.
pub const MAX_KEYS: usize = 4096;

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
    /// Takes `more` in; of two keys for the same attribute and generation the newer stays.
    pub fn merge(&mut self, more: Self) -> Result<(), Error> {
        if more.user != self.user {
            return Err(Error::WrongUser);
        }
        let name = |key: &AttributeKey| (key.attribute().clone(), key.key_id());
        let new: BTreeSet<_> = more.keys.iter().map(name).collect();
        self.keys.retain(|key| !new.contains(&name(key)));
        self.keys.extend(more.keys);
        if self.keys.len() > MAX_KEYS { Err(Error::BadReaderKeys) } else { Ok(()) }
    }

    /// The newest epoch of the clock called `authority` that there are keys for.
    pub fn newest_epoch(&self, authority: &str) -> Held {
        let of_clock = |key: &&AttributeKey| {
            key.attribute().name() == EPOCH && key.attribute().authority().as_str() == authority
        };
        // Later generations are not told from earlier ones here; the clock takes no notice of a wrong one.
        let epoch = |key: &AttributeKey| {
            let whole = key.attribute().prefix().filter(|prefix| prefix.length() == NUMBER_BITS)?;
            Some((whole.first(), key.key_id().to_string()))
        };
        let newest = self.keys.iter().filter(of_clock).filter_map(epoch).enumerate();
        newest.max_by_key(|(place, (day, _))| (*day, *place)).map(|(_, held)| held)
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
