//! Time limits with the real scheme: before, within and after a window, revocation, pooling.
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

use twinseal_abe::rand_core::OsRng;
use twinseal_abe::time::{Clock, Epoch};
use twinseal_abe::{
    AttributeKey, Authority, Ciphertext, Error, Policy, SharedKey, UserId, decapsulate, encapsulate,
};

struct World {
    hospital: Authority,
    timekeeper: Authority,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let setup = |id: &str| Authority::setup(id.parse().unwrap(), &mut OsRng);
        let clock = Clock::new("clock".parse().unwrap());
        Self { hospital: setup("hospital"), timekeeper: setup(clock.authority().as_str()), clock }
    }

    /// The keys of a doctor who is in good standing on `days`, got by renewal.
    fn doctor(&self, user: &UserId, days: &[Epoch]) -> Vec<AttributeKey> {
        let mut keys = self.hospital.issue(user, [&"doctor@hospital".parse().unwrap()], &mut OsRng).unwrap();
        keys.extend(self.days(user, days));
        keys
    }

    fn days(&self, user: &UserId, days: &[Epoch]) -> Vec<AttributeKey> {
        let mut last = None;
        let mut keys = Vec::new();
        for &day in days {
            let attributes = self.clock.renewal(last, day);
            keys.extend(self.timekeeper.issue(user, &attributes, &mut OsRng).unwrap());
            last = Some(day);
        }
        keys
    }

    fn encapsulate(&self, first: Epoch, last: Epoch) -> (Ciphertext, SharedKey) {
        let policy: Policy = "doctor@hospital".parse().unwrap();
        let policy = policy.within(&self.clock, first..=last).unwrap();
        let publics = [self.hospital.public_key(), self.timekeeper.public_key()];
        encapsulate(&policy, publics, b"", &mut OsRng).unwrap()
    }
}

fn day(date: &str) -> Epoch {
    date.parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

#[test]
fn before_within_and_after_the_window() {
    let world = World::new();
    let (first, last) = (day("2026-11-21"), day("2027-01-01"));
    let (ciphertext, key) = world.encapsulate(first, last);
    let ciphertext = Ciphertext::from_bytes(&ciphertext.to_bytes()).unwrap();
    for (date, permitted) in [
        ("2026-11-20", false),
        ("2026-11-21", true),
        ("2026-12-13", true),
        ("2027-01-01", true),
        ("2027-01-02", false),
        ("2026-01-01", false),
        ("2030-11-21", false),
    ] {
        let keys = world.doctor(&user("alice"), &[day(date)]);
        match decapsulate(&ciphertext, b"", &user("alice"), &keys) {
            Ok(opened) => assert!(permitted && opened == key, "{date}"),
            Err(error) => {
                assert!(!permitted, "{date}");
                let said = "obtain a key for epoch@clock in 2026-11-21..2027-01-01 from its authority";
                assert!(error.to_string().contains(said), "{error}");
            }
        }
    }
    // Standing alone does not open it, nor does being a doctor.
    let keys = world.days(&user("alice"), &[first]);
    assert_eq!(decapsulate(&ciphertext, b"", &user("alice"), &keys).unwrap_err().code(), "TSL-ABE-010");
    // What the documentation warns of: a key of the window opens after the window, too.
    let keys = world.doctor(&user("alice"), &[last, last + 1, last + 400]);
    assert_eq!(decapsulate(&ciphertext, b"", &user("alice"), &keys).unwrap(), key);
}

#[test]
fn the_revoked_read_what_was_sealed_before_and_nothing_after() {
    let world = World::new();
    let revoked_on = day("2026-11-21");
    let (eve, alice) = (user("eve"), user("alice"));
    // Both since the 16th; eve was last served on the 20th.
    let days: Vec<Epoch> = (0..8).map(|offset| day("2026-11-16") + offset).collect();
    let eves = world.doctor(&eve, &days[..5]);
    let alices = world.doctor(&alice, &days);

    for (first, last, eve_reads) in [
        (day("2026-11-18"), revoked_on + 30, true),
        (revoked_on, revoked_on + 30, false),
        (revoked_on, revoked_on, false),
        (revoked_on + 1, revoked_on + 1000, false),
        // A window that begins in the past is open to the revoked, however late it was written.
        (Epoch::new(0), revoked_on + 30, true),
    ] {
        let (ciphertext, key) = world.encapsulate(first, last);
        assert_eq!(decapsulate(&ciphertext, b"", &alice, &alices).unwrap(), key);
        assert_eq!(decapsulate(&ciphertext, b"", &eve, &eves).is_ok(), eve_reads, "{}", ciphertext.policy());
    }
}

#[test]
fn standing_cannot_be_lent() {
    let world = World::new();
    let today = day("2026-11-21");
    let (ciphertext, _) = world.encapsulate(today, today + 9);
    let (eve, alice) = (user("eve"), user("alice"));
    let revoked = world.doctor(&eve, &[day("2026-11-20")]);
    let lent = world.days(&alice, &[today]);

    let result = decapsulate(&ciphertext, b"", &eve, revoked.iter().chain(&lent));
    assert_eq!(result.unwrap_err().code(), "TSL-ABE-009");

    // Relabelled in the encoding, the borrowed keys are taken for eve's, and do not open.
    let relabel = |key: &AttributeKey| {
        let bytes = key.to_bytes();
        let at = bytes.windows(5).position(|window| window == b"alice").unwrap();
        let renamed = [&bytes[..at - 2], &[0, 3], b"eve", &bytes[at + 5..]].concat();
        AttributeKey::from_bytes(&renamed).unwrap()
    };
    let relabelled: Vec<_> = revoked.iter().cloned().chain(lent.iter().map(relabel)).collect();
    assert!(relabelled.iter().all(|key| key.user() == &eve));
    assert_eq!(decapsulate(&ciphertext, b"", &eve, &relabelled), Err(Error::Commitment));
}
