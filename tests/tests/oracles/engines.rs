//! What the reference and every engine answer to a query over topics, at their ends.
#![allow(dead_code, reason = "each test takes what it asks by")]

use std::sync::Arc;

use twopath_base::{LogColumn, Offset, Position};
use twopath_log::Topic;
use twopath_query::{EvalError, Plan, Program, Query, Value, values};
use twopath_reference::PlanReference;
use twopath_view::{GroupTable, Selection, answer, finish};

pub const ENGINES: [&str; 4] = ["batch polars", "batch rayon", "timely", "differential"];

pub type Rows = Result<Vec<Vec<Value>>, EvalError>;

/// The plan as it was written, over all rows.
pub fn by_reference(plan: Plan, topics: &[&Topic]) -> Rows {
    let mut reference = PlanReference::new(plan);
    for topic in topics {
        let columns: Vec<usize> = (0..topic.schema().fields().len() + LogColumn::EACH.len()).collect();
        for (partition, end) in topic.end().unwrap().iter() {
            for records in topic.range(partition, Offset(0), end, Some(&columns)).unwrap() {
                reference.push(topic.name(), &records.unwrap().batch)?;
            }
        }
    }
    reference.answer()
}

/// Why an engine gives no rows.
enum NoRows {
    Error(EvalError),
    /// It does not compute such a query.
    Refused(String),
}

impl From<EvalError> for NoRows {
    fn from(error: EvalError) -> Self {
        NoRows::Error(error)
    }
}

/// Each input of the program by the engine, and what is above them by its executor.
///
/// # Errors
/// What the engine says that it cannot do.
pub fn by_engine(engine: &str, program: &Program, topics: &[&Topic]) -> Result<Rows, String> {
    match rows(engine, program, topics) {
        Ok(rows) => Ok(Ok(rows)),
        Err(NoRows::Error(error)) => Ok(Err(error)),
        Err(NoRows::Refused(what)) => Err(what),
    }
}

/// A query that engines keep as one ([`Plan::query`]), and what is computed of its groups.
///
/// # Errors
/// What the engine says that it cannot do.
pub fn by_job(engine: &str, query: Query, topic: &Topic) -> Result<Rows, String> {
    let query = Arc::new(query);
    let groups = groups(engine, topic, &query).and_then(|tables| {
        let tables: Vec<&GroupTable> = tables.iter().map(AsRef::as_ref).collect();
        Ok(values::rows(&answer(&query, &tables, &Selection::default())?)?)
    });
    match groups {
        Ok(rows) => Ok(Ok(rows)),
        Err(NoRows::Error(error)) => Ok(Err(error)),
        Err(NoRows::Refused(what)) => Err(what),
    }
}

/// The answer to a plan over one topic of which more is computed than groups, where differential keeps all of its rows.
pub fn by_kept_rows(plan: &Plan, topics: &[&Topic]) -> Option<Rows> {
    let names = plan.topics();
    let of = |name: &str| *topics.iter().find(|t| t.name() == name).expect("the plan reads some of the topics");
    let (answered_by, replayed) = if names.len() > 1 {
        let kept = plan.maintained();
        let topics: Vec<Topic> = names.iter().map(|name| of(name).clone()).collect();
        let ends: Vec<Position> = topics.iter().map(|topic| topic.end().unwrap()).collect();
        let replayed = twopath_speed::replay_joint(&topics, &names, &kept, &ends, 1 + ends[0].records() as usize % 2);
        (kept.rows, replayed)
    } else {
        let query = Arc::new(plan.query().ok()?);
        let answered_by = query.maintained()?.rows;
        let topic = of(&query.topic);
        let from = (0, Position::zero(topic.partitions()));
        let (logic, engine) = (twopath_speed::Logic::Maintained, twopath_speed::Engine::Differential);
        (answered_by, twopath_speed::replay(topic, query, logic, engine, from, &topic.end().unwrap(), 1))
    };
    let view = match replayed {
        Ok(view) => view,
        Err(twopath_speed::SpeedError::Unsupported { .. }) => return None,
        Err(e) => panic!("{e}"),
    };
    let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(AsRef::as_ref).collect();
    Some(view.error.map_or_else(|| answer(&answered_by, &tables, &Selection::default()).and_then(|rows| values::rows(&rows)), Err))
}

fn rows(engine: &str, program: &Program, topics: &[&Topic]) -> Result<Vec<Vec<Value>>, NoRows> {
    let input = |query: &Query| {
        let topic = topics.iter().find(|t| t.name() == query.topic).expect("the query reads some of the topics");
        let query = Arc::new(query.clone());
        let tables = groups(engine, topic, &query)?;
        Ok(answer(&query, &tables.iter().map(AsRef::as_ref).collect::<Vec<&GroupTable>>(), &Selection::default())?)
    };
    let inputs = program.inputs.iter().map(input).collect::<Result<Vec<_>, NoRows>>()?;
    Ok(values::rows(&finish(program, &inputs)?)?)
}

fn groups(engine: &str, topic: &Topic, query: &Arc<Query>) -> Result<Vec<Arc<GroupTable>>, NoRows> {
    let end = topic.end().unwrap();
    let by_batch = |engine| match twopath_batch::compute(topic, query, &twopath_batch::Logic::Sql, engine, &end) {
        Ok(table) => Ok(vec![Arc::new(table)]),
        Err(twopath_batch::BatchError::Eval(e)) => Err(e.into()),
        Err(e @ twopath_batch::BatchError::Unsupported { .. }) => Err(NoRows::Refused(e.to_string())),
        Err(e) => panic!("{e}"),
    };
    let by_speed = |engine| {
        let from = (0, Position::zero(topic.partitions()));
        let view = match twopath_speed::replay(topic, query.clone(), twopath_speed::Logic::Sql, engine, from, &end, 1) {
            Ok(view) => view,
            Err(e @ twopath_speed::SpeedError::Unsupported { .. }) => return Err(NoRows::Refused(e.to_string())),
            Err(e) => panic!("{e}"),
        };
        let tables = view.generations.iter().flat_map(|g| g.tables.iter().cloned()).collect();
        view.error.map_or(Ok(tables), |e| Err(e.into()))
    };
    match engine {
        "batch polars" => by_batch(twopath_batch::Engine::Polars),
        "batch rayon" => by_batch(twopath_batch::Engine::Rayon),
        "timely" => by_speed(twopath_speed::Engine::Timely),
        _ => by_speed(twopath_speed::Engine::Differential),
    }
}
