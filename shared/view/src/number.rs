//! Functions of numbers, with PostgreSQL's errors.

use twopath_query::EvalError;

fn invalid(what: &str) -> EvalError {
    EvalError::InvalidArgument { what: what.to_owned() }
}

fn in_range(value: f64, finite_before: bool) -> Result<f64, EvalError> {
    if value.is_infinite() && finite_before { Err(EvalError::OutOfRange) } else { Ok(value) }
}

pub fn sqrt(v: f64) -> Result<f64, EvalError> {
    if v < 0.0 { Err(invalid("the square root of a negative number")) } else { Ok(v.sqrt()) }
}

pub fn logarithm(v: f64, of: impl Fn(f64) -> f64) -> Result<f64, EvalError> {
    if v <= 0.0 { Err(invalid("the logarithm of a number that is not positive")) } else { Ok(of(v)) }
}

pub fn exp(v: f64) -> Result<f64, EvalError> {
    in_range(v.exp(), v.is_finite())
}

pub fn power(x: f64, y: f64) -> Result<f64, EvalError> {
    if x == 0.0 && y < 0.0 {
        return Err(invalid("zero to a negative power"));
    }
    if x < 0.0 && y.is_finite() && y.fract() != 0.0 {
        return Err(invalid("a negative number to a power that is not whole"));
    }
    in_range(x.powf(y), x.is_finite() && y.is_finite())
}

pub fn sign(v: f64) -> f64 {
    f64::from(i8::from(v > 0.0) - i8::from(v < 0.0))
}

/// Half away from zero, of the digits that print the float.
pub fn round_digits(v: f64, digits: i64) -> Result<f64, EvalError> {
    if !v.is_finite() || digits > 300 {
        return Ok(v);
    }
    if digits < -310 {
        return Ok(0.0);
    }
    // d.ddd as a list of digits, with the power of ten of the first.
    let text = format!("{:e}", v.abs());
    let (mantissa, exponent) = text.split_once('e').expect("this form has an exponent");
    let exponent: i64 = exponent.parse().expect("a whole number");
    let mut all: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    let kept = exponent + 1 + digits;
    if kept >= all.len() as i64 {
        return Ok(v + 0.0);
    }
    let Ok(kept) = usize::try_from(kept) else { return Ok(0.0) };
    let up = all[kept] >= 5;
    all.truncate(kept);
    all.insert(0, 0);
    if up {
        // The zero in front takes the last carry.
        let last = all.iter().rposition(|d| *d < 9).expect("a zero in front");
        all[last] += 1;
        all[last + 1..].fill(0);
    }
    let whole: String = all.iter().map(|d| char::from(b'0' + d)).collect();
    let magnitude: f64 = format!("{whole}e{}", -digits).parse().expect("digits and an exponent");
    in_range(if magnitude == 0.0 { 0.0 } else { magnitude.copysign(v) }, true)
}
