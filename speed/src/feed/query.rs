//! What a feed makes of its input: rows, or the changes of groups.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::Serialize;
use twopath_base::{Offset, PartitionId};
use twopath_log::{Topic, TopicConfig};
use twopath_query::{Closing, DataType, EvalError, Expr, ExprKind, Query};
use twopath_view::GroupTable;

use super::changelog::{Changelog, check_uncompacted, check_whole};
use super::closing::Windows;
use super::firing::Firings;
use super::rows::RowQuery;
use super::table::Table;
use crate::error::SpeedError;
use crate::sink::topic::TopicSink;
use crate::state::Backend;

/// What a feed appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    Rows,
    Changelog,
    /// Windows, each once, when it closes.
    Windows,
    /// The rows of a query of any shape: each change of one, by its key.
    Table,
}

impl FeedKind {
    /// That such a feed can keep its state there.
    ///
    /// # Errors
    /// [`SpeedError::KeptRows`]: rows of a table come to rest in checkpoints alone. [`SpeedError::NoState`]: it has none to keep.
    pub fn check_state(self, feed: &str, backend: &Backend) -> Result<(), SpeedError> {
        let name = || feed.to_owned();
        match (self, backend) {
            (_, Backend::Memory) | (FeedKind::Changelog, _) | (FeedKind::Table, Backend::Checkpoints(_)) => Ok(()),
            (FeedKind::Table, _) => Err(SpeedError::KeptRows { name: name() }),
            (FeedKind::Rows | FeedKind::Windows, _) => Err(SpeedError::NoState { name: name() }),
        }
    }
}

/// A feed's query, made ready.
#[derive(Debug, Clone)]
pub struct FeedQuery(pub(super) Form);

#[derive(Debug, Clone)]
pub(super) enum Form {
    Rows(Box<RowQuery>),
    Changes(Box<Changelog>),
    Windows(Box<Windows>),
    Table(Box<Table>),
}

/// What came of one frame, or of a part of it that some output partitions do not have yet.
pub(super) struct Change {
    /// The input partition.
    pub from: PartitionId,
    /// The input's records: the first offset, and the first one after them.
    pub base: Offset,
    pub end: Offset,
    /// By output partition, ascending.
    pub made: Made,
}

pub(super) enum Made {
    Rows(Vec<(PartitionId, RecordBatch)>),
    /// The frame's groups, and which of them belong to each output partition.
    Groups(Arc<GroupTable>, Vec<(PartitionId, Vec<u32>)>),
}

impl Change {
    /// Output partition *q* is the worker's whose number is *q* modulo their number.
    pub fn by_worker(self, peers: usize) -> Vec<(usize, Change)> {
        if peers == 1 {
            return vec![(0, self)];
        }
        let Change { from, base, end, made } = self;
        let of = |worker: usize| {
            let made = match &made {
                Made::Rows(rows) => Made::Rows(those_of(rows, worker, peers)),
                Made::Groups(groups, parts) => Made::Groups(Arc::clone(groups), those_of(parts, worker, peers)),
            };
            let none = matches!(&made, Made::Rows(rows) if rows.is_empty()) || matches!(&made, Made::Groups(_, parts) if parts.is_empty());
            (!none).then_some((worker, Change { from, base, end, made }))
        };
        (0..peers).filter_map(of).collect()
    }
}

fn those_of<T: Clone>(parts: &[(PartitionId, T)], worker: usize, peers: usize) -> Vec<(PartitionId, T)> {
    parts.iter().filter(|(q, _)| q.index() % peers == worker).cloned().collect()
}

impl FeedQuery {
    /// # Errors
    /// [`SpeedError::NoFeed`]: what the query has that a feed cannot do.
    pub fn new(query: Query) -> Result<FeedQuery, SpeedError> {
        if query.finish.is_some() || query.distinct || query.panes.is_some() {
            check_order(&query)?;
            return Self::kept(query.with_whole_plan().maintained().expect("a query with a whole plan"));
        }
        Ok(FeedQuery(match query.rows {
            true => Form::Rows(Box::new(RowQuery::new(query)?)),
            false => Form::Changes(Box::new(Changelog::new(query)?)),
        }))
    }

    /// Of a table, all of whose rows are kept: of a plan of any shape, over one topic or several ([`twopath_query::Plan::maintained`]).
    ///
    /// # Errors
    /// [`SpeedError::NoFeed`]: what of the plan the engine does not keep.
    pub fn kept(plan: twopath_query::Maintained) -> Result<FeedQuery, SpeedError> {
        Ok(FeedQuery(Form::Table(Box::new(Table::new(plan)?))))
    }

    /// Of windows that are appended when they close, and before that as `firings` says.
    ///
    /// # Errors
    /// [`SpeedError::NoFeed`]: what the query has that a feed cannot do, or not with those firings.
    pub fn closing(closing: Closing, firings: Firings) -> Result<FeedQuery, SpeedError> {
        Ok(FeedQuery(Form::Windows(Box::new(Windows::new(closing, firings)?))))
    }

    /// The windows, of a feed that appends them.
    pub(crate) fn into_windows(self) -> Option<Windows> {
        match self.0 {
            Form::Windows(windows) => Some(*windows),
            _ => None,
        }
    }

    /// The table, of a feed that appends its changes.
    pub(crate) fn into_table(self) -> Option<Table> {
        match self.0 {
            Form::Table(table) => Some(*table),
            _ => None,
        }
    }

    pub fn kind(&self) -> FeedKind {
        match &self.0 {
            Form::Rows(_) => FeedKind::Rows,
            Form::Changes(_) => FeedKind::Changelog,
            Form::Windows(_) => FeedKind::Windows,
            Form::Table(_) => FeedKind::Table,
        }
    }

    /// Of what it gives: the select list in canonical types, all nullable.
    pub fn schema(&self) -> &SchemaRef {
        match &self.0 {
            Form::Rows(rows) => rows.schema(),
            Form::Changes(changes) => changes.schema(),
            Form::Windows(windows) => windows.schema(),
            Form::Table(table) => table.schema(),
        }
    }

    /// The names of the topics that it reads, in the order in which a [`Feed`](crate::Feed) has them.
    pub fn topics(&self) -> Vec<&str> {
        match &self.0 {
            Form::Table(table) => table.topics(),
            _ => vec![&self.query().topic],
        }
    }

    /// The columns of the input that it reads, ascending; all where `None`. Of a table, [`Table::rows`] says so.
    pub(crate) fn projection(&self) -> Option<&[usize]> {
        match &self.0 {
            Form::Rows(rows) => Some(rows.projection()),
            Form::Changes(changes) => Some(changes.projection()),
            Form::Windows(windows) => Some(windows.projection()),
            Form::Table(_) => None,
        }
    }

    pub(crate) fn query(&self) -> &Query {
        match &self.0 {
            Form::Rows(rows) => rows.query(),
            Form::Changes(changes) => changes.query(),
            Form::Windows(windows) => windows.query(),
            Form::Table(table) => table.query(),
        }
    }

    /// What the output of groups is keyed by unless told otherwise: the first of the group's columns that can be a topic's key (of windows: and does not say which window
    /// it is). `None` for a feed of rows, whose output is keyed as its input.
    pub fn key(&self) -> Option<&str> {
        match &self.0 {
            Form::Rows(_) => None,
            Form::Changes(changes) => changes.key(),
            Form::Windows(windows) => windows.key(),
            Form::Table(table) => table.key(),
        }
    }

    /// That what it gives finds its partition in such a topic; an error says what is wrong.
    pub fn check_output(&self, config: &TopicConfig) -> Result<(), String> {
        match &self.0 {
            Form::Rows(_) => Ok(()),
            Form::Changes(changes) => changes.check_output(config),
            Form::Windows(windows) => windows.check_output(config),
            Form::Table(table) => table.check_output(config),
        }
    }

    /// That an input has all that it needs: a changelog and a table are made of every record, at each start, and windows of all that retention left. `feed` is the feed's name, for messages, and `number` says which of [`Self::topics`] it is.
    ///
    /// # Errors
    /// [`SpeedError::NotWhole`]: retention or compaction took records away, or will.
    pub fn check_input(&self, feed: &str, number: usize, input: &Topic) -> Result<(), SpeedError> {
        match &self.0 {
            Form::Rows(_) => Ok(()),
            Form::Changes(_) => check_whole(feed, input),
            Form::Table(table) => table.check_input(feed, number, input),
            Form::Windows(windows) => {
                windows.check_time(input)?;
                check_uncompacted(feed, input)
            }
        }
    }
}

/// That a feed can do without what the query says of order and number.
pub(super) fn check_unordered(query: &Query) -> Result<(), SpeedError> {
    check_order(query)?;
    let refuse = |what: &str| Err(SpeedError::NoFeed { what: what.into() });
    if query.distinct {
        return refuse("leave DISTINCT out, and GROUP BY the columns");
    }
    Ok(())
}

/// Whether a topic can be keyed by values of this type.
pub(super) fn can_be_key(data_type: DataType) -> bool {
    !matches!(data_type, DataType::Float | DataType::Interval)
}

fn check_order(query: &Query) -> Result<(), SpeedError> {
    let refuse = |what: &str| Err(SpeedError::NoFeed { what: what.into() });
    if !query.order_by.is_empty() {
        return refuse("leave ORDER BY out; the order is the input's");
    }
    if query.limit.is_some() || query.offset > 0 {
        return refuse("leave LIMIT and OFFSET out");
    }
    Ok(())
}

/// Its answers as a topic can have them: there are no 128-bit columns, and a sum that does not fit is an error.
pub(super) fn in_a_topic(query: &mut Query) {
    for output in query.output.iter_mut().filter(|o| o.expr.data_type == DataType::Numeric) {
        let arg = Box::new(output.expr.clone());
        output.expr = Expr::new(ExprKind::Cast { arg }, DataType::Int);
    }
}

/// An error in the input's records from one offset to another.
pub(super) fn failed(
    sink: &TopicSink,
    partition: PartitionId,
    (from, to): (Offset, Offset),
    what: &'static str,
    source: EvalError,
) -> SpeedError {
    SpeedError::FeedRow { name: sink.name.clone(), partition, from, to, what, source }
}
