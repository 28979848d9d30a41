//! `twopath query`: one question, answered by the engine of one's choice.

use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use twopath_base::{Coverage, CoveragePart, Position};
use twopath_log::{Address, Barrier, Entry, Start, Topic};
use twopath_query::{Query, Value};
use twopath_reference::Reference;
use twopath_view::{self as view, BatchView, GroupTable, Selection};

use super::log::ForeignArgs;
use super::output::{self, Format};
use super::{Failure, sql};
use crate::systems::twopath::wiring::{self, VersionLogic};
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
    /// Answer for this position instead of the log's end: one offset per partition, such as 120,98
    #[arg(long, value_name = "POSITION")]
    at: Option<Position>,
    /// For `merged`: where the batch view ends [default: the last barrier at or before the position; without one, halfway]
    #[arg(long, value_name = "POSITION")]
    horizon: Option<Position>,
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
    rows: Vec<Vec<Value>>,
    coverage: Coverage,
}

pub(super) fn run(place: &Address, args: &QueryArgs) -> Result<ExitCode, Failure> {
    if args.horizon.is_some() && args.engine != Engine::Merged {
        return Err(Failure::usage("--horizon is where the batch view of --engine merged ends; the other engines have none"));
    }
    let sql = sql::read_sql(&args.sql)?;
    let topic = sql::topic_named(place, &sql, |name| args.foreign.open(place, name))?;
    if args.explain {
        println!("{}", sql::plan(&sql, &topic)?);
        return Ok(ExitCode::SUCCESS);
    }
    let query = Arc::new(sql::parse(&sql, &topic)?);
    let end = topic.end()?;
    let at = match &args.at {
        None => end,
        Some(at) => checked(at, "--at", &end)?,
    };
    // One rule for all engines.
    let start = topic.start()?;
    topic.check_readable(&start, &at)?;
    let logic = VersionLogic::sql(query.clone());
    let range = (&start, &at);
    let answered = match args.engine {
        Engine::Reference => by_reference(&topic, &query, &start, &at)?,
        Engine::Batch | Engine::BatchRayon => by_batch(&topic, &logic, BatchEngine::Rayon, range)?,
        Engine::BatchPolars => by_batch(&topic, &logic, BatchEngine::Polars, range)?,
        Engine::Speed | Engine::SpeedTimely => by_speed(&topic, &logic, SpeedEngine::Timely, range, args.workers)?,
        Engine::SpeedDifferential => by_speed(&topic, &logic, SpeedEngine::Differential, range, args.workers)?,
        Engine::Merged => by_merging(&topic, &logic, range, args)?,
        Engine::Kappa => by_kappa(&topic, &logic, range, args.workers)?,
    };
    show(&answered, args.format)?;
    Ok(ExitCode::SUCCESS)
}

/// A position that the topic has.
fn checked(position: &Position, option: &str, end: &Position) -> Result<Position, Failure> {
    if position.partitions() != end.partitions() {
        return Err(Failure::usage(format!(
            "{option} {position} has {} offsets and the topic {} partitions; give one offset for each, such as {end}, the end",
            position.partitions(),
            end.partitions()
        )));
    }
    if !end.covers(position) {
        return Err(Failure::usage(format!("{option} {position} lies beyond the end of the topic, which is {end}")));
    }
    Ok(position.clone())
}

fn by_reference(topic: &Topic, query: &Query, start: &Position, at: &Position) -> Result<Answered, Failure> {
    let mut reference = Reference::new(query.clone());
    for (partition, to) in at.iter() {
        let mut reader = topic.reader(partition, Start::First, Some(&query.whole_rows()))?;
        while reader.offset() < to {
            match reader.next()? {
                None => break,
                Some(Entry::Barrier(_)) => {}
                Some(Entry::Records(records)) => {
                    let from = records.base;
                    reference.push(&records.cut(from, to).batch);
                }
            }
        }
    }
    let names = query.output.iter().map(|c| c.name.clone()).collect();
    let part = CoveragePart { source: "reference".into(), lower: start.clone(), upper: at.clone() };
    Ok(Answered { names, rows: reference.answer()?, coverage: Coverage::of(vec![part]) })
}

fn by_batch(topic: &Topic, logic: &VersionLogic, engine: BatchEngine, (start, at): (&Position, &Position)) -> Result<Answered, Failure> {
    let table = wiring::compute(topic, logic, engine, at)?;
    let part = CoveragePart { source: "batch".into(), lower: start.clone(), upper: at.clone() };
    answered(&logic.query, &[&table], Coverage::of(vec![part]))
}

fn by_speed(
    topic: &Topic,
    logic: &VersionLogic,
    engine: SpeedEngine,
    (start, at): (&Position, &Position),
    workers: u16,
) -> Result<Answered, Failure> {
    let view = wiring::replay(topic, logic, engine, (0, start.clone()), at, usize::from(workers))?;
    if let Some(error) = view.error {
        return Err(error.into());
    }
    let parts = view.generations.iter().map(|g| CoveragePart {
        source: format!("generation {}", g.number),
        lower: g.lower.clone(),
        upper: g.upper.clone(),
    });
    let coverage = Coverage::of(parts.collect());
    let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| g.tables.iter().map(AsRef::as_ref)).collect();
    answered(&logic.query, &tables, coverage)
}

fn by_merging(topic: &Topic, logic: &VersionLogic, (start, at): (&Position, &Position), args: &QueryArgs) -> Result<Answered, Failure> {
    let barriers = topic.barriers()?;
    let (barrier, horizon) = horizon(&barriers, (&topic.since()?, at), args.horizon.as_ref())?;
    let table = Arc::new(wiring::compute(topic, logic, BatchEngine::Rayon, &horizon)?);
    let from = (barrier, horizon.clone());
    let view = wiring::replay(topic, logic, SpeedEngine::Timely, from, at, usize::from(args.workers))?;
    let serving = twopath_serving::Table::new(logic.query.clone(), topic.partitions()).starting_at(start.clone());
    serving.publish_batch(BatchView { version: 1, barrier, lower: start.clone(), upper: horizon, table });
    serving.publish_realtime(Arc::new(view));
    served(&serving)
}

fn by_kappa(topic: &Topic, logic: &VersionLogic, (start, at): (&Position, &Position), workers: u16) -> Result<Answered, Failure> {
    let view = wiring::replay(topic, logic, SpeedEngine::Timely, (0, start.clone()), at, usize::from(workers))?;
    let serving = twopath_serving::Table::new(logic.query.clone(), topic.partitions()).starting_at(start.clone());
    serving.publish_realtime(Arc::new(view));
    served(&serving)
}

/// Where a batch view may end, not below `since`, and how many barriers lie before: at a barrier, or where the user says.
fn horizon(barriers: &[Barrier], (since, at): (&Position, &Position), wanted: Option<&Position>) -> Result<(u64, Position), Failure> {
    let Some(wanted) = wanted else {
        if let Some(barrier) = barriers.iter().rfind(|b| at.covers(&b.position) && b.position.covers(since)) {
            return Ok((barrier.number, barrier.position.clone()));
        }
        // Before every barrier in one partition at least: half of the way there in each.
        let first = barriers.first().map_or_else(|| at.clone(), |b| at.meet(&b.position));
        let from = since.meet(&first);
        let half = from.iter().map(|(p, from)| twopath_base::Offset(from.0 + (first.get(p).0 - from.0) / 2)).collect();
        return Ok((0, Position::new(half)));
    };
    let mut wanted = checked(wanted, "--horizon", at)?;
    if !wanted.covers(since) {
        // What compaction took is in no batch view that ends before it; the answer, for a later position, is the same.
        eprintln!("the log was compacted up to {since}, so that the batch view ends there and not at {wanted}");
        wanted = wanted.join(since);
    }
    let before = barriers.iter().rfind(|b| wanted.covers(&b.position)).map_or(0, |b| b.number);
    match barriers.iter().find(|b| b.number > before && !b.position.covers(&wanted)) {
        None => Ok((before, wanted)),
        Some(barrier) => Err(Failure::usage(format!(
            "--horizon {wanted} lies before barrier {} ({}) in one partition and after it in another; choose one side",
            barrier.number, barrier.position
        ))),
    }
}

fn answered(query: &Query, parts: &[&GroupTable], coverage: Coverage) -> Result<Answered, Failure> {
    rows_of(&view::answer(query, parts, &Selection::default())?, coverage)
}

fn served(table: &twopath_serving::Table) -> Result<Answered, Failure> {
    let answer = table.answer(&Selection::default())?;
    rows_of(&answer.rows, answer.coverage)
}

pub(super) fn rows_of(rows: &arrow_array::RecordBatch, coverage: Coverage) -> Result<Answered, Failure> {
    let names = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    Ok(Answered { names, rows: output::values(rows).map_err(Failure::of)?, coverage })
}

pub(super) fn show(answered: &Answered, format: Format) -> Result<(), Failure> {
    let Answered { names, rows, coverage } = answered;
    let mut out = BufWriter::new(std::io::stdout().lock());
    match format {
        Format::Table => output::table(&mut out, names, rows)?,
        Format::Csv => {
            output::csv_header(&mut out, names)?;
            rows.iter().try_for_each(|row| output::csv_row(&mut out, row))?;
        }
        Format::Json => {
            let position = coverage.position().map(ToString::to_string).unwrap_or_default();
            let parts: Vec<BTreeMap<&str, String>> = coverage
                .parts
                .iter()
                .map(|p| [("source", p.source.clone()), ("from", p.lower.to_string()), ("to", p.upper.to_string())].into())
                .collect();
            let columns: Vec<String> = names.iter().map(|n| output::json_text(n)).collect();
            let rows: Vec<String> = rows.iter().map(|row| output::json_row(names, row)).collect();
            writeln!(
                out,
                "{{\"position\":{},\"coverage\":{},\"columns\":[{}],\"rows\":[{}{}]}}",
                output::json_text(&position),
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
        eprintln!("{} rows; exact for position {}", rows.len(), coverage);
    }
    Ok(())
}
