//! The evaluation as a whole, small.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use twinseal_puf::evaluate::density::{Density, failure as computed};
use twinseal_puf::evaluate::failure::of_virtual_chips;
use twinseal_puf::evaluate::promise::{Outcome, Verdict};
use twinseal_puf::evaluate::samples::Samples;
use twinseal_puf::evaluate::{EnrolledAt, Options, Report, Source, run};
use twinseal_puf::silicon::{CORNERS, Condition, Device, Foundry, ROOM, Silicon};
use twinseal_puf::{Error, polar};

fn foundry(drift: f64) -> Foundry {
    Foundry::new(Silicon::of_the_project().unwrap().with_drift(drift), Device::Up5k)
}

/// Where failures are frequent, as many are counted as computed.
#[test]
fn computed_and_counted_failures_agree() {
    let k = of_virtual_chips(&foundry(2.2), 5, 0..4_000, &ROOM, &CORNERS[3], "stress".into()).unwrap();
    let expected = k.computed * k.reconstructions as f64;
    println!("computed {expected:.1}, counted {}", k.failures);
    assert!(expected > 30.0, "{expected}");
    // Four deviations of the count, and a quarter for what the two bits of a pair know of each other.
    assert!((k.failures as f64 - expected).abs() < 4.0 * expected.sqrt() + 0.25 * expected, "{k:?}");
}

#[test]
fn failure_follows_from_the_places_that_are_not_frozen() {
    // Without error nothing fails; without information everything does.
    let mut perfect = Density::default();
    perfect.add(31, 1.0);
    assert_eq!(computed(&[perfect]), 0.0);
    let mut nothing = Density::default();
    nothing.add(31, 0.5);
    nothing.add(-31, 0.5);
    assert!(computed(&[nothing]) > 0.999);
    assert_eq!((0..512).filter(|i| polar::is_frozen(*i)).count(), 256);
}

/// A folder of measured chips, `edit` being what is wrong with them: given chip, ring and frequency, the frequency.
fn folder(
    chips: usize,
    rings: usize,
    samples: usize,
    edit: &dyn Fn(usize, usize, f64) -> f64,
) -> tempfile::TempDir {
    let measured = Samples::of_virtual_chips(&foundry(1.0), 8, chips, samples, &ROOM);
    let folder = tempfile::tempdir().unwrap();
    for chip in 0..chips {
        let mut text = String::new();
        for ring in 0..rings {
            let row =
                measured.ring(chip, ring).iter().map(|hertz| format!("{:.1}", edit(chip, ring, *hertz)));
            text.push_str(&row.collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        std::fs::write(folder.path().join(format!("chip{chip:03}.csv")), text).unwrap();
    }
    folder
}

fn evaluated(folder: &tempfile::TempDir) -> Report {
    run(&Options { source: Source::Folder(folder.path().into()), reconstructions: 1_000 }).unwrap()
}

fn as_it_is(_: usize, _: usize, hertz: f64) -> f64 {
    hertz
}

/// What came of each check, and why.
#[derive(Debug)]
struct Outcomes<'a> {
    health: (Outcome, &'a str),
    dependence: (Outcome, &'a str),
    entropy: (Outcome, &'a str),
    key: (Outcome, &'a str),
    corners: (Outcome, &'a str),
    raw: (Outcome, &'a str),
}

fn outcomes(report: &Report) -> Outcomes<'_> {
    let all: Vec<_> =
        report.checks.iter().map(|c| (c.outcome, c.why.as_deref().unwrap_or_default())).collect();
    let [health, dependence, entropy, key, corners, raw] = all.try_into().unwrap();
    Outcomes { health, dependence, entropy, key, corners, raw }
}

#[test]
fn a_folder_of_measurements_is_evaluated_like_the_chips_they_came_from() {
    let folder = folder(6, 512, 24, &as_it_is);
    let report = evaluated(&folder);
    let p = &report.population;
    assert_eq!((p.chips, p.rings, p.samples), (6, 512, 24));
    assert!((0.40..0.55).contains(&p.sign.uniqueness.mean) && p.sign.bit_error.mean < 0.02);
    // Enrolled with 16 samples, read twice with 4.
    assert_eq!((report.key_failure[0].reconstructions, report.key_failure[0].failures), (12, 0));
    assert!(report.estimates.is_empty(), "too few bits for the estimators");
    // Six good chips show nothing of their entropy, neither that it is there nor that it is not.
    let Outcomes { health, dependence, entropy, key, corners, raw } = outcomes(&report);
    assert_eq!((health.0, key.0), (Outcome::Passed, Outcome::Passed));
    assert!(entropy.0 == Outcome::NotChecked && entropy.1.contains("6 chips, 190 are needed"), "{entropy:?}");
    assert_eq!(dependence, (Outcome::NotChecked, "6 chips, 190 are needed"));
    assert!(corners.0 == Outcome::NotChecked && !report.checks[4].needed);
    assert!(raw.0 == Outcome::NotChecked && !report.checks[5].needed);
    assert!(report.verdict == Verdict::NotShown && !report.passed());
    let text = report.to_string();
    for said in [
        " bits, which means nothing: not enough chips\n",
        "not to rely on: 6 chips",
        "not checked  at least 128 bits of min-entropy are left for the root, pairs taken as independent",
        "not checked  key failure at other corners",
        "not shown: ",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "not_shown");
    assert_eq!(json["checks"][2]["outcome"], "not_checked");
    assert!(json["checks"][2]["why"].as_str().unwrap().contains("190"));
    let plots = report.write_plots(&folder.path().join("plots")).unwrap();
    assert!(plots.len() >= 4);
    for path in plots {
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn one_bad_chip_is_named_and_the_others_are_evaluated() {
    let folder = folder(195, 512, 20, &|chip, ring, hertz| if (chip, ring) == (7, 30) { 5e6 } else { hertz });
    let report = evaluated(&folder);
    let Outcomes { health, dependence, entropy, key, .. } = outcomes(&report);
    assert_eq!(health.0, Outcome::Failed);
    assert!(health.1.contains("1 of 195") && health.1.contains("chip007.csv (ring 30, sample 0: 5.000 MHz"));
    assert_eq!([dependence, entropy, key], [(Outcome::Passed, ""); 3]);
    assert_eq!((report.population.chips, report.key_failure[0].reconstructions), (194, 194));
    assert!(report.verdict == Verdict::Failed && !report.passed());
    // Without it they pass.
    std::fs::remove_file(folder.path().join("chip007.csv")).unwrap();
    let report = evaluated(&folder);
    assert!(report.verdict == Verdict::Shown && report.passed(), "{report}");
    assert!(report.to_string().contains("shown: what could be checked of keys holds; this does not cover"));
}

#[test]
fn equal_chips_fail_however_few_they_are() {
    for chips in [2, 99] {
        let folder = folder(1, 512, 20, &as_it_is);
        let first = folder.path().join("chip000.csv");
        (1..chips).for_each(|i| {
            std::fs::copy(&first, folder.path().join(format!("copy{i}.csv"))).unwrap();
        });
        let report = evaluated(&folder);
        let Outcomes { health, entropy, key, .. } = outcomes(&report);
        assert_eq!((health.0, key.0), (Outcome::Passed, Outcome::Passed));
        assert!(
            entropy.0 == Outcome::Failed && entropy.1.contains("sign bits is 0.00 %"),
            "{chips}: {entropy:?}"
        );
        assert_eq!(report.verdict, Verdict::Failed);
    }
    // Unique enough, but with little entropy: in every other pair the same ring is faster by far, on every chip.
    let faster =
        |_: usize, ring: usize, hertz: f64| if ring.is_multiple_of(4) { hertz * 1.04 } else { hertz };
    let report = evaluated(&folder(60, 512, 20, &faster));
    let entropy = outcomes(&report).entropy;
    assert!(report.population.sign.uniqueness.mean > 0.0 && entropy.0 == Outcome::Failed, "{report}");
}

/// Every bit a parity of the chip's 12-bit number: each as fair as can be, and 12 bits of entropy in all.
#[test]
fn chips_made_from_a_short_number_are_not_taken_for_independent_pairs() {
    let number = |chip: usize| chip * 1_237 % 4_096;
    let parity = |chip: usize, bit: usize| (number(chip) & ((bit * 2_659 + 1) % 4_095 + 1)).count_ones() % 2;
    let made = |chip: usize, ring: usize, hertz: f64| {
        let noise = 1.0 + (hertz % 7.0) * 1e-5;
        let pair = ring / 2;
        let faster = ring % 2 == parity(chip, pair) as usize;
        // As many large as small.
        let large = (parity(chip, 256 + pair % 128) == 1) != (pair < 128);
        let apart = if large { 0.008 } else { 0.002 };
        1e8 * noise * (1.0 + if faster { apart } else { 0.0 })
    };
    let report = evaluated(&folder(200, 512, 20, &made));
    let Outcomes { health, dependence, entropy, key, .. } = outcomes(&report);
    assert_eq!((health, key), ((Outcome::Passed, ""), (Outcome::Passed, "")));
    // By themselves the pairs have all that is asked for.
    assert!(report.population.entropy.root > 190.0, "{report}");
    assert!(report.population.sign.uniqueness.mean > 0.48, "{report}");
    assert_eq!(dependence.0, Outcome::Failed);
    assert!(
        dependence.1.contains("dimensions of the bits over GF(2) ") && dependence.1.contains("parity of two")
    );
    assert_eq!(entropy.0, Outcome::NotChecked);
    assert!(entropy.1.contains("the pairs depend on each other"), "{entropy:?}");
    assert!(report.verdict == Verdict::Failed && !report.passed());
    let text = report.to_string();
    assert!(text.contains(" bits, were the pairs independent, which they are not\n"), "{text}");
    assert!(!text.contains("ok      at least 128 bits"), "{text}");
}

fn of_virtual_chips_enrolled(chips: usize, enrolled: Option<Condition>) -> Report {
    let source = Source::Virtual { chips, seed: 1, device: Device::Up5k, silicon: None, enrolled };
    run(&Options { source, reconstructions: 1_000 }).unwrap()
}

/// The promise is for boards enrolled at room; the further from the middle of all corners, the more bits drift.
#[test]
fn key_failure_depends_on_where_a_board_was_enrolled() {
    let report = of_virtual_chips_enrolled(100, None);
    let at = |celsius: f64, volts: f64| {
        let here = |e: &&EnrolledAt| (e.enrolled.celsius, e.enrolled.volts) == (celsius, volts);
        report.enrolments.iter().find(here).unwrap()
    };
    let (room, edge, corner) = (at(25.0, 1.2), at(15.0, 1.212), at(0.0, 1.26));
    assert!(room.promised && edge.promised && !corner.promised);
    assert!(room.key_failure < edge.key_failure && edge.key_failure < 1e-6 && 1e-5 < corner.key_failure);
    assert_eq!((edge.worst.celsius, edge.worst.volts, edge.worst.years), (70.0, 1.14, 10.0));
    assert!(report.enrolments.iter().filter(|e| e.promised).all(|e| e.key_failure < 1e-6), "{report}");
    // What is counted is where the promise is hardest to keep.
    let hardest = report.enrolments.iter().filter(|e| e.promised).map(|e| e.key_failure).fold(0.0, f64::max);
    assert!(hardest >= edge.key_failure);
    let worst = &report.key_failure[1];
    assert!(worst.what.starts_with("worst, ") && worst.sign_bit_error > 1.05 * room.sign, "{report}");
    assert!(report.to_string().contains("at every corner, enrolled at 15 C 1.188 V to 50 C 1.212 V\n"));

    // Asked for, a corner is judged.
    let cold = Condition { celsius: 0.0, volts: 1.26, years: 0.0 };
    let report = of_virtual_chips_enrolled(100, Some(cold));
    assert_eq!(report.enrolments.len(), 1);
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(report.to_string().contains("at every corner, enrolled at 0 C 1.26 V: 1."), "{report}");
    // Read where it was enrolled it has few wrong bits, at room more.
    let read = |celsius, volts| {
        report
            .conditions
            .iter()
            .find(|c| (c.celsius, c.volts, c.years) == (celsius, volts, 0.0))
            .unwrap()
            .sign
    };
    assert!(read(0.0, 1.26) < 0.012 && read(25.0, 1.2) > 0.018);
}

#[test]
fn what_cannot_be_checked_is_said() {
    // Chips that do not run at different frequencies.
    let report = evaluated(&folder(3, 512, 20, &|_, _, _| 1e8));
    let Outcomes { health, entropy, key, .. } = outcomes(&report);
    assert!(health.0 == Outcome::Failed && health.1.contains("3 of 3") && health.1.contains("chip002.csv"));
    assert_eq!((entropy.0, key.0), (Outcome::Failed, Outcome::NotChecked));
    assert!(key.1.contains("fewer than 2 chips"), "{key:?}");

    // Too few samples to enrol and read.
    let report = evaluated(&folder(5, 512, 12, &as_it_is));
    let Outcomes { health, key, .. } = outcomes(&report);
    assert!(health.0 == Outcome::Passed && key.0 == Outcome::NotChecked, "{report}");
    assert!(key.1.contains("12 samples, 16 to enrol and 4 to read"), "{key:?}");
    assert_eq!(report.verdict, Verdict::NotShown);

    // Too few rings, of chips enough.
    let report = evaluated(&folder(195, 64, 20, &as_it_is));
    let Outcomes { health, entropy, key, .. } = outcomes(&report);
    assert!(health.0 == Outcome::NotChecked && health.1.contains("512 rings"), "{health:?}");
    assert!(entropy.0 == Outcome::NotChecked && entropy.1.contains("extrapolated from 32 to 256 pairs"));
    assert!(key.0 == Outcome::NotChecked && key.1.contains("64 rings"), "{key:?}");
    assert!(report.to_string().contains("not to rely on: extrapolated from 32 to 256 pairs"));
}

#[test]
fn virtual_chips_are_plotted_with_what_was_not_counted() {
    let report = of_virtual_chips_enrolled(4, None);
    let plots = report.plots();
    let plot = |name: &str| &plots.iter().find(|(n, _)| *n == name).unwrap().1;
    let none = report.key_failure.iter().filter(|k| k.failures == 0).count();
    assert!(none >= 2);
    let key = plot("key-failure.svg");
    assert!(key.contains("none counted"));
    // An open mark for each and one in the legend; an arrow for each.
    assert_eq!(key.matches("v20m-5 -7l5 7l5 -7").count(), none, "{key}");
    assert_eq!(key.matches("r='5' fill='none'").count(), none + 1, "{key}");
    let over = plot("key-failure-over-temperature.svg");
    let dashes: std::collections::BTreeSet<_> = over
        .split("stroke-width='")
        .filter_map(|p| p.split("dasharray='").nth(1)?.split('\'').next())
        .collect();
    assert!(dashes.len() >= 6, "{dashes:?}");
}

#[test]
fn a_file_without_end_is_no_silicon() {
    let of = |path: &str| {
        let source = Source::Virtual {
            chips: 2,
            seed: 1,
            device: Device::Up5k,
            silicon: Some(path.into()),
            enrolled: None,
        };
        run(&Options { source, reconstructions: 1_000 }).unwrap_err()
    };
    let error = of("/dev/zero");
    assert!(
        matches!(error, Error::Silicon(_)) && error.to_string().contains("more than 1048576 bytes"),
        "{error}"
    );
    assert!(matches!(of("/nowhere/silicon.toml"), Error::File { .. }));
}
