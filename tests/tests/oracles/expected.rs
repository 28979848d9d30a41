//! Whether an answer has the rows that are expected, in any order.

use twopath_query::Value;

use crate::case::Column;
use crate::rows::Row;

/// Averages are printed with more digits than they have, and sums of squares of times were made in float arithmetic.
const AVERAGES_DIFFER_BY: f64 = 1e-9;

/// # Errors
/// What differs.
pub fn compare(columns: &[Column], expected: &[Row], got: &[Row]) -> Result<(), String> {
    let mut left: Vec<&Row> = got.iter().collect();
    let mut missing = Vec::new();
    for row in expected {
        match left.iter().position(|got| columns.iter().zip(row.iter().zip(*got)).all(|(column, (e, g))| agree(column, e, g))) {
            Some(place) => drop(left.swap_remove(place)),
            None => missing.push(row),
        }
    }
    if missing.is_empty() && left.is_empty() {
        return Ok(());
    }
    let some = |rows: &[&Row]| rows.iter().take(3).map(|row| format!("{row:?}")).collect::<Vec<_>>().join(" ");
    Err(format!(
        "{} of {} rows are missing: {}; {} are too many: {}",
        missing.len(),
        expected.len(),
        some(&missing),
        left.len(),
        some(&left)
    ))
}

fn agree((name, kind): &Column, expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Null, got) => *got == Value::Null,
        (Value::Int(e), Value::Numeric(g)) => i128::from(*e) == *g,
        (Value::Int(e), Value::Float(g)) => *e as f64 == *g,
        (Value::Float(e), got) => {
            let got = match got {
                Value::Float(g) => *g,
                Value::Int(g) => *g as f64,
                Value::Numeric(g) => *g as f64,
                Value::Decimal(g) => g.to_string().parse().expect("a decimal is a number"),
                _ => return false,
            };
            let may_differ_by = if name.contains("avg") || name.starts_with("regr_s") { e.abs() * AVERAGES_DIFFER_BY } else { 0.0 };
            *e == got || (*e - got).abs() <= may_differ_by
        }
        (e, g) => {
            debug_assert!(kind != "decimal", "decimals are numbers");
            e == g
        }
    }
}
