//! SUM of whole numbers and intervals.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Int64Array};

use super::{Accumulate, Column, Presence, Reader, required};
use crate::canonical::{arrow_type, as_i64, from_i64, numeric};
use twopath_query::{DataType, EvalError};

/// Exact sums of 64-bit integers. They are kept in 64 bits until one of them does not fit.
#[derive(Debug, Clone)]
pub struct IntSum {
    sums: Sums,
    presence: Presence,
    /// Int or Interval.
    data_type: DataType,
}

#[derive(Debug, Clone)]
enum Sums {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

impl IntSum {
    pub fn new(data_type: DataType) -> Self {
        IntSum { sums: Sums::Narrow(Vec::new()), presence: Presence::default(), data_type }
    }

    pub fn sum(&self, group: u32) -> i128 {
        match &self.sums {
            Sums::Narrow(sums) => i128::from(sums[group as usize]),
            Sums::Wide(sums) => sums[group as usize],
        }
    }

    fn wide(&mut self) -> &mut [i128] {
        if let Sums::Narrow(sums) = &self.sums {
            self.sums = Sums::Wide(sums.iter().map(|&s| i128::from(s)).collect());
        }
        match &mut self.sums {
            Sums::Wide(sums) => sums,
            Sums::Narrow(_) => unreachable!("just widened"),
        }
    }

    /// Takes back what was merged before, of groups that are known to have a value by other means.
    pub fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        let mine = self.wide();
        for (&from, &to) in from.iter().zip(to) {
            mine[to as usize] -= other.sum(from);
        }
    }

    /// Adds `value(i)` to group `groups[i]`, for every `i`.
    #[inline(always)]
    fn add(&mut self, groups: &[u32], value: impl Fn(usize) -> i64) {
        let mut done = 0;
        if let Sums::Narrow(sums) = &mut self.sums {
            for &group in groups {
                let sum = &mut sums[group as usize];
                let Some(next) = sum.checked_add(value(done)) else { break };
                *sum = next;
                done += 1;
            }
        }
        if done < groups.len() {
            let sums = self.wide();
            for (i, &group) in groups.iter().enumerate().skip(done) {
                sums[group as usize] += i128::from(value(i));
            }
        }
    }
}

impl Accumulate for IntSum {
    fn emptied(&self) -> Self {
        IntSum::new(self.data_type)
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        match &mut self.sums {
            Sums::Narrow(sums) => sums.resize(groups, 0),
            Sums::Wide(sums) => sums.resize(groups, 0),
        }
        self.presence.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let values = as_i64(required(args).as_ref());
        match values.nulls() {
            None => {
                let values = &values.values()[..groups.len()];
                self.add(groups, |i| values[i]);
                self.presence.mark_all(groups);
            }
            Some(nulls) => {
                self.add(groups, |i| if nulls.is_valid(i) { values.value(i) } else { 0 });
                groups.iter().zip(nulls).filter(|(_, valid)| *valid).for_each(|(&g, _)| self.presence.mark(g));
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match &other.sums {
            Sums::Narrow(sums) => self.add(to, |i| sums[from[i] as usize]),
            Sums::Wide(theirs) => {
                let mine = self.wide();
                for (&from, &to) in from.iter().zip(to) {
                    mine[to as usize] += theirs[from as usize];
                }
            }
        }
        self.presence.merge(&other.presence, from, to);
    }

    fn complete(&self) -> bool {
        self.presence.complete()
    }

    /// # Errors
    /// [`EvalError::OutOfRange`] where a sum of intervals does not fit 64 bits.
    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let nulls = self.presence.nulls(groups);
        let sums = groups.iter().map(|&g| self.sum(g));
        if self.data_type == DataType::Interval {
            let sums = sums.map(|s| i64::try_from(s).map_err(|_| EvalError::OutOfRange)).collect::<Result<Vec<_>, _>>()?;
            return Ok(from_i64(Int64Array::new(sums.into(), nulls), DataType::Interval));
        }
        Ok(Arc::new(numeric(sums.collect(), nulls)))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let sums = groups.iter().map(|&g| self.sum(g)).collect();
        vec![("sum", Arc::new(numeric(sums, self.presence.nulls(groups))))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("sum", &arrow_type(DataType::Numeric), true)?;
        let sums = column.as_primitive::<Decimal128Type>();
        let or_zero = |row: usize| if sums.is_null(row) { 0 } else { sums.value(row) };
        let narrow: Result<Vec<i64>, _> = (0..sums.len()).map(|row| i64::try_from(or_zero(row))).collect();
        self.sums = match narrow {
            Ok(sums) => Sums::Narrow(sums),
            Err(_) => Sums::Wide((0..sums.len()).map(or_zero).collect()),
        };
        self.presence = Presence::load(sums.nulls(), sums.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.presence.bytes()
            + match &self.sums {
                Sums::Narrow(sums) => sums.capacity() * size_of::<i64>(),
                Sums::Wide(sums) => sums.capacity() * size_of::<i128>(),
            }
    }
}
