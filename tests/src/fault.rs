//! A cable that misbehaves on command.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use twinseal_driver::{Error, Link};
use twinseal_wire::{self as wire, Decoder, Frame};

use crate::raw::encoded;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From host to board.
    ToBoard,
    /// From board to host.
    ToHost,
}

/// What happens at one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The byte is lost.
    Drop,
    /// This and every following byte of the same write or read are lost.
    Truncate,
    /// The line takes no more until the host gives up on this write; this and the following bytes of it are lost.
    Clog,
    /// These bits are inverted.
    Flip(u8),
    /// This byte comes in between.
    Insert(u8),
    /// From here on the line is dead: nothing is sent, and what the board says waits in the cable until the host has
    /// waited for it in vain. Then everything arrives, late.
    Stall,
    /// The plug is pulled.
    Unplug,
}

#[derive(Debug, Default)]
struct Plan {
    armed: Option<(Direction, usize, Fault)>,
    unplugged: bool,
    clogged: bool,
    /// Host bytes a stalled line holds back; `Some` while it is stalled.
    stalled: Option<Vec<u8>>,
    /// Chance in 2^16 for every byte in either direction to be flipped.
    noise: u32,
    random: u64,
    passed: [usize; 2],
}

/// The switch of a [`FaultyLink`], which keeps working when the link has been given away.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<Mutex<Plan>>);

impl Switch {
    /// Makes `fault` happen once, at the `nth` byte from now in this direction.
    pub fn arm(&self, direction: Direction, nth: usize, fault: Fault) {
        let mut plan = self.0.lock().unwrap();
        plan.passed = [0; 2];
        plan.armed = Some((direction, nth, fault));
    }

    /// Whether the armed fault has happened.
    pub fn has_happened(&self) -> bool {
        self.0.lock().unwrap().armed.is_none()
    }

    /// Inverts a bit of about one in `2^16 / chance` bytes; zero ends it.
    pub fn noise(&self, chance: u32, seed: u64) {
        let mut plan = self.0.lock().unwrap();
        (plan.noise, plan.random) = (chance, seed | 1);
    }

    /// Bytes that passed since [`arm`](Self::arm), to the board and to the host.
    pub fn passed(&self) -> [usize; 2] {
        self.0.lock().unwrap().passed
    }
}

impl Plan {
    /// Passes bytes through the faults; `Err` if the plug is pulled.
    fn pass(&mut self, direction: Direction, bytes: &[u8]) -> Result<Vec<u8>, ()> {
        let mut out = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            let at = self.passed[direction as usize];
            self.passed[direction as usize] += 1;
            let mut byte = byte;
            if self.noise > 0 {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                if (self.random >> 20) as u32 & 0xFFFF < self.noise {
                    byte ^= 1 << (self.random >> 60 & 7);
                }
            }
            match self.armed {
                Some((d, nth, fault)) if d == direction && nth == at => {
                    self.armed = None;
                    match fault {
                        Fault::Drop => {}
                        Fault::Truncate => return Ok(out),
                        Fault::Clog => {
                            self.clogged = direction == Direction::ToBoard;
                            return Ok(out);
                        }
                        Fault::Flip(bits) => out.push(byte ^ bits),
                        Fault::Insert(extra) => out.extend([extra, byte]),
                        Fault::Stall => {
                            self.stalled = Some(Vec::new());
                            out.push(byte);
                        }
                        Fault::Unplug => {
                            self.unplugged = true;
                            return Err(());
                        }
                    }
                }
                _ => out.push(byte),
            }
        }
        Ok(out)
    }
}

/// A link with faults.
pub struct FaultyLink<L> {
    inner: L,
    switch: Switch,
    /// Bytes on their way to the host.
    arriving: VecDeque<u8>,
    /// Kept back by a stall, released behind the host's back after it has discarded its input.
    late: Vec<u8>,
}

impl<L: Link> FaultyLink<L> {
    /// Without any fault yet.
    pub fn new(inner: L) -> (Self, Switch) {
        let switch = Switch::default();
        let link = Self { inner, switch: switch.clone(), arriving: VecDeque::new(), late: Vec::new() };
        (link, switch)
    }

    fn unplugged(&self) -> Error {
        Error::Disconnected { link: self.describe(), source: io::ErrorKind::NotConnected.into() }
    }

    /// Takes in whatever the board has to say by `deadline`.
    fn fetch(&mut self, deadline: Instant) -> Result<(), Error> {
        let mut buffer = [0; 256];
        let len = self.inner.read(&mut buffer, deadline)?;
        let passed = self.switch.0.lock().unwrap().pass(Direction::ToHost, &buffer[..len]);
        self.arriving.extend(passed.map_err(|()| self.unplugged())?);
        Ok(())
    }
}

impl<L: Link> Link for FaultyLink<L> {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        let passed = {
            let mut plan = self.switch.0.lock().unwrap();
            if plan.unplugged {
                return Err(self.unplugged());
            }
            let passed = plan.pass(Direction::ToBoard, bytes).map_err(|()| self.unplugged())?;
            if let Some(held) = &mut plan.stalled {
                held.extend(passed);
                return Ok(());
            }
            passed
        };
        self.inner.write_all(&passed, deadline)?;
        // The late answers of a stall overtake the answer to this.
        self.arriving.extend(self.late.drain(..));
        match std::mem::take(&mut self.switch.0.lock().unwrap().clogged) {
            true => Err(Error::Stalled { link: self.describe() }),
            false => Ok(()),
        }
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        let held = {
            let mut plan = self.switch.0.lock().unwrap();
            if plan.unplugged {
                return Err(self.unplugged());
            }
            plan.stalled.take()
        };
        if let Some(held) = held {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            self.inner.write_all(&held, Instant::now())?;
            self.fetch(Instant::now())?;
            self.late = self.arriving.drain(..).collect();
            return Ok(0);
        }
        if self.arriving.is_empty() {
            self.fetch(deadline)?;
        }
        io::Read::read(&mut self.arriving, buffer).map_err(|_| self.unplugged())
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        if self.switch.0.lock().unwrap().unplugged {
            return Err(self.unplugged());
        }
        self.arriving.clear();
        self.inner.discard_input()
    }

    fn describe(&self) -> String {
        format!("faulty {}", self.inner.describe())
    }
}

/// A board that lies: every digest it gives has one bit inverted, in a sound frame.
pub struct LyingLink<L> {
    inner: L,
    decoder: Decoder,
    arriving: VecDeque<u8>,
}

impl<L: Link> LyingLink<L> {
    /// Makes the board on `inner` lie.
    pub fn new(inner: L) -> Self {
        Self { inner, decoder: Decoder::new(), arriving: VecDeque::new() }
    }
}

impl<L: Link> Link for LyingLink<L> {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.inner.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        let mut bytes = [0; 256];
        let len = if self.arriving.is_empty() { self.inner.read(&mut bytes, deadline)? } else { 0 };
        for &byte in &bytes[..len] {
            if let Some(Ok(frame)) = self.decoder.push(byte) {
                let mut payload = frame.payload.to_vec();
                if frame.opcode != wire::opcode::ECHO | wire::RESPONSE_BIT && payload.len() == 32 {
                    payload[31] ^= 1;
                }
                self.arriving.extend(encoded(&Frame { payload: &payload, ..frame }));
            }
        }
        Ok(io::Read::read(&mut self.arriving, buffer).unwrap_or(0))
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.arriving.clear();
        self.inner.discard_input()
    }

    fn describe(&self) -> String {
        format!("lying {}", self.inner.describe())
    }
}

/// A cable whose other end can be plugged into another board, or the same one after a reset, behind the host's back.
pub struct SwapLink {
    inner: Box<dyn Link>,
    next: Swap,
}

/// The hand that swaps the board of a [`SwapLink`].
#[derive(Clone, Default)]
pub struct Swap(Arc<Mutex<Option<Box<dyn Link>>>>);

impl Swap {
    /// From the next byte on the host talks to `board`.
    pub fn to(&self, board: Box<dyn Link>) {
        *self.0.lock().unwrap() = Some(board);
    }
}

impl SwapLink {
    /// Plugged into `inner` first.
    pub fn new(inner: Box<dyn Link>) -> (Self, Swap) {
        let next = Swap::default();
        (Self { inner, next: next.clone() }, next)
    }

    fn plugged(&mut self) -> &mut dyn Link {
        if let Some(next) = self.next.0.lock().unwrap().take() {
            self.inner = next;
        }
        &mut *self.inner
    }
}

impl Link for SwapLink {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.plugged().write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        self.plugged().read(buffer, deadline)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.plugged().discard_input()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
