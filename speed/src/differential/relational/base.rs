//! The rows that a plan's other rows are computed of, to be kept at rest.
//!
//! An arrangement is what differential dataflow keeps of a collection: its rows and their differences, consolidated. Kept at rest are those of the collections that nothing else can be
//! computed of, the **base**: a source's rows; or, of a changelog of which nobody else reads the source, the newest row of each key ([`Newest`](super::latest::Newest)), since those that it took the place of
//! never come back. All that is above is computed again at a start, which reads the base and what came after it in the log.
//!
//! The rows of all collections are in one table, so that they are at rest together: the number of the collection, its columns, and NULL in those of the others.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use differential_dataflow::consolidation::consolidate;
use timely::dataflow::Stream;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;
use twopath_query::values::Columns;
use twopath_query::{Aggregate, AggregateFunction, DataType, Expr, NamedExpr, Query};
use twopath_view::GroupTable;

use super::collection::{Collection, Tuple};
use crate::control::Control;
use crate::differential::columns::column;
use crate::differential::datum::Datum;
use crate::epoch::{EpochPart, Parcels, complete};

/// Rows of one collection, each with how many more of it there are.
pub type BaseRows = Vec<(Tuple, isize)>;

/// See the module. Its collections are as many as the plan's sources, in their order.
pub struct Base {
    /// What tables of base rows are laid out for.
    pub layout: Arc<Query>,
    collections: Vec<BaseCollection>,
}

/// A collection of a base.
pub struct BaseCollection {
    /// The step that makes it.
    pub step: usize,
    pub types: Vec<DataType>,
}

impl Base {
    /// `topic` is what messages call what is read.
    pub fn new(topic: &str, collections: Vec<BaseCollection>) -> Self {
        let of = |(number, collection): (usize, &BaseCollection)| {
            let columns = collection.types.iter().enumerate();
            columns.map(|(i, &t)| (format!("c{number}_{i}"), t)).collect::<Vec<_>>()
        };
        let columns: Vec<(String, DataType)> =
            std::iter::once(("collection".to_owned(), DataType::Int)).chain(collections.iter().enumerate().flat_map(of)).collect();
        let key = |(name, t): &(String, DataType)| NamedExpr { name: name.clone(), expr: Expr::column(0, *t) };
        let shown = |(i, (name, t)): (usize, &(String, DataType))| NamedExpr { name: name.clone(), expr: Expr::column(i, *t) };
        let layout = Query {
            rows: true,
            keys: columns.iter().map(key).collect(),
            aggregates: vec![Aggregate::new(AggregateFunction::Count, None)],
            output: columns.iter().enumerate().map(shown).collect(),
            ..Query::over(topic.to_owned(), Vec::new())
        };
        Base { layout: Arc::new(layout), collections }
    }

    /// What comes and goes of it, one table per epoch and worker. `steps` are the plan's collections.
    pub fn changes<'s>(
        self: &Arc<Self>,
        steps: &[Collection<'s>],
        generation: u64,
        control: &Arc<Control>,
    ) -> Stream<'s, u64, Parcels<EpochPart>> {
        let of = |(number, collection): (usize, &BaseCollection)| {
            steps[collection.step].clone().inner.map(move |(row, epoch, more)| (epoch, (number, row, more)))
        };
        let changes = self.collections.iter().enumerate().map(of).reduce(|all, more| all.concat(more)).expect("a plan reads something");
        let base = Arc::clone(self);
        let build = move |_, changes: Vec<(usize, Tuple, isize)>| {
            let mut rows = changes.into_iter().map(|(number, row, more)| ((number, row), more)).collect();
            consolidate(&mut rows);
            Ok(vec![EpochPart::Own { generation, table: Arc::new(base.table(&rows)) }])
        };
        complete(changes, "Base", build, control)
    }

    fn table(&self, rows: &[((usize, Tuple), isize)]) -> GroupTable {
        let number = Int64Array::from_iter_values(rows.iter().map(|((number, _), _)| *number as i64));
        let mut keys: Vec<ArrayRef> = vec![Arc::new(number)];
        for (number, collection) in self.collections.iter().enumerate() {
            let of_row = |i: usize, (of, row): &'_ (usize, Tuple)| if *of == number { row[i].clone() } else { Datum::Null };
            for (i, &t) in collection.types.iter().enumerate() {
                let values: Vec<Datum> = rows.iter().map(|(row, _)| of_row(i, row)).collect();
                keys.push(column(values.iter(), t));
            }
        }
        let more = Int64Array::from_iter_values(rows.iter().map(|(_, more)| *more as i64));
        GroupTable::of_changes(&self.layout, &keys, more).expect("an epoch's rows are consolidated, and of the plan's types")
    }

    /// The rows of tables that were at rest, by collection, those of each table as they are: what one has more of, another may have less of.
    pub fn rows<'t>(&self, tables: impl IntoIterator<Item = &'t Arc<GroupTable>>) -> Vec<BaseRows> {
        // Behind the collection's number.
        let starts: Vec<usize> = self.collections.iter().scan(1, |next, c| Some(std::mem::replace(next, *next + c.types.len()))).collect();
        let mut found = vec![BaseRows::new(); self.collections.len()];
        for table in tables {
            let rows = table.to_batch_unsorted();
            let columns = Columns::of(&rows);
            let value = |column: usize, row: usize| Datum::from(columns.get(column, row).expect("what was written has a value"));
            let whole = |column: usize, row: usize| if let Datum::Int(value) = value(column, row) { value } else { 0 };
            for row in 0..rows.num_rows() {
                let (number, more) = (whole(0, row) as usize, whole(columns.len() - 1, row) as isize);
                let types = self.collections[number].types.iter().enumerate();
                let tuple: Tuple = types.map(|(i, &t)| of_type(value(starts[number] + i, row), t)).collect();
                if more != 0 {
                    found[number].push((tuple, more));
                }
            }
        }
        found
    }
}

/// Arrow has one type for wide whole numbers and for decimals without a fraction.
fn of_type(value: Datum, t: DataType) -> Datum {
    match (t, value) {
        (DataType::Decimal { scale, .. }, Datum::Numeric(unscaled)) => Datum::Decimal { unscaled, scale },
        (DataType::Numeric, Datum::Decimal { unscaled, .. }) => Datum::Numeric(unscaled),
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of collections of other widths and types, as they were: NULLs, NaN, empty texts, the greatest numbers.
    #[test]
    fn rows_come_back_as_they_were() {
        use DataType::*;
        let (cents, whole) = (Decimal { precision: 38, scale: 2 }, Decimal { precision: 38, scale: 0 });
        let types: [&[DataType]; 3] = [&[Int, Text], &[Float, Bool, Timestamp, Interval, cents, whole, Numeric], &[]];
        let collections = types.iter().enumerate().map(|(step, types)| BaseCollection { step, types: types.to_vec() });
        let base = Base::new("t", collections.collect());
        let row = |values: Vec<Datum>| -> Tuple { values.into() };
        let decimal = |unscaled, scale| Datum::decimal(twopath_query::Decimal { unscaled, scale });
        let rows = [
            ((0, row(vec![Datum::Int(i64::MIN), Datum::Text("".into())])), 1),
            ((0, row(vec![Datum::Null, Datum::Null])), -2),
            (
                (
                    1,
                    row(vec![
                        Datum::Float(f64::NAN),
                        Datum::Bool(true),
                        Datum::Timestamp(-1),
                        Datum::Interval(7),
                        decimal(-10_i128.pow(37), 2),
                        decimal(7, 0),
                        Datum::numeric(-(1 << 100)),
                    ]),
                ),
                3,
            ),
            ((1, row(vec![Datum::Null; 7])), 1),
            ((2, row(vec![])), 5),
        ];
        let table = Arc::new(base.table(&rows));
        let read = base.rows([&table]);
        let of = |wanted: usize| rows.iter().filter(move |((number, _), _)| *number == wanted).map(|((_, row), more)| (row.clone(), *more));
        assert_eq!(read, [0, 1, 2].map(|number| of(number).collect::<BaseRows>()));
        let decimals = &read[1][0].0[5..];
        assert!(matches!(decimals, [Datum::Decimal { .. }, Datum::Numeric(_)]), "{decimals:?}");
    }
}
