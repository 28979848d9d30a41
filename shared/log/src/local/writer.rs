//! The one writer of a topic.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arrow_array::RecordBatch;

use twopath_base::{Offset, PartitionId, Position};
use twopath_storage::sync_entry;

use crate::config::{Durability, PartitionBy, Retention};
use crate::contract;
use crate::error::LogError;
use crate::format::producer::ProducerState;
use crate::groups::group::set_back;
use crate::lock::Held;
use crate::partition::recovery::recover;
use crate::partition::state::TopicState;
use crate::partition::writer::PartitionWriter;
use crate::records::{Barrier, ProducerSequence};
use crate::rows::event_range::event_range_us;
use crate::rows::partitioning::split;
use crate::upkeep::{compaction, offload, retention};
use twopath_base::sync::lock;

/// The one writer of a topic. Appends may come from several threads.
///
/// After an error while writing or syncing it takes no more appends, because it cannot know what the disk holds; opening it
/// again finds out.
pub(crate) struct LocalWriter {
    inner: Arc<Inner>,
    syncer: Option<Syncer>,
    housekeeper: Option<JoinHandle<()>>,
}

struct Inner {
    topic: Arc<TopicState>,
    /// Locked in ascending order where several are.
    partitions: Vec<Mutex<PartitionWriter>>,
    /// Why no more appends are taken.
    failed: OnceLock<String>,
    /// Whose turn it is, round robin.
    turn: AtomicU64,
    key: Option<usize>,
    time: Option<usize>,
    /// Whether the entries of the topic's folder and of the one above are known to be on the disk.
    entries_synced: AtomicBool,
    /// Tells the housekeeper of sealed segments; empty without one, and once the writer closes.
    sealed: Mutex<Option<Sender<()>>>,
    _lock: Held,
}

/// Upkeep is done this often, at least, where no segment is sealed.
const UPKEEP_EVERY: Duration = Duration::from_secs(60);
const UPKEEP_EVERY_MIN: Duration = Duration::from_secs(1);

/// The thread that syncs every so often, and how to stop it.
struct Syncer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl LocalWriter {
    pub(crate) fn open(topic: Arc<TopicState>) -> Result<LocalWriter, LogError> {
        let write_lock = Held::for_this_process(&topic.lock_path(), &topic.meta.config.name)?;
        let mut partitions = Vec::new();
        let mut barriers = Vec::new();
        for p in topic.partition_ids() {
            let (partition, barrier) = recover(&topic, p)?;
            partitions.push(partition);
            barriers.extend(barrier);
        }
        complete_barrier(&topic, &mut partitions, barriers)?;
        // Who made the topic may have died before its entries were on the disk.
        let durable = topic.meta.config.durability != Durability::None;
        if durable {
            sync_entries(&topic)?;
        }
        let committed: Vec<_> = partitions.iter().map(PartitionWriter::committed).collect();
        set_back(&topic, &committed)?;
        topic.tail.begin(&committed);
        let column = |name: &String| topic.meta.config.schema.index_of(name).expect("a topic's config names columns of its schema");
        let inner = Arc::new(Inner {
            key: match &topic.meta.config.partition_by {
                PartitionBy::Key(name) => Some(column(name)),
                PartitionBy::RoundRobin => None,
            },
            time: topic.meta.config.time_column.as_ref().map(column),
            partitions: partitions.into_iter().map(Mutex::new).collect(),
            failed: OnceLock::new(),
            turn: AtomicU64::new(0),
            entries_synced: AtomicBool::new(durable),
            sealed: Mutex::new(None),
            topic,
            _lock: write_lock,
        });
        let syncer = match inner.topic.meta.config.durability {
            Durability::Interval(interval) => Some(Syncer::start(inner.clone(), interval)?),
            Durability::None | Durability::Batch => None,
        };
        let housekeeper = housekeeper(&inner)?;
        Ok(LocalWriter { inner, syncer, housekeeper })
    }

    /// Splits the rows over the partitions, and returns the position after it. Rows of one partition keep their order. An error may
    /// leave some partitions with their rows and others without; a producer that must know uses [`Self::append_to`] with a sequence.
    pub fn append(&self, batch: &RecordBatch) -> Result<Position, LogError> {
        let inner = &*self.inner;
        inner.topic.meta.config.check_batch(batch)?;
        let count = inner.partitions.len();
        let mut position = inner.topic.end()?;
        if batch.num_rows() == 0 {
            return Ok(position);
        }
        let arrow = |source| LogError::Arrow { topic: inner.topic.meta.config.name.clone(), source };
        let parts = match inner.key {
            Some(key) if count > 1 => split(batch, key, count as u32).map_err(arrow)?,
            _ => {
                let turn = (inner.turn.fetch_add(1, Ordering::Relaxed) % count as u64) as usize;
                (0..count).map(|p| (p == turn).then(|| batch.clone())).collect()
            }
        };
        for (p, part) in parts.into_iter().enumerate() {
            if let Some(part) = part {
                let p = PartitionId(p as u32);
                let base = inner.append_to(p, &part, None)?;
                position.set(p, Offset(base.0 + part.num_rows() as u64));
            }
        }
        inner.topic.tail.wake();
        Ok(position)
    }

    /// Appends one frame to one partition and returns the offset of its first record. A batch without rows appends nothing.
    pub fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError> {
        self.inner.topic.check_partition(partition)?;
        self.inner.topic.meta.config.check_batch(batch)?;
        let offset = self.inner.append_to(partition, batch, producer)?;
        self.inner.topic.tail.wake();
        Ok(offset)
    }

    /// Begins a new epoch of a producer, and returns it: appends of its older epochs are refused from now on, also after a restart.
    pub fn begin_producer(&self, producer: u64) -> Result<u32, LogError> {
        let inner = &*self.inner;
        let topic = &*inner.topic;
        let mut partitions: Vec<_> = inner.partitions.iter().map(lock).collect();
        inner.check_failed()?;
        let epoch = partitions.iter().filter_map(|p| p.producer(producer)).map(|s| s.epoch).max().unwrap_or(0) + 1;
        let append = ProducerSequence { producer, epoch, sequence: 0 };
        for (p, partition) in topic.partition_ids().zip(&mut partitions) {
            let fence = partition.append_fence(topic, append);
            let synced =
                fence.and_then(|()| if topic.meta.config.durability == Durability::Batch { partition.sync(topic) } else { Ok(()) });
            synced.map_err(|e| inner.fail(e))?;
            topic.tail.publish(p, &partition.committed());
        }
        drop(partitions);
        topic.tail.wake();
        Ok(epoch)
    }

    /// What a partition knows of a producer; `None` if it never appended there (or too long ago: the last 1024 producers are kept).
    pub fn producer_state(&self, partition: PartitionId, producer: u64) -> Result<Option<ProducerState>, LogError> {
        self.inner.topic.check_partition(partition)?;
        Ok(lock(&self.inner.partitions[partition.index()]).producer(producer).cloned())
    }

    /// Puts a barrier into every partition at once and rolls their segments.
    pub fn barrier(&self) -> Result<Barrier, LogError> {
        let inner = &*self.inner;
        let topic = &*inner.topic;
        let mut partitions: Vec<_> = inner.partitions.iter().map(lock).collect();
        inner.check_failed()?;
        let number = partitions[0].committed().generation + 1;
        let position = Position::new(partitions.iter().map(|p| p.committed().end).collect());
        let barrier = Barrier { number, position };
        let write = |partitions: &mut Vec<std::sync::MutexGuard<'_, PartitionWriter>>| {
            let sync = |partitions: &mut Vec<std::sync::MutexGuard<'_, PartitionWriter>>| match topic.meta.config.durability {
                Durability::None => Ok(()),
                Durability::Interval(_) | Durability::Batch => partitions.iter_mut().try_for_each(|p| p.sync(topic)),
            };
            // A barrier must not outlive what it cuts off, nor a segment's end the barrier that ended it.
            sync(partitions)?;
            partitions.iter_mut().try_for_each(|p| p.append_barrier(topic, &barrier))?;
            sync(partitions)?;
            partitions.iter_mut().try_for_each(|p| p.roll(topic))
        };
        write(&mut partitions).map_err(|e| inner.fail(e))?;
        for (p, partition) in topic.partition_ids().zip(&partitions) {
            topic.tail.publish(p, &partition.committed());
        }
        drop(partitions);
        topic.tail.wake();
        inner.tell_sealed();
        Ok(barrier)
    }

    /// Everything appended through this writer is on the disk when this returns.
    pub fn sync(&self) -> Result<(), LogError> {
        self.inner.sync()
    }

    /// Seals the active segment of every partition that has records, and starts new ones.
    pub fn seal(&self) -> Result<(), LogError> {
        let inner = &*self.inner;
        for (p, partition) in inner.topic.partition_ids().zip(&inner.partitions) {
            let mut writer = lock(partition);
            inner.check_failed()?;
            writer.roll(&inner.topic).map_err(|e| inner.fail(e))?;
            inner.topic.tail.publish(p, &writer.committed());
        }
        inner.topic.tail.wake();
        inner.tell_sealed();
        Ok(())
    }

    /// Syncs and lets go of the lock. (Dropping does the same, without telling of errors.)
    pub fn close(mut self) -> Result<(), LogError> {
        self.stop();
        self.inner.end()
    }

    fn stop(&mut self) {
        lock(&self.inner.sealed).take();
        if let Some(thread) = self.housekeeper.take() {
            let _ = thread.join();
        }
        if let Some(syncer) = self.syncer.take() {
            syncer.stop();
        }
    }
}

impl contract::Writer for LocalWriter {
    fn append(&self, batch: &RecordBatch) -> Result<Position, LogError> {
        self.append(batch)
    }

    fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError> {
        self.append_to(partition, batch, producer)
    }

    fn begin_producer(&self, producer: u64) -> Result<u32, LogError> {
        self.begin_producer(producer)
    }

    fn producer_state(&self, partition: PartitionId, producer: u64) -> Result<Option<ProducerState>, LogError> {
        self.producer_state(partition, producer)
    }

    fn barrier(&self) -> Result<Barrier, LogError> {
        self.barrier()
    }

    fn sync(&self) -> Result<(), LogError> {
        self.sync()
    }

    fn seal(&self) -> Result<(), LogError> {
        self.seal()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        (*self).close()
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        self.stop();
        if let Err(e) = self.inner.end() {
            tracing::warn!("closing the writer of topic '{}': {e}", self.inner.topic.meta.config.name);
        }
    }
}

impl Inner {
    fn check_failed(&self) -> Result<(), LogError> {
        match self.failed.get() {
            Some(cause) => Err(LogError::WriterFailed { topic: self.topic.meta.config.name.clone(), cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn tell_sealed(&self) {
        if let Some(sealed) = &*lock(&self.sealed) {
            let _ = sealed.send(());
        }
    }

    fn fail(&self, error: LogError) -> LogError {
        let _ = self.failed.set(error.to_string());
        error
    }

    fn append_to(&self, partition: PartitionId, batch: &RecordBatch, producer: Option<ProducerSequence>) -> Result<Offset, LogError> {
        let event_us = self.time.and_then(|column| event_range_us(batch.column(column)));
        let mut writer = lock(&self.partitions[partition.index()]);
        self.check_failed()?;
        if let Some(offset) = writer.repeated(producer)? {
            return Ok(offset);
        }
        if batch.num_rows() == 0 {
            return Ok(writer.committed().end);
        }
        let offset = writer.append_records(&self.topic, batch, event_us, producer).map_err(|e| self.fail(e))?;
        let full = writer.committed().bytes >= self.topic.meta.config.segment_bytes;
        match self.topic.meta.config.durability {
            // Rolling syncs the frame together with the seal.
            Durability::Batch if full => {}
            Durability::Batch => writer.sync(&self.topic).map_err(|e| self.fail(e))?,
            // The frame counts already: it must be seen even if rolling fails.
            Durability::None | Durability::Interval(_) if full => self.topic.tail.publish(partition, &writer.committed()),
            Durability::None | Durability::Interval(_) => {}
        }
        if full {
            writer.roll(&self.topic).map_err(|e| self.fail(e))?;
            self.tell_sealed();
        }
        self.topic.tail.publish(partition, &writer.committed());
        Ok(offset)
    }

    fn sync(&self) -> Result<(), LogError> {
        for partition in &self.partitions {
            let mut writer = lock(partition);
            self.check_failed()?;
            writer.sync(&self.topic).map_err(|e| self.fail(e))?;
        }
        if !self.entries_synced.load(Ordering::Relaxed) {
            sync_entries(&self.topic).map_err(|e| self.fail(e))?;
            self.entries_synced.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Syncs, and leaves files that end where the log does.
    fn end(&self) -> Result<(), LogError> {
        self.sync()?;
        self.partitions.iter().try_for_each(|p| lock(p).cut_preallocated().map_err(|e| self.fail(e)))
    }

    /// As [`Self::sync`], but appends go on meanwhile.
    fn sync_aside(&self) -> Result<(), LogError> {
        for partition in &self.partitions {
            let unsynced = {
                let writer = lock(partition);
                self.check_failed()?;
                writer.unsynced()
            };
            if let Some((file, path, len)) = unsynced {
                file.sync_data().map_err(LogError::io("sync", &path)).map_err(|e| self.fail(e))?;
                lock(partition).note_synced(&path, len);
            }
        }
        Ok(())
    }
}

/// A thread that does what the topic's retention, compaction and tiering say, each time a segment was sealed, and now and then. What it cannot do now it says, and
/// tries again the next time.
fn housekeeper(inner: &Arc<Inner>) -> Result<Option<JoinHandle<()>>, LogError> {
    let config = &inner.topic.meta.config;
    let (retain, compact, offload) = (config.retention, config.compaction, config.offload.clone());
    if retain == Retention::NONE && compact.is_none() && offload.is_none() {
        return Ok(None);
    }
    let (sealed, told) = channel();
    *lock(&inner.sealed) = Some(sealed);
    let topic = inner.topic.clone();
    let every = compact.map_or(UPKEEP_EVERY, |c| (c.tombstone_age / 8).clamp(UPKEEP_EVERY_MIN, UPKEEP_EVERY));
    let run = move || {
        loop {
            match told.recv_timeout(every) {
                Ok(()) => while told.try_recv().is_ok() {},
                // Time passes for a quiet topic, too: what is old enough goes without an append.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let retained = if retain == Retention::NONE { Ok(()) } else { retention::retain(&topic, &retain, false).map(|_| ()) };
            let compacted = compact.map_or(Ok(()), |options| compaction::compact(&topic, &options).map(|_| ()));
            let offloaded = offload.as_ref().map_or(Ok(()), |options| offload::offload(&topic, options).map(|_| ()));
            for e in [retained, compacted, offloaded].into_iter().filter_map(Result::err) {
                tracing::warn!("tidying topic '{}': {e}", topic.meta.config.name);
            }
        }
    };
    let dir = &inner.topic.dir;
    let thread =
        std::thread::Builder::new().name("log-tidy".into()).spawn(run).map_err(LogError::io("start a housekeeping thread for", dir))?;
    Ok(Some(thread))
}

impl Syncer {
    fn start(inner: Arc<Inner>, interval: Duration) -> Result<Syncer, LogError> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = stop.clone();
        let dir = inner.topic.dir.clone();
        let run = move || {
            let (flag, changed) = &*stopped;
            let mut stop = lock(flag);
            while !*stop {
                stop = changed.wait_timeout(stop, interval).map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
                drop(stop);
                if let Err(e) = inner.sync_aside() {
                    tracing::warn!("syncing topic '{}': {e}", inner.topic.meta.config.name);
                    return;
                }
                stop = lock(flag);
            }
        };
        let thread =
            std::thread::Builder::new().name("log-sync".into()).spawn(run).map_err(LogError::io("start a syncing thread for", &dir))?;
        Ok(Syncer { stop, thread })
    }

    fn stop(self) {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        let _ = self.thread.join();
    }
}

/// Syncs the entries of the topic's folder and of the one that holds it. (Those above it were synced when they were made.)
fn sync_entries(topic: &TopicState) -> Result<(), LogError> {
    [Some(topic.dir.as_path()), topic.dir.parent()]
        .into_iter()
        .flatten()
        .try_for_each(|dir| sync_entry(&*topic.storage, dir).map_err(LogError::io("sync the folder above", dir)))
}

/// Puts the last barrier into the partitions that a dying writer did not reach, and rolls what a barrier ends.
fn complete_barrier(topic: &TopicState, partitions: &mut [PartitionWriter], found: Vec<Barrier>) -> Result<(), LogError> {
    let last = partitions.iter().map(|p| p.committed().generation).max().unwrap_or(0);
    let barrier = found.into_iter().find(|b| b.number == last);
    for (p, partition) in topic.partition_ids().zip(partitions.iter_mut()) {
        let committed = partition.committed();
        if committed.generation < last {
            let missing = || format!("partition {p} has {} barriers, and another one has {last}", committed.generation);
            let dir = topic.partition_dir(p);
            let Some(barrier) = barrier.as_ref().filter(|b| b.number == committed.generation + 1) else {
                return Err(LogError::corrupt(&dir, committed.bytes, missing()));
            };
            if barrier.position.get(p) != committed.end {
                let what = format!("{}; it should end at offset {} and ends at {}", missing(), barrier.position.get(p), committed.end);
                return Err(LogError::corrupt(&dir, committed.bytes, what));
            }
            tracing::warn!(partition = p.0, number = last, "completed a barrier that an earlier writer did not finish");
            partition.append_barrier(topic, barrier)?;
            if topic.meta.config.durability != Durability::None {
                // As whoever wrote it would have, also where there is nothing to roll.
                partition.sync(topic)?;
            }
            partition.roll(topic)?;
        } else if barrier.as_ref().is_some_and(|b| b.position.get(p) == committed.end) {
            partition.roll(topic)?;
        }
    }
    Ok(())
}
