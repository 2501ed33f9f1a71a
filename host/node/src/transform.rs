//! Outsourced decryption (Green, Hohenberger and Waters 2011; Tang 2025, III.E). A reader leaves a transform key with the
//! node, which then does the pairings of every opening, on whatever engine the provider has, and returns two group
//! elements that are of use to the reader alone. The node learns which records its attributes open, and no key and no
//! plaintext; what it returns is checked by the reader and not believed. Deleting the transform key ends it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use twinseal_abe::Ciphertext;
use twinseal_abe::outsource::{self, TransformEngine, TransformKey, Transformed};
use twinseal_driver::{EntropySlot, TransformSlot};

use crate::Error;
use crate::answers::Evidence;
use crate::folder;
use crate::identity::Identity;
use crate::statement::{Seen, Stamp, Statement};

/// Most transform keys a node keeps.
pub const MAX_TRANSFORM_KEYS: usize = 1024;
/// Most transform keys of one user.
pub const MAX_PER_USER: usize = 16;
/// Largest upload of a transform key: a signed statement.
pub const MAX_UPLOAD_BYTES: usize = crate::statement::MAX_BYTES;
/// Largest stored transform key.
const MAX_FILE_BYTES: u64 = 4 << 20;

const DOMAIN: &str = "twinseal/v1/transform-key";

/// What a user says about a transform key.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Wish {
    /// Keep these bytes and work with them.
    Keep(Vec<u8>),
    /// Forget the key of this name.
    Forget(String),
}

/// The name of a transform key: the start of its SHA-256, 32 hex digits.
pub fn name_of(key: &TransformKey) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.to_bytes());
    hex::encode(&digest.as_ref()[..16])
}

/// A signed upload of `key`.
pub fn keep(
    key: &TransformKey,
    identity: &Identity,
    now_ms: u64,
    entropy: &dyn EntropySlot,
) -> Result<Vec<u8>, Error> {
    let wish = (Wish::Keep(key.to_bytes()), Stamp::new(now_ms, entropy)?);
    Statement::new(DOMAIN, &wish, identity)?.to_bytes()
}

/// A signed wish that the transform key called `name` be deleted.
pub fn forget(
    name: &str,
    identity: &Identity,
    now_ms: u64,
    entropy: &dyn EntropySlot,
) -> Result<Vec<u8>, Error> {
    let wish = (Wish::Forget(name.into()), Stamp::new(now_ms, entropy)?);
    Statement::new(DOMAIN, &wish, identity)?.to_bytes()
}

/// The transform keys of a node: a file each, `USER.NAME`.
#[derive(Debug)]
pub struct TransformKeys {
    dir: PathBuf,
    keys: Mutex<BTreeMap<String, Kept>>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug)]
struct Kept {
    user: String,
    key: Arc<TransformKey>,
}

impl TransformKeys {
    /// Those in `dir`, which is created if missing.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        folder::create_private(dir)?;
        let mut keys = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))? {
            let path = entry.map_err(|e| Error::io("list", dir, e))?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Anything else is a write that was cut off.
            if let Some((user, name)) = file.split_once('.').filter(|(user, _)| !user.is_empty()) {
                let kept = Kept { user: user.into(), key: Arc::new(read(&path)?) };
                keys.insert(name.to_owned(), kept);
            }
        }
        Ok(Self { dir: dir.to_owned(), keys: Mutex::new(keys), seen: Mutex::default() })
    }

    /// Keeps what `upload` asks to keep, under `name`. `may_keep` decides who may leave which key.
    pub fn keep(
        &self,
        name: &str,
        upload: &[u8],
        now_ms: u64,
        may_keep: impl FnOnce(&str, &TransformKey) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (user, (wish, stamp)): (_, (Wish, Stamp)) = Statement::from_bytes(upload)?.open(DOMAIN)?;
        self.admit(&stamp, now_ms)?;
        let Wish::Keep(bytes) = wish else { return Err(Error::BadStatement) };
        let key = TransformKey::from_bytes(&bytes)?;
        if name_of(&key) != name {
            return Err(Error::BadStatement);
        }
        may_keep(user.as_str(), &key)?;
        let mut keys = self.lock();
        if keys.get(name).is_some_and(|kept| kept.user != user.as_str()) {
            return Err(Error::WrongUser);
        }
        let of_user = keys.values().filter(|kept| kept.user == user.as_str()).count();
        if !keys.contains_key(name) && (keys.len() >= MAX_TRANSFORM_KEYS || of_user >= MAX_PER_USER) {
            return Err(Error::TooManyTransformKeys { limit: MAX_PER_USER });
        }
        folder::replace(&self.dir.join(format!("{user}.{name}")), &bytes)?;
        keys.insert(name.to_owned(), Kept { user: user.to_string(), key: Arc::new(key) });
        Ok(())
    }

    /// Deletes a key at the wish of its user.
    pub fn forget(&self, name: &str, wish: &[u8], now_ms: u64) -> Result<(), Error> {
        let (user, (wish, stamp)): (_, (Wish, Stamp)) = Statement::from_bytes(wish)?.open(DOMAIN)?;
        self.admit(&stamp, now_ms)?;
        if !matches!(wish, Wish::Forget(named) if named == name) {
            return Err(Error::BadStatement);
        }
        match self.lock().get(name) {
            Some(kept) if kept.user == user.as_str() => {}
            Some(_) => return Err(Error::WrongUser),
            None => return Err(unknown(name)),
        }
        self.delete(name)
    }

    /// Deletes a key at the wish of the operator.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        let mut keys = self.lock();
        let kept = keys.get(name).ok_or_else(|| unknown(name))?;
        folder::remove(&self.dir.join(format!("{}.{name}", kept.user)))?;
        keys.remove(name);
        Ok(())
    }

    /// Deletes all keys of a user.
    pub fn delete_user(&self, user: &str) -> Result<(), Error> {
        let names: Vec<String> = {
            let keys = self.lock();
            keys.iter().filter(|(_, kept)| kept.user == user).map(|(name, _)| name.clone()).collect()
        };
        names.iter().try_for_each(|name| self.delete(name))
    }

    /// Deletes every key that `may_stay` refuses for its user; how many.
    pub fn retain(
        &self,
        may_stay: impl Fn(&str, &TransformKey) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let names: Vec<String> = {
            let keys = self.lock();
            let refused = keys.iter().filter(|(_, kept)| may_stay(&kept.user, &kept.key).is_err());
            refused.map(|(name, _)| name.clone()).collect()
        };
        names.iter().try_for_each(|name| self.delete(name))?;
        Ok(names.len())
    }

    /// The key called `name`, and its user.
    pub fn get(&self, name: &str) -> Result<(String, Arc<TransformKey>), Error> {
        self.lock().get(name).map(|kept| (kept.user.clone(), kept.key.clone())).ok_or_else(|| unknown(name))
    }

    fn admit(&self, stamp: &Stamp, now_ms: u64) -> Result<(), Error> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).admit(stamp, now_ms)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        // Every change is whole or not made, so a panic elsewhere leaves nothing half done.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(name: &str) -> Error {
    Error::NoTransformKey { name: name.chars().take(64).collect() }
}

fn read(path: &Path) -> Result<TransformKey, Error> {
    let found = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    let bytes = if found.len() > MAX_FILE_BYTES {
        Vec::new()
    } else {
        std::fs::read(path).map_err(|e| Error::io("read", path, e))?
    };
    TransformKey::from_bytes(&bytes).map_err(|_| Error::SecretMalformed {
        path: path.display().to_string(),
        expected: "a transform key; delete it, and its user leaves another",
    })
}

/// The pairings of one opening, on `slot`.
pub fn transform(
    ciphertext: &Ciphertext,
    key: &TransformKey,
    slot: &dyn TransformSlot,
) -> Result<Transformed, Error> {
    Ok(outsource::transform_with(ciphertext, key, &Engine(slot))?)
}

/// The driver's slot as the engine that `twinseal-abe` asks for.
struct Engine<'a>(&'a dyn TransformSlot);

impl TransformEngine for Engine<'_> {
    fn transform(
        &self,
        job: &outsource::TransformJob,
    ) -> Result<outsource::TransformOutput, Box<dyn core::error::Error + Send + Sync>> {
        let job = twinseal_driver::TransformJob { pairs: job.pairs.clone(), factors: job.factors.clone() };
        let output = self.0.transform(&job)?;
        Ok(outsource::TransformOutput { t: output.t, q: output.q })
    }
}

/// One section as a helper hands it over: everything a reader checks, and the pairings done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransformedSection {
    /// The blob.
    pub blob: Vec<u8>,
    /// That it is on the ledger.
    pub evidence: Evidence,
    /// The section's body.
    pub body: Vec<u8>,
    /// [`Transformed`] bytes.
    pub transformed: Vec<u8>,
    /// Who computed it.
    pub engine: String,
}

impl TransformedSection {
    /// The encoding.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        postcard::to_allocvec(self).map_err(|_| Error::Malformed)
    }

    /// Parses [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match postcard::take_from_bytes(bytes) {
            Ok((section, [])) => Ok(section),
            _ => Err(Error::Malformed),
        }
    }
}
