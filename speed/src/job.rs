//! Jobs: the dataflow running on threads of its own, following the log or replaying a part of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_log::{Hold, Topic};
use twopath_query::Query;
use twopath_view::RealtimeView;

use crate::checkpoint::{CheckpointStats, CheckpointStore, Identity, Manifest, Refused, Restored, RestoredBase};
use crate::control::{Control, Publish};
use crate::costs::StoreCosts;
use crate::differential::Maintained;
use crate::error::SpeedError;
use crate::input::{Input, joint};
use crate::logic::{Engine, Logic, Middle};
use crate::options::{ProgressMode, SpeedOptions};
use crate::state::{Backend, Changes, Keeper};
use crate::threads::{Beginning, Threads};

/// How far back the rate of [`JobProgress`] looks.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// How far a job is.
#[derive(Debug, Clone)]
pub struct JobProgress {
    /// What the published view covers; of a job of rows that started from a checkpoint, nothing before its rows are there again.
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
    input: Input,
    checkpoints: Option<Arc<CheckpointStore>>,
    recovery: Recovery,
    /// Without checkpoints: for as long as the job lives, retention leaves what it would have to replay.
    _holds: Vec<Hold>,
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
    let mut middle = Middle::new(&query, logic, engine, from.0)?;
    let base = match (&middle, &options.backend) {
        (_, Backend::Memory) => None,
        (Middle::Maintained(rows, _), Backend::Checkpoints(_)) => Some(Arc::clone(rows)),
        (middle, _) if middle.gives_finals() => return Err(SpeedError::OwnState { logic: logic.name() }),
        _ => None,
    };
    let layout = base.as_ref().map_or_else(|| middle.layout(&query), |rows| Arc::clone(rows.base_layout()));
    let code = base.as_ref().map_or_else(|| logic.name(), |rows| rows.code());
    let (input, identity) = (Input::of(topic), Identity::of(topic, &layout, &code));
    let KeptState { checkpoints, keeper, restored, refused } = KeptState::open(&options.backend, identity, &layout, &input, &from)?;
    let newest = restored.as_ref().map(|restored| restored.manifest.clone());
    // Readers may have seen what it had, also where it is not to be used.
    let recovering_to = newest.as_ref().map(|_| end.clone());
    let keeps_base = base.is_some();
    let (from, generations) = match base {
        Some(rows) => {
            let RestoredBase { tables, generations, from } = RestoredBase::of(restored, &input.since()?, from);
            middle = Middle::Maintained(rows, Some(tables));
            (from, generations)
        }
        None => (restored.as_ref().map_or(from, Restored::reads_from), restored.map(|restored| restored.generations)),
    };
    let recovery = Recovery { checkpoint: newest.filter(|_| generations.is_some()), refused };
    let mut holds = input.hold("a job that follows the log", &from.1)?;
    let keeps = keeper.is_some();
    let keeper = keeper.map(|keeper| (keeper, Changes::new()));
    let beginning = Beginning { from, generations, keeper };
    if keeps_base && beginning.generations.is_some() && options.workers > 0 {
        // It goes on anywhere in the log: rows are of no generation.
        topic.check_readable(&beginning.from.1, &end)?;
    } else {
        check(topic, &beginning.from, None, &options)?;
    }
    let mut threads = Threads::of(&input, query, middle, beginning, (None, recovering_to), &options, publish)?;
    let control = threads.control();
    if let Some((store, Some(interval))) = &checkpoints {
        threads.take_checkpoints(store, &input, *interval, std::mem::take(&mut holds), |_| Ok(true))?;
    }
    Ok(SpeedJob {
        control,
        progress_mode: options.progress_mode,
        threads: Some(threads),
        samples: Mutex::new(VecDeque::from([(Instant::now(), 0, end.records())])),
        input,
        checkpoints: checkpoints.map(|(store, _)| store),
        recovery,
        // A keeper tells the log by itself.
        _holds: if keeps { Vec::new() } else { holds },
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
    check(topic, &from, Some(to), &options)?;
    let beginning = Beginning { from, generations: None, keeper: None };
    view_at(&Input::of(topic), query, middle, beginning, to, &options)
}

/// As [`replay`], of a plan over several topics, all of whose rows the engine differential keeps: the view at a joint position, which is given as one per topic (in the order of
/// `topics`, whose names are what the plan calls them). The view's positions have the partitions of the second topic after those of the first, and so on.
///
/// # Errors
/// As [`replay`]; [`SpeedError::Unsupported`] names what of the plan the engine does not keep.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Int64Array, RecordBatch};
/// # use arrow_schema::{DataType, Field, Schema};
/// # use twopath_log::{Log, TopicConfig};
/// # use twopath_query::{TopicSchema, Value, logical_plan_over, values};
/// # use twopath_speed::replay_joint;
/// # use twopath_view::{GroupTable, Selection, answer};
/// # let dir = tempfile::tempdir()?;
/// # let log = Log::open(dir.path())?;
/// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// # let numbers = |name, numbers: Vec<i64>| -> Result<_, Box<dyn std::error::Error>> {
/// #     let topic = log.create_topic(TopicConfig::new(name, schema.clone()))?;
/// #     topic.writer()?.append(&RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers))])?)?;
/// #     Ok(topic)
/// # };
/// let topics = [numbers("a", vec![1, 2, 3])?, numbers("b", vec![2, 3, 4])?];
/// let schemas = ["a", "b"].map(|name| TopicSchema { name, schema: &schema, key: None, time: None });
/// let kept = logical_plan_over("SELECT a.n FROM a JOIN b ON a.n = b.n", &schemas)?.maintained();
/// let ends = [topics[0].end()?, topics[1].end()?];
/// let view = replay_joint(&topics, &["a", "b"], &kept, &ends, 1)?;
/// let parts: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(|t| &**t).collect();
/// let rows = values::rows(&answer(&kept.rows, &parts, &Selection::default())?)?;
/// assert_eq!(rows, [[Value::Int(2)], [Value::Int(3)]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn replay_joint(
    topics: &[Topic],
    names: &[&str],
    kept: &twopath_query::Maintained,
    to: &[Position],
    workers: usize,
) -> Result<RealtimeView, SpeedError> {
    assert!(topics.len() == names.len() && topics.len() == to.len(), "a name and a position for each topic");
    let options = SpeedOptions { workers, ..SpeedOptions::default() };
    let starts = topics.iter().map(Topic::start).collect::<Result<Vec<_>, _>>()?;
    let holds = topics.iter().zip(&starts).map(|(topic, start)| topic.hold("a replay", start));
    let _holds = holds.collect::<Result<Vec<_>, _>>()?;
    let rows = Maintained::of(kept, names, 0)?;
    for ((topic, start), to) in topics.iter().zip(&starts).zip(to) {
        check(topic, &(0, start.clone()), Some(to), &options)?;
    }
    let (query, middle) = (Arc::clone(&rows.layout), Middle::Maintained(Arc::new(rows), None));
    let beginning = Beginning { from: (0, joint(&starts)), generations: None, keeper: None };
    view_at(&Input::joint(topics), query, middle, beginning, &joint(to), &options)
}

/// What a dataflow comes to that reads up to a position.
fn view_at(
    input: &Input,
    query: Arc<Query>,
    middle: Middle,
    beginning: Beginning,
    to: &Position,
    options: &SpeedOptions,
) -> Result<RealtimeView, SpeedError> {
    let threads = Threads::of(input, query, middle, beginning, (Some(to.clone()), None), options, Arc::new(|_| {}))?;
    let control = threads.control();
    threads.join()?;
    let view = control.view();
    drop(control);
    assert_eq!(view.position(), to, "a replay ended elsewhere");
    Ok(Arc::unwrap_or_clone(view))
}

impl SpeedJob {
    pub fn progress(&self) -> JobProgress {
        let view = self.control.latest();
        let end = self.control.tails.end();
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

    /// Takes a checkpoint now, if there is anything new. A store that is written at intervals is written now; any other has all
    /// that was published.
    ///
    /// # Errors
    /// [`SpeedError::Fenced`] where another process has taken over; whatever keeps files from being written.
    pub fn take_checkpoint(&self) -> Result<(), SpeedError> {
        let commit = |store: &Arc<CheckpointStore>| store.commit(&self.control.to_rest(), &self.input, self.control.now_us());
        self.threads.as_ref().map_or(Ok(()), Threads::write_now)?;
        self.checkpoints.as_ref().map_or(Ok(()), |store| commit(store).map(drop))
    }

    /// What its checkpoints have cost.
    pub fn checkpoint_stats(&self) -> CheckpointStats {
        self.checkpoints.as_ref().map(|store| store.stats()).unwrap_or_default()
    }

    /// What keeping its state in a store has cost.
    pub fn store_costs(&self) -> StoreCosts {
        self.control.stored().0
    }

    /// Up to where a store has the state; `None` where there is none, and before its first step.
    pub fn stored_up_to(&self) -> Option<Position> {
        self.control.stored().1
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
    /// Finds what a job starts from whose log would else be read from `from` on. Of several topics only checkpoints can be kept.
    ///
    /// # Errors
    /// As of [`start`]: of kept state.
    pub fn open(
        backend: &Backend,
        identity: Identity,
        layout: &Arc<Query>,
        input: &Input,
        from: &(u64, Position),
    ) -> Result<KeptState, SpeedError> {
        if let Backend::Checkpoints(checkpoints) = backend {
            let store = CheckpointStore::of(checkpoints, identity)?;
            let (restored, refused) = store.restore(input, layout, &from.1)?;
            return Ok(KeptState { checkpoints: Some((Arc::new(store), checkpoints.interval)), keeper: None, restored, refused });
        }
        let mut keeper = Keeper::open(backend, identity, layout)?;
        let (restored, refused) = match &mut keeper {
            Some(keeper) => keeper.begin(input.first(), from)?,
            None => (None, Vec::new()),
        };
        Ok(KeptState { checkpoints: None, keeper: keeper.filter(Keeper::owns), restored, refused })
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
