//! Policies as people and programs give them: the text of [`Policy`], or its JSON.

use twinseal_abe::Policy;
use twinseal_abe::policy::excerpt;

use crate::Error;

/// Parses a policy: JSON if it starts with `{`.
pub fn parse(text: &str) -> Result<Policy, Error> {
    Ok(read(text)?)
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
    fn both_forms_are_read_and_the_place_of_an_error_is_shown() {
        let policy = parse("doctor@hospital and age@hospital >= 18").unwrap();
        assert_eq!(parse(&format!(" {}", policy.to_json())).unwrap(), policy);
        assert_eq!(complaint("doctor@hospital"), None);
        assert!(complaint("doctor@hospital and").unwrap().contains('^'));
        assert!(complaint(r#"{"attribute": 7}"#).unwrap().contains('^'));
    }
}
