//! SUM, MIN and MAX of decimals.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type};
use arrow_array::{Array, ArrayRef, Decimal256Array};
use arrow_buffer::i256;
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Presence, Reader, pick, required};
use crate::canonical::arrow_type;
use crate::canonical::from_unscaled;
use crate::decimal::{in_digits, quotient};
use twopath_query::{Aggregate, AggregateFunction, DIGITS_MAX, DataType, EvalError, Expr};

/// Exact sums of decimals. They are kept in 128 bits until one of them does not fit.
#[derive(Debug, Clone)]
pub struct DecimalSum {
    sums: Sums,
    presence: Presence,
    /// That of the values.
    data_type: DataType,
}

#[derive(Debug, Clone)]
enum Sums {
    Narrow(Vec<i128>),
    /// Enough for 2^63 values of 38 digits.
    Wide(Vec<i256>),
}

impl DecimalSum {
    pub fn new(data_type: DataType) -> Self {
        DecimalSum { sums: Sums::Narrow(Vec::new()), presence: Presence::default(), data_type }
    }

    fn sum(&self, group: u32) -> i256 {
        match &self.sums {
            Sums::Narrow(sums) => i256::from_i128(sums[group as usize]),
            Sums::Wide(sums) => sums[group as usize],
        }
    }

    /// The exact sums divided by the counts (positive), in AVG's type.
    pub fn means(&self, groups: &[u32], count: impl Fn(u32) -> u64) -> Result<(Vec<i128>, DataType), EvalError> {
        let data_type = self.result(AggregateFunction::Avg);
        let scale = |t: DataType| t.decimal_scale().unwrap_or(0);
        let power = u32::from(scale(data_type) - scale(self.data_type));
        let mean = |&g: &u32| quotient(self.sum(g), power, i256::from_i128(count(g).into()));
        Ok((groups.iter().map(mean).collect::<Result<_, _>>()?, data_type))
    }

    fn result(&self, function: AggregateFunction) -> DataType {
        Aggregate::new(function, Some(Expr::column(0, self.data_type))).data_type()
    }

    fn at_rest(&self) -> ArrowType {
        ArrowType::Decimal256(76, self.data_type.decimal_scale().unwrap_or(0) as i8)
    }

    fn wide(&mut self) -> &mut [i256] {
        if let Sums::Narrow(sums) = &self.sums {
            self.sums = Sums::Wide(sums.iter().map(|&s| i256::from_i128(s)).collect());
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
            mine[to as usize] = mine[to as usize].wrapping_sub(other.sum(from));
        }
    }

    /// Adds `value(i)` to group `groups[i]`, for every `i`.
    #[inline(always)]
    fn add(&mut self, groups: &[u32], value: impl Fn(usize) -> i128) {
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
                let sum = &mut sums[group as usize];
                *sum = sum.wrapping_add(i256::from_i128(value(i)));
            }
        }
    }
}

impl Accumulate for DecimalSum {
    fn emptied(&self) -> Self {
        DecimalSum::new(self.data_type)
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        match &mut self.sums {
            Sums::Narrow(sums) => sums.resize(groups, 0),
            Sums::Wide(sums) => sums.resize(groups, i256::ZERO),
        }
        self.presence.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let array = required(args).as_primitive::<Decimal128Type>();
        let values = &array.values()[..groups.len()];
        match array.nulls() {
            None => {
                self.add(groups, |i| values[i]);
                self.presence.mark_all(groups);
            }
            Some(nulls) => {
                self.add(groups, |i| if nulls.is_valid(i) { values[i] } else { 0 });
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
                    mine[to as usize] = mine[to as usize].wrapping_add(theirs[from as usize]);
                }
            }
        }
        self.presence.merge(&other.presence, from, to);
    }

    fn complete(&self) -> bool {
        self.presence.complete()
    }

    /// # Errors
    /// [`EvalError::OutOfRange`] where a sum has more than 38 digits.
    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let sums = groups.iter().map(|&g| in_digits(self.sum(g).to_i128(), DIGITS_MAX)).collect::<Result<_, _>>()?;
        Ok(from_unscaled(sums, self.presence.nulls(groups), self.result(AggregateFunction::Sum)))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let sums: Vec<i256> = groups.iter().map(|&g| self.sum(g)).collect();
        let sums = Decimal256Array::new(sums.into(), self.presence.nulls(groups)).with_data_type(self.at_rest());
        vec![("sum", Arc::new(sums))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("sum", &self.at_rest(), true)?;
        let sums = column.as_primitive::<Decimal256Type>();
        let or_zero = |row: usize| if sums.is_null(row) { i256::ZERO } else { sums.value(row) };
        let narrow: Option<Vec<i128>> = (0..sums.len()).map(|row| or_zero(row).to_i128()).collect();
        self.sums = match narrow {
            Some(sums) => Sums::Narrow(sums),
            None => Sums::Wide((0..sums.len()).map(or_zero).collect()),
        };
        self.presence = Presence::load(sums.nulls(), sums.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.presence.bytes()
            + match &self.sums {
                Sums::Narrow(sums) => sums.capacity() * size_of::<i128>(),
                Sums::Wide(sums) => sums.capacity() * size_of::<i256>(),
            }
    }
}

/// The least or greatest decimal.
#[derive(Debug, Clone)]
pub struct DecimalExtreme {
    max: bool,
    values: Vec<i128>,
    presence: Presence,
    data_type: DataType,
}

impl DecimalExtreme {
    pub fn new(max: bool, data_type: DataType) -> Self {
        DecimalExtreme { max, values: Vec::new(), presence: Presence::default(), data_type }
    }

    /// What every value beats or equals.
    fn worst(&self) -> i128 {
        if self.max { i128::MIN } else { i128::MAX }
    }

    fn fold(&mut self, groups: &[u32], value: impl Fn(usize) -> i128) {
        for (i, &group) in groups.iter().enumerate() {
            let mine = &mut self.values[group as usize];
            *mine = if self.max { value(i).max(*mine) } else { value(i).min(*mine) };
        }
    }

    fn take(&self, groups: &[u32]) -> ArrayRef {
        let nulls = self.presence.nulls(groups);
        let seen = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
        // A group without a value would have more digits than its type.
        let values = pick(&self.values, groups).into_iter().enumerate().map(|(i, v)| if seen(i) { v } else { 0 });
        from_unscaled(values.collect(), nulls.clone(), self.data_type)
    }
}

impl Accumulate for DecimalExtreme {
    fn emptied(&self) -> Self {
        DecimalExtreme::new(self.max, self.data_type)
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        self.values.resize(groups, self.worst());
        self.presence.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let values = required(args).as_primitive::<Decimal128Type>();
        let worst = self.worst();
        self.fold(groups, |i| if values.is_null(i) { worst } else { values.value(i) });
        groups.iter().enumerate().filter(|(i, _)| values.is_valid(*i)).for_each(|(_, &g)| self.presence.mark(g));
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        self.fold(to, |i| other.values[from[i] as usize]);
        self.presence.merge(&other.presence, from, to);
    }

    fn complete(&self) -> bool {
        self.presence.complete()
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(self.take(groups))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        vec![("extreme", self.take(groups))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("extreme", &arrow_type(self.data_type), true)?;
        let values = column.as_primitive::<Decimal128Type>();
        self.values = (0..values.len()).map(|row| if values.is_null(row) { self.worst() } else { values.value(row) }).collect();
        self.presence = Presence::load(values.nulls(), values.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<i128>() + self.presence.bytes()
    }
}
