//! The golden model of the board as a link: instant, and a board of any version on request.

use std::time::Instant;

use twinseal_driver::{Error, Link};
use twinseal_hdl::golden::board::GoldenBoard;

pub use twinseal_hdl::golden::board::{Options, Rings};

use crate::vault::{Chip, Powered};

/// A model board at the end of a cable without length. It answers at once or not at all, so no read ever waits.
#[derive(Debug)]
pub struct GoldenLink {
    board: GoldenBoard,
}

impl GoldenLink {
    /// A board after power-on.
    pub fn new(options: Options) -> Self {
        Self { board: GoldenBoard::new(options) }
    }

    /// The default board, boxed for [`Board::open`](twinseal_driver::Board::open).
    pub fn boxed() -> Box<dyn Link> {
        Box::new(Self::new(Options::default()))
    }
}

impl Link for GoldenLink {
    fn write_all(&mut self, bytes: &[u8], _deadline: Instant) -> Result<(), Error> {
        bytes.iter().for_each(|&byte| self.board.push(byte));
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], _deadline: Instant) -> Result<usize, Error> {
        let mut len = 0;
        while len < buffer.len() {
            let Some(byte) = self.board.pop() else { break };
            buffer[len] = byte;
            len += 1;
        }
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        while self.board.pop().is_some() {}
        Ok(())
    }

    fn describe(&self) -> String {
        "golden model".into()
    }
}

/// A bench of two model boards that are `options` otherwise. The model tells no time.
pub fn bench(options: Options) -> impl Fn(Chip) -> Option<Powered> {
    let power_ups = std::cell::Cell::new(0);
    move |chip| {
        power_ups.set(power_ups.get() + 1);
        let rings = match options.rings {
            Rings::Still => Rings::Still,
            Rings::Silicon { .. } => Rings::of_chip([chip as u8; 32], power_ups.get()),
        };
        let options = Options { rings, ..options };
        Some(Powered { link: Box::new(GoldenLink::new(options)), twin: Some(options), clock: None })
    }
}
