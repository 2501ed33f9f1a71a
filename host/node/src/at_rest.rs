//! Secrets that grow from no root, because chance or somebody else made them: the master keys of authorities, attribute
//! keys, retrieving keys. In a folder whose keys grow in a board they are sealed under a key of that board, made for the
//! moment, so that a stolen disk without the board gives none of them away, and whoever can write to the disk cannot put
//! secrets of their own in their place: a file that is not sealed is refused there. They can still put back an older one, or
//! replace the root itself and all that is under it. Without a board secrets are as they are.
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

    /// The secret in `path`: sealed where secrets are, and plain where they are not.
    pub fn read(&self, what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
        let kept = folder::read_secret(path)?;
        let (sealed, derive) = match (kept.strip_prefix(MAGIC), &self.derive) {
            (Some(sealed), Some(derive)) => (sealed, derive),
            (Some(_), None) => return Err(Error::SealedAtRest { path: path.display().to_string() }),
            (None, Some(_)) => return Err(Error::NotSealed { path: path.display().to_string() }),
            (None, None) => return Ok(kept),
        };
        let expected = "what this board sealed";
        seal::open(&key(&**derive, what)?, what.as_bytes(), sealed)
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
    fn what_is_not_sealed_is_refused_where_secrets_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let plain = AtRest::plain();
        plain.replace("keys", &path, b"of somebody else").unwrap();
        assert_eq!(plain.read("keys", &path).unwrap().as_slice(), b"of somebody else");
        assert_eq!(of(1).read("keys", &path).unwrap_err().code(), "TSL-NOD-067");
        of(1).replace("keys", &path, b"secret").unwrap();
        let sealed = std::fs::read(&path).unwrap();
        for stripped in [&sealed[MAGIC.len()..], &sealed[..MAGIC.len() - 1], &sealed[1..]] {
            folder::replace(&path, stripped).unwrap();
            assert_eq!(of(1).read("keys", &path).unwrap_err().code(), "TSL-NOD-067");
        }
    }
}
