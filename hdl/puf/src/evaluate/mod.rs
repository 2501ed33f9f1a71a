//! `twinseal puf evaluate`: a population of virtual chips over temperature, supply and age, or a folder of measured
//! frequencies; as a table, as JSON, as plots.

use std::fmt::{self, Write as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub mod density;
pub mod failure;
pub mod health;
pub mod layout;
mod plot;
pub mod predictors;
pub mod promise;
pub mod quality;
pub mod samples;
pub mod sp800_90b;

use crate::reading::{self, window_clocks};
use crate::silicon::{CORNERS, Condition, Device, Foundry, NOMINAL_VOLTS, ROOM, Silicon};
use crate::{Error, PAIRS, RINGS, RINGS_PER_ROW, entropy};
use failure::KeyFailure;
use health::Health;
use promise::{Check, Outcome, Verdict};
use quality::{Population, Quality};
use samples::Samples;
use sp800_90b::Estimates;

/// Most chips of a population.
pub const MAX_CHIPS: usize = 4_096;
/// Largest file of one chip.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most frequencies in all files of a folder together.
pub const MAX_FREQUENCIES: usize = 50_000_000;
/// Most simulated reconstructions.
pub const MAX_RECONSTRUCTIONS: u64 = 100_000_000;
/// What the design promises of a reconstruction at the worst corner.
pub const KEY_FAILURE_BUDGET: f64 = 1e-6;
/// What the design promises of the root.
pub const ROOT_ENTROPY_BUDGET: f64 = 128.0;

/// Samples of every ring in the population of virtual chips.
const VIRTUAL_SAMPLES: usize = 32;
/// Bits that the estimators look at: as many of the entropy source as SP 800-90B section 3.1.1 asks, at most as many of the
/// responses.
const RAW_BITS: usize = 1_000_000;
const PROMISED: &str = "promised";
const RAW_ENTROPY: &str = "raw entropy";
/// How much further than assumed rings drift apart where failures are to be counted.
const STRESS: f64 = 1.8;
/// Below this the rounding of the computation shows.
const LEAST_FAILURE: f64 = 1e-15;
/// Largest file of silicon parameters.
const MAX_SILICON_BYTES: u64 = 1 << 20;
/// Chips that are looked at under every condition.
const MAX_CHIPS_PER_CONDITION: u64 = 400;
const CELSIUS: [f64; 6] = [0.0, 10.0, 25.0, 40.0, 55.0, 70.0];
const VOLTS: [f64; 3] = [1.14, NOMINAL_VOLTS, 1.26];
const YEARS: [f64; 2] = [0.0, 10.0];

/// What is evaluated.
#[derive(Clone, Debug)]
pub enum Source {
    /// Virtual chips.
    Virtual {
        /// How many, 2 to [`MAX_CHIPS`].
        chips: usize,
        /// Which.
        seed: u64,
        /// On which device.
        device: Device,
        /// A file like `silicon.toml`; the project's own when `None`.
        silicon: Option<PathBuf>,
    },
    /// A folder of measured frequencies.
    Folder(PathBuf),
}

/// Options of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is evaluated.
    pub source: Source,
    /// Simulated reconstructions at the worst corner.
    pub reconstructions: u64,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was evaluated.
    pub source: String,
    /// Which chips a board would refuse to read. They are not in the population, unless fewer than two would remain.
    pub health: Health,
    /// Counted over the population at room, or as measured.
    pub population: Population,
    /// What the root's entropy in `population` must not be taken for.
    pub entropy_reservations: Vec<String>,
    /// Bit error over temperature, supply and age; empty for measured chips.
    pub conditions: Vec<BitErrorAt>,
    /// Reconstructions; empty when the measurements are too few.
    pub key_failure: Vec<KeyFailure>,
    /// SP 800-90B's estimators, where there are bits enough.
    pub estimates: Vec<Estimated>,
    /// Names of the silicon parameters that are assumed, not measured.
    pub assumed: Vec<String>,
    /// What the design promises, and whether it is so.
    pub checks: Vec<Check>,
    /// What the checks say together.
    pub verdict: Verdict,
}

/// Some bits, and what SP 800-90B's estimators say of them.
#[derive(Clone, Debug, Serialize)]
pub struct Estimated {
    /// Which.
    pub data: String,
    /// What the estimators can find in them.
    pub why: String,
    /// What they say.
    pub estimates: Estimates,
}

/// Bit error and key failure under one condition.
#[derive(Clone, Debug, Serialize)]
pub struct BitErrorAt {
    /// Junction temperature.
    pub celsius: f64,
    /// Core supply.
    pub volts: f64,
    /// Age.
    pub years: f64,
    /// Share of sign bits that differ from enrolment.
    pub sign: f64,
    /// Share of size bits that differ from enrolment.
    pub size: f64,
    /// Computed probability that a reconstruction fails, see [`KeyFailure::computed`].
    pub key_failure: f64,
}

/// Evaluates. Takes under a minute for 100,000 reconstructions on two processors.
pub fn run(options: &Options) -> Result<Report, Error> {
    let range = |option, given: u64, least, most| {
        if (least..=most).contains(&given) {
            Ok(())
        } else {
            Err(Error::Option { option, given, least, most })
        }
    };
    range("--reconstructions", options.reconstructions, 1_000, MAX_RECONSTRUCTIONS)?;
    match &options.source {
        Source::Folder(folder) => {
            let samples = Samples::from_folder(folder)?;
            let source = format!("{} measured chips in {}", samples.chips.len(), folder.display());
            let health = Health::of(&samples);
            let samples = health.sound_of(samples);
            let key = if health.sound() < 2 {
                Err("fewer than 2 chips pass the health tests".into())
            } else {
                failure::of_samples(&samples, "as measured".into())
            };
            let key = key.map(|key| vec![key]);
            Ok(report(source, &samples, health, Vec::new(), key, None, Vec::new()))
        }
        Source::Virtual { chips, seed, device, silicon } => {
            range("--chips", *chips as u64, 2, MAX_CHIPS as u64)?;
            let (silicon, assumed) = load(silicon.as_deref())?;
            let foundry = Foundry::new(silicon.clone(), *device);
            let samples = Samples::of_virtual_chips(&foundry, *seed, *chips, VIRTUAL_SAMPLES, &ROOM);
            let conditions = conditions(&foundry, *seed, MAX_CHIPS_PER_CONDITION.min(*chips as u64))?;
            let worst = worst_corner(&conditions);
            // Chips that the population above does not have.
            let first = *chips as u64;
            let fresh = |foundry: &Foundry, n: u64, at: &Condition, what: &str| {
                failure::of_virtual_chips(foundry, *seed, first, n, at, format!("{what}{}", place(at)))
            };
            let tenth = options.reconstructions / 10;
            let stressed = Foundry::new(silicon.with_drift(STRESS), *device);
            let drift = fresh(&stressed, 2 * tenth, &worst, &format!("drift x {STRESS}, "))?;
            let key = vec![
                fresh(&foundry, tenth, &ROOM, "")?,
                fresh(&foundry, options.reconstructions, &worst, "worst corner, ")?,
                KeyFailure { promised: false, ..drift },
            ];
            let raw = raw_bits(&foundry, *seed);
            let source =
                format!("{chips} virtual chips of seed {seed} on {device:?}, {VIRTUAL_SAMPLES} samples");
            let health = Health::of(&samples);
            let samples = health.sound_of(samples);
            Ok(report(source, &samples, health, conditions, Ok(key), Some(&raw), assumed))
        }
    }
}

fn load(path: Option<&Path>) -> Result<(Silicon, Vec<String>), Error> {
    let text = match path {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(Error::file(path))?;
            let mut bytes = Vec::new();
            file.take(MAX_SILICON_BYTES + 1).read_to_end(&mut bytes).map_err(Error::file(path))?;
            if bytes.len() as u64 > MAX_SILICON_BYTES {
                let what = format!("{}: more than {MAX_SILICON_BYTES} bytes", path.display());
                return Err(Error::Silicon(what));
            }
            String::from_utf8(bytes).map_err(|_| Error::Silicon(format!("{}: no text", path.display())))?
        }
        None => include_str!("../../silicon.toml").into(),
    };
    let silicon = Silicon::parse(&text)?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| Error::Silicon(e.to_string()))?;
    let assumed =
        table.iter().filter(|(_, p)| p.get("origin").and_then(toml::Value::as_str) == Some("assumed"));
    Ok((silicon, assumed.map(|(name, _)| name.clone()).collect()))
}

fn report(
    source: String,
    samples: &Samples,
    health: Health,
    conditions: Vec<BitErrorAt>,
    key_failure: Result<Vec<KeyFailure>, String>,
    raw: Option<&[bool]>,
    assumed: Vec<String>,
) -> Report {
    let population = quality::population(samples);
    let estimates = estimates(samples, raw.unwrap_or_default());
    let mut checks = vec![Check::of_health(&health), Check::of_entropy(&population, &health)];
    checks.extend(Check::of_key_failure(&key_failure));
    checks.push(Check::of_raw_bits(&estimates, raw.is_none()));
    let verdict = Verdict::of(&checks);
    Report {
        source,
        entropy_reservations: promise::reservations(&population, &health),
        health,
        population,
        conditions,
        key_failure: key_failure.unwrap_or_default(),
        estimates,
        assumed,
        checks,
        verdict,
    }
}

/// All ten estimators on whatever there is. SP 800-90B means them for a noise source: that is the raw entropy. The bits of a
/// response are drawn once for a chip; strung together they are still a sequence in which some bits may tell others, and
/// the order decides which.
fn estimates(samples: &Samples, raw: &[bool]) -> Vec<Estimated> {
    let (sign, size) = quality::responses(samples);
    let pairs = samples.rings / 2;
    let by_place = |bits: &[bool]| -> Vec<bool> {
        let chips = bits.len() / pairs;
        (0..bits.len()).map(|at| bits[at % chips * pairs + at / chips]).collect()
    };
    let neighbours = "one chip after the other: whether pairs of one chip tell of those near them";
    let aliasing =
        "one place after the other, all chips of it: whether other chips tell of this one (aliasing)";
    let noise = "the noise source of the entropy, in the order of sampling: what SP 800-90B asks for";
    [
        ("sign, chip by chip", neighbours, sign.clone()),
        ("sign, place by place", aliasing, by_place(&sign)),
        ("size, chip by chip", neighbours, size.clone()),
        ("size, place by place", aliasing, by_place(&size)),
        (RAW_ENTROPY, noise, raw.to_vec()),
    ]
    .into_iter()
    .filter_map(|(data, why, mut bits)| {
        bits.truncate(RAW_BITS);
        let estimates = sp800_90b::estimate(&bits)?;
        Some(Estimated { data: data.into(), why: why.into(), estimates })
    })
    .collect()
}

fn conditions(foundry: &Foundry, seed: u64, chips: u64) -> Result<Vec<BitErrorAt>, Error> {
    let mut out = Vec::new();
    for years in YEARS {
        for volts in VOLTS {
            for celsius in CELSIUS {
                let at = Condition { celsius, volts, years };
                let k = failure::of_virtual_chips(foundry, seed, 0, chips, &at, String::new())?;
                out.push(BitErrorAt {
                    celsius,
                    volts,
                    years,
                    sign: k.sign_bit_error,
                    size: k.size_bit_error,
                    key_failure: k.computed,
                });
            }
        }
    }
    Ok(out)
}

/// The corner with the most wrong bits.
fn worst_corner(conditions: &[BitErrorAt]) -> Condition {
    let wrong = |c: &Condition| {
        let here = |b: &&BitErrorAt| (b.celsius, b.volts, b.years) == (c.celsius, c.volts, c.years);
        conditions.iter().find(here).map_or(0.0, |b| b.sign + b.size)
    };
    CORNERS.into_iter().fold(CORNERS[0], |worst, c| if wrong(&c) > wrong(&worst) { c } else { worst })
}

fn raw_bits(foundry: &Foundry, seed: u64) -> Vec<bool> {
    const CLOCK_HZ: u32 = 12_000_000;
    let window = window_clocks(CLOCK_HZ);
    let mut on = foundry.numbered(seed, 0).power_up(&ROOM, 0);
    let mut bits = Vec::with_capacity(RAW_BITS + PAIRS);
    while bits.len() < RAW_BITS {
        let steps = on.sample_steps(CLOCK_HZ);
        bits.extend(steps.chunks_exact(2).map(|rings| {
            entropy::raw_bit(reading::count(rings[0], window), reading::count(rings[1], window))
        }));
    }
    bits.truncate(RAW_BITS);
    bits
}

fn shown(failure: f64) -> f64 {
    failure.max(LEAST_FAILURE)
}

fn place(at: &Condition) -> String {
    format!("{} C, {:.2} V, {} years", at.celsius, at.volts, at.years)
}

impl Report {
    /// Whether everything that is promised was checked and holds.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Shown
    }

    /// Writes the plots into `folder`, which is made if need be, and gives their paths.
    pub fn write_plots(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let mut written = Vec::new();
        for (name, svg) in self.plots() {
            let path = folder.join(name);
            std::fs::write(&path, svg).map_err(Error::file(&path))?;
            written.push(path);
        }
        Ok(written)
    }

    /// File names and SVG texts.
    pub fn plots(&self) -> Vec<(&'static str, String)> {
        let p = &self.population;
        let distances = |title: &str, quality: &Quality| {
            plot::Chart {
                title: title.into(),
                x: "Hamming distance, share of the bits".into(),
                y: "share of all comparisons".into(),
                log_y: false,
                limit: None,
                series: vec![
                    plot::histogram("same chip, another sample", &quality.errors, quality.bits),
                    plot::histogram("two chips", &quality.distances, quality.bits),
                ],
            }
            .svg()
        };
        let mut plots = vec![
            ("distances-sign.svg", distances("Sign bits: distances within and between chips", &p.sign)),
            ("distances-size.svg", distances("Size bits: distances within and between chips", &p.size)),
        ];
        let columns = if p.rings == RINGS { RINGS_PER_ROW } else { (p.rings as f64).sqrt().ceil() as usize };
        let percent: Vec<f64> = p.map.iter().map(|m| 100.0 * m).collect();
        plots.push((
            "map.svg",
            plot::map(
                "Frequency of every ring, mean of all chips",
                &percent,
                columns,
                "% of the chip's mean",
            ),
        ));
        let ones: Vec<f64> = p.sign.ones.iter().map(|o| 200.0 * (o - 0.5)).collect();
        plots.push((
            "aliasing.svg",
            plot::map("Bit aliasing of the sign bits", &ones, (columns / 2).max(1), "% more ones than zeros"),
        ));
        if !self.conditions.is_empty() {
            let over_temperature = |of: fn(&BitErrorAt) -> f64| {
                let mut series = Vec::new();
                for years in YEARS {
                    for volts in VOLTS {
                        let here = self.conditions.iter().filter(|c| c.volts == volts && c.years == years);
                        series.push(plot::Series {
                            name: format!("{volts:.2} V, {years} years"),
                            points: here.map(|c| (c.celsius, of(c))).collect(),
                            style: plot::Style::Line,
                        });
                    }
                }
                series
            };
            let errors = plot::Chart {
                title: "Wrong sign bits at reconstruction; enrolled at 25 C, 1.20 V".into(),
                x: "junction temperature, C".into(),
                y: "wrong sign bits, %".into(),
                log_y: false,
                limit: None,
                series: over_temperature(|c| 100.0 * c.sign),
            };
            plots.push(("bit-error.svg", errors.svg()));
            let failures = plot::Chart {
                title: "Key failure, computed from the readings; enrolled at 25 C, 1.20 V".into(),
                x: "junction temperature, C".into(),
                y: "probability that a reconstruction fails".into(),
                log_y: true,
                limit: Some((KEY_FAILURE_BUDGET, PROMISED)),
                series: over_temperature(|c| shown(c.key_failure)),
            };
            plots.push(("key-failure-over-temperature.svg", failures.svg()));
        }
        if !self.key_failure.is_empty() {
            let mut series = vec![plot::Series {
                name: "computed, drift alone".into(),
                points: (4..=40)
                    .map(|i| 0.0025 * f64::from(i))
                    .map(|e| (100.0 * e, shown(density::failure(&density::design(e)))))
                    .collect(),
                style: plot::Style::Line,
            }];
            let mark = |name: &str, points: Vec<(f64, f64)>| plot::Series {
                name: name.into(),
                points,
                style: plot::Style::Marks,
            };
            series.push(mark(
                "computed from the readings",
                self.key_failure.iter().map(|k| (100.0 * k.sign_bit_error, shown(k.computed))).collect(),
            ));
            series.push(mark(
                "counted",
                self.key_failure
                    .iter()
                    .filter(|k| k.failures > 0)
                    .map(|k| (100.0 * k.sign_bit_error, k.failures as f64 / k.reconstructions as f64))
                    .collect(),
            ));
            let none = self.key_failure.iter().filter(|k| k.failures == 0);
            series.push(plot::Series {
                name: "none counted: below (95 %)".into(),
                points: none.map(|k| (100.0 * k.sign_bit_error, k.counted_bound)).collect(),
                style: plot::Style::Below,
            });
            let chart = plot::Chart {
                title: "Key failure over bit error; 1e-15 is as little as the computation resolves".into(),
                x: "wrong sign bits, %".into(),
                y: "probability that a reconstruction fails".into(),
                log_y: true,
                limit: Some((KEY_FAILURE_BUDGET, PROMISED)),
                series,
            };
            plots.push(("key-failure.svg", chart.svg()));
        }
        plots
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = &self.population;
        writeln!(f, "{}; {} rings, {} pairs", self.source, p.rings, p.rings / 2)?;
        writeln!(
            f,
            "frequency {:.2} MHz, chip to chip {:.2} %, within a chip {:.3} %, noise {:.4} %\n",
            p.frequency_hz.mean / 1e6,
            100.0 * p.frequency_hz.deviation / p.frequency_hz.mean,
            100.0 * p.within_chip.mean,
            100.0 * p.noise.mean
        )?;
        writeln!(f, "{:<34}{:>12}{:>12}", "", "sign bits", "size bits")?;
        let mut row = |name: &str, value: &dyn Fn(&Quality) -> String| {
            writeln!(f, "{name:<34}{:>12}{:>12}", value(&p.sign), value(&p.size))
        };
        let percent = |v: f64| format!("{:.2} %", 100.0 * v);
        row("uniqueness", &|q| percent(q.uniqueness.mean))?;
        row("  deviation", &|q| percent(q.uniqueness.deviation))?;
        row("uniformity", &|q| percent(q.uniformity.mean))?;
        row("bit aliasing, deviation", &|q| percent(q.bit_aliasing.deviation))?;
        row("bit error, one sample", &|q| percent(q.bit_error.mean))?;
        row("  worst chip", &|q| percent(q.bit_error.most))?;
        row("min-entropy a bit", &|q| format!("{:.3}", q.min_entropy))?;
        row("  fair bits of as many chips show", &|q| format!("{:.3}", q.min_entropy_of_fair_bits))?;
        let e = &p.entropy;
        writeln!(
            f,
            "\nmin-entropy of both bits of a pair {:.3}; {PAIRS} pairs {:.1}, balance -{:.1}, syndrome -{:.0}: root {:.1} bits",
            p.min_entropy_of_both, e.response, e.balance, e.helper, e.root
        )?;
        for reservation in &self.entropy_reservations {
            writeln!(f, "  not to rely on: {reservation}")?;
        }

        for years in YEARS {
            let here: Vec<_> = self.conditions.iter().filter(|c| c.years == years).collect();
            if here.is_empty() {
                continue;
            }
            writeln!(f, "\nwrong bits (sign / size) after {years} years")?;
            let mut head = String::from("         ");
            CELSIUS.iter().try_for_each(|c| write!(head, "{:>16}", format!("{c} C")))?;
            writeln!(f, "{head}")?;
            for volts in VOLTS {
                write!(f, "  {volts:.2} V ")?;
                for c in here.iter().filter(|c| c.volts == volts) {
                    write!(f, "{:>16}", format!("{:.2} / {:.2} %", 100.0 * c.sign, 100.0 * c.size))?;
                }
                writeln!(f)?;
            }
        }
        if !self.conditions.is_empty() {
            let head: Vec<String> = CELSIUS.iter().map(|c| format!("{:>10}", format!("{c} C"))).collect();
            writeln!(f, "\nkey failure, computed     {}", head.concat())?;
        }
        for years in YEARS {
            for volts in VOLTS {
                let mut here =
                    self.conditions.iter().filter(|c| c.volts == volts && c.years == years).peekable();
                if here.peek().is_some() {
                    write!(f, "  {volts:.2} V, {years:>2} years         ")?;
                    here.try_for_each(|c| write!(f, "{:>10.1e}", shown(c.key_failure)))?;
                    writeln!(f)?;
                }
            }
        }
        if !self.key_failure.is_empty() {
            writeln!(
                f,
                "\n{:<44}{:>8}{:>8}{:>12}{:>12}{:>12}{:>18}",
                "key failure", "sign", "size", "most wrong", "computed", "worst tenth", "counted"
            )?;
        }
        for k in &self.key_failure {
            writeln!(
                f,
                "{:<44}{:>8}{:>8}{:>12}{:>12.1e}{:>12.1e}{:>18}",
                k.what,
                percent(k.sign_bit_error),
                percent(k.size_bit_error),
                k.most_wrong_bits,
                shown(k.computed),
                shown(k.computed_worst_group),
                format!("{} of {}", k.failures, k.reconstructions)
            )?;
        }
        if let Some(first) = self.estimates.first() {
            write!(f, "\n{:<22}{:>9}", "SP 800-90B section 6.3", "bits")?;
            first.estimates.all().iter().try_for_each(|(name, _)| write!(f, "{name:>12}"))?;
            writeln!(f, "{:>8}", "least")?;
        }
        for Estimated { data, estimates, .. } in &self.estimates {
            write!(f, "{data:<22}{:>9}", estimates.bits)?;
            estimates.all().iter().try_for_each(|(_, estimate)| write!(f, "{estimate:>12.3}"))?;
            writeln!(f, "{:>8.3}", estimates.least)?;
        }
        for Estimated { data, why, .. } in &self.estimates {
            writeln!(f, "  {data}: {why}")?;
        }
        if self.estimates.iter().any(|e| e.data == RAW_ENTROPY) {
            writeln!(
                f,
                "health tests for {} bits a raw bit: repetition {}, proportion {} of {}",
                entropy::CLAIMED_MIN_ENTROPY,
                entropy::REPETITION_CUTOFF,
                entropy::PROPORTION_CUTOFF,
                entropy::PROPORTION_WINDOW
            )?;
        }
        if !self.assumed.is_empty() {
            writeln!(f, "\nassumed, not measured: {}", self.assumed.join(", "))?;
        }
        writeln!(f)?;
        for check in &self.checks {
            let outcome = match check.outcome {
                Outcome::Passed => "ok    ",
                Outcome::Failed => "FAILED",
                Outcome::NotChecked => "not checked",
            };
            let why = check.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            writeln!(f, "{outcome}  {}{why}", check.what)?;
        }
        let verdict = match self.verdict {
            Verdict::Shown => "shown: what is promised of keys was checked and holds",
            Verdict::NotShown => "not shown: not all that is promised of keys could be checked",
            Verdict::Failed => "failed: not all that is promised holds",
        };
        writeln!(f, "\n{verdict}")
    }
}
