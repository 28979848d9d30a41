//! CORR, COVAR_* and REGR_*, by the definition: the distances of every value from its mean, in whole numbers of any size.

use num_bigint::BigInt;

use super::variance::scaled;
use twopath_query::{EvalError, Regression, Value};

pub(super) fn regression(pairs: &[(f64, f64)], function: Regression) -> Result<Value, EvalError> {
    if pairs.is_empty() {
        return Ok(Value::Null);
    }
    let (ys, xs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (y, x) = (Distances::of(&ys), Distances::of(&xs));
    let n = BigInt::from(pairs.len());
    let constant = |d: Option<&Distances>| d.is_some_and(|d| d.of_mean.iter().all(|d| *d == BigInt::ZERO));
    let undefined = match function {
        Regression::CovarSamp => pairs.len() < 2,
        Regression::Corr => constant(x.as_ref()) || constant(y.as_ref()),
        Regression::Slope | Regression::Intercept | Regression::R2 => constant(x.as_ref()),
        _ => false,
    };
    if undefined {
        return Ok(Value::Null);
    }
    // A product of two distances is in units of 2^-2148, and n * n times too large.
    let products = |a: &Distances, b: &Distances| a.of_mean.iter().zip(&b.of_mean).map(|(a, b)| a * b).sum::<BigInt>();
    let (nn, unit) = (&n * &n, -2148);
    let value = match (function, &y, &x) {
        (Regression::Sxx, _, Some(x)) => nearest(&products(x, x), &nn, unit),
        (Regression::Syy, Some(y), _) => nearest(&products(y, y), &nn, unit),
        (function, Some(y), Some(x)) => {
            let (sxx, syy, sxy) = (products(x, x), products(y, y), products(x, y));
            match function {
                Regression::Sxy => nearest(&sxy, &nn, unit),
                Regression::CovarPop => nearest(&sxy, &(nn * n), unit),
                Regression::CovarSamp => nearest(&sxy, &(nn * (n - 1)), unit),
                Regression::Slope => nearest(&sxy, &sxx, 0),
                Regression::Intercept => nearest(&(&y.sum * &sxx - &x.sum * &sxy), &(n * &sxx), -1074),
                Regression::R2 if constant(Some(y)) => 1.0,
                Regression::R2 => nearest(&(&sxy * &sxy), &(sxx * syy), 0),
                Regression::Corr => {
                    let root = nearest_root(&(&sxy * &sxy), &(sxx * syy));
                    if sxy < BigInt::ZERO { -root } else { root }
                }
                Regression::Sxx | Regression::Syy => unreachable!("both are above"),
            }
        }
        _ => return Ok(Value::Float(f64::NAN)),
    };
    if value.is_infinite() { Err(EvalError::OutOfRange) } else { Ok(Value::Float(value + 0.0)) }
}

/// Values in units of 2^-1074: their sum, and n times the distance of each from their mean.
struct Distances {
    sum: BigInt,
    of_mean: Vec<BigInt>,
}

impl Distances {
    /// `None` where one is NaN or infinite.
    fn of(values: &[f64]) -> Option<Self> {
        let whole: Vec<BigInt> = values.iter().map(|v| v.is_finite().then(|| scaled(*v))).collect::<Option<_>>()?;
        let sum: BigInt = whole.iter().sum();
        let of_mean = whole.iter().map(|v| v * values.len() - &sum).collect();
        Some(Distances { sum, of_mean })
    }
}

/// `a * 2^exponent / b` as the nearest float, found by halving the floats; of two that are equally near the even one.
fn nearest(a: &BigInt, b: &BigInt, exponent: i64) -> f64 {
    let negative = (*a < BigInt::ZERO) != (*b < BigInt::ZERO);
    let (a, b) = (BigInt::from(a.magnitude().clone()), BigInt::from(b.magnitude().clone()));
    // The quotient against m * 2^-1075.
    let shift = exponent + 1075;
    let (left, right) = if shift >= 0 { (a << shift, b) } else { (a, b << -shift) };
    let magnitude = search(|m| left.cmp(&(m * &right)));
    if negative { -magnitude } else { magnitude }
}

/// The root of `a / b`, neither of which is negative.
fn nearest_root(a: &BigInt, b: &BigInt) -> f64 {
    let left = a << 2150u32;
    search(|m| left.cmp(&(m * m * b)))
}

/// The float nearest to a number that `against` compares with `m * 2^-1075`. Halves of the least float are such whole `m`, so that the middle between
/// any two neighbours is one.
fn search(against: impl Fn(&BigInt) -> std::cmp::Ordering) -> f64 {
    let double = |bits: u64| scaled(f64::from_bits(bits)) << 1u32;
    // The greatest float that is not above it, by its bits, which are ordered as the floats are.
    let (mut low, mut high) = (0u64, f64::INFINITY.to_bits());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if against(&double(middle)).is_lt() { high = middle } else { low = middle }
    }
    // Beyond the last float stands what would be the next one.
    let next = if high == f64::INFINITY.to_bits() { BigInt::from(1) << (1024 + 1075) } else { double(high) };
    let middle: BigInt = (double(low) + next) >> 1u32;
    let bits = match against(&middle) {
        std::cmp::Ordering::Less => low,
        std::cmp::Ordering::Greater => high,
        std::cmp::Ordering::Equal => low + low % 2,
    };
    f64::from_bits(bits)
}
