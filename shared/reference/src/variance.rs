//! VAR_POP and VAR_SAMP, by the definition, in whole numbers of any size.

use num_bigint::BigInt;

use twopath_query::{EvalError, Value};

/// `(n * sum(x^2) - sum(x)^2) / (n * divisor)`, rounded once; NULL for a divisor of 0.
pub(super) fn variance(values: &[Value], divisor: usize) -> Result<Value, EvalError> {
    if divisor == 0 {
        return Ok(Value::Null);
    }
    // In units of 2^-1074, of which every float is a whole number.
    let mut sum = BigInt::ZERO;
    let mut squares = BigInt::ZERO;
    for value in values {
        let scaled = match value {
            Value::Int(i) => BigInt::from(*i) << 1074u32,
            Value::Float(f) if f.is_finite() => scaled(*f),
            Value::Float(_) => return Ok(Value::Float(f64::NAN)),
            other => unreachable!("typing lets no {other:?} into a variance"),
        };
        squares += &scaled * &scaled;
        sum += scaled;
    }
    let count = BigInt::from(values.len());
    let numerator = &count * squares - &sum * &sum;
    let result = ratio(&numerator, &(count * BigInt::from(divisor)), -2148);
    if result.is_infinite() { Err(EvalError::OutOfRange) } else { Ok(Value::Float(result)) }
}

pub(super) fn scaled(f: f64) -> BigInt {
    let bits = f.to_bits();
    let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & 0xf_ffff_ffff_ffff);
    let magnitude = if exponent == 0 { BigInt::from(fraction) } else { BigInt::from(fraction + (1 << 52)) << (exponent - 1) };
    if f < 0.0 { -magnitude } else { magnitude }
}

/// `a * 2^exponent / b` as the nearest float, of `a` that is not negative.
fn ratio(a: &BigInt, b: &BigInt, exponent: i64) -> f64 {
    if *a == BigInt::ZERO {
        return 0.0;
    }
    // So that the quotient has 100 bits or a few less.
    let shift = 100 + b.bits() as i64 - a.bits() as i64;
    let widened = if shift >= 0 { a.clone() << shift as u64 } else { a.clone() };
    let divisor = if shift < 0 { b.clone() << (-shift) as u64 } else { b.clone() };
    let whole = &widened / &divisor;
    let exact = &whole * &divisor == widened;
    let whole = u128::try_from(&whole).expect("about 100 bits") | u128::from(!exact);
    let mut value = whole as f64;
    let mut exponent = exponent - shift;
    while exponent >= 512 && value.is_finite() {
        value *= 2f64.powi(512);
        exponent -= 512;
    }
    while exponent <= -512 && value != 0.0 {
        value /= 2f64.powi(512);
        exponent += 512;
    }
    if value == 0.0 || value.is_infinite() { value } else { value * 2f64.powi(exponent as i32) }
}
