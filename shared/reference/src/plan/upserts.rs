//! Changelogs: the tables that they leave, and joins with such a table as it was at a moment.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{Row, Side, beside, holds, value};
use crate::key::Key;
use crate::order::by_all_columns;
use twopath_query::plan::{JoinKind, Moment, Upserts};
use twopath_query::values::Cell;
use twopath_query::{EvalError, Expr, Value};

/// Of each key the newest row, unless that is a tombstone.
pub(super) fn latest(rows: &[Row], upserts: &Upserts) -> Vec<Row> {
    replayed(rows.iter(), upserts).into_iter().cloned().collect()
}

/// Each left row with those rows that the table has at its moment.
pub(super) fn joined_as_of(
    left: &Side,
    right: &Side,
    kind: JoinKind,
    on: Option<&Expr>,
    at: &Moment,
    upserts: &Upserts,
) -> Result<Vec<Row>, EvalError> {
    let moments = right.rows.iter().map(|row| value(&at.right_at, row)).collect::<Result<Row, _>>()?;
    let mut out = Vec::new();
    for row in &left.rows {
        let moment = value(&at.left_at, row)?;
        let is_there = |right: &Value| {
            let order = crate::order::order(&Cell::from(right), &Cell::from(&moment));
            *right != Value::Null && moment != Value::Null && (order.is_lt() || at.inclusive && order.is_eq())
        };
        let until_then = right.rows.iter().zip(&moments).filter(|(_, m)| is_there(m)).map(|(row, _)| row);
        let mut partners = 0;
        for partner in replayed(until_then, upserts) {
            let pair = beside(row, partner);
            if on.map_or(Ok(true), |on| holds(on, &pair))? {
                partners += 1;
                out.push(pair);
            }
        }
        if partners == 0 && kind == JoinKind::Left {
            out.push(beside(row, &right.nulls()));
        }
    }
    Ok(out)
}

/// The table that these rows leave.
fn replayed<'a>(rows: impl Iterator<Item = &'a Row>, upserts: &Upserts) -> Vec<&'a Row> {
    let of = |row: &Row, columns: &[usize]| -> Row { columns.iter().map(|&c| row[c].clone()).collect() };
    let mut table: HashMap<Key, (Row, &Row), FixedState> = HashMap::default();
    for row in rows {
        let (key, at) = (Key(of(row, &upserts.key).into()), of(row, &upserts.order));
        let is_older = |(newest_at, newest): &(Row, &Row)| by_all_columns(&at, newest_at).then_with(|| by_all_columns(row, newest)).is_lt();
        if !table.get(&key).is_some_and(is_older) {
            table.insert(key, (at, row));
        }
    }
    let is_tombstone = |row: &Row| !upserts.payload.is_empty() && upserts.payload.iter().all(|&c| row[c] == Value::Null);
    table.into_values().map(|(_, row)| row).filter(|row| !is_tombstone(row)).collect()
}
