//! One epoch's changes of the collections, as tables of groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use differential_dataflow::difference::Semigroup;
use twopath_query::{AggregateFunction, DataType, Query};
use twopath_view::GroupTable;

use super::columns::{column, list, lists, numeric};
use super::datum::Datum;
use super::elements::{Element, Group, Slot, Tuple};
use super::linear::{Sum, Totals};
use super::plan::{Plan, Planned};
use crate::epoch::EpochPart;

/// A change of one of the collections.
pub enum Change {
    /// What the linear aggregates of a group grew by.
    Totals(Group, Totals),
    /// How many more of a value there are.
    Element(Element, isize),
    /// How many more rows with these values there are.
    Tuple(Tuple, isize),
}

/// A group's changes.
#[derive(Default)]
struct Changed {
    totals: Totals,
    /// By aggregate: the values that came, each as often as it did.
    values: Vec<Vec<Datum>>,
    /// By aggregate: what it looks at in the rows that came.
    tuples: Vec<Vec<Arc<[Datum]>>>,
}

/// One table per generation.
///
/// What an element collection takes back is left out: in a log that only grows, a least or greatest value is taken back only as a better one
/// takes its place, and the two merge to the better one; and what is retired belongs to generations that the view has dropped.
pub fn tables(plan: &Plan, query: &Query, changes: Vec<Change>) -> Vec<EpochPart> {
    let mut generations: BTreeMap<u64, BTreeMap<Arc<[Datum]>, Changed>> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Totals(group, totals) => {
                let changed = generations.entry(group.generation).or_default().entry(group.key).or_default();
                changed.totals.plus_equals(&totals);
            }
            Change::Element(_, n) | Change::Tuple(_, n) if n <= 0 => {}
            Change::Tuple(Element { slot: Slot { group, aggregate }, value }, n) => {
                let changed = generations.entry(group.generation).or_default().entry(group.key).or_default();
                changed.tuples.resize(plan.aggregates.len(), Vec::new());
                changed.tuples[usize::from(aggregate)].extend(std::iter::repeat_n(value, n as usize));
            }
            Change::Element(Element { slot: Slot { group, aggregate }, value }, n) => {
                let changed = generations.entry(group.generation).or_default().entry(group.key).or_default();
                changed.values.resize(plan.aggregates.len(), Vec::new());
                changed.values[usize::from(aggregate)].extend(std::iter::repeat_n(value, n as usize));
            }
        }
    }
    let table = |(generation, groups): (u64, BTreeMap<Arc<[Datum]>, Changed>)| EpochPart::Own {
        generation,
        table: Arc::new(table(plan, query, &groups)),
    };
    generations.into_iter().map(table).collect()
}

fn table(plan: &Plan, query: &Query, groups: &BTreeMap<Arc<[Datum]>, Changed>) -> GroupTable {
    let keys: Vec<ArrayRef> =
        query.keys.iter().enumerate().map(|(i, key)| column(groups.keys().map(|k| &k[i]), key.expr.data_type)).collect();
    let changed: Vec<&Changed> = groups.values().collect();
    let parts: Vec<Vec<ArrayRef>> = plan.aggregates.iter().enumerate().map(|(i, a)| part(i, a, &changed)).collect();
    GroupTable::from_parts(query, &keys, &parts).expect("the plan's parts are those of its query")
}

/// The columns of one aggregate, as [`GroupTable::from_parts`] wants them.
fn part(at: usize, aggregate: &Planned, groups: &[&Changed]) -> Vec<ArrayRef> {
    use super::plan::Method::*;
    let sum = |place: usize| groups.iter().map(move |g| g.totals.sums.get(place).copied().unwrap_or_default());
    let counts = |place: usize| Arc::new(sum(place).map(|s| Some(s.count)).collect::<Int64Array>()) as ArrayRef;
    let sums = |place: usize| numeric(sum(place).map(|Sum { sum, count }| (count != 0).then_some(sum)));
    let values = || groups.iter().map(|g| g.values.get(at).map_or(&[][..], Vec::as_slice));
    match aggregate.method {
        Linear(place) => match aggregate.function {
            AggregateFunction::Count => vec![counts(place)],
            AggregateFunction::Avg => vec![sums(place), counts(place)],
            _ => vec![sums(place)],
        },
        LinearMultiset(_) | Multiset | Distinct => vec![list(values(), aggregate.arg_type)],
        Tuples => {
            let tuples = || groups.iter().map(|g| g.tuples.get(at).map_or(&[][..], Vec::as_slice));
            let of = |(place, &(_, t)): (usize, &(usize, DataType))| {
                lists(tuples().map(<[_]>::len), tuples().flatten().map(move |tuple| &tuple[place]), t)
            };
            aggregate.tuple.iter().enumerate().map(of).collect()
        }
        // At most one came; a better one merges over those before it.
        Min | Max => vec![column(values().map(|v| v.last().unwrap_or(&Datum::Null)), aggregate.arg_type)],
    }
}
