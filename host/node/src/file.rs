//! Files under a policy, without a daemon: [`twinseal_abe::envelope`] on disk. `x.tsl` is the body and never changes,
//! `x.tsh` the header that says who may read, `x.tsk` the body key for the owner's eyes, to write other headers with. Files
//! of any size pass through a buffer; an output is whole or not there.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use twinseal_abe::envelope::{self, Header};
use twinseal_abe::stream::{BodyKey, ChunkSize, Sealer};
use twinseal_abe::{Policy, PublicKey};
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
    /// In normal form.
    pub policy: String,
}

impl core::fmt::Display for Sealed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(body) = &self.body {
            writeln!(f, "body    {}", body.display())?;
        }
        writeln!(f, "header  {}", self.header.display())?;
        write!(f, "policy  {}", self.policy)
    }
}

/// Seals `input` as `base`.tsl, .tsh and .tsk. The files are bound to `base`'s name, or to `name`.
pub fn seal(
    input: &Path,
    base: &Path,
    name: Option<&str>,
    policy: &str,
    authorities: &[PublicKey],
    entropy: &dyn EntropySlot,
) -> Result<Sealed, Error> {
    let policy: Policy = policy.parse()?;
    let rng = &mut Rng(entropy);
    let mut input = File::open(input).map_err(|e| Error::io("read", input, e))?;
    let body = with(base, "tsl");
    let (header, key) = write_whole(&body, |file| {
        let (mut sealer, key) =
            Sealer::new(BufWriter::new(file), bound_to(base, name).as_bytes(), ChunkSize::default(), rng)?;
        let header = Header::new(&key, &policy, authorities, rng)?;
        std::io::copy(&mut input, &mut sealer).map_err(|e| Error::io("seal into", &body, e))?;
        sealer.finish()?.flush().map_err(|e| Error::io("write", &body, e))?;
        Ok((header, key))
    })?;
    folder::write_secret(&with(base, "tsk"), key.to_bytes().as_slice())?;
    let path = with(base, "tsh");
    folder::write_secret(&path, &header.to_bytes())?;
    Ok(Sealed { body: Some(body), header: path, policy: policy.to_string() })
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

/// Replaces `base`.tsh by a header under `policy`, or under the same one and current public keys. The body is not read.
/// The body key is the owner's `base`.tsk, or opened with `keys`.
pub fn rewrap(
    base: &Path,
    name: Option<&str>,
    keys: Option<&ReaderKeys>,
    policy: Option<&str>,
    authorities: &[PublicKey],
    entropy: &dyn EntropySlot,
) -> Result<Sealed, Error> {
    let old = header(base)?;
    let key = match keys {
        Some(keys) => old.open(bound_to(base, name).as_bytes(), &keys.user, &keys.keys)?,
        None => BodyKey::from_bytes(&folder::read_secret(&with(base, "tsk"))?)?,
    };
    let policy = policy.map_or_else(|| Ok(old.policy().clone()), str::parse)?;
    let new = old.rewrap(&key, &policy, authorities, &mut Rng(entropy))?;
    let path = with(base, "tsh");
    folder::replace(&path, &new.to_bytes())?;
    Ok(Sealed { body: None, header: path, policy: policy.to_string() })
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
        seal(&input, &base, None, "doctor@hospital", &publics, &*entropy).unwrap();
        let again = seal(&input, &base, None, "doctor@hospital", &publics, &*entropy).unwrap_err();
        assert_eq!(again.code(), "TSL-NOD-028");
        let body = std::fs::read(dir.path().join("scan.tsl")).unwrap();

        assert_eq!(open(&base, None, &nurse, &output).unwrap_err().code(), "TSL-ABE-010");
        assert!(!output.exists(), "nothing is left of an opening that failed");
        assert_eq!(open(&base, None, &doctor, &output).unwrap(), 300_000);
        assert_eq!(std::fs::read(&output).unwrap(), plaintext);
        assert!(open(&base, Some("other"), &doctor, &dir.path().join("x")).is_err());

        let by_stranger = rewrap(&base, None, Some(&nurse), Some("nurse@hospital"), &publics, &*entropy);
        assert_eq!(by_stranger.unwrap_err().code(), "TSL-ABE-010");
        rewrap(&base, None, None, Some("nurse@hospital"), &publics, &*entropy).unwrap();
        assert_eq!(std::fs::read(dir.path().join("scan.tsl")).unwrap(), body, "the body stays");
        assert_eq!(open(&base, None, &doctor, &dir.path().join("y")).unwrap_err().code(), "TSL-ABE-010");
        open(&base, None, &nurse, &dir.path().join("z")).unwrap();

        let mut cut = body.clone();
        cut.truncate(body.len() - 1);
        std::fs::write(dir.path().join("scan.tsl"), cut).unwrap();
        assert!(open(&base, None, &nurse, &dir.path().join("w")).is_err());
        assert!(!dir.path().join("w").exists());
    }
}
