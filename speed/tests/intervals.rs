//! Feeds of interval joins: each pair is put out once, as the query has it, rows of outer joins until they have found another, and what no event that is still to come can be paired with is kept no longer.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use common::{Events, Random, feed};
use twopath_base::PartitionId;
use twopath_log::{Entry, Log, PartitionBy, Start, Topic, TopicConfig, TopicWriter};
use twopath_query::{Plan, Query, TopicSchema, Value, values};
use twopath_reference::PlanReference;
use twopath_speed::{Backend, Checkpoints, Feed, FeedKind, FeedQuery, FeedReport, Until, run_feed};

const SECOND: i64 = 1_000_000;

/// With X and Y in the place of what is on time of events and of others.
const QUERIES: [&str; 7] = [
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.key, y.d FROM X x JOIN Y y
     ON x.key = y.key AND y.time BETWEEN x.time AND x.time + INTERVAL '5' SECOND",
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, y.time FROM X x JOIN Y y
     ON x.key = y.key AND x.time < y.time + INTERVAL '4' SECOND AND x.time >= y.time - INTERVAL '2' SECOND WHERE x.d > 3 AND y.n IS NOT NULL",
    // With itself.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d FROM X x JOIN X y
     ON x.key = y.key AND y.time > x.time AND y.time <= x.time + INTERVAL '3' SECOND",
    // Of one side there is no telling when.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d FROM X x JOIN Y y ON x.key = y.key AND y.d = x.d AND y.time >= x.time",
    // At the same moment, and by nothing else.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d FROM X x JOIN Y y ON y.time = x.time",
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.key || '!' AS said FROM X x, Y y
     WHERE x.key = y.key AND y.time BETWEEN x.time - INTERVAL '1' SECOND AND x.time + INTERVAL '1' SECOND AND x.n < y.n",
    // In one window.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.window_start, y.d FROM TUMBLE(TABLE X , DESCRIPTOR(time), INTERVAL '4' SECOND) x
     JOIN TUMBLE(TABLE Y , DESCRIPTOR(time), INTERVAL '4' SECOND) y ON x.window_start = y.window_start AND x.key = y.key",
];

/// Whose rows are there without another, too: a row that finds one later goes.
const OUTER: [&str; 8] = [
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.key, y.d FROM X x LEFT JOIN Y y
     ON x.key = y.key AND y.time BETWEEN x.time AND x.time + INTERVAL '5' SECOND",
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.key, y.d FROM X x RIGHT JOIN Y y
     ON x.key = y.key AND y.time BETWEEN x.time - INTERVAL '4' SECOND AND x.time + INTERVAL '1' SECOND WHERE y.d > 2",
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d AS d, y.d AS e FROM X x FULL JOIN Y y
     ON x.key = y.key AND y.time BETWEEN x.time - INTERVAL '2' SECOND AND x.time + INTERVAL '3' SECOND",
    // With itself, and by more than the times and a key.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d FROM X x LEFT JOIN X y
     ON x.key = y.key AND x.n < y.n AND y.time > x.time AND y.time <= x.time + INTERVAL '3' SECOND",
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d AS d, y.d AS e FROM X x FULL JOIN X y
     ON x.key = y.key AND y.time = x.time + INTERVAL '2' SECOND",
    // In one window, of which the time of a row is no column.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.window_start, y.d FROM TUMBLE(TABLE X , DESCRIPTOR(time), INTERVAL '4' SECOND) x
     LEFT JOIN TUMBLE(TABLE Y , DESCRIPTOR(time), INTERVAL '4' SECOND) y ON x.window_start = y.window_start AND x.key = y.key",
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.window_start AS w, y.window_start AS v, y.d FROM TUMBLE(TABLE X , DESCRIPTOR(time), INTERVAL '4' SECOND) x
     FULL JOIN TUMBLE(TABLE Y , DESCRIPTOR(time), INTERVAL '4' SECOND) y ON x.window_start = y.window_start AND x.key = y.key AND x.d <> y.d",
    // Of one side there is no telling when.
    "SELECT x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d FROM X x LEFT JOIN Y y ON x.key = y.key AND y.d <> x.d AND y.time <= x.time",
];

fn sql(query: &str) -> String {
    let on_time = |topic: &str, delay: i64| format!("WATERMARK(TABLE {topic}, DESCRIPTOR(time), INTERVAL '{delay}' SECOND)");
    query.replace(" X ", &format!(" {} ", on_time("events", 3))).replace(" Y ", &format!(" {} ", on_time("others", 1)))
}

struct Both {
    events: Events,
    others: Topic,
    writer: TopicWriter,
    now: i64,
}

impl Both {
    fn new(partitions: (u32, u32), seed: u64) -> Both {
        let events = Events::new(partitions.0, seed);
        let schema = events.topic.schema().clone();
        let config = TopicConfig { partitions: partitions.1, time_column: Some("time".into()), ..TopicConfig::new("others", schema) };
        let others = Log::open(events.dir.path()).unwrap().create_topic(config).unwrap();
        let writer = others.writer().unwrap();
        Both { events, others, writer, now: 1_357_000_000 * SECOND }
    }

    /// Events of some seconds, of which a few are late, and some too late, in turn to each topic and partition.
    fn append(&mut self, steps: u32) {
        for step in 0..steps {
            let rows = 1 + self.events.random.below(6) as usize;
            let of_events = batch(&mut self.events, self.now, rows);
            self.events.writer.append_to(PartitionId(step % self.events.topic.partitions() as u32), &of_events, None).unwrap();
            let rows = 1 + self.events.random.below(4) as usize;
            let of_others = batch(&mut self.events, self.now, rows);
            self.writer.append_to(PartitionId(step % self.others.partitions() as u32), &of_others, None).unwrap();
            self.now += SECOND / 2;
        }
    }

    fn plan(&self, sql: &str) -> Plan {
        let of = |topic: &'static str| TopicSchema { name: topic, schema: self.events.topic.schema(), key: None, time: Some("time") };
        twopath_query::logical_plan_over(sql, &[of("events"), of("others")]).unwrap_or_else(|e| panic!("{}", e.report(sql)))
    }

    fn run(&self, sql: &str, backend: Backend, workers: usize) -> FeedReport {
        run_feed(self.feed(sql, backend), &Until::End, workers, &AtomicBool::new(false)).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    fn feed(&self, sql: &str, backend: Backend) -> Feed {
        let query = FeedQuery::kept(self.plan(sql).maintained()).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(query.kind(), FeedKind::Table);
        let log = Log::open(self.events.dir.path()).unwrap();
        if !log.topics().unwrap().contains(&"out".to_owned()) {
            let key = query.key().unwrap().to_owned();
            let config =
                TopicConfig { partitions: 2, partition_by: PartitionBy::Key(key), ..TopicConfig::new("out", query.schema().clone()) };
            log.create_topic(config).unwrap();
        }
        Feed { backend, ..feed(&self.events, query, None) }
    }

    fn wanted(&self, sql: &str) -> Vec<String> {
        let plan = self.plan(sql);
        let inputs = plan.program().unwrap().inputs;
        let mut reference = PlanReference::new(plan);
        for (name, topic) in [("events", &self.events.topic), ("others", &self.others)] {
            let Some(columns) = inputs.iter().filter(|q| q.topic == name).map(Query::whole_rows).max_by_key(Vec::len) else { continue };
            for (partition, to) in topic.end().unwrap().iter() {
                let mut reader = topic.reader(partition, Start::First, Some(&columns)).unwrap();
                while reader.offset() < to {
                    if let Some(Entry::Records(records)) = reader.next().unwrap() {
                        reference.push(name, &records.batch).unwrap();
                    }
                }
            }
        }
        sorted(reference.answer().unwrap())
    }

    /// Everything that the output was ever given.
    fn appended(&self) -> Vec<String> {
        let output = Log::open(self.events.dir.path()).unwrap().topic("out").unwrap();
        let mut rows = Vec::new();
        for q in 0..output.partitions() as u32 {
            let mut reader = output.reader(PartitionId(q), Start::First, None).unwrap();
            while let Some(entry) = reader.next().unwrap() {
                if let Entry::Records(records) = entry {
                    rows.extend(values::rows(&records.batch).unwrap());
                }
            }
        }
        sorted(rows)
    }

    /// What the output shows: of each key, which is the first four columns, the newest row, unless that is a tombstone. Beside it, how many tombstones it has.
    fn shown(&self) -> (Vec<String>, usize) {
        let output = Log::open(self.events.dir.path()).unwrap().topic("out").unwrap();
        let (mut rows, mut tombstones) = (HashMap::new(), 0);
        for q in 0..output.partitions() as u32 {
            let mut reader = output.reader(PartitionId(q), Start::First, None).unwrap();
            while let Some(entry) = reader.next().unwrap() {
                let Entry::Records(records) = entry else { continue };
                for row in values::rows(&records.batch).unwrap() {
                    let is_tombstone = row[4..].iter().all(|value| *value == Value::Null);
                    let before = rows.insert(format!("{:?}", &row[..4]), (!is_tombstone).then_some(row));
                    assert!(!is_tombstone || before.is_some_and(|row| row.is_some()), "a tombstone of nothing");
                    tombstones += usize::from(is_tombstone);
                }
            }
        }
        (sorted(rows.into_values().flatten().collect()), tombstones)
    }

    /// The query's rows that a topic can show: of others nothing but the key is not NULL.
    fn can_be_shown(&self, sql: &str) -> Vec<String> {
        let nothing = format!("{}]", "Null, ".repeat(self.plan(sql).columns().len() - 4).trim_end_matches(", "));
        self.wanted(sql).into_iter().filter(|row| !row.ends_with(&nothing)).collect()
    }

    fn checkpoints(&self) -> PathBuf {
        self.events.dir.path().join("f.feed/checkpoints")
    }
}

fn batch(events: &mut Events, from: i64, rows: usize) -> RecordBatch {
    let random = &mut events.random;
    let time = |random: &mut Random| {
        let late = if random.below(6) == 0 { random.below(8) as i64 * SECOND } else { 0 };
        // Whole seconds meet.
        (from + random.below(2_000_000) as i64 - late) / SECOND * SECOND + random.below(2) as i64 * 250_000
    };
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| time(random)));
    let keys = StringArray::from_iter((0..rows).map(|_| (random.below(8) != 0).then(|| format!("key {}", random.below(3)))));
    let n = Int64Array::from_iter((0..rows).map(|_| (random.below(5) != 0).then(|| random.below(40) as i64 - 20)));
    let d = Int64Array::from_iter_values((0..rows).map(|_| 1 + random.below(20) as i64));
    let columns: Vec<ArrayRef> = vec![Arc::new(times.with_timezone("UTC")), Arc::new(keys), Arc::new(n), Arc::new(d)];
    RecordBatch::try_new(events.topic.schema().clone(), columns).unwrap()
}

fn sorted(rows: Vec<Vec<Value>>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().map(|row| format!("{row:?}")).collect();
    rows.sort_unstable();
    rows
}

fn kept_in(dir: &Path) -> Backend {
    Backend::Checkpoints(Checkpoints::every(Duration::from_millis(1), dir))
}

/// Of each query, over one partition and over several, with the feed started again and again, with nothing kept of it and with its rows at rest.
#[test]
fn each_pair_is_put_out_once() {
    for (number, query) in QUERIES.into_iter().enumerate() {
        let sql = sql(query);
        for (partitions, at_rest) in [((1, 1), false), ((2, 3), false), ((2, 1), true), ((3, 2), true)] {
            let mut both = Both::new(partitions, 40 + number as u64);
            let backend = |both: &Both| if at_rest { kept_in(&both.checkpoints()) } else { Backend::Memory };
            for round in 0..6 {
                both.append(14);
                both.run(&sql, backend(&both), 1 + round % 3);
                assert_eq!(both.appended(), both.wanted(&sql), "{sql}, {partitions:?} partitions, at rest: {at_rest}, round {round}");
                let again = both.run(&sql, backend(&both), 1 + (round + 1) % 3);
                assert_eq!((again.rows_read, again.rows_appended), (0, 0));
                assert_eq!(again.rows_read_again > 0, !at_rest);
            }
            assert!(both.appended().len() > 20, "{sql}: {}", both.appended().len());
        }
    }
}

#[test]
fn rows_without_another_go_once_they_have_found_one() {
    let mut gone = 0;
    for (number, query) in OUTER.into_iter().enumerate() {
        let sql = sql(query);
        for (partitions, at_rest) in [((1, 1), false), ((2, 3), true), ((2, 1), true), ((3, 2), true)] {
            let mut both = Both::new(partitions, 60 + number as u64);
            let backend = |both: &Both| if at_rest { kept_in(&both.checkpoints()) } else { Backend::Memory };
            for round in 0..8 {
                both.append(10);
                both.run(&sql, backend(&both), 1 + round % 3);
                assert_eq!(both.shown().0, both.can_be_shown(&sql), "{sql}, {partitions:?} partitions, at rest: {at_rest}, round {round}");
                let again = both.run(&sql, backend(&both), 1 + (round + 1) % 3);
                assert_eq!(
                    (again.rows_read, again.rows_appended),
                    (0, 0),
                    "{sql}, {partitions:?} partitions, at rest: {at_rest}, round {round}"
                );
            }
            gone += both.shown().1;
        }
    }
    assert!(gone > 100, "{gone} rows went");
}

/// `EMIT ON WINDOW CLOSE`: rows without another wait until they can find none, and nothing that is put out changes.
#[test]
fn what_is_final_is_put_out_once() {
    let queries = [
        format!("{} EMIT ON WINDOW CLOSE", OUTER[0].replace(", x.key, y.d FROM", ", x.d AS d, y.d AS e FROM")),
        format!("{} EMIT ON WINDOW CLOSE", OUTER[1].replace(", x.key, y.d FROM", ", x.d AS d, y.d AS e FROM")),
        format!("{} EMIT ON WINDOW CLOSE", OUTER[2]),
        "SELECT x.time, COUNT(*) AS c, COUNT(y.d) AS found FROM X x LEFT JOIN Y y ON x.key = y.key AND y.time BETWEEN x.time AND x.time + INTERVAL '3' SECOND
         GROUP BY x.time EMIT ON WINDOW CLOSE"
            .to_owned(),
    ];
    let mut alone = 0;
    for (number, query) in queries.iter().enumerate() {
        let sql = sql(query);
        for (partitions, at_rest) in [((1, 1), false), ((2, 2), true)] {
            let mut both = Both::new(partitions, 80 + number as u64);
            let backend = |both: &Both| if at_rest { kept_in(&both.checkpoints()) } else { Backend::Memory };
            for round in 0..8 {
                both.append(10);
                both.run(&sql, backend(&both), 1 + round % 2);
                assert_eq!(both.appended(), both.wanted(&sql), "{sql}, {partitions:?} partitions, at rest: {at_rest}, round {round}");
            }
            alone += both.appended().iter().filter(|row| row.contains("Null, Null")).count();
        }
    }
    assert!(alone > 40, "{alone}");
}

/// Windows of two topics, which are final once both watermarks have passed them; what they were made of is kept no longer.
#[test]
fn windows_of_two_topics_are_put_out_once_both_have_passed_them() {
    let of = |join: &str, select: &str| {
        format!(
            "SELECT x.window_start, {select} FROM TUMBLE(TABLE X , DESCRIPTOR(time), INTERVAL '4' SECOND) x
             {join} TUMBLE(TABLE Y , DESCRIPTOR(time), INTERVAL '4' SECOND) y ON x.window_start = y.window_start AND x.key = y.key"
        )
    };
    let queries = [
        format!("{} GROUP BY x.window_start, x.window_end", of("JOIN", "COUNT(*) AS c, MAX(y.d - x.d) AS most")),
        format!("{} GROUP BY x.window_start, x.window_end, x.key", of("LEFT JOIN", "x.key, COUNT(*) AS c, COUNT(y.d) AS found")),
        format!(
            "{} GROUP BY x.window_start, x.window_end, x.key QUALIFY place <= 2",
            of("JOIN", "x.key, COUNT(*) AS c, ROW_NUMBER() OVER (PARTITION BY x.window_start ORDER BY COUNT(*) DESC, x.key) AS place")
        ),
        of("LEFT JOIN", "x._partition AS p, x._offset AS o, y._partition AS q, y._offset AS u, x.d, y.d AS e"),
    ];
    for (number, query) in queries.iter().enumerate() {
        let sql = format!("{} EMIT ON WINDOW CLOSE", sql(query));
        let mut both = Both::new((2, 2), 100 + number as u64);
        assert!(both.plan(&sql).maintained().is_final, "{sql}");
        let mut sizes = Vec::new();
        for (round, steps) in [60, 10, 10, 10, 400, 10, 10, 10].into_iter().enumerate() {
            both.append(steps);
            both.run(&sql, kept_in(&both.checkpoints()), 1 + round % 3);
            assert_eq!(both.appended(), both.wanted(&sql), "{sql}, round {round}");
            assert_eq!(both.run(&sql, kept_in(&both.checkpoints()), 1 + (round + 1) % 3).rows_appended, 0);
            sizes.push(common::bytes_at_rest(&both.checkpoints()));
        }
        assert!(both.appended().len() > 20, "{sql}");
        assert!(sizes[7] < 2 * sizes[3], "{sql}: {sizes:?}");
    }
}

/// The slower of the two says when: what the faster one has passed is not let go before.
#[test]
fn the_slower_topic_is_waited_for() {
    let query = "SELECT x.window_start, COUNT(*) AS c, MAX(y.d) AS most FROM TUMBLE(TABLE X , DESCRIPTOR(time), INTERVAL '4' SECOND) x
                 JOIN TUMBLE(TABLE Y , DESCRIPTOR(time), INTERVAL '4' SECOND) y ON x.window_start = y.window_start GROUP BY x.window_start, x.window_end EMIT ON WINDOW CLOSE";
    let sql = sql(query);
    let mut both = Both::new((1, 1), 120);
    let from = both.now;
    let (mut of_events, mut of_others) = (from, from);
    for round in 0..12 {
        for _ in 0..10 {
            let events = batch(&mut both.events, of_events, 2);
            both.events.writer.append(&events).unwrap();
            // In turn the one is far ahead, and the other.
            let others = batch(&mut both.events, of_others, 2);
            both.writer.append(&others).unwrap();
            of_events += if round % 4 < 2 { 2 * SECOND } else { SECOND / 4 };
            of_others += if round % 4 < 2 { SECOND / 4 } else { 2 * SECOND };
        }
        both.run(&sql, kept_in(&both.checkpoints()), 1 + round % 2);
        assert_eq!(both.appended(), both.wanted(&sql), "round {round}");
    }
    assert!(both.appended().len() > 10);
}

/// While a feed runs and its checkpoints are taken, epochs are as short as they can be: what is let go, and what passes, moves with each.
#[test]
fn rows_come_while_it_runs() {
    let windows =
        "FROM TUMBLE(TABLE X , DESCRIPTOR(time), INTERVAL '4' SECOND) x LEFT JOIN TUMBLE(TABLE Y , DESCRIPTOR(time), INTERVAL '4' SECOND) y
                   ON x.window_start = y.window_start AND x.key = y.key";
    let closed = [
        format!(
            "SELECT x.window_start, COUNT(*) AS c, COUNT(y.d) AS found {windows} GROUP BY x.window_start, x.window_end EMIT ON WINDOW CLOSE"
        ),
        format!(
            "SELECT x.window_start, x.key, COUNT(*) AS c, RANK() OVER (PARTITION BY x.window_start ORDER BY COUNT(*)) AS place {windows}
             GROUP BY x.window_start, x.window_end, x.key EMIT ON WINDOW CLOSE"
        ),
    ];
    let outer = [0, 2, 3, 5].map(|number| (OUTER[number].to_owned(), false));
    for (number, (query, is_final)) in closed.into_iter().map(|query| (query, true)).chain(outer).enumerate() {
        let sql = sql(&query);
        let mut both = Both::new((2, 2), 140 + number as u64);
        for (round, steps) in [120, 80].into_iter().enumerate() {
            let (feed, stop) = (both.feed(&sql, kept_in(&both.checkpoints())), AtomicBool::new(false));
            std::thread::scope(|scope| {
                let running = scope.spawn(|| run_feed(feed, &Until::Stopped, 1 + round, &stop));
                for _ in 0..steps {
                    both.append(1);
                    std::thread::sleep(Duration::from_millis(3));
                }
                stop.store(true, std::sync::atomic::Ordering::SeqCst);
                running.join().unwrap().unwrap_or_else(|e| panic!("{sql}: {e}"));
            });
            // It was stopped somewhere.
            both.run(&sql, kept_in(&both.checkpoints()), 2 - round);
            match is_final {
                true => assert_eq!(both.appended(), both.wanted(&sql), "{sql}, round {round}"),
                false => assert_eq!(both.shown().0, both.can_be_shown(&sql), "{sql}, round {round}"),
            }
        }
        assert!(is_final || both.shown().1 > 3, "{sql}: {} rows went", both.shown().1);
    }
}

/// A feed that is killed between its checkpoints: the output is ahead of what is at rest.
#[test]
fn the_output_may_be_ahead_of_what_is_at_rest() {
    ahead(QUERIES[0], |both, sql| assert_eq!(both.appended(), both.wanted(sql)));
    for outer in OUTER {
        // What went in the meantime comes and goes in one epoch now.
        ahead(outer, |both, sql| assert_eq!(both.shown().0, both.can_be_shown(sql), "{sql}"));
    }
}

fn ahead(query: &str, check: impl Fn(&Both, &str)) {
    let sql = sql(query);
    let mut both = Both::new((2, 2), 11);
    let copy = both.events.dir.path().join("copy");
    for round in 0..5 {
        both.append(20);
        both.run(&sql, kept_in(&both.checkpoints()), 1 + round % 2);
        // What was at rest two rounds before is at rest again.
        if round == 1 {
            copy_folder(&both.checkpoints(), &copy);
        }
    }
    std::fs::remove_dir_all(both.checkpoints()).unwrap();
    copy_folder(&copy, &both.checkpoints());
    both.append(3);
    let report = both.run(&sql, kept_in(&both.checkpoints()), 2);
    assert!(report.rows_read_again > 0, "{report:?}");
    check(&both, &sql);
}

/// What is at rest is what can still be paired, and not all that ever came.
#[test]
fn what_is_past_is_kept_no_longer() {
    let bytes = |query: &str| {
        let sql = sql(query);
        let mut both = Both::new((2, 2), 5);
        let mut sizes = Vec::new();
        for steps in [100, 900] {
            // What is let go is at rest no more with the next start, and with three checkpoints none has it.
            for steps in [steps, 10, 10, 10] {
                both.append(steps);
                both.run(&sql, kept_in(&both.checkpoints()), 2);
                assert_eq!(both.shown().0, both.can_be_shown(&sql));
            }
            sizes.push(common::bytes_at_rest(&both.checkpoints()));
        }
        (sizes[0], sizes[1])
    };
    for query in [QUERIES[0], QUERIES[2], QUERIES[6], OUTER[0], OUTER[2], OUTER[3], OUTER[5]] {
        let (first, last) = bytes(query);
        assert!(last < 2 * first, "{query}: {first} bytes became {last}");
    }
    let (first, last) = bytes(QUERIES[3]);
    assert!(last > 3 * first, "one side of it stays: {first} bytes became {last}");
}

/// A partition that has said nothing may say anything yet.
#[test]
fn a_partition_that_has_not_spoken_is_waited_for() {
    let sql = sql(QUERIES[0]);
    let mut both = Both::new((1, 2), 3);
    for _ in 0..40 {
        let events = batch(&mut both.events, both.now, 3);
        both.events.writer.append(&events).unwrap();
        let others = batch(&mut both.events, both.now, 2);
        both.writer.append_to(PartitionId(0), &others, None).unwrap();
        both.now += SECOND;
    }
    both.run(&sql, kept_in(&both.checkpoints()), 2);
    let before = both.appended().len();
    // Of the time when it all began.
    let from = both.now - 40 * SECOND;
    for step in 0..10 {
        let others = batch(&mut both.events, from + step * SECOND, 3);
        both.writer.append_to(PartitionId(1), &others, None).unwrap();
    }
    both.run(&sql, kept_in(&both.checkpoints()), 1);
    assert_eq!(both.appended(), both.wanted(&sql));
    assert!(both.appended().len() > before + 3);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}
