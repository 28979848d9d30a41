//! `twopath run`: scenarios.

mod backpressure;
mod canary;
mod state;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use twopath_query::Value;
use twopath_results::report::scenario::text;
use twopath_results::scenario::ScenarioResult;

use super::{Failure, output};
use crate::scenarios::run::{named, run as run_scenario};
use crate::scenarios::{SCENARIOS, ScenarioOptions};

/// Asks one question of the architectures, and tells what became of the answer that the literature gives
///
/// Each scenario has a hypothesis with its source, runs what it takes to decide it, checks every answer against the reference, and says
/// confirmed, refuted or undecided. It keeps result.json, report.html and raw samples in Parquet. Ctrl-C ends it with what it has.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  twopath run --list
  twopath run aa
  twopath run aa --quick --format json
  twopath run aa --repeats 40 --seed 7 --out aa-results
  twopath run backpressure --rate 100000"
)]
pub(super) struct RunArgs {
    /// Which scenario
    #[arg(value_name = "NAME", value_parser = names(), required_unless_present = "list")]
    name: Option<String>,
    /// Tells which there are, and what each asks
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be said to every scenario.
#[derive(Debug, Args)]
struct Common {
    /// Run it small, in seconds: it then shows that the scenario works, and not what is so
    #[arg(long)]
    quick: bool,
    /// Of everything random in it: where nothing is timed, the same seed gives the same figures
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Runs of each thing that is measured [default: the scenario's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: Option<u32>,
    /// Where the results go [default: twopath-results/NAME-START]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Common {
    fn options(&self) -> ScenarioOptions {
        ScenarioOptions { quick: self.quick, seed: self.seed, repeats: self.repeats, out: self.out.clone() }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Backpressure(backpressure::BackpressureArgs),
    Canary(canary::CanaryArgs),
    State(state::StateArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// All of result.json: {"scenario","seed","verdict","figures",...}; with --list: [{"name","asks"}]
    Json,
}

/// Exit codes beside 0: answers that an engine got wrong; stopped (as shells have it for Ctrl-C).
const WRONG: u8 = 1;
const STOPPED: u8 = 130;

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(SCENARIOS.iter().map(|s| s.name))
}

pub(super) fn run(dir: &Path, args: RunArgs) -> Result<ExitCode, Failure> {
    match (&args.command, &args.name) {
        (Some(Command::Backpressure(args)), _) => backpressure::run(dir, args),
        (Some(Command::Canary(args)), _) => canary::run(args),
        (Some(Command::State(args)), _) => state::run(args),
        (None, Some(name)) if !args.list => scenario(name, &args),
        _ => list(args.common.format),
    }
}

fn scenario(name: &str, args: &RunArgs) -> Result<ExitCode, Failure> {
    let (result, out) = run_scenario(named(name)?, &args.common.options())?;
    show(&result, &out, args.common.format)
}

/// Tells of a result that was saved.
fn show(result: &ScenarioResult, out: &Path, format: Format) -> Result<ExitCode, Failure> {
    let mut stdout = std::io::stdout().lock();
    match format {
        Format::Json => output::report(&mut stdout, result)?,
        Format::Table => {
            let at = |file: &str| out.join(file).display().to_string();
            writeln!(stdout, "{}\nThe whole story: {}\nAll figures:     {}", text(result), at("report.html"), at("result.json"))?;
        }
    }
    let wrong = result.figures.iter().any(|f| f.figure == "answers_wrong_by_an_engine" && f.value != Some(0.0));
    Ok(ExitCode::from(match (result.complete, wrong) {
        (false, _) => STOPPED,
        (true, true) => WRONG,
        (true, false) => 0,
    }))
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    asks: &'static str,
}

fn list(format: Format) -> Result<ExitCode, Failure> {
    let listed: Vec<Listed> = SCENARIOS.iter().map(|s| Listed { name: s.name, asks: s.asks }).collect();
    let mut out = std::io::stdout().lock();
    if format == Format::Json {
        output::report(&mut out, &listed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<Value>> = listed.iter().map(|l| vec![Value::Text(l.name.into()), Value::Text(l.asks.into())]).collect();
    output::table(&mut out, &["scenario", "asks"].map(String::from), &rows)?;
    Ok(ExitCode::SUCCESS)
}
