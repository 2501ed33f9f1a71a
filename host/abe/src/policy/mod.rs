//! Who may read: a monotone formula over attributes.
//!
//! ```text
//! policy    = all ("or" all)*
//! all       = one ("and" one)*
//! one       = attribute | "(" policy ")" | number "of" "(" policy ("," policy)* ")"
//! attribute = name "@" authority
//! ```
//!
//! Keywords are lower case; `and` binds tighter than `or`. Every formula has one canonical text
//! ([`Policy`]'s `Display`): inner gates are parenthesised, `n of n` is written with `and`, `1 of n` with
//! `or`. The leaves of the formula, left to right, are the *rows* of its linear secret sharing scheme; an
//! attribute may stand in several rows.

mod parse;
mod share;

use crate::{Attribute, Error};
use std::fmt;
use std::str::FromStr;

/// Longest policy text, in bytes.
pub const MAX_TEXT_BYTES: usize = 32 * 1024;
/// Most attributes a policy may name, counting repetitions.
pub const MAX_ROWS: usize = 256;
/// Most gates (and, in text, parentheses) nested inside each other.
pub const MAX_DEPTH: usize = 16;

/// A validated policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    root: Node,
    rows: Vec<Attribute>,
    text: String,
}

/// A policy's formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// The reader has this attribute.
    Attribute(Attribute),
    /// At least `threshold` of `children` hold.
    Gate {
        /// How many children must hold: 1 is `or`, all of them is `and`.
        threshold: usize,
        /// At least one.
        children: Vec<Node>,
    },
}

impl Policy {
    /// The policy of a formula put together by a program. Gates of one child are replaced by the child.
    pub fn from_formula(root: Node) -> Result<Self, Error> {
        let mut rows = Vec::new();
        let root = normalise(root, 0, &mut rows)?;
        let text = root.to_string();
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::PolicyLimit { what: "text too long", position: None });
        }
        Ok(Self { root, rows, text })
    }

    /// The formula.
    pub fn formula(&self) -> &Node {
        &self.root
    }

    /// The attribute of every row, left to right, repetitions included.
    pub fn rows(&self) -> &[Attribute] {
        &self.rows
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_formula(parse::parse(text)?)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn normalise(node: Node, depth: usize, rows: &mut Vec<Attribute>) -> Result<Node, Error> {
    match node {
        Node::Attribute(attribute) => {
            if rows.len() == MAX_ROWS {
                return Err(Error::PolicyLimit { what: "too many attributes", position: None });
            }
            rows.push(attribute.clone());
            Ok(Node::Attribute(attribute))
        }
        Node::Gate { threshold, mut children } => {
            if threshold == 0 || threshold > children.len() {
                return Err(Error::PolicyGate { threshold, children: children.len() });
            }
            if depth == MAX_DEPTH {
                return Err(Error::PolicyLimit { what: "nested too deeply", position: None });
            }
            if children.len() == 1 {
                return normalise(children.remove(0), depth + 1, rows);
            }
            let children = children
                .into_iter()
                .map(|child| normalise(child, depth + 1, rows))
                .collect::<Result<_, _>>()?;
            Ok(Node::Gate { threshold, children })
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threshold, children) = match self {
            Node::Attribute(attribute) => return attribute.fmt(f),
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

impl Node {
    /// Whether it prints with `and` or `or`, so that it needs parentheses inside another gate.
    fn is_infix(&self) -> bool {
        match self {
            Node::Attribute(_) => false,
            Node::Gate { threshold, children } => *threshold == 1 || *threshold == children.len(),
        }
    }
}
