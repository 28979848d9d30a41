//! `twopath run-system`: a system under test in a process of its own, as `twopath run-child` starts it. Not for people.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::systems::process::{SystemSpec, serve};

#[derive(Debug, Args)]
pub(super) struct RunSystemArgs {
    /// A file that holds a [`crate::systems::process::SystemSpec`]
    spec: PathBuf,
    /// Where it is to be asked
    socket: PathBuf,
}

pub(super) fn run(args: &RunSystemArgs) -> Result<ExitCode, Failure> {
    let in_file = |problem: String| Failure::of(format!("{}: {problem}; `twopath run-child` writes such files", args.spec.display()));
    let text = std::fs::read(&args.spec).map_err(|e| in_file(e.to_string()))?;
    let spec: SystemSpec = serde_json::from_slice(&text).map_err(|e| in_file(e.to_string()))?;
    serve(&spec, &args.socket).map_err(|e| Failure::of(e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
