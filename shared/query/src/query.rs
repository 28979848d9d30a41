//! The flat query: what engines keep, and how an answer is made of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use twopath_base::LogColumn;

use crate::display::{aggregate_text, identifier};
use crate::plan::Plan;
use crate::types::*;

/// Windows that are put together of panes: pieces of time that lie whole within each window or outside of it, which engines group by. So
/// windows that overlap share the work, and one that straddles a batch horizon merges as every group does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panes {
    /// Which of the query's keys is the pane's start, in the groups that engines make. In groups by window the same key says which window it is:
    /// its start, or its end where windows cumulate.
    pub key: usize,
    /// The timestamp that is cut into windows, over the topic's columns. Rows in which it is NULL are in no window.
    pub time: Expr,
    pub windows: PanedWindows,
}

/// See [`crate::plan::Window`]; lengths are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanedWindows {
    /// Panes are as long as the greatest common divisor of slide and size, and offset as the windows are.
    Hop { slide_us: i64, size_us: i64, offset_us: i64 },
    /// Panes are a step long.
    Cumulate { step_us: i64, size_us: i64, offset_us: i64 },
    /// Panes are a gap long, so that rows of one pane that are alike in the other keys are always in one session. `first` and `last` are the aggregates (by
    /// index) that are the least and the greatest time of a pane: panes in order belong to one session while less than a gap lies between the
    /// last of the one and the first of the next. `merge` of panes keeps both right.
    Session { gap_us: i64, first: usize, last: usize },
}

/// One logical query over one topic.
///
/// How an answer is made of the groups: HAVING first (a group for which it is not TRUE is left out, and its output raises no error);
/// then `output` and `order_by` of every group left (also of those that LIMIT cuts off); then the order; then, for `rows`, each
/// group as often as its count; then DISTINCT, OFFSET and LIMIT. The order is total: after `order_by`, ties are broken by the group's key, key by key,
/// ascending, NULLs last (FALSE before TRUE, numbers with NaN greatest, text by bytes); without `order_by` that is the order.
/// With `distinct`, of rows that are alike in all of `output` (NULL is like NULL) the first in this order stays. Then `offset` rows are
/// left out, and `limit` rows stay. An error anywhere in it is the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    pub topic: String,
    /// The topic's columns; [`ExprKind::Column`] indexes into this (and equally into the topic's Arrow schema). The numbers behind them are
    /// those of [`LogColumn::index`].
    pub fields: Vec<Field>,
    /// Rows for which it is not TRUE are left out.
    pub filter: Option<Expr>,
    /// The grouping; empty for an aggregate over everything, which then has exactly one group (also over no rows).
    pub keys: Vec<NamedExpr>,
    pub aggregates: Vec<Aggregate>,
    /// Where windows overlap or have no fixed bounds: how the groups that engines make, by pane, become groups by window when an answer is made. The
    /// rest of the query (`output`, `having`, `order_by`) is over those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panes: Option<Panes>,
    /// `true` for a query without GROUP BY and aggregates: keys are its columns, the only aggregate is COUNT(*), and an answer
    /// repeats each group that often (before ORDER BY and LIMIT).
    pub rows: bool,
    pub output: Vec<NamedExpr>,
    pub having: Option<Expr>,
    pub order_by: Vec<Order>,
    /// Of output rows that are alike, one stays.
    #[serde(default)]
    pub distinct: bool,
    /// So many rows are left out at the start.
    #[serde(default)]
    pub offset: u64,
    pub limit: Option<u64>,
    /// What is computed of this query's answer, which it reads as its input 0 ([`crate::plan::Node::Input`]); `None` where that is the answer. What is asked for with a
    /// key is refused then: a group is no part of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Box<Plan>>,
    /// The whole plan, where `finish` is not made for reading it: for an engine that keeps rows ([`Query::maintained`]). Whoever changes what the query reads takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Box<Plan>>,
}

impl Query {
    /// A query over a topic that nothing is said of yet: one group of no aggregates.
    pub fn over(topic: String, fields: Vec<Field>) -> Self {
        Query {
            topic,
            fields,
            filter: None,
            keys: Vec::new(),
            aggregates: Vec::new(),
            panes: None,
            rows: false,
            output: Vec::new(),
            having: None,
            order_by: Vec::new(),
            distinct: false,
            offset: 0,
            limit: None,
            finish: None,
            whole: None,
        }
    }

    /// Whether it is one group over everything, present also over no rows (SQL's aggregate without GROUP BY).
    pub fn is_global(&self) -> bool {
        self.keys.is_empty()
    }

    /// The indexes of the topic's and the log's columns that the engines must read, ascending.
    pub fn columns_read(&self) -> Vec<usize> {
        let mut seen = vec![false; self.fields.len() + LogColumn::EACH.len()];
        let exprs = self.filter.iter().chain(self.keys.iter().map(|k| &k.expr)).chain(self.aggregates.iter().flat_map(Aggregate::args));
        for e in exprs {
            e.visit(&mut |e| {
                if let ExprKind::Column(i) = e.kind {
                    seen[i] = true;
                }
            });
        }
        (0..seen.len()).filter(|&i| seen[i]).collect()
    }

    /// The columns of the answer: their names and types.
    pub fn answer_columns(&self) -> Vec<(String, DataType)> {
        match &self.finish {
            Some(finish) => finish.columns(),
            None => self.output.iter().map(|o| (o.name.clone(), o.expr.data_type)).collect(),
        }
    }

    /// Whether groups can be asked for by key: not where they are put together to windows, or more is computed of them, or the answer is cut.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty() && self.panes.is_none() && self.finish.is_none() && !self.is_cut()
    }

    /// Whether an answer can be made of some of the groups: not where more is computed of them, nor where rows are cut at LIMIT and the rest is let go.
    pub fn answers_by_group(&self) -> bool {
        self.finish.is_none() && !(self.rows && self.limit.is_some())
    }

    /// Whether LIMIT or OFFSET cuts the answer, so that the other groups decide whether one is in it.
    pub fn is_cut(&self) -> bool {
        self.limit.is_some() || self.offset > 0
    }

    /// Whether it reads what only the log knows of a record.
    pub fn reads_log_columns(&self) -> bool {
        self.columns_read().last().is_some_and(|&last| last >= self.fields.len())
    }

    /// The indexes of all of the topic's columns, and behind them of the log's up to the last of those that is read: for who reads whole rows.
    pub fn whole_rows(&self) -> Vec<usize> {
        let read = self.columns_read().last().map_or(0, |last| last + 1);
        (0..read.max(self.fields.len())).collect()
    }

    /// The type of the topic's or the log's column with this index.
    pub fn column_type(&self, index: usize) -> DataType {
        LogColumn::at(index, self.fields.len()).map_or_else(|| self.fields[index].data_type, log_column_type)
    }
}

impl Query {
    /// The topic's columns and the log's as identifiers.
    fn column_names(&self) -> Vec<String> {
        self.fields.iter().map(|f| f.name.as_str()).chain(LogColumn::EACH.map(LogColumn::name)).map(identifier).collect()
    }

    /// What the columns of a group's row are: the keys' expressions, then the aggregates, as SQL.
    pub fn group_names(&self) -> Vec<String> {
        let columns = self.column_names();
        let keys = self.keys.iter().map(|k| k.expr.named(&columns).to_string());
        let aggregates = self.aggregates.iter().map(|a| aggregate_text(a, &columns));
        keys.chain(aggregates).collect()
    }
}

/// The query as one line of SQL, with every conversion written out. A window is shown as the function WINDOW_START.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.column_names();
        let names = self.group_names();
        f.write_str(if self.distinct { "SELECT DISTINCT " } else { "SELECT " })?;
        for (i, output) in self.output.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{} AS {}", output.expr.named(&names), identifier(&output.name))?;
        }
        write!(f, " FROM {}", identifier(&self.topic))?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {}", filter.named(&columns))?;
        }
        if !self.rows && !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|k| k.expr.named(&columns).to_string()).collect();
            write!(f, " GROUP BY {}", keys.join(", "))?;
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {}", having.named(&names))?;
        }
        for (i, order) in self.order_by.iter().enumerate() {
            f.write_str(if i == 0 { " ORDER BY " } else { ", " })?;
            write!(f, "{} {}", order.expr.named(&names), order.direction())?;
        }
        if let Some(limit) = self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        if self.offset > 0 {
            write!(f, " OFFSET {}", self.offset)?;
        }
        if let Some(panes) = &self.panes {
            write!(f, " WINDOWS {:?}", panes.windows)?;
        }
        if let Some(finish) = &self.finish {
            write!(f, " THEN {}", finish.to_string().replace('\n', " <- "))?;
        }
        Ok(())
    }
}
