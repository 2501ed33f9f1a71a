//! The gate itself under test: Verilog with one defect each, which replaying a recording must find.
#![allow(unreachable_pub)]

use twinseal_hdl::Error;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::flow::tool::skipped;

/// What is wrong, the text of the Verilog and what stands there instead.
pub type Defect = (&'static str, &'static str, &'static str);

/// `trace` is of `verilog`, and of no Verilog with one of `defects`.
///
/// # Panics
/// If one is not found, or its text does not stand just once in the Verilog.
pub fn all_are_found(trace: &Trace, verilog: &str, defects: &[Defect]) {
    match trace.replay("no defect", verilog, "top") {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
        Err(error) => panic!("{error}"),
        Ok(replay) => assert!(replay.clocks > 0 && replay.outputs > 0),
    }
    for (name, text, instead) in defects {
        assert_eq!(verilog.matches(text).count(), 1, "{name}: {text}");
        let replay = trace.replay(name, &verilog.replacen(text, instead, 1), "top");
        assert!(matches!(replay, Err(Error::Cosim { .. })), "{name}: {replay:?}");
    }
}
