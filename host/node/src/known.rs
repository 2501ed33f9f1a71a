//! Public keys of authorities as daemons gave them before. A forged public key opens what is sealed under it, and the API is
//! plain HTTP; so the key a daemon names for an authority is pinned on first use, and another one is refused until the user
//! names its id. `known_authorities` in the user's home has a line `URL AUTHORITY KEY-ID` for every key that was taken;
//! the last one of a URL and authority counts, and the earlier ones are its history.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use twinseal_abe::{AuthorityId, PublicKey};

use crate::Error;
use crate::authority::Published;
use crate::client::Client;
use crate::folder;

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The file.
#[derive(Debug)]
pub struct KnownAuthorities {
    path: PathBuf,
}

/// What a daemon gave, compared with what is known.
#[derive(Debug)]
pub struct Compared {
    /// Current public keys of the authorities asked for.
    pub keys: Vec<PublicKey>,
    /// Those among them that were taken on the daemon's word, because there was nothing to compare them with.
    pub unconfirmed: Vec<String>,
}

impl KnownAuthorities {
    /// In the folder `home`, which is created when something is pinned.
    pub fn new(home: &Path) -> Self {
        Self { path: home.join("known_authorities") }
    }

    /// Fetches the current public keys of `authorities` from the daemon at `url`. A key that is not known there is pinned,
    /// one that differs from what is known is refused, unless `key_ids` (hex) has its id. Each of `key_ids` must be met.
    pub fn fetch(
        &self,
        url: &str,
        authorities: &[AuthorityId],
        key_ids: &[String],
    ) -> Result<Compared, Error> {
        let client = Client::new(url, "");
        let published: Vec<Published> = client.json(&client.get("/v1/authorities")?)?;
        let mut keys: Vec<PublicKey> = Vec::new();
        for entry in published.iter().filter(|entry| entry.current) {
            let bytes = hex::decode(&entry.public_key).map_err(|_| Error::Malformed)?;
            // Whose it is and its id are read from the key: what stands beside it proves nothing.
            let key = PublicKey::from_bytes(&bytes)?;
            if !authorities.contains(key.authority()) {
                continue;
            }
            if keys.iter().any(|other| other.authority() == key.authority()) {
                return Err(Error::Malformed);
            }
            keys.push(key);
        }
        if let Some(missing) = authorities.iter().find(|name| !keys.iter().any(|k| k.authority() == *name)) {
            return Err(Error::UnknownAuthority { authority: missing.to_string() });
        }
        let is_met = |id: &&String| keys.iter().any(|key| key.id().to_string().eq_ignore_ascii_case(id));
        if let (false, Some(key)) = (key_ids.iter().all(|id| is_met(&id)), keys.first()) {
            let (authority, found) = (key.authority().to_string(), key.id().to_string());
            return Err(Error::WrongAuthorityKey { authority, found });
        }
        let unconfirmed = self.pin(url.trim_end_matches('/'), &keys, key_ids)?;
        Ok(Compared { keys, unconfirmed })
    }

    /// All of `keys` or none; the names of those that were neither known nor named.
    fn pin(&self, url: &str, keys: &[PublicKey], key_ids: &[String]) -> Result<Vec<String>, Error> {
        if let Some(home) = self.path.parent() {
            folder::create_private(home)?;
        }
        let failed = |e| Error::io("use", &self.path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(failed)?;
        // Two commands at once must not both take a first key. Unlocked when the file is closed.
        file.lock().map_err(failed)?;
        let text = self.read(&mut file)?;
        let (mut unconfirmed, mut lines) = (Vec::new(), String::new());
        for key in keys {
            let (authority, found) = (key.authority().to_string(), key.id().to_string());
            let known = text.lines().rev().find_map(|line| {
                let mut words = line.split(' ');
                (words.next() == Some(url) && words.next() == Some(&authority)).then(|| words.next())?
            });
            let is_named = key_ids.iter().any(|id| found.eq_ignore_ascii_case(id));
            match known {
                Some(known) if known == found => continue,
                Some(known) if !is_named => {
                    let (url, known) = (url.to_owned(), known.to_owned());
                    return Err(Error::AuthorityKeyChanged { authority, url, found, known });
                }
                None if !is_named => unconfirmed.push(format!("{authority} {found}")),
                _ => {}
            }
            lines += &format!("{url} {authority} {found}\n");
        }
        if !lines.is_empty() {
            file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        Ok(unconfirmed)
    }

    fn read(&self, file: &mut File) -> Result<String, Error> {
        let mut text = String::new();
        let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
        let damaged = || Error::SecretMalformed {
            path: self.path.display().to_string(),
            expected: "lines of URL, authority and key id",
        };
        let is_line = |line: &str| line.split(' ').count() == 3;
        let is_whole = text.is_empty() || text.ends_with('\n');
        match read {
            Ok(_) if is_whole && text.lines().all(is_line) => Ok(text),
            Err(e) if e.kind() != std::io::ErrorKind::InvalidData => Err(Error::io("read", &self.path, e)),
            _ => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Rng;
    use crate::home::entropy;

    #[test]
    fn the_first_key_is_pinned_and_another_must_be_named() {
        let dir = tempfile::tempdir().unwrap();
        let entropy = entropy();
        let key = |name: &str| {
            twinseal_abe::Authority::setup(name.parse().unwrap(), &mut Rng(&*entropy)).public_key().clone()
        };
        let (old, new, clock) = (key("hospital"), key("hospital"), key("clock"));
        let known = KnownAuthorities::new(&dir.path().join("home"));
        let pin = |url: &str, keys: &[PublicKey], ids: &[String]| known.pin(url, keys, ids);

        assert_eq!(pin("http://a", std::slice::from_ref(&old), &[]).unwrap().len(), 1);
        assert!(pin("http://a", std::slice::from_ref(&old), &[]).unwrap().is_empty(), "known now");
        let changed = pin("http://a", &[clock.clone(), new.clone()], &[]).unwrap_err();
        assert_eq!(changed.code(), "TSL-NOD-053");
        assert!(changed.to_string().contains(&old.id().to_string()), "{changed}");
        let elsewhere = pin("http://b", &[new.clone(), clock], &[]).unwrap();
        assert_eq!(elsewhere.len(), 2, "another daemon, and nothing was pinned by the refusal");

        let id = new.id().to_string().to_uppercase();
        assert!(pin("http://a", std::slice::from_ref(&new), &[id]).unwrap().is_empty());
        assert_eq!(
            pin("http://a", &[old], &[]).unwrap_err().code(),
            "TSL-NOD-053",
            "no way back to an old key"
        );
        std::fs::write(&known.path, "http://a hospital").unwrap();
        assert_eq!(pin("http://a", &[new], &[]).unwrap_err().code(), "TSL-NOD-017", "a damaged file");
    }
}
