//! Taking checkpoints beside the job.

use std::thread;
use std::time::{Duration, Instant};

use twopath_log::Hold;
use twopath_view::RealtimeView;

use super::store::CheckpointStore;
use crate::control::Control;
use crate::error::SpeedError;
use crate::input::Input;

/// Takes a checkpoint every `interval` until the job stops. One that fails is told, and tried again the next time; the job goes on. A job that
/// was fenced stops. `first` is done once it is known what goes into the checkpoint, and before it is taken, if it says that it may be.
pub(crate) fn take_in_turn(
    control: &Control,
    store: &CheckpointStore,
    input: &Input,
    interval: Duration,
    mut holds: Vec<Hold>,
    first: impl Fn(&RealtimeView) -> Result<bool, SpeedError>,
) {
    let mut next = Instant::now().checked_add(interval);
    while !control.stopped() {
        match next {
            Some(at) if Instant::now() >= at => {}
            Some(at) => {
                thread::park_timeout(at - Instant::now());
                continue;
            }
            None => {
                thread::park();
                continue;
            }
        }
        next = Instant::now().checked_add(interval);
        let view = control.to_rest();
        match first(&view).and_then(|may| if may { store.commit(&view, input, control.now_us()) } else { Ok(None) }) {
            Ok(Some(_)) => holds = hold_again(store, input).unwrap_or(holds),
            Ok(None) => {}
            Err(error @ SpeedError::Fenced { .. }) => control.fail(error),
            Err(error) => tracing::warn!(%error, "no checkpoint was taken"),
        }
    }
    drop(holds);
}

/// What the oldest of the kept checkpoints would have to replay stays in the log.
fn hold_again(store: &CheckpointStore, input: &Input) -> Option<Vec<Hold>> {
    let oldest = store.oldest_kept()?;
    input.hold("a job that starts again from its checkpoints", &oldest).ok()
}
