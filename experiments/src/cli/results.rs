//! `twopath results`: the results that were kept, of comparisons and scenarios.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use twopath_query::Value;
use twopath_results::kept::{FOLDER, FigureDiff, Kept, Summary, diff, list};
use twopath_results::number;
use twopath_results::report::beside::page;
use twopath_results::report::scenario::{in_words, text};
use twopath_results::report::table::{Look, table};
use twopath_results::scenario::Figure;

use super::{Failure, output};
use crate::harness::samples;

/// Lists, shows, compares and exports the results that were kept
///
/// Each comparison and each scenario leaves a folder with its result.json; this reads a folder of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath results list
  twopath results list --format json
  twopath results show aa-2026-01-01T10-00-00Z
  twopath results diff aa-2026-01-01T10-00-00Z aa-2026-01-02T10-00-00Z
  twopath results page
  twopath results page recovery-before recovery-after --out beside.html
  twopath results export figures.parquet")]
pub(super) struct ResultsArgs {
    /// The folder of runs
    #[arg(long, global = true, value_name = "DIR", default_value = FOLDER)]
    results: PathBuf,
    /// What goes to standard output
    #[arg(long, global = true, value_enum, default_value = "table")]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One line a run, the oldest first
    List,
    /// What a run found
    Show {
        /// Its folder, below --results or anywhere
        run: PathBuf,
    },
    /// The figures of two runs side by side, of other commits too; those whose intervals have nothing in common are marked
    Diff { before: PathBuf, after: PathBuf },
    /// A page that lays runs side by side, over commits too, with what differs marked and drawn
    Page {
        /// Their folders, below --results or anywhere [default: all in --results]
        runs: Vec<PathBuf>,
        /// Where the page goes [default: beside.html in --results]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// All figures of all runs in one file: .parquet, .csv or .json
    Export { file: PathBuf },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// list: [{"run","scenario","started","commit","seed","verdict","complete",...}]; diff: [{"figure","of","before","after","ratio","apart"}]
    Json,
}

pub(super) fn run(args: &ResultsArgs) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        Command::List => {
            let found: Vec<Summary> = kept(args)?.iter().map(|(run, kept)| kept.summary(run)).collect();
            match args.format {
                Format::Json => output::report(&mut out, &found)?,
                Format::Table => show_list(&mut out, &found)?,
            }
        }
        Command::Show { run } => match (read(args, run)?, args.format) {
            (Kept::Scenario(result), Format::Json) => output::report(&mut out, &result)?,
            (Kept::Comparison(result), Format::Json) => output::report(&mut out, &result)?,
            (Kept::Scenario(result), Format::Table) => write!(out, "{}", text(&result))?,
            (Kept::Comparison(result), Format::Table) => writeln!(out, "{}", table(&result, Look::of_stdout()))?,
        },
        Command::Diff { before, after } => {
            let diffs = diff(&read(args, before)?, &read(args, after)?);
            match args.format {
                Format::Json => output::report(&mut out, &diffs)?,
                Format::Table => show_diff(&mut out, &diffs)?,
            }
        }
        Command::Page { runs, out } => {
            let found = match runs.as_slice() {
                [] => kept(args)?,
                runs => runs.iter().map(|run| Ok((run.display().to_string(), read(args, run)?))).collect::<Result<_, Failure>>()?,
            };
            if found.is_empty() {
                return Err(Failure::usage(format!(
                    "{}: there are no runs in it; name another folder with --results",
                    args.results.display()
                )));
            }
            let out = out.clone().unwrap_or_else(|| args.results.join("beside.html"));
            std::fs::write(&out, page(&found)).map_err(|e| Failure::of(format!("{}: {e}", out.display())))?;
            eprintln!("{} runs side by side are in {}", number::count(found.len() as u64), out.display());
        }
        Command::Export { file } => {
            let rows = exported(args)?;
            export(&rows, file)?;
            eprintln!("{} figures are in {}", number::count(rows.len() as u64), file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All runs of the folder. One that the user named has to be there; the default's comes with the first run.
fn kept(args: &ResultsArgs) -> Result<Vec<(String, Kept)>, Failure> {
    if args.results != Path::new(FOLDER) && !args.results.is_dir() {
        return Err(Failure::usage(format!(
            "{}: there is no such folder; name the one that runs are in with --results",
            args.results.display()
        )));
    }
    Ok(list(&args.results)?)
}

/// A run by its name in the folder of runs, or by any path.
fn read(args: &ResultsArgs, run: &Path) -> Result<Kept, Failure> {
    let named = args.results.join(run);
    Ok(Kept::read(if named.exists() { &named } else { run })?)
}

fn show_list(out: &mut dyn Write, found: &[Summary]) -> Result<(), Failure> {
    let text = |text: &str| Value::Text(text.into());
    let row = |s: &Summary| {
        let became = match (s.verdict, s.complete) {
            (_, false) => text("stopped early"),
            (Some(verdict), true) => text(verdict.name()),
            (None, true) => Value::Null,
        };
        let commit: String = s.commit.chars().take(10).collect();
        vec![text(&s.run), text(&s.scenario), text(&s.started), text(&commit), Value::Int(s.seed as i64), became]
    };
    let names = ["run", "scenario", "started", "commit", "seed", "verdict"].map(String::from);
    Ok(output::table(out, &names, &found.iter().map(row).collect::<Vec<_>>())?)
}

fn show_diff(out: &mut dyn Write, diffs: &[FigureDiff]) -> Result<(), Failure> {
    let text = |text: String| Value::Text(text.into());
    let row = |d: &FigureDiff| {
        let value = |v: Option<f64>| v.map_or(Value::Null, |v| text(in_words(v, &d.unit)));
        let ratio = d.ratio.map_or(Value::Null, |r| text(number::times(r)));
        let apart = text(if d.apart { "apart".into() } else { String::new() });
        vec![text(d.figure.clone()), text(d.of.clone()), value(d.before), value(d.after), ratio, apart]
    };
    let names = ["figure", "of", "before", "after", "ratio", ""].map(String::from);
    Ok(output::table(out, &names, &diffs.iter().map(row).collect::<Vec<_>>())?)
}

/// A figure with the run that it is of.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    run: Summary,
    #[serde(flatten)]
    figure: Figure,
}

fn exported(args: &ResultsArgs) -> Result<Vec<Exported>, Failure> {
    let of_run = |(run, kept): (String, Kept)| {
        let summary = kept.summary(&run);
        kept.figures().into_iter().map(move |figure| Exported { run: summary.clone(), figure })
    };
    Ok(kept(args)?.into_iter().flat_map(of_run).collect())
}

fn export(rows: &[Exported], file: &Path) -> Result<(), Failure> {
    let io = |e: std::io::Error| Failure::of(format!("{}: {e}", file.display()));
    match file.extension().and_then(|e| e.to_str()) {
        Some("json") => std::fs::write(file, serde_json::to_vec_pretty(rows).map_err(Failure::of)?).map_err(io),
        Some("csv") => {
            let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(io)?);
            let names = ["run", "scenario", "started", "commit", "seed", "figure", "of", "unit", "value", "low", "high"].map(String::from);
            output::csv_header(&mut out, &names).map_err(io)?;
            for Exported { run, figure } in rows {
                let text = |text: &str| Value::Text(text.into());
                let number = |v: Option<f64>| v.map_or(Value::Null, Value::Float);
                let row = [
                    text(&run.run),
                    text(&run.scenario),
                    text(&run.started),
                    text(&run.commit),
                    Value::Int(run.seed as i64),
                    text(&figure.figure),
                    text(&figure.of),
                    text(&figure.unit),
                    number(figure.value),
                    number(figure.low),
                    number(figure.high),
                ];
                output::csv_row(&mut out, &row).map_err(io)?;
            }
            out.flush().map_err(io)
        }
        Some("parquet") => {
            let texts = |of: fn(&Exported) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
            let numbers = |of: fn(&Exported) -> Option<f64>| -> ArrayRef { Arc::new(Float64Array::from_iter(rows.iter().map(of))) };
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("run", texts(|r| &r.run.run)),
                ("scenario", texts(|r| &r.run.scenario)),
                ("started", texts(|r| &r.run.started)),
                ("commit", texts(|r| &r.run.commit)),
                ("machine", texts(|r| &r.run.machine)),
                ("command", texts(|r| &r.run.command)),
                ("seed", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.run.seed)))),
                ("figure", texts(|r| &r.figure.figure)),
                ("of", texts(|r| &r.figure.of)),
                ("unit", texts(|r| &r.figure.unit)),
                ("value", numbers(|r| r.figure.value)),
                ("low", numbers(|r| r.figure.low)),
                ("high", numbers(|r| r.figure.high)),
            ];
            samples::write(file, columns).map_err(Failure::of)
        }
        _ => Err(Failure::usage(format!("{}: name a file that ends with .parquet, .csv or .json", file.display()))),
    }
}
