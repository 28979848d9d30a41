//! Decimal columns: `price:decimal(12,2)`. A value fits exactly or is refused: nothing is rounded on its way into a topic.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType};
use twopath_query::{DIGITS_MAX, Decimal};

/// A text as a decimal of so many digits in all and after the point. The error says why it is none, after the text itself.
pub(super) fn read(text: &str, precision: u8, scale: u8) -> Result<i128, String> {
    let Some(decimal) = Decimal::parse(text) else {
        return Err("is not a decimal number of up to 38 digits".into());
    };
    let unscaled = if decimal.scale <= scale {
        decimal.unscaled.checked_mul(10i128.pow((scale - decimal.scale).into()))
    } else {
        let unit = 10i128.pow((decimal.scale - scale).into());
        if decimal.unscaled % unit != 0 {
            return Err(format!("has more than {scale} digits after the point, which decimal({precision},{scale}) has"));
        }
        Some(decimal.unscaled / unit)
    };
    let fits = unscaled.filter(|u| u.unsigned_abs() < 10u128.pow(precision.into()));
    fits.ok_or_else(|| format!("has more digits than decimal({precision},{scale})"))
}

/// The digits in all and after the point of `decimal(12,2)` or `numeric(12, 2)`; none where it is written otherwise.
pub(super) fn from_name(name: &str) -> Option<(u8, u8)> {
    let name = name.to_ascii_lowercase();
    let digits = name.strip_prefix("decimal").or_else(|| name.strip_prefix("numeric"))?.trim();
    let (precision, scale) = digits.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=DIGITS_MAX).contains(&precision) && scale <= precision).then_some((precision, scale))
}

/// The digits of the decimal column that holds an Arrow type's values; none where that is no decimal, or a whole number of 64 bits.
pub(super) fn of(arrow: &DataType) -> Option<(u8, u8)> {
    let (precision, scale) = match arrow {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => (*p, *s),
        _ => return None,
    };
    let scale = u8::try_from(scale).ok().filter(|s| *s <= DIGITS_MAX)?;
    // 18 digits fit an integer.
    (scale > 0 || precision > 18).then_some((precision.min(DIGITS_MAX), scale))
}

/// The parts of a schema's text: commas within parentheses separate nothing.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let separates = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '\n' || c == ',' && depth == 0
    };
    text.split(separates).collect()
}

/// Texts, floats (by their shortest digits), integers and decimals as decimals; a value that does not fit becomes NULL.
pub(super) fn convert(given: &ArrayRef, precision: u8, scale: u8) -> Result<ArrayRef, ArrowError> {
    let texts = texts(given)?;
    let values = texts.as_string::<i32>().iter().map(|text| text.and_then(|text| read(text.trim(), precision, scale).ok()));
    Ok(Arc::new(values.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(precision, scale as i8))))
}

/// Decimals as integers; one with a fraction, or beyond 64 bits, becomes NULL.
pub(super) fn to_integers(given: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts = texts(given)?;
    let whole = |text: &str| i64::try_from(read(text, DIGITS_MAX, 0).ok()?).ok();
    Ok(Arc::new(texts.as_string::<i32>().iter().map(|text| text.and_then(whole)).collect::<Int64Array>()))
}

/// Decimals as the nearest floats.
pub(super) fn to_floats(given: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts = texts(given)?;
    Ok(Arc::new(texts.as_string::<i32>().iter().map(|text| text.and_then(|text| text.parse().ok())).collect::<Float64Array>()))
}

fn texts(given: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    cast_with_options(given, &DataType::Utf8, &CastOptions { safe: true, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Array, StringArray};

    #[test]
    fn a_value_fits_exactly_or_not_at_all() {
        for (text, value) in [("12.30", 1230), ("-0.05", -5), ("7", 700), ("1e3", 100_000), ("1.500", 150), ("9999.99", 999_999)] {
            assert_eq!(read(text, 6, 2), Ok(value), "{text}");
        }
        for text in ["", "x", "0.001", "10000", "1e9", "12,5", "NaN"] {
            assert!(read(text, 6, 2).is_err(), "{text}");
        }
    }

    #[test]
    fn names_and_types() {
        assert_eq!(from_name("decimal(12,2)"), Some((12, 2)));
        assert_eq!(from_name("NUMERIC( 38 , 0 )"), Some((38, 0)));
        for not in ["decimal", "decimal(12)", "decimal(39,2)", "decimal(0,0)", "decimal(2,3)", "decimal(12,2", "text"] {
            assert_eq!(from_name(not), None, "{not}");
        }
        assert_eq!(of(&DataType::Decimal128(12, 2)), Some((12, 2)));
        assert_eq!(of(&DataType::Decimal256(76, 10)), Some((38, 10)));
        assert_eq!(of(&DataType::Decimal64(18, 0)), None);
        assert_eq!(of(&DataType::Decimal128(38, 0)), Some((38, 0)));
        assert_eq!(parts("a:decimal(12,2), b:int\nc:text"), ["a:decimal(12,2)", " b:int", "c:text"]);
    }

    #[test]
    fn columns_keep_every_digit() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("12.30"), Some("0.001"), None]));
        let decimals = convert(&texts, 12, 2).unwrap();
        assert_eq!(decimals.data_type(), &DataType::Decimal128(12, 2));
        assert_eq!((decimals.null_count(), decimals.as_primitive::<arrow_array::types::Decimal128Type>().value(0)), (2, 1230));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 1e300, 2.675]));
        let decimals = convert(&floats, 12, 3).unwrap();
        assert_eq!(decimals.null_count(), 1);
        assert_eq!(to_floats(&decimals).unwrap().as_primitive::<arrow_array::types::Float64Type>().value(2), 2.675);
        assert_eq!(to_integers(&decimals).unwrap().null_count(), 3);
    }
}
