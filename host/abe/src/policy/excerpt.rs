//! Showing people the place that an error means.

use crate::Error;

/// Characters shown on either side of the place.
const CONTEXT: usize = 40;

/// The part of `text` that `error` is about, and a caret under the place; nothing for an error without a
/// position. Two lines without the last line feed:
///
/// ```
/// let text = "doctor@hospital and (nurse@ward or )";
/// let error = text.parse::<twinseal_abe::Policy>().unwrap_err();
/// assert_eq!(
///     twinseal_abe::policy::excerpt(text, &error).unwrap(),
///     "doctor@hospital and (nurse@ward or )\n\
///      \u{20}                                  ^ expected an attribute, `(` or `k of (`",
/// );
/// ```
pub fn excerpt(text: &str, error: &Error) -> Option<String> {
    let (position, problem) = match error {
        Error::PolicySyntax { position, problem } => (*position, *problem),
        Error::PolicyLimit { position: Some(position), what } => (*position, *what),
        Error::PolicyJson { position, problem } => (*position, problem.as_str()),
        _ => return None,
    };
    let position = (0..=position.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (before, after) = text.split_at(position);
    let line_before = before.rsplit('\n').next().unwrap_or_default();
    let line_after = after.split('\n').next().unwrap_or_default();

    let hidden = line_before.chars().count().saturating_sub(CONTEXT);
    let mut shown: String = if hidden > 0 { "...".into() } else { String::new() };
    shown.extend(line_before.chars().skip(hidden).map(visible));
    let caret = shown.chars().count();
    shown.extend(line_after.chars().take(CONTEXT).map(visible));
    if line_after.chars().nth(CONTEXT).is_some() {
        shown.push_str("...");
    }
    Some(format!("{shown}\n{:caret$}^ {problem}", ""))
}

/// Control characters would move the caret or the terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn of(text: &str) -> String {
        excerpt(text, &text.parse::<Policy>().unwrap_err()).unwrap()
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(
            of("a@x\nand\tb@x c@x\nand d@x"),
            "and b@x c@x\n        ^ expected `and`, `or` or the end"
        );
        let long = vec!["aaa@xxx"; 20].join(" and ") + " & " + &vec!["aaa@xxx"; 20].join(" and ");
        let shown = of(&long);
        let (line, caret) = shown.split_once('\n').unwrap();
        assert_eq!(line.len(), 3 + CONTEXT + CONTEXT + 3);
        assert_eq!(line.as_bytes()[caret.find('^').unwrap()], b'&');
        assert_eq!(of("\u{1b}[2J"), "\u{fffd}[2J\n^ expected an attribute, `(` or `k of (`");
    }

    #[test]
    fn errors_without_a_place_have_no_excerpt() {
        assert_eq!(excerpt("a@x", &Error::Commitment), None);
        assert!(excerpt("\u{e4}", &Error::PolicySyntax { position: 1, problem: "p" }).is_some());
        assert!(excerpt("", &Error::PolicySyntax { position: 9, problem: "p" }).is_some());
    }
}
