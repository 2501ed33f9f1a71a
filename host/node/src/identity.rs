//! Who this node is: signing keys, mail keys and section keys, each derived by its label from the root (a board's silicon,
//! or a file; see [`crate::root`]) and written to no disk. Signing keys are derived once at the start and held in memory; the
//! others when they are needed. The keys of attribute authorities are not derived: they are files of their own.
//!
//! | label | is |
//! |---|---|
//! | `twinseal/v1/sign/ROLE` | seed of an ML-DSA-65 key (FIPS 204), whose expanded form stays in memory while the daemon runs |
//! | `twinseal/v1/x-wing/ROLE` | seed of an X-Wing key pair |
//! | `twinseal/v1/section/` ‖ record number ‖ name | key of one section of one record |
//! | `twinseal/v1/recovered/` ‖ chain ‖ record number | number under which a lost record is put anew |
//! | `twinseal/v1/at-rest/` ‖ what | key of one secret file; see [`crate::at_rest`] |
//! | `twinseal/v1/root-check` | what tells this root from another; see [`crate::root`] |

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use aws_lc_rs::digest;
    use twinseal_driver::Provider;
    use zeroize::Zeroizing;

    use super::*;
    use crate::at_rest::AtRest;
    use crate::authority::secret_name;
    use crate::{home, root};

    /// A root of 0, 1, 2, ... that writes down what it is asked for.
    struct Noted(Arc<dyn DeriveSlot>, Mutex<Vec<Vec<u8>>>);

    impl DeriveSlot for Noted {
        fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, twinseal_driver::Error> {
            self.1.lock().unwrap().push(label.to_vec());
            self.0.derive(label)
        }

        fn engine(&self) -> &str {
            "noted"
        }
    }

    /// Whoever changes a label, or what is made of its key, loses what was sealed and signed before. Keys that are seen as
    /// they are, were computed with another HMAC; accounts and public keys are what this build gave first.
    #[test]
    fn every_key_has_its_own_label_and_is_what_it_always_was() {
        let root = Zeroizing::new(core::array::from_fn(|i| i as u8));
        let noted = Arc::new(Noted(Provider::software_with_root(root).derive, Mutex::default()));
        let identity = |role| Identity::new(noted.clone(), role).unwrap();
        let account = |role| identity(role).account().to_string();
        let mail = |role| {
            let public = identity(role).mail_key().unwrap().public().to_vec();
            hex::encode(digest::digest(&digest::SHA256, &public))
        };
        let (number, chain): (RecordNumber, ChainId) = ([1; 16].into(), [2; 32].into());
        let section = |name: &str| {
            let key = identity("owner").section_key(&number, &SectionName::new(name).unwrap()).unwrap();
            hex::encode(key.as_bytes())
        };
        let recovered = identity("owner").recovered_number(&chain, &number).unwrap().to_string();
        let rest = AtRest::sealed(noted.clone(), Provider::software().entropy);
        let at_rest = |what| rest.wrap(what, b"secret").map(|_| String::new()).unwrap();
        let in_section = |name: &str| [b"twinseal/v1/section/", &[1; 16][..], name.as_bytes()].concat();
        let in_recovered = [b"twinseal/v1/recovered/", &[2; 32][..], &[1; 16]].concat();
        let label = |text: &str| text.as_bytes().to_vec();

        let mut seen = BTreeSet::new();
        let mut check = |expected_label: Vec<u8>, found: String, expected: &str| {
            let last = noted.1.lock().unwrap().last().cloned().unwrap();
            let text = String::from_utf8_lossy(&expected_label).into_owned();
            assert_eq!(last, expected_label, "{text}");
            assert_eq!(found, expected, "{text}");
            assert!(seen.insert(last), "{text} is the label of something else too");
        };
        check(in_recovered, recovered, "0cb6caa8e94bb4cae17855e9a0b8dabb");
        for (role, expected) in [
            ("owner", "16716fcb370a168f081e0278d162ae4db11137a7e7b94b765a5926cd8e365c17"),
            ("doctor", "bbc97a3159ee91903b7bc907a60329ba20e976613ce27895320af557da4a4571"),
            ("cloud", "cb5187902ab325f87461a2a538a5944d3e1944e9184d0b02ceb5e6693276c8a0"),
            ("orderer", "77aaea09b90fa2b2008544c709e1e1eff53dd43b364f7a1cc22c668badb2dcc7"),
            ("person", "754bf12ecc568d54405d87dd680b7fb0bb7c98653da7d901510b71e41d29a1b8"),
        ] {
            check(label(&format!("twinseal/v1/sign/{role}")), account(role), expected);
        }
        for (role, expected) in [
            ("owner", "4b2514bbfe36441c0a36061c5d11373d31a283df99b94ce6a718e0707758114f"),
            ("person", "7d3e1594f4c3c3a882be779127be4002d212d991ad92578b19cf2319b2b9028a"),
        ] {
            check(label(&format!("twinseal/v1/x-wing/{role}")), mail(role), expected);
        }
        for (name, expected) in [
            ("personal", "88b46316038d163fd456734482dd42b6b66a10387e3c81a1cfbb281f413642d7"),
            ("stream/glucose", "64f82c2b1e00c389c8b0834f5c5c4c3439bbcbe56691be9755d91202cd4cccb1"),
        ] {
            check(in_section(name), section(name), expected);
        }
        for (what, expected) in [
            (home::ATTRIBUTES, "attributes"),
            (&*home::retrieving_name("ab"), "retrieving/ab"),
            (&secret_name(1, "hospital"), "authority/1/hospital"),
            (&secret_name(2, "hospital"), "authority/2/hospital"),
        ] {
            check(label(&format!("twinseal/v1/at-rest/{expected}")), at_rest(what), "");
        }
        let value = root::check_value(&*noted).unwrap();
        check(label("twinseal/v1/root-check"), value, "23dac5ec4dbc7e7f1b956b245e7f51e2");
    }
}
