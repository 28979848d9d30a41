//! BIT_AND, BIT_OR and BIT_XOR.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Presence, Reader, pick, required};
use twopath_query::{AggregateFunction, EvalError};

/// The bits of every group's values put together.
#[derive(Debug, Clone)]
pub struct Bits {
    function: AggregateFunction,
    bits: Vec<i64>,
    presence: Presence,
}

impl Bits {
    pub fn new(function: AggregateFunction) -> Self {
        Bits { function, bits: Vec::new(), presence: Presence::default() }
    }

    /// What changes nothing.
    fn identity(&self) -> i64 {
        if self.function == AggregateFunction::BitAnd { -1 } else { 0 }
    }

    fn add(&mut self, group: u32, value: i64) {
        let bits = &mut self.bits[group as usize];
        match self.function {
            AggregateFunction::BitAnd => *bits &= value,
            AggregateFunction::BitOr => *bits |= value,
            _ => *bits ^= value,
        }
    }
}

impl Accumulate for Bits {
    fn emptied(&self) -> Self {
        Bits::new(self.function)
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        let identity = self.identity();
        self.bits.resize(groups, identity);
        self.presence.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        for (&group, value) in groups.iter().zip(required(args).as_primitive::<Int64Type>()) {
            if let Some(value) = value {
                self.add(group, value);
                self.presence.mark(group);
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        // A group without values has the bits that change nothing.
        for (&from, &to) in from.iter().zip(to) {
            self.add(to, other.bits[from as usize]);
        }
        self.presence.merge(&other.presence, from, to);
    }

    fn complete(&self) -> bool {
        self.presence.complete()
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(Arc::new(Int64Array::new(pick(&self.bits, groups).into(), self.presence.nulls(groups))))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        vec![("bits", Arc::new(Int64Array::new(pick(&self.bits, groups).into(), self.presence.nulls(groups))))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("bits", &ArrowType::Int64, true)?;
        let bits = column.as_primitive::<Int64Type>();
        let identity = self.identity();
        self.bits = bits.iter().map(|b| b.unwrap_or(identity)).collect();
        self.presence = Presence::load(bits.nulls(), bits.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<i64>() + self.presence.bytes()
    }
}
