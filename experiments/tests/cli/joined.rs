//! Standing jobs over several topics: their answers are the reference's, whatever was killed, wherever their state is.

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::standing::{self, all_is_read, follow_and_kill, until, versions};

const SQL: &str =
    "SELECT a.seller, COUNT(*) AS n, MAX(b.price) AS most FROM bids b JOIN UPSERT(TABLE auctions) a ON b.auction = a.id GROUP BY a.seller";
/// Without the join's losers, and with a topic more.
const FIXED: &str = "SELECT a.seller, COUNT(*) AS n, MIN(b.price) AS least FROM bids b JOIN UPSERT(TABLE auctions) a ON b.auction = a.id \
                     WHERE b.auction NOT IN (SELECT id FROM hidden) GROUP BY a.seller";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "auctions", "--schema", "id:int,seller:text", "--key", "id", "--partitions", "2"]);
    sandbox.ok(&["log", "create", "hidden", "--schema", "id:int"]);
    sandbox.ok(&["log", "create", "bids", "--schema", "auction:int,price:int", "--partitions", "2"]);
    append(&sandbox, 0..300);
    sandbox
}

/// Bids on ten auctions, whose sellers change all the while; one is hidden.
fn append(sandbox: &Sandbox, events: std::ops::Range<usize>) {
    let say = |topic: &str, lines: String| assert_eq!(sandbox.run_with(&["log", "append", topic, "--quiet"], &lines).code, 0);
    let seller = |i: usize| format!("{{\"id\":{},\"seller\":\"s{}\"}}\n", i % 10, i % 7);
    say("bids", events.clone().map(|i| format!("{{\"auction\":{},\"price\":{}}}\n", i * i % 12, i * 31 % 101)).collect());
    say("auctions", events.clone().step_by(9).map(seller).collect());
    say("hidden", format!("{{\"id\":{}}}\n", events.start % 10));
}

fn by_reference(sandbox: &Sandbox, sql: &str) -> String {
    sandbox.ok(&["query", "--sql", sql, "--engine", "reference", "--format", "csv"])
}

fn check(sandbox: &Sandbox, sql: &str) {
    assert_eq!(sandbox.ok(&["job", "query", "j", "--format", "csv"]), by_reference(sandbox, sql));
}

fn survives(backend: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL, "--state", backend]);
    check(&sandbox, SQL);
    append(&sandbox, 300..500);
    if backend != "memory" {
        follow_and_kill(&sandbox, &["--workers", "2"], all_is_read);
        check(&sandbox, SQL);
        append(&sandbox, 500..600);
        assert_ne!(versions(&sandbox)[0]["lag_records"], 0);
    }
    check(&sandbox, SQL);
    sandbox
}

#[test]
fn joins_stand_in_memory() {
    survives("memory");
}

#[test]
fn joins_stand_with_checkpoints() {
    let sandbox = survives("checkpoint");
    let told = &versions(&sandbox)[0];
    let parts = told["parts"].as_array().unwrap();
    assert_eq!(parts.iter().map(|p| p["topic"].as_str().unwrap()).collect::<Vec<_>>(), ["bids", "auctions"]);
    assert!(parts.iter().all(|p| p["checkpoint"]["position"].is_array() && p["groups"].as_u64() > Some(0)), "{told}");
    assert_eq!((&told["position"], &told["checkpoint"]), (&Value::Null, &Value::Null));
    let answer: Value = serde_json::from_str(&sandbox.ok(&["job", "query", "j", "--format", "json"])).unwrap();
    assert!(answer["position"]["bids"].is_string() && answer["position"]["auctions"].is_string(), "{answer}");
    let listed: Value = serde_json::from_str(&sandbox.ok(&["job", "list", "--format", "json"])).unwrap();
    assert_eq!(listed[0]["topics"], serde_json::json!(["bids", "auctions"]));
    assert!(sandbox.ok(&["job", "describe", "j"]).contains("over the topics 'bids', 'auctions'"));
    let by_key = sandbox.run(&["job", "query", "j", "--key", "s1"]);
    assert!(by_key.code == 2 && by_key.stderr.contains("ask for the whole answer"), "{}", by_key.stderr);
}

#[test]
fn joins_stand_in_a_local_index_by_which_another_process_stands() {
    let sandbox = survives("local");
    let (other, mut said) = standing::start(&sandbox, &["--standby"]);
    assert!(said.any(|line| line.contains("takes over")), "nobody runs the job");
    append(&sandbox, 600..700);
    until(&sandbox, all_is_read);
    standing::kill(other);
    check(&sandbox, SQL);
    let changelog = "SELECT COUNT(*) > 0 AS some FROM \"j.v1.2.changelog\"";
    assert_eq!(sandbox.ok(&["query", "--sql", changelog, "--format", "csv"]), "some\ntrue\n");
    sandbox.ok(&["job", "drop", "j"]);
    assert_ne!(sandbox.run(&["query", "--sql", changelog]).code, 0, "the changelogs went with the job");
}

#[test]
fn joins_stand_on_a_server() {
    let Some(server) = standing::redis() else { return };
    survives(&server).ok(&["job", "drop", "j"]);
}

#[test]
fn versions_of_joins_are_compared_cut_over_and_rolled_back() {
    let sandbox = sandbox();
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    sandbox.ok(&["job", "deploy", "j", "--sql", FIXED]);
    append(&sandbox, 300..420);
    let diff: Value = serde_json::from_str(&sandbox.ok(&["job", "diff", "j", "--format", "json"])).unwrap();
    let rows = |sql: &str| by_reference(&sandbox, sql).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let counts = |sql: &str| rows(sql).iter().map(|row| row.split(',').take(2).map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>();
    let (before, after) = (counts(SQL), counts(FIXED));
    let kept = |row: &&Vec<String>| after.iter().any(|now| now[0] == row[0]);
    assert_eq!(diff["groups"], before.len(), "no seller comes");
    assert_eq!(diff["removed"], before.iter().filter(|row| !kept(row)).count());
    // A column that only one has is a change of every group.
    assert_eq!(diff["changed"], before.iter().filter(kept).count());
    assert!(diff["position"].as_str().unwrap().contains(" and auctions "), "{diff}");
    check(&sandbox, SQL);
    sandbox.ok(&["job", "cutover", "j"]);
    check(&sandbox, FIXED);
    append(&sandbox, 420..440);
    check(&sandbox, FIXED);
    sandbox.ok(&["job", "rollback", "j"]);
    check(&sandbox, SQL);
    sandbox.ok(&["job", "delete", "j", "2"]);
    let deleted = sandbox.run(&["log", "delete", "auctions"]);
    assert!(deleted.code == 0 && deleted.stderr.contains("job 'j' read it"), "{}", deleted.stderr);
    assert_eq!(versions(&sandbox)[0]["lag_records"], Value::Null);
    let gone = sandbox.run(&["job", "query", "j"]);
    assert!(gone.code == 1 && gone.stderr.contains("auctions"), "{}", gone.stderr);
    sandbox.ok(&["job", "drop", "j"]);
}

/// A name that another topic has now is not that topic.
#[test]
fn a_topic_of_the_same_name_is_another_one() {
    let sandbox = sandbox();
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    sandbox.ok(&["log", "delete", "auctions"]);
    sandbox.ok(&["log", "create", "auctions", "--schema", "id:int,seller:text", "--key", "id"]);
    let refused = sandbox.run(&["job", "query", "j"]);
    assert!(refused.code == 1 && refused.stderr.contains("hold the records of an earlier topic 'auctions'"), "{}", refused.stderr);
    let other = sandbox.run(&["job", "deploy", "j", "--sql", "SELECT COUNT(*) AS n FROM hidden"]);
    assert!(other.code == 1 && other.stderr.contains("give the query over another topic a job of its own"), "{}", other.stderr);
}

/// What deployed a job of one topic before there could be several wrote that topic's id alone.
#[test]
fn an_older_job_takes_a_second_topic() {
    let sandbox = sandbox();
    sandbox.ok(&["job", "deploy", "j", "--sql", "SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction"]);
    let path = sandbox.path("twopath-data/.serving/jobs/j/topic-id");
    let ids: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    std::fs::write(&path, ids["bids"].as_str().unwrap()).unwrap();
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    sandbox.ok(&["job", "cutover", "j"]);
    check(&sandbox, SQL);
    // The id is that of bids, and of nothing else.
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()).unwrap()["bids"], ids["bids"]);
}

#[test]
fn a_topic_that_is_gone_stops_the_versions_that_read_it_alone() {
    let sandbox = sandbox();
    let alone = "SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction";
    sandbox.ok(&["job", "deploy", "j", "--sql", alone]);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    sandbox.ok(&["log", "delete", "auctions"]);
    let (child, mut said) = standing::start(&sandbox, &[]);
    assert!(said.any(|line| line.contains("version 1 follows the log")));
    assert!(said.any(|line| line.contains("version 2 is not followed")));
    let more: String = (0..50).map(|i| format!("{{\"auction\":{i},\"price\":1}}\n")).collect();
    assert_eq!(sandbox.run_with(&["log", "append", "bids", "--quiet"], &more).code, 0);
    until(&sandbox, |versions| all_is_read(&versions[..1]));
    standing::kill(child);
    check(&sandbox, alone);
    // Its successor is no version's yet.
    sandbox.ok(&["job", "delete", "j", "2"]);
    sandbox.ok(&["log", "create", "auctions", "--schema", "id:int,seller:text", "--key", "id"]);
    sandbox.ok(&["job", "deploy", "j", "--sql", SQL]);
    sandbox.ok(&["job", "cutover", "j"]);
    check(&sandbox, SQL);
}

/// Of two that would own a version one has all of it.
#[test]
fn of_two_processes_one_goes_on() {
    let sandbox = sandbox();
    for _ in 0..4 {
        let both = [sandbox.start(&["job", "deploy", "j", "--sql", SQL]), sandbox.start(&["job", "deploy", "j", "--sql", SQL])];
        let ended = both.map(|child| child.wait_with_output().unwrap());
        assert!(ended.iter().any(|done| done.status.success()), "{}", String::from_utf8_lossy(&ended[0].stderr));
        check(&sandbox, SQL);
        sandbox.ok(&["job", "drop", "j"]);
    }
}

#[test]
fn long_names_and_names_like_other_jobs_are_no_trouble() {
    let sandbox = sandbox();
    let long = "l".repeat(200);
    sandbox.ok(&["log", "create", &long, "--schema", "id:int"]);
    let sql = format!("SELECT b.auction, COUNT(*) AS n FROM bids b LEFT JOIN {long} l ON b.auction = l.id GROUP BY b.auction");
    sandbox.ok(&["job", "deploy", "j", "--sql", &sql, "--state", "local"]);
    check(&sandbox, &sql);
    sandbox.ok(&["job", "drop", "j"]);
}

/// A topic of which nothing but its rows' number counts.
#[test]
fn rows_of_which_no_column_is_read_are_counted_on() {
    let sandbox = sandbox();
    for (job, sql) in [
        ("a", "SELECT auction FROM bids WHERE auction NOT IN (SELECT 4 FROM hidden WHERE 1 = 2) AND price < 3"),
        ("b", "SELECT d.x, c.n FROM (SELECT DISTINCT 'a' AS x FROM hidden) d CROSS JOIN (SELECT COUNT(*) AS n FROM hidden) c"),
    ] {
        sandbox.ok(&["job", "deploy", job, "--sql", sql]);
        append(&sandbox, 300..310);
        assert_eq!(sandbox.ok(&["job", "query", job, "--format", "csv"]), by_reference(&sandbox, sql), "{sql}");
    }
}
