//! A policy over several lines: a gate that does not fit on one line has one child per line.
//!
//! ```text
//! doctor@hospital
//! and (
//!   cardiology@hospital
//!   or 2 of (
//!     licensed@board,
//!     senior@board,
//!     age@registry >= 30
//!   )
//! )
//! ```

use super::Node;
use std::fmt::{self, Write};

/// Lines are at most this long, unless one leaf is longer.
const WIDTH: usize = 80;
const INDENT: usize = 2;

pub(super) fn write(out: &mut impl Write, root: &Node) -> fmt::Result {
    write_node(out, root, 0, 0)
}

/// Writes `node` from column `indent + used` on; further lines begin at `indent`.
fn write_node(out: &mut impl Write, node: &Node, indent: usize, used: usize) -> fmt::Result {
    let flat = node.to_string();
    let (threshold, children) = match node {
        // Room for a comma.
        Node::Gate { threshold, children } if indent + used + flat.len() >= WIDTH => (*threshold, children),
        _ => return out.write_str(&flat),
    };
    let word = match threshold {
        1 => "or ",
        _ if threshold == children.len() => "and ",
        _ => return write_count(out, threshold, children, indent),
    };
    for (i, child) in children.iter().enumerate() {
        let lead = if i > 0 { word } else { "" };
        if i > 0 {
            new_line(out, indent)?;
            out.write_str(lead)?;
        }
        write_child(out, child, indent, lead.len())?;
    }
    Ok(())
}

fn write_count(out: &mut impl Write, threshold: usize, children: &[Node], indent: usize) -> fmt::Result {
    write!(out, "{threshold} of (")?;
    for (i, child) in children.iter().enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        new_line(out, indent + INDENT)?;
        write_child(out, child, indent + INDENT, 0)?;
    }
    new_line(out, indent)?;
    out.write_char(')')
}

/// A child of a gate, in parentheses if it needs them.
fn write_child(out: &mut impl Write, child: &Node, indent: usize, used: usize) -> fmt::Result {
    if !child.is_infix() {
        return write_node(out, child, indent, used);
    }
    let flat = child.to_string();
    if indent + used + flat.len() + 2 < WIDTH {
        return write!(out, "({flat})");
    }
    out.write_char('(')?;
    new_line(out, indent + INDENT)?;
    write_node(out, child, indent + INDENT, 0)?;
    new_line(out, indent)?;
    out.write_char(')')
}

fn new_line(out: &mut impl Write, indent: usize) -> fmt::Result {
    write!(out, "\n{:indent$}", "")
}

#[cfg(test)]
mod tests {
    use crate::Policy;

    #[test]
    fn long_gates_are_laid_out_and_short_ones_are_not() {
        let policy: Policy =
            "doctor@hospital and (cardiology@hospital or age@registry >= 30 and nurse@ward or \
                              2 of (licensed@board, senior@board and resident@board, \
                              valid@clock in 2026-11-21..2027-01-01, e@x or f@y))"
                .parse()
                .unwrap();
        let laid_out = "\
doctor@hospital
and (
  cardiology@hospital
  or (age@registry >= 30 and nurse@ward)
  or 2 of (
    licensed@board,
    (senior@board and resident@board),
    valid@clock in 2026-11-21..2027-01-01,
    (e@x or f@y)
  )
)";
        assert_eq!(format!("{policy:#}"), laid_out);
        assert_eq!(laid_out.parse::<Policy>().unwrap(), policy);
        let short: Policy = "a@x and (b@x or c@x)".parse().unwrap();
        assert_eq!(format!("{short:#}"), short.as_str());
    }
}
