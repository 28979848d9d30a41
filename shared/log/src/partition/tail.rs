//! The tail: a small file that the writer and all readers map, which says how far each partition is committed, and
//! whose sequence number wakes those who wait for more.
//!
//! Each partition has two slots and a version whose lowest bit chooses one. The writer fills the other slot and then
//! moves the version on, so that a reader finds a whole slot at any time, also after the writer was killed in between.
//!
//! The tail is a cache of what the segments say, good for one boot of one machine and for the file it was made in (it
//! names both): after a reboot, or in a copy of the folder, no position is taken from it until a writer has recovered the topic. What
//! it said last is then only held against what the segments still have, so that a copy that is cut short does not pass for a whole one.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};

use twopath_base::{Offset, PartitionId};

use crate::error::{LogError, is_read_only};

#[cfg(not(all(target_os = "linux", target_endian = "little")))]
compile_error!("the log's tail needs Linux's futex, and a little-endian machine");

const MAGIC: u64 = u64::from_le_bytes(*b"2PTAIL\0\x01");
/// The places of the words (8 bytes each) in the file.
mod word {
    pub const MAGIC: usize = 0;
    pub const TOPIC: usize = 1;
    pub const BOOT: usize = 2;
    pub const INODE: usize = 4;
    /// Own cache lines for what is written at each append and at each wait.
    pub const SEQUENCE: usize = 8;
    pub const WAITED_FOR: usize = 16;
    /// How many the last call woke.
    pub const CROWD: usize = 24;
    pub const PARTITIONS: usize = 32;
    pub const PER_PARTITION: usize = 16;
    pub const PER_SLOT: usize = 4;
}

/// So many readers are a crowd.
const CROWD_MIN: u64 = 8;
/// What it takes to wake one reader of a crowd and to let it read.
const WAKE: Duration = Duration::from_micros(16);
/// How often one who cannot be woken looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const NAP_MAX: Duration = Duration::from_millis(10);

/// How far a partition is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Committed {
    pub end: Offset,
    /// The active segment's base offset.
    pub base: Offset,
    /// The active segment's committed bytes.
    pub bytes: u64,
    /// Barriers so far.
    pub generation: u64,
}

pub(crate) struct TailMap {
    raw: MmapRaw,
    partitions: usize,
    topic_id: u64,
    boot: [u64; 2],
    inode: u64,
    /// Once it was good, it stays good for as long as this process lives.
    known_good: AtomicBool,
    /// Whether its words may be stored to.
    writable: bool,
}

impl TailMap {
    /// Maps the tail file, and makes it where it is missing. Where nothing can be written (a file system that is mounted read-only, a
    /// folder of another user), it is mapped for reading, and one that is missing or short counts for nothing.
    pub fn open(path: &Path, topic_id: u64, partitions: usize) -> Result<TailMap, LogError> {
        let len = ((word::PARTITIONS + partitions * word::PER_PARTITION) * 8) as u64;
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let (raw, inode, writable) = match opened {
            Ok(file) => {
                let meta = file.metadata().map_err(LogError::io("look at", path))?;
                if meta.len() < len {
                    // Written, not only lengthened: a store into a hole of a mapped file kills the process when the disk is full.
                    let zeros = vec![0; (len - meta.len()) as usize];
                    file.write_all_at(&zeros, meta.len()).map_err(LogError::io("write", path))?;
                }
                let raw = MmapOptions::new().len(len as usize).map_raw(&file).map_err(LogError::io("map", path))?;
                (raw, meta.ino(), true)
            }
            Err(e) if is_read_only(&e) => {
                let (raw, inode) = TailMap::read_only(path, len)?;
                (raw, inode, false)
            }
            Err(e) => return Err(LogError::io("open for reading and writing", path)(e)),
        };
        Ok(TailMap { raw, partitions, topic_id, boot: boot_id(), inode, known_good: AtomicBool::new(false), writable })
    }

    fn read_only(path: &Path, len: u64) -> Result<(MmapRaw, u64), LogError> {
        let nothing =
            || MmapOptions::new().len(len as usize).map_anon().map(|map| (MmapRaw::from(map), 0)).map_err(LogError::io("map", path));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return nothing(),
            Err(e) => return Err(LogError::io("open", path)(e)),
        };
        let meta = file.metadata().map_err(LogError::io("look at", path))?;
        if meta.len() < len {
            return nothing();
        }
        let raw = MmapOptions::new().len(len as usize).map_raw_read_only(&file).map_err(LogError::io("map", path))?;
        Ok((raw, meta.ino()))
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!((index + 1) * 8 <= self.raw.len());
        // SAFETY: inside the mapping, which is page-aligned and lives as long as `self`; all processes use these words as atomics only.
        unsafe { AtomicU64::from_ptr(self.raw.as_mut_ptr().cast::<u64>().add(index)) }
    }

    /// The low half of the sequence: what the futex looks at.
    fn futex(&self) -> &AtomicU32 {
        // SAFETY: as `word`; little-endian, so that the low half of the sequence comes first.
        unsafe { AtomicU32::from_ptr(self.raw.as_mut_ptr().cast::<u64>().add(word::SEQUENCE).cast()) }
    }

    fn identity(&self) -> [(usize, u64); 4] {
        [(word::TOPIC, self.topic_id), (word::BOOT, self.boot[0]), (word::BOOT + 1, self.boot[1]), (word::INODE, self.inode)]
    }

    /// Whether what it says about the partitions counts: written in this boot, for this topic, in this very file.
    fn is_good(&self) -> bool {
        if self.known_good.load(Ordering::Relaxed) {
            return true;
        }
        let good = self.word(word::MAGIC).load(Ordering::Acquire) == MAGIC
            && self.identity().iter().all(|&(at, value)| self.word(at).load(Ordering::Relaxed) == value);
        if good {
            self.known_good.store(true, Ordering::Relaxed);
        }
        good
    }

    /// What a writer does after recovery: from now on the tail counts. Only the holder of the topic's lock may call it.
    pub fn begin(&self, committed: &[Committed]) {
        assert_eq!(committed.len(), self.partitions);
        assert!(self.writable, "whoever holds a lock in the folder can write there");
        if !self.is_good() {
            self.word(word::MAGIC).store(0, Ordering::SeqCst);
        }
        for (p, c) in committed.iter().enumerate() {
            self.publish(PartitionId(p as u32), c);
        }
        for (at, value) in self.identity() {
            self.word(at).store(value, Ordering::Relaxed);
        }
        self.word(word::MAGIC).store(MAGIC, Ordering::SeqCst);
        self.wake();
    }

    fn slot(&self, partition: PartitionId, version: u64) -> [&AtomicU64; word::PER_SLOT] {
        let start = word::PARTITIONS + partition.index() * word::PER_PARTITION + 1 + (version & 1) as usize * word::PER_SLOT;
        std::array::from_fn(|i| self.word(start + i))
    }

    fn version(&self, partition: PartitionId) -> &AtomicU64 {
        self.word(word::PARTITIONS + partition.index() * word::PER_PARTITION)
    }

    /// Says how far a partition is committed. One caller at a time per partition.
    pub fn publish(&self, partition: PartitionId, c: &Committed) {
        let version = self.version(partition);
        let next = version.load(Ordering::Relaxed) + 1;
        // The slot's earlier readers must see the version of the last publication before they see any of this one.
        fence(Ordering::Release);
        for (word, value) in self.slot(partition, next).into_iter().zip([c.end.0, c.base.0, c.bytes, c.generation]) {
            word.store(value, Ordering::Relaxed);
        }
        version.store(next, Ordering::Release);
    }

    /// How far a partition is committed; `None` if this tail does not count.
    pub fn committed(&self, partition: PartitionId) -> Option<Committed> {
        if self.is_good() { Some(self.last_said(partition)) } else { None }
    }

    /// What a tail that does not count said last, in another boot or in the folder that this one was copied from.
    pub fn said_elsewhere(&self, partition: PartitionId) -> Option<Committed> {
        let of_this_topic =
            self.word(word::MAGIC).load(Ordering::Acquire) == MAGIC && self.word(word::TOPIC).load(Ordering::Relaxed) == self.topic_id;
        if of_this_topic && !self.is_good() { Some(self.last_said(partition)) } else { None }
    }

    fn last_said(&self, partition: PartitionId) -> Committed {
        let version = self.version(partition);
        loop {
            let before = version.load(Ordering::Acquire);
            let [end, base, bytes, generation] = self.slot(partition, before).map(|w| w.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if version.load(Ordering::Relaxed) == before {
                return Committed { end: Offset(end), base: Offset(base), bytes, generation };
            }
        }
    }

    pub fn sequence(&self) -> u32 {
        self.futex().load(Ordering::Acquire)
    }

    /// Moves the sequence on; the system call is made only if somebody waits for just that.
    pub fn wake(&self) {
        if !self.writable {
            return;
        }
        let before = self.word(word::SEQUENCE).fetch_add(1, Ordering::SeqCst);
        // A waiter notes, as a number that only grows, which step of the sequence it waits for. One that was killed thus costs nothing later.
        if self.word(word::WAITED_FOR).load(Ordering::SeqCst) > before {
            // SAFETY: a futex call on a word of our mapping; it reads nothing else.
            let woken = unsafe { libc::syscall(libc::SYS_futex, self.futex().as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0usize, 0usize, 0) };
            self.word(word::CROWD).store(woken.max(0) as u64, Ordering::Relaxed);
        }
    }

    /// One of many that wait does not lie down at once to be woken at the next append, but looks again after as long as it takes to wake
    /// them all. So the writer of a busy topic wakes each of 100 readers once in several appends and not at each: measured, 0.56 and not 0.28
    /// of the rate that it has with one reader. The price is that a reader of 100 knows of an append that falls into its nap up to 1.6 ms
    /// later. Where appends are rare all are lying down again before the next one, and where readers are few none naps.
    fn nap(&self, seen: u32, timeout: Duration) {
        let crowd = self.word(word::CROWD).load(Ordering::Relaxed);
        if crowd >= CROWD_MIN && self.sequence() == seen {
            let nap = WAKE.saturating_mul(crowd as u32).min(NAP_MAX);
            std::thread::sleep(nap.min(timeout));
        }
    }

    /// Returns once the sequence differs from `seen`, or after `timeout`.
    pub fn wait(&self, seen: u32, timeout: Duration) {
        let called = Instant::now();
        self.nap(seen, timeout);
        loop {
            let now = self.word(word::SEQUENCE).load(Ordering::SeqCst);
            if now as u32 != seen {
                return;
            }
            let left = timeout.saturating_sub(called.elapsed());
            if left.is_zero() {
                return;
            }
            if !self.writable {
                // Nobody can be told that this one waits, and so nobody wakes it.
                std::thread::sleep(LOOK_EVERY.min(left));
                continue;
            }
            self.word(word::WAITED_FOR).fetch_max(now + 1, Ordering::SeqCst);
            let left = libc::timespec { tv_sec: left.as_secs() as libc::time_t, tv_nsec: left.subsec_nanos() as libc::c_long };
            // SAFETY: a futex call on a word of our mapping, with a timeout that lives until it returns.
            unsafe {
                libc::syscall(libc::SYS_futex, self.futex().as_ptr(), libc::FUTEX_WAIT, seen, &raw const left, 0usize, 0);
            }
        }
    }
}

/// This boot of this machine.
fn boot_id() -> [u64; 2] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    // A machine that does not tell gets an id that no tail has, so that no tail is believed across processes' lives.
    u128::from_str_radix(&hex, 16).map_or_else(|_| [u64::from(std::process::id()), 1], |id| [(id >> 64) as u64, id as u64])
}
