//! Who this node is: one root secret from which every other key is derived, never stored. Until a board's PUF provides
//! it, the root is a file of 32 random bytes readable by its owner only; the driver's `derive` slot hides the difference.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hkdf;
use twinseal_driver::{DeriveSlot, EntropySlot};
use twinseal_ledger::{AccountId, SigningKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::record::{RecordNumber, SectionName};
use crate::seal::SectionKey;

/// Reads the root secret at `path`, or creates it from `entropy` with mode 0600, synced before use.
pub fn load_or_create_root(path: &Path, entropy: &dyn EntropySlot) -> Result<Zeroizing<[u8; 32]>, Error> {
    match File::open(path) {
        Ok(file) => read_root(path, file),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => create_root(path, entropy),
        Err(e) => Err(Error::io("read the root secret", path, e)),
    }
}

fn read_root(path: &Path, mut file: File) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mode = file.metadata().map_err(|e| Error::io("read the root secret", path, e))?.mode();
    if mode & 0o077 != 0 {
        return Err(Error::RootExposed { path: path.display().to_string(), mode: mode & 0o777 });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    Read::by_ref(&mut file)
        .take(33)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read the root secret", path, e))?;
    let root: [u8; 32] =
        bytes.as_slice().try_into().map_err(|_| Error::RootMalformed { path: path.display().to_string() })?;
    Ok(Zeroizing::new(root))
}

fn create_root(path: &Path, entropy: &dyn EntropySlot) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut root = Zeroizing::new([0u8; 32]);
    entropy.fill(root.as_mut_slice())?;
    write_secret(path, root.as_slice())?;
    Ok(root)
}

/// Creates `path` with mode 0600, writes and syncs `bytes`; refuses to replace an existing file.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|e| Error::io("write a secret file", path, e))
}

/// One participant: its signing key, its account, and the keys of its records.
pub struct Identity {
    derive: Arc<dyn DeriveSlot>,
    signing: SigningKey,
}

impl Identity {
    /// Derives everything from the root behind `derive`. `role` separates identities that share one root.
    pub fn new(derive: Arc<dyn DeriveSlot>, role: &str) -> Result<Self, Error> {
        let seed = derive.derive(format!("twinseal/v1/sign/{role}").as_bytes())?;
        let signing = SigningKey::from_seed(&seed)?;
        Ok(Self { derive, signing })
    }

    /// The ML-DSA-65 key of this participant.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key alone, for a role that owns no records.
    pub fn into_signing(self) -> SigningKey {
        self.signing
    }

    /// The ledger account of this participant.
    pub fn account(&self) -> AccountId {
        self.signing.account()
    }

    /// The key of one section of one record: HKDF-SHA-256 with the record number as salt and the section's name as
    /// info, over a key the root derives for records. Regenerated on demand, stored nowhere.
    pub fn section_key(&self, record: &RecordNumber, section: &SectionName) -> Result<SectionKey, Error> {
        let records = self.derive.derive(b"twinseal/v1/records")?;
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, record.as_bytes()).extract(records.as_slice());
        let mut key = Zeroizing::new([0u8; 32]);
        prk.expand(&[b"twinseal/v1/section/", section.as_str().as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .map_err(|_| Error::Unsealed)?;
        Ok(SectionKey::new(key))
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity").field("account", &self.account()).finish_non_exhaustive()
    }
}
