//! What a run of many steps has to say, as text for a person and as JSON for a script. A step carries evidence, a check
//! can fail, and the run fails if any check did.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

/// The whole run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// In order.
    pub steps: Vec<Step>,
    /// No check failed.
    pub passed: bool,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Which, e.g. `3`.
    pub number: String,
    /// What happens.
    pub title: String,
    /// Wall-clock time of the step.
    pub elapsed_ms: f64,
    /// Name and value, in order.
    pub evidence: Vec<(String, Value)>,
    /// Each with its outcome.
    pub checks: Vec<Check>,
    /// What should be otherwise, and does not fail the run.
    pub warnings: Vec<String>,
    /// What belongs to this step and does not exist yet.
    pub missing: Vec<String>,
}

/// Something that must hold.
#[derive(Debug, Serialize)]
pub struct Check {
    /// In words.
    pub what: String,
    /// It does.
    pub passed: bool,
    /// What was seen.
    pub seen: String,
}

/// Collects one step while it runs.
pub struct Recorder {
    step: Step,
    started: Instant,
}

impl Report {
    /// Starts step `number`.
    pub fn begin(&self, number: &str, title: &str) -> Recorder {
        let step = Step {
            number: number.into(),
            title: title.into(),
            elapsed_ms: 0.0,
            evidence: Vec::new(),
            checks: Vec::new(),
            warnings: Vec::new(),
            missing: Vec::new(),
        };
        Recorder { step, started: Instant::now() }
    }

    /// Adds a finished step and returns it for printing.
    pub fn end(&mut self, recorder: Recorder) -> &Step {
        let mut step = recorder.step;
        step.elapsed_ms = milliseconds(recorder.started.elapsed());
        self.steps.push(step);
        self.passed = self.steps.iter().all(|s| s.checks.iter().all(|c| c.passed));
        &self.steps[self.steps.len() - 1]
    }
}

impl Recorder {
    /// Something a reader can look at.
    pub fn evidence(&mut self, name: &str, value: impl Into<Value>) {
        self.step.evidence.push((name.into(), value.into()));
    }

    /// Something that must hold, with what was seen.
    pub fn check(&mut self, what: &str, passed: bool, seen: impl Into<String>) {
        self.step.checks.push(Check { what: what.into(), passed, seen: seen.into() });
    }

    /// Something that must be refused, with the code of the refusal; any other outcome fails.
    pub fn refused<T>(&mut self, what: &str, outcome: Result<T, crate::Error>, codes: &[&str]) {
        match outcome {
            Ok(_) => self.check(what, false, "it was accepted"),
            Err(e) => self.check(what, codes.contains(&e.code()), format!("{}: {e}", e.code())),
        }
    }

    /// Something that should be otherwise, with the remedy.
    pub fn warn(&mut self, what: &str) {
        self.step.warnings.push(what.into());
    }

    /// A part of the step that is not built yet.
    pub fn missing(&mut self, what: &str) {
        self.step.missing.push(what.into());
    }
}

/// Colours for a terminal, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Escape codes are wanted.
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

impl Step {
    /// The step as lines of text.
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let title = style.paint("1", &format!("{:>2}  {}", self.number, self.title));
        let _ = writeln!(out, "{title}  ({:.1} ms)", self.elapsed_ms);
        for (name, value) in &self.evidence {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = writeln!(out, "      {name:<22} {value}");
        }
        for check in &self.checks {
            let mark = if check.passed { style.paint("32", "ok  ") } else { style.paint("1;31", "FAIL") };
            let _ = writeln!(out, "    {mark}  {} — {}", check.what, check.seen);
        }
        for what in &self.warnings {
            let _ = writeln!(out, "    {}  {what}", style.paint("33", "warn"));
        }
        for what in &self.missing {
            let _ = writeln!(out, "    {}  {what}", style.paint("33", "not built yet"));
        }
        out
    }
}

fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e4).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_fails_the_run_and_is_shown() {
        let mut report = Report::default();
        let mut good = report.begin("1", "good");
        good.refused("a bad thing", Err::<(), _>(crate::Error::Unsealed), &["TSL-NOD-002"]);
        assert!(report.end(good).render(Style { colour: false }).contains("ok    a bad thing"));
        assert!(report.passed);
        let mut bad = report.begin("2", "bad");
        bad.refused("an accepted bad thing", Ok(()), &["TSL-NOD-002"]);
        assert!(report.end(bad).render(Style { colour: false }).contains("FAIL  an accepted bad thing"));
        assert!(!report.passed);
        let mut later = report.begin("3", "wrong code");
        later.refused("x", Err::<(), _>(crate::Error::Malformed), &["TSL-NOD-002"]);
        report.end(later);
        assert!(!report.passed && !report.steps[2].checks[0].passed);
    }
}
