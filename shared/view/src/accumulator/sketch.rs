//! APPROX_COUNT_DISTINCT: a HyperLogLog sketch per group, by the `datasketches` crate.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType as ArrowType;
use datasketches::hll::{HllSketch, HllType, HllUnion};

use super::{Accumulate, Column, Reader, required};
use crate::canonical::ordinals;
use twopath_query::EvalError;

/// 2^12 registers: a standard error of 1.04 / sqrt(4096) = 1.6 %; below some 380 distinct values the sketch holds their hashes
/// themselves and is all but exact.
const LOG2_REGISTERS: u8 = 12;

/// One sketch per group. The estimate taken is the composite one, which depends on the registers alone; the crate's default would
/// depend on the order in which values came and parts were merged.
#[derive(Clone, Default)]
pub struct DistinctSketch {
    sketches: Vec<Option<HllUnion>>,
}

impl fmt::Debug for DistinctSketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinctSketch({} groups)", self.sketches.len())
    }
}

impl DistinctSketch {
    fn at(&mut self, group: u32) -> &mut HllUnion {
        self.sketches[group as usize].get_or_insert_with(|| HllUnion::new(LOG2_REGISTERS).expect("12 is within 4..=21"))
    }
}

impl Accumulate for DistinctSketch {
    fn emptied(&self) -> Self {
        DistinctSketch::default()
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.sketches.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let array = required(args);
        if array.data_type() == &ArrowType::Utf8 {
            for (&group, text) in groups.iter().zip(array.as_string::<i32>()) {
                if let Some(text) = text {
                    self.at(group).update_value(text);
                }
            }
        } else if let ArrowType::Decimal128(..) = array.data_type() {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Decimal128Type>()) {
                if let Some(value) = value {
                    self.at(group).update_value(value);
                }
            }
        } else {
            // Ordinals are equal where SQL's values are.
            for (&group, value) in groups.iter().zip(&ordinals(array.as_ref())) {
                if let Some(value) = value {
                    self.at(group).update_value(value);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if let Some(theirs) = &other.sketches[from as usize] {
                self.at(to).update(&theirs.to_sketch(HllType::Hll8));
            }
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let estimate = |g: u32| self.sketches[g as usize].as_ref().map_or(0, |s| s.composite_estimate().round() as i64);
        Ok(Arc::new(groups.iter().map(|&g| Some(estimate(g))).collect::<Int64Array>()))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let mut out = BinaryBuilder::new();
        for &group in groups {
            out.append_option(self.sketches[group as usize].as_ref().map(|s| s.to_sketch(HllType::Hll8).serialize()));
        }
        vec![("hll", Arc::new(out.finish()))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("hll", &ArrowType::Binary, true)?;
        self.sketches = vec![None; column.len()];
        for (group, bytes) in column.as_binary::<i32>().iter().enumerate() {
            let Some(bytes) = bytes else { continue };
            let sketch = HllSketch::deserialize(bytes).map_err(|e| format!("row {group} of the column 'hll' is no sketch: {e}"))?;
            if sketch.lg_config_k() != LOG2_REGISTERS {
                return Err(format!("row {group} of the column 'hll' has 2^{} registers, not 2^{LOG2_REGISTERS}", sketch.lg_config_k()));
            }
            self.at(group as u32).update(&sketch);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.sketches.capacity() * size_of::<Option<HllUnion>>()
            + self.sketches.iter().flatten().map(HllUnion::estimated_size).sum::<usize>()
    }
}
