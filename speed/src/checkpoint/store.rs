//! A folder of checkpoints: opening it, committing into it, starting from it, sweeping it.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_base::checksum::crc32c;
use twopath_base::sync::lock;
use twopath_query::Query;
use twopath_storage::{Storage, create_dir_durably, remove_if_there, write_atomically};
use twopath_view::{Generation, GroupTable, RealtimeView};

use super::manifest::{self, GenerationAtRest, Identity, Manifest, RunAtRest, fence_name, manifest_name, number_of, run_epoch, run_name};
use super::{Checkpoints, Newest, Refused, Restored, run, whole};
use crate::error::SpeedError;
use crate::input::Input;

const LOCK: &str = "lock";
const ORIGIN: &str = "origin";
const FENCE: &str = "fence-";
const CHECKPOINT: &str = "checkpoint-";
/// What `write_atomically` left where its process died.
const UNFINISHED: &str = ".new";

/// How long an owner that is about to commit is waited for. It holds the lock for a few syncs; one that holds it longer was stopped in the midst.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a reader begins again because the owner swept what it was reading.
const ATTEMPTS: usize = 5;

/// What checkpoints have cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckpointStats {
    pub taken: u64,
    /// Of runs and manifests.
    pub bytes_written: u64,
    /// Of runs that an earlier checkpoint had written.
    pub bytes_reused: u64,
    /// How long the last one took.
    pub last: Duration,
    /// What the last one would take to read again.
    pub last_bytes: u64,
}

/// Whose checkpoints these are. With the checkpoints gone, it tells a job that has lost its state from a new one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    identity: Identity,
    /// From where on the job answers.
    lower: Position,
}

pub(crate) struct CheckpointStore {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    keep: usize,
    identity: Identity,
    /// `None` for one that only reads.
    owned: Option<Mutex<Owned>>,
    bytes_written: AtomicU64,
}

/// What the owner knows.
struct Owned {
    epoch: u64,
    next_run: u64,
    next_number: u64,
    /// The runs of the last checkpoint, which are not written again.
    written: Vec<(Arc<GroupTable>, RunAtRest)>,
    /// The first generation and the position of the last checkpoint.
    last: Option<(u64, Position)>,
    /// The positions of those that are kept, the newest last.
    kept: Vec<Position>,
    stats: CheckpointStats,
    /// Locked for as long as the owner lives.
    _fence: File,
}

/// What was made of the newest checkpoint that can be used, and why newer ones cannot.
type Found<T> = (Option<(Manifest, T)>, Vec<Refused>);

impl CheckpointStore {
    /// Opens what a job was told.
    pub fn of(checkpoints: &Checkpoints, identity: Identity) -> Result<Self, SpeedError> {
        let Checkpoints { dir, storage, keep, interval } = checkpoints;
        match interval {
            Some(_) => CheckpointStore::open(Arc::clone(storage), dir, *keep, identity),
            None => Ok(CheckpointStore::open_to_read(Arc::clone(storage), dir, identity)),
        }
    }

    /// Opens a folder to start from it.
    pub fn open_to_read(storage: Arc<dyn Storage>, dir: &Path, identity: Identity) -> Self {
        CheckpointStore { storage, dir: dir.to_owned(), keep: usize::MAX, identity, owned: None, bytes_written: AtomicU64::new(0) }
    }

    /// Opens a folder to commit into it, making it where needed. An owner before this one commits nothing from here on.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, keep: usize, identity: Identity) -> Result<Self, SpeedError> {
        create_dir_durably(&*storage, dir).map_err(at(dir))?;
        let mut store = CheckpointStore::open_to_read(storage, dir, identity);
        let _lock = store.lock()?;
        let names = store.names()?;
        let numbers = |prefix: &str| names.iter().filter_map(|name| number_of(name, prefix)).collect::<Vec<u64>>();
        let fences = numbers(FENCE);
        let epoch = fences.iter().copied().chain(names.iter().filter_map(|name| run_epoch(name))).max().unwrap_or(0) + 1;
        let path = store.dir.join(fence_name(epoch));
        store.storage.create(&path).map_err(at(&path))?;
        store.storage.sync_dir(dir).map_err(at(dir))?;
        let fence = File::open(&path).map_err(at(&path))?;
        fence.lock().map_err(at(&path))?;
        for older in fences {
            let path = store.dir.join(fence_name(older));
            remove_if_there(&*store.storage, &path).map_err(at(&path))?;
        }
        for name in names.iter().filter(|name| name.ends_with(UNFINISHED)) {
            let path = store.dir.join(name);
            remove_if_there(&*store.storage, &path).map_err(at(&path))?;
        }
        store.keep = keep.max(1);
        store.owned = Some(Mutex::new(Owned {
            epoch,
            next_run: 1,
            next_number: numbers(CHECKPOINT).into_iter().max().unwrap_or(0) + 1,
            written: Vec::new(),
            last: None,
            kept: Vec::new(),
            stats: CheckpointStats::default(),
            _fence: fence,
        }));
        Ok(store)
    }

    /// The newest checkpoint that is whole, read into memory; `None` where the job is to read the log from `from` on, and nothing is lost by that.
    ///
    /// # Errors
    /// There were checkpoints, none is whole, and the log no longer has what they began with; or the folder cannot be read.
    pub fn restore(&self, input: &Input, layout: &Query, from: &Position) -> Result<(Option<Restored>, Vec<Refused>), SpeedError> {
        let mut attempts = 0;
        let (restored, refused) = loop {
            attempts += 1;
            let (found, refused) = self.newest_by(input, |manifest| self.read(manifest, layout))?;
            // The owner may have swept what was being read; then there is a newer one.
            let swept = refused.iter().any(|r| !r.file.exists());
            if !swept || found.is_some() || attempts == ATTEMPTS {
                break (found.map(|(manifest, generations)| Restored { manifest, generations }), refused);
            }
        };
        for Refused { file, reason } in &refused {
            tracing::warn!(file = %file.display(), reason, "a checkpoint is passed over");
        }
        match &restored {
            Some(restored) => self.adopt(restored),
            None => self.check_origin(from, &refused)?,
        }
        Ok((restored, refused))
    }

    /// The newest checkpoint that is whole, without its state.
    pub fn newest(&self, input: &Input) -> Result<Newest, SpeedError> {
        let (found, refused) =
            self.newest_by(input, |manifest| manifest.runs().try_for_each(|at_rest| self.verified(at_rest).map(drop)))?;
        Ok(Newest { manifest: found.map(|(manifest, ())| manifest), refused })
    }

    /// Writes a view as the next checkpoint, and sweeps what no kept one names. `None` where the last one says the same, or the view is an error
    /// (which a restart meets again in the log).
    ///
    /// # Errors
    /// [`SpeedError::Fenced`] where another owner came since, and whatever keeps files from being written; then what was there stays.
    pub fn commit(&self, view: &RealtimeView, input: &Input, now_us: i64) -> Result<Option<Manifest>, SpeedError> {
        let Some(owned) = &self.owned else { return Ok(None) };
        let mut owned = lock(owned);
        let what = (view.generations[0].number, view.position().clone());
        if view.error.is_some() || owned.last.as_ref() == Some(&what) {
            return Ok(None);
        }
        let started = Instant::now();
        let mut runs = Vec::new();
        let mut generations = Vec::new();
        for generation in &view.generations {
            let mut at_rest = Vec::new();
            for table in generation.tables.iter().filter(|table| !table.is_empty()) {
                let known = owned.written.iter().find(|(known, _)| Arc::ptr_eq(known, table)).map(|(_, run)| run.clone());
                let run = match known {
                    Some(run) => {
                        owned.stats.bytes_reused += run.bytes;
                        run
                    }
                    None => self.write_run(&mut owned, table)?,
                };
                runs.push((Arc::clone(table), run.clone()));
                at_rest.push(run);
            }
            let (lower, upper) = (generation.lower.clone(), generation.upper.clone());
            generations.push(GenerationAtRest { number: generation.number, lower, upper, runs: at_rest });
        }
        let arrivals_us = whole::arrivals_us(input, view.position())?;
        let number = owned.next_number;
        let manifest = Manifest { number, epoch: owned.epoch, identity: self.identity.clone(), taken_us: now_us, generations, arrivals_us };

        let _lock = self.lock()?;
        self.check_fence(owned.epoch)?;
        // Whatever becomes of this one, its number is not used again.
        owned.next_number += 1;
        // The runs' entries are on the disk before what names them.
        self.storage.sync_dir(&self.dir).map_err(at(&self.dir))?;
        if number == 1 {
            self.write_origin(manifest.lower())?;
        }
        self.write(&manifest_name(number), &manifest.encode())?;
        owned.last = Some(what);
        owned.written = runs;
        owned.stats.taken += 1;
        owned.stats.last = started.elapsed();
        owned.stats.last_bytes = manifest.runs().map(|run| run.bytes).sum();
        owned.kept = self.sweep(owned.epoch)?;
        Ok(Some(manifest))
    }

    /// What the oldest of the kept checkpoints stands at.
    pub fn oldest_kept(&self) -> Option<Position> {
        lock(self.owned.as_ref()?).kept.first().cloned()
    }

    pub fn stats(&self) -> CheckpointStats {
        let stats = self.owned.as_ref().map(|owned| lock(owned).stats).unwrap_or_default();
        CheckpointStats { bytes_written: self.bytes_written.load(Ordering::Relaxed), ..stats }
    }

    /// Goes on from a checkpoint: its runs are written already.
    fn adopt(&self, restored: &Restored) {
        let Some(owned) = &self.owned else { return };
        let mut owned = lock(owned);
        let at_rest = restored.manifest.runs().cloned();
        owned.written = restored.generations.iter().flat_map(|g| &g.tables).cloned().zip(at_rest).collect();
        owned.last = Some((restored.generations[0].number, restored.manifest.position().clone()));
        owned.kept = vec![restored.manifest.position().clone()];
    }

    /// Without a checkpoint, a job that began at another place than the log begins now would count less than before.
    fn check_origin(&self, from: &Position, refused: &[Refused]) -> Result<(), SpeedError> {
        let path = self.dir.join(ORIGIN);
        let origin = match self.storage.read(&path) {
            Ok(bytes) => manifest::decode::<Origin>(&bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound && refused.is_empty() => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err("it is missing".into()),
            Err(source) => return Err(at(&path)(source)),
        };
        let lower = match origin {
            // Another job's folder says nothing of this one.
            Ok(origin) if origin.identity != self.identity => return Ok(()),
            Ok(origin) => origin.lower,
            Err(_) if from.records() == 0 => return Ok(()),
            Err(_) => Position::zero(from.partitions()),
        };
        if lower == *from {
            return Ok(());
        }
        let told = refused.iter().map(|r| format!("{}: {}", r.file.display(), r.reason)).collect::<Vec<_>>();
        let told = if told.is_empty() { "there is none".into() } else { told.join("; ") };
        Err(SpeedError::StateGone { place: self.dir.display().to_string(), lower, from: from.clone(), told })
    }

    fn write_origin(&self, lower: &Position) -> Result<(), SpeedError> {
        self.write(ORIGIN, &manifest::encode(&Origin { identity: self.identity.clone(), lower: lower.clone() }))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), SpeedError> {
        let path = self.dir.join(name);
        write_atomically(&*self.storage, &path, bytes).map_err(at(&path))?;
        self.bytes_written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// A name is used once: what an earlier attempt left under it may not be on the disk.
    fn write_run(&self, owned: &mut Owned, table: &GroupTable) -> Result<RunAtRest, SpeedError> {
        let file = run_name(owned.epoch, owned.next_run);
        owned.next_run += 1;
        let path = self.dir.join(&file);
        let bytes = run::encode(table).map_err(|e| at(&path)(io::Error::other(e)))?;
        let written = self.storage.create(&path).and_then(|to| {
            to.append(&[IoSlice::new(&bytes)])?;
            to.sync_data()
        });
        written.map_err(at(&path))?;
        self.bytes_written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(RunAtRest { file, bytes: bytes.len() as u64, crc32c: crc32c(&bytes), groups: table.len() as u64 })
    }

    /// Tries the checkpoints from the newest on, until `read` makes something of one.
    fn newest_by<T>(&self, input: &Input, read: impl Fn(&Manifest) -> Result<T, Refused>) -> Result<Found<T>, SpeedError> {
        let mut numbers: Vec<u64> = self.names()?.iter().filter_map(|name| number_of(name, CHECKPOINT)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let mut refused = Vec::new();
        for number in numbers {
            let file = self.dir.join(manifest_name(number));
            let refuse = |reason| Refused { file: file.clone(), reason };
            let manifest = match self.manifest(number) {
                Ok(manifest) => manifest,
                Err(reason) => {
                    refused.push(refuse(reason));
                    continue;
                }
            };
            if let Some(reason) = whole::misfit(&manifest, &self.identity, input)? {
                refused.push(refuse(reason));
                continue;
            }
            match read(&manifest) {
                Ok(read) => return Ok((Some((manifest, read)), refused)),
                Err(why) => refused.push(why),
            }
        }
        Ok((None, refused))
    }

    fn manifest(&self, number: u64) -> Result<Manifest, String> {
        let bytes = self.storage.read(&self.dir.join(manifest_name(number))).map_err(|e| e.to_string())?;
        let manifest = Manifest::decode(&bytes)?;
        if manifest.number != number {
            return Err(format!("it is checkpoint {}", manifest.number));
        }
        Ok(manifest)
    }

    fn read(&self, manifest: &Manifest, layout: &Query) -> Result<Vec<Generation>, Refused> {
        let generation = |g: &GenerationAtRest| {
            let table = |at_rest: &RunAtRest| {
                let bytes = self.verified(at_rest)?;
                let refused = |reason| Refused { file: self.dir.join(&at_rest.file), reason };
                run::decode(bytes, at_rest, layout).map(Arc::new).map_err(refused)
            };
            let tables = g.runs.iter().map(table).collect::<Result<_, _>>()?;
            Ok(Generation::of(g.number, (g.lower.clone(), g.upper.clone()), tables))
        };
        manifest.generations.iter().map(generation).collect()
    }

    fn verified(&self, at_rest: &RunAtRest) -> Result<Vec<u8>, Refused> {
        let file = self.dir.join(&at_rest.file);
        let read = self.storage.read(&file).map_err(|e| e.to_string());
        read.and_then(|bytes| run::verify(&bytes, at_rest).map(|()| bytes)).map_err(|reason| Refused { file, reason })
    }

    /// Removes what no kept checkpoint names, for whoever has the lock and is the owner. Gives the positions of those kept, the oldest first.
    ///
    /// Checkpoints of another topic or query are not this job's to remove. While one that cannot be read is there and is not older than those
    /// that are kept, no run is removed: it may name it.
    fn sweep(&self, epoch: u64) -> Result<Vec<Position>, SpeedError> {
        let names = self.names()?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name, CHECKPOINT)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let (mut kept, mut named, mut unreadable, mut removed) = (Vec::new(), BTreeSet::new(), false, false);
        for number in numbers {
            let manifest = self.manifest(number).ok();
            let is_foreign = manifest.as_ref().is_some_and(|m| m.identity != self.identity);
            if kept.len() == self.keep && !is_foreign {
                let path = self.dir.join(manifest_name(number));
                remove_if_there(&*self.storage, &path).map_err(at(&path))?;
                removed = true;
                continue;
            }
            match manifest {
                Some(manifest) => {
                    named.extend(manifest.runs().map(|run| run.file.clone()));
                    kept.extend((!is_foreign).then(|| manifest.position().clone()));
                }
                None => unreadable = true,
            }
        }
        if removed {
            self.storage.sync_dir(&self.dir).map_err(at(&self.dir))?;
        }
        let is_swept = |name: &&String| run_epoch(name).is_some_and(|of| of <= epoch) && !named.contains(*name) && !unreadable;
        for name in names.iter().filter(is_swept) {
            let path = self.dir.join(name);
            remove_if_there(&*self.storage, &path).map_err(at(&path))?;
        }
        kept.reverse();
        Ok(kept)
    }

    fn check_fence(&self, epoch: u64) -> Result<(), SpeedError> {
        let newest = self.names()?.iter().filter_map(|name| number_of(name, FENCE)).max().unwrap_or(0);
        if newest == epoch { Ok(()) } else { Err(SpeedError::Fenced { place: self.dir.display().to_string(), epoch, newest }) }
    }

    /// The folder's lock, which is held for the length of a commit.
    fn lock(&self) -> Result<File, SpeedError> {
        let path = self.dir.join(LOCK);
        let file = File::create(&path).map_err(at(&path))?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(2)),
                Err(TryLockError::WouldBlock) => return Err(SpeedError::CheckpointsBusy { path }),
                Err(TryLockError::Error(source)) => return Err(at(&path)(source)),
            }
        }
    }

    fn names(&self) -> Result<Vec<String>, SpeedError> {
        match self.storage.list(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names.map_err(at(&self.dir)),
        }
    }
}

/// Whether a living process owns a folder's checkpoints.
pub(super) fn has_owner(dir: &Path) -> bool {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let newest = names.filter_map(|name| number_of(&name, FENCE)).max();
    let fence = newest.and_then(|epoch| File::open(dir.join(fence_name(epoch))).ok());
    fence.is_some_and(|fence| matches!(fence.try_lock(), Err(TryLockError::WouldBlock)))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SpeedError + '_ {
    move |source| SpeedError::Checkpoint { path: path.to_owned(), source: Arc::new(source) }
}
