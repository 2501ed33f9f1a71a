//! Policies from outside: what is written is read again, nothing panics, limits hold, and a policy that
//! lies is refused or opens to nobody.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

mod common;

use common::World;
use proptest::prelude::*;
use twinseal_abe::policy::{
    Comparison, MAX_DEPTH, MAX_INPUT_BYTES, MAX_ROWS, MAX_TEXT_BYTES, Node, Relation, excerpt,
};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{
    Attribute, AttributeKey, Ciphertext, Claim, Error, Number, Policy, UserId, decapsulate, encapsulate,
};

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", Just("and".into()), Just("7".into())]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (0u32..100).prop_map(Number::integer),
        any::<u32>().prop_map(Number::integer),
        (0u32..3_000_000).prop_map(Number::day),
    ]
}

fn leaf() -> impl Strategy<Value = Node> {
    let attribute = (name(), name())
        .prop_map(|(name, authority)| Attribute::new(&name, authority.parse().unwrap()).unwrap())
        .boxed();
    let prefixed = (attribute.clone(), "[01]{0,32}").prop_map(|(attribute, bits)| {
        Node::Attribute(attribute.to_string().replace('@', &format!("#{bits}@")).parse().unwrap())
    });
    let comparison = (attribute.clone(), number(), number(), 0..6u8);
    let comparison = comparison.prop_filter_map("empty", |(subject, one, two, kind)| {
        let relation = match kind {
            0 => Relation::AtLeast(one),
            1 => Relation::Above(one),
            2 => Relation::AtMost(one),
            3 => Relation::Below(one),
            4 => Relation::Equal(one),
            _ => Relation::Within(one, two),
        };
        Comparison::new(&subject, relation).ok().map(Node::Comparison)
    });
    prop_oneof![6 => attribute.prop_map(Node::Attribute), 1 => prefixed, 3 => comparison]
}

/// Formulas of any shape within the limits, gates of one child included.
fn policy() -> impl Strategy<Value = Policy> {
    let formula = leaf().prop_recursive(8, 40, 6, |inner| {
        (prop::collection::vec(inner, 1..7), any::<prop::sample::Index>())
            .prop_map(|(children, k)| Node::Gate { threshold: k.index(children.len()) + 1, children })
    });
    formula.prop_filter_map("over a limit", |formula| Policy::from_formula(formula).ok())
}

/// What is wrong in a text is at some place of it, which can be shown.
fn check_error(text: &str, error: &Error) {
    let position = match error {
        Error::PolicySyntax { position, .. } | Error::PolicyJson { position, .. } => *position,
        Error::PolicyLimit { position: Some(position), .. } => *position,
        other => panic!("{text:?}: {other:?} has no position"),
    };
    assert!(position <= text.len(), "{text:?}: {error}");
    assert!(excerpt(text, error).is_some());
}

fn check_text(text: &str) {
    match text.parse::<Policy>() {
        Ok(policy) => assert_eq!(policy.as_str().parse::<Policy>().unwrap(), policy),
        Err(error) => check_error(text, &error),
    }
}

fn check_json(json: &str) {
    match Policy::from_json(json) {
        Ok(policy) => assert_eq!(Policy::from_json(&policy.to_json()).unwrap(), policy),
        Err(error) => check_error(json, &error),
    }
}

/// A few characters replaced, inserted, removed or doubled.
fn mutate(text: &str, edits: Vec<(prop::sample::Index, char, u8)>) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (index, c, edit) in edits {
        let at = index.index(chars.len());
        match edit {
            0 => chars[at] = c,
            1 => chars.insert(at, c),
            2 if chars.len() > 1 => drop(chars.remove(at)),
            _ => chars.extend_from_within(at..(at + 9).min(chars.len())),
        }
    }
    chars.into_iter().collect()
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, char, u8)>> {
    let character = prop_oneof![
        prop::sample::select("()@#=<>., 0129-aoif\"{}[]:\\\n".chars().collect::<Vec<_>>()),
        any::<char>()
    ];
    prop::collection::vec((any::<prop::sample::Index>(), character, 0u8..4), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_form_is_read_back(policy in policy()) {
        prop_assert_eq!(&policy.as_str().parse::<Policy>().unwrap(), &policy);
        prop_assert_eq!(&format!("{policy:#}").parse::<Policy>().unwrap(), &policy);
        prop_assert_eq!(&Policy::from_json(&policy.to_json()).unwrap(), &policy);
        prop_assert_eq!(Policy::from_json(&policy.to_json()).unwrap().to_json(), policy.to_json());
    }

    #[test]
    fn the_normal_form_is_normal(policy in policy()) {
        prop_assert_eq!(&Policy::from_formula(policy.formula().clone()).unwrap(), &policy);
        fn check(node: &Node) {
            let Node::Gate { threshold, children } = node else { return };
            assert!(children.len() > 1 && (1..=children.len()).contains(threshold));
            for child in children {
                if let Node::Gate { threshold: inner, children: grandchildren } = child {
                    assert!(*threshold != 1 || *inner != 1, "or in or");
                    let (all, inner_all) = (*threshold == children.len(), *inner == grandchildren.len());
                    assert!(!all || !inner_all, "and in and");
                }
                check(child);
            }
        }
        check(policy.formula());
    }

    #[test]
    fn rows_are_the_leaves_in_order(policy in policy()) {
        fn collect(node: &Node, rows: &mut Vec<Attribute>) {
            match node {
                Node::Attribute(attribute) => rows.push(attribute.clone()),
                Node::Comparison(comparison) => rows.extend(comparison.attributes()),
                Node::Gate { children, .. } => children.iter().for_each(|child| collect(child, rows)),
            }
        }
        let mut rows = Vec::new();
        collect(policy.formula(), &mut rows);
        prop_assert_eq!(policy.rows(), rows);
    }

    #[test]
    fn garbage_does_not_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a@x", "b@y", "and", "or", "of", "in", "(", ")", ",", "1", "2", "0", " ", "@", "\u{e9}", "a@@b",
                "-", "\0", ">=", "=", "<", "..", "2026-11-21", "a#01@x", "4294967295", "\n",
            ]),
            0..40,
        ),
        members in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"attribute\"", "\"compare\"", "\"op\"", "\"value\"", "\"all\"",
                "\"any\"", "\"atLeast\"", "\"of\"", "\"a@x\"", "\">=\"", "\"in\"", "1", "-1", "1e9", "null",
                "\"2026-11-21\"", "\"\\ud800\"", " ",
            ]),
            0..40,
        ),
        noise in any::<String>(),
    ) {
        for text in [words.concat(), words.join(" "), noise] {
            check_text(&text);
            check_json(&text);
        }
        check_json(&members.concat());
    }

    #[test]
    fn mutated_policies_do_not_panic(policy in policy(), edits in edits()) {
        check_text(&mutate(policy.as_str(), edits.clone()));
        check_text(&mutate(&format!("{policy:#}"), edits.clone()));
        check_json(&mutate(&policy.to_json(), edits));
    }
}

/// The layout adds the most to a policy that is as deep, as wide and as long as can be.
#[test]
fn the_longest_policy_is_read_back_in_every_form() {
    let name = "n".repeat(59);
    let mut node: Node = format!("{name}@{name}").parse().unwrap();
    for depth in 0..MAX_DEPTH {
        let breadth = if depth == 0 { MAX_ROWS - MAX_DEPTH + 1 } else { 2 };
        let sibling: Node = format!("{}@{name}", &name[..7]).parse().unwrap();
        let mut children = vec![sibling; breadth - 1];
        children.push(node);
        node = Node::Gate { threshold: if depth % 2 == 0 { 1 } else { breadth }, children };
    }
    let policy = Policy::from_formula(node).unwrap();
    assert_eq!(policy.rows().len(), MAX_ROWS);
    let spare = MAX_TEXT_BYTES - policy.as_str().len();
    assert!(spare < MAX_TEXT_BYTES / 2, "{spare}");
    let laid_out = format!("{policy:#}");
    assert!(laid_out.len() + spare < MAX_INPUT_BYTES, "{}", laid_out.len());
    assert_eq!(laid_out.parse::<Policy>().unwrap(), policy);
    assert_eq!(Policy::from_json(&policy.to_json()).unwrap(), policy);
}

#[test]
fn formulas_of_programs_are_checked() {
    let attribute: Node = "a@x".parse().unwrap();
    let gate = |threshold, n| Node::Gate { threshold, children: vec![attribute.clone(); n] };
    for (threshold, n) in [(0, 0), (0, 3), (4, 3), (1, 0), (usize::MAX, 2)] {
        assert_eq!(Policy::from_formula(gate(threshold, n)).unwrap_err().code(), "TSL-ABE-003");
    }
    let deep =
        |n| (0..n).fold(attribute.clone(), |node, _| Node::Gate { threshold: 1, children: vec![node] });
    assert_eq!(Policy::from_formula(deep(MAX_DEPTH)).unwrap().as_str(), "a@x");
    assert_eq!(Policy::from_formula(deep(MAX_DEPTH + 1)).unwrap_err().code(), "TSL-ABE-002");
    assert_eq!(Policy::from_formula(gate(2, MAX_ROWS + 1)).unwrap_err().code(), "TSL-ABE-002");
    let empty = Comparison::new(&"a@x".parse().unwrap(), Relation::Above(u32::MAX.into()));
    assert_eq!(empty.unwrap_err().code(), "TSL-ABE-030");
    let both = "a@x and b@x".parse::<Policy>().unwrap().and("c@x and d@x".parse::<Policy>().unwrap());
    assert_eq!(both.unwrap().as_str(), "a@x and b@x and c@x and d@x");
}

fn issue(world: &World, claims: &[&str]) -> Vec<AttributeKey> {
    let issue_one = |text: &&str| {
        let claim: Claim = text.parse().unwrap();
        let authority = world.authority(claim.authority().as_str());
        authority.issue(&alice(), &claim.attributes(), &mut OsRng).unwrap()
    };
    claims.iter().flat_map(issue_one).collect()
}

fn encrypted(world: &World, policy: &str) -> Ciphertext {
    encapsulate(&policy.parse().unwrap(), world.publics(), b"", &mut OsRng).unwrap().0
}

fn alice() -> UserId {
    "alice".parse().unwrap()
}

fn open(ciphertext: &Ciphertext, keys: &[AttributeKey]) -> Result<(), &'static str> {
    decapsulate(ciphertext, b"", &alice(), keys).map(|_| ()).map_err(|error| error.code())
}

#[test]
fn numbers_and_dates_compare_in_ciphertexts() {
    let world = World::new();
    let ciphertext = encrypted(&world, "born@y <= 2008-11-21 and (grade@x in 3..5 or chief@x)");
    assert_eq!(ciphertext.policy().as_str(), "born@y <= 2008-11-21 and (grade@x in 3..5 or chief@x)");
    for (claims, permitted) in [
        (&["born=2008-11-21@y", "grade=3@x"][..], true),
        (&["born=1970-01-01@y", "grade=5@x"], true),
        (&["born=1989-03-01@y", "chief@x"], true),
        (&["born=2008-11-22@y", "grade=4@x"], false),
        (&["born=1989-03-01@y", "grade=2@x"], false),
        (&["born=1989-03-01@y", "grade=6@x"], false),
        (&["born=1989-03-01@y", "grade=4@y"], false),
        (&["born=1989-03-01@y", "grade@x"], false),
        (&["born=1989-03-01@x", "chief@x"], false),
    ] {
        let expected = if permitted { Ok(()) } else { Err("TSL-ABE-010") };
        assert_eq!(open(&ciphertext, &issue(&world, claims)), expected, "{claims:?}");
    }
}

/// The text of a policy exchanged for another of the same length. The parser must refuse it, or no key opens.
fn with_text(ciphertext: &Ciphertext, other: &str) -> Result<Ciphertext, Error> {
    let text = ciphertext.policy().as_str();
    assert_eq!(text.len(), other.len());
    let mut bytes = ciphertext.to_bytes();
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at..at + other.len()].copy_from_slice(other.as_bytes());
    Ciphertext::from_bytes(&bytes)
}

#[test]
fn a_text_that_is_not_normal_is_refused() {
    let ciphertext = encrypted(&World::new(), "aa@x and bb@x and c@x >= 10");
    for other in [
        "aa@x  and b@x and c@x >= 10",
        "aa@x and b@x and c@x >= 1\u{e9}",
        "aa@x and b@x and (c@x >= 1)",
        "aa@x and bb@x and c@x>=10  ",
        "aa@x and bb@x and c@x >= 07",
        "2 of (aa@x,bb@x, c@x >= 10)",
        "aa@x\tand bb@x and c@x >= 10",
        "aa@x and bb@x and c@x\u{a0}>=10",
        "aa@x AND bb@x and c@x >= 10",
    ] {
        let refused = with_text(&ciphertext, other).unwrap_err();
        assert!(["TSL-ABE-001", "TSL-ABE-013"].contains(&refused.code()), "{other}: {refused}");
    }
    assert!(with_text(&ciphertext, ciphertext.policy().as_str()).is_ok());
}

#[test]
fn a_text_with_another_number_of_rows_is_refused() {
    let world = World::new();
    let plain = encrypted(&world, "aaa@x or bbb@x or c@x");
    for other in ["aaaaaaaaaa@x or bbb@x", "a@x or a@x or bbbbb@x", "a@x or a@x <= 2 or a1"] {
        let result = with_text(&plain, other);
        let rows = other.parse::<Policy>().map_or(0, |policy| policy.rows().len());
        assert_eq!(result.is_ok(), rows == 3, "{other}");
    }
    // 16 = one interval up to 31; 17 needs more; and a text may hide rows in a comparison.
    let compared = encrypted(&world, "age@x in 16..31");
    assert_eq!(compared.policy().rows().len(), 1);
    for other in ["age@x in 17..31", "age@x in 16..32", "age@x in 15..31"] {
        assert_eq!(with_text(&compared, other).unwrap_err().code(), "TSL-ABE-013", "{other}");
    }
}

#[test]
fn a_text_other_than_the_one_sealed_opens_to_nobody() {
    let world = World::new();
    for (sealed, shown, claims) in [
        ("aa@x and bb@y", "aa@x and cc@y", &["aa@x", "bb@y", "cc@y"][..]),
        // `and` is a letter longer than `or`.
        ("aa@x and b@y", "aaa@x or b@y", &["aa@x", "aaa@x", "b@y"]),
        // One row each.
        ("age@x in 16..31", "age@x in 32..63", &["age=40@x", "age=20@x"]),
        ("age@x in 16..31", "age@x in 0..255", &["age=40@x", "age=20@x"]),
        ("age@x = 1", "age@x = 2", &["age=1@x", "age=2@x"]),
        // The same rows in other words.
        ("age@x < 1", "age@x = 0", &["age=0@x"]),
        // Look-alikes.
        ("doctor@x", "Doctor@x", &["doctor@x", "Doctor@x"]),
        ("doctor@x", "doct0r@x", &["doctor@x", "doct0r@x"]),
        ("doctor@x", "doctor@y", &["doctor@x", "doctor@y"]),
        ("nurseII@x", "nursell@x", &["nurseII@x", "nursell@x"]),
        // The sender's own words, in another order, or said twice.
        ("aa@x or bb@x", "bb@x or aa@x", &["aa@x", "bb@x"]),
        ("aa@x and bb@x", "aa@x and aa@x", &["aa@x", "bb@x"]),
        ("2 of (a@x, b@x, c@x)", "2 of (a@x, b@x, a@x)", &["a@x", "b@x", "c@x"]),
        ("3 of (a@x, b@x, c@x, d@x)", "2 of (a@x, b@x, c@x, d@x)", &["a@x", "b@x", "c@x", "d@x"]),
    ] {
        let keys = issue(&world, claims);
        let ciphertext = encrypted(&world, sealed);
        assert_eq!(open(&ciphertext, &keys), Ok(()), "{sealed}");
        let lying = with_text(&ciphertext, shown).unwrap();
        assert_eq!(lying.policy().as_str(), shown);
        let refused = open(&lying, &keys).unwrap_err();
        assert!(["TSL-ABE-011", "TSL-ABE-031"].contains(&refused), "{sealed} shown as {shown}: {refused}");
    }
}

#[test]
fn look_alike_names_are_different_or_refused() {
    let doctor: Attribute = "doctor@x".parse().unwrap();
    for other in ["Doctor@x", "DOCTOR@x", "doctor@X", "doctor@y", "doctor.@x", "doct0r@x", "doctor#@x"] {
        assert_ne!(other.parse::<Attribute>().unwrap(), doctor);
        let policy: Policy = other.parse().unwrap();
        assert!(!policy.permits(|attribute| attribute == &doctor), "{other}");
    }
    // Cyrillic o, full width d, zero-width space and joiner, soft hyphen, right-to-left override, no-break
    // space, combining accent, the Kelvin sign.
    for (text, at) in [
        ("d\u{43e}ctor@x", 1),
        ("\u{ff44}octor@x", 0),
        ("doc\u{200b}tor@x", 3),
        ("doc\u{200d}tor@x", 3),
        ("doc\u{ad}tor@x", 3),
        ("\u{202e}rotcod@x", 0),
        ("doctor\u{a0}@x", 6),
        ("doctor\u{301}@x", 6),
        ("doctor@\u{212a}", 7),
    ] {
        assert!(text.parse::<Attribute>().is_err());
        match text.parse::<Policy>() {
            Err(error @ Error::PolicySyntax { position, .. }) => {
                assert_eq!(position, at, "{text}");
                assert!(excerpt(text, &error).unwrap().contains('^'));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn gates_of_nothing_and_of_too_much_are_refused() {
    for text in ["0 of (a@x)", "3 of (a@x, b@x)", "257 of (a@x)", "2 of ()", "1 of (a@x,)", "-1 of (a@x)"] {
        assert_eq!(text.parse::<Policy>().unwrap_err().code(), "TSL-ABE-001", "{text}");
    }
}

/// Said twice is still one attribute: `2 of (a, a, b)` is satisfied by a alone, and says so.
#[test]
fn duplicates_count_as_written() {
    let world = World::new();
    let ciphertext = encrypted(&world, "2 of (a@x, a@x, b@x)");
    assert_eq!(ciphertext.policy().rows().len(), 3);
    assert_eq!(open(&ciphertext, &issue(&world, &["a@x"])), Ok(()));
    assert_eq!(open(&ciphertext, &issue(&world, &["b@x"])), Err("TSL-ABE-010"));
}

#[test]
fn one_name_under_two_authorities_is_two_attributes() {
    let world = World::new();
    let ciphertext = encrypted(&world, "doctor@x and doctor@y and age@x >= 18");
    let keys = issue(&world, &["doctor@x", "age=18@x", "age=18@y"]);
    assert_eq!(open(&ciphertext, &keys), Err("TSL-ABE-010"));
    let keys = issue(&world, &["doctor@x", "doctor@y", "age=18@y"]);
    assert_eq!(open(&ciphertext, &keys), Err("TSL-ABE-010"));
    let keys = issue(&world, &["doctor@x", "doctor@y", "age=18@x"]);
    assert_eq!(open(&ciphertext, &keys), Ok(()));
}

/// The attack that `docs/decisions/0004-prefixes-not-bit-gates.md` is about: with one attribute per bit, as
/// in BSW07, somebody certified 1 and, later, 2 has the bits of 3 and of 0. With prefixes they have 1 and 2.
#[test]
fn bits_of_two_values_mix_and_prefixes_do_not() {
    let world = World::new();
    let bits = |value: u32| [0, 1].map(|bit| format!("level:b{bit}:{}@x", value >> bit & 1));
    let is = |value| bits(value).join(" and ");
    let (one, two) = (bits(0b01), bits(0b10));
    let held: Vec<&str> = one.iter().chain(&two).map(String::as_str).collect();
    let keys = issue(&world, &held);
    for value in 0..4 {
        assert_eq!(open(&encrypted(&world, &is(value)), &keys), Ok(()), "the attack on bits, {value}");
    }

    let keys = issue(&world, &["level=1@x", "level=2@x"]);
    for value in 0..4 {
        let expected = if [1, 2].contains(&value) { Ok(()) } else { Err("TSL-ABE-010") };
        assert_eq!(open(&encrypted(&world, &format!("level@x = {value}")), &keys), expected, "{value}");
    }
    assert_eq!(open(&encrypted(&world, "level@x >= 3"), &keys), Err("TSL-ABE-010"));
    assert_eq!(open(&encrypted(&world, "level@x < 1"), &keys), Err("TSL-ABE-010"));
    // Two conditions may be met by two values; one range is met by one.
    let keys = issue(&world, &["level=1@x", "level=9@x"]);
    assert_eq!(open(&encrypted(&world, "level@x >= 3 and level@x <= 5"), &keys), Ok(()));
    assert_eq!(open(&encrypted(&world, "level@x in 3..5"), &keys), Err("TSL-ABE-010"));
}

/// Limits that only the normal form exceeds.
#[test]
fn what_is_too_large_in_normal_form_is_so_at_some_place() {
    let alternating = (0..10).fold("z@x".to_owned(), |inner, i| format!("a{i}@x or b{i}@x and ({inner})"));
    let name = "n".repeat(64);
    let long = vec![format!("{name}@{name}"); 255].join(" or ");
    for text in [&alternating, &long] {
        assert!(matches!(text.parse::<Policy>(), Err(Error::PolicyLimit { .. })));
        check_text(text);
        // The same in JSON.
        let json = node_to_json(&text.parse().unwrap());
        assert!(matches!(Policy::from_json(&json), Err(Error::PolicyLimit { .. })));
        check_json(&json);
    }
}

fn node_to_json(node: &Node) -> String {
    match node {
        Node::Gate { threshold, children } => {
            let children: Vec<_> = children.iter().map(node_to_json).collect();
            format!("{{\"atLeast\": {threshold}, \"of\": [{}]}}", children.join(", "))
        }
        leaf => format!("{{\"attribute\": \"{leaf}\"}}"),
    }
}
