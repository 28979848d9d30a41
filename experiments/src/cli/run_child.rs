//! `twopath run-child`: one run of one system, as `twopath compare` starts it. Not for people.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::harness::child;
use crate::harness::spec::RunSpec;

#[derive(Debug, Args)]
pub(super) struct RunChildArgs {
    /// A file that holds a [`crate::harness::spec::RunSpec`]
    spec: PathBuf,
}

pub(super) fn run(args: &RunChildArgs) -> Result<ExitCode, Failure> {
    let in_file = |problem: String| Failure::of(format!("{}: {problem}; `twopath compare` writes such files", args.spec.display()));
    let text = std::fs::read(&args.spec).map_err(|e| in_file(e.to_string()))?;
    let spec: RunSpec = serde_json::from_slice(&text).map_err(|e| in_file(e.to_string()))?;
    let program = std::env::current_exe().map_err(|e| Failure::of(e.to_string()))?;
    child::run(&spec, &program).map_err(|e| Failure::of(e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
