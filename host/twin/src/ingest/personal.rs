//! The personal fields of an export. They go into a section of their own and never into a log.

use crate::bytes::Cursor;
use crate::{Error, Result};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Longest personal field.
pub const MAX_PERSONAL_BYTES: usize = 256;

const MAGIC: [u8; 4] = *b"TSLP";
const VERSION: u8 = 1;

/// Who wore the sensor, as the export says it; empty where it says nothing. Zeroized when dropped.
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PersonalInfo {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The clinic's own number.
    pub patient_identifier: String,
    /// As exported, usually YYYY-MM-DD.
    pub date_of_birth: String,
}

impl PersonalInfo {
    /// True where the export named nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields().iter().all(|f| f.is_empty())
    }

    fn fields(&self) -> [&String; 4] {
        [&self.first_name, &self.last_name, &self.patient_identifier, &self.date_of_birth]
    }

    /// Canonical bytes: `"TSLP" | version u8 = 1 |` four times `length u16, UTF-8`, in the order of the
    /// fields. The plaintext of a section; wrap it as a secret.
    ///
    /// # Errors
    /// [`Error::Encoding`] where a field is longer than [`MAX_PERSONAL_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let fields = self.fields();
        let mut out = Vec::with_capacity(5 + fields.iter().map(|f| 2 + f.len()).sum::<usize>());
        out.extend(MAGIC);
        out.push(VERSION);
        for field in fields {
            if field.len() > MAX_PERSONAL_BYTES {
                return Err(Error::Encoding { at: out.len(), what: "a personal field over 256 bytes" });
            }
            out.extend((field.len() as u16).to_le_bytes());
            out.extend(field.as_bytes());
        }
        Ok(out)
    }

    /// Reads [`PersonalInfo::to_bytes`], strictly.
    ///
    /// # Errors
    /// [`Error::Encoding`] or [`Error::UnknownVersion`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.array()? != MAGIC {
            return Err(Error::Encoding { at: 0, what: "not personal fields" });
        }
        let version = cursor.u8()?;
        if version != VERSION {
            return Err(Error::UnknownVersion { found: version, known: VERSION });
        }
        let mut field = || {
            let at = cursor.at();
            let len = usize::from(cursor.u16()?);
            if len > MAX_PERSONAL_BYTES {
                return Err(Error::Encoding { at, what: "a personal field over 256 bytes" });
            }
            let text = std::str::from_utf8(cursor.take(len)?)
                .map_err(|_| Error::Encoding { at, what: "a personal field that is not UTF-8" })?;
            Ok(text.to_owned())
        };
        let info = Self {
            first_name: field()?,
            last_name: field()?,
            patient_identifier: field()?,
            date_of_birth: field()?,
        };
        cursor.finish()?;
        Ok(info)
    }
}

impl fmt::Debug for PersonalInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "PersonalInfo(empty)" } else { "PersonalInfo(redacted)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jane() -> PersonalInfo {
        PersonalInfo {
            first_name: "Jane".into(),
            last_name: "Döe".into(),
            patient_identifier: String::new(),
            date_of_birth: "1990-01-01".into(),
        }
    }

    #[test]
    fn bytes_come_back_and_nothing_else_does() {
        let bytes = jane().to_bytes().unwrap();
        assert_eq!(PersonalInfo::from_bytes(&bytes), Ok(jane()));
        for cut in 0..bytes.len() {
            assert!(PersonalInfo::from_bytes(&bytes[..cut]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(PersonalInfo::from_bytes(&longer).is_err());
        let mut long = jane();
        long.first_name = "x".repeat(257);
        assert!(long.to_bytes().is_err());
    }

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", jane()), "PersonalInfo(redacted)");
        assert_eq!(format!("{:?}", PersonalInfo::default()), "PersonalInfo(empty)");
    }
}
