//! The vault of a board: a root key that is born in its silicon, and what may be asked of it.
//!
//! The root never leaves the board. The host keeps [`HelperData`], which are public and of use to that board alone, and
//! asks for keys by label. Whoever loses the helper data loses the root: enrolling again gives another one.

mod helper;
mod pool;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use twinseal_wire::vault::{CHALLENGE_BYTES, KEY_BYTES, MAX_LABEL_BYTES};
use twinseal_wire::{engines, opcode};

pub use helper::{HelperData, HelperStore};
pub(crate) use pool::Pool;

use crate::provider::{DeriveSlot, EntropySlot};
use crate::session::Request;
use crate::{Board, Error};

/// HMAC-SHA-256 under the root of a board, of its `BUILD_ID` and a challenge. Only the same board can compute it.
pub type Mac = [u8; KEY_BYTES];

/// How [`Board::unlock`] came to a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// The root the stored helper data were made for.
    Opened,
    /// A new one: there were no helper data for this board, and now there are.
    Enrolled,
}

/// Refuses labels the gateware has no room for; software does as the boards do.
pub(crate) fn check_label(label: &[u8]) -> Result<(), Error> {
    match label.len() {
        ..=MAX_LABEL_BYTES => Ok(()),
        bytes => Err(Error::LabelTooLong { bytes, max: MAX_LABEL_BYTES }),
    }
}

impl Board {
    /// Makes a new root and returns the helper data to find it again. Store them before any key is derived.
    ///
    /// # Errors
    /// [`Error::NoEngine`], [`Error::EnrolNotPermitted`], [`Error::RingFault`], [`Error::HelperRefused`] after eight
    /// refusals, or as every call.
    pub fn enrol(&self) -> Result<HelperData, Error> {
        self.require(engines::VAULT)?;
        let mut data = [0; HelperData::BYTES];
        let request = || Request { opcode: opcode::VAULT_ENROL, payload: vec![], answer_bytes: data.len() };
        let answer = self.call_vault("enrolment", request)?;
        data.copy_from_slice(&answer);
        let helper = HelperData::from_bytes(data);
        self.remember(Some(helper));
        Ok(helper)
    }

    /// Finds the root again that `helper` were made for. Should the board be reset later, the next call that needs the
    /// root opens the vault again by itself, once.
    ///
    /// # Errors
    /// [`Error::NoEngine`], [`Error::HelperRefused`], [`Error::RingFault`], or as every call.
    pub fn open_vault(&self, helper: &HelperData) -> Result<(), Error> {
        self.require(engines::VAULT)?;
        // Whatever comes of this, the root before it is gone.
        self.remember(None);
        self.reopen(helper)
    }

    fn reopen(&self, helper: &HelperData) -> Result<(), Error> {
        let payload = helper.as_bytes();
        let request = || Request { opcode: opcode::VAULT_OPEN, payload: payload.to_vec(), answer_bytes: 0 };
        let opened = self.call_vault("opening the vault", request);
        match &opened {
            Ok(_) => self.remember(Some(*helper)),
            // Another board has taken its place; it is not asked again by itself, for it counts.
            Err(Error::HelperRefused { .. }) => self.remember(None),
            Err(_) => {}
        }
        opened.map(drop)
    }

    /// Makes the board forget the root; afterwards [`Error::VaultClosed`] until it is opened again.
    ///
    /// # Errors
    /// [`Error::NoEngine`], or as every call.
    pub fn close_vault(&self) -> Result<(), Error> {
        self.require(engines::VAULT)?;
        self.remember(None);
        let request = || Request { opcode: opcode::VAULT_CLOSE, payload: vec![], answer_bytes: 0 };
        self.call_vault("closing the vault", request).map(drop)
    }

    /// Whether this driver enrolled the board or opened its vault, and did not close it since.
    pub fn is_vault_open(&self) -> bool {
        self.remembered().is_some()
    }

    /// Opens the vault with the helper data that `store` has for this board's name, or enrols the board and stores them
    /// if there are none.
    ///
    /// # Errors
    /// As [`HelperStore::load`], [`open_vault`](Self::open_vault), [`enrol`](Self::enrol), [`HelperStore::save`]. If the
    /// helper data of an enrolment cannot be stored, the vault is closed again, so that nothing depends on them.
    pub fn unlock(&self, store: &HelperStore) -> Result<Unlocked, Error> {
        self.require(engines::VAULT)?;
        if let Some(helper) = store.load(self.name())? {
            self.open_vault(&helper).map_err(|error| match error {
                Error::HelperRefused { board, .. } => {
                    Error::HelperRefused { board, helper: store.path(self.name()).display().to_string() }
                }
                other => other,
            })?;
            return Ok(Unlocked::Opened);
        }
        let helper = self.enrol()?;
        match store.save(self.name(), &helper) {
            Ok(()) => Ok(Unlocked::Enrolled),
            Err(error) => {
                // What failed first is what has to be mended first.
                let _ = self.close_vault();
                Err(error)
            }
        }
    }

    /// The board's answer to `challenge` under its root and build. There is no public key: whoever is to check an answer
    /// later has the board give it in advance, and keeps it from those who relay the challenge. It is good once, for
    /// whoever has seen it can give it again without the board.
    ///
    /// # Errors
    /// [`Error::NoEngine`], [`Error::VaultClosed`], or as every call.
    pub fn attest(&self, challenge: &[u8; CHALLENGE_BYTES]) -> Result<Mac, Error> {
        self.under_root("attestation", opcode::VAULT_ATTEST, challenge).map(|mac| *mac)
    }

    /// Random bytes of the board as they are: SHA-256 of 1,024 raw bits of its rings. Take [`EntropySlot::fill`] for
    /// keys, which does not depend on them alone.
    ///
    /// # Errors
    /// [`Error::NoEngine`], [`Error::EntropyFault`], or as every call.
    pub fn random(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, Error> {
        self.require(engines::ENTROPY)?;
        let request = || Request { opcode: opcode::ENTROPY, payload: vec![], answer_bytes: KEY_BYTES };
        self.call_vault("random bytes", request).map(|answer| key_of(&answer))
    }

    /// A call that needs the root. A board that was reset forgot it and is opened again, once.
    fn under_root(
        &self,
        call: &'static str,
        opcode: u8,
        payload: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, Error> {
        self.require(engines::VAULT)?;
        let request = || Request { opcode, payload: payload.to_vec(), answer_bytes: KEY_BYTES };
        let answer = match (self.call_vault(call, request), self.remembered()) {
            (Err(Error::VaultClosed { .. }), Some(helper)) => {
                self.reopen(&helper)?;
                self.call_vault(call, request)?
            }
            (answer, _) => answer?,
        };
        Ok(key_of(&answer))
    }
}

fn key_of(answer: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(answer);
    key
}

impl DeriveSlot for Board {
    /// With [`Options::verify`](crate::Options::verify) the board is asked twice: nobody else can compute the key, but a
    /// board that does not agree with itself is found out.
    fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        check_label(label)?;
        let key = self.under_root("derivation", opcode::VAULT_DERIVE, label)?;
        if self.verifies() && *self.under_root("derivation", opcode::VAULT_DERIVE, label)? != *key {
            return Err(Error::WrongResult { board: self.label().into(), engine: "vault" });
        }
        Ok(key)
    }

    fn engine(&self) -> &str {
        self.label()
    }
}

impl EntropySlot for Board {
    /// The operating system's randomness with the board's on top: see the pool in `driver/src/vault/pool.rs`.
    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        self.require(engines::ENTROPY)?;
        self.pool().fill(out, self.label(), || self.random())
    }

    fn engine(&self) -> &str {
        self.label()
    }
}
