//! Jobs: the dataflow running on threads of its own, following the log or replaying a part of it.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use timely::communication::{WorkerGuards, initialize_from};
use timely::worker::Worker;
use timely::{CommunicationConfig, WorkerConfig};
use twopath_base::Position;
use twopath_base::clock::{Clock, SystemClock};
use twopath_base::meters::{self, Layer};
use twopath_base::sync::lock;
use twopath_log::{Hold, Topic};
use twopath_query::Query;
use twopath_view::{Generation, RealtimeView};

use crate::checkpoint::{CheckpointStats, CheckpointStore, Identity, Manifest, Refused, Restored, take_in_turn};
use crate::control::{Control, Publish};
use crate::costs::StoreCosts;
use crate::dataflow::{Keeping, Wiring};
use crate::error::SpeedError;
use crate::feed::FeedFlow;
use crate::logic::{Engine, Logic, Middle};
use crate::state::memory::merge_runs_off_thread;
use crate::state::{Backend, Changes, Keeper};

/// Nothing is waited for longer than this without a look around; every wake-up that matters comes by itself.
const FOREVER: Duration = Duration::from_secs(3600);

/// How far back the rate of [`JobProgress`] looks.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// How timely tells its workers of progress (see timely's `ProgressMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressMode {
    /// Held back until it could matter to another worker: fewer messages.
    #[default]
    Demand,
    /// At once: a little sooner with few workers, more messages.
    Eager,
}

impl std::fmt::Display for ProgressMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ProgressMode::Demand => "demand",
            ProgressMode::Eager => "eager",
        })
    }
}

/// How a job runs.
#[derive(Clone)]
pub struct SpeedOptions {
    /// Worker `w` reads the partitions whose number modulo `workers` is `w`.
    pub workers: usize,
    /// Views are published at most this often while the job is up with the log.
    pub publish_interval: Duration,
    pub progress_mode: ProgressMode,
    /// Stamps the published views.
    pub clock: Arc<dyn Clock>,
    /// Where the state lives.
    pub backend: Backend,
    /// Records a second that are read at most, by all workers together: a replay then leaves something to who lives beside it.
    pub max_records_per_s: Option<f64>,
}

impl Default for SpeedOptions {
    fn default() -> Self {
        SpeedOptions {
            workers: 1,
            publish_interval: Duration::from_millis(1),
            progress_mode: ProgressMode::default(),
            clock: Arc::new(SystemClock),
            backend: Backend::default(),
            max_records_per_s: None,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone)]
pub struct JobProgress {
    /// What the published view covers.
    pub position: Position,
    /// The log's end.
    pub end: Position,
    /// How many records lie between them.
    pub lag_records: u64,
    /// Records read per second over the last seconds.
    pub rate_records_per_s: f64,
    /// When the lag will be closed at the present rates of reading and appending; `None` where it will not.
    pub eta: Option<Duration>,
    /// Whether it is still reading what had been in the log when it started from a checkpoint. Until then nothing new is published.
    pub recovering: bool,
    /// Why the job has stopped by itself.
    pub failure: Option<SpeedError>,
}

/// What a job started from.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// The checkpoint, or what a store said of its state; `None` where it started from the log alone.
    pub checkpoint: Option<Manifest>,
    /// Checkpoints that were passed over, the newest first; or why the state in a store was.
    pub refused: Vec<Refused>,
}

/// A running job. Dropping it stops it.
pub struct SpeedJob {
    control: Arc<Control>,
    progress_mode: ProgressMode,
    threads: Option<Threads>,
    /// When how many records had been read, and where the log ended.
    samples: Mutex<VecDeque<(Instant, u64, u64)>>,
    topic: Topic,
    checkpoints: Option<Arc<CheckpointStore>>,
    recovery: Recovery,
    /// Without checkpoints: for as long as the job lives, retention leaves what it would have to replay.
    _hold: Option<Hold>,
}

/// Follows the topic from `from` (the number of a generation, and the position in it where reading starts: its barrier's, or 0 and
/// the log's start, which is not 0 once retention took its beginning) until it is stopped, and gives every view to `publish`.
///
/// With a [`Backend`] that outlives the process it goes on from what is there (the newest checkpoint that is whole, or what a store has), if there is
/// anything, and reads only what came after it. It then publishes nothing before it has read all that had been in the log when it was started, so that no reader is set back.
///
/// # Errors
/// The logic does not fit the topic, `from` is not in that generation, the log cannot be read, or threads cannot be started. Of kept state: it cannot
/// be reached, or is another job's, or none of it is whole and the log has lost what it began with; or the code keeps its state where nothing reaches it.
pub fn start(
    topic: &Topic,
    query: Arc<Query>,
    logic: Logic,
    engine: Engine,
    from: (u64, Position),
    options: SpeedOptions,
    publish: Publish,
) -> Result<SpeedJob, SpeedError> {
    let end = topic.end()?;
    let middle = Middle::new(&query, logic, engine, from.0)?;
    if !matches!(options.backend, Backend::Memory) && middle.gives_finals() {
        return Err(SpeedError::OwnState { logic: logic.name() });
    }
    let layout = middle.layout(&query);
    let identity = Identity::of(topic, &layout, &logic.name());
    let KeptState { checkpoints, keeper, restored, refused } = KeptState::open(&options.backend, identity, &layout, topic, &from)?;
    let recovery = Recovery { checkpoint: restored.as_ref().map(|restored| restored.manifest.clone()), refused };
    let from = restored.as_ref().map_or(from, Restored::reads_from);
    let mut hold = topic.hold("a job that follows the log", &from.1)?;
    let recovering_to = restored.as_ref().map(|_| end.clone());
    let keeps = keeper.is_some();
    let keeper = keeper.map(|keeper| (keeper, Changes::new()));
    let beginning = Beginning { from, generations: restored.map(|restored| restored.generations), keeper };
    let mut threads = Threads::start(topic, query, middle, beginning, (None, recovering_to), &options, publish)?;
    let control = Arc::clone(&threads.control);
    if let Some((store, Some(interval))) = &checkpoints {
        threads.take_checkpoints(store, topic, *interval, hold.take(), || Ok(()))?;
    }
    Ok(SpeedJob {
        control,
        progress_mode: options.progress_mode,
        threads: Some(threads),
        samples: Mutex::new(VecDeque::from([(Instant::now(), 0, end.records())])),
        topic: topic.clone(),
        checkpoints: checkpoints.map(|(store, _)| store),
        recovery,
        // A keeper tells the log by itself.
        _hold: hold.filter(|_| !keeps),
    })
}

/// Replays the log from `from` up to `to` (anywhere, also within a frame) through the same dataflow, and gives the view at `to`.
///
/// # Errors
/// As [`start`]; also if `to` is before `from`, or beyond the log's end.
pub fn replay(
    topic: &Topic,
    query: Arc<Query>,
    logic: Logic,
    engine: Engine,
    from: (u64, Position),
    to: &Position,
    workers: usize,
) -> Result<RealtimeView, SpeedError> {
    let options = SpeedOptions { workers, ..SpeedOptions::default() };
    let _hold = topic.hold("a replay", &from.1)?;
    let middle = Middle::new(&query, logic, engine, from.0)?;
    let threads = Threads::start(
        topic,
        query,
        middle,
        Beginning { from, generations: None, keeper: None },
        (Some(to.clone()), None),
        &options,
        Arc::new(|_| {}),
    )?;
    let control = Arc::clone(&threads.control);
    threads.join()?;
    let view = control.view();
    drop(control);
    assert_eq!(view.position(), to, "a replay ended elsewhere");
    Ok(Arc::unwrap_or_clone(view))
}

impl SpeedJob {
    pub fn progress(&self) -> JobProgress {
        let view = self.control.latest();
        let end = Position::new((0..self.topic.partitions()).map(|p| self.control.tail.end(twopath_base::PartitionId(p as u32))).collect());
        let lag_records = end.records_since(view.position());
        let (rate, growth) = self.rates(end.records());
        let eta = match rate - growth {
            _ if lag_records == 0 => Some(Duration::ZERO),
            closing if closing > 0.0 => Duration::try_from_secs_f64(lag_records as f64 / closing).ok(),
            _ => None,
        };
        JobProgress {
            position: view.position().clone(),
            end,
            lag_records,
            rate_records_per_s: rate,
            eta,
            recovering: self.control.is_recovering(),
            failure: self.control.failure(),
        }
    }

    /// What it started from.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Takes a checkpoint now, if there is anything new. Without checkpoints nothing is done: a store has all that was published.
    ///
    /// # Errors
    /// [`SpeedError::Fenced`] where another process has taken over; whatever keeps files from being written.
    pub fn take_checkpoint(&self) -> Result<(), SpeedError> {
        let commit = |store: &Arc<CheckpointStore>| store.commit(&self.control.latest(), &self.topic, self.control.now_us());
        self.checkpoints.as_ref().map_or(Ok(()), |store| commit(store).map(drop))
    }

    /// What its checkpoints have cost.
    pub fn checkpoint_stats(&self) -> CheckpointStats {
        self.checkpoints.as_ref().map(|store| store.stats()).unwrap_or_default()
    }

    /// What keeping its state in a store has cost.
    pub fn store_costs(&self) -> StoreCosts {
        self.control.store_costs()
    }

    /// The last published view; of a job that started from a checkpoint and is still recovering, the checkpoint's.
    pub fn view(&self) -> Arc<RealtimeView> {
        self.control.view()
    }

    /// Lets go of the generations below `number`, because a batch view covers them. The one that is being read is kept in any case.
    pub fn drop_generations_below(&self, number: u64) {
        self.control.drop_generations_below(number);
    }

    /// Approximate bytes of the groups held.
    pub fn state_bytes(&self) -> usize {
        self.control.state_bytes()
    }

    pub fn progress_mode(&self) -> ProgressMode {
        self.progress_mode
    }

    /// Stops the job and waits for its threads.
    ///
    /// # Errors
    /// What had stopped the job before.
    pub fn stop(mut self) -> Result<(), SpeedError> {
        self.control.stop();
        self.threads.take().map_or(Ok(()), Threads::join)
    }

    /// Records read and appended per second since the oldest sample of the window.
    fn rates(&self, end: u64) -> (f64, f64) {
        let (now, read) = (Instant::now(), self.control.records_read());
        let mut samples = lock(&self.samples);
        while samples.len() > 1 && now - samples[1].0 > RATE_WINDOW {
            samples.pop_front();
        }
        let oldest = samples[0];
        samples.push_back((now, read, end));
        let seconds = (now - oldest.0).as_secs_f64().max(1e-9);
        ((read - oldest.1) as f64 / seconds, (end.saturating_sub(oldest.2)) as f64 / seconds)
    }
}

impl Drop for SpeedJob {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(threads) = self.threads.take() {
            // Nobody is left to hear of a failure; it has been logged.
            let _ = threads.join();
        }
    }
}

/// A job's threads: `speed-0` .. are the workers; `speed-merge` merges large runs; `speed-tail` wakes several workers together; `speed-checkpoint` puts
/// the state at rest.
pub(crate) struct Threads {
    control: Arc<Control>,
    workers: WorkerGuards<()>,
    helpers: Vec<JoinHandle<()>>,
}

/// What of a job's state is outside the process, as a backend has it.
pub(crate) struct KeptState {
    /// Where checkpoints go, and how often one is taken.
    pub checkpoints: Option<(Arc<CheckpointStore>, Option<Duration>)>,
    /// What takes the state to a store.
    pub keeper: Option<Keeper>,
    pub restored: Option<Restored>,
    pub refused: Vec<Refused>,
}

impl KeptState {
    /// Finds what a job starts from whose log would else be read from `from` on.
    ///
    /// # Errors
    /// As of [`start`]: of kept state.
    pub fn open(
        backend: &Backend,
        identity: Identity,
        layout: &Arc<Query>,
        topic: &Topic,
        from: &(u64, Position),
    ) -> Result<KeptState, SpeedError> {
        if let Backend::Checkpoints(checkpoints) = backend {
            let store = CheckpointStore::of(checkpoints, identity)?;
            let (restored, refused) = store.restore(topic, layout, &from.1)?;
            return Ok(KeptState { checkpoints: Some((Arc::new(store), checkpoints.interval)), keeper: None, restored, refused });
        }
        let mut keeper = Keeper::open(backend, identity, layout)?;
        let (restored, refused) = match &mut keeper {
            Some(keeper) => keeper.begin(topic, from)?,
            None => (None, Vec::new()),
        };
        Ok(KeptState { checkpoints: None, keeper: keeper.filter(Keeper::owns), restored, refused })
    }
}

/// From where a job goes on.
pub(crate) struct Beginning {
    pub from: (u64, Position),
    /// What it has at the start.
    pub generations: Option<Vec<Generation>>,
    /// What takes its state outside the process, and what of the generations is not there yet.
    pub keeper: Option<(Keeper, Changes)>,
}

impl Threads {
    fn start(
        topic: &Topic,
        query: Arc<Query>,
        middle: Middle,
        beginning: Beginning,
        (to, recovering_to): (Option<Position>, Option<Position>),
        options: &SpeedOptions,
        publish: Publish,
    ) -> Result<Threads, SpeedError> {
        check(topic, &beginning.from, to.as_ref(), options)?;
        Self::of(topic, query, middle, beginning, (to, recovering_to), options, publish)
    }

    /// Of a feed, which has no generations: it begins anywhere in the log.
    pub fn of_feed(
        topic: &Topic,
        flow: FeedFlow,
        beginning: Beginning,
        to: Option<Position>,
        options: &SpeedOptions,
    ) -> Result<Threads, SpeedError> {
        let query = Arc::new(flow.query().clone());
        Self::of(topic, query, Middle::Feed(flow), beginning, (to, None), options, Arc::new(|_| {}))
    }

    fn of(
        topic: &Topic,
        query: Arc<Query>,
        middle: Middle,
        beginning: Beginning,
        (to, recovering_to): (Option<Position>, Option<Position>),
        options: &SpeedOptions,
        publish: Publish,
    ) -> Result<Threads, SpeedError> {
        let Beginning { from, generations, keeper } = beginning;
        let barriers = topic.barriers()?;
        let nothing = || vec![Generation::of(from.0, (from.1.clone(), from.1.clone()), Vec::new())];
        let at_start = generations.clone().unwrap_or_else(nothing);
        let view = RealtimeView { generations: at_start, published_us: options.clock.now_us(), error: None };
        let (tail, clock) = (topic.tail()?, Arc::clone(&options.clock));
        let control = Arc::new(Control::new(tail, clock, publish, view, recovering_to, options.workers));
        let (merges, tasks) = channel();
        let mut helpers = Vec::new();
        let follows = to.is_none();
        if middle.adds_runs(follows) {
            let control = Arc::clone(&control);
            helpers.push(spawn("merge", move || merge_runs_off_thread(tasks, &control))?);
        }
        if follows && options.workers > 1 {
            let (control, interval) = (Arc::clone(&control), options.publish_interval);
            helpers.push(spawn("tail", move || wake_workers(&control, interval))?);
        }
        let wiring = Wiring {
            topic: topic.clone(),
            query,
            middle,
            from,
            to,
            generations,
            barriers,
            control: Arc::clone(&control),
            merges,
            keeping: Keeping::of(keeper.as_ref().map(|(keeper, _)| keeper)),
            keeper: Mutex::new(keeper),
            max_records_per_s: options.max_records_per_s,
        };
        match spawn_workers(wiring, options) {
            Ok(workers) => Ok(Threads { control, workers, helpers }),
            Err(error) => {
                control.stop();
                helpers.into_iter().for_each(|h| drop(h.join()));
                Err(error)
            }
        }
    }

    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Takes a checkpoint every `interval`, each after `first` was done.
    pub fn take_checkpoints(
        &mut self,
        store: &Arc<CheckpointStore>,
        topic: &Topic,
        interval: Duration,
        hold: Option<Hold>,
        first: impl Fn() -> Result<(), SpeedError> + Send + 'static,
    ) -> Result<(), SpeedError> {
        let (control, store, topic) = (self.control(), Arc::clone(store), topic.clone());
        self.helpers.push(spawn("checkpoint", move || take_in_turn(&control, &store, &topic, interval, hold, first))?);
        Ok(())
    }

    /// Waits for their end.
    ///
    /// # Errors
    /// What stopped the job.
    pub fn join(self) -> Result<(), SpeedError> {
        // The workers catch their own panics and report them as failures.
        self.workers.join().into_iter().for_each(drop);
        for helper in self.helpers {
            helper.thread().unpark();
            if let Err(panic) = helper.join() {
                self.control.fail(SpeedError::Panicked { message: message(&*panic) });
            }
        }
        self.control.failure().map_or(Ok(()), Err)
    }
}

/// Refuses what does not fit the topic.
fn check(topic: &Topic, from: &(u64, Position), to: Option<&Position>, options: &SpeedOptions) -> Result<(), SpeedError> {
    let name = || topic.config().name.clone();
    if options.workers == 0 {
        return Err(SpeedError::NoWorkers);
    }
    let (generation, from) = from;
    for position in [Some(from), to].into_iter().flatten() {
        if position.partitions() != topic.partitions() {
            return Err(SpeedError::Partitions { topic: name(), position: position.clone(), partitions: topic.partitions() });
        }
    }
    let barriers = topic.barriers()?;
    let at = |number: u64| barriers.iter().find(|b| b.number == number).map(|b| &b.position);
    let after_its_start = *generation == 0 || at(*generation).is_some_and(|start| from.covers(start));
    let before_its_end = at(generation + 1).is_none_or(|end| end.covers(from));
    if !after_its_start || !before_its_end {
        return Err(SpeedError::Start { topic: name(), from: from.clone(), generation: *generation });
    }
    let end = topic.end()?;
    let Some(to) = to else { return Ok(topic.check_readable(from, &end)?) };
    if !to.covers(from) {
        return Err(SpeedError::Backwards { from: from.clone(), to: to.clone() });
    }
    if !end.covers(to) {
        return Err(SpeedError::BeyondEnd { topic: name(), to: to.clone(), end });
    }
    Ok(topic.check_readable(from, to)?)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SpeedError> {
    meters::spawn(Layer::Speed, name, body).map_err(|e| SpeedError::Workers { reason: e.to_string() })
}

fn spawn_workers(wiring: Wiring, options: &SpeedOptions) -> Result<WorkerGuards<()>, SpeedError> {
    let interval = options.publish_interval;
    let config = WorkerConfig::default().progress_mode(match options.progress_mode {
        ProgressMode::Demand => timely::worker::ProgressMode::Demand,
        ProgressMode::Eager => timely::worker::ProgressMode::Eager,
    });
    let communication = if options.workers == 1 { CommunicationConfig::Thread } else { CommunicationConfig::Process(options.workers) };
    let spawned = communication.try_build().and_then(|(builders, others)| {
        initialize_from(builders, others, move |allocator| {
            name_thread(&format!("speed-{}", allocator.index()));
            let _charged = meters::adopt(Layer::Speed);
            let run = || run(&wiring, Worker::new(config.clone(), allocator, Some(Instant::now())), interval);
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => wiring.control.fail(error),
                Err(panic) => wiring.control.fail(SpeedError::Panicked { message: message(&*panic) }),
            }
        })
    });
    spawned.map_err(|reason| SpeedError::Workers { reason })
}

/// One worker, from the building of its dataflow to the job's end.
fn run(wiring: &Wiring, mut worker: Worker, interval: Duration) -> Result<(), SpeedError> {
    let probe = wiring.build(&mut worker)?;
    let control = &wiring.control;
    if wiring.to.is_none() && worker.peers() == 1 {
        // Nobody but the log can wake it, so it waits for the log itself.
        follow(control, interval, || {
            while !control.stopped() && probe.less_than(&control.epoch()) {
                worker.step();
            }
        });
    } else {
        while !control.stopped() && worker.has_dataflows() {
            worker.step_or_park(None);
        }
    }
    Ok(())
}

/// Beside several workers: wakes them together.
fn wake_workers(control: &Control, interval: Duration) {
    follow(control, interval, || {});
}

/// Starts an epoch whenever the log has grown, but not before `interval` has passed since the last, and then does `work`.
fn follow(control: &Control, interval: Duration, mut work: impl FnMut()) {
    while !control.stopped() {
        let started = Instant::now();
        let seen = control.tail.sequence();
        control.tick();
        control.wake_sources();
        work();
        while !control.stopped()
            && let Some(left) = interval.checked_sub(started.elapsed())
            && !left.is_zero()
        {
            std::thread::park_timeout(left);
        }
        if !control.stopped() {
            control.tail.wait(seen, FOREVER);
        }
    }
}

/// Timely names the threads that it spawns; the harness charges time by thread name. Where the system has no such file, the name stays.
fn name_thread(name: &str) {
    let _ = std::fs::write("/proc/thread-self/comm", name);
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
