//! Helper data in files: one for each board in a folder.
//!
//! ```text
//! twinseal helper data 1
//! board hx8k FT8A2KLM
//! data 01...            49 bytes in hex
//! check 1a2b3c4d        CRC-32 of all bytes before this line
//! ```
//!
//! The data are public: without the board they are worth nothing. Whoever loses them loses every key of the board, so
//! a file is written once, completely or not at all, and never over another one; back it up with the records. Whoever
//! changes them is found out by the board; the check is there to tell damage from another board.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use twinseal_wire::{crc32, vault};

use crate::Error;

/// First words of a file, before its version.
const MAGIC: &str = "twinseal helper data";
/// Version of the file, not of the data in it.
const VERSION: &str = "1";
/// A file with the longest name of a board is shorter.
const MAX_FILE_BYTES: u64 = 4096;
/// Longest name of a board in a file.
const MAX_NAME_BYTES: usize = 200;

/// What a board needs to find its root again. Public, and refused by every other board.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HelperData([u8; Self::BYTES]);

impl HelperData {
    /// Their length.
    pub const BYTES: usize = vault::HELPER_BYTES;

    /// Helper data as a board gave them; the board decides whether they are its own.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// As they go to the board.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl core::fmt::Debug for HelperData {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "HelperData({:08x})", crc32(&self.0))
    }
}

/// A folder of helper data.
#[derive(Clone, Debug)]
pub struct HelperStore {
    folder: PathBuf,
}

impl HelperStore {
    /// The store in `folder`, which is made when something is saved.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the helper data of the board called `name` are: the name with `.helper`, everything but letters, digits,
    /// dots and dashes as `%` and two hex digits.
    pub fn path(&self, name: &str) -> PathBuf {
        let mut file = String::new();
        for (i, byte) in name.bytes().enumerate() {
            // No file is hidden or leaves the folder.
            let plain = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' && i > 0;
            // Writing to a string does not fail.
            let _ = if plain { write!(file, "{}", char::from(byte)) } else { write!(file, "%{byte:02x}") };
        }
        self.folder.join(file + ".helper")
    }

    /// The helper data of the board called `name`, if there are any.
    ///
    /// # Errors
    /// [`Error::HelperFile`] if the file cannot be read, [`Error::HelperDamaged`] if it is not what was saved,
    /// [`Error::HelperForeign`] if it was saved for another board.
    pub fn load(&self, name: &str) -> Result<Option<HelperData>, Error> {
        let path = self.path(name);
        let text = match read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| Error::HelperFile { path: path.clone(), source })?,
        };
        let damaged = |problem| Error::HelperDamaged { path: path.clone(), problem };
        let (board, data) = parse(&text).map_err(damaged)?;
        if board != name {
            return Err(Error::HelperForeign { path, found: board.into(), wanted: name.into() });
        }
        Ok(Some(data))
    }

    /// Saves the helper data of the board called `name`, readable by the owner only, and returns when they are on the
    /// disk. What is there is never overwritten: move it away first.
    ///
    /// # Errors
    /// [`Error::HelperFile`], also if there is a file already.
    pub fn save(&self, name: &str, data: &HelperData) -> Result<(), Error> {
        let path = self.path(name);
        write(&self.folder, &path, name, data).map_err(|source| Error::HelperFile { path, source })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn write(folder: &Path, path: &Path, name: &str, data: &HelperData) -> io::Result<()> {
    if name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the board's name is too long or not one line"));
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    builder.create(folder)?;
    let random = getrandom::u64().map_err(io::Error::other)?;
    let unfinished = folder.join(format!(".helper.{random:016x}"));
    let written = options.open(&unfinished).and_then(|mut file| {
        file.write_all(format(name, data).as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, this fails if the name is taken.
        fs::hard_link(&unfinished, path)
    });
    let removed = fs::remove_file(&unfinished);
    written?;
    removed?;
    File::open(folder)?.sync_all()
}

fn format(name: &str, data: &HelperData) -> String {
    let mut text = format!("{MAGIC} {VERSION}\nboard {name}\ndata ");
    for byte in data.0 {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    let check = crc32(text.as_bytes());
    let _ = writeln!(text, "check {check:08x}");
    text
}

/// The board's name and the data; what is wrong, if it is not exactly what [`format()`] writes.
fn parse(text: &[u8]) -> Result<(&str, HelperData), &'static str> {
    const NO_HELPER: &str = "is not a file of helper data";
    const CHANGED: &str = "was cut short or changed";
    let text = str::from_utf8(text).map_err(|_| CHANGED)?;
    let version = match text.lines().next().and_then(|line| line.strip_prefix(MAGIC)) {
        Some(version) => version,
        // What is left of a file that was cut very short.
        None if MAGIC.starts_with(text) => return Err(CHANGED),
        None => return Err(NO_HELPER),
    };
    if version.strip_prefix(' ') != Some(VERSION) {
        let complete = text.contains('\n') && version.starts_with(' ');
        return Err(if complete { "was written by another release" } else { CHANGED });
    }
    let mut lines = text.lines().skip(1);
    let name = lines.next().and_then(|line| line.strip_prefix("board ")).ok_or(CHANGED)?;
    let hex = lines.next().and_then(|line| line.strip_prefix("data ")).ok_or(CHANGED)?;
    let mut data = HelperData([0; HelperData::BYTES]);
    if hex.len() != 2 * HelperData::BYTES || !hex.is_ascii() {
        return Err(CHANGED);
    }
    for (i, byte) in data.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| CHANGED)?;
    }
    // One text for one value: the check, the digits' case, the end of the file.
    if format(name, &data) == text { Ok((name, data)) } else { Err(CHANGED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(seed: u8) -> HelperData {
        HelperData(core::array::from_fn(|i| seed.wrapping_mul(i as u8 + 1)))
    }

    fn store() -> (tempfile::TempDir, HelperStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = HelperStore::new(folder.path().join("a/b"));
        (folder, store)
    }

    #[test]
    fn what_was_saved_is_loaded_and_nothing_else() {
        let (_folder, store) = store();
        assert_eq!(store.load("x").unwrap(), None);
        store.save("x", &data(3)).unwrap();
        store.save("/dev/ttyUSB1", &data(5)).unwrap();
        assert_eq!(store.load("x").unwrap(), Some(data(3)));
        assert_eq!(store.load("/dev/ttyUSB1").unwrap(), Some(data(5)));
        assert_eq!(store.load("y").unwrap(), None);
        let error = store.save("x", &data(4)).unwrap_err();
        assert!(
            matches!(&error, Error::HelperFile { source, .. } if source.kind() == ErrorKind::AlreadyExists)
        );
        assert_eq!(store.load("x").unwrap(), Some(data(3)), "overwritten");
        let files = fs::read_dir(&store.folder).unwrap().count();
        assert_eq!(files, 2, "an unfinished file is left");
    }

    #[test]
    fn no_name_leaves_the_folder() {
        let store = HelperStore::new("/f");
        for (name, file) in [
            ("hx8k sim", "hx8k%20sim.helper"),
            ("../../etc/passwd", "%2e.%2f..%2fetc%2fpasswd.helper"),
            ("", ".helper"),
            (".x", "%2ex.helper"),
            ("a%20b", "a%2520b.helper"),
            ("\u{e4}", "%c3%a4.helper"),
        ] {
            assert_eq!(store.path(name), Path::new("/f").join(file));
        }
        let (_folder, store) = self::store();
        for name in ["two\nlines", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert_eq!(store.save(name, &data(1)).unwrap_err().code(), "TSL-DRV-030");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, store) = store();
        store.save("x", &data(3)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store.path("x")), mode(&store.folder)), (0o600, 0o700));
    }

    #[test]
    fn a_file_that_is_cut_or_changed_anywhere_is_damaged() {
        let (_folder, store) = store();
        store.save("x", &data(3)).unwrap();
        let good = fs::read(store.path("x")).unwrap();
        let code = |bytes: &[u8]| {
            fs::write(store.path("x"), bytes).unwrap();
            store.load("x").unwrap_err()
        };
        for len in 0..good.len() {
            let error = code(&good[..len]);
            let cut = matches!(error, Error::HelperDamaged { problem: "was cut short or changed", .. });
            assert!(cut, "{len}: {error}");
        }
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = code(&bad);
            assert_eq!(error.code(), "TSL-DRV-031", "bit {bit}: {error}");
        }
        assert_eq!(code(&[&good[..], b"\n"].concat()).code(), "TSL-DRV-031");
        assert_eq!(code(&vec![b'x'; 1 << 20]).code(), "TSL-DRV-031");
        let later = String::from_utf8(good.clone()).unwrap().replacen("data 1", "data 2", 1);
        assert!(code(later.as_bytes()).to_string().contains("another release"));
        assert!(code(b"#!/bin/sh\n").to_string().contains("not a file of helper data"));
    }

    #[test]
    fn a_file_of_another_board_is_named_as_such() {
        let (_folder, store) = store();
        store.save("x", &data(3)).unwrap();
        fs::rename(store.path("x"), store.path("y")).unwrap();
        let error = store.load("y").unwrap_err();
        assert!(matches!(&error, Error::HelperForeign { found, .. } if found == "x"), "{error}");
    }
}
