//! The command line: one file per command.
//!
//! Answers go to standard output; progress, coverage and complaints to standard error. Exit codes: 0 done; 1 it could not be done,
//! or it found something wrong; 2 the command was not understood.

mod bench;
mod compare;
mod completions;
mod failure;
mod feed;
mod graph;
mod job;
mod key;
mod late;
mod log;
mod output;
mod progress;
mod query;
mod results;
mod run;
mod run_child;
mod run_layer;
mod run_system;
mod sql;
mod torture;
mod warnings;
mod workflow;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use twopath_log::Address;

pub use failure::Failure;

use crate::scenarios::compare::parse_duration;

/// Compares the Lambda and Kappa architectures on one immutable event log.
#[derive(Debug, Parser)]
#[command(name = "twopath", version, propagate_version = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// The folder of topics
    #[arg(long, global = true, value_name = "DIR", default_value = "twopath-data")]
    dir: PathBuf,
    /// A log that is kept elsewhere, by its address: kafka://HOST:PORT/TOPIC (for compare, TOPIC is how the names of its topics begin)
    #[arg(long, global = true, value_name = "ADDRESS", conflicts_with = "dir")]
    log: Option<Address>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  twopath compare
  twopath log import flights --from flights.parquet --time-column sched_dep
  twopath query --sql 'SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier' --engine batch
  twopath log cat flights --log kafka://localhost:9092/flights
  twopath log verify flights";

#[derive(Debug, Subcommand)]
enum Command {
    Compare(Box<compare::CompareArgs>),
    Log(log::LogArgs),
    Query(query::QueryArgs),
    Feed(feed::FeedArgs),
    Graph(graph::GraphArgs),
    Job(job::JobArgs),
    Workflow(workflow::WorkflowArgs),
    Run(run::RunArgs),
    Results(results::ResultsArgs),
    Bench(bench::BenchArgs),
    Torture(torture::TortureArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    RunChild(run_child::RunChildArgs),
    #[command(hide = true)]
    RunSystem(run_system::RunSystemArgs),
    #[command(hide = true)]
    RunLayer(run_layer::RunLayerArgs),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs the program with these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are "errors" of clap's with exit code 0. A closed pipe leaves nobody to tell.
            let _ = e.print();
            return ExitCode::from(e.exit_code().try_into().unwrap_or(2));
        }
    };
    failure::set_up_reports();
    warnings::tell();
    match run_command(cli) {
        Ok(code) => code,
        Err(failure) => failure.show(),
    }
}

fn run_command(cli: Cli) -> Result<ExitCode, Failure> {
    let elsewhere = cli.log.is_some();
    let place = cli.log.unwrap_or(Address::Folder(cli.dir));
    match cli.command {
        Command::Log(args) => log::run(&place, args),
        Command::Query(args) => query::run(&place, &args),
        Command::Compare(args) => compare::run(*args, elsewhere.then_some(place)),
        Command::Feed(args) => feed::run(folder(&place, "feed")?, args),
        Command::Graph(args) => graph::run(folder(&place, "graph")?, &args),
        Command::Job(args) => job::run(folder(&place, "job")?, &args),
        Command::Workflow(args) => workflow::run(folder(&place, "workflow")?, &args),
        Command::Run(args) => run::run(folder(&place, "run")?, args),
        Command::Results(args) => results::run(&args),
        Command::Bench(args) => bench::run(folder(&place, "bench")?, &args),
        Command::Torture(args) => torture::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::RunChild(args) => run_child::run(&args),
        Command::RunSystem(args) => run_system::run(&args),
        Command::RunLayer(args) => run_layer::run(&args),
    }
}

/// For commands that keep things beside their topics, and so work in a folder only.
fn folder<'a>(place: &'a Address, command: &str) -> Result<&'a Path, Failure> {
    let refused = || Failure::usage(format!("`twopath {command}` works on a log in a folder only: give --dir instead of --log {place}"));
    place.folder().ok_or_else(refused)
}
