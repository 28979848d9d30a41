//! A generation's groups as a few immutable runs, the oldest and largest first.
//!
//! Publishing hands out the runs themselves, so they are never changed while anybody holds them: an epoch adds a run, and
//! neighbours are merged so that each run is more than [`RATIO`] times as large as all that follow it together. Their number is
//! thus logarithmic, and a group is copied a logarithmic number of times.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use twopath_view::GroupTable;

use crate::control::Control;

/// Larger means fewer runs to read and more to copy. Copying a large run is a copy of its columns; adding a group to it is a
/// look-up: about as dear as copying four.
const RATIO: usize = 4;

/// Merges of at most this many groups are done in line (a fraction of a millisecond); larger ones on the merge thread.
const IN_LINE_GROUPS: usize = 4096;

/// Runs to be merged into one away from the workers.
pub(crate) struct MergeTask {
    runs: Vec<Arc<GroupTable>>,
    reply: Sender<Arc<GroupTable>>,
}

/// Merges what it is sent, until nobody is left to send. Every merged run asks for an epoch, in which it takes its place.
pub(crate) fn merge_runs_off_thread(tasks: Receiver<MergeTask>, control: &Control) {
    for MergeTask { runs, reply } in tasks {
        if control.stopped() {
            continue;
        }
        let merged = merge_runs(runs);
        if reply.send(Arc::new(merged)).is_ok() {
            control.ask_for_epoch();
        }
    }
}

/// One generation's runs in one worker.
pub(crate) struct Runs {
    runs: Vec<Arc<GroupTable>>,
    /// A merge under way: how many of the runs, from which on, and where its result arrives.
    merging: Option<(std::ops::Range<usize>, Receiver<Arc<GroupTable>>)>,
    merges: Sender<MergeTask>,
}

impl Runs {
    pub fn new(merges: Sender<MergeTask>) -> Self {
        Runs { runs: Vec::new(), merging: None, merges }
    }

    /// Adds an epoch's groups; the same key may have been added before.
    pub fn add(&mut self, groups: Arc<GroupTable>) {
        if !groups.is_empty() {
            self.runs.push(groups);
        }
    }

    /// Takes in groups that were kept, as they are.
    pub fn adopt(&mut self, runs: Vec<Arc<GroupTable>>) {
        self.runs.extend(runs.into_iter().filter(|run| !run.is_empty()));
        self.runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
    }

    /// All groups as they are, for ever: the same key may be in several tables, which then are to be merged.
    pub fn snapshot(&self) -> Vec<Arc<GroupTable>> {
        self.runs.clone()
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.bytes()).sum()
    }

    /// Takes in a finished merge, and merges what has grown alike; called once per epoch.
    pub fn tidy(&mut self) {
        if let Some((range, result)) = &self.merging {
            match result.try_recv() {
                Ok(merged) => {
                    self.runs.splice(range.clone(), [merged]);
                    self.merging = None;
                }
                Err(TryRecvError::Empty) => {}
                // The job is being stopped.
                Err(TryRecvError::Disconnected) => self.merging = None,
            }
        }
        if self.merging.is_none()
            && let Some(start) = self.alike(usize::MAX)
            && self.groups(start) > IN_LINE_GROUPS
        {
            let (reply, result) = channel();
            let task = MergeTask { runs: self.runs[start..].to_vec(), reply };
            if self.merges.send(task).is_ok() {
                self.merging = Some((start..self.runs.len(), result));
            }
        }
        if let Some(start) = self.alike(IN_LINE_GROUPS) {
            let merged = merge_runs(self.runs.drain(start..).collect());
            self.runs.push(Arc::new(merged));
        }
    }

    /// The first run that is not more than [`RATIO`] times as large as all after it, among the last runs that are not being merged
    /// and have `groups_max` groups together.
    fn alike(&self, groups_max: usize) -> Option<usize> {
        let fixed = self.merging.as_ref().map_or(0, |(range, _)| range.end);
        let mut after = 0;
        let mut first = None;
        for (i, run) in self.runs.iter().enumerate().skip(fixed).rev() {
            if after > 0 && run.len() <= RATIO * after && run.len() + after <= groups_max {
                first = Some(i);
            }
            after += run.len();
        }
        first
    }

    fn groups(&self, start: usize) -> usize {
        self.runs[start..].iter().map(|run| run.len()).sum()
    }
}

/// Merges into the largest run: in place if nobody else holds it, else into a copy.
fn merge_runs(mut runs: Vec<Arc<GroupTable>>) -> GroupTable {
    let largest = (0..runs.len()).max_by_key(|&i| runs[i].len()).expect("nothing to merge");
    let mut merged = Arc::unwrap_or_clone(runs.swap_remove(largest));
    runs.iter().for_each(|run| merged.merge(run));
    merged
}
