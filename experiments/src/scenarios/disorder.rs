//! `disorder`: what lateness, duplicates and lost order do. The flights become known in another order than that of their schedule, which is real
//! lateness; retries bring duplicates; and the log may be read in any order. Nothing is timed.
//!
//! Today windows never close here, so that no event is too late. What closing them would do is told by a replay of the same events: a window
//! of an hour closes once the greatest event time seen has passed its end by the allowed lateness, and what comes after that is dropped.

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
use twopath_log::{Durability, Log, ProducerSequence, TopicConfig};
use twopath_query::{Query, Value, values};
use twopath_reference::Reference;
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict};
use twopath_view::{GroupTable, Selection, answer};

use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "disorder",
    asks: "What do lateness, duplicates and lost order do to the answers, and to memory?",
    says: "How long to wait for late events is a trade of completeness against memory and latency: no setting has all of them.",
    source: "T. Akidau et al., The Dataflow Model (VLDB 2015)",
    confirmed_by: "as the allowed lateness grows, wrong windows never become more and open windows never fewer, and every setting without a \
                   wrong window waits longer than a window itself is",
    repeats: (1, 1),
    run,
};

const HOUR_US: i64 = 3_600_000_000;
/// Allowed lateness, in minutes.
const ALLOWED_MIN: [i64; 9] = [0, 15, 30, 60, 120, 240, 480, 1_440, 10_080];
const P0: PartitionId = PartitionId(0);
const ROWS: usize = 256;

/// What closing windows after some lateness does.
struct Closing {
    minutes: i64,
    dropped: u64,
    windows: u64,
    windows_wrong: u64,
    open_most: u64,
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let workload = flights();
    let log = workload.batch(0, lab.pick(330_000, 20_000));
    let times: Vec<i64> =
        log.column_by_name("sched_dep").expect("flights have it").as_primitive::<TimestampMicrosecondType>().values().to_vec();
    lab.step("allowed lateness")?;
    let closings: Vec<Closing> = ALLOWED_MIN.iter().map(|&minutes| close_after(&times, minutes)).collect();
    lateness(lab, notes, &closings)?;

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

    let never_more =
        closings.windows(2).all(|pair| pair[0].windows_wrong >= pair[1].windows_wrong && pair[0].open_most <= pair[1].open_most);
    let has_all = closings.iter().any(|c| c.windows_wrong == 0 && c.minutes * 60_000_000 <= HOUR_US);
    let least = closings.iter().find(|c| c.windows_wrong == 0);
    let because = match least {
        Some(c) => format!(
            "{} of {} windows are wrong without allowed lateness; none from {} minutes on, with {} open at most.",
            closings[0].windows_wrong, c.windows, c.minutes, c.open_most
        ),
        None => format!(
            "{} of {} windows are wrong without allowed lateness, and some with any.",
            closings[0].windows_wrong, closings[0].windows
        ),
    };
    notes.conclude(Verdict::of(never_more && !has_all), because);
    Ok(())
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
    Closing { minutes, dropped, windows: truth.len() as u64, windows_wrong, open_most }
}

fn lateness(lab: &Lab, notes: &mut Notes, closings: &[Closing]) -> Result<(), ScenarioError> {
    let mut rows: Vec<Vec<Cell>> = vec![];
    for c in closings {
        let of = format!("{} minutes", c.minutes);
        notes.figures.push(Figure::exact("windows_wrong", &of, "share", c.windows_wrong as f64 / c.windows as f64));
        notes.figures.push(Figure::exact("events_dropped", &of, "events", c.dropped as f64));
        notes.figures.push(Figure::exact("windows_open_most", &of, "count", c.open_most as f64));
        rows.push(vec![
            of.into(),
            (c.windows_wrong as f64, "count").into(),
            (c.dropped as f64, "events").into(),
            (c.open_most as f64, "count").into(),
        ]);
    }
    let all = closings.first().map_or(0, |c| c.windows);
    notes.figures.push(Figure::exact("windows_wrong", "never closed", "share", 0.0));
    notes.figures.push(Figure::exact("windows_open_most", "never closed", "count", all as f64));
    rows.push(vec!["never closed".into(), (0.0, "count").into(), (0.0, "events").into(), (all as f64, "count").into()]);
    let points = |of: fn(&Closing) -> u64| closings.iter().map(|c| Point::at(c.minutes as f64, of(c) as f64)).collect();
    notes.charts.push(Chart {
        title: "Wrong windows against open ones".into(),
        hint: "Open windows are what memory holds; a window closes when the greatest event time seen has passed its end by the allowed lateness.".into(),
        x: Axis::linear("minutes of allowed lateness", "number"),
        y: Axis::linear("windows of an hour", "count"),
        lines: vec![
            Line { name: "wrong at the end".into(), points: points(|c| c.windows_wrong) },
            Line { name: "open at most".into(), points: points(|c| c.open_most) },
        ],
    });
    notes.tables.push(Table {
        title: format!("{all} windows of an hour"),
        columns: ["allowed lateness", "windows wrong", "events dropped", "windows open at most"].map(String::from).to_vec(),
        rows,
    });
    let columns: Vec<(&str, ArrayRef)> = vec![
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
