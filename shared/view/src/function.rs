//! Functions of values over columns: [`Function`], vectorised.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, PrimitiveArray, StringArray};

use super::canonical::{as_i64, from_i64};
use super::like;
use super::{number, text, time};
use twopath_query::{DataType, EvalError, Function, Side};

/// An argument: a column, or one value for all rows.
pub struct Argument {
    pub array: ArrayRef,
    pub scalar: bool,
}

impl Argument {
    /// Where row `row` stands in the array.
    fn at(&self, row: usize) -> usize {
        if self.scalar { 0 } else { row }
    }

    fn text(&self, row: usize) -> Option<&str> {
        let texts: &StringArray = self.array.as_string();
        texts.is_valid(self.at(row)).then(|| texts.value(self.at(row)))
    }

    fn int(&self, row: usize) -> Option<i64> {
        let ints = self.array.as_primitive::<Int64Type>();
        ints.is_valid(self.at(row)).then(|| ints.value(self.at(row)))
    }

    fn float(&self, row: usize) -> Option<f64> {
        let floats = self.array.as_primitive::<Float64Type>();
        floats.is_valid(self.at(row)).then(|| floats.value(self.at(row)))
    }
}

/// The function's values for `rows` rows, or for one where all arguments are one value. (GREATEST and LEAST, which do not see NULL as others
/// do, are not among them.)
///
/// # Errors
/// The [`EvalError`] of one of the rows that raise one.
pub fn call(function: &Function, args: &[Argument], rows: usize) -> Result<ArrayRef, EvalError> {
    use Function as F;
    let (a, b, c) = (args.first(), args.get(1), args.get(2));
    let a = a.expect("every function has an argument");
    let second = || b.expect("the parser counts arguments");
    let third = || c.expect("the parser counts arguments");
    Ok(match function {
        F::Like { ignore_case, escape } => like(a, second(), *ignore_case, *escape, rows)?,
        F::Concat => texts(rows, |row| {
            let parts: Option<Vec<&str>> = args.iter().map(|p| p.text(row)).collect();
            Ok(parts.map(|p| Cow::Owned(p.concat())))
        })?,
        F::RegexLike(pattern) => {
            let regex = pattern.regex();
            bools(rows, |row| Ok(a.text(row).map(|t| regex.is_match(t))))?
        }
        F::RegexSubstr(pattern) => {
            let regex = pattern.regex();
            texts(rows, |row| Ok(a.text(row).and_then(|t| regex.find(t)).map(|found| Cow::Borrowed(found.as_str()))))?
        }
        F::RegexReplace { pattern, all } => {
            let regex = pattern.regex();
            let replaced = |(t, with)| Cow::Owned(text::regex_replace(&regex, *all, t, with));
            texts(rows, |row| Ok(a.text(row).zip(second().text(row)).map(replaced)))?
        }
        F::Upper => texts(rows, |row| Ok(a.text(row).map(|t| Cow::Owned(text::upper(t)))))?,
        F::Lower => texts(rows, |row| Ok(a.text(row).map(|t| Cow::Owned(text::lower(t)))))?,
        F::Initcap => texts(rows, |row| Ok(a.text(row).map(|t| Cow::Owned(text::initcap(t)))))?,
        F::Reverse => texts(rows, |row| Ok(a.text(row).map(|t| Cow::Owned(t.chars().rev().collect()))))?,
        F::Trim(side) => texts(rows, |row| {
            Ok(a.text(row).zip(second().text(row)).map(|(t, chars)| {
                let cut = |c: char| chars.contains(c);
                Cow::Borrowed(match side {
                    Side::Both => t.trim_matches(cut),
                    Side::Leading => t.trim_start_matches(cut),
                    Side::Trailing => t.trim_end_matches(cut),
                })
            }))
        })?,
        F::Length => ints(rows, |row| Ok(a.text(row).map(text::length)))?,
        F::Substring => texts(rows, |row| {
            let Some((t, from)) = a.text(row).zip(second().int(row)) else { return Ok(None) };
            match c {
                None => Ok(Some(Cow::Borrowed(text::substring(t, from, None)?))),
                Some(c) => c.int(row).map(|count| text::substring(t, from, Some(count)).map(Cow::Borrowed)).transpose(),
            }
        })?,
        F::Position => ints(rows, |row| Ok(a.text(row).zip(second().text(row)).map(|(t, needle)| text::position(t, needle))))?,
        F::Replace => texts(rows, |row| {
            let args = (a.text(row), second().text(row), third().text(row));
            let (Some(t), Some(from), Some(to)) = args else { return Ok(None) };
            Ok(Some(if from.is_empty() { Cow::Borrowed(t) } else { Cow::Owned(t.replace(from, to)) }))
        })?,
        F::Left => texts(rows, |row| Ok(a.text(row).zip(second().int(row)).map(|(t, n)| Cow::Borrowed(text::left(t, n)))))?,
        F::Right => texts(rows, |row| Ok(a.text(row).zip(second().int(row)).map(|(t, n)| Cow::Borrowed(text::right(t, n)))))?,
        F::SplitPart => texts(rows, |row| {
            let args = (a.text(row), second().text(row), third().int(row));
            let (Some(t), Some(at), Some(n)) = args else { return Ok(None) };
            Ok(Some(Cow::Borrowed(text::split_part(t, at, n)?)))
        })?,
        F::StartsWith => bools(rows, |row| Ok(a.text(row).zip(second().text(row)).map(|(t, start)| t.starts_with(start))))?,
        F::Repeat => texts(rows, |row| {
            let Some((t, n)) = a.text(row).zip(second().int(row)) else { return Ok(None) };
            Ok(Some(Cow::Owned(text::repeat(t, n)?)))
        })?,
        F::Round => unary(a, |v| Ok(v.round_ties_even()))?,
        F::Floor => unary(a, |v| Ok(v.floor()))?,
        F::Ceil => unary(a, |v| Ok(v.ceil()))?,
        F::Trunc => unary(a, |v| Ok(v.trunc()))?,
        F::Sqrt => unary(a, number::sqrt)?,
        F::Ln => unary(a, |v| number::logarithm(v, f64::ln))?,
        F::Log10 => unary(a, |v| number::logarithm(v, f64::log10))?,
        F::Exp => unary(a, number::exp)?,
        F::Sign if a.array.data_type() == &arrow_schema::DataType::Float64 => unary(a, |v| Ok(number::sign(v)))?,
        F::Sign => Arc::new(a.array.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::signum)),
        F::Power => floats(rows, |row| a.float(row).zip(second().float(row)).map(|(x, y)| number::power(x, y)).transpose())?,
        F::RoundDigits => floats(rows, |row| a.float(row).zip(second().int(row)).map(|(x, n)| number::round_digits(x, n)).transpose())?,
        F::AtTimeZone { zone } => time::at_time_zone(a.array.as_ref(), zone)?,
        F::AddMonths => {
            let times = as_i64(a.array.as_ref());
            let months = second();
            let later = |row: usize| {
                let at = a.at(row);
                let time = times.is_valid(at).then(|| times.value(at));
                time.zip(months.int(row)).map(|(us, n)| time::add_months(us, n)).transpose()
            };
            from_i64((0..rows).map(later).collect::<Result<Int64Array, _>>()?, DataType::Timestamp)
        }
        F::FromMicroseconds => from_i64(a.array.as_primitive::<Int64Type>().clone(), DataType::Timestamp),
        F::BitAnd => of_ints(a, second(), rows, |x, y| x & y)?,
        F::BitOr => of_ints(a, second(), rows, |x, y| x | y)?,
        F::BitXor => of_ints(a, second(), rows, |x, y| x ^ y)?,
        F::ShiftLeft => of_ints(a, second(), rows, |x, n| x.wrapping_shl(n as u32))?,
        F::ShiftRight => of_ints(a, second(), rows, |x, n| x.wrapping_shr(n as u32))?,
        F::Greatest | F::Least => unreachable!("GREATEST and LEAST are made of comparisons"),
    })
}

fn texts<'a>(rows: usize, f: impl Fn(usize) -> Result<Option<Cow<'a, str>>, EvalError>) -> Result<ArrayRef, EvalError> {
    let mut out = arrow_array::builder::StringBuilder::with_capacity(rows, 0);
    for row in 0..rows {
        out.append_option(f(row)?);
    }
    Ok(Arc::new(out.finish()))
}

fn primitives<T: ArrowPrimitiveType>(
    rows: usize,
    f: impl Fn(usize) -> Result<Option<T::Native>, EvalError>,
) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new((0..rows).map(f).collect::<Result<Vec<_>, _>>()?.into_iter().collect::<PrimitiveArray<T>>()))
}

fn ints(rows: usize, f: impl Fn(usize) -> Result<Option<i64>, EvalError>) -> Result<ArrayRef, EvalError> {
    primitives::<Int64Type>(rows, f)
}

fn of_ints(a: &Argument, b: &Argument, rows: usize, f: impl Fn(i64, i64) -> i64) -> Result<ArrayRef, EvalError> {
    ints(rows, |row| Ok(a.int(row).zip(b.int(row)).map(|(a, b)| f(a, b))))
}

fn floats(rows: usize, f: impl Fn(usize) -> Result<Option<f64>, EvalError>) -> Result<ArrayRef, EvalError> {
    primitives::<Float64Type>(rows, f)
}

fn bools(rows: usize, f: impl Fn(usize) -> Result<Option<bool>, EvalError>) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new((0..rows).map(f).collect::<Result<BooleanArray, _>>()?))
}

fn unary(arg: &Argument, f: impl Fn(f64) -> Result<f64, EvalError>) -> Result<ArrayRef, EvalError> {
    let result: Float64Array = arg.array.as_primitive::<Float64Type>().try_unary(f)?;
    Ok(Arc::new(result))
}

/// A pattern that is the same for all rows is read once.
fn like(value: &Argument, pattern: &Argument, ignore_case: bool, escape: Option<char>, rows: usize) -> Result<ArrayRef, EvalError> {
    if !pattern.scalar {
        return bools(rows, |row| {
            let Some((text, pattern)) = value.text(row).zip(pattern.text(row)) else { return Ok(None) };
            Ok(Some(like::Pattern::new(pattern, ignore_case, escape)?.matches(text)))
        });
    }
    let Some(pattern) = pattern.text(0) else { return Ok(Arc::new(BooleanArray::new_null(rows))) };
    // What no row needs raises nothing.
    if value.array.null_count() == value.array.len() {
        return Ok(Arc::new(BooleanArray::new_null(rows)));
    }
    let pattern = like::Pattern::new(pattern, ignore_case, escape)?;
    bools(rows, |row| Ok(value.text(row).map(|text| pattern.matches(text))))
}
