//! What a job computes: a query's SQL, or the same groups written by hand.

use arrow_array::{Array, ArrayRef, RecordBatch};
use twopath_query::{DataType, EvalError, Query};
use twopath_view::{GroupTable, Plan, arrow_type, canonical};

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
    /// Gets those columns (by name; their order is the topic's; in the canonical Arrow type of their SQL type) and the table of the query's keys and aggregates.
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
pub(crate) enum Fold {
    Sql(Plan),
    Hand { columns: Vec<usize>, types: Vec<DataType>, fold: fn(&RecordBatch, &mut GroupTable) -> Result<(), EvalError> },
}

impl Fold {
    /// # Errors
    /// Hand-written logic reads a column that the query's topic does not have, or has with another type.
    pub fn new(query: &Query, logic: Logic) -> Result<Self, SpeedError> {
        let Logic::Hand(hand) = logic else { return Ok(Fold::Sql(Plan::new(query))) };
        let mut columns = Vec::new();
        for &(name, expected) in hand.columns {
            let place = query.fields.iter().position(|f| f.name == name && f.data_type == expected);
            columns.push(place.ok_or_else(|| SpeedError::Column {
                logic: logic.name(),
                column: name.to_owned(),
                expected,
                topic: query.topic.clone(),
                columns: query.fields.iter().map(|f| format!("{} {:?}", f.name, f.data_type)).collect::<Vec<_>>().join(", "),
            })?);
        }
        columns.sort_unstable();
        columns.dedup();
        let types = columns.iter().map(|&c| query.fields[c].data_type).collect();
        Ok(Fold::Hand { columns, types, fold: hand.fold })
    }

    /// The columns of the topic that it reads, ascending.
    pub fn columns(&self) -> &[usize] {
        match self {
            Fold::Sql(plan) => &plan.projection,
            Fold::Hand { columns, .. } => columns,
        }
    }

    /// Folds a frame's rows in; `batch` has exactly [`Fold::columns`].
    pub fn fold(&self, batch: &RecordBatch, table: &mut GroupTable) -> Result<(), EvalError> {
        match self {
            Fold::Sql(plan) => plan.update(table, batch).map(drop),
            Fold::Hand { types, fold, .. } => {
                let is_canonical = |(column, &t): (&ArrayRef, &DataType)| *column.data_type() == arrow_type(t);
                if batch.columns().iter().zip(types).all(is_canonical) {
                    fold(batch, table)
                } else {
                    fold(&in_canonical_types(batch, types)?, table)
                }
            }
        }
    }
}

/// Topics may hold narrower integers and other units of time than hand-written logic is written for.
fn in_canonical_types(batch: &RecordBatch, types: &[DataType]) -> Result<RecordBatch, EvalError> {
    let columns = batch.columns().iter().zip(types).map(|(column, &t)| canonical(column, t)).collect::<Result<Vec<_>, _>>()?;
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name());
    Ok(RecordBatch::try_from_iter(names.zip(columns)).expect("columns of one length"))
}
