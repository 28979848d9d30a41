//! What versions leave out because it is late: how much, and where it goes.

use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::Late;
use twopath_serving::{Tables, VersionStatus};

use super::state::Kept;
use super::{JobError, StandingJob};
use crate::feeds::Definition;
use crate::question::{LateRecords, plan_of};

impl StandingJob {
    /// The feeds of what versions leave out because it is late, by version, of those that have caught up.
    pub fn late_feeds(&self) -> Result<Vec<(u64, Definition)>, JobError> {
        self.locked(false, |tables| {
            let mut feeds = Vec::new();
            for v in tables.status() {
                let late_to = Kept::read(&tables.version_dir(v.version))?.late_to;
                if let Some(output) = late_to.filter(|_| matches!(self.is_finished(tables, v.version), Ok(true))) {
                    let late = late_of(&self.topic(&v.description)?, &v.description);
                    feeds.push((v.version, Definition::of_late(&self.topics, &late, &output)?));
                }
            }
            Ok(feeds)
        })
    }

    /// What a version's `WATERMARK` leaves out of its topic up to a position.
    pub fn late(&self, version: u64, at: &Position) -> Result<Vec<LateRecords>, JobError> {
        self.locked(false, |tables| {
            let version = self.known(tables, version)?;
            self.count_late(tables, &version, &self.topic(&version.description)?, at)
        })
    }

    /// The counts are kept beside the version's table, so that each reads on from the last.
    pub(super) fn count_late(
        &self,
        tables: &Tables,
        version: &VersionStatus,
        topic: &Topic,
        at: &Position,
    ) -> Result<Vec<LateRecords>, JobError> {
        let kept = tables.version_dir(version.version).join("late");
        late_of(topic, &version.description).iter().map(|late| Ok(LateRecords::count(topic, late, at, Some(&kept))?)).collect()
    }
}

/// What a SQL text leaves out of its topic because it is late.
fn late_of(topic: &Topic, sql: &str) -> Vec<Late> {
    plan_of(sql, std::slice::from_ref(topic)).map_or_else(|_| Vec::new(), |plan| plan.late())
}
