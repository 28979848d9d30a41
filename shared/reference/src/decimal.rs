//! Decimals with whole numbers of any size: a value is a whole number and how many of its digits stand after the point.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

use twopath_query::values::Cell;
use twopath_query::{BinaryOp, DataType, Decimal, EvalError};

/// A decimal of any size.
#[derive(Debug, Clone, Default)]
pub(super) struct Big {
    pub whole: BigInt,
    pub scale: u32,
}

impl Big {
    /// What is in a cell of a number that is not a float.
    pub fn of(cell: &Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(i) => Some(Big { whole: (*i).into(), scale: 0 }),
            Cell::Numeric(n) => Some(Big { whole: (*n).into(), scale: 0 }),
            Cell::Decimal(d) => Some(Big { whole: d.unscaled.into(), scale: d.scale.into() }),
            _ => None,
        }
    }

    /// Digits with a sign, a point and an exponent.
    fn read(text: &str) -> Option<Self> {
        let (number, exponent) = match text.find(['e', 'E']) {
            None => (text, BigInt::ZERO),
            Some(at) => (&text[..at], whole_number(&text[at + 1..])?),
        };
        let point = number.find('.').unwrap_or(number.len());
        let fraction = number.get(point + 1..).unwrap_or("");
        let has_digits = number.bytes().any(|b| b.is_ascii_digit());
        if !has_digits || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let whole = whole_number(&(number[..point].to_owned() + fraction))?;
        // Further from zero than any type reaches, in either direction.
        let least = BigInt::from(-1_000 - number.len() as i64);
        let exponent = i64::try_from(exponent.clamp(least, BigInt::from(1_000))).expect("it lies between two of 64 bits");
        let scale = fraction.len() as i64 - exponent;
        Some(match u32::try_from(scale) {
            Ok(scale) => Big { whole, scale },
            Err(_) => Big { whole: whole * ten_to(scale.unsigned_abs() as u32), scale: 0 },
        })
    }

    /// With so many digits after the point, rounded half away from zero.
    fn rounded(&self, scale: u32) -> BigInt {
        divided(&(&self.whole * ten_to(scale)), &ten_to(self.scale))
    }

    /// As a cell of a decimal type.
    pub fn cell<'a>(&self, t: DataType) -> Result<Cell<'a>, EvalError> {
        let (precision, scale) = match t {
            DataType::Decimal { precision, scale } => (precision, scale),
            _ => (38, 0),
        };
        let rounded = self.rounded(scale.into());
        if rounded.magnitude() >= ten_to(precision.into()).magnitude() {
            return Err(EvalError::OutOfRange);
        }
        let unscaled = i128::try_from(rounded).map_err(|_| EvalError::OutOfRange)?;
        Ok(if t == DataType::Numeric { Cell::Numeric(unscaled) } else { Cell::Decimal(Decimal { unscaled, scale }) })
    }

    pub fn order(&self, other: &Big) -> Ordering {
        (&self.whole * ten_to(other.scale)).cmp(&(&other.whole * ten_to(self.scale)))
    }

    /// Divided by a number of values, with so many digits after the point.
    pub fn mean(&self, count: i64, scale: u32) -> Big {
        Big { whole: divided(&(&self.whole * ten_to(scale)), &(ten_to(self.scale) * count)), scale }
    }
}

/// A sign and digits.
fn whole_number(text: &str) -> Option<BigInt> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| text.parse().expect("a sign and digits are a whole number"))
}

fn ten_to(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

/// The quotient rounded half away from zero: the half of the divisor is added to the dividend's magnitude before dividing.
fn divided(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let (a, b) = (dividend.magnitude(), divisor.magnitude());
    let magnitude = (a * 2u32 + b) / (b * 2u32);
    let sign = if dividend.sign() == divisor.sign() { Sign::Plus } else { Sign::Minus };
    BigInt::from_biguint(sign, magnitude)
}

/// Of two numbers of which one is a decimal.
pub(super) fn arithmetic<'a>(op: BinaryOp, left: &Big, right: &Big) -> Result<Cell<'a>, EvalError> {
    let scale = left.scale.max(right.scale);
    let (a, b) = (&left.whole * ten_to(scale - left.scale), &right.whole * ten_to(scale - right.scale));
    if matches!(op, BinaryOp::Divide | BinaryOp::Modulo) && right.whole == BigInt::ZERO {
        return Err(EvalError::DivisionByZero);
    }
    let result = match op {
        BinaryOp::Add => Big { whole: a + b, scale },
        BinaryOp::Subtract => Big { whole: a - b, scale },
        BinaryOp::Multiply => Big { whole: &left.whole * &right.whole, scale: left.scale + right.scale },
        BinaryOp::Divide => {
            let scale = scale.max(16);
            Big { whole: divided(&(a * ten_to(scale)), &b), scale }
        }
        BinaryOp::Modulo => Big { whole: a % b, scale },
        op => unreachable!("{op:?} is not arithmetic"),
    };
    let scale = u8::try_from(result.scale).expect("the parser limits scales to 38");
    result.cell(DataType::decimal(38, scale))
}

/// CAST to a decimal type.
pub(super) fn cast<'a>(cell: &Cell<'_>, to: DataType) -> Result<Cell<'a>, EvalError> {
    let big = match cell {
        Cell::Null => return Ok(Cell::Null),
        Cell::Float(f) if !f.is_finite() => return Err(EvalError::OutOfRange),
        // The standard library prints the shortest digits that mean the float.
        Cell::Float(f) => Big::read(&f.to_string()),
        Cell::Text(text) => Big::read(text.trim_ascii()),
        number => Big::of(number),
    };
    match (big, cell) {
        (Some(big), _) => big.cell(to),
        (None, Cell::Text(text)) => Err(EvalError::InvalidText { text: text.to_string(), to }),
        (None, cell) => unreachable!("typing lets no cast of {cell:?} to {to:?} through"),
    }
}

/// The nearest float, as the standard library reads it.
pub(super) fn to_float(decimal: &Decimal) -> f64 {
    format!("{}e-{}", decimal.unscaled, decimal.scale).parse().expect("digits and an exponent are a number")
}
