//! State that survives: standing jobs that go on from a checkpoint, and what status tells of it; the scenario that compares the places for state.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;

const SQL: &str = "SELECT k, COUNT(*) AS n, SUM(n) AS s FROM t GROUP BY k";

/// A topic `t` of two partitions with `events` events.
fn topic(events: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "k:text,n:int", "--key", "k", "--partitions", "2"]);
    append(&sandbox, 0..events);
    sandbox
}

fn append(sandbox: &Sandbox, numbers: std::ops::Range<usize>) {
    let lines: String = numbers.map(|i| format!("{{\"k\":\"k{}\",\"n\":{}}}\n", i % 70, i as i64 % 11 - 2)).collect();
    let done = sandbox.run_with(&["log", "append", "t"], &lines);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn check(sandbox: &Sandbox) {
    let reference = sandbox.ok(&["query", "--sql", SQL, "--engine", "reference", "--format", "csv"]);
    assert_eq!(sandbox.ok(&["job", "query", "j", "--format", "csv"]), reference);
}

fn version(sandbox: &Sandbox) -> Value {
    let status: Value = serde_json::from_str(&sandbox.ok(&["job", "status", "j", "--format", "json"])).unwrap();
    status[0]["versions"][0].clone()
}

/// The sum of a position's offsets.
fn records(position: &Value) -> u64 {
    position.as_array().unwrap().iter().map(|offset| offset.as_u64().unwrap()).sum()
}

/// Runs the job until its checkpoint covers all of the log, and kills it.
fn run_and_kill(sandbox: &Sandbox, workers: &str, events: u64) {
    let mut child = sandbox.start(&["job", "run", "j", "--checkpoint-interval", "20ms", "--workers", workers]);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("follows the log")));
    while records(&version(sandbox)["checkpoint"]["position"]) < events {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_job_goes_on_from_its_checkpoint() {
    let sandbox = topic(3_000);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL, "--state", "checkpoint"]);
    let deployed = version(&sandbox);
    assert_eq!((deployed["backend"].as_str(), deployed["lag_records"].as_u64()), (Some("checkpoint"), Some(0)));
    assert_eq!(records(&deployed["checkpoint"]["position"]), 3_000);
    check(&sandbox);
    let mut events = 3_000;
    for workers in ["2", "1", "3"] {
        append(&sandbox, events..events + 500);
        events += 500;
        run_and_kill(&sandbox, workers, events as u64);
        append(&sandbox, events..events + 300);
        events += 300;
        assert_eq!(version(&sandbox)["lag_records"], 300, "only that is read again");
        check(&sandbox);
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_by_name_and_other_state_is_refused() {
    let sandbox = topic(1_000);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    let first = version(&sandbox)["checkpoint"]["number"].as_u64().unwrap();
    append(&sandbox, 1_000..1_400);
    run_and_kill(&sandbox, "1", 1_400);
    let dir = find(&sandbox.path("twopath-data/.serving/jobs/j"), "checkpoints");
    let newest = version(&sandbox)["checkpoint"]["number"].as_u64().unwrap();
    assert!(newest > first);
    let file = dir.join(format!("checkpoint-{newest:08}"));
    std::fs::write(&file, b"twopath-checkpoint 1 00000000 3\n{}\n").unwrap();
    let told = version(&sandbox);
    assert!(told["checkpoint"]["number"].as_u64().unwrap() < newest);
    assert!(told["refused"][0]["file"].as_str().unwrap().ends_with(&format!("checkpoint-{newest:08}")));
    assert!(told["refused"][0]["reason"].as_str().unwrap().contains("checksum"), "{told}");
    check(&sandbox);
    let refused = sandbox.run(&["job", "run", "j", "--state", "memory"]);
    assert!(refused.code == 1 && refused.stderr.contains("was deployed with --state checkpoint"), "{}", refused.stderr);
    let unknown = sandbox.run(&["job", "deploy", "k", "--sql", SQL, "--state", "tape"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("choose memory, checkpoint, local or redis://HOST:PORT"), "{}", unknown.stderr);
}

/// The folder of that name below another.
fn find(dir: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        if dir.file_name().is_some_and(|n| n == name) {
            return dir;
        }
        dirs.extend(std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
    }
    panic!("there is no folder '{name}'");
}

#[test]
fn state_in_memory_has_a_table_at_rest_and_no_checkpoint() {
    let sandbox = topic(500);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL, "--state", "memory"]);
    let told = version(&sandbox);
    assert_eq!((told["backend"].as_str(), &told["checkpoint"]), (Some("memory"), &Value::Null));
    append(&sandbox, 500..600);
    check(&sandbox);
}

#[test]
fn the_places_for_state_are_compared() {
    let sandbox = Sandbox::new();
    let args = [
        "run",
        "state",
        "--quick",
        "--keys",
        "200",
        "--kills",
        "2",
        "--duration",
        "200ms",
        "--rate",
        "4000",
        "--format",
        "json",
        "--backends",
        "memory,checkpoint,local",
    ];
    let result: Value = serde_json::from_str(&sandbox.ok(&args)).unwrap();
    let backends = result["backends"].as_array().unwrap();
    assert_eq!(backends.iter().map(|b| b["backend"].as_str().unwrap()).collect::<Vec<_>>(), ["memory", "checkpoint", "local"]);
    for backend in backends {
        assert_eq!((&backend["wrong_answers"], &backend["answers"], &backend["keys"]), (&0.into(), &2.into(), &200.into()));
        for figure in ["events_per_s", "freshness_p99_ms", "recovery_ms", "events_replayed"] {
            assert!(backend[figure].as_f64().unwrap() > 0.0, "{figure}: {backend}");
        }
    }
}

/// Runs the job until it has read all of the log, and kills it.
fn follow_and_kill(sandbox: &Sandbox, workers: &str) {
    let mut child = sandbox.start(&["job", "run", "j", "--workers", workers]);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("follows the log")));
    while version(sandbox)["lag_records"] != 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A job whose state is in a store is killed again and again, and goes on from exactly what it had published.
fn survives(backend: &str) -> Sandbox {
    let sandbox = topic(1_000);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL, "--state", backend]);
    assert_eq!(version(&sandbox)["backend"], backend);
    check(&sandbox);
    for (i, workers) in ["2", "1"].into_iter().enumerate() {
        append(&sandbox, 1_000 + i * 500..1_300 + i * 500);
        follow_and_kill(&sandbox, workers);
        append(&sandbox, 1_300 + i * 500..1_500 + i * 500);
        assert_eq!(version(&sandbox)["lag_records"], 200, "only that is read again");
        check(&sandbox);
    }
    sandbox
}

#[test]
fn a_local_index_survives_and_is_made_again_from_its_changelog_which_can_be_queried() {
    let sandbox = survives("local");
    let index = find(&sandbox.path("twopath-data/.serving/jobs/j"), "index");
    std::fs::remove_dir_all(index).unwrap();
    follow_and_kill(&sandbox, "1");
    check(&sandbox);
    let groups = "SELECT COUNT(DISTINCT k) AS groups FROM \"j.v1.changelog\" WHERE _generation IS NOT NULL";
    assert_eq!(sandbox.ok(&["query", "--sql", groups, "--format", "csv"]), "groups\n70\n");
    sandbox.ok(&["job", "drop", "j"]);
    assert_ne!(sandbox.run(&["query", "--sql", groups]).code, 0, "the changelog went with the job");
}

#[test]
fn state_on_a_server_survives_and_a_server_that_is_not_there_is_named() {
    let sandbox = topic(100);
    let refused = sandbox.run(&["job", "deploy", "j", "--sql", SQL, "--state", "redis://127.0.0.1:1"]);
    assert!(refused.code == 1 && refused.stderr.contains("redis://127.0.0.1:1"), "{}", refused.stderr);
    let Ok(server) = std::env::var("TWOPATH_TEST_REDIS") else {
        println!("SKIPPED: there is no Redis: run this by `tests/redis/server run COMMAND`");
        return;
    };
    survives(&server).ok(&["job", "drop", "j"]);
}
