//! Late records: counted, and in a topic of their own, each once. What is late was worked out by hand, or by the rule read aloud.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

const ON_TIME: &str = "SELECT n FROM WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '10' SECOND)";

/// Times in seconds, each record an append of its own: the numbers 1 and 3 are more than 10 s behind the greatest before them, 5 exactly 10.
const TIMES: [u64; 6] = [40, 20, 35, 0, 50, 40];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "time:timestamp, n:int", "--time-column", "time"]);
    TIMES.iter().enumerate().for_each(|(n, seconds)| append(&sandbox, n, *seconds));
    sandbox
}

fn append(sandbox: &Sandbox, n: usize, seconds: u64) {
    let line = format!("{{\"time\":\"2020-01-01T00:00:{seconds:02}Z\",\"n\":{n}}}\n");
    assert_eq!(sandbox.run_with(&["log", "append", "t", "--quiet"], &line).code, 0);
}

fn numbers(sandbox: &Sandbox, topic: &str) -> Vec<u64> {
    let text = sandbox.ok(&["log", "cat", topic, "--columns", "n", "--format", "csv"]);
    text.lines().skip(1).map(|n| n.parse().unwrap()).collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_engine_counts_what_is_left_out() {
    let sandbox = sandbox();
    for engine in ["reference", "batch-polars", "batch-rayon", "speed-timely", "speed-differential", "merged", "kappa"] {
        for (at, kept, late) in [("6", 4, 2), ("3", 2, 1), ("0", 0, 0)] {
            let answer = parsed(&sandbox.ok(&["query", "--sql", ON_TIME, "--engine", engine, "--at", at, "--format", "json"]));
            assert_eq!(answer["rows"].as_array().unwrap().len(), kept, "{engine}");
            assert_eq!(answer["late"], json!([{"topic": "t", "delay_us": 10_000_000, "records": late}]), "{engine}");
        }
    }
    let told = sandbox.run(&["query", "--sql", ON_TIME]).stderr;
    assert!(
        told.contains("2 records of t came too late, more than 00:00:10 behind newer ones of the same partition, and left out"),
        "{told}"
    );
    let both = "SELECT COUNT(*) AS n FROM WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '9' SECOND) a CROSS JOIN WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '15' SECOND) b";
    for engine in ["reference", "batch"] {
        let answer = parsed(&sandbox.ok(&["query", "--sql", both, "--engine", engine, "--format", "json"]));
        let late: Vec<u64> = answer["late"].as_array().unwrap().iter().map(|l| l["records"].as_u64().unwrap()).collect();
        assert_eq!(late, [3, 2], "{engine}");
    }
    // What has no watermark says nothing of late records.
    assert!(parsed(&sandbox.ok(&["query", "--sql", "SELECT n FROM t", "--format", "json"])).get("late").is_none());
    // A count goes on from the last.
    let incremental = ["query", "--sql", ON_TIME, "--incremental", "--format", "json"];
    assert_eq!(parsed(&sandbox.ok(&incremental))["late"][0]["records"], 2);
    append(&sandbox, 6, 39);
    assert_eq!(parsed(&sandbox.ok(&incremental))["late"][0]["records"], 3);
}

/// Latenesses by hand, in seconds: 20, 5, 40, 0, 10; the first record has none.
#[test]
fn a_percentile_of_the_lateness_seen_is_a_delay() {
    let sandbox = sandbox();
    let of = |share: &str| ON_TIME.replace("INTERVAL '10' SECOND", &format!("PERCENTILE({share})"));
    for engine in ["reference", "batch-polars", "batch-rayon", "speed-timely", "speed-differential", "merged", "kappa"] {
        for (at, share, seconds, late) in
            [("6", "0.6", 10, 2), ("6", "0.61", 20, 1), ("6", "1", 40, 0), ("6", "0.2", 0, 4), ("3", "0.5", 5, 1), ("0", "0.9", 0, 0)]
        {
            let answer = parsed(&sandbox.ok(&["query", "--sql", &of(share), "--engine", engine, "--at", at, "--format", "json"]));
            let wanted = json!([{"topic": "t", "delay_us": seconds * 1_000_000, "records": late}]);
            assert_eq!(answer["late"], wanted, "{engine}, {share} at {at}");
        }
    }
    // What stays keeps its delay, and is told which.
    for stays in [["job", "deploy", "j", "--sql"], ["feed", "run", "t", "o"]] {
        let sql = of("0.6");
        let args = if stays[0] == "feed" { [&stays[..], &["--sql", &sql]].concat() } else { [&stays[..], &[&sql]].concat() };
        let refused = sandbox.run(&args);
        assert!(refused.code == 1 && refused.stderr.contains("write INTERVAL '00:00:10'"), "{} {}", refused.code, refused.stderr);
    }
    let refused = sandbox.run(&["query", "--sql", &of("99")]);
    assert!(refused.code == 1 && refused.stderr.contains("write PERCENTILE(0.99)"), "{}", refused.stderr);
}

#[test]
fn a_question_puts_late_records_into_a_topic_once() {
    let sandbox = sandbox();
    let ask = |more: &[&str]| sandbox.ok(&[&["query", "--sql", ON_TIME, "--late-to", "late"], more].concat());
    ask(&["--at", "3"]);
    assert_eq!(numbers(&sandbox, "late"), [1]);
    ask(&["--at", "1"]);
    ask(&[]);
    ask(&["--engine", "speed"]);
    assert_eq!(numbers(&sandbox, "late"), [1, 3]);
    append(&sandbox, 6, 39);
    ask(&[]);
    assert_eq!(numbers(&sandbox, "late"), [1, 3, 6]);
    let columns = |topic: &str| sandbox.ok(&["query", "--sql", &format!("SELECT * FROM {topic} WHERE n = 6"), "--format", "csv"]);
    assert_eq!(columns("late"), columns("t"));

    let refused = |sql: &str, to: &str, says: &str| {
        let done = sandbox.run(&["query", "--sql", sql, "--late-to", to]);
        assert!(done.code == 2 && done.stderr.contains(says) && done.stdout.is_empty(), "{} {}", done.code, done.stderr);
    };
    refused("SELECT n FROM t", "other", "nothing is late for a query without a watermark");
    refused(&ON_TIME.replace("10", "20"), "late", "the feed of that name is defined as");
    let both = format!("SELECT COUNT(*) AS n FROM WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '9' SECOND) a CROSS JOIN ({ON_TIME}) b");
    refused(&both, "other", "`twopath feed run t other --sql");
    refused(ON_TIME, "../x", "cannot be a feed's name");
}

#[test]
fn a_job_tells_what_is_late_and_passes_it_on() {
    let sandbox = sandbox();
    let sql = "SELECT COUNT(*) AS n FROM WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '10' SECOND)";
    sandbox.ok(&["job", "deploy", "j", "--sql", sql, "--late-to", "late"]);
    assert_eq!(numbers(&sandbox, "late"), [1, 3]);
    let late = |text: String| parsed(&text);
    let status = || late(sandbox.ok(&["job", "status", "j", "--format", "json"]))[0]["versions"][0].clone();
    assert_eq!((&status()["late"][0]["records"], &status()["late_to"]), (&json!(2), &json!("late")));
    append(&sandbox, 6, 39);
    let answer = late(sandbox.ok(&["job", "query", "j", "--format", "json"]));
    assert_eq!((&answer["rows"][0]["n"], &answer["late"][0]["records"]), (&json!(4), &json!(3)));
    assert_eq!(status()["late"][0]["records"], 3);
    let told = sandbox.run(&["job", "status", "j"]).stderr;
    assert!(told.contains("version 1 of job 'j': 3 records of t came too late") && told.contains("they go to 'late'"), "{told}");

    // Who runs the job takes its feed along; another version with the same watermark has the same one.
    let mut running = sandbox.start(&["job", "run", "j"]);
    while numbers(&sandbox, "late").len() < 3 {
        std::thread::sleep(Duration::from_millis(20));
    }
    sandbox.ok(&["job", "deploy", "j", "--sql", &sql.replace("COUNT(*)", "SUM(n)"), "--late-to", "late"]);
    append(&sandbox, 7, 0);
    while numbers(&sandbox, "late").len() < 4 {
        std::thread::sleep(Duration::from_millis(20));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(numbers(&sandbox, "late"), [1, 3, 6, 7]);
    let refused = sandbox.run(&["job", "deploy", "k", "--sql", "SELECT COUNT(*) AS n FROM t", "--late-to", "other"]);
    assert!(refused.code == 2 && refused.stderr.contains("without a watermark"), "{}", refused.stderr);
}

/// A feed and that of its late records, killed again and again while records arrive.
#[test]
fn killed_feeds_have_each_late_record_once() {
    const ROWS: u64 = 30_000;
    // Up to 20 s behind, by a rule that has no period of its own.
    let seconds = |i: u64| (i / 50 + 20).saturating_sub(i * 7919 % 21);
    let sandbox = Sandbox::new();
    let schema = ["--schema", "time:timestamp, who:text, n:int", "--time-column", "time", "--key", "who", "--partitions", "2"];
    sandbox.ok(&[&["log", "create", "t"][..], &schema, &["--segment-bytes", "200K"]].concat());
    let groups = "SELECT who, COUNT(*) AS n FROM WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '10' SECOND) GROUP BY who";
    let feed = ["feed", "run", "t", "counts", "--sql", groups, "--late-to", "late"];
    let following = [&feed[..], &["--follow"]].concat();
    let mut importer = sandbox.start(&["log", "append", "t", "--quiet"]);
    let mut input = importer.stdin.take().unwrap();
    let sender = std::thread::spawn(move || {
        for i in 0..ROWS {
            let line = format!("{{\"time\":{},\"who\":\"user{}\",\"n\":{i}}}\n", json!(at(seconds(i))), i % 97);
            std::io::Write::write_all(&mut input, line.as_bytes()).unwrap();
            if i % 200 == 0 {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
    });
    let mut run = sandbox.start(&following);
    for i in 0..12u64 {
        // The pauses are only there to hit it at different places.
        std::thread::sleep(Duration::from_millis(20 + i * 7919 % 41));
        run.kill().unwrap();
        run.wait().unwrap();
        run = sandbox.start(&following);
    }
    sender.join().unwrap();
    assert!(importer.wait().unwrap().success());
    run.kill().unwrap();
    run.wait().unwrap();
    // Once more, to the end.
    sandbox.ok(&feed);
    // What is late: those that the reference, row by row, leaves out.
    let all = sandbox.ok(&["query", "--sql", "SELECT n FROM t", "--engine", "reference", "--format", "csv"]);
    let on_time = sandbox.ok(&["query", "--sql", ON_TIME, "--engine", "reference", "--format", "csv"]);
    let on_time: std::collections::BTreeSet<&str> = on_time.lines().skip(1).collect();
    let reference: Vec<u64> = all.lines().skip(1).filter(|n| !on_time.contains(n)).map(|n| n.parse().unwrap()).collect();
    assert!(reference.len() > 100 && on_time.len() > 100, "{} late, {} on time", reference.len(), on_time.len());
    let mut late = numbers(&sandbox, "late");
    late.sort_unstable();
    assert_eq!(late, reference);
    sandbox.ok(&["log", "verify", "late"]);
}

fn at(seconds: u64) -> String {
    format!("2020-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
