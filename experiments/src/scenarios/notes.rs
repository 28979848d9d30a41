//! What a scenario writes down as it goes, so that one that is stopped keeps what it has.

use std::collections::BTreeMap;

use twopath_results::report::questions;
use twopath_results::result::{CompareResult, Outcome, RunResult};
use twopath_results::scenario::{Chart, Figure, Line, Map, Point, Table, Verdict};

/// A scenario's findings so far.
#[derive(Debug)]
pub struct Notes {
    pub verdict: Verdict,
    /// One sentence of why.
    pub because: String,
    pub figures: Vec<Figure>,
    pub findings: Vec<String>,
    pub charts: Vec<Chart>,
    pub maps: Vec<Map>,
    pub tables: Vec<Table>,
    /// Relative to the scenario's folder.
    pub files: Vec<String>,
    /// Of all comparisons.
    pub answers_checked: u64,
    pub answers_wrong_by_engine: u64,
    pub events_never_covered: u64,
    /// What only this scenario has in its result.
    pub more: BTreeMap<String, serde_json::Value>,
}

impl Default for Notes {
    fn default() -> Self {
        Notes {
            verdict: Verdict::Undecided,
            because: String::new(),
            figures: vec![],
            findings: vec![],
            charts: vec![],
            maps: vec![],
            tables: vec![],
            files: vec![],
            answers_checked: 0,
            answers_wrong_by_engine: 0,
            events_never_covered: 0,
            more: BTreeMap::new(),
        }
    }
}

impl Notes {
    /// What it all comes to.
    pub fn conclude(&mut self, verdict: Verdict, because: impl Into<String>) {
        self.verdict = verdict;
        self.because = because.into();
    }

    /// A figure by its name and what it is of.
    pub fn figure(&self, figure: &str, of: &str) -> Option<&Figure> {
        self.figures.iter().find(|f| f.figure == figure && f.of == of)
    }

    /// Figures of one name as a line over the parameter that each has; those without a value are left out.
    pub fn line(&self, name: &str, figure: &str, at: &[(f64, String)]) -> Line {
        let point = |(x, of): &(f64, String)| {
            let Figure { value, low, high, .. } = self.figure(figure, of)?;
            value.map(|y| Point { x: *x, y, low: *low, high: *high })
        };
        Line { name: name.into(), points: at.iter().filter_map(point).collect() }
    }
}

/// A figure of every run of a system that did not crash, in the order of repeats: by a function of the run.
pub fn values(result: &CompareResult, system: &str, of: impl Fn(&RunResult) -> Option<f64>) -> Vec<f64> {
    let mut runs: Vec<&RunResult> = result.runs.iter().filter(|run| run.system == system && run.outcome == Outcome::Ok).collect();
    runs.sort_by_key(|run| run.repeat);
    runs.into_iter().filter_map(of).collect()
}

/// The figures of two systems, paired by repeat.
pub fn pairs(result: &CompareResult, (a, b): (&str, &str), of: impl Fn(&RunResult) -> Option<f64>) -> Vec<(f64, f64)> {
    let value = |system: &str, repeat: u32| {
        let run = result.runs.iter().find(|run| run.system == system && run.repeat == repeat && run.outcome == Outcome::Ok)?;
        of(run)
    };
    (0..result.settings.repeats).filter_map(|repeat| Some((value(a, repeat)?, value(b, repeat)?))).collect()
}

/// The figure of a run that a question of the comparison's table asks for, by the question's id.
pub fn answer(id: &'static str) -> impl Fn(&RunResult) -> Option<f64> {
    move |run| questions::figure(id, run)
}
