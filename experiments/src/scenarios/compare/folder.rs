//! Where a comparison puts what it finds: `result.json`, `report.html`, `samples/`, and the runs' scratch while they last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CompareError;
use crate::harness::recording::Recording;
use crate::harness::spec::RunSpec;
use twopath_results::result::CompareResult;

/// Set to anything, it keeps the runs' logs and views.
const KEEP: &str = "TWOPATH_KEEP";

/// The folder of one comparison.
pub struct Folder {
    out: PathBuf,
}

impl Folder {
    /// Makes it where it is missing; files of an earlier comparison in it are replaced.
    pub fn create(out: &Path) -> Result<Self, CompareError> {
        let folder = Folder { out: out.to_path_buf() };
        let made = fs::create_dir_all(folder.scratch()).and_then(|()| out.canonicalize());
        let made = made.and_then(|out| match fs::remove_dir_all(out.join("samples")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => fs::create_dir_all(out.join("samples")),
        });
        folder.or_say_where(made)?;
        Ok(folder)
    }

    /// As the user would type it.
    pub fn path(&self, file: &str) -> String {
        self.out.join(file).display().to_string()
    }

    /// The scratch folder of a run, and the file that its child writes its result to.
    pub fn places(&self, architecture: &str, repeat: u32) -> (PathBuf, PathBuf) {
        let run = self.scratch().join(name(architecture, repeat));
        (run.join("data"), run.join("run.json"))
    }

    /// Makes the scratch folder and writes the spec for the child.
    pub fn begin_run(&self, spec: &RunSpec) -> Result<PathBuf, CompareError> {
        let file = self.scratch().join(name(&spec.architecture, spec.repeat)).join("spec.json");
        let write = || {
            fs::create_dir_all(&spec.dir)?;
            fs::write(&file, serde_json::to_vec_pretty(spec)?)
        };
        self.or_say_where(write())?;
        Ok(file)
    }

    /// Where the comparison's events are.
    pub fn prepared(&self) -> PathBuf {
        self.scratch().join("events")
    }

    /// The folder of the comparison's events, with nothing in it.
    pub fn clear_prepared(&self) -> Result<PathBuf, CompareError> {
        let dir = self.prepared();
        let cleared = match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => fs::create_dir_all(&dir),
        };
        self.or_say_where(cleared)?;
        Ok(dir)
    }

    /// The recording of a child that ended well. An error is a message for the report.
    pub fn read_run(&self, spec: &RunSpec) -> Result<Recording, String> {
        let bytes = fs::read(&spec.out).map_err(|e| format!("ended well but left no result: {e}"))?;
        let run: Recording =
            serde_json::from_slice(&bytes).map_err(|e| format!("ended well but left a result that cannot be read: {e}"))?;
        if (run.architecture.as_str(), run.repeat) != (spec.architecture.as_str(), spec.repeat) {
            return Err(format!("left the result of another run: {} {}", run.architecture, run.repeat));
        }
        Ok(run)
    }

    /// Moves the Parquet files beside the recording to where they stay, under names of their own.
    pub fn move_samples(&self, spec: &RunSpec) -> io::Result<Vec<String>> {
        let mut moved = Vec::new();
        let Some(beside) = spec.out.parent() else { return Ok(moved) };
        for entry in fs::read_dir(beside)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some(what) = file.strip_prefix("run.").and_then(|rest| rest.strip_suffix(".parquet")) else { continue };
            let kept = format!("samples/{}.{what}.parquet", name(&spec.architecture, spec.repeat));
            fs::rename(entry.path(), self.out.join(&kept))?;
            moved.push(kept);
        }
        moved.sort();
        Ok(moved)
    }

    /// Removes what the run leaves behind.
    pub fn end_run(&self, spec: &RunSpec) {
        if std::env::var_os(KEEP).is_none() {
            remove(&self.scratch().join(name(&spec.architecture, spec.repeat)));
        }
    }

    pub fn clear_scratch(&self) {
        if std::env::var_os(KEEP).is_none() {
            remove(&self.scratch());
        }
    }

    /// `result.json` as of now.
    pub fn save(&self, result: &CompareResult) -> Result<(), CompareError> {
        self.save_as("result.json", result)
    }

    pub fn save_as(&self, file: &str, result: &CompareResult) -> Result<(), CompareError> {
        let bytes = serde_json::to_vec_pretty(result).map_err(io::Error::from);
        self.write(file, &self.or_say_where(bytes)?)
    }

    /// A reader sees the old file or the new one.
    pub fn write(&self, file: &str, bytes: &[u8]) -> Result<(), CompareError> {
        let (path, new) = (self.out.join(file), self.out.join(format!(".{file}.new")));
        self.or_say_where(fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path)))
    }

    fn scratch(&self) -> PathBuf {
        self.out.join("scratch")
    }

    fn or_say_where<T>(&self, result: io::Result<T>) -> Result<T, CompareError> {
        result.map_err(|source| CompareError::Out { path: self.out.display().to_string(), source })
    }
}

fn name(architecture: &str, repeat: u32) -> String {
    format!("{architecture}-{}", repeat + 1)
}

/// Scratch that cannot be removed is worth a word, not a failure.
fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => tracing::warn!("cannot remove {}: {e}", dir.display()),
        _ => {}
    }
}
