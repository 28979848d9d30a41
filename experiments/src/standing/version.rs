//! A version at work: each of its topics followed, and the answer that is made of what they came to.

use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use twopath_base::{Coverage, Position};
use twopath_speed::{Backend, JobProgress, Recovery};
use twopath_view::store::ViewStore;
use twopath_view::{BatchView, Selection};

use super::JobError;
use super::part::Part;
use super::reads::Reads;

/// How often a catch-up looks whether its lag is closed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One version, following the log. Dropping it stops it.
pub struct Standing {
    version: u64,
    reads: Reads,
    /// In the order of the topics.
    parts: Vec<Part>,
}

/// What a version answers, exact for one position of each topic that it reads.
pub struct StandingAnswer {
    pub rows: RecordBatch,
    /// By topic.
    pub coverage: Vec<(String, Coverage)>,
}

/// How far a version has read.
#[derive(Debug, Clone)]
pub struct Progress {
    /// By topic.
    pub positions: Vec<(String, Position)>,
    /// How many records lie between these and the log's end.
    pub lag_records: u64,
    /// Records read per second over the last seconds.
    pub rate_records_per_s: f64,
    /// When the lag will be closed at the present rates of reading and appending; `None` where it will not.
    pub eta: Option<Duration>,
}

impl Progress {
    /// Records read in all.
    pub fn records(&self) -> u64 {
        self.positions.iter().map(|(_, at)| at.records()).sum()
    }
}

/// Positions for people: that of one topic, or those of several with their names.
pub fn told(positions: &[(String, Position)]) -> String {
    match positions {
        [(_, at)] => at.to_string(),
        several => several.iter().map(|(topic, at)| format!("{topic} {at}")).collect::<Vec<_>>().join(" and "),
    }
}

impl StandingAnswer {
    /// What it is exact for, by topic.
    pub fn positions(&self) -> Vec<(String, Position)> {
        let position = |(topic, coverage): &(String, Coverage)| coverage.position().map(|at| (topic.clone(), at.clone()));
        self.coverage.iter().filter_map(position).collect()
    }
}

impl Standing {
    /// Each topic from the table at rest on, or from its newest whole checkpoint; without either, from the log's start.
    pub(super) fn start(version: u64, reads: Reads, from: Vec<(Option<BatchView>, Backend)>, workers: usize) -> Result<Self, JobError> {
        let parts = reads.each().zip(from).map(|((topic, query), from)| Part::start(topic, query, from, workers));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(Standing { version, reads, parts })
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// What it reads and computes.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Where it began to read, by topic: what it had at rest stands there.
    pub fn starts_from(&self) -> Vec<(String, Position)> {
        self.by_topic(|part| part.starts_from().clone())
    }

    /// Whether its state is kept meanwhile, by checkpoints or in a store.
    pub fn keeps_itself(&self) -> bool {
        self.parts.iter().all(Part::keeps_itself)
    }

    /// What each topic's part started from.
    pub fn recoveries(&self) -> impl Iterator<Item = &Recovery> {
        self.parts.iter().map(Part::recovery)
    }

    pub fn progress(&self) -> Progress {
        self.together(&self.parts.iter().map(Part::progress).collect::<Vec<_>>())
    }

    fn together(&self, parts: &[JobProgress]) -> Progress {
        let behind = || parts.iter().filter(|part| part.lag_records > 0);
        let eta = behind().map(|part| part.eta).reduce(|a, b| Some(a?.max(b?)));
        Progress {
            positions: self.reads.names().map(str::to_owned).zip(parts.iter().map(|part| part.position.clone())).collect(),
            lag_records: parts.iter().map(|part| part.lag_records).sum(),
            rate_records_per_s: parts.iter().map(|part| part.rate_records_per_s).sum(),
            eta: eta.unwrap_or(Some(Duration::ZERO)),
        }
    }

    fn by_topic<T>(&self, of: impl Fn(&Part) -> T) -> Vec<(String, T)> {
        self.reads.names().map(str::to_owned).zip(self.parts.iter().map(of)).collect()
    }

    /// Waits until all that was in the log a moment ago has been read. `show` is given the lag, the rate and the time left meanwhile, and
    /// says whether to go on.
    ///
    /// # Errors
    /// What stopped the job, and the error that a row of the log raised.
    pub fn catch_up(&self, mut show: impl FnMut(&Progress) -> bool) -> Result<(), JobError> {
        // The ends at the look before: with events arriving all the time there are always newer ones.
        let mut targets: Option<Vec<Position>> = None;
        loop {
            self.check()?;
            let parts: Vec<JobProgress> = self.parts.iter().map(Part::progress).collect();
            let progress = self.together(&parts);
            let is_there = |targets: &[Position]| parts.iter().zip(targets).all(|(part, target)| part.position.covers(target));
            let done = targets.as_deref().is_some_and(is_there) || progress.lag_records == 0;
            if !show(&progress) || done {
                return Ok(());
            }
            targets = Some(parts.into_iter().map(|part| part.end).collect());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// # Errors
    /// What stopped the job, and the error that a row of the log raised.
    pub fn check(&self) -> Result<(), JobError> {
        self.parts.iter().try_for_each(Part::check)
    }

    /// An answer over the tables at rest and what has been read since.
    ///
    /// # Errors
    /// Of a row, or of what is computed of the groups.
    pub fn answer(&self, selection: &Selection) -> Result<StandingAnswer, JobError> {
        let answers = self.parts.iter().map(|part| part.answer(selection)).collect::<Result<Vec<_>, _>>()?;
        let coverage = self.reads.names().map(str::to_owned).zip(answers.iter().map(|answer| answer.coverage.clone())).collect();
        let rows = self.reads.finished(answers.into_iter().map(|answer| answer.rows).collect())?;
        Ok(StandingAnswer { rows, coverage })
    }

    /// Takes a checkpoint of all that has been read, where it owns the version's checkpoints.
    pub(super) fn take_checkpoint(&self) -> Result<(), JobError> {
        self.parts.iter().try_for_each(Part::take_checkpoint)
    }

    /// Puts all that has been read at rest as one table for each topic, unless something newer is there.
    pub(super) fn save(&self, stores: &[ViewStore]) -> Result<(), JobError> {
        self.parts.iter().zip(stores).try_for_each(|(part, store)| part.save(store))
    }

    /// Stops reading.
    ///
    /// # Errors
    /// What kept the last checkpoint from being taken.
    pub fn stop(self) -> Result<(), JobError> {
        self.parts.into_iter().try_for_each(Part::stop)
    }
}
