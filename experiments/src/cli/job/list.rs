//! `twopath job list` and `twopath job describe`.

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use twopath_query::Value;

use crate::cli::Failure;
use crate::cli::output::{self, ReportFormat};
use crate::standing::{JobSummary, JobVersion, StandingJob, told};

/// Lists the jobs: what each reads, and which version readers are on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job list
  twopath job list --format json")]
pub(super) struct ListArgs {
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

/// Tells everything of a job: its topics, and each version with its SQL
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job describe delays
  twopath job describe delays --format json")]
pub(super) struct DescribeArgs {
    name: String,
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

#[derive(Serialize)]
struct Listed {
    job: String,
    /// The first of them.
    topic: Option<String>,
    topics: Vec<String>,
    versions: usize,
    active: Option<u64>,
}

#[derive(Serialize)]
struct Described {
    job: String,
    topic: Option<String>,
    topics: Vec<String>,
    versions: Vec<JobVersion>,
}

pub(super) fn list(dir: &Path, args: &ListArgs) -> Result<(), Failure> {
    let listed = |name: String| {
        let JobSummary { topics, versions, active } = StandingJob::named(dir, &name).summary()?;
        Ok::<_, Failure>(Listed { job: name, topic: topics.first().cloned(), topics, versions, active })
    };
    let jobs = StandingJob::list(dir)?.into_iter().map(listed).collect::<Result<Vec<_>, _>>()?;
    let mut out = std::io::stdout().lock();
    if args.format == ReportFormat::Json {
        return Ok(output::report(&mut out, &jobs)?);
    }
    let text = |text: &str| Value::Text(text.into());
    let rows = jobs.iter().map(|j| {
        let active = j.active.map_or(Value::Null, |v| Value::Int(v as i64));
        let topics = if j.topics.is_empty() { Value::Null } else { text(&j.topics.join(", ")) };
        vec![text(&j.job), topics, Value::Int(j.versions as i64), active]
    });
    Ok(output::table(&mut out, &["job", "topic", "versions", "readers on"].map(String::from), &rows.collect::<Vec<_>>())?)
}

pub(super) fn describe(dir: &Path, args: &DescribeArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    let (versions, topics) = (job.status()?, job.summary()?.topics);
    let described = Described { job: args.name.clone(), topic: topics.first().cloned(), topics, versions };
    let mut out = std::io::stdout().lock();
    if args.format == ReportFormat::Json {
        return Ok(output::report(&mut out, &described)?);
    }
    let topics: Vec<String> = described.topics.iter().map(|topic| format!("'{topic}'")).collect();
    writeln!(out, "job '{}' over the topic{} {}", described.job, if topics.len() == 1 { "" } else { "s" }, topics.join(", "))?;
    for v in &described.versions {
        let state = format!("{:?}", v.state).to_lowercase();
        let behind = v.lag_records.map_or("its topic is gone".to_owned(), |lag| format!("{lag} behind"));
        let of_parts: Vec<_> = v.parts.iter().filter_map(|part| Some((part.topic.clone(), part.position.clone()?))).collect();
        let position = match &v.position {
            Some(position) => position.to_string(),
            None if of_parts.is_empty() => "nothing yet".to_owned(),
            None => told(&of_parts),
        };
        let groups = v.groups.map_or("nobody knows how many".to_owned(), |groups| groups.to_string());
        writeln!(out, "\nversion {} ({state}): {groups} groups, {} bytes, read to {position}, {behind}", v.version, v.bytes)?;
        v.sql.trim().lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(())
}
