//! What files hold comes out as it is, or is refused with the reason: kinds of trouble that people reported of many tools.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::*;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Fields, Schema};
use twopath_events::files::{EventFile, FileError, FileFormat, FilePart, Input, Quote, ReadOptions, SchemaText, Times, iso};

/// The rows as texts, NULL as `-`, and the reasons of those that do not fit.
type Read = (Vec<Vec<String>>, Vec<String>);

fn read_bytes(name: &str, content: &[u8], options: ReadOptions) -> Result<Read, FileError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let mut file = EventFile::of(&Input::open(&path)?, &options, FilePart::ALL)?;
    let (mut rows, mut reasons) = (Vec::new(), Vec::new());
    while let Some(chunk) = file.next_chunk()? {
        for row in 0..chunk.batch.num_rows() {
            rows.push(chunk.batch.columns().iter().map(|column| text(column, row)).collect());
        }
        reasons.extend(chunk.rejected.iter().map(|r| r.to_string()));
    }
    Ok((rows, reasons))
}

fn text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "-".into();
    }
    if let DataType::Timestamp(..) = column.data_type() {
        return iso(cast::as_primitive_array::<types::TimestampMicrosecondType>(column).value(row));
    }
    ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap().value(row).to_string()
}

fn read(name: &str, content: &str, options: ReadOptions) -> Read {
    read_bytes(name, content.as_bytes(), options).unwrap()
}

fn schema(text: &str) -> ReadOptions {
    ReadOptions { schema: Some(SchemaText::parse(text).unwrap()), ..Default::default() }
}

fn strings(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|s| s.to_string()).collect()).collect()
}

fn refused(name: &str, content: &str) -> String {
    read_bytes(name, content.as_bytes(), ReadOptions::default()).unwrap_err().to_string()
}

#[test]
fn numbers_keep_their_digits() {
    // Identifiers beyond 64 bits, of which the greater part would be lost: text.
    let (rows, none) =
        read("a.jsonl", "{\"id\":12736496262939004471}\n{\"id\":15523137368101252074}\n{\"id\":1}\n", ReadOptions::default());
    assert_eq!((rows, none), (strings(&[&["12736496262939004471"], &["15523137368101252074"], &["1"]]), vec![]));
    let (rows, _) = read("a.csv", "id\n12736496262939004471\n15523137368101252074\n1\n", ReadOptions::default());
    assert_eq!(rows, strings(&[&["12736496262939004471"], &["15523137368101252074"], &["1"]]));
    // One that a float changes, among floats.
    let (rows, reasons) = read("a.jsonl", "{\"x\":9007199254740993}\n{\"x\":9007199254740992}\n{\"x\":1.5}\n", ReadOptions::default());
    assert_eq!(rows, strings(&[&["9007199254740992.0"], &["1.5"]]));
    assert_eq!(reasons, ["line 1, column 'x': 9007199254740993 has more digits than a float keeps"]);
    // Numbers in a column of texts, and what is nested, as they are written.
    let lines = "{\"t\":1.10}\n{\"t\":1e400}\n{\"t\":{\"z\": 1,\"a\":12345678901234567890123}}\n{\"t\":[1.0,1e2]}\n{\"t\":true}\n";
    let (rows, none) = read("a.jsonl", lines, schema("t:text"));
    assert_eq!(rows, strings(&[&["1.10"], &["1e400"], &["{\"z\": 1,\"a\":12345678901234567890123}"], &["[1.0,1e2]"], &["true"]]));
    assert!(none.is_empty());
    // What is too large for a float is no infinity.
    let (rows, reasons) = read("a.csv", "x\n1e308\n1e309\n-Infinity\nNaN\n", schema("x:float"));
    assert_eq!(rows, strings(&[&["1e308"], &["-inf"], &["NaN"]]));
    assert_eq!(reasons, ["line 3, column 'x': '1e309' is larger than any float"]);
    let (rows, reasons) = read("a.csv", "n\n1.0\n1e3\n1.5\n9223372036854775808\n", schema("n:int"));
    assert_eq!((rows, reasons.len()), (strings(&[&["1"], &["1000"]]), 2));
}

#[test]
fn times_are_cut_downwards_and_far_ones_refused() {
    let seconds = |options: ReadOptions| ReadOptions {
        time_column: Some("at".into()),
        times: Times { unit: Some(twopath_events::files::TimeUnitOfNumbers::S), formats: vec![] },
        ..options
    };
    let wanted = strings(&[&["2024-05-01T12:00:00.25Z"], &["1969-12-31T23:59:59.5Z"], &["1969-12-31T23:59:59.999999Z"]]);
    let (rows, none) = read("a.csv", "at\n1714564800.25\n-0.5\n-0.0000001\n", seconds(ReadOptions::default()));
    assert_eq!((rows, none), (wanted.clone(), vec![]));
    let (rows, _) = read("a.jsonl", "{\"at\":1714564800.25}\n{\"at\":-5e-1}\n{\"at\":-0.0000001}\n", seconds(ReadOptions::default()));
    assert_eq!(rows, wanted);
    let (_, reasons) = read("a.csv", "at\n1714564800\n9223372036854775807\n", seconds(ReadOptions::default()));
    assert!(reasons[0].contains("'9223372036854775807' is farther away"), "{reasons:?}");
    let (rows, none) = read(
        "a.csv",
        "at,v\n0000-12-31T00:00:00Z,1\n2024-06-30T23:59:60Z,2\n2024-05-01T24:00:00,3\n\"2024-05-01 12:00:00,123\",4\n",
        ReadOptions { time_column: Some("at".into()), columns: Some(vec!["at".into()]), ..Default::default() },
    );
    let wanted = [&["0000-12-31T00:00:00Z"][..], &["2024-07-01T00:00:00Z"], &["2024-05-02T00:00:00Z"], &["2024-05-01T12:00:00.123Z"]];
    assert_eq!((rows, none), (strings(&wanted), vec![]));
    // Whole hours.
    let at = || ReadOptions { time_column: Some("at".into()), ..Default::default() };
    let (rows, reasons) = read("a.csv", "at\n2024-05-01T12Z\n2024-05-01t12+02\n20240501T12\n2024-05-01T25Z\n", at());
    assert_eq!(rows, strings(&[&["2024-05-01T12:00:00Z"], &["2024-05-01T10:00:00Z"], &["2024-05-01T12:00:00Z"]]));
    assert!(reasons.len() == 1 && reasons[0].contains("'2024-05-01T25Z'"), "{reasons:?}");
    // Whether it is day or month is asked, and can be told.
    let day = "at\n05/01/2024\n13/01/2024\n";
    let (_, reasons) = read("a.csv", day, ReadOptions { time_column: Some("at".into()), ..Default::default() });
    assert!(reasons[0].contains("--time-format '%d/%m/%Y'"), "{reasons:?}");
    let told = Times { unit: None, formats: vec!["%d/%m/%Y".parse().unwrap()] };
    let (rows, none) = read("a.csv", day, ReadOptions { time_column: Some("at".into()), times: told, ..Default::default() });
    assert_eq!((rows, none), (strings(&[&["2024-01-05T00:00:00Z"], &["2024-01-13T00:00:00Z"]]), vec![]));
}

#[test]
fn lone_quotes_swallow_no_rows() {
    let open = refused("a.csv", "at,note\n1,ok\n2,\"broken\n3,ok\n");
    assert!(open.contains("line 3") && open.contains("--no-quotes"), "{open}");
    assert!(refused("a.tsv", "at\tnote\n1\tok\n2\t\"broken\n3\tok\n").contains("line 3"));
    let inches = "at,size,n\n1,3\",1\n2,\"4,2\n3,5\",3\n4,6,4\n";
    let swallowed = refused("a.csv", inches);
    assert!(swallowed.contains("from line 3 to line 4") && swallowed.contains("--no-quotes"), "{swallowed}");
    let plain = ReadOptions { quote: Quote::None, ..schema("at:int, size:text, n:int") };
    let (rows, none) = read("a.csv", inches, plain);
    assert_eq!((rows, none), (strings(&[&["1", "3\"", "1"], &["2", "\"4", "2"], &["3", "5\"", "3"], &["4", "6", "4"]]), vec![]));
    // A long text is one cell, and what looks like rows is where the user says so.
    let (rows, _) = read("a.csv", "a,b,c\n1,\"two\nlines\",3\n", ReadOptions::default());
    assert_eq!(rows, strings(&[&["1", "two\nlines", "3"]]));
    let (rows, _) = read("a.csv", "a,b\n1,\"x\n2,y\"\n", ReadOptions { quote: Quote::Is(b'"'), ..Default::default() });
    assert_eq!(rows, strings(&[&["1", "x\n2,y"]]));
    let (rows, reasons) = read("a.csv", "a,b\n1,\"x\" y\n2,z\n", ReadOptions::default());
    assert!(rows.len() == 1 && reasons[0].contains("behind the quote"), "{reasons:?}");
}

#[test]
fn empty_texts_and_nulls_are_told_apart() {
    let (rows, _) = read("a.csv", "k,s\n1,\"\"\n2,\n\"\",x\n", schema("k:int, s:text"));
    assert_eq!(rows, strings(&[&["1", ""], &["2", "-"], &["-", "x"]]));
    let (rows, _) = read("a.csv", "v\n1\n\n3\n", ReadOptions::default());
    assert_eq!(rows, strings(&[&["1"], &["-"], &["3"]]));
    let (rows, _) = read("a.csv", "v,w\r\n1,2\r\n\r\n3,4", ReadOptions::default());
    assert_eq!(rows, strings(&[&["1", "2"], &["3", "4"]]));
}

#[test]
fn tables_without_a_usual_form() {
    for text in ["a;b\n1;x,y\n", "a\tb\n1\tx,y\n", "a|b\n1|x,y\n", "\u{feff}\"a\";\"b\"\r\n1;\"x,y\"\r\n", "a;b\r1;x,y\r"] {
        assert_eq!(read("a.csv", text, ReadOptions::default()).0, strings(&[&["1", "x,y"]]), "{text:?}");
    }
    let header = ReadOptions { header: Some(vec!["a".into(), "b".into()]), skip_lines: 1, ..Default::default() };
    assert_eq!(read("a.csv", "made by \"me\n1,2\n3,4\n", header).0, strings(&[&["1", "2"], &["3", "4"]]));
    let (rows, _) = read("a.csv", "\"\",a\n1,x\n", schema("column1:int, a:text"));
    assert_eq!(rows, strings(&[&["1", "x"]]));
    for (content, wanted) in [
        (&b"PK\x03\x04..."[..], "Excel"),
        (b"\xff\xfea\0,\0b\0", "iconv"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"BZh91AY&SY", "bzcat"),
    ] {
        let error = read_bytes("a.csv", content, ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn json_in_all_forms_and_by_path() {
    let wanted = strings(&[&["1"], &["2"]]);
    for text in [
        "{\"v\":1}\n{\"v\":2}",
        "[{\"v\":1},\n {\"v\":2}]\n",
        "[\n  {\n    \"v\": 1\n  },\n  {\n    \"v\": 2\n  }\n]",
        "{\n\"v\":1\n}\n{\n\"v\":2\n}",
    ] {
        assert_eq!(read("a.json", text, ReadOptions::default()).0, wanted, "{text}");
    }
    let nested = "{\"p\":{\"user\":{\"id\":7}},\"t\":\"x\"}\n{\"p\":{\"user\":{}},\"t\":\"y\"}\n{\"p\":null}\n";
    assert_eq!(read("a.jsonl", nested, schema("p.user.id:int, t:text")).0, strings(&[&["7", "x"], &["-", "y"], &["-", "-"]]));
    let columns = ReadOptions { columns: Some(vec!["p.user.id".into()]), ..Default::default() };
    assert_eq!(read("a.jsonl", nested, columns).0, strings(&[&["7"], &["-"], &["-"]]));
    assert!(refused("a.json", "[{\"v\":1},{\"v\":2}").contains("not closed"));
}

/// A file of one batch, with this compression where the format has one.
#[test]
fn a_first_line_that_is_a_row_is_none_of_names() {
    for (content, cells) in [
        ("1,2\n3,4\n", "1, 2"),
        ("2024-05-01,-2.5\n2024-05-02,4\n", "2024-05-01, -2.5"),
        ("5\n6\n", "5"),
        ("2024-05-01T00:00:00Z,click,7\n2024-05-01T00:00:01Z,click,8\n", "2024-05-01T00:00:00Z, click, 7"),
        ("7,\n8,\n", "7, "),
    ] {
        let reason = refused("a.csv", content);
        assert!(reason.contains(&format!("the first line reads as a row of its own ({cells})")), "{reason}");
    }
    let reason = read_bytes("a.csv", b"#\n1,2\n3,4\n", ReadOptions { skip_lines: 1, ..Default::default() }).unwrap_err().to_string();
    assert!(reason.ends_with("give --header A,B,..., and if it is no row --skip-lines 2 beside it"), "{reason}");
    // Years and days are names, where others stand beside them or they stand in quotes or are asked for.
    let (rows, none) = read("a.csv", "country,2019,2020-01-22\nDE,1,2\n", ReadOptions::default());
    assert_eq!((rows, none), (strings(&[&["DE", "1", "2"]]), vec![]));
    assert_eq!(read("a.csv", "\"1\",\"2\"\n3,4\n", ReadOptions::default()).0, strings(&[&["3", "4"]]));
    assert_eq!(read("a.csv", "1,2\n3,4\n", schema("1:text, *")).0, strings(&[&["3", "4"]]));
    let named = ReadOptions { header: Some(vec!["a".into(), "b".into()]), ..Default::default() };
    assert_eq!(read("a.csv", "1,2\n3,4\n", named).0, strings(&[&["1", "2"], &["3", "4"]]));
}

#[test]
fn a_schema_names_columns_that_there_are() {
    // Else the type that was asked for would be lost with the slip of the pen, and the zeros with it.
    let reason = read_bytes("a.csv", b"zip,n\n0517,1\n", schema("zpi:text, *")).unwrap_err().to_string();
    assert!(reason.ends_with("no column 'zpi'; the file has zip, n"), "{reason}");
    // What the topic has may be missing in a file.
    let target = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("zip", DataType::Utf8, true)]));
    let options = ReadOptions { target: Some(target), ..schema("zip:text, *") };
    assert_eq!(read("a.csv", "n\n1\n", options).0, strings(&[&["1", "-"]]));
}

#[test]
fn a_file_without_one_object_is_told_why() {
    for (content, reason) in [
        ("{\"a\":1,\"a\":2}\n", "line 1: the field 'a' stands there twice"),
        ("\n{'a':1}\n", "line 2: not JSON at character 2: key must be a string"),
        ("{\"a\":NaN}\n", "line 1: not JSON at character 6: expected value"),
        ("{\"a\":1}{\"a\":2}\n", "line 1: not JSON at character 8: trailing characters"),
        ("[[1,2]]", "line 1: this is an array, and a JSON object is expected"),
        ("1\n", "line 1: this is a number, and a JSON object is expected"),
    ] {
        let told = refused("a.jsonl", content);
        assert!(told.ends_with(reason), "{content}: {told}");
    }
    assert!(refused("a.jsonl", "\n").contains("no rows, so that the columns are not known"));
    assert!(refused("a.jsonl", "{}\n").contains("its objects have no fields, so that the columns are not known"));
    // A field that stands twice within another is no value either.
    let (rows, reasons) = read("a.jsonl", "{\"a\":{\"b\":1}}\n{\"a\":{\"b\":1,\"b\":2}}\n", schema("a.b:int"));
    assert_eq!(rows, strings(&[&["1"]]));
    assert_eq!(reasons, ["line 2, column 'a.b': the field 'b' stands there twice"]);
}

/// Into a topic that has a field of an object alone, the object's others are as unknown as any other field.
#[test]
fn no_field_within_another_is_lost() {
    let target = Arc::new(Schema::new(vec![Field::new("i", DataType::Int64, true), Field::new("u.id", DataType::Int64, true)]));
    let lines = concat!(
        "{\"i\":1,\"u\":{\"id\":5}}\n",
        "{\"i\":2,\"u\":{\"id\":5,\"x\":\"lost\"}}\n",
        "{\"i\":3,\"u\":{\"id\":6},\"u.id\":7}\n",
        "{\"i\":4,\"u\":null}\n",
        "{\"i\":5,\"u\":{\"y\":{\"z\":1}}}\n",
    );
    let into = ReadOptions { target: Some(target), ..Default::default() };
    let (rows, reasons) = read("a.jsonl", lines, into.clone());
    assert_eq!(rows, strings(&[&["1", "5"], &["4", "-"]]));
    let wanted = [
        "line 2, column 'u.x': there is no such column in the schema",
        "line 3, column 'u.id': the field 'u.id' stands there twice",
        "line 5, column 'u.y': there is no such column in the schema",
    ];
    assert_eq!(reasons, wanted);
    // Who names columns leaves out the others.
    let named = ReadOptions { columns: Some(vec!["i".into(), "u.id".into()]), ..into };
    let (rows, reasons) = read("a.jsonl", lines, named);
    assert_eq!(rows, strings(&[&["1", "5"], &["2", "5"], &["4", "-"], &["5", "-"]]));
    assert_eq!(reasons, [wanted[1]]);
    // Where both are columns, neither is lost.
    let (rows, none) = read("a.jsonl", "{\"u.id\":2,\"u\":{\"id\":3}}\n", ReadOptions::default());
    assert_eq!((rows, none), (strings(&[&["2", "{\"id\":3}"]]), vec![]));
}

/// Nor one within a column of a file that has its types.
#[test]
fn no_field_within_a_struct_is_lost() {
    let field = |name: &str, of: ArrayRef| (Arc::new(Field::new(name, of.data_type().clone(), true)), of);
    let inner: ArrayRef = Arc::new(StructArray::from(vec![field("z", Arc::new(Int64Array::from(vec![9])))]));
    let both = StructArray::from(vec![field("id", Arc::new(Int64Array::from(vec![5]))), field("y", inner)]);
    let all = batch(vec![("i", Arc::new(Int64Array::from(vec![1]))), ("u", Arc::new(both))]);
    let into = |columns: &[&str]| {
        let fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
        ReadOptions { target: Some(Arc::new(Schema::new(fields))), ..Default::default() }
    };
    for (format, name) in [(FileFormat::Parquet, "a.parquet"), (FileFormat::Arrow, "a.arrow")] {
        let file = written(&all, format, "none");
        let refused = |columns: &[&str]| read_bytes(name, &file, into(columns)).unwrap_err().to_string();
        assert!(refused(&["i", "u.id"]).contains("'u.y'"), "{}", refused(&["i", "u.id"]));
        assert!(refused(&["i", "u.y.z"]).contains("'u.id'"), "{}", refused(&["i", "u.y.z"]));
        let (rows, none) = read_bytes(name, &file, into(&["i", "u.y.z", "u.id"])).unwrap();
        assert_eq!((rows, none), (strings(&[&["1", "9", "5"]]), vec![]));
        let named = ReadOptions { columns: Some(vec!["u.id".into()]), ..into(&["u.id"]) };
        assert_eq!(read_bytes(name, &file, named).unwrap().0, strings(&[&["5"]]));
    }
}

#[test]
fn a_field_of_later_rows_is_taken_where_it_is_named() {
    let mut lines: String = (0..10_001).map(|i| format!("{{\"a\":{i}}}\n")).collect();
    lines += "{\"a\":1,\"b\":2}\n";
    let columns = |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    let only = |names: &[&str]| ReadOptions { columns: columns(names), ..Default::default() };
    let (rows, none) = read("a.jsonl", &lines, only(&["a"]));
    assert_eq!((rows.len(), none), (10_002, vec![]));
    let late = read_bytes("a.jsonl", lines.as_bytes(), only(&["a", "b"])).unwrap_err().to_string();
    assert!(late.contains("the first 10000 rows have no column 'b'") && late.contains("--schema 'b:text, *'"), "{late}");
    let (rows, none) = read("a.jsonl", &lines, ReadOptions { columns: columns(&["a", "b"]), ..schema("b:text, *") });
    assert_eq!((rows[10_001].clone(), none), (vec!["1".to_owned(), "2".to_owned()], vec![]));
    let missing = read_bytes("a.jsonl", b"{\"a\":1}\n", only(&["a", "b"])).unwrap_err().to_string();
    assert!(missing.ends_with("no column 'b'; the file has a"), "{missing}");
}

#[test]
fn names_and_marks_that_stand_twice() {
    let header = ReadOptions { header: Some(vec!["a".into(), "a".into()]), ..Default::default() };
    let told = read_bytes("a.csv", b"1,2\n3,4\n", header).unwrap_err().to_string();
    assert!(told.ends_with("two columns are called 'a'; give each a name of its own in --header"), "{told}");
    let told = read_bytes("a.csv", b"x\na,a\n1,2\n", ReadOptions { skip_lines: 1, ..Default::default() }).unwrap_err().to_string();
    assert!(told.ends_with("rename one, or name all with --header A,B,... --skip-lines 2"), "{told}");
    assert_eq!(read("a.csv", "\u{feff}\u{feff}a,b\n1,2\n", schema("a:int, b:int")).0, strings(&[&["1", "2"]]));
    assert_eq!(read("a.jsonl", "\u{feff}\u{feff}{\"a\":1}\n", schema("a:int")).0, strings(&[&["1"]]));
}

#[test]
fn intervals_of_parquet_are_refused_wherever_they_stand() {
    let months: ArrayRef = Arc::new(IntervalYearMonthArray::from(vec![14]));
    let within = StructArray::from(vec![(Arc::new(Field::new("x", months.data_type().clone(), true)), months.clone())]);
    let all = batch(vec![("k", Arc::new(Int64Array::from(vec![1]))), ("v", months), ("s", Arc::new(within))]);
    let file = written(&all, FileFormat::Parquet, "none");
    for text in ["v:text", "s:text", "s.x:text", "k:int, *"] {
        let reason = read_bytes("a.parquet", &file, schema(text)).unwrap_err().to_string();
        assert!(reason.contains("whose months would be lost") && !reason.contains("--schema"), "{text}: {reason}");
    }
    assert_eq!(read_bytes("a.parquet", &file, schema("k:int")).unwrap().0, strings(&[&["1"]]));
    // Arrow has them in full.
    let file = written(&all, FileFormat::Arrow, "none");
    let wanted = strings(&[&["1 years 2 mons", "{\"x\":\"1 years 2 mons\"}"]]);
    assert_eq!(read_bytes("a.arrow", &file, schema("v:text, s:text")).unwrap().0, wanted);
}

/// What Arrow's own texts hide: each is of one row, and named.
#[test]
fn values_beyond_their_types_are_refused_by_row() {
    let all = batch(vec![
        ("clock", Arc::new(Time32SecondArray::from(vec![5, 86_400]))),
        ("passed", Arc::new(DurationSecondArray::from(vec![5, i64::MAX]))),
        ("day", Arc::new(Date32Array::from(vec![0, i32::MAX]))),
    ]);
    let file = written(&all, FileFormat::Arrow, "none");
    let column = |schema_text: &str| read_bytes("a.arrow", &file, schema(schema_text)).unwrap();
    assert_eq!(
        column("clock:text"),
        (strings(&[&["00:00:05"]]), vec!["line 2, column 'clock': '86400' is not a time of a day".to_owned()])
    );
    assert_eq!(column("passed:text"), (strings(&[&["PT5S"], &["PT9223372036854775807S"]]), vec![]));
    for to in ["text", "timestamp"] {
        let (rows, reasons) = column(&format!("day:{to}"));
        assert_eq!(rows, strings(&[&["1970-01-01T00:00:00Z"]]));
        assert!(reasons[0].starts_with("line 2, column 'day': '2147483647 days since 1970' is farther away"), "{reasons:?}");
    }
}

fn written(batch: &RecordBatch, format: FileFormat, codec: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if format == FileFormat::Parquet {
        use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
        let compression = match codec {
            "gzip" => Compression::GZIP(GzipLevel::default()),
            "brotli" => Compression::BROTLI(BrotliLevel::default()),
            "lz4" => Compression::LZ4_RAW,
            "zstd" => Compression::ZSTD(ZstdLevel::default()),
            "snappy" => Compression::SNAPPY,
            _ => Compression::UNCOMPRESSED,
        };
        let properties = parquet::file::properties::WriterProperties::builder().set_compression(compression).build();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    } else {
        let compression = match codec {
            "lz4" => Some(arrow_ipc::CompressionType::LZ4_FRAME),
            "zstd" => Some(arrow_ipc::CompressionType::ZSTD),
            _ => None,
        };
        let options = arrow_ipc::writer::IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut writer = arrow_ipc::writer::FileWriter::try_new_with_options(&mut out, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    }
    out
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, c)| c).collect()).unwrap()
}

#[test]
fn columnar_files_of_all_codecs() {
    let numbers = batch(vec![("v", Arc::new(Int64Array::from_iter_values(0..1000)))]);
    for (format, name, codecs) in [
        (FileFormat::Parquet, "a.parquet", &["none", "gzip", "brotli", "lz4", "zstd", "snappy"][..]),
        (FileFormat::Arrow, "a.arrow", &["none", "lz4", "zstd"]),
    ] {
        for codec in codecs {
            let (rows, none) = read_bytes(name, &written(&numbers, format, codec), ReadOptions::default()).unwrap();
            assert_eq!((rows.len(), rows[999][0].as_str(), none.len()), (1000, "999", 0), "{name} {codec}");
        }
    }
}

#[test]
fn columnar_types_keep_their_values() {
    let nested = StructArray::new(
        Fields::from(vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Float64, true)]),
        vec![Arc::new(Int64Array::from(vec![Some(7), None])), Arc::new(Float64Array::from(vec![f64::NAN, 0.5]))],
        None,
    );
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let decimals = Decimal128Array::from(vec![1_234, -5]).with_precision_and_scale(20, 2).unwrap();
    let all = batch(vec![
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"x"[..]), Some(&[0xff])]))),
        ("uuid", Arc::new(FixedSizeBinaryArray::try_from_iter([[0_u8; 16], [0xab; 16]].iter()).unwrap())),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![-1, -1_500]))),
        ("s", Arc::new(TimestampSecondArray::from(vec![0, i64::MAX / 2]))),
        ("nested", Arc::new(nested)),
        ("list", Arc::new(list)),
        ("decimal", Arc::new(decimals)),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 1]))),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![1, 43_200_000_000]))),
    ]);
    let file = written(&all, FileFormat::Arrow, "none");
    let column = |schema_text: &str| read_bytes("a.arrow", &file, schema(schema_text)).unwrap();
    assert_eq!(column("uuid:text").0, strings(&[&["00000000-0000-0000-0000-000000000000"], &["abababab-abab-abab-abab-abababababab"]]));
    assert_eq!(column("ns:timestamp").0, strings(&[&["1969-12-31T23:59:59.999999Z"], &["1969-12-31T23:59:59.999998Z"]]));
    let (rows, reasons) = column("s:timestamp");
    assert_eq!(rows, strings(&[&["1970-01-01T00:00:00Z"]]));
    assert!(reasons[0].contains("'4611686018427387903 s since 1970' is farther away"), "{reasons:?}");
    let (rows, reasons) = column("bytes:text");
    assert_eq!((rows, reasons), (strings(&[&["x"]]), vec!["line 2, column 'bytes': 0xff is not text in UTF-8".to_owned()]));
    assert_eq!(column("nested:text").0, strings(&[&["{\"id\":7,\"x\":\"NaN\"}"], &["{\"id\":null,\"x\":0.5}"]]));
    assert_eq!(column("nested.id:int, nested.x:float").0, strings(&[&["7", "NaN"], &["-", "0.5"]]));
    assert_eq!(column("list:text").0, strings(&[&["[1,null]"], &["-"]]));
    assert_eq!(column("decimal:text").0, strings(&[&["12.34"], &["-0.05"]]));
    assert_eq!(column("decimal:float").0, strings(&[&["12.34"], &["-0.05"]]));
    assert_eq!(column("decimal:int").1.len(), 2);
    assert_eq!(column("big:text").0, strings(&[&["18446744073709551615"], &["1"]]));
    assert_eq!(column("big:int").1, ["line 1, column 'big': '18446744073709551615' is not an integer of 64 bits"]);
    assert_eq!(column("big:float").1, ["line 1, column 'big': '18446744073709551615' has more digits than a float keeps"]);
    assert_eq!(column("clock:text").0[1], ["12:00:00"]);
    let error = read_bytes("a.arrow", &file, schema("bytes:text, *")).unwrap_err().to_string();
    assert!(error.contains("--schema 'nested:text, *'"), "{error}");
    // Epochs as floats and decimals, as their shortest decimals.
    let epochs = batch(vec![
        ("f", Arc::new(Float64Array::from(vec![1_714_564_800.25, -0.5]))),
        ("d", Arc::new(Decimal128Array::from(vec![1_714_564_800_250_000_i128, -500_000]).with_precision_and_scale(20, 6).unwrap())),
    ]);
    let options = ReadOptions {
        times: Times { unit: Some(twopath_events::files::TimeUnitOfNumbers::S), formats: vec![] },
        ..schema("f:timestamp, d:timestamp")
    };
    let (rows, none) = read_bytes("a.parquet", &written(&epochs, FileFormat::Parquet, "none"), options).unwrap();
    let wanted = [&["2024-05-01T12:00:00.25Z"; 2][..], &["1969-12-31T23:59:59.5Z"; 2]];
    assert_eq!((rows, none), (strings(&wanted), vec![]));
}

#[test]
fn a_large_file_keeps_its_order_over_all_threads() {
    let text: String = "i,s\n".to_owned() + &(0..100_000).map(|i| format!("{i},\"text \"\"{i}\"\"\"\n")).collect::<String>();
    let (rows, none) = read("a.csv", &text, ReadOptions::default());
    assert!(none.is_empty() && rows.len() == 100_000);
    assert!(rows.iter().enumerate().all(|(i, row)| row[0] == i.to_string() && row[1] == format!("text \"{i}\"")));
    let lines: String = (0..100_000).map(|i| format!("{{\"i\":{i}}}\n")).collect();
    let (rows, _) = read("a.jsonl", &lines, ReadOptions::default());
    assert!(rows.len() == 100_000 && rows.iter().enumerate().all(|(i, row)| row[0] == i.to_string()));
}
