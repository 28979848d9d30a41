//! Jobs whose sink is a topic of windows: each window that is final is there, once, whoever reads what first and however often the job dies; and what is kept is
//! what is open.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use common::{Events, Random, feed};
use twopath_base::clock::ManualClock;
use twopath_base::{PartitionId, Position};
use twopath_log::{Entry, Log, PartitionBy, Start, Topic, TopicConfig};
use twopath_query::{Plan, Value, values};
use twopath_speed::{FeedQuery, FeedReport, Firings, SpeedError, Until, run_feed};

const SECOND: i64 = 1_000_000;

/// By window: the select list and the keys; HAVING hides some of the groups.
fn sql(window: &str, emit: bool) -> String {
    let (partition, lengths) = match window {
        "TUMBLE" => ("", "INTERVAL '7' SECOND"),
        "HOP" => ("", "INTERVAL '3' SECOND, INTERVAL '10' SECOND"),
        "CUMULATE" => ("", "INTERVAL '5' SECOND, INTERVAL '20' SECOND"),
        "SESSION" => (" PARTITION BY key", "INTERVAL '0.3' SECOND"),
        other => panic!("{other}"),
    };
    format!(
        "SELECT key, window_start, window_end, COUNT(*) AS c, SUM(n) AS s, MEDIAN(d) AS m
         FROM {window}(TABLE WATERMARK(TABLE events, DESCRIPTOR(time), INTERVAL '2' SECOND){partition}, DESCRIPTOR(time), {lengths})
         {} GROUP BY key, window_start, window_end HAVING COUNT(*) <> 2{}",
        // A condition above sessions is one on their rows: not a grouping that a stream keeps.
        if window == "SESSION" { "" } else { "WHERE d <> 13" },
        if emit { " EMIT ON WINDOW CLOSE" } else { "" }
    )
}

const WINDOWS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

fn plan(events: &Events, sql: &str) -> Plan {
    twopath_query::logical_plan(sql, "events", events.topic.schema()).unwrap()
}

fn log(events: &Events) -> Log {
    Log::open(events.dir.path()).unwrap()
}

fn dir(events: &Events) -> PathBuf {
    events.dir.path().join("f.feed")
}

fn run_to(events: &Events, sql: &str, until: &Until, workers: usize) -> Result<FeedReport, SpeedError> {
    run_firing(events, sql, Firings::default(), until, workers)
}

fn run_firing(events: &Events, sql: &str, firings: Firings, until: &Until, workers: usize) -> Result<FeedReport, SpeedError> {
    let query = FeedQuery::closing(plan(events, sql).closing().unwrap().unwrap(), firings).unwrap();
    if !log(events).topics().unwrap().contains(&"out".to_owned()) {
        assert_eq!(query.key(), Some("key"));
        let config = TopicConfig::new("out", query.schema().clone());
        let config = TopicConfig { partitions: 3, partition_by: PartitionBy::Key("key".into()), segment_bytes: 16 << 10, ..config };
        log(events).create_topic(config).unwrap();
    }
    let every = firings.early.then_some(Duration::from_millis(10));
    run_feed(feed(events, query, every), until, workers, &AtomicBool::new(false))
}

/// Events over some seconds from a moment on, of which a few are late.
fn batch(events: &mut Events, from: i64, seconds: u64, rows: usize) -> RecordBatch {
    let random = &mut events.random;
    let time = |random: &mut Random| {
        let late = if random.below(10) == 0 { random.below(9) as i64 * SECOND } else { 0 };
        from + random.below(seconds * 1_000_000) as i64 - late
    };
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| time(random)));
    let keys = StringArray::from_iter((0..rows).map(|_| (random.below(8) != 0).then(|| format!("key {}", random.below(4)))));
    let n = Int64Array::from_iter((0..rows).map(|_| (random.below(5) != 0).then(|| random.below(1000) as i64 - 300)));
    let d = Int64Array::from_iter_values((0..rows).map(|_| 1 + random.below(20) as i64));
    let columns: Vec<ArrayRef> = vec![Arc::new(times.with_timezone("UTC")), Arc::new(keys), Arc::new(n), Arc::new(d)];
    RecordBatch::try_new(events.topic.schema().clone(), columns).unwrap()
}

/// To a partition of its own choice.
fn append(events: &Events, partition: usize, batch: &RecordBatch) {
    events.writer.append_to(PartitionId(partition as u32), batch, None).unwrap();
}

fn in_a_topic(value: Value) -> Value {
    if let Value::Numeric(sum) = value { Value::Int(sum.try_into().unwrap()) } else { value }
}

fn sorted(rows: Vec<Vec<Value>>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().map(|row| format!("{:?}", row.into_iter().map(in_a_topic).collect::<Vec<_>>())).collect();
    rows.sort_unstable();
    rows
}

/// What the reference says is final, of the log up to a position.
fn wanted(events: &Events, sql: &str, to: &Position) -> Vec<String> {
    sorted(events.answer_of(plan(events, sql), to))
}

fn found(events: &Events) -> Vec<String> {
    sorted(output_of(events))
}

/// The output's rows, those of each partition in their order.
fn output_of(events: &Events) -> Vec<Vec<Value>> {
    let output: Topic = log(events).topic("out").unwrap();
    let mut rows = Vec::new();
    for q in 0..output.partitions() as u32 {
        let mut reader = output.reader(PartitionId(q), Start::First, None).unwrap();
        while let Some(entry) = reader.next().unwrap() {
            if let Entry::Records(records) = entry {
                rows.extend(values::rows(&records.batch).unwrap());
            }
        }
    }
    rows
}

/// What a process that dies leaves behind: what was committed before it began, or some of what it committed.
struct Committed {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Committed {
    fn now(events: &Events) -> Committed {
        let positions = events.dir.path().join("events/groups/feed.f/positions");
        let files = [dir(events).join("closed.json"), positions];
        Committed { files: files.into_iter().map(|path| (path.clone(), fs::read(path).ok())).collect() }
    }

    /// The group's position, and of these files the first as well, as they were.
    fn restore(self, both: bool) {
        for (path, content) in self.files.into_iter().skip(usize::from(!both)) {
            match content {
                Some(content) => fs::write(path, content).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
    }
}

#[test]
fn windows_are_appended_once_when_they_are_final() {
    for seed in 0..24 {
        let window = WINDOWS[seed as usize % 4];
        let partitions = 1 + seed as usize / 4 % 4;
        let (emits, at_once) = (sql(window, true), sql(window, false));
        let mut events = Events::new(partitions as u32, 1000 + seed);
        let mut now = 1_357_000_000 * SECOND;
        let mut read = 0;
        for round in 0..10 {
            for number in 0..6 {
                // Each partition speaks before anything closes.
                let partition = if round == 0 && number < partitions { number } else { events.random.below(partitions as u64) as usize };
                let rows = 1 + events.random.below(30) as usize;
                let batch = batch(&mut events, now, 6, rows);
                append(&events, partition, &batch);
                now += events.random.below(6_000_000) as i64;
            }
            let (workers, before) = (1 + events.random.below(3) as usize, Committed::now(&events));
            let place = format!("seed {seed}, {window}, {partitions} partitions, round {round}");
            let report = run_to(&events, &emits, &Until::End, workers).unwrap_or_else(|e| panic!("{place}: {e}"));
            read += report.rows_read;
            match events.random.below(4) {
                0 => before.restore(true),
                1 => before.restore(false),
                _ => {}
            }
        }
        read += run_to(&events, &emits, &Until::End, 2).unwrap().rows_read;
        let again = run_to(&events, &emits, &Until::End, 1).unwrap();
        assert_eq!(found(&events), wanted(&events, &emits, &events.end()), "seed {seed}, {window}, {partitions} partitions");
        assert!(found(&events).len() > 20, "seed {seed}");
        // What is kept is what is open: fewer groups than windows that are there, and fewer records than the log has.
        let all = wanted(&events, &at_once, &events.end()).len() as u64;
        assert!(again.groups_open < all / 2, "seed {seed}: {} groups are open of {all}", again.groups_open);
        assert!(again.rows_read_again < events.end().records() / 2, "seed {seed}: {again:?}");
        assert!(read >= events.end().records(), "seed {seed}");
    }
}

/// Rows before the final ones: whoever takes the newest row of each window has, after each run, what the question answers; what is final is final, once, whatever died when.
#[test]
fn early_on_time_and_late_rows_come_before_the_final_ones() {
    let of_window = |row: &[Value]| format!("{:?}", &row[..3]);
    let (mut late, mut gone) = (0, 0);
    for seed in 0..27 {
        let window = WINDOWS[seed as usize % 3];
        let partitions = 1 + seed as usize / 3 % 3;
        let firings = [(true, None), (false, Some(SECOND / 2)), (true, Some(SECOND / 2))][seed as usize / 9];
        let firings = Firings { early: firings.0, on_time_us: firings.1 };
        let dies = seed % 2 == 1;
        let (emits, at_once) = (sql(window, true), sql(window, false));
        let mut events = Events::new(partitions as u32, 2000 + seed);
        let (mut now, mut newest) = (1_357_000_000 * SECOND, vec![i64::MIN; partitions]);
        let mut kinds = BTreeMap::<String, usize>::new();
        for round in 0..16 {
            let place = format!("seed {seed}, {window}, {partitions} partitions, {firings:?}, round {round}");
            for number in 0..3 {
                let partition = if round == 0 && number < partitions { number } else { events.random.below(partitions as u64) as usize };
                let rows = 1 + events.random.below(30) as usize;
                let batch = batch(&mut events, now, 2, rows);
                let times = batch.column(0).as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
                newest[partition] = newest[partition].max(*times.values().iter().max().unwrap());
                append(&events, partition, &batch);
                now += events.random.below(1_000_000) as i64;
            }
            let (workers, before) = (1 + events.random.below(3) as usize, Committed::now(&events));
            let report = run_firing(&events, &emits, firings, &Until::End, workers).unwrap_or_else(|e| panic!("{place}: {e}"));
            assert!(report.rows_not_final <= report.rows_appended, "{place}: {report:?}");

            let (mut last, mut finals) = (BTreeMap::new(), Vec::new());
            kinds.clear();
            for mut row in output_of(&events) {
                let Some(Value::Text(firing)) = row.pop() else { panic!("{place}: a row that does not say what it is") };
                *kinds.entry(firing.to_string()).or_default() += 1;
                let window = of_window(&row);
                match (&*firing, last.get(&window)) {
                    (_, Some((before, _))) if before == "final" => panic!("{place}: {firing} behind the final row of {window}"),
                    ("early", Some((before, _))) => assert_eq!(before, "early", "{place}: {window}"),
                    ("on time", Some((before, _))) if !dies => assert_eq!(before, "early", "{place}: {window}"),
                    ("early", None) => assert!(firings.early, "{place}"),
                    _ => {}
                }
                // COUNT is NULL in a row that says that HAVING lets its group through no more.
                if &*firing == "final" && row[3] != Value::Null {
                    finals.push(row.clone());
                }
                last.insert(window, (firing.to_string(), row));
            }
            assert_eq!(sorted(finals), wanted(&events, &emits, &events.end()), "{place}");
            let passed = newest.iter().min().unwrap() - firings.on_time_us.unwrap_or(0);
            let mut shown = 0;
            for row in events.answer_of(plan(&events, &at_once), &events.end()) {
                let row: Vec<Value> = row.into_iter().map(in_a_topic).collect();
                let Value::Timestamp(end) = row[2] else { panic!("{place}: a window without an end") };
                if firings.early || end <= passed {
                    assert_eq!(last.get(&of_window(&row)).map(|(_, row)| row), Some(&row), "{place}");
                    shown += 1;
                }
            }
            let hidden = last.values().filter(|(_, row)| row[3] == Value::Null).count();
            gone += hidden;
            assert_eq!(last.len() - hidden, shown, "{place}: a row shows that the question does not have");
            assert!(shown > 0 || round < 8, "{place}");
            // Nothing has come since.
            let again = run_firing(&events, &emits, firings, &Until::End, 1).unwrap();
            assert_eq!((again.rows_read, again.rows_appended), (0, 0), "{place}");
            if dies {
                before.restore(events.random.below(2) == 0);
            }
        }
        let has = |kind: &str| kinds.contains_key(kind);
        assert!(has("final") && has("early") == firings.early, "seed {seed}: {kinds:?}");
        assert!(firings.on_time_us.is_none() || has("on time"), "seed {seed}: {kinds:?}");
        late += kinds.get("late").unwrap_or(&0);
    }
    assert!(late > 20 && gone > 20, "{late} late, {gone} gone");
}

#[test]
fn what_cannot_fire_is_refused() {
    let events = Events::new(1, 1);
    let refused = |sql: &str, firings: Firings| {
        let closing = plan(&events, sql).closing().unwrap().unwrap();
        FeedQuery::closing(closing, firings).unwrap_err().to_string()
    };
    let early = Firings { early: true, on_time_us: None };
    assert!(refused(&sql("SESSION", true), early).contains("bounds change"));
    assert!(refused(&sql("TUMBLE", true).replace("AS c", "AS firing"), early).contains("call firing something else"));
    let keyless = sql("TUMBLE", true).replace("SELECT key, window_start, window_end,", "SELECT key,");
    assert!(refused(&keyless, early).contains("which group HAVING hides"), "{}", refused(&keyless, early));
    let keys_alone = sql("TUMBLE", true).replace(", COUNT(*) AS c, SUM(n) AS s, MEDIAN(d) AS m", "");
    assert!(refused(&keys_alone, early).contains("add another column"), "{}", refused(&keys_alone, early));
    let late = Firings { early: false, on_time_us: Some(2 * SECOND) };
    assert!(refused(&sql("HOP", true), late).contains("00:00:02 after their ends"), "{}", refused(&sql("HOP", true), late));
}

/// Retention needs no more than what is open: the group says from where on.
#[test]
fn what_is_closed_may_go_from_the_input() {
    let mut events = Events::new(2, 5);
    let emits = sql("TUMBLE", true);
    let mut now = 1_357_000_000 * SECOND;
    for _ in 0..60 {
        for partition in 0..2 {
            let batch = batch(&mut events, now, 3, 40);
            append(&events, partition, &batch);
        }
        now += 3 * SECOND;
    }
    run_to(&events, &emits, &Until::End, 1).unwrap();
    let group = events.topic.local().unwrap().group("feed.f").unwrap();
    let (done, end) = (group.committed().unwrap(), events.end());
    assert!(done.iter().all(|(p, done)| done.0 > end.get(p).0 * 3 / 4 && done < end.get(p)), "{done} of {end}");
    let before = wanted(&events, &emits, &end);
    assert_eq!(found(&events), before);
    // A start reads that and nothing before it.
    let report = run_to(&events, &emits, &Until::End, 2).unwrap();
    assert_eq!((report.rows_read, report.rows_appended, report.rows_read_again), (0, 0, end.records_since(&done)));
}

#[test]
fn a_partition_that_has_not_spoken_does_not_hold_the_others_up() {
    let mut events = Events::new(2, 6);
    let emits = sql("TUMBLE", true);
    let now = 1_357_000_000 * SECOND;
    for second in 0..40 {
        let batch = batch(&mut events, now + second * SECOND, 1, 10);
        append(&events, 0, &batch);
    }
    run_to(&events, &emits, &Until::End, 1).unwrap();
    let closed = found(&events);
    assert_eq!(closed, wanted(&events, &emits, &events.end()));
    assert!(closed.len() > 10);
    // What it says of windows that are closed is left out; what it says of others counts.
    for second in 0..60 {
        for partition in 0..2 {
            let batch = batch(&mut events, now + second * SECOND, 1, 10);
            append(&events, partition, &batch);
        }
    }
    run_to(&events, &emits, &Until::End, 1).unwrap();
    let all = found(&events);
    assert!(all.len() > closed.len() && closed.iter().all(|row| all.contains(row)), "what was appended stays as it was");
}

/// A window of three events raises an error.
const FRAGILE: &str = "SELECT window_start, 100 / (COUNT(*) - 3) AS q
    FROM TUMBLE(TABLE WATERMARK(TABLE events, DESCRIPTOR(time), INTERVAL '0' SECOND), DESCRIPTOR(time), INTERVAL '1' SECOND)
    GROUP BY window_start EMIT ON WINDOW CLOSE";

fn make_output_of_fragile(events: &Events) {
    let query = FeedQuery::closing(plan(events, FRAGILE).closing().unwrap().unwrap(), Firings::default()).unwrap();
    log(events).create_topic(TopicConfig::new("out", query.schema().clone())).unwrap();
}

/// Appends so many events of this second.
fn append_at(events: &mut Events, second: i64, rows: usize) {
    let batch = batch(events, 0, 1, rows);
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(TimestampMicrosecondArray::from(vec![second * SECOND; rows]).with_timezone("UTC"));
    append(events, 0, &RecordBatch::try_new(batch.schema(), columns).unwrap());
}

#[test]
fn an_error_of_a_window_stops_the_feed_behind_what_was_final_before() {
    let mut events = Events::new(1, 7);
    make_output_of_fragile(&events);
    for (second, rows) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
        append_at(&mut events, 20 + second, rows);
        let result = run_to(&events, FRAGILE, &Until::End, 1);
        match second {
            3 => assert!(result.unwrap_err().to_string().contains("division by zero"), "the window of three is final"),
            _ => assert_eq!(result.unwrap().rows_appended, u64::from(second > 0)),
        }
    }
    assert_eq!(found(&events).len(), 2);
}

/// As above, where one step would close all of them.
#[test]
fn windows_before_the_one_that_raises_an_error_are_appended() {
    let mut events = Events::new(1, 8);
    make_output_of_fragile(&events);
    for (second, rows) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 1)] {
        append_at(&mut events, 20 + second, rows);
    }
    for _ in 0..2 {
        let error = run_to(&events, FRAGILE, &Until::End, 1).unwrap_err().to_string();
        assert!(error.contains("stops behind 1970-01-01 00:00:22"), "{error}");
        assert_eq!(found(&events).len(), 2, "once, whoever tries again");
    }
}

/// A partition that falls silent holds windows up, unless the query says after how long, by the log's clock, it is idle. The question says the same of each position.
#[test]
fn an_idle_partition_does_not_hold_windows_up() {
    let on_time = |idle: &str| format!("TABLE WATERMARK(TABLE events, DESCRIPTOR(time), INTERVAL '5' SECOND{idle}), DESCRIPTOR(time)");
    let sql = |idle: &str| {
        format!(
            "SELECT key, window_start, COUNT(*) AS c, SUM(n) AS s FROM TUMBLE({}, INTERVAL '10' SECOND) GROUP BY key, window_start EMIT ON WINDOW CLOSE",
            on_time(idle)
        )
    };
    let (always, idle) = (sql(""), sql(", IDLE(INTERVAL '60' SECOND)"));
    for workers in [1, 3] {
        let clock = ManualClock::at(1_000_000_000);
        let mut events = Events::with_clock(3, 5, Arc::new(clock.clone()));
        let speaks = |events: &mut Events, partition: usize, second: i64, arrives: i64| {
            clock.set(1_000_000_000 + arrives * SECOND);
            let batch = batch(events, second * SECOND, 5, 20);
            append(events, partition, &batch);
        };
        for partition in 0..3 {
            speaks(&mut events, partition, 0, 0);
        }
        // One is silent from here on; the others are not for longer than a minute.
        let mut closed = 0;
        for step in 1..20 {
            speaks(&mut events, 0, step * 10, step * 10);
            speaks(&mut events, 1, step * 10, step * 10);
            let report = run_to(&events, &idle, &Until::End, workers).unwrap();
            assert_eq!(report.spoke_late, None, "step {step}");
            let to = events.end();
            assert_eq!(found(&events), wanted(&events, &idle, &to), "step {step}");
            let held_up = wanted(&events, &always, &to).len();
            assert!(if step <= 6 { found(&events).len() == held_up } else { found(&events).len() > held_up }, "step {step}");
            closed = closed.max(found(&events).len());
        }
        assert!(closed > 40, "{closed}");
        // It speaks again, of windows that are closed, and of one that is open: the one is left out, the other waits for it.
        let before = found(&events);
        speaks(&mut events, 2, 100, 200);
        speaks(&mut events, 2, 190, 200);
        let report = run_to(&events, &idle, &Until::End, workers).unwrap();
        assert_eq!(found(&events), before);
        assert_eq!(report.spoke_late.map(|spoke| (spoke.partition, spoke.from.0)), Some((PartitionId(2), 20)));
        for partition in 0..3 {
            speaks(&mut events, partition, 400, 210);
        }
        run_to(&events, &idle, &Until::End, workers).unwrap();
        let now = wanted(&events, &idle, &events.end());
        let of = |rows: &[String], second: i64| {
            let moment = format!("{:?}", Value::Timestamp(second * SECOND));
            rows.iter().filter(|row| row.contains(&moment)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(&found(&events), 190), of(&now, 190), "the window that was open has all of them");
        assert_eq!(of(&found(&events), 100), of(&before, 100), "and the closed one is as it was");
        assert_ne!(of(&found(&events), 100), of(&now, 100));
    }
}
