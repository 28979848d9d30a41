//! Structs, lists and maps of columnar files: as JSON texts, and their fields by path.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Fields};

use super::convert::cell_text;
use super::schema::ColumnType;

pub(super) fn is_nested(of: &DataType) -> bool {
    matches!(of, DataType::Struct(_) | DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Map(..))
}

/// A value as JSON: what JSON has no kind for is a string.
pub(super) fn json_text(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".into();
    }
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let list = |values: ArrayRef| format!("[{}]", (0..values.len()).map(|i| json_text(&values, i)).collect::<Vec<_>>().join(","));
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let fields = fields.iter().zip(columns).map(|(f, column)| format!("{}:{}", string(f.name()), json_text(column, row)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        DataType::List(_) => list(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row)),
        DataType::Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(row));
            let [keys, values] = entries.as_struct().columns() else { return "null".into() };
            let entry = |i| format!("{}:{}", string(&cell_text(keys, i)), json_text(values, i));
            format!("{{{}}}", (0..keys.len()).map(entry).collect::<Vec<_>>().join(","))
        }
        other => {
            let text = cell_text(array, row);
            let is_number = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            match ColumnType::of(other) {
                Some(ColumnType::Bool) => text,
                Some(ColumnType::Int | ColumnType::Float) if is_number => text,
                _ => string(&text),
            }
        }
    }
}

/// Where the field at a path such as `user.id` stands: its place in each struct, and what it holds. Names may have points themselves.
pub(super) fn find(fields: &Fields, path: &str) -> Option<(Vec<usize>, DataType)> {
    let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
    for end in ends {
        let Some((index, field)) = fields.find(&path[..end]) else { continue };
        if end == path.len() {
            return Some((vec![index], field.data_type().clone()));
        }
        if let DataType::Struct(inner) = field.data_type()
            && let Some((mut places, found)) = find(inner, &path[end + 1..])
        {
            places.insert(0, index);
            return Some((places, found));
        }
    }
    None
}

/// The column at such a place within a column; NULL wherever a struct around it is.
pub(super) fn column_at(column: &ArrayRef, places: &[usize]) -> Result<ArrayRef, ArrowError> {
    let [first, rest @ ..] = places else { return Ok(column.clone()) };
    let around = column.as_struct();
    let inner = around.column(*first);
    let nulls = NullBuffer::union(around.nulls(), inner.logical_nulls().as_ref());
    let inner = match inner.data_type() {
        DataType::Null | DataType::Dictionary(..) => inner.clone(),
        _ => make_array(inner.to_data().into_builder().nulls(nulls).build()?),
    };
    column_at(&inner, rest)
}
