//! Tests of the whole: what spans the files of this module.

mod expressions;
mod hot_path;
mod merging;
mod reference;
mod relational;
mod relational_path;
mod retraction;
mod rows;
mod storing;
mod windows;

use arrow_schema::{Field, Schema};

use crate::arrow_type;
use twopath_query::{DataType, Query, parse};

/// A query over a topic `t` with the given columns, all nullable.
fn query(sql: &str, columns: &[(&str, DataType)]) -> Query {
    let fields: Vec<Field> = columns.iter().map(|(name, t)| Field::new(*name, arrow_type(*t), true)).collect();
    parse(sql, "t", &Schema::new(fields)).unwrap_or_else(|e| panic!("{}", e.report(sql)))
}
