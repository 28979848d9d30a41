//! `reprocess`: what does a code change cost, as history grows? The fix is deployed while events arrive and clients read; Kappa replays the
//! log into a second table, Lambda recomputes its batch view and starts a second speed path, Kappa with backfill lets the batch engine do the
//! history.

use std::time::Duration;

use twopath_results::result::{CompareResult, Happening, RunResult};
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Table, Verdict};
use twopath_results::statistics::paired_effect;

use super::compare::CompareSettings;
use super::notes::{answer, pairs, values};
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "reprocess",
    asks: "What does a code change cost as history grows: time until right, the dip meanwhile, CPU, space?",
    says: "Reprocessing by a second job needs the output twice for a while; in resources, Lambda and Kappa are somewhat of a wash.",
    source: "J. Kreps, Questioning the Lambda Architecture (O'Reilly Radar, 2014)",
    confirmed_by: "the CPU of the change, Kappa over Lambda: its 95 % interval lies within 0.5 to 2 at every history and number of workers; \
                   refuted where it lies outside at one",
    repeats: (3, 1),
    run,
};

const KAPPA: &str = "kappa";
const LAMBDA: &str = "lambda";
/// What is a wash, and what is not.
const WASH: (f64, f64) = (0.5, 2.0);

/// A figure's name, its unit, and where a run has it.
type Asked = (&'static str, &'static str, &'static str, fn(&RunResult) -> Option<f64>);

const FIGURES: [Asked; 7] = [
    ("time_to_correct", "From the fix until every answer is right", "ms", |run| run.time_to_correct_ms),
    ("freshness_dip", "Worst freshness meanwhile (99 of 100)", "ms", |run| answer("freshness_dip")(run)),
    ("read_dip", "Slowest reads meanwhile (99 of 100)", "ms", |run| answer("read_dip")(run)),
    ("cpu_of_change", "CPU seconds from the deployment until version 1 was gone", "s", cpu_of_change),
    ("extra_space", "Space beside what there was", "bytes", |run| Some(run.extra_storage_bytes_max as f64)),
    ("space_with_both_versions", "Space at most, over what there was before", "ratio", |run| {
        let before = space_before(run)?;
        Some((before + run.extra_storage_bytes_max as f64) / before)
    }),
    ("written_by_change", "Bytes written meanwhile", "bytes", |run| Some(run.cost.phases.as_ref()?.change.bytes_written as f64)),
];

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let histories: &[u64] = lab.pick(&[1_000_000, 3_000_000, 10_000_000, 30_000_000], &[5_000, 20_000]);
    let workers: &[usize] = lab.pick(&[1, 2], &[1]);
    let architectures: &[&str] = lab.pick(&[LAMBDA, KAPPA, "kappa-backfill"], &[LAMBDA, KAPPA]);
    let (rate, duration) = (lab.pick(4_000.0, 2_000.0), lab.pick(Duration::from_secs(6), Duration::from_millis(600)));
    let name = |system: &str, workers: usize, history: u64| format!("{system}, {workers} workers, {history} events");

    let (mut verdicts, mut ratios) = (vec![], vec![]);
    for &workers in workers {
        for &history in histories {
            let settings = CompareSettings { workers, ..lab.settings(architectures, history, rate, duration) };
            let result = lab.compare(notes, &format!("workers-{workers}-history-{history}"), settings)?;
            for &system in architectures {
                for (figure, _, unit, value) in FIGURES {
                    let of = name(system, workers, history);
                    notes.figures.push(Figure::measured(figure, &of, unit, &values(&result, system, value), lab.seed));
                }
            }
            let (verdict, row) = wash(&result, lab.seed);
            let first: Vec<Cell> = vec![(history as f64, "events").into(), (workers as f64, "count").into()];
            ratios.push(first.into_iter().chain(row).collect());
            verdicts.push(verdict);
        }
    }
    for (figure, title, unit, _) in FIGURES {
        for &workers in workers {
            let line = |system: &&str| {
                let at: Vec<(f64, String)> = histories.iter().map(|&h| (h as f64, name(system, workers, h))).collect();
                notes.line(system, figure, &at)
            };
            let lines = architectures.iter().map(line).collect();
            notes.charts.push(Chart {
                title: format!("{title}, {workers} {}", if workers == 1 { "worker" } else { "workers" }),
                hint: String::new(),
                x: Axis::log("events of history", "events"),
                y: Axis::log("", unit),
                lines,
            });
        }
    }
    notes.tables.push(Table {
        title: "CPU of the change, Kappa over Lambda".into(),
        columns: ["history", "workers", "ratio", "from", "to"].map(String::from).to_vec(),
        rows: ratios,
    });
    let inside = verdicts.iter().filter(|&&v| v == Verdict::Confirmed).count();
    let because = format!(
        "At {inside} of {} points the CPU of the change, Kappa over Lambda, is for sure within {} to {} times.",
        verdicts.len(),
        WASH.0,
        WASH.1
    );
    notes.conclude(Verdict::all(verdicts), because);
    Ok(())
}

/// Whether the change costs both about the same, with the ratio and its interval.
fn wash(result: &CompareResult, seed: u64) -> (Verdict, [Cell; 3]) {
    let effect = paired_effect(&pairs(result, (KAPPA, LAMBDA), cpu_of_change), seed);
    let (low, high) = effect.and_then(|e| e.interval).map_or((None, None), |(low, high)| (Some(low), Some(high)));
    let verdict = match (low, high) {
        (Some(low), Some(high)) if low >= WASH.0 && high <= WASH.1 => Verdict::Confirmed,
        (Some(low), Some(high)) if low > WASH.1 || high < WASH.0 => Verdict::Refuted,
        _ => Verdict::Undecided,
    };
    (verdict, [(effect.and_then(|e| e.ratio), "ratio").into(), (low, "ratio").into(), (high, "ratio").into()])
}

/// Views, tables and state before the deployment, as they were looked at last.
fn space_before(run: &RunResult) -> Option<f64> {
    let deployed = run.marks.iter().find(|mark| matches!(mark.what, Happening::Deploy { .. }))?;
    let last = run.series.storage.iter().rev().find(|bin| bin.at_ms <= deployed.at_ms)?;
    Some(last.bytes as f64).filter(|bytes| *bytes > 0.0)
}

/// All layers that are charged.
fn cpu_of_change(run: &RunResult) -> Option<f64> {
    Some(run.cost.phases.as_ref()?.change.cpu_s.values().sum())
}
