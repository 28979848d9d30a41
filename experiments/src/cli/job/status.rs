//! `twopath job status`.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use twopath_query::Value;

use crate::cli::Failure;
use crate::cli::output::{self, ReportFormat};
use crate::standing::{JobVersion, StandingJob};

/// Tells a job's versions: which serves, and how far each has read
///
/// Without a job's name: of all jobs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job status
  twopath job status delays
  twopath job status delays --format json")]
pub(super) struct StatusArgs {
    name: Option<String>,
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

#[derive(Serialize)]
struct Status {
    job: String,
    versions: Vec<JobVersion>,
}

pub(super) fn run(dir: &Path, args: &StatusArgs) -> Result<(), Failure> {
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => StandingJob::list(dir)?,
    };
    let status = |job: String| Ok::<_, Failure>(Status { versions: StandingJob::named(dir, &job).status()?, job });
    let jobs = names.into_iter().map(status).collect::<Result<Vec<_>, _>>()?;
    let mut out = std::io::stdout().lock();
    if args.format == ReportFormat::Json {
        return Ok(output::report(&mut out, &jobs)?);
    }
    let names = ["job", "version", "state", "records behind", "kept in", "groups", "bytes", "sql"].map(String::from);
    let text = |text: &str| Value::Text(text.into());
    let rows = jobs.iter().flat_map(|job| {
        job.versions.iter().map(|v| {
            let one_line = v.sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let count = |n: Option<u64>| n.map_or(Value::Null, |n| Value::Int(n as i64));
            let (lag, groups, bytes) = (count(v.lag_records), count(v.groups), Value::Int(v.bytes as i64));
            let state = format!("{:?}", v.state).to_lowercase();
            vec![
                text(&job.job),
                Value::Int(v.version as i64),
                text(&state),
                lag,
                text(&v.backend.to_string()),
                groups,
                bytes,
                text(&shortened(&one_line)),
            ]
        })
    });
    output::table(&mut out, &names, &rows.collect::<Vec<_>>())?;
    for (job, version, late) in
        jobs.iter().flat_map(|job| job.versions.iter().flat_map(move |v| v.late.iter().map(move |late| (job, v, late))))
    {
        let to = version.late_to.as_ref().map_or(String::new(), |topic| format!("; they go to '{topic}'"));
        eprintln!("version {} of job '{}': {}{to}", version.version, job.job, late.told());
    }
    for (job, version) in jobs.iter().flat_map(|job| job.versions.iter().map(move |v| (job, v))) {
        for refused in version.refused.iter().chain(version.parts.iter().flat_map(|part| &part.refused)) {
            eprintln!("version {} of job '{}' passes over {}: {}", version.version, job.job, refused.file.display(), refused.reason);
        }
        if let Some(problem) = &version.problem {
            eprintln!("version {} of job '{}' cannot go on: {problem}", version.version, job.job);
        }
    }
    Ok(())
}

/// As much of a text as stands well in a line.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    if text.chars().count() <= CHARS_MAX {
        return text.into();
    }
    text.chars().take(CHARS_MAX - 1).chain(['…']).collect()
}
