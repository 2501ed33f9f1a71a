//! Time limits and revocation: a time authority whose attribute `epoch` is a number, one per day.
//!
//! On each day every user in good standing gets keys for that day's epoch, and a policy that shall hold for
//! a time only asks for an epoch in a window of days, next to what else it asks for. Both are ordinary
//! numbers ([`crate::Prefix`]): the day's keys are the 33 prefixes of the day, of which
//! a renewal sends those that the user does not have yet, two on average; a window of w days has
//! about 2 log2(w) rows at most. The keys are bound to the user like all others and cannot be pooled.
//!
//! ```
//! # fn main() -> Result<(), twinseal_abe::Error> {
//! use twinseal_abe::{Attribute, Authority, Policy, rand_core::OsRng, time::{Clock, Epoch}};
//! let clock = Clock::new("clock".parse()?);
//! let today: Epoch = "2026-11-21".parse()?;
//!
//! let policy: Policy = "doctor@hospital".parse()?;
//! let policy = policy.within(&clock, today..=today + 30)?;
//! assert_eq!(policy.as_str(), "doctor@hospital and epoch@clock in 2026-11-21..2026-12-21");
//!
//! // What the time authority does, every day and for every user who is not revoked.
//! let authority = Authority::setup(clock.authority().clone(), &mut OsRng);
//! let first: Vec<Attribute> = clock.renewal(None, today);
//! let next: Vec<Attribute> = clock.renewal(Some(today), today + 1);
//! assert_eq!((first.len(), next.len()), (33, 1));
//! let keys = authority.issue(&"alice".parse()?, &first, &mut OsRng)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! - **A window** opens to those who also had a key of one of its days. Who comes after its last day, or was
//!   revoked before its first, gets no such key and cannot read.
//! - **Revocation** is to issue no further epochs to the user. From the next day on, whatever is
//!   encapsulated with a window that begins no earlier is closed to that user, whatever else they hold.
//!
//! # What it does not protect against
//!
//! - What a reader could open once stays readable to that reader: they may have kept the data.
//! - A key of a day opens every policy of the same clock whose window holds that day, for ever and however
//!   late the policy was written. So a deadline does not take anything away from those who had a key of
//!   the window: they can open on the day after, too. And a window that begins in the past opens to
//!   everybody revoked since; there is no `until` without a beginning here for that reason.
//! - Records sealed before a revocation stay open to the revoked. Where that must end at once, encapsulate
//!   their keys anew; what was fetched before is out of reach.
//! - A helper that deletes a user's transform key stops only a user who kept no attribute keys.
//! - A policy without a window is not limited in time, and nothing revokes a key to it short of rotating the
//!   authority.
//! - The time authority is believed: it can issue any day to anybody, early or late. It opens nothing alone,
//!   as long as policies ask for something of another authority too. A day is a day of *its* clock, in UTC.
//! - Revocation takes until the end of the day.

use crate::policy::{Comparison, Relation};
use crate::{Attribute, AuthorityId, Error, Number, NumberClaim, Policy, Prefix};
use std::fmt;
use std::ops::{Add, RangeInclusive};
use std::str::FromStr;

/// Seconds of an epoch: one day.
pub const EPOCH_SECONDS: u64 = 24 * 60 * 60;

/// A day, as the number of days since 1970-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The day of this number.
    pub const fn new(days: u32) -> Self {
        Self(days)
    }

    /// The day at `seconds` after 1970-01-01 00:00 UTC, without leap seconds.
    pub fn of_unix_time(seconds: u64) -> Self {
        Self(u32::try_from(seconds / EPOCH_SECONDS).unwrap_or(u32::MAX))
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> u32 {
        self.0
    }
}

/// So many days later; stops at the last day there is.
impl Add<u32> for Epoch {
    type Output = Self;

    fn add(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl From<Epoch> for Number {
    fn from(epoch: Epoch) -> Self {
        Number::day(epoch.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Number::from(*self).fmt(f)
    }
}

/// A date YYYY-MM-DD or a number of days. Fails with [`Error::Number`].
impl FromStr for Epoch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(|number: Number| Self(number.value()))
    }
}

/// The time authority as others know it: by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    epoch: Attribute,
}

impl Clock {
    /// The clock kept by `authority`; its number is called `epoch`.
    pub fn new(authority: AuthorityId) -> Self {
        Self { epoch: Attribute::named("epoch", authority) }
    }

    /// Who keeps it.
    pub fn authority(&self) -> &AuthorityId {
        self.epoch.authority()
    }

    /// What a user in good standing on the day `epoch` may be certified: `epoch=2026-11-21@clock`.
    pub fn claim(&self, epoch: Epoch) -> NumberClaim {
        NumberClaim::new(&self.epoch, epoch)
    }

    /// The attributes to issue on the day `epoch` to a user who got those of the day `last`, or none so far.
    ///
    /// Only what `last` does not cover. Earlier days add nothing to it: a prefix of today that was also one of
    /// a day before `last` is one of `last`, too, since an interval with both ends has what is between. After
    /// the time authority was rotated, a user has none of its current keys: pass `None`.
    pub fn renewal(&self, last: Option<Epoch>, epoch: Epoch) -> Vec<Attribute> {
        let held = |prefix: &Prefix| last.is_some_and(|last| prefix.contains(last.0));
        let new = Prefix::all_of(epoch.0).filter(|prefix| !held(prefix));
        new.map(|prefix| self.epoch.with_prefix(prefix)).collect()
    }

    /// The condition of having been in good standing on a day of `window`: `epoch@clock in 2026-11-21..2027-01-01`.
    /// Fails with [`Error::EmptyComparison`].
    pub fn window(&self, window: RangeInclusive<Epoch>) -> Result<Comparison, Error> {
        let (first, last) = window.into_inner();
        Comparison::new(&self.epoch, Relation::Within(first.into(), last.into()))
    }
}

impl Policy {
    /// This policy, and a key of one of the days of `window`. Let it begin today: see
    /// [what it does not protect against](crate::time). Fails with [`Error::EmptyComparison`] or
    /// [`Error::PolicyLimit`].
    pub fn within(self, clock: &Clock, window: RangeInclusive<Epoch>) -> Result<Self, Error> {
        self.and(clock.window(window)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn epochs_are_days_of_utc() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (EPOCH_SECONDS - 1, "1970-01-01"),
            (EPOCH_SECONDS, "1970-01-02"),
            (1_795_267_149, "2026-11-21"),
        ] {
            assert_eq!(Epoch::of_unix_time(seconds).to_string(), date);
            assert_eq!(date.parse(), Ok(Epoch::of_unix_time(seconds)));
        }
        assert_eq!(Epoch::of_unix_time(u64::MAX).days(), u32::MAX);
        assert_eq!(Epoch::new(5) + u32::MAX, Epoch::new(u32::MAX));
    }

    #[test]
    fn windows_must_not_be_empty() {
        let (clock, day) = (Clock::new("clock".parse().unwrap()), Epoch::new(7));
        let backwards = clock.window(day + 1..=day);
        assert_eq!(backwards.unwrap_err().code(), "TSL-ABE-030");
        assert_eq!(clock.window(day..=day).unwrap().attributes().count(), 1);
    }

    #[test]
    fn a_year_of_renewals_is_two_keys_a_day() {
        let (clock, start) = (Clock::new("clock".parse().unwrap()), Epoch::new(20_778));
        let sent: usize = (0..365).map(|day| clock.renewal(Some(start + day), start + day + 1).len()).sum();
        assert!((2 * 365 - 15..2 * 365 + 15).contains(&sent), "{sent}");
    }

    proptest! {
        /// First issue and renewals, days left out included, make up exactly the keys of the days served.
        #[test]
        fn renewals_complete_what_is_held(
            first in 0u32..u32::MAX / 2,
            steps in prop::collection::vec(0u32..70, 0..12),
            window in (0u32..900, 0u32..300),
        ) {
            let clock = Clock::new("clock".parse().unwrap());
            let (mut last, mut served, mut held) = (None, vec![], BTreeSet::new());
            for step in [0].into_iter().chain(steps) {
                let epoch = last.unwrap_or(Epoch::new(first)) + step;
                let sent = clock.renewal(last, epoch);
                for attribute in &sent {
                    prop_assert!(held.insert(attribute.clone()), "sent twice");
                }
                last = Some(epoch);
                served.push(epoch);
            }
            let whole: BTreeSet<_> = served.iter().flat_map(|&epoch| clock.claim(epoch).attributes().collect::<Vec<_>>()).collect();
            prop_assert_eq!(&held, &whole);

            let start = Epoch::new((first + window.0).saturating_sub(300));
            let range = start..=start + window.1;
            let policy = Policy::from_formula(clock.window(range.clone()).unwrap().into()).unwrap();
            let permitted = policy.permits(|attribute| held.contains(attribute));
            prop_assert_eq!(permitted, served.iter().any(|epoch| range.contains(epoch)));
        }
    }
}
