//! Untrusted bytes to lines of text, and a line to its comma-separated fields (RFC 4180, without line
//! breaks inside quotes).

use super::MAX_INPUT_BYTES;
use crate::{Error, Result};
use std::borrow::Cow;

/// Longest line, without its end.
pub const MAX_LINE_BYTES: usize = 4096;

/// Most fields of a line; a Dexcom export has 13 or 14.
const MAX_FIELDS: usize = 64;

const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
}

/// The lines that are not blank, ended by LF, CR LF or the end of the bytes, without a byte order mark.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() > MAX_INPUT_BYTES {
            return Err(Error::InputTooLarge { bytes: bytes.len() as u64, limit: MAX_INPUT_BYTES });
        }
        Ok(Self { rest: bytes.strip_prefix(BOM).unwrap_or(bytes), number: 0 })
    }

    fn text(&self, raw: &'a [u8]) -> Result<&'a str> {
        let line = self.number;
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if raw.len() > MAX_LINE_BYTES {
            return Err(Error::LineTooLong { line, limit: MAX_LINE_BYTES });
        }
        let not_text = |at| Error::NotText { line, column: at + 1 };
        let text = std::str::from_utf8(raw).map_err(|e| not_text(e.valid_up_to()))?;
        match text.find(|c: char| c.is_control() && c != '\t') {
            Some(at) => Err(not_text(at)),
            None => Ok(text),
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|&b| b == b'\n').unwrap_or(self.rest.len());
            let raw = &self.rest[..end];
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            self.number += 1;
            match self.text(raw) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => return Some(Ok(Line { number: self.number, text })),
                Err(e) => return Some(Err(e)),
            }
        }
        None
    }
}

/// The fields of a line, trimmed, quotes removed. More than [`MAX_FIELDS`] count as that many plus one.
pub(super) fn fields<'a>(line: Line<'a>) -> Result<Vec<Cow<'a, str>>> {
    let mut fields = Vec::new();
    let mut rest = Some(line.text);
    while let Some(text) = rest {
        if fields.len() > MAX_FIELDS {
            break;
        }
        let unclosed = Error::Quote { line: line.number, column: fields.len() + 1 };
        let (field, after) = match text.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or(unclosed)?,
            None => match text.split_once(',') {
                Some((field, after)) => (Cow::Borrowed(field.trim()), Some(after)),
                None => (Cow::Borrowed(text.trim()), None),
            },
        };
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

/// `text` starts behind an opening quote: the field, and what follows the next comma.
fn unquote(text: &str) -> Option<(Cow<'_, str>, Option<&str>)> {
    let mut from = 0;
    loop {
        let quote = from + text[from..].find('"')?;
        let after = &text[quote + 1..];
        if after.starts_with('"') {
            from = quote + 2;
            continue;
        }
        let field = match &text[..quote] {
            plain if from == 0 => Cow::Borrowed(plain),
            doubled => Cow::Owned(doubled.replace("\"\"", "\"")),
        };
        let after = after.trim_start();
        return match after.strip_prefix(',') {
            Some(rest) => Some((field, Some(rest))),
            None => after.is_empty().then_some((field, None)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_any_way_and_keep_their_numbers() {
        let lines: Vec<_> = Lines::new(b"\xef\xbb\xbfa\r\n\n b \nc").unwrap().map(|l| l.unwrap()).collect();
        let seen: Vec<_> = lines.iter().map(|l| (l.number, l.text)).collect();
        assert_eq!(seen, [(1, "a"), (3, " b "), (4, "c")]);
    }

    #[test]
    fn what_is_not_text_is_named_by_line_and_column() {
        let error = |b: &[u8]| Lines::new(b).unwrap().find_map(|l| l.err()).unwrap();
        assert_eq!(error(b"ok\nab\xff"), Error::NotText { line: 2, column: 3 });
        assert_eq!(error(b"PK\x03\x04"), Error::NotText { line: 1, column: 3 });
        assert_eq!(error(&[b'x'; MAX_LINE_BYTES + 1]).code(), "TSL-TWN-021");
        assert!(Lines::new(&[b'x'; MAX_LINE_BYTES]).unwrap().next().unwrap().is_ok());
    }

    #[test]
    fn fields_follow_rfc_4180() {
        let of = |text| fields(Line { number: 7, text });
        assert_eq!(of("a, b ,,").unwrap(), ["a", "b", "", ""]);
        assert_eq!(of("\"a, b\" ,\"say \"\"hi\"\"\",c").unwrap(), ["a, b", "say \"hi\"", "c"]);
        assert_eq!(of("\"\"").unwrap(), [""]);
        assert_eq!(of("a,\"b"), Err(Error::Quote { line: 7, column: 2 }));
        assert_eq!(of("\"a\"b,c"), Err(Error::Quote { line: 7, column: 1 }));
        assert!(of(&",".repeat(4000)).unwrap().len() <= MAX_FIELDS + 1);
    }
}
