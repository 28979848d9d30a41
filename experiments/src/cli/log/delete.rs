//! `twopath log delete`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use twopath_log::Address;

use crate::cli::Failure;
use crate::feeds::Definition;
use crate::question::batch_views;
use crate::standing::StandingJob;

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

pub(super) fn run(place: &Address, args: &DeleteArgs) -> Result<ExitCode, Failure> {
    let name = super::topic_name(place, args.topic.as_deref())?;
    let topic = place.topic(name)?;
    let (end, is_at) = (topic.end()?.records(), topic.address());
    drop(topic);
    let (jobs, feeds) = place.folder().map_or(Ok(Default::default()), |dir| dependents(dir, name))?;
    place.delete_topic(name)?;
    if let Some(dir) = place.folder() {
        // What questions kept of it. Left behind by a crash it does no harm: another topic of this name has another id.
        let _ = std::fs::remove_dir_all(batch_views(dir).join(name));
    }
    eprintln!("deleted '{name}' ({is_at}), which ended at {end}");
    for job in jobs {
        eprintln!("warning: job '{job}' read it: its tables stay, and can be brought no further");
    }
    for feed in feeds {
        if feed.inputs().any(|input| input == name) {
            eprintln!("warning: feed '{}' read it, and cannot run any more", feed.name);
        } else {
            eprintln!("warning: feed '{}' appended to it, and starts over when it is run again", feed.name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The jobs that read a topic of a folder, and the feeds that read or write it.
fn dependents(dir: &Path, topic: &str) -> Result<(Vec<String>, Vec<Definition>), Failure> {
    let jobs = StandingJob::that_read(dir, topic)?;
    let feeds = Definition::all(dir)?.into_iter().filter(|feed| feed.inputs().any(|input| input == topic) || feed.output == topic);
    Ok((jobs, feeds.collect()))
}
