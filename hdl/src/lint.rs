//! Rejects what rust-hdl simulates one way and translates another, before a vector has to find it.
//!
//! A rust-hdl value has an exact width; a Verilog expression takes the width of its surroundings, and a literal has 32
//! bits. So one arithmetic step belongs on one exact-width `Local`. [`ast`] looks at the kernels' syntax trees as they go
//! into Verilog; [`source`] looks at the Rust text for what the trees have already lost.

pub mod ast;
pub mod source;

use std::fmt;

use crate::flow::checkout;
use crate::top::boards;
use crate::{Error, top};

/// What is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// `bit_cast::<16, 8>(a + b)`, also of `-`, `*`, `<<` and `!`.
    CastOfComputed,
    /// `signed_bit_cast(a * b)`, also of the other operators.
    SignOfComputed,
    /// `a + b < 16`, `a - 1 == b`, `!a == 1`.
    ComparisonOfComputed,
    /// `(a + 1) >> 1`, also of a shifted value, and shifts by a computed distance.
    ShiftOfComputed,
    /// `(a + 1).any()`.
    ReductionOfComputed,
    /// `match (a + 1).index()`.
    MatchOnComputed,
    /// `a.get_bit((n + 1).index())`; arithmetic on loop variables alone is constant and may stay.
    ComputedIndex,
    /// `a + b + c`.
    TwoSteps,
    /// `a & b == c`.
    Precedence,
    /// A kernel that reads no signal.
    ConstantBlock,
    /// `for i in 0..=3`.
    InclusiveRange,
    /// A kernel that is part of no board, so that its syntax tree is never seen.
    Unreached,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 12] = [
        Self::CastOfComputed,
        Self::SignOfComputed,
        Self::ComparisonOfComputed,
        Self::ShiftOfComputed,
        Self::ReductionOfComputed,
        Self::MatchOnComputed,
        Self::ComputedIndex,
        Self::TwoSteps,
        Self::Precedence,
        Self::ConstantBlock,
        Self::InclusiveRange,
        Self::Unreached,
    ];

    /// Stable and unique.
    pub const fn id(self) -> &'static str {
        match self {
            Self::CastOfComputed => "LINT-01",
            Self::SignOfComputed => "LINT-02",
            Self::ComparisonOfComputed => "LINT-03",
            Self::ShiftOfComputed => "LINT-04",
            Self::ReductionOfComputed => "LINT-05",
            Self::MatchOnComputed => "LINT-06",
            Self::ComputedIndex => "LINT-07",
            Self::TwoSteps => "LINT-08",
            Self::Precedence => "LINT-09",
            Self::ConstantBlock => "LINT-10",
            Self::InclusiveRange => "LINT-11",
            Self::Unreached => "LINT-12",
        }
    }

    /// What goes wrong, and what to write instead.
    pub const fn message(self) -> &'static str {
        match self {
            Self::CastOfComputed => {
                "the carry leaks into the cast; put the result on a Local of its own width, then cast"
            }
            Self::SignOfComputed => {
                "the product is cut short; put the result on a Local of its full width first"
            }
            Self::ComparisonOfComputed => {
                "the compared result does not wrap; put it on a Local of its own width first"
            }
            Self::ShiftOfComputed => {
                "the shifted result does not wrap; put it on a Local of its own width first"
            }
            Self::ReductionOfComputed => {
                "the result does not wrap; put it on a Local of its own width, then reduce"
            }
            Self::MatchOnComputed => {
                "the result does not wrap; put it on a Local of its own width, then match"
            }
            Self::ComputedIndex => "the index does not wrap; put it on a Local of its own width first",
            Self::TwoSteps => "two arithmetic steps at once; put the first on a Local of its own width",
            Self::Precedence => "Verilog groups these operators otherwise; add parentheses",
            Self::ConstantBlock => {
                "`always @*` never runs without a signal to wait for; drive the value from a signal"
            }
            Self::InclusiveRange => "rust-hdl takes `..=` for `..` in Verilog; write an exclusive range",
            Self::Unreached => "no board has this kernel; use it in one or remove it",
        }
    }
}

/// One place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Module path and statement, or file and line.
    pub place: String,
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.rule.id(), self.place, self.rule.message())
    }
}

/// What a clean run has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Module instances of all boards.
    pub instances: usize,
    /// Kernels in the sources.
    pub kernels: usize,
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} module instances, {} kernels, {} rules: clean",
            self.instances,
            self.kernels,
            Rule::ALL.len()
        )
    }
}

/// Lints every board of `boards.toml`, with all it is made of, and every kernel in `hdl/src`.
pub fn gateware() -> Result<Covered, Error> {
    let mut findings = vec![];
    let mut instances = 0;
    for name in boards::all()?.into_keys() {
        let linted = ast::lint(top::board(&name, 0)?.block());
        instances += linted.instances;
        findings.extend(linted.findings);
    }
    let linted = source::lint(&checkout().join("hdl/src"), &top::TOPS)?;
    findings.extend(linted.findings);
    if findings.is_empty() {
        return Ok(Covered { instances, kernels: linted.kernels });
    }
    findings.sort();
    findings.dedup();
    Err(Error::Lint(findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n")))
}
