//! CAST of values that are not NULL.

use std::sync::Arc;

use twopath_query::time::{format_timestamp, parse_timestamp};
use twopath_query::{DataType, EvalError};

use super::datum::Datum;
use super::decimal;
use super::expr::Evaluated;

pub fn cast(value: Datum, to: DataType) -> Evaluated {
    Ok(match (value, to) {
        (Datum::Int(v), DataType::Float) => Datum::Float(v as f64),
        (Datum::Int(v), DataType::Numeric) => Datum::numeric(i128::from(v)),
        (Datum::Int(v), DataType::Text) => Datum::Text(v.to_string().into()),
        (Datum::Bool(v), DataType::Int) => Datum::Int(i64::from(v)),
        (Datum::Bool(v), DataType::Text) => Datum::Text(Arc::from(if v { "true" } else { "false" })),
        (Datum::Float(v), DataType::Int) => Datum::Int(whole(v)?),
        (Datum::Numeric(v), DataType::Int) => Datum::Int(i64::try_from(v.get()).map_err(|_| EvalError::OutOfRange)?),
        (Datum::Numeric(v), DataType::Float) => Datum::Float(v.get() as f64),
        (Datum::Text(v), DataType::Int) => Datum::Int(int_of(&v)?),
        (Datum::Text(v), DataType::Float) => Datum::Float(float_of(&v)?),
        (Datum::Float(v), DataType::Text) => Datum::Text(written(v).into()),
        (Datum::Text(v), DataType::Bool) => Datum::Bool(bool_of(&v)?),
        (Datum::Text(v), DataType::Timestamp) => {
            Datum::Timestamp(parse_timestamp(&v).ok_or_else(|| EvalError::InvalidText { text: v.to_string(), to })?)
        }
        (Datum::Timestamp(us), DataType::Text) => Datum::Text(format_timestamp(us).into()),
        (value, DataType::Numeric | DataType::Decimal { .. }) => decimal::to_decimal(&value, to)?,
        (Datum::Decimal { unscaled, scale }, to) => decimal::from_decimal((unscaled.get(), scale), to)?,
        (Datum::Numeric(v), to) => decimal::from_decimal((v.get(), 0), to)?,
        (value, to) => unreachable!("the compiler lets no cast of {value:?} to {to:?} through"),
    })
}

/// Rounded half to even. -2^63 is a Float and fits, 2^63 is one and does not.
fn whole(value: f64) -> Result<i64, EvalError> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let rounded = value.round_ties_even();
    if (-TWO_TO_63..TWO_TO_63).contains(&rounded) { Ok(rounded as i64) } else { Err(EvalError::OutOfRange) }
}

/// The fewest digits that mean the float, with an exponent below 1e-4 and from 1e15 on.
fn written(v: f64) -> String {
    if v.is_infinite() {
        return if v < 0.0 { "-Infinity".into() } else { "Infinity".into() };
    }
    let size = v.abs();
    if v.is_nan() || size == 0.0 || (1e-4..1e15).contains(&size) {
        return format!("{v}");
    }
    let text = format!("{v:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// The words of PostgreSQL, and what only one of them begins with.
fn bool_of(text: &str) -> Result<bool, EvalError> {
    const WORDS: [(&str, bool); 8] =
        [("true", true), ("yes", true), ("on", true), ("1", true), ("false", false), ("no", false), ("off", false), ("0", false)];
    let word = text.trim_ascii().to_ascii_lowercase();
    let mut meant = WORDS.iter().filter(|(w, _)| !word.is_empty() && w.starts_with(&word)).map(|(_, value)| *value);
    match (meant.next(), meant.next()) {
        (Some(value), None) => Ok(value),
        // A beginning of two words of one meaning does not occur: "o" is that of on and off.
        _ => Err(EvalError::InvalidText { text: text.to_owned(), to: DataType::Bool }),
    }
}

/// ASCII white space around a sign and decimal digits.
fn int_of(text: &str) -> Result<i64, EvalError> {
    let trimmed = text.trim_ascii();
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(EvalError::InvalidText { text: text.to_owned(), to: DataType::Int });
    }
    let value = digits.iter().try_fold(0i64, |value, digit| {
        let digit = i64::from(digit - b'0');
        value.checked_mul(10)?.checked_add(if negative { -digit } else { digit })
    });
    value.ok_or(EvalError::OutOfRange)
}

/// As Rust reads floats; digits that give infinity are out of range, the word for it is not.
fn float_of(text: &str) -> Result<f64, EvalError> {
    let trimmed = text.trim_ascii();
    let value: f64 = trimmed.parse().map_err(|_| EvalError::InvalidText { text: text.to_owned(), to: DataType::Float })?;
    let of_digits = trimmed.bytes().any(|b| b.is_ascii_digit());
    if value.is_infinite() && of_digits { Err(EvalError::OutOfRange) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_floats_become_integers() {
        assert_eq!(int_of(" -9223372036854775808\t"), Ok(i64::MIN));
        assert_eq!(int_of("+9223372036854775808"), Err(EvalError::OutOfRange));
        assert!(matches!(int_of("1e3"), Err(EvalError::InvalidText { .. })));
        assert!(matches!(int_of("+"), Err(EvalError::InvalidText { .. })));
        assert_eq!(whole(2.5), Ok(2));
        assert_eq!(whole(f64::NAN), Err(EvalError::OutOfRange));
        assert_eq!(whole(9.3e18), Err(EvalError::OutOfRange));
        assert_eq!(float_of(" 1e999 "), Err(EvalError::OutOfRange));
        assert_eq!(float_of("inf"), Ok(f64::INFINITY));
    }
}
