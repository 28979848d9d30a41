//! Progress on standard error; indicatif draws nothing where that is no terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::harness::plan::PlannedRun;
use crate::harness::spec::{Phase, RunProgress};

const STEPS: u64 = 1000;

/// One bar for all runs, and one for the run under way.
pub struct Bars {
    all: ProgressBar,
    one: ProgressBar,
}

impl Bars {
    pub fn new(runs: usize) -> Self {
        let bars = MultiProgress::new();
        let style =
            |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
        let all = bars.add(ProgressBar::new(runs as u64 * STEPS).with_style(style("{msg:44} {bar:30} {elapsed} of about {duration}")));
        let one = bars.add(ProgressBar::new(STEPS).with_style(style("{msg:44} {bar:30}")));
        Bars { all, one }
    }

    /// The events are made.
    pub fn preparing(&self, share: f64) {
        self.one.set_message("making the history");
        self.one.set_position((share * STEPS as f64) as u64);
    }

    /// The reference reads them.
    pub fn reading(&self) {
        self.one.set_message("the reference reads the history");
    }

    pub fn begin(&self, index: usize, planned: &PlannedRun) {
        let runs = self.all.length().unwrap_or(0) / STEPS;
        self.all.set_message(format!("run {} of {runs}: {}, repeat {}", index + 1, planned.architecture, planned.repeat + 1));
        self.all.set_position(index as u64 * STEPS);
        self.one.set_message("starting");
        self.one.set_position(0);
    }

    pub fn progress(&self, progress: RunProgress) {
        // How much of a run has gone when a phase begins, and how much the phase takes: roughly right is enough for a bar.
        let (begun, part, text) = match progress.phase {
            Phase::Load => (0.0, 0.15, "loading history"),
            Phase::Steady => (0.15, 0.35, "events arrive, version 1 serves"),
            Phase::Fix => (0.5, 0.35, "the fix is deployed while events arrive"),
            Phase::Check => (0.85, 0.15, "checking every answer against the reference"),
        };
        let fraction = begun + part * progress.fraction.clamp(0.0, 1.0);
        self.one.set_message(progress.catch_up.map_or_else(|| text.to_owned(), |c| c.to_string()));
        let whole_runs = self.all.position() / STEPS * STEPS;
        let step = (fraction * STEPS as f64) as u64;
        self.one.set_position(step);
        self.all.set_position(whole_runs + step.min(STEPS - 1));
    }

    pub fn end(&self) {
        self.one.finish_and_clear();
        self.all.finish_and_clear();
    }
}
