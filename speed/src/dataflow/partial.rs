//! Partial aggregation: this worker's rows of an epoch become one small table per generation, before anything is exchanged.
//!
//! Of an epoch with many groups that is no gain: each worker would have nearly all of them, and each group be looked for once where its rows are read and once more where
//! it is kept. There the rows themselves are exchanged, by their group.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use twopath_log::Records;
use twopath_query::{EvalError, Query};
use twopath_view::{Fold, GroupTable, Scattered};

use crate::epoch::{EpochPart, Parcels, Read};

/// With several workers, a table is handed over early once it has this many groups: they are then still in the cache, and the
/// receivers merge while the sender goes on. It must be worth it: see [`ROWS_PER_GROUP_MIN`].
const GROUPS_AT_ONCE: usize = 64 * 1024;

/// A table that has not brought this many rows together per group is not worth making: the rows are handed over from there on.
const ROWS_PER_GROUP_MIN: usize = 8;

pub(super) trait Partial<'s> {
    fn partial(self, query: &Arc<Query>, fold: Fold) -> Stream<'s, u64, Parcels<EpochPart>>;
}

impl<'s> Partial<'s> for Stream<'s, u64, Vec<Read>> {
    fn partial(self, query: &Arc<Query>, fold: Fold) -> Stream<'s, u64, Parcels<EpochPart>> {
        let (index, peers) = (self.scope().index(), self.scope().peers());
        let mut folding = Folding::new(Arc::clone(query), fold, peers);
        let mut failed: Option<u64> = None;
        self.unary::<CapacityContainerBuilder<Parcels<EpochPart>>, _, _, _>(Pipeline, "Partial", move |_, _| {
            move |input, output| {
                input.for_each(|epoch, reads| {
                    let mut parcels = Parcels::default();
                    for read in reads.drain(..) {
                        match read {
                            // Every answer from an error on is that error: later rows need no work.
                            Read::Records { generation, .. } if failed.is_some_and(|g| g <= generation) => {}
                            Read::Records { generation, records, .. } => {
                                if let Err(error) = folding.add(generation, &records, &mut parcels) {
                                    failed = Some(failed.map_or(generation, |g| g.min(generation)));
                                    parcels.0.push((index, EpochPart::Error { generation, error }));
                                }
                            }
                            Read::Closed(reached) => {
                                folding.close(&mut parcels);
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

/// One worker's rows of an epoch.
struct Folding {
    query: Arc<Query>,
    fold: Fold,
    peers: usize,
    /// An epoch seldom spans more than one barrier, so a list serves.
    tables: Vec<Growing>,
    /// As many groups as the last table had, the next one is likely to have.
    room: usize,
    /// The epoch's rows so far.
    rows: usize,
    /// Where rows are handed over and not their groups: those of each worker, and how groups are laid out.
    scattered: Option<(Scattered, GroupTable)>,
}

/// A table of one generation in the making.
struct Growing {
    generation: u64,
    table: GroupTable,
    rows: usize,
}

impl Folding {
    fn new(query: Arc<Query>, fold: Fold, peers: usize) -> Self {
        Folding { query, fold, peers, tables: Vec::new(), room: 0, rows: 0, scattered: None }
    }

    fn add(&mut self, generation: u64, records: &Records, parcels: &mut Parcels<EpochPart>) -> Result<(), EvalError> {
        let batch = &records.batch;
        self.rows += batch.num_rows();
        if let Some((scattered, layout)) = &mut self.scattered {
            self.fold.scatter(layout, batch, scattered)?;
            let of_each = (0..self.peers).map(|worker| (worker, scattered.take(worker)));
            let there = of_each.filter(|(_, rows)| !rows.is_empty());
            parcels.0.extend(there.map(|(worker, rows)| (worker, EpochPart::Rows { generation, rows })));
            return Ok(());
        }
        let at = self.tables.iter().position(|t| t.generation == generation).unwrap_or_else(|| {
            self.tables.push(Growing { generation, table: GroupTable::with_room(&self.query, self.room), rows: 0 });
            self.tables.len() - 1
        });
        let growing = &mut self.tables[at];
        growing.rows += batch.num_rows();
        self.fold.update(&mut growing.table, batch)?;
        let groups = growing.table.len();
        let is_worth_it = growing.rows >= ROWS_PER_GROUP_MIN * groups;
        if self.peers > 1 && groups >= GROUPS_AT_ONCE && (is_worth_it || self.fold.is_by_parts()) {
            if !is_worth_it {
                self.scattered = Some((Scattered::new(self.peers), GroupTable::new(&self.query)));
            }
            let full = self.tables.swap_remove(at);
            self.hand_over(full, parcels);
        }
        Ok(())
    }

    /// The epoch is over.
    fn close(&mut self, parcels: &mut Parcels<EpochPart>) {
        for table in std::mem::take(&mut self.tables) {
            self.hand_over(table, parcels);
        }
        // A short one has few groups, whatever comes.
        if std::mem::take(&mut self.rows) < GROUPS_AT_ONCE {
            self.scattered = None;
        }
    }

    /// Every worker gets the same table and takes its part, so that nothing is copied before it is merged.
    fn hand_over(&mut self, Growing { generation, table, .. }: Growing, parcels: &mut Parcels<EpochPart>) {
        self.room = table.len();
        let table = Arc::new(table);
        parcels.0.extend((0..self.peers).map(|worker| (worker, EpochPart::Table { generation, table: Arc::clone(&table) })));
    }
}
