//! The steady phase: events arrive, answers are read, and half-way the fix is deployed, all at once.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use twopath_base::meters::{self, Layer};

use super::RunError;
use super::load::{Append, Schedule, append_on_schedule};
use super::probe::{Questions, ask_on_schedule};
use super::recording::{Recorded, Spill};
use super::reporter::Reporter;
use super::spec::Phase;
use crate::systems::timeline::Timeline;
use crate::systems::{Costs, System, SystemError};
use twopath_log::{Topic, TopicWriter};
use twopath_results::result::Happening;

/// How often storage is looked at, and everything else that changes.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The version that corrects the other.
const FIX: u32 = 2;
/// How often the meters look for threads that may end.
const METER_EVERY: Duration = Duration::from_millis(100);

/// What is to happen.
pub struct SteadyPlan<'a> {
    pub schedule: Schedule,
    /// The schedule's events.
    pub events: &'a RecordBatch,
    /// Asked by clients of their own, side by side.
    pub questions: Vec<Questions>,
    /// When the fix is deployed, on the timeline; none where it is not.
    pub deploy_us: Option<u64>,
    /// That the system runs in.
    pub process: u32,
    /// After everything is covered and the fix is complete, answers are read for this long at least: until each client has one that it began to read then.
    pub settle: Duration,
    /// How long after the schedule's end and the fix's completion events may take to be covered.
    pub grace: Duration,
}

/// What happened.
pub struct Steady {
    pub appends: Vec<Append>,
    /// By the time they were read.
    pub answers: Vec<Recorded>,
    /// On the timeline: when the fix was deployed, and when version 1 was gone.
    pub deployed_us: u64,
    pub fixed_us: u64,
    /// What had been used at these times.
    pub costs_deployed: Costs,
    pub costs_fixed: Costs,
    /// When storage was looked at, and how many bytes it was.
    pub storage: Vec<(u64, u64)>,
    /// At the same times: the CPU seconds that the system's process had used.
    pub cpu: Vec<(u64, f64)>,
    pub extra_storage_bytes_max: u64,
    /// When everything was covered, or waiting for it ended.
    pub end_us: u64,
}

/// Runs the plan to its end over a topic whose writer is `writer`; answers go to files beside `out`. An error of any thread ends it early.
pub fn steady(
    (topic, writer): (&Topic, &TopicWriter),
    system: &dyn System,
    timeline: &Timeline,
    plan: &SteadyPlan,
    out: &Path,
    costs: &dyn Fn() -> Result<Costs, RunError>,
    reporter: &mut Reporter,
) -> Result<Steady, RunError> {
    let stop = &AtomicBool::new(false);
    let begun_us: Vec<AtomicU64> = plan.questions.iter().map(|_| AtomicU64::new(0)).collect();
    scope(|threads| {
        // Whatever ends this function early must end the threads, for which the scope waits.
        let _stopped_at_last = SetOnDrop(stop);
        let generator = load_thread(threads, "gen", || append_on_schedule(writer, plan.events, &plan.schedule, timeline, stop))?;
        let mut clients = Vec::new();
        // Nobody asks where there is nothing to ask: a client that ends is taken for one that failed.
        let asked = plan.questions.iter().filter(|q| q.rate > 0.0 && !q.keys.is_empty());
        for ((i, questions), begun_us) in asked.enumerate().zip(&begun_us) {
            let spill = Spill::create(out, i as u32)?;
            let ask = move || ask_on_schedule(system, questions, spill, timeline, (stop, begun_us));
            clients.push(load_thread(threads, &format!("client-{i}"), ask)?);
        }
        let begun_us = &begun_us[..clients.len()];

        let mut storage = Storage::default();
        let mut cpu = Vec::new();
        let mut deployment: Option<ScopedJoinHandle<Result<(), SystemError>>> = None;
        let mut deployed_us = None;
        let mut fixed_us = None;
        let (mut costs_deployed, mut costs_fixed) = (Costs::default(), Costs::default());
        let mut metered = Instant::now();
        let (mut complete_since, mut waiting_since) = (None::<(Instant, u64)>, None::<Instant>);
        let end_us = loop {
            std::thread::sleep(LOOK_EVERY);
            let now_us = timeline.now_us();
            let elapsed = now_us.saturating_sub(plan.schedule.start_us) as f64;
            let share = elapsed / (plan.schedule.end_us() - plan.schedule.start_us).max(1) as f64;
            let progress = system.progress()?;
            reporter.report_with(if deployed_us.is_some() { Phase::Fix } else { Phase::Steady }, share, progress.catch_up);
            if metered.elapsed() > METER_EVERY {
                meters::cpu();
                metered = Instant::now();
                storage.seen.push((now_us, progress.storage_bytes));
                cpu.extend(meters::cpu_of(plan.process).map(|seconds| (now_us, seconds)));
            }

            if deployed_us.is_none() && plan.deploy_us.is_some_and(|at_us| now_us >= at_us) {
                storage.before = progress.storage_bytes;
                costs_deployed = costs()?;
                deployed_us = Some(timeline.now_us());
                deployment = Some(load_thread(threads, "deploy", || {
                    let from_us = timeline.now_us();
                    let done = system.deploy(FIX);
                    timeline.mark_since(from_us, Happening::Deploy { version: FIX });
                    done
                })?);
            }
            let fixing = deployment.as_ref().is_some_and(|d| !d.is_finished());
            if fixing {
                storage.look(progress.storage_bytes);
            } else if let Some(done) = deployment.take() {
                storage.look(progress.storage_bytes);
                join(done)??;
                (fixed_us, costs_fixed) = (Some(now_us), costs()?);
            }
            let failed_early = clients.iter().any(ScopedJoinHandle::is_finished);
            if failed_early {
                break now_us;
            }
            let deploys = deployed_us.is_none() && plan.deploy_us.is_some();
            if !generator.is_finished() || fixing || deploys {
                continue;
            }
            let waiting = waiting_since.get_or_insert_with(Instant::now);
            let end = topic.end()?;
            let covered = progress.position.is_some_and(|p| p.covers(&end));
            if covered || waiting.elapsed() > plan.grace {
                let (since, complete_us) = *complete_since.get_or_insert_with(|| (Instant::now(), timeline.now_us()));
                // An answer of everything may take longer than there is to settle; one that was asked for before is of before.
                let read = begun_us.iter().all(|begun_us| begun_us.load(Ordering::Relaxed) >= complete_us);
                if since.elapsed() >= plan.settle && (read || since.elapsed() >= plan.settle + plan.grace) {
                    break complete_us;
                }
            }
        };
        stop.store(true, Ordering::Relaxed);
        if deployed_us.is_none() {
            costs_deployed = costs()?;
            costs_fixed = costs_deployed.clone();
        }

        let mut answers = Vec::new();
        for client in clients {
            answers.extend(join(client)??);
        }
        answers.sort_by_key(|a: &Recorded| a.read_us);
        Ok(Steady {
            appends: join(generator)??,
            answers,
            deployed_us: deployed_us.unwrap_or(end_us),
            fixed_us: fixed_us.unwrap_or(end_us),
            costs_deployed,
            costs_fixed,
            extra_storage_bytes_max: storage.most.saturating_sub(storage.before),
            storage: storage.seen,
            cpu,
            end_us,
        })
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn load_thread<'scope, T: Send + 'scope>(
    threads: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, RunError> {
    let counted = move || {
        let _to_the_last = meters::adopt(Layer::Load);
        work()
    };
    Builder::new().name(format!("load-{name}")).spawn_scoped(threads, counted).map_err(RunError::Thread)
}

fn join<T>(thread: ScopedJoinHandle<T>) -> Result<T, RunError> {
    thread.join().map_err(|_| RunError::Panicked)
}

#[derive(Default)]
struct Storage {
    before: u64,
    most: u64,
    /// When it was looked at, and how much there was.
    seen: Vec<(u64, u64)>,
}

impl Storage {
    fn look(&mut self, bytes: u64) {
        self.most = self.most.max(bytes);
    }
}
