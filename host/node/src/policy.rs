//! Policies as people and programs give them: the text of [`Policy`], or its JSON.

use twinseal_abe::Policy;
use twinseal_abe::policy::{Node, excerpt};

use crate::Error;

/// Parses a policy: JSON if it starts with `{`.
pub fn parse(text: &str) -> Result<Policy, Error> {
    Ok(read(text)?)
}

/// `policy or recovery`, once: a policy whose alternatives have those of `recovery` among them stays as it is.
pub fn with_recovery(policy: &Policy, recovery: &Policy) -> Result<Policy, Error> {
    let mut all = alternatives(policy.formula());
    let missing: Vec<_> = alternatives(recovery.formula()).into_iter().filter(|r| !all.contains(r)).collect();
    all.extend(missing);
    let children = all.into_iter().cloned().collect();
    Ok(Policy::from_formula(Node::Gate { threshold: 1, children })?)
}

/// What stands beside each other under the outermost `or`.
fn alternatives(formula: &Node) -> Vec<&Node> {
    match formula {
        Node::Gate { threshold: 1, children } => children.iter().collect(),
        one => vec![one],
    }
}

/// Where `text` fails to be a policy, for people; nothing if it is one, or fails as a whole.
pub fn complaint(text: &str) -> Option<String> {
    excerpt(text, &read(text).err()?)
}

fn read(text: &str) -> Result<Policy, twinseal_abe::Error> {
    if text.trim_start().starts_with('{') { Policy::from_json(text) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_an_alternative_and_is_added_once() {
        let recovery = parse("kin@hospital and notary@registry or executor@court").unwrap();
        for (policy, whole) in [
            ("a@x", "a@x or (kin@hospital and notary@registry) or executor@court"),
            ("a@x and b@x", "(a@x and b@x) or (kin@hospital and notary@registry) or executor@court"),
            (
                "2 of (a@x, b@x, c@x)",
                "2 of (a@x, b@x, c@x) or (kin@hospital and notary@registry) or executor@court",
            ),
            ("executor@court or a@x", "executor@court or a@x or (kin@hospital and notary@registry)"),
            // Inside a conjunction it is not an alternative.
            (
                "executor@court and a@x",
                "(executor@court and a@x) or (kin@hospital and notary@registry) or executor@court",
            ),
        ] {
            let once = with_recovery(&parse(policy).unwrap(), &recovery).unwrap();
            assert_eq!(once, parse(whole).unwrap(), "{policy}");
            assert_eq!(with_recovery(&once, &recovery).unwrap(), once, "{policy}");
        }
    }

    #[test]
    fn both_forms_are_read_and_the_place_of_an_error_is_shown() {
        let policy = parse("doctor@hospital and age@hospital >= 18").unwrap();
        assert_eq!(parse(&format!(" {}", policy.to_json())).unwrap(), policy);
        assert_eq!(complaint("doctor@hospital"), None);
        assert!(complaint("doctor@hospital and").unwrap().contains('^'));
        assert!(complaint(r#"{"attribute": 7}"#).unwrap().contains('^'));
    }
}
