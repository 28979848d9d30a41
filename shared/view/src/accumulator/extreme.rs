//! MIN and MAX.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Presence, Reader, pick, required};
use crate::canonical::{from_ordinals, ordinals};
use twopath_query::{DataType, EvalError};

/// The least or greatest value of fixed width, as an ordinal ([`ordinals`]): so NaN is greatest.
#[derive(Debug, Clone)]
pub struct Extreme {
    max: bool,
    values: Vec<i64>,
    presence: Presence,
    data_type: DataType,
}

impl Extreme {
    pub fn new(max: bool, data_type: DataType) -> Self {
        Extreme { max, values: Vec::new(), presence: Presence::default(), data_type }
    }

    /// What every value beats or equals.
    fn worst(&self) -> i64 {
        if self.max { i64::MIN } else { i64::MAX }
    }

    #[inline(always)]
    fn fold(&mut self, groups: &[u32], value: impl Fn(usize) -> i64) {
        let values = &mut self.values[..];
        if self.max {
            groups.iter().enumerate().for_each(|(i, &g)| values[g as usize] = values[g as usize].max(value(i)));
        } else {
            groups.iter().enumerate().for_each(|(i, &g)| values[g as usize] = values[g as usize].min(value(i)));
        }
    }
}

impl Accumulate for Extreme {
    fn emptied(&self) -> Self {
        Extreme::new(self.max, self.data_type)
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        self.values.resize(groups, self.worst());
        self.presence.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let values = ordinals(required(args).as_ref());
        match values.nulls() {
            None => {
                let values = &values.values()[..groups.len()];
                self.fold(groups, |i| values[i]);
                self.presence.mark_all(groups);
            }
            Some(nulls) => {
                let worst = self.worst();
                self.fold(groups, |i| if nulls.is_valid(i) { values.value(i) } else { worst });
                groups.iter().zip(nulls).filter(|(_, valid)| *valid).for_each(|(&g, _)| self.presence.mark(g));
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        self.fold(to, |i| other.values[from[i] as usize]);
        self.presence.merge(&other.presence, from, to);
    }

    fn complete(&self) -> bool {
        self.presence.complete()
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(from_ordinals(pick(&self.values, groups), self.presence.nulls(groups), self.data_type))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        vec![("extreme", Arc::new(Int64Array::new(pick(&self.values, groups).into(), self.presence.nulls(groups))))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("extreme", &ArrowType::Int64, true)?;
        let values = column.as_primitive::<Int64Type>();
        self.values = (0..values.len()).map(|row| if values.is_null(row) { self.worst() } else { values.value(row) }).collect();
        self.presence = Presence::load(values.nulls(), values.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<i64>() + self.presence.bytes()
    }
}

/// The least or greatest text, byte by byte.
#[derive(Debug, Clone)]
pub struct TextExtreme {
    max: bool,
    values: Vec<Option<Box<str>>>,
}

impl TextExtreme {
    pub fn new(max: bool) -> Self {
        TextExtreme { max, values: Vec::new() }
    }

    fn fold(&mut self, group: u32, text: &str) {
        let max = self.max;
        let mine = &mut self.values[group as usize];
        if mine.as_deref().is_none_or(|m| if max { text > m } else { text < m }) {
            *mine = Some(text.into());
        }
    }

    fn take(&self, groups: &[u32]) -> ArrayRef {
        let mut out = StringBuilder::new();
        groups.iter().for_each(|&g| out.append_option(self.values[g as usize].as_deref()));
        Arc::new(out.finish())
    }
}

impl Accumulate for TextExtreme {
    fn emptied(&self) -> Self {
        TextExtreme::new(self.max)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.values.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        for (&group, text) in groups.iter().zip(required(args).as_string::<i32>()) {
            if let Some(text) = text {
                self.fold(group, text);
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if let Some(text) = &other.values[from as usize] {
                self.fold(to, text);
            }
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(self.take(groups))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        vec![("extreme", self.take(groups))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let column = read.next("extreme", &ArrowType::Utf8, true)?;
        self.values = column.as_string::<i32>().iter().map(|text| text.map(Box::from)).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<Option<Box<str>>>() + self.values.iter().flatten().map(|t| t.len()).sum::<usize>()
    }
}
