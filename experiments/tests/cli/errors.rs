//! What is said of bad input: every message as a snapshot, so that a change of one is seen.

use std::io::{BufRead, BufReader, Write};

use crate::sandbox::Sandbox;

/// A topic `t` of two partitions with four events.
fn topic() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&[
        "log",
        "create",
        "t",
        "--schema",
        "time:timestamp,k:text,n:int",
        "--time-column",
        "time",
        "--key",
        "k",
        "--partitions",
        "2",
    ]);
    let lines: String = (0..4).map(|i| format!("{{\"time\":\"2024-05-01\",\"k\":\"k{i}\",\"n\":{i}}}\n")).collect();
    sandbox.run_with(&["log", "append", "t"], &lines);
    sandbox.write("a.csv", "time,k,n\n2024-01-01,a,1\n2024-01-02,b,2\n");
    sandbox
}

/// Every command with its exit code and what it said on standard error; standard output must stay empty.
pub fn said(sandbox: &Sandbox, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for args in commands {
        let done = sandbox.run(args);
        assert_eq!(done.stdout, "", "{args:?}");
        text += &format!("$ twopath {}\n{}[exit code {}]\n\n", args.join(" "), done.stderr, done.code);
    }
    text
}

#[test]
fn of_files() {
    let sandbox = topic();
    sandbox.write("a.xyz", "");
    sandbox.write("empty.csv", "");
    sandbox.write("header.csv", "a,b\n");
    sandbox.write("empty.jsonl", "");
    sandbox.write("twice.csv", "a,a\n1,2\n");
    sandbox.write("text.parquet", "this is no parquet file, though it is long enough");
    sandbox.write("text.arrow", "this is no arrow file");
    sandbox.write("numbers.csv", "time,n\n1,2\n3,4\n");
    std::fs::create_dir(sandbox.path("folder.csv")).unwrap();
    insta::assert_snapshot!(said(
        &sandbox,
        &[
            &["log", "import", "b", "--from", "missing.csv"],
            &["log", "import", "b", "--from", "folder.csv"],
            &["log", "import", "b", "--from", "a.xyz"],
            &["log", "import", "b", "--from", "empty.csv"],
            &["log", "import", "b", "--from", "header.csv"],
            &["log", "import", "b", "--from", "empty.jsonl"],
            &["log", "import", "b", "--from", "twice.csv"],
            &["log", "import", "b", "--from", "text.parquet"],
            &["log", "import", "b", "--from", "text.arrow"],
            &["log", "import", "b", "--from", "a.csv", "--input-format", "parquet"],
            &["log", "import", "b", "--from", "a.csv", "--time-column", "nope"],
            &["log", "import", "b", "--from", "a.csv", "--time-column", "n"],
            &["log", "import", "b", "--from", "a.csv", "--columns", "time,nope"],
            &["log", "import", "b", "--from", "a.csv", "--key", "nope"],
            &["log", "import", "b", "--from", "numbers.csv", "--time-column", "time"],
            &["log", "import", "t", "--from", "numbers.csv"],
            &["log", "import", "t", "--from", "a.csv", "--time-column", "k"],
            &["log", "import", "t", "--from", "a.csv", "--partitions", "5"],
            &["log", "import", "t", "--from", "a.csv", "--key", "n"],
            &["log", "import", "t", "--from", "twice.csv"],
            &["log", "import", "b", "--from", "a.csv", "--schema", "time:moment"],
            &["log", "import", "b", "--from", "a.csv", "--schema", "missing.schema"],
            &["log", "create", "b", "--schema", "a:int, *"],
            &["log", "create", "b", "--schema", "a:int", "--time-column", "a"],
            &["log", "create", "b", "--schema", "a:int", "--time-column", "b"],
            &["log", "create", "t", "--schema", "a:int"],
            &["log", "create", "../t", "--schema", "a:int"],
        ]
    ));
}

#[test]
fn of_queries() {
    let sandbox = topic();
    sandbox.write("bad.sql", "SELECT k,\n       SUM(m) AS s\nFROM t\nGROUP BY k\n");
    insta::assert_snapshot!(said(
        &sandbox,
        &[
            &["query", "--sql", "SELECT k COUNT(*) FROM t"],
            &["query", "--sql", "bad.sql"],
            &["query", "--sql", "missing.sql"],
            &["query", "--sql", ""],
            &["query", "--sql", "SELECT COUNT(*) AS n, SUM(k) AS s FROM t"],
            &["query", "--sql", "SELECT 1"],
            &["query", "--sql", "SELECT n FROM nope"],
            &["query", "--sql", "SELECT n FROM t JOIN u ON t.n = u.n"],
            &["query", "--sql", "SELECT n / 0 AS x FROM t"],
            &["query", "--sql", "SELECT n / 0 AS x FROM t", "--engine", "reference"],
            &["query", "--sql", "SELECT n / 0 AS x FROM t", "--engine", "speed"],
            &["query", "--sql", "SELECT n / 0 AS x FROM t", "--engine", "merged"],
            &["query", "--sql", "SELECT n / 0 AS x FROM t", "--engine", "kappa"],
            &["query", "--sql", "SELECT n FROM t", "--at", "1,x"],
            &["query", "--sql", "SELECT n FROM t", "--at", "1"],
            &["query", "--sql", "SELECT n FROM t", "--at", "1,999"],
            &["query", "--sql", "SELECT n FROM t", "--horizon", "1,1"],
            &["query", "--sql", "SELECT n FROM t", "--horizon", "1,999", "--engine", "merged"],
            &["query", "--sql", "SELECT n FROM t", "--engine", "spark"],
            &["query", "--sql", "SELECT n FROM t", "--workers", "0"],
            &["query", "--sql", "SELECT n FROM t", "--dir", "nowhere"],
            &["query"],
        ]
    ));
}

#[test]
fn of_topics_and_options() {
    let sandbox = topic();
    sandbox.write("file", "");
    insta::assert_snapshot!(said(
        &sandbox,
        &[
            &["log", "stat", "nope"],
            &["log", "verify", "nope"],
            &["log", "verify", "t", "--dir", "nowhere"],
            &["log", "append", "nope"],
            &["log", "cat", "nope"],
            &["log", "cat", "t", "--columns", "n,nope"],
            &["log", "cat", "t", "--columns", "n,n"],
            &["log", "cat", "t", "--partition", "2"],
            &["log", "cat", "t", "--from", "99"],
            &["log", "cat", "t", "--from", "1,2,3"],
            &["log", "cat", "t", "--from", "middle"],
            &["log", "cat", "t", "--since", "yesterday"],
            &["log", "create", "b", "--schema", "a:int", "--dir", "file/below"],
            &["log", "import", "b", "--from", "a.csv", "--dir", "file"],
            &["log", "create", "b", "--schema", "a:int", "--partitions", "0"],
            &["log", "create", "b", "--schema", "a:int", "--durability", "sometimes"],
            &["log", "create", "b", "--schema", "a:int", "--segment-bytes", "many"],
            &["log", "import", "b", "--from", "a.csv", "--bad-rows", "ignore"],
            &["log", "import", "b", "--from", "a.csv", "--delimiter", "ab"],
            &["log"],
            &["nonsense"],
            &["completions", "cmd"],
            &["compare", "--rate", "-1"],
            &["compare", "--rate", "fast"],
            &["compare", "--duration", "0s"],
            &["compare", "--duration", "soon"],
            &["compare", "--workload", "trains"],
            &["compare", "--query", "nope"],
            &["compare", "--architectures", "lambda,delta"],
            &["compare", "--architectures", "lambda,lambda"],
            &["compare", "--events", "a.csv"],
            &["compare", "--time-column", "time"],
            &["compare", "--prices", "missing.toml"],
            &["bench", "--only", "nope"],
        ]
    ));
}

#[test]
fn of_a_second_writer() {
    let sandbox = topic();
    let mut first = sandbox.start(&["log", "append", "t"]);
    let mut input = first.stdin.take().unwrap();
    writeln!(input, "{{\"time\":\"2024-05-01\",\"k\":\"x\"}}").unwrap();
    // Once it acknowledges, it writes.
    BufReader::new(first.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let text = said(&sandbox, &[&["log", "import", "t", "--from", "a.csv"]]);
    let holder = format!("process {}", first.id());
    assert!(text.contains(&holder), "{text}");
    let mut shown = String::new();
    let mut digits = false;
    for c in text.replace("exit code 1", "exit code one").chars() {
        match (c.is_ascii_digit(), digits) {
            (true, false) => shown.push('#'),
            (true, true) => {}
            (false, _) => shown.push(c),
        }
        digits = c.is_ascii_digit();
    }
    insta::assert_snapshot!(shown);
    drop(input);
    assert!(first.wait().unwrap().success());
}

#[test]
fn of_a_corrupt_segment() {
    let sandbox = topic();
    let partition = sandbox.path("twopath-data/t/p0");
    let segment = std::fs::read_dir(&partition).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.len() - 70;
    bytes[at] ^= 0x10;
    std::fs::write(&segment, bytes).unwrap();
    let verified = sandbox.run(&["log", "verify", "t"]);
    assert_eq!(verified.code, 1);
    let mut text = format!("$ twopath log verify t\n{}{}[exit code {}]\n\n", verified.stdout, verified.stderr, verified.code);
    for engine in ["reference", "batch", "speed", "merged", "kappa"] {
        text += &said(&sandbox, &[&["query", "--sql", "SELECT SUM(n) AS s FROM t", "--engine", engine]]);
    }
    text += &said(&sandbox, &[&["log", "cat", "t"]]);
    insta::assert_snapshot!(text);
}
