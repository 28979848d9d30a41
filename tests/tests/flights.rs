//! The built-in queries over real flights: by hand for each engine, as SQL on each engine, and by the reference interpreter.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use twopath_base::Position;
use twopath_batch::{Engine, HandWritten, Logic};
use twopath_events::workloads::{Workload, departures, flights};
use twopath_jobs::Kind;
use twopath_log::{Durability, Entry, Log, Start, Topic};
use twopath_query::{Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_serving::jobs;
use twopath_view::{GroupTable, Selection, answer};

/// Enough for flights that leave after midnight, in the night and not at all.
const FLIGHTS: usize = 40_000;

fn topic(dir: &std::path::Path) -> Topic {
    let workload = flights();
    let topic = Log::open(dir).unwrap().create_topic(workload.topic_config(2, Durability::None)).unwrap();
    let writer = topic.writer().unwrap();
    for from in (0..FLIGHTS).step_by(700) {
        writer.append(&workload.batch(from as u64, 700.min(FLIGHTS - from))).unwrap();
    }
    writer.close().unwrap();
    topic
}

fn by_reference(topic: &Topic, query: &Query) -> Vec<Vec<Value>> {
    let mut reference = Reference::new(query.clone());
    for (partition, to) in topic.end().unwrap().iter() {
        let mut reader = topic.reader(partition, Start::First, Some(&query.whole_rows())).unwrap();
        while reader.offset() < to {
            if let Some(Entry::Records(records)) = reader.next().unwrap() {
                reference.push(&records.batch);
            }
        }
    }
    reference.answer().unwrap()
}

fn by_batch(topic: &Topic, query: &Query, engine: Engine) -> Vec<Vec<Value>> {
    let table = twopath_batch::compute(topic, query, &Logic::Sql, engine, &topic.end().unwrap()).unwrap();
    values::rows(&answer(query, &[&table], &Selection::default()).unwrap()).unwrap()
}

fn by_hand_for_polars(topic: &Topic, query: &Query, hand: HandWritten) -> Vec<Vec<Value>> {
    let merging = twopath_serving::jobs::flights::merging(hand.name, hand.version).unwrap();
    let table = twopath_batch::compute(topic, query, &Logic::Hand(hand, merging), Engine::Polars, &topic.end().unwrap()).unwrap();
    let merged = answer(&merging.parts_query(query).unwrap(), &[&table], &Selection::default()).unwrap();
    values::rows(&merging.finished(query, &merged).unwrap()).unwrap()
}

fn by_speed(topic: &Topic, query: &Query, engine: twopath_speed::Engine) -> Vec<Vec<Value>> {
    let (from, logic) = ((0, Position::zero(topic.partitions())), twopath_speed::Logic::Sql);
    let view = twopath_speed::replay(topic, Arc::new(query.clone()), logic, engine, from, &topic.end().unwrap(), 2).unwrap();
    assert_eq!(view.error, None);
    let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(Arc::as_ref).collect();
    values::rows(&answer(query, &tables, &Selection::default()).unwrap()).unwrap()
}

/// Final values, as a table shows them.
fn by_hand_speed(topic: &Topic, query: &Query, (name, version): (&str, u32), engine: twopath_speed::Engine) -> Vec<Vec<Value>> {
    use twopath_jobs::flights::hand_written;
    let written = hand_written(name, version, engine, Kind::Finals).unwrap();
    let finals = written.finals.unwrap();
    let (query, from) = (Arc::new(query.clone()), (0, Position::zero(topic.partitions())));
    let logic = twopath_speed::Logic::Finals(written.code, finals);
    let view = twopath_speed::replay(topic, query.clone(), logic, engine, from, &topic.end().unwrap(), 2).unwrap();
    let table = twopath_serving::Table::new(query, topic.partitions()).with_finals(finals).unwrap();
    table.publish_realtime(Arc::new(view));
    values::rows(&table.answer(&Selection::default()).unwrap().rows).unwrap()
}

#[test]
fn by_hand_as_sql_and_by_reference_they_agree() {
    use twopath_speed::Engine::{Differential, Timely};
    let dir = tempfile::tempdir().unwrap();
    let topic = topic(dir.path());
    for query in &flights().queries {
        for version in [1, 2] {
            let (name, sql) = (&query.name, query.sql(version));
            let parsed = parse(sql, "flights", topic.schema()).unwrap();
            let expected = by_reference(&topic, &parsed);
            assert!(expected.len() > 30, "{name}: {} rows", expected.len());
            let batch = twopath_batch::jobs::flights::hand_written(name, version).unwrap();
            let given = [
                ("batch by hand", by_hand_for_polars(&topic, &parsed, batch)),
                ("polars by SQL", by_batch(&topic, &parsed, Engine::Polars)),
                ("rayon by SQL", by_batch(&topic, &parsed, Engine::Rayon)),
                ("timely by hand", by_hand_speed(&topic, &parsed, (name, version), Timely)),
                ("differential by hand", by_hand_speed(&topic, &parsed, (name, version), Differential)),
                ("timely by SQL", by_speed(&topic, &parsed, Timely)),
                ("differential by SQL", by_speed(&topic, &parsed, Differential)),
            ];
            for (engine, rows) in given {
                compare(&parsed, &Ok(expected.clone()), &Ok(rows)).unwrap_or_else(|d| panic!("{name} v{version}, {engine}: {d}"));
            }
        }
    }
}

/// The first departures, with the tables that come late, and where the log ended after each 5,000 of them.
fn departed(dir: &std::path::Path) -> (Workload, Topic, Vec<Position>) {
    let workload = departures(1);
    let topic = Log::open(dir).unwrap().create_topic(workload.topic_config(2, Durability::None)).unwrap();
    let writer = topic.writer().unwrap();
    let mut horizons = Vec::new();
    for from in (0..30_000).step_by(5_000) {
        writer.append(&workload.batch(from, 5_000)).unwrap();
        horizons.push(topic.end().unwrap());
    }
    writer.close().unwrap();
    (workload, topic, horizons)
}

/// What Lambda by hand answers at the log's end: its batch layer has read up to the horizon, its speed layer from there on.
fn by_both_layers(
    topic: &Topic,
    parsed: &Arc<Query>,
    of: (&str, u32),
    engine: twopath_speed::Engine,
    horizon: &Position,
) -> Vec<Vec<Value>> {
    let (merging, polars) = (jobs::merging("departures", of).unwrap(), twopath_batch::jobs::hand_written("departures", of).unwrap());
    let parts_query = merging.parts_query(parsed).unwrap();
    let batch = twopath_batch::compute(topic, parsed, &Logic::Hand(polars, merging), Engine::Polars, horizon).unwrap();
    let written = twopath_jobs::hand_written("departures", of, engine, Kind::Parts).unwrap();
    let (logic, from) = (twopath_speed::Logic::Parts(written.code, merging), (0, horizon.clone()));
    let view = twopath_speed::replay(topic, parsed.clone(), logic, engine, from, &topic.end().unwrap(), 2).unwrap();
    let mut parts: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(Arc::as_ref).collect();
    parts.push(&batch);
    let merged = answer(&parts_query, &parts, &Selection::default()).unwrap();
    values::rows(&merging.finished(parsed, &merged).unwrap()).unwrap()
}

const STREAM_ENGINES: [twopath_speed::Engine; 2] = [twopath_speed::Engine::Timely, twopath_speed::Engine::Differential];

/// Lambda's joins by hand: both layers give parts of their own part of the log, and what flights of one are joined with may become known in the other. Of flights that are paired the batch layer
/// gives pairs, and its last flights beside them.
#[test]
fn a_join_by_hand_is_made_of_what_both_layers_give() {
    let dir = tempfile::tempdir().unwrap();
    let (workload, topic, horizons) = departed(dir.path());
    for (name, rows) in [("by_age", 30), ("by_last_wind", 5), ("carry_over", 8)] {
        let query = workload.query(Some(name)).unwrap();
        for version in [1, 2] {
            let parsed = Arc::new(parse(query.sql(version), "departures", topic.schema()).unwrap());
            let expected = by_reference(&topic, &parsed);
            assert!(expected.len() > rows, "{name}: {} rows", expected.len());
            for (horizon, engine) in horizons.iter().flat_map(|horizon| STREAM_ENGINES.map(|engine| (horizon, engine))) {
                let rows = by_both_layers(&topic, &parsed, (name, version), engine, horizon);
                compare(&parsed, &Ok(expected.clone()), &Ok(rows))
                    .unwrap_or_else(|d| panic!("{name} version {version}, {engine}, from {horizon}: {d}"));
            }
        }
    }
}

/// A join that the batch layer makes: what becomes known of an aircraft after the horizon moves the flights that came after it, and none of before. That, and nothing else, is
/// what answers lack; once the batch layer has read everything they lack nothing.
#[test]
fn a_join_by_the_batch_layer_lacks_what_is_known_later_of_earlier_flights() {
    let dir = tempfile::tempdir().unwrap();
    let (workload, topic, horizons) = departed(dir.path());
    let query = workload.query(Some("by_maker")).unwrap();
    // Departures and the sum of their delays by maker, of answers whose events have none in common.
    let sums = |answers: &[Vec<Vec<Value>>]| {
        let mut sums: BTreeMap<String, (i128, f64)> = BTreeMap::new();
        for row in answers.iter().flatten() {
            let [maker, Value::Numeric(departures), Value::Float(delay)] = &row[..] else { panic!("{row:?}") };
            let of = sums.entry(format!("{maker:?}")).or_default();
            *of = (of.0 + departures, of.1 + (delay * *departures as f64).round());
        }
        sums
    };
    for version in [1, 2] {
        let parsed = Arc::new(parse(query.sql(version), "departures", topic.schema()).unwrap());
        let expected = by_reference(&topic, &parsed);
        assert!(expected.len() > 10, "{} makers", expected.len());
        for horizon in &horizons {
            // Of the flights after the horizon all aircraft are known that are known at the end.
            let (mut before, mut after) = (Reference::new((*parsed).clone()), Reference::new((*parsed).clone()));
            for (partition, to) in topic.end().unwrap().iter() {
                let mut reader = topic.reader(partition, Start::First, Some(&parsed.whole_rows())).unwrap();
                while reader.offset() < to {
                    let Some(Entry::Records(records)) = reader.next().unwrap() else { continue };
                    if records.base < horizon.get(partition) {
                        before.push(&records.batch);
                        after.push(&planes(&records.batch));
                    } else {
                        after.push(&records.batch);
                    }
                }
            }
            let lacking = sums(&[before.answer().unwrap(), after.answer().unwrap()]);
            let is_last = horizon == horizons.last().unwrap();
            assert_eq!(lacking == sums(std::slice::from_ref(&expected)), is_last, "from {horizon}: aircraft become known late");
            for engine in STREAM_ENGINES {
                let rows = by_both_layers(&topic, &parsed, ("by_maker", version), engine, horizon);
                assert_eq!(sums(std::slice::from_ref(&rows)), lacking, "version {version}, {engine}, from {horizon}");
                if is_last {
                    compare(&parsed, &Ok(expected.clone()), &Ok(rows)).unwrap_or_else(|d| panic!("version {version}, {engine}: {d}"));
                }
            }
        }
    }
}

/// The aircraft among events.
fn planes(events: &RecordBatch) -> RecordBatch {
    let types = events.column_by_name("event_type").unwrap().as_string::<i32>();
    filter_record_batch(events, &BooleanArray::from_unary(types, |t| t == "plane")).unwrap()
}

/// A test that cannot tell the versions apart would show nothing.
#[test]
fn the_fix_changes_the_delays() {
    let dir = tempfile::tempdir().unwrap();
    let topic = topic(dir.path());
    let workload = flights();
    let query = workload.queries.iter().find(|q| q.name == "delays_by_origin_hour").unwrap();
    let parsed = parse(query.sql(2), "flights", topic.schema()).unwrap();
    let [v1, v2] = [1, 2].map(|version| {
        let logic = twopath_batch::jobs::flights::hand_written(&query.name, version).unwrap();
        by_hand_for_polars(&topic, &parsed, logic)
    });
    assert_eq!(v1.len(), v2.len());
    assert_ne!(v1, v2);
}

#[test]
fn what_nobody_wrote_is_not_there() {
    use twopath_batch::jobs::flights as batch;
    use twopath_jobs::flights as speed;
    assert!(batch::hand_written("delays_by_origin_hour", 3).is_none() && batch::hand_written("delays", 1).is_none());
    let speed = |name, version| speed::hand_written(name, version, twopath_speed::Engine::Timely, Kind::Parts);
    assert!(speed("delays_by_origin_hour", 3).is_none() && speed("delays", 1).is_none());
}
