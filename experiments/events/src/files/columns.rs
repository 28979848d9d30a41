//! Rows of cells into record batches.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use super::cell::{Cell, Reading};
use super::schema::{ColumnType, TimeUnitOfNumbers};

/// One record batch in the making.
pub(super) struct Columns {
    schema: SchemaRef,
    columns: Vec<Column>,
    bytes: usize,
}

enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
}

impl Columns {
    pub fn new(schema: &SchemaRef) -> Self {
        let column = |field: &Arc<arrow_schema::Field>| match column_type(field) {
            ColumnType::Bool => Column::Bool(BooleanBuilder::new()),
            ColumnType::Int => Column::Int(Int64Builder::new()),
            ColumnType::Float => Column::Float(Float64Builder::new()),
            ColumnType::Text => Column::Text(StringBuilder::new()),
            ColumnType::Timestamp => Column::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            t @ ColumnType::Decimal { .. } => Column::Decimal(Decimal128Builder::new().with_data_type(t.arrow())),
        };
        Columns { schema: schema.clone(), columns: schema.fields().iter().map(column).collect(), bytes: 0 }
    }

    /// How much the rows so far take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row of cells that fit their columns.
    pub fn push(&mut self, row: &[Cell<'_>]) {
        assert_eq!(row.len(), self.columns.len(), "a row has a cell for every column");
        for (column, cell) in self.columns.iter_mut().zip(row) {
            self.bytes += size_of::<i64>() + if let Cell::Text(v) = cell { v.len() } else { 0 };
            match (column, cell) {
                (Column::Bool(b), Cell::Bool(v)) => b.append_value(*v),
                (Column::Bool(b), Cell::Null) => b.append_null(),
                (Column::Int(b), Cell::Int(v)) => b.append_value(*v),
                (Column::Int(b), Cell::Null) => b.append_null(),
                (Column::Float(b), Cell::Float(v)) => b.append_value(*v),
                (Column::Float(b), Cell::Null) => b.append_null(),
                (Column::Text(b), Cell::Text(v)) => b.append_value(v),
                (Column::Text(b), Cell::Null) => b.append_null(),
                (Column::Timestamp(b), Cell::Timestamp(v)) => b.append_value(*v),
                (Column::Timestamp(b), Cell::Null) => b.append_null(),
                (Column::Decimal(b), Cell::Decimal(v)) => b.append_value(*v),
                (Column::Decimal(b), Cell::Null) => b.append_null(),
                (_, cell) => unreachable!("{cell:?} was read for another column"),
            }
        }
    }

    /// The rows so far; what follows begins anew.
    pub fn finish(&mut self) -> RecordBatch {
        self.bytes = 0;
        let array = |column: &mut Column| -> ArrayRef {
            match column {
                Column::Bool(b) => Arc::new(b.finish()),
                Column::Int(b) => Arc::new(b.finish()),
                Column::Float(b) => Arc::new(b.finish()),
                Column::Text(b) => Arc::new(b.finish()),
                Column::Timestamp(b) => Arc::new(b.finish()),
                Column::Decimal(b) => Arc::new(b.finish()),
            }
        };
        let columns = self.columns.iter_mut().map(array).collect();
        RecordBatch::try_new(self.schema.clone(), columns).expect("cells were checked against the schema")
    }
}

/// How each column of a schema is read.
pub(super) fn readings(schema: &SchemaRef, time_unit: Option<TimeUnitOfNumbers>) -> Vec<Reading> {
    let reading = |field: &Arc<arrow_schema::Field>| Reading { column_type: column_type(field), nullable: field.is_nullable(), time_unit };
    schema.fields().iter().map(reading).collect()
}

/// # Panics
/// For a type that no topic of this program has: [`super::schema::settle`] makes no other.
fn column_type(field: &arrow_schema::Field) -> ColumnType {
    ColumnType::of(field.data_type()).unwrap_or_else(|| panic!("column '{}' has the type {}", field.name(), field.data_type()))
}
