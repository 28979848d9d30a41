//! The speed layer in a process of its own, from the side of the serving layer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use twopath_base::meters::{self, Layer};
use twopath_log::Barrier;
use twopath_results::result::Happening;
use twopath_speed::Publish;
use twopath_view::{Generation, GroupTable, KeptError, RealtimeView};

use super::super::wiring::{From, VersionLogic};
use super::process::Slot;
use super::{Apart, FromLayer, GenerationSent, RunSent, ToSpeed, Work, lock};
use crate::systems::protocol::Connection;
use crate::systems::timeline::Timeline;
use crate::systems::{Killed, Rows, SystemError};

/// The process, and who starts it again. Dropping it ends it.
pub(in crate::systems) struct SpeedProcess {
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
}

struct Shared {
    apart: Arc<Apart>,
    version: u32,
    logic: VersionLogic,
    publish: Publish,
    timeline: Arc<Timeline>,
    slot: Arc<Slot>,
    now: Mutex<Now>,
}

struct Now {
    /// Where the next process begins to read, unless it has a checkpoint.
    from: From,
    /// To the process that there is.
    to: Option<Connection>,
    /// As published last.
    view: Option<Arc<RealtimeView>>,
    failure: Option<String>,
    stopping: bool,
}

impl SpeedProcess {
    /// Starts the process; each of its views goes to `publish`, none that would set readers back.
    pub fn start(
        apart: &Arc<Apart>,
        (version, logic): (u32, VersionLogic),
        from: From,
        publish: Publish,
        timeline: &Arc<Timeline>,
    ) -> Result<Self, SystemError> {
        let slot = Arc::new(Slot::default());
        *lock(&apart.speed) = Some(slot.clone());
        let now = Now { from, to: None, view: None, failure: None, stopping: false };
        let shared = Shared { apart: apart.clone(), version, logic, publish, timeline: timeline.clone(), slot, now: Mutex::new(now) };
        let shared = Arc::new(shared);
        let supervise = {
            let shared = shared.clone();
            move || {
                if let Err(problem) = shared.supervise() {
                    lock(&shared.now).failure = Some(problem);
                }
            }
        };
        let supervisor = meters::spawn(Layer::Serving, "speed", supervise).map_err(SystemError::Thread)?;
        Ok(SpeedProcess { shared, supervisor: Some(supervisor) })
    }

    /// # Errors
    /// It has stopped by itself.
    pub fn check(&self) -> Result<(), SystemError> {
        lock(&self.shared.now).failure.clone().map_or(Ok(()), |problem| Err(SystemError::Remote(problem)))
    }

    /// The last view that was published; none before the first.
    pub fn view(&self) -> Option<Arc<RealtimeView>> {
        lock(&self.shared.now).view.clone()
    }

    /// Lets go of what a batch view up to the barrier covers. A next process begins there.
    pub fn drop_generations_below(&self, barrier: &Barrier) {
        let mut now = lock(&self.shared.now);
        now.from = (barrier.number, barrier.position.clone());
        if let Some(to) = &mut now.to {
            // A process that is gone has nothing to let go of.
            let _ = to.send(&ToSpeed::DropGenerationsBelow(barrier.number), &[]);
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// What had stopped it before.
    pub fn stop(mut self) -> Result<(), SystemError> {
        self.end();
        self.check()
    }

    fn end(&mut self) {
        lock(&self.shared.now).stopping = true;
        self.shared.slot.kill(&self.shared.timeline);
        if let Some(supervisor) = self.supervisor.take() {
            // A panic of it was told on standard error.
            let _ = supervisor.join();
        }
    }
}

impl Drop for SpeedProcess {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Starts the process again and again, until it is to stop or ends by itself.
    fn supervise(&self) -> Result<(), String> {
        let mut killed_us = None;
        loop {
            let from = lock(&self.now).from.clone();
            let (child, mut connection) = self.apart.start(&Work::Speed { version: self.version, from }).map_err(|e| e.to_string())?;
            let process = child.id();
            self.slot.fill(child);
            lock(&self.now).to = Some(connection.again().map_err(|e| e.to_string())?);
            if lock(&self.now).stopping {
                self.slot.kill(&self.timeline);
            }
            let failure = self.listen(process, &mut connection, &mut killed_us);
            lock(&self.now).to = None;
            if let Some(problem) = failure {
                // One that goes on though its views are of no use is waited for by nobody.
                self.slot.kill(&self.timeline);
                let _ = self.slot.ended();
                return Err(problem);
            }
            let (status, killed_now) = self.slot.ended().map_err(|e| e.to_string())?;
            if lock(&self.now).stopping {
                return Ok(());
            }
            killed_us = killed_now;
            if killed_us.is_none() {
                return Err(format!("the speed layer's process ended by itself: {status}"));
            }
        }
    }

    /// Takes views until there are no more; then, what the process says was wrong.
    fn listen(&self, process: u32, connection: &mut Connection, killed_us: &mut Option<u64>) -> Option<String> {
        let mut runs = BTreeMap::new();
        loop {
            match connection.receive::<FromLayer>() {
                Ok(Some((FromLayer::View { generations, new, published_us, costs }, body))) => {
                    self.apart.used(process, Killed::Speed, costs);
                    let view = match self.view_of(generations, &new, &body, &mut runs) {
                        Ok(generations) => Arc::new(RealtimeView { generations, published_us, error: None }),
                        Err(problem) => return Some(problem),
                    };
                    // One that was started again begins behind what readers have.
                    let before = lock(&self.now).view.clone();
                    if before.is_none_or(|before| view.position().covers(before.position())) {
                        (self.publish)(view.clone());
                        lock(&self.now).view = Some(view);
                        if let Some(killed_us) = killed_us.take() {
                            self.timeline.mark_since(killed_us, Happening::Restart);
                        }
                    }
                }
                Ok(Some((FromLayer::Failed(problem), _))) => return Some(problem),
                Ok(Some((FromLayer::Done { .. }, _))) | Ok(None) | Err(_) => return None,
            }
        }
    }

    /// A view's generations from the runs that are there and those that have come; runs that it has not are let go of.
    fn view_of(
        &self,
        generations: Vec<GenerationSent>,
        new: &[RunSent],
        body: &[u8],
        runs: &mut BTreeMap<u64, Arc<GroupTable>>,
    ) -> Result<Vec<Generation>, String> {
        let mut rest = body;
        for run in new {
            let (bytes, after) = rest.split_at_checked(run.bytes).ok_or("a view was cut short")?;
            rest = after;
            let batch = Rows::from_bytes(bytes.to_vec()).batch().map_err(|e| e.to_string())?;
            runs.insert(run.number, Arc::new(self.logic.read_groups(&batch)?));
        }
        let mut kept = BTreeMap::new();
        let mut given = vec![];
        for GenerationSent { number, lower, upper, runs: numbers } in generations {
            let mut tables = vec![];
            for of in numbers {
                let table = runs.get(&of).ok_or("a view names a run that never came")?.clone();
                kept.insert(of, table.clone());
                tables.push(table);
            }
            given.push(Generation::of(number, (lower, upper), tables));
        }
        *runs = kept;
        Ok(given)
    }
}

/// A view's header less the costs, and its body.
type Encoded = (Vec<GenerationSent>, Vec<RunSent>, Vec<u8>);

/// What of the speed layer's views has been sent, from the side of its process.
#[derive(Default)]
pub(in crate::systems) struct Views {
    next: u64,
    /// With their numbers; held, so that no other run has their address.
    sent: Vec<(u64, Arc<GroupTable>)>,
}

impl Views {
    /// A view's header less the costs, and its body.
    ///
    /// # Errors
    /// What of the view is not in memory cannot be read: all of it is sent each time.
    pub fn encode(&mut self, view: &RealtimeView) -> Result<Encoded, KeptError> {
        let (mut new, mut body, mut kept) = (vec![], vec![], vec![]);
        let mut number_of = |table: &Arc<GroupTable>| {
            let known = self.sent.iter().find(|(_, sent)| Arc::ptr_eq(sent, table)).map(|(number, _)| *number);
            let number = known.unwrap_or_else(|| {
                let bytes = Rows::of(&table.to_batch_unsorted()).into_bytes();
                new.push(RunSent { number: self.next, bytes: bytes.len() });
                body.extend(bytes);
                self.next += 1;
                self.next - 1
            });
            kept.push((number, table.clone()));
            number
        };
        let mut generations = vec![];
        for Generation { number, lower, upper, tables, kept } in view.generations.iter().cloned() {
            let mut runs: Vec<u64> = tables.iter().map(&mut number_of).collect();
            if let Some(kept) = kept {
                kept.scan(&mut |table| {
                    runs.push(number_of(&Arc::new(table)));
                    Ok(())
                })?;
            }
            generations.push(GenerationSent { number, lower, upper, runs });
        }
        self.sent = kept;
        Ok((generations, new, body))
    }
}
