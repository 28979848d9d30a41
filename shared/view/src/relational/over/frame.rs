//! Which rows beside a row count.

use std::ops::Range;

use arrow_array::Array;

use super::layout::Layout;
use crate::canonical::as_i64;
use crate::relational::rows::Rows;
use twopath_query::EvalError;
use twopath_query::plan::{Frame, OverCall};

/// The frame of each place, as places; each holds the place itself.
pub fn frames(rows: &Rows, call: &OverCall, layout: &Layout) -> Result<Vec<Range<u32>>, EvalError> {
    let bounded = |distance: Option<u64>| distance.map_or(u32::MAX, |d| u32::try_from(d).unwrap_or(u32::MAX));
    let frames = match call.frame {
        Frame::Partition => layout.places().map(|place| place.partition).collect(),
        Frame::Rows { before, after } => {
            let (before, after) = (bounded(before), bounded(after));
            let frame = |place: super::layout::Place| {
                let start = place.at.saturating_sub(before).max(place.partition.start);
                start..place.at.saturating_add(after).saturating_add(1).min(place.partition.end)
            };
            layout.places().map(frame).collect()
        }
        Frame::Range { before: None } => layout.places().map(|place| place.partition.start..place.peers.end).collect(),
        Frame::Range { before: Some(before) } => near(rows, call, layout, before)?,
    };
    Ok(frames)
}

/// From the first row that is no farther than `before` in the order's one expression. A row without a value has its peers alone.
fn near(rows: &Rows, call: &OverCall, layout: &Layout, before: i64) -> Result<Vec<Range<u32>>, EvalError> {
    let [order] = &call.order_by[..] else { panic!("a frame of RANGE with a distance has one ORDER BY expression") };
    let values = as_i64(rows.eval(&order.expr)?.as_ref());
    let value = |place: u32| {
        let row = layout.order[place as usize] as usize;
        values.is_valid(row).then(|| i128::from(values.value(row)))
    };
    let far = |from: i128, to: i128| if order.descending { from - to > before.into() } else { to - from > before.into() };
    let mut frames = Vec::with_capacity(rows.count);
    let mut start = 0;
    for place in layout.places() {
        let Some(own) = value(place.at) else {
            frames.push(place.peers);
            continue;
        };
        start = start.max(place.partition.start);
        while value(start).is_none_or(|first| far(first, own)) {
            start += 1;
        }
        frames.push(start..place.peers.end);
    }
    Ok(frames)
}
