//! FIRST_VALUE, LAST_VALUE, MIN_BY and MAX_BY with an order of their own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::DataType as ArrowType;

use super::order::{counts, rows_of};
use super::{Accumulate, Column, Reader};
use crate::column::column_of;
use twopath_query::values::Columns;
use twopath_query::{DataType, Directions, EvalError, Value};

/// Per group the first row's place in the order, and its value.
#[derive(Debug, Clone)]
pub struct FirstBy {
    ignore_nulls: bool,
    order: Directions,
    data_type: DataType,
    /// None where a group has seen no row that counts.
    places: Vec<Option<Box<[u8]>>>,
    values: Vec<Value>,
    /// Reused from batch to batch: which of the batch's rows is each group's.
    rows: Vec<u32>,
}

/// A group of which no row of the batch is the first so far.
const NO_ROW: u32 = u32::MAX;

impl FirstBy {
    pub fn new(ignore_nulls: bool, order: Directions, data_type: DataType) -> Self {
        FirstBy { ignore_nulls, order, data_type, places: Vec::new(), values: Vec::new(), rows: Vec::new() }
    }

    fn is_before(&self, place: &[u8], group: u32) -> bool {
        self.places[group as usize].as_ref().is_none_or(|known| *place < **known)
    }

    fn take(&self, groups: &[u32]) -> ArrayRef {
        column_of(groups.iter().map(|&g| &self.values[g as usize]), self.data_type)
    }
}

impl Accumulate for FirstBy {
    fn emptied(&self) -> Self {
        FirstBy::new(self.ignore_nulls, self.order, self.data_type)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.places.resize(groups, None);
        self.values.resize(groups, Value::Null);
        self.rows.resize(groups, NO_ROW);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let (values, beside) = args.split_first().expect("a value, and what it goes by");
        let (order, counts) = (rows_of(&beside[..beside.len() - 1], self.order), counts(beside));
        let mut touched = Vec::new();
        for (row, &group) in groups.iter().enumerate() {
            if !counts(row) || (self.ignore_nulls && values.is_null(row)) {
                continue;
            }
            let first = self.rows[group as usize];
            let place = order.row(row);
            let is_before = if first == NO_ROW { self.is_before(place.data(), group) } else { place < order.row(first as usize) };
            if is_before {
                if first == NO_ROW {
                    touched.push(group);
                }
                self.rows[group as usize] = row as u32;
            }
        }
        // Only what is first after the whole batch leaves its columns.
        let batch = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let columns = Columns::of(&batch);
        for group in touched {
            let row = std::mem::replace(&mut self.rows[group as usize], NO_ROW) as usize;
            self.places[group as usize] = Some(order.row(row).data().into());
            self.values[group as usize] = columns.get(0, row).expect("values in canonical type are SQL values").into_value();
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if let Some(place) = &other.places[from as usize]
                && self.is_before(place, to)
            {
                self.places[to as usize] = Some(place.clone());
                self.values[to as usize] = other.values[from as usize].clone();
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
        let places: BinaryArray = groups.iter().map(|&g| self.places[g as usize].as_deref()).collect();
        vec![("place", Arc::new(places)), ("value", self.take(groups))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let places = read.next("place", &ArrowType::Binary, true)?;
        let values = read.next("value", &crate::arrow_type(self.data_type), true)?;
        self.places = places.as_binary::<i32>().iter().map(|place| place.map(Box::from)).collect();
        let batch = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let columns = Columns::of(&batch);
        let value = |row| columns.get(0, row).map(|cell| cell.into_value()).map_err(|e| e.to_string());
        self.values = (0..values.len()).map(value).collect::<Result<_, String>>()?;
        if let Some(row) = (0..values.len()).find(|&row| self.places[row].is_none() && values.is_valid(row)) {
            return Err(format!("row {row} has a value without a place"));
        }
        self.rows = vec![NO_ROW; values.len()];
        Ok(())
    }

    fn bytes(&self) -> usize {
        let texts = self.values.iter().map(|v| if let Value::Text(t) = v { t.len() } else { 0 }).sum::<usize>();
        self.places.capacity() * size_of::<Option<Box<[u8]>>>()
            + self.places.iter().flatten().map(|place| place.len()).sum::<usize>()
            + self.values.capacity() * size_of::<Value>()
            + self.rows.capacity() * size_of::<u32>()
            + texts
    }
}
