//! Which files an import takes, and what it takes of those that it has seen before.

use std::io::Write;
use std::process::Command;

use crate::sandbox::Sandbox;

const HEADER: &str = "at,v\n";

fn rows(from: u32, to: u32) -> String {
    (from..to).map(|i| format!("2024-05-01T00:00:{i:02}Z,{i}\n")).collect()
}

fn values(sandbox: &Sandbox, topic: &str) -> Vec<String> {
    sandbox.ok(&["log", "cat", topic, "--columns", "v", "--format", "csv"]).lines().skip(1).map(String::from).collect()
}

fn numbers(from: u32, to: u32) -> Vec<String> {
    (from..to).map(|i| i.to_string()).collect()
}

#[test]
fn pipes_are_read_to_their_end() {
    let sandbox = Sandbox::new();
    // More than a pipe holds at once.
    let text: String = HEADER.to_owned() + &(0..20_000).map(|i| format!("2024-05-01T00:00:00Z,{i}\n")).collect::<String>();
    let done = sandbox.run_with(&["log", "import", "a", "--from", "-", "--time-column", "at"], &text);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(values(&sandbox, "a"), numbers(0, 20_000));
    let made = Command::new("mkfifo").arg(sandbox.path("pipe")).status().unwrap();
    assert!(made.success());
    let fifo = sandbox.path("pipe");
    let (writer, written) = (fifo.clone(), text.clone());
    let thread =
        std::thread::spawn(move || std::fs::OpenOptions::new().write(true).open(writer).unwrap().write_all(written.as_bytes()).unwrap());
    sandbox.ok(&["log", "import", "b", "--from", "pipe", "--time-column", "at"]);
    thread.join().unwrap();
    assert_eq!(values(&sandbox, "b"), numbers(0, 20_000));
    // A pipe has no name by which it could be known again.
    let again = sandbox.run_with(&["log", "import", "a", "--from", "-"], &text);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("has these bytes already, from a pipe") && again.stderr.contains("--again"), "{}", again.stderr);
    let lines: String = (0..3).map(|i| format!("{{\"at\":\"2024-05-01\",\"v\":{i}}}\n")).collect();
    assert_eq!(sandbox.run_with(&["log", "import", "c", "--from", "-", "--time-column", "at"], &lines).code, 0);
    assert_eq!(values(&sandbox, "c"), numbers(0, 3));
}

#[test]
fn compressed_files_are_read_as_what_they_hold() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", HEADER.to_owned() + &rows(0, 9));
    for (tool, name) in [("gzip", "a.csv.gz"), ("zstd", "a.csv.zst")] {
        let Ok(packed) = Command::new(tool).args(["-c", "a.csv"]).current_dir(sandbox.path("")).output() else {
            // The crate has tests of its own that need no such program.
            continue;
        };
        sandbox.write(name, packed.stdout);
        sandbox.ok(&["log", "import", tool, "--from", name, "--time-column", "at"]);
        assert_eq!(values(&sandbox, tool), numbers(0, 9));
        // The same content, unpacked meanwhile: it is there already.
        let plain = sandbox.run(&["log", "import", tool, "--from", "a.csv"]);
        assert!(plain.code == 1 && plain.stderr.contains(name), "{}", plain.stderr);
    }
}

#[test]
fn several_files_are_one_import() {
    let sandbox = Sandbox::new();
    sandbox.write("d1.csv", HEADER.to_owned() + &rows(0, 3));
    sandbox.write("d2.csv", HEADER.to_owned() + &rows(3, 5));
    sandbox.write("d3.csv", HEADER.to_owned() + "2024-05-01,x\n");
    // Nothing is made of those that fit while another does not.
    let refused = sandbox.run(&["log", "import", "a", "--from", "d*.csv", "--time-column", "at"]);
    assert!(refused.code == 1 && refused.stderr.contains("d3.csv: 1 of 1 rows do not fit"), "{}", refused.stderr);
    assert_eq!(sandbox.run(&["log", "cat", "a"]).code, 1);
    sandbox.ok(&["log", "import", "a", "--from", "d1.csv", "d2.csv", "--time-column", "at"]);
    assert_eq!(values(&sandbox, "a"), numbers(0, 5));
    std::fs::remove_file(sandbox.path("d3.csv")).unwrap();
    sandbox.write("d4.csv", HEADER.to_owned() + &rows(5, 6));
    let more = sandbox.run(&["log", "import", "a", "--from", "d?.csv"]);
    assert_eq!((more.code, values(&sandbox, "a")), (0, numbers(0, 6)), "{}", more.stderr);
    assert!(sandbox.run(&["log", "import", "a", "--from", "e*.csv"]).stderr.contains("no file is called so"));
}

#[test]
fn a_file_that_grew_goes_on_where_it_ended() {
    let sandbox = Sandbox::new();
    let import = ["log", "import", "a", "--from", "a.csv", "--time-column", "at"];
    sandbox.write("a.csv", HEADER.to_owned() + &rows(0, 3));
    sandbox.ok(&import);
    sandbox.write("a.csv", HEADER.to_owned() + &rows(0, 5));
    let grown = sandbox.run(&import);
    assert!(grown.stderr.contains("2 events, by which the file has grown"), "{}", grown.stderr);
    assert_eq!(values(&sandbox, "a"), numbers(0, 5));
    let again = sandbox.run(&import);
    assert!(again.stderr.contains("already imported: all 5 events"), "{}", again.stderr);
    // Lines are counted from the file's start.
    sandbox.write("a.csv", HEADER.to_owned() + &rows(0, 5) + "2024-05-01,x\n");
    assert!(sandbox.run(&import).stderr.contains("line 7, column 'v'"));
    // One that was corrected is not taken for another.
    sandbox.write("a.csv", HEADER.to_owned() + &rows(1, 8));
    let changed = sandbox.run(&import);
    assert!(changed.code == 1 && changed.stderr.contains("has changed since"), "{}", changed.stderr);
    assert_eq!(values(&sandbox, "a"), numbers(0, 5));
    sandbox.write("b.csv", HEADER.to_owned() + &rows(0, 6));
    assert_eq!(sandbox.run(&["log", "import", "a", "--from", "b.csv"]).code, 1);
    sandbox.ok(&["log", "import", "a", "--from", "b.csv", "--rest"]);
    assert_eq!(values(&sandbox, "a"), numbers(0, 6));
}

#[test]
fn the_same_bytes_are_other_events_only_where_the_user_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("d1.csv", HEADER.to_owned() + &rows(0, 2));
    sandbox.write("d2.csv", HEADER.to_owned() + &rows(0, 2));
    sandbox.ok(&["log", "import", "a", "--from", "d1.csv", "--time-column", "at"]);
    let second = sandbox.run(&["log", "import", "a", "--from", "d2.csv"]);
    assert!(second.code == 1 && second.stderr.contains("d1.csv") && second.stderr.contains("--again"), "{}", second.stderr);
    sandbox.ok(&["log", "import", "a", "--from", "d2.csv", "--again"]);
    assert_eq!(values(&sandbox, "a"), ["0", "1", "0", "1"]);
    // Read otherwise, they are other events too.
    let other = sandbox.run(&["log", "import", "a", "--from", "d1.csv", "--columns", "at"]);
    assert!(other.code == 1 && other.stderr.contains("without options") && other.stderr.contains("--again"), "{}", other.stderr);
    sandbox.ok(&["log", "import", "a", "--from", "d1.csv", "--columns", "at", "--again"]);
    assert_eq!(values(&sandbox, "a"), ["0", "1", "0", "1", "", ""]);
}

#[test]
fn an_import_that_was_killed_is_taken_up() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", HEADER.to_owned() + &rows(0, 4));
    sandbox.ok(&["log", "import", "a", "--from", "a.csv", "--time-column", "at"]);
    // As if it had died before it could say that it ended, in the middle of saying so.
    let history = "twopath-data/a/imports.jsonl";
    let begun = sandbox.read(history).lines().next().unwrap().to_owned();
    assert!(begun.contains("\"is_done\":false"), "{begun}");
    sandbox.write(history, format!("{begun}\n{}", &begun[..20]));
    let again = sandbox.run(&["log", "import", "a", "--from", "a.csv"]);
    assert_eq!((again.code, values(&sandbox, "a")), (0, numbers(0, 4)), "{}", again.stderr);
    // It grew meanwhile.
    sandbox.write(history, format!("{begun}\n"));
    sandbox.write("a.csv", HEADER.to_owned() + &rows(0, 6));
    let grown = sandbox.run(&["log", "import", "a", "--from", "a.csv"]);
    assert_eq!((grown.code, values(&sandbox, "a")), (0, numbers(0, 6)), "{}", grown.stderr);
}

#[test]
fn rows_set_aside_are_never_written_over() {
    let sandbox = Sandbox::new();
    for folder in ["a", "b"] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
        sandbox.write(&format!("{folder}/x.csv"), format!("at,v\n2024-05-01,1\n2024-05-02,2\n2024-05-03,bad-{folder}\n"));
        sandbox.ok(&["log", "import", "t", "--from", &format!("{folder}/x.csv"), "--time-column", "at", "--bad-rows", "set-aside"]);
    }
    assert!(sandbox.read("x.csv.rejected.jsonl").contains("bad-a"));
    assert!(sandbox.read("x.csv.rejected.2.jsonl").contains("bad-b"));
}

/// Changes of a table as Debezium writes them: a keyed topic, of which queries see the table, its deletions included, in every engine.
#[test]
fn changes_of_a_database_are_a_table() {
    let sandbox = Sandbox::new();
    let row = |id: u32, seats: u32| format!(r#"{{"id":{id},"maker":"m{}","seats":{seats}}}"#, id % 2);
    let change = |op: &str, before: &str, after: &str, ms: u64| {
        format!(r#"{{"before":{before},"after":{after},"source":{{"table":"planes"}},"op":"{op}","ts_ms":{ms}}}"#)
    };
    let of = |op: &str, before: &str, after: &str, second: u64| change(op, before, after, 1_700_000_000_000 + second * 1000) + "\n";
    let mut text = String::new();
    for id in 0..6 {
        text += &of("r", "null", &row(id, 100), 0);
    }
    text += &of("u", &row(1, 100), &row(1, 150), 5);
    text += &of("d", &row(2, 100), "null", 6);
    // With its schema around it, and of a table that gives the key alone of what was deleted.
    text += &format!("{{\"schema\":{{}},\"payload\":{}}}\n", of("d", r#"{"id":3}"#, "null", 7).trim_end());
    text += &of("c", "null", &row(2, 7), 8);
    sandbox.write("planes.jsonl", &text);
    let import = ["log", "import", "planes", "--from", "planes.jsonl", "--envelope", "debezium"];
    let keyed = [&import[..], &["--key", "id", "--time-column", "__ts_ms", "--partitions", "2"]].concat();
    sandbox.ok(&keyed);
    let sql = "SELECT maker, COUNT(*) AS planes, SUM(seats) AS seats FROM UPSERT(TABLE planes) GROUP BY maker ORDER BY maker";
    for engine in ["reference", "batch-rayon", "batch-polars", "speed-timely", "speed-differential"] {
        let asked = sandbox.run(&["query", "--sql", sql, "--engine", engine, "--format", "csv"]);
        if asked.code == 0 {
            assert_eq!(asked.stdout, "maker,planes,seats\nm0,3,207\nm1,2,250\n", "{engine}");
        } else {
            assert!(engine.ends_with("polars") || engine.ends_with("differential"), "{engine}: {}", asked.stderr);
        }
    }
    assert_eq!(sandbox.ok(&["log", "cat", "planes", "--columns", "__ts_ms", "--format", "csv"]).matches("2023-11-14T22:13:2").count(), 10);
    // More of the same goes on where the file had ended.
    sandbox.write("planes.jsonl", &(text + &of("d", &row(5, 100), "null", 9)));
    sandbox.ok(&keyed);
    assert_eq!(sandbox.ok(&["query", "--sql", sql, "--format", "csv"]), "maker,planes,seats\nm0,3,207\nm1,1,150\n");

    // A row that got another key is not there twice, and what Debezium writes behind a deletion is nothing.
    let moved = [of("c", "null", &row(1, 10), 1), of("u", &row(1, 10), &row(2, 10), 2), of("d", &row(2, 10), "null", 3), "null\n".into()];
    for (lines, left) in [(1, "id\n1\n"), (2, "id\n2\n"), (4, "id\n")] {
        sandbox.write("moved.jsonl", moved[..lines].concat());
        sandbox.ok(&[
            "log",
            "import",
            "moved",
            "--from",
            "moved.jsonl",
            "--envelope",
            "debezium",
            "--key",
            "id",
            "--time-column",
            "__ts_ms",
        ]);
        assert_eq!(sandbox.ok(&["query", "--sql", "SELECT id FROM UPSERT(TABLE moved)", "--format", "csv"]), left, "{lines}");
    }

    let without = sandbox.run(&["log", "import", "other", "--from", "planes.jsonl", "--envelope", "debezium"]);
    assert_eq!(without.code, 1);
    assert!(without.stderr.contains("a row was deleted, and which is not known without a key: give --key COLUMN"), "{}", without.stderr);
    sandbox.write("planes.csv", "id,seats\n1,2\n");
    let csv = sandbox.run(&["log", "import", "other", "--from", "planes.csv", "--envelope", "debezium"]);
    assert_eq!((csv.code, csv.stderr.contains("envelopes are of JSON objects")), (1, true), "{}", csv.stderr);
}

/// The way out that a refused import names is one that leads out.
#[test]
fn advice_is_of_what_would_help() {
    let sandbox = Sandbox::new();
    let import = |name: &str, content: &str, more: &[&str]| {
        sandbox.write(name, content);
        let done = sandbox.run(&[&["log", "import", "a", "--from", name][..], more].concat());
        assert_eq!(done.code, 1, "{}", done.stderr);
        done.stderr.lines().last().unwrap_or_default().to_owned()
    };
    let end = ", or go on without them (--bad-rows set-aside)";
    let good = "2024-05-01,1\n2024-05-01,2\n2024-05-01,3\n";
    let new = import("a.csv", &format!("at,v\n{good}2024-05-01,NA\n"), &["--time-column", "at"]);
    assert_eq!(
        new,
        format!("correct them, read the column as another type (--schema 'v:text, *'), name what stands for NULL (--null NA){end}")
    );
    let json = import("a.jsonl", "{\"v\":1}\n{\"v\":2}\n{\"v\":3}\n{\"v\":\"x\"}\n", &[]);
    assert_eq!(json, format!("correct them, read the column as another type (--schema 'v:text, *'){end}"));
    let time = import("a.csv", &format!("at,v\n{good}soon,4\n"), &["--time-column", "at"]);
    let (column, format) = ("take another column for the time (--time-column)", "say how times are written (--time-format, --time-unit)");
    assert_eq!(time, format!("correct them, {column}, {format}{end}"));
    let path = import("a.jsonl", "{\"u\":{\"id\":1}}\n{\"u\":2}\n", &["--schema", "u.id:int"]);
    assert_eq!(path, format!("correct them, take 'u' whole, as text (--schema 'u:text, *'){end}"));
    // A topic has its types.
    sandbox.write("b.csv", format!("at,v\n{good}"));
    sandbox.ok(&["log", "import", "a", "--from", "b.csv", "--time-column", "at"]);
    let other = import("c.csv", "at,v\n2024-05-01,x\n", &[]);
    let wanted = "import them into another topic ('a' has column 'v' as int), name what stands for NULL (--null TEXT)";
    assert_eq!(other, format!("correct them, {wanted}{end}"));
    assert_eq!(import("d.csv", "at,v\nsoon,1\n", &[]), format!("correct them, {format}{end}"));
}

#[test]
fn options_of_csv_are_refused_for_other_files() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jsonl", "{\"v\":1}\n");
    sandbox.write("a.csv", "w\n1\n");
    for option in [&["--null", "NA"][..], &["--header", "v"], &["--delimiter", ";"], &["--no-quotes"], &["--skip-lines", "1"]] {
        let done = sandbox.run(&[&["log", "import", "a", "--from", "a.jsonl"][..], option].concat());
        assert!(done.code == 2 && done.stderr.contains(&format!("{} is for CSV, and a.jsonl is none", option[0])), "{}", done.stderr);
    }
    // A star alone is all columns.
    sandbox.ok(&["log", "import", "a", "--from", "a.csv", "--schema", "*", "--null", "NA"]);
    assert!(sandbox.run(&["log", "import", "a", "--from", "a.csv", "--null", "NA"]).stderr.contains("already imported"));
}

#[test]
fn long_numbers_that_are_times_are_no_texts() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "at,v\n20240501120000123456,20240501120000123456\n20240502120000123456,20240502120000123456\n");
    let done = sandbox.run(&["log", "import", "a", "--from", "a.csv", "--time-column", "at", "--time-format", "%Y%m%d%H%M%S%f"]);
    assert!(done.code == 0 && !done.stderr.contains("column 'at'"), "{}", done.stderr);
}
