//! Hand-written polars: what it is given, and whether what it gives is what a [`Merging`] needs.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use polars::prelude::{
    Column, DataFrame, DataType as PolarsType, Expr as Plan, IntoLazy, LazyFrame, PlSmallStr, PolarsError, PolarsResult,
    TimeUnit as PolarsUnit, UnionArgs, col, concat,
};
use twopath_query::{DataType, Query};
use twopath_view::{Merging, Part};

use crate::HandWritten;
use crate::sql::frame::{physical_type, to_arrow};
use crate::sql::{Raised, ReadColumn, of_sql_type};

/// The polars type in which people see values of a SQL type.
fn people_type(t: DataType) -> PolarsType {
    match t {
        DataType::Timestamp => PolarsType::Datetime(PolarsUnit::Microseconds, None),
        DataType::Interval => PolarsType::Duration(PolarsUnit::Microseconds),
        _ => physical_type(t),
    }
}

/// The topic's columns that the code reads: those without which its plan does not resolve. Of a plan that never resolves, all;
/// [`check`] says why.
pub fn columns(hand: &HandWritten, query: &Query) -> Vec<ReadColumn> {
    let column =
        |(index, field): (usize, &twopath_query::Field)| ReadColumn { index, name: field.name.clone(), data_type: field.data_type };
    let mut columns: Vec<ReadColumn> = query.fields.iter().enumerate().map(column).collect();
    if shape(hand, &columns).is_err() {
        return columns;
    }
    let mut at = 0;
    while at < columns.len() && columns.len() > 1 {
        let column = columns.remove(at);
        if shape(hand, &columns).is_err() {
            columns.insert(at, column);
            at += 1;
        }
    }
    columns
}

/// The names and types of the columns that come out.
fn shape(hand: &HandWritten, columns: &[ReadColumn]) -> PolarsResult<polars::prelude::SchemaRef> {
    let empty = columns.iter().map(|c| Column::new_empty(c.name.as_str().into(), &people_type(c.data_type))).collect();
    (hand.plan)(DataFrame::new(0, empty)?.lazy()).collect_schema()
}

/// Checks that the code gives every key and part of `merging`. The error says what does not fit.
pub fn check(hand: &HandWritten, merging: &Merging, columns: &[ReadColumn]) -> Result<(), String> {
    let shape = shape(hand, columns).map_err(|e| format!("polars refuses it over this topic: {e}"))?;
    let given = |name: &str, role: &str| {
        shape.get(name).ok_or_else(|| {
            let have: Vec<&str> = shape.iter_names().map(PlSmallStr::as_str).collect();
            format!("the {role} '{name}' is missing; it gives {}", have.join(", "))
        })
    };
    for (name, t) in merging.keys {
        let found = given(name, "key")?;
        if !fits(found, *t) {
            return Err(format!("its key '{name}' is {found}, and {t:?} is {} in polars", people_type(*t)));
        }
    }
    for (name, part) in merging.parts {
        let found = given(name, "part")?;
        let (t, list) = values_of(*part);
        let right = match found {
            PolarsType::List(item) => list && fits(item, t),
            other => !list && fits(other, t),
        };
        if !right {
            let wanted = if list { format!("list[{}]", people_type(t)) } else { people_type(t).to_string() };
            return Err(format!("its part '{name}' is {found}, and {part:?} is {wanted} in polars"));
        }
    }
    Ok(())
}

/// Integers may have any width: polars counts in 32 bits.
fn fits(found: &PolarsType, t: DataType) -> bool {
    if t == DataType::Int { found.is_integer() } else { *found == people_type(t) }
}

/// The type of a part's values, and whether it comes as their list.
fn values_of(part: Part) -> (DataType, bool) {
    match part {
        Part::Count => (DataType::Int, false),
        Part::Sum(DataType::Float) => (DataType::Float, true),
        Part::Sum(t) | Part::Min(t) | Part::Max(t) => (t, false),
        Part::Distinct(t) | Part::DistinctSketch(t) | Part::Quantiles(t, _) => (t, true),
    }
}

/// The scanned frames as one, with the types that people see.
pub fn typed(frames: Vec<DataFrame>, columns: &[ReadColumn], schema: &Schema, raised: &Raised) -> PolarsResult<LazyFrame> {
    let column = |c: &ReadColumn| {
        let values = of_sql_type(col(c.name.as_str()), schema.field(c.index).data_type(), raised, |column| column);
        let values = if people_type(c.data_type) == physical_type(c.data_type) { values } else { values.cast(people_type(c.data_type)) };
        values.alias(c.name.as_str())
    };
    let select: Vec<Plan> = columns.iter().map(column).collect();
    let frames: Vec<LazyFrame> = frames.into_iter().map(|frame| frame.lazy().select(&select)).collect();
    concat(frames, UnionArgs::default())
}

/// The keys and parts that came out, as arrow-rs columns by name.
pub fn groups(merging: &Merging, groups: &DataFrame) -> PolarsResult<RecordBatch> {
    let column = |name: &str, t: DataType| -> PolarsResult<(Field, ArrayRef)> {
        let series = groups.column(name)?.as_materialized_series().clone();
        let wide = |found: &PolarsType| if *found == PolarsType::Int128 { DataType::Numeric } else { DataType::Int };
        let (series, t) = match (t, series.dtype()) {
            (DataType::Int, PolarsType::List(item)) => {
                let items = PolarsType::List(Box::new(physical_type(wide(item))));
                let t = wide(item);
                (series.strict_cast(&items)?, t)
            }
            (DataType::Int, found) => {
                let t = wide(found);
                (series.strict_cast(&physical_type(t))?, t)
            }
            _ => (series, t),
        };
        let array = to_arrow(&series, t)?;
        Ok((Field::new(name, array.data_type().clone(), true), array))
    };
    let keys = merging.keys.iter().map(|(name, t)| column(name, *t));
    let parts = merging.parts.iter().map(|(name, part)| column(name, values_of(*part).0));
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = keys.chain(parts).collect::<PolarsResult<Vec<_>>>()?.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| PolarsError::ComputeError(e.to_string().into()))
}
