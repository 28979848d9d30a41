//! Map and explode: frames of rows become the differences that the rows make.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use differential_dataflow::collection::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use twopath_log::Records;
use twopath_query::EvalError;
use twopath_query::values::Columns;

use super::datum::Datum;
use super::elements::{Element, Group, Slot, Tuple};
use super::expr::Row;
use super::linear::{Sum, Totals};
use super::plan::{Folded, Method, Plan};
use super::retire::Retire;
use crate::epoch::{EpochPart, Parcels, Read};

/// The collections that a query's aggregates are computed from.
pub struct Exploded<'s> {
    /// Every group, with the linear aggregates as its difference.
    pub totals: VecCollection<'s, u64, Group, Totals>,
    /// Values that count as often as they occur.
    pub multisets: VecCollection<'s, u64, Element, isize>,
    /// Several values of a row, which count as often as they occur.
    pub tuples: VecCollection<'s, u64, Tuple, isize>,
    /// Values of which each counts once.
    pub distinct: VecCollection<'s, u64, Element, isize>,
    /// Values of which the least or greatest is wanted.
    pub extremes: VecCollection<'s, u64, (Slot, Datum), isize>,
    /// Errors that rows raised, and how far was read.
    pub parts: Stream<'s, u64, Parcels<EpochPart>>,
}

/// One update of each collection, as they leave the operator.
#[derive(Default)]
struct Updates {
    totals: Vec<(Group, u64, Totals)>,
    multisets: Vec<(Element, u64, isize)>,
    tuples: Vec<(Tuple, u64, isize)>,
    distinct: Vec<(Element, u64, isize)>,
    extremes: Vec<((Slot, Datum), u64, isize)>,
}

type Builder<D> = CapacityContainerBuilder<Vec<D>>;

/// Evaluates every row. When `retire` knows of generations that are no longer wanted, what they hold is retracted at the end of the epoch.
pub fn explode<'s>(reads: Stream<'s, u64, Vec<Read>>, plan: Arc<Plan>, mut retire: Retire) -> Exploded<'s> {
    let index = reads.scope().index();
    let mut builder = OperatorBuilder::new("Explode".to_owned(), reads.scope());
    let mut input = builder.new_input(reads, Pipeline);
    let (totals, totals_stream) = builder.new_output();
    let (multisets, multisets_stream) = builder.new_output();
    let (tuples, tuples_stream) = builder.new_output();
    let (distinct, distinct_stream) = builder.new_output();
    let (extremes, extremes_stream) = builder.new_output();
    let (parts, parts_stream) = builder.new_output();
    let mut totals = OutputBuilder::<_, Builder<(Group, u64, Totals)>>::from(totals);
    let mut multisets = OutputBuilder::<_, Builder<(Element, u64, isize)>>::from(multisets);
    let mut tuples = OutputBuilder::<_, Builder<(Tuple, u64, isize)>>::from(tuples);
    let mut distinct = OutputBuilder::<_, Builder<(Element, u64, isize)>>::from(distinct);
    let mut extremes = OutputBuilder::<_, Builder<((Slot, Datum), u64, isize)>>::from(extremes);
    let mut parts = OutputBuilder::<_, CapacityContainerBuilder<Parcels<EpochPart>>>::from(parts);
    let mut failed: Option<u64> = None;
    builder.build(move |_| {
        move |_frontiers| {
            let (mut totals, mut multisets, mut tuples) = (totals.activate(), multisets.activate(), tuples.activate());
            let (mut distinct, mut extremes, mut parts) = (distinct.activate(), extremes.activate(), parts.activate());
            input.for_each(|capability, reads| {
                let epoch = *capability.least().expect("the source sends under a capability");
                let mut updates = Updates::default();
                let mut parcels = Parcels::default();
                for read in reads.drain(..) {
                    match read {
                        // Every answer from an error on is that error: later rows need no work.
                        Read::Records { generation, .. } if failed.is_some_and(|g| g <= generation) => {}
                        Read::Records { generation, records: Records { batch, .. }, .. } => {
                            let columns = Columns::of(&batch);
                            let rows = (0..batch.num_rows()).map(|row| Row::Batch { columns: &columns, row });
                            if let Err(error) = updates.explode(&plan, generation, epoch, rows) {
                                failed = Some(failed.map_or(generation, |g| g.min(generation)));
                                parcels.0.push((index, EpochPart::Error { generation, error }));
                            }
                        }
                        Read::Closed(reached) => {
                            retire.retract(epoch, &mut updates.distinct, &mut updates.extremes);
                            parcels.0.push((index, EpochPart::Closed(reached)));
                        }
                    }
                }
                totals.session(&capability).give_iterator(updates.totals.into_iter());
                multisets.session(&capability).give_iterator(updates.multisets.into_iter());
                tuples.session(&capability).give_iterator(updates.tuples.into_iter());
                distinct.session(&capability).give_iterator(updates.distinct.into_iter());
                extremes.session(&capability).give_iterator(updates.extremes.into_iter());
                if !parcels.0.is_empty() {
                    parts.session(&capability).give_container(&mut parcels);
                }
            });
        }
    });
    Exploded {
        totals: totals_stream.as_collection(),
        multisets: multisets_stream.as_collection(),
        tuples: tuples_stream.as_collection(),
        distinct: distinct_stream.as_collection(),
        extremes: extremes_stream.as_collection(),
        parts: parts_stream,
    }
}

impl Updates {
    fn explode<'a, 'b>(
        &mut self,
        plan: &Plan,
        generation: u64,
        epoch: u64,
        rows: impl Iterator<Item = Row<'a, 'b>>,
    ) -> Result<(), EvalError>
    where
        'a: 'b,
    {
        for row in rows {
            if let Some(folded) = plan.fold(row)? {
                self.add(plan, generation, epoch, folded);
            }
        }
        Ok(())
    }

    fn add(&mut self, plan: &Plan, generation: u64, epoch: u64, Folded { key, args }: Folded) {
        let group = Group { generation, key: key.into() };
        let mut totals = Totals { rows: 1, sums: vec![Sum::default(); plan.sums] };
        for (i, aggregate) in plan.aggregates.iter().enumerate() {
            let slot = || Slot { group: group.clone(), aggregate: i as u16 };
            if aggregate.method == Method::Tuples {
                self.tuples.extend(aggregate.tuple_of(&args).map(|value| (Element { slot: slot(), value }, epoch, 1)));
                continue;
            }
            let value = match aggregate.arg.map(|arg| &args[arg]) {
                Some(Datum::Null) => continue,
                Some(value) => value.clone(),
                // COUNT(*) counts rows.
                None => Datum::Bool(true),
            };
            match aggregate.method {
                Method::Linear(at) => totals.sums[at] = Sum { sum: whole(&value), count: 1 },
                Method::LinearMultiset(at) => {
                    totals.sums[at] = Sum { sum: 0, count: 1 };
                    self.multisets.push((Element { slot: slot(), value }, epoch, 1));
                }
                Method::Multiset => self.multisets.push((Element { slot: slot(), value }, epoch, 1)),
                Method::Distinct => self.distinct.push((Element { slot: slot(), value }, epoch, 1)),
                Method::Tuples => unreachable!("it is over more than one value"),
                Method::Min | Method::Max => self.extremes.push(((slot(), value), epoch, 1)),
            }
        }
        self.totals.push((group, epoch, totals));
    }
}

/// What SUM and AVG add up; COUNT is over any type, and its sum means nothing.
fn whole(value: &Datum) -> i128 {
    match value {
        Datum::Int(v) | Datum::Interval(v) => i128::from(*v),
        _ => 0,
    }
}
