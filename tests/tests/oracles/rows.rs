//! Rows of CSV and JSON Lines, and values as they are written there.

use serde_json::Value as Json;
use twopath_query::Value;
use twopath_query::time::parse_timestamp;

/// By the name of the column; a field that is not there is NULL.
pub type Record = Vec<(String, Option<String>)>;

/// A row of the columns of a table, in order.
pub type Row = Vec<Value>;

/// RFC 4180 with a header; an empty field is NULL.
pub fn csv(text: &str) -> Vec<Record> {
    let mut lines = csv_lines(text).into_iter();
    let header: Vec<String> = lines.next().expect("there is a header");
    let field = |(name, value): (&String, String)| (name.clone(), (!value.is_empty()).then_some(value));
    lines.map(|line| header.iter().zip(line).map(field).collect()).collect()
}

fn csv_lines(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                line.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut line));
            }
            c => field.push(c),
        }
    }
    assert!(line.is_empty() && field.is_empty(), "the last line ends");
    lines
}

/// One object a line.
pub fn jsonl(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// The fields of an object as text.
pub fn record(object: &Json) -> Record {
    let text = |value: &Json| match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    object.as_object().expect("it is an object").iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The value of a column.
pub fn value(record: &Record, (name, kind): &(String, String)) -> Value {
    let Some(text) = record.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.as_ref()) else { return Value::Null };
    let time = || parse_timestamp(text).unwrap_or_else(|| panic!("{name}: {text} is no time"));
    match kind.as_str() {
        "int" => Value::Int(text.parse().unwrap_or_else(|e| panic!("{name}: {text}: {e}"))),
        "double" | "decimal" => Value::Float(text.parse().unwrap_or_else(|e| panic!("{name}: {text}: {e}"))),
        "text" => Value::Text(text.as_str().into()),
        "bool" => Value::Bool(text == "true"),
        "timestamp" | "date" => Value::Timestamp(time()),
        other => panic!("{name} is of an unknown type {other}"),
    }
}
