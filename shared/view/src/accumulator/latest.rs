//! Final values: the newest one stays.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Reader};
use crate::column::column_of;
use twopath_query::values::rows;
use twopath_query::{DataType, EvalError, Value};

/// Per group a value that is final as of an order (an epoch, say), counted from 1. Of two, the one of the greater order stays, so that
/// merging is associative and commutative; two of one order are one value.
#[derive(Debug, Clone)]
pub struct Latest {
    /// 0 where a group has no value.
    orders: Vec<u64>,
    values: Vec<Value>,
    data_type: DataType,
}

impl Latest {
    /// Of no group.
    pub fn none(data_type: DataType) -> Self {
        Latest { orders: Vec::new(), values: Vec::new(), data_type }
    }

    /// One value per group, all of one order.
    ///
    /// # Errors
    /// [`EvalError::OutOfRange`] where a value of the column is no SQL value.
    pub fn of(values: &ArrayRef, order: u64, data_type: DataType) -> Result<Self, EvalError> {
        let batch = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let values: Vec<Value> = rows(&batch)?.into_iter().flatten().collect();
        Ok(Latest { orders: vec![order; values.len()], values, data_type })
    }
}

impl Accumulate for Latest {
    fn emptied(&self) -> Self {
        Latest::none(self.data_type)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.orders.resize(groups, 0);
        self.values.resize(groups, Value::Null);
    }

    fn update(&mut self, _args: &[ArrayRef], _groups: &[u32]) {
        panic!("final values are handed over with their order, not folded from rows");
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if other.orders[from as usize] > self.orders[to as usize] {
                self.orders[to as usize] = other.orders[from as usize];
                self.values[to as usize] = other.values[from as usize].clone();
            }
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        Ok(column_of(groups.iter().map(|&g| &self.values[g as usize]), self.data_type))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let orders = groups.iter().map(|&g| self.orders[g as usize]).collect::<Vec<_>>();
        let values = column_of(groups.iter().map(|&g| &self.values[g as usize]), self.data_type);
        vec![("order", Arc::new(UInt64Array::from(orders))), ("value", values)]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let orders = read.next("order", &ArrowType::UInt64, false)?;
        let values = read.next("value", &crate::arrow_type(self.data_type), true)?;
        let mut loaded = Latest::of(&values, 0, self.data_type).map_err(|e| e.to_string())?;
        loaded.orders = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::UInt64Type>(&orders).values().to_vec();
        *self = loaded;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let texts = self.values.iter().map(|v| if let Value::Text(t) = v { t.len() } else { 0 }).sum::<usize>();
        self.orders.capacity() * size_of::<u64>() + self.values.capacity() * size_of::<Value>() + texts
    }
}
