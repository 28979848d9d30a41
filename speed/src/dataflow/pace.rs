//! How fast a source reads at most: a replay that takes all it can get is felt by whoever lives beside it.

use std::thread;
use std::time::{Duration, Instant};

/// See the module.
pub(super) struct Pace {
    records_per_s: f64,
    /// Not before then is more read.
    due: Instant,
}

impl Pace {
    pub fn new(records_per_s: f64) -> Self {
        Pace { records_per_s, due: Instant::now() }
    }

    /// Rows to read at once: those of a fiftieth of a second.
    pub fn chunk_rows(&self) -> usize {
        (self.records_per_s / 50.0).ceil() as usize
    }

    /// Waits until more may be read. The worker's thread sleeps: while it may not read it has nothing else to do.
    pub fn wait(&self) {
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
    }

    /// So many records have been read. Time in which nobody read is not made up for.
    pub fn took(&mut self, records: u64) {
        let seconds = records as f64 / self.records_per_s;
        self.due = self.due.max(Instant::now()) + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_waited_for_and_idle_time_is_lost() {
        let mut pace = Pace::new(1_000.0);
        let began = Instant::now();
        pace.took(20);
        pace.took(20);
        assert!(pace.due >= began + Duration::from_millis(40));
        pace.due = began - Duration::from_secs(5);
        pace.took(20);
        assert!(pace.due >= began + Duration::from_millis(20));
        assert_eq!(pace.chunk_rows(), 20);
    }
}
