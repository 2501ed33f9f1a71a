//! The golden model, frame by frame and under the driver.

use twinseal_tests::golden::{GoldenLink, Options, Rings, bench};
use twinseal_tests::{Budget, board, link, vault};

#[test]
fn the_golden_model_conforms() {
    link::run(GoldenLink::boxed, &Budget::full());
}

#[test]
fn the_golden_model_under_the_driver_conforms() {
    board::run(GoldenLink::boxed, &Budget::full());
}

#[test]
fn the_vault_of_the_golden_model_conforms() {
    vault::run(&bench(Options::default()), &Budget::full());
}

#[test]
fn the_vault_of_the_golden_model_under_the_driver_conforms() {
    let folder = tempfile::tempdir().unwrap();
    board::vault(&bench(Options::default()), folder.path(), &Budget::full());
}

#[test]
fn a_golden_model_whose_rings_stand_still_conforms() {
    let still = Options { rings: Rings::Still, ..Options::default() };
    vault::run(&bench(still), &Budget { rings_run: false, ..Budget::full() });
}
