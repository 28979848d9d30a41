//! SQL aggregates as polars aggregates, and what they give as the parts of accumulators.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::NullBuffer;
use polars::prelude::{DataFrame, DataType as PolarsType, Expr as Plan, PolarsResult, col, len, lit, when};
use twopath_query::{Aggregate, AggregateFunction, DataType};

use super::frame::to_arrow;
use crate::{BatchError, Engine};

/// The columns of aggregates over columns, each computed once.
#[derive(Debug, Default)]
pub struct Aggregates {
    /// What polars computes per group; named `p0`, `p1` and so on.
    pub exprs: Vec<Plan>,
}

/// One aggregate's columns among those that polars computes.
#[derive(Debug, Clone)]
pub enum Parts {
    /// Of this SQL type.
    Column(usize, DataType),
    /// An exact sum, and the count of the values in it.
    Sum { sum: usize, count: usize },
    /// The same, both being wanted.
    Avg { sum: usize, count: usize },
    /// The list of the values, which are of this SQL type.
    List(usize, DataType),
}

impl Aggregates {
    /// Adds `aggregate`, whose argument is the column `arg`. `global` says that all rows are one group, and there is no GROUP BY.
    pub fn add(&mut self, aggregate: &Aggregate, arg: Option<&str>, global: bool) -> Result<Parts, BatchError> {
        use AggregateFunction::*;
        let unsupported =
            || BatchError::Unsupported { engine: Engine::Polars, what: format!("the aggregate {}", aggregate.function.sql_name()) };
        let (Some(name), Some(data_type)) = (arg, aggregate.arg.as_ref().map(|a| a.data_type)) else {
            return Ok(Parts::Column(self.place(len().cast(PolarsType::Int64)), DataType::Int));
        };
        let values = || col(name);
        let count = || values().count().cast(PolarsType::Int64);
        let list = |these: Plan| if global { these.implode(false) } else { these };
        Ok(match (aggregate.function, data_type) {
            (Count, _) => Parts::Column(self.place(count()), DataType::Int),
            // polars' own sum of floats depends on their order.
            // 128 bits need not hold a sum of numbers of 38 digits.
            (Sum | Avg, DataType::Numeric | DataType::Decimal { .. }) => Parts::List(self.place(list(values())), data_type),
            (Sum | Avg, DataType::Float) => Parts::List(self.place(list(values())), data_type),
            (Sum | Avg, DataType::Int | DataType::Interval) => {
                // polars' sum of 64-bit integers wraps around.
                let (sum, count) = (self.place(values().cast(PolarsType::Int128).sum()), self.place(count()));
                if aggregate.function == Sum { Parts::Sum { sum, count } } else { Parts::Avg { sum, count } }
            }
            (Min, _) => Parts::Column(self.place(values().min()), data_type),
            // polars leaves NaN out, which in SQL is the greatest.
            (Max, DataType::Float) => {
                let any_nan = values().is_nan().sum().gt(lit(0u32));
                Parts::Column(self.place(when(any_nan).then(lit(f64::NAN)).otherwise(values().max())), data_type)
            }
            (Max, _) => Parts::Column(self.place(values().max()), data_type),
            (CountDistinct | SumDistinct | AvgDistinct, _) => Parts::List(self.place(list(values().unique())), data_type),
            (ApproxCountDistinct | ApproxQuantile(_), _) => Parts::List(self.place(list(values())), data_type),
            // polars' own variances are rounded on the way, and bits it has not in the feature set.
            (VarPop | VarSamp | PercentileCont(_) | PercentileDisc(_) | Mode | BitAnd | BitOr | BitXor, _) => {
                Parts::List(self.place(list(values())), data_type)
            }
            _ => return Err(unsupported()),
        })
    }

    fn place(&mut self, expr: Plan) -> usize {
        // Each is named for its place, so that names are compared last.
        let known = self.exprs.iter().position(|e| matches!(e, Plan::Alias(inner, _) if **inner == expr));
        known.unwrap_or_else(|| {
            let at = self.exprs.len();
            self.exprs.push(expr.alias(part_name(at).as_str()));
            at
        })
    }
}

impl Parts {
    /// The aggregate's columns as [`GroupTable::from_parts`](twopath_view::GroupTable::from_parts) takes them.
    pub fn columns(&self, groups: &DataFrame) -> PolarsResult<Vec<ArrayRef>> {
        let column = |at: usize, t: DataType| to_arrow(groups.column(&part_name(at))?.as_materialized_series(), t);
        Ok(match *self {
            Parts::Column(at, t) | Parts::List(at, t) => vec![column(at, t)?],
            Parts::Sum { sum, count } => vec![null_where_none(&column(sum, DataType::Numeric)?, &column(count, DataType::Int)?)],
            Parts::Avg { sum, count } => vec![column(sum, DataType::Numeric)?, column(count, DataType::Int)?],
        })
    }
}

/// polars' sum over no value is 0, SQL's is NULL.
fn null_where_none(sums: &ArrayRef, counts: &ArrayRef) -> ArrayRef {
    let some: NullBuffer = counts.as_primitive::<Int64Type>().values().iter().map(|&n| n > 0).collect();
    let data = sums.to_data().into_builder().nulls(Some(some).filter(|n| n.null_count() > 0)).build();
    make_array(data.expect("as many counts as sums"))
}

fn part_name(at: usize) -> String {
    format!("p{at}")
}
