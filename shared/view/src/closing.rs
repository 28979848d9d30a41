//! Windows that close: which groups of a table are final at a watermark, and which of them are still needed then.

use arrow_array::{Int64Array, RecordBatch};
use twopath_query::{Closing, EvalError, NamedExpr};

use super::accumulator::Accumulate;
use super::answer::answer_groups;
use super::canonical::as_i64;
use super::eval::eval;
use super::table::GroupTable;
use super::windows;

/// What of a table is needed of a stream whose windows close.
pub struct Open {
    /// Which groups, ascending: those of windows that have not ended.
    pub groups: Vec<u32>,
    /// Before this moment none of those windows ends; `None` where there are none.
    pub until: Option<i64>,
    /// The least event time of the records that they are made of; `None` where no group has one.
    pub since: Option<i64>,
}

/// The answer's rows of windows that end after the one moment, if there is one, and not after the other; and when each of them ends.
///
/// # Errors
/// The [`EvalError`] of one of those groups, and a window that ends beyond the ends of time.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{RecordBatch, TimestampMicrosecondArray};
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use twopath_view::{Fold, GroupTable, closed, still_open};
///
/// let schema = Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true)]);
/// let sql = "SELECT window_start, COUNT(*) AS n
///            FROM TUMBLE(TABLE WATERMARK(TABLE clicks, DESCRIPTOR(at), INTERVAL '0' SECOND), DESCRIPTOR(at), INTERVAL '1' SECOND)
///            GROUP BY window_start EMIT ON WINDOW CLOSE";
/// let closing = twopath_query::logical_plan(sql, "clicks", &schema)?.closing().unwrap().unwrap();
/// let mut groups = GroupTable::new(&closing.query);
/// let times = TimestampMicrosecondArray::from(vec![100_000, 200_000, 1_500_000]);
/// let watermarks = TimestampMicrosecondArray::from(vec![None, None, None]);
/// let batch = RecordBatch::try_from_iter([("at", Arc::new(times) as _), ("_watermark", Arc::new(watermarks) as _)])?;
/// Fold::new(&closing.query).update(&mut groups, &batch)?;
///
/// let (rows, ends) = closed(&closing, &groups, (None, 1_500_000))?;
/// assert_eq!((rows.num_rows(), ends.values().to_vec()), (1, vec![1_000_000]));
/// let open = still_open(&closing, &groups, Some(1_500_000))?;
/// assert_eq!((open.groups.len(), open.until, open.since), (1, Some(2_000_000), Some(1_500_000)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn closed(closing: &Closing, groups: &GroupTable, (after, to): (Option<i64>, i64)) -> Result<(RecordBatch, Int64Array), EvalError> {
    let mut query = closing.query.clone();
    query.output.push(NamedExpr { name: "end".into(), expr: closing.end.clone() });
    let rows = match &query.panes {
        Some(panes) => {
            let windows = windows::ending(&query, panes, groups, after, to)?;
            answer_groups(&query, &windows, (0..windows.len() as u32).collect())?.0
        }
        None => {
            let is_final = |end: i64| end <= to && after.is_none_or(|after| end > after);
            let ends = ends_of(closing, groups)?;
            let chosen = ends.iter().enumerate().filter(|(_, end)| end.is_some_and(is_final)).map(|(group, _)| group as u32);
            answer_groups(&query, groups, chosen.collect())?.0
        }
    };
    let columns: Vec<usize> = (0..closing.query.output.len()).collect();
    let ends = as_i64(rows.column(columns.len()).as_ref());
    Ok((rows.project(&columns).expect("columns that are there"), ends))
}

/// Which of the groups are needed once the watermark is there: those of windows that end after it; of all windows where there is none yet.
///
/// # Errors
/// A window that ends beyond the ends of time.
pub fn still_open(closing: &Closing, groups: &GroupTable, watermark: Option<i64>) -> Result<Open, EvalError> {
    let (open, until) = match &closing.query.panes {
        Some(panes) => windows::open(panes, groups, watermark)?,
        None => by_ends(closing, groups, watermark)?,
    };
    let firsts = as_i64(groups.accumulators[closing.first()].finalise(&open)?.as_ref());
    let since = firsts.iter().flatten().min();
    let until = until.map(|end| i64::try_from(end).map_err(|_| EvalError::OutOfRange)).transpose()?;
    Ok(Open { groups: open, until, since })
}

/// The groups whose window ends after the watermark, and the least end. One in the window of NULL never is in an answer.
fn by_ends(closing: &Closing, groups: &GroupTable, watermark: Option<i64>) -> Result<(Vec<u32>, Option<i128>), EvalError> {
    let ends = ends_of(closing, groups)?;
    let is_open = |end: &Option<i64>| end.is_some_and(|end| watermark.is_none_or(|watermark| end > watermark));
    let open: Vec<u32> = ends.iter().enumerate().filter(|(_, end)| is_open(end)).map(|(group, _)| group as u32).collect();
    let least = open.iter().map(|&group| i128::from(ends.value(group as usize))).min();
    Ok((open, least))
}

/// When the window of each group ends, which its keys say.
fn ends_of(closing: &Closing, groups: &GroupTable) -> Result<Int64Array, EvalError> {
    let keys: Vec<_> = (0..groups.keys.len()).map(|key| groups.key_column(key)).collect();
    Ok(as_i64(eval(&closing.end, &keys, groups.len())?.as_ref()))
}
