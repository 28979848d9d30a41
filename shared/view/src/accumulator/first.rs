//! The value of the row that comes first: FIRST_VALUE and LAST_VALUE by the log's order; with an order of their own, and as MIN_BY and MAX_BY, by the values beside it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch};
use arrow_row::Rows;
use arrow_schema::DataType as ArrowType;

use super::order::rows_of;
use super::{Accumulate, Column, Reader};
use crate::canonical::as_i64;
use crate::column::column_of;
use twopath_query::values::Columns;
use twopath_query::{DataType, Directions, EvalError, Value};

/// What rows go by.
pub trait Order: Clone {
    /// Where a row stands.
    type Place: Clone;
    /// The same, as a batch or a group lends it.
    type Seen<'p>: Copy;
    /// Where the rows of a batch stand.
    type Batch;

    /// Of the columns beside the values.
    fn batch(&self, beside: &[ArrayRef]) -> Self::Batch;

    /// None where a row is left out.
    fn place(batch: &Self::Batch, row: usize) -> Option<Self::Seen<'_>>;

    fn is_before(&self, a: Self::Seen<'_>, b: Self::Seen<'_>) -> bool;

    fn kept(seen: Self::Seen<'_>) -> Self::Place;

    fn seen(place: &Self::Place) -> Self::Seen<'_>;

    /// Places at rest.
    fn columns(places: &[Option<&Self::Place>]) -> Vec<Column>;

    /// What [`Order::columns`] gave.
    fn load(read: &mut Reader) -> Result<Vec<Option<Self::Place>>, String>;

    /// What a place takes of memory beside itself.
    fn bytes(_place: &Self::Place) -> usize {
        0
    }
}

/// The log's order: arrival, partition, offset. No two rows of a topic stand in one place.
#[derive(Debug, Clone, Copy)]
pub struct ByLog {
    /// Which row comes first is looked for from the end.
    pub last: bool,
}

/// Names of its places' columns at rest.
const PLACES: [&str; 3] = ["arrival", "partition", "offset"];

impl Order for ByLog {
    type Place = (i64, i64, i64);
    type Seen<'p> = Self::Place;
    type Batch = [Int64Array; 3];

    fn batch(&self, beside: &[ArrayRef]) -> Self::Batch {
        let [arrival, partition, offset] = beside else { panic!("a place is three numbers") };
        [arrival, partition, offset].map(|part| as_i64(part.as_ref()))
    }

    /// Of a row's place all is NULL or nothing.
    fn place([arrival, partition, offset]: &Self::Batch, row: usize) -> Option<Self::Place> {
        offset.is_valid(row).then(|| (arrival.value(row), partition.value(row), offset.value(row)))
    }

    fn is_before(&self, a: Self::Place, b: Self::Place) -> bool {
        if self.last { a > b } else { a < b }
    }

    fn kept(seen: Self::Place) -> Self::Place {
        seen
    }

    fn seen(place: &Self::Place) -> Self::Place {
        *place
    }

    fn columns(places: &[Option<&Self::Place>]) -> Vec<Column> {
        let part = |of: fn(&Self::Place) -> i64| -> ArrayRef { Arc::new(places.iter().map(|place| place.map(of)).collect::<Int64Array>()) };
        let [arrival, partition, offset] = PLACES;
        vec![(arrival, part(|p| p.0)), (partition, part(|p| p.1)), (offset, part(|p| p.2))]
    }

    fn load(read: &mut Reader) -> Result<Vec<Option<Self::Place>>, String> {
        let mut part = |name| read.next(name, &ArrowType::Int64, true).map(|c| c.as_primitive::<Int64Type>().clone());
        let parts = [part(PLACES[0])?, part(PLACES[1])?, part(PLACES[2])?];
        let of = |column: &Int64Array, row| column.is_valid(row).then(|| column.value(row));
        let place = |row| match parts.each_ref().map(|part| of(part, row)) {
            [Some(arrival), Some(partition), Some(offset)] => Ok(Some((arrival, partition, offset))),
            [None, None, None] => Ok(None),
            _ => Err(format!("row {row} has a part of a place in the log")),
        };
        (0..parts[0].len()).map(place).collect()
    }
}

/// The values beside the argument, the last of which is NULL in rows that are left out.
#[derive(Debug, Clone, Copy)]
pub struct ByValues(pub Directions);

impl Order for ByValues {
    type Place = Box<[u8]>;
    type Seen<'p> = &'p [u8];
    type Batch = (Rows, ArrayRef);

    fn batch(&self, beside: &[ArrayRef]) -> Self::Batch {
        let (last, order) = beside.split_last().expect("something says whether a row counts");
        (rows_of(order, self.0), Arc::clone(last))
    }

    fn place((rows, last): &Self::Batch, row: usize) -> Option<&[u8]> {
        last.is_valid(row).then(|| rows.row(row).data())
    }

    fn is_before(&self, a: &[u8], b: &[u8]) -> bool {
        a < b
    }

    fn kept(seen: &[u8]) -> Self::Place {
        seen.into()
    }

    fn seen(place: &Self::Place) -> &[u8] {
        place
    }

    fn columns(places: &[Option<&Self::Place>]) -> Vec<Column> {
        vec![("place", Arc::new(places.iter().map(|place| place.map(|place| &**place)).collect::<BinaryArray>()))]
    }

    fn load(read: &mut Reader) -> Result<Vec<Option<Self::Place>>, String> {
        let places = read.next("place", &ArrowType::Binary, true)?;
        Ok(places.as_binary::<i32>().iter().map(|place| place.map(Box::from)).collect())
    }

    fn bytes(place: &Self::Place) -> usize {
        place.len()
    }
}

/// Per group the first row's place and its value.
#[derive(Debug, Clone)]
pub struct First<O: Order> {
    order: O,
    ignore_nulls: bool,
    data_type: DataType,
    /// None where a group has seen no row that counts.
    places: Vec<Option<O::Place>>,
    values: Vec<Value>,
    /// Reused from batch to batch: which of the batch's rows is each group's.
    rows: Vec<u32>,
}

/// A group of which no row of the batch is the first so far.
const NO_ROW: u32 = u32::MAX;

impl<O: Order> First<O> {
    pub fn new(order: O, ignore_nulls: bool, data_type: DataType) -> Self {
        First { order, ignore_nulls, data_type, places: Vec::new(), values: Vec::new(), rows: Vec::new() }
    }

    fn is_first(&self, seen: O::Seen<'_>, group: u32) -> bool {
        self.places[group as usize].as_ref().is_none_or(|known| self.order.is_before(seen, O::seen(known)))
    }

    fn take(&self, groups: &[u32]) -> ArrayRef {
        column_of(groups.iter().map(|&g| &self.values[g as usize]), self.data_type)
    }
}

impl<O: Order> Accumulate for First<O> {
    fn emptied(&self) -> Self {
        First::new(self.order.clone(), self.ignore_nulls, self.data_type)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.places.resize(groups, None);
        self.values.resize(groups, Value::Null);
        self.rows.resize(groups, NO_ROW);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let (values, beside) = args.split_first().expect("a value, and what it goes by");
        let batch = self.order.batch(beside);
        let mut touched = Vec::new();
        for (row, &group) in groups.iter().enumerate() {
            let Some(place) = O::place(&batch, row).filter(|_| !(self.ignore_nulls && values.is_null(row))) else { continue };
            let is_first = match self.rows[group as usize] {
                NO_ROW => self.is_first(place, group),
                first => O::place(&batch, first as usize).is_some_and(|first| self.order.is_before(place, first)),
            };
            if is_first && std::mem::replace(&mut self.rows[group as usize], row as u32) == NO_ROW {
                touched.push(group);
            }
        }
        // Only what is first after the whole batch leaves its columns.
        let column = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let column = Columns::of(&column);
        for group in touched {
            let row = std::mem::replace(&mut self.rows[group as usize], NO_ROW) as usize;
            self.places[group as usize] = O::place(&batch, row).map(O::kept);
            self.values[group as usize] = column.get(0, row).expect("values in canonical type are SQL values").into_value();
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            if let Some(place) = &other.places[from as usize]
                && self.is_first(O::seen(place), to)
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
        let places: Vec<Option<&O::Place>> = groups.iter().map(|&g| self.places[g as usize].as_ref()).collect();
        let mut columns = O::columns(&places);
        columns.push(("value", self.take(groups)));
        columns
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        self.places = O::load(read)?;
        let values = read.next("value", &crate::arrow_type(self.data_type), true)?;
        let column = RecordBatch::try_from_iter([("value", values.clone())]).expect("one column");
        let column = Columns::of(&column);
        let value = |row| column.get(0, row).map(|cell| cell.into_value()).map_err(|e| e.to_string());
        self.values = (0..values.len()).map(value).collect::<Result<_, String>>()?;
        if let Some(row) = (0..values.len()).find(|&row| self.places[row].is_none() && values.is_valid(row)) {
            return Err(format!("row {row} has a value without a place"));
        }
        self.rows = vec![NO_ROW; values.len()];
        Ok(())
    }

    fn bytes(&self) -> usize {
        let texts = self.values.iter().map(|v| if let Value::Text(t) = v { t.len() } else { 0 }).sum::<usize>();
        self.places.capacity() * size_of::<Option<O::Place>>()
            + self.places.iter().flatten().map(O::bytes).sum::<usize>()
            + self.values.capacity() * size_of::<Value>()
            + self.rows.capacity() * size_of::<u32>()
            + texts
    }
}
