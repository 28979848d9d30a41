//! `twopath job run --standby`: waiting beside the process that runs a job, with its state at hand.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use twopath_speed::{Local, Standby};

use super::run::unless_deleted;
use crate::cli::Failure;
use crate::standing::{JobError, JobState, Running, StandingJob};

/// How soon the other process's end is noticed, and how far behind it the state is.
const FOLLOW_EVERY: Duration = Duration::from_millis(10);
/// How soon versions that come and go are noticed.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What was taken over: that this process runs the job, and the state of its versions.
pub(super) struct TakenOver {
    pub running: Running,
    /// One for each topic that a version reads.
    pub states: BTreeMap<(u64, String), Vec<Local>>,
}

/// Follows the changelogs of all versions until nobody else runs the job. `None` where it was stopped before.
pub(super) fn stand_by(job: &StandingJob, stop: &AtomicBool, bar: &ProgressBar) -> Result<Option<TakenOver>, Failure> {
    let mut standbys: BTreeMap<(u64, String), Vec<Standby>> = BTreeMap::new();
    let mut looked: Option<Instant> = None;
    while !stop.load(Ordering::SeqCst) {
        if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            look(job, &mut standbys, bar)?;
            looked = Some(Instant::now());
        }
        for (key, standby) in standbys.iter_mut().flat_map(|(key, parts)| parts.iter_mut().map(move |part| (key, part))) {
            let version = key.0;
            match standby.follow() {
                Ok(at) => bar.set_message(at.map_or(String::new(), |at| format!("stands by version {version}, at {at}"))),
                // It may have been deleted since the last look.
                Err(_) if !is_there(job, key)? => looked = None,
                Err(error) => return Err(JobError::from(error).into()),
            }
        }
        if let Some(running) = job.try_run()? {
            // A version may have gone since the last look.
            look(job, &mut standbys, bar)?;
            let mut states = BTreeMap::new();
            for (key, mut parts) in standbys {
                let taken = parts.iter_mut().map(Standby::take_over).collect::<Result<Option<Vec<Local>>, _>>();
                // One that somebody else owns all the same is started as any other.
                states.extend(taken.map_err(JobError::from)?.map(|states| (key, states)));
            }
            bar.suspend(|| eprintln!("takes over"));
            return Ok(Some(TakenOver { running, states }));
        }
        thread::sleep(FOLLOW_EVERY);
    }
    Ok(None)
}

/// Stands by the versions that there are.
fn look(job: &StandingJob, standbys: &mut BTreeMap<(u64, String), Vec<Standby>>, bar: &ProgressBar) -> Result<(), JobError> {
    let versions = job.states()?;
    standbys.retain(|key, _| versions.iter().any(|v| v.key() == *key));
    for now in versions.iter().filter(|v| v.state != JobState::Unfinished) {
        let version = now.version;
        let Entry::Vacant(place) = standbys.entry(now.key()) else { continue };
        let Some(standby) = unless_deleted(job.stand_by(version))? else { continue };
        place.insert(standby);
        bar.suspend(|| eprintln!("stands by version {version}"));
    }
    Ok(())
}

fn is_there(job: &StandingJob, key: &(u64, String)) -> Result<bool, JobError> {
    Ok(job.states()?.iter().any(|v| v.key() == *key))
}
