//! Names: attributes (`name@authority`), authorities and users. All are case-sensitive and validated
//! on construction, so the rest of the crate never meets a malformed one.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// Longest name of an attribute (before the `@`) or of an authority.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest user identifier.
pub const MAX_USER_ID_BYTES: usize = 128;

/// The name of an attribute authority, for example `hospital`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityId(String);

impl AuthorityId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AuthorityId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        check_name(text, text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An attribute and the authority that vouches for it, for example `doctor@hospital`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    name: String,
    authority: AuthorityId,
}

impl Attribute {
    /// The attribute `name` of `authority`.
    pub fn new(name: &str, authority: AuthorityId) -> Result<Self, Error> {
        check_name(name, name)?;
        Ok(Self { name: name.to_owned(), authority })
    }

    /// What stands before the `@`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who vouches for it.
    pub fn authority(&self) -> &AuthorityId {
        &self.authority
    }
}

impl FromStr for Attribute {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, authority) = text.split_once('@').ok_or_else(|| bad_name(text, "no @"))?;
        check_name(name, text)?;
        check_name(authority, text)?;
        Ok(Self { name: name.to_owned(), authority: AuthorityId(authority.to_owned()) })
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.authority)
    }
}

/// Who a key is issued to. Every authority must use the same identifier for the same user, and no
/// identifier twice: the scheme binds all keys of a user together through it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let problem = match text {
            "" => "empty",
            _ if text.len() > MAX_USER_ID_BYTES => "too long",
            _ if !text.bytes().all(|b| b.is_ascii_graphic()) => "a character that is not allowed",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(Error::UserId { problem })
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `byte` may stand in a name.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

fn check_name(name: &str, whole: &str) -> Result<(), Error> {
    let problem = match name.as_bytes() {
        [] => "empty",
        bytes if bytes.len() > MAX_NAME_BYTES => "too long",
        bytes if !bytes.iter().all(|&b| is_name_byte(b)) => "a character that is not allowed",
        [first, ..] if !first.is_ascii_alphanumeric() => "does not start with a letter or digit",
        _ => return Ok(()),
    };
    Err(bad_name(whole, problem))
}

fn bad_name(name: &str, problem: &'static str) -> Error {
    Error::Name { name: name.chars().take(80).collect(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_validated_and_keep_their_case() {
        let attribute: Attribute = "Doctor_1@Hospital-A".parse().unwrap();
        assert_eq!((attribute.name(), attribute.authority().as_str()), ("Doctor_1", "Hospital-A"));
        assert_eq!(attribute.to_string(), "Doctor_1@Hospital-A");
        assert_ne!(attribute, "doctor_1@Hospital-A".parse().unwrap());
        assert!(format!("{}@b", "a".repeat(64)).parse::<Attribute>().is_ok());
        for bad in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "ä@b", "-a@b", "a@.b", "a@b\n", "a\0@b"] {
            assert_eq!(bad.parse::<Attribute>().unwrap_err().code(), "TSL-ABE-004", "{bad:?}");
        }
        assert!(format!("{}@b", "a".repeat(65)).parse::<Attribute>().is_err());
    }

    #[test]
    fn user_ids_are_validated() {
        assert!("did:example:1/2#3".parse::<UserId>().is_ok());
        for bad in ["", "a b", "ü", "a\n", &"u".repeat(129)] {
            assert_eq!(bad.parse::<UserId>().unwrap_err().code(), "TSL-ABE-005", "{bad:?}");
        }
    }
}
