//! Columns between arrow-rs and polars, by sharing their buffers.
//!
//! Towards polars every column is physical: Boolean, Int64, Float64, String, or Int128 for decimals. Numbers and times of 64 bits go without copying, as the
//! buffer of one library is the owner behind the buffer of the other; narrower numbers are widened. What is copied besides: validity
//! bits, booleans, and text on its way back, whose layouts differ.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, UInt8Type, UInt16Type,
    UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, LargeListArray, PrimitiveArray, StringArray, new_empty_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType as ArrowType, Field};
use arrow_select::take::take;
use polars::prelude::{ArrowDataType, DataType as PolarsType, PolarsError, PolarsResult, Series};
use polars_arrow::array::{Array as PolarsArray, BooleanArray as PolarsBooleans, PrimitiveArray as PolarsNumbers, Utf8Array};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::offset::OffsetsBuffer;
use polars_arrow::types::NativeType;
use polars_buffer::Buffer;
use twopath_query::DataType;
use twopath_view::arrow_type;

/// The polars type in which the values of a SQL type are computed with: times are the integers that they are.
pub fn physical_type(t: DataType) -> PolarsType {
    match t {
        DataType::Bool => PolarsType::Boolean,
        DataType::Float => PolarsType::Float64,
        DataType::Text => PolarsType::String,
        DataType::Numeric | DataType::Decimal { .. } => PolarsType::Int128,
        DataType::Int | DataType::Timestamp | DataType::Interval => PolarsType::Int64,
    }
}

/// A column of the log, which arrow-rs read, as a physical array of polars. Unsigned integers of 64 bits are taken bit for bit.
pub fn to_polars(array: &ArrayRef) -> PolarsResult<Box<dyn PolarsArray>> {
    let array = &widened(array);
    let validity = array.nulls().map(|n| bitmap(n.inner())).transpose()?;
    Ok(match array.data_type() {
        ArrowType::Boolean => {
            let values = bitmap(array.as_boolean().values())?;
            PolarsBooleans::try_new(ArrowDataType::Boolean, values, validity)?.boxed()
        }
        ArrowType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values().clone();
            PolarsNumbers::try_new(ArrowDataType::Float64, Buffer::from_owner(values), validity)?.boxed()
        }
        ArrowType::Utf8 => {
            let strings = array.as_string::<i32>();
            let offsets = OffsetsBuffer::try_from(Buffer::from_owner(strings.offsets().inner().clone()))?;
            let values = Buffer::from_owner(Octets(strings.values().clone()));
            Utf8Array::<i32>::try_new(ArrowDataType::Utf8, offsets, values, validity)?.boxed()
        }
        ArrowType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values().clone();
            PolarsNumbers::try_new(ArrowDataType::Int128, Buffer::from_owner(values), validity)?.boxed()
        }
        _ => PolarsNumbers::<i64>::try_new(ArrowDataType::Int64, Buffer::from_owner(words(array)), validity)?.boxed(),
    })
}

/// Numbers in 64 bits, and text in one form.
fn widened(array: &ArrayRef) -> ArrayRef {
    fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> ArrayRef
    where
        i64: From<T::Native>,
    {
        let array: &PrimitiveArray<T> = array.as_primitive();
        Arc::new(array.unary::<_, arrow_array::types::Int64Type>(i64::from))
    }
    match array.data_type() {
        ArrowType::Int8 => integers::<Int8Type>(array),
        ArrowType::Int16 => integers::<Int16Type>(array),
        ArrowType::Int32 => integers::<Int32Type>(array),
        ArrowType::UInt8 => integers::<UInt8Type>(array),
        ArrowType::UInt16 => integers::<UInt16Type>(array),
        ArrowType::UInt32 => integers::<UInt32Type>(array),
        ArrowType::Date32 => integers::<Date32Type>(array),
        ArrowType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from)),
        ArrowType::LargeUtf8 => Arc::new(array.as_string::<i64>().iter().collect::<StringArray>()),
        ArrowType::Utf8View => Arc::new(array.as_string_view().iter().collect::<StringArray>()),
        ArrowType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            take(dictionary.values(), dictionary.keys(), None).expect("a dictionary's keys lie within it")
        }
        _ => array.clone(),
    }
}

/// A physical column of polars as an arrow-rs column in the canonical Arrow type of a SQL type. A list becomes a LargeList of that type.
pub fn to_arrow(series: &Series, t: DataType) -> PolarsResult<ArrayRef> {
    let series = series.rechunk();
    if let PolarsType::List(_) = series.dtype() {
        let lists = series.list()?.downcast_as_array().clone();
        let values = Series::from_arrow(series.name().clone(), lists.values().clone())?;
        let values = if values.is_empty() { new_empty_array(&arrow_type(t)) } else { to_arrow(&values, t)? };
        let offsets = OffsetBuffer::new(lists.offsets().as_slice().to_vec().into());
        let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        return Ok(Arc::new(LargeListArray::new(item, offsets, values, lists.validity().map(nulls))));
    }
    Ok(match t {
        DataType::Bool => {
            let array = series.bool()?.downcast_as_array();
            Arc::new(BooleanArray::new(bits(array.values()), array.validity().map(nulls)))
        }
        DataType::Float => {
            let array = series.f64()?.downcast_as_array();
            Arc::new(Float64Array::new(scalars(array.values()), array.validity().map(nulls)))
        }
        DataType::Text => Arc::new(series.str()?.downcast_as_array().iter().collect::<StringArray>()),
        DataType::Numeric | DataType::Decimal { .. } => {
            let array = series.i128()?.downcast_as_array();
            let sums = Decimal128Array::new(array.values().as_slice().to_vec().into(), array.validity().map(nulls));
            Arc::new(sums.with_data_type(arrow_type(t)))
        }
        DataType::Int | DataType::Timestamp | DataType::Interval => {
            let physical = series.to_physical_repr();
            let array = physical.i64()?.downcast_as_array();
            let values = Int64Array::new(scalars(array.values()), array.validity().map(nulls));
            let data = values.into_data().into_builder().data_type(arrow_type(t)).build();
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

fn bitmap(bits: &BooleanBuffer) -> PolarsResult<Bitmap> {
    Bitmap::try_new(bits.sliced().as_slice().to_vec(), bits.len())
}

fn bits(bitmap: &Bitmap) -> BooleanBuffer {
    let (bytes, offset, len) = bitmap.as_slice();
    BooleanBuffer::new(bytes.to_vec().into(), offset, len)
}

fn nulls(bitmap: &Bitmap) -> NullBuffer {
    NullBuffer::new(bits(bitmap))
}

fn scalars<T: NativeType + ArrowNativeType>(values: &Buffer<T>) -> ScalarBuffer<T> {
    let len = values.len();
    let bytes = values.clone().try_transmute::<u8>().unwrap_or_else(|_| panic!("numbers are bytes"));
    ScalarBuffer::new(bytes::Bytes::from_owner(bytes).into(), 0, len)
}

/// Arrow-rs bytes as the owner of a polars buffer.
struct Octets(arrow_buffer::Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}
