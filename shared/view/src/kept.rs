//! Groups that are not in memory: those of a generation that a store keeps.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::ArrayRef;
use twopath_query::{EvalError, NamedExpr, Query, Value};

use super::Generation;
use super::answer::candidates;
use super::canonical::one_row;
use super::keys::{KeyColumn, KeyInput};
use super::selection::Selection;
use super::table::{GroupTable, NO_GROUP};

/// A generation's groups outside the process's memory, as they were at one moment: they do not change while somebody holds them.
pub trait KeptGroups: Debug + Send + Sync {
    /// The group under a key, alone in a table; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    fn find(&self, key: &[Value]) -> Result<Option<GroupTable>, KeptError>;

    /// Gives all groups in tables of a few thousand. Each group is in one of them.
    ///
    /// # Errors
    /// They cannot be read, or are damaged; or what `each` returned.
    fn scan(&self, each: &mut dyn FnMut(GroupTable) -> Result<(), KeptError>) -> Result<(), KeptError>;
}

/// Why kept groups are not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    #[error("the state in {place} cannot be read ({reason}); start the job again: what is damaged is made anew from what it came of")]
    Unreadable { place: String, reason: String },
    #[error(transparent)]
    Eval(#[from] EvalError),
}

/// The tables that an answer over these generations is merged of: those in memory as they are, and of kept groups those that are asked for.
///
/// Where the groups of one generation are all that there is (`alone` says that the caller adds no others), what HAVING and LIMIT cannot let through is left
/// where it is: the first ten of ten million groups do not come into memory with the others.
///
/// # Errors
/// Kept groups cannot be read; and of `alone` ones, the [`EvalError`] of a group that raises one.
pub fn tables_for(
    generations: &[Generation],
    query: &Query,
    selection: &Selection,
    alone: bool,
) -> Result<Vec<Arc<GroupTable>>, KeptError> {
    let alone = alone && generations.len() == 1;
    let mut tables = Vec::new();
    for generation in generations {
        match &generation.kept {
            Some(kept) if alone && selection.key.is_none() => shown(&**kept, &generation.tables, query, selection, &mut tables)?,
            Some(kept) => {
                tables.extend(generation.tables.iter().cloned());
                wanted(&**kept, query, selection, &mut |table| {
                    tables.push(table);
                    Ok(())
                })?;
            }
            None => tables.extend(generation.tables.iter().cloned()),
        }
    }
    Ok(tables)
}

/// Gives the kept groups that are asked for, in tables that have any.
fn wanted(
    kept: &dyn KeptGroups,
    query: &Query,
    selection: &Selection,
    each: &mut dyn FnMut(Arc<GroupTable>) -> Result<(), KeptError>,
) -> Result<(), KeptError> {
    // A window that is put together of panes has a key that no kept group has.
    if query.panes.is_none()
        && let Some(key) = &selection.key
    {
        return kept.find(key)?.map_or(Ok(()), |table| each(Arc::new(table)));
    }
    kept.scan(&mut |table| match within(table, query, selection) {
        table if table.is_empty() => Ok(()),
        table => each(Arc::new(table)),
    })
}

/// A table's groups whose first key is asked for. They are found by key again, where others are merged with them.
fn within(table: GroupTable, query: &Query, selection: &Selection) -> GroupTable {
    let (from, to) = (selection.first_key.0.as_ref(), selection.first_key.1.as_ref());
    let Some(first) = table.keys.first().filter(|_| query.panes.is_none() && (from.is_some() || to.is_some())) else { return table };
    let within: Vec<u32> = (0..table.len() as u32).filter(|&group| first.within(group as usize, from, to)).collect();
    let mut ranged = table.emptied();
    ranged.merge_groups(&table, &within);
    ranged
}

/// Gives of kept groups, and of newer ones to be merged into them, those that an answer of nothing else may show.
fn shown(
    kept: &dyn KeptGroups,
    newer: &[Arc<GroupTable>],
    query: &Query,
    selection: &Selection,
    tables: &mut Vec<Arc<GroupTable>>,
) -> Result<(), KeptError> {
    let mut over = GroupTable::new(query);
    newer.iter().for_each(|table| over.merge(table));
    let over = within(over, query, selection);
    let mut is_found = vec![false; over.len()];
    let mut show = |table: GroupTable| {
        let table = candidates(query, table)?;
        if !table.is_empty() {
            tables.push(Arc::new(table));
        }
        Ok(())
    };
    wanted(kept, query, selection, &mut |table| {
        let mut table = Arc::unwrap_or_clone(table);
        if !over.is_empty() {
            let keys: Vec<ArrayRef> = (0..table.keys.len()).map(|key| table.key_column(key)).collect();
            let mut same = over.lookup(&keys, table.len());
            same.retain(|&group| group != NO_GROUP);
            same.sort_unstable();
            same.iter().for_each(|&group| is_found[group as usize] = true);
            table.merge_groups(&over, &same);
        }
        show(table)
    })?;
    let others: Vec<u32> = (0..over.len() as u32).filter(|&group| !is_found[group as usize]).collect();
    match others.is_empty() {
        true => Ok(()),
        false => show(over.picked(&others)),
    }
}

/// A key as the columns that [`GroupTable::to_batch`] has for it, of one row; `None` where no group can have it, as a value is of another type than
/// its column.
pub fn key_columns(query: &Query, key: &[Value]) -> Option<Vec<ArrayRef>> {
    let column = |(named, value): (&NamedExpr, &Value)| {
        let data_type = named.expr.data_type;
        let mut column = KeyColumn::new(data_type);
        column.fold_value(0, value)?;
        column.push(&KeyInput::new(&one_row(value, data_type), data_type), 0);
        Some(column.take(&[0]))
    };
    if key.len() == query.keys.len() { query.keys.iter().zip(key).map(column).collect() } else { None }
}
