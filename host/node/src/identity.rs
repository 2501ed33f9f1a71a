//! Who this node is: signing keys, mail keys and section keys, each derived by its label from the root (a board's silicon,
//! or a file; see [`crate::root`]) when it is needed, and stored nowhere. The keys of attribute authorities are not derived:
//! they are files of their own.
//!
//! | label | is |
//! |---|---|
//! | `twinseal/v1/sign/ROLE` | seed of an ML-DSA-65 key (FIPS 204); a running daemon keeps the expanded key in memory |
//! | `twinseal/v1/x-wing/ROLE` | seed of an X-Wing key pair |
//! | `twinseal/v1/section/` ‖ record number ‖ name | key of one section of one record |
//! | `twinseal/v1/recovered/` ‖ chain ‖ record number | number under which a lost record is put anew |
//! | `twinseal/v1/at-rest/` ‖ what | key of one secret file; see [`crate::at_rest`] |

use std::sync::Arc;

use twinseal_abe::UserId;
use twinseal_driver::DeriveSlot;
use twinseal_ledger::{AccountId, ChainId, PublicKey, SigningKey};

use crate::Error;
use crate::mail::MailKey;
use crate::record::{RecordNumber, SectionName};
use crate::seal::SectionKey;

/// One participant: its signing key, its account, and the keys of its records.
pub struct Identity {
    derive: Arc<dyn DeriveSlot>,
    role: String,
    signing: SigningKey,
}

impl Identity {
    /// Derives everything from the root behind `derive`. `role` separates identities that share one root.
    pub fn new(derive: Arc<dyn DeriveSlot>, role: &str) -> Result<Self, Error> {
        let seed = derive.derive(format!("twinseal/v1/sign/{role}").as_bytes())?;
        let signing = SigningKey::from_seed(&seed)?;
        Ok(Self { derive, role: role.into(), signing })
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

    /// Whom attribute keys of this participant bind to.
    pub fn user(&self) -> Result<UserId, Error> {
        user_of(self.signing.public_key())
    }

    /// The key to which others seal what this participant alone may read.
    pub fn mail_key(&self) -> Result<MailKey, Error> {
        let seed = self.derive.derive(format!("twinseal/v1/x-wing/{}", self.role).as_bytes())?;
        Ok(MailKey::from_seed(&seed))
    }

    /// The key of one section of one record.
    pub fn section_key(&self, record: &RecordNumber, section: &SectionName) -> Result<SectionKey, Error> {
        let label = [b"twinseal/v1/section/", &record.as_bytes()[..], section.as_str().as_bytes()].concat();
        Ok(SectionKey::new(self.derive.derive(&label)?))
    }

    /// The number under which the record `number` of the lost ledger `chain` is put anew: always the same, so that it is
    /// put once.
    pub fn recovered_number(&self, chain: &ChainId, number: &RecordNumber) -> Result<RecordNumber, Error> {
        let label = [b"twinseal/v1/recovered/", &chain.as_bytes()[..], number.as_bytes()].concat();
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&self.derive.derive(&label)?[..16]);
        Ok(bytes.into())
    }
}

/// The user id of whoever holds the private half of `identity`: its account in hex. Two people cannot have the same.
pub fn user_of(identity: &PublicKey) -> Result<UserId, Error> {
    Ok(identity.account().to_string().parse()?)
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity").field("account", &self.account()).finish_non_exhaustive()
    }
}
