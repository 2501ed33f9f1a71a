//! Repeats work and times it by the CPU time of this thread, which other load on the machine disturbs least.

use nix::time::{ClockId, clock_gettime};
use std::ops::{Add, Div};
use std::time::Duration;

/// How often something is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// At least this often.
    least: usize,
    /// And until this much time was spent on it,
    budget: Duration,
    /// but not more often than this.
    most: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self { least: 3, budget: Duration::from_millis(250), most: 100 };
    pub(crate) const QUICK: Self = Self { least: 1, budget: Duration::from_millis(40), most: 10 };

    /// For work that takes long to prepare.
    pub(crate) fn of_few(self) -> Self {
        Self { least: self.least.min(2), budget: Duration::ZERO, ..self }
    }

    /// How long to run a measurement of throughput.
    pub(crate) fn throughput_budget(self) -> Duration {
        self.budget * 8
    }
}

/// Of one operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Times {
    pub(crate) median_ms: f64,
    pub(crate) min_ms: f64,
    pub(crate) repetitions: usize,
}

/// Of one operation after the other.
impl Add for Times {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            median_ms: self.median_ms + other.median_ms,
            min_ms: self.min_ms + other.min_ms,
            repetitions: self.repetitions.min(other.repetitions),
        }
    }
}

/// Of one of so many.
impl Div<usize> for Times {
    type Output = Self;

    fn div(self, count: usize) -> Self {
        let count = count as f64;
        Self { median_ms: self.median_ms / count, min_ms: self.min_ms / count, ..self }
    }
}

/// The times of `work` and its last result. The first run warms caches and tables and does not count, except
/// where it alone exceeds the budget.
pub(crate) fn measure<T>(effort: Effort, mut work: impl FnMut() -> T) -> (Times, T) {
    measure_prepared(effort, || (), |()| work())
}

/// Like [`measure`], for work that consumes what `prepare` makes each time outside the measured time.
pub(crate) fn measure_prepared<P, T>(
    effort: Effort,
    mut prepare: impl FnMut() -> P,
    mut work: impl FnMut(P) -> T,
) -> (Times, T) {
    let mut timed = || {
        let prepared = prepare();
        let start = thread_time();
        let result = work(prepared);
        (thread_time() - start, result)
    };
    let mut times = Vec::new();
    let (first, mut result) = timed();
    if first > effort.budget {
        times.push(first);
    }
    let mut spent = Duration::ZERO;
    while times.len() < effort.least || (spent < effort.budget && times.len() < effort.most) {
        let (time, latest) = timed();
        result = latest;
        spent += time;
        times.push(time);
    }
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median_ms, min_ms) = (ms(times[times.len() / 2]), ms(times[0]));
    (Times { median_ms, min_ms, repetitions: times.len() }, result)
}

fn thread_time() -> Duration {
    // Every Unix this is run on has the clock.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
