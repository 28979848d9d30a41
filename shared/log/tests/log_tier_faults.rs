//! Offload, recall, retention and compaction broken off at every call to a file or an object: nothing is lost, nothing is forgotten.

mod log_common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow_buffer::Buffer;
use log_common::*;
use twopath_base::PartitionId;
use twopath_base::clock::SystemClock;
use twopath_log::*;
use twopath_storage::{
    AppendFile, Disk, Fault, FaultyStores, ObjectError, ObjectFault, ObjectStores, Objects, OsStorage, RealStores, RecordingStorage,
    RecordingStores, Storage,
};

const P0: PartitionId = PartitionId(0);

/// Files and objects of a process that dies after so many more changes: the one in whose midst it dies is half done, or done.
#[derive(Clone)]
struct Dying {
    left: Arc<AtomicI64>,
    /// Whether the change in whose midst it dies was done.
    done: bool,
}

impl Dying {
    fn change<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            1.. => act(),
            0 if self.done => act().and_then(|_| Err(io::Error::other("dead"))),
            _ => Err(io::Error::other("dead")),
        }
    }

    fn died(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }
}

struct DyingFile(Dying, Arc<dyn AppendFile>);

impl AppendFile for DyingFile {
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        if self.0.left.load(Ordering::Relaxed) == 0 {
            let bytes = parts.iter().flat_map(|p| p.to_vec()).collect::<Vec<u8>>();
            self.1.append(&[IoSlice::new(&bytes[..bytes.len() / 2])])?;
        }
        self.0.change(|| self.1.append(parts))
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.0.change(|| self.1.preallocate(bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.change(|| Ok(()))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.change(|| self.1.truncate(len))
    }

    fn len(&self) -> io::Result<u64> {
        self.1.len()
    }
}

impl Storage for Dying {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(DyingFile(self.clone(), self.change(|| OsStorage.create(path))?)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(DyingFile(self.clone(), OsStorage.open_append(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsStorage.read(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change(|| OsStorage.create_dir(path))
    }

    fn write_again(&self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        self.change(|| OsStorage.write_again(path, from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| OsStorage.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|| OsStorage.remove(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsStorage.list(dir)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.change(|| Ok(()))
    }
}

struct DyingObjects(Dying, Arc<dyn Objects>, PathBuf);

impl ObjectStores for Dying {
    fn open(&self, address: &str) -> Result<Arc<dyn Objects>, ObjectError> {
        let folder = address.strip_prefix("file://").expect("a folder").into();
        Ok(Arc::new(DyingObjects(self.clone(), RealStores.open(address)?, folder)))
    }
}

impl DyingObjects {
    fn call<T>(&self, act: impl FnOnce() -> Result<T, ObjectError>) -> Result<T, ObjectError> {
        let mut answer = None;
        let done = self.0.change(|| {
            answer = Some(act());
            Ok(())
        });
        done.map_err(|e| ObjectError::Failed(e.to_string()))?;
        answer.expect("it was done")
    }
}

impl Objects for DyingObjects {
    fn put(&self, name: &str, bytes: Buffer) -> Result<(), ObjectError> {
        if self.0.left.load(Ordering::Relaxed) == 0 {
            // As the client leaves it that dies while it writes a file in a folder.
            let unfinished = self.2.join(format!("{name}#1"));
            fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
            fs::write(unfinished, &bytes[..bytes.len() / 2]).unwrap();
        }
        self.call(|| self.1.put(name, bytes))
    }

    fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        self.call(|| self.1.get(name, range))
    }

    fn len(&self, name: &str) -> Result<u64, ObjectError> {
        self.call(|| self.1.len(name))
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.call(|| self.1.delete(name))
    }
}

/// What is done to a topic whose older segments are remote already, and some newer ones are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Offload,
    Recall,
    Retain,
    Compact,
    Read,
}

const ACTS: [Act; 5] = [Act::Offload, Act::Recall, Act::Retain, Act::Compact, Act::Read];
const COMPACT: Compaction = Compaction { dirty_ratio_min: 0.0, age_min: Duration::ZERO, tombstone_age: Duration::from_secs(3600) };

fn act(topic: &Topic, act: Act, store: &Path) -> Result<(), LogError> {
    match act {
        Act::Offload => topic.local().unwrap().offload(&everything(store)).map(drop),
        Act::Recall => topic.local().unwrap().recall().map(drop),
        Act::Retain => topic.local().unwrap().retain(&Retention::of_bytes(topic.bytes()? / 3), false).map(drop),
        Act::Compact => topic.local().unwrap().compact(&COMPACT).map(drop),
        Act::Read => {
            let mut reader = topic.reader(P0, Start::First, None)?;
            while reader.next()?.is_some() {}
            Ok(())
        }
    }
}

const ROWS: i64 = 20 * 30;

/// Ten remote segments, some local ones, and one being written.
fn make(dir: &Path, store: &Path, storage: Arc<dyn Storage>, stores: Arc<dyn ObjectStores>, durability: Durability) {
    let log = Log::with(storage, Arc::new(SystemClock), dir).unwrap().with_stores(stores);
    let config = TopicConfig { partition_by: PartitionBy::Key("name".into()), segment_bytes: 1500, durability, ..narrow_config("t") };
    let topic = log.create_topic(config).unwrap();
    let writer = topic.writer().unwrap();
    for i in 0..20 {
        writer.append(&narrow(i * 30..(i + 1) * 30)).unwrap();
        if i % 4 == 1 {
            writer.barrier().unwrap();
        }
        if i == 9 {
            topic.local().unwrap().offload(&everything(store)).unwrap();
        }
    }
    writer.close().unwrap();
}

/// That a topic holds what it must after `done` was tried, and that the next try leaves nothing behind. `whole` says that nothing was taken.
fn check(what: &str, dir: &Path, store: &Path, tried: Act) {
    let topic = Log::open(dir).unwrap().topic("t").unwrap_or_else(|e| panic!("{what}: {e}"));
    let contents = |topic: &Topic| {
        let mut reader = topic.reader(P0, Start::First, None).unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut found: Vec<(u64, i64)> = Vec::new();
        while let Some(entry) = reader.next().unwrap_or_else(|e| panic!("{what}: {e}")) {
            if let Entry::Records(r) = entry {
                let offsets = (0..r.batch.num_rows()).map(|row| r.offset_of(row).0);
                found.extend(offsets.zip(ids(std::slice::from_ref(&r.batch))));
            }
        }
        found
    };
    let found = contents(&topic);
    assert!(found.iter().all(|(offset, id)| *offset as i64 == *id) && found.windows(2).all(|w| w[0].0 < w[1].0), "{what}");
    let first = topic.start().unwrap().get(P0).0 as i64;
    match tried {
        Act::Compact => assert!((570..600).all(|i| i % 7 == 3 || found.contains(&(i as u64, i))), "{what}: the newest of each key"),
        _ => assert_eq!(found.len() as i64, ROWS - first, "{what}"),
    }
    assert!(tried == Act::Retain || first == 0);
    let report = topic.local().unwrap().verify().unwrap();
    assert!(report.is_clean(), "{what}: {:?}", report.problems);
    let writer = topic.writer().unwrap_or_else(|e| panic!("{what}: {e}"));
    writer.append(&narrow(ROWS..ROWS + 30)).unwrap();
    writer.close().unwrap();
    let before = contents(&topic);
    act(&topic, Act::Offload, store).unwrap_or_else(|e| panic!("{what}, again: {e}"));
    assert_eq!(contents(&topic), before, "{what}, again");
    assert_eq!(files(store), objects(&topic, store), "{what}: forgotten objects");
    let named: BTreeSet<String> = ["arrow", "seal"].into_iter().map(String::from).collect();
    let p0 = files(&dir.join("t/p0"));
    assert!(p0.iter().all(|f| f.ends_with("manifest") || named.contains(f.extension().unwrap().to_str().unwrap())), "{what}: {p0:?}");
    let segments = topic.local().unwrap().segments(P0).unwrap();
    assert_eq!(p0.len(), segments.len() + 1, "{what}: a file for each segment, and the manifest: {p0:?}");
    let report = topic.local().unwrap().verify().unwrap();
    assert!(report.is_clean(), "{what}, again: {:?}", report.problems);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A folder and a store as [`make`] makes them, put back as they were before each try.
struct Template {
    at: tempfile::TempDir,
    saved: tempfile::TempDir,
}

impl Template {
    fn new() -> Template {
        let (at, saved) = (folder(), folder());
        make(&at.path().join("log"), &at.path().join("store"), Arc::new(OsStorage), Arc::new(RealStores), Durability::None);
        copy(at.path(), saved.path());
        Template { at, saved }
    }

    /// The log and the store.
    fn fresh(&self) -> (PathBuf, PathBuf) {
        for entry in fs::read_dir(self.at.path()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        copy(self.saved.path(), self.at.path());
        (self.at.path().join("log"), self.at.path().join("store"))
    }
}

#[test]
fn death_at_every_change() {
    let template = Template::new();
    for tried in ACTS {
        for done in [false, true] {
            for changes in 0.. {
                let (log, store) = template.fresh();
                let dying = Dying { left: Arc::new(AtomicI64::new(changes)), done };
                let opened =
                    Log::with(Arc::new(dying.clone()), Arc::new(SystemClock), &log).map(|log| log.with_stores(Arc::new(dying.clone())));
                let result = opened.and_then(|log| log.topic("t")).and_then(|topic| act(&topic, tried, &store));
                assert!(result.is_ok() || dying.died(), "{tried:?}, {changes} changes: {result:?}");
                check(&format!("{tried:?}, dead after {changes} changes ({done})"), &log, &store, tried);
                if !dying.died() {
                    assert!(changes > 10, "{tried:?} changes something");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_fault_at_every_call_to_a_store() {
    let template = Template::new();
    let faults = [ObjectFault::Fails, ObjectFault::AnswerLost, ObjectFault::Truncates, ObjectFault::Garbles, ObjectFault::Gone];
    for (tried, fault) in ACTS.into_iter().flat_map(|act| faults.map(|fault| (act, fault))) {
        for calls in 0.. {
            let (log, store) = template.fresh();
            let stores = FaultyStores::default();
            let topic = Log::open(&log).unwrap().with_stores(Arc::new(stores.clone())).topic("t").unwrap();
            stores.fail_after(calls, fault);
            let result = act(&topic, tried, &store);
            let struck = stores.struck();
            stores.heal();
            match (&struck, &result) {
                (None, Err(e)) => panic!("{tried:?}: {e}"),
                // A lie shows wherever bytes are read or written; a deletion is tried again later.
                (Some(what), Ok(())) => {
                    assert!(what.starts_with("delete") || what.starts_with("len") && fault == ObjectFault::Garbles, "{tried:?}, {what}")
                }
                (Some(_), Err(e)) => assert!(e.to_string().contains(store.canonicalize().unwrap().to_str().unwrap()), "{e}"),
                (None, Ok(())) => {}
            }
            // The same process goes on, and another one does.
            let first = topic.start().unwrap().get(P0).0 as i64;
            if tried != Act::Compact {
                assert_eq!(ids(&read_all(&topic, P0)), (first..ROWS).collect::<Vec<_>>(), "{tried:?}, {struck:?}");
            }
            check(&format!("{tried:?}, {struck:?}"), &log, &store, tried);
            if struck.is_none() {
                break;
            }
        }
    }
}

#[test]
fn a_fault_at_every_call_to_a_file() {
    for tried in ACTS {
        for fault in [Fault::Io, Fault::NoSpace, Fault::Short] {
            for calls in 0.. {
                let dir = folder();
                let (log, store) = (dir.path().join("log"), folder());
                fs::create_dir(&log).unwrap();
                let storage = RecordingStorage::new(dir.path());
                make(&log, store.path(), Arc::new(storage.clone()), Arc::new(RealStores), Durability::None);
                let topic = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), &log).unwrap().topic("t").unwrap();
                storage.fail_after(calls, fault);
                let result = act(&topic, tried, store.path());
                let struck = storage.struck();
                // A full disk makes the cache smaller; what is only put away is no reason to fail.
                assert!(result.is_ok() || struck.is_some(), "{tried:?}: {result:?}");
                drop(topic);
                check(&format!("{tried:?}, {struck:?}"), &log, store.path(), tried);
                if struck.is_none() {
                    break;
                }
            }
        }
    }
}

#[test]
fn the_power_goes_after_every_change() {
    let to = Path::new("s3://memory/x");
    for (tried, durability) in ACTS.into_iter().flat_map(|act| [Durability::None, Durability::Batch].map(|d| (act, d))) {
        let dir = folder();
        let log = dir.path().join("log");
        fs::create_dir(&log).unwrap();
        let storage = RecordingStorage::new(dir.path());
        let stores = RecordingStores::new(&storage);
        make(&log, to, Arc::new(storage.clone()), Arc::new(stores.clone()), durability);
        let before = storage.len();
        let open = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), &log).unwrap();
        let topic = open.with_stores(Arc::new(stores.clone())).topic("t").unwrap();
        let objects = stores.count();
        act(&topic, tried, to).unwrap();
        assert_eq!(tried == Act::Read, objects == stores.count(), "{tried:?}");
        let mut disk = Disk::default();
        let mut state = 7_u64;
        let mut draw = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for (i, change) in storage.changes().iter().enumerate() {
            disk.apply(change);
            for _ in 0..if i + 1 < before { 0 } else { 8 } {
                let image = folder();
                disk.image(image.path(), &mut draw).unwrap();
                let what = format!("{tried:?} {durability:?}, power lost after change {}: {change:?}", i + 1 - before);
                power(&what, &image.path().join("log"), &stores.at(i + 1, &mut || draw(2) == 0), tried, durability);
            }
        }
    }
}

/// After the power went: what the topic's policy promises is there.
fn power(what: &str, log: &Path, stores: &RecordingStores, tried: Act, durability: Durability) {
    let open = || Log::open(log).unwrap().with_stores(Arc::new(stores.clone())).topic("t");
    // Without syncs the end may be lost, or damaged beyond repair; not what is remote.
    let opened = open().and_then(|topic| topic.writer());
    if let (Err(e), Durability::None) = (&opened, durability) {
        assert!(!e.to_string().contains("last segment is missing"), "{what}: {e}");
        return;
    }
    drop(opened.unwrap_or_else(|e| panic!("{what}: {e}")));
    let topic = open().unwrap();
    let mut reader = topic.reader(P0, Start::First, Some(&[0])).unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(Entry::Records(r))) => found.extend(ids(&[r.batch])),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(e) => {
                let remote = topic.local().unwrap().segments(P0).unwrap().iter().rfind(|s| s.object.is_some()).map_or(0, |s| s.end.0);
                assert!(durability == Durability::None && reader.offset().0 >= remote, "{what}: {e}");
                break;
            }
        }
    }
    let first = topic.start().unwrap().get(P0).0 as i64;
    match (tried, durability) {
        (Act::Compact, _) => assert!(found.windows(2).all(|w| w[0] < w[1]), "{what}"),
        (_, Durability::None) => assert_eq!(found, (first..first + found.len() as i64).collect::<Vec<_>>(), "{what}"),
        _ => assert_eq!(found, (first..ROWS).collect::<Vec<_>>(), "{what}"),
    }
}
