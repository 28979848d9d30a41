//! Numbers as their texts say them, so that no digit is lost unseen.

/// A decimal number as it is written: its digits, and by how many places the point stands to the right of the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    has_point: bool,
    exponent: i64,
}

/// Why a number is not taken as a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoFloat {
    NotANumber,
    /// Larger than any float.
    TooLarge,
    /// A float would be another number.
    TooManyDigits,
}

impl<'a> Decimal<'a> {
    /// `-12`, `+1.50`, `.5`, `1e-3`; none for anything else, such as `NaN` or `0x10`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, rest) = match bytes.first()? {
            b'-' => (true, &bytes[1..]),
            b'+' => (false, &bytes[1..]),
            _ => (false, bytes),
        };
        let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let (whole, rest) = rest.split_at(digits(rest));
        let (has_point, (fraction, rest)) = match rest.strip_prefix(b".") {
            Some(rest) => (true, rest.split_at(digits(rest))),
            None => (false, (&rest[..0], rest)),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', power @ ..] => {
                let (sign, power) = match power {
                    [b'-', power @ ..] => (-1, power),
                    [b'+', power @ ..] => (1, power),
                    _ => (1, power),
                };
                if power.is_empty() || digits(power) != power.len() {
                    return None;
                }
                // More than any number that matters: what it makes of digits is zero, or beyond everything.
                sign * power.iter().fold(0_i64, |n, b| (n * 10 + i64::from(b - b'0')).min(1_000_000_000))
            }
            _ => return None,
        };
        Some(Decimal { negative, whole, fraction, has_point, exponent })
    }

    /// Whether it is written without a point and without an exponent.
    pub fn is_written_as_integer(&self) -> bool {
        !self.has_point && self.exponent == 0 && !self.whole.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole.iter().chain(self.fraction).map(|b| b - b'0')
    }

    /// The digits without zeros at either end, and the power of ten of the first of them; none for zero.
    fn significant(&self) -> Option<(Vec<u8>, i64)> {
        let leading = self.digits().take_while(|d| *d == 0).count();
        let mut digits: Vec<u8> = self.digits().skip(leading).collect();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        (!digits.is_empty()).then(|| (digits, self.whole.len() as i64 - leading as i64 - 1 + self.exponent))
    }

    /// The greatest integer that is not above the number times ten to the power of `places`; none where it has more than 64 bits.
    pub fn floor_times_ten_to(&self, places: i64) -> Option<i64> {
        let Some((digits, first)) = self.significant() else { return Some(0) };
        // So many of the digits (and of zeros after them) stand before the point.
        let before = first + places + 1;
        let mut magnitude: i128 = 0;
        for i in 0..before.max(0) {
            magnitude = magnitude.checked_mul(10)? + i128::from(digits.get(i as usize).copied().unwrap_or(0));
            if magnitude > 1 << 64 {
                return None;
            }
        }
        let cut_off = digits.len() as i64 > before.max(0);
        let value = if self.negative { -magnitude - i128::from(cut_off) } else { magnitude };
        i64::try_from(value).ok()
    }

    /// The number as an integer of 64 bits, if it is one.
    pub fn integer(&self) -> Option<i64> {
        let is_whole = self.significant().is_none_or(|(digits, first)| first + 1 >= digits.len() as i64);
        is_whole.then(|| self.floor_times_ten_to(0)).flatten()
    }
}

/// The float of a number's text, if it is the same number to the last digit written: `0.1` and `0.10000000000000001` are, as
/// their floats print them, `9007199254740993` is not.
pub(super) fn exact_float(text: &str) -> Result<f64, NoFloat> {
    let Some(number) = Decimal::parse(text) else {
        return special_float(text).ok_or(NoFloat::NotANumber);
    };
    let float: f64 = text.parse().map_err(|_| NoFloat::NotANumber)?;
    if !float.is_finite() {
        return Err(NoFloat::TooLarge);
    }
    let written = number.whole.len() + number.fraction.len();
    // Fifteen digits are kept by every float that is not among the smallest.
    if written <= 15 && float.abs() > 1e-300 {
        return Ok(float);
    }
    let Some((digits, first)) = number.significant() else { return Ok(float) };
    let is_printed = |printed: &str| {
        let (mantissa, power) = printed.split_once('e').unwrap_or((printed, "0"));
        mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').eq(digits.iter().copied()) && power.parse() == Ok(first)
    };
    // Half-way between two last digits both are as near: rounding takes the even one, the shortest text that is read back may
    // have the other.
    let rounded = format!("{:.*e}", digits.len() - 1, float.abs());
    if is_printed(&rounded) || is_printed(&format!("{:e}", float.abs())) { Ok(float) } else { Err(NoFloat::TooManyDigits) }
}

/// What is no number and yet a float, as programs write it.
pub(super) fn special_float(text: &str) -> Option<f64> {
    let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
    let is_infinite = |text: &str| is(text, "inf") || is(text, "infinity");
    match text.strip_prefix('-') {
        Some(rest) if is_infinite(rest) => Some(f64::NEG_INFINITY),
        _ if is(text, "nan") => Some(f64::NAN),
        _ => is_infinite(text.strip_prefix('+').unwrap_or(text)).then_some(f64::INFINITY),
    }
}

/// Whether an integer is a float too.
pub(super) fn is_exact_as_float(integer: i64) -> bool {
    (integer as f64) as i128 == i128::from(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(text: &str, places: i64) -> Option<i64> {
        Decimal::parse(text).unwrap().floor_times_ten_to(places)
    }

    #[test]
    fn decimals_are_cut_downwards() {
        let table = [
            ("1714564800.25", 6, Some(1_714_564_800_250_000)),
            ("-0.5", 6, Some(-500_000)),
            ("-0.0000001", 6, Some(-1)),
            ("0.0000001", 6, Some(0)),
            ("1.7145648e9", 6, Some(1_714_564_800_000_000)),
            ("1.7145648E+9", 0, Some(1_714_564_800)),
            ("1999", -3, Some(1)),
            ("-1", -3, Some(-1)),
            ("-1000", -3, Some(-1)),
            ("0", 6, Some(0)),
            ("-0.000", 6, Some(0)),
            ("9223372036854775807", 0, Some(i64::MAX)),
            ("-9223372036854775808", 0, Some(i64::MIN)),
            ("9223372036854775808", 0, None),
            ("1e400000000000000000000", 0, None),
            ("1e-400000000000000000000", 0, Some(0)),
            ("-1e-400000000000000000000", 0, Some(-1)),
        ];
        for (text, places, wanted) in table {
            assert_eq!(floor(text, places), wanted, "{text} × 10^{places}");
        }
        for not in ["", "-", ".", "1.2.3", "1e", "1e+", "0x10", "NaN", "1 ", "１"] {
            assert_eq!(Decimal::parse(not), None, "{not}");
        }
    }

    #[test]
    fn integers_are_whole() {
        let integer = |text| Decimal::parse(text).unwrap().integer();
        assert_eq!((integer("1.0"), integer("1e3"), integer("1.25e2"), integer("-0.0")), (Some(1), Some(1000), Some(125), Some(0)));
        assert_eq!((integer("1.5"), integer("1.25e1"), integer("1e19")), (None, None, None));
    }

    #[test]
    fn floats_keep_their_digits_or_are_none() {
        for (text, float) in [
            ("0.1", 0.1),
            ("0.10000000000000001", 0.1),
            ("0.1000000000000000055511151231257827", 0.1),
            ("9007199254740992", 9007199254740992.0),
            ("1.7976931348623157e308", f64::MAX),
            ("5e-324", 5e-324),
            ("4.9406564584124654e-324", 5e-324),
            // A tie in its 17th digit: the float is 155269268693287.625.
            ("155269268693287.63", 155269268693287.63),
            ("155269268693287.62", 155269268693287.63),
            ("-0.0", 0.0),
            ("0.00000000000000000000000000", 0.0),
            ("100000000000000000000000", 1e23),
        ] {
            assert_eq!(exact_float(text), Ok(float), "{text}");
        }
        for text in ["9007199254740993", "0.12345678901234567890", "1e-400", "12345678901234567.89"] {
            assert_eq!(exact_float(text), Err(NoFloat::TooManyDigits), "{text}");
        }
        assert_eq!((exact_float("1e999"), exact_float("-1e309")), (Err(NoFloat::TooLarge), Err(NoFloat::TooLarge)));
        assert_eq!(exact_float("twelve"), Err(NoFloat::NotANumber));
        assert!(exact_float("NaN").unwrap().is_nan());
        assert_eq!((exact_float("-INF"), exact_float("+Infinity"), exact_float("1.")), (Ok(f64::NEG_INFINITY), Ok(f64::INFINITY), Ok(1.0)));
        assert_eq!((exact_float("infinite"), exact_float("--inf")), (Err(NoFloat::NotANumber), Err(NoFloat::NotANumber)));
        assert!(!Decimal::parse("1.").unwrap().is_written_as_integer());
    }

    proptest::proptest! {
        /// What a float prints, shortest or with all 17 digits, is that float.
        #[test]
        fn what_floats_print_is_read(bits in proptest::prelude::any::<u64>()) {
            let float = f64::from_bits(bits);
            if float.is_finite() {
                for text in [float.to_string(), format!("{float:e}"), format!("{float:.16e}")] {
                    proptest::prop_assert_eq!(exact_float(&text), Ok(float), "{}", text);
                }
            }
        }

        /// Against integers of 128 bits.
        #[test]
        fn floors_are_those_of_integers(n in -1_000_000_000_000_i64..1_000_000_000_000, scale in 0_usize..9, places in 0_i64..7) {
            let digits = format!("{:0width$}", n.abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let text = format!("{}{whole}.{fraction}", if n < 0 { "-" } else { "" });
            let wanted = (i128::from(n) * 10_i128.pow(places as u32)).div_euclid(10_i128.pow(scale as u32));
            proptest::prop_assert_eq!(floor(&text, places).map(i128::from), i64::try_from(wanted).ok().map(i128::from), "{}", text);
        }
    }
}
