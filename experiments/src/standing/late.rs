//! What versions leave out because it is late: how much, and where it goes.

use twopath_base::Position;
use twopath_query::Late;
use twopath_serving::{Tables, VersionStatus};

use super::reads::{Reads, place};
use super::state::Kept;
use super::{JobError, StandingJob};
use crate::feeds::Definition;
use crate::question::LateRecords;

impl StandingJob {
    /// The feeds of what versions leave out because it is late, by version, of those that have caught up.
    pub fn late_feeds(&self) -> Result<Vec<(u64, Definition)>, JobError> {
        self.locked(false, |tables| {
            let mut feeds = Vec::new();
            for v in tables.status() {
                let late_to = Kept::read(&tables.version_dir(v.version))?.late_to;
                if let Some(output) = late_to.filter(|_| matches!(self.is_finished(tables, v.version), Ok(true))) {
                    let late = match self.parsed(&v) {
                        // Whoever runs the job tells it.
                        Err(e) if e.is_of_a_gone_topic() => continue,
                        reads => reads?.plan().late(),
                    };
                    feeds.push((v.version, Definition::of_late(&self.topics, &late, &output)?));
                }
            }
            Ok(feeds)
        })
    }

    /// What a version's `WATERMARK`s leave out of its topics up to these positions.
    ///
    /// # Errors
    /// The version or a topic is gone; damage in the log.
    pub fn late(&self, version: u64, at: &[(String, Position)]) -> Result<Vec<LateRecords>, JobError> {
        self.locked(false, |tables| {
            let version = self.known(tables, version)?;
            self.count_late(tables, &version, &self.parsed(&version)?, Some(at))
        })
    }

    /// The counts are kept beside the version's table, so that each reads on from the last. Up to the ends, where no positions are given.
    pub(super) fn count_late(
        &self,
        tables: &Tables,
        version: &VersionStatus,
        reads: &Reads,
        at: Option<&[(String, Position)]>,
    ) -> Result<Vec<LateRecords>, JobError> {
        let dir = tables.version_dir(version.version);
        let count = |late: Late| {
            let (topic, _) =
                reads.each().find(|(topic, _)| topic.name() == late.topic).expect("a plan reads the topics that it was made for");
            let given = at.map(|at| at.iter().find(|(name, _)| *name == late.topic).map(|(_, at)| at.clone()));
            let Some(at) = given.unwrap_or(Some(topic.end()?)) else { return Ok(None) };
            let kept = place(&dir, &version.description, topic.name()).join("late");
            Ok(Some(LateRecords::count(topic, &late, &at, Some(&kept))?))
        };
        reads.plan().late().into_iter().filter_map(|late| count(late).transpose()).collect()
    }
}
