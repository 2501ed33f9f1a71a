//! The evaluation as a whole, small.
#![allow(clippy::unwrap_used)] // in helpers too: this is all test code

use twinseal_puf::evaluate::density::{Density, failure as computed};
use twinseal_puf::evaluate::failure::of_virtual_chips;
use twinseal_puf::evaluate::samples::Samples;
use twinseal_puf::evaluate::{Options, Source, run};
use twinseal_puf::polar;
use twinseal_puf::silicon::{CORNERS, Device, Foundry, ROOM, Silicon};

fn foundry(drift: f64) -> Foundry {
    Foundry::new(Silicon::of_the_project().unwrap().with_drift(drift), Device::Up5k)
}

/// Where failures are frequent, as many are counted as computed.
#[test]
fn computed_and_counted_failures_agree() {
    let k = of_virtual_chips(&foundry(2.2), 5, 0, 4_000, &CORNERS[3], "stress".into()).unwrap();
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

#[test]
fn a_folder_of_measurements_is_evaluated_like_the_chips_they_came_from() {
    let samples = Samples::of_virtual_chips(&foundry(1.0), 8, 6, 24, &ROOM);
    let folder = tempfile::tempdir().unwrap();
    for chip in 0..6 {
        let rows: Vec<String> = (0..samples.rings)
            .map(|r| samples.ring(chip, r).iter().map(|f| format!("{f:.3}")).collect::<Vec<_>>().join(","))
            .collect();
        std::fs::write(folder.path().join(format!("chip{chip}.csv")), rows.join("\n")).unwrap();
    }
    let source = Source::Folder(folder.path().into());
    let report = run(&Options { source, reconstructions: 1_000 }).unwrap();
    let p = &report.population;
    assert_eq!((p.chips, p.rings, p.samples), (6, 512, 24));
    assert!((0.40..0.55).contains(&p.sign.uniqueness.mean) && p.sign.bit_error.mean < 0.02);
    // Enrolled with 16 samples, read twice with 4.
    assert_eq!((report.key_failure[0].reconstructions, report.key_failure[0].failures), (12, 0));
    assert!(report.estimates.is_empty(), "too few bits for the estimators");
    assert!(report.passed());
    let plots = report.write_plots(&folder.path().join("plots")).unwrap();
    assert!(plots.len() >= 4);
    for path in plots {
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
    }
}
