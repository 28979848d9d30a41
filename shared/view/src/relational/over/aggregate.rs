//! Aggregates over frames.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::layout::Layout;
use crate::accumulator::{Accumulate, Accumulator};
use crate::frames::Frames;
use crate::relational::rows::Rows;
use twopath_query::{Aggregate, EvalError};

/// How many frames are merged at a time, so that accumulators of all rows are never there at once where they are large.
const FRAMES_AT_A_TIME: usize = 1 << 14;

/// The aggregate over each row's frame, which is given by place.
pub fn aggregate(rows: &Rows, aggregate: &Aggregate, frames: &[Range<u32>], layout: &Layout) -> Result<ArrayRef, EvalError> {
    let args = aggregate.args().map(|arg| rows.eval(arg)).collect::<Result<Vec<_>, _>>()?;
    let complete = args.iter().all(|a| a.null_count() == 0);
    let mut accumulator = Accumulator::new(aggregate);
    // Neighbours often have one frame: then it is merged and finished once.
    let mut different: Vec<Range<u32>> = Vec::new();
    let mut of_row = vec![0; rows.count];
    for (&row, frame) in layout.order.iter().zip(frames) {
        if different.last() != Some(frame) {
            different.push(frame.clone());
        }
        of_row[row as usize] = different.len() as u32 - 1;
    }
    let each_in_its_own = (0..).zip(frames).all(|(place, frame)| frame.contains(&place));
    let apart = each_in_its_own && different.windows(2).all(|pair| pair[0].end <= pair[1].start);
    let finished = if apart {
        // Frames that do not overlap are groups.
        accumulator.grow(different.len(), complete);
        accumulator.update(&args, &of_row);
        accumulator.finalise(&numbers(different.len()))?
    } else {
        let in_order = UInt32Array::from(layout.order.clone());
        let args: Vec<ArrayRef> = args.iter().map(|a| take(a, &in_order, None).expect("rows that exist")).collect();
        accumulator.grow(rows.count, complete);
        accumulator.update(&args, &numbers(rows.count));
        let longest = different.iter().map(|f| f.len()).max().unwrap_or(0);
        let merged = Frames::new(accumulator, rows.count, longest);
        let some = |frames: &[Range<u32>]| merged.merged(frames).finalise(&numbers(frames.len()));
        let finished = different.chunks(FRAMES_AT_A_TIME).map(some).collect::<Result<Vec<_>, _>>()?;
        let finished: Vec<&dyn Array> = finished.iter().map(AsRef::as_ref).collect();
        concat(&finished).expect("pieces of one column")
    };
    Ok(take(&finished, &UInt32Array::from(of_row), None).expect("frames that exist"))
}

fn numbers(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}
