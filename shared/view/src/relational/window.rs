//! Windows of event time, row by row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};

use super::keys::numbered;
use super::rows::{Rows, taken};
use crate::canonical::{as_i64, from_i64};
use twopath_query::plan::Window;
use twopath_query::{DataType, EvalError, Expr};

/// Each row once for every window that the timestamp in `column` falls in, with the columns that say which window it is.
pub fn window(rows: &Rows, column: usize, window: &Window) -> Result<Rows, EvalError> {
    let times = as_i64(rows.columns[column].as_ref());
    let found = match window {
        // Each row is in one, and a row without a time in the one whose start is NULL.
        Window::Tumble { size, offset_us } => {
            let start = rows.eval(&size.start(Expr::column(column, DataType::Timestamp), *offset_us))?;
            let columns = rows.columns.iter().cloned().chain([start]).collect();
            let types = rows.types.iter().copied().chain([DataType::Timestamp]).collect();
            return Ok(Rows::new(columns, types, rows.count));
        }
        Window::Hop { slide_us, size_us, offset_us } => hop(&times, *slide_us, *size_us, *offset_us)?,
        Window::Cumulate { step_us, size_us, offset_us } => cumulate(&times, *step_us, *size_us, *offset_us)?,
        Window::Session { gap_us, by } => session(rows, &times, *gap_us, by)?,
    };
    let count = found.rows.len();
    let mut columns = taken(&rows.columns, &UInt32Array::from(found.rows));
    let mut types = rows.types.clone();
    for bounds in found.bounds {
        columns.push(from_i64(Int64Array::from(bounds), DataType::Timestamp));
        types.push(DataType::Timestamp);
    }
    Ok(Rows::new(columns, types, count))
}

/// Rows, and of each the window that it is in.
struct Found {
    rows: Vec<u32>,
    /// By column, by row.
    bounds: Vec<Vec<i64>>,
}

/// Both bounds, if 64 bits hold them.
fn within(start: i128, end: i128) -> Result<(i64, i64), EvalError> {
    let bound = |us: i128| i64::try_from(us).map_err(|_| EvalError::OutOfRange);
    Ok((bound(start)?, bound(end)?))
}

/// Calls `f` with each row that has a time, and its time.
fn each(times: &Int64Array, mut f: impl FnMut(u32, i128) -> Result<(), EvalError>) -> Result<(), EvalError> {
    (0..times.len()).filter(|&row| times.is_valid(row)).try_for_each(|row| f(row as u32, times.value(row).into()))
}

fn hop(times: &Int64Array, slide_us: i64, size_us: i64, offset_us: i64) -> Result<Found, EvalError> {
    let (slide, size, offset) = (i128::from(slide_us), i128::from(size_us), i128::from(offset_us));
    let (mut rows, mut starts) = (Vec::new(), Vec::new());
    each(times, |row, time| {
        let mut start = time - (time - offset).rem_euclid(slide);
        while start > time - size {
            starts.push(within(start, start + size)?.0);
            rows.push(row);
            start -= slide;
        }
        Ok(())
    })?;
    Ok(Found { rows, bounds: vec![starts] })
}

fn cumulate(times: &Int64Array, step_us: i64, size_us: i64, offset_us: i64) -> Result<Found, EvalError> {
    let (step, size, offset) = (i128::from(step_us), i128::from(size_us), i128::from(offset_us));
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    each(times, |row, time| {
        let start = time - (time - offset).rem_euclid(size);
        let mut end = start + ((time - start) / step + 1) * step;
        within(start, start + size)?;
        while end <= start + size {
            ends.push(within(start, end)?.1);
            rows.push(row);
            end += step;
        }
        Ok(())
    })?;
    Ok(Found { rows, bounds: vec![ends] })
}

fn session(rows: &Rows, times: &Int64Array, gap_us: i64, by: &[usize]) -> Result<Found, EvalError> {
    let columns: Vec<ArrayRef> = by.iter().map(|&c| Arc::clone(&rows.columns[c])).collect();
    let types: Vec<DataType> = by.iter().map(|&c| rows.types[c]).collect();
    let (numbers, _) = numbered(&columns, &types, rows.count);
    let placed = (0..rows.count).filter(|&row| times.is_valid(row)).map(|row| (numbers[row], times.value(row), row as u32));
    let mut placed: Vec<(u32, i64, u32)> = placed.collect();
    placed.sort_unstable();
    let gap = i128::from(gap_us);
    let goes_on = |a: &(u32, i64, u32), b: &(u32, i64, u32)| a.0 == b.0 && i128::from(b.1) - i128::from(a.1) < gap;
    let (mut starts, mut ends) = (Vec::with_capacity(placed.len()), Vec::with_capacity(placed.len()));
    for run in placed.chunk_by(goes_on) {
        let (start, end) = within(run[0].1.into(), i128::from(run[run.len() - 1].1) + gap)?;
        starts.resize(starts.len() + run.len(), start);
        ends.resize(ends.len() + run.len(), end);
    }
    Ok(Found { rows: placed.into_iter().map(|(.., row)| row).collect(), bounds: vec![starts, ends] })
}
