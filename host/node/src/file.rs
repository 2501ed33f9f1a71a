//! Files under a policy, without a daemon: [`twinseal_abe::envelope`] on disk. `x.tsl` is the body and never changes,
//! `x.tsh` the header that says who may read, `x.tsk` the body key for the owner's eyes, to write other headers with. Files
//! of any size pass through a buffer; an output is whole or not there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinseal_abe::envelope::{self, Header};
use twinseal_abe::stream::{BodyKey, ChunkSize, Opener, Sealer};
use twinseal_abe::{AuthorityId, Policy, PublicKey};
use twinseal_driver::EntropySlot;

use crate::Error;
use crate::entropy::Rng;
use crate::folder;
use crate::reader::ReaderKeys;

/// Largest header that is read: a policy of the largest size.
const MAX_HEADER_BYTES: u64 = 4 << 20;

/// What was written.
#[derive(Debug, Serialize)]
pub struct Sealed {
    /// The files, by what they are.
    pub body: Option<PathBuf>,
    /// Who may read.
    pub header: PathBuf,
    /// For the owner's eyes.
    pub key: Option<PathBuf>,
    /// In normal form.
    pub policy: String,
    /// The policy's authorities, and the ids of the public keys it was sealed under.
    pub authorities: BTreeMap<String, String>,
}

impl core::fmt::Display for Sealed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(body) = &self.body {
            writeln!(f, "body    {}", body.display())?;
        }
        writeln!(f, "header  {}", self.header.display())?;
        if let Some(key) = &self.key {
            writeln!(f, "key     {} (yours alone: it opens the body whatever the policy)", key.display())?;
        }
        for (authority, key_id) in &self.authorities {
            writeln!(f, "under   {key_id} of {authority}")?;
        }
        write!(f, "policy  {}", self.policy)
    }
}

/// Seals `input` as `base`.tsl, .tsh and .tsk. The files are bound to `base`'s name, or to `name`.
pub fn seal(
    input: &Path,
    base: &Path,
    name: Option<&str>,
    policy: &Policy,
    authorities: &[PublicKey],
    entropy: &dyn EntropySlot,
) -> Result<Sealed, Error> {
    for extension in ["tsl", "tsh", "tsk"] {
        let path = with(base, extension);
        if path.exists() {
            return Err(Error::Exists { path: path.display().to_string() });
        }
    }
    let rng = &mut Rng(entropy);
    let mut input = File::open(input).map_err(|e| Error::io("read", input, e))?;
    let body = with(base, "tsl");
    let (header, key) = write_whole(&body, |file| {
        let (mut sealer, key) =
            Sealer::new(BufWriter::new(file), bound_to(base, name).as_bytes(), ChunkSize::default(), rng)?;
        let header = Header::new(&key, policy, authorities, rng)?;
        std::io::copy(&mut input, &mut sealer).map_err(|e| Error::io("seal into", &body, e))?;
        sealer.finish()?.flush().map_err(|e| Error::io("write", &body, e))?;
        Ok((header, key))
    })?;
    let secret = with(base, "tsk");
    folder::write_secret(&secret, key.to_bytes().as_slice())?;
    let path = with(base, "tsh");
    folder::write_secret(&path, &header.to_bytes())?;
    Ok(Sealed { body: Some(body), key: Some(secret), ..Sealed::under(path, policy, authorities) })
}

impl Sealed {
    fn under(header: PathBuf, policy: &Policy, publics: &[PublicKey]) -> Self {
        let named = authorities(policy);
        let of_policy = publics.iter().filter(|key| named.contains(key.authority()));
        let authorities = of_policy.map(|key| (key.authority().to_string(), key.id().to_string())).collect();
        Self { body: None, header, key: None, policy: policy.to_string(), authorities }
    }
}

/// The authorities that `policy` names, each once.
pub fn authorities(policy: &Policy) -> Vec<AuthorityId> {
    let mut names: Vec<AuthorityId> = policy.rows().iter().map(|row| row.authority().clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Who may read `base`.tsl.
pub fn policy(base: &Path) -> Result<Policy, Error> {
    Ok(header(base)?.policy().clone())
}

/// Opens `base`.tsl with the owner's `base`.tsk into `output`; bytes written. The policy is not looked at.
pub fn open_as_owner(base: &Path, output: &Path) -> Result<u64, Error> {
    let key = BodyKey::from_bytes(&folder::read_secret(&with(base, "tsk"))?)?;
    let body = with(base, "tsl");
    let read = File::open(&body).map_err(|e| Error::io("read", &body, e))?;
    write_whole(output, |file| {
        let mut into = BufWriter::new(file);
        let mut opener = Opener::new(BufReader::new(read), &key)?;
        let bytes = std::io::copy(&mut opener, &mut into).map_err(|e| match e.downcast() {
            Ok(refused) => Error::Abe(refused),
            Err(e) => Error::io("open", &body, e),
        })?;
        into.flush().map_err(|e| Error::io("write", output, e))?;
        Ok(bytes)
    })
}

/// Opens `base`.tsl with `base`.tsh and `keys` into `output`; bytes written.
pub fn open(base: &Path, name: Option<&str>, keys: &ReaderKeys, output: &Path) -> Result<u64, Error> {
    let header = header(base)?;
    let body = with(base, "tsl");
    let body = File::open(&body).map_err(|e| Error::io("read", &body, e))?;
    write_whole(output, |file| {
        let (aad, mut into) = (bound_to(base, name), BufWriter::new(file));
        Ok(envelope::open(&header, aad.as_bytes(), &keys.user, &keys.keys, BufReader::new(body), &mut into)?)
    })
}

/// Replaces `base`.tsh by a header under `policy`. The body is not read.
/// The body key is the owner's `base`.tsk, or opened with `keys`.
pub fn rewrap(
    base: &Path,
    name: Option<&str>,
    keys: Option<&ReaderKeys>,
    policy: &Policy,
    authorities: &[PublicKey],
    entropy: &dyn EntropySlot,
) -> Result<Sealed, Error> {
    let old = header(base)?;
    let key = match keys {
        Some(keys) => old.open(bound_to(base, name).as_bytes(), &keys.user, &keys.keys)?,
        None => BodyKey::from_bytes(&folder::read_secret(&with(base, "tsk"))?)?,
    };
    let new = old.rewrap(&key, policy, authorities, &mut Rng(entropy))?;
    let path = with(base, "tsh");
    folder::replace(&path, &new.to_bytes())?;
    Ok(Sealed::under(path, policy, authorities))
}

fn header(base: &Path) -> Result<Header, Error> {
    let path = with(base, "tsh");
    let found = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?;
    if found.len() > MAX_HEADER_BYTES {
        return Err(Error::ObjectTooLarge { bytes: found.len(), limit: MAX_HEADER_BYTES });
    }
    Ok(Header::from_bytes(&std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?)?)
}

fn bound_to(base: &Path, name: Option<&str>) -> String {
    let own = || base.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("twinseal/v1/file\0{}", name.map_or_else(own, str::to_owned))
}

/// `base` with `.extension` behind its whole name.
fn with(base: &Path, extension: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{extension}"));
    name.into()
}

/// A file that appears under its name when `write` is done with it, and never replaces another.
fn write_whole<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T, Error>) -> Result<T, Error> {
    let failed = |e| Error::io("write", path, e);
    if path.exists() {
        return Err(Error::Exists { path: path.display().to_string() });
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".twinseal-").tempfile_in(parent).map_err(failed)?;
    let value = write(file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|e| failed(e.error))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinseal_abe::{Authority, Claim, UserId};
    use twinseal_driver::Provider;

    #[test]
    fn a_file_is_sealed_opened_and_given_another_policy() {
        let dir = tempfile::tempdir().unwrap();
        let entropy = Provider::software().entropy;
        let rng = &mut Rng(&*entropy);
        let hospital = Authority::setup("hospital".parse().unwrap(), rng);
        let policy = |text: &str| crate::policy::parse(text).unwrap();
        let publics = [hospital.public_key().clone()];
        let mut reader = |name: &str, claim: &str| {
            let user: UserId = name.parse().unwrap();
            let attributes = claim.parse::<Claim>().unwrap().attributes();
            ReaderKeys { keys: hospital.issue(&user, &attributes, rng).unwrap(), user }
        };
        let (doctor, nurse) = (reader("lin", "doctor@hospital"), reader("noor", "nurse@hospital"));

        let (input, base, output) = (dir.path().join("in"), dir.path().join("scan"), dir.path().join("out"));
        let plaintext: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        std::fs::write(&input, &plaintext).unwrap();
        std::fs::write(dir.path().join("scan.tsh"), b"another's").unwrap();
        let taken = seal(&input, &base, None, &policy("doctor@hospital"), &publics, &*entropy).unwrap_err();
        assert_eq!(taken.code(), "TSL-NOD-028");
        assert!(!dir.path().join("scan.tsl").exists(), "all three names are free, or nothing is written");
        std::fs::remove_file(dir.path().join("scan.tsh")).unwrap();
        let sealed = seal(&input, &base, None, &policy("doctor@hospital"), &publics, &*entropy).unwrap();
        assert_eq!(sealed.authorities["hospital"], publics[0].id().to_string());
        let own = dir.path().join("own");
        assert_eq!(open_as_owner(&base, &own).unwrap(), 300_000);
        assert_eq!(std::fs::read(&own).unwrap(), plaintext);
        let again = seal(&input, &base, None, &policy("doctor@hospital"), &publics, &*entropy).unwrap_err();
        assert_eq!(again.code(), "TSL-NOD-028");
        let body = std::fs::read(dir.path().join("scan.tsl")).unwrap();

        assert_eq!(open(&base, None, &nurse, &output).unwrap_err().code(), "TSL-ABE-010");
        assert!(!output.exists(), "nothing is left of an opening that failed");
        assert_eq!(open(&base, None, &doctor, &output).unwrap(), 300_000);
        assert_eq!(std::fs::read(&output).unwrap(), plaintext);
        assert!(open(&base, Some("other"), &doctor, &dir.path().join("x")).is_err());

        let by_stranger = rewrap(&base, None, Some(&nurse), &policy("nurse@hospital"), &publics, &*entropy);
        assert_eq!(by_stranger.unwrap_err().code(), "TSL-ABE-010");
        rewrap(&base, None, None, &policy("nurse@hospital"), &publics, &*entropy).unwrap();
        assert_eq!(std::fs::read(dir.path().join("scan.tsl")).unwrap(), body, "the body stays");
        assert_eq!(open(&base, None, &doctor, &dir.path().join("y")).unwrap_err().code(), "TSL-ABE-010");
        open(&base, None, &nurse, &dir.path().join("z")).unwrap();

        let mut cut = body.clone();
        cut.truncate(body.len() - 1);
        std::fs::write(dir.path().join("scan.tsl"), cut).unwrap();
        assert!(open_as_owner(&base, &dir.path().join("v")).unwrap_err().code().starts_with("TSL-ABE"));
        assert!(open(&base, None, &nurse, &dir.path().join("w")).is_err());
        assert!(!dir.path().join("w").exists());
    }
}
