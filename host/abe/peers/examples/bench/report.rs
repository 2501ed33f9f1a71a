//! The tables and the plot, from the figures.

use crate::figures::{
    AW11, CHARM, Figures, GHW11, NAIVE, ONLINE, OURS, OWNER, OWNER_OF_16, OWNER_OF_64, OWNER_OF_FOUR, PLAN,
};
use crate::ours::Throughput;

use crate::plot::{self, Panel, Series};
use std::num::NonZero;
use std::thread::available_parallelism;

/// What the paper reports: the computing time its outsourced scheme saves against the original scheme.
const PAPER_SAVING_PERCENT: f64 = 57.6;
/// The machine on which the limits for 10 attributes were set: its times of rabe AW11, and the limits.
const REFERENCE: [(&str, f64, f64); 2] = [("encrypt", 150.0, 8.0), ("decrypt", 97.0, 4.0)];

const ROWS: [(&str, &[&str]); 8] = [
    (
        OURS,
        &[
            "keygen",
            "encrypt",
            PLAN,
            OWNER,
            OWNER_OF_16,
            OWNER_OF_64,
            OWNER_OF_FOUR,
            "encrypt: one helper's share",
            "encrypt: offline",
            ONLINE,
            "parse",
            "decrypt",
            "decrypt_checked",
            "tkgen",
            "transform",
            "finish",
            "finish_encoded",
        ],
    ),
    (NAIVE, &["keygen", "encrypt", "decrypt"]),
    (AW11, &["keygen", "encrypt", "decrypt"]),
    (GHW11, &["keygen", "encrypt", "tkgen", "transform", "finish"]),
    ("rabe BSW", &["keygen", "encrypt", "decrypt"]),
    ("rabe AC17-CP", &["keygen", "encrypt", "decrypt"]),
    (CHARM, &["keygen", "encrypt", "decrypt"]),
    ("Charm RW15 BN254", &["keygen", "encrypt", "decrypt"]),
];

/// All tables, as markdown.
pub(crate) fn markdown(figures: &Figures, sizes: &[usize], batch: &[Throughput]) -> String {
    let mut out = String::from(
        "Milliseconds of CPU time of one thread, the fastest of several repetitions, by number of attributes:\n\n",
    );
    let header = |first: &str| {
        let columns: String = sizes.iter().map(|n| format!(" {n} |")).collect();
        format!("| {first} |{columns}\n|---|{}\n", "--:|".repeat(sizes.len()))
    };
    let line = |label: &str, cell: &dyn Fn(usize) -> Option<String>| {
        let cells: String =
            sizes.iter().map(|n| format!(" {} |", cell(*n).unwrap_or_else(|| "–".into()))).collect();
        format!("| {label} |{cells}\n")
    };

    out += &header("");
    for (implementation, operations) in ROWS {
        for operation in operations {
            if sizes.iter().any(|n| figures.ms(implementation, operation, *n).is_some()) {
                let cell = |n| figures.ms(implementation, operation, n).map(digits);
                out += &line(&format!("{implementation}: {operation}"), &cell);
            }
        }
    }

    out += "\nTimes faster than rabe AW11, same run:\n\n";
    out += &header("");
    for operation in ["keygen", "encrypt", "decrypt", "decrypt_checked"] {
        let theirs = operation.trim_end_matches("_checked");
        let cell = |n| Some(format!("{:.0}", figures.ms(AW11, theirs, n)? / figures.ms(OURS, operation, n)?));
        out += &line(operation, &cell);
    }

    if sizes.contains(&10) {
        out += "\nAt 10 attributes, scaled to the machine where rabe AW11 takes 150 ms and 97 ms:\n\n";
        out += "| | here, ms | rabe here, ms | scaled, ms | limit, ms | |\n|---|--:|--:|--:|--:|---|\n";
        for (operation, reference_ms, limit_ms) in REFERENCE {
            if let Some((ours, rabe)) = figures.ms(OURS, operation, 10).zip(figures.ms(AW11, operation, 10)) {
                let scaled = ours * reference_ms / rabe;
                let verdict = if scaled <= limit_ms { "within" } else { "over" };
                out += &format!(
                    "| {operation} | {} | {} | {} | {limit_ms} | {verdict} |\n",
                    digits(ours),
                    digits(rabe),
                    digits(scaled)
                );
            }
        }
    }

    out += "\nSaved by outsourcing, percent, all checks included. `decrypt` has merged pairings and `encrypt` tables; the original\n\
            scheme has neither:\n\n";
    out += &header("");
    type Parts = &'static [&'static str];
    let shares: [(&str, Parts, &str, Parts); 10] = [
        ("user: `finish`, against `decrypt`", &["finish"], OURS, &["decrypt"]),
        (
            "user: `finish_encoded`, against `parse` and `decrypt`",
            &["finish_encoded"],
            OURS,
            &["parse", "decrypt"],
        ),
        ("owner, two helpers, against `encrypt`", &[OWNER], OURS, &["encrypt"]),
        ("owner, two helpers, batch of 16, against `encrypt`", &[OWNER_OF_16], OURS, &["encrypt"]),
        ("owner, two helpers, batch of 64, against `encrypt`", &[OWNER_OF_64], OURS, &["encrypt"]),
        ("owner, four helpers, against `encrypt`", &[OWNER_OF_FOUR], OURS, &["encrypt"]),
        ("owner, prepared rows, against `encrypt`", &[ONLINE], OURS, &["encrypt"]),
        ("user: `finish`, against the original scheme", &["finish"], NAIVE, &["decrypt"]),
        ("owner, two helpers, against the original scheme", &[OWNER], NAIVE, &["encrypt"]),
        (
            "owner, two helpers and a new plan, against the original scheme",
            &[PLAN, OWNER],
            NAIVE,
            &["encrypt"],
        ),
    ];
    let mut savings = Vec::new();
    for (label, parts, baseline, alone) in shares {
        let sum = |who, operations: Parts, n| {
            operations.iter().map(|operation| figures.ms(who, operation, n)).sum::<Option<f64>>()
        };
        let saving = |n| Some(100.0 * (1.0 - sum(OURS, parts, n)? / sum(baseline, alone, n)?));
        out += &line(label, &|n| Some(format!("{:.1}", saving(n)?)));
        if baseline == NAIVE && !parts.contains(&PLAN) {
            savings.extend(sizes.iter().filter_map(|n| saving(*n)));
        }
    }
    let mean = savings.iter().sum::<f64>() / savings.len().max(1) as f64;
    out += &format!(
        "\nMean of the shares of user and owner with two helpers against the original scheme: {mean:.1} % (the paper: {PAPER_SAVING_PERCENT} %).\n"
    );

    let processors = available_parallelism().map_or(1, NonZero::get);
    out += &format!(
        "\nThroughput at 10 attributes, operations a second by the clock on the wall, {processors} processors:\n\n"
    );
    out += "| | one thread | all processors | |\n|---|--:|--:|--:|\n";
    for Throughput { operation, one_thread, all_processors } in batch {
        let gain = all_processors / one_thread;
        out += &format!("| {operation} | {one_thread:.0} | {all_processors:.0} | ×{gain:.2} |\n");
    }
    out
}

/// The paper's Fig. 4(b): computing time against the number of attributes, alone and outsourced.
pub(crate) fn fig4b(figures: &Figures, sizes: &[usize]) -> String {
    let series = |label: &str, colour, dashed, implementation: &str, operation: &str| Series {
        label: label.to_owned(),
        colour,
        dashed,
        points: sizes
            .iter()
            .filter_map(|n| Some((*n as f64, figures.ms(implementation, operation, *n)?)))
            .collect(),
    };
    const BLUE: &str = "#1f5fa8";
    const LIGHT_BLUE: &str = "#4f97d9";
    const RED: &str = "#b3402a";
    const GREEN: &str = "#3a7d44";
    const GREY: &str = "#555555";
    let panels = [
        Panel {
            title: "Encryption: the owner's time",
            series: vec![
                series("rabe AW11", RED, false, AW11, "encrypt"),
                series("Charm (80-bit curve)", GREEN, false, CHARM, "encrypt"),
                series("original scheme", GREY, false, NAIVE, "encrypt"),
                series("ours", BLUE, false, OURS, "encrypt"),
                series("ours, two helpers", BLUE, true, OURS, OWNER),
                series("ours, two, batch of 16", LIGHT_BLUE, false, OURS, OWNER_OF_16),
                series("ours, four helpers", BLUE, true, OURS, OWNER_OF_FOUR),
                series("ours, prepared", LIGHT_BLUE, true, OURS, ONLINE),
            ],
        },
        Panel {
            title: "Decryption: the user's time",
            series: vec![
                series("rabe AW11", RED, false, AW11, "decrypt"),
                series("rabe GHW11, outs.", RED, true, GHW11, "finish"),
                series("Charm (80-bit curve)", GREEN, false, CHARM, "decrypt"),
                series("original scheme", GREY, false, NAIVE, "decrypt"),
                series("ours", BLUE, false, OURS, "decrypt"),
                series("ours, outsourced", BLUE, true, OURS, "finish"),
            ],
        },
    ];
    plot::svg("Computing time against the number of attributes", "attributes", "milliseconds", sizes, &panels)
}

/// Three significant digits.
fn digits(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.3}"),
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}
