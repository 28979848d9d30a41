//! AVG, and SUM where values can be taken back: both travel as a sum and a count.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, make_array};
use arrow_buffer::NullBuffer;

use super::exact::nearest_mean_of_integers;
use super::{Accumulate, Column, Count, DecimalSum, FloatSum, IntSum, Reader, Retract};
use crate::canonical::from_i64;
use crate::canonical::from_unscaled;
use twopath_query::{DataType, EvalError};

/// A sum and how many values are in it, so that it is known when there is none left.
#[derive(Debug, Clone)]
pub struct Avg {
    sum: Sum,
    count: Count,
    data_type: DataType,
    /// SUM, not AVG.
    is_sum: bool,
}

#[derive(Debug, Clone)]
enum Sum {
    Int(IntSum),
    Float(FloatSum),
    Decimal(DecimalSum),
}

impl Avg {
    pub fn new(data_type: DataType) -> Self {
        let sum = match data_type {
            DataType::Float => Sum::Float(FloatSum::default()),
            DataType::Decimal { .. } | DataType::Numeric => Sum::Decimal(DecimalSum::new(data_type)),
            _ => Sum::Int(IntSum::new(data_type)),
        };
        Avg { sum, count: Count::default(), data_type, is_sum: false }
    }

    /// SUM in the form that can be taken back.
    pub fn counted_sum(data_type: DataType) -> Self {
        Avg { is_sum: true, ..Avg::new(data_type) }
    }

    fn count(&self, group: u32) -> i64 {
        self.count.counts[group as usize]
    }
}

macro_rules! either {
    ($sum:expr, $a:ident => $body:expr) => {
        match $sum {
            Sum::Int($a) => $body,
            Sum::Float($a) => $body,
            Sum::Decimal($a) => $body,
        }
    };
}

impl Accumulate for Avg {
    fn emptied(&self) -> Self {
        Avg { is_sum: self.is_sum, ..Avg::new(self.data_type) }
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        // The count says which groups have a value, so that the sum need not.
        either!(&mut self.sum, sum => sum.grow(groups, true));
        self.count.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        either!(&mut self.sum, sum => sum.update(args, groups));
        self.count.update(args, groups);
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match (&mut self.sum, &other.sum) {
            (Sum::Int(a), Sum::Int(b)) => a.merge(b, from, to),
            (Sum::Float(a), Sum::Float(b)) => a.merge(b, from, to),
            (Sum::Decimal(a), Sum::Decimal(b)) => a.merge(b, from, to),
            _ => panic!("tables of one query have the same aggregates"),
        }
        self.count.merge(&other.count, from, to);
    }

    fn complete(&self) -> bool {
        true
    }

    /// The sum; or the exact sum divided by the count, rounded once to the nearest float; of intervals an interval, truncated toward zero.
    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let nulls: NullBuffer = groups.iter().map(|&g| self.count(g) > 0).collect();
        let nulls = Some(nulls).filter(|n| n.null_count() > 0);
        if self.is_sum {
            let sums = either!(&self.sum, sum => sum.finalise(groups))?.to_data().into_builder().nulls(nulls);
            return Ok(make_array(sums.build().expect("as many flags as sums")));
        }
        let divisor = |g: u32| self.count(g).max(1) as u64;
        let quotients: Vec<f64> = match &self.sum {
            Sum::Int(sum) if self.data_type == DataType::Interval => {
                // A mean lies between the values, so that it fits.
                let means = groups.iter().map(|&g| (sum.sum(g) / i128::from(divisor(g))) as i64).collect();
                return Ok(from_i64(Int64Array::new(means, nulls), DataType::Interval));
            }
            Sum::Decimal(sum) => {
                let (means, data_type) = sum.means(groups, divisor)?;
                return Ok(from_unscaled(means, nulls, data_type));
            }
            Sum::Int(sum) => groups.iter().map(|&g| nearest_mean_of_integers(sum.sum(g), divisor(g))).collect(),
            Sum::Float(sum) => groups.iter().map(|&g| sum.mean(g, divisor(g))).collect(),
        };
        Ok(Arc::new(Float64Array::new(quotients.into(), nulls)))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let mut columns = either!(&self.sum, sum => sum.columns(groups));
        columns.extend(self.count.columns(groups));
        columns
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        either!(&mut self.sum, sum => sum.load(read))?;
        self.count.load(read)
    }

    fn bytes(&self) -> usize {
        either!(&self.sum, sum => sum.bytes()) + self.count.bytes()
    }
}

impl Retract for Avg {
    fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match (&mut self.sum, &other.sum) {
            (Sum::Int(a), Sum::Int(b)) => a.retract(b, from, to),
            (Sum::Float(a), Sum::Float(b)) => a.retract(b, from, to),
            (Sum::Decimal(a), Sum::Decimal(b)) => a.retract(b, from, to),
            _ => panic!("tables of one query have the same aggregates"),
        }
        self.count.retract(&other.count, from, to);
    }
}
