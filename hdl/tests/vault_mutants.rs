//! The tests themselves under test: the Verilog of vault and engine with one defect each, which comparing a session with
//! the models must find, and programs that wipe too little, which a look at what requests leave must find.
#![allow(clippy::unwrap_used, clippy::panic)] // in helpers too: this is all test code

mod vault_common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use vault_common::left::{nothing_is_left, sloppy_programs};
use vault_common::pair::Pair;
use vault_common::verilated::Model;
use vault_common::{Board, SLOW_CLOCK_HZ};

/// What is wrong, the text of the Verilog and what stands there instead.
const DEFECTS: [(&str, &str, &str); 10] = [
    (
        "a carry that comes with every instruction",
        "if ((kind == 32'h0) && word[32'hc] && ~word[32'ha]) begin",
        "if (kind == 32'h0) begin",
    ),
    ("a skip that looks at A only", "condition = carry$q;", "condition = accumulator$q[32'hf];"),
    (
        "halving that keeps the sign",
        "left = accumulator$q >> 32'h1;",
        "left = {accumulator$q[15], accumulator$q[15:1]};",
    ),
    (
        "an index without its upper half",
        "address = direct ^ index$q;",
        "address = direct ^ {1'b0, index$q[8:0]};",
    ),
    (
        "a window a clock longer",
        "run = run_now$q || (run_late$q && odd_window);",
        "run = run_now$q || run_late$q;",
    ),
    ("rings exchanged", "processor$port = first;", "processor$port = second;"),
    ("counts that are not cleared", "clear = 1'b1;", "clear = 1'b0;"),
    ("a root that turns the other way", "last = key$q[(32'h0)+:(8)];", "last = key$q[(32'h8)+:(8)];"),
    ("a root that is not forgotten", "if (load || turn || forget) begin", "if (load || turn) begin"),
    ("a pin that is not read", "if (permit_enrol) begin", "if (1'b1) begin"),
];

fn session(model: &Model) {
    let mut pair = Pair::new(model, 1, SLOW_CLOCK_HZ);
    let answer = pair.board.ask_slowly(twinseal_wire::opcode::VAULT_ENROL, &[], false, 0);
    assert_eq!(answer.status, twinseal_wire::status::NOT_PERMITTED);
    pair.session();
    pair.close();
    // A root that is forgotten is zero, not only out of use.
    let (helper, _) = pair.enrol();
    let root = pair.root.unwrap();
    assert!(pair.board.state().windows(32).any(|bytes| bytes == root));
    pair.close();
    assert!(!pair.board.state().windows(32).any(|bytes| bytes == root));
    assert!(pair.open(&helper).0);
}

#[test]
fn every_defect_is_found() {
    let source = Board::verilog(SLOW_CLOCK_HZ);
    let Some(model) = Model::new(&source) else { return };
    session(&model);
    // Programs that wipe too little; that the vault's own passes is a test of `vault_requests`.
    for (defect, pokes) in sloppy_programs() {
        let found = catch_unwind(AssertUnwindSafe(|| nothing_is_left(&model, &pokes)));
        let Err(said) = found else { panic!("not found: not wiped are {defect}") };
        let said = said.downcast_ref::<String>().unwrap();
        assert!(said.starts_with("enrolment: "), "{said}");
        println!("not wiped are {defect}: {said}");
    }
    for (defect, text, instead) in DEFECTS {
        assert_eq!(source.matches(text).count(), 1, "{defect}: the Verilog has changed, nothing to replace");
        let Some(model) = Model::new(&source.replace(text, instead)) else { return };
        let found = catch_unwind(AssertUnwindSafe(|| session(&model))).is_err();
        assert!(found, "not found: {defect}");
    }
}
