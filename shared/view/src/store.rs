//! Batch views at rest: numbered versions, each published whole or not at all.
//!
//! A version is a folder `v00000001/` with two files: `view.arrow`, the [`GroupTable`] as a standard Arrow IPC file, and
//! `manifest.json`, a [`ViewManifest`] that names the query, the horizon and the checksum of `view.arrow`. It is written under a name
//! that no reader looks at, synced, and renamed into place; so a version that can be seen is complete, and a crash leaves nothing
//! half-published. Readers in other processes need no lock.
//!
//! **What it is not**: a place for realtime views (they live in the speed layer) nor a table that is being served (see `serving`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use serde::{Deserialize, Serialize};

use super::{BatchView, GroupTable};
use twopath_base::Position;
use twopath_base::checksum::{Crc32c, crc32c};
use twopath_query::Query;
use twopath_storage::{OsStorage, create_dir_durably};

const VIEW_FILE: &str = "view.arrow";
const MANIFEST_FILE: &str = "manifest.json";
/// What a version is called while it is being written or removed.
const UNFINISHED: &str = "unfinished-";

/// A folder of batch view versions of one job.
#[derive(Debug, Clone)]
pub struct ViewStore {
    dir: PathBuf,
    keep: usize,
}

/// What a batch run hands over to be published.
#[derive(Debug, Clone)]
pub struct ViewParts {
    /// The barrier at which it was cut, 0 for none.
    pub barrier: u64,
    /// From where on it answers: the log's start when it was computed.
    pub lower: Position,
    /// The horizon, exclusive.
    pub upper: Position,
    pub table: Arc<GroupTable>,
    /// Which code made it: `sql`, or the name of hand-written logic and its version.
    pub logic: String,
    /// What tells the log up to the horizon from every other one, for a run that goes on from this view; none where no run may.
    pub log: Option<String>,
    /// Milliseconds by step of the run so far.
    pub timings_ms: BTreeMap<String, f64>,
}

/// What stands beside a view: where it came from, and what its file must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewManifest {
    pub version: u64,
    pub barrier: u64,
    /// From where on the view answers: the log's start when it was computed. Views of before this was written down answer from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<Position>,
    /// The horizon: everything from there up to it is in the view.
    #[serde(rename = "horizon")]
    pub upper: Position,
    pub query: Query,
    /// Which code made it.
    pub logic: String,
    /// As [`ViewParts::log`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Records between the two.
    pub records: u64,
    /// Groups in the view.
    pub groups: u64,
    /// Milliseconds by step of the run, writing the view included.
    pub timings_ms: BTreeMap<String, f64>,
    /// Size of `view.arrow`.
    pub bytes: u64,
    /// CRC-32C of `view.arrow`.
    pub crc32c: u32,
}

/// Why a view could not be published or loaded.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {source}; check that the folder exists, is writable and has space")]
    Io { path: PathBuf, source: io::Error },
    #[error("{dir}: there is no version {version} of this batch view; it has {have:?}")]
    NoSuchVersion { dir: PathBuf, version: u64, have: Vec<u64> },
    #[error("{path} is damaged: {what}; remove its folder and run the batch again, or use another version")]
    Damaged { path: PathBuf, what: String },
    #[error("{path} was computed for another query; give the job another folder, or remove this one")]
    OtherQuery { path: PathBuf },
    #[error("{path}: another process published version {version} at the same time; let one process only run the batch of a job")]
    Taken { path: PathBuf, version: u64 },
    #[error("{path}: the view could not be written as Arrow: {what}")]
    Encode { path: PathBuf, what: String },
}

impl ViewStore {
    /// Opens a job's folder to publish into it (one process at a time), making it where needed and removing what a crashed run left.
    /// The last `keep` versions (at least one) are kept.
    pub fn open(dir: &Path, keep: usize) -> Result<Self, StoreError> {
        create_dir_durably(&OsStorage, dir).map_err(at(dir))?;
        let store = ViewStore { dir: dir.to_owned(), keep: keep.max(1) };
        for name in store.names()? {
            if name.starts_with(UNFINISHED) {
                tracing::info!(dir = %dir.display(), name, "removing what an unfinished batch run left");
                store.remove(&name)?;
            }
        }
        Ok(store)
    }

    /// Opens a job's folder to load from it, beside the process that publishes; leaves everything as it is.
    pub fn open_to_read(dir: &Path) -> Self {
        ViewStore { dir: dir.to_owned(), keep: usize::MAX }
    }

    /// Writes the next version, puts it in place in one step, and then deletes versions beyond the last `keep`.
    pub fn publish(&self, query: &Query, parts: ViewParts) -> Result<BatchView, StoreError> {
        let version = self.versions()?.last().map_or(1, |v| v + 1);
        let unfinished = self.dir.join(format!("{UNFINISHED}{}", folder(version)));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(at(&unfinished))?;
        }
        fs::create_dir(&unfinished).map_err(at(&unfinished))?;

        let started = std::time::Instant::now();
        let view_path = unfinished.join(VIEW_FILE);
        let (bytes, crc32c) = write_view(&view_path, &parts.table.to_batch())?;
        let mut timings_ms = parts.timings_ms;
        timings_ms.insert("write".to_owned(), started.elapsed().as_secs_f64() * 1e3);

        let manifest = ViewManifest {
            version,
            barrier: parts.barrier,
            lower: Some(parts.lower.clone()),
            upper: parts.upper.clone(),
            query: query.clone(),
            logic: parts.logic,
            log: parts.log,
            records: parts.upper.records_since(&parts.lower),
            groups: parts.table.len() as u64,
            timings_ms,
            bytes,
            crc32c,
        };
        let manifest_path = unfinished.join(MANIFEST_FILE);
        let text =
            serde_json::to_vec_pretty(&manifest).map_err(|e| StoreError::Encode { path: manifest_path.clone(), what: e.to_string() })?;
        let mut file = File::create(&manifest_path).map_err(at(&manifest_path))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(at(&manifest_path))?;
        sync_dir(&unfinished)?;

        let place = self.dir.join(folder(version));
        // Renaming onto a folder that has files in it fails, so of two publishers one is told.
        fs::rename(&unfinished, &place).map_err(|e| match e.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => StoreError::Taken { path: place.clone(), version },
            _ => StoreError::Io { path: place.clone(), source: e },
        })?;
        sync_dir(&self.dir)?;

        let versions = self.versions()?;
        for old in &versions[..versions.len().saturating_sub(self.keep)] {
            self.remove(&folder(*old))?;
        }
        Ok(BatchView { version, barrier: parts.barrier, lower: parts.lower, upper: parts.upper, table: parts.table })
    }

    /// The versions that can be loaded, ascending.
    pub fn versions(&self) -> Result<Vec<u64>, StoreError> {
        let mut versions: Vec<u64> =
            self.names()?.iter().filter_map(|name| name.strip_prefix('v')).filter_map(|digits| digits.parse().ok()).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The newest version, verified; `None` where nothing has been published.
    pub fn latest(&self, query: &Query) -> Result<Option<BatchView>, StoreError> {
        loop {
            let Some(&version) = self.versions()?.last() else { return Ok(None) };
            match self.load(query, version) {
                // The publisher went on and deleted it between the listing and the loading.
                Err(StoreError::NoSuchVersion { .. }) => {}
                other => return other.map(Some),
            }
        }
    }

    /// Reads a version for the query that it was computed for, and verifies it against its manifest.
    pub fn load(&self, query: &Query, version: u64) -> Result<BatchView, StoreError> {
        let manifest = self.manifest(version)?;
        let path = self.dir.join(folder(version)).join(VIEW_FILE);
        if manifest.query != *query {
            return Err(StoreError::OtherQuery { path });
        }
        let damaged = |what: String| StoreError::Damaged { path: path.clone(), what };
        let bytes = fs::read(&path).map_err(|e| self.not_found_or(e, &path, version))?;
        if bytes.len() as u64 != manifest.bytes {
            return Err(damaged(format!("it has {} bytes, its manifest says {}", bytes.len(), manifest.bytes)));
        }
        let crc = crc32c(&bytes);
        if crc != manifest.crc32c {
            return Err(damaged(format!("its checksum is {crc:08x}, its manifest says {:08x}", manifest.crc32c)));
        }
        let batches = FileReader::try_new(io::Cursor::new(bytes), None)
            .and_then(|reader| reader.collect::<Result<Vec<_>, _>>())
            .map_err(|e| damaged(e.to_string()))?;
        let [batch] = batches.as_slice() else { return Err(damaged(format!("it holds {} record batches, not one", batches.len()))) };
        let table = GroupTable::from_batch(query, batch).map_err(&damaged)?;
        if table.len() as u64 != manifest.groups {
            return Err(damaged(format!("it holds {} groups, its manifest says {}", table.len(), manifest.groups)));
        }
        let lower = manifest.lower.unwrap_or_else(|| Position::zero(manifest.upper.partitions()));
        Ok(BatchView { version, barrier: manifest.barrier, lower, upper: manifest.upper, table: Arc::new(table) })
    }

    /// What is known of a version without reading its view.
    pub fn manifest(&self, version: u64) -> Result<ViewManifest, StoreError> {
        let path = self.dir.join(folder(version)).join(MANIFEST_FILE);
        let text = fs::read(&path).map_err(|e| self.not_found_or(e, &path, version))?;
        let manifest: ViewManifest =
            serde_json::from_slice(&text).map_err(|e| StoreError::Damaged { path: path.clone(), what: e.to_string() })?;
        if manifest.version != version {
            return Err(StoreError::Damaged { path, what: format!("it is the manifest of version {}", manifest.version) });
        }
        Ok(manifest)
    }

    /// Bytes of all versions at rest.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for version in self.versions()? {
            for file in [VIEW_FILE, MANIFEST_FILE] {
                let path = self.dir.join(folder(version)).join(file);
                match fs::metadata(&path) {
                    Ok(m) => bytes += m.len(),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(StoreError::Io { path, source }),
                }
            }
        }
        Ok(bytes)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::Io { path: self.dir.clone(), source }),
        };
        entries.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()).map_err(at(&self.dir))).collect()
    }

    /// Takes a folder out of readers' sight in one step, then deletes it.
    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut doomed = self.dir.join(name);
        if !name.starts_with(UNFINISHED) {
            let hidden = self.dir.join(format!("{UNFINISHED}removed-{name}"));
            fs::rename(&doomed, &hidden).map_err(at(&doomed))?;
            doomed = hidden;
        }
        fs::remove_dir_all(&doomed).map_err(at(&doomed))
    }

    fn not_found_or(&self, source: io::Error, path: &Path, version: u64) -> StoreError {
        if source.kind() != io::ErrorKind::NotFound {
            return StoreError::Io { path: path.to_owned(), source };
        }
        match self.versions() {
            Ok(have) if have.contains(&version) => StoreError::Damaged { path: path.to_owned(), what: "the file is missing".to_owned() },
            Ok(have) => StoreError::NoSuchVersion { dir: self.dir.clone(), version, have },
            Err(e) => e,
        }
    }
}

fn folder(version: u64) -> String {
    format!("v{version:08}")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

/// A folder's entries are on the disk once the folder itself is synced.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(at(dir))
}

/// Writes one record batch as an Arrow IPC file, syncs it, and returns its size and CRC-32C.
fn write_view(path: &Path, batch: &RecordBatch) -> Result<(u64, u32), StoreError> {
    let encode = |e: arrow_schema::ArrowError| StoreError::Encode { path: path.to_owned(), what: e.to_string() };
    let file = File::create(path).map_err(at(path))?;
    let mut writer =
        FileWriter::try_new(Counted { to: BufWriter::new(file), bytes: 0, crc32c: Crc32c::new() }, &batch.schema()).map_err(encode)?;
    writer.write(batch).map_err(encode)?;
    let counted = writer.into_inner().map_err(encode)?;
    let (bytes, crc32c) = (counted.bytes, counted.crc32c.value());
    let file = counted.to.into_inner().map_err(|e| StoreError::Io { path: path.to_owned(), source: e.into_error() })?;
    file.sync_all().map_err(at(path))?;
    Ok((bytes, crc32c))
}

/// Passes bytes on, and keeps their number and checksum.
struct Counted<W> {
    to: W,
    bytes: u64,
    crc32c: Crc32c,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.to.write(buf)?;
        self.bytes += n as u64;
        self.crc32c.update(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::{DataType, Field, Schema};
    use tempfile::TempDir;
    use twopath_base::Offset;
    use twopath_query::parse;

    fn query(sql: &str) -> Query {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]);
        parse(sql, "t", &schema).unwrap()
    }

    fn sums() -> Query {
        query("SELECT a, SUM(b) FROM t GROUP BY a")
    }

    fn parts(groups: i64) -> ViewParts {
        let mut table = GroupTable::new(&sums());
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..groups));
        table.update(std::slice::from_ref(&column), &[vec![column.clone()]], groups as usize).unwrap();
        ViewParts {
            barrier: 1,
            lower: Position::zero(1),
            upper: Position::new(vec![Offset(groups as u64)]),
            table: Arc::new(table),
            logic: "sql".to_owned(),
            log: None,
            timings_ms: BTreeMap::new(),
        }
    }

    #[test]
    fn versions_count_up_and_the_last_are_kept() {
        let dir = TempDir::new().unwrap();
        let store = ViewStore::open(dir.path(), 2).unwrap();
        assert!(store.latest(&sums()).unwrap().is_none());
        assert_eq!(store.bytes().unwrap(), 0);
        for groups in 1..=4 {
            assert_eq!(store.publish(&sums(), parts(groups)).unwrap().version, groups as u64);
        }
        assert_eq!(store.versions().unwrap(), [3, 4]);
        let reader = ViewStore::open_to_read(dir.path());
        let latest = reader.latest(&sums()).unwrap().unwrap();
        assert_eq!((latest.version, latest.table.len(), latest.upper.records()), (4, 4, 4));
        assert_eq!(reader.load(&sums(), 3).unwrap().table.to_batch(), parts(3).table.to_batch());
        assert!(store.bytes().unwrap() > 0);
        let error = reader.load(&sums(), 1).unwrap_err().to_string();
        assert!(error.ends_with("there is no version 1 of this batch view; it has [3, 4]"), "{error}");
        // Nothing but the versions is left.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    /// Whatever a crashed run left, at whatever step, is never seen and is removed by the next one.
    #[test]
    fn a_crash_leaves_nothing_half_published() {
        let dir = TempDir::new().unwrap();
        ViewStore::open(dir.path(), 2).unwrap().publish(&sums(), parts(3)).unwrap();
        let whole = fs::read(dir.path().join("v00000001").join(VIEW_FILE)).unwrap();
        let unfinished = dir.path().join(format!("{UNFINISHED}v00000002"));
        for (view, manifest) in
            [(None, None), (Some(&whole[..10]), None), (Some(&whole[..]), None), (Some(&whole[..]), Some("{\"version\":"))]
        {
            fs::create_dir(&unfinished).unwrap();
            if let Some(view) = view {
                fs::write(unfinished.join(VIEW_FILE), view).unwrap();
            }
            if let Some(manifest) = manifest {
                fs::write(unfinished.join(MANIFEST_FILE), manifest).unwrap();
            }
            let reader = ViewStore::open_to_read(dir.path());
            assert_eq!(reader.versions().unwrap(), [1]);
            assert_eq!(reader.latest(&sums()).unwrap().unwrap().version, 1);
            assert!(unfinished.exists(), "a reader leaves everything as it is");
            ViewStore::open(dir.path(), 2).unwrap();
            assert!(!unfinished.exists());
        }
        assert_eq!(ViewStore::open(dir.path(), 2).unwrap().publish(&sums(), parts(5)).unwrap().version, 2);
    }

    #[test]
    fn damage_is_told() {
        let dir = TempDir::new().unwrap();
        let store = ViewStore::open(dir.path(), 2).unwrap();
        store.publish(&sums(), parts(3)).unwrap();
        let view = dir.path().join("v00000001").join(VIEW_FILE);
        let manifest = dir.path().join("v00000001").join(MANIFEST_FILE);
        let whole = fs::read(&view).unwrap();
        let told = || match store.load(&sums(), 1) {
            Err(e @ StoreError::Damaged { .. }) => e.to_string(),
            other => panic!("{other:?}"),
        };
        for byte in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[byte] ^= 0x10;
            fs::write(&view, flipped).unwrap();
            assert!(told().contains("its checksum is"), "{}", told());
        }
        fs::write(&view, &whole[..whole.len() - 1]).unwrap();
        assert!(told().contains("its manifest says"), "{}", told());
        fs::remove_file(&view).unwrap();
        assert!(told().contains("the file is missing"), "{}", told());
        fs::write(&view, &whole).unwrap();
        store.load(&sums(), 1).unwrap();

        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(told().contains("it is the manifest of version 2"), "{}", told());
        fs::write(&manifest, &text[..text.len() / 2]).unwrap();
        assert!(told().contains("manifest.json is damaged"), "{}", told());
    }

    #[test]
    fn a_view_is_read_for_its_own_query_only() {
        let dir = TempDir::new().unwrap();
        let store = ViewStore::open(dir.path(), 2).unwrap();
        store.publish(&sums(), parts(3)).unwrap();
        let other = query("SELECT a, MIN(b) FROM t GROUP BY a");
        assert!(matches!(store.load(&other, 1), Err(StoreError::OtherQuery { .. })));
        assert!(matches!(store.latest(&other), Err(StoreError::OtherQuery { .. })));
    }

    /// A reader beside a publisher always finds a whole version, though old ones go away under it.
    #[test]
    fn readers_race_with_the_publisher() {
        let dir = TempDir::new().unwrap();
        let store = ViewStore::open(dir.path(), 1).unwrap();
        store.publish(&sums(), parts(1)).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let reader = ViewStore::open_to_read(dir.path());
                let mut last = 0;
                while last < 60 {
                    let view = reader.latest(&sums()).unwrap().unwrap();
                    assert!(view.version >= last);
                    assert_eq!(view.table.len() as u64, view.version);
                    last = view.version;
                }
            });
            for groups in 2..=60 {
                store.publish(&sums(), parts(groups)).unwrap();
            }
            reader.join().unwrap();
        });
    }
}
