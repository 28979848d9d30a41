//! SQL to a logical plan.
//!
//! The text is parsed by the `sqlparser` crate; what is done here is binding: names become column indexes, every expression gets
//! a type, conversions become casts, and the short forms (BETWEEN, IN, COALESCE, NULLIF, ABS, FILTER, BOOL_AND ...) become the few kinds of
//! [`ExprKind`] that engines know. What is not supported is refused with its place and with what to write instead.

mod aggregate;
mod dialect;
mod expr;
mod from;
mod function;
mod literal;
mod operator;
mod scalar;
mod scope;
mod select;
mod source;
mod temporal;
mod topic;

use arrow_schema::Schema;

use super::plan::Plan;
use super::types::*;
pub use scope::data_type as column_type;
use source::Source;
pub use topic::topic_of;

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

/// The query that `sql` asks of the topic `topic` with the columns of `schema`: its logical plan, lowered.
///
/// # Errors
/// Where the text is not one SELECT statement that Twopath supports over this topic: the place, what is wrong, what to write instead.
pub fn parse(sql: &str, topic: &str, schema: &Schema) -> Result<Query, QueryError> {
    let plan = logical_plan(sql, topic, schema)?;
    plan.lower().map_err(|e| Source::new(sql).error_at(e.span, e.message))
}

/// The logical plan of what `sql` asks of the topic `topic` with the columns of `schema`.
///
/// # Errors
/// As [`parse`], but for plans that no engine computes yet.
pub fn logical_plan(sql: &str, topic: &str, schema: &Schema) -> Result<Plan, QueryError> {
    let source = Source::new(sql);
    let fields = scope::fields(topic, schema).map_err(|message| source.error_at_start(message))?;
    let ast = source.parse()?;
    select::bind(&source, topic, fields, &ast)
}
