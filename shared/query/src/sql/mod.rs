//! SQL to a logical plan.
//!
//! The text is parsed by the `sqlparser` crate; what is done here is binding: names become column indexes, every expression gets
//! a type, conversions become casts, and the short forms (BETWEEN, IN, COALESCE, NULLIF, ABS, FILTER, BOOL_AND ...) become the few kinds of
//! [`ExprKind`] that engines know. What is not supported is refused with its place and with what to write instead.

mod aggregate;
mod dialect;
mod emit;
mod expr;
mod frame;
mod from;
mod function;
mod group_window;
mod grouping;
mod join;
mod lateral;
mod literal;
mod operator;
mod order;
mod ordered;
mod over;
mod regex;
mod row;
mod row_text;
mod scalar;
mod scope;
mod select;
mod source;
mod subquery;
mod table_function;
mod temporal;
mod time_format;
mod topic;
mod union;
mod values;
mod window_clause;

use arrow_schema::Schema;

use super::plan::{NotLowered, Plan};
use super::query::Query;
pub use from::TopicSchema;
pub use scope::data_type as column_type;
pub use source::Lateness;
use source::Source;
pub use topic::{topics_of, with_views};

/// Why a SQL text is not a query, with the place in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct QueryError {
    /// What is wrong and what to write instead.
    pub message: String,
    /// 1-based line and column (in characters) in the SQL text.
    pub line: u64,
    pub column: u64,
    /// Byte range in the SQL text that the message is about.
    pub span: std::ops::Range<usize>,
}

impl QueryError {
    /// The message with the line that it is about and a mark under the place, for people.
    pub fn report(&self, sql: &str) -> String {
        let line = sql.lines().nth(self.line.saturating_sub(1) as usize).unwrap_or("");
        let marked = sql.get(self.span.clone()).unwrap_or("").lines().next().unwrap_or("").chars().count().max(1);
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let indent: String = line.chars().take(self.column.saturating_sub(1) as usize).map(|c| if c == '\t' { c } else { ' ' }).collect();
        format!("{}\n{margin} |\n{number} | {line}\n{margin} | {indent}{}", self.message, "^".repeat(marked))
    }
}

/// The query that `sql` asks of the topic `topic` with the columns of `schema`: its logical plan, lowered to the one shape that engines keep ([`Plan::query`]).
///
/// # Errors
/// Where the text is not one SELECT statement that Twopath supports over this topic: the place, what is wrong, what to write instead.
pub fn parse(sql: &str, topic: &str, schema: &Schema) -> Result<Query, QueryError> {
    let plan = logical_plan(sql, topic, schema)?;
    plan.query().map_err(|e| not_lowered(sql, e))
}

/// What cannot be lowered, with its place in the text.
pub fn not_lowered(sql: &str, error: NotLowered) -> QueryError {
    Source::new(sql).error_at(error.span, error.message)
}

/// The logical plan of what `sql` asks of the topic `topic` with the columns of `schema`.
///
/// # Errors
/// As [`parse`], but for plans of other shapes.
pub fn logical_plan(sql: &str, topic: &str, schema: &Schema) -> Result<Plan, QueryError> {
    logical_plan_over(sql, &[TopicSchema { name: topic, schema, key: None, time: None }])
}

/// The logical plan of what `sql` asks of these topics.
///
/// # Errors
/// As [`logical_plan`].
pub fn logical_plan_over(sql: &str, topics: &[TopicSchema<'_>]) -> Result<Plan, QueryError> {
    bound(&Source::new(sql), topics)
}

/// As [`logical_plan_over`], for one who knows how late records come: what `WATERMARK(TABLE t, DESCRIPTOR(c), PERCENTILE(0.99))` means.
///
/// ```
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use twopath_query::{TopicSchema, logical_plan_knowing};
/// let schema = Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true)]);
/// let clicks = TopicSchema { name: "clicks", schema: &schema, key: None, time: Some("at") };
/// let sql = "SELECT COUNT(*) FROM WATERMARK(TABLE clicks, DESCRIPTOR(at), PERCENTILE(0.99))";
/// let plan = logical_plan_knowing(sql, &[clicks], &|topic, column, share| {
///     assert_eq!((topic, column, share), ("clicks", "at", 0.99));
///     Ok(7_000_000)
/// })?;
/// assert_eq!(plan.late()[0].delay_us, 7_000_000);
/// # Ok::<(), twopath_query::QueryError>(())
/// ```
///
/// # Errors
/// As [`logical_plan`], and where that is not known.
pub fn logical_plan_knowing(sql: &str, topics: &[TopicSchema<'_>], lateness: &Lateness<'_>) -> Result<Plan, QueryError> {
    bound(&Source::knowing(sql, lateness), topics)
}

fn bound(source: &Source<'_>, topics: &[TopicSchema<'_>]) -> Result<Plan, QueryError> {
    let ast = source.parse()?;
    select::bind(source, topics, &ast)
}
