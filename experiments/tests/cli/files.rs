//! import.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use crate::sandbox::Sandbox;

const CSV: &str = "time,zip,n,x,ok,name\n\
    2024-01-01,0517,1,1.5,true,\"a,b\"\n\
    2024-01-01T05:00:00+02:00,0042,-2,2,false,\n\
    2024-01-01 06:00:00.5,0001,3,3,TRUE,\"q\"\"z\nw\"\n";

fn cat(sandbox: &Sandbox, topic: &str) -> String {
    sandbox.ok(&["log", "cat", topic, "--format", "csv"])
}

#[test]
fn csv_types_are_found() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", CSV);
    sandbox.ok(&["log", "import", "a", "--from", "a.csv", "--time-column", "time"]);
    let expected = "time,zip,n,x,ok,name\n\
        2024-01-01T00:00:00Z,517,1,1.5,true,\"a,b\"\n\
        2024-01-01T03:00:00Z,42,-2,2,false,\n\
        2024-01-01T06:00:00.5Z,1,3,3,true,\"q\"\"z\nw\"\n";
    assert_eq!(cat(&sandbox, "a"), expected);
    // Zeros are kept where the user says that it is text.
    sandbox.ok(&["log", "import", "b", "--from", "a.csv", "--time-column", "time", "--schema", "zip:text, *", "--columns", "zip,time"]);
    assert!(cat(&sandbox, "b").starts_with("zip,time\n0517,2024-01-01T00:00:00Z\n"), "{}", cat(&sandbox, "b"));
    // Tabs, Windows line ends, a byte-order mark, and another text for NULL.
    sandbox.write("c.tsv", "\u{feff}time\tn\r\n2024-01-01\tNA\r\n2024-01-02\t7\r\n");
    sandbox.ok(&["log", "import", "c", "--from", "c.tsv", "--time-column", "time", "--null", "NA"]);
    assert_eq!(cat(&sandbox, "c"), "time,n\n2024-01-01T00:00:00Z,\n2024-01-02T00:00:00Z,7\n");
}

/// What spreadsheets and old programs write.
#[test]
fn odd_numbers_and_a_line_that_tells_the_delimiter() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "sep=;\r\nname;x\r\na,b;1.\r\nc;2.5\r\nd;-INF\r\n");
    sandbox.ok(&["log", "import", "a", "--from", "a.csv"]);
    assert_eq!(cat(&sandbox, "a"), "name,x\n\"a,b\",1\nc,2.5\nd,-Infinity\n");
    sandbox.ok(&["log", "import", "b", "--from", "a.csv", "--skip-lines", "1"]);
    assert_eq!(cat(&sandbox, "b"), cat(&sandbox, "a"));
    sandbox.write("bad.csv", "sep=|\nx|y\n1|2\n3|4\n5|six\n7|8\n");
    let set_aside = sandbox.run(&["log", "import", "c", "--from", "bad.csv"]);
    assert!(set_aside.stderr.contains("line 5"), "{}", set_aside.stderr);
    sandbox.write("none.csv", "");
    let empty = sandbox.run_with(&["log", "import", "d", "--from", "-"], "");
    assert!(empty.code == 1 && empty.stderr.contains("this is empty; give a file that has rows"), "{}", empty.stderr);
    let utf_16: Vec<u8> = "time,n\n2024-01-01,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(sandbox.path("w.csv"), utf_16).unwrap();
    let wide = sandbox.run(&["log", "import", "e", "--from", "w.csv"]);
    assert!(wide.code == 1 && wide.stderr.contains("iconv -f UTF-16LE"), "{}", wide.stderr);
}

#[test]
fn json_lines_types_are_found() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jsonl", "{\"ts\":1704067200000,\"b\":\"x\",\"a\":1}\n{\"ts\":1704067200001,\"a\":2.5,\"c\":{\"d\":[1]}}\n");
    let import = ["log", "import", "a", "--from", "a.jsonl", "--time-column", "ts"];
    assert_eq!(sandbox.run(&import).code, 1, "numbers need a unit");
    sandbox.ok(&[&import[..], &["--time-unit", "ms"]].concat());
    assert_eq!(cat(&sandbox, "a"), "ts,b,a,c\n2024-01-01T00:00:00Z,x,1,\n2024-01-01T00:00:00.001Z,,2.5,\"{\"\"d\"\":[1]}\"\n");
}

#[test]
fn arrow_and_parquet_are_brought_to_the_topics_types() {
    let sandbox = Sandbox::new();
    let schema = Arc::new(Schema::new(vec![
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("n", DataType::Int32, false),
        Field::new("s", DataType::Utf8, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![Some(0), None, Some(1)])),
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        Arc::new(StringArray::from(vec![Some("2024-01-01T00:00:00Z"), Some("x"), None])),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let create = |name| File::create(sandbox.path(name)).unwrap();
    let mut file = arrow_ipc::writer::FileWriter::try_new(create("a.arrow"), &schema).unwrap();
    file.write(&batch).unwrap();
    file.finish().unwrap();
    let mut stream = arrow_ipc::writer::StreamWriter::try_new(create("b.arrow"), &schema).unwrap();
    stream.write(&batch).unwrap();
    stream.finish().unwrap();
    let mut parquet = parquet::arrow::ArrowWriter::try_new(create("c.parquet"), schema.clone(), None).unwrap();
    parquet.write(&batch).unwrap();
    parquet.close().unwrap();
    for (topic, name) in [("a", "a.arrow"), ("b", "b.arrow"), ("c", "c.parquet")] {
        let done = sandbox.run(&["log", "import", topic, "--from", name, "--time-column", "t"]);
        assert_eq!(done.code, 1);
        assert!(done.stderr.contains("line 2, column 't': there is no time here"), "{}", done.stderr);
        sandbox.ok(&["log", "import", topic, "--from", name, "--time-column", "t", "--bad-rows", "set-aside"]);
        assert_eq!(cat(&sandbox, topic), "t,n,s\n1970-01-01T00:00:00Z,1,2024-01-01T00:00:00Z\n1970-01-01T00:00:00.001Z,3,\n");
        assert!(sandbox.read(&format!("{name}.rejected.jsonl")).contains("\"line\":2"));
        // Text that is a time, as the time column.
        let done = sandbox.run(&["log", "import", "other", "--from", name, "--time-column", "s", "--columns", "s,n"]);
        assert!(done.stderr.contains("2 of 3 rows do not fit"), "{}", done.stderr);
        assert!(done.stderr.contains("line 2, column 's': 'x' is not a timestamp"), "{}", done.stderr);
    }
}

#[test]
fn bad_rows_are_refused_or_set_aside() {
    let sandbox = Sandbox::new();
    let mut csv = String::from("time,n\n");
    (0..50).for_each(|i| csv += &format!("2024-01-01T00:00:{i:02}Z,{}\n", if i % 25 == 7 { "seven".into() } else { i.to_string() }));
    csv += ",1\n2024-01-01,1,1\n";
    sandbox.write("a.csv", &csv);
    let import = ["log", "import", "a", "--from", "a.csv", "--time-column", "time"];
    let refused = sandbox.run(&import);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!("import_refused", refused.stderr);
    assert_eq!(sandbox.run(&["log", "cat", "a"]).code, 1, "nothing was made");
    let aside = sandbox.run(&[&import[..], &["--bad-rows", "set-aside"]].concat());
    assert_eq!(aside.code, 0);
    insta::assert_snapshot!("import_set_aside", aside.stderr);
    assert_eq!(cat(&sandbox, "a").lines().count(), 1 + 48);
    insta::assert_snapshot!("rejected_rows", sandbox.read("a.csv.rejected.jsonl"));
}

#[test]
fn the_same_import_again_adds_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", CSV);
    let import = ["log", "import", "a", "--from", "a.csv", "--time-column", "time", "--partitions", "3", "--key", "name"];
    sandbox.ok(&import);
    let before = cat(&sandbox, "a");
    let again = sandbox.run(&import);
    assert_eq!(again.code, 0);
    assert!(again.stderr.contains("already imported: all 3 events"), "{}", again.stderr);
    assert_eq!(cat(&sandbox, "a"), before);
    // Another file of the same columns is added, also when a column is missing that may be NULL.
    sandbox.write("b.csv", "time,n\n2025-01-01,9\n");
    sandbox.ok(&["log", "import", "a", "--from", "b.csv"]);
    assert_eq!(cat(&sandbox, "a").lines().count(), before.lines().count() + 1);
}
