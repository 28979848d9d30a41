//! What a job's threads share: the epoch that is asked for, the wish to stop, and what has been published.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use timely::scheduling::SyncActivator;
use twopath_base::Position;
use twopath_base::clock::Clock;
use twopath_base::sync::lock;
use twopath_view::RealtimeView;

use crate::costs::StoreCosts;
use crate::error::SpeedError;
use crate::input::Tails;

/// Where the views of a job go. It is called on a worker's thread: it should only store the view and return.
pub type Publish = Arc<dyn Fn(Arc<RealtimeView>) + Send + Sync>;

/// A waiting thread looks this often whether the job is to end.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Control {
    pub tails: Tails,
    clock: Arc<dyn Clock>,
    to: Publish,
    /// A worker whose epoch is below this is to read what there is and to close its epoch.
    epoch: AtomicU64,
    /// Epochs below this are through the dataflow; what wakes several workers waits for it.
    through: Mutex<u64>,
    is_through: Condvar,
    stopped: AtomicBool,
    failure: Mutex<Option<SpeedError>>,
    /// What wakes the workers' sources.
    sources: Mutex<Vec<SyncActivator>>,
    /// Generations below this are to be dropped as soon as they are complete.
    drop_below: AtomicU64,
    /// Generations below this have been dropped from the published views.
    dropped_below: AtomicU64,
    records_read: AtomicU64,
    /// By worker: of what is published, and then of its base.
    state_bytes: Vec<AtomicUsize>,
    /// What keeping the state in a store has cost, and up to where it is there.
    stored: Mutex<(StoreCosts, Option<Position>)>,
    /// Where the log ended when an epoch was started for it last: what is appended at intervals waits until that is read.
    due: Mutex<Option<Position>>,
    /// Held by whoever starts an epoch because the log has grown, until the next may start: where several wait for that, each for a topic of its own.
    turn: Mutex<()>,
    /// What has been published.
    view: Mutex<Arc<RealtimeView>>,
    /// What the state is, published or not.
    latest: Mutex<Arc<RealtimeView>>,
    /// What is put at rest in the place of the view, where rows are kept: their base.
    base: Mutex<Option<Arc<RealtimeView>>>,
    /// Up to where a job that started from a checkpoint reads before it publishes: where the log ended then. `None` once it is there.
    recovering_to: Mutex<Option<Position>>,
}

impl Control {
    /// `view` is what the job starts with; `recovering_to` is given where that was more once.
    pub fn new(
        tails: Tails,
        clock: Arc<dyn Clock>,
        to: Publish,
        view: RealtimeView,
        recovering_to: Option<Position>,
        workers: usize,
    ) -> Self {
        let number = view.generations[0].number;
        let view = Arc::new(view);
        Control {
            tails,
            clock,
            to,
            epoch: AtomicU64::new(1),
            through: Mutex::new(0),
            is_through: Condvar::new(),
            stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
            sources: Mutex::new(Vec::new()),
            drop_below: AtomicU64::new(number),
            dropped_below: AtomicU64::new(number),
            records_read: AtomicU64::new(0),
            state_bytes: (0..2 * workers).map(|_| AtomicUsize::new(0)).collect(),
            stored: Mutex::default(),
            due: Mutex::default(),
            turn: Mutex::default(),
            latest: Mutex::new(Arc::clone(&view)),
            view: Mutex::new(view),
            base: Mutex::default(),
            recovering_to: Mutex::new(recovering_to),
        }
    }

    pub fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    // --- epochs ---

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Moves the epoch on, without waking anybody.
    pub fn tick(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Asks every worker to close the epochs below `epoch`.
    pub fn ask(&self, epoch: u64) {
        if self.epoch.fetch_max(epoch, Ordering::AcqRel) < epoch {
            self.wake_sources();
        }
    }

    /// Says that the epochs below this one are through the dataflow.
    pub fn set_through(&self, epoch: u64) {
        let mut through = lock(&self.through);
        if *through < epoch {
            *through = epoch;
            self.is_through.notify_all();
        }
    }

    /// Waits until the epochs below the one that is asked for now are through, or the job is to end.
    pub fn wait_through(&self) {
        let epoch = self.epoch();
        let mut through = lock(&self.through);
        while *through < epoch && !self.stopped() {
            // A look around now and then: whoever stops the job does not know of this.
            through = self.is_through.wait_timeout(through, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Moves the epoch on because the log has grown: what it has now is due.
    pub fn tick_for_more(&self) {
        *lock(&self.due) = Some(self.tails.end());
        self.tick();
    }

    /// Whether all that was due is read, at this position: said once.
    pub fn is_done(&self, read_to: &Position) -> bool {
        let mut due = lock(&self.due);
        let is_done = due.as_ref().is_some_and(|due| read_to.covers(due));
        if is_done {
            *due = None;
        }
        is_done
    }

    /// Waits until nobody else starts an epoch.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// Asks for a view though nothing may have been appended.
    pub fn ask_for_epoch(&self) {
        self.tick();
        self.wake_sources();
        self.tails.wake();
    }

    /// Makes a worker's source known to the others.
    pub fn register(&self, source: SyncActivator) {
        lock(&self.sources).push(source);
    }

    pub fn wake_sources(&self) {
        for source in lock(&self.sources).iter() {
            // A worker that has ended needs no waking.
            let _ = source.activate();
        }
    }

    // --- the end ---

    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Asks every thread of the job to end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake_sources();
        self.tails.wake();
    }

    /// Stops the job because of `error`; the first one is kept.
    pub fn fail(&self, error: SpeedError) {
        tracing::error!(%error, "speed job failed");
        lock(&self.failure).get_or_insert(error);
        self.stop();
    }

    pub fn failure(&self) -> Option<SpeedError> {
        lock(&self.failure).clone()
    }

    // --- generations ---

    pub fn drop_generations_below(&self, number: u64) {
        self.drop_below.fetch_max(number, Ordering::AcqRel);
        self.ask_for_epoch();
    }

    /// The generations below this have been asked to be dropped and are complete.
    pub fn dropped_below(&self) -> u64 {
        self.dropped_below.load(Ordering::Acquire)
    }

    /// Drops what has been asked to be dropped below the generation `last`, which is still being read. Gives the first one kept.
    pub fn drop_up_to(&self, last: u64) -> u64 {
        let below = self.drop_below.load(Ordering::Acquire).min(last);
        let before = self.dropped_below.fetch_max(below, Ordering::AcqRel);
        if before < below {
            // The workers let go of the groups in their next epoch.
            self.ask_for_epoch();
        }
        below.max(before)
    }

    // --- figures ---

    pub fn count_read(&self, records: u64) {
        self.records_read.fetch_add(records, Ordering::Relaxed);
    }

    pub fn records_read(&self) -> u64 {
        self.records_read.load(Ordering::Relaxed)
    }

    pub fn set_state_bytes(&self, worker: usize, bytes: usize) {
        self.state_bytes[worker].store(bytes, Ordering::Relaxed);
    }

    pub fn state_bytes(&self) -> usize {
        self.state_bytes.iter().map(|b| b.load(Ordering::Relaxed)).sum()
    }

    pub fn set_stored(&self, costs: StoreCosts, up_to: Option<Position>) {
        *lock(&self.stored) = (costs, up_to);
    }

    pub fn stored(&self) -> (StoreCosts, Option<Position>) {
        lock(&self.stored).clone()
    }

    // --- the view ---

    pub fn publish(&self, view: RealtimeView) {
        let view = Arc::new(view);
        *lock(&self.latest) = Arc::clone(&view);
        {
            let mut recovering_to = lock(&self.recovering_to);
            if view.error.is_none() && recovering_to.as_ref().is_some_and(|to| !view.position().covers(to)) {
                return;
            }
            *recovering_to = None;
        }
        *lock(&self.view) = Arc::clone(&view);
        (self.to)(view);
    }

    /// What the state is, also while a job recovers and publishes nothing.
    pub fn latest(&self) -> Arc<RealtimeView> {
        Arc::clone(&lock(&self.latest))
    }

    pub fn set_base(&self, base: RealtimeView) {
        *lock(&self.base) = Some(Arc::new(base));
    }

    /// What of the state is put at rest.
    pub fn to_rest(&self) -> Arc<RealtimeView> {
        lock(&self.base).clone().unwrap_or_else(|| self.latest())
    }

    /// Whether the job is still reading what had been in the log when it started from a checkpoint.
    pub fn is_recovering(&self) -> bool {
        lock(&self.recovering_to).is_some()
    }

    pub fn view(&self) -> Arc<RealtimeView> {
        Arc::clone(&lock(&self.view))
    }
}
