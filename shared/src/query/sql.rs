//! SQL to one logical query.

use super::types::*;

/// Why a SQL text is not a query, with the place in the text.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// What is wrong and what to write instead.
    pub message: String,
    /// 1-based line and column in the SQL text, where known.
    pub line: u64,
    pub column: u64,
    /// Byte range in the SQL text that the message is about.
    pub span: std::ops::Range<usize>,
}

/// Parses `sql` against the topic `topic` with the columns of `schema`.
pub fn parse(_sql: &str, _topic: &str, _schema: &arrow_schema::Schema) -> Result<Query, QueryError> {
    todo!()
}
