//! Results that were kept: a folder of runs, each with its `result.json`, of comparisons and scenarios alike.
//!
//! ```
//! let none = twopath_results::kept::list(std::path::Path::new("no-such-folder")).unwrap();
//! assert!(none.is_empty());
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::result::{CompareResult, Provenance, is_counted};
use crate::scenario::{Figure, ScenarioResult, Verdict};

/// Where runs are kept unless their users say otherwise.
pub const FOLDER: &str = "twopath-results";

/// A result of either kind.
#[derive(Debug, Clone)]
pub enum Kept {
    Comparison(Box<CompareResult>),
    Scenario(Box<ScenarioResult>),
}

/// A line of the list.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Its folder's name.
    pub run: String,
    /// `compare`, or the scenario's name.
    pub scenario: String,
    /// ISO 8601 UTC.
    pub started: String,
    pub commit: String,
    pub version: String,
    pub seed: u64,
    /// Of a scenario.
    pub verdict: Option<Verdict>,
    /// False where it was stopped early.
    pub complete: bool,
    /// Processor and cores.
    pub machine: String,
    pub command: String,
}

/// Why a result cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error("{}: {source}; name a folder with a result.json, as `twopath results list` shows them", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: it is the result of no comparison and no scenario that this program knows: {message}", path.display())]
    Unknown { path: PathBuf, message: String },
}

impl Kept {
    /// The result in a folder, or in a file.
    ///
    /// # Errors
    /// There is none, or it is of another program.
    pub fn read(path: &Path) -> Result<Self, KeptError> {
        let file = if path.is_dir() { path.join("result.json") } else { path.to_owned() };
        let bytes = fs::read(&file).map_err(|source| KeptError::Read { path: file.clone(), source })?;
        let unknown = |e: serde_json::Error| KeptError::Unknown { path: file.clone(), message: e.to_string() };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(unknown)?;
        match value.get("scenario") {
            Some(_) => Ok(Kept::Scenario(serde_json::from_value(value).map_err(unknown)?)),
            None => Ok(Kept::Comparison(serde_json::from_value(value).map_err(unknown)?)),
        }
    }

    pub fn provenance(&self) -> &Provenance {
        match self {
            Kept::Comparison(result) => &result.provenance,
            Kept::Scenario(result) => &result.provenance,
        }
    }

    /// For the list.
    pub fn summary(&self, run: &str) -> Summary {
        let provenance = self.provenance();
        let (scenario, verdict, complete) = match self {
            Kept::Comparison(result) => ("compare".into(), None, result.complete),
            Kept::Scenario(result) => (result.scenario.clone(), Some(result.verdict), result.complete),
        };
        Summary {
            run: run.into(),
            scenario,
            started: provenance.started.clone(),
            commit: provenance.commit.clone(),
            version: provenance.version.clone(),
            seed: provenance.seed,
            verdict,
            complete,
            machine: format!("{}, {} cores", provenance.machine.cpu, provenance.machine.cores),
            command: provenance.command.clone(),
        }
    }

    /// Its figures: of a comparison, one for each question and system.
    pub fn figures(&self) -> Vec<Figure> {
        match self {
            Kept::Scenario(result) => result.figures.clone(),
            Kept::Comparison(result) => {
                let of = |id: &str, unit: &str, system: &str, values: &[Option<f64>]| {
                    let values: Vec<f64> = values.iter().copied().flatten().collect();
                    match values.first() {
                        Some(value) if is_counted(id) => Figure::exact(id, system, unit, *value),
                        _ => Figure::measured(id, system, unit, &values, result.provenance.seed),
                    }
                };
                let question = |q: &crate::result::Question| {
                    q.by_architecture.iter().map(|(system, e)| of(&q.id, &q.unit, system, &e.values)).collect::<Vec<_>>()
                };
                result.questions.iter().flat_map(question).collect()
            }
        }
    }
}

/// All results below a folder, by when they were started: its sub-folders' names, and what is in them. Folders without a result are passed over.
///
/// # Errors
/// The folder cannot be read. One that is not there has no results.
pub fn list(dir: &Path) -> Result<Vec<(String, Kept)>, KeptError> {
    let read = |source| KeptError::Read { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(read(e)),
    };
    let mut found = vec![];
    for entry in entries {
        let entry = entry.map_err(read)?;
        if !entry.path().join("result.json").is_file() {
            continue;
        }
        found.push((entry.file_name().to_string_lossy().into_owned(), Kept::read(&entry.path())?));
    }
    found.sort_by(|a, b| (&a.1.provenance().started, &a.0).cmp(&(&b.1.provenance().started, &b.0)));
    Ok(found)
}

/// A figure in two results.
#[derive(Debug, Clone, Serialize)]
pub struct FigureDiff {
    pub figure: String,
    pub of: String,
    pub unit: String,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// After over before; none where a side is missing or 0.
    pub ratio: Option<f64>,
    /// Whether the two intervals have nothing in common; of figures that the same seed gives again, whether the values differ. What was measured once is not.
    pub apart: bool,
}

/// The figures of two results side by side, in the order of the second.
pub fn diff(before: &Kept, after: &Kept) -> Vec<FigureDiff> {
    let name = |f: &Figure| (f.figure.clone(), f.of.clone());
    let old: BTreeMap<(String, String), Figure> = before.figures().into_iter().map(|f| (name(&f), f)).collect();
    let new = after.figures();
    let missing = old.values().filter(|f| new.iter().all(|n| name(n) != name(f))).cloned();
    let both = new.iter().map(|n| (old.get(&name(n)).cloned(), Some(n.clone()))).chain(missing.map(|f| (Some(f), None)));
    both.map(|(before, after)| {
        let either = after.as_ref().or(before.as_ref()).expect("a figure is on one side at least");
        let value = |figure: &Option<Figure>| figure.as_ref().and_then(|f| f.value);
        let (was, is) = (value(&before), value(&after));
        let apart = before.as_ref().zip(after.as_ref()).is_some_and(|(before, after)| apart(before, after));
        FigureDiff {
            figure: either.figure.clone(),
            of: either.of.clone(),
            unit: either.unit.clone(),
            before: was,
            after: is,
            ratio: was.zip(is).filter(|(was, is)| *was > 0.0 && *is > 0.0).map(|(was, is)| is / was),
            apart,
        }
    })
    .collect()
}

/// Whether two intervals have nothing in common. A figure that is exact is at its value; one that was measured, but not often enough for an interval, decides nothing.
pub(crate) fn apart(a: &Figure, b: &Figure) -> bool {
    let ends = |f: &Figure| match (f.low, f.high) {
        (Some(low), Some(high)) => Some((low, high)),
        _ => f.value.filter(|_| f.values.is_empty()).map(|value| (value, value)),
    };
    match (ends(a), ends(b)) {
        (Some((low, high)), Some((low_after, high_after))) => high < low_after || high_after < low,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    #[test]
    fn a_folder_of_runs() {
        let dir = tempfile::tempdir().unwrap();
        for (run, started) in [("b", "2026-01-01T00:00:00Z"), ("a", "2026-01-02T00:00:00Z")] {
            let mut result = sample();
            result.provenance.started = started.into();
            fs::create_dir_all(dir.path().join(run)).unwrap();
            fs::write(dir.path().join(run).join("result.json"), serde_json::to_vec(&result).unwrap()).unwrap();
        }
        fs::create_dir_all(dir.path().join("nothing")).unwrap();
        let found = list(dir.path()).unwrap();
        assert_eq!(found.iter().map(|(run, _)| run.as_str()).collect::<Vec<_>>(), ["b", "a"], "by their start");
        assert_eq!(found[0].1.summary("b").scenario, "compare");
        let diffs = diff(&found[0].1, &found[1].1);
        assert!(diffs.len() > 50 && diffs.iter().all(|d| !d.apart && d.before == d.after), "a result is no different from itself");
        fs::write(dir.path().join("a/result.json"), "{}").unwrap();
        assert!(list(dir.path()).unwrap_err().to_string().contains("no comparison"));
    }

    #[test]
    fn intervals_that_do_not_meet_are_apart() {
        let mut result = sample();
        let before = Kept::Comparison(Box::new(result.clone()));
        for question in &mut result.questions {
            let estimate = question.by_architecture.get_mut("kappa").unwrap();
            estimate.values.iter_mut().flatten().for_each(|v| *v = *v * 100.0 + 100.0);
        }
        let after = Kept::Comparison(Box::new(result));
        let diffs = diff(&before, &after);
        assert!(diffs.iter().filter(|d| d.of == "kappa" && d.figure == "rss").all(|d| d.apart && d.ratio > Some(90.0)));
        assert!(diffs.iter().filter(|d| d.of == "lambda").all(|d| !d.apart));
    }
}
