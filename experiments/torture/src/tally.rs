//! What was tried, and what was violated.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use twopath_base::sync::lock;

use super::KindSummary;

/// Something that must hold and did not.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    pub kind: &'static str,
    /// Of the item: with the seed, it replays it.
    pub number: u64,
    /// Where within the item.
    pub place: String,
    pub what: String,
    pub panicked: bool,
}

pub(crate) struct Tally {
    kind: &'static str,
    tried: AtomicU64,
    hits: AtomicU64,
    violations: Mutex<Vec<Violation>>,
}

impl Tally {
    pub fn new(kind: &'static str) -> Tally {
        Tally { kind, tried: AtomicU64::new(0), hits: AtomicU64::new(0), violations: Mutex::default() }
    }

    /// One fault: `check` says what is violated. A panic is a violation.
    pub fn check(&self, number: u64, place: impl FnOnce() -> String, check: impl FnOnce() -> Result<(), String>) {
        self.tried.fetch_add(1, Ordering::Relaxed);
        let (what, panicked) = match catch_unwind(AssertUnwindSafe(check)) {
            Ok(Ok(())) => return,
            Ok(Err(what)) => (what, false),
            Err(panic) => (said(&*panic), true),
        };
        self.violate(number, place(), what, panicked);
    }

    /// A fault has struck in the midst of what its kind is about: for kinds that only see afterwards where they struck.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs what is no fault itself; a panic in it is a violation all the same.
    pub fn guard(&self, number: u64, run: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            self.violate(number, "outside of its faults".into(), said(&*panic), true);
        }
    }

    fn violate(&self, number: u64, place: String, what: String, panicked: bool) {
        let violation = Violation { kind: self.kind, number, place, what, panicked };
        lock(&self.violations).push(violation);
    }

    pub fn end(self, what: &'static str, seconds: f64) -> (KindSummary, Vec<Violation>) {
        let mut violations = self.violations.into_inner().unwrap_or_else(PoisonError::into_inner);
        violations.sort_by_key(|v| v.number);
        let summary = KindSummary {
            kind: self.kind,
            what,
            tried: self.tried.into_inner(),
            hits: self.hits.into_inner(),
            violations: violations.len() as u64,
            panics: violations.iter().filter(|v| v.panicked).count() as u64,
            seconds,
        };
        (summary, violations)
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    format!("panicked: {}", text.unwrap_or_else(|| "without a word".into()))
}
