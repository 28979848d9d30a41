//! Structs, lists and maps of columnar files: what stands within them, and their fields by path.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Fields};

pub(super) fn is_nested(of: &DataType) -> bool {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView, Map, Struct};
    matches!(of, Struct(_) | List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_) | Map(..))
}

/// Whether a type, or one of those within it, is such a one.
pub(super) fn any_within(of: &DataType, is: &dyn Fn(&DataType) -> bool) -> bool {
    use DataType::{Dictionary, FixedSizeList, LargeList, LargeListView, List, ListView, Map, RunEndEncoded, Struct};
    let is_within = match of {
        Struct(fields) => fields.iter().any(|field| any_within(field.data_type(), is)),
        List(inner) | LargeList(inner) | FixedSizeList(inner, _) | ListView(inner) | LargeListView(inner) | Map(inner, _) => {
            any_within(inner.data_type(), is)
        }
        Dictionary(_, values) => any_within(values, is),
        RunEndEncoded(_, values) => any_within(values.data_type(), is),
        _ => false,
    };
    is_within || is(of)
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
    let inner = match around.column(*first) {
        inner if around.null_count() == 0 => inner.clone(),
        // What is encoded has no place for the NULLs around it.
        inner => match inner.data_type() {
            DataType::Dictionary(_, values) => cast(inner, values)?,
            DataType::RunEndEncoded(_, values) => cast(inner, values.data_type())?,
            _ => inner.clone(),
        },
    };
    let nulls = NullBuffer::union(around.nulls(), inner.logical_nulls().as_ref());
    let inner = match inner.data_type() {
        DataType::Null | DataType::Dictionary(..) | DataType::RunEndEncoded(..) => inner,
        _ => make_array(inner.to_data().into_builder().nulls(nulls).build()?),
    };
    column_at(&inner, rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Int8Type, Int32Type};
    use arrow_array::{DictionaryArray, RunArray, StructArray};
    use arrow_schema::Field;

    use super::*;

    #[test]
    fn a_struct_that_is_null_has_no_fields() {
        let dictionary: DictionaryArray<Int8Type> = vec!["x", "y"].into_iter().collect();
        let runs: RunArray<Int32Type> = vec!["x", "y"].into_iter().collect();
        for field in [Arc::new(dictionary) as ArrayRef, Arc::new(runs)] {
            let fields = Fields::from(vec![Field::new("f", field.data_type().clone(), true)]);
            let around: ArrayRef = Arc::new(StructArray::new(fields, vec![field], Some(NullBuffer::from(vec![true, false]))));
            let found = column_at(&around, &[0]).unwrap();
            assert_eq!((found.is_null(0), found.is_null(1)), (false, true));
        }
    }
}
