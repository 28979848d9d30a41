//! A chain of two feeds, whose processes are killed again and again.

use std::collections::BTreeMap;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::errors::said;
use crate::sandbox::Sandbox;

const ROWS: u64 = 60_000;

/// Small appends, so that the feeds have many frames to die between.
fn append(sandbox: &Sandbox) -> (Child, JoinHandle<()>) {
    append_at(sandbox, |_| "2024-01-01T00:00:00Z".into())
}

/// Of events at these times.
fn append_at(sandbox: &Sandbox, time: impl Fn(u64) -> String + Send + 'static) -> (Child, JoinHandle<()>) {
    let mut importer = sandbox.start(&["log", "append", "a", "--quiet"]);
    let mut input = importer.stdin.take().unwrap();
    let sender = std::thread::spawn(move || {
        for i in 0..ROWS {
            let line = format!("{{\"time\":\"{}\",\"who\":\"user{}\",\"n\":{i}}}\n", time(i), i % 97);
            std::io::Write::write_all(&mut input, line.as_bytes()).unwrap();
            if i % 200 == 0 {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
    });
    (importer, sender)
}

fn column(sandbox: &Sandbox, topic: &str, columns: &str, partition: &str) -> Vec<Vec<u64>> {
    let text = sandbox.ok(&["log", "cat", topic, "--partition", partition, "--columns", columns, "--format", "csv"]);
    text.lines().skip(1).map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect()
}

#[test]
fn killed_feeds_append_each_row_once_and_in_order() {
    let sandbox = Sandbox::new();
    let lines: String = (0..ROWS).map(|i| format!("2024-01-01T00:00:00Z,user{},{i}\n", i % 97)).collect();
    sandbox.write("a.csv", format!("time,who,n\n{lines}"));
    let create = ["--schema", "time:timestamp,who:text,n:int", "--time-column", "time", "--key", "who", "--partitions", "2"];
    sandbox.ok(&[&["log", "create", "a"][..], &create, &["--segment-bytes", "200K"]].concat());
    let feed = |input: &str, output: &str, sql: &str| -> Vec<String> {
        ["feed", "run", input, output, "--sql", sql, "--follow", "--segment-bytes", "100K"].map(String::from).to_vec()
    };
    let first = feed("a", "b", "SELECT time, who, n, n * 2 AS twice FROM a WHERE n % 5 <> 0");
    let second = feed("b", "c", "SELECT n, twice + 1 AS odd FROM b WHERE n % 7 <> 0");
    let start = |args: &Vec<String>| sandbox.start(&args.iter().map(String::as_str).collect::<Vec<_>>());

    let (mut importer, sender) = append(&sandbox);
    let (mut one, mut two) = (start(&first), None);
    let mut deaths = 0;
    // The pauses are only there to hit them at different places.
    for i in 0..24u64 {
        std::thread::sleep(Duration::from_millis(20 + i * 7919 % 41));
        if two.is_none() && sandbox.path("twopath-data/b/topic.json").exists() {
            two = Some(start(&second));
        }
        let victim = if i % 2 == 0 { Some((&mut one, &first)) } else { two.as_mut().map(|t| (t, &second)) };
        if let Some((child, args)) = victim {
            child.kill().unwrap();
            child.wait().unwrap();
            *child = start(args);
            deaths += 1;
        }
    }
    assert!(deaths >= 12, "{deaths}");
    sender.join().unwrap();
    assert!(importer.wait().unwrap().success());
    for child in [Some(&mut one), two.as_mut()].into_iter().flatten() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // The same commands, once more, to the end.
    for args in [&first, &second] {
        let args: Vec<&str> = args.iter().map(String::as_str).filter(|a| *a != "--follow").collect();
        sandbox.ok(&args);
    }
    let column = |topic: &str, columns: &str, partition: &str| column(&sandbox, topic, columns, partition);
    let mut all = 0;
    for p in ["0", "1"] {
        let reference: Vec<u64> = column("a", "n", p).into_iter().map(|row| row[0]).filter(|n| n % 5 != 0).collect();
        assert_eq!(column("b", "n,twice", p), reference.iter().map(|n| vec![*n, n * 2]).collect::<Vec<_>>());
        // The key is not passed on, so that c's partitions are b's.
        let reference: Vec<Vec<u64>> = reference.iter().filter(|n| *n % 7 != 0).map(|n| vec![*n, n * 2 + 1]).collect();
        all += reference.len() as u64;
        assert_eq!(column("c", "n,odd", p), reference);
    }
    assert_eq!(all, (0..ROWS).filter(|n| n % 5 != 0 && n % 7 != 0).count() as u64);
    for topic in ["a", "b", "c"] {
        sandbox.ok(&["log", "verify", topic]);
    }
    let graph: serde_json::Value = serde_json::from_str(&sandbox.ok(&["graph", "--format", "json"])).unwrap();
    let lags: Vec<u64> = graph["edges"].as_array().unwrap().iter().filter_map(|e| e["lag"].as_u64()).collect();
    assert_eq!(lags, [0, 0]);
}

#[test]
fn a_killed_changelog_has_each_change_once() {
    let sandbox = Sandbox::new();
    let schema = ["--schema", "time:timestamp,who:text,n:int", "--key", "who", "--partitions", "2", "--segment-bytes", "200K"];
    sandbox.ok(&[&["log", "create", "a"][..], &schema].concat());
    let groups = "SELECT n % 10 AS digit, COUNT(*) AS ids, SUM(n) AS total FROM a GROUP BY n % 10";
    let counts = ["feed", "run", "a", "counts", "--sql", groups, "--partitions", "3", "--segment-bytes", "20K"];
    let even = ["feed", "run", "counts", "even", "--sql", "SELECT digit, ids FROM counts WHERE ids % 2 = 0"];
    let following = [&counts[..], &["--follow"]].concat();
    let (mut importer, sender) = append(&sandbox);
    let mut feed = sandbox.start(&following);
    for i in 0..16u64 {
        std::thread::sleep(Duration::from_millis(20 + i * 7919 % 61));
        feed.kill().unwrap();
        feed.wait().unwrap();
        feed = sandbox.start(&following);
    }
    sender.join().unwrap();
    assert!(importer.wait().unwrap().success());
    feed.kill().unwrap();
    feed.wait().unwrap();
    // Once more, to the end.
    sandbox.ok(&counts);
    sandbox.ok(&even);
    let mut newest: BTreeMap<u64, (&str, u64, u64)> = BTreeMap::new();
    for p in ["0", "1", "2"] {
        let rows = column(&sandbox, "counts", "digit,ids,total", p);
        for row in &rows {
            let before = newest.insert(row[0], (p, row[1], row[2])).unwrap_or((p, 0, 0));
            assert_eq!(before.0, p, "a group in two partitions");
            assert!(before.1 < row[1] && before.2 <= row[2], "{before:?}, and then {row:?}");
        }
        let through: Vec<Vec<u64>> = rows.into_iter().filter(|row| row[1] % 2 == 0).map(|row| row[..2].to_vec()).collect();
        assert_eq!(column(&sandbox, "even", "digit,ids", p), through);
    }
    let wanted = (0..10).map(|digit| (ROWS / 10, (digit..ROWS).step_by(10).sum::<u64>()));
    assert_eq!(newest.values().map(|(_, ids, total)| (*ids, *total)).collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    for topic in ["counts", "even"] {
        sandbox.ok(&["log", "verify", topic]);
    }
}

/// Windows, a table and a join of two topics, whose processes are killed in turn while events arrive, whose time goes on with them, and while the other topic changes.
#[test]
fn killed_windows_and_tables_become_what_a_question_answers() {
    let sandbox = Sandbox::new();
    let schema = ["--schema", "time:timestamp,who:text,n:int", "--time-column", "time", "--key", "who", "--partitions", "2"];
    sandbox.ok(&[&["log", "create", "a"][..], &schema, &["--segment-bytes", "200K"]].concat());
    sandbox.ok(&["log", "create", "names", "--schema", "digit:int,name:text", "--key", "digit"]);
    let on_time = "TABLE WATERMARK(TABLE a, DESCRIPTOR(time), INTERVAL '1' SECOND), DESCRIPTOR(time)";
    let windows = format!(
        "SELECT who, window_start, COUNT(*) AS ids, SUM(n) AS total FROM TUMBLE({on_time}, INTERVAL '10' SECOND) GROUP BY who, window_start EMIT ON WINDOW CLOSE"
    );
    let table = "SELECT n % 10 AS digit, COUNT(*) AS users, MAX(n) AS newest FROM UPSERT(TABLE a) GROUP BY n % 10";
    let join =
        "SELECT t.digit, MAX(t.name) AS name, COUNT(*) AS events FROM a JOIN UPSERT(TABLE names) t ON a.n % 10 = t.digit GROUP BY t.digit";
    let feeds = [
        vec!["feed", "run", "a", "closed", "--sql", &windows],
        vec!["feed", "run", "a", "kept", "--sql", table, "--workers", "2"],
        vec!["feed", "run", "a", "names", "joined", "--sql", join],
        vec!["feed", "run", "a", "fired", "--sql", &windows, "--every", "50ms", "--on-time", "500ms"],
        vec!["feed", "run", "a", "rested", "--sql", table, "--workers", "2", "--state", "checkpoint", "--checkpoint-interval", "30ms"],
        vec!["feed", "run", "a", "names", "joined_rested", "--sql", join, "--state", "checkpoint", "--checkpoint-interval", "30ms"],
    ];
    // Both partitions have spoken.
    let first: String = (0..20).map(|i| format!("{{\"time\":\"2024-01-01T00:00:00Z\",\"who\":\"user{i}\",\"n\":{i}}}\n")).collect();
    assert_eq!(sandbox.run_with(&["log", "append", "a", "--quiet"], &first).code, 0);
    let (mut importer, sender) = append_at(&sandbox, |i| format!("2024-01-01T00:{:02}:{:02}.{:03}Z", i / 6000, i / 100 % 60, i % 100 * 10));
    let follow = |args: &[&str]| sandbox.start(&[args, &["--follow"]].concat());
    let mut running = feeds.each_ref().map(|args| follow(args));
    for i in 0..30u64 {
        std::thread::sleep(Duration::from_millis(30 + i * 7919 % 97));
        let (child, args) = (&mut running[i as usize % 6], &feeds[i as usize % 6]);
        child.kill().unwrap();
        child.wait().unwrap();
        *child = follow(args);
        let name = if i % 7 == 6 { "null".to_owned() } else { format!("\"name {i}\"") };
        assert_eq!(
            sandbox.run_with(&["log", "append", "names", "--quiet"], &format!("{{\"digit\":{},\"name\":{name}}}\n", i * 3 % 10)).code,
            0
        );
    }
    sender.join().unwrap();
    assert!(importer.wait().unwrap().success());
    for child in &mut running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let report = sandbox.run(&feeds[0]);
    assert!(report.code == 0 && report.stderr.contains("groups of open windows"), "{}", report.stderr);
    feeds[1..].iter().for_each(|feed| drop(sandbox.ok(feed)));
    let answer = |sql: &str| {
        let text = sandbox.ok(&["query", "--sql", sql, "--format", "csv"]);
        let mut lines: Vec<String> = text.lines().skip(1).map(String::from).collect();
        lines.sort_unstable();
        lines
    };
    let once = answer("SELECT who, window_start, ids, total FROM closed");
    assert_eq!(once, answer(&windows));
    assert!(once.len() > 5000, "{}", once.len());
    assert_eq!(once, answer("SELECT who, window_start, ids, total FROM fired WHERE firing = 'final'"));
    let newest = "SELECT who, window_start, ids, total FROM (
            SELECT who, window_start, ids, total, ROW_NUMBER() OVER (PARTITION BY who, window_start ORDER BY _offset DESC) AS place FROM fired
        ) numbered WHERE place = 1";
    assert_eq!(answer(newest), answer(windows.trim_end_matches("EMIT ON WINDOW CLOSE")), "of windows that are open, too");
    assert!(answer("SELECT firing FROM fired WHERE firing = 'early'").len() > 100);
    let otherwise = sandbox.run(&[&feeds[0][..], &["--on-time", "500ms"]].concat());
    assert!(
        otherwise.code == 1 && otherwise.stderr.contains("windows when they close, not windows when they are on time"),
        "{}",
        otherwise.stderr
    );
    assert_eq!(answer("SELECT digit, users, newest FROM UPSERT(TABLE kept)"), answer(table));
    assert_eq!(answer("SELECT digit, name, events FROM UPSERT(TABLE joined)"), answer(join));
    assert_eq!(answer("SELECT digit, users, newest FROM UPSERT(TABLE rested)"), answer(table));
    assert_eq!(answer("SELECT digit, name, events FROM UPSERT(TABLE joined_rested)"), answer(join));
    for (feed, reads_again) in [(1, true), (2, true), (4, false), (5, false)] {
        let report = sandbox.run(&feeds[feed]);
        assert!(report.code == 0 && report.stderr.contains("read again") == reads_again, "{}", report.stderr);
    }
    let listed = sandbox.ok(&["feed", "list"]);
    assert!(listed.contains("a, names"), "{listed}");
    sandbox.ok(&["log", "verify", "closed"]);
    let listed = sandbox.ok(&["graph", "--format", "json"]);
    assert!(listed.contains("\"windows\"") && listed.contains("\"table\""), "{listed}");
}

#[test]
fn feeds_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "a", "--schema", "n:int"]);
    let run = |args: &[&str]| sandbox.run(&[&["feed", "run"], args].concat());
    insta::assert_snapshot!(said(
        &sandbox,
        &[
            &["feed", "run", "a", "b", "--sql", "SELECT COUNT(*) AS c FROM a GROUP BY n"],
            &["feed", "run", "a", "b", "--sql", "SELECT COUNT(*) AS c FROM a GROUP BY n, n % 2"],
            &["feed", "run", "a", "b", "--sql", "SELECT n FROM a GROUP BY n HAVING COUNT(*) > 1"],
            &["feed", "run", "a", "b", "--sql", "SELECT n, COUNT(*) AS c FROM a GROUP BY n ORDER BY c"],
            &["feed", "run", "a", "b", "--sql", "SELECT n FROM a LIMIT 1"],
            &["feed", "run", "a", "b", "--sql", "SELECT n, COUNT(*) AS c FROM a GROUP BY n", "--key", "c"],
            &["feed", "run", "a", "b", "--sql", "SELECT n, n % 2 AS odd, COUNT(*) AS c FROM a GROUP BY n, n % 2", "--compact"],
            &["feed", "run", "a", "b", "--sql", "SELECT COUNT(*) AS c FROM a", "--compact"],
        ]
    ));
    let elsewhere = run(&["a", "b", "--sql", "SELECT n FROM b"]);
    assert_eq!(elsewhere.code, 2);
    assert!(elsewhere.stderr.contains("the query reads 'b', and the feed 'a'"), "{}", elsewhere.stderr);
    let one_of_two = sandbox.run(&["feed", "run", "a", "out", "--sql", "SELECT a.n, b.n AS m FROM a JOIN b ON a.n = b.n"]);
    assert!(one_of_two.code == 2 && one_of_two.stderr.contains("the query reads 'a', 'b', and the feed 'a'"), "{}", one_of_two.stderr);
    assert_eq!(run(&["a", "a", "--sql", "SELECT n FROM a"]).code, 1);
    assert_eq!(run(&["nope", "b", "--sql", "SELECT n FROM nope"]).code, 1);
    assert_eq!(run(&["a", "b", "--sql", "SELECT nope FROM a"]).code, 1);
    let stateless = run(&["a", "b", "--sql", "SELECT n FROM a", "--state", "local"]);
    assert_eq!((stateless.code, stateless.stderr.contains("has no state to keep; leave --state out")), (2, true), "{}", stateless.stderr);
    assert!(!sandbox.path("twopath-data/b").exists(), "nothing was made");
    assert_eq!(sandbox.ok(&["feed", "list", "--format", "json"]).trim(), "[]");
    assert_eq!(sandbox.run(&["graph", "--dir", "nowhere"]).code, 1);
    assert!(sandbox.ok(&["graph"]).contains("a"));
}

#[test]
fn feeds_are_listed_described_and_dropped() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "a", "--schema", "n:int"]);
    assert_eq!(sandbox.run_with(&["log", "append", "a"], "{\"n\":1}\n{\"n\":5}\n").code, 0);
    sandbox.ok(&["feed", "run", "a", "b", "--sql", "SELECT n FROM a WHERE n > 2"]);
    let listed = sandbox.ok(&["feed", "list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((listed[0]["name"].as_str(), listed[0]["lag"].as_u64()), (Some("b"), Some(0)));
    assert!(sandbox.ok(&["feed", "describe", "b"]).contains("WHERE n > 2"));
    let unknown = sandbox.run(&["feed", "describe", "x"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("there are: b"), "{}", unknown.stderr);
    sandbox.ok(&["feed", "drop", "b"]);
    assert_eq!(sandbox.ok(&["feed", "list", "--format", "json"]).trim(), "[]");
    assert_eq!(sandbox.ok(&["log", "cat", "b"]), "{\"n\":5}\n", "what was appended stays");
    assert!(!sandbox.ok(&["log", "groups", "a"]).contains("feed.b"), "its group is gone");
}

/// How far a feed was that was dropped says nothing of another one of its name.
#[test]
fn a_feed_of_a_name_that_was_dropped_starts_over() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "c", "--schema", "k:text,v:int"]);
    assert_eq!(sandbox.run_with(&["log", "append", "c", "--quiet"], "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n").code, 0);
    let values = |topic: &str, column: &str| -> Vec<String> {
        let sql = format!("SELECT {column} FROM {topic}");
        sandbox.ok(&["query", "--sql", &sql, "--format", "csv"]).lines().skip(1).map(String::from).collect()
    };
    for (output, first, second, wanted) in [
        ("rows", "SELECT k, v FROM c WHERE v > 1", "SELECT k, v FROM c", ["1", "2", "2"]),
        ("sums", "SELECT k, SUM(v) AS v FROM c WHERE v > 1 GROUP BY k", "SELECT k, SUM(v) * 10 AS v FROM c GROUP BY k", ["2", "10", "20"]),
    ] {
        sandbox.ok(&["feed", "run", "c", output, "--sql", first]);
        sandbox.ok(&["feed", "drop", output]);
        for _ in 0..2 {
            // It goes on where it is, too.
            sandbox.ok(&["feed", "run", "c", output, "--sql", second]);
            assert_eq!(values(output, "v"), wanted, "{output}");
        }
    }
}

#[test]
fn without_an_event_time_nothing_says_what_is_late() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "c", "--schema", "t:timestamp,v:int"]);
    let sql = "SELECT v FROM WATERMARK(TABLE c, DESCRIPTOR(t), INTERVAL '5' SECOND)";
    for args in [vec!["query", "--sql", sql], vec!["feed", "run", "c", "o", "--sql", sql], vec!["job", "deploy", "j", "--sql", sql]] {
        let refused = sandbox.run(&args);
        assert!(refused.code == 1 && refused.stderr.contains("topic c has no event time"), "{args:?}: {} {}", refused.code, refused.stderr);
    }
}
