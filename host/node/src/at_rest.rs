//! Secrets that grow from no root, because chance or somebody else made them: the master keys of authorities, attribute
//! keys, retrieving keys. In a folder whose keys grow in a board they are sealed under a key of that board, made for the
//! moment, so that a stolen disk without the board gives none of them away; without a board they are as they are.
//!
//! ```text
//! key    = derive("twinseal/v1/at-rest/" ‖ what)
//! sealed = "TSLREST1" ‖ seal(key, what, secret)
//! ```

use std::path::Path;
use std::sync::Arc;

use twinseal_driver::{DeriveSlot, EntropySlot, Provider};
use zeroize::Zeroizing;

use crate::Error;
use crate::folder;
use crate::seal::{self, SectionKey};

const MAGIC: &[u8; 8] = b"TSLREST1";

/// How secrets are kept in one folder.
#[derive(Clone)]
pub struct AtRest {
    derive: Option<Arc<dyn DeriveSlot>>,
    entropy: Arc<dyn EntropySlot>,
}

impl AtRest {
    /// As they are.
    pub fn plain() -> Self {
        Self { derive: None, entropy: Provider::software().entropy }
    }

    /// Sealed under keys of `derive`, with randomness of `entropy`.
    pub fn sealed(derive: Arc<dyn DeriveSlot>, entropy: Arc<dyn EntropySlot>) -> Self {
        Self { derive: Some(derive), entropy }
    }

    /// Secrets are sealed here.
    pub fn is_sealed(&self) -> bool {
        self.derive.is_some()
    }

    /// `secret` as it is kept; `what` says what it is, and is needed to read it.
    pub fn wrap(&self, what: &str, secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Some(derive) = &self.derive else { return Ok(Zeroizing::new(secret.to_vec())) };
        let sealed = seal::seal(&key(&**derive, what)?, what.as_bytes(), secret, &*self.entropy)?;
        Ok(Zeroizing::new([MAGIC.as_slice(), &sealed].concat()))
    }

    /// The secret in `path`. One from before the folder had a board is read as it is.
    pub fn read(&self, what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
        let kept = folder::read_secret(path)?;
        let Some(sealed) = kept.strip_prefix(MAGIC) else { return Ok(kept) };
        let needs_board = || Error::SealedAtRest { path: path.display().to_string() };
        let key = key(&**self.derive.as_ref().ok_or_else(needs_board)?, what)?;
        let expected = "what this board sealed";
        seal::open(&key, what.as_bytes(), sealed)
            .map_err(|_| Error::SecretMalformed { path: path.display().to_string(), expected })
    }

    /// Writes a secret file, in place of one that was there; see [`folder::replace`].
    pub fn replace(&self, what: &str, path: &Path, secret: &[u8]) -> Result<(), Error> {
        folder::replace(path, &self.wrap(what, secret)?)
    }
}

/// Whether the file at `path` is sealed under some board.
pub fn is_sealed(path: &Path) -> Result<bool, Error> {
    Ok(folder::read_secret(path)?.starts_with(MAGIC))
}

fn key(derive: &dyn DeriveSlot, what: &str) -> Result<SectionKey, Error> {
    Ok(SectionKey::new(derive.derive(format!("twinseal/v1/at-rest/{what}").as_bytes())?))
}

impl core::fmt::Debug for AtRest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AtRest").field("sealed", &self.is_sealed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(root: u8) -> AtRest {
        let provider = Provider::software_with_root(Zeroizing::new([root; 32]));
        AtRest::sealed(provider.derive, provider.entropy)
    }

    #[test]
    fn only_the_same_root_reads_what_was_sealed_and_as_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("generation-1.key");
        of(1).replace("hospital/1", &path, b"master key").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"master") && is_sealed(&path).unwrap());
        assert_eq!(of(1).read("hospital/1", &path).unwrap().as_slice(), b"master key");
        let code = |rest: AtRest, what| rest.read(what, &path).unwrap_err().code().to_owned();
        assert_eq!(code(of(2), "hospital/1"), "TSL-NOD-017");
        assert_eq!(code(of(1), "hospital/2"), "TSL-NOD-017");
        assert_eq!(code(AtRest::plain(), "hospital/1"), "TSL-NOD-058");
    }

    #[test]
    fn what_was_kept_plain_is_read_and_sealed_when_it_is_next_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        AtRest::plain().replace("keys", &path, b"secret").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        assert_eq!(of(1).read("keys", &path).unwrap().as_slice(), b"secret");
        of(1).replace("keys", &path, b"secret").unwrap();
        assert!(is_sealed(&path).unwrap());
    }
}
