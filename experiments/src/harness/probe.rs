//! The querying client: answers are asked for on an open-loop schedule, and every one is kept for checking.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use twopath_query::Value;

use super::RunError;
use super::load::punctual_sleep;
use super::recording::{Recorded, Spill};
use crate::systems::timeline::Timeline;
use crate::systems::{Answered, System};

/// A waiting client looks this often whether it is to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Questions at a rate, from `start_us` on.
pub struct Questions {
    pub start_us: u64,
    /// Questions per second.
    pub rate: f64,
    /// Asked in turn, from the first again after the last: a key, or everything.
    pub keys: Vec<Option<Vec<Value>>>,
}

/// Asks until `stop` is set, and appends each answer to `spill`; `begun_us` says when the last one that has come was asked for. An answer that comes late delays the next, whose latency counts from its
/// own time all the same.
pub fn ask_on_schedule(
    system: &dyn System,
    questions: &Questions,
    mut spill: Spill,
    timeline: &Timeline,
    (stop, begun_us): (&AtomicBool, &AtomicU64),
) -> Result<Vec<Recorded>, RunError> {
    punctual_sleep();
    let mut answers = Vec::new();
    if questions.rate <= 0.0 || questions.keys.is_empty() {
        return Ok(answers);
    }
    for (i, (number, key)) in questions.keys.iter().enumerate().cycle().enumerate() {
        let due_us = questions.start_us + (i as f64 * 1e6 / questions.rate) as u64;
        if !wait_until(due_us, timeline, stop) {
            break;
        }
        let asked_us = timeline.now_us();
        let answer = system.ask(key.as_deref())?;
        let read_us = timeline.now_us();
        let rows = spill.append(&answer.rows)?;
        let key = key.as_ref().map(|_| number as u32);
        let Answered { version, position, approximate, .. } = answer;
        answers.push(Recorded { due_us, read_us, version, position, approximate, key, rows });
        begun_us.store(asked_us, Ordering::Relaxed);
    }
    spill.close()?;
    Ok(answers)
}

/// False where `stop` was set before.
fn wait_until(due_us: u64, timeline: &Timeline, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        match due_us.saturating_sub(timeline.now_us()) {
            0 => return true,
            us => thread::sleep(Duration::from_micros(us).min(LOOK_AGAIN)),
        }
    }
}
