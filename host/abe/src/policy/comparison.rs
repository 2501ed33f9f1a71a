//! A leaf that asks for a number: `age@hospital >= 18`.

use crate::{Attribute, Error, Number, Prefix};
use std::fmt;
use std::ops::RangeInclusive;

/// A condition on a number that an authority vouches for. It keeps the words it was written with, and
/// some number satisfies it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparison {
    subject: Attribute,
    relation: Relation,
}

/// How a number shall compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// `>=`
    AtLeast(Number),
    /// `>`
    Above(Number),
    /// `<=`
    AtMost(Number),
    /// `<`
    Below(Number),
    /// `=`
    Equal(Number),
    /// `in first..last`, both included
    Within(Number, Number),
}

impl Comparison {
    /// The condition that the number `subject` compares so. What prefix `subject` may have is dropped. Fails
    /// with [`Error::EmptyComparison`] if no number satisfies it.
    pub fn new(subject: &Attribute, relation: Relation) -> Result<Self, Error> {
        let comparison = Self { subject: subject.without_prefix(), relation };
        if comparison.range().is_empty() {
            return Err(Error::EmptyComparison { comparison: comparison.to_string() });
        }
        Ok(comparison)
    }

    /// The name of the number and its authority.
    pub fn subject(&self) -> &Attribute {
        &self.subject
    }

    /// The condition.
    pub fn relation(&self) -> Relation {
        self.relation
    }

    /// The numbers that satisfy it.
    pub fn range(&self) -> RangeInclusive<u32> {
        let none = RangeInclusive::new(1, 0);
        match self.relation {
            Relation::AtLeast(bound) => bound.value()..=u32::MAX,
            Relation::Above(bound) => bound.value().checked_add(1).map_or(none, |first| first..=u32::MAX),
            Relation::AtMost(bound) => 0..=bound.value(),
            Relation::Below(bound) => bound.value().checked_sub(1).map_or(none, |last| 0..=last),
            Relation::Equal(number) => number.value()..=number.value(),
            Relation::Within(first, last) => first.value()..=last.value(),
        }
    }

    /// The attributes of its rows: a holder of a number in range has exactly one of them, any other none.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        Prefix::cover(self.range()).into_iter().map(|prefix| self.subject.with_prefix(prefix))
    }
}

impl Relation {
    /// How it is written, and the numbers it names.
    pub(super) fn parts(self) -> (&'static str, Number, Option<Number>) {
        match self {
            Relation::AtLeast(bound) => (">=", bound, None),
            Relation::Above(bound) => (">", bound, None),
            Relation::AtMost(bound) => ("<=", bound, None),
            Relation::Below(bound) => ("<", bound, None),
            Relation::Equal(number) => ("=", number, None),
            Relation::Within(first, last) => ("in", first, Some(last)),
        }
    }

    /// The relation written `operator` to one number.
    pub(super) fn to_one(operator: &str, number: Number) -> Option<Self> {
        Some(match operator {
            ">=" => Relation::AtLeast(number),
            ">" => Relation::Above(number),
            "<=" => Relation::AtMost(number),
            "<" => Relation::Below(number),
            "=" => Relation::Equal(number),
            _ => return None,
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, first, last) = self.relation.parts();
        write!(f, "{} {operator} {first}", self.subject)?;
        last.map_or(Ok(()), |last| write!(f, "..{last}"))
    }
}
