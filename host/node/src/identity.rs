//! Who this node is: one root secret from which signing keys and section keys are derived on demand and never stored.
//! Until a board's PUF provides it, the root is a file of 32 random bytes readable by its owner only; the driver's `derive`
//! slot hides the difference. The keys of attribute authorities are not derived: they are files of their own.

use std::sync::Arc;

use aws_lc_rs::hkdf;
use twinseal_abe::UserId;
use twinseal_driver::{DeriveSlot, EntropySlot};
use twinseal_ledger::{AccountId, PublicKey, SigningKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::folder::{self, DataFolder};
use crate::mail::MailKey;
use crate::record::{RecordNumber, SectionName};
use crate::seal::SectionKey;

/// The root secret in `folder`, made from `entropy` in a new one.
pub fn root(folder: &DataFolder, entropy: &dyn EntropySlot) -> Result<Zeroizing<[u8; 32]>, Error> {
    let bytes = folder.secret(folder::ROOT, || {
        let mut root = Zeroizing::new(vec![0u8; 32]);
        entropy.fill(&mut root)?;
        Ok(root)
    })?;
    let malformed = || Error::SecretMalformed {
        path: folder.path(folder::ROOT).display().to_string(),
        expected: "32 bytes",
    };
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| malformed())?))
}

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

/// The user id of whoever holds the private half of `identity`: its account in hex. Two people cannot have the same.
pub fn user_of(identity: &PublicKey) -> Result<UserId, Error> {
    Ok(identity.account().to_string().parse()?)
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity").field("account", &self.account()).finish_non_exhaustive()
    }
}
