//! `state`: what it costs to keep a stream's state in each of the places for it, and what `kill -9` leaves of it.
//!
//! A job counts and sums by key in a process of its own, which is killed at a random moment and started again; where its state is local, also
//! with another process that stands by. The parent appends, remembers when, hears of each published position, and holds the answer after each
//! start against the reference.

mod process;
mod run;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use twopath_log::{Log, LogError};
use twopath_query::QueryError;
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Table, Verdict};
use twopath_results::statistics::{median, paired_effect};
use twopath_speed::SpeedError;

use super::{Lab, Notes, Scenario, ScenarioError};
use crate::systems::{StateBackend, StatePlace};
pub use process::child;
pub use run::BackendResult;

pub const SCENARIO: Scenario = Scenario {
    name: "state",
    asks: "Where should a stream's state live: what does each place cost, and what does kill -9 leave of it?",
    says: "State beside the process improves latency and throughput by more than 100 times over a remote store.",
    source: "S. A. Noghabi et al., Samza: Stateful Scalable Stream Processing at LinkedIn (PVLDB 10, 2017)",
    confirmed_by: "the rate at which a history is read, local over remote, paired by repeat: its 95 % interval lies above 100 at every number of \
                   keys; refuted where it lies below at one; undecided where no Redis server answers",
    repeats: (3, 1),
    run: |lab, notes| measure(lab, notes, &Settings::default()),
};

const SQL: &str = "SELECT key, COUNT(*) AS n, SUM(v) AS s FROM events GROUP BY key";
const TOPIC: &str = "events";
/// A process that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the hypothesis says.
const TIMES_AS_FAST: f64 = 100.0;

/// What the user chose. What is empty, or none, is the scenario's own.
#[derive(Debug, Clone)]
pub struct Settings {
    /// All that can be had.
    pub backends: Vec<StateBackend>,
    /// How many keys there are.
    pub keys: Vec<u64>,
    /// Events per second while freshness is measured.
    pub rate: f64,
    /// For how long, before each kill.
    pub duration: Duration,
    pub kills: u32,
    pub checkpoint_interval: Duration,
    /// Events of a history, if there are not more by the number of keys.
    pub history_min: u64,
    /// Whether the history's events are of any keys, and not of some at a time.
    pub scattered: bool,
    /// In the mean, of the history.
    pub events_per_key: u64,
}

/// Of a history, where nobody says otherwise.
pub const EVENTS_PER_KEY: u64 = 10;

impl Default for Settings {
    fn default() -> Self {
        let (duration, checkpoint_interval) = (Duration::ZERO, Duration::from_millis(500));
        Settings {
            backends: vec![],
            keys: vec![],
            rate: 20_000.0,
            duration,
            kills: 0,
            checkpoint_interval,
            history_min: 0,
            scattered: false,
            events_per_key: EVENTS_PER_KEY,
        }
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error("the speed layer: {0}")]
    Speed(#[from] SpeedError),
    #[error("the query: {0}")]
    Query(#[from] QueryError),
    #[error("the process with the job: {0}; see that the folder is writable and has room")]
    Process(#[from] io::Error),
    #[error("the process with the job said nothing for {PATIENCE:?}, or ended: {0}")]
    Silent(String),
}

/// A figure's name, what its chart says, its unit, and where a result has it.
type Asked = (&'static str, &'static str, &'static str, fn(&BackendResult) -> Option<f64>);

const FIGURES: [Asked; 8] = [
    ("replay_rate", "Events a second that a history is read at", "events_per_s", |r| Some(r.events_per_s)),
    ("freshness_p99", "Age of an event when it is seen (99 of 100)", "ms", |r| Some(r.freshness_p99_ms)),
    ("recovery", "From the next start until all is seen again", "ms", |r| Some(r.recovery_ms)),
    ("recovery_by_standby", "The same, where another process stood by", "ms", |r| r.standby_ms),
    ("memory", "Memory once a history is read, without mapped files", "bytes", |r| Some(r.memory_bytes as f64)),
    ("events_replayed", "Events read again after a kill", "events", |r| Some(r.events_replayed as f64)),
    ("checkpoint_time", "What a checkpoint takes", "ms", |r| r.checkpoint_ms),
    ("checkpoint_bytes", "What a checkpoint writes", "bytes", |r| r.checkpoint_bytes.map(|bytes| bytes as f64)),
];

/// What was measured of one backend and number of keys, by repeat.
type Measured = BTreeMap<(u64, usize), Vec<BackendResult>>;

/// Figures of two things, by repeat.
type Pairs = Vec<(f64, f64)>;

/// Measures what was chosen.
///
/// # Errors
/// It was stopped, the folder cannot be used, or a process does not do its part. A wrong answer is no error: it is counted.
pub fn measure(lab: &Lab, notes: &mut Notes, chosen: &Settings) -> Result<(), ScenarioError> {
    let settings = Settings {
        backends: if chosen.backends.is_empty() { all_backends(notes) } else { chosen.backends.clone() },
        keys: if chosen.keys.is_empty() { lab.pick(vec![1_000, 100_000, 1_000_000], vec![1_000, 20_000]) } else { chosen.keys.clone() },
        duration: if chosen.duration.is_zero() { lab.pick(Duration::from_secs(5), Duration::from_secs(1)) } else { chosen.duration },
        kills: if chosen.kills == 0 { lab.pick(3, 2) } else { chosen.kills },
        history_min: if chosen.history_min == 0 { lab.pick(2_000_000, 20_000) } else { chosen.history_min },
        ..chosen.clone()
    };
    let mut measured = Measured::new();
    let outcome = rounds(lab, &settings, &mut measured);
    note(lab, notes, &settings, &measured);
    outcome?;
    conclude(lab, notes, &settings, &measured);
    Ok(())
}

fn rounds(lab: &Lab, settings: &Settings, measured: &mut Measured) -> Result<(), ScenarioError> {
    let scratch = lab.scratch()?;
    for repeat in 0..lab.repeats {
        for &keys in &settings.keys {
            for turn in 0..settings.backends.len() {
                // None is always the first.
                let index = (turn + repeat as usize) % settings.backends.len();
                let backend = &settings.backends[index];
                lab.step(&format!("{backend}, {keys} keys, {} of {}", repeat + 1, lab.repeats))?;
                let place = scratch.path().join(format!("{index}-{keys}-{repeat}"));
                let seed = lab.seed.wrapping_add(u64::from(repeat));
                let result = run::run(&|| lab.program(), settings, &place, (backend, keys, seed))?;
                measured.entry((keys, index)).or_default().push(result);
                // What is left of it goes with the scratch folder.
                let _ = std::fs::remove_dir_all(&place);
            }
        }
    }
    Ok(())
}

/// All backends that can be had.
fn all_backends(notes: &mut Notes) -> Vec<StateBackend> {
    let mut backends = vec![StateBackend::Memory, StateBackend::Checkpoint, StateBackend::local()];
    match StateBackend::server_that_answers() {
        Ok(server) => backends.push(server),
        Err(why) => notes.findings.push(why),
    }
    backends
}

fn of(backend: &StateBackend, keys: u64) -> String {
    format!("{}, {keys} keys", backend.name())
}

fn note(lab: &Lab, notes: &mut Notes, settings: &Settings, measured: &Measured) {
    let mut told: Vec<serde_json::Value> = vec![];
    for (&(keys, index), results) in measured {
        let backend = &settings.backends[index];
        for (figure, _, unit, value) in FIGURES {
            let values: Vec<f64> = results.iter().filter_map(value).collect();
            if !values.is_empty() {
                notes.figures.push(Figure::measured(figure, &of(backend, keys), unit, &values, lab.seed));
            }
        }
        notes.answers_checked += results.iter().map(|r| r.answers).sum::<u64>();
        notes.answers_wrong_by_engine += results.iter().map(|r| r.wrong_answers).sum::<u64>();
        told.push(serde_json::to_value(median_of(results)).expect("numbers and texts are JSON"));
    }
    notes.more.insert("backends".into(), told.into());
    notes.more.insert("rate".into(), settings.rate.into());
    notes.more.insert("kills".into(), settings.kills.into());
    notes.more.insert("scattered".into(), settings.scattered.into());
    notes.more.insert("events_per_key".into(), settings.events_per_key.into());
    notes.more.insert("checkpoint_interval_ms".into(), (settings.checkpoint_interval.as_secs_f64() * 1e3).into());
    chart(notes, settings, measured);
    table(notes, settings, measured);
}

/// The median of every figure that is measured; counts are of the first repeat, but for answers, which are of all.
fn median_of(results: &[BackendResult]) -> BackendResult {
    let of = |value: fn(&BackendResult) -> Option<f64>| median(&results.iter().filter_map(value).collect::<Vec<_>>());
    let exact = |value: fn(&BackendResult) -> Option<f64>| of(value).unwrap_or(0.0);
    BackendResult {
        events_per_s: exact(|r| Some(r.events_per_s)),
        freshness_p99_ms: exact(|r| Some(r.freshness_p99_ms)),
        recovery_ms: exact(|r| Some(r.recovery_ms)),
        standby_ms: of(|r| r.standby_ms),
        events_replayed: exact(|r| Some(r.events_replayed as f64)) as u64,
        memory_bytes: exact(|r| Some(r.memory_bytes as f64)) as u64,
        checkpoint_ms: of(|r| r.checkpoint_ms),
        wrong_answers: results.iter().map(|r| r.wrong_answers).sum(),
        answers: results.iter().map(|r| r.answers).sum(),
        ..results[0].clone()
    }
}

fn chart(notes: &mut Notes, settings: &Settings, measured: &Measured) {
    let line = |notes: &Notes, figure: &str, called: String, index: usize| -> Option<Line> {
        let at: Vec<(f64, String)> =
            measured.keys().filter(|key| key.1 == index).map(|key| (key.0 as f64, of(&settings.backends[index], key.0))).collect();
        Some(notes.line(&called, figure, &at)).filter(|line| !line.points.is_empty())
    };
    for (figure, title, unit, hint) in [
        (
            "replay_rate",
            FIGURES[0].1,
            "events_per_s",
            "So many events of each key in the mean (10 where nothing else was asked for; of few keys more), read from the log's start until all of it is at rest, but for what lives in memory. A remote store is asked in each step, a local one is written at intervals.",
        ),
        ("recovery", FIGURES[2].1, "ms", "After kill -9, with some more events in the log. Who stood by has the state already."),
        ("freshness_p99", FIGURES[1].1, "ms", "While events arrive at the same rate for all."),
        ("memory", FIGURES[4].1, "bytes", "A local state has its groups on the disk; all others have every group in memory."),
    ] {
        let mut lines: Vec<Line> =
            settings.backends.iter().enumerate().filter_map(|(i, backend)| line(notes, figure, backend.name(), i)).collect();
        if figure == "recovery" {
            let stood_by = settings.backends.iter().enumerate();
            lines.extend(stood_by.filter_map(|(i, backend)| line(notes, "recovery_by_standby", format!("{}, standby", backend.name()), i)));
        }
        if !lines.is_empty() {
            notes.charts.push(Chart {
                title: title.into(),
                hint: hint.into(),
                x: Axis::log("keys", "count"),
                y: Axis::log("", unit),
                lines,
            });
        }
    }
}

fn table(notes: &mut Notes, settings: &Settings, measured: &Measured) {
    let columns =
        ["", "written to the store, a step", "round trips", "bytes sent", "bytes received", "at rest", "read again", "answers", "wrong"];
    let row = |(&(keys, index), results): (&(u64, usize), &Vec<BackendResult>)| -> Vec<Cell> {
        let result = median_of(results);
        let store = result.store;
        vec![
            of(&settings.backends[index], keys).into(),
            ((store.steps > 0).then(|| store.bytes_written as f64 / store.steps as f64), "bytes").into(),
            (store.round_trips as f64, "count").into(),
            (store.bytes_sent as f64, "bytes").into(),
            (store.bytes_received as f64, "bytes").into(),
            (result.state_bytes as f64, "bytes").into(),
            (result.events_replayed as f64, "events").into(),
            (result.answers as f64, "count").into(),
            (result.wrong_answers as f64, "count").into(),
        ]
    };
    let rows = measured.iter().map(row).collect();
    notes.tables.push(Table { title: "What keeping it takes".into(), columns: columns.map(String::from).to_vec(), rows });
}

fn conclude(lab: &Lab, notes: &mut Notes, settings: &Settings, measured: &Measured) {
    let index = |is: fn(&StateBackend) -> bool| settings.backends.iter().position(is);
    let (memory, checkpoint) = (index(|b| *b == StateBackend::Memory), index(|b| *b == StateBackend::Checkpoint));
    let (local, remote) = (index(|b| matches!(b, StateBackend::Local { .. })), index(|b| matches!(b, StateBackend::Remote(_))));
    let keys_max = settings.keys.iter().copied().max().unwrap_or(0);
    let pairs = |a: Option<usize>, b: Option<usize>, keys: u64, value: fn(&BackendResult) -> f64| -> Pairs {
        let (Some(a), Some(b)) = (a.and_then(|a| measured.get(&(keys, a))), b.and_then(|b| measured.get(&(keys, b)))) else {
            return vec![];
        };
        a.iter().zip(b).map(|(a, b)| (value(a), value(b))).collect()
    };
    let mut verdicts = vec![];
    let mut ratios = vec![];
    for &keys in &settings.keys {
        let pairs = pairs(local, remote, keys, |r| r.events_per_s);
        let Some(times) = ratio(lab, notes, "local_over_remote", keys, &pairs) else { continue };
        let (low, high) = notes.figures.last().map_or((None, None), |figure| (figure.low, figure.high));
        verdicts.push(match (low, high) {
            (Some(low), _) if low >= TIMES_AS_FAST => Verdict::Confirmed,
            (_, Some(high)) if high < TIMES_AS_FAST => Verdict::Refuted,
            _ => Verdict::Undecided,
        });
        ratios.push(format!("{times:.1} with {keys} keys"));
    }
    let rates = pairs(local, memory, keys_max, |r| r.events_per_s);
    if let Some(share) = ratio(lab, notes, "local_over_memory", keys_max, &rates) {
        notes.findings.push(format!(
            "A store that takes each step whole or not at all reads a history at {:.0} % of the rate in memory, with {keys_max} keys. (Of Kafka's KIP-844 \
             4 % is told, for a transactional store against one that is not; that was not read.)",
            100.0 * share
        ));
    }
    let recoveries = pairs(local, checkpoint, keys_max, |r| r.recovery_ms);
    if let Some(times) = ratio(lab, notes, "recovery_local_over_checkpoint", keys_max, &recoveries) {
        notes.findings.push(format!(
            "Recovery from a local index and its changelog takes {times:.2} times as long as from a checkpoint, with {keys_max} keys. (Of Flink's log-based \
             checkpoints it is told, in 2022, that they are taken 10 times as fast and recovered from 1.7 to 3.3 times as slowly; that was not read.)"
        ));
    }
    let of_local = local.and_then(|local| measured.get(&(keys_max, local))).into_iter().flatten();
    let stood_by: Pairs = of_local.filter_map(|r| Some((r.recovery_ms, r.standby_ms?))).collect();
    if let Some(times) = ratio(lab, notes, "recovery_over_standby", keys_max, &stood_by) {
        notes.findings.push(format!("Where another process stands by, all is seen again {times:.1} times as soon, with {keys_max} keys."));
    }
    let because = match ratios.is_empty() {
        true => "There is no server to compare with.".to_owned(),
        false => format!("A history is read from local state so many times as fast as from remote state: {}.", ratios.join(", ")),
    };
    notes.conclude(Verdict::all(verdicts), because);
}

/// Notes the ratio of paired figures, with its interval.
fn ratio(lab: &Lab, notes: &mut Notes, figure: &str, keys: u64, pairs: &[(f64, f64)]) -> Option<f64> {
    let effect = paired_effect(pairs, lab.seed)?;
    let (low, high) = effect.interval.unzip();
    notes.figures.push(Figure { low, high, ..Figure::exact(figure, &format!("{keys} keys"), "ratio", effect.ratio?) });
    effect.ratio
}

/// Where the job's state is; the end of the path is this run's own, also as a name on a server.
fn state_place<'a>(dir: &'a Path, log: &'a Log) -> StatePlace<'a> {
    let end: Vec<_> = dir.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    // What a topic's name can have.
    let name = end.iter().rev().flat_map(|part| part.chars()).map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    StatePlace { dir, log, name }
}
