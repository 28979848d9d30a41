//! The logical plan: what a SQL text asks for, as a tree of relational operators, before it is known which engine computes it.
//!
//! [`crate::logical_plan`] makes it of a text. [`Plan::lower`] turns it into the one shape that engines keep incrementally, the flat [`Query`](crate::Query) over one topic: the
//! operators below the aggregate become one filter, one list of keys and one list of aggregates over the topic's columns (projections are written into
//! what reads them), and those above it become what is done at answering time. A plan of any other shape (joins, groups of groups, OVER) is cut into a
//! [`Program`](crate::Program): flat queries, and a plan above them that is computed of their answers.
//!
//! **Order and ties.** What operators give is a bag of rows, but for [`Node::Sort`], [`Node::Limit`] and what stands above them and keeps order (Filter, Project,
//! Distinct). Sort breaks ties by all columns of its input, from the first, ascending, NULLs last. Limit over rows without an order takes the
//! first in the order of all columns. An answer without an order is given in that order. So every engine gives the same rows in the same order.
//!
//! ```
//! use arrow_schema::{DataType, Field, Schema};
//! let schema = Schema::new(vec![Field::new("origin", DataType::Utf8, false), Field::new("delay", DataType::Int64, true)]);
//! let sql = "SELECT origin, MAX(d) AS worst FROM (SELECT origin, delay * 60 AS d FROM flights) s GROUP BY origin LIMIT 3";
//! let plan = twopath_query::logical_plan(sql, "flights", &schema).unwrap();
//! assert_eq!(
//!     plan.to_string(),
//!     "\
//! Limit 3
//!   Project origin, MAX(d) AS worst
//!     Aggregate MAX(d) by origin
//!       Project origin, (delay * 60) AS d
//!         Scan flights"
//! );
//! let query = plan.lower().unwrap();
//! assert_eq!(query.to_string(), "SELECT origin AS origin, MAX((delay * 60)) AS worst FROM flights GROUP BY origin LIMIT 3");
//! ```

mod key;
mod key_hint;
mod known;
mod late;
mod near;
mod settled;
mod text;
mod window;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use twopath_base::LogColumn;

use crate::display::{aggregate_text, identifier};
use crate::types::*;
pub use late::Late;
pub use near::{Apart, Near, met};
pub use settled::longest_us;
pub use window::{Window, WindowSize};
pub(crate) use window::{later, tumble};

/// An operator with those below it, and the bytes of the SQL text that it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub node: Node,
    pub span: Range<usize>,
}

/// An operator. Its expressions' columns are those of its input, by index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Node {
    /// All rows of a topic, with all its columns, and behind them the log's own ([`LogColumn`]).
    Scan { topic: String, fields: Vec<Field> },
    /// The rows for which a condition is TRUE.
    Filter { input: Box<Plan>, condition: Expr },
    /// One row of these columns for each row.
    Project { input: Box<Plan>, columns: Vec<NamedExpr> },
    /// Each row once for every window that the timestamp in `column` falls in (where it is NULL: once with NULL for
    /// tumbling windows, and not at all for the others), with the columns that say which window it is after its own
    /// ([`Window::columns`]).
    Window { input: Box<Plan>, column: usize, window: Window },
    /// One row per group: the keys, then the aggregates. Without keys one row in all.
    Aggregate { input: Box<Plan>, keys: Vec<NamedExpr>, aggregates: Vec<Aggregate> },
    /// The rows in this order.
    Sort { input: Box<Plan>, by: Vec<Order> },
    /// Of rows that are alike, the first.
    Distinct { input: Box<Plan> },
    /// So many rows, after so many.
    Limit { input: Box<Plan>, limit: Option<u64>, offset: u64 },
    /// Pairs of a left and a right row for which `on` is TRUE (all pairs without it), the left columns first. An outer join also gives each row that found no other, with
    /// NULLs for the other's columns.
    Join { left: Box<Plan>, right: Box<Plan>, kind: JoinKind, on: Option<Expr> },
    /// Each left row with the one right row that is nearest to it of those for which `on` is TRUE and `left_at op right_at` holds: for `>=` and `>` the one with the greatest
    /// `right_at`, for `<=` and `<` the one with the least; of several such the one that is greatest in the order of all its columns. `on` reads the left columns, then the
    /// right ones; `left_at` is over the left columns and `right_at` over the right. Kind: inner or left.
    AsOfJoin { left: Box<Plan>, right: Box<Plan>, kind: JoinKind, on: Option<Expr>, op: BinaryOp, left_at: Expr, right_at: Expr },
    /// Each left row with the rows for which `on` is TRUE of the table that the right side is at the moment of the left row. The right side is a changelog, whose newest
    /// row of each `key` counts (`upserts`), of those whose `right_at` is below `left_at`, or equal to it where `inclusive`. Kind: inner or left.
    TemporalJoin { left: Box<Plan>, right: Box<Plan>, kind: JoinKind, on: Option<Expr>, at: Moment, upserts: Upserts },
    /// The rows of all inputs, which have columns of the same types; the names are the first input's.
    Union { inputs: Vec<Plan> },
    /// Each row with one column more for each call.
    Over { input: Box<Plan>, calls: Vec<OverCall> },
    /// A changelog as the table that it leaves: of each key the newest row, unless that is a tombstone.
    Latest { input: Box<Plan>, upserts: Upserts },
    /// What engines answer to the input of this number of a [`Program`](crate::Program).
    Input { number: usize, columns: Vec<(String, DataType)> },
    /// The rows that the text writes out (VALUES; one of them is what SELECT without FROM has below it), at least one. Their expressions read no columns.
    Values { columns: Vec<(String, DataType)>, rows: Vec<Vec<Expr>> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// Which moment a temporal join looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Over the left columns.
    pub left_at: Expr,
    /// Over the right columns.
    pub right_at: Expr,
    /// Whether a right row counts from its own moment on, or only after it.
    pub inclusive: bool,
}

/// How the rows of a changelog replace one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upserts {
    /// The columns whose values name a row. A row in which one of them is NULL names a row like any other.
    pub key: Vec<usize>,
    /// The columns in whose order rows replace those before them, ascending: the log's order.
    pub order: Vec<usize>,
    /// A row in which all of these columns are NULL is a tombstone: it removes the key's row. None are, where this is empty.
    pub payload: Vec<usize>,
}

/// What is computed for a row from the rows beside it. Arguments are evaluated in every row of the input, also where no other row looks at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverCall {
    pub function: OverFunction,
    pub partition_by: Vec<Expr>,
    /// The order within a partition. Ties are broken by all columns of the input, from the first, ascending, NULLs last, for what depends on single rows (ROW_NUMBER,
    /// LAG, frames of ROWS); rows that tie are peers for RANK and for frames of RANGE.
    pub order_by: Vec<Order>,
    pub frame: Frame,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OverFunction {
    /// From 1. Int.
    RowNumber,
    /// From 1, with gaps after peers. Int.
    Rank,
    /// From 1, without gaps. Int.
    DenseRank,
    /// Over the rows of the frame.
    Aggregate(Aggregate),
    /// The value in the row that comes so many before this one in the partition (after it, where negative); `default` where there is none.
    Lag { arg: Expr, rows: i64, default: Option<Expr> },
    /// The value in the frame's first row.
    First(Expr),
    /// The value in the frame's last row.
    Last(Expr),
    /// The value in the frame's row of this number, from 1; NULL where it has fewer.
    Nth { arg: Expr, row: u64 },
    /// The first value in the frame that is not NULL, or the last one; NULL where all are.
    Known { arg: Expr, last: bool },
}

/// Which rows of the partition, in its order, a row's value is computed of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// All of them.
    Partition,
    /// From so many rows before this one to so many after it; unbounded where `None`.
    Rows { before: Option<u64>, after: Option<u64> },
    /// From so far before this row in the one ORDER BY expression (a number of the integers, or microseconds) to this row's last peer; from the first where `None`.
    Range { before: Option<i64> },
    /// From one row to another, each so many after this one (before it, where negative); unbounded where `None`. What `Rows` can say is said by that. Nothing where it ends before it
    /// starts, or beside the partition.
    RowsBetween { start: Option<i64>, end: Option<i64> },
    /// As `RowsBetween`, but that groups of peers are counted: from the first row of one to the last row of another.
    GroupsBetween { start: Option<i64>, end: Option<i64> },
    /// The rows from one distance to another, from this row in the one ORDER BY expression; unbounded where `None`. No distance leads from NULL or to it: a row with NULL has its peers
    /// in their place, and to other rows they stand at the end where the order has them, which an unbounded side includes.
    RangeBetween { start: Option<Distance>, end: Option<Distance> },
}

/// How far a value is behind another one in the order of ORDER BY (before it, where negative).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Distance {
    /// Integers; microseconds; of decimals the least digit that the expression's type has.
    Exact(i128),
    /// Finite. It is added as floats are: the sum is rounded.
    Float(f64),
}

impl OverFunction {
    /// The type of the column.
    pub fn data_type(&self) -> DataType {
        match self {
            OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => DataType::Int,
            OverFunction::Aggregate(aggregate) => aggregate.data_type(),
            OverFunction::Lag { arg, .. }
            | OverFunction::First(arg)
            | OverFunction::Last(arg)
            | OverFunction::Nth { arg, .. }
            | OverFunction::Known { arg, .. } => arg.data_type,
        }
    }
}

/// Why a plan cannot be computed yet: what is asked for, what to write instead, and which bytes of the text it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotLowered {
    pub message: String,
    pub span: Range<usize>,
}

impl Plan {
    pub fn new(node: Node, span: Range<usize>) -> Self {
        Plan { node, span }
    }

    /// The operator's columns: their names and types.
    pub fn columns(&self) -> Vec<(String, DataType)> {
        match &self.node {
            Node::Scan { fields, .. } => {
                let log = LogColumn::EACH.map(|c| (c.name().to_owned(), log_column_type(c)));
                fields.iter().map(|f| (f.name.clone(), f.data_type)).chain(log).collect()
            }
            Node::Input { columns, .. } | Node::Values { columns, .. } => columns.clone(),
            Node::Project { columns, .. } => columns.iter().map(|c| (c.name.clone(), c.expr.data_type)).collect(),
            Node::Window { input, window, .. } => {
                let mut columns = input.columns();
                columns.extend(window.columns().iter().map(|&name| (name.to_owned(), DataType::Timestamp)));
                columns
            }
            Node::Aggregate { input, keys, aggregates } => {
                let names = input.names();
                let keys = keys.iter().map(|k| (k.name.clone(), k.expr.data_type));
                keys.chain(aggregates.iter().map(|a| (aggregate_text(a, &names), a.data_type()))).collect()
            }
            Node::Over { input, calls } => {
                let mut columns = input.columns();
                columns.extend(calls.iter().map(|c| ("over".to_owned(), c.function.data_type())));
                columns
            }
            Node::Join { left, right, .. } | Node::AsOfJoin { left, right, .. } | Node::TemporalJoin { left, right, .. } => {
                let mut columns = left.columns();
                columns.extend(right.columns());
                columns
            }
            Node::Union { inputs } => inputs.first().map(Plan::columns).unwrap_or_default(),
            Node::Filter { input, .. }
            | Node::Sort { input, .. }
            | Node::Distinct { input }
            | Node::Limit { input, .. }
            | Node::Latest { input, .. } => input.columns(),
        }
    }

    /// The operator's columns, each as it is: what a projection puts out that changes nothing.
    pub(crate) fn as_they_are(&self) -> impl Iterator<Item = NamedExpr> {
        self.columns().into_iter().enumerate().map(|(i, (name, t))| NamedExpr { name, expr: Expr::column(i, t) })
    }

    /// The columns' names as expressions write them.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.node {
            Node::Aggregate { input, keys, aggregates } => {
                let names = input.names();
                let keys = keys.iter().map(|k| k.expr.named(&names).to_string());
                keys.chain(aggregates.iter().map(|a| aggregate_text(a, &names))).collect()
            }
            Node::Window { input, window, .. } => input.names().into_iter().chain(window.columns().iter().map(|&n| n.to_owned())).collect(),
            Node::Over { input, calls } => input.names().into_iter().chain(calls.iter().map(|_| "over".to_owned())).collect(),
            Node::Join { left, right, .. } | Node::AsOfJoin { left, right, .. } | Node::TemporalJoin { left, right, .. } => {
                left.names().into_iter().chain(right.names()).collect()
            }
            Node::Union { inputs } => inputs.first().map(Plan::names).unwrap_or_default(),
            Node::Filter { input, .. }
            | Node::Sort { input, .. }
            | Node::Distinct { input }
            | Node::Limit { input, .. }
            | Node::Latest { input, .. } => input.names(),
            Node::Scan { .. } | Node::Project { .. } | Node::Input { .. } | Node::Values { .. } => {
                self.columns().iter().map(|(name, _)| identifier(name)).collect()
            }
        }
    }

    /// The operators that this one reads.
    pub fn inputs(&self) -> Vec<&Plan> {
        match &self.node {
            Node::Scan { .. } | Node::Input { .. } | Node::Values { .. } => Vec::new(),
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Window { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Sort { input, .. }
            | Node::Distinct { input }
            | Node::Limit { input, .. }
            | Node::Over { input, .. }
            | Node::Latest { input, .. } => vec![input],
            Node::Join { left, right, .. } | Node::AsOfJoin { left, right, .. } | Node::TemporalJoin { left, right, .. } => {
                vec![left, right]
            }
            Node::Union { inputs } => inputs.iter().collect(),
        }
    }

    /// The same operator with what `f` gives in the place of each of its inputs.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_map_inputs<E>(&self, f: &mut impl FnMut(&Plan) -> Result<Plan, E>) -> Result<Plan, E> {
        let mut node = self.node.clone();
        match &mut node {
            Node::Scan { .. } | Node::Input { .. } | Node::Values { .. } => {}
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Window { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Sort { input, .. }
            | Node::Distinct { input }
            | Node::Limit { input, .. }
            | Node::Over { input, .. }
            | Node::Latest { input, .. } => **input = f(input)?,
            Node::Join { left, right, .. } | Node::AsOfJoin { left, right, .. } | Node::TemporalJoin { left, right, .. } => {
                **left = f(left)?;
                **right = f(right)?;
            }
            Node::Union { inputs } => {
                for input in inputs {
                    *input = f(input)?;
                }
            }
        }
        Ok(Plan { node, span: self.span.clone() })
    }

    /// The first topic that it reads.
    pub(crate) fn scan(&self) -> Option<&Plan> {
        if let Node::Scan { .. } = self.node {
            return Some(self);
        }
        self.inputs().into_iter().find_map(Plan::scan)
    }

    /// The topics that it reads, in the order in which it first does.
    ///
    /// ```
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # use twopath_query::{TopicSchema, logical_plan_over};
    /// # let schema = Schema::new(vec![Field::new("k", DataType::Int64, false)]);
    /// # let topic = |name| TopicSchema { name, schema: &schema, key: None, time: None };
    /// let plan = logical_plan_over("SELECT a.k FROM a JOIN b ON a.k = b.k JOIN a again ON a.k = again.k", &[topic("b"), topic("a")])?;
    /// assert_eq!(plan.topics(), ["a", "b"]);
    /// # Ok::<(), twopath_query::QueryError>(())
    /// ```
    pub fn topics(&self) -> Vec<&str> {
        fn add<'p>(plan: &'p Plan, topics: &mut Vec<&'p str>) {
            if let Node::Scan { topic, .. } = &plan.node
                && !topics.contains(&topic.as_str())
            {
                topics.push(topic);
            }
            plan.inputs().into_iter().for_each(|input| add(input, topics));
        }
        let mut topics = Vec::new();
        add(self, &mut topics);
        topics
    }

    /// Whether all that it reads of a topic is the newest row of each `key`, a column of the topic (`UPSERT`), and nothing in it that depends on the rows before: then it does not
    /// miss what compaction by that key takes. Of a plan that reads no more columns than it needs ([`Plan::maintained`]).
    pub fn reads_newest_alone(&self, topic: &str, key: &str) -> bool {
        match &self.node {
            Node::Latest { input, upserts } => {
                let Node::Project { input: scan, columns } = &input.node else { return input.reads_newest_alone(topic, key) };
                let Node::Scan { topic: read, fields } = &scan.node else { return input.reads_newest_alone(topic, key) };
                let column = |i: usize| if let ExprKind::Column(i) = columns[i].expr.kind { Some(i) } else { None };
                let is_key = |i: usize| column(i).and_then(|i| fields.get(i)).is_some_and(|field| field.name == key);
                let watermark = Some(LogColumn::Watermark.index(fields.len()));
                let plain = (0..columns.len()).all(|i| column(i).is_some() && column(i) != watermark);
                read != topic || plain && matches!(upserts.key[..], [one] if is_key(one))
            }
            Node::Scan { topic: read, .. } => read != topic,
            _ => self.inputs().into_iter().all(|input| input.reads_newest_alone(topic, key)),
        }
    }

    /// Whether it asks how a topic's table was at a moment (`FOR SYSTEM_TIME AS OF`), of which compaction keeps nothing but the last.
    pub fn looks_back_at(&self, topic: &str) -> bool {
        let is_asked = matches!(&self.node, Node::TemporalJoin { right, .. } if right.topics().contains(&topic));
        is_asked || self.inputs().into_iter().any(|input| input.looks_back_at(topic))
    }

    /// A shape that is no flat query.
    pub(crate) fn not_flat(&self, what: &str) -> NotLowered {
        self.refused(format!("{what} is computed of groups that engines keep, and is none itself (ROLLUP, CUBE and GROUPING SETS are a UNION): a feed with EMIT ON WINDOW CLOSE and compare have no place for it here; twopath query, jobs and feeds without EMIT have"))
    }

    pub(crate) fn refused(&self, message: impl Into<String>) -> NotLowered {
        NotLowered { message: message.into(), span: self.span.clone() }
    }
}
