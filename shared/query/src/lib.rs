//! What is computed: filter, projection, window, grouping, aggregates, and what is done at answering time.
//!
//! A [`Query`] has two halves. The first (`filter`, `keys`, `aggregates`) is computed by the engines, incrementally
//! or in full, into groups of accumulators: a `GroupTable` (of the crate of views). The second (`output`, `having`, `order_by`, `distinct`, `offset`, `limit`)
//! is computed when an answer is asked for, by its `answer`. A window is a key like any other
//! ([`ExprKind::Tumble`]); a query without GROUP BY and aggregates groups by all its columns and repeats each group
//! as often as it was seen, so that engines know one shape only.
//!
//! ```
//! use arrow_schema::{DataType, Field, Schema};
//!
//! let schema = Schema::new(vec![Field::new("origin", DataType::Utf8, false), Field::new("delay", DataType::Int64, true)]);
//! let query = twopath_query::parse("SELECT origin, AVG(delay) FROM flights WHERE delay > 0 GROUP BY origin", "flights", &schema)?;
//! assert_eq!((query.keys.len(), query.aggregates.len()), (1, 1));
//!
//! let error = twopath_query::parse("SELECT dealy FROM flights", "flights", &schema).unwrap_err();
//! assert_eq!(error.to_string(), "line 1, column 8: topic flights has no column 'dealy': did you mean 'delay'?");
//! # Ok::<(), twopath_query::QueryError>(())
//! ```

pub mod arbitrary;
mod data_type;
mod decimal;
mod display;
mod function;
mod lowering;
mod number;
pub mod plan;
mod query;
mod sql;
pub mod time;
mod types;
pub mod values;

pub use decimal::{DIGITS_MAX, Decimal, QUOTIENT_SCALE};
pub use function::{Function, Pattern, Side};
pub use lowering::{Closing, Maintained, Program};
pub use number::parse_float;
pub use plan::{Late, Plan};
pub use query::{PanedWindows, Panes, Query};
pub use sql::{
    Lateness, QueryError, TopicSchema, column_type, logical_plan, logical_plan_knowing, logical_plan_over, not_lowered, parse, topics_of,
    with_views,
};
pub use types::{
    Aggregate, AggregateFunction, BinaryOp, DataType, Directions, EvalError, Expr, ExprKind, Field, NamedExpr, Order, Regression,
    TimeField, TimeUnit, UnaryOp, Value, log_column_type,
};
