//! COUNT.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Reader, Retract, pick};
use twopath_query::EvalError;

/// Rows, or values that are not NULL.
#[derive(Debug, Clone, Default)]
pub struct Count {
    pub counts: Vec<i64>,
}

impl Accumulate for Count {
    fn emptied(&self) -> Self {
        Count::default()
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.counts.resize(groups, 0);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let counts = &mut self.counts[..];
        match args.first().and_then(|a| a.nulls()) {
            None => groups.iter().for_each(|&g| counts[g as usize] += 1),
            Some(nulls) => groups.iter().zip(nulls).for_each(|(&g, valid)| counts[g as usize] += i64::from(valid)),
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            self.counts[to as usize] += other.counts[from as usize];
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(Arc::new(Int64Array::from(pick(&self.counts, groups))))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        vec![("count", Arc::new(Int64Array::from(pick(&self.counts, groups))))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        self.counts = read.next("count", &ArrowType::Int64, false)?.as_primitive::<Int64Type>().values().to_vec();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

impl Retract for Count {
    fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            self.counts[to as usize] -= other.counts[from as usize];
        }
    }
}
