//! Partial aggregation: this worker's rows of an epoch become one small table per generation, before anything is exchanged.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use twopath_shared::query::{EvalError, Query};
use twopath_shared::view::GroupTable;

use super::frames::Read;
use super::parcels::Parcels;
use super::reached::Reached;
use crate::logic::Fold;

/// What the workers hand one another.
pub(super) enum Part {
    /// Groups of one generation, all of whose keys belong to the receiver.
    Table { generation: u64, table: GroupTable },
    /// A row of this generation raised an error.
    Error { generation: u64, error: EvalError },
    /// The sender's epoch is over (to itself).
    Closed(Reached),
}

pub(super) trait Partial<'s> {
    fn partial(self, query: &Arc<Query>, fold: Fold) -> Stream<'s, u64, Parcels<Part>>;
}

impl<'s> Partial<'s> for Stream<'s, u64, Vec<Read>> {
    fn partial(self, query: &Arc<Query>, fold: Fold) -> Stream<'s, u64, Parcels<Part>> {
        let query = Arc::clone(query);
        let (index, peers) = (self.scope().index(), self.scope().peers());
        // An epoch seldom spans more than one barrier, so a list serves.
        let mut tables: Vec<(u64, GroupTable)> = Vec::new();
        let mut failed: Option<u64> = None;
        self.unary::<CapacityContainerBuilder<Parcels<Part>>, _, _, _>(Pipeline, "Partial", move |_, _| {
            move |input, output| {
                input.for_each(|epoch, reads| {
                    let mut parcels = Parcels::default();
                    for read in reads.drain(..) {
                        match read {
                            // Every answer from an error on is that error: later rows need no work.
                            Read::Records { generation, .. } if failed.is_some_and(|g| g <= generation) => {}
                            Read::Records { generation, batch } => {
                                let at = tables.iter().position(|(g, _)| *g == generation).unwrap_or_else(|| {
                                    tables.push((generation, GroupTable::new(&query)));
                                    tables.len() - 1
                                });
                                if let Err(error) = fold.fold(&batch, &mut tables[at].1) {
                                    failed = Some(failed.map_or(generation, |g| g.min(generation)));
                                    parcels.0.push((index, Part::Error { generation, error }));
                                }
                            }
                            Read::Closed(reached) => {
                                for (generation, table) in tables.drain(..) {
                                    address(generation, table, peers, &mut parcels);
                                }
                                parcels.0.push((index, Part::Closed(reached)));
                            }
                        }
                    }
                    if !parcels.0.is_empty() {
                        output.session(&epoch).give_container(&mut parcels);
                    }
                });
            }
        })
    }
}

/// Cuts a table into the parts of each worker. With one worker it stays as it is.
fn address(generation: u64, table: GroupTable, peers: usize, parcels: &mut Parcels<Part>) {
    if peers == 1 {
        parcels.0.push((0, Part::Table { generation, table }));
        return;
    }
    for (worker, table) in table.split(peers).into_iter().enumerate() {
        if !table.is_empty() {
            parcels.0.push((worker, Part::Table { generation, table }));
        }
    }
}
