//! What happened when: publications, the cutover, and marks for the charts.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_serving::Table;

use twopath_results::number;
use twopath_results::result::Happening;

/// A run's clock and its record. Times are microseconds since the run began, on a clock that is never set back and that all processes
/// of a machine share.
pub struct Timeline {
    /// On the shared clock.
    began_us: u64,
    record: Mutex<Happenings>,
    catching_up: Mutex<Option<CatchUp>>,
}

#[derive(Default)]
struct Happenings {
    happened: Vec<Happened>,
    marks: Vec<Span>,
}

/// Something that can change what answers cover.
struct Happened {
    at_us: u64,
    version: u32,
    position: Position,
    /// Whether readers moved to the version; else it published.
    cutover: bool,
}

/// What happened in a system, once it has been stopped.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What could be read from when on, in order.
    pub readable: Vec<Readable>,
    pub marks: Vec<Span>,
}

/// Something for the charts, which took some time or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub what: Happening,
    pub from_us: u64,
    pub to_us: Option<u64>,
}

/// From `at_us` on answers cover `position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readable {
    pub at_us: u64,
    pub position: Position,
}

impl Timeline {
    /// Its time 0 is now.
    #[allow(clippy::new_without_default, reason = "a timeline begins at a moment")]
    pub fn new() -> Self {
        Timeline::since(monotonic_us())
    }

    /// The timeline of a run that began at a time of the shared clock ([`Timeline::began_us`] of another process).
    pub fn since(began_us: u64) -> Self {
        Timeline { began_us, record: Mutex::default(), catching_up: Mutex::default() }
    }

    /// Its time 0, on the shared clock.
    pub fn began_us(&self) -> u64 {
        self.began_us
    }

    pub fn now_us(&self) -> u64 {
        monotonic_us() - self.began_us
    }

    /// What has happened so far.
    pub fn record(&self) -> Record {
        Record { readable: self.readable(), marks: self.marks() }
    }

    /// To be called right after a publication has become visible in a version's table.
    pub fn published(&self, version: u32, position: &Position) {
        self.happened(version, position.clone(), false);
    }

    /// To be called right after readers have been moved to a version.
    pub fn cut_over(&self, version: u32, table: &Table) {
        let position = table.position().expect("readers move to a version that covers something");
        self.happened(version, position, true);
        self.mark(Happening::Cutover { version });
    }

    fn happened(&self, version: u32, position: Position, cutover: bool) {
        let mut record = self.lock();
        let at_us = self.now_us();
        record.happened.push(Happened { at_us, version, position, cutover });
    }

    /// Marks this moment.
    pub fn mark(&self, what: Happening) {
        self.mark_at(self.now_us(), what);
    }

    /// Marks a moment.
    pub fn mark_at(&self, from_us: u64, what: Happening) {
        self.lock().marks.push(Span { what, from_us, to_us: None });
    }

    /// Marks the time from `from_us` until now.
    pub fn mark_since(&self, from_us: u64, what: Happening) {
        let to_us = Some(self.now_us());
        self.lock().marks.push(Span { what, from_us, to_us });
    }

    /// How far behind the version is that is catching up now; none once it is not any more.
    pub fn set_catching_up(&self, catch_up: Option<CatchUp>) {
        *self.catching_up.lock().unwrap_or_else(PoisonError::into_inner) = catch_up;
    }

    pub fn catching_up(&self) -> Option<CatchUp> {
        *self.catching_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn marks(&self) -> Vec<Span> {
        self.lock().marks.clone()
    }

    /// What could be read from when on: only the version that readers were on counts, and what they could read once stays read (after
    /// a cutover to a version that is a little behind, nothing is covered a second time).
    pub fn readable(&self) -> Vec<Readable> {
        let mut active = None;
        let mut readable: Vec<Readable> = Vec::new();
        for h in &self.lock().happened {
            if h.cutover {
                active = Some(h.version);
            }
            if active != Some(h.version) {
                continue;
            }
            match readable.last() {
                Some(last) if last.position.covers(&h.position) => {}
                last => {
                    let position = last.map_or_else(|| h.position.clone(), |last| last.position.join(&h.position));
                    readable.push(Readable { at_us: h.at_us, position });
                }
            }
        }
        readable
    }

    fn lock(&self) -> MutexGuard<'_, Happenings> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far behind the log a version is that is catching up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CatchUp {
    pub version: u32,
    pub lag_records: u64,
    /// Records read per second, over the last seconds.
    pub rate_records_per_s: f64,
    /// Until the lag is closed, at the present rates of reading and appending; none where it will not be.
    pub eta_s: Option<f64>,
}

impl std::fmt::Display for CatchUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CatchUp { version, lag_records, rate_records_per_s: rate, eta_s } = *self;
        write!(f, "version {version}: {} behind, {} records/s", number::count(lag_records), number::count(rate as u64))?;
        match eta_s {
            Some(s) => write!(f, ", {} left", number::duration(s * 1e3)),
            None => write!(f, ", falling behind"),
        }
    }
}

/// The clock that runs through all processes since the machine was started.
fn monotonic_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to the pointer and keeps nothing.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    assert_eq!(done, 0, "every system has a monotonic clock");
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_readers_are_on_counts_and_nothing_twice() {
        let timeline = Timeline::new();
        let at = |text: &str| text.parse::<Position>().unwrap();
        timeline.published(1, &at("5,5"));
        timeline.happened(1, at("5,5"), true);
        timeline.published(1, &at("9,5"));
        timeline.published(2, &at("9,9"));
        timeline.published(1, &at("9,6"));
        timeline.happened(2, at("8,9"), true);
        timeline.published(1, &at("20,20"));
        timeline.published(2, &at("9,8"));
        timeline.published(2, &at("9,10"));
        let positions: Vec<_> = timeline.readable().iter().map(|r| r.position.to_string()).collect();
        assert_eq!(positions, ["5,5", "9,5", "9,6", "9,9", "9,10"]);
        assert!(timeline.readable().is_sorted_by_key(|r| r.at_us));
    }
}
