//! A topic, open for reading.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use twopath_base::clock::Clock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_storage::{ObjectStores, Storage};

use super::config::{self, TopicConfig};
use super::error::LogError;
use super::frame::{HEADER_BYTES, Header, Identity, Kind, parse_barrier};
use super::lock::holder;
use super::manifest::{self, Manifest, ObjectRef};
use super::object::Object;
use super::producer::Producers;
use super::reader::{PartitionReader, Range, Start, Walk, retrying};
use super::recovery::{Before, scan};
use super::segment::{self, Remote, Segment, Summary};
use super::tail::{Committed, TailMap};
use super::tier::Tier;
use super::verify::VerifyReport;
use super::writer::TopicWriter;
use super::{Barrier, verify};

/// One topic, open for reading; cheap to clone. All clones share what they know of which checksums hold.
#[derive(Clone)]
pub struct Topic(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub dir: PathBuf,
    pub config: TopicConfig,
    pub id: u64,
    pub fingerprint: u64,
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
    barriers: Mutex<Barriers>,
}

type ReadManifest = (Option<(u64, u64, (i64, i64))>, Arc<Manifest>);

/// The barriers read so far.
#[derive(Default)]
struct Barriers {
    /// How many stood before the log's start when reading began.
    gone: u64,
    found: Vec<Barrier>,
}

impl Barriers {
    /// The number of the last one that is known.
    fn last(&self) -> u64 {
        self.gone + self.found.len() as u64
    }
}

/// A segment file of a partition.
#[derive(Debug, Clone)]
pub struct SegmentInfo {
    /// Its file. That of a remote segment is there only after [`Topic::verify_segment`], and as long as the cache keeps it.
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

impl Topic {
    /// Opens the topic in `dir`, whose `topic.json` exists.
    pub(crate) fn open(
        dir: &Path,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        stores: Arc<dyn ObjectStores>,
    ) -> Result<Topic, LogError> {
        let path = dir.join("topic.json");
        let json = storage.read(&path).map_err(LogError::io("read", &path))?;
        let (config, id) = config::from_json(&path, &json)?;
        let config_partitions = config.partitions;
        let partitions = config_partitions as usize;
        let tail = TailMap::open(&dir.join("tail"), id, partitions)?;
        Ok(Topic(Arc::new(Shared {
            dir: dir.to_owned(),
            fingerprint: config::fingerprint(&config.schema),
            config,
            id,
            tier: Tier::new(stores, dir, storage.clone()),
            storage,
            clock,
            tail,
            segments: (0..partitions).map(|_| Mutex::default()).collect(),
            manifests: (0..config_partitions).map(|p| Mutex::new((None, Arc::new(Manifest::new(id, PartitionId(p)))))).collect(),
            scanned: (0..partitions).map(|_| Mutex::default()).collect(),
            barriers: Mutex::default(),
        })))
    }

    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    pub fn config(&self) -> &TopicConfig {
        &self.0.config
    }

    /// The folder that holds the topic.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Takes the topic's write lock; a second writer is told who holds it. Recovers a torn tail.
    pub fn writer(&self) -> Result<TopicWriter, LogError> {
        TopicWriter::open(self.0.clone())
    }

    /// A reader of one partition. With a projection (ascending column indexes), entries hold those columns only, in that order.
    pub fn reader(&self, partition: PartitionId, start: Start, projection: Option<&[usize]>) -> Result<PartitionReader, LogError> {
        PartitionReader::open(self.0.clone(), partition, start, projection)
    }

    /// The records of one partition from `from` up to, and without, `to`: frame by frame, the first and the last cut to fit.
    pub fn range(&self, partition: PartitionId, from: Offset, to: Offset, projection: Option<&[usize]>) -> Result<Range, LogError> {
        let end = self.0.committed(partition)?.end;
        if to > end {
            return Err(LogError::OffsetOutOfRange { topic: self.name().into(), partition, offset: to, end });
        }
        Ok(Range::new(self.reader(partition, Start::Offset(from.min(to)), projection)?, to))
    }

    /// The position up to which records can be read now.
    pub fn end(&self) -> Result<Position, LogError> {
        self.0.end()
    }

    /// The first offset left in each partition: retention took away what was before.
    pub fn start(&self) -> Result<Position, LogError> {
        let offset = |p| Ok(self.0.manifest(p)?.start.offset);
        Ok(Position::new(self.0.partition_ids().map(offset).collect::<Result<_, LogError>>()?))
    }

    /// Up to where each partition was compacted: records below it may be gone.
    pub fn compacted_to(&self) -> Result<Position, LogError> {
        let offset = |p| Ok(self.0.manifest(p)?.compacted_to);
        Ok(Position::new(self.0.partition_ids().map(offset).collect::<Result<_, LogError>>()?))
    }

    /// All barriers that are left in the log, in order.
    pub fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        self.0.barriers()
    }

    /// What wakes followers of this topic.
    pub fn tail(&self) -> Result<Tail, LogError> {
        self.end()?;
        Ok(Tail(self.0.clone()))
    }

    /// Bytes of all segments, local and remote.
    pub fn bytes(&self) -> Result<u64, LogError> {
        self.0.partition_ids().map(|p| Ok(self.segments(p)?.iter().map(|s| s.bytes).sum::<u64>())).sum()
    }

    /// The sealed and active segment files of a partition, in order.
    pub fn segments(&self, partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        retrying(&self.0, partition, || self.look_at_segments(partition))
    }

    fn look_at_segments(&self, partition: PartitionId) -> Result<Vec<SegmentInfo>, LogError> {
        let committed = self.0.committed(partition)?;
        let bases = self.0.committed_bases(partition, &committed)?;
        let mut infos = Vec::with_capacity(bases.len());
        for base in bases {
            let segment = self.0.segment(partition, base);
            infos.push(SegmentInfo {
                path: segment.remote.as_ref().map_or_else(|| segment.path.clone(), |r| r.cache.path(&r.object)),
                object: segment.remote.as_ref().map(|r| r.object.address()),
                base,
                end: committed.end,
                sealed: base < committed.base,
                // Without the room that a writer has made for more.
                bytes: if base < committed.base { segment.file_len()? } else { committed.bytes },
            });
        }
        for i in 1..infos.len() {
            infos[i - 1].end = infos[i].base;
        }
        Ok(infos)
    }

    /// Checks every checksum of a sealed segment, unless this process did so before: to be called before an engine maps the file itself.
    pub fn verify_segment(&self, partition: PartitionId, base: Offset) -> Result<(), LogError> {
        verify::segment(&self.0, partition, base)
    }

    /// Reads every byte of every segment, and reports everything that is wrong with file and byte.
    pub fn verify(&self) -> Result<VerifyReport, LogError> {
        verify::topic(self)
    }
}

impl Shared {
    pub fn partitions(&self) -> usize {
        self.config.partitions as usize
    }

    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        self.config.partition_ids()
    }

    pub fn check_partition(&self, partition: PartitionId) -> Result<(), LogError> {
        self.config.check_partition(partition)
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
        Identity { topic_id: self.id, schema_fingerprint: self.fingerprint, partition, head_crc }
    }

    /// The partition's manifest as it is now.
    pub fn manifest(&self, partition: PartitionId) -> Result<Arc<Manifest>, LogError> {
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
                    Manifest::decode(&bytes, &path, self.id, partition)?
                }
                None => Manifest::new(self.id, partition),
            };
            let manifest = Arc::new(manifest);
            *known = (file, manifest.clone());
            drop(known);
            unmap(lock(&self.segments[partition.index()]).extract_if(|_, s| !manifest.has(s)).map(|(_, s)| s).collect());
            return Ok(manifest);
        }
        Ok(known.1.clone())
    }

    /// Whether the partition's manifest is still this one.
    pub fn is_current(&self, partition: PartitionId, manifest: &Arc<Manifest>) -> bool {
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
                let kept = || self.partition_dir(partition).join(segment::kept_name(&file_name));
                let remote = object.map(|(object, reference)| Remote::new(object, reference, self.tier.cache.clone(), kept()));
                let segment = Arc::new(Segment::new(path, base, self.config.segment_bytes, remote));
                // Whoever reads a new manifest looks through these afterwards.
                if manifest.has(&segment) && Arc::ptr_eq(&manifest, &last_read()) {
                    segments.insert(base, segment.clone());
                }
                segment
            }
        }
    }

    /// An object that a manifest of this topic names.
    pub fn object(&self, manifest: &Manifest, partition: PartitionId, object: &ObjectRef) -> Object {
        self.tier.object(&self.config.name, self.id, manifest, partition, object)
    }

    /// The segments of a partition that this process has looked at.
    pub fn known_segments(&self, partition: PartitionId) -> Vec<Arc<Segment>> {
        lock(&self.segments[partition.index()]).values().cloned().collect()
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
        let found = scan(self, partition, &self.before(partition, &bases, last)?, &segment.path, &bytes)?;
        found.refuse_damage(self, &segment.path, &bytes)?;
        let mut committed = Committed { end: found.summary.end, base: last, bytes: found.frames_end, generation: found.summary.generation };
        if let (None, [.., before, _]) = (found.head, &bases[..]) {
            // A segment that was begun and never got its head: the log ends where the one before it does.
            committed.base = *before;
            committed.bytes = self.segment(partition, *before).summary()?.0;
        }
        *cached = Some((last, bytes.len() as u64, committed));
        Ok(committed)
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

    fn barriers(&self) -> Result<Vec<Barrier>, LogError> {
        let mut known = lock(&self.barriers);
        retrying(self, PartitionId(0), || self.find_barriers(&mut known))?;
        let start = self.manifest(PartitionId(0))?.start;
        Ok(known.found.iter().filter(|b| b.number > start.generation).cloned().collect())
    }

    /// Reads the barriers of partition 0 that are not known yet, in the segments that hold them.
    fn find_barriers(&self, known: &mut Barriers) -> Result<(), LogError> {
        let zero = PartitionId(0);
        let committed = self.committed(zero)?;
        if committed.generation == known.last() {
            return Ok(());
        }
        let bases = self.committed_bases(zero, &committed)?;
        let start = self.manifest(zero)?.start;
        if known.last() < start.generation {
            *known = Barriers { gone: start.generation, found: Vec::new() };
        }
        let sealed = &bases[..bases.partition_point(|b| *b < committed.base)];
        let first = self.first_sealed(zero, sealed, |s| s.generation > known.last())?;
        for base in &sealed[first..] {
            if self.summary(zero, *base)?.generation > known.last() {
                self.note_barriers(*base, &bases, known)?;
            }
        }
        if committed.generation > known.last() { self.note_barriers(committed.base, &bases, known) } else { Ok(()) }
    }

    /// Adds the barriers of a segment of partition 0 to those that are known.
    fn note_barriers(&self, base: Offset, bases: &[Offset], known: &mut Barriers) -> Result<(), LogError> {
        let segment = self.segment(PartitionId(0), base);
        let mut note = |pos: u64, header: &Header, body: &[u8]| {
            let corrupt = |what: &str| LogError::corrupt(&segment.path, pos, what);
            if header.kind == Kind::Barrier && header.generation_after() > known.last() {
                let barrier = parse_barrier(body, self.partitions()).filter(|b| b.number == known.last() + 1);
                known.found.push(barrier.ok_or_else(|| corrupt("the frame is not a barrier of this topic"))?);
            }
            Ok(())
        };
        if let Some(kept) = segment.kept() {
            let mut rest = kept.barriers();
            while !rest.is_empty() {
                let header = Header::decode(rest).map_err(|what| LogError::corrupt(&segment.path, 0, what))?;
                let frame = rest.split_at_checked(header.frame_len() as usize);
                let (frame, after) = frame.ok_or_else(|| LogError::corrupt(&segment.path, 0, "the list of its barriers is not one"))?;
                note(0, &header, &frame[HEADER_BYTES as usize..])?;
                rest = after;
            }
            return Ok(());
        }
        let generation = self.generation_at(PartitionId(0), bases, base)?;
        let mut walk = Walk::resume(self, PartitionId(0), base, 0, base, generation)?;
        while walk.pos < walk.view.limit() {
            let Some((pos, header)) = walk.next_in_segment(self)? else { break };
            if header.kind == Kind::Barrier {
                walk.segment.verify_body(&walk.view, pos, &header)?;
                note(pos, &header, walk.view.bytes(pos + HEADER_BYTES..pos + header.frame_len()))?;
            }
        }
        Ok(())
    }
}

/// Lets go of segments. Who reads one still has it; whoever unmaps a removed file last gives its pages and blocks back, which takes a while:
/// not the caller's. (Without a thread it is.)
pub(crate) fn unmap(segments: Vec<Arc<Segment>>) {
    if !segments.is_empty() {
        let _ = std::thread::Builder::new().name("unmap".into()).spawn(move || drop(segments));
    }
}

/// A lock is poisoned only by a bug that has been reported already; what it guards here is whole at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes those who wait for more of a topic: in this process and in others, within microseconds (a futex in a shared mapping).
#[derive(Clone)]
pub struct Tail(Arc<Shared>);

impl Tail {
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

/// The topics in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, LogError> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(names),
        Err(e) => return Err(LogError::io("list", dir)(e)),
    };
    for entry in entries {
        let name = entry.map_err(LogError::io("list", dir))?.file_name().to_string_lossy().into_owned();
        if config::check_name(&name).is_ok() && dir.join(&name).join("topic.json").is_file() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
