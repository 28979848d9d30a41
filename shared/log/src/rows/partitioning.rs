//! Which partition a row belongs to.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use crate::hash::xxh64;

/// Whether a column of this type can be the key.
pub(crate) fn can_hash(data_type: &DataType) -> bool {
    use DataType::*;
    data_type.is_integer()
        || matches!(
            data_type,
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | Boolean | Date32 | Date64 | Timestamp(..) | Decimal128(..)
        )
}

/// Each row's partition: XXH64 of the value (whole numbers, dates and times as 8 little-endian bytes whatever their width, text and
/// binary as their bytes, decimals as 16, booleans as 1, NULL as none), modulo the number of partitions.
fn rows(column: &ArrayRef, partitions: u32) -> Vec<u32> {
    let mut rows = Vec::with_capacity(column.len());
    for_each_key(column, |key| rows.push((xxh64(key.unwrap_or_default()) % u64::from(partitions)) as u32));
    rows
}

/// Each row's key as bytes, as they are hashed; `None` for NULL.
pub(crate) fn for_each_key(column: &ArrayRef, mut key: impl FnMut(Option<&[u8]>)) {
    fn of<T, B: AsRef<[u8]>>(values: impl Iterator<Item = Option<T>>, key: &mut impl FnMut(Option<&[u8]>), bytes: impl Fn(T) -> B) {
        values.for_each(|v| match v {
            Some(v) => key(Some(bytes(v).as_ref())),
            None => key(None),
        });
    }
    fn whole<T: ArrowPrimitiveType>(column: &ArrayRef, key: &mut impl FnMut(Option<&[u8]>), widen: impl Fn(T::Native) -> i64) {
        of(column.as_primitive::<T>().iter(), key, |v| widen(v).to_le_bytes());
    }
    let key = &mut key;
    use DataType::*;
    match column.data_type() {
        Int8 => whole::<Int8Type>(column, key, i64::from),
        Int16 => whole::<Int16Type>(column, key, i64::from),
        Int32 => whole::<Int32Type>(column, key, i64::from),
        Int64 => whole::<Int64Type>(column, key, |v| v),
        UInt8 => whole::<UInt8Type>(column, key, i64::from),
        UInt16 => whole::<UInt16Type>(column, key, i64::from),
        UInt32 => whole::<UInt32Type>(column, key, i64::from),
        UInt64 => whole::<UInt64Type>(column, key, |v| v as i64),
        Date32 => whole::<Date32Type>(column, key, i64::from),
        Date64 => whole::<Date64Type>(column, key, |v| v),
        Timestamp(TimeUnit::Second, _) => whole::<TimestampSecondType>(column, key, |v| v),
        Timestamp(TimeUnit::Millisecond, _) => whole::<TimestampMillisecondType>(column, key, |v| v),
        Timestamp(TimeUnit::Microsecond, _) => whole::<TimestampMicrosecondType>(column, key, |v| v),
        Timestamp(TimeUnit::Nanosecond, _) => whole::<TimestampNanosecondType>(column, key, |v| v),
        Decimal128(..) => of(column.as_primitive::<Decimal128Type>().iter(), key, i128::to_le_bytes),
        Utf8 => of(column.as_string::<i32>().iter(), key, str::as_bytes),
        LargeUtf8 => of(column.as_string::<i64>().iter(), key, str::as_bytes),
        Utf8View => of(column.as_string_view().iter(), key, str::as_bytes),
        Binary => of(column.as_binary::<i32>().iter(), key, |v| v),
        LargeBinary => of(column.as_binary::<i64>().iter(), key, |v| v),
        Boolean => of(column.as_boolean().iter(), key, |v| [u8::from(v)]),
        other => unreachable!("a topic's key column has type {other}, which its creation refuses"),
    }
}

/// The rows of each partition, in their order. An entry without rows is `None`.
pub(crate) fn split(batch: &RecordBatch, key: usize, partitions: u32) -> Result<Vec<Option<RecordBatch>>, ArrowError> {
    let mut indexes: Vec<Vec<u32>> = vec![Vec::new(); partitions as usize];
    for (row, partition) in rows(batch.column(key), partitions).into_iter().enumerate() {
        indexes[partition as usize].push(row as u32);
    }
    let part = |rows: Vec<u32>| match rows.len() {
        0 => Ok(None),
        n if n == batch.num_rows() => Ok(Some(batch.clone())),
        _ => arrow_select::take::take_record_batch(batch, &UInt32Array::from(rows)).map(Some),
    };
    indexes.into_iter().map(part).collect()
}
