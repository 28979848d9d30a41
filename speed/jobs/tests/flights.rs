//! The flights jobs written by hand give what the workload's SQL gives, in both versions.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use common::{Random, rows_of};
use twopath_base::Position;
use twopath_jobs::Kind;
use twopath_jobs::flights::hand_written;
use twopath_log::{Durability, Log, PartitionBy, TopicConfig};
use twopath_query::{EvalError, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_serving::Table;
use twopath_serving::jobs::flights::merging;
use twopath_speed::{Engine, Logic, SpeedOptions, replay, start};
use twopath_view::Selection;

/// The texts that `twopath compare` runs.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../../experiments/events/src/workloads/flights/", $name, ".sql"))
    };
}

const QUERIES: [(&str, [&str; 2]); 5] = [
    ("delays_by_origin_hour", [sql!("delays_by_origin_hour.v1"), sql!("delays_by_origin_hour.v2")]),
    ("delay_quantiles_by_carrier_day", [sql!("delay_quantiles_by_carrier_day.v1"), sql!("delay_quantiles_by_carrier_day.v2")]),
    ("distinct_tails_by_carrier_day", [sql!("distinct_tails_by_carrier_day"), sql!("distinct_tails_by_carrier_day")]),
    ("totals_by_route", [sql!("totals_by_route"), sql!("totals_by_route")]),
    ("cancelled_share_by_day", [sql!("cancelled_share_by_day"), sql!("cancelled_share_by_day")]),
];

fn schema(number: DataType) -> SchemaRef {
    let time = |name| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name, nullable| Field::new(name, number.clone(), nullable);
    Arc::new(Schema::new(vec![
        time("sched_dep"),
        time("known"),
        text("carrier", false),
        text("tailnum", true),
        text("origin", false),
        text("dest", false),
        number("sched_dep_time", false),
        number("dep_time", true),
        number("air_time", true),
        number("distance", false),
    ]))
}

/// Flights around midnight and at any other time, before and after 1970; some early, some the day after, some cancelled.
fn flights(random: &mut Random, schema: &SchemaRef, rows: usize) -> RecordBatch {
    let hhmm = |minutes: i64| if minutes == 0 { 2400 } else { minutes / 60 * 100 + minutes % 60 };
    let mut scheduled = Vec::new();
    let mut departed = Vec::new();
    for _ in 0..rows {
        let minute = random.below(24 * 60) as i64;
        let late = random.below(400) as i64 - 50;
        scheduled.push(minute / 60 * 100 + minute % 60);
        departed.push((random.below(9) != 0).then(|| hhmm((minute + late).rem_euclid(24 * 60))));
    }
    let mut times = || {
        let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| random.below(400_000_000_000) as i64 - 200_000_000_000));
        Arc::new(times.with_timezone("UTC")) as ArrayRef
    };
    let (sched_dep, known) = (times(), times());
    let mut texts = |prefix: &str, n: u64, null_every: u64| {
        let texts = (0..rows).map(|_| (random.below(null_every) != 0).then(|| format!("{prefix}{}", random.below(n))));
        Arc::new(StringArray::from_iter(texts)) as ArrayRef
    };
    let never = u64::MAX;
    let (carrier, tailnum, origin, dest) = (texts("C", 4, never), texts("N", 50, 10), texts("O", 3, never), texts("D", 9, never));
    let air_time = Int64Array::from_iter((0..rows).map(|_| (random.below(7) != 0).then(|| random.below(300) as i64)));
    let distance = Int64Array::from_iter_values((0..rows).map(|_| random.below(3000) as i64));
    let numbers: [ArrayRef; 4] =
        [Arc::new(Int64Array::from(scheduled)), Arc::new(Int64Array::from(departed)), Arc::new(air_time), Arc::new(distance)];
    let mut columns = vec![sched_dep, known, carrier, tailnum, origin, dest];
    for (i, numbers) in numbers.iter().enumerate() {
        columns.push(arrow_cast::cast(numbers, schema.field(6 + i).data_type()).unwrap());
    }
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

#[test]
fn by_hand_as_in_sql() {
    // Another topic may store the clock times in 16 bits.
    for number in [DataType::Int64, DataType::Int16] {
        let schema = schema(number);
        let dir = tempfile::tempdir().unwrap();
        let config = TopicConfig {
            partitions: 2,
            partition_by: PartitionBy::Key("tailnum".into()),
            time_column: Some("sched_dep".into()),
            durability: Durability::None,
            segment_bytes: 1 << 20,
            ..TopicConfig::new("flights", schema.clone())
        };
        let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
        let writer = topic.writer().unwrap();
        let mut random = Random(2013);
        let batches: Vec<RecordBatch> = (0..20).map(|_| flights(&mut random, &schema, 100)).collect();
        batches.iter().for_each(|b| drop(writer.append(b).unwrap()));
        let (start, end) = (Position::zero(2), topic.end().unwrap());
        for (name, versions) in QUERIES {
            for (version, sql) in (1..).zip(versions) {
                let query = Arc::new(parse(sql, "flights", topic.schema()).unwrap());
                let mut reference = Reference::new((*query).clone());
                batches.iter().for_each(|b| reference.push(b));
                let expected = reference.answer();
                let agrees = |what: String, found: &Result<Vec<Vec<Value>>, EvalError>| {
                    if let Err(difference) = compare(&query, &expected, found) {
                        panic!("{name} version {version} {what}: {difference}");
                    }
                };
                for engine in Engine::ALL {
                    for workers in 1..=3 {
                        let run = |logic| replay(&topic, Arc::clone(&query), logic, engine, (0, start.clone()), &end, workers).unwrap();
                        let by = |how| format!("{how}, {engine} with {workers} workers");
                        agrees(by("SQL"), &rows_of(&query, &run(Logic::Sql)));

                        let parts = hand_written(name, version, engine, Kind::Parts).unwrap();
                        let merging = merging(name, version).unwrap();
                        let table = Table::new(Arc::clone(&query), 2).with_merging(merging).unwrap();
                        table.publish_realtime(Arc::new(run(Logic::Parts(parts.code, merging))));
                        agrees(by("parts"), &answered(&table));

                        let written = hand_written(name, version, engine, Kind::Finals).unwrap();
                        let finals = written.finals.unwrap();
                        let table = Table::new(Arc::clone(&query), 2).with_finals(finals).unwrap();
                        table.publish_realtime(Arc::new(run(Logic::Finals(written.code, finals))));
                        agrees(by("finals"), &answered(&table));
                    }
                }
            }
        }
    }
}

fn answered(table: &Table) -> Result<Vec<Vec<Value>>, EvalError> {
    values::rows(&table.answer(&Selection::default()).unwrap().rows)
}

/// Jobs by hand that follow the log, across barriers: each view that a table shows is exact for its position.
#[test]
fn by_hand_along_the_tail() {
    let schema = schema(DataType::Int64);
    for (engine, kind) in Engine::ALL.into_iter().flat_map(|e| [(e, Kind::Parts), (e, Kind::Finals)]) {
        for (i, (name, versions)) in QUERIES.into_iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let config = TopicConfig {
                partitions: 3,
                partition_by: PartitionBy::RoundRobin,
                time_column: Some("sched_dep".into()),
                durability: Durability::None,
                ..TopicConfig::new("flights", schema.clone())
            };
            let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
            let writer = topic.writer().unwrap();
            let query = Arc::new(parse(versions[1], "flights", topic.schema()).unwrap());
            let written = hand_written(name, 2, engine, kind).unwrap();
            let table = Table::new(Arc::clone(&query), 3);
            let (table, logic) = match written.finals {
                None => {
                    let merging = merging(name, 2).unwrap();
                    (table.with_merging(merging).unwrap(), Logic::Parts(written.code, merging))
                }
                Some(finals) => (table.with_finals(finals).unwrap(), Logic::Finals(written.code, finals)),
            };
            let table = Arc::new(table);
            let publish = {
                let table = Arc::clone(&table);
                Arc::new(move |view| table.publish_realtime(view))
            };
            let options = SpeedOptions { workers: 2, publish_interval: Duration::from_micros(200), ..SpeedOptions::default() };
            let job = start(&topic, Arc::clone(&query), logic, engine, (0, Position::zero(3)), options, publish).unwrap();
            let mut random = Random(i as u64);
            let mut reference = Reference::new((*query).clone());
            for step in 0..12 {
                let batch = flights(&mut random, &schema, 60);
                writer.append(&batch).unwrap();
                reference.push(&batch);
                if step % 4 == 3 {
                    writer.barrier().unwrap();
                }
                let end = topic.end().unwrap();
                while table.position().as_ref() != Some(&end) {
                    assert!(job.progress().failure.is_none(), "{:?}", job.progress().failure);
                    std::thread::sleep(Duration::from_micros(200));
                }
                if let Err(difference) = compare(&query, &reference.answer(), &answered(&table)) {
                    panic!("{name}, {kind:?} on {engine}, step {step}: {difference}");
                }
            }
            job.stop().unwrap();
        }
    }
}

#[test]
fn there_are_no_other_jobs() {
    for (engine, kind) in [(Engine::Timely, Kind::Parts), (Engine::Differential, Kind::Finals)] {
        assert!(hand_written("delays_by_origin_hour", 3, engine, kind).is_none());
        assert!(hand_written("delays", 1, engine, kind).is_none());
    }
    assert!(merging("totals_by_route", 3).is_none() && merging("totals", 1).is_none());
}
