//! A query, made ready for differential dataflow.

use std::sync::Arc;

use twopath_query::{Aggregate, AggregateFunction, DataType, EvalError, Expr, Query};

use super::datum::Datum;
use super::expr::{Compiled, Row, compile, unsupported};
use crate::error::SpeedError;

/// How differential computes an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// COUNT, SUM, AVG over whole numbers and intervals: exploded into the difference, at this place of it.
    Linear(usize),
    /// AVG over floats and decimals: its values are counted elements (see [`Method::Multiset`]), and the difference counts them, too.
    LinearMultiset(usize),
    /// Each value as often as it occurs: for sums of floats, which are exact and independent of order only if they are handed over value by
    /// value, for sums of decimals, which 128 bits need not hold, for variances and percentiles, bits and quantile sketches.
    Multiset,
    /// Each value once: COUNT(DISTINCT) and its sketch.
    Distinct,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// All that it is over in a row ([`Planned::tuple`]), as often as it occurs: pairs, and values with what they go by.
    Tuples,
}

/// The first half of a query over the columns that it reads and no others.
pub struct Plan {
    /// The topic's columns to read, ascending.
    pub projection: Vec<usize>,
    filter: Option<Compiled>,
    keys: Vec<Compiled>,
    /// What aggregates are over, each once.
    args: Vec<Compiled>,
    pub aggregates: Vec<Planned>,
    /// How many linear aggregates there are.
    pub sums: usize,
}

/// One aggregate.
#[derive(Debug, Clone)]
pub struct Planned {
    pub method: Method,
    /// Which argument it is over; none for COUNT(*).
    pub arg: Option<usize>,
    pub arg_type: DataType,
    pub function: AggregateFunction,
    /// Of what looks at several values of a row: which arguments those are, and their types.
    pub tuple: Vec<(usize, DataType)>,
}

impl Planned {
    /// What a row counts with, by its arguments; `None` where it does not count.
    pub fn tuple_of(&self, args: &[Datum]) -> Option<Arc<[Datum]>> {
        use AggregateFunction::{Regression, StringAgg};
        let values = || self.tuple.iter().map(|&(arg, _)| &args[arg]);
        let is_left_out = match self.function {
            Regression(_) => values().any(Datum::is_null),
            // FILTER leaves NULL in the last of them.
            StringAgg { .. } => values().next().is_some_and(Datum::is_null) || values().next_back().is_some_and(Datum::is_null),
            _ => values().next_back().is_some_and(Datum::is_null),
        };
        (!is_left_out).then(|| values().cloned().collect())
    }
}

/// What a row comes to: its key, and the values of the arguments.
pub struct Folded {
    pub key: Vec<Datum>,
    pub args: Vec<Datum>,
}

impl Plan {
    /// # Errors
    /// [`SpeedError::Unsupported`] names what of the query this engine does not know.
    pub fn new(query: &Query) -> Result<Self, SpeedError> {
        let projection = query.columns_read();
        let filter = query.filter.as_ref().map(|f| compile(&f.over(&projection))).transpose()?;
        let keys = query.keys.iter().map(|k| compile(&k.expr.over(&projection))).collect::<Result<_, _>>()?;
        let mut exprs: Vec<&Expr> = Vec::new();
        let mut sums = 0;
        let mut aggregates = Vec::new();
        for aggregate in &query.aggregates {
            let method = method(aggregate, &mut sums)?;
            let arg = aggregate.arg.as_ref().map(|arg| number_of(arg, &mut exprs));
            let arg_type = aggregate.arg.as_ref().map_or(DataType::Int, |a| a.data_type);
            let looked_at = aggregate.args().filter(|_| method == Method::Tuples);
            let tuple = looked_at.map(|arg| (number_of(arg, &mut exprs), arg.data_type)).collect();
            aggregates.push(Planned { method, arg, arg_type, function: aggregate.function, tuple });
        }
        let args = exprs.into_iter().map(|e| compile(&e.over(&projection))).collect::<Result<_, _>>()?;
        Ok(Plan { projection, filter, keys, args, aggregates, sums })
    }

    /// Filters and evaluates a row; `None` where it is filtered out.
    ///
    /// # Errors
    /// What the row raises.
    pub fn fold(&self, row: Row<'_, '_>) -> Result<Option<Folded>, EvalError> {
        if let Some(filter) = &self.filter
            && !filter.is_true(row)?
        {
            return Ok(None);
        }
        let key = self.keys.iter().map(|k| Ok(k.eval(row)?.into_key())).collect::<Result<_, EvalError>>()?;
        let args = self.args.iter().map(|a| a.eval(row)).collect::<Result<_, _>>()?;
        Ok(Some(Folded { key, args }))
    }
}

/// Which of the arguments this is, from now on.
fn number_of<'q>(arg: &'q Expr, args: &mut Vec<&'q Expr>) -> usize {
    args.iter().position(|known| *known == arg).unwrap_or_else(|| {
        args.push(arg);
        args.len() - 1
    })
}

/// The one place where aggregates are known.
fn method(aggregate: &Aggregate, sums: &mut usize) -> Result<Method, SpeedError> {
    use AggregateFunction::*;
    let mut next = || {
        *sums += 1;
        *sums - 1
    };
    let over = aggregate.arg.as_ref().map(|a| a.data_type);
    Ok(match (aggregate.function, over) {
        (Count, _) => Method::Linear(next()),
        (Sum | Avg, Some(DataType::Int | DataType::Interval)) => Method::Linear(next()),
        (Sum, Some(_)) => Method::Multiset,
        (Avg, Some(_)) => Method::LinearMultiset(next()),
        (ApproxQuantile(_), Some(DataType::Int | DataType::Float)) => Method::Multiset,
        (VarPop | VarSamp | PercentileCont(_) | PercentileDisc(_) | Mode | BitAnd | BitOr | BitXor, Some(_)) => Method::Multiset,
        (CountDistinct | SumDistinct | AvgDistinct | ApproxCountDistinct, Some(_)) => Method::Distinct,
        (Min, Some(_)) => Method::Min,
        (Max, Some(_)) => Method::Max,
        (FirstValue { .. } | LastValue { .. } | FirstBy { .. } | StringAgg { .. } | Regression(_), Some(_)) => Method::Tuples,
        (function, over) => {
            let over = over.map_or_else(|| "*".to_owned(), |t| format!("{t:?}"));
            return Err(unsupported(format!("the aggregate {}({over})", function.sql_name())));
        }
    })
}
