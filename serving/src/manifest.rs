//! `tables.json`: which versions a job has, and which one serves.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ServingError;

pub(crate) const FILE: &str = "tables.json";
const FORMAT: u32 = 1;

/// States are not stored beside the pointers but follow from them, so that the two cannot contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobManifest {
    pub format: u32,
    /// The version that readers are on.
    pub active: Option<u64>,
    /// The version that they were on before, kept for a rollback.
    pub previous: Option<u64>,
    /// Ascending by version.
    pub versions: Vec<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    pub version: u64,
    pub description: String,
}

impl Default for JobManifest {
    fn default() -> Self {
        JobManifest { format: FORMAT, active: None, previous: None, versions: Vec::new() }
    }
}

impl JobManifest {
    pub fn has(&self, version: u64) -> bool {
        self.versions.iter().any(|v| v.version == version)
    }

    /// Reads the manifest in `dir`; an empty one where there is none.
    pub fn load(dir: &Path) -> Result<Self, ServingError> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(JobManifest::default()),
            Err(source) => return Err(ServingError::Io { path, source }),
        };
        let bad = |message: String| ServingError::Manifest { path: path.clone(), message };
        let manifest: JobManifest = serde_json::from_slice(&text).map_err(|e| bad(format!("not a job's manifest: {e}")))?;
        if manifest.format != FORMAT {
            return Err(bad(format!("written in format {}, and this program reads format {FORMAT}", manifest.format)));
        }
        if let Some(v) = manifest.active.iter().chain(&manifest.previous).find(|&&v| !manifest.has(v)) {
            return Err(bad(format!("names version {v}, which it does not list")));
        }
        Ok(manifest)
    }

    /// Replaces the manifest in `dir`: a crash at any step leaves the old one or the new one. `step` is called before each step.
    pub fn save(&self, dir: &Path, step: impl Fn(&str) -> io::Result<()>) -> Result<(), ServingError> {
        let (path, temporary) = (dir.join(FILE), dir.join("tables.json.tmp"));
        let write = || {
            step("create the temporary manifest")?;
            let mut file = File::create(&temporary)?;
            step("write the temporary manifest")?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            step("sync the temporary manifest")?;
            file.sync_all()?;
            step("rename the manifest")?;
            fs::rename(&temporary, &path)?;
            step("sync the job's folder")?;
            File::open(dir)?.sync_all()
        };
        write().map_err(|source| ServingError::Io { path: path.clone(), source })
    }
}
