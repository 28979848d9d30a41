//! `twopath bench`: what the user chose, for [`crate::bench`].

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Failure;

/// Measures the layers against plain code, side by side
///
/// Each ratio compares a part of Twopath with the simplest code that does the same work on the same data in the same run; the answers
/// are checked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath bench --quick
  twopath bench --only scan --format json")]
pub(super) struct BenchArgs {
    /// Only those whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Less data and fewer repeats
    #[arg(long)]
    quick: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One object: {"ratios":[{"what","ratio","floor","aim"}]}
    Json,
}

pub(super) fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let _ = (&args.only, args.quick, args.format);
    Err(Failure::of("the benches are not in this program yet"))
}
