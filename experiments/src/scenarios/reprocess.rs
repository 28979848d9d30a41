//! `reprocess`: what does a code change cost, as history grows? The fix is deployed while events arrive and clients read; Kappa replays the
//! log into a second table, Lambda recomputes its batch view and starts a second speed path, Kappa with backfill lets the batch engine do the
//! history. With 1, 2 and more workers, and with a throttle on the replay, which leaves more to the readers and takes longer.

use std::time::Duration;

use twopath_results::number;
use twopath_results::result::{Happening, Outcome, RunResult};
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict};
use twopath_results::statistics::{PairedEffect, paired_effect};

use super::compare::CompareSettings;
use super::notes::{answer, pairs, values};
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "reprocess",
    asks: "What does a code change cost as history grows: time until right, the dip meanwhile, CPU, space?",
    says: "Reprocessing by a second job needs the output twice for a while; in resources, Lambda and Kappa are somewhat of a wash.",
    source: "J. Kreps, Questioning the Lambda Architecture (O'Reilly Radar, 2014)",
    confirmed_by: "the CPU of the change, Kappa over Lambda, without a throttle: its 95 % interval lies within 0.5 to 2 at every history and number of \
                   workers; refuted where it lies outside at one",
    repeats: (3, 1),
    run,
};

const KAPPA: &str = "kappa";
const LAMBDA: &str = "lambda";
/// What is a wash, and what is not.
const WASH: (f64, f64) = (0.5, 2.0);

/// How the next version computes.
#[derive(Clone, Copy)]
struct Setup {
    workers: usize,
    /// Records a second that its stream reads at most. A batch engine takes what it gets.
    throttle: Option<f64>,
}

const SETUPS: [Setup; 4] = [
    Setup { workers: 1, throttle: None },
    Setup { workers: 2, throttle: None },
    Setup { workers: 4, throttle: None },
    Setup { workers: 1, throttle: Some(1_000_000.0) },
];
const SETUPS_QUICK: [Setup; 2] = [Setup { workers: 1, throttle: None }, Setup { workers: 1, throttle: Some(50_000.0) }];

/// A figure's name, its unit, and where a run has it.
type Asked = (&'static str, &'static str, &'static str, fn(&RunResult) -> Option<f64>);

const FIGURES: [Asked; 8] = [
    ("time_to_correct", "From the fix until every answer is right", "ms", |run| run.time_to_correct_ms),
    ("freshness_dip", "Worst freshness meanwhile (99 of 100)", "ms", |run| answer("freshness_dip")(run)),
    ("read_dip", "Slowest reads meanwhile (99 of 100)", "ms", |run| answer("read_dip")(run)),
    ("cpu_of_change", "CPU seconds from the deployment until version 1 was gone", "s", cpu_of_change),
    ("bulk_load", "Events a second into the new table", "events_per_s", bulk_load),
    ("extra_space", "Space beside what there was", "bytes", |run| Some(run.extra_storage_bytes_max as f64)),
    ("space_with_both_versions", "Space at most, over what there was before", "ratio", |run| {
        let before = space_before(run)?;
        Some((before + run.extra_storage_bytes_max as f64) / before)
    }),
    ("written_by_change", "Bytes written meanwhile", "bytes", |run| Some(run.cost.phases.as_ref()?.change.bytes_written as f64)),
];

impl Setup {
    /// As in figures: `1 workers, throttled`.
    fn name(&self) -> String {
        format!("{} workers{}", self.workers, if self.throttle.is_some() { ", throttled" } else { "" })
    }

    fn in_words(&self) -> String {
        let workers = if self.workers == 1 { "1 worker".into() } else { format!("{} workers", self.workers) };
        self.throttle.map_or(workers.clone(), |most| format!("{workers}, at most {most:.0} events a second"))
    }
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let histories: &[u64] = lab.pick(&[1_000_000, 3_000_000, 10_000_000, 30_000_000], &[5_000, 20_000]);
    let setups: &[Setup] = lab.pick(&SETUPS, &SETUPS_QUICK);
    let architectures: &[&str] = lab.pick(&[LAMBDA, KAPPA, "kappa-backfill"], &[LAMBDA, KAPPA]);
    let (rate, duration) = (lab.pick(4_000.0, 2_000.0), lab.pick(Duration::from_secs(6), Duration::from_millis(600)));
    let name = |system: &str, setup: &Setup, history: u64| format!("{system}, {}, {history} events", setup.name());

    let (mut verdicts, mut rows, mut ratios) = (vec![], vec![], vec![]);
    for setup in setups {
        let mut line = Line { name: setup.in_words(), points: vec![] };
        for &history in histories {
            let &Setup { workers, throttle } = setup;
            let settings = CompareSettings { workers, throttle, ..lab.settings(architectures, history, rate, duration) };
            let folder = format!("{}-history-{history}", setup.name().replace(", ", "-").replace(' ', "-"));
            let result = lab.compare(notes, &folder, settings)?;
            for &system in architectures {
                for (figure, _, unit, value) in FIGURES {
                    let of = name(system, setup, history);
                    notes.figures.push(Figure::measured(figure, &of, unit, &values(&result, system, value), lab.seed));
                }
            }
            let effect = paired_effect(&pairs(&result, (KAPPA, LAMBDA), cpu_of_change), lab.seed);
            if let Some(ratio) = effect.and_then(|e| e.ratio) {
                let (low, high) = ends(effect);
                line.points.push(Point { x: history as f64, y: ratio, low, high });
            }
            let (low, high) = ends(effect);
            let first: [Cell; 3] =
                [(history as f64, "events").into(), (workers as f64, "count").into(), if throttle.is_some() { "yes" } else { "no" }.into()];
            let last: [Cell; 3] = [(effect.and_then(|e| e.ratio), "ratio").into(), (low, "ratio").into(), (high, "ratio").into()];
            rows.push(first.into_iter().chain(last).collect());
            // A change that takes longer has more live traffic in it: with a throttle the ratio is of something else.
            if throttle.is_none() {
                verdicts.push(wash(effect));
            }
        }
        let turns = turns_at(&line.points);
        notes.figures.push(Figure { value: turns, ..Figure::exact("dearer_from", &format!("{KAPPA}, {}", setup.name()), "events", 0.0) });
        notes.findings.push(dearer(&setup.in_words(), &line.points, turns));
        ratios.push(line);
    }
    charts(notes, (architectures, setups, histories), ratios, name);
    notes.tables.push(Table {
        title: "CPU of the change, Kappa over Lambda".into(),
        columns: ["history", "workers", "throttled", "ratio", "from", "to"].map(String::from).to_vec(),
        rows,
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

/// First from where on which is dearer; then every figure over history.
fn charts(
    notes: &mut Notes,
    (architectures, setups, histories): (&[&str], &[Setup], &[u64]),
    mut ratios: Vec<Line>,
    name: impl Fn(&str, &Setup, u64) -> String,
) {
    ratios.push(Line { name: "the same".into(), points: histories.iter().map(|&h| Point::at(h as f64, 1.0)).collect() });
    notes.charts.push(Chart {
        title: "CPU of the change, Kappa over Lambda".into(),
        hint: "Above 1, Kappa's is the dearer one. With a throttle the change takes longer and has more live traffic in it.".into(),
        x: Axis::log("events of history", "events"),
        y: Axis::log("", "ratio"),
        lines: ratios,
    });
    for (figure, title, unit, _) in FIGURES {
        for setup in setups {
            let line = |system: &&str| {
                let at: Vec<(f64, String)> = histories.iter().map(|&h| (h as f64, name(system, setup, h))).collect();
                notes.line(system, figure, &at)
            };
            notes.charts.push(Chart {
                title: format!("{title}, {}", setup.in_words()),
                hint: String::new(),
                x: Axis::log("events of history", "events"),
                y: Axis::log("", unit),
                lines: architectures.iter().map(line).collect(),
            });
        }
    }
}

/// Where a line crosses 1 for the last time, between two of its points: straight in the logarithms of both.
fn turns_at(points: &[Point]) -> Option<f64> {
    let crosses = |pair: &&[Point]| (pair[0].y - 1.0) * (pair[1].y - 1.0) < 0.0;
    let pair = points.windows(2).rfind(crosses)?;
    let (a, b) = (pair[0], pair[1]);
    let share = -a.y.ln() / (b.y.ln() - a.y.ln());
    Some((a.x.ln() + share * (b.x.ln() - a.x.ln())).exp())
}

/// Whose change is dearer, as far as the intervals tell.
fn dearer(setup: &str, points: &[Point], turns: Option<f64>) -> String {
    let surely = |p: &&Point| p.low.is_some_and(|low| low > 1.0) || p.high.is_some_and(|high| high < 1.0);
    let sure: Vec<&Point> = points.iter().filter(surely).collect();
    let who = |p: &Point| if p.y > 1.0 { "Kappa's" } else { "Lambda's" };
    let medians = match (turns, points.last()) {
        (Some(at), Some(last)) => {
            format!(" By the medians {} is the dearer one from about {} events of history on.", who(last), number::count(round(at)))
        }
        _ => String::new(),
    };
    match (points, &sure[..]) {
        ([], _) => format!("{setup}: nothing was measured."),
        (_, []) => format!("{setup}: a tie. No interval at any history leaves out that both changes cost as much CPU.{medians}"),
        (all, sure) if sure.len() == all.len() && sure.iter().all(|p| who(p) == who(sure[0])) => {
            format!("{setup}: {} change is the dearer one in CPU at every history that was tried.", who(sure[0]))
        }
        (_, sure) => {
            let told: Vec<String> = sure.iter().map(|p| format!("{} at {}", who(p), number::count(p.x as u64))).collect();
            format!("{setup}: the dearer change in CPU is {}; at the other histories it is a tie.{medians}", told.join(", "))
        }
    }
}

/// To two digits: a crossing is known no better.
fn round(events: f64) -> u64 {
    let unit = 10_f64.powf(events.log10().floor() - 1.0);
    ((events / unit).round() * unit) as u64
}

/// Whether the change costs both about the same.
fn wash(effect: Option<PairedEffect>) -> Verdict {
    match ends(effect) {
        (Some(low), Some(high)) if low >= WASH.0 && high <= WASH.1 => Verdict::Confirmed,
        (Some(low), Some(high)) if low > WASH.1 || high < WASH.0 => Verdict::Refuted,
        _ => Verdict::Undecided,
    }
}

fn ends(effect: Option<PairedEffect>) -> (Option<f64>, Option<f64>) {
    effect.and_then(|e| e.interval).map_or((None, None), |(low, high)| (Some(low), Some(high)))
}

/// Views, tables and state before the deployment, as they were looked at last.
fn space_before(run: &RunResult) -> Option<f64> {
    let deployed = run.marks.iter().find(|mark| matches!(mark.what, Happening::Deploy { .. }))?;
    let last = run.series.storage.iter().rev().find(|bin| bin.at_ms <= deployed.at_ms)?;
    Some(last.bytes as f64).filter(|bytes| *bytes > 0.0)
}

/// How fast the history went into the new version's table: by its batch run, where a batch engine computes it, else by its replay.
fn bulk_load(run: &RunResult) -> Option<f64> {
    let of_next = |happening: &Happening| match *happening {
        Happening::BatchRun { version: 2, events, .. } | Happening::CatchUp { version: 2, events } => Some(events as f64),
        _ => None,
    };
    let (mark, events) = run.marks.iter().find_map(|mark| Some((mark, of_next(&mark.what)?)))?;
    let seconds = (mark.until_ms? - mark.at_ms) / 1e3;
    (run.outcome == Outcome::Ok && seconds > 0.0).then_some(events / seconds)
}

/// All layers that are charged.
fn cpu_of_change(run: &RunResult) -> Option<f64> {
    Some(run.cost.phases.as_ref()?.change.cpu_s.values().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_turns_where_it_crosses_1() {
        let line = [Point::at(1e6, 0.5), Point::at(1e8, 2.0)];
        let turns = turns_at(&line).unwrap();
        assert!((turns / 1e7 - 1.0).abs() < 1e-9, "half way in the logarithm: {turns}");
        assert_eq!(turns_at(&[Point::at(1e6, 0.5), Point::at(1e8, 0.9)]), None);
        assert_eq!(turns_at(&[]), None);
    }

    #[test]
    fn who_is_dearer_is_said_where_the_intervals_say_it() {
        let point = |x: f64, low: f64, y: f64, high: f64| Point { x, y, low: Some(low), high: Some(high) };
        let (tie, kappa) = (point(1e6, 0.5, 0.9, 1.5), point(1e7, 1.1, 1.2, 1.3));
        let turns = turns_at(&[tie, kappa]);
        assert!(dearer("1 worker", &[tie], None).starts_with("1 worker: a tie."));
        assert_eq!(
            dearer("1 worker", &[kappa], None),
            "1 worker: Kappa's change is the dearer one in CPU at every history that was tried."
        );
        assert_eq!(
            dearer("1 worker", &[tie, kappa], turns),
            "1 worker: the dearer change in CPU is Kappa's at 10,000,000; at the other histories it is a tie. By the medians Kappa's is the dearer one from about 2,300,000 events of history on."
        );
        assert_eq!(dearer("1 worker", &[], None), "1 worker: nothing was measured.");
    }
}
