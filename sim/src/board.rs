//! The board on the desk: bytes in, bytes out, clocks counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use twinseal_puf::silicon::PowerUp;

use crate::ffi::Machine;
use crate::{Silicon, SimError};

/// The board's clock in hertz, from `boards.toml`.
pub const CLOCK_HZ: u32 = number(env!("TWINSEAL_CLOCK_HZ"));
/// Bits per second on both lines, from `boards.toml`.
pub const BAUD: u32 = number(env!("TWINSEAL_BAUD"));
/// A board whose lines have both been quiet for this many cycles (11 ms of its time) while its vault was at rest has
/// nothing more to say. Several times what the slowest other request, the head of the largest tree, keeps it silent.
pub const QUIET_CYCLES: u64 = 1 << 17;
/// Bytes that may wait for the line to the board.
pub const QUEUE_BYTES: usize = 4096;

/// A simulated board, powered on when it is made.
#[derive(Debug)]
pub struct SimBoard {
    machine: Machine,
    silicon: Silicon,
    rings: PowerUp,
    /// Characters not yet on the line, each as ten levels.
    to_board: VecDeque<u16>,
    quiet: bool,
    line_errors: u64,
    usage: Usage,
}

/// What a board has simulated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Clock cycles of the board.
    pub cycles: u64,
    /// Samples of its rings.
    pub samples: u64,
    /// Time this machine spent on them.
    pub spent: Duration,
}

impl Usage {
    /// What was used since `before`.
    pub fn since(&self, before: Self) -> Self {
        Self {
            cycles: self.cycles - before.cycles,
            samples: self.samples - before.samples,
            spent: self.spent - before.spent,
        }
    }

    /// Simulated cycles per second of this machine's time.
    pub fn cycles_per_s(&self) -> f64 {
        self.cycles as f64 / self.spent.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The time that would have passed on the real board, in seconds.
    pub fn board_s(&self) -> f64 {
        self.cycles as f64 / f64::from(CLOCK_HZ)
    }
}

impl SimBoard {
    /// Powers on a board with a chip of its own, unlike any before: nothing enrolled on it can be opened on another.
    pub fn new() -> Result<Self, SimError> {
        Self::with_silicon(Silicon::random()?)
    }

    /// Powers on a board with this chip, given by its seed or with power-up and condition.
    pub fn with_silicon(silicon: impl Into<Silicon>) -> Result<Self, SimError> {
        let silicon = silicon.into();
        Ok(Self {
            machine: Machine::new().ok_or(SimError::NoMemory)?,
            rings: silicon.switched_on()?,
            silicon,
            // The line has been at rest for a while when the first client comes.
            to_board: VecDeque::from([IDLE; 2]),
            quiet: false,
            line_errors: 0,
            usage: Usage::default(),
        })
    }

    /// Its chip, and how it was switched on.
    pub fn silicon(&self) -> &Silicon {
        &self.silicon
    }

    /// Queues bytes for the line to the board and returns how many fitted into [`QUEUE_BYTES`].
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.to_board.extend(bytes[..taken].iter().map(|&byte| character(byte)));
        taken
    }

    /// Queues a character whose stop bit is low, as line noise or a wrong baud rate makes them.
    pub fn send_broken(&mut self, byte: u8) {
        self.to_board.extend([character(byte) & !STOP, IDLE]);
    }

    /// How many bytes [`send`](Self::send) will take.
    pub fn room(&self) -> usize {
        QUEUE_BYTES.saturating_sub(self.to_board.len())
    }

    /// Nothing is queued, the vault is at rest and nothing can come any more until something is sent; see
    /// [`QUIET_CYCLES`].
    pub fn is_idle(&self) -> bool {
        self.quiet && self.to_board.is_empty()
    }

    /// Runs for at most `max_cycles` and returns the number of bytes that came from the board.
    ///
    /// It returns early when the board has spoken and then paused for two characters, when `out` is full, and when
    /// the board is idle.
    pub fn run(&mut self, max_cycles: u64, out: &mut [u8]) -> usize {
        let start = Instant::now();
        let mut cycles = 0;
        let given = loop {
            let left = max_cycles - cycles;
            let run = self.machine.run(left, QUIET_CYCLES, self.to_board.make_contiguous(), out);
            self.to_board.drain(..run.taken);
            self.quiet = run.quiet_clocks >= QUIET_CYCLES;
            self.line_errors = run.line_errors;
            cycles += run.clocks;
            if run.sample_begins != 0 {
                self.machine.set_steps(&self.rings.sample_steps(CLOCK_HZ));
                self.usage.samples += 1;
                if run.given == 0 {
                    continue;
                }
            }
            break run.given;
        };
        self.usage.cycles += cycles;
        self.usage.spent += start.elapsed();
        given
    }

    /// Characters the board sent without a proper start or stop bit; zero unless the gateware is wrong.
    pub fn line_errors(&self) -> u64 {
        self.line_errors
    }

    /// What was simulated since power-on.
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

/// The stop bit of a character.
const STOP: u16 = 1 << 9;
/// A line at rest for the length of a character.
const IDLE: u16 = 0x3FF;

/// Start bit, eight data bits, stop bit.
const fn character(byte: u8) -> u16 {
    STOP | (byte as u16) << 1
}

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("the build script sets a number"),
    }
}
