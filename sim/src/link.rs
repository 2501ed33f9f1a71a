//! The cable to a driver in the same process.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use twinseal_driver::{Error, Link};

use crate::{CLOCK_HZ, SimBoard};

/// Cycles simulated between two looks at the clock on the wall: about a millisecond.
const SLICE_CYCLES: u64 = 1 << 13;
/// Bytes from the board that may wait to be read; later ones are lost, as in the buffer of a serial port.
const ARRIVED_BYTES: usize = 64 * 1024;
const NAME: &str = "hx8k sim";

/// A simulated board as a [`Link`]. The board's clock runs inside the calls, in the caller's thread.
///
/// A read waits for the board, not for the deadline: when the board is [idle](SimBoard::is_idle) nothing can come any
/// more, and the read says so at once. The deadline bounds the time on the wall that is spent on a board that is not.
#[derive(Debug)]
pub struct SimLink {
    board: SimBoard,
    arrived: VecDeque<u8>,
    plug: Plug,
    clock: BoardClock,
}

/// The time of the board at a [`SimLink`], in its clocks.
#[derive(Clone, Debug, Default)]
pub struct BoardClock {
    cycles: Arc<AtomicU64>,
}

impl BoardClock {
    /// Clocks since power-up.
    pub fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::SeqCst)
    }

    /// Time since power-up, as a real board would have it.
    pub fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(self.cycles() as f64 / f64::from(CLOCK_HZ))
    }
}

/// The USB plug of a [`SimLink`], to be pulled in tests.
#[derive(Clone, Debug, Default)]
pub struct Plug {
    pulled: Arc<AtomicBool>,
}

impl Plug {
    /// From now on every call of the link is [`Error::Disconnected`].
    pub fn pull(&self) {
        self.pulled.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), Error> {
        if self.pulled.load(Ordering::SeqCst) {
            return Err(Error::Disconnected {
                link: NAME.into(),
                source: io::ErrorKind::NotConnected.into(),
            });
        }
        Ok(())
    }
}

impl SimLink {
    /// Plugs `board` in.
    pub fn new(board: SimBoard) -> Self {
        Self { board, arrived: VecDeque::new(), plug: Plug::default(), clock: BoardClock::default() }
    }

    /// The plug, which keeps working when the link has been given away.
    pub fn plug(&self) -> Plug {
        self.plug.clone()
    }

    /// The board's clock, which can still be read when the link has been given away.
    pub fn clock(&self) -> BoardClock {
        self.clock.clone()
    }

    fn run(&mut self, out: &mut [u8]) -> usize {
        let len = self.board.run(SLICE_CYCLES, out);
        self.clock.cycles.store(self.board.usage().cycles, Ordering::SeqCst);
        len
    }

    /// The board at the other end.
    pub fn board(&mut self) -> &mut SimBoard {
        &mut self.board
    }
}

impl Link for SimLink {
    fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        let mut out = [0; 1024];
        loop {
            self.plug.check()?;
            bytes = &bytes[self.board.send(bytes)..];
            if bytes.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Stalled { link: self.describe() });
            }
            let len = self.run(&mut out);
            let kept = len.min(ARRIVED_BYTES - self.arrived.len());
            self.arrived.extend(&out[..kept]);
        }
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        self.plug.check()?;
        if !self.arrived.is_empty() {
            return Ok(io::Read::read(&mut self.arrived, buffer).unwrap_or(0));
        }
        loop {
            let len = self.run(buffer);
            if len > 0 || buffer.is_empty() || self.board.is_idle() || Instant::now() >= deadline {
                return Ok(len);
            }
            self.plug.check()?;
        }
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.plug.check()?;
        self.arrived.clear();
        Ok(())
    }

    fn describe(&self) -> String {
        NAME.into()
    }
}
