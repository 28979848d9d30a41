//! PERCENTILE_CONT, PERCENTILE_DISC and MODE, exact: all values of every group.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Float64Array, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Reader, required};
use crate::canonical::{from_ordinals, ordinal_float, ordinals};
use twopath_query::{DataType, EvalError};

/// Which value is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// PERCENTILE_CONT: between two values, a float.
    Between(f64),
    /// PERCENTILE_DISC: one of the values.
    OneOf(f64),
    /// MODE: the value that is there most often; of several the least.
    Commonest,
}

/// The values of every group, in no order.
#[derive(Debug, Clone)]
pub struct Values {
    wanted: Wanted,
    data_type: DataType,
    lists: Lists,
}

#[derive(Debug, Clone)]
enum Lists {
    /// Ordinals ([`ordinals`]).
    Fixed(Vec<Vec<i64>>),
    Text(Vec<Vec<Box<str>>>),
}

impl Lists {
    fn new(data_type: DataType) -> Self {
        if data_type == DataType::Text { Lists::Text(Vec::new()) } else { Lists::Fixed(Vec::new()) }
    }
}

impl Values {
    pub fn new(wanted: Wanted, data_type: DataType) -> Self {
        Values { wanted, data_type, lists: Lists::new(data_type) }
    }

    fn float(&self, ordinal: i64) -> f64 {
        if self.data_type == DataType::Float { ordinal_float(ordinal) } else { ordinal as f64 }
    }

    fn between(&self, values: &[i64], q: f64) -> Option<f64> {
        let last = values.len().checked_sub(1)?;
        let place = q * last as f64;
        let (low, high) = (place.floor() as usize, (place.ceil() as usize).min(last));
        let mut values = values.to_vec();
        let (_, &mut at, above) = values.select_nth_unstable(low);
        let at = self.float(at);
        // The next in order is the least of those above.
        let next = above.iter().min().filter(|_| high > low);
        Some(next.map_or(at, |&next| at + (place - place.floor()) * (self.float(next) - at)))
    }
}

/// Of some values, sorted, the first of the longest run of one.
fn commonest<T: PartialEq + Copy>(sorted: &[T]) -> Option<T> {
    // Of several that are as long, the last: so from behind.
    sorted.chunk_by(PartialEq::eq).rev().max_by_key(|run| run.len()).map(|run| run[0])
}

/// Where PERCENTILE_DISC finds its value among so many in order.
fn rank(q: f64, count: usize) -> usize {
    ((q * count as f64).ceil() as usize).clamp(1, count) - 1
}

impl Accumulate for Values {
    fn emptied(&self) -> Self {
        Values::new(self.wanted, self.data_type)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        match &mut self.lists {
            Lists::Fixed(lists) => lists.resize_with(groups, Vec::new),
            Lists::Text(lists) => lists.resize_with(groups, Vec::new),
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        match &mut self.lists {
            Lists::Fixed(lists) => {
                for (&group, value) in groups.iter().zip(&ordinals(required(args).as_ref())) {
                    lists[group as usize].extend(value);
                }
            }
            Lists::Text(lists) => {
                for (&group, text) in groups.iter().zip(required(args).as_string::<i32>()) {
                    lists[group as usize].extend(text.map(Box::from));
                }
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match (&mut self.lists, &other.lists) {
            (Lists::Fixed(mine), Lists::Fixed(theirs)) => {
                for (&from, &to) in from.iter().zip(to) {
                    mine[to as usize].extend(&theirs[from as usize]);
                }
            }
            (Lists::Text(mine), Lists::Text(theirs)) => {
                for (&from, &to) in from.iter().zip(to) {
                    mine[to as usize].extend(theirs[from as usize].iter().cloned());
                }
            }
            _ => panic!("tables of one query have the same aggregates"),
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(match (&self.lists, self.wanted) {
            (Lists::Fixed(lists), Wanted::Between(q)) => {
                Arc::new(groups.iter().map(|&g| self.between(&lists[g as usize], q)).collect::<Float64Array>())
            }
            (Lists::Fixed(lists), Wanted::OneOf(q)) => {
                let nulls: NullBuffer = groups.iter().map(|&g| !lists[g as usize].is_empty()).collect();
                let value = |&g: &u32| {
                    let mut values = lists[g as usize].clone();
                    if values.is_empty() { 0 } else { *values.select_nth_unstable(rank(q, lists[g as usize].len())).1 }
                };
                from_ordinals(groups.iter().map(value).collect(), Some(nulls).filter(|n| n.null_count() > 0), self.data_type)
            }
            (Lists::Fixed(lists), Wanted::Commonest) => {
                let commonest = |&g: &u32| {
                    let mut values = lists[g as usize].clone();
                    values.sort_unstable();
                    commonest(&values)
                };
                let values: Vec<Option<i64>> = groups.iter().map(commonest).collect();
                let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
                let values = values.into_iter().map(Option::unwrap_or_default).collect();
                from_ordinals(values, Some(nulls).filter(|n| n.null_count() > 0), self.data_type)
            }
            (Lists::Text(lists), Wanted::Commonest) => {
                let commonest = |&g: &u32| {
                    let mut texts: Vec<&str> = lists[g as usize].iter().map(AsRef::as_ref).collect();
                    texts.sort_unstable();
                    commonest(&texts)
                };
                Arc::new(groups.iter().map(commonest).collect::<StringArray>())
            }
            (Lists::Text(lists), Wanted::OneOf(q) | Wanted::Between(q)) => {
                let value = |&g: &u32| {
                    let mut texts: Vec<&str> = lists[g as usize].iter().map(AsRef::as_ref).collect();
                    (!texts.is_empty()).then(|| *texts.select_nth_unstable(rank(q, lists[g as usize].len())).1)
                };
                Arc::new(groups.iter().map(value).collect::<StringArray>())
            }
        })
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let array: ArrayRef = match &self.lists {
            Lists::Fixed(lists) => {
                let mut out = ListBuilder::new(Int64Builder::new());
                for &group in groups {
                    let mut values = lists[group as usize].clone();
                    values.sort_unstable();
                    out.values().append_slice(&values);
                    out.append(true);
                }
                Arc::new(out.finish())
            }
            Lists::Text(lists) => {
                let mut out = ListBuilder::new(StringBuilder::new());
                for &group in groups {
                    let mut values: Vec<&str> = lists[group as usize].iter().map(AsRef::as_ref).collect();
                    values.sort_unstable();
                    values.iter().for_each(|text| out.values().append_value(text));
                    out.append(true);
                }
                Arc::new(out.finish())
            }
        };
        vec![("values", array)]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let item = if matches!(self.lists, Lists::Text(_)) { ArrowType::Utf8 } else { ArrowType::Int64 };
        let column = read.next_lists("values", item)?;
        let lists = column.as_list::<i32>();
        if lists.values().null_count() > 0 {
            return Err("the column 'values' has nulls in its lists".into());
        }
        match &mut self.lists {
            Lists::Fixed(mine) => *mine = lists.iter().flatten().map(|l| l.as_primitive::<Int64Type>().values().to_vec()).collect(),
            Lists::Text(mine) => {
                *mine = lists.iter().flatten().map(|l| l.as_string::<i32>().iter().flatten().map(Box::from).collect()).collect();
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &self.lists {
            Lists::Fixed(lists) => lists.iter().map(|l| size_of::<Vec<i64>>() + l.capacity() * size_of::<i64>()).sum(),
            Lists::Text(lists) => {
                let list = |l: &Vec<Box<str>>| {
                    size_of::<Vec<Box<str>>>() + l.capacity() * size_of::<Box<str>>() + l.iter().map(|t| t.len()).sum::<usize>()
                };
                lists.iter().map(list).sum()
            }
        }
    }
}
