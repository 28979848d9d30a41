//! What is computed: filter, projection, window, grouping, aggregates, and what is done at answering time.
//!
//! A [`Query`] has two halves. The first (`filter`, `keys`, `aggregates`) is computed by the engines, incrementally
//! or in full, into groups of accumulators: a `GroupTable` (of the crate of views). The second (`output`, `having`, `order_by`, `distinct`, `offset`, `limit`)
//! is computed when an answer is asked for, by its `answer`. A window is a key like any other
//! ([`ExprKind::Tumble`]); a query without GROUP BY and aggregates groups by all its columns and repeats each group
//! as often as it was seen, so that engines know one shape only.

pub mod arbitrary;
mod decimal;
mod display;
mod function;
pub mod plan;
mod sql;
pub mod time;
mod types;
pub mod values;

pub use decimal::{DIGITS_MAX, Decimal, QUOTIENT_SCALE};
pub use function::{Function, Side};
pub use plan::Plan;
pub use sql::{QueryError, column_type, logical_plan, parse, topic_of};
pub use types::{
    Aggregate, AggregateFunction, BinaryOp, DataType, EvalError, Expr, ExprKind, Field, NamedExpr, Order, Query, TimeField, TimeUnit,
    UnaryOp, Value,
};
