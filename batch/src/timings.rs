//! How long each step of a run took.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time by step, summed over threads.
#[derive(Debug)]
pub struct Timings {
    started: Instant,
    steps: Mutex<BTreeMap<&'static str, Duration>>,
}

impl Timings {
    pub fn start() -> Self {
        Timings { started: Instant::now(), steps: Mutex::default() }
    }

    pub fn add(&self, step: &'static str, time: Duration) {
        *self.steps.lock().expect("nothing panics under this lock").entry(step).or_default() += time;
    }

    /// Runs a step and adds its time.
    pub fn of<T>(&self, step: &'static str, f: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let value = f();
        self.add(step, started.elapsed());
        value
    }

    /// Milliseconds by step, and `wall`: from the start to now.
    pub fn ms(&self) -> BTreeMap<String, f64> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let steps = self.steps.lock().expect("nothing panics under this lock");
        let mut all: BTreeMap<String, f64> = steps.iter().map(|(step, &time)| ((*step).to_owned(), ms(time))).collect();
        all.insert("wall".to_owned(), ms(self.started.elapsed()));
        all
    }
}
