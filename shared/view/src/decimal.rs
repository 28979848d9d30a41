//! Decimals by column: 128-bit integers with a scale, 256 bits where a result may need them on the way.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray};
use arrow_buffer::i256;

use super::canonical::arrow_type;
use twopath_query::{BinaryOp, DIGITS_MAX, DataType, Decimal, EvalError};

/// An operator over unscaled values.
pub type Kernel = Box<dyn Fn(i128, i128) -> Result<i128, EvalError>>;

/// What computes `op` where one of two numbers is a Decimal; the types are those that [`BinaryOp`] tells of.
pub fn kernel(op: BinaryOp, left: DataType, right: DataType, result: DataType) -> Kernel {
    let scale = |t: DataType| i32::from(t.decimal_scale().expect("the parser made both decimals"));
    let power = scale(result) + scale(right) - scale(left);
    Box::new(move |a, b| match op {
        BinaryOp::Add => in_digits(a.checked_add(b), DIGITS_MAX),
        BinaryOp::Subtract => in_digits(a.checked_sub(b), DIGITS_MAX),
        BinaryOp::Multiply => in_digits(a.checked_mul(b), DIGITS_MAX),
        BinaryOp::Divide | BinaryOp::Modulo if b == 0 => Err(EvalError::DivisionByZero),
        BinaryOp::Modulo => Ok(a.wrapping_rem(b)),
        BinaryOp::Divide => quotient(i256::from_i128(a), power as u32, i256::from_i128(b)),
        _ => unreachable!("{op:?} is no arithmetic"),
    })
}

/// `dividend` times 10^`power` divided by `divisor` (not 0), rounded half away from zero.
pub fn quotient(dividend: i256, power: u32, divisor: i256) -> Result<i128, EvalError> {
    // What does not fit 256 bits is not brought below 38 digits by a divisor of 38.
    let dividend = i256::from_i128(10).checked_pow(power).and_then(|p| dividend.checked_mul(p)).ok_or(EvalError::OutOfRange)?;
    let (quotient, rest) = (dividend.wrapping_div(divisor), dividend.wrapping_rem(divisor));
    let twice = rest.wrapping_abs().wrapping_add(rest.wrapping_abs());
    let away = i256::from_i128(if twice < divisor.wrapping_abs() {
        0
    } else if (dividend < i256::ZERO) == (divisor < i256::ZERO) {
        1
    } else {
        -1
    });
    in_digits(quotient.wrapping_add(away).to_i128(), DIGITS_MAX)
}

/// The value where it exists and has no more digits than these.
pub fn in_digits(value: Option<i128>, digits: u8) -> Result<i128, EvalError> {
    value.filter(|v| v.unsigned_abs() < 10u128.pow(digits.into())).ok_or(EvalError::OutOfRange)
}

/// Compares decimals of any two scales: each a column or one value for all rows, with its type.
pub fn compare(op: BinaryOp, left: (&ArrayRef, bool, DataType), right: (&ArrayRef, bool, DataType)) -> ArrayRef {
    let scale = |t: DataType| t.decimal_scale().expect("only decimals of two types are compared");
    let common = scale(left.2).max(scale(right.2));
    // 38 digits with 38 more fit 256 bits.
    let unit = |t: DataType| i256::from_i128(10).wrapping_pow(u32::from(common - scale(t)));
    let side = |(array, scalar, t): (&ArrayRef, bool, DataType)| {
        let (values, unit) = (array.as_primitive::<Decimal128Type>().clone(), unit(t));
        move |row: usize| {
            let row = if scalar { 0 } else { row };
            values.is_valid(row).then(|| i256::from_i128(values.value(row)).wrapping_mul(unit))
        }
    };
    let rows = if left.1 { right.0.len() } else { left.0.len() };
    let (left, right) = (side(left), side(right));
    let compared = |row| {
        let order = left(row)?.cmp(&right(row)?);
        Some(match op {
            BinaryOp::Equal => order.is_eq(),
            BinaryOp::NotEqual => order.is_ne(),
            BinaryOp::Less => order.is_lt(),
            BinaryOp::LessOrEqual => order.is_le(),
            BinaryOp::Greater => order.is_gt(),
            BinaryOp::GreaterOrEqual => order.is_ge(),
            _ => unreachable!("{op:?} is no comparison"),
        })
    };
    Arc::new((0..rows).map(compared).collect::<BooleanArray>())
}

/// CAST from or to a decimal type; the pairs are those of [`twopath_query::ExprKind::Cast`].
pub fn cast(array: &ArrayRef, from: DataType, to: DataType) -> Result<ArrayRef, EvalError> {
    if let Some(to_scale) = to.decimal_scale() {
        let digits = if let DataType::Decimal { precision, .. } = to { precision } else { DIGITS_MAX };
        let rescaled = |v: i128, scale: u8| rescale(v, scale, to_scale, digits);
        let values = match (from, from.decimal_scale()) {
            (_, Some(scale)) => array.as_primitive::<Decimal128Type>().try_unary::<_, Decimal128Type, _>(|v| rescaled(v, scale))?,
            (DataType::Int, _) => array.as_primitive::<Int64Type>().try_unary::<_, Decimal128Type, _>(|v| rescaled(v.into(), 0))?,
            (DataType::Float, _) => array.as_primitive::<Float64Type>().try_unary::<_, Decimal128Type, _>(|v| {
                // The shortest digits that mean the float.
                if v.is_finite() { read(&format!("{v:e}"), to, to_scale, digits) } else { Err(EvalError::OutOfRange) }
            })?,
            (DataType::Text, _) => {
                let texts = array.as_string::<i32>();
                let values = texts.iter().map(|text| text.map_or(Ok(0), |text| read(text, to, to_scale, digits)));
                Decimal128Array::new(values.collect::<Result<Vec<_>, _>>()?.into(), texts.nulls().cloned())
            }
            _ => panic!("the parser refuses a cast from {from:?} to {to:?}"),
        };
        return Ok(Arc::new(values.with_data_type(arrow_type(to))));
    }
    let scale = from.decimal_scale().expect("one of the two is a decimal");
    let values = array.as_primitive::<Decimal128Type>();
    Ok(match to {
        DataType::Int => {
            let whole = |v| i64::try_from(rescale(v, scale, 0, DIGITS_MAX)?).map_err(|_| EvalError::OutOfRange);
            let whole: Int64Array = values.try_unary::<_, Int64Type, _>(whole)?;
            Arc::new(whole)
        }
        DataType::Float => Arc::new(values.unary::<_, Float64Type>(|v| nearest_float(v, scale))),
        DataType::Text => {
            let text = |v: i128| Decimal { unscaled: v, scale }.to_string();
            Arc::new(values.iter().map(|v| v.map(text)).collect::<StringArray>())
        }
        _ => panic!("the parser refuses a cast from {from:?} to {to:?}"),
    })
}

/// From one scale to another, rounded half away from zero.
fn rescale(value: i128, from: u8, to: u8, digits: u8) -> Result<i128, EvalError> {
    let rescaled = if to >= from {
        value.checked_mul(10i128.pow((to - from).into()))
    } else {
        let unit = 10i128.pow((from - to).into());
        let (quotient, rest) = (value / unit, value % unit);
        Some(if rest.abs() >= unit / 2 { quotient + value.signum() } else { quotient })
    };
    in_digits(rescaled, digits)
}

/// The float nearest to a decimal.
pub fn nearest_float(value: i128, scale: u8) -> f64 {
    // Both are floats, so that IEEE division rounds once.
    if value.unsigned_abs() <= 1 << 53 && scale <= 22 {
        return value as f64 / 10f64.powi(scale.into());
    }
    Decimal { unscaled: value, scale }.to_string().parse().expect("digits with a point are a float")
}

/// Reads a text as a decimal, rounded half away from zero.
fn read(text: &str, to: DataType, scale: u8, digits: u8) -> Result<i128, EvalError> {
    let invalid = || EvalError::InvalidText { text: text.to_owned(), to };
    let trimmed = text.trim_ascii();
    let (number, exponent) = match trimmed.split_once(['e', 'E']) {
        None => (trimmed, 0),
        Some((number, exponent)) => {
            let signless = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if signless.is_empty() || !signless.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid());
            }
            // Beyond this it is 0 or out of range, as far as the digits are concerned that a text can have.
            (
                number,
                exponent
                    .parse::<i64>()
                    .unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX })
                    .clamp(i32::MIN.into(), i32::MAX.into()),
            )
        }
    };
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(invalid());
    }
    // So many of its digits stand before the last place that is kept.
    let kept = whole.len() as i64 + exponent + i64::from(scale);
    let mut all = whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    let mut value: i128 = 0;
    for _ in 0..kept {
        match all.next() {
            Some(digit) => value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(EvalError::OutOfRange)?,
            None if value == 0 => break,
            None => value = value.checked_mul(10).ok_or(EvalError::OutOfRange)?,
        }
    }
    if kept >= 0 && all.next().is_some_and(|next| next >= 5) {
        value += 1;
    }
    in_digits(Some(if number.starts_with('-') { -value } else { value }), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by PostgreSQL 15's numeric, rounded to the scale.
    #[test]
    fn texts_are_rounded_half_away_from_zero() {
        let t = DataType::decimal(10, 2);
        for (text, value) in [
            ("1.005", 101),
            ("-1.005", -101),
            ("1.0049999", 100),
            ("  12 ", 1_200),
            ("1e3", 100_000),
            ("5e-3", 1),
            ("4.9e-3", 0),
            ("9e-9", 0),
            ("0.5e1", 500),
            ("1e-99999999999999999999", 0),
            ("0e99999999999999999999", 0),
            ("00000000000000000000000000000000000000000000001", 100),
        ] {
            assert_eq!(read(text, t, 2, 10), Ok(value), "{text}");
        }
        for text in ["1e9", "99999999.995", "1e400"] {
            assert_eq!(read(text, t, 2, 10), Err(EvalError::OutOfRange), "{text}");
        }
        for text in ["", "x", ".", "1e", "1e+", "--1", "NaN", "Infinity", "1 2"] {
            assert_eq!(read(text, t, 2, 10), Err(EvalError::InvalidText { text: text.into(), to: t }), "{text}");
        }
    }

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        let divided = |a: i128, power, b: i128| quotient(i256::from_i128(a), power, i256::from_i128(b));
        assert_eq!(divided(2, 16, 3), Ok(6_666_666_666_666_667));
        assert_eq!(divided(-2, 16, 3), Ok(-6_666_666_666_666_667));
        assert_eq!(divided(1, 0, 2), Ok(1));
        assert_eq!(divided(-1, 0, 2), Ok(-1));
        assert_eq!(divided(1, 0, -2), Ok(-1));
        assert_eq!(divided(1, 0, 3), Ok(0));
        assert_eq!(divided(10i128.pow(37), 76, 1), Err(EvalError::OutOfRange));
        assert_eq!(nearest_float(123_456_789_012_345_678, 3), 123_456_789_012_345.67);
        assert_eq!(nearest_float(-30, 2), -0.3);
        assert_eq!(rescale(15, 1, 0, 38), Ok(2));
        assert_eq!(rescale(-15, 1, 0, 38), Ok(-2));
        assert_eq!(rescale(14, 1, 0, 38), Ok(1));
    }
}
