//! Jobs whose sink is a topic of a table's changes: joins, OVER, UPSERT and the like. The newest rows of the output are the answer, nothing is appended twice, and no row is older
//! than the one before it.

mod common;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use common::table::{Table, as_table, shown};
use common::{Events, feed};
use twopath_base::Position;
use twopath_log::{Log, PartitionBy, TopicConfig};
use twopath_query::TopicSchema;
use twopath_speed::{Backend, Checkpoints, Feed, FeedKind, FeedQuery, FeedReport, SpeedError, Until, run_feed};

/// With the columns that tell rows apart first, and how many those are.
const TABLES: [(&str, usize); 12] = [
    ("SELECT key, n, d FROM UPSERT(TABLE events)", 1),
    ("SELECT d, COUNT(*) AS c, SUM(n) AS s, MAX(n) AS most FROM UPSERT(TABLE events) WHERE d % 3 <> 0 GROUP BY d", 1),
    ("SELECT DISTINCT d, n % 3 AS r, TRUE AS there FROM UPSERT(TABLE events)", 2),
    ("SELECT a.key, b.key AS other, a.n + b.d AS x FROM UPSERT(TABLE events) a JOIN UPSERT(TABLE events) b ON a.d = b.d AND a.n < b.n", 2),
    (
        "SELECT key, place, total FROM (
           SELECT key, SUM(n) AS total, RANK() OVER (ORDER BY SUM(n) DESC) AS place FROM events WHERE n IS NOT NULL GROUP BY key
         ) ranked WHERE place <= 3",
        1,
    ),
    ("SELECT most, COUNT(*) AS keys FROM (SELECT key, MAX(d) AS most FROM events GROUP BY key) m GROUP BY most", 1),
    (
        "SELECT window_start, window_end, COUNT(*) AS c, SUM(d) AS s
         FROM HOP(TABLE events, DESCRIPTOR(time), INTERVAL '20' SECOND, INTERVAL '1' MINUTE) GROUP BY window_start, window_end",
        2,
    ),
    (
        "SELECT key, v.name, n FROM UPSERT(TABLE events) e JOIN (VALUES (0, 'none'), (1, 'one'), (2, 'two')) AS v (d, name) ON e.d % 3 = v.d",
        1,
    ),
    (
        "SELECT v.d, v.name, COUNT(e.n) AS c FROM (VALUES (0, 'none'), (1, 'one'), (700, 'many')) AS v (d, name)
         LEFT JOIN UPSERT(TABLE events) e ON e.d = v.d GROUP BY v.d, v.name",
        2,
    ),
    ("SELECT key, d % 3 AS r, GROUPING(key) AS g, COUNT(*) AS c, SUM(n) AS s FROM UPSERT(TABLE events) GROUP BY ROLLUP (key, d % 3)", 3),
    ("SELECT key, n % 2 AS h, GROUPING(key, n % 2) AS g, COUNT(*) AS c FROM events GROUP BY CUBE (key, n % 2) HAVING COUNT(*) < 30", 3),
    (
        "SELECT 'a' AS part, d % 2 AS h, COUNT(*) AS c, MAX(n) AS most FROM events GROUP BY d % 2
         UNION ALL SELECT 'b', d % 3, COUNT(*), MIN(n) FROM events WHERE n > 0 GROUP BY d % 3",
        2,
    ),
];

fn log(events: &Events) -> Log {
    Log::open(events.dir.path()).unwrap()
}

fn query(events: &Events, sql: &str) -> Result<FeedQuery, SpeedError> {
    let plan = plan(events, sql);
    FeedQuery::new(plan.query().unwrap())
}

fn plan(events: &Events, sql: &str) -> twopath_query::Plan {
    let topic = TopicSchema { name: "events", schema: events.topic.schema(), key: Some("key"), time: Some("time") };
    twopath_query::logical_plan_over(sql, &[topic]).unwrap()
}

fn run(events: &Events, sql: &str, until: &Until, workers: usize) -> Result<FeedReport, SpeedError> {
    run_kept(events, sql, until, workers, Backend::Memory)
}

fn run_kept(events: &Events, sql: &str, until: &Until, workers: usize, backend: Backend) -> Result<FeedReport, SpeedError> {
    let query = query(events, sql)?;
    if !log(events).topics().unwrap().contains(&"out".to_owned()) {
        let config = TopicConfig::new("out", query.schema().clone());
        let key = query.key().unwrap().to_owned();
        let config = TopicConfig { partitions: 3, partition_by: PartitionBy::Key(key), segment_bytes: 16 << 10, ..config };
        query.check_output(&config).unwrap();
        log(events).create_topic(config).unwrap();
    }
    run_feed(Feed { backend, ..feed(events, query, None) }, until, workers, &AtomicBool::new(false))
}

fn wanted(events: &Events, sql: &str, to: &Position, key: usize) -> Table {
    as_table(events.answer_of(plan(events, sql), to), key)
}

/// The number of workers changes from run to run, the first runs end in mid-log, and a run without news appends nothing.
#[test]
fn the_newest_rows_are_the_answer_and_nothing_is_appended_twice() {
    for (number, (sql, key)) in TABLES.into_iter().enumerate() {
        for partitions in [1, 3] {
            let mut events = Events::new(partitions, 60 + number as u64);
            for round in 0..4 {
                for _ in 0..8 {
                    let rows = 1 + events.random.below(12) as usize;
                    let batch = events.batch(rows);
                    events.writer.append(&batch).unwrap();
                }
                let (workers, place) = (1 + round % 3, format!("{sql}, {partitions} partitions, round {round}"));
                let end = events.end();
                let report = run(&events, sql, &Until::End, workers).unwrap_or_else(|e| panic!("{place}: {e}"));
                assert_eq!(shown(&log(&events).topic("out").unwrap(), key), wanted(&events, sql, &end, key), "{place}");
                assert_eq!(report.rows_read + report.rows_read_again, end.records(), "{place}");
                let again = run(&events, sql, &Until::End, 1 + (round + 1) % 3).unwrap();
                assert_eq!((again.rows_read, again.rows_appended, again.rows_read_again), (0, 0, end.records()), "{place}");
            }
        }
    }
}

/// Rows that are kept at rest: a start reads what they are computed of and what came after it, by another number of workers; where the newest checkpoint is damaged it reads the one
/// before, and where all are, the log.
#[test]
fn what_is_kept_at_rest_is_not_read_again() {
    for (number, (sql, key)) in TABLES.into_iter().enumerate() {
        for partitions in [1, 3] {
            let mut events = Events::new(partitions, 80 + number as u64);
            let dir = events.dir.path().join("f.feed/checkpoints");
            let kept = || Backend::Checkpoints(Checkpoints::every(Duration::from_millis(1), &dir));
            // Where the checkpoints stand that were kept.
            let mut kept_at = vec![0];
            for round in 0..6 {
                for _ in 0..8 {
                    let rows = 1 + events.random.below(12) as usize;
                    let batch = events.batch(rows);
                    events.writer.append(&batch).unwrap();
                }
                let (workers, place) = (1 + round % 3, format!("{sql}, {partitions} partitions, round {round}"));
                let (end, before) = (events.end(), *kept_at.last().unwrap());
                // In the third round the newest checkpoint is damaged, in the fifth all are.
                let damaged = match round {
                    2 => damage(&dir, 1),
                    4 => damage(&dir, usize::MAX),
                    _ => 0,
                };
                let report = run_kept(&events, sql, &Until::End, workers, kept()).unwrap_or_else(|e| panic!("{place}: {e}"));
                assert_eq!(shown(&log(&events).topic("out").unwrap(), key), wanted(&events, sql, &end, key), "{place}");
                assert_eq!(report.rows_read, end.records() - before, "{place}");
                match damaged {
                    0 => assert_eq!(report.rows_read_again, 0, "{place}"),
                    1 => assert!(report.rows_read_again < before, "{place}"),
                    _ => assert_eq!(report.rows_read_again, before, "{place}"),
                }
                let again = run_kept(&events, sql, &Until::End, 1 + (round + 1) % 3, kept()).unwrap();
                assert_eq!((again.rows_read, again.rows_appended, again.rows_read_again), (0, 0, 0), "{place}");
                kept_at.push(end.records());
            }
        }
    }
}

/// Of a changelog the newest rows are kept, and not those that they took the place of.
#[test]
fn of_a_changelog_the_newest_rows_are_kept_at_rest() {
    let (sql, key) = TABLES[0];
    let mut events = Events::new(2, 3);
    let dir = events.dir.path().join("f.feed/checkpoints");
    let kept = || Backend::Checkpoints(Checkpoints::every(Duration::from_secs(3600), &dir));
    for round in 0..30 {
        let batch = events.batch(100);
        events.writer.append(&batch).unwrap();
        run_kept(&events, sql, &Until::End, 1, kept()).unwrap();
        assert_eq!(shown(&log(&events).topic("out").unwrap(), key), wanted(&events, sql, &events.end(), key), "round {round}");
    }
    let newest = checkpoints(&dir).pop().unwrap();
    let text = String::from_utf8(std::fs::read(newest).unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    let runs = manifest["generations"][0]["runs"].as_array().unwrap();
    let rows: u64 = runs.iter().map(|run| run["groups"].as_u64().unwrap()).sum();
    assert_eq!(rows, 21, "keys, NULL among them, of 3,000 rows");
}

/// The files of checkpoints, the oldest first.
fn checkpoints(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("checkpoint-"));
    files.sort();
    files
}

/// Cuts a byte off each of the newest checkpoints; how many those are.
fn damage(dir: &std::path::Path, most: usize) -> usize {
    let newest: Vec<_> = checkpoints(dir).into_iter().rev().take(most).collect();
    for path in &newest {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.pop();
        std::fs::write(path, bytes).unwrap();
    }
    newest.len()
}

/// A process that died after it appended and before it committed: the output is further than the group.
#[test]
fn what_was_appended_and_not_committed_is_not_appended_again() {
    let (sql, key) = TABLES[1];
    let mut events = Events::new(2, 5);
    let positions = events.dir.path().join("events/groups/feed.f/positions");
    for _ in 0..10 {
        let batch = events.batch(20);
        events.writer.append(&batch).unwrap();
    }
    run(&events, sql, &Until::End, 1).unwrap();
    let committed = std::fs::read(&positions).unwrap();
    for _ in 0..10 {
        let batch = events.batch(20);
        events.writer.append(&batch).unwrap();
    }
    run(&events, sql, &Until::End, 2).unwrap();
    let before = log(&events).topic("out").unwrap().end().unwrap();
    std::fs::write(&positions, committed).unwrap();
    let report = run(&events, sql, &Until::End, 1).unwrap();
    assert_eq!((report.rows_appended, report.rows_read), (0, 200));
    assert_eq!(log(&events).topic("out").unwrap().end().unwrap(), before);
    assert_eq!(shown(&log(&events).topic("out").unwrap(), key), wanted(&events, sql, &events.end(), key));
}

#[test]
fn what_has_no_key_or_an_order_is_refused() {
    let events = Events::new(1, 1);
    let refused = |sql: &str| query(&events, sql).err().unwrap().to_string();
    let says = |sql: &str, what: &str| assert!(refused(sql).contains(what), "{sql}: {}", refused(sql));
    says("SELECT n, d FROM UPSERT(TABLE events)", "tell them apart");
    says("SELECT DISTINCT key, d FROM UPSERT(TABLE events)", "TRUE AS there");
    says("SELECT key, n FROM UPSERT(TABLE events) ORDER BY n LIMIT 3", "ORDER BY");
    says("SELECT DISTINCT key, TRUE AS there FROM UPSERT(TABLE events) LIMIT 3", "LIMIT");
    says("SELECT COUNT(*) AS c FROM UPSERT(TABLE events) GROUP BY d", "tell them apart");
    says("SELECT key, COUNT(*) AS c FROM events GROUP BY ROLLUP (key, n)", "add n and GROUPING(key, n) to the select list");
    says("SELECT d, COUNT(*) AS c FROM events GROUP BY GROUPING SETS ((d), (d))", "name each grouping once");
    assert!(query(&events, "SELECT d, COUNT(*) AS c FROM events GROUP BY ROLLUP (d)").is_ok(), "no d is NULL");
    let table = query(&events, TABLES[1].0).unwrap();
    assert_eq!((table.kind(), table.key()), (FeedKind::Table, Some("d")));
    let keyed_by = |key: &str| TopicConfig { partition_by: PartitionBy::Key(key.into()), ..TopicConfig::new("o", table.schema().clone()) };
    assert!(table.check_output(&keyed_by("d")).is_ok());
    assert!(table.check_output(&keyed_by("c")).unwrap_err().contains("told apart by d"));
}
