//! The driver's entropy slot as the random number generator that `twinseal-abe` expects.

use rand_core::{CryptoRng, RngCore};
use twinseal_driver::EntropySlot;

/// Draws from an entropy slot. A slot that fails aborts the operation: see [`RngCore::try_fill_bytes`].
pub struct Rng<'a>(pub &'a dyn EntropySlot);

impl RngCore for Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0u8; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0u8; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// # Panics
    /// If the slot fails: continuing without randomness would leak keys.
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        #[allow(clippy::expect_used)]
        self.0.fill(dest).expect("the entropy source failed; the operating system or the board is unusable");
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        // Any code will do: the caller learns that there is no randomness, the driver has logged nothing secret.
        self.0.fill(dest).map_err(|_| core::num::NonZeroU32::MIN.into())
    }
}

impl CryptoRng for Rng<'_> {}
