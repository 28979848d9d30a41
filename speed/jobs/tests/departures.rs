//! A join written by hand gives what the workload's SQL gives, in both versions, also where a table's row comes late and rows of the answer go again.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use common::Random;
use twopath_base::Position;
use twopath_jobs::{Kind, hand_written};
use twopath_log::{Durability, Entry, Log, Start, Topic, TopicConfig};
use twopath_query::{EvalError, Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_serving::Table;
use twopath_serving::jobs::merging;
use twopath_speed::{Engine, Logic, SpeedOptions, replay, start};
use twopath_view::Selection;

/// The texts that `twopath compare` runs.
macro_rules! sql {
    ($version:literal, $query:literal) => {
        concat!(
            include_str!(concat!("../../../experiments/events/src/workloads/departures/views.", $version, ".sql")),
            include_str!(concat!("../../../experiments/events/src/workloads/departures/", $query, ".sql"))
        )
    };
}

/// A query, and its versions.
type Versions = (&'static str, [&'static str; 2]);

const QUERIES: [Versions; 4] = [
    ("by_age", [sql!("v1", "by_age"), sql!("v2", "by_age")]),
    ("by_maker", [sql!("v1", "by_maker"), sql!("v2", "by_maker")]),
    ("by_last_wind", [sql!("v1", "by_last_wind"), sql!("v2", "by_last_wind")]),
    ("carry_over", [sql!("v1", "carry_over"), sql!("v2", "carry_over")]),
];

fn schema() -> SchemaRef {
    let time = |name| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("event_type"),
        time("at"),
        time("known"),
        text("tailnum"),
        text("origin"),
        text("dest"),
        number("sched_dep_time"),
        number("dep_time"),
        number("plane_year"),
        text("plane_manufacturer"),
        Field::new("wind_speed", DataType::Float64, true),
    ]))
}

/// Flights of twenty years by seven aircraft, some of them of none, and rows of the aircraft, of which the newest counts, whenever it comes. Ten flights leave within eleven hours, in any
/// order, and of some hours of it the wind is reported, once.
struct Departures {
    random: Random,
    rows: i64,
    reported: HashSet<(usize, i64)>,
    /// Of each aircraft's row another second.
    seconds: Vec<i64>,
}

impl Departures {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut seconds: Vec<i64> = (1_356_000_000..1_356_004_000).collect();
        for i in (1..seconds.len()).rev() {
            seconds.swap(i, random.below(i as u64 + 1) as usize);
        }
        Departures { random, rows: 0, reported: HashSet::new(), seconds }
    }

    fn batch(&mut self, rows: usize) -> RecordBatch {
        let mut columns: [Vec<Option<i64>>; 5] = Default::default();
        let (mut types, mut tails, mut makers) = (Vec::new(), Vec::new(), Vec::new());
        let (mut origins, mut winds) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let random = &mut self.random;
            let known = self.seconds.pop().unwrap();
            let at = 1_330_000_000 + self.rows / 10 * 3_500_000 + random.below(40_000) as i64;
            self.rows += 1;
            let (origin, hour) = (random.below(2) as usize, at / 3_600);
            let is_report = random.below(4) == 0 && self.reported.insert((origin, hour));
            let is_plane = !is_report && random.below(4) == 0;
            let at = if is_report { hour * 3_600 } else { at };
            let minute = random.below(24 * 60) as i64;
            let departed = (minute + random.below(300) as i64 - 50).rem_euclid(24 * 60);
            let hhmm = |minutes: i64| minutes / 60 * 100 + minutes % 60;
            types.push(if is_plane {
                "plane"
            } else if is_report {
                "weather"
            } else {
                "flight"
            });
            origins.push((random.below(8) > 0).then(|| ["JFK", "LGA"][origin].to_owned()));
            winds.push((is_report && random.below(8) > 0).then(|| random.below(1_000) as f64 / 10.0));
            tails.push((random.below(6) > 0).then(|| format!("N{}", random.below(7))));
            let of_flight = |value: i64| (!is_plane && !is_report).then_some(value);
            columns[0].push(Some(if is_plane { known } else { at } * 1_000_000));
            columns[1].push(Some(known * 1_000_000));
            columns[2].push(of_flight(hhmm(minute)));
            columns[3].push(of_flight(hhmm(departed)).filter(|_| random.below(8) > 0));
            columns[4].push((is_plane && random.below(5) > 0).then(|| 1990 + random.below(25) as i64));
            makers.push((is_plane && random.below(5) > 0).then(|| format!("Maker {}", random.below(4))));
        }
        let [at, known, scheduled, departed, built] = columns;
        let time = |times| Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) as ArrayRef;
        let number = |numbers| Arc::new(Int64Array::from(numbers)) as ArrayRef;
        let text = |texts: Vec<Option<String>>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let nowhere = text(vec![Some("ORD".into()); rows]);
        let types = Arc::new(StringArray::from(types)) as ArrayRef;
        let columns = vec![
            types,
            time(at),
            time(known),
            text(tails),
            text(origins),
            nowhere,
            number(scheduled),
            number(departed),
            number(built),
            text(makers),
            Arc::new(Float64Array::from(winds)),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    }
}

fn topic(dir: &std::path::Path, partitions: u32) -> Topic {
    let config = TopicConfig { partitions, durability: Durability::None, ..TopicConfig::new("departures", schema()) };
    Log::open(dir).unwrap().create_topic(config).unwrap()
}

/// A table, and the logic that publishes into it.
fn by_hand(query: &Arc<Query>, of: (&str, u32), (engine, kind): (Engine, Kind), partitions: usize) -> (Table, Logic) {
    let written = hand_written("departures", of, engine, kind).unwrap();
    let table = Table::new(Arc::clone(query), partitions);
    match written.finals {
        None => {
            let merging = merging("departures", of).unwrap();
            (table.with_merging(merging).unwrap(), Logic::Parts(written.code, merging))
        }
        Some(finals) => (table.with_finals(finals).unwrap(), Logic::Finals(written.code, finals)),
    }
}

fn by_reference(topic: &Topic, query: &Query) -> Result<Vec<Vec<Value>>, EvalError> {
    let mut reference = Reference::new(query.clone());
    for (partition, to) in topic.end().unwrap().iter() {
        let mut reader = topic.reader(partition, Start::First, Some(&query.whole_rows())).unwrap();
        while reader.offset() < to {
            if let Some(Entry::Records(records)) = reader.next().unwrap() {
                reference.push(&records.batch);
            }
        }
    }
    reference.answer()
}

fn answered(table: &Table) -> Result<Vec<Vec<Value>>, EvalError> {
    values::rows(&table.answer(&Selection::default()).unwrap().rows)
}

const KINDS: [Kind; 2] = [Kind::Parts, Kind::Finals];

#[test]
fn by_hand_as_in_sql() {
    let dir = tempfile::tempdir().unwrap();
    let topic = topic(dir.path(), 2);
    let writer = topic.writer().unwrap();
    let mut departures = Departures::new(2013);
    (0..20).for_each(|_| drop(writer.append(&departures.batch(100)).unwrap()));
    for (name, versions) in QUERIES {
        as_in_sql(&topic, name, versions);
    }
}

fn as_in_sql(topic: &Topic, name: &str, versions: [&str; 2]) {
    let mut answers = Vec::new();
    for (version, sql) in (1..).zip(versions) {
        let query = Arc::new(parse(sql, "departures", topic.schema()).unwrap());
        let expected = by_reference(topic, &query);
        for (engine, kind) in Engine::ALL.into_iter().flat_map(|e| KINDS.map(|kind| (e, kind))) {
            for workers in 1..=3 {
                let (table, logic) = by_hand(&query, (name, version), (engine, kind), 2);
                let from = (0, Position::zero(2));
                let view = replay(topic, Arc::clone(&query), logic, engine, from, &topic.end().unwrap(), workers).unwrap();
                table.publish_realtime(Arc::new(view));
                if let Err(difference) = compare(&query, &expected, &answered(&table)) {
                    panic!("{name} version {version}, {kind:?} on {engine} with {workers} workers: {difference}");
                }
            }
        }
        answers.push(expected.unwrap());
    }
    assert_ne!(answers[0], answers[1], "a test that cannot tell the versions apart would show nothing");
}

/// Jobs that follow the log: an aircraft that becomes known takes its flights from one age to another, and the last of an age takes its row away.
#[test]
fn by_age_along_the_tail() {
    along_the_tail(QUERIES[0], 1);
}

#[test]
fn by_maker_along_the_tail() {
    along_the_tail(QUERIES[1], 1);
}

/// A report that comes late takes flights from the wind that was reported before it.
#[test]
fn by_last_wind_along_the_tail() {
    along_the_tail(QUERIES[2], 1);
}

/// What only grows takes no row away.
#[test]
fn carry_over_along_the_tail() {
    assert_eq!(along_the_tail(QUERIES[3], 0), 0);
}

/// How many rows were gone again: not fewer than `least`, with each engine and form.
fn along_the_tail((name, versions): Versions, least: usize) -> usize {
    let mut all_gone = 0;
    for (engine, kind) in Engine::ALL.into_iter().flat_map(|e| KINDS.map(|kind| (e, kind))) {
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(dir.path(), 3);
        let writer = topic.writer().unwrap();
        let query = Arc::new(parse(versions[1], "departures", topic.schema()).unwrap());
        let (table, logic) = by_hand(&query, (name, 2), (engine, kind), 3);
        let table = Arc::new(table);
        let publish = {
            let table = Arc::clone(&table);
            Arc::new(move |view| table.publish_realtime(view))
        };
        let options = SpeedOptions { workers: 2, publish_interval: Duration::from_micros(200), ..SpeedOptions::default() };
        let job = start(&topic, Arc::clone(&query), logic, engine, (0, Position::zero(3)), options, publish).unwrap();
        let mut departures = Departures::new(7);
        let (mut before, mut gone) = (Vec::new(), 0);
        for step in 0..40 {
            writer.append(&departures.batch(3)).unwrap();
            if step % 8 == 7 {
                writer.barrier().unwrap();
            }
            let end = topic.end().unwrap();
            while table.position().as_ref() != Some(&end) {
                assert!(job.progress().failure.is_none(), "{:?}", job.progress().failure);
                std::thread::sleep(Duration::from_micros(200));
            }
            let expected = by_reference(&topic, &query);
            if let Err(difference) = compare(&query, &expected, &answered(&table)) {
                panic!("{name}, {kind:?} on {engine}, step {step}: {difference}");
            }
            let keys: Vec<Value> = expected.unwrap().into_iter().map(|row| row[0].clone()).collect();
            gone += before.iter().filter(|key| !keys.contains(key)).count();
            before = keys;
        }
        assert!(gone >= least, "{gone} rows of {name} were gone again");
        all_gone += gone;
        job.stop().unwrap();
    }
    all_gone
}

#[test]
fn there_are_no_other_jobs() {
    assert!(hand_written("departures", ("by_age", 3), Engine::Timely, Kind::Parts).is_none());
    assert!(hand_written("departures", ("by_wind", 1), Engine::Timely, Kind::Finals).is_none());
    assert!(merging("departures", ("by_age", 3)).is_none() && merging("departures", ("by_wind", 1)).is_none());
}
