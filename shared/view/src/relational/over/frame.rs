//! Which rows beside a row count.

use std::cmp::Ordering;
use std::iter::repeat_n;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_array::{Array, ArrayRef};

use super::layout::Layout;
use crate::canonical::as_i64;
use crate::relational::rows::Rows;
use twopath_query::plan::{Distance, Frame, OverCall};
use twopath_query::{DataType, EvalError, Order};

/// The frame of each place, as places. One that holds nothing lies somewhere in the partition.
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
        Frame::RowsBetween { start, end } => {
            let frame = |place: super::layout::Place| {
                let within = place.partition;
                let at = |n: i64| i64::from(place.at).saturating_add(n).clamp(within.start.into(), within.end.into()) as u32;
                forward(start.map_or(within.start, at), end.map_or(within.end, |n| at(n.saturating_add(1))))
            };
            layout.places().map(frame).collect()
        }
        Frame::GroupsBetween { start, end } => of_groups(layout, |groups| counted(groups, start, end)),
        Frame::Range { before: None } => layout.places().map(|place| place.partition.start..place.peers.end).collect(),
        Frame::Range { before: Some(before) } => {
            near(rows, call, layout, (Some(Distance::Exact(-i128::from(before))), Some(Distance::Exact(0))))?
        }
        Frame::RangeBetween { start, end } => near(rows, call, layout, (start, end))?,
    };
    Ok(frames)
}

fn forward(start: u32, end: u32) -> Range<u32> {
    start..end.max(start)
}

/// The frames of all places, where peers have one frame: `frames` gives it for each of a partition's groups of peers.
fn of_groups(layout: &Layout, mut frames: impl FnMut(&[Range<u32>]) -> Vec<Range<u32>>) -> Vec<Range<u32>> {
    let mut all = Vec::with_capacity(layout.order.len());
    let mut others = &layout.peers[..];
    for partition in &layout.partitions {
        let groups;
        (groups, others) = others.split_at(others.partition_point(|peers| peers.start < partition.end));
        for (peers, frame) in groups.iter().zip(frames(groups)) {
            all.extend(repeat_n(frame, peers.len()));
        }
    }
    all
}

/// The place at which the group of this number starts, or the partition ends.
fn starts(groups: &[Range<u32>], number: usize) -> u32 {
    groups.get(number).or(groups.last()).map_or(0, |group| if number < groups.len() { group.start } else { group.end })
}

fn counted(groups: &[Range<u32>], start: Option<i64>, end: Option<i64>) -> Vec<Range<u32>> {
    let frame = |number: usize| {
        let at = |n: i64| starts(groups, (number as i64).saturating_add(n).clamp(0, groups.len() as i64) as usize);
        forward(start.map_or(groups[0].start, at), end.map_or(starts(groups, groups.len()), |n| at(n.saturating_add(1))))
    };
    (0..groups.len()).map(frame).collect()
}

/// What distances are measured in.
enum Numbers {
    Exact(Vec<i128>),
    Float(Vec<f64>),
}

/// The values of the one ORDER BY expression.
struct Values<'a> {
    column: ArrayRef,
    numbers: Numbers,
    by: &'a Order,
}

impl Values<'_> {
    /// How the value of a row stands in the order to what is so far from the value of another one; a row without a value stands at its end of the order.
    fn compare(&self, row: u32, from: u32, distance: Distance) -> Ordering {
        let (row, from) = (row as usize, from as usize);
        let nulls = if self.by.nulls_first { Ordering::Less } else { Ordering::Greater };
        match (self.column.is_valid(row), self.column.is_valid(from)) {
            (false, false) => return Ordering::Equal,
            (false, true) => return nulls,
            (true, false) => return nulls.reverse(),
            (true, true) => {}
        }
        let ascending = match (&self.numbers, distance) {
            (Numbers::Exact(values), Distance::Exact(by)) => {
                let by = if self.by.descending { -by } else { by };
                // Beyond 128 bits there is no value.
                let beyond = if by < 0 { Ordering::Greater } else { Ordering::Less };
                values[from].checked_add(by).map_or(beyond, |point| values[row].cmp(&point))
            }
            (Numbers::Float(values), Distance::Float(by)) => {
                let point = if self.by.descending { values[from] - by } else { values[from] + by };
                // NaN is above all numbers.
                values[row].partial_cmp(&point).unwrap_or_else(|| values[row].is_nan().cmp(&point.is_nan()))
            }
            _ => panic!("a distance is of the kind of the values"),
        };
        if self.by.descending { ascending.reverse() } else { ascending }
    }
}

/// From distance to distance. Both sides only move on with the place.
fn near(
    rows: &Rows,
    call: &OverCall,
    layout: &Layout,
    (from, to): (Option<Distance>, Option<Distance>),
) -> Result<Vec<Range<u32>>, EvalError> {
    let [by] = &call.order_by[..] else { panic!("a frame of RANGE with a distance has one ORDER BY expression") };
    let column = rows.eval(&by.expr)?;
    let numbers = match by.expr.data_type {
        DataType::Float => Numbers::Float(column.as_primitive::<Float64Type>().values().to_vec()),
        DataType::Numeric | DataType::Decimal { .. } => Numbers::Exact(column.as_primitive::<Decimal128Type>().values().to_vec()),
        _ => Numbers::Exact(as_i64(column.as_ref()).values().iter().map(|&n| n.into()).collect()),
    };
    let values = Values { column, numbers, by };
    let compare = |group: &Range<u32>, here: &Range<u32>, distance| {
        let row = |group: &Range<u32>| layout.order[group.start as usize];
        values.compare(row(group), row(here), distance)
    };
    let frames = of_groups(layout, |groups| {
        let (mut first, mut behind) = (0, if to.is_some() { 0 } else { groups.len() });
        let frame = |here: &Range<u32>| {
            while from.is_some_and(|distance| groups.get(first).is_some_and(|group| compare(group, here, distance).is_lt())) {
                first += 1;
            }
            while to.is_some_and(|distance| groups.get(behind).is_some_and(|group| compare(group, here, distance).is_le())) {
                behind += 1;
            }
            forward(starts(groups, first), starts(groups, behind))
        };
        groups.iter().map(frame).collect()
    });
    Ok(frames)
}
