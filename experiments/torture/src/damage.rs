//! Every byte of every file changed, and every file cut to every length.

use std::fs;
use std::path::{Path, PathBuf};

use twopath_base::{Offset, Position};
use twopath_log::{Compaction, Log, LogError, MemberOptions, Retention, Topic};

use super::Item;
use super::filled::{COMMITS, P0, make, plain, tidied};
use super::misplaced::misplaced;
use super::model::Found;
use super::tally::Tally;
use super::world::{GROUP, TOPIC};

/// Each item takes every so-manieth byte; the last item takes whole files.
const STRIDE: u64 = 32;
/// Bytes of one such record in the group's file.
const COMMIT_BYTES: usize = 64;

pub(super) fn items(_long: bool) -> u64 {
    STRIDE + 1
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let dirs = ["plain", "tidied"].map(|name| item.scratch.join(name));
    if item.number == STRIDE {
        return misplaced(item, tally);
    }
    let mut files: Vec<(&Path, PathBuf)> = Vec::new();
    for path in make(&dirs[0], 1, plain).expect("no fault was asked for") {
        files.push((&dirs[0], path));
    }
    files.push((&dirs[0], dirs[0].join(TOPIC).join("topic.json")));
    files.push((&dirs[0], dirs[0].join(TOPIC).join("groups").join(GROUP).join("positions")));
    for path in make(&dirs[1], 1, tidied).expect("no fault was asked for") {
        files.push((&dirs[1], path));
    }
    files.push((&dirs[1], dirs[1].join(TOPIC).join("p0").join("manifest")));
    for (dir, path) in &files {
        let whole = fs::read(path).expect("the file was just made");
        let damage = |bytes: &[u8], what: String| {
            let place = || format!("{}, {what}", path.strip_prefix(item.scratch).unwrap_or(path).display());
            tally.check(item.number, place, || {
                fs::write(path, bytes).map_err(|e| e.to_string())?;
                let detected = detected(dir, path, (bytes.len() < whole.len()).then_some(bytes.len()));
                fs::write(path, &whole).map_err(|e| e.to_string())?;
                detected
            });
        };
        for at in (item.number as usize..whole.len()).step_by(STRIDE as usize) {
            for change in changes(item.long) {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                damage(&bytes, format!("byte {at} ^ {change:#04x}"));
            }
            damage(&whole[..at], format!("cut to {at} bytes"));
        }
    }
}

/// What a byte is changed by: all other values, or one bit, all bits, and one more.
fn changes(long: bool) -> impl Iterator<Item = u8> {
    let short: &[u8] = &[0x01, 0xff, 0x20];
    let all = 1..=255;
    short.iter().copied().filter(move |_| !long).chain(all.filter(move |_| long))
}

/// Whether the damage of `path` is named by whatever needs the file, and by verifying.
fn detected(dir: &Path, path: &Path, cut: Option<usize>) -> Result<(), String> {
    let topic = match Log::open(dir).and_then(|log| log.topic(TOPIC)) {
        Ok(topic) if path.ends_with("topic.json") => return Err(format!("the topic opens: {:?}", topic.config())),
        Ok(topic) => topic,
        Err(e) if path.ends_with("topic.json") => return names("opening", Err::<(), _>(e), path),
        Err(e) => return Err(format!("the topic does not open: {e}")),
    };
    if path.ends_with("positions") {
        return match cut {
            Some(bytes) => cut_positions(&topic, bytes),
            None => damaged_positions(&topic, path),
        };
    }
    names("reading", Found::read(&topic, P0), path)?;
    verified(&topic, path)?;
    if path.ends_with("manifest") {
        names("writing", topic.writer(), path)?;
        names("retention", topic.local().and_then(|topic| topic.retain(&Retention::of_bytes(1), true)), path)?;
        names("compaction", topic.local().and_then(|topic| topic.compact(&Compaction::default())), path)?;
    }
    Ok(())
}

/// A group's file that ends early is one that a dead process left: an earlier position, from which is read again.
fn cut_positions(topic: &Topic, bytes: usize) -> Result<(), String> {
    let expected = (bytes / COMMIT_BYTES).checked_sub(1).map_or(0, |last| COMMITS[last]);
    match topic.local().and_then(|topic| topic.group(GROUP)).and_then(|g| g.committed()) {
        Ok(position) if position.get(P0).0 == expected => Ok(()),
        other => Err(format!("the group is at {other:?}, and not at {expected}")),
    }
}

/// Nobody takes a damaged position for one, whatever for; setting the group anew mends it.
fn damaged_positions(topic: &Topic, path: &Path) -> Result<(), String> {
    let group = topic.local().and_then(|topic| topic.group(GROUP)).map_err(|e| e.to_string())?;
    names("asking where the group is", group.committed(), path)?;
    names("asking for its progress", group.progress(), path)?;
    names("asking for its lag", group.lag(), path)?;
    names("asking for all groups", topic.local().and_then(|topic| topic.committed_groups()), path)?;
    names("retention, which asks who still reads,", topic.local().and_then(|topic| topic.retain(&Retention::of_bytes(1), false)), path)?;
    let member = group.join("m", MemberOptions::default()).and_then(|mut m| m.poll(std::time::Duration::ZERO));
    names("a member", member, path)?;
    verified(topic, path)?;
    let to = Position::new(vec![Offset(7)]);
    group.seek_to(&to).map_err(|e| format!("it cannot be set anew: {e}"))?;
    match group.committed() {
        Ok(position) if position == to => Ok(()),
        other => Err(format!("set anew to {to}, the group is at {other:?}")),
    }
}

fn names<T>(doing: &str, outcome: Result<T, LogError>, path: &Path) -> Result<(), String> {
    let named = match outcome {
        Ok(_) => return Err(format!("{doing} passes over it")),
        Err(LogError::Corrupt { path, .. } | LogError::CorruptPositions { path, .. } | LogError::BadTopicFile { path, .. }) => path,
        Err(e) => return Err(format!("{doing} says: {e}")),
    };
    if named == path { Ok(()) } else { Err(format!("{doing} names {}", named.display())) }
}

fn verified(topic: &Topic, path: &Path) -> Result<(), String> {
    let report = topic.local().and_then(|topic| topic.verify()).map_err(|e| format!("verify gives up: {e}"))?;
    if report.problems.iter().any(|p| p.path == path) { Ok(()) } else { Err(format!("verify passes over it: {:?}", report.problems)) }
}
