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
/// receivers merge while the sender goes on.
const GROUPS_AT_ONCE: usize = 64 * 1024;

/// A table that has not brought this many rows together per group is not worth making: the rows after it are handed over instead.
const ROWS_PER_GROUP_MIN: usize = 8;

/// After so many rows that were handed over, a table is tried again: what comes then may be of few groups.
const ROWS_HANDED_OVER: usize = 1 << 20;

/// So many rows wait to be handed over together, however small the frames are that they come in.
const ROWS_WAITING: usize = 16 * 1024;

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
    /// Where rows are handed over and not their groups.
    exchange: Option<Exchange>,
}

/// Rows on their way to the workers that keep their groups.
struct Exchange {
    /// By worker, of one generation.
    waiting: Scattered,
    generation: u64,
    /// How groups are laid out.
    layout: GroupTable,
    /// Rows so far.
    rows: usize,
}

/// A table of one generation in the making.
struct Growing {
    generation: u64,
    table: GroupTable,
    /// How many it was made of.
    rows: usize,
}

impl Exchange {
    fn hand_over(&mut self, peers: usize, parcels: &mut Parcels<EpochPart>) {
        let generation = self.generation;
        let of_each = (0..peers).map(|worker| (worker, self.waiting.take(worker)));
        let there = of_each.filter(|(_, rows)| !rows.is_empty());
        parcels.0.extend(there.map(|(worker, rows)| (worker, EpochPart::Rows { generation, rows })));
    }
}

impl Folding {
    fn new(query: Arc<Query>, fold: Fold, peers: usize) -> Self {
        Folding { query, fold, peers, tables: Vec::new(), room: 0, exchange: None }
    }

    fn add(&mut self, generation: u64, records: &Records, parcels: &mut Parcels<EpochPart>) -> Result<(), EvalError> {
        let batch = &records.batch;
        // Where a row raises an error, what waits with it is of no answer any more.
        if let Some(mut exchange) = self.exchange.take() {
            if exchange.generation != generation {
                exchange.hand_over(self.peers, parcels);
                exchange.generation = generation;
            }
            self.fold.scatter(&exchange.layout, batch, &mut exchange.waiting)?;
            exchange.rows += batch.num_rows();
            let is_enough = exchange.rows >= ROWS_HANDED_OVER;
            if is_enough || exchange.waiting.rows() >= ROWS_WAITING {
                exchange.hand_over(self.peers, parcels);
            }
            self.exchange = Some(exchange).filter(|_| !is_enough);
            return Ok(());
        }
        let at = self.tables.iter().position(|t| t.generation == generation).unwrap_or_else(|| {
            self.tables.push(Growing { generation, table: GroupTable::with_room(&self.query, self.room), rows: 0 });
            self.tables.len() - 1
        });
        let growing = &mut self.tables[at];
        growing.rows += self.fold.update(&mut growing.table, batch)?;
        let groups = growing.table.len();
        let is_worth_it = growing.rows >= ROWS_PER_GROUP_MIN * groups;
        if self.peers > 1 && groups >= GROUPS_AT_ONCE && (is_worth_it || self.fold.is_by_parts()) {
            if !is_worth_it {
                let (waiting, layout) = (Scattered::new(self.peers), GroupTable::new(&self.query));
                self.exchange = Some(Exchange { waiting, generation, layout, rows: 0 });
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
        if let Some(mut exchange) = self.exchange.take() {
            exchange.hand_over(self.peers, parcels);
        }
    }

    /// Every worker gets the same table and takes its part, so that nothing is copied before it is merged.
    fn hand_over(&mut self, Growing { generation, table, .. }: Growing, parcels: &mut Parcels<EpochPart>) {
        self.room = table.len();
        let table = Arc::new(table);
        parcels.0.extend((0..self.peers).map(|worker| (worker, EpochPart::Table { generation, table: Arc::clone(&table) })));
    }
}
