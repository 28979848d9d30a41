//! A query, made ready for differential dataflow.

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
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    pub method: Method,
    /// Which argument it is over; none for COUNT(*).
    pub arg: Option<usize>,
    pub arg_type: DataType,
    pub function: AggregateFunction,
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
            let arg = aggregate.arg.as_ref().map(|arg| {
                exprs.iter().position(|known| *known == arg).unwrap_or_else(|| {
                    exprs.push(arg);
                    exprs.len() - 1
                })
            });
            let method = method(aggregate, &mut sums)?;
            let arg_type = aggregate.arg.as_ref().map_or(DataType::Int, |a| a.data_type);
            aggregates.push(Planned { method, arg, arg_type, function: aggregate.function });
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
        (function, over) => {
            let over = over.map_or_else(|| "*".to_owned(), |t| format!("{t:?}"));
            return Err(unsupported(format!("the aggregate {}({over})", function.sql_name())));
        }
    })
}
