//! A system whose process is killed at a moment and started anew at once, over what is left: the log. Or one of its layers' processes is, which
//! the system itself starts anew.
//!
//! Whoever asks meanwhile waits: an answer that comes late is late in the figures, since clients count from the time at which they were to
//! ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use twopath_base::meters::{self, Layer};
use twopath_base::sync::lock;
use twopath_query::Value;
use twopath_results::result::Happening;

use super::process::Process;
use super::timeline::{Readable, Record, Span, Timeline};
use super::{Answered, Costs, Killed, System, SystemError, SystemProgress};

/// How soon a client whose question died with the process asks again.
const ASK_AGAIN: Duration = Duration::from_millis(1);

/// Starts the process, the first time and again.
pub type StartProcess = Box<dyn Fn() -> Result<Process, SystemError> + Send + Sync>;

/// See the module.
pub struct Restarted {
    shared: Arc<Shared>,
    timer: Option<thread::JoinHandle<()>>,
}

struct Shared {
    start: StartProcess,
    timeline: Timeline,
    now: RwLock<Process>,
    killed: AtomicBool,
    /// Set once nobody needs the timer any more.
    ended: (Mutex<bool>, Condvar),
    before: Mutex<Before>,
}

/// What is known of the process that was killed.
#[derive(Default)]
struct Before {
    /// What it used.
    costs: Costs,
    /// What its answers covered, and when they were read: its own record died with it.
    readable: Vec<Readable>,
    /// From the kill until the next process served.
    restart: Option<Span>,
    /// Why there is no next process.
    failure: Option<String>,
}

impl Restarted {
    /// Starts the process, and kills it, or a layer's, `after` it began to serve.
    ///
    /// # Errors
    /// The process does not start.
    pub fn start(start: StartProcess, timeline: Timeline, (what, after): (Killed, Duration)) -> Result<Self, SystemError> {
        let now = RwLock::new(start()?);
        let shared = Arc::new(Shared {
            start,
            timeline,
            now,
            killed: AtomicBool::new(false),
            ended: (Mutex::new(false), Condvar::new()),
            before: Mutex::default(),
        });
        let timer = meters::spawn(Layer::Load, "killer", {
            let shared = shared.clone();
            move || {
                if shared.wait(after) {
                    match what {
                        Killed::System => shared.kill_and_start(),
                        // One that could not be killed leaves no mark, by which it is known.
                        layer => drop(shared.now().kill(layer)),
                    }
                    // The process ends with the thread that started it.
                    shared.wait(Duration::MAX);
                }
            }
        });
        Ok(Restarted { timer: Some(timer.map_err(SystemError::Thread)?), shared })
    }
}

impl Shared {
    /// False where it was ended before.
    fn wait(&self, after: Duration) -> bool {
        let (ended, changed) = &self.ended;
        let ended = lock(ended);
        let waited = changed.wait_timeout_while(ended, after, |ended| !*ended).unwrap_or_else(PoisonError::into_inner);
        !*waited.0
    }

    fn kill_and_start(&self) {
        let costs = self.now().costs().unwrap_or_default();
        self.killed.store(true, Ordering::SeqCst);
        let killed_us = self.timeline.now_us();
        self.now().end();
        // Questions that are under way come back with an error and let go of the process.
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let started = (self.start)();
        let mut before = lock(&self.before);
        before.costs = costs;
        before.restart = Some(Span { what: Happening::Restart, from_us: killed_us, to_us: Some(self.timeline.now_us()) });
        match started {
            Ok(next) => *now = next,
            Err(e) => before.failure = Some(e.to_string()),
        }
    }

    fn now(&self) -> RwLockReadGuard<'_, Process> {
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the process; again with the next one, where this one was killed meanwhile.
    fn with<T>(&self, work: impl Fn(&Process) -> Result<T, SystemError>) -> Result<T, SystemError> {
        loop {
            let killed = self.killed.load(Ordering::SeqCst);
            let done = work(&self.now());
            match done {
                Err(_) if !killed && self.killed.load(Ordering::SeqCst) => thread::sleep(ASK_AGAIN),
                Err(_) if killed && self.restarting() => thread::sleep(ASK_AGAIN),
                Err(error) => return Err(self.failure().unwrap_or(error)),
                done => return done,
            }
        }
    }

    /// Killed, and the next process has not been heard of.
    fn restarting(&self) -> bool {
        lock(&self.before).restart.is_none()
    }

    fn failure(&self) -> Option<SystemError> {
        lock(&self.before).failure.clone().map(SystemError::Remote)
    }
}

impl System for Restarted {
    fn deploy(&self, version: u32) -> Result<(), SystemError> {
        self.shared.now().deploy(version)
    }

    fn ask(&self, key: Option<&[Value]>) -> Result<Answered, SystemError> {
        let shared = &self.shared;
        let answer = shared.with(|process| process.ask(key))?;
        let mut before = lock(&shared.before);
        if before.restart.is_none() {
            let position = before.readable.last().map_or_else(|| answer.position.clone(), |last| last.position.join(&answer.position));
            if before.readable.last().is_none_or(|last| last.position != position) {
                before.readable.push(Readable { at_us: shared.timeline.now_us(), position });
            }
        }
        Ok(answer)
    }

    fn progress(&self) -> Result<SystemProgress, SystemError> {
        self.shared.with(System::progress)
    }

    fn costs(&self) -> Result<Costs, SystemError> {
        let now = self.shared.with(System::costs)?;
        let before = lock(&self.shared.before);
        if before.restart.is_none() {
            return Ok(now);
        }
        let mut cpu_s = before.costs.cpu_s.clone();
        now.cpu_s.iter().for_each(|(layer, seconds)| *cpu_s.entry(layer.clone()).or_default() += seconds);
        Ok(Costs {
            cpu_s,
            bytes_written: before.costs.bytes_written + now.bytes_written,
            bytes_read: before.costs.bytes_read + now.bytes_read,
            rss_bytes_max: before.costs.rss_bytes_max.max(now.rss_bytes_max),
            ..now
        })
    }

    fn kill(&self, layer: Killed) -> Result<(), SystemError> {
        self.shared.now().kill(layer)
    }

    fn stop(&self) -> Result<Record, SystemError> {
        let after = self.shared.with(System::stop)?;
        let before = lock(&self.shared.before);
        let Some(restart) = &before.restart else { return Ok(after) };
        let mut readable = before.readable.clone();
        for next in after.readable {
            let position = readable.last().map_or_else(|| next.position.clone(), |last| last.position.join(&next.position));
            if readable.last().is_none_or(|last| last.position != position) {
                readable.push(Readable { at_us: next.at_us, position });
            }
        }
        let marks = [restart.clone()].into_iter().chain(after.marks).collect();
        Ok(Record { readable, marks })
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        let (ended, changed) = &self.shared.ended;
        *lock(ended) = true;
        changed.notify_all();
        if let Some(timer) = self.timer.take() {
            // A panic of it was told on standard error.
            let _ = timer.join();
        }
    }
}
