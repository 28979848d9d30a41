//! `twopath run-layer`: a layer of a system under test in a process of its own, as `twopath run-system` starts it. Not for people.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::systems::layer;
use crate::systems::process::SystemSpec;

#[derive(Debug, Args)]
pub(super) struct RunLayerArgs {
    /// A file that holds the [`SystemSpec`] of the system; what is to be done comes over standard input
    spec: PathBuf,
}

pub(super) fn run(args: &RunLayerArgs) -> Result<ExitCode, Failure> {
    let in_file = |problem: String| Failure::of(format!("{}: {problem}; `twopath run-system` writes such files", args.spec.display()));
    let text = std::fs::read(&args.spec).map_err(|e| in_file(e.to_string()))?;
    let spec: SystemSpec = serde_json::from_slice(&text).map_err(|e| in_file(e.to_string()))?;
    layer::run(&spec).map_err(|e| Failure::of(e.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
