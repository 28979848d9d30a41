//! A job's versions: deploy, cutover, rollback, delete.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use serde::Serialize;
use twopath_base::Position;
use twopath_storage::{OsStorage, create_dir_durably};
use twopath_view::{Answer, Selection};

use crate::manifest::{JobManifest, Version};
use crate::{ServingError, Table, TableBytes};

/// The versions of one job, and the one that readers are on.
///
/// What has been decided stands in `<dir>/jobs/<job>/tables.json`, replaced atomically, and is decided there first; then readers are
/// moved, in one step. After a crash at any point, opening it again gives the set before the interrupted command or the set after
/// it. Tables live in memory: a version that was running before must be started again, and deployed again under its number
/// ([`VersionStatus::running`] says which).
pub struct Tables {
    job: String,
    dir: PathBuf,
    active: ArcSwapOption<ActiveVersion>,
    versions: Mutex<Versions>,
    #[cfg(test)]
    steps_until_crash: std::sync::atomic::AtomicI64,
}

struct Versions {
    manifest: JobManifest,
    running: BTreeMap<u64, Arc<Table>>,
}

/// The version that readers are on. A reader that holds it reads this version, whatever happens meanwhile.
pub struct ActiveVersion {
    pub version: u64,
    pub table: Arc<Table>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Deployed, and not cut over to.
    CatchingUp,
    /// Readers are on it.
    Active,
    /// Readers were on it before; a rollback goes there.
    Standby,
}

#[derive(Debug, Clone, Serialize)]
pub struct VersionStatus {
    pub version: u64,
    pub description: String,
    pub state: VersionState,
    /// False after a restart, until it has been deployed again.
    pub running: bool,
    /// What its answers are exact for now.
    pub position: Option<Position>,
    /// In memory.
    pub bytes: u64,
}

impl Tables {
    /// Opens (and where needed makes) the versions of `job` below `dir`, and clears away what a crash left behind.
    pub fn open(dir: &Path, job: &str) -> Result<Self, ServingError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !job.starts_with(|c: char| c.is_ascii_alphanumeric()) || !job.chars().all(good) {
            return Err(ServingError::JobName { job: job.into() });
        }
        let dir = dir.join("jobs").join(job);
        create_dir_durably(&OsStorage, &dir).map_err(io_error(&dir))?;
        let manifest = JobManifest::load(&dir)?;
        let tables = Tables {
            job: job.into(),
            dir,
            active: ArcSwapOption::empty(),
            versions: Mutex::new(Versions { manifest, running: BTreeMap::new() }),
            #[cfg(test)]
            steps_until_crash: i64::MAX.into(),
        };
        tables.remove_orphans()?;
        Ok(tables)
    }

    /// The folder for a version's own files; made by [`Tables::deploy`], removed by [`Tables::delete`].
    pub fn version_dir(&self, version: u64) -> PathBuf {
        self.dir.join(format!("v{version}"))
    }

    /// Adds a version beside those that are there; readers stay where they are. A known version that is not running (after a
    /// restart) is taken up again where it stood: the active one serves as soon as this returns.
    pub fn deploy(&self, version: u64, description: &str, table: Arc<Table>) -> Result<(), ServingError> {
        let mut versions = self.lock();
        if versions.running.contains_key(&version) {
            return Err(ServingError::AlreadyRunning { job: self.job.clone(), version });
        }
        if !versions.manifest.has(version) {
            let mut next = versions.manifest.clone();
            next.versions.push(Version { version, description: description.into() });
            next.versions.sort_by_key(|v| v.version);
            self.save(&mut versions, next)?;
        }
        let dir = self.version_dir(version);
        self.step("make the version's folder").and_then(|()| fs::create_dir_all(&dir)).map_err(io_error(&dir))?;
        versions.running.insert(version, table.clone());
        if versions.manifest.active == Some(version) {
            self.active.store(Some(Arc::new(ActiveVersion { version, table })));
        }
        Ok(())
    }

    /// The version that readers are on; `None` before the first cutover, and after a restart until it has been deployed again.
    pub fn active(&self) -> Option<Arc<ActiveVersion>> {
        self.active.load_full()
    }

    /// An answer by the active version, and that version's number.
    pub fn answer(&self, selection: &Selection) -> Result<(u64, Answer), ServingError> {
        let active = self.active.load();
        let active = active.as_ref().ok_or_else(|| ServingError::NoActiveVersion { job: self.job.clone() })?;
        Ok((active.version, active.table.answer(selection)?))
    }

    /// Readers move to `version` in one step; the version that they leave is kept for a rollback. Refused while `version` covers
    /// nothing; that its lag is closed is for the caller to see to.
    pub fn cutover(&self, version: u64) -> Result<(), ServingError> {
        let mut versions = self.lock();
        self.switch(&mut versions, version)
    }

    /// Readers move back to the version that they were on before the last cutover (and by a second rollback forward again).
    /// Returns that version's number.
    pub fn rollback(&self) -> Result<u64, ServingError> {
        let mut versions = self.lock();
        let previous = versions.manifest.previous.ok_or_else(|| ServingError::NothingToRollBackTo { job: self.job.clone() })?;
        self.switch(&mut versions, previous)?;
        Ok(previous)
    }

    fn switch(&self, versions: &mut Versions, version: u64) -> Result<(), ServingError> {
        self.known(versions, version)?;
        let Some(table) = versions.running.get(&version).cloned() else {
            return Err(ServingError::NotRunning { job: self.job.clone(), version });
        };
        if table.position().is_none() {
            return Err(ServingError::NotReady { job: self.job.clone(), version });
        }
        let active = versions.manifest.active;
        if active != Some(version) {
            let next = JobManifest { active: Some(version), previous: active, ..versions.manifest.clone() };
            self.save(versions, next)?;
        }
        self.active.store(Some(Arc::new(ActiveVersion { version, table })));
        Ok(())
    }

    /// Removes a version and its folder. Whoever feeds its table stops that first.
    ///
    /// # Errors
    /// [`ServingError::IsActive`] for the one that readers are on, and [`ServingError::IsOnly`] where there is no other that they could go
    /// to: such a job goes with its folder, or not at all.
    pub fn delete(&self, version: u64) -> Result<(), ServingError> {
        let mut versions = self.lock();
        self.known(&versions, version)?;
        if versions.manifest.active == Some(version) {
            let job = self.job.clone();
            let is_only = versions.manifest.versions.len() == 1;
            return Err(if is_only { ServingError::IsOnly { job, version } } else { ServingError::IsActive { job, version } });
        }
        let mut next = versions.manifest.clone();
        next.versions.retain(|v| v.version != version);
        next.previous = next.previous.filter(|&v| v != version);
        self.save(&mut versions, next)?;
        versions.running.remove(&version);
        let dir = self.version_dir(version);
        self.step("remove the version's folder").map_err(io_error(&dir))?;
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(&dir)(e)),
            _ => Ok(()),
        }
    }

    /// All versions, ascending.
    pub fn status(&self) -> Vec<VersionStatus> {
        let versions = self.lock();
        let manifest = &versions.manifest;
        let status = |v: &Version| {
            let table = versions.running.get(&v.version);
            let state = match Some(v.version) {
                n if n == manifest.active => VersionState::Active,
                n if n == manifest.previous => VersionState::Standby,
                _ => VersionState::CatchingUp,
            };
            VersionStatus {
                version: v.version,
                description: v.description.clone(),
                state,
                running: table.is_some(),
                position: table.and_then(|t| t.position()),
                bytes: table.map_or(0, |t| t.bytes().batch + t.bytes().realtime),
            }
        };
        manifest.versions.iter().map(status).collect()
    }

    /// Bytes in memory of all running versions' tables.
    pub fn bytes(&self) -> TableBytes {
        let sum = |a: TableBytes, b: TableBytes| TableBytes { batch: a.batch + b.batch, realtime: a.realtime + b.realtime };
        self.lock().running.values().map(|t| t.bytes()).fold(TableBytes::default(), sum)
    }

    fn lock(&self) -> MutexGuard<'_, Versions> {
        // A panic in here leaves the decided manifest untouched: it is replaced only after its file was.
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, versions: &Versions, version: u64) -> Result<(), ServingError> {
        if versions.manifest.has(version) {
            return Ok(());
        }
        let known = match versions.manifest.versions.as_slice() {
            [] => "none".into(),
            all => all.iter().map(|v| v.version.to_string()).collect::<Vec<_>>().join(", "),
        };
        Err(ServingError::UnknownVersion { job: self.job.clone(), version, known })
    }

    fn save(&self, versions: &mut Versions, next: JobManifest) -> Result<(), ServingError> {
        next.save(&self.dir, |name| self.step(name))?;
        versions.manifest = next;
        Ok(())
    }

    /// Folders of versions that the manifest does not list: a delete was interrupted between the two.
    fn remove_orphans(&self) -> Result<(), ServingError> {
        let versions = self.lock();
        for entry in fs::read_dir(&self.dir).map_err(io_error(&self.dir))? {
            let path = entry.map_err(io_error(&self.dir))?.path();
            let number = path.file_name().and_then(|n| n.to_str()?.strip_prefix('v')?.parse().ok());
            if number.is_some_and(|v| !versions.manifest.has(v)) {
                tracing::info!(folder = %path.display(), "removing the folder of a deleted version");
                fs::remove_dir_all(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// Where tests let a command fail, as a crash would.
    fn step(&self, _name: &str) -> io::Result<()> {
        #[cfg(test)]
        if self.steps_until_crash.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) <= 0 {
            return Err(io::Error::other(format!("crashed before: {_name}")));
        }
        Ok(())
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ServingError + use<> {
    let path = path.to_owned();
    |source| ServingError::Io { path, source }
}

#[cfg(test)]
#[path = "tables_test.rs"]
mod tests;
