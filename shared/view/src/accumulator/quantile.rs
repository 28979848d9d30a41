//! APPROX_QUANTILE: a DDSketch per group, by the `sketches-ddsketch` crate.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::DataType as ArrowType;
use sketches_ddsketch::{Config, DDSketch};

use super::{Accumulate, Column, Reader, required};
use twopath_query::EvalError;

/// Relative error 1 % of the value at the quantile. A sketch has 2048 bins for positive and as many for negative values, that is for
/// values within a factor of 6e17 of the largest; what is smaller is counted with the smallest bin, and below 1e-9 as 0. Bins are
/// counted in integers, so that merging is exact.
fn config() -> Config {
    // The crate's own defaults are these figures, and its decoder knows no others.
    Config::defaults()
}

/// One sketch per group, of its finite values.
#[derive(Clone)]
pub struct Quantiles {
    q: f64,
    sketches: Vec<Option<Box<DDSketch>>>,
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

    fn at(&mut self, group: u32) -> &mut DDSketch {
        self.sketches[group as usize].get_or_insert_with(|| Box::new(DDSketch::new(config())))
    }
}

impl Accumulate for Quantiles {
    fn emptied(&self) -> Self {
        Quantiles::new(self.q)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.sketches.resize(groups, None);
    }

    fn update(&mut self, arg: Option<&ArrayRef>, groups: &[u32]) {
        let array = required(arg);
        if array.data_type() == &ArrowType::Float64 {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Float64Type>()) {
                if let Some(value) = value.filter(|v| v.is_finite()) {
                    // -0.0 becomes 0.0, so that the least of them does not depend on the order.
                    self.at(group).add(value + 0.0);
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
                self.at(to).merge(theirs).expect("all sketches have one configuration");
            }
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let quantile = |g: &u32| self.sketches[*g as usize].as_ref().and_then(|s| s.quantile(self.q).expect("the parser takes 0..=1 only"));
        Ok(Arc::new(groups.iter().map(quantile).collect::<Float64Array>()))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let mut out = BinaryBuilder::new();
        groups.iter().for_each(|&g| out.append_option(self.sketches[g as usize].as_ref().map(|s| s.to_java_bytes())));
        vec![("ddsketch", Arc::new(out.finish()))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("ddsketch", &ArrowType::Binary, true)?;
        let read = |bytes| {
            DDSketch::from_java_bytes(bytes).map_err(|e| e.to_string()).and_then(|sketch| {
                // Another configuration would only show at the next merge.
                DDSketch::new(config()).merge(&sketch).map_err(|e| e.to_string())?;
                Ok(Box::new(sketch))
            })
        };
        let sketches =
            column.as_binary::<i32>().iter().enumerate().map(|(row, bytes)| {
                bytes.map(read).transpose().map_err(|e| format!("row {row} of the column 'ddsketch' is no sketch: {e}"))
            });
        self.sketches = sketches.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let sketch = |s: &DDSketch| size_of::<DDSketch>() + s.length() * size_of::<u64>();
        self.sketches.capacity() * size_of::<Option<Box<DDSketch>>>() + self.sketches.iter().flatten().map(|s| sketch(s)).sum::<usize>()
    }
}
