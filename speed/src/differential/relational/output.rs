//! What leaves the dataflow: rows, each with how many more of it there are, and the error that stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use timely::dataflow::Stream;
use timely::dataflow::operators::vec::Map;
use twopath_query::{EvalError, Query};
use twopath_view::GroupTable;

use super::collection::{Collection, Errors, Tuple};
use crate::control::Control;
use crate::differential::columns::column;
use crate::differential::datum::Datum;
use crate::epoch::{EpochPart, Parcels, complete};

/// One table of changes per epoch and worker.
pub fn rows<'s>(rows: Collection<'s>, layout: &Arc<Query>, generation: u64, control: &Arc<Control>) -> Stream<'s, u64, Parcels<EpochPart>> {
    let changes = rows.consolidate().inner.map(|(row, epoch, n)| (epoch, (row, n)));
    let layout = Arc::clone(layout);
    let build = move |_, changes: Vec<(Tuple, isize)>| {
        let table = Arc::new(table(&layout, &changes));
        Ok(vec![EpochPart::Own { generation, table }])
    };
    complete(changes, "Rows", build, control)
}

fn table(layout: &Query, changes: &[(Tuple, isize)]) -> GroupTable {
    let keys = layout.keys.iter().enumerate().map(|(i, key)| {
        let values: Vec<Datum> = changes.iter().map(|(row, _)| row[i].clone().into_key()).collect();
        column(values.iter(), key.expr.data_type)
    });
    let keys: Vec<ArrayRef> = keys.collect();
    let more = Int64Array::from_iter_values(changes.iter().map(|(_, n)| *n as i64));
    GroupTable::of_changes(layout, &keys, more).expect("an epoch's rows are consolidated, and of the plan's types")
}

/// The least of the errors that are there; of several workers, each says one.
pub fn errors<'s>(errors: Errors<'s>, control: &Arc<Control>) -> Stream<'s, u64, Parcels<EpochPart>> {
    let changes = errors.all().consolidate().inner.map(|(error, epoch, n)| (epoch, (error, n)));
    let mut held: BTreeMap<EvalError, isize> = BTreeMap::new();
    let build = move |_, changes: Vec<(EvalError, isize)>| {
        for (error, n) in changes {
            *held.entry(error).or_default() += n;
        }
        held.retain(|_, n| *n != 0);
        Ok(vec![EpochPart::Raised(held.keys().next().cloned())])
    };
    complete(changes, "Errors", build, control)
}
