//! A serial port of the operating system: a USB bridge's tty or a pseudo-terminal.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, FlowControl, SerialPort};

use super::Link;
use crate::Error;

/// An exclusively opened serial port, 8N1, without flow control: the frame protocol's window does that.
pub struct Serial {
    port: Box<dyn SerialPort>,
    path: String,
}

impl Serial {
    /// Opens `path` at `baud`. A pseudo-terminal will do: nothing here touches DTR, RTS or CTS, which it lacks.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open(path: &str, baud: u32) -> Result<Self, Error> {
        let builder = serialport::new(path, baud).flow_control(FlowControl::None).timeout(Duration::ZERO);
        #[cfg(unix)]
        let builder = builder.exclusive(true);
        let port = builder.open().map_err(|e| Error::Open { link: path.into(), source: e.into() })?;
        set_low_latency(path);
        Ok(Self { port, path: path.into() })
    }

    fn lost(&self, source: io::Error) -> Error {
        Error::Disconnected { link: self.path.clone(), source }
    }

    fn wait_until(&mut self, deadline: Instant) -> Result<(), Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.port.set_timeout(left).map_err(|e| self.lost(e.into()))
    }
}

/// An FTDI bridge holds back short answers for 16 ms unless told otherwise. Without the right to write there it is slow
/// and nothing else, so a refusal is no error.
fn set_low_latency(path: &str) {
    if let Some(tty) = std::path::Path::new(path).file_name().and_then(|name| name.to_str()) {
        let _ = std::fs::write(format!("/sys/bus/usb-serial/devices/{tty}/latency_timer"), "1");
    }
}

impl Link for Serial {
    fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        while !bytes.is_empty() {
            self.wait_until(deadline)?;
            match self.port.write(bytes) {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                    return Err(Error::Stalled { link: self.path.clone() });
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(e)),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        loop {
            self.wait_until(deadline)?;
            match self.port.read(buffer) {
                // The port said there was something to read: the end of the file, then.
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Ok(0),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(e)),
            }
        }
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.port.clear(ClearBuffer::Input).map_err(|e| self.lost(e.into()))
    }

    fn describe(&self) -> String {
        self.path.clone()
    }
}
