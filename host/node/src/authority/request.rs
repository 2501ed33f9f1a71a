//! How a person asks an authority for attribute keys, and what comes back.
//!
//! The request is a [`Statement`] of the person's identity, so an authority knows whom it issues to, and the person's user
//! id is that identity: keys of two people never combine, and nobody can ask in another's name. The answer is sealed to
//! the person's X-Wing key, so whoever carries it (a daemon, a mail, a stick) learns nothing.

use serde::{Deserialize, Serialize};
use twinseal_abe::threshold::{Group, PartialKey};
use twinseal_abe::{self as abe, Claim, UserId};
use twinseal_driver::EntropySlot;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::identity::Identity;
use crate::mail;
use crate::reader::{MAX_KEYS, ReaderKeys};
use crate::statement::{Stamp, Statement};

/// Most claims in one request.
pub const MAX_CLAIMS: usize = 32;
/// Longest encoded request: two public keys, a signature and [`MAX_CLAIMS`] claims.
pub const MAX_REQUEST_BYTES: usize = 16 << 10;

pub(super) const DOMAIN: &str = "twinseal/v1/attribute-request";

/// An epoch, and in hex the key id of the clock's public key: keys of that epoch are at hand, so that those it shares with
/// today's need not be issued again.
pub type Held = Option<(u32, String)>;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Body {
    authority: String,
    /// Who asks, in their own words; must be the account of the key that signs.
    user: String,
    claims: Vec<String>,
    mail_key: Vec<u8>,
    held: Held,
    stamp: Stamp,
}

/// A request that was read, and whose signature holds.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub user: UserId,
    /// Whom.
    pub authority: String,
    /// For what.
    pub claims: Vec<Claim>,
    /// Keys of the clock that are at hand already.
    pub held: Held,
    /// When, and the request's unique mark.
    pub stamp: Stamp,
    mail_key: Vec<u8>,
}

impl Request {
    /// Signs a request of `identity` to `authority`.
    pub fn sign(
        identity: &Identity,
        authority: &str,
        claims: &[Claim],
        held: Held,
        now_ms: u64,
        entropy: &dyn EntropySlot,
    ) -> Result<Vec<u8>, Error> {
        let body = Body {
            authority: authority.into(),
            user: identity.user()?.to_string(),
            claims: claims.iter().map(Claim::to_string).collect(),
            mail_key: identity.mail_key()?.public().to_vec(),
            held,
            stamp: Stamp::new(now_ms, entropy)?,
        };
        Statement::new(DOMAIN, &body, identity)?.to_bytes()
    }

    /// Reads a request and checks its signature, its limits and that it is made in the signer's own name.
    pub fn open(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(Error::BodyTooLarge { limit: MAX_REQUEST_BYTES });
        }
        let (user, body): (UserId, Body) = Statement::from_bytes(bytes)?.open(DOMAIN)?;
        if body.user != user.as_str() {
            return Err(Error::WrongUser);
        }
        if body.claims.is_empty() || body.claims.len() > MAX_CLAIMS {
            return Err(Error::BadStatement);
        }
        if body.mail_key.len() != mail::PUBLIC_KEY_BYTES {
            return Err(Error::BadMailKey);
        }
        Ok(Self {
            user,
            claims: body.claims.iter().map(|c| c.parse()).collect::<Result<_, _>>()?,
            authority: body.authority,
            held: body.held,
            stamp: body.stamp,
            mail_key: body.mail_key,
        })
    }

    /// The answer: `keys`, issued under `public_key`, for the eyes of whoever asked.
    pub fn answer(&self, public_key: &abe::PublicKey, keys: &[abe::AttributeKey]) -> Result<Vec<u8>, Error> {
        self.seal(&Answer {
            public_key: public_key.to_bytes(),
            group: None,
            keys: keys.iter().map(|k| k.to_bytes().to_vec()).collect(),
        })
    }

    /// The answer of one member of a threshold authority: its part of every key.
    pub fn answer_in_part(&self, group: &Group, parts: &[PartialKey]) -> Result<Vec<u8>, Error> {
        self.seal(&Answer {
            public_key: group.public_key().to_bytes(),
            group: Some(group.to_bytes()),
            keys: parts.iter().map(|k| k.to_bytes().to_vec()).collect(),
        })
    }

    fn seal(&self, answer: &Answer) -> Result<Vec<u8>, Error> {
        let plaintext = Zeroizing::new(postcard::to_allocvec(answer).map_err(|_| Error::Malformed)?);
        mail::seal(&self.mail_key, &info(self.user.as_str()), &plaintext)
    }
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Answer {
    public_key: Vec<u8>,
    /// If it comes from a member of a threshold authority: the group, and `keys` are parts.
    group: Option<Vec<u8>>,
    keys: Vec<Vec<u8>>,
}

/// What an answer holds, every key or part checked.
#[derive(Debug)]
pub enum Accepted {
    /// Keys under a public key.
    Keys(Box<abe::PublicKey>, ReaderKeys),
    /// Parts of keys, of which the group's threshold make one.
    Parts(Box<Group>, Vec<PartialKey>),
}

fn info(user: &str) -> Vec<u8> {
    [b"twinseal/v1/attribute-answer\0", user.as_bytes()].concat()
}

/// Opens an answer and checks every key against the authority's public key. `key_id` in hex pins that public key;
/// without it, it is the word of whoever delivered the answer.
pub fn accept(identity: &Identity, answer: &[u8], key_id: Option<&str>) -> Result<Accepted, Error> {
    let user = identity.user()?;
    let plaintext = identity.mail_key()?.open(&info(user.as_str()), answer)?;
    let answer: Answer = postcard::from_bytes(&plaintext).map_err(|_| Error::MailUnreadable)?;
    let public_key = abe::PublicKey::from_bytes(&answer.public_key)?;
    if key_id.is_some_and(|pinned| !pinned.eq_ignore_ascii_case(&public_key.id().to_string())) {
        return Err(Error::WrongAuthorityKey {
            authority: public_key.authority().to_string(),
            found: public_key.id().to_string(),
        });
    }
    if answer.keys.len() > MAX_KEYS {
        return Err(Error::BadReaderKeys);
    }
    let is_mine = |of: &UserId| if *of == user { Ok(()) } else { Err(Error::WrongUser) };
    if let Some(group) = &answer.group {
        let group = Group::from_bytes(group)?;
        if *group.public_key() != public_key {
            return Err(Error::MailUnreadable);
        }
        let mut parts = Vec::with_capacity(answer.keys.len());
        for bytes in &answer.keys {
            let part = PartialKey::from_bytes(bytes)?;
            is_mine(part.user())?;
            group.verify(&part)?;
            parts.push(part);
        }
        return Ok(Accepted::Parts(Box::new(group), parts));
    }
    let mut keys = Vec::with_capacity(answer.keys.len());
    for bytes in &answer.keys {
        let key = abe::AttributeKey::from_bytes(bytes)?;
        is_mine(key.user())?;
        key.verify(&public_key)?;
        keys.push(key);
    }
    Ok(Accepted::Keys(Box::new(public_key), ReaderKeys { user, keys }))
}
