//! The threads of a job: timely's workers, and those that help them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use timely::communication::{WorkerGuards, initialize_from};
use timely::worker::Worker;
use timely::{CommunicationConfig, WorkerConfig};
use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_log::{Hold, Tail, Topic};
use twopath_query::Query;
use twopath_view::{Generation, RealtimeView};

use crate::checkpoint::{CheckpointStore, take_in_turn};
use crate::control::{Control, Publish};
use crate::dataflow::{Keeping, Wiring};
use crate::error::SpeedError;
use crate::feed::FeedFlow;
use crate::input::Input;
use crate::logic::Middle;
use crate::options::{ProgressMode, SpeedOptions};
use crate::state::memory::merge_runs_off_thread;
use crate::state::{Behind, Changes, Keeper, Writes};

/// Nothing is waited for longer than this without a look around; every wake-up that matters comes by itself.
const FOREVER: Duration = Duration::from_secs(3600);

/// From where a job goes on.
pub(crate) struct Beginning {
    pub from: (u64, Position),
    /// What it has at the start.
    pub generations: Option<Vec<Generation>>,
    /// What takes its state outside the process, and what of the generations is not there yet.
    pub keeper: Option<(Keeper, Changes)>,
}

/// A job's threads: `speed-0` .. are the workers; `speed-merge` merges large runs; `speed-tail` wakes several workers together, one for each topic; `speed-checkpoint` puts
/// the state at rest, `speed-keep` takes it to a store that is written at intervals.
pub(crate) struct Threads {
    control: Arc<Control>,
    workers: WorkerGuards<()>,
    behind: Option<Arc<Behind>>,
    helpers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Of a feed, which has no generations: it begins anywhere in the log.
    pub fn of_feed(
        topic: &Topic,
        flow: FeedFlow,
        beginning: Beginning,
        to: Option<Position>,
        options: &SpeedOptions,
    ) -> Result<Threads, SpeedError> {
        let query = Arc::new(flow.query().clone());
        Self::of(&Input::of(topic), query, Middle::Feed(flow), beginning, (to, None), options, Arc::new(|_| {}))
    }

    /// Starts them: up to a position, or to follow the tail; nothing is published before where it recovers to.
    pub fn of(
        input: &Input,
        query: Arc<Query>,
        middle: Middle,
        beginning: Beginning,
        (to, recovering_to): (Option<Position>, Option<Position>),
        options: &SpeedOptions,
        publish: Publish,
    ) -> Result<Threads, SpeedError> {
        let Beginning { from, generations, keeper } = beginning;
        let topic = input.first();
        // The numbers of barriers are a topic's own: what reads several does not tell generations apart.
        let barriers = if input.topics().len() == 1 { topic.barriers()? } else { Vec::new() };
        let nothing = || vec![Generation::of(from.0, (from.1.clone(), from.1.clone()), Vec::new())];
        let at_start = generations.clone().unwrap_or_else(nothing);
        let view = |generations| RealtimeView { generations, published_us: options.clock.now_us(), error: None };
        // Rows are computed of their base first: until then there are none.
        let none_yet = |g: &Generation| vec![Generation::of(g.number, (g.lower.clone(), g.lower.clone()), Vec::new())];
        let keeps_base = middle.keeps_base();
        let shown = view(if keeps_base { none_yet(&at_start[0]) } else { at_start.clone() });
        let (tails, clock) = (input.tails()?, Arc::clone(&options.clock));
        let control = Arc::new(Control::new(tails, clock, publish, shown, recovering_to, options.workers));
        if keeps_base {
            control.set_base(view(at_start));
        }
        let (merges, tasks) = channel();
        let mut helpers = Vec::new();
        let follows = to.is_none();
        if middle.adds_runs(follows) {
            let control = Arc::clone(&control);
            helpers.push(spawn("merge", move || merge_runs_off_thread(tasks, &control))?);
        }
        if follows && (options.workers > 1 || input.topics().len() > 1) {
            for topic in 0..input.topics().len() {
                let (control, interval) = (Arc::clone(&control), options.publish_interval);
                helpers.push(spawn("tail", move || wake_workers(&control, topic, interval))?);
            }
        }
        let (mut keeping, mut behind, mut writes) = (Keeping::No, None, None);
        if let Some((keeper, changes)) = keeper {
            let writer = match keeper.pace() {
                None => {
                    keeping = Keeping::Also;
                    Writes::Through(Box::new(keeper))
                }
                Some(pace) => {
                    keeping = Keeping::InStead { records_at_once: Behind::records_at_once(pace) };
                    let writer = Arc::new(Behind::new(&keeper, pace, merges.clone()));
                    helpers.push(write_behind(&writer, keeper, topic, &middle, &control)?);
                    behind = Some(Arc::clone(&writer));
                    Writes::Behind(writer)
                }
            };
            writes = Some((writer, changes));
        }
        let wiring = Wiring {
            input: input.clone(),
            query,
            middle,
            from,
            to,
            generations,
            barriers,
            control: Arc::clone(&control),
            merges,
            keeping,
            writes: Mutex::new(writes),
            max_records_per_s: options.max_records_per_s,
        };
        match spawn_workers(wiring, options) {
            Ok(workers) => Ok(Threads { control, workers, behind, helpers }),
            Err(error) => {
                control.stop();
                if let Some(behind) = behind {
                    behind.close(true);
                }
                helpers.into_iter().for_each(|h| drop(h.join()));
                Err(error)
            }
        }
    }

    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Writes what waits to be written to a store, and waits for it.
    ///
    /// # Errors
    /// What stopped the job.
    pub fn write_now(&self) -> Result<(), SpeedError> {
        self.behind.as_ref().map_or(Ok(()), |behind| behind.write_now(&self.control))
    }

    /// Takes a checkpoint every `interval`, each after `first` was done.
    pub fn take_checkpoints(
        &mut self,
        store: &Arc<CheckpointStore>,
        input: &Input,
        interval: Duration,
        holds: Vec<Hold>,
        first: impl Fn(&RealtimeView) -> Result<bool, SpeedError> + Send + 'static,
    ) -> Result<(), SpeedError> {
        let (control, store, input) = (self.control(), Arc::clone(store), input.clone());
        self.helpers.push(spawn("checkpoint", move || take_in_turn(&control, &store, &input, interval, holds, first))?);
        Ok(())
    }

    /// Waits for their end.
    ///
    /// # Errors
    /// What stopped the job.
    pub fn join(self) -> Result<(), SpeedError> {
        // The workers catch their own panics and report them as failures.
        self.workers.join().into_iter().for_each(drop);
        // Then there is no more to write.
        if let Some(behind) = self.behind {
            // Whoever panicked may have left half of something.
            behind.close(!matches!(self.control.failure(), Some(SpeedError::Panicked { .. })));
        }
        // All before any: they may wait for each other.
        self.helpers.iter().for_each(|helper| helper.thread().unpark());
        for helper in self.helpers {
            if let Err(panic) = helper.join() {
                self.control.fail(SpeedError::Panicked { message: message(&*panic) });
            }
        }
        self.control.failure().map_or(Ok(()), Err)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SpeedError> {
    meters::spawn(Layer::Speed, name, body).map_err(|e| SpeedError::Workers { reason: e.to_string() })
}

/// Writes the state behind the dataflow. (A state that outlived a feed's output would be a hole in it.)
fn write_behind(
    behind: &Arc<Behind>,
    keeper: Keeper,
    topic: &Topic,
    middle: &Middle,
    control: &Arc<Control>,
) -> Result<JoinHandle<()>, SpeedError> {
    let (behind, topic, control) = (Arc::clone(behind), topic.clone(), Arc::clone(control));
    let feed = if let Middle::Feed(flow) = middle { Some(Arc::clone(&flow.state)) } else { None };
    let first = move || feed.as_ref().map_or(Ok(()), |state| Ok(state.sink.sync()?));
    spawn("keep", move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| behind.write(keeper, &topic, &control, first))) {
            control.fail(SpeedError::Panicked { message: message(&*panic) });
        }
    })
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
    if wiring.to.is_none() && worker.peers() == 1 && wiring.input.topics().len() == 1 {
        // Nobody but the log can wake it, so it waits for the log itself.
        follow(control, control.tails.of(0), interval, || {
            while !control.stopped() && probe.less_than(&control.epoch()) {
                worker.step();
            }
        });
    } else {
        let tells = wiring.to.is_none() && worker.index() == 0;
        let mut through = 0;
        while !control.stopped() && worker.has_dataflows() {
            worker.step_or_park(None);
            let epoch = control.epoch();
            if tells && through < epoch && !probe.less_than(&epoch) {
                through = epoch;
                control.set_through(epoch);
            }
        }
    }
    Ok(())
}

/// Beside several workers or topics: wakes the workers together when a topic has grown, and not before they are through with what they were woken for: epochs cost what they cost however few records are in them, and where
/// processors are short, those that were asked for every interval would be waited for by all that come after.
fn wake_workers(control: &Control, topic: usize, interval: Duration) {
    follow(control, control.tails.of(topic), interval, || control.wait_through());
}

/// Starts an epoch whenever the topic has grown, but not before `interval` has passed since the last, and then does `work`.
fn follow(control: &Control, tail: &Tail, interval: Duration, mut work: impl FnMut()) {
    while !control.stopped() {
        let turn = control.turn();
        let started = Instant::now();
        let seen = tail.sequence();
        control.tick_for_more();
        control.wake_sources();
        work();
        while !control.stopped()
            && let Some(left) = interval.checked_sub(started.elapsed())
            && !left.is_zero()
        {
            std::thread::park_timeout(left);
        }
        drop(turn);
        if !control.stopped() {
            tail.wait(seen, FOREVER);
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
