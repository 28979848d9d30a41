//! job: a version beside a version, cutover, rollback, deletion; killed at any moment.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;

/// A daily count by day, and another by day and key.
const V1: &str = "SELECT k, COUNT(*) AS n, SUM(n) AS s FROM t GROUP BY k";
const V2: &str = "SELECT k, COUNT(*) AS n, SUM(n + 1) AS s FROM t WHERE n > 0 GROUP BY k";

/// A topic `t` of two partitions with `events` events.
fn topic(events: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    create(&sandbox);
    append(&sandbox, 0..events);
    sandbox
}

fn create(sandbox: &Sandbox) {
    let create =
        ["log", "create", "t", "--schema", "time:timestamp,k:text,n:int", "--time-column", "time", "--key", "k", "--partitions", "2"];
    sandbox.ok(&create);
}

fn append(sandbox: &Sandbox, numbers: std::ops::Range<usize>) {
    let lines: String =
        numbers.map(|i| format!("{{\"time\":\"2024-05-01\",\"k\":\"k{}\",\"n\":{}}}\n", i % 7, i as i64 % 11 - 2)).collect();
    let done = sandbox.run_with(&["log", "append", "t"], &lines);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn answer(sandbox: &Sandbox) -> String {
    sandbox.ok(&["job", "query", "j", "--format", "csv"])
}

/// What the oracle gives at the log's end.
fn reference(sandbox: &Sandbox, sql: &str) -> String {
    sandbox.ok(&["query", "--sql", sql, "--engine", "reference", "--format", "csv"])
}

/// The versions with their states, and the records that each is behind.
fn states(sandbox: &Sandbox) -> Vec<(u64, String, u64)> {
    let status: Value = serde_json::from_str(&sandbox.ok(&["job", "status", "j", "--format", "json"])).unwrap();
    let versions = status[0]["versions"].as_array().unwrap();
    versions
        .iter()
        .map(|v| (v["version"].as_u64().unwrap(), v["state"].as_str().unwrap().into(), v["lag_records"].as_u64().unwrap()))
        .collect()
}

fn deploy(sandbox: &Sandbox, sql: &str) {
    sandbox.ok(&["job", "deploy", "j", "--sql", sql]);
}

/// Of an answer that LIMIT or OFFSET cuts, a group alone does not know whether it is in it.
#[test]
fn a_key_of_an_answer_that_is_cut_is_refused() {
    let sandbox = topic(70);
    for (name, sql) in [("top", format!("{V1} ORDER BY n DESC, k LIMIT 1")), ("rest", format!("{V1} ORDER BY n DESC, k OFFSET 1"))] {
        sandbox.ok(&["job", "deploy", name, "--sql", &sql]);
        sandbox.ok(&["job", "query", name]);
        let refused = sandbox.run(&["job", "query", name, "--key", "k3"]);
        assert!(refused.code == 2 && refused.stderr.contains("which it cuts at LIMIT or OFFSET"), "{}", refused.stderr);
    }
}

/// The events behind a difference are found by a query that goes by the log's own columns, too.
#[test]
fn a_diff_of_what_goes_by_the_log_shows_its_events() {
    let sandbox = topic(100);
    deploy(&sandbox, "SELECT k, LAST_VALUE(n) AS last, MAX_BY(n, time) AS first FROM t GROUP BY k");
    deploy(&sandbox, "SELECT k, LAST_VALUE(n + 1) AS last, MAX_BY(n, time) AS first FROM t WHERE _offset >= 0 GROUP BY k");
    let diff: Value = serde_json::from_str(&sandbox.ok(&["job", "diff", "j", "--format", "json"])).unwrap();
    assert_eq!(diff["changed"], 7, "{diff}");
    let example = &diff["examples"][0];
    assert_eq!(example["events"][0]["row"]["k"], example["key"]["k"], "{example}");
}

#[test]
fn a_change_of_the_code_from_deployment_to_deletion() {
    let sandbox = topic(1_000);
    deploy(&sandbox, V1);
    assert_eq!(states(&sandbox), [(1, "active".into(), 0)]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V1));

    // What arrives later is in the answer, though the table at rest has not seen it.
    append(&sandbox, 1_000..1_500);
    assert_eq!(states(&sandbox), [(1, "active".into(), 500)]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V1));

    deploy(&sandbox, V2);
    assert_eq!(states(&sandbox), [(1, "active".into(), 500), (2, "ready".into(), 0)]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V1), "readers stay where they are");
    let asked = sandbox.ok(&["job", "query", "j", "--version", "2", "--format", "csv"]);
    assert_eq!(asked, reference(&sandbox, V2));
    assert_ne!(reference(&sandbox, V1), reference(&sandbox, V2), "or the test shows nothing");

    // The lag is closed before readers are moved.
    append(&sandbox, 1_500..1_600);
    sandbox.ok(&["job", "cutover", "j"]);
    assert_eq!(states(&sandbox), [(1, "standby".into(), 600), (2, "active".into(), 0)]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V2));
    sandbox.ok(&["job", "rollback", "j"]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V1));
    sandbox.ok(&["job", "rollback", "j"]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V2));

    sandbox.ok(&["job", "delete", "j", "1"]);
    assert_eq!(states(&sandbox), [(2, "active".into(), 0)]);
    assert_eq!(answer(&sandbox), reference(&sandbox, V2));
}

#[test]
fn an_empty_topic_and_barriers() {
    let sandbox = topic(0);
    deploy(&sandbox, V1);
    assert_eq!(answer(&sandbox), "k,n,s\n");
    append(&sandbox, 0..40);
    assert_eq!(answer(&sandbox), reference(&sandbox, V1));
}

#[test]
fn tables_of_a_topic_that_was_deleted_are_not_taken_for_those_of_the_next_one() {
    let sandbox = topic(100);
    deploy(&sandbox, V1);
    deploy(&sandbox, V2);
    std::fs::remove_dir_all(sandbox.path("twopath-data/t")).unwrap();
    create(&sandbox);
    append(&sandbox, 1_000..1_300);
    let status = sandbox.run(&["job", "status", "j"]);
    assert!(status.code == 0 && status.stderr.contains("the records of an earlier topic 't'"), "{}", status.stderr);
    for args in [&["query", "j"][..], &["run", "j"], &["cutover", "j"], &["rollback", "j"], &["deploy", "j", "--sql", V1]] {
        let done = sandbox.run(&[&["job"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{args:?}");
        if args[0] != "rollback" {
            assert!(done.stderr.contains("the records of an earlier topic 't'"), "{args:?}: {}", done.stderr);
        }
    }
    sandbox.ok(&["job", "deploy", "k", "--sql", V1]);
    assert_eq!(sandbox.ok(&["job", "query", "k", "--format", "csv"]), reference(&sandbox, V1));
    std::fs::remove_dir_all(sandbox.path("twopath-data/.serving/jobs/j")).unwrap();
    deploy(&sandbox, V1);
    assert_eq!(answer(&sandbox), reference(&sandbox, V1));
}

#[test]
fn mistakes_are_told() {
    let sandbox = topic(20);
    sandbox.ok(&["log", "create", "other", "--schema", "a:int"]);
    let mut told = String::new();
    let mut say = |args: &[&str]| {
        let done = sandbox.run(args);
        assert_eq!(done.stdout, "", "{args:?}");
        told += &format!("$ twopath {}\n{}[exit code {}]\n\n", args.join(" "), done.stderr, done.code);
    };
    say(&["job", "query", "j"]);
    say(&["job", "cutover", "j"]);
    say(&["job", "deploy", "../j", "--sql", V1]);
    say(&["job", "deploy", "j", "--sql", "SELECT nope FROM t"]);
    say(&["job", "deploy", "j", "--sql", "SELECT a FROM nowhere"]);
    say(&["job", "deploy", "j", "--sql", "SELECT k, SUM(1 / (n - n)) AS x FROM t GROUP BY k"]);
    say(&["job", "query", "j"]);
    say(&["job", "cutover", "j"]);
    say(&["job", "delete", "j", "1"]);
    sandbox.ok(&["job", "deploy", "j", "--sql", V1]);
    say(&["job", "deploy", "j", "--sql", "SELECT COUNT(*) FROM other"]);
    say(&["job", "rollback", "j"]);
    say(&["job", "delete", "j", "1"]);
    say(&["job", "delete", "j", "7"]);
    say(&["job", "cutover", "j", "7"]);
    insta::assert_snapshot!(told);
}

/// A deployment and a cutover killed at many moments: readers have version 1 whole or version 2 whole, and the same commands finish it.
#[test]
fn killed_at_any_moment() {
    let sandbox = topic(20_000);
    deploy(&sandbox, V1);
    let (v1, v2) = (reference(&sandbox, V1), reference(&sandbox, V2));
    let kill_after = |args: &[&str], wait: Duration| {
        let mut child = sandbox.start(args);
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
    };
    for round in 0..12 {
        let wait = Duration::from_millis(round * 4);
        kill_after(&["job", "deploy", "j", "--sql", V2], wait);
        assert_eq!(answer(&sandbox), v1, "round {round}");
        deploy(&sandbox, V2);
        let newest = states(&sandbox).last().unwrap().0;
        assert_eq!(states(&sandbox).last().unwrap().1, "ready");
        kill_after(&["job", "cutover", "j"], wait);
        let got = answer(&sandbox);
        assert!(got == v1 || got == v2, "round {round}: {got}");
        sandbox.ok(&["job", "cutover", "j"]);
        assert_eq!(answer(&sandbox), v2, "round {round}");
        sandbox.ok(&["job", "cutover", "j", "1"]);
        kill_after(&["job", "delete", "j", &newest.to_string()], wait);
        assert_eq!(answer(&sandbox), v1, "round {round}");
    }
}

/// A process that follows: what it puts at rest is exact, and it notices what others decide.
#[test]
fn a_job_that_runs() {
    let sandbox = topic(100);
    deploy(&sandbox, V1);
    let mut child = sandbox.start(&["job", "run", "j", "--save-every", "50ms"]);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut hear = |what: &str| assert!(said.any(|line| line.contains(what)), "it ended without saying '{what}'");
    hear("version 1 follows the log");
    append(&sandbox, 100..300);
    while states(&sandbox)[0].2 > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    deploy(&sandbox, V2);
    hear("version 2 follows the log");
    sandbox.ok(&["job", "cutover", "j"]);
    hear("readers are on version 2");
    sandbox.ok(&["job", "delete", "j", "1"]);
    append(&sandbox, 300..400);
    // SAFETY: a system call on numbers; the child is ours and has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    hear("at rest");
    assert!(child.wait().unwrap().success());
    assert_eq!(answer(&sandbox), reference(&sandbox, V2));
}

#[test]
fn jobs_are_listed_described_asked_for_one_key_and_dropped() {
    let sandbox = topic(200);
    assert_eq!(sandbox.ok(&["job", "list", "--format", "json"]).trim(), "[]");
    deploy(&sandbox, V1);
    let listed: Value = serde_json::from_str(&sandbox.ok(&["job", "list", "--format", "json"])).unwrap();
    assert_eq!(listed, serde_json::json!([{"job": "j", "topic": "t", "topics": ["t"], "versions": 1, "active": 1}]));
    assert!(sandbox.ok(&["job", "describe", "j"]).contains(V1));

    let all = answer(&sandbox);
    let wanted = all.lines().find(|l| l.starts_with("k3,")).unwrap();
    let one = sandbox.ok(&["job", "query", "j", "--key", "k3", "--format", "csv"]);
    assert_eq!(one.lines().collect::<Vec<_>>(), ["k,n,s", wanted]);
    assert_eq!(sandbox.ok(&["job", "query", "j", "--key", "nobody", "--format", "csv"]), "k,n,s\n");
    assert_eq!(sandbox.run(&["job", "query", "j", "--key", "a", "--key", "b"]).code, 2, "two values for one key");

    let refused = sandbox.run(&["job", "delete", "j", "1"]);
    assert!(refused.code == 1 && refused.stderr.contains("twopath job drop j"), "{}", refused.stderr);
    sandbox.ok(&["job", "drop", "j"]);
    assert_eq!(sandbox.ok(&["job", "list", "--format", "json"]).trim(), "[]");
    assert_eq!(sandbox.run(&["job", "query", "j"]).code, 1);
    deploy(&sandbox, V2);
    assert_eq!(answer(&sandbox), reference(&sandbox, V2));
}
