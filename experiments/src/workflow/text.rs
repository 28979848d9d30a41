//! A workflow as people write it.
//!
//! ```toml
//! name = "monthly"            # else the file's
//!
//! [[stage]]
//! name = "hours"
//! sql = "SELECT carrier, window_start, AVG(dep_delay) AS delay FROM TUMBLE(...) GROUP BY carrier, window_start"
//! time = "window_start"       # the event time of its topic, if it is to have one
//! key = "carrier"             # what its topic is keyed by, if by anything
//!
//! [[stage]]
//! name = "worst"
//! sql = "worst.sql"           # a file beside this one
//! ```

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::WorkflowError;

/// Stages in their order.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub name: String,
    pub stages: Vec<Stage>,
    /// All that a run depends on: with the texts of files.
    pub text: String,
}

/// A query, and how its result is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What stages after it call its result.
    pub name: String,
    pub sql: String,
    #[serde(default)]
    pub time: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    stage: Vec<Stage>,
}

impl Workflow {
    /// Reads one from a file, and the files that it names.
    ///
    /// # Errors
    /// [`WorkflowError::Text`]: where it is, and what is wrong.
    pub fn read(path: &Path) -> Result<Workflow, WorkflowError> {
        let failed = |problem: String| WorkflowError::Text { path: path.to_owned(), problem };
        let text = fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        let Written { name, stage: mut stages } = toml::from_str(&text).map_err(|e| failed(e.to_string().trim_end().to_owned()))?;
        let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.unwrap_or_else(stem);
        for stage in &mut stages {
            if stage.sql.ends_with(".sql") {
                let file = path.with_file_name(&stage.sql);
                stage.sql = fs::read_to_string(&file).map_err(|e| failed(format!("stage '{}': {}: {e}", stage.name, file.display())))?;
            }
        }
        let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if let Some(wrong) = std::iter::once(&name).chain(stages.iter().map(|stage| &stage.name)).find(|name| !is_name(name)) {
            return Err(failed(format!("'{wrong}' is no name; use letters, digits, '-' and '_'")));
        }
        if let Some(twice) = stages.iter().enumerate().find(|(i, stage)| stages[..*i].iter().any(|s| s.name == stage.name)) {
            return Err(failed(format!("there are two stages '{}'", twice.1.name)));
        }
        if stages.is_empty() {
            return Err(failed("it has no stage".into()));
        }
        let text = stages.iter().map(|s| format!("{}\n{:?} {:?}\n{}\n", s.name, s.time, s.key, s.sql.trim())).collect();
        Ok(Workflow { name, stages, text })
    }

    /// The topic that a run keeps a stage's result in.
    pub fn topic_of(&self, stage: &Stage, run: u64) -> String {
        format!("{}.{}.{run}", self.name, stage.name)
    }
}

impl Stage {
    /// The topics and stages that it reads.
    pub(super) fn reads(&self) -> Result<Vec<String>, WorkflowError> {
        let failed = |e: twopath_query::QueryError| WorkflowError::Stage { stage: self.name.clone(), problem: e.report(&self.sql) };
        twopath_query::topics_of(&self.sql).map_err(failed)
    }
}
