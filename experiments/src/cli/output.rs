//! Rows on standard output: a table for people, CSV and JSON for programs.
//!
//! CSV follows RFC 4180 with a header line: text is quoted where it must be, NULL is an empty cell and the empty text `""`. Timestamps are ISO 8601 in
//! UTC (`2013-01-01T10:00:00Z`, with a fraction only where there is one), intervals `hours:minutes:seconds` (`-00:05:00`, `26:00:00.5`),
//! sums of integers whole numbers of any length, decimals all their digits (`12.30`; in JSON, too, they are numbers that are written out), floats the shortest decimals that read back as the same float (`NaN`, `Infinity` and
//! `-Infinity` are texts in JSON, which has no such numbers).

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, DurationMicrosecondType, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use clap::ValueEnum;
use twopath_query::{DIGITS_MAX, Decimal, Value, time};

use twopath_events::files::{ColumnType, convert_column};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// One object
    Json,
    /// RFC 4180 with a header line
    Csv,
}

/// How a report is told: what is no answer to a query, and no table of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// A report as one JSON value, for programs.
pub(super) fn report(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// The rows of a record batch as SQL values.
pub(super) fn values(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, ArrowError> {
    let columns = batch.columns().iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| value(column, row)).collect()).collect())
}

/// A column of any type that a topic may have, in the type that [`value`] reads.
fn canonical(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Decimal128(_, 0..) | DataType::Duration(TimeUnit::Microsecond) => Ok(column.clone()),
        other => match ColumnType::of(other) {
            Some(t) if t.arrow() == *other => Ok(column.clone()),
            Some(t) => convert_column(column, &t.arrow(), None),
            None => arrow_cast::cast(column, &DataType::Utf8),
        },
    }
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(..) => Value::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Duration(_) => Value::Interval(column.as_primitive::<DurationMicrosecondType>().value(row)),
        DataType::Decimal128(DIGITS_MAX, 0) => Value::Numeric(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            let unscaled = column.as_primitive::<Decimal128Type>().value(row);
            Value::Decimal(Decimal { unscaled, scale: scale.unsigned_abs() })
        }
        _ => Value::Text(column.as_string::<i32>().value(row).into()),
    }
}

/// A value as text; NULL is empty.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => float(*f),
        Value::Text(s) => s.to_string(),
        Value::Timestamp(us) => timestamp(*us),
        Value::Interval(us) => interval(*us),
        // Most sums are short, and division by 128 bits is slow.
        Value::Numeric(n) => i64::try_from(*n).map_or_else(|_| n.to_string(), |n| n.to_string()),
        Value::Decimal(d) => d.to_string(),
    }
}

/// Microseconds since 1970 as ISO 8601, UTC.
pub(super) fn timestamp(us: i64) -> String {
    twopath_events::files::iso(us)
}

fn interval(us: i64) -> String {
    time::format_interval(us)
}

/// An answer's rows with one zero, as SQL has it: engines may have come to either of the floats'.
pub(super) fn with_one_zero(batch: &RecordBatch) -> RecordBatch {
    let one_zero = |column: &ArrayRef| match column.as_primitive_opt::<Float64Type>() {
        Some(floats) => Arc::new(floats.unary::<_, Float64Type>(|f| f + 0.0)) as ArrayRef,
        None => column.clone(),
    };
    RecordBatch::try_new(batch.schema(), batch.columns().iter().map(one_zero).collect()).expect("columns of the same types")
}

pub(super) fn one_zero(value: &Value) -> Value {
    if let Value::Float(f) = value { Value::Float(f + 0.0) } else { value.clone() }
}

fn float(f: f64) -> String {
    let magnitude = f.abs();
    if f.is_nan() {
        "NaN".into()
    } else if f.is_infinite() {
        if f > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        format!("{f:e}")
    } else {
        f.to_string()
    }
}

/// A value as JSON.
pub(super) fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Int(_) | Value::Numeric(_) | Value::Decimal(_) => text(value),
        Value::Float(f) if f.is_finite() => text(value),
        _ => json_text(&text(value)),
    }
}

/// A text as a JSON string.
pub(super) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A row as a JSON object.
pub(super) fn json_row(names: &[String], row: &[Value]) -> String {
    let fields: Vec<String> = names.iter().zip(row).map(|(name, value)| format!("{}:{}", json_text(name), json(value))).collect();
    format!("{{{}}}", fields.join(","))
}

/// One line of CSV.
pub(super) fn csv_line<'a>(out: &mut dyn Write, cells: impl IntoIterator<Item = (&'a str, bool)>) -> io::Result<()> {
    for (i, (text, is_null)) in cells.into_iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        if is_null { out.write_all(text.as_bytes())? } else { csv_text(out, text)? }
    }
    out.write_all(b"\n")
}

fn csv_text(out: &mut (impl Write + ?Sized), text: &str) -> io::Result<()> {
    let must_quote = text.is_empty() || text.contains([',', '"', '\n', '\r']);
    if must_quote { write!(out, "\"{}\"", text.replace('"', "\"\"")) } else { out.write_all(text.as_bytes()) }
}

/// Rows of which one thread makes lines at a time.
const CSV_ROWS: usize = 32 * 1024;

/// The rows of a record batch as lines of CSV, which all processors make.
pub(super) fn csv_rows(out: &mut dyn Write, batch: &RecordBatch) -> io::Result<()> {
    let columns = batch.columns().iter().map(canonical).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let parts: Vec<Range<usize>> =
        (0..batch.num_rows()).step_by(CSV_ROWS).map(|from| from..batch.num_rows().min(from + CSV_ROWS)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for parts in parts.chunks(threads) {
        let lines: Vec<io::Result<Vec<u8>>> = std::thread::scope(|scope| {
            let made: Vec<_> = parts.iter().map(|rows| scope.spawn(|| csv_lines(&columns, rows.clone()))).collect();
            made.into_iter().map(|lines| lines.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for lines in lines {
            out.write_all(&lines?)?;
        }
    }
    Ok(())
}

fn csv_lines(columns: &[ArrayRef], rows: Range<usize>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(rows.len() * columns.len() * 12);
    // In order of time many rows have the time of the row before, whose text stands there.
    let mut times: Vec<Option<(i64, Range<usize>)>> = vec![None; columns.len()];
    for row in rows {
        for (i, (column, time)) in columns.iter().zip(&mut times).enumerate() {
            if i > 0 {
                lines.push(b',');
            }
            if let Some(texts) = column.as_string_opt::<i32>() {
                if texts.is_valid(row) {
                    csv_text(&mut lines, texts.value(row))?;
                }
                continue;
            }
            match value(column, row) {
                Value::Null => {}
                Value::Int(number) => write!(lines, "{number}")?,
                Value::Timestamp(us) => {
                    let from = lines.len();
                    match time {
                        Some((last, text)) if *last == us => lines.extend_from_within(text.clone()),
                        _ => lines.extend_from_slice(timestamp(us).as_bytes()),
                    }
                    *time = Some((us, from..lines.len()));
                }
                other => csv_text(&mut lines, &text(&other))?,
            }
        }
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A row of values as a line of CSV.
pub(super) fn csv_row(out: &mut dyn Write, row: &[Value]) -> io::Result<()> {
    let texts: Vec<String> = row.iter().map(text).collect();
    csv_line(out, texts.iter().zip(row).map(|(text, value)| (text.as_str(), *value == Value::Null)))
}

/// The names as the header line of CSV.
pub(super) fn csv_header(out: &mut dyn Write, names: &[String]) -> io::Result<()> {
    csv_line(out, names.iter().map(|name| (name.as_str(), false)))
}

/// A table: numbers right, the rest left, NULL as a dash.
pub(super) fn table(out: &mut dyn Write, names: &[String], rows: &[Vec<Value>]) -> io::Result<()> {
    let shown = |value: &Value| if *value == Value::Null { "-".to_owned() } else { printable(&text(value)) };
    let texts: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(shown).collect()).collect();
    let length = |text: &str| text.chars().count();
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(i, name)| texts.iter().map(|row| length(&row[i])).chain([length(name)]).max().unwrap_or(0))
        .collect();
    let numeric: Vec<bool> = (0..names.len())
        .map(|i| {
            let mut values = rows.iter().map(|row| &row[i]).filter(|v| **v != Value::Null).peekable();
            values.peek().is_some()
                && values.all(|v| matches!(v, Value::Int(_) | Value::Float(_) | Value::Numeric(_) | Value::Decimal(_) | Value::Interval(_)))
        })
        .collect();
    let mut line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(i, cell)| {
            let pad = " ".repeat(widths[i] - length(cell));
            if numeric[i] { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    line(names)?;
    line(&widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>())?;
    texts.iter().try_for_each(|row| line(row))
}

/// A text that keeps to its line and does not drive the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_text() {
        let cases = [
            (Value::Timestamp(1_357_034_400_000_000), "2013-01-01T10:00:00Z"),
            (Value::Timestamp(1_357_034_400_250_000), "2013-01-01T10:00:00.25Z"),
            (Value::Timestamp(-62_135_596_800_000_001), "0000-12-31T23:59:59.999999Z"),
            (Value::Timestamp(-1), "1969-12-31T23:59:59.999999Z"),
            (Value::Interval(-300_000_000), "-00:05:00"),
            (Value::Interval(93_600_500_000), "26:00:00.5"),
            (Value::Numeric(i128::MAX), "170141183460469231731687303715884105727"),
            (Value::Decimal(Decimal { unscaled: -1230, scale: 2 }), "-12.30"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(2.0), "2"),
            (Value::Float(1e300), "1e300"),
            (Value::Float(1e-7), "1e-7"),
            (Value::Float(f64::NEG_INFINITY), "-Infinity"),
            (Value::Null, ""),
        ];
        for (value, wanted) in cases {
            assert_eq!(text(&value), wanted, "{value:?}");
        }
        assert_eq!(json(&Value::Float(f64::NAN)), "\"NaN\"");
        assert_eq!(json(&Value::Text("a\"\n".into())), r#""a\"\n""#);
    }

    #[test]
    fn csv_quotes_what_it_must() {
        let mut out = Vec::new();
        let row = [Value::Null, Value::Text("".into()), Value::Text("a,b".into()), Value::Text("say \"hi\"\n".into()), Value::Int(-1)];
        csv_row(&mut out, &row).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), ",\"\",\"a,b\",\"say \"\"hi\"\"\n\",-1\n");
    }

    /// Over more rows than one thread takes: as row by row.
    #[test]
    fn rows_of_columns_are_those_of_values() {
        let rows = 2 * CSV_ROWS + 7;
        let numbers = (0..rows as i64).map(|i| (i % 5 > 0).then_some(i * 7 - 100_000)).collect::<arrow_array::Int64Array>();
        let texts = (0..rows).map(|i| [Some(""), Some("a,b"), None, Some("é"), Some("\"")][i % 5]).collect::<arrow_array::StringArray>();
        let times = (0..rows as i64).map(|i| (i % 11 > 0).then_some(i / 3 * 500_000)).collect::<arrow_array::TimestampMicrosecondArray>();
        let floats = (0..rows).map(|i| (i % 3 > 0).then_some(i as f64 / 8.0)).collect::<arrow_array::Float64Array>();
        let columns: [(&str, ArrayRef); 4] = [
            ("n", std::sync::Arc::new(numbers)),
            ("s", std::sync::Arc::new(texts)),
            ("t", std::sync::Arc::new(times.with_timezone("UTC"))),
            ("x", std::sync::Arc::new(floats)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let (mut by_columns, mut by_rows) = (Vec::new(), Vec::new());
        csv_rows(&mut by_columns, &batch).unwrap();
        values(&batch).unwrap().iter().for_each(|row| csv_row(&mut by_rows, row).unwrap());
        assert!(by_columns == by_rows);
    }

    #[test]
    fn tables_line_up() {
        let mut out = Vec::new();
        let rows = [vec![Value::Text("EWR".into()), Value::Int(5)], vec![Value::Null, Value::Int(12_345)]];
        table(&mut out, &["origin".into(), "n".into()], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "origin      n\n------  -----\nEWR         5\n-       12345\n");
    }
}
