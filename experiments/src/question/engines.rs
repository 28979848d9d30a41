//! How each engine answers a query over one topic, and how the reference answers all of a plan.

use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_base::{Coverage, CoveragePart, Offset, Position};
use twopath_log::{Barrier, Entry, Start, Topic};
use twopath_query::{Plan, Query, Value};
use twopath_reference::{PlanReference, Reference};
use twopath_serving::Table;
use twopath_speed::SpeedError;
use twopath_view::{self as view, BatchView, GroupTable, Selection};

use super::{Answered, Asked, Engine, LateRecords, Question, QuestionError, Rows};
use crate::systems::twopath::wiring::{self, VersionLogic};
use crate::systems::{BatchEngine, SpeedEngine, SystemError};

/// From where to where a topic is read.
type Range<'a> = (&'a Position, &'a Position);

/// The answer to a query over one topic by an engine that is not the reference.
pub(super) fn answer(
    topic: &Topic,
    query: &Arc<Query>,
    engine: Engine,
    range: Range<'_>,
    asked: &Asked,
) -> Result<(RecordBatch, Coverage), QuestionError> {
    let logic = match engine {
        Engine::Speed(engine) => VersionLogic::sql_alone(query.clone(), engine),
        _ => VersionLogic::sql(query.clone()),
    };
    match engine {
        Engine::Reference => unreachable!("the reference evaluates the plan as it was written"),
        Engine::Batch(engine) => by_batch(topic, &logic, engine, range, asked),
        Engine::Speed(engine) => by_speed(topic, &logic, engine, range, asked.workers),
        Engine::Merged => by_merging(topic, &logic, range, asked),
        Engine::Kappa => by_kappa(topic, &logic, range, asked.workers),
    }
}

/// The whole plan as one query, of which more is computed than groups and all of whose rows the engine keeps; none where it does not.
pub(super) fn kept_whole(plan: &Plan, engine: SpeedEngine) -> Option<Query> {
    plan.query().ok().filter(|query| wiring::keeps_rows(query, engine))
}

/// The answer by differential, which keeps the rows of a plan over several topics; none where it does not.
pub(super) fn kept_jointly(question: &Question, starts: &[Position], asked: &Asked) -> Result<Option<Answered>, QuestionError> {
    let kept = question.plan.maintained();
    let names: Vec<&str> = question.names.iter().map(String::as_str).collect();
    let view = match twopath_speed::replay_joint(&question.topics, &names, &kept, &asked.at, asked.workers) {
        Err(SpeedError::Unsupported { .. }) => return Ok(None),
        view => view.map_err(SystemError::from)?,
    };
    if let Some(error) = view.error {
        return Err(error.into());
    }
    let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| g.tables.iter().map(AsRef::as_ref)).collect();
    let rows = view::answer(&kept.rows, &tables, &Selection::default())?;
    let covered = |((name, lower), upper): ((&String, &Position), &Position)| {
        let part = CoveragePart { source: "generation 0".into(), lower: lower.clone(), upper: upper.clone() };
        (name.clone(), Coverage::of(vec![part]))
    };
    let coverage = question.names.iter().zip(starts).zip(&asked.at).map(covered).collect();
    Ok(Some(Answered { names: question.columns(), rows: Rows::Columns(rows), coverage, late: question.late(asked)? }))
}

/// Row by row.
pub(super) fn by_reference(question: &Question, starts: &[Position], at: &[Position]) -> Result<Answered, QuestionError> {
    let covered = |number: usize| {
        let part = CoveragePart { source: "reference".into(), lower: starts[number].clone(), upper: at[number].clone() };
        (question.names[number].clone(), Coverage::of(vec![part]))
    };
    let coverage = (0..question.topics.len()).map(covered).collect();
    let rows = match question.program.flat() {
        Some(query) => of_flat(&question.topics[0], &at[0], query)?,
        None => {
            let mut reference = PlanReference::new(question.plan.clone());
            for ((topic, name), at) in question.topics.iter().zip(&question.names).zip(at) {
                // The log's own columns up to the last that the plan reads: not every log has all of them.
                let of_topic = question.program.inputs.iter().filter(|q| q.topic == *name);
                let columns = of_topic.map(Query::whole_rows).max_by_key(Vec::len).unwrap_or_default();
                read(topic, at, &columns, |batch| Ok(reference.push(name, batch)?))?;
            }
            reference.answer()?
        }
    };
    let mut late = Vec::new();
    for of in question.plan.late() {
        let number = question.topic(&of.topic).0;
        late.extend(LateRecords::of(&of, &of_flat(&question.topics[number], &at[number], &of.count())?));
    }
    Ok(Answered { names: question.columns(), rows: Rows::Values(rows), coverage, late })
}

/// The reference's answer to a flat query.
fn of_flat(topic: &Topic, at: &Position, query: &Query) -> Result<Vec<Vec<Value>>, QuestionError> {
    let mut reference = Reference::new(query.clone());
    read(topic, at, &query.whole_rows(), |batch| {
        reference.push(batch);
        Ok(())
    })?;
    Ok(reference.answer()?)
}

/// Gives all records below a position to `take`, partition by partition.
fn read(
    topic: &Topic,
    at: &Position,
    columns: &[usize],
    mut take: impl FnMut(&RecordBatch) -> Result<(), QuestionError>,
) -> Result<(), QuestionError> {
    for (partition, to) in at.iter() {
        let mut reader = topic.reader(partition, Start::First, Some(columns))?;
        while reader.offset() < to {
            match reader.next()? {
                None => break,
                Some(Entry::Barrier(_)) => {}
                Some(Entry::Records(records)) => {
                    let from = records.base;
                    take(&records.cut(from, to).batch)?;
                }
            }
        }
    }
    Ok(())
}

fn by_batch(
    topic: &Topic,
    logic: &VersionLogic,
    engine: BatchEngine,
    (start, at): Range<'_>,
    asked: &Asked,
) -> Result<(RecordBatch, Coverage), QuestionError> {
    let part = |source: &str, lower: &Position, upper: &Position| CoveragePart {
        source: source.into(),
        lower: lower.clone(),
        upper: upper.clone(),
    };
    let Some(dir) = &asked.incremental else {
        return Ok((wiring::answer(topic, logic, engine, at)?, Coverage::of(vec![part("batch", start, at)])));
    };
    let (view, read_from) = wiring::compute_incrementally(topic, logic, engine, &dir.join(topic.name()), at)?;
    let mut parts = vec![part("kept batch", &view.lower, &read_from), part("batch", &read_from, at)];
    // Of an empty log one part stays.
    if read_from == view.lower {
        parts.remove(0);
    } else if read_from == *at {
        parts.remove(1);
    }
    answered(&logic.query, &[&view.table], Coverage::of(parts))
}

fn by_speed(
    topic: &Topic,
    logic: &VersionLogic,
    engine: SpeedEngine,
    (start, at): Range<'_>,
    workers: usize,
) -> Result<(RecordBatch, Coverage), QuestionError> {
    let view = wiring::replay(topic, logic, engine, (0, start.clone()), at, workers)?;
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
    answered(logic.answers_by(), &tables, coverage)
}

fn by_merging(
    topic: &Topic,
    logic: &VersionLogic,
    (start, at): Range<'_>,
    asked: &Asked,
) -> Result<(RecordBatch, Coverage), QuestionError> {
    let barriers = topic.barriers()?;
    let (barrier, horizon) = horizon(&barriers, (&topic.since()?, at), asked.horizon.as_ref())?;
    let table = Arc::new(wiring::compute(topic, logic, BatchEngine::Rayon, &horizon)?);
    let from = (barrier, horizon.clone());
    let view = wiring::replay(topic, logic, SpeedEngine::Timely, from, at, asked.workers)?;
    let serving = Table::new(logic.query.clone(), topic.partitions()).starting_at(start.clone());
    serving.publish_batch(BatchView { version: 1, barrier, lower: start.clone(), upper: horizon, table });
    serving.publish_realtime(Arc::new(view));
    served(&serving)
}

fn by_kappa(topic: &Topic, logic: &VersionLogic, (start, at): Range<'_>, workers: usize) -> Result<(RecordBatch, Coverage), QuestionError> {
    let view = wiring::replay(topic, logic, SpeedEngine::Timely, (0, start.clone()), at, workers)?;
    let serving = Table::new(logic.query.clone(), topic.partitions()).starting_at(start.clone());
    serving.publish_realtime(Arc::new(view));
    served(&serving)
}

/// Where a batch view may end, not below `since`, and how many barriers lie before: at a barrier, or where the user says.
fn horizon(barriers: &[Barrier], (since, at): (&Position, &Position), wanted: Option<&Position>) -> Result<(u64, Position), QuestionError> {
    let Some(wanted) = wanted else {
        if let Some(barrier) = barriers.iter().rfind(|b| at.covers(&b.position) && b.position.covers(since)) {
            return Ok((barrier.number, barrier.position.clone()));
        }
        // Before every barrier in one partition at least: half of the way there in each.
        let first = barriers.first().map_or_else(|| at.clone(), |b| at.meet(&b.position));
        let from = since.meet(&first);
        let half = from.iter().map(|(p, from)| Offset(from.0 + (first.get(p).0 - from.0) / 2)).collect();
        return Ok((0, Position::new(half)));
    };
    check_within(wanted, "--horizon", at)?;
    let mut wanted = wanted.clone();
    if !wanted.covers(since) {
        // What retention and compaction took is in no batch view that ends before it; the answer, for a later position, is the same.
        eprintln!("retention or compaction took records of the log below {since}, so that the batch view ends there and not at {wanted}");
        wanted = wanted.join(since);
    }
    let before = barriers.iter().rfind(|b| wanted.covers(&b.position)).map_or(0, |b| b.number);
    match barriers.iter().find(|b| b.number > before && !b.position.covers(&wanted)) {
        None => Ok((before, wanted)),
        Some(barrier) => Err(QuestionError::Usage(format!(
            "--horizon {wanted} lies before barrier {} ({}) in one partition and after it in another; choose one side",
            barrier.number, barrier.position
        ))),
    }
}

/// Whether the topic, which ends there, has a position.
pub(crate) fn check_within(position: &Position, option: &str, end: &Position) -> Result<(), QuestionError> {
    if position.partitions() != end.partitions() {
        return Err(QuestionError::Usage(format!(
            "{option} {position} has {} offsets and the topic {} partitions; give one offset for each, such as {end}, the end",
            position.partitions(),
            end.partitions()
        )));
    }
    if !end.covers(position) {
        return Err(QuestionError::Usage(format!("{option} {position} lies beyond the end of the topic, which is {end}")));
    }
    Ok(())
}

fn answered(query: &Query, parts: &[&GroupTable], coverage: Coverage) -> Result<(RecordBatch, Coverage), QuestionError> {
    Ok((view::answer(query, parts, &Selection::default())?, coverage))
}

fn served(table: &Table) -> Result<(RecordBatch, Coverage), QuestionError> {
    let answer = table.answer(&Selection::default())?;
    Ok((answer.rows, answer.coverage))
}
