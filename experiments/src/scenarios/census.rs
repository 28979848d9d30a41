//! `census`: the periodic dump against the continuous feed. The interval between two batch runs goes from the whole day (here: of the live
//! traffic) down to a few hundred milliseconds; beside it the feed, which is what the batch comes to as the interval goes to nothing.

use std::time::Duration;

use twopath_results::result::{CompareResult, RunResult};
use twopath_results::scenario::{Axis, Chart, Figure, Verdict, differs};

use super::compare::CompareSettings;
use super::notes::{answer, values};
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "census",
    asks: "The periodic dump against the continuous feed: how stale, and what does it cost?",
    says: "Batch is what the lack of a continuous feed makes people do: as its interval shrinks, staleness falls and the cost rises, until the \
           feed is both fresher and cheaper.",
    source: "J. Kreps, The Log: what every software engineer should know about real-time data's unifying abstraction (2013), on the census; \
             Uber Engineering, From Batch to Streaming (11 December 2025): about 25 % less compute",
    confirmed_by: "at the shortest interval, staleness and CPU of the feed are both below the batch's (paired by repeat); refuted where one is \
                   above it",
    repeats: (5, 1),
    run,
};

const FEED: &str = "kappa";
const DUMP: &str = "batch";

/// A figure's name, its unit, and where a run has it.
type Asked = (&'static str, &'static str, fn(&RunResult) -> Option<f64>);

const FIGURES: [Asked; 6] = [
    ("staleness_p50", "ms", |run| Some(run.staleness_ms.p50)),
    ("staleness_max", "ms", |run| Some(run.staleness_ms.max)),
    ("cpu_live", "cpu_s_per_million_events", cpu_live),
    ("cores_mean", "number", |run| Some(cores(run).0)),
    ("cores_peak", "number", |run| Some(cores(run).1)),
    ("memory_peak", "bytes", |run| answer("rss")(run)),
];

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let day = lab.pick(Duration::from_secs(8), Duration::from_millis(900));
    let shares: &[u32] = lab.pick(&[1, 2, 4, 8, 16, 32], &[3, 6]);
    let (history, rate) = (lab.pick(300_000, 5_000), lab.pick(10_000.0, 2_000.0));
    let settings = |name: &str| CompareSettings { deploys: false, ..lab.settings(&[name], history, rate, day) };

    let feed = lab.compare(notes, "continuous", settings(FEED))?;
    let note = |notes: &mut Notes, of: &str, result: &CompareResult, system: &str| {
        for (figure, unit, value) in FIGURES {
            notes.figures.push(Figure::measured(figure, of, unit, &values(result, system, value), lab.seed));
        }
    };
    note(notes, FEED, &feed, FEED);
    let mut at: Vec<(f64, String)> = vec![];
    let mut shortest = None;
    for &share in shares {
        let interval = day / share;
        let of = format!("batch, every {} ms", interval.as_millis());
        let dump = lab.compare(notes, &format!("every-1-{share}"), CompareSettings { batch_interval: interval, ..settings(DUMP) })?;
        note(notes, &of, &dump, DUMP);
        at.push((interval.as_secs_f64() * 1e3, of));
        shortest = Some(dump);
    }
    at.reverse();

    let everywhere: Vec<(f64, String)> = at.iter().map(|(interval, _)| (*interval, FEED.to_string())).collect();
    for (figure, title) in [("staleness_p50", "Age of what half of the answers lack"), ("cpu_live", "CPU time per million live events")] {
        let unit = FIGURES.iter().find(|f| f.0 == figure).map_or("", |f| f.1);
        notes.charts.push(Chart {
            title: title.into(),
            hint: "The feed has no interval: its line is level.".into(),
            x: Axis::log("from one batch run to the next", "ms"),
            y: Axis::log("", unit),
            lines: vec![notes.line(DUMP, figure, &at), notes.line(FEED, figure, &everywhere)],
        });
    }
    notes.charts.push(Chart {
        title: "Cores kept busy: at most in 100 ms, and on the mean".into(),
        hint: "A dump has its work at one moment, a feed spread out: the peak is what must be bought.".into(),
        x: Axis::log("from one batch run to the next", "ms"),
        y: Axis::linear("", "number"),
        lines: vec![
            notes.line("batch, peak", "cores_peak", &at),
            notes.line("batch, mean", "cores_mean", &at),
            notes.line("feed, peak", "cores_peak", &everywhere),
            notes.line("feed, mean", "cores_mean", &everywhere),
        ],
    });

    let dump = shortest.expect("there is an interval");
    let paired = |value: fn(&RunResult) -> Option<f64>| -> Vec<(f64, f64)> {
        values(&feed, FEED, value).into_iter().zip(values(&dump, DUMP, value)).collect()
    };
    let fresher = differs(&paired(|run| Some(run.staleness_ms.p50)), false, lab.seed);
    let cheaper = differs(&paired(cpu_live), false, lab.seed);
    let told = |verdict: Verdict| match verdict {
        Verdict::Confirmed => "is below the batch's",
        Verdict::Refuted => "is above the batch's",
        Verdict::Undecided => "cannot be told from the batch's",
    };
    notes.conclude(
        Verdict::all([fresher, cheaper]),
        format!("Beside {}, the feed's staleness {}, and its CPU {}.", at.first().map_or("", |(_, of)| of), told(fresher), told(cheaper)),
    );
    Ok(())
}

/// CPU seconds per million events of live traffic, all layers that are charged.
fn cpu_live(run: &RunResult) -> Option<f64> {
    let live = &run.cost.phases.as_ref()?.live;
    let seconds: f64 = live.cpu_s.values().sum();
    (live.events > 0).then(|| seconds * 1e6 / live.events as f64)
}

/// On the mean and at most, while events arrived.
fn cores(run: &RunResult) -> (f64, f64) {
    let busy: Vec<f64> = run.series.cpu.iter().filter(|bin| bin.at_ms >= 0.0 && bin.at_ms < run.duration_ms).map(|bin| bin.cores).collect();
    (busy.iter().sum::<f64>() / busy.len().max(1) as f64, busy.iter().copied().fold(0.0, f64::max))
}
