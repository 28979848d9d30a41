//! Partial aggregation: this worker's rows of an epoch become one small table per generation, before anything is exchanged.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use twopath_log::Records;
use twopath_query::Query;
use twopath_view::{Fold, GroupTable};

use crate::epoch::{EpochPart, Parcels, Read};

/// With several workers, a table is handed over early once it has this many groups: they are then still in the cache, and the
/// receivers merge while the sender goes on. It must be worth it: see [`ROWS_PER_GROUP_MIN`].
const GROUPS_AT_ONCE: usize = 64 * 1024;

/// A table that has not brought this many rows together per group is let grow, lest the same groups be sent again and again.
const ROWS_PER_GROUP_MIN: usize = 8;

pub(super) trait Partial<'s> {
    fn partial(self, query: &Arc<Query>, fold: Fold) -> Stream<'s, u64, Parcels<EpochPart>>;
}

impl<'s> Partial<'s> for Stream<'s, u64, Vec<Read>> {
    fn partial(self, query: &Arc<Query>, fold: Fold) -> Stream<'s, u64, Parcels<EpochPart>> {
        let query = Arc::clone(query);
        let (index, peers) = (self.scope().index(), self.scope().peers());
        // An epoch seldom spans more than one barrier, so a list serves.
        let mut tables: Vec<Growing> = Vec::new();
        let mut failed: Option<u64> = None;
        // As many groups as the last table had, the next one is likely to have.
        let mut room = 0;
        self.unary::<CapacityContainerBuilder<Parcels<EpochPart>>, _, _, _>(Pipeline, "Partial", move |_, _| {
            move |input, output| {
                input.for_each(|epoch, reads| {
                    let mut parcels = Parcels::default();
                    for read in reads.drain(..) {
                        match read {
                            // Every answer from an error on is that error: later rows need no work.
                            Read::Records { generation, .. } if failed.is_some_and(|g| g <= generation) => {}
                            Read::Records { generation, records: Records { batch, .. }, .. } => {
                                let at = tables.iter().position(|t| t.generation == generation).unwrap_or_else(|| {
                                    tables.push(Growing {
                                        generation,
                                        table: GroupTable::with_room(&query, room),
                                        rows: 0,
                                        groups_max: GROUPS_AT_ONCE,
                                    });
                                    tables.len() - 1
                                });
                                if let Err(error) = fold.update(&mut tables[at].table, &batch) {
                                    failed = Some(failed.map_or(generation, |g| g.min(generation)));
                                    parcels.0.push((index, EpochPart::Error { generation, error }));
                                }
                                if peers > 1 && tables[at].is_full(batch.num_rows()) {
                                    room = tables[at].table.len();
                                    hand_over(tables.swap_remove(at), peers, &mut parcels);
                                }
                            }
                            Read::Closed(reached) => {
                                for table in tables.drain(..) {
                                    room = table.table.len();
                                    hand_over(table, peers, &mut parcels);
                                }
                                parcels.0.push((index, EpochPart::Closed(reached)));
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

/// A table of one generation in the making.
struct Growing {
    generation: u64,
    table: GroupTable,
    rows: usize,
    groups_max: usize,
}

impl Growing {
    /// Counts `rows` more, and says whether it is to be handed over though the epoch goes on.
    fn is_full(&mut self, rows: usize) -> bool {
        self.rows += rows;
        if self.table.len() < self.groups_max {
            return false;
        }
        let worth_it = self.rows >= ROWS_PER_GROUP_MIN * self.table.len();
        self.groups_max *= 2;
        worth_it
    }
}

/// Every worker gets the same table and takes its part, so that nothing is copied before it is merged.
fn hand_over(Growing { generation, table, .. }: Growing, peers: usize, parcels: &mut Parcels<EpochPart>) {
    let table = Arc::new(table);
    parcels.0.extend((0..peers).map(|worker| (worker, EpochPart::Table { generation, table: Arc::clone(&table) })));
}
