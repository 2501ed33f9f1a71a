//! What a person says to a service that does not know them yet: bytes, the ML-DSA-65 key of their identity, and its
//! signature over a domain and those bytes. Who said it is the account of that key, so nobody can speak as another.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twinseal_abe::UserId;
use twinseal_driver::EntropySlot;
use twinseal_ledger::{PublicKey, Signature};

use crate::Error;
use crate::identity::{self, Identity};

/// Longest encoded statement: a transform key of thousands of attributes.
pub const MAX_BYTES: usize = 2 << 20;
/// How far the clocks of sender and service may be apart, with the way between them.
pub const MAX_AGE_MS: u64 = 5 * 60_000;

/// A signed statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    body: Vec<u8>,
    identity: PublicKey,
    signature: Signature,
}

/// When a statement was made, and 128 random bits, so that no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Unix milliseconds.
    pub time_ms: u64,
    /// Random.
    pub nonce: [u8; 16],
}

impl Stamp {
    /// Now.
    pub fn new(now_ms: u64, entropy: &dyn EntropySlot) -> Result<Self, Error> {
        let mut nonce = [0; 16];
        entropy.fill(&mut nonce)?;
        Ok(Self { time_ms: now_ms, nonce })
    }

    /// Made at most `max_age_ms` ago, and not in the future by more than clocks may differ.
    pub fn check(&self, now_ms: u64, max_age_ms: u64) -> Result<(), Error> {
        let age_ms = now_ms.saturating_sub(self.time_ms);
        let ahead_ms = self.time_ms.saturating_sub(now_ms);
        if age_ms > max_age_ms || ahead_ms > MAX_AGE_MS {
            return Err(Error::NotFresh { seconds: age_ms.max(ahead_ms) / 1000 });
        }
        Ok(())
    }
}

/// The marks of statements that were acted on, for as long as they would be fresh: none is acted on twice. They are
/// forgotten when the service restarts.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<[u8; 16], u64>);

impl Seen {
    /// Checks `stamp` as [`Stamp::check`] does, and that it was not seen before.
    pub fn admit(&mut self, stamp: &Stamp, now_ms: u64) -> Result<(), Error> {
        stamp.check(now_ms, MAX_AGE_MS)?;
        self.0.retain(|_, time_ms| now_ms.saturating_sub(*time_ms) <= MAX_AGE_MS);
        match self.0.insert(stamp.nonce, stamp.time_ms) {
            None => Ok(()),
            Some(_) => Err(Error::Replayed),
        }
    }
}

impl Statement {
    /// `identity` says `body` in `domain`.
    pub fn new<T: Serialize>(domain: &str, body: &T, identity: &Identity) -> Result<Self, Error> {
        let body = postcard::to_allocvec(body).map_err(|_| Error::BadStatement)?;
        let signature = identity.signing().sign(&message(domain, &body))?;
        Ok(Self { body, identity: identity.signing().public_key().clone(), signature })
    }

    /// Who said it, and what, if the signature holds.
    pub fn open<T: DeserializeOwned>(&self, domain: &str) -> Result<(UserId, T), Error> {
        self.identity
            .verify(&message(domain, &self.body), &self.signature)
            .map_err(|_| Error::BadStatement)?;
        let (body, rest) = postcard::take_from_bytes(&self.body).map_err(|_| Error::BadStatement)?;
        if !rest.is_empty() {
            return Err(Error::BadStatement);
        }
        Ok((identity::user_of(&self.identity)?, body))
    }

    /// The encoding.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        postcard::to_allocvec(self).map_err(|_| Error::BadStatement)
    }

    /// Parses [`Self::to_bytes`]; the signature is checked by [`Self::open`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::BodyTooLarge { limit: MAX_BYTES });
        }
        match postcard::take_from_bytes(bytes) {
            Ok((statement, [])) => Ok(statement),
            _ => Err(Error::BadStatement),
        }
    }
}

fn message(domain: &str, body: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], body].concat()
}

#[cfg(test)]
impl Statement {
    /// The same words, signed by somebody else.
    pub(crate) fn resigned(&self, domain: &str, identity: &Identity) -> Self {
        let signature = identity.signing().sign(&message(domain, &self.body)).unwrap();
        Self { identity: identity.signing().public_key().clone(), signature, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinseal_driver::Provider;
    use zeroize::Zeroizing;

    fn person(seed: u8) -> Identity {
        let provider = Provider::software_with_root(Zeroizing::new([seed; 32]));
        Identity::new(provider.derive, "person").unwrap()
    }

    #[test]
    fn a_statement_names_its_speaker_and_cannot_be_altered() {
        let (mira, eve) = (person(1), person(2));
        let said = Statement::new("twinseal/v1/test", &(7u8, "text"), &mira).unwrap();
        let bytes = said.to_bytes().unwrap();
        let parsed = Statement::from_bytes(&bytes).unwrap();
        let (user, body): (_, (u8, String)) = parsed.open("twinseal/v1/test").unwrap();
        assert_eq!((user, body), (mira.user().unwrap(), (7, "text".into())));

        let refused = |statement: &Statement, domain: &str| {
            statement.open::<(u8, String)>(domain).unwrap_err().code().to_owned()
        };
        assert_eq!(refused(&said, "twinseal/v1/other"), "TSL-NOD-031");
        let altered = Statement { body: postcard::to_allocvec(&(8u8, "text")).unwrap(), ..said.clone() };
        assert_eq!(refused(&altered, "twinseal/v1/test"), "TSL-NOD-031");
        let stolen = Statement { identity: eve.signing().public_key().clone(), ..said.clone() };
        assert_eq!(refused(&stolen, "twinseal/v1/test"), "TSL-NOD-031");
        assert!(Statement::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Statement::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert!(Statement::from_bytes(&vec![0; MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn stamps_age() {
        let stamp = Stamp { time_ms: 10_000_000, nonce: [0; 16] };
        assert!(stamp.check(10_000_000, 0).is_ok() && stamp.check(10_001_000, 1_000).is_ok());
        assert!(stamp.check(10_001_001, 1_000).is_err());
        assert!(stamp.check(10_000_000 - MAX_AGE_MS, 0).is_ok());
        assert!(stamp.check(10_000_000 - MAX_AGE_MS - 1, u64::MAX).is_err());

        let mut seen = Seen::default();
        seen.admit(&stamp, 10_000_000).unwrap();
        assert_eq!(seen.admit(&stamp, 10_000_000).unwrap_err().code(), "TSL-NOD-033");
        let other = Stamp { nonce: [1; 16], time_ms: 10_000_001 + MAX_AGE_MS };
        seen.admit(&other, other.time_ms).unwrap();
        assert_eq!(seen.0.len(), 1, "what is no longer fresh is forgotten");
        assert_eq!(seen.admit(&stamp, other.time_ms).unwrap_err().code(), "TSL-NOD-032");
    }
}
