//! Something that is done again and again.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use twopath_base::meters::{self, Layer};

use crate::systems::SystemError;

/// A thread of the batch layer that runs something at an interval. Dropping it stops it.
pub(super) struct Every {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<(), SystemError>>>,
}

/// Runs `f` every `interval`, from start to start and the first time one interval from now. A run that takes longer delays the
/// next, and what was missed meanwhile is not made up for. An error ends it.
pub(super) fn every(interval: Duration, mut f: impl FnMut() -> Result<(), SystemError> + Send + 'static) -> Result<Every, SystemError> {
    let (stop, stopped) = mpsc::channel();
    let run = move || {
        let mut due = Instant::now() + interval;
        loop {
            match stopped.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Timeout) => f()?,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            due = (due + interval).max(Instant::now());
        }
    };
    let thread = meters::spawn(Layer::Batch, "runs", run).map_err(SystemError::Thread)?;
    Ok(Every { stop: Some(stop), thread: Some(thread) })
}

impl Every {
    /// Ends it after the run that is under way, and gives the error that ended it before, if one did.
    pub fn stop(mut self) -> Result<(), SystemError> {
        self.end()
    }

    /// An error once it has ended by itself: there will be no further run. What it met is told by [`Every::stop`].
    pub fn check(&self) -> Result<(), SystemError> {
        match self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            true => Err(SystemError::NoMoreRuns),
            false => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), SystemError> {
        drop(self.stop.take());
        let joined = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        joined.unwrap_or(Err(SystemError::Panicked { name: "batch-runs" }))
    }
}

impl Drop for Every {
    fn drop(&mut self) {
        // Whoever wants the error calls `stop`.
        let _ = self.end();
    }
}
