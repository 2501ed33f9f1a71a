//! `twinseal puf evaluate`: a population of virtual chips over temperature, supply and age, or a folder of measured
//! frequencies; as a table, as JSON, as plots.

use std::fmt::{self, Write as _};
use std::io::Read as _;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub mod density;
pub mod dependence;
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
use crate::silicon::{Condition, Device, Foundry, NOMINAL_VOLTS, ROOM, Silicon};
use crate::{Error, PAIRS, RINGS, RINGS_PER_ROW, entropy};
use dependence::Dependence;
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
/// Where a board may have been enrolled.
const ENROLMENT_CELSIUS: [f64; 6] = [0.0, 15.0, 25.0, 35.0, 50.0, 70.0];
const ENROLMENT_VOLTS: [f64; 5] = [1.14, 1.188, NOMINAL_VOLTS, 1.212, 1.26];
/// Where it must have been enrolled for the promised key failure: room and some warming, the supply to one per cent.
pub const PROMISED_CELSIUS: RangeInclusive<f64> = 15.0..=50.0;
/// The supply at an enrolment for which the key failure is promised.
pub const PROMISED_VOLTS: RangeInclusive<f64> = 1.188..=1.212;

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
        /// Where they are enrolled; everywhere when `None`.
        enrolled: Option<Condition>,
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
    /// Whether the pairs of a chip depend on each other; the root's entropy in `population` is that of pairs that do not.
    pub dependence: Dependence,
    /// What the root's entropy in `population` must not be taken for.
    pub entropy_reservations: Vec<String>,
    /// Bit error over temperature, supply and age, of chips enrolled under one condition; empty for measured chips.
    pub conditions: Vec<BitErrorAt>,
    /// Key failure at the worst corner, for every condition a chip may have been enrolled under; empty for measured chips.
    pub enrolments: Vec<EnrolledAt>,
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

/// Key failure of chips that were enrolled under one condition, at the corner that is worst for them.
#[derive(Clone, Debug, Serialize)]
pub struct EnrolledAt {
    /// Junction temperature and supply at enrolment.
    pub enrolled: Condition,
    /// Whether the design promises a key failure here, or this one was asked for.
    pub promised: bool,
    /// Where most bits are read wrong.
    pub worst: Condition,
    /// Share of sign bits that differ there from enrolment.
    pub sign: f64,
    /// Share of size bits that differ there from enrolment.
    pub size: f64,
    /// Computed probability that a reconstruction fails there, see [`KeyFailure::computed`].
    pub key_failure: f64,
}

/// Evaluates. Takes half a minute for 100,000 reconstructions on two processors.
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
            Ok(report(source, &samples, health, key, None))
        }
        Source::Virtual { chips, seed, device, silicon, enrolled } => {
            range("--chips", *chips as u64, 2, MAX_CHIPS as u64)?;
            let (silicon, assumed) = load(silicon.as_deref())?;
            let foundry = Foundry::new(silicon.clone(), *device);
            let samples = Samples::of_virtual_chips(&foundry, *seed, *chips, VIRTUAL_SAMPLES, &ROOM);
            let some = 0..MAX_CHIPS_PER_CONDITION.min(*chips as u64);
            let at = enrolled.unwrap_or(ROOM);
            let conditions = conditions(&foundry, *seed, some.clone(), &at)?;
            let enrolments = enrolments(&foundry, *seed, some, *enrolled)?;
            let hardest = hardest_promised(&enrolments);
            // Chips that the population above does not have.
            let first = *chips as u64;
            let fresh = |foundry: &Foundry, n: u64, from: &Condition, to: &Condition, what: &str| {
                let what = format!("{what}{} to {}", place(from), place_and_age(to));
                failure::of_virtual_chips(foundry, *seed, first..first + n, from, to, what)
            };
            let tenth = options.reconstructions / 10;
            let stressed = Foundry::new(silicon.with_drift(STRESS), *device);
            let (from, to) = (&hardest.enrolled, &hardest.worst);
            let drift = fresh(&stressed, 2 * tenth, from, to, &format!("drift x {STRESS}, "))?;
            let key = vec![
                fresh(&foundry, tenth, &at, &at, "")?,
                fresh(&foundry, options.reconstructions, from, to, "worst, ")?,
                KeyFailure { promised: false, ..drift },
            ];
            let raw = raw_bits(&foundry, *seed);
            let source =
                format!("{chips} virtual chips of seed {seed} on {device:?}, {VIRTUAL_SAMPLES} samples");
            let health = Health::of(&samples);
            let samples = health.sound_of(samples);
            let simulated = Simulated { conditions, enrolments, raw, assumed };
            Ok(report(source, &samples, health, Ok(key), Some(simulated)))
        }
    }
}

/// What only virtual chips have.
#[derive(Default)]
struct Simulated {
    conditions: Vec<BitErrorAt>,
    enrolments: Vec<EnrolledAt>,
    raw: Vec<bool>,
    assumed: Vec<String>,
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
    key_failure: Result<Vec<KeyFailure>, String>,
    simulated: Option<Simulated>,
) -> Report {
    let measured = simulated.is_none();
    let Simulated { conditions, enrolments, raw, assumed } = simulated.unwrap_or_default();
    let population = quality::population(samples);
    let dependence = Dependence::of(samples);
    let estimates = estimates(samples, &raw);
    let mut checks = vec![
        Check::of_health(&health),
        Check::of_dependence(&dependence),
        Check::of_entropy(&population, &health, &dependence),
    ];
    checks.extend(Check::of_key_failure(&key_failure));
    checks.push(Check::of_corners(&enrolments));
    checks.push(Check::of_raw_bits(&estimates, measured));
    let verdict = Verdict::of(&checks);
    Report {
        source,
        entropy_reservations: promise::reservations(&population, &health, &dependence),
        health,
        population,
        dependence,
        conditions,
        enrolments,
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

fn conditions(
    foundry: &Foundry,
    seed: u64,
    chips: Range<u64>,
    enrolled: &Condition,
) -> Result<Vec<BitErrorAt>, Error> {
    let mut out = Vec::new();
    for years in YEARS {
        for volts in VOLTS {
            for celsius in CELSIUS {
                let at = Condition { celsius, volts, years };
                let k =
                    failure::of_virtual_chips(foundry, seed, chips.clone(), enrolled, &at, String::new())?;
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

/// Of the one condition chips are enrolled under, or of a grid of them.
fn enrolments(
    foundry: &Foundry,
    seed: u64,
    chips: Range<u64>,
    only: Option<Condition>,
) -> Result<Vec<EnrolledAt>, Error> {
    let everywhere = ENROLMENT_VOLTS.into_iter().flat_map(|volts| {
        ENROLMENT_CELSIUS.into_iter().map(move |celsius| Condition { celsius, volts, years: 0.0 })
    });
    only.map_or_else(|| everywhere.collect(), |only| vec![only])
        .into_iter()
        .map(|enrolled| {
            let (worst, k) = failure::at_worst_corner(foundry, seed, chips.clone(), &enrolled)?;
            Ok(EnrolledAt {
                enrolled,
                promised: only.is_some()
                    || PROMISED_CELSIUS.contains(&enrolled.celsius)
                        && PROMISED_VOLTS.contains(&enrolled.volts),
                worst,
                sign: k.sign_bit_error,
                size: k.size_bit_error,
                key_failure: k.computed,
            })
        })
        .collect()
}

/// Where the promise is hardest to keep.
fn hardest_promised(enrolments: &[EnrolledAt]) -> &EnrolledAt {
    let harder = |a: &&EnrolledAt, b: &&EnrolledAt| {
        a.promised.cmp(&b.promised).then(a.key_failure.total_cmp(&b.key_failure))
    };
    enrolments.iter().max_by(harder).unwrap_or(&enrolments[0])
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
    format!("{} C {} V", at.celsius, volts(at.volts))
}

fn place_and_age(at: &Condition) -> String {
    format!("{} {} y", place(at), at.years)
}

/// To two places, to more where it has more.
fn volts(volts: f64) -> String {
    let two = format!("{volts:.2}");
    let all = volts.to_string();
    if all.len() > two.len() { all } else { two }
}

impl Report {
    /// Whether everything that is promised was checked and holds.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Shown
    }

    /// Where the chips of `conditions` were enrolled.
    fn enrolled_at(&self) -> String {
        place(&match self.enrolments.as_slice() {
            [only] => only.enrolled,
            _ => ROOM,
        })
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
                title: format!("Wrong sign bits at reconstruction; enrolled at {}", self.enrolled_at()),
                x: "junction temperature, C".into(),
                y: "wrong sign bits, %".into(),
                log_y: false,
                limit: None,
                series: over_temperature(|c| 100.0 * c.sign),
            };
            plots.push(("bit-error.svg", errors.svg()));
            let failures = plot::Chart {
                title: format!("Key failure, computed from the readings; enrolled at {}", self.enrolled_at()),
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
            "\nmin-entropy of both bits of a pair {:.3}; {PAIRS} pairs {:.1}, balance -{:.1}, syndrome -{:.0}: root {:.1} bits{}",
            p.min_entropy_of_both,
            e.response,
            e.balance,
            e.helper,
            e.root,
            if !self.dependence.enough_chips() {
                ", which means nothing: not enough chips"
            } else if !self.dependence.none_found() {
                ", were the pairs independent, which they are not"
            } else {
                ""
            }
        )?;
        for reservation in &self.entropy_reservations {
            writeln!(f, "  not to rely on: {reservation}")?;
        }

        writeln!(
            f,
            "\n{:<66}{:>10}{:>22}",
            "dependence of pairs on each other", "found", "independent pairs"
        )?;
        for measure in &self.dependence.measures {
            let (found, limit) = measure.figures();
            let broken = if measure.holds() { "" } else { "  dependent" };
            writeln!(f, "{:<66}{found:>10}{limit:>22}{broken}", measure.what)?;
        }

        let enrolled = self.enrolled_at();
        for years in YEARS {
            let here: Vec<_> = self.conditions.iter().filter(|c| c.years == years).collect();
            if here.is_empty() {
                continue;
            }
            writeln!(f, "\nwrong bits (sign / size) after {years} years, enrolled at {enrolled}")?;
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
            writeln!(f, "\nkey failure, computed     {}  enrolled at {enrolled}", head.concat())?;
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
        if self.enrolments.len() > 1 {
            let head: Vec<String> =
                ENROLMENT_CELSIUS.iter().map(|c| format!("{:>11}", format!("{c} C"))).collect();
            writeln!(f, "\nkey failure at the worst corner for every enrolment, computed; * promised")?;
            writeln!(f, "  enrolled at    {}", head.concat())?;
        }
        for row in self.enrolments.chunk_by(|a, b| a.enrolled.volts == b.enrolled.volts) {
            let cell = |e: &EnrolledAt| {
                format!("{:>10.1e}{}", shown(e.key_failure), if e.promised { '*' } else { ' ' })
            };
            let cells: String = row.iter().map(cell).collect();
            writeln!(f, "  {:<15}{}", format!("{} V", volts(row[0].enrolled.volts)), cells.trim_end())?;
        }
        if !self.key_failure.is_empty() {
            writeln!(
                f,
                "\n{:<50}{:>8}{:>8}{:>12}{:>12}{:>12}{:>18}",
                "key failure", "sign", "size", "most wrong", "computed", "worst tenth", "counted"
            )?;
        }
        for k in &self.key_failure {
            writeln!(
                f,
                "{:<50}{:>8}{:>8}{:>12}{:>12.1e}{:>12.1e}{:>18}",
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
        if !self.estimates.is_empty() {
            writeln!(
                f,
                "  only raw entropy is part of the verdict: of responses these follow the few most biased places and the order \
                 of chips, which is nobody's; the root's entropy takes every place with its own bias"
            )?;
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
            Verdict::Shown if self.checks.iter().any(|c| c.outcome == Outcome::NotChecked) => {
                "shown: what could be checked of keys holds; this does not cover what was not checked"
            }
            Verdict::Shown => "shown: what is promised of keys was checked and holds",
            Verdict::NotShown => "not shown: not all that is promised of keys could be checked",
            Verdict::Failed => "failed: not all that is promised holds",
        };
        writeln!(f, "\n{verdict}")
    }
}
