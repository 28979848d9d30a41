//! `twopath query`: one question, answered by the engine of one's choice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arrow_array::RecordBatch;
use clap::{Args, ValueEnum};
use twopath_base::{Coverage, Position};
use twopath_log::{Address, Topic};

use super::log::ForeignArgs;
use super::output::{self, Format};
use super::{Failure, late, sql};
use crate::feeds::{Definition, Until};
use crate::question::{self, Asked, Compacted, LateRecords, Question, Rows, batch_views};
use crate::systems::{BatchEngine, SpeedEngine};

/// Answers a SQL query over a topic
///
/// The topic is what stands after FROM. Every engine gives the same rows in the same order (without ORDER BY in the order of the
/// GROUP BY columns), so that two answers can be compared with diff; only the reference computes
/// APPROX_QUANTILE and APPROX_COUNT_DISTINCT exactly, and the engines by sketches. What an answer covers is told on standard error, or
/// in the JSON object.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath query --sql 'SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin' --engine batch
  twopath query --sql delays.sql --engine merged --format csv > merged.csv
  twopath query --sql delays.sql --engine reference --at 1000,1000 --format json
  twopath query --sql delays.sql --engine batch --incremental
  twopath query --sql on_time.sql --late-to too_late
  twopath query --log kafka://localhost:9092/flights --sql 'SELECT COUNT(*) AS n FROM flights' --engine kappa

Windows are table functions:
  SELECT window_start, COUNT(*) AS n
  FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY) GROUP BY window_start")]
pub(super) struct QueryArgs {
    /// The query: a SQL text, or the name of a file that holds one
    #[arg(long, value_name = "TEXT_OR_FILE")]
    sql: String,
    /// Who computes the answer
    #[arg(long, value_enum, default_value = "batch")]
    engine: Engine,
    /// Answer for this position instead of the log's end: one offset per partition, such as 120,98; of a
    /// query over several topics once for each that is meant, such as flights=120,98
    #[arg(long, value_name = "[TOPIC=]POSITION")]
    at: Vec<String>,
    /// For `merged`: where the batch view ends [default: the last barrier at or before the position; without one, halfway]
    #[arg(long, value_name = "POSITION")]
    horizon: Option<Position>,
    /// For `batch` (by rayon): go on from what the same question had come to before, and read only what is new. What it comes to
    /// is kept beside the topics
    #[arg(long)]
    incremental: bool,
    /// Append the records that the query's WATERMARK leaves out to this topic, as far as they are not there yet: each is there once, however often this is asked.
    /// The topic is made where there is none
    #[arg(long, value_name = "TOPIC")]
    late_to: Option<String>,
    /// Worker threads of the speed layer
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Show the logical plan instead of answering
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    foreign: ForeignArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// Row by row in the most obvious way, on one thread
    Reference,
    /// The batch layer: everything in full (its default engine)
    Batch,
    /// The batch layer by polars
    BatchPolars,
    /// The batch layer by rayon
    BatchRayon,
    /// The speed layer: replayed from the log's start (its default engine)
    Speed,
    /// The speed layer by timely
    SpeedTimely,
    /// The speed layer by differential
    SpeedDifferential,
    /// A batch view up to the horizon, merged with the speed layer's view of the rest
    Merged,
    /// The single path: the speed layer's replay in a serving table of its own
    Kappa,
}

/// An answer as rows of values.
pub(super) struct Answered {
    names: Vec<String>,
    rows: Rows,
    /// By topic.
    coverage: Vec<(String, Coverage)>,
    late: Vec<LateRecords>,
    compacted: Vec<Compacted>,
}

impl From<Engine> for question::Engine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Reference => question::Engine::Reference,
            Engine::Batch | Engine::BatchRayon => question::Engine::Batch(BatchEngine::Rayon),
            Engine::BatchPolars => question::Engine::Batch(BatchEngine::Polars),
            Engine::Speed | Engine::SpeedTimely => question::Engine::Speed(SpeedEngine::Timely),
            Engine::SpeedDifferential => question::Engine::Speed(SpeedEngine::Differential),
            Engine::Merged => question::Engine::Merged,
            Engine::Kappa => question::Engine::Kappa,
        }
    }
}

pub(super) fn run(place: &Address, args: &QueryArgs) -> Result<ExitCode, Failure> {
    if args.horizon.is_some() && args.engine != Engine::Merged {
        return Err(Failure::usage("--horizon is where the batch view of --engine merged ends; the other engines have none"));
    }
    let incremental = args.incremental.then(|| views(place, args.engine)).transpose()?;
    let sql = sql::read_sql(&args.sql)?;
    let names = twopath_query::topics_of(&sql).map_err(|e| Failure::sql(&e, &sql))?;
    if let ([name], Some(named)) = (&names[..], place.named_topic())
        && name != named
    {
        return Err(Failure::usage(format!("--log names topic '{named}', and the query reads '{name}'; name the same one in both")));
    }
    let topics = names.iter().map(|name| args.foreign.open(place, name)).collect::<Result<Vec<_>, _>>()?;
    let at = positions(&topics, &args.at)?;
    let question = Question::new(&sql, topics, &at).map_err(|e| Failure::sql(&e, &sql))?;
    if args.explain {
        println!("{}", question.plan);
        return Ok(ExitCode::SUCCESS);
    }
    if args.horizon.is_some() && names.len() > 1 {
        return Err(Failure::usage("--horizon is a position of one topic, and the query reads several: leave it out"));
    }
    let asked = Asked { at, horizon: args.horizon.clone(), workers: usize::from(args.workers), incremental };
    let late_feed = args.late_to.as_ref().map(|output| late_feed(place, &question, output)).transpose()?;
    let question::Answered { names, rows, coverage, late } = question.answer(args.engine.into(), &asked)?;
    show(&Answered { names, rows, coverage, late, compacted: question.compacted()? }, args.format)?;
    if let Some((dir, feed)) = late_feed {
        let number =
            question.topics.iter().position(|t| t.config().name == feed.input).expect("what is late is of a topic that the query reads");
        late::append(dir, &feed, Until::Position(asked.at[number].clone()), asked.workers)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The feed of what the question leaves out, and the folder that it is in.
fn late_feed<'a>(place: &'a Address, question: &Question, output: &str) -> Result<(&'a Path, Definition), Failure> {
    let Some(dir) = place.folder() else {
        return Err(Failure::usage(format!("--late-to makes a topic beside the one that is read, and {place} is no folder; leave it out")));
    };
    Ok((dir, late::feed(dir, &question.plan.late(), output)?))
}

/// Where incremental questions keep what they have come to.
fn views(place: &Address, engine: Engine) -> Result<PathBuf, Failure> {
    match (engine, place.folder()) {
        (Engine::Batch | Engine::BatchRayon, Some(dir)) => Ok(batch_views(dir)),
        (Engine::Batch | Engine::BatchRayon, None) => Err(Failure::usage(format!(
            "--incremental keeps what it comes to beside the topics, and {place} is no folder; leave it out, or copy the topic into a folder"
        ))),
        (Engine::BatchPolars, _) => {
            Err(Failure::usage("--incremental: polars computes everything anew each time; use --engine batch-rayon"))
        }
        _ => Err(Failure::usage("--incremental is about batch runs; use it with --engine batch")),
    }
}

/// The position of each topic: where `--at` says, else its end.
fn positions(topics: &[Topic], at: &[String]) -> Result<Vec<Position>, Failure> {
    let ends = topics.iter().map(Topic::end).collect::<Result<Vec<_>, _>>()?;
    let mut positions = ends.clone();
    let mut seen = Vec::new();
    for given in at {
        let (name, text) = given.split_once('=').map_or((None, given.as_str()), |(name, text)| (Some(name), text));
        let wrong = |problem: String| Failure::usage(format!("--at {given}: {problem}"));
        let number = match name {
            Some(name) => {
                topics.iter().position(|t| t.config().name == name).ok_or_else(|| wrong(format!("the query reads no topic {name}")))?
            }
            None if positions.len() == 1 => 0,
            None => {
                let example = format!("--at {}={}", topics[0].config().name, positions[0]);
                return Err(wrong(format!("the query reads several topics; name the one that is meant, as in {example}")));
            }
        };
        let position: Position = text.parse().map_err(|e| wrong(format!("{e}")))?;
        let topic = topics[number].name();
        if seen.contains(&number) {
            return Err(wrong(format!("a position of topic {topic} was given already; give one for each topic")));
        }
        seen.push(number);
        let option = if topics.len() > 1 { format!("--at {topic}=") } else { "--at".to_owned() };
        question::check_within(&position, &option, &ends[number])?;
        positions[number] = position;
    }
    Ok(positions)
}

pub(super) fn rows_of(rows: RecordBatch, coverage: Vec<(String, Coverage)>, late: Vec<LateRecords>) -> Answered {
    let names = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    Answered { names, rows: Rows::Columns(rows), coverage, late, compacted: Vec::new() }
}

pub(super) fn show(answered: &Answered, format: Format) -> Result<(), Failure> {
    let Answered { names, rows, coverage, late, compacted } = answered;
    if let (Format::Json, Some(name)) =
        (format, names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name))
    {
        let help = "give each a name of its own with AS, or ask for --format csv, which takes them as they are";
        return Err(Failure::usage_with_help(format!("two columns are named '{name}', and a JSON object has one of a name"), help));
    }
    let rows = &match rows {
        Rows::Columns(batch) => Rows::Columns(output::with_one_zero(batch)),
        Rows::Values(rows) => Rows::Values(rows.iter().map(|row| row.iter().map(output::one_zero).collect()).collect()),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let values = match rows {
        Rows::Values(rows) => Cow::Borrowed(rows),
        Rows::Columns(_) if format == Format::Csv => Cow::default(),
        Rows::Columns(batch) => Cow::Owned(output::values(batch).map_err(Failure::of)?),
    };
    match format {
        Format::Table => output::table(&mut out, names, &values)?,
        Format::Csv => {
            output::csv_header(&mut out, names)?;
            match rows {
                Rows::Columns(batch) => output::csv_rows(&mut out, batch)?,
                Rows::Values(rows) => rows.iter().try_for_each(|row| output::csv_row(&mut out, row))?,
            }
        }
        Format::Json => {
            let (position, parts) = covered(coverage);
            let columns: Vec<String> = names.iter().map(|n| output::json_text(n)).collect();
            let rows: Vec<String> = values.iter().map(|row| output::json_row(names, row)).collect();
            let late = json_list("late", late)? + &json_list("compacted", compacted)?;
            writeln!(
                out,
                "{{\"position\":{},\"coverage\":{},{late}\"columns\":[{}],\"rows\":[{}{}]}}",
                serde_json::to_string(&position).map_err(Failure::of)?,
                serde_json::to_string(&parts).map_err(Failure::of)?,
                columns.join(","),
                if rows.is_empty() { "" } else { "\n" },
                rows.join(",\n")
            )?;
        }
    }
    out.flush()?;
    // Of CSV, which is for programs, only a person who watches is told; JSON has it in the object.
    let is_told = format == Format::Table || format == Format::Csv && std::io::stderr().is_terminal();
    if is_told {
        let positions: Vec<String> = match &coverage[..] {
            [(_, coverage)] => vec![coverage.to_string()],
            several => several.iter().map(|(topic, coverage)| format!("{topic} {coverage}")).collect(),
        };
        let count = match rows {
            Rows::Columns(batch) => batch.num_rows(),
            Rows::Values(rows) => rows.len(),
        };
        eprintln!("{count} rows; exact for position {}", positions.join(" and "));
    }
    // What is left out is told whoever reads.
    if format != Format::Json {
        late.iter().map(LateRecords::told).chain(compacted.iter().map(Compacted::told)).for_each(|told| eprintln!("{told}"));
    }
    Ok(())
}

/// A member of the object, where there is anything in it.
fn json_list<T: serde::Serialize>(name: &str, list: &[T]) -> Result<String, Failure> {
    match list {
        [] => Ok(String::new()),
        list => Ok(format!("\"{name}\":{},", serde_json::to_string(list).map_err(Failure::of)?)),
    }
}

/// The position that an answer is exact for, and what it came from: of several topics, by topic.
fn covered(coverage: &[(String, Coverage)]) -> (serde_json::Value, Vec<BTreeMap<&str, String>>) {
    let position = |coverage: &Coverage| coverage.position().map(ToString::to_string).unwrap_or_default();
    let parts = coverage.iter().flat_map(|(topic, covered)| {
        covered.parts.iter().map(move |p| {
            let mut part: BTreeMap<&str, String> =
                [("source", p.source.clone()), ("from", p.lower.to_string()), ("to", p.upper.to_string())].into();
            if coverage.len() > 1 {
                part.insert("topic", topic.clone());
            }
            part
        })
    });
    let positions = match coverage {
        [(_, coverage)] => position(coverage).into(),
        several => several.iter().map(|(topic, coverage)| (topic.clone(), serde_json::Value::from(position(coverage)))).collect(),
    };
    (positions, parts.collect())
}
