//! `recovery`: each layer's process is killed in turn (`kill -9`) in mid-run: the one that a batch run is made in, the speed layer's, and that of
//! the whole system. Events keep arriving, clients keep asking, and what was killed is started anew at once, by whoever started it before.

use std::time::Duration;

use twopath_results::result::{Happening, Mark, RunResult};
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict};
use twopath_results::statistics::median;
use twopath_speed::LOCAL_MEMORY;

use super::compare::CompareSettings;
use super::notes::values;
use super::{Lab, Notes, Scenario, ScenarioError};
use crate::systems::{Killed, StateBackend};

pub const SCENARIO: Scenario = Scenario {
    name: "recovery",
    asks: "Kill each layer's process in turn: how long until answers are fresh and right again, and what is lost?",
    says: "Where all data are in an immutable log, a process that dies loses nothing, and no answer after it is wrong: everything can be \
           computed anew.",
    source: "N. Marz, How to beat the CAP theorem (2011); J. Kreps, Questioning the Lambda Architecture (2014)",
    confirmed_by: "in every run, each event is covered at the end, and no answer before or after differs from the reference's at its position",
    repeats: (5, 1),
    run,
};

/// Whose process is killed, where the speed layer's state lives, and in which architectures: those that have such a process for all of the
/// run, and a state that a checkpoint reaches.
struct Case {
    killed: Killed,
    state: StateBackend,
    architectures: &'static [&'static str],
    quick: &'static [&'static str],
}

/// A state that outlives the process: where it is does not change who is killed.
const fn kept(state: StateBackend) -> Case {
    Case { killed: Killed::Speed, state, architectures: &["lambda-sql", "kappa-sql"], quick: &["kappa-sql"] }
}

const CASES: [Case; 5] = [
    Case { killed: Killed::Batch, state: StateBackend::Memory, architectures: &["batch", "lambda", "lambda-sql"], quick: &["lambda"] },
    Case {
        killed: Killed::Speed,
        state: StateBackend::Memory,
        architectures: &["lambda", "lambda-sql", "kappa", "kappa-sql", "kappa-backfill"],
        quick: &["lambda", "kappa"],
    },
    kept(StateBackend::Checkpoint),
    kept(StateBackend::Local { memory: LOCAL_MEMORY }),
    Case {
        killed: Killed::System,
        state: StateBackend::Memory,
        architectures: &["batch", "lambda", "lambda-sql", "kappa", "kappa-sql", "kappa-backfill"],
        quick: &["lambda", "kappa"],
    },
];

/// A figure's name, its unit, and where a run has it.
type Asked = (&'static str, &'static str, fn(&RunResult) -> Option<f64>);

const FIGURES: [Asked; 5] = [
    ("away", "ms", |run| restart(run).and_then(|mark| Some(mark.until_ms? - mark.at_ms))),
    ("until_fresh_again", "ms", until_fresh_again),
    ("answers_wrong", "count", |run| Some(run.answers.wrong_engine as f64)),
    ("events_lost", "events", |run| Some(run.events_never_covered as f64)),
    ("longest_read", "ms", |run| Some(run.query_latency_ms.max)),
];

impl Case {
    /// As in figures: `lambda-sql, speed killed, checkpoint, 5000 events`.
    fn of(&self, system: &str, history: u64) -> String {
        let state = if self.state == StateBackend::Memory { String::new() } else { format!("{}, ", self.state.name()) };
        format!("{system}, {} killed, {state}{history} events", self.killed.name())
    }

    fn name(&self) -> String {
        if self.state == StateBackend::Memory { self.killed.name().into() } else { format!("{}-{}", self.killed.name(), self.state.name()) }
    }
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let histories: &[u64] = lab.pick(&[300_000, 1_000_000, 3_000_000], &[5_000]);
    let (rate, duration) = (lab.pick(4_000.0, 2_000.0), lab.pick(Duration::from_secs(10), Duration::from_millis(1_200)));

    let mut rows: Vec<Vec<Cell>> = vec![];
    let (mut lost, mut wrong, mut runs, mut not_killed) = (0.0, 0.0, 0, 0);
    let on_a_server = match StateBackend::server_that_answers() {
        Ok(server) => Some(kept(server)),
        Err(why) => {
            notes.findings.push(why);
            None
        }
    };
    for case in CASES.iter().chain(&on_a_server) {
        let architectures = lab.pick(case.architectures, case.quick);
        let mut shown: Vec<Line> = vec![];
        for &history in histories {
            let settings = CompareSettings {
                deploys: false,
                kill: Some((case.killed, duration / 3)),
                state: case.state.clone(),
                ..lab.settings(architectures, history, rate, duration)
            };
            let result = lab.compare(notes, &format!("{}-history-{history}", case.name()), settings)?;
            runs += result.runs.len();
            not_killed += result.runs.iter().filter(|run| restart(run).is_none()).count();
            for &system in architectures {
                let of = case.of(system, history);
                let mut row: Vec<Cell> =
                    vec![case.killed.name().into(), system.into(), case.state.name().into(), (history as f64, "events").into()];
                for (figure, unit, value) in FIGURES {
                    let found = Figure::measured(figure, &of, unit, &values(&result, system, value), lab.seed);
                    row.push((found.value, unit).into());
                    match figure {
                        "events_lost" => lost += found.values.iter().sum::<f64>(),
                        "answers_wrong" => wrong += found.values.iter().sum::<f64>(),
                        _ => {}
                    }
                    notes.figures.push(found);
                }
                rows.push(row);
            }
            let of_system = |&system: &&str| result.runs.iter().find(|run| run.system == system).map(freshness);
            shown = architectures.iter().filter_map(of_system).collect();
        }
        charts(notes, case, (architectures, histories), shown);
    }
    notes.tables.push(Table {
        title: "After kill -9".into(),
        columns: ["killed", "system", "state", "history", "away", "until fresh again", "wrong answers", "events lost", "longest read"]
            .map(String::from)
            .to_vec(),
        rows,
    });
    notes.findings.push(
        "Each batch run and the speed layer have a process of their own here. The serving layer's is the system's, which started the others: they end \
         with it, so that to kill it is to kill all. The log's writer is another process and goes on."
            .into(),
    );
    let verdict = if not_killed > 0 { Verdict::Undecided } else { Verdict::of(lost == 0.0 && wrong == 0.0) };
    let because = format!(
        "In {} of {runs} runs a process was killed and came back; {lost:.0} events were lost, and {wrong:.0} answers were wrong.",
        runs - not_killed
    );
    notes.conclude(verdict, because);
    Ok(())
}

/// Of one case: freshness around the kill, and what it comes to as history grows.
fn charts(notes: &mut Notes, case: &Case, (architectures, histories): (&[&str], &[u64]), freshness: Vec<Line>) {
    let state = if case.state == StateBackend::Memory { String::new() } else { format!(", state: {}", case.state.name()) };
    let killed = match case.killed {
        Killed::System => "all layers killed",
        Killed::Batch => "the batch run killed",
        Killed::Speed => "the speed layer killed",
    };
    notes.charts.push(Chart {
        title: format!("Freshness with {killed}{state} (99 of 100 events; one run each, the longest history)"),
        hint: "Seconds since the process was killed. An event that nobody computes waits for the next process.".into(),
        x: Axis::linear("seconds since the kill", "number"),
        y: Axis::log("", "ms"),
        lines: freshness,
    });
    // One history is in the table.
    if histories.len() < 2 {
        return;
    }
    let line = |system: &&str| {
        let at: Vec<(f64, String)> = histories.iter().map(|&h| (h as f64, case.of(system, h))).collect();
        notes.line(system, "away", &at)
    };
    let chart = Chart {
        title: format!("Until the next process served, {killed}{state}"),
        hint: String::new(),
        x: Axis::log("events of history", "events"),
        y: Axis::log("", "ms"),
        lines: architectures.iter().map(line).collect(),
    };
    notes.charts.push(chart);
}

fn restart(run: &RunResult) -> Option<&Mark> {
    run.marks.iter().find(|mark| mark.what == Happening::Restart)
}

/// So many moments in a row without a late event are freshness again: of a single one a batch run's hand-over may make a late one much later.
const CALM: usize = 3;

/// From the kill until no event is later than three times what was usual before it, for some moments in a row. Nothing where no event was late: the kill was not felt.
fn until_fresh_again(run: &RunResult) -> Option<f64> {
    let killed_ms = restart(run)?.at_ms;
    let bins = &run.series.freshness;
    let width = bins.get(1)?.at_ms - bins[0].at_ms;
    let before: Vec<f64> = bins.iter().filter(|bin| bin.at_ms + width < killed_ms).map(|bin| bin.p99_ms).collect();
    let usual = median(&before)?;
    let since: Vec<_> = bins.iter().filter(|bin| bin.at_ms + width >= killed_ms).collect();
    let calm = since.windows(CALM).position(|bins| bins.iter().all(|bin| bin.p99_ms <= 3.0 * usual))?;
    Some(calm.checked_sub(1).map_or(0.0, |late| since[late].at_ms + width - killed_ms))
}

fn freshness(run: &RunResult) -> Line {
    let killed_ms = restart(run).map_or(0.0, |mark| mark.at_ms);
    let point = |bin: &twopath_results::result::FreshnessBin| Point::at((bin.at_ms - killed_ms) / 1e3, bin.p99_ms.max(1e-3));
    Line { name: run.system.clone(), points: run.series.freshness.iter().map(point).collect() }
}
