//! `twopath torture`: what the user chose, for [`twopath_torture`].

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use twopath_query::Value;

use super::{Failure, output, progress};
use twopath_torture::{self as torture, KindSummary, TortureSettings};

/// Tries every kind of fault on the log and on the state of jobs, and tells what did not hold
///
/// Power losses, calls to files and object stores that fail, changed bytes, kill -9, unruly producers. Each violation names a number, which with the seed replays it.
/// The short form takes a minute or two; the long one hours.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath torture
  twopath torture --long --seed 7 --format json
  twopath torture --only power --seed 7 --number 42")]
pub(super) struct TortureArgs {
    /// Only these kinds
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(torture::kinds()))]
    only: Vec<String>,
    /// Many more of each
    #[arg(long)]
    long: bool,
    /// What chance starts from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this item of each kind, as a violation names it
    #[arg(long, value_name = "NUMBER")]
    number: Option<u64>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Only rolls segments of a topic in this folder, until it is killed: the process that the torture kills
    #[arg(long, value_name = "DIR", hide = true)]
    roll_in: Option<PathBuf>,
    /// Only runs a job that takes checkpoints over a topic in this folder, until it is killed
    #[arg(long, value_name = "DIR", hide = true)]
    state_in: Option<PathBuf>,
    /// Of that job
    #[arg(long, value_name = "N", hide = true, default_value_t = 1)]
    workers: usize,
    /// Of that job: where it keeps its state
    #[arg(long, value_name = "PLACE", hide = true, default_value = "checkpoint")]
    place: String,
    /// That job waits for the end of another
    #[arg(long, hide = true)]
    stands_by: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One object: {"summary","violations","seed"}
    Json,
}

pub(super) fn run(args: &TortureArgs) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.roll_in {
        torture::roll_child(dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(dir) = &args.state_in {
        torture::state_child(dir, args.workers, &args.place, args.stands_by).map_err(Failure::of)?;
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe()?;
    let settings = TortureSettings { long: args.long, seed: args.seed, only: args.only.clone(), number: args.number, program };
    let bar = progress::bar("starting", 1);
    let result = torture::run(&settings, &|kind, done, all| {
        bar.set_message(kind.to_owned());
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let result = result.map_err(|e| Failure::of(format!("the scratch folder: {e}")))?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => output::report(&mut out, &result)?,
        Format::Table => {
            let names = ["kind", "tried", "hits", "violations", "panics", "seconds", "what"].map(String::from);
            output::table(&mut out, &names, &result.summary.iter().map(row).collect::<Vec<_>>())?;
            for v in &result.violations {
                writeln!(out, "{} number {} (seed {}), {}: {}", v.kind, v.number, result.seed, v.place, v.what)?;
            }
        }
    }
    Ok(if result.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn row(of: &KindSummary) -> Vec<Value> {
    let text = |t: &str| Value::Text(t.into());
    let count = |n: u64| Value::Int(n as i64);
    vec![
        text(of.kind),
        count(of.tried),
        if of.hits > 0 { count(of.hits) } else { Value::Null },
        count(of.violations),
        count(of.panics),
        Value::Float((of.seconds * 10.0).round() / 10.0),
        text(of.what),
    ]
}
