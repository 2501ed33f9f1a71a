//! The golden model, frame by frame and under the driver.

use twinseal_tests::golden::GoldenLink;
use twinseal_tests::{Budget, board, link};

#[test]
fn the_golden_model_conforms() {
    link::run(GoldenLink::boxed, &Budget::full());
}

#[test]
fn the_golden_model_under_the_driver_conforms() {
    board::run(GoldenLink::boxed, &Budget::full());
}
