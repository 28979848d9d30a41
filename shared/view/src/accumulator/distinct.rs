//! COUNT(DISTINCT ...), SUM(DISTINCT ...) and AVG(DISTINCT ...), exact: a set of values per group.

use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType as ArrowType;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::{Accumulate, Accumulator, Column, Reader, required};
use crate::canonical::{arrow_type, from_ordinals, from_unscaled, ordinals};
use twopath_query::{Aggregate, AggregateFunction, DataType, EvalError, Expr};

type Set<T> = HashSet<T, FixedState>;

/// The distinct values of every group. Values that are equal in SQL are one: -0.0 and 0.0, NaN and NaN.
#[derive(Debug, Clone)]
pub struct Distinct {
    function: AggregateFunction,
    data_type: DataType,
    sets: Sets,
}

#[derive(Debug, Clone)]
enum Sets {
    /// Ordinals ([`ordinals`]).
    Fixed(Vec<Set<i64>>),
    Text(Vec<Set<Box<str>>>),
    /// Unscaled.
    Decimal(Vec<Set<i128>>, DataType),
}

impl Distinct {
    pub fn new(function: AggregateFunction, data_type: DataType) -> Self {
        let sets = match data_type {
            DataType::Text => Sets::Text(Vec::new()),
            DataType::Decimal { .. } | DataType::Numeric => Sets::Decimal(Vec::new(), data_type),
            _ => Sets::Fixed(Vec::new()),
        };
        Distinct { function, data_type, sets }
    }

    fn len(&self, group: u32) -> usize {
        match &self.sets {
            Sets::Fixed(sets) => sets[group as usize].len(),
            Sets::Text(sets) => sets[group as usize].len(),
            Sets::Decimal(sets, _) => sets[group as usize].len(),
        }
    }
}

impl Distinct {
    /// An aggregate of each group's distinct values.
    fn finished(&self, function: AggregateFunction, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let mut accumulator = Accumulator::new(&Aggregate::new(function, Some(Expr::column(0, self.data_type))));
        accumulator.grow(groups.len(), false);
        let owners: Vec<u32> = (0..).zip(groups).flat_map(|(i, &g)| std::iter::repeat_n(i, self.len(g))).collect();
        let values = match &self.sets {
            Sets::Fixed(sets) => {
                let ordinals = groups.iter().flat_map(|&g| sets[g as usize].iter().copied()).collect();
                from_ordinals(ordinals, None, self.data_type)
            }
            Sets::Decimal(sets, _) => {
                let unscaled = groups.iter().flat_map(|&g| sets[g as usize].iter().copied()).collect();
                from_unscaled(unscaled, None, self.data_type)
            }
            Sets::Text(_) => unreachable!("texts are not summed"),
        };
        accumulator.update(&[values], &owners);
        accumulator.finalise(&(0..groups.len() as u32).collect::<Vec<_>>())
    }
}

fn insert_text(set: &mut Set<Box<str>>, text: &str) {
    if !set.contains(text) {
        set.insert(text.into());
    }
}

impl Accumulate for Distinct {
    fn emptied(&self) -> Self {
        Distinct::new(self.function, self.data_type)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        match &mut self.sets {
            Sets::Fixed(sets) => sets.resize_with(groups, Set::default),
            Sets::Text(sets) => sets.resize_with(groups, Set::default),
            Sets::Decimal(sets, _) => sets.resize_with(groups, Set::default),
        }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        match &mut self.sets {
            Sets::Fixed(sets) => {
                for (&group, value) in groups.iter().zip(&ordinals(required(args).as_ref())) {
                    if let Some(value) = value {
                        sets[group as usize].insert(value);
                    }
                }
            }
            Sets::Text(sets) => {
                for (&group, text) in groups.iter().zip(required(args).as_string::<i32>()) {
                    if let Some(text) = text {
                        insert_text(&mut sets[group as usize], text);
                    }
                }
            }
            Sets::Decimal(sets, _) => {
                for (&group, value) in groups.iter().zip(required(args).as_primitive::<Decimal128Type>()) {
                    if let Some(value) = value {
                        sets[group as usize].insert(value);
                    }
                }
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match (&mut self.sets, &other.sets) {
            (Sets::Fixed(mine), Sets::Fixed(theirs)) => {
                for (&from, &to) in from.iter().zip(to) {
                    mine[to as usize].extend(&theirs[from as usize]);
                }
            }
            (Sets::Text(mine), Sets::Text(theirs)) => {
                for (&from, &to) in from.iter().zip(to) {
                    theirs[from as usize].iter().for_each(|text| insert_text(&mut mine[to as usize], text));
                }
            }
            (Sets::Decimal(mine, _), Sets::Decimal(theirs, _)) => {
                for (&from, &to) in from.iter().zip(to) {
                    mine[to as usize].extend(&theirs[from as usize]);
                }
            }
            _ => panic!("tables of one query have the same aggregates"),
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        match self.function {
            AggregateFunction::SumDistinct => self.finished(AggregateFunction::Sum, groups),
            AggregateFunction::AvgDistinct => self.finished(AggregateFunction::Avg, groups),
            _ => Ok(Arc::new(groups.iter().map(|&g| Some(self.len(g) as i64)).collect::<Int64Array>())),
        }
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let array: ArrayRef = match &self.sets {
            Sets::Fixed(sets) => {
                let mut lists = ListBuilder::new(Int64Builder::new());
                for &group in groups {
                    let mut values: Vec<i64> = sets[group as usize].iter().copied().collect();
                    values.sort_unstable();
                    lists.values().append_slice(&values);
                    lists.append(true);
                }
                Arc::new(lists.finish())
            }
            Sets::Text(sets) => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for &group in groups {
                    let mut values: Vec<&str> = sets[group as usize].iter().map(AsRef::as_ref).collect();
                    values.sort_unstable();
                    values.iter().for_each(|text| lists.values().append_value(text));
                    lists.append(true);
                }
                Arc::new(lists.finish())
            }
            Sets::Decimal(sets, data_type) => {
                let mut lists = ListBuilder::new(Decimal128Builder::new().with_data_type(arrow_type(*data_type)));
                for &group in groups {
                    let mut values: Vec<i128> = sets[group as usize].iter().copied().collect();
                    values.sort_unstable();
                    lists.values().append_slice(&values);
                    lists.append(true);
                }
                Arc::new(lists.finish())
            }
        };
        vec![("distinct", array)]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let item = match &self.sets {
            Sets::Text(_) => ArrowType::Utf8,
            Sets::Decimal(_, data_type) => arrow_type(*data_type),
            Sets::Fixed(_) => ArrowType::Int64,
        };
        let column = read.next_lists("distinct", item)?;
        let lists = column.as_list::<i32>();
        if lists.values().null_count() > 0 {
            return Err("the column 'distinct' has nulls in its lists".into());
        }
        match &mut self.sets {
            Sets::Fixed(sets) => {
                *sets = lists.iter().flatten().map(|l| l.as_primitive::<Int64Type>().values().iter().copied().collect()).collect();
            }
            Sets::Text(sets) => {
                *sets = lists.iter().flatten().map(|l| l.as_string::<i32>().iter().flatten().map(Box::from).collect()).collect();
            }
            Sets::Decimal(sets, _) => {
                let set = |l: ArrayRef| l.as_primitive::<Decimal128Type>().values().iter().copied().collect();
                *sets = lists.iter().flatten().map(set).collect();
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &self.sets {
            Sets::Fixed(sets) => sets.iter().map(|s| size_of::<Set<i64>>() + s.allocation_size()).sum(),
            Sets::Text(sets) => {
                let set = |s: &Set<Box<str>>| size_of::<Set<Box<str>>>() + s.allocation_size() + s.iter().map(|t| t.len()).sum::<usize>();
                sets.iter().map(set).sum()
            }
            Sets::Decimal(sets, _) => sets.iter().map(|s| size_of::<Set<i128>>() + s.allocation_size()).sum(),
        }
    }
}
