//! The data folder of a node: secret files that only their owner may read, and the rule that a node is either new or
//! whole. A first start begins with the marker `first-start` and ends with `genesis.bin`: while the marker stands alone,
//! nothing can have been stored and the next start begins afresh; once `genesis.bin` is there, a missing file makes the node
//! refuse to start instead of quietly making new keys, an empty ledger or an empty store.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Error;

/// The file that marks a complete folder.
pub const GENESIS: &str = "genesis.bin";
/// The ledger's database.
pub const LEDGER: &str = "ledger.redb";
/// The attribute authorities, a folder each.
pub const AUTHORITIES: &str = "authorities";
/// The objects.
pub const OBJECTS: &str = "objects";
/// Stands while a first start is under way.
const FIRST_START: &str = "first-start";
/// The root secret, where keys do not grow in a board; see [`crate::root`].
pub const ROOT: &str = "root.key";
/// The helper data of the board's enrolment, where they do.
pub const HELPER: &str = "vault.helper";
/// What tells the root this folder was made with from any other; see [`crate::root`].
pub const ROOT_CHECK: &str = "root.check";
/// The chip of the virtual board.
pub const SILICON: &str = "virtual_board/silicon";
/// Largest secret file.
const MAX_SECRET_BYTES: u64 = 4 << 20;

/// An opened folder.
#[derive(Debug)]
pub struct DataFolder {
    dir: PathBuf,
    is_new: bool,
}

impl DataFolder {
    /// Creates `dir` if missing, and checks that all of `files` are there if the folder was complete once, and none if not.
    /// Whether the root is there too is for [`crate::root::Root`] to say; helper data may be older than the rest, because
    /// a board can be enrolled before the first start.
    pub fn open(dir: &Path, files: &[&str]) -> Result<Self, Error> {
        create_private(dir)?;
        let marker = dir.join(FIRST_START);
        let is_new = !dir.join(GENESIS).exists();
        if is_new && marker.exists() {
            // Its check value goes with a root secret, and before it; a board that is enrolled keeps both.
            if dir.join(ROOT).exists() {
                remove(&dir.join(ROOT_CHECK))?;
            }
            for file in files.iter().chain(&[ROOT]) {
                remove(&dir.join(file))?;
            }
            remove_folder(&dir.join(AUTHORITIES))?;
        }
        let missing = if is_new {
            files.iter().chain(&[ROOT]).any(|f| !is_absent(&dir.join(f))).then_some(GENESIS)
        } else {
            files.iter().find(|f| !dir.join(f).exists()).copied()
        };
        if let Some(file) = missing {
            return Err(Error::StateMissing { path: dir.join(file).display().to_string() });
        }
        if is_new && !marker.exists() {
            write_secret(&marker, b"a first start is under way, or was interrupted\n")?;
        } else if !is_new {
            remove(&marker)?;
        }
        Ok(Self { dir: dir.to_owned(), is_new })
    }

    /// Nothing was ever stored here.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// Marks the folder as complete.
    pub fn complete(&self, genesis: &[u8]) -> Result<(), Error> {
        write_secret(&self.path(GENESIS), genesis)?;
        remove(&self.path(FIRST_START))
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
    write_new(path, bytes, 0o600)
}

/// The same with mode 0644, whatever the umask: for what others are meant to read.
pub fn publish(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_new(path, bytes, 0o644)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        // A fresh file with an unpredictable name and mode 0600, which nobody can have prepared.
        let mut file = tempfile::Builder::new().prefix(".twinseal-").tempfile_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Error::Exists { path: path.display().to_string() },
        _ => Error::io("write", path, e),
    })
}

/// Writes a file with mode 0600, whole or not at all, synced; what was there before is replaced.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".twinseal-").tempfile_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(|e| Error::io("write", path, e))
}

/// Creates a folder that only its owner may enter; one that is there is fine.
pub fn create_private(dir: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| Error::io("create the folder", dir, e))
}

/// Not there, or an empty folder such as a volume mounted in advance.
fn is_absent(path: &Path) -> bool {
    !path.exists() || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Removes a file; a folder stays, and what is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { Ok(()) } else { std::fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_new_or_whole() {
        let dir = tempfile::tempdir().unwrap();
        let files = [LEDGER];
        let folder = DataFolder::open(dir.path(), &files).unwrap();
        assert!(folder.is_new());
        std::fs::create_dir_all(dir.path().join(AUTHORITIES).join("hospital")).unwrap();
        write_secret(&dir.path().join(ROOT), &[7; 32]).unwrap();
        write_secret(&dir.path().join(ROOT_CHECK), b"check").unwrap();
        write_secret(&dir.path().join(HELPER), &[7; 49]).unwrap();
        let afresh = DataFolder::open(dir.path(), &files).unwrap();
        assert!(
            afresh.is_new() && !dir.path().join(ROOT).exists() && !dir.path().join(AUTHORITIES).exists(),
            "an interrupted first start begins afresh"
        );
        assert!(!dir.path().join(ROOT_CHECK).exists(), "the check value of a root that is gone");
        write_secret(&dir.path().join(ROOT_CHECK), b"check").unwrap();
        DataFolder::open(dir.path(), &files).unwrap();
        let enrolled = [HELPER, ROOT_CHECK].iter().all(|file| dir.path().join(file).exists());
        assert!(enrolled, "but a board that is enrolled stays so");
        write_secret(&dir.path().join(ROOT), &[7; 32]).unwrap();
        std::fs::write(dir.path().join(LEDGER), b"ledger").unwrap();
        folder.complete(b"genesis").unwrap();
        assert!(!DataFolder::open(dir.path(), &files).unwrap().is_new());
        std::fs::remove_file(dir.path().join(LEDGER)).unwrap();
        let lost = DataFolder::open(dir.path(), &files).unwrap_err();
        assert!(lost.to_string().contains(LEDGER), "{lost}");
        std::fs::remove_file(dir.path().join(GENESIS)).unwrap();
        let lost = DataFolder::open(dir.path(), &files).unwrap_err();
        assert!(lost.to_string().contains(GENESIS), "{lost}");
        assert!(dir.path().join(ROOT).exists(), "a used folder loses nothing more");
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
