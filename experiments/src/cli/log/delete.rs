//! `twopath log delete`.

use std::process::ExitCode;

use clap::Args;
use twopath_log::Place;

use crate::cli::Failure;

/// Deletes a topic
///
/// With all its events, its groups, and what of it was moved to an object store. Not while it is written, or read by a group's member,
/// a job or a batch run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log delete flights
  twopath log delete --log kafka://localhost:9092/flights")]
pub(super) struct DeleteArgs {
    topic: Option<String>,
}

pub(super) fn run(place: &Place, args: &DeleteArgs) -> Result<ExitCode, Failure> {
    let name = super::topic_name(place, args.topic.as_deref())?;
    let topic = place.topic(name)?;
    let (end, is_at) = (topic.end()?.records(), topic.place());
    drop(topic);
    place.delete_topic(name)?;
    eprintln!("deleted '{name}' ({is_at}), which ended at {end}");
    Ok(ExitCode::SUCCESS)
}
