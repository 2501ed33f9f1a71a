//! Chips read by the gateware itself, windows of the real clock and all, at the corners: helper data and keys are those of
//! the models, bit for bit. `TWINSEAL_VAULT_CHIPS` sets how many.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

mod vault_common;

use std::time::Instant;

use twinseal_puf::silicon::Condition;
use twinseal_wire::opcode;
use vault_common::pair::Pair;
use vault_common::verilated::Model;
use vault_common::{Board, CLOCK_HZ};

const CHIPS: u8 = 20;

#[test]
fn chips_at_the_corners_agree_with_the_models() {
    let Some(model) = Model::fast(&Board::verilog(CLOCK_HZ)) else { return };
    let chips = std::env::var("TWINSEAL_VAULT_CHIPS").map_or(CHIPS, |chips| chips.parse().unwrap());
    let corner = |at: u8| Condition {
        celsius: if at & 1 == 0 { 0.0 } else { 70.0 },
        volts: if at & 2 == 0 { 1.14 } else { 1.26 },
        years: if at & 4 == 0 { 10.0 } else { 0.0 },
    };
    let (start, mut clocks, mut opened) = (Instant::now(), 0, 0);
    let mut roots = vec![];
    for number in 0..chips {
        let mut pair = Pair::new(&model, 100 + number, CLOCK_HZ);
        let (helper, answer) = pair.enrol();
        clocks += answer.clocks;
        let root = pair.root.unwrap();
        pair.derive(b"at enrolment");
        assert!(!roots.contains(&root));
        roots.push(root);
        pair.power_cycle(&model, 100 + number, &corner(number), 1);
        let (good, took) = pair.open(&helper);
        clocks += took;
        assert!(good, "chip {number}");
        assert_eq!(pair.root, Some(root));
        pair.derive(b"at a corner");
        let attest = pair.attest(&[number; 32]).clocks;
        opened += 1;
        if number == 0 {
            println!("enrolment {} clocks, opening {took}, attestation {attest}", answer.clocks);
            let derive = pair.derive(&[number; 40]).clocks;
            let close = pair.board.ask(opcode::VAULT_CLOSE, &[]).clocks;
            let mut bad = helper.clone();
            bad[40] ^= 1;
            let (good, refused) = pair.open(&bad);
            assert!(!good);
            println!("derivation {derive}, closing {close}, first refusal {refused}");
            let entropy = [pair.entropy().clocks, pair.entropy().clocks];
            println!("first and later random bits {entropy:?}");
        }
    }
    assert_eq!(opened, chips);
    println!(
        "{chips} chips, {clocks} clocks of enrolment and opening in {:.0} s",
        start.elapsed().as_secs_f64()
    );
}
