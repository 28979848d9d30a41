//! Operators over two values that are not NULL.

use std::cmp::Ordering;

use twopath_query::EvalError::{DivisionByZero, OutOfRange};

use super::datum::Datum::{self, Bool, Decimal, Float, Int, Interval, Numeric, Timestamp};
use super::expr::Evaluated;

/// Numeric has at most 38 digits.
const NUMERIC_LIMIT: u128 = 10_u128.pow(38);

pub fn negate(value: Datum) -> Evaluated {
    match value {
        Int(v) => v.checked_neg().map(Int).ok_or(OutOfRange),
        Float(v) => Ok(Float(-v)),
        Numeric(v) => Ok(Datum::numeric(-v.get())),
        Decimal { unscaled, scale } => Ok(Decimal { unscaled: (-unscaled.get()).into(), scale }),
        other => unreachable!("typing lets no negation of {other:?} through"),
    }
}

pub fn add(a: Datum, b: Datum) -> Evaluated {
    match (a, b) {
        (Int(a), Int(b)) => a.checked_add(b).map(Int).ok_or(OutOfRange),
        (Float(a), Float(b)) => float(a, b, a + b),
        (Numeric(a), Numeric(b)) => numeric(a.get().checked_add(b.get())),
        (Timestamp(a), Interval(b)) => a.checked_add(b).map(Timestamp).ok_or(OutOfRange),
        (Interval(a), Interval(b)) => a.checked_add(b).map(Interval).ok_or(OutOfRange),
        (a, b) => unreachable!("typing lets no {a:?} + {b:?} through"),
    }
}

pub fn subtract(a: Datum, b: Datum) -> Evaluated {
    match (a, b) {
        (Int(a), Int(b)) => a.checked_sub(b).map(Int).ok_or(OutOfRange),
        (Float(a), Float(b)) => float(a, b, a - b),
        (Numeric(a), Numeric(b)) => numeric(a.get().checked_sub(b.get())),
        (Timestamp(a), Timestamp(b)) => a.checked_sub(b).map(Interval).ok_or(OutOfRange),
        (Timestamp(a), Interval(b)) => a.checked_sub(b).map(Timestamp).ok_or(OutOfRange),
        (Interval(a), Interval(b)) => a.checked_sub(b).map(Interval).ok_or(OutOfRange),
        (a, b) => unreachable!("typing lets no {a:?} - {b:?} through"),
    }
}

pub fn multiply(a: Datum, b: Datum) -> Evaluated {
    match (a, b) {
        (Int(a), Int(b)) => a.checked_mul(b).map(Int).ok_or(OutOfRange),
        (Float(a), Float(b)) => float(a, b, a * b),
        (Numeric(a), Numeric(b)) => numeric(a.get().checked_mul(b.get())),
        (a, b) => unreachable!("typing lets no {a:?} * {b:?} through"),
    }
}

/// Integers truncate toward zero; two Numeric give a Float.
pub fn divide(a: Datum, b: Datum) -> Evaluated {
    match (a, b) {
        (_, Int(0) | Float(0.0)) => Err(DivisionByZero),
        (_, Numeric(b)) if b.get() == 0 => Err(DivisionByZero),
        (Int(a), Int(b)) => a.checked_div(b).map(Int).ok_or(OutOfRange),
        (Float(a), Float(b)) => float(a, b, a / b),
        (Numeric(a), Numeric(b)) => Ok(Float(a.get() as f64 / b.get() as f64)),
        (a, b) => unreachable!("typing lets no {a:?} / {b:?} through"),
    }
}

/// The remainder has the dividend's sign.
pub fn modulo(a: Datum, b: Datum) -> Evaluated {
    match (a, b) {
        (_, Int(0) | Float(0.0)) => Err(DivisionByZero),
        (_, Numeric(b)) if b.get() == 0 => Err(DivisionByZero),
        (Int(a), Int(b)) => Ok(Int(a.checked_rem(b).unwrap_or(0))),
        (Float(a), Float(b)) => float(a, b, a % b),
        (Numeric(a), Numeric(b)) => numeric(Some(a.get().checked_rem(b.get()).unwrap_or(0))),
        (a, b) => unreachable!("typing lets no {a:?} % {b:?} through"),
    }
}

pub fn compare(a: Datum, b: Datum, is: fn(Ordering) -> bool) -> Evaluated {
    Ok(Bool(is(a.cmp(&b))))
}

/// A result that is infinite though both operands are finite does not fit.
fn float(a: f64, b: f64, result: f64) -> Evaluated {
    let overflow = result.is_infinite() && a.is_finite() && b.is_finite();
    if overflow { Err(OutOfRange) } else { Ok(Float(result)) }
}

fn numeric(result: Option<i128>) -> Evaluated {
    result.filter(|v| v.unsigned_abs() < NUMERIC_LIMIT).map(Datum::numeric).ok_or(OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(add(Int(i64::MAX), Int(1)), Err(OutOfRange));
        assert_eq!(divide(Int(i64::MIN), Int(-1)), Err(OutOfRange));
        assert_eq!(modulo(Int(i64::MIN), Int(-1)), Ok(Int(0)));
        assert_eq!(divide(Float(f64::NAN), Float(-0.0)), Err(DivisionByZero));
        assert_eq!(multiply(Float(1e200), Float(1e200)), Err(OutOfRange));
        assert_eq!(multiply(Float(f64::INFINITY), Float(2.0)), Ok(Float(f64::INFINITY)));
        assert_eq!(add(Datum::numeric(10_i128.pow(38) - 1), Datum::numeric(1)), Err(OutOfRange));
        assert_eq!(modulo(Int(-7), Int(3)), Ok(Int(-1)));
        assert_eq!(divide(Datum::numeric(1), Datum::numeric(4)), Ok(Float(0.25)));
    }
}
