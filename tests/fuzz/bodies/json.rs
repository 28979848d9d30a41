//! Event lines: JSON with a schema.

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;

use super::files::{JsonRows, SchemaText, TimeUnitOfNumbers};

/// What the columns may be called and hold; the last line of the input's choice.
const SCHEMA: &str = "at:timestamp, id:int, name:text, share:float, ok:bool";

/// Whether all lines of the input are events of the schema. Each line that is not blank is a row or is set aside with a reason; a row that is
/// written as JSON is read again as the same.
pub fn json(data: &[u8]) -> bool {
    let Ok(text) = SchemaText::parse(SCHEMA) else { panic!("the schema is ours") };
    // The first byte chooses whether the time must be there and what numbers count.
    let (how, lines) = data.split_first().unwrap_or((&0, &[]));
    let schema = text.arrow((how & 1 == 0).then_some("at"));
    let unit = [None, Some(TimeUnitOfNumbers::S), Some(TimeUnitOfNumbers::Us), Some(TimeUnitOfNumbers::Ns)][usize::from(how >> 1 & 3)];
    let mut rows = JsonRows::of_lines(&schema, unit);
    let lines: Vec<&[u8]> = lines.split(|b| *b == b'\n').collect();
    let taken = lines.iter().filter(|line| rows.push_line(line)).count();
    let (batch, rejected) = rows.take();
    assert_eq!(batch.num_rows() + rejected.len(), taken, "each line that is not blank is a row or is set aside");
    for row in &rejected {
        assert!(!row.reason.is_empty() && (1..=lines.len() as u64).contains(&row.line), "{row} says nothing or is nowhere");
        assert!(row.column.is_none() || !row.to_string().is_empty());
    }
    let mut again = JsonRows::of_lines(&schema, Some(TimeUnitOfNumbers::Us));
    written(&batch, &schema).iter().for_each(|line| assert!(again.push_line(line.as_bytes())));
    let (same, none) = again.take();
    assert!(none.is_empty(), "what was read is not read again: {}", none[0]);
    assert_eq!(same, batch, "what was read is read again as the same");
    rejected.is_empty() && taken > 0
}

/// The rows as lines: times as microseconds.
fn written(batch: &RecordBatch, schema: &SchemaRef) -> Vec<String> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
    let value = |column: usize, row: usize| -> serde_json::Value {
        let array = batch.column(column);
        if array.is_null(row) {
            return serde_json::Value::Null;
        }
        match column {
            0 => array.as_primitive::<TimestampMicrosecondType>().value(row).into(),
            1 => array.as_primitive::<Int64Type>().value(row).into(),
            2 => array.as_string::<i32>().value(row).into(),
            3 => array.as_primitive::<Float64Type>().value(row).into(),
            _ => array.as_boolean().value(row).into(),
        }
    };
    let line = |row| {
        let fields = schema.fields().iter().enumerate().map(|(column, f)| (f.name().clone(), value(column, row)));
        serde_json::Value::Object(fields.collect()).to_string()
    };
    (0..batch.num_rows()).map(line).collect()
}
