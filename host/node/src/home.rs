//! The home of a person: a folder with the root secret their identity grows from, and the attribute keys and retrieving
//! keys they were given. Everything in it is mode 0600.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinseal_abe::outsource::{self, RetrievingKey, TransformKey};
use twinseal_abe::threshold::{Group, PartialKey};
use twinseal_abe::{AttributeKey, Claim};
use twinseal_driver::{EntropySlot, Provider};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::authority::EPOCH;
use crate::authority::request::{self, Accepted};
use crate::entropy::Rng;
use crate::folder;
use crate::identity::Identity;
use crate::reader::ReaderKeys;
use crate::transform;

/// A person's folder, opened.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    identity: Identity,
}

impl Home {
    /// Opens `dir`. With `create`, a root secret is made where there is none; without, that is an error.
    pub fn open(dir: &Path, create: bool) -> Result<Self, Error> {
        let path = dir.join(folder::ROOT);
        if create && !path.exists() {
            folder::create_private(dir)?;
            let mut root = Zeroizing::new([0u8; 32]);
            entropy().fill(root.as_mut_slice())?;
            folder::write_secret(&path, root.as_slice())?;
        }
        let root = folder::read_secret(&path)?;
        let expected = "32 bytes";
        let root: [u8; 32] = root
            .as_slice()
            .try_into()
            .map_err(|_| Error::SecretMalformed { path: path.display().to_string(), expected })?;
        let derive = Provider::software_with_root(Zeroizing::new(root)).derive;
        Ok(Self { dir: dir.to_owned(), identity: Identity::new(derive, "person")? })
    }

    /// Who lives here.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where attribute keys are kept unless the caller names another file.
    pub fn keys_path(&self) -> PathBuf {
        self.dir.join("attributes.keys")
    }

    /// The attribute keys in `path`; none yet where there is no file.
    pub fn keys(&self, path: &Path) -> Result<ReaderKeys, Error> {
        let user = self.identity.user()?;
        if !path.exists() {
            return Ok(ReaderKeys { user, keys: Vec::new() });
        }
        let keys = ReaderKeys::from_bytes(&folder::read_secret(path)?)?;
        if keys.user == user { Ok(keys) } else { Err(Error::WrongUser) }
    }

    /// Requests for `claims`, one for each authority.
    pub fn requests(
        &self,
        claims: &[Claim],
        keys: &ReaderKeys,
        now_ms: u64,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut authorities: Vec<&str> = claims.iter().map(|c| c.authority().as_str()).collect();
        authorities.sort_unstable();
        authorities.dedup();
        let sign = |name: &str| {
            let of_it: Vec<Claim> =
                claims.iter().filter(|c| c.authority().as_str() == name).cloned().collect();
            let held = keys.newest_epoch(name);
            let request = request::Request::sign(&self.identity, name, &of_it, held, now_ms, &*entropy())?;
            Ok((name.to_owned(), request))
        };
        authorities.into_iter().map(sign).collect()
    }

    /// Opens and checks an answer, and adds its keys to those in `path`; from whom, and how many. Parts from a member of a
    /// threshold authority wait here until there are enough to make keys of.
    pub fn accept(&self, answer: &[u8], key_id: Option<&str>, path: &Path) -> Result<(String, usize), Error> {
        let (public_key, new) = match request::accept(&self.identity, answer, key_id)? {
            Accepted::Keys(public_key, keys) => (*public_key, keys),
            Accepted::Parts(group, parts) => {
                let keys = self.collect(&group, parts)?;
                (group.public_key().clone(), ReaderKeys { user: self.identity.user()?, keys })
            }
        };
        let count = new.keys.len();
        let mut keys = self.keys(path)?;
        keys.merge(new)?;
        folder::replace(path, &keys.to_bytes()?)?;
        Ok((format!("{} under {}", public_key.authority(), public_key.id()), count))
    }

    /// Puts `parts` to those that wait; the keys that are complete.
    fn collect(&self, group: &Group, mut parts: Vec<PartialKey>) -> Result<Vec<AttributeKey>, Error> {
        let path = self.dir.join(format!("parts-{}", hex::encode(&group.fingerprint()[..16])));
        if path.exists() {
            let waiting = folder::read_secret(&path)?;
            let waiting: Parts = postcard::from_bytes(&waiting).map_err(|_| Error::BadReaderKeys)?;
            for bytes in &waiting.0 {
                let part = PartialKey::from_bytes(bytes)?;
                let is_newer = |p: &PartialKey| p.from() == part.from() && p.attribute() == part.attribute();
                if !parts.iter().any(is_newer) {
                    parts.push(part);
                }
            }
        }
        let of = |part: &PartialKey| parts.iter().filter(|p| p.attribute() == part.attribute()).count();
        let (complete, waiting): (Vec<_>, Vec<_>) =
            parts.iter().partition(|part| of(part) >= usize::from(group.threshold()));
        let keys = group.combine(complete)?;
        let waiting = Parts(waiting.iter().map(|part| part.to_bytes().to_vec()).collect());
        let waiting = Zeroizing::new(postcard::to_allocvec(&waiting).map_err(|_| Error::BadReaderKeys)?);
        folder::replace(&path, &waiting)?;
        Ok(keys)
    }

    /// The clocks whose epochs are among `keys`, as claims to renew.
    pub fn renewals(&self, keys: &ReaderKeys) -> Result<Vec<Claim>, Error> {
        let mut clocks: Vec<String> = keys
            .keys
            .iter()
            .filter(|key| key.attribute().name() == EPOCH && key.attribute().prefix().is_some())
            .map(|key| format!("{EPOCH}@{}", key.attribute().authority()))
            .collect();
        clocks.sort_unstable();
        clocks.dedup();
        Ok(clocks.iter().map(|claim| claim.parse()).collect::<Result<_, _>>()?)
    }

    /// Blinds all of `keys` for a helper, and keeps what finishes its work; the name of the transform key and the key.
    pub fn outsource(&self, keys: &ReaderKeys) -> Result<(String, TransformKey), Error> {
        let (transform_key, retrieving) = outsource::tkgen(&keys.user, &keys.keys, &mut Rng(&*entropy()))?;
        let name = transform::name_of(&transform_key);
        folder::write_secret(&self.retrieving_path(&name), &retrieving.to_bytes())?;
        Ok((name, transform_key))
    }

    /// The name of the transform key, if there is exactly one.
    pub fn only_transform_key(&self) -> Result<String, Error> {
        let entries = std::fs::read_dir(&self.dir).map_err(|e| Error::io("list", &self.dir, e))?;
        let files = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let name = |file: String| Some(file.strip_prefix("retrieving-")?.strip_suffix(".key")?.to_owned());
        let names: Vec<String> = files.filter_map(name).collect();
        match &names[..] {
            [name] => Ok(name.clone()),
            _ => Err(Error::WhichTransformKey { count: names.len() }),
        }
    }

    /// What finishes the work done with the transform key called `name`.
    pub fn retrieving(&self, name: &str) -> Result<RetrievingKey, Error> {
        Ok(RetrievingKey::from_bytes(&folder::read_secret(&self.retrieving_path(name))?)?)
    }

    /// Forgets what finishes the work done with the transform key called `name`.
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        folder::remove(&self.retrieving_path(name))
    }

    fn retrieving_path(&self, name: &str) -> PathBuf {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        self.dir.join(format!("retrieving-{name}.key"))
    }
}

/// Encoded parts of keys.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Parts(Vec<Vec<u8>>);

/// The operating system's randomness, as a person's commands use it.
pub fn entropy() -> std::sync::Arc<dyn EntropySlot> {
    Provider::software().entropy
}
