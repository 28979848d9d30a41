//! The querying client: answers are asked for on an open-loop schedule, and every one is kept for checking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use twopath_base::Position;
use twopath_base::meters::{self, Layer};
use twopath_query::Value;
use twopath_serving::{ServingError, Tables};
use twopath_view::Ask;

use super::load::punctual_sleep;
use crate::systems::timeline::Timeline;

/// A waiting client looks this often whether it is to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Questions at a rate, from `start_us` on.
pub struct Questions {
    pub start_us: u64,
    /// Questions per second.
    pub rate: f64,
    /// Asked in turn, from the first again after the last: a key, or everything.
    pub keys: Vec<Option<Arc<[Value]>>>,
}

/// An answer as it was read.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When it was meant to be asked for, and when it was there; on the timeline.
    pub due_us: u64,
    pub read_us: u64,
    pub version: u32,
    /// That it is exact for.
    pub position: Position,
    /// What was asked for; `None` is everything.
    pub key: Option<Arc<[Value]>>,
    pub rows: RecordBatch,
}

impl Recorded {
    /// From the moment at which it was due.
    pub fn latency_us(&self) -> u64 {
        self.read_us.saturating_sub(self.due_us)
    }
}

/// Asks until `stop` is set. An answer that comes late delays the next, whose latency counts from its own time all the same.
pub fn ask_on_schedule(
    tables: &Tables,
    questions: &Questions,
    timeline: &Timeline,
    stop: &AtomicBool,
) -> Result<Vec<Recorded>, ServingError> {
    punctual_sleep();
    let mut answers = Vec::new();
    if questions.rate <= 0.0 || questions.keys.is_empty() {
        return Ok(answers);
    }
    for (i, key) in questions.keys.iter().cycle().enumerate() {
        let due_us = questions.start_us + (i as f64 * 1e6 / questions.rate) as u64;
        if !wait_until(due_us, timeline, stop) {
            break;
        }
        let ask = Ask { key: key.as_ref().map(|k| k.to_vec()), ..Ask::default() };
        let (version, answer) = meters::charge(Layer::Serving, || tables.answer(&ask))?;
        let read_us = timeline.now_us();
        let position = answer.coverage.position().expect("an answer covers something").clone();
        answers.push(Recorded { due_us, read_us, version: version as u32, position, key: key.clone(), rows: answer.rows });
    }
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
