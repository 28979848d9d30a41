//! kill -9 of a real child of `compare` in mid-run, at several moments: its log opens again, every frame in it is sound, and it holds
//! the workload's events once and in order, up to where the process died.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use arrow_array::RecordBatch;
use twopath::harness::prepared::{Prepared, Wanted};
use twopath::harness::spec::RunSpec;
use twopath::systems::{Factors, Killed, QuerySpec};
use twopath_base::Offset;
use twopath_events::workloads;
use twopath_log::{Durability, Log};
use twopath_query::values;

const HISTORY: u64 = 20_000;

fn spec(dir: &Path, architecture: &str) -> RunSpec {
    let workload = workloads::flights();
    let query = workload.query(Some("delays_by_origin_hour")).unwrap();
    let query = QuerySpec { name: query.name.clone(), sql_v1: query.sql(1).into(), sql_v2: query.sql(2).into() };
    let parsed = twopath_query::parse(&query.sql_v2, &workload.name, &workload.schema).unwrap().into();
    let wanted = Wanted {
        workload: &workload,
        query: &parsed,
        partitions: 2,
        durability: Durability::None,
        events_history: HISTORY,
        events_steady: 200_000,
        seed: 3,
    };
    std::fs::create_dir_all(dir.join("events")).unwrap();
    Prepared::make(&dir.join("events"), &wanted, |_| true).unwrap().unwrap();
    RunSpec {
        architecture: architecture.into(),
        family: architecture.into(),
        factors: Factors::preset(architecture).unwrap(),
        repeat: 0,
        seed: 3,
        query,
        prepared: dir.join("events"),
        topic: "flights".into(),
        rate: 20_000.0,
        workers: 1,
        log: None,
        batch_interval_ms: 50.0,
        speed_lateness_ms: None,
        publish_interval_ms: 1.0,
        state: twopath::systems::StateBackend::Memory,
        checkpoint_interval_ms: 1000.0,
        read_rate: 100.0,
        full_read_rate: 5.0,
        deploys: true,
        throttle: None,
        incremental: false,
        kill_after_ms: None,
        kill: Killed::default(),
        dir: dir.into(),
        out: dir.join("run.json"),
    }
}

/// Starts a child and kills it `after` its steady phase began.
fn run_and_kill(dir: &Path, architecture: &str, after: Duration) {
    let path = dir.join("spec.json");
    std::fs::write(&path, serde_json::to_vec(&spec(dir, architecture)).unwrap()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_twopath"))
        .arg("run-child")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(dir.join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    if !lines.any(|line| line.contains("\"steady\"")) {
        let said = std::fs::read_to_string(dir.join("stderr")).unwrap();
        panic!("{architecture}: the steady phase never began ({}): {said}", child.wait().unwrap());
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success());
}

#[test]
fn the_log_of_a_killed_run_is_whole() {
    for (architecture, after_ms) in [("lambda", 120), ("kappa", 333), ("batch", 57), ("lambda-sql", 401)] {
        let dir = tempfile::tempdir().unwrap();
        run_and_kill(dir.path(), architecture, Duration::from_millis(after_ms));
        assert!(!dir.path().join("run.json").exists(), "{architecture}: a killed run leaves no result");

        let topic = Log::open(&dir.path().join("log")).unwrap().topic("flights").unwrap();
        // The next writer finds what the dead one left, and goes on.
        topic.writer().unwrap().close().unwrap();
        let report = topic.local().unwrap().verify().unwrap();
        assert!(report.problems.is_empty(), "{architecture}: {:?}", report.problems);

        let end = topic.end().unwrap();
        assert!(end.records() > HISTORY, "{architecture}: history and more was there when it was killed, and {end} is left");
        let events = workloads::built_in("flights", 3).unwrap().batch(0, HISTORY as usize + 200_000);
        let parts = topic.split(&events).unwrap();
        for (partition, expected) in parts {
            let to = end.get(partition);
            assert!(to.0 <= expected.num_rows() as u64, "{architecture}: nothing is invented");
            let mut next = 0;
            for records in topic.range(partition, Offset(0), to, None).unwrap() {
                let batch = records.unwrap().batch;
                same(&batch, &expected.slice(next, batch.num_rows()), architecture);
                next += batch.num_rows();
            }
            assert_eq!(next as u64, to.0, "{architecture}: partition {partition}");
        }
    }
}

fn same(got: &RecordBatch, expected: &RecordBatch, architecture: &str) {
    assert_eq!(values::rows(got).unwrap(), values::rows(expected).unwrap(), "{architecture}: events are there once, in order");
}
