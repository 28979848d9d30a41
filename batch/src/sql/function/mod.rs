//! Functions of values, row by row over polars' arrays: what of them polars has in the feature set is not PostgreSQL's (its upper case of ß is SS).

mod number;
mod text;

use std::borrow::Cow;

use polars::prelude::{
    BooleanChunked, DataType as PolarsType, Expr as Plan, Float64Chunked, Int64Chunked, IntoSeries, PolarsResult, Series, StringChunked,
};
use twopath_query::time::{
    US_PER_DAY, civil_from_days, days_from_civil, days_in_month, format_timestamp, local_time, parse_timestamp, zone,
};
use twopath_query::{DataType, EvalError, Function};

use super::checked::Raised;
use super::frame::physical_type;

type Values = PolarsResult<Result<Series, EvalError>>;

impl Raised {
    /// A call of a function that is NULL where an argument is (so, all but GREATEST and LEAST), of arguments of these types.
    pub fn call(&self, function: &Function, args: Vec<Plan>, result: DataType) -> Plan {
        let function = function.clone();
        self.function(args, physical_type(result), move |args| call(&function, args))
    }

    /// Floats as text, in the fewest digits.
    pub fn float_text(&self, value: Plan) -> Plan {
        self.function(vec![value], PolarsType::String, |c| {
            let texts: StringChunked = c[0].f64()?.iter().map(|v| v.map(number::written)).collect();
            Ok(Ok(texts.into_series()))
        })
    }

    /// Times as text.
    pub fn time_text(&self, value: Plan) -> Plan {
        self.function(vec![value], PolarsType::String, |c| {
            let texts: StringChunked = c[0].i64()?.iter().map(|v| v.map(format_timestamp)).collect();
            Ok(Ok(texts.into_series()))
        })
    }

    /// Texts as times.
    pub fn parse_time(&self, value: Plan) -> Plan {
        self.function(vec![value], PolarsType::Int64, |c| {
            let invalid = |text: &str| EvalError::InvalidText { text: text.into(), to: DataType::Timestamp };
            let time = |text: &str| parse_timestamp(text).ok_or_else(|| invalid(text));
            let times: Result<Int64Chunked, EvalError> = c[0].str()?.iter().map(|t| t.map(time).transpose()).collect();
            Ok(times.map(IntoSeries::into_series))
        })
    }

    /// Texts as truth values.
    pub fn parse_bool(&self, value: Plan) -> Plan {
        self.function(vec![value], PolarsType::Boolean, |c| {
            let values: Result<BooleanChunked, EvalError> = c[0].str()?.iter().map(|t| t.map(text::truth).transpose()).collect();
            Ok(values.map(IntoSeries::into_series))
        })
    }
}

/// One argument, in one chunk; a single value stands beside each of many.
enum Argument {
    Text(StringChunked),
    Int(Int64Chunked),
    Float(Float64Chunked),
}

impl Argument {
    fn new(series: &Series) -> PolarsResult<Self> {
        let series = series.rechunk();
        Ok(match series.dtype() {
            PolarsType::String => Argument::Text(series.str()?.clone()),
            PolarsType::Float64 => Argument::Float(series.f64()?.clone()),
            _ => Argument::Int(series.i64()?.clone()),
        })
    }

    fn text(&self, row: usize) -> Option<&str> {
        match self {
            Argument::Text(values) => values.get(if values.len() == 1 { 0 } else { row }),
            _ => unreachable!("typing lets only texts here"),
        }
    }

    fn int(&self, row: usize) -> Option<i64> {
        match self {
            Argument::Int(values) => values.get(if values.len() == 1 { 0 } else { row }),
            _ => unreachable!("typing lets only whole numbers and times here"),
        }
    }

    fn float(&self, row: usize) -> Option<f64> {
        match self {
            Argument::Float(values) => values.get(if values.len() == 1 { 0 } else { row }),
            _ => unreachable!("typing lets only floats here"),
        }
    }
}

fn call(function: &Function, series: &[Series]) -> Values {
    use Function as F;
    let rows = series.iter().map(|s| s.len()).max().unwrap_or(0);
    let args = series.iter().map(Argument::new).collect::<PolarsResult<Vec<_>>>()?;
    let a = &args[0];
    Ok(match function {
        F::Like { ignore_case, escape } => {
            let matches = |row: usize| {
                let pair = a.text(row).zip(args[1].text(row));
                pair.map(|(text, pattern)| text::like(text, pattern, *ignore_case, *escape)).transpose()
            };
            collected::<_, BooleanChunked>(rows, matches)
        }
        F::RegexLike(pattern) => {
            let regex = pattern.regex();
            collected::<_, BooleanChunked>(rows, |row| Ok(a.text(row).map(|t| regex.is_match(t))))
        }
        F::StartsWith => collected::<_, BooleanChunked>(rows, |row| Ok(a.text(row).zip(args[1].text(row)).map(|(t, s)| t.starts_with(s)))),
        F::Length => collected::<_, Int64Chunked>(rows, |row| Ok(a.text(row).map(|t| t.chars().count() as i64))),
        F::Position => {
            let place = |(t, needle): (&str, &str)| t.match_indices(needle).next().map_or(0, |(at, _)| t[..at].chars().count() as i64 + 1);
            collected::<_, Int64Chunked>(rows, |row| Ok(a.text(row).zip(args[1].text(row)).map(place)))
        }
        F::Sign if matches!(a, Argument::Int(_)) => collected::<_, Int64Chunked>(rows, |row| Ok(a.int(row).map(i64::signum))),
        F::AtTimeZone { zone: name } => {
            let zone = zone(name).expect("the parser takes known zones only");
            let local = |us| local_time(us, zone).ok_or(EvalError::OutOfRange);
            collected::<_, Int64Chunked>(rows, |row| a.int(row).map(local).transpose())
        }
        F::AddMonths => {
            let later = |(us, months)| add_months(us, months).ok_or(EvalError::OutOfRange);
            collected::<_, Int64Chunked>(rows, |row| a.int(row).zip(args[1].int(row)).map(later).transpose())
        }
        F::FromMicroseconds => collected::<_, Int64Chunked>(rows, |row| Ok(a.int(row))),
        F::BitAnd | F::BitOr | F::BitXor | F::ShiftLeft | F::ShiftRight => collected::<_, Int64Chunked>(rows, |row| {
            let of_bits = |(a, b): (i64, i64)| match function {
                F::BitAnd => a & b,
                F::BitOr => a | b,
                F::BitXor => a ^ b,
                F::ShiftLeft => a << b.rem_euclid(64),
                _ => a >> b.rem_euclid(64),
            };
            Ok(a.int(row).zip(args[1].int(row)).map(of_bits))
        }),
        F::Greatest | F::Least => unreachable!("made of comparisons"),
        function if matches!(a, Argument::Float(_)) => collected::<_, Float64Chunked>(rows, |row| {
            let Some(v) = a.float(row) else { return Ok(None) };
            match args.get(1) {
                None => number::of_one(function, v).map(Some),
                Some(Argument::Int(_)) => args[1].int(row).map(|digits| number::round_digits(v, digits)).transpose(),
                Some(second) => second.float(row).map(|to| number::power(v, to)).transpose(),
            }
        }),
        F::RegexSubstr(pattern) => {
            let regex = pattern.regex();
            texts(rows, |row| Ok(a.text(row).and_then(|t| regex.find(t)).map(|found| Cow::Borrowed(found.as_str()))))
        }
        F::RegexReplace { pattern, all } => {
            let regex = pattern.regex();
            let replaced = |(t, with)| Cow::Owned(text::regex_replace(&regex, *all, t, with));
            texts(rows, |row| Ok(a.text(row).zip(args[1].text(row)).map(replaced)))
        }
        function => texts(rows, |row| {
            let mut values = Vec::with_capacity(args.len());
            for arg in &args {
                let value = match arg {
                    Argument::Int(_) => arg.int(row).map(text::Value::Int),
                    _ => arg.text(row).map(text::Value::Text),
                };
                let Some(value) = value else { return Ok(None) };
                values.push(value);
            }
            text::call(function, &values).map(Some)
        }),
    })
}

fn collected<T, C>(rows: usize, f: impl FnMut(usize) -> Result<Option<T>, EvalError>) -> Result<Series, EvalError>
where
    C: FromIterator<Option<T>> + IntoSeries,
{
    (0..rows).map(f).collect::<Result<C, _>>().map(C::into_series)
}

fn texts<'a>(rows: usize, f: impl Fn(usize) -> Result<Option<Cow<'a, str>>, EvalError>) -> Result<Series, EvalError> {
    collected::<_, StringChunked>(rows, f)
}

/// The same day and time so many months later, or the month's last day; `None` beyond 64 bits.
fn add_months(us: i64, months: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(us.div_euclid(US_PER_DAY));
    let all = i128::from(year) * 12 + i128::from(month) - 1 + i128::from(months);
    // No 64-bit timestamp lies beyond the year 300,000.
    let year = i64::try_from(all.div_euclid(12)).ok().filter(|y| y.abs() < 400_000)?;
    let month = all.rem_euclid(12) as u32 + 1;
    let days = days_from_civil(year, month, day.min(days_in_month(year, month)));
    days.checked_mul(US_PER_DAY)?.checked_add(us.rem_euclid(US_PER_DAY))
}
