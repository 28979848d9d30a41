//! `twopath run canary`: with the reward that the user names.

use std::process::ExitCode;

use clap::Args;

use super::{Common, show};
use crate::cli::Failure;
use crate::scenarios::ScenarioError;
use crate::scenarios::canary::{SCENARIO, measure};
use crate::scenarios::run::run_as;

/// Asks whether a new version is good enough to switch to: by A/B test and by bandit, on what readers get
///
/// Simulated trials, where the truth is known, and then two real tables: the flights query before and after its fix.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath run canary
  twopath run canary --quick --reward 'delay_avg < 20' --format json")]
pub(super) struct CanaryArgs {
    #[command(flatten)]
    common: Common,
    /// What a read of the real tables is rewarded for: a condition over the columns of its answer [default: it is the reference's]
    #[arg(long, value_name = "CONDITION")]
    reward: Option<String>,
}

pub(super) fn run(args: &CanaryArgs) -> Result<ExitCode, Failure> {
    let run = run_as(&SCENARIO, &args.common.options(), &|lab, notes| measure(lab, notes, args.reward.as_deref()));
    let (result, out) = run.map_err(|error| match error {
        ScenarioError::Reward(_) => Failure::usage(error.to_string()),
        error => error.into(),
    })?;
    show(&result, &out, args.common.format)
}
