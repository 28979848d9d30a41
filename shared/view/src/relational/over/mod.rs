//! OVER: for each row something of the rows beside it.

mod aggregate;
mod frame;
mod layout;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::rows::Rows;
use frame::frames;
use layout::Layout;
use twopath_query::plan::{OverCall, OverFunction};
use twopath_query::{EvalError, Expr};

/// Each row with one column more for each call.
pub fn over(mut rows: Rows, calls: &[OverCall]) -> Result<Rows, EvalError> {
    // Calls over the same partitions in the same order share the work of finding them.
    let mut layouts: Vec<(&OverCall, Layout)> = Vec::new();
    let mut columns = Vec::with_capacity(calls.len());
    for call in calls {
        let same = |(known, _): &(&OverCall, Layout)| known.partition_by == call.partition_by && known.order_by == call.order_by;
        let known = match layouts.iter().position(same) {
            Some(known) => known,
            None => {
                layouts.push((call, Layout::new(&rows, &call.partition_by, &call.order_by)?));
                layouts.len() - 1
            }
        };
        columns.push(column(&rows, call, &layouts[known].1)?);
    }
    rows.columns.extend(columns);
    rows.types.extend(calls.iter().map(|c| c.function.data_type()));
    rows.ordered = false;
    Ok(rows)
}

fn column(rows: &Rows, call: &OverCall, layout: &Layout) -> Result<ArrayRef, EvalError> {
    Ok(match &call.function {
        OverFunction::RowNumber => numbers(layout, |place| place.at - place.partition.start + 1),
        OverFunction::Rank => numbers(layout, |place| place.peers.start - place.partition.start + 1),
        OverFunction::DenseRank => numbers(layout, |place| place.peer_number + 1),
        OverFunction::Aggregate(aggregate) => aggregate::aggregate(rows, aggregate, &frames(rows, call, layout)?, layout)?,
        OverFunction::Lag { arg, rows: back, default } => lag(rows, arg, *back, default.as_ref(), layout)?,
        OverFunction::First(arg) => picked(rows, arg, layout, frames(rows, call, layout)?.into_iter().map(|mut f| f.next()))?,
        OverFunction::Last(arg) => picked(rows, arg, layout, frames(rows, call, layout)?.into_iter().map(|mut f| f.next_back()))?,
        OverFunction::Nth { arg, row } => {
            let before = usize::try_from(row - 1).unwrap_or(usize::MAX);
            picked(rows, arg, layout, frames(rows, call, layout)?.into_iter().map(|mut f| f.nth(before)))?
        }
        OverFunction::Known { arg, last } => {
            let frames = frames(rows, call, layout)?;
            let near = nearest_known(&rows.eval(arg)?, layout, *last);
            let known = frames.into_iter().map(|frame| {
                let from = if *last { frame.end.checked_sub(1)? } else { frame.start };
                near.get(from as usize)?.filter(|at| frame.contains(at))
            });
            picked(rows, arg, layout, known)?
        }
    })
}

/// A number for each row, of its place.
fn numbers(layout: &Layout, number: impl Fn(&layout::Place) -> u32) -> ArrayRef {
    let mut numbers = vec![0; layout.order.len()];
    for place in layout.places() {
        numbers[layout.order[place.at as usize] as usize] = i64::from(number(&place));
    }
    Arc::new(Int64Array::from(numbers))
}

/// The value in the row of the place that `at` gives for each place; NULL where it gives none.
fn picked(rows: &Rows, arg: &Expr, layout: &Layout, at: impl Iterator<Item = Option<u32>>) -> Result<ArrayRef, EvalError> {
    let mut picked = vec![None; rows.count];
    layout.order.iter().zip(at).for_each(|(&row, at)| picked[row as usize] = at.map(|at| layout.order[at as usize]));
    // Also in rows that no other looks at: what fails in one is the answer.
    let values = rows.eval(arg)?;
    Ok(take(&values, &UInt32Array::from(picked), None).expect("rows that exist"))
}

/// For each place the nearest one with a value that is not NULL: at it or before it, or else at it or after it.
fn nearest_known(values: &ArrayRef, layout: &Layout, before: bool) -> Vec<Option<u32>> {
    let nulls = values.logical_nulls();
    let is_known = |at: u32| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(layout.order[at as usize] as usize));
    let mut near = vec![None; layout.order.len()];
    let mut known = None;
    let mut look = |at: u32| {
        known = if is_known(at) { Some(at) } else { known };
        near[at as usize] = known;
    };
    let all = 0..layout.order.len() as u32;
    if before {
        all.for_each(&mut look)
    } else {
        all.rev().for_each(&mut look)
    }
    near
}

fn lag(rows: &Rows, arg: &Expr, back: i64, default: Option<&Expr>, layout: &Layout) -> Result<ArrayRef, EvalError> {
    let (mut picked, mut without) = (vec![None; rows.count], Vec::new());
    for place in layout.places() {
        let row = layout.order[place.at as usize];
        let at = i128::from(place.at) - i128::from(back);
        if (i128::from(place.partition.start)..i128::from(place.partition.end)).contains(&at) {
            picked[row as usize] = Some(layout.order[at as usize]);
        } else if default.is_some() {
            without.push(row);
        }
    }
    let mut values = rows.eval(arg)?;
    if let Some(default) = default {
        // Behind the values stand the defaults of the rows that need one.
        (rows.count as u32..).zip(&without).for_each(|(place, &row)| picked[row as usize] = Some(place));
        let defaults = take(&rows.eval(default)?, &UInt32Array::from(without), None).expect("rows that exist");
        let both: [&dyn Array; 2] = [values.as_ref(), defaults.as_ref()];
        values = concat(&both).expect("a default has the argument's type");
    }
    Ok(take(&values, &UInt32Array::from(picked), None).expect("rows that exist"))
}
