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
use super::table::GroupTable;

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
/// Where the groups of one generation are all that there is (`alone` says that the caller adds no others), each group is in one place, and what HAVING and
/// LIMIT cannot let through is left where it is: the first ten of ten million groups do not come into memory with the others.
///
/// # Errors
/// Kept groups cannot be read; and of `alone` ones, the [`EvalError`] of a group that raises one.
pub fn tables_for(
    generations: &[Generation],
    query: &Query,
    selection: &Selection,
    alone: bool,
) -> Result<Vec<Arc<GroupTable>>, KeptError> {
    let alone = alone && matches!(generations, [only] if only.tables.is_empty());
    let mut tables = Vec::new();
    for generation in generations {
        tables.extend(generation.tables.iter().cloned());
        if let Some(kept) = &generation.kept {
            wanted(&**kept, query, selection, alone, &mut tables)?;
        }
    }
    Ok(tables)
}

fn wanted(
    kept: &dyn KeptGroups,
    query: &Query,
    selection: &Selection,
    alone: bool,
    tables: &mut Vec<Arc<GroupTable>>,
) -> Result<(), KeptError> {
    // A window that is put together of panes has a key that no kept group has.
    let by_group = query.panes.is_none();
    if by_group && let Some(key) = &selection.key {
        tables.extend(kept.find(key)?.map(Arc::new));
        return Ok(());
    }
    let (from, to) = (selection.first_key.0.as_ref(), selection.first_key.1.as_ref());
    let in_range = by_group && (from.is_some() || to.is_some());
    kept.scan(&mut |mut table| {
        if in_range && let Some(first) = table.keys.first() {
            let within: Vec<u32> = (0..table.len() as u32).filter(|&group| first.within(group as usize, from, to)).collect();
            // Found by key again, where others are merged with it.
            let mut ranged = table.emptied();
            ranged.merge_groups(&table, &within);
            table = ranged;
        }
        if alone {
            table = candidates(query, table)?;
        }
        if !table.is_empty() {
            tables.push(Arc::new(table));
        }
        Ok(())
    })
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
