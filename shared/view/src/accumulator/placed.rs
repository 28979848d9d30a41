//! FIRST_VALUE and LAST_VALUE: the value of the row that comes first or last in the log's order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType as ArrowType;

use super::{Accumulate, Column, Reader};
use crate::canonical::as_i64;
use crate::column::column_of;
use twopath_query::values::Columns;
use twopath_query::{DataType, EvalError, Value};

/// Where a row stands in the log's order: arrival, partition, offset. No two rows of a topic stand in one place.
type Place = (i64, i64, i64);

/// Names of the places' columns at rest.
const PLACES: [&str; 3] = ["arrival", "partition", "offset"];

/// Per group the first or last row's place and value.
#[derive(Debug, Clone)]
pub struct Placed {
    last: bool,
    ignore_nulls: bool,
    data_type: DataType,
    /// None where a group has seen no row that counts.
    places: Vec<Option<Place>>,
    values: Vec<Value>,
    /// Reused from batch to batch: which of the batch's rows is each group's.
    rows: Vec<u32>,
}

/// A group of which no row of the batch is the best so far.
const NO_ROW: u32 = u32::MAX;

impl Placed {
    pub fn new(last: bool, ignore_nulls: bool, data_type: DataType) -> Self {
        Placed { last, ignore_nulls, data_type, places: Vec::new(), values: Vec::new(), rows: Vec::new() }
    }

    fn is_better(&self, group: u32, place: Place) -> bool {
        self.places[group as usize].is_none_or(|known| if self.last { place > known } else { place < known })
    }

    fn take(&self, groups: &[u32]) -> ArrayRef {
        column_of(groups.iter().map(|&g| &self.values[g as usize]), self.data_type)
    }
}

impl Accumulate for Placed {
    fn emptied(&self) -> Self {
        Placed::new(self.last, self.ignore_nulls, self.data_type)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.places.resize(groups, None);
        self.values.resize(groups, Value::Null);
        self.rows.resize(groups, NO_ROW);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let [values, arrival, partition, offset] = args else { panic!("a value and its place") };
        let [arrival, partition, offset] = [arrival, partition, offset].map(|a| as_i64(a.as_ref()));
        // A row whose place is NULL is left out, and of a row's place all is NULL or nothing.
        let counts = |row: usize| offset.is_valid(row) && !(self.ignore_nulls && values.is_null(row));
        let rows: Vec<usize> = (0..groups.len()).filter(|&row| counts(row)).collect();
        let mut touched = Vec::new();
        for row in rows {
            let (group, place) = (groups[row], (arrival.value(row), partition.value(row), offset.value(row)));
            if self.is_better(group, place) {
                self.places[group as usize] = Some(place);
                if std::mem::replace(&mut self.rows[group as usize], row as u32) == NO_ROW {
                    touched.push(group);
                }
            }
        }
        // Only what is still the best after the whole batch leaves its column.
        let batch = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let columns = Columns::of(&batch);
        for group in touched {
            let row = std::mem::replace(&mut self.rows[group as usize], NO_ROW);
            let value = columns.get(0, row as usize).expect("values in canonical type are SQL values");
            self.values[group as usize] = value.into_value();
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if let Some(place) = other.places[from as usize]
                && self.is_better(to, place)
            {
                self.places[to as usize] = Some(place);
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
        let part = |of: fn(Place) -> i64| -> ArrayRef {
            Arc::new(groups.iter().map(|&g| self.places[g as usize].map(of)).collect::<Int64Array>())
        };
        let [arrival, partition, offset] = PLACES;
        vec![(arrival, part(|p| p.0)), (partition, part(|p| p.1)), (offset, part(|p| p.2)), ("value", self.take(groups))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let mut part = |name| read.next(name, &ArrowType::Int64, true).map(|c| c.as_primitive::<Int64Type>().clone());
        let (arrival, partition, offset) = (part(PLACES[0])?, part(PLACES[1])?, part(PLACES[2])?);
        let values = read.next("value", &crate::arrow_type(self.data_type), true)?;
        let of = |column: &Int64Array, row| column.is_valid(row).then(|| column.value(row));
        let place = |row| match (of(&arrival, row), of(&partition, row), of(&offset, row)) {
            (Some(a), Some(p), Some(o)) => Ok(Some((a, p, o))),
            (None, None, None) if values.is_null(row) => Ok(None),
            _ => Err(format!("row {row} has a part of a place in the log")),
        };
        self.places = (0..values.len()).map(place).collect::<Result<_, String>>()?;
        let batch = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let columns = Columns::of(&batch);
        let value = |row| columns.get(0, row).map(|cell| cell.into_value()).map_err(|e| e.to_string());
        self.values = (0..values.len()).map(value).collect::<Result<_, String>>()?;
        self.rows = vec![NO_ROW; values.len()];
        Ok(())
    }

    fn bytes(&self) -> usize {
        let texts = self.values.iter().map(|v| if let Value::Text(t) = v { t.len() } else { 0 }).sum::<usize>();
        self.places.capacity() * size_of::<Option<Place>>()
            + self.values.capacity() * size_of::<Value>()
            + self.rows.capacity() * size_of::<u32>()
            + texts
    }
}
