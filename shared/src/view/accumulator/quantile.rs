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
use crate::query::EvalError;

/// Relative error 1 % of the value at the quantile. A sketch has 2048 bins for positive and as many for negative values, that is for
/// values within a factor of 6e17 of the largest; what is smaller is counted with the smallest bin, and below 1e-9 as 0. Bins are
/// counted in integers, so that merging is exact.
fn config() -> Config {
    // The crate's own defaults are these figures, and its decoder knows no others.
    Config::defaults()
}

/// One sketch per group.
#[derive(Debug, Clone)]
pub struct Quantiles {
    q: f64,
    sketches: Vec<Option<Box<Sketch>>>,
}

#[derive(Clone)]
struct Sketch {
    finite: DDSketch,
    /// -infinity, infinity and NaN, which have no bins.
    special: [u64; 3],
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch({} finite, {:?})", self.finite.count(), self.special)
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch { finite: DDSketch::new(config()), special: [0; 3] }
    }
}

impl Sketch {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.finite.add(value);
        } else {
            self.special[if value.is_nan() { 2 } else { usize::from(value > 0.0) }] += 1;
        }
    }

    fn merge(&mut self, other: &Sketch) {
        self.finite.merge(&other.finite).expect("all sketches have one configuration");
        self.special.iter_mut().zip(other.special).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// The value with `floor(q * (n - 1))` values before it, within 1 %.
    fn quantile(&self, q: f64) -> f64 {
        let finite = self.finite.count() as u64;
        let [below, above, _] = self.special;
        let count = finite + self.special.iter().sum::<u64>();
        let rank = (q * (count - 1) as f64) as u64;
        if rank < below {
            return f64::NEG_INFINITY;
        } else if rank >= below + finite {
            return if rank < below + finite + above { f64::INFINITY } else { f64::NAN };
        }
        let q = if count == finite {
            q
        } else if finite == 1 {
            0.0
        } else {
            // The middle of the steps that give this rank among the finite values.
            ((rank - below) as f64 + 0.5).min((finite - 1) as f64) / (finite - 1) as f64
        };
        self.finite.quantile(q).expect("the parser takes 0..=1 only").expect("a sketch that was added to is not empty")
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.special.iter().flat_map(|n| n.to_le_bytes()).collect();
        bytes.extend(self.finite.to_java_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut sketch = Sketch::default();
        let (special, finite) = bytes.split_at_checked(24)?;
        for (mine, count) in sketch.special.iter_mut().zip(special.chunks_exact(8)) {
            *mine = u64::from_le_bytes(count.try_into().ok()?);
        }
        sketch.finite.merge(&DDSketch::from_java_bytes(finite).ok()?).ok()?;
        Some(sketch)
    }
}

impl Quantiles {
    pub fn new(q: f64) -> Self {
        Quantiles { q, sketches: Vec::new() }
    }

    fn at(&mut self, group: u32) -> &mut Sketch {
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

    fn update(&mut self, arg: Option<&ArrayRef>, groups: &[u32]) {
        let array = required(arg);
        if array.data_type() == &ArrowType::Float64 {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Float64Type>()) {
                if let Some(value) = value {
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
        let quantile = |g: &u32| self.sketches[*g as usize].as_ref().map(|s| s.quantile(self.q));
        Ok(Arc::new(groups.iter().map(quantile).collect::<Float64Array>()))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let mut out = BinaryBuilder::new();
        groups.iter().for_each(|&g| out.append_option(self.sketches[g as usize].as_ref().map(|s| s.to_bytes())));
        vec![("ddsketch", Arc::new(out.finish()))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("ddsketch", &ArrowType::Binary, true)?;
        let sketches = column.as_binary::<i32>().iter().enumerate().map(|(row, bytes)| match bytes {
            None => Ok(None),
            Some(bytes) => match Sketch::from_bytes(bytes) {
                Some(sketch) => Ok(Some(Box::new(sketch))),
                None => Err(format!("row {row} of the column 'ddsketch' is no sketch")),
            },
        });
        self.sketches = sketches.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let sketch = |s: &Sketch| size_of::<Sketch>() + s.finite.length() * size_of::<u64>();
        self.sketches.capacity() * size_of::<Option<Box<Sketch>>>() + self.sketches.iter().flatten().map(|s| sketch(s)).sum::<usize>()
    }
}
