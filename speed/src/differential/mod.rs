//! The engine differential: a query compiled to collections, whose changes per epoch are handed over as groups.
//!
//! ```text
//!               ┌─ totals ───── consolidate ──────────────┐
//!  frames ─→ explode ─ multisets ─ consolidate ───────────┤
//!               ├─ tuples ───── consolidate ──────────────┤
//!               ├─ distinct ─── distinct ─────────────────┼─→ changes per epoch ─→ merge ─→ publish
//!               ├─ extremes ─── reduce (least, greatest) ─┤
//!               └─ errors, how far was read ──────────────┘
//! ```
//!
//! It shares no kernel with the engine timely: rows are evaluated one by one by closures ([`expr`]), and groups are kept by differential.
//! Both read by the same source and publish by the same sink, so that engines differ in the middle only.
//!
//! **What is handed over.** The log only grows, so each epoch's change of a generation is a table of parts that merges with those before it:
//! the consolidated differences of the linear aggregates, the new distinct values, the new least and greatest values. The totals over time
//! are the runs of the view; differential does not keep them a second time. [`Method::Min`](plan::Method), DISTINCT and their like are
//! arranged, so that a retraction finds what follows: an output change that takes back without giving anew is where a run of a generation
//! would have to be replaced rather than added to. Today only [`retire`] makes such changes, for generations that are gone from the view.

mod arithmetic;
mod calendar;
mod cast;
mod changes;
pub(crate) mod columns;
pub(crate) mod datum;
mod decimal;
mod elements;
mod explode;
mod expr;
mod function;
mod linear;
mod plan;
mod relational;
mod retire;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::trace::implementations::{KeyBatcher, KeyBuilder, KeySpine, ValBatcher, ValBuilder, ValSpine};
use timely::dataflow::Stream;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;
use twopath_query::Query;

pub(crate) use plan::Plan;
pub(crate) use relational::{Around, Maintained, maintained};

use crate::control::Control;
use crate::epoch::{EpochPart, Parcels, Read, complete};
use changes::{Change, tables};
use datum::Datum;
use elements::{Element, Slot};
use explode::explode;
use plan::Method;
use retire::{Retire, Traces};

/// What the query's groups become in each epoch, on the worker that keeps them.
pub(crate) fn parts<'s>(
    reads: Stream<'s, u64, Vec<Read>>,
    plan: &Arc<Plan>,
    query: &Arc<Query>,
    control: &Arc<Control>,
) -> Stream<'s, u64, Parcels<EpochPart>> {
    let traces = Rc::new(RefCell::new(Traces::default()));
    let exploded = explode(reads, Arc::clone(plan), Retire { control: Arc::clone(control), traces: Rc::clone(&traces), below: 0 });
    let has = |methods: &[Method]| plan.aggregates.iter().any(|a| methods.contains(&a.method));

    let mut changes = exploded.totals.consolidate().inner.map(|(group, epoch, totals)| (epoch, Change::Totals(group, totals)));
    if plan.aggregates.iter().any(|a| matches!(a.method, Method::Multiset | Method::LinearMultiset(_))) {
        let multisets = exploded.multisets.consolidate();
        changes = changes.concat(multisets.inner.map(|(element, epoch, n)| (epoch, Change::Element(element, n))));
    }
    if has(&[Method::Tuples]) {
        let tuples = exploded.tuples.consolidate();
        changes = changes.concat(tuples.inner.map(|(tuple, epoch, n)| (epoch, Change::Tuple(tuple, n))));
    }
    if has(&[Method::Distinct]) {
        let arranged = exploded
            .distinct
            .map(|element| (element, ()))
            .arrange_named::<KeyBatcher<Element, u64, isize>, KeySpine<Element, u64, isize>>("Elements", KeyBatcher::new);
        traces.borrow_mut().distinct = Some(arranged.trace.clone());
        let distinct = arranged.reduce_abelian::<_, KeyBuilder<Element, u64, isize>, KeySpine<Element, u64, isize>, _, _>(
            "Distinct",
            |_, _, output| output.push(((), 1)),
            |updates, element, changed| {
                updates.clear();
                updates.extend(changed.drain(..).map(|(value, time, n)| ((element.clone(), value), time, n)));
            },
        );
        let distinct = distinct.as_collection(|element, ()| element.clone());
        changes = changes.concat(distinct.inner.map(|(element, epoch, n)| (epoch, Change::Element(element, n))));
    }
    if has(&[Method::Min, Method::Max]) {
        let arranged = exploded
            .extremes
            .arrange_named::<ValBatcher<Slot, Datum, u64, isize>, ValSpine<Slot, Datum, u64, isize>>("Values", ValBatcher::new);
        traces.borrow_mut().extremes = Some(arranged.trace.clone());
        let planned = Arc::clone(plan);
        let extremes = arranged.reduce_abelian::<_, ValBuilder<Slot, Datum, u64, isize>, ValSpine<Slot, Datum, u64, isize>, _, _>(
            "Extremes",
            move |slot: &Slot, values: &[(&Datum, isize)], output: &mut Vec<(Datum, isize)>| {
                // Values come in their order.
                let extreme = match planned.aggregates[usize::from(slot.aggregate)].method {
                    Method::Min => values.first(),
                    _ => values.last(),
                };
                output.extend(extreme.map(|(value, _)| ((*value).clone(), 1)));
            },
            |updates, slot, changed| {
                updates.clear();
                updates.extend(changed.drain(..).map(|(value, time, n)| ((slot.clone(), value), time, n)));
            },
        );
        let extremes = extremes.as_collection(|slot, value| Element { slot: slot.clone(), value: value.clone() });
        changes = changes.concat(extremes.inner.map(|(element, epoch, n)| (epoch, Change::Element(element, n))));
    }
    let (plan, query) = (Arc::clone(plan), Arc::clone(query));
    let groups = complete(changes, "Changes", move |_, changes| Ok(tables(&plan, &query, changes)), control);
    exploded.parts.concat(groups)
}
