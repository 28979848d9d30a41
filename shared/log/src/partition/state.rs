//! A topic, open for reading.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use twopath_base::clock::Clock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_storage::{ObjectStores, Storage};

use crate::config;
use crate::error::LogError;
use crate::format::frame::Identity;
use crate::format::manifest::{self, ObjectRef, PartitionManifest};
use crate::format::meta::TopicMeta;
use crate::format::producer::Producers;
use crate::format::scan::{Before, scan};
use crate::format::segment::{self, Summary};
use crate::lock::holder;
use crate::partition::segment::{RemoteFile, Segment};
use crate::partition::tail::{Committed, TailMap};
use crate::records::Barrier;
use crate::tier::Tier;
use crate::tier::object::Object;
use twopath_base::sync::lock;

pub(crate) struct TopicState {
    pub dir: PathBuf,
    pub meta: TopicMeta,
    pub storage: Arc<dyn Storage>,
    pub clock: Arc<dyn Clock>,
    pub tail: TailMap,
    pub tier: Tier,
    /// By partition: the segments that this process has looked at, by base offset.
    segments: Vec<Mutex<HashMap<Offset, Arc<Segment>>>>,
    /// By partition: the manifest as last read, and the file that it was read from (inode, length and time of writing: each one is a new file,
    /// whose inode may be that of one before the last).
    manifests: Vec<Mutex<ReadManifest>>,
    /// By partition: what a scan gave where the tail does not count, and the file and length that it is about.
    scanned: Vec<Mutex<Option<(Offset, u64, Committed)>>>,
    pub barriers: Mutex<KnownBarriers>,
}

type ReadManifest = (Option<(u64, u64, (i64, i64))>, Arc<PartitionManifest>);

/// The barriers read so far.
#[derive(Default)]
pub(crate) struct KnownBarriers {
    /// How many stood before the log's start when reading began.
    pub gone: u64,
    pub found: Vec<Barrier>,
}

impl KnownBarriers {
    /// The number of the last one that is known.
    pub fn last(&self) -> u64 {
        self.gone + self.found.len() as u64
    }
}

/// A segment file of a partition.
#[derive(Debug, Clone)]
pub struct SegmentInfo {
    /// Its file. That of a remote segment is there only after [`LocalTopic::verify_segment`](crate::LocalTopic::verify_segment), and as long as the cache keeps it.
    pub path: PathBuf,
    /// The address of the object that a remote segment is.
    pub object: Option<String>,
    pub base: Offset,
    /// Exclusive.
    pub end: Offset,
    /// Whether it is finished, and a standard Arrow IPC file.
    pub sealed: bool,
    pub bytes: u64,
}

impl TopicState {
    /// Opens the topic in `dir`, whose `topic.json` exists.
    pub fn open(
        dir: &Path,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        stores: Arc<dyn ObjectStores>,
    ) -> Result<Arc<TopicState>, LogError> {
        let path = dir.join("topic.json");
        let json = storage.read(&path).map_err(LogError::io("read", &path))?;
        let (config, id) = config::from_json(&path, &json)?;
        let config_partitions = config.partitions;
        let partitions = config_partitions as usize;
        let tail = TailMap::open(&dir.join("tail"), id, partitions)?;
        Ok(Arc::new(TopicState {
            dir: dir.to_owned(),
            meta: TopicMeta::new(config, id),
            tier: Tier::new(stores, dir, storage.clone()),
            storage,
            clock,
            tail,
            segments: (0..partitions).map(|_| Mutex::default()).collect(),
            manifests: (0..config_partitions).map(|p| Mutex::new((None, Arc::new(PartitionManifest::new(id, PartitionId(p)))))).collect(),
            scanned: (0..partitions).map(|_| Mutex::default()).collect(),
            barriers: Mutex::default(),
        }))
    }

    pub fn partitions(&self) -> usize {
        self.meta.config.partitions as usize
    }

    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        self.meta.config.partition_ids()
    }

    pub fn check_partition(&self, partition: PartitionId) -> Result<(), LogError> {
        self.meta.config.check_partition(partition)
    }

    pub fn partition_dir(&self, partition: PartitionId) -> PathBuf {
        self.dir.join(format!("p{partition}"))
    }

    pub fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub fn is_being_written(&self) -> bool {
        holder(&self.lock_path()).is_ok_and(|holder| holder.is_some())
    }

    /// What every frame of a segment of `partition` says, given the head of its file.
    pub fn identity(&self, partition: PartitionId, head_crc: u32) -> Identity {
        self.meta.identity(partition, head_crc)
    }

    /// The partition's manifest as it is now.
    pub fn manifest(&self, partition: PartitionId) -> Result<Arc<PartitionManifest>, LogError> {
        let path = self.partition_dir(partition).join(manifest::FILE);
        let file = match fs::metadata(&path) {
            Ok(meta) => Some((meta.ino(), meta.len(), (meta.mtime(), meta.mtime_nsec()))),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(LogError::io("look at", &path)(e)),
        };
        let mut known = lock(&self.manifests[partition.index()]);
        if known.0 != file {
            let manifest = match file {
                Some(_) => {
                    let bytes = self.storage.read(&path).map_err(LogError::io("read", &path))?;
                    PartitionManifest::decode(&bytes, &path, self.meta.id, partition)?
                }
                None => PartitionManifest::new(self.meta.id, partition),
            };
            let manifest = Arc::new(manifest);
            *known = (file, manifest.clone());
            drop(known);
            unmap(lock(&self.segments[partition.index()]).extract_if(|_, s| !s.is_named_by(&manifest)).map(|(_, s)| s).collect());
            return Ok(manifest);
        }
        Ok(known.1.clone())
    }

    /// Whether the partition's manifest is still this one.
    pub fn is_current(&self, partition: PartitionId, manifest: &Arc<PartitionManifest>) -> bool {
        self.manifest(partition).is_ok_and(|now| Arc::ptr_eq(manifest, &now))
    }

    /// The base offsets of the segments that committed frames stand in, ascending: those that a reader may look at. A writer that has
    /// made the next segment, or died over it, has not said so yet.
    pub fn committed_bases(&self, partition: PartitionId, committed: &Committed) -> Result<Vec<Offset>, LogError> {
        let mut bases = self.bases(partition)?;
        bases.truncate(bases.partition_point(|b| *b <= committed.base));
        // Retention may have gone beyond it since; then one looks again.
        if bases.is_empty() { Err(self.first_is_missing(partition)) } else { Ok(bases) }
    }

    fn first_is_missing(&self, partition: PartitionId) -> LogError {
        LogError::corrupt(&self.partition_dir(partition), 0, "the partition's first segment is missing")
    }

    /// The base offsets of a partition's segments, ascending.
    pub fn bases(&self, partition: PartitionId) -> Result<Vec<Offset>, LogError> {
        let dir = self.partition_dir(partition);
        // What a manifest names is there before it says so, and what it no longer names is removed afterwards: names that were listed while
        // it did not change are those that belong to it.
        let mut manifest = self.manifest(partition)?;
        let names = loop {
            let names = self.storage.list(&dir).map_err(LogError::io("list", &dir))?;
            let now = self.manifest(partition)?;
            if Arc::ptr_eq(&manifest, &now) {
                break names;
            }
            manifest = now;
        };
        let bases = manifest.bases(&names);
        if bases.first() != Some(&manifest.start.offset) {
            return Err(self.first_is_missing(partition));
        }
        Ok(bases)
    }

    /// A segment, where the manifest as last read says that it is.
    pub fn segment(&self, partition: PartitionId, base: Offset) -> Arc<Segment> {
        let last_read = || lock(&self.manifests[partition.index()]).1.clone();
        let manifest = last_read();
        let file_name = manifest.file_name(base);
        let object = manifest.remote(base).map(|r| (self.object(&manifest, partition, &r.object), r.object.clone()));
        let path = match &object {
            Some((object, _)) => PathBuf::from(object.address()),
            None => self.partition_dir(partition).join(&file_name),
        };
        let mut segments = lock(&self.segments[partition.index()]);
        match segments.get(&base) {
            Some(segment) if segment.path == path => segment.clone(),
            _ => {
                let kept = || self.partition_dir(partition).join(segment::stub_name(&file_name));
                let remote = object.map(|(object, reference)| RemoteFile::new(object, reference, self.tier.cache.clone(), kept()));
                let segment = Arc::new(Segment::new(path, base, self.meta.config.segment_bytes, remote));
                // Whoever reads a new manifest looks through these afterwards.
                if segment.is_named_by(&manifest) && Arc::ptr_eq(&manifest, &last_read()) {
                    segments.insert(base, segment.clone());
                }
                segment
            }
        }
    }

    /// An object that a manifest of this topic names.
    pub fn object(&self, manifest: &PartitionManifest, partition: PartitionId, object: &ObjectRef) -> Object {
        self.tier.object(&self.meta.config.name, self.meta.id, manifest, partition, object)
    }

    /// The segments of a partition that this process has looked at.
    pub fn known_segments(&self, partition: PartitionId) -> Vec<Arc<Segment>> {
        lock(&self.segments[partition.index()]).values().cloned().collect()
    }

    /// The sealed and active segment files of a partition, in order.
    pub fn segments(&self, partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        retrying(self, partition, || self.look_at_segments(partition))
    }

    fn look_at_segments(&self, partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        let committed = self.committed(partition)?;
        let bases = self.committed_bases(partition, &committed)?;
        let mut infos = Vec::with_capacity(bases.len());
        for base in bases {
            let segment = self.segment(partition, base);
            infos.push(SegmentInfo {
                path: segment.remote.as_ref().map_or_else(|| segment.path.clone(), |r| r.cache.path(&r.object)),
                object: segment.remote.as_ref().map(|r| r.object.address()),
                base,
                end: committed.end,
                sealed: base < committed.base,
                // Without what a writer has preallocated.
                bytes: if base < committed.base { segment.file_len()? } else { committed.bytes },
            });
        }
        for i in 1..infos.len() {
            infos[i - 1].end = infos[i].base;
        }
        Ok(infos)
    }

    pub fn end(&self) -> Result<Position, LogError> {
        let ends = self.partition_ids().map(|p| Ok(self.committed(p)?.end)).collect::<Result<_, LogError>>()?;
        Ok(Position::new(ends))
    }

    /// How far a partition is committed: by the tail, or by the frames of the last segment where the tail does not count.
    pub fn committed(&self, partition: PartitionId) -> Result<Committed, LogError> {
        self.check_partition(partition)?;
        match self.tail.committed(partition) {
            Some(committed) => Ok(committed),
            None => {
                let mut cached = lock(&self.scanned[partition.index()]);
                retrying(self, partition, || self.scan_committed(partition, &mut cached))
            }
        }
    }

    fn scan_committed(&self, partition: PartitionId, cached: &mut Option<(Offset, u64, Committed)>) -> Result<Committed, LogError> {
        let bases = self.bases(partition)?;
        let last = *bases.last().expect("`bases` gives at least one");
        let segment = self.segment(partition, last);
        if segment.remote.is_some() {
            return Err(LogError::corrupt(&self.partition_dir(partition), 0, "the partition's last segment is missing"));
        }
        let len = segment.file_len()?;
        if let Some((base, at_len, committed)) = *cached
            && (base, at_len) == (last, len)
        {
            return Ok(committed);
        }
        let bytes = self.storage.read(&segment.path).map_err(LogError::io("read", &segment.path))?;
        let found = scan(&self.meta, partition, &self.before(partition, &bases, last)?, &segment.path, &bytes)?;
        found.refuse_damage(&self.meta, &segment.path, &bytes)?;
        let mut committed = Committed { end: found.summary.end, base: last, bytes: found.frames_end, generation: found.summary.generation };
        if let (None, [.., before, _]) = (found.head, &bases[..]) {
            // A segment that was begun and never got its head: the log ends where the one before it does.
            committed.base = *before;
            committed.bytes = self.segment(partition, *before).summary()?.0;
        }
        self.tell_what_is_gone(partition, last, found.summary.end, &segment.path);
        *cached = Some((last, bytes.len() as u64, committed));
        Ok(committed)
    }

    /// Warns where a tail that does not count (it is of another boot, or was copied with the folder) knows of records behind `end`, which is
    /// all that the partition's last segment still has. It is no error: a machine that died may keep less than was acknowledged if nothing
    /// was synced, and a folder may be copied while somebody appends to it.
    pub fn tell_what_is_gone(&self, partition: PartitionId, last: Offset, end: Offset, path: &Path) {
        /// Of which files it was told: a topic may be opened several times.
        static TOLD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
        if let Some(gone) = self.what_is_gone(partition, last, end)
            && lock(&TOLD).insert(path.to_owned())
        {
            tracing::warn!(file = %path.display(), "{gone}; `log verify` tells more");
        }
    }

    /// See [`TopicState::tell_what_is_gone`].
    pub fn what_is_gone(&self, partition: PartitionId, last: Offset, end: Offset) -> Option<String> {
        let said = self.tail.said_elsewhere(partition).filter(|said| said.base >= last && said.end > end)?;
        Some(format!(
            "partition {partition} of topic '{}' ended at offset {}, and now ends at {end}: this copy of the folder is not whole, or the machine \
             died before the rest was on the disk; a whole copy has the rest",
            self.meta.config.name, said.end,
        ))
    }

    /// What is known where the segment `base` starts, from the seal of the one before it.
    pub fn before(&self, partition: PartitionId, bases: &[Offset], base: Offset) -> Result<Before, LogError> {
        let Some(previous) = bases.iter().rev().find(|b| **b < base) else {
            let start = self.manifest(partition)?.start;
            let summary = Summary::empty(start.offset, start.generation, start.event_max_us);
            return Ok(Before { summary, producers: Producers::default(), arrival_us: i64::MIN });
        };
        let segment = self.segment(partition, *previous);
        let (summary, producers) = segment.ask_seal(|seal| Ok((seal.summary, seal.producers()?)))?;
        if bases.iter().find(|b| **b > *previous) != Some(&summary.end) {
            let what = format!("the segment ends at offset {}, and the next one starts elsewhere", summary.end);
            return Err(LogError::corrupt(&segment.path, 0, what));
        }
        Ok(Before { summary: summary.next(), producers, arrival_us: summary.arrival_us.1 })
    }

    /// The number of barriers before the segment `base` of a partition.
    pub fn generation_at(&self, partition: PartitionId, bases: &[Offset], base: Offset) -> Result<u64, LogError> {
        let Some(previous) = bases.iter().rev().find(|b| **b < base) else {
            return Ok(self.manifest(partition)?.start.generation);
        };
        Ok(self.summary(partition, *previous)?.generation)
    }

    /// What the seal of a sealed segment says.
    pub fn summary(&self, partition: PartitionId, base: Offset) -> Result<Summary, LogError> {
        Ok(self.segment(partition, base).summary()?.1)
    }

    /// The place of the first of these sealed segments whose seal says what is wanted, or how many there are. What is asked only ever
    /// turns true.
    pub fn first_sealed(&self, partition: PartitionId, sealed: &[Offset], wanted: impl Fn(&Summary) -> bool) -> Result<usize, LogError> {
        let (mut low, mut high) = (0, sealed.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if wanted(&self.summary(partition, sealed[middle])?) { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }
}

/// How often a walk looks again for a segment that was taken away or rewritten while it looked.
pub(crate) const TRIES_MAX: u32 = 8;

/// Looks at a partition again where a segment was taken away, rewritten or moved since its name was read: then a file is gone, or two that
/// were looked at do not follow one another.
pub(crate) fn retrying<T>(
    topic: &TopicState,
    partition: PartitionId,
    mut look: impl FnMut() -> Result<T, LogError>,
) -> Result<T, LogError> {
    let mut tries = 1..=TRIES_MAX;
    loop {
        let manifest = topic.manifest(partition)?;
        match look() {
            Err(e) if (e.is_gone() || e.is_corrupt() && !topic.is_current(partition, &manifest)) && tries.next().is_some() => {}
            other => return other.map_err(missing),
        }
    }
}

/// A file that stays away is no race: it is missing.
fn missing(error: LogError) -> LogError {
    match error {
        LogError::Io { path, source, .. } if source.kind() == ErrorKind::NotFound => {
            LogError::corrupt(&path, 0, "the segment's file is missing, though the partition's manifest names it")
        }
        other => other,
    }
}

/// Lets go of segments. Who reads one still has it; whoever unmaps a removed file last gives its pages and blocks back, which takes a while:
/// not the caller's. (Without a thread it is.)
pub(crate) fn unmap(segments: Vec<Arc<Segment>>) {
    if !segments.is_empty() {
        let _ = std::thread::Builder::new().name("unmap".into()).spawn(move || drop(segments));
    }
}

/// Wakes those who wait for more of a topic: in this process and in others, within microseconds (a futex in a shared mapping).
#[derive(Clone)]
pub(crate) struct LocalTail(Arc<TopicState>);

impl LocalTail {
    pub fn of(topic: Arc<TopicState>) -> Result<LocalTail, LogError> {
        // Where the tail file does not count, the frames are scanned now.
        topic.end()?;
        Ok(LocalTail(topic))
    }

    /// A number that changes with every append and barrier. Take it before you look, and wait with it when there was nothing.
    pub fn sequence(&self) -> u32 {
        self.0.tail.sequence()
    }

    /// Returns once the sequence differs from `seen`, or after `timeout`.
    pub fn wait(&self, seen: u32, timeout: Duration) {
        self.0.tail.wait(seen, timeout);
    }

    /// Wakes all waiters of this process and others without an append (to stop a follower).
    pub fn wake(&self) {
        self.0.tail.wake();
    }

    /// The committed end of a partition, without opening a file: a few atomic loads.
    pub fn end(&self, partition: PartitionId) -> Offset {
        match self.0.tail.committed(partition) {
            Some(committed) => committed.end,
            // Scanned when this tail was made; it changes only once a writer makes the tail count.
            None => lock(&self.0.scanned[partition.index()]).map_or(Offset(0), |(_, _, c)| c.end),
        }
    }
}
