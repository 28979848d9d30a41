//! Every byte of every file changed, every file cut to every length, and files that stand where they do not belong.

use std::fs;
use std::path::{Path, PathBuf};

use twopath_shared::log::{Durability, Log, LogError, Topic};
use twopath_shared::{Offset, PartitionId, Position};

use super::Item;
use super::tally::Tally;
use super::world::{GROUP, TOPIC, config, contents, events};

const P0: PartitionId = PartitionId(0);
/// Each item takes every so-manieth byte; the last item takes whole files.
const STRIDE: u64 = 32;
/// Groups are small and their records of one size: the places where one commit ends.
const COMMITS: [u64; 3] = [4, 9, 20];

pub(super) fn items(_long: bool) -> u64 {
    STRIDE + 1
}

/// Two sealed segments, an active one, and a group that committed three times; 30 records.
fn make(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let topic = Log::open(dir)?.create_topic(config(1, Durability::Interval(std::time::Duration::from_secs(3600))))?;
    let writer = topic.writer()?;
    let append = |ids: std::ops::Range<i64>| writer.append(&events(ids));
    append(0..10)?;
    writer.barrier()?;
    append(10..20)?;
    let group = topic.group_or_new(GROUP)?;
    COMMITS.iter().try_for_each(|to| group.seek_to(&Position::new(vec![Offset(*to)])).map(drop))?;
    writer.barrier()?;
    append(20..25)?;
    append(25..30)?;
    writer.close()?;
    let mut files: Vec<PathBuf> = topic.segments(P0)?.into_iter().map(|s| s.path).collect();
    files.push(topic.dir()?.join("topic.json"));
    files.push(topic.dir()?.join("groups").join(GROUP).join("positions"));
    Ok(files)
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let files = make(item.scratch).expect("no fault was asked for");
    if item.number == STRIDE {
        return misplaced(item, tally, &files);
    }
    for path in &files {
        let whole = fs::read(path).expect("the file was just made");
        for at in (item.number as usize..whole.len()).step_by(STRIDE as usize) {
            for change in changes(item.long) {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                damage(item, tally, path, &bytes, &whole, &|| format!("byte {at} ^ {change:#04x}"));
            }
            damage(item, tally, path, &whole[..at], &whole, &|| format!("cut to {at} bytes"));
        }
    }
}

/// What a byte is changed by: all other values, or one bit, all bits, and one more.
fn changes(long: bool) -> impl Iterator<Item = u8> {
    let short: &[u8] = &[0x01, 0xff, 0x20];
    let all = 1..=255;
    short.iter().copied().filter(move |_| !long).chain(all.filter(move |_| long))
}

fn damage(item: &Item<'_>, tally: &Tally, path: &Path, bytes: &[u8], whole: &[u8], what: &dyn Fn() -> String) {
    let place = || format!("{}, {}", path.strip_prefix(item.scratch).unwrap_or(path).display(), what());
    tally.check(item.number, place, || {
        fs::write(path, bytes).map_err(|e| e.to_string())?;
        let detected = detected(item.scratch, path, bytes.len() < whole.len());
        fs::write(path, whole).map_err(|e| e.to_string())?;
        detected
    });
}

/// Whether the damage of `path` is named by reading and by verifying.
fn detected(dir: &Path, path: &Path, cut: bool) -> Result<(), String> {
    let name = path.display().to_string();
    let topic = match Log::open(dir).and_then(|log| log.topic(TOPIC)) {
        Ok(topic) if path.ends_with("topic.json") => return Err(format!("the topic opens: {:?}", topic.config())),
        Ok(topic) => topic,
        Err(e) if path.ends_with("topic.json") => return names(&e.to_string(), &name),
        Err(e) => return Err(format!("the topic does not open: {e}")),
    };
    if path.ends_with("positions") {
        return match topic.group(GROUP).and_then(|g| g.committed()) {
            // A file that ends early is one that a dead process left: an earlier position, from which is read again.
            Ok(position) if cut && (position.get(P0).0 == 0 || COMMITS.contains(&position.get(P0).0)) => Ok(()),
            Ok(position) => Err(format!("the group is at {position}")),
            Err(e) => names(&e.to_string(), &name),
        };
    }
    match contents(&topic, P0) {
        Ok((ids, _)) => return Err(format!("reading gives {} records", ids.len())),
        Err(e @ LogError::Corrupt { .. }) => names(&e.to_string(), &name)?,
        Err(e) => return Err(format!("reading says: {e}")),
    }
    verified(&topic, path)
}

fn names(error: &str, name: &str) -> Result<(), String> {
    if error.contains(name) { Ok(()) } else { Err(format!("the file is not named: {error}")) }
}

fn verified(topic: &Topic, path: &Path) -> Result<(), String> {
    let report = topic.verify().map_err(|e| format!("verify gives up: {e}"))?;
    if report.problems.iter().any(|p| p.path == path) { Ok(()) } else { Err(format!("verify passes over it: {:?}", report.problems)) }
}

/// Segments that are swapped, duplicated, missing, or of another topic or partition.
fn misplaced(item: &Item<'_>, tally: &Tally, files: &[PathBuf]) {
    let other = item.scratch.join("other");
    fs::create_dir(&other).expect("the scratch folder is ours");
    let foreign = make(&other).expect("no fault was asked for");
    let read = |path: &PathBuf| fs::read(path).expect("the file was just made");
    let segments = &files[..3];
    let own: Vec<_> = segments.iter().map(read).collect();
    let foreign: Vec<_> = foreign.iter().map(read).collect();
    let check = |place: String, change: &[(usize, Option<&[u8]>)]| {
        tally.check(
            item.number,
            || place,
            || {
                for (i, bytes) in change {
                    let done = bytes.map_or_else(|| fs::remove_file(&segments[*i]), |bytes| fs::write(&segments[*i], bytes));
                    done.map_err(|e| e.to_string())?;
                }
                let detected = Log::open(item.scratch).and_then(|log| log.topic(TOPIC)).map_err(|e| e.to_string()).and_then(|topic| {
                    let read = contents(&topic, P0).map(|(ids, _)| ids.len());
                    let clean = topic.verify().is_ok_and(|r| r.is_clean());
                    match read {
                        Ok(n) => Err(format!("reading gives {n} records")),
                        Err(_) if clean => Err("verify passes over it".into()),
                        Err(LogError::Corrupt { .. }) => Ok(()),
                        Err(e) => Err(format!("reading says: {e}")),
                    }
                });
                segments.iter().zip(&own).try_for_each(|(path, bytes)| fs::write(path, bytes)).map_err(|e| e.to_string())?;
                detected
            },
        );
    };
    for i in 0..3 {
        check(format!("segment {i} of another topic"), &[(i, Some(&foreign[i]))]);
        check(format!("segment {i} missing"), &[(i, None)]);
        for j in (0..3).filter(|j| *j != i) {
            check(format!("segment {j} in the place of {i}, too"), &[(i, Some(&own[j]))]);
            check(format!("segments {i} and {j} swapped"), &[(i, Some(&own[j])), (j, Some(&own[i]))]);
        }
    }
}
