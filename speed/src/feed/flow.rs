//! The dataflow of a feed, behind the source.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId};
use twopath_log::Records;
use twopath_query::Query;
use twopath_view::GroupTable;

use super::changelog::Groups;
use super::query::{Change, FeedQuery, Form, Made, failed};
use crate::control::Control;
use crate::epoch::{EpochPart, Parcels, Reached, Read, by_address, take_complete};
use crate::error::SpeedError;
use crate::sink::topic::TopicSink;

/// A feed has no generations: all that it keeps is of one.
pub(crate) const GENERATION: u64 = 0;

/// What is to be done with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The output has what came of them: they make the state.
    Rebuild,
    /// They are new, as far as the output does not have them.
    Append,
}

/// What the workers of a feed share, from one dataflow to the next.
pub(crate) struct FeedState {
    query: FeedQuery,
    pub sink: TopicSink,
    /// By worker, which alone uses it while a dataflow runs: the groups of its output partitions. None of a feed of rows.
    groups: Vec<Mutex<Groups>>,
    pub rows_appended: AtomicU64,
    /// Rows that the output had already.
    pub rows_left_out: AtomicU64,
}

/// One dataflow of a feed.
#[derive(Clone)]
pub(crate) struct FeedFlow {
    pub state: Arc<FeedState>,
    pub purpose: Purpose,
    /// Whether what is merged into the state is handed on, to be kept.
    pub keeps: bool,
    /// Hears how far workers have read, once all that came of it is in the output. It is hung up when all workers have ended.
    pub reached: Sender<Reached>,
}

/// What is sent to the workers that append.
enum ToAppend {
    Change(Change),
    /// The sender can go on no further.
    Failed(SpeedError),
    /// The sender's epoch is over (to itself).
    Closed(Reached),
}

impl FeedFlow {
    /// The columns of the input that it reads, ascending; all where `None`.
    pub fn projection(&self) -> Option<&[usize]> {
        self.state.query.projection()
    }

    pub fn query(&self) -> &Query {
        self.state.query.query()
    }
}

impl FeedState {
    /// `is_kept` says whether somebody takes what is merged in ([`Self::take_fresh`]).
    pub fn new(query: FeedQuery, sink: TopicSink, workers: usize, is_kept: bool) -> FeedState {
        let groups = match &query.0 {
            Form::Rows(_) | Form::Windows(_) | Form::Table(_) => Vec::new(),
            Form::Changes(changes) => (0..workers).map(|_| Mutex::new(changes.empty(is_kept))).collect(),
        };
        FeedState { query, sink, groups, rows_appended: AtomicU64::new(0), rows_left_out: AtomicU64::new(0) }
    }

    /// Takes in groups that were kept, before anything is read.
    pub fn adopt(&self, kept: &GroupTable) -> Result<(), SpeedError> {
        match &self.query.0 {
            Form::Changes(changelog) => changelog.adopt(&self.groups, &self.sink.output, kept),
            Form::Rows(_) | Form::Windows(_) | Form::Table(_) => Ok(()),
        }
    }

    /// What was merged into a worker's groups since the last time.
    pub fn take_fresh(&self, worker: usize) -> Option<GroupTable> {
        lock(self.groups.get(worker)?).take_fresh()
    }

    /// Says that the state is made again of all records whose rows the output has.
    pub fn is_rebuilt(&self) -> Result<(), SpeedError> {
        let Form::Changes(changelog) = &self.query.0 else { return Ok(()) };
        for groups in &self.groups {
            let (_, to) = self.sink.reached_by_all_and_by_any(PartitionId(0));
            let failed = |e| failed(&self.sink, PartitionId(0), (Offset(0), to), "a group with the rows", e);
            changelog.find_shown(&mut lock(groups)).map_err(failed)?;
        }
        Ok(())
    }

    fn changes(&self, records: &Records, purpose: Purpose, changes: &mut Vec<Change>) -> Result<(), SpeedError> {
        match &self.query.0 {
            Form::Changes(changelog) => changelog.changes(records, purpose, &self.sink, changes)?,
            Form::Rows(rows) => {
                let left_out = rows.changes(records, &self.sink, changes)?;
                self.rows_left_out.fetch_add(left_out, Ordering::Relaxed);
            }
            Form::Windows(_) | Form::Table(_) => unreachable!("windows and tables have flows of their own"),
        }
        Ok(())
    }

    fn append(&self, worker: usize, change: Change, purpose: Purpose) -> Result<(), SpeedError> {
        let Change { from, base, end, made } = change;
        // Made whole before anything is appended.
        let rows = match (&self.query.0, made) {
            (Form::Changes(changelog), Made::Groups(groups, parts)) => {
                let mut state = lock(&self.groups[worker]);
                let failed = |e| failed(&self.sink, from, (base, end), "a group with the rows", e);
                changelog.fold(&mut state, &groups, &parts, purpose).map_err(failed)?
            }
            (_, Made::Rows(rows)) => rows,
            (Form::Rows(_) | Form::Windows(_) | Form::Table(_), Made::Groups(..)) => unreachable!("only a changelog's frames make groups"),
        };
        for (to, rows) in rows {
            self.sink.append(from, to, &rows, end)?;
            self.rows_appended.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Appends what comes of the frames. What comes out is how far was read, behind the groups that were merged into the state where the flow keeps them;
/// an epoch in which an error stopped the job is never complete.
pub(crate) fn append<'s>(
    reads: Stream<'s, u64, Vec<Read>>,
    flow: &FeedFlow,
    control: &Arc<Control>,
) -> Stream<'s, u64, Parcels<EpochPart>> {
    appended(changes(reads, Arc::clone(&flow.state), flow.purpose), flow, control)
}

/// Tells how far was read, of epochs that are complete. Nothing comes out; the stream's frontier says which epochs are in the output.
pub(crate) fn tell<'s>(appended: Stream<'s, u64, Parcels<EpochPart>>, reached: Sender<Reached>) -> Stream<'s, u64, Vec<()>> {
    take_complete(appended, "Reached", move |parts| {
        for part in parts {
            if let EpochPart::Closed(closed) = part {
                // Nobody listens any more to a feed that has been stopped.
                drop(reached.send(closed));
            }
        }
    })
}

/// What comes of each frame, for the workers of the output partitions.
fn changes<'s>(reads: Stream<'s, u64, Vec<Read>>, state: Arc<FeedState>, purpose: Purpose) -> Stream<'s, u64, Parcels<ToAppend>> {
    let (index, peers) = (reads.scope().index(), reads.scope().peers());
    let mut failed = false;
    reads.unary::<CapacityContainerBuilder<Parcels<ToAppend>>, _, _, _>(Pipeline, "Changes", move |_, _| {
        move |input, output| {
            input.for_each(|epoch, reads| {
                let mut parcels = Parcels::default();
                for read in reads.drain(..) {
                    match read {
                        Read::Records { .. } if failed => {}
                        Read::Records { records, .. } => {
                            let mut changes = Vec::new();
                            let result = state.changes(&records, purpose, &mut changes);
                            let addressed = changes.into_iter().flat_map(|change| change.by_worker(peers));
                            parcels.0.extend(addressed.map(|(worker, change)| (worker, ToAppend::Change(change))));
                            if let Err(error) = result {
                                failed = true;
                                parcels.0.push((index, ToAppend::Failed(error)));
                            }
                        }
                        Read::Closed(reached) => parcels.0.push((index, ToAppend::Closed(reached))),
                    }
                }
                if !parcels.0.is_empty() {
                    output.session(&epoch).give_container(&mut parcels);
                }
            });
        }
    })
}

/// Appends them, each on the worker of its output partitions, and passes on how far was read: to the worker itself, which keeps its groups, or to worker 0.
fn appended<'s>(
    changes: Stream<'s, u64, Parcels<ToAppend>>,
    flow: &FeedFlow,
    control: &Arc<Control>,
) -> Stream<'s, u64, Parcels<EpochPart>> {
    let index = changes.scope().index();
    let (FeedFlow { state, purpose, keeps, .. }, control) = (flow.clone(), Arc::clone(control));
    let to = if keeps { index } else { 0 };
    // From an epoch with an error on, nobody can say what is in the output: its capability is held for good.
    let mut failed: Option<(Capability<u64>, Option<SpeedError>)> = None;
    changes.unary_frontier::<CapacityContainerBuilder<Parcels<EpochPart>>, _, _, _>(by_address(), "Append", move |_, _| {
        move |(input, frontier), output| {
            input.for_each(|epoch, parcels| {
                let mut passed_on = Parcels::default();
                for (_, item) in parcels.0.drain(..) {
                    let done = match item {
                        ToAppend::Closed(reached) => {
                            passed_on.0.push((to, EpochPart::Closed(reached)));
                            Ok(())
                        }
                        ToAppend::Change(_) if failed.is_some() => Ok(()),
                        ToAppend::Change(change) => state.append(index, change, purpose),
                        ToAppend::Failed(error) => Err(error),
                    };
                    if let Err(error) = done
                        && failed.is_none()
                    {
                        failed = epoch.retain_least(output.output_index()).map(|capability| (capability, Some(error)));
                    }
                }
                if keeps && let Some(table) = state.take_fresh(index) {
                    passed_on.0.push((to, EpochPart::Own { generation: GENERATION, table: Arc::new(table) }));
                }
                if !passed_on.0.is_empty() {
                    output.session(&epoch).give_container(&mut passed_on);
                }
            });
            // What others append of the epoch is there first.
            if let Some((capability, error)) = &mut failed
                && !frontier.less_equal(capability.time())
                && let Some(error) = error.take()
            {
                control.fail(error);
            }
        }
    })
}
