//! What a feed makes of its input: rows, or the changes of groups.

use arrow_schema::SchemaRef;
use serde::Serialize;
use twopath_log::{Records, TopicConfig};
use twopath_query::Query;

use super::sink::Sink;
use super::{Changelog, FeedError, FeedReport, RowQuery};

/// Which of the two a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    Rows,
    Changelog,
}

impl FeedKind {
    /// What a feed of this query is.
    pub fn of(query: &Query) -> FeedKind {
        if query.rows { FeedKind::Rows } else { FeedKind::Changelog }
    }
}

/// A feed's query, made ready.
pub(super) enum FeedQuery {
    Rows(Box<RowQuery>),
    Changes(Box<Changelog>),
}

impl FeedQuery {
    /// # Errors
    /// [`FeedError::NoFeed`]: what the query has that a feed cannot do.
    pub fn new(query: Query) -> Result<FeedQuery, FeedError> {
        Ok(match FeedKind::of(&query) {
            FeedKind::Rows => FeedQuery::Rows(Box::new(RowQuery::new(query)?)),
            FeedKind::Changelog => FeedQuery::Changes(Box::new(Changelog::new(query)?)),
        })
    }

    /// Of what it gives: the select list in canonical types, all nullable.
    pub fn schema(&self) -> &SchemaRef {
        match self {
            FeedQuery::Rows(rows) => rows.schema(),
            FeedQuery::Changes(changes) => changes.schema(),
        }
    }

    /// The columns of the input that it reads, ascending; all where `None`.
    pub fn projection(&self) -> Option<Vec<usize>> {
        match self {
            FeedQuery::Rows(rows) => rows.projection(),
            FeedQuery::Changes(changes) => Some(changes.projection().to_vec()),
        }
    }

    /// That what it gives finds its partition in such a topic; an error says what is wrong.
    pub fn check_output(&self, config: &TopicConfig) -> Result<(), String> {
        match self {
            FeedQuery::Rows(_) => Ok(()),
            FeedQuery::Changes(changes) => changes.check_output(config),
        }
    }

    /// Appends what comes of the input's records and is not there yet.
    pub fn take(&mut self, records: &Records, sink: &mut Sink<'_>, report: &mut FeedReport) -> Result<(), FeedError> {
        report.rows_read += records.batch.num_rows() as u64;
        match self {
            FeedQuery::Rows(rows) => rows.take(records, sink, report),
            FeedQuery::Changes(changes) => changes.take(records, sink, report),
        }
    }
}

/// That a feed can do without what the query says of order and number.
pub(super) fn check_unordered(query: &Query) -> Result<(), FeedError> {
    let refuse = |what: &str| Err(FeedError::NoFeed { what: what.into() });
    if !query.order_by.is_empty() {
        return refuse("leave ORDER BY out; the order is the input's");
    }
    if query.limit.is_some() || query.offset > 0 {
        return refuse("leave LIMIT and OFFSET out");
    }
    if query.distinct {
        return refuse("leave DISTINCT out, and GROUP BY the columns");
    }
    Ok(())
}
