//! Quotients of whole numbers of any size, and their roots, as the nearest floats.

use num_bigint::{BigInt, BigUint, Sign};

/// `a * 2^exponent / b` as the nearest float, of two equally near the even one; infinite beyond the floats. `b` is not zero.
///
/// Subnormal results are rounded once, too.
pub fn nearest(a: &BigInt, b: &BigInt, exponent: i64) -> f64 {
    let magnitude = nearest_magnitude(a.magnitude(), b.magnitude(), exponent);
    if (a.sign() == Sign::Minus) == (b.sign() == Sign::Minus) { magnitude } else { -magnitude + 0.0 }
}

/// The square root of `a / b` as the nearest float. Neither is negative, and `b` is not zero.
pub fn nearest_root(a: &BigInt, b: &BigInt) -> f64 {
    let (a, b) = (a.magnitude(), b.magnitude());
    if *a == BigUint::ZERO {
        return 0.0;
    }
    // The quotient's root times 2^scale has 64 bits or a few more.
    let scale = 64 + (b.bits() as i64 - a.bits() as i64).div_euclid(2);
    let (a, b) = if scale >= 0 { (a << (2 * scale), b.clone()) } else { (a.clone(), b << (-2 * scale)) };
    let root = (&a / &b).sqrt();
    let exact = &root * &root * &b == a;
    // One bit more stands for all that was left out.
    let root = (root << 1u32) + u32::from(!exact);
    nearest_magnitude(&root, &BigUint::from(1u32), -scale - 1)
}

fn nearest_magnitude(a: &BigUint, b: &BigUint, exponent: i64) -> f64 {
    if *a == BigUint::ZERO {
        return 0.0;
    }
    // The quotient lies between 2^(top - 1) and 2^(top + 1).
    let top = a.bits() as i64 - b.bits() as i64 + exponent;
    if top > 1_100 {
        return f64::INFINITY;
    }
    if top < -1_100 {
        return 0.0;
    }
    // In a unit that leaves at least two bits below the last one that a float keeps.
    let unit = top.max(-1_022) - 56;
    let shift = exponent - unit;
    let (scaled, divisor) = if shift >= 0 { (a << shift, b.clone()) } else { (a.clone(), b << -shift) };
    let quotient = &scaled / &divisor;
    let exact = &quotient * &divisor == scaled;
    let quotient = u64::try_from(quotient).expect("57 bits and fewer");
    let bits = 64 - i64::from(quotient.leading_zeros());
    let kept_unit = (unit + bits - 53).max(-1_074);
    let dropped = (kept_unit - unit) as u32;
    let (kept, rest) = (quotient >> dropped, quotient & ((1 << dropped) - 1));
    let half = 1u64 << (dropped - 1);
    let up = rest > half || (rest == half && (!exact || kept & 1 == 1));
    scaled_by(kept + u64::from(up), kept_unit)
}

/// `value * 2^exponent`, which is a float or beyond them all.
fn scaled_by(value: u64, exponent: i64) -> f64 {
    let power = |e: i64| 2f64.powi(e as i32);
    let half = exponent / 2;
    value as f64 * power(half) * power(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_of_floats_are_what_the_processor_divides() {
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 11
        };
        for _ in 0..20_000 {
            let (a, b) = (next() as i64 - (1 << 52), next() as i64 + 1);
            let (x, y) = (BigInt::from(a), BigInt::from(b));
            assert_eq!(nearest(&x, &y, 0), a as f64 / b as f64, "{a} / {b}");
            // The least numbers: a float that the processor divides once more, by a power of two, would be rounded twice.
            let power = -1_074 - (next() % 40) as i64;
            let expected = ((a as f64) * 2f64.powi(-1_000)) * 2f64.powi((power + 1_000) as i32);
            assert_eq!(nearest(&x, &BigInt::from(1), power), expected, "{a} * 2^{power}");
            assert_eq!(nearest_root(&y, &BigInt::from(1)), (b as f64).sqrt(), "root of {b}");
            let squared = &y * &y;
            assert_eq!(nearest_root(&squared, &BigInt::from(9)), b as f64 / 3.0, "{b} / 3");
        }
        let one = BigInt::from(1);
        assert_eq!(nearest(&one, &one, 1_024), f64::INFINITY);
        assert_eq!(nearest(&BigInt::from(-3), &BigInt::from(2), -1_074), -2.0 * f64::from_bits(1));
        assert_eq!(nearest(&one, &one, -1_075), 0.0);
        assert_eq!(nearest(&BigInt::from(3), &one, -1_076), f64::from_bits(1));
    }
}
