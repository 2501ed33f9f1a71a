//! Randomness from two sources, as good as the better of them.
//!
//! A board may be slow, broken or hostile, and an operating system may have little to start from. The output is
//!
//! ```text
//! out = system bytes XOR stream,   stream block i = HMAC-SHA-256(call key, 3 || i), i as 8 bytes, big-endian
//! call key  = HMAC-SHA-256(state, 1 || 32 system bytes)
//! next state = HMAC-SHA-256(state, 2)
//! ```
//!
//! and the state, zero at first, takes in 32 bytes of the board first and then every [`FILLS_PER_SEED`] calls or [`BYTES_PER_SEED`]
//! bytes: `state = HMAC-SHA-256(state, 0 || board bytes)`, as HKDF-Extract (RFC 5869) with the state as salt.
//!
//! * **A bad board weakens nothing.** What it contributes is fixed before the system bytes that its stream is XORed to
//!   are drawn, and it never sees them: if these are uniform, so is the output, whatever the board says.
//! * **A bad system is made good.** If its bytes are known or repeat, the output is a pseudo-random stream under a key
//!   that only the rings know.
//! * **What was given out stays secret.** The state goes one way: who reads it later learns nothing of earlier output.
//!
//! A board that fails its health tests, goes away or says the same twice is an error and not a quiet return to the
//! system alone: whoever asked for a board is told, on every call until the board says something new. The planner may
//! decide for software beforehand, and says so.

use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Error;

type Key = Zeroizing<[u8; 32]>;

/// Calls after which the board is asked again.
const FILLS_PER_SEED: u32 = 1_024;
/// Bytes after which the board is asked again.
const BYTES_PER_SEED: usize = 1 << 20;

/// The mixed source of one board.
#[derive(Default)]
pub(crate) struct Pool(Mutex<State>);

#[derive(Default)]
struct State {
    key: Key,
    /// `HMAC-SHA-256(what the board said last, 4)`, kept over errors: the same again is a board that hangs. Not the seed
    /// itself, from which earlier states could be made. None before it was asked.
    last_seen: Option<Key>,
    /// Since then.
    fills: u32,
    bytes: usize,
}

impl State {
    fn is_due(&self) -> bool {
        self.last_seen.is_none() || self.fills >= FILLS_PER_SEED || self.bytes >= BYTES_PER_SEED
    }

    /// Takes in what the board says, unless it said so before.
    fn reseed(&mut self, fresh: Key, board: &str) -> Result<(), Error> {
        let seen = hmac(&fresh, 4, &[]);
        if self.last_seen.as_ref() == Some(&seen) {
            return Err(Error::WrongResult { board: board.into(), engine: "entropy" });
        }
        *self = Self { key: hmac(&self.key, 0, &*fresh), last_seen: Some(seen), fills: 0, bytes: 0 };
        Ok(())
    }
}

impl Pool {
    /// Fills `out`; asks `seed` of the board when it is time.
    pub(crate) fn fill(
        &self,
        out: &mut [u8],
        board: &str,
        seed: impl Fn() -> Result<Key, Error>,
    ) -> Result<(), Error> {
        self.fill_from(out, board, seed, |bytes| getrandom::fill(bytes).map_err(Error::Entropy))
    }

    fn fill_from(
        &self,
        out: &mut [u8],
        board: &str,
        seed: impl Fn() -> Result<Key, Error>,
        system: impl Fn(&mut [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_due() {
            state.reseed(seed()?, board)?;
        }
        let mut from_system = Key::default();
        system(&mut *from_system)?;
        let call_key = hmac(&state.key, 1, &*from_system);
        state.key = hmac(&state.key, 2, &[]);
        state.fills += 1;
        state.bytes = state.bytes.saturating_add(out.len());

        system(out)?;
        for (index, chunk) in out.chunks_mut(32).enumerate() {
            let block = hmac(&call_key, 3, &(index as u64).to_be_bytes());
            chunk.iter_mut().zip(block.iter()).for_each(|(byte, mask)| *byte ^= mask);
        }
        Ok(())
    }
}

/// HMAC-SHA-256 of a domain byte and `message`.
fn hmac(key: &Key, domain: u8, message: &[u8]) -> Key {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key.as_slice());
    let mac = Hmac::<Sha256>::new(&(*block).into()).chain_update([domain]).chain_update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn counting(calls: &Cell<u8>) -> impl Fn() -> Result<Key, Error> {
        move || {
            calls.set(calls.get() + 1);
            Ok(Zeroizing::new([calls.get(); 32]))
        }
    }

    fn silent_system(bytes: &mut [u8]) -> Result<(), Error> {
        bytes.fill(0);
        Ok(())
    }

    #[test]
    fn with_a_system_that_is_known_the_board_still_counts() {
        let filled = |seed: u8| {
            let pool = Pool::default();
            let mut out = vec![0; 100];
            pool.fill_from(&mut out, "", || Ok(Zeroizing::new([seed; 32])), silent_system).unwrap();
            let mut more = vec![0; 100];
            pool.fill_from(&mut more, "", || panic!("not yet"), silent_system).unwrap();
            assert_ne!(out, more);
            assert!(out.chunks(32).chain(more.chunks(32)).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
            out
        };
        assert_ne!(filled(1), filled(2));
        assert_eq!(filled(1), filled(1), "nothing else goes in");
    }

    #[test]
    fn with_a_board_that_is_known_the_system_still_counts() {
        let filled = |system: u8| {
            let pool = Pool::default();
            let mut out = vec![0; 64];
            let fill = |bytes: &mut [u8]| {
                bytes.fill(system);
                Ok(())
            };
            pool.fill_from(&mut out, "", || Ok(Zeroizing::new([7; 32])), fill).unwrap();
            out
        };
        assert_ne!(filled(1), filled(2));
        // Bit for bit: the same pool, only the output's system bytes differ.
        let with = |last: u8| {
            let (pool, call) = (Pool::default(), Cell::new(0));
            let mut out = vec![0; 64];
            let fill = |bytes: &mut [u8]| {
                bytes.fill(if call.replace(call.get() + 1) == 0 { 9 } else { last });
                Ok(())
            };
            pool.fill_from(&mut out, "", || Ok(Zeroizing::new([7; 32])), fill).unwrap();
            out
        };
        assert!(with(0).iter().zip(with(0x55)).all(|(a, b)| a ^ b == 0x55));
    }

    #[test]
    fn the_board_is_asked_again_after_calls_and_after_bytes() {
        let (pool, calls) = (Pool::default(), Cell::new(0));
        for _ in 0..FILLS_PER_SEED {
            pool.fill(&mut [0; 4], "", counting(&calls)).unwrap();
        }
        assert_eq!(calls.get(), 1);
        pool.fill(&mut [0; 4], "", counting(&calls)).unwrap();
        assert_eq!(calls.get(), 2);
        pool.fill(&mut vec![0; BYTES_PER_SEED], "", counting(&calls)).unwrap();
        assert_eq!(calls.get(), 2);
        pool.fill(&mut [], "", counting(&calls)).unwrap();
        assert_eq!(calls.get(), 3);
    }

    /// The module's formula, written out for two seeds.
    #[test]
    fn a_new_seed_is_added_to_the_state_and_does_not_replace_it() {
        let (pool, calls) = (Pool::default(), Cell::new(0));
        pool.fill_from(&mut vec![0; BYTES_PER_SEED], "", counting(&calls), silent_system).unwrap();
        let mut out = [0; 32];
        pool.fill_from(&mut out, "", counting(&calls), silent_system).unwrap();
        assert_eq!(calls.get(), 2);
        let after_one = hmac(&hmac(&Key::default(), 0, &[1; 32]), 2, &[]);
        let call_key = hmac(&hmac(&after_one, 0, &[2; 32]), 1, &[0; 32]);
        assert_eq!(out, *hmac(&call_key, 3, &[0; 8]));
    }

    #[test]
    fn a_board_that_fails_or_repeats_itself_is_an_error_each_time() {
        let pool = Pool::default();
        let failing = || Err(Error::EntropyFault { board: "b".into() });
        for _ in 0..2 {
            assert_eq!(pool.fill(&mut [0; 4], "b", failing).unwrap_err().code(), "TSL-DRV-028");
        }
        let stuck = || Ok(Zeroizing::new([7; 32]));
        pool.fill(&mut vec![0; BYTES_PER_SEED], "b", stuck).unwrap();
        for _ in 0..2 {
            let error = pool.fill(&mut [0; 4], "b", stuck).unwrap_err();
            assert!(matches!(error, Error::WrongResult { engine: "entropy", .. }), "{error}");
            assert_eq!(pool.fill(&mut [0; 4], "b", failing).unwrap_err().code(), "TSL-DRV-028");
        }
        pool.fill(&mut [0; 4], "b", || Ok(Zeroizing::new([8; 32]))).unwrap();
    }
}
