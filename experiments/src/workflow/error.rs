use std::io;
use std::path::PathBuf;

use twopath_log::LogError;

/// Why a workflow did not run to its end. What was finished stays, and the next run goes on behind it.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    #[error("{}: {problem}; a workflow is a TOML file with a [[stage]] for each stage, which has a name and sql", path.display())]
    Text { path: PathBuf, problem: String },
    #[error("stage '{stage}' reads '{reads}', which is made after it; put '{reads}' before it")]
    Order { stage: String, reads: String },
    #[error("stage '{stage}': {problem}")]
    Stage { stage: String, problem: String },
    #[error(
        "the text of workflow '{workflow}' was changed since its run {run} began, which is not finished; finish it with the text that it began with, \
         or begin anew with --new"
    )]
    Changed { workflow: String, run: u64 },
    #[error("topic '{topic}' is not the one that run {run} began with, which was deleted since; begin anew with --new")]
    OtherTopic { topic: String, run: u64 },
    #[error(
        "topic '{topic}' no longer has what run {run} began with: retention or compaction took some of it since; begin anew with --new"
    )]
    InputGone { topic: String, run: u64 },
    #[error("there is a topic '{topic}' already, which no run of this workflow made; remove it, or give the workflow another name")]
    Taken { topic: String },
    #[error("another process runs workflow '{workflow}'; wait for its end")]
    Busy { workflow: String },
    #[error("no workflow '{workflow}' has run over these topics; {}", known_workflows(known))]
    None { workflow: String, known: Vec<String> },
    #[error("{}: {problem}; restore the file, or remove it and run the workflow anew", path.display())]
    Damaged { path: PathBuf, problem: String },
    #[error("{}: {source}; see that the folder exists, is writable and has room", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Log(#[from] LogError),
}

fn known_workflows(known: &[String]) -> String {
    match known {
        [] => "none has".into(),
        known => format!("there are {}", known.join(", ")),
    }
}
