//! What the design promises, and whether the chips show it: held, broken, or not to be said from these data.

use serde::Serialize;

use super::dependence::Dependence;
use super::failure::KeyFailure;
use super::health::Health;
use super::quality::{Entropy, Population};
use super::{EnrolledAt, Estimated, KEY_FAILURE_BUDGET, RAW_ENTROPY, ROOT_ENTROPY_BUDGET, place, shown};
use crate::{PAIRS, entropy};

/// Fewer chips than this say too little about min-entropy to show it: the most common of few is never rare.
pub(super) const MIN_CHIPS_FOR_ENTROPY: usize = 190;
/// Faulty chips that are named in a line; JSON has all.
const MAX_NAMED: usize = 5;
/// Deviations that an estimate may be off before it is clearly too low.
const CLEARLY: f64 = 3.0;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is as promised.
    Passed,
    /// It is not.
    Failed,
    /// The data do not say.
    NotChecked,
}

/// A promise of the design.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What is promised.
    pub what: String,
    /// Whether it is so.
    pub outcome: Outcome,
    /// Why it is not, or why it could not be checked.
    pub why: Option<String>,
    /// Without it nothing is shown. Not needed of measured chips is what their measurements do not have: what is shown then
    /// does not cover it.
    pub needed: bool,
}

/// What the checks say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every promise that is needed was checked and holds.
    Shown,
    /// None is broken, but not all could be checked.
    NotShown,
    /// One is broken.
    Failed,
}

impl Verdict {
    /// Of some checks; nothing is shown by none.
    pub fn of(checks: &[Check]) -> Self {
        if checks.iter().any(|c| c.outcome == Outcome::Failed) {
            Self::Failed
        } else if checks.is_empty() || checks.iter().any(|c| c.needed && c.outcome != Outcome::Passed) {
            Self::NotShown
        } else {
            Self::Shown
        }
    }
}

impl Check {
    fn passed(what: String) -> Self {
        Self { what, outcome: Outcome::Passed, why: None, needed: true }
    }

    fn failed(what: String, why: String) -> Self {
        Self { what, outcome: Outcome::Failed, why: Some(why), needed: true }
    }

    fn not_checked(what: String, why: String) -> Self {
        Self { what, outcome: Outcome::NotChecked, why: Some(why), needed: true }
    }

    /// The health tests of a reading.
    pub(super) fn of_health(health: &Health) -> Self {
        let what = format!("the health tests let every reading of {} chips pass", health.chips);
        if !health.faulty.is_empty() {
            let mut named: Vec<String> = health
                .faulty
                .iter()
                .take(MAX_NAMED)
                .map(|faulty| format!("{} ({})", faulty.chip, faulty.fault))
                .collect();
            if health.faulty.len() > MAX_NAMED {
                named.push(format!("{} more", health.faulty.len() - MAX_NAMED));
            }
            let figures = if health.sound() >= 2 {
                "left out of all figures"
            } else {
                "too few others are left, so the figures are of all"
            };
            Self::failed(
                what,
                format!("{} of {}, {figures}: {}", health.faulty.len(), health.chips, named.join(", ")),
            )
        } else if let Some(why) = &health.incomplete {
            Self::not_checked(what, why.clone())
        } else {
            Self::passed(what)
        }
    }

    /// What the sum over pairs rests on.
    pub(super) fn of_dependence(dependence: &Dependence) -> Self {
        let what = "the pairs of a chip show no dependence on each other".into();
        if !dependence.none_found() {
            let broken: Vec<String> =
                dependence.measures.iter().filter(|m| !m.holds()).map(ToString::to_string).collect();
            Self::failed(what, broken.join("; "))
        } else if !dependence.enough_chips() {
            let why = format!("{} chips, {MIN_CHIPS_FOR_ENTROPY} are needed", dependence.chips);
            Self::not_checked(what, why)
        } else {
            Self::passed(what)
        }
    }

    /// The min-entropy of the root.
    pub(super) fn of_entropy(population: &Population, health: &Health, dependence: &Dependence) -> Self {
        let what = format!(
            "at least {ROOT_ENTROPY_BUDGET} bits of min-entropy are left for the root, pairs taken as independent"
        );
        let root = population.entropy.root;
        for (kind, most, mean) in [
            ("sign", most_uniqueness(population, 0), population.sign.uniqueness.mean),
            ("size", most_uniqueness(population, 1), population.size.uniqueness.mean),
        ] {
            let least = least_uniqueness();
            if most < least {
                let why = format!(
                    "uniqueness of the {kind} bits is {:.2} %, and below {:.2} % there is less",
                    100.0 * mean,
                    100.0 * least
                );
                return Self::failed(what, why);
            }
        }
        let reservations = reservations(population, health, dependence);
        if reservations.is_empty() {
            return if root >= ROOT_ENTROPY_BUDGET {
                Self::passed(what)
            } else {
                Self::failed(what, format!("the estimate is {root:.1} bits"))
            };
        }
        let most = most_root(population);
        if most < ROOT_ENTROPY_BUDGET {
            Self::failed(what, format!("{most:.1} bits with all of the uncertainty in its favour"))
        } else {
            Self::not_checked(what, reservations.join("; "))
        }
    }

    /// Key failure under every condition it is promised for, or why it is not known.
    pub(super) fn of_key_failure(key_failure: &Result<Vec<KeyFailure>, String>) -> Vec<Self> {
        let what = |place: &str| format!("key failure below {KEY_FAILURE_BUDGET:e}, {place}");
        let known = match key_failure {
            Ok(known) => known,
            Err(why) => return vec![Self::not_checked(what("as measured"), why.clone())],
        };
        let promised = known.iter().filter(|k| k.promised);
        promised
            .map(|k| {
                let what = what(&k.what);
                if k.computed >= KEY_FAILURE_BUDGET {
                    Self::failed(what, format!("{:.1e} computed", k.computed))
                } else if k.failures as f64 > 3.0 * KEY_FAILURE_BUDGET * k.reconstructions as f64 {
                    Self::failed(what, format!("{} of {} counted", k.failures, k.reconstructions))
                } else {
                    Self::passed(what)
                }
            })
            .collect()
    }

    /// Key failure wherever a chip may be enrolled and read. Measured chips were at one place.
    pub(super) fn of_corners(enrolments: &[EnrolledAt]) -> Self {
        let promised: Vec<&EnrolledAt> = enrolments.iter().filter(|e| e.promised).collect();
        let (Some(first), Some(last)) = (promised.first(), promised.last()) else {
            let what = "key failure at other corners of temperature, supply and age".into();
            let why = "the measurements are of one".into();
            return Self { needed: false, ..Self::not_checked(what, why) };
        };
        let range = if promised.len() == 1 {
            place(&first.enrolled)
        } else {
            format!("{} to {}", place(&first.enrolled), place(&last.enrolled))
        };
        let what = format!("key failure below {KEY_FAILURE_BUDGET:e} at every corner, enrolled at {range}");
        let broken: Vec<String> = promised
            .iter()
            .filter(|e| e.key_failure >= KEY_FAILURE_BUDGET)
            .map(|e| format!("{:.1e} at {}", shown(e.key_failure), place(&e.enrolled)))
            .collect();
        if broken.is_empty() { Self::passed(what) } else { Self::failed(what, broken.join(", ")) }
    }

    /// The claim of the entropy source. Measured frequencies are not its raw bits.
    pub(super) fn of_raw_bits(estimates: &[Estimated], measured: bool) -> Self {
        let what =
            format!("raw bits of the entropy source have the claimed {} bits", entropy::CLAIMED_MIN_ENTROPY);
        match estimates.iter().find(|e| e.data == RAW_ENTROPY) {
            Some(raw) if raw.estimates.least >= entropy::CLAIMED_MIN_ENTROPY => Self::passed(what),
            Some(raw) => Self::failed(what, format!("{:.3} estimated", raw.estimates.least)),
            None => {
                let why = "measured frequencies hold no raw bits; nothing about the root depends on them";
                Self { needed: !measured, ..Self::not_checked(what, why.into()) }
            }
        }
    }
}

/// What the estimate of the root's entropy must not be taken for.
pub(super) fn reservations(population: &Population, health: &Health, dependence: &Dependence) -> Vec<String> {
    let mut out = Vec::new();
    if !dependence.none_found() {
        out.push("the pairs depend on each other, and their entropies must not be added".into());
    }
    let (chips, pairs) = (population.chips, population.rings / 2);
    if health.sound() < 2 {
        out.push("fewer than 2 chips pass the health tests".into());
    }
    if chips < MIN_CHIPS_FOR_ENTROPY {
        out.push(format!(
            "{chips} chips, {MIN_CHIPS_FOR_ENTROPY} are needed: few show less than there is, at most {:.1} bits",
            most_root(population)
        ));
    }
    if pairs < PAIRS {
        out.push(format!("extrapolated from {pairs} to {PAIRS} pairs"));
    }
    out
}

/// The root's entropy with all of the uncertainty in its favour: what as many chips show too little at most (when all
/// values of a pair are equally likely), and [`CLEARLY`] deviations of the mean over the pairs.
fn most_root(population: &Population) -> f64 {
    let missing = 2.0 - shown_of_two_fair_bits(population.chips.min(MIN_CHIPS_FOR_ENTROPY));
    let most = population.min_entropy_of_both + missing + CLEARLY * population.min_entropy_of_both_error;
    Entropy::of(most.min(2.0)).root
}

/// Expectation of -log2 of the share of the most common of four equally likely values, over so many chips.
fn shown_of_two_fair_bits(chips: usize) -> f64 {
    // C(n, k) / 2^n for all k.
    let halves = |n: usize| -> Vec<f64> {
        let mut row = vec![(-(n as f64)).exp2()];
        for k in 0..n {
            row.push(row[k] * (n - k) as f64 / (k + 1) as f64);
        }
        row
    };
    let rows: Vec<Vec<f64>> = (0..=chips).map(halves).collect();
    // Chips fall into two halves, each half into two values.
    let none_above = |most: usize| -> f64 {
        let both_fit = |n: usize| -> f64 { (n.saturating_sub(most)..=most.min(n)).map(|k| rows[n][k]).sum() };
        (0..=chips).map(|k| rows[chips][k] * both_fit(k) * both_fit(chips - k)).sum()
    };
    let mut below = 0.0;
    let mut sum = 0.0;
    for most in 1..=chips {
        let here = none_above(most);
        sum -= (here - below) * (most as f64 / chips as f64).log2();
        below = here;
    }
    sum
}

/// The uniqueness of one kind of bits with [`CLEARLY`] deviations in its favour. Distances of chips that are in no two
/// comparisons are independent, and all of them together are no less sure.
fn most_uniqueness(population: &Population, kind: usize) -> f64 {
    let quality = if kind == 0 { &population.sign } else { &population.size };
    let single = quality.uniqueness.deviation.max(0.5 / (quality.bits as f64).sqrt());
    quality.uniqueness.mean + CLEARLY * single / ((population.chips / 2).max(1) as f64).sqrt()
}

/// With less uniqueness of either kind of bits the root cannot have its entropy, whatever the other kind has. A bit that
/// is one in a share p of the chips differs in 2 p (1 - p) of the comparisons; its min-entropy is at most twice that, and
/// the other bit of the pair adds at most one.
fn least_uniqueness() -> f64 {
    let without_response = Entropy::of(0.0).root;
    ((ROOT_ENTROPY_BUDGET - without_response) / PAIRS as f64 - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_chips_show_less_than_two_bits() {
        // Of two chips: equal in a quarter of the pairs (0 bits), else one bit.
        assert!((shown_of_two_fair_bits(2) - 0.75).abs() < 1e-12);
        // Of three: all equal 1/16; all different 6/16, log2 3; else two equal, log2 1.5.
        let three = 6.0 / 16.0 * 3f64.log2() + 9.0 / 16.0 * 1.5f64.log2();
        assert!((shown_of_two_fair_bits(3) - three).abs() < 1e-12);
        // Of many, the most of four normal values less their mean, 1.03 deviations of sqrt (n / 4): 54.6 of 190.
        assert!((shown_of_two_fair_bits(190) - (190.0f64 / 54.6).log2()).abs() < 0.005);
    }

    #[test]
    fn a_bit_has_at_most_twice_its_uniqueness() {
        for p in (0..=50).map(|p| f64::from(p) / 100.0) {
            assert!(-(1.0 - p).log2() <= 2.0 * 2.0 * p * (1.0 - p) + 1e-12, "{p}");
        }
        assert!((least_uniqueness() - 0.258).abs() < 0.001, "{}", least_uniqueness());
    }

    #[test]
    fn nothing_is_shown_by_nothing() {
        let what = || "w".to_owned();
        let (passed, failed) = (Check::passed(what()), Check::failed(what(), what()));
        let missing = Check::not_checked(what(), what());
        let unneeded = Check { needed: false, ..missing.clone() };
        assert_eq!(Verdict::of(&[]), Verdict::NotShown);
        assert_eq!(Verdict::of(&[passed.clone(), unneeded]), Verdict::Shown);
        assert_eq!(Verdict::of(&[passed.clone(), missing.clone()]), Verdict::NotShown);
        assert_eq!(Verdict::of(&[missing, passed, failed]), Verdict::Failed);
    }
}
