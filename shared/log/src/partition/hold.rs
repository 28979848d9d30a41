//! A pin: a mark that somebody reads a topic from a position on (a batch run, a replay), which retention heeds. It holds for as long as
//! its process lives, by a lock of the operating system.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use twopath_base::Position;

use crate::error::LogError;
use crate::lock::{Held, holder};
use crate::partition::locks::holds_lock;
use crate::partition::state::TopicState;

/// Holds until it is dropped.
pub struct Hold {
    held: Option<Held>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.remove();
        }
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Keeps retention from removing what stands at or after `from`, for as long as the hold lives. `who` is named in reports.
pub(crate) fn hold(topic: &TopicState, who: &str, from: &Position) -> Result<Hold, LogError> {
    let _claims = holds_lock(topic)?;
    let dir = dir(topic);
    fs::create_dir_all(&dir).map_err(LogError::io("create", &dir))?;
    let holder = format!("{from}\n{who}, process {}", std::process::id());
    loop {
        // A name may be taken by a process in another container, which has the same number.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{}-{number}", std::process::id()));
        if let Some(held) = Held::try_take(&path, &holder)? {
            return Ok(Hold { held: Some(held) });
        }
    }
}

fn dir(topic: &TopicState) -> PathBuf {
    topic.dir.join("pins")
}

/// Who holds the topic from where on, for whoever has the lock of claims. Pins of processes that died are removed.
pub(crate) fn holds(topic: &TopicState) -> Result<Vec<(String, Position)>, LogError> {
    let dir = dir(topic);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LogError::io("list", &dir)(e)),
    };
    let mut pins = Vec::new();
    for entry in entries {
        let path = entry.map_err(LogError::io("list", &dir))?.path();
        if let Some(text) = holder(&path)? {
            let (position, who) = text.split_once('\n').unwrap_or((&text, "a reader"));
            let position = position.parse().ok().filter(|p: &Position| p.partitions() == topic.partitions());
            // One that does not say from where on may need everything.
            pins.push((who.trim().to_owned(), position.unwrap_or_else(|| Position::zero(topic.partitions()))));
        } else if let Some(left_behind) = Held::try_take(&path, "")? {
            left_behind.remove();
        }
    }
    Ok(pins)
}
