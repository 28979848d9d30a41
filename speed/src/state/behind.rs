//! Writing behind: a store that serves readers is written at intervals, by a thread of its own, and not with each epoch. A group that many epochs change is
//! looked up and written once for all of them, and no reader waits for it.
//!
//! ```text
//! epoch's groups ─→ newest ─→ being written ─→ the store, as it was after the last step
//!                     └───────────┴──────────────┴─→ a view
//! ```
//!
//! What is newest is in memory, and merged there like any groups in memory. When it takes its share of memory before it is time, it is written sooner; and
//! when that is not soon enough, the stream waits. After a crash what was not written is read from the log again: the store's own position is older then than
//! what was published last, and nothing is published before the job is there again.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use twopath_base::sync::lock;
use twopath_log::Topic;
use twopath_view::{Generation, KeptGroups};

use super::keeper::{Changes, Keeper, Pace};
use super::memory::{MergeTask, Runs};
use crate::control::Control;
use crate::epoch::GenerationRange;
use crate::error::SpeedError;

/// Of what the state may take of memory, the share of the newest groups. There are as many that are being written, with what is made of them on the way to the
/// store: as they were, as rows of the changelog, as what the index is given.
const NEWEST_SHARE: u64 = 16;
/// A step is one frame of a changelog, which has a limit.
const NEWEST_MAX: u64 = 256 << 20;

/// Of what the state may take of memory, the bytes for each record of an epoch: an epoch's groups are no more than what is waited for.
const BYTES_PER_RECORD: u64 = 4096;
/// Smaller epochs cost more than what is done in them.
const RECORDS_AT_ONCE_MIN: u64 = 4096;

/// Who waits looks up this often whether the job has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the dataflow and the thread that writes share.
pub(crate) struct Behind {
    pace: Pace,
    merges: Sender<MergeTask>,
    shared: Mutex<Shared>,
    /// It is the other's turn: there is something to write, or it was written.
    turn: Condvar,
}

#[derive(Default)]
struct Shared {
    /// Up to where the newest groups go.
    ranges: Vec<GenerationRange>,
    newest: BTreeMap<u64, Runs>,
    /// When the oldest of what is newest came; `None` where there is nothing.
    since: Option<Instant>,
    writing: Changes,
    /// By generation: what the store had after its last step.
    kept: BTreeMap<u64, Arc<dyn KeptGroups>>,
    /// It is to be written before its time.
    is_hurried: bool,
    /// Steps that were begun, and that are done.
    begun: u64,
    done: u64,
    is_closed: bool,
}

impl Behind {
    /// Before a keeper that took its store over.
    pub fn new(keeper: &Keeper, pace: Pace, merges: Sender<MergeTask>) -> Self {
        let shared = Shared { kept: keeper.kept(), ..Shared::default() };
        Behind { pace, merges, shared: Mutex::new(shared), turn: Condvar::new() }
    }

    /// How many records an epoch may have.
    pub fn records_at_once(pace: Pace) -> u64 {
        (pace.memory / BYTES_PER_RECORD).max(RECORDS_AT_ONCE_MIN)
    }

    /// Takes what an epoch changed, which goes up to the end of these ranges; where there is too much that is not written, it waits.
    pub fn put(&self, ranges: &[GenerationRange], changes: Changes, control: &Control) {
        let mut shared = lock(&self.shared);
        while self.is_too_much(&shared) && !control.stopped() {
            shared = self.waited(shared, LOOK_EVERY);
        }
        let was_idle = shared.since.is_none();
        if shared.ranges != ranges {
            shared.since.get_or_insert_with(Instant::now);
            shared.ranges = ranges.to_vec();
        }
        let first = ranges.first().map_or(0, |range| range.number);
        shared.newest.retain(|&number, _| number >= first);
        for (number, tables) in changes {
            shared.since.get_or_insert_with(Instant::now);
            let runs = shared.newest.entry(number).or_insert_with(|| Runs::new(self.merges.clone()));
            tables.into_iter().for_each(|table| runs.add(table));
        }
        shared.newest.values_mut().for_each(Runs::tidy);
        if was_idle || self.is_due(&shared) {
            self.turn.notify_all();
        }
    }

    /// The generations of a view of these ranges: what was put, whoever has it now.
    pub fn generations(&self, ranges: Vec<GenerationRange>) -> Vec<Generation> {
        let shared = lock(&self.shared);
        let generation = |GenerationRange { number, lower, upper }| {
            let mut tables = shared.writing.get(&number).cloned().unwrap_or_default();
            tables.extend(shared.newest.get(&number).map(Runs::snapshot).unwrap_or_default());
            let kept = shared.kept.get(&number).cloned();
            Generation { kept, ..Generation::of(number, (lower, upper), tables) }
        };
        ranges.into_iter().map(generation).collect()
    }

    /// Approximate bytes in memory of what is not written.
    pub fn bytes(&self) -> usize {
        let shared = lock(&self.shared);
        shared.newest_bytes() + shared.writing.values().flatten().map(|table| table.bytes()).sum::<usize>()
    }

    /// Writes what was put, and waits for it.
    ///
    /// # Errors
    /// What stopped the job.
    pub fn write_now(&self, control: &Control) -> Result<(), SpeedError> {
        let mut shared = lock(&self.shared);
        shared.is_hurried = shared.since.is_some();
        let last = shared.begun + u64::from(shared.is_hurried);
        self.turn.notify_all();
        while shared.done < last {
            if let Some(failure) = control.failure() {
                return Err(failure);
            }
            shared = self.waited(shared, LOOK_EVERY);
        }
        Ok(())
    }

    /// Nothing more is put: what there is, is written if it is whole, and then [`Behind::write`] ends.
    pub fn close(&self, is_whole: bool) {
        let mut shared = lock(&self.shared);
        if !is_whole {
            shared.since = None;
        }
        shared.is_closed = true;
        self.turn.notify_all();
    }

    /// Writes what is put, each time after `first` was done, until it is closed or the store fails.
    pub fn write(&self, mut keeper: Keeper, topic: &Topic, control: &Control, first: impl Fn() -> Result<(), SpeedError>) {
        while let Some((ranges, changes)) = self.take() {
            let written = first().and_then(|()| keeper.advance(topic, &ranges, &changes, control.now_us(), || control.stopped()));
            if let Err(error) = written {
                return control.fail(error);
            }
            control.set_stored(keeper.costs(), keeper.position().cloned());
            let is_idle = {
                let mut shared = lock(&self.shared);
                shared.writing.clear();
                shared.kept = keeper.kept();
                shared.done += 1;
                shared.since.is_none()
            };
            self.turn.notify_all();
            if is_idle {
                // A view that stays has what was written in memory no longer.
                control.ask_for_epoch();
            }
        }
    }

    /// Waits for what is to be written; `None` at the end.
    fn take(&self) -> Option<(Vec<GenerationRange>, Changes)> {
        let mut shared = lock(&self.shared);
        loop {
            if self.is_due(&shared) {
                let newest = std::mem::take(&mut shared.newest);
                shared.writing = newest.into_iter().map(|(number, runs)| (number, runs.snapshot())).collect();
                (shared.since, shared.is_hurried) = (None, false);
                shared.begun += 1;
                self.turn.notify_all();
                return Some((shared.ranges.clone(), shared.writing.clone()));
            }
            if shared.is_closed {
                return None;
            }
            let left = shared.since.map(|since| self.pace.interval.saturating_sub(since.elapsed()));
            shared = match left {
                Some(left) => self.waited(shared, left),
                None => self.turn.wait(shared).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn is_due(&self, shared: &Shared) -> bool {
        let Some(since) = shared.since else { return false };
        shared.is_closed || shared.is_hurried || since.elapsed() >= self.pace.interval || self.is_too_much(shared)
    }

    fn is_too_much(&self, shared: &Shared) -> bool {
        shared.newest_bytes() as u64 > (self.pace.memory / NEWEST_SHARE).min(NEWEST_MAX)
    }

    fn waited<'s>(&self, shared: MutexGuard<'s, Shared>, at_most: Duration) -> MutexGuard<'s, Shared> {
        self.turn.wait_timeout(shared, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Shared {
    fn newest_bytes(&self) -> usize {
        self.newest.values().map(Runs::bytes).sum()
    }
}
