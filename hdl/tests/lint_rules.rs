//! Every rule catches what it is for, and lets the recommended form pass.
// The wrong forms are the subject.
#![allow(clippy::unwrap_used, clippy::single_match, clippy::precedence, clippy::nonminimal_bool)]

use std::collections::BTreeSet;

use rust_hdl_core::prelude::*;
use twinseal_hdl::lint::{self, Rule};

/// A block with three bytes and two words going in, all kinds of outputs and Locals, and the given kernel.
macro_rules! kernel {
    ($name:ident, $kernel:item) => {
        #[derive(LogicBlock, Default)]
        #[allow(dead_code)]
        struct $name {
            a: Signal<In, Bits<8>>,
            b: Signal<In, Bits<8>>,
            c: Signal<In, Bits<8>>,
            p: Signal<In, Signed<16>>,
            q: Signal<In, Signed<16>>,
            byte: Signal<Out, Bits<8>>,
            bit: Signal<Out, Bit>,
            word: Signal<Out, Bits<16>>,
            long: Signal<Out, Signed<32>>,
            sum: Signal<Local, Bits<8>>,
            wide: Signal<Local, Bits<16>>,
            product: Signal<Local, Signed<32>>,
            stage: [Signal<Local, Bits<8>>; 5],
        }

        impl Logic for $name {
            $kernel
        }
    };
}

/// `bad` breaks exactly `rule`, `good` breaks none.
macro_rules! rule {
    ($test:ident, $rule:ident, bad $bad:item good $good:item) => {
        #[test]
        fn $test() {
            kernel!(Bad, $bad);
            kernel!(Good, $good);
            let broken = |block: &dyn Block| -> BTreeSet<Rule> {
                lint::ast::lint(block).findings.into_iter().map(|f| f.rule).collect()
            };
            assert_eq!(broken(&Bad::default()), BTreeSet::from([Rule::$rule]));
            assert_eq!(broken(&Good::default()), BTreeSet::new());
        }
    };
}

rule!(cast_of_a_sum, CastOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.word.next = bit_cast::<16, 8>(self.a.val() + self.b.val());
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.a.val() + self.b.val();
    self.word.next = bit_cast::<16, 8>(self.sum.val());
});

rule!(cast_of_a_difference_under_an_and, CastOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.word.next = bit_cast::<16, 8>(self.c.val() & (self.a.val() - self.b.val()));
}
good #[hdl_gen] fn update(&mut self) {
    self.word.next = bit_cast::<16, 8>(self.c.val() & (self.a.val() >> 1));
});

rule!(cast_of_an_inversion, CastOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.word.next = bit_cast::<16, 8>(!self.a.val());
}
good #[hdl_gen] fn update(&mut self) {
    self.word.next = !bit_cast::<16, 8>(self.a.val());
});

rule!(cast_of_a_left_shift, CastOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.word.next = bit_cast::<16, 8>(self.a.val() << 4);
}
good #[hdl_gen] fn update(&mut self) {
    self.word.next = bit_cast::<16, 8>(self.a.val()) << 4;
});

rule!(sum_below_a_literal, ComparisonOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = (self.a.val() + self.b.val()) < 16;
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.a.val() + self.b.val();
    self.bit.next = self.sum.val() < 16;
});

rule!(difference_equal_to_a_signal, ComparisonOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = self.b.val() == self.a.val() - 1;
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.a.val() - 1;
    self.bit.next = self.b.val() == self.sum.val();
});

rule!(inversion_equal_to_a_literal, ComparisonOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = !self.a.val() == 1;
}
good #[hdl_gen] fn update(&mut self) {
    self.bit.next = !(self.a.val() == 1);
});

rule!(comparison_in_a_condition, ComparisonOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.byte.next = self.a.val();
    if self.b.val() == 0 {
        self.byte.next = self.b.val();
    } else if (self.a.val() + 1) == self.b.val() {
        self.byte.next = self.c.val();
    }
}
good #[hdl_gen] fn update(&mut self) {
    self.byte.next = self.a.val();
    if self.b.val() == 0 {
        self.byte.next = self.b.val();
    } else if self.a.val() == self.b.val() {
        self.byte.next = self.c.val();
    }
});

rule!(sum_shifted_right, ShiftOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.byte.next = (self.a.val() + 1) >> 1;
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.a.val() + 1;
    self.byte.next = self.sum.val() >> 1;
});

rule!(sum_of_casts_shifted, ShiftOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.word.next = (bit_cast::<16, 8>(self.a.val()) + bit_cast::<16, 8>(self.b.val())) >> 1;
}
good #[hdl_gen] fn update(&mut self) {
    self.wide.next = bit_cast::<16, 8>(self.a.val()) + bit_cast::<16, 8>(self.b.val());
    self.word.next = self.wide.val() >> 1;
});

rule!(sign_of_a_product, SignOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.long.next = signed_bit_cast::<32, 32>(self.p.val() * self.q.val());
}
good #[hdl_gen] fn update(&mut self) {
    self.product.next = self.p.val() * self.q.val();
    self.long.next = signed_bit_cast::<32, 32>(self.product.val());
});

rule!(reduction_of_a_sum, ReductionOfComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = (self.a.val() + 1).any();
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.a.val() + 1;
    self.bit.next = self.sum.val().any() & (self.a.val() & self.b.val()).all();
});

rule!(match_on_a_sum, MatchOnComputed,
bad #[hdl_gen] fn update(&mut self) {
    self.byte.next = self.a.val();
    match (self.a.val() + 1).index() {
        0 => self.byte.next = self.b.val(),
        _ => {}
    }
}
good #[hdl_gen] fn update(&mut self) {
    self.byte.next = self.a.val();
    match self.a.val().index() {
        0 => self.byte.next = self.b.val() + 1,
        _ => {}
    }
});

rule!(index_from_a_sum, ComputedIndex,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = self.a.val().get_bit((self.b.val() + 1).index());
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.b.val() + 1;
    self.bit.next = self.a.val().get_bit(self.sum.val().index());
    for i in 0..4 {
        self.stage[i + 1].next = self.stage[i].val();
        if self.a.val().get_bit(i + 1) {
            self.stage[i + 1].next = self.stage[i].val() + 1;
        }
    }
    self.stage[0].next = self.c.val();
});

rule!(two_additions, TwoSteps,
bad #[hdl_gen] fn update(&mut self) {
    self.byte.next = self.a.val() + self.b.val() + self.c.val();
}
good #[hdl_gen] fn update(&mut self) {
    self.sum.next = self.a.val() + self.b.val();
    self.byte.next = self.sum.val() + self.c.val();
});

rule!(and_before_a_comparison, Precedence,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = self.a.val() & self.b.val() == self.c.val();
}
good #[hdl_gen] fn update(&mut self) {
    self.bit.next = (self.a.val() & self.b.val()) == self.c.val();
});

rule!(or_in_a_loop_in_a_match, Precedence,
bad #[hdl_gen] fn update(&mut self) {
    self.bit.next = false;
    for i in 0..4 {
        match self.stage[i].val().index() {
            1 => self.bit.next = self.a.val() != self.b.val() | self.c.val(),
            _ => {}
        }
    }
}
good #[hdl_gen] fn update(&mut self) {
    self.bit.next = false;
    for i in 0..4 {
        match self.stage[i].val().index() {
            1 => self.bit.next = self.a.val() != (self.b.val() | self.c.val()),
            _ => {}
        }
    }
});

#[test]
fn a_block_of_constants() {
    #[derive(Copy, Clone, Debug, PartialEq, Eq, LogicState)]
    enum State {
        On,
        Off,
    }

    #[derive(LogicBlock)]
    struct Constants {
        byte: Signal<Out, Bits<8>>,
        more: Signal<Out, Bits<8>>,
        state: Signal<Out, State>,
        seven: Constant<Bits<8>>,
        some: [Constant<Bits<8>>; 2],
    }

    impl Logic for Constants {
        #[hdl_gen]
        fn update(&mut self) {
            self.state.next = State::On;
            for i in 0..2 {
                self.byte.next = self.seven.val();
                self.more.next = self.some[i].val();
            }
        }
    }

    let block = Constants {
        byte: Default::default(),
        more: Default::default(),
        state: Default::default(),
        seven: Constant::new(7.into()),
        some: [Constant::new(8.into()), Constant::new(9.into())],
    };
    assert_ne!(State::On, State::Off);
    let findings = lint::ast::lint(&block).findings;
    assert_eq!(findings.iter().map(|f| f.rule).collect::<Vec<_>>(), [Rule::ConstantBlock]);

    kernel!(
        Good,
        #[hdl_gen]
        fn update(&mut self) {
            self.byte.next = 7.into();
            self.word.next = bit_cast::<16, 8>(self.a.val());
        }
    );
    assert_eq!(lint::ast::lint(&Good::default()).findings, []);
}

#[test]
fn findings_are_made_in_submodules_and_say_where() {
    kernel!(
        Inner,
        #[hdl_gen]
        fn update(&mut self) {
            self.byte.next = self.a.val() + self.b.val() + self.c.val();
        }
    );

    #[derive(LogicBlock, Default)]
    struct Outer {
        a: Signal<In, Bits<8>>,
        inner: [Inner; 2],
    }

    impl Logic for Outer {
        #[hdl_gen]
        fn update(&mut self) {
            for i in 0..2 {
                self.inner[i].a.next = self.a.val();
            }
        }
    }

    let linted = lint::ast::lint(&Outer::default());
    assert_eq!(linted.instances, 3);
    let places: Vec<_> = linted.findings.iter().map(|f| f.place.as_str()).collect();
    assert_eq!(places, ["top$inner$0 byte", "top$inner$1 byte"]);
}

fn lint_source(text: &str) -> Vec<(Rule, String)> {
    let sources = [("unit.rs".to_owned(), text.to_owned())];
    let linted = lint::source::lint_text(&sources, &["Top"]).unwrap();
    linted.findings.into_iter().map(|f| (f.rule, f.place)).collect()
}

#[test]
fn inclusive_range_in_a_kernel() {
    let kernel = |range: &str| {
        format!(
            "struct Top;\nimpl Logic for Top {{\n#[hdl_gen]\nfn update(&mut self) {{\nif x {{\nfor i in {range} {{}}\n}}}}}}"
        )
    };
    assert_eq!(lint_source(&kernel("0..=3")), [(Rule::InclusiveRange, "unit.rs:6".to_owned())]);
    assert_eq!(lint_source(&kernel("(0..=3)")), [(Rule::InclusiveRange, "unit.rs:6".to_owned())]);
    assert_eq!(lint_source(&kernel("0..4")), []);
    let elsewhere = "fn table() { for i in 0..=3 {} }";
    assert_eq!(lint_source(elsewhere), []);
}

#[test]
fn a_kernel_that_no_top_has() {
    let text = |field: &str| {
        format!(
            "struct Top {{ x: {field} }}\nstruct Part;\nimpl Logic for Part {{\n#[hdl_gen]\nfn update(&mut self) {{}}\n}}"
        )
    };
    assert_eq!(lint_source(&text("Bits<8>")), [(Rule::Unreached, "unit.rs:5".to_owned())]);
    assert_eq!(lint_source(&text("[Part; 4]")), []);
    assert_eq!(lint_source(&text("Vec<super::Part>")), []);
}

#[test]
fn ids_and_messages_are_unique() {
    let ids: BTreeSet<_> = Rule::ALL.iter().map(|r| r.id()).collect();
    let messages: BTreeSet<_> = Rule::ALL.iter().map(|r| r.message()).collect();
    assert_eq!(ids.len(), Rule::ALL.len());
    assert_eq!(messages.len(), Rule::ALL.len());
}
