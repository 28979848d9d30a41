//! A SELECT with groups: each change of a group is appended as a row that takes the place of the group's earlier rows.
//!
//! ```text
//! frame of input partition p ─→ its groups ─→ merged into the state ─→ the changed groups' rows, by output partition q,
//!                                                                        under (producer of p, sequence = the frame's end)
//! ```
//!
//! **State.** The groups stand in memory, in one [`GroupTable`] a worker. A group decides its output partition, so that the groups of each
//! output partition *q* are a state of their own, and one worker's; and every frame of *p* that changes some of them appends to *q*. So what
//! *q* last heard from each *p* ([`TopicSink::reached`]) says exactly which records the rows in *q* were made of. A start makes that state
//! again, from the input's first record on, **before** it appends anything: were it to append while other input partitions are still being
//! read again, rows with less in them would take the place of rows with more.
//!
//! **Kept state.** Where the state is kept ([`crate::state::Backend`]), a start reads only what came after it. What is kept is the groups of all records
//! below a position, once their rows are in the output and durable there: an output partition that has heard of less than that has no group in
//! what it has not heard of.
//!
//! **Deletions.** A group that HAVING lets through no more gets a row in which all columns but its key's are NULL: a tombstone, where the
//! output is keyed by it. Where a frame changes groups of *q* and leaves nothing to say there, because HAVING hides all of them before and after, a
//! tombstone of one of them says that much; else a start would take the frame for unread, and groups might look otherwise than they did.
//!
//! **Sums of whole numbers** are 128-bit in answers and 64-bit here, since a topic's columns are; one that does not fit stops the feed.

use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::{PartitionBy, Records, Topic, TopicConfig};
use twopath_query::{EvalError, Expr, ExprKind, Query, Value};
use twopath_view::{Fold, GroupTable, answer_groups, answer_schema};

use super::flow::Purpose;
use super::query::{Change, Made, can_be_key, check_unordered, failed, in_a_topic};
use crate::error::SpeedError;
use crate::sink::topic::TopicSink;

/// A query with groups.
#[derive(Debug, Clone)]
pub(super) struct Changelog {
    query: Query,
    /// The same groups, all of them, with their keys and nothing else.
    deletions: Query,
    fold: Fold,
    schema: SchemaRef,
    /// By key: the output column that it is.
    key_columns: Vec<usize>,
}

/// The groups of one worker's output partitions.
pub(super) struct Groups {
    table: GroupTable,
    /// By group, where the query has HAVING: whether its newest row in the output is one with values.
    shown: Vec<bool>,
    /// Whether state is kept,
    is_kept: bool,
    /// and what of it is not kept yet.
    fresh: Option<GroupTable>,
}

impl Groups {
    /// What was merged in since the last time, where state is kept and there is any.
    pub fn take_fresh(&mut self) -> Option<GroupTable> {
        self.fresh.take()
    }
}

impl Changelog {
    /// # Errors
    /// [`SpeedError::NoFeed`] for a query whose rows say not which group they are, or with ORDER BY or LIMIT.
    pub fn new(mut query: Query) -> Result<Changelog, SpeedError> {
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
            return Err(SpeedError::NoFeed { what });
        }
        let key_columns: Vec<usize> = key_columns.into_iter().flatten().collect();
        if query.having.is_some() && query.output.len() == key_columns.len() {
            let what = "with HAVING it deletes groups again, by rows that are NULL but for the group's key; add another column to the \
                        select list, such as COUNT(*) AS n";
            return Err(SpeedError::NoFeed { what: what.into() });
        }
        in_a_topic(&mut query);
        let mut deletions = Query { having: None, ..query.clone() };
        for (i, output) in deletions.output.iter_mut().enumerate() {
            if !key_columns.contains(&i) {
                output.expr = Expr::literal(Value::Null, output.expr.data_type);
            }
        }
        let (fold, schema) = (Fold::new(&query), answer_schema(&query));
        Ok(Changelog { query, deletions, fold, schema, key_columns })
    }

    /// Of what it gives.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the input that it reads, ascending.
    pub fn projection(&self) -> &[usize] {
        self.fold.projection()
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key_columns.iter().map(|&c| self.query.output[c].name.as_str())
    }

    /// What the output is keyed by unless told otherwise: the first of the group's columns that can be a topic's key.
    pub fn key(&self) -> Option<&str> {
        self.key_columns.iter().find(|&&c| can_be_key(self.query.output[c].expr.data_type)).map(|&c| self.query.output[c].name.as_str())
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

    /// The changes that the input's records make, for output partitions that do not have them, or, to make the state again, that do.
    pub fn changes(&self, records: &Records, purpose: Purpose, sink: &TopicSink, changes: &mut Vec<Change>) -> Result<(), SpeedError> {
        let from = records.partition;
        if records.end.0 - records.base.0 != records.batch.num_rows() as u64 {
            return Err(not_whole(&sink.name, &self.query.topic, compacted(from, records.end)));
        }
        let reached = sink.reached(from);
        for piece in pieces(records, reached) {
            let (base, end) = (piece.base, piece.end);
            let failed = |source| failed(sink, from, (base, end), "a row", source);
            let Some(groups) = self.groups(&piece.batch).map_err(failed)? else { continue };
            let mut parts = self.parts(&sink.output, &groups)?;
            parts.retain(|(q, _)| (reached[q.index()] >= end) == (purpose == Purpose::Rebuild));
            if !parts.is_empty() {
                changes.push(Change { from, base, end, made: Made::Groups(Arc::new(groups), parts) });
            }
        }
        Ok(())
    }

    /// Merges a frame's groups into the state, and gives the rows of those that have changed, by output partition, if they are to be appended.
    pub fn fold(
        &self,
        state: &mut Groups,
        groups: &GroupTable,
        parts: &[(PartitionId, Vec<u32>)],
        purpose: Purpose,
    ) -> Result<Vec<(PartitionId, RecordBatch)>, EvalError> {
        let mut made = Vec::new();
        for (q, of_q) in parts {
            let changed = state.table.merge_groups(groups, of_q);
            if state.is_kept {
                state.fresh.get_or_insert_with(|| GroupTable::new(&self.query)).merge_groups(groups, of_q);
            }
            if purpose == Purpose::Append {
                made.push((*q, changed));
            }
        }
        made.into_iter().map(|(q, changed)| Ok((q, self.rows(state, changed)?))).collect()
    }

    /// A state without records; `is_kept` says whether somebody takes what is merged in.
    pub fn empty(&self, is_kept: bool) -> Groups {
        Groups { table: GroupTable::new(&self.query), shown: Vec::new(), is_kept, fresh: None }
    }

    /// Merges groups that were kept into the states of the workers whose output partitions they belong to.
    pub fn adopt(&self, states: &[Mutex<Groups>], output: &Topic, kept: &GroupTable) -> Result<(), SpeedError> {
        for (q, groups) in self.parts(output, kept)? {
            lock(&states[q.index() % states.len()]).table.merge_groups(kept, &groups);
        }
        Ok(())
    }

    /// Finds out what the output shows of a state that was made again.
    pub fn find_shown(&self, state: &mut Groups) -> Result<(), EvalError> {
        if self.query.having.is_none() {
            return Ok(());
        }
        let query = Query { having: self.query.having.clone(), ..self.deletions.clone() };
        let (_, shown) = answer_groups(&query, &state.table, (0..state.table.len() as u32).collect())?;
        state.shown = vec![false; state.table.len()];
        shown.into_iter().for_each(|group| state.shown[group as usize] = true);
        Ok(())
    }

    /// The groups of some rows; `None` where there are none.
    fn groups(&self, batch: &RecordBatch) -> Result<Option<GroupTable>, EvalError> {
        let mut groups = GroupTable::new(&self.query);
        Ok((self.fold.update(&mut groups, batch)? > 0).then_some(groups))
    }

    /// The groups by output partition, ascending.
    fn parts(&self, output: &Topic, groups: &GroupTable) -> Result<Vec<(PartitionId, Vec<u32>)>, SpeedError> {
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
    fn rows(&self, state: &mut Groups, changed: Vec<u32>) -> Result<RecordBatch, EvalError> {
        if self.query.having.is_none() {
            return Ok(answer_groups(&self.query, &state.table, changed)?.0);
        }
        let (rows, shown) = answer_groups(&self.query, &state.table, changed.clone())?;
        state.shown.resize(state.table.len(), false);
        let mut gone = changed.clone();
        gone.retain(|&group| std::mem::take(&mut state.shown[group as usize]));
        shown.into_iter().for_each(|group| state.shown[group as usize] = true);
        gone.retain(|&group| !state.shown[group as usize]);
        if rows.num_rows() == 0 && gone.is_empty() {
            gone.push(changed[0]);
        }
        let (gone, _) = answer_groups(&self.deletions, &state.table, gone)?;
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
pub(super) fn check_whole(feed: &str, input: &Topic) -> Result<(), SpeedError> {
    check_uncompacted(feed, input)?;
    check_kept(feed, input)
}

/// That retention took nothing from the input.
pub(super) fn check_kept(feed: &str, input: &Topic) -> Result<(), SpeedError> {
    if let Some((p, offset)) = first(&input.start()?) {
        return Err(not_whole(feed, input.name(), format!("begins at offset {offset} of partition {p}: retention took what was before")));
    }
    Ok(())
}

/// That compaction took nothing out of the input, nor will.
pub(super) fn check_uncompacted(feed: &str, input: &Topic) -> Result<(), SpeedError> {
    if input.config().compaction.is_some() {
        return Err(not_whole(feed, input.name(), "is one that is compacted".into()));
    }
    match first(&input.local()?.compacted_to()?) {
        Some((p, offset)) => Err(not_whole(feed, input.name(), compacted(p, offset))),
        None => Ok(()),
    }
}

/// The first partition that does not begin at its first record, and where it does.
fn first(position: &Position) -> Option<(PartitionId, Offset)> {
    position.iter().find(|(_, offset)| *offset > Offset(0))
}

fn compacted(p: PartitionId, to: Offset) -> String {
    format!("was compacted up to offset {to} of partition {p}")
}

fn not_whole(feed: &str, topic: &str, what: String) -> SpeedError {
    SpeedError::NotWhole { name: feed.into(), topic: topic.into(), what }
}
