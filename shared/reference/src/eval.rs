//! One expression over one row, by walking the tree.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::decimal::{self, Big};
use super::function;
use super::order::order;
use twopath_query::time::{US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, civil_from_days, days_from_civil};
use twopath_query::values::{Cell, Columns};
use twopath_query::{BinaryOp, DataType, Decimal, EvalError, Expr, ExprKind, TimeField, TimeUnit, UnaryOp, Value};

/// What [`ExprKind::Column`] reads.
pub(super) trait Row<'a> {
    fn cell(&self, column: usize) -> Result<Cell<'a>, EvalError>;
}

/// A row of a record batch of the log.
pub(super) struct LogRow<'a, 'b> {
    pub columns: &'b Columns<'a>,
    pub row: usize,
}

impl<'a> Row<'a> for LogRow<'a, '_> {
    fn cell(&self, column: usize) -> Result<Cell<'a>, EvalError> {
        self.columns.get(column, self.row)
    }
}

/// A group's row: keys, then finalised aggregates.
impl<'a> Row<'a> for &'a [Value] {
    fn cell(&self, column: usize) -> Result<Cell<'a>, EvalError> {
        Ok(Cell::from(&self[column]))
    }
}

/// Whether a condition is TRUE: not FALSE, not NULL.
pub(super) fn is_true<'a>(expr: &'a Expr, row: &impl Row<'a>) -> Result<bool, EvalError> {
    Ok(eval(expr, row)? == Cell::Bool(true))
}

pub(super) fn eval<'a>(expr: &'a Expr, row: &impl Row<'a>) -> Result<Cell<'a>, EvalError> {
    match &expr.kind {
        ExprKind::Column(i) => row.cell(*i),
        ExprKind::Literal(value) => Ok(Cell::from(value)),
        ExprKind::Unary { op, arg } => match (op, eval(arg, row)?) {
            (_, Cell::Null) => Ok(Cell::Null),
            (UnaryOp::Not, Cell::Bool(b)) => Ok(Cell::Bool(!b)),
            (UnaryOp::Negate, Cell::Int(i)) => i.checked_neg().map(Cell::Int).ok_or(EvalError::OutOfRange),
            (UnaryOp::Negate, Cell::Float(f)) => Ok(Cell::Float(-f)),
            (UnaryOp::Negate, Cell::Numeric(n)) => Ok(Cell::Numeric(-n)),
            (UnaryOp::Negate, Cell::Decimal(d)) => Ok(Cell::Decimal(Decimal { unscaled: -d.unscaled, ..d })),
            (op, cell) => unreachable!("{op:?} of {cell:?}"),
        },
        ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            let decides = Cell::Bool(*op == BinaryOp::Or);
            let left = eval(left, row)?;
            if left == decides {
                return Ok(left);
            }
            let right = eval(right, row)?;
            // Neither side decides on the left; the right may, or a NULL on either side leaves it open.
            Ok(if right == decides || left != Cell::Null { right } else { Cell::Null })
        }
        ExprKind::Binary { op, left, right } => match (eval(left, row)?, eval(right, row)?) {
            (Cell::Null, _) | (_, Cell::Null) => Ok(Cell::Null),
            (left, right) if op.is_comparison() => {
                let order = order(&left, &right);
                Ok(Cell::Bool(match op {
                    BinaryOp::Equal => order == Ordering::Equal,
                    BinaryOp::NotEqual => order != Ordering::Equal,
                    BinaryOp::Less => order == Ordering::Less,
                    BinaryOp::LessOrEqual => order != Ordering::Greater,
                    BinaryOp::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
            }
            (left, right) => arithmetic(*op, left, right),
        },
        ExprKind::IsNull { arg, negated } => Ok(Cell::Bool((eval(arg, row)? == Cell::Null) != *negated)),
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                if is_true(condition, row)? {
                    return eval(value, row);
                }
            }
            otherwise.as_ref().map_or(Ok(Cell::Null), |e| eval(e, row))
        }
        ExprKind::Cast { arg } => cast(eval(arg, row)?, expr.data_type),
        ExprKind::Extract { field, arg } => match eval(arg, row)? {
            Cell::Null => Ok(Cell::Null),
            Cell::Timestamp(us) => Ok(extract_timestamp(*field, us)),
            Cell::Interval(us) => Ok(extract_interval(*field, us)),
            cell => unreachable!("EXTRACT from {cell:?}"),
        },
        ExprKind::DateTrunc { unit, arg } => match eval(arg, row)? {
            Cell::Timestamp(us) => date_trunc(*unit, us).map(Cell::Timestamp),
            _ => Ok(Cell::Null),
        },
        ExprKind::Call { function, args } => {
            let args = args.iter().map(|a| eval(a, row)).collect::<Result<Vec<_>, _>>()?;
            function::call(function, args)
        }
        ExprKind::Tumble { arg, size_us } => match eval(arg, row)? {
            Cell::Timestamp(us) => round_down(us, *size_us).map(Cell::Timestamp),
            _ => Ok(Cell::Null),
        },
    }
}

fn arithmetic<'a>(op: BinaryOp, left: Cell<'a>, right: Cell<'a>) -> Result<Cell<'a>, EvalError> {
    let in_range = |us: Option<i64>| us.ok_or(EvalError::OutOfRange);
    match (left, right) {
        (Cell::Int(a), Cell::Int(b)) => int(op, a, b).map(Cell::Int),
        (Cell::Float(a), Cell::Float(b)) => float(op, a, b).map(Cell::Float),
        (Cell::Numeric(a), Cell::Numeric(b)) => numeric(op, a, b),
        (a @ Cell::Decimal(_), b) | (a, b @ Cell::Decimal(_)) => match (Big::of(&a), Big::of(&b)) {
            (Some(a), Some(b)) => decimal::arithmetic(op, &a, &b),
            _ => unreachable!("typing lets no {op:?} of {a:?} and {b:?} through"),
        },
        (Cell::Timestamp(a), Cell::Timestamp(b)) => in_range(a.checked_sub(b)).map(Cell::Interval),
        (Cell::Timestamp(a), Cell::Interval(b)) => {
            in_range(if op == BinaryOp::Add { a.checked_add(b) } else { a.checked_sub(b) }).map(Cell::Timestamp)
        }
        (Cell::Interval(a), Cell::Interval(b)) => {
            in_range(if op == BinaryOp::Add { a.checked_add(b) } else { a.checked_sub(b) }).map(Cell::Interval)
        }
        (a, b) => unreachable!("typing lets no {op:?} of {a:?} and {b:?} through"),
    }
}

fn int(op: BinaryOp, a: i64, b: i64) -> Result<i64, EvalError> {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::Divide | BinaryOp::Modulo if b == 0 => return Err(EvalError::DivisionByZero),
        BinaryOp::Divide => a.checked_div(b),
        BinaryOp::Modulo => Some(a.wrapping_rem(b)),
        op => unreachable!("{op:?} is not arithmetic"),
    };
    result.ok_or(EvalError::OutOfRange)
}

fn float(op: BinaryOp, a: f64, b: f64) -> Result<f64, EvalError> {
    let result = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide | BinaryOp::Modulo if b == 0.0 => return Err(EvalError::DivisionByZero),
        BinaryOp::Divide => a / b,
        BinaryOp::Modulo => a % b,
        op => unreachable!("{op:?} is not arithmetic"),
    };
    if result.is_infinite() && a.is_finite() && b.is_finite() { Err(EvalError::OutOfRange) } else { Ok(result) }
}

fn numeric<'a>(op: BinaryOp, a: i128, b: i128) -> Result<Cell<'a>, EvalError> {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::Divide | BinaryOp::Modulo if b == 0 => return Err(EvalError::DivisionByZero),
        BinaryOp::Divide => return Ok(Cell::Float(a as f64 / b as f64)),
        BinaryOp::Modulo => Some(a.wrapping_rem(b)),
        op => unreachable!("{op:?} is not arithmetic"),
    };
    let limit = 10_i128.pow(38);
    result.filter(|n| -limit < *n && *n < limit).map(Cell::Numeric).ok_or(EvalError::OutOfRange)
}

fn cast(cell: Cell<'_>, to: DataType) -> Result<Cell<'_>, EvalError> {
    Ok(match (cell, to) {
        (Cell::Null, _) => Cell::Null,
        (cell, DataType::Decimal { .. }) => decimal::cast(&cell, to)?,
        (cell @ (Cell::Float(_) | Cell::Text(_) | Cell::Decimal(_)), DataType::Numeric) => decimal::cast(&cell, to)?,
        (Cell::Decimal(d), DataType::Float) => Cell::Float(decimal::to_float(&d)),
        (Cell::Decimal(d), DataType::Text) => Cell::Text(Cow::Owned(d.to_string())),
        (Cell::Numeric(n), DataType::Text) => Cell::Text(Cow::Owned(n.to_string())),
        (cell @ Cell::Decimal(_), DataType::Int) => match decimal::cast(&cell, DataType::Numeric)? {
            Cell::Numeric(n) => Cell::Int(i64::try_from(n).map_err(|_| EvalError::OutOfRange)?),
            cell => unreachable!("{cell:?} is of another type than asked for"),
        },
        (Cell::Int(i), DataType::Float) => Cell::Float(i as f64),
        (Cell::Int(i), DataType::Numeric) => Cell::Numeric(i.into()),
        (Cell::Int(i), DataType::Text) => Cell::Text(Cow::Owned(i.to_string())),
        (Cell::Bool(b), DataType::Int) => Cell::Int(b.into()),
        (Cell::Bool(b), DataType::Text) => Cell::Text(Cow::Borrowed(if b { "true" } else { "false" })),
        (Cell::Float(f), DataType::Int) => {
            let whole = f.round_ties_even();
            // 2^63 is a Float, and the first whole number that does not fit; NaN fits nowhere.
            let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
            Cell::Int(fits.then_some(whole as i64).ok_or(EvalError::OutOfRange)?)
        }
        (Cell::Numeric(n), DataType::Int) => Cell::Int(i64::try_from(n).map_err(|_| EvalError::OutOfRange)?),
        (Cell::Numeric(n), DataType::Float) => Cell::Float(n as f64),
        (Cell::Text(text), DataType::Int) => Cell::Int(text_to_int(&text)?),
        (Cell::Text(text), DataType::Float) => Cell::Float(text_to_float(&text)?),
        (Cell::Float(f), DataType::Text) => Cell::Text(Cow::Owned(float_to_text(f))),
        (Cell::Timestamp(us), DataType::Text) => Cell::Text(Cow::Owned(twopath_query::time::format_timestamp(us))),
        (Cell::Text(text), DataType::Timestamp) => match twopath_query::time::parse_timestamp(&text) {
            Some(us) => Cell::Timestamp(us),
            None => return Err(EvalError::InvalidText { text: text.into_owned(), to }),
        },
        (Cell::Text(text), DataType::Bool) => match text.trim_ascii().to_ascii_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Cell::Bool(true),
            "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Cell::Bool(false),
            _ => return Err(EvalError::InvalidText { text: text.into_owned(), to }),
        },
        (cell, to) => unreachable!("typing lets no cast of {cell:?} to {to:?} through"),
    })
}

/// Plainly from 1e-4 on and below 1e15, else with an exponent of two digits at least.
fn float_to_text(f: f64) -> String {
    let magnitude = f.abs();
    if f.is_nan() {
        "NaN".to_owned()
    } else if f == f64::INFINITY {
        "Infinity".to_owned()
    } else if f == f64::NEG_INFINITY {
        "-Infinity".to_owned()
    } else if magnitude == 0.0 || (1e-4..1e15).contains(&magnitude) {
        format!("{f}")
    } else {
        let text = format!("{f:e}");
        let at = text.find('e').expect("the form has an exponent");
        let (digits, exponent) = (&text[..at], &text[at + 1..]);
        match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        }
    }
}

fn text_to_int(text: &str) -> Result<i64, EvalError> {
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EvalError::InvalidText { text: text.to_owned(), to: DataType::Int });
    }
    trimmed.parse().map_err(|_| EvalError::OutOfRange)
}

fn text_to_float(text: &str) -> Result<f64, EvalError> {
    let trimmed = text.trim_ascii();
    let value: f64 = trimmed.parse().map_err(|_| EvalError::InvalidText { text: text.to_owned(), to: DataType::Float })?;
    let digits = trimmed.split(['e', 'E']).next().unwrap_or("");
    let overflows = value.is_infinite() && digits.contains(|c: char| c.is_ascii_digit());
    let underflows = value == 0.0 && digits.contains(|c: char| ('1'..='9').contains(&c));
    if overflows || underflows { Err(EvalError::OutOfRange) } else { Ok(value) }
}

fn round_down(us: i64, size_us: i64) -> Result<i64, EvalError> {
    us.checked_sub(us.rem_euclid(size_us)).ok_or(EvalError::OutOfRange)
}

/// Monday of the week in which a day lies, as days since 1970-01-01 (a Thursday).
fn monday(day: i64) -> i64 {
    day - (day + 3).rem_euclid(7)
}

fn extract_timestamp<'a>(field: TimeField, us: i64) -> Cell<'a> {
    let day = us.div_euclid(US_PER_DAY);
    let in_day = us.rem_euclid(US_PER_DAY);
    let (year, month, day_of_month) = civil_from_days(day);
    Cell::Int(match field {
        TimeField::Epoch => return Cell::Float(us as f64 / 1e6),
        TimeField::Year => year,
        TimeField::Quarter => (i64::from(month) + 2) / 3,
        TimeField::Month => month.into(),
        TimeField::Week => {
            // The ISO week belongs to the year that its Thursday is in, and counts that year's Thursdays.
            let thursday = monday(day) + 3;
            let (year, ..) = civil_from_days(thursday);
            (thursday - days_from_civil(year, 1, 1)) / 7 + 1
        }
        TimeField::Day => day_of_month.into(),
        TimeField::Dow => (day + 4).rem_euclid(7),
        TimeField::Doy => day - days_from_civil(year, 1, 1) + 1,
        TimeField::Hour => in_day / US_PER_HOUR,
        TimeField::Minute => in_day / US_PER_MINUTE % 60,
        TimeField::Second => in_day / US_PER_SECOND % 60,
        TimeField::Microsecond => in_day % US_PER_MINUTE,
    })
}

fn extract_interval<'a>(field: TimeField, us: i64) -> Cell<'a> {
    Cell::Int(match field {
        TimeField::Epoch => return Cell::Float(us as f64 / 1e6),
        TimeField::Day => us / US_PER_DAY,
        TimeField::Hour => us / US_PER_HOUR % 24,
        TimeField::Minute => us / US_PER_MINUTE % 60,
        TimeField::Second => us / US_PER_SECOND % 60,
        TimeField::Microsecond => us % US_PER_MINUTE,
        field => unreachable!("typing lets no {field:?} of an interval through"),
    })
}

fn date_trunc(unit: TimeUnit, us: i64) -> Result<i64, EvalError> {
    let day = us.div_euclid(US_PER_DAY);
    let (year, month, _) = civil_from_days(day);
    let start = match unit {
        TimeUnit::Millisecond => return round_down(us, 1_000),
        TimeUnit::Second => return round_down(us, US_PER_SECOND),
        TimeUnit::Minute => return round_down(us, US_PER_MINUTE),
        TimeUnit::Hour => return round_down(us, US_PER_HOUR),
        TimeUnit::Day => day,
        TimeUnit::Week => monday(day),
        TimeUnit::Month => days_from_civil(year, month, 1),
        TimeUnit::Quarter => days_from_civil(year, (month - 1) / 3 * 3 + 1, 1),
        TimeUnit::Year => days_from_civil(year, 1, 1),
    };
    start.checked_mul(US_PER_DAY).ok_or(EvalError::OutOfRange)
}
