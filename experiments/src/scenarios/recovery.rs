//! `recovery`: the system's process is killed (`kill -9`) in mid-run, with all layers that it holds, and started anew at once. Events keep
//! arriving and clients keep asking. What is left is the log: until state has other places to live, every architecture begins from there.

use std::time::Duration;

use twopath_results::result::{Happening, Mark, RunResult};
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict};
use twopath_results::statistics::median;

use super::compare::CompareSettings;
use super::notes::values;
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "recovery",
    asks: "Kill the system's process: how long until answers are fresh and right again, and what is lost?",
    says: "Where all data are in an immutable log, a process that dies loses nothing, and no answer after it is wrong: everything can be \
           computed anew.",
    source: "N. Marz, How to beat the CAP theorem (2011); J. Kreps, Questioning the Lambda Architecture (2014)",
    confirmed_by: "in every run, each event is covered at the end, and no answer before or after differs from the reference's at its position",
    repeats: (5, 1),
    run,
};

/// A figure's name, its unit, and where a run has it.
type Asked = (&'static str, &'static str, fn(&RunResult) -> Option<f64>);

const FIGURES: [Asked; 5] = [
    ("away", "ms", |run| restart(run).and_then(|mark| Some(mark.until_ms? - mark.at_ms))),
    ("until_fresh_again", "ms", until_fresh_again),
    ("answers_wrong", "count", |run| Some(run.answers.wrong_engine as f64)),
    ("events_lost", "events", |run| Some(run.events_never_covered as f64)),
    ("longest_read", "ms", |run| Some(run.query_latency_ms.max)),
];

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let architectures: &[&str] = lab.pick(&["batch", "lambda", "lambda-sql", "kappa", "kappa-sql", "kappa-backfill"], &["lambda", "kappa"]);
    let histories: &[u64] = lab.pick(&[300_000, 1_000_000, 3_000_000], &[5_000]);
    let (rate, duration) = (lab.pick(4_000.0, 2_000.0), lab.pick(Duration::from_secs(10), Duration::from_millis(1_200)));
    let name = |system: &str, history: u64| format!("{system}, {history} events");

    let mut rows: Vec<Vec<Cell>> = vec![];
    let (mut lost, mut wrong, mut runs, mut not_killed) = (0.0, 0.0, 0, 0);
    let mut shown: Vec<Line> = vec![];
    for &history in histories {
        let settings =
            CompareSettings { deploys: false, kill_after: Some(duration / 3), ..lab.settings(architectures, history, rate, duration) };
        let result = lab.compare(notes, &format!("history-{history}"), settings)?;
        runs += result.runs.len();
        not_killed += result.runs.iter().filter(|run| restart(run).is_none()).count();
        for &system in architectures {
            let of = name(system, history);
            let mut row: Vec<Cell> = vec![system.into(), (history as f64, "events").into()];
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
        shown = architectures.iter().filter_map(|&system| Some(freshness(result.runs.iter().find(|run| run.system == system)?))).collect();
    }
    notes.charts.push(Chart {
        title: "Freshness around the kill (99 of 100 events), one run each, the longest history".into(),
        hint: "Seconds since the process was killed. An event that arrives while nobody computes waits for the next process.".into(),
        x: Axis::linear("seconds since the kill", "number"),
        y: Axis::log("", "ms"),
        lines: shown,
    });
    for (figure, title) in
        [("away", "From the kill until the next process served"), ("until_fresh_again", "Until answers were fresh again")]
    {
        let line = |system: &&str| notes.line(system, figure, &histories.iter().map(|&h| (h as f64, name(system, h))).collect::<Vec<_>>());
        let lines = architectures.iter().map(line).collect();
        let (x, y) = (Axis::log("events of history", "events"), Axis::log("", "ms"));
        notes.charts.push(Chart { title: title.into(), hint: String::new(), x, y, lines });
    }
    notes.tables.push(Table {
        title: "After kill -9".into(),
        columns: ["system", "history", "away", "until fresh again", "wrong answers", "events lost", "longest read"]
            .map(String::from)
            .to_vec(),
        rows,
    });
    notes.findings.push(
        "All layers of an architecture live in one process here, so that they die together; the log's writer is another process and goes on.".into(),
    );
    let verdict = if not_killed > 0 { Verdict::Undecided } else { Verdict::of(lost == 0.0 && wrong == 0.0) };
    let because =
        format!("{} of {runs} runs were killed; {lost:.0} events were lost, and {wrong:.0} answers were wrong.", runs - not_killed);
    notes.conclude(verdict, because);
    Ok(())
}

fn restart(run: &RunResult) -> Option<&Mark> {
    run.marks.iter().find(|mark| mark.what == Happening::Restart)
}

/// From the kill until no event is later than three times what was usual before it: the end of the last such moment.
fn until_fresh_again(run: &RunResult) -> Option<f64> {
    let killed_ms = restart(run)?.at_ms;
    let bins = &run.series.freshness;
    let width = bins.get(1)?.at_ms - bins[0].at_ms;
    let before: Vec<f64> = bins.iter().filter(|bin| bin.at_ms + width < killed_ms).map(|bin| bin.p99_ms).collect();
    let usual = median(&before)?;
    let late = bins.iter().rev().find(|bin| bin.at_ms + width >= killed_ms && bin.p99_ms > 3.0 * usual)?;
    Some(late.at_ms + width - killed_ms)
}

fn freshness(run: &RunResult) -> Line {
    let killed_ms = restart(run).map_or(0.0, |mark| mark.at_ms);
    let point = |bin: &twopath_results::result::FreshnessBin| Point::at((bin.at_ms - killed_ms) / 1e3, bin.p99_ms.max(1e-3));
    Line { name: run.system.clone(), points: run.series.freshness.iter().map(point).collect() }
}
