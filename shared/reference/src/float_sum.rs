//! Exact sums of floats in the plainest way: a float is a whole number times a power of two, and whole numbers of one power add up.

use std::collections::BTreeMap;

use num_bigint::{BigInt, BigUint, Sign};

/// A sum of floats, exact.
#[derive(Debug, Clone, Default)]
pub(super) struct FloatSum {
    /// The sum of the whole numbers, by their power of two.
    by_power: BTreeMap<i32, i128>,
    /// Infinities and NaN.
    positive_infinity: bool,
    negative_infinity: bool,
    nan: bool,
}

impl FloatSum {
    pub fn push(&mut self, value: f64) {
        if value.is_nan() {
            self.nan = true;
        } else if value == f64::INFINITY {
            self.positive_infinity = true;
        } else if value == f64::NEG_INFINITY {
            self.negative_infinity = true;
        } else {
            let (whole, power) = whole_number(value);
            *self.by_power.entry(power).or_default() += whole;
        }
    }

    /// The float nearest to the sum divided by `count`.
    pub fn divided_by(&self, count: i64) -> f64 {
        match (self.nan, self.positive_infinity, self.negative_infinity) {
            (true, ..) | (_, true, true) => f64::NAN,
            (_, true, _) => f64::INFINITY,
            (_, _, true) => f64::NEG_INFINITY,
            _ => {
                let least = self.by_power.keys().next().copied().unwrap_or(0);
                let whole = self.by_power.iter().map(|(power, sum)| BigInt::from(*sum) << (power - least) as usize).sum();
                quotient(&whole, least, count)
            }
        }
    }
}

/// A finite float as a whole number of 53 bits and the power of two that it is to be multiplied by.
fn whole_number(value: f64) -> (i128, i32) {
    let bits = value.to_bits();
    let fraction = i128::from(bits & 0x000f_ffff_ffff_ffff);
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let (whole, power) = if exponent == 0 { (fraction, -1074) } else { (fraction + (1 << 52), exponent - 1075) };
    (if value < 0.0 { -whole } else { whole }, power)
}

/// The float nearest to `whole` times 2^`power` divided by `count` (positive): written out in decimal digits and read by the standard library, which
/// rounds correctly.
pub(super) fn quotient(whole: &BigInt, power: i32, count: i64) -> f64 {
    // Where both are floats, IEEE division gives the nearest.
    const EXACT: i64 = 1 << 53;
    if let Ok(whole) = i64::try_from(whole)
        && whole.unsigned_abs() <= EXACT.unsigned_abs()
        && count <= EXACT
        && (-1_000..=900).contains(&power)
    {
        return whole as f64 * 2f64.powi(power) / count as f64;
    }
    let mut dividend = whole.magnitude().clone();
    let mut divisor = BigUint::from(count.unsigned_abs());
    if power >= 0 {
        dividend <<= power as usize;
    } else {
        divisor <<= -power as usize;
    }
    // The quotient is 0 or at least 2^(power - 63), so that a number half-way between two floats beside it is a multiple of 2^(power - 117),
    // or, being as small as floats can be, of 2^-1075: a number of this many digits after the point. What comes after those digits only
    // says that the quotient is more, for which any further digit will do.
    let digits = (117 - power).clamp(0, 1075) as u32;
    dividend *= BigUint::from(10u32).pow(digits);
    let (written, rest) = (&dividend / &divisor, &dividend % &divisor);
    let more = if rest == BigUint::ZERO { "0" } else { "1" };
    let sign = if whole.sign() == Sign::Minus { "-" } else { "" };
    format!("{sign}{written}{more}e-{}", digits + 1).parse().expect("digits and an exponent are a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = FloatSum::default();
        values.iter().for_each(|&v| sum.push(v));
        sum.divided_by(1)
    }

    /// Expected values by the decimal digits of the exact sums.
    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308]), 0.0);
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[1e16, 1.0, 1.0, -1e16]), 2.0);
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(1)]).to_bits(), 2);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[0.1, 0.2, -0.3]), 2.7755575615628914e-17);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[f64::NEG_INFINITY, f64::MAX, f64::MAX]), f64::NEG_INFINITY);
    }

    #[test]
    fn quotients_are_rounded_once() {
        let third = |power| quotient(&BigInt::from(1), power, 3);
        assert_eq!(third(0), 1.0 / 3.0);
        assert_eq!(third(-1074), 0.0);
        assert_eq!(third(1023), 2f64.powi(1023) / 3.0);
        assert_eq!(quotient(&BigInt::from(-3), -1074, 2).to_bits(), (-f64::from_bits(2)).to_bits());
        assert_eq!(quotient(&(BigInt::from(3) << 1023usize), 0, 3), 2f64.powi(1023));
    }
}
