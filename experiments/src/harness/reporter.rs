//! What a child tells its parent while it runs.

use std::io::{self, Write};

use super::spec::{Phase, RunProgress};
use crate::systems::timeline::CatchUp;

/// Tells the parent how far the run is: a line at each whole per cent at most, and at each change of a lag.
#[derive(Default)]
pub struct Reporter {
    last: Option<RunProgress>,
}

impl Reporter {
    pub fn report(&mut self, phase: Phase, fraction: f64) {
        self.report_with(phase, fraction, None);
    }

    pub fn report_with(&mut self, phase: Phase, fraction: f64, catch_up: Option<CatchUp>) {
        let fraction = (fraction.clamp(0.0, 1.0) * 100.0).floor() / 100.0;
        let progress = RunProgress { phase, fraction, catch_up };
        if self.last == Some(progress) {
            return;
        }
        self.last = Some(progress);
        let line = serde_json::to_string(&progress).expect("progress is plain");
        // A parent that has gone will not miss it.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}
