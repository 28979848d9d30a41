//! The source: frames of this worker's partitions, epoch by epoch.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::{Scope, Stream};
use twopath_base::{Offset, PartitionId};
use twopath_log::{Barrier, Entry, LogError, PartitionReader, Records, Start};

use super::pace::Pace;
use super::{Keeping, Wiring};
use crate::control::Control;
use crate::epoch::{Reached, Read};
use crate::error::SpeedError;

/// Rows handed on at once: few enough to stay in the cache until they are aggregated, many enough that scheduling costs nothing.
const CHUNK_ROWS: usize = 32 * 1024;

/// An epoch of a reader that lags takes this share of the lag ...
const LAG_SHARE: u64 = 8;

/// ... but at least this many rows: what is read in about the time of a publish interval,
const EPOCH_ROWS_MIN: u64 = 64 * 1024;

/// ... and at most this many, so that progress is seen and memory is bounded.
const EPOCH_ROWS_MAX: u64 = 4 * 1024 * 1024;

/// One partition as this job reads it.
pub(crate) struct Partition {
    id: PartitionId,
    /// Which of the topics it is of.
    topic: usize,
    reader: PartitionReader,
    /// The offset of the next record.
    offset: Offset,
    /// The number of barriers before it.
    generation: u64,
    /// Whether this epoch's reading has ended: at the log's end or at the bound.
    done: bool,
    /// Where a bounded replay ends.
    bound: Option<Offset>,
}

impl Partition {
    /// Opens worker `index`'s share: the partitions whose number modulo `peers` is `index`.
    pub fn open(wiring: &Wiring, index: usize, peers: usize) -> Result<Vec<Partition>, SpeedError> {
        let (first_generation, from) = &wiring.from;
        let mut partitions = Vec::new();
        for (id, offset) in from.iter().filter(|(id, _)| id.index() % peers == index) {
            let (topic, own) = wiring.input.locate(id);
            let reader = wiring.input.topics()[topic].reader(own, Start::Offset(offset), wiring.middle.columns(topic))?;
            let generation = reader.generation().max(*first_generation);
            let bound = wiring.to.as_ref().map(|to| to.get(id));
            partitions.push(Partition { id, topic, reader, offset, generation, done: true, bound });
        }
        Ok(partitions)
    }

    /// Starts an epoch, and gives the number of records that there are for it.
    fn begin(&mut self, control: &Control) -> u64 {
        let end = self.bound.unwrap_or_else(|| control.tails.end_of(self.id));
        self.done = self.bound.is_some_and(|bound| self.offset >= bound);
        end.0.saturating_sub(self.offset.0)
    }

    /// Reads one frame, and the barriers before it.
    ///
    /// A partition that follows is done when there is nothing more, and not before: the barrier that stands behind its last record is
    /// waited for by the other partitions, and nothing else may come to wake this one.
    fn read_frame(&mut self, barriers: &mut Vec<Barrier>) -> Result<Option<(u64, Records)>, LogError> {
        while let Some(entry) = self.reader.next()? {
            match entry {
                Entry::Barrier(barrier) => {
                    self.generation = self.generation.max(barrier.number);
                    barriers.push(barrier);
                }
                Entry::Records(records) => {
                    assert_eq!(records.base, self.offset, "partition {} has a hole", self.id);
                    let records = match self.bound {
                        Some(bound) => records.cut(self.offset, bound),
                        None => records,
                    };
                    self.offset = records.end;
                    self.done = self.bound.is_some_and(|bound| self.offset >= bound);
                    return Ok(Some((self.generation, records)));
                }
            }
        }
        self.done = true;
        Ok(None)
    }
}

/// Reads `partitions` into the dataflow. Idle, it costs nothing: it runs when [`Control`] has moved the epoch on (there may be
/// more to read, or another worker needs this one to close its epoch), and as long as it lags.
pub(super) fn frames<'s>(scope: Scope<'s, u64>, partitions: Vec<Partition>, wiring: &Wiring) -> Stream<'s, u64, Vec<Read>> {
    let bounded = wiring.to.is_some();
    let at_once = bounded && wiring.middle.makes_a_view();
    let control = Arc::clone(&wiring.control);
    let rows_max = match wiring.keeping {
        Keeping::InStead { records_at_once } => EPOCH_ROWS_MAX.min(records_at_once / scope.peers() as u64),
        _ => EPOCH_ROWS_MAX,
    };
    let pace = wiring.max_records_per_s.map(|all| all / scope.peers() as f64);
    let nothing = wiring.restores_base();
    source::<_, CapacityContainerBuilder<Vec<Read>>, _, _>(scope, "Frames", move |capability, info| {
        let again = scope.activator_for(info.address.clone());
        control.register(scope.worker().sync_activator_for(info.address.to_vec()));
        let mut capability = Some(capability);
        let pace = pace.map(Pace::new);
        let mut epoch =
            Epoch { partitions, control: Arc::clone(&control), open: false, nothing, rows_max, rows_left: 0, barriers: Vec::new(), pace };
        move |output| {
            let Some(held) = &mut capability else { return };
            if control.stopped() {
                capability = None;
                return;
            }
            let asked = control.epoch();
            if !epoch.open {
                if asked == *held.time() {
                    return;
                }
                epoch.begin(at_once);
            }
            let mut chunk = Vec::new();
            if let Err(error) = epoch.read_chunk(&mut chunk) {
                control.fail(error.into());
                capability = None;
                return;
            }
            let caught_up = epoch.partitions.iter().all(|p| p.done);
            let over = caught_up || epoch.rows_left == 0;
            if over {
                chunk.push(Read::Closed(epoch.close()));
            }
            if !chunk.is_empty() {
                output.session(held).give_container(&mut chunk);
            }
            if over && caught_up && bounded {
                capability = None;
            } else if over && caught_up {
                held.downgrade(&asked);
            } else if over {
                // A reason to go on stands as long as there is a lag: the others are asked to close their epochs too.
                let next = *held.time() + 1;
                held.downgrade(&next);
                control.ask(next + 1);
                again.activate();
            } else {
                again.activate();
            }
        }
    })
}

/// The epoch that this worker is in.
struct Epoch {
    partitions: Vec<Partition>,
    control: Arc<Control>,
    /// Whether reading for it has begun.
    open: bool,
    /// Whether nothing is read in it.
    nothing: bool,
    /// How many rows it takes at most.
    rows_max: u64,
    /// How many rows it still takes before it is closed though there are more.
    rows_left: u64,
    barriers: Vec<Barrier>,
    /// None where it reads as fast as it can.
    pace: Option<Pace>,
}

impl Epoch {
    /// Starts an epoch: of all that there is, or of a share of it.
    fn begin(&mut self, at_once: bool) {
        let lag: u64 = self.partitions.iter_mut().map(|p| p.begin(&self.control)).sum();
        self.rows_left = if at_once { u64::MAX } else { (lag / LAG_SHARE).clamp(EPOCH_ROWS_MIN.min(self.rows_max), self.rows_max) };
        if std::mem::take(&mut self.nothing) {
            self.rows_left = 0;
        }
        self.open = true;
    }

    /// Reads frames from all partitions in turn, so that they keep together in time.
    fn read_chunk(&mut self, chunk: &mut Vec<Read>) -> Result<(), LogError> {
        if let Some(pace) = &self.pace {
            pace.wait();
        }
        let most = self
            .pace
            .as_ref()
            .map_or(CHUNK_ROWS, |pace| pace.chunk_rows().min(CHUNK_ROWS))
            .min(usize::try_from(self.rows_max).unwrap_or(CHUNK_ROWS));
        let mut rows = 0;
        while rows < most && self.rows_left > 0 {
            let mut any = false;
            for partition in self.partitions.iter_mut().filter(|p| !p.done) {
                if let Some((generation, records)) = partition.read_frame(&mut self.barriers)? {
                    any = true;
                    rows += records.batch.num_rows();
                    self.rows_left = self.rows_left.saturating_sub(records.batch.num_rows() as u64);
                    chunk.push(Read::Records { topic: partition.topic, generation, records });
                }
            }
            if !any {
                break;
            }
        }
        self.control.count_read(rows as u64);
        if let Some(pace) = &mut self.pace {
            pace.took(rows as u64);
        }
        Ok(())
    }

    fn close(&mut self) -> Reached {
        self.open = false;
        Reached {
            partitions: self.partitions.iter().map(|p| (p.id, p.offset, p.generation)).collect(),
            barriers: std::mem::take(&mut self.barriers),
        }
    }
}
