//! Decimals: polars' integers of 128 bits, whose scale the SQL type says. 256 bits where a result may need them on the way.

use arrow_buffer::i256;
use polars::prelude::{
    BooleanChunked, DataType as PolarsType, Expr as Plan, Float64Chunked, Int64Chunked, Int128Chunked, IntoSeries, PolarsResult, Series,
    StringChunked,
};
use twopath_query::{BinaryOp, DIGITS_MAX, DataType, Decimal, EvalError};

use super::checked::Raised;
use super::frame::physical_type;

type Number = Result<i128, EvalError>;

fn scale_of(t: DataType) -> u32 {
    u32::from(t.decimal_scale().expect("the parser made both decimals"))
}

/// Ten to so many; 256 bits hold 76 digits.
fn power(of_ten: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(of_ten)
}

fn fits(value: Option<i256>, digits: u8) -> Number {
    let value = value.and_then(i256::to_i128).filter(|v| v.unsigned_abs() < 10u128.pow(digits.into()));
    value.ok_or(EvalError::OutOfRange)
}

/// Half away from zero; `by` is not zero.
fn divided(value: i256, by: i256) -> i256 {
    let (quotient, rest) = (value.wrapping_div(by), value.wrapping_rem(by).wrapping_abs());
    // What is left of the divisor beyond the rest is smaller where the rest is more than half.
    let up = rest >= by.wrapping_abs().wrapping_sub(rest);
    let one = i256::from_i128(i128::from(up && rest != i256::ZERO));
    if (value < i256::ZERO) == (by < i256::ZERO) { quotient.wrapping_add(one) } else { quotient.wrapping_sub(one) }
}

/// An operator over unscaled numbers; the types say their scales.
fn operator(op: BinaryOp, left: DataType, right: DataType, result: DataType) -> impl Fn(i128, i128) -> Number + Send + Sync + 'static {
    let widened = if op == BinaryOp::Divide { scale_of(result) + scale_of(right) - scale_of(left) } else { 0 };
    move |a, b| {
        let (a, b) = (i256::from_i128(a), i256::from_i128(b));
        match op {
            BinaryOp::Divide | BinaryOp::Modulo if b == i256::ZERO => Err(EvalError::DivisionByZero),
            BinaryOp::Add => fits(a.checked_add(b), DIGITS_MAX),
            BinaryOp::Subtract => fits(a.checked_sub(b), DIGITS_MAX),
            BinaryOp::Multiply => fits(a.checked_mul(b), DIGITS_MAX),
            BinaryOp::Modulo => fits(a.checked_rem(b), DIGITS_MAX),
            // A number that is too large for 256 bits is too large for 38 digits when it is divided by one of 38, too.
            BinaryOp::Divide => fits(a.checked_mul(power(widened)).map(|a| divided(a, b)), DIGITS_MAX),
            _ => unreachable!("{op:?} is no arithmetic"),
        }
    }
}

/// A text as a decimal: digits, a point and an exponent, between ASCII white space.
fn read(text: &str, to: DataType) -> Number {
    let invalid = || EvalError::InvalidText { text: text.into(), to };
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let sign = |t: &'_ str| t.starts_with('-');
    let unsigned = |t: &str| t.strip_prefix(['-', '+']).unwrap_or(t).to_owned();
    let trimmed = text.trim_ascii();
    let lower = trimmed.to_ascii_lowercase();
    let (number, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (digits, places) = (unsigned(number), unsigned(exponent));
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if places.is_empty() || !all_digits(&places) || !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(invalid());
    }
    // Leading zeros say nothing, and an exponent of more than nine digits is as good as one of nine.
    let places = places.trim_start_matches('0');
    let exponent = if places.len() > 9 { 1_000_000_000 } else { places.parse().unwrap_or(0) } * if sign(exponent) { -1 } else { 1 };
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    // The number is `significant` * 10^`shift` in units of the scale.
    let shift: i64 = exponent - fraction.len() as i64 + i64::from(scale_of(to));
    let kept = significant.len() as i64 + shift;
    let size = if significant.is_empty() || kept < 0 {
        0
    } else if kept > i64::from(DIGITS_MAX) + 1 {
        return Err(EvalError::OutOfRange);
    } else if shift >= 0 {
        let zeros = "0".repeat(shift as usize);
        format!("{significant}{zeros}").parse::<i128>().map_err(|_| EvalError::OutOfRange)?
    } else {
        let (kept, rest) = significant.split_at(kept as usize);
        let kept: i128 = if kept.is_empty() { 0 } else { kept.parse().map_err(|_| EvalError::OutOfRange)? };
        kept + i128::from(rest.as_bytes().first().is_some_and(|next| *next >= b'5'))
    };
    fits(Some(i256::from_i128(if sign(number) { -size } else { size })), digits_of(to))
}

fn digits_of(t: DataType) -> u8 {
    if let DataType::Decimal { precision, .. } = t { precision } else { DIGITS_MAX }
}

fn rescaled(v: i128, from: u32, to: DataType) -> Number {
    let (v, scale) = (i256::from_i128(v), scale_of(to));
    if scale >= from {
        fits(v.checked_mul(power(scale - from)), digits_of(to))
    } else {
        fits(Some(divided(v, power(from - scale))), digits_of(to))
    }
}

/// A column of numbers, or one number for all rows.
fn numbers(series: &Series, rows: usize) -> PolarsResult<impl Iterator<Item = Option<i128>>> {
    let values = series.i128()?.clone();
    let single = values.len() == 1;
    Ok((0..rows).map(move |row| values.get(if single { 0 } else { row })))
}

impl Raised {
    /// `left op right`, where one is a decimal and neither a float; or a quotient of two whole numbers of 38 digits, which is a float.
    pub fn decimals(
        &self,
        op: BinaryOp,
        (left, left_type): (Plan, DataType),
        (right, right_type): (Plan, DataType),
        result: DataType,
    ) -> Plan {
        if result == DataType::Float {
            let quotient = |a: i128, b: i128| if b == 0 { Err(EvalError::DivisionByZero) } else { Ok(a as f64 / b as f64) };
            return self.function(vec![left, right], PolarsType::Float64, move |c| pairs::<_, Float64Chunked>(c, quotient));
        }
        let operator = operator(op, left_type, right_type, result);
        self.function(vec![left, right], PolarsType::Int128, move |c| pairs::<_, Int128Chunked>(c, &operator))
    }

    /// Compares decimals of two scales.
    pub fn compare_decimals(&self, op: BinaryOp, (left, left_type): (Plan, DataType), (right, right_type): (Plan, DataType)) -> Plan {
        let (l, r) = (power(scale_of(right_type)), power(scale_of(left_type)));
        let compare = move |a: i128, b: i128| {
            let order = i256::from_i128(a).wrapping_mul(l).cmp(&i256::from_i128(b).wrapping_mul(r));
            Ok(match op {
                BinaryOp::Equal => order.is_eq(),
                BinaryOp::NotEqual => order.is_ne(),
                BinaryOp::Less => order.is_lt(),
                BinaryOp::LessOrEqual => order.is_le(),
                BinaryOp::Greater => order.is_gt(),
                BinaryOp::GreaterOrEqual => order.is_ge(),
                _ => unreachable!("{op:?} is no comparison"),
            })
        };
        self.function(vec![left, right], PolarsType::Boolean, move |c| pairs::<_, BooleanChunked>(c, compare))
    }

    /// `-value`.
    pub fn negate_decimal(&self, value: Plan) -> Plan {
        self.function(vec![value], PolarsType::Int128, |c| {
            Ok(Ok(c[0].i128()?.iter().map(|v| v.map(|v| -v)).collect::<Int128Chunked>().into_series()))
        })
    }

    /// CAST to or from a decimal; `None` for other types.
    pub fn cast_decimal(&self, value: Plan, from: DataType, to: DataType) -> Option<Plan> {
        let out = physical_type(to);
        Some(match (from.decimal_scale().map(u32::from), to) {
            (Some(scale), DataType::Numeric | DataType::Decimal { .. }) => {
                self.function(vec![value], out, move |c| ones::<_, Int128Chunked>(c[0].i128()?.iter(), |v| rescaled(v, scale, to)))
            }
            (Some(scale), DataType::Int) => self.function(vec![value], out, move |c| {
                let whole = |v| i64::try_from(rescaled(v, scale, DataType::Numeric)?).map_err(|_| EvalError::OutOfRange);
                ones::<_, Int64Chunked>(c[0].i128()?.iter(), whole)
            }),
            (Some(scale), DataType::Float) => self.function(vec![value], out, move |c| {
                // All its digits, read as a float: rounded once.
                let float =
                    |unscaled| Ok(Decimal { unscaled, scale: scale as u8 }.to_string().parse::<f64>().expect("digits with a point"));
                ones::<_, Float64Chunked>(c[0].i128()?.iter(), float)
            }),
            (Some(scale), DataType::Text) => self.function(vec![value], out, move |c| {
                ones::<_, StringChunked>(c[0].i128()?.iter(), |unscaled| Ok(Decimal { unscaled, scale: scale as u8 }.to_string()))
            }),
            (None, DataType::Numeric | DataType::Decimal { .. }) => match from {
                DataType::Int => {
                    self.function(vec![value], out, move |c| ones::<_, Int128Chunked>(c[0].i64()?.iter(), |v| rescaled(v.into(), 0, to)))
                }
                DataType::Float => self.function(vec![value], out, move |c| {
                    // The shortest digits that mean the float.
                    let of = |v: f64| if v.is_finite() { read(&format!("{v:e}"), to) } else { Err(EvalError::OutOfRange) };
                    ones::<_, Int128Chunked>(c[0].f64()?.iter(), of)
                }),
                DataType::Text => self.function(vec![value], out, move |c| ones::<_, Int128Chunked>(c[0].str()?.iter(), |t| read(t, to))),
                _ => return None,
            },
            _ => return None,
        })
    }
}

fn ones<V, C>(values: impl Iterator<Item = Option<V>>, f: impl Fn(V) -> Result<C::Of, EvalError>) -> PolarsResult<Result<Series, EvalError>>
where
    C: Collected,
{
    Ok(values.map(|v| v.map(&f).transpose()).collect::<Result<C, _>>().map(C::into_series))
}

fn pairs<V, C>(columns: &[Series], f: impl Fn(i128, i128) -> Result<V, EvalError>) -> PolarsResult<Result<Series, EvalError>>
where
    C: Collected<Of = V>,
{
    let rows = columns[0].len().max(columns[1].len());
    let both = numbers(&columns[0], rows)?.zip(numbers(&columns[1], rows)?);
    ones::<_, C>(both.map(|(a, b)| a.zip(b)), |(a, b)| f(a, b))
}

/// An array that is made of values.
trait Collected: FromIterator<Option<Self::Of>> + IntoSeries {
    type Of;
}

impl Collected for Int128Chunked {
    type Of = i128;
}

impl Collected for Int64Chunked {
    type Of = i64;
}

impl Collected for Float64Chunked {
    type Of = f64;
}

impl Collected for BooleanChunked {
    type Of = bool;
}

impl Collected for StringChunked {
    type Of = String;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by PostgreSQL 15's numeric.
    #[test]
    fn decimals_are_rounded_half_away_from_zero() {
        let t = DataType::decimal(10, 2);
        let texts = [
            ("1.005", 101),
            ("-1.005", -101),
            ("1.0049999", 100),
            (" 12 ", 1_200),
            ("1e3", 100_000),
            ("5e-3", 1),
            ("4.9e-3", 0),
            ("0e99", 0),
        ];
        for (text, unscaled) in texts {
            assert_eq!(read(text, t), Ok(unscaled), "{text}");
        }
        assert_eq!(
            (read("1e-99999999999999999999", t), read("1e9", t), read("1e9999999999999", t)),
            (Ok(0), Err(EvalError::OutOfRange), Err(EvalError::OutOfRange))
        );
        for text in ["", ".", "1e", "1e+", "--1", "NaN", "1 2"] {
            assert!(matches!(read(text, t), Err(EvalError::InvalidText { .. })), "{text}");
        }
        let divide = |a, b| operator(BinaryOp::Divide, DataType::decimal(5, 2), DataType::decimal(5, 0), DataType::decimal(38, 16))(a, b);
        assert_eq!(
            (divide(200, 3), divide(-200, 3), divide(1, 0)),
            (Ok(6_666_666_666_666_667), Ok(-6_666_666_666_666_667), Err(EvalError::DivisionByZero))
        );
        assert_eq!(
            (rescaled(15, 1, DataType::Numeric), rescaled(-15, 1, DataType::Numeric), rescaled(14, 1, DataType::Numeric)),
            (Ok(2), Ok(-2), Ok(1))
        );
    }
}
