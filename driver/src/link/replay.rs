//! A link written down, and played back without the board: a fault from the field becomes a test.
//!
//! A transcript is text: `> ` and hex digits went to the board, `< ` and hex digits came from it, `<` alone is a read in
//! vain. It holds every byte that was hashed and every key that was derived, so treat it as you treat those. The driver
//! says the same again only from the same [`nonce`](crate::Options::nonce).

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Instant;

use super::Link;
use crate::Error;

/// Passes everything on to another link and writes it down.
pub struct Recorder {
    inner: Box<dyn Link>,
    transcript: Box<dyn Write + Send>,
}

impl Recorder {
    /// Records `inner` into `transcript`.
    pub fn new(inner: Box<dyn Link>, transcript: impl Write + Send + 'static) -> Self {
        Self { inner, transcript: Box::new(transcript) }
    }

    fn note(&mut self, direction: char, bytes: &[u8]) -> Result<(), Error> {
        let mut line = String::from(direction);
        for (i, byte) in bytes.iter().enumerate() {
            let space = if i == 0 { " " } else { "" };
            // Writing to a string does not fail.
            let _ = write!(line, "{space}{byte:02x}");
        }
        writeln!(self.transcript, "{line}").map_err(|e| Error::Transcript(e.to_string()))
    }
}

impl Link for Recorder {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.note('>', bytes)?;
        self.inner.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        let len = self.inner.read(buffer, deadline)?;
        self.note('<', &buffer[..len])?;
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.inner.discard_input()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// Plays a transcript's board: it insists on hearing what the host said then, and answers what the board answered.
#[derive(Debug)]
pub struct Replay {
    /// What is left, with its line.
    events: VecDeque<(usize, Event)>,
}

#[derive(Debug)]
enum Event {
    ToBoard(VecDeque<u8>),
    ToHost(VecDeque<u8>),
}

impl Replay {
    /// Takes in a transcript.
    ///
    /// # Errors
    /// [`Error::Transcript`].
    pub fn new(transcript: &str) -> Result<Self, Error> {
        let parse = |(line, text): (usize, &str)| {
            let event = match text.split_at_checked(1) {
                Some((">", hex)) => unhex(hex.trim()).map(Event::ToBoard),
                Some(("<", hex)) => unhex(hex.trim()).map(Event::ToHost),
                _ => None,
            };
            event.map(|event| (line + 1, event)).ok_or_else(|| {
                Error::Transcript(format!("line {} is neither > nor < with hex digits", line + 1))
            })
        };
        Ok(Self { events: transcript.lines().enumerate().map(parse).collect::<Result<_, _>>()? })
    }

    fn ended(&self) -> Error {
        Error::Disconnected { link: self.describe(), source: io::ErrorKind::UnexpectedEof.into() }
    }
}

fn unhex(text: &str) -> Option<VecDeque<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

impl Link for Replay {
    fn write_all(&mut self, bytes: &[u8], _deadline: Instant) -> Result<(), Error> {
        for &byte in bytes {
            let Some((line, event)) = self.events.front_mut() else { return Err(self.ended()) };
            let due = match event {
                Event::ToBoard(bytes) => bytes.pop_front(),
                Event::ToHost(_) => None,
            };
            if due != Some(byte) {
                return Err(Error::Transcript(format!("line {line} differs from what the driver says now")));
            }
            if matches!(event, Event::ToBoard(rest) if rest.is_empty()) {
                self.events.pop_front();
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], _deadline: Instant) -> Result<usize, Error> {
        let Some((line, event)) = self.events.front_mut() else { return Err(self.ended()) };
        let Event::ToHost(bytes) = event else {
            return Err(Error::Transcript(format!("line {line} says more than the driver says now")));
        };
        let len = io::Read::read(bytes, buffer).unwrap_or_default();
        if bytes.is_empty() {
            self.events.pop_front();
        }
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        // What was discarded then was never written down.
        Ok(())
    }

    fn describe(&self) -> String {
        "replay".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_read_line_by_line() {
        let mut link = Replay::new("> 0102\n<\n< 0aFF\n").unwrap();
        let (now, mut buffer) = (Instant::now(), [0; 8]);
        link.write_all(&[1], now).unwrap();
        assert_eq!(link.read(&mut buffer, now).unwrap_err().code(), "TSL-DRV-021");
        link.write_all(&[2], now).unwrap();
        assert_eq!(link.read(&mut buffer, now).unwrap(), 0);
        assert_eq!(link.read(&mut buffer[..1], now).unwrap(), 1);
        assert_eq!(link.read(&mut buffer[1..], now).unwrap(), 1);
        assert_eq!(buffer[..2], [0x0A, 0xFF]);
        assert_eq!(link.read(&mut buffer, now).unwrap_err().code(), "TSL-DRV-002");
        for bad in ["", "x", "> 0", "> 0g", "= 00", "> +1"].map(|line| format!("> 00\n{line}\n")) {
            assert_eq!(Replay::new(&bad).unwrap_err().code(), "TSL-DRV-021", "{bad:?}");
        }
    }
}
