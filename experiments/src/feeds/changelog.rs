//! A SELECT with groups: each change of a group is appended as a row that takes the place of the group's earlier rows.
//!
//! ```text
//! frame of input partition p ─→ its groups ─→ merged into the state ─→ the changed groups' rows, by output partition q,
//!                                                                        under (producer of p, sequence = the frame's end)
//! ```
//!
//! **State.** All groups stand in one [`GroupTable`] in memory. A group decides its output partition, so that the groups of each output
//! partition *q* are a state of their own; and every frame of *p* that changes some of them appends to *q*. So what *q* last heard from
//! each *p* (`reached[p][q]`) says exactly which records the rows in *q* were made of. A start makes that state again, from the input's
//! first record on, **before** it appends anything: were it to append while other input partitions are still being read again, rows with
//! less in them would take the place of rows with more.
//!
//! **Deletions.** A group that HAVING lets through no more gets a row in which all columns but its key's are NULL: a tombstone, where the
//! output is keyed by it. Where a frame changes groups of *q* and leaves nothing to say there, because HAVING hides all of them before and after, a
//! tombstone of one of them says that much; else a start would take the frame for unread, and groups might look otherwise than they did.
//!
//! **Sums of whole numbers** are 128-bit in answers and 64-bit here, since a topic's columns are; one that does not fit stops the feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use twopath_base::{Offset, PartitionId};
use twopath_log::{PartitionBy, Records, Topic, TopicConfig};
use twopath_query::{DataType, EvalError, Expr, ExprKind, Query, Value};
use twopath_view::{Fold, GroupTable, answer_groups, answer_schema};

use super::query::check_unordered;
use super::sink::Sink;
use super::{FeedError, FeedReport};

/// A query with groups, and where its groups are.
pub(super) struct Changelog {
    query: Query,
    /// The same groups, all of them, with their keys and nothing else.
    deletions: Query,
    fold: Fold,
    schema: SchemaRef,
    /// By key: the output column that it is.
    key_columns: Vec<usize>,
    state: GroupTable,
    /// By group of the state, where the query has HAVING: whether its newest row in the output is one with values.
    shown: Vec<bool>,
}

/// What is to be done with records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The output has what came of them: they make the state.
    Rebuild,
    /// They are new.
    Append,
}

impl Changelog {
    /// # Errors
    /// [`FeedError::NoFeed`] for a query whose rows say not which group they are, or with ORDER BY or LIMIT.
    pub fn new(mut query: Query) -> Result<Changelog, FeedError> {
        check_unordered(&query)?;
        let is_key = |expr: &Expr, key: usize| matches!(expr.kind, ExprKind::Column(c) if c == key);
        let key_column = |key| query.output.iter().position(|o| is_key(&o.expr, key));
        let key_columns: Vec<Option<usize>> = (0..query.keys.len()).map(key_column).collect();
        let name = |key: usize| match query.keys[key].name.as_str() {
            "?column?" => format!("expression {} of GROUP BY, with a name", key + 1),
            name => name.to_owned(),
        };
        let hidden: Vec<String> = (0..query.keys.len()).filter(|&key| key_columns[key].is_none()).map(name).collect();
        if !hidden.is_empty() {
            let what =
                format!("its rows would not say which group they are; add to the select list what it groups by: {}", hidden.join(", "));
            return Err(FeedError::NoFeed { what });
        }
        let key_columns: Vec<usize> = key_columns.into_iter().flatten().collect();
        if query.having.is_some() && query.output.len() == key_columns.len() {
            let what = "with HAVING it deletes groups again, by rows that are NULL but for the group's key; add another column to the \
                        select list, such as COUNT(*) AS n";
            return Err(FeedError::NoFeed { what: what.into() });
        }
        for output in query.output.iter_mut().filter(|o| o.expr.data_type == DataType::Numeric) {
            let arg = Box::new(output.expr.clone());
            output.expr = Expr::new(ExprKind::Cast { arg }, DataType::Int);
        }
        let mut deletions = Query { having: None, ..query.clone() };
        for (i, output) in deletions.output.iter_mut().enumerate() {
            if !key_columns.contains(&i) {
                output.expr = Expr::literal(Value::Null, output.expr.data_type);
            }
        }
        let (fold, schema, state) = (Fold::new(&query), answer_schema(&query), GroupTable::new(&query));
        Ok(Changelog { query, deletions, fold, schema, key_columns, state, shown: Vec::new() })
    }

    /// Of what it gives.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the input that it reads, ascending.
    pub fn projection(&self) -> &[usize] {
        &self.fold.projection
    }

    fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key_columns.iter().map(|&c| self.query.output[c].name.as_str())
    }

    /// What the output is keyed by unless told otherwise: the first of the group's columns that can be a topic's key.
    pub fn key(&self) -> Option<&str> {
        let can_be_key = |&&c: &&usize| !matches!(self.query.output[c].expr.data_type, DataType::Float | DataType::Interval);
        self.key_columns.iter().find(can_be_key).map(|&c| self.query.output[c].name.as_str())
    }

    /// That the group alone decides the partition, and compaction keeps every group; an error says what is wrong.
    pub fn check_output(&self, config: &TopicConfig) -> Result<(), String> {
        let keys = || self.key_names().collect::<Vec<_>>().join(", ");
        if config.compaction.is_some() && self.key().is_none() {
            return Err("compaction goes by a key, and nothing that the feed groups by can be one; make it without compaction".into());
        }
        match &config.partition_by {
            PartitionBy::Key(key) if self.key_names().any(|name| name == key) => {
                if config.compaction.is_some() && self.key_columns.len() > 1 {
                    let what = "and its compaction would keep one group only of those that have the same";
                    return Err(format!("the feed's groups are told apart by {}, {what} {key}; make it without compaction", keys()));
                }
                Ok(())
            }
            PartitionBy::Key(key) if self.key_columns.is_empty() => {
                Err(format!("it is keyed by {key}, and the feed has one group only; choose a topic without a key"))
            }
            PartitionBy::Key(key) => Err(format!("it is keyed by {key}, and a group's rows go by what it is grouped by: {}", keys())),
            PartitionBy::RoundRobin if config.partitions > 1 && self.key().is_some() => Err(format!(
                "it has {} partitions and no key, and a group's rows go by what it is grouped by: {}",
                config.partitions,
                keys()
            )),
            PartitionBy::RoundRobin => Ok(()),
        }
    }

    /// Makes the state that the output was made of, and then appends what came of records up to where the feed's group is, should it be missing
    /// there: from then on it does not matter in what order partitions are read.
    pub fn rebuild(
        &mut self,
        input: &Topic,
        group: &[(PartitionId, Offset)],
        sink: &mut Sink<'_>,
        report: &mut FeedReport,
        stop: &AtomicBool,
    ) -> Result<(), FeedError> {
        check_whole(&sink.feed.name, input)?;
        let projection = self.fold.projection.clone();
        let reached = |sink: &Sink<'_>, p: PartitionId| {
            let reached = &sink.reached[p.index()];
            (*reached.iter().min().expect("a topic has a partition"), *reached.iter().max().expect("a topic has a partition"))
        };
        for &(p, _) in group {
            for records in input.range(p, Offset(0), reached(sink, p).1, Some(&projection))? {
                let records = records?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                report.rows_read_again += records.batch.num_rows() as u64;
                self.fold(&records, Purpose::Rebuild, sink, report)?;
            }
        }
        if self.query.having.is_some() {
            let shown = Query { having: self.query.having.clone(), ..self.deletions.clone() };
            let all = (0..self.state.len() as u32).collect();
            let failed = |source| {
                let (name, (partition, _), what) = (sink.feed.name.clone(), group[0], "a group with the rows");
                FeedError::Row { name, partition, from: Offset(0), to: reached(sink, partition).1, what, source }
            };
            let (_, shown) = answer_groups(&shown, &self.state, all).map_err(failed)?;
            self.shown = vec![false; self.state.len()];
            shown.into_iter().for_each(|group| self.shown[group as usize] = true);
        }
        for &(p, to) in group {
            let (from, _) = reached(sink, p);
            if from >= to {
                continue;
            }
            for records in input.range(p, from, to, Some(&projection))? {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.fold(&records?, Purpose::Append, sink, report)?;
            }
        }
        Ok(())
    }

    /// Appends the changes that the input's records make.
    pub fn take(&mut self, records: &Records, sink: &mut Sink<'_>, report: &mut FeedReport) -> Result<(), FeedError> {
        self.fold(records, Purpose::Append, sink, report)
    }

    fn fold(&mut self, records: &Records, purpose: Purpose, sink: &mut Sink<'_>, report: &mut FeedReport) -> Result<(), FeedError> {
        let p = records.partition;
        if records.end.0 - records.base.0 != records.batch.num_rows() as u64 {
            return Err(not_whole(&sink.feed.name, sink.feed.input.as_str(), compacted(p, records.end)));
        }
        for piece in pieces(records, &sink.reached[p.index()]) {
            let failed = |what: &'static str| {
                let (name, from, to) = (sink.feed.name.clone(), piece.base, piece.end);
                move |source| FeedError::Row { name, partition: p, from, to, what, source }
            };
            let Some(groups) = self.groups(&piece.batch).map_err(failed("a row"))? else { continue };
            let fail = failed("a group with the rows");
            let parts = self.parts(sink.output, &groups)?;
            // Made whole before anything is appended.
            let mut made = Vec::new();
            for (q, of_q) in parts {
                let is_there = sink.reached[p.index()][q.index()] >= piece.end;
                if is_there != (purpose == Purpose::Rebuild) {
                    continue;
                }
                let changed = self.state.merge_groups(&groups, &of_q);
                if purpose == Purpose::Append {
                    made.push((q, changed));
                }
            }
            let rows = made.into_iter().map(|(q, changed)| Ok((q, self.rows(changed)?))).collect::<Result<Vec<_>, _>>().map_err(fail)?;
            for (q, rows) in rows {
                sink.append(p, q, &rows, piece.end)?;
                report.rows_appended += rows.num_rows() as u64;
            }
        }
        Ok(())
    }

    /// The groups of some rows; `None` where there are none.
    fn groups(&self, batch: &RecordBatch) -> Result<Option<GroupTable>, EvalError> {
        let mut groups = GroupTable::new(&self.query);
        Ok((self.fold.update(&mut groups, batch)? > 0).then_some(groups))
    }

    /// The groups by output partition, ascending.
    fn parts(&self, output: &Topic, groups: &GroupTable) -> Result<Vec<(PartitionId, Vec<u32>)>, FeedError> {
        let numbers = 0..groups.len() as u32;
        let PartitionBy::Key(name) = &output.config().partition_by else {
            return Ok(vec![(PartitionId(0), numbers.collect())]);
        };
        let key = self.key_names().position(|key| key == name).expect("the output's key was checked");
        let columns: [(&str, ArrayRef); 2] = [(name, groups.key_column(key)), ("", Arc::new(UInt32Array::from_iter_values(numbers)))];
        let keys = RecordBatch::try_from_iter(columns).expect("as many keys as groups");
        let numbers = |part: RecordBatch| part.column(1).as_primitive::<UInt32Type>().values().to_vec();
        Ok(output.split(&keys)?.into_iter().map(|(q, part)| (q, numbers(part))).collect())
    }

    /// The rows of groups of the state that have changed.
    fn rows(&mut self, changed: Vec<u32>) -> Result<RecordBatch, EvalError> {
        if self.query.having.is_none() {
            return Ok(answer_groups(&self.query, &self.state, changed)?.0);
        }
        let (rows, shown) = answer_groups(&self.query, &self.state, changed.clone())?;
        self.shown.resize(self.state.len(), false);
        let mut gone = changed.clone();
        gone.retain(|&group| std::mem::take(&mut self.shown[group as usize]));
        shown.into_iter().for_each(|group| self.shown[group as usize] = true);
        gone.retain(|&group| !self.shown[group as usize]);
        if rows.num_rows() == 0 && gone.is_empty() {
            gone.push(changed[0]);
        }
        let (gone, _) = answer_groups(&self.deletions, &self.state, gone)?;
        Ok(concat_batches(&self.schema, [&rows, &gone]).expect("rows of one schema"))
    }
}

/// The records, cut at the offsets that output partitions have reached.
fn pieces(records: &Records, reached: &[Offset]) -> Vec<Records> {
    let mut cuts: Vec<Offset> = reached.iter().copied().filter(|r| records.base < *r && *r < records.end).collect();
    cuts.extend([records.base, records.end]);
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|ends| records.clone().cut(ends[0], ends[1])).collect()
}

/// That nothing was taken out of the input: the state is made of all of it, at every start.
pub(super) fn check_whole(feed: &str, input: &Topic) -> Result<(), FeedError> {
    if input.config().compaction.is_some() {
        return Err(not_whole(feed, input.name(), "is one that is compacted".into()));
    }
    let first = |position: twopath_base::Position| position.iter().find(|(_, offset)| *offset > Offset(0));
    if let Some((p, offset)) = first(input.local()?.compacted_to()?) {
        return Err(not_whole(feed, input.name(), compacted(p, offset)));
    }
    if let Some((p, offset)) = first(input.start()?) {
        return Err(not_whole(feed, input.name(), format!("begins at offset {offset} of partition {p}: retention took what was before")));
    }
    Ok(())
}

fn compacted(p: PartitionId, to: Offset) -> String {
    format!("was compacted up to offset {to} of partition {p}")
}

fn not_whole(feed: &str, topic: &str, what: String) -> FeedError {
    FeedError::NotWhole { name: feed.into(), topic: topic.into(), what }
}
