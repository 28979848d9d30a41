//! Rows with the windows that they are in.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{Row, value};
use crate::key::Key;
use crate::windows::{cumulating, hopping, sessions, tumbling};
use twopath_query::plan::{Window, WindowSize};
use twopath_query::{DataType, EvalError, Expr, ExprKind, Value};

/// Each row once for each window that it is in, with the window's columns behind its own.
pub(super) fn windowed(rows: Vec<Row>, column: usize, window: &Window) -> Result<Vec<Row>, EvalError> {
    if let Window::Session { gap_us, by } = window {
        return in_sessions(rows, column, *gap_us, by);
    }
    let mut out = Vec::new();
    for row in rows {
        for bound in bounds(&row, column, window)? {
            let mut row = row.clone();
            row.push(bound);
            out.push(row);
        }
    }
    Ok(out)
}

/// What names the windows of a row. A row without a time is in no window but the tumbling one that has no start.
fn bounds(row: &Row, column: usize, window: &Window) -> Result<Vec<Value>, EvalError> {
    let Value::Timestamp(t) = row[column] else {
        return Ok(if matches!(window, Window::Tumble { .. }) { vec![Value::Null] } else { Vec::new() });
    };
    let bounds = match *window {
        Window::Tumble { size: WindowSize::Fixed(size), offset_us } => vec![tumbling(t, size, offset_us)?],
        Window::Tumble { size: WindowSize::Calendar(unit), .. } => {
            let arg = Box::new(Expr::column(column, DataType::Timestamp));
            return Ok(vec![value(&Expr::new(ExprKind::DateTrunc { unit, arg }, DataType::Timestamp), row)?]);
        }
        Window::Hop { slide_us, size_us, offset_us } => hopping(t, slide_us, size_us, offset_us)?,
        Window::Cumulate { step_us, size_us, offset_us } => cumulating(t, step_us, size_us, offset_us)?,
        Window::Session { .. } => unreachable!("a session is not known of one row"),
    };
    Ok(bounds.into_iter().map(Value::Timestamp).collect())
}

fn in_sessions(rows: Vec<Row>, column: usize, gap_us: i64, by: &[usize]) -> Result<Vec<Row>, EvalError> {
    let mut alike: HashMap<Key, Vec<(i64, Row)>, FixedState> = HashMap::default();
    for row in rows {
        if let Value::Timestamp(t) = row[column] {
            let key = by.iter().map(|&c| row[c].clone()).collect();
            alike.entry(Key(key)).or_default().push((t, row));
        }
    }
    let mut out = Vec::new();
    for mut rows in alike.into_values() {
        rows.sort_by_key(|(t, _)| *t);
        let times: Vec<i64> = rows.iter().map(|(t, _)| *t).collect();
        for session in sessions(&times, gap_us) {
            let end = times[session.end - 1].checked_add(gap_us).ok_or(EvalError::OutOfRange)?;
            let bounds = [Value::Timestamp(times[session.start]), Value::Timestamp(end)];
            out.extend(rows[session].iter().map(|(_, row)| row.iter().chain(&bounds).cloned().collect()));
        }
    }
    Ok(out)
}
