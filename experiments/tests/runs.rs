//! A short run of every architecture, with the fix in its middle: no answer is wrong but by the code that was deployed, every event is
//! covered, and all that a result promises is there. And what the check is worth: it finds an answer that was tampered with.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use twopath::harness::check::{Truth, check};
use twopath::harness::child;
use twopath::harness::judge::judge;
use twopath::harness::load::{Append, Arrivals, Schedule};
use twopath::harness::prepared::{Prepared, Wanted};
use twopath::harness::recording::{Recorded, Recording, Spill, StoredAnswers};
use twopath::harness::spec::RunSpec;
use twopath::systems::{self, Factors, Job, Killed, QuerySpec, Rows};
use twopath_events::workloads::{self, Workload};
use twopath_log::{Durability, Log};
use twopath_results::result::{Happening, Outcome, RunResult};
use twopath_view::{GroupTable, Selection, answer};

const HISTORY: u64 = 20_000;
const STEADY: u64 = 4_000;

fn spec(dir: &Path, architecture: &str, query: &QuerySpec) -> RunSpec {
    RunSpec {
        architecture: architecture.into(),
        family: architecture.into(),
        factors: Factors::preset(architecture).unwrap(),
        repeat: 0,
        seed: 7,
        query: query.clone(),
        prepared: dir.join("events"),
        topic: "flights".into(),
        rate: 4_000.0,
        workers: 2,
        log: None,
        batch_interval_ms: 200.0,
        speed_lateness_ms: None,
        publish_interval_ms: 1.0,
        state: twopath::systems::StateBackend::Memory,
        checkpoint_interval_ms: 1000.0,
        read_rate: 300.0,
        full_read_rate: 20.0,
        deploys: true,
        throttle: None,
        incremental: false,
        kill_after_ms: None,
        kill: Killed::default(),
        dir: dir.into(),
        out: dir.join("run.json"),
    }
}

/// A query of the flights, as a run gets it, and as it is computed.
fn job(workload: &Workload, query: &str) -> (QuerySpec, Job) {
    let query = workload.query(Some(query)).unwrap();
    let spec = QuerySpec { name: query.name.clone(), sql_v1: query.sql(1).into(), sql_v2: query.sql(2).into() };
    let job = Job::new(&spec.name, &workload.name, &workload.schema, &spec.sql_v1, &spec.sql_v2).unwrap();
    (spec, job)
}

fn prepare(dir: &Path, workload: &Workload, job: &Job) -> Prepared {
    let wanted = Wanted {
        workload,
        query: &job.v2.query,
        partitions: 2,
        durability: Durability::None,
        events_history: HISTORY,
        events_steady: STEADY,
        seed: 7,
    };
    std::fs::create_dir_all(dir.join("events")).unwrap();
    Prepared::make(&dir.join("events"), &wanted, |_| true).unwrap().unwrap()
}

/// Makes a run and looks at what must be true of any.
fn run(architecture: &str, query: &str) -> RunResult {
    let dir = tempfile::tempdir().unwrap();
    let workload = workloads::flights();
    let (query_spec, job) = job(&workload, query);
    let topic = prepare(dir.path(), &workload, &job).topic().unwrap();
    let spec = spec(dir.path(), architecture, &query_spec);
    let recording = child::run_here(&spec).unwrap();
    let truth = Truth::over(&job, &topic, &topic.end().unwrap()).unwrap();
    let result = judge(&spec, &recording, &truth, |_| {}).unwrap();
    assert_eq!(result.outcome, Outcome::Ok);
    assert_eq!(result.answers.wrong_engine, 0, "{architecture}, {query}");
    assert_eq!(result.events_never_covered, 0, "{architecture}, {query}");
    assert_eq!(result.events, 24_000);
    assert_eq!(result.freshness_ms.count, 4_000, "freshness of every event");
    assert!(result.answers.checked > 100, "{} answers", result.answers.checked);
    assert_eq!(result.series.answers.iter().map(|b| b.checked).sum::<u64>(), result.answers.checked);
    assert!(result.marks.iter().any(|m| matches!(m.what, Happening::Deploy { version: 2 }) && m.until_ms.is_some()));
    assert_eq!(result.marks.iter().filter(|m| matches!(m.what, Happening::Cutover { .. })).count(), 2);
    for file in ["run.json", "run.freshness.parquet", "run.answers.parquet"] {
        assert!(dir.path().join(file).metadata().unwrap().len() > 0, "{file}");
    }
    let written: Recording = serde_json::from_slice(&std::fs::read(dir.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(written.answers, recording.answers);
    let phases = result.cost.phases.as_ref().unwrap();
    assert_eq!(phases.live.events + phases.change.events, STEADY);
    result
}

#[test]
fn every_architecture_is_right_but_for_its_code() {
    for architecture in systems::presets() {
        let result = run(architecture, "delays_by_origin_hour");
        assert!(result.answers.wrong > 0, "{architecture}: version 1 is wrong");
        let corrected = result.time_to_correct_ms.unwrap_or_else(|| panic!("{architecture}: version 2 is right"));
        assert!(corrected >= result.answers.wrong_for_ms, "{architecture}: {corrected} after {}", result.answers.wrong_for_ms);
        assert!(result.marks.iter().any(|m| m.what == Happening::Corrected));
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
    let (_, job) = job(&workloads::flights(), "delays_by_origin_hour");
    let code = |name| systems::code::code(&Factors::preset(name).unwrap(), &job).unwrap();
    let (batch, lambda, kappa) = (code("batch"), code("lambda"), code("kappa"));
    assert!(lambda.tokens > batch.tokens && lambda.tokens > kappa.tokens);
    assert!(lambda.places_touched > kappa.places_touched && kappa.places_touched > 0);
    assert_eq!(code("lambda-sql").listings.len(), 1);
    assert_eq!((lambda.layers_touched, kappa.layers_touched, code("lambda-sql").layers_touched), (2, 1, 2));
    let error = Factors::preset("delta").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no architecture 'delta'; choose from batch, lambda, lambda-sql, lambda-timely, kappa, kappa-sql, kappa-backfill"
    );
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
    let (_, job) = job(&flights, "delays_by_origin_hour");
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
        let rows = answer(query, &[&table], &Selection { key: key.clone(), ..Selection::default() }).unwrap();
        (rows, key.map(Arc::from))
    };
    let mut spill = Spill::create(&dir.path().join("run.json"), 0).unwrap();
    let mut keys = Vec::new();
    let mut recorded = |version, at: &twopath_base::Position, read_us, (rows, key): (RecordBatch, Option<Arc<[twopath_query::Value]>>)| {
        let key = key.map(|key| {
            keys.push(key.to_vec());
            keys.len() as u32 - 1
        });
        Recorded {
            due_us: read_us,
            read_us,
            version,
            position: at.clone(),
            approximate: false,
            key,
            rows: spill.append(&Rows::of(&rows)).unwrap(),
        }
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
        recorded(1, &position, end_us, (tampered(&answered(1, 2_100, None).0), None)),
        recorded(2, &position, end_us, (out_of_order(&right.0), None)),
    ];
    spill.close().unwrap();
    let recording = Recording { answers, keys, base: base.clone(), schedule, ..Recording::default() };
    let stored = StoredAnswers::open(&dir.path().join("run.json"));
    // With the truth about the history at hand, and without.
    for truth in [Truth::over(&job, &topic, &base).unwrap(), Truth::new(&job, 1), Truth::over(&job, &topic, &position).unwrap()] {
        let verdicts = check(&topic, &truth, &arrivals, &recording, &stored, &|_| {}).unwrap();
        let flags: Vec<_> = verdicts.iter().map(|v| (v.wrong, v.wrong_engine, v.outdated)).collect();
        assert_eq!(flags[0], (false, false, false), "the right answer");
        assert_eq!(flags[1], (true, true, true), "one count too many");
        assert_eq!(flags[2], (true, false, true), "what version 1 gives, rightly computed");
        assert_eq!(flags[3], (false, false, true), "right for its position, and behind");
        assert_eq!(flags[4], (false, false, false), "a key's answer");
        assert_eq!(flags[5], (true, true, false), "ahead of the position that it claims");
        assert_eq!(flags[6], (true, true, true), "version 1, wrongly computed");
        assert_eq!(flags[7], (true, true, true), "the right rows in another order");
        assert!(verdicts[2].error > 0.0, "a delay across midnight is out by hours");
        assert_eq!(verdicts[2].error, largest_difference(&answered(1, 2_100, None).0, &right.0), "as the rows themselves say");
    }
}

/// The last row first.
fn out_of_order(rows: &RecordBatch) -> RecordBatch {
    let order: arrow_array::UInt32Array = (0..rows.num_rows() as u32).rev().collect();
    arrow_select::take::take_record_batch(rows, &order).unwrap()
}

/// Of the mean delays of two answers over the same groups.
fn largest_difference(a: &RecordBatch, b: &RecordBatch) -> f64 {
    use arrow_array::cast::AsArray;
    let means = |rows: &RecordBatch| {
        let column = rows.columns().iter().find_map(|c| c.as_primitive_opt::<arrow_array::types::Float64Type>()).unwrap().clone();
        column.iter().map(|v| v.unwrap_or(0.0)).collect::<Vec<f64>>()
    };
    assert_eq!(a.num_rows(), b.num_rows(), "the fix corrects values, and the groups stay");
    means(a).iter().zip(means(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
