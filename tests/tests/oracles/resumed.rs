//! Jobs that are stopped at a checkpoint after each step of a case, and resumed at the next one by another number of workers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::{Plan, Program, Query, values};
use twopath_speed::{Backend, Checkpoints, Engine, Logic, SpeedError, SpeedOptions, start};
use twopath_view::{GroupTable, RealtimeView, Selection, answer, finish};

use crate::engines::Rows;

/// The jobs of one case.
pub struct Resumed {
    dir: TempDir,
    steps: usize,
}

impl Resumed {
    pub fn new() -> Self {
        Resumed { dir: tempfile::tempdir().unwrap(), steps: 0 }
    }

    /// What each engine answers that does such a query, going on from its last checkpoint; the workers are 2 and 3 in turn.
    pub fn step(&mut self, plan: &Plan, program: &Program, topics: &[&Topic]) -> Vec<(String, Rows)> {
        let workers = 2 + self.steps % 2;
        self.steps += 1;
        let topic = |name: &str| *topics.iter().find(|t| t.name() == name).expect("a query reads some of the topics");
        let mut answers = Vec::new();
        for engine in Engine::ALL {
            let input = |(number, query): (usize, &Query)| {
                let dir = self.dir.path().join(format!("{engine}-{number}"));
                let query = Arc::new(query.clone());
                Some((view(topic(&query.topic), &query, (Logic::Sql, engine), workers, &dir)?, query))
            };
            let Some(inputs) = program.inputs.iter().enumerate().map(input).collect::<Option<Vec<_>>>() else { continue };
            let rows = || {
                let inputs = inputs.iter().map(|(view, query)| answered(view, query)).collect::<Result<Vec<_>, _>>()?;
                values::rows(&finish(program, &inputs)?)
            };
            answers.push((format!("{engine}, resumed by {workers} workers"), rows()));
        }
        // Of several topics only a feed keeps the rows.
        let kept =
            plan.query().ok().filter(|_| plan.topics().len() == 1).and_then(|query| Some((query.maintained()?.rows, Arc::new(query))));
        if let Some((rows, query)) = kept {
            let logic = (Logic::Maintained, Engine::Differential);
            if let Some(view) = view(topic(&query.topic), &query, logic, workers, &self.dir.path().join("rows")) {
                let answer = answered(&view, &rows).and_then(|rows| values::rows(&rows));
                answers.push((format!("differential, which keeps the rows, resumed by {workers} workers"), answer));
            }
        }
        answers
    }
}

fn answered(view: &RealtimeView, query: &Query) -> Result<arrow_array::RecordBatch, twopath_query::EvalError> {
    let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(AsRef::as_ref).collect();
    view.error.clone().map_or_else(|| answer(query, &tables, &Selection::default()), Err)
}

/// The job's view at the topic's end, where it is stopped at a checkpoint; none where the engine refuses the query.
fn view(topic: &Topic, query: &Arc<Query>, (logic, engine): (Logic, Engine), workers: usize, dir: &Path) -> Option<Arc<RealtimeView>> {
    let backend = Backend::Checkpoints(Checkpoints::every(Duration::from_secs(3600), dir));
    let options = SpeedOptions { workers, backend, ..SpeedOptions::default() };
    let (from, end) = ((0, Position::zero(topic.partitions())), topic.end().unwrap());
    let job = match start(topic, query.clone(), logic, engine, from, options, Arc::new(|_| {})) {
        Ok(job) => job,
        Err(SpeedError::Unsupported { .. }) => return None,
        Err(e) => panic!("{e}"),
    };
    let was_kept = std::fs::read_dir(dir).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("checkpoint-"));
    assert_eq!(job.recovery().checkpoint.is_some(), was_kept, "{engine}: {:?}", job.recovery().refused);
    let started = Instant::now();
    while job.view().position() != &end {
        let failure = job.progress().failure;
        assert!(failure.is_none() && started.elapsed() < Duration::from_secs(60), "{failure:?} at {}", job.view().position());
        std::thread::sleep(Duration::from_micros(200));
    }
    let view = job.view();
    job.take_checkpoint().unwrap();
    job.stop().unwrap();
    Some(view)
}
