//! Compares the methods of `predict` on glucose: MAE, RMSE, MAPE, answered cells, interval coverage, time.
//!
//! ```text
//! cargo run --release -p twinseal-twin --example compare -- ../shared/data/cgm_bigideas/dexcom
//! ```
//!
//! With a folder it reads every export in it; without one, simulated patients. Every observed cell may be
//! hidden; three seeds; per subject; figures are pooled over all hidden cells. Prediction_LSH declines cells;
//! the second line of each block is the time-of-day mean on exactly the cells it answered.

use std::path::Path;
use std::time::{Duration, Instant};
use twinseal_twin::metrics::{Score, hold_out, hold_out_gaps};
use twinseal_twin::{Error, Filled, Result, Series, ingest, patient, predict};

type Fill = fn(&Series) -> Result<Filled>;

const METHODS: [(&str, Fill); 5] = [
    ("Prediction_LSH", predict::lsh::fill),
    ("time of day, LSH's", time_of_day_where_lsh_answers),
    ("time-of-day mean", predict::time_of_day_mean::fill),
    ("linear", predict::linear::fill),
    ("PCHIP", predict::pchip::fill),
];
const SEEDS: [u64; 3] = [1, 2, 3];
const PERCENT: u32 = 10;
/// Gap length in five-minute cells; `None` hides single cells.
const HIDING: [(&str, Option<usize>); 5] = [
    ("random 10 %", None),
    ("30 min gaps", Some(6)),
    ("1 h gaps", Some(12)),
    ("2 h gaps", Some(24)),
    ("4 h gaps", Some(48)),
];

fn main() -> Result<()> {
    let subjects = match std::env::args().nth(1) {
        Some(folder) => exports(Path::new(&folder))?,
        None => (1..=10).map(|seed| patient::simulate(seed)?.glucose()).collect::<Result<_>>()?,
    };
    let readings: usize = subjects.iter().map(Series::observed_count).sum();
    println!("{} subjects, {readings} readings, seeds {SEEDS:?}; mg/dL\n", subjects.len());
    println!("hidden       method                MAE    RMSE   MAPE %  answered  in interval  ms per fill");
    for (name, gap) in HIDING {
        for (method, fill) in METHODS {
            let (score, time) = evaluate(&subjects, gap, fill)?;
            println!(
                "{name:<12} {method:<18} {:>6.2} {:>7.2} {:>7.2} {:>8.1} % {:>9.1} % {:>10.1}",
                score.mae,
                score.rmse,
                score.mape_percent,
                100.0 * score.count as f64 / score.hidden as f64,
                100.0 * score.interval_coverage,
                1e3 * time.as_secs_f64() / (subjects.len() * SEEDS.len()) as f64,
            );
        }
    }
    Ok(())
}

/// The time-of-day mean on the cells that LSH answers, so that the two can be compared.
fn time_of_day_where_lsh_answers(series: &Series) -> Result<Filled> {
    let lsh = predict::lsh::fill(series)?;
    let mean = predict::time_of_day_mean::fill(series)?;
    let same = mean.predictions().iter().copied().filter(|p| lsh.prediction(p.index).is_some());
    Filled::new(series.clone(), same.collect())
}

/// The exports of a folder, by name.
fn exports(folder: &Path) -> Result<Vec<Series>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::Io { kind: e.kind() })?;
    let mut files: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "csv"));
    files.sort();
    files.iter().map(|f| Ok(ingest::open(f, 0)?.series)).collect()
}

fn evaluate(subjects: &[Series], gap: Option<usize>, fill: Fill) -> Result<(Score, Duration)> {
    let mut scores = Vec::new();
    let started = Instant::now();
    for series in subjects {
        for seed in SEEDS {
            scores.push(match gap {
                None => hold_out(series, PERCENT, seed, fill)?,
                Some(cells) => hold_out_gaps(series, cells, PERCENT, seed, fill)?,
            });
        }
    }
    Ok((Score::pool(&scores), started.elapsed()))
}
