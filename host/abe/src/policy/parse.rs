//! Recursive descent over the grammar of [`super`]. Recursion is bounded by [`MAX_DEPTH`].

use super::{MAX_DEPTH, MAX_ROWS, MAX_TEXT_BYTES, Node};
use crate::attribute::is_name_byte;
use crate::{Attribute, Error};

/// The formula written in `text`, not yet normalised.
pub(super) fn parse(text: &str) -> Result<Node, Error> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::PolicyLimit { what: "text too long", position: Some(MAX_TEXT_BYTES) });
    }
    let mut parser = Parser { text, position: 0, depth: 0 };
    let node = parser.policy()?;
    match parser.peek() {
        Token::End => Ok(node),
        Token::Close => Err(parser.error("a parenthesis that was never opened")),
        _ => Err(parser.error("expected `and`, `or` or the end")),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Token<'t> {
    Open,
    Close,
    Comma,
    /// A run of name characters and `@`: a keyword, a number or an attribute.
    Word(&'t str),
    Other,
    End,
}

struct Parser<'t> {
    text: &'t str,
    position: usize,
    depth: usize,
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
            Token::Word(word) if word.contains('@') => {
                let attribute: Attribute = word.parse()?;
                self.position += word.len();
                Ok(Node::Attribute(attribute))
            }
            Token::Word(word) if word.bytes().all(|b| b.is_ascii_digit()) => self.threshold(word),
            Token::Word("and" | "or" | "of") => Err(self.error("a keyword where an attribute should stand")),
            Token::Word(_) => Err(self.error("a word that is no attribute (it has no @) and no keyword")),
            Token::End => Err(self.error("an attribute is missing")),
            _ => Err(self.error("expected an attribute, `(` or `k of (`")),
        }
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
        let bytes = self.text.as_bytes();
        let blank = |b: &&u8| b.is_ascii_whitespace();
        self.position += bytes[self.position..].iter().take_while(blank).count();
        let rest = &bytes[self.position..];
        match rest.first() {
            None => Token::End,
            Some(b'(') => Token::Open,
            Some(b')') => Token::Close,
            Some(b',') => Token::Comma,
            Some(_) => {
                let length = rest.iter().take_while(|&&b| is_name_byte(b) || b == b'@').count();
                match length {
                    0 => Token::Other,
                    _ => Token::Word(&self.text[self.position..self.position + length]),
                }
            }
        }
    }

    fn error(&self, problem: &'static str) -> Error {
        Error::PolicySyntax { position: self.position, problem }
    }
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

    #[test]
    fn canonical_text() {
        for (text, canonical) in [
            ("a@x", "a@x"),
            (" ( (a@x) ) ", "a@x"),
            ("a@x and b@x or c@x and d@x", "(a@x and b@x) or (c@x and d@x)"),
            ("a@x and (b@x and c@x)", "a@x and (b@x and c@x)"),
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
        ] {
            match text.parse::<Policy>() {
                Err(Error::PolicySyntax { position, .. }) => assert_eq!(position, at, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert_eq!("a@x and b@@y".parse::<Policy>().unwrap_err().code(), "TSL-ABE-004");
    }

    #[test]
    fn limits_hold() {
        let wide = |n: usize| vec!["a@x"; n].join(" and ");
        assert_eq!(wide(MAX_ROWS).parse::<Policy>().unwrap().rows().len(), MAX_ROWS);
        let deep = |n: usize| format!("{}a@x{}", "(".repeat(n), ")".repeat(n));
        assert!(deep(MAX_DEPTH).parse::<Policy>().is_ok());
        for text in [wide(MAX_ROWS + 1), deep(MAX_DEPTH + 1), deep(10_000), " ".repeat(MAX_TEXT_BYTES + 1)] {
            assert_eq!(text.parse::<Policy>().unwrap_err().code(), "TSL-ABE-002");
        }
    }
}
