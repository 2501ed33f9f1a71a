//! All the unsafe code of the crate: the C interface of `cpp/shim.cpp`, and the terminal ioctls that no safe
//! wrapper offers.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// `twinseal_board` of the shim.
#[repr(C)]
struct Board {
    _opaque: [u8; 0],
}

/// What a call of [`Machine::run`] did.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Clocks simulated.
    pub(crate) clocks: u64,
    /// Characters taken from the input.
    pub(crate) taken: usize,
    /// Bytes written to the output.
    pub(crate) given: usize,
    /// Clocks since anything moved on either line.
    pub(crate) quiet_clocks: u64,
    /// Characters from the board without a start or a stop bit, since its creation.
    pub(crate) line_errors: u64,
    /// Not zero if a sample of the rings begins in the next clock.
    pub(crate) sample_begins: u64,
}

unsafe extern "C" {
    fn twinseal_board_new() -> *mut Board;
    fn twinseal_board_free(board: *mut Board);
    fn twinseal_board_run(
        board: *mut Board,
        max_clocks: u64,
        quiet_limit: u64,
        input: *const u16,
        input_len: usize,
        output: *mut u8,
        output_len: usize,
        result: *mut Run,
    );
    fn twinseal_board_set_steps(board: *mut Board, steps: *const u32, count: usize);
}

/// The Verilated model with a UART at its pins.
#[derive(Debug)]
pub(crate) struct Machine(NonNull<Board>);

// SAFETY: a model has a Verilator context of its own and shares nothing with other models; it may move to another
// thread, it may not be used by two at once, hence not `Sync`.
unsafe impl Send for Machine {}

impl Machine {
    /// A board after power-on, or `None` if there is no memory for one.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: no preconditions; C++ exceptions are caught inside.
        NonNull::new(unsafe { twinseal_board_new() }).map(Self)
    }

    /// Runs for at most `max_clocks`, and less if `output` is full, if the board has spoken and paused, if a sample of the
    /// rings begins, or if there is nothing to send, the vault is at rest and both lines have been quiet for
    /// `quiet_limit`.
    ///
    /// A character of `input` is ten line levels, the first in bit 0.
    pub(crate) fn run(&mut self, max_clocks: u64, quiet_limit: u64, input: &[u16], output: &mut [u8]) -> Run {
        let mut run = Run::default();
        // SAFETY: the pointer came from `twinseal_board_new` and is ours alone; the slices outlive the call.
        unsafe {
            twinseal_board_run(
                self.0.as_ptr(),
                max_clocks,
                quiet_limit,
                input.as_ptr(),
                input.len(),
                output.as_mut_ptr(),
                output.len(),
                &raw mut run,
            );
        }
        run
    }

    /// Sets what every ring adds in a clock, in 2^-16 edges.
    pub(crate) fn set_steps(&mut self, steps: &[u32]) {
        // SAFETY: the pointer came from `twinseal_board_new` and is ours alone; the shim reads no more than it is given
        // and writes no more than there is.
        unsafe { twinseal_board_set_steps(self.0.as_ptr(), steps.as_ptr(), steps.len()) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `twinseal_board_new` and is freed once.
        unsafe { twinseal_board_free(self.0.as_ptr()) }
    }
}

/// Lets others open `terminal` again after a client that had it for itself was killed. On a pseudo-terminal the mode
/// would outlive the client for as long as the master is open.
pub(crate) fn end_exclusive(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: TIOCNXCL takes no argument.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNXCL) })
}

/// Takes `terminal` for itself, as serial programs do.
#[cfg(test)]
pub(crate) fn begin_exclusive(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: TIOCEXCL takes no argument.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCEXCL) })
}

/// Whether a client has `terminal` for itself.
#[cfg(test)]
pub(crate) fn is_exclusive(terminal: BorrowedFd<'_>) -> io::Result<bool> {
    let mut exclusive: c_int = 0;
    // SAFETY: TIOCGEXCL writes one int.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGEXCL, &raw mut exclusive) })?;
    Ok(exclusive != 0)
}

fn check(result: c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
