//! GROUP BY over rows that were computed.

use arrow_array::RecordBatch;
use arrow_schema::{Field as ArrowField, Schema};
use std::sync::Arc;

use super::rows::Rows;
use crate::accumulator::Accumulate;
use crate::canonical::arrow_type;
use crate::fold::Fold;
use crate::table::GroupTable;
use twopath_query::{Aggregate, EvalError, Field, NamedExpr, Query};

/// One row per group: the keys, then the aggregates; without keys one row in all. Groups are made as engines make them.
pub fn aggregate(rows: &Rows, keys: &[NamedExpr], aggregates: &[Aggregate]) -> Result<Rows, EvalError> {
    let query = flat(rows, keys, aggregates);
    let fold = Fold::new(&query);
    let mut table = GroupTable::new(&query);
    fold.update(&mut table, &batch(rows, fold.projection()))?;
    let groups: Vec<u32> = (0..table.len() as u32).collect();
    let mut columns: Vec<_> = table.keys.iter().map(|k| k.take(&groups)).collect();
    for accumulator in &table.accumulators {
        columns.push(accumulator.finalise(&groups)?);
    }
    let types = keys.iter().map(|k| k.expr.data_type).chain(aggregates.iter().map(Aggregate::data_type)).collect();
    Ok(Rows::new(columns, types, groups.len()))
}

/// The query that groups these rows, as if they were a topic's.
fn flat(rows: &Rows, keys: &[NamedExpr], aggregates: &[Aggregate]) -> Query {
    let field = |(i, t): (usize, &_)| Field { name: format!("column {i}"), data_type: *t, nullable: true };
    let fields = rows.types.iter().enumerate().map(field).collect();
    Query { keys: keys.to_vec(), aggregates: aggregates.to_vec(), ..Query::over(String::new(), fields) }
}

fn batch(rows: &Rows, columns: &[usize]) -> RecordBatch {
    let fields = columns.iter().map(|&c| ArrowField::new(format!("column {c}"), arrow_type(rows.types[c]), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.iter().map(|&c| rows.columns[c].clone()).collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.count));
    RecordBatch::try_new_with_options(schema, arrays, &options).expect("rows have the types that they name")
}
