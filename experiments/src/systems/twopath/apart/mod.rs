//! Layers in processes of their own, so that each can be killed alone.
//!
//! ```text
//! the system's process: serving ─┬─ speed: one process per version; hands over each view, as the runs that its last one had not
//!                                └─ batch: a process for each run; leaves its view at rest
//! ```
//!
//! A process that was killed is started again at once: a batch run up to the same barrier, the speed layer from its newest checkpoint or, without
//! one, from where the batch view ends (in Kappa: from the log's start). Readers stay on what was published before. What a process had used since it
//! last told of it is in no figure.

mod process;
mod speed;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_base::sync::lock;
use twopath_query::Query;
use twopath_results::result::Happening;
use twopath_view::BatchView;
use twopath_view::store::ViewStore;

use self::process::Slot;
pub(in crate::systems) use self::speed::{SpeedProcess, Views};
use super::wiring::From;
use crate::systems::ending::end_with_parent;
use crate::systems::protocol::Connection;
use crate::systems::timeline::Timeline;
use crate::systems::{Costs, Killed, SystemError};

/// What a layer's process is started for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::systems) enum Work {
    /// One run over everything before a barrier (its number, and its position), into a folder of views.
    Batch { version: u32, barrier: From, views: PathBuf },
    /// To follow the log.
    Speed { version: u32, from: From },
}

/// What a layer's process says.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::systems) enum FromLayer {
    /// A batch run is done.
    Done {
        costs: Costs,
    },
    /// A view of the speed layer; the body has its new runs.
    View {
        generations: Vec<GenerationSent>,
        new: Vec<RunSent>,
        published_us: i64,
        costs: Costs,
    },
    Failed(String),
}

/// A generation, by the numbers of its runs.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::systems) struct GenerationSent {
    pub number: u64,
    pub lower: Position,
    pub upper: Position,
    pub runs: Vec<u64>,
}

/// A run in the body: an Arrow IPC stream of so many bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::systems) struct RunSent {
    pub number: u64,
    pub bytes: usize,
}

/// What the speed layer's process is told. It ends when nobody can tell it anything any more.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::systems) enum ToSpeed {
    DropGenerationsBelow(u64),
}

/// Makes the command of a layer's process.
pub type LayerCommand = Box<dyn Fn() -> Command + Send + Sync>;

/// See the module.
pub struct Apart {
    command: LayerCommand,
    batch: Slot,
    /// Of the version that was started last.
    speed: Mutex<Option<Arc<Slot>>>,
    /// What each process has told that it used.
    costs: Mutex<BTreeMap<u32, (Killed, Costs)>>,
}

impl Apart {
    pub fn new(command: LayerCommand) -> Self {
        Apart { command, batch: Slot::default(), speed: Mutex::default(), costs: Mutex::default() }
    }

    /// A batch run in a process of its own, again for as long as it is killed; its view is at rest in `store`.
    ///
    /// # Errors
    /// The run says so, or ends by itself without a view.
    pub(super) fn batch_run(
        &self,
        work: &Work,
        (store, layout): (&ViewStore, &Query),
        timeline: &Timeline,
    ) -> Result<BatchView, SystemError> {
        let mut killed_us = None;
        loop {
            let (child, mut connection) = self.start(work)?;
            let process = child.id();
            self.batch.fill(child);
            let told = connection.receive::<FromLayer>();
            let (status, killed_now) = self.batch.ended().map_err(SystemError::Process)?;
            killed_us = killed_us.or(killed_now);
            match told {
                Ok(Some((FromLayer::Done { costs }, _))) => self.used(process, Killed::Batch, costs),
                Ok(Some((FromLayer::Failed(problem), _))) => return Err(SystemError::Remote(problem)),
                _ if killed_now.is_some() => continue,
                _ => return Err(SystemError::Remote(format!("the process of a batch run ended without a view: {status}"))),
            }
            let no_view = || SystemError::Remote("a batch run left no view".into());
            let view = store.latest(layout)?.ok_or_else(no_view)?;
            if let Some(killed_us) = killed_us {
                timeline.mark_since(killed_us, Happening::Restart);
            }
            return Ok(view);
        }
    }

    /// Kills a layer's process.
    ///
    /// # Errors
    /// It has none.
    pub(super) fn kill(&self, layer: Killed, timeline: &Timeline) -> Result<(), SystemError> {
        let killed = match layer {
            Killed::System => false,
            Killed::Batch => self.batch.kill_in_mid_run(timeline),
            Killed::Speed => lock(&self.speed).clone().is_some_and(|slot| slot.kill(timeline)),
        };
        if killed { Ok(()) } else { Err(SystemError::NoProcess { layer: layer.name() }) }
    }

    /// Adds what the layers' processes have used.
    pub(super) fn add_costs(&self, costs: &mut Costs) {
        let mut rss: BTreeMap<&str, u64> = BTreeMap::new();
        for (layer, used) in lock(&self.costs).values() {
            used.cpu_s.iter().for_each(|(of, seconds)| *costs.cpu_s.entry(of.clone()).or_default() += seconds);
            costs.bytes_written += used.bytes_written;
            costs.bytes_read += used.bytes_read;
            let most = rss.entry(layer.name()).or_default();
            *most = used.rss_bytes_max.max(*most);
        }
        // Each layer at its peak: no more than that was there at once.
        costs.rss_bytes_max += rss.values().sum::<u64>();
    }

    fn used(&self, process: u32, layer: Killed, costs: Costs) {
        lock(&self.costs).insert(process, (layer, costs));
    }

    /// Starts a process, and hands it its work over the socket that it has as its standard input.
    fn start(&self, work: &Work) -> Result<(Child, Connection), SystemError> {
        let start = || -> io::Result<(Child, Connection)> {
            let (ours, theirs) = UnixStream::pair()?;
            let mut command = (self.command)();
            let child = end_with_parent(&mut command).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn()?;
            // The command holds their end open, and nobody would see the process end.
            drop(command);
            let mut connection = Connection::new(ours);
            // One that is gone already is seen to be so when it is listened to.
            let _ = connection.send(work, &[]);
            Ok((child, connection))
        };
        start().map_err(SystemError::Process)
    }
}
