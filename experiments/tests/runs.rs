//! A short run of every architecture, with the fix in its middle: no answer is wrong but by the code that was deployed, every event is
//! covered, and all that a result promises is there. And what the check is worth: it finds an answer that was tampered with.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use twopath::systems::{self, Job};
use twopath::harness::check::check;
use twopath::harness::child;
use twopath::harness::load::{Append, Arrivals, Schedule};
use twopath::harness::probe::Recorded;
use twopath::harness::spec::{RunSpec, WorkloadSpec};
use twopath_events::workloads;
use twopath_log::{Durability, Log};
use twopath_results::prices::read_prices;
use twopath_results::result::{Outcome, RunResult};
use twopath_view::{Ask, GroupTable, answer};

fn spec(dir: &Path, architecture: &str, query: &str) -> RunSpec {
    RunSpec {
        architecture: architecture.into(),
        repeat: 0,
        seed: 7,
        workload: WorkloadSpec::BuiltIn { name: "flights".into(), query: query.into() },
        rate: 4_000.0,
        duration_s: 1.0,
        events_history: 20_000,
        partitions: 2,
        workers: 2,
        durability: Durability::None,
        log: None,
        batch_interval_ms: 200.0,
        publish_interval_ms: 1.0,
        read_rate: 300.0,
        full_read_rate: 20.0,
        dir: dir.into(),
        out: dir.join("run.json"),
        prices: read_prices(None).unwrap(),
    }
}

/// Makes a run and looks at what must be true of any.
fn run(architecture: &str, query: &str) -> RunResult {
    let dir = tempfile::tempdir().unwrap();
    let result = child::run(&spec(dir.path(), architecture, query)).unwrap();
    assert_eq!(result.outcome, Outcome::Ok);
    assert_eq!(result.answers.wrong_engine, 0, "{architecture}, {query}");
    assert_eq!(result.events_never_covered, 0, "{architecture}, {query}");
    assert_eq!(result.events, 24_000);
    assert_eq!(result.freshness_ms.count, 4_000, "freshness of every event");
    assert!(result.answers.checked > 100, "{} answers", result.answers.checked);
    assert_eq!(result.series.answers.iter().map(|b| b.checked).sum::<u64>(), result.answers.checked);
    assert!(result.marks.iter().any(|m| m.kind == "deploy" && m.until_ms.is_some()));
    assert_eq!(result.marks.iter().filter(|m| m.kind == "cutover").count(), 2);
    for file in ["run.json", "run.freshness.parquet", "run.answers.parquet"] {
        assert!(dir.path().join(file).metadata().unwrap().len() > 0, "{file}");
    }
    let written: RunResult = serde_json::from_slice(&std::fs::read(dir.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(written.answers.checked, result.answers.checked);
    result
}

#[test]
fn every_architecture_is_right_but_for_its_code() {
    for architecture in systems::names() {
        let result = run(architecture, "delays_by_origin_hour");
        assert!(result.answers.wrong > 0, "{architecture}: version 1 is wrong");
        let corrected = result.time_to_correct_ms.unwrap_or_else(|| panic!("{architecture}: version 2 is right"));
        assert!(corrected >= result.answers.wrong_for_ms, "{architecture}: {corrected} after {}", result.answers.wrong_for_ms);
        assert!(result.marks.iter().any(|m| m.kind == "corrected"));
        let by_layer = &result.cost.cpu_s_per_million_events.by_layer;
        let runs_batch = !matches!(architecture, "kappa" | "lambda-timely");
        assert!(!runs_batch || by_layer["batch"] > 0.0, "{architecture}: {by_layer:?}");
        // (The meters are the process's, which here makes other runs, too: so nothing can be said of a layer that is not there.)
        assert!(architecture == "batch" || by_layer["speed"] > 0.0, "{architecture}: {by_layer:?}");
        assert!(result.code.lines > 0 && result.code.functions > 0 && result.code.places_touched > 0, "{architecture}: {:?}", result.code);
        assert!(result.cost.log_bytes > 0 && result.cost.state_bytes > 0 && result.cost.bytes_written > result.cost.log_bytes / 2);
    }
}

#[test]
fn every_query_is_right_in_both_kinds_of_architecture() {
    for query in workloads::flights().queries {
        for architecture in ["lambda", "kappa"] {
            let result = run(architecture, &query.name);
            assert_eq!(result.answers.wrong > 0, query.sql_v1 != query.sql_v2, "{architecture}, {}", query.name);
        }
    }
}

#[test]
fn writing_twice_is_more_than_writing_once() {
    let flights = workloads::flights();
    let query = flights.query(None).unwrap();
    let job = Job::new(&query.name, &flights.name, &flights.schema, query.sql(1), query.sql(2)).unwrap();
    let code = |name| systems::code(name, &job).unwrap();
    let (batch, lambda, kappa) = (code("batch"), code("lambda"), code("kappa"));
    assert_eq!(lambda.lines, batch.lines + kappa.lines);
    assert_eq!(lambda.places_touched, batch.places_touched + kappa.places_touched);
    assert_eq!((lambda.listings.len(), code("lambda-sql").listings.len()), (2, 1));
    let error = systems::code("delta", &job).unwrap_err().to_string();
    assert_eq!(error, "there is no architecture 'delta'; choose from batch, lambda, lambda-sql, lambda-timely, kappa, kappa-backfill");
}

/// One more than it was, in an answer's last number.
fn tampered(rows: &RecordBatch) -> RecordBatch {
    let last = rows.num_columns() - 1;
    let counts = rows.column(last).as_any().downcast_ref::<Int64Array>().expect("the query ends with a count");
    let mut columns = rows.columns().to_vec();
    columns[last] = Arc::new(counts.iter().map(|n| n.map(|n| n + 1)).collect::<Int64Array>()) as ArrayRef;
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

#[test]
fn the_check_tells_right_from_wrong_from_outdated() {
    let dir = tempfile::tempdir().unwrap();
    let flights = workloads::flights();
    let query = flights.query(None).unwrap();
    let job = Job::new(&query.name, &flights.name, &flights.schema, query.sql(1), query.sql(2)).unwrap();
    let topic = Log::open(dir.path()).unwrap().create_topic(flights.topic_config(1, Durability::None)).unwrap();
    let writer = topic.writer().unwrap();
    let base = writer.append(&flights.batch(0, 2_000)).unwrap();
    let position = writer.append(&flights.batch(2_000, 100)).unwrap();
    let schedule = Schedule { start_us: 0, rate: 1_000.0, events: 100 };
    let arrivals = Arrivals::new(schedule, base.clone(), &[Append { to_event: 100, position: position.clone() }], None);

    let answered = |version: u32, rows: usize, key: Option<usize>| {
        let query = &job.version(version).query;
        let mut table = GroupTable::new(query);
        table.update_from_log(query, &flights.batch(0, rows)).unwrap();
        let key = key.map(|group| table.key(group));
        let rows = answer(query, &[&table], &Ask { key: key.clone(), ..Ask::default() }).unwrap();
        (rows, key.map(Arc::from))
    };
    let recorded = |version, at: &twopath_base::Position, read_us, (rows, key): (RecordBatch, _)| Recorded {
        due_us: read_us,
        read_us,
        version,
        position: at.clone(),
        key,
        rows,
    };
    let end_us = 1_000_000;
    let right = answered(2, 2_100, None);
    let answers = vec![
        recorded(2, &position, end_us, right.clone()),
        recorded(2, &position, end_us, (tampered(&right.0), None)),
        recorded(1, &position, end_us, answered(1, 2_100, None)),
        recorded(2, &base, end_us, answered(2, 2_000, None)),
        recorded(2, &position, end_us, answered(2, 2_100, Some(0))),
        recorded(2, &base, end_us, answered(2, 2_100, None)),
    ];
    let verdicts = check(&topic, &job, &arrivals, &answers).unwrap();
    let flags: Vec<_> = verdicts.iter().map(|v| (v.wrong, v.wrong_engine, v.outdated)).collect();
    assert_eq!(flags[0], (false, false, false), "the right answer");
    assert_eq!(flags[1], (true, true, true), "one count too many");
    assert_eq!(flags[2], (true, false, true), "what version 1 gives, rightly computed");
    assert_eq!(flags[3], (false, false, true), "right for its position, and behind");
    assert_eq!(flags[4], (false, false, false), "a key's answer");
    assert_eq!(flags[5], (true, true, false), "ahead of the position that it claims");
    assert!(verdicts[2].error > 0.0, "a delay across midnight is out by hours");
}
