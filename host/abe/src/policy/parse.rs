//! Recursive descent over the grammar of [`super`]. Recursion is bounded by [`MAX_DEPTH`], and every error
//! says at which byte.

use super::{Comparison, MAX_DEPTH, MAX_INPUT_BYTES, MAX_ROWS, Node, Relation};
use crate::attribute::is_name_byte;
use crate::{Attribute, Error, Number};

/// The formula written in `text`, not yet normalised, and where its deepest parenthesis begins.
pub(super) fn parse(text: &str) -> Result<(Node, usize), Error> {
    if text.len() > MAX_INPUT_BYTES {
        return Err(Error::PolicyLimit { what: "text too long", position: Some(MAX_INPUT_BYTES) });
    }
    let mut parser = Parser { text, position: 0, depth: 0, rows: 0, deepest: (0, 0) };
    let node = parser.policy()?;
    match parser.peek() {
        Token::End => Ok((node, parser.deepest.1)),
        Token::Close => Err(parser.error("a parenthesis that was never opened")),
        _ => Err(parser.error("expected `and`, `or` or the end")),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Token<'t> {
    Open,
    Close,
    Comma,
    /// A run of `<`, `>` and `=`.
    Operator(&'t str),
    /// A run of name characters, `@` and `#`: a keyword, a count or an attribute.
    Word(&'t str),
    Other,
    End,
}

struct Parser<'t> {
    text: &'t str,
    position: usize,
    depth: usize,
    rows: usize,
    /// The depth and position of the first of the deepest parentheses.
    deepest: (usize, usize),
}

impl<'t> Parser<'t> {
    fn policy(&mut self) -> Result<Node, Error> {
        let mut children = vec![self.all()?];
        while self.accept(Token::Word("or")) {
            children.push(self.all()?);
        }
        Ok(gate(1, children))
    }

    fn all(&mut self) -> Result<Node, Error> {
        let mut children = vec![self.one()?];
        while self.accept(Token::Word("and")) {
            children.push(self.one()?);
        }
        Ok(gate(children.len(), children))
    }

    fn one(&mut self) -> Result<Node, Error> {
        match self.peek() {
            Token::Open => self.parenthesised(|parser| parser.policy()),
            Token::Word(word) if word.contains('@') => self.leaf(word),
            Token::Word(word) if word.bytes().all(|b| b.is_ascii_digit()) => self.threshold(word),
            Token::Word("and" | "or" | "of" | "in") => {
                Err(self.error("a keyword where an attribute should stand"))
            }
            Token::Word(_) => Err(self.error("a word that is no attribute (it has no @) and no keyword")),
            Token::End => Err(self.error("an attribute is missing")),
            _ => Err(self.error("expected an attribute, `(` or `k of (`")),
        }
    }

    /// An attribute, or a comparison if an operator follows.
    fn leaf(&mut self, word: &str) -> Result<Node, Error> {
        let start = self.position;
        let attribute = Attribute::parse(word)
            .map_err(|bad| Error::PolicySyntax { position: start + bad.position, problem: bad.problem })?;
        self.position += word.len();
        let operator_position;
        let relation = match self.peek() {
            Token::Operator(operator) => {
                operator_position = self.position;
                self.position += operator.len();
                Relation::to_one(operator, self.number()?).ok_or(Error::PolicySyntax {
                    position: operator_position,
                    problem: "an operator other than >= > <= < = and `in`",
                })?
            }
            Token::Word("in") => {
                operator_position = self.position;
                self.position += 2;
                let first = self.number()?;
                self.skip_blanks();
                if !self.text[self.position..].starts_with("..") {
                    return Err(self.error("expected `..` between the ends of a range"));
                }
                self.position += 2;
                Relation::Within(first, self.number()?)
            }
            _ => {
                self.count_rows(1, start)?;
                return Ok(Node::Attribute(attribute));
            }
        };
        if attribute.prefix().is_some() {
            return Err(Error::PolicySyntax {
                position: start,
                problem: "a comparison of a part of a number",
            });
        }
        let comparison = Comparison::new(&attribute, relation).map_err(|_| Error::PolicySyntax {
            position: operator_position,
            problem: "a comparison that no number satisfies",
        })?;
        self.count_rows(comparison.attributes().count(), start)?;
        Ok(Node::Comparison(comparison))
    }

    /// An integer or a date. Ends before `..`; no other name character may follow at once.
    fn number(&mut self) -> Result<Number, Error> {
        self.skip_blanks();
        let rest = &self.text[self.position..];
        let word = &rest[..rest.bytes().take_while(|&b| is_word_byte(b)).count()];
        let word = word.find("..").map_or(word, |end| &word[..end]);
        let number = Number::parse(word).map_err(|problem| self.error(problem))?;
        self.position += word.len();
        Ok(number)
    }

    fn count_rows(&mut self, rows: usize, start: usize) -> Result<(), Error> {
        self.rows += rows;
        if self.rows > MAX_ROWS {
            return Err(Error::PolicyLimit { what: "too many rows", position: Some(start) });
        }
        Ok(())
    }

    fn threshold(&mut self, number: &str) -> Result<Node, Error> {
        let start = self.position;
        let threshold = match number.parse::<usize>() {
            Ok(threshold @ 1..=MAX_ROWS) => threshold,
            _ => return Err(self.error("a threshold that is zero or too large")),
        };
        self.position += number.len();
        if !self.accept(Token::Word("of")) {
            return Err(self.error("expected `of` after a number"));
        }
        if self.peek() != Token::Open {
            return Err(self.error("expected `(` after `of`"));
        }
        let children = self.parenthesised(|parser| {
            let mut children = vec![parser.policy()?];
            while parser.accept(Token::Comma) {
                children.push(parser.policy()?);
            }
            Ok(children)
        })?;
        if threshold > children.len() {
            return Err(Error::PolicySyntax {
                position: start,
                problem: "a threshold above the number of choices",
            });
        }
        Ok(Node::Gate { threshold, children })
    }

    /// `inner` between the parenthesis that stands here and its partner.
    fn parenthesised<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::PolicyLimit { what: "nested too deeply", position: Some(self.position) });
        }
        self.depth += 1;
        if self.depth > self.deepest.0 {
            self.deepest = (self.depth, self.position);
        }
        self.position += 1;
        let result = inner(self)?;
        if !self.accept(Token::Close) {
            return Err(self.error("expected `)`, `and` or `or`"));
        }
        self.depth -= 1;
        Ok(result)
    }

    fn accept(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == token;
        if found {
            self.position += if let Token::Word(word) = token { word.len() } else { 1 };
        }
        found
    }

    /// The token at the next position that is no white space; moves there.
    fn peek(&mut self) -> Token<'t> {
        self.skip_blanks();
        let rest = &self.text[self.position..];
        let run = |belongs: fn(u8) -> bool| &rest[..rest.bytes().take_while(|&b| belongs(b)).count()];
        match rest.as_bytes().first() {
            None => Token::End,
            Some(b'(') => Token::Open,
            Some(b')') => Token::Close,
            Some(b',') => Token::Comma,
            Some(&byte) if is_operator_byte(byte) => Token::Operator(run(is_operator_byte)),
            Some(&byte) if is_word_byte(byte) => Token::Word(run(is_word_byte)),
            Some(_) => Token::Other,
        }
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.position..];
        self.position += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    }

    fn error(&self, problem: &'static str) -> Error {
        Error::PolicySyntax { position: self.position, problem }
    }
}

/// Letters beyond ASCII belong to a word, where they are refused at their own place: look-alikes.
fn is_word_byte(byte: u8) -> bool {
    is_name_byte(byte) || matches!(byte, b'@' | b'#') || !byte.is_ascii()
}

fn is_operator_byte(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'=')
}

fn gate(threshold: usize, mut children: Vec<Node>) -> Node {
    match children.len() {
        1 => children.remove(0),
        _ => Node::Gate { threshold, children },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;
    use crate::policy::MAX_TEXT_BYTES;

    #[test]
    fn canonical_text() {
        for (text, canonical) in [
            ("a@x", "a@x"),
            (" ( (a@x) ) ", "a@x"),
            ("a@x and b@x or c@x and d@x", "(a@x and b@x) or (c@x and d@x)"),
            ("a@x and (b@x and c@x)", "a@x and b@x and c@x"),
            (
                "(a@x or b@x) or (c@x and (d@x and (1 of (e@x, (f@x or g@x)))))",
                "a@x or b@x or (c@x and d@x and (e@x or f@x or g@x))",
            ),
            ("2 of (a@x, 2 of (b@x, c@x), d@x)", "2 of (a@x, (b@x and c@x), d@x)"),
            ("1 of (a@x,b@x)", "a@x or b@x"),
            ("2 of(a@x,b@x)", "a@x and b@x"),
            ("1 of (a@x)", "a@x"),
            (
                "2 of (a@x, b@y and c@y, 2 of (d@x, e@x, f@x))",
                "2 of (a@x, (b@y and c@y), 2 of (d@x, e@x, f@x))",
            ),
            ("A@X and a@x and a@x", "A@X and a@x and a@x"),
            ("and@x or of@and", "and@x or of@and"),
            ("1@2 and\n3@4", "1@2 and 3@4"),
            ("a@x>=18 and b@x", "a@x >= 18 and b@x"),
            ("a@x <18 or a@x >\t9 or a@x<=0", "a@x < 18 or a@x > 9 or a@x <= 0"),
            ("(a@x=2026-11-21)", "a@x = 2026-11-21"),
            ("a@x in 18..65", "a@x in 18..65"),
            ("a@x in\n18 .. 2026-11-21 and in@x in 0..0", "a@x in 18..2026-11-21 and in@x in 0..0"),
            ("a#01@x and a#@x", "a#01@x and a#@x"),
        ] {
            let policy: Policy = text.parse().unwrap();
            assert_eq!(policy.to_string(), canonical);
            assert_eq!(canonical.parse::<Policy>().unwrap(), policy);
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, at) in [
            ("", 0),
            ("   ", 3),
            ("a@x and", 7),
            ("a@x b@x", 4),
            ("a@x AND b@x", 4),
            ("a@x & b@x", 4),
            ("(a@x", 4),
            ("a@x)", 3),
            ("()", 1),
            ("doctor and a@x", 0),
            ("a@x and or b@x", 8),
            ("3 of (a@x, b@x)", 0),
            ("0 of (a@x)", 0),
            ("99999999999999999999999 of (a@x)", 0),
            ("2 (a@x, b@x)", 2),
            ("2 of a@x", 5),
            ("2 of (a@x, )", 11),
            ("a@x, b@x", 3),
            ("a@x and \u{e4}@x", 8),
            ("a@x\u{a0}and b@x", 3),
            ("a@x and b@@y", 10),
            ("a@x and b@y@z", 11),
            ("a@x and doc\u{442}or@y", 11),
            ("a@x and -b@y", 8),
            ("a@x and b@.y", 10),
            ("a@x and b#012@y", 10),
            ("a@x and b@", 10),
            ("a@x == 3", 4),
            ("a@x => 3", 4),
            ("a@x <> 3", 4),
            ("a@x > 4294967295", 4),
            ("a@x < 0", 4),
            ("b@x or a@x in 5..4", 11),
            ("a@x >=", 6),
            ("a@x >= b@x", 7),
            ("a@x >= 18and b@x", 7),
            ("a@x >= 018", 7),
            ("a@x >= -1", 7),
            ("a@x >= 4294967296", 7),
            ("a@x >= 2026-02-30", 7),
            ("a@x in 5", 8),
            ("a@x in 5..", 10),
            ("a@x in 5...6", 10),
            ("a@x in ..6", 7),
            ("a@x in 5.6", 7),
            ("18 <= a@x", 3),
            ("a#0@x >= 3", 0),
            ("a@x >= 3 >= 4", 9),
            ("in 5..6", 0),
        ] {
            match text.parse::<Policy>() {
                Err(Error::PolicySyntax { position, .. }) => assert_eq!(position, at, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn limits_hold() {
        let wide = |n: usize| vec!["a@x"; n].join(" and ");
        assert_eq!(wide(MAX_ROWS).parse::<Policy>().unwrap().rows().len(), MAX_ROWS);
        let compare = |n: usize| vec!["a@x in 1..4294967294"; n].join(" and ");
        assert_eq!(compare(4).parse::<Policy>().unwrap().rows().len(), 4 * 62);
        let deep = |n: usize| format!("{}a@x{}", "(".repeat(n), ")".repeat(n));
        assert!(deep(MAX_DEPTH).parse::<Policy>().is_ok());
        assert!((" ".repeat(MAX_INPUT_BYTES - 3) + "a@x").parse::<Policy>().is_ok());
        for (text, at) in [
            (wide(MAX_ROWS + 1), 8 * MAX_ROWS),
            (compare(5), 4 * 25),
            (format!("{} and a@x in 0..2", wide(MAX_ROWS - 1)), 8 * (MAX_ROWS - 1)),
            (deep(MAX_DEPTH + 1), MAX_DEPTH),
            (deep(10_000), MAX_DEPTH),
            ("1 of (".repeat(5000), 6 * MAX_DEPTH + 5),
            (" ".repeat(MAX_INPUT_BYTES + 1), MAX_INPUT_BYTES),
        ] {
            match text.parse::<Policy>() {
                Err(Error::PolicyLimit { position, .. }) => assert_eq!(position, Some(at)),
                other => panic!("{other:?}"),
            }
        }
        // Short enough to read, too long in normal form.
        let name = "n".repeat(64);
        let long = vec![format!("{name}@{name}"); 255].join(" or ");
        assert!(long.len() > MAX_TEXT_BYTES && long.len() < MAX_INPUT_BYTES);
        let too_long = Error::PolicyLimit { what: "text too long", position: Some(MAX_TEXT_BYTES) };
        assert_eq!(long.parse::<Policy>(), Err(too_long));
        // Few parentheses, but two gates in each.
        let alternating = |n: usize| {
            (0..n).rev().fold("z@x".to_owned(), |inner, i| format!("a{i}@x or b{i}@x and ({inner})"))
        };
        assert!(alternating(MAX_DEPTH / 2).parse::<Policy>().is_ok());
        let text = alternating(MAX_DEPTH / 2 + 2);
        let position = text.rfind('(');
        assert!(position.is_some());
        let too_deep = Error::PolicyLimit { what: "nested too deeply", position };
        assert_eq!(text.parse::<Policy>(), Err(too_deep));
    }
}
