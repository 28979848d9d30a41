//! Columns between arrow-rs and polars, by sharing their buffers.
//!
//! Numbers and times go both ways without copying: the buffer of one library is the owner behind the buffer of the other. Times are
//! Int64 on polars' side. What is copied: validity bits (one bit per value), booleans (likewise), and text on its way back, whose
//! layouts differ.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, new_null_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;
use polars::prelude::{
    ArrowDataType, BooleanChunked, Column, DataType as PolarsType, Float64Chunked, IntoColumn, IntoSeries, PlSmallStr, PolarsError, Series,
};
use polars_arrow::array::{BooleanArray as PolarsBooleans, PrimitiveArray as PolarsNumbers, Utf8Array};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::offset::OffsetsBuffer;
use polars_arrow::types::NativeType;
use polars_buffer::Buffer;

/// The polars type in which values of an Arrow type are handed over.
pub fn polars_type(t: &ArrowType) -> PolarsType {
    match t {
        ArrowType::Boolean => PolarsType::Boolean,
        ArrowType::Float64 => PolarsType::Float64,
        ArrowType::Utf8 => PolarsType::String,
        _ => PolarsType::Int64,
    }
}

/// An arrow-rs column as a polars column.
///
/// Takes Boolean, Float64, Utf8, and every type whose values are 64-bit integers in memory (Int64, UInt64, timestamps ...), which
/// becomes Int64, bit for bit.
pub fn to_polars(name: &str, array: &ArrayRef) -> Result<Column, PolarsError> {
    let name = PlSmallStr::from_str(name);
    let validity = array.nulls().map(|n| bitmap(n.inner())).transpose()?;
    let series = match array.data_type() {
        ArrowType::Boolean => {
            let values = bitmap(array.as_boolean().values())?;
            BooleanChunked::with_chunk(name, PolarsBooleans::try_new(ArrowDataType::Boolean, values, validity)?).into_series()
        }
        ArrowType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values().clone();
            let values = PolarsNumbers::try_new(ArrowDataType::Float64, Buffer::from_owner(values), validity)?;
            Float64Chunked::with_chunk(name, values).into_series()
        }
        ArrowType::Utf8 => {
            let strings = array.as_string::<i32>();
            let offsets = OffsetsBuffer::try_from(Buffer::from_owner(strings.offsets().inner().clone()))?;
            let values = Buffer::from_owner(Octets(strings.values().clone()));
            Series::from_arrow(name, Utf8Array::<i32>::try_new(ArrowDataType::Utf8, offsets, values, validity)?.boxed())?
        }
        _ => {
            let values = Buffer::from_owner(words(array));
            Series::from_arrow(name, PolarsNumbers::<i64>::try_new(ArrowDataType::Int64, values, validity)?.boxed())?
        }
    };
    Ok(series.into_column())
}

/// A polars column as an arrow-rs column of `rows` rows: Boolean, Float64 or Utf8 where `t` says so, else 64-bit integers of type `t`,
/// bit for bit. A column of one value is repeated.
pub fn to_arrow(column: &Column, t: &ArrowType, rows: usize) -> Result<ArrayRef, PolarsError> {
    if column.dtype() == &PolarsType::Null {
        return Ok(new_null_array(t, rows));
    }
    let column = if column.len() != rows && column.len() == 1 { column.new_from_index(0, rows) } else { column.clone() };
    let series = column.as_materialized_series().rechunk();
    Ok(match t {
        ArrowType::Boolean => {
            let array = series.bool()?.downcast_as_array();
            Arc::new(BooleanArray::new(bits(array.values()), array.validity().map(nulls)))
        }
        ArrowType::Float64 => {
            let array = series.f64()?.downcast_as_array();
            Arc::new(Float64Array::new(scalars(array.values())?, array.validity().map(nulls)))
        }
        ArrowType::Utf8 => Arc::new(series.str()?.downcast_as_array().iter().collect::<StringArray>()),
        _ => {
            let array = series.i64()?.downcast_as_array();
            let values = Int64Array::new(scalars(array.values())?, array.validity().map(nulls));
            let data = values.into_data().into_builder().data_type(t.clone()).build();
            arrow_array::make_array(data.map_err(|e| PolarsError::ComputeError(e.to_string().into()))?)
        }
    })
}

/// The values of a column that are 64-bit integers in memory.
fn words(array: &ArrayRef) -> ScalarBuffer<i64> {
    let data = array.to_data();
    assert_eq!(data.data_type().primitive_width(), Some(8), "{} is not made of 64-bit words", data.data_type());
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

fn bitmap(bits: &BooleanBuffer) -> Result<Bitmap, PolarsError> {
    Bitmap::try_new(bits.sliced().as_slice().to_vec(), bits.len())
}

fn bits(bitmap: &Bitmap) -> BooleanBuffer {
    let (bytes, offset, len) = bitmap.as_slice();
    BooleanBuffer::new(bytes.to_vec().into(), offset, len)
}

fn nulls(bitmap: &Bitmap) -> NullBuffer {
    NullBuffer::new(bits(bitmap))
}

fn scalars<T: NativeType + ArrowNativeType>(values: &Buffer<T>) -> Result<ScalarBuffer<T>, PolarsError> {
    let len = values.len();
    let bytes = values.clone().try_transmute::<u8>().unwrap_or_else(|_| panic!("numbers are bytes"));
    Ok(ScalarBuffer::new(bytes::Bytes::from_owner(bytes).into(), 0, len))
}

/// Arrow-rs bytes as the owner of a polars buffer.
struct Octets(arrow_buffer::Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}
