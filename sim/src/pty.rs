//! The cable to another program: a pseudo-terminal (Linux).
//!
//! Clients come and go as they do at a serial port. What the board says while no client has the terminal open is
//! lost, and so is what a client left unread when it closed: the next one starts with a clean line, and with a board
//! in whatever state the last one left it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::termios::{FlushArg, SetArg, cfmakeraw, tcflush, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

use crate::{SimBoard, SimError, ffi};

/// Cycles simulated between two looks at the terminal: well below a millisecond.
const SLICE_CYCLES: u64 = 2048;
/// Bytes from the board that may wait for a client to read; then the board's clock stops.
const UNREAD_BYTES: usize = 4096;

/// A board served on a pseudo-terminal by a thread of its own, until it is stopped or dropped.
#[derive(Debug)]
pub struct PtyServer {
    path: PathBuf,
    /// The thread ends when this end is closed.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<Result<SimBoard, SimError>>>,
}

impl PtyServer {
    /// Opens a pseudo-terminal and serves `board` on it.
    pub fn start(board: SimBoard) -> Result<Self, SimError> {
        let (cable, path) = Cable::open().map_err(SimError::OpenPty)?;
        let (stop, stopped) = UnixStream::pair().map_err(SimError::OpenPty)?;
        let thread = std::thread::Builder::new()
            .name("simboard".into())
            .spawn(move || cable.serve(board, &stopped).map_err(SimError::Pty))
            .map_err(SimError::OpenPty)?;
        Ok(Self { path, stop: Some(stop), thread: Some(thread) })
    }

    /// The terminal to open, as `/dev/pts/3`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Pulls the plug: the terminal disappears, clients get an error, and the board is handed back as it is.
    pub fn stop(mut self) -> Result<SimBoard, SimError> {
        self.end().unwrap_or(Err(SimError::Stopped))
    }

    /// Serves until `event` returns or the terminal fails, then pulls the plug as [`stop`](Self::stop) does.
    pub fn serve_until(mut self, event: impl FnOnce() + Send + 'static) -> Result<SimBoard, SimError> {
        let stop = self.stop.take();
        std::thread::spawn(move || {
            event();
            drop(stop);
        });
        self.end().unwrap_or(Err(SimError::Stopped))
    }

    /// Waits for the thread to end; `None` the second time.
    fn end(&mut self) -> Option<Result<SimBoard, SimError>> {
        self.stop = None;
        let thread = self.thread.take()?;
        Some(thread.join().unwrap_or(Err(SimError::Stopped)))
    }
}

impl Drop for PtyServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The server's end of the terminal.
struct Cable {
    master: File,
    /// The client's end, held open so that the terminal keeps its settings and the master never hangs up.
    slave: OwnedFd,
    /// Reports clients that open and close the terminal.
    watch: Inotify,
    clients: usize,
}

impl Cable {
    fn open() -> io::Result<(Self, PathBuf)> {
        let pair = openpty(None, None)?;
        let path = ttyname(&pair.slave)?;
        let mut settings = tcgetattr(&pair.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(&path, AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE)?;
        Ok((Self { master: pair.master.into(), slave: pair.slave, watch, clients: 0 }, path))
    }

    fn serve(mut self, mut board: SimBoard, stopped: &UnixStream) -> io::Result<SimBoard> {
        let mut unread = VecDeque::new();
        let mut buffer = [0; 4096];
        loop {
            let board_runs =
                |board: &SimBoard, unread: &VecDeque<u8>| !board.is_idle() && unread.len() < UNREAD_BYTES;
            let patience = if board_runs(&board, &unread) { PollTimeout::ZERO } else { PollTimeout::NONE };
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::POLLIN, board.room() > 0);
            wanted.set(PollFlags::POLLOUT, !unread.is_empty());
            let mut ready = [
                PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.watch.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.master.as_fd(), wanted),
            ];
            poll(&mut ready, patience)?;
            let [stop, clients, master] = ready.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));

            if !stop.is_empty() {
                return Ok(board);
            }
            if master.contains(PollFlags::POLLIN) {
                let room = board.room().min(buffer.len());
                let len = ready_len((&self.master).read(&mut buffer[..room]))?;
                board.send(&buffer[..len]);
            }
            // After the read, so that whoever wrote these bytes is known before the board answers them.
            if !clients.is_empty() || master.contains(PollFlags::POLLIN) {
                self.count_clients(&mut unread)?;
            }
            if master.contains(PollFlags::POLLOUT) {
                let (front, _) = unread.as_slices();
                let len = ready_len((&self.master).write(front))?;
                unread.drain(..len);
            }
            if board_runs(&board, &unread) {
                let len = board.run(SLICE_CYCLES, &mut buffer);
                if self.clients > 0 {
                    unread.extend(&buffer[..len]);
                }
            }
        }
    }

    /// Follows who has the terminal open, and cleans up after the last one.
    fn count_clients(&mut self, unread: &mut VecDeque<u8>) -> io::Result<()> {
        let events = match self.watch.read_events() {
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            events => events?,
        };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_OPEN) {
                self.clients += 1;
            } else if event.mask.intersects(AddWatchFlags::IN_CLOSE) {
                self.clients = self.clients.saturating_sub(1);
                if self.clients == 0 {
                    ffi::end_exclusive(self.slave.as_fd())?;
                    // First what is still on its way through the terminal, then what arrived.
                    tcflush(&self.master, FlushArg::TCOFLUSH)?;
                    tcflush(&self.slave, FlushArg::TCIFLUSH)?;
                    unread.clear();
                }
            }
        }
        Ok(())
    }
}

/// The bytes moved, none if the terminal was not ready after all.
fn ready_len(moved: io::Result<usize>) -> io::Result<usize> {
    match moved {
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        moved => moved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Only programs without privileges are kept out; that they would be can be seen by any.
    #[test]
    fn a_client_that_was_killed_keeps_nobody_out() {
        let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
        let client = File::open(server.path()).unwrap();
        ffi::begin_exclusive(client.as_fd()).unwrap();
        assert!(ffi::is_exclusive(File::open(server.path()).unwrap().as_fd()).unwrap());
        drop(client);
        let deadline = Instant::now() + Duration::from_secs(5);
        while ffi::is_exclusive(File::open(server.path()).unwrap().as_fd()).unwrap() {
            assert!(Instant::now() < deadline, "still exclusive");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
