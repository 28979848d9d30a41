//! The process with the job, which is killed: from its parent's side, and what it does.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_base::clock::{Clock, SystemClock};
use twopath_base::meters;
use twopath_log::Log;
use twopath_query::{Query, Value, parse, values};
use twopath_speed::{Backend, Engine, Logic, SpeedError, SpeedOptions, Standby, StoreCosts, start};
use twopath_view::{GroupTable, RealtimeView, Selection, answer, tables_for};

use super::{PATIENCE, SQL, StateError, TOPIC, state_place};
use crate::systems::{Keeping, StateBackend};

/// How often a process that stands by follows the changelog, and looks whether the other one is gone.
const FOLLOW_EVERY: Duration = Duration::from_millis(2);

/// What the process tells, a line each.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// Standing by, it has the state up to there.
    StandsBy(Position),
    /// Where it went on from.
    Started(Option<Position>),
    /// A view is published: when (microseconds since 1970), and up to where.
    Published(i64, Position),
    /// What it answers, because it was asked.
    Answer(Position, Vec<Vec<Value>>),
    /// What it has published is at rest, because it was asked for.
    AtRest,
    /// What it has cost until then, because it was asked.
    Costs(Costs),
}

/// What a process has cost.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Costs {
    pub store: StoreCosts,
    /// Its own, without files that are mapped.
    pub memory_bytes: u64,
    pub checkpoints: u64,
    pub checkpoint_bytes: u64,
    /// Of the last one.
    pub checkpoint_ms: f64,
}

/// How a process is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Owner,
    /// It waits for the owner's end.
    Standby,
}

/// The process, and what it has told.
pub(super) struct Process {
    child: Child,
    told: Receiver<Told>,
    is_started: bool,
    /// Where it went on from, once it is started.
    pub started_at: Option<Position>,
    /// Up to where it has the state while it stands by.
    stands_by: Option<Position>,
    /// When up to where; the oldest first.
    published: VecDeque<(i64, Position)>,
    answer: Option<Answer>,
    is_at_rest: bool,
    costs: Option<Costs>,
}

/// A position, and the rows there.
pub(super) type Answer = (Position, Vec<Vec<Value>>);

impl Process {
    /// Starts one over the topic in `dir`.
    pub fn start(
        mut program: Command,
        dir: &Path,
        backend: &StateBackend,
        checkpoint_interval: Duration,
        role: Role,
    ) -> io::Result<Process> {
        let interval = format!("{}us", checkpoint_interval.as_micros());
        program.args(["run", "state", "--child"]).arg(dir);
        program.args(["--backend", &backend.to_string(), "--checkpoint-interval", &interval]);
        program.args((role == Role::Standby).then_some("--stands-by"));
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        let (tell, told) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // A line that the kill cut is none.
                let Ok(line) = serde_json::from_str(&line) else { return };
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let published = VecDeque::new();
        Ok(Process {
            child,
            told,
            is_started: false,
            started_at: None,
            stands_by: None,
            published,
            answer: None,
            is_at_rest: false,
            costs: None,
        })
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::StandsBy(position) => self.stands_by = Some(position),
            Told::Started(at) => (self.is_started, self.started_at) = (true, at),
            Told::Published(at, position) => self.published.push_back((at, position)),
            Told::Answer(position, rows) => self.answer = Some((position, rows)),
            Told::AtRest => self.is_at_rest = true,
            Told::Costs(costs) => self.costs = Some(costs),
        }
    }

    /// Hears what there is to hear.
    pub fn take_told(&mut self) -> Result<(), StateError> {
        while let Ok(told) = self.told.try_recv() {
            self.take(told);
        }
        match self.child.try_wait()? {
            Some(status) => Err(StateError::Silent(status.to_string())),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Result<(), StateError> {
        let told = self.told.recv_timeout(PATIENCE).map_err(|e| StateError::Silent(e.to_string()))?;
        self.take(told);
        Ok(())
    }

    /// Waits for a view that covers a position.
    pub fn wait_for(&mut self, position: &Position) -> Result<(), StateError> {
        while !self.is_started || !self.published.back().is_some_and(|(_, at)| at.covers(position)) {
            self.next()?;
        }
        Ok(())
    }

    /// Waits until one that stands by has the state up to a position.
    pub fn wait_to_stand_by(&mut self, position: &Position) -> Result<(), StateError> {
        while !self.stands_by.as_ref().is_some_and(|at| at.covers(position)) {
            self.next()?;
        }
        Ok(())
    }

    /// Asks for an answer.
    pub fn ask(&mut self) -> Result<Answer, StateError> {
        self.write(b"answer\n")?;
        loop {
            if let Some(answer) = self.answer.take() {
                return Ok(answer);
            }
            self.next()?;
        }
    }

    /// Asks for what it has published to be at rest, and waits for that.
    pub fn put_at_rest(&mut self) -> Result<(), StateError> {
        self.is_at_rest = false;
        self.write(b"rest\n")?;
        while !self.is_at_rest {
            self.next()?;
        }
        Ok(())
    }

    /// Asks for what it has cost.
    pub fn ask_costs(&mut self) -> Result<Costs, StateError> {
        self.write(b"costs\n")?;
        loop {
            if let Some(costs) = self.costs.take() {
                return Ok(costs);
            }
            self.next()?;
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.child.stdin.as_mut().ok_or_else(|| io::Error::other("it has no input"))?.write_all(line)
    }

    /// Finds for each append the first publication that covers it.
    pub fn settle(&mut self, appended: &mut VecDeque<(i64, Position)>, late_us: &mut Vec<f64>) {
        while let (Some((at, position)), Some((published, up_to))) = (appended.front(), self.published.front()) {
            if up_to.covers(position) {
                late_us.push((published - at).max(0) as f64);
                appended.pop_front();
            } else if self.published.len() > 1 {
                self.published.pop_front();
            } else {
                return;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.kill();
    }
}

/// The process that is killed: a job over the topic in `dir`, whose publications it tells on standard output.
///
/// # Errors
/// The job does not start, or fails.
pub fn child(dir: &Path, backend: &StateBackend, checkpoint_interval: Duration, stands_by: bool) -> Result<(), StateError> {
    let log = Log::open(&dir.join("log"))?;
    let topic = log.topic(TOPIC)?;
    let query = Arc::new(parse(SQL, TOPIC, topic.schema())?);
    let backend = backend.at(&state_place(dir, &log), Keeping::Owns { checkpoint_interval });
    let backend = if stands_by { taken_over(backend, &query)? } else { backend };
    let options = SpeedOptions { backend, ..SpeedOptions::default() };
    let publish = |view: Arc<RealtimeView>| tell(&Told::Published(view.published_us, view.position().clone()));
    let from = (0, topic.start()?);
    let job = start(&topic, Arc::clone(&query), Logic::Sql, Engine::Timely, from, options, Arc::new(publish))?;
    tell(&Told::Started(job.recovery().checkpoint.as_ref().map(|checkpoint| checkpoint.position().clone())));
    for line in io::stdin().lines() {
        let line = line?;
        if line == "rest" {
            job.take_checkpoint()?;
            tell(&Told::AtRest);
            continue;
        }
        if line == "costs" {
            let checkpoints = job.checkpoint_stats();
            tell(&Told::Costs(Costs {
                store: job.store_costs(),
                memory_bytes: meters::rss_anon_bytes(),
                checkpoints: checkpoints.taken,
                checkpoint_bytes: checkpoints.bytes_written,
                checkpoint_ms: checkpoints.last.as_secs_f64() * 1e3,
            }));
            continue;
        }
        let (view, selection) = (job.view(), Selection::default());
        let tables = tables_for(&view.generations, &query, &selection, true).map_err(SpeedError::from)?;
        let parts: Vec<&GroupTable> = tables.iter().map(|table| &**table).collect();
        let rows = answer(&query, &parts, &selection).and_then(|rows| values::rows(&rows)).unwrap_or_default();
        tell(&Told::Answer(view.position().clone(), rows));
    }
    Ok(job.stop()?)
}

/// Stands by until the owner is gone.
fn taken_over(backend: Backend, query: &Query) -> Result<Backend, StateError> {
    let Backend::Local(local) = backend else { return Err(StateError::Silent("only a local state is stood by".into())) };
    let told = |position: &Position| tell(&Told::StandsBy(position.clone()));
    Ok(Backend::Local(Standby::beside(&local, query)?.wait(FOLLOW_EVERY, told)?))
}

/// One line, whole: the standard output is locked for it.
fn tell(told: &Told) {
    let mut line = serde_json::to_string(told).expect("numbers and texts are JSON");
    line.push('\n');
    let mut out = io::stdout().lock();
    // Nobody listens to a process that is to be killed.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// Microseconds since 1970, as views have it.
pub(super) fn now_us() -> i64 {
    SystemClock.now_us()
}
