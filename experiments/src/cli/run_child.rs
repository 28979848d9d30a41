//! `twopath run-child`: one run of one architecture, as `twopath compare` starts it. Not for people.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;

#[derive(Debug, Args)]
pub(super) struct RunChildArgs {
    /// A file that holds a [`crate::harness::spec::RunSpec`]
    spec: PathBuf,
}

pub(super) fn run(args: &RunChildArgs) -> Result<ExitCode, Failure> {
    Err(Failure::of(format!("{}: runs are not in this program yet", args.spec.display())))
}
