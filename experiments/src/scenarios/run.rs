//! The frame around every scenario: it makes the folder, runs the experiment, and keeps result and page whatever became of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use twopath_log::Durability;
use twopath_results::kept::FOLDER;
use twopath_results::report::scenario::page;
use twopath_results::result::Provenance;
use twopath_results::scenario::{Figure, Hypothesis, SCENARIO_SCHEMA_VERSION, ScenarioResult, Verdict};

use super::{Lab, Notes, SCENARIOS, Scenario, ScenarioError, ScenarioOptions, compare};
use crate::harness::provenance::{Occasion, command_line, provenance};

/// A scenario by its name.
///
/// # Errors
/// There is none of the name, or this program was built without it.
pub fn named(name: &str) -> Result<&'static Scenario, ScenarioError> {
    let known = || SCENARIOS.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
    let scenario = SCENARIOS.iter().find(|s| s.name == name).ok_or_else(|| ScenarioError::Unknown { name: name.into(), known: known() })?;
    scenario.check_built()?;
    Ok(scenario)
}

/// Runs a scenario with this program's own children. Gives its result, which is saved, and the folder that it is in.
///
/// # Errors
/// It could not be run at all. One that was stopped, by Ctrl-C or SIGTERM, has a result of what it had.
pub fn run(scenario: &Scenario, options: &ScenarioOptions) -> Result<(ScenarioResult, PathBuf), ScenarioError> {
    run_as(scenario, options, &scenario.run)
}

/// How a scenario is done: as it says of itself, or with settings of the user's.
pub type How<'a> = dyn Fn(&Lab, &mut Notes) -> Result<(), ScenarioError> + 'a;

/// As [`run`], done in another way.
///
/// # Errors
/// As [`run`].
pub fn run_as(scenario: &Scenario, options: &ScenarioOptions, how: &How) -> Result<(ScenarioResult, PathBuf), ScenarioError> {
    let program = std::env::current_exe().map_err(|e| ScenarioError::Compare(compare::CompareError::Start(e)))?;
    let child = |spec: &Path| {
        let mut command = Command::new(&program);
        command.arg("run-child").arg(spec);
        command
    };
    let started = compare::now();
    let name = format!("{}-{}", scenario.name, started.format("%Y-%m-%dT%H-%M-%SZ"));
    let out = options.out.clone().unwrap_or_else(|| Path::new(FOLDER).join(name));
    let write = |source| ScenarioError::Out { path: out.display().to_string(), source };
    std::fs::create_dir_all(&out).map_err(write)?;
    let stop = compare::stop_on_signals().map_err(ScenarioError::Signals)?;
    let occasion = Occasion {
        seed: options.seed,
        durability: Durability::None,
        workers: 1,
        progress_mode: "demand",
        started,
        command: command_line(std::env::args()),
        dir: &out,
    };
    let result = experiment((scenario, how), options, &out, stop, &child, provenance(&occasion))?;
    save(&result, &out).map_err(write)?;
    Ok((result, out))
}

/// The experiment itself: nothing is saved but what it writes.
pub fn experiment(
    (scenario, how): (&Scenario, &How),
    options: &ScenarioOptions,
    out: &Path,
    stop: Arc<AtomicBool>,
    child: &dyn Fn(&Path) -> Command,
    provenance: Provenance,
) -> Result<ScenarioResult, ScenarioError> {
    let repeats = options.repeats.unwrap_or(if options.quick { scenario.repeats.1 } else { scenario.repeats.0 });
    let lab = Lab::new(options, repeats, out, stop, (SCENARIOS, child));
    let mut notes = Notes::default();
    let complete = match how(&lab, &mut notes) {
        Ok(()) => true,
        Err(ScenarioError::Stopped) => false,
        // Who ends a whole group of processes ends the children too, and they are what fails first.
        Err(error) if lab.go_on().is_err() => {
            tracing::warn!(%error, "it was stopped");
            false
        }
        Err(error) => return Err(error),
    };
    if !complete {
        notes.conclude(Verdict::Undecided, "It was stopped early.");
    }
    Ok(result(scenario, &lab, notes, complete, provenance))
}

fn result(scenario: &Scenario, lab: &Lab, mut notes: Notes, complete: bool, provenance: Provenance) -> ScenarioResult {
    if notes.answers_checked > 0 {
        notes.figures.push(Figure::exact("answers_wrong_by_an_engine", "all runs", "count", notes.answers_wrong_by_engine as f64));
        notes.figures.push(Figure::exact("events_never_covered", "all runs", "events", notes.events_never_covered as f64));
    }
    if notes.answers_wrong_by_engine > 0 {
        let bug =
            format!("A BUG: {} answers differ from what the code that gave them gives by the reference.", notes.answers_wrong_by_engine);
        notes.findings.insert(0, bug);
    }
    ScenarioResult {
        schema_version: SCENARIO_SCHEMA_VERSION,
        scenario: scenario.name.into(),
        asks: scenario.asks.into(),
        hypothesis: Hypothesis { says: scenario.says.into(), source: scenario.source.into(), confirmed_by: scenario.confirmed_by.into() },
        seed: lab.seed,
        quick: lab.quick,
        repeats: lab.repeats,
        verdict: notes.verdict,
        because: notes.because,
        figures: notes.figures,
        findings: notes.findings,
        charts: notes.charts,
        maps: notes.maps,
        tables: notes.tables,
        files: notes.files,
        provenance,
        complete,
        more: notes.more,
    }
}

fn save(result: &ScenarioResult, out: &Path) -> std::io::Result<()> {
    std::fs::write(out.join("result.json"), serde_json::to_vec_pretty(result)?)?;
    std::fs::write(out.join("report.html"), page(result))
}
