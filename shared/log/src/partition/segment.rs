//! A segment as the readers of this process share it: a file, or a fetched object, that is mapped and checked once.

use std::fs::{self, File};
use std::ops::Range;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use arrow_buffer::Buffer;
use memmap2::{MmapOptions, MmapRaw, UncheckedAdvice};

use crate::error::LogError;
use crate::format::frame::Header;
use crate::format::manifest::{ObjectRef, PartitionManifest};
use crate::format::segment::{Ends, Head, Seal, Summary, check_body, ends, is_seal, parse_seal, seal_start};
use crate::format::stub::{self, Stub};
use crate::tier::cache::Cache;
use crate::tier::object::Object;
use twopath_base::Offset;
use twopath_base::sync::lock;

/// Of memory that is mapped, on the usual machines; where pages are larger, nothing is let go.
const PAGE_BYTES: u64 = 4096;

struct Mapping {
    raw: MmapRaw,
    /// The file's length when last looked at: no byte from there on is ever touched.
    file_len: AtomicU64,
}

/// Where the bytes of a remote segment come from.
pub(crate) struct RemoteFile {
    pub object: Object,
    pub reference: ObjectRef,
    pub cache: Arc<Cache>,
    /// The file of what is kept of the segment.
    pub stub: PathBuf,
    /// Only as long as somebody reads: else a file that the cache removes would still take up its room on the disk.
    mapping: Mutex<Weak<Mapping>>,
    /// Whether this process has checked the fetched file.
    checked: AtomicBool,
}

impl RemoteFile {
    pub fn new(object: Object, reference: ObjectRef, cache: Arc<Cache>, stub: PathBuf) -> RemoteFile {
        RemoteFile { object, reference, cache, stub, mapping: Mutex::default(), checked: AtomicBool::new(false) }
    }
}

/// A segment as the readers of this process share it: its mapping, and up to where its checksums are known to hold.
pub(crate) struct Segment {
    /// Its file; of a remote segment the address of its object.
    pub path: PathBuf,
    pub base: Offset,
    pub remote: Option<RemoteFile>,
    /// Bytes to map at least, so that a growing file is mapped once.
    room_bytes: u64,
    mapping: Mutex<Option<Arc<Mapping>>>,
    /// All frames below this byte have had their bodies checked in this process.
    verified: AtomicU64,
    head: OnceLock<Head>,
    seal: OnceLock<(u64, Summary)>,
}

impl Segment {
    pub fn new(path: PathBuf, base: Offset, segment_bytes: u64, remote: Option<RemoteFile>) -> Segment {
        Segment {
            path,
            base,
            remote,
            room_bytes: segment_bytes + segment_bytes / 4 + (1 << 20),
            mapping: Mutex::new(None),
            verified: AtomicU64::new(0),
            head: OnceLock::new(),
            seal: OnceLock::new(),
        }
    }

    /// Whether a manifest says that the segment still is, or is to be made, where it was.
    pub fn is_named_by(&self, manifest: &PartitionManifest) -> bool {
        let there = match (manifest.remote(self.base), &self.remote) {
            (None, None) => self.path.ends_with(manifest.file_name(self.base)),
            (Some(is), Some(was)) => is.object == was.reference,
            _ => false,
        };
        there && manifest.start.offset <= self.base && manifest.rewriting(self.base).is_none_or(|r| r.base == self.base)
    }

    /// The file's or object's length in bytes.
    pub fn file_len(&self) -> Result<u64, LogError> {
        match &self.remote {
            Some(remote) => Ok(remote.object.bytes),
            None => Ok(fs::metadata(&self.path).map_err(LogError::io("look at", &self.path))?.len()),
        }
    }

    /// The first `limit` bytes, all of them committed (and so never changed again). Those of a remote segment are fetched if need be.
    pub fn view(&self, limit: u64) -> Result<View, LogError> {
        if let Some(remote) = &self.remote {
            return self.remote_view(remote, limit);
        }
        let mut current = lock(&self.mapping);
        if let Some(mapping) = current.as_ref().filter(|m| m.raw.len() as u64 >= limit) {
            if mapping.file_len.load(Ordering::Relaxed) < limit {
                mapping.file_len.store(self.checked_len(limit)?, Ordering::Relaxed);
            }
            return Ok(View { mapping: mapping.clone(), limit });
        }
        let len = self.checked_len(limit)?;
        let file = File::open(&self.path).map_err(LogError::io("open", &self.path))?;
        let map_len = limit.max(self.room_bytes).max(len);
        let raw = MmapOptions::new().len(map_len as usize).map_raw_read_only(&file).map_err(LogError::io("map", &self.path))?;
        let mapping = Arc::new(Mapping { raw, file_len: AtomicU64::new(len) });
        *current = Some(mapping.clone());
        Ok(View { mapping, limit })
    }

    fn remote_view(&self, remote: &RemoteFile, limit: u64) -> Result<View, LogError> {
        self.checked_len(limit)?;
        // Held while it is fetched: others of this process want the same.
        let mut current = lock(&remote.mapping);
        if let Some(mapping) = current.upgrade() {
            return Ok(View { mapping, limit });
        }
        let file = remote.cache.file(&remote.object, remote.checked.load(Ordering::Relaxed))?;
        remote.checked.store(true, Ordering::Relaxed);
        // The checksum of all of it was that of a segment whose frames' checksums held when it was moved.
        self.verified.store(remote.object.bytes, Ordering::Release);
        let len = remote.object.bytes;
        let path = || remote.cache.path(&remote.object);
        let raw = MmapOptions::new().len(len as usize).map_raw_read_only(&file).map_err(|e| LogError::io("map", &path())(e))?;
        let mapping = Arc::new(Mapping { raw, file_len: AtomicU64::new(len) });
        *current = Arc::downgrade(&mapping);
        Ok(View { mapping, limit })
    }

    fn checked_len(&self, limit: u64) -> Result<u64, LogError> {
        let len = self.file_len()?;
        if len < limit {
            let what = format!("the file ends here, though {limit} bytes of it were committed");
            return Err(LogError::corrupt(&self.path, len, what));
        }
        Ok(len)
    }

    pub fn head(&self, view: &View) -> Result<Head, LogError> {
        if let Some(head) = self.head.get() {
            return Ok(*head);
        }
        let head = Head::read(view.from(0)).map_err(|what| LogError::corrupt(&self.path, 0, what))?;
        Ok(*self.head.get_or_init(|| head))
    }

    /// Checks the body of the frame at `pos`, unless this process did so before.
    pub fn verify_body(&self, view: &View, pos: u64, header: &Header) -> Result<(), LogError> {
        if pos < self.verified.load(Ordering::Acquire) {
            return Ok(());
        }
        check_body(view.from(pos), header).map_err(|what| LogError::corrupt(&self.path, pos, what))?;
        let below = if self.head.get().is_some_and(|h| h.len == pos) { 0 } else { pos };
        // Fails where another reader was faster, or where frames before this one are still unchecked: then nothing is known.
        let _ = self.verified.compare_exchange(below, pos + header.frame_len(), Ordering::AcqRel, Ordering::Relaxed);
        Ok(())
    }

    /// The summary in the seal that starts at `pos` of a file that `view` shows to its end; checked once.
    pub fn seal(&self, view: &View, pos: u64) -> Result<Summary, LogError> {
        if let Some((at, summary)) = self.seal.get()
            && *at == pos
        {
            return Ok(*summary);
        }
        let summary = parse_seal(view.from(pos)).map_err(|what| LogError::corrupt(&self.path, pos, what))?.summary;
        Ok(self.seal.get_or_init(|| (pos, summary)).1)
    }

    /// What the seal of a sealed segment says, and where it starts; checked once.
    pub fn summary(&self) -> Result<(u64, Summary), LogError> {
        if let Some(known) = self.seal.get() {
            return Ok(*known);
        }
        let bytes = self.seal_bytes()?;
        let summary = parse_seal(bytes.get()).map_err(|what| LogError::corrupt(&self.path, bytes.at(), what))?.summary;
        Ok(*self.seal.get_or_init(|| (bytes.at(), summary)))
    }

    /// Asks the seal of a sealed segment.
    pub fn ask_seal<T>(&self, ask: impl FnOnce(Seal<'_>) -> Result<T, &'static str>) -> Result<T, LogError> {
        let bytes = self.seal_bytes()?;
        parse_seal(bytes.get()).and_then(ask).map_err(|what| LogError::corrupt(&self.path, bytes.at(), what))
    }

    /// What is kept of a remote segment; `None` where nothing is, or nothing that is whole: then all of it must be fetched.
    pub fn stub(&self) -> Option<Stub> {
        let remote = self.remote.as_ref()?;
        Stub::read(&remote.stub, &remote.reference)
            .inspect_err(|e| tracing::warn!("the segment is fetched for what should be kept of it: {e}"))
            .ok()
    }

    fn seal_bytes(&self) -> Result<SealBytes, LogError> {
        if let Some(kept) = self.stub() {
            return Ok(SealBytes::Stub(kept));
        }
        let view = self.view(self.file_len()?)?;
        let unsealed = || LogError::corrupt(&self.path, view.limit(), "the segment is not sealed, though another one follows it");
        let at = seal_start(view.from(0)).filter(|at| is_seal(view.from(*at))).ok_or_else(unsealed)?;
        Ok(SealBytes::Mapped(view, at))
    }

    /// What stands first and last in a sealed segment, without reading what is between.
    pub fn ends(&self) -> Result<Ends, LogError> {
        let Some(remote) = &self.remote else {
            return ends(&self.path);
        };
        stub::ends(&remote.stub, &remote.reference).or_else(|_| {
            let bytes = self.view(self.file_len()?)?;
            let head = self.head(&bytes)?;
            let first = Header::decode(bytes.from(head.len)).map_err(|what| LogError::corrupt(&self.path, head.len, what))?;
            Ok(Ends { head, first, summary: self.summary()?.1 })
        })
    }
}

/// A sealed segment's bytes from its seal on.
enum SealBytes {
    Mapped(View, u64),
    Stub(Stub),
}

impl SealBytes {
    fn get(&self) -> &[u8] {
        match self {
            SealBytes::Mapped(view, at) => view.from(*at),
            SealBytes::Stub(kept) => kept.seal(),
        }
    }

    /// Where the seal starts in the segment.
    fn at(&self) -> u64 {
        match self {
            SealBytes::Mapped(_, at) => *at,
            SealBytes::Stub(kept) => kept.seal_at(),
        }
    }
}

/// The committed bytes of a mapped segment.
#[derive(Clone)]
pub(crate) struct View {
    mapping: Arc<Mapping>,
    limit: u64,
}

impl View {
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The bytes from `pos` to the limit.
    pub fn from(&self, pos: u64) -> &[u8] {
        self.bytes(pos..self.limit)
    }

    pub fn bytes(&self, range: Range<u64>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.limit, "{range:?} is not below {}", self.limit);
        // SAFETY: the range lies in the mapping and below the file's length (Segment::view compared both with the limit), and committed
        // bytes are never written again; the slice borrows `self`, which keeps the mapping.
        unsafe { std::slice::from_raw_parts(self.mapping.raw.as_ptr().add(range.start as usize), (range.end - range.start) as usize) }
    }

    /// Makes bytes count no more as this process's memory until they are read again, from the page cache.
    pub fn let_go(&self, range: Range<u64>) {
        // Of pages that it has only in part, other frames may be in use.
        let page = PAGE_BYTES;
        let (from, to) = (range.start.next_multiple_of(page), range.end / page * page);
        if from < to {
            // SAFETY: the mapping is of a file, shared and only read, so that the pages come back with the same bytes.
            let told = unsafe { self.mapping.raw.unchecked_advise_range(UncheckedAdvice::DontNeed, from as usize, (to - from) as usize) };
            // It is only about memory.
            let _ = told;
        }
    }

    /// The same bytes as an Arrow buffer, which keeps the mapping alive.
    pub fn buffer(&self, range: Range<u64>) -> Buffer {
        let bytes = self.bytes(range);
        let ptr = NonNull::from(bytes).cast::<u8>();
        // SAFETY: as in `bytes`; the buffer owns a share of the mapping, so that the memory outlives it.
        unsafe { Buffer::from_custom_allocation(ptr, bytes.len(), self.mapping.clone()) }
    }
}
