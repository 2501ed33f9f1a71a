//! Bytes that one person alone can read, whoever carries them: HPKE (RFC 9180) in base mode with X-Wing (ML-KEM-768 and
//! X25519), HKDF-SHA-256 and AES-256-GCM. It hides, also from a quantum computer; it does not say who sent it.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of a public key.
pub const PUBLIC_KEY_BYTES: usize = 1216;
/// Bytes of what is encapsulated, in front of the ciphertext.
const ENCAPSULATED_BYTES: usize = 1120;

/// A private X-Wing key.
pub struct MailKey {
    private: <XWing as Kem>::PrivateKey,
    public: Vec<u8>,
}

impl MailKey {
    /// The key pair that HPKE derives from `seed`.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (private, public) = XWing::derive_keypair(seed);
        Self { private, public: public.to_bytes().to_vec() }
    }

    /// What others seal to, [`PUBLIC_KEY_BYTES`] long.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Opens what [`seal`] made for this key with the same `info`.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (encapsulated, ciphertext) =
            sealed.split_at_checked(ENCAPSULATED_BYTES).ok_or(Error::MailUnreadable)?;
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated);
        let encapsulated = encapsulated.map_err(|_| Error::MailUnreadable)?;
        let mode = OpModeR::Base;
        single_shot_open::<AesGcm256, HkdfSha256, XWing>(
            &mode,
            &self.private,
            &encapsulated,
            info,
            ciphertext,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| Error::MailUnreadable)
    }
}

/// Seals `plaintext` to a public key, bound to `info`.
pub fn seal(public: &[u8], info: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let public = <XWing as Kem>::PublicKey::from_bytes(public).map_err(|_| Error::BadMailKey)?;
    let (encapsulated, ciphertext) =
        single_shot_seal::<AesGcm256, HkdfSha256, XWing>(&OpModeS::Base, &public, info, plaintext, b"")
            .map_err(|_| Error::BadMailKey)?;
    Ok([&encapsulated.to_bytes()[..], &ciphertext].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_addressee_opens_and_only_unaltered_mail() {
        let (mira, eve) = (MailKey::from_seed(&[1; 32]), MailKey::from_seed(&[2; 32]));
        assert_eq!(mira.public().len(), PUBLIC_KEY_BYTES);
        assert_eq!(MailKey::from_seed(&[1; 32]).public(), mira.public(), "regenerated from the seed");
        let sealed = seal(mira.public(), b"info", b"secret").unwrap();
        assert_eq!(mira.open(b"info", &sealed).unwrap().as_slice(), b"secret");
        assert!(eve.open(b"info", &sealed).is_err());
        assert!(mira.open(b"other", &sealed).is_err());
        for at in [0, ENCAPSULATED_BYTES - 1, ENCAPSULATED_BYTES, sealed.len() - 1] {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(mira.open(b"info", &bad).is_err(), "byte {at}");
        }
        assert!(mira.open(b"info", &sealed[..ENCAPSULATED_BYTES - 1]).is_err());
        assert!(seal(&mira.public()[1..], b"info", b"secret").is_err());
    }
}
