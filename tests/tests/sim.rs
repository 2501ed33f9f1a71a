//! The Verilated board, in this process and behind a pseudo-terminal that opens as a real board's port does.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use twinseal_driver::link::Serial;
use twinseal_driver::{Board, Choice, Error, HashSlot, Link, Options, Planner, Provider};
use twinseal_hdl::top;
use twinseal_puf::silicon::{CORNERS, Condition, ROOM};
use twinseal_sim::{BAUD, CLOCK_HZ, PtyServer, Silicon, SimBoard, SimLink};
use twinseal_tests::golden::{self, Rings};
use twinseal_tests::reference::sha256;
use twinseal_tests::vault::{self, Chip, Powered};
use twinseal_tests::{Budget, board, link};

fn in_process() -> Box<dyn Link> {
    Box::new(SimLink::new(SimBoard::new().unwrap()))
}

#[test]
fn the_simulated_board_conforms() {
    link::run(in_process, &Budget::full());
}

#[test]
fn the_simulated_board_under_the_driver_conforms() {
    board::run(in_process, &Budget { length_step: 11, ..Budget::full() });
}

#[test]
fn the_simulated_board_behind_a_pseudo_terminal_conforms() {
    let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    let path = server.path().to_str().unwrap().to_owned();
    let open = || Box::new(Serial::open(&path, BAUD).unwrap()) as Box<dyn Link>;
    link::run(open, &Budget::slow());
    board::run(open, &Budget::slow());
}

#[test]
fn the_planner_weighs_the_simulated_board() {
    let board = Arc::new(Board::open(in_process(), Options::default()).unwrap());
    let planner = Planner::new(Some(board.clone()), Provider::software(), Choice::Measured).unwrap();
    println!("{:#?}", planner.explain());
    assert_eq!(planner.provider().hash.engine(), "software", "a simulation outran the processor it runs on");
    let planner = Planner::new(Some(board.clone()), Provider::software(), Choice::Board).unwrap();
    assert_eq!(planner.provider().hash.engine(), format!("hx8k sim {:08x}", board.build_id()));
    assert_eq!(planner.provider().hash.hash(b"abc").unwrap(), sha256(b"abc"));
}

#[test]
fn a_port_is_opened_once() {
    let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    let path = server.path().to_str().unwrap();
    let first = Serial::open(path, BAUD).unwrap();
    let Err(error) = Serial::open(path, BAUD) else { panic!("a port was opened twice") };
    assert!(matches!(error, Error::Open { .. }) && error.to_string().contains(path), "{error}");
    drop(first);
    Serial::open(path, BAUD).unwrap();
    let Err(error) = Serial::open("/dev/nowhere", BAUD) else { panic!("nowhere was opened") };
    assert!(matches!(error, Error::Open { .. }), "{error}");
}

#[test]
fn a_terminal_that_goes_away_is_a_board_unplugged() {
    let server = PtyServer::start(SimBoard::new().unwrap()).unwrap();
    let port = Serial::open(server.path().to_str().unwrap(), BAUD).unwrap();
    let board = Arc::new(Board::open(Box::new(port), Options::default()).unwrap());
    assert_eq!(board.hash(b"abc").unwrap(), sha256(b"abc"));
    // Within a call, and after it.
    let hashing = std::thread::spawn({
        let board = board.clone();
        move || board.hash(&vec![7; 10_000_000])
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(server);
    for error in [hashing.join().unwrap().unwrap_err(), board.echo(b"there?").unwrap_err()] {
        assert!(matches!(error, Error::Disconnected { .. }), "{error}");
    }
}

/// A board in simulation and the model of the same board.
fn twins(seed: [u8; 32], power_up: u64, condition: Condition) -> (SimBoard, golden::Options) {
    let silicon = Silicon::from(seed).power_up(power_up).at(condition);
    let options = golden::Options {
        build_id: top::build_id("sim").unwrap(),
        clock_hz: CLOCK_HZ,
        rings: Rings::Silicon { seed, device: Silicon::DEVICE, power_up, condition },
        ..golden::Options::default()
    };
    (SimBoard::with_silicon(silicon).unwrap(), options)
}

/// Two virtual boards. Their first power-up is at room temperature, later ones go through the corners.
fn bench() -> impl Fn(Chip) -> Option<Powered> {
    let power_ups = Cell::new(0);
    move |chip| {
        let number = power_ups.replace(power_ups.get() + 1);
        let condition = *[ROOM].iter().chain(&CORNERS).cycle().nth(number).unwrap();
        let (board, twin) = twins([0x51 + chip as u8; 32], number as u64, condition);
        let link = SimLink::new(board);
        let clock = link.clock();
        Some(Powered {
            link: Box::new(link),
            twin: Some(twin),
            clock: Some(Box::new(move || clock.elapsed())),
        })
    }
}

#[test]
fn the_vault_of_the_simulated_board_conforms() {
    let budget = Budget { flip_step: 131, random_draws: 6, ..Budget::full() };
    vault::run(&bench(), &budget);
}

#[test]
fn the_vault_of_the_simulated_board_under_the_driver_conforms() {
    let folder = tempfile::tempdir().unwrap();
    board::vault(&bench(), folder.path(), &Budget::full());
}

/// A board behind a pseudo-terminal, which goes when the link does.
struct OnTerminal {
    port: Serial,
    _server: PtyServer,
}

impl Link for OnTerminal {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.port.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        self.port.read(buffer, deadline)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.port.discard_input()
    }

    fn describe(&self) -> String {
        self.port.describe()
    }
}

#[test]
fn the_vault_of_a_board_behind_a_pseudo_terminal_conforms() {
    let power_ups = Cell::new(100);
    let bench = |chip| {
        power_ups.set(power_ups.get() + 1);
        let (board, twin) = twins([0x61 + chip as u8; 32], power_ups.get(), ROOM);
        let server = PtyServer::start(board).unwrap();
        let port = Serial::open(server.path().to_str().unwrap(), BAUD).unwrap();
        let link = Box::new(OnTerminal { port, _server: server });
        Some(Powered { link, twin: Some(twin), clock: None })
    };
    vault::run(&bench, &Budget::slow());
    let folder = tempfile::tempdir().unwrap();
    board::vault(
        &bench,
        folder.path(),
        &Budget { vault_patience: Duration::from_secs(300), ..Budget::slow() },
    );
}
