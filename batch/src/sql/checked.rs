//! What polars' own operators do otherwise than SQL: functions over polars arrays that run inside the polars plan.
//!
//! Each value is checked, and a NULL is never looked at. The first value that does not fit is left in [`Raised`], because polars' own
//! errors carry texts only.

use std::sync::{Arc, OnceLock};

use polars::prelude::{
    ChunkFullNull, ChunkedArray, Column, DataType as PolarsType, Expr as Plan, Field as PolarsField, Float64Chunked, Int64Chunked,
    IntoColumn, IntoSeries, PolarsError, PolarsNumericType, PolarsResult, Series, map_multiple,
};
use polars_arrow::array::PrimitiveArray;
use polars_arrow::compute::utils::combine_validities_and;
use polars_core::utils::align_chunks_binary;
use twopath_query::{BinaryOp, DataType, EvalError};

/// Where a function leaves the error that a row raised.
#[derive(Debug, Clone, Default)]
pub struct Raised(Arc<OnceLock<EvalError>>);

impl Raised {
    pub fn get(&self) -> Option<EvalError> {
        self.0.get().cloned()
    }

    fn raise(&self, error: EvalError) -> PolarsError {
        let carried = PolarsError::ComputeError(error.to_string().into());
        let _ = self.0.set(error);
        carried
    }

    /// `left op right` over integers (times among them) or floats, as SQL has it.
    pub fn arithmetic(&self, op: BinaryOp, left: Plan, right: Plan, floats: bool) -> Plan {
        if floats {
            self.function(vec![left, right], PolarsType::Float64, move |c| {
                Ok(zip(c[0].f64()?, c[1].f64()?, |a, b| float_op(op, a, b)).map(IntoSeries::into_series))
            })
        } else {
            self.function(vec![left, right], PolarsType::Int64, move |c| {
                let (l, r) = (c[0].i64()?, c[1].i64()?);
                // The operator is chosen once, so that the loop over the values has no choice in it.
                let result = match op {
                    BinaryOp::Add => zip(l, r, |a, b| a.checked_add(b).ok_or(EvalError::OutOfRange)),
                    BinaryOp::Subtract => zip(l, r, |a, b| a.checked_sub(b).ok_or(EvalError::OutOfRange)),
                    BinaryOp::Multiply => zip(l, r, |a, b| a.checked_mul(b).ok_or(EvalError::OutOfRange)),
                    BinaryOp::Divide => zip(l, r, divide),
                    BinaryOp::Modulo => zip(l, r, remainder),
                    _ => unreachable!("{op:?} is no arithmetic"),
                };
                Ok(result.map(IntoSeries::into_series))
            })
        }
    }

    /// `-value` over integers.
    pub fn negate(&self, value: Plan) -> Plan {
        self.integers(value, |v| v.checked_neg().ok_or(EvalError::OutOfRange))
    }

    /// Divided by a positive number and rounded down.
    pub fn floor_divide(&self, value: Plan, by: i64) -> Plan {
        self.integers(value, move |v| Ok(v.div_euclid(by)))
    }

    /// Unsigned integers of 64 bits, taken bit for bit: those beyond the signed ones do not fit.
    pub fn unsigned(&self, value: Plan) -> Plan {
        self.integers(value, |v| if v < 0 { Err(EvalError::OutOfRange) } else { Ok(v) })
    }

    /// Floats to integers, half to even, as PostgreSQL rounds them.
    pub fn round(&self, value: Plan) -> Plan {
        self.function(vec![value], PolarsType::Int64, |c| Ok(map(c[0].f64()?, rounded).map(Int64Chunked::into_series)))
    }

    /// Texts to integers.
    pub fn parse_int(&self, text: Plan) -> Plan {
        self.function(vec![text], PolarsType::Int64, |c| {
            let texts = c[0].str()?;
            let parsed: Result<Int64Chunked, EvalError> = texts.iter().map(|t| t.map(parse_int).transpose()).collect();
            Ok(parsed.map(IntoSeries::into_series))
        })
    }

    /// Texts to floats.
    pub fn parse_float(&self, text: Plan) -> Plan {
        self.function(vec![text], PolarsType::Float64, |c| {
            let texts = c[0].str()?;
            let parsed: Result<Float64Chunked, EvalError> = texts.iter().map(|t| t.map(parse_float).transpose()).collect();
            Ok(parsed.map(IntoSeries::into_series))
        })
    }

    fn integers(&self, value: Plan, f: impl Fn(i64) -> Result<i64, EvalError> + Copy + Send + Sync + 'static) -> Plan {
        self.function(vec![value], PolarsType::Int64, move |c| Ok(map(c[0].i64()?, f).map(Int64Chunked::into_series)))
    }

    /// An element-wise function over columns of one length, of which some may be single values.
    pub fn function(
        &self,
        args: Vec<Plan>,
        result: PolarsType,
        f: impl Fn(&[Series]) -> PolarsResult<Result<Series, EvalError>> + Send + Sync + 'static,
    ) -> Plan {
        let (raised, empty) = (self.clone(), result.clone());
        let run = move |columns: &mut [Column]| {
            let name = columns[0].name().clone();
            if columns.iter().any(Column::is_empty) {
                // A constant that does not fit is no error where there is no row to need it.
                return Ok(Column::new_empty(name, &empty));
            }
            let args: Vec<Series> = columns.iter().map(Column::as_materialized_series_maintain_scalar).collect();
            let values = f(&args)?.map_err(|e| raised.raise(e))?;
            Ok(values.with_name(name).into_column())
        };
        map_multiple(run, args, move |_, fields| Ok(PolarsField::new(fields[0].name().clone(), result.clone())))
    }
}

fn divide(a: i64, b: i64) -> Result<i64, EvalError> {
    if b == 0 { Err(EvalError::DivisionByZero) } else { a.checked_div(b).ok_or(EvalError::OutOfRange) }
}

/// With the dividend's sign. That of the smallest integer by -1 is 0, although the quotient does not fit.
fn remainder(a: i64, b: i64) -> Result<i64, EvalError> {
    if b == 0 { Err(EvalError::DivisionByZero) } else { Ok(a.wrapping_rem(b)) }
}

fn float_op(op: BinaryOp, a: f64, b: f64) -> Result<f64, EvalError> {
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide | BinaryOp::Modulo if b == 0.0 => return Err(EvalError::DivisionByZero),
        BinaryOp::Divide => a / b,
        BinaryOp::Modulo => a % b,
        _ => unreachable!("{op:?} is no arithmetic"),
    };
    if value.is_infinite() && a.is_finite() && b.is_finite() { Err(EvalError::OutOfRange) } else { Ok(value) }
}

fn rounded(value: f64) -> Result<i64, EvalError> {
    /// 2^63, the first float above all 64-bit integers.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let whole = value.round_ties_even();
    if (-END..END).contains(&whole) { Ok(whole as i64) } else { Err(EvalError::OutOfRange) }
}

/// ASCII white space, a sign, decimal digits, ASCII white space.
fn parse_int(text: &str) -> Result<i64, EvalError> {
    let number = text.trim_ascii();
    let unsigned = number.strip_prefix('-').or_else(|| number.strip_prefix('+')).unwrap_or(number);
    if unsigned.is_empty() || unsigned.bytes().any(|b| !b.is_ascii_digit()) {
        return Err(EvalError::InvalidText { text: text.into(), to: DataType::Int });
    }
    number.parse().map_err(|_| EvalError::OutOfRange)
}

/// Digits that are too many for a float do not fit; the word "infinity" does.
fn parse_float(text: &str) -> Result<f64, EvalError> {
    let number = text.trim_ascii();
    let value: f64 = number.parse().map_err(|_| EvalError::InvalidText { text: text.into(), to: DataType::Float })?;
    if value.is_infinite() && number.contains(|c: char| c.is_ascii_digit()) { Err(EvalError::OutOfRange) } else { Ok(value) }
}

/// `f` of each value; NULL stays NULL.
fn map<T, O>(values: &ChunkedArray<T>, f: impl Fn(T::Native) -> Result<O::Native, EvalError>) -> Result<ChunkedArray<O>, EvalError>
where
    T: PolarsNumericType,
    O: PolarsNumericType,
{
    let chunk = |array: &PrimitiveArray<T::Native>| {
        let values = array.values().iter();
        let mapped: Vec<O::Native> = match array.validity() {
            None => values.map(|&v| f(v)).collect::<Result<_, _>>()?,
            Some(valid) => {
                values.zip(valid.iter()).map(|(&v, valid)| if valid { f(v) } else { Ok(O::Native::default()) }).collect::<Result<_, _>>()?
            }
        };
        Ok(PrimitiveArray::from_vec(mapped).with_validity(array.validity().cloned()))
    };
    let chunks = values.downcast_iter().map(chunk).collect::<Result<Vec<_>, EvalError>>()?;
    Ok(ChunkedArray::from_chunk_iter(values.name().clone(), chunks))
}

/// `f` of each pair of values, where a single value stands beside each of many; NULL where either is.
fn zip<T>(
    left: &ChunkedArray<T>,
    right: &ChunkedArray<T>,
    f: impl Fn(T::Native, T::Native) -> Result<T::Native, EvalError>,
) -> Result<ChunkedArray<T>, EvalError>
where
    T: PolarsNumericType,
{
    let null = |rows| Ok(ChunkedArray::full_null(left.name().clone(), rows));
    match (left.len(), right.len()) {
        (1, rows) if rows != 1 => return left.get(0).map_or_else(|| null(rows), |a| map(right, |b| f(a, b))),
        (rows, 1) if rows != 1 => return right.get(0).map_or_else(|| null(rows), |b| map(left, |a| f(a, b))),
        _ => {}
    }
    let (left, right) = align_chunks_binary(left, right);
    let chunk = |(left, right): (&PrimitiveArray<T::Native>, &PrimitiveArray<T::Native>)| {
        let pairs = left.values().iter().zip(right.values().iter());
        let validity = combine_validities_and(left.validity(), right.validity());
        let values: Vec<T::Native> = match &validity {
            None => pairs.map(|(&a, &b)| f(a, b)).collect::<Result<_, _>>()?,
            Some(valid) => {
                let value = |((&a, &b), valid)| if valid { f(a, b) } else { Ok(T::Native::default()) };
                pairs.zip(valid.iter()).map(value).collect::<Result<_, _>>()?
            }
        };
        Ok(PrimitiveArray::from_vec(values).with_validity(validity))
    };
    let chunks = left.downcast_iter().zip(right.downcast_iter()).map(chunk).collect::<Result<Vec<_>, EvalError>>()?;
    Ok(ChunkedArray::from_chunk_iter(left.name().clone(), chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from PostgreSQL's rules: the edges of 64 bits, and what is no number.
    #[test]
    fn edges() {
        assert_eq!(divide(i64::MIN, -1), Err(EvalError::OutOfRange));
        assert_eq!((divide(-7, 2), remainder(-7, 2), remainder(i64::MIN, -1)), (Ok(-3), Ok(-1), Ok(0)));
        assert_eq!((divide(1, 0), remainder(0, 0)), (Err(EvalError::DivisionByZero), Err(EvalError::DivisionByZero)));
        assert_eq!((rounded(0.5), rounded(1.5), rounded(-2.5)), (Ok(0), Ok(2), Ok(-2)));
        assert_eq!(
            (rounded(-9_223_372_036_854_775_808.0), rounded(9_223_372_036_854_775_808.0)),
            (Ok(i64::MIN), Err(EvalError::OutOfRange))
        );
        assert_eq!(rounded(f64::NAN), Err(EvalError::OutOfRange));
        assert_eq!((parse_int(" -12\n"), parse_int("+0")), (Ok(-12), Ok(0)));
        assert_eq!(parse_int("9223372036854775808"), Err(EvalError::OutOfRange));
        for text in ["", "-", "+-1", "1_000", "1.0", "٣"] {
            assert_eq!(parse_int(text), Err(EvalError::InvalidText { text: text.into(), to: DataType::Int }));
        }
        assert_eq!((parse_float(" 1e3 "), parse_float("-inf")), (Ok(1000.0), Ok(f64::NEG_INFINITY)));
        assert_eq!(parse_float("1e999"), Err(EvalError::OutOfRange));
        assert_eq!(float_op(BinaryOp::Divide, 0.0, -0.0), Err(EvalError::DivisionByZero));
        assert_eq!(float_op(BinaryOp::Multiply, 1e300, 1e300), Err(EvalError::OutOfRange));
        assert_eq!(float_op(BinaryOp::Modulo, -7.5, 2.0), Ok(-1.5));
    }

    /// Chunks that do not lie side by side, NULLs, and single values.
    #[test]
    fn chunks_nulls_and_single_values() {
        let add = |a: i64, b: i64| a.checked_add(b).ok_or(EvalError::OutOfRange);
        let column = |values: &[Option<i64>]| values.iter().copied().collect::<Int64Chunked>();
        let mut left = column(&[Some(1), None]);
        left.append(&column(&[Some(3)])).unwrap();
        let mut right = column(&[Some(10)]);
        right.append(&column(&[Some(i64::MAX), Some(30)])).unwrap();
        let sums = zip(&left, &right, add).unwrap();
        assert_eq!(sums.iter().collect::<Vec<_>>(), [Some(11), None, Some(33)]);
        let one = column(&[Some(5)]);
        assert_eq!(zip(&left, &one, add).unwrap().iter().collect::<Vec<_>>(), [Some(6), None, Some(8)]);
        assert_eq!(zip(&one, &left, |a, b| Ok(a - b)).unwrap().iter().collect::<Vec<_>>(), [Some(4), None, Some(2)]);
        assert_eq!(zip(&column(&[None]), &left, add).unwrap().null_count(), 3);
        assert_eq!(zip(&one, &right, add).err(), Some(EvalError::OutOfRange));
    }
}
