//! From accumulators to an answer: merging parts, finalising, HAVING, ORDER BY, DISTINCT, OFFSET, LIMIT.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::filter::filter;
use arrow_select::take::take;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::accumulator::Accumulate;
use super::canonical::arrow_type;
use super::eval::{eval, eval_condition};
use super::order::{SortColumn, SortValues, sorted};
use super::relational::finish_plan;
use super::selection::Selection;
use super::table::GroupTable;
use super::windows;
use twopath_query::plan::Node;
use twopath_query::{EvalError, Expr, Query};

/// The schema of a query's answers: its output columns in canonical types, all nullable.
pub fn answer_schema(query: &Query) -> SchemaRef {
    let fields = query.answer_columns().into_iter().map(|(name, t)| Field::new(name, arrow_type(t), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Merges the parts' groups that `ask` wants, finalises them, and applies HAVING, ORDER BY, DISTINCT, OFFSET and LIMIT. Without ORDER BY, and where it
/// leaves a tie, rows come in key order. `parts` are given in log order, though any order gives the same.
///
/// # Errors
/// The [`EvalError`] of one of the wanted groups that raise one.
pub fn answer(query: &Query, parts: &[&GroupTable], selection: &Selection) -> Result<RecordBatch, EvalError> {
    let (table, groups) = match &query.panes {
        None => wanted(query, parts, selection),
        Some(panes) => {
            let table = windows::assembled(query, panes, parts, selection)?;
            let groups = all(&table);
            (Cow::Owned(table), groups)
        }
    };
    let rows = answer_groups(query, &table, groups)?.0;
    match &query.finish {
        None => Ok(rows),
        Some(plan) => finish_plan(plan, &[rows]),
    }
}

/// As [`answer`], of these groups of one table; and which group each row is. They are groups as answers are made of: where the query has
/// [panes](twopath_query::Panes), by window, which a table that an engine made does not have.
///
/// # Errors
/// The [`EvalError`] of one of the groups that raise one.
pub fn answer_groups(query: &Query, table: &GroupTable, groups: Vec<u32>) -> Result<(RecordBatch, Vec<u32>), EvalError> {
    let (columns, mut groups) = showing(query, table, groups)?;
    let rows = groups.len();
    let outputs = query.output.iter().map(|o| eval(&o.expr, &columns, rows)).collect::<Result<Vec<_>, _>>()?;
    // What goes on with the rows does so in no order, as differential's collections do.
    let goes_on = query.finish.as_ref().is_some_and(|plan| !matches!(plan.node, Node::Input { .. }));
    let is_set = goes_on && query.order_by.is_empty() && !query.distinct && query.limit.is_none();
    let order = if is_set { (0..rows as u32).collect() } else { ordered(query, &columns, rows)? };
    let order = if query.rows { repeated(order, columns.last(), last_row(query)) } else { order };
    let mut order = if query.distinct { distinct(order, &outputs, query) } else { order };
    order.drain(..order.len().min(usize::try_from(query.offset).unwrap_or(usize::MAX)));
    order.truncate(row_count(query.limit));
    let fields = query.output.iter().map(|o| Field::new(&o.name, arrow_type(o.expr.data_type), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let untouched = order.len() == rows && order.iter().enumerate().all(|(i, &row)| i == row as usize);
    let outputs = if untouched {
        outputs
    } else {
        groups = order.iter().map(|&row| groups[row as usize]).collect();
        let order = UInt32Array::from(order);
        outputs.iter().map(|o| take(o, &order, None).expect("rows that exist")).collect()
    };
    let options = RecordBatchOptions::new().with_row_count(Some(if untouched { rows } else { outputs.first().map_or(0, |o| o.len()) }));
    Ok((RecordBatch::try_new_with_options(schema, outputs, &options).expect("outputs have the query's types"), groups))
}

/// Of one of several tables that have no key in common, and all rows of their keys: the groups that an answer may show, which is all that it needs of them.
///
/// # Errors
/// The [`EvalError`] of one of the groups that raise one.
pub fn candidates(query: &Query, table: GroupTable) -> Result<GroupTable, EvalError> {
    let computed = query.output.iter().map(|o| &o.expr).chain(query.order_by.iter().map(|o| &o.expr));
    // What is left out here is not computed, and raises nothing.
    let is_cut = query.limit.is_some() && !query.rows && !query.distinct && !computed.into_iter().any(Expr::can_fail);
    if query.panes.is_some() || query.keys.is_empty() || !is_cut && query.having.is_none() {
        return Ok(table);
    }
    let (columns, groups) = showing(query, &table, all(&table))?;
    let shown = match is_cut {
        true => ordered(query, &columns, groups.len())?.into_iter().map(|row| groups[row as usize]).collect(),
        false => groups,
    };
    Ok(table.picked(&shown))
}

/// A table in which the groups that are asked for are merged, and which they are. Where one part has them all, it is that part, and
/// nothing is copied.
fn wanted<'a>(query: &Query, parts: &[&'a GroupTable], ask: &Selection) -> (Cow<'a, GroupTable>, Vec<u32>) {
    let (from, to) = (ask.first_key.0.as_ref(), ask.first_key.1.as_ref());
    if let Some(key) = &ask.key {
        let within = |part: &GroupTable, group| part.keys.first().is_none_or(|k| k.within(group, from, to));
        let groups = parts.iter().filter_map(|p| p.find(key).filter(|&g| within(p, g)).map(|g| (*p, g as u32)));
        return match groups.collect::<Vec<_>>()[..] {
            [] => {
                let table = GroupTable::new(query);
                let groups = all(&table);
                (Cow::Owned(table), groups)
            }
            [(part, group)] => (Cow::Borrowed(part), vec![group]),
            ref several => (Cow::Owned(GroupTable::of_one_group(several)), vec![0]),
        };
    }
    if from.is_none() && to.is_none() {
        let table = match parts {
            [] => Cow::Owned(GroupTable::new(query)),
            [only] => Cow::Borrowed(*only),
            _ => Cow::Owned(merged(parts)),
        };
        let groups = all(&table);
        return (table, groups);
    }
    let groups = |p: &GroupTable| match p.keys.first() {
        None => all(p),
        Some(k) => (0..p.len() as u32).filter(|&g| k.within(g as usize, from, to)).collect(),
    };
    let found: Vec<(&GroupTable, Vec<u32>)> = parts.iter().map(|p| (*p, groups(p))).filter(|(_, groups)| !groups.is_empty()).collect();
    if let [(part, _)] = found[..] {
        return (Cow::Borrowed(part), found.into_iter().flat_map(|(_, groups)| groups).collect());
    }
    let mut table = found.first().map_or_else(|| GroupTable::new(query), |(part, _)| part.emptied());
    for (part, groups) in found {
        table.merge_groups(part, &groups);
    }
    let groups = all(&table);
    (Cow::Owned(table), groups)
}

fn all(table: &GroupTable) -> Vec<u32> {
    (0..table.len() as u32).collect()
}

/// All parts in one: the largest is copied as it is.
fn merged(parts: &[&GroupTable]) -> GroupTable {
    if GroupTable::are_disjoint(parts)
        && let Some(table) = GroupTable::joined(parts.iter().copied())
    {
        return table;
    }
    let largest = (0..parts.len()).max_by_key(|&i| parts[i].len()).expect("several parts");
    let mut table = parts[largest].clone();
    for (i, part) in parts.iter().enumerate() {
        if i != largest {
            table.merge(part);
        }
    }
    table
}

/// The group rows (keys, then aggregates) of the groups that HAVING lets through, and which these are.
fn showing(query: &Query, table: &GroupTable, mut groups: Vec<u32>) -> Result<(Vec<ArrayRef>, Vec<u32>), EvalError> {
    let mut columns = group_rows(table, &groups)?;
    if let Some(having) = &query.having {
        let kept = BooleanArray::new(eval_condition(having, &columns, groups.len())?, None);
        if kept.true_count() < groups.len() {
            for column in &mut columns {
                *column = filter(column, &kept).expect("columns and mask have the same rows");
            }
            groups = kept.values().set_indices().map(|row| groups[row]).collect();
        }
    }
    Ok((columns, groups))
}

fn group_rows(table: &GroupTable, groups: &[u32]) -> Result<Vec<ArrayRef>, EvalError> {
    let keys = table.keys.iter().map(|k| Ok(k.take(groups)));
    keys.chain(table.accumulators.iter().map(|a| a.finalise(groups))).collect()
}

fn row_count(rows: Option<u64>) -> usize {
    rows.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX))
}

/// How many rows are needed in order: those of OFFSET and of LIMIT.
fn last_row(query: &Query) -> usize {
    row_count(query.limit.map(|rows| rows.saturating_add(query.offset)))
}

/// Of rows that put out the same, the first.
fn distinct(mut order: Vec<u32>, outputs: &[ArrayRef], query: &Query) -> Vec<u32> {
    let columns: Vec<SortValues> = outputs.iter().zip(&query.output).map(|(o, named)| SortValues::new(o, named.expr.data_type)).collect();
    let mut seen = HashSet::with_hasher(FixedState::default());
    order.retain(|&row| seen.insert(columns.iter().map(|c| c.cell(row as usize)).collect::<Vec<_>>()));
    order
}

/// The rows in the order of ORDER BY and then of keys, cut at LIMIT (save for `rows` queries, which repeat rows first, and distinct ones).
fn ordered(query: &Query, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>, EvalError> {
    let limit = if query.rows || query.distinct { rows } else { rows.min(last_row(query)) };
    let by =
        query.order_by.iter().map(|o| Ok(SortColumn::new(&eval(&o.expr, columns, rows)?, o.expr.data_type, o.descending, o.nulls_first)));
    let keys = query.keys.iter().zip(columns).map(|(key, column)| Ok(SortColumn::ascending(column, key.expr.data_type)));
    Ok(sorted(&by.chain(keys).collect::<Result<Vec<_>, EvalError>>()?, rows, limit))
}

/// Each row as often as its group was seen, up to `limit` rows.
fn repeated(order: Vec<u32>, counts: Option<&ArrayRef>, limit: usize) -> Vec<u32> {
    let counts = counts.expect("a query of rows counts them").as_primitive::<Int64Type>();
    let rows = order.into_iter().flat_map(|row| std::iter::repeat_n(row, counts.value(row as usize) as usize));
    rows.take(limit).collect()
}
