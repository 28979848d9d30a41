//! The windowed count and sum against a hand-written loop over the same columns in memory: how fast, and whether they agree.
//!
//! `cargo test --release -p twopath-shared --lib hot_path -- --ignored --nocapture --test-threads 1`

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::query;
use crate::{Fold, GroupTable, Selection, answer};
use twopath_query::values::rows;
use twopath_query::{DataType, Value};

const COLUMNS: [(&str, DataType); 3] = [("ts", DataType::Timestamp), ("url", DataType::Int), ("duration", DataType::Int)];
const SQL: &str = "SELECT window_start, url, COUNT(*) AS n, SUM(duration) AS total
    FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, url";
const MINUTE_US: i64 = 60_000_000;

struct Events {
    times: Vec<i64>,
    urls: Vec<i64>,
    durations: Vec<i64>,
}

/// Page views of `minutes` minutes over `urls` urls, nearly in time order: some seconds late at most. The same every time.
fn events(rows: usize, minutes: i64, urls: u64) -> Events {
    let mut state = 0x1234_5678_9abc_def0u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let start = 1_700_000_000_000_000i64;
    let span = minutes * MINUTE_US;
    let mut e = Events { times: Vec::new(), urls: Vec::new(), durations: Vec::new() };
    for row in 0..rows {
        let at = start + (row as i128 * i128::from(span) / rows as i128) as i64;
        e.times.push(at - (random() % 3_000_000) as i64);
        // The product of two uniform draws favours small numbers, as pages' popularity does.
        let (a, b) = (random() >> 32, random() >> 32);
        e.urls.push(((((a * b) >> 32) * urls) >> 32) as i64);
        e.durations.push((random() % 10_000) as i64);
    }
    e
}

fn baseline(e: &Events) -> HashMap<(i64, i64), (i64, i64), FixedState> {
    let mut groups: HashMap<(i64, i64), (i64, i64), FixedState> = HashMap::default();
    for ((&time, &url), &duration) in e.times.iter().zip(&e.urls).zip(&e.durations) {
        let group = groups.entry((time - time.rem_euclid(MINUTE_US), url)).or_default();
        group.0 += 1;
        group.1 += duration;
    }
    groups
}

fn batches(e: &Events, rows: usize) -> Vec<RecordBatch> {
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(e.times.clone()).with_timezone("UTC"));
    let urls: ArrayRef = Arc::new(Int64Array::from(e.urls.clone()));
    let durations: ArrayRef = Arc::new(Int64Array::from(e.durations.clone()));
    let names = ["ts", "url", "duration"];
    let columns = [times, urls, durations];
    let fields: Vec<Field> = names.iter().zip(&columns).map(|(n, c)| Field::new(*n, c.data_type().clone(), false)).collect();
    let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec()).unwrap();
    (0..all.num_rows()).step_by(rows).map(|from| all.slice(from, rows.min(all.num_rows() - from))).collect()
}

fn run(count: usize, minutes: i64, urls: u64, repeats: usize) {
    let events = events(count, minutes, urls);
    let query = query(SQL, &COLUMNS);
    let fold = Fold::new(&query);
    let batches = batches(&events, 65_536);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let started = Instant::now();
        let expected = baseline(&events);
        theirs.push(started.elapsed());

        let started = Instant::now();
        let mut table = GroupTable::new(&query);
        for batch in &batches {
            fold.update(&mut table, batch).unwrap();
        }
        ours.push(started.elapsed());

        assert_eq!(table.len(), expected.len());
        for row in rows(&answer(&query, &[&table], &Selection::default()).unwrap()).unwrap() {
            let [Value::Timestamp(start), Value::Int(url), Value::Int(count), Value::Numeric(total)] = row[..] else { panic!("{row:?}") };
            assert_eq!(expected[&(start, url)], (count, total as i64));
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let rate = |s: f64| count as f64 / s / 1e6;
    println!(
        "{count} rows, {} groups: view {:.1} M rows/s, loop {:.1} M rows/s, ratio {:.2}",
        baseline(&events).len(),
        rate(ours),
        rate(theirs),
        theirs / ours
    );
}

#[test]
fn agrees_with_a_loop() {
    run(100_000, 7, 1_000, 1);
}

#[test]
#[ignore = "a measurement"]
fn hot_path() {
    run(20_000_000, 50, 12_000, 3);
    run(20_000_000, 5, 120_000, 3);
    run(20_000_000, 5_000, 100, 3);
}

/// What the serving and the batch layer do with tables of this size.
#[test]
#[ignore = "a measurement"]
fn tables() {
    let query = query(SQL, &COLUMNS);
    let fold = Fold::new(&query);
    let all = batches(&events(4_000_000, 50, 12_000), 65_536);
    let table = |batches: &[RecordBatch]| {
        let mut table = GroupTable::new(&query);
        batches.iter().for_each(|b| assert!(fold.update(&mut table, b).is_ok()));
        table
    };
    let (left, right) = (table(&all[..30]), table(&all[20..]));
    let timed = |what: &str, groups: usize, f: &mut dyn FnMut()| {
        let best = (0..5).map(|_| {
            let started = Instant::now();
            f();
            started.elapsed()
        });
        let best = best.min().unwrap().as_secs_f64();
        println!("{what}: {:.3} ms, {:.1} ns a group", best * 1e3, best * 1e9 / groups as f64);
    };
    println!("{} and {} groups, {} bytes", left.len(), right.len(), left.bytes() + right.bytes());
    let mut merged = left.clone();
    timed("merge into a copy", right.len(), &mut || {
        merged = left.clone();
        merged.merge(&right);
    });
    timed("merge again", right.len(), &mut || merged.merge(&right));
    timed("split in two", left.len(), &mut || assert_eq!(left.clone().split(2).len(), 2));
    let mut stored = left.to_batch();
    timed("to_batch", left.len(), &mut || stored = left.to_batch());
    timed("from_batch", left.len(), &mut || assert_eq!(GroupTable::from_batch(&query, &stored).unwrap().len(), left.len()));
    // Keys that are in both.
    let both = (0..right.len()).map(|group| right.key(group)).filter(|key| left.find(key).is_some());
    let keys: Vec<Vec<Value>> = both.step_by(7).take(10_000).collect();
    let read = |parts: &[&GroupTable]| {
        for key in &keys {
            let ask = Selection { key: Some(key.clone()), ..Selection::default() };
            assert!(answer(&query, parts, &ask).unwrap().num_rows() <= 1);
        }
    };
    timed("read by key, one part", keys.len(), &mut || read(&[&right]));
    timed("read by key, two parts", keys.len(), &mut || read(&[&left, &right]));
    timed("answer of one part", left.len(), &mut || {
        assert_eq!(answer(&query, &[&left], &Selection::default()).unwrap().num_rows(), left.len())
    });
    let top = super::query(&format!("{SQL} ORDER BY n DESC LIMIT 10"), &COLUMNS);
    timed("top ten of two parts", merged.len(), &mut || {
        assert_eq!(answer(&top, &[&left, &right], &Selection::default()).unwrap().num_rows(), 10);
    });
}

/// Exact sums of floats against a loop that adds with rounding: quarters stay single floats, cents become pairs.
#[test]
#[ignore = "a measurement"]
fn float_sums() {
    let columns = [("k", DataType::Int), ("v", DataType::Float)];
    let query = query("SELECT k, SUM(v) AS s FROM t GROUP BY k", &columns);
    let fold = Fold::new(&query);
    let events = events(10_000_000, 50, 120_000);
    for (what, unit) in [("quarters", 4.0), ("cents", 100.0)] {
        let values: Vec<f64> = events.durations.iter().map(|&d| d as f64 / unit).collect();
        let keys: ArrayRef = Arc::new(Int64Array::from(events.urls.clone()));
        let floats: ArrayRef = Arc::new(arrow_array::Float64Array::from(values.clone()));
        let all = RecordBatch::try_from_iter([("k", keys), ("v", floats)]).unwrap();
        let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            let started = Instant::now();
            let mut groups: HashMap<i64, f64, FixedState> = HashMap::default();
            events.urls.iter().zip(&values).for_each(|(&k, v)| *groups.entry(k).or_default() += v);
            theirs = theirs.min(started.elapsed());
            let started = Instant::now();
            let mut table = GroupTable::new(&query);
            for from in (0..all.num_rows()).step_by(65_536) {
                fold.update(&mut table, &all.slice(from, 65_536.min(all.num_rows() - from))).unwrap();
            }
            ours = ours.min(started.elapsed());
            assert_eq!(table.len(), groups.len());
        }
        let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
        println!("{what}: view {:.1} M rows/s, loop {:.1} M rows/s, ratio {:.2}", 10.0 / ours, 10.0 / theirs, theirs / ours);
    }
}
