//! What an outer join within an interval is put together of, where its rows are let go: the rows of a side that have found another, and those that have not.

use super::super::Operator;
use super::super::collection::{Collection, Errors, Tuple, after_nulls, before_nulls, set};
use crate::differential::datum::Datum;

/// Of pairs the rows of one side, each once.
pub struct Found {
    pub is_left: bool,
    /// How many columns of a pair are the left row's.
    pub left: usize,
}

impl Operator for Found {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let Found { is_left, left } = *self;
        let of_side = move |pair: Tuple| -> Tuple { if is_left { pair[..left].into() } else { pair[left..].into() } };
        set(inputs.remove(0).map(of_side), "Found").as_collection(|row, ()| row.clone())
    }
}

/// Rows of one side beside NULLs in the place of the other's columns.
pub struct WithNulls {
    pub is_left: bool,
    /// How many the others are.
    pub others: usize,
}

impl Operator for WithNulls {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let WithNulls { is_left, others } = *self;
        inputs.remove(0).map(move |row| if is_left { before_nulls(&row, others) } else { after_nulls(others, &row) })
    }
}

/// Of rows that are there no more, what tells that: their keys, and NULL in all other columns.
pub struct Gone {
    pub key: Vec<usize>,
}

impl Operator for Gone {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let key = self.key.clone();
        let of_key = move |(column, value): (usize, &Datum)| if key.contains(&column) { value.clone() } else { Datum::Null };
        inputs.remove(0).map(move |row| row.iter().enumerate().map(of_key.clone()).collect())
    }
}
