//! `twopath job query`.

use std::path::Path;

use clap::Args;
use twopath_base::Coverage;
use twopath_serving::ServingError;
use twopath_view::Selection;

use super::catch_up;
use crate::cli::key::parse_key;
use crate::cli::output::Format;
use crate::cli::{Failure, query};
use crate::standing::StandingJob;
use crate::systems::Keeping;

/// Answers by the version that readers are on, for the log's end
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Examples:
  twopath job query delays
  twopath job query delays --format csv
  twopath job query delays --version 2 --format csv
  twopath job query delays --key 2013-01-01T10:00:00Z --key JFK"
)]
pub(super) struct QueryArgs {
    name: String,
    /// Ask this version instead of the one that readers are on
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Only the group with this key; once for each column of GROUP BY, in its order (NULL for NULL)
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    key: Vec<String>,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(dir: &Path, args: &QueryArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    let standing = match args.version {
        None => job.active(1)?,
        Some(version) => job.version(version, 1, Keeping::Reads)?,
    };
    let key = match standing.reads().of_groups().filter(|(_, query)| query.answers_by_group() && !query.is_cut()) {
        _ if args.key.is_empty() => None,
        Some((_, query)) => Some(parse_key(query, &args.key)?),
        None => return Err(Failure::usage(ServingError::NoGroups)),
    };
    catch_up(&standing)?;
    let answer = standing.answer(&Selection { key, ..Selection::default() })?;
    if args.format != Format::Json {
        eprintln!("by version {} of '{}'", standing.version(), args.name);
    }
    let late = job.late(standing.version(), &answer.positions())?;
    standing.stop()?;
    query::show(&query::rows_of(answer.rows, named(&args.name, answer.coverage), late), args.format)
}

/// The coverage of an answer over one topic goes by the job's name.
fn named(job: &str, mut coverage: Vec<(String, Coverage)>) -> Vec<(String, Coverage)> {
    if let [(name, _)] = &mut coverage[..] {
        job.clone_into(name);
    }
    coverage
}
