//! create, append, cat, stat, verify.

use std::io::{BufRead, BufReader, Write};

use crate::sandbox::Sandbox;

const SCHEMA: &str = "time:timestamp, user:text, n:int, x:float, ok:bool";

fn topic(partitions: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "clicks", "--schema", SCHEMA, "--time-column", "time", "--key", "user", "--partitions", partitions]);
    sandbox
}

#[test]
fn append_cat_stat_verify() {
    let sandbox = topic("1");
    let lines = concat!(
        r#"{"time":"2024-05-01T12:00:00Z","user":"ann","n":1,"x":1.5,"ok":true}"#,
        "\n",
        r#"{"n":2,"time":"2024-05-01 13:00:00.25+01:00","user":"say \"hi\", bob"}"#,
        "\n\n",
        r#"{"time":"2024-05-02","user":null,"n":-3,"x":12.757453126122458,"ok":false}"#,
    );
    let done = sandbox.run_with(&["log", "append", "clicks"], lines);
    assert_eq!((done.code, done.stdout.lines().last()), (0, Some("3")), "{}", done.stderr);
    assert_eq!(
        sandbox.ok(&["log", "cat", "clicks", "--format", "csv"]),
        "time,user,n,x,ok\n\
         2024-05-01T12:00:00Z,ann,1,1.5,true\n\
         2024-05-01T12:00:00.25Z,\"say \"\"hi\"\", bob\",2,,\n\
         2024-05-02T00:00:00Z,,-3,12.757453126122458,false\n"
    );
    // What cat writes, append takes.
    let copy = sandbox.ok(&["log", "cat", "clicks"]);
    sandbox.ok(&["log", "create", "copy", "--schema", SCHEMA, "--time-column", "time"]);
    assert_eq!(sandbox.run_with(&["log", "append", "copy", "--quiet"], &copy).stdout, "");
    assert_eq!(sandbox.ok(&["log", "cat", "copy"]), copy);

    let stat: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "stat", "clicks", "--format", "json"])).unwrap();
    assert_eq!(stat["records"], 3);
    assert_eq!(stat["end"], "3");
    assert_eq!(stat["partitions"][0]["event_time_min"], "2024-05-01T12:00:00Z");
    assert_eq!(stat["partitions"][0]["event_time_max"], "2024-05-02T00:00:00Z");
    assert_eq!(stat["columns"][0]["nullable"], false);
    let topics: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "stat", "--format", "json"])).unwrap();
    assert_eq!(topics.as_array().unwrap().len(), 2);
    assert!(sandbox.ok(&["log", "stat", "clicks"]).contains("clicks: 3 records"));
    assert_eq!(sandbox.ok(&["log", "verify", "clicks"]), "");
    let report: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "verify", "clicks", "--format", "json"])).unwrap();
    assert_eq!((&report["records"], report["problems"].as_array().unwrap().len()), (&3.into(), 0));
}

#[test]
fn stat_counts_what_is_left() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "a", "--schema", "k:text, n:int", "--key", "k", "--segment-bytes", "1"]);
    for n in 1..=5 {
        let line = format!("{{\"k\":\"{}\",\"n\":{n}}}\n", if n % 2 == 0 { "even" } else { "odd" });
        assert_eq!(sandbox.run_with(&["log", "append", "a", "--quiet"], &line).code, 0);
    }
    let counted = |records: u64, start: &str| {
        let stat: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "stat", "a", "--format", "json"])).unwrap();
        assert_eq!((&stat["records"], &stat["partitions"][0]["records"]), (&records.into(), &records.into()));
        assert_eq!((&stat["start"], &stat["end"]), (&start.into(), &"5".into()));
        assert_eq!(sandbox.ok(&["log", "cat", "a"]).lines().count() as u64, records);
        let topics: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "stat", "--format", "json"])).unwrap();
        assert_eq!(topics[0]["records"], records);
    };
    counted(5, "0");
    sandbox.ok(&["log", "compact", "a", "--dirty-ratio", "0"]);
    counted(2, "0");
    sandbox.ok(&["log", "retain", "a", "--bytes", "1"]);
    counted(1, "4");
    assert!(sandbox.ok(&["log", "stat", "a"]).contains("from 4 up to 5"));
}

#[test]
fn lines_that_do_not_fit_are_told_and_left_out() {
    let sandbox = topic("1");
    let lines = concat!(
        "{\"time\":\"2024-05-01T12:00:00Z\",\"n\":1}\n",
        "{\"time\":\"2024-05-01T12:00:00Z\",\"n\":1.5}\n",
        "{\"time\":\"yesterday\"}\n",
        "{\"n\":4}\n",
        "[1,2]\n",
        "{\"time\": \"2024-05-01T12:00:00Z\"\n",
        "{\"time\":\"2024-05-01T12:00:00Z\",\"nn\":1}\n",
        "{\"time\":\"2024-05-01T12:00:00Z\",\"n\":1,\"n\":2}\n",
        "{\"time\":\"2024-05-01T12:00:00Z\",\"n\":9}\n",
    );
    let done = sandbox.run_with(&["log", "append", "clicks"], lines);
    assert_eq!(done.code, 1);
    insta::assert_snapshot!("append_bad_lines", done.stderr);
    assert_eq!(sandbox.ok(&["log", "cat", "clicks", "--columns", "n"]), "{\"n\":1}\n{\"n\":9}\n");
}

#[test]
fn no_field_of_an_object_is_dropped() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "a", "--schema", "i:int, u.id:int"]);
    let lines = concat!(
        "{\"i\":1,\"u\":{\"id\":5}}\n",
        "{\"i\":2,\"u\":{\"id\":5,\"x\":\"lost\"}}\n",
        "{\"i\":3,\"u\":{\"id\":5},\"u.id\":6}\n",
        "{\"i\":4,\"u.id\":7}\n",
    );
    let done = sandbox.run_with(&["log", "append", "a"], lines);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("line 2, column 'u.x': there is no such column in the schema"), "{}", done.stderr);
    assert!(done.stderr.contains("line 3, column 'u.id': the field 'u.id' stands there twice"), "{}", done.stderr);
    assert_eq!(sandbox.ok(&["log", "cat", "a", "--format", "csv"]), "i,u.id\n1,5\n4,7\n");
}

#[test]
fn cat_chooses() {
    let sandbox = topic("2");
    let lines: String =
        (0..100).map(|i| format!("{{\"time\":\"2024-05-01T{:02}:00:00Z\",\"user\":\"u{i}\",\"n\":{i}}}\n", i / 5)).collect();
    sandbox.run_with(&["log", "append", "clicks"], &lines);
    let rows = |args: &[&str]| sandbox.ok(&[&["log", "cat", "clicks"], args].concat());
    let all = rows(&[]);
    let parts = [rows(&["--partition", "0"]), rows(&["--partition", "1"])];
    assert_eq!(all, parts.concat());
    assert!(parts.iter().all(|p| p.lines().count() > 20), "both partitions have some");
    assert_eq!(
        rows(&["--partition", "0", "--from", "3", "--to", "5"]),
        parts[0].lines().skip(3).take(2).map(|l| format!("{l}\n")).collect::<String>()
    );
    assert_eq!(rows(&["--from", "10,12", "--to", "11,12"]).lines().collect::<Vec<_>>(), [parts[0].lines().nth(10).unwrap()]);
    assert_eq!(rows(&["--from", "end"]), "");
    assert_eq!(rows(&["--limit", "7"]).lines().count(), 7);
    assert_eq!(rows(&["--since", "2030-01-01"]), "");
    assert_eq!(rows(&["--since-arrival", "2000-01-01"]), all);
    let placed = rows(&["--with-offsets", "--partition", "1", "--limit", "1", "--columns", "n,user", "--format", "csv"]);
    assert!(placed.starts_with("_partition,_offset,_arrival,n,user\n1,0,"), "{placed}");
}

#[test]
fn cat_follows() {
    let sandbox = topic("2");
    let mut follower = sandbox.start(&["log", "cat", "clicks", "--follow", "--columns", "n", "--limit", "3"]);
    let mut appender = sandbox.start(&["log", "append", "clicks"]);
    let mut seen = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut input = appender.stdin.take().unwrap();
    for n in 0..3 {
        // Each is seen before the next is given.
        writeln!(input, "{{\"time\":\"2024-05-01\",\"user\":\"u{n}\",\"n\":{n}}}").unwrap();
        assert_eq!(seen.next().unwrap().unwrap(), format!("{{\"n\":{n}}}"));
    }
    drop(input);
    assert!(follower.wait().unwrap().success());
    assert!(appender.wait().unwrap().success());
}
