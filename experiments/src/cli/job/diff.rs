//! `twopath job diff`.

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value as Json, json};
use twopath_query::Value;
use twopath_results::number;

use crate::cli::Failure;
use crate::cli::output::{self, ReportFormat};
use crate::standing::{Diff, Example, JobState, StandingJob, told as told_positions};

/// Tells what a new version would change, before readers are on it
///
/// Both versions are read to the log's end, and their answers compared group by group: which come, which go, which change and by how
/// much, with the events behind the largest changes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath job diff delays
  twopath job diff delays 1 2 --examples 10
  twopath job diff delays --format json")]
pub(super) struct DiffArgs {
    name: String,
    /// The version compared with [default: the one that readers are on]
    from: Option<u64>,
    /// The version compared [default: the newest]
    to: Option<u64>,
    /// How many of the groups that change most are shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    examples: usize,
    /// JSON is one object: {"job","from_version","to_version","position","groups","added","removed","changed","changed_share","columns","examples"}
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

pub(super) fn run(dir: &Path, args: &DiffArgs) -> Result<(), Failure> {
    let job = StandingJob::named(dir, &args.name);
    let versions = job.status()?;
    let newest = versions.last().map_or(1, |v| v.version);
    let active = versions.iter().find(|v| v.state == JobState::Active).map_or(1, |v| v.version);
    let (from, to) = (args.from.unwrap_or(active), args.to.unwrap_or(newest));
    if from == to {
        let message = format!("'{}' has no other version than {to} to compare with", args.name);
        return Err(Failure::usage_with_help(message, format!("deploy one: `twopath job deploy {} --sql ...`", args.name)));
    }
    let diff = job.diff(from, to, args.examples)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        ReportFormat::Json => output::report(&mut out, &as_json(&args.name, &diff))?,
        ReportFormat::Table => table(&mut out, &diff)?,
    }
    Ok(())
}

fn as_json(name: &str, diff: &Diff) -> Json {
    let named = |values: &[(String, Value)]| values.iter().map(|(name, v)| (name.clone(), value(v))).collect::<Map<String, Json>>();
    let example = |e: &Example| {
        let events: Vec<Json> =
            e.events.iter().map(|(partition, offset, row)| json!({"partition": partition, "offset": offset, "row": named(row)})).collect();
        json!({"key": named(&e.key), "before": e.before.as_deref().map(named), "after": e.after.as_deref().map(named), "events": events})
    };
    let columns: Vec<Json> =
        diff.columns.iter().map(|c| json!({"name": c.name, "changed": c.changed, "largest": c.largest, "mean": c.mean})).collect();
    json!({
        "job": name,
        "from_version": diff.from_version,
        "to_version": diff.to_version,
        "position": told_positions(&diff.positions),
        "groups": diff.groups,
        "added": diff.added,
        "removed": diff.removed,
        "changed": diff.changed,
        "changed_share": diff.changed_share(),
        "columns": columns,
        "examples": diff.examples.iter().map(example).collect::<Vec<_>>(),
    })
}

/// Numbers that JSON's readers would round are texts.
fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Float(f) if f.is_finite() => (*f).into(),
        Value::Numeric(n) => i64::try_from(*n).map_or_else(|_| n.to_string().into(), Json::from),
        other => output::text(other).into(),
    }
}

fn table(out: &mut dyn Write, diff: &Diff) -> Result<(), Failure> {
    writeln!(
        out,
        "from version {} to {}, at position {}: of {} groups {} come, {} go, {} change ({})",
        diff.from_version,
        diff.to_version,
        told_positions(&diff.positions),
        number::count(diff.groups),
        number::count(diff.added),
        number::count(diff.removed),
        number::count(diff.changed),
        number::in_words(diff.changed_share(), "share")
    )?;
    let by = |v: Option<f64>| v.map_or(Value::Null, |v| Value::Text(number::significant(v).into()));
    let rows: Vec<Vec<Value>> = diff
        .columns
        .iter()
        .map(|c| vec![Value::Text(c.name.as_str().into()), Value::Int(c.changed as i64), by(c.mean), by(c.largest)])
        .collect();
    if !rows.is_empty() {
        writeln!(out)?;
        output::table(out, &["column", "groups changed", "by, mean", "by, at most"].map(String::from), &rows)?;
    }
    let told = |values: &[(String, Value)]| {
        values
            .iter()
            .map(|(name, v)| format!("{name} {}", if *v == Value::Null { "-".into() } else { output::text(v) }))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for e in &diff.examples {
        writeln!(out, "\n{}", told(&e.key))?;
        writeln!(out, "  before  {}", e.before.as_deref().map_or("not there".into(), told))?;
        writeln!(out, "  after   {}", e.after.as_deref().map_or("not there".into(), told))?;
        for (partition, offset, row) in &e.events {
            writeln!(out, "  event   partition {partition}, offset {offset}: {}", told(row))?;
        }
    }
    Ok(())
}
