//! The object store: ciphertext under its SHA-256, through the `object_store` crate. The embedded default is a folder
//! that is fsynced before a put is acknowledged; S3 and its kin come through the same crate. An object is never
//! overwritten with other bytes, and what comes back is hashed before anyone sees it.

use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::Error;

/// Largest object the store takes: it is held in memory while it is sealed and hashed.
pub const MAX_OBJECT_BYTES: usize = 256 << 20;

/// SHA-256 of an object's bytes; its name in the store.
pub type ObjectHash = [u8; 32];

/// Content-addressed objects over any [`ObjectStore`].
#[derive(Clone, Debug)]
pub struct Objects {
    inner: Arc<dyn ObjectStore>,
}

impl Objects {
    /// A folder, created if missing, with fsync of file and directory on every put.
    pub fn folder(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(|e| Error::io("create the object folder", path, e))?;
        let folder = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
        Ok(Self { inner: Arc::new(folder) })
    }

    /// Stores `bytes` under `hash`, which the caller computed over exactly these bytes with the engine of its choice.
    /// Putting the same bytes twice is harmless.
    pub async fn put(&self, hash: &ObjectHash, bytes: Vec<u8>) -> Result<(), Error> {
        if bytes.len() > MAX_OBJECT_BYTES {
            return Err(Error::ObjectTooLarge { bytes: bytes.len() as u64, limit: MAX_OBJECT_BYTES as u64 });
        }
        self.inner.put(&key(hash), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// Removes what is under `hash`; nothing there is fine.
    pub async fn delete(&self, hash: &ObjectHash) -> Result<(), Error> {
        match self.inner.delete(&key(hash)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Size of everything stored.
    pub async fn used_bytes(&self) -> Result<u64, Error> {
        let add =
            |sum: u64, object: object_store::ObjectMeta| async move { Ok(sum.saturating_add(object.size)) };
        Ok(self.inner.list(None).try_fold(0, add).await?)
    }

    /// The bytes under `hash`, checked against it.
    pub async fn get(&self, hash: &ObjectHash) -> Result<Vec<u8>, Error> {
        let result = match self.inner.get(&key(hash)).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::ObjectMissing { hash: hex::encode(hash) });
            }
            other => other?,
        };
        if result.meta.size > MAX_OBJECT_BYTES as u64 {
            return Err(Error::ObjectTooLarge { bytes: result.meta.size, limit: MAX_OBJECT_BYTES as u64 });
        }
        checked(hash, result.bytes().await?.into())
    }
}

/// An object in the folder of another, perhaps lost, node; checked against its hash.
pub fn read_object(folder: &Path, hash: &ObjectHash) -> Result<Vec<u8>, Error> {
    let path = folder.join(key(hash).as_ref());
    let limit = MAX_OBJECT_BYTES as u64;
    match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::ObjectMissing { hash: hex::encode(hash) });
        }
        Ok(found) if found.len() > limit => {
            return Err(Error::ObjectTooLarge { bytes: found.len(), limit });
        }
        _ => {}
    }
    checked(hash, std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?)
}

fn checked(hash: &ObjectHash, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let actual = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    if actual.as_ref() != hash {
        return Err(Error::ObjectTampered { hash: hex::encode(hash), actual: hex::encode(actual) });
    }
    Ok(bytes)
}

/// Two levels of folders keep any one of them small.
fn key(hash: &ObjectHash) -> Key {
    let hex = hex::encode(hash);
    Key::from(format!("{}/{}", &hex[..2], hex))
}
