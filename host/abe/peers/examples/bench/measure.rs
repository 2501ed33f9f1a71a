//! Repeats work and times it by the CPU time of this thread, which other load on the machine disturbs least.

use nix::time::{ClockId, clock_gettime};
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
    pub(crate) const FULL: Self = Self { least: 3, budget: Duration::from_millis(400), most: 100 };
    pub(crate) const QUICK: Self = Self { least: 1, budget: Duration::from_millis(40), most: 10 };

    /// How long to run a measurement of throughput.
    pub(crate) fn throughput_budget(self) -> Duration {
        self.budget * 3
    }
}

/// Of one operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Times {
    pub(crate) median_ms: f64,
    pub(crate) min_ms: f64,
    pub(crate) repetitions: usize,
}

/// The times of `work` and its last result. The first run warms caches and tables and does not count, except
/// where it alone exceeds the budget.
pub(crate) fn measure<T>(effort: Effort, mut work: impl FnMut() -> T) -> (Times, T) {
    let mut times_ms = Vec::new();
    let started = thread_time();
    let mut result = work();
    let first = thread_time() - started;
    if first > effort.budget {
        times_ms.push(first.as_secs_f64() * 1e3);
    }
    let started = thread_time();
    while times_ms.len() < effort.least
        || (thread_time() - started < effort.budget && times_ms.len() < effort.most)
    {
        let start = thread_time();
        result = work();
        times_ms.push((thread_time() - start).as_secs_f64() * 1e3);
    }
    times_ms.sort_by(f64::total_cmp);
    let times =
        Times { median_ms: times_ms[times_ms.len() / 2], min_ms: times_ms[0], repetitions: times_ms.len() };
    (times, result)
}

fn thread_time() -> Duration {
    // Every Unix this is run on has the clock.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
