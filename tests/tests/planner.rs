//! The planner over real slots: what it picks computes right, and it says what it picked.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use twinseal_driver::{Board, Choice, Error, Options, Planner, Provider};
use twinseal_tests::fault::LyingLink;
use twinseal_tests::golden::{self, GoldenLink};
use twinseal_tests::{Budget, provider};
use twinseal_wire::engines;

fn board(options: golden::Options) -> Arc<Board> {
    Arc::new(Board::open(Box::new(GoldenLink::new(options)), Options::default()).unwrap())
}

#[test]
fn every_choice_conforms_and_is_explained() {
    let board = board(golden::Options::default());
    for (choice, engine) in [(Choice::Board, board.label()), (Choice::Software, "software")] {
        let planner = Planner::new(Some(board.clone()), Provider::software(), choice).unwrap();
        let planned = planner.provider();
        assert_eq!((planned.hash.engine(), planned.merkle.engine()), (engine, engine));
        provider::run(&planned, &Budget::full());
        let explained = planner.explain();
        assert!(explained[0].starts_with(&format!("hash: {engine}, because ")), "{explained:?}");
        assert!(explained[1].starts_with(&format!("merkle: {engine}, because ")), "{explained:?}");
    }
    // The model's SHA-256 is written for clarity: software wins, and the figures say so.
    let planner = Planner::new(Some(board.clone()), Provider::software(), Choice::Measured).unwrap();
    assert_eq!(planner.provider().hash.engine(), "software");
    let sentence = &planner.explain()[0];
    assert!(
        sentence.contains("by measurement: golden model 00000000 takes ") && sentence.contains(" us a KiB")
    );
    println!("{sentence}");
}

#[test]
fn a_slot_without_an_engine_stays_in_software() {
    let only_hash = board(golden::Options { engines: engines::SHA256, ..golden::Options::default() });
    let planner = Planner::new(Some(only_hash.clone()), Provider::software(), Choice::Board).unwrap();
    assert_eq!(planner.provider().hash.engine(), only_hash.label());
    assert_eq!(planner.provider().merkle.engine(), "software");
    let planner = Planner::new(None, Provider::software(), Choice::Board).unwrap();
    assert_eq!(planner.provider().hash.engine(), "software");
}

#[test]
fn a_lying_board_does_not_survive_its_first_measurement() {
    let link = LyingLink::new(GoldenLink::new(golden::Options::default()));
    let board = Board::open(Box::new(link), Options { verify: true, ..Options::default() }).unwrap();
    let Err(error) = Planner::new(Some(Arc::new(board)), Provider::software(), Choice::Measured) else {
        panic!("a lying board was planned with");
    };
    assert!(matches!(error, Error::WrongResult { .. }), "{error}");
}
