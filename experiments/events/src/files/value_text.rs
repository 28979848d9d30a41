//! Values of columnar files as texts of which nothing is lost. Structs, lists and maps are JSON, and in it what JSON lacks is a string.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Date64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::types::{DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType};
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, StringArray, TimestampMicrosecondArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use twopath_query::time::US_PER_DAY;

use super::iso::{iso, iso_of_ns};
use super::nested::{any_within, is_nested};
use super::schema::{ColumnType, TimeUnitOfNumbers};
use super::times::NoTime;

/// Whether values of a type have texts. Those of a union have none: a text would not tell which of its types it is of.
pub(super) fn has_text(of: &DataType) -> bool {
    !any_within(of, &|of: &DataType| matches!(of, DataType::Union(..)))
}

/// A value as text, whatever it is, for people to look at.
pub(super) fn cell_text(column: &ArrayRef, row: usize) -> String {
    plain(column, row, &mut None)
}

/// A value as the text that says all of it; else why there is none.
pub(super) fn exact_text(column: &ArrayRef, row: usize) -> Result<String, String> {
    let mut fault = None;
    let text = plain(column, row, &mut fault);
    fault.map_or(Ok(text), Err)
}

/// A value as text. Where that is not the value, `fault` says so afterwards.
fn plain(column: &ArrayRef, row: usize, fault: &mut Option<String>) -> String {
    if column.is_null(row) {
        return String::new();
    }
    if let Some((values, at)) = encoded(column, row) {
        return plain(&values, at, fault);
    }
    let cell = column.slice(row, 1);
    match cell.data_type() {
        of if is_nested(of) => return json(&cell, 0, fault),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => return time(&cell, fault),
        DataType::Duration(unit) => return duration(&cell, *unit),
        of if of.is_binary_like() => {
            if let Ok(texts) = texts_of_bytes(&cell)
                && texts.is_valid(0)
            {
                return texts.as_string::<i32>().value(0).to_owned();
            }
        }
        _ => {}
    }
    match ArrayFormatter::try_new(&cell, &FormatOptions::default()).and_then(|formatter| formatter.value(0).try_to_string()) {
        Ok(text) if cell.data_type().is_binary_like() => format!("0x{text}"),
        Ok(text) => text,
        Err(e) => {
            let number = number(&cell);
            fault.get_or_insert_with(|| match number {
                Some(number) => format!("'{number}' is not a time of a day"),
                None => format!("it has no text: {e}"),
            });
            number.map(|number| number.to_string()).unwrap_or_default()
        }
    }
}

/// The number that Arrow keeps a time as.
fn number(cell: &ArrayRef) -> Option<i64> {
    cast(cell, &DataType::Int64).ok().map(|numbers| numbers.as_primitive::<Int64Type>().value(0))
}

fn time(cell: &ArrayRef, fault: &mut Option<String>) -> String {
    if let Ok(texts) = times_as_text(cell)
        && texts.is_valid(0)
    {
        return texts.value(0).to_owned();
    }
    let unit = match cell.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => "s",
        DataType::Timestamp(TimeUnit::Nanosecond, _) => "ns",
        DataType::Date32 => "days",
        _ => "ms",
    };
    let text = number(cell).map(|n| format!("{n} {unit} since 1970")).unwrap_or_default();
    fault.get_or_insert_with(|| format!("'{text}' {}", NoTime::TooFar));
    text
}

/// A time that passes, as ISO 8601 writes it, in seconds however many they are.
fn duration(cell: &ArrayRef, unit: TimeUnit) -> String {
    let (count, digits) = match unit {
        TimeUnit::Second => (cell.as_primitive::<DurationSecondType>().value(0), 0_usize),
        TimeUnit::Millisecond => (cell.as_primitive::<DurationMillisecondType>().value(0), 3),
        TimeUnit::Microsecond => (cell.as_primitive::<DurationMicrosecondType>().value(0), 6),
        TimeUnit::Nanosecond => (cell.as_primitive::<DurationNanosecondType>().value(0), 9),
    };
    if count == 0 {
        return "P0D".into();
    }
    let second = 10_u64.pow(digits as u32);
    let (seconds, below) = (count.unsigned_abs() / second, count.unsigned_abs() % second);
    let fraction = if below == 0 { String::new() } else { format!(".{below:0digits$}") };
    format!("{}PT{seconds}{}S", if count < 0 { "-" } else { "" }, fraction.trim_end_matches('0'))
}

/// A value as JSON.
fn json(array: &ArrayRef, row: usize, fault: &mut Option<String>) -> String {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return "null".into();
    }
    if let Some((values, at)) = encoded(array, row) {
        return json(&values, at, fault);
    }
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let mut parts = Vec::new();
    match array.data_type() {
        DataType::Struct(fields) => {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                parts.push(format!("{}:{}", string(field.name()), json(column, row, fault)));
            }
            format!("{{{}}}", parts.join(","))
        }
        DataType::Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(row));
            let [keys, values] = entries.as_struct().columns() else { return "null".into() };
            for i in 0..keys.len() {
                parts.push(format!("{}:{}", string(&plain(keys, i, fault)), json(values, i, fault)));
            }
            format!("{{{}}}", parts.join(","))
        }
        of if is_nested(of) => {
            let values = elements(array, row);
            for i in 0..values.len() {
                parts.push(json(&values, i, fault));
            }
            format!("[{}]", parts.join(","))
        }
        other => {
            let text = plain(array, row, fault);
            let is_number = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            match ColumnType::of(other) {
                Some(ColumnType::Bool) => text,
                Some(ColumnType::Int | ColumnType::Float) if is_number => text,
                _ => string(&text),
            }
        }
    }
}

/// The elements of a list.
fn elements(lists: &ArrayRef, row: usize) -> ArrayRef {
    match lists.data_type() {
        DataType::List(_) => lists.as_list::<i32>().value(row),
        DataType::LargeList(_) => lists.as_list::<i64>().value(row),
        DataType::ListView(_) => lists.as_list_view::<i32>().value(row),
        DataType::LargeListView(_) => lists.as_list_view::<i64>().value(row),
        DataType::FixedSizeList(..) => lists.as_fixed_size_list().value(row),
        other => unreachable!("{other} is no list"),
    }
}

/// Of a dictionary or of runs: their values, and which of them is the row's.
fn encoded(column: &ArrayRef, row: usize) -> Option<(ArrayRef, usize)> {
    match column.data_type() {
        DataType::Dictionary(..) => {
            let cell = column.slice(row, 1);
            let dictionary = cell.as_any_dictionary();
            Some((dictionary.values().clone(), dictionary.normalized_keys()[0]))
        }
        DataType::RunEndEncoded(ends, _) => Some(match ends.data_type() {
            DataType::Int16 => {
                let runs = column.as_run::<Int16Type>();
                (runs.values().clone(), runs.get_physical_index(row))
            }
            DataType::Int32 => {
                let runs = column.as_run::<Int32Type>();
                (runs.values().clone(), runs.get_physical_index(row))
            }
            _ => {
                let runs = column.as_run::<Int64Type>();
                (runs.values().clone(), runs.get_physical_index(row))
            }
        }),
        _ => None,
    }
}

pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() })
}

/// Times in ISO 8601, with all digits that they have.
pub(super) fn times_as_text(times: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(match times.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            times.as_primitive::<TimestampNanosecondType>().iter().map(|ns| ns.map(iso_of_ns)).collect()
        }
        _ => in_us(times)?.iter().map(|us| us.map(iso)).collect(),
    })
}

/// A timestamp or date column in microseconds, rounded down, without a zone; NULL where they do not fit. With a zone, Arrow counts in UTC
/// already; without, UTC is meant.
pub(super) fn in_us(column: &ArrayRef) -> Result<TimestampMicrosecondArray, ArrowError> {
    let unit = TimeUnitOfNumbers::to_us;
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            column.as_primitive::<TimestampSecondType>().unary_opt(|n| unit(TimeUnitOfNumbers::S, n))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().unary_opt(|n| unit(TimeUnitOfNumbers::Ms, n))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            column.as_primitive::<TimestampNanosecondType>().unary_opt(|n| unit(TimeUnitOfNumbers::Ns, n))
        }
        DataType::Date32 => column.as_primitive::<Date32Type>().unary_opt(|days| i64::from(days).checked_mul(US_PER_DAY)),
        DataType::Date64 => column.as_primitive::<Date64Type>().unary_opt(|n| unit(TimeUnitOfNumbers::Ms, n)),
        other => return Err(ArrowError::CastError(format!("{other} holds no times"))),
    })
}

/// Bytes as the text that they are in UTF-8, sixteen bytes of a fixed width as a UUID; what is no text becomes NULL.
pub(super) fn texts_of_bytes(bytes: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let DataType::FixedSizeBinary(width) = bytes.data_type() {
        let text = |value: &[u8]| if *width == 16 { Some(uuid(value)) } else { String::from_utf8(value.to_vec()).ok() };
        let texts = bytes.as_fixed_size_binary().iter().map(|value| value.and_then(text)).collect::<StringArray>();
        return Ok(Arc::new(texts));
    }
    let bytes = cast(bytes, &DataType::LargeBinary)?;
    let texts = bytes.as_binary::<i64>().iter().map(|value| value.and_then(|value| std::str::from_utf8(value).ok()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// As RFC 9562 writes it.
fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub(super) trait BinaryLike {
    fn is_binary_like(&self) -> bool;
}

impl BinaryLike for DataType {
    fn is_binary_like(&self) -> bool {
        matches!(self, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::{Int8Type, Time32SecondType};
    use arrow_array::{
        DictionaryArray, DurationMillisecondArray, DurationNanosecondArray, DurationSecondArray, ListArray, ListViewArray, RunArray,
        StructArray, Time32SecondArray,
    };
    use arrow_schema::{Field, Fields, IntervalUnit, UnionFields, UnionMode};

    use super::super::times::TOO_FAR;
    use super::*;

    fn text(array: impl Array + 'static) -> Result<String, String> {
        exact_text(&(Arc::new(array) as ArrayRef), 0)
    }

    #[test]
    fn durations_are_written_however_long_they_are() {
        assert_eq!(text(DurationSecondArray::from(vec![0])).unwrap(), "P0D");
        assert_eq!(text(DurationSecondArray::from(vec![i64::MIN])).unwrap(), "-PT9223372036854775808S");
        assert_eq!(text(DurationMillisecondArray::from(vec![90_061_001])).unwrap(), "PT90061.001S");
        assert_eq!(text(DurationNanosecondArray::from(vec![-1_500_000_000])).unwrap(), "-PT1.5S");
        let list = ListArray::from_iter_primitive::<DurationSecondType, _, _>([Some(vec![Some(10_000_000_000_000_000), None])]);
        assert_eq!(text(list).unwrap(), r#"["PT10000000000000000S",null]"#);
    }

    #[test]
    fn a_time_that_does_not_exist_has_no_text() {
        assert_eq!(text(Time32SecondArray::from(vec![86_399])).unwrap(), "23:59:59");
        assert_eq!(text(Time32SecondArray::from(vec![86_400])).unwrap_err(), "'86400' is not a time of a day");
        let list = ListArray::from_iter_primitive::<Time32SecondType, _, _>([Some(vec![Some(5), Some(-1)])]);
        assert_eq!(text(list).unwrap_err(), "'-1' is not a time of a day");
        let days: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Date32Type, _, _>([Some(vec![Some(i32::MAX)])]));
        assert_eq!(exact_text(&days, 0).unwrap_err(), format!("'2147483647 days since 1970' {TOO_FAR}"));
        assert_eq!(cell_text(&days, 0), r#"["2147483647 days since 1970"]"#);
    }

    #[test]
    fn lists_of_all_kinds_are_json_and_unions_are_nothing() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a, b"), Some("c\""), None]));
        let field = Arc::new(Field::new("item", DataType::Utf8, true));
        let views: ArrayRef = Arc::new(ListViewArray::new(field, vec![0_i32, 1].into(), vec![2_i32, 2].into(), texts, None));
        assert_eq!(exact_text(&views, 0).unwrap(), r#"["a, b","c\""]"#);
        assert_eq!(exact_text(&views, 1).unwrap(), r#"["c\"",null]"#);
        let around = StructArray::from(vec![(Arc::new(Field::new("v", views.data_type().clone(), true)), views.clone())]);
        assert_eq!(text(around).unwrap(), r#"{"v":["a, b","c\""]}"#);
        let union = DataType::Union(UnionFields::empty(), UnionMode::Sparse);
        let list = DataType::new_list(union, true);
        assert!(!has_text(&DataType::Struct(Fields::from(vec![Field::new("u", list, true)]))));
        assert!(has_text(&DataType::Interval(IntervalUnit::MonthDayNano)));
    }

    #[test]
    fn what_is_encoded_is_its_value() {
        let dictionary: DictionaryArray<Int8Type> = vec!["x", "y", "x"].into_iter().collect();
        assert_eq!(text(dictionary).unwrap(), "x");
        let runs: RunArray<Int32Type> = vec!["a", "a", "b"].into_iter().collect();
        let runs: ArrayRef = Arc::new(runs);
        assert_eq!(exact_text(&runs.slice(1, 2), 1).unwrap(), "b");
    }
}
