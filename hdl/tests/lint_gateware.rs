//! The gateware of every board passes the lint.

use twinseal_hdl::lint;

#[test]
fn every_board_and_every_kernel_is_clean() {
    let covered = lint::gateware().unwrap_or_else(|findings| panic!("\n{findings}"));
    assert!(covered.instances > 20 && covered.kernels > 5, "{covered}");
}
