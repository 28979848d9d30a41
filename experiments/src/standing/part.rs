//! A version at work over one of the topics that it reads: its table at rest, and the speed layer reading on from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::Query;
use twopath_serving::Table;
use twopath_speed::{Backend, JobProgress, Recovery, SpeedJob, SpeedOptions};
use twopath_view::store::{ViewParts, ViewStore};
use twopath_view::{Answer, BatchView, GroupTable, Selection};

use super::JobError;
use crate::systems::SpeedEngine;
use crate::systems::twopath::wiring::{self, VersionLogic};

/// The query over one topic, following the log. Dropping it stops it.
pub(super) struct Part {
    query: Arc<Query>,
    partitions: usize,
    /// Where it began to read.
    starts_from: Position,
    keeps_itself: bool,
    /// From where on it answers.
    lower: Position,
    at_rest: Option<BatchView>,
    speed: SpeedJob,
}

impl Part {
    /// From the table at rest on, or from its newest whole checkpoint; without either, from the log's start.
    pub fn start(
        topic: &Topic,
        query: &Arc<Query>,
        (at_rest, backend): (Option<BatchView>, Backend),
        workers: usize,
    ) -> Result<Self, JobError> {
        let from = match &at_rest {
            Some(view) => (view.barrier, view.upper.clone()),
            None => (0, topic.start()?),
        };
        let reads_from = from.1.clone();
        let keeps_itself = !matches!(backend, Backend::Memory);
        let options = SpeedOptions { workers, backend, ..SpeedOptions::default() };
        let speed = wiring::start(topic, &VersionLogic::sql(query.clone()), SpeedEngine::Timely, from, options, Arc::new(|_| {}))?;
        // A checkpoint's generations begin where the version began.
        let lower = at_rest.as_ref().map_or_else(|| speed.view().generations[0].lower.clone(), |view| view.lower.clone());
        let starts_from = speed.recovery().checkpoint.as_ref().map_or(reads_from, |checkpoint| checkpoint.position().clone());
        Ok(Part { query: query.clone(), partitions: topic.partitions(), starts_from, keeps_itself, lower, at_rest, speed })
    }

    /// Where it began to read: what it had at rest stands there.
    pub fn starts_from(&self) -> &Position {
        &self.starts_from
    }

    /// Whether its state is kept meanwhile, by checkpoints or in a store.
    pub fn keeps_itself(&self) -> bool {
        self.keeps_itself
    }

    /// What it started from.
    pub fn recovery(&self) -> &Recovery {
        self.speed.recovery()
    }

    pub fn progress(&self) -> JobProgress {
        self.speed.progress()
    }

    /// # Errors
    /// What stopped the job, and the error that a row of the log raised.
    pub fn check(&self) -> Result<(), JobError> {
        if let Some(error) = &self.speed.view().error {
            return Err(error.clone().into());
        }
        self.speed.progress().failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// An answer over the table at rest and what has been read since.
    pub fn answer(&self, selection: &Selection) -> Result<Answer, JobError> {
        let table = Table::new(self.query.clone(), self.partitions).starting_at(self.lower.clone());
        if let Some(view) = &self.at_rest {
            table.publish_batch(view.clone());
        }
        table.publish_realtime(self.speed.view());
        Ok(table.answer(selection)?)
    }

    /// Takes a checkpoint of all that has been read, where it owns the version's checkpoints.
    pub fn take_checkpoint(&self) -> Result<(), JobError> {
        self.check()?;
        Ok(self.speed.take_checkpoint()?)
    }

    /// Puts all that has been read at rest as one table, unless something newer is there.
    pub fn save(&self, store: &ViewStore) -> Result<(), JobError> {
        let view = self.speed.view();
        if let Some(error) = &view.error {
            return Err(error.clone().into());
        }
        let last = view.generations.last().expect("a realtime view has a generation");
        if let Some(newest) = store.versions()?.last().map(|&n| store.manifest(n)).transpose()?
            && newest.upper.covers(&last.upper)
        {
            return Ok(());
        }
        let mut table = GroupTable::new(&self.query);
        let parts = self.at_rest.iter().map(|v| &*v.table).chain(view.generations.iter().flat_map(|g| &g.tables).map(|t| &**t));
        parts.for_each(|part| table.merge(part));
        let parts = ViewParts {
            barrier: last.number,
            lower: self.lower.clone(),
            upper: last.upper.clone(),
            table: Arc::new(table),
            logic: "sql".into(),
            log: None,
            timings_ms: BTreeMap::new(),
        };
        store.publish(&self.query, parts)?;
        Ok(())
    }

    /// Stops reading.
    pub fn stop(self) -> Result<(), JobError> {
        Ok(self.speed.stop()?)
    }
}
