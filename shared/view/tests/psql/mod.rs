//! A PostgreSQL that is asked, and its answers beside ours.

use std::io::Write;
use std::process::{Command, Stdio};

use twopath_query::{DataType, Value};

/// A row's values as PostgreSQL writes them.
pub type Row = Vec<Option<String>>;

/// The rows that each query gives, of which so many columns are named c0, c1, ...; `None` for an error.
pub fn ask(socket: &str, values: &str, queries: &[(&str, usize)]) -> Vec<Option<Vec<Row>>> {
    let mut script = format!(
        "CREATE TEMP TABLE events (n bigint, m bigint, x double precision, s text, t timestamp, flag boolean, i bigint);\nINSERT INTO events VALUES\n{values};\n"
    );
    for (theirs, columns) in queries {
        let columns = (0..*columns).map(|i| format!("q.c{i}::text")).collect::<Vec<_>>().join(", ");
        script += &format!("\\echo @begin\nSELECT to_json(ARRAY[{columns}]) FROM ({theirs}) q;\n\\echo @end :ERROR\n");
    }
    let mut psql = Command::new("psql")
        .args(["-h", socket, "-qAtX", "-d", "postgres"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql starts");
    let mut input = psql.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = psql.wait_with_output().expect("psql ends");
    writer.join().expect("no panic").expect("psql reads");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut answers = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        match line {
            "@begin" => rows.clear(),
            "@end false" => answers.push(Some(std::mem::take(&mut rows))),
            "@end true" => answers.push(None),
            row => rows.push(serde_json::from_str(row).unwrap_or_else(|e| panic!("{e}: {row}"))),
        }
    }
    assert_eq!(answers.len(), queries.len(), "one answer per query");
    answers
}

/// A value as text in which values that are equal in both databases are equal.
pub fn shown(value: &Value, rounded: bool) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Int(i) => number(*i as f64, rounded),
        Value::Numeric(n) => number(*n as f64, rounded),
        Value::Decimal(d) => number(d.to_string().parse().expect("digits"), rounded),
        Value::Float(f) => number(*f, rounded),
        Value::Text(t) => format!("text {t}"),
        Value::Bool(b) => b.to_string(),
        Value::Timestamp(us) => format!("text {}", twopath_query::time::format_timestamp(*us)),
        Value::Interval(us) => format!("interval {us}"),
    }
}

/// All digits of a float, or 12 of them.
fn number(f: f64, rounded: bool) -> String {
    match rounded {
        false => format!("{:?}", f + 0.0),
        // What cancels out is left with noise in PostgreSQL's sums.
        true if f.abs() < 1e-9 => "0".to_owned(),
        true => format!("{f:.11e}"),
    }
}

/// What PostgreSQL wrote of a value that is of this type here.
pub fn theirs_shown(text: &Option<String>, of: DataType, rounded: bool) -> String {
    let Some(text) = text else { return "null".to_owned() };
    match of {
        DataType::Int | DataType::Float | DataType::Numeric | DataType::Decimal { .. } => {
            number(text.parse().unwrap_or_else(|_| panic!("{text} is no number")), rounded)
        }
        DataType::Bool => text.clone(),
        DataType::Text | DataType::Timestamp | DataType::Interval => format!("text {text}"),
    }
}

/// Whether both are errors, or hold the same rows. A number that lies between two of 12 digits can be shown as either of them.
pub fn are_equal(got: Option<&[Vec<String>]>, expected: Option<&[Vec<String>]>, rounded: &[bool]) -> bool {
    let is_near = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1.01e-11 * a.abs().max(b.abs()),
        _ => false,
    };
    let cells = |g: &Vec<String>, e: &Vec<String>| {
        g.len() == e.len() && g.iter().zip(e).zip(rounded).all(|((g, e), rounded)| g == e || (*rounded && is_near(g, e)))
    };
    match (got, expected) {
        (Some(got), Some(expected)) => got.len() == expected.len() && got.iter().zip(expected).all(|(g, e)| cells(g, e)),
        (got, expected) => got.is_none() && expected.is_none(),
    }
}
