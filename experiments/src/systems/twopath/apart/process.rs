//! The process that a layer has now, if it has one, and how it is killed.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::lock;
use crate::systems::timeline::Timeline;

/// How often somebody who wants to kill looks whether it is time.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// How long a process is waited for that is to be killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(super) struct Slot(Mutex<Now>);

#[derive(Default)]
struct Now {
    child: Option<(Child, Instant)>,
    /// How long the last one lived that was not killed.
    took: Duration,
    /// When the one that is in the slot was killed.
    killed_us: Option<u64>,
}

impl Slot {
    /// A process that has just been started.
    pub fn fill(&self, child: Child) {
        let mut now = lock(&self.0);
        (now.child, now.killed_us) = (Some((child, Instant::now())), None);
    }

    /// Waits for the end of the process, of which nothing more is to be heard; tells how it ended, and when it was killed if it was.
    pub fn ended(&self) -> io::Result<(ExitStatus, Option<u64>)> {
        let mut now = lock(&self.0);
        let (mut child, since) = now.child.take().ok_or_else(|| io::Error::other("there is no process"))?;
        let status = child.wait()?;
        let killed_us = now.killed_us.take();
        if killed_us.is_none() {
            now.took = since.elapsed();
        }
        Ok((status, killed_us))
    }

    /// Kills the process that is there. False where there is none.
    pub fn kill(&self, timeline: &Timeline) -> bool {
        self.kill_if(timeline, |_, _| true)
    }

    /// Waits for a process that has lived for half as long as the last one did, and kills it. False where none comes.
    pub fn kill_in_mid_run(&self, timeline: &Timeline) -> bool {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if self.kill_if(timeline, |lived, took| lived >= took / 2) {
                return true;
            }
            thread::sleep(LOOK_EVERY);
        }
        false
    }

    fn kill_if(&self, timeline: &Timeline, due: impl Fn(Duration, Duration) -> bool) -> bool {
        let mut now = lock(&self.0);
        let took = now.took;
        let Some((child, since)) = &mut now.child else { return false };
        if !due(since.elapsed(), took) || child.kill().is_err() {
            return false;
        }
        now.killed_us = Some(timeline.now_us());
        true
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_killed_process_is_told_from_one_that_ended() {
        let (slot, timeline) = (Slot::default(), Timeline::new());
        assert!(!slot.kill(&timeline), "there is none");
        slot.fill(Command::new("sleep").arg("60").spawn().unwrap());
        assert!(slot.kill(&timeline));
        let (status, killed_us) = slot.ended().unwrap();
        assert!(!status.success() && killed_us.is_some());
        slot.fill(Command::new("true").spawn().unwrap());
        let (status, killed_us) = slot.ended().unwrap();
        assert!(status.success() && killed_us.is_none());
    }
}
