//! What the reference and every engine answer to a query over topics, at their ends.

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

/// Each input of the program by the engine, and what is above them by its executor.
pub fn by_engine(engine: &str, program: &Program, topics: &[&Topic]) -> Rows {
    let input = |query: &Query| {
        let topic = topics.iter().find(|t| t.name() == query.topic).expect("the query reads some of the topics");
        let query = Arc::new(query.clone());
        let tables = groups(engine, topic, &query)?;
        answer(&query, &tables.iter().map(AsRef::as_ref).collect::<Vec<&GroupTable>>(), &Selection::default())
    };
    let inputs = program.inputs.iter().map(input).collect::<Result<Vec<_>, _>>()?;
    values::rows(&finish(program, &inputs)?)
}

fn groups(engine: &str, topic: &Topic, query: &Arc<Query>) -> Result<Vec<Arc<GroupTable>>, EvalError> {
    let end = topic.end().unwrap();
    let by_batch = |engine| match twopath_batch::compute(topic, query, &twopath_batch::Logic::Sql, engine, &end) {
        Ok(table) => Ok(vec![Arc::new(table)]),
        Err(twopath_batch::BatchError::Eval(e)) => Err(e),
        Err(e) => panic!("{e}"),
    };
    let by_speed = |engine| {
        let from = (0, Position::zero(topic.partitions()));
        let view = twopath_speed::replay(topic, query.clone(), twopath_speed::Logic::Sql, engine, from, &end, 1).unwrap();
        view.error.map_or(Ok(view.generations.iter().flat_map(|g| g.tables.iter().cloned()).collect()), Err)
    };
    match engine {
        "batch polars" => by_batch(twopath_batch::Engine::Polars),
        "batch rayon" => by_batch(twopath_batch::Engine::Rayon),
        "timely" => by_speed(twopath_speed::Engine::Timely),
        _ => by_speed(twopath_speed::Engine::Differential),
    }
}
