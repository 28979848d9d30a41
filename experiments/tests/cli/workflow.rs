//! Batch workflows: stages whose results are topics; a run that is killed goes on behind the last stage that was finished.

use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;

const TEXT: &str = r#"
[[stage]]
name = "by_k"
sql = "SELECT k, COUNT(*) AS n, SUM(n) AS s FROM t GROUP BY k"
key = "k"

[[stage]]
name = "large"
sql = "large.sql"

[[stage]]
name = "both"
sql = "SELECT t.k, COUNT(*) AS m, MAX(l.s) AS s FROM t JOIN large l ON t.k = l.k GROUP BY t.k"
"#;

fn sandbox(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "k:text,n:int", "--key", "k", "--partitions", "2"]);
    append(&sandbox, 0..2_000);
    std::fs::write(sandbox.path("steps.toml"), text).unwrap();
    std::fs::write(sandbox.path("large.sql"), "SELECT k, s FROM by_k WHERE s > 100").unwrap();
    sandbox
}

fn append(sandbox: &Sandbox, numbers: std::ops::Range<usize>) {
    let lines: String = numbers.map(|i| format!("{{\"k\":\"k{}\",\"n\":{}}}\n", i * i % 31, i as i64 % 19 - 2)).collect();
    let done = sandbox.run_with(&["log", "append", "t"], &lines);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn csv(sandbox: &Sandbox, sql: &str, more: &[&str]) -> String {
    sandbox.ok(&[&["query", "--sql", sql, "--format", "csv"], more].concat())
}

fn status(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.ok(&["workflow", "status", "steps", "--format", "json"])).unwrap()
}

/// What the last stage of a run over the first `at` records has to be.
fn check(sandbox: &Sandbox, run: u64, at: &str) {
    let all = "SELECT t.k, COUNT(*) AS m, MAX(l.s) AS s FROM t JOIN (SELECT k, SUM(n) AS s FROM t GROUP BY k HAVING SUM(n) > 100) l ON t.k = l.k GROUP BY t.k";
    let expected = csv(sandbox, all, &["--engine", "reference", "--at", at]);
    assert!(expected.lines().count() > 5, "{expected}");
    assert_eq!(csv(sandbox, &format!("SELECT * FROM \"steps.both.{run}\" ORDER BY k"), &[]), expected);
}

/// Where the log ended for one of the runs that are kept.
fn end(sandbox: &Sandbox, run: usize) -> String {
    let run = status(sandbox)[run].clone();
    let position = &run["inputs"][0]["position"];
    position.as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn each_stage_is_a_topic_and_each_run_has_its_own() {
    let sandbox = sandbox(TEXT);
    let report: Value = serde_json::from_str(&sandbox.ok(&["workflow", "run", "steps.toml", "--format", "json"])).unwrap();
    assert_eq!((&report["workflow"], &report["run"], report["stages"].as_array().unwrap().len()), (&"steps".into(), &1.into(), 3));
    assert_eq!((&report["stages"][0]["topic"], &report["stages"][0]["rows"]), (&"steps.by_k.1".into(), &16.into()));
    let first = end(&sandbox, 0);
    check(&sandbox, 1, &first);
    append(&sandbox, 2_000..3_000);
    let again = sandbox.ok(&["workflow", "run", "steps.toml", "--engine", "polars", "--keep", "2"]);
    assert!(again.contains("steps.both.2"), "{again}");
    check(&sandbox, 1, &first);
    check(&sandbox, 2, &end(&sandbox, 1));
}

#[test]
fn old_runs_go_and_a_workflow_can_be_dropped() {
    let sandbox = sandbox(TEXT);
    for _ in 0..3 {
        sandbox.ok(&["workflow", "run", "steps.toml"]);
    }
    let kept: Vec<u64> = status(&sandbox).as_array().unwrap().iter().map(|run| run["number"].as_u64().unwrap()).collect();
    assert_eq!(kept, [2, 3]);
    let is_there = |topic: &str| sandbox.path("twopath-data").join(topic).exists();
    assert!(!is_there("steps.by_k.1") && is_there("steps.by_k.2") && is_there("steps.both.3"));
    sandbox.ok(&["workflow", "drop", "steps"]);
    assert!(!is_there("steps.by_k.2") && !is_there("steps.both.3"));
    let gone = sandbox.run(&["workflow", "status", "steps"]);
    assert!(gone.code == 1 && gone.stderr.contains("no workflow 'steps' has run"), "{}", gone.stderr);
}

#[test]
fn a_run_that_is_killed_goes_on_behind_what_was_finished() {
    let stages = (1..12).map(|i| {
        format!(
            "[[stage]]\nname = \"s{i}\"\nsql = \"SELECT k, n + 1 AS n FROM {}\"\n",
            if i == 1 { "t".into() } else { format!("s{}", i - 1) }
        )
    });
    let sandbox = sandbox(&stages.collect::<String>());
    let mut finished: Vec<Value> = vec![];
    let mut seen_in_between = false;
    for attempt in 0.. {
        assert!(attempt < 200, "it comes to no end");
        let mut child = sandbox.start(&["workflow", "run", "steps.toml"]);
        std::thread::sleep(Duration::from_millis(12 + 7 * (attempt % 9)));
        let ended = child.try_wait().unwrap();
        child.kill().ok();
        child.wait().unwrap();
        if attempt == 0 {
            // What comes in between is the next run's.
            append(&sandbox, 2_000..2_100);
        }
        if !sandbox.path("twopath-data/.workflows/steps.json").exists() {
            continue;
        }
        let run = status(&sandbox)[0].clone();
        let made = run["made"].as_array().unwrap().clone();
        assert_eq!(made[..finished.len()], finished, "what was finished is not made again");
        seen_in_between |= !made.is_empty() && made.len() < 11;
        finished = made;
        if run["is_finished"] == true {
            break;
        }
        assert!(ended.is_none_or(|status| !status.success()));
    }
    assert!(seen_in_between || finished.len() == 11);
    let at = end(&sandbox, 0);
    let expected = csv(&sandbox, "SELECT k, n + 11 AS n FROM t ORDER BY k, n", &["--at", &at]);
    assert_eq!(csv(&sandbox, "SELECT k, n FROM \"steps.s11.1\" ORDER BY k, n", &[]), expected);
}

#[test]
fn what_is_wrong_is_told_by_stage() {
    let sandbox = sandbox(TEXT);
    let refused = |text: &str, code: i32, why: &str| {
        std::fs::write(sandbox.path("steps.toml"), text).unwrap();
        let done = sandbox.run(&["workflow", "run", "steps.toml"]);
        assert!(done.code == code && done.stderr.contains(why), "{text}: {}", done.stderr);
    };
    refused("", 1, "missing field `stage`");
    refused("[[stage]]\nname = \"a b\"\nsql = \"SELECT k FROM t\"", 1, "'a b' is no name");
    refused("[[stage]]\nname = \"a\"\nsql = \"none.sql\"", 1, "none.sql");
    refused(
        "[[stage]]\nname = \"a\"\nsql = \"SELECT k FROM b\"\n[[stage]]\nname = \"b\"\nsql = \"SELECT k FROM t\"",
        1,
        "put 'b' before it",
    );
    refused("[[stage]]\nname = \"a\"\nsql = \"SELECT none FROM t\"", 1, "stage 'a'");
    // That run had made nothing, and this one makes its first stage: it stays, and its text is another one.
    refused("[[stage]]\nname = \"a\"\nsql = \"SELECT k FROM t\"\n[[stage]]\nname = \"b\"\nsql = \"SELECT none FROM t\"", 1, "stage 'b'");
    refused(TEXT, 1, "begin anew with --new");
    sandbox.ok(&["workflow", "run", "steps.toml", "--new"]);
    refused("[[stage]]\nname = \"a\"\nsql = \"SELECT 1 / (n - n) AS x FROM t\"", 1, "division by zero");
    let none = sandbox.run(&["workflow", "run", "no.toml"]);
    assert!(none.code == 1 && none.stderr.contains("no.toml"), "{}", none.stderr);
}
