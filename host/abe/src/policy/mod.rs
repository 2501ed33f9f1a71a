//! Who may read: a monotone formula over attributes and numbers.
//!
//! ```text
//! policy     = all ("or" all)*
//! all        = one ("and" one)*
//! one        = attribute | comparison | "(" policy ")" | count "of" "(" policy ("," policy)* ")"
//! attribute  = name "@" authority
//! comparison = attribute (">=" | ">" | "<=" | "<" | "=") number | attribute "in" number ".." number
//! number     = integer | YYYY-MM-DD
//! ```
//!
//! Keywords are lower case; `and` binds tighter than `or`; `in 18..65` includes both ends; a date stands
//! for its days since 1970-01-01. (The grammar also takes `name#bits@authority`, one prefix of a number.)
//!
//! ```
//! # fn main() -> Result<(), twinseal_abe::Error> {
//! let policy: twinseal_abe::Policy =
//!     "doctor@hospital and (2 of (a@x, b@x, c@y) or grade@hospital >= 3) and epoch@clock in 2026-11-21..2027-01-01"
//!         .parse()?;
//! assert_eq!(policy, twinseal_abe::Policy::from_json(&policy.to_json())?);
//! println!("{policy:#}"); // over several lines, for people
//! # Ok(())
//! # }
//! ```
//!
//! # Normal form
//!
//! Every policy is kept in a normal form with one text, [`Policy`]'s `Display`, which is what ciphertexts
//! carry and what is hashed: a gate of one child is its child; `n of n` is `and`, `1 of n` is `or`; an
//! `and` inside an `and` and an `or` inside an `or` are merged into the outer one; inner gates are
//! parenthesised. The order of leaves and their repetitions are the author's and stay.
//!
//! # Rows
//!
//! The leaves, left to right, are the *rows* of the policy's linear secret sharing scheme. An attribute
//! is one row and may stand in several. A comparison is as many rows as its range needs
//! [prefixes](crate::Prefix): one for `=`, at most 32 for one bound, at most 62 for two; the reader
//! opens one of them. Of a reader with several values of one name, one value must lie in the range; two
//! comparisons may be met by two values, so write `in 3..5` and not `>= 3 and <= 5`. A bound that is true
//! anyway saves rows: `age@x in 18..127` has 5, `age@x >= 18` has 30.

mod comparison;
mod excerpt;
mod json;
mod parse;
mod pretty;
mod share;

pub use comparison::{Comparison, Relation};
pub use excerpt::excerpt;
pub use json::MAX_JSON_BYTES;

use crate::{Attribute, Error};
use std::fmt;
use std::str::FromStr;

/// Longest normal form of a policy, in bytes.
pub const MAX_TEXT_BYTES: usize = 32 * 1024;
/// Longest text that is parsed: room for white space, so that every pretty-printed policy is.
pub const MAX_INPUT_BYTES: usize = 2 * MAX_TEXT_BYTES;
/// Most rows of a policy.
pub const MAX_ROWS: usize = 256;
/// Most gates (and, in text, parentheses) nested inside each other.
pub const MAX_DEPTH: usize = 16;

/// A validated policy in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    root: Node,
    rows: Vec<Attribute>,
    text: String,
}

/// A policy's formula.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The reader has this attribute.
    Attribute(Attribute),
    /// The reader has a number that compares like this.
    Comparison(Comparison),
    /// At least `threshold` of `children` hold.
    Gate {
        /// How many children must hold: 1 is `or`, all of them is `and`.
        threshold: usize,
        /// At least one.
        children: Vec<Node>,
    },
}

impl Policy {
    /// The policy of a formula put together by a program. Fails with [`Error::PolicyGate`] or
    /// [`Error::PolicyLimit`].
    pub fn from_formula(root: Node) -> Result<Self, Error> {
        let mut rows = Vec::new();
        let root = normalise(root, 0, &mut rows)?;
        let text = root.to_string();
        if text.len() > MAX_TEXT_BYTES {
            return Err(limit(TOO_LONG));
        }
        Ok(Self { root, rows, text })
    }

    /// [`Self::from_formula`] of one that was read from a text of `bytes`. Limits that only the normal form
    /// exceeds are told at the `deepest` place, or where that many bytes have been read.
    fn from_read(root: Node, deepest: usize, bytes: usize) -> Result<Self, Error> {
        Self::from_formula(root).map_err(|error| match error {
            Error::PolicyLimit { what, position: None } => {
                let position = if what == TOO_LONG { bytes.min(MAX_TEXT_BYTES) } else { deepest };
                Error::PolicyLimit { what, position: Some(position) }
            }
            error => error,
        })
    }

    /// This policy and `other` both.
    pub fn and(self, other: impl Into<Node>) -> Result<Self, Error> {
        Self::from_formula(Node::Gate { threshold: 2, children: vec![self.root, other.into()] })
    }

    /// The formula.
    pub fn formula(&self) -> &Node {
        &self.root
    }

    /// The attribute of every row, left to right, repetitions included, comparisons expanded.
    pub fn rows(&self) -> &[Attribute] {
        &self.rows
    }

    /// The text of the normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a reader with keys for the attributes that `has` may read.
    pub fn permits(&self, has: impl Fn(&Attribute) -> bool) -> bool {
        self.select(&has).is_ok()
    }
}

/// Parses a text. Fails with [`Error::PolicySyntax`], [`Error::PolicyLimit`] or, for a comparison that
/// nothing satisfies, [`Error::PolicySyntax`] too; [`excerpt`] shows people where.
impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (root, deepest) = parse::parse(text)?;
        Self::from_read(root, deepest, text.len())
    }
}

/// The normal form; with `{:#}` laid out over several lines, which parse to the same policy.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { pretty::write(f, &self.root) } else { f.write_str(&self.text) }
    }
}

const TOO_LONG: &str = "text too long";

fn limit(what: &'static str) -> Error {
    Error::PolicyLimit { what, position: None }
}

fn normalise(node: Node, depth: usize, rows: &mut Vec<Attribute>) -> Result<Node, Error> {
    let (threshold, mut children) = match node {
        Node::Gate { threshold, children } => (threshold, children),
        leaf => {
            match &leaf {
                Node::Comparison(comparison) => rows.extend(comparison.attributes()),
                Node::Attribute(attribute) => rows.push(attribute.clone()),
                Node::Gate { .. } => {}
            }
            return if rows.len() > MAX_ROWS { Err(limit("too many rows")) } else { Ok(leaf) };
        }
    };
    if threshold == 0 || threshold > children.len() {
        return Err(Error::PolicyGate { threshold, children: children.len() });
    }
    if depth == MAX_DEPTH {
        return Err(limit("nested too deeply"));
    }
    if children.len() == 1 {
        return normalise(children.remove(0), depth + 1, rows);
    }
    let any = threshold == 1;
    let all = threshold == children.len();
    let mut merged = Vec::with_capacity(children.len());
    for child in children {
        match normalise(child, depth + 1, rows)? {
            Node::Gate { threshold: 1, children } if any => merged.extend(children),
            Node::Gate { threshold, children } if all && threshold == children.len() => {
                merged.extend(children);
            }
            child => merged.push(child),
        }
    }
    Ok(Node::Gate { threshold: if all { merged.len() } else { threshold }, children: merged })
}

impl Node {
    /// Whether it prints with `and` or `or`, so that it needs parentheses inside another gate.
    fn is_infix(&self) -> bool {
        match self {
            Node::Gate { threshold, children } => *threshold == 1 || *threshold == children.len(),
            _ => false,
        }
    }
}

/// The formula as it is written, before normalisation; fails as [`Policy`] does.
impl FromStr for Node {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse::parse(text).map(|(node, _)| node)
    }
}

impl From<Attribute> for Node {
    fn from(attribute: Attribute) -> Self {
        Node::Attribute(attribute)
    }
}

impl From<Comparison> for Node {
    fn from(comparison: Comparison) -> Self {
        Node::Comparison(comparison)
    }
}

impl From<Policy> for Node {
    fn from(policy: Policy) -> Self {
        policy.root
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threshold, children) = match self {
            Node::Attribute(attribute) => return attribute.fmt(f),
            Node::Comparison(comparison) => return comparison.fmt(f),
            Node::Gate { threshold, children } => (*threshold, children),
        };
        let (separator, close) = match threshold {
            1 => (" or ", ""),
            _ if threshold == children.len() => (" and ", ""),
            _ => {
                write!(f, "{threshold} of (")?;
                (", ", ")")
            }
        };
        for (i, child) in children.iter().enumerate() {
            if i > 0 {
                f.write_str(separator)?;
            }
            match child.is_infix() {
                true => write!(f, "({child})")?,
                false => write!(f, "{child}")?,
            }
        }
        f.write_str(close)
    }
}
