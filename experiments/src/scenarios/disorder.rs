//! `disorder`: what lateness, duplicates and lost order do. The flights become known in another order than that of their schedule, which is real
//! lateness; retries bring duplicates; and the log may be read in any order. Nothing is timed.
//!
//! `WATERMARK` is a part of the query, and drops a record that is later than it allows: Lambda's batch engine and Kappa's stream are both asked,
//! over a real log, and must drop the same. What closing windows would do to memory is told by a replay of the same events: a window of an hour
//! closes once the greatest event time seen has passed its end by the allowed lateness, and what comes after that is dropped. Lateness itself
//! is made less and more by letting each flight become known after a share, or a multiple, of the time that it really took.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow_select::take::take_record_batch;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_base::{Offset, PartitionId};
use twopath_events::workloads::{Workload, flights};
use twopath_log::{Durability, Log, ProducerSequence, Topic, TopicConfig};
use twopath_query::{Query, Value, values};
use twopath_reference::Reference;
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict};
use twopath_view::{GroupTable, Selection, answer};

use super::{Lab, Notes, Scenario, ScenarioError};
use crate::systems::twopath::wiring::{self, VersionLogic};
use crate::systems::{BatchEngine, SpeedEngine};

pub const SCENARIO: Scenario = Scenario {
    name: "disorder",
    asks: "What do lateness, duplicates and lost order do to the answers, and to memory?",
    says: "How long to wait for late events is a trade of completeness against memory and latency: no setting has all of them.",
    source: "T. Akidau et al., The Dataflow Model (VLDB 2015)",
    confirmed_by: "for every lateness, as the allowed lateness grows, wrong windows never become more and open windows never fewer, and every setting \
                   without a wrong window waits longer than a window itself is; batch and stream drop the same",
    repeats: (1, 1),
    run,
};

const HOUR_US: i64 = 3_600_000_000;
/// Allowed lateness, in minutes.
const ALLOWED_MIN: [i64; 9] = [0, 15, 30, 60, 120, 240, 480, 1_440, 10_080];
/// How many times as late as they really were the flights become known.
const TIMES_LATE: [f64; 3] = [0.25, 1.0, 4.0];
const P0: PartitionId = PartitionId(0);
const ROWS: usize = 256;

/// What closing windows after some lateness does.
struct Closing {
    times_late: f64,
    minutes: i64,
    dropped: u64,
    windows: u64,
    windows_wrong: u64,
    open_most: u64,
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let workload = flights();
    let log = workload.batch(0, lab.pick(330_000, 20_000));
    lab.step("allowed lateness")?;
    let mut closings: Vec<Closing> = vec![];
    for times_late in TIMES_LATE {
        let times = as_known(&log, times_late);
        closings.extend(ALLOWED_MIN.iter().map(|&minutes| Closing { times_late, ..close_after(&times, minutes) }));
    }
    lateness(lab, notes, &closings)?;
    lab.step("WATERMARK, by batch and by stream")?;
    let differ = watermarks(lab, notes, &workload, &log)?;

    lab.step("duplicates")?;
    let (with, without) = duplicates(lab, &workload, &log)?;
    notes.figures.push(Figure::exact("events_too_many", "retries, with sequence numbers", "events", with));
    notes.figures.push(Figure::exact("events_too_many", "retries, without", "events", without));

    lab.step("lost order")?;
    let wrong = lost_order(lab, &workload, &log)?;
    notes.figures.push(Figure::exact("groups_wrong", "read in any order", "count", wrong as f64));
    notes.findings.push(format!(
        "Retries of one frame in ten brought {without:.0} events twice; with the producer's sequence numbers, {with:.0}. Read in any order, {wrong} groups differ \
         from the reference's: accumulators merge in any order."
    ));

    let of = |times_late: f64| closings.iter().filter(move |c| c.times_late == times_late).collect::<Vec<_>>();
    let orderly = |all: Vec<&Closing>| all.windows(2).all(|p| p[0].windows_wrong >= p[1].windows_wrong && p[0].open_most <= p[1].open_most);
    let never_more = TIMES_LATE.iter().all(|&times| orderly(of(times)));
    let real = of(1.0);
    let has_all = real.iter().any(|c| c.windows_wrong == 0 && c.minutes * 60_000_000 <= HOUR_US);
    let least = real.iter().find(|c| c.windows_wrong == 0);
    let because = match least {
        Some(c) => format!(
            "{} of {} windows are wrong without allowed lateness; none from {} minutes on, with {} open at most.",
            real[0].windows_wrong, c.windows, c.minutes, c.open_most
        ),
        None => format!("{} of {} windows are wrong without allowed lateness, and some with any.", real[0].windows_wrong, real[0].windows),
    };
    notes.conclude(Verdict::of(never_more && !has_all && differ == 0), because);
    Ok(())
}

/// The event times in the order in which the flights become known, if that takes so many times as long as it did.
fn as_known(log: &RecordBatch, times_late: f64) -> Vec<i64> {
    let column =
        |name: &str| log.column_by_name(name).expect("flights have it").as_primitive::<TimestampMicrosecondType>().values().to_vec();
    let (scheduled, known) = (column("sched_dep"), column("known"));
    let mut flights: Vec<(i64, usize)> =
        scheduled.iter().zip(&known).enumerate().map(|(row, (at, known))| (at + ((known - at) as f64 * times_late) as i64, row)).collect();
    flights.sort_unstable();
    flights.into_iter().map(|(_, row)| scheduled[row]).collect()
}

/// Wrong windows by the query's own WATERMARK, over a log of frames in the order in which the flights became known: by the batch engine and by
/// the stream. Gives the windows in which the two differ.
fn watermarks(lab: &Lab, notes: &mut Notes, workload: &Workload, log: &RecordBatch) -> Result<u64, ScenarioError> {
    let scratch = lab.scratch()?;
    let topic = Log::open(scratch.path())?.create_topic(workload.topic_config(1, Durability::None))?;
    let writer = topic.writer()?;
    for from in (0..log.num_rows()).step_by(ROWS) {
        writer.append_to(P0, &log.slice(from, ROWS.min(log.num_rows() - from)), None)?;
    }
    writer.close()?;
    let source = |minutes: i64| format!("WATERMARK(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '{minutes}' MINUTE)");
    let truth = by_both(&topic, "flights")?.0;
    let (mut rows, mut differ): (Vec<Vec<Cell>>, _) = (vec![], 0);
    for minutes in ALLOWED_MIN {
        let (batch, stream) = by_both(&topic, &source(minutes))?;
        let apart = differing(&batch, &stream);
        let wrong = differing(&batch, &truth);
        let of = format!("WATERMARK of {minutes} minutes");
        notes.figures.push(Figure::exact("windows_wrong", &of, "share", wrong as f64 / truth.len().max(1) as f64));
        notes.figures.push(Figure::exact("windows_apart", &of, "count", apart as f64));
        let of: Cell = format!("{minutes} minutes").into();
        rows.push(vec![of, (wrong as f64, "count").into(), (apart as f64, "count").into()]);
        differ += apart;
    }
    notes.tables.push(Table {
        title: format!("WATERMARK in the query: records later than it allows are dropped, {} windows of an hour", truth.len()),
        columns: ["allowed lateness", "windows wrong", "windows in which batch and stream differ"].map(String::from).to_vec(),
        rows,
    });
    Ok(differ)
}

/// Flights by hour.
type Counts = BTreeMap<String, i64>;

/// Flights by hour of what stands after FROM: by polars from the sealed and the open segments, and by a replay of timely.
fn by_both(topic: &Topic, source: &str) -> Result<(Counts, Counts), ScenarioError> {
    let failed = |e: twopath_query::EvalError| ScenarioError::Answer(e.to_string());
    let source = if source == "flights" { "TABLE flights".to_owned() } else { format!("TABLE {source}") };
    let sql = format!(
        "SELECT window_start AS hour, COUNT(*) AS flights \
         FROM TUMBLE({source}, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR) GROUP BY window_start"
    );
    let query = Arc::new(twopath_query::parse(&sql, topic.name(), topic.schema())?);
    let (logic, end) = (VersionLogic::sql(query.clone()), topic.end()?);
    let counts = |parts: &[&GroupTable]| {
        let rows = answer(&query, parts, &Selection::default()).and_then(|rows| values::rows(&rows)).map_err(failed)?;
        let count = |row: Vec<Value>| match row[1] {
            Value::Int(n) => Ok((format!("{:?}", row[0]), n)),
            _ => Err(ScenarioError::Answer("a count is no number; this is a bug".into())),
        };
        rows.into_iter().map(count).collect::<Result<Counts, ScenarioError>>()
    };
    let batch = wiring::compute(topic, &logic, BatchEngine::Polars, &end)?;
    let view = wiring::replay(topic, &logic, SpeedEngine::Timely, wiring::log_start(topic)?, &end, 1)?;
    let stream: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(AsRef::as_ref).collect();
    Ok((counts(&[&batch])?, counts(&stream)?))
}

/// Windows that only one has, or whose counts differ.
fn differing(a: &Counts, b: &Counts) -> u64 {
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    keys.into_iter().filter(|key| a.get(*key) != b.get(*key)).count() as u64
}

/// Counts by hour where a window is closed so many minutes after its end.
fn close_after(times: &[i64], minutes: i64) -> Closing {
    let window = |time: i64| time.div_euclid(HOUR_US);
    let (mut truth, mut counted): (BTreeMap<i64, u64>, BTreeMap<i64, u64>) = Default::default();
    let mut open = BTreeSet::new();
    let (mut watermark, mut dropped, mut open_most) = (i64::MIN, 0, 0);
    for &time in times {
        *truth.entry(window(time)).or_default() += 1;
        let closed_below = |watermark: i64| watermark.saturating_sub(minutes * 60_000_000).div_euclid(HOUR_US);
        if watermark > i64::MIN && window(time) < closed_below(watermark) {
            dropped += 1;
            continue;
        }
        *counted.entry(window(time)).or_default() += 1;
        open.insert(window(time));
        watermark = watermark.max(time);
        while open.first().is_some_and(|&first| first < closed_below(watermark)) {
            open.pop_first();
        }
        open_most = open_most.max(open.len() as u64);
    }
    let windows_wrong = truth.iter().filter(|(window, n)| counted.get(*window) != Some(n)).count() as u64;
    Closing { times_late: 1.0, minutes, dropped, windows: truth.len() as u64, windows_wrong, open_most }
}

fn lateness(lab: &Lab, notes: &mut Notes, closings: &[Closing]) -> Result<(), ScenarioError> {
    let mut rows: Vec<Vec<Cell>> = vec![];
    for c in closings {
        let times = if c.times_late == 1.0 { String::new() } else { format!(", {} times as late", c.times_late) };
        let of = format!("{} minutes{times}", c.minutes);
        notes.figures.push(Figure::exact("windows_wrong", &of, "share", c.windows_wrong as f64 / c.windows as f64));
        notes.figures.push(Figure::exact("events_dropped", &of, "events", c.dropped as f64));
        notes.figures.push(Figure::exact("windows_open_most", &of, "count", c.open_most as f64));
        rows.push(vec![
            (c.times_late, "ratio").into(),
            format!("{} minutes", c.minutes).into(),
            (c.windows_wrong as f64, "count").into(),
            (c.dropped as f64, "events").into(),
            (c.open_most as f64, "count").into(),
        ]);
    }
    let all = closings.first().map_or(0, |c| c.windows);
    notes.figures.push(Figure::exact("windows_wrong", "never closed", "share", 0.0));
    notes.figures.push(Figure::exact("windows_open_most", "never closed", "count", all as f64));
    let never: [Cell; 3] = [(0.0, "count").into(), (0.0, "events").into(), (all as f64, "count").into()];
    rows.push(["any".into(), "never closed".into()].into_iter().chain(never).collect());
    let lines = |of: fn(&Closing) -> u64| {
        let line = |&times: &f64| {
            let points =
                closings.iter().filter(|c| c.times_late == times).map(|c| Point::at(c.minutes as f64 / 60.0, of(c) as f64)).collect();
            let name = if times == 1.0 { "as late as they were".into() } else { format!("{times} times as late") };
            Line { name, points }
        };
        TIMES_LATE.iter().map(line).collect::<Vec<Line>>()
    };
    // A week tells no more than a day, and would leave no room for the rest.
    let day = |mut lines: Vec<Line>| {
        lines.iter_mut().for_each(|line| line.points.retain(|p| p.x <= 24.0));
        lines
    };
    let (x, y) = (Axis::linear("hours of allowed lateness", "number"), Axis::linear("windows of an hour", "count"));
    let hint = "A window closes when the greatest event time seen has passed its end by the allowed lateness; what comes later is dropped.";
    let wrong =
        Chart { title: "Windows that are wrong at the end".into(), hint: hint.into(), x, y, lines: day(lines(|c| c.windows_wrong)) };
    let hint = "Open windows are what memory holds: as many as the allowed lateness is long, however late the events are.";
    notes.charts.push(Chart {
        title: "Windows open at most".into(),
        hint: hint.into(),
        lines: day(lines(|c| c.open_most)),
        ..wrong.clone()
    });
    notes.charts.insert(notes.charts.len() - 1, wrong);
    notes.tables.push(Table {
        title: format!("{all} windows of an hour, closed by the allowed lateness"),
        columns: ["times as late", "allowed lateness", "windows wrong", "events dropped", "windows open at most"]
            .map(String::from)
            .to_vec(),
        rows,
    });
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("times_late", Arc::new(Float64Array::from_iter_values(closings.iter().map(|c| c.times_late)))),
        ("allowed_lateness_min", Arc::new(Float64Array::from_iter_values(closings.iter().map(|c| c.minutes as f64)))),
        ("windows", Arc::new(UInt64Array::from_iter_values(closings.iter().map(|c| c.windows)))),
        ("windows_wrong", Arc::new(UInt64Array::from_iter_values(closings.iter().map(|c| c.windows_wrong)))),
        ("events_dropped", Arc::new(UInt64Array::from_iter_values(closings.iter().map(|c| c.dropped)))),
        ("windows_open_most", Arc::new(UInt64Array::from_iter_values(closings.iter().map(|c| c.open_most)))),
    ];
    lab.samples(notes, "disorder", columns)
}

/// Appends every frame, one in ten a second time as a producer does that did not hear of the first: events too many in the log, with sequence
/// numbers and without.
fn duplicates(lab: &Lab, workload: &Workload, log: &RecordBatch) -> Result<(f64, f64), ScenarioError> {
    let scratch = lab.scratch()?;
    let mut too_many = [0.0; 2];
    for (index, numbered) in [true, false].into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(lab.seed);
        let config = TopicConfig { name: format!("numbered-{numbered}"), ..workload.topic_config(1, Durability::None) };
        let topic = Log::open(scratch.path())?.create_topic(config)?;
        let writer = topic.writer()?;
        for (sequence, from) in (0..log.num_rows()).step_by(ROWS).enumerate() {
            let frame = log.slice(from, ROWS.min(log.num_rows() - from));
            let producer = numbered.then_some(ProducerSequence { producer: 1, epoch: 0, sequence: sequence as u64 + 1 });
            let times = if rng.random_range(0..10) == 0 { 2 } else { 1 };
            for _ in 0..times {
                writer.append_to(P0, &frame, producer)?;
            }
        }
        writer.close()?;
        too_many[index] = (topic.end()?.get(P0).0 - log.num_rows() as u64) as f64;
        if numbered {
            in_order(&topic, log)?;
        }
    }
    Ok((too_many[0], too_many[1]))
}

/// That a topic holds exactly these rows.
fn in_order(topic: &twopath_log::Topic, log: &RecordBatch) -> Result<(), ScenarioError> {
    let mut next = 0;
    for records in topic.range(P0, Offset(0), topic.end()?.get(P0), None)? {
        let batch = records?.batch;
        let rows = |batch: &RecordBatch| values::rows(batch).map_err(|e| ScenarioError::Answer(e.to_string()));
        if next + batch.num_rows() > log.num_rows() || rows(&batch)? != rows(&log.slice(next, batch.num_rows()))? {
            return Err(ScenarioError::Answer("the log does not hold the events once and in order; this is a bug".into()));
        }
        next += batch.num_rows();
    }
    Ok(())
}

/// Groups that differ from the reference's where blocks of the log are read in any order, and merged in another.
fn lost_order(lab: &Lab, workload: &Workload, log: &RecordBatch) -> Result<u64, ScenarioError> {
    let failed = |e: twopath_query::EvalError| ScenarioError::Answer(e.to_string());
    let sql = workload.query(Some("delays_by_origin_hour"))?.sql(2);
    let query: Query = twopath_query::parse(sql, &workload.name, &workload.schema)?;
    let mut rng = ChaCha8Rng::seed_from_u64(lab.seed);
    let mut order: Vec<u32> = (0..log.num_rows() as u32).collect();
    order.shuffle(&mut rng);
    let mut parts = vec![];
    for block in order.chunks(order.len().div_ceil(7)) {
        let rows = take_record_batch(log, &UInt32Array::from(block.to_vec())).map_err(|e| ScenarioError::Answer(e.to_string()))?;
        let mut part = GroupTable::new(&query);
        part.update_from_log(&query, &rows).map_err(failed)?;
        parts.push(part);
    }
    parts.shuffle(&mut rng);
    let given =
        answer(&query, &parts.iter().collect::<Vec<_>>(), &Selection::default()).and_then(|rows| values::rows(&rows)).map_err(failed)?;
    let mut reference = Reference::new(query);
    reference.push(log);
    let truth = reference.answer().map_err(failed)?;
    let differs = |(a, b): &(&Vec<Value>, &Vec<Value>)| a != b;
    Ok(given.iter().zip(&truth).filter(differs).count() as u64 + given.len().abs_diff(truth.len()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let at = |hour: i64, minute: i64| hour * HOUR_US + minute * 60_000_000;
        // The event of hour 0 comes when hour 1 has begun: with no lateness allowed its window is closed.
        let times = [at(0, 10), at(1, 20), at(0, 50), at(1, 30)];
        let strict = close_after(&times, 0);
        assert_eq!((strict.dropped, strict.windows, strict.windows_wrong, strict.open_most), (1, 2, 1, 1));
        let patient = close_after(&times, 30);
        assert_eq!((patient.dropped, patient.windows_wrong, patient.open_most), (0, 0, 2));
        // 20 minutes after its end are exactly what is allowed: it is closed.
        assert_eq!(close_after(&times, 20).dropped, 1);
    }
}
