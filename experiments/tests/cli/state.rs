//! State that survives: standing jobs that go on from a checkpoint, and what status tells of it; the scenario that compares the places for state.

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::standing::{self, all_is_read, follow_and_kill, until};

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
    standing::versions(sandbox).swap_remove(0)
}

/// The sum of a position's offsets.
fn records(position: &Value) -> u64 {
    position.as_array().unwrap().iter().map(|offset| offset.as_u64().unwrap()).sum()
}

/// Runs the job until its checkpoint covers all of the log, and kills it.
fn run_and_kill(sandbox: &Sandbox, workers: &str, events: u64) {
    follow_and_kill(sandbox, &["--workers", workers], |versions| records(&versions[0]["checkpoint"]["position"]) >= events);
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
    assert!(
        unknown.code == 2 && unknown.stderr.contains("choose memory, checkpoint, local, local:SIZE or redis://HOST:PORT"),
        "{}",
        unknown.stderr
    );
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
        "memory,checkpoint,local:8M",
        "--checkpoint-interval",
        "50ms",
        "--out",
        "state",
    ];
    let result: Value = serde_json::from_str(&sandbox.ok(&args)).unwrap();
    let backends = result["backends"].as_array().unwrap();
    assert_eq!(backends.iter().map(|b| b["backend"].as_str().unwrap()).collect::<Vec<_>>(), ["memory", "checkpoint", "local:8M"]);
    assert_eq!((&result["scenario"], &result["verdict"]), (&"state".into(), &"undecided".into()), "there is no server");
    assert!(sandbox.path("state/report.html").exists());
    for backend in backends {
        // A local state is killed again with another process standing by.
        let is_local = backend["backend"] == "local:8M";
        assert_eq!(backend["standby_ms"].as_f64().is_some(), is_local);
        let answers = if is_local { 4 } else { 2 };
        assert_eq!((&backend["wrong_answers"], &backend["answers"], &backend["keys"]), (&0.into(), &answers.into(), &200.into()));
        assert_eq!(backend["checkpoint_ms"].as_f64().is_some(), backend["backend"] == "checkpoint");
        for figure in ["memory_bytes", "events_per_s", "freshness_p99_ms", "recovery_ms", "events_replayed"] {
            assert!(backend[figure].as_f64().unwrap() > 0.0, "{figure}: {backend}");
        }
    }
}

/// A job whose state is in a store is killed again and again, and goes on from what was in the store.
fn survives(backend: &str) -> Sandbox {
    let sandbox = topic(1_000);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL, "--state", backend]);
    assert_eq!(version(&sandbox)["backend"], backend);
    check(&sandbox);
    for (i, workers) in ["2", "1"].into_iter().enumerate() {
        append(&sandbox, 1_000 + i * 500..1_300 + i * 500);
        follow_and_kill(&sandbox, &["--workers", workers], all_is_read);
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
    follow_and_kill(&sandbox, &[], all_is_read);
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
    let Some(server) = standing::redis() else { return };
    survives(&server).ok(&["job", "drop", "j"]);
}

#[test]
fn a_standby_takes_over_when_the_one_that_runs_the_job_is_killed() {
    let sandbox = topic(1_000);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL, "--state", "local:16M"]);
    assert_eq!(version(&sandbox)["backend"], "local:16M");
    let start = |args: &[&str], wanted: &str| {
        let (child, mut said) = standing::start(&sandbox, args);
        assert!(said.any(|line| line.contains(wanted)), "{wanted}");
        (child, said)
    };
    let (mut running, _said) = start(&[], "follows the log");
    let mut events = 1_000;
    for _ in 0..3 {
        let (standby, mut said) = start(&["--standby"], "stands by version 1");
        append(&sandbox, events..events + 200);
        until(&sandbox, all_is_read);
        standing::kill(running);
        append(&sandbox, events + 200..events + 300);
        events += 300;
        assert!(said.any(|line| line.contains("takes over")));
        let from = said.find(|line| line.contains("follows the log")).unwrap();
        assert!(!from.contains("(0, 0)") && !from.contains("[0, 0]"), "it goes on from what was published: {from}");
        until(&sandbox, all_is_read);
        check(&sandbox);
        running = standby;
    }
    standing::kill(running);
}

#[test]
fn who_stands_by_is_told_what_it_takes() {
    let sandbox = topic(10);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    let refused = sandbox.run(&["job", "run", "j", "--standby"]);
    assert!(refused.code == 1 && refused.stderr.contains("only `local` has what another process can stand by with"), "{}", refused.stderr);
    let refused = sandbox.run(&["job", "run", "none", "--standby"]);
    assert!(refused.code == 1 && refused.stderr.contains("there is no job 'none'"), "{}", refused.stderr);
    let small = sandbox.run(&["job", "deploy", "k", "--sql", SQL, "--state", "local:1M"]);
    assert!(small.code == 2 && small.stderr.contains("at least 8M"), "{}", small.stderr);
}

#[test]
fn a_reader_of_the_canary_is_rewarded_for_what_the_user_names() {
    let sandbox = Sandbox::new();
    let run = |reward: &str| sandbox.run(&["run", "canary", "--quick", "--repeats", "20", "--format", "json", "--reward", reward]);
    let all: Value = serde_json::from_str(&run("departures > 0").stdout).unwrap();
    let share = |result: &Value| {
        let figures = result["figures"].as_array().unwrap();
        let of = |version: &str| figures.iter().find(|f| f["figure"] == "answers_rewarded" && f["of"] == version).unwrap()["value"].clone();
        [of("version 1, real"), of("version 2, real")]
    };
    assert_eq!(share(&all)[1], 1.0);
    for wrong in ["departures +", "departures", "COUNT(*) > 1", "no_such_column = 1"] {
        let refused = run(wrong);
        assert!(refused.code == 2 && refused.stderr.contains("--reward"), "{wrong}: {}", refused.stderr);
    }
}
