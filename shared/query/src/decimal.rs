//! Exact decimal numbers: their value and their text.
//!
//! The rules are the SQL standard's with PostgreSQL's rounding: sums and differences have the larger scale, products the sum of the scales,
//! quotients (and AVG) [`QUOTIENT_SCALE`] digits after the point, or more where an operand has more; what has too many digits is rounded
//! half away from zero; more than 38 digits are an error. PostgreSQL's own numbers have no limit of digits, and choose a quotient's scale
//! by its value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most digits that a decimal has, as Arrow's Decimal128.
pub const DIGITS_MAX: u8 = 38;
/// How many digits a quotient or a mean has after the point, at least.
pub const QUOTIENT_SCALE: u8 = 16;

/// The number `unscaled` / 10^`scale`. Two of one scale are equal where they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decimal {
    pub unscaled: i128,
    /// Digits after the point, at most 38.
    pub scale: u8,
}

impl Decimal {
    /// Reads digits with a sign, a point and an exponent, each of which may be missing: `12.30` has the scale 2, `1.5e3` the scale 0.
    /// `None` where the text is no number, or needs more than 38 digits.
    ///
    /// ```
    /// use twopath_query::Decimal;
    /// assert_eq!(Decimal::parse("-12.30"), Some(Decimal { unscaled: -1230, scale: 2 }));
    /// assert_eq!(Decimal::parse("1.5e3"), Some(Decimal { unscaled: 1500, scale: 0 }));
    /// assert_eq!(Decimal::parse("1.2.3"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| e.abs() < 1_000)?),
        };
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut unscaled: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let mut scale = i32::try_from(fraction.len()).ok()? - exponent;
        if scale < 0 {
            unscaled = if unscaled == 0 { 0 } else { unscaled.checked_mul(10i128.checked_pow(scale.unsigned_abs())?)? };
            scale = 0;
        }
        let scale = u8::try_from(scale).ok().filter(|s| *s <= DIGITS_MAX)?;
        let unscaled = if number.starts_with('-') { -unscaled } else { unscaled };
        (unscaled.unsigned_abs() < 10u128.pow(38)).then_some(Decimal { unscaled, scale })
    }

    /// How many digits a type must have to hold it, at least 1 and its scale.
    pub fn precision(self) -> u8 {
        let digits = self.unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
        digits.max(self.scale)
    }
}

/// All digits: `-0.05`, `12.30`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        // One piece, so that a column's width applies to it.
        f.pad(&format!("{sign}{whole}{point}{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_written() {
        for text in ["0", "-1", "0.00", "-0.05", "12.30", "0.00000000000000000000000000000000000001"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        let most = "9".repeat(38);
        assert_eq!(Decimal::parse(&most).unwrap().to_string(), most);
        for (text, written) in [("+.5", "0.5"), ("5.", "5"), ("1.25E1", "12.5"), ("0e99", "0"), ("1e-3", "0.001"), ("007", "7")] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), written, "{text}");
        }
        let many = "1".repeat(39);
        for not in ["", ".", "-", "1x", "1e", "e5", "1_000", "1,5", " 1", "nan", "inf", "1e39", "1e-39", &many] {
            assert_eq!(Decimal::parse(not), None, "{not}");
        }
        assert_eq!(format!("[{:>8}]", Decimal { unscaled: -150, scale: 2 }), "[   -1.50]");
    }

    #[test]
    fn digits_are_at_least_one_and_the_scale() {
        assert_eq!(Decimal { unscaled: 5, scale: 3 }.precision(), 3);
        assert_eq!(Decimal { unscaled: 0, scale: 0 }.precision(), 1);
    }
}
