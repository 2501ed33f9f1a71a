//! Policies in JSON, for programs.

use super::{Comparison, MAX_DEPTH, MAX_ROWS, Node, Policy, Relation};
use crate::{Attribute, Error, Number};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

/// Longest JSON text of a policy that is parsed, in bytes.
pub const MAX_JSON_BYTES: usize = 256 * 1024;

impl Policy {
    /// The normal form as JSON, in one way only: without white space, members in the order shown.
    ///
    /// ```json
    /// {"all": [
    ///   {"attribute": "doctor@hospital"},
    ///   {"compare": "age@registry", "op": ">=", "value": 18},
    ///   {"compare": "epoch@clock", "op": "in", "value": ["2026-11-21", "2027-01-01"]},
    ///   {"atLeast": 2, "of": [{"attribute": "a@x"}, {"attribute": "b@x"}, {"any": [{"attribute": "c@x"}]}]}
    /// ]}
    /// ```
    pub fn to_json(&self) -> String {
        // Writing a tree of strings and integers into memory cannot fail.
        serde_json::to_string(&Json(&self.root)).unwrap_or_default()
    }

    /// Parses a policy in JSON, in the form of [`Self::to_json`] but not necessarily normal. Members may come
    /// in any order; unknown, repeated and missing ones are refused. Fails with [`Error::PolicyJson`],
    /// [`Error::PolicyLimit`] or [`Error::PolicyGate`].
    pub fn from_json(json: &str) -> Result<Self, Error> {
        if json.len() > MAX_JSON_BYTES {
            return Err(Error::PolicyLimit { what: "text too long", position: Some(MAX_JSON_BYTES) });
        }
        let limits = Limits::default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let parsed = ItemSeed { limits: &limits, depth: 0 }
            .deserialize(&mut deserializer)
            .and_then(|item| deserializer.end().map(|()| item));
        let error = match parsed {
            // What is too deep or too long as a whole is refused at its end.
            Ok(Item::Formula(node)) => return Self::from_read(node, json.len(), json.len()),
            Ok(_) => {
                return Err(Error::PolicyJson {
                    position: 0,
                    problem: "a policy that is not an object".into(),
                });
            }
            Err(error) => error,
        };
        let position = position(json, error.line(), error.column());
        if let Some(what) = limits.exceeded.get() {
            return Err(Error::PolicyLimit { what, position: Some(position) });
        }
        let text = error.to_string();
        // What `serde_json` adds is said by the position.
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        Err(Error::PolicyJson { position, problem: problem.to_owned() })
    }
}

/// The byte offset of a line and column, both counted from 1.
fn position(json: &str, line: usize, column: usize) -> usize {
    let before: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(json.len())
}

/// Enforced while parsing, so that neither stack nor memory grows with the input.
#[derive(Default)]
struct Limits {
    rows: Cell<usize>,
    exceeded: Cell<Option<&'static str>>,
}

impl Limits {
    fn exceeded<E: de::Error>(&self, what: &'static str) -> E {
        self.exceeded.set(Some(what));
        E::custom(what)
    }

    fn count<E: de::Error>(&self, rows: usize) -> Result<(), E> {
        self.rows.set(self.rows.get() + rows);
        if self.rows.get() > MAX_ROWS { Err(self.exceeded("too many rows")) } else { Ok(()) }
    }
}

/// What a formula in JSON is made of. An object is turned into its formula as soon as it ends, so that
/// errors carry a position near what they are about.
enum Item {
    Text(String),
    Integer(u64),
    List(Vec<Item>),
    Formula(Node),
}

#[derive(Clone, Copy)]
struct ItemSeed<'l> {
    limits: &'l Limits,
    /// Lists and objects around this one.
    depth: usize,
}

impl ItemSeed<'_> {
    /// The seed for what stands inside. A gate is an object and a list; a leaf an object and perhaps a list.
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        match self.depth {
            depth if depth == 2 * MAX_DEPTH + 2 => Err(self.limits.exceeded("nested too deeply")),
            depth => Ok(Self { depth: depth + 1, ..self }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed<'_> {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a list, a string or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Text(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Item, E> {
        Ok(Item::Integer(integer))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Item, S::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(Item::List(items))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Item, M::Error> {
        let inside = self.inside()?;
        let mut members = BTreeMap::new();
        while let Some(key) = object.next_key::<String>()? {
            if !["attribute", "compare", "op", "value", "all", "any", "atLeast", "of"].contains(&key.as_str())
            {
                return Err(de::Error::custom(format_args!("unknown member {key:?}")));
            }
            if members.contains_key(&key) {
                return Err(de::Error::custom(format_args!("member {key:?} twice")));
            }
            members.insert(key, object.next_value_seed(inside)?);
        }
        let node = formula(members).map_err(de::Error::custom)?;
        match &node {
            Node::Attribute(_) => self.limits.count(1)?,
            Node::Comparison(comparison) => self.limits.count(comparison.attributes().count())?,
            Node::Gate { .. } => {}
        }
        Ok(Item::Formula(node))
    }
}

/// The formula of an object with these members.
fn formula(mut members: BTreeMap<String, Item>) -> Result<Node, String> {
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let kind = match names[..] {
        ["attribute"] => "attribute",
        ["compare", "op", "value"] => "compare",
        ["all"] => "all",
        ["any"] => "any",
        ["atLeast", "of"] => "atLeast",
        [] => return Err("an object without members".into()),
        _ => return Err(format!("members that do not belong together: {}", names.join(", "))),
    };
    let mut take = |name| members.remove(name).ok_or_else(|| format!("{name:?} is missing"));
    match kind {
        "attribute" => Ok(Node::Attribute(attribute(take("attribute")?)?)),
        "compare" => {
            let subject = attribute(take("compare")?)?;
            if subject.prefix().is_some() {
                return Err("a comparison of a part of a number".into());
            }
            let relation = relation(take("op")?, take("value")?)?;
            let empty = |_| "a comparison that no number satisfies".to_owned();
            Comparison::new(&subject, relation).map(Node::Comparison).map_err(empty)
        }
        "atLeast" => {
            let Item::Integer(threshold) = take("atLeast")? else {
                return Err("\"atLeast\" is not a whole number".into());
            };
            let children = children(take("of")?)?;
            match usize::try_from(threshold) {
                Ok(threshold) if (1..=children.len()).contains(&threshold) => {
                    Ok(Node::Gate { threshold, children })
                }
                _ => Err("\"atLeast\" is zero or above the number of choices".into()),
            }
        }
        _ => {
            let children = children(take(kind)?)?;
            Ok(Node::Gate { threshold: if kind == "any" { 1 } else { children.len() }, children })
        }
    }
}

fn attribute(item: Item) -> Result<Attribute, String> {
    let Item::Text(text) = item else { return Err("an attribute is not a string".into()) };
    Attribute::parse(&text).map_err(|bad| {
        let text: String = text.chars().take(80).collect();
        format!("attribute {text:?}: {} (its byte {})", bad.problem, bad.position)
    })
}

fn relation(operator: Item, value: Item) -> Result<Relation, String> {
    let Item::Text(operator) = operator else { return Err("\"op\" is not a string".into()) };
    if operator == "in" {
        let Item::List(ends) = value else { return Err("the \"value\" of \"in\" is not a list".into()) };
        let Ok([first, last]) = <[Item; 2]>::try_from(ends) else {
            return Err("a range that does not have two ends".into());
        };
        return Ok(Relation::Within(number(first)?, number(last)?));
    }
    Relation::to_one(&operator, number(value)?).ok_or_else(|| "an \"op\" other than >= > <= < = in".into())
}

/// Integers are JSON numbers, dates are strings.
fn number(item: Item) -> Result<Number, String> {
    match item {
        Item::Integer(integer) => {
            u32::try_from(integer).map(Number::integer).map_err(|_| "a number above 4294967295".into())
        }
        Item::Text(text) => match Number::parse(&text) {
            Ok(number) if number.is_date() => Ok(number),
            Ok(_) => Err("a number in quotes".into()),
            Err(problem) => Err(problem.into()),
        },
        _ => Err("a \"value\" that is neither a number nor a date".into()),
    }
}

fn children(item: Item) -> Result<Vec<Node>, String> {
    let Item::List(items) = item else { return Err("a gate without a list of formulas".into()) };
    if items.is_empty() {
        return Err("a gate without choices".into());
    }
    let formula = |item| match item {
        Item::Formula(node) => Ok(node),
        _ => Err("a list with something other than formulas".to_owned()),
    };
    items.into_iter().map(formula).collect()
}

struct Json<'n>(&'n Node);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        match self.0 {
            Node::Attribute(attribute) => object.serialize_entry("attribute", &attribute.to_string())?,
            Node::Comparison(comparison) => {
                let (operator, first, last) = comparison.relation().parts();
                object.serialize_entry("compare", &comparison.subject().to_string())?;
                object.serialize_entry("op", operator)?;
                match last {
                    None => object.serialize_entry("value", &Value(first))?,
                    Some(last) => object.serialize_entry("value", &[Value(first), Value(last)])?,
                }
            }
            Node::Gate { threshold, children } => {
                let list: Vec<_> = children.iter().map(Json).collect();
                match *threshold {
                    1 => object.serialize_entry("any", &list)?,
                    threshold if threshold == children.len() => object.serialize_entry("all", &list)?,
                    threshold => {
                        object.serialize_entry("atLeast", &threshold)?;
                        object.serialize_entry("of", &list)?;
                    }
                }
            }
        }
        object.end()
    }
}

struct Value(Number);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            date if date.is_date() => serializer.collect_str(&date),
            integer => serializer.serialize_u32(integer.value()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_say_the_same() {
        for (text, json) in [
            ("a@x", r#"{"attribute":"a@x"}"#),
            ("a@x >= 18", r#"{"compare":"a@x","op":">=","value":18}"#),
            ("a@x = 2026-11-21", r#"{"compare":"a@x","op":"=","value":"2026-11-21"}"#),
            ("a@x in 5..2026-11-21", r#"{"compare":"a@x","op":"in","value":[5,"2026-11-21"]}"#),
            (
                "a@x or (b@x and c@x) or 2 of (d@x, e@x < 3, f#01@x)",
                concat!(
                    r#"{"any":[{"attribute":"a@x"},{"all":[{"attribute":"b@x"},{"attribute":"c@x"}]},"#,
                    r#"{"atLeast":2,"of":[{"attribute":"d@x"},{"compare":"e@x","op":"<","value":3},"#,
                    r#"{"attribute":"f#01@x"}]}]}"#
                ),
            ),
        ] {
            let policy: Policy = text.parse().unwrap();
            assert_eq!(policy.to_json(), json);
            assert_eq!(Policy::from_json(json).unwrap(), policy);
        }
        let loose =
            r#" { "of" : [ {"all":[{"attribute":"\u0061@x"}]} , {"attribute":"b@x"} ] , "atLeast" : 2 } "#;
        assert_eq!(Policy::from_json(loose).unwrap().as_str(), "a@x and b@x");
    }

    #[test]
    fn errors_say_where_and_what() {
        for (json, at, what) in [
            ("", 0, "EOF"),
            ("{}", 1, "without members"),
            ("[]", 0, "is not an object"),
            ("7", 0, "is not an object"),
            ("null", 3, "invalid type: null"),
            (r#"{"attribute":"a@x"} x"#, 20, "trailing"),
            (r#"{"attribute":"a@x",}"#, 19, "trailing comma"),
            (r#"{"attribute":"ax"}"#, 17, "no @ (its byte 2)"),
            ("{\n\"attribute\":\n\"a b@x\"\n}", 23, "not allowed (its byte 1)"),
            (r#"{"attribute":"a at line 7"}"#, 26, "no @ (its byte 11)"),
            (r#"{"attribute":7}"#, 14, "not a string"),
            (r#"{"attribute":["a@x"]}"#, 20, "not a string"),
            (r#"{"Attribute":"a@x"}"#, 11, "unknown member"),
            (r#"{"attribute":"a@x","attribute":"a@x"}"#, 29, "twice"),
            (r#"{"attribute":"a@x","comment":1}"#, 27, "unknown member"),
            (r#"{"attribute":"a@x","all":[]}"#, 27, "belong together"),
            (r#"{"all":[]}"#, 9, "without choices"),
            (r#"{"all":{"attribute":"a@x"}}"#, 26, "without a list"),
            (r#"{"any":["a@x"]}"#, 14, "other than formulas"),
            (r#"{"of":[{"attribute":"a@x"}]}"#, 27, "belong together"),
            (r#"{"atLeast":0,"of":[{"attribute":"a@x"}]}"#, 39, "zero or above"),
            (r#"{"atLeast":2,"of":[{"attribute":"a@x"}]}"#, 39, "zero or above"),
            (r#"{"atLeast":1.0,"of":[{"attribute":"a@x"}]}"#, 13, "floating point"),
            (r#"{"atLeast":-1,"of":[{"attribute":"a@x"}]}"#, 12, "invalid type"),
            (r#"{"atLeast":"1","of":[{"attribute":"a@x"}]}"#, 41, "not a whole number"),
            (r#"{"compare":"a@x","op":">="}"#, 26, "belong together"),
            (r#"{"compare":"a@x","op":"==","value":1}"#, 36, "other than"),
            (r#"{"compare":"a@x","op":"<","value":0}"#, 35, "no number satisfies"),
            (r#"{"compare":"a@x","op":"<","value":"7"}"#, 37, "in quotes"),
            (r#"{"compare":"a@x","op":"<","value":4294967296}"#, 44, "above"),
            (r#"{"compare":"a@x","op":"<","value":[1,2]}"#, 39, "neither"),
            (r#"{"compare":"a@x","op":"in","value":[1,2,3]}"#, 42, "two ends"),
            (r#"{"compare":"a@x","op":"in","value":3}"#, 36, "not a list"),
            (r#"{"compare":"a@x","op":"in","value":[3,2]}"#, 40, "no number satisfies"),
            (r#"{"compare":"a#1@x","op":">","value":3}"#, 37, "part of a number"),
            (r#"{"attribute":true}"#, 16, "invalid type: boolean"),
        ] {
            match Policy::from_json(json) {
                Err(Error::PolicyJson { position, problem }) => {
                    assert!(problem.contains(what), "{json}: {problem}");
                    assert_eq!(position, at, "{json}: {problem}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn limits_hold() {
        let deep =
            |n: usize| format!("{}{{\"attribute\":\"a@x\"}}{}", r#"{"all":["#.repeat(n), "]}".repeat(n));
        let wide = |n: usize| format!(r#"{{"any":[{}]}}"#, vec![r#"{"attribute":"a@x"}"#; n].join(","));
        let compare = r#"{"compare":"a@x","op":"in","value":[1,4294967294]}"#;
        let compare = |n: usize| format!(r#"{{"any":[{}]}}"#, vec![compare; n].join(","));
        for json in [deep(MAX_DEPTH), wide(MAX_ROWS), compare(4)] {
            Policy::from_json(&json).unwrap();
        }
        for json in [
            deep(MAX_DEPTH + 1),
            deep(10_000),
            "[".repeat(100_000),
            wide(MAX_ROWS + 1),
            compare(5),
            " ".repeat(MAX_JSON_BYTES + 1),
        ] {
            assert_eq!(Policy::from_json(&json).unwrap_err().code(), "TSL-ABE-002");
        }
    }

    /// The longest normal form fits, with room.
    #[test]
    fn what_is_written_is_read() {
        let name = "n".repeat(58);
        let policy: Policy =
            vec![format!("{name}@{name} = 4294967295"); MAX_ROWS - 30].join(" or ").parse().unwrap();
        let json = policy.to_json();
        assert!(json.len() < MAX_JSON_BYTES);
        assert_eq!(Policy::from_json(&json).unwrap(), policy);
    }
}
