//! The harness itself: it agrees where it should, and names clock, port and values where it should not.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use std::process::Command;

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::prelude::*;
use twinseal_hdl::Error;
use twinseal_hdl::cosim::{Cosim, Replay};
use twinseal_hdl::flow::tool::{self, skipped};

/// Everything a port can be: one bit, odd widths, more than 64 bits, combinational and registered.
#[derive(LogicBlock, Default)]
struct Mixer {
    clock: Signal<In, Clock>,
    flip: Signal<In, Bit>,
    narrow: Signal<In, Bits<5>>,
    wide: Signal<In, Bits<100>>,
    now: Signal<Out, Bits<100>>,
    later: Signal<Out, Bits<5>>,
    odd: Signal<Out, Bit>,
    kept: DFF<Bits<5>>,
    sum: Signal<Local, Bits<5>>,
}

impl Logic for Mixer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, kept);
        self.sum.next = self.kept.q.val() + self.narrow.val();
        self.kept.d.next = self.sum.val();
        self.now.next = self.wide.val();
        if self.flip.val() {
            self.now.next = !self.wide.val();
        }
        self.later.next = self.kept.q.val();
        self.odd.next = self.kept.q.val().xor();
    }
}

/// `None`, and the reason printed, where there is no Verilator.
fn unless_missing(result: Result<Replay, Error>) -> Option<Result<Replay, Error>> {
    if let Err(error @ Error::ToolMissing { .. }) = &result {
        skipped(error);
        return None;
    }
    Some(result)
}

fn bits_100(value: u128) -> Bits<100> {
    (Bits::from((value >> 64) as u64) << 64) | Bits::from(value as u64)
}

fn mixed() -> Cosim<Mixer> {
    let mut cosim = Cosim::new(Mixer::default(), |uut| &mut uut.clock);
    let mut kept = 0;
    let mut random = 1u128;
    for i in 0..1000u64 {
        random = random.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
        let (narrow, wide) = ((random >> 120) as u64 % 32, random >> 28);
        cosim
            .drive(|uut| {
                uut.flip.next = i % 3 == 0;
                uut.narrow.next = narrow.into();
                uut.wide.next = bits_100(wide);
            })
            .unwrap();
        let golden: u128 = if i % 3 == 0 { !wide & ((1 << 100) - 1) } else { wide };
        assert_eq!(cosim.uut.now.val(), bits_100(golden));
        assert_eq!(cosim.uut.later.val(), Bits::<5>::from(kept));
        cosim.edge().unwrap();
        kept = (kept + narrow) % 32;
    }
    cosim
}

#[test]
fn agreement_is_reported_with_what_it_covers() {
    let Some(replay) = unless_missing(mixed().replay("mixer")) else { return };
    assert_eq!(replay.unwrap(), Replay { clocks: 1000, outputs: 3 });
}

#[test]
fn other_verilog_that_differs_is_caught_with_clock_port_and_values() {
    let cosim = mixed();
    let other = cosim.verilog().replace("~wide", "~wide ^ 100'h8000000000000000000000000");
    assert_ne!(other, cosim.verilog());
    let Some(replay) = unless_missing(cosim.replay_against("mutant", &other, "top")) else { return };
    let Err(Error::Cosim { clock, port, expected, got, .. }) = replay else { panic!("{replay:?}") };
    assert_eq!((clock, port.as_str()), (0, "now"));
    assert_ne!(expected, got);
    assert_eq!(expected.len(), 2 + 4 * 8);
}

#[test]
fn a_netlist_after_synthesis_agrees_too() {
    let cosim = mixed();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mixer.v"), cosim.verilog()).unwrap();
    let script =
        "read_verilog mixer.v; synth -top top -flatten; rename top netlist; write_verilog -noattr out.v";
    let yosys = tool::run(Command::new("yosys").args(["-q", "-p", script]).current_dir(dir.path()));
    match yosys {
        Err(error @ Error::ToolMissing { .. }) => return skipped(error),
        yosys => yosys.unwrap(),
    };
    let netlist = std::fs::read_to_string(dir.path().join("out.v")).unwrap();
    assert!(netlist.contains("module netlist") && !netlist.contains("always @(*)"));
    let Some(replay) = unless_missing(cosim.replay_against("netlist", &netlist, "netlist")) else { return };
    assert_eq!(replay.unwrap(), Replay { clocks: 1000, outputs: 3 });
}

/// The pattern that rust-hdl is known to get wrong: the carry of an 8-bit sum leaks into the cast.
#[derive(LogicBlock, Default)]
struct LeakyCast {
    a: Signal<In, Bits<8>>,
    b: Signal<In, Bits<8>>,
    sum: Signal<Out, Bits<16>>,
}

impl Logic for LeakyCast {
    #[hdl_gen]
    fn update(&mut self) {
        self.sum.next = bit_cast::<16, 8>(self.a.val() + self.b.val());
    }
}

#[test]
fn a_silent_disagreement_of_rust_hdl_is_caught() {
    let mut cosim = Cosim::combinational(LeakyCast::default());
    for (a, b) in [(1u64, 2), (200, 55), (200, 56)] {
        cosim
            .step(|uut| {
                uut.a.next = a.into();
                uut.b.next = b.into();
            })
            .unwrap();
    }
    let Some(replay) = unless_missing(cosim.replay("leaky")) else { return };
    let Err(Error::Cosim { clock, port, expected, got, .. }) = replay else { panic!("{replay:?}") };
    assert_eq!(
        (clock, port.as_str(), expected.as_str(), got.as_str()),
        (2, "sum", "0x00000000", "0x00000100")
    );
}
