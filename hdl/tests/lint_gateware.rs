//! The gateware of every board passes the lint.

use twinseal_hdl::flow::checkout;
use twinseal_hdl::lint::{self, Rule, source};

#[test]
fn every_board_and_every_kernel_is_clean() {
    let covered = lint::gateware().unwrap_or_else(|findings| panic!("\n{findings}"));
    assert!(covered.instances > 20 && covered.kernels > 5, "{covered}");
}

#[test]
fn what_a_smaller_top_lacks_is_found() {
    let linted = source::lint(&checkout().join("hdl/src"), &["Link"]).unwrap();
    let unreached = |file: &str| {
        linted.findings.iter().any(|f| f.rule == Rule::Unreached && f.place.starts_with(&format!("{file}:")))
    };
    assert!(unreached("top/hx8k.rs") && unreached("engine/hasher.rs"), "{:?}", linted.findings);
    assert!(!unreached("link/uart.rs"), "{:?}", linted.findings);
}
