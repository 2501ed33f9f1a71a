//! Names: attributes (`name@authority`), authorities and users, and what an authority can vouch for. All
//! are case-sensitive and validated on construction, so the rest of the crate never meets a malformed one.

use crate::Error;
use crate::number::Number;
use crate::prefix::Prefix;
use std::fmt;
use std::str::FromStr;

/// Longest name of an attribute (before the `@`) or of an authority.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest text of an attribute: two names, `#`, 32 bits and `@`.
pub const MAX_ATTRIBUTE_BYTES: usize = 2 * MAX_NAME_BYTES + 34;
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
        check_name(text, 0).map_err(|bad| bad.in_name(text))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An attribute and the authority that vouches for it: `doctor@hospital`, or, as part of a number,
/// `age#0010@hospital`: an age whose leading bits are 0010. What stands behind `#` is never seen by people:
/// they write `age=37@hospital` ([`Claim`]) and `age@hospital >= 18` ([`crate::policy`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    name: String,
    authority: AuthorityId,
    prefix: Option<Prefix>,
}

impl Attribute {
    /// The attribute `name` of `authority`.
    pub fn new(name: &str, authority: AuthorityId) -> Result<Self, Error> {
        check_name(name, 0).map_err(|bad| bad.in_name(name))?;
        Ok(Self { name: name.to_owned(), authority, prefix: None })
    }

    /// The attribute of those whose number of this name lies in `prefix`.
    pub fn with_prefix(&self, prefix: Prefix) -> Self {
        Self { prefix: Some(prefix), ..self.clone() }
    }

    /// For a name of this crate's own.
    pub(crate) fn named(name: &'static str, authority: AuthorityId) -> Self {
        Self { name: name.to_owned(), authority, prefix: None }
    }

    pub(crate) fn without_prefix(&self) -> Self {
        Self { prefix: None, ..self.clone() }
    }

    /// What stands before the `@`, and before the `#` if there is one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who vouches for it.
    pub fn authority(&self) -> &AuthorityId {
        &self.authority
    }

    /// The numbers it stands for, if it is part of a number.
    pub fn prefix(&self) -> Option<Prefix> {
        self.prefix
    }

    /// Parses an attribute; on failure says at which byte.
    pub(crate) fn parse(text: &str) -> Result<Self, BadName> {
        let at = text.find('@').ok_or(BadName { position: text.len(), problem: "no @" })?;
        let (before, authority) = (&text[..at], &text[at + 1..]);
        let (name, bits) = match before.find('#') {
            Some(hash) => (&before[..hash], Some(&before[hash + 1..])),
            None => (before, None),
        };
        check_name(name, 0)?;
        let not_bits = BadName { position: name.len() + 1, problem: "a # without 0 to 32 bits behind it" };
        let prefix = bits.map(|bits| Prefix::from_bits(bits).ok_or(not_bits)).transpose()?;
        check_name(authority, at + 1)?;
        Ok(Self { name: name.to_owned(), authority: AuthorityId(authority.to_owned()), prefix })
    }
}

impl FromStr for Attribute {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|bad| bad.in_name(text))
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(prefix) = self.prefix {
            write!(f, "#{prefix}")?;
        }
        write!(f, "@{}", self.authority)
    }
}

/// What an authority vouches for: that a user has an attribute (`doctor@hospital`) or a number
/// (`age=37@hospital`, `born=1989-03-01@registry`).
///
/// ```
/// # fn main() -> Result<(), twinseal_abe::Error> {
/// use twinseal_abe::{Attribute, Authority, Claim, rand_core::OsRng};
/// let hospital = Authority::setup("hospital".parse()?, &mut OsRng);
/// let claims: Vec<Claim> =
///     ["doctor@hospital", "grade=3@hospital"].iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
/// let attributes: Vec<Attribute> = claims.iter().flat_map(Claim::attributes).collect();
/// let keys = hospital.issue(&"alice".parse()?, &attributes, &mut OsRng)?;
/// assert_eq!(keys.len(), 1 + 33);
/// # Ok(())
/// # }
/// ```
///
/// A key cannot be taken back: who gets `age=18` this year and `age=19` the next satisfies comparisons of
/// both. Certify what does not change, a date of birth rather than an age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// The user has the attribute. It may be a part of a number (it has a [`Attribute::prefix`]); refuse that
    /// from those who ask.
    Attribute(Attribute),
    /// The user's number of a name has a value.
    Number(NumberClaim),
}

/// That a user's number of some name has some value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberClaim {
    subject: Attribute,
    number: Number,
}

impl NumberClaim {
    /// `subject = number`. What prefix `subject` may have is dropped.
    pub fn new(subject: &Attribute, number: impl Into<Number>) -> Self {
        Self { subject: subject.without_prefix(), number: number.into() }
    }

    /// The name of the number and its authority.
    pub fn subject(&self) -> &Attribute {
        &self.subject
    }

    /// Its value.
    pub fn number(&self) -> Number {
        self.number
    }

    /// The 33 attributes to issue keys for: one for each prefix of the value.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        Prefix::all_of(self.number.value()).map(|prefix| self.subject.with_prefix(prefix))
    }
}

impl Claim {
    /// Whose word it is.
    pub fn authority(&self) -> &AuthorityId {
        match self {
            Claim::Attribute(attribute) => attribute.authority(),
            Claim::Number(claim) => claim.subject.authority(),
        }
    }

    /// The attributes to issue keys for: one, or the 33 of a number.
    pub fn attributes(&self) -> Vec<Attribute> {
        match self {
            Claim::Attribute(attribute) => vec![attribute.clone()],
            Claim::Number(claim) => claim.attributes().collect(),
        }
    }
}

/// `name@authority` or `name=value@authority`, the value an integer or a date YYYY-MM-DD.
impl FromStr for Claim {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((name, rest)) = text.split_once('=') else {
            return text.parse().map(Claim::Attribute);
        };
        let (value, authority) = rest.split_once('@').ok_or_else(|| bad_name(text, "no @"))?;
        check_name(name, 0).and(check_name(authority, 0)).map_err(|bad| bad.in_name(text))?;
        let number = value.parse()?;
        let subject =
            Attribute { name: name.to_owned(), authority: AuthorityId(authority.to_owned()), prefix: None };
        Ok(Claim::Number(NumberClaim { subject, number }))
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::Attribute(attribute) => attribute.fmt(f),
            Claim::Number(claim) => claim.fmt(f),
        }
    }
}

impl fmt::Display for NumberClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}@{}", self.subject.name, self.number, self.subject.authority)
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

/// What is wrong with a name, and at which byte of the text it stands in.
#[derive(Debug)]
pub(crate) struct BadName {
    pub(crate) position: usize,
    pub(crate) problem: &'static str,
}

impl BadName {
    fn in_name(self, name: &str) -> Error {
        bad_name(name, self.problem)
    }
}

/// Checks a name that starts at byte `start` of its text.
fn check_name(name: &str, start: usize) -> Result<(), BadName> {
    let (offset, problem) = match name.as_bytes() {
        [] => (0, "empty"),
        bytes if !bytes.iter().all(|&b| is_name_byte(b)) => {
            let allowed = bytes.iter().take_while(|&&b| is_name_byte(b)).count();
            (allowed, "a character that is not allowed")
        }
        bytes if bytes.len() > MAX_NAME_BYTES => (MAX_NAME_BYTES, "too long"),
        [first, ..] if !first.is_ascii_alphanumeric() => (0, "does not start with a letter or digit"),
        _ => return Ok(()),
    };
    Err(BadName { position: start + offset, problem })
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
        for bad in [
            "", "a", "@", "a@", "@b", "a@b@c", "a b@c", "ä@b", "-a@b", "a@.b", "a@b\n", "a\0@b", "#@b",
            "#1@b", "a#2@b", "a#1#0@b", "a#1", "a@b#1", "a=1@b",
        ] {
            assert_eq!(bad.parse::<Attribute>().unwrap_err().code(), "TSL-ABE-004", "{bad:?}");
        }
        assert!(format!("{}@b", "a".repeat(65)).parse::<Attribute>().is_err());
        assert!(format!("a#{}@b", "0".repeat(33)).parse::<Attribute>().is_err());
    }

    #[test]
    fn parts_of_numbers_round_trip_and_differ_from_plain_attributes() {
        for text in ["a@b", "a#@b", "a#0@b", "a#01@b", &format!("a#{}@b", "1".repeat(32))] {
            assert_eq!(text.parse::<Attribute>().unwrap().to_string(), text);
        }
        let plain: Attribute = "a@b".parse().unwrap();
        assert_ne!(plain, "a#@b".parse().unwrap());
        let name = "n".repeat(MAX_NAME_BYTES);
        let longest = format!("{name}#{}@{name}", "1".repeat(32));
        assert_eq!(longest.parse::<Attribute>().unwrap().to_string().len(), MAX_ATTRIBUTE_BYTES);
    }

    #[test]
    fn claims_expand() {
        let attributes = |text: &str| text.parse::<Claim>().unwrap().attributes();
        assert_eq!(attributes("doctor@hospital"), ["doctor@hospital".parse().unwrap()]);
        let age = attributes("age=37@hospital");
        assert_eq!(age.len(), 33);
        assert_eq!(age[0].to_string(), "age#@hospital");
        assert_eq!(age[32].to_string(), format!("age#{:032b}@hospital", 37));
        assert_eq!(attributes("born=2026-11-21@r"), attributes("born=20778@r"));
        for text in ["doctor@hospital", "age=0@h", "age=4294967295@h", "born=2026-11-21@r"] {
            assert_eq!(text.parse::<Claim>().unwrap().to_string(), text);
        }
        for bad in ["a=1", "=1@b", "a=1@", "a#0=1@b", "a=1@b@c"] {
            assert_eq!(bad.parse::<Claim>().unwrap_err().code(), "TSL-ABE-004", "{bad:?}");
        }
        for bad in ["a=@b", "a=-1@b", "a=01@b", "a=1=2@b"] {
            assert_eq!(bad.parse::<Claim>().unwrap_err().code(), "TSL-ABE-028", "{bad:?}");
        }
    }

    #[test]
    fn user_ids_are_validated() {
        assert!("did:example:1/2#3".parse::<UserId>().is_ok());
        for bad in ["", "a b", "ü", "a\n", &"u".repeat(129)] {
            assert_eq!(bad.parse::<UserId>().unwrap_err().code(), "TSL-ABE-005", "{bad:?}");
        }
    }
}
