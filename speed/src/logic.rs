//! What a job computes: a query's SQL, or the same groups written by hand.

use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_shared::query::{DataType, EvalError, Query};
use twopath_shared::view::GroupTable;

use crate::error::SpeedError;

/// What people write for the speed layer: the query's own SQL, or hand-written logic that makes the same groups.
#[derive(Debug, Clone, Copy)]
pub enum Logic {
    Sql,
    Hand(HandWritten),
}

/// Logic written for the stream engine: it folds a frame of the log into a table of groups.
#[derive(Debug, Clone, Copy)]
pub struct HandWritten {
    /// For messages.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    /// The topic's columns that it reads, by name, with the types that it expects of them.
    pub columns: &'static [(&'static str, DataType)],
    /// Gets those columns (by name; their order is the topic's) and the table of the query's keys and aggregates.
    pub fold: fn(&RecordBatch, &mut GroupTable) -> Result<(), EvalError>,
}

impl Logic {
    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Logic::Sql => "sql".to_owned(),
            Logic::Hand(hand) => format!("{} version {}", hand.name, hand.version),
        }
    }
}

/// Logic made ready for one topic.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    query: Arc<Query>,
    logic: Logic,
    columns: Vec<usize>,
}

impl Fold {
    pub fn new(query: Arc<Query>, logic: Logic) -> Result<Self, SpeedError> {
        let columns = match logic {
            Logic::Sql => query.columns_read(),
            Logic::Hand(hand) => {
                let mut columns = Vec::new();
                for &(name, expected) in hand.columns {
                    let place = query.fields.iter().position(|f| f.name == name && f.data_type == expected);
                    columns.push(place.ok_or_else(|| SpeedError::Column {
                        logic: Logic::Hand(hand).name(),
                        column: name.to_owned(),
                        expected,
                        topic: query.topic.clone(),
                        columns: query.fields.iter().map(|f| format!("{} {:?}", f.name, f.data_type)).collect::<Vec<_>>().join(", "),
                    })?);
                }
                columns.sort_unstable();
                columns.dedup();
                columns
            }
        };
        Ok(Fold { query, logic, columns })
    }

    /// The columns of the topic that it reads, ascending.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Folds a frame's rows in; `batch` has exactly [`Fold::columns`].
    pub fn fold(&mut self, batch: &RecordBatch, table: &mut GroupTable) -> Result<(), EvalError> {
        match self.logic {
            Logic::Sql => table.update_from_log(&self.query, batch),
            Logic::Hand(hand) => (hand.fold)(batch, table),
        }
    }
}
