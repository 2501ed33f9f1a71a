//! The data folder of a node: secret files that only their owner may read, and the rule that a node is either new or
//! whole. `genesis.bin` is written last, so a folder that has it was complete once; if anything else is missing then, the
//! node refuses to start instead of quietly making new keys or an empty ledger.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Error;

/// The file that marks a complete folder.
pub const GENESIS: &str = "genesis.bin";
/// The ledger's database.
pub const LEDGER: &str = "ledger.redb";
/// The root secret.
pub const ROOT: &str = "root.key";
/// Largest secret file.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// An opened folder.
#[derive(Debug)]
pub struct DataFolder {
    dir: PathBuf,
    is_new: bool,
}

impl DataFolder {
    /// Creates `dir` if missing, and checks that all of `files` are there if the folder was complete once, and none if not.
    pub fn open(dir: &Path, files: &[&str]) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("create the data folder", dir, e))?;
        let is_new = !dir.join(GENESIS).exists();
        let missing = if is_new {
            files.iter().any(|f| dir.join(f).exists()).then_some(GENESIS)
        } else {
            files.iter().find(|f| !dir.join(f).exists()).copied()
        };
        match missing {
            Some(file) => Err(Error::StateMissing { path: dir.join(file).display().to_string() }),
            None => Ok(Self { dir: dir.to_owned(), is_new }),
        }
    }

    /// Nothing was ever stored here.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// The secret in `file`: made and kept in a new folder, read in a used one.
    pub fn secret(
        &self,
        file: &str,
        make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Error>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let path = self.path(file);
        if !self.is_new {
            return read_secret(&path);
        }
        let secret = make()?;
        write_secret(&path, &secret)?;
        Ok(secret)
    }

    /// Marks the folder as complete.
    pub fn complete(&self, genesis: &[u8]) -> Result<(), Error> {
        write_secret(&self.path(GENESIS), genesis)
    }
}

/// Reads a secret file; one that others may read is refused.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |e| Error::io("read the secret file", path, e);
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    if mode & 0o077 != 0 {
        return Err(Error::SecretExposed { path: path.display().to_string(), mode: mode & 0o777 });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_SECRET_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a file with mode 0600, whole or not at all, synced; an existing file is never replaced.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link, not a rename: it fails where `path` exists.
        std::fs::hard_link(&temporary, path)?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    };
    let written = write();
    let _ = std::fs::remove_file(&temporary);
    written.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Error::Exists { path: path.display().to_string() },
        _ => Error::io("write", path, e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_new_or_whole() {
        let dir = tempfile::tempdir().unwrap();
        let files = [ROOT, LEDGER];
        let folder = DataFolder::open(dir.path(), &files).unwrap();
        assert!(folder.is_new());
        let secret = folder.secret(ROOT, || Ok(Zeroizing::new(vec![7; 32]))).unwrap();
        let half = DataFolder::open(dir.path(), &files).unwrap_err();
        assert!(half.to_string().contains(GENESIS), "{half}");
        std::fs::write(dir.path().join(LEDGER), b"ledger").unwrap();
        folder.complete(b"genesis").unwrap();
        let again = DataFolder::open(dir.path(), &files).unwrap();
        let read = again.secret(ROOT, || panic!("a used folder makes no secrets")).unwrap();
        assert_eq!(read, secret);
        std::fs::remove_file(dir.path().join(LEDGER)).unwrap();
        let lost = DataFolder::open(dir.path(), &files).unwrap_err();
        assert!(lost.to_string().contains(LEDGER), "{lost}");
    }

    #[test]
    fn a_secret_is_never_replaced_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        write_secret(&path, b"first").unwrap();
        assert!(matches!(write_secret(&path, b"second"), Err(Error::Exists { .. })));
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
