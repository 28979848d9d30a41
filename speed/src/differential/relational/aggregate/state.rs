//! What an aggregate comes to over values that are all there.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use twopath_query::values::Columns;
use twopath_query::{Aggregate, AggregateFunction, DataType, EvalError, Expr, NamedExpr, Query};
use twopath_view::{GroupTable, answer_groups};

use super::Tuple;
use crate::differential::columns::{column, numeric};
use crate::differential::datum::Datum;
use crate::differential::expr::Evaluated;
use crate::differential::linear::Sum;

/// Up to here, whole numbers are floats, and a quotient of two is rounded once.
const EXACT_MAX: u128 = 1 << 53;

/// An aggregate over arguments by their places.
pub struct Planned {
    method: Method,
    /// None of COUNT(*).
    args: Vec<usize>,
    types: Vec<DataType>,
    /// The aggregate alone, as the view finishes it.
    alone: Arc<Query>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Count,
    /// Over whole numbers and intervals.
    Sum,
    Mean,
    Min,
    Max,
    Distinct,
    /// By the view's accumulator, from all values.
    Values,
}

impl Planned {
    /// Puts the arguments into `exprs`, each once.
    pub fn new(aggregate: &Aggregate, exprs: &mut Vec<Expr>) -> Self {
        let mut place = |expr: &Expr| {
            exprs.iter().position(|known| known == expr).unwrap_or_else(|| {
                exprs.push(expr.clone());
                exprs.len() - 1
            })
        };
        let args: Vec<usize> = aggregate.args().map(&mut place).collect();
        let types: Vec<DataType> = aggregate.args().map(|e| e.data_type).collect();
        let method = match (aggregate.function, types.first()) {
            (AggregateFunction::Count, _) => Method::Count,
            (AggregateFunction::Sum, Some(DataType::Int | DataType::Interval)) => Method::Sum,
            (AggregateFunction::Avg, Some(DataType::Int | DataType::Interval)) => Method::Mean,
            (AggregateFunction::Min, _) => Method::Min,
            (AggregateFunction::Max, _) => Method::Max,
            (AggregateFunction::CountDistinct, _) => Method::Distinct,
            _ => Method::Values,
        };
        let mut columns = types.iter().enumerate().map(|(i, &t)| Expr::column(i, t));
        let arg = aggregate.arg.as_ref().and_then(|_| columns.next());
        let over = Aggregate { function: aggregate.function, arg, beside: columns.collect() };
        let output = vec![NamedExpr { name: "value".to_owned(), expr: Expr::column(0, over.data_type()) }];
        let alone = Arc::new(Query { aggregates: vec![over], output, ..Query::over(String::new(), Vec::new()) });
        Planned { method, args, types, alone }
    }

    /// Whether what a row adds, its retraction takes away.
    pub fn is_linear(&self) -> bool {
        matches!(self.method, Method::Count | Method::Sum | Method::Mean)
    }

    /// What a row adds to a linear aggregate.
    pub fn sum(&self, args: &Tuple) -> Sum {
        match self.args.first().map(|&arg| &args[arg]) {
            Some(Datum::Null) => Sum::default(),
            Some(Datum::Int(v) | Datum::Interval(v)) => Sum { sum: i128::from(*v), count: 1 },
            _ => Sum { sum: 0, count: 1 },
        }
    }

    /// The value of a linear aggregate.
    pub fn of_sum(&self, Sum { sum, count }: Sum) -> Evaluated {
        let is_interval = self.types.first() == Some(&DataType::Interval);
        match self.method {
            Method::Count => Ok(Datum::Int(count)),
            _ if count == 0 => Ok(Datum::Null),
            Method::Sum if is_interval => i64::try_from(sum).map(Datum::Interval).map_err(|_| EvalError::OutOfRange),
            Method::Sum => Ok(Datum::numeric(sum)),
            // A mean lies between the values, so that it fits.
            Method::Mean if is_interval => Ok(Datum::Interval((sum / i128::from(count)) as i64)),
            Method::Mean if sum.unsigned_abs() <= EXACT_MAX => Ok(Datum::Float(sum as f64 / count as f64)),
            Method::Mean => {
                let parts: Vec<ArrayRef> = vec![numeric([Some(sum)].into_iter()), Arc::new(Int64Array::from(vec![count]))];
                self.finished(&GroupTable::from_parts(&self.alone, &[], &[parts]).expect("a sum and a count"))
            }
            method => unreachable!("{method:?} is not linear"),
        }
    }

    /// As the view finishes it.
    fn finished(&self, table: &GroupTable) -> Evaluated {
        let (answer, _) = answer_groups(&self.alone, table, vec![0])?;
        Ok(Columns::of(&answer).get(0, 0)?.into())
    }
}

/// What an aggregate has seen.
pub enum State {
    Sum(Sum),
    Extreme(Option<Datum>),
    Distinct(BTreeSet<Datum>),
    /// Per argument all values, each as often as it was there.
    Values(Vec<Vec<Datum>>),
}

impl State {
    pub fn new(aggregate: &Planned) -> Self {
        match aggregate.method {
            Method::Count | Method::Sum | Method::Mean => State::Sum(Sum::default()),
            Method::Min | Method::Max => State::Extreme(None),
            Method::Distinct => State::Distinct(BTreeSet::new()),
            Method::Values => State::Values(vec![Vec::new(); aggregate.args.len()]),
        }
    }

    /// Adds `n` rows with these arguments.
    pub fn add(&mut self, aggregate: &Planned, args: &Tuple, n: isize) {
        let value = || aggregate.args.first().map(|&arg| &args[arg]).filter(|value| !value.is_null());
        match self {
            State::Sum(sum) => {
                let more = aggregate.sum(args);
                *sum = Sum { sum: sum.sum + more.sum * n as i128, count: sum.count + more.count * n as i64 };
            }
            State::Extreme(extreme) => {
                let is_further = |value: &&Datum| match (&extreme, aggregate.method) {
                    (None, _) => true,
                    (Some(extreme), Method::Min) => *value < extreme,
                    (Some(extreme), _) => *value > extreme,
                };
                if let Some(value) = value().filter(is_further) {
                    *extreme = Some(value.clone());
                }
            }
            State::Distinct(seen) => {
                if let Some(value) = value().filter(|value| !seen.contains(value)) {
                    seen.insert(value.clone());
                }
            }
            State::Values(values) => {
                for (values, &arg) in values.iter_mut().zip(&aggregate.args) {
                    values.extend(std::iter::repeat_n(&args[arg], usize::try_from(n).unwrap_or(0)).cloned());
                }
            }
        }
    }

    pub fn value(&self, aggregate: &Planned) -> Evaluated {
        match self {
            State::Sum(sum) => aggregate.of_sum(*sum),
            State::Extreme(extreme) => Ok(extreme.clone().unwrap_or(Datum::Null)),
            State::Distinct(seen) => Ok(Datum::Int(seen.len() as i64)),
            State::Values(values) => {
                let columns = values.iter().zip(&aggregate.types).map(|(values, &t)| column(values.iter(), t)).collect::<Vec<_>>();
                let mut table = GroupTable::new(&aggregate.alone);
                table.update(&[], &[columns], values[0].len())?;
                aggregate.finished(&table)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(function: AggregateFunction, t: DataType, values: &[(Datum, isize)]) -> Evaluated {
        let planned = Planned::new(&Aggregate::new(function, Some(Expr::column(0, t))), &mut Vec::new());
        let mut state = State::new(&planned);
        values.iter().for_each(|(value, n)| state.add(&planned, &Tuple::from([value.clone()]), *n));
        state.value(&planned)
    }

    #[test]
    fn values_count_as_often_as_they_are_there() {
        let floats = [(Datum::Float(0.5), 2), (Datum::Null, 3), (Datum::Float(4.0), 1)];
        assert_eq!(value(AggregateFunction::Count, DataType::Float, &floats), Ok(Datum::Int(3)));
        assert_eq!(value(AggregateFunction::Sum, DataType::Float, &floats), Ok(Datum::Float(5.0)));
        assert_eq!(value(AggregateFunction::CountDistinct, DataType::Float, &floats), Ok(Datum::Int(2)));
        assert_eq!(value(AggregateFunction::Max, DataType::Float, &floats), Ok(Datum::Float(4.0)));
        assert_eq!(value(AggregateFunction::Max, DataType::Float, &floats[1..2]), Ok(Datum::Null));
    }

    #[test]
    fn means_of_large_numbers_are_rounded_once() {
        let large = (1_i64 << 53) + 1;
        let mean = value(AggregateFunction::Avg, DataType::Int, &[(Datum::Int(large), 1), (Datum::Int(large + 1), 2)]);
        // The mean is 2^53 + 1 + 2/3, which lies nearest to 2^53 + 2.
        assert_eq!(mean, Ok(Datum::Float(9_007_199_254_740_994.0)));
        let sum = value(AggregateFunction::Sum, DataType::Interval, &[(Datum::Interval(i64::MAX), 2)]);
        assert_eq!(sum, Err(EvalError::OutOfRange));
    }
}
