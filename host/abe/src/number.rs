//! Numbers as policies and claims write them: an integer, or a date as its days since 1970-01-01.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// A number of 32 bits and how it is written. `20778` and `2026-11-21` are the same value in two notations,
/// and not equal here, since the text of a policy is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    value: u32,
    notation: Notation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Notation {
    Integer,
    Date,
}

/// Days from 1970-01-01 to 9999-12-31, the last date with a year of four digits.
const LAST_DAY: u32 = 2_932_896;

impl Number {
    /// An integer.
    pub const fn integer(value: u32) -> Self {
        Self { value, notation: Notation::Integer }
    }

    /// A day, counted from 1970-01-01, in the proleptic Gregorian calendar. Days after 9999-12-31 have no
    /// date and are written as integers.
    pub const fn day(days: u32) -> Self {
        let notation = if days <= LAST_DAY { Notation::Date } else { Notation::Integer };
        Self { value: days, notation }
    }

    /// The integer, or the days since 1970-01-01.
    pub const fn value(self) -> u32 {
        self.value
    }

    /// Whether it is written as a date.
    pub const fn is_date(self) -> bool {
        matches!(self.notation, Notation::Date)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::integer(value)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.notation {
            Notation::Integer => write!(f, "{}", self.value),
            Notation::Date => {
                let (year, month, day) = date_of(self.value);
                write!(f, "{year:04}-{month:02}-{day:02}")
            }
        }
    }
}

/// Digits without a leading zero, or `YYYY-MM-DD`. Fails with [`Error::Number`].
impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|problem| Error::Number { text: text.chars().take(80).collect(), problem })
    }
}

impl Number {
    /// Parses a number; on failure says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.as_bytes() {
            [] => Err("a number or a date is missing"),
            &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] => {
                let [year, month, day] = [&[y1, y2, y3, y4][..], &[m1, m2], &[d1, d2]].map(decimal);
                let fields = year.zip(month).zip(day);
                let ((year, month), day) = fields.ok_or("neither a number nor a date YYYY-MM-DD")?;
                Ok(Self { value: days_of(year, month, day)?, notation: Notation::Date })
            }
            digits if !digits.iter().all(u8::is_ascii_digit) => Err("neither a number nor a date YYYY-MM-DD"),
            [b'0', _, ..] => Err("a number with a leading zero"),
            _ => text.parse().map(Self::integer).map_err(|_| "a number above 4294967295"),
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u32> {
    let push = |sum, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'));
    digits.iter().try_fold(0, push)
}

fn days_of(year: u32, month: u32, day: u32) -> Result<u32, &'static str> {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return Err("a date with no such month"),
    };
    if !(1..=days_in_month).contains(&day) {
        return Err("a date with no such day");
    }
    if year < 1970 {
        return Err("a date before 1970-01-01");
    }
    Ok(days_from_year_0(year, month, day) - days_from_year_0(1970, 1, 1))
}

/// Days since 0000-03-01. Years begin in March here, so that the leap day is their last.
fn days_from_year_0(year: u32, month: u32, day: u32) -> u32 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    // 153 days in five months from March: 31 30 31 30 31.
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
}

/// The inverse of [`days_of`].
fn date_of(days: u32) -> (u32, u32, u32) {
    let days = days + days_from_year_0(1970, 1, 1);
    let in_era = days % 146_097;
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + days / 146_097 * 400 + u32::from(month >= 10);
    (year, (month + 2) % 12 + 1, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1970-12-31", 364),
            ("2000-02-29", 11_016),
            ("2026-11-21", 20_778),
            ("2027-01-01", 20_819),
            ("9999-12-31", LAST_DAY),
        ] {
            let number: Number = text.parse().unwrap();
            assert_eq!((number.value(), number.is_date()), (days, true), "{text}");
            assert_eq!(number.to_string(), text);
            assert_eq!(Number::day(days), number);
        }
        assert_eq!(Number::day(LAST_DAY + 1).to_string(), "2932897");
    }

    /// Against a calendar that counts day by day.
    #[test]
    fn every_day_round_trips_in_order() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=LAST_DAY {
            assert_eq!(date_of(days), (year, month, day));
            assert_eq!(days_of(year, month, day), Ok(days));
            day += 1;
            if days_of(year, month, day).is_err() {
                (month, day) = (month + 1, 1);
            }
            if month == 13 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "-1",
            "+1",
            "00",
            "007",
            "4294967296",
            "1e3",
            "1.5",
            "0x10",
            "٣",
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-01-00",
            "1969-12-31",
            "0000-01-01",
            "2026-1-1",
            "26-11-21",
            "2026-11-2x",
            "20261-1-21",
            "2026/11/21",
        ] {
            assert_eq!(text.parse::<Number>().unwrap_err().code(), "TSL-ABE-028", "{text}");
        }
        assert_eq!("0".parse(), Ok(Number::integer(0)));
        assert_eq!("4294967295".parse(), Ok(Number::integer(u32::MAX)));
    }
}
