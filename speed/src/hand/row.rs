//! What hand-written code takes and gives.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;
use serde::{Deserialize, Serialize};
use twopath_query::DataType;

use crate::differential::columns::column;
use crate::differential::datum::Datum;

/// A frame's rows, and the generation of the log that they are of: the number of barriers before them.
#[derive(Debug, Clone)]
pub struct Frame {
    pub generation: u64,
    pub batch: RecordBatch,
}

/// One group's row: its keys, then its parts or final values, in the order in which [`twopath_view::Merging`] or [`twopath_view::Finals`]
/// names them.
///
/// ```
/// use twopath_speed::{Item, Row};
/// let row = Row { generation: 0, items: vec!["JFK".into(), 12.into(), None::<i64>.into(), Item::list([1, 2, 2])] };
/// assert_eq!(row.items[2], Item::Null);
/// ```
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Row {
    /// The generation of the frames that the parts are of. Final values are of all frames, and it says nothing.
    pub generation: u64,
    pub items: Vec<Item>,
}

/// One value of a [`Row`].
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Item {
    Null,
    /// An Int, a Bool (0, 1), or the microseconds of a Timestamp or an Interval.
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// The values of a set or a sketch, of which one may stand there more than once.
    List(Vec<Item>),
}

impl Item {
    /// A list of values.
    pub fn list<T: Into<Item>>(values: impl IntoIterator<Item = T>) -> Item {
        Item::List(values.into_iter().map(Into::into).collect())
    }

    fn datum(&self, t: DataType) -> Option<Datum> {
        Some(match (self, t) {
            (Item::Null, _) => Datum::Null,
            (Item::Int(v), DataType::Int) => Datum::Int(*v),
            (Item::Int(v), DataType::Timestamp) => Datum::Timestamp(*v),
            (Item::Int(v), DataType::Interval) => Datum::Interval(*v),
            (Item::Int(v), DataType::Bool) => Datum::Bool(*v != 0),
            (Item::Int(v), DataType::Numeric) => Datum::numeric(i128::from(*v)),
            (Item::Float(v), DataType::Float) => Datum::Float(*v),
            (Item::Text(v), DataType::Text) => Datum::Text(v.clone()),
            _ => return None,
        })
    }
}

impl From<i64> for Item {
    fn from(v: i64) -> Self {
        Item::Int(v)
    }
}

impl From<f64> for Item {
    fn from(v: f64) -> Self {
        Item::Float(v)
    }
}

impl From<&str> for Item {
    fn from(v: &str) -> Self {
        Item::Text(v.into())
    }
}

impl From<&String> for Item {
    fn from(v: &String) -> Self {
        Item::Text(v.as_str().into())
    }
}

impl<T: Into<Item>> From<Option<T>> for Item {
    fn from(v: Option<T>) -> Self {
        v.map_or(Item::Null, Into::into)
    }
}

/// The type of a column of rows: of values, or of lists of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnType {
    pub of: DataType,
    pub is_list: bool,
}

/// One column of these rows.
///
/// # Errors
/// The item that is not of the column's type.
pub(super) fn items_column(rows: &[Row], at: usize, t: ColumnType) -> Result<ArrayRef, String> {
    let item = |row: &Row| row.items.get(at).cloned().unwrap_or(Item::Null);
    let datum = |item: &Item| item.datum(t.of).ok_or_else(|| format!("{item:?} stands where a value of type {:?} belongs", t.of));
    if !t.is_list {
        let values = rows.iter().map(|row| datum(&item(row))).collect::<Result<Vec<_>, _>>()?;
        return Ok(column(values.iter(), t.of));
    }
    let (mut lengths, mut values) = (Vec::new(), Vec::new());
    for row in rows {
        let Item::List(items) = item(row) else { return Err(format!("{:?} stands where a list belongs", item(row))) };
        lengths.push(items.len());
        for item in &items {
            values.push(datum(item)?);
        }
    }
    let values = column(values.iter(), t.of);
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, TimestampMicrosecondType};

    #[test]
    fn items_take_the_columns_type() {
        let row = |items: Vec<Item>| Row { generation: 0, items };
        let rows = [row(vec![7.into(), Item::list([1, 1])]), row(vec![Item::Null, Item::list::<i64>([])])];
        let times = items_column(&rows, 0, ColumnType { of: DataType::Timestamp, is_list: false }).unwrap();
        assert_eq!(times.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>(), [Some(7), None]);
        let lists = items_column(&rows, 1, ColumnType { of: DataType::Int, is_list: true }).unwrap();
        assert_eq!(lists.as_list::<i32>().value(0).as_primitive::<Int64Type>().values(), &[1, 1]);
        assert_eq!(lists.as_list::<i32>().value_length(1), 0);
        let wrong = items_column(&rows, 0, ColumnType { of: DataType::Text, is_list: false }).unwrap_err();
        assert_eq!(wrong, "Int(7) stands where a value of type Text belongs");
        assert!(items_column(&rows, 0, ColumnType { of: DataType::Int, is_list: true }).is_err());
    }
}
