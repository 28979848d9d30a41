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

/// The bytes of a sketch as they are in whatever order its values came and its parts were merged. Few values are kept as hashes of four bytes each, one after the
/// other: they are sorted. Of many there are registers, and beside them an estimate that depends on the order: it is left out, and the sketch says that it is not to be
/// used, as one that was merged says. (Layout: DataSketches' preamble, whose eighth byte has the mode, and whose sixth has flags.)
fn in_order(mut bytes: Vec<u8>) -> Vec<u8> {
    const LIST: u8 = 0;
    const SET: u8 = 1;
    const OUT_OF_ORDER: u8 = 16;
    let hashes_from = match bytes[7] & 3 {
        LIST => 8,
        SET => 12,
        _ => {
            bytes[5] |= OUT_OF_ORDER;
            bytes[8..16].fill(0);
            return bytes;
        }
    };
    bytes[hashes_from..].as_chunks_mut::<4>().0.sort_unstable_by_key(|hash| u32::from_le_bytes(*hash));
    bytes
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
            out.append_option(self.sketches[group as usize].as_ref().map(|s| in_order(s.to_sketch(HllType::Hll8).serialize())));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = i64>) -> DistinctSketch {
        let mut sketch = DistinctSketch::default();
        sketch.grow(1, false);
        let values: Int64Array = values.map(Some).collect();
        let groups = vec![0; values.len()];
        sketch.update(&[Arc::new(values)], &groups);
        sketch
    }

    fn at_rest(sketch: &DistinctSketch) -> ArrayRef {
        sketch.columns(&[0]).remove(0).1
    }

    /// Of few values, of some and of many: whatever the order, and however they were put together.
    #[test]
    fn at_rest_it_does_not_depend_on_the_order() {
        for count in [1, 5, 8, 100, 380, 3_000, 50_000] {
            let forth = of(0..count);
            let back = of((0..count).rev());
            let mut merged = of((0..count).filter(|i| i % 3 == 0));
            merged.merge(&of((0..count).rev().filter(|i| i % 3 != 0)), &[0], &[0]);
            assert_eq!(at_rest(&forth).as_ref(), at_rest(&back).as_ref(), "{count} back");
            assert_eq!(at_rest(&forth).as_ref(), at_rest(&merged).as_ref(), "{count} merged");
            let mut loaded = DistinctSketch::default();
            let columns = [at_rest(&forth)];
            loaded.load(&mut Reader { columns: columns.iter(), names: vec!["hll".into()] }).unwrap();
            assert_eq!(at_rest(&loaded).as_ref(), at_rest(&forth).as_ref(), "{count} loaded");
            assert_eq!(loaded.finalise(&[0]).unwrap().as_ref(), forth.finalise(&[0]).unwrap().as_ref(), "{count}");
        }
    }
}
