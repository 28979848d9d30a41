//! The topics of a comparison whose log a Kafka cluster keeps: one for each run, `PREFIX.ARCHITECTURE-REPEAT`, deleted after it.

use std::collections::BTreeSet;

use twopath_log::Address;

use super::{CompareError, CompareSettings};
use crate::harness::plan::PlannedRun;

/// Where one run makes its topic.
pub fn of_run(place: &Address, planned: &PlannedRun) -> Address {
    let prefix = place.named_topic().unwrap_or("compare");
    // Kafka's names have no plus.
    place.naming(&format!("{prefix}.{}-{}", planned.architecture.replace('+', "-"), planned.repeat + 1))
}

/// That the cluster answers, and has no topic yet of a name that a run needs: what somebody else made is not touched.
pub fn check(settings: &CompareSettings, runs: &[PlannedRun]) -> Result<(), CompareError> {
    let Some(place) = &settings.log else { return Ok(()) };
    let there: BTreeSet<String> = place.topics()?.into_iter().collect();
    let taken = runs.iter().map(|run| of_run(place, run)).find(|p| p.named_topic().is_some_and(|name| there.contains(name)));
    match taken {
        None => Ok(()),
        Some(taken) => Err(CompareError::Setting {
            option: "--log",
            value: taken.to_string(),
            problem: "there is such a topic already, and a run would make it; give another prefix, or delete it".into(),
        }),
    }
}

/// Deletes what a run made, if it came to that. A topic that stays is worth a word, not a failure.
pub fn remove(place: Option<&Address>) {
    let Some((place, name)) = place.and_then(|p| Some((p, p.named_topic()?))) else { return };
    let removed = place.topics().and_then(|there| if there.iter().any(|t| t == name) { place.delete_topic(name) } else { Ok(()) });
    if let Err(e) = removed {
        tracing::warn!("topic {place} stays behind: {e}");
    }
}
