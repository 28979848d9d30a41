//! Decimals: a whole number of 128 bits and a scale, computed with in whole numbers of any size.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use twopath_query::EvalError::{DivisionByZero, OutOfRange};
use twopath_query::{DIGITS_MAX, DataType, Decimal, EvalError};

use super::datum::Datum;
use super::expr::Evaluated;

/// A number that is a Decimal or a Numeric, as unscaled number and scale.
pub fn parts(value: &Datum) -> Option<(i128, u8)> {
    match value {
        Datum::Decimal { unscaled, scale } => Some((unscaled.get(), *scale)),
        Datum::Numeric(v) => Some((v.get(), 0)),
        _ => None,
    }
}

fn power(of_ten: u32) -> BigInt {
    BigInt::from(10).pow(of_ten)
}

/// A value of type `t`, a decimal, if it has no more digits than that.
fn fit(value: &BigInt, t: DataType) -> Evaluated {
    let (digits, scale) = match t {
        DataType::Decimal { precision, scale } => (precision, scale),
        _ => (DIGITS_MAX, 0),
    };
    let unscaled = i128::try_from(value).map_err(|_| OutOfRange)?;
    if unscaled.unsigned_abs() >= 10u128.pow(u32::from(digits)) {
        return Err(OutOfRange);
    }
    Ok(if t == DataType::Numeric { Datum::numeric(unscaled) } else { Datum::decimal(Decimal { unscaled, scale }) })
}

/// `a / b`, rounded half away from zero; `b` is not zero.
fn rounded(a: &BigInt, b: &BigInt) -> BigInt {
    let (a_size, b_size) = (BigInt::from(a.magnitude().clone()), BigInt::from(b.magnitude().clone()));
    let size = (a_size * 2 + &b_size) / (b_size * 2);
    if (a.sign() == Sign::Minus) == (b.sign() == Sign::Minus) { size } else { -size }
}

/// An operator where one of two numbers is a Decimal and neither is a float; the result's type says its scale.
pub fn arithmetic(op: char, a: &Datum, b: &Datum, result: DataType) -> Evaluated {
    let (Some((a, a_scale)), Some((b, b_scale))) = (parts(a), parts(b)) else { unreachable!("the parser made both decimals") };
    let (a, b) = (BigInt::from(a), BigInt::from(b));
    let zero = b == BigInt::ZERO;
    let value = match op {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        '/' | '%' if zero => return Err(DivisionByZero),
        '%' => a % b,
        '/' => {
            let scale = result.decimal_scale().unwrap_or(0);
            rounded(&(a * power(u32::from(scale) + u32::from(b_scale))), &(b * power(u32::from(a_scale))))
        }
        other => unreachable!("{other} is no arithmetic"),
    };
    // A result has up to 38 digits, whatever its type's precision says of the operands.
    fit(&value, DataType::decimal(DIGITS_MAX, result.decimal_scale().unwrap_or(0)))
}

/// Compares decimals of any two scales.
pub fn compare((a, a_scale): (i128, u8), (b, b_scale): (i128, u8)) -> Ordering {
    if a_scale == b_scale {
        return a.cmp(&b);
    }
    (BigInt::from(a) * power(b_scale.into())).cmp(&(BigInt::from(b) * power(a_scale.into())))
}

/// CAST to a decimal type, of a number or a text.
pub fn to_decimal(value: &Datum, to: DataType) -> Evaluated {
    let scale = u32::from(to.decimal_scale().unwrap_or(0));
    match value {
        Datum::Int(v) => fit(&(BigInt::from(*v) * power(scale)), to),
        Datum::Float(v) if !v.is_finite() => Err(OutOfRange),
        // The shortest digits that mean the float.
        Datum::Float(v) => read(&format!("{v:e}"), to),
        Datum::Text(text) => read(text, to),
        value => {
            let (unscaled, from) = parts(value).expect("the compiler lets numbers and texts through");
            fit(&rounded(&(BigInt::from(unscaled) * power(scale)), &power(from.into())), to)
        }
    }
}

/// CAST of a decimal to something else.
pub fn from_decimal((unscaled, scale): (i128, u8), to: DataType) -> Evaluated {
    Ok(match to {
        DataType::Int => {
            let whole = rounded(&BigInt::from(unscaled), &power(scale.into()));
            Datum::Int(i64::try_from(whole).map_err(|_| OutOfRange)?)
        }
        DataType::Float => Datum::Float(Decimal { unscaled, scale }.to_string().parse().expect("digits with a point")),
        DataType::Text => Datum::Text(Decimal { unscaled, scale }.to_string().into()),
        other => unreachable!("the compiler lets no cast of a decimal to {other:?} through"),
    })
}

/// Digits with a sign, a point and an exponent, each of which may be missing, between ASCII white space; rounded half away from zero.
fn read(text: &str, to: DataType) -> Evaluated {
    let invalid = || EvalError::InvalidText { text: text.to_owned(), to };
    let trimmed = text.trim_ascii();
    let (number, exponent) = trimmed.split_once(['e', 'E']).map_or((trimmed, None), |(number, exponent)| (number, Some(exponent)));
    let unsigned = |t: &str| t.strip_prefix(['+', '-']).unwrap_or(t).to_owned();
    let digits_only = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if exponent.is_some_and(|e| !digits_only(&unsigned(e))) {
        return Err(invalid());
    }
    let plain = unsigned(number);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let all = format!("{whole}{fraction}");
    if !digits_only(&all) {
        return Err(invalid());
    }
    let digits = BigInt::parse_bytes(all.as_bytes(), 10).ok_or_else(invalid)?;
    let digits = if number.starts_with('-') { -digits } else { digits };
    if digits == BigInt::ZERO {
        return fit(&digits, to);
    }
    // Beyond these bounds only zeros move.
    const FAR: i64 = 1 << 32;
    let exponent = exponent.map_or(0, |e| e.parse::<i64>().unwrap_or(if e.starts_with('-') { -FAR } else { FAR })).clamp(-FAR, FAR);
    let shift = exponent - fraction.len() as i64 + i64::from(to.decimal_scale().unwrap_or(0));
    let written = all.len() as i64;
    match shift {
        0.. if shift > 80 => Err(OutOfRange),
        0.. => fit(&(digits * power(shift as u32)), to),
        _ if -shift > written + 1 => fit(&BigInt::ZERO, to),
        _ => fit(&rounded(&digits, &power(-shift as u32)), to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_away_from_zero() {
        let t = DataType::decimal(10, 2);
        let cents = |unscaled| Ok(Datum::decimal(Decimal { unscaled, scale: 2 }));
        let texts = [("1.005", 101), ("-1.005", -101), ("1.0049999", 100), (" 12 ", 1_200), ("1e3", 100_000), ("5e-3", 1), ("4.9e-3", 0)];
        for (text, unscaled) in texts {
            assert_eq!(read(text, t), cents(unscaled), "{text}");
        }
        assert_eq!(read("1e-99999999999999999999", t), cents(0));
        assert_eq!(read("99999999.995", t), Err(OutOfRange));
        assert_eq!(read("1e9999999999999", t), Err(OutOfRange));
        for text in ["", ".", "1e", "--1", "NaN", "1 2"] {
            assert!(matches!(read(text, t), Err(EvalError::InvalidText { .. })), "{text}");
        }
        let of = |unscaled, scale| Datum::decimal(Decimal { unscaled, scale });
        let quotient = arithmetic('/', &of(200, 2), &of(3, 0), DataType::decimal(38, 16));
        assert_eq!(quotient, Ok(of(6_666_666_666_666_667, 16)));
        assert_eq!(arithmetic('-', &of(-10i128.pow(38) + 1, 0), &of(1, 0), DataType::decimal(38, 1)), Err(OutOfRange));
        assert_eq!(from_decimal((-15, 1), DataType::Int), Ok(Datum::Int(-2)));
        assert_eq!(compare((10, 1), (1, 0)), Ordering::Equal);
    }
}
