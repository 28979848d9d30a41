//! Merging: this worker's share of the keys, as the state of each generation.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use twopath_query::EvalError;
use twopath_view::{Generation, GroupTable};

use super::{Keeping, Wiring};
use crate::epoch::{EpochPart, Parcels, Reached, Share, by_address};
use crate::state::memory::Runs;

pub(super) trait Merge<'s> {
    /// `is_base` is said of the base of rows, beside the rows themselves.
    fn merge(self, wiring: &Wiring, is_base: bool) -> Stream<'s, u64, Parcels<Share>>;
}

/// What was kept of this worker's share. A run whose keys are all of one worker is taken as it is, so that it need not be written again.
fn restored(wiring: &Wiring, worker: usize, peers: usize) -> BTreeMap<u64, Runs> {
    let generations = wiring.generations.iter().flatten().filter(|_| wiring.keeping.has_groups_in_memory());
    let layout = wiring.middle.layout(&wiring.query);
    let share = |generation: &Generation| {
        let mut runs = Vec::new();
        let mut split = GroupTable::new(&layout);
        for table in &generation.tables {
            match table.only_part(peers) {
                Some(part) if part == worker => runs.push(Arc::clone(table)),
                Some(_) => {}
                None => split.merge_part(table, worker, peers),
            }
        }
        // Without keys there is always a group; then every run is some worker's as it is.
        if !layout.is_global() {
            runs.push(Arc::new(split));
        }
        let mut groups = Runs::new(wiring.merges.clone());
        groups.adopt(runs);
        (generation.number, groups)
    };
    generations.map(share).collect()
}

/// What has arrived for an epoch that is not complete yet.
struct Pending {
    capability: Capability<u64>,
    /// By generation: the workers' parts, merged as they come into what will be one run.
    fresh: BTreeMap<u64, GroupTable>,
    errors: Vec<(u64, EvalError)>,
    /// What derived rows raise from this epoch on, where that has changed.
    raised: Option<Option<EvalError>>,
    reached: Reached,
}

impl<'s> Merge<'s> for Stream<'s, u64, Parcels<EpochPart>> {
    fn merge(self, wiring: &Wiring, is_base: bool) -> Stream<'s, u64, Parcels<Share>> {
        let (worker, peers) = (self.scope().index(), self.scope().peers());
        let query = Arc::clone(&wiring.query);
        let fold = wiring.middle.fold().cloned();
        let control = Arc::clone(&wiring.control);
        let (merges, keeping) = (wiring.merges.clone(), wiring.keeping);
        let mut pending: BTreeMap<u64, Pending> = BTreeMap::new();
        let mut state = restored(wiring, worker, peers);
        let mut raised: Option<EvalError> = None;
        self.unary_frontier::<CapacityContainerBuilder<Parcels<Share>>, _, _, _>(by_address(), "Merge", move |_, _| {
            move |(input, frontier), output| {
                input.for_each(|epoch, parcels| {
                    let Some(capability) = epoch.retain_least(output.output_index()) else { return };
                    let pending = pending.entry(*capability.time()).or_insert_with(|| Pending {
                        capability,
                        fresh: BTreeMap::new(),
                        errors: Vec::new(),
                        raised: None,
                        reached: Reached::default(),
                    });
                    for (_, part) in parcels.0.drain(..) {
                        match part {
                            EpochPart::Table { generation, table } if peers == 1 => {
                                let before = pending.fresh.insert(generation, Arc::unwrap_or_clone(table));
                                assert!(before.is_none(), "a single worker hands over a generation once per epoch");
                            }
                            EpochPart::Table { generation, table } => {
                                let run = pending.fresh.entry(generation).or_insert_with(|| GroupTable::new(&query));
                                run.merge_part(&table, worker, peers);
                            }
                            EpochPart::Rows { generation, rows } => {
                                let fold = fold.as_ref().expect("rows come from where they are folded");
                                let run = pending.fresh.entry(generation).or_insert_with(|| GroupTable::new(&query));
                                if let Err(error) = rows.iter().try_for_each(|rows| fold.fold(run, rows)) {
                                    pending.errors.push((generation, error));
                                }
                            }
                            EpochPart::Own { generation, table } => match pending.fresh.entry(generation) {
                                Entry::Vacant(entry) => drop(entry.insert(Arc::unwrap_or_clone(table))),
                                Entry::Occupied(mut entry) => entry.get_mut().merge(&table),
                            },
                            EpochPart::Error { generation, error } => pending.errors.push((generation, error)),
                            EpochPart::Raised(error) => pending.raised = Some(error),
                            EpochPart::Closed(reached) => pending.reached = reached,
                        }
                    }
                });
                while let Some(entry) = pending.first_entry() {
                    if frontier.less_equal(entry.key()) {
                        break;
                    }
                    let Pending { capability, fresh, errors, raised: changed, reached } = entry.remove();
                    if let Some(error) = changed {
                        raised = error;
                    }
                    let dropped = control.dropped_below();
                    state.retain(|&generation, _| generation >= dropped);
                    let mut changes = Vec::new();
                    for (generation, table) in fresh.into_iter().filter(|&(generation, _)| generation >= dropped) {
                        let table = Arc::new(table);
                        if keeping != Keeping::No && !table.is_empty() {
                            changes.push((generation, Arc::clone(&table)));
                        }
                        if !keeping.has_groups_in_memory() {
                            continue;
                        }
                        state.entry(generation).or_insert_with(|| Runs::new(merges.clone())).add(table);
                    }
                    state.values_mut().for_each(|groups| groups.tidy());
                    if keeping.has_groups_in_memory() {
                        let place = if is_base { peers + worker } else { worker };
                        control.set_state_bytes(place, state.values().map(|groups| groups.bytes()).sum());
                    }
                    let generations = state.iter().map(|(&generation, groups)| (generation, groups.snapshot())).collect();
                    let share = Share { worker, reached, generations, changes, errors, raised: raised.clone() };
                    output.session(&capability).give_container(&mut Parcels(vec![(0, share)]));
                }
            }
        })
    }
}
