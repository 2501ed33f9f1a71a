//! Local times without a zone, as milliseconds since 1970-01-01T00:00:00 on the same clock.

use crate::series::START_MS;

/// Reads `YYYY-MM-DD hh:mm`, with `T` or a space between, optional `:ss` and optional fraction (cut to
/// milliseconds). `None` for anything else, for a zone suffix, and outside the years 2000 to 2099.
#[must_use]
pub fn parse_local(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let mut time = time.split(':');
    let (hour, minute) = (digits(time.next()?, 2)?, digits(time.next()?, 2)?);
    let (second, milli) = match time.next() {
        None => (0, 0),
        Some(s) => match s.split_once('.') {
            None => (digits(s, 2)?, 0),
            Some((s, fraction)) => (digits(s, 2)?, milliseconds(fraction)?),
        },
    };
    let complete = date.next().is_none() && time.next().is_none();
    let exists = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !(complete && exists) {
        return None;
    }
    let seconds = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1000 + milli).filter(|ms| START_MS.contains(ms))
}

/// Writes `YYYY-MM-DD hh:mm:ss`, the form of a Dexcom export. Fractions of a second are dropped.
#[must_use]
pub fn format_local(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn digits(text: &str, n: usize) -> Option<i64> {
    (text.len() == n && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn milliseconds(fraction: &str) -> Option<i64> {
    let valid = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| format!("{fraction:0<3}")[..3].parse().ok())?
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * m + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        // date -u -d '2020-02-29 23:59:59' +%s
        assert_eq!(parse_local("2020-02-29 23:59:59"), Some(1_583_020_799_000));
        assert_eq!(parse_local("2020-02-29T23:59"), Some(1_583_020_740_000));
        assert_eq!(parse_local("2000-01-01 00:00:00.25"), Some(946_684_800_250));
        assert_eq!(parse_local("2099-12-31 23:59:59.999999"), Some(START_MS.end - 1));
    }

    #[test]
    fn what_is_not_a_local_time() {
        for bad in [
            "",
            "2020-02-30 00:00:00",
            "2021-02-29 00:00:00",
            "2020-13-01 00:00:00",
            "2020-00-10 00:00:00",
            "2020-01-01 24:00:00",
            "2020-01-01 00:60:00",
            "2020-01-01 00:00:60",
            "1999-12-31 23:59:59",
            "2100-01-01 00:00:00",
            "9999999-01-01 00:00:00",
            "2020-01-01 00:00:00Z",
            "2020-01-01 00:00:00+01:00",
            "2020-1-1 00:00:00",
            "01/02/2020 10:00",
            "2020-01-01",
            "2020-01-01  00:00:00",
            "2020-01-01 00:00:00.",
            "+020-01-01 00:00:00",
            "2020-01-01 00:00:00:00",
            "2020-01-01-01 00:00:00",
        ] {
            assert_eq!(parse_local(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_are_inverse(seconds in START_MS.start / 1000..START_MS.end / 1000) {
            prop_assert_eq!(parse_local(&format_local(seconds * 1000)), Some(seconds * 1000));
        }
    }
}
