//! The committed iCE40 images, decompiled, frame by frame. Their rings do not run; what needs them is left out by name.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use twinseal_driver::{Error, Link};
use twinseal_hdl::Error as HdlError;
use twinseal_hdl::flow::checkout;
use twinseal_hdl::flow::image::{Image, Program};
use twinseal_hdl::flow::tool::skipped;
use twinseal_hdl::top::{self, boards::Board};
use twinseal_tests::golden::{Options, Rings};
use twinseal_tests::vault::{self, Chip, Powered};
use twinseal_tests::{Budget, link};

/// Clocks between two looks at what came back.
const STEP_CLOCKS: u32 = 500;
/// After so many clocks without a character the image has nothing to say: what it knows without its rings, and what it
/// reads from them. A sample is 256 windows of 2,048 clocks, and with the work on it the vault is silent for 691,000; were a
/// fault held back like a refusal, its first 2^18 clocks would be too many.
const SILENT_CLOCKS: u32 = 30_000;
const READING_CLOCKS: u32 = 800_000;

/// The image's serial line. Its time is the image's own: a slow computer changes no verdict.
struct ImageLink {
    image: Image,
    received: VecDeque<u8>,
    silent_clocks: u32,
}

impl ImageLink {
    fn boxed(program: &Program, silent_clocks: u32) -> Box<dyn Link> {
        let image = program.power_up().unwrap();
        Box::new(Self { image, received: VecDeque::new(), silent_clocks })
    }

    fn exchange(&mut self, bytes: &[u8], clocks: u32) {
        self.received.extend(self.image.exchange(bytes, clocks).unwrap());
    }
}

impl Link for ImageLink {
    fn write_all(&mut self, bytes: &[u8], _deadline: Instant) -> Result<(), Error> {
        self.exchange(bytes, 0);
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        let mut clocks = 0;
        while self.received.is_empty() && clocks < self.silent_clocks && Instant::now() < deadline {
            self.exchange(&[], STEP_CLOCKS);
            clocks += STEP_CLOCKS;
        }
        let len = buffer.len().min(self.received.len());
        buffer.iter_mut().zip(self.received.drain(..len)).for_each(|(to, byte)| *to = byte);
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.received.clear();
        Ok(())
    }

    fn describe(&self) -> String {
        "decompiled image".into()
    }
}

/// What an image can afford: some hundred thousand clocks a second, a hundred and twenty for each byte on the line.
fn budget() -> Budget {
    Budget {
        length_step: 601,
        vector_step: 40,
        garbage: 4,
        patience: Duration::from_secs(600),
        vault_patience: Duration::from_secs(600),
        rings_run: false,
        ..Budget::slow()
    }
}

fn conforms(name: &str) {
    let board = Board::named(name).unwrap();
    let program = match Program::new(&checkout().join(format!("bitstreams/{name}.bin")), &board) {
        Err(error @ HdlError::ToolMissing { .. }) => return skipped(error),
        program => program.unwrap(),
    };
    let from = Instant::now();
    link::run(|| ImageLink::boxed(&program, SILENT_CLOCKS), &budget());
    println!("{name}: link suite in {:?}", from.elapsed());
    let twin = Options {
        build_id: top::build_id(name).unwrap(),
        engines: board.engine_bits().unwrap(),
        clock_hz: board.clock_hz,
        rings: Rings::Still,
        ..Options::default()
    };
    let bench = |chip| {
        (chip == Chip::Own).then(|| Powered {
            link: ImageLink::boxed(&program, READING_CLOCKS),
            twin: Some(twin),
            clock: None,
        })
    };
    vault::run(&bench, &budget());
    println!("{name}: both suites in {:?}", from.elapsed());
}

#[test]
fn the_image_of_the_hx8k_conforms() {
    conforms("hx8k");
}

#[test]
fn the_image_of_the_icebreaker_conforms() {
    conforms("icebreaker");
}
