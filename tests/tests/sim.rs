//! The Verilated board, in this process and behind a pseudo-terminal that opens as a real board's port does.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use twinseal_driver::link::Serial;
use twinseal_driver::{Board, Choice, Error, HashSlot, Link, Options, Planner, Provider};
use twinseal_sim::{BAUD, PtyServer, SimBoard, SimLink};
use twinseal_tests::reference::sha256;
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
