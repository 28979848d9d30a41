//! `twopath workflow`: batch stages whose results are topics.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use twopath_query::Value;

use super::output::{self, ReportFormat};
use super::{Failure, progress};
use crate::systems::BatchEngine;
use crate::workflow::{self, Options, Workflow};

/// Runs batch workflows: stages whose results are topics, which the stages after them read, and anybody else
///
/// A workflow is a TOML file with a [[stage]] for each stage: its name, its sql (a text, or the name of a file that ends with .sql), and, if its topic is to have
/// them, its event time (time) and its key. A run reads its topics up to where they end when it begins, and keeps the result of each stage in a topic
/// WORKFLOW.STAGE.RUN. A run that was killed goes on behind the last stage that was finished.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath workflow run monthly.toml
  twopath workflow run monthly.toml --engine polars --keep 5
  twopath workflow status monthly
  twopath query --sql 'SELECT * FROM \"monthly.worst.3\" LIMIT 10'
  twopath workflow drop monthly")]
pub(super) struct WorkflowArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArgs),
    Status(StatusArgs),
    Drop(DropArgs),
}

/// Begins the next run, or goes on with one that was not finished
#[derive(Debug, Args)]
struct RunArgs {
    /// The workflow
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which batch engine computes the stages: rayon, polars, or timely (a replay)
    #[arg(long, value_name = "ENGINE", default_value = "rayon")]
    engine: BatchEngine,
    /// Give up a run that was not finished, with what it had made, and begin the next one
    #[arg(long)]
    new: bool,
    /// How many finished runs keep their topics
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

/// Tells the runs that are kept, what they read and what they have made
#[derive(Debug, Args)]
struct StatusArgs {
    /// The workflow's name
    name: String,
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

/// Removes a workflow's runs, with their topics
#[derive(Debug, Args)]
struct DropArgs {
    /// The workflow's name
    name: String,
}

pub(super) fn run(dir: &Path, args: &WorkflowArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Run(args) => run_stages(dir, args)?,
        Command::Status(args) => status(dir, args)?,
        Command::Drop(args) => workflow::forget(dir, &args.name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_stages(dir: &Path, args: &RunArgs) -> Result<(), Failure> {
    let workflow = Workflow::read(&args.file)?;
    let options = Options { engine: args.engine, anew: args.new, keep: usize::from(args.keep) };
    let bar = progress::bar("", workflow.stages.len() as u64);
    let report = workflow::run(dir, &workflow, options, |stage| {
        bar.inc(1);
        bar.set_message(stage.stage.clone());
    });
    bar.finish_and_clear();
    let report = report?;
    let mut out = std::io::stdout().lock();
    match args.format {
        ReportFormat::Json => output::report(&mut out, &report)?,
        ReportFormat::Table => {
            let row = |s: &workflow::StageReport| {
                let took = if s.was_finished { "finished before".into() } else { format!("{:.0} ms", s.took_ms) };
                vec![text(&s.stage), text(&s.topic), Value::Int(s.rows as i64), text(&took)]
            };
            let rows: Vec<Vec<Value>> = report.stages.iter().map(row).collect();
            output::table(&mut out, &["stage", "topic", "rows", "took"].map(String::from), &rows)?;
        }
    }
    Ok(())
}

fn status(dir: &Path, args: &StatusArgs) -> Result<(), Failure> {
    let runs = workflow::status(dir, &args.name)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        ReportFormat::Json => output::report(&mut out, &runs)?,
        ReportFormat::Table => {
            let row = |run: &workflow::Run| {
                let made: Vec<&str> = run.made.iter().map(|made| made.topic.as_str()).collect();
                let inputs: Vec<String> = run.inputs.iter().map(|input| format!("{} at {}", input.topic, input.position)).collect();
                let state = if run.is_finished { "finished" } else { "not finished" };
                vec![Value::Int(run.number as i64), text(state), text(&inputs.join(", ")), text(&made.join(", "))]
            };
            let rows: Vec<Vec<Value>> = runs.iter().map(row).collect();
            output::table(&mut out, &["run", "state", "reads", "made"].map(String::from), &rows)?;
        }
    }
    Ok(())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
