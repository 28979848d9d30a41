//! APPROX_QUANTILE: a [`DdSketch`] per group.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::DataType as ArrowType;

use super::ddsketch::DdSketch;
use super::{Accumulate, Column, Reader, required};
use twopath_query::EvalError;

/// One sketch per group, of its finite values.
#[derive(Clone)]
pub struct Quantiles {
    q: f64,
    sketches: Vec<Option<Box<DdSketch>>>,
}

impl fmt::Debug for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantiles({}, {} groups)", self.q, self.sketches.len())
    }
}

impl Quantiles {
    pub fn new(q: f64) -> Self {
        Quantiles { q, sketches: Vec::new() }
    }

    fn at(&mut self, group: u32) -> &mut DdSketch {
        self.sketches[group as usize].get_or_insert_default()
    }
}

impl Accumulate for Quantiles {
    fn emptied(&self) -> Self {
        Quantiles::new(self.q)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.sketches.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let array = required(args);
        if array.data_type() == &ArrowType::Float64 {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Float64Type>()) {
                if let Some(value) = value.filter(|v| v.is_finite()) {
                    self.at(group).add(value);
                }
            }
        } else {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Int64Type>()) {
                if let Some(value) = value {
                    self.at(group).add(value as f64);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if let Some(theirs) = &other.sketches[from as usize] {
                self.at(to).merge(theirs);
            }
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let quantile = |g: &u32| self.sketches[*g as usize].as_ref().and_then(|s| s.quantile(self.q));
        Ok(Arc::new(groups.iter().map(quantile).collect::<Float64Array>()))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let mut out = BinaryBuilder::new();
        groups.iter().for_each(|&g| out.append_option(self.sketches[g as usize].as_ref().map(|s| s.to_bytes())));
        vec![("ddsketch", Arc::new(out.finish()))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("ddsketch", &ArrowType::Binary, true)?;
        let read = |bytes| DdSketch::from_bytes(bytes).map(Box::new);
        let sketches =
            column.as_binary::<i32>().iter().enumerate().map(|(row, bytes)| {
                bytes.map(read).transpose().map_err(|e| format!("row {row} of the column 'ddsketch' is no sketch: {e}"))
            });
        self.sketches = sketches.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.sketches.capacity() * size_of::<Option<Box<DdSketch>>>() + self.sketches.iter().flatten().map(|s| s.bytes()).sum::<usize>()
    }
}
